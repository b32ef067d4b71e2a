//! Party: a counterpart of a workspace who has an account, and sees what is theirs.
//!
//! Its id is what the workspace knows them by (`cus_…`), in the workspace. A counterpart is no member: an account that
//! is linked sees what belongs to that id, in each capability that asks for it, and nothing else. One account may be
//! linked to several ids, one id to one account at a time.
//! Repeating a request that already took effect decides nothing.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{AccountId, CustomerId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// What may be asked of a party.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum PartyCommand {
    /// Let this account see what is the party's.
    Link {
        account: AccountId,
    },
    Unlink {
        account: AccountId,
    },
}

/// What has happened to a party.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum PartyEvent {
    Linked { account: AccountId },
    Unlinked { account: AccountId },
}

/// Why a party says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum PartyRefusal {
    #[error("nobody sees what is this customer's")]
    Unknown,
    #[error("another account is linked; unlink it first")]
    LinkedToAnother,
    #[error("this link was used or has expired; ask for a new one")]
    LinkSpent,
}

/// A party, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Party {
    account: Option<AccountId>,
}

impl Party {
    /// Who sees what is theirs.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }
}

impl Decider for Party {
    const NAME: &'static str = "identity.party";
    type Id = CustomerId;
    type Command = PartyCommand;
    type Event = PartyEvent;
    type Refusal = PartyRefusal;

    fn decide(&self, command: PartyCommand) -> Result<Vec<PartyEvent>, PartyRefusal> {
        use {PartyCommand as C, PartyEvent as E, PartyRefusal as No};
        match (self.account, command) {
            (None, C::Link { account }) => Ok(vec![E::Linked { account }]),
            (Some(linked), C::Link { account }) if linked == account => Ok(vec![]),
            (Some(_), C::Link { .. }) => Err(No::LinkedToAnother),

            (Some(linked), C::Unlink { account }) if linked == account => Ok(vec![E::Unlinked { account }]),
            (_, C::Unlink { .. }) => Ok(vec![]),
        }
    }

    fn evolve(&mut self, event: PartyEvent) {
        match event {
            PartyEvent::Linked { account } => self.account = Some(account),
            PartyEvent::Unlinked { .. } => self.account = None,
        }
    }
}

impl Event for PartyEvent {}

impl Refusal for PartyRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::LinkedToAnother => Kind::Conflict,
            Self::LinkSpent => Kind::Gone,
        }
    }
}

sourced!(Party, PartyEvent);

#[cfg(test)]
mod tests {
    use super::{PartyCommand as C, PartyEvent as E, PartyRefusal as No, *};
    use crate::kernel::given;
    use uuid::Uuid;

    const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
    const BEN: AccountId = AccountId::from_uuid(Uuid::from_u128(2));

    #[test]
    fn is_linked_to_one_account_at_a_time() {
        assert_eq!(given::<Party>([]).when(C::Link { account: ANN }), Ok(vec![E::Linked { account: ANN }]));
        let anns = given::<Party>([E::Linked { account: ANN }]);
        assert_eq!(anns.0.account(), Some(ANN));
        assert_eq!(anns.when(C::Link { account: ANN }), Ok(vec![]));
        assert_eq!(anns.when(C::Link { account: BEN }), Err(No::LinkedToAnother));
        assert_eq!((No::Unknown.kind(), No::LinkSpent.kind()), (Kind::Missing, Kind::Gone));
        assert_eq!(
            (No::LinkedToAnother.kind(), No::LinkedToAnother.as_ref()),
            (Kind::Conflict, "linked_to_another")
        );
    }

    #[test]
    fn can_be_anothers_once_it_is_unlinked() {
        let anns = given::<Party>([E::Linked { account: ANN }]);
        assert_eq!(anns.when(C::Unlink { account: BEN }), Ok(vec![]));
        assert_eq!(anns.when(C::Unlink { account: ANN }), Ok(vec![E::Unlinked { account: ANN }]));
        let free = anns.and(C::Unlink { account: ANN });
        assert_eq!(free.0.account(), None);
        assert_eq!(free.when(C::Unlink { account: ANN }), Ok(vec![]));
        assert_eq!(free.when(C::Link { account: BEN }), Ok(vec![E::Linked { account: BEN }]));
    }

    #[test]
    fn its_events_on_disk() {
        for (event, json) in [
            (E::Linked { account: ANN }, r#"{"type":"Linked","account":"acc_00000000000000000000000001"}"#),
            (
                E::Unlinked { account: ANN },
                r#"{"type":"Unlinked","account":"acc_00000000000000000000000001"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
