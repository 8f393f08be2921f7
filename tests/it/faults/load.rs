//! A load whose every answer is remembered, and the proof that what was acknowledged is there, once.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use promptsales_tests::{Dice, Http, Server, Tally, pause};
use promptsales_workflows::connectors::sandbox::{SandboxReport, world_of};
use reqwest::Method;
use serde_json::{Value, json};

/// Leads that commands are spread over.
pub(super) const LEADS: u64 = 50;
/// Requests under way at the same time while everything is repeated.
const REPEATED_AT_ONCE: usize = 16;
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the runs under way may take to their ends, in looks of 100 ms.
const LOOKS: usize = 600;

/// What one client asked for under one key.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    key: String,
    body: Value,
    /// The lead that it is about, and none for a launch.
    lead: Option<u64>,
    /// The answer, once there was one.
    answer: Option<Value>,
}

/// Everything that was asked for, and what was answered.
#[derive(Debug, Default)]
pub(super) struct Book {
    asked: RefCell<Vec<Asked>>,
    refused: RefCell<BTreeMap<String, u64>>,
    stopped: Cell<bool>,
}

/// No answer came.
#[derive(Debug)]
pub(super) struct Gone;

/// What a server says to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It is done.
    Yes,
    /// There is too much to do now.
    Busy,
    /// It cannot be done now.
    Unavailable,
}

impl Book {
    /// How many were asked for, and how many of them were acknowledged.
    pub(super) fn counts(&self) -> (usize, usize) {
        let asked = self.asked.borrow();
        (asked.len(), asked.iter().filter(|one| one.answer.is_some()).count())
    }

    /// How often the server said for the moment no, by code.
    pub(super) fn refused(&self) -> BTreeMap<String, u64> {
        self.refused.borrow().clone()
    }

    /// How many of those acknowledged a server no longer knows: it has no such campaign, or takes a command's
    /// repetition for a new one.
    pub(super) async fn lost(&self, http: &Http) -> usize {
        let all: Vec<_> = self.asked.borrow().iter().filter(|one| one.answer.is_some()).cloned().collect();
        let is_lost = |one: Asked| async move {
            if let (None, Some(answer)) = (one.lead, &one.answer) {
                let campaign = answer["campaignId"].as_str().expect("a text");
                return http.get(&format!("/api/v1/campaigns/{campaign}")).await.status != 200;
            }
            let answer = http.post_keyed(&one.path, &one.key, &one.body).await;
            !answer.headers.contains_key("idempotency-replayed") || Some(answer.body) != one.answer
        };
        let lost = stream::iter(all).map(is_lost).buffer_unordered(REPEATED_AT_ONCE);
        lost.filter(|lost| std::future::ready(*lost)).count().await
    }

    /// Lets clients work until the server is gone, or [`Self::stop`] is called.
    pub(super) async fn work(&self, http: &Http, clients: usize, dice: &mut Dice) {
        self.stopped.set(false);
        let dice: Vec<_> = (0..clients).map(|_| dice.fork()).collect();
        join_all(dice.into_iter().enumerate().map(|(n, dice)| self.client(http, n, dice))).await;
    }

