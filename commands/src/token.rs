//! Token: what is handed out to be shown again: a few words, and a MAC over them by a key of the vault.
//!
//! Nothing of it is stored (docs/adr/0023). What it is good for, how often and how long is what its words name: a
//! challenge, a session's generation, an invitation.

use subtle::ConstantTimeEq;

use crate::error::Result;
use crate::identity::workspace::PLATFORM;
use crate::port::vault::Vault;

/// Longer than any token.
const LONGEST: usize = 512;

/// A token of these words, which have no `.` in them.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn mint(vault: &dyn Vault, purpose: &str, words: &[&str]) -> Result<String> {
    let said = words.join(".");
    let mac = vault.lookup(PLATFORM, &format!("token:{purpose}"), &said).await?;
    Ok(format!("{said}.{mac}"))
}

/// The words of a token that was made for this purpose, as many as there must be; none if it was made otherwise.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn read<const N: usize>(
    vault: &dyn Vault,
    purpose: &str,
    token: &str,
) -> Result<Option<[String; N]>> {
    let Some((said, shown)) = token.rsplit_once('.').filter(|_| token.len() <= LONGEST) else {
        return Ok(None);
    };
    let mac = vault.lookup(PLATFORM, &format!("token:{purpose}"), said).await?;
    let same = bool::from(mac.as_str().as_bytes().ct_eq(shown.as_bytes()));
    let words: Vec<String> = said.split('.').map(str::to_owned).collect();
    Ok(words.try_into().ok().filter(|_| same))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::vault::fake::FakeVault;

    #[tokio::test]
    async fn comes_back_for_its_purpose_only_and_as_it_was_made() {
        let vault = FakeVault::default();
        let token = mint(&vault, "verify", &["acc_1", "chl_2"]).await.unwrap();
        let words = read::<2>(&vault, "verify", &token).await.unwrap();
        assert_eq!(words, Some(["acc_1".to_owned(), "chl_2".to_owned()]));
        assert_eq!(read::<2>(&vault, "reset", &token).await.unwrap(), None);
        assert_eq!(read::<1>(&vault, "verify", &token).await.unwrap(), None);
        for bad in [
            "",
            ".",
            "acc_1.chl_2",
            &token.replace("chl_2", "chl_3"),
            &token[..token.len() - 1],
            &format!("{token}0"),
            &token.to_uppercase(),
            &"a.".repeat(300),
        ] {
            assert_eq!(read::<2>(&vault, "verify", bad).await.unwrap(), None, "{bad}");
        }
    }
}
