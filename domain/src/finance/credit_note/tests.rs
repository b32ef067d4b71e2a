//! Credit notes, rule by rule, and what holds of them whatever is asked.

use proptest::prelude::*;
use uuid::Uuid;

use super::CreditNoteCommand as C;
use super::CreditNoteEvent as E;
use super::CreditNoteRefusal as No;
use super::CreditNoteStatus as S;
use super::*;
use crate::kernel::{Given, given};

const INVOICE: InvoiceId = InvoiceId::from_uuid(Uuid::from_u128(1));
const CUSTOMER: CustomerId = CustomerId::from_uuid(Uuid::from_u128(2));

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn item_id(n: u128) -> InvoiceItemId {
    InvoiceItemId::from_uuid(Uuid::from_u128(n))
}

fn refund_id(n: u128) -> RefundId {
    RefundId::from_uuid(Uuid::from_u128(n))
}

fn lot(n: u128) -> CreditUse {
    CreditUse::Lot(LotId::from_uuid(Uuid::from_u128(n)))
}

fn terms(credit: i64, refund: i64, offset: i64) -> CreditNoteTerms {
    CreditNoteTerms {
        invoice: INVOICE,
        customer: CUSTOMER,
        billing_entity: BillingEntityId::from_uuid(Uuid::from_u128(3)),
        reason: "returned".into(),
        items: vec![CreditNoteItem { item: item_id(4), amount: usd(credit + refund + offset) }],
        credit: usd(credit),
        refund: usd(refund),
        offset: usd(offset),
    }
}

fn draft_of(terms: CreditNoteTerms) -> C {
    C::Draft(Box::new(terms))
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 2).unwrap()
}

fn finalise(number: &str, net: i64, tax: i64) -> C {
    let lines = vec![CreditNoteLine { item: item_id(4), taxed: Taxed { net: usd(net), tax: usd(tax) } }];
    C::Finalise { number: number.into(), issue_date: day(), lines, ledger_transaction: None }
}

fn use_up(n: u128, amount: i64) -> C {
    C::Use { of: lot(n), amount: usd(amount) }
}

fn refunded(n: u128, amount: i64) -> C {
    C::RecordRefunded { refund: refund_id(n), amount: usd(amount) }
}

fn void() -> C {
    C::Void { reason: "mistake".into() }
}

fn last(credit: i64, refund: i64, offset: i64) -> Given<CreditNote> {
    let whole = credit + refund + offset;
    given::<CreditNote>([]).and(draft_of(terms(credit, refund, offset))).and(finalise("G-1", whole, 0))
}

#[test]
fn is_drafted_in_parts_that_are_the_whole() {
    let none = given::<CreditNote>([]);
    assert_eq!(none.when(draft_of(terms(1, 2, 3))), Ok(vec![E::Drafted(Box::new(terms(1, 2, 3)))]));
    let one = none.and(draft_of(terms(1, 2, 3)));
    assert_eq!(one.when(draft_of(terms(1, 2, 3))), Ok(vec![]));
    assert_eq!(one.when(draft_of(terms(3, 2, 1))), Err(No::AlreadyDrafted));
    let with = |change: fn(&mut CreditNoteTerms)| {
        let mut terms = terms(1, 2, 3);
        change(&mut terms);
        given::<CreditNote>([]).when(draft_of(terms))
    };
    assert_eq!(with(|of| of.reason = " ".into()), Err(No::InvalidReason));
    assert_eq!(with(|of| of.items.clear()), Err(No::DoesNotAddUp));
    assert_eq!(with(|of| of.items[0].amount = usd(0)), Err(No::InvalidAmount));
    assert_eq!(with(|of| of.credit = usd(2)), Err(No::DoesNotAddUp));
    assert_eq!(with(|of| (of.credit, of.refund) = (usd(4), usd(-1))), Err(No::DoesNotAddUp));
    assert_eq!(
        with(|of| of.items = vec![CreditNoteItem { item: item_id(4), amount: usd(3) }; 2]),
        Err(No::DoesNotAddUp)
    );
    assert_eq!(with(|of| of.refund.currency = Currency::EUR), Err(No::OtherCurrency(Currency::USD)));
    let huge = |of: &mut CreditNoteTerms| (of.credit, of.items[0].amount) = (usd(i64::MAX), usd(i64::MAX));
    assert_eq!(with(huge), Err(No::AmountOutOfRange));
    for command in [finalise("G-1", 6, 0), use_up(1, 1), refunded(1, 1), void()] {
        assert_eq!(given::<CreditNote>([]).when(command), Err(No::Unknown));
    }
}

