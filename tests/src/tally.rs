//! The count that a test of faults ends with.

/// What became of everything that was acknowledged under faults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Commands and launches that were acknowledged while the faults went on.
    pub acknowledged: usize,
    /// Those of them that are there at the end.
    pub present: usize,
    /// What is there more than once, inside or outside.
    pub duplicated: usize,
    /// What was acknowledged and is not there.
    pub lost: usize,
    /// Runs that came to no end, though nothing keeps them.
    pub stuck: usize,
}

impl Tally {
    /// Both counts together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            acknowledged: self.acknowledged + other.acknowledged,
            present: self.present + other.present,
            duplicated: self.duplicated + other.duplicated,
            lost: self.lost + other.lost,
            stuck: self.stuck + other.stuck,
        }
    }

    /// Prints the count, and fails where it is not that of a sound store.
    ///
    /// # Panics
    ///
    /// When something is lost, duplicated or stuck, or nothing was acknowledged.
    #[track_caller]
    pub fn settle(self, test: &str) {
        let Self { acknowledged, present, duplicated, lost, stuck } = self;
        println!(
            "{test}: {acknowledged} acknowledged, {present} present, {duplicated} duplicated, {lost} lost, \
             {stuck} stuck"
        );
        let sound = Self { present: acknowledged, duplicated: 0, lost: 0, stuck: 0, ..self };
        assert_eq!(self, sound, "{test}");
        assert!(acknowledged > 0, "{test}: there was no load");
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn a_sound_count_settles() {
        Tally { acknowledged: 2, present: 2, ..Tally::default() }.settle("sound");
    }

    #[test]
    fn each_fault_of_a_count_fails_it() {
        let sound = Tally { acknowledged: 2, present: 2, ..Tally::default() };
        let faulty = [
            Tally { present: 1, lost: 1, ..sound },
            Tally { duplicated: 1, ..sound },
            Tally { stuck: 1, ..sound },
            Tally::default(),
        ];
        for tally in faulty {
            assert!(std::panic::catch_unwind(|| tally.settle("faulty")).is_err(), "{tally:?}");
        }
    }
}
