//! The outbox: webhooks that are owed, when each is due, and how often it was tried.
//!
//! A webhook is owed until it was taken as often as planned, or was tried too often.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use commands::port::payment::Notice;
use serde::{Deserialize, Serialize};

use super::faults::WebhookMisfortune;

/// A webhook is given up after so many refusals.
const TRIES: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A webhook that someone is to get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Owed {
    pub number: u64,
    pub notice: Notice,
    /// How many times it is still to be taken.
    pub copies: u32,
    pub due_at: DateTime<Utc>,
    /// Held back until a later one was taken, or until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<DateTime<Utc>>,
}

/// A webhook to send now.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    pub number: u64,
    pub notice: Notice,
    /// The line of the journal that must be on disk before.
    pub line: u64,
}

#[derive(Debug, Default)]
pub struct Outbox {
    next: u64,
    owed: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    owed: Owed,
    line: u64,
    tried: bool,
    refusals: u32,
}

impl Outbox {
    /// What is to be owed for a notice; `None` if it never comes.
    #[must_use]
    pub fn plan(&self, notice: Notice, misfortune: WebhookMisfortune) -> Option<Owed> {
        let now = notice.created;
        let copies = if misfortune.double { 2 } else { 1 };
        let due_at = now + misfortune.late.filter(|_| !misfortune.early).unwrap_or_default();
        let held_until = misfortune.overtaken.filter(|_| !misfortune.early).map(|pause| now + pause);
        (!misfortune.never).then_some(Owed { number: self.next, notice, copies, due_at, held_until })
    }

    pub fn owe(&mut self, owed: Owed, line: u64) {
        self.next = owed.number + 1;
        self.owed.insert(owed.number, Waiting { owed, line, tried: false, refusals: 0 });
    }

    pub fn tried(&mut self, number: u64, at: DateTime<Utc>, delivered: bool) {
        if delivered {
            self.owed.range_mut(..number).for_each(|(_, earlier)| earlier.owed.held_until = None);
        }
        let Some(waiting) = self.owed.get_mut(&number) else { return };
        waiting.tried = true;
        if delivered {
            waiting.owed.copies -= 1;
            waiting.owed.due_at = at;
        } else {
            waiting.refusals += 1;
            waiting.owed.due_at = at + pause_after(waiting.refusals);
        }
        if waiting.owed.copies == 0 || waiting.refusals >= TRIES {
            self.owed.remove(&number);
        }
    }

    #[must_use]
    pub fn was_tried(&self, number: u64) -> bool {
        self.owed.get(&number).is_none_or(|waiting| waiting.tried)
    }

    /// Those to send now, and when the next is.
    pub fn due(&self, now: DateTime<Utc>, skip: impl Fn(u64) -> bool) -> (Vec<Due>, Option<DateTime<Utc>>) {
        let from = |waiting: &Waiting| waiting.owed.held_until.unwrap_or_default().max(waiting.owed.due_at);
        let waiting = || self.owed.values().filter(|waiting| !skip(waiting.owed.number));
        let due = waiting().filter(|waiting| from(waiting) <= now);
        let due = due.map(|waiting| Due {
            number: waiting.owed.number,
            notice: waiting.owed.notice.clone(),
            line: waiting.line,
        });
        (due.collect(), waiting().map(from).filter(|from| *from > now).min())
    }
}

fn pause_after(refusals: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1u32 << refusals.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use commands::port::payment::{Charge, ChargeMetadata, ChargeStatus, NoticeKind};
    use domain::ids::{AttemptId, PaymentId, WorkspaceId};
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::milliseconds(ms)
    }

    fn notice() -> Notice {
        let charge = Charge {
            id: "ch_1".into(),
            status: ChargeStatus::Authorised,
            amount: Money::new(1, Currency::USD),
            decline: None,
            next: None,
            valid_until: at(0),
            metadata: ChargeMetadata {
                workspace: WorkspaceId::from_uuid(Uuid::nil()),
                payment: PaymentId::from_uuid(Uuid::nil()),
                attempt: AttemptId::from_uuid(Uuid::nil()),
            },
            captures: vec![],
            refunds: vec![],
        };
        Notice { id: "evt_1".into(), kind: NoticeKind::Authorised, charge, created: at(0) }
    }

    fn outbox(all: &[WebhookMisfortune]) -> Outbox {
        let mut outbox = Outbox::default();
        for misfortune in all {
            if let Some(owed) = outbox.plan(notice(), *misfortune) {
                outbox.owe(owed, 0);
            }
        }
        outbox
    }

    fn due(outbox: &Outbox, ms: i64) -> Vec<u64> {
        outbox.due(at(ms), |_| false).0.iter().map(|due| due.number).collect()
    }

    const WELL: WebhookMisfortune =
        WebhookMisfortune { double: false, late: None, overtaken: None, early: false, never: false };

    #[test]
    fn is_owed_until_taken() {
        let mut outbox = outbox(&[WELL]);
        assert_eq!(due(&outbox, 0), [0]);
        assert!(!outbox.was_tried(0));
        outbox.tried(0, at(0), true);
        assert!(due(&outbox, 100_000).is_empty());
        assert!(outbox.was_tried(0));
    }

    #[test]
    fn is_tried_again_after_ever_longer_pauses_and_given_up_in_the_end() {
        let mut outbox = outbox(&[WELL]);
        outbox.tried(0, at(0), false);
        assert_eq!((due(&outbox, 249), due(&outbox, 250)), (vec![], vec![0]));
        assert_eq!(outbox.due(at(0), |_| false).1, Some(at(250)));
        outbox.tried(0, at(250), false);
        assert_eq!((due(&outbox, 749), due(&outbox, 750)), (vec![], vec![0]));
        for _ in 3..TRIES {
            outbox.tried(0, at(0), false);
        }
        assert_eq!((due(&outbox, 29_999), due(&outbox, 30_000)), (vec![], vec![0]));
        outbox.tried(0, at(0), false);
        assert!(due(&outbox, 100_000).is_empty());
    }

    #[test]
    fn comes_twice_late_or_never_where_so_planned() {
        let mut outbox = outbox(&[
            WebhookMisfortune { double: true, ..WELL },
            WebhookMisfortune { late: Some(Duration::from_millis(10)), ..WELL },
            WebhookMisfortune { never: true, ..WELL },
        ]);
        assert_eq!((due(&outbox, 9), due(&outbox, 10)), (vec![0], vec![0, 1]));
        outbox.tried(0, at(0), true);
        assert_eq!(due(&outbox, 0), [0]);
        outbox.tried(0, at(0), true);
        assert!(due(&outbox, 0).is_empty());
    }

    #[test]
    fn is_held_back_until_a_later_one_is_taken_or_it_has_waited_long_enough() {
        let held = WebhookMisfortune { overtaken: Some(Duration::from_millis(10)), ..WELL };
        let mut outbox = outbox(&[held, WELL]);
        assert_eq!((due(&outbox, 9), due(&outbox, 10)), (vec![1], vec![0, 1]));
        outbox.tried(1, at(0), true);
        assert_eq!(due(&outbox, 0), [0]);
    }
}
