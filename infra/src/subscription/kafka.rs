//! Views from Kafka: each spread over a consumer group, a partition in the hands of one member at a time.
//!
//! How far a partition is stands with the view's tables and is moved in the transaction of its rows, by owner and
//! epoch (see `partitions`); Kafka's own offsets are not used. The clock is the topics' progress, read anew before
//! anything is written (see `clock`): it tells of which epoch the records are, and that a partition was read up to
//! a position though nothing of the view came there. docs/adr/0010 tells why.

mod clock;
mod group;
mod kept;
mod member;
mod partitions;

use std::sync::Arc;
use std::time::Duration;

use projections::Projector;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Host, Stopped};
use crate::relay::RelayConfig;
use clock::Clock;
use member::Member;

/// Views that read from Kafka.
pub struct FromKafka {
    /// Where the events are.
    pub topics: RelayConfig,
    /// How long a member is waited for that gives no sign of life.
    pub session: Duration,
    /// Each of them `BY_STREAM`.
    pub views: Vec<Box<dyn Projector>>,
}

/// Where the members of this process read.
struct Source {
    topics: RelayConfig,
    session: Duration,
    clock: Clock,
}

/// Who owns a view's subscription while it is fed from Kafka: all members together.
pub(super) fn feed(view: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("kafka {view}").as_bytes())
}

/// Runs a member for each view until told to stop, or until one fails.
pub(super) fn members(
    host: &Host,
    from: FromKafka,
) -> Result<Vec<impl Future<Output = Result<(), Stopped>> + Send + use<>>, Stopped> {
    let FromKafka { topics, session, views } = from;
    if views.is_empty() {
        return Ok(Vec::new());
    }
    let clock = Clock::start(topics.clone())
        .map_err(|error| Stopped::Failed("(the clock of Kafka's topics)".into(), error.into()))?;
    let source = Arc::new(Source { topics, session, clock });
    Ok(views.into_iter().map(|view| follow(host.clone(), source.clone(), view)).collect())
}

/// Runs a member on a thread of its own: Kafka's client library blocks.
async fn follow(host: Host, source: Arc<Source>, view: Box<dyn Projector>) -> Result<(), Stopped> {
    let name = view.name();
    let failed = |error| Stopped::Failed(name.to_owned(), error);
    let (done, ended) = oneshot::channel();
    let runtime = Handle::current();
    std::thread::Builder::new()
        .name(format!("view {name}"))
        .spawn(move || _ = done.send(runtime.block_on(Member::new(host, source, view).run())))
        .map_err(|error| failed(error.into()))?;
    ended.await.unwrap_or_else(|_| Err(failed(anyhow::anyhow!("its thread has panicked"))))
}
