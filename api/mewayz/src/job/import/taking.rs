//! Taking: a file's rows into the log, many at a time, each once.
//!
//! A row is known by its source and its line. Its command's id is made of both, and its content is kept as that
//! command's request hash: so a row that was taken is recognised, a changed one too, and a row of which nobody
//! knows whether it was taken is simply sent again.
//!
//! So rows that were put in or taken out before others give all behind them other numbers. Where that shows, nothing
//! from there on is taken: it would be taken twice.

use std::io::{self, BufRead, Read};
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context as _;
use commands::commerce::order::{PastOrder, record_past};
use commands::{Context, Error};
use domain::commerce::order::{Contents, Item};
use futures::{StreamExt, TryStreamExt, stream};

use super::row::{HEADER, Purchase, Source, content, fields};
use super::shift::{Rows, Shift};

/// How many rows are looked up at once.
const PAGE: usize = 1_024;
/// The longest line that is kept; what is longer cannot be a row.
const LONGEST_LINE: u64 = 1_000;

/// A line of a file, by its number; the header is line 1.
#[derive(Debug, Clone)]
struct Line {
    number: u64,
    text: Vec<u8>,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is in the log now, with so many events.
    New { events: u64 },
    /// It was there.
    Known,
    /// It is not there as this file has it.
    Rejected(String),
}

/// What a row was, for whoever keeps count.
#[derive(Debug)]
pub struct Told {
    pub line: u64,
    pub taken: Taken,
    /// What the row says, if it was taken now or before.
    pub purchase: Option<Purchase>,
}

/// Takes all rows, and tells of each as soon as it is done.
///
/// # Errors
/// If the file cannot be read or the store does not answer: what was taken is taken, and the same call goes on.
pub async fn take(
    cx: &Context,
    source: Arc<Source>,
    file: impl BufRead + Send,
    in_flight: usize,
    mut told: impl FnMut(Told),
) -> anyhow::Result<()> {
    let lines = Lines::of(file)?;
    let pages = stream::iter(lines).try_chunks(PAGE).map_err(|stopped| anyhow::Error::from(stopped.1));
    let shift = tokio::sync::Mutex::new(Shift::default());
    let (shift, of) = (&shift, &source);
    let found = pages.and_then(|page| async move { find(cx, of, page, &mut *shift.lock().await).await });
    let done = found
        .map_ok(|page| stream::iter(page).map(Ok))
        .try_flatten()
        .map(|row: anyhow::Result<Row>| {
            let source = source.clone();
            async move {
                match row? {
                    Row::Told(told) => Ok(told),
                    // A task of its own, so that rows are made ready on every core.
                    Row::Unknown(unknown) => {
                        let cx = cx.identified(source.command(unknown.line));
                        tokio::spawn(unknown.send(cx, source)).await?
                    }
                }
            }
        })
        .buffer_unordered(in_flight);
    let mut done = pin!(done);
    while let Some(row) = done.next().await {
        told(row?);
    }
    Ok(())
}

enum Row {
    Told(Told),
    Unknown(Unknown),
}

/// A row that no command has taken yet, as far as is known.
struct Unknown {
    line: u64,
    content: Vec<u8>,
    purchase: Purchase,
}

/// Tells the rows that were taken before, and those that cannot be, from those to be taken.
async fn find(cx: &Context, source: &Source, page: Vec<Line>, shift: &mut Shift) -> anyhow::Result<Vec<Row>> {
    let asked = shift.asks_for(page.iter().map(|line| line.number));
    let commands: Vec<_> = asked.map(|number| (number, source.command(number))).collect();
    let ids: Vec<_> = commands.iter().map(|(_, command)| *command).collect();
    let mut answered = cx.store().answered(&ids).await.context(STOPPED)?;
    let known = |(number, command)| Some((number, answered.get(&command)?.0.clone()));
    let known = commands.iter().copied().filter_map(known).collect();
    let said = page.iter().map(|line| (line.number, content(&line.text))).collect();
    let shifted = shift.look(&Rows { said, known });
    let today = cx.now().date_naive();
    let rows = page.into_iter().map(|Line { number, text }| {
        let (content, command) = (content(&text), source.command(number));
        let (taken, purchase) = match (answered.remove(&command), Purchase::read(&text, today)) {
            (Some((known, _)), _) if known != content && shifted.is_none_or(|from| number < from) => {
                (Taken::Rejected(CHANGED.into()), None)
            }
            (Some((known, _)), _) if known != content => (Taken::Rejected(SHIFTED.into()), None),
            (None, _) if shifted.is_some_and(|from| number >= from) => {
                (Taken::Rejected(SHIFTED.into()), None)
            }
            (Some((_, Some(refused))), _) => (Taken::Rejected(refused.message), None),
            (Some(_), purchase) => (Taken::Known, purchase.ok()),
            (None, Err(bad)) => (Taken::Rejected(bad.to_string()), None),
            (None, Ok(purchase)) => return Row::Unknown(Unknown { line: number, content, purchase }),
        };
        Row::Told(Told { line: number, taken, purchase })
    });
    Ok(rows.collect())
}

