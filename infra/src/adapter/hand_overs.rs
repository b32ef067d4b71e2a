//! Hand-overs: which messages were handed to the mail server, noted in PostgreSQL before and after.

use async_trait::async_trait;
use commands::port::mail::{Delivery, HandOvers, NoNote, Noted};
use sqlx::PgPool;
use uuid::Uuid;

/// Notes in the table `hand_overs`. They must outlast a crash of the server: its commits are durable.
#[derive(Debug, Clone)]
pub struct PgHandOvers(pub PgPool);

fn no_note(error: sqlx::Error) -> NoNote {
    NoNote(error.to_string())
}

#[async_trait]
impl HandOvers for PgHandOvers {
    async fn begin(&self, message: Uuid) -> Result<Noted, NoNote> {
        let begun =
            sqlx::query!("insert into hand_overs (message_id) values ($1) on conflict do nothing", message)
                .execute(&self.0)
                .await
                .map_err(no_note)?;
        if begun.rows_affected() == 1 {
            return Ok(Noted::Begun);
        }
        let came = sqlx::query_scalar!("select came from hand_overs where message_id = $1", message)
            .fetch_one(&self.0)
            .await
            .map_err(no_note)?;
        match came {
            None => Ok(Noted::Interrupted),
            Some(came) => {
                came.parse().map(Noted::Ended).map_err(|_| NoNote(format!("`{came}` is unknown here")))
            }
        }
    }

    async fn end(&self, message: Uuid, came: Delivery) -> Result<(), NoNote> {
        // Who knows comes before who does not.
        sqlx::query!(
            "update hand_overs set came = $2, ended_at = clock_timestamp()
             where message_id = $1 and (came is null or came = 'unknown')",
            message,
            came.as_ref()
        )
        .execute(&self.0)
        .await
        .map(drop)
        .map_err(no_note)
    }

    async fn forget(&self, message: Uuid) -> Result<(), NoNote> {
        sqlx::query!("delete from hand_overs where message_id = $1 and came is null", message)
            .execute(&self.0)
            .await
            .map(drop)
            .map_err(no_note)
    }
}
