//! Ids of what follows from an order (docs/adr/0008): known before it is there, and the same for whoever asks.

use domain::ids::{CheckoutId, OrderId, PaymentId, RefundId};
use uuid::Uuid;

/// The payment of an order's checkout: its id says so.
#[must_use]
pub fn payment_of(order: OrderId) -> PaymentId {
    PaymentId::from_uuid(Uuid::new_v5(&order.uuid(), b"payment"))
}

/// The checkout that settles an order: its id says so.
#[must_use]
pub fn checkout_of(order: OrderId) -> CheckoutId {
    CheckoutId::from_uuid(order.uuid())
}

/// The checkout that a payment is made for: the order's own, or that of an edit, which is called as its payment is.
#[must_use]
pub fn checkout_of_payment(order: OrderId, payment: PaymentId) -> CheckoutId {
    if payment == payment_of(order) { checkout_of(order) } else { CheckoutId::from_uuid(payment.uuid()) }
}

/// The payment of the edit that a checkout settles, unless it settles the order itself.
#[must_use]
pub fn edit_of(order: OrderId, checkout: CheckoutId) -> Option<PaymentId> {
    (checkout != checkout_of(order)).then(|| PaymentId::from_uuid(checkout.uuid()))
}

/// The refund with which a checkout undoes its capture, should it come to that.
#[must_use]
pub fn undoing_refund_of(checkout: CheckoutId) -> RefundId {
    RefundId::from_uuid(Uuid::new_v5(&checkout.uuid(), b"undoing refund"))
}
