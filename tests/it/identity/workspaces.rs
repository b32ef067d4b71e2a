//! Workspaces over HTTP: what they are called, how they reckon, whose they are, and when they take no commands.

use chrono::TimeDelta;
use domain::identity::workspace::PLATFORM;
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::client::Client;
use tests::people::{SECRET, member, person, switched, text};

const JANE: &str = "jane@example.com";

/// A person who has a workspace, acting there; and its id.
async fn shop(app: &TestApp, email: &str) -> (Client, String) {
    let (person, _) = person(app, email).await;
    let workspace = person.create("/api/workspaces", json!({"name": "Jane's shop"})).await;
    (switched(&person, &workspace).await, workspace)
}

fn at(workspace: &str, rest: &str) -> String {
    format!("/api/workspaces/{workspace}{rest}")
}

#[tokio::test]
async fn a_workspace_is_renamed_and_settled_and_tells_what_has_happened_to_it() {
    let app = TestApp::with_people().await;
    let (jane, shop) = shop(&app, JANE).await;
    let (editor, _) = member(&app, &jane, &shop, "ed@example.com", &["editor"]).await;
    let (auditor, _) = member(&app, &jane, &shop, "au@example.com", &["auditor"]).await;

    assert_eq!(jane.post(&at(&shop, "/rename"), json!({"name": "Blue lamps"})).await.status, 200);
    let settings = json!({"time_zone": "Europe/Berlin", "locale": "de-DE", "currency": "EUR"});
    assert_eq!(jane.put(&at(&shop, "/settings"), settings.clone()).await.status, 200);
    let shown = editor.show(&at(&shop, "")).await;
    assert_eq!((&shown["name"], &shown["settings"]), (&json!("Blue lamps"), &settings));
    assert_eq!(shown["suspended"], Value::Null);

    for (field, wrong) in [("time_zone", "Mars/Olympus"), ("locale", "english"), ("currency", "DEM")] {
        let mut settings = settings.clone();
        settings[field] = wrong.into();
        let refused = jane.put(&at(&shop, "/settings"), settings).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.errors()[0].starts_with(&format!("/{field} ")), "{refused:?}");
    }
    let refused = editor.post(&at(&shop, "/rename"), json!({"name": "Mine"})).await;
    assert_eq!(refused.problem(), (403, "forbidden".into()));

    assert_eq!(editor.get(&at(&shop, "/history")).await.problem(), (403, "forbidden".into()));
    let history = auditor.show(&at(&shop, "/history")).await;
    let told: Vec<&str> =
        history["items"].as_array().unwrap().iter().map(|of| of["event"]["type"].as_str().unwrap()).collect();
    assert_eq!(told, ["Created", "Renamed", "Settled"]);
    let owner = text(&shown, "owner");
    assert!(history["items"].as_array().unwrap().iter().all(|of| of["actor"] == owner.as_str()));

    // Who must show a second factor may do nothing more without one.
    let policy = json!({"of": "privileged"});
    assert_eq!(jane.put(&at(&shop, "/two-factor"), policy).await.status, 200);
    assert_eq!(editor.show(&at(&shop, "")).await["two_factor"], "privileged");
    let refused = jane.post(&at(&shop, "/rename"), json!({"name": "Lamps"})).await;
    assert_eq!(refused.problem(), (403, "second-factor-required".into()));
}

