//! Runs: waited for, signalled, held, cancelled, listed; over crashes too.

use futures_util::future::join_all;
use promptsales_tests::{Server, Settings, pause, until};
use serde_json::{Value, json};

use crate::steps::{define, ended, every, items, run, start, tasks, text, waiting};

const ONE: &str = "do: [{ a: { set: { n: 1 } } }]";
const LISTEN: &str = "listen: { to: { one: { with: { type: go } } } }";

#[tokio::test]
async fn a_key_starts_one_run() {
    let mut server = Server::start(Settings::default()).await;
    define(&server, "hold", &format!("do: [{{ a: {{ {LISTEN} }} }}]")).await;
    let path = "/api/v1/workflows/hold/runs";
    let input = json!({ "n": 1 });
    let all = join_all((0..8).map(|_| server.http.post_keyed(path, "k", &input))).await;
    for answer in &all {
        assert_eq!((answer.status, &answer.body["runId"]), (202, &all[0].body["runId"]), "{}", answer.body);
    }
    assert_eq!(
        server.http.post_keyed(path, "k", &json!({ "n": 2 })).await.problem(422),
        "idempotency_key_reused"
    );
    server.kill().await;
    server.restart().await;
    let again = server.http.post_keyed(path, "k", &json!({ "n": 1 })).await;
    assert_eq!(again.body, json!({ "runId": all[0].body["runId"], "status": "waiting" }));
    assert_eq!(every(&server, "/api/v1/runs").await.len(), 1);
}

async fn begin(server: &Server, n: usize) -> String {
    start(server, "slow", &json!({ "n": n })).await
}

#[tokio::test]
async fn a_wait_survives_a_crash_and_is_over_in_time() {
    let mut server = Server::start(Settings::default()).await;
    define(&server, "slow", "do: [{ w: { wait: PT2S } }, { a: { set: { done: true } } }]").await;
    let ids = join_all((0..5).map(|n| begin(&server, n))).await;
    let waits = waiting(&server, &ids[0], "timer").await;
    let (until_then, started) =
        (text(&waits["waitingFor"][0], "until").to_owned(), text(&waits, "startedAt").to_owned());
    assert!(until_then > started);
    server.kill().await;
    server.restart().await;
    let run = run(&server, &ids[0]).await;
    assert_eq!((&run["status"], &run["waitingFor"]), (&json!("waiting"), &waits["waitingFor"]));
    for id in &ids {
        let ended = ended(&server, id).await;
        assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!({ "done": true })));
    }
    let ended = ended(&server, &ids[0]).await;
    assert!(text(&ended, "endedAt") >= until_then.as_str(), "early: {ended} before {until_then}");
}

#[tokio::test]
async fn a_timer_that_came_due_while_the_server_was_down_fires() {
    let mut server = Server::start(Settings::default()).await;
    define(&server, "brief", "do: [{ w: { wait: PT0.6S } }, { a: { set: { done: true } } }]").await;
    let id = start(&server, "brief", &json!({})).await;
    assert_eq!(server.terminate().await, Some(0));
    pause(700).await;
    server.restart().await;
    assert_eq!(ended(&server, &id).await["status"], json!("completed"));
}

#[tokio::test]
async fn a_signal_before_its_listener_is_kept_over_a_crash() {
    let mut server = Server::start(Settings::default()).await;
    let body = format!("do: [{{ w: {{ wait: PT1S }} }}, {{ a: {{ {LISTEN} }} }}, {{ b: {{ {LISTEN} }} }}]");
    define(&server, "early", &body).await;
    let id = start(&server, "early", &json!({})).await;
    let signal = format!("/api/v1/runs/{id}/signals/go");
    let first = server.http.post_keyed(&signal, "s-1", &json!({ "n": 1 })).await;
    let again = server.http.post_keyed(&signal, "s-1", &json!({ "n": 1 })).await;
    assert_eq!((first.status, &first.body), (200, &again.body));
    server.kill().await;
    server.restart().await;
    let waits = waiting(&server, &id, "signal").await;
    assert_eq!(text(&waits["waitingFor"][0], "task"), "/do/2/b", "the repeated signal counted once");
    server.http.post(&signal, &json!({ "n": 2 })).await.ok();
    let ended = ended(&server, &id).await;
    assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!([{ "n": 2 }])));
    assert_eq!(server.http.post(&signal, &json!({})).await.problem(409), "run_ended");
}

