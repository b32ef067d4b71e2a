//! Forged: tokens that somebody might show who has none of our keys, or one of our tokens that is for something else.

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Shown, Signer, TYPE};

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn header(signer: &Signer) -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": signer.keys[0].id})
}

fn claims(shown: Shown, now: DateTime<Utc>) -> Value {
    let second = now.timestamp();
    json!({
        "iss": "mewayz", "aud": "mewayz-api", "sub": shown.account, "sid": shown.session,
        "jti": Uuid::nil(), "ws": shown.workspace, "iat": second, "nbf": second, "exp": second + 600,
    })
}

/// A token of this header and these claims, signed with our own key or another.
fn signed(header: &Value, claims: &Value, seed: &[u8; 32]) -> String {
    let said = format!("{}.{}", part(header), part(claims));
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("it is well formed");
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(said.as_bytes()));
    format!("{said}.{signature}")
}

fn with(mut value: Value, name: &str, to: Value) -> Value {
    match to {
        Value::Null => _ = value.as_object_mut().expect("it is well formed").remove(name),
        to => value[name] = to,
    }
    value
}

/// One that is good, made by hand.
///
/// # Panics
/// If the seed makes no key.
#[must_use]
pub fn genuine(seed: &[u8; 32], shown: Shown, now: DateTime<Utc>) -> String {
    let signer = Signer::of_seeds(&[*seed]).expect("a key");
    signed(&header(&signer), &claims(shown, now), seed)
}

/// What somebody might show who has none of our keys, or one of our tokens that is for something else.
///
/// # Panics
/// If the seed makes no key.
#[must_use]
pub fn forged(seed: &[u8; 32], shown: Shown, now: DateTime<Utc>) -> Vec<String> {
    let signer = Signer::of_seeds(&[*seed]).expect("a key");
    let header = || header(&signer);
    let claims = || claims(shown, now);
    let second = now.timestamp();
    let good = signed(&header(), &claims(), seed);
    let (said, signature) = good.rsplit_once('.').expect("it is well formed");
    let header_with = |name, to| signed(&with(header(), name, to), &claims(), seed);
    let claims_with = |name, to| signed(&header(), &with(claims(), name, to), seed);
    let other = |header: Value| format!("{}.{}.{signature}", part(&header), part(&claims()));
    let twice = claims().to_string().replacen('{', &format!("{{\"sub\":\"{}\",", shown.account), 1);
    let public = signer.keys[0].checking.try_get_as_bytes().expect("it is well formed").to_vec();
    let hmac = |key: &[u8]| {
        let mut header = Header::new(Algorithm::HS256);
        (header.typ, header.kid) = (Some(TYPE.into()), Some(signer.keys[0].id.clone()));
        encode(&header, &claims(), &EncodingKey::from_secret(key)).expect("it is well formed")
    };
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).expect("it is well formed");
    flipped[0] ^= 1;
    vec![
        String::new(),
        "..".into(),
        "a.b.c".into(),
        said.to_owned(),
        format!("{said}."),
        format!("{good}.{signature}"),
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(flipped)),
        format!("{said}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        signed(&header(), &claims(), &[9; 32]),
        format!("{}.{}.", part(&with(header(), "alg", json!("none"))), part(&claims())),
        other(with(header(), "alg", json!("none"))),
        other(with(header(), "alg", json!("None"))),
        hmac(&public),
        hmac(hex::encode(&public).as_bytes()),
        header_with("alg", json!("HS256")),
        header_with("alg", json!("RS256")),
        header_with("alg", json!("ES256")),
        header_with("typ", json!("JWT")),
        header_with("typ", json!("rt+jwt")),
        header_with("typ", Value::Null),
        header_with("kid", json!("0000000000000000")),
        header_with("kid", json!("../../etc/passwd")),
        header_with("kid", Value::Null),
        signed(
            &with(
                with(header(), "kid", Value::Null),
                "jwk",
                json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(&public)}),
            ),
            &claims(),
            seed,
        ),
        signed(
            &with(with(header(), "kid", Value::Null), "jku", json!("https://evil.example/keys")),
            &claims(),
            seed,
        ),
        claims_with("iss", json!("https://evil.example")),
        claims_with("iss", Value::Null),
        claims_with("aud", json!("another-api")),
        claims_with("aud", Value::Null),
        claims_with("sub", json!("acc_0")),
        claims_with("sub", json!("cus_00000000000000000000000001")),
        claims_with("sub", Value::Null),
        claims_with("sid", Value::Null),
        claims_with("exp", json!(second - 31)),
        claims_with("exp", json!(second + 86_400 * 365)),
        claims_with("exp", json!("9999999999")),
        claims_with("exp", Value::Null),
        claims_with("nbf", json!(second + 60)),
        claims_with("nbf", Value::Null),
        claims_with("iat", json!(second + 3_600)),
        claims_with("scope", json!("platform:operate")),
        {
            let said = format!("{}.{}", part(&header()), URL_SAFE_NO_PAD.encode(twice));
            let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("it is well formed");
            format!("{said}.{}", URL_SAFE_NO_PAD.encode(pair.sign(said.as_bytes())))
        },
    ]
}
