//! Member: one of those who keep a view together, with the partitions it has been given.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use domain::kernel::Recorded;
use projections::Projector;
use rdkafka::Message;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use sqlx::PgPool;
use uuid::Uuid;

use super::group::{Assignment, Group};
use super::partitions::{self, Part, Place, Reading, end};
use super::{Source, kept};
use crate::relay::progress::Progress;
use crate::relay::{PATIENCE, record};
use crate::subscription::batch::Batch;
use crate::subscription::checkpoint::{LOOK_EVERY, Moved};
use crate::subscription::parked::{self, Parked};
use crate::subscription::view::BATCH;
use crate::subscription::{Host, Stopped, standing};

/// How long records are waited for before the clock is looked at without any.
const WAIT: Duration = Duration::from_millis(50);
/// How long to wait after a failure, or when others have what was ours: Kafka will tell in a moment.
const PAUSE: Duration = Duration::from_millis(500);

const NOTHING_YET: &str = "nothing was relayed to Kafka yet: does `mewayz relay` run?";

type Consuming = BaseConsumer<Group>;

pub(super) struct Member {
    host: Host,
    pool: PgPool,
    source: Arc<Source>,
    view: Box<dyn Projector>,
    /// What it has claimed, and the epoch of the topics from which it reads it.
    parts: BTreeMap<Place, Part>,
    topic_epoch: Uuid,
    /// How often it has written them since.
    revision: AtomicI64,
    parked: Parked,
}

enum Ended {
    Stopped,
    /// Its share of the partitions has changed.
    Shared,
    /// What it has claimed is not its own any more, or of another epoch.
    Void,
    /// Trying again is of no use.
    Failed(anyhow::Error),
}

impl Member {
    pub(super) fn new(host: Host, source: Arc<Source>, view: Box<dyn Projector>) -> Self {
        let pool = host.log.store().pool().clone();
        let (parts, topic_epoch, parked) = (BTreeMap::new(), Uuid::nil(), Parked::default());
        Self { host, pool, source, view, parts, topic_epoch, revision: AtomicI64::new(0), parked }
    }

    /// Keeps its share of the view until told to stop.
    pub(super) async fn run(mut self) -> Result<(), Stopped> {
        let name = self.view.name();
        while partitions::take(&self.host, name, &self.places()).await? {
            match self.join().await {
                Ok(Ended::Failed(error)) => return Err(Stopped::Failed(name.to_owned(), error)),
                Ok(_) => return Ok(()),
                Err(_) if self.host.stop.is_cancelled() => return Ok(()),
                Err(error) => {
                    standing::failed(&self.pool, name, &standing::fault(&error)).await;
                    let error = format!("{error:#}");
                    tracing::warn!(
                        subscription = name,
                        error,
                        "starting again from the partitions' checkpoints"
                    );
                    self.pause().await;
                }
            }
        }
        Ok(())
    }

