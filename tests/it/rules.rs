//! Rules: written, published, and what becomes of events by them.

use promptsales_tests::{Dice, Postgres, Readiness, Server, Settings, pause, until};
use serde_json::{Value, json};

use crate::steps::{define, done, every, items, promptsales, send_event, text};

const RULES: &str = "/api/v1/rules";

/// Writes a rule and publishes it.
async fn publish(server: &Server, source: &str) -> Value {
    let path = format!("{RULES}?publish=true");
    let sent = server.http.send(reqwest::Method::POST, &path, &[], Some(source.to_owned())).await;
    let answer = sent.expect("the server answers");
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.body["status"], json!("published"));
    answer.body
}

async fn explanations(server: &Server, rule: &str, query: &str) -> Vec<Value> {
    let page = server.http.get(&format!("{RULES}/~{rule}/explanations?limit=100&{query}")).await.ok();
    items(&page).to_vec()
}

/// Waits until a rule has told so much of events.
async fn told(server: &Server, rule: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} explanations of {rule}"), || async {
        let all = explanations(server, rule, "").await;
        (all.len() >= count).then_some(all)
    })
    .await
}

fn outcomes(all: &[Value]) -> Vec<&str> {
    all.iter().map(|one| text(one, "outcome")).collect()
}

async fn activity(server: &Server, lead: &str, score: i64) -> Value {
    let path = format!("/api/v1/leads/~{lead}/commands/record-activity");
    server.http.post(&path, &json!({ "activity": "click", "score": score })).await.ok()
}

const BIG: &str = "name: thank-for-big-orders
on: { exact: { type: order.placed } }
when: { field: event.data.total, op: gte, value: 100 }
then:
  - start: { workflow: thank, input: { order: '${ .event.id }' }, key: '${ .event.id }' }
";

#[tokio::test]
async fn a_rule_starts_one_run_for_each_event_that_it_wants_over_kill_9() {
    starts_one_run_for_each_event(Server::start(Settings::default()).await).await;
}

#[tokio::test]
async fn a_rule_starts_one_run_for_each_event_that_it_wants_in_postgres_too() {
    let postgres = Postgres::shared();
    let server = Server::start(Settings::on_database(&postgres.database(), 900)).await;
    ready(&server).await;
    starts_one_run_for_each_event(server).await;
}

async fn ready(server: &Server) {
    let owns = || async { matches!(server.readiness().await, Readiness::Owner(_)).then_some(()) };
    until("readiness", owns).await;
}

async fn starts_one_run_for_each_event(mut server: Server) {
    let mut dice = Dice::new("rules over kill -9", 5);
    define(&server, "thank", "do: [{ a: { set: { thanked: '${ .order }' } } }]").await;
    publish(&server, BIG).await;
    for round in 0..4 {
        for n in 0..20 {
            let total = if n % 2 == 0 { 150 } else { 50 };
            send_event(&server, "order.placed", &format!("o-{round}-{n}"), json!({ "total": total })).await;
        }
        send_event(&server, "order.cancelled", &format!("c-{round}"), json!({ "total": 150 })).await;
        pause(dice.roll(40)).await;
        server.kill().await;
        server.restart().await;
        ready(&server).await;
    }
    let runs = until("a run for each big order", || async {
        let runs = every(&server, "/api/v1/runs?workflow=thank&status=completed").await;
        (runs.len() >= 40).then_some(runs)
    })
    .await;
    assert_eq!(runs.len(), 40);
    let mut orders: Vec<_> = runs.iter().map(|run| run["output"]["thanked"].to_string()).collect();
    orders.sort();
    orders.dedup();
    assert_eq!(orders.len(), 40, "one for each");
    assert_eq!(text(&runs[0], "cause"), "rule thank-for-big-orders");
    let all = told(&server, "thank-for-big-orders", 80).await;
    assert_eq!(outcomes(&all).iter().filter(|outcome| **outcome == "fired").count(), 40);
    let missed = all.iter().find(|one| one["outcome"] == "condition-not-met").expect("there is one");
    assert!(text(&missed["miss"], "text").contains("`event.data.total` is 50"), "{missed}");
    let rule = server.http.get(&format!("{RULES}/~thank-for-big-orders")).await.ok();
    assert_eq!(rule["counts"], json!({ "fired": 40, "condition-not-met": 40 }));
    assert_eq!(explanations(&server, "thank-for-big-orders", "outcome=fired").await.len(), 40);
}

