//! Passwords: the port to the slow hash that they are checked by, and what a password must be.
//!
//! Hashing is slow on purpose, so it is done for a few at once; who comes when the queue is full is sent away.

use async_trait::async_trait;
use domain::kernel::Kind;
use zxcvbn::{Score, zxcvbn};

use crate::error::{Error, Refused, Result};

#[cfg(any(test, feature = "testing"))]
pub mod fake;

/// The shortest and the longest password, in characters.
pub const SHORTEST: usize = 12;
pub const LONGEST: usize = 128;

/// Hashes passwords.
#[async_trait]
pub trait Passwords: Send + Sync + 'static {
    /// What a password can be checked by later.
    async fn hash(&self, password: &str) -> Result<String, Busy>;

    /// Whether this is the password; without a hash it takes as long, and is not.
    async fn check(&self, password: &str, hash: Option<&str>) -> Result<bool, Busy>;
}

/// Too many are waiting already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be looked at")]
pub struct Busy;

impl From<Busy> for Error {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// Whether a password may be set. Nothing is cut off or changed: spaces at its ends count. Refused is also what is guessed
/// in a million tries, as all that many people use is.
///
/// # Errors
/// [`Error::Refused`], which says what to do.
pub fn must_be_sound(password: &str) -> Result<()> {
    let no = |code: &str, message: &str| {
        let (code, message) = (format!("password/{code}"), message.to_owned());
        Err(Error::Refused(Refused { kind: Kind::Invalid, code, message, replayed: false }))
    };
    match password.chars().count() {
        ..SHORTEST => {
            no("too_short", "a password has at least 12 characters; a few words are easy to remember")
        }
        SHORTEST..=LONGEST if zxcvbn(password, &[]).score() < Score::Two => {
            no("too_common", "this is one of the passwords that are tried first; choose another")
        }
        SHORTEST..=LONGEST => Ok(()),
        _ => no("too_long", "a password has at most 128 characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(password: &str) -> String {
        match must_be_sound(password) {
            Ok(()) => String::new(),
            Err(Error::Refused(refused)) => refused.code,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_password_is_long_and_not_what_everybody_has() {
        for good in [
            "correct horse battery",
            "  a password with blanks  ",
            "пароль из слов",
            "mK7#vQ2p!xZ9",
            &"gull lamp ".repeat(12),
        ] {
            assert_eq!(code(good), "", "{good}");
        }
        assert_eq!(code("elevenchars"), "password/too_short");
        assert_eq!(code("пароль слов"), "password/too_short");
        assert_eq!(code(&"x".repeat(129)), "password/too_long");
        for common in [
            "            ",
            "123456789012",
            "123456123456",
            "password1234",
            "passwordpassword",
            "P@ssw0rd1234",
            "qwertyqwerty",
            "qwertyuiop12",
            "1q2w3e4r5t6y",
            "iloveyou1234",
            "administrator",
            "abcdefghijkl",
            "unbelievable",
            "aaaaaaaaaaaa",
        ] {
            assert_eq!(code(common), "password/too_common", "{common}");
            assert_eq!(code(&common.to_uppercase()), "password/too_common", "{common}");
        }
    }
}
