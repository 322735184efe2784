//! Tables that line up.

use super::Paint;

/// A table with a heading; a cell is text and may carry a style.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: anstyle::Style,
}

impl Cell {
    /// Text in a style.
    pub fn styled(text: impl Into<String>, style: anstyle::Style) -> Self {
        Cell { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell { text: text.into(), style: anstyle::Style::new() }
    }
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

    /// The table, a line per row, columns two spaces apart, no trailing spaces.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
            for (place, (cell, width)) in row.iter().zip(&widths).enumerate().take(last + 1) {
                let Cell { text: word, style } = cell;
                text.push_str(&format!("{style}{word}{style:#}"));
                if place < last {
                    text.push_str(&" ".repeat(width - word.chars().count() + 2));
                }
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["name", "state", "ports"], Paint::default());
        table.row(["wéb1".into(), "running".into(), "8080 → 80".into()]);
        table.row(["db1".into(), "off".into(), "".into()]);
        assert_eq!(table.render(), "name  state    ports\nwéb1  running  8080 → 80\ndb1   off\n");
    }
}
