//! Invitations, as their workspace sees them. Whose address it is stays sealed; whoever shows it opens it.

use chrono::{DateTime, Utc};
use domain::identity::invitation::{Address, Invitation, InvitationEvent as E, Offer};
use domain::ids::{AccountId, InvitationId};
use domain::kernel::Recorded;
use domain::locale::Locale;
use domain::pii::Pii;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::reading::{Filter, Listing, Order};
use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// What became of an invitation. One that is open may have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvitationStatus {
    Open,
    Expired,
    Accepted,
    Declined,
    Revoked,
}

/// One row of `read.invitation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvitationRow {
    #[serde(flatten)]
    pub stem: Stem<InvitationId>,
    pub address: Pii<Address>,
    pub offer: Offer,
    pub locale: Locale,
    pub expires_at: DateTime<Utc>,
    /// Never `expired`: that is the reader's to say, by their clock.
    pub status: InvitationStatus,
    /// Who has accepted it.
    pub account: Option<AccountId>,
}

/// Read model `invitation`.
pub struct Invitations;

impl StreamView for Invitations {
    const NAME: &'static str = "invitation";
    type Of = Invitation;
    type Row = InvitationRow;

    fn stem(row: &mut InvitationRow) -> &mut Stem<InvitationId> {
        &mut row.stem
    }

    fn begun(stem: Stem<InvitationId>, happened: &E, _: &Recorded) -> Option<InvitationRow> {
        let E::Sent { address, offer, locale, expires_at } = happened else { return None };
        Some(InvitationRow {
            stem,
            address: address.clone(),
            offer: offer.clone(),
            locale: locale.clone(),
            expires_at: *expires_at,
            status: InvitationStatus::Open,
            account: None,
        })
    }

    fn apply(row: &mut InvitationRow, happened: &E, _: &Recorded) -> Result<(), Unfoldable> {
        row.status = match happened {
            E::Sent { .. } => InvitationStatus::Open,
            E::Accepted { account } => {
                row.account = Some(*account);
                InvitationStatus::Accepted
            }
            E::Declined => InvitationStatus::Declined,
            E::Revoked => InvitationStatus::Revoked,
        };
        Ok(())
    }
}

/// Which invitations a list is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InvitationFilter {
    /// Only those that were not answered or taken back, or only all others.
    #[param(required = false, nullable = false)]
    pub unanswered: Option<bool>,
}

impl Filter for InvitationFilter {
    type Of = Invitations;

    fn order(&self) -> Order {
        Order::by("created_at", "timestamptz").descending()
    }

    fn narrow(self, list: Listing<Invitations>) -> Listing<Invitations> {
        list.only("(t.status = 'open') = ", self.unanswered, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use uuid::Uuid;

    const ID: &str = "inv_00000000000000000000000001";
    const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(2));
    const TEXT: &str = concat!(
        "pii1.kkkkkkkkkkkkkkkkkkkkkk.",
        "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    );

    fn row(events: Vec<E>) -> InvitationRow {
        let roles = ["editor".parse().unwrap()].into();
        let sent = E::Sent {
            address: Pii::new(TEXT.parse().unwrap()),
            offer: Offer::Member { roles },
            locale: Locale::default(),
            expires_at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        };
        let events = std::iter::once(sent).chain(events);
        let events = events.map(|event| Recorded::example::<Invitation>(ID, &event));
        example::row::<Invitations>(ID, events).unwrap()
    }

    #[test]
    fn shows_what_became_of_it() {
        let open = row(vec![]);
        assert_eq!((open.status, open.account), (InvitationStatus::Open, None));
        assert_eq!(open.address.sealed().as_str(), TEXT);
        for (event, status, account) in [
            (E::Accepted { account: ANN }, InvitationStatus::Accepted, Some(ANN)),
            (E::Declined, InvitationStatus::Declined, None),
            (E::Revoked, InvitationStatus::Revoked, None),
        ] {
            let ended = row(vec![event]);
            assert_eq!((ended.status, ended.account, ended.stem.version), (status, account, 2));
        }
    }
}
