//! SKU: which product a stock keeping unit means, so that no two products of a workspace share one.
//!
//! Its stream's id is the SKU itself. A product claims its SKUs in the same append that adds the variants, and
//! releases them in the one that removes them. Repeating a request that already took effect decides nothing, and
//! neither does giving up what is another's.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{ProductId, Sku};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// What may be asked of a SKU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum SkuCommand {
    /// Have it mean this product.
    Claim { product: ProductId },
    /// Have it mean this product no longer.
    Release { product: ProductId },
}

/// What has happened to a SKU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum SkuEvent {
    Claimed { product: ProductId },
    Released { product: ProductId },
}

/// Why a SKU says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum SkuRefusal {
    #[error("this SKU belongs to {0}")]
    Taken(ProductId),
}

/// The one meaning of a SKU: the aggregate beside the code itself ([`crate::ids::Sku`]).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SkuClaim {
    product: Option<ProductId>,
}

impl SkuClaim {
    /// The product it means, if any.
    #[must_use]
    pub fn product(&self) -> Option<ProductId> {
        self.product
    }
}

impl Decider for SkuClaim {
    const NAME: &'static str = "commerce.sku";
    type Id = Sku;
    type Command = SkuCommand;
    type Event = SkuEvent;
    type Refusal = SkuRefusal;

    fn decide(&self, command: SkuCommand) -> Result<Vec<SkuEvent>, SkuRefusal> {
        use {SkuCommand as C, SkuEvent as E, SkuRefusal as No};
        match (self.product, command) {
            (None, C::Claim { product }) => Ok(vec![E::Claimed { product }]),
            (None, C::Release { .. }) => Ok(vec![]),

            (Some(holder), C::Claim { product }) if holder != product => Err(No::Taken(holder)),
            (Some(_), C::Claim { .. }) => Ok(vec![]),

            (Some(holder), C::Release { product }) if holder != product => Ok(vec![]),
            (Some(_), C::Release { product }) => Ok(vec![E::Released { product }]),
        }
    }

    fn evolve(&mut self, event: SkuEvent) {
        self.product = match event {
            SkuEvent::Claimed { product } => Some(product),
            SkuEvent::Released { .. } => None,
        };
    }
}

impl Event for SkuEvent {}

impl Refusal for SkuRefusal {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }
}

sourced!(SkuClaim, SkuEvent);

#[cfg(test)]
mod tests {
    use super::{SkuCommand as C, SkuEvent as E, SkuRefusal as No, *};
    use crate::kernel::given;
    use uuid::Uuid;

    const LAMP: ProductId = ProductId::from_uuid(Uuid::from_u128(1));
    const CHAIR: ProductId = ProductId::from_uuid(Uuid::from_u128(2));

    #[test]
    fn means_one_product_at_a_time() {
        let free = given::<SkuClaim>([]);
        assert_eq!(free.0.product(), None);
        assert_eq!(free.when(C::Claim { product: LAMP }), Ok(vec![E::Claimed { product: LAMP }]));
        let taken = free.and(C::Claim { product: LAMP });
        assert_eq!(taken.0.product(), Some(LAMP));
        assert_eq!(taken.when(C::Claim { product: LAMP }), Ok(vec![]));
        assert_eq!(taken.when(C::Claim { product: CHAIR }), Err(No::Taken(LAMP)));
    }

    #[test]
    fn is_given_up_only_by_the_product_it_means() {
        let taken = given::<SkuClaim>([E::Claimed { product: LAMP }]);
        assert_eq!(taken.when(C::Release { product: CHAIR }), Ok(vec![]));
        assert_eq!(taken.when(C::Release { product: LAMP }), Ok(vec![E::Released { product: LAMP }]));
        let free = taken.and(C::Release { product: LAMP });
        assert_eq!(free.when(C::Release { product: LAMP }), Ok(vec![]));
        assert_eq!(free.when(C::Claim { product: CHAIR }), Ok(vec![E::Claimed { product: CHAIR }]));
    }

    #[test]
    fn being_taken_is_a_conflict() {
        assert_eq!((No::Taken(LAMP).kind(), No::Taken(LAMP).as_ref()), (Kind::Conflict, "taken"));
    }

    #[test]
    fn its_events_on_disk() {
        for (event, json) in [
            (
                E::Claimed { product: LAMP },
                r#"{"type":"Claimed","product":"prod_00000000000000000000000001"}"#,
            ),
            (
                E::Released { product: LAMP },
                r#"{"type":"Released","product":"prod_00000000000000000000000001"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
