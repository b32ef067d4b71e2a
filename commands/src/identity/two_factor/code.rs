//! Codes: those of an authenticator app (RFC 6238), and those for whoever has lost it.
//!
//! A code is good in its half minute and in the ones beside it: ASVS 6.5.5 wants the present one alone, which keeps out
//! whoever types slowly or has a clock that is off, and what a code is good for once it is good for no longer
//! (docs/adr/0023).

use chrono::{DateTime, Utc};
use domain::identity::two_factor::CODES;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use totp_rs::{Builder, Secret, Totp};

use crate::error::{Error, Result};

/// Who a seed is from, as an app shows it.
const ISSUER: &str = "Mewayz";
/// Half minutes before and after the present one whose codes are good.
const BESIDE: u16 = 1;
/// Letters of a recovery code, five bits each.
const LETTERS: usize = 24;
/// How many stand together.
const GROUP: usize = 4;

/// A seed that nobody knows, in base32.
pub(super) fn new_seed() -> String {
    Secret::generate().to_base32()
}

/// What an app reads a seed from, as a QR code or a link.
///
/// # Errors
/// [`Error::Internal`] if it is no seed.
pub(super) fn uri(seed: &str, address: &str) -> Result<String> {
    app(seed, address)?.to_url().map_err(Error::internal)
}

/// The half minute, counted from 1970, whose code this is, if it is good now.
///
/// # Errors
/// [`Error::Internal`] if that is no seed.
pub(super) fn step(seed: &str, code: &str, now: DateTime<Utc>) -> Result<Option<i64>> {
    let is_code = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    // Before 1970 no code is good.
    let Some(second) = u64::try_from(now.timestamp()).ok().filter(|_| is_code) else { return Ok(None) };
    Ok(app(seed, "")?.check(code, second).and_then(|step| i64::try_from(step).ok()))
}

fn app(seed: &str, address: &str) -> Result<Totp> {
    let seed = Secret::try_from_base32(seed).map_err(Error::internal)?;
    let app = Builder::new().with_secret(seed).with_skew(BESIDE).with_issuer(Some(ISSUER));
    app.with_account_name(address).build().map_err(Error::internal)
}

/// Recovery codes that nobody knows: 120 bits each, so that a plain hash tells nothing of them.
pub(super) fn new_recovery_codes() -> Vec<String> {
    let grouped = |letters: &str| {
        let groups = letters.as_bytes().chunks(GROUP).map(String::from_utf8_lossy);
        groups.collect::<Vec<_>>().join("-").to_lowercase()
    };
    (0..CODES).map(|_| grouped(&new_seed()[..LETTERS])).collect()
}

/// What recovery codes are checked by.
pub(super) fn hashes(codes: &[String]) -> String {
    codes.iter().map(|code| hash(code)).collect::<Vec<_>>().join(" ")
}

/// Which of the codes it is that these are the hashes of. Each is looked at, whichever it is.
pub(super) fn number(hashes: &str, code: &str) -> Option<u8> {
    let shown = hash(code);
    let is_it = |hash: &str| bool::from(hash.as_bytes().ct_eq(shown.as_bytes()));
    (0..CODES).zip(hashes.split(' ')).filter(|(_, hash)| is_it(hash)).map(|(number, _)| number).last()
}

/// However it is written.
fn hash(code: &str) -> String {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hex::encode(Sha256::digest(letters.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of RFC 6238's own examples.
    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn step_of(code: &str, second: i64) -> Option<i64> {
        step(SEED, code, at(second)).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        for (second, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(step_of(code, second), Some(second / 30), "{second}");
        }
    }

    #[test]
    fn a_code_is_good_in_its_half_minute_and_beside_it() {
        // That of the seconds from 30 to 59.
        for (second, step) in [
            (0, Some(1)),
            (29, Some(1)),
            (30, Some(1)),
            (59, Some(1)),
            (60, Some(1)),
            (89, Some(1)),
            (90, None),
        ] {
            assert_eq!(step_of("287082", second), step, "{second}");
        }
        assert_eq!(step_of("287082", -1), None);
        for none in ["", "28708", "2870820", "287083", "28708a", " 287082", "287 082", "２８７０８２"] {
            assert_eq!(step_of(none, 59), None, "{none}");
        }
    }

    #[test]
    fn an_app_reads_it() {
        let uri = uri(SEED, "jane+shop@example.com").unwrap();
        assert_eq!(
            uri,
            format!("otpauth://totp/Mewayz:jane%2Bshop%40example.com?secret={SEED}&issuer=Mewayz")
        );
        assert_ne!(new_seed(), new_seed());
        assert_eq!(new_seed().len(), 32);
    }

    #[test]
    fn recovery_codes_are_ten_of_120_bits_and_known_however_they_are_written() {
        let codes = new_recovery_codes();
        assert_eq!((codes.len(), codes[0].len()), (10, 29));
        let hashes = hashes(&codes);
        for (number_of, code) in (0..).zip(&codes) {
            assert!(!hashes.contains(code.as_str()));
            assert_eq!(number(&hashes, code), Some(number_of));
            assert_eq!(number(&hashes, &code.replace('-', "").to_uppercase()), Some(number_of));
        }
        for none in ["", "aaaa-bbbb-cccc-dddd-eeee-ffff", &codes[0][1..]] {
            assert_eq!(number(&hashes, none), None, "{none}");
        }
    }
}
