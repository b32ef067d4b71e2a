//! Order numbers: what people call orders, 1, 2, 3 … in a workspace, without a gap and none twice.
//!
//! A workspace has one series, under its own id. Whoever takes a number does so in a command that is answered once.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{OrderId, WorkspaceId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// What may be asked of a series of numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum OrderNumberCommand {
    /// Give the next one to an order.
    Take { order: OrderId, prefix: String },
}

/// What has happened to a series of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum OrderNumberEvent {
    Taken {
        order: OrderId,
        number: u64,
        /// As people write it: with what the shop put before it then.
        text: String,
    },
}

/// Why a series says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum OrderNumberRefusal {}

/// A series of numbers: how far it has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderNumbers {
    last: u64,
    last_order: Option<OrderId>,
}

impl Decider for OrderNumbers {
    const NAME: &'static str = "commerce.order_number";
    type Id = WorkspaceId;
    type Command = OrderNumberCommand;
    type Event = OrderNumberEvent;
    type Refusal = OrderNumberRefusal;

    fn decide(&self, command: OrderNumberCommand) -> Result<Vec<OrderNumberEvent>, OrderNumberRefusal> {
        let OrderNumberCommand::Take { order, prefix } = command;
        if self.last_order == Some(order) {
            return Ok(vec![]);
        }
        let number = self.last.saturating_add(1);
        Ok(vec![OrderNumberEvent::Taken { order, number, text: format!("{prefix}{number}") }])
    }

    fn evolve(&mut self, event: OrderNumberEvent) {
        let OrderNumberEvent::Taken { order, number, .. } = event;
        (self.last, self.last_order) = (number, Some(order));
    }
}

impl Event for OrderNumberEvent {}

impl Refusal for OrderNumberRefusal {
    fn kind(&self) -> Kind {
        match *self {}
    }
}

sourced!(OrderNumbers, OrderNumberEvent);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::given;
    use uuid::Uuid;

    fn order(n: u128) -> OrderId {
        OrderId::from_uuid(Uuid::from_u128(n))
    }

    fn take(n: u128, prefix: &str) -> OrderNumberCommand {
        OrderNumberCommand::Take { order: order(n), prefix: prefix.into() }
    }

    #[test]
    fn are_counted_on_whatever_stands_before_them() {
        let taken = |n, number, text: &str| {
            Ok(vec![OrderNumberEvent::Taken { order: order(n), number, text: text.into() }])
        };
        let series = given::<OrderNumbers>([]);
        assert_eq!(series.when(take(7, "W-")), taken(7, 1, "W-1"));
        let series = series.and(take(7, "W-"));
        assert_eq!(series.when(take(7, "W-")), Ok(vec![]));
        assert_eq!(series.when(take(8, "")), taken(8, 2, "2"));
    }

    #[test]
    fn are_on_disk_as_they_always_were() {
        let event = OrderNumberEvent::Taken { order: order(1), number: 12, text: "W-12".into() };
        let json = r#"{"type":"Taken","order":"ord_00000000000000000000000001","number":12,"text":"W-12"}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<OrderNumberEvent>(json).unwrap(), event);
    }
}
