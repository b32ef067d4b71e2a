//! What holds of an invoice whatever is asked of it, counted from its events alone.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::tests::{add, allocate, credit, day, finalise, item, rate, terms, usd, void, write_off};
use super::{InvoiceCommand as C, InvoiceEvent as E, *};
use crate::tax::{Prices, RoundPer, Rounding};

fn command() -> impl Strategy<Value = C> {
    let amount = || prop_oneof![3 => -1i64..400, 1 => Just(1_000i64), 1 => Just(i64::MAX)];
    prop_oneof![
        6 => (0u128..8, amount()).prop_map(|(n, amount)| allocate(n, amount)),
        2 => (0u128..4, amount()).prop_map(|(n, amount)| C::ApplyCredit {
            source: CreditSource::CreditNote(super::tests::note(n)), amount: usd(amount),
        }),
        6 => (0u128..8, 0u128..4, 1i64..200, 1i64..200, 0i64..100).prop_map(|(n, first, a, b, part)| {
            let whole = a + b;
            let kept = whole * part / 100;
            match n % 3 {
                0 => credit(n, &[(first, a), ((first + 1) % 4, b)], 0, 0, whole),
                1 => credit(n, &[(first, a), ((first + 1) % 4, b)], kept, whole - kept, 0),
                _ => credit(n, &[(first, whole)], 0, kept, whole - kept),
            }
        }),
        1 => (1u32..30).prop_map(|on| C::MarkOverdue { on: day(on) }),
        1 => Just(void()),
        1 => Just(write_off()),
        1 => Just(finalise()),
    ]
}

/// What an accountant would have of the invoice.
#[derive(Default)]
struct Sheet {
    total: i64,
    paid: i64,
    offset: i64,
    given_back: i64,
    written_off: i64,
    lines: BTreeMap<InvoiceItemId, (i64, i64)>,
    ends: usize,
    numbers: BTreeSet<String>,
}

impl Sheet {
    fn enter(&mut self, event: &E) {
        match event {
            E::Finalised(of) => {
                assert!(self.numbers.insert(of.number.clone()) && self.numbers.len() == 1);
                let nets: i64 = of.lines.iter().map(|line| line.taxed.net.amount).sum();
                let taxes: i64 = of.lines.iter().map(|line| line.taxed.tax.amount).sum();
                assert_eq!((nets, taxes, nets + taxes), (of.net.amount, of.tax.amount, of.total.amount));
                let rates: i64 = of.rates.iter().map(|rate| rate.taxed.tax.amount).sum();
                assert_eq!(rates, taxes);
                self.total = of.total.amount;
                let line = |line: &InvoiceLine| (line.item, (line.taxed.net.amount, line.taxed.tax.amount));
                self.lines = of.lines.iter().map(line).collect();
            }
            E::PaymentAllocated { amount, .. } | E::CreditApplied { amount, .. } => {
                self.paid += amount.amount
            }
            E::CreditNoteIssued { lines, credit, refund, offset, .. } => {
                let mut whole = 0;
                for line in lines {
                    let left = self.lines.get_mut(&line.item).unwrap();
                    let (net, tax) = (line.taxed.net.amount, line.taxed.tax.amount);
                    assert!(net >= 0 && tax >= 0);
                    (left.0, left.1, whole) = (left.0 - net, left.1 - tax, whole + net + tax);
                    assert!(left.0 >= 0 && left.1 >= 0, "no more net and no more tax than there was");
                    assert!(left.0 + left.1 > 0 || *left == (0, 0));
                }
                assert_eq!(whole, credit.amount + refund.amount + offset.amount);
                self.offset += offset.amount;
                self.given_back += credit.amount + refund.amount;
            }
            E::WrittenOff { amount, .. } => self.written_off += amount.amount,
            _ => {}
        }
        self.ends += usize::from(matches!(event, E::Paid { .. } | E::Voided { .. } | E::WrittenOff { .. }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_more_is_paid_or_credited_than_there_is(
        amounts in prop::collection::vec(0i64..500, 4), parts in 0u32..400_000,
        inclusive: bool, per_rate: bool, even: bool,
        commands in prop::collection::vec(command(), 0..40),
    ) {
        let taxing = Taxing {
            prices: if inclusive { Prices::TaxInclusive } else { Prices::TaxExclusive },
            round_per: if per_rate { RoundPer::Rate } else { RoundPer::Line },
            rounding: if even { Rounding::HalfEven } else { Rounding::HalfAwayFromZero },
        };
        let begin = [C::Draft(Box::new(InvoiceTerms { taxing, ..terms() }))];
        let items = amounts.iter().zip(0u128..).map(|(&amount, n)| add(item(n, amount)));
        let ready = [C::RecordTax { rates: vec![rate(parts)] }, finalise()];
        let (mut invoice, mut sheet) = (Invoice::default(), Sheet::default());
        for command in begin.into_iter().chain(items).chain(ready).chain(commands) {
            let Ok(events) = invoice.decide(command.clone()) else { continue };
            for event in events {
                sheet.enter(&event);
                invoice.evolve(event);
            }
            prop_assert!(sheet.ends <= 1, "it ends once");
            prop_assert!(sheet.given_back <= sheet.paid && sheet.given_back >= 0);
            if let Some(due) = invoice.due() {
                let left = sheet.total - sheet.paid - sheet.offset - sheet.written_off;
                prop_assert_eq!(due.amount, left);
                prop_assert!(left >= 0);
                let credited: i64 = sheet.lines.values().map(|left| left.0 + left.1).sum();
                prop_assert_eq!(sheet.total - credited, sheet.offset + sheet.given_back);
            }
            prop_assert_eq!(invoice.decide(command), Ok(vec![]), "a repeat decides nothing");
        }
    }
}
