//! The timers of a partition that are due soonest, in memory.
//!
//! One that is due is handed out under a claim. The claim ends when a commit sets the timer anew, clears it or takes it in,
//! and where it is not known what a commit did: so each fires once, however often it was read or told of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::Timestamp;
use crate::id::StreamKey;
use crate::journal::Timer;

/// The timers of a partition that are due soonest, in the order in which they are due.
#[derive(Debug)]
pub struct TimerFeed {
    inner: Mutex<Timers>,
    wake: Notify,
    limit: usize,
}

/// The name of a timer: a stream has one of each name.
type TimerName = (StreamKey, String);

#[derive(Debug, Default)]
struct Timers {
    due: BTreeSet<Timer>,
    by_name: BTreeMap<TimerName, Timestamp>,
    /// Handed out and not yet taken in by their streams: for what time, and the number of the claim. One that is set
    /// anew or cleared meanwhile loses its claim.
    claims: BTreeMap<TimerName, (Timestamp, u64)>,
    last_claim: u64,
    /// Every timer due before this moment is held here; the others stand in the journal only.
    horizon: Timestamp,
    /// While the journal is read: the timers taken in meanwhile, and the names set or cleared. What it tells of them is
    /// older.
    taken_in: Option<BTreeSet<Timer>>,
    changed: BTreeSet<TimerName>,
    /// True while the journal is read if what it tells is of no use: it may be older than a commit of which nothing is
    /// known.
    is_void: bool,
}

impl Timers {
    fn note_changed(&mut self, stream: &StreamKey, name: &str) {
        if self.taken_in.is_some() {
            self.changed.insert((stream.clone(), name.to_owned()));
        }
    }

    fn remove(&mut self, key: TimerName) {
        if let Some(due) = self.by_name.remove(&key) {
            self.due.remove(&Timer { due, stream: key.0, name: key.1 });
        }
    }

    /// Notes that a timer was taken in, against what a page of the journal tells that was read before.
    fn taken_in(&mut self, timer: Timer) {
        if let Some(taken) = &mut self.taken_in {
            taken.insert(timer);
        }
    }

    /// Ends a claim; false if it had ended already.
    fn give_up(&mut self, timer: &Timer, claim: u64) -> bool {
        let key = name_of(timer);
        let holds = self.claims.get(&key).is_some_and(|(_, held)| *held == claim);
        if holds {
            self.claims.remove(&key);
        }
        holds
    }

    fn insert(&mut self, timer: Timer, limit: usize) {
        let key = name_of(&timer);
        match self.claims.get(&key) {
            // Who holds the claim takes this one in as well.
            Some((due, _)) if *due == timer.due => return,
            Some(_) => drop(self.claims.remove(&key)),
            None => {}
        }
        self.remove(key.clone());
        if timer.due >= self.horizon {
            return;
        }
        self.by_name.insert(key, timer.due);
        self.due.insert(timer);
        if self.due.len() > limit
            && let Some(last) = self.due.pop_last()
        {
            self.horizon = last.due;
            self.by_name.remove(&(last.stream, last.name));
        }
    }
}

fn name_of(timer: &Timer) -> TimerName {
    (timer.stream.clone(), timer.name.clone())
}

impl TimerFeed {
    pub(super) fn new(limit: usize) -> Self {
        Self { inner: Mutex::new(Timers::default()), wake: Notify::new(), limit }
    }

    pub(super) fn set(&self, timer: Timer) {
        let mut timers = self.lock();
        timers.note_changed(&timer.stream, &timer.name);
        timers.insert(timer, self.limit);
        drop(timers);
        self.wake.notify_one();
    }

    pub(super) fn clear(&self, stream: &StreamKey, name: &str) {
        let mut timers = self.lock();
        timers.note_changed(stream, name);
        let key = (stream.clone(), name.to_owned());
        timers.claims.remove(&key);
        timers.remove(key);
    }

    /// Notes that a commit took a timer in, whoever holds a claim on it.
    pub(super) fn committed(&self, timer: Timer) {
        let (mut timers, key) = (self.lock(), name_of(&timer));
        if timers.claims.get(&key).is_some_and(|(due, _)| *due == timer.due) {
            timers.claims.remove(&key);
        }
        if timers.by_name.get(&key) == Some(&timer.due) {
            timers.remove(key);
        }
        timers.taken_in(timer);
    }

