//! API keys, as their workspace sees them: never their secrets, nor the hashes of these.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::identity::api_key::{ApiKey, ApiKeyEvent as E, Network};
use domain::ids::ApiKeyId;
use domain::kernel::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::reading::{Filter, Listing, Order};
use crate::stream::{Stem, StreamView};
use crate::view::Unfoldable;

/// One row of `read.api_key`, and the answer to `GET /api/api-keys/{id}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyView {
    #[serde(flatten)]
    #[schema(inline)]
    pub stem: Stem<ApiKeyId>,
    pub name: String,
    /// What may be done with it.
    pub scopes: BTreeSet<String>,
    /// From when on it cannot be used, if it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// Where it may be used from; anywhere if empty.
    pub networks: BTreeSet<Network>,
    /// When it got its present secret, if that is not its first.
    pub rotated_at: Option<DateTime<Utc>>,
    /// Until when the secret before that may be used.
    pub last_secret_until: Option<DateTime<Utc>>,
    pub revoked: bool,
}

/// Read model `api_key`.
pub struct ApiKeys;

impl StreamView for ApiKeys {
    const NAME: &'static str = "api_key";
    type Of = ApiKey;
    type Row = ApiKeyView;

    fn stem(row: &mut ApiKeyView) -> &mut Stem<ApiKeyId> {
        &mut row.stem
    }

    fn begun(stem: Stem<ApiKeyId>, happened: &E, _: &Recorded) -> Option<ApiKeyView> {
        let E::Issued(terms) = happened else { return None };
        Some(ApiKeyView {
            stem,
            name: terms.name.clone(),
            scopes: terms.scopes.clone(),
            expires_at: terms.expires_at,
            networks: terms.networks.clone(),
            rotated_at: None,
            last_secret_until: None,
            revoked: false,
        })
    }

    fn apply(row: &mut ApiKeyView, happened: &E, event: &Recorded) -> Result<(), Unfoldable> {
        match happened {
            E::Issued(_) => {}
            E::Rotated { kept_until, .. } => {
                row.rotated_at = Some(event.recorded_at);
                row.last_secret_until = Some(*kept_until);
            }
            E::Revoked => row.revoked = true,
        }
        Ok(())
    }
}

/// Which keys a list is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ApiKeyFilter {
    /// Only those that were revoked, or only all others.
    #[param(required = false, nullable = false)]
    pub revoked: Option<bool>,
}

impl Filter for ApiKeyFilter {
    type Of = ApiKeys;

    fn order(&self) -> Order {
        Order::by("created_at", "timestamptz").descending()
    }

    fn narrow(self, list: Listing<ApiKeys>) -> Listing<ApiKeys> {
        list.only("t.revoked = ", self.revoked, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use domain::identity::api_key::Terms;

    const ID: &str = "key_00000000000000000000000001";

    fn issued() -> E {
        E::Issued(Terms {
            name: "shop".into(),
            scopes: ["order:place".to_owned()].into(),
            secret_hash: "0a".repeat(32),
            expires_at: None,
            networks: ["10.1.0.0/16".parse().unwrap()].into(),
        })
    }

    fn row(events: &[E]) -> ApiKeyView {
        let events = events.iter().map(|event| Recorded::example::<ApiKey>(ID, event));
        example::row::<ApiKeys>(ID, events).unwrap()
    }

    #[test]
    fn shows_what_it_may_and_from_where_and_nothing_of_its_secret() {
        let key = row(&[issued()]);
        assert_eq!((&*key.name, key.scopes.len(), key.networks.len()), ("shop", 1, 1));
        assert_eq!((key.rotated_at, key.last_secret_until, key.revoked), (None, None, false));
        assert!(!serde_json::to_string(&key).unwrap().contains(&"0a".repeat(32)));
    }

    #[test]
    fn shows_when_it_got_another_secret_and_that_it_was_revoked() {
        let kept_until = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let rotated = E::Rotated { secret_hash: "0b".repeat(32), kept_until };
        let key = row(&[issued(), rotated, E::Revoked]);
        assert!(key.rotated_at.is_some() && key.revoked);
        assert_eq!((key.last_secret_until, key.stem.version), (Some(kept_until), 3));
    }
}
