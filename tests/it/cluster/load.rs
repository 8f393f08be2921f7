//! A load on both nodes: each command has a key of its own, and is repeated under it until it is acknowledged.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use promptsales_tests::{Answer, Dice, Http, Server, Stopwatch, Tally, pause};
use reqwest::Method;
use serde_json::{Value, json};

use super::fixture::{activity, recording};
use crate::steps::brief;

/// The leads that commands are spread over.
const LEADS: u64 = 200;
/// How long a client waits for an answer before it asks elsewhere.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a command is tried: for minutes.
const TRIES: u32 = 3_000;
/// How long the runs may take to end, once everything is in order.
const RUNS_END_MS: u128 = 30_000;
/// Requests under way at the same time while everything is looked at.
const LOOKS_AT_ONCE: usize = 16;

/// What was asked for and acknowledged, and what was seen on the way.
#[derive(Default)]
pub(super) struct Load {
    nodes: RefCell<Vec<Http>>,
    /// The activities of each lead that were acknowledged, with the answers.
    done: RefCell<BTreeMap<u64, Vec<(String, Value)>>>,
    launches: RefCell<Vec<Value>>,
    refused: RefCell<BTreeMap<String, u64>>,
    reads: Cell<u64>,
    asked: Cell<u64>,
    stopped: Cell<bool>,
}

impl Load {
    /// A load on some nodes.
    pub(super) fn of(servers: &[&Server]) -> Self {
        let nodes = servers.iter().map(|server| server.http.clone()).collect();
        Self { nodes: RefCell::new(nodes), ..Self::default() }
    }

    /// Says where a node is to be found now.
    pub(super) fn moved(&self, node: usize, http: &Http) {
        self.nodes.borrow_mut()[node] = http.clone();
    }

    /// How many commands were acknowledged.
    pub(super) fn acknowledged(&self) -> usize {
        self.done.borrow().values().map(Vec::len).sum()
    }

