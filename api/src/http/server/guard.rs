//! Guard: watches heads as they come in, for what the library behind it does not show.
//!
//! hyper drops `Content-Length` when `Transfer-Encoding` stands beside it, as RFC 9112 allows; a proxy in front
//! that believes the other one would see other requests than we do (request smuggling). And its time for a head
//! begins with the wait for one, so it cannot be short where connections are kept: a head's own time, from its
//! first byte, is counted here. A chunked body ends the watching: the connection is closed after its answer. What
//! hyper answers by itself to a head that it cannot read goes out as a problem.

use std::io::{self, BufRead};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_io_timeout::TimeoutWriter;

use super::refusal::Unread;
use crate::limits::Limits;

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
    /// Write time-out: a client that does not read its response is disconnected.
    stream: Pin<Box<TimeoutWriter<TcpStream>>>,
    /// What was read before the guard stood here.
    first: io::Cursor<Vec<u8>>,
    watch: Watch,
    is_http2: bool,
    /// What goes out in place of an answer of hyper's own.
    refusal: Option<io::Cursor<Vec<u8>>>,
    framing: Framing,
    head_time: Duration,
    /// Runs while more of a head is waited for.
    head_ends: Option<Pin<Box<Sleep>>>,
}

impl Guard {
    pub fn new(stream: TcpStream, first: Vec<u8>, is_http2: bool, framing: Framing, limits: &Limits) -> Self {
        let mut stream = Box::pin(TimeoutWriter::new(stream));
        stream.as_mut().set_timeout_pinned(Some(limits.write_time));
        Self {
            stream,
            first: io::Cursor::new(first),
            watch: Watch::default(),
            is_http2,
            refusal: None,
            framing,
            head_time: limits.head_time,
            head_ends: None,
        }
    }

    /// Fails once a head that has begun has had its time; until then the rest of it is waited for.
    fn poll_head_time(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.watch.is_in_head() {
            return Poll::Pending;
        }
        let head_time = self.head_time;
        let ends = self.head_ends.get_or_insert_with(|| Box::pin(tokio::time::sleep(head_time)));
        ends.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Writes what stands in place of hyper's answer, to its end.
    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(refusal) = &mut self.refusal {
            let left = refusal.fill_buf()?;
            if left.is_empty() {
                self.refusal = None;
                break;
            }
            let written = std::task::ready!(self.stream.as_mut().poll_write(cx, left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            refusal.consume(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Guard {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.first).poll_read(cx, buf);
        if buf.filled().len() == before {
            match this.stream.as_mut().poll_read(cx, buf) {
                Poll::Pending => return this.poll_head_time(cx),
                Poll::Ready(read) => read?,
            }
        } else {
            std::task::ready!(read)?;
        }
        let seen = this.watch.see(&buf.filled()[before..]);
        if seen.ambiguous {
            this.framing.0.store(true, Ordering::Release);
        }
        if seen.head_ended {
            this.head_ends = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.refusal.is_none() {
            match Unread::in_end_of(buf).filter(|_| !this.is_http2) {
                None => return this.stream.as_mut().poll_write(cx, buf),
                Some(unread) if unread.start > 0 => {
                    return this.stream.as_mut().poll_write(cx, &buf[..unread.start]);
                }
                Some(unread) => this.refusal = Some(io::Cursor::new(unread.problem())),
            }
        }
        this.poll_refusal(cx).map_ok(|()| buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A head alone comes in one piece.
        let mut pieces = bufs.iter().filter(|piece| !piece.is_empty());
        if let (Some(only), None) = (pieces.next(), pieces.next()) {
            return self.poll_write(cx, only);
        }
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

/// What some bytes were seen to do.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// They end a head.
    head_ended: bool,
    /// They end a head with both framing headers.
    ambiguous: bool,
}

impl Watch {
    /// Whether a head has begun that has not ended.
    fn is_in_head(&self) -> bool {
        matches!(self, Self::Head(head) if head.begun || !head.line.is_empty())
    }

    fn see(&mut self, mut bytes: &[u8]) -> Seen {
        let mut seen = Seen::default();
        while !bytes.is_empty() {
            match self {
                Self::Over => break,
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
                        seen.head_ended = true;
                        seen.ambiguous |= ambiguous;
                    }
                }
            }
        }
        seen
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
        let whole = Watch::default().see(stream.as_bytes()).ambiguous;
        let mut watch = Watch::default();
        let in_bytes = stream.as_bytes().chunks(1).fold(false, |seen, byte| seen | watch.see(byte).ambiguous);
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
    fn a_head_is_under_way_from_its_first_byte_to_its_end() {
        let mut watch = Watch::default();
        assert!(!watch.is_in_head());
        assert!(!watch.see(b"G").head_ended && watch.is_in_head());
        assert!(!watch.see(b"ET / HTTP/1.1\r\nhost: a\r\n").head_ended && watch.is_in_head());
        assert!(watch.see(b"\r\n").head_ended && !watch.is_in_head());
        assert!(
            watch.see(b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\na").head_ended && !watch.is_in_head()
        );
        assert!(!watch.see(b"b").head_ended && !watch.is_in_head());
        assert!(!watch.see(b"\r\n").head_ended && !watch.is_in_head(), "an empty line begins nothing");
    }

    #[test]
    fn http2_is_left_alone() {
        assert!(!is_ambiguous(&format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{BOTH}")));
    }
}
