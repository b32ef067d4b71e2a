//! Commands: what may be asked, by whom, and making it happen.
//!
//! A command function checks a scope, fetches facts and executes; nothing here reads a read model.

pub mod access;
pub mod act;
pub mod backoff;
pub mod clock;
pub mod commerce;
pub mod context;
pub mod door;
pub mod effect;
pub mod errand;
pub mod error;
pub mod facts;
pub mod fault;
pub mod finance;
pub mod follow;
pub mod guesses;
pub mod identity;
pub mod ids;
pub mod intake;
pub mod port;
pub mod process;
pub mod store;
pub mod token;

pub use act::{Act, Instruction, On};
pub use backoff::Backoff;
pub use context::{Actor, Context};
pub use door::Door;
pub use effect::Effect;
pub use errand::Errand;
pub use error::{Error, NotYou, Refused, Result};
pub use facts::Facts;
pub use fault::Fault;
pub use follow::Follower;
pub use intake::Intake;
pub use process::Process;
pub use store::{EventStore, Outcome, Position};
