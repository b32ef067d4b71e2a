//! Billing entity: a legal entity of the workspace that invoices, and how it does.
//!
//! What an invoice needs of it is taken over when it is drafted, so a change concerns later ones only. Its name and
//! address are those of a person where a person trades, and sealed.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::BillingEntityId;
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::pii::Pii;
use crate::tax::Taxing;
use crate::{personal, sourced};

personal! {
    /// Under which name it trades.
    pub LegalName = "finance.billing_entity", "legal_name", Legal;
    /// Where it sits, in the lines of a letter.
    pub Seat = "finance.billing_entity", "seat", Legal;
}

/// The longest prefix of a number and the longest tax number.
pub const MAX_PREFIX: usize = 20;
pub const MAX_TAX_NUMBER: usize = 32;
/// The longest time to pay in, in days.
pub const MAX_TERMS: u16 = 365;

/// How a billing entity invoices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub legal_name: Pii<LegalName>,
    pub seat: Pii<Seat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_number: Option<String>,
    /// What stands before the numbers: printable ASCII without blanks.
    pub invoice_prefix: String,
    pub credit_note_prefix: String,
    pub taxing: Taxing,
    /// In how many days an invoice is to be paid.
    pub terms_days: u16,
}

/// What may be asked of a billing entity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum BillingEntityCommand {
    Register(Box<Settings>),
    Change(Box<Settings>),
    /// It invoices no more.
    Close,
}

/// What has happened to a billing entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum BillingEntityEvent {
    Registered(Box<Settings>),
    Changed(Box<Settings>),
    Closed,
}

/// Why a billing entity says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum BillingEntityRefusal {
    #[error("no such billing entity")]
    Unknown,
    #[error("the billing entity exists already, with other settings")]
    AlreadyRegistered,
    #[error("a prefix has up to {MAX_PREFIX} printable characters of ASCII, and no blank")]
    InvalidPrefix,
    #[error("invoices and credit notes have prefixes of their own, or their numbers would be the same")]
    SamePrefix,
    #[error("a tax number is 1 to {MAX_TAX_NUMBER} of A-Z a-z 0-9 . / - and blanks")]
    InvalidTaxNumber,
    #[error("an invoice is to be paid within {MAX_TERMS} days")]
    InvalidTerms,
    #[error("the billing entity is closed")]
    Closed,
}

/// A billing entity, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BillingEntity {
    settings: Option<Box<Settings>>,
    closed: bool,
}

impl BillingEntity {
    /// How it invoices; `None` before it exists and once it is closed.
    #[must_use]
    pub fn settings(&self) -> Option<&Settings> {
        self.settings.as_deref().filter(|_| !self.closed)
    }
}

impl Settings {
    fn check(&self) -> Result<(), BillingEntityRefusal> {
        use BillingEntityRefusal as No;
        let is_prefix = |text: &str| text.len() <= MAX_PREFIX && text.bytes().all(|b| b.is_ascii_graphic());
        let is_number = |text: &String| {
            (1..=MAX_TAX_NUMBER).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-/ ".contains(&b))
                && text.bytes().any(|b| b.is_ascii_alphanumeric())
        };
        if !is_prefix(&self.invoice_prefix) || !is_prefix(&self.credit_note_prefix) {
            return Err(No::InvalidPrefix);
        }
        if self.invoice_prefix == self.credit_note_prefix {
            return Err(No::SamePrefix);
        }
        if !self.tax_number.as_ref().is_none_or(is_number) {
            return Err(No::InvalidTaxNumber);
        }
        if self.terms_days > MAX_TERMS { Err(No::InvalidTerms) } else { Ok(()) }
    }
}

impl Decider for BillingEntity {
    const NAME: &'static str = "finance.billing_entity";
    type Id = BillingEntityId;
    type Command = BillingEntityCommand;
    type Event = BillingEntityEvent;
    type Refusal = BillingEntityRefusal;

    fn decide(&self, command: BillingEntityCommand) -> Result<Vec<BillingEntityEvent>, BillingEntityRefusal> {
        use {BillingEntityCommand as C, BillingEntityEvent as E, BillingEntityRefusal as No};
        match (command, &self.settings) {
            (C::Register(settings), None) => settings.check().map(|()| vec![E::Registered(settings)]),
            (_, None) => Err(No::Unknown),
            (C::Register(settings) | C::Change(settings), Some(there)) if settings == *there => Ok(vec![]),
            (C::Register(_), Some(_)) => Err(No::AlreadyRegistered),
            (C::Change(_), Some(_)) if self.closed => Err(No::Closed),
            (C::Change(settings), Some(_)) => settings.check().map(|()| vec![E::Changed(settings)]),
            (C::Close, Some(_)) if self.closed => Ok(vec![]),
            (C::Close, Some(_)) => Ok(vec![E::Closed]),
        }
    }

