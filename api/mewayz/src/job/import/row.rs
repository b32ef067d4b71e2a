//! Rows: one line of a file of purchases, read strictly and exactly.
//!
//! No amount passes through a float, and nothing is guessed: a line that could be read in two ways is not taken.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::ids::{CustomerId, FulfilmentId, LineId, OrderId, Sku};
use domain::money::{Currency, Money};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The names of the columns, which are the file's first line.
pub const HEADER: &str = "customer_id,date,quantity,amount_usd";
const MOST_UNITS: u32 = 1_000_000;
const LONGEST_NUMBER: usize = 64;
/// [`Money::MOST`], as it is written in a file.
const MOST: &str = "100000000000.00";

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub struct Purchase {
    /// The customer's number at the source.
    pub customer: String,
    pub date: NaiveDate,
    pub quantity: u32,
    /// Of all units together.
    pub amount: Money,
}

/// Why a line cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    #[error("it has {0} fields and not 4")]
    Fields(usize),
    #[error("it is not text")]
    NotText,
    #[error("the customer is not 1 to {LONGEST_NUMBER} letters and digits")]
    Customer,
    #[error("`{0}` is not a date of the form 1997-01-31")]
    Date(String),
    #[error("{0} is not over yet")]
    Future(NaiveDate),
    #[error("`{0}` is not a quantity from 1 to {MOST_UNITS}")]
    Quantity(String),
    #[error("`{0}` is not an amount from 0.00 to {most}, with two decimal places at most", most = MOST)]
    Amount(String),
    #[error("its quotation marks are not those of CSV")]
    Quotes,
}

impl Purchase {
    /// Reads a line.
    ///
    /// # Errors
    /// The first thing about it that is wrong.
    pub fn read(line: &[u8], today: NaiveDate) -> Result<Self, BadRow> {
        let line = std::str::from_utf8(line).map_err(|_| BadRow::NotText)?;
        let fields = fields(line).ok_or(BadRow::Quotes)?;
        let [customer, date, quantity, amount] = fields.iter().map(String::as_str).collect::<Vec<_>>()[..]
        else {
            return Err(BadRow::Fields(fields.len()));
        };
        let known = (1..=LONGEST_NUMBER).contains(&customer.len())
            && customer.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !known {
            return Err(BadRow::Customer);
        }
        let date = day(date).ok_or_else(|| BadRow::Date(shown(date)))?;
        if date >= today {
            return Err(BadRow::Future(date));
        }
        let units = digits(quantity).and_then(|units| u32::try_from(units).ok());
        let quantity = units
            .filter(|units| (1..=MOST_UNITS).contains(units))
            .ok_or_else(|| BadRow::Quantity(shown(quantity)))?;
        let amount = cents(amount)
            .map(|amount| Money::new(amount, Currency::USD))
            .filter(|amount| amount.is_in_range())
            .ok_or_else(|| BadRow::Amount(shown(amount)))?;
        let customer = customer.to_owned();
        Ok(Self { customer, date, quantity, amount })
    }

    /// What one unit cost, where that can be said exactly.
    #[must_use]
    pub fn unit_price(&self) -> Option<Money> {
        let units = i64::from(self.quantity);
        (self.amount.amount % units == 0)
            .then(|| Money::new(self.amount.amount / units, self.amount.currency))
    }

    /// When it counts as having happened: noon of its day, UTC.
    #[must_use]
    pub fn at(&self) -> DateTime<Utc> {
        self.date.and_time(NaiveTime::from_hms_opt(12, 0, 0).expect("noon is a time")).and_utc()
    }
}

/// SHA-256 of what a line says: another one makes it another row. Quotation marks around a field say nothing.
#[must_use]
pub fn content(line: &[u8]) -> Vec<u8> {
    let bare = std::str::from_utf8(line).ok().and_then(fields).map(|fields| fields.join(","));
    Sha256::digest(bare.as_ref().map_or(line, String::as_bytes)).to_vec()
}

/// The fields of a line of CSV (RFC 4180), of which each may stand in quotation marks.
pub fn fields(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut rest) = (Vec::new(), line);
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => in_quotes(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(fields),
            None => return None,
        }
    }
}

/// What stands before the closing mark, two of which are one, and what comes after it.
fn in_quotes(quoted: &str) -> Option<(String, &str)> {
    let (mut field, mut rest) = (String::new(), quoted);
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Some((field, after)),
        }
    }
}