#[tokio::test]
async fn signals_that_come_out_of_order_or_late_reach_who_listens_for_them() {
    let server = Server::start(Settings::default()).await;
    let listen = |name: &str| format!("listen: {{ to: {{ one: {{ with: {{ type: {name} }} }} }} }}");
    let body = ["first", "second", "third"].map(|name| format!("{{ {name}: {{ {} }} }}", listen(name)));
    define(&server, "ordered", &format!("do: [{}]\noutput: {{ as: '${{ . }}' }}", body.join(", "))).await;
    let id = start(&server, "ordered", &json!({})).await;
    waiting(&server, &id, "signal").await;
    for (n, name) in [(3, "third"), (2, "second"), (1, "first")] {
        let answer = server.http.post(&format!("/api/v1/runs/{id}/signals/{name}"), &json!({ "n": n })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let ended = ended(&server, &id).await;
    assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!([{ "n": 3 }])));
    let order: Vec<_> = tasks(&server, &id).await.iter().map(|task| text(task, "name").to_owned()).collect();
    assert_eq!(order, ["first", "second", "third"]);
    let late = server.http.post(&format!("/api/v1/runs/{id}/signals/first"), &json!({ "n": 4 })).await;
    assert_eq!(late.problem(409), "run_ended");
}

#[tokio::test]
async fn a_run_can_be_cancelled_while_it_waits() {
    let mut server = Server::start(Settings::default()).await;
    define(&server, "sleep", "do: [{ w: { wait: PT1H } }]").await;
    let busy = "do: [{ t: { try: [{ a: { raise: { error: { type: x, status: 503 } } } }], catch: { retry: { delay: PT1H, limit: { attempt: { count: 3 } } } } } }]";
    define(&server, "busy", busy).await;
    define(&server, "listen", &format!("do: [{{ l: {{ {LISTEN} }} }}]")).await;
    for (workflow, kind) in [("sleep", "timer"), ("busy", "retry"), ("listen", "signal")] {
        let id = start(&server, workflow, &json!({})).await;
        waiting(&server, &id, kind).await;
        let path = format!("/api/v1/runs/{id}/cancel");
        server.http.post(&path, &json!({ "reason": "no need" })).await.ok();
        let ended = ended(&server, &id).await;
        assert_eq!((text(&ended, "status"), text(&ended, "reason")), ("cancelled", "no need"));
        assert_eq!((&ended["waitingFor"], &ended["output"]), (&json!([]), &Value::Null));
        assert_eq!(tasks(&server, &id).await[0]["status"], json!("cancelled"));
        for verb in ["cancel", "pause", "resume", "retry"] {
            let late = server.http.post(&format!("/api/v1/runs/{id}/{verb}"), &json!({})).await;
            assert_eq!(late.problem(409), "run_ended", "{verb}");
        }
    }
    server.kill().await;
    server.restart().await;
    assert_eq!(every(&server, "/api/v1/runs?status=cancelled").await.len(), 3);
}

#[tokio::test]
async fn a_held_run_goes_on_where_it_was() {
    let mut server = Server::start(Settings::default()).await;
    define(&server, "pausing", "do: [{ w: { wait: PT0.5S } }, { a: { set: { done: true } } }]").await;
    let id = start(&server, "pausing", &json!({})).await;
    server.http.post(&format!("/api/v1/runs/{id}/pause"), &json!({})).await.ok();
    let held = run(&server, &id).await;
    assert_eq!(held["status"], json!("suspended"));
    pause(700).await;
    assert_eq!(run(&server, &id).await["status"], json!("suspended"), "its timer is due, and it is held");
    server.kill().await;
    server.restart().await;
    assert_eq!(run(&server, &id).await["status"], json!("suspended"));
    server.http.post(&format!("/api/v1/runs/{id}/pause"), &json!({})).await.ok();
    server.http.post(&format!("/api/v1/runs/{id}/resume"), &json!({})).await.ok();
    let ended = ended(&server, &id).await;
    assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!({ "done": true })));
}

