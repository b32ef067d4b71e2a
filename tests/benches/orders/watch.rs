//! Watch: what comes of each order, as the log shows it; and what processes of this machine have used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sqlx::PgPool;
use tokio::sync::oneshot;

/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(4);

/// The end of an order: when it was seen, and whether it is confirmed.
pub type End = (Instant, bool);

#[derive(Default)]
struct Ends {
    seen: HashMap<String, End>,
    asked: HashMap<String, oneshot::Sender<End>>,
}

/// Orders that have ended. Cheap to clone.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<Ends>>);

impl Watch {
    /// Follows the log from its end on, for as long as the task lives.
    pub async fn follow(&self, pool: PgPool) -> Result<tokio::task::JoinHandle<Result<()>>> {
        let mut after: i64 = sqlx::query_scalar("select position from head").fetch_one(&pool).await?;
        let ends = self.clone();
        Ok(tokio::spawn(async move {
            loop {
                let rows: Vec<(i64, String, String)> = sqlx::query_as(
                    "select position, aggregate_id, case aggregate_type when 'commerce.order' then event_type else '' end
                     from events where position > $1 order by position limit 5000",
                )
                .bind(after)
                .fetch_all(&pool)
                .await?;
                after = rows.last().map_or(after, |row| row.0);
                for (_, stream, event) in rows {
                    if let "Confirmed" | "Cancelled" | "Expired" = event.as_str() {
                        let id = stream.rsplit('/').next().unwrap_or_default();
                        ends.ended(id.to_owned(), (Instant::now(), event == "Confirmed"));
                    }
                }
                tokio::time::sleep(LOOK).await; // until the log is looked at again
            }
        }))
    }

    fn ended(&self, id: String, end: End) {
        let mut ends = self.0.lock().expect("nobody panics with it");
        match ends.asked.remove(&id) {
            Some(asked) => _ = asked.send(end),
            None => _ = ends.seen.insert(id, end),
        }
    }

    /// Waits for the end of an order.
    pub async fn end_of(&self, id: String) -> Result<End> {
        let answer = {
            let mut ends = self.0.lock().expect("nobody panics with it");
            if let Some(end) = ends.seen.remove(&id) {
                return Ok(end);
            }
            let (asked, answer) = oneshot::channel();
            ends.asked.insert(id, asked);
            answer
        };
        answer.await.context("the log is not watched any more")
    }
}

/// Processor time of a process, all its threads, in seconds.
pub fn used_by(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // What comes before the last parenthesis is a name, which may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
    Ok((ticks(11) + ticks(12)) / 100.0)
}

/// Processor time of a database server, those of its processes that have ended included, in seconds.
pub fn used_by_children_of(server: u32) -> Result<f64> {
    let mut used = 0.0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number = |n: usize| fields.get(n).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
        if process == server {
            used += (number(11) + number(12) + number(13) + number(14)) / 100.0;
        } else if number(1) == f64::from(server) {
            used += (number(11) + number(12)) / 100.0;
        }
    }
    Ok(used)
}

/// The process that a process was started by.
pub fn parent_of(process: u32) -> Result<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    fields.split_whitespace().nth(1).context("a process has a parent")?.parse().context("a number")
}

/// The process that listens on a port of this machine, if there is one to be seen.
pub fn listener_on(port: u16) -> Option<u32> {
    let wanted = format!(":{port:04X}");
    let socket = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // 0A: it listens.
            let listens = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == "0A";
            listens.then(|| format!("socket:[{}]", fields.get(9).copied().unwrap_or_default()))
        })
    })?;
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let mut open = std::fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        open.any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.to_str() == Some(&socket)))
            .then_some(process)
    })
}
