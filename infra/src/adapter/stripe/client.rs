//! Client: requests in Stripe's form, and answers sorted by what is certain.
//!
//! Bodies are form-encoded with nested brackets; each change carries a key of idempotency. It tries again by Stripe's
//! rules: `Stripe-Should-Retry` decides where it is given, else 409, 429 for a lock, 5xx of what changes nothing, 503, and
//! connections that broke. (A 500 of a change is kept by Stripe under its key: the same again would get the same.) What
//! then is still without an answer is not known.

use std::time::Duration;

use chrono::{DateTime, Utc};
use commands::port::payment::GatewayError;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;

use super::wire::{ErrorBody, Failure};
use crate::adapter::gateway::NoClient;
use crate::config::Secret;

/// The version that requests and answers are in.
pub const API_VERSION: &str = "2026-08-26.dahlia";
/// How often one is tried again.
const RETRIES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Speaks to Stripe.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    first_pause: Duration,
}

/// Parameters, in the order in which they are set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

/// An answer, and whether it is that of an earlier request with the same key.
#[derive(Debug)]
pub struct Reply<T> {
    pub of: T,
    pub replayed: bool,
}

/// Why there is no answer, or a no.
#[derive(Debug)]
pub enum No {
    /// Stripe heard it and refuses.
    Refused(Box<ErrorBody>),
    Other(GatewayError),
}

impl Form {
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    /// The name of what is inside: `metadata[order]`.
    #[must_use]
    pub fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

impl No {
    /// In the words of the port: a refusal is one by its code.
    #[must_use]
    pub fn or_rejected(self) -> GatewayError {
        match self {
            Self::Refused(body) => GatewayError::Rejected(body.best_code()),
            Self::Other(error) => error,
        }
    }
}

impl Client {
    /// # Errors
    /// [`NoClient`] if the address is none, or the key is no header's value.
    pub fn new(address: &str, key: &Secret, timeout: Duration) -> Result<Self, NoClient> {
        let no_address = || NoClient::Address(address.to_owned());
        let base = Url::parse(address).map_err(|_| no_address())?;
        let mut shown =
            HeaderValue::from_str(&format!("Bearer {}", key.reveal())).map_err(|_| no_address())?;
        shown.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, shown);
        headers.insert("stripe-version", HeaderValue::from_static(API_VERSION));
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { http, base, first_pause: FIRST_PAUSE })
    }

    /// The same, which waits no time before it tries again: for tests.
    #[must_use]
    pub fn without_pauses(mut self) -> Self {
        self.first_pause = Duration::ZERO;
        self
    }

    /// # Errors
    /// [`No`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &Form) -> Result<T, No> {
        self.call(Method::GET, path, query, None).await.map(|reply| reply.of)
    }

    /// Changes something, once for each key.
    ///
    /// # Errors
    /// [`No`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Form,
        key: &str,
    ) -> Result<Reply<T>, No> {
        self.call(Method::POST, path, body, Some(key)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        form: &Form,
        key: Option<&str>,
    ) -> Result<Reply<T>, No> {
        let mut sent = false;
        for tried in 0.. {
            let last = tried >= RETRIES;
            let (head, bytes) = match self.send(&method, path, form, key).await {
                Ok(whole) => whole,
                Err(error) => {
                    sent |= !error.is_connect();
                    if !last {
                        self.pause(tried, None).await;
                        continue;
                    }
                    let told = chain(&error.without_url());
                    let error =
                        if sent { GatewayError::Unknown(told) } else { GatewayError::Unavailable(told) };
                    return Err(No::Other(error));
                }
            };
            let Head { status, replayed, asked, should } = head;
            if status.is_success() {
                let unread = |_| No::Other(GatewayError::Unknown("an answer that cannot be read".into()));
                return serde_json::from_slice(&bytes).map(|of| Reply { of, replayed }).map_err(unread);
            }
            let failure = serde_json::from_slice::<Failure>(&bytes).ok();
            let body = failure.map(|failure| failure.error).unwrap_or_default();
            sent |= !is_certain(status);
            if !last && should.unwrap_or_else(|| may_do(status, &body, key.is_some())) {
                self.pause(tried, asked).await;
                continue;
            }
            return Err(sorted(status, body, sent));
        }
        Err(No::Other(GatewayError::Unknown("it was not tried".into())))
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        form: &Form,
        key: Option<&str>,
    ) -> Result<(Head, Vec<u8>), reqwest::Error> {
        let mut url = self.base.clone();
        url.set_path(path);
        let response = match key {
            None => {
                url.set_query(Some(&form.encoded()));
                self.http.request(method.clone(), url).send().await?
            }
            Some(key) => {
                let request = self.http.request(method.clone(), url).header("idempotency-key", key);
                let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
                request.body(form.encoded()).send().await?
            }
        };
        let head = Head {
            status: response.status(),
            replayed: header(&response, "idempotent-replayed") == Some("true"),
            asked: retry_after(&response),
            should: header(&response, "stripe-should-retry").map(|told| told == "true"),
        };
        // One that breaks off has said nothing.
        Ok((head, response.bytes().await?.to_vec()))
    }

    /// Twice as long each time, with some chance in it, or as long as Stripe asks for.
    async fn pause(&self, tried: u32, asked: Option<Duration>) {
        let longest = self.first_pause.saturating_mul(1 << tried).min(LONGEST_PAUSE);
        let part = f64::from(rand::random::<u8>()) / 512.0 + 0.5;
        tokio::time::sleep(asked.unwrap_or(longest.mul_f64(part)).min(LONGEST_PAUSE)).await;
    }
}

