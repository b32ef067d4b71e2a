//! Leader: the transactional producers, and the thread that blocks for them.

use std::time::{Duration, Instant};

use domain::kernel::Recorded;
use failpoint::failpoint;
use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::ends::{Partition, PartitionState};
use super::progress::{self, Progress};
use super::record::{OutgoingRecord, partition, record};
use super::topics::{PATIENCE, Quiet};
use super::{RelayConfig, RelayError};

/// How often in a row a transaction may be aborted before the leader takes over anew.
const ATTEMPTS: u32 = 3;
/// What Kafka's client library is given to do while this waits: its own wait on commit is of 100 ms slices.
const TICK: Duration = Duration::from_millis(1);

/// One transaction: a contiguous range of the log.
#[derive(Debug)]
pub(super) struct Batch {
    /// Each with its topic.
    records: Vec<(String, OutgoingRecord)>,
    last: (i64, Uuid),
}

impl Batch {
    /// Cuts a page of the log into batches of about the configured size.
    pub(super) fn split(page: Vec<Recorded>, config: &RelayConfig) -> Vec<Self> {
        let mut batches: Vec<Self> = Vec::new();
        let mut bytes = usize::MAX;
        for event in page {
            let outgoing = record(&event);
            if bytes > config.batch_bytes {
                batches.push(Self { records: Vec::new(), last: (0, Uuid::nil()) });
                bytes = 0;
            }
            bytes += outgoing.value.len();
            if let Some(batch) = batches.last_mut() {
                batch.last = (event.position, event.event_id);
                batch.records.push((config.topic(&outgoing.context), outgoing));
            }
        }
        batches
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.records.iter().map(|(topic, _)| topic.as_str())
    }

    pub(super) fn position(&self) -> i64 {
        self.last.0
    }
}

/// The one who may write to the topics.
///
/// Two producers take turns: Kafka answers a commit before its markers are written, and until then refuses the
/// same producer's next transaction, which its client library would try again only after 20 ms.
pub(super) struct Leader {
    producers: [Transactions; 2],
    partitions: i32,
}

impl Leader {
    /// Fences whoever has led, and aborts what they left open. Blocks.
    pub(super) fn new(config: &RelayConfig) -> Result<Self, RelayError> {
        let [first, second] = config.transactional_ids();
        // Who led begins a transaction only once the one before is committed: whichever of their producers is
        // fenced first, what is committed in the end is a contiguous range.
        let producers = [Transactions::open(&first, config)?, Transactions::open(&second, config)?];
        Ok(Self { producers, partitions: config.partitions })
    }

    pub(super) fn client(&self) -> &Client<Quiet> {
        self.producers[0].producer.client()
    }

    /// Closes what hangs of these producers' transactions in partitions, as aborted. Blocks.
    ///
    /// A partition takes the next transaction of the same producer for what goes on there, and its marker for the end
    /// of both.
    pub(super) fn close<'a>(
        &self,
        partitions: impl Iterator<Item = &'a Partition> + Clone,
    ) -> Result<(), RelayError> {
        self.producers.iter().try_for_each(|transactions| transactions.abort_in(partitions.clone()))
    }

    /// Marks a place in the progress topic that comes after all who led before.
    pub(super) fn claim(&self, claim: Uuid) -> Result<(), RelayError> {
        self.producers[0].write(&[], (progress::CLAIM, &claim.to_string()))
    }

    /// Says in its own name how far the topics are.
    pub(super) fn announce(&self, progress: &Progress) -> Result<(), RelayError> {
        self.producers[1].write(&[], (progress::KEY, &progress.to_json()))
    }

    /// Writes batch after batch until there are no more, what the partitions lack of them, telling each position it has
    /// reached.
    pub(super) fn write(
        self,
        mut batches: mpsc::Receiver<Batch>,
        mut progress: Progress,
        held: &PartitionState,
        committed: impl Fn(i64),
    ) -> Result<(), RelayError> {
        let mut turns = self.producers.iter().cycle();
        let mut after = held.after;
        while let Some(mut batch) = batches.blocking_recv() {
            let first = batch.records.first().map_or(0, |(_, record)| record.position);
            assert_eq!(first, after + 1, "the log is relayed without a gap");
            after = batch.last.0;
            batch.records.retain(|(topic, record)| {
                let partition = partition(record.key.as_bytes(), self.partitions);
                progress.advance(&record.context, partition, self.partitions, record.position);
                held.lacks(topic, partition, record.position)
            });
            if after > progress.position {
                (progress.position, progress.event_id) = (after, Some(batch.last.1));
            } else if batch.records.is_empty() {
                continue;
            }
            let transactions = turns.next().expect("a cycle has no end");
            transactions.write(&batch.records, (progress::KEY, &progress.to_json()))?;
            committed(progress.position);
        }
        Ok(())
    }
}

