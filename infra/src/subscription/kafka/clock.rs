//! Clock: the relay's progress as read from Kafka, a barrier for consumers: each time as of after it was asked.
//!
//! A record that was read before was relayed under the epoch that is then told, or under an earlier one: a relay that
//! makes the topics anew says so before it writes any event. (Kafka's client library goes on at the old offset in a
//! topic that was made anew, and does not tell.)

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;

use crate::relay::progress::{Progress, Reader};
use crate::relay::{RelayConfig, RelayError};

type Told = Result<Option<Arc<Progress>>, Arc<RelayError>>;

/// Asks for all members of a process, on a thread of its own.
pub(super) struct Clock {
    ask: Sender<oneshot::Sender<Told>>,
}

impl Clock {
    pub(super) fn start(topics: RelayConfig) -> std::io::Result<Self> {
        let (ask, asked) = channel();
        std::thread::Builder::new().name("clock".into()).spawn(move || answer(&topics, &asked))?;
        Ok(Self { ask })
    }

    /// The newest progress, read after this was called; none if there never was one.
    pub(super) async fn now(&self) -> Told {
        let (tell, told) = oneshot::channel();
        _ = self.ask.send(tell);
        told.await.unwrap_or_else(|_| Err(Arc::new(RelayError::Panicked)))
    }
}

/// One reading answers all who have asked before it began.
fn answer(topics: &RelayConfig, asked: &Receiver<oneshot::Sender<Told>>) {
    let mut reader = None;
    while let Ok(first) = asked.recv() {
        let all: Vec<_> = std::iter::once(first).chain(asked.try_iter()).collect();
        let told = read(topics, &mut reader).map(|progress| progress.map(Arc::new)).map_err(Arc::new);
        if told.is_err() {
            reader = None;
        }
        for tell in all {
            _ = tell.send(told.clone());
        }
    }
}

fn read(topics: &RelayConfig, reader: &mut Option<Reader>) -> Result<Option<Progress>, RelayError> {
    match reader {
        Some(reader) => reader.newest(None),
        none => none.insert(Reader::open(topics)?).newest(None),
    }
}
