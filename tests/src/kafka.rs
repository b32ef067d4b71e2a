//! Kafka: what a reader of the topics sees, found out without the platform's own code.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::error::RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure};
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tempfile::TempDir;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);

/// The brokers that tests share.
///
/// # Panics
/// Where there are none.
#[must_use]
pub fn brokers() -> String {
    std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names the brokers for tests: see `make test`")
}

/// A prefix for the topics of one test.
#[must_use]
pub fn prefix() -> String {
    format!("test-{}", Uuid::now_v7().simple())
}

/// A record, without its offset and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub key: String,
    pub headers: Vec<(String, String)>,
    pub value: String,
}

impl Read {
    /// A header's value.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .expect("the header is there")
    }

    /// The event's position in the log, if the record tells one.
    #[must_use]
    pub fn told_position(&self) -> Option<i64> {
        self.headers.iter().find(|(name, _)| name == "ce_position")?.1.parse().ok()
    }

    /// The event's position in the log.
    ///
    /// # Panics
    /// If the record does not tell.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.header("ce_position").parse().expect("a position")
    }
}

/// The committed records of one partition, in order, read as they are asked for. Blocks.
pub struct Records {
    consumer: BaseConsumer,
    of: (String, i32),
}

impl Iterator for Records {
    type Item = Read;

    fn next(&mut self) -> Option<Read> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => return Some(read(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => return None,
                // A connection was lost; the library makes another.
                Some(Err(KafkaError::MessageConsumption(AllBrokersDown | BrokerTransportFailure))) | None
                    if Instant::now() < deadline => {}
                other => panic!("{:?} cannot be read: {other:?}", self.of),
            }
        }
    }
}

/// The records of each partition of the topics of events. Blocks.
///
/// Waits for transactions that are committed, but whose markers are not in all partitions yet.
///
/// # Panics
/// If Kafka does not answer, or a transaction stays open; reading them, also if a record is not UTF-8.
#[must_use]
pub fn open_topics(brokers: &str, prefix: &str) -> BTreeMap<(String, i32), Records> {
    let consumer = |isolation: &str| -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "test")
            .set("isolation.level", isolation)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "20")
            .set("queued.min.messages", "10000")
            .create()
            .expect("a consumer")
    };
    let uncommitted = consumer("read_uncommitted");
    let end =
        |consumer: &BaseConsumer, (topic, partition): &(String, i32)| end_of(consumer, topic, *partition);
    let open = |of: (String, i32)| {
        let (consumer, mut list) = (consumer("read_committed"), TopicPartitionList::new());
        let (written, deadline) = (end(&uncommitted, &of), Instant::now() + PATIENCE);
        while end(&consumer, &of) < written {
            assert!(Instant::now() < deadline, "a transaction stays open in {of:?}");
        }
        list.add_partition_offset(&of.0, of.1, Offset::Beginning).expect("an offset");
        consumer.assign(&list).expect("assigned");
        (of.clone(), Records { consumer, of })
    };
    partitions(&uncommitted, prefix).into_iter().map(open).collect()
}

/// All committed records of the topics of events, by topic and partition, in order. Blocks.
///
/// # Panics
/// If Kafka does not answer, or a record is not UTF-8.
#[must_use]
pub fn read_topics(brokers: &str, prefix: &str) -> BTreeMap<(String, i32), Vec<Read>> {
    open_topics(brokers, prefix).into_iter().map(|(of, records)| (of, records.collect())).collect()
}

fn read(message: &BorrowedMessage<'_>) -> Read {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.expect("is there").to_vec()).expect("UTF-8");
    let headers = message.headers().expect("headers").iter();
    Read {
        key: text(message.key()),
        headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
        value: text(message.payload()),
    }
}

/// The sum of all ends of the topics of events: it grows with everything written, committed or not. Blocks.
///
/// # Panics
/// If Kafka does not answer.
#[must_use]
pub fn ends(brokers: &str, prefix: &str) -> i64 {
    let consumer = uncommitted(brokers);
    let end = |(topic, partition): (String, i32)| end_of(&consumer, &topic, partition);
    partitions(&consumer, prefix).into_iter().map(end).sum()
}

