//! Tenancy: every operation of the document, asked by every built-in role, of its own workspace and of another's.
//!
//! What another workspace has is answered like what nobody has, and nothing comes of asking for it; who lacks the scope
//! is told so before anything is looked at. An operation that is added is walked as it is: its ids come from the
//! document, and a kind of id that nothing here has made fails the test.

mod sample;

use std::collections::BTreeMap;

use domain::identity::workspace::PLATFORM;
use domain::ids::CustomerId;
use domain::permission::BuiltIn;
use reqwest::Method;
use sample::{Ids, name_of, sample};
use serde_json::{Value, json};
use tests::answer::Answer;
use tests::app::TestApp;
use tests::client::Client;
use tests::people::{invited, member, person, switched, text};
use uuid::Uuid;

use crate::http::document::operations;

/// What is called by its owner: the same name is another thing in another workspace, there or not.
const NAMED_BY_OWNER: [&str; 4] = ["Currency", "LedgerAccountId", "Location", "Sku"];
/// Whom a workspace knows under an id of its own making: in another workspace it is somebody else, there or not.
const KNOWN_TO_OWNER: [&str; 2] = ["CustomerId", "SubjectId"];

/// Everybody of one workspace, by role, and what is there of its own.
struct Ours {
    roles: BTreeMap<&'static str, Client>,
    ids: Ids,
}

fn document() -> Value {
    serde_json::to_value(api::routes::document()).unwrap()
}

fn ids<const N: usize>(all: [(&str, &str); N]) -> Ids {
    all.map(|(name, id)| (name.to_owned(), id.to_owned())).into()
}

/// A workspace with somebody of each built-in role.
async fn ours(app: &TestApp) -> Ours {
    let (jane, _) = person(app, "jane@example.com").await;
    let workspace = jane.create("/api/workspaces", json!({"name": "Ours"})).await;
    let owner = switched(&jane, &workspace).await;
    let cart = owner.create("/api/ecommerce/carts", json!({"currency": "USD"})).await;
    let draft = json!({"customer_id": CustomerId::from_uuid(Uuid::now_v7()), "currency": "USD"});
    let order = owner.create("/api/ecommerce/orders/drafts", draft).await;
    let product = owner.create("/api/ecommerce/products", json!({"title": "Tea"})).await;
    let mut roles = BTreeMap::new();
    for role in BuiltIn::all().filter(|role| *role != BuiltIn::Owner) {
        let name: &'static str = role.into();
        let (client, _) = member(app, &owner, &workspace, &format!("{name}@example.com"), &[name]).await;
        roles.insert(name, client);
    }
    roles.insert("owner", owner);
    let of =
        ids([("WorkspaceId", &workspace), ("CartId", &cart), ("OrderId", &order), ("ProductId", &product)]);
    Ours { roles, ids: of }
}

/// Other workspaces with one of everything.
async fn theirs(app: &TestApp) -> Ids {
    let mut ids = theirs_to_sell(app).await;
    let (eve, tokens) = person(app, "eve@example.com").await;
    let workspace = eve.create("/api/workspaces", json!({"name": "Theirs"})).await;
    let eve = switched(&eve, &workspace).await;
    let at = format!("/api/workspaces/{workspace}");
    let role = json!({"name": "Packer", "scopes": ["order:read"]});
    let role = eve.create(&format!("{at}/roles"), role).await;
    invited(app, &eve, &workspace, "sue@example.com", &[&role]).await;
    let invitation = eve.show(&format!("{at}/invitations")).await["items"][0]["id"].clone();
    let key = eve.post("/api/api-keys", json!({"name": "k", "scopes": ["order:read"]})).await.id();
    ids.extend([
        ("WorkspaceId".to_owned(), workspace),
        ("AccountId".to_owned(), text(&tokens, "account")),
        ("SessionId".to_owned(), text(&tokens, "session")),
        ("RoleId".to_owned(), role),
        ("InvitationId".to_owned(), invitation.as_str().unwrap().to_owned()),
        ("ApiKeyId".to_owned(), key),
    ]);
    ids
}

