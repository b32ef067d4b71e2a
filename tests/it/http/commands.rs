//! Commands: what they answer, the first time and every time.

use std::collections::HashSet;
use std::time::Duration;

use api::limits::Limits;
use chrono::DateTime;
use domain::ids::WorkspaceId;
use futures::future::join_all;
use uuid::Uuid;

use super::server::{Server, send};

const OPEN: &str = r#"{"label":"a"}"#;

#[tokio::test]
async fn a_command_answers_id_version_and_position() {
    let server = Server::start().await;
    let opened = server.post("/api/jars", "k", OPEN).await;
    let body = opened.json();
    let id = body["id"].as_str().unwrap();
    assert_eq!(opened.status, 201);
    assert_eq!(opened.body, format!("{{\"id\":\"{id}\",\"version\":1,\"position\":\"p1\"}}"));
    assert_eq!(opened.header("etag"), "\"1\"");
    assert_eq!(opened.header("position"), "p1");
    assert_eq!(opened.header("location"), format!("/api/jars/{id}"));
    assert_eq!(opened.header("idempotent-replayed"), "");

    let filled = server.post(&format!("/api/jars/{id}/put"), "", r#"{"coins":2}"#).await;
    assert_eq!((filled.status, filled.header("etag")), (200, "\"2\""));
    assert_eq!(filled.body, format!("{{\"id\":\"{id}\",\"version\":2,\"position\":\"p2\"}}"));
    assert_eq!(server.get(&format!("/api/jars/{id}")).await.json()["coins"], 2);
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_byte_for_byte() {
    let server = Server::start().await;
    let first = server.post("/api/jars", "k", OPEN).await;
    let path = format!("/api/jars/{}/put", first.json()["id"].as_str().unwrap());
    let filled = server.post(&path, "f", r#"{"coins":60}"#).await;
    let refused = server.post(&path, "r", r#"{"coins":60}"#).await;
    assert_eq!(refused.problem(), (409, "jar/full".into()));
    let recorded = server.recorded().await;

    let repeats = [
        (first, server.post("/api/jars", "\"k\"", OPEN).await),
        (filled, server.post(&path, "f", r#"{"coins":60}"#).await),
        (refused, server.post(&path, "r", r#"{"coins":60}"#).await),
    ];
    for (first, again) in repeats {
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(
            (again.header("etag"), again.header("location")),
            (first.header("etag"), first.header("location"))
        );
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    }
    assert_eq!(server.recorded().await, recorded);
}

#[tokio::test]
async fn sixty_four_requests_with_one_key_are_one_request() {
    let server = Server::start().await;
    let answers = join_all((0..64).map(|_| server.post("/api/jars", "k", OPEN))).await;
    let bodies: HashSet<_> = answers.iter().map(|answer| (answer.status, &answer.body)).collect();
    assert_eq!(bodies.len(), 1);
    assert_eq!(answers[0].status, 201);
    let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count();
    assert_eq!(replayed, 63);
    assert_eq!(server.recorded().await, (1, 1));
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_actor() {
    let server = Server::start().await;
    let id = server.jar().await;
    let first = server.post("/api/jars", "k", OPEN).await;
    let reused = (422, "idempotency-key-reused".to_owned());
    assert_eq!(server.post("/api/jars", "k", r#"{"label":"b"}"#).await.problem(), reused);
    assert_eq!(server.post("/api/jars", "k", r#"{ "label":"a"}"#).await.problem(), reused, "other bytes");
    assert_eq!(server.post(&format!("/api/jars/{id}/put"), "k", r#"{"coins":1}"#).await.problem(), reused);

    let other = server.keys.issue(server.workspace, &["*"]).reveal();
    let others =
        send(server.posting("/api/jars", "k", OPEN).header("authorization", format!("Bearer {other}")));
    assert_eq!(others.await.status, 401, "two keys are no key");
    let request = server.http.post(format!("http://{}/api/jars", server.address)).bearer_auth(other);
    let request =
        request.header("idempotency-key", "k").header("content-type", "application/json").body(OPEN);
    let others = send(request).await;
    assert_eq!(others.status, 201);
    assert_ne!(others.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn what_makes_something_new_needs_a_key() {
    let server = Server::start().await;
    assert_eq!(server.post("/api/jars", "", OPEN).await.problem(), (400, "idempotency-key-required".into()));
    for key in ["a b", "\"a", &"x".repeat(256)] {
        let problem = server.post("/api/jars", key, OPEN).await.problem();
        assert_eq!(problem, (400, "idempotency-key-invalid".into()), "{key}");
    }
    assert_eq!(server.recorded().await, (0, 0));
}

#[tokio::test]
async fn a_repeat_does_not_wait_for_ever_for_the_first() {
    let limits = Limits {
        repeat_time: Duration::from_millis(50),
        request_time: Duration::from_secs(2),
        ..Limits::default()
    };
    let server = Server::with(limits).await;
    let path = format!("/api/jars/{}/stick", server.jar().await);
    let (first, second) = tokio::join!(server.post(&path, "k", "{}"), server.post(&path, "k", "{}"));
    let mut problems = [first, second];
    problems.sort_by_key(|answer| answer.status);
    let [waited, worked] = problems;
    assert_eq!(waited.problem(), (409, "idempotency-in-progress".into()));
    assert_eq!(worked.problem(), (503, "timeout".into()));
    assert_eq!((waited.header("retry-after"), worked.header("retry-after")), ("1", "1"));
}

#[tokio::test]
async fn a_command_is_taken_at_the_version_the_client_saw() {
    let server = Server::start().await;
    let path = format!("/api/jars/{}/put", server.jar().await);
    let put = |key: &'static str, etag: &'static str| {
        send(server.posting(&path, key, r#"{"coins":1}"#).header("if-match", etag))
    };
    assert_eq!(put("a", "\"1\"").await.status, 200);
    let stale = put("b", "\"1\"").await;
    assert_eq!(stale.problem(), (412, "precondition-failed".into()));
    assert_eq!(stale.json()["current"], 2);
    assert_eq!(put("a", "\"1\"").await.status, 200, "a repeat is answered, however stale");
    assert_eq!(put("c", "*").await.status, 200);
    assert_eq!(put("d", "3").await.problem(), (412, "precondition-failed".into()));
    assert_eq!(put("e", "\"3\"").await.header("etag"), "\"4\"");
}

#[tokio::test]
async fn another_workspaces_thing_is_no_thing() {
    let server = Server::start().await;
    let theirs = server.jar().await;
    let stranger = server.keys.issue(WorkspaceId::from_uuid(Uuid::now_v7()), &["*"]).reveal();
    let nobodys = "cart_01h455vb4pex5vsknk084sn02q";
    let put = |id: &str| {
        let request = server.http.post(format!("http://{}/api/jars/{id}/put", server.address));
        let request = request.bearer_auth(&stranger).header("content-type", "application/json");
        send(request.body(r#"{"coins":1}"#))
    };
    let (foreign, unknown) = (put(&theirs).await, put(nobodys).await);
    assert_eq!(foreign.problem(), (404, "jar/unknown".into()));
    assert_eq!(foreign.body, unknown.body);
    assert_eq!(server.get(&format!("/api/jars/{theirs}")).await.json()["coins"], 0);
}

#[tokio::test]
async fn nobody_acts_without_a_key_that_may_be_used() {
    let server = Server::start().await;
    let expired = server.keys.issue(server.workspace, &["*"]);
    server.keys.expire(&expired, DateTime::UNIX_EPOCH);
    let revoked = server.keys.issue(server.workspace, &["*"]);
    server.keys.revoke(&revoked);
    let wrong =
        api::key::ShownKey::mint(expired.workspace, server.key.parse::<api::key::ShownKey>().unwrap().id);
    for shown in [
        String::new(),
        "Basic dTpw".into(),
        "Bearer".into(),
        "Bearer x".into(),
        format!("Bearer {}", expired.reveal()),
        format!("Bearer {}", revoked.reveal()),
        format!("Bearer {}", wrong.reveal()),
        server.key.clone(),
    ] {
        let request = server.http.get(format!("http://{}/api/jars", server.address));
        let request = if shown.is_empty() { request } else { request.header("authorization", &shown) };
        let answer = send(request).await;
        assert_eq!(answer.problem(), (401, "unauthenticated".into()), "{shown}");
        assert!(answer.header("www-authenticate").starts_with("Bearer realm="), "{shown}");
    }
    let request = server.http.get(format!("http://{}/api/jars", server.address));
    assert_eq!(send(request.header("authorization", format!("bearer {}", server.key))).await.status, 200);
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say() {
    let server = Server::start().await;
    let opener = server.keys.issue(server.workspace, &["jar:open"]).reveal();
    let id = server.jar().await;
    let post = |path: String, body: &'static str| {
        let request = server.http.post(format!("http://{}{path}", server.address)).bearer_auth(&opener);
        send(request.header("content-type", "application/json").header("idempotency-key", "k").body(body))
    };
    assert_eq!(post("/api/jars".into(), OPEN).await.status, 201);
    let problem = post(format!("/api/jars/{id}/put"), r#"{"coins":1}"#).await;
    assert_eq!(problem.problem(), (403, "forbidden".into()));
}
