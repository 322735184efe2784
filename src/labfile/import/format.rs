//! `format` and `%`.

use super::number::in_radix;
use super::value::Value;

/// `"web%02d" % 3`: flags, width and precision; `%{name}` and `%<name>d` of a map.
pub(super) fn formatted(format: &str, values: &[Value]) -> Option<String> {
    let named = values.first();
    let mut values = values.iter();
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text += before;
        if let Some(after) = after.strip_prefix('{') {
            let (name, after) = after.split_once('}')?;
            text += &named?.get(name)?.to_text()?;
            rest = after;
            continue;
        }
        let mut letters = after.chars().peekable();
        let (mut flags, mut width, mut precision) = (String::new(), String::new(), None);
        let mut own = None;
        loop {
            match *letters.peek()? {
                c @ ('-' | '+' | ' ' | '#') => flags.push(c),
                '0' if width.is_empty() && precision.is_none() => flags.push('0'),
                c if c.is_ascii_digit() && precision.is_none() => width.push(c),
                c if c.is_ascii_digit() => precision.get_or_insert_with(String::new).push(c),
                '.' => precision = Some(String::new()),
                '<' => {
                    letters.next();
                    let name: String = letters.by_ref().take_while(|c| *c != '>').collect();
                    own = Some(named?.get(&name)?);
                    continue;
                }
                _ => break,
            }
            letters.next();
        }
        let kind = letters.next()?;
        let mut value = || own.clone().or_else(|| values.next().cloned());
        let digits = |least: usize, written: String| match written.strip_prefix('-') {
            Some(plain) => format!("-{plain:0>least$}"),
            None => format!("{written:0>least$}"),
        };
        let precision: Option<usize> = precision.map(|digits| digits.parse().unwrap_or(0));
        let size: usize = if width.is_empty() { 0 } else { width.parse().ok()? };
        if size > 1_000 || precision.is_some_and(|precision| precision > 100) {
            return None;
        }
        let written = match kind {
            '%' => "%".to_owned(),
            's' => {
                let text = value()?.to_text()?;
                match precision {
                    Some(most) => text.chars().take(most).collect(),
                    None => text,
                }
            }
            'd' | 'i' | 'u' => digits(precision.unwrap_or(0), value()?.number()?.to_string()),
            'x' => in_radix(value()?.number()?, 16),
            'X' => in_radix(value()?.number()?, 16).to_uppercase(),
            'o' => in_radix(value()?.number()?, 8),
            'b' => in_radix(value()?.number()?, 2),
            'f' => {
                let value = value()?;
                let number = value.float().or_else(|| value.word()?.parse().ok())?;
                format!("{number:.*}", precision.unwrap_or(6))
            }
            'p' => value()?.inspect()?,
            _ => return None,
        };
        let written = if flags.contains('+') && matches!(kind, 'd' | 'i' | 'f') && !written.starts_with('-') {
            format!("+{written}")
        } else {
            written
        };
        text += &match () {
            () if flags.contains('-') => format!("{written:<size$}"),
            () if flags.contains('0') && kind != 's' => {
                digits(size - usize::from(written.starts_with('-') && size > 0), written)
            }
            () => format!("{written:>size$}"),
        };
        rest = letters_rest(after, letters.count());
    }
    Some(text + rest)
}

/// The last `count` letters of a text.
fn letters_rest(text: &str, count: usize) -> &str {
    let skip = text.chars().count().saturating_sub(count);
    text.char_indices().nth(skip).map_or("", |(at, _)| text.get(at..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_by_sprintf() {
        let list = [Value::Int(7), Value::text("x"), Value::Float(1.5)];
        assert_eq!(formatted("%02d|%-3s|%.2f|%%", &list).unwrap(), "07|x  |1.50|%");
        assert_eq!(formatted("%5.1f|%05d", &[Value::Float(2.25), Value::Int(-42)]).unwrap(), "  2.2|-0042");
        let map = [Value::map(vec![(Value::symbol("n"), Value::Int(3))])];
        assert_eq!(formatted("web%{n}-%<n>03d", &map).unwrap(), "web3-003");
        assert_eq!(formatted("%d", &[]), None);
    }
}
