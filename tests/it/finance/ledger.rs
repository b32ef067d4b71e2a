//! The ledger over HTTP: accounts, transactions, reservations, and what is read from them.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tests::answer::Answer;
use tests::app::TestApp;

const ACCOUNTS: &str = "/api/financial/ledger/accounts";
const TRANSACTIONS: &str = "/api/financial/ledger/transactions";
const RESERVATIONS: &str = "/api/financial/ledger/reservations";
const TRIAL: &str = "/api/financial/ledger/trial-balance";

const CLEARING: &str = "psp:x:clearing@USD";
const ANN: &str = "cust:ann:wallet@USD";
const BOB: &str = "cust:bob:wallet@USD";
const SALES: &str = "rev:sales@USD";

/// A gateway's clearing, two wallets and sales.
async fn open(app: &TestApp) {
    for (id, class, no_overdraft, shared) in [
        (CLEARING, "asset", false, true),
        (ANN, "liability", true, false),
        (BOB, "liability", true, false),
        (SALES, "income", false, true),
    ] {
        let account = json!({"id": id, "class": class, "no_overdraft": no_overdraft, "shared": shared});
        assert_eq!(app.owner.create(ACCOUNTS, account).await, id);
    }
}

fn leg(debit: &str, credit: &str, amount: i64) -> Value {
    let currency = debit.split_once('@').unwrap().1;
    json!({"debit": debit, "credit": credit, "amount": {"amount": amount, "currency": currency}})
}

async fn post(app: &TestApp, legs: &[Value]) -> Answer {
    app.owner.post(TRANSACTIONS, json!({"legs": legs})).await
}

async fn top_up(app: &TestApp, wallet: &str, amount: i64) -> String {
    post(app, &[leg(CLEARING, wallet, amount)]).await.id()
}

async fn reserve(app: &TestApp, leg: Value) -> Answer {
    app.owner.post(RESERVATIONS, json!({"leg": leg, "seconds": 900})).await
}

/// Balance, pending debits and pending credits of an account.
async fn amounts(app: &TestApp, account: &str) -> [i64; 3] {
    let shown = app.owner.show(&format!("{ACCOUNTS}/{account}")).await;
    ["balance", "pending_debits", "pending_credits"].map(|of| shown[of]["amount"].as_i64().unwrap())
}

async fn statement(app: &TestApp, account: &str, query: &str) -> Value {
    app.owner.show(&format!("{ACCOUNTS}/{account}/entries?{query}")).await
}

fn balances(statement: &Value) -> Vec<i64> {
    let entries = statement["items"].as_array().unwrap();
    entries.iter().map(|entry| entry["balance"]["amount"].as_i64().unwrap()).collect()
}