/// What stands before an answer's body.
#[derive(Debug)]
struct Head {
    status: StatusCode,
    replayed: bool,
    asked: Option<Duration>,
    /// Whether Stripe says to try again.
    should: Option<bool>,
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

fn retry_after(response: &Response) -> Option<Duration> {
    header(response, "retry-after")?.parse().ok().map(Duration::from_secs)
}

/// Whether the same again may do, where Stripe does not say.
fn may_do(status: StatusCode, body: &ErrorBody, changes: bool) -> bool {
    match status {
        StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE => true,
        StatusCode::TOO_MANY_REQUESTS => body.code.as_deref() == Some("lock_timeout"),
        status => status.is_server_error() && !changes,
    }
}

/// Whether nothing has happened, for sure, under this key: neither while it is still at it (409), nor after an error.
fn is_certain(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::CONFLICT && status.as_u16() != 424
}

/// What a no says. Where an earlier try of the same may have done something, and this one does not say what, that is not
/// known.
fn sorted(status: StatusCode, body: ErrorBody, sent: bool) -> No {
    let told = format!("{} {}", status.as_u16(), body.best_code());
    match status {
        // A key used with other parameters is a mistake of ours; under it, something may have happened.
        _ if body.kind.as_deref() == Some("idempotency_error") => {
            tracing::error!(code = body.best_code(), "a key of idempotency was used twice at Stripe");
            No::Other(GatewayError::Unknown(told))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            tracing::error!(
                status = status.as_u16(),
                "Stripe does not accept the key; see stripe.secret_key"
            );
            No::Other(if sent { GatewayError::Unknown(told) } else { GatewayError::Unavailable(told) })
        }
        StatusCode::TOO_MANY_REQUESTS if !sent => No::Other(GatewayError::Unavailable(told)),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT => No::Other(GatewayError::Unknown(told)),
        status if is_certain(status) => No::Refused(Box::new(body)),
        _ => No::Other(GatewayError::Unknown(told)),
    }
}

/// What went wrong, down to its cause.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A time of Stripe's: seconds since 1970.
#[must_use]
pub fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: &str, code: &str) -> ErrorBody {
        ErrorBody { kind: Some(kind.into()), code: Some(code.into()), ..ErrorBody::default() }
    }

    #[test]
    fn forms_are_nested_by_brackets() {
        let form = Form::default().with("metadata[order]", "o&1").with("expand[]", "a.b").with("amount", 10);
        assert_eq!(form.encoded(), "metadata%5Border%5D=o%261&expand%5B%5D=a.b&amount=10");
    }

    #[test]
    fn the_key_shows_in_no_log() {
        let key = Secret::from("sk_test_hush".to_owned());
        let client = Client::new("http://127.0.0.1:1", &key, Duration::from_secs(1)).unwrap();
        assert!(!format!("{client:?}").contains("hush"), "{client:?}");
    }

    #[test]
    fn tries_again_what_may_do() {
        let lock = body("invalid_request_error", "lock_timeout");
        let other = ErrorBody::default();
        for (status, body, changes, again) in [
            (409, &other, true, true),
            (429, &other, true, false),
            (429, &lock, true, true),
            (500, &other, true, false),
            (500, &other, false, true),
            (503, &other, true, true),
            (400, &other, true, false),
            (402, &other, true, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(may_do(status, body, changes), again, "{status}");
        }
    }

    #[test]
    fn says_only_what_is_certain() {
        let sort = |status: u16, body: ErrorBody, sent| match sorted(
            StatusCode::from_u16(status).unwrap(),
            body,
            sent,
        ) {
            No::Refused(body) => body.best_code(),
            No::Other(GatewayError::Unknown(_)) => "unknown".into(),
            No::Other(GatewayError::Unavailable(_)) => "unavailable".into(),
            No::Other(GatewayError::Rejected(code)) => code,
        };
        let other = ErrorBody::default;
        assert_eq!(sort(402, body("card_error", "card_declined"), false), "card_declined");
        assert_eq!(sort(404, body("invalid_request_error", "resource_missing"), false), "resource_missing");
        assert_eq!(sort(400, body("idempotency_error", "x"), false), "unknown");
        assert_eq!(sort(401, other(), false), "unavailable");
        assert_eq!(sort(401, other(), true), "unknown", "an earlier try may have done it");
        assert_eq!(sort(429, other(), false), "unavailable");
        assert_eq!(sort(409, other(), false), "unknown");
        assert_eq!(sort(500, other(), true), "unknown");
        assert_eq!(sort(424, other(), true), "unknown");
    }
}
