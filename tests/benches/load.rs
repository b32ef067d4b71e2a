//! Load and append: one command on each of 1,000 streams of 20 events in turn.

use std::sync::Arc;

use anyhow::Result;
use commands::clock::SystemClock;
use commands::{Actor, Context, EventStore};
use domain::kernel::Decider;
use futures::TryStreamExt;
use sqlx::{Connection, Row};
use uuid::Uuid;

use crate::Settings;
use crate::counter::{self, Counter, CounterEvent, NOTE};
use crate::database::{Database, Peer, Server, WORKSPACES, workspace};
use crate::drive::{Run, Subject, drive};
use crate::figures::Report;
use crate::subjects::{Connections, PostgresEs, insert};

const STREAMS: usize = 1_000;
const LENGTH: i64 = 20;
const CONCURRENT: [usize; 2] = [32, 128];
const CONNECTIONS: [usize; 3] = [8, 16, 32];

pub async fn measure(server: &Server, settings: Settings, report: &mut Report) -> Result<()> {
    let section = "load and append, 1,000 streams of 20 events";
    let mut watch = server.connect().await?;
    let mut templates = Vec::new();
    for peer in Peer::ALL {
        let template = server.create(peer, "load").await?;
        template.fill(peer, STREAMS as i64 * LENGTH, LENGTH).await?;
        if peer == Peer::Raw {
            template
                .execute("create unique index on events (aggregate_id, aggregate_type, sequence)")
                .await?;
        }
        templates.push(template);
    }
    let mut best = [0.0_f64; 3];
    for workers in CONCURRENT.into_iter().filter(|&workers| settings.at.is_none_or(|at| at == workers)) {
        let case = format!("{workers} at once");
        let mut connections = [0; 3];
        for (n, peer) in Peer::ALL.into_iter().enumerate().skip(1) {
            let mut fastest = 0.0;
            for count in CONNECTIONS {
                let run = (count, workers, settings.probe);
                let run = one(server, peer, &templates[n], run, &mut watch).await?;
                if run.per_second > fastest {
                    (fastest, connections[n]) = (run.per_second, count);
                }
            }
        }
        let mut runs: [Vec<Run>; 3] = Default::default();
        for _ in 0..settings.runs {
            for (n, peer) in Peer::ALL.into_iter().enumerate() {
                let run = (connections[n], workers, settings.run);
                runs[n].push(one(server, peer, &templates[n], run, &mut watch).await?);
            }
        }
        for (n, (peer, runs)) in Peer::ALL.into_iter().zip(runs).enumerate() {
            let note = if n == 0 { String::new() } else { format!(" ({})", connections[n]) };
            let speeds = runs.iter().map(|run| run.per_second).collect();
            best[n] = best[n].max(report.add_noted(section, &case, peer.name(), "/s", speeds, note));
            report.processor_time(section, &case, peer.name(), &runs);
        }
    }
    report.target("load and append, best against best of raw", best[0] / best[1], 4.0);
    report.target("load and append, best against best of postgres-es", best[0] / best[2], 7.0);
    report.print(&format!("{section}: processor time"));
    report.print(section);
    for (peer, template) in Peer::ALL.into_iter().zip(&templates) {
        server.drop(template).await?;
        server.drop(&server.database(peer, "load_run")).await?;
    }
    Ok(())
}

/// One run, from streams of 20 events each time.
async fn one(
    server: &Server,
    peer: Peer,
    template: &Database,
    (connections, workers, lasting): (usize, usize, std::time::Duration),
    watch: &mut sqlx::PgConnection,
) -> Result<Run> {
    let on = &server.copy(peer, "load_run", template).await?;
    match peer {
        Peer::Mewayz => {
            let subject = Arc::new(Ours { store: on.store().await? });
            for number in 0..STREAMS {
                let (workspace, id) = stream(number);
                subject.store.load::<Counter>(workspace, &id).await?;
            }
            drive(&subject, workers, lasting, on, watch).await
        }
        Peer::Raw => {
            let connections = Connections::open(on, connections).await?;
            drive(&Arc::new(Raw { connections }), workers, lasting, on, watch).await
        }
        Peer::PostgresEs => {
            let es = Es(PostgresEs::open(on, connections).await?);
            drive(&Arc::new(es), workers, lasting, on, watch).await
        }
    }
}

/// The stream with this number: see [`Database::fill`].
fn stream(number: usize) -> (domain::ids::WorkspaceId, String) {
    (workspace(number as u128 % WORKSPACES), format!("counter-{number}"))
}

/// The stream whose turn it is: a worker has its own ones, so that nobody is in another's way.
fn turn(worker: usize, workers: usize, n: u64) -> usize {
    let own = (STREAMS - worker).div_ceil(workers);
    worker + workers * (usize::try_from(n).unwrap_or_default() % own)
}

/// This store: [`Context::execute`], with a client's idempotency key.
struct Ours {
    store: EventStore,
}

impl Subject for Ours {
    async fn act(&self, worker: usize, workers: usize, n: u64) -> Result<()> {
        let (workspace, id) = stream(turn(worker, workers, n));
        let key = Uuid::new_v4().to_string();
        let cx = Context::internal(self.store.clone(), Arc::new(SystemClock), workspace, Actor::Job("bench"))
            .with_key(&key, &[NOTE.as_bytes()]);
        cx.execute::<Counter>(id, counter::add()).await?;
        Ok(())
    }
}

/// Select the stream, decide, insert, in one transaction.
struct Raw {
    connections: Connections,
}

impl Subject for Raw {
    async fn act(&self, worker: usize, workers: usize, n: u64) -> Result<()> {
        let (workspace, id) = stream(turn(worker, workers, n));
        let id = format!("{workspace}/{id}");
        let mut connection = self.connections.of(worker).await;
        let mut transaction = connection.begin().await?;
        let rows = sqlx::query(
            "select sequence, payload::text as payload from events
             where aggregate_type = $1 and aggregate_id = $2 order by sequence",
        )
        .bind(Counter::NAME)
        .bind(&id)
        .fetch(&mut *transaction)
        .try_collect::<Vec<_>>()
        .await?;
        let (mut state, mut version) = (Counter::default(), 0);
        for row in rows {
            version = row.try_get(0)?;
            state.evolve(serde_json::from_str::<CounterEvent>(row.try_get(1)?)?);
        }
        for event in state.decide(counter::add())? {
            let payload = serde_json::to_string(&event)?;
            insert(&mut transaction, workspace, &id, version + 1, &payload, crate::subjects::now()).await?;
        }
        Ok(transaction.commit().await?)
    }
}

struct Es(PostgresEs);

impl Subject for Es {
    async fn act(&self, worker: usize, workers: usize, n: u64) -> Result<()> {
        let (workspace, id) = stream(turn(worker, workers, n));
        self.0.execute(&format!("{workspace}/{id}")).await
    }
}
