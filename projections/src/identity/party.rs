//! Parties: who sees what is theirs, as their workspace sees them, and as they see themselves.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::identity::party::{Party, PartyEvent as E};
use domain::identity::subject::{Subject, SubjectEvent};
use domain::ids::{AccountId, CustomerId, WorkspaceId};
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::pii::Class;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::reading::{Filter, Listing, Order};
use crate::stream::{Stem, StreamView};
use crate::view::{RowKey, Touches, Unfoldable, View};

/// One row of `read.party`, and the answer to `GET /api/parties/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PartyView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<CustomerId>,
    /// Who sees what is the customer's, if anybody does.
    pub account: Option<AccountId>,
    /// Since when.
    pub linked_at: Option<DateTime<Utc>>,
}

/// Read model `party`.
pub struct Parties;

impl StreamView for Parties {
    const NAME: &'static str = "party";
    type Of = Party;
    type Row = PartyView;

    fn stem(row: &mut PartyView) -> &mut Stem<CustomerId> {
        &mut row.stem
    }

    fn begun(stem: Stem<CustomerId>, _: &E, _: &Recorded) -> Option<PartyView> {
        Some(PartyView { stem, account: None, linked_at: None })
    }

    fn apply(row: &mut PartyView, happened: &E, event: &Recorded) -> Result<(), Unfoldable> {
        (row.account, row.linked_at) = match happened {
            E::Linked { account } => (Some(*account), Some(event.recorded_at)),
            E::Unlinked { .. } => (None, None),
        };
        Ok(())
    }
}

/// Which parties a list is of, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PartyFilter {
    /// Only those of this account.
    #[param(inline, nullable = false)]
    pub account: Option<AccountId>,
}

impl Filter for PartyFilter {
    type Of = Parties;

    fn order(&self) -> Order {
        Order::by("created_at", "timestamptz").descending()
    }

    fn narrow(self, list: Listing<Parties>) -> Listing<Parties> {
        list.only("t.account = ", self.account.map(String::from), "")
    }
}

/// Whom a workspace knows an account by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Counterpart {
    pub workspace: WorkspaceId,
    pub customer: CustomerId,
}

/// One row of `read.counterpart`: all that an account is linked to, wherever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CounterpartRow {
    pub workspace_id: WorkspaceId,
    pub id: AccountId,
    pub parties: BTreeSet<Counterpart>,
}

/// The platform's own workspace, where what is about accounts lies.
const PLATFORM: WorkspaceId = WorkspaceId::from_uuid(Uuid::from_u128(1));

/// Read model `counterpart`: by account, in the platform's workspace.
pub struct Counterparts;

impl View for Counterparts {
    const NAME: &'static str = "counterpart";
    const LISTENS_TO: &'static [&'static str] = &[Party::NAME, Subject::NAME];
    const BY_STREAM: bool = false;
    type Row = CounterpartRow;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        let account = match event.of::<Party>()? {
            Some(E::Linked { account } | E::Unlinked { account }) => account,
            // An account and its person's erasure have one id.
            None if event.workspace == PLATFORM => return Ok(Touches::stream_of::<Subject>(event)),
            None => return Ok(Touches::nothing()),
        };
        Ok(Touches(vec![RowKey { workspace: PLATFORM, key: account.to_string() }]))
    }

    fn fold(
        key: &RowKey,
        row: Option<CounterpartRow>,
        event: &Recorded,
    ) -> Result<Option<CounterpartRow>, Unfoldable> {
        if let Some(SubjectEvent::Erased { classes, .. }) = event.of::<Subject>()? {
            return Ok(row.filter(|_| !classes.contains(&Class::Contact)));
        }
        let Some((customer, happened)) = event.happened_to::<Party>()? else { return Ok(row) };
        let (E::Linked { account } | E::Unlinked { account }) = *happened;
        let mut row = row.unwrap_or(CounterpartRow {
            workspace_id: key.workspace,
            id: account,
            parties: BTreeSet::new(),
        });
        let counterpart = Counterpart { workspace: event.workspace, customer };
        match happened {
            E::Linked { .. } => row.parties.insert(counterpart),
            E::Unlinked { .. } => row.parties.remove(&counterpart),
        };
        Ok(Some(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use domain::identity::subject::ErasureReason;

    const ONE: &str = "cus_00000000000000000000000001";
    const TWO: &str = "cus_00000000000000000000000002";
    const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(3));
    const BEN: AccountId = AccountId::from_uuid(Uuid::from_u128(4));

    fn told(of: &str, event: E) -> Recorded {
        Recorded::example::<Party>(of, &event)
    }

    fn elsewhere(mut event: Recorded) -> Recorded {
        event.workspace = WorkspaceId::from_uuid(Uuid::from_u128(9));
        event
    }

    #[test]
    fn shows_whose_it_is_now() {
        let mut events = vec![told(ONE, E::Linked { account: ANN }), told(TWO, E::Linked { account: BEN })];
        let row = |events: &[Recorded]| example::row::<Parties>(ONE, events.to_vec()).unwrap();
        assert_eq!(row(&events).account, Some(ANN));
        assert_eq!(row(&events).linked_at, Some(events[0].recorded_at));
        events.push(told(ONE, E::Unlinked { account: ANN }));
        assert_eq!(
            (row(&events).account, row(&events).linked_at, row(&events).stem.version),
            (None, None, 2)
        );
    }

    #[test]
    fn an_account_has_all_that_it_is_linked_to_wherever_until_it_is_erased() {
        let mut events = vec![
            told(ONE, E::Linked { account: ANN }),
            elsewhere(told(ONE, E::Linked { account: ANN })),
            told(TWO, E::Linked { account: BEN }),
        ];
        let of = |events: &[Recorded]| {
            let row = example::row::<Counterparts>(&ANN.to_string(), events.to_vec());
            row.map(|row| (row.workspace_id, row.parties.len()))
        };
        assert_eq!(of(&events), Some((PLATFORM, 2)));
        events.push(elsewhere(told(ONE, E::Unlinked { account: ANN })));
        assert_eq!(of(&events), Some((PLATFORM, 1)));
        let (requested_by, reason) = ("ann".into(), ErasureReason::Asked);
        let erased = SubjectEvent::Erased {
            classes: [Class::Contact].into(),
            reason,
            requested_by,
            approved_by: None,
        };
        let erased = Recorded::example::<Subject>(ANN.to_string(), &erased);
        events.push(elsewhere(erased.clone()));
        assert_eq!(of(&events), Some((PLATFORM, 1)), "what another workspace knows under this id");
        events.push(erased);
        assert_eq!(of(&events), None);
    }
}
