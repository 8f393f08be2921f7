//! A campaign from one brief: to its end, with a person's word, through faults, and undone where it cannot be.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use promptsales_tests::{Server, Settings, until};
use promptsales_workflows::connectors::sandbox::{SandboxReport, world_of};
use serde_json::{Value, json};

use crate::steps::{brief, ended, every, items, run, tasks, text, waiting};

/// A launch that was asked for.
struct Launch {
    run: String,
    campaign: String,
}

async fn launch(server: &Server, brief: &Value) -> Launch {
    let launched = server.http.post("/api/v1/campaigns/launch", brief).await;
    assert_eq!(launched.status, 202, "{}", launched.body);
    let of = |field| text(&launched.body, field).to_owned();
    let location = format!("/api/v1/runs/{}", of("runId"));
    assert_eq!(launched.headers.get("location"), Some(&location));
    Launch { run: of("runId"), campaign: of("campaignId") }
}

impl Launch {
    async fn campaign(&self, server: &Server) -> Value {
        server.http.get(&format!("/api/v1/campaigns/{}", self.campaign)).await.ok()
    }

    /// Asserts that it ended undone, that the campaign says why, and that nothing is left of it.
    async fn undone(&self, server: &Server, status: &str, code: &str) -> Value {
        let run = ended(server, &self.run).await;
        assert_eq!(run["status"], json!(status), "{code}: {run}");
        let campaign = self.campaign(server).await;
        assert_eq!(campaign["configured"], json!("draft"), "{code}: {campaign}");
        assert_eq!(campaign["reasons"][0]["code"], json!(code), "{campaign}");
        assert!(!text(&campaign["reasons"][0], "message").is_empty(), "{campaign}");
        for field in ["reserved", "plan", "activations", "tracking", "content"] {
            assert!(campaign[field].is_null(), "{code}: `{field}` is left in {campaign}");
        }
        let clean = json!({ "ads": [], "content": [], "forms": [] });
        let world = world_of(&server.folder().join("sandbox.jsonl"));
        assert_eq!(world.expect("the sandbox has its file"), clean, "{code}");
        for job in every(server, "/api/v1/content-jobs").await {
            assert!(["archived", "briefed", "failed"].contains(&text(&job, "status")), "{code}: {job}");
        }
        assert_eq!(books(server).repeated, [], "{code}");
        run
    }
}

fn books(server: &Server) -> SandboxReport {
    SandboxReport::read(&server.folder().join("sandbox.jsonl")).expect("the sandbox has its file")
}

async fn server_with(rules: Value, latency_ms: u64) -> Server {
    let sandbox = Some(json!({ "latencyMs": latency_ms, "rules": rules }));
    Server::start(Settings { sandbox, ..Settings::default() }).await
}

fn rule(connector: &str, operation: &str, contains: &str, behaviour: &Value) -> Value {
    json!({ "connector": connector, "operation": operation, "contains": contains, "behaviour": behaviour })
}

fn refuse(code: &str) -> Value {
    json!({ "refuse": { "code": code, "message": "the provider says no" } })
}

