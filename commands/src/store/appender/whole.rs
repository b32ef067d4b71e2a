//! Whole: commands that were decided one on another across streams, appended together or not at all.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::NewEvent;
use crate::error::Refused;

/// What is appended together.
#[derive(Debug, Default)]
pub(in crate::store) struct Whole {
    pub at: DateTime<Utc>,
    /// In the order in which they were decided.
    pub commands: Vec<Answer>,
    /// Every stream that one of them acted on, as the first of them found it.
    pub streams: Vec<Expected>,
    /// In the order in which they were decided, whatever their streams.
    pub events: Vec<Placed>,
}

/// A command, and what it is answered.
#[derive(Debug)]
pub(in crate::store) struct Answer {
    pub id: Uuid,
    pub subject: String,
    pub version: i64,
    pub refusal: Option<Refused>,
    /// How many events there are once it is done.
    pub end: i32,
}

#[derive(Debug)]
pub(in crate::store) struct Expected {
    pub aggregate_type: &'static str,
    /// `<workspace>/<id>`.
    pub aggregate_id: String,
    pub expected: i64,
}

#[derive(Debug)]
pub(in crate::store) struct Placed {
    /// Which of the streams.
    pub stream: usize,
    pub workspace: Uuid,
    pub sequence: i64,
    pub event: NewEvent,
}
