//! Currencies as Stripe counts them, where that is otherwise than ISO 4217.
//!
//! Ours is ISO's minor unit. What cannot be said in Stripe's without rounding is refused: nothing is rounded here.

use domain::money::{Currency, Money};

/// Counted in whole units by Stripe although ISO has two decimals.
const WHOLE: [&str; 1] = ["MGA"];
/// Counted in hundredths, always 00, although ISO has no decimals.
const HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];
/// Three decimals, of which the last must be 0.
const THOUSANDTHS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// Why an amount cannot be asked of Stripe, or what it tells cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCountable {
    #[error("currency_not_supported")]
    Currency,
    #[error("amount_not_representable")]
    Amount,
}

/// The amount in Stripe's unit, and the currency as it writes it.
///
/// # Errors
/// [`NotCountable`] if it cannot be said exactly.
pub fn to_stripe(money: Money) -> Result<(i64, String), NotCountable> {
    let Money { amount, currency } = money;
    let code = currency.code();
    let amount = match currency.exponent() {
        2 if WHOLE.contains(&code) => exact(amount, 100)?,
        0 if HUNDREDTHS.contains(&code) => amount.checked_mul(100).ok_or(NotCountable::Amount)?,
        0 | 2 => amount,
        3 if THOUSANDTHS.contains(&code) => exact(amount, 10)? * 10,
        _ => return Err(NotCountable::Currency),
    };
    Ok((amount, code.to_ascii_lowercase()))
}

/// The money that Stripe tells of.
///
/// # Errors
/// [`NotCountable`] if it is of no currency of ours, or less than our smallest unit.
pub fn from_stripe(amount: i64, currency: &str) -> Result<Money, NotCountable> {
    let currency: Currency = currency.to_ascii_uppercase().parse().map_err(|_| NotCountable::Currency)?;
    let code = currency.code();
    let amount = match currency.exponent() {
        2 if WHOLE.contains(&code) => amount.checked_mul(100).ok_or(NotCountable::Amount)?,
        0 if HUNDREDTHS.contains(&code) => exact(amount, 100)?,
        0 | 2 => amount,
        3 if THOUSANDTHS.contains(&code) => amount,
        _ => return Err(NotCountable::Currency),
    };
    Ok(Money::new(amount, currency))
}

fn exact(amount: i64, unit: i64) -> Result<i64, NotCountable> {
    if amount % unit == 0 { Ok(amount / unit) } else { Err(NotCountable::Amount) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money::new(amount, code.parse().unwrap())
    }

    #[test]
    fn counts_as_stripe_documents_it() {
        for (ours, code, theirs) in [
            (1234, "USD", Ok(1234)),
            (1234, "HUF", Ok(1234)),
            (1234, "JPY", Ok(1234)),
            (1200, "MGA", Ok(12)),
            (1234, "MGA", Err(NotCountable::Amount)),
            (12, "ISK", Ok(1200)),
            (12, "UGX", Ok(1200)),
            (1230, "KWD", Ok(1230)),
            (1234, "KWD", Err(NotCountable::Amount)),
            (1230, "IQD", Err(NotCountable::Currency)),
            (1230, "CLF", Err(NotCountable::Currency)),
            (i64::MAX, "ISK", Err(NotCountable::Amount)),
        ] {
            let told = to_stripe(money(ours, code)).map(|(amount, _)| amount);
            assert_eq!(told, theirs, "{ours} {code}");
        }
        assert_eq!(from_stripe(1250, "isk"), Err(NotCountable::Amount));
        assert_eq!(from_stripe(1, "zzz"), Err(NotCountable::Currency));
    }

    #[test]
    fn what_can_be_said_comes_back_the_same_in_every_currency() {
        let (mut same, mut refused) = (0, 0);
        for currency in Currency::all() {
            for amount in [1, 10, 50, 99, 100, 1_230, 1_234, 99_990, Money::MOST, i64::MAX, i64::MAX - 7] {
                let ours = Money::new(amount, currency);
                match to_stripe(ours) {
                    Ok((theirs, code)) => {
                        same += 1;
                        assert_eq!(from_stripe(theirs, &code), Ok(ours));
                        assert_eq!(code, currency.code().to_ascii_lowercase());
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(same > 1_500 && refused > 50, "{same} {refused}");
    }

    proptest! {
        #[test]
        fn is_the_identity_or_a_refusal(amount: i64, index in 0usize..200) {
            let all: Vec<Currency> = Currency::all().collect();
            let ours = Money::new(amount, all[index % all.len()]);
            if let Ok((theirs, code)) = to_stripe(ours) {
                prop_assert_eq!(from_stripe(theirs, &code), Ok(ours));
            }
        }
    }
}
