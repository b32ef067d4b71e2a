//! Ends: what the partitions hold at their ends, whatever the progress says.
//!
//! A transaction is in Kafka whole or not at all, but for a broker's mistake: one that takes a partition without a
//! leader for a deleted one leaves out its marker and calls the transaction complete (KAFKA-20734; Apache Kafka 4.3
//! and 4.4 do so when the only replica comes back from a kill). There it hangs: readers never come past it. So
//! whoever takes over closes what hangs, looks what each partition really holds, and goes on from there
//! (docs/adr/0016).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Message};
use uuid::Uuid;

use super::progress::Progress;
use super::record;
use super::topics::{PATIENCE, Quiet};
use super::{RelayConfig, RelayError};

/// A topic and the number of one of its partitions.
pub(super) type Partition = (String, i32);

/// The end of a partition, as a reader of what is committed sees it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    /// Whether Kafka has let go of what was at the beginning, as old as it was.
    pub shortened: bool,
    /// The position of the last event.
    pub last: Option<i64>,
    /// The events that the progress does not tell of, in order.
    pub beyond: Vec<(i64, Uuid)>,
}

/// What each partition holds already, and where to read the log on.
#[derive(Debug, Default)]
pub(super) struct PartitionState {
    /// Partitions with a committed transaction whose marker is missing: the producer's next transaction there writes a
    /// marker that commits both.
    pub(super) waiting: BTreeSet<Partition>,
    /// The position of the last event, by partition; none for one that holds none.
    last: BTreeMap<Partition, i64>,
    /// All partitions hold all of their events up to here.
    pub(super) after: i64,
    /// None holds one after this.
    upto: i64,
}

impl PartitionState {
    /// From what partitions show and the progress says, which is right where a transaction is waiting.
    pub(super) fn new(
        ends: &BTreeMap<Partition, End>,
        progress: &Progress,
        waiting: BTreeSet<Partition>,
        config: &RelayConfig,
    ) -> Self {
        let mut held = Self { waiting, last: BTreeMap::new(), after: progress.position, upto: 0 };
        for (partition, end) in ends {
            let (topic, number) = partition;
            let context = config.context(topic).unwrap_or_default();
            let promised = progress.end(context, *number);
            let last = match end.last {
                _ if held.waiting.contains(partition) => promised,
                None if end.shortened => promised,
                last => last.unwrap_or_default(),
            };
            if last < promised {
                held.after = held.after.min(last);
            }
            held.upto = held.upto.max(last);
            held.last.insert(partition.clone(), last);
        }
        held
    }

    /// Whether a partition does not hold the event at a position yet.
    pub(super) fn lacks(&self, topic: &str, partition: i32, position: i64) -> bool {
        position > self.upto
            || self.last.get(&(topic.to_owned(), partition)).is_none_or(|last| position > *last)
    }
}

/// Who asks where partitions end.
pub(super) struct Ends<'a> {
    config: &'a RelayConfig,
    committed: BaseConsumer<Quiet>,
    uncommitted: BaseConsumer<Quiet>,
}

impl<'a> Ends<'a> {
    pub(super) fn new(config: &'a RelayConfig) -> Result<Self, RelayError> {
        let client = |mut settings: ClientConfig| {
            // These only ask, and are no members of a group that they would have to leave.
            settings.remove("group.id");
            BaseConsumer::from_config_and_context(&settings, Quiet)
        };
        Ok(Self { config, committed: client(config.consumer())?, uncommitted: client(uncommitted(config))? })
    }

    /// The last stable offset of each partition whose high watermark is beyond it: a transaction is open there.
    /// Blocks.
    ///
    /// Once all who led are fenced and what they left is aborted, it hangs.
    pub(super) fn open(
        &self,
        topics: &BTreeMap<String, i32>,
    ) -> Result<BTreeMap<Partition, i64>, RelayError> {
        // In this order, what becomes visible meanwhile does not seem to be open.
        let written = offsets(&self.uncommitted, topics, Offset::End)?;
        let mut stable = offsets(&self.committed, topics, Offset::End)?;
        stable.retain(|partition, end| written.get(partition).is_some_and(|written| written > end));
        Ok(stable)
    }

