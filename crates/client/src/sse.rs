//! A parser of server-sent events, after the WHATWG standard: bytes in, events out.
//!
//! Lines end in LF, CR or CRLF, wherever the chunks of the network are cut. Memory is bounded: an
//! event longer than [`EVENT_BYTES_MAX`] is an error.

/// Longest event that is accepted: the map of a job with millions of chunks fits.
pub(crate) const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The `event:` field; empty means `message`.
    pub(crate) name: String,
    /// The `data:` lines, joined by line feeds.
    pub(crate) data: String,
    /// The id in force, which `Last-Event-ID` sends back.
    pub(crate) id: String,
}

/// The stream broke a limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The parser's state between chunks.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    begun: bool,
    name: String,
    data: Option<String>,
    id: String,
}

impl Parser {
    /// Continues a stream whose last id is known.
    pub(crate) fn resume(id: String) -> Self {
        Self { id, ..Self::default() }
    }

    /// Takes the next bytes and gives the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for byte in bytes {
            let lf_of_crlf = std::mem::take(&mut self.after_cr) && *byte == b'\n';
            match byte {
                _ if lf_of_crlf => {}
                b'\n' | b'\r' => {
                    self.after_cr = *byte == b'\r';
                    events.extend(self.end_line()?);
                }
                _ if self.line.len() >= EVENT_BYTES_MAX => return Err(TooLong),
                _ => self.line.push(*byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<Event>, TooLong> {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let first = !std::mem::replace(&mut self.begun, true);
        let line = if first { text.trim_start_matches('\u{feff}') } else { &text };
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => self.add_data(value)?,
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            // An empty field is a comment, which the server sends as a heartbeat.
            _ => {}
        }
        Ok(None)
    }

    fn add_data(&mut self, value: &str) -> Result<(), TooLong> {
        match &mut self.data {
            None => self.data = Some(value.to_owned()),
            Some(data) if data.len().saturating_add(value.len()) >= EVENT_BYTES_MAX => {
                return Err(TooLong);
            }
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let data = self.data.take()?;
        Some(Event { name, data, id: self.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<(String, String, String)> {
        let events = Parser::default().push(text.as_bytes()).unwrap();
        events.into_iter().map(|e| (e.name, e.data, e.id)).collect()
    }

    #[test]
    fn the_standards_forms_are_understood() {
        type Seen = &'static [(&'static str, &'static str, &'static str)];
        let table: &[(&str, Seen)] = &[
            ("data: a\n\n", &[("", "a", "")]),
            ("data:a\ndata: b\ndata\n\n", &[("", "a\nb\n", "")]),
            ("data:  two spaces\n\n", &[("", " two spaces", "")]),
            ("event: delta\nid: 7\ndata: {}\n\n", &[("delta", "{}", "7")]),
            ("id: 7\ndata: a\n\ndata: b\n\n", &[("", "a", "7"), ("", "b", "7")]),
            ("id: 7\ndata: a\n\nid\ndata: b\n\n", &[("", "a", "7"), ("", "b", "")]),
            ("id: 7\nid: a\0b\ndata: a\n\n", &[("", "a", "7")]),
            (": heartbeat\n\n:\n\ndata: a\n\n", &[("", "a", "")]),
            ("event: lost\n\ndata: a\n\n", &[("", "a", "")]),
            (
                "data: a\r\rdata: b\r\n\r\ndata: c\n\n",
                &[("", "a", ""), ("", "b", ""), ("", "c", "")],
            ),
            ("\u{feff}data: a\n\n", &[("", "a", "")]),
            ("other: x\nretry: 5\ndata: a:b\n\n", &[("", "a:b", "")]),
            ("data: not ended\n", &[]),
        ];
        for (text, expected) in table {
            let found = parse(text);
            let found: Vec<_> =
                found.iter().map(|(n, d, i)| (n.as_str(), d.as_str(), i.as_str())).collect();
            assert_eq!(found, *expected, "{text:?}");
        }
    }

    #[test]
    fn cuts_of_the_network_do_not_matter() {
        let text =
            "event: snapshot\r\nid: 12\r\ndata: {\"ü\":1}\r\n\r\n: beat\r\n\r\ndata: b\r\n\r\n";
        let whole = Parser::default().push(text.as_bytes()).unwrap();
        assert_eq!(whole.len(), 2);
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let parts = text.as_bytes().chunks(size).map(|part| parser.push(part).unwrap());
            assert_eq!(parts.flatten().collect::<Vec<_>>(), whole, "in parts of {size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let line = vec![b'a'; EVENT_BYTES_MAX + 1];
        assert_eq!(Parser::default().push(&line), Err(TooLong));
        let mut parser = Parser::default();
        let data = [b"data:".as_slice(), &vec![b'a'; EVENT_BYTES_MAX >> 1], b"\n"].concat();
        let pushed: Vec<_> = (0..3).map(|_| parser.push(&data)).collect();
        assert_eq!(pushed.last(), Some(&Err(TooLong)));
    }

    #[test]
    fn a_resumed_stream_keeps_its_id() {
        let events = Parser::resume("41".into()).push(b"data: a\n\n").unwrap();
        assert_eq!(events.first().map(|e| e.id.as_str()), Some("41"));
    }
}
