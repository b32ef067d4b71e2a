//! Reads: fresh enough, in pages, and of what is asked.

use super::server::Server;

#[tokio::test]
async fn a_read_shows_what_was_written_or_says_that_it_cannot_yet() {
    let server = Server::start().await;
    let id = server.jar().await;
    let path = format!("/api/jars/{id}?min_position=p1");
    let behind = server.get(&path).await;
    assert_eq!(behind.problem(), (503, "projection-behind".into()));
    assert_eq!(behind.header("retry-after"), "1");
    server.view.reaches(1);
    let shown = server.get(&path).await;
    assert_eq!((shown.status, shown.header("position"), shown.header("etag")), (200, "p1", "\"1\""));
    let unheard_of = server.get(&format!("/api/jars/{id}?min_position=p2")).await;
    assert_eq!(unheard_of.problem(), (422, "validation".into()));
    assert_eq!(unheard_of.errors(), ["min_position out-of-range"]);
    for position in ["1", "p", "pG", "p-1", "pffffffffffffffff", ""] {
        let answer = server.get(&format!("/api/jars/{id}?min_position={position}")).await;
        assert_eq!(answer.problem(), (422, "validation".into()), "{position}");
        assert_eq!(answer.errors(), ["min_position form"], "{position}");
    }
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let server = Server::start().await;
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = server.get(&format!("/api/jars{query}")).await.json();
        seen.push(page["items"].clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, [serde_json::json!([1, 2]), serde_json::json!([3, 4]), serde_json::json!([5])]);
}

#[tokio::test]
async fn a_cursor_is_the_workspaces_own() {
    let server = Server::start().await;
    let page = server.get("/api/jars?limit=2").await.json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let stranger = domain::ids::WorkspaceId::from_uuid(uuid::Uuid::now_v7());
    let stranger = server.keys.issue(stranger, &["*"]).reveal();
    let request = server.http.get(format!("http://{}/api/jars?cursor={cursor}", server.address));
    let answer = super::server::send(request.bearer_auth(stranger)).await;
    assert_eq!(answer.problem(), (400, "cursor-invalid".into()));
    let made_up = server.get("/api/jars?cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!(made_up.problem(), (400, "cursor-invalid".into()));
    assert_eq!(server.get("/api/jars?cursor=x").await.errors(), ["cursor form"]);
}

#[tokio::test]
async fn a_misspelt_parameter_is_no_filter() {
    let server = Server::start().await;
    let answer = server.get("/api/jars?limits=2&limit=201").await;
    assert_eq!(answer.problem(), (422, "validation".into()));
    assert_eq!(answer.errors(), ["limit out-of-range", "limits unknown"]);
    let twice = server.get("/api/jars?limit=1&limit=2").await;
    assert_eq!(twice.problem(), (400, "duplicate-parameter".into()));
    assert_eq!(server.get("/api/jars?cursor=%00").await.problem(), (422, "validation".into()));
    assert_eq!(server.get("/api/jars?cursor=%ff").await.problem(), (400, "bad-request".into()));
}

#[tokio::test]
async fn a_name_that_cannot_be_is_like_one_that_is_not() {
    let server = Server::start().await;
    let without_id = |answer: super::server::Answer| {
        let mut problem = answer.json();
        problem.as_object_mut().unwrap().retain(|name, _| name != "instance" && name != "request_id");
        problem
    };
    let unknown = server.get("/api/jars/cart_01h455vb4pex5vsknk084sn02q").await;
    assert_eq!(unknown.problem(), (404, "not-found".into()));
    let unknown = without_id(unknown);
    for id in ["x", "ord_01h455vb4pex5vsknk084sn02q", "cart_01H455VB4PEX5VSKNK084SN02Q", "%F0%9F%90%8E"] {
        assert_eq!(without_id(server.get(&format!("/api/jars/{id}")).await), unknown, "{id}");
    }
}
