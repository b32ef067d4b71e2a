//! Parts: how far the live view is in each partition, if it is read from Kafka.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::kernel::Recorded;
use sqlx::PgConnection;

use crate::relay::record;

/// The positions of the partitions, by context; none where the view is read from the store.
pub(super) struct Parts(BTreeMap<String, Vec<i64>>);

impl Parts {
    pub async fn load(transaction: &mut PgConnection, view: &str) -> Result<Self, sqlx::Error> {
        let rows = sqlx::query!(
            r#"select context, array_agg(position order by partition) as "positions!"
               from view_partitions where subscription = $1 group by context"#,
            view
        )
        .fetch_all(transaction)
        .await?;
        Ok(Self(rows.into_iter().map(|row| (row.context, row.positions)).collect()))
    }

    /// The furthest of them; 0 if there are none.
    pub fn furthest(&self) -> i64 {
        self.0.values().flatten().copied().max().unwrap_or_default()
    }

    /// Events in those that the live view has applied, and those that it has yet to read.
    pub fn divide(&self, events: Vec<Arc<Recorded>>) -> (Vec<Arc<Recorded>>, Vec<Arc<Recorded>>) {
        events.into_iter().partition(|event| event.position <= self.position(event))
    }

    /// How far the partition is in which an event lies.
    fn position(&self, event: &Recorded) -> i64 {
        let context = event.aggregate_type.split_once('.').map_or("", |(context, _)| context);
        let Some(positions) = self.0.get(context) else { return 0 };
        let (_, partition) = record::place(event, i32::try_from(positions.len()).unwrap_or(i32::MAX));
        usize::try_from(partition).ok().and_then(|n| positions.get(n)).copied().unwrap_or_default()
    }
}
