//! Switches that break the engine on purpose, so that tests can show that the simulation sees it.
//!
//! They are there in the engine's own tests alone: in every other build [`is_on`] is `false` at compile time.

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// The store takes what comes under a fence that does not hold any more.
    FenceRemoved,
    /// A host answers before it appends.
    ReplyBeforeCommit,
    /// What has been answered before is carried out again.
    DedupDropped,
    /// Timers fire some seconds before they are due.
    TimerEarly,
}

#[cfg(test)]
thread_local! {
    static SWITCH: std::cell::Cell<Option<Sabotage>> = const { std::cell::Cell::new(None) };
}

/// True where this thread runs with that broken.
#[cfg(test)]
pub(crate) fn is_on(what: Sabotage) -> bool {
    SWITCH.get() == Some(what)
}

/// True where this thread runs with that broken: never, outside of the engine's own tests.
#[cfg(not(test))]
pub(crate) const fn is_on(_: Sabotage) -> bool {
    false
}

/// Runs something with that broken.
#[cfg(test)]
pub(crate) fn with<T>(what: Sabotage, work: impl FnOnce() -> T) -> T {
    SWITCH.set(Some(what));
    let result = work();
    SWITCH.set(None);
    result
}
