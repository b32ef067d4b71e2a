//! Examples: the order that the tests of its use cases tell of.
//!
//! Three teas at 10.00 from stock and a cup at 10.00 that needs none, for 40.00, expiring at 100 seconds.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::*;
use crate::ids::StockId;
use crate::kernel::{Given, given};

pub fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

pub fn eur(amount: i64) -> Money {
    Money::new(amount, Currency::EUR)
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
    fulfilment_id FulfilmentId
    payment_id PaymentId
    refund_id RefundId
    reservation_id ReservationId
    return_id ReturnId
}

pub fn customer() -> CustomerId {
    CustomerId::from_uuid(Uuid::from_u128(1))
}

pub fn other_customer() -> CustomerId {
    CustomerId::from_uuid(Uuid::from_u128(2))
}

pub fn stock() -> StockId {
    "TEA-1@main".parse().unwrap()
}

pub fn item(n: u128, sku: &str, quantity: u32, total: i64) -> Item {
    Item {
        line: line_id(n),
        stock: None,
        sku: sku.parse().unwrap(),
        title: "Thing".into(),
        quantity,
        unit_price: None,
        total: usd(total),
        tax: None,
    }
}

pub fn tea() -> Item {
    Item {
        stock: Some(stock()),
        title: "Tea".into(),
        unit_price: Some(usd(1000)),
        ..item(1, "TEA-1", 3, 3000)
    }
}

pub fn cup() -> Item {
    item(2, "CUP-1", 1, 1000)
}

pub fn two_lines() -> Contents {
    Contents { lines: vec![tea(), cup()], ..Contents::new(Currency::USD) }
}

pub fn placing() -> Placing {
    Placing {
        totals_hash: None,
        payment_method: Some("ok".into()),
        expires_at: Some(at(100)),
        settlement: Settlement::Checkout,
        number_prefix: None,
        at: at(0),
    }
}

pub fn submission() -> Submission {
    Submission {
        customer: customer(),
        reference: Some("PO-7".into()),
        cart: None,
        contents: two_lines(),
        placing: placing(),
    }
}

pub fn draft_created() -> OrderEvent {
    OrderEvent::DraftCreated { customer: customer(), currency: Currency::USD, reference: Some("PO-7".into()) }
}

fn placed_as(contents: &Contents, settlement: Settlement, expires_at: Option<DateTime<Utc>>) -> OrderEvent {
    OrderEvent::Placed(Box::new(Placed {
        customer: customer(),
        reference: Some("PO-7".into()),
        cart: None,
        settlement,
        payment_method: Some("ok".into()),
        expires_at,
        number_prefix: None,
        terms: contents.terms().unwrap(),
    }))
}

pub fn placed() -> OrderEvent {
    placed_as(&two_lines(), Settlement::Checkout, Some(at(100)))
}

pub fn recorded() -> OrderEvent {
    placed_as(&two_lines(), Settlement::Recorded, None)
}

pub fn on_credit() -> OrderEvent {
    placed_as(&two_lines(), Settlement::CreditTerms, None)
}

pub fn free() -> OrderEvent {
    let lines = vec![item(1, "LEAFLET", 1, 0)];
    placed_as(&Contents { lines, ..two_lines() }, Settlement::Checkout, None)
}

pub fn reserved() -> OrderEvent {
    OrderEvent::StockReserved {
        line: line_id(1),
        stock: stock(),
        reservation: reservation_id(1),
        quantity: 3,
    }
}

pub fn units_of_stock(reservation: u128, quantity: u32) -> ReservedUnits {
    let reservation = reservation_id(reservation);
    ReservedUnits { line: line_id(1), stock: stock(), reservation, quantity }
}

pub fn covered(
    payment: u128,
    authorised: i64,
    captured: i64,
    total_authorised: i64,
    total_captured: i64,
) -> OrderEvent {
    OrderEvent::PaymentCovered {
        payment: payment_id(payment),
        authorised: usd(authorised),
        captured: usd(captured),
        total_authorised: usd(total_authorised),
        total_captured: usd(total_captured),
    }
}

pub fn paid(amount: i64) -> OrderEvent {
    covered(1, amount, amount, amount, amount)
}

pub fn refunded(refund: u128, amount: i64, total: i64) -> OrderEvent {
    OrderEvent::RefundRecorded {
        refund: refund_id(refund),
        payment: payment_id(1),
        amount: usd(amount),
        total_refunded: usd(total),
    }
}

