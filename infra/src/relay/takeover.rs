//! Takeover: what the next leader has found in the topics, with nothing left open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use commands::EventStore;
use uuid::Uuid;

use super::ends::{End, Ends, Partition, PartitionState};
use super::leader::Leader;
use super::progress::{self, Progress};
use super::record;
use super::topics::{self, PATIENCE};
use super::{LOOK_AGAIN, RelayConfig, RelayError};

/// How long after the first look a second must show the same, before events are sent again.
const LOOK_TWICE: Duration = Duration::from_secs(1);
/// Events read from the store at once where partitions are compared with it.
const TAIL: i64 = 2000;

/// Who leads now, and where.
pub(super) struct Takeover {
    pub leader: Leader,
    /// The topics that are to be made, with their numbers of partitions.
    pub missing: BTreeMap<String, i32>,
    /// The newest progress.
    pub known: Option<Progress>,
    pub ends: BTreeMap<Partition, End>,
    /// What the partitions hold of what the progress tells of.
    pub held: PartitionState,
}

impl Takeover {
    /// Fences who led, closes what hangs, and looks. Blocks.
    pub(super) fn new(config: &RelayConfig) -> Result<Self, RelayError> {
        let leader = Leader::new(config)?;
        let there = topics::list(leader.client(), config)?;
        let mut missing = topics::expected(config);
        for (topic, &there) in &there {
            let wanted = missing.remove(topic).unwrap_or(config.partitions);
            if there != wanted {
                return Err(RelayError::Partitions { topic: topic.clone(), there, wanted });
            }
        }
        let progress_topic = config.progress_topic();
        let (progress, events): (BTreeMap<_, _>, BTreeMap<_, _>) =
            there.into_iter().partition(|(topic, _)| *topic == progress_topic);
        let ends = Ends::new(config)?;

        // Progress records are cumulative, so aborting one loses nothing.
        close(&leader, &ends, &ends.open(&progress)?, &progress)?;
        let known = if progress.is_empty() {
            None
        } else {
            let claim = Uuid::now_v7();
            leader.claim(claim)?;
            progress::read_before(claim, config)?
        };
        let position = known.as_ref().map_or(0, |progress| progress.position);

        // What the progress tells of was committed, and will be where it hangs; what it does not, will be sent again.
        let (mut hanging, mut waiting) = (ends.open(&events)?, BTreeSet::new());
        for (partition, offset) in &hanging {
            match ends.span(partition, *offset)? {
                Some((_, last)) if last <= position => _ = waiting.insert(partition.clone()),
                Some((first, _)) if first <= position => return Err(torn(partition)),
                _ => {}
            }
        }
        hanging.retain(|partition, _| !waiting.contains(partition));
        close(&leader, &ends, &hanging, &events)?;
        let found = ends.ends(&events, position)?;
        let held = known
            .as_ref()
            .map(|known| PartitionState::new(&found, known, waiting, config))
            .unwrap_or_default();
        if held.after < position {
            tracing::warn!(held.after, position, "partitions lack events that the progress tells of");
            // A broker that has just come back may show less than there is.
            std::thread::sleep(LOOK_TWICE);
            if ends.ends(&events, position)? != found {
                return Err(RelayError::ProgressUnseen);
            }
        }
        Ok(Self { leader, missing, known, ends: found, held })
    }

    /// The topics must hold the beginning of this very log, each partition without a gap.
    pub(super) async fn must_continue(
        &self,
        store: &EventStore,
        config: &RelayConfig,
    ) -> Result<(), RelayError> {
        let Some(known) = &self.known else {
            let held = self.ends.iter().find(|(_, end)| end.shortened || end.last.is_some());
            return held.map_or(Ok(()), |((topic, _), _)| {
                let (topic, progress) = (topic.clone(), config.progress_topic());
                Err(RelayError::ProgressLost { topic, progress })
            });
        };
        let beyond = self.ends.values().filter_map(|end| end.beyond.last());
        let position = beyond.map(|(at, _)| *at).max().unwrap_or_default().max(known.position);
        let head = store.head().await?;
        if position > head {
            return Err(RelayError::Ahead { position, head });
        }
        if known.position > 0 {
            let last = store.read(known.position - 1, 1).await?;
            if last.first().map(|event| event.event_id) != known.event_id {
                return Err(RelayError::Diverged { position: known.position });
            }
        }
        self.must_be_whole(store, config, known.position, position).await?;
        for (topic, _) in topics::of_events(&self.missing, config) {
            let context = config.context(topic).unwrap_or_default();
            let relayed = sqlx::query_scalar!(
                r#"select exists (select from events where position <= $1
                                  and starts_with(aggregate_type, $2)) as "relayed!""#,
                known.position,
                format!("{context}.")
            )
            .fetch_one(store.pool())
            .await?;
            if relayed {
                return Err(RelayError::TopicLost { topic: topic.to_owned() });
            }
        }
        Ok(())
    }

    /// What partitions hold beyond the progress must be what the log has for them there, up to the last.
    async fn must_be_whole(
        &self,
        store: &EventStore,
        config: &RelayConfig,
        mut after: i64,
        upto: i64,
    ) -> Result<(), RelayError> {
        let mut held: BTreeMap<_, _> =
            self.ends.iter().map(|(partition, end)| (partition, end.beyond.iter().peekable())).collect();
        while after < upto {
            let page = store.read(after, TAIL.min(upto - after)).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            for event in &page {
                let record = record::record(event);
                let number = record::partition(record.key.as_bytes(), config.partitions);
                let partition = (config.topic(&record.context), number);
                let Some(held) = held.get_mut(&partition) else { continue };
                let position = event.position;
                match held.peek() {
                    Some((at, event_id)) if *at == position && *event_id == event.event_id => _ = held.next(),
                    Some((at, _)) if *at == position => return Err(RelayError::Diverged { position }),
                    Some(_) => return Err(torn(&partition)),
                    None => {}
                }
            }
        }
        let left_over = held.into_iter().find_map(|(partition, mut held)| held.next().map(|_| partition));
        left_over.map_or(Ok(()), |partition| Err(torn(partition)))
    }
}

/// Closes transactions that hang, as aborted, and waits until they are.
fn close(
    leader: &Leader,
    ends: &Ends<'_>,
    hanging: &BTreeMap<Partition, i64>,
    topics: &BTreeMap<String, i32>,
) -> Result<(), RelayError> {
    if hanging.is_empty() {
        return Ok(());
    }
    tracing::warn!(partitions = ?hanging.keys(), "Kafka has left a transaction open; it is closed");
    leader.close(hanging.keys())?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let open = ends.open(topics)?;
        let Some((topic, partition)) = open.into_keys().find(|partition| hanging.contains_key(partition))
        else {
            return Ok(());
        };
        if Instant::now() > deadline {
            return Err(RelayError::Hanging { topic, partition });
        }
        std::thread::sleep(LOOK_AGAIN.1);
    }
}

fn torn((topic, partition): &Partition) -> RelayError {
    RelayError::Torn { topic: topic.clone(), partition: *partition }
}
