//! Answers: what came back over HTTP.

use std::collections::HashMap;

use reqwest::RequestBuilder;
use serde_json::Value;

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The id of what was made or changed.
    ///
    /// # Panics
    /// If it was neither.
    pub fn id(&self) -> String {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json()["id"].as_str().expect("an answer has an id").to_owned()
    }

    /// The status and the problem's code.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert_eq!(problem["status"], self.status);
        assert!(!problem["title"].as_str().unwrap().is_empty());
        (self.status, code.to_owned())
    }

    /// `<pointer> <code>` of each error, in order.
    pub fn errors(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let place = |e: &Value| text(&e["pointer"]) + &text(&e["parameter"]);
        let problem = self.json();
        let errors = problem["errors"].as_array().unwrap();
        let mut told: Vec<_> = errors.iter().map(|e| format!("{} {}", place(e), text(&e["code"]))).collect();
        told.sort();
        told
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    Answer { status, headers, body: response.text().await.unwrap() }
}