    /// True once [`Self::stop`] has been called.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Lets the clients end after what they have under way.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
    }

    /// Lets clients work until [`Self::stop`] is called and all that was asked for has been acknowledged.
    pub(super) async fn work(&self, clients: usize, dice: &mut Dice) {
        self.stopped.set(false);
        let writers: Vec<_> = (0..clients).map(|_| dice.fork()).collect();
        let writers = join_all(writers.into_iter().map(|dice| self.write(dice)));
        let (reader, launcher) = (self.read(dice.fork()), self.launch(dice.fork()));
        futures_util::join!(writers, reader, launcher);
        println!(
            "{} commands and {} launches were acknowledged, {} reads answered; refused: {:?}",
            self.acknowledged(),
            self.launches.borrow().len(),
            self.reads.get(),
            self.refused.borrow()
        );
    }

    fn number(&self) -> u64 {
        self.asked.set(self.asked.get() + 1);
        self.asked.get()
    }

    async fn write(&self, mut dice: Dice) {
        while !self.stopped.get() {
            let (lead, name) = (dice.roll(LEADS), format!("activity {}", self.number()));
            let path = recording(&format!("hammer-{lead}"));
            let answer = self.ask(&path, &name, &activity(&name), &mut dice).await;
            self.done.borrow_mut().entry(lead).or_default().push((name, answer));
        }
    }

    async fn launch(&self, mut dice: Dice) {
        while !self.stopped.get() {
            let mut brief = brief();
            brief["channels"] = json!(["instagram"]);
            let key = format!("launch {}", self.number());
            let answer = self.ask("/api/v1/campaigns/launch", &key, &brief, &mut dice).await;
            self.launches.borrow_mut().push(answer);
            pause(1_000).await;
        }
    }

    /// Repeats a command at one node after the other, until one acknowledges it.
    async fn ask(&self, path: &str, key: &str, body: &Value, dice: &mut Dice) -> Value {
        let headers = [("idempotency-key", key)];
        let mut node = usize::try_from(dice.roll(2)).expect("an index fits");
        for tries in 0..TRIES {
            let http = self.node(node);
            let sent = http.send(Method::POST, path, &headers, Some(body.to_string()));
            match tokio::time::timeout(PATIENCE, sent).await {
                Ok(Ok(answer)) if (200..300).contains(&answer.status) => return answer.body,
                Ok(Ok(answer)) => self.refused_with(&answer),
                Ok(Err(_)) => self.count("no connection"),
                Err(_) => self.count("no answer in time"),
            }
            node = self.next(node);
            pause(dice.roll(20) + u64::from(tries.min(20)) * 2).await;
        }
        panic!("{key} was never acknowledged: {:?}", self.refused.borrow())
    }

    /// Reads leads at either node: whatever is answered has all that had been acknowledged before it was asked for.
    async fn read(&self, mut dice: Dice) {
        while !self.stopped.get() {
            let (lead, node) = (dice.roll(LEADS), usize::try_from(dice.roll(2)).expect("an index fits"));
            let known = self.done.borrow().get(&lead).map_or(0, Vec::len);
            let path = format!("/api/v1/leads/~hammer-{lead}");
            let sent = async { self.node(node).send(Method::GET, &path, &[], None).await };
            if let Ok(Ok(answer)) = tokio::time::timeout(PATIENCE, sent).await {
                let version = answer.body["version"].as_u64().unwrap_or(0);
                match answer.status {
                    200 | 404 => {
                        assert!(version >= known as u64, "a stale read of lead {lead}: {version} of {known}");
                        self.reads.set(self.reads.get() + 1);
                    }
                    _ => self.refused_with(&answer),
                }
            }
            pause(5).await;
        }
    }

    fn node(&self, node: usize) -> Http {
        let nodes = self.nodes.borrow();
        nodes[node % nodes.len()].clone()
    }

    fn next(&self, node: usize) -> usize {
        (node + 1) % self.nodes.borrow().len()
    }

    fn refused_with(&self, answer: &Answer) {
        let code = answer.code();
        assert!(matches!(answer.status, 421 | 429 | 503), "{}: {}", answer.status, answer.body);
        self.count(code);
    }

    fn count(&self, what: &str) {
        *self.refused.borrow_mut().entry(what.to_owned()).or_default() += 1;
    }

    /// Proves that every acknowledged command is there, once, and that every run has come to its end: prints the count of
    /// a test, and has it settled.
    pub(super) async fn prove(&self, http: &Http, test: &str) {
        let done = self.done.borrow().clone();
        let looks = done.iter().map(|(lead, done)| counted_lead(http, *lead, done));
        let leads = stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE).collect::<Vec<_>>().await;
        let mut tally = leads.into_iter().fold(Tally::default(), Tally::plus);
        let launches = self.launches.borrow().clone();
        let begun = Stopwatch::start();
        for launch in launches {
            tally.acknowledged += 1;
            let path = format!("/api/v1/runs/{}", launch["runId"].as_str().expect("a text"));
            loop {
                let run = http.get(&path).await.ok();
                if !run["endedAt"].is_null() {
                    assert_eq!(run["status"], json!("completed"), "{run}");
                    tally.present += 1;
                    break;
                }
                if begun.ms() > RUNS_END_MS {
                    tally.stuck += 1;
                    break;
                }
                pause(50).await;
            }
        }
        tally.settle(test);
    }
}

async fn counted_lead(http: &Http, lead: u64, done: &[(String, Value)]) -> Tally {
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = http.get(&format!("/api/v1/leads/~hammer-{lead}/events?limit=100{cursor}")).await.ok();
        events.extend_from_slice(page["items"].as_array().expect("a page has items"));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let sequence: Vec<_> = events.iter().map(|event| event["seq"].as_u64()).collect();
    assert_eq!(sequence, (1..=events.len() as u64).map(Some).collect::<Vec<_>>(), "lead {lead}");
    let times: Vec<_> = events.iter().map(|event| event["time"].as_str()).collect();
    assert!(times.is_sorted(), "the times of lead {lead} run backwards: {times:?}");
    let named = |event: &Value| event["data"]["activity"].as_str().expect("a text").to_owned();
    let mut found = BTreeMap::<String, usize>::new();
    events.iter().for_each(|event| *found.entry(named(event)).or_default() += 1);
    let there = done.iter().filter(|(name, _)| found.contains_key(name)).count();
    let tally = Tally {
        acknowledged: done.len(),
        present: there,
        lost: done.len() - there,
        duplicated: events.len() - found.len(),
        stuck: 0,
    };
    assert!(
        tally.lost > 0 || found.len() == done.len(),
        "lead {lead} has what nobody was told of: {found:?}"
    );
    if let Some((name, answer)) = done.last() {
        let path = recording(&format!("hammer-{lead}"));
        let again = http.post_keyed(&path, name, &activity(name)).await;
        assert_eq!(
            (&again.body, again.headers.contains_key("idempotency-replayed")),
            (answer, true),
            "{name}"
        );
    }
    tally
}