/// The sums of debits and credits by currency, which have to be the same.
async fn sums(app: &TestApp) -> BTreeMap<String, i64> {
    let trial = app.owner.show(TRIAL).await;
    let sum = |sum: &Value| {
        assert_eq!(sum["debits"], sum["credits"], "{trial}");
        (sum["debits"]["currency"].as_str().unwrap().to_owned(), sum["debits"]["amount"].as_i64().unwrap())
    };
    trial["sums"].as_array().unwrap().iter().map(sum).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_posted_is_in_both_accounts_and_in_their_statements() {
    let app = TestApp::start().await;
    open(&app).await;
    top_up(&app, ANN, 1_000).await;
    let at = top_up_position(&app, BOB, 50).await;
    let bought = post(&app, &[leg(ANN, SALES, 300), leg(ANN, BOB, 20)]).await;
    let fee = post(&app, &[leg(BOB, SALES, 7)]).await;
    assert_eq!((bought.status, fee.status), (201, 201), "{bought:?} {fee:?}");

    assert_eq!(amounts(&app, ANN).await, [680, 0, 0]);
    assert_eq!(amounts(&app, BOB).await, [63, 0, 0]);
    assert_eq!(amounts(&app, CLEARING).await, [1_050, 0, 0]);
    assert_eq!(amounts(&app, SALES).await, [307, 0, 0]);
    assert_eq!(sums(&app).await, BTreeMap::from([("USD".into(), 1_377)]));

    let whole = statement(&app, BOB, "").await;
    assert_eq!(balances(&whole), [50, 70, 63]);
    assert_eq!(whole["items"][1]["contra_id"], ANN);
    let first = statement(&app, BOB, "limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = statement(&app, BOB, &format!("limit=2&cursor={cursor}")).await;
    assert_eq!((balances(&first), balances(&second)), (vec![50, 70], vec![63]));
    assert!(second.get("next_cursor").is_none());

    let balance = async |query: &str| {
        app.owner.show(&format!("{ACCOUNTS}/{BOB}/balance?{query}")).await["balance"]["amount"].clone()
    };
    assert_eq!(balance("").await, 63);
    assert_eq!(balance(&format!("position={at}")).await, 50);
    assert_eq!(balance("day=2025-12-31").await, 0);
    assert_eq!(balance("day=2026-01-01").await, 63);
    assert_eq!(statement(&app, BOB, "to=2026-01-01").await["items"], json!([]));
    assert_eq!(balances(&statement(&app, BOB, "from=2026-01-01&to=2026-01-02").await), [50, 70, 63]);
}

/// The position of a top-up.
async fn top_up_position(app: &TestApp, wallet: &str, amount: i64) -> String {
    post(app, &[leg(CLEARING, wallet, amount)]).await.json()["position"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_go_on_from_the_day_before() {
    let app = TestApp::start().await;
    open(&app).await;
    for (days, amount) in [(0, 100), (0, 20), (1, 3), (1, 4)] {
        app.clock.advance(TimeDelta::days(days));
        top_up(&app, ANN, amount).await;
    }
    assert_eq!(balances(&statement(&app, ANN, "from=2026-01-02").await), [123, 127]);
    assert_eq!(balances(&statement(&app, ANN, "from=2026-01-02&to=2026-01-03").await), [123]);
    let second = app.owner.show(&format!("{ACCOUNTS}/{ANN}/balance?day=2026-01-02")).await;
    assert_eq!(second["balance"]["amount"], 123);
    let trial = app.owner.show(&format!("{TRIAL}?day=2026-01-01&limit=1")).await;
    assert_eq!(trial["sums"][0]["debits"]["amount"], 120);
    assert_eq!(
        (&trial["items"][0]["account_id"], &trial["items"][0]["credits"]["amount"]),
        (&json!(ANN), &json!(120))
    );
    let cursor = trial["next_cursor"].as_str().unwrap();
    let next = app.owner.show(&format!("{TRIAL}?day=2026-01-01&limit=1&cursor={cursor}")).await;
    assert_eq!(next["items"][0]["account_id"], CLEARING);
    assert!(next.get("next_cursor").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let app = TestApp::start().await;
    open(&app).await;
    app.owner.create(ACCOUNTS, json!({"id": "psp:x:clearing@EUR", "class": "asset", "shared": true})).await;
    let before = app.store.head().await.unwrap();
    let mut mixed = leg(CLEARING, ANN, 5);
    mixed["amount"]["currency"] = json!("EUR");
    for (legs, told) in [
        (vec![leg(CLEARING, ANN, 1), leg("nobody@USD", ANN, 5)], (422, "ledger_transaction/unknown_account")),
        (vec![leg(CLEARING, "psp:x:clearing@EUR", 5)], (422, "ledger_transaction/currency_mismatch")),
        (vec![mixed], (422, "ledger_transaction/currency_mismatch")),
        (vec![leg(CLEARING, CLEARING, 5)], (422, "ledger_transaction/same_account")),
        (vec![leg(CLEARING, ANN, 0)], (422, "ledger_transaction/invalid_amount")),
        (vec![leg(CLEARING, ANN, -1)], (422, "amount-out-of-range")),
        (vec![leg(CLEARING, ANN, 10_000_000_000_001)], (422, "amount-out-of-range")),
        (vec![leg(CLEARING, BOB, 5), leg(ANN, BOB, 1)], (409, "ledger_account/insufficient_funds")),
        (vec![], (422, "validation")),
        (vec![leg("Nobody@USD", ANN, 5)], (422, "validation")),
    ] {
        let (status, code) = post(&app, &legs).await.problem();
        assert_eq!((status, &*code), told, "{legs:?}");
    }
    let overdrawn = post(&app, &[leg(ANN, BOB, 1)]).await;
    assert_eq!(overdrawn.json()["detail"], format!("{ANN} has 0.00 USD left"));
    assert_eq!(app.store.head().await.unwrap(), before, "nothing was recorded");
    let both = json!({"id": "a@USD", "class": "asset", "no_overdraft": true, "shared": true});
    let refused = app.owner.post(ACCOUNTS, both).await.problem();
    assert_eq!(refused, (422, "ledger_account/shared_may_be_overdrawn".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn currencies_are_exchanged_by_linked_legs() {
    let app = TestApp::start().await;
    open(&app).await;
    for (id, class) in [("fx:usd:liq@USD", "equity"), ("fx:eur:liq@EUR", "equity"), ("bank@EUR", "asset")] {
        app.owner.create(ACCOUNTS, json!({"id": id, "class": class, "shared": true})).await;
    }
    top_up(&app, ANN, 110).await;
    let exchanged =
        post(&app, &[leg(ANN, "fx:usd:liq@USD", 110), leg("fx:eur:liq@EUR", "bank@EUR", 100)]).await;
    assert_eq!(exchanged.status, 201, "{exchanged:?}");
    assert_eq!(amounts(&app, "bank@EUR").await, [-100, 0, 0]);
    assert_eq!(sums(&app).await, BTreeMap::from([("EUR".into(), 100), ("USD".into(), 220)]));
    let again = post(&app, &[leg("fx:eur:liq@EUR", "bank@EUR", 100), leg(ANN, "fx:usd:liq@USD", 110)]).await;
    assert_eq!(again.problem(), (409, "ledger_account/insufficient_funds".into()));
    assert_eq!(amounts(&app, "bank@EUR").await, [-100, 0, 0], "all or nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reserved_is_posted_in_part_voided_or_expires() {
    let app = TestApp::with_gateway().await;
    open(&app).await;
    top_up(&app, ANN, 100).await;
    let first = reserve(&app, leg(ANN, SALES, 60)).await.id();
    assert_eq!(amounts(&app, ANN).await, [100, 60, 0]);
    assert_eq!(amounts(&app, SALES).await, [0, 0, 60]);
    assert_eq!(
        post(&app, &[leg(ANN, BOB, 41)]).await.problem(),
        (409, "ledger_account/insufficient_funds".into())
    );
    let second = reserve(&app, leg(ANN, BOB, 40)).await.id();
    assert_eq!(reserve(&app, leg(ANN, BOB, 1)).await.problem().1, "ledger_account/insufficient_funds");

    let path = format!("{TRANSACTIONS}/{first}");
    let more = app.owner.post(&format!("{path}/post"), json!({"amount": 61})).await;
    assert_eq!(more.problem(), (409, "ledger_transaction/exceeds_reserved".into()));
    assert_eq!(app.owner.post(&format!("{path}/post"), json!({"amount": 45})).await.status, 200);
    assert_eq!(amounts(&app, ANN).await, [55, 40, 0]);
    let again = app.owner.post(&format!("{path}/post"), json!({})).await;
    assert_eq!(again.problem(), (409, "ledger_transaction/pending_already_posted".into()));
    let shown = app.owner.show(&path).await;
    assert_eq!((&shown["status"], &shown["reserved"]["amount"]), (&json!("posted"), &json!(60)));
    assert_eq!(shown["legs"][0]["amount"]["amount"], 45);

    let path = format!("{TRANSACTIONS}/{second}");
    for _ in 0..2 {
        assert_eq!(app.owner.post(&format!("{path}/void"), json!({})).await.status, 200);
    }
    assert_eq!(
        app.owner.post(&format!("{path}/post"), json!({})).await.problem().1,
        "ledger_transaction/pending_already_voided"
    );
    assert_eq!(amounts(&app, ANN).await, [55, 0, 0]);

    let third = reserve(&app, leg(ANN, BOB, 55)).await.id();
    app.pass(TimeDelta::seconds(899)).await;
    assert_eq!(amounts(&app, ANN).await, [55, 55, 0]);
    app.pass(TimeDelta::seconds(1)).await;
    let path = format!("{TRANSACTIONS}/{third}");
    assert_eq!(app.owner.show(&path).await["status"], "expired");
    assert_eq!(
        app.owner.post(&format!("{path}/post"), json!({})).await.problem().1,
        "ledger_transaction/pending_expired"
    );
    assert_eq!((amounts(&app, ANN).await, amounts(&app, BOB).await), ([55, 0, 0], [0, 0, 0]));
    assert_eq!(post(&app, &[leg(ANN, BOB, 55)]).await.status, 201, "the accounts have let go");
}

#[tokio::test(flavor = "multi_thread")]
async fn is_reversed_once_by_another_transaction() {
    let app = TestApp::start().await;
    open(&app).await;
    let paid = top_up(&app, ANN, 100).await;
    let path = format!("{TRANSACTIONS}/{paid}/reverse");
    let spent = post(&app, &[leg(ANN, SALES, 1)]).await.id();
    let why = json!({"reason": "charged twice"});
    assert_eq!(
        app.owner.post(&path, why.clone()).await.problem(),
        (409, "ledger_account/insufficient_funds".into())
    );
    assert_eq!(app.owner.post(&format!("{TRANSACTIONS}/{spent}/reverse"), why.clone()).await.status, 201);
    let clerk = app.with_scopes(&["ledger:post"]);
    assert_eq!(clerk.post(&path, why.clone()).await.status, 403);
    let by = app.owner.post(&path, why.clone()).await.id();
    assert_eq!(amounts(&app, ANN).await, [0, 0, 0]);
    assert_eq!(amounts(&app, CLEARING).await, [0, 0, 0]);
    let shown = app.owner.show(&format!("{TRANSACTIONS}/{paid}")).await;
    assert_eq!((&shown["status"], &shown["reversed_by"]), (&json!("reversed"), &json!(by)));
    assert_eq!(app.owner.show(&format!("{TRANSACTIONS}/{by}")).await["reverses"], json!(paid));
    assert_eq!(app.owner.post(&path, why.clone()).await.problem().1, "ledger_transaction/already_reversed");
    let back = app.owner.post(&format!("{TRANSACTIONS}/{by}/reverse"), why).await;
    assert_eq!(back.problem().1, "ledger_transaction/is_reversal");
    assert_eq!(balances(&statement(&app, ANN, "").await), [100, 99, 100, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_stands_for_one_transaction() {
    let app = TestApp::start().await;
    open(&app).await;
    let body = json!({"legs": [leg(CLEARING, ANN, 5)], "reference": "ORDER-1"});
    let asked = (0..16).map(|_| app.owner.post(TRANSACTIONS, body.clone()));
    let answers = join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.problem(), (409, "ledger_transaction/duplicate_reference".into()));
    }
    assert_eq!(amounts(&app, ANN).await, [5, 0, 0]);
    let found = app.owner.show(&format!("{TRANSACTIONS}?reference=ORDER-1")).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_frozen_or_closed_takes_part_in_nothing() {
    let app = TestApp::start().await;
    open(&app).await;
    top_up(&app, ANN, 100).await;
    let why = json!({"reason": "looked into"});
    for account in [ANN, CLEARING] {
        let path = format!("{ACCOUNTS}/{account}");
        assert_eq!(app.owner.post(&format!("{path}/freeze"), why.clone()).await.status, 200);
        assert_eq!(app.owner.show(&path).await["status"], "frozen");
        let refused = post(&app, &[leg(CLEARING, ANN, 1)]).await;
        assert_eq!(refused.problem(), (409, "ledger_account/frozen".into()));
        assert_eq!(app.owner.post(&format!("{path}/unfreeze"), json!({})).await.status, 200);
    }
    let close = format!("{ACCOUNTS}/{ANN}/close");
    let full = app.owner.post(&close, json!({})).await;
    assert_eq!(full.problem(), (409, "ledger_account/not_empty".into()));
    let held = reserve(&app, leg(ANN, SALES, 100)).await.id();
    assert_eq!(app.owner.post(&format!("{TRANSACTIONS}/{held}/post"), json!({})).await.status, 200);
    assert_eq!(app.owner.post(&close, json!({})).await.status, 200);
    assert_eq!(post(&app, &[leg(CLEARING, ANN, 1)]).await.problem(), (409, "ledger_account/closed".into()));
    let shared = app.owner.post(&format!("{ACCOUNTS}/{CLEARING}/close"), json!({})).await;
    assert_eq!(shared.problem(), (409, "ledger_account/shared".into()));
    let closed = app.owner.show(&format!("{ACCOUNTS}?status=closed&path=cust:")).await;
    assert_eq!(closed["items"].as_array().unwrap().len(), 1);
    let seen = app.stranger().get(&format!("{ACCOUNTS}/{ANN}")).await;
    assert_eq!(seen.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_who_want_the_last_cent_one_gets_it() {
    let app = TestApp::start().await;
    open(&app).await;
    top_up(&app, ANN, 1).await;
    let spend = leg(ANN, SALES, 1);
    let asked = (0..64).map(|n| {
        let (app, spend) = (&app, spend.clone());
        async move { if n % 2 == 0 { post(app, &[spend]).await } else { reserve(app, spend).await } }
    });
    let answers = join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let told = answer.problem();
        let lost = [(409, "ledger_account/insufficient_funds"), (409, "version-conflict")];
        assert!(lost.contains(&(told.0, &*told.1)), "{told:?}");
    }
    let [balance, pending, _] = amounts(&app, ANN).await;
    assert!([(0, 0), (1, 1)].contains(&(balance, pending)), "{balance} {pending}");
    sums(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_ends_of_one_reservation_one_is_it() {
    let app = TestApp::start().await;
    open(&app).await;
    top_up(&app, ANN, 10).await;
    for _ in 0..5 {
        let held = reserve(&app, leg(ANN, BOB, 2)).await.id();
        let path = format!("{TRANSACTIONS}/{held}");
        let asked = (0..32).map(|n| {
            let verb = if n % 2 == 0 { "post" } else { "void" };
            let (app, path) = (&app, format!("{path}/{verb}"));
            async move { (verb, app.owner.post(&path, json!({})).await.status) }
        });
        let taken: Vec<_> = join_all(asked).await.into_iter().filter(|(_, status)| *status == 200).collect();
        let posted = taken.iter().filter(|(verb, _)| *verb == "post").count();
        assert!(posted == 1 && taken.len() == 1 || posted == 0 && !taken.is_empty(), "{taken:?}");
    }
    let ([ann, held, _], [bob, ..]) = (amounts(&app, ANN).await, amounts(&app, BOB).await);
    assert_eq!((ann + bob, held), (10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_many_ask_for_at_once_the_books_balance_at_every_entry() {
    let app = TestApp::start().await;
    open(&app).await;
    let mut chance = StdRng::seed_from_u64(7);
    let all = [CLEARING, ANN, BOB, SALES];
    let mut recorded = 0;
    for _ in 0..12 {
        let asked: Vec<Value> = (0..24)
            .map(|_| {
                let mut legs = Vec::new();
                for _ in 0..chance.random_range(1..4) {
                    let debit = chance.random_range(0..4);
                    let credit = (debit + chance.random_range(1..4)) % 4;
                    legs.push(leg(all[debit], all[credit], chance.random_range(1..50)));
                }
                json!({ "legs": legs })
            })
            .collect();
        let answers = join_all(asked.into_iter().map(|body| app.owner.post(TRANSACTIONS, body))).await;
        for answer in &answers {
            assert!([201, 409].contains(&answer.status), "{answer:?}");
        }
        recorded += answers.iter().filter(|answer| answer.status == 201).count();
    }
    assert!(recorded > 50, "{recorded}");
    sums(&app).await;
    for account in all {
        let (mut after, mut last, mut cursor) = (Vec::new(), 0, String::new());
        loop {
            let page = statement(&app, account, &format!("limit=50{cursor}")).await;
            for entry in page["items"].as_array().unwrap() {
                let amount = |of: &str| entry[of]["amount"].as_i64().unwrap();
                let moved = amount("debit") - amount("credit");
                last += if account == CLEARING { moved } else { -moved };
                assert_eq!(amount("balance"), last, "{account}");
                after.push((entry["transaction_id"].clone(), last));
            }
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(amounts(&app, account).await, [last, 0, 0]);
        // Within a transaction an account may be short for a moment, never after it.
        let ends = after.windows(2).filter(|two| two[0].0 != two[1].0).map(|two| two[0].1).chain([last]);
        assert!([CLEARING, SALES].contains(&account) || ends.clone().all(|left| left >= 0), "{account}");
    }
}