#[test]
fn becomes_final_with_the_lines_that_the_invoice_says() {
    let one = given::<CreditNote>([]).and(draft_of(terms(1, 2, 3)));
    assert_eq!(one.when(finalise(" ", 5, 1)), Err(No::InvalidNumber));
    assert_eq!(one.when(finalise("G-1", 5, 2)), Err(No::OtherLines));
    let events = one.when(finalise("G-1", 5, 1)).unwrap();
    assert!(matches!(&events[..], [E::Finalised { net, tax, .. }] if (*net, *tax) == (usd(5), usd(1))));
    assert_eq!(one.when(use_up(1, 1)), Err(No::NotFinal));
    let last_one = one.and(finalise("G-1", 5, 1));
    assert_eq!(last_one.when(finalise("G-1", 5, 1)), Ok(vec![]));
    assert_eq!(last_one.when(finalise("G-2", 5, 1)), Err(No::Immutable));
    // What is only taken off what is due, is done.
    assert_eq!(last(0, 0, 3).0.status(), Some(S::Consumed));
}

#[test]
fn is_consumed_when_its_credit_is_used_and_its_refund_is_paid() {
    let note = last(10, 5, 0);
    let used = E::Used { of: lot(1), amount: usd(4), left: usd(6) };
    assert_eq!(note.when(use_up(1, 4)), Ok(vec![used]));
    assert_eq!(note.when(use_up(1, 11)), Err(No::ExceedsCredit(usd(10))));
    assert_eq!(note.when(use_up(1, 0)), Err(No::InvalidAmount));
    assert_eq!(note.when(refunded(1, 6)), Err(No::ExceedsRefund(usd(5))));
    let eur = C::Use { of: lot(1), amount: Money::new(1, Currency::EUR) };
    assert_eq!(note.when(eur), Err(No::OtherCurrency(Currency::USD)));
    let part = note.and(use_up(1, 10));
    assert_eq!(part.when(use_up(1, 10)), Ok(vec![]));
    assert_eq!(part.when(use_up(1, 9)), Err(No::AlreadyRecorded));
    let paid = E::Refunded { refund: refund_id(1), amount: usd(5), left: usd(0) };
    assert_eq!(part.when(refunded(1, 5)), Ok(vec![paid, E::Consumed { invoice: INVOICE }]));
    let over = part.and(refunded(1, 5));
    assert_eq!(over.0.status(), Some(S::Consumed));
    assert_eq!(over.when(refunded(1, 5)), Ok(vec![]));
    assert_eq!(over.when(refunded(1, 4)), Err(No::AlreadyRecorded));
    assert_eq!(over.when(use_up(2, 1)), Err(No::Closed));
    assert_eq!(over.when(void()), Err(No::Closed));
    let other_way = last(10, 5, 0).and(refunded(1, 5)).and(use_up(1, 10));
    assert_eq!(other_way.0.status(), Some(S::Consumed));
}

#[test]
fn gives_up_what_is_left_of_the_credit() {
    let voided = |amount| vec![E::Voided { invoice: INVOICE, amount: usd(amount), reason: "mistake".into() }];
    let draft = given::<CreditNote>([]).and(draft_of(terms(1, 2, 3)));
    assert_eq!(draft.when(void()), Ok(voided(0)));
    assert_eq!(draft.and(void()).when(finalise("G-1", 6, 0)), Err(No::Immutable));
    assert_eq!(last(10, 5, 0).when(void()), Err(No::RefundOwed(usd(5))));
    let part = last(10, 5, 0).and(refunded(1, 5)).and(use_up(1, 4));
    assert_eq!(part.when(C::Void { reason: String::new() }), Err(No::InvalidReason));
    assert_eq!(part.when(void()), Ok(voided(6)));
    let over = part.and(void());
    assert_eq!((over.when(void()), over.when(use_up(2, 1))), (Ok(vec![]), Err(No::Closed)));
}

