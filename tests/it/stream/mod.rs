//! The stream of events: in order, nothing missed and nothing twice, whatever ends in between.

mod client;
mod places;

pub(crate) use client::{Stream, ask};

use promptsales_tests::{Server, Settings};
use serde_json::{Value, json};

use crate::steps::{define, ended, promptsales, start, text, waiting};

const DONE: &str = "io.promptsales.run.completed.v1";

/// A server with some limits of streams.
async fn serve(env: &[(&str, &str)]) -> Server {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Server::start(Settings { env, ..Settings::default() }).await
}

/// A workflow that waits for a signal between two tasks.
async fn define_hearing(server: &Server) {
    let listen = "listen: { to: { one: { with: { type: go } } } }";
    let tasks = format!("do: [{{ one: {{ set: {{ n: 1 }} }} }}, {{ hear: {{ {listen} }} }}]");
    define(server, "hearing", &tasks).await;
}

fn ids(events: &[(String, Value)]) -> Vec<String> {
    events.iter().map(|(_, event)| text(event, "id").to_owned()).collect()
}

#[tokio::test]
async fn a_run_is_told_in_order_and_resumed_behind_each_event() {
    let server = serve(&[]).await;
    define_hearing(&server).await;
    let run = start(&server, "hearing", &json!({})).await;
    let other = start(&server, "hearing", &json!({})).await;
    let of_run = format!("?from=beginning&run={run}");
    let mut stream = Stream::open(&server, &of_run, None).await;
    let mut all = stream.up_to("io.promptsales.task.listening.v1").await;
    server.http.post(&format!("/api/v1/runs/{other}/signals/go"), &json!({})).await.ok();
    server.http.post(&format!("/api/v1/runs/{run}/signals/go"), &json!({ "secret": 7 })).await.ok();
    all.extend(stream.up_to(DONE).await);
    let types: Vec<_> = all.iter().map(|(_, event)| text(event, "type")).collect();
    let wanted = [
        "run.started",
        "task.started",
        "task.completed",
        "task.started",
        "task.listening",
        "run.signal-received",
        "task.completed",
        "run.completed",
    ];
    assert_eq!(types, wanted.map(|short| format!("io.promptsales.{short}.v1")));
    let first = &all[0].1;
    assert_eq!((&first["specversion"], text(first, "subject")), (&json!("1.0"), run.as_str()));
    assert_eq!(first["data"], json!({ "workflow": "hearing", "version": "1.0.0" }));
    assert_eq!(all[4].1["data"], json!({ "path": "/do/1/hear", "task": "/do/1/hear", "signal": "go" }));
    assert!(
        all.iter().all(|(_, event)| !event.to_string().contains("secret")),
        "data of runs stays with them"
    );
    for (place, (id, _)) in all.iter().enumerate() {
        let query = format!("?run={run}");
        let mut rest = match place % 2 {
            0 => Stream::open(&server, &query, Some(id)).await,
            _ => Stream::open(&server, &format!("{query}&lastEventId={id}"), None).await,
        };
        if place + 1 < all.len() {
            assert_eq!(ids(&rest.up_to(DONE).await), ids(&all[place + 1..]), "behind {place}");
        }
    }
    let mut both = Stream::open(&server, "?from=beginning&types=io.promptsales.run.&kind=runs", None).await;
    let mut seen = Vec::new();
    while seen.iter().filter(|kind| *kind == DONE).count() < 2 {
        seen.push(text(&both.next().await.unwrap(), "type").to_owned());
    }
    assert!(seen.iter().all(|kind| kind.starts_with("io.promptsales.run.")), "{seen:?}");
}

#[tokio::test]
async fn nothing_is_missed_or_repeated_over_kill_9_and_restarts() {
    let mut server = serve(&[]).await;
    define(&server, "short", "do: [{ w: { wait: { milliseconds: 40 } } }, { a: { set: { n: 1 } } }]").await;
    let stream = Stream::open(&server, "?types=io.promptsales.run.,io.promptsales.task.", None).await;
    let (mut seen, mut last, mut runs) = (Vec::new(), stream.last_id.clone(), Vec::new());
    drop(stream);
    for round in 0..4 {
        for _ in 0..5 {
            runs.push(start(&server, "short", &json!({})).await);
        }
        let query = "?types=io.promptsales.run.,io.promptsales.task.";
        let mut stream = Stream::open(&server, query, Some(&last)).await;
        for _ in 0..(7 + round * 3) {
            seen.push(stream.next().await.expect("an event"));
            last.clone_from(&stream.last_id);
        }
        server.kill().await;
        // What was on its way when the server was killed may still be read, and counts.
        while let Some(event) = stream.next().await {
            seen.push(event);
            last.clone_from(&stream.last_id);
        }
        server.restart().await;
    }
    for run in &runs {
        ended(&server, run).await;
    }
    let mut stream = Stream::open(&server, "", Some(&last)).await;
    let done = |seen: &[Value]| seen.iter().filter(|event| event["type"] == DONE).count();
    while done(&seen) < runs.len() {
        seen.push(stream.next().await.expect("an event"));
    }
    let mut whole = Stream::open(&server, "?from=beginning", None).await;
    let mut all = Vec::new();
    while done(&all) < runs.len() {
        all.push(whole.next().await.expect("an event"));
    }
    let ids = |events: &[Value]| events.iter().map(|e| text(e, "id").to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&seen), ids(&all), "the same events in the same order, each once");
}

