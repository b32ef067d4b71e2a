//! `/api/financial/payments/webhook`: what payment providers tell unasked.
//!
//! A notice is kept as it came before it is looked at, believed by its signature, and only as a hint: what is taken in is
//! the charge as the provider shows it when asked. What cannot be taken in now is kept and tried again by us (202);
//! nothing is acknowledged and dropped.

use axum::extract::{FromRequest, Path, Request, State};
use commands::intake::{Heard, Unheard};
use commands::{Intake, intake};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::extract::read_body;
use crate::problem::{Problem, Result};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(notice)).routes(routes!(notice_of))
}

/// A request as it came.
#[derive(Debug)]
struct Raw(HeaderMap, Vec<u8>);

impl FromRequest<App> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, &app.limits).await?;
        Ok(Self(parts.headers, bytes.to_vec()))
    }
}

fn unsigned() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "signature-invalid")
        .saying("a notice is signed by its provider, over these very bytes, within the last minutes")
        .with(WWW_AUTHENTICATE, HeaderValue::from_static("Gateway-Signature"))
}

fn unheard(why: &Unheard) -> Problem {
    match why {
        Unheard::NoSuchProvider => Problem::not_found(),
        Unheard::Unsigned => unsigned(),
        Unheard::NoNotice => Problem::bad_request("this is no notice of the provider"),
        Unheard::NoBook(error) => {
            tracing::error!(%error, "a notice of a payment provider is not kept: {error}");
            Problem::unavailable()
        }
    }
}

/// Take in what the payment provider tells unasked.
#[utoipa::path(post, path = "/api/financial/payments/webhook", tag = "payment", security(()),
    params(("gateway-signature" = Option<String>, Header,
        description = "`t=<unix>,v1=<hex>`: HMAC-SHA256 over the time, a dot and the body as sent; in the header that \
                       the provider uses.")),
    request_body = serde_json::Value,
    responses((status = 202, description = "It is kept, and taken in later."),
        (status = 204, description = "It is taken in.")))]
async fn notice(State(app): State<App>, raw: Raw) -> Result<StatusCode> {
    hear(app.intake.as_ref(), None, raw).await
}

/// Take in what this payment provider tells unasked: `stripe`, `simulated`.
#[utoipa::path(post, path = "/api/financial/payments/webhook/{provider}", tag = "payment", security(()),
    params(("provider" = String, Path, description = "Who tells it.", example = "stripe"),
        ("stripe-signature" = Option<String>, Header,
        description = "`t=<unix>,v1=<hex>`: HMAC-SHA256 over the time, a dot and the body as sent; in the header that \
                       the provider uses.")),
    request_body = serde_json::Value,
    responses((status = 202, description = "It is kept, and taken in later."),
        (status = 204, description = "It is taken in.")))]
async fn notice_of(State(app): State<App>, Path(provider): Path<String>, raw: Raw) -> Result<StatusCode> {
    hear(app.intake.as_ref(), Some(&provider), raw).await
}

async fn hear(
    intake: Option<&intake::Intake>,
    provider: Option<&str>,
    Raw(headers, body): Raw,
) -> Result<StatusCode> {
    let intake: &Intake = intake.ok_or_else(unsigned)?;
    let listener = intake.listener(provider).map_err(|_| match provider {
        None => unsigned(),
        Some(_) => Problem::not_found(),
    })?;
    let mut shown = headers.get_all(listener.signature_header()).iter();
    let signature = shown.next().filter(|_| shown.next().is_none()).and_then(|one| one.to_str().ok());
    match intake.hear(listener, signature, body).await {
        Ok(Heard::Taken) => Ok(StatusCode::NO_CONTENT),
        Ok(Heard::Kept) => Ok(StatusCode::ACCEPTED),
        Err(why) => Err(unheard(&why)),
    }
}
