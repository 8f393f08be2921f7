//! A crash at every append of every workflow: those that are shipped, those of the specification, and some of our own.
//!
//! Each is played once undisturbed. Then it is played again, and the process dies at an append, before its commit or
//! after it, and another one goes on: the output, the lifecycle events and what reached the outside are to be the same.
//! A call that is harmful to repeat is not made twice: where it was cut off, its run says that nobody knows.

mod examples;
mod lifecycle;
mod own;
mod play;
mod service;

pub(crate) use lifecycle::outline;
pub(crate) use own::{DOUBLES, EVERYTHING};

use promptsales_engine::journal::memory::CrashPoint;
use promptsales_tests::{Dice, long_runs};

use super::stage::POINTS;
use play::{Case, Step};

/// Crashes at appends of every case, and says how many there were: about so many of each case, or at all appends.
///
/// Each case dies twice in one more try, which may tear a batch too.
fn crash_in_each(test: &str, cases: &[Case], about: u64) {
    let mut dice = Dice::new(test, 3);
    let (mut crashes, mut of, mut doubts, mut wrong) = (0, 0, 0, Vec::new());
    for case in cases {
        let (expected, appends) = case.undisturbed();
        let moments = appends * 2;
        let stride = if long_runs() { 1 } else { moments.div_ceil(about).max(1) };
        let first = dice.roll(stride);
        let single = (first..moments).step_by(usize::try_from(stride).expect("it is small"));
        let single = single.map(|moment| vec![(moment / 2, POINTS[(moment % 2) as usize])]);
        let two = [*dice.pick(&POINTS), CrashPoint::Torn(1)].map(|point| (dice.roll(appends), point));
        for tried in single.chain([two.to_vec()]) {
            match case.crash_at(&tried, &expected) {
                Ok(in_doubt) => doubts += u64::from(in_doubt),
                Err(difference) => wrong.push(difference),
            }
            crashes += tried.len();
        }
        of += moments;
    }
    let cases = cases.len();
    println!("{test}: {cases} cases, {crashes} crashes at {of} moments, {doubts} with a call in doubt");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_crash_at_any_append_changes_nothing_of_the_shipped_workflows() {
    let shipped: Vec<_> = promptsales_workflows::definitions().iter().map(|(name, _)| *name).collect();
    let script = |name: &&str| match *name {
        "act-on-runs" => own::acts_on_many(),
        "launch-campaign" => Case::shipped(name).then(Step::Launch),
        other => panic!("`{other}` is shipped: say how it is played"),
    };
    crash_in_each("shipped", &shipped.iter().map(script).collect::<Vec<_>>(), u64::MAX);
}

#[test]
fn a_crash_at_any_append_changes_nothing_of_the_examples() {
    crash_in_each("examples", &examples::cases(), 12);
}

#[test]
fn a_crash_at_any_append_changes_nothing_of_workflows_with_every_task_type() {
    crash_in_each("own", &own::cases(), 24);
}
