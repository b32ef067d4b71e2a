//! A payment gateway in memory: keeps its books like a real one, and fails when told to.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Authorisation, Authorise, Capture, Captured, Charge, ChargeMetadata, ChargeStatus, GatewayError,
    PaymentGateway, Refund, Refunded, Void, Which, decline_of, fee_of,
};

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody is there.
    Down,
    /// It never arrives, and nobody can tell.
    LoseRequest,
    /// It is done, but the answer never arrives.
    LoseReply,
}

/// A gateway in memory. Its calls fail as scripted, one fault for each call, and then go well.
#[derive(Debug, Default)]
pub struct FakeGateway(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    charges: Vec<(Charge, String)>,
    rejections: HashMap<String, String>,
    script: VecDeque<Option<Fault>>,
    calls: Vec<String>,
}

type Answer<T> = Result<T, GatewayError>;

impl FakeGateway {
    /// The next calls go like this (`None`: well), the later ones well.
    pub fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.books().script.extend(faults);
    }

    /// All charges, in the order in which they came.
    #[must_use]
    pub fn charges(&self) -> Vec<Charge> {
        self.books().charges.iter().map(|(charge, _)| charge.clone()).collect()
    }

    /// The keys of all calls that were tried, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.books().calls.clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().expect("nothing panics with the books open")
    }

    fn call<T>(&self, key: String, act: impl FnOnce(&mut Books) -> Answer<T>) -> Answer<T> {
        let mut books = self.books();
        books.calls.push(key);
        match books.script.pop_front().flatten() {
            None => act(&mut books),
            Some(Fault::Down) => Err(GatewayError::Unavailable("connection refused".into())),
            Some(Fault::LoseRequest) => Err(GatewayError::Unknown("no reply".into())),
            Some(Fault::LoseReply) => {
                // Whatever came of it, the caller does not learn it.
                let _lost = act(&mut books);
                Err(GatewayError::Unknown("no reply".into()))
            }
        }
    }
}

impl Books {
    fn charge(&mut self, reference: &str) -> Answer<&mut (Charge, String)> {
        let found = self.charges.iter_mut().find(|(charge, _)| charge.id == reference);
        found.ok_or_else(|| GatewayError::Rejected("no_such_charge".into()))
    }

    /// Does it, unless this key was refused before.
    fn once<T>(&mut self, key: String, act: impl FnOnce(&mut Self) -> Result<T, String>) -> Answer<T> {
        if let Some(code) = self.rejections.get(&key) {
            return Err(GatewayError::Rejected(code.clone()));
        }
        act(self).map_err(|code| {
            self.rejections.insert(key, code.clone());
            GatewayError::Rejected(code)
        })
    }
}

fn sum(amounts: impl Iterator<Item = i64>) -> i64 {
    amounts.fold(0, i64::saturating_add)
}

#[async_trait]
impl PaymentGateway for FakeGateway {
    async fn authorise(&self, ask: &Authorise) -> Answer<Authorisation> {
        self.call(ask.key(), |books| {
            let known = books.charges.iter().find(|(charge, _)| charge.metadata.attempt == ask.attempt);
            if let Some((charge, _)) = known {
                return Ok(charge.authorisation());
            }
            let decline = decline_of(&ask.method);
            let mut amount = ask.amount;
            amount.amount -= i64::from(ask.method == "wrong_amount");
            let charge = Charge {
                id: format!("ch_{}", books.charges.len() + 1),
                status: if decline.is_some() { ChargeStatus::Declined } else { ChargeStatus::Authorised },
                amount,
                decline,
                next: None,
                valid_until: VALID_UNTIL,
                metadata: ChargeMetadata {
                    workspace: ask.workspace,
                    payment: ask.payment,
                    attempt: ask.attempt,
                },
                captures: vec![],
                refunds: vec![],
            };
            books.charges.push((charge.clone(), ask.method.clone()));
            Ok(charge.authorisation())
        })
    }