    /// Joins the group, and works until it is told to stop or something fails.
    async fn join(&mut self) -> anyhow::Result<Ended> {
        // Who joins and leaves at once may be waited for by the others until its session ends.
        if self.now().await?.is_none() {
            bail!(NOTHING_YET);
        }
        let settings = self.source.topics.member(self.view.name(), self.source.session);
        let consumer = Consuming::from_config_and_context(&settings, Group::default())?;
        let topics: Vec<String> = self.contexts().map(|context| self.source.topics.topic(context)).collect();
        consumer.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>())?;
        loop {
            let ended = self.follow(&consumer).await;
            self.view.rolled_back();
            match ended {
                Ok(Ended::Shared) => {}
                Ok(Ended::Void) => {
                    tracing::info!(subscription = self.view.name(), "its claims are void; it claims anew");
                    self.pause().await;
                    if !partitions::take(&self.host, self.view.name(), &self.places()).await? {
                        return Ok(Ended::Stopped);
                    }
                }
                ended => {
                    consumer.unassign()?;
                    return ended;
                }
            }
        }
    }

    /// Claims what it has been given, and applies what comes there.
    async fn follow(&mut self, consumer: &Consuming) -> anyhow::Result<Ended> {
        let given = consumer.context().given();
        if let Some(ended) = self.claim(consumer, &given).await? {
            return Ok(ended);
        }
        let mut looked = Instant::now();
        loop {
            if self.host.stop.is_cancelled() {
                return Ok(Ended::Stopped);
            }
            let events = match self.read(consumer) {
                Ok(events) => events,
                Err(Unread::Kafka(error)) => return Err(error.into()),
                Err(Unread::Strange(error)) => return Ok(Ended::Failed(error)),
            };
            if consumer.context().changed() {
                return Ok(Ended::Shared);
            }
            if self.parts.is_empty() {
                continue;
            }
            let progress = self.now().await?;
            let Some(progress) = progress.filter(|progress| progress.topic_epoch == self.topic_epoch) else {
                return Ok(Ended::Void);
            };
            if let Moved::Void = self.write(&progress, events).await? {
                return Ok(Ended::Void);
            }
            if looked.elapsed() > LOOK_EVERY {
                looked = Instant::now();
                let mut moved = self.stand().await?;
                if moved == Moved::Yes && !self.parked.is_empty() {
                    moved = self.try_again(&progress).await?;
                }
                if moved == Moved::Void {
                    return Ok(Ended::Void);
                }
            }
        }
    }

    /// Claims partitions, and begins to read where their checkpoints are.
    async fn claim(&mut self, consumer: &Consuming, given: &[Assignment]) -> anyhow::Result<Option<Ended>> {
        self.parts.clear();
        let Some(progress) = self.now().await? else {
            bail!(NOTHING_YET);
        };
        self.topic_epoch = progress.topic_epoch;
        let places: Vec<Place> = given.iter().map(|given| self.place(&given.0, given.1)).collect();
        let known = self.places();
        if let Some((context, partition)) = places.iter().find(|place| !known.contains(place)) {
            return Ok(Some(Ended::Failed(anyhow!(
                "the topic of {context} has a partition {partition}, and the configuration (kafka.partitions) says \
                 that there are {} only",
                self.source.topics.partitions
            ))));
        }
        let claimed = partitions::claim(&self.pool, self.view.name(), self.host.instance, &places).await?;
        let Some(claimed) = claimed else { return Ok(Some(Ended::Void)) };
        self.parts = claimed;
        self.revision = AtomicI64::new(0);
        self.parked = Parked::load(&self.pool, self.view.name()).await?;

        let mut list = TopicPartitionList::new();
        for (place, part) in &mut self.parts {
            let topic = self.source.topics.topic(&place.0);
            let (low, high) = consumer.fetch_watermarks(&topic, place.1, PATIENCE)?;
            // An offset of other topics, or past the end of these, says nothing: what is read again is passed over.
            if part.topic_epoch != Some(progress.topic_epoch) || part.next_offset > high {
                part.next_offset = 0;
            }
            let (topics, last) = (&self.source.topics, end(&progress, place));
            if part.next_offset < low
                && kept::lacks(self.host.log.store(), topics, place, part.position, last).await?
            {
                return Ok(Some(Ended::Failed(anyhow!(
                    "topic {topic} no longer holds the events after position {} that it needs; take it out of \
                     subscriptions.from_kafka until it has caught up from the store",
                    part.position
                ))));
            }
            part.next_offset = part.next_offset.max(low);
            list.add_partition_offset(&topic, place.1, Offset::Offset(part.next_offset))?;
        }
        self.go_to(consumer, &list)?;
        tracing::info!(
            subscription = self.view.name(),
            partitions = ?self.parts.keys().map(|(context, partition)| format!("{context}/{partition}")).collect::<Vec<_>>(),
            "claimed"
        );
        Ok(None)
    }

    /// Reads on from these offsets; what was read ahead before is dropped. (To assign anew what is assigned may stop
    /// the library by an assertion: librdkafka's issue 5573.)
    fn go_to(&self, consumer: &Consuming, offsets: &TopicPartitionList) -> anyhow::Result<()> {
        let assigned = consumer.assignment()?;
        let is_assigned =
            |place: &Place| assigned.find_partition(&self.source.topics.topic(&place.0), place.1).is_some();
        if self.parts.is_empty() || !self.parts.keys().all(is_assigned) {
            return Ok(consumer.assign(offsets)?);
        }
        for partition in consumer.seek_partitions(offsets.clone(), PATIENCE)?.elements() {
            partition.error()?;
        }
        Ok(())
    }

    /// What is there, in the order of the log; waits a moment for it.
    fn read(&mut self, consumer: &Consuming) -> Result<Vec<Arc<Recorded>>, Unread> {
        let (mut events, mut wait) = (Vec::new(), WAIT);
        for _ in 0..BATCH {
            match consumer.poll(wait) {
                Some(Ok(message)) => {
                    wait = Duration::ZERO;
                    events.extend(self.take_in(&message)?.map(Arc::new));
                }
                Some(Err(error)) if is_lasting(&error) => return Err(Unread::Kafka(error)),
                // Kafka is away, or the group is changing: the library goes on by itself.
                Some(Err(error)) => tracing::debug!(%error, "nothing can be read from Kafka"),
                None => break,
            }
        }
        events.sort_unstable_by_key(|event| event.position);
        Ok(events)
    }

    /// The event of a record, if the view hears it and has not applied it yet.
    fn take_in(&mut self, message: &BorrowedMessage<'_>) -> Result<Option<Recorded>, Unread> {
        let place = self.place(message.topic(), message.partition());
        let Some(part) = self.parts.get_mut(&place) else { return Ok(None) };
        let strange = |error: record::StrangeRecord| {
            let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
            Unread::Strange(
                anyhow!(error).context(format!("offset {offset} of {topic}, partition {partition}")),
            )
        };
        let position = record::position(message).map_err(strange)?;
        part.read.push((position, message.offset()));
        if position <= part.position {
            return Ok(None);
        }
        let event = record::recorded(message).map_err(strange)?;
        Ok(self.view.listens_to().contains(&event.aggregate_type.as_str()).then_some(event))
    }

    /// Applies events, and moves past all that was read.
    async fn write(&mut self, progress: &Progress, events: Vec<Arc<Recorded>>) -> anyhow::Result<Moved> {
        let last = self.parts.values().filter_map(|part| part.read.last()).map(|(position, _)| *position);
        let upto = last.max().unwrap_or_default().max(progress.position);
        let (view, member) = (self.view.name(), self.host.instance);
        let reading = Reading { view, member, progress, parts: &self.parts, revision: &self.revision };
        let moves: Vec<(i64, i64)> = reading.moves(upto).collect();
        if moves.iter().zip(self.parts.values()).all(|(to, part)| *to == (part.position, part.next_offset)) {
            return Ok(Moved::Yes);
        }
        failpoint::failpoint!("view.before_write");
        let batch = Batch { pool: &self.pool, checkpoint: &reading, unparked: &[], stop: &self.host.stop };
        let moved = batch.write(&mut *self.view, &mut self.parked, events, upto).await?;
        for (part, (position, next_offset)) in self.parts.values_mut().zip(moves) {
            (part.position, part.next_offset) = (position, next_offset);
            part.read.clear();
        }
        Ok(moved)
    }

    /// Whether its partitions are still its own, and the database has forgotten nothing of them.
    async fn stand(&self) -> Result<Moved, sqlx::Error> {
        let (member, revision) = (self.host.instance, self.revision.load(Ordering::Relaxed));
        partitions::stand(&self.pool, self.view.name(), member, &self.parts, revision).await
    }

    /// Applies anew what is parked of its partitions, if somebody asked for it.
    async fn try_again(&mut self, progress: &Progress) -> anyhow::Result<Moved> {
        let view = self.view.name();
        let asked = parked::asked(&self.pool, view).await?;
        if asked.is_empty() {
            return Ok(Moved::Yes);
        }
        let positions: Vec<i64> = asked.iter().map(|(position, _)| *position).collect();
        let mut events = self.host.log.store().pick(&positions).await?;
        let all = self.source.topics.partitions;
        events.retain(|event| self.parts.contains_key(&record::place(event, all)));
        let mine: Vec<i64> = events.iter().map(|event| event.position).collect();
        if !asked.iter().any(|(position, retry)| *retry && mine.contains(position)) {
            return Ok(Moved::Yes);
        }
        self.parked = Parked::default();
        let events = events.into_iter().map(Arc::new).collect();
        let (member, parts, revision) = (self.host.instance, &self.parts, &self.revision);
        let reading = Reading { view, member, progress, parts, revision };
        let batch = Batch { pool: &self.pool, checkpoint: &reading, unparked: &mine, stop: &self.host.stop };
        batch.write(&mut *self.view, &mut self.parked, events, 0).await
    }

    /// How far the topics are now. An error once it is told to stop: Kafka may be away, and is not waited for then.
    async fn now(&self) -> anyhow::Result<Option<Arc<Progress>>> {
        tokio::select! {
            () = self.host.stop.cancelled() => bail!("told to stop"),
            told = self.source.clock.now() => Ok(told?),
        }
    }

    /// The contexts of what it hears.
    fn contexts(&self) -> impl Iterator<Item = &'static str> + use<> {
        let contexts = self.view.listens_to().iter().filter_map(|heard| heard.split_once('.'));
        contexts.map(|(context, _)| context).collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    /// All its partitions, whoever has them.
    fn places(&self) -> Vec<Place> {
        let partitions = self.source.topics.partitions;
        self.contexts()
            .flat_map(|context| (0..partitions).map(move |partition| (context.to_owned(), partition)))
            .collect()
    }

    fn place(&self, topic: &str, partition: i32) -> Place {
        (self.source.topics.context(topic).unwrap_or_default().to_owned(), partition)
    }

    async fn pause(&self) {
        tokio::select! {
            () = self.host.stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Why nothing more is read.
enum Unread {
    Kafka(KafkaError),
    Strange(anyhow::Error),
}

/// Whether the library does not get over it by itself.
fn is_lasting(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
    match error {
        KafkaError::MessageConsumption(code) => matches!(code, AutoOffsetReset | OffsetOutOfRange),
        _ => true,
    }
}
