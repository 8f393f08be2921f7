//! The score of a lead: how well it fits, and how engaged it is.
//!
//! The two are added. Fit is what people and rules say of the lead, and stays. Engagement is what its activities add up
//! to, and fades: [`HALF_LIFE_DAYS`] after it was earned, half of it is left. It fades by whole days, counted from the
//! activity that began it, so that what happens within a day adds up exactly. Each part has its cap.
//!
//! Nothing here asks what time it is: the value as of a moment follows from the activities and their times.

use std::time::Duration;

use promptsales_engine::clock::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most points of fit; there are none below zero.
pub const MAX_FIT: i64 = 1_000_000;

/// The most points of engagement and, below zero, the fewest.
pub const MAX_ENGAGEMENT: i64 = 1_000_000;

/// The days after which half of an engagement is left.
pub const HALF_LIFE_DAYS: u64 = 30;

/// Engagement is kept in thousandths of a point.
const MILLI: i64 = 1_000;

const DAY_MS: u64 = 86_400_000;

/// What is left after a day, as a part of 2^62: 2^(-1/30).
const DAILY: u128 = 4_506_354_964_195_159_774;

/// What is left after so many days of a half-life, as parts of 2^62.
const LEFT: [i128; HALF_LIFE_DAYS as usize] = {
    let mut left = [1 << 62; HALF_LIFE_DAYS as usize];
    let mut day = 1;
    while day < left.len() {
        left[day] = ((left[day - 1] as u128 * DAILY) >> 62) as i128;
        day += 1;
    }
    left
};

/// A score as of a moment, in points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// Both parts together.
    pub total: i64,
    /// How well the lead fits, from 0 to [`MAX_FIT`].
    pub fit: i64,
    /// How engaged it is, within [`MAX_ENGAGEMENT`] either way.
    pub engagement: i64,
    /// The moment.
    pub as_of: Timestamp,
}

/// What becomes of the points that a lead has when its fit is scored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum FitChange {
    /// The new ones take their place.
    #[default]
    Set,
    /// The new ones are added to them, within the bounds of a fit.
    Add,
}

/// An engagement that fades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Engagement {
    /// Thousandths of a point.
    milli: i64,
    /// As of when; it fades by the whole days from there.
    since: Timestamp,
}

impl Engagement {
    /// None yet.
    pub(super) const fn none(since: Timestamp) -> Self {
        Self { milli: 0, since }
    }

    /// Adds the points of an activity.
    pub(super) fn add(&mut self, points: i32, at: Timestamp) {
        let faded = self.as_of(at);
        let milli = faded.milli + i64::from(points) * MILLI;
        *self = Self { milli: milli.clamp(-MAX_ENGAGEMENT * MILLI, MAX_ENGAGEMENT * MILLI), ..faded };
    }

    /// What is left of it at a moment, in thousandths of a point.
    pub(super) fn milli_at(self, at: Timestamp) -> i64 {
        self.as_of(at).milli
    }

    fn as_of(self, at: Timestamp) -> Self {
        if self.milli == 0 {
            return Self::none(self.since.max(at));
        }
        let passed = u64::try_from(at.ms().saturating_sub(self.since.ms())).unwrap_or(0);
        let days = passed / DAY_MS;
        if days == 0 {
            return self;
        }
        let since = self.since.plus(Duration::from_millis(days * DAY_MS));
        Self { milli: faded(self.milli, days), since }
    }
}

/// What is left after so many days; rounded towards zero.
fn faded(milli: i64, days: u64) -> i64 {
    let (halves, rest) = (days / HALF_LIFE_DAYS, days % HALF_LIFE_DAYS);
    if halves >= 62 {
        return 0;
    }
    let left = i128::from(milli) * LEFT[usize::try_from(rest).unwrap_or(0)] / (1 << 62);
    i64::try_from(left / (1 << halves)).unwrap_or(0)
}

/// Adds a fit and engagements in thousandths of a point up.
pub(super) fn sum(fit: i64, milli: impl Iterator<Item = i64>, as_of: Timestamp) -> Score {
    let milli: i64 = milli.sum();
    let half = if milli < 0 { -MILLI / 2 } else { MILLI / 2 };
    let engagement = ((milli + half) / MILLI).clamp(-MAX_ENGAGEMENT, MAX_ENGAGEMENT);
    Score { total: fit + engagement, fit, engagement, as_of }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(number: u64) -> Timestamp {
        Timestamp::from_ms(1_767_225_600_000).plus(Duration::from_millis(number * DAY_MS))
    }

    fn points(engagement: Engagement, at: Timestamp) -> i64 {
        sum(0, [engagement.milli_at(at)].into_iter(), at).engagement
    }

    #[test]
    fn half_of_it_is_left_after_a_half_life() {
        let mut engagement = Engagement::none(day(0));
        engagement.add(100, day(0));
        let after = [0, 1, 15, 30, 60, 300, 3_000, 1_000_000].map(|days| points(engagement, day(days)));
        assert_eq!(after, [100, 98, 71, 50, 25, 0, 0, 0]);
        let last = Timestamp::from_ms(day(1).ms() - 1);
        assert_eq!(points(engagement, last), 100, "within a day nothing fades");
        assert_eq!(points(engagement, Timestamp::from_ms(0)), 100, "nothing fades backwards");
        engagement.add(-150, day(30));
        assert_eq!([30, 60].map(|days| points(engagement, day(days))), [-100, -50]);
    }

    #[test]
    fn what_has_no_end_has_a_cap() {
        let mut engagement = Engagement::none(day(0));
        for _ in 0..3 {
            engagement.add(1_000_000, day(0));
        }
        assert_eq!(points(engagement, day(0)), MAX_ENGAGEMENT);
        assert_eq!(points(engagement, day(30)), MAX_ENGAGEMENT / 2);
    }

    proptest! {
        #[test]
        fn activities_of_no_points_change_nothing(
            first in -1_000_000..1_000_000_i32,
            stops in proptest::collection::vec(0..200_000_000_u64, 0..20),
        ) {
            let mut seen = Engagement::none(day(0));
            seen.add(first, day(0));
            let (alone, mut at) = (seen, day(0));
            for stop in stops {
                at = at.plus(Duration::from_millis(stop));
                seen.add(0, at);
            }
            let difference = points(seen, at) - points(alone, at);
            prop_assert!(difference.abs() <= 1, "{difference}");
        }
    }
}
