//! A steady load that outlives the faults under it, and tells what fails within their windows from what fails outside.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use futures_util::future::join_all;
use promptsales_tests::{Dice, Http, pause};
use reqwest::Method;

use super::load::{Book, Gone, LEADS, Said};

/// The clients that send commands and read; one more launches.
const CLIENTS: usize = 6;
/// A client's rest after each request, in milliseconds.
const REST_MS: u64 = 40;
/// The rest of the client that launches.
const LAUNCH_REST_MS: u64 = 400;

/// A load on a server that may be gone for a while.
pub(super) struct Steady {
    pub(super) book: Book,
    http: RefCell<Http>,
    /// Rises where a fault begins and where all is well again: it is odd while a fault's window is open.
    window: Cell<u64>,
    /// How many activities of each lead have been acknowledged.
    known: RefCell<BTreeMap<u64, u64>>,
    reads: Cell<u64>,
    answered: Cell<u64>,
    failed: RefCell<Vec<String>>,
}

impl Steady {
    /// A load on a server.
    pub(super) fn on(http: &Http) -> Self {
        Self {
            book: Book::default(),
            http: RefCell::new(http.clone()),
            window: Cell::default(),
            known: RefCell::default(),
            reads: Cell::default(),
            answered: Cell::default(),
            failed: RefCell::default(),
        }
    }

    /// Says where the server is to be found now.
    pub(super) fn moved(&self, http: &Http) {
        *self.http.borrow_mut() = http.clone();
    }

    /// Opens the window of a fault: what fails from here on is its.
    pub(super) fn open_window(&self) {
        assert_eq!(self.window.get() % 2, 0, "one fault at a time");
        self.window.set(self.window.get() + 1);
    }

    /// Waits until a command is done again, and closes the window.
    pub(super) async fn close_window(&self) {
        promptsales_tests::until("a command after the fault", || async {
            let http = self.http.borrow().clone();
            let body = serde_json::json!({ "activity": "probe", "score": 1 }).to_string();
            let path = "/api/v1/leads/~probe/commands/record-activity";
            let sent = http.send(Method::POST, path, &[], Some(body)).await;
            sent.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
        self.window.set(self.window.get() + 1);
    }

    /// Lets clients work until the book is told to stop.
    pub(super) async fn work(&self, dice: &mut Dice) {
        let dice: Vec<_> = (0..=CLIENTS).map(|_| dice.fork()).collect();
        join_all(dice.into_iter().enumerate().map(|(number, dice)| self.client(number, dice))).await;
    }

    async fn client(&self, number: usize, mut dice: Dice) {
        while !self.book.is_stopped() {
            let http = self.http.borrow().clone();
            let window = self.window.get();
            let failure = match (number, dice.roll(4)) {
                (0, _) => self.command(&http, self.book.ask_launch(&mut dice), None).await,
                (_, 0) => self.read(&http, dice.roll(LEADS)).await,
                (_, _) => {
                    let (index, lead) = self.book.ask_activity_of(&mut dice);
                    self.command(&http, index, Some(lead)).await
                }
            };
            if window.is_multiple_of(2) && window == self.window.get() {
                self.answered.set(self.answered.get() + 1);
                self.failed.borrow_mut().extend(failure);
            }
            pause(if number == 0 { LAUNCH_REST_MS } else { REST_MS }).await;
        }
    }

    /// Sends a command; gives what failed.
    async fn command(&self, http: &Http, index: usize, lead: Option<u64>) -> Option<String> {
        match self.book.send(http, index).await {
            Ok(Said::Yes) => {
                if let Some(lead) = lead {
                    *self.known.borrow_mut().entry(lead).or_default() += 1;
                }
                None
            }
            Ok(Said::Busy) => None,
            Ok(Said::Unavailable) => Some(format!("command {index}: unavailable")),
            Err(Gone) => Some(format!("command {index}: no answer")),
        }
    }

    /// Reads a lead, which has all that was acknowledged before it was asked for; gives what failed.
    async fn read(&self, http: &Http, lead: u64) -> Option<String> {
        let known = self.known.borrow().get(&lead).copied().unwrap_or_default();
        let sent = http.send(Method::GET, &format!("/api/v1/leads/~fault-{lead}"), &[], None).await;
        let Ok(answer) = sent else { return Some(format!("read of lead {lead}: no answer")) };
        match answer.status {
            200 | 404 => {
                let version = answer.body["version"].as_u64().unwrap_or_default();
                assert!(version >= known, "a stale read of lead {lead}: {version} of {known}");
                self.reads.set(self.reads.get() + 1);
                None
            }
            429 => None,
            503 => Some(format!("read of lead {lead}: {}", answer.code())),
            status => panic!("a read of lead {lead}: {status}: {}", answer.body),
        }
    }

    /// Proves that outside the windows of faults fewer than one in a thousand requests failed.
    pub(super) fn prove_calm(&self) {
        let (answered, failed) = (self.answered.get(), self.failed.borrow());
        println!(
            "{} reads answered; outside the windows of faults {} of {answered} requests failed; refused: {:?}",
            self.reads.get(),
            failed.len(),
            self.book.refused()
        );
        assert!(answered > 200, "most of the time is outside the windows: {answered}");
        assert!(failed.len() as u64 * 1_000 < answered, "of {answered}: {failed:?}");
    }
}
