//! Bodies: what is refused of them, with which words.

use super::server::{Server, send};

async fn open(server: &Server, body: &str) -> super::server::Answer {
    server.post("/api/jars", &uuid::Uuid::new_v4().to_string(), body).await
}

#[tokio::test]
async fn a_malformed_body_is_refused_and_the_place_is_told() {
    let server = Server::start().await;
    for body in [
        "{",
        "{\"label\":\"a\"",
        "\u{feff}{\"label\":\"a\"}",
        "{\"label\":NaN}",
        "{\"label\":\"a\",\"label\":\"b\"}",
        "{\"label\":\"a\"} x",
        "label=a",
    ] {
        assert_eq!(open(&server, body).await.problem(), (400, "malformed-body".into()), "{body}");
    }
    let twice = open(&server, "{\"label\":\"a\",\"label\":\"b\"}").await.json();
    assert_eq!((&twice["pointer"], twice["offset"].as_u64()), (&"/label".into(), Some(19)));
    let bytes = server.posting("/api/jars", "k", "").body(b"{\"label\":\"\xc0\xaf\"}".to_vec());
    assert_eq!(send(bytes).await.problem(), (400, "malformed-body".into()));
    assert_eq!(server.recorded().await, (0, 0));
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let server = Server::start().await;
    let body = r#"{"label":"","copy_of":"ord_1","worth":{"amount":-1,"currency":"dollars"},"more":1}"#;
    let answer = open(&server, body).await;
    assert_eq!(answer.problem(), (422, "validation".into()));
    assert_eq!(
        answer.errors(),
        [
            "/copy_of form",
            "/label length",
            "/more unknown",
            "/worth/amount out-of-range",
            "/worth/currency choice"
        ]
    );
    let many: String = (0..100).map(|n| format!(",\"f{n}\":1")).collect();
    let answer = open(&server, &format!("{{\"label\":\"a\"{many}}}")).await;
    assert_eq!(answer.errors().len(), 50);
    assert_eq!(open(&server, "[]").await.problem(), (422, "validation".into()));
    assert_eq!(open(&server, "").await.errors(), ["/label required"]);
    // What the schema cannot say: only the type knows.
    let answer = open(&server, r#"{"label":"a","tags":[{"to":"b"},{"to":"-"}]}"#).await;
    assert_eq!(answer.problem(), (422, "validation".into()));
    assert_eq!(answer.errors(), ["/tags/1/to form"]);
}

#[tokio::test]
async fn amounts_are_integers_that_exist() {
    let server = Server::start().await;
    for amount in [
        "1e400",
        "-0",
        "1.5",
        "9223372036854775808",
        "10000000000001",
        "-1",
        "123456789012345678901234567890",
    ] {
        let body = format!("{{\"label\":\"a\",\"worth\":{{\"amount\":{amount},\"currency\":\"USD\"}}}}");
        assert_eq!(open(&server, &body).await.problem(), (422, "amount-out-of-range".into()), "{amount}");
    }
    let most = r#"{"label":"a","worth":{"amount":10000000000000,"currency":"USD"}}"#;
    assert_eq!(open(&server, most).await.status, 201);
}

#[tokio::test]
async fn text_hides_nothing() {
    let server = Server::start().await;
    for label in ["\\u0000", "\\u0008", "a\\u001fb", "\u{202e}a", "a\u{2067}"] {
        let answer = open(&server, &format!("{{\"label\":\"{label}\"}}")).await;
        assert_eq!(answer.problem(), (422, "validation".into()), "{label:?}");
        assert_eq!(answer.errors(), ["/label text"]);
    }
    assert_eq!(open(&server, "{\"label\":\"Žluťoučký 🐎\"}").await.status, 201);
}

#[tokio::test]
async fn a_body_has_limits() {
    let server = Server::start().await;
    let deep = format!("{{\"label\":{}{}}}", "[".repeat(32), "]".repeat(32));
    let many = format!("{{\"label\":[{}0]}}", "0,".repeat(10_000));
    let long = format!("{{\"label\":\"{}\"}}", "x".repeat(20_000));
    for body in [&deep, &many, &long] {
        assert_eq!(open(&server, body).await.problem(), (422, "limits-exceeded".into()));
    }
    let large = format!("{{\"label\":\"{}\"}}", "x".repeat(64 * 1024));
    let answer = open(&server, &large).await;
    assert_eq!(answer.problem(), (413, "body-too-large".into()));
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test]
async fn a_body_is_json_and_nothing_else() {
    let server = Server::start().await;
    let with = |name: &str, value: &str| {
        let request = server.request(reqwest::Method::POST, "/api/jars").header("idempotency-key", "k");
        send(request.body("{\"label\":\"a\"}").header(name.to_owned(), value.to_owned()))
    };
    let unsupported = (415, "unsupported-media-type".to_owned());
    assert_eq!(with("x-nothing", "").await.problem(), unsupported);
    for media in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
        assert_eq!(with("content-type", media).await.problem(), unsupported, "{media}");
    }
    let encoded = server.posting("/api/jars", "k", "{\"label\":\"a\"}").header("content-encoding", "gzip");
    assert_eq!(send(encoded).await.problem(), unsupported);
    let html = server.posting("/api/jars", "k", "{\"label\":\"a\"}").header("accept", "text/html");
    assert_eq!(send(html).await.problem(), (406, "not-acceptable".into()));
    assert_eq!(server.recorded().await, (0, 0));
}
