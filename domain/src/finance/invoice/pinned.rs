//! Invoices on disk.

use uuid::Uuid;

use super::InvoiceEvent as E;
use super::tests::{CUSTOMER, allocation, at, day, item, item_id, note, rate, terms, usd, vat};
use super::*;
use crate::pii::Sealed;

const MONEY: &str = r#"{"amount":5,"currency":"USD"}"#;

fn check(event: &E, json: &str) {
    assert_eq!(serde_json::to_string(event).unwrap(), json);
    assert_eq!(serde_json::from_str::<E>(json).unwrap(), *event);
}

fn terms_json() -> &'static str {
    r#""customer":"cus_00000000000000000000000001","billing_entity":"bent_00000000000000000000000009","currency":"USD","settlement":"due","taxing":{"prices":"tax_exclusive","round_per":"line","rounding":"half_away_from_zero"}"#
}

fn rate_json() -> &'static str {
    r#""code":"VAT","version":3,"rate":190000,"treatment":"taxed","jurisdiction":"DE""#
}

#[test]
fn drafts_are_as_they_always_were() {
    check(&E::Drafted(Box::new(terms())), &format!(r#"{{"type":"Drafted",{}}}"#, terms_json()));
    let sealed = Sealed::of_parts(&"k".repeat(22), &"b".repeat(75)).unwrap();
    let to = InvoiceTerms {
        order: Some(OrderId::from_uuid(Uuid::from_u128(2))),
        bill_to: Some(Pii::new(sealed.clone())),
        ..terms()
    };
    let order = r#""order":"ord_00000000000000000000000002""#;
    let json = format!(r#"{{"type":"Drafted",{},{order},"bill_to":"{}"}}"#, terms_json(), sealed.as_str());
    check(&E::Drafted(Box::new(to)), &json);
    let plain = r#""item":"item_00000000000000000000000001","kind":"fixed","description":"Mug","quantity":1,"amount":{"amount":5,"currency":"USD"}"#;
    check(
        &E::ItemAdded(Box::new(item(1, 5))),
        &format!(r#"{{"type":"ItemAdded",{plain},"tax":{{"code":"VAT"}}}}"#),
    );
    let full = Item {
        tax: ItemTax::Given(usd(5)),
        order_line: Some(LineId::from_uuid(Uuid::from_u128(4))),
        period: Some(Period { charge: "seat".into(), from: at(0), to: at(1) }),
        plan_version: Some(2),
        price_trace: Some("list".into()),
        ..item(1, 5)
    };
    check(
        &E::ItemAdded(Box::new(full)),
        &format!(
            r#"{{"type":"ItemAdded",{plain},"tax":{{"given":{MONEY}}},"order_line":"line_00000000000000000000000004","period":{{"charge":"seat","from":"2023-11-14T22:13:20Z","to":"2023-11-14T22:13:21Z"}},"plan_version":2,"price_trace":"list"}}"#
        ),
    );
    check(
        &E::ItemRemoved { item: item_id(1) },
        r#"{"type":"ItemRemoved","item":"item_00000000000000000000000001"}"#,
    );
    let rates = vec![rate(190_000)];
    check(&E::TaxRecorded { rates }, &format!(r#"{{"type":"TaxRecorded","rates":[{{{}}}]}}"#, rate_json()));
    let failed = E::TaxFailed { code: vat(), reason: "no answer".into() };
    check(&failed, r#"{"type":"TaxFailed","code":"VAT","reason":"no answer"}"#);
}

#[test]
fn final_ones_are_as_they_always_were() {
    let taxed = Taxed { net: usd(5), tax: usd(5) };
    let finalised = Finalised {
        number: "R-1".into(),
        issue_date: day(1),
        due_date: day(15),
        net: usd(5),
        tax: usd(5),
        total: usd(5),
        lines: vec![InvoiceLine { item: item_id(1), taxed }],
        rates: vec![RateTotal { rate: rate(190_000), taxed }],
        terms: terms(),
        ledger_transaction: Some(LedgerTransactionId::from_uuid(Uuid::from_u128(8))),
    };
    let json = format!(
        r#"{{"type":"Finalised","number":"R-1","issue_date":"2026-01-01","due_date":"2026-01-15","net":{MONEY},"tax":{MONEY},"total":{MONEY},"lines":[{{"item":"item_00000000000000000000000001","net":{MONEY},"tax":{MONEY}}}],"rates":[{{{},"net":{MONEY},"tax":{MONEY}}}],{},"ledger_transaction":"ltx_00000000000000000000000008"}}"#,
        rate_json(),
        terms_json()
    );
    check(&E::Finalised(Box::new(finalised)), &json);
}

#[test]
fn what_becomes_of_them_is_as_it_always_was() {
    let (payment, amount, due) = (PaymentId::from_uuid(Uuid::from_u128(2)), usd(5), usd(5));
    let of_payment = format!(r#""payment":"pay_00000000000000000000000002","amount":{MONEY}"#);
    let of_allocation = format!(r#""allocation":"alloc_00000000000000000000000001",{of_payment}"#);
    let allocation = allocation(1);
    check(
        &E::PaymentAllocated { allocation, payment, amount, due },
        &format!(r#"{{"type":"PaymentAllocated",{of_allocation},"due":{MONEY}}}"#),
    );
    check(
        &E::LateObservation { allocation, payment, amount },
        &format!(r#"{{"type":"LateObservation",{of_allocation}}}"#),
    );
    check(&E::DisputeLost { payment, amount }, &format!(r#"{{"type":"DisputeLost",{of_payment}}}"#));
    let wallet = WalletDebitId::from_uuid(Uuid::from_u128(3));
    for (source, json) in [
        (CreditSource::CreditNote(note(3)), r#"{"credit_note":"crn_00000000000000000000000003"}"#),
        (CreditSource::Wallet(wallet), r#"{"wallet":"wdeb_00000000000000000000000003"}"#),
    ] {
        check(
            &E::CreditApplied { source, amount, due },
            &format!(r#"{{"type":"CreditApplied","source":{json},"amount":{MONEY},"due":{MONEY}}}"#),
        );
    }
    let lines = vec![InvoiceLine { item: item_id(1), taxed: Taxed { net: usd(5), tax: usd(5) } }];
    check(
        &E::CreditNoteIssued {
            credit_note: note(3),
            lines,
            credit: usd(5),
            refund: usd(5),
            offset: usd(5),
            due,
        },
        &format!(
            r#"{{"type":"CreditNoteIssued","credit_note":"crn_00000000000000000000000003","lines":[{{"item":"item_00000000000000000000000001","net":{MONEY},"tax":{MONEY}}}],"credit":{MONEY},"refund":{MONEY},"offset":{MONEY},"due":{MONEY}}}"#
        ),
    );
    let customer = r#""customer":"cus_00000000000000000000000001""#;
    check(
        &E::Paid { customer: CUSTOMER, total: usd(5) },
        &format!(r#"{{"type":"Paid",{customer},"total":{MONEY}}}"#),
    );
    check(
        &E::Overdue { customer: CUSTOMER, due_date: day(15), due },
        &format!(r#"{{"type":"Overdue",{customer},"due_date":"2026-01-15","due":{MONEY}}}"#),
    );
    check(
        &E::Voided { reason: "x".into(), replaced_by: Some(InvoiceId::from_uuid(Uuid::from_u128(7))) },
        r#"{"type":"Voided","reason":"x","replaced_by":"invc_00000000000000000000000007"}"#,
    );
    check(&E::Voided { reason: "x".into(), replaced_by: None }, r#"{"type":"Voided","reason":"x"}"#);
    check(
        &E::WrittenOff {
            amount,
            reason: "x".into(),
            ledger_transaction: Some(LedgerTransactionId::from_uuid(Uuid::from_u128(8))),
        },
        &format!(
            r#"{{"type":"WrittenOff","amount":{MONEY},"reason":"x","ledger_transaction":"ltx_00000000000000000000000008"}}"#
        ),
    );
}