    async fn capture(&self, ask: &Capture) -> Answer<Captured> {
        self.call(ask.key(), |books| {
            let (charge, method) = books.charge(&ask.charge)?.clone();
            if let Some(captured) = charge.captured(ask.capture) {
                return Ok(captured.clone());
            }
            books.once(ask.key(), |books| {
                let taken = sum(charge.captures.iter().map(|captured| captured.amount.amount));
                if method == "capture_fails" {
                    return Err("capture_declined".into());
                }
                if charge.status != ChargeStatus::Authorised {
                    return Err("not_authorised".into());
                }
                if ask.amount.currency != charge.amount.currency
                    || ask.amount.amount > charge.amount.amount.saturating_sub(taken)
                {
                    return Err("exceeds_authorised".into());
                }
                let captured = Captured {
                    capture: ask.capture,
                    psp_ref: format!("cp_{}", ask.capture),
                    amount: ask.amount,
                    fee: fee_of(ask.amount),
                };
                let (charge, _) = books.charge(&ask.charge).map_err(|_| "no_such_charge".to_owned())?;
                charge.captures.push(captured.clone());
                Ok(captured)
            })
        })
    }

    async fn void(&self, ask: &Void) -> Answer<()> {
        self.call(ask.key(), |books| {
            let (charge, _) = books.charge(&ask.charge)?;
            match charge.status {
                ChargeStatus::Declined => Err(GatewayError::Rejected("not_authorised".into())),
                _ if !charge.captures.is_empty() => Err(GatewayError::Rejected("already_captured".into())),
                _ => {
                    charge.status = ChargeStatus::Voided;
                    Ok(())
                }
            }
        })
    }

    async fn refund(&self, ask: &Refund) -> Answer<Refunded> {
        self.call(ask.key(), |books| {
            let (charge, method) = books.charge(&ask.charge)?.clone();
            if let Some(refunded) = charge.refunded(ask.refund) {
                return Ok(refunded.clone());
            }
            books.once(ask.key(), |books| {
                let captured = sum(charge.captures.iter().map(|captured| captured.amount.amount));
                let refunded = sum(charge.refunds.iter().map(|refunded| refunded.amount.amount));
                if method == "refund_fails" {
                    return Err("refund_declined".into());
                }
                if ask.amount.currency != charge.amount.currency || ask.amount.amount > captured - refunded {
                    return Err("exceeds_captured".into());
                }
                let refunded = Refunded {
                    refund: ask.refund,
                    psp_ref: format!("re_{}", ask.refund),
                    amount: ask.amount,
                };
                let (charge, _) = books.charge(&ask.charge).map_err(|_| "no_such_charge".to_owned())?;
                charge.refunds.push(refunded.clone());
                Ok(refunded)
            })
        })
    }

    async fn find(&self, which: &Which) -> Answer<Option<Charge>> {
        let key = match which {
            Which::OfAttempt(attempt) => format!("find-{attempt}"),
            Which::OfReference(reference) => format!("find-{reference}"),
        };
        self.call(key, |books| {
            let is_it = |charge: &Charge| match which {
                Which::OfAttempt(attempt) => charge.metadata.attempt == *attempt,
                Which::OfReference(reference) => charge.id == *reference,
            };
            Ok(books.charges.iter().find(|(charge, _)| is_it(charge)).map(|(charge, _)| charge.clone()))
        })
    }
}

/// Far enough for any test.
const VALID_UNTIL: DateTime<Utc> = match DateTime::from_timestamp(4_102_444_800, 0) {
    Some(time) => time,
    None => DateTime::<Utc>::UNIX_EPOCH,
};

