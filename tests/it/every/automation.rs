//! Scripts of rules, of the desks of partitions, and of the gates that keep to rules' limits.

use std::time::Duration;

use promptsales_engine::id::StreamId;
use promptsales_engine::journal::MessageId;
use serde_json::{Value, json};

use super::scripts::Step::{Sleep, Tell};
use super::scripts::{Script, Written, id, tell};

/// An event that a rule looked at.
fn seen(position: u64) -> Value {
    json!({
        "position": position, "id": position.to_string(), "type": "order.placed", "subject": "order-7",
        "at": "2026-01-01T00:00:00.000Z",
    })
}

/// Rules, the desks of partitions, and the gates that keep to rules' limits.
pub(super) fn scripts() -> Vec<Script> {
    let source = "name: aging\non: { exact: { type: order.placed } }\nthen: [{ emit: { type: order.seen } }]";
    let rule = vec![
        Tell("draft", json!({ "name": "aging", "source": source })),
        Tell("publish", json!({ "reason": "it is good" })),
        Tell("pause", json!({ "reason": "holiday" })),
        tell("resume"),
        Tell("delete", json!({ "reason": "old" })),
    ];
    let told = json!({
        "rule": id("rule", 9), "version": 1, "event": seen(2), "outcome": "condition-not-met",
        "miss": { "clause": "", "text": "`event.data.total` is 5, and should be at least 50", "found": 5 },
    });
    let uncounted = json!({ id("rule", 9).to_string(): { "condition-not-met": 3 } });
    let advance = json!({ "from": 1, "to": 3, "told": [told], "uncounted": uncounted });
    let desk = vec![Tell("open", json!({ "at": 1 })), Tell("advance", advance)];
    let trigger = |position: u64, limits: Value| {
        let trigger = json!({ "event": seen(position), "version": 1, "limits": limits, "deeds": [] });
        Tell("trigger", json!({ "rule": id("rule", 9), "key": "ana", "trigger": trigger }))
    };
    let once = || json!({ "once": true });
    let gate = vec![trigger(1, once()), trigger(2, once())];
    let quiet = || json!({ "once": false, "debounceMs": 1_000 });
    let patient = vec![trigger(1, quiet()), trigger(2, quiet()), Sleep(Duration::from_secs(3))];
    let all = [("rule", rule), ("rdesk", desk), ("rgate", gate), ("rgate", patient)];
    (1..).zip(all).map(|(number, (prefix, steps))| Script { id: id(prefix, number), steps }).collect()
}

/// What comes back from others.
pub(super) fn rare() -> Vec<(StreamId, Vec<Written>)> {
    let refused = (
        "refused".to_owned(),
        json!({
            "message": MessageId::derive(&["refused"]), "code": "not_found", "reason": "there is no such lead",
        }),
    );
    let desk = vec![("opened".to_owned(), json!({ "at": 1 })), refused.clone()];
    let opened = json!({ "rule": id("rule", 9), "key": "ana" });
    let gate = vec![("opened".to_owned(), opened), refused];
    vec![(id("rdesk", 2), desk), (id("rgate", 9), gate)]
}
