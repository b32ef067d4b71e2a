//! Why a relay stops, or tries again.

use commands::Fault;
use rdkafka::error::KafkaError;

/// Why the relay does not relay.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("another relay has taken over; this one has stopped")]
    Fenced,
    #[error(
        "the topics are at position {position} and the event store ends at {head}: has the store been restored? \
         Nothing was overwritten; `mewayz relay rebuild` makes the topics anew from the store"
    )]
    Ahead { position: i64, head: i64 },
    #[error(
        "the event at position {position} is not the one that was relayed: the topics hold another history. \
         Nothing was overwritten; `mewayz relay rebuild` makes the topics anew from the store"
    )]
    Diverged { position: i64 },
    #[error(
        "topic {topic} holds records, and {progress} says nothing of how far they go; \
         `mewayz relay rebuild` makes the topics anew from the store"
    )]
    ProgressLost { topic: String, progress: String },
    #[error(
        "topic {topic} is gone, with events that were relayed to it; \
         `mewayz relay rebuild` makes the topics anew from the store"
    )]
    TopicLost { topic: String },
    #[error(
        "topic {topic} has {there} partitions and the configuration says {wanted}: their number is fixed, since \
         the order per key depends on it"
    )]
    Partitions { topic: String, there: i32, wanted: i32 },
    #[error("the progress topic does not show how far this relay has come; trying again may show it")]
    ProgressUnseen,
    #[error(
        "a transaction hangs in topic {topic}, partition {partition}, and is none of this relay's: end it with \
         `kafka-transactions.sh find-hanging` and `abort`; it is looked at again"
    )]
    Hanging { topic: String, partition: i32 },
    #[error(
        "Kafka has answered a commit, and shows nothing of it in topic {topic}, partition {partition}; \
         the relay takes over again"
    )]
    Unsettled { topic: String, partition: i32 },
    #[error(
        "a transaction is missing in topic {topic}, partition {partition}, before others that are there; \
         `mewayz relay rebuild` makes the topics anew from the store"
    )]
    Torn { topic: String, partition: i32 },
    #[error("the progress topic holds a record that is no progress")]
    StrangeProgress(#[source] serde_json::Error),
    #[error("Kafka does not do as it is asked")]
    Kafka(#[from] KafkaError),
    #[error("the event store does not answer")]
    Store(#[from] commands::Error),
    #[error("a thread of the relay has panicked")]
    Panicked,
}

impl RelayError {
    /// Whether trying again is of no use: somebody has to look.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::Kafka(_)
                | Self::Store(_)
                | Self::ProgressUnseen
                | Self::Hanging { .. }
                | Self::Unsettled { .. }
        )
    }
}

impl RelayError {
    /// What is the matter, in words that anybody may read.
    #[must_use]
    pub fn why(&self) -> &'static str {
        match self {
            Self::Kafka(_) => Fault::coded("kafka").says(),
            Self::Store(error) => Fault::of(error).says(),
            Self::Hanging { .. } | Self::Unsettled { .. } => "a transaction hangs in Kafka",
            Self::ProgressUnseen => "Kafka does not show yet how far the topics are",
            _ => "somebody has to look: the log of the process says at what",
        }
    }
}

impl From<sqlx::Error> for RelayError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
