//! Random definitions and random interleavings: nobody is ever stuck, and what can be undone is undone.

use proptest::prelude::*;

use super::bed::{Bed, Ending};
use super::*;

/// A task of a random definition, written as YAML flow.
fn task(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        3 => Just("{ call: thing.open, with: { name: x } }".to_owned()),
        2 => Just("{ call: thing.book, with: { name: x } }".to_owned()),
        2 => Just("{ call: mail.send, with: { name: x } }".to_owned()),
        2 => Just("{ set: { n: 1 } }".to_owned()),
        1 => Just("{ wait: PT5S }".to_owned()),
        1 => Just("{ listen: { to: { one: { with: { type: go } } } } }".to_owned()),
        1 => Just("{ raise: { error: { type: x, status: 500 } } }".to_owned()),
        1 => Just("{ set: { n: '${ error(\"no\") }' } }".to_owned()),
        1 => Just("{ timeout: { after: PT2S }, call: thing.book, with: { name: x } }".to_owned()),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = list(depth - 1);
    prop_oneof![
        4 => leaf,
        1 => inner.clone().prop_map(|tasks| format!("{{ do: {tasks} }}")),
        2 => inner.clone().prop_map(|tasks| format!("{{ metadata: {{ saga: true }}, do: {tasks} }}")),
        1 => inner.clone().prop_map(|tasks| format!("{{ timeout: {{ after: PT7S }}, do: {tasks} }}")),
        1 => inner.clone().prop_map(|tasks| format!("{{ for: {{ in: '[1,2]' }}, do: {tasks} }}")),
        2 => inner.clone().prop_map(|tasks| {
            format!("{{ metadata: {{ parallel: 2 }}, for: {{ in: '[1,2,3]' }}, do: {tasks} }}")
        }),
        2 => (list(depth - 1), any::<bool>()).prop_map(|(tasks, compete)| {
            format!("{{ fork: {{ compete: {compete}, branches: {tasks} }} }}")
        }),
        2 => (inner.clone(), inner, 0..3u32).prop_map(|(tasks, handler, count)| {
            let retry = format!("retry: {{ delay: PT1S, limit: {{ attempt: {{ count: {count} }} }} }}");
            format!("{{ try: {tasks}, catch: {{ {retry}, do: {handler} }} }}")
        }),
    ]
    .boxed()
}

fn list(depth: u32) -> BoxedStrategy<String> {
    let tasks = prop::collection::vec(task(depth), 1..4);
    let named = tasks.prop_map(|tasks| {
        let one = |(index, task): (usize, String)| format!("{{ t{index}: {task} }}");
        format!("[{}]", tasks.into_iter().enumerate().map(one).collect::<Vec<_>>().join(", "))
    });
    named.boxed()
}

/// Takes one of the things that can happen next, chosen by a number.
fn happen(bed: &mut Bed, choice: u32, calm: bool) {
    let (which, how) = (choice as usize, choice / 7 % 10);
    let open = bed.sent.len();
    let timers = usize::from(!bed.timers.is_empty());
    match choice % 41 {
        _ if calm => {}
        0 => drop(bed.command("pause", json!({}))),
        1 | 2 => drop(bed.command("resume", json!({}))),
        3 => drop(bed.command("cancel", json!({}))),
        4 | 5 => drop(bed.command("signal", json!({ "name": "go", "data": choice }))),
        6 => drop(bed.command("retry", json!({}))),
        _ => {}
    }
    if open + timers == 0 {
        let _ = bed.command("resume", json!({}));
        let _ = bed.command("retry", json!({}));
        if bed.sent.is_empty() && bed.timers.is_empty() {
            let _ = bed.command("signal", json!({ "name": "go", "data": 0 }));
        }
        return;
    }
    let which = which % (open + timers);
    if which >= bed.sent.len() {
        if !bed.timers.is_empty() {
            bed.tick();
        }
        return;
    }
    let sent = bed.sent.remove(which);
    let ending = match how {
        0 if !calm => Ending::No("no_way"),
        1 if !calm => Ending::Failed,
        2 if !calm => Ending::Unknown,
        _ => Ending::Ok(json!({ "n": choice })),
    };
    bed.answer(&sent, &ending);
    if choice.is_multiple_of(5) {
        // An answer may come twice.
        bed.answer(&sent, &ending);
    }
}

/// Runs a definition with given choices, and then, with an outside that does all it is asked for, to its end.
fn play(source: &str, choices: &[u32]) -> Bed {
    let mut bed = Bed::started(source, json!({}));
    for choice in choices {
        if bed.view()["endedAt"].is_string() {
            return bed;
        }
        happen(&mut bed, *choice, false);
    }
    for choice in 0..5_000u32 {
        if bed.view()["endedAt"].is_string() {
            return bed;
        }
        happen(&mut bed, choice, true);
    }
    panic!("the run does not end: {:#}", bed.view());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    /// What must hold after each input is checked by the bed; here the run must end, and do so alike twice.
    #[test]
    fn runs_end_and_are_deterministic(
        tasks in list(2),
        is_saga in any::<bool>(),
        choices in prop::collection::vec(any::<u32>(), 0..60),
    ) {
        let body = format!("do: {tasks}");
        let source = if is_saga { saga(&body) } else { definition(&body) };
        let (one, two) = (play(&source, &choices), play(&source, &choices));
        prop_assert_eq!(one.view(), two.view());
        prop_assert_eq!(one.names(), two.names());
        let status = one.status();
        let ends: &[&str] = if is_saga { &["completed", "compensated", "cancelled"] }
            else { &["completed", "faulted", "cancelled"] };
        prop_assert!(ends.contains(&status.as_str()), "{}", status);
    }

    /// A saga that did not complete leaves nothing open.
    #[test]
    fn a_saga_leaves_a_clean_slate(
        tasks in list(2),
        choices in prop::collection::vec(any::<u32>(), 0..60),
    ) {
        let bed = play(&saga(&format!("do: {tasks}")), &choices);
        if bed.status() != "completed" {
            prop_assert_eq!(bed.balance(), Vec::<String>::new());
        }
    }
}
