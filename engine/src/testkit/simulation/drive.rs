//! The driver: takes the steps of a plan, heals everything in the end, and has it checked.

use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::plan::{Plan, Step, What, chance};
use super::process::{Birth, Process};
use super::{Broken, History, Subject, Violation, check, invariant};
use crate::clock::Timestamp;
use crate::entity::Dedup;
use crate::id::digest;
use crate::journal::memory::{Link, MemoryStore};
use crate::journal::{Info, Origin, Outcome};
use crate::runtime::Command;
use crate::testkit::EPOCH;

/// The partitions of a store that two processes share.
const PARTITIONS: u32 = 4;
/// How long one of two processes runs on before the other does.
const TICK: Duration = Duration::from_millis(20);
/// The same once everything is healed: well below the margin of a lease.
const CALM: Duration = Duration::from_millis(100);
/// How long everything may take to go on once it is healed: longer than a lease, and than any back-off.
const HEALING: Duration = Duration::from_secs(40);
/// How long a command that is sent again may take once everything is healed.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the last life is left alone: longer than anything in the product waits by itself.
const QUIET: Duration = Duration::from_secs(4 * 24 * 3_600);
/// How late a timer may fire once everything is healed: a poisoned entity rests up to half a minute between faults.
const LATENESS: Duration = Duration::from_secs(60);
/// The numbers of commands that belong to no step begin here.
const BESIDE: u64 = 1 << 40;

pub(super) struct Driver<'a, S> {
    pub(super) subject: S,
    plan: &'a Plan,
    pub(super) store: MemoryStore,
    processes: [Option<Process>; 2],
    pub(super) client: Client,
    /// How long one of two processes runs on before the other does.
    tick: Duration,
    /// The time that has passed.
    now: Duration,
    /// How far the machines' clocks are from the right time, in milliseconds.
    skew: i64,
    lives: u64,
    info: Info,
}

/// Runs a simulation.
///
/// # Errors
///
/// A [`Violation`].
pub fn run<S: Subject>(subject: S, plan: &Plan) -> Result<History, Violation> {
    let partitions = if plan.seats == 1 { 1 } else { PARTITIONS };
    let store = MemoryStore::with_partitions(plan.seed, partitions);
    let info = store.info();
    let mut driver = Driver {
        subject,
        plan,
        store,
        processes: [None, None],
        client: Client::default(),
        tick: TICK,
        now: Duration::from_secs(1),
        skew: 0,
        lives: 0,
        info,
    };
    driver.client.lock().trace = plan.traced.then(Vec::new);
    let result = driver.whole();
    let trace = driver.client.lock().trace.take().unwrap_or_default();
    let (seed, steps) = (plan.seed, plan.numbers().into_iter().collect());
    result.map_err(|broken| Violation { seed, broken, steps, trace })
}

