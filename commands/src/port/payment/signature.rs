//! Signatures of the provider's webhooks: `t=<unix>,v1=<hex HMAC-SHA256(secret, t + "." + raw body)>`.
//!
//! Signed are the exact bytes as sent. Several `v1` may stand beside each other while a secret is changed.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "gateway-signature";

/// How far the time of a signature may be from ours.
pub const TOLERANCE: TimeDelta = TimeDelta::seconds(300);

/// Why a signature is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature is not of the form t=<unix>,v1=<hex>")]
    Malformed,
    #[error("the signature is of another time")]
    Stale,
    #[error("the signature does not match")]
    Mismatch,
}

fn mac(secret: &[u8], time: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(time.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

/// The header's value for a body sent now.
#[must_use]
pub fn sign(secret: &[u8], body: &[u8], now: DateTime<Utc>) -> String {
    let time = now.timestamp();
    format!("t={time},v1={}", hex::encode(mac(secret, time, body).finalize().into_bytes()))
}

/// Whether a body was signed with one of these secrets, and lately: there are several while one takes the place of
/// another. Signatures are compared in constant time, and all of them with all secrets.
///
/// # Errors
/// [`SignatureError`] if not.
pub fn verify_any<S: AsRef<[u8]>>(
    secrets: &[S],
    header: &str,
    body: &[u8],
    now: DateTime<Utc>,
    tolerance: TimeDelta,
) -> Result<(), SignatureError> {
    let mut checked = Err(SignatureError::Mismatch);
    for secret in secrets {
        let this = verify(secret.as_ref(), header, body, now, tolerance);
        checked = checked.or(this);
    }
    checked
}

/// Whether a body was signed with this secret, and lately. Signatures are compared in constant time.
///
/// # Errors
/// [`SignatureError`] if not.
pub fn verify(
    secret: &[u8],
    header: &str,
    body: &[u8],
    now: DateTime<Utc>,
    tolerance: TimeDelta,
) -> Result<(), SignatureError> {
    let (mut time, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", text)) if time.is_none() => {
                time = Some(text.parse::<i64>().map_err(|_| SignatureError::Malformed)?);
            }
            Some(("v1", text)) => signatures.push(hex::decode(text).map_err(|_| SignatureError::Malformed)?),
            // Schemes to come.
            Some((scheme, _)) if scheme != "t" => {}
            _ => return Err(SignatureError::Malformed),
        }
    }
    let time = time.filter(|_| !signatures.is_empty()).ok_or(SignatureError::Malformed)?;
    if now.timestamp().abs_diff(time) > tolerance.num_seconds().unsigned_abs() {
        return Err(SignatureError::Stale);
    }
    // Every signature is looked at, so that the time taken tells nothing of which one it was.
    let matching = signatures
        .iter()
        .map(|signature| mac(secret, time, body).verify_slice(signature).is_ok())
        .fold(false, |any, this| any | this);
    if matching { Ok(()) } else { Err(SignatureError::Mismatch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"whsec_test";
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn checked(header: &str, body: &[u8], now: DateTime<Utc>) -> Result<(), SignatureError> {
        verify(SECRET, header, body, now, TOLERANCE)
    }

    #[test]
    fn is_the_hmac_that_others_reckon_too() {
        // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        let expected = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
        assert_eq!(sign(SECRET, BODY, at(0)), format!("t=1700000000,v1={expected}"));
    }

    #[test]
    fn holds_for_the_same_bytes_secret_and_time_only() {
        let header = sign(SECRET, BODY, at(0));
        assert_eq!(checked(&header, BODY, at(0)), Ok(()));
        assert_eq!(checked(&header, br#"{"id": "evt_1"}"#, at(0)), Err(SignatureError::Mismatch));
        assert_eq!(checked(&sign(b"other", BODY, at(0)), BODY, at(0)), Err(SignatureError::Mismatch));
        let moved = header.replace("t=1700000000", "t=1700000001");
        assert_eq!(checked(&moved, BODY, at(0)), Err(SignatureError::Mismatch));
    }

    #[test]
    fn holds_for_five_minutes_either_way() {
        let header = sign(SECRET, BODY, at(0));
        for seconds in [-300, 300] {
            assert_eq!(checked(&header, BODY, at(seconds)), Ok(()));
        }
        for seconds in [-301, 301] {
            assert_eq!(checked(&header, BODY, at(seconds)), Err(SignatureError::Stale));
        }
        let far = format!("t={},v1=00", i64::MIN);
        assert_eq!(checked(&far, BODY, at(0)), Err(SignatureError::Stale));
    }

    #[test]
    fn may_be_any_of_several_while_a_secret_is_changed() {
        let ours = sign(SECRET, BODY, at(0));
        let (time, ours) = ours.split_once(',').unwrap();
        let theirs = sign(b"old", BODY, at(0));
        let theirs = theirs.split_once(',').unwrap().1;
        for header in [format!("{time},{theirs},{ours}"), format!("{time},{ours},{theirs},v2=x")] {
            assert_eq!(checked(&header, BODY, at(0)), Ok(()));
        }
        assert_eq!(checked(&format!("{time},{theirs}"), BODY, at(0)), Err(SignatureError::Mismatch));
    }

    #[test]
    fn may_be_of_any_secret_while_one_takes_the_place_of_another() {
        let secrets = [b"whsec_new".as_slice(), SECRET];
        let any = |header: &str| verify_any(&secrets, header, BODY, at(0), TOLERANCE);
        for secret in secrets {
            assert_eq!(any(&sign(secret, BODY, at(0))), Ok(()));
        }
        assert_eq!(any(&sign(b"other", BODY, at(0))), Err(SignatureError::Mismatch));
        assert_eq!(any(&sign(SECRET, BODY, at(-301))), Err(SignatureError::Stale));
        let nobody: [&[u8]; 0] = [];
        let header = sign(SECRET, BODY, at(0));
        assert_eq!(verify_any(&nobody, &header, BODY, at(0), TOLERANCE), Err(SignatureError::Mismatch));
    }

    #[test]
    fn is_refused_where_it_is_no_signature() {
        for header in
            ["", "t=1700000000", "v1=00", "t=x,v1=00", "t=1700000000,v1=zz", "t=1,t=1700000000,v1=00", "x"]
        {
            assert_eq!(checked(header, BODY, at(0)), Err(SignatureError::Malformed), "{header}");
        }
    }
}
