//! Appending: one event to a new stream, for each number of concurrent commands, from an empty log and a long one.

use std::sync::Arc;

use anyhow::Result;
use sqlx::PgConnection;

use crate::Settings;
use crate::database::{Database, Peer, Server};
use crate::drive::{Run, drive};
use crate::figures::Report;
use crate::subjects::{Ours, PostgresEs, Raw};

const CONCURRENT: [usize; 6] = [1, 8, 32, 64, 128, 256];
/// Numbers of connections that peers are tried with.
const CONNECTIONS: [usize; 4] = [8, 16, 32, 64];

pub async fn measure(server: &Server, settings: Settings, report: &mut Report) -> Result<()> {
    let mut watch = server.connect().await?;
    for (log, events) in [("from an empty log", 0), ("from a long log", settings.many)] {
        let section = format!("append, {log}");
        let mut templates = Vec::new();
        for peer in Peer::ALL {
            let template = server.create(peer, "append").await?;
            if events > 0 {
                template.fill(peer, events, 20).await?;
            }
            templates.push(template);
        }
        let mut best = [0.0_f64; 3];
        for workers in CONCURRENT.into_iter().filter(|&workers| settings.at.is_none_or(|at| at == workers)) {
            // However many are appended, a long log is as long for each number at once.
            let mut databases = templates.clone();
            if events > 0 {
                for (peer, database) in Peer::ALL.into_iter().zip(&mut databases) {
                    *database = server.copy(peer, "append_run", database).await?;
                }
            }
            let mut connections = [0; 3];
            for (n, peer) in Peer::ALL.into_iter().enumerate() {
                connections[n] =
                    best_connections(server, settings, peer, &databases[n], events, workers, &mut watch)
                        .await?;
            }
            let mut runs: [Vec<Run>; 3] = Default::default();
            for _ in 0..settings.runs {
                for (n, peer) in Peer::ALL.into_iter().enumerate() {
                    let run = (connections[n], workers, settings.run);
                    runs[n].push(one(server, peer, &databases[n], events, run, &mut watch).await?);
                }
            }
            let mut medians = [0.0; 3];
            for (n, peer) in Peer::ALL.into_iter().enumerate() {
                let note =
                    if peer == Peer::Mewayz { String::new() } else { format!(" ({})", connections[n]) };
                let (case, speeds) =
                    (format!("{workers} at once"), runs[n].iter().map(|run| run.per_second).collect());
                medians[n] = report.add_noted(&section, &case, peer.name(), "/s", speeds, note);
                best[n] = best[n].max(medians[n]);
                report.processor_time(&section, &case, peer.name(), &runs[n]);
            }
            let mut target = |peer: usize, wanted| {
                let what = format!("{section}, {workers} at once, against {}", Peer::ALL[peer].name());
                report.target(what, medians[0] / medians[peer], wanted);
            };
            match workers {
                1 => target(1, 0.6),
                32 => {
                    target(1, 1.5);
                    target(2, 4.0);
                }
                _ => {}
            }
        }
        if settings.at.is_none() {
            report.target(format!("{section}, best against best of raw"), best[0] / best[1], 2.5);
            report.target(format!("{section}, best against best of postgres-es"), best[0] / best[2], 8.0);
        }
        report.print(&section);
        report.print(&format!("{section}: processor time"));
        for (peer, template) in Peer::ALL.into_iter().zip(&templates) {
            server.drop(template).await?;
            server.drop(&server.database(peer, "append_run")).await?;
        }
    }
    Ok(())
}

async fn best_connections(
    server: &Server,
    settings: Settings,
    peer: Peer,
    from: &Database,
    events: i64,
    workers: usize,
    watch: &mut PgConnection,
) -> Result<usize> {
    let candidates: Vec<usize> = CONNECTIONS.into_iter().filter(|&count| count <= workers).collect();
    if peer == Peer::Mewayz || candidates.len() < 2 {
        return Ok(candidates.first().copied().unwrap_or(workers));
    }
    let mut best = (0, 0.0);
    for connections in candidates {
        let run = (connections, workers, settings.probe);
        let run = one(server, peer, from, events, run, watch).await?;
        if run.per_second > best.1 {
            best = (connections, run.per_second);
        }
    }
    Ok(best.0)
}

/// One run: an empty log starts anew each time, a long one goes on.
async fn one(
    server: &Server,
    peer: Peer,
    from: &Database,
    events: i64,
    (connections, workers, lasting): (usize, usize, std::time::Duration),
    watch: &mut PgConnection,
) -> Result<Run> {
    let database = if events == 0 { server.copy(peer, "append_run", from).await? } else { from.clone() };
    let on = &database;
    match peer {
        Peer::Mewayz => {
            let subject = Arc::new(Ours::new(on.store().await?));
            drive(&subject, workers, lasting, on, watch).await
        }
        Peer::Raw => drive(&Arc::new(Raw::open(on, connections).await?), workers, lasting, on, watch).await,
        Peer::PostgresEs => {
            drive(&Arc::new(PostgresEs::open(on, connections).await?), workers, lasting, on, watch).await
        }
    }
}
