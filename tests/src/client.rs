//! Clients: who asks the API in a test, each with a key of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use commands::Position;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use uuid::Uuid;

use crate::answer::{Answer, send};

/// Somebody with a key. Who reads sees all that anybody of the test has written.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
    latest: Arc<Mutex<Option<Position>>>,
}

impl Client {
    /// A client of the API at this address, which waits so long for an answer.
    ///
    /// # Panics
    /// If there can be none.
    #[must_use]
    pub fn new(base: String, key: String, patience: Duration) -> Self {
        let http = reqwest::Client::builder().timeout(patience).no_proxy().build().expect("a client");
        Self { http, base, key, latest: Arc::default() }
    }

    /// Somebody else, who sees the same.
    #[must_use]
    pub fn with_key(&self, key: String) -> Self {
        Self { key, ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let latest = *self.latest.lock().unwrap();
        let joint = if path.contains('?') { '&' } else { '?' };
        let fresh = latest.map(|position| format!("{joint}min_position={position}")).unwrap_or_default();
        send(self.request(Method::GET, &format!("{path}{fresh}"))).await
    }

    /// What is there.
    ///
    /// # Panics
    /// If nothing is, or it may not be seen.
    pub async fn show(&self, path: &str) -> Value {
        let shown = self.get(path).await;
        assert_eq!(shown.status, 200, "{path}: {shown:?}");
        shown.json()
    }

    /// A command with an idempotency key of its own.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_as(&Uuid::new_v4().to_string(), path, body).await
    }

    /// A command with this idempotency key.
    pub async fn post_as(&self, key: &str, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Makes something new, and answers its id.
    ///
    /// # Panics
    /// If it is not made.
    pub async fn create(&self, path: &str, body: Value) -> String {
        let created = self.post(path, body).await;
        assert_eq!(created.status, 201, "{created:?}");
        created.id()
    }

    /// A request with the key, and nothing more.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// Sends it; reads from now on show what it did.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = send(request).await;
        if let Ok(position) = answer.header("position").parse() {
            let mut latest = self.latest.lock().unwrap();
            *latest = (*latest).max(Some(position));
        }
        answer
    }
}
