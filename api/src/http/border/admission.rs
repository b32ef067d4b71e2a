//! Admission: what is refused before it is routed.
//!
//! Paths that two programs might read in two ways, heads that are too large, framing that is ambiguous, and
//! answers that the client could not take.

use axum::extract::Request;
use http::header::{ACCEPT, ALLOW};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use percent_encoding::percent_decode_str;

use crate::problem::{Problem, Result};
use crate::server::Framing;

/// # Errors
/// The problem with the request as such.
pub fn check<B>(request: &Request<B>, head_bytes: usize) -> Result<()> {
    let ambiguous = request.extensions().get::<Framing>().is_some_and(Framing::is_ambiguous);
    if ambiguous {
        return Err(Problem::bad_request("Content-Length and Transfer-Encoding cannot both be right"));
    }
    if size(request) > head_bytes {
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large").closing());
    }
    if *request.method() == Method::CONNECT {
        let allow = HeaderValue::from_static("GET, HEAD, POST, DELETE, OPTIONS");
        return Err(Problem::of_status(StatusCode::METHOD_NOT_ALLOWED).with(ALLOW, allow).closing());
    }
    let uri = request.uri();
    if uri.scheme().is_some() && request.version() < Version::HTTP_2 {
        return Err(Problem::bad_request("the request's target must be a path"));
    }
    if !is_plain_path(uri.path()) {
        return Err(Problem::bad_request("the path is not written in its plain form"));
    }
    if !uri.query().is_none_or(is_text) {
        return Err(Problem::bad_request("the query is no UTF-8"));
    }
    if !takes_json(request.headers())
        && uri.path().starts_with("/api/")
        && !uri.path().starts_with("/api/docs")
    {
        return Err(
            Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable").saying("answers are application/json")
        );
    }
    Ok(())
}

/// The head's bytes, as HTTP/1 would write it.
fn size<B>(request: &Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let fields: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    target + fields
}

/// Whether a path has one reading only: no empty, `.` or `..` steps, nothing encoded that would change the steps. A `/`
/// inside a step (a SKU's) is encoded, and on both sides of it stands what could be a step.
fn is_plain_path(path: &str) -> bool {
    let steps = path.strip_prefix('/').unwrap_or_default();
    path.starts_with('/')
        && is_text(path)
        && steps.split('/').enumerate().all(|(n, step)| {
            let last = steps.split('/').count() == n + 1;
            let decoded: Vec<u8> = percent_decode_str(step).collect();
            let odd = |byte: &u8| byte.is_ascii_control() || *byte == b'\\';
            let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
            (last && step.is_empty())
                || (!decoded.iter().any(odd) && decoded.split(|byte| *byte == b'/').all(plain))
        })
}

/// Whether what is percent-encoded is so in the right form, and is UTF-8.
fn is_text(encoded: &str) -> bool {
    let well_formed = encoded
        .split('%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit));
    well_formed && percent_decode_str(encoded).decode_utf8().is_ok()
}

/// Whether the client takes JSON: by the most specific of the ranges it names, if it names any.
fn takes_json(headers: &HeaderMap) -> bool {
    let ranges =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let mut named = false;
    let mut best = (0, false);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|part| {
            let quality = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            quality.is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
        });
        named |= !media.is_empty();
        let precision = match media.as_str() {
            "application/json" => 3,
            "application/*" => 2,
            "*/*" => 1,
            _ => 0,
        };
        if precision > best.0 {
            best = (precision, !refused);
        }
    }
    !named || best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(request: http::request::Builder) -> String {
        check(&request.body(()).unwrap(), 16 * 1024)
            .err()
            .map(|problem| problem.code.clone())
            .unwrap_or_default()
    }

    #[test]
    fn a_path_has_one_reading() {
        for path in
            ["/", "/health", "/api/docs/", "/api/ecommerce/stock/TEE%40main", "/a/%C3%A9", "/a/..b", "/a%2fb"]
        {
            assert_eq!(code(Request::get(path)), "", "{path}");
        }
        for path in [
            "//",
            "//a",
            "/a//b",
            "/a/../b",
            "/a/./b",
            "/..",
            "/a/%2e%2e/b",
            "/a/%2E",
            "/a%2f",
            "/%2fb",
            "/a%2f%2fb",
            "/a%2f..%2fb",
            "/a/%2e%2e%2fb",
            "/a%5c..",
            "/a%5cb",
            "/a%00",
            "/a%0a",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a/%c0%af",
            "/a/%ff",
            "/a\\b",
        ] {
            assert_eq!(code(Request::get(path)), "bad-request", "{path}");
        }
        assert_eq!(code(Request::get("http://elsewhere/a")), "bad-request");
        assert_eq!(code(Request::get("/a?b=%ff")), "bad-request");
    }

    #[test]
    fn a_head_has_a_size() {
        let request = |length: usize| Request::get("/").header("a", "x".repeat(length));
        assert_eq!(code(request(16 * 1024 - 6)), "");
        assert_eq!(code(request(16 * 1024 - 5)), "headers-too-large");
    }

    #[test]
    fn answers_are_json_or_nothing() {
        let asking = |accept: &str| code(Request::get("/api/x").header(ACCEPT, accept));
        for accept in
            ["*/*", "application/json", "text/html, application/*;q=0.1", "text/html;q=0, */*;q=0.5", ""]
        {
            assert_eq!(asking(accept), "", "{accept}");
        }
        for accept in ["text/html", "application/json;q=0, */*", "*/*;q=0", "application/xml"] {
            assert_eq!(asking(accept), "not-acceptable", "{accept}");
        }
        assert_eq!(code(Request::get("/metrics").header(ACCEPT, "text/plain")), "");
    }
}
