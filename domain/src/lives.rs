//! Lives: an order, its payment and its refunds together, as processes and a payment provider move them on, in any
//! order and with every failure. Whatever happens, their sums agree, no two refunds count on the same money, and in
//! the end the customer has back what is not owed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use crate::commerce::order::{
    Basis, CancelReason, Condition, Contents, Discount, Giving, Item, Order, OrderCommand, OrderEvent,
    Placing, Settlement, Shipping, Submission, Units,
};
use crate::finance::payment::{CaptureMode, Payment, PaymentCommand, PaymentEvent};
use crate::finance::refund::{Reason, Refund, RefundCommand, RefundEvent, RefundFact, RefundStatus};
use crate::ids::{
    AttemptId, CaptureId, CustomerId, FulfilmentId, LineId, OrderId, PaymentId, RefundId, ReturnId,
};
use crate::kernel::Decider;
use crate::money::{Currency, Money};

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

/// What a person does, or leaves undone because it is refused.
#[derive(Debug, Clone)]
enum Deed {
    Order(OrderCommand),
    Ask {
        amount: i64,
        giving: Giving,
    },
    /// A person decides on the nth refund.
    Decide {
        refund: usize,
        command: RefundCommand,
    },
    /// Somebody is slow: so many messages are delivered, the nth of those that wait at each turn.
    Deliver(Vec<u8>),
}

/// Who told it: what one of them tells arrives in order, beyond that anything goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum From {
    Order,
    Payment,
    Refund(RefundId),
    Provider(RefundId),
}

/// What is on its way to somebody.
#[derive(Debug, Clone)]
enum Message {
    Order(OrderCommand),
    Payment(PaymentCommand),
    Refund(RefundId, RefundCommand),
    /// A call of the provider, by the key it stands under there.
    Provider {
        refund: RefundId,
        attempt: u32,
        amount: i64,
    },
}

