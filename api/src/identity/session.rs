//! `/api/auth`: signing in, staying signed in, signing out.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use commands::identity::account::{self, whose};
use commands::identity::session::{self, SecondStep, SignIn, SignedIn, SigningIn};
use commands::port::vault::{Ask, Vault};
use commands::{Error, NotYou};
use domain::identity::account::Account;
use domain::identity::session::Method;
use domain::ids::{AccountId, SessionId, WorkspaceId};
use domain::pii::Opened;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use projections::identity::session::{OwnSessions, SessionRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access_token::{self, Shown as ShownToken};
use crate::answer::{Done, Shown};
use crate::app::{App, People};
use crate::beat::fails_on_a_beat;
use crate::cookie;
use crate::extract::{Device, Id, List, NoBody, NoFilter, Path, Peer, Person, PersonCommand, Visit};
use crate::fresh::MinPosition;
use crate::identity::two_factor::proof;
use crate::page::{Page, Paging};
use crate::problem::{FieldError, Problem, Result};
use crate::read::Read;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sign_in))
        .routes(routes!(sign_in_second_step))
        .routes(routes!(refresh))
        .routes(routes!(sign_out))
        .routes(routes!(sign_out_everywhere))
        .routes(routes!(step_up))
        .routes(routes!(list))
        .routes(routes!(revoke))
}

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    #[schema(min_length = 3, max_length = 254, example = "jane@example.com")]
    email: String,
    #[schema(min_length = 1, max_length = 128)]
    password: String,
    /// Where they mean to act; only what is their own if it is left out.
    workspace: Option<WorkspaceId>,
    /// Have the refresh token in a cookie that no script reads, and not in the answer.
    #[serde(default)]
    cookie: bool,
}

/// The second step of signing in: a code of the app, or a recovery code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecondStepBody {
    /// What the first step has answered.
    #[schema(min_length = 1, max_length = 512)]
    challenge: String,
    #[schema(pattern = "^[0-9]{6}$", example = "287082")]
    code: Option<String>,
    #[schema(min_length = 1, max_length = 64)]
    recovery_code: Option<String>,
    /// Have the refresh token in a cookie that no script reads, and not in the answer.
    #[serde(default)]
    cookie: bool,
}

/// A refresh token, good once; left out by a browser that has it in a cookie.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshToken {
    #[schema(min_length = 1, max_length = 512)]
    refresh_token: Option<String>,
}

/// The present password, and the second factor where there is one: a code of the app, or a recovery code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StepUp {
    #[schema(min_length = 1, max_length = 128)]
    password: String,
    #[schema(pattern = "^[0-9]{6}$", example = "287082")]
    code: Option<String>,
    #[schema(min_length = 1, max_length = 64)]
    recovery_code: Option<String>,
}

/// A second factor is asked for.
#[derive(Serialize, ToSchema)]
struct SecondFactorAsked {
    /// To be shown with a code: `POST /api/auth/sign-in/second-factor`.
    challenge: String,
    /// For how many seconds it is good.
    expires_in: i64,
}

/// A session of yours that goes on.
#[derive(Debug, Serialize, ToSchema)]
struct SessionShown {
    id: SessionId,
    /// Whether this was asked within it.
    current: bool,
    created_at: DateTime<Utc>,
    refreshed_at: DateTime<Utc>,
    /// When it ends, if it is not refreshed before.
    ends_at: DateTime<Utc>,
    /// How you have last shown who you are, and when.
    methods: BTreeSet<Method>,
    authenticated_at: DateTime<Utc>,
    /// Where it acts.
    workspace: Option<WorkspaceId>,
    /// What you signed in with, as it calls itself.
    device: Option<String>,
    /// The network address that you signed in from.
    origin: Option<String>,
}

