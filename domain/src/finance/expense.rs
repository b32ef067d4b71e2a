//! Expense: what a workspace spends, from the claim to the payment.
//!
//! `Submitted → Approved → Paid`, or `Rejected` or `Voided`. Nobody approves what they submitted themselves. What is
//! approved stays as it is: what is wrong is voided, also when it is paid, and submitted anew. Names and notes are of
//! people and sealed.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumString};

use crate::ids::{AccountId, ExpenseId, LedgerTransactionId, TaxCode};
use crate::kernel::{Decider, Event, Kind, Refusal};
use crate::money::Money;
use crate::pii::Pii;
use crate::text::is_blank;
use crate::{personal, sourced};

personal! {
    /// Who was paid or is to be.
    pub Supplier = "finance.expense", "supplier", Legal;
    /// What it was for, in the words of whoever spent it.
    pub Note = "finance.expense", "note", Content;
}

/// The longest category, reference and reason, in characters.
pub const MAX_CATEGORY: usize = 64;
pub const MAX_REFERENCE: usize = 200;
pub const MAX_REASON: usize = 500;

/// What was spent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpenseTerms {
    /// In the workspace's own words: `hosting`, `travel`.
    pub category: String,
    /// The day it counts for.
    pub date: NaiveDate,
    /// With its tax.
    pub amount: Money,
    /// What of it is tax.
    pub tax: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_code: Option<TaxCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<Pii<Supplier>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Pii<Note>>,
}

/// What may be asked of an expense.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ExpenseCommand {
    Submit { terms: Box<ExpenseTerms>, by: AccountId },
    Approve { by: AccountId },
    Reject { by: AccountId, reason: String },
    RecordPaid { on: NaiveDate, reference: String, ledger_transaction: Option<LedgerTransactionId> },
    Void { reason: String },
}

/// What has happened to an expense.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AsRefStr)]
#[serde(tag = "type")]
pub enum ExpenseEvent {
    Submitted {
        by: AccountId,
        #[serde(flatten)]
        terms: Box<ExpenseTerms>,
    },
    Approved {
        by: AccountId,
        amount: Money,
        tax: Money,
    },
    Rejected {
        by: AccountId,
        reason: String,
    },
    Paid {
        on: NaiveDate,
        amount: Money,
        reference: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ledger_transaction: Option<LedgerTransactionId>,
    },
    /// With whether it had been paid.
    Voided {
        amount: Money,
        was_paid: bool,
        reason: String,
    },
}

/// How an expense stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, AsRefStr, EnumString)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ExpenseStatus {
    Submitted,
    Approved,
    Rejected,
    Paid,
    Voided,
}

/// Why an expense says no.
#[derive(Debug, PartialEq, thiserror::Error, AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum ExpenseRefusal {
    #[error("no such expense")]
    Unknown,
    #[error("the expense exists already, with other terms")]
    AlreadySubmitted,
    #[error("nothing new is in this currency: {0}")]
    CurrencyNotInUse(crate::currency::NotInUse),
    #[error("an amount is more than 0, its tax from 0 to the amount, in the same currency")]
    InvalidAmount,
    #[error("an amount is at most {} minor units", Money::MOST)]
    AmountOutOfRange,
    #[error("a category has 1 to {MAX_CATEGORY} characters and is not blank")]
    InvalidCategory,
    #[error("a reason has 1 to {MAX_REASON} characters, a reference 1 to {MAX_REFERENCE}, and is not blank")]
    InvalidText,
    #[error("nobody approves what they submitted: ask a second person")]
    NeedsSecondPerson,
    #[error("the expense is not approved")]
    NotApproved,
    #[error("the expense is approved: void it")]
    AlreadyApproved,
    #[error("the expense is paid, with another reference")]
    AlreadyPaid,
    #[error("the expense is over")]
    Closed,
}

/// An expense, as far as its rules need to remember it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Expense {
    claim: Option<(AccountId, ExpenseTerms)>,
    status: Option<ExpenseStatus>,
    paid: Option<(NaiveDate, String)>,
}

type Decided = Result<Vec<ExpenseEvent>, ExpenseRefusal>;

impl Expense {
    /// How it stands; `None` before it exists.
    #[must_use]
    pub fn status(&self) -> Option<ExpenseStatus> {
        self.status
    }
}

