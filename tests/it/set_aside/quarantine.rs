//! The quarantine: entities and runs whose events cannot be folded, while everything else runs.

use promptsales_tests::{Server, Settings, damage, until};
use serde_json::{Value, json};

use crate::steps::{define, done, items, start, text, waiting};

const QUARANTINE: &str = "/api/v1/quarantine";

/// What is changed of the leads named so, and of runs.
const HURTS: [(&str, &str); 3] = [
    (r#""activity":"poisoned""#, r#""activitx":"poisoned""#),
    (r#""score":771"#, r#""scorf":771"#),
    (r#""path":"/do/0/ear"#, r#""paht":"/do/0/ear"#),
];

async fn record(server: &Server, lead: &str, activity: &str, score: u32) -> String {
    let path = format!("/api/v1/leads/~{lead}/commands/record-activity");
    let done = server.http.post(&path, &json!({ "activity": activity, "score": score })).await.ok();
    text(&done, "id").to_owned()
}

/// Two leads that lack what they did, one that lacks its score, a run that lacks its task, and a sound lead.
async fn poisoned() -> (Server, [String; 4]) {
    let mut server = Server::start(Settings::default()).await;
    define(&server, "hearing", "do: [{ ear: { listen: { to: { one: { with: { type: go } } } } } }]").await;
    let run = start(&server, "hearing", &json!({})).await;
    waiting(&server, &run, "signal").await;
    let ids = [
        record(&server, "ana", "poisoned", 1).await,
        record(&server, "bea", "poisoned", 2).await,
        record(&server, "cora", "opened", 771).await,
        run,
    ];
    record(&server, "dora", "opened", 3).await;
    assert_eq!(server.terminate().await, Some(0));
    for (from, to) in HURTS {
        damage(server.folder(), from, to);
    }
    server.restart().await;
    (server, ids)
}

async fn mend(server: &mut Server) {
    assert_eq!(server.terminate().await, Some(0));
    for (from, to) in HURTS {
        damage(server.folder(), to, from);
    }
    server.restart().await;
}

fn path(id: &str) -> String {
    if id.starts_with("run_") { format!("/api/v1/runs/{id}") } else { format!("/api/v1/leads/{id}") }
}

/// Touches what is poison, until its quarantine stands in the journal.
async fn touch(server: &Server, ids: &[String]) {
    for id in ids {
        assert_eq!(server.http.get(&path(id)).await.problem(503), "quarantined");
        until("the journalled quarantine", || async {
            let shown = server.http.get(&format!("{QUARANTINE}/{id}")).await.ok();
            (!shown["acts"].as_array()?.is_empty()).then_some(())
        })
        .await;
    }
}

async fn activations(server: &Server, kind: &str) -> usize {
    let told = server.http.get("/metrics").await.body;
    let line = format!("promptsales_activations_total{{kind=\"{kind}\"}} ");
    let count =
        told.as_str().expect("metrics are text").lines().find_map(|l| l.strip_prefix(&line)?.parse().ok());
    count.unwrap_or(0)
}

async fn quarantined(server: &Server) -> Vec<String> {
    let list = server.http.get(QUARANTINE).await.ok();
    items(&list).iter().map(|aside| text(aside, "id").to_owned()).collect()
}

#[tokio::test]
async fn a_quarantine_says_what_to_do_and_outlives_kill_9() {
    let (mut server, ids) = poisoned().await;
    let [ana, _, _, run] = &ids;
    let refused = server.http.get(&path(ana)).await;
    assert_eq!(refused.body["type"], json!("urn:promptsales:problem:quarantined"));
    assert!(text(&refused.body, "detail").contains(&format!("/api/v1/quarantine/{ana}")), "{}", refused.body);
    assert!(text(&refused.body["errors"], "cause").contains("activity"), "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.problem(503), "quarantined");
    touch(&server, &ids).await;
    record(&server, "dora", "opened", 4).await;
    // One that cannot be read hides no other in a list.
    let leads = server.http.get("/api/v1/leads").await.ok();
    assert_eq!(items(&leads).len(), 4);
    assert_eq!(items(&leads).iter().filter(|lead| !lead["quarantined"].is_null()).count(), 3);
    let runs = server.http.get("/api/v1/runs?status=needs-attention").await.ok();
    assert_eq!((items(&runs).len(), text(&items(&runs)[0], "id")), (1, run.as_str()));
    for round in 0..2 {
        server.kill().await;
        server.restart().await;
        let mut wanted = ids.to_vec();
        wanted.sort();
        assert_eq!(quarantined(&server).await, wanted, "round {round}");
        for id in &ids {
            assert_eq!(server.http.get(&path(id)).await.problem(503), "quarantined", "round {round}");
        }
        assert_eq!((activations(&server, "lead").await, activations(&server, "run").await), (0, 0));
        let tree = server.http.get("/api/v1/supervision").await.ok();
        let aside = |live: &&Value| live["state"] == "quarantined" && !live["quarantinedSince"].is_null();
        assert_eq!(tree["entities"].as_array().map(|all| all.iter().filter(aside).count()), Some(4));
    }
}

#[tokio::test]
async fn a_run_too_big_to_load_is_set_aside_and_goes_on_where_more_may_be_loaded() {
    let mut server = Server::start(Settings::default()).await;
    let listen = "listen: { to: { one: { with: { type: go } } } }";
    let body = (0..4).map(|n| format!("{{ t{n}: {{ {listen}, export: {{ as: '${{ . }}' }} }} }}"));
    define(&server, "heavy", &format!("do: [{}]", body.collect::<Vec<_>>().join(", "))).await;
    let run = start(&server, "heavy", &json!({})).await;
    let signal = format!("/api/v1/runs/{run}/signals/go");
    for n in 0..3 {
        waiting(&server, &run, "signal").await;
        let sent = server.http.post(&signal, &json!({ "n": n, "pad": "x".repeat(400_000) })).await;
        assert_eq!(sent.status, 200, "{}", sent.body);
    }
    record(&server, "ana", "opened", 1).await;
    assert_eq!(server.terminate().await, Some(0));
    let limit = |mib: &str| Settings {
        env: vec![("PROMPTSALES_ENTITY_LIMIT_MIB".to_owned(), mib.to_owned())],
        ..Settings::default()
    };
    server.restart_with(limit("1")).await;
    let refused = server.http.get(&path(&run)).await;
    assert!(text(&refused.body["errors"], "cause").contains("too big to be loaded"), "{}", refused.body);
    assert_eq!(refused.problem(503), "quarantined");
    touch(&server, std::slice::from_ref(&run)).await;
    assert_eq!(record(&server, "ana", "opened", 1).await.split('_').next(), Some("lead"), "others go on");
    assert_eq!(server.terminate().await, Some(0));
    server.restart_with(limit("64")).await;
    let release = format!("{QUARANTINE}/{run}/release");
    let released = server.http.post(&release, &json!({ "why": "more may be loaded" })).await.ok();
    assert_eq!(text(&released, "status"), "live");
    server.http.post(&signal, &json!({ "n": 3 })).await.ok();
    assert_eq!(crate::steps::ended(&server, &run).await["output"], json!([{ "n": 3 }]));
}

#[tokio::test]
async fn a_release_tries_again_and_leaves_who_and_why() {
    let (mut server, ids) = poisoned().await;
    let [ana, ..] = &ids;
    touch(&server, &ids[..1]).await;
    let release = format!("{QUARANTINE}/{ana}/release");
    let why = |why: &str| json!({ "why": why });
    assert_eq!(server.http.post(&release, &why("")).await.problem(422), "no_reason");
    let tried = server.http.post(&release, &why("a try")).await.ok();
    assert_eq!(text(&tried, "status"), "quarantined", "it is still poison");
    touch(&server, &ids[..1]).await;
    mend(&mut server).await;
    assert_eq!(server.http.get(&path(ana)).await.problem(503), "quarantined", "until somebody releases it");
    let (one, other) = (why("mended"), why("mended too"));
    let (one, other) = tokio::join!(server.http.post(&release, &one), server.http.post(&release, &other));
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!((won.status, text(&won.body, "status")), (200, "live"));
    assert_eq!(lost.problem(409), "not_quarantined");
    assert_eq!(server.http.get(&path(ana)).await.ok()["score"], json!(1));
    record(&server, "ana", "opened", 5).await;
    server.kill().await;
    server.restart().await;
    assert_eq!(server.http.get(&path(ana)).await.ok()["score"], json!(6), "a release outlives the process");
    let shown = server.http.get(&format!("{QUARANTINE}/{ana}")).await.ok();
    assert_eq!(text(&shown, "status"), "released");
    let acts: Vec<_> = shown["acts"].as_array().expect("a list").iter().collect();
    let told: Vec<_> = acts.iter().map(|act| (text(act, "act"), text(act, "by"))).collect();
    assert_eq!(
        told,
        [("quarantined", "system"), ("released", "dev"), ("quarantined", "system"), ("released", "dev")]
    );
    assert_eq!(acts[1]["why"], json!("a try"));
    assert!(acts[3]["why"].as_str().is_some_and(|why| why.starts_with("mended")));
}

#[tokio::test]
async fn a_bulk_release_takes_those_that_fit() {
    let (mut server, ids) = poisoned().await;
    touch(&server, &ids).await;
    mend(&mut server).await;
    let [ana, bea, cora, run] = &ids;
    let asked = server.http.post(&format!("{QUARANTINE}/release"), &json!({ "why": "all" })).await;
    assert_eq!(asked.problem(422), "invalid_body", "what is meant has to be said");
    let later = json!({ "why": "x", "since": "2100-01-01T00:00:00Z" });
    let nothing = server.http.post(&format!("{QUARANTINE}/release"), &later).await.ok();
    assert_eq!((&nothing["done"], &nothing["next"]), (&json!([]), &Value::Null));
    let by_cause = json!({ "why": "mended", "kind": "leads", "cause": "field `activity`" });
    let freed = server.http.post(&format!("{QUARANTINE}/release"), &by_cause).await.ok();
    let mut both = vec![ana.clone(), bea.clone()];
    both.sort();
    assert_eq!((&freed["done"], &freed["refused"]), (&json!(both), &json!([])));
    for id in [ana, bea] {
        server.http.get(&path(id)).await.ok();
    }
    for id in [cora, run] {
        assert_eq!(server.http.get(&path(id)).await.problem(503), "quarantined");
    }
    let url = server.url.clone();
    let listed = done(&["quarantine", "list", "--kind", "runs", "--server", &url]).await;
    assert_eq!((items(&listed).len(), text(&items(&listed)[0], "id")), (1, run.as_str()));
    let freed = done(&["quarantine", "release", run, "--why", "mended", "--server", &url]).await;
    assert_eq!(freed, json!({ "id": run, "status": "live" }));
    let freed = done(&["quarantine", "release", "--all", "--why", "the rest", "--server", &url]).await;
    assert_eq!(freed, json!({ "done": [cora], "refused": [] }));
    assert_eq!(quarantined(&server).await, [] as [String; 0]);
    for id in &ids {
        server.http.get(&path(id)).await.ok();
        let shown = done(&["quarantine", "show", id, "--server", &url]).await;
        assert_eq!(shown["acts"].as_array().map(Vec::len), Some(2), "{shown}");
    }
}

#[tokio::test]
async fn a_definition_that_cannot_be_read_costs_its_runs_alone() {
    let mut server = Server::start(Settings::default()).await;
    let hear = "do: [{ ear: { listen: { to: { one: { with: { type: go } } } } } }]";
    define(&server, "broken", hear).await;
    define(&server, "sound", hear).await;
    let (hurt, fine) =
        (start(&server, "broken", &json!({})).await, start(&server, "sound", &json!({})).await);
    waiting(&server, &hurt, "signal").await;
    waiting(&server, &fine, "signal").await;
    // One of a user, and one that comes with the product.
    let hurts = [r#"{"name":"broken","#, r#"{"name":"launch-campaign","#];
    assert_eq!(server.terminate().await, Some(0));
    hurts.iter().for_each(|name| damage(server.folder(), name, &name.replace("name", "nama")));
    server.restart().await;
    assert_eq!(server.http.get("/readyz").await.status, 200, "the server starts, and is ready");
    touch(&server, std::slice::from_ref(&hurt)).await;
    server.http.post(&format!("/api/v1/runs/{fine}/signals/go"), &json!({})).await.ok();
    assert_eq!(server.http.get(&path(&fine)).await.ok()["status"], json!("completed"));
    let aside = quarantined(&server).await;
    assert_eq!(aside.iter().filter(|id| id.starts_with("wfd_")).count(), 1, "the product's own: {aside:?}");
    assert_eq!(server.terminate().await, Some(0));
    hurts.iter().for_each(|name| damage(server.folder(), &name.replace("name", "nama"), name));
    server.restart().await;
    let why = json!({ "why": "mended", "all": true });
    let freed = server.http.post(&format!("{QUARANTINE}/release"), &why).await.ok();
    assert_eq!(freed["done"].as_array().map(Vec::len), Some(2), "{freed}");
    server.http.post(&format!("/api/v1/runs/{hurt}/signals/go"), &json!({})).await.ok();
    assert_eq!(server.http.get(&path(&hurt)).await.ok()["status"], json!("completed"));
}
