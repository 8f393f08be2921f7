//! Events as they stand in journals: each sample must be read for ever, and be written as it was.

use super::super::{EVENTS, RunEvent};
use crate::codec;

const ERROR: &str = r#"{"type":"x","status":500}"#;

/// One sample of every event: its name and its body. `ERROR` stands for an error.
const SAMPLES: &[(&str, &str)] = &[
    ("started", r#"{"workflow":"a","version":"1.0.0","digest":"d","input":{"x":1}}"#),
    (
        "started",
        r#"{"workflow":"a","version":"1.0.0","digest":"d","input":1,"data":null,"saga":true,"deadline":"2025-11-22T07:20:00.000Z","cause":"rule"}"#,
    ),
    (
        "started",
        r#"{"workflow":"a","version":"1.0.0","digest":"d","input":1,"parent":"run_00000000000000000000000000"}"#,
    ),
    ("task-started", r#"{"path":"/do/0/a","parent":"","part":"body","type":"set"}"#),
    (
        "task-started",
        r#"{"path":"/do/0/t[2]/try/0/a","key":"/do/0/t/try/0/a","parent":"/do/0/t","part":{"iteration":3},"type":"try","input":null,"deadline":"2025-11-22T07:20:00.000Z","saga":true,"retries":true}"#,
    ),
    (
        "task-started",
        r#"{"path":"/do/0/t","parent":"","part":"body","type":"try","retries":true,"attemptDeadline":"2025-11-22T07:20:00.000Z"}"#,
    ),
    ("task-skipped", r#"{"path":"/do/0/a","parent":"","part":{"branch":1},"type":"for","go":"out"}"#),
    ("task-completed", r#"{"path":"/do/0/a","go":{"to":1}}"#),
    ("task-completed", r#"{"path":"/do/0/a","output":null,"context":{"k":1},"go":"end"}"#),
    ("task-completed", r#"{"path":"/do/0/a","go":"out","then":"exit"}"#),
    ("task-faulted", r#"{"path":"/do/0/a","error":ERROR}"#),
    ("loop-started", r#"{"path":"/do/0/a","items":[1],"parallel":4}"#),
    ("fork-started", r#"{"path":"/do/0/a","branches":2,"compete":true}"#),
    ("wait-started", r#"{"path":"/do/0/a","until":"2025-11-22T07:20:00.000Z"}"#),
    ("listen-started", r#"{"path":"/do/0/a","signal":"go"}"#),
    (
        "listen-started",
        r#"{"path":"/do/0/a","signal":"go","topics":["topic_00000000000000000000000000"],"foreach":true}"#,
    ),
    ("event-emitted", r#"{"path":"/do/0/a","event":{"type":"x"}}"#),
    ("attributes-set", r#"{"path":"/do/0/a","attributes":{"a":1,"b":["x",true],"c":null}}"#),
    ("signal-received", r#"{"number":1,"name":"go","data":null}"#),
    ("signal-received", r#"{"number":1,"name":"x","data":{"type":"x"},"event":true}"#),
    ("signal-dropped", r#"{"number":1}"#),
    ("signal-consumed", r#"{"number":1,"path":"/do/0/a"}"#),
    (
        "signal-consumed",
        r#"{"number":1,"path":"/do/0/a","filter":2,"data":null,"keys":{"room":1},"ends":true,"closes":true}"#,
    ),
    (
        "call-started",
        r#"{"path":"/do/0/a","call":1,"action":"thing.open","arguments":{"name":"x"},"compensates":true}"#,
    ),
    ("call-resumed", r#"{"path":"/do/0/t[2]/try/0/a","call":1,"generation":2,"kept":0,"arguments":{}}"#),
    ("step-requested", r#"{"call":1,"undo":false,"step":0,"id":"msg_0","target":"thing_0","name":"open"}"#),
    (
        "step-answered",
        r#"{"call":1,"undo":false,"step":0,"result":{"command":{"accepted":{"seq":1,"events":["opened"],"reply":null}}}}"#,
    ),
    (
        "step-answered",
        r#"{"call":1,"undo":true,"step":0,"result":{"effect":{"unknown":{"code":"deadline","message":"m"}}}}"#,
    ),
    ("child-ended", r#"{"child":"run_00000000000000000000000000","ending":{"status":"completed"}}"#),
    ("call-ended", r#"{"call":1,"end":"completed","output":null}"#),
    ("call-ended", r#"{"call":1,"end":"failed"}"#),
    ("error-caught", r#"{"path":"/do/0/t","error":ERROR,"handles":false}"#),
    ("retry-scheduled", r#"{"path":"/do/0/t","attempt":2,"at":"2025-11-22T07:20:00.000Z","error":ERROR}"#),
    ("retry-started", r#"{"path":"/do/0/t","attempt":2}"#),
    ("retry-started", r#"{"path":"/do/0/t","attempt":2,"deadline":"2025-11-22T07:20:00.000Z"}"#),
    ("unwinding-started", r#"{"path":"","calls":[1,2],"then":{"fault":{"error":ERROR}}}"#),
    ("unwinding-started", r#"{"path":"","calls":[1],"then":{"cancel":{"reason":null}}}"#),
    ("unwinding-started", r#"{"path":"/do/0/f","calls":[1],"then":{"complete":{"output":1}}}"#),
    ("unwinding-started", r#"{"path":"","calls":[1],"then":{"end":{"output":1}}}"#),
    ("compensation-started", r#"{"call":1}"#),
    (
        "compensation-failed",
        r#"{"call":1,"attempt":1,"error":ERROR,"retryAt":"2025-11-22T07:20:00.000Z","kept":0,"generation":2}"#,
    ),
    ("compensation-retried", r#"{"call":1,"asked":true}"#),
    ("compensation-ended", r#"{"call":1,"undone":true}"#),
    ("task-faulted", r#"{"path":"/do/0/a","error":ERROR,"kept":true}"#),
    ("faulted", r#"{"error":ERROR,"kept":"/do/0/a"}"#),
    ("paused", "{}"),
    ("paused", r#"{"freeze":true,"reason":"why"}"#),
    ("resumed", "{}"),
    ("resumed", r#"{"reason":"why"}"#),
    ("reopened", r#"{"path":"/do/0/a","reason":"why"}"#),
    ("reopened", r#"{"path":"/do/0/a","deadlines":{"":"2025-11-22T07:20:00.000Z"}}"#),
    ("skip-requested", r#"{"path":"/do/0/a","reason":"why"}"#),
    ("data-patched", r#"{"context":null,"path":"/do/0/a","input":1,"reason":"why"}"#),
    ("moved", r#"{"list":"/do","to":2,"data":null,"reason":"why"}"#),
    ("migrated", r#"{"version":"2.0.0","digest":"d","tasks":{"/do/0/a":"/do/1/a"}}"#),
    ("migrated", r#"{"version":"2.0.0","digest":"d","tasks":{},"turns":{"/do":2},"reason":"why"}"#),
    ("cancel-requested", r#"{"reason":"enough"}"#),
    ("cancel-requested", r#"{"reason":"enough","terminate":true}"#),
    ("yielded", r#"{"at":"2025-11-22T07:20:00.000Z"}"#),
    ("continued", "{}"),
    ("completed", r#"{"output":null}"#),
    ("faulted", r#"{"error":ERROR}"#),
    ("compensated", r#"{"error":ERROR}"#),
    ("cancelled", "{}"),
];

#[test]
fn every_event_is_read_and_written_as_it_was() {
    for (name, body) in SAMPLES {
        let body = body.replace("ERROR", ERROR);
        let event: RunEvent = codec::read_named(name, &body).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (again, written) = codec::write_named(&event).unwrap();
        assert_eq!((again.as_str(), written.text()), (*name, body.as_str()));
    }
}

#[test]
fn every_event_has_a_sample() {
    for (name, version) in EVENTS {
        assert_eq!(*version, 1, "{name}: keep the old sample and add one of the new version");
        assert!(SAMPLES.iter().any(|(sample, _)| sample == name), "{name}");
    }
    assert_eq!(EVENTS.len(), 42);
}
