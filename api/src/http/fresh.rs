//! Freshness: read-your-writes (`min_position`).
//!
//! A command answers its position; a read with `min_position` waits until its view has come that far, for a
//! while, and says `projection-behind` if it has not. It never shows older data as if they were new.

use commands::Position;
use projections::Seen;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::problem::{FieldError, Problem, Result};

/// The position a read must show at least.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MinPosition {
    /// A `position` that a command answered: the read waits until it shows what that command did.
    #[param(required = false, nullable = false, pattern = "^p[0-7]?[0-9a-f]{1,15}$")]
    min_position: Option<String>,
}

impl MinPosition {
    /// Waits until the view has come that far.
    ///
    /// # Errors
    /// `projection-behind`, or `validation` if no command has answered this position.
    pub async fn reached(&self, app: &App, view: &str) -> Result<()> {
        let Some(text) = &self.min_position else { return Ok(()) };
        let unheard_of = || {
            let error = FieldError::at("/min_position".into(), "out-of-range", "is a position of no command");
            Problem::validation(vec![error.of_query()])
        };
        let Position(position) = text.parse().map_err(|_| unheard_of())?;
        // Only what another process has appended, or nobody has, takes a look at the log.
        if position > *app.store.newest().borrow() && position > app.store.head().await? {
            return Err(unheard_of());
        }
        let shown = app.freshness.wait(view, position, app.limits.fresh_time).await;
        shown.filter(|&shown| shown >= position).map(|_| ()).ok_or_else(Problem::projection_behind)
    }

    /// What was read after that, if it still was there: a crash of the database may have taken the view back between.
    ///
    /// # Errors
    /// `projection-behind`.
    pub fn seen<T>(&self, seen: Seen<T>) -> Result<Seen<T>> {
        let least = self.min_position.as_deref().and_then(|text| text.parse::<Position>().ok());
        match least {
            Some(Position(least)) if seen.position < least => Err(Problem::projection_behind()),
            _ => Ok(seen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_was_asked_for_is_not_shown() {
        let asked = |text: Option<&str>| MinPosition { min_position: text.map(str::to_owned) };
        let seen = |position| Seen { position, value: "old" };
        assert_eq!(asked(Some("pa")).seen(seen(9)).unwrap_err().code, "projection-behind");
        assert_eq!(asked(Some("pa")).seen(seen(10)).unwrap(), seen(10));
        assert_eq!(asked(None).seen(seen(0)).unwrap(), seen(0));
    }
}
