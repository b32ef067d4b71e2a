//! Verify: whether the topics hold exactly the log, record by record.
//!
//! Each event has one place: its topic follows from its context, its partition from its key, and the order within a
//! partition is that of positions. So one pass over the log, taking the next record of the event's partition each
//! time, finds what is missing, doubled, swapped or altered; what the pass leaves over is too much. Memory is
//! bounded: a partition that runs ahead is paused.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use commands::EventStore;
use domain::kernel::Recorded;
use rdkafka::Message;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::mpsc;

use super::record::{OutgoingRecord, POSITION, partition, record};
use super::topics::{self, PATIENCE, Quiet};
use super::{RelayConfig, RelayError, blocking, progress};

/// Events read from the store at once.
const PAGE: i64 = 2000;
/// How long a record is waited for at the end of its partition: a transaction's marker there may come later than the
/// one of the progress topic.
const MARKERS: Duration = Duration::from_secs(2);
/// How far a partition may run ahead.
const AHEAD: usize = 2000;

/// What a comparison has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Compared up to here: how far the relay was when this began.
    pub position: i64,
    /// The end of the log when this began.
    pub head: i64,
    /// Equal records, by topic.
    pub equal: BTreeMap<String, i64>,
    /// Events whose records Kafka has let go, as old as they are.
    pub expired: i64,
    /// The first difference, where the comparison ended.
    pub difference: Option<Difference>,
}

/// A place where the topics are not the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub topic: String,
    pub partition: i32,
    /// Where it was found; none at the partition's end.
    pub offset: Option<i64>,
    pub what: What,
}

/// How a record differs from its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The event at this position is not here, where it should be.
    Missing(i64),
    /// A record is here that should not be, with the position it claims.
    Unexpected(Option<i64>),
    Key(i64),
    /// The first header that differs.
    Header(i64, String),
    Value(i64),
    /// The topic is not there, or has partitions that do not hold this event.
    NoTopic(i64),
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (topic, count) in &self.equal {
            writeln!(f, "{count:>12}  {topic}")?;
        }
        let equal: i64 = self.equal.values().sum();
        writeln!(f, "{equal:>12}  records are equal to their events")?;
        if self.expired > 0 {
            writeln!(f, "{:>12}  events are past Kafka's retention", self.expired)?;
        }
        if self.head > self.position {
            writeln!(f, "{:>12}  events are still to be relayed", self.head - self.position)?;
        }
        match &self.difference {
            None => write!(f, "The topics hold exactly the log up to position {}.", self.position),
            Some(difference) => write!(f, "DIFFERENT: {difference}"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}, partition {}, ", self.topic, self.partition)?;
        match self.offset {
            Some(offset) => write!(f, "offset {offset}: ")?,
            None => write!(f, "end: ")?,
        }
        match &self.what {
            What::Missing(position) => write!(f, "the event at position {position} should be here"),
            What::Unexpected(Some(position)) => {
                write!(f, "a record of position {position} stands where it should not")
            }
            What::Unexpected(None) => write!(f, "a record without a position"),
            What::Key(position) => write!(f, "the key is not that of the event at position {position}"),
            What::Header(position, name) => {
                write!(f, "header {name} is not that of the event at position {position}")
            }
            What::Value(position) => {
                write!(f, "the value is not the payload of the event at position {position}")
            }
            What::NoTopic(position) => {
                write!(f, "there is no such topic, for the event at position {position}")
            }
        }
    }
}

/// Compares what the topics hold with the log, up to where the relay is now.
///
/// # Errors
/// [`RelayError::Kafka`] and [`RelayError::Store`]; a difference is none.
pub async fn verify(store: &EventStore, config: &RelayConfig) -> Result<Verified, RelayError> {
    let settings = config.clone();
    let mut comparison = blocking(move || Comparison::begin(settings)).await?;
    comparison.found.head = store.head().await?;
    let end = comparison.found.position;

    let (pages, events) = mpsc::channel(2);
    let comparing = blocking(move || comparison.run(events));
    let mut after = 0;
    while after < end {
        let page = store.read(after, PAGE.min(end - after)).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        if pages.send(page).await.is_err() {
            break;
        }
    }
    drop(pages);
    comparing.await
}

