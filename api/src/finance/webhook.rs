//! `/api/financial/payments/webhook`: what the gateway tells unasked.
//!
//! A notice is believed by its signature, and only as a hint: what is taken in is the charge as the gateway shows
//! it when asked. It is not asked where all that the notice tells is recorded already. A notice that cannot be taken in now is refused, so that it comes again; none is acknowledged and
//! dropped.

use axum::extract::{FromRequest, Request, State};
use commands::finance::payment;
use commands::port::payment::signature::{SIGNATURE_HEADER, TOLERANCE, verify};
use commands::port::payment::{Charge, Notice, Which};
use commands::{Actor, Context};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::extract::read_body;
use crate::problem::{Problem, Result};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(notice))
}

/// A notice that the gateway signed.
#[derive(Debug)]
struct Signed(Notice);

impl FromRequest<App> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let mut shown = parts.headers.get_all(SIGNATURE_HEADER).iter();
        let header = shown.next().filter(|_| shown.next().is_none()).and_then(|header| header.to_str().ok());
        let header = header.ok_or_else(unsigned)?;
        let bytes = read_body(&parts.headers, body, &app.limits).await?;
        verify(app.webhook_secret.as_bytes(), header, &bytes, app.clock.now(), TOLERANCE)
            .map_err(|_| unsigned())?;
        let notice = serde_json::from_slice(&bytes);
        notice.map(Self).map_err(|_| Problem::bad_request("this is no notice of the gateway"))
    }
}

fn unsigned() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "signature-invalid")
        .saying("a notice is signed by the gateway, over these very bytes, within the last minutes")
        .with(WWW_AUTHENTICATE, HeaderValue::from_static("Gateway-Signature"))
}

/// Take in what the gateway tells unasked.
#[utoipa::path(post, path = "/api/financial/payments/webhook", tag = "payment", security(()),
    params(("gateway-signature" = String, Header,
        description = "`t=<unix>,v1=<hex>`: HMAC-SHA256 over the time, a dot and the body as sent.")),
    request_body = serde_json::Value, responses((status = 204, description = "It is taken in.")))]
async fn notice(State(app): State<App>, Signed(notice): Signed) -> Result<StatusCode> {
    if payment::is_recorded(&telling(&app, &notice.id, &notice.charge), &notice.charge).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let known = app.gateway.find(&Which::OfReference(notice.charge.id)).await;
    let charge = known.map_err(|_| Problem::unavailable())?.ok_or_else(Problem::not_found)?;
    payment::observe(&telling(&app, &notice.id, &charge), &charge).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Commands of a notice have ids that come from its own: told twice, it happens once.
fn telling(app: &App, notice: &str, charge: &Charge) -> Context {
    let workspace = charge.metadata.workspace;
    let id = Uuid::new_v5(&workspace.uuid(), format!("notice\0{notice}").as_bytes());
    let actor = Actor::Effect("take_in_what_gateway_tells");
    let mut cx = Context::internal(app.store.clone(), app.clock.clone(), workspace, actor).identified(id);
    cx.correlation = id;
    cx
}