/// A name that is part of every id made from its rows: two files under different names are different purchases.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: String,
    pub sku: Sku,
    namespace: Uuid,
}

/// A source's name that cannot be one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a source is named with 1 to 50 of A-Z a-z 0-9 . _ - and begins with a letter or a digit")]
pub struct NotASource;

impl Source {
    /// # Errors
    /// [`NotASource`].
    pub fn named(name: &str, workspace: Uuid) -> Result<Self, NotASource> {
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if name.len() > 50 || !begins || !is_plain {
            return Err(NotASource);
        }
        // The source does not say what was bought: all of it is one thing.
        let sku = format!("{name}-item").parse().map_err(|_| NotASource)?;
        let namespace = Uuid::new_v5(&workspace, format!("import\0{name}").as_bytes());
        Ok(Self { name: name.to_owned(), sku, namespace })
    }

    /// The id of the command that takes a line: a repeat is the same command.
    #[must_use]
    pub fn command(&self, line: u64) -> Uuid {
        self.id(line, "command")
    }

    #[must_use]
    pub fn order(&self, line: u64) -> OrderId {
        OrderId::from_uuid(self.id(line, "order"))
    }

    #[must_use]
    pub fn line(&self, line: u64) -> LineId {
        LineId::from_uuid(self.id(line, "line"))
    }

    #[must_use]
    pub fn fulfilment(&self, line: u64) -> FulfilmentId {
        FulfilmentId::from_uuid(self.id(line, "fulfilment"))
    }

    /// A customer is one for all of their lines.
    #[must_use]
    pub fn customer(&self, number: &str) -> CustomerId {
        CustomerId::from_uuid(Uuid::new_v5(&self.namespace, format!("customer\0{number}").as_bytes()))
    }

    fn id(&self, line: u64, role: &str) -> Uuid {
        Uuid::new_v5(&self.namespace, format!("{line}\0{role}").as_bytes())
    }
}

fn day(text: &str) -> Option<NaiveDate> {
    let (bytes, form) = (text.as_bytes(), b"dddd-dd-dd");
    let formed = bytes.len() == form.len()
        && bytes.iter().zip(form).all(|(b, f)| if *f == b'd' { b.is_ascii_digit() } else { b == f });
    if formed { text.parse().ok() } else { None }
}

/// A number written with digits only: no sign, no exponent, no blanks.
fn digits(text: &str) -> Option<i64> {
    let formed = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    formed.then(|| text.parse().ok())?
}

fn cents(text: &str) -> Option<i64> {
    let (whole, part) = match text.split_once('.') {
        None => (text, 0),
        Some((whole, part)) => match part.len() {
            1 => (whole, digits(part)? * 10),
            2 => (whole, digits(part)?),
            _ => return None,
        },
    };
    digits(whole)?.checked_mul(100)?.checked_add(part)
}

