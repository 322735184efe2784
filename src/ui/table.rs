//! Tables: columns line up, and the table fits the terminal.

use crate::printable;

use super::Paint;

/// Space between two columns.
const GAP: usize = 2;
/// No column is cut to less than this width, in characters.
const NARROWEST: usize = 6;

/// A table with a heading. A cell is one line of text, made printable, and may carry a style.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    short: Option<String>,
    style: anstyle::Style,
}

impl Cell {
    /// Text in a style.
    pub fn styled(text: impl Into<String>, style: anstyle::Style) -> Self {
        Cell { text: printable::line(&text.into()).into_owned(), short: None, style }
    }

    /// A shorter text, for a narrow terminal.
    #[must_use]
    pub fn or(mut self, short: impl Into<String>) -> Self {
        self.short = Some(printable::line(&short.into()).into_owned());
        self
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::styled(text, anstyle::Style::new())
    }
}

/// How a column gets narrower. The number is the column's place from the left in the whole table, from 0.
#[derive(Debug, Clone, Copy)]
pub enum Give {
    /// Its cells take their shorter texts.
    Short(usize),
    /// Its cells are cut and end with `…`.
    Cut(usize),
    /// The column is left out.
    Drop(usize),
}

impl Table {
    /// A table with these column headings.
    pub fn new<const N: usize>(heading: [&str; N], paint: Paint) -> Self {
        Table { rows: vec![heading.map(|text| Cell::styled(text, paint.dim)).to_vec()] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.to_vec());
    }

    /// Makes the table `width` characters wide at most. Takes `steps` in their order, and no more than needed.
    pub fn fit(&mut self, width: usize, steps: &[Give]) {
        // The columns that are left, by their places in the whole table.
        let mut there: Vec<usize> = (0..self.widths().len()).collect();
        for step in steps {
            let excess = self.total().saturating_sub(width);
            let (Give::Short(first) | Give::Cut(first) | Give::Drop(first)) = *step;
            let Some(column) = there.iter().position(|place| *place == first) else { continue };
            if excess == 0 {
                return;
            }
            let room =
                self.widths().get(column).map_or(0, |width| width.saturating_sub(excess).max(NARROWEST));
            for row in &mut self.rows {
                let Some(cell) = row.get_mut(column) else { continue };
                match step {
                    Give::Short(_) => {
                        if let Some(short) = cell.short.take() {
                            cell.text = short;
                        }
                    }
                    Give::Cut(_) => cell.text = cut(&cell.text, room),
                    Give::Drop(_) => drop(row.remove(column)),
                }
            }
            if matches!(step, Give::Drop(_)) {
                there.remove(column);
            }
        }
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }

    fn total(&self) -> usize {
        let widths = self.widths();
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    /// The table, a line per row, columns two spaces apart, no trailing spaces.
    pub fn render(&self) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for row in &self.rows {
            let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
            for (place, (cell, width)) in row.iter().zip(&widths).enumerate().take(last + 1) {
                let Cell { text: word, style, .. } = cell;
                text.push_str(&format!("{style}{word}{style:#}"));
                if place < last {
                    text.push_str(&" ".repeat(width - word.chars().count() + GAP));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// The first `room` characters of `text`, the last of them a `…` where that is not all.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["name", "state", "ports"], Paint::default());
        table.row(["wéb1".into(), "running".into(), Cell::from("8080 → 80").or("8080")]);
        table.row(["db1".into(), "off".into(), "".into()]);
        table
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(table().render(), "name  state    ports\nwéb1  running  8080 → 80\ndb1   off\n");
    }

    #[test]
    fn room_is_made_step_by_step() {
        let fitted = |width| {
            let mut table = table();
            table.fit(width, &[Give::Short(2), Give::Drop(0), Give::Cut(1), Give::Drop(2)]);
            table.render()
        };
        assert_eq!(fitted(24), table().render());
        assert_eq!(fitted(23), "name  state    ports\nwéb1  running  8080\ndb1   off\n");
        assert_eq!(fitted(19), "state    ports\nrunning  8080\noff\n");
        assert_eq!(fitted(13), "state   ports\nrunni…  8080\noff\n");
        assert_eq!(fitted(3), "state\nrunni…\noff\n");
    }
}
