//! E-mail address: whose it is, so that no two accounts have one.
//!
//! Its id is the keyed hash of the address, which says nothing to whoever lacks the key. It is claimed together with
//! what the account decides, and free again once it is released.
//! Repeating a request that already took effect decides nothing.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::AccountId;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::pii::Lookup;
use crate::sourced;

/// What may be asked of an address.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum EmailCommand {
    Claim {
        account: AccountId,
    },
    /// Give it up; nothing happens if it is another's by now.
    Release {
        account: AccountId,
    },
}

/// What has happened to an address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum EmailEvent {
    Claimed { account: AccountId },
    Released { account: AccountId },
}

/// Why an address says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum EmailRefusal {
    #[error("another account has this address")]
    Taken,
}

/// An address, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Email {
    account: Option<AccountId>,
}

impl Email {
    /// Whose it is.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }
}

impl Decider for Email {
    const NAME: &'static str = "identity.email";
    type Id = Lookup;
    type Command = EmailCommand;
    type Event = EmailEvent;
    type Refusal = EmailRefusal;

    fn decide(&self, command: EmailCommand) -> Result<Vec<EmailEvent>, EmailRefusal> {
        use {EmailCommand as C, EmailEvent as E, EmailRefusal as No};
        match (self.account, command) {
            (None, C::Claim { account }) => Ok(vec![E::Claimed { account }]),
            (Some(owner), C::Claim { account }) if owner == account => Ok(vec![]),
            (Some(_), C::Claim { .. }) => Err(No::Taken),

            (Some(owner), C::Release { account }) if owner == account => Ok(vec![E::Released { account }]),
            (_, C::Release { .. }) => Ok(vec![]),
        }
    }

    fn evolve(&mut self, event: EmailEvent) {
        match event {
            EmailEvent::Claimed { account } => self.account = Some(account),
            EmailEvent::Released { .. } => self.account = None,
        }
    }
}

impl Event for EmailEvent {}

impl Refusal for EmailRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Taken => Kind::Conflict,
        }
    }
}

sourced!(Email, EmailEvent);

#[cfg(test)]
mod tests {
    use super::{EmailCommand as C, EmailEvent as E, EmailRefusal as No, *};
    use crate::kernel::given;
    use uuid::Uuid;

    const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
    const BEN: AccountId = AccountId::from_uuid(Uuid::from_u128(2));

    #[test]
    fn is_one_accounts() {
        assert_eq!(given::<Email>([]).when(C::Claim { account: ANN }), Ok(vec![E::Claimed { account: ANN }]));
        let anns = given::<Email>([E::Claimed { account: ANN }]);
        assert_eq!(anns.0.account(), Some(ANN));
        assert_eq!(anns.when(C::Claim { account: ANN }), Ok(vec![]));
        assert_eq!(anns.when(C::Claim { account: BEN }), Err(No::Taken));
        assert_eq!((No::Taken.kind(), No::Taken.as_ref()), (Kind::Conflict, "taken"));
    }

    #[test]
    fn is_free_again_once_its_owner_gives_it_up() {
        let anns = given::<Email>([E::Claimed { account: ANN }]);
        assert_eq!(anns.when(C::Release { account: BEN }), Ok(vec![]));
        assert_eq!(anns.when(C::Release { account: ANN }), Ok(vec![E::Released { account: ANN }]));
        let free = anns.and(C::Release { account: ANN });
        assert_eq!(free.when(C::Release { account: ANN }), Ok(vec![]));
        assert_eq!(free.when(C::Claim { account: BEN }), Ok(vec![E::Claimed { account: BEN }]));
    }

    #[test]
    fn its_events_on_disk() {
        for (event, json) in [
            (E::Claimed { account: ANN }, r#"{"type":"Claimed","account":"acc_00000000000000000000000001"}"#),
            (
                E::Released { account: ANN },
                r#"{"type":"Released","account":"acc_00000000000000000000000001"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
