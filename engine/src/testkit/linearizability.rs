//! A checker of histories: is there an order of a key's operations that explains what everybody was told?
//!
//! An operation counts at one moment between its call and its answer. The search is Wing and Gong's (JPDC 1993) in
//! Lowe's just-in-time form (Testing for Linearizability, 2016): it goes through the history in order of time with
//! the set of all configurations that explain it so far, and puts an operation into the order no earlier than an
//! answer asks for it; what changes nothing counts as soon as it can. Equal configurations are one, and their number
//! is bounded.

use std::collections::BTreeSet;

/// An object as its sequential specification has it.
pub trait Model {
    /// What it holds.
    type State: Clone + Ord;
    /// What is done to it.
    type Input;
    /// What is told of that.
    type Output;

    /// What it holds at first.
    fn initial(&self) -> Self::State;

    /// What it holds after an operation; `None` where that cannot have had this output. The output is `None` where
    /// nobody was told.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State>;
}

/// One operation. Moments are numbers that rise; no two are the same.
#[derive(Debug, Clone)]
pub struct Operation<I, O> {
    /// When it was called.
    pub called: u64,
    /// When it was answered; `None` if it never was: it may have counted at any time since, or not at all.
    pub answered: Option<u64>,
    /// What was asked.
    pub input: I,
    /// What was told.
    pub output: Option<O>,
}

/// What is known of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains it.
    Explained,
    /// No order explains it up to the answer of this operation.
    Unexplained(usize),
    /// There was too much to look at.
    Undecided,
}

/// A state, and the operations under way that have counted in it.
type Configuration<S> = (S, BTreeSet<usize>);

/// Looks for an order that explains a history; gives up beyond `limit` configurations at once.
pub fn check<M: Model>(model: &M, operations: &[Operation<M::Input, M::Output>], limit: usize) -> Verdict {
    let mut moments: Vec<(u64, bool, usize)> = Vec::with_capacity(operations.len() * 2);
    for (index, operation) in operations.iter().enumerate() {
        moments.push((operation.called, false, index));
        moments.extend(operation.answered.map(|at| (at, true, index)));
    }
    moments.sort_unstable();
    let mut pending = BTreeSet::new();
    let mut configurations = BTreeSet::from([(model.initial(), BTreeSet::new())]);
    for (_, is_answer, index) in moments {
        if !is_answer {
            pending.insert(index);
            continue;
        }
        match settled(model, operations, &configurations, &pending, (index, limit)) {
            None => return Verdict::Undecided,
            Some(next) if next.is_empty() => return Verdict::Unexplained(index),
            Some(next) => configurations = next,
        }
        pending.remove(&index);
    }
    Verdict::Explained
}

/// The configurations in which an operation has counted, which is then under way no more.
fn settled<M: Model>(
    model: &M,
    operations: &[Operation<M::Input, M::Output>],
    from: &BTreeSet<Configuration<M::State>>,
    pending: &BTreeSet<usize>,
    (target, limit): (usize, usize),
) -> Option<BTreeSet<Configuration<M::State>>> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut left: Vec<_> = from.iter().cloned().collect();
    while let Some((state, mut counted)) = left.pop() {
        // What leaves the state as it is may count at once: that keeps nothing else from counting later.
        let idle = |index: &&usize| {
            let operation = &operations[**index];
            model.step(&state, &operation.input, operation.output.as_ref()).as_ref() == Some(&state)
        };
        counted.extend(pending.iter().filter(idle));
        if counted.remove(&target) {
            found.insert((state, counted));
            continue;
        }
        for index in pending.iter().filter(|index| !counted.contains(index)) {
            let operation = &operations[*index];
            let Some(next) = model.step(&state, &operation.input, operation.output.as_ref()) else {
                continue;
            };
            let mut counted = counted.clone();
            counted.insert(*index);
            let configuration = (next, counted);
            if seen.insert(configuration.clone()) {
                left.push(configuration);
            }
        }
        if seen.len() > limit {
            return None;
        }
    }
    Some(found)
}

/// A stream that clients alone write to: it is numbered, and adds up.
pub struct Register;

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A number is added.
    Add(i64),
    /// It is read.
    Read,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// So many events were written, and the last one has this number.
    Written {
        /// The events.
        events: u64,
        /// The number of the last one.
        seq: u64,
    },
    /// It is this.
    Shown {
        /// The number of its last event.
        seq: u64,
        /// What it adds up to.
        sum: i64,
    },
}

impl Model for Register {
    type State = (u64, i64);
    type Input = Asked;
    type Output = Told;

