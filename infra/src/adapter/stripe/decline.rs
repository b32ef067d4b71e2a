//! Declines: what Stripe's codes say of a card, and what to do about it.
//!
//! Stripe's own advice comes before the table; what the table does not know may pass another time.

use commands::port::payment::Decline;
use domain::finance::payment::{Advice, DeclineClass};

/// The decline of these codes: `decline_code` where the issuer gave one, else `code`.
#[must_use]
pub fn decline(code: &str, advice_code: Option<&str>) -> Decline {
    let (class, advice) = classified(code);
    let (class, advice) = match (class, advice_code) {
        (DeclineClass::Soft, Some("do_not_try_again")) => (DeclineClass::Hard, Advice::UseAnotherMethod),
        (DeclineClass::Soft, Some("confirm_card_data")) => (class, Advice::UseAnotherMethod),
        _ => (class, advice),
    };
    Decline { code: code.to_owned(), class, advice }
}

fn classified(code: &str) -> (DeclineClass, Advice) {
    match code {
        "fraudulent" | "merchant_blacklist" | "highest_risk_level" => {
            (DeclineClass::Fraud, Advice::DoNotRetry)
        }
        "stolen_card"
        | "lost_card"
        | "pickup_card"
        | "restricted_card"
        | "expired_card"
        | "incorrect_number"
        | "invalid_number"
        | "incorrect_cvc"
        | "invalid_cvc"
        | "invalid_expiry_month"
        | "invalid_expiry_year"
        | "invalid_account"
        | "new_account_information_available"
        | "card_not_supported"
        | "currency_not_supported"
        | "revocation_of_authorization"
        | "revocation_of_all_authorizations"
        | "stop_payment_order"
        | "payment_method_unactivated"
        | "transaction_not_allowed" => (DeclineClass::Hard, Advice::UseAnotherMethod),
        "testmode_decline"
        | "live_mode_test_card"
        | "testmode_charges_only"
        | "platform_api_key_expired"
        | "account_invalid"
        | "payment_method_not_available"
        | "amount_too_small"
        | "amount_too_large" => (DeclineClass::Config, Advice::FixConfiguration),
        "authentication_required"
        | "payment_intent_authentication_failure"
        | "approve_with_id"
        | "do_not_honor"
        | "call_issuer" => (DeclineClass::Soft, Advice::UseAnotherMethod),
        _ => (DeclineClass::Soft, Advice::RetryLater),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_classified_by_the_issuers_code_and_advised_by_stripe() {
        for (code, advised, class, advice) in [
            ("insufficient_funds", None, DeclineClass::Soft, Advice::RetryLater),
            ("processing_error", Some("try_again_later"), DeclineClass::Soft, Advice::RetryLater),
            ("generic_decline", Some("do_not_try_again"), DeclineClass::Hard, Advice::UseAnotherMethod),
            ("generic_decline", Some("confirm_card_data"), DeclineClass::Soft, Advice::UseAnotherMethod),
            ("stolen_card", None, DeclineClass::Hard, Advice::UseAnotherMethod),
            ("fraudulent", Some("try_again_later"), DeclineClass::Fraud, Advice::DoNotRetry),
            ("testmode_decline", None, DeclineClass::Config, Advice::FixConfiguration),
            ("a_code_of_next_year", None, DeclineClass::Soft, Advice::RetryLater),
        ] {
            let decline = decline(code, advised);
            assert_eq!((decline.class, decline.advice), (class, advice), "{code} {advised:?}");
            assert_eq!(decline.code, code);
        }
    }
}