fn is_text(text: &str, most: usize) -> bool {
    !is_blank(text) && text.chars().count() <= most
}

fn submit(terms: Box<ExpenseTerms>, by: AccountId) -> Decided {
    use ExpenseRefusal as No;
    let (amount, tax) = (terms.amount, terms.tax);
    amount.currency.in_use().map_err(No::CurrencyNotInUse)?;
    let is_sound = amount.amount > 0 && (0..=amount.amount).contains(&tax.amount);
    match () {
        () if tax.currency != amount.currency || !is_sound => Err(No::InvalidAmount),
        () if !amount.is_in_range() => Err(No::AmountOutOfRange),
        () if !is_text(&terms.category, MAX_CATEGORY) => Err(No::InvalidCategory),
        () => Ok(vec![ExpenseEvent::Submitted { by, terms }]),
    }
}

impl Decider for Expense {
    const NAME: &'static str = "finance.expense";
    type Id = ExpenseId;
    type Command = ExpenseCommand;
    type Event = ExpenseEvent;
    type Refusal = ExpenseRefusal;

    fn decide(&self, command: ExpenseCommand) -> Decided {
        use ExpenseStatus as S;
        use {ExpenseCommand as C, ExpenseEvent as E, ExpenseRefusal as No};
        let (Some((claimant, terms)), Some(status)) = (&self.claim, self.status) else {
            let C::Submit { terms, by } = command else { return Err(No::Unknown) };
            return submit(terms, by);
        };
        let &ExpenseTerms { amount, tax, .. } = terms;
        match (command, status) {
            (C::Submit { terms: again, by }, _) => {
                if *again == *terms && by == *claimant {
                    Ok(vec![])
                } else {
                    Err(No::AlreadySubmitted)
                }
            }
            (C::Approve { by }, S::Submitted) if by == *claimant => Err(No::NeedsSecondPerson),
            (C::Approve { by }, S::Submitted) => Ok(vec![E::Approved { by, amount, tax }]),
            (C::Approve { .. }, S::Approved | S::Paid) => Ok(vec![]),
            (C::Approve { .. }, S::Rejected | S::Voided) => Err(No::Closed),

            (C::Reject { .. }, S::Rejected) => Ok(vec![]),
            (C::Reject { .. }, S::Approved | S::Paid) => Err(No::AlreadyApproved),
            (C::Reject { .. }, S::Voided) => Err(No::Closed),
            (C::Reject { reason, .. }, _) if !is_text(&reason, MAX_REASON) => Err(No::InvalidText),
            (C::Reject { by, reason }, S::Submitted) => Ok(vec![E::Rejected { by, reason }]),

            (C::RecordPaid { on, reference, .. }, S::Paid) => {
                let same = self.paid == Some((on, reference));
                if same { Ok(vec![]) } else { Err(No::AlreadyPaid) }
            }
            (C::RecordPaid { .. }, S::Submitted) => Err(No::NotApproved),
            (C::RecordPaid { .. }, S::Rejected | S::Voided) => Err(No::Closed),
            (C::RecordPaid { reference, .. }, _) if !is_text(&reference, MAX_REFERENCE) => {
                Err(No::InvalidText)
            }
            (C::RecordPaid { on, reference, ledger_transaction }, S::Approved) => {
                Ok(vec![E::Paid { on, amount, reference, ledger_transaction }])
            }

            (C::Void { .. }, S::Voided) => Ok(vec![]),
            (C::Void { .. }, S::Rejected) => Err(No::Closed),
            (C::Void { reason }, _) if !is_text(&reason, MAX_REASON) => Err(No::InvalidText),
            (C::Void { reason }, status) => {
                Ok(vec![E::Voided { amount, was_paid: status == S::Paid, reason }])
            }
        }
    }

    fn evolve(&mut self, event: ExpenseEvent) {
        use {ExpenseEvent as E, ExpenseStatus as S};
        self.status = Some(match event {
            E::Submitted { by, terms } => {
                self.claim = Some((by, *terms));
                S::Submitted
            }
            E::Approved { .. } => S::Approved,
            E::Rejected { .. } => S::Rejected,
            E::Paid { on, reference, .. } => {
                self.paid = Some((on, reference));
                S::Paid
            }
            E::Voided { .. } => S::Voided,
        });
    }
}

