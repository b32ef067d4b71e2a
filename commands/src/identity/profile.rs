//! Acting on profiles: what is about a person is sealed before anything decides.

use std::collections::BTreeMap;

use domain::identity::profile::{Change, Changes, Profile, ProfileCommand};
use domain::locale::{Locale, TimeZone};
use domain::pii::{Field, Pii, Whose};
use tracing::instrument;

use crate::context::Context;
use crate::error::Result;
use crate::identity::account::whose;
use crate::port::vault::{Vault, seal};
use crate::store::Outcome;

/// What a person wants said of them from now on: what is left out stays as it is, and none clears.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    pub name: Option<Option<String>>,
    pub phone: Option<Option<String>>,
    pub postal_address: Option<Option<String>>,
    pub locale: Option<Locale>,
    pub time_zone: Option<TimeZone>,
    /// By name: none removes it.
    pub preferences: BTreeMap<String, Option<String>>,
}

/// Changes the actor's profile.
#[instrument(name = "profile.update", skip_all)]
pub async fn update(cx: Context, vault: &dyn Vault, edits: Edits) -> Result<Outcome> {
    let account = cx.account()?;
    let whose = whose(account);
    let changes = Changes {
        name: sealed(vault, &whose, edits.name).await?,
        phone: sealed(vault, &whose, edits.phone).await?,
        postal_address: sealed(vault, &whose, edits.postal_address).await?,
        locale: edits.locale,
        time_zone: edits.time_zone,
        preferences: edits.preferences,
    };
    cx.execute::<Profile>(account, ProfileCommand::Update(changes)).await
}

async fn sealed<F: Field>(
    vault: &dyn Vault,
    whose: &Whose,
    edit: Option<Option<String>>,
) -> Result<Option<Change<Pii<F>>>> {
    Ok(match edit {
        None => None,
        Some(None) => Some(Change::Clear),
        Some(Some(text)) => Some(Change::Set(seal(vault, whose, &text).await?)),
    })
}