/// An order that went all the way and came back, and money that moved.
async fn theirs_to_sell(app: &TestApp) -> Ids {
    let owner = &app.owner;
    app.sell("TEE", 1_000, 5).await;
    let order = app.order("TEE", 2, "card").await;
    let shown = app.order_now(&order).await;
    let (line, customer) = (&shown["lines"][0]["line"], text(&shown, "customer_id"));
    let path = format!("/api/ecommerce/orders/{order}");
    let lines = json!({"lines": [{"line": line, "quantity": 1}]});
    let parcel = owner.post(&format!("{path}/fulfilments"), lines.clone()).await.id();
    for step in ["ship", "deliver"] {
        let done = owner.post(&format!("{path}/fulfilments/{parcel}/{step}"), json!({})).await;
        assert_eq!(done.status, 200, "{done:?}");
    }
    let back = owner.post(&format!("{path}/returns"), lines).await.id();
    let payments = owner.show(&format!("/api/financial/payments?order_id={order}")).await;
    let payment = text(&payments["items"][0], "id");
    let refund =
        json!({"payment_id": payment, "amount": {"amount": 1, "currency": "USD"}, "reason": "goodwill"});
    let refund = owner.post("/api/financial/refunds", refund).await.id();
    let accounts = "/api/financial/ledger/accounts";
    for (id, class) in [("till@USD", "asset"), ("sales@USD", "income")] {
        owner.create(accounts, json!({"id": id, "class": class, "shared": true})).await;
    }
    let amount = json!({"amount": 1, "currency": "USD"});
    let legs = json!({"legs": [{"debit": "till@USD", "credit": "sales@USD", "amount": amount}]});
    let transaction = owner.post("/api/financial/ledger/transactions", legs).await.id();
    let cart = owner.create("/api/ecommerce/carts", json!({"currency": "USD"})).await;
    let product = text(&owner.show("/api/ecommerce/products").await["items"][0], "id");
    app.drain().await;
    ids([
        ("CartId", &cart),
        ("Currency", "USD"),
        ("CustomerId", &customer),
        ("FulfilmentId", &parcel),
        ("LedgerAccountId", "till@USD"),
        ("LedgerTransactionId", &transaction),
        ("LineId", line.as_str().unwrap()),
        ("Location", "main"),
        ("OrderId", &order),
        ("PaymentId", &payment),
        ("ProductId", &product),
        ("RefundId", &refund),
        ("ReturnId", &back),
        ("Sku", "TEE"),
        ("SubjectId", &customer),
    ])
}

/// Ids of the same kinds that nobody has.
fn nobodys(theirs: &Ids) -> Ids {
    let other = |name: &str, id: &str| match name {
        // There are no currencies of a workspace's own.
        "Currency" => id.to_owned(),
        "Sku" => "TEA".to_owned(),
        "Location" => "moon".to_owned(),
        "LedgerAccountId" => "safe@USD".to_owned(),
        _ => {
            let (prefix, _) = id.split_once('_').unwrap();
            format!("{prefix}_01h455vb4pex5vsknk084sn02q")
        }
    };
    theirs.iter().map(|(name, id)| (name.clone(), other(name, id))).collect()
}

/// An operation, and the kinds of ids that it takes.
struct Operation {
    method: Method,
    path: String,
    /// The scopes it needs; none if it is a person's own.
    needed: Option<Vec<String>>,
    /// The name of each parameter of its path, and the kind of its id.
    in_path: Vec<(String, String)>,
    in_query: Vec<(String, String)>,
    body: Value,
}

impl Operation {
    /// Those that ask for a key or a token.
    fn all(document: &Value) -> Vec<Self> {
        operations(document).iter().filter_map(|(name, operation)| Self::of(name, operation)).collect()
    }

