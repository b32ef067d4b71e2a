//! Counter: the smallest aggregate that is worth measuring, with an event of about 400 bytes.

use cqrs_es::EventEnvelope;
use domain::kernel::{Decider, Event, Kind, Recorded, Refusal, Unreadable};
use domain::sourced;
use projections::{RowKey, Touches, Unfoldable};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

/// What makes an event's JSON about 400 bytes.
pub const NOTE: &str = "\
an order of three lines, two shirts and one pair of shoes, to be sent to the address that was given when the \
account was opened, before the end of the week, with the invoice in the parcel and not by mail; the customer has \
asked for a call before the delivery, since the bell does not work, and for the parcel not to be left outside in \
the rain; paid by card.";

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counter {
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum CounterCommand {
    Add { amount: i64, note: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum CounterEvent {
    Added { amount: i64, note: String },
}

impl AsRef<str> for CounterEvent {
    fn as_ref(&self) -> &str {
        "Added"
    }
}

impl Event for CounterEvent {}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the counter would leave its range")]
pub struct OutOfRange;

impl AsRef<str> for OutOfRange {
    fn as_ref(&self) -> &str {
        "out_of_range"
    }
}

impl Refusal for OutOfRange {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }
}

impl Decider for Counter {
    const NAME: &'static str = "bench.counter";
    type Id = String;
    type Command = CounterCommand;
    type Event = CounterEvent;
    type Refusal = OutOfRange;

    fn decide(&self, command: CounterCommand) -> Result<Vec<CounterEvent>, OutOfRange> {
        let CounterCommand::Add { amount, note } = command;
        self.total.checked_add(amount).ok_or(OutOfRange)?;
        Ok(vec![CounterEvent::Added { amount, note }])
    }

    fn evolve(&mut self, event: CounterEvent) {
        let CounterEvent::Added { amount, .. } = event;
        self.total += amount;
    }
}

sourced!(Counter, CounterEvent);

/// A command to add one.
pub fn add() -> CounterCommand {
    CounterCommand::Add { amount: 1, note: NOTE.to_owned() }
}

/// The JSON of the event that follows from [`add`].
pub fn payload() -> String {
    let event = CounterEvent::Added { amount: 1, note: NOTE.to_owned() };
    serde_json::to_string(&event).expect("an event is JSON")
}

/// A counter's row, in this platform's read model and in that of postgres-es.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub workspace_id: String,
    pub id: String,
    pub total: i64,
    pub version: i64,
}

/// The counters, as this platform projects them.
pub struct View;

impl projections::View for View {
    const NAME: &'static str = "bench_counter";
    const LISTENS_TO: &'static [&'static str] = &[Counter::NAME];
    const BY_STREAM: bool = true;
    type Row = Row;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        Ok(Touches::stream_of::<Counter>(event))
    }

    fn fold(key: &RowKey, row: Option<Row>, event: &Recorded) -> Result<Option<Row>, Unfoldable> {
        let Some(CounterEvent::Added { amount, .. }) = event.of::<Counter>()? else { return Ok(row) };
        let total = row.map_or(0, |row| row.total) + amount;
        Ok(Some(Row {
            workspace_id: key.workspace.to_string(),
            id: key.key.clone(),
            total,
            version: event.sequence,
        }))
    }
}

/// The table of [`View`], live and for a rebuild.
///
/// # Errors
/// If the database refuses.
pub async fn create_tables(owner: &PgPool) -> Result<(), sqlx::Error> {
    for schema in ["read", "read_next"] {
        let sql = format!(
            "create table {schema}.bench_counter (workspace_id text not null, id text not null, total bigint not null,
                 version bigint not null, primary key (workspace_id, id));
             grant select, insert, update, delete, truncate on {schema}.bench_counter to mewayz_run"
        );
        sqlx::raw_sql(&sql).execute(owner).await?;
    }
    Ok(())
}

/// The counters, as postgres-es projects them.
impl cqrs_es::View<Counter> for Row {
    fn update(&mut self, event: &EventEnvelope<Counter>) {
        let CounterEvent::Added { amount, .. } = &event.payload;
        self.id.clone_from(&event.aggregate_id);
        self.total += amount;
        self.version = i64::try_from(event.sequence).expect("a sequence is small");
    }
}
