//! Topics: what they are called, how they are made, and how this platform talks to Kafka.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::CONTEXTS;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::Client;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

use super::{RelayConfig, RelayError};

/// How long one request to Kafka may take.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Room for the largest event the border lets in, many times over.
const MOST_BYTES: &str = "8388608";

/// Kafka's client library, with its chatter moved to debug: an outage is told once, by who notices it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, "kafka: {message}");
    }
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "kafka: {reason}");
    }
}
impl ConsumerContext for Quiet {}
impl ProducerContext for Quiet {
    type DeliveryOpaque = ();
    // A record that was not delivered fails its transaction; nothing is learnt here.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

impl RelayConfig {
    /// The topic of a context's events.
    #[must_use]
    pub fn topic(&self, context: &str) -> String {
        format!("{}.{context}.events.v1", self.prefix)
    }

    /// The topic that says how far the relay is.
    #[must_use]
    pub fn progress_topic(&self) -> String {
        format!("{}.relay.progress", self.prefix)
    }

    /// The context whose events a topic holds.
    pub(crate) fn context<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic
            .strip_prefix(&self.prefix)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_suffix(".events.v1"))
            .filter(|context| !context.contains('.'))
    }

    pub(super) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set_log_level(RDKafkaLogLevel::Warning);
        client
    }

    /// Of the producers that take turns. Never to be changed: by them those who led before are fenced.
    pub(super) fn transactional_ids(&self) -> [String; 2] {
        [format!("{}.relay", self.prefix), format!("{}.relay.2", self.prefix)]
    }

    pub(super) fn producer(&self, transactional_id: &str) -> ClientConfig {
        let mut client = self.client();
        client
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", self.transaction_timeout.as_millis().to_string())
            // What Kafka's own clients do, so that others who write or look up by key agree.
            .set("partitioner", "murmur2_random")
            // A request holds what has come for one partition: a moment's wait makes one of many, and the broker
            // answers one after the other.
            .set("linger.ms", "1")
            .set("message.max.bytes", MOST_BYTES);
        client
    }

    /// A consumer that sees what is committed, of partitions it is assigned.
    pub(crate) fn consumer(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("group.id", format!("{}.relay", self.prefix))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "20")
            .set("queued.max.messages.kbytes", "16384");
        client
    }

    /// A member of the consumer group that keeps a view; where it goes on reading is not kept in Kafka.
    pub(crate) fn member(&self, view: &str, session: Duration) -> ClientConfig {
        let mut client = self.consumer();
        client
            .set("group.id", format!("{}.view.{view}", self.prefix))
            .set("session.timeout.ms", session.as_millis().to_string())
            .set("heartbeat.interval.ms", (session.as_millis() / 4).to_string())
            .set("partition.assignment.strategy", "range")
            .set("enable.partition.eof", "false")
            .set("fetch.wait.max.ms", "100");
        client
    }

    pub(super) fn admin(&self) -> KafkaResult<AdminClient<Quiet>> {
        use rdkafka::config::FromClientConfigAndContext as _;
        AdminClient::from_config_and_context(&self.client(), Quiet)
    }
}

/// The topics of this prefix that are there, with their numbers of partitions.
pub(super) fn list<C: ClientContext>(
    client: &Client<C>,
    config: &RelayConfig,
) -> KafkaResult<BTreeMap<String, i32>> {
    let metadata = client.fetch_metadata(None, PATIENCE)?;
    let ours = |name: &str| config.context(name).is_some() || name == config.progress_topic();
    Ok(metadata
        .topics()
        .iter()
        .filter(|topic| ours(topic.name()))
        .map(|topic| (topic.name().to_owned(), i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX)))
        .collect())
}

/// The topics of events among them.
pub(super) fn of_events<'a>(
    topics: &'a BTreeMap<String, i32>,
    config: &RelayConfig,
) -> impl Iterator<Item = (&'a str, i32)> {
    let progress = config.progress_topic();
    topics.iter().filter(move |(name, _)| **name != progress).map(|(name, n)| (name.as_str(), *n))
}

/// The topics that must be there before anything is relayed, with their numbers of partitions.
pub(super) fn expected(config: &RelayConfig) -> BTreeMap<String, i32> {
    let events = CONTEXTS.iter().map(|context| (config.topic(context), config.partitions));
    events.chain([(config.progress_topic(), 1)]).collect()
}

/// Makes topics, and waits until they can be written to.
pub(super) async fn create(topics: &BTreeMap<String, i32>, config: &RelayConfig) -> Result<(), RelayError> {
    if topics.is_empty() {
        return Ok(());
    }
    let retention = config.retention.as_millis().to_string();
    let new: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|(name, partitions)| {
            // -1: as the cluster says.
            let topic = NewTopic::new(name, *partitions, TopicReplication::Fixed(-1))
                .set("message.timestamp.type", "LogAppendTime")
                .set("max.message.bytes", MOST_BYTES);
            if *name == config.progress_topic() {
                topic.set("cleanup.policy", "compact")
            } else {
                topic.set("cleanup.policy", "delete").set("retention.ms", &retention)
            }
        })
        .collect();
    let admin = config.admin()?;
    for made in admin.create_topics(&new, &options()).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code).into()),
        }
    }
    until(admin, config, |there| topics.keys().all(|name| there.contains_key(name))).await
}

/// Removes topics, and waits until they are gone.
pub(super) async fn delete(topics: &BTreeMap<String, i32>, config: &RelayConfig) -> Result<(), RelayError> {
    if topics.is_empty() {
        return Ok(());
    }
    let admin = config.admin()?;
    let names: Vec<&str> = topics.keys().map(String::as_str).collect();
    for gone in admin.delete_topics(&names, &options()).await? {
        match gone {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code).into()),
        }
    }
    until(admin, config, |there| topics.keys().all(|name| !there.contains_key(name))).await
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// The controller answers before the brokers know; this waits for what the brokers say.
async fn until(
    admin: AdminClient<Quiet>,
    config: &RelayConfig,
    done: impl Fn(&BTreeMap<String, i32>) -> bool,
) -> Result<(), RelayError> {
    let admin = std::sync::Arc::new(admin);
    for _ in 0..200 {
        let (asked, settings) = (admin.clone(), config.clone());
        if done(&super::blocking(move || Ok(list(asked.inner(), &settings)?)).await?) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_known_by_their_prefix() {
        let config = RelayConfig { prefix: "shop.test".into(), ..RelayConfig::default() };
        assert_eq!(config.topic("commerce"), "shop.test.commerce.events.v1");
        assert_eq!(config.progress_topic(), "shop.test.relay.progress");
        assert_eq!(config.context("shop.test.commerce.events.v1"), Some("commerce"));
        for other in [
            "shop.commerce.events.v1",
            "shop.test.a.b.events.v1",
            "shop.test.relay.progress",
            "shop.testx.a.events.v1",
        ] {
            assert_eq!(config.context(other), None, "{other}");
        }
    }
}
