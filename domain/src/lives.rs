//! Lives: an order, its payments and its refunds together, as processes and a payment provider move them on, in any
//! order and with every failure. Whatever happens, their sums agree, no two refunds count on the same money, no payment
//! gives back more than it brought, and in the end the customer has back what is not owed.
//!
//! Edits that cost more are paid by payments of their own; what was taken for one that then does not hold is given back.
//! Parcels are lost or come back, and are sent again or cancelled.

mod deed;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use crate::commerce::order::{
    Basis, Contents, Order, OrderCommand, OrderEvent, Placing, ReservedLine, Settlement, Settling, Share,
    Submission, Unsettled, WantedUnits,
};
use crate::finance::payment::{CaptureMode, Payment, PaymentCommand, PaymentEvent};
use crate::finance::refund::{Reason, Refund, RefundCommand, RefundEvent, RefundFact, RefundStatus};
use crate::ids::{AttemptId, CaptureId, CustomerId, LineId, OrderId, PaymentId, RefundId, ReservationId};
use crate::kernel::Decider;
use crate::money::{Currency, Money};
use deed::{Deed, contents, deed};

const ORDER: OrderId = OrderId::from_uuid(Uuid::from_u128(1));
const PAYMENT: PaymentId = PaymentId::from_uuid(Uuid::from_u128(2));

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn line(n: u128) -> LineId {
    LineId::from_uuid(Uuid::from_u128(n))
}

fn refund_id(n: u128) -> RefundId {
    RefundId::from_uuid(Uuid::from_u128(n))
}

/// Who told it: what one of them tells arrives in order, beyond that anything goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum From {
    Order,
    Payment(PaymentId),
    Refund(RefundId),
    Provider(RefundId),
    /// The checkout of an edit.
    Checkout(PaymentId),
}

/// What is on its way to somebody.
#[derive(Debug, Clone)]
enum Message {
    Order(OrderCommand),
    Payment(PaymentId, PaymentCommand),
    Refund(RefundId, RefundCommand),
    /// What an edit costs and takes more is to be paid and reserved.
    Settle {
        payment: PaymentId,
        amount: Money,
        lines: Vec<WantedUnits>,
    },
    /// The order is to take it in, or it is undone.
    Complete {
        payment: PaymentId,
        captured: Option<Money>,
        reserved: Vec<ReservedLine>,
    },
    /// A call of the provider, by the key it stands under there.
    Provider {
        refund: RefundId,
        payment: PaymentId,
        attempt: u32,
        amount: i64,
    },
}

#[derive(Default)]
struct World {
    order: Order,
    payments: BTreeMap<PaymentId, Payment>,
    /// What the provider took, by payment.
    took: BTreeMap<PaymentId, i64>,
    refunds: BTreeMap<RefundId, Refund>,
    waiting: Vec<(From, Message)>,
    /// What the provider paid out, by refund.
    book: BTreeMap<RefundId, (PaymentId, i64)>,
    /// What it said no to, by refund and attempt: asked again, it says so again.
    refused: BTreeSet<(RefundId, u32)>,
    made: u128,
    chance: Vec<u8>,
}

impl World {
    /// A paid and confirmed order.
    fn new(contents: Contents, chance: Vec<u8>) -> Self {
        let mut world = Self { made: 100, chance, ..Self::default() };
        let total = contents.terms().unwrap().total;
        let placing = Placing {
            totals_hash: None,
            payment_method: Some("card".into()),
            expires_at: None,
            settlement: Settlement::Checkout,
            number_prefix: None,
            at: time(),
        };
        let customer = CustomerId::from_uuid(Uuid::from_u128(3));
        let submission = Submission { customer, reference: None, cart: None, contents, placing };
        world.order(OrderCommand::Submit(Box::new(submission)));
        world.take(PAYMENT, total);
        let line = world.order.terms().unwrap().lines[0].clone();
        world.order(OrderCommand::RecordReservation {
            line: line.line,
            reservation: ReservationId::from_uuid(Uuid::from_u128(6)),
            quantity: line.quantity,
        });
        world.order(OrderCommand::RecordPayment { payment: PAYMENT, authorised: total, captured: total });
        assert!(world.order(OrderCommand::Confirm { basis: Basis::Captured }));
        world
    }