#[tokio::test]
async fn a_person_sees_the_workspaces_that_they_are_a_member_of() {
    let app = TestApp::with_people().await;
    let (jane, shop) = shop(&app, JANE).await;
    let (ben, own) = self::shop(&app, "ben@example.com").await;
    let listed = async |client: &Client| {
        let items = client.show("/api/workspaces").await["items"].clone();
        let of = |of: &Value| (text(of, "id"), text(of, "name"), of["roles"].clone());
        items.as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let name = || "Jane's shop".to_owned();
    assert_eq!(listed(&jane).await, [(shop.clone(), name(), json!(["owner"]))]);
    let token = tests::people::invited(&app, &jane, &shop, "ben@example.com", &["viewer"]).await;
    app.pass(TimeDelta::seconds(1)).await;
    assert_eq!(ben.post("/api/workspaces/invitations/accept", json!({"token": token})).await.status, 200);
    let both = [(own.clone(), name(), json!(["owner"])), (shop.clone(), name(), json!(["viewer"]))];
    assert_eq!(listed(&ben).await, both);
    // Who acts in one sees nothing of the other by its id.
    assert_eq!(ben.get(&at(&shop, "")).await.problem(), (404, "not-found".into()));
    assert_eq!(ben.post(&at(&shop, "/leave"), json!({})).await.status, 200);
    assert_eq!(listed(&ben).await, both[..1]);
    assert_eq!(ben.post(&at(&shop, "/leave"), json!({})).await.problem().0, 404);
}

#[tokio::test]
async fn ownership_goes_to_another_member_whole_and_only_by_the_owner_who_is_there() {
    let app = TestApp::with_people().await;
    let (jane, shop) = shop(&app, JANE).await;
    let (ben, bens) = member(&app, &jane, &shop, "ben@example.com", &["viewer"]).await;
    let (admin, admins) = member(&app, &jane, &shop, "ad@example.com", &["admin"]).await;
    let transfer = at(&shop, "/transfer");
    let to = |account: &str| json!({"account": account});
    let nobody = jane.post(&transfer, to("acc_01h455vb4pex5vsknk084sn02q")).await;
    assert_eq!(nobody.problem(), (404, "membership/unknown".into()));
    assert_eq!(admin.post(&transfer, to(&admins)).await.problem(), (403, "forbidden".into()));

    let handed = jane.post(&transfer, to(&bens)).await;
    assert_eq!(handed.status, 200, "{handed:?}");

    let shown = ben.show(&at(&shop, "")).await;
    assert_eq!(shown["owner"], bens.as_str());
    let roles = async |client: &Client, who: &str| {
        client.show(&at(&shop, &format!("/members/{who}"))).await["roles"].clone()
    };
    let janes = text(&ben.show(&at(&shop, "/history")).await["items"][0], "actor");
    assert_eq!((roles(&ben, &bens).await, roles(&ben, &janes).await), (json!(["owner"]), json!(["admin"])));
    assert_eq!(jane.post(&transfer, to(&janes)).await.problem(), (403, "forbidden".into()));
    // A program owns nothing, whatever it may do.
    let key = app.keys.issue(shop.parse().unwrap(), &["*"]).reveal();
    let program = app.owner.with_key(key);
    assert_eq!(program.post(&transfer, to(&janes)).await.problem(), (403, "people-only".into()));
}

#[tokio::test]
async fn who_has_not_lately_shown_who_they_are_hands_nothing_over_and_issues_no_key() {
    let app = TestApp::with_people().await;
    let (jane, tokens) = person(&app, JANE).await;
    let shop = jane.create("/api/workspaces", json!({"name": "Jane's shop"})).await;
    app.clock.advance(TimeDelta::minutes(11));
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let refreshed = jane.post("/api/auth/refresh", refresh).await.json();
    let jane = switched(&jane.with_key(text(&refreshed, "access_token")), &shop).await;
    let heir = json!({"account": tokens["account"]});
    let key = json!({"name": "shop", "scopes": ["order:read"]});
    let required = (403, "step-up-required".to_owned());
    assert_eq!(jane.post(&at(&shop, "/transfer"), heir.clone()).await.problem(), required);
    assert_eq!(jane.post("/api/api-keys", key.clone()).await.problem(), required);
    assert_eq!(jane.post("/api/auth/step-up", json!({"password": SECRET})).await.status, 200);
    assert_eq!(jane.post(&at(&shop, "/transfer"), heir).await.status, 200);
    assert_eq!(jane.post("/api/api-keys", key).await.status, 201);
}

#[tokio::test]
async fn the_platform_suspends_a_workspace_and_nobody_else() {
    let app = TestApp::with_people().await;
    let (jane, shop) = shop(&app, JANE).await;
    let token = tests::people::invited(&app, &jane, &shop, "ben@example.com", &["viewer"]).await;
    let (ben, _) = person(&app, "ben@example.com").await;
    let platform = app.owner.with_key(app.keys.issue(PLATFORM, &["platform:operate"]).reveal());
    let unpaid = json!({"reason": "unpaid"});
    let (suspend, resume) = (at(&shop, "/suspend"), at(&shop, "/resume"));
    let own = app.keys.issue(shop.parse().unwrap(), &["*", "platform:operate"]);
    for other in [&jane, &app.owner, &app.owner.with_key(own.reveal())] {
        assert_eq!(other.post(&suspend, unpaid.clone()).await.problem(), (403, "forbidden".into()));
    }
    let nowhere = at("ws_01h455vb4pex5vsknk084sn02q", "/suspend");
    assert_eq!(platform.post(&nowhere, unpaid.clone()).await.problem(), (404, "workspace/unknown".into()));

    assert_eq!(platform.post(&suspend, unpaid.clone()).await.status, 200);
    let suspended = (403, "workspace-suspended".to_owned());
    assert_eq!(jane.post(&at(&shop, "/rename"), json!({"name": "x"})).await.problem(), suspended);
    assert_eq!(jane.post(&at(&shop, "/leave"), json!({})).await.problem(), suspended);
    let accept = json!({"token": token});
    let accepted = ben.post("/api/workspaces/invitations/accept", accept.clone()).await;
    assert_eq!(accepted.problem(), suspended);
    assert_eq!(jane.show(&at(&shop, "")).await["suspended"], "unpaid");
    assert_eq!(jane.show("/api/workspaces").await["items"][0]["suspended"], true);

    assert_eq!(platform.post(&resume, json!({})).await.status, 200);
    assert_eq!(jane.post(&at(&shop, "/rename"), json!({"name": "x"})).await.status, 200);
    assert_eq!(ben.post("/api/workspaces/invitations/accept", accept).await.status, 200);
}
