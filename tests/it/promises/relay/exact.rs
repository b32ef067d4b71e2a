//! Whether the topics are exactly the log: by SQL and a reader that know nothing of the relay.
//!
//! Both are read once, side by side, so that a log of any length can be compared.

use std::collections::{BTreeMap, HashMap};

use commands::EventStore;
use futures::TryStreamExt;
use infra::relay::RelayConfig;
use tests::kafka::{Read, open_topics};

/// Position, context, key, value, and names and values of headers in turn.
type Row = (i64, String, String, String, Vec<String>);

/// What the topics must hold, position by position.
const EXPECTED: &str = r#"select position, split_part(aggregate_type, '.', 1),
       aggregate_type || '/' || aggregate_id, payload::text,
       array[
           'ce_specversion', '1.0',
           'ce_id', event_id::text,
           'ce_source', '/workspaces/' || split_part(aggregate_id, '/', 1),
           'ce_type', 'com.mewayz.' || aggregate_type || '.'
               || lower(regexp_replace(event_type, '(?<=.)([A-Z])', '_\1', 'g')) || '.v'
               || event_version,
           'ce_subject', split_part(aggregate_type, '.', 2) || '/'
               || substr(aggregate_id, strpos(aggregate_id, '/') + 1),
           'ce_time', regexp_replace(to_char(effective_at at time zone 'utc',
               'YYYY-MM-DD"T"HH24:MI:SS.US'), '\.?(000){1,2}$', '') || 'Z',
           'ce_sequence', lpad(workspace_position::text, 20, '0'),
           'ce_position', position::text,
           'ce_streamversion', sequence::text,
           'ce_recordedtime', regexp_replace(to_char(recorded_at at time zone 'utc',
               'YYYY-MM-DD"T"HH24:MI:SS.US'), '\.?(000){1,2}$', '') || 'Z',
           'ce_correlationid', metadata ->> 'correlation'
       ] || case when metadata ->> 'causation' is not null
                 then array['ce_causationid', metadata ->> 'causation'] else '{}' end
         || array['content-type', 'application/json']
from events order by position"#;

/// Compares key, partition, order, every header, the value's bytes and the count of all records with the log; the
/// last position in each partition of each topic.
///
/// # Errors
/// The first difference.
pub async fn compare(store: &EventStore, config: &RelayConfig) -> Result<BTreeMap<String, Vec<i64>>, String> {
    let opened = open_topics(&config.brokers, &config.prefix).into_iter();
    let mut topics: Vec<_> = opened.map(|(of, records)| (of, records.fuse().peekable())).collect();
    let mut ends: BTreeMap<(String, i32), i64> = topics.iter().map(|(of, _)| (of.clone(), 0)).collect();
    let mut homes = HashMap::new();
    let mut rows = sqlx::query_as::<_, Row>(EXPECTED).fetch(store.pool());
    while let Some((position, context, key, value, headers)) = rows.try_next().await.unwrap() {
        let topic = config.topic(&context);
        let is_next = |read: &Read| read.told_position() == Some(position);
        let next = topics
            .iter_mut()
            .filter(|((name, _), _)| *name == topic)
            .find_map(|((_, partition), records)| Some((*partition, records.next_if(is_next)?)));
        let Some((partition, found)) = next else {
            return Err(format!("{topic} has no record of {position} where it should come"));
        };
        let headers = headers.chunks(2).map(|header| (header[0].clone(), header[1].clone())).collect();
        let expected = Read { key, headers, value };
        if found != expected {
            return Err(format!("{topic} has at {position}\n{found:?}, which should be\n{expected:?}"));
        }
        ends.insert((topic.clone(), partition), position);
        if *homes.entry((topic, found.key)).or_insert(partition) != partition {
            return Err(format!("the record of {position} is in another partition than others of its key"));
        }
    }
    for ((topic, partition), records) in &mut topics {
        if let Some(more) = records.next() {
            return Err(format!("{topic} {partition} has more than the log: {more:?}"));
        }
    }
    // Partitions come in their order.
    let mut by_topic: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    ends.into_iter().for_each(|((topic, _), end)| by_topic.entry(topic).or_default().push(end));
    Ok(by_topic)
}