/// How many decisions on transactions Kafka has written down: the beginning of each, each partition that joins it, the
/// decision to end it, and that all markers are written. Blocks.
///
/// # Panics
/// If Kafka does not answer.
#[must_use]
pub fn decisions(brokers: &str) -> i64 {
    let consumer = uncommitted(brokers);
    let topic = "__transaction_state";
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("Kafka answers");
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    partitions.map(|partition| end_of(&consumer, topic, partition.id())).sum()
}

fn uncommitted(brokers: &str) -> BaseConsumer {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", brokers).set("isolation.level", "read_uncommitted");
    settings.create().expect("a consumer")
}

/// The partitions, of all topics that begin with a prefix, in which a transaction is open. Blocks.
///
/// # Panics
/// If Kafka does not answer.
#[must_use]
pub fn open_partitions(brokers: &str, prefix: &str) -> Vec<(String, i32)> {
    let all = uncommitted(brokers);
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", brokers).set("isolation.level", "read_committed");
    let committed: BaseConsumer = settings.create().expect("a consumer");
    let metadata = all.fetch_metadata(None, PATIENCE).expect("Kafka answers");
    let topics = metadata.topics().iter().filter(|topic| topic.name().starts_with(prefix));
    let places =
        topics.flat_map(|topic| topic.partitions().iter().map(|p| (topic.name().to_owned(), p.id())));
    places.filter(|(topic, n)| end_of(&all, topic, *n) > end_of(&committed, topic, *n)).collect()
}

/// Where a partition ends. A broker that has just come back does not lead it yet, and is asked again.
fn end_of(consumer: &BaseConsumer, topic: &str, partition: i32) -> i64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match consumer.fetch_watermarks(topic, partition, PATIENCE) {
            Ok((_, end)) => return end,
            Err(error) => assert!(Instant::now() < deadline, "{topic}/{partition}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn partitions(consumer: &BaseConsumer, prefix: &str) -> Vec<(String, i32)> {
    let metadata = consumer.fetch_metadata(None, PATIENCE).expect("Kafka answers");
    let ours = metadata.topics().iter().filter(|topic| {
        topic
            .name()
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".events.v1"))
    });
    ours.flat_map(|topic| topic.partitions().iter().map(|p| (topic.name().to_owned(), p.id()))).collect()
}

/// Makes a topic and fills it, each record in the partition it is given. Blocks.
///
/// # Panics
/// If Kafka does not take it.
pub fn write_topic<'a>(
    brokers: &str,
    topic: &str,
    partitions: i32,
    records: impl IntoIterator<Item = (i32, &'a Read)>,
) {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", brokers).set("enable.idempotence", "true");
    let admin: AdminClient<DefaultClientContext> = settings.create().expect("an admin client");
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    futures::executor::block_on(admin.create_topics(&[new], &AdminOptions::new())).expect("Kafka answers");
    send(&settings.create().expect("a producer"), topic, records);
}

/// Writes records in a transaction, each to its topic and partition, and leaves it open. Blocks.
///
/// # Panics
/// If Kafka does not take them.
#[must_use]
pub fn open_transaction<'a>(
    brokers: &str,
    transactional_id: &str,
    records: impl IntoIterator<Item = (&'a str, i32, &'a Read)>,
) -> BaseProducer {
    let producer = transactional(brokers, transactional_id);
    producer.begin_transaction().expect("begun");
    for (topic, partition, record) in records {
        send(&producer, topic, [(partition, record)]);
    }
    producer
}

fn send<'a>(producer: &BaseProducer, topic: &str, records: impl IntoIterator<Item = (i32, &'a Read)>) {
    for (partition, record) in records {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value.as_str()) })
        });
        let record = BaseRecord::to(topic)
            .partition(partition)
            .key(record.key.as_str())
            .payload(record.value.as_str())
            .headers(headers);
        producer.send(record).map_err(|(error, _)| error).expect("taken");
    }
    producer.flush(PATIENCE).expect("written");
}