/// What a person shows from now on.
#[derive(Serialize, ToSchema)]
struct Tokens {
    account: AccountId,
    session: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<WorkspaceId>,
    /// `Authorization: Bearer` of each request.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// For how many seconds the access token is good.
    expires_in: i64,
    /// Good once, for the next tokens; a browser that wants it has it in a cookie instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

impl Tokens {
    /// The answer, with the refresh token in it or in a cookie.
    fn answer(app: &App, people: &People, signed_in: SignedIn, in_cookie: bool) -> Result<Response> {
        let SignedIn { account, session, workspace, refresh_token } = signed_in;
        let cookie = in_cookie.then(|| cookie::set(&refresh_token)).transpose()?;
        let refresh_token = (!in_cookie).then_some(refresh_token);
        let tokens = Self {
            account,
            session,
            workspace,
            access_token: people.signer.sign(ShownToken { account, session, workspace }, app.clock.now()),
            token_type: "Bearer",
            expires_in: access_token::LASTS.num_seconds(),
            refresh_token,
        };
        let mut response = Json(tokens).into_response();
        response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
        Ok(response)
    }
}

/// Sign in with e-mail address and password; where there is a second factor, that is asked for.
#[utoipa::path(post, path = "/api/auth/sign-in", tag = "auth", security(()),
    request_body = Credentials, responses((status = 200, body = Tokens),
        (status = 202, description = "The password is right; a second factor is asked for.", body = SecondFactorAsked)))]
async fn sign_in(
    State(app): State<App>,
    Peer(origin): Peer,
    Device(device): Device,
    Visit(cx, body): Visit<Credentials>,
) -> Result<Response> {
    let Credentials { email: address, password, workspace, cookie } = body;
    let with = SignIn { address, password, workspace, device, origin };
    let people = app.people()?;
    people.must_be_fresh()?;
    match fails_on_a_beat(people.beat, session::sign_in(cx, &people.door, with)).await? {
        SigningIn::In(signed_in) => Tokens::answer(&app, people, signed_in, cookie),
        SigningIn::HalfWay { challenge } => Ok(asked(challenge)),
    }
}

fn asked(challenge: String) -> Response {
    let expires_in = session::HALF_WAY_FOR.num_seconds();
    (StatusCode::ACCEPTED, Json(SecondFactorAsked { challenge, expires_in })).into_response()
}

/// Sign in, the second step: show a code of your authenticator app, or a recovery code.
#[utoipa::path(post, path = "/api/auth/sign-in/second-factor", tag = "auth", security(()),
    request_body = SecondStepBody, responses((status = 200, body = Tokens)))]
async fn sign_in_second_step(
    State(app): State<App>,
    Peer(origin): Peer,
    Device(device): Device,
    Visit(cx, body): Visit<SecondStepBody>,
) -> Result<Response> {
    let SecondStepBody { challenge, code, recovery_code, cookie } = body;
    let missing = || FieldError::at("/code".into(), "required", "is missing");
    let proof = proof(code, recovery_code)?.ok_or_else(|| Problem::validation(vec![missing()]))?;
    let people = app.people()?;
    people.must_be_fresh()?;
    let with = SecondStep { challenge, proof, device, origin };
    Tokens::answer(&app, people, session::second_step(cx, &people.door, with).await?, cookie)
}

/// Go on with a session: the refresh token is replaced, in the body or in the cookie that it came in.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", security(()),
    request_body = RefreshToken, responses((status = 200, body = Tokens)))]
async fn refresh(
    State(app): State<App>,
    headers: HeaderMap,
    Visit(cx, body): Visit<RefreshToken>,
) -> Result<Response> {
    let people = app.people()?;
    people.must_be_fresh()?;
    let (shown, in_cookie) = match &body.refresh_token {
        Some(token) => (Some(token.as_str()), false),
        None => (cookie::read(&headers)?, true),
    };
    let shown = shown.ok_or(Error::Unauthenticated(NotYou::Session))?;
    Tokens::answer(&app, people, session::refresh(cx, &people.door, shown).await?, in_cookie)
}

