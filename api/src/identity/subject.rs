//! `/api/users/{id}/erasure` and holds: the end of what is known of a person, and what keeps it for now.

use std::collections::BTreeSet;

use axum::extract::State;
use commands::Context;
use commands::identity::subject::{self, FORGOTTEN, HORIZON_DAYS};
use domain::identity::subject::{ErasureReason, HoldReason, Subject};
use domain::ids::HoldId;
use domain::pii::{Class, SubjectId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Created, Done, Shown};
use crate::app::App;
use crate::extract::{Command, Creation, Id, NoBody, Path, Person, PersonCommand, Show, SteppedUp};
use crate::fresh::MinPosition;
use crate::problem::Result;
use crate::read::Read;
use crate::scope::needs;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show_own, erase_own, withdraw_own))
        .routes(needs(subject::READ, routes!(show_erasure)))
        .routes(needs(subject::ERASE, routes!(erase)))
        .routes(needs(subject::ERASE, routes!(withdraw)))
        .routes(needs(subject::APPROVE, routes!(approve)))
        .routes(needs(subject::HOLD, routes!(hold)))
        .routes(needs(subject::HOLD, routes!(lift)))
}

/// Whose data, and why it shall be erased.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ErasureRequest {
    reason: ErasureReason,
    /// What sorts of data; if it is left out, all but what the law wants kept.
    #[serde(default = "forgotten")]
    #[schema(min_items = 1)]
    classes: BTreeSet<Class>,
}

fn forgotten() -> BTreeSet<Class> {
    FORGOTTEN.into()
}

/// Why a person's data must be kept for now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoldRequest {
    reason: HoldReason,
}

/// A hold on a person's data.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OneHold {
    /// Whose data.
    id: SubjectId,
    #[param(inline)]
    hold: HoldId,
}

/// How the erasure of a person's data stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ErasureState {
    NotAsked,
    /// A second person must approve it.
    AwaitingApproval,
    /// A legal hold keeps the data; it is erased once the last one is lifted.
    Held,
    /// It is erased, and the keys are being destroyed.
    Erased,
    /// The keys are gone.
    Destroyed,
}

/// What becomes of a person's data.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErasureShown {
    pub id: SubjectId,
    pub state: ErasureState,
    /// What is gone: nobody reads it any more through the platform, from this answer on.
    pub erased: BTreeSet<Class>,
    /// What is not. `legal` is what the law wants kept, as to whom an invoice was made out.
    pub kept: BTreeSet<Class>,
    /// Whether a legal hold keeps it at the moment.
    pub held: bool,
    /// Within so many days nobody can read what is erased, in whatever backup of the platform's it lies.
    pub beyond_recovery_within_days: u8,
}

impl ErasureShown {
    pub(super) fn of(id: SubjectId, known: &Subject) -> Self {
        let state = match () {
            () if known.awaits_approval() => ErasureState::AwaitingApproval,
            () if known.is_pending() => ErasureState::Held,
            () if known.erased().is_empty() => ErasureState::NotAsked,
            () if known.destroyed().is_superset(known.erased()) => ErasureState::Destroyed,
            () => ErasureState::Erased,
        };
        let (erased, held) = (known.erased().clone(), known.is_held());
        let kept = Class::ALL.into_iter().filter(|class| !erased.contains(class)).collect();
        Self { id, state, erased, kept, held, beyond_recovery_within_days: HORIZON_DAYS }
    }
}

/// How it stands, at the version it is at.
async fn standing(app: &App, cx: Context, id: SubjectId) -> Result<Shown<ErasureShown>> {
    let position = app.store.head().await?;
    let known = subject::standing(cx, &id).await?;
    let body = ErasureShown::of(id, &known.state);
    Ok(Shown { position, version: Some(known.version), body })
}

/// Show how the erasure of your own data stands.
#[utoipa::path(get, path = "/api/users/me/erasure", tag = "user", security(("access_token" = [])),
    params(MinPosition), responses((status = 200, body = ErasureShown)))]
async fn show_own(
    State(app): State<App>,
    Person(cx, _): Person,
    Show(_fresh): Show,
) -> Result<Shown<ErasureShown>> {
    let own = cx.account()?.into();
    standing(&app, cx, own).await
}

