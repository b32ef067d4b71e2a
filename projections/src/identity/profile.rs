//! Profiles, as the person has them of whom they are.
//!
//! What is about the person stays sealed; whoever shows it opens it. Once the person is erased there is no row any more.

use std::collections::BTreeMap;

use domain::identity::profile::{Name, Phone, PostalAddress, Profile, ProfileEvent as E, ProfileField};
use domain::identity::subject::{Subject, SubjectEvent};
use domain::ids::AccountId;
use domain::kernel::{Decider, Recorded, Unreadable};
use domain::locale::{Locale, TimeZone};
use domain::pii::{Class, Pii};
use serde::{Deserialize, Serialize};

use crate::stream::Stem;
use crate::view::{RowKey, Touches, Unfoldable, View};

/// One row of `read.profile`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileRow {
    #[serde(flatten)]
    pub stem: Stem<AccountId>,
    pub name: Option<Pii<Name>>,
    pub phone: Option<Pii<Phone>>,
    pub postal_address: Option<Pii<PostalAddress>>,
    pub locale: Option<Locale>,
    pub time_zone: Option<TimeZone>,
    pub preferences: BTreeMap<String, String>,
}

/// Read model `profile`.
pub struct Profiles;

impl View for Profiles {
    const NAME: &'static str = "profile";
    const LISTENS_TO: &'static [&'static str] = &[Profile::NAME, Subject::NAME];
    const BY_STREAM: bool = false;
    type Row = ProfileRow;

    fn touches(event: &Recorded) -> Result<Touches, Unreadable> {
        // A profile and the person's erasure have one id, the account's.
        Ok(Touches::stream_of::<Profile>(event).and(Touches::stream_of::<Subject>(event)))
    }

    fn fold(_: &RowKey, row: Option<ProfileRow>, event: &Recorded) -> Result<Option<ProfileRow>, Unfoldable> {
        if let Some(SubjectEvent::Erased { classes, .. }) = event.of::<Subject>()? {
            return Ok(row.filter(|_| !classes.contains(&Class::Contact)));
        }
        let Some(happened) = event.of::<Profile>()? else { return Ok(row) };
        let mut row = match row {
            Some(row) => row,
            None => ProfileRow::begun(event)?,
        };
        row.take_in(happened.clone());
        (row.stem.version, row.stem.updated_at) = (event.sequence, event.recorded_at);
        Ok(Some(row))
    }
}

impl ProfileRow {
    fn begun(first: &Recorded) -> Result<Self, Unreadable> {
        Ok(Self {
            stem: Stem::of::<Profile>(first)?,
            name: None,
            phone: None,
            postal_address: None,
            locale: None,
            time_zone: None,
            preferences: BTreeMap::new(),
        })
    }

    fn take_in(&mut self, happened: E) {
        match happened {
            E::Named { name } => self.name = Some(name),
            E::PhoneSet { phone } => self.phone = Some(phone),
            E::PostalAddressSet { postal_address } => self.postal_address = Some(postal_address),
            E::Cleared { field: ProfileField::Name } => self.name = None,
            E::Cleared { field: ProfileField::Phone } => self.phone = None,
            E::Cleared { field: ProfileField::PostalAddress } => self.postal_address = None,
            E::LocaleSet { locale } => self.locale = Some(locale),
            E::TimeZoneSet { time_zone } => self.time_zone = Some(time_zone),
            E::PreferenceSet { name, value } => _ = self.preferences.insert(name, value),
            E::PreferenceRemoved { name } => _ = self.preferences.remove(&name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use domain::identity::subject::ErasureReason;

    const ANN: &str = "acc_00000000000000000000000001";
    const BEN: &str = "acc_00000000000000000000000002";

    fn sealed<F: domain::pii::Field>() -> Pii<F> {
        Pii::new(format!("pii1.{}.{}", "k".repeat(22), "c".repeat(75)).parse().unwrap())
    }

    fn told(of: &str, event: E) -> Recorded {
        Recorded::example::<Profile>(of, &event)
    }

    fn history() -> Vec<Recorded> {
        let theme = |value: &str| E::PreferenceSet { name: "theme".into(), value: value.into() };
        vec![
            told(ANN, E::Named { name: sealed() }),
            told(BEN, E::Named { name: sealed() }),
            told(ANN, E::PhoneSet { phone: sealed() }),
            told(ANN, E::PostalAddressSet { postal_address: sealed() }),
            told(ANN, E::LocaleSet { locale: "de-CH".parse().unwrap() }),
            told(ANN, E::TimeZoneSet { time_zone: "Europe/Zurich".parse().unwrap() }),
            told(ANN, theme("dark")),
            told(ANN, theme("light")),
            told(ANN, E::Cleared { field: ProfileField::Phone }),
        ]
    }

    #[test]
    fn shows_what_was_said_last() {
        let ann = example::row::<Profiles>(ANN, history()).unwrap();
        assert_eq!(
            (ann.name.is_some(), ann.phone.is_some(), ann.postal_address.is_some()),
            (true, false, true)
        );
        assert_eq!(ann.locale.unwrap().as_str(), "de-CH");
        assert_eq!(ann.time_zone.unwrap().as_str(), "Europe/Zurich");
        assert_eq!(ann.preferences, [("theme".to_owned(), "light".to_owned())].into());
        assert_eq!(ann.stem.version, 8);
        let ben = example::row::<Profiles>(BEN, history()).unwrap();
        assert_eq!((ben.stem.version, ben.locale), (1, None));
    }

    #[test]
    fn cleared_and_removed_it_is_as_before() {
        let mut events = history();
        for field in [ProfileField::Name, ProfileField::PostalAddress] {
            events.push(told(ANN, E::Cleared { field }));
        }
        events.push(told(ANN, E::PreferenceRemoved { name: "theme".into() }));
        let ann = example::row::<Profiles>(ANN, events).unwrap();
        assert_eq!((ann.name, ann.postal_address, ann.preferences.len()), (None, None, 0));
    }

    #[test]
    fn is_gone_once_its_person_is_erased() {
        let erased = |of: &str, class: Class| {
            let (requested_by, reason) = ("ann".into(), ErasureReason::Asked);
            let event =
                SubjectEvent::Erased { classes: [class].into(), reason, requested_by, approved_by: None };
            Recorded::example::<Subject>(of, &event)
        };
        let after = |erasure: Recorded| {
            let events = history().into_iter().chain([erasure]);
            example::row::<Profiles>(ANN, events)
        };
        assert_eq!(after(erased(ANN, Class::Contact)), None);
        assert!(after(erased(ANN, Class::Trace)).is_some());
        assert!(after(erased(BEN, Class::Contact)).is_some());
    }
}
