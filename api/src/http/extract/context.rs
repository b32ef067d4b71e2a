//! Who asks: the key or the token that is shown, and what goes with it into the log.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use commands::access::{self, Access};
use commands::{Actor, Context, Error};
use domain::ids::WorkspaceId;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use super::{Peer, RequestId};
use crate::access_token::Shown;
use crate::app::App;
use crate::key::{PREFIX, ShownKey};
use crate::problem::{Problem, Result};
use crate::scope::{self, NotNarrowed};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// How much of a client's name is kept.
const LONGEST_CLIENT: usize = 100;

/// Who acts in a workspace.
pub(crate) struct Comer {
    pub cx: Context,
    /// Whether the workspace takes no commands.
    pub suspended: bool,
    /// When a person last showed who they are.
    pub authenticated_at: Option<DateTime<Utc>>,
}

/// Whoever shows a key or a token that may be used for this route.
pub(crate) async fn comer(parts: &Parts, app: &App) -> Result<Comer> {
    let shown = bearer(&parts.headers)?;
    if shown.starts_with(PREFIX) {
        let (cx, suspended) = by_key(parts, app, shown).await?;
        return Ok(Comer { cx: narrowed(cx, parts)?, suspended, authenticated_at: None });
    }
    let (who, access) = person(shown, app).await?;
    let workspace = who.workspace.ok_or_else(Problem::workspace_required)?;
    if access.lacks_second_factor {
        return Err(Problem::second_factor_required());
    }
    let mut cx = stamped(parts, app, workspace, Actor::Account(who.account));
    cx.scopes = access.scopes;
    let cx = narrowed(cx, parts)?;
    Ok(Comer { cx, suspended: access.suspended, authenticated_at: Some(access.authenticated_at) })
}

/// With the scopes of its route.
fn narrowed(mut cx: Context, parts: &Parts) -> Result<Context> {
    match scope::narrow(&mut cx, &parts.extensions) {
        Ok(()) => Ok(cx),
        Err(NotNarrowed::Lacks(scope)) => Err(Error::Forbidden(scope.to_owned()).into()),
        Err(NotNarrowed::Unpublished) => Err(Problem::internal()),
    }
}

/// Records that whoever shows this lacks a scope. They were let in by it, else nobody had looked for the scope.
pub(crate) async fn denied(app: &App, shown: Option<&HeaderValue>, scope: &str) {
    let (Ok(people), Some(shown)) = (app.people(), shown.and_then(in_header)) else { return };
    let who = match shown.parse::<ShownKey>() {
        Ok(key) => Some((key.workspace, Actor::Key(key.id))),
        Err(_) => people
            .signer
            .read(shown, app.clock.now())
            .and_then(|who| Some((who.workspace?, Actor::Account(who.account)))),
    };
    if let Some((workspace, actor)) = who {
        people.door.denials.permission(workspace, &actor, scope).await;
    }
}

/// The context of whoever shows a key, with all that it allows.
pub(super) async fn by_key(parts: &Parts, app: &App, shown: &str) -> Result<(Context, bool)> {
    let shown: ShownKey = shown.parse().map_err(|_| Problem::unauthenticated(true))?;
    let key = app.keys.find(shown.workspace, shown.id).await?;
    let Peer(from) = Peer::of(&parts.extensions);
    let key = key
        .filter(|key| key.admits(&shown, from, app.clock.now()))
        .ok_or_else(|| Problem::unauthenticated(true))?;
    let mut cx = stamped(parts, app, shown.workspace, Actor::Key(shown.id));
    cx.scopes = Arc::clone(&key.scopes);
    cx.client = device(&parts.headers);
    Ok((cx, key.suspended))
}

/// Who shows this token, and what they may do.
pub(super) async fn person(shown: &str, app: &App) -> Result<(Shown, Access)> {
    let nobody = || Problem::unauthenticated(true);
    // Where people cannot come in no token is good.
    let people = app.people().map_err(|_| nobody())?;
    people.must_be_fresh()?;
    let who = people.signer.read(shown, app.clock.now()).ok_or_else(nobody)?;
    let session = (who.account, who.session);
    let access = access::find(&app.store, session, who.workspace, app.clock.now()).await?;
    Ok((who, access.ok_or_else(nobody)?))
}

/// A context that knows its request, of somebody who may do nothing yet.
pub(super) fn stamped(parts: &Parts, app: &App, workspace: WorkspaceId, actor: Actor) -> Context {
    let mut cx = Context::internal(app.store.clone(), app.clock.clone(), workspace, actor);
    (cx.scopes, cx.held) = Default::default();
    if let Some(RequestId(id)) = parts.extensions.get() {
        cx.correlation = id.parse().unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()));
    }
    cx.trace = header(&parts.headers, &TRACEPARENT).and_then(trace_id).map(str::to_owned);
    tracing::Span::current()
        .record("workspace.id", tracing::field::display(workspace))
        .record("key.id", tracing::field::display(&cx.actor));
    cx
}

/// What a client says it is.
pub(super) fn device(headers: &HeaderMap) -> Option<String> {
    header(headers, &USER_AGENT).map(|name| name.chars().take(LONGEST_CLIENT).collect())
}

/// What is shown.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str> {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (shown.next(), shown.next()) else {
        return Err(Problem::unauthenticated(headers.contains_key(AUTHORIZATION)));
    };
    in_header(only).ok_or_else(|| Problem::unauthenticated(true))
}

fn in_header(value: &HeaderValue) -> Option<&str> {
    let (scheme, shown) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim_start_matches(' '))
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
