//! Connections: how long and how many, and how they end.

use std::time::{Duration, Instant};

use api::limits::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::{PATIENCE, Server, send, until_closed};
use super::smuggling::must_be_problem;

const SHORT: Duration = Duration::from_millis(300);
const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
const CLOSING: &str = "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const HALF: &str = "GET /health HTTP/1.1\r\nhost: a\r\nx-slow: ";

/// Sends a part of a request, and says what came back and how long the connection was held open.
async fn held(server: &Server, part: &str) -> (String, Duration) {
    let (began, mut stream) = (Instant::now(), server.connect().await);
    stream.write_all(part.as_bytes()).await.unwrap();
    (until_closed(&mut stream).await, began.elapsed())
}

/// Whether a connection on which nothing is said is still open after some time.
async fn goes_on(stream: &mut TcpStream, time: Duration) -> bool {
    tokio::time::timeout(time, stream.read(&mut [0])).await.is_err()
}

/// One answer of a connection that stays open.
async fn answer(stream: &mut TcpStream) -> String {
    let (mut said, mut buffer) = (String::new(), [0; 4096]);
    while !said.ends_with('}') {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "closed after {said:?}");
        said.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    said
}

#[tokio::test]
async fn who_says_nothing_or_never_ends_is_hung_up_on() {
    let limits = Limits { idle_time: SHORT, head_time: SHORT, ..Limits::default() };
    let server = Server::with(limits).await;
    for part in ["", "PRI * HT", HALF, HEALTH, &format!("{HEALTH}\r\n{HALF}")] {
        let (said, time) = held(&server, part).await;
        assert!(time >= SHORT && time < SHORT * 10, "{part:?} was held for {time:?}");
        assert_eq!(said.starts_with("HTTP/1.1 200"), part.contains(HEALTH), "{part:?}: {said}");
    }
}

#[tokio::test]
async fn a_connection_is_kept_while_there_is_room_and_a_head_has_no_longer_for_it() {
    let server = Server::with(Limits { first_byte: SHORT, head_time: SHORT, ..Limits::default() }).await;
    let mut kept = server.connect().await;
    for _ in 0..2 {
        assert!(
            goes_on(&mut kept, SHORT * 3).await,
            "nothing is asked for three times as long as a head may take"
        );
        kept.write_all(HEALTH.as_bytes()).await.unwrap();
        assert!(answer(&mut kept).await.starts_with("HTTP/1.1 200"));
    }
    kept.write_all(HALF.as_bytes()).await.unwrap();
    assert!(!goes_on(&mut kept, SHORT * 10).await);
}

#[tokio::test]
async fn where_half_of_the_places_are_taken_no_connection_is_kept() {
    let limits = Limits { connections_per_peer: 4, first_byte: SHORT, head_time: SHORT, ..Limits::default() };
    let server = Server::with(limits).await;
    let mut kept = [server.connect().await, server.connect().await];
    for stream in &mut kept {
        stream.write_all(HEALTH.as_bytes()).await.unwrap();
        assert!(!answer(stream).await.contains("connection: close"));
    }
    // It is told so, and a client does not ask again where it was.
    let (said, _) = held(&server, HEALTH).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("connection: close"), "{said}");
    for part in ["", "\r\n", HALF] {
        let (_, time) = held(&server, part).await;
        assert!(time >= SHORT && time < SHORT * 10, "{part:?} was held for {time:?}");
    }
    for stream in &mut kept {
        assert!(goes_on(stream, SHORT).await);
    }
}

#[tokio::test]
async fn a_head_that_drips_has_no_longer_than_one_that_stalls() {
    let server = Server::with(Limits { head_time: SHORT, ..Limits::default() }).await;
    let (began, mut stream) = (Instant::now(), server.connect().await);
    stream.write_all(b"GET /health HTTP/1.1\r\n").await.unwrap();
    let mut byte = [0];
    loop {
        // Each byte would begin the time anew if it were the pauses that are measured.
        _ = stream.write_all(b"x").await;
        match tokio::time::timeout(SHORT / 10, stream.read(&mut byte)).await {
            Err(_) => assert!(began.elapsed() < SHORT * 10),
            Ok(ended) => break assert!(!matches!(ended, Ok(1..)) || byte == *b"H"),
        }
    }
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let server = Server::with(Limits { body_time: SHORT, ..Limits::default() }).await;
    let head = format!(
        "POST /api/jars HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nidempotency-key: k\r\n\
         content-type: application/json\r\ncontent-length: 10\r\n\r\n{{",
        server.key
    );
    let (said, time) = held(&server, &head).await;
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("request-timeout"), "{said}");
    assert!(time >= SHORT && time < SHORT * 10, "{time:?}");
}

