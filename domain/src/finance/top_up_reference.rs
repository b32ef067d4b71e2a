//! Top-up reference: which top-up a provider's or a chain's own name for funds means, so that none count twice.
//!
//! Its stream's id is made of the reference. It is claimed in the append that records the funds, and for good.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use strum::AsRefStr;

use crate::ids::TopUpId;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// What may be asked of a reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TopUpReferenceCommand {
    /// Have it mean funds of this top-up.
    Claim { top_up: TopUpId, reference: String },
}

/// What has happened to a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum TopUpReferenceEvent {
    Claimed { top_up: TopUpId, reference: String },
}

/// Why a reference says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum TopUpReferenceRefusal {
    #[error("these funds are those of {0} already")]
    DuplicateExternalRef(TopUpId),
}

/// The one meaning of a reference.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TopUpReference {
    top_up: Option<TopUpId>,
}

/// The id of the stream that a reference of an asset's chain or of a currency's provider has. The same name may stand
/// for other funds on another chain.
#[must_use]
pub fn id_of(asset: &str, reference: &str) -> String {
    let text = format!("{}\n{}", asset.trim(), reference.trim());
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Decider for TopUpReference {
    const NAME: &'static str = "finance.top_up_reference";
    type Id = String;
    type Command = TopUpReferenceCommand;
    type Event = TopUpReferenceEvent;
    type Refusal = TopUpReferenceRefusal;

    fn decide(
        &self,
        command: TopUpReferenceCommand,
    ) -> Result<Vec<TopUpReferenceEvent>, TopUpReferenceRefusal> {
        let TopUpReferenceCommand::Claim { top_up, reference } = command;
        match self.top_up {
            None => Ok(vec![TopUpReferenceEvent::Claimed { top_up, reference }]),
            Some(holder) if holder == top_up => Ok(vec![]),
            Some(holder) => Err(TopUpReferenceRefusal::DuplicateExternalRef(holder)),
        }
    }

    fn evolve(&mut self, event: TopUpReferenceEvent) {
        let TopUpReferenceEvent::Claimed { top_up, .. } = event;
        self.top_up = Some(top_up);
    }
}

impl Event for TopUpReferenceEvent {}

impl Refusal for TopUpReferenceRefusal {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }
}

sourced!(TopUpReference, TopUpReferenceEvent);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::given;
    use uuid::Uuid;

    fn claim(n: u128) -> TopUpReferenceCommand {
        let top_up = TopUpId::from_uuid(Uuid::from_u128(n));
        TopUpReferenceCommand::Claim { top_up, reference: "tx:0".into() }
    }

    #[test]
    fn means_the_top_up_that_came_first() {
        let first = TopUpId::from_uuid(Uuid::from_u128(1));
        let claimed = TopUpReferenceEvent::Claimed { top_up: first, reference: "tx:0".into() };
        let free = given::<TopUpReference>([]);
        assert_eq!(free.when(claim(1)), Ok(vec![claimed]));
        let taken = free.and(claim(1));
        assert_eq!(taken.when(claim(1)), Ok(vec![]));
        assert_eq!(taken.when(claim(2)), Err(TopUpReferenceRefusal::DuplicateExternalRef(first)));
    }

    #[test]
    fn is_on_disk_as_it_always_was() {
        let top_up = TopUpId::from_uuid(Uuid::from_u128(1));
        let event = TopUpReferenceEvent::Claimed { top_up, reference: "tx:0".into() };
        let json = r#"{"type":"Claimed","top_up":"topup_00000000000000000000000001","reference":"tx:0"}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<TopUpReferenceEvent>(json).unwrap(), event);
        assert_eq!(id_of("BTC", " a "), id_of("BTC", "a"));
        assert_ne!(id_of("BTC", "a"), id_of("LTC", "a"));
        assert_eq!(id_of("BTC", "a"), "eaa93bb28bf32c6242d776ce161b106e80177d690d4c4289bc85fb1fdf26e403");
    }
}
