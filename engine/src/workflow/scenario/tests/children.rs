use super::{failures, passes, played, read};
use crate::workflow::fixtures::{definition, saga};

/// A task that runs a workflow, with more fields of the run.
fn runs(more: &str) -> String {
    format!("run: {{ workflow: {{ namespace: test, name: child, input: {{ x: '${{ .n }}' }} }}{more} }}")
}

#[test]
fn a_run_of_another_workflow_comes_out_as_the_script_says() {
    let body = format!(
        "
do:
  - each:
      for: {{ each: n, in: '${{ [1, 2, 3] }}' }}
      do:
        - one: {{ input: {{ from: '${{ {{ n: $n }} }}' }}, {}, export: {{ as: '${{ [$context[]?] + [.y] }}' }} }}
  - tell: {{ call: mail.send, with: {{ name: me }}, output: {{ as: $context }} }}",
        runs("")
    );
    let scenario = |key: &str| {
        format!(
            "
name: the last result repeats
workflows:
  {key}:
    - output: {{ y: first }}
    - {{ output: {{ y: '${{ \"\\(.x) \\($n)\" }}' }}, takes: PT30M }}
actions: {{ mail.send: [{{ output: sent }}] }}
expect:
  status: completed
  outputIs: [first, 2 2, 3 3]
  calls:
    - {{ workflow: child, input: {{ x: 1 }} }}
    - {{ workflow: test/child, task: one, input: {{ x: 3 }} }}
    - {{ action: mail.send }}
  duration: PT1H"
        )
    };
    for key in ["child", "test/child", "one", "/do/0/each/do/0/one"] {
        let report = passes(&definition(&body), &scenario(key));
        let line = "PT30M        runs       test/child: {\"y\":\"3 3\"}";
        assert!(report.trace.iter().any(|found| found == line), "{report:#?}");
    }
    let both =
        scenario("test/child").replace("actions:", "  one: [{ output: { y: of the task } }]\nactions:");
    let found = failures(&definition(&body), &both);
    assert!(found[0].starts_with("outputIs: ") && found[0].contains("of the task"), "{found:?}");
    let other = scenario("child").replace("input: { x: 3 }", "input: { x: 4 }");
    assert_eq!(failures(&definition(&body), &other), ["calls: `test/child` input/x: 4 / 2"]);
}

#[test]
fn the_run_fails_as_the_other_one_does_and_may_try_again() {
    let failing = |catch: &str| {
        definition(&format!("do: [{{ t: {{ try: [{{ r: {{ {} }} }}], catch: {{ {catch} }} }} }}]", runs("")))
    };
    let scenario = "
name: the other one fails
input: { n: 1 }
workflows: { child: [{ error: { code: gone, status: 410, detail: long ago }, takes: PT2M }, { output: '${ .x + $n }' }] }
";
    let fails =
        "expect: { status: faulted, error: { code: gone, status: 410, detail: long }, duration: PT2M }";
    passes(&failing("errors: { with: { status: 500 } }"), &format!("{scenario}{fails}"));
    let retried = "expect: { status: completed, outputIs: 3, tasks: [r, r], duration: PT2M10S }";
    let retry = failing("retry: { delay: PT10S, limit: { attempt: { count: 2 } } }");
    passes(&retry, &format!("{scenario}{retried}"));
}

#[test]
fn what_is_not_awaited_holds_nobody_up() {
    let body = format!("do: [{{ r: {{ {} }} }}, {{ w: {{ wait: PT1M }} }}]", runs(", await: false"));
    let scenario = "
name: nobody waits for it
input: { n: 7 }
workflows: { child: [{ takes: PT5H }] }
expect: { status: completed, calls: [{ workflow: child, input: { x: 7 } }], duration: PT1M }";
    let report = passes(&definition(&body), scenario);
    assert!(!report.trace.iter().any(|line| line.contains("cancels")), "it goes on by itself: {report:#?}");
    let id = "output: { as: '${ .runId | startswith(\"run_\") }' }";
    let told = definition(&format!("do: [{{ r: {{ {}, {id} }} }}]", runs(", await: false")));
    let scenario = scenario.replace("duration: PT1M", "outputIs: true, duration: PT0S");
    passes(&told, &scenario);
}

#[test]
fn one_without_a_script_is_named() {
    for (more, awaited) in [("", true), (", await: false", false)] {
        let body = format!("do: [{{ r: {{ {} }} }}, {{ s: {{ set: {{ x: 1 }} }} }}]", runs(more));
        let found = failures(
            &definition(&body),
            "name: x\ninput: { n: 1 }\nexpect: { status: completed, duration: PT1S }",
        );
        let expected = "the run of `test/child` by `/do/0/r`: a result under `workflows` / none";
        assert_eq!(found, [expected], "{awaited}");
    }
    let body = format!("do: [{{ r: {{ {} }} }}]", runs(""));
    let scenario =
        "name: x\nworkflows: { child: [{ output: '${ error(\"no\") }' }] }\nexpect: { status: completed }";
    let found = failures(&definition(&body), scenario);
    assert!(found.len() == 1 && found[0].contains("the expression of the output fails"), "{found:?}");
}

