//! Days: whole days of a time zone, made of quarters of an hour and of UTC days.
//!
//! A day begins with its first moment and ends with the next one's: it has 23 or 25 hours where clocks are changed,
//! begins at one o'clock where midnight is left out, and has none where a whole day was. Every zone has kept to quarters
//! of an hour since 1972; what an older day begins at is taken down to the quarter.

use chrono::{DateTime, Datelike, Days, MappedLocalTime, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many minutes the sums are of: the finest that any zone needs, and what long ranges are made of.
pub(crate) const QUARTER: i16 = 15;
pub(crate) const DAY: i16 = 24 * 60;

/// How periods are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    Day,
    Month,
}

/// What a dashboard is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// Whose days they are.
    pub zone: Tz,
    pub group_by: Option<Grouping>,
    /// How many of the best.
    pub top: i64,
}

/// Some days, from their first moment until the next one's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Period {
    pub from: NaiveDate,
    pub starts: DateTime<Utc>,
    pub ends: DateTime<Utc>,
}

/// Sums of one grain, from a time until another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Part {
    pub grain: i16,
    pub starts: DateTime<Utc>,
    pub ends: DateTime<Utc>,
}

/// A zone by its name in the IANA database; UTC if it has none of that name.
#[must_use]
pub fn zone(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}

impl Range {
    pub(crate) fn whole(self) -> Period {
        self.period(self.from, self.to)
    }

    /// Each day, or each month as far as it is asked for.
    pub(crate) fn periods(self, by: Grouping) -> Vec<Period> {
        let next = |from: NaiveDate| match by {
            Grouping::Day => from.checked_add_days(Days::new(1)),
            Grouping::Month => {
                from.with_day(1).and_then(|first| first.checked_add_months(chrono::Months::new(1)))
            }
        };
        let mut periods = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let to = next(from).unwrap_or(self.to).min(self.to);
            periods.push(self.period(from, to));
            from = to;
        }
        periods
    }

    fn period(self, from: NaiveDate, to: NaiveDate) -> Period {
        Period { from, starts: begins(from, self.zone), ends: begins(to, self.zone) }
    }
}

impl Period {
    /// Whole UTC days in the middle, quarters of an hour before and after.
    pub fn parts(self) -> Vec<Part> {
        let Self { starts, ends, .. } = self;
        let floor_of_end = floor(ends, DAY);
        let ceiling = floor(starts + TimeDelta::days(1) - TimeDelta::microseconds(1), DAY);
        let parts = if ceiling < floor_of_end {
            vec![(QUARTER, starts, ceiling), (DAY, ceiling, floor_of_end), (QUARTER, floor_of_end, ends)]
        } else {
            vec![(QUARTER, starts, ends)]
        };
        let parts = parts.into_iter().filter(|(_, starts, ends)| starts < ends);
        parts.map(|(grain, starts, ends)| Part { grain, starts, ends }).collect()
    }
}

/// The first moment of a day.
#[must_use]
pub fn begins(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    // Where clocks are put forward at midnight, the day begins later; a day that was left out is over at once.
    let quarters = (0..=24 * 4).filter_map(|n| midnight.checked_add_signed(TimeDelta::minutes(15 * n)));
    let first = quarters.map(|time| zone.from_local_datetime(&time)).find_map(MappedLocalTime::earliest);
    floor(first.map_or_else(|| midnight.and_utc(), |first| first.with_timezone(&Utc)), QUARTER)
}

/// The beginning of the quarter or day that a time is in.
pub(crate) fn floor(at: DateTime<Utc>, grain: i16) -> DateTime<Utc> {
    let seconds = i64::from(grain) * 60;
    let floor = at.timestamp().div_euclid(seconds) * seconds;
    DateTime::from_timestamp(floor, 0).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn range(from: &str, to: &str, name: &str) -> Range {
        Range { from: day(from), to: day(to), zone: zone(name), group_by: None, top: 0 }
    }

    fn hours(date: &str, name: &str) -> f64 {
        let date = day(date);
        let next = date.succ_opt().unwrap();
        let of = Range { from: date, to: next, ..range("2026-01-01", "2026-01-02", name) }.whole();
        (of.ends - of.starts).num_minutes() as f64 / 60.0
    }

    #[test]
    fn a_day_has_as_many_hours_as_its_clocks_say() {
        assert_eq!(hours("2026-03-28", "Europe/Berlin"), 24.0);
        assert_eq!(hours("2026-03-29", "Europe/Berlin"), 23.0);
        assert_eq!(hours("2026-10-25", "Europe/Berlin"), 25.0);
        assert_eq!(hours("2026-04-05", "Australia/Lord_Howe"), 24.5);
        // Midnight is left out, and comes twice.
        assert_eq!(hours("2018-11-04", "America/Sao_Paulo"), 23.0);
        assert_eq!(
            begins(day("2018-11-04"), zone("America/Sao_Paulo")).to_rfc3339(),
            "2018-11-04T03:00:00+00:00"
        );
        assert_eq!(hours("2025-11-02", "America/Havana"), 25.0);
        assert_eq!(hours("2011-12-30", "Pacific/Apia"), 0.0, "the day they went without");
        assert_eq!(hours("2026-01-01", "Asia/Kathmandu"), 24.0);
    }

    #[test]
    fn days_follow_each_other_without_a_gap_everywhere() {
        for zone in chrono_tz::TZ_VARIANTS {
            let mut periods =
                Range { zone, ..range("2011-06-01", "2012-06-01", "UTC") }.periods(Grouping::Day);
            periods.extend(Range { zone, ..range("2025-06-01", "2026-06-01", "UTC") }.periods(Grouping::Day));
            for pair in periods.windows(2).filter(|pair| pair[0].from.succ_opt() == Some(pair[1].from)) {
                assert_eq!(pair[0].ends, pair[1].starts, "{zone} {}", pair[0].from);
                assert!(pair[0].starts <= pair[0].ends);
                assert_eq!(pair[0].starts.timestamp() % 900, 0, "{zone} {}", pair[0].from);
            }
        }
    }

    #[test]
    fn a_range_is_made_of_whole_utc_days_and_what_is_left_at_its_ends() {
        let parts = |of: Range| {
            let parts = of.whole().parts();
            assert!(parts.windows(2).all(|pair| pair[0].ends == pair[1].starts));
            let whole = of.whole();
            assert_eq!((parts[0].starts, parts.last().unwrap().ends), (whole.starts, whole.ends));
            parts.iter().map(|part| (part.grain, (part.ends - part.starts).num_minutes())).collect::<Vec<_>>()
        };
        assert_eq!(parts(range("2026-01-01", "2026-01-31", "UTC")), [(DAY, 30 * 1440)]);
        assert_eq!(parts(range("2026-01-01", "2026-01-02", "Asia/Kathmandu")), [(QUARTER, 1440)]);
        assert_eq!(
            parts(range("2026-01-01", "2027-01-01", "Asia/Kathmandu")),
            [(QUARTER, 345), (DAY, 364 * 1440), (QUARTER, 1095)]
        );
    }

    #[test]
    fn months_are_cut_where_the_range_is() {
        let months = range("2026-01-15", "2026-03-02", "UTC").periods(Grouping::Month);
        let from: Vec<_> = months.iter().map(|month| month.from.to_string()).collect();
        assert_eq!(from, ["2026-01-15", "2026-02-01", "2026-03-01"]);
    }
}
