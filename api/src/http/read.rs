//! Reads: one row of a read model, a page of rows, what has happened to a thing.

use axum::extract::FromRequestParts;
use commands::Context;
use domain::kernel::{Decider, Sourced};
use http::request::Parts;
use projections::{Filter, Seen, StreamView, View, find, page};
use serde::Serialize;

use crate::answer::Shown;
use crate::app::App;
use crate::extract::comer;
use crate::fresh::MinPosition;
use crate::history::{Happened, happened};
use crate::page::{ListId, Page, Paging};
use crate::problem::{Problem, Result};

/// A request that reads: who asks may, or nobody gets one of these (see [`crate::scope`]).
pub struct Read {
    pub app: App,
    pub cx: Context,
}

impl FromRequestParts<App> for Read {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        Ok(Self { app: app.clone(), cx: comer(parts, app).await?.cx })
    }
}

impl Read {
    /// The row of a view that mirrors one stream.
    ///
    /// # Errors
    /// `not-found`, `projection-behind`.
    pub async fn one<V: StreamView>(
        &self,
        id: <V::Of as Decider>::Id,
        fresh: &MinPosition,
    ) -> Result<Shown<V::Row>> {
        fresh.reached(&self.app, <V as View>::NAME).await?;
        let seen = find::<V>(&self.app.reads, self.cx.workspace, id).await?;
        let Seen { position, value } = fresh.seen(seen)?;
        let mut body = value.ok_or_else(Problem::not_found)?;
        let version = Some(V::stem(&mut body).version);
        Ok(Shown { position, version, body })
    }

    /// The rows of a view that a filter lets pass, a page at a time.
    ///
    /// # Errors
    /// `cursor-invalid`, `projection-behind`.
    pub async fn page<F: Filter + Serialize>(
        &self,
        filter: F,
        paging: &Paging,
        fresh: &MinPosition,
    ) -> Result<Shown<Page<<F::Of as View>::Row>>> {
        fresh.reached(&self.app, F::Of::NAME).await?;
        // One text for one meaning: a cursor is good for what it was made under.
        let filtered = serde_json::to_string(&filter).expect("a filter is JSON");
        let list = ListId { workspace: self.cx.workspace, name: F::Of::NAME, filter: &filtered };
        let after = paging.after(&self.app.cursors, &list)?;
        let seen = page(&self.app.reads, self.cx.workspace, filter, (after, paging.limit())).await?;
        Ok(Page::shown(fresh.seen(seen)?, |after| self.app.cursors.seal(&list, after)))
    }

    /// What has happened to a thing, from the beginning on, a page at a time.
    ///
    /// # Errors
    /// `not-found` if nothing ever did, `cursor-invalid`.
    pub async fn history<A: Sourced>(&self, id: A::Id, paging: &Paging) -> Result<Shown<Page<Happened>>> {
        happened::<A>(&self.app, &self.cx, &id, paging).await
    }
}
