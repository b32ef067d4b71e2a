//! Refusals without a request: problems (RFC 9457) where there is no place for a connection, and in place of what
//! hyper answers by itself to a head that it cannot read.

use std::fmt::Write;

use axum::body::to_bytes;
use axum::response::IntoResponse;
use futures::FutureExt;
use http::{Method, StatusCode};
use uuid::Uuid;

use crate::border::finished;
use crate::problem::Problem;

/// What a client is told for which there is no place.
pub fn no_place() -> Vec<u8> {
    written(Problem::too_many_connections(), None)
}

/// An answer that is hyper's own.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread<'a> {
    /// Where it begins, in what is written.
    pub start: usize,
    pub status: StatusCode,
    date: Option<&'a str>,
}

impl<'a> Unread<'a> {
    /// The answer of hyper's own that this ends with. It says a status, a date and that it is empty; ours all have the
    /// id of their request.
    pub fn in_end_of(written: &'a [u8]) -> Option<Self> {
        if !written.ends_with(b"\r\n\r\n") {
            return None;
        }
        let start = written.windows(9).rposition(|bytes| bytes == b"HTTP/1.1 " || bytes == b"HTTP/1.0 ")?;
        let head = std::str::from_utf8(&written[start..]).ok()?;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.get(9..12)?.parse().ok()?;
        let (mut date, mut empty) = (None, false);
        for line in lines {
            match line.split_once(": ")? {
                ("date", value) => date = Some(value),
                ("content-length", "0") => empty = true,
                ("connection", _) => {}
                _ => return None,
            }
        }
        let refuses = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        );
        (empty && refuses).then_some(Self { start, status, date })
    }

    /// What is answered in its place.
    pub fn problem(&self) -> Vec<u8> {
        let labels = [("route", "unread"), ("method", "other"), ("status", self.status.as_str())];
        metrics::counter!("http_requests_total", &labels.map(|(name, value)| (name, value.to_owned())))
            .increment(1);
        let problem = match self.status {
            StatusCode::BAD_REQUEST => Problem::bad_request("the request's head cannot be read"),
            StatusCode::URI_TOO_LONG => Problem::new(self.status, "uri-too-long"),
            status => Problem::new(status, "headers-too-large"),
        };
        written(problem, self.date)
    }
}

/// An answer as it stands in the connection, which ends with it.
fn written(problem: Problem, date: Option<&str>) -> Vec<u8> {
    let id = Uuid::now_v7().to_string();
    let (parts, body) = finished(problem.closing().into_response(), &Method::GET, &id).into_parts();
    // It is there whole, so nothing is waited for.
    let body = to_bytes(body, usize::MAX).now_or_never().and_then(Result::ok).unwrap_or_default();
    let mut head = format!("HTTP/1.1 {}\r\n", parts.status);
    for (name, value) in &parts.headers {
        _ = write!(head, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    if let Some(date) = date {
        _ = write!(head, "date: {date}\r\n");
    }
    _ = write!(head, "content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str =
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Mon, 30 Nov 2026 19:00:00 GMT\r\n\r\n";
    const OURS: &str = "HTTP/1.1 400 Bad Request\r\nx-request-id: a\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn what_is_hypers_own_is_told_from_answers_of_ours() {
        let start = |text: &str| Unread::in_end_of(text.as_bytes()).map(|unread| unread.start);
        assert_eq!(start(OWN), Some(0));
        assert_eq!(
            start(&format!("HTTP/1.1 200 OK\r\nx-request-id: a\r\ncontent-length: 2\r\n\r\n{{}}{OWN}")),
            Some(57)
        );
        for other in [
            "",
            "\r\n\r\n",
            OURS,
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 204 No Content\r\ndate: x\r\n\r\n",
            &OWN.replace("400 Bad Request", "404 Not Found"),
            &OWN.replace("length: 0", "length: 2"),
            &format!("{OWN}{{}}"),
        ] {
            assert_eq!(start(other), None, "{other}");
        }
    }

    #[test]
    fn it_is_answered_as_every_problem_is() {
        let told = String::from_utf8(Unread::in_end_of(OWN.as_bytes()).unwrap().problem()).unwrap();
        let (head, body) = told.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        for line in [
            "content-type: application/problem+json",
            "connection: close",
            "date: Mon, 30 Nov 2026 19:00:00 GMT",
            "x-content-type-options: nosniff",
            &format!("content-length: {}", body.len()),
        ] {
            assert!(head.split("\r\n").any(|told| told == line), "{line}: {head}");
        }
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&problem["status"], &problem["code"]), (&400.into(), &"bad-request".into()));
        assert!(head.contains(&format!("x-request-id: {}", problem["instance"].as_str().unwrap())));
    }
}
