//! Client: asks the platform as any program would, and asks again when it is told to come back later.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{TimeDelta, Utc};
use commands::Position;
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// How often the same is asked before it is given up: some minutes.
const TRIES: u32 = 60;

/// What the platform answered.
#[derive(Debug)]
pub enum Answer {
    Done(Value),
    /// It said no: the problem's code.
    Refused(String),
}

/// A client with a key.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
    /// What all its idempotency keys begin with.
    name: String,
    /// The newest position that a command has answered.
    newest: AtomicI64,
}

impl Client {
    /// # Errors
    /// If there can be no such client.
    pub fn to(url: &str, key: &str, name: String) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).no_proxy().build()?;
        Ok(Self {
            http,
            url: url.trim_end_matches('/').to_owned(),
            key: key.to_owned(),
            name,
            newest: AtomicI64::new(0),
        })
    }

    /// Commands, once however often it is asked for.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn command(
        &self,
        method: Method,
        path: &str,
        once: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let once = format!("{}/{once}", self.name);
        let answer = self
            .ask(path, || {
                let request =
                    self.http.request(method.clone(), self.at(path)).header("idempotency-key", &once);
                if body.is_null() { request } else { request.json(body) }
            })
            .await?;
        if let Answer::Done(done) = &answer
            && let Some(Ok(Position(position))) = done["position"].as_str().map(str::parse)
        {
            self.newest.fetch_max(position, Ordering::Relaxed);
        }
        Ok(answer)
    }

    /// A read of this position shows everything that was done here.
    pub fn newest(&self) -> Position {
        Position(self.newest.load(Ordering::Relaxed))
    }

    /// Reads.
    ///
    /// # Errors
    /// If there is no answer, or a refusal.
    pub async fn read(&self, path: &str) -> anyhow::Result<Value> {
        match self.ask(path, || self.http.get(self.at(path))).await? {
            Answer::Done(value) => Ok(value),
            Answer::Refused(code) => bail!("{path} was refused: {code}"),
        }
    }

    /// How many orders the workspace has.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub async fn orders(&self) -> anyhow::Result<u64> {
        let from = Utc::now().date_naive() - TimeDelta::days(3_650);
        let seen = self.read(&format!("/api/dashboard?from={from}&min_position={}", self.newest())).await?;
        let by_status =
            seen["orders_by_status"].as_array().context("the dashboard has no orders by status")?;
        Ok(by_status.iter().filter_map(|figure| figure["orders"].as_u64()).sum())
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    async fn ask(&self, path: &str, request: impl Fn() -> reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        let mut pause = Duration::from_millis(100);
        let mut last = String::new();
        for _ in 0..TRIES {
            match request().bearer_auth(&self.key).send().await {
                Ok(response) => {
                    let (status, after) = (response.status(), retry_after(&response));
                    let body: Value = response.json().await.unwrap_or_default();
                    if status.is_success() {
                        return Ok(Answer::Done(body));
                    }
                    let code = body["code"].as_str().unwrap_or("no code").to_owned();
                    match status {
                        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                            bail!("{path} needs a key that may do this: {code}")
                        }
                        StatusCode::TOO_MANY_REQUESTS => {}
                        _ if status.is_server_error() => {}
                        _ => return Ok(Answer::Refused(code)),
                    }
                    last = format!("{status} {code}");
                    pause = after.unwrap_or(pause);
                }
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        bail!("{path} has no answer after {TRIES} tries; the last: {last}")
    }
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(30)))
}