/// A comparison under way.
struct Comparison {
    config: RelayConfig,
    topics: BTreeMap<String, Topic>,
    found: Verified,
}

impl Comparison {
    fn begin(config: RelayConfig) -> Result<Self, RelayError> {
        let there = topics::list(config.admin()?.inner(), &config)?;
        let progress =
            if there.contains_key(&config.progress_topic()) { progress::read(&config)? } else { None };
        let topics = topics::of_events(&there, &config)
            .map(|(name, partitions)| Ok((name.to_owned(), Topic::open(name, partitions, &config)?)))
            .collect::<Result<_, RelayError>>()?;
        let found = Verified {
            position: progress.map_or(0, |progress| progress.position),
            head: 0,
            equal: BTreeMap::new(),
            expired: 0,
            difference: None,
        };
        Ok(Self { config, topics, found })
    }

    fn run(mut self, mut pages: mpsc::Receiver<Vec<Recorded>>) -> Result<Verified, RelayError> {
        while let Some(page) = pages.blocking_recv() {
            for event in &page {
                self.found.difference = self.compare(&record(event))?;
                if self.found.difference.is_some() {
                    return Ok(self.found);
                }
            }
        }
        for (name, topic) in &mut self.topics {
            self.found.difference = topic.left_over(name, self.found.position)?;
            if self.found.difference.is_some() {
                break;
            }
        }
        Ok(self.found)
    }

    fn compare(&mut self, expected: &OutgoingRecord) -> Result<Option<Difference>, RelayError> {
        let name = self.config.topic(&expected.context);
        let position = expected.position;
        let Some(topic) = self.topics.get_mut(&name) else {
            let what = What::NoTopic(position);
            return Ok(Some(Difference { topic: name, partition: 0, offset: None, what }));
        };
        let partition = partition(expected.key.as_bytes(), topic.partitions());
        let next =
            topic.next(partition, if topic.may_have_lost(partition) { Duration::ZERO } else { MARKERS })?;
        let offset = next.as_ref().map(|found| found.offset);
        let later = next.as_ref().is_none_or(|found| found.position.is_some_and(|p| p > position));
        let what = match next {
            _ if later && topic.may_have_lost(partition) => {
                topic.put_back(partition, next);
                self.found.expired += 1;
                return Ok(None);
            }
            Some(found) if !later => found.differs_from(expected),
            _ => Some(What::Missing(position)),
        };
        if what.is_none() {
            topic.partitions[partition as usize].seen = true;
            *self.found.equal.entry(name.clone()).or_default() += 1;
        }
        Ok(what.map(|what| Difference { topic: name, partition, offset, what }))
    }
}

/// A record as it was found.
struct Found {
    offset: i64,
    position: Option<i64>,
    key: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
    value: Option<Vec<u8>>,
}

impl Found {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers: Vec<(String, Vec<u8>)> = message.headers().map_or_else(Vec::new, |headers| {
            headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect()
        });
        let position = headers.iter().find(|(name, _)| name == POSITION);
        Self {
            offset: message.offset(),
            position: position.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok()),
            key: message.key().unwrap_or_default().to_vec(),
            headers,
            value: message.payload().map(<[u8]>::to_vec),
        }
    }

    fn differs_from(&self, expected: &OutgoingRecord) -> Option<What> {
        let position = expected.position;
        if self.position != Some(position) {
            return Some(What::Unexpected(self.position));
        }
        if self.key != expected.key.as_bytes() {
            return Some(What::Key(position));
        }
        for n in 0..self.headers.len().max(expected.headers.len()) {
            let found = self.headers.get(n).map(|(name, value)| (name.as_str(), value.as_slice()));
            let wanted = expected.headers.get(n).map(|(name, value)| (*name, value.as_bytes()));
            if found != wanted {
                let (name, _) = wanted.or(found).unwrap_or_default();
                return Some(What::Header(position, name.to_owned()));
            }
        }
        (self.value.as_deref() != Some(expected.value.as_bytes())).then_some(What::Value(position))
    }
}

