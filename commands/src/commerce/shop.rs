//! Acting on shops: how a workspace sells.

use domain::commerce::shop::{Policy, Shop, ShopCommand};
use tracing::instrument;

use crate::{Context, Facts, Outcome, Result};

/// Settling how the workspace sells.
pub const MANAGE: &str = "shop:manage";
/// Looking at it.
pub const READ: &str = "shop:read";

/// Settles how the workspace sells.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "shop.settle", skip_all)]
pub async fn settle(cx: Context, policy: Policy) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let own = cx.workspace;
    cx.execute::<Shop>(own, ShopCommand::Settle(policy)).await
}

/// How the workspace sells, and the version of that.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "shop.show", skip_all)]
pub async fn show(cx: Context) -> Result<(Policy, i64)> {
    cx.must(READ)?;
    cx.know(|facts| async move {
        let shop = facts.load::<Shop>(&facts.workspace).await?;
        Ok((shop.state.policy().clone(), shop.version))
    })
    .await
}

/// The policy, as a fact for a command.
pub(super) async fn policy(facts: &Facts) -> Result<Policy> {
    Ok(facts.load_if_any::<Shop>(&facts.workspace).await?.state.policy().clone())
}
