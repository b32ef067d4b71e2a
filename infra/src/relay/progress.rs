//! Progress: how far the topics are, kept in Kafka itself.
//!
//! One record a transaction, in a topic of one partition, compacted: so Kafka says atomically with the events
//! how far they go, and no row elsewhere can differ.
//!
//! A broker that comes back from a kill may at first show its topics shorter than they are. So whoever takes over
//! writes a claim first, and believes what stands before it: once the claim can be read, so can all before it.

use std::collections::BTreeMap;
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

/// The key of the records that say how far the topics are.
pub const KEY: &str = "progress";
/// The key of the records by which those who take over find their place; the value is a claim of its own each.
pub(super) const CLAIM: &str = "claim";

/// What the newest progress in the progress topic says.
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
    /// By context and partition, the position of the last event there; 0 where there is none. By it a consumer tells
    /// that it has read all of a partition up to `position`, which offsets do not say: markers of transactions
    /// take some, and become visible in one partition before another.
    pub ends: BTreeMap<String, Vec<i64>>,
}

impl Progress {
    /// Goes on by an event: the next in the log, which is written to this partition of so many.
    pub(super) fn advance(&mut self, context: &str, partition: i32, partitions: i32, position: i64) {
        let index = |n: i32| usize::try_from(n).unwrap_or_default();
        if !self.ends.contains_key(context) {
            self.ends.insert(context.to_owned(), vec![0; index(partitions)]);
        }
        if let Some(end) = self.ends.get_mut(context).and_then(|ends| ends.get_mut(index(partition))) {
            *end = position.max(*end);
        }
    }

    /// The position of the last event in a partition; 0 where there is none.
    #[must_use]
    pub fn end(&self, context: &str, partition: i32) -> i64 {
        let end =
            usize::try_from(partition).ok().and_then(|partition| self.ends.get(context)?.get(partition));
        end.copied().unwrap_or_default()
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a progress is JSON")
    }
}

/// Reads the newest committed progress, if there ever was one. Blocks.
///
/// # Errors
/// [`RelayError::Kafka`], also if the topic is not there; [`RelayError::StrangeProgress`].
pub fn read(config: &RelayConfig) -> Result<Option<Progress>, RelayError> {
    Reader::open(config)?.newest(None)
}

/// Reads the newest committed progress before a claim, which is waited for. Blocks.
pub(super) fn read_before(claim: Uuid, config: &RelayConfig) -> Result<Option<Progress>, RelayError> {
    Reader::open(config)?.newest(Some(claim.to_string().as_bytes()))
}

/// Who reads the progress topic, each time as it is then. Of no use any more after an error.
pub(crate) struct Reader {
    topic: String,
    consumer: BaseConsumer<Quiet>,
    assigned: bool,
}

impl Reader {
    pub(crate) fn open(config: &RelayConfig) -> Result<Self, RelayError> {
        let mut settings = config.consumer();
        // The end is told only after a fetch that has found nothing more.
        settings.set("fetch.wait.max.ms", "5");
        Ok(Self {
            topic: config.progress_topic(),
            consumer: BaseConsumer::from_config_and_context(&settings, Quiet)?,
            assigned: false,
        })
    }

    /// The newest committed progress: all of it, or what stands before a claim, which is waited for. Blocks.
    ///
    /// The topic's last offsets are often markers of transactions, or records of an aborted one, so this looks a few
    /// offsets before the end, and further back as long as it finds nothing.
    pub(crate) fn newest(&mut self, claim: Option<&[u8]>) -> Result<Option<Progress>, RelayError> {
        let (low, high) = self.consumer.fetch_watermarks(&self.topic, 0, PATIENCE)?;
        let mut back = 8;
        loop {
            let from = (high - back).max(low);
            if let Some(value) = self.newest_in(from, high, claim)? {
                return Ok(Some(serde_json::from_slice(&value).map_err(RelayError::StrangeProgress)?));
            }
            if from == low {
                return Ok(None);
            }
            back *= 16;
        }
    }

    /// Reads on from an offset; what was read ahead before is dropped. (To assign anew, again and again, may stop the
    /// library by an assertion: librdkafka's issue 5573.)
    fn go_to(&mut self, offset: i64) -> Result<(), KafkaError> {
        let offset = Offset::Offset(offset);
        if self.assigned {
            return self.consumer.seek(&self.topic, 0, offset, PATIENCE);
        }
        let mut partition = TopicPartitionList::new();
        partition.add_partition_offset(&self.topic, 0, offset)?;
        self.consumer.assign(&partition)?;
        self.assigned = true;
        Ok(())
    }

    /// The last committed progress from an offset on: up to a claim, or up to what looks like the end.
    fn newest_in(
        &mut self,
        from: i64,
        high: i64,
        claim: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, RelayError> {
        self.go_to(from)?;
        let mut newest = None;
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let is = |key: &str| message.key() == Some(key.as_bytes());
                    if is(KEY) {
                        newest = message.payload().map(<[u8]>::to_vec);
                    } else if is(CLAIM) && claim.is_some() && message.payload() == claim {
                        return Ok(newest);
                    }
                    // Of a transaction of one record, nothing but the marker comes after it.
                    if claim.is_none() && message.offset() + 2 >= high {
                        return Ok(newest);
                    }
                    deadline = Instant::now() + PATIENCE;
                }
                Some(Err(KafkaError::PartitionEOF(_))) if claim.is_none() => return Ok(newest),
                Some(Err(KafkaError::PartitionEOF(_))) if Instant::now() < deadline => {}
                None if Instant::now() < deadline => {}
                None => {
                    return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut).into());
                }
                Some(Err(error)) => return Err(error.into()),
            }
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
            ends: BTreeMap::from([("commerce".to_owned(), vec![7, 0, 5])]),
        };
        let json = r#"{"position":7,"event_id":"00000000-0000-0000-0000-000000000001","topic_epoch":"00000000-0000-0000-0000-000000000002","relay":"00000000-0000-0000-0000-000000000003","ends":{"commerce":[7,0,5]}}"#;
        assert_eq!(progress.to_json(), json);
        assert_eq!(serde_json::from_str::<Progress>(json).unwrap(), progress);
    }
}
