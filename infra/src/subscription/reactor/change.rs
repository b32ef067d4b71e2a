//! What a reactor writes with its checkpoint: deadlines, and events that are parked.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use commands::Instruction;
use domain::kernel::Recorded;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::subscription::parked::{self, stream_key};

/// What is written with the checkpoint.
pub(super) enum Change {
    Remind { workspace: Uuid, key: String, due_at: DateTime<Utc>, cause: i64 },
    Forget { workspace: Uuid, key: String },
    Fired { workspace: Uuid, key: String, due_at: DateTime<Utc> },
    Park { event: Arc<Recorded>, reason: String },
    Unpark { position: i64 },
}

impl Change {
    /// What an instruction changes by itself, for the event that it follows from.
    pub(super) fn of(instruction: Instruction, cause: &Recorded) -> Option<Self> {
        let workspace = cause.workspace.uuid();
        match instruction {
            Instruction::Remind { key, after } => {
                let due_at = cause.recorded_at + after;
                Some(Self::Remind { workspace, key, due_at, cause: cause.position })
            }
            Instruction::Forget { key } => Some(Self::Forget { workspace, key }),
            Instruction::Act { .. } => None,
        }
    }
}

/// Writes them for the subscription of this name. Of several changes of one deadline only the last is written.
pub(super) async fn write(
    changes: &[Change],
    name: &str,
    transaction: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    let mut deadlines = BTreeMap::new();
    for change in changes {
        match change {
            Change::Remind { workspace, key, due_at, cause } => {
                deadlines.insert((*workspace, key.as_str()), Some((*due_at, *cause)));
            }
            Change::Forget { workspace, key } => _ = deadlines.insert((*workspace, key.as_str()), None),
            // It was written before any of these: whatever is to come of its key comes after it.
            Change::Fired { workspace, key, due_at } => {
                sqlx::query!(
                    "delete from deadlines where process = $1 and workspace_id = $2 and key = $3 and due_at = $4",
                    name,
                    workspace,
                    key,
                    due_at
                )
                .execute(&mut *transaction)
                .await?;
            }
            Change::Park { event, reason } => {
                tracing::error!(subscription = name, position = event.position, reason, "parked an event");
                parked::park(&mut *transaction, name, event, &[stream_key(event)], reason).await?;
            }
            Change::Unpark { position } => parked::unpark(&mut *transaction, name, *position).await?,
        }
    }
    if deadlines.is_empty() {
        return Ok(());
    }
    let (mut workspaces, mut keys, mut times, mut causes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((workspace, key), deadline) in deadlines {
        workspaces.push(workspace);
        keys.push(key);
        times.push(deadline.map(|(due_at, _)| due_at));
        causes.push(deadline.map(|(_, cause)| cause));
    }
    sqlx::query!(
        "with changed as materialized (
             select * from unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[])
                           as c (workspace_id, key, due_at, cause)
         ), gone as (
             delete from deadlines d using changed c
             where c.due_at is null and d.process = $1 and d.workspace_id = c.workspace_id and d.key = c.key
         )
         insert into deadlines (workspace_id, process, key, due_at, cause)
         select c.workspace_id, $1, c.key, c.due_at, c.cause from changed c where c.due_at is not null
         on conflict (process, workspace_id, key) do update set due_at = excluded.due_at, cause = excluded.cause",
        name,
        &workspaces,
        &keys as &[&str],
        &times as &[Option<DateTime<Utc>>],
        &causes as &[Option<i64>],
    )
    .execute(transaction)
    .await
    .map(drop)
}
