//! HTTP: what the API is put together from: keys, positions, figures, limits.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use api::app::{App, Parts};
use api::key::{Logged, Remembering};
use api::limits::Limits;
use api::page::Cursors;
use api::platform::health::Movement;
use api::port::{Dependency, Freshness, Standstill, SubscriptionState, Subscriptions};
use async_trait::async_trait;
use commands::Intake;
use commands::clock::Clock;
use commands::port::Ports;
use infra::adapter::vault::PgVault;
use infra::config::Http;
use infra::log::Log;
use infra::relay::RelayState;
use infra::subscription::checkpoint;
use infra::subscription::standing::{self, Standing};
use infra::telemetry;
use infra::watch::FRESH;
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::job::base::Base;

/// How long connections may take to end: a little less than the whole process may.
const DRAIN: Duration = Duration::from_secs(8);

fn limits(http: &Http) -> Limits {
    Limits {
        connections: http.connections as usize,
        connections_per_peer: http.connections_per_peer as usize,
        command_bytes: http.command_bytes as usize,
        idle_time: http.idle_time,
        head_time: http.head_time,
        body_time: http.body_time,
        request_time: http.request_time,
        fresh_time: http.fresh_time,
        drain_time: DRAIN,
        ..Limits::default()
    }
}

pub(super) fn app(
    base: &Base,
    ports: Ports,
    intake: Intake,
    vault: Arc<PgVault>,
    relayed: Option<watch::Receiver<RelayState>>,
    log: Log,
) -> anyhow::Result<App> {
    let is_heard = Box::new(move || log.is_heard(FRESH));
    let keys = Arc::new(Remembering::new(Logged { store: base.store.clone(), is_heard }));
    let subscriptions: Arc<dyn Subscriptions> =
        Arc::new(Standings { pool: base.pool.clone(), clock: base.clock.clone(), relayed: relayed.clone() });
    let mut parts = Parts {
        freshness: Arc::new(Checkpoints(base.pool.clone())),
        subscriptions: subscriptions.clone(),
        exposition: Arc::new(|| telemetry::metrics().render()),
        cursors: Cursors::signed_with(&secret_of(&base.config.cursor_key_file())?),
        limits: limits(&base.config.http),
        ..Parts::over(base.store.clone(), base.clock.clone(), keys, ports)
    };
    parts.dependencies.push(Arc::new(VaultAnswers(vault)));
    if let Some(relayed) = relayed {
        parts.dependencies.push(Arc::new(Kafka(relayed)));
    }
    parts.dependencies.push(Arc::new(Movement(subscriptions)));
    parts.intake = Some(intake);
    Ok(App::new(parts))
}

/// Whether personal data can be read.
struct VaultAnswers(Arc<PgVault>);

#[async_trait]
impl Dependency for VaultAnswers {
    fn name(&self) -> &'static str {
        "vault"
    }

    fn is_optional(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<String, String> {
        if self.0.is_heard() { Ok("answers".to_owned()) } else { Err("does not answer".to_owned()) }
    }
}

/// How far the views are, as their checkpoints say.
struct Checkpoints(PgPool);

#[async_trait]
impl Freshness for Checkpoints {
    async fn wait(&self, view: &str, position: i64, at_most: Duration) -> Option<i64> {
        let shown = checkpoint::reached(&self.0, view, position, at_most).await.ok()?;
        (shown >= position).then_some(shown)
    }
}

#[derive(Clone)]
struct Standings {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    relayed: Option<watch::Receiver<RelayState>>,
}

#[async_trait]
impl Subscriptions for Standings {
    async fn all(&self) -> commands::Result<Vec<SubscriptionState>> {
        let (_, standings) = standing::standings(&self.pool).await?;
        let mut all: Vec<_> = standings.into_iter().map(state_of).collect();
        if let Some(relayed) = &self.relayed {
            let relay = *relayed.borrow();
            let stuck = relay.stuck.filter(|_| relay.lag() > 0).map(|(since, why)| Standstill {
                since: self.clock.now() - since.elapsed(),
                why: why.to_owned(),
            });
            let (position, lag) = (relay.position, relay.lag());
            all.push(SubscriptionState { name: "relay".into(), position, lag, parked: 0, stuck });
        }
        Ok(all)
    }
}

/// A subscription's standing, as the API tells it.
fn state_of(standing: Standing) -> SubscriptionState {
    let Standing { name, position, lag, parked, stuck, .. } = standing;
    let stuck = stuck.map(|stuck| Standstill { since: stuck.since, why: stuck.why });
    SubscriptionState { name, position, lag, parked, stuck }
}

/// Kafka, as the relay of this process sees it.
struct Kafka(watch::Receiver<RelayState>);

#[async_trait]
impl Dependency for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn is_optional(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<String, String> {
        let state = *self.0.borrow();
        if state.leading {
            Ok(format!("relayed up to position {}", state.position))
        } else {
            let why = state.stuck.map(|(_, why)| format!(" ({why})")).unwrap_or_default();
            Err(format!("nothing is relayed at the moment{why}; events wait in the log"))
        }
    }
}

/// A secret of 32 random bytes kept in a file, made when there is none.
pub(super) fn secret_of(file: &Path) -> anyhow::Result<[u8; 32]> {
    let told = || format!("the key file {} cannot be used", file.display());
    match fs::read(file) {
        Ok(bytes) => {
            return <[u8; 32]>::try_from(bytes.as_slice()).context("it has not 32 bytes").with_context(told);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(told),
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(told)?;
    }
    // Made beside its place and linked into it whole: of several processes one is first, and all read the same.
    let new = file.with_extension(Uuid::new_v4().simple().to_string());
    let write = || {
        let mut open = fs::OpenOptions::new();
        open.write(true).create_new(true).mode(0o600).open(&new)?.write_all(&rand::random::<[u8; 32]>())?;
        fs::hard_link(&new, file)
    };
    let written = write();
    _ = fs::remove_file(&new);
    match written {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error).with_context(told),
        _ => secret_of(file),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_that_signs_cursors_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data/cursor.key");
        let made: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| secret_of(&file))).collect();
            all.into_iter().map(|one| one.join().unwrap().unwrap()).collect()
        });
        let kept = secret_of(&file).unwrap();
        assert!(made.into_iter().all(|key| key == kept));
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        fs::write(&file, "short").unwrap();
        assert!(format!("{:#}", secret_of(&file).unwrap_err()).contains("cursor.key"));
    }
}
