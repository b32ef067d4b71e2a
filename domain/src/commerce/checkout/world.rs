//! World: stock, payment and order as they truly are, answering a checkout in random order, late and twice.
//!
//! Each tells its own facts in the order in which they happened, as a stream does; beyond that anything goes.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::examples::*;
use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stock {
    Free,
    Reserved,
    Committed,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Money {
    None,
    Held,
    Taken,
    GivenBack,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum OrderIs {
    Placed,
    Confirmed,
    Closed,
}

/// Who tells facts: stock of either line, the payment, the order.
const TELLERS: usize = 4;
const PAYMENT: usize = 2;
const ORDER: usize = 3;

struct World {
    checkout: Checkout,
    log: Vec<CheckoutEvent>,
    stock: BTreeMap<LineId, Stock>,
    money: Money,
    order: OrderIs,
    requests: Vec<CheckoutEvent>,
    facts: [VecDeque<CheckoutCommand>; TELLERS],
    told: Vec<CheckoutCommand>,
    attempts: u128,
    chance: Vec<u8>,
}

impl World {
    fn new(total: i64, chance: Vec<u8>) -> Self {
        let mut world = Self {
            checkout: Checkout::default(),
            log: vec![],
            stock: [1, 2].map(|n| (line_id(n), Stock::Free)).into(),
            money: Money::None,
            order: OrderIs::Placed,
            requests: vec![],
            facts: Default::default(),
            told: vec![],
            attempts: 0,
            chance,
        };
        world.tell(CheckoutCommand::Begin(Box::new(Beginning { total: usd(total), ..beginning() })));
        world
    }

    /// One in so many; never, once chance is used up.
    fn one_in(&mut self, of: u8) -> bool {
        self.chance.pop().is_some_and(|chance| chance % of == 0)
    }

    fn pick(&mut self, of: usize) -> usize {
        self.chance.pop().map_or(0, |chance| usize::from(chance) % of)
    }

    fn tell(&mut self, command: CheckoutCommand) {
        let Ok(events) = self.checkout.decide(command) else { return };
        for event in events {
            self.checkout.evolve(event.clone());
            if event.as_ref().ends_with("Requested") {
                self.requests.push(event.clone());
            }
            self.log.push(event);
        }
    }

    fn fact(&mut self, teller: usize, fact: CheckoutCommand) {
        self.facts[teller].push_back(fact);
    }

    fn step(&mut self) -> bool {
        let tellers: Vec<usize> = (0..TELLERS).filter(|&teller| !self.facts[teller].is_empty()).collect();
        let choices = tellers.len() + self.requests.len();
        if choices == 0 {
            return false;
        }
        match self.pick(choices) {
            n if n < tellers.len() => {
                let fact = self.facts[tellers[n]].pop_front().unwrap();
                self.told.push(fact.clone());
                self.tell(fact);
            }
            n => {
                let request = self.requests.remove(n - tellers.len());
                self.answer(request);
            }
        }
        true
    }

    /// What nobody asked for.
    fn disturb(&mut self) {
        use CheckoutCommand as C;
        match self.pick(12) {
            0 | 1 if !self.told.is_empty() => {
                let which = self.pick(self.told.len());
                let again = self.told[which].clone();
                self.tell(again);
            }
            2 if self.order == OrderIs::Placed => {
                self.order = OrderIs::Closed;
                self.fact(ORDER, C::RecordOrderClosed { how: OrderClosure::Cancelled });
            }
            3 => {
                let n = self.pick(2);
                let line = line_id(n as u128 + 1);
                if self.stock[&line] == Stock::Reserved {
                    self.stock.insert(line, Stock::Free);
                    self.fact(n, C::RecordReservationExpired { line });
                }
            }
            4 => self.tell(C::Expire { at: at(100) }),
            5 | 6 => self.tell(C::RetryPayment { method: "tok_2".into() }),
            7 if self.money == Money::Held => {
                self.money = Money::None;
                self.fact(PAYMENT, C::RecordVoided);
            }
            8 => self.tell(C::RecordPaymentUnresolved),
            _ => {}
        }
    }

    fn answer(&mut self, request: CheckoutEvent) {
        use {CheckoutCommand as C, CheckoutEvent as E};
        let teller = |line: LineId| usize::from(line != line_id(1));
        match request {
            E::ReservationRequested { units, .. } => {
                let line = units.line;
                if self.one_in(8) {
                    self.fact(
                        teller(line),
                        C::RecordReservationRefused { line, reason: "insufficient".into() },
                    );
                } else {
                    self.stock.insert(line, Stock::Reserved);
                    self.fact(teller(line), C::RecordReserved { line });
                }
            }
            E::CommitRequested { units, .. } => {
                let line = units.line;
                if self.stock[&line] == Stock::Reserved {
                    self.stock.insert(line, Stock::Committed);
                    self.fact(teller(line), C::RecordCommitted { line });
                } else {
                    self.fact(teller(line), C::RecordCommitRefused { line, reason: "expired".into() });
                }
            }
            // Stock that is free already has told so before.
            E::ReleaseRequested { units, committed, .. } => {
                let line = units.line;
                assert!(!committed || self.stock[&line] != Stock::Reserved);
                if self.stock[&line] != Stock::Free {
                    self.stock.insert(line, Stock::Free);
                    self.fact(teller(line), C::RecordReleased { line });
                }
            }
            E::AuthorisationRequested { .. } => {
                self.attempts += 1;
                let attempt = attempt_id(self.attempts);
                let (class, code) = (DeclineClass::Soft, "no".into());
                if self.one_in(4) {
                    self.fact(PAYMENT, C::RecordDeclined { attempt, class, code });
                } else if self.one_in(8) {
                    self.fact(PAYMENT, C::RecordDeclined { attempt, class: DeclineClass::Hard, code });
                } else {
                    let amount = usd(if self.one_in(16) { 1 } else { 4000 });
                    self.money = Money::Held;
                    self.fact(PAYMENT, C::RecordAuthorised { amount });
                }
            }
            E::CaptureRequested { amount, .. } => {
                let code = "gone".to_owned();
                if self.money != Money::Held {
                    self.fact(PAYMENT, C::RecordCaptureFailed { code });
                } else if self.one_in(6) {
                    self.fact(PAYMENT, C::RecordCaptureFailed { code });
                    if self.one_in(2) {
                        // The provider takes it all the same, and tells later.
                        self.money = Money::Taken;
                        self.fact(PAYMENT, C::RecordCaptured { amount });
                    }
                } else {
                    self.money = Money::Taken;
                    self.fact(PAYMENT, C::RecordCaptured { amount });
                }
            }
            E::VoidRequested { .. } => match self.money {
                Money::Held => {
                    self.money = Money::None;
                    self.fact(PAYMENT, C::RecordVoided);
                }
                Money::Taken => self.fact(PAYMENT, C::RecordVoidFailed { code: "captured".into() }),
                Money::None => self.fact(PAYMENT, C::RecordVoided),
                Money::GivenBack => {}
            },
            E::RefundRequested { .. } => {
                assert_eq!(self.money, Money::Taken, "no refund of what was not taken");
                self.money = Money::GivenBack;
                self.fact(PAYMENT, C::RecordRefunded);
            }
            E::ConfirmRequested { .. } => {
                if self.order == OrderIs::Placed && !self.one_in(10) {
                    self.order = OrderIs::Confirmed;
                    self.fact(ORDER, C::RecordConfirmed);
                } else {
                    self.fact(ORDER, C::RecordConfirmRefused { reason: "closed".into() });
                }
            }
            // An order that is closed already has told so before.
            E::CancelRequested { .. } | E::ExpireRequested { .. } if self.order == OrderIs::Placed => {
                self.order = OrderIs::Closed;
                self.fact(ORDER, C::RecordOrderClosed { how: OrderClosure::Cancelled });
            }
            _ => {}
        }
    }

    /// Lets everything be answered; what then still waits for a buyer runs out of time.
    fn settle(&mut self) {
        while self.step() {}
        self.tell(CheckoutCommand::Expire { at: at(100) });
        while self.step() {}
    }

    fn is_settled_rightly(&self, free: bool) {
        let completed = self.checkout.is_completed();
        assert!(completed != self.checkout.is_closed(), "neither done nor undone: {:#?}", self.log);
        if completed {
            assert_eq!(self.order, OrderIs::Confirmed);
            assert!(self.stock.values().all(|&stock| stock == Stock::Committed), "{:#?}", self.log);
            assert_eq!(self.money, if free { Money::None } else { Money::Taken });
        } else {
            assert_eq!(self.order, OrderIs::Closed);
            assert!(self.stock.values().all(|&stock| stock == Stock::Free), "{:#?}", self.log);
            assert!(matches!(self.money, Money::None | Money::GivenBack), "{:?} {:#?}", self.money, self.log);
        }
    }

    fn asked_once(&self) {
        let mut asked = std::collections::BTreeMap::<String, u32>::new();
        for event in self.log.iter().filter(|event| event.as_ref().ends_with("Requested")) {
            *asked.entry(serde_json::to_string(event).unwrap()).or_default() += 1;
        }
        assert!(asked.values().all(|&times| times == 1), "{asked:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn ends_with_goods_and_money_exchanged_or_with_nothing_held(
        free in prop::bool::weighted(0.2),
        disturbance in 2u8..40,
        chance in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut world = World::new(if free { 0 } else { 4000 }, chance);
        while !world.chance.is_empty() {
            if world.one_in(disturbance) {
                world.disturb();
            }
            world.step();
        }
        world.settle();
        world.is_settled_rightly(free);
        world.asked_once();

        let mut replayed = Checkout::default();
        for event in &world.log {
            let json = serde_json::to_string(event).unwrap();
            replayed.evolve(serde_json::from_str(&json).unwrap());
        }
        prop_assert_eq!(&replayed, &world.checkout);
        let remembered = serde_json::to_string(&replayed).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Checkout>(&remembered).unwrap(), &replayed);
    }
}