pub fn confirmation(basis: Basis) -> OrderEvent {
    OrderEvent::Confirmed { basis, customer: customer(), total: usd(4000) }
}

pub fn confirmed() -> [OrderEvent; 4] {
    [placed(), reserved(), paid(4000), confirmation(Basis::Captured)]
}

/// Confirmed on money that is held and not yet taken.
pub fn held() -> [OrderEvent; 4] {
    [placed(), reserved(), covered(1, 4000, 0, 4000, 0), confirmation(Basis::Authorised)]
}

pub fn confirmed_with_shipping() -> [OrderEvent; 4] {
    let shipping = Some(Shipping { method: Some("parcel".into()), amount: usd(500) });
    let placed = placed_as(&Contents { shipping, ..two_lines() }, Settlement::Checkout, Some(at(100)));
    let basis = Basis::Captured;
    let confirmed = OrderEvent::Confirmed { basis, customer: customer(), total: usd(4500) };
    [placed, reserved(), paid(4500), confirmed]
}

/// A paid order of one line whose total does not divide.
pub fn odd_line(total: i64, quantity: u32) -> Given<Order> {
    let contents = Contents { lines: vec![item(1, "ODD", quantity, total)], ..two_lines() };
    let placed = placed_as(&contents, Settlement::Checkout, None);
    given::<Order>([placed, paid(total)]).and(OrderCommand::Confirm { basis: Basis::Captured })
}

pub fn completed() -> Vec<OrderEvent> {
    let all: &[_] = &[(1, 3), (2, 1)];
    let parcel = [fulfilled(1, all), shipped(1, all, &[(1, 3)]), delivered(1, all), OrderEvent::Completed];
    confirmed().into_iter().chain(parcel).collect()
}

pub fn expired() -> OrderEvent {
    OrderEvent::Expired { refund: usd(0), shares: vec![], released: vec![], cart: None }
}

/// By the customer, while its checkout was at work.
pub fn cancelled() -> OrderEvent {
    let line = |n, sku: &str, quantity, amount| CancelledLine {
        line: line_id(n),
        sku: sku.parse().unwrap(),
        quantity,
        amount: usd(amount),
    };
    OrderEvent::Cancelled {
        shares: vec![],
        reason: CancelReason::Customer,
        lines: vec![line(1, "TEA-1", 3, 3000), line(2, "CUP-1", 1, 1000)],
        shipping: usd(0),
        refund: usd(0),
        released: vec![],
        cart: None,
    }
}

pub fn units(lines: &[(u128, u32)]) -> Vec<Units> {
    lines.iter().map(|&(n, quantity)| Units { line: line_id(n), quantity }).collect()
}

fn parcel(lines: &[(u128, u32)]) -> Vec<FulfilledLine> {
    let sku = |n| if n == 1 { tea().sku } else { cup().sku };
    lines.iter().map(|&(n, quantity)| FulfilledLine { line: line_id(n), sku: sku(n), quantity }).collect()
}

pub fn fulfilled(n: u128, lines: &[(u128, u32)]) -> OrderEvent {
    let (fulfilment, lines) = (fulfilment_id(n), parcel(lines));
    OrderEvent::Fulfilled { fulfilment, lines, override_unpaid: None }
}

/// `stock` as (reservation, units).
pub fn shipped(n: u128, lines: &[(u128, u32)], stock: &[(u128, u32)]) -> OrderEvent {
    OrderEvent::Shipped {
        fulfilment: fulfilment_id(n),
        lines: parcel(lines),
        stock: stock.iter().map(|&(reservation, quantity)| units_of_stock(reservation, quantity)).collect(),
        carrier: None,
        tracking: Some("T-1".into()),
    }
}

pub fn delivered(n: u128, lines: &[(u128, u32)]) -> OrderEvent {
    OrderEvent::Delivered { fulfilment: fulfilment_id(n), lines: parcel(lines) }
}

pub fn fulfil(n: u128, lines: &[(u128, u32)]) -> OrderCommand {
    OrderCommand::Fulfil { fulfilment: fulfilment_id(n), lines: units(lines), override_unpaid: None }
}

pub fn ship(n: u128) -> OrderCommand {
    OrderCommand::Ship { fulfilment: fulfilment_id(n), carrier: None, tracking: Some("T-1".into()) }
}

pub fn deliver(n: u128) -> OrderCommand {
    OrderCommand::Deliver { fulfilment: fulfilment_id(n) }
}
