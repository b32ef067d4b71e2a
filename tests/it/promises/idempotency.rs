//! P6: a command happens once, however often it is sent and whenever its process is killed.

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;

use futures::future::join_all;
use serde_json::{Value, json};
use tests::answer::Answer;
use tests::process::{Premises, free_address};

const CARTS: &str = "/api/ecommerce/carts";
/// Kills the process when the database has confirmed its first command, and nobody has been told.
const BEFORE_REPLY: &str = "appender.before_reply=kill@1";

/// Sends a command 64 times at once with one key to a process that is killed before it can answer, and to the one
/// that comes after it.
async fn sixty_four_while_killed(at: &Premises, path: &str, key: &str, [body, other]: [Value; 2]) -> Answer {
    let mut api = at.start("api", BEFORE_REPLY);
    at.listens(at.address).await;
    let sending = join_all((0..64).map(|_| at.command_until_answered(at.address, path, key, &body)));
    let killing = async {
        assert_eq!(api.ended().await.signal(), Some(9), "it was killed before it answered");
        at.start("api", "")
    };
    let (answers, mut api) = tokio::join!(sending, killing);
    assert!(api.is_running());
    let first = the_one(&answers).clone();
    let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count();
    assert_eq!(replayed, 64, "the first answer was lost with its process");

    let other = at.command_until_answered(at.address, path, key, &other).await;
    assert_eq!(other.problem(), (422, "idempotency-key-reused".into()));
    first
}

/// What all were answered, byte for byte.
fn the_one(answers: &[Answer]) -> &Answer {
    let told: HashSet<_> = answers.iter().map(|answer| (answer.status, &answer.body)).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    &answers[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_requests_with_one_key_are_one_request_although_their_process_is_killed() {
    let at = Premises::open().await;
    let before = at.store.head().await.unwrap();
    let mut carts = HashSet::new();
    for round in 1..=3 {
        let bodies = ["USD", "EUR"].map(|currency| json!({"currency": currency}));
        let opened = sixty_four_while_killed(&at, CARTS, &format!("open-{round}"), bodies).await;
        assert_eq!(opened.status, 201, "{opened:?}");
        carts.insert(opened.json()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(carts.len(), 3);
    assert_eq!(at.store.head().await.unwrap(), before + 3, "each happened once");

    // A refusal is an answer as well: what it was told once, it is told for ever.
    let path = format!("{CARTS}/{}/checkout", carts.iter().next().unwrap());
    let bodies = ["here", "there"].map(|at| json!({"placing": {"payment_method": "card"}, "location": at}));
    let refused = sixty_four_while_killed(&at, &path, "refused", bodies).await;
    assert_eq!(refused.problem(), (409, "cart/empty".into()));
    assert_eq!(at.store.head().await.unwrap(), before + 3, "nothing happened");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_request_at_two_processes_of_which_one_is_killed() {
    let at = Premises::open().await;
    let elsewhere = free_address();
    let mut steady = at.command(&["api"]);
    let steady = tests::process::Process::start(steady.env("MEWAYZ_LISTEN", elsewhere.to_string()));
    at.listens(elsewhere).await;
    let before = at.store.head().await.unwrap();
    for round in 1..=3 {
        let mut api = at.start("api", BEFORE_REPLY);
        at.listens(at.address).await;
        let (key, body) = (format!("key-{round}"), json!({"currency": "USD"}));
        let sending = join_all((0..64).map(|n| {
            let address = if n % 2 == 0 { at.address } else { elsewhere };
            at.command_until_answered(address, CARTS, &key, &body)
        }));
        // The other may be first with all of them: then this one appends nothing, and has to be told to.
        let killing = async {
            at.command_until_answered(at.address, CARTS, &format!("own-{round}"), &body).await;
        };
        let restarting = async {
            assert_eq!(api.ended().await.signal(), Some(9));
            at.start("api", "")
        };
        let (answers, (), _api) = tokio::join!(sending, killing, restarting);
        assert_eq!(the_one(&answers).status, 201);
    }
    drop(steady);
    assert_eq!(at.store.head().await.unwrap(), before + 6, "each happened once");
}
