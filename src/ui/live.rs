//! Events on a terminal: one live line per machine, everything else above them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Kind;
use crate::lab::tell::event::{Bytes, Event, Outcome, Sink};
use crate::threads;

use super::plain::{line, waiting};
use super::terminal::{say, shown};
use super::{Paint, Volume, duration};

/// The live display.
pub(super) struct Live {
    bars: MultiProgress,
    paint: Paint,
    volume: Volume,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Default)]
struct Shown {
    machines: BTreeMap<String, ProgressBar>,
    /// The width of the column of names.
    width: usize,
    /// Work shared by all machines.
    shared: Option<Shared>,
}

/// Work shared by all machines, such as a download.
struct Shared {
    bar: ProgressBar,
    /// What its line shows now.
    look: Look,
}

/// What a line of shared work shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// How much of it is done.
    Share,
    /// How many bytes of how many, how fast, and how long it will take.
    Download,
    /// How many bytes, and how fast.
    DownloadWithoutEnd,
}

impl Look {
    fn of(bytes: Option<Bytes>) -> Self {
        match bytes {
            None => Look::Share,
            Some(Bytes { total: Some(_), .. }) => Look::Download,
            Some(Bytes { total: None, .. }) => Look::DownloadWithoutEnd,
        }
    }

    fn template(self) -> &'static str {
        match self {
            Look::Share => "{msg} {bar:30} {percent}%",
            Look::Download => {
                "{msg} {bar:20} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left"
            }
            Look::DownloadWithoutEnd => "{msg}: {binary_bytes}, {binary_bytes_per_sec}",
        }
    }
}

impl Live {
    pub(super) fn new(paint: Paint, volume: Volume) -> Self {
        // 15 drawings a second look smooth and cost nothing.
        let target = ProgressDrawTarget::stderr_with_hz(15);
        let shown = Arc::new(Mutex::new(Shown::default()));
        keep_turning(Arc::downgrade(&shown));
        Live { bars: MultiProgress::with_draw_target(target), paint, volume, shown }
    }

    fn above(&self, text: &str) {
        let _ = self.bars.println(shown(text, self.paint));
    }

    /// Changes the line of a machine with `change`, which also gets the width of the column of names. A machine that has
    /// no line yet gets one.
    fn on_bar(&self, machine: &str, change: impl FnOnce(&ProgressBar, usize)) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.width = shown.width.max(machine.chars().count());
        let width = shown.width;
        let bar = shown.machines.entry(machine.to_owned()).or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_style(style(&format!("{{prefix:<{width}}}  {{spinner}} {{elapsed:>4}}  {{wide_msg}}")));
            let bold = self.paint.bold;
            bar.set_prefix(format!("{bold}{machine}{bold:#}"));
            bar
        });
        change(bar, width);
    }
}