    /// Narrows the horizon, where the journal holds more timers than are read at a time.
    pub fn narrow(&self, horizon: Timestamp) {
        let mut timers = self.lock();
        // One that was found stale meanwhile stays so.
        timers.horizon = timers.horizon.min(horizon);
    }

    /// Begins to fill it from the journal: from now until [`filled`](Self::filled) it is noted what changes meanwhile.
    pub fn begin_filling(&self, horizon: Timestamp) {
        let mut timers = self.lock();
        (timers.horizon, timers.taken_in, timers.is_void) = (horizon, Some(BTreeSet::new()), false);
        timers.changed.clear();
    }

    /// Notes that everything read from the journal has been loaded.
    pub fn filled(&self) {
        let mut timers = self.lock();
        timers.taken_in = None;
        timers.changed.clear();
    }

    /// Adds a timer read from the journal, unless it has been set anew, cleared or taken in since.
    pub fn load(&self, timer: Timer) {
        let mut timers = self.lock();
        let name = name_of(&timer);
        let is_older = timers.changed.contains(&name)
            || timers.taken_in.as_ref().is_some_and(|taken| taken.contains(&timer));
        if !is_older && !timers.is_void && timers.by_name.get(&name) != Some(&timer.due) {
            timers.insert(timer, self.limit);
        }
    }

    /// Takes the first timer if it is due, with the number of a claim on it; otherwise says when the next one or the
    /// horizon is.
    pub fn next(&self, now: Timestamp) -> Result<(Timer, u64), Timestamp> {
        let mut timers = self.lock();
        match timers.due.first() {
            Some(first) if first.due <= now => {
                let timer = timers.due.pop_first().expect("the set has a first element");
                let (key, claim) = (name_of(&timer), timers.last_claim + 1);
                timers.by_name.remove(&key);
                timers.claims.insert(key, (timer.due, claim));
                timers.last_claim = claim;
                Ok((timer, claim))
            }
            Some(first) => Err(first.due.min(timers.horizon)),
            None => Err(timers.horizon),
        }
    }

    /// True while a claim holds: its timer was neither set anew nor cleared nor taken in since it was handed out.
    pub(crate) fn holds(&self, stream: &StreamKey, name: &str, claim: u64) -> bool {
        let key = (stream.clone(), name.to_owned());
        self.lock().claims.get(&key).is_some_and(|(_, held)| *held == claim)
    }

    /// Notes that a timer which was handed out has been taken in.
    pub fn fired(&self, timer: &Timer, claim: u64) {
        let mut timers = self.lock();
        if timers.give_up(timer, claim) {
            timers.taken_in(timer.clone());
        }
    }

    /// Takes a timer back that was handed out and of which it is not known whether it was taken in: the journal has to
    /// be read again, where it stands only if it was not.
    pub fn not_fired(&self, timer: &Timer, claim: u64) {
        self.lock().give_up(timer, claim);
        self.mark_stale();
    }

    /// Notes that timers may have been set of which nothing is known here: the journal has to be read again.
    pub fn mark_stale(&self) {
        self.lock().horizon = Timestamp::default();
        self.wake.notify_one();
    }

    /// Notes that it is not known what a commit did to timers: any of them may have been set anew, cleared or taken in.
    /// No claim holds any more, and the journal has to be read again.
    pub(super) fn mark_unknown(&self) {
        let mut timers = self.lock();
        timers.due.clear();
        timers.by_name.clear();
        timers.claims.clear();
        timers.is_void = true;
        drop(timers);
        self.mark_stale();
    }

