//! A minimal HTTP/1.1 keep-alive client.
//!
//! Load and server share the machine's cores, so each instruction spent here is one that the figures lose. A general
//! client costs about as much per request as the server does; this one writes bytes made once (see
//! [`request`](super::request)) and reads a status line and a length. It knows nothing else of HTTP: no chunks, no redirects,
//! no pipelining.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection with at most one request in flight.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, valid until the next request.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4_096) })
    }

    /// Sends a request and reads its whole answer.
    ///
    /// # Cancel safety
    ///
    /// None: a connection whose exchange was dropped must not be used again.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match Head::parse(&self.buffer)
                .map_err(|text| io::Error::new(io::ErrorKind::InvalidData, text))?
            {
                Some(head) if self.buffer.len() >= head.end + head.body => break head,
                Some(_) | None => {}
            }
        };
        Ok(Answer { status: head.status, body: &self.buffer[head.end..head.end + head.body] })
    }
}

/// What must be known of an answer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes up to the body.
    end: usize,
    /// Bytes of the body.
    body: usize,
}

impl Head {
    /// Parses the head at the start of `bytes`; `None` while it is not all there.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = &bytes[..end];
        if !head.starts_with(b"HTTP/1.1 ") {
            return Err("not an HTTP/1.1 answer");
        }
        let status = head.get(9..12).and_then(number).ok_or("no status code")?;
        let mut lines = head.split(|byte| *byte == b'\n').skip(1);
        let body = lines.find_map(content_length).ok_or("no content-length")?.ok_or("bad content-length")?;
        let status = u16::try_from(status).map_err(|_| "no status code")?;
        Ok(Some(Self { status, end: end + 4, body }))
    }
}

/// The value of a content-length line; the outer `None` is another header.
fn content_length(line: &[u8]) -> Option<Option<usize>> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    name.eq_ignore_ascii_case(NAME).then(|| number(value.trim_ascii()))
}

fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_head_once_it_is_complete() {
        let text = b"HTTP/1.1 409 Conflict\r\ndate: x\r\nContent-LENGTH: 12 \r\nx-a: 1\r\n\r\n{}";
        let end = text.len() - 2;
        for cut in 0..end {
            assert_eq!(Head::parse(&text[..cut]), Ok(None), "at {cut}");
        }
        assert_eq!(Head::parse(text), Ok(Some(Head { status: 409, end, body: 12 })));
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for (text, why) in [
            ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", "not an HTTP/1.1 answer"),
            ("HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n", "no status code"),
            ("HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n", "no content-length"),
            ("HTTP/1.1 200\r\ncontent-length: -1\r\n\r\n", "bad content-length"),
            ("HTTP/1.1 200\r\ncontent-length: 9999999999\r\n\r\n", "bad content-length"),
        ] {
            assert_eq!(Head::parse(text.as_bytes()), Err(why), "{text}");
        }
    }
}
