//! Group: which partitions this member of a consumer group has been given.
//!
//! What is taken away is let go at once; what is given is read from only when the member has claimed it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use crate::relay::Quiet;

/// A topic and a partition.
pub(super) type Assignment = (String, i32);

#[derive(Default)]
pub(super) struct Group(Mutex<Share>);

#[derive(Default)]
struct Share {
    given: Vec<Assignment>,
    changed: bool,
}

impl Group {
    /// What the member has now.
    pub(super) fn given(&self) -> Vec<Assignment> {
        let mut share = self.share();
        share.changed = false;
        share.given.clone()
    }

    /// Whether that has changed since it was last asked for.
    pub(super) fn changed(&self) -> bool {
        self.share().changed
    }

    fn share(&self) -> MutexGuard<'_, Share> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Quiet.log(level, facility, message);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        Quiet.error(error, reason);
    }
}

impl ConsumerContext for Group {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let given = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let mut share = self.share();
        share.changed = true;
        share.given.clear();
        if given {
            let all = list.elements();
            share.given.extend(all.iter().map(|one| (one.topic().to_owned(), one.partition())));
        } else if let Err(error) = consumer.unassign() {
            tracing::warn!(%error, "partitions that were taken away cannot be let go");
        }
    }
}
