//! Invitation: a mail that asks somebody into a workspace, as a member or as a counterpart.
//!
//! Its address is sealed for the invitation itself, since there need be no account yet. Its token is made of its id by
//! a key that no event holds, and shows that whoever has it reads that mailbox. It is answered once; answered, revoked
//! or expired it is gone. Repeating a request that already took effect decides nothing.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{AccountId, CustomerId, InvitationId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::locale::Locale;
use crate::permission::RoleKey;
use crate::pii::Pii;
use crate::{personal, sourced};

personal! {
    /// Who is invited.
    pub Address = "identity.invitation", "address", Contact;
}

/// How long an invitation may be answered.
pub const LASTS: TimeDelta = TimeDelta::days(7);
/// How many roles an invitation may offer.
pub const MAX_ROLES: usize = 10;

/// What is offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum Offer {
    /// To be a member, in these roles.
    Member { roles: BTreeSet<RoleKey> },
    /// To see what is this counterpart's.
    Party { party: CustomerId },
}

/// What may be asked of an invitation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum InvitationCommand {
    Send {
        address: Pii<Address>,
        offer: Offer,
        locale: Locale,
        at: DateTime<Utc>,
    },
    /// Take it; the token was shown.
    Accept {
        account: AccountId,
        /// Whether the account's address is the one that it went to.
        addressed: bool,
        at: DateTime<Utc>,
    },
    /// Turn it down; the token was shown.
    Decline {
        at: DateTime<Utc>,
    },
    /// Take it back.
    Revoke,
}

/// What has happened to an invitation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum InvitationEvent {
    Sent { address: Pii<Address>, offer: Offer, locale: Locale, expires_at: DateTime<Utc> },
    Accepted { account: AccountId },
    Declined,
    Revoked,
}

/// Why an invitation says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum InvitationRefusal {
    #[error("no such invitation")]
    Unknown,
    #[error("this invitation was sent before")]
    AlreadySent,
    #[error("the invitation was answered, taken back or has expired; ask for a new one")]
    Gone,
    #[error("the invitation was accepted; remove the member instead")]
    Accepted,
    #[error("the invitation went to another address; sign in with that one, or have yours invited")]
    AnotherAddress,
    #[error("an invitation offers 1 to {MAX_ROLES} roles, and not that of the owner")]
    BadRoles,
}

/// An invitation, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    sent: Option<Sent>,
    end: Option<End>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sent {
    address: Pii<Address>,
    offer: Offer,
    expires_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Accepted(AccountId),
    Declined,
    Revoked,
}

impl Invitation {
    /// Where it went.
    #[must_use]
    pub fn address(&self) -> Option<&Pii<Address>> {
        self.sent.as_ref().map(|sent| &sent.address)
    }

    /// Whether it may be answered at this time.
    #[must_use]
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        self.end.is_none() && self.sent.as_ref().is_some_and(|sent| at < sent.expires_at)
    }

    /// What it offers.
    #[must_use]
    pub fn offer(&self) -> Option<&Offer> {
        self.sent.as_ref().map(|sent| &sent.offer)
    }
}

impl Offer {
    fn is_sound(&self) -> bool {
        match self {
            Self::Member { roles } => {
                (1..=MAX_ROLES).contains(&roles.len()) && !roles.contains(&RoleKey::OWNER)
            }
            Self::Party { .. } => true,
        }
    }
}

impl Decider for Invitation {
    const NAME: &'static str = "identity.invitation";
    type Id = InvitationId;
    type Command = InvitationCommand;
    type Event = InvitationEvent;
    type Refusal = InvitationRefusal;

