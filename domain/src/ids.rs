//! Ids: what things are called, outside (a TypeID: `ord_01h455vb4pex5vsknk084sn02q`) and inside (a UUID).
//!
//! The text form is the TypeID specification's: a prefix of 2 to 5 lower-case letters, `_`, and the UUID's 128
//! bits in 26 characters of Crockford's base 32 (lower case, no i, l, o, u; the first is 0 to 7).

mod ledger;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::money::Currency;
pub use ledger::{LedgerAccountId, NotALedgerAccount};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ and 26 characters of 0-9 a-z without i, l, o, u")]
pub struct NotAnId {
    pub prefix: &'static str,
}

fn encode(uuid: Uuid) -> String {
    let bits = uuid.as_u128();
    (0..LENGTH).rev().map(|i| ALPHABET[((bits >> (5 * i)) & 31) as usize] as char).collect()
}

fn decode(text: &str) -> Option<Uuid> {
    if text.len() != LENGTH || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes()
        .try_fold(0u128, |bits, byte| {
            ALPHABET.iter().position(|&letter| letter == byte).map(|value| (bits << 5) | value as u128)
        })
        .map(Uuid::from_u128)
}

/// A kind of id: what all of them can do.
pub trait TypedId: Copy + Eq + fmt::Display + FromStr<Err = NotAnId> + Send + Sync + 'static {
    const PREFIX: &'static str;
    fn from_uuid(uuid: Uuid) -> Self;
    fn uuid(self) -> Uuid;
}

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl TypedId for $name {
            const PREFIX: &'static str = $prefix;
            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
            fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(NotAnId { prefix: $prefix })
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        #[cfg(feature = "schema")]
        crate::schema::published!($name, crate::schema::id($prefix));
    )*};
}

typed_id! {
    /// A tenant.
    WorkspaceId = "ws";
    /// A person, who may act in several workspaces.
    AccountId = "acc";
    /// What is kept apart from the log to check a person by: a password's hash, a TOTP seed, recovery codes.
    CredentialId = "cred";
    /// A question put to a person by mail: who shows its token has the mailbox.
    ChallengeId = "chl";
    /// A sign-in that is kept alive: a family of refresh tokens.
    SessionId = "ses";
    InvitationId = "inv";
    /// A role that a workspace made for itself.
    RoleId = "role";
    /// An API key (the public half of it).
    ApiKeyId = "key";
    /// A legal hold: personal data that must be kept for now.
    HoldId = "hold";
    /// A buyer, as the workspace knows them.
    CustomerId = "cus";
    ProductId = "prod";
    CartId = "cart";
    OrderId = "ord";
    /// One line of an order or a cart.
    LineId = "line";
    /// Goods handed over together.
    FulfilmentId = "ful";
    /// A return (RMA).
    ReturnId = "ret";
    /// Units of one stock item set aside.
    ReservationId = "res";
    /// A payment intent.
    PaymentId = "pay";
    /// One attempt at a payment.
    AttemptId = "att";
    /// One capture of an authorised payment.
    CaptureId = "cap";
    RefundId = "rfnd";
    /// A transaction of the ledger.
    LedgerTransactionId = "ltx";
    WalletId = "wal";
    /// Money that came into a wallet at one time, on one set of terms.
    LotId = "lot";
    /// Money of a wallet set aside.
    WalletHoldId = "whold";
    /// Money taken out of a wallet.
    WalletDebitId = "wdeb";
    TopUpId = "topup";
    InvoiceId = "invc";
    /// One item of an invoice.
    InvoiceItemId = "item";
    /// A part of a payment that is put against an invoice.
    AllocationId = "alloc";
    CreditNoteId = "crn";
    /// Who invoices: a legal entity of the workspace.
    BillingEntityId = "bent";
    /// Who sells in a workspace's shop and is paid out.
    SellerId = "slr";
    /// What a seller earned at one time.
    EarningId = "earn";
    /// What a seller has to give back of it.
    RecoveryId = "rcv";
    /// A batch of payouts.
    PayoutId = "pout";
    /// One payout of a batch.
    PayoutItemId = "pitem";
    ExpenseId = "exp";
    /// A checkout: the process that takes one order from placed to confirmed.
    CheckoutId = "chk";
    /// Money held for two parties until both or a resolver say whose it is.
    EscrowId = "esc";
    /// One piece of work of an escrow, with its price.
    MilestoneId = "mil";
    /// One payment into an escrow.
    FundingId = "fund";
    /// One release or refund out of an escrow, as whoever asks for it names it.
    MovementId = "mov";
    DisputeId = "disp";
}

/// A stock keeping unit: the seller's own code, 1 to 64 of `A-Z a-z 0-9 . _ - /` and blanks. A letter or a digit stands at
/// its beginning and behind each `/` and each blank.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sku(String);

/// Where stock lies: the seller's own code, 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Location(String);

/// A tax as a workspace calls it: 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TaxCode(String);

/// A text that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a code is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or a digit")]
pub struct NotACode;

/// A text that is no SKU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a SKU is 1 to 64 of A-Z a-z 0-9 . _ - / and blanks, with a letter or a digit at its beginning and behind each / \
     and each blank"
)]
pub struct NotASku;

fn is_sku(text: &str) -> bool {
    text.len() <= 64 && text.split(['/', ' ']).all(is_code)
}

fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