    /// Has money taken by the provider, under a payment of its own.
    fn take(&mut self, payment: PaymentId, amount: Money) {
        let (attempt, capture) = (AttemptId::from_uuid(payment.uuid()), CaptureId::from_uuid(payment.uuid()));
        use PaymentCommand as P;
        let soon = time() + chrono::TimeDelta::hours(1);
        for command in [
            P::Create {
                order: ORDER,
                amount,
                capture: CaptureMode::Auto,
                method: "card".into(),
                expires_at: soon,
            },
            P::StartAttempt { attempt, method: None, at: time() },
            P::RecordAuthorised { attempt, psp_ref: "ch".into(), amount, valid_until: soon },
            P::Capture { capture, amount, at: time() },
            P::RecordCaptured { capture, amount, fee: usd(0), psp_ref: "cp".into() },
        ] {
            assert!(self.payment(payment, command.clone()), "{command:?}");
        }
        self.took.insert(payment, amount.amount);
    }

    fn one_in(&mut self, of: u8) -> bool {
        self.chance.pop().is_some_and(|chance| chance % of == 0)
    }

    fn order(&mut self, command: OrderCommand) -> bool {
        let Ok(events) = self.order.decide(command) else { return false };
        for event in events {
            self.order.evolve(event.clone());
            let (owed, shares) = match event {
                OrderEvent::LinesCancelled { refund, shares, .. }
                | OrderEvent::Cancelled { refund, shares, .. }
                | OrderEvent::EditConfirmed { refund, shares, .. }
                | OrderEvent::ReturnReceived { refund, shares, .. }
                | OrderEvent::RefundEnded { owed: refund, shares, .. } => (refund, shares),
                OrderEvent::EditSettlementBegun { payment, amount, lines, .. } => {
                    let settle = Message::Settle { payment, amount, lines };
                    self.waiting.push((From::Order, settle));
                    continue;
                }
                _ => continue,
            };
            let first = [Share { payment: PAYMENT, amount: owed }];
            let shares = if shares.is_empty() { &first[..] } else { &shares };
            assert_eq!(shares.iter().map(|of| of.amount.amount).sum::<i64>(), owed.amount);
            for share in shares.iter().filter(|share| share.amount.amount > 0) {
                self.made += 1;
                let request = request(share.payment, share.amount, Reason::Returned);
                self.waiting.push((From::Order, Message::Refund(refund_id(self.made), request)));
            }
        }
        true
    }

    fn payment(&mut self, payment: PaymentId, command: PaymentCommand) -> bool {
        let state = self.payments.entry(payment).or_default();
        let Ok(events) = state.decide(command) else { return false };
        for event in events {
            if let PaymentEvent::RefundAllotted { refund, charge, .. } = &event {
                let send = RefundCommand::Send { charge: charge.clone() };
                self.waiting.push((From::Payment(payment), Message::Refund(*refund, send)));
            }
            state.evolve(event);
        }
        true
    }

    /// The checkout of an edit: sets aside, takes the money, and has the order take both in. Any of it may fail.
    fn settle_edit(&mut self, payment: PaymentId, amount: Money, lines: Vec<WantedUnits>) {
        if self.one_in(4) {
            let reason = Unsettled::PaymentFailed;
            let end = Message::Order(OrderCommand::EndEditSettlement { payment, reason });
            return self.waiting.push((From::Checkout(payment), end));
        }
        let mut reserved = Vec::new();
        for of in lines.iter().filter(|of| of.stock.is_some()) {
            self.made += 1;
            let reservation = ReservationId::from_uuid(Uuid::from_u128(self.made));
            reserved.push(ReservedLine { line: of.line, reservation, quantity: of.quantity });
        }
        let captured = (!amount.is_zero()).then_some(amount);
        if captured.is_some() {
            self.take(payment, amount);
        }
        let complete = Message::Complete { payment, captured, reserved };
        self.waiting.push((From::Checkout(payment), complete));
    }

