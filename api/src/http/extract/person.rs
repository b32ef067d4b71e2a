//! People's own matters: what somebody does before they have said who they are, and what is theirs wherever they act.
//!
//! Such bodies hold passwords and addresses. So a request that is to be known again is kept as a keyed hash: a plain one
//! could be tried out by whoever reads the log.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{FromRequest, FromRequestParts, Request};
use chrono::{DateTime, TimeDelta, Utc};
use commands::identity::workspace::PLATFORM;
use commands::port::vault::Vault;
use commands::{Actor, Context, Error};
use domain::ids::SessionId;
use http::Extensions;
use http::request::Parts;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::command::{if_match, key_of, target};
use super::{body, context};
use crate::app::App;
use crate::key::PREFIX;
use crate::problem::{Problem, Result};

/// How long ago a person may have shown who they are, for what must not be done by whoever finds them signed in.
pub(super) const STEPPED_UP: TimeDelta = TimeDelta::minutes(10);

/// What somebody asks who has not said who they are: `Visit(cx, body)`.
#[derive(Debug)]
pub struct Visit<B>(pub Context, pub B);

/// What a person asks of what is their own: `PersonCommand(cx, session, body)`. A key is honoured, but not required.
#[derive(Debug)]
pub struct PersonCommand<B>(pub Context, pub SessionId, pub B);

/// The same, of somebody who has lately shown who they are.
#[derive(Debug)]
pub struct SteppedUp<B>(pub Context, pub SessionId, pub B);

/// What makes something new that is a person's own: `PersonCreation(cx, body)`.
#[derive(Debug)]
pub struct PersonCreation<B>(pub Context, pub B);

/// A person who reads what is their own: `Person(cx, session)`.
#[derive(Debug)]
pub struct Person(pub Context, pub SessionId);

/// What somebody comes with, as it calls itself.
#[derive(Debug)]
pub struct Device(pub Option<String>);

/// Where a connection comes from. What a header says of that is anybody's word, and is not looked at.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl FromRequestParts<App> for Device {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self(context::device(&parts.headers)))
    }
}

impl FromRequestParts<App> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

impl Peer {
    /// Without a connection there is one place that all come from.
    pub(super) fn of(request: &Extensions) -> Self {
        request.get().copied().unwrap_or(Self(Ipv4Addr::UNSPECIFIED.into()))
    }
}

impl FromRequestParts<App> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let (cx, session, _) = person(parts, app).await?;
        Ok(Self(cx, session))
    }
}

impl<B: DeserializeOwned + ToSchema + 'static> FromRequest<App> for Visit<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let cx = context::stamped(&parts, app, PLATFORM, Actor::Visitor);
        let bytes = body::read(&parts.headers, body, &app.limits).await?;
        Ok(Self(cx, body::parse(&parts.headers, &bytes)?))
    }
}

impl<B: DeserializeOwned + ToSchema + 'static> FromRequest<App> for PersonCommand<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (cx, session, _, body) = own(request, app, false).await?;
        Ok(Self(cx, session, body))
    }
}

impl<B: DeserializeOwned + ToSchema + 'static> FromRequest<App> for SteppedUp<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (cx, session, authenticated_at, body) = own(request, app, false).await?;
        if cx.now() >= authenticated_at + STEPPED_UP {
            return Err(Problem::step_up_required());
        }
        Ok(Self(cx, session, body))
    }
}

impl<B: DeserializeOwned + ToSchema + 'static> FromRequest<App> for PersonCreation<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (cx, _, _, body) = own(request, app, true).await?;
        Ok(Self(cx, body))
    }
}

/// The context of a person in what is their own, their session, and when they last showed who they are.
async fn person(parts: &Parts, app: &App) -> Result<(Context, SessionId, DateTime<Utc>)> {
    let shown = context::bearer(&parts.headers)?;
    if shown.starts_with(PREFIX) {
        context::by_key(parts, app, shown).await?;
        return Err(Error::PeopleOnly.into());
    }
    let (who, access) = context::person(shown, app).await?;
    let cx = context::stamped(parts, app, PLATFORM, Actor::Account(who.account));
    Ok((cx, who.session, access.authenticated_at))
}

/// A request's hash that nobody can try requests on.
pub(super) async fn keyed(vault: &dyn Vault, hash: &[u8]) -> Result<Vec<u8>> {
    let keyed = vault.lookup(PLATFORM, "request", &hex::encode(hash)).await.map_err(Error::from)?;
    Ok(keyed.as_str().as_bytes().to_vec())
}

async fn own<B: DeserializeOwned + ToSchema + 'static>(
    request: Request,
    app: &App,
    must_have_key: bool,
) -> Result<(Context, SessionId, DateTime<Utc>, B)> {
    let (parts, body) = request.into_parts();
    let (mut cx, session, authenticated_at) = person(&parts, app).await?;
    let key = key_of(&parts.headers, must_have_key)?;
    cx.if_match = if_match(&parts.headers)?;
    let bytes = body::read(&parts.headers, body, &app.limits).await?;
    if let Some(key) = key {
        cx = cx.with_key(key, &[parts.method.as_str().as_bytes(), target(&parts).as_bytes(), &bytes]);
        cx.request_hash = keyed(&*app.people()?.door.vault, &cx.request_hash).await?;
    }
    Ok((cx, session, authenticated_at, body::parse(&parts.headers, &bytes)?))
}
