//! Envelope: one value, encrypted with one key for one place; and one key, wrapped by an epoch key.
//!
//! XChaCha20-Poly1305, whose nonces are long enough to be random. Associated data is what an envelope is bound to, each
//! part with its length before it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use domain::pii::{LONGEST, Place, Sealed, Whose};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

/// 256 bits that are wiped when they are let go of.
pub(super) type Secret = Zeroizing<[u8; 32]>;

const NONCE: usize = 24;
/// What a text is padded to: these many bytes, or four times as many, and so on. Its length is in the first four.
const SMALLEST: usize = 16;
const LENGTH: usize = 4;

/// A new secret.
pub(super) fn secret() -> Secret {
    Zeroizing::new(rand::random())
}

/// It was made with another key, for another place, or altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forged;

/// Encrypts a text. `None` if it is too long.
pub(super) fn seal(secret: &Secret, key: Uuid, whose: &Whose, place: Place, text: &str) -> Option<Sealed> {
    let padded = pad(text)?;
    let body = encrypt(secret, &padded, &bound_to(key, whose, place));
    Sealed::of_parts(&BASE64.encode(key), &BASE64.encode(body)).ok()
}

/// The id of the key it was encrypted with.
pub(super) fn key_of(sealed: &Sealed) -> Result<Uuid, Forged> {
    let key = BASE64.decode(sealed.parts().0).map_err(|_| Forged)?;
    Uuid::from_slice(&key).map_err(|_| Forged)
}

/// Decrypts it, if it was sealed with this key for this person and place.
pub(super) fn open(
    secret: &Secret,
    key: Uuid,
    whose: &Whose,
    place: Place,
    sealed: &Sealed,
) -> Result<String, Forged> {
    let body = BASE64.decode(sealed.parts().1).map_err(|_| Forged)?;
    let padded = decrypt(secret, &body, &bound_to(key, whose, place))?;
    unpad(&padded)
}

/// A keyed hash of a text in an index, as 32 bytes.
pub(super) fn hash(secret: &Secret, index: &str, text: &str) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(&secret[..]).expect("an HMAC takes keys of any length");
    hmac.update(&joined(&[b"lookup", index.as_bytes(), text.as_bytes()]));
    hmac.finalize().into_bytes().into()
}

/// What a key of a person and class is: all that its wrapping is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyName<'a> {
    pub workspace: Uuid,
    pub subject: &'a str,
    pub class: &'a str,
    pub key: Uuid,
}

impl KeyName<'_> {
    fn bytes(&self, epoch: i64) -> Vec<u8> {
        let Self { workspace, subject, class, key } = self;
        let epoch = epoch.to_be_bytes();
        joined(&[b"key1", workspace.as_bytes(), subject.as_bytes(), class.as_bytes(), key.as_bytes(), &epoch])
    }
}

/// An epoch's key, for wrapping others.
#[derive(Clone)]
pub(super) struct Epoch {
    pub number: i64,
    pub secret: Secret,
}

impl Epoch {
    pub fn wrap(&self, name: KeyName<'_>, secret: &Secret) -> Vec<u8> {
        encrypt(&self.derived("wrap"), &secret[..], &name.bytes(self.number))
    }

    pub fn unwrap(&self, name: KeyName<'_>, wrapped: &[u8]) -> Result<Secret, Forged> {
        let secret = decrypt(&self.derived("wrap"), wrapped, &name.bytes(self.number))?;
        Ok(Zeroizing::new(secret[..].try_into().map_err(|_| Forged)?))
    }

    /// What only this key makes, and tells nothing of it.
    pub fn proof(&self) -> Vec<u8> {
        self.derived("proof").to_vec()
    }

    fn derived(&self, purpose: &str) -> Secret {
        let mut derived = Zeroizing::new([0; 32]);
        let info = format!("mewayz vault epoch {} {purpose}", self.number);
        Hkdf::<Sha256>::new(None, &self.secret[..])
            .expand(info.as_bytes(), &mut derived[..])
            .expect("32 bytes are not too many");
        derived
    }
}

fn bound_to(key: Uuid, whose: &Whose, place: Place) -> Vec<u8> {
    let Place { events, field, class } = place;
    joined(&[
        b"pii1",
        whose.workspace.uuid().as_bytes(),
        whose.subject.as_str().as_bytes(),
        class.as_ref().as_bytes(),
        events.as_bytes(),
        field.as_bytes(),
        key.as_bytes(),
    ])
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(*part);
    }
    bytes
}

fn cipher(secret: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new_from_slice(&secret[..]).expect("the key has 32 bytes")
}

fn encrypt(secret: &Secret, text: &[u8], bound_to: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE] = rand::random();
    let payload = Payload { msg: text, aad: bound_to };
    let ciphertext =
        cipher(secret).encrypt(&XNonce::from(nonce), payload).expect("it is far below 2^38 bytes");
    [&nonce[..], &ciphertext].concat()
}

fn decrypt(secret: &Secret, body: &[u8], bound_to: &[u8]) -> Result<Zeroizing<Vec<u8>>, Forged> {
    let (nonce, ciphertext) = body.split_first_chunk::<NONCE>().ok_or(Forged)?;
    let payload = Payload { msg: ciphertext, aad: bound_to };
    cipher(secret).decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| Forged)
}

fn pad(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() > LONGEST {
        return None;
    }
    let mut size = SMALLEST;
    while size < text.len() + LENGTH {
        size *= 4;
    }
    let mut padded = Zeroizing::new(Vec::with_capacity(size));
    padded.extend(u32::try_from(text.len()).ok()?.to_be_bytes());
    padded.extend(text.as_bytes());
    padded.resize(size, 0);
    Some(padded)
}

fn unpad(padded: &[u8]) -> Result<String, Forged> {
    let (length, rest) = padded.split_first_chunk::<LENGTH>().ok_or(Forged)?;
    let text = rest.get(..u32::from_be_bytes(*length) as usize).ok_or(Forged)?;
    std::str::from_utf8(text).map(str::to_owned).map_err(|_| Forged)
}

#[cfg(test)]
mod tests;