#[test]
fn one_that_is_not_needed_any_more_is_cancelled() {
    let long = "workflows: { child: [{ output: late, takes: PT5H }] }";
    let cancelled = |report: &super::Report, at: &str| {
        let lines: Vec<_> = report.trace.iter().filter(|line| line.contains("cancels")).collect();
        assert!(
            lines.len() == 1 && lines[0].starts_with(at) && lines[0].ends_with("test/child"),
            "{report:#?}"
        );
    };
    let plain = format!("do: [{{ r: {{ {} }} }}]", runs(""));
    let ends = |at: &str| {
        format!(
            "name: a person ends it\n{long}\ncommands: [{{ at: {at}, command: cancel, reason: enough }}]\n\
             expect: {{ status: cancelled, duration: {at} }}"
        )
    };
    cancelled(&passes(&definition(&plain), &ends("PT1H")), "PT1H ");
    // It comes before the other run is known to have started.
    cancelled(&passes(&definition(&plain), &ends("PT0S")), "PT0S ");
    let undone =
        format!("do: [{{ a: {{ call: thing.book, with: {{ name: a }} }} }}, {{ r: {{ {} }} }}]", runs(""));
    let scenario = ends("PT1H")
        .replace("workflows:", "actions: { a: [{ output: {} }] }\nworkflows:")
        .replace("duration:", "compensated: [a], duration:");
    cancelled(&passes(&saga(&undone), &scenario), "PT1H ");
    let timed = format!("do: [{{ r: {{ timeout: {{ after: PT1M }}, {} }} }}]", runs(""));
    let scenario = format!(
        "name: it takes too long\n{long}\nexpect: {{ status: faulted, error: {{ type: timeout }}, duration: PT1M }}"
    );
    cancelled(&passes(&definition(&timed), &scenario), "PT1M ");
    let raced = format!(
        "do: [{{ f: {{ fork: {{ compete: true, branches: [{{ r: {{ {} }} }}, {{ w: {{ wait: PT2M }} }}] }} }} }}]",
        runs("")
    );
    let scenario =
        format!("name: another branch wins\n{long}\nexpect: {{ status: completed, duration: PT2M }}");
    cancelled(&passes(&definition(&raced), &scenario), "PT2M ");
    let in_time = scenario.replace("PT5H", "PT1M").replace("PT2M", "PT1M, outputIs: late");
    let report = passes(&definition(&raced), &in_time);
    assert!(!report.trace.iter().any(|line| line.contains("cancels")), "{report:#?}");
}

#[test]
fn a_run_that_is_held_takes_the_end_of_another_one_in_when_it_goes_on() {
    let body = format!("do: [{{ r: {{ {} }} }}, {{ s: {{ set: {{ x: '${{ . }}' }} }} }}]", runs(""));
    let scenario = "
name: it ends meanwhile
workflows: { child: [{ output: 5, takes: PT1H }] }
commands: [{ at: PT30M, command: pause }, { at: PT2H, command: resume }]
expect: { status: completed, outputIs: { x: 5 }, duration: PT2H }";
    passes(&definition(&body), scenario);
}

#[test]
fn what_a_run_did_can_be_taken_back_by_an_action() {
    let body = format!(
        "
do:
  - r: {{ {}, metadata: {{ compensate: {{ call: mail.send, with: {{ name: '${{ $output.name }}' }} }} }} }}
  - e: {{ raise: {{ error: {{ type: gone, status: 410 }} }} }}",
        runs("")
    );
    let scenario = "
name: a mail takes it back
workflows: { child: [{ output: { name: given } }] }
actions: { mail.send: [{ output: ok }] }
expect:
  status: compensated
  calls: [{ workflow: child }, { action: mail.send, arguments: { name: given } }]
  compensated: [r]";
    passes(&saga(&body), scenario);
}

#[test]
fn names_and_shapes_that_mean_nothing_are_refused() {
    let body = format!("do: [{{ r: {{ {} }} }}]", runs(""));
    let scenario = "
name: x
workflows: { chidl: [{}], child: [{ output: 1 }] }
expect: { status: completed, never: [childs], calls: [{ workflow: r }] }";
    let found = failures(&definition(&body), scenario);
    let expected = [
        "workflows: a task of the workflow, or a workflow that it runs / `chidl`; did you mean `child`?",
        "expect.never: a task of the workflow, or an action that it calls / `childs`; there are `r`",
        "expect.calls: a workflow that the workflow runs / `r`; there are `child`, `test/child`",
    ];
    assert_eq!(found, expected);
    let never = "name: x\nworkflows: { child: [{}] }\nexpect: { status: completed, never: [test/child] }";
    assert_eq!(failures(&definition(&body), never), ["never: not `test/child` / `/do/0/r`"]);
    assert_eq!(played(&definition(&body), never).status, "completed");
    let cases = [
        ("workflows: { x: [] }\nexpect: { status: waiting }", "`workflows.x`: the list of results is empty"),
        (
            "workflows: { x: [{ output: 1, error: { code: a } }] }\nexpect: { status: waiting }",
            "`workflows.x[0]`: a result has either",
        ),
        (
            "workflows: { x: [{ error: { code: a, unknown: true } }] }\nexpect: { status: waiting }",
            "`workflows.x[0]`: how a run ends",
        ),
        (
            "workflows: { x: [{ error: {} }] }\nexpect: { status: waiting }",
            "`workflows.x[0].error`: an error needs",
        ),
        ("expect: { calls: [{ action: a, workflow: b }] }", "`expect.calls[0]`: a call is of either"),
        ("expect: { calls: [{ action: a, input: 1 }] }", "`expect.calls[0]`: an action has `arguments`"),
        (
            "expect: { calls: [{ workflow: a, arguments: 1 }] }",
            "`expect.calls[0]`: a workflow has an `input`",
        ),
        ("expect: { calls: [{ task: a, arguments: 1, input: 1 }] }", "`expect.calls[0]`: a call has either"),
        ("expect: { calls: [{ input: 1 }] }", "`expect.calls[0]`: a call needs"),
    ];
    for (text, part) in cases {
        let error = read(&format!("name: a\n{text}")).map(|_| ()).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}
