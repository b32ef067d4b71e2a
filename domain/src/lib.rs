//! Domain: what each capability knows and decides.
//!
//! Pure: no clock, no random id, no I/O; what a decision needs arrives in its command.
//! A capability never names another: ids, money, taxes, locales, permissions and personal data are the only shared words.

pub mod commerce;
pub mod currency;
pub mod digest;
pub mod finance;
pub mod identity;
pub mod ids;
pub mod kernel;
#[cfg(test)]
mod lives;
pub mod locale;
pub mod money;
pub mod permission;
pub mod pii;
#[cfg(feature = "schema")]
mod schema;
pub mod tax;
pub mod text;

/// The contexts of the platform: the first half of every [`kernel::Decider::NAME`], a folder of the same name in each
/// layer, a topic each.
pub const CONTEXTS: [&str; 10] = [
    "identity",
    "commerce",
    "finance",
    "marketing",
    "sales",
    "content",
    "service",
    "intelligence",
    "platform",
    "proxy",
];
