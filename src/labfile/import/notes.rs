//! What the Labfile does not say as the Vagrantfile did: one note for each line, whatever happened there how often.

use std::fmt::Write as _;

use super::Note;
use super::model::Place;

/// How much is kept; behind it there is no more to learn.
const MAX: usize = 5_000;
/// How many names or numbers one note tells.
const SUBJECTS_MAX: usize = 6;
/// How many different things one note tells.
const PIECES_MAX: usize = 6;
/// How much of a line is shown, in letters.
const SHOWN: usize = 90;

/// A file that was read: its name, for messages, and its text.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) shown: String,
    pub(super) text: String,
    line_starts: Vec<usize>,
    /// Where the Vagrantfile asks for it.
    pub(super) asked_for: usize,
}

impl Source {
    pub(super) fn new(shown: String, text: String, asked_for: usize) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Source { shown, text, line_starts, asked_for }
    }

    /// The line, from 1, of a place in the text.
    pub(super) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// A line's text, without what surrounds it.
    fn shown_line(&self, line: usize) -> String {
        let text = self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        let short: String = text.chars().take(SHOWN).collect();
        if short.len() < text.len() { format!("{short} …") } else { short }
    }
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    said: Vec<Said>,
    /// There was more than is kept.
    more: bool,
}

#[derive(Debug, PartialEq)]
struct Said {
    place: Place,
    text: String,
    subject: Option<String>,
}

impl Notes {
    pub(super) fn add(&mut self, place: Place, text: impl Into<String>) {
        self.keep(Said { place, text: text.into(), subject: None });
    }

    /// The same of one of several: the subjects of one line stand together where `text` has `{}`.
    pub(super) fn about(&mut self, place: Place, subject: impl Into<String>, text: impl Into<String>) {
        self.keep(Said { place, text: text.into(), subject: Some(subject.into()) });
    }

    fn keep(&mut self, said: Said) {
        if self.said.len() >= MAX {
            self.more = true;
        } else if !self.said.contains(&said) {
            self.said.push(said);
        }
    }

    /// The first thing that was said of a line, for an error.
    pub(super) fn rendered(mut self, files: &[Source]) -> Vec<Note> {
        if self.more {
            self.add(Place::default(), "there is more that could not be carried over than is listed here");
        }
        let mut places: Vec<Place> = self.said.iter().map(|said| said.place).collect();
        places.sort();
        places.dedup();
        let mut notes = Vec::new();
        for place in places {
            let pieces = self.pieces(place);
            let source = files.get(usize::from(place.file)).filter(|_| place.line > 0);
            let Some(source) = source else {
                notes.extend(pieces.into_iter().map(|text| Note { line: 0, text }));
                continue;
            };
            let line = place.line as usize;
            let mut text = match place.file {
                0 => String::new(),
                _ => format!("{}:{line}: ", source.shown),
            };
            let _ = write!(text, "`{}`: {}", source.shown_line(line), joined(&pieces, "; ", PIECES_MAX));
            notes.push(Note { line: if place.file == 0 { line } else { source.asked_for }, text });
        }
        notes.sort();
        notes.dedup();
        notes
    }

    /// The different things that were said of a line, each with all its subjects.
    fn pieces(&self, place: Place) -> Vec<String> {
        let mut pieces: Vec<(&str, Vec<String>)> = Vec::new();
        for said in self.said.iter().filter(|said| said.place == place) {
            let known = pieces.iter().position(|(text, _)| *text == said.text);
            let known = known.unwrap_or_else(|| {
                pieces.push((&said.text, Vec::new()));
                pieces.len() - 1
            });
            if let (Some(subject), Some((_, subjects))) = (&said.subject, pieces.get_mut(known)) {
                subjects.push(subject.clone());
            }
        }
        let piece = |(text, subjects): (&str, Vec<String>)| match subjects.as_slice() {
            [] => text.to_owned(),
            subjects => text.replacen("{}", &joined(subjects, ", ", SUBJECTS_MAX), 1),
        };
        pieces.into_iter().map(piece).collect()
    }
}

fn joined(items: &[String], by: &str, most: usize) -> String {
    match items.len() {
        count if count > most => {
            let shown = items.get(..most).unwrap_or_default().join(by);
            format!("{shown} and {} more", count - most)
        }
        _ => items.join(by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_note() {
        let files = [Source::new("Vagrantfile".to_owned(), "one\n  two  \n".to_owned(), 0)];
        let mut notes = Notes::default();
        let place = Place { file: 0, line: 2 };
        for number in 0..9 {
            notes.about(place, format!("web{number}"), "{}: left out");
        }
        notes.add(place, "why");
        notes.add(place, "why");
        assert_eq!(
            notes.rendered(&files),
            [Note {
                line: 2,
                text: "`two`: web0, web1, web2, web3, web4, web5 and 3 more: left out; why".to_owned()
            }]
        );
    }
}
