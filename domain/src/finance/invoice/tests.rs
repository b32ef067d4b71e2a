//! Invoices, rule by rule.

use uuid::Uuid;

use super::InvoiceCommand as C;
use super::InvoiceEvent as E;
use super::InvoiceRefusal as No;
use super::InvoiceStatus as S;
use super::*;
use crate::kernel::{Given, given};
use crate::tax::{Rate, RoundPer, Treatment};

pub(super) const CUSTOMER: CustomerId = CustomerId::from_uuid(Uuid::from_u128(1));
const PAYMENT: PaymentId = PaymentId::from_uuid(Uuid::from_u128(2));

pub(super) fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

pub(super) fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, day).unwrap()
}

pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

pub(super) fn item_id(n: u128) -> InvoiceItemId {
    InvoiceItemId::from_uuid(Uuid::from_u128(n))
}

pub(super) fn allocation(n: u128) -> AllocationId {
    AllocationId::from_uuid(Uuid::from_u128(n))
}

pub(super) fn note(n: u128) -> CreditNoteId {
    CreditNoteId::from_uuid(Uuid::from_u128(n))
}

pub(super) fn vat() -> TaxCode {
    "VAT".parse().unwrap()
}

pub(super) fn rate(parts: u32) -> AppliedRate {
    AppliedRate {
        code: vat(),
        version: 3,
        rate: Rate::try_from(parts).unwrap(),
        treatment: Treatment::Taxed,
        jurisdiction: "DE".into(),
    }
}

pub(super) fn terms() -> InvoiceTerms {
    InvoiceTerms {
        customer: CUSTOMER,
        billing_entity: BillingEntityId::from_uuid(Uuid::from_u128(9)),
        currency: Currency::USD,
        settlement: Settlement::Due,
        taxing: Taxing::default(),
        order: None,
        bill_to: None,
    }
}

pub(super) fn item(n: u128, amount: i64) -> Item {
    Item {
        item: item_id(n),
        kind: ItemKind::Fixed,
        description: "Mug".into(),
        quantity: 1,
        amount: usd(amount),
        tax: ItemTax::Code(vat()),
        order_line: None,
        period: None,
        plan_version: None,
        price_trace: None,
    }
}

pub(super) fn add(item: Item) -> C {
    C::AddItem(Box::new(item))
}

pub(super) fn finalise() -> C {
    C::Finalise { number: "R-1".into(), issue_date: day(1), due_date: day(15), ledger_transaction: None }
}

pub(super) fn allocate(n: u128, amount: i64) -> C {
    C::AllocatePayment { allocation: allocation(n), payment: PAYMENT, amount: usd(amount) }
}

pub(super) fn void() -> C {
    C::Void { reason: "wrong".into(), replaced_by: None }
}

pub(super) fn write_off() -> C {
    C::WriteOff { reason: "insolvent".into(), ledger_transaction: None }
}

pub(super) fn credit(n: u128, items: &[(u128, i64)], credit: i64, refund: i64, offset: i64) -> C {
    let items = items.iter().map(|&(n, amount)| CreditedItem { item: item_id(n), amount: usd(amount) });
    C::IssueCreditNote(Crediting {
        credit_note: note(n),
        items: items.collect(),
        credit: usd(credit),
        refund: usd(refund),
        offset: usd(offset),
    })
}

fn draft() -> Given<Invoice> {
    given([E::Drafted(Box::new(terms()))])
}

/// 100.00 and 50.00 at 19 per cent: 178.50.
fn open() -> Given<Invoice> {
    draft()
        .and(add(item(1, 10_000)))
        .and(add(item(2, 5_000)))
        .and(C::RecordTax { rates: vec![rate(190_000)] })
        .and(finalise())
}

#[test]
fn is_drafted_once_and_unknown_before() {
    let none = given::<Invoice>([]);
    let draft_of = |terms| C::Draft(Box::new(terms));
    assert_eq!(none.when(draft_of(terms())), Ok(vec![E::Drafted(Box::new(terms()))]));
    assert_eq!(draft().when(draft_of(terms())), Ok(vec![]));
    let prepaid = InvoiceTerms { settlement: Settlement::Prepaid, ..terms() };
    assert_eq!(draft().when(draft_of(prepaid)), Err(No::AlreadyDrafted));
    let withdrawn = InvoiceTerms { currency: "BGN".parse().unwrap(), ..terms() };
    assert!(matches!(none.when(draft_of(withdrawn)), Err(No::CurrencyNotInUse(_))));
    for command in [add(item(1, 1)), finalise(), allocate(1, 1), void(), write_off()] {
        assert_eq!(none.when(command), Err(No::Unknown));
    }
}

