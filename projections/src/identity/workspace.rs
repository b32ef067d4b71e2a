//! Workspaces, each within itself: what it is called, whose it is, and how it reckons and reads.

use domain::identity::workspace::{Settings, TwoFactorOf, Workspace, WorkspaceEvent as E};
use domain::ids::{AccountId, WorkspaceId};
use domain::kernel::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// One row of `read.workspace`, and the answer to `GET /api/workspaces/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkspaceView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<WorkspaceId>,
    pub name: String,
    /// Whose it is, if it is a person's.
    pub owner: Option<AccountId>,
    /// Why it takes no commands, if it does not.
    pub suspended: Option<String>,
    /// How it reckons and reads, if that was settled.
    pub settings: Option<Settings>,
    /// Which members must have a second factor.
    pub two_factor: TwoFactorOf,
}

/// Read model `workspace`.
pub struct Workspaces;

impl StreamView for Workspaces {
    const NAME: &'static str = "workspace";
    type Of = Workspace;
    type Row = WorkspaceView;

    fn stem(row: &mut WorkspaceView) -> &mut Stem<WorkspaceId> {
        &mut row.stem
    }

    fn begun(stem: Stem<WorkspaceId>, happened: &E, _: &Recorded) -> Option<WorkspaceView> {
        let E::Created { name, owner } = happened else { return None };
        let (suspended, settings, two_factor) = Default::default();
        Some(WorkspaceView { stem, name: name.clone(), owner: *owner, suspended, settings, two_factor })
    }

    fn apply(row: &mut WorkspaceView, happened: &E, _: &Recorded) -> Result<(), Unfoldable> {
        match happened {
            E::Created { .. } => {}
            E::Renamed { name } => row.name.clone_from(name),
            E::Suspended { reason } => row.suspended = Some(reason.clone()),
            E::Resumed => row.suspended = None,
            E::Settled(settings) => row.settings = Some(settings.clone()),
            E::TwoFactorRequired { of } => row.two_factor = *of,
            E::HandedOver { to, .. } => row.owner = Some(*to),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use domain::locale::{Locale, TimeZone};
    use domain::money::Currency;
    use uuid::Uuid;

    const SHOP: &str = "ws_00000000000000000000000001";
    const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(2));
    const BEN: AccountId = AccountId::from_uuid(Uuid::from_u128(3));

    fn row(events: Vec<E>) -> WorkspaceView {
        let created = E::Created { name: "Acme".into(), owner: Some(ANN) };
        let events = std::iter::once(created).chain(events);
        let events = events.map(|event| Recorded::example::<Workspace>(SHOP, &event));
        example::row::<Workspaces>(SHOP, events).unwrap()
    }

    #[test]
    fn shows_what_it_is_called_and_whose_it_is() {
        let handed = E::HandedOver { from: Some(ANN), to: BEN };
        let now = row(vec![E::Renamed { name: "Acme & Co".into() }, handed]);
        assert_eq!((&*now.name, now.owner, now.stem.version), ("Acme & Co", Some(BEN), 3));
    }

    #[test]
    fn shows_how_it_reckons_and_whom_it_asks_for_a_second_factor() {
        let settings =
            Settings { time_zone: TimeZone::default(), locale: Locale::default(), currency: Currency::USD };
        let required = E::TwoFactorRequired { of: TwoFactorOf::Everyone };
        let now = row(vec![E::Settled(settings.clone()), required]);
        assert_eq!((now.settings, now.two_factor), (Some(settings), TwoFactorOf::Everyone));
        assert_eq!((row(vec![]).settings, row(vec![]).two_factor), (None, TwoFactorOf::Nobody));
    }

    #[test]
    fn shows_why_it_takes_no_commands_until_it_does() {
        let suspended = || E::Suspended { reason: "unpaid".into() };
        assert_eq!(row(vec![suspended()]).suspended.as_deref(), Some("unpaid"));
        assert_eq!(row(vec![suspended(), E::Resumed]).suspended, None);
    }
}
