//! Log: made-up events, appended as commands append theirs.

use chrono::{DateTime, Utc};
use commands::EventStore;
use commands::store::appender::{Append, Appended, Entry, NewEvent};
use commands::store::stream;
use domain::ids::WorkspaceId;
use futures::{StreamExt, stream as futures_stream};
use uuid::Uuid;

const TYPES: [&str; 4] = ["commerce.order", "commerce.stock", "finance.payment", "identity.workspace"];
/// Events of one made-up stream.
const LENGTH: usize = 5;

/// Appends at least `n` events to streams of their own: of four capabilities in three contexts and two
/// workspaces, some of a command's events on one stream and some on two.
///
/// # Panics
/// If one of them is not taken.
pub async fn append_some(store: &EventStore, n: usize) {
    futures_stream::iter(0..n.div_ceil(2 * LENGTH))
        .map(|number| async move {
            let (order, payment) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
            for version in 0..LENGTH {
                let on = |id: &str, aggregate_type| entry(number, id, aggregate_type, version);
                let (first, second) = (TYPES[number % TYPES.len()], TYPES[(number + 1) % TYPES.len()]);
                let entries = vec![on(&order, first), on(&payment, second)];
                append(store, workspace(number), entries).await;
            }
        })
        .buffer_unordered(32)
        .collect::<()>()
        .await;
}

/// Appends two events of two streams, at once.
///
/// # Panics
/// If they are not taken.
pub async fn append_two(store: &EventStore) {
    let on = |aggregate_type| entry(0, &Uuid::now_v7().to_string(), aggregate_type, 0);
    append(store, workspace(0), vec![on(TYPES[0]), on(TYPES[2])]).await;
}

fn workspace(number: usize) -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::from_u128(1 + number as u128 % 2))
}

fn entry(number: usize, id: &str, aggregate_type: &'static str, version: usize) -> Entry {
    let event = NewEvent {
        event_id: Uuid::now_v7(),
        event_type: if version == 0 { "Made" } else { "LineAdded" }.into(),
        event_version: "1".into(),
        // Text that a parser would write otherwise: the topics must hold it as it is.
        payload: format!("{{\"type\":\"Made\",  \"z\": {version}, \"a\":\"\\u00e9 é\",\"n\":{number}.0}}"),
        metadata: metadata(version),
        effective_at: time(1_600_000_000_000_000 + 1_001_001 * number as i64 - 1_001_000 * version as i64),
    };
    Entry {
        aggregate_type,
        aggregate_id: stream(workspace(number), id),
        expected: i64::try_from(version).expect("small"),
        events: vec![event],
    }
}

fn metadata(version: usize) -> String {
    let (correlation, cause) = (Uuid::now_v7(), Uuid::now_v7());
    let causation = if version % 2 == 1 { format!(",\"causation\":\"{cause}\"") } else { String::new() };
    format!(
        "{{\"actor\":\"cli:test\",\"command\":\"test\",\"command_id\":\"{cause}\",\"correlation\":\"{correlation}\"{causation}}}"
    )
}

fn time(microseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(microseconds).expect("a valid time")
}

async fn append(store: &EventStore, workspace: WorkspaceId, entries: Vec<Entry>) {
    match send(store, workspace, entries).await {
        Appended::Done(Ok(_)) => {}
        other => panic!("the append was not taken: {other:?}"),
    }
}

/// Appends one event to a made-up stream of which that version is expected; what became of it.
pub async fn append_at(store: &EventStore, id: &str, version: usize) -> Appended {
    send(store, workspace(0), vec![entry(0, id, TYPES[0], version)]).await
}

async fn send(store: &EventStore, workspace: WorkspaceId, entries: Vec<Entry>) -> Appended {
    let append = Append {
        command_id: Uuid::now_v7(),
        request_hash: Vec::new(),
        subject: "test".into(),
        version: entries[0].expected + 1,
        refusal: None,
        workspace: workspace.uuid(),
        entries,
    };
    let at = time(1_700_000_000_000_000 + i64::from(Uuid::now_v7().as_bytes()[15]));
    store.append(append, at).await.expect("the store answers")
}
