//! `/api/auth/two-factor`: a second proof beside the password.

use axum::Json;
use axum::extract::State;
use commands::identity::two_factor::{self, Proof};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Done;
use crate::app::App;
use crate::extract::{NoBody, Peer, Person, PersonCommand, SteppedUp};
use crate::problem::{FieldError, Problem, Result};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show_two_factor, enrol, remove_two_factor))
        .routes(routes!(confirm_two_factor))
        .routes(routes!(renew_recovery_codes))
}

/// How your second factor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TwoFactorState {
    /// You have none.
    Off,
    /// A seed waits for its first code.
    Enrolled,
    /// It is asked for.
    On,
}

/// Your second factor.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TwoFactorShown {
    pub state: TwoFactorState,
    /// How many recovery codes are good.
    pub recovery_codes_left: usize,
}

/// What an authenticator app makes codes of, shown this once.
#[derive(Serialize, ToSchema)]
struct Seed {
    /// In base32, to be typed.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    seed: String,
    /// The same, to be scanned as a QR code.
    #[schema(
        example = "otpauth://totp/Mewayz:jane%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Mewayz"
    )]
    uri: String,
}

/// What an authenticator app shows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FirstCode {
    #[schema(pattern = "^[0-9]{6}$", example = "287082")]
    code: String,
}

/// Codes for whoever has lost the app, each good once; shown this once.
#[derive(Serialize, ToSchema)]
struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

/// The second factor that a body shows, if any.
///
/// # Errors
/// `validation` if it shows both.
pub(super) fn proof(code: Option<String>, recovery_code: Option<String>) -> Result<Option<Proof>> {
    match (code, recovery_code) {
        (Some(_), Some(_)) => {
            let told = "is not needed beside a code";
            Err(Problem::validation(vec![FieldError::at("/recovery_code".into(), "choice", told)]))
        }
        (code, recovery) => Ok(code.map(Proof::Code).or(recovery.map(Proof::RecoveryCode))),
    }
}

/// How the actor's second factor stands.
pub(super) async fn shown(cx: &commands::Context) -> Result<TwoFactorShown> {
    let known = two_factor::standing(cx).await?;
    let state = match (known.confirmed, known.enrolled) {
        (true, _) => TwoFactorState::On,
        (_, true) => TwoFactorState::Enrolled,
        _ => TwoFactorState::Off,
    };
    Ok(TwoFactorShown { state, recovery_codes_left: known.recovery_left })
}

/// Show how your second factor stands.
#[utoipa::path(get, path = "/api/auth/two-factor", tag = "auth", security(("access_token" = [])),
    responses((status = 200, body = TwoFactorShown)))]
async fn show_two_factor(Person(cx, _): Person) -> Result<Json<TwoFactorShown>> {
    Ok(Json(shown(&cx).await?))
}

/// Begin with a second factor: the seed is shown once, and counts once you have shown its first code.
#[utoipa::path(post, path = "/api/auth/two-factor", tag = "auth", security(("access_token" = [])),
    responses((status = 200, body = Seed)))]
async fn enrol(State(app): State<App>, SteppedUp(cx, _, NoBody {}): SteppedUp<NoBody>) -> Result<Json<Seed>> {
    let two_factor::Enrolment { seed, uri } = two_factor::enrol(cx, &app.people()?.door).await?;
    Ok(Json(Seed { seed, uri }))
}

/// Show the first code: from now on one is asked for, and every other session ends.
#[utoipa::path(post, path = "/api/auth/two-factor/confirm", tag = "auth", security(("access_token" = [])),
    request_body = FirstCode, responses((status = 200, body = RecoveryCodes)))]
async fn confirm_two_factor(
    State(app): State<App>,
    Peer(peer): Peer,
    PersonCommand(cx, session, body): PersonCommand<FirstCode>,
) -> Result<Json<RecoveryCodes>> {
    let door = &app.people()?.door;
    let recovery_codes = two_factor::confirm(cx, door, session, &body.code, peer).await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Have new recovery codes: the old ones are good no more.
#[utoipa::path(post, path = "/api/auth/two-factor/recovery-codes", tag = "auth", security(("access_token" = [])),
    responses((status = 200, body = RecoveryCodes)))]
async fn renew_recovery_codes(
    State(app): State<App>,
    SteppedUp(cx, _, NoBody {}): SteppedUp<NoBody>,
) -> Result<Json<RecoveryCodes>> {
    let recovery_codes = two_factor::renew_recovery(cx, &app.people()?.door).await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Do without a second factor: every other session ends.
#[utoipa::path(delete, path = "/api/auth/two-factor", tag = "auth", security(("access_token" = [])), responses(Done))]
async fn remove_two_factor(SteppedUp(cx, session, NoBody {}): SteppedUp<NoBody>) -> Result<Done> {
    Ok(Done(two_factor::remove(cx, session).await?))
}
