//! Examples: the checkout that its tests tell of: two lines from stock and one that needs none, for 40.00.

use CheckoutCommand as C;
use CheckoutEvent as E;
use uuid::Uuid;

use super::*;
use crate::kernel::{Given, given};
use crate::money::Currency;

pub fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

pub fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

macro_rules! ids {
    ($($name:ident $id:ident)*) => {$(
        pub fn $name(n: u128) -> $id {
            $id::from_uuid(Uuid::from_u128(n))
        }
    )*};
}

ids! {
    line_id LineId
    attempt_id AttemptId
    reservation_id ReservationId
}

pub fn order() -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(1))
}

pub fn payment() -> PaymentId {
    PaymentId::from_uuid(Uuid::from_u128(1))
}

pub fn refund() -> RefundId {
    RefundId::from_uuid(Uuid::from_u128(1))
}

fn line(n: u128, stock: Option<&str>) -> CheckoutLine {
    CheckoutLine {
        line: line_id(n),
        stock: stock.map(|stock| stock.parse().unwrap()),
        quantity: 2,
        reservation: reservation_id(n),
    }
}

pub fn beginning() -> Beginning {
    Beginning {
        order: order(),
        customer: CustomerId::from_uuid(Uuid::from_u128(1)),
        lines: vec![line(1, Some("TEA-1@main")), line(2, Some("CUP-1@main")), line(3, None)],
        total: usd(4000),
        payment: payment(),
        payment_method: "tok_1".into(),
        refund: refund(),
        reservation_expires_at: at(60),
        expires_at: at(100),
        on_credit: false,
    }
}

pub fn units(n: u128) -> Units {
    let stock = if n == 1 { "TEA-1@main" } else { "CUP-1@main" };
    let (line, reservation) = (line_id(n), reservation_id(n));
    Units { line, stock: stock.parse().unwrap(), reservation, quantity: 2 }
}

pub fn begin() -> C {
    C::Begin(Box::new(beginning()))
}

/// A checkout that was told all this.
pub fn told(facts: impl IntoIterator<Item = C>) -> Given<Checkout> {
    facts.into_iter().fold(given([]), Given::and)
}

pub const fn r(line: LineId) -> C {
    C::RecordReserved { line }
}

pub fn all_reserved() -> [C; 3] {
    [begin(), r(line_id(1)), r(line_id(2))]
}

pub fn authorised() -> [C; 4] {
    let [a, b, c] = all_reserved();
    [a, b, c, C::RecordAuthorised { amount: usd(4000) }]
}

pub fn committed() -> [C; 6] {
    let [a, b, c, d] = authorised();
    let [one, two] = [1, 2].map(|n| C::RecordCommitted { line: line_id(n) });
    [a, b, c, d, one, two]
}

pub fn captured() -> Vec<C> {
    committed().into_iter().chain([C::RecordCaptured { amount: usd(4000) }]).collect()
}

pub fn closed_by_customer() -> C {
    C::RecordOrderClosed { how: OrderClosure::Cancelled }
}

pub fn reservation_requested(n: u128) -> E {
    E::ReservationRequested { order: order(), units: units(n), expires_at: at(60) }
}

pub fn authorisation_requested(attempt: u32, method: &str) -> E {
    E::AuthorisationRequested {
        order: order(),
        customer: beginning().customer,
        payment: payment(),
        amount: usd(4000),
        method: method.into(),
        attempt,
        expires_at: at(100),
    }
}

pub fn closing(reason: ClosingReason) -> E {
    E::Closing { order: order(), reason }
}

pub fn cancel_requested(reason: ClosingReason) -> E {
    E::CancelRequested { order: order(), reason }
}

pub fn release_requested(n: u128, committed: bool) -> E {
    E::ReleaseRequested { order: order(), units: units(n), committed }
}

pub fn void_requested() -> E {
    E::VoidRequested { order: order(), payment: payment(), amount: usd(4000) }
}

pub fn refund_requested(reason: ClosingReason) -> E {
    let amount = usd(4000);
    E::RefundRequested { order: order(), payment: payment(), refund: refund(), amount, reason }
}

pub fn reserved(n: u128) -> E {
    E::Reserved { order: order(), line: line_id(n), reservation: reservation_id(n) }
}

pub fn declined(class: DeclineClass, n: u128) -> C {
    C::RecordDeclined { attempt: attempt_id(n), class, code: "no".into() }
}

pub fn decline(class: DeclineClass, n: u128) -> E {
    E::Declined { order: order(), payment: payment(), attempt: attempt_id(n), class, code: "no".into() }
}

pub fn captured_event() -> E {
    E::Captured { order: order(), payment: payment(), amount: usd(4000) }
}