/// The records of one topic, partition by partition.
///
/// A consumer for each topic: the end of a partition is told without its topic's name.
struct Topic {
    name: String,
    consumer: BaseConsumer<Quiet>,
    partitions: Vec<Partition>,
}

#[derive(Default)]
struct Partition {
    waiting: VecDeque<Found>,
    paused: bool,
    ended: bool,
    /// Whether Kafka has let go of records at its beginning.
    shortened: bool,
    /// Whether one of its records was found equal.
    seen: bool,
}

impl Topic {
    fn open(name: &str, partitions: i32, config: &RelayConfig) -> Result<Self, RelayError> {
        let mut settings = config.consumer();
        settings.set("queued.max.messages.kbytes", "4096");
        let consumer = BaseConsumer::from_config_and_context(&settings, Quiet)?;
        let mut list = TopicPartitionList::new();
        let mut opened = Vec::new();
        for partition in 0..partitions {
            let (low, high) = consumer.fetch_watermarks(name, partition, PATIENCE)?;
            opened.push(Partition { ended: low == high, shortened: low > 0, ..Partition::default() });
            if low < high {
                list.add_partition_offset(name, partition, Offset::Offset(low))?;
            }
        }
        if list.count() > 0 {
            consumer.assign(&list)?;
        }
        Ok(Self { name: name.to_owned(), consumer, partitions: opened })
    }

    fn partitions(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    fn may_have_lost(&self, partition: i32) -> bool {
        let partition = &self.partitions[partition as usize];
        partition.shortened && !partition.seen
    }

    fn put_back(&mut self, partition: i32, found: Option<Found>) {
        if let Some(found) = found {
            self.partitions[partition as usize].waiting.push_front(found);
        }
    }

    /// The next record of a partition, or none if it has been at its end for so long.
    fn next(&mut self, partition: i32, end: Duration) -> Result<Option<Found>, RelayError> {
        let (mut deadline, end) = (Instant::now() + PATIENCE, Instant::now() + end);
        loop {
            let wanted = &mut self.partitions[partition as usize];
            if let Some(found) = wanted.waiting.pop_front() {
                if wanted.paused && wanted.waiting.len() < AHEAD / 4 {
                    wanted.paused = false;
                    self.consumer.resume(&self.one(partition))?;
                }
                return Ok(Some(found));
            }
            if wanted.ended && Instant::now() >= end {
                return Ok(None);
            }
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let (partition, found) = (message.partition(), Found::of(&message));
                    self.take(partition, found)?;
                    deadline = Instant::now() + PATIENCE;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.partitions[partition as usize].ended = true;
                }
                None if Instant::now() < deadline => {}
                None => {
                    return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut).into());
                }
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self, partition: i32, found: Found) -> Result<(), RelayError> {
        let one = self.one(partition);
        let from = &mut self.partitions[partition as usize];
        from.waiting.push_back(found);
        from.ended = false;
        if from.waiting.len() >= AHEAD && !from.paused {
            from.paused = true;
            self.consumer.pause(&one)?;
        }
        Ok(())
    }

    fn one(&self, partition: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.name, partition);
        list
    }

    /// A record that is here without an event up to `position`; what has come since is not looked at.
    fn left_over(&mut self, name: &str, position: i64) -> Result<Option<Difference>, RelayError> {
        for partition in 0..self.partitions() {
            while let Some(found) = self.next(partition, Duration::ZERO)? {
                if found.position.is_none_or(|p| p <= position) {
                    let (topic, what) = (name.to_owned(), What::Unexpected(found.position));
                    return Ok(Some(Difference { topic, partition, offset: Some(found.offset), what }));
                }
            }
        }
        Ok(None)
    }
}
