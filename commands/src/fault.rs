//! Fault: whose failure it is when the database does not do what it is asked (permanent and transient errors).
//!
//! One table for everybody who must choose between giving up and trying again: the appender, processes and effects,
//! read models from the store and from Kafka, rebuilds, and the answers of the API. What fails because of what was
//! sent fails again: it is permanent, and the one event is parked, or the one command told. What fails because of the
//! database, the network, or of rights and tables that somebody is changing is transient: it is tried again with
//! pauses for as long as it takes, nothing is parked, and `mewayz status` says why nothing moves.
//!
//! A fault's text is of the table alone: messages of the database repeat what was sent, and that may be personal.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use cqrs_es::persist::PersistenceError;
use domain::kernel::{Unreadable, cqrs_es};
use domain::money::Unreckonable;

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The same again fails again: park the event, refuse the command.
    Permanent,
    /// Of the moment, or of what is around: wait, and try again.
    Transient,
}

use Kind::{Permanent, Transient};

/// A class of failures.
#[derive(Debug, PartialEq, Eq)]
pub struct Class {
    /// The beginning of an SQLSTATE, or a word of our own for what is none.
    pub code: &'static str,
    pub kind: Kind,
    pub says: &'static str,
    /// What an operator does about it.
    pub remedy: &'static str,
}

const fn class(code: &'static str, kind: Kind, says: &'static str, remedy: &'static str) -> Class {
    Class { code, kind, says, remedy }
}

const RUNS: &str = "see whether the database runs and can be reached; it goes on by itself";
const MIGRATE: &str = "run `mewayz migrate`; it goes on by itself";
const RIGHTS: &str = "put DATABASE_URL's user, password or rights in order; it goes on by itself";
const ROOM: &str = "give the database what it lacks; it goes on by itself";
const PATIENCE: &str = "nothing: it goes on by itself; if it does not, see the database's log";
const MEND: &str = "mend the cause (code or rule of the database), then `mewayz unpark` it";

/// The table. The longest code that a failure's begins with is its class.
///
/// The rule: permanent is what depends on the values that were sent. Whatever would be the same for every event
/// (rights, tables, space, time) is waited out, since parking would park all of them. So is what is not named here:
/// to wait loses nothing.
pub const CLASSES: &[Class] = &[
    // Of the values: the same values fail the same way.
    class("09", Permanent, "a trigger of the database refuses it", MEND),
    class("20", Permanent, "a rule of the database has no case for it", MEND),
    class("21", Permanent, "it names a row twice in one statement", MEND),
    class("22", Permanent, "a value cannot be taken in or reckoned with", MEND),
    class("23", Permanent, "it breaks a constraint of the database", MEND),
    class("27", Permanent, "a trigger has changed what it writes", MEND),
    class("38", Permanent, "a function of the database fails on it", MEND),
    class("39", Permanent, "a function of the database fails on it", MEND),
    class("44", Permanent, "it breaks a check of a view of the database", MEND),
    class("54", Permanent, "a value is larger than the database can hold or index", MEND),
    class("P0", Permanent, "a function of the database has refused it", MEND),
    // Stack depth is a setting (max_stack_depth), not a value of ours.
    class("54001", Transient, "a statement is too complex for the database's settings", ROOM),
    // Of the connection.
    class("08", Transient, "the connection to the database is lost", RUNS),
    class(
        "26",
        Transient,
        "the connection has forgotten its prepared statements",
        "a pooler between must keep sessions",
    ),
    class("0A", Transient, "a statement no longer fits tables that have changed", PATIENCE),
    // Of the moment.
    class(
        "25",
        Transient,
        "the database takes no writes, or ended an idle transaction",
        "see whether this is the primary; it goes on by itself",
    ),
    class("40", Transient, "the transaction gave way to another", PATIENCE),
    class("55", Transient, "what it needs is locked or in use by another", PATIENCE),
    class("57", Transient, "the database is stopping or starting, or has cancelled the statement", RUNS),
    class("72", Transient, "the snapshot is too old", PATIENCE),
    // Of resources.
    class("53", Transient, "the database is out of resources", ROOM),
    class(
        "531",
        Transient,
        "the database's disk is full",
        "make room on the database's disk; it goes on by itself",
    ),
    class("532", Transient, "the database is out of memory", ROOM),
    class(
        "533",
        Transient,
        "the database has no connection left",
        "raise max_connections, or lower database.connections; it goes on by itself",
    ),
    class(
        "58",
        Transient,
        "the database's system or disk fails it",
        "see the database's log and disk; it goes on by itself",
    ),
    // Of an operator's, in the middle of changing something, or having forgotten to.
    class("28", Transient, "the database does not let this user in", RIGHTS),
    class("3D", Transient, "there is no such database", RIGHTS),
    class("3F", Transient, "there is no such schema", MIGRATE),
    class("42", Transient, "the tables are not those that this build was made for", MIGRATE),
    class("42501", Transient, "the database user lacks a right", RIGHTS),
    class("F0", Transient, "the database's configuration is broken", RUNS),
    class(
        "XX",
        Transient,
        "the database has an internal error, or damaged data",
        "see the database's log, and restore what is damaged; it goes on by itself",
    ),
    // Not of the database's own.
    class("encode", Permanent, "a value cannot be written", MEND),
    class("decode", Permanent, "what is stored cannot be read", MEND),
    class("range", Permanent, "a figure would leave its range", MEND),
    class("panic", Permanent, "the code has panicked", MEND),
    class("network", Transient, "the database cannot be reached", RUNS),
    class(
        "pool",
        Transient,
        "no connection to the database is free",
        "raise database.connections if this stays; it goes on by itself",
    ),
    class("schema", Transient, "the tables are not those that this build was made for", MIGRATE),
    class(
        "kafka",
        Transient,
        "Kafka does not do as it is asked",
        "see whether Kafka runs and can be reached; it goes on by itself",
    ),
];