#[tokio::test]
async fn one_call_leads_to_an_active_campaign() {
    let server = Server::start(Settings::default()).await;
    let launch = launch(&server, &brief()).await;
    let ended = ended(&server, &launch.run).await;
    assert_eq!(ended["status"], json!("completed"), "{ended}");
    assert_eq!((&ended["error"], &ended["waitingFor"]), (&Value::Null, &json!([])));
    assert_eq!((text(&ended, "workflow"), text(&ended, "version")), ("launch-campaign", "1.1.0"));
    let campaign = launch.campaign(&server).await;
    assert_eq!((&campaign["configured"], &campaign["effective"]), (&json!("active"), &json!("serving")));
    let channels: BTreeSet<&str> = ["instagram", "facebook", "tiktok"].into();
    let plan = campaign["plan"].as_array().unwrap();
    let parts: i64 = plan.iter().map(|part| part["amount"]["amountMinor"].as_i64().unwrap()).sum();
    assert_eq!(parts, 100_001, "the parts add up to the budget");
    assert_eq!(plan.iter().map(|part| text(part, "channel")).collect::<BTreeSet<_>>(), channels);
    assert_eq!(campaign["reserved"], json!({ "amountMinor": 100_001, "currency": "USD" }));
    let ads = campaign["activations"].as_object().unwrap();
    assert_eq!(ads.keys().map(String::as_str).collect::<BTreeSet<_>>(), channels);
    let ids: BTreeSet<&str> = ads.values().map(|ad| text(ad, "externalId")).collect();
    assert_eq!(ids.len(), 3, "each channel has an ad of its own");
    let links = campaign["tracking"]["links"].as_array().unwrap();
    assert_eq!(links.len(), 3);
    for link in links {
        let (channel, url) = (text(link, "channel"), text(link, "url"));
        assert!(url.starts_with("https://tienda.example/verano?"), "{url}");
        assert!(url.contains(&format!("utm_source={channel}")), "{url}");
        assert!(url.contains(&format!("utm_campaign={}", launch.campaign)), "{url}");
    }
    let content = campaign["content"].as_array().unwrap();
    let pairs: BTreeSet<_> =
        content.iter().map(|piece| (text(piece, "channel"), text(piece, "locale"))).collect();
    assert_eq!(pairs.len(), 6, "three channels in two languages");
    for piece in content {
        let job = server.http.get(&format!("/api/v1/content-jobs/{}", text(piece, "jobId"))).await.ok();
        assert_eq!(job["status"], json!("approved"), "{job}");
        assert!(!text(&job["phase"]["piece"], "text").is_empty(), "{job}");
        assert_eq!(job["brief"]["campaignId"], json!(launch.campaign));
    }
    assert_eq!(every(&server, "/api/v1/content-jobs").await.len(), content.len());
    let world = world_of(&server.folder().join("sandbox.jsonl")).unwrap();
    let spent: i64 =
        world["ads"].as_array().unwrap().iter().map(|ad| ad["amountMinor"].as_i64().unwrap()).sum();
    assert_eq!((spent, world["forms"].as_array().unwrap().len()), (100_001, 1));
    assert_eq!(ended["output"]["formId"], campaign["tracking"]["formId"]);
}

#[tokio::test]
async fn the_tasks_of_a_launch_come_in_the_order_in_which_they_began() {
    let server = Server::start(Settings::default()).await;
    let launch = launch(&server, &brief()).await;
    ended(&server, &launch.run).await;
    let tasks = tasks(&server, &launch.run).await;
    let top: Vec<&str> = tasks
        .iter()
        .filter(|task| text(task, "reference").matches('/').count() == 3)
        .map(|task| text(task, "name"))
        .collect();
    let expected = [
        "beginLaunch",
        "checkBrief",
        "writeContent",
        "checkContent",
        "recordContent",
        "decideOnApproval",
        "approveByRule",
        "approveContent",
        "planBudget",
        "reserveBudget",
        "activateChannels",
        "setUpTracking",
        "activateCampaign",
    ];
    assert_eq!(top, expected);
    let mut last = String::new();
    for task in &tasks {
        assert_eq!((&task["status"], &task["attempts"]), (&json!("completed"), &json!(1)), "{task}");
        let (began, ended) = (text(task, "startedAt"), text(task, "endedAt"));
        assert!(began >= last.as_str() && ended >= began, "{task}");
        last = began.to_owned();
    }
    let activations = tasks.iter().filter(|task| text(task, "name") == "activateChannel").count();
    assert_eq!(activations, 3);
    let page = server.http.get(&format!("/api/v1/runs/{}/tasks?limit=5", launch.run)).await;
    assert_eq!(items(&page.body), &tasks[..5]);
    assert!(page.headers["link"].contains(text(&page.body, "next")));
    let events = every(&server, &format!("/api/v1/runs/{}/journal", launch.run)).await;
    assert_eq!((text(&events[0], "type"), text(&events[events.len() - 1], "type")), ("started", "completed"));
}

