//! Counts what an evaluation spends and stops it when a limit is passed.
//!
//! jaq hands values around by cloning them and looks up every step of a filter through
//! [`HasLut::lut`](jaq_core::data::HasLut); both report here. Neither can return an error, and an error could be
//! caught by `try`, so a spent limit unwinds ([`std::panic::resume_unwind`], which runs no panic hook) to
//! [`metered`], which is the only place that catches. What the meter reads is per thread: an evaluation is
//! synchronous and never leaves its thread.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Limits;

#[cfg(not(panic = "unwind"))]
compile_error!("the expression cage stops an evaluation by unwinding: build with panic = \"unwind\"");

/// Bytes of stack that one evaluation may use; a Tokio worker has 2 MiB, and its callers need some too.
const STACK_BYTES: usize = 768 * 1024;

/// Bytes of text or copied memory that cost one unit of fuel.
const BYTES_PER_UNIT: usize = 64;

/// Names the limit that an evaluation passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trip {
    /// The operations are used up.
    Fuel,
    /// A value became larger than allowed.
    Bytes,
    /// A value became nested more deeply than allowed.
    Depth,
    /// The interpreter recursed too deeply.
    Stack,
}

/// Says how an evaluation was stopped from outside.
#[derive(Debug)]
pub(super) enum Stopped {
    /// A limit was passed.
    Limit(Trip),
    /// Something panicked: a defect of this module or of jaq.
    Panicked,
}

#[derive(Clone, Copy)]
struct Reading {
    stack_floor: usize,
    max_bytes: usize,
    max_depth: usize,
    now_ms: i64,
}

thread_local! {
    static FUEL: Cell<u64> = const { Cell::new(u64::MAX) };
    static SPENT: Cell<u64> = const { Cell::new(0) };
    static TRIPPED: Cell<bool> = const { Cell::new(false) };
    static METER: Cell<Reading> = const {
        Cell::new(Reading { stack_floor: 0, max_bytes: usize::MAX, max_depth: usize::MAX, now_ms: 0 })
    };
}

/// Runs `work` under `limits` with `now_ms` as its clock, in milliseconds since the Unix epoch.
///
/// # Errors
///
/// The limit that was passed, or that something panicked. What `work` held is dropped either way.
pub(super) fn metered<T>(limits: &Limits, now_ms: i64, work: impl FnOnce() -> T) -> Result<T, Stopped> {
    let outer = (FUEL.get(), METER.get(), TRIPPED.replace(false));
    FUEL.set(limits.fuel);
    METER.set(Reading {
        stack_floor: stack_position().saturating_sub(STACK_BYTES),
        max_bytes: limits.max_bytes,
        max_depth: limits.max_depth,
        now_ms,
    });
    let outcome = catch_unwind(AssertUnwindSafe(work));
    SPENT.set(SPENT.get().wrapping_add(limits.fuel.saturating_sub(FUEL.get())));
    FUEL.set(outer.0);
    METER.set(outer.1);
    TRIPPED.set(outer.2);
    outcome
        .map_err(|payload| payload.downcast::<Trip>().map_or(Stopped::Panicked, |trip| Stopped::Limit(*trip)))
}

/// Returns the fuel that evaluations on this thread have taken so far; one that passed a limit has taken all of its own.
pub(super) fn spent() -> u64 {
    SPENT.get()
}

/// Takes `units` of fuel; every step of an evaluation comes through here.
#[inline]
pub(super) fn charge(units: u64) {
    match FUEL.get().checked_sub(units) {
        Some(left) => FUEL.set(left),
        None => trip(Trip::Fuel),
    }
}

/// Takes one unit of fuel and checks the stack; called wherever the interpreter can recurse.
#[inline]
pub(super) fn step() {
    charge(1);
    if stack_position() < METER.get().stack_floor {
        trip(Trip::Stack);
    }
}

/// Takes the fuel for touching `bytes` of text or memory.
#[inline]
pub(super) fn charge_bytes(bytes: usize) {
    charge(1 + (bytes / BYTES_PER_UNIT) as u64);
}

/// Checks a value of `bytes` in size and `depth` levels of nesting against the limits, before it exists.
#[inline]
pub(super) fn admit(bytes: usize, depth: usize) {
    let meter = METER.get();
    if bytes > meter.max_bytes {
        trip(Trip::Bytes);
    }
    if depth > meter.max_depth {
        trip(Trip::Depth);
    }
}

/// Returns the clock of the run, in milliseconds since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    METER.get().now_ms
}

/// Stops the evaluation.
///
/// Does so once: while what the evaluation held is dropped, a second panic would abort the process.
#[cold]
#[inline(never)]
pub(super) fn trip(limit: Trip) {
    FUEL.set(0);
    if !TRIPPED.replace(true) {
        resume_unwind(Box::new(limit));
    }
}

/// Returns the address of the current stack frame, roughly; stacks grow downwards on every supported target.
#[inline]
fn stack_position() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(&marker).addr()
}
