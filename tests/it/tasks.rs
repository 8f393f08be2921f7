//! What a run has done, a page at a time: its tasks with what they were given and gave, and its lifecycle events.

use promptsales_tests::{Server, Settings};
use serde_json::{Value, json};

use crate::steps::{define, done, ended, every, items, run, start, tasks, text, waiting};

const LISTEN: &str = "listen: { to: { one: { with: { type: go } } } }";

/// All items of a list, by pages that are as long as asked for; the last one may be shorter.
async fn by_pages(server: &Server, path: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.http.get(&format!("{path}?limit={limit}{cursor}")).await.ok();
        all.extend_from_slice(items(&page));
        match page["next"].as_str() {
            Some(next) => {
                assert_eq!(items(&page).len(), limit, "{page}");
                cursor = format!("&cursor={next}");
            }
            None => return all,
        }
    }
}

#[tokio::test]
async fn tasks_tell_what_they_were_given_and_gave() {
    let server = Server::start(Settings::default()).await;
    let body = format!(
        "do: [{{ long: {{ set: {{ text: '${{ [range(3000)] | map(tostring) | join(\",\") }}' }} }} }}, {{ short: {{ input: {{ from: '${{ .text | length }}' }}, set: {{ n: '${{ . }}' }} }} }}, {{ fails: {{ try: [{{ no: {{ raise: {{ error: {{ type: x, status: 404 }} }} }} }}], catch: {{ errors: {{ with: {{ status: 404 }} }} }} }} }}, {{ last: {{ {LISTEN} }} }}]"
    );
    define(&server, "payloads", &body).await;
    let id = start(&server, "payloads", &json!({ "a": 1 })).await;
    waiting(&server, &id, "signal").await;
    let told = tasks(&server, &id).await;
    let path = |number: usize, what: &str| format!("/api/v1/runs/{id}/tasks/{number}/{what}");
    let names: Vec<_> = told.iter().map(|task| (task["number"].clone(), text(task, "name"))).collect();
    let expected = ["long", "short", "fails", "no", "last"];
    assert_eq!(names, (1..).map(|n| json!(n)).zip(expected).collect::<Vec<_>>());
    let long = server.http.get(&path(1, "output")).await.ok();
    let bytes = long.to_string().len();
    assert!(bytes > 8_192);
    assert_eq!(told[0]["input"], json!({ "a": 1 }));
    assert_eq!(told[0]["output"], json!({ "$ref": path(1, "output"), "bytes": bytes }));
    let length = text(&long, "text").len();
    assert_eq!((&told[1]["input"], &told[1]["output"]), (&json!(length), &json!({ "n": length })));
    assert_eq!(server.http.get(&path(2, "input")).await.ok(), json!(length));
    assert_eq!((&told[3]["status"], &told[3]["error"]["status"]), (&json!("faulted"), &json!(404)));
    assert_eq!(
        (&told[4]["endedAt"], &told[4]["durationMs"], &told[4]["output"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert!(told[..4].iter().all(|task| task["durationMs"].is_u64()), "{told:?}");
    for (number, what) in [(5, "output"), (6, "input"), (4, "output")] {
        assert_eq!(server.http.get(&path(number, what)).await.problem(404), "not_found");
    }
    for number in ["0", "x"] {
        let wrong = server.http.get(&format!("/api/v1/runs/{id}/tasks/{number}/input")).await;
        assert_eq!(wrong.problem(400), "invalid_parameter");
    }
    let shown = done(&["run", "tasks", &id, "--server", &server.url]).await;
    assert_eq!(items(&shown), told);
}

#[tokio::test]
async fn pages_are_as_long_as_asked_for_and_hold_each_item_once() {
    let mut server = Server::start(Settings::default()).await;
    let body = format!(
        "do: [{{ each: {{ metadata: {{ parallel: 20 }}, for: {{ each: x, in: '${{ [range(20)] }}' }}, do: [{{ a: {{ set: {{ x: '${{ $x }}' }} }} }}, {{ b: {{ {LISTEN} }} }}] }} }}]"
    );
    define(&server, "wide", &body).await;
    let id = start(&server, "wide", &json!({})).await;
    waiting(&server, &id, "signal").await;
    for verb in ["pause", "resume", "cancel"] {
        server.http.post(&format!("/api/v1/runs/{id}/{verb}"), &json!({})).await.ok();
    }
    ended(&server, &id).await;
    for list in ["tasks", "events"] {
        let path = format!("/api/v1/runs/{id}/{list}");
        let all = every(&server, &path).await;
        for limit in [1, 7, 20] {
            assert_eq!(by_pages(&server, &path, limit).await, all, "{list} by {limit}");
        }
        if list == "tasks" {
            assert_eq!(all.len(), 41);
        } else {
            let suspended = |event: &&Value| text(event, "type").contains("task.suspended");
            assert_eq!(all.iter().filter(suspended).count(), 21, "one event tells of many tasks");
        }
        // What was kept of earlier pages is gone: all is read anew.
        let page = server.http.get(&format!("{path}?limit=30")).await.ok();
        server.kill().await;
        server.restart().await;
        let next = format!("{path}?limit=30&cursor={}", text(&page, "next"));
        assert_eq!(items(&server.http.get(&next).await.ok()), &all[30..all.len().min(60)], "{list}");
        assert_eq!(server.http.get(&format!("{path}?cursor=p1.x")).await.problem(400), "invalid_parameter");
    }
}

#[tokio::test]
async fn a_huge_run_is_listed_page_by_page_and_cancelled() {
    let server = Server::start(Settings::default()).await;
    let body = format!(
        "do: [{{ outer: {{ for: {{ each: x, in: '${{ [range(50)] }}' }}, do: [{{ inner: {{ for: {{ each: y, in: '${{ [range(60)] }}' }}, do: [{{ a: {{ set: {{ n: '${{ $y }}' }} }} }}] }} }}] }} }}, {{ l: {{ {LISTEN} }} }}]"
    );
    define(&server, "huge", &body).await;
    let id = start(&server, "huge", &json!({})).await;
    waiting(&server, &id, "signal").await;
    let told = by_pages(&server, &format!("/api/v1/runs/{id}/tasks"), 100).await;
    assert_eq!(told.len(), 1 + 50 * 61 + 1);
    assert!(told.iter().enumerate().all(|(n, task)| task["number"] == json!(n + 1)));
    let input = server.http.get(&format!("/api/v1/runs/{id}/tasks/3000/output")).await.ok();
    assert_eq!(input, told[2_999]["output"]);
    let events = by_pages(&server, &format!("/api/v1/runs/{id}/events"), 100).await;
    assert_eq!(events.len(), 1 + 3 * (told.len() - 1) + 3, "each begins and ends, and the listener waits");
    server.http.post(&format!("/api/v1/runs/{id}/cancel"), &json!({})).await.ok();
    ended(&server, &id).await;
    assert_eq!(run(&server, &id).await["status"], "cancelled");
}