#[tokio::test]
async fn a_rule_sees_the_entity_that_an_event_is_about_and_fires_once_for_each() {
    let server = Server::start(Settings::default()).await;
    publish(
        &server,
        "name: warm-leads
on: { exact: { type: io.promptsales.lead.activity-recorded.v1 } }
when: { all: [{ field: entity.score, op: gte, value: 50 }, { not: { field: entity.tags, op: contains, value: cold } }] }
then:
  - command: { to: '${ .event.subject }', command: tag, body: { tag: warm } }
limits: { once: true }
",
    )
    .await;
    for lead in ["ana", "bea"] {
        activity(&server, lead, 30).await;
    }
    for _ in 0..2 {
        activity(&server, "ana", 30).await;
    }
    let ana = until("the tag", || async {
        let ana = server.http.get("/api/v1/leads/~ana").await.ok();
        (ana["tags"] == json!(["warm"])).then_some(ana)
    })
    .await;
    let all = told(&server, "warm-leads", 4).await;
    let of_ana = until("what became of each", || async {
        let now = explanations(&server, "warm-leads", &format!("subject={}", text(&ana, "id"))).await;
        (!outcomes(&now).contains(&"waiting")).then_some(now)
    })
    .await;
    // What triggers a rule may come to its gate in any order.
    let mut both = outcomes(&of_ana[..2]);
    both.sort_unstable();
    assert_eq!((both, outcomes(&of_ana[2..])), (vec!["fired", "held-back"], vec!["condition-not-met"]));
    let held_back = of_ana.iter().find(|one| one["outcome"] == "held-back").expect("one is");
    assert_eq!(held_back["detail"], json!("already-fired"));
    assert!(text(&of_ana[2]["miss"], "text").contains("`entity.score` is 30"), "{}", of_ana[2]);
    assert_eq!(all.iter().filter(|one| one["outcome"] == "condition-not-met").count(), 2);
    let bea = server.http.get("/api/v1/leads/~bea").await.ok();
    assert!(bea["tags"].is_null() || bea["tags"] == json!([]), "{bea}");
}

#[tokio::test]
async fn rules_that_set_each_other_off_are_stopped_and_say_so() {
    let server = Server::start(Settings::default()).await;
    for (name, hears, says) in [("ping", "ping", "pong"), ("pong", "pong", "ping")] {
        let source = format!(
            "name: {name}\non: {{ exact: {{ type: {hears} }} }}\nthen: [{{ emit: {{ type: {says}, data: {{ n: 1 }} }} }}]"
        );
        publish(&server, &source).await;
    }
    define(
        &server,
        "hears",
        "schedule: { on: { one: { with: { type: pong } } } }\ndo: [{ a: { set: { n: 1 } } }]",
    )
    .await;
    send_event(&server, "ping", "first", json!({})).await;
    let stopped = until("the loop's end", || async {
        let all = explanations(&server, "ping", "outcome=loop").await;
        (!all.is_empty()).then_some(all)
    })
    .await;
    assert!(text(&stopped[0], "detail").contains("8 rules have fired in a row"), "{}", stopped[0]);
    let all = told(&server, "ping", 5).await;
    assert_eq!(outcomes(&all), ["loop", "fired", "fired", "fired", "fired"]);
    assert!(!server.log().contains("rules cannot look"), "{}", server.log());
    // What rules emit starts runs too.
    until("a run for each pong", || async {
        (every(&server, "/api/v1/runs?workflow=hears").await.len() == 4).then_some(())
    })
    .await;
}

