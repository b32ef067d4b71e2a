//! Members and roles over HTTP: who may do what, and who may change that.

use serde_json::{Value, json};
use tests::app::TestApp;
use tests::client::Client;
use tests::people::{member, person, switched, text};

const JANE: &str = "jane@example.com";

/// A person who has a workspace, acting there; and its path.
async fn shop(app: &TestApp) -> (Client, String, String) {
    let (person, _) = person(app, JANE).await;
    let workspace = person.create("/api/workspaces", json!({"name": "Jane's shop"})).await;
    let path = format!("/api/workspaces/{workspace}");
    (switched(&person, &workspace).await, workspace, path)
}

async fn opens_a_cart(client: &Client) -> u16 {
    client.post("/api/ecommerce/carts", json!({"currency": "EUR"})).await.status
}

fn roles(all: &[&str]) -> Value {
    json!({"roles": all})
}

#[tokio::test]
async fn what_a_member_may_do_changes_with_their_roles_and_ends_with_their_membership() {
    let app = TestApp::with_people().await;
    let (jane, shop, path) = shop(&app).await;
    let (ed, eds) = member(&app, &jane, &shop, "ed@example.com", &["editor"]).await;
    let own = format!("{path}/members/{eds}");
    assert_eq!(opens_a_cart(&ed).await, 201);
    assert_eq!(jane.put(&format!("{own}/roles"), roles(&["viewer"])).await.status, 200);
    assert_eq!(opens_a_cart(&ed).await, 403);
    assert_eq!(jane.show(&own).await["roles"], json!(["viewer"]));

    assert_eq!(ed.get("/api/ecommerce/orders").await.status, 200);
    assert_eq!(jane.delete(&own).await.status, 200);
    assert_eq!(ed.get("/api/ecommerce/orders").await.problem(), (403, "forbidden".into()));
    assert_eq!(jane.get(&own).await.problem(), (404, "not-found".into()));
    assert_eq!(jane.show(&format!("{path}/members")).await["items"].as_array().unwrap().len(), 1);
    assert_eq!(jane.delete(&own).await.status, 200, "they are gone, as was asked");
    let nobody = format!("{path}/members/acc_01h455vb4pex5vsknk084sn02q");
    assert_eq!(jane.delete(&nobody).await.problem(), (404, "membership/unknown".into()));
    let history = jane.show(&format!("{own}/history")).await;
    let told: Vec<&Value> =
        history["items"].as_array().unwrap().iter().map(|of| &of["event"]["type"]).collect();
    assert_eq!(told, ["Joined", "RolesChanged", "Removed"]);
}

#[tokio::test]
async fn members_see_each_other_and_who_manages_them_their_addresses() {
    let app = TestApp::with_people().await;
    let (jane, shop, path) = shop(&app).await;
    let (ed, _) = member(&app, &jane, &shop, "ed@example.com", &["editor"]).await;
    let listed = async |client: &Client, of: &str| {
        let items = client.show(&format!("{path}/members{of}")).await["items"].clone();
        items.as_array().unwrap().iter().map(|of| of["email"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&jane, "").await, [json!(JANE), json!("ed@example.com")]);
    assert_eq!(listed(&jane, "?role=editor").await, [json!("ed@example.com")]);
    assert_eq!(listed(&ed, "").await, [Value::Null, Value::Null]);
    assert_eq!(jane.get(&format!("{path}/members?role=boss")).await.status, 422);
}

#[tokio::test]
async fn the_owner_stays_until_another_owns_it() {
    let app = TestApp::with_people().await;
    let (jane, shop, path) = shop(&app).await;
    let (admin, admins) = member(&app, &jane, &shop, "ad@example.com", &["admin"]).await;
    let janes = text(&jane.show(&path).await, "owner");
    let leaving = jane.post(&format!("{path}/leave"), json!({})).await;
    assert_eq!(leaving.problem(), (409, "membership/owner".into()));
    let own = format!("{path}/members/{janes}");
    assert_eq!(jane.delete(&own).await.problem(), (409, "membership/owner".into()));
    assert_eq!(admin.delete(&own).await.problem(), (403, "forbidden".into()));
    let admins = format!("{path}/members/{admins}/roles");
    assert_eq!(jane.put(&admins, roles(&["owner"])).await.problem(), (422, "membership/one_owner".into()));
    assert_eq!(admin.put(&admins, roles(&["owner"])).await.problem(), (403, "forbidden".into()));
    assert_eq!(admin.post(&format!("{path}/leave"), json!({})).await.status, 200);
    assert_eq!(opens_a_cart(&admin).await, 403);
}

#[tokio::test]
async fn a_workspace_makes_roles_of_its_own() {
    let app = TestApp::with_people().await;
    let (jane, shop, path) = shop(&app).await;
    let all = format!("{path}/roles");
    let terms = |scopes: &[&str]| json!({"name": "Packer", "scopes": scopes});
    let packer = jane.create(&all, terms(&["order:read", "cart:manage"])).await;
    let (pat, pats) = member(&app, &jane, &shop, "pat@example.com", &[&packer]).await;
    assert_eq!(opens_a_cart(&pat).await, 201);
    assert_eq!(pat.get(&all).await.problem(), (403, "forbidden".into()));

    let own = format!("{all}/{packer}");
    assert_eq!(jane.put(&own, terms(&["order:read", "role:read"])).await.status, 200);
    assert_eq!(opens_a_cart(&pat).await, 403);
    assert_eq!(pat.show(&own).await["scopes"], json!(["order:read", "role:read"]));
    for bad in ["*", "platform:operate", "workspace:transfer", "order:burn"] {
        let refused = jane.post(&all, terms(&[bad])).await;
        assert_eq!(refused.problem(), (422, "role/bad_scope".into()), "{bad}");
    }
    assert_eq!(jane.delete(&own).await.status, 200);
    assert_eq!(pat.get("/api/ecommerce/orders").await.problem(), (403, "forbidden".into()));
    assert_eq!(jane.show(&format!("{all}?retired=true")).await["items"].as_array().unwrap().len(), 1);
    assert_eq!(jane.show(&format!("{all}?retired=false")).await["items"], json!([]));
    // What is retired, or was never there, is given to nobody.
    let pats = format!("{path}/members/{pats}/roles");
    for gone in [packer.as_str(), "role_01h455vb4pex5vsknk084sn02q"] {
        let refused = jane.put(&pats, roles(&[gone])).await;
        assert_eq!(refused.problem(), (404, "role/unknown".into()), "{gone}");
    }
}

#[tokio::test]
async fn what_each_built_in_role_allows_is_shown() {
    let app = TestApp::with_people().await;
    let told = app.owner.show("/api/roles").await;
    let named: Vec<&str> =
        told["roles"].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["owner", "admin", "editor", "viewer", "auditor", "integrator"]);
    let (owner, admin) = (&told["roles"][0]["scopes"], &told["roles"][1]["scopes"]);
    assert!(owner.as_array().unwrap().contains(&json!("workspace:transfer")));
    assert!(!admin.as_array().unwrap().contains(&json!("workspace:transfer")));
    assert_eq!(admin.as_array().unwrap().len(), told["scopes"].as_array().unwrap().len());
}

