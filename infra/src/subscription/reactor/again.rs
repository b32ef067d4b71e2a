//! Again: what is answered though it was read long ago: deadlines that are due, and parked events.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::change::Change;
use super::{Run, Task};
use crate::subscription::parked::{self, Parked, stream_key};

impl Run<'_> {
    /// The deadlines that are due by the clock. None while earlier ones are under way, so that none fires twice.
    pub(super) async fn due(&mut self) -> Result<Vec<Task>, sqlx::Error> {
        let now = self.host.clock.now();
        if self.firing > 0 || !self.fired.is_empty() || self.next_due.is_none_or(|due_at| due_at > now) {
            return Ok(Vec::new());
        }
        let rows = sqlx::query!(
            "select workspace_id, key, due_at, cause from deadlines
             where process = $1 and due_at <= $2 order by due_at limit 64",
            self.reactor.name(),
            now
        )
        .fetch_all(self.pool)
        .await?;
        if rows.is_empty() {
            self.next_due = self.soonest().await?;
        }
        self.firing = rows.len();
        Ok(rows
            .into_iter()
            .map(|row| Task::Deadline {
                workspace: row.workspace_id,
                key: row.key,
                due_at: row.due_at,
                cause: row.cause,
            })
            .collect())
    }

    pub(super) async fn soonest(&self) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
        sqlx::query_scalar!("select min(due_at) from deadlines where process = $1", self.reactor.name())
            .fetch_one(self.pool)
            .await
    }

    /// Parked events that somebody wants tried again.
    ///
    /// Not yet, while one of their streams has an event under way, which may have been told to wait, or while one
    /// that was is still to be written: it would be parked for good behind events that are no longer.
    pub(super) async fn asked_again(&mut self) -> Result<Vec<Task>, anyhow::Error> {
        let parks = |change: &Change| matches!(change, Change::Park { .. });
        if self.open.values().flatten().flatten().any(parks) {
            return Ok(Vec::new());
        }
        let asked = parked::asked(self.pool, self.reactor.name()).await?;
        let asked: Vec<i64> = asked.into_iter().map(|(position, _)| position).collect();
        if asked.is_empty() || asked.iter().any(|position| self.open.contains_key(position)) {
            return Ok(Vec::new());
        }
        let events = self.host.log.store().pick(&asked).await?;
        if events.iter().any(|event| self.lanes.contains_key(&stream_key(event))) {
            return Ok(Vec::new());
        }
        // What has come to wait since they were asked for is asked for too: it may be written later than they are.
        parked::ask_again(self.pool, self.reactor.name()).await?;
        self.parked = Parked::default();
        Ok(events
            .into_iter()
            .map(|event| {
                self.open.insert(event.position, None);
                Task::Event { event: Arc::new(event), unparked: true }
            })
            .collect())
    }
}
