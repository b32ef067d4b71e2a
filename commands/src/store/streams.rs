//! Streams: which there are, by how their ids begin.

use domain::ids::WorkspaceId;
use domain::kernel::Decider;

use super::{EventStore, stream};
use crate::error::{Error, Result};

impl EventStore {
    /// The ids of a workspace's streams of `A` that begin so.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn beginning_with<A: Decider>(
        &self,
        workspace: WorkspaceId,
        prefix: &str,
    ) -> Result<Vec<String>> {
        let (whole, of_workspace) = (stream(workspace, prefix), stream(workspace, ""));
        let found: Vec<String> = sqlx::query_scalar(
            "select aggregate_id from events
             where aggregate_id >= $1 and aggregate_id < $2 and aggregate_type = $3 and sequence = 1",
        )
        .bind(&whole)
        .bind(format!("{whole}{}", char::MAX))
        .bind(A::NAME)
        .fetch_all(self.pool())
        .await
        .map_err(Error::unavailable)?;
        Ok(found.iter().filter_map(|id| id.strip_prefix(&of_workspace).map(str::to_owned)).collect())
    }
}
