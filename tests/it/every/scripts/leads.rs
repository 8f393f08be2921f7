//! Scripts of leads.

use std::time::Duration;

use serde_json::json;

use super::Step::{Sleep, Tell};
use super::{Script, id, tell};

/// The scripts.
pub(super) fn scripts() -> Vec<Script> {
    let provenance = |channel: &str| json!({ "provenance": { "channel": channel } });
    let known = vec![
        Tell("register", json!({ "email": "ana@example.com", "name": "Ana" })),
        Tell("record-activity", json!({ "activity": "opened", "score": 3, "tag": "spring" })),
        tell("qualify"),
        Tell("move-stage", json!({ "to": "lost", "reason": "went elsewhere" })),
        Tell("attach-tracking", provenance("email")),
        Tell("attach-tracking", provenance("sms")),
        Tell("tag", json!({ "tag": "vip" })),
        Tell("untag", json!({ "tag": "vip" })),
        Tell("record-consent", json!({ "consent": { "channel": "email", "status": "granted" } })),
    ];
    let traced = vec![
        Tell("record-activity", json!({ "activity": "opened", "score": 3 })),
        Tell("tag", json!({ "tag": "vip" })),
    ];
    let second = || Sleep(Duration::from_secs(2));
    let whole = vec![
        Tell("register", json!({ "email": "eva@example.com", "phone": "+50670102020" })),
        Tell("update", json!({ "name": "Eva", "phone": null })),
        Tell("score-fit", json!({ "points": 30, "reasons": ["in the region"] })),
        Tell("assign", json!({ "owner": "leo", "reason": "his region" })),
        Tell("unassign", json!({ "reason": "on leave" })),
        Tell("record-consent", json!({ "consent": { "channel": "sms", "status": "denied" } })),
        Tell("may-contact", json!({ "channel": "sms", "topic": "offers" })),
        Tell("merge-into", json!({ "survivor": id("lead", 999), "reason": "there is no such" })),
        second(),
        Tell("merge-into", json!({ "survivor": id("lead", 2), "reason": "the same" })),
        second(),
        Tell("undo-merge", json!({ "reason": "not the same" })),
        second(),
    ];
    let all = [known, traced, whole];
    (1..).zip(all).map(|(number, steps)| Script { id: id("lead", number), steps }).collect()
}
