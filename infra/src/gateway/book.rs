//! The book: every charge, every answer given to a key, every webhook still owed.
//!
//! All of it is in memory and follows from the journal. One request is one line, so it happened whole or not at all;
//! nobody is told of a line before it is on disk.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, Utc};
use commands::clock::Clock;
use commands::port::payment::{Charge, Notice};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::charge::{self, Answer, Held, NotDone, Operation};
use super::faults::WebhookMisfortune;
use super::journal::{Durability, Journal};
use super::outbox::{Due, Outbox, Owed};
use super::wire::{BookLine, BookView};

/// An answer, and the line that must be on disk before it is given.
#[derive(Debug, Clone)]
pub struct Executed {
    pub answer: Answer,
    pub line: u64,
    /// The webhook that follows.
    pub notice: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
enum Entry {
    Answered {
        key: String,
        /// SHA-256 of the request.
        digest: String,
        answer: Answer,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<Box<Held>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owed: Option<Box<Owed>>,
    },
    Tried {
        notice: u64,
        at: DateTime<Utc>,
        delivered: bool,
    },
}

/// Everything the gateway knows, and its file.
#[derive(Debug)]
pub struct Book {
    pages: Mutex<Pages>,
    durability: Durability,
    clock: Arc<dyn Clock>,
    changed: Notify,
}

#[derive(Debug)]
struct Pages {
    journal: Journal,
    charges: BTreeMap<String, Held>,
    answers: HashMap<String, (String, Answer, u64)>,
    outbox: Outbox,
    last_line: u64,
}

impl Book {
    /// Opens or makes the book.
    ///
    /// # Errors
    /// If the file cannot be read, is another's, or is damaged before its last line.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (entries, journal) = Journal::open(path)?;
        let durability = journal.durability();
        let (charges, answers, outbox) = Default::default();
        let mut pages = Pages { journal, charges, answers, outbox, last_line: 0 };
        entries.into_iter().for_each(|entry| pages.enter(entry, 0));
        Ok(Self { pages: Mutex::new(pages), durability, clock, changed: Notify::new() })
    }

    /// Does what is asked, once for each key.
    ///
    /// # Errors
    /// [`NotDone`] if it makes no sense; a refusal is an answer like any other.
    pub fn execute(
        &self,
        key: &str,
        digest: &str,
        operation: &Operation,
        webhook: Option<WebhookMisfortune>,
    ) -> Result<Executed, NotDone> {
        let mut pages = self.pages();
        if let Some((known, answer, line)) = pages.answers.get(key) {
            let same = known == digest;
            return same
                .then(|| Executed { answer: answer.clone(), line: *line, notice: None })
                .ok_or(NotDone::KeyReused);
        }
        let now = self.clock.now();
        let done = charge::perform(&pages.charges, key, operation, now)?;
        let owed = done.kind.zip(done.held.as_ref()).zip(webhook).and_then(|((kind, held), misfortune)| {
            let id = format!("evt_{}", charge::reference(&format!("{key}/{kind:?}")));
            let notice = Notice { id, kind, charge: held.charge.clone(), created: now };
            pages.outbox.plan(notice, misfortune)
        });
        let notice = owed.as_ref().map(|owed| owed.number);
        let answer = done.answer;
        let line = pages.write(Entry::Answered {
            key: key.to_owned(),
            digest: digest.to_owned(),
            answer: answer.clone(),
            held: done.held.map(Box::new),
            owed: owed.map(Box::new),
        });
        drop(pages);
        self.changed.notify_waiters();
        Ok(Executed { answer, line, notice })
    }

    /// Waits until that line is on disk.
    ///
    /// # Errors
    /// If the disk fails: what was asked may be lost or not.
    pub async fn durable(&self, line: u64) -> io::Result<()> {
        self.durability.of(line).await
    }

    /// A charge, once all that it tells is on disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn charge(&self, id: &str) -> io::Result<Option<Charge>> {
        let (charge, line) = {
            let pages = self.pages();
            (pages.charges.get(id).map(|held| held.charge.clone()), pages.last_line)
        };
        self.durable(line).await.map(|()| charge)
    }

    /// Every charge, once all that they tell is on disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn view(&self) -> io::Result<BookView> {
        let (charges, line) = {
            let pages = self.pages();
            let charges = pages.charges.values().map(|held| BookLine::from(held.charge.clone()));
            (charges.collect(), pages.last_line)
        };
        self.durable(line).await.map(|()| BookView { charges })
    }

    /// The webhooks to send now that `skip` does not hold back, and when the next is due.
    pub fn due(&self, skip: impl Fn(u64) -> bool) -> (Vec<Due>, Option<DateTime<Utc>>) {
        self.pages().outbox.due(self.clock.now(), skip)
    }

    /// Writes down that a webhook was tried, and how that went.
    pub fn tried(&self, notice: u64, delivered: bool) {
        let at = self.clock.now();
        self.pages().write(Entry::Tried { notice, at, delivered });
        self.changed.notify_waiters();
    }

    /// Waits until a webhook was tried at least once.
    pub async fn first_try(&self, notice: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.pages().outbox.was_tried(notice) {
                return;
            }
            changed.await;
        }
    }

    /// Something happened since this was called.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("nothing panics with the book open")
    }
}