    fn initial(&self) -> (u64, i64) {
        (0, 0)
    }

    fn step(&self, &(seq, sum): &(u64, i64), input: &Asked, output: Option<&Told>) -> Option<(u64, i64)> {
        match (*input, output.copied()) {
            (Asked::Add(amount), Some(Told::Written { events, seq: last })) => {
                let added = if events > 0 { amount } else { 0 };
                (seq + events == last).then_some((last, sum + added))
            }
            (Asked::Add(amount), None) => Some((seq + 1, sum + amount)),
            (Asked::Read, Some(Told::Shown { seq: shown, sum: is })) => {
                (seq == shown && sum == is).then_some((seq, sum))
            }
            (Asked::Read, None) => Some((seq, sum)),
            (Asked::Add(_), Some(Told::Shown { .. })) | (Asked::Read, Some(Told::Written { .. })) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(called: u64, answered: u64, amount: i64, seq: u64) -> Operation<Asked, Told> {
        let (input, output) = (Asked::Add(amount), Some(Told::Written { events: 1, seq }));
        Operation { called, answered: Some(answered), input, output }
    }

    fn lost(called: u64, amount: i64) -> Operation<Asked, Told> {
        Operation { called, answered: None, input: Asked::Add(amount), output: None }
    }

    fn read(called: u64, answered: u64, seq: u64, sum: i64) -> Operation<Asked, Told> {
        let output = Some(Told::Shown { seq, sum });
        Operation { called, answered: Some(answered), input: Asked::Read, output }
    }

    fn verdict(history: &[Operation<Asked, Told>]) -> Verdict {
        check(&Register, history, 10_000)
    }

    #[test]
    fn what_overlaps_may_have_counted_in_any_order() {
        assert_eq!(verdict(&[]), Verdict::Explained);
        assert_eq!(verdict(&[add(1, 6, 5, 2), add(2, 5, 7, 1), read(3, 4, 1, 7)]), Verdict::Explained);
        assert_eq!(verdict(&[add(1, 2, 5, 1), read(3, 4, 1, 5), read(5, 6, 1, 5)]), Verdict::Explained);
        assert_eq!(verdict(&[add(1, 4, 5, 1), read(2, 3, 0, 0)]), Verdict::Explained);
        assert_eq!(verdict(&[add(1, 4, 5, 1), read(2, 3, 1, 5)]), Verdict::Explained);
    }

    #[test]
    fn a_stale_read_is_rejected() {
        assert_eq!(verdict(&[add(1, 2, 5, 1), read(3, 4, 0, 0)]), Verdict::Unexplained(1));
        let back = [add(1, 8, 5, 1), read(2, 3, 1, 5), read(4, 5, 0, 0)];
        assert_eq!(verdict(&back), Verdict::Unexplained(2), "what was seen is not unseen");
    }

    #[test]
    fn a_lost_update_and_a_duplicate_are_rejected() {
        let lost_update = [add(1, 2, 5, 1), add(3, 4, 7, 2), read(5, 6, 2, 7)];
        assert_eq!(verdict(&lost_update), Verdict::Unexplained(2));
        assert_eq!(verdict(&[add(1, 2, 5, 1), add(3, 4, 7, 1)]), Verdict::Unexplained(1));
        let duplicate = [add(1, 2, 5, 1), read(3, 4, 2, 10)];
        assert_eq!(verdict(&duplicate), Verdict::Unexplained(1));
        assert_eq!(verdict(&[read(1, 2, 1, 5), add(3, 4, 5, 1)]), Verdict::Unexplained(0), "not foreseen");
    }

    #[test]
    fn what_was_never_answered_may_have_counted_or_not() {
        assert_eq!(verdict(&[lost(1, 5), read(2, 3, 0, 0), read(4, 5, 1, 5)]), Verdict::Explained);
        assert_eq!(verdict(&[lost(1, 5), read(2, 3, 1, 5), read(4, 5, 0, 0)]), Verdict::Unexplained(2));
        assert_eq!(verdict(&[lost(1, 5), read(2, 3, 0, 0)]), Verdict::Explained);
        assert_eq!(verdict(&[lost(1, 5), read(2, 3, 2, 10)]), Verdict::Unexplained(1), "but not twice");
    }

    #[test]
    fn what_is_too_much_is_left_undecided() {
        let mut history: Vec<_> = (0..24).map(|n| lost(n, 1 << n)).collect();
        history.push(read(100, 101, 24, 0));
        assert_eq!(check(&Register, &history, 1_000), Verdict::Undecided);
    }
}
