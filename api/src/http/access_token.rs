//! Access tokens: how a person shows who they are, for ten minutes (RFC 9068, RFC 8725).
//!
//! Signed with Ed25519, and with nothing else: a token says neither how it is checked nor by what key, only which of
//! ours. It holds ids and times. What it allows is looked up with each request, so what was revoked is at once.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{AccountId, SessionId, WorkspaceId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

#[cfg(any(test, feature = "testing"))]
pub mod forged;

/// How long a token is good.
pub const LASTS: TimeDelta = TimeDelta::minutes(10);
/// By how much clocks may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);
/// What it is (RFC 9068).
const TYPE: &str = "at+jwt";
const ISSUER: &str = "mewayz";
const AUDIENCE: &str = "mewayz-api";
/// Longer than any of ours.
const LONGEST: usize = 2048;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: AccountId,
    sid: SessionId,
    jti: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ws: Option<WorkspaceId>,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Who shows a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    pub account: AccountId,
    pub session: SessionId,
    /// Where they act.
    pub workspace: Option<WorkspaceId>,
}

/// The keys that tokens are signed with: the newest signs, the others are good still.
pub struct Signer {
    keys: Vec<Key>,
}

struct Key {
    id: String,
    signing: EncodingKey,
    checking: DecodingKey,
}

/// 32 bytes that make no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signing key cannot be used")]
pub struct BadKey;

impl Key {
    fn of_seed(seed: &[u8; 32]) -> Result<Self, BadKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadKey)?;
        let public = pair.public_key().as_ref();
        let private = pair.to_pkcs8().map_err(|_| BadKey)?;
        Ok(Self {
            id: hex::encode(&Sha256::digest(public)[..8]),
            signing: EncodingKey::from_ed_der(private.as_ref()),
            checking: DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(public)).map_err(|_| BadKey)?,
        })
    }
}

impl Signer {
    /// With the keys of these seeds, the newest first.
    ///
    /// # Errors
    /// [`BadKey`], also if there is none.
    pub fn of_seeds(seeds: &[[u8; 32]]) -> Result<Self, BadKey> {
        let keys: Vec<Key> = seeds.iter().map(Key::of_seed).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(BadKey) } else { Ok(Self { keys }) }
    }

    /// A token for ten minutes from now.
    ///
    /// # Panics
    /// Never: claims are texts and numbers, and the keys were looked at.
    #[must_use]
    pub fn sign(&self, shown: Shown, now: DateTime<Utc>) -> String {
        let key = &self.keys[0];
        let mut header = Header::new(Algorithm::EdDSA);
        (header.typ, header.kid) = (Some(TYPE.to_owned()), Some(key.id.clone()));
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: shown.account,
            sid: shown.session,
            jti: Uuid::now_v7(),
            ws: shown.workspace,
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: (now + LASTS).timestamp(),
        };
        encode(&header, &claims, &key.signing)
            .expect("claims are texts and numbers, and the key was looked at")
    }

    /// Who shows this token; nobody, if it is not one of ours or not good now. Why not is nobody's business.
    #[must_use]
    pub fn read(&self, token: &str, now: DateTime<Utc>) -> Option<Shown> {
        let header = decode_header(token).ok().filter(|_| token.len() <= LONGEST)?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(TYPE) {
            return None;
        }
        let key = self.keys.iter().find(|key| header.kid.as_deref() == Some(&key.id))?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        // Times are looked at below, by the clock that everything here goes by.
        (rules.validate_exp, rules.validate_nbf) = (false, false);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        let claims = decode::<Claims>(token, &key.checking, &rules).ok()?.claims;
        let at = |second| DateTime::from_timestamp(second, 0);
        let (begins, ends) = (at(claims.nbf.max(claims.iat))?, at(claims.exp)?);
        let is_good = begins <= now + LEEWAY && now < ends + LEEWAY && ends <= begins + LASTS + LEEWAY;
        is_good.then_some(Shown { account: claims.sub, session: claims.sid, workspace: claims.ws })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; 32] = [7; 32];

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).unwrap()
    }

    fn shown() -> Shown {
        Shown {
            account: AccountId::from_uuid(Uuid::from_u128(1)),
            session: SessionId::from_uuid(Uuid::from_u128(2)),
            workspace: Some(WorkspaceId::from_uuid(Uuid::from_u128(3))),
        }
    }

    fn signer() -> Signer {
        Signer::of_seeds(&[SEED]).unwrap()
    }

    #[test]
    fn comes_back_as_it_was_signed_for_ten_minutes() {
        let token = signer().sign(shown(), now());
        assert_eq!(signer().read(&token, now()), Some(shown()));
        assert_eq!(signer().read(&token, now() + LASTS + LEEWAY - TimeDelta::seconds(1)), Some(shown()));
        assert_eq!(signer().read(&token, now() + LASTS + LEEWAY), None);
        assert_eq!(signer().read(&token, now() - LEEWAY), Some(shown()));
        assert_eq!(signer().read(&token, now() - LEEWAY - TimeDelta::seconds(1)), None);
        let nowhere = Shown { workspace: None, ..shown() };
        assert_eq!(signer().read(&signer().sign(nowhere, now()), now()), Some(nowhere));
    }

    #[test]
    fn what_the_last_key_has_signed_is_good_until_that_key_is_gone() {
        let token = signer().sign(shown(), now());
        let rotated = Signer::of_seeds(&[[8; 32], SEED]).unwrap();
        assert_eq!(rotated.read(&token, now()), Some(shown()));
        assert_eq!(signer().read(&rotated.sign(shown(), now()), now()), None);
        let gone = Signer::of_seeds(&[[8; 32]]).unwrap();
        assert_eq!(gone.read(&token, now()), None);
        assert!(Signer::of_seeds(&[]).is_err());
    }

    #[test]
    fn what_is_forged_or_for_something_else_is_nobodys() {
        let as_it_should_be = forged::genuine(&SEED, shown(), now());
        assert_eq!(signer().read(&as_it_should_be, now()), Some(shown()));
        let forged = forged::forged(&SEED, shown(), now());
        assert!(forged.len() >= 40, "{}", forged.len());
        for token in forged {
            assert_eq!(signer().read(&token, now()), None, "{token}");
        }
    }
}
