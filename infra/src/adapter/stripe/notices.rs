//! Stripe's notices: signed events, each a hint at the payment it is of.

use chrono::{DateTime, Utc};
use commands::port::payment::notice::{About, Hint, Listener};
use commands::port::payment::signature::{SignatureError, TOLERANCE, verify_any};

use super::wire::Event;
use crate::config::Secret;

/// Reads Stripe's events, signed with one of these secrets.
#[derive(Debug, Clone)]
pub struct StripeNotices {
    pub secrets: Vec<Secret>,
}

impl Listener for StripeNotices {
    fn provider(&self) -> &'static str {
        "stripe"
    }

    fn signature_header(&self) -> &'static str {
        "stripe-signature"
    }

    fn check(&self, signature: &str, body: &[u8], now: DateTime<Utc>) -> Result<(), SignatureError> {
        let secrets: Vec<_> = self.secrets.iter().map(|secret| secret.reveal().as_bytes()).collect();
        verify_any(&secrets, signature, body, now, TOLERANCE)
    }

    fn read(&self, body: &[u8]) -> Option<Hint> {
        let Event { id, data, .. } = serde_json::from_slice(body).ok()?;
        let subject = data.object;
        let paid = subject.payment_intent.as_ref().map(|intent| intent.name().to_owned());
        let reference = match subject.object.as_str() {
            "payment_intent" | "checkout.session" => subject.id,
            "charge" | "refund" | "dispute" => paid,
            _ => None,
        };
        Some(Hint { id, about: reference.map_or(About::Nothing, About::Reference) })
    }
}

#[cfg(test)]
mod tests {
    use commands::port::payment::signature::sign;
    use serde_json::json;

    use super::*;

    fn listener() -> StripeNotices {
        let secrets = ["whsec_new", "whsec_old"].map(|secret| Secret::from(secret.to_owned()));
        StripeNotices { secrets: secrets.into() }
    }

    #[test]
    fn believes_either_secret_while_one_takes_the_place_of_the_other() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        for (secret, held) in [("whsec_old", true), ("whsec_new", true), ("whsec_x", false)] {
            let header = sign(secret.as_bytes(), b"{}", now);
            assert_eq!(listener().check(&header, b"{}", now).is_ok(), held, "{secret}");
        }
    }

    #[test]
    fn says_which_payment_an_event_is_of() {
        let about = |object: serde_json::Value| {
            let event = json!({"id": "evt_1", "type": "x", "data": {"object": object}});
            listener().read(event.to_string().as_bytes()).unwrap().about
        };
        let of = |reference: &str| About::Reference(reference.into());
        assert_eq!(about(json!({"object": "payment_intent", "id": "pi_1"})), of("pi_1"));
        assert_eq!(
            about(json!({"object": "checkout.session", "id": "cs_1", "payment_intent": "pi_1"})),
            of("cs_1")
        );
        assert_eq!(about(json!({"object": "charge", "id": "ch_1", "payment_intent": "pi_1"})), of("pi_1"));
        assert_eq!(
            about(json!({"object": "dispute", "id": "dp_1", "payment_intent": {"id": "pi_1"}})),
            of("pi_1")
        );
        assert_eq!(about(json!({"object": "refund", "id": "re_1", "payment_intent": null})), About::Nothing);
        assert_eq!(about(json!({"object": "customer", "id": "cus_1"})), About::Nothing);
        assert_eq!(listener().read(b"{\"id\":\"evt_1\"}"), None);
    }
}
