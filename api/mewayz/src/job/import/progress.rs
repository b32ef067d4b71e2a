//! Progress: how an import gets on, and what it came to.

use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use domain::money::{Currency, Money};
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::taking::{Taken, Told};

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);
/// How many rejected rows are written out; all are counted.
const MOST_SHOWN: u64 = 1_000;

/// What an import came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub rows: u64,
    pub taken: u64,
    pub known: u64,
    pub rejected: u64,
    /// Of all rows that are in the log now, whenever they were taken; as is the amount.
    pub units: u64,
    pub amount: i128,
    pub events: u64,
    pub time: Duration,
}

/// Counts, and shows it.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    said: Instant,
    total: u64,
    summary: Summary,
}

impl Progress {
    /// Of a file with so many rows: a bar on a terminal, else a line every few seconds.
    #[must_use]
    pub fn over(total: u64) -> Self {
        let style = "{bar:30} {human_pos}/{human_len} rows  {per_sec}  {msg}  {eta} to go";
        let bar = io_is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(ProgressStyle::with_template(style).expect("the template is sound"));
            bar
        });
        let summary = Summary {
            rows: 0,
            taken: 0,
            known: 0,
            rejected: 0,
            units: 0,
            amount: 0,
            events: 0,
            time: Duration::ZERO,
        };
        let now = Instant::now();
        Self { bar, begun: now, said: now, total, summary }
    }

    /// One more row.
    pub fn count(&mut self, told: &Told) {
        let so_far = &mut self.summary;
        so_far.rows += 1;
        match &told.taken {
            Taken::New { events } => {
                so_far.taken += 1;
                so_far.events += events;
            }
            Taken::Known => so_far.known += 1,
            Taken::Rejected(reason) => {
                so_far.rejected += 1;
                match so_far.rejected {
                    ..=MOST_SHOWN => self.say(&format!("line {}: {reason}", told.line)),
                    n if n == MOST_SHOWN + 1 => self.say("more lines were rejected; they are counted only"),
                    _ => {}
                }
            }
        }
        if let Some(purchase) = &told.purchase {
            self.summary.units += u64::from(purchase.quantity);
            self.summary.amount += i128::from(purchase.amount.amount);
        }
        self.show();
    }

    fn show(&mut self) {
        self.summary.time = self.begun.elapsed();
        if let Some(bar) = &self.bar {
            bar.set_position(self.summary.rows);
            bar.set_message(format!("{} events/s", HumanCount(self.summary.per_second(self.summary.events))));
        } else if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            let so_far = &self.summary;
            let speed = so_far.per_second(so_far.rows);
            eprintln!(
                "{} of {} rows, {speed} rows/s, {} events/s, {} s to go",
                so_far.rows,
                self.total,
                so_far.per_second(so_far.events),
                self.total.saturating_sub(so_far.rows) / speed.max(1),
            );
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// What it came to.
    #[must_use]
    pub fn end(mut self) -> Summary {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.summary.time = self.begun.elapsed();
        self.summary
    }
}

impl Summary {
    fn per_second(&self, count: u64) -> u64 {
        let milliseconds = self.time.as_millis().max(1);
        u64::try_from(u128::from(count) * 1_000 / milliseconds).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = i64::try_from(self.amount).map_or_else(
            |_| format!("{} cents", self.amount),
            |amount| Money::new(amount, Currency::USD).to_string(),
        );
        writeln!(f, "rows      {}", self.rows)?;
        writeln!(f, "taken     {}", self.taken)?;
        writeln!(f, "known     {}", self.known)?;
        writeln!(f, "rejected  {}", self.rejected)?;
        writeln!(f, "units     {}", self.units)?;
        writeln!(f, "amount    {amount}")?;
        writeln!(f, "events    {}", self.events)?;
        let (seconds, rows, events) =
            (self.time.as_secs_f64(), self.per_second(self.rows), self.per_second(self.events));
        write!(f, "time      {seconds:.1} s, {rows} rows/s, {events} events/s")
    }
}

fn io_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}
