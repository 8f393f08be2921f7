//! Periods of the calendar: by which limits begin anew.

use jiff::tz::TimeZone;
use jiff::{Span, Unit};
use promptsales_engine::clock::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A period of the calendar, in UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Period {
    /// A day.
    Day,
    /// Seven days.
    Week,
    /// A month.
    #[default]
    Month,
    /// A year.
    Year,
}

impl Period {
    /// The first moment after another one that is a whole number of periods from an anchor; the anchor itself if it is ahead.
    ///
    /// Counted from the anchor, so that what began on the 31st comes back to the 31st after a shorter month. `None` at the
    /// end of the calendar.
    pub fn next(self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        if anchor > after {
            return Some(anchor);
        }
        let moment = |at: Timestamp| {
            let at = jiff::Timestamp::from_millisecond(at.ms()).ok()?;
            Some(at.to_zoned(TimeZone::UTC))
        };
        let (start, end) = (moment(anchor)?, moment(after)?);
        let unit = match self {
            Self::Day => Unit::Day,
            Self::Week => Unit::Week,
            Self::Month => Unit::Month,
            Self::Year => Unit::Year,
        };
        let passed = start.until((unit, &end)).ok()?;
        let whole = match self {
            Self::Day => i64::from(passed.get_days()),
            Self::Week => i64::from(passed.get_weeks()),
            Self::Month => i64::from(passed.get_months()),
            Self::Year => i64::from(passed.get_years()),
        };
        (whole..=whole + 2).find_map(|count| {
            let at = start.checked_add(self.times(count)?).ok()?;
            let at = Timestamp::from_ms(at.timestamp().as_millisecond());
            (at > after).then_some(at)
        })
    }

    fn times(self, count: i64) -> Option<Span> {
        let span = Span::new();
        match self {
            Self::Day => span.try_days(count).ok(),
            Self::Week => span.try_weeks(count).ok(),
            Self::Month => span.try_months(count).ok(),
            Self::Year => span.try_years(count).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(period: Period, anchor: &str, after: &str) -> String {
        let at = |text: &str| format!("{text}T00:00:00Z").parse().unwrap();
        let next = period.next(at(anchor), at(after)).unwrap().to_string();
        next.strip_suffix("T00:00:00.000Z").unwrap().to_owned()
    }

    #[test]
    fn the_next_period_is_counted_from_where_the_first_began() {
        assert_eq!(next(Period::Month, "2025-01-31", "2025-01-31"), "2025-02-28");
        assert_eq!(next(Period::Month, "2025-01-31", "2025-02-28"), "2025-03-31");
        assert_eq!(next(Period::Month, "2025-02-01", "2030-07-15"), "2030-08-01");
        assert_eq!(next(Period::Year, "2024-02-29", "2025-02-28"), "2026-02-28");
        assert_eq!(next(Period::Week, "2026-01-01", "2026-01-14"), "2026-01-15");
        assert_eq!(next(Period::Day, "2026-01-01", "2026-01-01"), "2026-01-02");
        assert_eq!(next(Period::Day, "2026-01-05", "2026-01-01"), "2026-01-05");
        assert_eq!(Period::Day.next(Timestamp::from_ms(0), Timestamp::from_ms(i64::MAX)), None);
    }
}