#[tokio::test]
async fn one_key_is_one_campaign_and_one_run() {
    let mut server = Server::start(Settings::default()).await;
    let path = "/api/v1/campaigns/launch";
    let asked = brief();
    let all = join_all((0..10).map(|_| server.http.post_keyed(path, "summer", &asked))).await;
    for answer in &all {
        assert_eq!((answer.status, &answer.body), (202, &all[0].body));
    }
    let id = text(&all[0].body, "runId");
    server.kill().await;
    server.restart().await;
    assert_eq!(server.http.post_keyed(path, "summer", &brief()).await.body, all[0].body);
    assert_eq!(ended(&server, id).await["status"], json!("completed"));
    assert_eq!(server.http.post_keyed(path, "summer", &brief()).await.body, all[0].body);
    let mut other = brief();
    other["name"] = json!("Invierno");
    assert_eq!(server.http.post_keyed(path, "summer", &other).await.problem(422), "idempotency_key_reused");
    assert_eq!(every(&server, "/api/v1/campaigns").await.len(), 1);
    assert_eq!(every(&server, "/api/v1/runs").await.len(), 1);
    assert_eq!(books(&server).repeated, []);
    let another = server.http.post_keyed(path, "winter", &other).await;
    assert_ne!(another.body["campaignId"], all[0].body["campaignId"]);
}

#[tokio::test]
async fn a_campaign_under_its_own_key_is_launched_once() {
    let server = Server::start(Settings::default()).await;
    let mut brief = brief();
    brief["externalKey"] = json!("erp-1");
    let launch = launch(&server, &brief).await;
    assert_eq!(ended(&server, &launch.run).await["status"], json!("completed"));
    let path = "/api/v1/campaigns/launch";
    let again = server.http.post(path, &brief).await.ok();
    assert_eq!(again, json!({ "runId": launch.run, "campaignId": launch.campaign }), "the same launch");
    brief["name"] = json!("Invierno");
    assert_eq!(server.http.post(path, &brief).await.problem(409), "campaign_already_drafted");
    let by_key = server.http.get("/api/v1/campaigns/~erp-1").await.ok();
    assert_eq!((&by_key["id"], &by_key["effective"]), (&json!(launch.campaign), &json!("serving")));
    assert_eq!(every(&server, "/api/v1/runs").await.len(), 1);
}

fn costly() -> Value {
    let mut brief = brief();
    brief["spendLimit"] = json!({ "amountMinor": 100_000, "currency": "USD" });
    brief
}

#[tokio::test]
async fn above_the_spend_limit_a_person_approves() {
    let mut server = Server::start(Settings::default()).await;
    let launch = launch(&server, &costly()).await;
    let run = waiting(&server, &launch.run, "signal").await;
    assert_eq!((&run["status"], &run["waitingFor"][0]["what"]), (&json!("waiting"), &json!("approval")));
    assert!(run["waitingFor"][0]["until"].is_string(), "it has a time limit: {run}");
    let campaign = launch.campaign(&server).await;
    assert_eq!((&campaign["effective"], &campaign["reserved"]), (&json!("in_review"), &Value::Null));
    assert_eq!(campaign["reasons"][0]["code"], json!("approval_needed"));
    assert_eq!(world_of(&server.folder().join("sandbox.jsonl")).unwrap()["ads"], json!([]));
    server.kill().await;
    server.restart().await;
    let signal = format!("/api/v1/runs/{}/signals/approval", launch.run);
    let yes = json!({ "approved": true, "by": "Ana" });
    let first = server.http.post_keyed(&signal, "ana-1", &yes).await;
    let again = server.http.post_keyed(&signal, "ana-1", &yes).await;
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(ended(&server, &launch.run).await["status"], json!("completed"));
    let campaign = launch.campaign(&server).await;
    assert_eq!((&campaign["effective"], &campaign["launch"]["by"]), (&json!("serving"), &json!("Ana")));
    assert_eq!(server.http.post(&signal, &yes).await.problem(409), "run_ended");
}

