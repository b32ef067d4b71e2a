//! Conditional reads: who has seen what there is to show is told so, and not shown it again.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, Method, StatusCode};

/// What a client of a read says it has seen.
pub(super) struct Seen(Vec<String>);

impl Seen {
    /// What the head says, if it is one of a read.
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Option<Self> {
        let reads = matches!(*method, Method::GET | Method::HEAD) && headers.contains_key(IF_NONE_MATCH);
        let tags = || headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        reads.then(|| Self(tags().flat_map(|tags| tags.split(',')).map(|tag| weak(tag).to_owned()).collect()))
    }

    /// 304 and no body, where it is that.
    pub(super) fn answer(self, mut response: Response) -> Response {
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(weak);
        let seen = tag.is_some_and(|tag| self.0.iter().any(|seen| seen == tag || seen == "*"));
        if seen && response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(CONTENT_TYPE);
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        response
    }
}

/// A tag as it is compared: whether it is weak makes no difference here.
fn weak(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, seen: &[&str], etag: &str) -> u16 {
        let headers = seen.iter().map(|tag| (IF_NONE_MATCH, tag.parse().unwrap())).collect();
        let shown = Response::builder().header(ETAG, etag).body(Body::from("{}")).unwrap();
        match Seen::of(method, &headers) {
            Some(seen) => seen.answer(shown).status().as_u16(),
            None => 200,
        }
    }

    #[test]
    fn what_was_seen_is_not_shown_again() {
        for seen in [&["\"3\""][..], &["\"1\", \"3\""], &["\"1\"", "W/\"3\""], &["*"]] {
            assert_eq!(asked(&Method::GET, seen, "\"3\""), 304, "{seen:?}");
        }
        assert_eq!(asked(&Method::HEAD, &["\"a,b\", W/\"c\""], "W/\"c\""), 304);
        for seen in [&[][..], &["\"2\""], &["3"], &[""], &["\"33\""]] {
            assert_eq!(asked(&Method::GET, seen, "\"3\""), 200, "{seen:?}");
        }
        assert_eq!(asked(&Method::POST, &["\"3\""], "\"3\""), 200);
    }
}
