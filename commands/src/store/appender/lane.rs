//! Lane: one connection to the function `append`, and one batch at a time on it.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Append, Appended, Entry, NewEvent, Pending};
use crate::error::{Error, Refused, Result};
use crate::fault::Fault;
use crate::store::{Outcome, Position};

/// How long a batch is sent again before its commands are told that the store does not answer.
const GIVE_UP: Duration = Duration::from_secs(10);

/// A connection, made when it is first needed.
pub(super) struct Lane {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    /// Whether the last batch had a conflict: others write to the same streams, the next may have one too, and what is
    /// inserted and rolled back leaves dead rows.
    contended: bool,
    newest: watch::Sender<i64>,
}

impl Lane {
    pub(super) fn new(options: PgConnectOptions, newest: watch::Sender<i64>) -> Self {
        Self { options, connection: None, contended: false, newest }
    }

    /// Writes a batch, and answers each of its commands.
    pub(super) async fn write(mut self, batch: Vec<Pending>) -> Self {
        let mut groups = vec![batch];
        while let Some(mut group) = groups.pop() {
            match self.send(&group).await {
                Ok(answers) => {
                    failpoint::failpoint!("appender.before_reply");
                    self.answer(group, answers);
                }
                Err(Failure::Raised(source)) if group.len() > 1 => {
                    tracing::warn!(commands = group.len(), error = %source, "a batch was refused whole; halving it");
                    let second = group.split_off(group.len() / 2);
                    groups.push(second);
                    groups.push(group);
                }
                Err(Failure::Raised(source) | Failure::NoAnswer(source)) => {
                    tracing::error!(commands = group.len(), error = %source, "commands could not be stored");
                    let fault = Fault::from(&source);
                    for pending in group {
                        _ = pending.answer.send(Err(Error::failed(fault.clone())));
                    }
                }
            }
        }
        self
    }

    /// Sends the batch, again and again over new connections, until it is answered or time is up.
    async fn send(&mut self, group: &[Pending]) -> Result<Vec<Row>, Failure> {
        let give_up = tokio::time::Instant::now() + GIVE_UP;
        let mut pause = Duration::from_millis(20);
        loop {
            let attempt = tokio::time::timeout_at(give_up, async {
                let connection = match &mut self.connection {
                    Some(connection) => connection,
                    none => none.insert(self.options.connect().await?),
                };
                call(connection, group, self.contended).await
            });
            let error = match attempt.await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) => error,
                Err(_) => {
                    self.connection = None;
                    return Err(Failure::NoAnswer(std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
                }
            };
            if Fault::from(&error).is_permanent() {
                return Err(Failure::Raised(error));
            }
            if let Some(connection) = self.connection.take() {
                // A closed connection cannot hold the lock; the next call finds what this one did, or nothing.
                _ = connection.close_hard().await;
            }
            if tokio::time::Instant::now() + pause >= give_up {
                return Err(Failure::NoAnswer(error));
            }
            tracing::warn!(error = %error, "the event store does not answer; sending the batch again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    fn answer(&mut self, group: Vec<Pending>, rows: Vec<Row>) {
        let answers = match rows.as_slice() {
            [Row { command: None, position: Some(before), .. }] => all_stored(&group, *before),
            _ => one_by_one(&group, rows),
        };
        self.contended = answers.iter().any(|answer| matches!(answer, Ok(Appended::Conflict { .. })));
        let newest = answers.iter().filter_map(|answer| match answer {
            Ok(Appended::Done(Ok(outcome))) => Some(outcome.position.0),
            _ => None,
        });
        if let Some(newest) = newest.max() {
            self.newest.send_if_modified(|seen| {
                let newer = newest > *seen;
                *seen = (*seen).max(newest);
                newer
            });
        }
        for (pending, answer) in group.into_iter().zip(answers) {
            // Whoever asked may have gone; the answer is stored and a repeat will get it.
            _ = pending.answer.send(answer);
        }
    }
}

/// The answers where every command was taken; `before` is the position before the first event.
fn all_stored(group: &[Pending], before: i64) -> Vec<Result<Appended>> {
    let mut position = before;
    let answer = |Pending { append, .. }: &Pending| {
        position += append.entries.iter().map(|entry| entry.events.len() as i64).sum::<i64>();
        Ok(Appended::Done(match &append.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(Outcome {
                id: append.subject.clone(),
                version: append.version,
                position: Position(position),
                replayed: false,
            }),
        }))
    };
    group.iter().map(answer).collect()
}

fn one_by_one(group: &[Pending], rows: Vec<Row>) -> Vec<Result<Appended>> {
    let mut rows: HashMap<Option<Uuid>, Row> = rows.into_iter().map(|row| (row.command, row)).collect();
    let answer = |pending: &Pending| match rows.remove(&Some(pending.append.command_id)) {
        Some(row) => row.read(),
        None => Err(Error::unavailable("the event store gave no answer for a command")),
    };
    group.iter().map(answer).collect()
}

enum Failure {
    /// The function raised: nothing of the batch was taken.
    Raised(sqlx::Error),
    /// No answer in time: the batch may have been taken.
    NoAnswer(sqlx::Error),
}

struct Row {
    /// Absent if this row answers the whole batch.
    command: Option<Uuid>,
    status: String,
    subject: Option<String>,
    version: Option<i64>,
    position: Option<i64>,
    refusal: Option<String>,
}

impl Row {
    /// Every command was taken; `before` is the position before the first event.
    fn all_stored(before: i64) -> Self {
        let (status, position) = ("stored".into(), Some(before));
        Self { command: None, status, subject: None, version: None, position, refusal: None }
    }

