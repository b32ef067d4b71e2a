//! Gate: a connection that a test can cut.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::process::free_address;

/// Passes connections on while it is open; closed, it cuts those there are and turns new ones away.
///
/// On a thread of its own: it works while a test blocks.
#[derive(Debug)]
pub struct Gate {
    /// Where connections come.
    pub outside: SocketAddr,
    /// Where they are passed on to.
    pub inside: SocketAddr,
    open: watch::Sender<bool>,
}

impl Gate {
    /// Opens one between two new addresses.
    ///
    /// # Panics
    /// If the system has none.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it starts a thread")]
    pub fn new() -> Self {
        let (outside, inside) = (free_address(), free_address());
        let (open, is_open) = watch::channel(true);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(pass(outside, inside, is_open));
        });
        Self { outside, inside, open }
    }

    pub fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }
}

/// Until the gate is gone.
async fn pass(outside: SocketAddr, inside: SocketAddr, mut is_open: watch::Receiver<bool>) {
    let listener = TcpListener::bind(outside).await.expect("the address is free");
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (mut from, _) = accepted.expect("a connection");
                let mut open = is_open.clone();
                tokio::spawn(async move {
                    if !*open.borrow_and_update() {
                        return;
                    }
                    let Ok(mut to) = TcpStream::connect(inside).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut from, &mut to) => {}
                        _ = open.changed() => {}
                    }
                });
            }
            changed = is_open.changed() => if changed.is_err() { return },
        }
    }
}