    /// The positions of the first and the last record from an offset on, committed or not. Blocks.
    pub(super) fn span(
        &self,
        (topic, partition): &Partition,
        from: i64,
    ) -> Result<Option<(i64, i64)>, RelayError> {
        let mut span = None;
        read(topic, &BTreeMap::from([(*partition, from)]), &uncommitted(self.config), |message| {
            if let Ok(position) = record::position(message) {
                span = Some((span.map_or(position, |(first, _)| first), position));
            }
        })?;
        Ok(span)
    }

    /// The ends of the partitions of topics of events, back to what the progress tells of. Blocks.
    pub(super) fn ends(
        &self,
        topics: &BTreeMap<String, i32>,
        position: i64,
    ) -> Result<BTreeMap<Partition, End>, RelayError> {
        let lows = offsets(&self.committed, topics, Offset::Beginning)?;
        let highs = offsets(&self.committed, topics, Offset::End)?;
        let mut ends: BTreeMap<Partition, End> = lows
            .iter()
            .map(|(partition, low)| (partition.clone(), End { shortened: *low > 0, ..End::default() }))
            .collect();
        for topic in topics.keys() {
            // Between which offsets there may be events, by partition.
            let mut sought: BTreeMap<i32, (i64, i64)> = highs
                .iter()
                .filter(|((name, _), _)| name == topic)
                .map(|(partition, high)| {
                    (partition.1, (lows.get(partition).copied().unwrap_or_default(), *high))
                })
                .filter(|(_, (low, high))| low < high)
                .collect();
            // The last offsets are markers, or records of aborted transactions: further back until there is an event.
            let mut back = 8;
            while !sought.is_empty() {
                let starts =
                    sought.iter().map(|(number, (low, high))| (*number, (high - back).max(*low))).collect();
                let mut found: BTreeMap<i32, Vec<(i64, Uuid)>> = BTreeMap::new();
                read(topic, &starts, &self.config.consumer(), |message| {
                    if let (Ok(at), Ok(event_id)) = (record::position(message), record::event_id(message)) {
                        found.entry(message.partition()).or_default().push((at, event_id));
                    }
                })?;
                sought.retain(|number, (low, high)| {
                    let found = found.remove(number).unwrap_or_default();
                    let enough = *high - back <= *low || found.first().is_some_and(|(at, _)| *at <= position);
                    if enough && let Some(end) = ends.get_mut(&(topic.clone(), *number)) {
                        end.last = found.last().map(|(at, _)| *at);
                        end.beyond = found.into_iter().filter(|(at, _)| *at > position).collect();
                    }
                    !enough
                });
                back *= 16;
            }
        }
        Ok(ends)
    }
}

/// One end of each partition of some topics.
fn offsets(
    client: &BaseConsumer<Quiet>,
    topics: &BTreeMap<String, i32>,
    which: Offset,
) -> Result<BTreeMap<Partition, i64>, RelayError> {
    let mut list = TopicPartitionList::new();
    for (topic, partitions) in topics {
        list.add_partition_range(topic, 0, partitions - 1);
    }
    if list.count() == 0 {
        return Ok(BTreeMap::new());
    }
    list.set_all_offsets(which)?;
    let mut offsets = BTreeMap::new();
    for told in client.offsets_for_times(list, PATIENCE)?.elements() {
        told.error()?;
        let offset = told.offset().to_raw().unwrap_or_default();
        offsets.insert((told.topic().to_owned(), told.partition()), offset);
    }
    Ok(offsets)
}

/// Reads partitions of a topic, each from an offset to its end.
///
/// A consumer for each topic: the end of a partition is told without its topic's name.
fn read(
    topic: &str,
    starts: &BTreeMap<i32, i64>,
    settings: &ClientConfig,
    mut found: impl FnMut(&BorrowedMessage<'_>),
) -> Result<(), RelayError> {
    let consumer: BaseConsumer<Quiet> = BaseConsumer::from_config_and_context(settings, Quiet)?;
    let mut list = TopicPartitionList::new();
    for (partition, offset) in starts {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.assign(&list)?;
    let mut unread: BTreeSet<i32> = starts.keys().copied().collect();
    let mut deadline = Instant::now() + PATIENCE;
    while !unread.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                found(&message);
                deadline = Instant::now() + PATIENCE;
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => _ = unread.remove(&partition),
            None if Instant::now() < deadline => {}
            None => return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut).into()),
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A consumer that also sees what is not committed.
fn uncommitted(config: &RelayConfig) -> ClientConfig {
    let mut settings = config.consumer();
    settings.set("isolation.level", "read_uncommitted");
    settings
}
