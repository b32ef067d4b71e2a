//! Cookie: where a browser keeps a refresh token, so that no script of a page can read it.
//!
//! It is sent along by the browser, whoever's page asks. So what it is good for is done only with a header that no
//! other site's page can send: to send it, a page of another origin would have to be allowed by us, and none is.

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::problem::{Problem, Result};

/// Good for this host alone, and over TLS alone (RFC 6265bis).
const NAME: &str = "__Host-refresh";
/// As long as a session may last without being refreshed.
const SECONDS: i64 = domain::identity::session::IDLES.num_seconds();
/// Said by our own pages beside what a cookie is good for.
pub const CSRF: HeaderName = HeaderName::from_static("x-csrf-protection");
/// What a browser says of who asks.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The refresh token that a browser has sent along, if our own page asks.
///
/// # Errors
/// `csrf-protection-required` if it does not say so.
pub fn read(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(token) = token(headers) else { return Ok(None) };
    let is_ours = headers.get(&CSRF).is_some_and(|value| value == "1");
    let elsewhere = headers.get(&SITE).is_some_and(|site| site != "same-origin");
    if is_ours && !elsewhere {
        return Ok(Some(token));
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "csrf-protection-required")
        .saying("what a cookie is good for is done with the header X-CSRF-Protection: 1, from our own pages"))
}

/// Whether a browser has sent one along.
#[must_use]
pub fn is_there(headers: &HeaderMap) -> bool {
    token(headers).is_some()
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == NAME).map(|(_, value)| value);
    // Of two nobody knows which is whose.
    ours.next().filter(|_| ours.next().is_none())
}

/// `Set-Cookie` of a refresh token.
///
/// # Errors
/// `internal` if it may not stand there: it is made of letters, digits, `_` and `.`.
pub fn set(token: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(format!(
        "{NAME}={token}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={SECONDS}"
    ))
    .map_err(|_| Problem::internal())
}

/// `Set-Cookie` that takes it away.
#[must_use]
pub fn gone() -> HeaderValue {
    HeaderValue::from_static("__Host-refresh=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&str, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn is_read_where_our_own_page_asks() {
        let cookie = ("cookie", "theme=dark; __Host-refresh=ses_1.0.ff; x=y");
        let read = |more: &[(&str, &str)]| {
            let headers = headers(&[&[cookie], more].concat());
            read(&headers).map(|token| token.map(str::to_owned)).map_err(|problem| problem.code.clone())
        };
        let token = || Ok(Some("ses_1.0.ff".to_owned()));
        assert_eq!(read(&[("x-csrf-protection", "1")]), token());
        assert_eq!(read(&[("x-csrf-protection", "1"), ("sec-fetch-site", "same-origin")]), token());
        let no = Err("csrf-protection-required".to_owned());
        assert_eq!(read(&[]), no);
        assert_eq!(read(&[("x-csrf-protection", "0")]), no);
        for site in ["cross-site", "same-site", "none"] {
            assert_eq!(read(&[("x-csrf-protection", "1"), ("sec-fetch-site", site)]), no, "{site}");
        }
    }

    #[test]
    fn another_or_two_are_none() {
        for lines in
            ["", "refresh=x", "__Host-refresh", "__Host-refresh=a; __Host-refresh=b", "x__Host-refresh=a"]
        {
            assert_eq!(read(&headers(&[("cookie", lines)])), Ok(None), "{lines}");
        }
    }
}
