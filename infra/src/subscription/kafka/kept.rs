//! Kept: whether a topic still holds what a partition of a view needs, once its retention has taken the beginning.

use std::time::{Duration, Instant};

use commands::EventStore;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::partitions::Place;
use crate::relay::{PATIENCE, Quiet, RelayConfig, record};

/// Events of the log that are looked through at once.
const PAGE: i64 = 2_000;

/// Whether an event of the partition that comes after a position, and not after its last one, is no longer in the
/// topic. Blocks.
///
/// The log knows the first event that is needed: its offset would tell nothing, since another epoch has others.
pub(super) async fn lacks(
    store: &EventStore,
    topics: &RelayConfig,
    place: &Place,
    after: i64,
    last: i64,
) -> anyhow::Result<bool> {
    let Some(needed) = first_in_log(store, topics.partitions, place, after, last).await? else {
        return Ok(false);
    };
    Ok(first_in_topic(topics, place)?.is_none_or(|kept| kept > needed))
}

async fn first_in_log(
    store: &EventStore,
    partitions: i32,
    place: &Place,
    mut after: i64,
    last: i64,
) -> commands::Result<Option<i64>> {
    while after < last {
        let page = store.read(after, PAGE).await?;
        let Some(end) = page.last() else { break };
        after = end.position;
        if let Some(event) = page.iter().find(|event| record::place(event, partitions) == *place) {
            return Ok((event.position <= last).then_some(event.position));
        }
    }
    Ok(None)
}

/// The position of the first record that a partition holds.
fn first_in_topic(topics: &RelayConfig, (context, partition): &Place) -> anyhow::Result<Option<i64>> {
    let consumer = BaseConsumer::from_config_and_context(&topics.consumer(), Quiet)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topics.topic(context), *partition, Offset::Beginning)?;
    consumer.assign(&list)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => return Ok(Some(record::position(&message)?)),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
            None if Instant::now() < deadline => {}
            None => anyhow::bail!("Kafka does not tell what the topic of {context} holds"),
            Some(Err(error)) => return Err(error.into()),
        }
    }
}
