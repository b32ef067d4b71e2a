//! Record: an event as it stands in Kafka (CloudEvents 1.0, binary content mode).
//!
//! A pure function of the event: the same event makes the same bytes wherever and whenever it is relayed.
//! Header values are plain UTF-8, as CloudEvents' Kafka binding says (percent-encoding is its HTTP binding's).

use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use commands::store::stream;
use domain::kernel::{Parsed, Recorded};
use rdkafka::Message;
use rdkafka::message::Headers;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What goes to Kafka for one event; its topic is that of its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRecord {
    pub position: i64,
    pub context: String,
    /// All events of a stream have one key, so they keep their order.
    pub key: String,
    pub headers: Vec<(&'static str, String)>,
    pub value: String,
}

/// The header that holds an event's position in the log.
pub const POSITION: &str = "ce_position";

/// The part of an event's metadata that its record shows.
#[derive(Default, Serialize, Deserialize)]
struct Trail {
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation: Option<Uuid>,
}

/// A record of which no event can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record holds no event of this platform: {0} is missing or of another form")]
pub struct StrangeRecord(pub &'static str);

/// An event as the topics hold it.
#[must_use]
pub fn record(event: &Recorded) -> OutgoingRecord {
    // Metadata that nobody can read must not hold back all events after it.
    let trail: Trail = serde_json::from_str(&event.metadata).unwrap_or_default();
    let (context, capability) = event.aggregate_type.split_once('.').unwrap_or(("", &event.aggregate_type));
    let mut headers = vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", event.event_id.to_string()),
        ("ce_source", format!("/workspaces/{}", event.workspace)),
        (
            "ce_type",
            format!(
                "com.mewayz.{}.{}.v{}",
                event.aggregate_type,
                snake_case(&event.event_type),
                event.event_version
            ),
        ),
        ("ce_subject", format!("{capability}/{}", event.id)),
        ("ce_time", time(event.effective_at)),
        // Readers compare sequences as texts.
        ("ce_sequence", format!("{:020}", event.workspace_position)),
        (POSITION, event.position.to_string()),
        ("ce_streamversion", event.sequence.to_string()),
        ("ce_recordedtime", time(event.recorded_at)),
    ];
    headers.extend(trail.correlation.map(|id| ("ce_correlationid", id.to_string())));
    headers.extend(trail.causation.map(|id| ("ce_causationid", id.to_string())));
    headers.push(("content-type", "application/json".to_owned()));
    OutgoingRecord {
        position: event.position,
        context: context.to_owned(),
        key: key(event),
        headers,
        value: event.payload.clone(),
    }
}

/// The key of an event's record.
#[must_use]
pub fn key(event: &Recorded) -> String {
    format!("{}/{}", event.aggregate_type, stream(event.workspace, &event.id))
}

/// The context and the partition, of so many, in which an event's record lies.
#[must_use]
pub fn place(event: &Recorded, partitions: i32) -> (String, i32) {
    let context = event.aggregate_type.split_once('.').map_or("", |(context, _)| context);
    (context.to_owned(), partition(key(event).as_bytes(), partitions))
}

/// The event that a record holds: the inverse of [`record`], but for the metadata, of which a record shows the trail
/// only.
///
/// # Errors
/// [`StrangeRecord`].
pub fn recorded(record: &impl Message) -> Result<Recorded, StrangeRecord> {
    let text = |bytes: Option<&[u8]>, name| {
        bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).ok_or(StrangeRecord(name))
    };
    let key = text(record.key(), "the key")?;
    let mut parts = key.splitn(3, '/');
    let (Some(aggregate_type), Some(_), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(StrangeRecord("the key"));
    };
    let workspace = header(record, "ce_source").and_then(|source| source.strip_prefix("/workspaces/"));
    let kind = header(record, "ce_type").and_then(|kind| kind.strip_prefix("com.mewayz."));
    let kind = kind.and_then(|kind| kind.strip_prefix(aggregate_type)?.strip_prefix('.'));
    let (event_type, version) =
        kind.and_then(|kind| kind.rsplit_once(".v")).ok_or(StrangeRecord("ce_type"))?;
    let trail = Trail {
        correlation: header(record, "ce_correlationid").and_then(|id| id.parse().ok()),
        causation: header(record, "ce_causationid").and_then(|id| id.parse().ok()),
    };
    Ok(Recorded {
        position: parsed(record, POSITION)?,
        workspace: workspace.and_then(|id| id.parse().ok()).ok_or(StrangeRecord("ce_source"))?,
        workspace_position: parsed(record, "ce_sequence")?,
        event_id: parsed(record, "ce_id")?,
        aggregate_type: aggregate_type.to_owned(),
        id: id.to_owned(),
        sequence: parsed(record, "ce_streamversion")?,
        event_type: camel_case(event_type),
        event_version: version.to_owned(),
        payload: text(record.payload(), "the value")?,
        metadata: serde_json::to_string(&trail).expect("two ids are JSON"),
        recorded_at: parsed(record, "ce_recordedtime")?,
        effective_at: parsed(record, "ce_time")?,
        parsed: Parsed::default(),
    })
}

