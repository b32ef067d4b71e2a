//! Effects: events into calls to the world, through ports.
//!
//! An effect calls with an idempotency key that comes from the event, and answers with the commands that record
//! what came of it. No reply is an outcome too (`Unknown`), resolved by a deadline and a question, never by
//! guessing.

pub(crate) mod finance;
pub mod identity;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::kernel::{Recorded, Unreadable};

use crate::act::Instruction;
use crate::port::Ports;

/// A subscription that calls the world.
#[async_trait]
pub trait Effect: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// The aggregates it hears.
    fn listens_to(&self) -> &'static [&'static str];

    /// Calls, and says what to record.
    ///
    /// # Errors
    /// [`Unreadable`]: the event is parked, and its stream with it.
    async fn perform(&self, event: &Recorded) -> Result<Vec<Instruction>, Unreadable>;

    /// Calls when a deadline that `cause` set is due.
    ///
    /// # Errors
    /// [`Unreadable`].
    async fn due(
        &self,
        _cause: &Recorded,
        _key: &str,
        _due_at: DateTime<Utc>,
    ) -> Result<Vec<Instruction>, Unreadable> {
        Ok(Vec::new())
    }
}

/// Every effect.
#[must_use]
pub fn all(ports: &Ports) -> Vec<Box<dyn Effect>> {
    [finance::effects(ports), identity::effects(ports)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use domain::finance::payment::{Payment, PaymentEvent};
    use domain::finance::refund::{Refund, RefundEvent};
    use domain::identity::subject::{ErasureReason, Subject, SubjectEvent};
    use domain::ids::{OrderId, PaymentId};
    use domain::money::{Currency, Money};
    use uuid::Uuid;

    use super::*;
    use crate::port::credential::fake::FakeCredentials;
    use crate::port::payment::fake::FakeGateway;
    use crate::port::vault::fake::FakeVault;

    #[tokio::test]
    async fn an_event_whose_streams_id_cannot_be_read_is_never_dropped() {
        let (payment, order) = (PaymentId::from_uuid(Uuid::nil()), OrderId::from_uuid(Uuid::nil()));
        let amount = Money::new(100, Currency::USD);
        let classes = BTreeSet::new();
        let reason = ErasureReason::Asked;
        let erased = SubjectEvent::Erased { classes, reason, requested_by: "ann".into(), approved_by: None };
        let ports = Ports {
            payment: Arc::new(FakeGateway::default()),
            vault: Arc::new(FakeVault::default()),
            credentials: Arc::new(FakeCredentials::default()),
        };
        let effects = all(&ports);
        let mut asked = 0;
        for event in [
            Recorded::example::<Payment>("nobody", &PaymentEvent::Cancelled { order, amount }),
            Recorded::example::<Refund>("nobody", &RefundEvent::Approved { payment, order, amount }),
            Recorded::example::<Subject>("nobody", &erased),
        ] {
            for effect in
                effects.iter().filter(|effect| effect.listens_to().contains(&&*event.aggregate_type))
            {
                let told = [effect.perform(&event).await, effect.due(&event, "", event.recorded_at).await];
                assert!(told.iter().all(Result::is_err), "{}: {told:?}", effect.name());
                asked += 1;
            }
        }
        assert_eq!(asked, effects.len());
    }
}
