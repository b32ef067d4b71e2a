//! The gateway as the platform meets it: over HTTP, with its misfortunes, its webhooks and its kills.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use chrono::DateTime;
use commands::clock::SystemClock;
use commands::port::payment::signature::{self, SIGNATURE_HEADER, TOLERANCE};
use commands::port::payment::{
    Authorisation, Authorise, Capture, ChargeStatus, GatewayError, Notice, NoticeKind, PaymentGateway,
    Refund, Void, Which,
};
use domain::ids::{AttemptId, CaptureId, OrderId, PaymentId, RefundId, WorkspaceId};
use domain::money::{Currency, Money};
use futures::StreamExt;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::wire::{BookView, Failure};
use super::*;
use crate::adapter::gateway::GatewayClient;

const SECRET: &str = "whsec_test";
const PATIENCE: Duration = Duration::from_secs(30);

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn authorise(number: u128, method: &str) -> Authorise {
    Authorise {
        workspace: WorkspaceId::from_uuid(Uuid::from_u128(1)),
        order: OrderId::from_uuid(Uuid::from_u128(number)),
        payment: PaymentId::from_uuid(Uuid::from_u128(number)),
        attempt: AttemptId::from_uuid(Uuid::from_u128(number)),
        amount: usd(1000),
        method: method.into(),
        asked_at: DateTime::UNIX_EPOCH,
    }
}

fn capture(charge: &str, number: u128, amount: i64) -> Capture {
    let capture = CaptureId::from_uuid(Uuid::from_u128(number));
    Capture { charge: charge.into(), capture, amount: usd(amount) }
}

fn refund(charge: &str, number: u128, amount: i64) -> Refund {
    let refund = RefundId::from_uuid(Uuid::from_u128(number));
    Refund { charge: charge.into(), refund, attempt: 1, amount: usd(amount) }
}

fn charge_of(answer: Authorisation) -> String {
    match answer {
        Authorisation::Authorised { psp_ref, .. } => psp_ref,
        Authorisation::Awaiting { next, .. } => panic!("it waits: {next:?}"),
        Authorisation::Declined(decline) => panic!("declined: {decline:?}"),
    }
}

fn config(book: &Path, faults: &str, webhook: Option<&str>) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        book: book.to_owned(),
        seed: 1,
        faults: faults.parse().unwrap(),
        slow: Duration::from_secs(20),
        webhook: webhook.map(|url| Webhook { url: url.parse().unwrap(), secret: SECRET.into() }),
        clock: Arc::new(SystemClock),
    }
}