    fn read(self) -> Result<Appended> {
        let incomplete = || Error::unavailable("the event store's answer is incomplete");
        match self.status.as_str() {
            "reused" => Ok(Appended::KeyReused),
            "conflict" => Ok(Appended::Conflict { current: self.version.ok_or_else(incomplete)? }),
            status => {
                let replayed = status == "known";
                let outcome = stored(self.subject, self.version, self.position, self.refusal, replayed)?;
                Ok(Appended::Done(outcome))
            }
        }
    }
}

/// A stored answer, as it was given.
pub(in crate::store) fn stored(
    subject: Option<String>,
    version: Option<i64>,
    position: Option<i64>,
    refusal: Option<String>,
    replayed: bool,
) -> Result<Result<Outcome, Refused>> {
    let incomplete = || Error::unavailable("the event store's answer is incomplete");
    if let Some(refusal) = refusal {
        let refusal: Refused = serde_json::from_str(&refusal).map_err(Error::failed)?;
        return Ok(Err(Refused { replayed, ..refusal }));
    }
    Ok(Ok(Outcome {
        id: subject.ok_or_else(incomplete)?,
        version: version.ok_or_else(incomplete)?,
        position: Position(position.ok_or_else(incomplete)?),
        replayed,
    }))
}

/// One round trip: arrays in, one answer a command out.
///
/// A command alone, of one event, is tried with plain values first. `contended`: conflicts are likely, and looked for
/// before anything is inserted.
async fn call(
    connection: &mut PgConnection,
    group: &[Pending],
    contended: bool,
) -> Result<Vec<Row>, sqlx::Error> {
    let mut sent = Columns { look: contended, ..Columns::default() };
    if let [Pending { append, at, .. }] = group
        && let Some(one) = append.only_event()
        && !contended
    {
        match append_one(connection, append, one, *at).await? {
            Some(position) => return Ok(vec![Row::all_stored(position - 1)]),
            None => sent.look = true,
        }
    }
    let mut at = DateTime::<Utc>::MIN_UTC;
    for (n, pending) in (1..).zip(group) {
        at = at.max(pending.at);
        sent.push(n, &pending.append)?;
    }
    // What an event follows is in the log for good, so it is looked for before the head's lock; whether something else
    // follows it already is for the unique index to say. Only what has no events must look a version up.
    sqlx::query_as!(
        Row,
        r#"select command, status as "status!", subject, version, "position", refusal
           from append($1, $2 or exists (
                           select from (select unnest($11::text[]) as type, unnest($12::text[]) as id,
                                               unnest($13::bigint[]) as expected) s
                           where s.expected > 0
                             and not exists (select from events e where e.aggregate_id = s.id
                                             and e.aggregate_type = s.type and e.sequence = s.expected)
                       ), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                       $21, $22, $23, $24, $25)"#,
        at,
        sent.look,
        &sent.c_id,
        &sent.c_hash as &[&[u8]],
        &sent.c_subject as &[&str],
        &sent.c_version,
        &sent.c_refusal as &[Option<String>],
        &sent.c_end,
        &sent.w_id,
        &sent.s_command,
        &sent.s_type as &[&str],
        &sent.s_id as &[&str],
        &sent.s_expected,
        &sent.e_command,
        &sent.e_workspace,
        &sent.e_ordinal,
        &sent.e_type as &[&str],
        &sent.e_id as &[&str],
        &sent.e_sequence,
        &sent.e_event_id,
        &sent.e_event_type as &[&str],
        &sent.e_event_version as &[&str],
        &sent.e_payload as &[&str],
        &sent.e_metadata as &[&str],
        &sent.e_effective,
    )
    .fetch_all(connection)
    .await
}

/// The position of a command's only event. None if the command is known already, or conflicts.
async fn append_one(
    connection: &mut PgConnection,
    append: &Append,
    (entry, event): (&Entry, &NewEvent),
    at: DateTime<Utc>,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "select append_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        at,
        append.command_id,
        append.request_hash,
        append.subject,
        append.version,
        append.workspace,
        entry.aggregate_type,
        entry.aggregate_id,
        entry.expected,
        event.event_id,
        event.event_type,
        event.event_version,
        event.payload,
        event.metadata,
        event.effective_at,
    )
    .fetch_one(connection)
    .await
}

