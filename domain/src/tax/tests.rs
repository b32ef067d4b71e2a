//! Taxes: known values, and what holds of all of them.

use proptest::prelude::*;

use super::*;
use crate::money::Currency;

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn taxing(prices: Prices, round_per: RoundPer, rounding: Rounding) -> Taxing {
    Taxing { prices, round_per, rounding }
}

fn rate(parts: u32) -> Rate {
    Rate::try_from(parts).unwrap()
}

fn tax_of(taxed: &[Taxed]) -> i64 {
    taxed.iter().map(|line| line.tax.amount).sum()
}

#[test]
fn is_rounded_per_line_or_per_rate() {
    // vendure #2662: ten lines of 0.10 at 19 per cent.
    let ten = [usd(10); 10];
    let per_line = Taxing::default();
    let per_rate = Taxing { round_per: RoundPer::Rate, ..per_line };
    assert_eq!(tax_of(&per_line.lines(&ten, rate(190_000)).unwrap()), 20);
    let shared = per_rate.lines(&ten, rate(190_000)).unwrap();
    assert_eq!(tax_of(&shared), 19);
    assert_eq!(shared.iter().map(|line| line.tax.amount).collect::<Vec<_>>(), [2, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
    assert_eq!(per_rate.lines(&[], rate(190_000)), Ok(vec![]));
}

#[test]
fn is_taken_out_of_a_price_that_holds_it() {
    let inclusive = Taxing { prices: Prices::TaxInclusive, ..Taxing::default() };
    assert_eq!(inclusive.one(usd(11_900), rate(190_000)), Ok(Taxed { net: usd(10_000), tax: usd(1_900) }));
    assert_eq!(inclusive.one(usd(999), rate(81_000)), Ok(Taxed { net: usd(924), tax: usd(75) }));
    assert_eq!(inclusive.one(usd(-999), rate(81_000)), Ok(Taxed { net: usd(-924), tax: usd(-75) }));
    let quebec = rate(99_750);
    assert_eq!(Taxing::default().one(usd(10_000), quebec), Ok(Taxed { net: usd(10_000), tax: usd(998) }));
}

#[test]
fn half_a_unit_goes_where_it_was_said() {
    let away = Taxing::default();
    let even = taxing(Prices::TaxExclusive, RoundPer::Line, Rounding::HalfEven);
    for (amount, away_tax, even_tax) in
        [(5, 1, 0), (15, 2, 2), (25, 3, 2), (-5, -1, 0), (-15, -2, -2), (4, 0, 0)]
    {
        let tax = |taxing: Taxing| taxing.one(usd(amount), rate(100_000)).unwrap().tax.amount;
        assert_eq!((tax(away), tax(even)), (away_tax, even_tax), "{amount}");
    }
}

#[test]
fn never_wraps() {
    let exclusive = Taxing::default();
    assert_eq!(exclusive.one(usd(i64::MAX), rate(1)), Err(Unreckonable::Overflow));
    assert_eq!(exclusive.one(usd(i64::MIN), rate(1)), Err(Unreckonable::Overflow));
    assert_eq!(exclusive.one(usd(i64::MAX), Rate::HIGHEST), Err(Unreckonable::Overflow));
    assert!(exclusive.one(usd(i64::MAX), Rate::ZERO).is_ok());
    let inclusive = Taxing { prices: Prices::TaxInclusive, ..exclusive };
    for amount in [i64::MAX, i64::MIN] {
        for parts in [0, 1, 190_000, 10_000_000] {
            let taxed = inclusive.one(usd(amount), rate(parts)).unwrap();
            assert_eq!(taxed.gross(), Ok(usd(amount)));
        }
    }
    let per_rate = Taxing { round_per: RoundPer::Rate, ..exclusive };
    assert_eq!(per_rate.lines(&[usd(i64::MAX), usd(1)], rate(1)), Err(Unreckonable::Overflow));
    let mixed = per_rate.lines(&[usd(1), Money::new(1, Currency::EUR)], rate(1));
    assert_eq!(mixed, Err(Unreckonable::CurrencyMismatch(Currency::USD, Currency::EUR)));
}

#[test]
fn a_rate_is_a_number_of_parts_in_json() {
    assert_eq!(serde_json::to_string(&rate(190_000)).unwrap(), "190000");
    for bad in ["10000001", "-1", "19.0", "\"19\""] {
        assert!(serde_json::from_str::<Rate>(bad).is_err(), "{bad}");
    }
    let json = r#"{"prices":"tax_inclusive","round_per":"rate","rounding":"half_even"}"#;
    let all = taxing(Prices::TaxInclusive, RoundPer::Rate, Rounding::HalfEven);
    assert_eq!(serde_json::to_string(&all).unwrap(), json);
}

fn any_taxing() -> impl Strategy<Value = Taxing> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(inclusive, per_rate, even)| Taxing {
        prices: if inclusive { Prices::TaxInclusive } else { Prices::TaxExclusive },
        round_per: if per_rate { RoundPer::Rate } else { RoundPer::Line },
        rounding: if even { Rounding::HalfEven } else { Rounding::HalfAwayFromZero },
    })
}

