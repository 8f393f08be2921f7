//! Server-sent events, as far as JSON-RPC over HTTP has need of them.

/// Puts events together from the pieces in which a stream arrives.
#[derive(Default)]
pub(super) struct Events {
    /// What has come of a line that is not complete.
    line: Vec<u8>,
    data: String,
    after_return: bool,
}

impl Events {
    /// Takes a piece, and gives the data of the events that are complete with it.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<String> {
        let mut complete = Vec::new();
        for byte in piece {
            let is_second = self.after_return && *byte == b'\n';
            self.after_return = *byte == b'\r';
            match byte {
                _ if is_second => {}
                b'\n' | b'\r' => complete.extend(self.end_line()),
                other => self.line.push(*other),
            }
        }
        complete
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return (!data.is_empty()).then_some(data);
        }
        let line = String::from_utf8_lossy(&line);
        if let Some(data) = line.trim_start_matches('\u{feff}').strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text = ": hello\nevent: message\ndata: {\"a\":\ndata: \"é\"}\n\nid: 1\r\ndata:x\r\n\r\ndata\n\ndata: rest";
        let expected = ["{\"a\":\n\"é\"}", "x"];
        for size in 1..text.len() {
            let mut events = Events::default();
            let found: Vec<String> =
                text.as_bytes().chunks(size).flat_map(|piece| events.take(piece)).collect();
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }
}