/// What is in no class of the table.
const OTHER: Class = class(
    "other",
    Transient,
    "something it depends on fails",
    "see the log of the process; it goes on by itself",
);

/// A failure, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    code: String,
    class: &'static Class,
    /// The constraint or table that the database names.
    place: Option<String>,
}

impl Fault {
    /// Of a code: an SQLSTATE, or one of the table's words.
    #[must_use]
    pub fn coded(code: &str) -> Self {
        Self { code: code.to_owned(), class: class_of(code), place: None }
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.class.kind
    }

    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.class.kind == Permanent
    }

    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What has failed, whatever the code.
    #[must_use]
    pub fn says(&self) -> &'static str {
        self.class.says
    }

    /// What an operator does about a fault whose text this is.
    #[must_use]
    pub fn remedy(text: &str) -> &'static str {
        class_of(text.split_once(':').map_or(text, |(code, _)| code)).remedy
    }

    /// Of an error, or of what caused it.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = known(error) {
                return fault;
            }
            next = error.source();
        }
        Self::coded(OTHER.code)
    }
}

impl From<&sqlx::Error> for Fault {
    fn from(error: &sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Database(database) => {
                let place = database.constraint().or_else(|| database.table()).map(str::to_owned);
                Self { place, ..Self::coded(database.code().as_deref().unwrap_or(OTHER.code)) }
            }
            E::Io(_) | E::Tls(_) | E::Protocol(_) | E::WorkerCrashed | E::BeginFailed => {
                Self::coded("network")
            }
            E::PoolTimedOut | E::PoolClosed => Self::coded("pool"),
            E::Encode(_) | E::InvalidArgument(_) => Self::coded("encode"),
            E::Decode(source) | E::ColumnDecode { source, .. } if source.is::<Unreckonable>() => {
                Self::coded("range")
            }
            E::Decode(_) | E::ColumnDecode { .. } => Self::coded("decode"),
            E::TypeNotFound { .. } | E::ColumnIndexOutOfBounds { .. } | E::ColumnNotFound(_) => {
                Self::coded("schema")
            }
            _ => Self::coded(OTHER.code),
        }
    }
}

/// For people: the code first.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.class.says)?;
        self.place.as_ref().map_or(Ok(()), |place| write!(f, " ({place})"))
    }
}

impl Error for Fault {}

fn class_of(code: &str) -> &'static Class {
    let classes = CLASSES.iter().filter(|class| code.starts_with(class.code));
    classes.max_by_key(|class| class.code.len()).unwrap_or(&OTHER)
}

