//! Lines out of bytes as they come.

/// Cuts bytes into lines. A carriage return alone ends a line too: progress bars use it.
#[derive(Debug, Default)]
pub(super) struct LineBuffer(Vec<u8>);

impl LineBuffer {
    /// Longest piece handed on as one line, in bytes; a program that never ends its line must not
    /// fill our memory.
    const LIMIT: usize = 64 * 1024;

    pub(super) fn push(&mut self, bytes: &[u8], mut on_line: impl FnMut(&str)) {
        self.0.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(length) = self.0[start..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = &self.0[start..start + length];
            let carriage_return = self.0[start + length] == b'\r';
            let next = self.0.get(start + length + 1);
            if carriage_return && next.is_none() {
                break; // a line feed may follow with the next bytes
            }
            if !(carriage_return && line.is_empty()) {
                on_line(&String::from_utf8_lossy(line));
            }
            start += length + 1 + usize::from(carriage_return && next == Some(&b'\n'));
        }
        self.0.drain(..start);
        if self.0.len() > Self::LIMIT {
            self.finish(on_line);
        }
    }

    pub(super) fn finish(&mut self, mut on_line: impl FnMut(&str)) {
        let rest = std::mem::take(&mut self.0);
        let line = rest.strip_suffix(b"\r").unwrap_or(&rest);
        if !line.is_empty() {
            on_line(&String::from_utf8_lossy(line));
        }
    }
}
