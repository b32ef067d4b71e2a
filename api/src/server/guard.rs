//! Guard: sees both framing headers where the library behind it shows only one.
//!
//! hyper drops `Content-Length` when `Transfer-Encoding` stands beside it, as RFC 9112 allows; a proxy in front
//! that believes the other one would see other requests than we do (request smuggling). So heads are watched as
//! they come in. A chunked body ends the watching: the connection is closed after its answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutWriter;

/// What the guard has seen of a connection's framing.
#[derive(Debug, Clone, Default)]
pub struct Framing(Arc<AtomicBool>);

impl Framing {
    /// Whether some head had both `Content-Length` and `Transfer-Encoding`.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A connection whose incoming heads are watched.
#[derive(Debug)]
pub struct Guard {
    /// Who asks and does not take the answer is hung up on.
    stream: Pin<Box<TimeoutWriter<TcpStream>>>,
    /// What was read before the guard stood here.
    first: io::Cursor<Vec<u8>>,
    watch: Watch,
    framing: Framing,
}

impl Guard {
    pub fn new(stream: TcpStream, first: Vec<u8>, framing: Framing, write_time: Duration) -> Self {
        let mut stream = Box::pin(TimeoutWriter::new(stream));
        stream.as_mut().set_timeout_pinned(Some(write_time));
        Self { stream, first: io::Cursor::new(first), watch: Watch::default(), framing }
    }
}

impl AsyncRead for Guard {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.first).poll_read(cx, buf);
        if buf.filled().len() == before {
            std::task::ready!(this.stream.as_mut().poll_read(cx, buf))?;
        } else {
            std::task::ready!(read)?;
        }
        if this.watch.see(&buf.filled()[before..]) {
            this.framing.0.store(true, Ordering::Release);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}

/// How much of a header line is kept: enough for the two that matter.
const KEPT: usize = 64;

/// Where in the stream of requests the guard is.
#[derive(Debug)]
enum Watch {
    Head(Head),
    /// In a body of which so many bytes are still to come.
    Body(u64),
    /// Past what can be watched: a chunked body, HTTP/2, or something that hyper will refuse.
    Over,
}

#[derive(Debug, Default)]
struct Head {
    line: Vec<u8>,
    begun: bool,
    length: Option<u64>,
    chunked: bool,
    /// A length that is no number: hyper refuses it, and nobody knows where the body ends.
    odd: bool,
}

impl Default for Watch {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Watch {
    /// Whether these bytes end a head with both framing headers.
    fn see(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match self {
                Self::Over => return false,
                Self::Body(left) => {
                    let here = (*left).min(bytes.len() as u64);
                    bytes = &bytes[usize::try_from(here).unwrap_or(bytes.len())..];
                    *left -= here;
                    if *left == 0 {
                        *self = Self::default();
                    }
                }
                Self::Head(head) => {
                    let end = bytes.iter().position(|&byte| byte == b'\n');
                    let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                    head.line.extend(&line[..line.len().min(KEPT.saturating_sub(head.line.len()))]);
                    // However long the line was, its end must be seen.
                    if end.is_some() && head.line.last() != Some(&b'\n') {
                        head.line.push(b'\n');
                    }
                    bytes = rest;
                    if end.is_some() && head.line_ends() {
                        let ambiguous = head.odd || head.chunked && head.length.is_some();
                        *self = match head.length {
                            _ if head.odd || head.chunked => Self::Over,
                            Some(length) if length > 0 => Self::Body(length),
                            _ => Self::default(),
                        };
                        if ambiguous {
                            return true;
                        }
                    }
                }
            }
        }
        false
    }
}

impl Head {
    /// Takes in a whole line; whether it was the head's last.
    fn line_ends(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii_end();
        if line.is_empty() {
            // Empty lines before a request are skipped, as they are by hyper.
            return self.begun;
        }
        if !self.begun {
            self.begun = true;
            // A chunked body is the end of what is watched; so is HTTP/2.
            self.chunked = line.starts_with(b"PRI * HTTP/2");
            return false;
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return false };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            self.odd |= self.length.is_none();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same whether it comes in one piece or byte by byte.
    fn is_ambiguous(stream: &str) -> bool {
        let whole = Watch::default().see(stream.as_bytes());
        let mut watch = Watch::default();
        let in_bytes = stream.as_bytes().chunks(1).fold(false, |seen, byte| seen | watch.see(byte));
        assert_eq!(whole, in_bytes, "{stream:?}");
        whole
    }

    const BOTH: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n";

    #[test]
    fn both_framing_headers_are_seen_in_either_order_and_case() {
        assert!(is_ambiguous(BOTH));
        assert!(is_ambiguous("POST / HTTP/1.1\ncontent-length:3\ntransfer-encoding:chunked\n\nabc"));
        assert!(is_ambiguous("\r\nPOST / HTTP/1.1\r\nCONTENT-LENGTH: x\r\nTransfer-Encoding : y\r\n\r\n"));
        let long = "x".repeat(5000);
        assert!(is_ambiguous(&BOTH.replace("Content", &format!("A: {long}\r\nContent"))));
    }

    #[test]
    fn one_of_them_is_no_ambiguity() {
        assert!(!is_ambiguous("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n"));
        assert!(!is_ambiguous("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
        assert!(!is_ambiguous(
            "GET / HTTP/1.1\r\nX-Content-Length: 3\r\nX-Transfer-Encoding: chunked\r\n\r\n"
        ));
    }

    #[test]
    fn what_is_in_a_body_is_no_head_and_what_follows_it_is_one() {
        let body = BOTH;
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
        assert!(!is_ambiguous(&format!("{head}{body}")));
        assert!(is_ambiguous(&format!("{head}{body}{BOTH}")));
        assert!(is_ambiguous(&format!("GET / HTTP/1.1\r\n\r\n{BOTH}")));
    }

    #[test]
    fn http2_is_left_alone() {
        assert!(!is_ambiguous(&format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{BOTH}")));
    }
}
