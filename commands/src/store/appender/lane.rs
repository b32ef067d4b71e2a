//! Lane: one connection to the function `append`, and one batch at a time on it.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Append, Appended, Entry, NewEvent, Pending, Unit};
use crate::error::{Error, Refused, Result};
use crate::fault::Fault;
use crate::store::{Outcome, Position};

/// How long a batch is sent again before its commands are told that the store does not answer.
const GIVE_UP: Duration = Duration::from_secs(10);
const NO_ANSWER: &str = "the event store gave no answer for a command";

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
            let units: Vec<&Unit> = group.iter().map(|pending| &pending.unit).collect();
            let answers = match self.send(&units).await {
                Ok(answers) => {
                    failpoint::failpoint!("appender.before_reply");
                    answers
                }
                Err(Failure::Raised(source)) if group.len() > 1 => {
                    tracing::warn!(units = group.len(), error = %source, "a batch was refused whole; halving it");
                    let second = group.split_off(group.len() / 2);
                    groups.push(second);
                    groups.push(group);
                    continue;
                }
                Err(Failure::Raised(_)) if units[0].commands.len() > 1 => {
                    // One of its commands is to blame, and no other.
                    let Some(Pending { unit, answer, .. }) = group.pop() else { continue };
                    _ = answer.send(self.one_after_the_other(unit).await);
                    continue;
                }
                Err(failure) => units.iter().map(|unit| failure.told(unit)).collect(),
            };
            for (pending, answers) in group.into_iter().zip(answers) {
                // Whoever asked may have gone; the answers are stored and a repeat will get them.
                _ = pending.answer.send(answers);
            }
        }
        self
    }

    /// Writes the commands of a unit one after the other, as long as each is taken: those behind one that is not were
    /// decided on what never was.
    async fn one_after_the_other(&mut self, unit: Unit) -> Vec<Result<Appended>> {
        let Unit { commands, at } = unit;
        let (mut answers, mut taken) = (Vec::with_capacity(commands.len()), true);
        for append in commands {
            if !taken {
                answers.push(Ok(Appended::Baseless));
                continue;
            }
            let alone = Unit { commands: vec![append], at };
            let answer = match self.send(&[&alone]).await {
                Ok(answers) => answers,
                Err(failure) => vec![failure.told(&alone)],
            };
            let answer = answer.into_iter().flatten().next();
            let answer = answer.unwrap_or_else(|| Err(Error::unavailable(NO_ANSWER)));
            taken = answer.as_ref().is_ok_and(Appended::is_new);
            answers.push(answer);
        }
        answers
    }

    /// Sends units, again and again over new connections, until they are answered or time is up.
    async fn send(&mut self, units: &[&Unit]) -> Result<Vec<Vec<Result<Appended>>>, Failure> {
        let give_up = tokio::time::Instant::now() + GIVE_UP;
        let mut pause = Duration::from_millis(20);
        loop {
            let attempt = tokio::time::timeout_at(give_up, async {
                let connection = match &mut self.connection {
                    Some(connection) => connection,
                    none => none.insert(self.options.connect().await?),
                };
                call(connection, units, self.contended).await
            });
            let error = match attempt.await {
                Ok(Ok(rows)) => return Ok(self.answers(units, rows)),
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

    fn answers(&mut self, units: &[&Unit], rows: Vec<Row>) -> Vec<Vec<Result<Appended>>> {
        let answers = match rows.as_slice() {
            [Row { command: None, position: Some(before), .. }] => all_stored(units, *before),
            _ => one_by_one(units, rows),
        };
        let all = || answers.iter().flatten();
        self.contended = all().any(|answer| matches!(answer, Ok(Appended::Conflict { .. })));
        let newest = all().filter_map(|answer| match answer {
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
        answers
    }
}

/// The answers where every command was taken; `before` is the position before the first event.
fn all_stored(units: &[&Unit], before: i64) -> Vec<Vec<Result<Appended>>> {
    let mut position = before;
    let mut answer = |append: &Append| {
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
    units.iter().map(|unit| unit.commands.iter().map(&mut answer).collect()).collect()
}

fn one_by_one(units: &[&Unit], rows: Vec<Row>) -> Vec<Vec<Result<Appended>>> {
    let rows: HashMap<Option<Uuid>, Row> = rows.into_iter().map(|row| (row.command, row)).collect();
    // Not taken out: a command that was sent twice in one turn has one answer for both.
    let answer = |(append, follows): (&Append, bool)| match rows.get(&Some(append.command_id)).cloned() {
        // Its version follows from those before it, so only they can be to blame.
        Some(row) if follows && row.status == "conflict" => Ok(Appended::Baseless),
        Some(row) => row.read(),
        None => Err(Error::unavailable(NO_ANSWER)),
    };
    units.iter().map(|unit| unit.in_turn().map(answer).collect()).collect()
}

enum Failure {
    /// The function raised: nothing of the batch was taken.
    Raised(sqlx::Error),
    /// No answer in time: the batch may have been taken.
    NoAnswer(sqlx::Error),
}

impl Failure {
    /// What the commands of a unit are told.
    fn told(&self, unit: &Unit) -> Vec<Result<Appended>> {
        let (Self::Raised(source) | Self::NoAnswer(source)) = self;
        tracing::error!(commands = unit.commands.len(), error = %source, "commands could not be stored");
        let fault = Fault::from(source);
        unit.commands.iter().map(|_| Err(Error::failed(fault.clone()))).collect()
    }
}

#[derive(Clone)]
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
    units: &[&Unit],
    contended: bool,
) -> Result<Vec<Row>, sqlx::Error> {
    let mut sent = Columns { look: contended, ..Columns::default() };
    if let [Unit { commands, at }] = units
        && let [append] = commands.as_slice()
        && let Some(one) = append.only_event()
        && !contended
    {
        match append_one(connection, append, one, *at).await? {
            Some(position) => return Ok(vec![Row::all_stored(position - 1)]),
            None => sent.look = true,
        }
    }
    let mut at = DateTime::<Utc>::MIN_UTC;
    for unit in units {
        at = at.max(unit.at);
        for (append, follows) in unit.in_turn() {
            sent.push(append, follows)?;
        }
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
        &sent.s_expected as &[Option<i64>],
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
    /// Absent where the command follows another of the batch on that stream.
    s_expected: Vec<Option<i64>>,
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
    fn push(&mut self, append: &'a Append, follows: bool) -> Result<(), sqlx::Error> {
        let n = self.c_id.len() as i32 + 1;
        let (workspace, ordinal) = self.workspaces.entry(append.workspace).or_insert_with(|| {
            self.w_id.push(append.workspace);
            (self.w_id.len() as i32, 0)
        });
        for entry in &append.entries {
            self.look |= entry.events.is_empty() && !follows;
            self.s_command.push(n);
            self.s_type.push(entry.aggregate_type);
            self.s_id.push(&entry.aggregate_id);
            self.s_expected.push((!follows).then_some(entry.expected));
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