/// End this session.
#[utoipa::path(post, path = "/api/auth/sign-out", tag = "auth", security(("access_token" = [])), responses(Done))]
async fn sign_out(
    headers: HeaderMap,
    PersonCommand(cx, session, NoBody {}): PersonCommand<NoBody>,
) -> Result<Response> {
    let mut response = Done(session::sign_out(cx, session).await?).into_response();
    if cookie::is_there(&headers) {
        response.headers_mut().insert(SET_COOKIE, cookie::gone());
    }
    Ok(response)
}

/// End every session of yours, this one as well.
#[utoipa::path(post, path = "/api/auth/sign-out-everywhere", tag = "auth", security(("access_token" = [])), responses(Done))]
async fn sign_out_everywhere(PersonCommand(cx, _, NoBody {}): PersonCommand<NoBody>) -> Result<Done> {
    Ok(Done(account::sign_out_everywhere(cx, None).await?))
}

/// Show once more who you are, with the second factor where there is one, for what must not be done by whoever finds you signed in.
#[utoipa::path(post, path = "/api/auth/step-up", tag = "auth", security(("access_token" = [])), request_body = StepUp, responses(Done))]
async fn step_up(
    State(app): State<App>,
    Peer(peer): Peer,
    PersonCommand(cx, session, body): PersonCommand<StepUp>,
) -> Result<Done> {
    let shown = (body.password.as_str(), proof(body.code, body.recovery_code)?);
    Ok(Done(session::step_up(cx, &app.people()?.door, session, shown, peer).await?))
}

/// List your sessions that go on, the newest first.
#[utoipa::path(get, path = "/api/auth/sessions", tag = "auth", security(("access_token" = [])),
    params(Paging, MinPosition), responses((status = 200, body = Page<SessionShown>)))]
async fn list(
    State(app): State<App>,
    Person(cx, current): Person,
    List(NoFilter {}, paging, fresh): List<NoFilter>,
) -> Result<Shown<Page<SessionShown>>> {
    let account = cx.account()?;
    let holder = cx.load::<Account>(&account).await?.state;
    let own = OwnSessions { account, epoch: holder.epoch(), kept: holder.kept(), now: cx.now() };
    let Shown { position, version, body } = Read { app: app.clone(), cx }.page(own, &paging, &fresh).await?;
    let items = opened(&*app.people()?.door.vault, account, current, body.items).await?;
    Ok(Shown { position, version, body: Page { items, next_cursor: body.next_cursor } })
}

/// Sessions as their person may read them.
async fn opened(
    vault: &dyn Vault,
    account: AccountId,
    current: SessionId,
    rows: Vec<SessionRow>,
) -> Result<Vec<SessionShown>> {
    let whose = whose(account);
    let asks = rows.iter().flat_map(|row| {
        let device = row.device.as_ref().map(|sealed| Ask::of(&whose, sealed));
        device.into_iter().chain(row.origin.as_ref().map(|sealed| Ask::of(&whose, sealed)))
    });
    let told = vault.open(&asks.collect::<Vec<_>>()).await;
    if told.contains(&Opened::Unavailable) {
        return Err(Problem::unavailable());
    }
    let mut told = told.into_iter();
    let mut next = |is_there: bool| match is_there.then(|| told.next()).flatten() {
        Some(Opened::Plain(text)) => Some(text),
        _ => None,
    };
    let shown = rows.into_iter().map(|row| SessionShown {
        id: row.stem.id,
        current: row.stem.id == current,
        created_at: row.stem.created_at,
        refreshed_at: row.refreshed_at,
        ends_at: row.ends_at,
        methods: row.methods,
        authenticated_at: row.authenticated_at,
        workspace: row.place,
        device: next(row.device.is_some()),
        origin: next(row.origin.is_some()),
    });
    Ok(shown.collect())
}

/// End another session of yours.
#[utoipa::path(delete, path = "/api/auth/sessions/{id}", tag = "auth", security(("access_token" = [])),
    params(Id<SessionId>), responses(Done))]
async fn revoke(
    Path(of): Path<Id<SessionId>>,
    PersonCommand(cx, _, NoBody {}): PersonCommand<NoBody>,
) -> Result<Done> {
    Ok(Done(session::revoke(cx, of.id).await?))
}
