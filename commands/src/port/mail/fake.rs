//! A carrier of messages in memory, and notes in memory: both fail when told to.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use uuid::Uuid;

use super::{Delivery, HandOvers, MailError, Mailer, Message, NoNote, Noted};

/// What goes wrong with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody is there.
    Down,
    /// It is refused.
    Refuse,
    /// It never arrives, and nobody can tell.
    LoseMessage,
    /// It arrives, but nobody says so.
    LoseReply,
}

/// A carrier in memory. It fails as scripted, one fault for each message, and then works.
#[derive(Debug, Default)]
pub struct FakeMailer(Mutex<Bag>);

#[derive(Debug, Default)]
struct Bag {
    arrived: Vec<Message>,
    script: VecDeque<Option<Fault>>,
}

impl FakeMailer {
    /// The next messages go like this (`None`: well), the later ones well.
    pub fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.bag().script.extend(faults);
    }

    /// What has arrived, in order.
    #[must_use]
    pub fn arrived(&self) -> Vec<Message> {
        self.bag().arrived.clone()
    }

    fn bag(&self) -> MutexGuard<'_, Bag> {
        self.0.lock().expect("nothing panics with the bag open")
    }
}

#[async_trait]
impl Mailer for FakeMailer {
    async fn hand_over(&self, message: &Message) -> Result<(), MailError> {
        let mut bag = self.bag();
        let fault = bag.script.pop_front().flatten();
        if matches!(fault, None | Some(Fault::LoseReply)) {
            bag.arrived.push(message.clone());
        }
        match fault {
            None => Ok(()),
            Some(Fault::Down) => Err(MailError::Unavailable("connection refused".into())),
            Some(Fault::Refuse) => Err(MailError::Rejected("550 no such mailbox".into())),
            Some(Fault::LoseMessage | Fault::LoseReply) => Err(MailError::Unknown("no reply".into())),
        }
    }
}

/// Notes in memory.
#[derive(Debug, Default)]
pub struct FakeHandOvers(Mutex<(HashMap<Uuid, Option<Delivery>>, bool)>);

impl FakeHandOvers {
    /// From now on nothing can be noted; or can again.
    pub fn set_away(&self, away: bool) {
        self.0.lock().expect("nothing panics with the notes open").1 = away;
    }

    fn notes<T>(&self, act: impl FnOnce(&mut HashMap<Uuid, Option<Delivery>>) -> T) -> Result<T, NoNote> {
        let (notes, away) = &mut *self.0.lock().expect("nothing panics with the notes open");
        if *away { Err(NoNote("connection refused".into())) } else { Ok(act(notes)) }
    }
}

#[async_trait]
impl HandOvers for FakeHandOvers {
    async fn begin(&self, message: Uuid) -> Result<Noted, NoNote> {
        self.notes(|notes| match notes.get(&message) {
            Some(Some(came)) => Noted::Ended(*came),
            Some(None) => Noted::Interrupted,
            None => {
                notes.insert(message, None);
                Noted::Begun
            }
        })
    }

    async fn end(&self, message: Uuid, came: Delivery) -> Result<(), NoNote> {
        self.notes(|notes| _ = notes.insert(message, Some(came)))
    }

    async fn forget(&self, message: Uuid) -> Result<(), NoNote> {
        self.notes(|notes| _ = notes.remove(&message))
    }
}