#[tokio::test]
async fn limits_hold_back_until_it_is_quiet_or_has_cooled_down() {
    let server = Server::start(Settings::default()).await;
    define(&server, "note", "do: [{ a: { set: { n: '${ .n }' } } }]").await;
    let rule = |name: &str, limits: &str| {
        format!(
            "name: {name}\non: {{ exact: {{ type: {name} }} }}\nthen: [{{ start: {{ workflow: note, input: {{ n: '${{ .event.data.n }}' }}, key: {name} }} }}]\nlimits: {{ per: '${{ .event.data.who }}', {limits} }}"
        )
    };
    publish(&server, &rule("quiet", "debounce: PT2S")).await;
    publish(&server, &rule("cool", "cooldown: PT1H")).await;
    let event = |kind: &str, n: usize| {
        let data = json!({ "n": n, "who": if n == 3 { "bea" } else { "ana" } });
        json!({ "specversion": "1.0", "source": "/shop", "id": format!("{kind}-{n}"), "type": kind, "data": data })
    };
    // All at once, so that it is quiet only afterwards.
    let all: Value = ["quiet", "cool"].iter().flat_map(|kind| (0..4).map(|n| event(kind, n))).collect();
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let sent = server.http.send(reqwest::Method::POST, "/api/v1/events", &batch, Some(all.to_string())).await;
    sent.expect("it answers").ok();
    let runs = async |name: &str, count: usize| {
        until("the runs", || async {
            let runs = every(&server, &format!("/api/v1/runs?workflow=note&key={name}")).await;
            (runs.len() >= count).then_some(runs)
        })
        .await
    };
    let mut quiet: Vec<_> = runs("quiet", 2).await.iter().map(|run| run["input"]["n"].clone()).collect();
    quiet.sort_by_key(Value::as_u64);
    assert_eq!(quiet, [json!(2), json!(3)], "the last of each that was heard");
    // Triggers come to their gate in any order.
    let mut cool: Vec<_> = runs("cool", 2).await.iter().map(|run| run["input"]["n"].clone()).collect();
    cool.sort_by_key(Value::as_u64);
    assert!(cool.len() == 2 && cool[1] == json!(3), "one of each: {cool:?}");
    let all = told(&server, "cool", 4).await;
    let held = all.iter().filter(|one| one["detail"] == json!("cooling-down"));
    assert!(held.clone().count() == 2 && held.into_iter().all(|one| !one["until"].is_null()), "{all:?}");
}

