//! Tax rate: what a tax code stands for, from one day to the next.
//!
//! Its id is the code. Each change is a version that holds from a day on, always later than the one before: what was
//! reckoned with a version is never reckoned otherwise. What is not taxed says why, and has a rate of 0.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::TaxCode;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;
use crate::tax::{AppliedRate, Rate, Treatment};
use crate::text::is_blank;

/// The longest name and jurisdiction, in characters.
pub const MAX_NAME: usize = 100;
pub const MAX_JURISDICTION: usize = 16;

/// What a code stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub name: String,
    /// Whose tax it is: 1 to 16 of `A-Z 0-9 -`, e.g. `DE` or `US-NY`.
    pub jurisdiction: String,
    pub treatment: Treatment,
}

/// What may be asked of a tax code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TaxRateCommand {
    Define {
        terms: Terms,
        rate: Rate,
        from: NaiveDate,
    },
    /// Another rate from a later day on.
    Change {
        rate: Rate,
        from: NaiveDate,
    },
    /// Nothing new is taxed by it.
    Retire,
}

/// What has happened to a tax code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum TaxRateEvent {
    Defined {
        #[serde(flatten)]
        terms: Terms,
        version: u32,
        rate: Rate,
        from: NaiveDate,
    },
    Changed {
        version: u32,
        rate: Rate,
        from: NaiveDate,
    },
    Retired,
}

/// Why a tax code says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum TaxRateRefusal {
    #[error("no such tax code")]
    Unknown,
    #[error("the code stands for something else already")]
    AlreadyDefined,
    #[error("a name has 1 to {MAX_NAME} characters and is not blank")]
    InvalidName,
    #[error("a jurisdiction is 1 to {MAX_JURISDICTION} of A-Z 0-9 -")]
    InvalidJurisdiction,
    #[error("what is not taxed has a rate of 0, and what is taxed one above 0")]
    RateDoesNotFit,
    #[error("a change holds from a day after {0}")]
    NotLater(NaiveDate),
    #[error("the code is retired")]
    Retired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    rate: Rate,
    from: NaiveDate,
}

/// A tax code, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TaxRate {
    terms: Option<Terms>,
    versions: Vec<Version>,
    retired: bool,
}

impl TaxRate {
    /// The version that holds on a day; `None` before the first, and once it is retired.
    #[must_use]
    pub fn on(&self, code: TaxCode, day: NaiveDate) -> Option<AppliedRate> {
        let terms = self.terms.as_ref().filter(|_| !self.retired)?;
        let (place, version) = self.versions.iter().enumerate().rfind(|(_, version)| version.from <= day)?;
        let version_number = u32::try_from(place + 1).ok()?;
        Some(AppliedRate {
            code,
            version: version_number,
            rate: version.rate,
            treatment: terms.treatment,
            jurisdiction: terms.jurisdiction.clone(),
        })
    }
}

fn define(terms: Terms, rate: Rate, from: NaiveDate) -> Result<Vec<TaxRateEvent>, TaxRateRefusal> {
    use TaxRateRefusal as No;
    let is_code = |text: &str| {
        (1..=MAX_JURISDICTION).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
    };
    if is_blank(&terms.name) || terms.name.chars().count() > MAX_NAME {
        return Err(No::InvalidName);
    }
    if !is_code(&terms.jurisdiction) {
        return Err(No::InvalidJurisdiction);
    }
    if !fits(&terms, rate) {
        return Err(No::RateDoesNotFit);
    }
    Ok(vec![TaxRateEvent::Defined { terms, version: 1, rate, from }])
}

fn fits(terms: &Terms, rate: Rate) -> bool {
    (terms.treatment == Treatment::Taxed) == (rate > Rate::ZERO)
}

impl Decider for TaxRate {
    const NAME: &'static str = "finance.tax_rate";
    type Id = TaxCode;
    type Command = TaxRateCommand;
    type Event = TaxRateEvent;
    type Refusal = TaxRateRefusal;

    fn decide(&self, command: TaxRateCommand) -> Result<Vec<TaxRateEvent>, TaxRateRefusal> {
        use {TaxRateCommand as C, TaxRateEvent as E, TaxRateRefusal as No};
        let (Some(terms), Some(last)) = (&self.terms, self.versions.last()) else {
            let C::Define { terms, rate, from } = command else { return Err(No::Unknown) };
            return define(terms, rate, from);
        };
        match command {
            C::Define { terms: again, rate, from } => {
                let same = again == *terms && self.versions[0] == Version { rate, from };
                if same { Ok(vec![]) } else { Err(No::AlreadyDefined) }
            }
            C::Change { rate, from } if *last == (Version { rate, from }) => Ok(vec![]),
            C::Change { .. } if self.retired => Err(No::Retired),
            C::Change { from, .. } if from <= last.from => Err(No::NotLater(last.from)),
            C::Change { rate, .. } if !fits(terms, rate) => Err(No::RateDoesNotFit),
            C::Change { rate, from } => {
                let version = u32::try_from(self.versions.len()).unwrap_or(u32::MAX).saturating_add(1);
                Ok(vec![E::Changed { version, rate, from }])
            }
            C::Retire if self.retired => Ok(vec![]),
            C::Retire => Ok(vec![E::Retired]),
        }
    }