    fn of(name: &str, operation: &Value) -> Option<Self> {
        let requirement = operation["security"][0].as_object().unwrap();
        let scopes =
            |of: &Value| of.as_array().unwrap().iter().map(|of| of.as_str().unwrap().to_owned()).collect();
        let needed = requirement.get("api_key").map(scopes);
        if needed.is_none() && !requirement.contains_key("access_token") {
            return None;
        }
        let named = |place: &str| {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let of = |of: &Value| Some((of["name"].as_str()?.to_owned(), name_of(&of["schema"])?.to_owned()));
            parameters.filter(|of| of["in"] == place).filter_map(of).collect::<Vec<_>>()
        };
        let (method, path) = name.split_once(' ').unwrap();
        // Of what the document does not name there is none but its example.
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let unnamed = parameters.filter(|of| of["in"] == "path" && name_of(&of["schema"]).is_none());
        let path = unnamed.fold(path.to_owned(), |path, of| {
            let (name, example) =
                (of["name"].as_str().unwrap(), of["schema"]["examples"][0].as_str().unwrap());
            path.replace(&format!("{{{name}}}"), example)
        });
        Some(Self {
            method: method.to_uppercase().parse().unwrap(),
            path,
            needed,
            in_path: named("path"),
            in_query: named("query").into_iter().filter(|(_, kind)| kind.ends_with("Id")).collect(),
            body: operation["requestBody"]["content"]["application/json"]["schema"].clone(),
        })
    }

    fn is_named_by_owner(&self) -> bool {
        let by_owner = |kind: &str| NAMED_BY_OWNER.contains(&kind) || KNOWN_TO_OWNER.contains(&kind);
        self.in_path.iter().all(|(_, kind)| by_owner(kind))
    }

    /// What it answers, with these ids in its path, its query and its body.
    async fn asked(&self, document: &Value, client: &Client, in_path: &Ids, ids: &Ids) -> Answer {
        let mut path = self.in_path.iter().fold(self.path.clone(), |path, (name, kind)| {
            let id = in_path.get(kind).unwrap_or_else(|| panic!("{}: there is no {kind}", self.path));
            path.replace(&format!("{{{name}}}"), id)
        });
        if let Some((name, kind)) = self.in_query.first() {
            path = format!("{path}?{name}={}", ids[kind]);
        }
        let mut request = client.request(self.method.clone(), &path);
        if self.method != Method::GET {
            let body = if self.body.is_null() { json!({}) } else { sample(document, &self.body, ids) };
            request = request.header("idempotency-key", Uuid::new_v4().to_string()).json(&body);
        }
        client.send(request).await
    }

    /// The ids of a path: all of others, or one of others beside what is one's own.
    fn places(&self, others: &Ids, own: &Ids) -> Vec<Ids> {
        let mut places = vec![others.clone()];
        for (_, kind) in
            self.in_path.iter().filter(|(_, kind)| own.contains_key(kind) && self.in_path.len() > 1)
        {
            let mut place = others.clone();
            place.insert(kind.clone(), own[kind].clone());
            places.push(place);
        }
        places
    }
}

/// What is told of a thing, whichever it is and whenever it was asked for.
fn told(answer: &Answer, ids: &Ids) -> (u16, String) {
    let mut body: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, _| {
            !["instance", "request_id", "position", "id", "next_cursor"].contains(&name.as_str())
        });
    }
    let text = ids.values().fold(body.to_string(), |text, id| text.replace(id, "…"));
    (answer.status, text)
}

