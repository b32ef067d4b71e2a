//! Views: read models as pure folds by key.
//!
//! `touches` names the rows an event is about, `fold` makes the new row. No clock, no SQL, nothing but the event:
//! so a rebuild, a time travel and the live table are the same function.

use domain::ids::WorkspaceId;
use domain::kernel::{Decider, Recorded, Unreadable};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One row of a read model, by its key inside a workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    pub workspace: WorkspaceId,
    pub key: String,
}

/// The rows an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touches(pub Vec<RowKey>);

impl Touches {
    #[must_use]
    pub fn nothing() -> Self {
        Self(Vec::new())
    }

    /// The row of this key in the event's workspace.
    pub fn row(event: &Recorded, key: impl ToString) -> Self {
        Self(vec![RowKey { workspace: event.workspace, key: key.to_string() }])
    }

    /// The row that mirrors the event's own stream, if that is one of `A`.
    #[must_use]
    pub fn stream_of<A: Decider>(event: &Recorded) -> Self {
        if event.aggregate_type == A::NAME { Self::row(event, &event.id) } else { Self::nothing() }
    }

    /// These rows and those.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

/// Why a fold could not take an event in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfoldable {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A figure would leave its range.
    #[error("a figure of the read model would leave its range")]
    OutOfRange,
    /// The fold panicked: a mistake in it, told as such.
    #[error("the fold failed: {0}")]
    Panicked(String),
}

impl From<domain::money::Unreckonable> for Unfoldable {
    fn from(_: domain::money::Unreckonable) -> Self {
        Self::OutOfRange
    }
}

/// A read model: table `read.<NAME>`, primary key `(workspace_id, <KEY>)`.
pub trait View: Send + Sync + 'static {
    /// The name of its table and of its subscription.
    const NAME: &'static str;
    /// The key's column.
    const KEY: &'static str = "id";
    /// The aggregates it hears.
    const LISTENS_TO: &'static [&'static str];
    /// Whether each row is touched by one stream only: then it may read from Kafka's partitions.
    const BY_STREAM: bool;
    /// A row: its JSON has exactly the table's columns.
    type Row: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + Unpin;

    /// # Errors
    /// [`Unreadable`].
    fn touches(event: &Recorded) -> Result<Touches, Unreadable>;

    /// The row after the event; `None` where there is none (any more).
    ///
    /// # Errors
    /// [`Unfoldable`]: the event is parked, and with it the rows it touches.
    fn fold(key: &RowKey, row: Option<Self::Row>, event: &Recorded) -> Result<Option<Self::Row>, Unfoldable>;

    /// Figures summed over its rows.
    #[must_use]
    fn totals() -> Vec<Total<Self::Row>> {
        Vec::new()
    }
}

/// Figures summed over a view's rows: table `read.<table>`, primary key `(workspace_id, <group>…)`, and beside the
/// amounts a column `rows bigint` that counts its contributors (a group without any is deleted).
pub struct Total<R> {
    pub table: &'static str,
    /// Its group's columns.
    pub group: &'static [&'static str],
    /// Its amounts' columns (numeric: a sum has no bound, whatever its addends have).
    pub amounts: &'static [&'static str],
    /// What a row adds.
    pub contributes: fn(&R) -> Vec<Contribution>,
}

/// What one row adds to one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// The group's columns as text, in the order of [`Total::group`].
    pub group: Vec<String>,
    /// The amounts, in the order of [`Total::amounts`].
    pub amounts: Vec<i64>,
}