    /// Lets the clients end after what they have under way.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
    }

    /// A client: the first one launches campaigns, the others send commands, and now and then repeat one.
    async fn client(&self, http: &Http, number: usize, mut dice: Dice) {
        while !self.stopped.get() {
            let index = match (number, dice.roll(8)) {
                (0, 0) => self.old(&mut dice),
                (0, _) => self.ask_launch(&mut dice),
                (_, 0) => self.old(&mut dice),
                (_, _) => self.ask_activity(&mut dice),
            };
            match self.send(http, index).await {
                Ok(Said::Yes) if number > 0 => {}
                Ok(_) => pause(40).await,
                Err(Gone) => return,
            }
        }
    }

    fn old(&self, dice: &mut Dice) -> usize {
        match self.asked.borrow().len() as u64 {
            0 => {}
            count => return usize::try_from(dice.roll(count)).expect("an index fits"),
        }
        self.ask_activity(dice)
    }

    /// True once [`Self::stop`] has been called.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Writes a command down before it is sent.
    pub(super) fn ask_activity(&self, dice: &mut Dice) -> usize {
        self.ask_activity_of(dice).0
    }

    /// The same, with the lead that it is for.
    pub(super) fn ask_activity_of(&self, dice: &mut Dice) -> (usize, u64) {
        let lead = dice.roll(LEADS);
        let mut asked = self.asked.borrow_mut();
        let index = asked.len();
        asked.push(Asked {
            path: format!("/api/v1/leads/~fault-{lead}/commands/record-activity"),
            key: format!("activity-{index}"),
            body: json!({ "activity": format!("activity {index}"), "score": dice.roll(10) }),
            lead: Some(lead),
            answer: None,
        });
        (index, lead)
    }

    /// Writes a launch down before it is sent.
    pub(super) fn ask_launch(&self, dice: &mut Dice) -> usize {
        const CHANNELS: [&str; 6] = ["instagram", "facebook", "tiktok", "google", "linkedin", "whatsapp"];
        let from = usize::try_from(dice.roll(6)).expect("an index fits");
        let count = usize::try_from(1 + dice.roll(3)).expect("a count fits");
        let channels: Vec<_> = CHANNELS.iter().cycle().skip(from).take(count).collect();
        let locales: &[&[&str]] = &[&["es-CR"], &["en"], &["es-CR", "en"]];
        let kinds: &[&[&str]] = &[&["text"], &["text", "image"]];
        let mut asked = self.asked.borrow_mut();
        let index = asked.len();
        asked.push(Asked {
            path: "/api/v1/campaigns/launch".to_owned(),
            key: format!("launch-{index}"),
            body: json!({
                "name": format!("Campaign {index}"), "targetAudience": "Everyone",
                "campaignMessage": "Refrescate", "channels": channels, "locales": dice.pick(locales),
                "contentKinds": dice.pick(kinds), "landingUrl": "https://tienda.example/verano",
                "budget": { "amountMinor": 10_000 + dice.roll(90_000), "currency": "USD" },
            }),
            lead: None,
            answer: None,
        });
        index
    }

    /// Sends what is written down, and remembers the answer.
    pub(super) async fn send(&self, http: &Http, index: usize) -> Result<Said, Gone> {
        let asked = self.asked.borrow()[index].clone();
        let headers = [("idempotency-key", asked.key.as_str())];
        let sent = http.send(Method::POST, &asked.path, &headers, Some(asked.body.to_string()));
        let sent = tokio::time::timeout(PATIENCE, sent).await;
        let answer = sent.expect("the server does not keep a client waiting").map_err(|_| Gone)?;
        if matches!(answer.status, 429 | 503) {
            assert!(answer.headers.contains_key("retry-after"), "{}", answer.body);
            *self.refused.borrow_mut().entry(answer.code().to_owned()).or_default() += 1;
            return Ok(if answer.status == 429 { Said::Busy } else { Said::Unavailable });
        }
        let got = answer.ok();
        let known = &mut self.asked.borrow_mut()[index].answer;
        match known {
            Some(known) => assert_eq!(*known, got, "the same key gives the same answer: {}", asked.key),
            None => *known = Some(got),
        }
        Ok(Said::Yes)
    }

    /// Proves that a server has everything, once, and that every run comes to its end: counts what was acknowledged
    /// under faults, and then repeats all that was asked for.
    pub(super) async fn prove(&self, test: &str, server: &Server) {
        let mut tally = self.count(&server.http).await;
        tally.duplicated += report_of(server).repeated.len();
        self.repeat_everything(&server.http).await;
        let runs = self.ended_runs(&server.http).await;
        let stuck: Vec<_> = runs.iter().filter(|run| run["endedAt"].is_null()).collect();
        tally.stuck = stuck.len();
        if let Some(run) = stuck.first() {
            let overdue = server.http.get("/api/v1/overdue").await.body;
            println!("one that has not ended: {run}\noverdue: {overdue}\n{}", server.log());
        }
        tally.settle(test);
        self.prove_leads(&server.http).await;
        let runs = self.prove_runs(&runs);
        self.prove_outside(server, &runs).await;
    }

    /// Looks for what was acknowledged, before anything is repeated.
    async fn count(&self, http: &Http) -> Tally {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for lead in 0..LEADS {
            if self.asked.borrow().iter().any(|one| one.lead == Some(lead)) {
                for activity in activities(&events_of(http, lead).await) {
                    *found.entry(activity).or_default() += 1;
                }
            }
        }
        for run in pages(http, "/api/v1/runs").await {
            *found.entry(run["input"]["campaignId"].as_str().expect("a text").to_owned()).or_default() += 1;
        }
        let asked = self.asked.borrow();
        let done: Vec<_> = asked.iter().filter_map(|one| Some((one, one.answer.as_ref()?))).collect();
        let is_there = |(asked, answer): &&(&Asked, &Value)| {
            let name = if asked.lead.is_some() { &asked.body["activity"] } else { &answer["campaignId"] };
            found.contains_key(name.as_str().expect("a text"))
        };
        let present = done.iter().filter(is_there).count();
        let duplicated = found.values().map(|times| times - 1).sum();
        Tally { acknowledged: done.len(), present, duplicated, lost: done.len() - present, stuck: 0 }
    }

    /// Repeats every command by its key: [`Self::send`] compares. What was not acknowledged is tried until it is.
    async fn repeat_everything(&self, http: &Http) {
        let count = self.asked.borrow().len();
        let repeat = |index| async move {
            while self.send(http, index).await.expect("the server answers") != Said::Yes {
                pause(50).await;
            }
        };
        stream::iter(0..count).for_each_concurrent(REPEATED_AT_ONCE, repeat).await;
    }

    async fn prove_leads(&self, http: &Http) {
        for lead in 0..LEADS {
            let mut wanted: Vec<String> = Vec::new();
            for asked in self.asked.borrow().iter().filter(|one| one.lead == Some(lead)) {
                wanted.push(asked.body["activity"].as_str().expect("a text").to_owned());
            }
            if wanted.is_empty() {
                continue;
            }
            let events = events_of(http, lead).await;
            let sequence: Vec<_> = events.iter().map(|event| event["seq"].as_u64()).collect();
            let gap_free: Vec<_> = (1..=events.len() as u64).map(Some).collect();
            assert_eq!(sequence, gap_free, "lead {lead} has every number once");
            let times: Vec<_> = events.iter().map(|event| event["time"].as_str()).collect();
            assert!(times.is_sorted(), "the times of lead {lead} run backwards: {times:?}");
            let mut found = activities(&events);
            wanted.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, wanted, "lead {lead} has every command once");
        }
    }

    /// Waits for the ends of all runs, for a while.
    async fn ended_runs(&self, http: &Http) -> Vec<Value> {
        let mut runs = Vec::new();
        for _ in 0..LOOKS {
            runs = pages(http, "/api/v1/runs").await;
            if runs.iter().all(|run| !run["endedAt"].is_null()) {
                break;
            }
            pause(100).await;
        }
        runs
    }

    /// Compares the runs with the launches; gives each one's status by its campaign.
    fn prove_runs(&self, runs: &[Value]) -> BTreeMap<String, String> {
        let launches: BTreeSet<_> = {
            let asked = self.asked.borrow();
            let launched = asked.iter().filter(|one| one.lead.is_none()).filter_map(|one| one.answer.clone());
            launched.map(|answer| answer["runId"].as_str().expect("a text").to_owned()).collect()
        };
        let found: BTreeSet<_> =
            runs.iter().map(|run| run["id"].as_str().expect("a text").to_owned()).collect();
        assert_eq!(found, launches, "there is one run for each launch");
        let mut ended = BTreeMap::new();
        for run in runs {
            let status = run["status"].as_str().expect("a text");
            assert!(["completed", "compensated"].contains(&status), "a run has no end: {run}");
            let campaign = run["input"]["campaignId"].as_str().expect("a text").to_owned();
            ended.insert(campaign, status.to_owned());
        }
        ended
    }

    /// Compares the outside with the ends of the runs.
    async fn prove_outside(&self, server: &Server, runs: &BTreeMap<String, String>) {
        let books = server.folder().join("sandbox.jsonl");
        assert_eq!(report_of(server).repeated, [], "nothing was executed twice");
        let mut wanted = BTreeSet::new();
        for (campaign, status) in runs {
            let shown = server.http.get(&format!("/api/v1/campaigns/{campaign}")).await.ok();
            let is_active = shown["configured"] == "active";
            assert_eq!(is_active, status == "completed", "the run is {status}, and the campaign {shown}");
            if is_active {
                let plan = shown["plan"].as_array().expect("an active campaign has a plan");
                let channel = |part: &Value| part["channel"].as_str().expect("a text").to_owned();
                wanted.extend(plan.iter().map(|part| (campaign.clone(), channel(part))));
            }
        }
        let world = world_of(&books).expect("the sandbox has its books");
        let ads = world["ads"].as_array().expect("a list");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let found: BTreeSet<_> =
            ads.iter().map(|ad| (text(&ad["campaignId"]), text(&ad["channel"]))).collect();
        assert_eq!(found, wanted, "the ads outside are those of the active campaigns");
        assert_eq!(ads.len(), found.len(), "no ad runs twice");
    }
}