    fn evolve(&mut self, event: TaxRateEvent) {
        match event {
            TaxRateEvent::Defined { terms, rate, from, .. } => {
                (self.terms, self.versions) = (Some(terms), vec![Version { rate, from }]);
            }
            TaxRateEvent::Changed { rate, from, .. } => self.versions.push(Version { rate, from }),
            TaxRateEvent::Retired => self.retired = true,
        }
    }
}

impl Event for TaxRateEvent {}
impl Refusal for TaxRateRefusal {
    fn kind(&self) -> Kind {
        use TaxRateRefusal as No;
        match self {
            No::Unknown => Kind::Missing,
            No::InvalidName | No::InvalidJurisdiction | No::RateDoesNotFit => Kind::Invalid,
            No::AlreadyDefined | No::NotLater(_) | No::Retired => Kind::Conflict,
        }
    }
}
sourced!(TaxRate, TaxRateEvent);

#[cfg(test)]
mod tests {
    use super::{TaxRateCommand as C, TaxRateEvent as E, TaxRateRefusal as No, *};
    use crate::kernel::given;

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, day).unwrap()
    }

    fn rate(parts: u32) -> Rate {
        Rate::try_from(parts).unwrap()
    }

    fn terms(treatment: Treatment) -> Terms {
        Terms { name: "MwSt".into(), jurisdiction: "DE".into(), treatment }
    }

    fn define() -> C {
        C::Define { terms: terms(Treatment::Taxed), rate: rate(190_000), from: day(2) }
    }

    fn change(parts: u32, from: u32) -> C {
        C::Change { rate: rate(parts), from: day(from) }
    }

    #[test]
    fn holds_from_a_day_on() {
        let code: TaxCode = "VAT".parse().unwrap();
        let tax = given::<TaxRate>([]).and(define()).and(change(160_000, 10));
        let on = |of: u32| {
            tax.0.on(code.clone(), day(of)).map(|applied| (applied.version, applied.rate.parts_per_million()))
        };
        assert_eq!((on(1), on(2), on(9)), (None, Some((1, 190_000)), Some((1, 190_000))));
        assert_eq!(on(10), Some((2, 160_000)));
        assert_eq!(tax.and(C::Retire).0.on(code, day(10)), None);
    }

    #[test]
    fn stands_for_one_thing_and_changes_only_forwards() {
        let none = given::<TaxRate>([]);
        assert_eq!(none.when(C::Retire), Err(No::Unknown));
        assert_eq!(none.when(change(1, 1)), Err(No::Unknown));
        let tax = none.and(define());
        assert_eq!(tax.when(define()), Ok(vec![]));
        let other = C::Define { terms: terms(Treatment::Taxed), rate: rate(1), from: day(2) };
        assert_eq!(tax.when(other), Err(No::AlreadyDefined));
        assert_eq!(tax.when(change(1, 2)), Err(No::NotLater(day(2))));
        assert_eq!(tax.when(change(0, 3)), Err(No::RateDoesNotFit));
        assert_eq!(tax.when(change(1, 3)), Ok(vec![E::Changed { version: 2, rate: rate(1), from: day(3) }]));
        assert_eq!(tax.when(C::Retire), Ok(vec![E::Retired]));
        let retired = tax.and(change(1, 3)).and(C::Retire);
        for again in [define(), change(1, 3), C::Retire] {
            assert_eq!(retired.when(again), Ok(vec![]));
        }
        assert_eq!(retired.when(change(2, 4)), Err(No::Retired));
    }

    #[test]
    fn makes_sense_or_is_refused() {
        let named = |name: &str| Terms { name: name.into(), ..terms(Treatment::Taxed) };
        let in_the = |place: &str| Terms { jurisdiction: place.into(), ..terms(Treatment::Taxed) };
        for (terms, parts, no) in [
            (named(" "), 1, No::InvalidName),
            (named(&"x".repeat(101)), 1, No::InvalidName),
            (in_the("de"), 1, No::InvalidJurisdiction),
            (in_the(""), 1, No::InvalidJurisdiction),
            (terms(Treatment::Taxed), 0, No::RateDoesNotFit),
            (terms(Treatment::ReverseCharge), 1, No::RateDoesNotFit),
        ] {
            let define = C::Define { terms, rate: rate(parts), from: day(1) };
            assert_eq!(given::<TaxRate>([]).when(define), Err(no));
        }
    }

    #[test]
    fn is_on_disk_as_it_always_was() {
        let (version, from) = (1, day(2));
        let pinned = [
            (
                E::Defined { terms: terms(Treatment::ReverseCharge), version, rate: Rate::ZERO, from },
                r#"{"type":"Defined","name":"MwSt","jurisdiction":"DE","treatment":"reverse_charge","version":1,"rate":0,"from":"2026-01-02"}"#,
            ),
            (
                E::Changed { version, rate: rate(160_000), from },
                r#"{"type":"Changed","version":1,"rate":160000,"from":"2026-01-02"}"#,
            ),
            (E::Retired, r#"{"type":"Retired"}"#),
        ];
        for (event, json) in pinned {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
        }
    }
}