/// Of exponents 0, 2, 3 and 4.
fn any_currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec!["JPY", "USD", "KWD", "CLF"]).prop_map(|code| code.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The parts are the whole, and no line is off by a unit or more; the sum of a rate by half a unit at most.
    #[test]
    fn nothing_is_lost_and_nothing_made(
        taxing in any_taxing(), currency in any_currency(), parts in 0u32..=1_000_000,
        amounts in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 1..20),
    ) {
        let lines: Vec<Money> = amounts.iter().map(|&amount| Money::new(amount, currency)).collect();
        let taxed = taxing.lines(&lines, rate(parts)).unwrap();
        let whole = match taxing.prices {
            Prices::TaxExclusive => 1_000_000,
            Prices::TaxInclusive => 1_000_000 + i128::from(parts),
        };
        let off = |tax: i64, amount: i128| (i128::from(tax) * whole - amount * i128::from(parts)).abs();
        for (line, taxed) in lines.iter().zip(&taxed) {
            let there = match taxing.prices {
                Prices::TaxExclusive => taxed.net,
                Prices::TaxInclusive => taxed.gross().unwrap(),
            };
            prop_assert_eq!(there, *line);
            prop_assert!(off(taxed.tax.amount, line.amount.into()) < whole);
            if taxing.round_per == RoundPer::Line {
                prop_assert!(2 * off(taxed.tax.amount, line.amount.into()) <= whole);
            }
        }
        if taxing.round_per == RoundPer::Rate {
            let sum: i128 = amounts.iter().map(|&amount| i128::from(amount)).sum();
            prop_assert!(2 * off(tax_of(&taxed), sum) <= whole);
        }
    }

    #[test]
    fn a_credit_mirrors_what_it_credits(
        taxing in any_taxing(), parts in 0u32..=1_000_000,
        amounts in prop::collection::vec(0i64..1_000_000, 1..20),
    ) {
        let lines: Vec<Money> = amounts.iter().map(|&amount| usd(amount)).collect();
        let credits: Vec<Money> = amounts.iter().map(|&amount| usd(-amount)).collect();
        let (taxed, credited) = (taxing.lines(&lines, rate(parts)).unwrap(), taxing.lines(&credits, rate(parts)).unwrap());
        for (line, credit) in taxed.iter().zip(credited) {
            prop_assert_eq!((line.net.amount, line.tax.amount), (-credit.net.amount, -credit.tax.amount));
        }
    }

    #[test]
    fn at_the_edges_it_is_exact_or_refused(
        taxing in any_taxing(), amount: i64, parts in 0u32..=10_000_000,
    ) {
        match taxing.one(usd(amount), rate(parts)) {
            Ok(taxed) => prop_assert!(taxed.gross().is_ok()),
            Err(no) => {
                prop_assert_eq!(no, Unreckonable::Overflow);
                prop_assert_eq!(taxing.prices, Prices::TaxExclusive);
                let gross = i128::from(amount) * (1_000_000 + i128::from(parts)) / 1_000_000;
                prop_assert!(gross.abs() >= i128::from(i64::MAX) - 1);
            }
        }
    }
}