/// Somebody who manages people and may do little else themselves.
#[tokio::test]
async fn nobody_gives_what_they_do_not_have_nor_takes_what_they_could_not_give() {
    let app = TestApp::with_people().await;
    let (jane, shop, path) = shop(&app).await;
    let manages = ["invitation:manage", "member:manage", "member:read", "role:manage", "role:read"];
    let define = json!({"name": "People", "scopes": manages});
    let people = jane.create(&format!("{path}/roles"), define).await;
    let (pat, pats) = member(&app, &jane, &shop, "pat@example.com", &[&people]).await;
    let (_, eds) = member(&app, &jane, &shop, "ed@example.com", &["editor"]).await;
    let (_, sues) = member(&app, &jane, &shop, "sue@example.com", &[&people]).await;
    let forbidden = (403, "forbidden".to_owned());
    let of = |account: &str| format!("{path}/members/{account}");

    // To themselves, to another, by mail, by a role, by changing the role that they have.
    for account in [&pats, &sues] {
        for more in [&["admin"][..], &["viewer"], &[&people, "viewer"]] {
            let refused = pat.put(&format!("{}/roles", of(account)), roles(more)).await;
            assert_eq!(refused.problem(), forbidden, "{more:?}");
        }
    }
    let invite = json!({"email": "eve@example.com", "roles": ["viewer"]});
    assert_eq!(pat.post(&format!("{path}/invitations"), invite).await.problem(), forbidden);
    let more = json!({"name": "More", "scopes": ["order:read"]});
    assert_eq!(pat.post(&format!("{path}/roles"), more.clone()).await.problem(), forbidden);
    assert_eq!(pat.put(&format!("{path}/roles/{people}"), more).await.problem(), forbidden);

    // All of that is on record: the first of a kind at once.
    let denied: Vec<String> = sqlx::query_scalar(
        "select payload->>'scope' from events where aggregate_type = 'identity.denial' and aggregate_id like $1",
    )
    .bind(format!("%/{pats}"))
    .fetch_all(&app.database.pool)
    .await
    .unwrap();
    assert!(denied.contains(&"order:read".to_owned()), "{denied:?}");

    // Who may do more is not theirs to manage.
    assert_eq!(pat.delete(&of(&eds)).await.problem(), forbidden);
    assert_eq!(pat.put(&format!("{}/roles", of(&eds)), roles(&[&people])).await.problem(), forbidden);
    let packer = json!({"name": "Packer", "scopes": ["order:read"]});
    let packer = jane.create(&format!("{path}/roles"), packer).await;
    let less = json!({"name": "Less", "scopes": ["role:read"]});
    assert_eq!(pat.put(&format!("{path}/roles/{packer}"), less.clone()).await.problem(), forbidden);
    assert_eq!(pat.delete(&format!("{path}/roles/{packer}")).await.problem(), forbidden);

    // What they have is.
    let less = pat.create(&format!("{path}/roles"), less).await;
    assert_eq!(pat.put(&format!("{}/roles", of(&sues)), roles(&[&people, &less])).await.status, 200);
    let invite = json!({"email": "eve@example.com", "roles": [&less]});
    assert_eq!(pat.post(&format!("{path}/invitations"), invite).await.status, 201);
    assert_eq!(pat.delete(&of(&sues)).await.status, 200);
}
