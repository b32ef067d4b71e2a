//! Memory: what `mewayz serve` keeps resident once it has started, while nobody asks anything of it.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tests::process::{Process, free_address, program, until};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::Settings;
use crate::database::{Database, Peer, Server};
use crate::figures::Report;

/// How long it is left alone before it is looked at: every role has taken up its work by then.
const ALONE: Duration = Duration::from_secs(5);
/// The most that is wanted, in megabytes.
const WANTED: f64 = 60.0;

pub async fn measure(server: &Server, settings: Settings, report: &mut Report) -> Result<()> {
    let section = "idle memory";
    let database = server.create(Peer::Mewayz, "memory").await?;
    database.execute("grant select on _sqlx_migrations to mewayz_run").await?;
    let mut runs = Vec::new();
    for _ in 0..settings.runs {
        runs.push(idle(&database).await?);
    }
    let median = report.add(section, "resident", "mewayz serve", "MB", runs);
    report.target("idle memory: 60 MB against it", WANTED / median, 1.0);
    report.print(section);
    server.drop(&database).await
}

/// All roles in one process as it is configured by default; with Kafka where there is one.
async fn idle(on: &Database) -> Result<f64> {
    let (address, folder) = (free_address(), tempfile::tempdir()?);
    let mut serve = Process::start(
        Command::new(program())
            .arg("serve")
            .env("DATABASE_URL", on.url("mewayz_run"))
            .env("MEWAYZ_DATA", folder.path())
            .env("MEWAYZ_LISTEN", address.to_string())
            .env("MEWAYZ_KAFKA__PREFIX", format!("bench-{}", Uuid::now_v7().simple()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    until("somebody listens", || async { TcpStream::connect(address).await.is_ok() }).await;
    tokio::time::sleep(ALONE).await; // What is measured: a program left alone for so long.
    ensure!(serve.is_running(), "`mewayz serve` has ended by itself");
    let status = std::fs::read_to_string(format!("/proc/{}/status", serve.id()))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
    let kibibytes: f64 = resident.context("the system does not tell what is resident")?.trim().parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}
