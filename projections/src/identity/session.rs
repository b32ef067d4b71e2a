//! Sessions, as the person sees them who has them.
//!
//! Device and origin stay sealed; whoever shows them to the person opens them. That an account has ended all of its
//! sessions is the account's to say: a session shows the epoch that it began in.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::identity::session::{Device, IDLES, LASTS, Method, Origin, Session, SessionEvent as E};
use domain::ids::{AccountId, SessionId, WorkspaceId};
use domain::kernel::Recorded;
use domain::pii::Pii;
use serde::{Deserialize, Serialize};

use crate::reading::{Filter, Listing, Order};
use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// One row of `read.session`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    #[serde(flatten)]
    pub stem: Stem<SessionId>,
    pub account: AccountId,
    pub epoch: i64,
    /// Where the person acts.
    pub place: Option<WorkspaceId>,
    pub device: Option<Pii<Device>>,
    pub origin: Option<Pii<Origin>>,
    /// How they have shown who they are, last, and when.
    pub methods: BTreeSet<Method>,
    pub authenticated_at: DateTime<Utc>,
    pub refreshed_at: DateTime<Utc>,
    /// When it ends, if it is not refreshed before.
    pub ends_at: DateTime<Utc>,
    pub ended: bool,
}

/// Read model `session`.
pub struct Sessions;

impl StreamView for Sessions {
    const NAME: &'static str = "session";
    type Of = Session;
    type Row = SessionRow;

    fn stem(row: &mut SessionRow) -> &mut Stem<SessionId> {
        &mut row.stem
    }

    fn begun(stem: Stem<SessionId>, happened: &E, _: &Recorded) -> Option<SessionRow> {
        let E::Started(begun) = happened else { return None };
        Some(SessionRow {
            stem,
            account: begun.account,
            epoch: begun.epoch,
            place: begun.workspace,
            device: begun.device.clone(),
            origin: begun.origin.clone(),
            methods: begun.methods.clone(),
            authenticated_at: begun.at,
            refreshed_at: begun.at,
            ends_at: begun.at + IDLES,
            ended: false,
        })
    }

    fn apply(row: &mut SessionRow, happened: &E, _: &Recorded) -> Result<(), Unfoldable> {
        match happened {
            E::Started(_) => {}
            E::Refreshed { at, .. } => {
                row.refreshed_at = *at;
                row.ends_at = (*at + IDLES).min(row.stem.created_at + LASTS);
            }
            E::SteppedUp { methods, at, .. } => {
                (row.methods, row.authenticated_at) = (methods.clone(), *at);
            }
            E::Switched { workspace, .. } => row.place = Some(*workspace),
            E::ReuseDetected { .. } | E::SignedOut { .. } | E::Revoked { .. } => row.ended = true,
        }
        Ok(())
    }
}

/// The sessions of an account that go on.
#[derive(Debug, Clone, Serialize)]
pub struct OwnSessions {
    pub account: AccountId,
    /// The account's epoch, and the session that it has kept from before.
    pub epoch: i64,
    pub kept: Option<SessionId>,
    #[serde(skip)]
    pub now: DateTime<Utc>,
}

impl Filter for OwnSessions {
    type Of = Sessions;

    fn order(&self) -> Order {
        Order::by("created_at", "timestamptz").descending()
    }

    fn narrow(self, list: Listing<Sessions>) -> Listing<Sessions> {
        // What began in this epoch, and what it has kept.
        let those: Vec<String> =
            self.kept.map(String::from).into_iter().chain([self.epoch.to_string()]).collect();
        list.only("not t.ended and t.account = ", Some(String::from(self.account)), "")
            .only("t.ends_at > ", Some(self.now), "")
            .only("array[t.id, t.epoch::text] && ", Some(those), "::text[]")
    }
}

/// All sessions that an account has ever had, the newest first.
#[derive(Debug, Clone, Serialize)]
pub struct SessionsOf {
    pub account: AccountId,
}

impl Filter for SessionsOf {
    type Of = Sessions;

    fn order(&self) -> Order {
        Order::by("created_at", "timestamptz").descending()
    }

    fn narrow(self, list: Listing<Sessions>) -> Listing<Sessions> {
        list.only("t.account = ", Some(String::from(self.account)), "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use chrono::TimeDelta;
    use domain::identity::session::Beginning;
    use uuid::Uuid;

    const MINE: &str = "ses_00000000000000000000000001";
    const YOURS: &str = "ses_00000000000000000000000002";
    const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(3));
    const BEN: AccountId = AccountId::from_uuid(Uuid::from_u128(4));
    const SHOP: WorkspaceId = WorkspaceId::from_uuid(Uuid::from_u128(5));

    fn at(day: i64) -> DateTime<Utc> {
        Recorded::example::<Session>(MINE, &E::SignedOut { account: ANN }).recorded_at + TimeDelta::days(day)
    }

    fn started(account: AccountId) -> E {
        E::Started(Beginning {
            account,
            epoch: 2,
            methods: [Method::Password].into(),
            at: at(0),
            workspace: None,
            device: None,
            origin: None,
        })
    }

    fn refreshed(day: i64) -> E {
        E::Refreshed { account: ANN, generation: 1, at: at(day) }
    }

    fn row(id: &str, events: &[(&str, E)]) -> SessionRow {
        let events = events.iter().map(|(of, event)| Recorded::example::<Session>(*of, event));
        example::row::<Sessions>(id, events).unwrap()
    }

    #[test]
    fn shows_where_and_until_when_it_goes_on() {
        let events = [
            (MINE, started(ANN)),
            (YOURS, started(BEN)),
            (MINE, E::Switched { account: ANN, workspace: SHOP }),
            (MINE, refreshed(5)),
            (YOURS, E::SignedOut { account: BEN }),
        ];
        let mine = row(MINE, &events);
        assert_eq!((mine.account, mine.epoch, mine.place, mine.ended), (ANN, 2, Some(SHOP), false));
        assert_eq!((mine.refreshed_at, mine.ends_at, mine.authenticated_at), (at(5), at(12), at(0)));
        let yours = row(YOURS, &events);
        assert_eq!((yours.account, yours.place, yours.ended, yours.ends_at), (BEN, None, true, at(7)));
        assert_eq!(row(MINE, &[(MINE, started(ANN)), (MINE, refreshed(28))]).ends_at, at(30));
    }

    #[test]
    fn shows_how_its_person_was_known_last() {
        let methods = BTreeSet::from([Method::Password, Method::Totp]);
        let again = E::SteppedUp { account: ANN, methods: methods.clone(), at: at(1) };
        let mine = row(MINE, &[(MINE, started(ANN)), (MINE, again)]);
        assert_eq!((mine.methods, mine.authenticated_at), (methods, at(1)));
    }

    #[test]
    fn is_over_however_it_ended() {
        for end in [
            E::ReuseDetected { account: ANN, generation: 0 },
            E::SignedOut { account: ANN },
            E::Revoked { account: ANN },
        ] {
            assert!(row(MINE, &[(MINE, started(ANN)), (MINE, end)]).ended);
        }
    }
}
