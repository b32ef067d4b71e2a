//! Days: which whole days of the workspace's time zone a figure is asked for.

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use domain::locale::TimeZone;
use projections::days::{Range, zone};

use crate::problem::{FieldError, Problem, Result};

/// How many days are shown, if nothing is said, and at most.
const USUAL_DAYS: Days = Days::new(30);
const MOST_DAYS: i64 = 3_660;

/// From the first day until the one after the last, by the clock of this zone; the last thirty, if nothing is said.
///
/// # Errors
/// `validation`.
pub fn range(
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    now: DateTime<Utc>,
    by: &TimeZone,
) -> Result<Range> {
    // What the database of zones does not know is no reason to show nothing: the answer says which zone it is of.
    let zone = zone(by.as_str());
    let today = now.with_timezone(&zone).date_naive();
    let to = to.or_else(|| today.succ_opt()).unwrap_or(NaiveDate::MAX);
    let from = from.or_else(|| to.checked_sub_days(USUAL_DAYS)).unwrap_or(NaiveDate::MIN);
    let year = |day: &NaiveDate| (1..=9999).contains(&day.year());
    for (name, day) in [("from", &from), ("to", &to)] {
        if !year(day) {
            return Err(wrong(name, "is not in the years 1 to 9999"));
        }
    }
    if from >= to {
        return Err(wrong("to", "is not after `from`"));
    }
    if (to - from).num_days() > MOST_DAYS {
        return Err(wrong("from", "is more than 3660 days before `to`"));
    }
    Ok(Range { from, to, zone, group_by: None, top: 0 })
}

fn wrong(parameter: &str, detail: &str) -> Problem {
    let (parameter, code) = (Some(parameter.to_owned()), "out-of-range".to_owned());
    Problem::validation(vec![FieldError { pointer: None, parameter, code, detail: detail.into() }])
}
