//! Streams: which there are, by how their ids begin, and in which workspaces.

use domain::ids::WorkspaceId;
use domain::kernel::Decider;

use super::{EventStore, stream};
use crate::error::{Error, Result};

impl EventStore {
    /// The ids of a workspace's streams of `A` that begin so, in their order.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::Internal`] if one is no id of an `A`.
    pub async fn beginning_with<A: Decider>(
        &self,
        workspace: WorkspaceId,
        prefix: &str,
    ) -> Result<Vec<A::Id>> {
        // They lie next to each other in the index.
        let (whole, of_workspace) = (stream(workspace, prefix), stream(workspace, ""));
        let found = sqlx::query_scalar!(
            "select aggregate_id from events
             where aggregate_id >= $1 and aggregate_id < $2 and aggregate_type = $3 and sequence = 1
             order by aggregate_id",
            whole,
            format!("{whole}{}", char::MAX),
            A::NAME,
        )
        .fetch_all(self.pool())
        .await?;
        let read = |stream: &String| {
            let id = stream.strip_prefix(&of_workspace).unwrap_or(stream);
            id.parse().map_err(|e| Error::internal(format!("{} {id} is none: {e}", A::NAME)))
        };
        found.iter().map(read).collect()
    }

    /// Every workspace that something has happened in.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn workspaces(&self) -> Result<Vec<WorkspaceId>> {
        // From one workspace to the next in the index, over all events between.
        let ids = sqlx::query_scalar!(
            r#"with recursive found as (
                   (select workspace_id from events order by workspace_id limit 1)
                   union all
                   select (select e.workspace_id from events e where e.workspace_id > f.workspace_id
                           order by e.workspace_id limit 1)
                   from found f where f.workspace_id is not null
               )
               select workspace_id as "id!" from found where workspace_id is not null"#
        )
        .fetch_all(self.pool())
        .await?;
        Ok(ids.into_iter().map(WorkspaceId::from_uuid).collect())
    }
}