#[tokio::test]
async fn a_stream_without_news_gives_signs_of_life_and_moves_on() {
    let server = serve(&[("PROMPTSALES_STREAM_HEARTBEAT_MS", "100")]).await;
    let mut stream = Stream::open(&server, "?kind=services", None).await;
    let first = stream.last_id.clone();
    let beat = stream.block().await.expect("a beat");
    assert_eq!((beat.comment.as_deref(), beat.id), (Some("beat"), None), "it stands where it stood");
    server
        .http
        .post("/api/v1/leads/~ana/commands/record-activity", &json!({ "activity": "a", "score": 1 }))
        .await
        .ok();
    while stream.last_id == first {
        let block = stream.block().await.expect("a beat");
        assert_eq!(block.data, None, "nothing of it is wanted");
    }
    Stream::open(&server, "?kind=services", Some(&stream.last_id)).await;
}

#[tokio::test]
async fn a_slow_reader_keeps_nobody_waiting_and_misses_nothing() {
    let server = serve(&[]).await;
    // Each run has some 120 tasks, whose events together are more than sockets hold.
    let tasks: String = (0..120).map(|n| format!("{{ t{n}: {{ set: {{ n: {n} }} }} }},")).collect();
    define(&server, "long", &format!("do: [{tasks}]")).await;
    let mut slow = Stream::open(&server, "", None).await;
    for _ in 0..60 {
        let run = start(&server, "long", &json!({})).await;
        assert_eq!(ended(&server, &run).await["status"], json!("completed"));
    }
    let mut tasks = 0;
    for _ in 0..60 {
        let of_one = slow.up_to(DONE).await;
        tasks += of_one.iter().filter(|(_, e)| e["type"] == "io.promptsales.task.completed.v1").count();
    }
    assert_eq!(tasks, 60 * 120);
}

#[tokio::test]
async fn only_so_many_streams_are_open_at_a_time() {
    let mut server =
        serve(&[("PROMPTSALES_STREAM_CLIENTS", "2"), ("PROMPTSALES_STREAM_HEARTBEAT_MS", "100")]).await;
    let mut first = Stream::open(&server, "", None).await;
    let second = Stream::open(&server, "", None).await;
    let full = server.http.get("/api/v1/stream").await;
    assert!(full.headers.contains_key("retry-after"));
    assert_eq!(full.problem(429), "overloaded");
    drop(second);
    promptsales_tests::until("the place of one who went", || async {
        (ask(&server, "", None).await.status() == 200).then_some(())
    })
    .await;
    let begun = promptsales_tests::Stopwatch::start();
    assert_eq!(server.terminate().await, Some(0), "an open stream does not hold the end up");
    assert!(begun.ms() < 8_000, "{} ms", begun.ms());
    while let Some(block) = first.block().await {
        assert!(block.comment.is_some(), "{block:?}");
    }
}

#[tokio::test]
async fn what_is_set_aside_is_told_with_what_it_was_for() {
    let mut server = serve(&[]).await;
    define_hearing(&server).await;
    let run = start(&server, "hearing", &json!({})).await;
    waiting(&server, &run, "signal").await;
    assert_eq!(server.terminate().await, Some(0));
    promptsales_tests::damage(server.folder(), "/do/1/hear", "/do/1/heaR");
    server.restart().await;
    let mut stream =
        Stream::open(&server, "?kind=runs&types=io.promptsales.entity,io.promptsales.dead", None).await;
    let answer = server.http.post(&format!("/api/v1/runs/{run}/signals/go"), &json!({})).await;
    let letter = text(&answer.body["errors"], "deadLetter").to_owned();
    assert_eq!(answer.problem(500), "dead_lettered");
    let before = stream.last_id.clone();
    let mut restarts = Vec::new();
    let recorded = loop {
        let event = stream.next().await.expect("an event");
        if event["type"] != "io.promptsales.entity.restarted.v1" {
            break event;
        }
        assert_eq!(stream.last_id, before, "a restart is not in the journal, and moves nothing");
        assert_eq!(event["data"]["target"], json!(run));
        restarts.push(event);
    };
    assert!(!restarts.is_empty());
    assert_eq!((text(&recorded, "subject"), &recorded["data"]["target"]), (letter.as_str(), &json!(run)));
    assert_eq!(recorded["type"], json!("io.promptsales.dead-letter.recorded.v1"));
    let (code, _, error) =
        promptsales(&["deadletter", "discard", &letter, "--why", "a test", "--server", &server.url]).await;
    assert_eq!(code, 0, "{error}");
    let discarded = stream.next().await.expect("an event");
    assert_eq!(discarded["type"], json!("io.promptsales.dead-letter.discarded.v1"));
    assert_eq!((&discarded["data"]["why"], &discarded["data"]["target"]), (&json!("a test"), &json!(run)));
}