    /// Forgets what is held and does not say so, as a lost hint would.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        let mut timers = self.lock();
        timers.due.clear();
        timers.by_name.clear();
    }

    /// True where the journal should be read again though there may be timers to fire: nothing is known of what it
    /// holds, or fewer than `few` are held and the horizon comes `soon`.
    ///
    /// With more of them it is not read whatever the horizon is: where more are due at the same moment than fit in
    /// here, that would be before each of them.
    pub fn is_to_be_filled(&self, soon: Timestamp, few: usize) -> bool {
        let timers = self.lock();
        timers.horizon == Timestamp::default() || (timers.horizon <= soon && timers.due.len() < few)
    }

    /// Waits until a timer has been set.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    /// The number of timers that were handed out and are not taken in yet.
    pub fn firing(&self) -> usize {
        self.lock().claims.len()
    }

    /// The number of timers held.
    pub fn len(&self) -> usize {
        self.lock().due.len()
    }

    /// True if no timer is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Timers> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Prefix, StreamId, digest, uuid_v8};
    use crate::testkit::{EPOCH, key};

    fn timer(after: i64) -> Timer {
        let stream = key(StreamId::new(Prefix::new("tally"), uuid_v8(digest("tally", &["a"]), None)));
        Timer { due: Timestamp::from_ms(EPOCH.ms() + after), stream, name: "ring".to_owned() }
    }

    fn feed() -> TimerFeed {
        let feed = TimerFeed::new(10);
        feed.begin_filling(timer(1_000).due);
        feed.filled();
        feed
    }

    fn holds(feed: &TimerFeed, claim: u64) -> bool {
        feed.holds(&timer(0).stream, "ring", claim)
    }

    #[test]
    fn one_whose_commit_is_told_late_is_not_handed_out_twice() {
        let feed = feed();
        feed.begin_filling(timer(1_000).due);
        feed.load(timer(5));
        feed.filled();
        let (_, claim) = feed.next(timer(9).due).unwrap();
        feed.set(timer(5));
        assert!(feed.next(timer(9).due).is_err(), "it is on its way already");
        assert!(holds(&feed, claim));
    }

    #[test]
    fn a_claim_ends_when_its_timer_is_set_anew_cleared_or_taken_in() {
        type Change = fn(&TimerFeed);
        let changes: [(Change, Option<i64>); 4] = [
            (|feed| feed.set(timer(7)), Some(7)),
            (|feed| feed.clear(&timer(0).stream, "ring"), None),
            (|feed| feed.committed(timer(5)), None),
            (|feed| feed.mark_unknown(), None),
        ];
        for (change, next) in changes {
            let feed = feed();
            feed.set(timer(5));
            let (handed, claim) = feed.next(timer(9).due).unwrap();
            assert!(holds(&feed, claim));
            change(&feed);
            assert!(!holds(&feed, claim));
            feed.fired(&handed, claim);
            assert_eq!(feed.next(timer(9).due).ok().map(|(timer, _)| timer), next.map(timer));
        }
    }

    #[test]
    fn one_set_anew_for_the_same_time_where_it_was_taken_in_is_handed_out_again() {
        let feed = feed();
        feed.set(timer(5));
        let (handed, first) = feed.next(timer(9).due).unwrap();
        feed.committed(timer(5));
        feed.set(timer(5));
        let (_, second) = feed.next(timer(9).due).unwrap();
        feed.fired(&handed, first);
        assert!(holds(&feed, second) && !holds(&feed, first));
    }

    #[test]
    fn a_page_read_before_a_commit_of_unknown_end_adds_nothing() {
        let feed = feed();
        feed.set(timer(5));
        feed.begin_filling(timer(1_000).due);
        feed.mark_unknown();
        feed.load(timer(5));
        feed.narrow(timer(8).due);
        feed.filled();
        assert_eq!(feed.next(timer(9).due), Err(Timestamp::default()), "the journal is to be read again");
        feed.begin_filling(timer(1_000).due);
        feed.load(timer(7));
        feed.filled();
        assert_eq!(feed.next(timer(9).due).map(|(timer, _)| timer), Ok(timer(7)));
    }

    #[test]
    fn a_page_read_before_a_timer_was_taken_in_does_not_bring_it_back() {
        let feed = feed();
        feed.set(timer(5));
        let (handed, claim) = feed.next(timer(9).due).unwrap();
        feed.begin_filling(timer(1_000).due);
        feed.committed(timer(5));
        feed.fired(&handed, claim);
        feed.load(timer(5));
        feed.filled();
        assert!(feed.next(timer(9).due).is_err());
    }
}