#[tokio::test]
async fn runs_are_listed_by_status_workflow_and_time() {
    let server = Server::start(Settings::default()).await;
    define(&server, "quick", ONE).await;
    define(&server, "hold", &format!("do: [{{ a: {{ {LISTEN} }} }}]")).await;
    let mut ids = Vec::new();
    for workflow in ["quick", "hold", "quick", "hold", "hold"] {
        ids.insert(0, start(&server, workflow, &json!({})).await);
        pause(3).await;
    }
    ended(&server, &ids[2]).await;
    let list = async |query: &str| -> Vec<String> {
        let all = every(&server, &format!("/api/v1/runs?{query}")).await;
        all.iter().map(|run| text(run, "id").to_owned()).collect()
    };
    let of = |picked: &[usize]| picked.iter().map(|n| ids[*n].clone()).collect::<Vec<_>>();
    assert_eq!(list("").await, ids);
    assert_eq!(list("workflow=hold").await, of(&[0, 1, 3]));
    assert_eq!(list("status=completed").await, of(&[2, 4]));
    assert_eq!(list("status=waiting&workflow=quick").await, of(&[]));
    let third = run(&server, &ids[2]).await;
    let since = text(&third, "startedAt").trim_end_matches('Z');
    assert_eq!(list(&format!("since={since}Z")).await, of(&[0, 1, 2]));
    // The same moment with another offset, as a link has to encode it.
    let page = server.http.get(&format!("/api/v1/runs?limit=1&workflow=hold&since={since}%2B00:00")).await;
    let mut seen = vec![text(&items(&page.body)[0], "id").to_owned()];
    let mut link = page.headers.get("link").cloned();
    while let Some(next) = link {
        let path = next.strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\"")).unwrap().to_owned();
        let page = server.http.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        seen.extend(items(&page.body).iter().map(|run| text(run, "id").to_owned()));
        link = page.headers.get("link").cloned();
    }
    assert_eq!(seen, of(&[0, 1]));
}

#[tokio::test]
async fn tasks_say_what_became_of_them() {
    let server = Server::start(Settings::default()).await;
    let body = format!(
        "do: [{{ skipped: {{ if: 'false', set: {{ n: 1 }} }} }}, {{ again: {{ try: [{{ fails: {{ raise: {{ error: {{ type: x, status: 503 }} }} }} }}], catch: {{ retry: {{ delay: PT0.01S, limit: {{ attempt: {{ count: 2 }} }} }}, do: [{{ handler: {{ set: {{ n: 2 }} }} }}] }} }} }}, {{ listener: {{ {LISTEN} }} }}]"
    );
    define(&server, "story", &body).await;
    let id = start(&server, "story", &json!({})).await;
    waiting(&server, &id, "signal").await;
    let told = tasks(&server, &id).await;
    let of: Vec<_> = told
        .iter()
        .map(|t| (text(t, "name"), text(t, "reference"), text(t, "type"), text(t, "status"), &t["attempts"]))
        .collect();
    let expected = [
        ("skipped", "/do/0/skipped", "set", "skipped", &json!(1)),
        ("again", "/do/1/again", "try", "completed", &json!(3)),
        ("fails", "/do/1/again/try/0/fails", "raise", "faulted", &json!(3)),
        ("handler", "/do/1/again/catch/do/0/handler", "set", "completed", &json!(1)),
        ("listener", "/do/2/listener", "listen", "waiting", &json!(1)),
    ];
    assert_eq!(of, expected);
    assert_eq!(told[4]["endedAt"], Value::Null);
    assert!(told[..4].iter().all(|task| task["endedAt"].is_string() && task["startedAt"].is_string()));
}

#[tokio::test]
async fn an_endless_loop_hinders_nobody() {
    let server = Server::start(Settings::default()).await;
    let body = "do: [{ a: { set: { n: '${ .n + 1 }' }, then: a } }]";
    define(&server, "endless", body).await;
    define(&server, "bounded", &format!("timeout: {{ after: PT1S }}\n{body}")).await;
    define(&server, "quick", ONE).await;
    let endless = start(&server, "endless", &json!({ "n": 0 })).await;
    let bounded = start(&server, "bounded", &json!({ "n": 0 })).await;
    for n in 0..5 {
        let ran = server.http.post("/api/v1/workflows/quick/runs?wait=20", &json!({ "n": n })).await;
        assert_eq!(ran.body["status"], json!("completed"));
        assert_eq!(server.http.get("/readyz").await.status, 200);
    }
    assert_eq!(run(&server, &endless).await["status"], json!("running"));
    let bounded = ended(&server, &bounded).await;
    assert_eq!(
        (&bounded["status"], &bounded["error"]["status"]),
        (&json!("faulted"), &json!(408)),
        "{bounded}"
    );
    server.http.post(&format!("/api/v1/runs/{endless}/cancel"), &json!({})).await.ok();
    until("the end of the loop", || async {
        (run(&server, &endless).await["status"] == "cancelled").then_some(())
    })
    .await;
}

