//! Who asks: the key that is shown, and what goes with it into the log.

use std::sync::Arc;

use commands::{Actor, Context};
use http::header::{AUTHORIZATION, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use uuid::Uuid;

use super::RequestId;
use crate::app::App;
use crate::key::{Key, ShownKey};
use crate::problem::{Problem, Result};
use crate::scope;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// How much of a client's name is kept.
const LONGEST_CLIENT: usize = 100;

/// The context of whoever shows a key that may be used for this route, and the key.
pub(crate) async fn context(parts: &Parts, app: &App) -> Result<(Context, Key)> {
    let shown = shown(&parts.headers)?;
    let key = app.keys.find(shown.workspace, shown.id).await?;
    let key = key
        .filter(|key| key.admits(&shown, app.clock.now()))
        .ok_or_else(|| Problem::unauthenticated(true))?;

    let actor = Actor::Key(shown.id);
    let mut cx = Context::internal(app.store.clone(), app.clock.clone(), shown.workspace, actor);
    cx.scopes = Arc::clone(&key.scopes);
    if let Some(RequestId(id)) = parts.extensions.get() {
        cx.correlation = id.parse().unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()));
    }
    cx.client = header(&parts.headers, &USER_AGENT).map(|name| name.chars().take(LONGEST_CLIENT).collect());
    cx.trace = header(&parts.headers, &TRACEPARENT).and_then(trace_id).map(str::to_owned);
    tracing::Span::current()
        .record("workspace.id", tracing::field::display(shown.workspace))
        .record("key.id", tracing::field::display(shown.id));
    scope::narrow(&mut cx, &parts.extensions)?;
    Ok((cx, key))
}

fn shown(headers: &HeaderMap) -> Result<ShownKey> {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (shown.next(), shown.next()) else {
        return Err(Problem::unauthenticated(headers.contains_key(AUTHORIZATION)));
    };
    only.to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .and_then(|(_, key)| key.trim_start_matches(' ').parse().ok())
        .ok_or_else(|| Problem::unauthenticated(true))
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The trace id of a W3C `traceparent`: `00-<32 hexadecimal digits>-<16>-<2>`, not all zero.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let sound = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    (sound && version != "ff" && trace.bytes().any(|byte| byte != b'0')).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::trace_id;

    #[test]
    fn a_trace_is_read_from_a_sound_traceparent_only() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{trace}-00f067aa0ba902b7-01")), Some(trace));
        for bad in [
            "",
            "00",
            &format!("00-{trace}"),
            "00-0-0-0",
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
        ] {
            assert_eq!(trace_id(bad), None, "{bad}");
        }
    }
}