impl<S: Subject> Driver<'_, S> {
    pub(super) fn seed(&self) -> u64 {
        self.plan.seed
    }

    fn whole(&mut self) -> Result<History, Broken> {
        self.begin()?;
        for step in &self.plan.steps {
            self.take(step)?;
            self.pass(step.then)?;
        }
        self.heal()?;
        self.last_life()?;
        let events = self.store.events();
        let mut client = self.client.lock();
        client.counts.add("events", events.len() as u64);
        client.counts.add("lives", self.lives);
        client.counts.add("seeds", 1);
        client.counts.add("steps", self.plan.steps.len() as u64);
        let digest = check::digest_of(&events, &mut client.history);
        let counts = client.counts.clone();
        let trace = client.trace.take().unwrap_or_default();
        Ok(History { seed: self.plan.seed, seats: self.plan.seats, counts, digest, trace })
    }

    /// Starts everybody and sends the prologue, before anything goes wrong.
    fn begin(&mut self) -> Result<(), Broken> {
        self.start(0)?;
        self.pass(Duration::from_secs(1))?;
        for (at, command) in self.subject.prologue(&self.info).into_iter().enumerate() {
            let number = BESIDE + at as u64;
            self.send(number, named(number, command));
            self.pass(TICK)?;
            let client = self.client.lock();
            let answer = client.sent.get(&number).and_then(|sent| sent.answer.as_ref());
            if !matches!(answer, Some((_, Outcome::Accepted(_)))) {
                return Err(Broken::new(
                    invariant::PROGRESS,
                    format!("the prologue is not accepted: {answer:?}"),
                ));
            }
        }
        if self.plan.seats == 2 {
            self.start(1)?;
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), Broken> {
        let kind = step.what.kind();
        {
            let (now, mut client) = (self.now, self.client.lock());
            client.counts.add(kind, 1);
            client.note(|| format!("{now:?} {step}"));
        }
        match step.what.clone() {
            What::Command => {
                let mut chance = chance(self.plan.seed, step.number, 1);
                if let Some(command) = self.subject.command(&mut chance, &self.info) {
                    self.send(step.number, named(step.number, command));
                }
            }
            What::Again(back) => self.send_again(back),
            What::Read => {
                let mut chance = chance(self.plan.seed, step.number, 1);
                (0..2).for_each(|_| self.read(&mut chance));
            }
            What::Pass(duration) => self.pass(duration)?,
            What::Latency(latency) => self.store.set_latency(latency),
            What::Fault(fault) => self.store.inject(fault),
            What::CrashIn(which, calls, point) => {
                let process = self.processes[which].as_ref();
                process.into_iter().for_each(|process| process.journal.crash_after(calls, point));
            }
            What::Mend(which) => self.mend(which)?,
            What::Jump(ms) => {
                self.skew += ms;
                self.processes.iter().flatten().for_each(|process| process.move_wall_clock(ms));
            }
            What::Redeliver(which) => self.redeliver(which),
            What::Crash(which) | What::Stop(which) | What::Pause(which) | What::Cut(which, _) => {
                // Mostly one thing at a time, so that there is somebody to take over.
                if self.plan.seats == 1 || self.is_well(1 - which) || step.number.is_multiple_of(5) {
                    self.harm(which, &step.what);
                }
            }
        }
        Ok(())
    }

    fn is_well(&self, which: usize) -> bool {
        self.processes[which].as_ref().is_some_and(Process::is_well)
    }

    fn harm(&mut self, which: usize, what: &What) {
        match (&mut self.processes[which], what) {
            (Some(process), What::Stop(_)) => process.stop(),
            (Some(process), What::Pause(_)) => process.pause(),
            (Some(process), What::Cut(_, link)) => process.journal.set_link(*link),
            (place, _) => {
                if let Some(process) = place.take() {
                    process.journal.kill();
                }
            }
        }
    }

    /// Starts a process unless it lives.
    fn start(&mut self, which: usize) -> Result<(), Broken> {
        if self.processes[which].is_some() {
            return Ok(());
        }
        let seat = (self.plan.seats == 2).then_some(which);
        self.processes[which] = Some(self.born(seat)?);
        Ok(())
    }

    fn born(&mut self, seat: Option<usize>) -> Result<Process, Broken> {
        self.lives += 1;
        let skew = self.skew;
        self.store.set_clock(self.now);
        let wall = Timestamp::from_ms(EPOCH.plus(self.now).ms() + skew);
        let last = self.tick == CALM && seat.is_none();
        let birth = Birth { seat, wall, seed: self.plan.seed, life: self.lives, last };
        let started = Process::start(&mut self.subject, &self.store, &birth);
        let (now, mut client) = (self.now, self.client.lock());
        client.note(|| format!("{now:?} a process starts, on seat {seat:?}, its clock at {wall}"));
        drop(client);
        started.map_err(|what| Broken::new(invariant::PROGRESS, format!("a node does not start: {what}")))
    }

    fn mend(&mut self, which: usize) -> Result<(), Broken> {
        self.start(which)?;
        if let Some(process) = &mut self.processes[which] {
            process.resume();
            process.journal.set_link(Link::Up);
        }
        Ok(())
    }

    /// Lets time pass for whoever does not stand still.
    fn pass(&mut self, duration: Duration) -> Result<(), Broken> {
        if duration.is_zero() {
            self.processes.iter_mut().flatten().for_each(Process::turn);
        } else if self.plan.seats == 1 {
            if let Some(process) = &mut self.processes[0] {
                process.pass(duration);
            }
            self.now += duration;
        } else {
            let until = self.now + duration;
            while self.now < until {
                self.store.set_clock(self.now);
                self.processes.iter_mut().flatten().for_each(|process| process.pass(self.tick));
                self.now += self.tick;
            }
        }
        self.look()
    }

    /// Buries who has ended, tells the subject what was answered, and looks for what is wrong already.
    fn look(&mut self) -> Result<(), Broken> {
        for which in 0..2 {
            if self.processes[which].as_ref().is_some_and(Process::has_ended) {
                self.processes[which] = None;
                self.client.lock().counts.add("processes that ended", 1);
                if self.plan.seats == 1 {
                    self.start(which)?;
                }
            }
        }
        let mut client = self.client.lock();
        for number in std::mem::take(&mut client.fresh) {
            if let Some(sent) = client.sent.get(&number)
                && let Some((_, outcome)) = &sent.answer
            {
                self.subject.heard(&sent.command, outcome);
            }
        }
        match client.broken.take() {
            Some(broken) => Err(broken),
            None => check::audited(&self.store),
        }
    }

    /// Sends a command to whoever lives, also to who stands still, and lets its answer come when it comes.
    fn send(&mut self, number: u64, command: Command) {
        self.client.lock().send(number, &command);
        for process in self.processes.iter().flatten() {
            let (client, node, command) = (self.client.clone(), process.node.clone(), command.clone());
            process.spawn(async move {
                let answer = node.command(command).await;
                client.lock().answered(number, node.cx().now(), answer);
            });
        }
    }

    fn send_again(&mut self, back: usize) {
        let client = self.client.lock();
        let again = client.sent.iter().rev().nth(back).map(|(number, sent)| (*number, sent.command.clone()));
        drop(client);
        if let Some((number, command)) = again {
            self.send(number, command);
        }
    }

    fn read(&mut self, chance: &mut super::Chance) {
        let Some(stream) = self.subject.read(chance, &self.info) else { return };
        let kept = self.subject.shows(&stream, &serde_json::Value::Null).is_some();
        for process in self.processes.iter().flatten() {
            let (client, node, stream) = (self.client.clone(), process.node.clone(), stream.clone());
            let called = client.lock().call(&stream, kept);
            process.spawn(async move {
                let answer = node.read(&stream).await;
                client.lock().shown(called, node.cx().now(), answer);
            });
        }
    }

    /// Delivers a message once more to whoever lives and goes on: one that stands still for hours with a message in hand
    /// has lost its lease when it goes on, or was the only one who carries it.
    fn redeliver(&mut self, which: usize) {
        let well = || self.processes.iter().flatten().filter(|process| process.is_well());
        let Some(now) = well().map(Process::now).max() else { return };
        let Some(message) = self.store.recent_message(which, now) else { return };
        self.client.lock().counts.add("messages delivered again", 1);
        for process in well() {
            let (node, message) = (process.node.clone(), message.clone());
            // Its answer goes to nobody: the outbox has its own.
            process.spawn(async move { drop(node.redeliver(&message).await) });
        }
    }

    /// Brings everything back in order, and has every command answered.
    fn heal(&mut self) -> Result<(), Broken> {
        self.client.lock().note(|| "everything is healed".to_owned());
        self.store.set_latency(Duration::ZERO);
        self.store.forget_faults();
        self.tick = CALM;
        for which in 0..self.plan.seats {
            self.mend(which)?;
            if let Some(process) = &self.processes[which] {
                process.journal.spare();
            }
        }
        self.pass(HEALING)?;
        (0..self.plan.seats).try_for_each(|which| self.mend(which))?;
        let client = self.client.lock();
        let open = client.sent.iter().filter(|(_, sent)| sent.answer.is_none());
        let open: Vec<_> = open.map(|(number, sent)| (*number, sent.command.clone())).collect();
        drop(client);
        open.into_iter().for_each(|(number, command)| self.send(number, command));
        // What is poisoned is answered once it has been set aside.
        self.pass(HEALING * 2)?;
        let epilogue = self.subject.epilogue(&self.info).into_iter().zip(BESIDE * 2..);
        epilogue.for_each(|(command, number)| self.send(number, named(number, command)));
        self.pass(PATIENCE)?;
        let client = self.client.lock();
        match client.sent.iter().find(|(_, sent)| sent.answer.is_none()) {
            Some((number, sent)) => {
                let what = format!(
                    "command {number}, `{}` of {}, is never answered",
                    sent.command.name, sent.command.stream
                );
                Err(Broken::new(invariant::PROGRESS, what))
            }
            None => Ok(()),
        }
    }

    /// A last life of one node alone: everything comes to its end, every answer stands, and all is checked.
    fn last_life(&mut self) -> Result<(), Broken> {
        self.processes.iter().flatten().for_each(Process::stop);
        self.processes.iter_mut().flatten().for_each(|process| process.pass(Duration::from_secs(3)));
        self.processes = [None, None];
        self.now += Duration::from_secs(3);
        let mut process = self.born(None)?;
        self.store.expect_punctual_timers(process.now(), LATENESS);
        self.every_answer_stands(&process)?;
        process.pass(QUIET);
        self.now += QUIET;
        if process.has_ended() {
            return Err(Broken::new(invariant::PROGRESS, "the last node has ended by itself"));
        }
        let node = process.node.clone();
        process.block_on(check::everything(self, &node))
    }

    fn every_answer_stands(&mut self, process: &Process) -> Result<(), Broken> {
        let client = self.client.lock();
        let sent: Vec<_> = client.sent.iter().map(|(number, sent)| (*number, sent.command.clone())).collect();
        drop(client);
        let node = &process.node;
        process.block_on(async {
            for (number, command) in sent {
                let answer = node.command(command).await;
                self.client.lock().answered(number, node.cx().now(), answer);
            }
        });
        self.look()
    }
}

/// A command under the key and the origin of its number.
fn named(number: u64, command: Command) -> Command {
    let dedup = Dedup::Key {
        key: digest("simulated key", &[&number.to_string()]),
        digest: digest("payload", &[&command.stream.id.to_string(), &command.name, command.body.text()]),
    };
    let origin = Arc::new(Origin::root(&format!("sim_{number}"), "simulated"));
    Command { origin, dedup, ..command }
}
