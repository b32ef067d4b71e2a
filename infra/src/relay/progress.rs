//! Progress: how far the topics are, kept in Kafka itself.
//!
//! One record a transaction, in a topic of one partition, compacted: so Kafka says atomically with the events
//! how far they go, and no row elsewhere can differ.

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::topics::{PATIENCE, Quiet};
use super::{RelayConfig, RelayError};

/// The one key of the progress topic.
pub const KEY: &str = "progress";

/// What the newest record of the progress topic says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The topics hold exactly the events up to here.
    pub position: i64,
    /// The event at that position: another one there means another history.
    pub event_id: Option<Uuid>,
    /// A new one whenever the topics were made anew: what a consumer read before, and its offsets, are void.
    pub topic_epoch: Uuid,
    /// The relay that wrote this; each writes one when it takes over.
    pub relay: Uuid,
}

impl Progress {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a progress is JSON")
    }
}

/// Reads the newest committed progress, if there ever was one. Blocks.
///
/// The topic's last offsets are often markers of transactions, or records of an aborted one, so this looks a few
/// offsets before the end, and further back as long as it finds nothing.
///
/// # Errors
/// [`RelayError::Kafka`], also if the topic is not there; [`RelayError::StrangeProgress`].
pub fn read(config: &RelayConfig) -> Result<Option<Progress>, RelayError> {
    let topic = config.progress_topic();
    let consumer = BaseConsumer::from_config_and_context(&config.consumer(), Quiet)?;
    let (low, high) = consumer.fetch_watermarks(&topic, 0, PATIENCE)?;
    let mut back = 8;
    loop {
        let from = (high - back).max(low);
        if let Some(value) = newest_from(&consumer, &topic, from)? {
            return Ok(Some(serde_json::from_slice(&value).map_err(RelayError::StrangeProgress)?));
        }
        if from == low {
            return Ok(None);
        }
        back *= 16;
    }
}

/// The last committed value from an offset on.
fn newest_from(
    consumer: &BaseConsumer<Quiet>,
    topic: &str,
    from: i64,
) -> Result<Option<Vec<u8>>, RelayError> {
    let mut partition = TopicPartitionList::new();
    partition.add_partition_offset(topic, 0, Offset::Offset(from))?;
    consumer.assign(&partition)?;
    let mut newest = None;
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                newest = message.payload().map(<[u8]>::to_vec);
                deadline = Instant::now() + PATIENCE;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(newest),
            None if Instant::now() < deadline => {}
            None => return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut).into()),
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_pinned() {
        let progress = Progress {
            position: 7,
            event_id: Some(Uuid::from_u128(1)),
            topic_epoch: Uuid::from_u128(2),
            relay: Uuid::from_u128(3),
        };
        let json = r#"{"position":7,"event_id":"00000000-0000-0000-0000-000000000001","topic_epoch":"00000000-0000-0000-0000-000000000002","relay":"00000000-0000-0000-0000-000000000003"}"#;
        assert_eq!(progress.to_json(), json);
        assert_eq!(serde_json::from_str::<Progress>(json).unwrap(), progress);
    }
}
