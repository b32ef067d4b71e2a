//! Fees: known values, and what holds of all of them.

use proptest::prelude::*;

use super::*;
use crate::money::Currency;

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn plan(basis_points: u16, fixed: i64, payer: Payer) -> FeePlan {
    FeePlan { basis_points, fixed: usd(fixed), least: None, most: None, payer }
}

#[test]
fn is_so_much_of_the_gross_and_a_fixed_amount() {
    let fee = plan(290, 30, Payer::Seller).of(usd(9_999)).unwrap();
    assert_eq!(fee, Fee { amount: usd(320), buyer: usd(0), seller: usd(320) });
    let fee = plan(290, 30, Payer::Buyer).of(usd(9_999)).unwrap();
    assert_eq!(fee, Fee { amount: usd(320), buyer: usd(320), seller: usd(0) });
    let fee = plan(250, 0, Payer::Split { buyer: 1, seller: 1 }).of(usd(200)).unwrap();
    assert_eq!(fee, Fee { amount: usd(5), buyer: usd(3), seller: usd(2) });
    assert_eq!(plan(0, 0, Payer::Seller).of(usd(0)).unwrap().amount, usd(0));
}

#[test]
fn has_a_least_and_a_most() {
    let bounded = FeePlan { least: Some(usd(50)), most: Some(usd(100)), ..plan(100, 0, Payer::Buyer) };
    for (gross, fee) in [(0, 50), (5_000, 50), (7_000, 70), (1_000_000, 100)] {
        assert_eq!(bounded.of(usd(gross)).unwrap().amount, usd(fee), "{gross}");
    }
}

#[test]
fn makes_sense_or_is_refused() {
    let good = plan(100, 10, Payer::Seller);
    let eur = Money::new(1, Currency::EUR);
    let mismatch = NoFee::Unreckonable(Unreckonable::CurrencyMismatch(Currency::USD, Currency::EUR));
    for (bad, no) in [
        (FeePlan { basis_points: 10_001, ..good }, NoFee::InvalidBasisPoints),
        (FeePlan { fixed: usd(-1), ..good }, NoFee::NegativeAmount),
        (FeePlan { least: Some(usd(-1)), ..good }, NoFee::NegativeAmount),
        (FeePlan { least: Some(usd(2)), most: Some(usd(1)), ..good }, NoFee::LeastAboveMost),
        (FeePlan { payer: Payer::Split { buyer: 0, seller: 0 }, ..good }, NoFee::NoWeights),
        (FeePlan { most: Some(eur), ..good }, mismatch),
    ] {
        assert_eq!(bad.of(usd(100)), Err(no));
    }
    assert_eq!(good.of(usd(-1)), Err(NoFee::NegativeAmount));
    assert!(matches!(good.of(eur), Err(NoFee::Unreckonable(Unreckonable::CurrencyMismatch(..)))));
    assert_eq!(good.of(usd(9)), Err(NoFee::ExceedsAmount { fee: usd(10), gross: usd(9) }));
    let overflow = NoFee::Unreckonable(Unreckonable::Overflow);
    assert_eq!(plan(10_000, 1, Payer::Buyer).of(usd(i64::MAX)), Err(overflow));
}

#[test]
fn is_shared_by_what_each_sold() {
    let fee = plan(0, 5, Payer::Seller).of(usd(100)).unwrap();
    assert_eq!(fee.shared_by(&[usd(1), usd(99)]), Ok(vec![usd(0), usd(5)]));
    assert_eq!(fee.shared_by(&[usd(-1), usd(9)]), Err(NoFee::NegativeAmount));
    assert_eq!(fee.shared_by(&[]), Err(NoFee::Unreckonable(Unreckonable::NoWeights)));
    assert!(fee.shared_by(&[Money::new(1, Currency::EUR)]).is_err());
}

#[test]
fn is_kept_as_it_always_was() {
    let plan = FeePlan { most: Some(usd(9)), ..plan(290, 30, Payer::Split { buyer: 1, seller: 2 }) };
    let json = r#"{"basis_points":290,"fixed":{"amount":30,"currency":"USD"},"most":{"amount":9,"currency":"USD"},"payer":{"split":{"buyer":1,"seller":2}}}"#;
    assert_eq!(serde_json::to_string(&plan).unwrap(), json);
    assert_eq!(serde_json::from_str::<FeePlan>(json).unwrap(), plan);
}

proptest! {
    #[test]
    fn its_parts_are_the_whole(
        basis_points in 0u16..=10_000, fixed in 0i64..1_000, gross in 0i64..=Money::MOST,
        buyer in 0u32..10, seller in 0u32..10, sold in prop::collection::vec(0i64..1_000_000, 1..9),
    ) {
        prop_assume!(buyer + seller > 0);
        let Ok(fee) = plan(basis_points, fixed, Payer::Split { buyer, seller }).of(usd(gross)) else { return Ok(()) };
        prop_assert_eq!(fee.buyer.amount + fee.seller.amount, fee.amount.amount);
        prop_assert!(fee.seller.amount <= gross);
        let exact = i128::from(gross) * i128::from(basis_points) + i128::from(fixed) * 10_000;
        prop_assert!(2 * (i128::from(fee.amount.amount) * 10_000 - exact).abs() <= 10_000);
        let sold: Vec<Money> = sold.into_iter().map(usd).collect();
        if let Ok(shares) = fee.shared_by(&sold) {
            prop_assert_eq!(shares.iter().map(|share| share.amount).sum::<i64>(), fee.seller.amount);
        }
    }
}
