//! Whatever is done to the topics, `relay verify` finds it, and so does the comparison by SQL that other tests rely
//! on. Each test alters a copy.

use std::collections::BTreeMap;

use infra::relay::verify::What;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::kafka::{Read, prefix, write_topic};
use tests::log::append_some;

use super::exact::compare;
use super::stage::Stage;

type Topics = BTreeMap<(String, i32), Vec<Read>>;

/// The record at an index of the fullest partition, and the partition.
fn fullest(topics: &mut Topics) -> &mut Vec<Read> {
    topics.values_mut().max_by_key(|records| records.len()).unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn nothing_can_be_changed_without_verify_finding_it(pool: PgPoolOptions, connect: PgConnectOptions) {
    let mut stage = Stage::set(pool, connect).await;
    append_some(&stage.store, 100).await;
    let relay = stage.relay(&[], "");
    stage.caught_up().await;
    drop(relay);
    let original = stage.topics();
    let at = |n: usize| fullest(&mut original.clone())[n].position();
    let last = original.values().map(Vec::len).max().unwrap() - 1;

    type Alter = fn(&mut Topics);
    let alterations: [(&str, Alter, Option<What>); 16] = [
        ("nothing", |_| {}, None),
        ("the first removed", |t| _ = fullest(t).remove(0), Some(What::Missing(at(0)))),
        ("one removed", |t| _ = fullest(t).remove(7), Some(What::Missing(at(7)))),
        ("the last removed", |t| _ = fullest(t).pop(), Some(What::Missing(at(last)))),
        (
            "one doubled",
            |t| {
                let twin = fullest(t)[7].clone();
                fullest(t).insert(8, twin);
            },
            Some(What::Unexpected(Some(at(7)))),
        ),
        (
            "one doubled at the end",
            |t| {
                let twin = fullest(t)[7].clone();
                fullest(t).push(twin);
            },
            Some(What::Unexpected(Some(at(7)))),
        ),
        ("two swapped", |t| fullest(t).swap(7, 8), Some(What::Missing(at(7)))),
        (
            "one in another partition",
            |t| {
                let (to, one) = (other_partition(t), fullest(t).remove(7));
                let place = t[&to].partition_point(|record| record.position() < one.position());
                t.get_mut(&to).unwrap().insert(place, one);
            },
            Some(What::Missing(at(7))),
        ),
        ("another key", |t| fullest(t)[7].key.push('x'), Some(What::Key(at(7)))),
        ("a byte of a value", |t| fullest(t)[7].value.push(' '), Some(What::Value(at(7)))),
        (
            "another time",
            |t| fullest(t)[7].headers[5].1.push('0'),
            Some(What::Header(at(7), "ce_time".into())),
        ),
        (
            "another version",
            |t| fullest(t)[7].headers[8].1 = "99".into(),
            Some(What::Header(at(7), "ce_streamversion".into())),
        ),
        (
            "another header's name",
            |t| fullest(t)[7].headers[1].0 = "ce_ID".into(),
            Some(What::Header(at(7), "ce_id".into())),
        ),
        (
            "a header too few",
            |t| _ = fullest(t)[7].headers.pop(),
            Some(What::Header(at(7), "content-type".into())),
        ),
        (
            "a header too many",
            |t| fullest(t)[7].headers.push(("more".into(), "1".into())),
            Some(What::Header(at(7), "more".into())),
        ),
        (
            "a record of nothing",
            |t| {
                let mut stray = fullest(t)[7].clone();
                stray.headers.retain(|(name, _)| name != "ce_position");
                fullest(t).push(stray);
            },
            Some(What::Unexpected(None)),
        ),
    ];
    let progress = stage.read_progress().await;
    for (what, alter, found) in alterations {
        let mut altered = original.clone();
        alter(&mut altered);
        let from = std::mem::replace(&mut stage.config.prefix, prefix());
        let brokers = stage.config.brokers.clone();
        let mut topics: BTreeMap<String, Vec<(i32, &Read)>> = BTreeMap::new();
        for ((topic, partition), records) in &altered {
            let topic = topic.replace(&from, &stage.config.prefix);
            topics.entry(topic).or_default().extend(records.iter().map(|record| (*partition, record)));
        }
        for (topic, records) in topics {
            if !records.is_empty() {
                write_topic(&brokers, &topic, stage.config.partitions, records);
            }
        }
        write_topic(&brokers, &stage.config.progress_topic(), 1, [(0, &progress)]);
        assert_eq!(compare(&stage.store, &stage.config).await.is_err(), found.is_some(), "{what}");
        let verified = stage.verify().await;
        assert_eq!(verified.difference.map(|difference| difference.what), found, "{what}");
        stage.config.prefix = from;
    }
}

/// The other partition of the fullest partition's topic.
fn other_partition(topics: &Topics) -> (String, i32) {
    let ((topic, partition), _) = topics.iter().max_by_key(|(_, records)| records.len()).unwrap();
    (topic.clone(), 1 - partition)
}