    fn complete(&mut self, payment: PaymentId, captured: Option<Money>, reserved: Vec<ReservedLine>) {
        let taken = self.order(OrderCommand::CompleteEdit { payment, captured, reserved });
        let (false, Some(amount)) = (taken, captured) else { return };
        self.made += 1;
        let refund = refund_id(self.made);
        assert!(self.order(OrderCommand::UndoPayment { payment, refund, amount }));
        let ask = Message::Refund(refund, request(payment, amount, Reason::OrderCancelled));
        let end = OrderCommand::EndEditSettlement { payment, reason: Unsettled::Refused };
        let from = From::Checkout(payment);
        self.waiting.extend([(from, ask), (from, Message::Order(end))]);
    }

    fn refund(&mut self, refund: RefundId, command: RefundCommand) {
        use {Message as M, OrderCommand as O, PaymentCommand as P, RefundEvent as E};
        let state = self.refunds.entry(refund).or_default();
        let Ok(events) = state.decide(command) else { return };
        for event in events {
            self.refunds.get_mut(&refund).unwrap().evolve(event.clone());
            let ask = |payment, attempt, amount: Money| {
                vec![M::Provider { refund, payment, attempt, amount: amount.amount }]
            };
            let messages = match event {
                E::Approved { amount, payment, .. } => {
                    vec![M::Payment(payment, P::AllotRefund { refund, amount })]
                }
                E::Sent { amount, payment, .. } => ask(payment, 1, amount),
                E::Resent { amount, payment, attempt, .. } => ask(payment, attempt, amount),
                E::Succeeded { amount, payment, .. }
                | E::LateObservation { amount, payment, fact: RefundFact::Succeeded, .. } => {
                    vec![
                        M::Payment(payment, P::SettleRefund { refund }),
                        M::Order(O::RecordRefund { refund, payment, amount }),
                    ]
                }
                E::Failed { payment, .. } | E::Cancelled { payment, .. } => {
                    vec![M::Payment(payment, P::ReleaseRefund { refund }), M::Order(O::EndRefund { refund })]
                }
                _ => vec![],
            };
            self.waiting.extend(messages.into_iter().map(|message| match message {
                M::Provider { .. } => (From::Provider(refund), message),
                message => (From::Refund(refund), message),
            }));
        }
    }

