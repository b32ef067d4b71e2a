//! What a reactor writes with its checkpoint: deadlines, and events that are parked.

use std::sync::Arc;

use chrono::{DateTime, Utc};
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
    /// Writes it for the subscription of this name.
    pub(super) async fn write(&self, name: &str, transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
        match self {
            Self::Remind { workspace, key, due_at, cause } => sqlx::query!(
                "insert into deadlines (workspace_id, process, key, due_at, cause) values ($1, $2, $3, $4, $5)
                 on conflict (process, workspace_id, key) do update
                     set due_at = excluded.due_at, cause = excluded.cause",
                workspace,
                name,
                key,
                due_at,
                cause
            )
            .execute(transaction)
            .await
            .map(drop),
            Self::Forget { workspace, key } => sqlx::query!(
                "delete from deadlines where process = $1 and workspace_id = $2 and key = $3",
                name,
                workspace,
                key
            )
            .execute(transaction)
            .await
            .map(drop),
            Self::Fired { workspace, key, due_at } => sqlx::query!(
                "delete from deadlines where process = $1 and workspace_id = $2 and key = $3 and due_at = $4",
                name,
                workspace,
                key,
                due_at
            )
            .execute(transaction)
            .await
            .map(drop),
            Self::Park { event, reason } => {
                tracing::error!(subscription = name, position = event.position, reason, "parked an event");
                parked::park(transaction, name, event, &[stream_key(event)], reason).await
            }
            Self::Unpark { position } => parked::unpark(transaction, name, *position).await,
        }
    }
}
