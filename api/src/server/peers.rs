//! Peers: each address has a share of the connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpStream;

/// Counts the connections of each address.
#[derive(Debug, Clone)]
pub struct Peers {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// One connection's place in its address's share; given back when dropped.
#[derive(Debug)]
pub struct Share {
    peers: Peers,
    peer: IpAddr,
}

impl Peers {
    pub fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// A place for one more connection, if the address has one left.
    pub fn admit(&self, peer: IpAddr) -> Option<Share> {
        let mut open = self.open.lock().expect("no holder of the counts panics");
        let count = open.entry(peer).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { peers: self.clone(), peer })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().expect("no holder of the counts panics");
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// Says that there is no room, if it can be said without waiting; nothing of the connection is read.
pub fn turn_away(stream: &TcpStream) {
    const NO_ROOM: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    _ = stream.try_write(NO_ROOM);
    metrics::counter!("http_connections_refused_total").increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let (peers, one, other) = (Peers::new(2), IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let first = peers.admit(one);
        let second = peers.admit(one);
        assert!(first.is_some() && second.is_some());
        assert!(peers.admit(one).is_none());
        assert!(peers.admit(other).is_some());
        drop(first);
        assert!(peers.admit(one).is_some());
        drop(second);
        assert!(peers.open.lock().unwrap().is_empty());
    }
}
