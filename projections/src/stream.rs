//! Views of one stream: read models whose rows mirror a stream each.
//!
//! What such rows have in common is written here, and so means the same in all of them: `created_at` and `updated_at`
//! say when the stream's first and last event were recorded, `version` how many there are. Since when something holds
//! (`effective_at`) is a column of its own where a reader needs it.

use chrono::{DateTime, Utc};
use domain::ids::WorkspaceId;
use domain::kernel::{Decider, Recorded, Unreadable};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::view::{RowKey, Total, Touches, Unfoldable, View};

/// The columns that every row has which mirrors a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stem<I> {
    pub workspace_id: WorkspaceId,
    pub id: I,
    /// How many events made it: its ETag.
    pub version: i64,
    /// When its first event was recorded.
    pub created_at: DateTime<Utc>,
    /// When its last event was recorded.
    pub updated_at: DateTime<Utc>,
}

/// A [`View`] with a row for each stream of one kind: `begun` by its first event, then changed by each, that one
/// included.
pub trait StreamView: Send + Sync + 'static {
    /// The name of its table and of its subscription.
    const NAME: &'static str;
    /// Whose streams.
    type Of: Decider;
    /// A row: its [`Stem`] flattened, and what else it shows.
    type Row: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + Unpin;

    fn stem(row: &mut Self::Row) -> &mut Stem<<Self::Of as Decider>::Id>;

    /// The row before anything happened to it, if `first` is an event that rows begin with.
    fn begun(
        stem: Stem<<Self::Of as Decider>::Id>,
        happened: &<Self::Of as Decider>::Event,
        first: &Recorded,
    ) -> Option<Self::Row>;

    /// The row after an event.
    ///
    /// # Errors
    /// [`Unfoldable`]: the event is parked, and the stream's later ones behind it.
    fn apply(
        row: &mut Self::Row,
        happened: &<Self::Of as Decider>::Event,
        event: &Recorded,
    ) -> Result<(), Unfoldable>;

    /// Figures summed over its rows.
    #[must_use]
    fn totals() -> Vec<Total<Self::Row>> {
        Vec::new()
    }
}

impl<I> Stem<I> {
    /// Of a row that begins with this event.
    pub(crate) fn of<A: Decider<Id = I>>(first: &Recorded) -> Result<Self, Unreadable> {
        Ok(Self {
            workspace_id: first.workspace,
            id: first.id_of::<A>()?,
            version: 0,
            created_at: first.recorded_at,
            updated_at: first.recorded_at,
        })
    }
}

impl<V: StreamView> View for V {
    const NAME: &'static str = V::NAME;
    const LISTENS_TO: &'static [&'static str] = &[V::Of::NAME];
    const BY_STREAM: bool = true;
    type Row = V::Row;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        Ok(Touches::stream_of::<V::Of>(event))
    }

    fn fold(_: &RowKey, row: Option<V::Row>, event: &Recorded) -> Result<Option<V::Row>, Unfoldable> {
        let Some(what) = event.of::<V::Of>()? else { return Ok(row) };
        let begun = match row {
            Some(row) => Some(row),
            None => V::begun(Stem::of::<V::Of>(event)?, what, event),
        };
        let Some(mut row) = begun else { return Ok(None) };
        V::apply(&mut row, what, event)?;
        let stem = V::stem(&mut row);
        (stem.version, stem.updated_at) = (event.sequence, event.recorded_at);
        Ok(Some(row))
    }

    fn totals() -> Vec<Total<V::Row>> {
        V::totals()
    }
}

#[cfg(test)]
mod tests {
    use domain::commerce::cart::{Cart, CartEvent};
    use domain::money::Currency;

    use super::*;
    use crate::commerce::cart::Carts;

    #[test]
    fn an_event_whose_streams_id_cannot_be_read_is_never_dropped() {
        let opened = CartEvent::Opened { customer: None, currency: Currency::USD };
        let event = Recorded::example::<Cart>("nobody", &opened);
        let Touches(keys) = Carts::touches(&event).unwrap();
        assert_eq!(keys.len(), 1, "its row is parked with it");
        let folded = Carts::fold(&keys[0], None, &event);
        assert!(matches!(folded, Err(Unfoldable::Unreadable(_))), "{folded:?}");
    }
}
