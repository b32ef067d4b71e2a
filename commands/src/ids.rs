//! Ids of what follows from an order (docs/adr/0008): known before it is there, and the same for whoever asks.

use domain::ids::{CheckoutId, OrderId, PaymentId, RefundId};
use uuid::Uuid;

/// The payment of an order: it has one, and its id says so.
#[must_use]
pub fn payment_of(order: OrderId) -> PaymentId {
    PaymentId::from_uuid(Uuid::new_v5(&order.uuid(), b"payment"))
}

/// The checkout of an order: it has one, and its id says so.
#[must_use]
pub fn checkout_of(order: OrderId) -> CheckoutId {
    CheckoutId::from_uuid(order.uuid())
}

/// The refund with which a checkout of an order undoes its capture, should it come to that.
#[must_use]
pub fn undoing_refund_of(order: OrderId) -> RefundId {
    RefundId::from_uuid(Uuid::new_v5(&order.uuid(), b"undoing refund"))
}
