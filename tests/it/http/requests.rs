//! Requests: what holds for all of them, whatever they ask for.

use std::time::Duration;

use api::limits::Limits;
use commands::EventStore;
use reqwest::Method;
use sqlx::postgres::PgPoolOptions;
use tests::database::TestDatabase;
use uuid::Uuid;

use super::server::{Server, send};

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let server = Server::start().await;
    for path in ["/", "/nothing", "/api/nothing", "/api/jars/", "/api/jars/x/y/z"] {
        assert_eq!(server.get(path).await.problem(), (404, "not-found".into()), "{path}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_there_names_those_that_are() {
    let server = Server::start().await;
    let call = |method: &str, path: &'static str| {
        send(server.request(Method::from_bytes(method.as_bytes()).unwrap(), path))
    };
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let answer = call(method, "/api/jars").await;
        assert_eq!(answer.problem(), (405, "method-not-allowed".into()), "{method}");
        let mut allowed: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        allowed.sort_unstable();
        assert_eq!(allowed, ["GET", "HEAD", "POST"], "{method}");
    }
    let options = call("OPTIONS", "/api/jars").await;
    assert_eq!((options.status, options.body.as_str()), (204, ""));
    assert!(options.header("allow").contains("POST"));
    let (get, head) = (call("GET", "/api/jars").await, call("HEAD", "/api/jars").await);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.body.len().to_string());
}

#[tokio::test]
async fn a_request_is_known_by_an_id() {
    let server = Server::start().await;
    let asked =
        |id: &str| send(server.request(Method::GET, "/nothing").header("x-request-id", id.to_owned()));
    let answer = asked("checkout-7").await;
    assert_eq!(answer.header("x-request-id"), "checkout-7");
    assert_eq!(
        (&answer.json()["request_id"], &answer.json()["instance"]),
        (&"checkout-7".into(), &"checkout-7".into())
    );
    let answer = asked("<script>").await;
    assert!(Uuid::parse_str(answer.header("x-request-id")).is_ok());
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
}

#[tokio::test]
async fn who_asked_and_with_what_goes_into_the_log() {
    let server = Server::start().await;
    let request = server.posting("/api/jars", "k", r#"{"label":"a"}"#);
    let correlation = Uuid::new_v4().to_string();
    let request = request.header("x-request-id", &correlation).header("user-agent", "till/2");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    assert_eq!(send(request).await.status, 201);
    let metadata: String = sqlx::query_scalar("select metadata::text from events")
        .fetch_one(&server.database.pool)
        .await
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let key = server.key.parse::<api::key::ShownKey>().unwrap();
    assert_eq!(metadata["actor"], key.id.to_string());
    assert_eq!(metadata["correlation"], correlation);
    assert_eq!((&metadata["client"], &metadata["trace"]), (&"till/2".into(), &trace.into()));
    assert_eq!(metadata["command"], "jar.open");
}

#[tokio::test]
async fn every_answer_is_private_and_is_what_it_says() {
    let server = Server::start().await;
    for path in ["/health", "/nothing", "/api/jars"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
    }
}

#[tokio::test]
async fn a_mistake_of_ours_is_a_problem_and_the_server_goes_on() {
    let server = Server::start().await;
    let path = format!("/api/jars/{}/drop", server.jar().await);
    let answer = server.post(&path, "", "{}").await;
    assert_eq!(answer.problem(), (500, "internal".into()));
    assert!(!answer.body.contains("CANARY"));
    assert_eq!(server.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_request_has_its_time_and_no_more() {
    let server = Server::with(Limits { request_time: Duration::from_secs(1), ..Limits::default() }).await;
    let path = format!("/api/jars/{}/stick", server.jar().await);
    let answer = server.post(&path, "k", "").await;
    assert_eq!(answer.problem(), (503, "timeout".into()));
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_said_without_its_name() {
    let database = TestDatabase::create().await;
    // Nobody listens on the port of a listener that is gone.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let gone = database.run.clone().port(port);
    let patience = Duration::from_millis(200);
    let pool = PgPoolOptions::new().acquire_timeout(patience).connect_lazy_with(gone.clone());
    let server = Server::over(database, EventStore::open(pool, gone, 10), Limits::default()).await;
    let answer = server.post("/api/jars", "k", r#"{"label":"a"}"#).await;
    assert_eq!(answer.problem(), (503, "unavailable".into()));
    assert_eq!(answer.header("retry-after"), "1");
    for word in ["127.0.0.1", "localhost", "sql", "mewayz_run", &port.to_string()] {
        assert!(!answer.body.to_lowercase().contains(word), "{word}");
    }
    let status = server.get("/api/status").await;
    assert_eq!((status.status, &status.json()["status"]), (503, &"failing".into()));
    assert_eq!(server.get("/health").await.status, 200, "it lives, though it cannot work");
}