#[tokio::test]
async fn who_asks_and_does_not_take_the_answers_is_hung_up_on() {
    let limits = Limits { connections: 1, write_time: SHORT, ..Limits::default() };
    let server = Server::with(limits).await;
    let mut greedy = server.connect().await;
    // More than the buffers of both ends hold.
    let ask = "GET /api/docs/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n";
    greedy.write_all(ask.repeat(200).as_bytes()).await.unwrap();
    let began = Instant::now();
    while !server.raw(CLOSING).await.contains("200 OK") {
        assert!(began.elapsed() < PATIENCE, "its place is never free");
    }
}

#[tokio::test]
async fn too_large_a_body_is_refused_before_it_is_read() {
    let server = Server::start().await;
    let head = |framing: &str| {
        format!(
            "POST /api/jars HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nidempotency-key: k\r\n\
             content-type: application/json\r\n{framing}\r\n\r\n",
            server.key
        )
    };
    // Nothing of the announced body is ever sent.
    let announced = server.raw(head("content-length: 1000000")).await;
    assert!(announced.starts_with("HTTP/1.1 413") && announced.contains("body-too-large"), "{announced}");
    let chunk = format!("{:x}\r\n{}\r\n", 40_000, " ".repeat(40_000));
    let chunked = server.raw(head("transfer-encoding: chunked") + &chunk + &chunk).await;
    assert!(chunked.starts_with("HTTP/1.1 413") && chunked.contains("body-too-large"), "{chunked}");
}

#[tokio::test]
async fn a_head_has_a_size_and_a_number_of_fields() {
    let server = Server::start().await;
    let with = |fields: String| {
        server.raw(format!("GET /health HTTP/1.1\r\nhost: a\r\n{fields}connection: close\r\n\r\n"))
    };
    assert!(with(format!("a: {}\r\n", "x".repeat(16_000))).await.starts_with("HTTP/1.1 200"));
    assert!(with("a: b\r\n".repeat(62)).await.starts_with("HTTP/1.1 200"));
    for fields in [
        format!("a: {}\r\n", "x".repeat(16_400)),
        format!("a: {}\r\n", "x".repeat(100_000)),
        "a: b\r\n".repeat(63),
        format!("a: {}\r\n", "x".repeat(300)).repeat(60),
    ] {
        let said = with(fields).await;
        assert!(said.starts_with("HTTP/1.1 431"), "{said}");
        must_be_problem(&said, "headers-too-large");
    }
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_a_problem_after_others_too() {
    let server = Server::start().await;
    let said = server.raw(format!("{HEALTH}{HEALTH}GET /health HTTP/1.1\r\n: odd\r\n\r\n")).await;
    assert_eq!(said.matches("HTTP/1.1 200").count(), 2, "{said}");
    must_be_problem(&said[said.find("HTTP/1.1 400").unwrap()..], "bad-request");
}

#[tokio::test]
async fn an_address_has_its_share_of_connections() {
    let server = Server::with(Limits { connections_per_peer: 3, ..Limits::default() }).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    let silent = server.connect().await;
    for stream in [&mut first, &mut second] {
        stream.write_all(HEALTH.as_bytes()).await.unwrap();
        assert!(answer(stream).await.starts_with("HTTP/1.1 200"));
    }
    let fourth = server.raw(HEALTH).await;
    assert!(fourth.starts_with("HTTP/1.1 503") && fourth.contains("retry-after: 1"), "{fourth}");
    must_be_problem(&fourth, "too-many-connections");
    drop(silent);
    second.write_all(HEALTH.as_bytes()).await.unwrap();
    assert!(answer(&mut second).await.starts_with("HTTP/1.1 200"));
    // The place is free once the server has seen that one is gone.
    let began = Instant::now();
    while !server.raw(CLOSING).await.contains("200 OK") {
        assert!(began.elapsed() < PATIENCE);
    }
}

#[tokio::test]
async fn who_is_turned_away_hears_so_also_after_asking() {
    let server = Server::with(Limits { connections_per_peer: 1, ..Limits::default() }).await;
    let mut held = server.connect().await;
    held.write_all(HEALTH.as_bytes()).await.unwrap();
    answer(&mut held).await;
    for _ in 0..50 {
        let ask = server.request(reqwest::Method::POST, "/api/jars").body(" ".repeat(20_000));
        let turned_away = send(ask).await;
        assert_eq!(turned_away.problem(), (503, "too-many-connections".into()));
        assert_eq!(turned_away.header("retry-after"), "1");
    }
}

#[tokio::test]
async fn idle_connections_do_not_keep_the_others_out() {
    let limits = Limits { connections: 8, first_byte: SHORT, ..Limits::default() };
    let server = Server::with(limits).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(server.connect().await);
    }
    let began = Instant::now();
    while !server.raw(CLOSING).await.contains("200 OK") {
        assert!(began.elapsed() < SHORT * 20);
    }
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_their_order() {
    let server = Server::start().await;
    let request =
        |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\nx-request-id: {more}\r\n\r\n");
    let said = server
        .raw(
            request("/health", "one")
                + &request("/nothing", "two")
                + "GET /health HTTP/1.1\r\nhost: a\r\nx-request-id: three\r\nconnection: close\r\n\r\n",
        )
        .await;
    let place = |id: &str| said.find(&format!("x-request-id: {id}")).unwrap();
    assert!(place("one") < place("two") && place("two") < place("three"), "{said}");
    assert_eq!(said.matches("HTTP/1.1 ").count(), 3);
}

#[tokio::test]
async fn http2_is_spoken_to_who_begins_with_it() {
    let server = Server::start().await;
    let http2 = reqwest::Client::builder().http2_prior_knowledge().timeout(PATIENCE).build().unwrap();
    let health = format!("http://{}/health", server.address);
    let response = http2.get(&health).send().await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (axum::http::Version::HTTP_2, 200));
    let large = send(http2.get(&health).header("a", "x".repeat(20_000))).await;
    assert_eq!(large.problem(), (431, "headers-too-large".into()));
    let larger = http2.get(&health).header("a", "x".repeat(100_000)).send().await;
    assert!(larger.is_err() || larger.is_ok_and(|response| response.status() == 431));
}