/// A gateway of this test's own.
struct Running {
    address: String,
    client: GatewayClient,
    stop: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    async fn start(config: Config) -> Self {
        let server = Server::bind(config).await.unwrap();
        let address = format!("http://{}", server.local_addr().unwrap());
        let client = GatewayClient::new(&address, PATIENCE).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.run(stop.clone()));
        Self { address, client, stop, task }
    }

    async fn with(faults: &str) -> (Self, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Self::start(config(&folder.path().join("book"), faults, None)).await, folder)
    }

    async fn book(&self) -> BookView {
        let url = format!("{}/v1/book", self.address);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn stop(self) {
        drop(self.client);
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn holds_takes_lets_go_and_gives_back() {
    let (gateway, _folder) = Running::with("none").await;
    let client = &gateway.client;
    let first = charge_of(client.authorise(&authorise(1, "ok")).await.unwrap());
    let taken = client.capture(&capture(&first, 1, 600)).await.unwrap();
    assert_eq!((taken.amount, taken.fee), (usd(600), usd(47)));
    assert_eq!(client.refund(&refund(&first, 1, 250)).await.unwrap().amount, usd(250));
    let second = charge_of(client.authorise(&authorise(2, "ok")).await.unwrap());
    client.void(&Void { charge: second.clone() }).await.unwrap();

    let found = client.find(&Which::OfAttempt(authorise(1, "ok").attempt)).await.unwrap().unwrap();
    assert_eq!(found.id, first);
    assert_eq!(found.captured(taken.capture), Some(&taken));
    assert_eq!(client.find(&Which::OfReference(second.clone())).await.unwrap().unwrap().id, second);
    assert_eq!(client.find(&Which::OfAttempt(authorise(3, "ok").attempt)).await, Ok(None));
    assert_eq!(client.find(&Which::OfReference("ch_x/../y".into())).await, Ok(None));

    let book = gateway.book().await;
    let line = |id: &str| book.charges.iter().find(|line| line.charge.id == id).unwrap();
    let sums = |id: &str| {
        let line = line(id);
        (line.authorised, line.captured, line.refunded, line.voided)
    };
    assert_eq!((sums(&first), sums(&second)), ((1000, 600, 250, 0), (1000, 0, 0, 1000)));
    assert_eq!(line(&second).charge.status, ChargeStatus::Voided);
    gateway.stop().await;
}

#[tokio::test]
async fn says_no_in_words_that_are_certain() {
    let (gateway, _folder) = Running::with("none").await;
    let client = &gateway.client;
    let rejected = |code: &str| GatewayError::Rejected(code.into());
    let charge = charge_of(client.authorise(&authorise(1, "ok")).await.unwrap());
    let too_much = client.capture(&capture(&charge, 1, 1001)).await;
    assert_eq!(too_much, Err(rejected("exceeds_authorised")));
    assert_eq!(client.refund(&refund(&charge, 1, 1)).await, Err(rejected("exceeds_captured")));
    assert_eq!(client.capture(&capture("ch_x", 2, 1)).await, Err(rejected("no_such_charge")));
    assert_eq!(client.capture(&capture(&charge, 3, 0)).await, Err(rejected("invalid_amount")));
    client.capture(&capture(&charge, 4, 1000)).await.unwrap();
    let void = client.void(&Void { charge: charge.clone() }).await;
    assert_eq!(void, Err(rejected("already_captured")));
    let hard = client.authorise(&authorise(2, "decline_hard")).await.unwrap();
    assert!(matches!(hard, Authorisation::Declined(decline) if decline.code == "stolen_card"));
    let fails = charge_of(client.authorise(&authorise(3, "capture_fails")).await.unwrap());
    assert_eq!(client.capture(&capture(&fails, 5, 1)).await, Err(rejected("capture_declined")));
    gateway.stop().await;
}

#[tokio::test]
async fn acts_once_on_a_key_and_refuses_it_for_anything_else() {
    let (gateway, _folder) = Running::with("none").await;
    let charge = charge_of(gateway.client.authorise(&authorise(1, "ok")).await.unwrap());
    let asks = (0..64).map(|_| {
        let (client, ask) = (gateway.client.clone(), capture(&charge, 1, 400));
        async move { client.capture(&ask).await.unwrap() }
    });
    let answers = futures::future::join_all(asks).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(gateway.book().await.charges[0].captured, 400);

    let reused = gateway.client.capture(&capture(&charge, 1, 401)).await;
    assert_eq!(reused, Err(GatewayError::Rejected("idempotency_key_reused".into())));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let keyless = http.post(format!("{}/v1/charges", gateway.address)).body("{}").send().await.unwrap();
    assert_eq!(keyless.status(), StatusCode::BAD_REQUEST);
    assert_eq!(keyless.json::<Failure>().await.unwrap().code, "idempotency_key_required");
    gateway.stop().await;
}

#[tokio::test]
async fn loses_a_request_before_it_acts() {
    let (gateway, _folder) = Running::with("lose=100").await;
    let answer = gateway.client.authorise(&authorise(1, "ok")).await;
    assert!(matches!(answer, Err(GatewayError::Unknown(_))), "{answer:?}");
    assert!(gateway.book().await.charges.is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn loses_a_reply_or_errs_after_it_acted() {
    for faults in ["lose_reply=100", "error=100"] {
        let (gateway, _folder) = Running::with(faults).await;
        let answer = gateway.client.authorise(&authorise(1, "ok")).await;
        assert!(matches!(answer, Err(GatewayError::Unknown(_))), "{answer:?}");
        assert_eq!(gateway.book().await.charges.len(), 1);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn is_unknown_when_it_takes_too_long_and_unavailable_when_it_is_not_there() {
    let (gateway, _folder) = Running::with("none").await;
    let hasty = GatewayClient::new(&gateway.address, Duration::from_millis(300)).unwrap();
    let answer = hasty.authorise(&authorise(1, "needs_time")).await;
    assert!(matches!(answer, Err(GatewayError::Unknown(_))), "{answer:?}");
    let found = gateway.client.find(&Which::OfAttempt(authorise(1, "").attempt)).await.unwrap();
    assert_eq!(found.unwrap().status, ChargeStatus::Authorised);
    gateway.stop().await;
    let answer = hasty.authorise(&authorise(2, "ok")).await;
    assert!(matches!(answer, Err(GatewayError::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn goes_wrong_in_the_same_way_for_the_same_seed() {
    let mut stories = Vec::new();
    for seed in [5, 5, 6] {
        let folder = tempfile::tempdir().unwrap();
        let faults = "lose=20,lose_reply=20,error=20";
        let config = Config { seed, ..config(&folder.path().join("book"), faults, None) };
        let gateway = Running::start(config).await;
        let mut story = Vec::new();
        for number in 0..40 {
            let answer = gateway.client.authorise(&authorise(number, "ok")).await;
            story.push(answer.map_err(|error| matches!(error, GatewayError::Unknown(_))).is_ok());
        }
        let acted = gateway.book().await.charges.len();
        stories.push((story, acted));
        gateway.stop().await;
    }
    assert_eq!(stories[0], stories[1]);
    assert_ne!(stories[0], stories[2]);
    let (story, acted) = &stories[0];
    let answered = story.iter().filter(|answered| **answered).count();
    assert!(0 < answered && answered < *acted && *acted < 40, "{answered} answered, {acted} acted");
}

/// Someone who takes webhooks, after refusing the first few.
struct Receiver {
    url: String,
    refuse: Arc<AtomicUsize>,
    taken: mpsc::UnboundedReceiver<Notice>,
}

impl Receiver {
    async fn start() -> Self {
        let (tell, taken) = mpsc::unbounded_channel();
        let refuse = Arc::new(AtomicUsize::new(0));
        let routes = Router::new().route("/hook", post(take)).with_state((refuse.clone(), tell));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, refuse, taken }
    }

    async fn next(&mut self) -> Notice {
        tokio::time::timeout(PATIENCE, self.taken.recv()).await.expect("a webhook comes").unwrap()
    }
}

type Taking = State<(Arc<AtomicUsize>, mpsc::UnboundedSender<Notice>)>;

async fn take(State((refuse, tell)): Taking, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signed = headers[SIGNATURE_HEADER].to_str().unwrap();
    let verified = signature::verify(SECRET.as_bytes(), signed, &body, SystemClock.now(), TOLERANCE);
    if verified.is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    if refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    tell.send(serde_json::from_slice(&body).unwrap()).unwrap();
    StatusCode::OK
}

#[tokio::test]
async fn tells_by_signed_webhook_until_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start().await;
    receiver.refuse.store(2, Ordering::SeqCst);
    let config = config(&folder.path().join("book"), "none", Some(&receiver.url));
    let gateway = Running::start(config).await;
    let charge = charge_of(gateway.client.authorise(&authorise(1, "ok")).await.unwrap());
    let told = receiver.next().await;
    assert_eq!((told.kind, &told.charge.id), (NoticeKind::Authorised, &charge));
    assert_eq!(told.charge.metadata.payment, authorise(1, "ok").payment);
    gateway.client.capture(&capture(&charge, 1, 1000)).await.unwrap();
    let told = receiver.next().await;
    assert_eq!((told.kind, told.charge.captures.len()), (NoticeKind::Captured, 1));
    // Asked again, it has nothing new to tell.
    gateway.client.capture(&capture(&charge, 1, 1000)).await.unwrap();
    gateway.client.refund(&refund(&charge, 1, 1)).await.unwrap();
    assert_eq!(receiver.next().await.kind, NoticeKind::Refunded);
    gateway.stop().await;
}

#[tokio::test]
async fn tells_twice_before_the_answer_or_never() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start().await;
    let twice = config(&folder.path().join("twice"), "double=100,early=100", Some(&receiver.url));
    let gateway = Running::start(twice).await;
    gateway.client.authorise(&authorise(1, "ok")).await.unwrap();
    let first = receiver.taken.try_recv().expect("it came before the answer");
    assert_eq!(receiver.next().await, first);
    gateway.stop().await;

    let never = config(&folder.path().join("never"), "never=100", Some(&receiver.url));
    let gateway = Running::start(never).await;
    gateway.client.authorise(&authorise(2, "ok")).await.unwrap();
    gateway.stop().await;
    assert!(receiver.taken.try_recv().is_err());
}

#[tokio::test]
async fn lets_a_later_webhook_overtake() {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start().await;
    let path = folder.path().join("book");
    // Held back for as long as it takes to overtake it: a minute is longer than this test's patience.
    let gateway = Running::start(config(&path, "reorder=100,late_ms=60000", Some(&receiver.url))).await;
    let charge = charge_of(gateway.client.authorise(&authorise(1, "ok")).await.unwrap());
    gateway.stop().await;
    let gateway = Running::start(config(&path, "none", Some(&receiver.url))).await;
    gateway.client.capture(&capture(&charge, 1, 1000)).await.unwrap();
    assert_eq!(receiver.next().await.kind, NoticeKind::Captured);
    assert_eq!(receiver.next().await.kind, NoticeKind::Authorised);
    gateway.stop().await;
}

const BOOK_OF_CHILD: &str = "GATEWAY_BOOK_OF_CHILD";

/// No test by itself: the process that [`keeps_every_answer_it_gave_when_it_is_killed`] starts and kills.
#[tokio::test]
#[ignore = "started, as a process of its own, by keeps_every_answer_it_gave_when_it_is_killed"]
async fn runs_as_a_process_of_its_own() {
    let Ok(book) = std::env::var(BOOK_OF_CHILD) else { return };
    let server = Server::bind(config(book.as_ref(), "none", Some("http://127.0.0.1:1/hook"))).await.unwrap();
    println!("\nlistening http://{}", server.local_addr().unwrap());
    server.run(CancellationToken::new()).await.unwrap();
}

fn gateway_process(book: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "gateway::tests::runs_as_a_process_of_its_own", "--ignored", "--nocapture"])
        .env(BOOK_OF_CHILD, book)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.filter_map(|line| line.strip_prefix("listening ").map(str::to_owned)).next();
    (child, address.expect("it says where it listens"))
}

#[tokio::test]
async fn keeps_every_answer_it_gave_when_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book");
    let mut answered = HashMap::new();
    for round in 0..3u128 {
        let (mut child, address) = gateway_process(&path);
        let client = GatewayClient::new(&address, PATIENCE).unwrap();
        let asks = futures::stream::iter(0..400u128).map(|number| {
            let ask = authorise(round * 1_000 + number, "ok");
            let client = client.clone();
            async move { client.authorise(&ask).await.map(|answer| (ask.attempt, charge_of(answer))) }
        });
        let mut answers = asks.buffer_unordered(16);
        let mut count = 0;
        while let Some(answer) = answers.next().await {
            answered.extend(answer);
            count += 1;
            if count == 100 {
                // SIGKILL, with 16 requests under way.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
    }

    assert!((300..1_200).contains(&answered.len()), "{} answered", answered.len());
    let mut receiver = Receiver::start().await;
    let gateway = Running::start(config(&path, "none", Some(&receiver.url))).await;
    let book = gateway.book().await;
    let kept: HashMap<AttemptId, String> =
        book.charges.iter().map(|line| (line.charge.metadata.attempt, line.charge.id.clone())).collect();
    for (attempt, charge) in &answered {
        assert_eq!(kept.get(attempt), Some(charge));
    }
    // What nobody was told before the kill is told now, once for each charge.
    let mut told = HashSet::new();
    while told.len() < kept.len() {
        assert!(told.insert(receiver.next().await.charge.id));
    }
    gateway.stop().await;
}