/// A transactional producer, which writes one transaction after the other.
struct Transactions {
    producer: BaseProducer<Quiet>,
    progress_topic: String,
    timeout: Duration,
}

impl Transactions {
    /// Fences whoever has had this id, and aborts what they left open. Blocks.
    fn open(id: &str, config: &RelayConfig) -> Result<Self, RelayError> {
        let producer = BaseProducer::from_config_and_context(&config.producer(id), Quiet)?;
        let progress_topic = config.progress_topic();
        let transactions = Self { producer, progress_topic, timeout: config.transaction_timeout };
        transactions.patiently(true, || transactions.producer.init_transactions(PATIENCE))?;
        Ok(transactions)
    }

    /// All records and, with its key, that of the progress topic; or none of them.
    fn write(&self, records: &[(String, OutgoingRecord)], progress: (&str, &str)) -> Result<(), RelayError> {
        let mut attempt = 1;
        loop {
            let Err(error) = self.attempt(records, progress) else { return Ok(()) };
            if attempt == ATTEMPTS || !self.can_abort(&error) {
                return Err(error.into());
            }
            tracing::warn!(%error, attempt, "a transaction of the relay is aborted; it goes again");
            self.patiently(true, || self.producer.abort_transaction(PATIENCE))?;
            attempt += 1;
        }
    }

    /// A transaction with a record in each of these partitions, aborted.
    fn abort_in<'a>(&self, partitions: impl Iterator<Item = &'a Partition>) -> Result<(), RelayError> {
        self.producer.begin_transaction()?;
        for (topic, partition) in partitions {
            self.send(BaseRecord::to(topic).partition(*partition).key(progress::CLAIM).payload(""))?;
        }
        self.drain()?;
        Ok(self.patiently(true, || self.producer.abort_transaction(PATIENCE))?)
    }

    fn attempt(&self, records: &[(String, OutgoingRecord)], (key, value): (&str, &str)) -> KafkaResult<()> {
        self.producer.begin_transaction()?;
        failpoint!("relay.before_produce");
        for (topic, record) in records {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let headers = record.headers.iter().fold(headers, |headers, (key, value)| {
                headers.insert(Header { key, value: Some(value.as_str()) })
            });
            let (key, value) = (record.key.as_str(), record.value.as_str());
            self.send(BaseRecord::to(topic).key(key).payload(value).headers(headers))?;
        }
        self.send(BaseRecord::to(&self.progress_topic).key(key).payload(value))?;
        failpoint!("relay.after_produce");
        self.drain()?;
        failpoint!("relay.before_commit");
        // A time-out leaves open whether it was taken: only taking over again will tell.
        self.patiently(false, || self.producer.commit_transaction(PATIENCE))?;
        failpoint!("relay.after_commit", Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)));
        Ok(())
    }

    fn send(&self, mut record: BaseRecord<'_, str, str>) -> KafkaResult<()> {
        loop {
            record = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => record,
                Err((error, _)) => return Err(error),
            };
            self.producer.poll(TICK);
        }
    }

    /// Waits until every record was answered, which takes milliseconds; taking over again is quicker than waiting
    /// for what a lost broker owes.
    fn drain(&self) -> KafkaResult<()> {
        let deadline = Instant::now() + self.timeout / 4;
        while self.producer.in_flight_count() > 0 {
            if Instant::now() > deadline || self.producer.client().fatal_error().is_some() {
                return Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut));
            }
            let owed = self.producer.in_flight_count();
            self.producer.poll(Duration::ZERO);
            if self.producer.in_flight_count() == owed {
                // To poll for as long would not wait but turn round: what is less than a millisecond counts as
                // none there, and Kafka has better use for the processor.
                std::thread::sleep(TICK / 4);
            }
        }
        Ok(())
    }

    /// Calls again as long as the error says that it may help.
    fn patiently(&self, time_outs_too: bool, call: impl Fn() -> KafkaResult<()>) -> KafkaResult<()> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match call() {
                Err(KafkaError::Transaction(error))
                    if error.is_retriable()
                        && (time_outs_too || error.code() != RDKafkaErrorCode::OperationTimedOut)
                        && Instant::now() < deadline =>
                {
                    self.producer.poll(TICK);
                }
                result => return result,
            }
        }
    }

    /// Whether the transaction failed in a way that leaves the producer of use.
    fn can_abort(&self, error: &KafkaError) -> bool {
        self.producer.client().fatal_error().is_none()
            && match error {
                KafkaError::Transaction(error) => error.txn_requires_abort(),
                KafkaError::MessageProduction(_) => true,
                _ => false,
            }
    }
}