#[tokio::test]
async fn what_a_person_refuses_is_undone() {
    let server = Server::start(Settings::default()).await;
    let launch = launch(&server, &costly()).await;
    waiting(&server, &launch.run, "signal").await;
    let unknown = server.http.post(&format!("/api/v1/runs/{}/signals/hello", launch.run), &json!({})).await;
    assert_eq!(unknown.problem(422), "unknown_signal");
    let no = json!({ "approved": false, "by": "Ana", "reason": "demasiado caro" });
    server.http.post(&format!("/api/v1/runs/{}/signals/approval", launch.run), &no).await.ok();
    let run = launch.undone(&server, "compensated", "approval_rejected").await;
    assert!(text(&run["error"], "detail").contains("demasiado caro"), "{run}");
    let campaign = launch.campaign(&server).await;
    assert_eq!(campaign["effective"], json!("not_eligible"));
    assert!(text(&campaign["reasons"][0], "message").contains("demasiado caro"), "{campaign}");
}

#[tokio::test]
async fn a_launch_that_failed_is_made_again_under_the_same_key() {
    let server = Server::start(Settings::default()).await;
    let path = "/api/v1/campaigns/launch";
    let mut brief = costly();
    brief["externalKey"] = json!("erp-2");
    server.http.post("/api/v1/campaigns", &brief).await.ok();
    let first = launch(&server, &brief).await;
    waiting(&server, &first.run, "signal").await;
    let no = json!({ "approved": false, "by": "Ana", "reason": "demasiado caro" });
    server.http.post(&format!("/api/v1/runs/{}/signals/approval", first.run), &no).await.ok();
    first.undone(&server, "compensated", "approval_rejected").await;
    brief.as_object_mut().unwrap().remove("spendLimit");
    brief["budget"]["amountMinor"] = json!(90_000);
    let second = server.http.post(path, &brief).await.ok();
    assert_eq!(
        (text(&second, "campaignId"), text(&second, "runId") == first.run),
        (first.campaign.as_str(), false)
    );
    assert_eq!(server.http.post(path, &brief).await.ok(), second, "the same launch");
    assert_eq!(ended(&server, text(&second, "runId")).await["status"], json!("completed"));
    let campaign = first.campaign(&server).await;
    assert_eq!(
        (&campaign["effective"], &campaign["reserved"]["amountMinor"]),
        (&json!("serving"), &json!(90_000))
    );
    assert_eq!(books(&server).repeated, []);
}

