//! Scripts of clients, subscriptions and budgets.

use std::time::Duration;

use serde_json::json;

use super::Step::{Sleep, Tell};
use super::{Script, id, tell};

const DAY: Duration = Duration::from_secs(86_400);

/// The scripts.
pub(super) fn scripts() -> Vec<Script> {
    [clients(), subscriptions(), budgets()].into_iter().flatten().collect()
}

fn clients() -> Vec<Script> {
    let steps = vec![
        Tell("register", json!({ "name": "Tienda Eco", "email": "contacto@tiendaeco.cr" })),
        Tell("update", json!({ "company": "Tienda Eco S.A.", "email": null })),
        Tell("add-subscription", json!({ "subscription": id("sub", 1) })),
        Tell("remove-subscription", json!({ "subscription": id("sub", 1) })),
        Tell("suspend", json!({ "reason": "it does not pay" })),
        tell("reactivate"),
        Tell("close", json!({ "reason": "it left" })),
    ];
    vec![Script { id: id("client", 1), steps }]
}

fn subscriptions() -> Vec<Script> {
    let reserve =
        |name: &str| Tell("reserve", json!({ "reservation": name, "meter": "imagenes_ia", "amount": 3 }));
    let reservation = |name: &str| json!({ "reservation": name });
    let meters =
        json!({ "imagenes_ia": { "limit": 40, "resetDate": "2026-01-12T00:00:00Z", "every": "week" } });
    let used = vec![
        Tell("open", json!({ "planId": "PLAN-EMPRENDE", "usageTracking": meters })),
        reserve("a"),
        Tell("settle", reservation("a")),
        reserve("b"),
        Tell("release", reservation("b")),
        reserve("c"),
        Sleep(6 * DAY),
        Tell("change-plan", json!({ "planId": "PLAN-MAX", "limits": { "imagenes_ia": 90 } })),
        Tell("record-payment", json!({ "status": "paid" })),
        Tell("suspend", json!({ "reason": "it is not paid" })),
        tell("resume"),
        Tell("cancel", json!({ "reason": "the shop is closed" })),
    ];
    let ending = vec![
        Tell("open", json!({ "planId": "PLAN-EMPRENDE", "endDate": "2026-01-16T00:00:00Z" })),
        Sleep(4 * DAY),
    ];
    let all = [used, ending];
    (1..).zip(all).map(|(number, steps)| Script { id: id("sub", number), steps }).collect()
}

fn budgets() -> Vec<Script> {
    let usd = |amount: i64| json!({ "amountMinor": amount, "currency": "USD" });
    let reserve =
        |name: &str| Tell("reserve", json!({ "reservation": name, "channel": "google", "amount": usd(300) }));
    let steps = vec![
        Tell("open", json!({ "name": "Verano", "amount": usd(1_000) })),
        Tell("allocate", json!({ "channel": "google", "amount": usd(900) })),
        reserve("a"),
        Tell("record-spent", json!({ "reservation": "a", "amount": usd(250) })),
        reserve("b"),
        Tell("release", json!({ "reservation": "b" })),
        Tell("request-raise", json!({ "amount": usd(2_000), "reason": "it goes well" })),
        Tell("reject-raise", json!({ "reason": "not now" })),
        Tell("request-raise", json!({ "amount": usd(1_500), "reason": "it goes well" })),
        Tell("approve-raise", json!({ "amount": usd(1_500) })),
        Tell("lower", json!({ "amount": usd(1_200), "reason": "less is enough" })),
        Tell("close", json!({ "reason": "the season is over" })),
        Tell("reopen", json!({ "reason": "it is not" })),
    ];
    vec![Script { id: id("budget", 1), steps }]
}