    fn evolve(&mut self, event: BillingEntityEvent) {
        match event {
            BillingEntityEvent::Registered(settings) | BillingEntityEvent::Changed(settings) => {
                self.settings = Some(settings);
            }
            BillingEntityEvent::Closed => self.closed = true,
        }
    }
}

impl Event for BillingEntityEvent {}
impl Refusal for BillingEntityRefusal {
    fn kind(&self) -> Kind {
        use BillingEntityRefusal as No;
        match self {
            No::Unknown => Kind::Missing,
            No::InvalidPrefix | No::SamePrefix | No::InvalidTaxNumber | No::InvalidTerms => Kind::Invalid,
            No::AlreadyRegistered | No::Closed => Kind::Conflict,
        }
    }
}
sourced!(BillingEntity, BillingEntityEvent);

#[cfg(test)]
mod tests {
    use super::{BillingEntityCommand as C, BillingEntityEvent as E, BillingEntityRefusal as No, *};
    use crate::kernel::given;
    use crate::pii::Sealed;

    fn settings(terms_days: u16) -> Box<Settings> {
        let sealed = Sealed::of_parts(&"k".repeat(22), &"b".repeat(75)).unwrap();
        Box::new(Settings {
            legal_name: Pii::new(sealed.clone()),
            seat: Pii::new(sealed),
            tax_number: Some("DE 123/456".into()),
            invoice_prefix: "R-".into(),
            credit_note_prefix: "G-".into(),
            taxing: Taxing::default(),
            terms_days,
        })
    }

    #[test]
    fn is_registered_changed_and_closed() {
        let none = given::<BillingEntity>([]);
        assert_eq!(none.when(C::Register(settings(14))), Ok(vec![E::Registered(settings(14))]));
        for command in [C::Change(settings(14)), C::Close] {
            assert_eq!(none.when(command), Err(No::Unknown));
        }
        let entity = none.and(C::Register(settings(14)));
        assert_eq!(entity.when(C::Register(settings(14))), Ok(vec![]));
        assert_eq!(entity.when(C::Register(settings(15))), Err(No::AlreadyRegistered));
        assert_eq!(entity.when(C::Change(settings(14))), Ok(vec![]));
        assert_eq!(entity.when(C::Change(settings(15))), Ok(vec![E::Changed(settings(15))]));
        assert_eq!(entity.when(C::Change(settings(366))), Err(No::InvalidTerms));
        assert_eq!(entity.when(C::Close), Ok(vec![E::Closed]));
        let closed = entity.and(C::Close);
        assert_eq!((closed.when(C::Close), closed.0.settings()), (Ok(vec![]), None));
        assert_eq!(closed.when(C::Change(settings(15))), Err(No::Closed));
    }

    #[test]
    fn makes_sense_or_is_refused() {
        let with = |change: fn(&mut Settings)| {
            let mut settings = settings(14);
            change(&mut settings);
            given::<BillingEntity>([]).when(C::Register(settings))
        };
        assert!(with(|of| of.invoice_prefix = String::new()).is_ok());
        assert_eq!(with(|of| of.invoice_prefix = "R ".into()), Err(No::InvalidPrefix));
        assert_eq!(with(|of| of.credit_note_prefix = "x".repeat(21)), Err(No::InvalidPrefix));
        assert_eq!(with(|of| of.credit_note_prefix = "R-".into()), Err(No::SamePrefix));
        for bad in ["", " ", "a\n"] {
            let mut settings = settings(14);
            settings.tax_number = Some(bad.into());
            assert_eq!(given::<BillingEntity>([]).when(C::Register(settings)), Err(No::InvalidTaxNumber));
        }
    }

    #[test]
    fn is_on_disk_as_it_always_was() {
        let sealed = format!("pii1.{}.{}", "k".repeat(22), "b".repeat(75));
        let rest = format!(
            r#""legal_name":"{sealed}","seat":"{sealed}","tax_number":"DE 123/456","invoice_prefix":"R-","credit_note_prefix":"G-","taxing":{{"prices":"tax_exclusive","round_per":"line","rounding":"half_away_from_zero"}},"terms_days":14"#
        );
        for (event, json) in [
            (E::Registered(settings(14)), format!(r#"{{"type":"Registered",{rest}}}"#)),
            (E::Changed(settings(14)), format!(r#"{{"type":"Changed",{rest}}}"#)),
            (E::Closed, r#"{"type":"Closed"}"#.to_owned()),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
        }
    }
}