#[tokio::test]
async fn whatever_is_refused_outside_everything_is_undone() {
    let cases = [
        ("content", "generate", r#""channel":"tiktok""#, "content_policy"),
        ("ads", "activate", r#""channel":"facebook""#, "account_suspended"),
        ("tracking", "create_form", "", "quota_used_up"),
    ];
    for (connector, operation, contains, code) in cases {
        let rules = json!([rule(connector, operation, contains, &refuse(code))]);
        let server = server_with(rules, 5).await;
        let launch = launch(&server, &brief()).await;
        let run = launch.undone(&server, "compensated", code).await;
        assert!(text(&run["error"], "type").ends_with(code), "{run}");
        assert!(text(&run["error"], "detail").contains("the provider says no"), "{run}");
        assert_eq!(launch.campaign(&server).await["effective"], json!("misconfigured"), "{code}");
        let tasks = tasks(&server, &launch.run).await;
        let of = |status: &str| tasks.iter().filter(|task| task["status"] == status).count();
        assert!(of("faulted") > 0 && of("compensated") > 0, "{code}: {tasks:?}");
    }
}

#[tokio::test]
async fn a_campaign_whose_launch_failed_can_be_launched_again() {
    let rules = json!([rule("ads", "activate", r#""channel":"facebook""#, &refuse("account_suspended"))]);
    let mut server = server_with(rules, 5).await;
    let first = launch(&server, &brief()).await;
    first.undone(&server, "compensated", "account_suspended").await;
    assert_eq!(server.terminate().await, Some(0));
    server.restart_with(Settings::default()).await;
    let started = server
        .http
        .post("/api/v1/workflows/launch-campaign/runs?wait=30", &json!({ "campaignId": first.campaign }))
        .await;
    assert_eq!(started.body["status"], json!("completed"), "{}", started.body);
    assert_eq!(first.campaign(&server).await["effective"], json!("serving"));
    assert_eq!(books(&server).repeated, []);
}

#[tokio::test]
async fn a_provider_that_fails_twice_is_asked_again() {
    let fail = json!({ "fail": { "times": 2 } });
    let rules = json!([
        rule("content", "generate", r#""channel":"tiktok""#, &fail),
        rule("ads", "activate", "", &fail),
        rule("tracking", "create_form", "", &json!({ "unreachable": { "times": 2 } })),
    ]);
    let server = server_with(rules, 5).await;
    let launch = launch(&server, &brief()).await;
    let run = ended(&server, &launch.run).await;
    assert_eq!(run["status"], json!("completed"), "{run}");
    let books = books(&server);
    assert_eq!(books.repeated, []);
    let ads = books.by_operation["ads.activate"];
    assert_eq!((ads.requests, ads.executed), (9, 3), "three calls for each channel, one of them carried out");
}

#[tokio::test]
async fn what_was_done_without_an_answer_is_not_done_twice() {
    let silent = json!({ "acceptThenTimeout": { "times": 1 } });
    let rules = json!([
        rule("ads", "activate", r#""channel":"facebook""#, &silent),
        rule("tracking", "create_form", "", &silent),
    ]);
    let mut server = server_with(rules, 5).await;
    let launch = launch(&server, &brief()).await;
    until("an ad without an answer", || async {
        let seen = books(&server).by_operation.get("ads.activate").is_some_and(|count| count.executed == 3);
        seen.then_some(())
    })
    .await;
    server.kill().await;
    server.restart().await;
    let run = ended(&server, &launch.run).await;
    assert_eq!(run["status"], json!("completed"), "{run}");
    let books = books(&server);
    assert_eq!((&books.repeated[..], books.executed), (&[][..], books.executions));
    assert_eq!(books.by_operation["ads.activate"].executed, 3);
}

#[tokio::test]
async fn a_launch_that_is_cancelled_on_its_way_leaves_nothing() {
    let rules = json!([rule("ads", "activate", r#""channel":"tiktok""#, &json!({ "slow": { "ms": 900 } }))]);
    let server = server_with(rules, 5).await;
    let launch = launch(&server, &brief()).await;
    until("the first ads", || async {
        let there =
            launch.campaign(&server).await["activations"].as_object().is_some_and(|ads| ads.len() == 2);
        there.then_some(())
    })
    .await;
    let path = format!("/api/v1/runs/{}/cancel", launch.run);
    server.http.post(&path, &json!({ "reason": "changed our mind" })).await.ok();
    let run = launch.undone(&server, "cancelled", "launch_cancelled").await;
    assert_eq!((&run["reason"], &run["error"]), (&json!("changed our mind"), &Value::Null));
    assert_eq!(server.http.post(&path, &json!({})).await.problem(409), "run_ended");
}

#[tokio::test]
async fn a_launch_that_is_held_does_nothing_until_it_goes_on() {
    let server = server_with(json!([]), 50).await;
    let launch = launch(&server, &brief()).await;
    let path = |verb: &str| format!("/api/v1/runs/{}/{verb}", launch.run);
    server.http.post(&path("pause"), &json!({})).await.ok();
    let held = until("what was under way to end", || async {
        let run = run(&server, &launch.run).await;
        let waits = run["waitingFor"].as_array().is_some_and(|all| all.iter().all(|w| w["kind"] == "resume"));
        (run["status"] == "suspended" && waits).then_some(run)
    })
    .await;
    assert_eq!(held["endedAt"], Value::Null);
    assert_eq!(books(&server).by_operation.get("ads.activate"), None);
    server.http.post(&path("resume"), &json!({})).await.ok();
    assert_eq!(ended(&server, &launch.run).await["status"], json!("completed"));
}
