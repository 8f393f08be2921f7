//! Chance with a seed.

/// A random-looking number of a seed that is printed, for tests that choose by chance.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Takes the seed from `PROMPTSALES_SEED`, or the test's own, and prints it.
    pub fn new(test: &str, own: u64) -> Self {
        let seed = std::env::var("PROMPTSALES_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(own);
        println!("{test}: seed {seed} (set PROMPTSALES_SEED to choose another)");
        Self(seed)
    }

    /// Dice of their own for a part of the test, so that what others roll does not matter to it.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.roll(u64::MAX))
    }

    /// A number from 0 to `below - 1` (SplitMix64).
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    /// One of several.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let count = u64::try_from(from.len()).expect("a length fits");
        &from[usize::try_from(self.roll(count)).expect("an index fits")]
    }
}