#[tokio::test]
async fn a_rule_is_drafted_rehearsed_published_held_and_taken_away() {
    let server = Server::start(Settings::default()).await;
    define(&server, "thank", "do: [{ a: { set: { n: 1 } } }]").await;
    let post = async |path: String, body: String| {
        server.http.send(reqwest::Method::POST, &path, &[], Some(body)).await.expect("it answers")
    };
    let drafted = post(RULES.to_owned(), BIG.to_owned()).await;
    assert_eq!((drafted.status, &drafted.body["status"]), (201, &json!("draft")));
    let path = format!("{RULES}/{}", text(&drafted.body, "id"));
    send_event(&server, "order.placed", "o-1", json!({ "total": 500 })).await;
    let event =
        |total: u64| json!({ "event": { "type": "order.placed", "id": "x", "data": { "total": total } } });
    let would = server.http.post(&format!("{path}/rehearse"), &event(500)).await.ok();
    assert_eq!((&would["outcome"], &would["actions"][0]["start"]["key"]), (&json!("fired"), &json!("x")));
    let would_not = server.http.post(&format!("{path}/rehearse"), &event(5)).await.ok();
    assert_eq!(would_not["outcome"], json!("condition-not-met"));
    server.http.post(&format!("{path}/publish"), &json!({ "reason": "go" })).await.ok();
    assert_eq!(
        server.http.post(&format!("{path}/publish"), &json!({})).await.problem(409),
        "rule_without_draft"
    );
    send_event(&server, "order.placed", "o-2", json!({ "total": 500 })).await;
    told(&server, "thank-for-big-orders", 1).await;
    server.http.post(&format!("{path}/pause"), &json!({ "reason": "holiday" })).await.ok();
    send_event(&server, "order.placed", "o-3", json!({ "total": 500 })).await;
    server.http.post(&format!("{path}/resume"), &json!({})).await.ok();
    send_event(&server, "order.placed", "o-4", json!({ "total": 500 })).await;
    let all = told(&server, "thank-for-big-orders", 2).await;
    let seen: Vec<_> = all.iter().map(|one| text(&one["event"], "id").to_owned()).collect();
    assert_eq!(seen, ["o-4", "o-2"], "neither before it was published nor while it was held");
    let listed = server.http.get(RULES).await.ok();
    assert_eq!(items(&listed)[0]["version"], json!(1));
    let gone = server.http.send(reqwest::Method::DELETE, &path, &[], None).await.expect("it answers");
    gone.ok();
    assert!(items(&server.http.get(RULES).await.ok()).is_empty());
    for (source, said) in [
        ("name: a\non: { sql: 'x' }\nthen: [{ start: { workflow: thank } }]", "sql"),
        ("name: a\non: { exact: { type: x } }\nthen: []", "then"),
        (
            "name: a\non: { exact: { type: x } }\nthen: [{ start: { workflow: thank } }]\ncolour: red",
            "colour",
        ),
        ("{", "line"),
    ] {
        let refused = post(RULES.to_owned(), source.to_owned()).await;
        assert!(refused.body["errors"].to_string().contains(said), "{}", refused.body);
        assert_eq!(refused.problem(422), "invalid_definition");
    }
    assert_eq!(server.http.get(&format!("{RULES}/~none")).await.problem(404), "not_found");
}

#[tokio::test]
async fn what_a_rule_cannot_do_is_told_where_it_is_explained() {
    let server = Server::start(Settings::default()).await;
    let then = "[{ start: { workflow: nothing } }]";
    publish(&server, &format!("name: starts\non: {{ exact: {{ type: go }} }}\nthen: {then}")).await;
    let then = "[{ command: { to: 'leads/~nobody', command: qualify } }]";
    publish(&server, &format!("name: tells\non: {{ exact: {{ type: go }} }}\nthen: {then}")).await;
    let then = "[{ command: { to: '${ .event.data.who }', command: burn } }]";
    publish(&server, &format!("name: burns\non: {{ exact: {{ type: go }} }}\nthen: {then}")).await;
    activity(&server, "ana", 1).await;
    send_event(&server, "go", "g-1", json!({ "who": "leads/~ana" })).await;
    for (rule, code) in [("starts", "unknown_workflow"), ("tells", "not_found")] {
        until("the refusal", || async {
            let all = explanations(&server, rule, "").await;
            (all.first()?["refused"]["code"] == code).then_some(())
        })
        .await;
    }
    let burns = told(&server, "burns", 1).await;
    assert_eq!(outcomes(&burns), ["broken"]);
    assert!(text(&burns[0], "detail").contains("no command `burn`"), "{}", burns[0]);
}

#[tokio::test]
async fn the_command_line_works_with_rules() {
    let server = Server::start(Settings::default()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rule.yaml");
    std::fs::write(&file, BIG).expect("it can be written");
    let file = file.to_str().expect("a text");
    let at = ["--server", server.url.as_str()];
    let written = done(&[&["rule", "write", file, "--publish"], &at[..]].concat()).await;
    assert_eq!(written["status"], json!("published"));
    assert_eq!(items(&done(&[&["rule", "list"], &at[..]].concat()).await).len(), 1);
    let paused =
        done(&[&["rule", "pause", "~thank-for-big-orders", "--reason", "x"], &at[..]].concat()).await;
    assert_eq!(paused["events"], json!(["paused"]));
    let (code, out, _) =
        promptsales(&[&["rule", "explain", "~thank-for-big-orders"], &at[..]].concat()).await;
    assert!(code == 0 && out.starts_with("at"), "{out}");
}