#[test]
fn items_come_and_go_while_it_is_a_draft() {
    assert_eq!(draft().when(add(item(1, 5))), Ok(vec![E::ItemAdded(Box::new(item(1, 5)))]));
    let one = draft().and(add(item(1, 5)));
    assert_eq!(one.when(add(item(1, 5))), Ok(vec![]));
    assert_eq!(one.when(add(item(1, 6))), Err(No::ItemTaken(item_id(1))));
    let remove = |n| C::RemoveItem { item: item_id(n) };
    assert_eq!(one.when(remove(1)), Ok(vec![E::ItemRemoved { item: item_id(1) }]));
    assert_eq!(one.when(remove(2)), Ok(vec![]));
    assert_eq!(one.and(remove(1)).when(finalise()), Err(No::NoItems));
    let given_tax = |tax| Item { tax: ItemTax::Given(tax), ..item(2, 5) };
    let eur = Money::new(1, Currency::EUR);
    for (bad, no) in [
        (Item { amount: eur, ..item(2, 5) }, No::OtherCurrency(Currency::USD)),
        (item(2, Money::MOST + 1), No::AmountOutOfRange),
        (Item { description: " ".into(), ..item(2, 5) }, No::InvalidText),
        (Item { price_trace: Some(String::new()), ..item(2, 5) }, No::InvalidText),
        (Item { quantity: 0, ..item(2, 5) }, No::InvalidQuantity),
        (given_tax(usd(6)), No::InvalidTax),
        (given_tax(usd(-1)), No::InvalidTax),
        (given_tax(eur), No::OtherCurrency(Currency::USD)),
    ] {
        assert_eq!(draft().when(add(bad)), Err(no));
    }
    let full = (0..MAX_ITEMS as u128).fold(draft(), |draft, n| draft.and(add(item(n, 1))));
    assert_eq!(full.when(add(item(9_999, 1))), Err(No::TooManyItems));
}

#[test]
fn bills_no_time_twice() {
    let period = |n, charge: &str, from: i64, to: i64| {
        let period = Period { charge: charge.into(), from: at(from), to: at(to) };
        add(Item { period: Some(period), ..item(n, 5) })
    };
    let one = draft().and(period(1, "seat", 0, 10));
    assert_eq!(one.when(period(2, "seat", 9, 20)), Err(No::PeriodAlreadyBilled("seat".into())));
    assert!(one.when(period(2, "seat", 10, 20)).is_ok());
    assert!(one.when(period(2, "disk", 0, 10)).is_ok());
    assert_eq!(one.when(period(2, "disk", 10, 10)), Err(No::InvalidPeriod));
    assert_eq!(one.when(period(2, "", 0, 10)), Err(No::InvalidPeriod));
}