/// Takes a transactional id away from whoever has it. Blocks.
///
/// # Panics
/// If Kafka does not do it.
pub fn fence(brokers: &str, transactional_id: &str) {
    drop(transactional(brokers, transactional_id));
}

fn transactional(brokers: &str, transactional_id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("transactional.id", transactional_id)
        .create()
        .expect("a producer");
    producer.init_transactions(PATIENCE).expect("whoever had the id is fenced");
    producer
}

/// Removes topics, and waits until they are gone. Blocks.
///
/// # Panics
/// If Kafka does not do it.
pub fn delete_topics(brokers: &str, topics: &[&str]) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("an admin client");
    let deleted = futures::executor::block_on(admin.delete_topics(topics, &AdminOptions::new()));
    for deleted in deleted.expect("Kafka answers") {
        deleted.expect("deleted");
    }
    // The controller answers before the broker knows.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metadata = admin.inner().fetch_metadata(None, PATIENCE).expect("Kafka answers");
        if metadata.topics().iter().all(|topic| !topics.contains(&topic.name())) {
            return;
        }
        assert!(Instant::now() < deadline, "{topics:?} are still there");
    }
}

/// Forgets all records that the topics of events hold now, as their retention does. Blocks.
///
/// # Panics
/// If Kafka does not do it.
pub fn forget_records(brokers: &str, prefix: &str) {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a consumer");
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("an admin client");
    let mut list = TopicPartitionList::new();
    for (topic, partition) in partitions(&consumer, prefix) {
        list.add_partition_offset(&topic, partition, Offset::End).expect("an offset");
    }
    let forgotten = futures::executor::block_on(admin.delete_records(&list, &AdminOptions::new()));
    for partition in forgotten.expect("Kafka answers").elements() {
        partition.error().expect("forgotten");
    }
}

/// A broker of a test's own, which can be killed.
#[derive(Debug)]
pub struct Broker(TempDir);

impl Broker {
    /// Starts one.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let broker = Self(tempfile::tempdir().expect("a folder"));
        broker.start_again();
        broker
    }

    /// Starts it again, with the data it had.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_again(&self) {
        assert!(self.script("start").status().expect("the script runs").success(), "the broker starts");
    }

    /// Where it listens.
    ///
    /// # Panics
    /// If the script cannot tell.
    #[must_use]
    pub fn address(&self) -> String {
        let output = self.script("brokers").output().expect("the script runs");
        String::from_utf8(output.stdout).expect("an address").trim().to_owned()
    }

    /// Where its data are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Kills it, as a power cut would its process.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
        while kill(self.pid(), None).is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Takes away the last marker of a partition, while it does not run: what a broker with KAFKA-20734 leaves out.
    ///
    /// # Panics
    /// If what was written last is no marker.
    pub fn cut_marker(&self, (topic, partition): &(String, i32)) {
        let log = format!("kafka/data/{topic}-{partition}/00000000000000000000.log");
        let path = self.0.path().join(log);
        let log = std::fs::read(&path).expect("the partition is there");
        // Batches of records: the offset in 8 bytes, the length of the rest in 4; in the 23rd, bit 5 is a marker's.
        let (mut next, mut last) = (0, 0);
        while let Some(length) = log.get(next + 8..next + 12).filter(|length| *length != [0; 4]) {
            last = next;
            next += 12 + u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        }
        assert!(log[last + 22] & 0x20 != 0, "a transaction has ended last in {topic}-{partition}");
        let file = std::fs::OpenOptions::new().write(true).open(path).expect("it can be written");
        file.set_len(last as u64).expect("cut");
    }

    /// # Panics
    /// If it does not run.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    fn pid(&self) -> Pid {
        let pid = std::fs::read_to_string(self.0.path().join("kafka/pid")).expect("it has started");
        Pid::from_raw(pid.trim().parse().expect("a number"))
    }

    fn script(&self, command: &str) -> Command {
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/kafka.sh"));
        script.arg(command).arg(self.0.path());
        script
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        _ = self.script("wipe").status();
    }
}
