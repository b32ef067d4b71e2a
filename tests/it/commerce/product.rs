//! A product's life over HTTP.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tests::app::TestApp;

const PRODUCTS: &str = "/api/ecommerce/products";

fn lamp() -> Value {
    json!({
        "title": "Lamp",
        "description": "Bright",
        "variants": [{
            "sku": "LAMP-S",
            "title": "Small",
            "prices": [{"amount": 1000, "currency": "USD"}, {"amount": 900, "currency": "EUR"}],
            "attributes": {"size": "S"}
        }]
    })
}

fn bare(title: &str) -> Value {
    json!({"title": title})
}

fn titles(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|product| product["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn is_shown_as_it_was_created() {
    let app = TestApp::start().await;
    let id = app.owner.create(PRODUCTS, lamp()).await;
    app.owner.create(PRODUCTS, bare("Chair")).await;
    let shown = app.owner.get(&format!("{PRODUCTS}/{id}")).await;
    assert_eq!((shown.status, shown.header("etag")), (200, "\"1\""));
    assert_eq!(
        shown.json(),
        json!({
            "workspace_id": app.workspace.to_string(),
            "id": id,
            "title": "Lamp",
            "description": "Bright",
            "variants": [{
                "sku": "LAMP-S",
                "title": "Small",
                "prices": [
                    {"amount": 900, "currency": "EUR", "decimal": "9.00"},
                    {"amount": 1000, "currency": "USD", "decimal": "10.00"}
                ],
                "attributes": {"size": "S"}
            }],
            "archived": false,
            "version": 1,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z"
        })
    );
}

#[tokio::test]
async fn changes_until_it_is_archived_and_again_once_it_is_restored() {
    let app = TestApp::start().await;
    let lamp = format!("{PRODUCTS}/{}", app.owner.create(PRODUCTS, lamp()).await);
    let price = format!("{lamp}/variants/LAMP-S/prices/USD");
    let large = json!({"sku": "LAMP-L", "title": "Large"});

    let changes = [
        app.owner.post(&format!("{lamp}/rename"), json!({"title": "Desk lamp"})).await,
        app.owner.put(&format!("{lamp}/description"), json!({"description": null})).await,
        app.owner.post(&format!("{lamp}/variants"), large).await,
        app.owner.put(&price, json!({"amount": 1100})).await,
        app.owner.delete(&format!("{lamp}/variants/LAMP-S/prices/EUR")).await,
        app.owner.post(&format!("{lamp}/archive"), json!({})).await,
    ];
    for (change, version) in changes.iter().zip(2..) {
        assert_eq!((change.status, &change.json()["version"]), (200, &json!(version)), "{change:?}");
    }
    let shown = app.owner.get(&lamp).await.json();
    assert_eq!((&shown["title"], &shown["description"]), (&json!("Desk lamp"), &Value::Null));
    assert_eq!(
        shown["variants"][0]["prices"],
        json!([{"amount": 1100, "currency": "USD", "decimal": "11.00"}])
    );
    assert_eq!(shown["variants"][1]["sku"], "LAMP-L");
    assert_eq!((&shown["archived"], &shown["version"]), (&json!(true), &json!(7)));

    let refused = app.owner.put(&price, json!({"amount": 1})).await;
    assert_eq!(refused.problem(), (409, "product/archived".into()));
    assert_eq!(app.owner.post(&format!("{lamp}/restore"), json!({})).await.status, 200);
    assert_eq!(app.owner.put(&price, json!({"amount": 1})).await.status, 200);
    assert_eq!(app.owner.get(&lamp).await.json()["version"], 9);
}

#[tokio::test]
async fn no_two_products_share_a_sku() {
    let app = TestApp::start().await;
    let id = app.owner.create(PRODUCTS, lamp()).await;
    assert_eq!(app.owner.post(PRODUCTS, lamp()).await.problem(), (409, "sku/taken".into()));
    let chair = format!("{PRODUCTS}/{}", app.owner.create(PRODUCTS, bare("Chair")).await);
    let small = json!({"sku": "LAMP-S", "title": "Small"});
    let taken = app.owner.post(&format!("{chair}/variants"), small.clone()).await;
    assert_eq!(taken.problem(), (409, "sku/taken".into()));
    let listed = app.owner.get(&format!("{PRODUCTS}?sort=title")).await.json();
    assert_eq!((titles(&listed), &listed["items"][0]["variants"]), (vec!["Chair", "Lamp"], &json!([])));

    // It is not the chair's to give up, and the chair is without it as it is.
    let absent = app.owner.delete(&format!("{chair}/variants/LAMP-S")).await;
    assert_eq!((absent.status, &absent.json()["version"]), (200, &json!(1)), "{absent:?}");
    let taken = app.owner.post(&format!("{chair}/variants"), small.clone()).await;
    assert_eq!(taken.problem(), (409, "sku/taken".into()));

    let removed = app.owner.delete(&format!("{PRODUCTS}/{id}/variants/LAMP-S")).await;
    assert_eq!(removed.status, 200);
    assert_eq!(app.owner.post(&format!("{chair}/variants"), small).await.status, 200);
    assert_eq!(app.owner.get(&chair).await.json()["variants"][0]["sku"], "LAMP-S");
}

#[tokio::test]
async fn another_workspace_has_its_own_skus_and_sees_nothing_of_it() {
    let app = TestApp::start().await;
    let lamp_id = app.owner.create(PRODUCTS, lamp()).await;
    let stranger = app.stranger();
    stranger.create(PRODUCTS, lamp()).await;

    let unknown = format!("{PRODUCTS}/prod_00000000000000000000000000");
    let lamp = format!("{PRODUCTS}/{lamp_id}");
    for path in [&lamp, &unknown] {
        assert_eq!(stranger.get(path).await.problem(), (404, "not-found".into()));
        assert_eq!(stranger.get(&format!("{path}/history")).await.problem(), (404, "not-found".into()));
        let renamed = stranger.post(&format!("{path}/rename"), json!({"title": "Mine"})).await;
        assert_eq!(renamed.problem(), (404, "product/unknown".into()));
    }
    assert_eq!(titles(&stranger.get(PRODUCTS).await.json()), ["Lamp"]);
    assert_eq!(app.owner.get(&lamp).await.json()["version"], 1);
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_read_page_by_page() {
    let app = TestApp::start().await;
    for title in ["Chair", "Table", "Desk lamp", "Armchair"] {
        app.owner.create(PRODUCTS, bare(title)).await;
        app.clock.advance(TimeDelta::seconds(1));
    }
    let id = app.owner.create(PRODUCTS, lamp()).await;
    app.owner.post(&format!("{PRODUCTS}/{id}/archive"), json!({})).await;

    for (query, found) in [
        ("", vec!["Lamp", "Armchair", "Desk lamp", "Table", "Chair"]),
        ("?sort=created", vec!["Chair", "Table", "Desk lamp", "Armchair", "Lamp"]),
        ("?sort=title", vec!["Armchair", "Chair", "Desk lamp", "Lamp", "Table"]),
        ("?sort=-title", vec!["Table", "Lamp", "Desk lamp", "Chair", "Armchair"]),
        ("?title=CHAIR&sort=title", vec!["Armchair", "Chair"]),
        ("?title=%25", vec![]),
        ("?sku=LAMP-S", vec!["Lamp"]),
        ("?sku=LAMP", vec![]),
        ("?archived=true", vec!["Lamp"]),
        ("?archived=false&title=lamp", vec!["Desk lamp"]),
    ] {
        let page = app.owner.get(&format!("{PRODUCTS}{query}")).await.json();
        assert_eq!((titles(&page), page.get("next_cursor")), (found, None), "{query}");
    }
    for sort in ["created", "-created", "title", "-title"] {
        let whole = app.owner.get(&format!("{PRODUCTS}?sort={sort}")).await.json();
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.owner.get(&format!("{PRODUCTS}?sort={sort}&limit=2{cursor}")).await.json();
            seen.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(json!(seen), whole["items"], "{sort}");
    }
}

#[tokio::test]
async fn its_history_tells_who_did_what() {
    let app = TestApp::start().await;
    let lamp = format!("{PRODUCTS}/{}", app.owner.create(PRODUCTS, bare("Lamp")).await);
    app.owner.create(PRODUCTS, bare("Chair")).await;
    app.owner.post(&format!("{lamp}/rename"), json!({"title": "Desk lamp"})).await;
    app.owner.post(&format!("{lamp}/archive"), json!({})).await;
    let first = app.owner.get(&format!("{lamp}/history?limit=2")).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = app.owner.get(&format!("{lamp}/history?limit=2&cursor={cursor}")).await.json();
    let told: Vec<Value> = [&first, &rest]
        .into_iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|event| json!([event["version"], event["command"], event["event"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!([1, "product.create", {"type": "Created", "title": "Lamp", "variants": []}]),
            json!([2, "product.rename", {"type": "Renamed", "title": "Desk lamp"}]),
            json!([3, "product.archive", {"type": "Archived"}]),
        ]
    );
    assert!(first["items"][0]["actor"].as_str().unwrap().starts_with("key_"));
    assert_eq!(rest.get("next_cursor"), None);
}

#[tokio::test]
async fn a_repeated_creation_creates_nothing_more() {
    let app = TestApp::start().await;
    let create = || {
        let request = app.owner.request(Method::POST, PRODUCTS).header("idempotency-key", "lamp-1");
        app.owner.send(request.json(&lamp()))
    };
    let (first, again) = (create().await, create().await);
    assert_eq!((first.status, &first.body), (201, &again.body));
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(titles(&app.owner.get(PRODUCTS).await.json()), ["Lamp"]);
}

#[tokio::test]
async fn a_change_is_taken_at_the_version_one_saw_and_no_other() {
    let app = TestApp::start().await;
    let lamp = format!("{PRODUCTS}/{}", app.owner.create(PRODUCTS, bare("Lamp")).await);
    let rename = |title: &'static str| {
        let request = app.owner.request(Method::POST, &format!("{lamp}/rename")).header("if-match", "\"1\"");
        app.owner.send(request.json(&bare(title)))
    };
    assert_eq!(rename("Desk lamp").await.status, 200);
    let stale = rename("Floor lamp").await;
    assert_eq!(stale.problem(), (412, "precondition-failed".into()));
    assert_eq!(stale.json()["current"], 2);
    assert_eq!(app.owner.get(&lamp).await.json()["title"], "Desk lamp");
}

#[tokio::test]
async fn looking_and_changing_take_a_scope_each() {
    let app = TestApp::start().await;
    let lamp = format!("{PRODUCTS}/{}", app.owner.create(PRODUCTS, bare("Lamp")).await);
    let (reader, manager) = (app.with_scopes(&["product:read"]), app.with_scopes(&["product:manage"]));
    assert_eq!(reader.get(&lamp).await.status, 200);
    assert_eq!(manager.post(&format!("{lamp}/archive"), json!({})).await.status, 200);
    for forbidden in [
        reader.post(PRODUCTS, bare("Chair")).await,
        reader.post(&format!("{lamp}/rename"), bare("Chair")).await,
        reader.put(&format!("{lamp}/description"), json!({})).await,
        reader.post(&format!("{lamp}/variants"), json!({"sku": "L", "title": "Large"})).await,
        reader.delete(&format!("{lamp}/variants/L")).await,
        reader.put(&format!("{lamp}/variants/L/prices/USD"), json!({"amount": 1})).await,
        reader.delete(&format!("{lamp}/variants/L/prices/USD")).await,
        reader.post(&format!("{lamp}/archive"), json!({})).await,
        reader.post(&format!("{lamp}/restore"), json!({})).await,
        manager.get(&lamp).await,
        manager.get(PRODUCTS).await,
        manager.get(&format!("{lamp}/history")).await,
    ] {
        assert_eq!(forbidden.problem(), (403, "forbidden".into()));
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_a_new_one_is_told_at_once() {
    let app = TestApp::start().await;
    let wrong = json!({
        "title": "",
        "descripton": "misspelt",
        "variants": [
            {"sku": "LAMP!", "title": " ", "prices": [{"amount": -1, "currency": "usd"}]},
            {"title": "Large", "attributes": {"size": 1}}
        ]
    });
    let told = app.owner.post(PRODUCTS, wrong).await;
    assert_eq!(told.problem(), (422, "validation".into()));
    assert_eq!(
        told.errors(),
        [
            "/descripton unknown",
            "/title form",
            "/title length",
            "/variants/0/prices/0/amount out-of-range",
            "/variants/0/prices/0/currency choice",
            "/variants/0/sku form",
            "/variants/0/title form",
            "/variants/1/attributes/size type",
            "/variants/1/sku required",
        ]
    );
    assert_eq!(titles(&app.owner.get(PRODUCTS).await.json()), Vec::<&str>::new());
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_not_taken() {
    let app = TestApp::start().await;
    let lamp = format!("{PRODUCTS}/{}", app.owner.create(PRODUCTS, lamp()).await);
    let prices = format!("{lamp}/variants/LAMP-S/prices");
    for (answer, error) in [
        (app.owner.post(&format!("{lamp}/rename"), bare(&"x".repeat(201))).await, "/title length"),
        (app.owner.put(&format!("{lamp}/description"), json!({"description": 1})).await, "/description type"),
        (app.owner.post(&format!("{lamp}/variants"), json!({"sku": "L"})).await, "/title required"),
        (app.owner.post(&format!("{lamp}/archive"), json!({"why": 1})).await, " unknown"),
        (app.owner.put(&format!("{prices}/USD"), json!({"amount": -1})).await, "/amount out-of-range"),
    ] {
        assert_eq!((answer.status, answer.errors()), (422, vec![error.to_owned()]));
    }
    let twice = json!([{"amount": 1, "currency": "USD"}, {"amount": 2, "currency": "USD"}]);
    let variant = json!({"sku": "LAMP-L", "title": "Large", "prices": twice});
    let refused = app.owner.post(&format!("{lamp}/variants"), variant).await;
    assert_eq!(refused.problem(), (422, "product/duplicate_price".into()));
    let unknown = app.owner.put(&format!("{lamp}/variants/LAMP-L/prices/USD"), json!({"amount": 1})).await;
    assert_eq!(unknown.problem(), (404, "product/unknown_variant".into()));
    let no_currency = app.owner.put(&format!("{prices}/XXX"), json!({"amount": 1})).await;
    assert_eq!(no_currency.problem(), (404, "not-found".into()));
    let lev = app.owner.put(&format!("{prices}/BGN"), json!({"amount": 1})).await;
    assert_eq!((lev.status, lev.errors()), (422, vec!["currency choice".to_owned()]));
    assert!(lev.body.contains("BGN was withdrawn in 2026-01: use EUR"), "{lev:?}");
    assert_eq!(app.owner.get(&lamp).await.json()["version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn gives_no_sku_away_of_which_goods_lie_anywhere() {
    let app = TestApp::with_gateway().await;
    app.sell("TEE", 1_000, 7).await;
    app.drain().await;
    let product = app.owner.show(PRODUCTS).await["items"][0]["id"].as_str().unwrap().to_owned();
    let variant = format!("{PRODUCTS}/{product}/variants/TEE");
    let kept = app.owner.delete(&variant).await;
    assert_eq!(kept.problem(), (409, "product/sku_in_stock".into()));
    assert!(kept.json()["detail"].as_str().unwrap().starts_with("7 units of it lie at TEE@main"), "{kept:?}");
    let gone = json!({"delta": -7, "reason": "sold at the door"});
    assert_eq!(app.owner.post("/api/ecommerce/stock/TEE/main/adjust", gone).await.status, 200);
    assert_eq!(app.owner.delete(&variant).await.status, 200);
    app.sell("TEE", 2_000, 0).await;
    app.drain().await;
    assert_eq!(app.stock("TEE").await, (0, 0));
}

#[tokio::test]
async fn is_described_in_lines_and_characters_and_called_something_to_see() {
    let app = TestApp::start().await;
    let described = |text: &str| json!({"title": "Lamp", "description": text});
    let id = app.owner.create(PRODUCTS, described("a\nb")).await;
    assert_eq!(app.owner.get(&format!("{PRODUCTS}/{id}")).await.json()["description"], "a\nb");
    app.owner.create(PRODUCTS, described(&"あ".repeat(10_000))).await;
    let long = app.owner.post(PRODUCTS, described(&"あ".repeat(10_001))).await;
    assert_eq!((long.status, long.errors()), (422, vec!["/description length".to_owned()]));
    let unseen = app.owner.post(PRODUCTS, bare("\u{200b}")).await;
    assert_eq!(unseen.problem(), (422, "product/bad_title".to_owned()));
    let lines = app.owner.post(PRODUCTS, bare("a\nb")).await;
    assert_eq!((lines.status, lines.errors()), (422, vec!["/title text".to_owned()]));
    let price = json!({"amount": 10_000_000_000_001i64, "currency": "USD"});
    let variant = json!({"sku": "GOLD", "title": "Gold", "prices": [price]});
    let dear = app.owner.post(PRODUCTS, json!({"title": "Lamp", "variants": [variant]})).await;
    assert_eq!(dear.problem(), (422, "amount-out-of-range".to_owned()));
}

#[tokio::test]
async fn is_found_and_sorted_whatever_the_case_and_the_accents() {
    let app = TestApp::start().await;
    for title in ["zebra", "Äpfel 2", "apfel 1", "Éclair", "Birne", "ＷＩＤＥ"] {
        app.owner.create(PRODUCTS, bare(title)).await;
    }
    let apples = || vec!["apfel 1", "Äpfel 2"];
    for (asked, found) in [
        ("apfel", apples()),
        ("%C3%84PFEL", apples()),
        ("%C3%A4pfel", apples()),
        ("clair", vec!["Éclair"]),
        ("wide", vec!["ＷＩＤＥ"]),
        ("%25", vec![]),
    ] {
        let page = app.owner.get(&format!("{PRODUCTS}?title={asked}&sort=title")).await.json();
        assert_eq!(titles(&page), found, "{asked}");
    }
    let mut seen = Vec::new();
    let mut next = format!("{PRODUCTS}?sort=title&limit=2");
    loop {
        let page = app.owner.get(&next).await.json();
        seen.extend(titles(&page).into_iter().map(str::to_owned));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("{PRODUCTS}?sort=title&limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["apfel 1", "Äpfel 2", "Birne", "Éclair", "ＷＩＤＥ", "zebra"]);
}
