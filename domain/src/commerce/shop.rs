//! Shop: how a workspace sells, where it is not said otherwise.
//!
//! A workspace has one, under its own id. What was never settled is as by default.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::WorkspaceId;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// What may be asked of a shop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ShopCommand {
    /// Have this policy, all of it.
    Settle(Policy),
}

/// How a shop sells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = Shop))]
pub struct Policy {
    /// What stands before the number of an order; without one, orders get no numbers. (Nothing may stand there: "".)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_prefix: Option<String>,
    /// No two orders have the same reference.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique_references: bool,
    /// What sending cost is given back along where everything came back.
    #[serde(default)]
    pub refund_shipping: bool,
}

/// What has happened to a shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum ShopEvent {
    Settled(Policy),
}

/// Why a shop says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum ShopRefusal {
    #[error("what stands before an order's number is at most {LONGEST_PREFIX} visible ASCII characters")]
    BadPrefix,
}

/// The longest of what stands before an order's number.
pub const LONGEST_PREFIX: usize = 16;

/// A shop, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shop {
    policy: Policy,
}

impl Shop {
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl Decider for Shop {
    const NAME: &'static str = "commerce.shop";
    type Id = WorkspaceId;
    type Command = ShopCommand;
    type Event = ShopEvent;
    type Refusal = ShopRefusal;

    fn decide(&self, command: ShopCommand) -> Result<Vec<ShopEvent>, ShopRefusal> {
        match command {
            ShopCommand::Settle(policy) if policy == self.policy => Ok(vec![]),
            ShopCommand::Settle(policy) if !policy.order_prefix.as_deref().is_none_or(is_prefix) => {
                Err(ShopRefusal::BadPrefix)
            }
            ShopCommand::Settle(policy) => Ok(vec![ShopEvent::Settled(policy)]),
        }
    }

    fn evolve(&mut self, event: ShopEvent) {
        let ShopEvent::Settled(policy) = event;
        self.policy = policy;
    }
}

fn is_prefix(text: &str) -> bool {
    text.len() <= LONGEST_PREFIX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Event for ShopEvent {}

impl Refusal for ShopRefusal {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

sourced!(Shop, ShopEvent);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::given;

    #[test]
    fn has_the_policy_that_was_settled_last() {
        let policy = |refund_shipping| Policy { refund_shipping, ..Policy::default() };
        let settle = |refund_shipping| ShopCommand::Settle(policy(refund_shipping));
        let shop = given::<Shop>([]);
        assert_eq!(shop.when(settle(false)), Ok(vec![]), "as it is by default");
        assert_eq!(shop.when(settle(true)), Ok(vec![ShopEvent::Settled(policy(true))]));
        let shop = shop.and(settle(true));
        assert_eq!((shop.when(settle(true)), shop.0.policy()), (Ok(vec![]), &policy(true)));
        let before =
            |text: &str| ShopCommand::Settle(Policy { order_prefix: Some(text.into()), ..Policy::default() });
        assert!(shop.when(before("")).is_ok() && shop.when(before("2026/")).is_ok());
        for bad in ["W 1", "é", &"x".repeat(17)] {
            assert_eq!(shop.when(before(bad)), Err(ShopRefusal::BadPrefix), "{bad}");
        }
    }

    #[test]
    fn is_on_disk_as_it_always_was() {
        let order_prefix = Some("W-".to_owned());
        let event =
            ShopEvent::Settled(Policy { order_prefix, unique_references: true, refund_shipping: true });
        let json =
            r#"{"type":"Settled","order_prefix":"W-","unique_references":true,"refund_shipping":true}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<ShopEvent>(json).unwrap(), event);
        assert_eq!(
            serde_json::from_str::<ShopEvent>(r#"{"type":"Settled"}"#).unwrap(),
            ShopEvent::Settled(Policy::default())
        );
    }
}