/// As much of a wrong field as helps to find it.
fn shown(text: &str) -> String {
    text.chars().take(30).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2000, 1, 1).unwrap()
    }

    fn read(line: &str) -> Result<Purchase, BadRow> {
        Purchase::read(line.as_bytes(), today())
    }

    #[test]
    fn reads_what_was_bought_when_and_for_how_much() {
        let purchase = read("00002,1997-01-12,5,77.05").unwrap();
        assert_eq!((purchase.customer.as_str(), purchase.quantity), ("00002", 5));
        assert_eq!(purchase.amount, Money::new(7705, Currency::USD));
        assert_eq!(purchase.at().to_rfc3339(), "1997-01-12T12:00:00+00:00");
        assert_eq!(purchase.unit_price(), Some(Money::new(1541, Currency::USD)));
        assert_eq!(read("1,1997-01-12,3,10.00").unwrap().unit_price(), None, "it does not divide");
        assert_eq!(read("1,1997-01-12,3,0.00").unwrap().unit_price(), Some(Money::zero(Currency::USD)));
        assert_eq!(read("1,1997-01-12,1,12").unwrap().amount.amount, 1200);
        assert_eq!(read("1,1997-01-12,1,12.5").unwrap().amount.amount, 1250);
    }

    #[test]
    fn says_what_is_wrong_with_a_line() {
        for (line, wrong) in [
            ("", BadRow::Fields(1)),
            ("1,1997-01-12,5", BadRow::Fields(3)),
            ("1,1997-01-12,5,1.00,", BadRow::Fields(5)),
            (",1997-01-12,5,1.00", BadRow::Customer),
            ("a b,1997-01-12,5,1.00", BadRow::Customer),
            ("1,1997-02-30,5,1.00", BadRow::Date("1997-02-30".into())),
            ("1,1997-2-3,5,1.00", BadRow::Date("1997-2-3".into())),
            ("1,12.01.1997,5,1.00", BadRow::Date("12.01.1997".into())),
            ("1,2000-01-01,5,1.00", BadRow::Future(today())),
            ("1,1997-01-12,0,1.00", BadRow::Quantity("0".into())),
            ("1,1997-01-12,+5,1.00", BadRow::Quantity("+5".into())),
            ("1,1997-01-12, 5,1.00", BadRow::Quantity(" 5".into())),
            ("1,1997-01-12,1000001,1.00", BadRow::Quantity("1000001".into())),
            ("1,1997-01-12,99999999999999999999,1.00", BadRow::Quantity("99999999999999999999".into())),
            ("1,1997-01-12,5,12.345", BadRow::Amount("12.345".into())),
            ("1,1997-01-12,5,-1.00", BadRow::Amount("-1.00".into())),
            ("1,1997-01-12,5,1e3", BadRow::Amount("1e3".into())),
            ("1,1997-01-12,5,1.", BadRow::Amount("1.".into())),
            ("1,1997-01-12,5,.5", BadRow::Amount(".5".into())),
            ("1,1997-01-12,5,", BadRow::Amount(String::new())),
            ("1,1997-01-12,5,NaN", BadRow::Amount("NaN".into())),
            ("1,1997-01-12,5,100000000000.01", BadRow::Amount("100000000000.01".into())),
            ("1,1997-01-12,5,92233720368547758.08", BadRow::Amount("92233720368547758.08".into())),
            ("\"1,1997-01-12,5,1.00", BadRow::Quotes),
            ("\"1\"2,1997-01-12,5,1.00", BadRow::Quotes),
            ("\"1,1997-01-12\",5,1.00", BadRow::Fields(3)),
            ("\"a\"\"b\",1997-01-12,5,1.00", BadRow::Customer),
        ] {
            assert_eq!(read(line), Err(wrong), "{line}");
        }
        assert_eq!(Purchase::read(b"1,1997-01-12,5,\xff", today()), Err(BadRow::NotText));
        assert_eq!(read(&format!("1,1997-01-12,5,{MOST}")).unwrap().amount.amount, Money::MOST);
    }

    #[test]
    fn reads_the_same_in_quotation_marks_and_without() {
        let quoted = "\"00002\",1997-01-12,\"5\",\"77.05\"";
        assert_eq!(read(quoted), read("00002,1997-01-12,5,77.05"));
        assert_eq!(content(quoted.as_bytes()), content(b"00002,1997-01-12,5,77.05"));
        assert_ne!(content(b"00002,1997-01-12,5,77.05"), content(b"00002,1997-01-12,5,77.06"));
        assert_eq!(fields("\"a,\"\"b\",,c").unwrap(), ["a,\"b", "", "c"]);
    }

    #[test]
    fn its_ids_are_those_of_its_line_and_of_nothing_else() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let source = Source::named("cdnow", one).unwrap();
        assert_eq!(source.order(7), Source::named("cdnow", one).unwrap().order(7));
        assert_ne!(source.order(7), source.order(8));
        assert_ne!(source.order(7), Source::named("cdnow2", one).unwrap().order(7));
        assert_ne!(source.order(7), Source::named("cdnow", two).unwrap().order(7));
        assert_ne!(source.order(7).uuid(), source.command(7));
        assert_eq!(source.sku.as_str(), "cdnow-item");
        for name in ["", "a b", "-a", &"x".repeat(51)] {
            assert!(Source::named(name, one).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_comes_back_as_it_was_written(amount in 0..=Money::MOST) {
            let line = format!("1,1997-01-12,1,{}.{:02}", amount / 100, amount % 100);
            prop_assert_eq!(read(&line).unwrap().amount.amount, amount);
        }

        #[test]
        fn no_line_makes_it_fall_over(line in prop::collection::vec(any::<u8>(), 0..80)) {
            _ = Purchase::read(&line, today());
        }
    }
}
