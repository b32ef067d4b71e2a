//! Limits: what one client may take up of time, space and connections.

use std::time::Duration;

/// The server's limits. The defaults are those of docs/promises.md.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections, all clients together.
    pub connections: usize,
    /// Open connections of one address.
    pub connections_per_peer: usize,
    /// From a connection's beginning to its first byte, while half of the places are taken.
    pub first_byte: Duration,
    /// How long nothing may be asked on a connection while there is room: longer than clients and proxies keep
    /// one, so that it is they who end it.
    pub idle_time: Duration,
    /// From the beginning of a request's head to its end.
    pub head_time: Duration,
    /// How many header fields a request may have.
    pub header_fields: usize,
    /// A request's head, in bytes.
    pub head_bytes: usize,
    /// A command's body, in bytes.
    pub command_bytes: usize,
    /// From a request's head to the end of its body.
    pub body_time: Duration,
    /// From a request's head to its answer.
    pub request_time: Duration,
    /// How long an answer may wait for the client to take more of it.
    pub write_time: Duration,
    /// How long a repeat waits for the first request with its key.
    pub repeat_time: Duration,
    /// How long a read waits for the position it wants to see.
    pub fresh_time: Duration,
    /// How long what is under way may take when the server stops.
    pub drain_time: Duration,
    /// How many requests one HTTP/2 connection may have under way.
    pub concurrent_streams: u32,
    /// How often a quiet HTTP/2 connection is asked whether it is still there.
    pub ping_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_peer: 256,
            first_byte: Duration::from_secs(5),
            idle_time: Duration::from_secs(120),
            head_time: Duration::from_secs(5),
            header_fields: 64,
            head_bytes: 16 * 1024,
            command_bytes: 64 * 1024,
            body_time: Duration::from_secs(10),
            request_time: Duration::from_secs(15),
            write_time: Duration::from_secs(10),
            repeat_time: Duration::from_secs(10),
            fresh_time: Duration::from_secs(2),
            drain_time: Duration::from_secs(10),
            concurrent_streams: 128,
            ping_interval: Duration::from_secs(20),
        }
    }
}