#[derive(Default)]
struct World {
    order: Order,
    payment: Payment,
    refunds: BTreeMap<RefundId, Refund>,
    waiting: Vec<(From, Message)>,
    /// What the provider paid out, by refund.
    book: BTreeMap<RefundId, i64>,
    /// What it said no to, by refund and attempt: asked again, it says so again.
    refused: std::collections::BTreeSet<(RefundId, u32)>,
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
            at: time(),
        };
        let customer = CustomerId::from_uuid(Uuid::from_u128(3));
        let submission = Submission { customer, reference: None, cart: None, contents, placing };
        world.order(OrderCommand::Submit(Box::new(submission)));
        let (attempt, capture) =
            (AttemptId::from_uuid(Uuid::from_u128(4)), CaptureId::from_uuid(Uuid::from_u128(5)));
        use PaymentCommand as P;
        for command in [
            P::Create {
                order: ORDER,
                amount: total,
                capture: CaptureMode::Auto,
                method: "card".into(),
                expires_at: time(),
            },
            P::StartAttempt { attempt, method: None, at: time() - chrono::TimeDelta::hours(1) },
            P::RecordAuthorised {
                attempt,
                psp_ref: "ch".into(),
                amount: total,
                valid_until: time() + chrono::TimeDelta::hours(1),
            },
            P::Capture { capture, amount: total, at: time() },
            P::RecordCaptured { capture, amount: total, fee: usd(0), psp_ref: "cp".into() },
        ] {
            assert!(world.payment(command.clone()), "{command:?}");
        }
        world.order(OrderCommand::RecordPayment { payment: PAYMENT, authorised: total, captured: total });
        assert!(world.order(OrderCommand::Confirm { basis: Basis::Captured }));
        world
    }

    fn one_in(&mut self, of: u8) -> bool {
        self.chance.pop().is_some_and(|chance| chance % of == 0)
    }

    fn order(&mut self, command: OrderCommand) -> bool {
        let Ok(events) = self.order.decide(command) else { return false };
        for event in events {
            self.order.evolve(event.clone());
            let owed = match event {
                OrderEvent::LinesCancelled { refund, .. }
                | OrderEvent::Cancelled { refund, .. }
                | OrderEvent::EditConfirmed { refund, .. }
                | OrderEvent::ReturnReceived { refund, .. }
                | OrderEvent::RefundEnded { owed: refund, .. } => refund,
                _ => continue,
            };
            if owed.amount > 0 {
                self.made += 1;
                let request = request(owed, Reason::Returned);
                self.waiting.push((From::Order, Message::Refund(refund_id(self.made), request)));
            }
        }
        true
    }

    fn payment(&mut self, command: PaymentCommand) -> bool {
        let Ok(events) = self.payment.decide(command) else { return false };
        for event in events {
            if let PaymentEvent::RefundAllotted { refund, charge, .. } = &event {
                let send = RefundCommand::Send { charge: charge.clone() };
                self.waiting.push((From::Payment, Message::Refund(*refund, send)));
            }
            self.payment.evolve(event);
        }
        true
    }

    fn refund(&mut self, refund: RefundId, command: RefundCommand) {
        use {Message as M, OrderCommand as O, PaymentCommand as P, RefundEvent as E};
        let state = self.refunds.entry(refund).or_default();
        let Ok(events) = state.decide(command) else { return };
        for event in events {
            self.refunds.get_mut(&refund).unwrap().evolve(event.clone());
            let ask = |attempt, amount: Money| M::Provider { refund, attempt, amount: amount.amount };
            let messages = match event {
                E::Approved { amount, .. } => vec![M::Payment(P::AllotRefund { refund, amount })],
                E::Sent { amount, .. } => vec![ask(1, amount)],
                E::Resent { amount, attempt, .. } => vec![ask(attempt, amount)],
                E::Succeeded { amount, .. }
                | E::LateObservation { amount, fact: RefundFact::Succeeded, .. } => {
                    vec![
                        M::Payment(P::SettleRefund { refund }),
                        M::Order(O::RecordRefund { refund, payment: PAYMENT, amount }),
                    ]
                }
                E::Failed { .. } | E::Cancelled { .. } => {
                    vec![M::Payment(P::ReleaseRefund { refund }), M::Order(O::EndRefund { refund })]
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
            Message::Payment(command) => {
                let allots = match command {
                    PaymentCommand::AllotRefund { refund, .. } => Some(refund),
                    _ => None,
                };
                let taken = self.payment(command);
                assert!(
                    taken || allots.is_none(),
                    "no refund counts on money that another one has: {:?}",
                    self.order
                );
            }
            Message::Provider { refund, attempt, amount } => self.ask_provider(refund, attempt, amount),
        }
    }

    fn ask_provider(&mut self, refund: RefundId, attempt: u32, amount: i64) {
        let paid_out: i64 = self.book.values().sum();
        let captured = self.payment_captured();
        let answer = if self.book.contains_key(&refund) {
            RefundCommand::RecordSucceeded { psp_ref: "re".into() }
        } else if self.refused.contains(&(refund, attempt)) || self.one_in(4) {
            self.refused.insert((refund, attempt));
            RefundCommand::RecordFailed { code: "refund_declined".into(), review: true }
        } else {
            assert!(paid_out + amount <= captured, "the provider is asked for more than it took");
            self.book.insert(refund, amount);
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

    fn payment_captured(&self) -> i64 {
        self.order.balance().map_or(0, |b| b.held.amount + b.given_back.amount + b.given_away.amount)
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
                    self.refund(refund, request(amount, Reason::Goodwill));
                }
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

    fn agrees(&self, captured: i64) {
        let balance = self.order.balance().unwrap();
        let paid_out: i64 = self.book.values().sum();
        let told = serde_json::to_value(&self.order).unwrap();
        let recorded: i64 = told["agreed"]["refunds"]
            .as_object()
            .unwrap()
            .values()
            .map(|refund| refund["amount"].as_i64().unwrap())
            .sum();
        assert_eq!(recorded, paid_out, "order and provider");
        let done = |refund: &&Refund| refund.status() == Some(RefundStatus::Succeeded);
        assert_eq!(self.refunds.values().filter(done).count(), self.book.len(), "refunds and provider");
        let rest = captured - paid_out;
        let one = |amount| PaymentCommand::AllotRefund { refund: refund_id(1), amount: usd(amount) };
        assert!(self.payment.decide(one(rest + 1)).is_err(), "payment and provider");
        assert!(rest == 0 || self.payment.decide(one(rest)).is_ok(), "payment and provider");
        assert!(balance.held.amount <= rest && paid_out <= captured);
        let due = self.order.terms().unwrap().total.amount
            - told["agreed"]["total_credited"]["amount"].as_i64().unwrap();
        let owed = (due - balance.given_away.amount).max(0);
        assert!(balance.held.amount <= owed, "the customer is owed nothing: {balance:?} of {due}");
    }
}

fn request(amount: Money, reason: Reason) -> RefundCommand {
    RefundCommand::Request { payment: PAYMENT, order: ORDER, amount, reason, lines: vec![], approved: true }
}

fn deed() -> impl Strategy<Value = Deed> {
    use OrderCommand as O;
    let units = || {
        prop::collection::vec((1u128..4, 1u32..4), 1..3).prop_map(|lines| {
            let units = lines.into_iter().map(|(n, quantity)| Units { line: line(n), quantity });
            units.collect::<Vec<_>>()
        })
    };
    let parcel = || (1u128..4).prop_map(|n| FulfilmentId::from_uuid(Uuid::from_u128(n)));
    let back = || (1u128..3).prop_map(|n| ReturnId::from_uuid(Uuid::from_u128(n)));
    let reason = CancelReason::Customer;
    let orders = prop_oneof![
        2 => units().prop_map(move |lines| O::CancelLines { lines, reason }),
        1 => Just(O::Cancel { reason }),
        2 => Just(O::BeginEdit),
        3 => (1u128..4, 1u32..5).prop_map(|(n, quantity)| O::SetQuantity {
            line: line(n),
            quantity,
            total: None,
            tax: None
        }),
        1 => (1u128..4).prop_map(|n| O::RemoveLine { line: line(n) }),
        3 => Just(O::ConfirmEdit { totals_hash: None }),
        3 => (parcel(), units()).prop_map(|(fulfilment, lines)| O::Fulfil {
            fulfilment,
            lines,
            override_unpaid: None
        }),
        3 => parcel().prop_map(|fulfilment| O::Ship { fulfilment, carrier: None, tracking: None }),
        3 => parcel().prop_map(|fulfilment| O::Deliver { fulfilment }),
        3 => (back(), units()).prop_map(|(return_id, lines)| O::RequestReturn {
            return_id,
            lines,
            reason: None
        }),
        4 => (back(), 1u128..4, 1u32..4).prop_map(|(return_id, n, quantity)| O::ReceiveReturn {
            return_id,
            line: line(n),
            quantity,
            condition: Condition::Good
        }),
    ];
    let givings = prop::sample::select(vec![Giving::Back, Giving::Away]);
    let decisions = prop_oneof![
        2 => Just(RefundCommand::Retry),
        2 => Just(RefundCommand::Reject { code: "not_owed".into() }),
        1 => Just(RefundCommand::Cancel),
    ];
    prop_oneof![
        6 => orders.prop_map(Deed::Order),
        3 => (1i64..6000, givings).prop_map(|(amount, giving)| Deed::Ask { amount, giving }),
        2 => (0usize..6, decisions).prop_map(|(refund, command)| Deed::Decide { refund, command }),
        4 => prop::collection::vec(any::<u8>(), 1..8).prop_map(Deed::Deliver),
    ]
}

fn contents() -> impl Strategy<Value = Contents> {
    let lines = prop::array::uniform3((1u32..5, 100i64..1000, prop::option::of(0i64..300)));
    (lines, 0i64..300, 0i64..500, prop::option::of(0i64..200)).prop_map(|(lines, off, ship, tax)| {
        let item = |(n, (quantity, price, tax)): (u128, (u32, i64, Option<i64>))| Item {
            line: line(n),
            stock: None,
            sku: "THING".parse().unwrap(),
            title: "Thing".into(),
            quantity,
            unit_price: Some(usd(price)),
            total: usd(price * i64::from(quantity)),
            tax: tax.map(usd),
        };
        Contents {
            lines: (1..).zip(lines).map(item).collect(),
            discount: Some(Discount { code: None, amount: usd(off) }),
            shipping: Some(Shipping { method: None, amount: usd(ship) }),
            tax: tax.map(usd),
            ..Contents::new(Currency::USD)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn sums_agree_and_nothing_stays_owed_whatever_happens(
        contents in contents(),
        deeds in prop::collection::vec(deed(), 1..60),
        chance in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let captured = contents.terms().unwrap().total.amount;
        let mut world = World::new(contents, chance);
        for deed in deeds {
            world.act(deed);
            let balance = world.order.balance().unwrap();
            let all = [balance.held, balance.given_back, balance.given_away];
            prop_assert_eq!(all.iter().map(|part| part.amount).sum::<i64>(), captured, "{:?}", balance);
        }
        world.settle();
        world.agrees(captured);
    }
}
