//! History: what has happened to a thing, as the log tells it.

use chrono::{DateTime, Utc};
use commands::Context;
use domain::kernel::{Recorded, Sourced};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::Shown;
use crate::app::App;
use crate::page::{ListId, Page, Paging};
use crate::problem::{Problem, Result};

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct Happened {
    /// Which event of the thing it is: 1, 2, 3 …; the thing's version once it had happened.
    pub version: i64,
    pub event_id: Uuid,
    /// What happened: `type` and what belongs to it, as recorded.
    #[schema(value_type = Object)]
    pub event: Box<RawValue>,
    /// Who did it.
    pub actor: String,
    /// What was asked for, e.g. `product.rename`.
    pub command: String,
    /// What it came with: everything that followed from one request has the same.
    pub correlation: Uuid,
    /// Since when it holds.
    pub effective_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

impl Happened {
    fn told(event: Recorded) -> Result<Self> {
        let meta = event.meta().map_err(commands::Error::failed)?;
        Ok(Self {
            version: event.sequence,
            event_id: event.event_id,
            event: RawValue::from_string(event.payload).map_err(commands::Error::failed)?,
            actor: meta.actor,
            command: meta.command,
            correlation: meta.correlation,
            effective_at: event.effective_at,
            recorded_at: event.recorded_at,
        })
    }
}

/// A page of what has happened to a thing of the workspace, from the beginning on.
///
/// # Errors
/// `not-found` if nothing ever did.
pub(crate) async fn happened<A: Sourced>(
    app: &App,
    cx: &Context,
    id: &A::Id,
    paging: &Paging,
) -> Result<Shown<Page<Happened>>> {
    let name = format!("{}/{id}", A::NAME);
    let list = ListId { workspace: cx.workspace, name: &name, filter: "" };
    let after: Option<i64> = paging.after(&app.cursors, &list)?;
    let position = app.store.head().await?;
    let events = app.store.history::<A>(cx.workspace, id, after.unwrap_or(0), paging.rows()).await?;
    if events.is_empty() && after.is_none() {
        return Err(Problem::not_found());
    }
    let told = events.into_iter().map(Happened::told).collect::<Result<Vec<_>>>()?;
    let body = Page::cut(told, paging, |last| app.cursors.seal(&list, &last.version));
    Ok(Shown { position, version: None, body })
}
