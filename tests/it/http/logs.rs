//! Logs: ids, and nothing that anyone wrote.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use super::server::{Server, send};

/// What this thread logs; other tests' threads are not listened to.
#[derive(Clone)]
struct Lines(ThreadId, Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if thread::current().id() == self.0 { self.1.lock().unwrap().write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_line_tells_who_asked_for_what_and_nothing_they_wrote() {
    // This test's server runs on this test's thread.
    let lines = Lines(thread::current().id(), Arc::default());
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    // Not for this thread only: what another one reaches first would be taken for something nobody listens to.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let server = Server::start().await;
    let id = server.jar().await;

    server.post("/api/jars?CANARY-1", "CANARY-2", r#"{"label":"CANARY-3"}"#).await;
    server.post("/api/jars", "CANARY-4", r#"{"label":"CANARY-5 is too long for a jar","CANARY-6":1}"#).await;
    server.post("/api/jars", "CANARY-7", r#"{"label":"CANARY-8"#).await;
    server.get("/api/jars?limit=CANARY-9").await;
    server.get("/CANARY-10").await;
    server.post(&format!("/api/jars/{id}/drop"), "CANARY-11", "{}").await;
    let request = server.request(reqwest::Method::GET, "/api/jars").header("x-canary", "CANARY-12");
    send(request.header("user-agent", "CANARY-13").header("cookie", "CANARY-14")).await;

    let text = String::from_utf8(lines.1.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("CANARY"), "{text}");
    // It may hold that sign itself.
    let secret = server.key.splitn(4, '_').last().unwrap();
    assert_eq!(secret.len(), 43);
    assert!(!text.contains(secret));
    let answered: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["fields"]["message"] == "answered")
        .collect();
    assert_eq!(answered.len(), 8, "{text}");
    let dropped = answered.iter().find(|line| line["fields"]["http.status"] == 500).unwrap();
    assert_eq!(dropped["span"]["http.route"], "/api/jars/{id}/drop");
    assert_eq!(dropped["span"]["workspace.id"], server.workspace.to_string());
}
