//! Processes: events into instructions, purely.
//!
//! Each file is one sentence of the business, in the context of what it hears. A process remembers nothing: what must be remembered is a
//! capability, and the process only translates.

mod commerce;
mod finance;

use chrono::{DateTime, Utc};
use domain::kernel::{Recorded, Unreadable};

use crate::act::Instruction;
use crate::follow::Follower;

/// A subscription that answers events with commands.
pub trait Process: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// The aggregates it hears.
    fn listens_to(&self) -> &'static [&'static str];

    /// What follows from an event. Nothing random: a repeat must instruct the same.
    ///
    /// # Errors
    /// [`Unreadable`]: the event is parked, and its stream with it.
    fn react(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable>;

    /// What follows when a deadline that `cause` set is due.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn due(
        &self,
        _cause: &Recorded,
        _key: &str,
        _due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        Ok(Vec::new())
    }
}

/// Every process that follows what it hears of.
#[must_use]
pub fn followers() -> Vec<Box<dyn Follower>> {
    finance::followers()
}

/// Every other process.
#[must_use]
pub fn all() -> Vec<Box<dyn Process>> {
    [commerce::processes(), finance::processes()].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use domain::commerce::checkout::{Checkout, CheckoutEvent};
    use domain::commerce::order::{Order, OrderEvent};
    use domain::finance::refund::{Refund, RefundEvent};
    use domain::ids::{OrderId, PaymentId};
    use domain::kernel::Decider;
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_event_whose_streams_id_cannot_be_read_is_never_dropped() {
        let (payment, order) = (PaymentId::from_uuid(Uuid::nil()), OrderId::from_uuid(Uuid::nil()));
        let amount = Money::new(100, Currency::USD);
        let ended = CheckoutEvent::Completed { order };
        for (event, hear_it) in [
            (Recorded::example::<Order>("nobody", &OrderEvent::Completed), Order::NAME),
            (
                Recorded::example::<Refund>("nobody", &RefundEvent::Approved { payment, order, amount }),
                Refund::NAME,
            ),
            (Recorded::example::<Checkout>("nobody", &ended), Checkout::NAME),
        ] {
            let processes = all();
            let hear: Vec<_> =
                processes.iter().filter(|process| process.listens_to().contains(&hear_it)).collect();
            assert!(!hear.is_empty());
            for process in hear {
                let told = [process.react(&event), process.due(&event, "", event.recorded_at)];
                assert!(told.iter().any(Result::is_err), "{}: {told:?}", process.name());
            }
        }
    }
}
