//! Events: the log, read.

use std::ops::RangeInclusive;

use domain::ids::WorkspaceId;
use domain::kernel::{Parsed, Recorded, Sourced};

use super::{EventStore, stream};
use crate::error::{Error, Result};

/// The events for which this holds, in an order. The only place that knows the columns of `events`.
macro_rules! events {
    ($pool:expr, $which:tt, $($argument:expr),*) => {
        sqlx::query!(
            r#"select position, workspace_id, workspace_position, event_id, aggregate_type, aggregate_id, sequence,
                      event_type, event_version, payload::text as "payload!", metadata::text as "metadata!",
                      recorded_at, effective_at
               from events where "# + $which,
            $($argument),*
        )
        .map(|row| Recorded {
            position: row.position,
            workspace: WorkspaceId::from_uuid(row.workspace_id),
            workspace_position: row.workspace_position,
            event_id: row.event_id,
            aggregate_type: row.aggregate_type,
            id: row.aggregate_id.split_once('/').map_or("", |(_, id)| id).to_owned(),
            sequence: row.sequence,
            event_type: row.event_type,
            event_version: row.event_version,
            payload: row.payload,
            metadata: row.metadata,
            recorded_at: row.recorded_at,
            effective_at: row.effective_at,
            parsed: Parsed::default(),
        })
        .fetch_all($pool)
        .await
    };
}

impl EventStore {
    /// Events after a position, at most `limit`, in order.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also if the positions have a hole: the log never has one.
    pub async fn read(&self, after: i64, limit: i64) -> Result<Vec<Recorded>> {
        let events = events!(self.pool(), "position > $1 order by position limit $2", after, limit)?;
        for (expected, event) in (after + 1..).zip(&events) {
            if event.position != expected {
                return Err(Error::unavailable(format!(
                    "the log has a hole: position {expected} is missing before {}",
                    event.position
                )));
            }
        }
        Ok(events)
    }

    /// The events at these positions, in order.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn pick(&self, positions: &[i64]) -> Result<Vec<Recorded>> {
        Ok(events!(self.pool(), "position = any ($1) order by position", positions)?)
    }

    /// The events of these types of aggregates at these positions, in order.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn of_types(&self, positions: RangeInclusive<i64>, types: &[&str]) -> Result<Vec<Recorded>> {
        Ok(events!(
            self.pool(),
            "position between $1 and $2 and aggregate_type = any ($3) order by position",
            *positions.start(),
            *positions.end(),
            types as &[&str]
        )?)
    }

    /// A thing's history: its stream after a sequence, at most `limit` events.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn history<A: Sourced>(
        &self,
        workspace: WorkspaceId,
        id: &A::Id,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>> {
        self.of_stream(A::NAME, &stream(workspace, id), after, limit).await
    }

    pub(crate) async fn of_stream(
        &self,
        aggregate_type: &str,
        stream: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>> {
        Ok(events!(
            self.pool(),
            "aggregate_type = $1 and aggregate_id = $2 and sequence > $3 order by sequence limit $4",
            aggregate_type,
            stream,
            after,
            limit
        )?)
    }
}
