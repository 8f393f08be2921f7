//! Cron expressions: five fields (minute, hour, day of month, month, day of week), evaluated in a time zone.
//!
//! As with Vixie cron: days of month and of week are alternatives where both are given. In a zone with daylight saving
//! time, a fixed time that is skipped comes right after the gap, and one that is there twice comes once.

use std::str::FromStr;

use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// A cron expression.
#[derive(Debug, Clone)]
pub struct Cron(croner::Cron);

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        croner::Cron::from_str(text).map(Self).map_err(|e| e.to_string())
    }

    /// The first time behind another one, in a time zone by its IANA name; UTC where it is absent or not known.
    pub fn next(&self, after: Timestamp, zone: Option<&str>) -> Option<Timestamp> {
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        let from = jiff::Timestamp::from_millisecond(after.ms()).ok()?.to_zoned(zone);
        let next = self.0.find_next_occurrence(&from, false).ok()?;
        Some(Timestamp::from_ms(next.timestamp().as_millisecond()))
    }
}

/// True for a name of the IANA time zone data base.
pub fn is_time_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, after: &str, zone: Option<&str>) -> String {
        let after: jiff::Timestamp = after.parse().unwrap();
        let after = Timestamp::from_ms(after.as_millisecond());
        let next = Cron::parse(cron).unwrap().next(after, zone).unwrap();
        jiff::Timestamp::from_millisecond(next.ms()).unwrap().to_string()
    }

    #[test]
    fn the_next_time_is_found_in_a_zone() {
        assert_eq!(next("0 0 * * *", "2026-03-01T10:00:00Z", None), "2026-03-02T00:00:00Z");
        assert_eq!(next("*/15 * * * *", "2026-03-01T10:00:00Z", None), "2026-03-01T10:15:00Z");
        let costa_rica = Some("America/Costa_Rica");
        assert_eq!(next("30 9 * * 1", "2026-03-01T10:00:00Z", costa_rica), "2026-03-02T15:30:00Z");
    }

    #[test]
    fn a_time_that_a_clock_change_skips_comes_behind_the_gap_and_one_that_is_there_twice_comes_once() {
        let berlin = Some("Europe/Berlin");
        assert_eq!(next("30 2 * * *", "2026-03-28T12:00:00Z", berlin), "2026-03-29T01:00:00Z");
        let first = next("30 2 * * *", "2026-10-24T12:00:00Z", berlin);
        assert_eq!(first, "2026-10-25T00:30:00Z");
        assert_eq!(next("30 2 * * *", &first, berlin), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for wrong in ["", "* * *", "61 * * * *", "a b c d e", "0 0 31 2 x"] {
            assert!(Cron::parse(wrong).is_err(), "{wrong}");
        }
        assert!(is_time_zone("Europe/Berlin") && !is_time_zone("Mars/Olympus") && !is_time_zone("+02:00x"));
    }
}
