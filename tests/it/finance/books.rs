//! The books of the business over HTTP: what orders, payments and refunds bring to the ledger by themselves.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use commands::{Follower, Instruction};
use domain::identity::workspace::{Settings, Workspace, WorkspaceCommand};
use domain::kernel::Recorded;
use domain::money::Currency;
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::process::until;

const ORDERS: &str = "/api/ecommerce/orders";
const REFUNDS: &str = "/api/financial/refunds";
const ACCOUNTS: &str = "/api/financial/ledger/accounts";
const TRANSACTIONS: &str = "/api/financial/ledger/transactions";
const TRIAL: &str = "/api/financial/ledger/trial-balance";
const CLEARING: &str = "psp:gateway:clearing";
const FEES: &str = "exp:psp";
const SALES: &str = "rev:sales";

fn usd(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

/// Debits less credits of each account of dollars that has any, of the trial balance, which has to balance.
async fn books(app: &TestApp) -> BTreeMap<String, i64> {
    app.drain().await;
    let trial = app.owner.show(&format!("{TRIAL}?limit=200")).await;
    for sum in trial["sums"].as_array().unwrap() {
        assert_eq!(sum["debits"], sum["credits"], "{trial}");
    }
    let line = |line: &Value| {
        let account = line["account_id"].as_str().unwrap().strip_suffix("@USD").unwrap().to_owned();
        let of = |side: &str| line[side]["amount"].as_i64().unwrap();
        (account, of("debits") - of("credits"))
    };
    let lines = trial["items"].as_array().unwrap().iter().map(line);
    lines.filter(|(_, amount)| *amount != 0).collect()
}

fn expected<const N: usize>(lines: [(&str, i64); N]) -> BTreeMap<String, i64> {
    lines.into_iter().map(|(account, amount)| (account.to_owned(), amount)).collect()
}

async fn done(app: &TestApp, path: &str, body: Value) -> String {
    let answer = app.owner.post(path, body).await;
    assert!(answer.status < 300, "{path}: {answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Packs and ships some units of an order's only line; the parcel.
async fn ship(app: &TestApp, order: &str, quantity: u32) -> String {
    let path = format!("{ORDERS}/{order}");
    let line = app.order_now(order).await["lines"][0]["line"].clone();
    let units = json!({"lines": [{"line": line, "quantity": quantity}]});
    let parcel = done(app, &format!("{path}/fulfilments"), units).await;
    done(app, &format!("{path}/fulfilments/{parcel}/ship"), json!({})).await;
    parcel
}

/// Takes some units of an order's only line back, all of which are delivered.
async fn take_back(app: &TestApp, order: &str, quantity: u32) {
    let path = format!("{ORDERS}/{order}/returns");
    let line = app.order_now(order).await["lines"][0]["line"].clone();
    let back = done(app, &path, json!({"lines": [{"line": line, "quantity": quantity}]})).await;
    let receipt = json!({"line": line, "quantity": quantity, "condition": "good"});
    done(app, &format!("{path}/{back}/receive"), receipt).await;
}

/// Three teas at 10.00 less 3.00, with a tax of 1.90 and 4.90 for sending: 33.80.
async fn order_of_three(app: &TestApp) -> String {
    let mut wanted = app.wanting("TEE", 3, "card");
    wanted["discount"] = json!({"code": "TEN", "amount": usd(300)});
    wanted["shipping"] = json!({"method": "post", "amount": usd(490)});
    wanted["tax"] = usd(190);
    app.owner.post(ORDERS, wanted).await.id()
}

/// What the gateway keeps of all it took.
async fn fees(app: &TestApp) -> i64 {
    books(app).await.get(FEES).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_is_the_customers_until_it_is_sent_and_what_comes_back_is_again() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = order_of_three(&app).await;
    let unearned = format!("order:{order}:unearned");
    let fee = fees(&app).await;
    assert!(fee > 0);
    let paid = expected([(CLEARING, 3_380 - fee), (FEES, fee), (&unearned, -3_380)]);
    assert_eq!(books(&app).await, paid);

    // One of three: 9.63 of 28.90, of which 0.63 of 1.90 are tax; and the sending.
    let parcel = ship(&app, &order, 1).await;
    let sent = [(SALES, -900), ("tax:sales:payable", -63), ("rev:shipping", -490), (&unearned, -1_927)];
    let all = expected([(CLEARING, 3_380 - fee), (FEES, fee)]).into_iter().chain(expected(sent));
    assert_eq!(books(&app).await, all.collect());
    let rest = ship(&app, &order, 2).await;
    let sold = [(SALES, -2_700), ("tax:sales:payable", -190), ("rev:shipping", -490)];
    let all = expected([(CLEARING, 3_380 - fee), (FEES, fee)]).into_iter().chain(expected(sold));
    assert_eq!(books(&app).await, all.collect());

    for parcel in [parcel, rest] {
        done(&app, &format!("{ORDERS}/{order}/fulfilments/{parcel}/deliver"), json!({})).await;
    }
    take_back(&app, &order, 2).await;
    let shown = app.order_now(&order).await;
    assert_eq!(shown["refunded"]["amount"], 1_927);
    let kept = [(SALES, -900), ("tax:sales:payable", -63), ("rev:shipping", -490)];
    let all = expected([(CLEARING, 1_453 - fee), (FEES, fee)]).into_iter().chain(expected(kept));
    assert_eq!(books(&app).await, all.collect());

    // Each entry says which event of the business it follows from.
    let statement = app.owner.show(&format!("{ACCOUNTS}/{unearned}@USD/entries")).await;
    let codes: Vec<&str> =
        statement["items"].as_array().unwrap().iter().map(|entry| entry["code"].as_str().unwrap()).collect();
    assert_eq!(
        codes,
        ["capture", "goods", "shipping", "tax", "goods", "tax", "goods", "tax", "refund"],
        "{statement}"
    );
    let first = statement["items"][0]["transaction_id"].as_str().unwrap();
    let source = app.owner.show(&format!("{TRANSACTIONS}/{first}")).await["source"].clone();
    let captured = "select event_id::text from events where event_type = 'Captured' and aggregate_type = 'finance.payment'";
    let captured: String = sqlx::query_scalar(captured).fetch_one(&app.database.pool).await.unwrap();
    assert_eq!(source, json!(captured));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gift_lessens_what_was_sold_and_a_lost_parcel_is_not() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 2, "card").await;
    let parcel = ship(&app, &order, 2).await;
    let payment =
        app.owner.show(&format!("/api/financial/payments?order_id={order}")).await["items"][0]["id"].clone();
    done(&app, REFUNDS, json!({"payment_id": payment, "amount": usd(500), "reason": "goodwill"})).await;
    let fee = fees(&app).await;
    assert_eq!(books(&app).await, expected([(CLEARING, 1_500 - fee), (FEES, fee), (SALES, -1_500)]));

    // What is lost was not handed over; what was given away of it was given all the same.
    done(&app, &format!("{ORDERS}/{order}/fulfilments/{parcel}/lost"), json!({})).await;
    let unearned = format!("order:{order}:unearned");
    let lost = expected([(CLEARING, 1_500 - fee), (FEES, fee), (SALES, 500), (&unearned, -2_000)]);
    assert_eq!(books(&app).await, lost);
    done(&app, &format!("{ORDERS}/{order}/cancel"), json!({})).await;
    assert_eq!(books(&app).await, expected([(CLEARING, -fee), (FEES, fee)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_on_credit_is_owed_until_it_is_marked_as_paid() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let mut wanted = app.wanting("TEE", 3, "card");
    wanted["settlement"] = json!("credit_terms");
    wanted.as_object_mut().unwrap().remove("payment_method");
    let order = app.owner.post(ORDERS, wanted).await.id();
    ship(&app, &order, 2).await;
    let owed = format!("ar:{order}");
    assert_eq!(books(&app).await, expected([(&*owed, 2_000), (SALES, -2_000)]));
    done(&app, &format!("{ORDERS}/{order}/mark-paid"), json!({"amount": usd(1_200)})).await;
    assert_eq!(books(&app).await, expected([("bank:main", 1_200), (&owed, 800), (SALES, -2_000)]));
    done(&app, &format!("{ORDERS}/{order}/mark-paid"), json!({"amount": usd(1_800)})).await;
    let unearned = format!("order:{order}:unearned");
    let ahead = expected([("bank:main", 3_000), (SALES, -2_000), (&unearned, -1_000)]);
    assert_eq!(books(&app).await, ahead);

    // The rest is not sent: a person pays it back where it was paid.
    let line = app.order_now(&order).await["lines"][0]["line"].clone();
    let rest = json!({"lines": [{"line": line, "quantity": 1}]});
    done(&app, &format!("{ORDERS}/{order}/cancel-lines"), rest).await;
    app.drain().await;
    let waiting = app.owner.show(&format!("{REFUNDS}?needs_attention=true")).await;
    let refund = waiting["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(books(&app).await, ahead);
    done(&app, &format!("{REFUNDS}/{refund}/pay-out"), json!({"reference": "wire 9"})).await;
    assert_eq!(books(&app).await, expected([("bank:main", 2_000), (SALES, -2_000)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_posted_for_an_account_that_is_frozen_waits_and_stops_no_order() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    app.order("TEE", 1, "card").await;
    let fee = fees(&app).await;
    let freeze = json!({"reason": "the auditor is here"});
    done(&app, &format!("{ACCOUNTS}/{CLEARING}@USD/freeze"), freeze).await;
    let order = app.order("TEE", 1, "card").await;
    let waits = "select count(*) from parked where subscription = 'post_capture_when_money_is_taken'";
    let count = async |sql: &'static str| -> i64 {
        sqlx::query_scalar(sql).fetch_one(&app.database.pool).await.unwrap()
    };
    until("the posting is parked", || async { count(waits).await > 0 }).await;
    let reason: String = sqlx::query_scalar("select reason from parked order by position limit 1")
        .fetch_one(&app.database.pool)
        .await
        .unwrap();
    assert_eq!(reason, format!("{CLEARING}@USD is frozen"));
    until("the order goes on", || async {
        app.owner.show(&format!("{ORDERS}/{order}")).await["status"] == "confirmed"
    })
    .await;
    done(&app, &format!("{ACCOUNTS}/{CLEARING}@USD/unfreeze"), json!({})).await;
    let again = "update parked set retry = true where subscription = 'post_capture_when_money_is_taken'";
    sqlx::query(again).execute(&app.database.pool).await.unwrap();
    until("nothing waits any more", || async { count(waits).await == 0 }).await;
    let unearned = -books(&app).await[&format!("order:{order}:unearned")];
    assert_eq!((unearned, books(&app).await[FEES]), (1_000, 2 * fee));
}

/// What processes ask for that post into the books, told of an event anew.
async fn asked(app: &TestApp, followers: &[Box<dyn Follower>], event: &Recorded) -> Vec<Instruction> {
    let mut asked = Vec::new();
    for process in commands::process::all().iter().filter(|process| process.name().starts_with("post_")) {
        asked.extend(process.react(event).unwrap());
    }
    for follower in followers.iter().filter(|follower| follower.listens_to() == event.aggregate_type) {
        asked.extend(follower.react(&app.store, event).await.unwrap());
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_heard_again_from_the_beginning_is_posted_once() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = order_of_three(&app).await;
    ship(&app, &order, 2).await;
    let line = app.order_now(&order).await["lines"][0]["line"].clone();
    let rest = json!({"lines": [{"line": line, "quantity": 1}]});
    done(&app, &format!("{ORDERS}/{order}/cancel-lines"), rest).await;
    let posted = books(&app).await;
    let head = app.store.head().await.unwrap();
    let followers = commands::process::followers();
    let mut errands = 0;
    for event in app.store.read(0, i64::MAX).await.unwrap() {
        // Twice: once in its turn, and once when what came of it is known already.
        for _ in 0..2 {
            for instruction in asked(&app, &followers, &event).await {
                let Instruction::Errand(errand) = instruction else { panic!("{instruction:?}") };
                errand.run(app.platform()).await.unwrap();
                errands += 1;
            }
        }
    }
    assert!(errands >= 6, "{errands}");
    assert_eq!(app.store.head().await.unwrap(), head, "nothing was recorded");
    assert_eq!(books(&app).await, posted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_earned_and_owed_in_tax_is_told_by_the_days_of_the_workspace() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 9).await;
    // One parcel before midnight in Berlin, one after it, and some of that back the day after.
    app.clock.advance(TimeDelta::minutes(22 * 60 + 30));
    let order = order_of_three(&app).await;
    ship(&app, &order, 1).await;
    app.clock.advance(TimeDelta::hours(1));
    let parcel = ship(&app, &order, 2).await;
    done(&app, &format!("{ORDERS}/{order}/fulfilments/{parcel}/deliver"), json!({})).await;
    app.pass(TimeDelta::days(1)).await;
    take_back(&app, &order, 1).await;
    let fee = fees(&app).await;

    let profit = async |range: &str| {
        let told = app.owner.show(&format!("/api/financial/ledger/profit-and-loss?{range}")).await;
        let lines = told["items"].as_array().unwrap().iter();
        let line = |line: &Value| {
            (line["account_id"].as_str().unwrap().to_owned(), line["amount"]["amount"].as_i64().unwrap())
        };
        let lines: BTreeMap<String, i64> = lines.map(line).collect();
        (lines, told["sums"][0]["profit"]["amount"].as_i64(), told["time_zone"].as_str().unwrap().to_owned())
    };
    let of = |lines: &[(&str, i64)]| -> BTreeMap<String, i64> {
        lines.iter().map(|(account, amount)| (format!("{account}@USD"), *amount)).collect()
    };
    // By UTC, both parcels left on the first of January.
    let first = "from=2026-01-01&to=2026-01-02";
    let both = of(&[(FEES, fee), (SALES, 2_700), ("rev:shipping", 490)]);
    assert_eq!(profit(first).await, (both, Some(3_190 - fee), "UTC".into()));
    assert_eq!(
        profit("from=2026-01-02&to=2026-01-03").await,
        (of(&[(SALES, -900)]), Some(-900), "UTC".into())
    );
    let whole = of(&[(FEES, fee), (SALES, 1_800), ("rev:shipping", 490)]);
    assert_eq!(profit("from=2026-01-01&to=2026-02-01").await.0, whole);
    let tax = async |range: &str| {
        let told = app.owner.show(&format!("/api/financial/ledger/tax-summary?{range}")).await;
        let line = told["items"][0].clone();
        ["charged", "taken_back", "due", "paid"].map(|name| line[name]["amount"].as_i64())
    };
    assert_eq!(tax(first).await, [190, 0, 190, 0].map(Some));
    assert_eq!(tax("from=2026-01-01&to=2026-01-04").await, [190, 63, 127, 0].map(Some));
    for account in [SALES, "rev:shipping", FEES] {
        let path = format!("{ACCOUNTS}/{account}@USD/entries?from=2026-01-01&to=2026-02-01");
        let entries = app.owner.show(&path).await["items"].as_array().unwrap().clone();
        let net = |entry: &Value| {
            entry["credit"]["amount"].as_i64().unwrap() - entry["debit"]["amount"].as_i64().unwrap()
        };
        let sum: i64 = entries.iter().map(net).sum();
        assert_eq!(sum.abs(), whole_of(&app, account).await, "{account} is explained by its entries");
    }

    // By the clock of Berlin, one of them left a day later.
    set_zone(&app, "Europe/Berlin").await;
    let (lines, _, zone) = profit(first).await;
    assert_eq!((lines[&format!("{SALES}@USD")], zone.as_str()), (900, "Europe/Berlin"));
    assert_eq!(profit("from=2026-01-02&to=2026-01-03").await.0, of(&[(SALES, 1_800)]));
    assert_eq!(tax(first).await, [63, 0, 63, 0].map(Some));
    let entries = app.owner.show(&format!("{ACCOUNTS}/{SALES}@USD/entries?{first}")).await;
    assert_eq!(entries["items"].as_array().unwrap().len(), 1);
    let wrong = app.owner.get("/api/financial/ledger/profit-and-loss?from=2026-01-02&to=2026-01-02").await;
    assert_eq!(wrong.problem(), (422, "validation".into()));
}

/// From now on the workspace reckons by this zone.
async fn set_zone(app: &TestApp, zone: &str) {
    let settings =
        Settings { time_zone: zone.parse().unwrap(), locale: "en".parse().unwrap(), currency: Currency::USD };
    let create = WorkspaceCommand::Create { name: "Shop".into(), owner: None };
    for command in [create, WorkspaceCommand::Settle(settings)] {
        app.platform().execute::<Workspace>(app.workspace, command).await.unwrap();
    }
}

/// What an account came to in January 2026, as profit and loss has it.
async fn whole_of(app: &TestApp, account: &str) -> i64 {
    let told = app.owner.show("/api/financial/ledger/profit-and-loss?from=2026-01-01&to=2026-02-01").await;
    let mut lines = told["items"].as_array().unwrap().iter();
    let line = lines.find(|line| line["account_id"] == format!("{account}@USD")).unwrap();
    line["amount"]["amount"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_is_a_spreadsheet_too_and_none_of_its_cells_is_a_formula() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 9).await;
    let order = app.order("TEE", 1, "card").await;
    ship(&app, &order, 1).await;
    let fee = fees(&app).await;
    let decimal = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
    let evil = json!({"debit": "exp:psp@USD", "credit": "rev:sales@USD", "amount": usd(1), "code": "=1+1"});
    done(&app, TRANSACTIONS, json!({"legs": [evil]})).await;
    app.drain().await;
    let csv = async |path: &str| {
        let told = app.owner.get(&format!("/api/financial/ledger/{path}format=csv")).await;
        assert_eq!((told.status, told.header("content-type")), (200, "text/csv; charset=utf-8"), "{told:?}");
        assert!(told.header("content-disposition").starts_with("attachment; filename="));
        assert!(!told.header("position").is_empty());
        told.body
    };
    let (fees, clearing) = (decimal(fee + 1), decimal(fee));
    assert_eq!(
        csv("trial-balance?").await,
        format!(
            "account,currency,debits,credits\r\nexp:psp,USD,{fees},0.00\r\n\
             order:{order}:unearned,USD,10.00,10.00\r\npsp:gateway:clearing,USD,10.00,{clearing}\r\n\
             rev:sales,USD,0.00,10.01\r\n"
        )
    );
    let days = "from=2026-01-01&to=2026-01-02&";
    assert_eq!(
        csv(&format!("profit-and-loss?{days}")).await,
        format!(
            "account,class,currency,amount\r\nexp:psp,expense,USD,{fees}\r\nrev:sales,income,USD,10.01\r\n"
        )
    );
    assert_eq!(csv(&format!("tax-summary?{days}")).await, "account,currency,charged,taken_back,due,paid\r\n");
    let statement = csv(&format!("accounts/{SALES}@USD/entries?{days}")).await;
    let lines: Vec<&str> = statement.split("\r\n").collect();
    assert_eq!(lines[0], "date,transaction,contra,code,currency,debit,credit,balance,recorded");
    assert!(
        lines[1].contains(&format!(",order:{order}:unearned,goods,USD,0.00,10.00,10.00,")),
        "{statement}"
    );
    assert!(lines[2].contains(",exp:psp,'=1+1,USD,0.00,0.01,10.01,"), "{statement}");
    assert_eq!(lines.len(), 4, "{statement}");
}