#[tokio::test]
async fn where_half_of_the_places_are_taken_http2_is_answered_and_not_kept_either() {
    let server = Server::with(Limits { connections_per_peer: 2, ..Limits::default() }).await;
    let mut kept = server.connect().await;
    kept.write_all(HEALTH.as_bytes()).await.unwrap();
    answer(&mut kept).await;
    let http2 = reqwest::Client::builder().http2_prior_knowledge().timeout(PATIENCE).build().unwrap();
    for _ in 0..3 {
        let response = http2.get(format!("http://{}/health", server.address)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        // Its place is free again, although the client would keep it.
        let began = Instant::now();
        while !server.raw(CLOSING).await.contains("200 OK") {
            assert!(began.elapsed() < PATIENCE);
        }
    }
}

#[tokio::test]
async fn a_stop_lets_what_is_under_way_end_and_takes_no_more() {
    let limits = Limits { request_time: Duration::from_secs(1), ..Limits::default() };
    let server = Server::with(limits).await;
    let path = format!("/api/jars/{}/stick", server.jar().await);
    let under_way = tokio::spawn(send(server.posting(&path, "", "{}")));
    let idle = server.connect().await;
    // Under way once the server has begun to read it, which nobody outside can see but by its effect: it is
    // answered in its own time though the server was stopped before that.
    tokio::time::sleep(Duration::from_millis(300)).await; // For that beginning; too short, and the test fails.
    server.stop.cancel();
    assert_eq!(under_way.await.unwrap().problem(), (503, "timeout".into()));
    tokio::time::timeout(PATIENCE, server.serving).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let limits = Limits { drain_time: SHORT, ..Limits::default() };
    let server = Server::with(limits).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"POST /api/jars HTTP/1.1\r\nhost: a\r\n").await.unwrap();
    server.stop.cancel();
    tokio::time::timeout(PATIENCE, server.serving).await.unwrap().unwrap().unwrap();
}