    fn decide(&self, command: InvitationCommand) -> Result<Vec<InvitationEvent>, InvitationRefusal> {
        use {InvitationCommand as C, InvitationEvent as E, InvitationRefusal as No};
        let Some(sent) = &self.sent else {
            return match command {
                C::Send { offer, .. } if !offer.is_sound() => Err(No::BadRoles),
                C::Send { address, offer, locale, at } => {
                    Ok(vec![E::Sent { address, offer, locale, expires_at: at + LASTS }])
                }
                _ => Err(No::Unknown),
            };
        };
        match (self.end, command) {
            (_, C::Send { .. }) => Err(No::AlreadySent),

            (Some(End::Accepted(by)), C::Accept { account, .. }) if by == account => Ok(vec![]),
            (Some(End::Declined), C::Decline { .. }) | (Some(End::Revoked), C::Revoke) => Ok(vec![]),
            (Some(End::Accepted(_)), C::Revoke) => Err(No::Accepted),
            (Some(End::Declined), C::Revoke) => Ok(vec![]),
            (Some(_), _) => Err(No::Gone),

            (None, C::Accept { at, .. } | C::Decline { at }) if at >= sent.expires_at => Err(No::Gone),
            (None, C::Accept { addressed: false, .. }) => Err(No::AnotherAddress),
            (None, C::Accept { account, .. }) => Ok(vec![E::Accepted { account }]),
            (None, C::Decline { .. }) => Ok(vec![E::Declined]),
            (None, C::Revoke) => Ok(vec![E::Revoked]),
        }
    }

    fn evolve(&mut self, event: InvitationEvent) {
        match event {
            InvitationEvent::Sent { address, offer, expires_at, .. } => {
                self.sent = Some(Sent { address, offer, expires_at });
            }
            InvitationEvent::Accepted { account } => self.end = Some(End::Accepted(account)),
            InvitationEvent::Declined => self.end = Some(End::Declined),
            InvitationEvent::Revoked => self.end = Some(End::Revoked),
        }
    }
}

impl Event for InvitationEvent {}

impl Refusal for InvitationRefusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown => Kind::Missing,
            Self::Gone => Kind::Gone,
            Self::BadRoles => Kind::Invalid,
            Self::AlreadySent | Self::Accepted | Self::AnotherAddress => Kind::Conflict,
        }
    }
}

sourced!(Invitation, InvitationEvent);

#[cfg(test)]
mod tests {
    use super::{InvitationCommand as C, InvitationEvent as E, InvitationRefusal as No, *};
    use crate::kernel::{Given, given};
    use uuid::Uuid;

