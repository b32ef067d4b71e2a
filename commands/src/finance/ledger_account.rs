//! Acting on ledger accounts: the workspace's chart of accounts.

use domain::finance::ledger_account::{Class, LedgerAccount, LedgerAccountCommand};
use domain::ids::LedgerAccountId;
use tracing::instrument;

use crate::{Context, Outcome, Result};

/// Opening, freezing and closing accounts.
pub const MANAGE: &str = "ledger:manage";
/// Looking at the books.
pub const READ: &str = "ledger:read";

/// Opens an account.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "ledger_account.open", skip_all, fields(ledger_account.id = %account))]
pub async fn open(
    cx: Context,
    account: LedgerAccountId,
    class: Class,
    no_overdraft: bool,
    shared: bool,
) -> Result<Outcome> {
    cx.must(MANAGE)?;
    let open = LedgerAccountCommand::Open { account: account.clone(), class, no_overdraft, shared };
    cx.execute::<LedgerAccount>(account, open).await
}

/// Lets nothing be posted or reserved for now.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "ledger_account.freeze", skip_all, fields(ledger_account.id = %account))]
pub async fn freeze(cx: Context, account: LedgerAccountId, reason: String) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<LedgerAccount>(account, LedgerAccountCommand::Freeze { reason }).await
}

/// Lets it take part again.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "ledger_account.unfreeze", skip_all, fields(ledger_account.id = %account))]
pub async fn unfreeze(cx: Context, account: LedgerAccountId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<LedgerAccount>(account, LedgerAccountCommand::Unfreeze).await
}

/// Closes it for good, if there is nothing in it and nothing pending.
///
/// # Errors
/// Any of [`crate::Error`].
#[instrument(name = "ledger_account.close", skip_all, fields(ledger_account.id = %account))]
pub async fn close(cx: Context, account: LedgerAccountId) -> Result<Outcome> {
    cx.must(MANAGE)?;
    cx.execute::<LedgerAccount>(account, LedgerAccountCommand::Close).await
}