#[test]
fn is_on_disk_as_it_always_was() {
    let money = r#"{"amount":5,"currency":"USD"}"#;
    let item = "item_00000000000000000000000004";
    let invoice = r#""invoice":"invc_00000000000000000000000001""#;
    let customer = r#""customer":"cus_00000000000000000000000002""#;
    let parts = |credit| {
        format!(
            r#""credit":{{"amount":{credit},"currency":"USD"}},"refund":{{"amount":0,"currency":"USD"}},"offset":{{"amount":0,"currency":"USD"}}"#
        )
    };
    let taxed = Taxed { net: usd(5), tax: usd(5) };
    let finalised = E::Finalised {
        number: "G-1".into(),
        issue_date: day(),
        invoice: INVOICE,
        customer: CUSTOMER,
        lines: vec![CreditNoteLine { item: item_id(4), taxed }],
        net: usd(5),
        tax: usd(5),
        credit: usd(10),
        refund: usd(0),
        offset: usd(0),
        ledger_transaction: Some(LedgerTransactionId::from_uuid(Uuid::from_u128(8))),
    };
    let pinned = [
        (
            E::Drafted(Box::new(terms(5, 0, 0))),
            format!(
                r#"{{"type":"Drafted",{invoice},{customer},"billing_entity":"bent_00000000000000000000000003","reason":"returned","items":[{{"item":"{item}","amount":{money}}}],{}}}"#,
                parts(5)
            ),
        ),
        (
            finalised,
            format!(
                r#"{{"type":"Finalised","number":"G-1","issue_date":"2026-01-02",{invoice},{customer},"lines":[{{"item":"{item}","net":{money},"tax":{money}}}],"net":{money},"tax":{money},{},"ledger_transaction":"ltx_00000000000000000000000008"}}"#,
                parts(10)
            ),
        ),
        (
            E::Used { of: lot(6), amount: usd(5), left: usd(5) },
            format!(
                r#"{{"type":"Used","of":{{"lot":"lot_00000000000000000000000006"}},"amount":{money},"left":{money}}}"#
            ),
        ),
        (
            E::Used { of: CreditUse::Invoice(INVOICE), amount: usd(5), left: usd(5) },
            format!(r#"{{"type":"Used","of":{{{invoice}}},"amount":{money},"left":{money}}}"#),
        ),
        (
            E::Refunded { refund: refund_id(7), amount: usd(5), left: usd(5) },
            format!(
                r#"{{"type":"Refunded","refund":"rfnd_00000000000000000000000007","amount":{money},"left":{money}}}"#
            ),
        ),
        (E::Consumed { invoice: INVOICE }, format!(r#"{{"type":"Consumed",{invoice}}}"#)),
        (
            E::Voided { invoice: INVOICE, amount: usd(5), reason: "x".into() },
            format!(r#"{{"type":"Voided",{invoice},"amount":{money},"reason":"x"}}"#),
        ),
    ];
    for (event, json) in pinned {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(&json).unwrap(), event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_more_is_used_or_paid_back_than_there_is(
        credit in 0i64..100, refund in 0i64..100, offset in 0i64..3,
        asked in prop::collection::vec((any::<bool>(), 0u128..6, -1i64..60, 0u8..20), 0..30),
    ) {
        prop_assume!(credit + refund + offset > 0);
        let mut note = last(credit, refund, offset).0;
        let (mut used, mut paid, mut ends) = (0, 0, u8::from(credit + refund == 0));
        for (is_use, n, amount, chance) in asked {
            let command = match (chance, is_use) {
                (0, _) => void(),
                (_, true) => use_up(n, amount),
                (_, false) => refunded(n, amount),
            };
            for event in note.decide(command.clone()).unwrap_or_default() {
                prop_assert_eq!(ends, 0, "nothing follows the end");
                match &event {
                    E::Used { amount, left, .. } => {
                        used += amount.amount;
                        prop_assert_eq!(left.amount, credit - used);
                    }
                    E::Refunded { amount, left, .. } => {
                        paid += amount.amount;
                        prop_assert_eq!(left.amount, refund - paid);
                    }
                    E::Voided { amount, .. } => {
                        prop_assert_eq!((paid, used + amount.amount), (refund, credit));
                        ends += 1;
                    }
                    E::Consumed { .. } => {
                        prop_assert_eq!((used, paid), (credit, refund));
                        ends += 1;
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
                note.evolve(event);
            }
            prop_assert!(used <= credit && paid <= refund);
        }
    }
}