impl Pages {
    fn write(&mut self, entry: Entry) -> u64 {
        let line = self.journal.append(&entry);
        self.last_line = line;
        self.enter(entry, line);
        line
    }

    fn enter(&mut self, entry: Entry, line: u64) {
        match entry {
            Entry::Answered { key, digest, answer, held, owed } => {
                self.answers.insert(key, (digest, answer, line));
                self.charges.extend(held.map(|held| (held.charge.id.clone(), *held)));
                if let Some(owed) = owed {
                    self.outbox.owe(*owed, line);
                }
            }
            Entry::Tried { notice, at, delivered } => self.outbox.tried(notice, at, delivered),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use commands::clock::ManualClock;
    use commands::port::payment::{Captured, ChargeMetadata};
    use domain::ids::{AttemptId, CaptureId, PaymentId, WorkspaceId};
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    use super::*;

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::USD)
    }

    fn open(path: &Path) -> Book {
        let clock = ManualClock::at(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        Book::open(path, Arc::new(clock)).unwrap()
    }

    fn authorise(amount: i64) -> Operation {
        let metadata = ChargeMetadata {
            workspace: WorkspaceId::from_uuid(Uuid::from_u128(1)),
            payment: PaymentId::from_uuid(Uuid::from_u128(2)),
            attempt: AttemptId::from_uuid(Uuid::from_u128(3)),
        };
        Operation::Authorise { metadata, amount: usd(amount), method: "ok".into() }
    }

    fn capture(charge: &str, amount: i64) -> Operation {
        let capture = CaptureId::from_uuid(Uuid::from_u128(4));
        Operation::Capture { charge: charge.into(), capture, amount: usd(amount) }
    }

    fn webhook() -> Option<WebhookMisfortune> {
        Some(WebhookMisfortune::default())
    }

    #[tokio::test]
    async fn is_the_same_book_after_a_kill_with_what_is_still_owed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        let book = open(&path);
        let charge = charge::charge_id("a");
        book.execute("a", "1", &authorise(1000), webhook()).unwrap();
        book.tried(0, true);
        let taken = book.execute("b", "2", &capture(&charge, 600), webhook()).unwrap();
        book.durable(taken.line).await.unwrap();
        let owed = |book: &Book| book.due(|_| false).0.into_iter().map(|due| due.notice).collect::<Vec<_>>();
        let (before, still_owed) = (book.view().await.unwrap(), owed(&book));
        drop(book);
        // A kill in the middle of the next line.
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(br#"{"entry":"answered","key":"c","dig"#).unwrap();
        drop(file);

        let book = open(&path);
        assert_eq!(book.view().await.unwrap(), before);
        assert_eq!(book.view().await.unwrap().charges[0].captured, 600);
        assert_eq!(owed(&book), still_owed);
        assert_eq!(still_owed.len(), 1);
        let again = book.execute("b", "2", &capture(&charge, 600), webhook()).unwrap();
        assert_eq!(again.answer, taken.answer);
        assert_eq!(book.execute("b", "x", &capture(&charge, 600), None).unwrap_err(), NotDone::KeyReused);
        assert_eq!(book.view().await.unwrap(), before);
    }

    #[tokio::test]
    async fn does_it_once_for_a_key_however_many_ask_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let book = Arc::new(open(&folder.path().join("book")));
        book.execute("a", "1", &authorise(1000), None).unwrap();
        let charge = charge::charge_id("a");
        let asking: Vec<_> = (0..64)
            .map(|_| {
                let (book, charge) = (book.clone(), charge.clone());
                std::thread::spawn(move || book.execute("b", "2", &capture(&charge, 400), webhook()).unwrap())
            })
            .collect();
        let answers: Vec<Executed> = asking.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(answers.iter().all(|executed| executed.answer == answers[0].answer));
        let captured: Captured = serde_json::from_str(&answers[0].answer.body).unwrap();
        assert_eq!(captured.amount, usd(400));
        assert_eq!(book.view().await.unwrap().charges[0].captured, 400);
        assert_eq!(answers.iter().filter(|executed| executed.notice.is_some()).count(), 1);
    }

    #[tokio::test]
    async fn keeps_a_refusal_for_its_key_too() {
        let folder = tempfile::tempdir().unwrap();
        let book = open(&folder.path().join("book"));
        book.execute("a", "1", &authorise(1000), None).unwrap();
        let charge = charge::charge_id("a");
        let refused = book.execute("b", "2", &capture(&charge, 1001), webhook()).unwrap();
        assert_eq!((refused.answer.status, refused.notice), (409, None));
        let again = book.execute("b", "2", &capture(&charge, 1001), webhook()).unwrap();
        assert_eq!(again.answer, refused.answer);
        let nothing = book.execute("c", "3", &capture("ch_x", 1), None);
        assert_eq!(nothing.unwrap_err(), NotDone::NoSuchCharge);
    }
}