#[test]
fn becomes_final_when_all_tax_is_known() {
    let draft = draft().and(add(item(1, 10_000)));
    let record = |rates| C::RecordTax { rates };
    let fail = || C::RecordTaxFailed { code: vat(), reason: "no answer".into() };
    assert_eq!(draft.when(finalise()), Err(No::TaxPending(vat())));
    assert_eq!(draft.when(record(vec![])), Err(No::InvalidRates));
    assert_eq!(draft.when(record(vec![rate(1), rate(2)])), Err(No::InvalidRates));
    let other = AppliedRate { code: "GST".parse().unwrap(), ..rate(1) };
    assert_eq!(draft.when(record(vec![other])), Err(No::InvalidRates));
    assert_eq!(draft.when(C::RecordTaxFailed { code: vat(), reason: String::new() }), Err(No::InvalidText));
    let failed = draft.and(fail());
    assert_eq!(failed.when(fail()), Ok(vec![]));
    assert_eq!(failed.when(finalise()), Err(No::TaxFailed(vat())));
    let known = failed.and(record(vec![rate(190_000)]));
    assert_eq!(known.when(record(vec![rate(190_000)])), Ok(vec![]));
    let line = Taxed { net: usd(10_000), tax: usd(1_900) };
    let finalised = Finalised {
        number: "R-1".into(),
        issue_date: day(1),
        due_date: day(15),
        net: usd(10_000),
        tax: usd(1_900),
        total: usd(11_900),
        lines: vec![InvoiceLine { item: item_id(1), taxed: line }],
        rates: vec![RateTotal { rate: rate(190_000), taxed: line }],
        terms: terms(),
        ledger_transaction: None,
    };
    assert_eq!(known.when(finalise()), Ok(vec![E::Finalised(Box::new(finalised))]));
    let numbered = |number: &str, due_date| C::Finalise {
        number: number.into(),
        issue_date: day(2),
        due_date,
        ledger_transaction: None,
    };
    assert_eq!(known.when(numbered(" ", day(3))), Err(No::InvalidNumber));
    assert_eq!(known.when(numbered("R-1", day(1))), Err(No::InvalidDates));
    let last = known.and(finalise());
    assert_eq!((last.0.status(), last.0.due()), (Some(S::Open), Some(usd(11_900))));
    assert_eq!(last.when(finalise()), Ok(vec![]));
    assert_eq!(last.when(add(item(1, 10_000))), Ok(vec![]));
    let remove = C::RemoveItem { item: item_id(1) };
    for command in [numbered("R-2", day(3)), add(item(2, 5)), remove, record(vec![rate(1)]), fail()] {
        assert_eq!(last.when(command), Err(No::InvoiceImmutable));
    }
}