const CHANGED: &str = "this line was taken with other content";
const SHIFTED: &str = "rows were put in or taken out here or above: it is not taken, lest it be taken twice; \
                       give the rows their old lines, and put new ones at the end";
const STOPPED: &str = "the import has stopped; run it again, and it goes on where it was";

impl Unknown {
    async fn send(self, mut cx: Context, source: Arc<Source>) -> anyhow::Result<Told> {
        let Self { line, content, purchase } = self;
        cx.correlation = cx.command_id;
        cx.request_hash = content;
        cx.effective_at = Some(purchase.at());
        let taken = match record_past(cx, past_order(&source, line, &purchase)).await {
            Ok(outcome) if outcome.replayed => Taken::Known,
            Ok(outcome) => {
                let paid = u64::from(!purchase.amount.is_zero());
                Taken::New { events: u64::try_from(outcome.version)? + paid }
            }
            Err(Error::KeyReused) => Taken::Rejected(CHANGED.into()),
            Err(Error::Refused(refused)) => Taken::Rejected(refused.message),
            Err(error @ Error::Conflict { .. }) => Taken::Rejected(error.to_string()),
            Err(error) => return Err(anyhow::Error::from(error).context(STOPPED)),
        };
        let purchase = Some(purchase).filter(|_| !matches!(taken, Taken::Rejected(_)));
        Ok(Told { line, taken, purchase })
    }
}

fn past_order(source: &Source, line: u64, purchase: &Purchase) -> PastOrder {
    let item = Item {
        line: source.line(line),
        stock: None,
        sku: source.sku.clone(),
        title: format!("Item bought at {}", source.name),
        quantity: purchase.quantity,
        unit_price: purchase.unit_price(),
        total: purchase.amount,
        tax: None,
    };
    PastOrder {
        order: source.order(line),
        customer: source.customer(&purchase.customer),
        reference: Some(format!("{}/{line}", source.name)),
        contents: Contents { lines: vec![item], ..Contents::new(purchase.amount.currency) },
        fulfilment: source.fulfilment(line),
    }
}

/// The lines below the header, without their ends; blank ones are no rows.
struct Lines<R> {
    file: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn of(file: R) -> anyhow::Result<Self> {
        let mut lines = Self { file, number: 0 };
        let header = lines.line()?.unwrap_or_default();
        let header = header.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&header);
        let named = std::str::from_utf8(header).ok().and_then(fields).map(|names| names.join(","));
        anyhow::ensure!(
            named.as_deref() == Some(HEADER),
            "the first line is not `{HEADER}`: this is another file"
        );
        Ok(lines)
    }

    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        if self.file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if text.len() as u64 == LONGEST_LINE && !text.ends_with(b"\n") {
            self.file.skip_until(b'\n')?;
        }
        let end = text.strip_suffix(b"\n").unwrap_or(&text);
        let end = end.strip_suffix(b"\r").unwrap_or(end).len();
        text.truncate(end);
        Ok(Some(text))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.line().transpose()? {
                Ok(text) if text.is_empty() => {}
                text => return Some(text.map(|text| Line { number: self.number, text })),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_numbers_whatever_is_between_them() {
        let long = "x".repeat(5_000);
        let file = format!("\u{feff}{HEADER}\r\na\n\n\r\nb\r\n{long}\nc");
        let lines: Vec<Line> = Lines::of(file.as_bytes()).unwrap().collect::<io::Result<_>>().unwrap();
        let seen: Vec<_> = lines.iter().map(|line| (line.number, line.text.len(), line.text[0])).collect();
        assert_eq!(seen, [(2, 1, b'a'), (5, 1, b'b'), (6, 1_000, b'x'), (7, 1, b'c')]);
    }

    #[test]
    fn another_file_is_not_begun() {
        for file in ["", "a,b\n", "1,1997-01-12,5,1.00\n"] {
            assert!(Lines::of(file.as_bytes()).is_err(), "{file}");
        }
    }
}
