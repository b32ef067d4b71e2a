//! What must hold of the books and of money: watched while it happens, and told with the first position at which it
//! held no more. What is planted here goes past the rules that would have refused it.

use domain::finance::ledger_transaction::{LedgerTransaction, LedgerTransactionCommand, Leg, Posting};
use domain::ids::LedgerTransactionId;
use domain::money::{Currency, Money};
use serde_json::{Value, json};
use tests::app::TestApp;
use uuid::Uuid;

const ACCOUNTS: &str = "/api/financial/ledger/accounts";

async fn watched(app: &TestApp) -> Value {
    app.drain().await;
    app.with_scopes(&["platform:operate"]).show("/api/monitoring/invariants").await
}

/// Posts a transaction of which no account hears; its position.
async fn plant(app: &TestApp, leg: (&str, &str, i64, &str), source: Option<Uuid>) -> i64 {
    let (debit, credit, amount, code) = leg;
    let (debit, credit) = (debit.parse().unwrap(), credit.parse().unwrap());
    let amount = Money::new(amount, Currency::USD);
    let leg = Leg { debit, credit, amount, code: Some(code.into()) };
    let posting = Posting { legs: vec![leg], reference: None, description: None, source, reverses: None };
    let id = LedgerTransactionId::from_uuid(Uuid::now_v7());
    let post = LedgerTransactionCommand::Post(posting);
    app.platform().execute::<LedgerTransaction>(id, post).await.unwrap().position.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_violation_is_told_with_its_first_position() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 1, "card").await;
    let wallet = json!({"id": "cust:ann:wallet@USD", "class": "liability", "no_overdraft": true});
    app.owner.create(ACCOUNTS, wallet).await;
    let sound = watched(&app).await;
    assert_eq!((&sound["broken"], &sound["unposted"]), (&json!([]), &json!(0)));
    assert_eq!(sound["position"].as_i64(), Some(app.store.head().await.unwrap()));

    let captured =
        "select event_id from events where aggregate_type = 'finance.payment' and event_type = 'Captured'";
    let captured: Uuid = sqlx::query_scalar(captured).fetch_one(&app.database.pool).await.unwrap();
    let clearing = "psp:gateway:clearing@USD";
    let unearned = format!("order:{order}:unearned@USD");
    let twice = plant(&app, (clearing, &unearned, 1_000, "capture"), Some(captured)).await;
    let overdrawn = plant(&app, ("cust:ann:wallet@USD", "rev:sales@USD", 1, "spend"), None).await;
    let invented = plant(&app, (clearing, &unearned, 7, "capture"), Some(Uuid::now_v7())).await;
    // Once it is broken, it stays so from where it was first.
    plant(&app, ("rev:sales@USD", "cust:ann:wallet@USD", 1, "spend"), None).await;
    plant(&app, ("cust:ann:wallet@USD", "rev:sales@USD", 5, "spend"), None).await;

    let told = watched(&app).await;
    let broken: Vec<_> = told["broken"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (of["invariant"].as_str().unwrap(), of["position"].as_i64()))
        .collect();
    assert_eq!(broken, [("I10", Some(twice)), ("I3", Some(overdrawn)), ("I10", Some(invented))], "{told}");
    assert_eq!(told["broken"][1]["of"], "account/cust:ann:wallet@USD");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_that_its_entries_do_not_come_to_is_told() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 5).await;
    app.order("TEE", 1, "card").await;
    app.drain().await;
    let spoil =
        "update read.ledger_account set balance.amount = (balance).amount + 1 where id = 'exp:psp@USD'";
    assert_eq!(sqlx::query(spoil).execute(&app.database.pool).await.unwrap().rows_affected(), 1);
    let told = watched(&app).await;
    let broken = &told["broken"][0];
    assert_eq!(
        (&broken["invariant"], &broken["of"]),
        (&json!("I2"), &json!("account/exp:psp@USD")),
        "{told}"
    );
}