    /// Delivers the nth of what may arrive next.
    fn deliver_one(&mut self, turn: usize) {
        let first = |&at: &usize| !self.waiting[..at].iter().any(|(from, _)| *from == self.waiting[at].0);
        let next: Vec<usize> = (0..self.waiting.len()).filter(first).collect();
        if let Some(&at) = next.get(turn % next.len().max(1)) {
            let (_, message) = self.waiting.remove(at);
            self.deliver(message);
        }
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Order(command) => _ = self.order(command),
            Message::Refund(refund, command) => self.refund(refund, command),
            Message::Settle { payment, amount, lines } => self.settle_edit(payment, amount, lines),
            Message::Complete { payment, captured, reserved } => self.complete(payment, captured, reserved),
            Message::Payment(payment, command) => {
                let allots = match command {
                    PaymentCommand::AllotRefund { refund, .. } => Some(refund),
                    _ => None,
                };
                let taken = self.payment(payment, command);
                assert!(
                    taken || allots.is_none(),
                    "no refund counts on money that another one has: {:?}",
                    self.order
                );
            }
            Message::Provider { refund, payment, attempt, amount } => {
                self.ask_provider((refund, payment), attempt, amount);
            }
        }
    }

    fn ask_provider(&mut self, (refund, payment): (RefundId, PaymentId), attempt: u32, amount: i64) {
        let (paid_out, captured) = (self.paid_out(payment), self.took[&payment]);
        let answer = if self.book.contains_key(&refund) {
            RefundCommand::RecordSucceeded { psp_ref: "re".into() }
        } else if self.refused.contains(&(refund, attempt)) || self.one_in(4) {
            self.refused.insert((refund, attempt));
            RefundCommand::RecordFailed { code: "refund_declined".into(), review: true }
        } else {
            assert!(paid_out + amount <= captured, "the provider is asked for more than it took");
            self.book.insert(refund, (payment, amount));
            RefundCommand::RecordSucceeded { psp_ref: "re".into() }
        };
        let mut told = vec![answer];
        if self.one_in(5) {
            // The answer is lost, until after a while nobody asks again; the provider may tell it unasked.
            let tells = matches!(told[0], RefundCommand::RecordSucceeded { .. }) && self.one_in(2);
            told.retain(|_| tells);
            told.splice(0..0, [RefundCommand::RecordUnknown, RefundCommand::RecordUnresolved]);
        }
        self.waiting
            .extend(told.into_iter().map(|told| (From::Provider(refund), Message::Refund(refund, told))));
    }

    fn paid_out(&self, payment: PaymentId) -> i64 {
        self.book.values().filter(|(of, _)| *of == payment).map(|(_, amount)| amount).sum()
    }

    /// What the order says was captured.
    fn captured(&self) -> i64 {
        let told = serde_json::to_value(&self.order).unwrap();
        let payments = told["agreed"]["payments"].as_object().unwrap();
        payments.values().map(|payment| payment["captured"]["amount"].as_i64().unwrap()).sum()
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Order(command) => _ = self.order(command),
            Deed::Ask { amount, giving } => {
                self.made += 1;
                let (refund, amount) = (refund_id(self.made), usd(amount));
                let ask = OrderCommand::AskRefund { refund, payment: PAYMENT, amount, giving, lines: vec![] };
                // Both or neither.
                if self.order(ask) {
                    self.refund(refund, request(PAYMENT, amount, Reason::Goodwill));
                }
            }
            Deed::ConfirmEdit => {
                self.made += 1;
                let settling = Settling {
                    payment: PaymentId::from_uuid(Uuid::from_u128(self.made)),
                    payment_method: Some("card".into()),
                    expires_at: time(),
                };
                self.order(OrderCommand::ConfirmEdit { totals_hash: None, settling: Some(settling) });
            }
            Deed::Reserve { line, quantity } => {
                self.made += 1;
                let reservation = ReservationId::from_uuid(Uuid::from_u128(self.made));
                self.order(OrderCommand::Reserve { line, reservation, quantity });
            }
            Deed::Decide { refund, command } => {
                let Some(&id) = self.refunds.keys().nth(refund) else { return };
                let gives_up = matches!(command, RefundCommand::Reject { .. } | RefundCommand::Cancel);
                // Who gives it up has looked into the provider's book.
                if !gives_up || !self.book.contains_key(&id) {
                    self.refund(id, command);
                }
            }
            Deed::Deliver(turns) => turns.into_iter().for_each(|turn| self.deliver_one(usize::from(turn))),
        }
    }

    /// Lets everything arrive, and a person send again what waits, until the provider pays it out.
    fn settle(&mut self) {
        loop {
            while !self.waiting.is_empty() {
                self.deliver_one(0);
            }
            self.chance.clear();
            let waits = |refund: &Refund| refund.status() == Some(RefundStatus::ManualReview);
            let Some(id) = self.refunds.iter().find(|(_, refund)| waits(refund)).map(|(&id, _)| id) else {
                return;
            };
            self.refund(id, RefundCommand::Retry);
        }
    }

    fn agrees(&self) {
        let balance = self.order.balance().unwrap();
        let told = serde_json::to_value(&self.order).unwrap();
        let recorded: i64 = told["agreed"]["refunds"]
            .as_object()
            .unwrap()
            .values()
            .map(|refund| refund["amount"].as_i64().unwrap())
            .sum();
        let paid_out: i64 = self.book.values().map(|(_, amount)| amount).sum();
        assert_eq!(recorded, paid_out, "order and provider: refunded");
        assert_eq!(self.captured(), self.took.values().sum::<i64>(), "order and provider: taken");
        let done = |refund: &&Refund| refund.status() == Some(RefundStatus::Succeeded);
        assert_eq!(self.refunds.values().filter(done).count(), self.book.len(), "refunds and provider");
        for (payment, state) in &self.payments {
            let rest = self.took[payment] - self.paid_out(*payment);
            let one = |amount| PaymentCommand::AllotRefund { refund: refund_id(1), amount: usd(amount) };
            assert!(state.decide(one(rest + 1)).is_err(), "payment and provider");
            assert!(rest == 0 || state.decide(one(rest)).is_ok(), "payment and provider");
        }
        assert!(balance.held.amount <= self.captured() - paid_out && paid_out <= self.captured());
        let due = self.order.terms().unwrap().total.amount
            - told["agreed"]["total_credited"]["amount"].as_i64().unwrap();
        let owed = (due - balance.given_away.amount).max(0);
        assert!(balance.held.amount <= owed, "the customer is owed nothing: {balance:?} of {due}");
        // What is set aside is what is still to leave, or for an edit that is open.
        let reserved: u64 = told["agreed"]["reservations"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|of| of.as_array().unwrap())
            .map(|held| held["quantity"].as_u64().unwrap())
            .sum();
        let stocked = self.order.terms().unwrap().lines.iter().filter(|line| line.stock.is_some());
        let to_leave: u64 = stocked
            .filter_map(|line| self.order.counters(line.line))
            .map(|units| units.due() - units.shipped)
            .sum();
        assert!(reserved <= to_leave, "{reserved} are set aside for {to_leave}");
        self.is_in_the_books(due);
    }

    /// What the provider took and has not paid out is earned, or the customer's until the rest has left.
    fn is_in_the_books(&self, due: i64) {
        let (books, balance) = (self.order.books().unwrap(), self.order.balance().unwrap());
        let paid_out: i64 = self.book.values().map(|(_, amount)| amount).sum();
        let cash = self.took.values().sum::<i64>() - paid_out;
        let earned = books.goods.amount + books.shipping.amount + books.tax.amount;
        let customers = cash - (earned - books.given_away.amount);
        let unearned = customers + books.owing.amount - books.unclear.amount;
        assert!(unearned >= 0, "{books:?} of {cash}");
        assert!(unearned == 0 || books.owing.is_zero(), "the customer is owed and owes: {books:?} of {cash}");
        // What a person has given up was settled in another way, and is no business of the provider's.
        if balance.given_back.amount + balance.given_away.amount == paid_out {
            assert!(unearned <= due - earned, "{unearned} stays, {earned} of {due} are earned: {books:?}");
        }
    }
}

fn request(payment: PaymentId, amount: Money, reason: Reason) -> RefundCommand {
    RefundCommand::Request { payment, order: ORDER, amount, reason, lines: vec![], approved: true }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn sums_agree_and_nothing_stays_owed_whatever_happens(
        contents in contents(),
        deeds in prop::collection::vec(deed(), 1..60),
        chance in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut world = World::new(contents, chance);
        for deed in deeds {
            world.act(deed);
            let balance = world.order.balance().unwrap();
            let all = [balance.held, balance.given_back, balance.given_away];
            prop_assert_eq!(
                all.iter().map(|part| part.amount).sum::<i64>(),
                world.captured(),
                "{:?}",
                balance
            );
        }
        world.settle();
        world.agrees();
    }
}
