//! Smuggling: requests that two readers would read in two ways are read by none.

use super::server::Server;

const HOST: &str = "host: a\r\n";

/// Sends a request and then a second one, which must not be answered.
async fn refused(server: &Server, request: &str) {
    let second = "GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
    let said = server.raw(format!("{request}{second}")).await;
    assert!(said.starts_with("HTTP/1.1 400"), "{request:?} was answered {said:?}");
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{request:?} was answered {said:?}");
    must_be_problem(&said, "bad-request");
}

/// An answer in raw bytes is a problem of this code, whoever has found it.
pub fn must_be_problem(said: &str, code: &str) {
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/problem+json"), "{said}");
    assert!(head.contains("connection: close") && head.contains("x-request-id: "), "{said}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{said}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (problem["code"].as_str(), problem["type"].as_str()),
        (Some(code), Some(&*format!("/problems/{code}")))
    );
    assert!(head.contains(&problem["status"].to_string()), "{said}");
}

#[tokio::test]
async fn a_length_and_chunks_cannot_both_be_right() {
    let server = Server::start().await;
    for framing in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\ncontent-length: 5",
        "Transfer-Encoding: chunked\r\nCONTENT-LENGTH: 0",
    ] {
        refused(&server, &format!("POST /api/jars HTTP/1.1\r\n{HOST}{framing}\r\n\r\n0\r\n\r\n")).await;
    }
}

#[tokio::test]
async fn framing_that_is_odd_is_refused() {
    let server = Server::start().await;
    for framing in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 5",
        "content-length: +5",
        "content-length: -1",
        "content-length: 0x5",
        "content-length: 99999999999999999999",
        "content-length: 1 1",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity",
        "transfer-encoding : chunked",
        "transfer-encoding: chunked\r\n folded",
        "x: a\r\n\tfolded",
        "x: a\0b",
        "x\0: a",
        "x: a\rb",
        "x y: a",
        ": a",
    ] {
        refused(&server, &format!("POST /api/jars HTTP/1.1\r\n{HOST}{framing}\r\n\r\nabcde")).await;
    }
}

#[tokio::test]
async fn nothing_that_follows_a_chunked_body_is_believed() {
    let server = Server::start().await;
    let chunked = format!("POST /nothing HTTP/1.1\r\n{HOST}transfer-encoding: chunked\r\n\r\n0\r\n\r\n");
    let said = server.raw(format!("{chunked}GET /health HTTP/1.1\r\n{HOST}\r\n")).await;
    assert!(said.starts_with("HTTP/1.1 404") && said.contains("connection: close"), "{said}");
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
}

#[tokio::test]
async fn a_target_has_one_reading() {
    let server = Server::start().await;
    for target in [
        "http://elsewhere/health",
        "//health",
        "/api//jars",
        "/api/../health",
        "/api/%2e%2e/health",
        "/api/jars%2f..%2fx",
        "/health%00",
        "/health%0d%0ax",
        "/%c0%af",
        "/%",
        "/health?x=%c0%af",
        "health",
    ] {
        refused(&server, &format!("GET {target} HTTP/1.1\r\n{HOST}\r\n")).await;
    }
}

#[tokio::test]
async fn what_is_no_http_is_not_answered_as_such() {
    let server = Server::start().await;
    for request in
        ["GET /health\r\n", "GET /health HTTP/9.9\r\n\r\n", "\0\0\0\0", "G\u{e9}T / HTTP/1.1\r\n\r\n"]
    {
        refused(&server, request).await;
    }
}

#[tokio::test]
async fn nobody_is_connected_through() {
    let server = Server::start().await;
    let said = server.raw(format!("CONNECT elsewhere:443 HTTP/1.1\r\n{HOST}\r\n")).await;
    assert!(said.starts_with("HTTP/1.1 405") && said.contains("allow: "), "{said}");
    let said = server.raw(format!("TRACE /health HTTP/1.1\r\n{HOST}connection: close\r\n\r\n")).await;
    assert!(said.starts_with("HTTP/1.1 405") && said.contains("allow: GET"), "{said}");
}
