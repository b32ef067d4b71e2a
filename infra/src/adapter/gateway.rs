//! The simulated gateway's client: the payment port over its HTTP API.
//!
//! It never tries again by itself: an answer that did not come is reported as such, and whoever asked decides.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::port::payment::notice::{About, Hint, Listener};
use commands::port::payment::signature::{SIGNATURE_HEADER, SignatureError, TOLERANCE, verify_any};
use commands::port::payment::{
    Authorisation, Authorise, Capture, Captured, Charge, ChargeMetadata, GatewayError, Notice,
    PaymentGateway, Refund, Refunded, Void, Which,
};
use reqwest::{Client, RequestBuilder, StatusCode, Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::Secret;
use crate::gateway::wire::{Failure, NewCapture, NewCharge, NewRefund, NewVoid};

/// How long an answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Speaks to one gateway.
#[derive(Debug, Clone)]
pub struct GatewayClient {
    client: Client,
    charges: Url,
}

/// Why there can be no client for a gateway.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    #[error("`{0}` is no address of a gateway, like http://127.0.0.1:8090")]
    Address(String),
    #[error("no HTTP client can be made")]
    Client(#[from] reqwest::Error),
}

type Answer<T> = Result<T, GatewayError>;

impl GatewayClient {
    /// A client of the gateway at this address, which waits so long for an answer.
    ///
    /// # Errors
    /// [`NoClient`] if the address is none.
    pub fn new(address: &str, timeout: Duration) -> Result<Self, NoClient> {
        let charges = Url::parse(address).and_then(|url| url.join("/v1/charges"));
        let charges = charges.map_err(|_| NoClient::Address(address.to_owned()))?;
        let client =
            Client::builder().timeout(timeout).redirect(redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { client, charges })
    }

    fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.charges.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(parts);
        }
        url
    }

    async fn post<T: DeserializeOwned>(&self, parts: &[&str], key: &str, body: &impl Serialize) -> Answer<T> {
        let request = self.client.post(self.url(parts)).header("idempotency-key", key).json(body);
        answer(request).await
    }
}

/// Sends it, and sorts what comes back by what is certain.
async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Answer<T> {
    let response = request.send().await.map_err(|error| match error {
        error if error.is_connect() || error.is_builder() => GatewayError::Unavailable(chain(&error)),
        error => GatewayError::Unknown(chain(&error)),
    })?;
    let status = response.status();
    if status.is_success() {
        return response.json().await.map_err(|error| GatewayError::Unknown(chain(&error)));
    }
    match status {
        StatusCode::TOO_MANY_REQUESTS => Err(GatewayError::Unavailable(status.to_string())),
        status if status.is_client_error() => {
            let failure = response.json::<Failure>().await;
            Err(GatewayError::Rejected(failure.map_or_else(|_| status.as_u16().to_string(), |no| no.code)))
        }
        status => Err(GatewayError::Unknown(status.to_string())),
    }
}

/// What went wrong, down to its cause.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[async_trait]
impl PaymentGateway for GatewayClient {
    async fn authorise(&self, ask: &Authorise) -> Answer<Authorisation> {
        let &Authorise { workspace, payment, attempt, amount, .. } = ask;
        let metadata = ChargeMetadata { workspace, payment, attempt };
        let body = NewCharge { amount, method: ask.method.clone(), metadata };
        let charge: Charge = self.post(&[], &ask.key(), &body).await?;
        Ok(charge.authorisation())
    }

    async fn capture(&self, ask: &Capture) -> Answer<Captured> {
        let body = NewCapture { capture: ask.capture, amount: ask.amount };
        self.post(&[&ask.charge, "capture"], &ask.key(), &body).await
    }

    async fn void(&self, ask: &Void) -> Answer<()> {
        let voided: Answer<Charge> = self.post(&[&ask.charge, "void"], &ask.key(), &NewVoid {}).await;
        voided.map(|_| ())
    }

    async fn refund(&self, ask: &Refund) -> Answer<Refunded> {
        let body = NewRefund { refund: ask.refund, amount: ask.amount };
        self.post(&[&ask.charge, "refunds"], &ask.key(), &body).await
    }

    async fn find(&self, which: &Which) -> Answer<Option<Charge>> {
        let request = match which {
            Which::OfAttempt(attempt) => {
                self.client.get(self.url(&[])).query(&[("idempotency_key", attempt.to_string())])
            }
            Which::OfReference(reference) => self.client.get(self.url(&[reference])),
        };
        match answer(request).await {
            Ok(charge) => Ok(Some(charge)),
            Err(GatewayError::Rejected(code)) if code == "no_such_charge" => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Reads the simulated gateway's notices, signed with one of these secrets.
#[derive(Debug, Clone)]
pub struct GatewayNotices {
    pub secrets: Vec<Secret>,
}

impl Listener for GatewayNotices {
    fn provider(&self) -> &'static str {
        "simulated"
    }

    fn signature_header(&self) -> &'static str {
        SIGNATURE_HEADER
    }

    fn check(&self, signature: &str, body: &[u8], now: DateTime<Utc>) -> Result<(), SignatureError> {
        let secrets: Vec<_> = self.secrets.iter().map(|secret| secret.reveal().as_bytes()).collect();
        verify_any(&secrets, signature, body, now, TOLERANCE)
    }

    fn read(&self, body: &[u8]) -> Option<Hint> {
        let Notice { id, charge, .. } = serde_json::from_slice(body).ok()?;
        Some(Hint { id, about: About::Charge(Box::new(charge)) })
    }
}
