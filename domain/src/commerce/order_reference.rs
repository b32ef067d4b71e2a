//! Order reference: which order a shop's own number means, so that no two orders of a workspace share one.
//!
//! Its stream's id is made of the number itself. It is claimed in the append that makes the order, and for good: also
//! what was cancelled was called so. Repeating a request that already took effect decides nothing.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use strum::AsRefStr;

use crate::ids::OrderId;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// What may be asked of a reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum OrderReferenceCommand {
    /// Have it mean this order.
    Claim { order: OrderId, reference: String },
}

/// What has happened to a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum OrderReferenceEvent {
    Claimed { order: OrderId, reference: String },
}

/// Why a reference says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum OrderReferenceRefusal {
    #[error("this reference is that of {0}: give another one, or none")]
    Taken(OrderId),
}

/// The one meaning of a reference.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderReference {
    order: Option<OrderId>,
}

/// The id of the stream that a reference has, whatever characters it is made of.
#[must_use]
pub fn id_of(reference: &str) -> String {
    Sha256::digest(reference.trim()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Decider for OrderReference {
    const NAME: &'static str = "commerce.order_reference";
    type Id = String;
    type Command = OrderReferenceCommand;
    type Event = OrderReferenceEvent;
    type Refusal = OrderReferenceRefusal;

    fn decide(
        &self,
        command: OrderReferenceCommand,
    ) -> Result<Vec<OrderReferenceEvent>, OrderReferenceRefusal> {
        let OrderReferenceCommand::Claim { order, reference } = command;
        match self.order {
            None => Ok(vec![OrderReferenceEvent::Claimed { order, reference }]),
            Some(holder) if holder == order => Ok(vec![]),
            Some(holder) => Err(OrderReferenceRefusal::Taken(holder)),
        }
    }

    fn evolve(&mut self, event: OrderReferenceEvent) {
        let OrderReferenceEvent::Claimed { order, .. } = event;
        self.order = Some(order);
    }
}

impl Event for OrderReferenceEvent {}

impl Refusal for OrderReferenceRefusal {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }
}

sourced!(OrderReference, OrderReferenceEvent);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::given;
    use uuid::Uuid;

    fn claim(n: u128) -> OrderReferenceCommand {
        let order = OrderId::from_uuid(Uuid::from_u128(n));
        OrderReferenceCommand::Claim { order, reference: "PO 7/b".into() }
    }

    #[test]
    fn means_the_order_that_came_first() {
        let first = OrderId::from_uuid(Uuid::from_u128(1));
        let claimed = OrderReferenceEvent::Claimed { order: first, reference: "PO 7/b".into() };
        let free = given::<OrderReference>([]);
        assert_eq!(free.when(claim(1)), Ok(vec![claimed]));
        let taken = free.and(claim(1));
        assert_eq!(taken.when(claim(1)), Ok(vec![]));
        assert_eq!(taken.when(claim(2)), Err(OrderReferenceRefusal::Taken(first)));
    }

    #[test]
    fn is_on_disk_as_it_always_was() {
        let order = OrderId::from_uuid(Uuid::from_u128(1));
        let event = OrderReferenceEvent::Claimed { order, reference: "PO 7/b".into() };
        let json = r#"{"type":"Claimed","order":"ord_00000000000000000000000001","reference":"PO 7/b"}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<OrderReferenceEvent>(json).unwrap(), event);
        assert_eq!(id_of("7"), "7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451");
        assert_eq!(id_of(" 7 "), id_of("7"));
    }
}
