//! Ports: what the API needs of the platform around it, and does not know the making of.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// Knows how far the views are.
#[async_trait]
pub trait Freshness: Send + Sync + 'static {
    /// Waits until a view shows a position, and says which it shows; `None` if it is still behind.
    async fn wait(&self, view: &str, position: i64, at_most: Duration) -> Option<i64>;
}

/// Knows the subscriptions.
#[async_trait]
pub trait Subscriptions: Send + Sync + 'static {
    /// All of them, by name.
    async fn all(&self) -> commands::Result<Vec<SubscriptionState>>;
}

/// One read model, process, effect or relay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubscriptionState {
    pub name: String,
    /// The last position it has taken in.
    pub position: i64,
    /// How many events it is behind the log.
    pub lag: i64,
    /// How many keys or streams wait for a person, after an event that could not be taken in.
    pub parked: i64,
    /// There if it does not move although the log has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Standstill>,
}

/// Since when and why something does not move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Standstill {
    pub since: DateTime<Utc>,
    /// What it failed on last: a code and a few words, nothing of the data.
    pub why: String,
}

/// Nobody knows how far the views are, nor of any subscription.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

#[async_trait]
impl Freshness for Silent {
    async fn wait(&self, _: &str, _: i64, _: Duration) -> Option<i64> {
        None
    }
}

#[async_trait]
impl Subscriptions for Silent {
    async fn all(&self) -> commands::Result<Vec<SubscriptionState>> {
        Ok(Vec::new())
    }
}

/// Something without which not everything works.
#[async_trait]
pub trait Dependency: Send + Sync + 'static {
    /// `database`, `kafka`.
    fn name(&self) -> &'static str;
    /// Whether commands and reads go on without it.
    fn is_optional(&self) -> bool {
        false
    }
    /// A word on its state if it is well.
    ///
    /// # Errors
    /// A word on what is wrong: public, so without hosts, addresses and the like.
    async fn check(&self) -> Result<String, String>;
}

/// Writes all figures as Prometheus reads them.
pub type Exposition = Arc<dyn Fn() -> String + Send + Sync>;