/// How many events there are of each workspace, but for what was denied.
async fn recorded(app: &TestApp) -> BTreeMap<String, i64> {
    let counted: Vec<(String, i64)> = sqlx::query_as(
        "select split_part(aggregate_id, '/', 1), count(*) from events where aggregate_type <> 'identity.denial' \
         group by 1",
    )
    .fetch_all(&app.database.pool)
    .await
    .unwrap();
    counted.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_workspace_has_is_to_every_role_as_if_nobody_had_it() {
    let app = TestApp::with_people_and_gateway().await;
    let (theirs, ours, document) = (theirs(&app).await, ours(&app).await, document());
    let nobodys = nobodys(&theirs);
    let before = recorded(&app).await;
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for operation in Operation::all(&document).iter().filter(|of| !of.in_path.is_empty()) {
        for (role, client) in &ours.roles {
            let scopes: Vec<&str> = role.parse::<BuiltIn>().unwrap().scopes().collect();
            let may = operation.needed.iter().flatten().all(|needed| scopes.contains(&needed.as_str()));
            let places = operation.places(&theirs, &ours.ids);
            for (place, nowhere) in places.iter().zip(&operation.places(&nobodys, &ours.ids)) {
                let there = told(&operation.asked(&document, client, place, &theirs).await, &theirs);
                let nowhere = told(&operation.asked(&document, client, nowhere, &nobodys).await, &nobodys);
                let expected = if may { 404 } else { 403 };
                // Where the whole is one's own, its state may be looked at before its part.
                let is_of_others = !operation.is_named_by_owner() && Some(place) == places.first();
                let as_it_is = !is_of_others || there.0 == expected;
                // What is named by its owner may have become one's own meanwhile, with events of its own.
                let is_same = there.0 == nowhere.0 && (operation.is_named_by_owner() || there.1 == nowhere.1);
                if !is_same || !as_it_is || (there.0 == 403) == may {
                    wrong.push(format!(
                        "{} {} as {role}: {there:?}, {nowhere:?}",
                        operation.method, operation.path
                    ));
                }
                asked += 2;
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    app.drain().await;
    let after = recorded(&app).await;
    let own = &ours.ids["WorkspaceId"];
    for (workspace, count) in &after {
        // One's own names may have become one's own things; nothing else has come of it anywhere.
        assert!(
            before.get(workspace) == Some(count) || workspace == own,
            "{workspace}: {before:?}, {after:?}"
        );
    }
    println!("{asked} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_in_a_query_or_a_body_reach_nothing_of_another_workspace() {
    let app = TestApp::with_people_and_gateway().await;
    let (theirs, ours, document) = (theirs(&app).await, ours(&app).await, document());
    let nobodys = nobodys(&theirs);
    let own = &ours.ids["WorkspaceId"];
    let before = recorded(&app).await;
    let (owner, mut wrong, mut asked) = (&ours.roles["owner"], Vec::new(), 0);
    let all = Operation::all(&document);
    for operation in all.iter().filter(|of| of.in_path.is_empty() && of.needed.is_some()) {
        // What is called by its owner is asked for by one name, which is nobody's here.
        let same = |ids: &Ids| {
            let mut ids = ids.clone();
            ids.retain(|kind, _| !NAMED_BY_OWNER.contains(&kind.as_str()));
            ids
        };
        let there = told(&operation.asked(&document, owner, &theirs, &same(&theirs)).await, &theirs);
        let nowhere = told(&operation.asked(&document, owner, &nobodys, &same(&nobodys)).await, &nobodys);
        // What was made the first time may be there the second.
        if there != nowhere && nowhere.0 != 409 && operation.method == Method::GET {
            wrong.push(format!("{} {}: {there:?}, {nowhere:?}", operation.method, operation.path));
        }
        if there.0 >= 500 {
            wrong.push(format!("{} {}: {there:?}", operation.method, operation.path));
        }
        asked += 2;
    }
    assert_eq!(wrong, Vec::<String>::new());
    app.drain().await;
    let mut after = recorded(&app).await;
    after.insert(own.clone(), before[own]);
    assert_eq!(before, after, "nothing has come of it but in one's own workspace");
    println!("{asked} requests");
}

/// What is not allowed is refused, what is allowed is not: of each operation and each role, as docs/roles.md says.
#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_what_the_table_says_and_nothing_else() {
    let app = TestApp::with_people_and_gateway().await;
    let (ours, document) = (ours(&app).await, document());
    let mut own = nobodys(&theirs(&app).await);
    own.extend(ours.ids.clone());
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for operation in Operation::all(&document) {
        let Some(needed) = &operation.needed else { continue };
        for (role, client) in &ours.roles {
            let scopes: Vec<&str> = role.parse::<BuiltIn>().unwrap().scopes().collect();
            let may = needed.iter().all(|needed| scopes.contains(&needed.as_str()));
            let answer = operation.asked(&document, client, &own, &own).await;
            let refused = answer.status == 403 && answer.body.contains("this needs the scope");
            if refused == may || answer.status >= 500 {
                wrong.push(format!("{} {} as {role}: {answer:?}", operation.method, operation.path));
            }
            asked += 1;
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    println!("{asked} requests");
    assert_ne!(ours.ids["WorkspaceId"], PLATFORM.to_string());
}
