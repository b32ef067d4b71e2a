//! Derived status: what an order's payment, fulfilment and returns look like from its counters.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::money::Money;

/// What became of the units of a line, or of several lines together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = OrderCounters))]
pub struct Counters {
    pub ordered: u64,
    pub allocated: u64,
    pub fulfilled: u64,
    pub shipped: u64,
    pub delivered: u64,
    pub cancelled: u64,
    pub return_requested: u64,
    pub return_received: u64,
    pub return_dismissed: u64,
    pub written_off: u64,
    /// Shipped and never arrived.
    #[serde(default)]
    pub lost: u64,
    /// Shipped and come back without having been delivered.
    #[serde(default)]
    pub came_back: u64,
}

impl Counters {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            ordered: self.ordered + other.ordered,
            allocated: self.allocated + other.allocated,
            fulfilled: self.fulfilled + other.fulfilled,
            shipped: self.shipped + other.shipped,
            delivered: self.delivered + other.delivered,
            cancelled: self.cancelled + other.cancelled,
            return_requested: self.return_requested + other.return_requested,
            return_received: self.return_received + other.return_received,
            return_dismissed: self.return_dismissed + other.return_dismissed,
            written_off: self.written_off + other.written_off,
            lost: self.lost + other.lost,
            came_back: self.came_back + other.came_back,
        }
    }

    /// Units left and will not arrive: they are open again, and counted as what became of them.
    pub fn gone(&mut self, units: u64, counted: impl FnOnce(&mut Self) -> &mut u64) {
        self.fulfilled -= units;
        self.shipped -= units;
        self.allocated = self.allocated.saturating_sub(units);
        *counted(self) += units;
    }

    /// What is still to be sold: ordered and not cancelled.
    #[must_use]
    pub const fn due(self) -> u64 {
        self.ordered - self.cancelled
    }

    /// What may still be fulfilled, or cancelled.
    #[must_use]
    pub const fn open(self) -> u64 {
        self.ordered - self.cancelled - self.fulfilled
    }

    /// What is on its way back.
    #[must_use]
    pub const fn returning(self) -> u64 {
        self.return_requested - self.return_received - self.return_dismissed
    }

    /// What may still be asked to come back.
    #[must_use]
    pub const fn returnable(self) -> u64 {
        self.delivered + self.return_dismissed - self.return_requested
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = OrderPaymentStatus))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PaymentStatus {
    None,
    Authorised,
    Partial,
    Paid,
    Over,
    PartRefunded,
    Refunded,
}

impl PaymentStatus {
    /// `due` is the order's total without what was cancelled or returned.
    #[must_use]
    pub fn of(due: Money, authorised: Money, captured: Money, refunded: Money) -> Self {
        let (due, authorised) = (due.amount, authorised.amount);
        match (captured.amount, refunded.amount) {
            (captured, refunded) if refunded > 0 && refunded >= captured => Self::Refunded,
            (_, refunded) if refunded > 0 => Self::PartRefunded,
            (captured, _) if captured > due => Self::Over,
            (captured, _) if captured > 0 && captured == due => Self::Paid,
            (captured, _) if captured > 0 => Self::Partial,
            _ if due > 0 && authorised >= due => Self::Authorised,
            _ if authorised > 0 => Self::Partial,
            _ => Self::None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = OrderFulfilmentStatus))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum FulfilmentStatus {
    None,
    PartlyFulfilled,
    Fulfilled,
    PartlyShipped,
    Shipped,
    PartlyDelivered,
    Delivered,
}

impl FulfilmentStatus {
    #[must_use]
    pub const fn of(all: Counters) -> Self {
        let due = all.due();
        match all {
            Counters { delivered, .. } if delivered > 0 && delivered == due => Self::Delivered,
            Counters { delivered, .. } if delivered > 0 => Self::PartlyDelivered,
            Counters { shipped, .. } if shipped > 0 && shipped == due => Self::Shipped,
            Counters { shipped, .. } if shipped > 0 => Self::PartlyShipped,
            Counters { fulfilled, .. } if fulfilled > 0 && fulfilled == due => Self::Fulfilled,
            Counters { fulfilled, .. } if fulfilled > 0 => Self::PartlyFulfilled,
            _ => Self::None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = OrderReturnStatus))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ReturnStatus {
    None,
    Requested,
    PartlyReturned,
    Returned,
}

impl ReturnStatus {
    #[must_use]
    pub const fn of(all: Counters) -> Self {
        match all {
            Counters { return_received, delivered, .. }
                if return_received > 0 && return_received == delivered =>
            {
                Self::Returned
            }
            Counters { return_received, .. } if return_received > 0 => Self::PartlyReturned,
            _ if all.returning() > 0 => Self::Requested,
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::usd;
    use super::*;

    #[test]
    fn payment_is_told_by_what_is_due_held_taken_and_given_back() {
        for (due, authorised, captured, refunded, status) in [
            (100, 0, 0, 0, PaymentStatus::None),
            (0, 0, 0, 0, PaymentStatus::None),
            (100, 99, 0, 0, PaymentStatus::Partial),
            (100, 100, 0, 0, PaymentStatus::Authorised),
            (100, 100, 40, 0, PaymentStatus::Partial),
            (100, 100, 100, 0, PaymentStatus::Paid),
            (100, 120, 120, 0, PaymentStatus::Over),
            (90, 100, 100, 0, PaymentStatus::Over),
            (90, 100, 100, 10, PaymentStatus::PartRefunded),
            (0, 100, 100, 100, PaymentStatus::Refunded),
        ] {
            assert_eq!(
                PaymentStatus::of(usd(due), usd(authorised), usd(captured), usd(refunded)),
                status,
                "{due} {authorised} {captured} {refunded}"
            );
        }
    }

    #[test]
    fn fulfilment_is_told_by_the_farthest_any_unit_has_come() {
        for (ordered, cancelled, fulfilled, shipped, delivered, status) in [
            (3, 0, 0, 0, 0, FulfilmentStatus::None),
            (3, 3, 0, 0, 0, FulfilmentStatus::None),
            (3, 0, 2, 0, 0, FulfilmentStatus::PartlyFulfilled),
            (3, 1, 2, 0, 0, FulfilmentStatus::Fulfilled),
            (3, 0, 3, 1, 0, FulfilmentStatus::PartlyShipped),
            (3, 0, 3, 3, 0, FulfilmentStatus::Shipped),
            (3, 0, 3, 3, 1, FulfilmentStatus::PartlyDelivered),
            (3, 1, 2, 2, 2, FulfilmentStatus::Delivered),
        ] {
            let all = Counters { ordered, cancelled, fulfilled, shipped, delivered, ..Counters::default() };
            assert_eq!(FulfilmentStatus::of(all), status, "{all:?}");
        }
    }

    #[test]
    fn a_return_is_told_by_what_was_asked_for_and_what_came() {
        for (return_requested, return_received, return_dismissed, status) in [
            (0, 0, 0, ReturnStatus::None),
            (2, 0, 0, ReturnStatus::Requested),
            (2, 0, 2, ReturnStatus::None),
            (2, 1, 0, ReturnStatus::PartlyReturned),
            (4, 3, 1, ReturnStatus::Returned),
        ] {
            let delivered = 3;
            let all = Counters {
                delivered,
                return_requested,
                return_received,
                return_dismissed,
                ..Counters::default()
            };
            assert_eq!(ReturnStatus::of(all), status, "{all:?}");
        }
    }
}