#[test]
fn reckons_tax_per_line_or_per_rate_and_takes_over_what_was_agreed() {
    let tax_of = |round_per| {
        let taxing = Taxing { round_per, ..Taxing::default() };
        let drafted = given::<Invoice>([E::Drafted(Box::new(InvoiceTerms { taxing, ..terms() }))]);
        let ten = (0..10).fold(drafted, |draft, n| draft.and(add(item(n, 10))));
        let agreed = Item { tax: ItemTax::Given(usd(7)), ..item(10, 100) };
        let known = ten.and(add(agreed)).and(C::RecordTax { rates: vec![rate(190_000)] });
        match known.when(finalise()).unwrap().remove(0) {
            E::Finalised(finalised) => (finalised.net, finalised.tax, finalised.total),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(tax_of(RoundPer::Line), (usd(200), usd(27), usd(227)));
    assert_eq!(tax_of(RoundPer::Rate), (usd(200), usd(26), usd(226)));
}

#[test]
fn what_comes_to_nothing_is_paid_and_to_less_is_refused() {
    let known = |amount| {
        let draft = draft().and(add(item(1, 100))).and(add(item(2, amount)));
        draft.and(C::RecordTax { rates: vec![rate(190_000)] })
    };
    let free = known(-100).and(finalise());
    assert_eq!(free.0.status(), Some(S::Paid));
    assert_eq!(known(-101).when(finalise()), Err(No::NegativeTotal(usd(-1))));
    assert_eq!(known(Money::MOST).when(finalise()), Err(No::AmountOutOfRange));
}

#[test]
fn is_paid_in_parts_and_not_beyond() {
    let events = vec![E::PaymentAllocated {
        allocation: allocation(1),
        payment: PAYMENT,
        amount: usd(10_000),
        due: usd(7_850),
    }];
    assert_eq!(open().when(allocate(1, 10_000)), Ok(events));
    let part = open().and(allocate(1, 10_000));
    assert_eq!(part.0.status(), Some(S::Open));
    assert_eq!(part.when(allocate(1, 10_000)), Ok(vec![]));
    assert_eq!(part.when(allocate(1, 9_999)), Err(No::AllocationTaken(allocation(1))));
    assert_eq!(part.when(allocate(2, 7_851)), Err(No::OverAllocated(usd(7_850))));
    assert_eq!(part.when(allocate(2, 0)), Err(No::InvalidAmount));
    let eur = C::AllocatePayment {
        allocation: allocation(2),
        payment: PAYMENT,
        amount: Money::new(1, Currency::EUR),
    };
    assert_eq!(part.when(eur), Err(No::OtherCurrency(Currency::USD)));
    let source = CreditSource::CreditNote(note(7));
    let apply = |amount| C::ApplyCredit { source, amount: usd(amount) };
    let paid = E::Paid { customer: CUSTOMER, total: usd(17_850) };
    let applied = E::CreditApplied { source, amount: usd(7_850), due: usd(0) };
    assert_eq!(part.when(apply(7_850)), Ok(vec![applied, paid]));
    assert_eq!(part.when(apply(7_851)), Err(No::OverAllocated(usd(7_850))));
    let paid = part.and(apply(7_850));
    assert_eq!(paid.0.status(), Some(S::Paid));
    assert_eq!(paid.when(apply(7_850)), Ok(vec![]));
    assert_eq!(paid.when(apply(1)), Err(No::CreditTaken(source)));
    assert_eq!(paid.when(allocate(2, 1)), Err(No::OverAllocated(usd(0))));
    assert_eq!(paid.when(void()), Err(No::AlreadyPaid));
    assert_eq!(paid.when(write_off()), Err(No::Closed));
    for command in [allocate(1, 1), write_off(), credit(1, &[(1, 1)], 0, 0, 1)] {
        assert_eq!(draft().when(command), Err(No::NotFinal));
    }
    assert!(matches!(draft().0.credited(&[]), Err(No::NotFinal)));
}

#[test]
fn is_credited_item_by_item_with_its_tax() {
    let due = open();
    let third = Taxed { net: usd(3_333), tax: usd(633) };
    let lines = vec![InvoiceLine { item: item_id(1), taxed: third }];
    let (credit_note, nothing) = (note(1), usd(0));
    let issued = E::CreditNoteIssued {
        credit_note,
        lines,
        credit: nothing,
        refund: nothing,
        offset: usd(3_966),
        due: usd(13_884),
    };
    assert_eq!(due.when(credit(1, &[(1, 3_966)], 0, 0, 3_966)), Ok(vec![issued]));
    let part = due.and(credit(1, &[(1, 3_966)], 0, 0, 3_966));
    assert_eq!(part.when(credit(1, &[(1, 3_966)], 0, 0, 3_966)), Ok(vec![]));
    assert_eq!(part.when(credit(1, &[(1, 1)], 0, 0, 1)), Err(No::CreditNoteTaken(note(1))));
    let left = No::ExceedsItem { item: item_id(1), left: usd(7_934) };
    assert_eq!(part.when(credit(2, &[(1, 7_935)], 0, 0, 7_935)), Err(left));
    // The last part takes the rest of the tax.
    let rest = part.0.credited(&[CreditedItem { item: item_id(1), amount: usd(7_934) }]).unwrap();
    assert_eq!(rest[0].taxed, Taxed { net: usd(6_667), tax: usd(1_267) });
    assert_eq!(part.when(credit(2, &[(3, 1)], 0, 0, 1)), Err(No::UnknownItem(item_id(3))));
    assert_eq!(part.when(credit(2, &[(1, 1), (1, 1)], 0, 0, 2)), Err(No::DoesNotAddUp));
    assert_eq!(part.when(credit(2, &[], 0, 0, 0)), Err(No::DoesNotAddUp));
    assert_eq!(part.when(credit(2, &[(1, 5)], 0, 0, 4)), Err(No::DoesNotAddUp));
    assert_eq!(part.when(credit(2, &[(1, 5)], 6, -1, 0)), Err(No::DoesNotAddUp));
    assert_eq!(part.when(credit(2, &[(1, 5)], 3, 2, 0)), Err(No::ExceedsPaid(usd(0))));
    let paid = part.and(allocate(1, 13_884));
    assert_eq!(paid.when(credit(2, &[(2, 5)], 0, 0, 5)), Err(No::OverAllocated(usd(0))));
    let refunded = paid.and(credit(2, &[(1, 7_934), (2, 5_000)], 5_000, 7_934, 0));
    assert_eq!(refunded.0.status(), Some(S::Paid));
    assert_eq!(refunded.when(credit(3, &[(2, 950)], 951, 0, 0)), Err(No::DoesNotAddUp));
    let whole = open().and(credit(1, &[(1, 11_900), (2, 5_950)], 0, 0, 17_850));
    assert_eq!(whole.0.status(), Some(S::Paid));
}

#[test]
fn is_overdue_once_and_after_its_day() {
    let mark = |on| C::MarkOverdue { on: day(on) };
    assert_eq!(open().when(mark(15)), Err(No::NotDue(day(15))));
    let overdue = E::Overdue { customer: CUSTOMER, due_date: day(15), due: usd(17_850) };
    assert_eq!(open().when(mark(16)), Ok(vec![overdue]));
    for over in [open().and(mark(16)), open().and(allocate(1, 17_850)), open().and(void())] {
        assert_eq!(over.when(mark(17)), Ok(vec![]));
    }
}

#[test]
fn a_lost_dispute_is_told_beside_what_was_paid() {
    let lose = |amount| C::RecordDisputeLost { payment: PAYMENT, amount: usd(amount) };
    let paid = open().and(allocate(1, 17_850));
    assert_eq!(paid.when(lose(17_850)), Ok(vec![E::DisputeLost { payment: PAYMENT, amount: usd(17_850) }]));
    let exceeds = || No::ExceedsAllocated { payment: PAYMENT, left: usd(17_850) };
    assert_eq!(paid.when(lose(17_851)), Err(exceeds()));
    let lost = paid.and(lose(5));
    assert_eq!((lost.when(lose(5)), lost.when(lose(6))), (Ok(vec![]), Err(exceeds())));
    assert_eq!(lost.0.status(), Some(S::Paid));
}

#[test]
fn is_voided_while_nothing_is_paid_and_written_off_with_what_is_left() {
    let voided = E::Voided { reason: "wrong".into(), replaced_by: None };
    for invoice in [draft(), open()] {
        assert_eq!(invoice.when(void()), Ok(vec![voided.clone()]));
        assert_eq!(invoice.and(void()).when(void()), Ok(vec![]));
    }
    assert_eq!(open().when(C::Void { reason: " ".into(), replaced_by: None }), Err(No::InvalidText));
    assert_eq!(draft().and(void()).when(allocate(1, 1)), Err(No::Closed));
    assert_eq!(draft().and(void()).when(add(item(1, 1))), Err(No::InvoiceImmutable));
    for part in [open().and(allocate(1, 1)), open().and(credit(1, &[(1, 1)], 0, 0, 1))] {
        assert_eq!(part.when(void()), Err(No::AlreadyPaid));
    }
    let off = E::WrittenOff { amount: usd(17_849), reason: "insolvent".into(), ledger_transaction: None };
    let part = open().and(allocate(1, 1));
    assert_eq!(part.when(write_off()), Ok(vec![off]));
    assert_eq!(
        part.when(C::WriteOff { reason: String::new(), ledger_transaction: None }),
        Err(No::InvalidText)
    );
    let written_off = part.and(write_off());
    assert_eq!(written_off.0.due(), Some(usd(0)));
    assert_eq!(written_off.when(write_off()), Ok(vec![]));
    assert_eq!(written_off.when(void()), Err(No::Closed));
    // Money comes all the same.
    for over in [written_off, open().and(void())] {
        let late = E::LateObservation { allocation: allocation(2), payment: PAYMENT, amount: usd(5) };
        assert_eq!(over.when(allocate(2, 5)), Ok(vec![late]));
        let over = over.and(allocate(2, 5));
        assert_eq!(over.when(allocate(2, 5)), Ok(vec![]));
        assert_eq!(over.when(credit(2, &[(2, 5)], 0, 0, 5)), Err(No::Closed));
        let apply = C::ApplyCredit { source: CreditSource::CreditNote(note(7)), amount: usd(1) };
        assert_eq!(over.when(apply), Err(No::Closed));
    }
    assert_eq!(open().and(void()).when(write_off()), Err(No::Closed));
}

#[test]
fn what_it_remembers_comes_back_as_it_went() {
    let invoice = open().and(allocate(1, 500)).and(credit(1, &[(1, 3_966)], 0, 0, 3_966));
    let json = serde_json::to_string(&invoice.0).unwrap();
    let again: Invoice = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), json);
    assert_eq!(again.decide(allocate(2, 5)), invoice.when(allocate(2, 5)));
}