/// The position of a record's event in the log.
///
/// # Errors
/// [`StrangeRecord`].
pub fn position(record: &impl Message) -> Result<i64, StrangeRecord> {
    parsed(record, POSITION)
}

/// The id of a record's event.
///
/// # Errors
/// [`StrangeRecord`].
pub(super) fn event_id(record: &impl Message) -> Result<Uuid, StrangeRecord> {
    parsed(record, "ce_id")
}

fn parsed<T: FromStr>(record: &impl Message, name: &'static str) -> Result<T, StrangeRecord> {
    header(record, name).and_then(|value| value.parse().ok()).ok_or(StrangeRecord(name))
}

fn header<'a>(record: &'a impl Message, name: &str) -> Option<&'a str> {
    let found = record.headers()?.iter().find(|header| header.key == name)?;
    std::str::from_utf8(found.value?).ok()
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// `LineAdded` as `line_added`.
fn snake_case(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// `line_added` as `LineAdded`.
fn camel_case(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut capital = true;
    for letter in name.chars() {
        match letter {
            '_' => capital = true,
            _ if std::mem::take(&mut capital) => text.push(letter.to_ascii_uppercase()),
            _ => text.push(letter),
        }
    }
    text
}

/// The partition that Kafka's own clients choose for a key (murmur2).
#[must_use]
pub fn partition(key: &[u8], partitions: i32) -> i32 {
    let positive = i32::try_from(murmur2(key) & 0x7fff_ffff).expect("31 bits fit");
    positive % partitions
}

fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(key.len()).expect("a key is far below 4 GiB");
    let mut hash = 0x9747_b28c ^ length;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (shift, &byte) in (0..).step_by(8).zip(rest) {
            hash ^= u32::from(byte) << shift;
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::WorkspaceId;
    use rdkafka::Timestamp;
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};

    fn event(metadata: &str) -> Recorded {
        Recorded {
            position: 1234,
            workspace: WorkspaceId::from_uuid(Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057)),
            workspace_position: 42,
            event_id: Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8058),
            aggregate_type: "commerce.order".into(),
            id: "ord_01h455vb4pex5vsknk084sn02q".into(),
            sequence: 3,
            event_type: "LineAdded".into(),
            event_version: "1".into(),
            payload: "{\"type\": \"LineAdded\",  \"note\": \"é\"}".into(),
            metadata: metadata.into(),
            recorded_at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            effective_at: DateTime::from_timestamp(1_600_000_000, 0).unwrap(),
            parsed: Parsed::default(),
        }
    }

    #[test]
    fn is_a_cloudevent_with_the_payload_as_it_was_stored() {
        let metadata = r#"{"actor":"key_1","command":"c","command_id":"00000000-0000-0000-0000-000000000001",
            "correlation":"00000000-0000-0000-0000-000000000002","causation":"00000000-0000-0000-0000-000000000003"}"#;
        let record = record(&event(metadata));
        assert_eq!(record.context, "commerce");
        assert_eq!(record.key, "commerce.order/ws_01h455vb4pex5vsknk084sn02q/ord_01h455vb4pex5vsknk084sn02q");
        assert_eq!(record.value, "{\"type\": \"LineAdded\",  \"note\": \"é\"}");
        let headers: Vec<String> =
            record.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            headers,
            [
                "ce_specversion: 1.0",
                "ce_id: 01890a5d-ac96-774b-bcce-b302099a8058",
                "ce_source: /workspaces/ws_01h455vb4pex5vsknk084sn02q",
                "ce_type: com.mewayz.commerce.order.line_added.v1",
                "ce_subject: order/ord_01h455vb4pex5vsknk084sn02q",
                "ce_time: 2020-09-13T12:26:40Z",
                "ce_sequence: 00000000000000000042",
                "ce_position: 1234",
                "ce_streamversion: 3",
                "ce_recordedtime: 2023-11-14T22:13:20.123456Z",
                "ce_correlationid: 00000000-0000-0000-0000-000000000002",
                "ce_causationid: 00000000-0000-0000-0000-000000000003",
                "content-type: application/json",
            ]
        );
    }

    #[test]
    fn says_nothing_of_a_cause_where_there_is_none() {
        let metadata = r#"{"actor":"key_1","command":"c","command_id":"00000000-0000-0000-0000-000000000001",
            "correlation":"00000000-0000-0000-0000-000000000002"}"#;
        let named =
            |metadata, name| record(&event(metadata)).headers.iter().any(|(header, _)| *header == name);
        assert!(named(metadata, "ce_correlationid") && !named(metadata, "ce_causationid"));
        assert!(!named("unreadable", "ce_correlationid"));
    }

    /// As Kafka hands it out.
    fn received(record: &OutgoingRecord) -> OwnedMessage {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value.as_str()) })
        });
        let (key, value) = (record.key.clone().into_bytes(), record.value.clone().into_bytes());
        OwnedMessage::new(Some(value), Some(key), "t".into(), Timestamp::NotAvailable, 0, 0, Some(headers))
    }

    #[test]
    fn tells_all_of_its_event_but_who_asked_for_it() {
        let metadata = r#"{"correlation":"00000000-0000-0000-0000-000000000002","causation":"00000000-0000-0000-0000-000000000003"}"#;
        for (event_type, id) in [("LineAdded", "ord_1"), ("Placed", "TEA-1@main"), ("SKUChanged", "a/b/c")] {
            let mut sent = event(metadata);
            (sent.event_type, sent.id) = (event_type.into(), id.into());
            let got = recorded(&received(&record(&sent))).unwrap();
            // A private field keeps the two from being compared whole; all others stand in their debug form.
            assert_eq!(format!("{got:?}"), format!("{sent:?}"));
        }
        let got = recorded(&received(&record(&event("unreadable")))).unwrap();
        assert_eq!(got.metadata, "{}");
    }

    #[test]
    fn of_another_origin_is_told_by_what_it_lacks() {
        let record = record(&event("{}"));
        for name in ["ce_id", "ce_source", "ce_type", "ce_time", "ce_sequence", POSITION, "ce_streamversion"]
        {
            let mut strange = record.clone();
            strange.headers.retain(|(header, _)| *header != name);
            assert_eq!(recorded(&received(&strange)).unwrap_err(), StrangeRecord(name));
        }
        let strange = OutgoingRecord { key: "commerce.order".into(), ..record };
        assert_eq!(recorded(&received(&strange)).unwrap_err(), StrangeRecord("the key"));
    }

    /// The values of Kafka's own tests of its hash.
    #[test]
    fn lies_where_kafkas_own_clients_would_put_it() {
        let known: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
        assert_eq!(partition(b"abc", 12), 479_470_107 % 12);
    }
}
