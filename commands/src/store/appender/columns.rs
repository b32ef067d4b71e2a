//! Columns: a batch as the functions of the database take it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::whole::Whole;
use super::{Append, NewEvent};

/// The batch, column by column: `c` commands, `w` workspaces, `s` streams, `e` events.
#[derive(Default)]
pub(super) struct Columns<'a> {
    /// Whether versions are looked up under the lock: where each stream has events, these find out by themselves.
    pub look: bool,
    pub c_id: Vec<Uuid>,
    pub c_hash: Vec<&'a [u8]>,
    pub c_subject: Vec<&'a str>,
    pub c_version: Vec<i64>,
    pub c_refusal: Vec<Option<String>>,
    pub c_end: Vec<i32>,
    pub w_id: Vec<Uuid>,
    pub s_command: Vec<i32>,
    pub s_type: Vec<&'a str>,
    pub s_id: Vec<&'a str>,
    /// Absent where the command follows another of the batch on that stream.
    pub s_expected: Vec<Option<i64>>,
    pub e_command: Vec<i32>,
    pub e_workspace: Vec<i32>,
    pub e_ordinal: Vec<i32>,
    pub e_type: Vec<&'a str>,
    pub e_id: Vec<&'a str>,
    pub e_sequence: Vec<i64>,
    pub e_event_id: Vec<Uuid>,
    pub e_event_type: Vec<&'a str>,
    pub e_event_version: Vec<&'a str>,
    pub e_payload: Vec<&'a str>,
    pub e_metadata: Vec<&'a str>,
    pub e_effective: Vec<DateTime<Utc>>,
    /// Each workspace's place in `w` and how many events it has so far.
    pub workspaces: HashMap<Uuid, (i32, i32)>,
    pub events: i32,
}

impl<'a> Columns<'a> {
    pub(super) fn of(whole: &'a Whole) -> Result<Self, sqlx::Error> {
        // Every version is looked up: what is not at its own is found before anything is inserted and rolled back.
        let mut columns = Self { look: true, ..Self::default() };
        for command in &whole.commands {
            let refusal = command.refusal.as_ref().map(serde_json::to_string).transpose();
            columns.c_id.push(command.id);
            columns.c_hash.push(&[]);
            columns.c_subject.push(&command.subject);
            columns.c_version.push(command.version);
            columns.c_refusal.push(refusal.map_err(|e| sqlx::Error::Encode(e.into()))?);
            columns.c_end.push(command.end);
        }
        for stream in &whole.streams {
            columns.s_command.push(1);
            columns.s_type.push(stream.aggregate_type);
            columns.s_id.push(&stream.aggregate_id);
            columns.s_expected.push(Some(stream.expected));
        }
        for event in &whole.events {
            let stream = &whole.streams[event.stream];
            columns.event(
                1,
                event.workspace,
                (stream.aggregate_type, &stream.aggregate_id),
                event.sequence,
                &event.event,
            );
        }
        Ok(columns)
    }

    fn event(
        &mut self,
        command: i32,
        workspace: Uuid,
        (aggregate_type, id): (&'a str, &'a str),
        sequence: i64,
        event: &'a NewEvent,
    ) {
        let (workspace, ordinal) = self.workspaces.entry(workspace).or_insert_with(|| {
            self.w_id.push(workspace);
            (self.w_id.len() as i32, 0)
        });
        *ordinal += 1;
        self.events += 1;
        self.e_command.push(command);
        self.e_workspace.push(*workspace);
        self.e_ordinal.push(*ordinal);
        self.e_type.push(aggregate_type);
        self.e_id.push(id);
        self.e_sequence.push(sequence);
        self.e_event_id.push(event.event_id);
        self.e_event_type.push(&event.event_type);
        self.e_event_version.push(&event.event_version);
        self.e_payload.push(&event.payload);
        self.e_metadata.push(&event.metadata);
        self.e_effective.push(event.effective_at);
    }

    pub(super) fn push(&mut self, append: &'a Append, follows: bool) -> Result<(), sqlx::Error> {
        let n = self.c_id.len() as i32 + 1;
        for entry in &append.entries {
            self.look |= entry.events.is_empty() && !follows;
            self.s_command.push(n);
            self.s_type.push(entry.aggregate_type);
            self.s_id.push(&entry.aggregate_id);
            self.s_expected.push((!follows).then_some(entry.expected));
            for (sequence, event) in (entry.expected + 1..).zip(&entry.events) {
                let stream = (entry.aggregate_type, entry.aggregate_id.as_str());
                self.event(n, append.workspace, stream, sequence, event);
            }
        }
        self.c_id.push(append.command_id);
        self.c_hash.push(&append.request_hash);
        self.c_subject.push(&append.subject);
        self.c_version.push(append.version);
        let refusal = append.refusal.as_ref().map(serde_json::to_string).transpose();
        self.c_refusal.push(refusal.map_err(|e| sqlx::Error::Encode(e.into()))?);
        self.c_end.push(self.events);
        Ok(())
    }
}