/// The fault of an error, not looking at what caused it.
fn known(error: &(dyn Error + 'static)) -> Option<Fault> {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return Some(fault.clone());
    }
    if let Some(error) = error.downcast_ref::<sqlx::Error>() {
        return Some(error.into());
    }
    if let Some(error) = error.downcast_ref::<Arc<sqlx::Error>>() {
        return Some((&**error).into());
    }
    if let Some(error) = error.downcast_ref::<PersistenceError>() {
        // It does not tell its source as errors do.
        return Some(match error {
            PersistenceError::OptimisticLockError => Fault::coded("40001"),
            PersistenceError::ConnectionError(source)
            | PersistenceError::DeserializationError(source)
            | PersistenceError::UnknownError(source) => Fault::of(&**source),
        });
    }
    if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        return Some(Fault::coded(if error.is_io() { "network" } else { "decode" }));
    }
    if error.is::<Unreadable>() {
        return Some(Fault::coded("decode"));
    }
    error.is::<Unreckonable>().then(|| Fault::coded("range"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error as CommandError;

    fn kind(code: &str) -> Kind {
        Fault::coded(code).kind()
    }

    #[test]
    fn what_depends_on_the_values_is_the_events_own() {
        for code in [
            "22001", "22003", "22012", "22021", "22P02", "22P05", "23502", "23503", "23505", "23514",
            "21000", "20000", "27000", "38001", "39004", "44000", "54000", "P0001", "P0004", "09000",
            "encode", "decode", "range", "panic",
        ] {
            assert_eq!(kind(code), Permanent, "{code}");
        }
    }

    #[test]
    fn what_is_of_the_database_or_the_way_to_it_is_waited_out() {
        for code in [
            "08006", "08P01", "53000", "53100", "53200", "53300", "53400", "57014", "57P01", "57P03",
            "40001", "40P01", "25006", "25P02", "25P03", "58030", "58P01", "XX000", "XX001", "55P03",
            "55006", "28P01", "3D000", "3F000", "42501", "42P01", "42703", "0A000", "26000", "54001",
            "72000", "F0000", "network", "pool", "schema", "kafka",
        ] {
            assert_eq!(kind(code), Transient, "{code}");
        }
        assert_eq!(kind("ZZ999"), Transient, "what nobody has named yet");
    }

    #[test]
    fn each_class_is_named_once_and_says_what_to_do() {
        for (n, class) in CLASSES.iter().enumerate() {
            assert!(CLASSES[..n].iter().all(|other| other.code != class.code), "{}", class.code);
            assert!(!class.says.is_empty() && !class.remedy.is_empty());
            assert_eq!(class_of(class.code), class);
            assert_eq!(Fault::remedy(&Fault::coded(class.code).to_string()), class.remedy);
        }
        assert_eq!(Fault::coded("53100").to_string(), "53100: the database's disk is full");
        assert_eq!(Fault::coded("53900").class.says, "the database is out of resources");
    }

    #[test]
    fn an_error_is_sorted_wherever_it_is_wrapped() {
        let pool = || sqlx::Error::PoolTimedOut;
        let decode = || serde_json::from_str::<u8>("[").unwrap_err();
        let code = |error: &(dyn Error + 'static)| Fault::of(error).code().to_owned();
        assert_eq!(code(&pool()), "pool");
        assert_eq!(code(&Arc::new(pool())), "pool");
        assert_eq!(code(&PersistenceError::UnknownError(Box::new(pool()))), "pool");
        assert_eq!(code(&PersistenceError::UnknownError(Box::new(decode()))), "decode");
        assert_eq!(code(&CommandError::from(pool())), "pool");
        assert_eq!(code(&decode()), "decode");
        assert_eq!(code(&sqlx::Error::Encode("it does not fit".into())), "encode");
        assert_eq!(code(&sqlx::Error::Decode(Unreckonable::Overflow.into())), "range");
        assert_eq!(code(&sqlx::Error::ColumnNotFound("x".into())), "schema");
        assert_eq!(code(&std::io::Error::other("?")), "other");
    }

    #[test]
    fn only_what_waiting_does_not_help_is_a_mistake_of_ours() {
        let of = |error: sqlx::Error| CommandError::from(error);
        assert!(matches!(of(sqlx::Error::PoolTimedOut), CommandError::Unavailable(_)));
        assert!(matches!(of(sqlx::Error::Decode("?".into())), CommandError::Internal(_)));
    }
}
