//! `GET /api/users/me/export`: all that the platform knows of a person, for themselves.

use std::collections::BTreeSet;

use axum::extract::State;
use chrono::{DateTime, Utc};
use commands::Context;
use commands::identity::account::whose;
use commands::identity::subject;
use commands::identity::workspace::PLATFORM;
use domain::identity::denial::{Denial, DenialEvent, Reason, Who};
use domain::identity::session::Method;
use domain::ids::{AccountId, SessionId, WorkspaceId};
use projections::identity::party::{Counterpart, Counterparts};
use projections::identity::session::{SessionRow, SessionsOf};
use projections::{View, find, page};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Me, me};
use crate::answer::Shown;
use crate::app::App;
use crate::extract::{Person, Show};
use crate::fresh::MinPosition;
use crate::identity::subject::ErasureShown;
use crate::identity::two_factor::{self, TwoFactorShown};
use crate::personal::{Opening, PersonalText};
use crate::problem::Result;

/// Rows that are read at once.
const AT_ONCE: usize = 200;
/// What of a person is held elsewhere, in words for them.
const ELSEWHERE: [&str; 3] = [
    "The workspaces that you are a customer of (`customer_of`) keep your orders and payments: GET \
     /api/mine/{workspace}/orders shows them, and the workspace answers for what else it has written of you.",
    "The workspaces that you are a member of keep what you did in them, under your id alone.",
    "Your password, the seed of your second factor and your recovery codes are kept as hashes or sealed, to check you \
     by; they are told to nobody.",
];

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export))
}

/// All that the platform knows of you.
#[derive(Debug, Serialize, ToSchema)]
struct Export {
    exported_at: DateTime<Utc>,
    profile: Me,
    two_factor: TwoFactorShown,
    /// Every time you have signed in.
    sessions: Vec<SessionExported>,
    /// Every time somebody was turned away who wanted to be you.
    turned_away: Vec<TurnedAway>,
    /// Where you see what is yours as a customer.
    customer_of: BTreeSet<Counterpart>,
    erasure: ErasureShown,
    /// What else is known of you, and where.
    held_elsewhere: Vec<&'static str>,
}

/// A sign-in.
#[derive(Debug, Serialize, ToSchema)]
struct SessionExported {
    id: SessionId,
    created_at: DateTime<Utc>,
    refreshed_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// Whether it was ended before.
    ended: bool,
    methods: BTreeSet<Method>,
    workspace: Option<WorkspaceId>,
    device: Option<PersonalText>,
    origin: Option<PersonalText>,
}

/// Tries that were turned away, as many as were alike within a minute.
#[derive(Debug, Serialize, ToSchema)]
struct TurnedAway {
    since: DateTime<Utc>,
    count: i64,
    reason: Reason,
    /// Where the first of them came from.
    origin: Option<PersonalText>,
}

/// Have all that is known of you, as JSON, and be told what is held elsewhere.
#[utoipa::path(get, path = "/api/users/me/export", tag = "user", security(("access_token" = [])),
    params(MinPosition), responses((status = 200, body = Export)))]
async fn export(State(app): State<App>, Person(cx, _): Person, Show(fresh): Show) -> Result<Shown<Export>> {
    let (account, exported_at) = (cx.account()?, cx.now());
    let Shown { position, body: profile, .. } = me(&app, &cx, &fresh).await?;
    let body = Export {
        exported_at,
        profile,
        two_factor: two_factor::shown(&cx).await?,
        sessions: sessions(&app, account).await?,
        turned_away: turned_away(&app, &cx, account).await?,
        customer_of: customer_of(&app, account, &fresh).await?,
        erasure: ErasureShown::of(account.into(), &subject::standing(cx, &account.into()).await?.state),
        held_elsewhere: ELSEWHERE.to_vec(),
    };
    Ok(Shown { position, version: None, body })
}

async fn customer_of(app: &App, account: AccountId, fresh: &MinPosition) -> Result<BTreeSet<Counterpart>> {
    fresh.reached(app, Counterparts::NAME).await?;
    let seen = fresh.seen(find::<Counterparts>(&app.reads, PLATFORM, account).await?)?;
    Ok(seen.value.map(|row| row.parties).unwrap_or_default())
}

async fn sessions(app: &App, account: AccountId) -> Result<Vec<SessionExported>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let seen = page(&app.reads, PLATFORM, SessionsOf { account }, (after, AT_ONCE)).await?;
        all.extend(opened(app, account, seen.value.rows).await?);
        after = seen.value.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

async fn opened(app: &App, account: AccountId, rows: Vec<SessionRow>) -> Result<Vec<SessionExported>> {
    let whose = whose(account);
    let sealed = rows
        .iter()
        .fold(Opening::of(&whose), |sealed, row| sealed.and(row.device.as_ref()).and(row.origin.as_ref()));
    let mut opened = sealed.open(&*app.people()?.door.vault).await;
    let mut next = || opened.next().flatten();
    let shown = rows.into_iter().map(|row| SessionExported {
        id: row.stem.id,
        created_at: row.stem.created_at,
        refreshed_at: row.refreshed_at,
        ends_at: row.ends_at,
        ended: row.ended,
        methods: row.methods,
        workspace: row.place,
        device: next(),
        origin: next(),
    });
    Ok(shown.collect())
}

async fn turned_away(app: &App, cx: &Context, account: AccountId) -> Result<Vec<TurnedAway>> {
    let (mut all, mut after, whose) = (Vec::new(), 0, whose(account));
    loop {
        let who = Who::Account(account);
        let events = cx.store().history::<Denial>(PLATFORM, &who, after, AT_ONCE as i64).await?;
        let Some(last) = events.last() else { return Ok(all) };
        after = last.sequence;
        let told: Vec<&DenialEvent> = events.iter().filter_map(|event| event.of::<Denial>().ok()?).collect();
        let sealed = told.iter().fold(Opening::of(&whose), |sealed, event| sealed.and(origin(event)));
        let opened = sealed.open(&*app.people()?.door.vault).await;
        all.extend(told.iter().zip(opened).filter_map(|(event, origin)| match event {
            DenialEvent::SignInDenied { reason, count, since, .. } => {
                Some(TurnedAway { since: *since, count: *count, reason: *reason, origin })
            }
            DenialEvent::PermissionDenied { .. } => None,
        }));
    }
}

fn origin(event: &DenialEvent) -> Option<&domain::pii::Pii<domain::identity::denial::Origin>> {
    match event {
        DenialEvent::SignInDenied { origin, .. } => origin.as_ref(),
        DenialEvent::PermissionDenied { .. } => None,
    }
}