impl Sink for Live {
    fn emit(&self, event: Event) {
        let Paint { good, bad, dim, .. } = self.paint;
        match &event {
            Event::Begin { machines } => {
                let longest = machines.iter().map(|machine| machine.chars().count()).max().unwrap_or(0);
                self.shown.lock().unwrap_or_else(PoisonError::into_inner).width = longest;
                for machine in machines {
                    self.on_bar(machine, |_, _| {});
                }
            }
            Event::End => {
                let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
                if !std::mem::take(&mut shown.machines).is_empty() {
                    // The cursor is still behind the last line.
                    say("", self.paint);
                }
            }
            Event::Waiting { machine, on } => {
                self.on_bar(machine, |bar, _| bar.set_message(format!("{dim}{}{dim:#}", waiting(on))));
            }
            Event::Phase { machine, phase } => self.on_bar(machine, |bar, _| bar.set_message(phase.words())),
            Event::StepStarted { machine, step } => {
                self.on_bar(machine, |bar, _| bar.set_message(step.clone()));
            }
            Event::StepFinished { .. } => {}
            Event::Program(_) => {
                if self.volume == Volume::Verbose
                    && let Some(line) = line(&event, self.paint)
                {
                    self.above(&format!("{dim}{line}{dim:#}"));
                }
            }
            Event::Output { machine, step, line: text, .. } => {
                if self.volume == Volume::Verbose
                    && let Some(line) = line(&event, self.paint)
                {
                    self.above(&line);
                }
                let message = format!("{step} {dim}| {text}{dim:#}");
                self.on_bar(machine, |bar, _| bar.set_message(message));
            }
            Event::Done { machine, outcome, took } => {
                let words = outcome.words();
                let message = match outcome {
                    Outcome::AlreadyReady | Outcome::Unchanged => format!("{dim}{words}{dim:#}"),
                    _ => format!("{good}{words}{good:#} in {}", duration(*took)),
                };
                self.on_bar(machine, |bar, width| finish(bar, width, format!("{good}✓{good:#}"), message));
            }
            Event::Failed { machine, error } if error.kind() == Kind::Interrupted => {
                let message = error.message().to_owned();
                self.on_bar(machine, |bar, width| finish(bar, width, format!("{bad}✗{bad:#}"), message));
            }
            Event::Failed { machine, error } => {
                let message = format!("{bad}failed{bad:#}: {}", error.message());
                self.on_bar(machine, |bar, width| finish(bar, width, format!("{bad}✗{bad:#}"), message));
                if let Some(line) = line(&event, self.paint) {
                    self.above(&format!("{line}\n"));
                }
            }
            Event::Note { .. } | Event::Warning { .. } => {
                if let Some(line) = line(&event, self.paint) {
                    self.above(&line);
                }
            }
            Event::Progress { what, fraction, bytes } => {
                let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
                let look = Look::of(*bytes);
                let shared = shown.shared.get_or_insert_with(|| {
                    let bar = self.bars.insert(0, ProgressBar::new(1000));
                    bar.set_style(style(look.template()));
                    Shared { bar, look }
                });
                let bar = &shared.bar;
                // A download that goes on begins with the bytes that are here already. They do not count for its speed.
                let begins = (bar.position() == 0 && bytes.is_some()) || shared.look != look;
                if std::mem::replace(&mut shared.look, look) != look {
                    bar.set_style(style(look.template()));
                }
                bar.set_message(what.clone());
                let (position, length) = match bytes {
                    Some(bytes) => (Some(bytes.done), bytes.total.unwrap_or(0)),
                    None => (fraction.map(|fraction| (fraction.clamp(0.0, 1.0) * 1000.0) as u64), 1000),
                };
                bar.set_length(length);
                if let Some(position) = position {
                    bar.set_position(position);
                }
                if begins {
                    bar.reset_eta();
                }
            }
            Event::ProgressEnd { .. } => {
                let bar = self.shown.lock().unwrap_or_else(PoisonError::into_inner).shared.take();
                if let Some(Shared { bar, .. }) = bar {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

/// Starts the thread that turns the spinners and moves the times, until the display is dropped. Where no thread can be
/// started, they move with each event: a missing picture is no reason to fail.
fn keep_turning(shown: Weak<Mutex<Shown>>) {
    let _ = threads::spawn("display", move || {
        while let Some(shown) = shown.upgrade() {
            for bar in shown.lock().unwrap_or_else(PoisonError::into_inner).machines.values() {
                if !bar.is_finished() {
                    bar.tick();
                }
            }
            drop(shown);
            std::thread::sleep(Duration::from_millis(120));
        }
    });
}

/// Stops the line of a machine: a mark takes the place of the spinner, and the time stops.
fn finish(bar: &ProgressBar, width: usize, mark: String, message: String) {
    bar.set_style(style(&format!("{{prefix:<{width}}}  {mark}       {{wide_msg}}")));
    bar.finish_with_message(message);
}

fn style(template: &str) -> ProgressStyle {
    // All templates stand in this file and are valid: the default is never used.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
