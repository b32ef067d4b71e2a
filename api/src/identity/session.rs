//! `/api/auth`: signing in, staying signed in, signing out.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use commands::identity::account::{self, whose};
use commands::identity::session::{self, SignIn, SignedIn};
use commands::port::vault::{Ask, Vault};
use domain::identity::account::Account;
use domain::identity::session::Method;
use domain::ids::{AccountId, SessionId, WorkspaceId};
use domain::pii::Opened;
use projections::identity::session::{OwnSessions, SessionRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access_token::{self, Shown as ShownToken};
use crate::answer::{Done, Shown};
use crate::app::{App, People};
use crate::beat::fails_on_a_beat;
use crate::extract::{Device, Id, List, NoBody, NoFilter, Path, Peer, Person, PersonCommand, Visit};
use crate::fresh::MinPosition;
use crate::page::{Page, Paging};
use crate::problem::{Problem, Result};
use crate::read::Read;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sign_in))
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
}

/// A refresh token, good once.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshToken {
    #[schema(min_length = 1, max_length = 512)]
    refresh_token: String,
}

/// The present password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StepUp {
    #[schema(min_length = 1, max_length = 128)]
    password: String,
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
    /// Good once, for the next tokens.
    refresh_token: String,
}

impl Tokens {
    fn of(app: &App, people: &People, signed_in: SignedIn) -> Self {
        let SignedIn { account, session, workspace, refresh_token } = signed_in;
        Self {
            account,
            session,
            workspace,
            access_token: people.signer.sign(ShownToken { account, session, workspace }, app.clock.now()),
            token_type: "Bearer",
            expires_in: access_token::LASTS.num_seconds(),
            refresh_token,
        }
    }
}

/// Sign in with e-mail address and password.
#[utoipa::path(post, path = "/api/auth/sign-in", tag = "auth", security(()),
    request_body = Credentials, responses((status = 200, body = Tokens)))]
async fn sign_in(
    State(app): State<App>,
    Peer(origin): Peer,
    Device(device): Device,
    Visit(cx, body): Visit<Credentials>,
) -> Result<Json<Tokens>> {
    let Credentials { email: address, password, workspace } = body;
    let with = SignIn { address, password, workspace, device, origin };
    let people = app.people()?;
    people.must_be_fresh()?;
    let signed_in = fails_on_a_beat(people.beat, session::sign_in(cx, &people.door, with)).await?;
    Ok(Json(Tokens::of(&app, people, signed_in)))
}

/// Go on with a session: the refresh token is replaced.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", security(()),
    request_body = RefreshToken, responses((status = 200, body = Tokens)))]
async fn refresh(State(app): State<App>, Visit(cx, body): Visit<RefreshToken>) -> Result<Json<Tokens>> {
    let people = app.people()?;
    people.must_be_fresh()?;
    Ok(Json(Tokens::of(&app, people, session::refresh(cx, &people.door, &body.refresh_token).await?)))
}

/// End this session.
#[utoipa::path(post, path = "/api/auth/sign-out", tag = "auth", security(("access_token" = [])), responses(Done))]
async fn sign_out(PersonCommand(cx, session, NoBody {}): PersonCommand<NoBody>) -> Result<Done> {
    Ok(Done(session::sign_out(cx, session).await?))
}

/// End every session of yours, this one as well.
#[utoipa::path(post, path = "/api/auth/sign-out-everywhere", tag = "auth", security(("access_token" = [])), responses(Done))]
async fn sign_out_everywhere(PersonCommand(cx, _, NoBody {}): PersonCommand<NoBody>) -> Result<Done> {
    Ok(Done(account::sign_out_everywhere(cx, None).await?))
}

/// Show once more who you are, for what must not be done by whoever finds you signed in.
#[utoipa::path(post, path = "/api/auth/step-up", tag = "auth", security(("access_token" = [])), request_body = StepUp, responses(Done))]
async fn step_up(
    State(app): State<App>,
    Peer(peer): Peer,
    PersonCommand(cx, session, body): PersonCommand<StepUp>,
) -> Result<Done> {
    Ok(Done(session::step_up(cx, &app.people()?.door, session, &body.password, peer).await?))
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
