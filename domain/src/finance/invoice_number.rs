//! Invoice numbers: what invoices and credit notes are called, 1, 2, 3 … for each billing entity, without a gap and
//! none twice.
//!
//! A billing entity has two series, in one stream under its id. A number is taken in the append that makes a document
//! final, and named by whoever takes it: asked for a second time it is refused, so no document gets two.

use serde::{Deserialize, Serialize};
use strum::AsRefStr;

use crate::ids::{BillingEntityId, CreditNoteId, InvoiceId};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::sourced;

/// What is numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Document {
    Invoice(InvoiceId),
    CreditNote(CreditNoteId),
}

/// What may be asked of the numbers of a billing entity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum InvoiceNumberCommand {
    /// Give a document this one, which is the next of its series.
    Take { document: Document, number: u64, prefix: String },
}

/// What has happened to the numbers of a billing entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum InvoiceNumberEvent {
    Taken {
        document: Document,
        number: u64,
        /// As people write it: with what the billing entity put before it then.
        text: String,
    },
}

/// Why a series says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum InvoiceNumberRefusal {
    #[error("{taken} is taken, the next number is {next}")]
    NotTheNext { taken: u64, next: u64 },
}

/// A series: how far it has come, and for which document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Series {
    last: u64,
    document: Option<Document>,
}

/// The numbers of a billing entity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InvoiceNumbers {
    invoices: Series,
    credit_notes: Series,
}

impl InvoiceNumbers {
    const fn series(&self, document: Document) -> &Series {
        match document {
            Document::Invoice(_) => &self.invoices,
            Document::CreditNote(_) => &self.credit_notes,
        }
    }

    /// The next number of a document's series, and how it is written.
    #[must_use]
    pub fn next(&self, document: Document, prefix: &str) -> (u64, String) {
        let number = self.series(document).last.saturating_add(1);
        (number, format!("{prefix}{number}"))
    }
}

impl Decider for InvoiceNumbers {
    const NAME: &'static str = "finance.invoice_number";
    type Id = BillingEntityId;
    type Command = InvoiceNumberCommand;
    type Event = InvoiceNumberEvent;
    type Refusal = InvoiceNumberRefusal;

    fn decide(&self, command: InvoiceNumberCommand) -> Result<Vec<InvoiceNumberEvent>, InvoiceNumberRefusal> {
        let InvoiceNumberCommand::Take { document, number, prefix } = command;
        let Series { last, document: holder } = *self.series(document);
        if number == last && holder == Some(document) {
            return Ok(vec![]);
        }
        let (next, text) = self.next(document, &prefix);
        if number != next {
            return Err(InvoiceNumberRefusal::NotTheNext { taken: last, next });
        }
        Ok(vec![InvoiceNumberEvent::Taken { document, number, text }])
    }

    fn evolve(&mut self, event: InvoiceNumberEvent) {
        let InvoiceNumberEvent::Taken { document, number, .. } = event;
        let series = match document {
            Document::Invoice(_) => &mut self.invoices,
            Document::CreditNote(_) => &mut self.credit_notes,
        };
        *series = Series { last: number, document: Some(document) };
    }
}

impl Event for InvoiceNumberEvent {}

impl Refusal for InvoiceNumberRefusal {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }
}

sourced!(InvoiceNumbers, InvoiceNumberEvent);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::given;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn invoice(n: u128) -> Document {
        Document::Invoice(InvoiceId::from_uuid(Uuid::from_u128(n)))
    }

    fn credit_note(n: u128) -> Document {
        Document::CreditNote(CreditNoteId::from_uuid(Uuid::from_u128(n)))
    }

    fn take(document: Document, number: u64) -> InvoiceNumberCommand {
        InvoiceNumberCommand::Take { document, number, prefix: "R-".into() }
    }

    #[test]
    fn are_taken_one_after_the_other_in_two_series() {
        let none = given::<InvoiceNumbers>([]);
        assert_eq!(none.0.next(invoice(7), "R-"), (1, "R-1".into()));
        let taken = InvoiceNumberEvent::Taken { document: invoice(7), number: 1, text: "R-1".into() };
        assert_eq!(none.when(take(invoice(7), 1)), Ok(vec![taken]));
        let one = none.and(take(invoice(7), 1));
        assert_eq!(one.when(take(invoice(7), 1)), Ok(vec![]));
        let next = InvoiceNumberRefusal::NotTheNext { taken: 1, next: 2 };
        assert_eq!(one.when(take(invoice(8), 1)), Err(next));
        assert!(one.when(take(invoice(8), 3)).is_err());
        assert!(one.when(take(credit_note(7), 1)).is_ok());
        // One that is asked for again long after would get two.
        assert!(one.and(take(invoice(8), 2)).when(take(invoice(7), 1)).is_err());
    }

    #[test]
    fn are_on_disk_as_they_always_were() {
        for (document, named) in [
            (invoice(1), r#"{"invoice":"invc_00000000000000000000000001"}"#),
            (credit_note(1), r#"{"credit_note":"crn_00000000000000000000000001"}"#),
        ] {
            let event = InvoiceNumberEvent::Taken { document, number: 12, text: "R-12".into() };
            let json = format!(r#"{{"type":"Taken","document":{named},"number":12,"text":"R-12"}}"#);
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<InvoiceNumberEvent>(&json).unwrap(), event);
        }
    }

    proptest! {
        #[test]
        fn have_no_gap_whatever_is_asked(asked in prop::collection::vec((0u128..5, any::<bool>(), 0u64..30), 0..200)) {
            let (mut numbers, mut counts) = (InvoiceNumbers::default(), [0u64; 2]);
            for (n, credit, number) in asked {
                let document = if credit { credit_note(n) } else { invoice(n) };
                for event in numbers.decide(take(document, number)).unwrap_or_default() {
                    let InvoiceNumberEvent::Taken { number, .. } = &event;
                    counts[usize::from(credit)] += 1;
                    prop_assert_eq!(*number, counts[usize::from(credit)]);
                    numbers.evolve(event);
                }
            }
        }
    }
}