#[tokio::test]
async fn runs_are_found_by_key_version_end_and_attributes() {
    let mut server = Server::start(Settings::default()).await;
    let attributes =
        "metadata: { attributes: { region: '${ .region }', score: '${ .score }', tags: '${ .tags }' } }";
    let body = format!("do: [{{ a: {{ set: '${{ . }}', {attributes} }} }}, {{ b: {{ {LISTEN} }} }}]");
    define(&server, "found", &body).await;
    let mut ids = Vec::new();
    for (n, region) in ["CR", "MX", "CR", "a\0b"].into_iter().enumerate() {
        let input = json!({ "region": region, "score": n * 5, "tags": ["t", format!("t{n}")] });
        let path = format!("/api/v1/workflows/found/runs?key=order-{n}");
        ids.push(text(&server.http.post(&path, &input).await.body, "runId").to_owned());
    }
    let keyed = server.http.post_keyed("/api/v1/workflows/found/runs", "once", &json!({})).await;
    ids.push(text(&keyed.body, "runId").to_owned());
    for restarted in [false, true] {
        if restarted {
            server.kill().await;
            server.restart().await;
        }
        let list = async |query: &str| -> Vec<usize> {
            let all = every(&server, &format!("/api/v1/runs?{query}")).await;
            all.iter()
                .map(|run| ids.iter().position(|id| *id == text(run, "id")).expect("a known run"))
                .collect()
        };
        let cases: &[(&str, &[usize])] = &[
            ("key=order-1", &[1]),
            ("key=once", &[4]),
            ("key=order", &[]),
            ("workflow=found,other&version=1.0.0", &[4, 3, 2, 1, 0]),
            ("attr.region=CR", &[2, 0]),
            ("attr.region=CR&attr.score=10", &[2]),
            ("attr.score.from=5", &[3, 2, 1]),
            ("attr.score.from=5&attr.score.below=15", &[2, 1]),
            ("attr.tags=t", &[3, 2, 1, 0]),
            ("attr.tags=t3", &[3]),
            ("attr.region=a%00b", &[3]),
            ("attr.tags=none", &[]),
            ("status=waiting,completed&attr.tags=t", &[3, 2, 1, 0]),
            ("endedSince=2020-01-01T00:00:00Z", &[]),
            ("until=2020-01-01T00:00:00Z", &[]),
        ];
        for (query, wanted) in cases {
            assert_eq!(list(query).await, *wanted, "{query}, restarted: {restarted}");
        }
    }
    let shown = run(&server, &ids[0]).await;
    assert_eq!((&shown["key"], &shown["attributes"]["region"]), (&json!("order-0"), &json!("CR")));
    server.http.post(&format!("/api/v1/runs/{}/cancel", ids[0]), &json!({})).await.ok();
    let cancelled = every(&server, "/api/v1/runs?status=cancelled&attr.region=CR").await;
    assert_eq!(cancelled.len(), 1, "a change is found at once");
    assert_eq!(every(&server, "/api/v1/runs?endedSince=2020-01-01T00:00:00Z").await.len(), 1);
}

#[tokio::test]
async fn wrong_filters_of_runs_are_refused() {
    let server = Server::start(Settings::default()).await;
    for (query, said) in [
        ("status=lost", "`waiting`"),
        ("attr.a.over=1", "`attr.NAME.from`"),
        ("attr.a%00=1", "name of an attribute"),
        (&"attr.a=1&".repeat(17), "16 filters"),
        (&format!("workflow=a{}", ",a".repeat(16)), "16 values"),
        ("until=x", "`until`"),
    ] {
        let refused = server.http.get(&format!("/api/v1/runs?{query}")).await;
        assert!(refused.body["detail"].as_str().expect("a text").contains(said), "{}", refused.body);
        assert_eq!(refused.problem(400), "invalid_parameter");
    }
}

#[tokio::test]
async fn runs_are_found_by_their_parent() {
    let server = Server::start(Settings::default()).await;
    define(&server, "found", &format!("do: [{{ b: {{ {LISTEN} }} }}]")).await;
    define(
        &server,
        "outer",
        "do: [{ r: { run: { workflow: { namespace: test, name: found, input: {} } } } }]",
    )
    .await;
    let outer = start(&server, "outer", &json!({})).await;
    waiting(&server, &outer, "call").await;
    // It asks for the other run before that one is there.
    let inner = until("the other run", || async {
        let inner = every(&server, &format!("/api/v1/runs?parent={outer}")).await;
        (!inner.is_empty()).then_some(inner)
    })
    .await;
    assert_eq!(
        (inner.len(), &inner[0]["parent"], &inner[0]["workflow"]),
        (1, &json!(outer), &json!("found"))
    );
}