/// What the outside has in its books.
fn report_of(server: &Server) -> SandboxReport {
    SandboxReport::read(&server.folder().join("sandbox.jsonl")).expect("the sandbox has its books")
}

async fn events_of(http: &Http, lead: u64) -> Vec<Value> {
    let path = format!("/api/v1/leads/~fault-{lead}");
    match http.get(&path).await.status {
        404 => Vec::new(),
        _ => pages(http, &format!("{path}/events")).await,
    }
}

fn activities(events: &[Value]) -> Vec<String> {
    let activities = events.iter().filter(|event| event["type"] == "activity-recorded");
    activities.map(|event| event["data"]["activity"].as_str().expect("a text").to_owned()).collect()
}

/// How the outside behaves under load: slow, sometimes silent, sometimes down, and it refuses some.
pub(super) fn outside() -> Value {
    json!({ "latencyMs": 15, "rules": [
        { "connector": "ads", "operation": "activate", "contains": "\"channel\":\"tiktok\"",
          "behaviour": { "acceptThenTimeout": { "times": 1 } } },
        { "connector": "content", "operation": "generate", "contains": "\"channel\":\"linkedin\"",
          "behaviour": { "fail": { "times": 1 } } },
        { "connector": "ads", "operation": "activate", "contains": "\"channel\":\"whatsapp\"",
          "behaviour": { "refuse": { "code": "account_suspended", "message": "The account is suspended" } } },
    ] })
}

/// Reads every page of a list.
pub(super) async fn pages(http: &Http, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut page = http.get(&format!("{path}?limit=100{cursor}")).await.ok();
        items.append(page["items"].as_array_mut().expect("a page has items"));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}