    const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
    const BEN: AccountId = AccountId::from_uuid(Uuid::from_u128(2));
    const BUYER: CustomerId = CustomerId::from_uuid(Uuid::from_u128(3));
    const WEEK: i64 = 7 * 86_400;
    const TEXT: &str = concat!(
        "pii1.kkkkkkkkkkkkkkkkkkkkkk.",
        "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    );

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn member<const N: usize>(roles: [&str; N]) -> Offer {
        Offer::Member { roles: roles.map(|role| role.parse().unwrap()).into() }
    }

    fn send(offer: Offer) -> C {
        C::Send { address: Pii::new(TEXT.parse().unwrap()), offer, locale: Locale::default(), at: at(0) }
    }

    fn sent(offer: Offer) -> E {
        let address = Pii::new(TEXT.parse().unwrap());
        E::Sent { address, offer, locale: Locale::default(), expires_at: at(WEEK) }
    }

    fn open() -> Given<Invitation> {
        given([sent(member(["editor"]))])
    }

    fn accept(account: AccountId, second: i64) -> C {
        C::Accept { account, addressed: true, at: at(second) }
    }

    #[test]
    fn offers_membership_or_to_see_what_is_ones_own() {
        for offer in [member(["editor", "auditor"]), Offer::Party { party: BUYER }] {
            assert_eq!(given::<Invitation>([]).when(send(offer.clone())), Ok(vec![sent(offer.clone())]));
            assert_eq!(given::<Invitation>([sent(offer.clone())]).0.offer(), Some(&offer));
        }
        for bad in [member([]), member(["owner"]), member(["viewer", "owner"])] {
            assert_eq!(given::<Invitation>([]).when(send(bad)), Err(No::BadRoles));
        }
        let eleven = (0..11).map(|n| format!("role_{n:026}").parse().unwrap()).collect();
        assert_eq!(given::<Invitation>([]).when(send(Offer::Member { roles: eleven })), Err(No::BadRoles));
        assert_eq!(open().when(send(member(["editor"]))), Err(No::AlreadySent));
    }

    #[test]
    fn is_answered_once_within_a_week() {
        assert_eq!(open().when(accept(ANN, WEEK - 1)), Ok(vec![E::Accepted { account: ANN }]));
        assert_eq!(open().when(accept(ANN, WEEK)), Err(No::Gone));
        assert_eq!(open().when(C::Decline { at: at(WEEK) }), Err(No::Gone));
        assert_eq!(open().when(C::Decline { at: at(1) }), Ok(vec![E::Declined]));
        let taken = open().and(accept(ANN, 1));
        assert_eq!(taken.when(accept(ANN, 2 * WEEK)), Ok(vec![]));
        assert_eq!(taken.when(accept(BEN, 1)), Err(No::Gone));
        assert_eq!(taken.when(C::Decline { at: at(1) }), Err(No::Gone));
        let declined = open().and(C::Decline { at: at(1) });
        assert_eq!(declined.when(C::Decline { at: at(1) }), Ok(vec![]));
        assert_eq!(declined.when(accept(ANN, 1)), Err(No::Gone));
    }

    #[test]
    fn is_for_whoever_has_the_address_that_it_went_to() {
        let anothers = |second| C::Accept { account: BEN, addressed: false, at: at(second) };
        assert_eq!(open().when(anothers(1)), Err(No::AnotherAddress));
        assert_eq!(open().when(anothers(WEEK)), Err(No::Gone));
        assert_eq!(No::AnotherAddress.kind(), Kind::Conflict);
    }

    #[test]
    fn is_open_until_it_is_answered_taken_back_or_expires() {
        assert!(open().0.is_open(at(WEEK - 1)) && !open().0.is_open(at(WEEK)));
        assert!(!given::<Invitation>([]).0.is_open(at(0)));
        for end in [accept(ANN, 1), C::Decline { at: at(1) }, C::Revoke] {
            assert!(!open().and(end).0.is_open(at(1)));
        }
        assert_eq!(open().0.address(), Some(&Pii::new(TEXT.parse().unwrap())));
    }

    #[test]
    fn is_taken_back_until_it_is_accepted() {
        assert_eq!(open().when(C::Revoke), Ok(vec![E::Revoked]));
        let revoked = open().and(C::Revoke);
        assert_eq!(revoked.when(C::Revoke), Ok(vec![]));
        assert_eq!(revoked.when(accept(ANN, 1)), Err(No::Gone));
        assert_eq!(open().and(accept(ANN, 1)).when(C::Revoke), Err(No::Accepted));
        assert_eq!(open().and(C::Decline { at: at(1) }).when(C::Revoke), Ok(vec![]));
    }

    #[test]
    fn does_nothing_before_it_is_sent() {
        for command in [accept(ANN, 0), C::Decline { at: at(0) }, C::Revoke] {
            assert_eq!(given::<Invitation>([]).when(command), Err(No::Unknown));
        }
    }

    #[test]
    fn says_what_sort_of_no_it_is() {
        assert_eq!((No::Unknown.kind(), No::Gone.kind()), (Kind::Missing, Kind::Gone));
        assert_eq!((No::BadRoles.kind(), No::Gone.as_ref()), (Kind::Invalid, "gone"));
        assert_eq!((No::AlreadySent.kind(), No::Accepted.kind()), (Kind::Conflict, Kind::Conflict));
    }

    #[test]
    fn its_events_on_disk() {
        for (event, json) in [
            (
                sent(member(["editor"])),
                format!(
                    r#"{{"type":"Sent","address":"{TEXT}","offer":{{"as":"member","roles":["editor"]}},"locale":"en","expires_at":"2023-11-21T22:13:20Z"}}"#
                ),
            ),
            (
                sent(Offer::Party { party: BUYER }),
                format!(
                    r#"{{"type":"Sent","address":"{TEXT}","offer":{{"as":"party","party":"cus_00000000000000000000000003"}},"locale":"en","expires_at":"2023-11-21T22:13:20Z"}}"#
                ),
            ),
            (
                E::Accepted { account: ANN },
                r#"{"type":"Accepted","account":"acc_00000000000000000000000001"}"#.into(),
            ),
            (E::Declined, r#"{"type":"Declined"}"#.into()),
            (E::Revoked, r#"{"type":"Revoked"}"#.into()),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
        }
    }
}