/// Be forgotten: your account ends at once, and what is known of you with it, unless a legal hold keeps it for now.
#[utoipa::path(post, path = "/api/users/me/erasure", tag = "user", security(("access_token" = [])),
    responses((status = 200, body = ErasureShown)))]
async fn erase_own(
    State(app): State<App>,
    SteppedUp(cx, _, NoBody {}): SteppedUp<NoBody>,
) -> Result<Shown<ErasureShown>> {
    let (own, then) = (cx.account()?.into(), cx.identified(cx.command_id));
    subject::request_own_erasure(cx, &*app.people()?.door.vault).await?;
    standing(&app, then, own).await
}

/// Take back that you want to be forgotten, as long as a legal hold has kept it from coming about.
#[utoipa::path(delete, path = "/api/users/me/erasure", tag = "user", security(("access_token" = [])), responses(Done))]
async fn withdraw_own(PersonCommand(cx, _, NoBody {}): PersonCommand<NoBody>) -> Result<Done> {
    Ok(Done(subject::withdraw_own_erasure(cx).await?))
}

/// Show how the erasure of a person's data stands, as the workspace knows them.
#[utoipa::path(get, path = "/api/users/{id}/erasure", tag = "user",
    params(Id<SubjectId>, MinPosition), responses((status = 200, body = ErasureShown)))]
async fn show_erasure(
    read: Read,
    Path(of): Path<Id<SubjectId>>,
    Show(_fresh): Show,
) -> Result<Shown<ErasureShown>> {
    standing(&read.app, read.cx, of.id).await
}

/// Have a person's data erased, as the workspace knows them; where a second person may approve it, they must.
#[utoipa::path(post, path = "/api/users/{id}/erasure", tag = "user",
    params(Id<SubjectId>), request_body = ErasureRequest, responses((status = 200, body = ErasureShown)))]
async fn erase(
    State(app): State<App>,
    Path(of): Path<Id<SubjectId>>,
    Command(cx, body): Command<ErasureRequest>,
) -> Result<Shown<ErasureShown>> {
    let (vault, then) = (&*app.people()?.door.vault, cx.identified(cx.command_id));
    subject::request_erasure(cx, vault, &of.id, body.classes, body.reason).await?;
    standing(&app, then, of.id).await
}

/// Approve what another person asked for: it comes about, unless a legal hold keeps it for now.
#[utoipa::path(post, path = "/api/users/{id}/erasure/approve", tag = "user",
    params(Id<SubjectId>), responses((status = 200, body = ErasureShown)))]
async fn approve(
    State(app): State<App>,
    Path(of): Path<Id<SubjectId>>,
    Command(cx, NoBody {}): Command<NoBody>,
) -> Result<Shown<ErasureShown>> {
    let (vault, then) = (&*app.people()?.door.vault, cx.identified(cx.command_id));
    subject::approve_erasure(cx, vault, &of.id).await?;
    standing(&app, then, of.id).await
}

/// Take an erasure back, as long as it has not come about.
#[utoipa::path(delete, path = "/api/users/{id}/erasure", tag = "user", params(Id<SubjectId>), responses(Done))]
async fn withdraw(Path(of): Path<Id<SubjectId>>, Command(cx, NoBody {}): Command<NoBody>) -> Result<Done> {
    Ok(Done(subject::withdraw_erasure(cx, &of.id).await?))
}

/// Keep a person's data, whoever wants it erased, until the hold is lifted; the answer is the hold.
#[utoipa::path(post, path = "/api/users/{id}/holds", tag = "user",
    params(Id<SubjectId>), request_body = HoldRequest, responses(Created))]
async fn hold(Path(of): Path<Id<SubjectId>>, Creation(cx, body): Creation<HoldRequest>) -> Result<Created> {
    let outcome = subject::place_hold(cx, &of.id, body.reason).await?;
    Ok(Created::at(format!("/api/users/{}/holds", of.id), outcome))
}

/// Lift a hold: an erasure that waited for nothing else comes about.
#[utoipa::path(delete, path = "/api/users/{id}/holds/{hold}", tag = "user", params(OneHold), responses(Done))]
async fn lift(
    State(app): State<App>,
    Path(OneHold { id, hold }): Path<OneHold>,
    Command(cx, NoBody {}): Command<NoBody>,
) -> Result<Done> {
    Ok(Done(subject::lift_hold(cx, &*app.people()?.door.vault, &id, hold).await?))
}