macro_rules! code {
    ($($name:ident: $is:ident or $Not:ident, as $published:expr)*) => {$(
        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = $Not;
            fn from_str(text: &str) -> Result<Self, $Not> {
                if $is(text) { Ok(Self(text.to_owned())) } else { Err($Not) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $Not;
            fn try_from(text: String) -> Result<Self, $Not> {
                if $is(&text) { Ok(Self(text)) } else { Err($Not) }
            }
        }

        impl From<$name> for String {
            fn from(code: $name) -> String {
                code.0
            }
        }

        #[cfg(feature = "schema")]
        crate::schema::published!($name, $published);
    )*};
}

code! {
    Sku: is_sku or NotASku, as crate::schema::sku("MUG-BLUE")
    Location: is_code or NotACode, as crate::schema::code("MAIN")
    TaxCode: is_code or NotACode, as crate::schema::code("VAT-DE-STANDARD")
}

/// One pool of stock: a SKU at a location; its stream's id is `<sku>@<location>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StockId {
    pub sku: Sku,
    pub location: Location,
}

impl fmt::Display for StockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.sku, self.location)
    }
}

impl FromStr for StockId {
    type Err = NotACode;
    fn from_str(text: &str) -> Result<Self, NotACode> {
        let (sku, location) = text.split_once('@').ok_or(NotACode)?;
        Ok(Self { sku: sku.parse().map_err(|_| NotACode)?, location: location.parse()? })
    }
}

impl TryFrom<String> for StockId {
    type Error = NotACode;
    fn try_from(text: String) -> Result<Self, NotACode> {
        text.parse()
    }
}

impl From<StockId> for String {
    fn from(id: StockId) -> String {
        id.to_string()
    }
}

#[cfg(feature = "schema")]
crate::schema::published!(StockId, crate::schema::stock_id());

/// What a seller has in one currency; its stream's id is `<seller>@<currency>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SellerBalanceId {
    pub seller: SellerId,
    pub currency: Currency,
}

/// A text that names no balance of a seller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a seller's balance is <seller>@<currency>")]
pub struct NotASellerBalance;

impl fmt::Display for SellerBalanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.seller, self.currency)
    }
}

impl FromStr for SellerBalanceId {
    type Err = NotASellerBalance;
    fn from_str(text: &str) -> Result<Self, NotASellerBalance> {
        let (seller, currency) = text.split_once('@').ok_or(NotASellerBalance)?;
        let seller = seller.parse().map_err(|_| NotASellerBalance)?;
        Ok(Self { seller, currency: currency.parse().map_err(|_| NotASellerBalance)? })
    }
}

impl TryFrom<String> for SellerBalanceId {
    type Error = NotASellerBalance;
    fn try_from(text: String) -> Result<Self, NotASellerBalance> {
        text.parse()
    }
}

impl From<SellerBalanceId> for String {
    fn from(id: SellerBalanceId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_the_form_of_the_typeid_specification() {
        // From the specification's valid.json.
        let uuid = Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        assert_eq!(encode(uuid), "01h455vb4pex5vsknk084sn02q");
        assert_eq!(encode(Uuid::nil()), "00000000000000000000000000");
        assert_eq!(encode(Uuid::max()), "7zzzzzzzzzzzzzzzzzzzzzzzzz");
    }

    #[test]
    fn takes_no_other_form() {
        for text in [
            "",
            "ord_",
            "ord",
            "pay_01h455vb4pex5vsknk084sn02q",
            "ord_81h455vb4pex5vsknk084sn02q",
            "ord_01H455VB4PEX5VSKNK084SN02Q",
            "ord_01h455vb4pex5vsknk084sn02",
            "ord_01h455vb4pex5vsknk084sn02qq",
            "ord_01h455vb4pex5vsknk084sn0lq",
            "ord_\u{e9}1h455vb4pex5vsknk084sn02",
        ] {
            assert_eq!(text.parse::<OrderId>(), Err(NotAnId { prefix: "ord" }), "{text}");
        }
        for text in [
            "",
            "-a",
            "a@b",
            "é",
            &"x".repeat(65),
            " a",
            "a ",
            "a  b",
            "/a",
            "a/",
            "a//b",
            "a/../b",
            "a/ b",
            "a\tb",
        ] {
            assert_eq!(text.parse::<Sku>(), Err(NotASku), "{text}");
        }
        for text in ["a b", "TEA/GREEN 250.g", "a", "a-./b_"] {
            assert_eq!(text.parse::<Sku>().map(String::from).as_deref(), Ok(text));
        }
        assert_eq!("a b".parse::<Location>(), Err(NotACode));
        let balance = "slr_00000000000000000000000001@KWD";
        assert_eq!(balance.parse::<SellerBalanceId>().unwrap().to_string(), balance);
        for text in ["", "slr_00000000000000000000000001", "slr_1@USD", "slr_00000000000000000000000001@usd"]
        {
            assert_eq!(text.parse::<SellerBalanceId>(), Err(NotASellerBalance), "{text}");
        }
        let pool: StockId = "TEA/GREEN 2@main".parse().unwrap();
        assert_eq!((pool.sku.as_str(), pool.location.as_str()), ("TEA/GREEN 2", "main"));
    }

    proptest! {
        #[test]
        fn comes_back_as_it_went(bits: u128) {
            let id = OrderId::from_uuid(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse::<OrderId>(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<OrderId>(&json).unwrap(), id);
        }
    }
}