/// The batch, column by column: `c` commands, `w` workspaces, `s` streams, `e` events.
#[derive(Default)]
struct Columns<'a> {
    /// Whether versions are looked up under the lock: where each stream has events, these find out by themselves.
    look: bool,
    c_id: Vec<Uuid>,
    c_hash: Vec<&'a [u8]>,
    c_subject: Vec<&'a str>,
    c_version: Vec<i64>,
    c_refusal: Vec<Option<String>>,
    c_end: Vec<i32>,
    w_id: Vec<Uuid>,
    s_command: Vec<i32>,
    s_type: Vec<&'a str>,
    s_id: Vec<&'a str>,
    s_expected: Vec<i64>,
    e_command: Vec<i32>,
    e_workspace: Vec<i32>,
    e_ordinal: Vec<i32>,
    e_type: Vec<&'a str>,
    e_id: Vec<&'a str>,
    e_sequence: Vec<i64>,
    e_event_id: Vec<Uuid>,
    e_event_type: Vec<&'a str>,
    e_event_version: Vec<&'a str>,
    e_payload: Vec<&'a str>,
    e_metadata: Vec<&'a str>,
    e_effective: Vec<DateTime<Utc>>,
    /// Each workspace's place in `w` and how many events it has so far.
    workspaces: HashMap<Uuid, (i32, i32)>,
    events: i32,
}

impl<'a> Columns<'a> {
    fn push(&mut self, n: i32, append: &'a Append) -> Result<(), sqlx::Error> {
        let (workspace, ordinal) = self.workspaces.entry(append.workspace).or_insert_with(|| {
            self.w_id.push(append.workspace);
            (self.w_id.len() as i32, 0)
        });
        for entry in &append.entries {
            self.look |= entry.events.is_empty();
            self.s_command.push(n);
            self.s_type.push(entry.aggregate_type);
            self.s_id.push(&entry.aggregate_id);
            self.s_expected.push(entry.expected);
            for (sequence, event) in (entry.expected + 1..).zip(&entry.events) {
                *ordinal += 1;
                self.events += 1;
                self.e_command.push(n);
                self.e_workspace.push(*workspace);
                self.e_ordinal.push(*ordinal);
                self.e_type.push(entry.aggregate_type);
                self.e_id.push(&entry.aggregate_id);
                self.e_sequence.push(sequence);
                self.e_event_id.push(event.event_id);
                self.e_event_type.push(&event.event_type);
                self.e_event_version.push(&event.event_version);
                self.e_payload.push(&event.payload);
                self.e_metadata.push(&event.metadata);
                self.e_effective.push(event.effective_at);
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