impl Event for ExpenseEvent {}
impl Refusal for ExpenseRefusal {
    fn kind(&self) -> Kind {
        use ExpenseRefusal as No;
        match self {
            No::Unknown => Kind::Missing,
            No::CurrencyNotInUse(_)
            | No::InvalidAmount
            | No::AmountOutOfRange
            | No::InvalidCategory
            | No::InvalidText => Kind::Invalid,
            _ => Kind::Conflict,
        }
    }
}
sourced!(Expense, ExpenseEvent);

#[cfg(test)]
mod tests {
    use super::{ExpenseCommand as C, ExpenseEvent as E, ExpenseRefusal as No, ExpenseStatus as S, *};
    use crate::kernel::{Given, given};
    use crate::money::Currency;
    use crate::pii::Sealed;
    use uuid::Uuid;

    const ANN: AccountId = AccountId::from_uuid(Uuid::from_u128(1));
    const BOB: AccountId = AccountId::from_uuid(Uuid::from_u128(2));

    fn usd(amount: i64) -> Money {
        Money::new(amount, Currency::USD)
    }

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 2).unwrap()
    }

    fn terms() -> ExpenseTerms {
        ExpenseTerms {
            category: "hosting".into(),
            date: day(),
            amount: usd(119),
            tax: usd(19),
            tax_code: None,
            supplier: None,
            note: None,
        }
    }

    fn submit_of(terms: ExpenseTerms) -> C {
        C::Submit { terms: Box::new(terms), by: ANN }
    }

    fn approve() -> C {
        C::Approve { by: BOB }
    }

    fn reject() -> C {
        C::Reject { by: BOB, reason: "private".into() }
    }

    fn pay(reference: &str) -> C {
        C::RecordPaid { on: day(), reference: reference.into(), ledger_transaction: None }
    }

    fn void() -> C {
        C::Void { reason: "twice".into() }
    }

    fn submitted() -> Given<Expense> {
        given::<Expense>([]).and(submit_of(terms()))
    }

    #[test]
    fn is_submitted_once_and_makes_sense() {
        let none = given::<Expense>([]);
        assert_eq!(
            none.when(submit_of(terms())),
            Ok(vec![E::Submitted { by: ANN, terms: Box::new(terms()) }])
        );
        assert_eq!(submitted().when(submit_of(terms())), Ok(vec![]));
        let other = C::Submit { terms: Box::new(terms()), by: BOB };
        assert_eq!(submitted().when(other), Err(No::AlreadySubmitted));
        let with = |change: fn(&mut ExpenseTerms)| {
            let mut terms = terms();
            change(&mut terms);
            given::<Expense>([]).when(submit_of(terms))
        };
        assert_eq!(with(|of| of.amount = usd(0)), Err(No::InvalidAmount));
        assert_eq!(with(|of| of.tax = usd(120)), Err(No::InvalidAmount));
        assert_eq!(with(|of| of.tax = usd(-1)), Err(No::InvalidAmount));
        assert_eq!(with(|of| of.tax.currency = Currency::EUR), Err(No::InvalidAmount));
        assert_eq!(with(|of| of.amount = usd(Money::MOST + 1)), Err(No::AmountOutOfRange));
        assert_eq!(with(|of| of.category = " ".into()), Err(No::InvalidCategory));
        let lev = with(|of| of.amount.currency = "BGN".parse().unwrap());
        assert!(matches!(lev, Err(No::CurrencyNotInUse(_))));
        for command in [approve(), reject(), pay("wire"), void()] {
            assert_eq!(none.when(command), Err(No::Unknown));
        }
    }

    #[test]
    fn is_approved_by_a_second_person_and_paid_once() {
        let approved = E::Approved { by: BOB, amount: usd(119), tax: usd(19) };
        assert_eq!(submitted().when(approve()), Ok(vec![approved]));
        assert_eq!(submitted().when(C::Approve { by: ANN }), Err(No::NeedsSecondPerson));
        assert_eq!(submitted().when(pay("wire")), Err(No::NotApproved));
        let approved = submitted().and(approve());
        assert_eq!(approved.when(approve()), Ok(vec![]));
        assert_eq!(approved.when(reject()), Err(No::AlreadyApproved));
        assert_eq!(approved.when(pay(" ")), Err(No::InvalidText));
        let paid =
            E::Paid { on: day(), amount: usd(119), reference: "wire".into(), ledger_transaction: None };
        assert_eq!(approved.when(pay("wire")), Ok(vec![paid]));
        let paid = approved.and(pay("wire"));
        assert_eq!(paid.0.status(), Some(S::Paid));
        assert_eq!((paid.when(pay("wire")), paid.when(approve())), (Ok(vec![]), Ok(vec![])));
        assert_eq!(paid.when(pay("other")), Err(No::AlreadyPaid));
        assert_eq!(paid.when(reject()), Err(No::AlreadyApproved));
    }

    #[test]
    fn is_rejected_or_voided_for_good() {
        let rejected = E::Rejected { by: BOB, reason: "private".into() };
        assert_eq!(submitted().when(reject()), Ok(vec![rejected]));
        let unsaid = C::Reject { by: BOB, reason: String::new() };
        assert_eq!(submitted().when(unsaid), Err(No::InvalidText));
        let over = submitted().and(reject());
        assert_eq!(over.when(reject()), Ok(vec![]));
        for command in [approve(), pay("wire"), void()] {
            assert_eq!(over.when(command), Err(No::Closed));
        }
        let voided = |was_paid| Ok(vec![E::Voided { amount: usd(119), was_paid, reason: "twice".into() }]);
        assert_eq!(submitted().when(void()), voided(false));
        assert_eq!(submitted().when(C::Void { reason: " ".into() }), Err(No::InvalidText));
        let paid = submitted().and(approve()).and(pay("wire"));
        assert_eq!(paid.when(void()), voided(true));
        let over = paid.and(void());
        assert_eq!(over.when(void()), Ok(vec![]));
        for command in [approve(), reject(), pay("wire")] {
            assert_eq!(over.when(command), Err(No::Closed));
        }
    }

    #[test]
    fn is_on_disk_as_it_always_was() {
        let money = |amount| format!(r#"{{"amount":{amount},"currency":"USD"}}"#);
        let bob = r#""by":"acc_00000000000000000000000002""#;
        let plain = format!(
            r#"{{"type":"Submitted",{bob},"category":"hosting","date":"2026-01-02","amount":{},"tax":{}"#,
            money(119),
            money(19)
        );
        let sealed = Sealed::of_parts(&"k".repeat(22), &"b".repeat(75)).unwrap();
        let full = ExpenseTerms {
            tax_code: Some("VAT".parse().unwrap()),
            supplier: Some(Pii::new(sealed.clone())),
            note: Some(Pii::new(sealed.clone())),
            ..terms()
        };
        let text = sealed.as_str();
        let pinned = [
            (E::Submitted { by: BOB, terms: Box::new(terms()) }, format!("{plain}}}")),
            (
                E::Submitted { by: BOB, terms: Box::new(full) },
                format!(r#"{plain},"tax_code":"VAT","supplier":"{text}","note":"{text}"}}"#),
            ),
            (
                E::Approved { by: BOB, amount: usd(5), tax: usd(1) },
                format!(r#"{{"type":"Approved",{bob},"amount":{},"tax":{}}}"#, money(5), money(1)),
            ),
            (
                E::Rejected { by: BOB, reason: "x".into() },
                format!(r#"{{"type":"Rejected",{bob},"reason":"x"}}"#),
            ),
            (
                E::Paid {
                    on: day(),
                    amount: usd(5),
                    reference: "x".into(),
                    ledger_transaction: Some(LedgerTransactionId::from_uuid(Uuid::from_u128(8))),
                },
                format!(
                    r#"{{"type":"Paid","on":"2026-01-02","amount":{},"reference":"x","ledger_transaction":"ltx_00000000000000000000000008"}}"#,
                    money(5)
                ),
            ),
            (
                E::Voided { amount: usd(5), was_paid: true, reason: "x".into() },
                format!(r#"{{"type":"Voided","amount":{},"was_paid":true,"reason":"x"}}"#, money(5)),
            ),
        ];
        for (event, json) in pinned {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
            assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
        }
    }
}