#[cfg(test)]
mod tests {
    use domain::finance::payment::DeclineClass;
    use domain::ids::{AttemptId, CaptureId, OrderId, PaymentId, RefundId, WorkspaceId};
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    use super::*;

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::USD)
    }

    fn authorise(method: &str) -> Authorise {
        Authorise {
            workspace: WorkspaceId::from_uuid(Uuid::from_u128(1)),
            order: OrderId::from_uuid(Uuid::from_u128(4)),
            payment: PaymentId::from_uuid(Uuid::from_u128(2)),
            attempt: AttemptId::from_uuid(Uuid::from_u128(3)),
            amount: usd(1000),
            method: method.into(),
            asked_at: DateTime::UNIX_EPOCH,
        }
    }

    fn capture(id: u128, amount: i64) -> Capture {
        let capture = CaptureId::from_uuid(Uuid::from_u128(id));
        Capture { charge: "ch_1".into(), capture, amount: usd(amount) }
    }

    fn refund(id: u128, amount: i64) -> Refund {
        let refund = RefundId::from_uuid(Uuid::from_u128(id));
        Refund { charge: "ch_1".into(), refund, attempt: 1, amount: usd(amount) }
    }

    fn rejected<T>(code: &str) -> Answer<T> {
        Err(GatewayError::Rejected(code.into()))
    }

    #[tokio::test]
    async fn holds_an_amount_once_however_often_the_attempt_asks() {
        let gateway = FakeGateway::default();
        let first = gateway.authorise(&authorise("ok")).await.unwrap();
        assert!(matches!(&first, Authorisation::Authorised { amount, .. } if *amount == usd(1000)));
        assert_eq!(gateway.authorise(&authorise("ok")).await.unwrap(), first);
        assert_eq!(gateway.charges().len(), 1);
    }

    #[tokio::test]
    async fn declines_by_the_token_of_the_method() {
        for (method, class) in [
            ("decline_soft", DeclineClass::Soft),
            ("decline_hard", DeclineClass::Hard),
            ("fraud", DeclineClass::Fraud),
            ("decline_config", DeclineClass::Config),
        ] {
            let gateway = FakeGateway::default();
            let answer = gateway.authorise(&authorise(method)).await.unwrap();
            assert!(matches!(answer, Authorisation::Declined(decline) if decline.class == class));
            assert_eq!(gateway.capture(&capture(1, 1)).await, rejected("not_authorised"));
        }
    }

    #[tokio::test]
    async fn takes_and_gives_back_no_more_than_there_is() {
        let gateway = FakeGateway::default();
        gateway.authorise(&authorise("ok")).await.unwrap();
        assert_eq!(gateway.refund(&refund(9, 1)).await, rejected("exceeds_captured"));
        assert_eq!(gateway.capture(&capture(1, 600)).await.unwrap().fee, usd(47));
        assert_eq!(gateway.capture(&capture(1, 600)).await.unwrap().amount, usd(600));
        assert_eq!(gateway.capture(&capture(2, 401)).await, rejected("exceeds_authorised"));
        gateway.refund(&refund(1, 400)).await.unwrap();
        gateway.refund(&refund(1, 400)).await.unwrap();
        assert_eq!(gateway.refund(&refund(2, 201)).await, rejected("exceeds_captured"));
        let charge = &gateway.charges()[0];
        assert_eq!((charge.captures.len(), charge.refunds.len()), (1, 1));
        assert_eq!(gateway.void(&Void { charge: "ch_1".into() }).await, rejected("already_captured"));
    }

    #[tokio::test]
    async fn lets_go_of_what_it_holds() {
        let gateway = FakeGateway::default();
        gateway.authorise(&authorise("ok")).await.unwrap();
        for _ in 0..2 {
            assert_eq!(gateway.void(&Void { charge: "ch_1".into() }).await, Ok(()));
        }
        assert_eq!(gateway.capture(&capture(1, 1)).await, rejected("not_authorised"));
        assert_eq!(gateway.void(&Void { charge: "ch_2".into() }).await, rejected("no_such_charge"));
    }

    #[tokio::test]
    async fn fails_as_scripted_and_then_goes_well() {
        let gateway = FakeGateway::default();
        gateway.script([Some(Fault::Down), Some(Fault::LoseRequest), None, Some(Fault::LoseReply)]);
        let down = gateway.authorise(&authorise("ok")).await;
        assert!(matches!(down, Err(GatewayError::Unavailable(_))));
        assert!(matches!(gateway.authorise(&authorise("ok")).await, Err(GatewayError::Unknown(_))));
        let attempt = Which::OfAttempt(authorise("ok").attempt);
        assert_eq!(gateway.find(&attempt).await, Ok(None));
        assert!(matches!(gateway.authorise(&authorise("ok")).await, Err(GatewayError::Unknown(_))));
        let found = gateway.find(&attempt).await.unwrap().unwrap();
        assert_eq!(found.authorisation(), gateway.authorise(&authorise("ok")).await.unwrap());
        let by_reference = gateway.find(&Which::OfReference(found.id.clone())).await;
        assert_eq!(by_reference, Ok(Some(found)));
    }

    #[tokio::test]
    async fn has_methods_that_go_wrong_later() {
        let gateway = FakeGateway::default();
        gateway.authorise(&authorise("capture_fails")).await.unwrap();
        assert_eq!(gateway.capture(&capture(1, 1)).await, rejected("capture_declined"));
        let gateway = FakeGateway::default();
        gateway.authorise(&authorise("refund_fails")).await.unwrap();
        gateway.capture(&capture(1, 1000)).await.unwrap();
        assert_eq!(gateway.refund(&refund(1, 1)).await, rejected("refund_declined"));
        let gateway = FakeGateway::default();
        let answer = gateway.authorise(&authorise("wrong_amount")).await.unwrap();
        assert!(matches!(answer, Authorisation::Authorised { amount, .. } if amount == usd(999)));
    }
}
