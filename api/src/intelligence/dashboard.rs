//! `/api/dashboard`: how the business does.

use chrono::{DateTime, NaiveDate, Utc};
use commands::identity::workspace;
use domain::locale::TimeZone;
use http::StatusCode;
use projections::View;
use projections::days::{Grouping, Range};
use projections::intelligence::dashboard::{Dashboard, DashboardView, are_out_of_range, figures};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Shown;
use crate::app::App;
use crate::days;
use crate::extract::Query;
use crate::fresh::MinPosition;
use crate::problem::{Problem, Result};
use crate::read::Read;
use crate::scope::needs;

/// Looking at figures.
const READ: &str = "dashboard:read";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(needs(READ, routes!(show)))
}

/// Which days are asked for, and how they are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DashboardRange {
    /// The first day (of the workspace's time zone): 30 days before `to`, if it is not said.
    #[param(required = false, nullable = false)]
    from: Option<NaiveDate>,
    /// The day after the last, at most 3,660 days later: tomorrow, if it is not said.
    #[param(required = false, nullable = false)]
    to: Option<NaiveDate>,
    /// Whether the figures of each day or month are shown too.
    #[param(required = false, nullable = false, inline)]
    group_by: Option<Grouping>,
    /// How many of the best products and customers (10 if it is not said).
    #[param(required = false, nullable = false, minimum = 0, maximum = 100)]
    top: Option<i64>,
}

impl DashboardRange {
    fn days(&self, now: DateTime<Utc>, by: &TimeZone) -> Result<Range> {
        let range = days::range(self.from, self.to, now, by)?;
        Ok(Range { group_by: self.group_by, top: self.top.unwrap_or(10), ..range })
    }
}

/// Show revenue, refunds, orders and what sells best, over a range of days of the workspace's time zone.
#[utoipa::path(get, path = "/api/dashboard", tag = "dashboard",
    params(DashboardRange, MinPosition), responses((status = 200, body = DashboardView)))]
async fn show(read: Read, Query(asked, fresh): Query<DashboardRange>) -> Result<Shown<DashboardView>> {
    let (now, own) = (read.cx.now(), read.cx.workspace);
    let range = asked.days(now, &workspace::time_zone(read.cx).await?)?;
    fresh.reached(&read.app, Dashboard::NAME).await?;
    let seen = figures(&read.app.reads, own, range).await.map_err(told)?;
    let seen = fresh.seen(seen)?;
    Ok(Shown { position: seen.position, version: None, body: seen.value })
}

/// Sums that leave the range of amounts are no failure of ours.
fn told(error: sqlx::Error) -> Problem {
    if !are_out_of_range(&error) {
        return error.into();
    }
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "amount-out-of-range")
        .saying("what these days come to is beyond the range of amounts: ask for fewer of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn asked(from: Option<&str>, to: Option<&str>) -> Result<(NaiveDate, NaiveDate)> {
        asked_in("UTC", from, to)
    }

    fn asked_in(zone: &str, from: Option<&str>, to: Option<&str>) -> Result<(NaiveDate, NaiveDate)> {
        let range = DashboardRange { from: from.map(day), to: to.map(day), group_by: None, top: None };
        range
            .days("2026-03-10T15:30:00Z".parse().unwrap(), &zone.parse().unwrap())
            .map(|range| (range.from, range.to))
    }

    #[test]
    fn shows_the_last_thirty_days_unless_told_otherwise() {
        assert_eq!(asked(None, None), Ok((day("2026-02-09"), day("2026-03-11"))));
        assert_eq!(asked(None, Some("2026-02-01")), Ok((day("2026-01-02"), day("2026-02-01"))));
        assert_eq!(asked(Some("2026-03-10"), None), Ok((day("2026-03-10"), day("2026-03-11"))));
    }

    #[test]
    fn today_is_that_of_the_zone() {
        assert_eq!(asked_in("Asia/Tokyo", None, None), Ok((day("2026-02-10"), day("2026-03-12"))));
        assert_eq!(asked_in("Mars/Olympus", None, None), asked(None, None));
    }

    #[test]
    fn ends_after_it_begins_and_within_ten_years() {
        let wrong = |from, to| asked(Some(from), Some(to)).unwrap_err().errors[0].parameter.clone();
        assert_eq!(wrong("2026-01-02", "2026-01-02").as_deref(), Some("to"));
        assert_eq!(wrong("2016-01-01", "2026-01-09").as_deref(), Some("from"));
        assert!(asked(Some("2016-01-01"), Some("2026-01-08")).is_ok());
    }
}
