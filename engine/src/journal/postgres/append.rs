//! Appending: what is known, the plans, one statement for all partitions, and what to make of its answer.

use std::collections::HashSet;

use tokio::sync::OwnedMutexGuard;

use super::PostgresJournal;
use super::columns::Columns;
use super::desk::{Book, Desk, Doubt};
use super::error::Failure;
use super::look_up::{Depth, intends_behind_steps};
use super::settle::Fate;
use super::write::write;
use crate::journal::plan::{Plan, Planned};
use crate::journal::{Appended, BatchResult, Entry, EntryError, Error, Fence, PartitionId};

pub(super) type Answers = Vec<Result<Appended, EntryError>>;

/// How often an append is planned anew, because what was known turned out to be old.
const ROUNDS: usize = 4;

/// One partition's batch. Whoever holds the book is the only one of this process who appends there.
pub(super) struct Work<'a> {
    /// Its place among the batches.
    place: usize,
    pub(super) fence: Fence,
    pub(super) entries: &'a [Entry],
    pub(super) desk: &'a Desk,
    pub(super) book: OwnedMutexGuard<Book>,
}

/// A batch with its plan.
struct Ready<'a> {
    work: Work<'a>,
    planned: Planned<'a>,
    answers: Answers,
}

/// How a round left the batches that are not answered yet.
enum Next<'a> {
    /// To be planned anew.
    Again(Vec<Work<'a>>, Depth),
    /// Some entry is refused by the database, though all that is known speaks for it: to be found one by one.
    Singly(Vec<Work<'a>>),
}

impl PostgresJournal {
    /// Appends batches of several partitions; the answers stand in their order.
    pub(super) async fn append_batches(&self, batches: &[(Fence, &[Entry])]) -> Vec<BatchResult> {
        let mut order: Vec<_> = batches.iter().enumerate().collect();
        // In one order for all, so that no two calls wait for each other.
        order.sort_by_key(|(_, (fence, _))| fence.partition);
        let mut answers: Vec<Option<BatchResult>> = batches.iter().map(|_| None).collect();
        let mut works = Vec::with_capacity(batches.len());
        let mut seen = HashSet::new();
        for (place, (fence, entries)) in order {
            let opened = if seen.insert(fence.partition) {
                self.open_work(place, *fence, entries).await
            } else {
                Err(Error::Unavailable { reason: format!("partition {} came twice", fence.partition) })
            };
            match opened {
                Ok(work) => works.push(work),
                Err(error) => answers[place] = Some(Err(error)),
            }
        }
        self.carry_out(works, &mut answers).await;
        let lost = || Err(Error::Unknown { reason: "the append was left without an answer".to_owned() });
        answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect()
    }

    /// Opens the book of a partition, and makes sure that it is up to date and the fence holds as far as known.
    pub(super) async fn open_work<'a>(
        &'a self,
        place: usize,
        fence: Fence,
        entries: &'a [Entry],
    ) -> Result<Work<'a>, Error> {
        self.check_open()?;
        let fenced = Error::Fenced { partition: fence.partition };
        let Some(desk) = self.desks.get(&fence.partition) else { return Err(fenced) };
        let mut book = desk.book.clone().lock_owned().await;
        self.check_time(desk)?;
        if desk.in_doubt.load(std::sync::atomic::Ordering::Acquire) {
            match self.settle(desk, &mut book).await {
                Ok(_) | Err(Error::Fenced { .. }) => {}
                // Nothing of this batch has been sent.
                Err(Error::Unknown { reason }) => return Err(Error::Unavailable { reason }),
                Err(error) => return Err(error),
            }
        }
        if book.standing.is_none_or(|standing| standing.fence() != fence) {
            let found = self.read_standings(&[fence.partition]).await?;
            let found = found.into_iter().find(|found| found.fence() == fence);
            book.adopt(desk, found.ok_or(fenced)?);
        }
        Ok(Work { place, fence, entries, desk, book })
    }

    async fn carry_out<'a>(&'a self, works: Vec<Work<'a>>, answers: &mut [Option<BatchResult>]) {
        let (mut works, mut depth) = (works, Depth::Needed);
        for _ in 0..ROUNDS {
            if works.is_empty() {
                return;
            }
            match self.round(works, depth, answers).await {
                Next::Again(again, deeper) => (works, depth) = (again, deeper),
                Next::Singly(each) => {
                    for work in each {
                        let place = work.place;
                        answers[place] = Some(self.append_singly(work).await);
                    }
                    return;
                }
            }
        }
        let reason = "what is known and what stands keep coming apart".to_owned();
        answer_all(works, answers, &Error::Unavailable { reason });
    }

    /// Plans and writes once.
    async fn round<'a>(
        &'a self,
        works: Vec<Work<'a>>,
        depth: Depth,
        answers: &mut [Option<BatchResult>],
    ) -> Next<'a> {
        let done = |depth| Next::Again(Vec::new(), depth);
        let ready = match self.plan(&works, depth).await {
            Ok(plans) => plans,
            Err(error) => {
                answer_all(works, answers, &error);
                return done(depth);
            }
        };
        let plans = works.into_iter().zip(ready);
        let ready = plans.map(|(work, (planned, answers))| Ready { work, planned, answers });
        let (idle, busy): (Vec<_>, Vec<_>) = ready.partition(|ready| ready.planned.latest.is_none());
        let mut again = self.check_idle(idle, answers).await;
        if busy.is_empty() {
            return Next::Again(again, depth);
        }
        let doubts: Vec<_> = busy.iter().map(|ready| Doubt::until_known(ready.work.desk)).collect();
        let written = self.write(&busy).await;
        if !matches!(written, Err(Failure::Lost(_))) {
            doubts.into_iter().for_each(Doubt::known);
        }
        match written {
            Ok(hit) => again.extend(self.take_in(busy, &hit, answers).await),
            Err(Failure::Refused(refusal)) if refusal.is_passing() => again.extend(works_of(busy)),
            Err(Failure::Refused(refusal)) if refusal.blames_row() => {
                let mut blamed = self.verify(works_of(busy), answers).await;
                blamed.iter_mut().for_each(|work| work.book.heads.clear());
                again.extend(blamed);
                if depth == Depth::All {
                    return Next::Singly(again);
                }
                return Next::Again(again, Depth::All);
            }
            Err(failure @ (Failure::Refused(_) | Failure::Unsent(_))) => {
                answer_all(works_of(busy), answers, &failure.into());
            }
            Err(Failure::Lost(reason)) => {
                for mut ready in busy {
                    let resolved = self.resolve(&mut ready.work, &reason).await;
                    answers[ready.work.place] = Some(resolved.map(|()| ready.answers));
                }
            }
        }
        Next::Again(again, depth)
    }

    /// Makes the plans. Where one refuses something, or rests on what no constraint checks, it is made again on all
    /// that there is to know, so that its answers are exact.
    async fn plan<'a>(&self, works: &[Work<'a>], depth: Depth) -> Result<Vec<(Planned<'a>, Answers)>, Error> {
        let all: Vec<_> = works.iter().collect();
        let knowns = self.know(&all, depth).await?;
        let mut plans: Vec<_> = all.iter().zip(knowns).map(|(work, known)| plan(work, known)).collect();
        if depth == Depth::All {
            return Ok(plans);
        }
        let is_unsure = |(planned, answers): &(Planned<'_>, Answers), work: &Work<'_>| {
            answers.iter().any(Result::is_err)
                || !planned.rows.withdrawn.is_empty()
                || intends_behind_steps(work.entries)
        };
        let unsure: Vec<_> =
            (0..works.len()).filter(|place| is_unsure(&plans[*place], &works[*place])).collect();
        if unsure.is_empty() {
            return Ok(plans);
        }
        let meant: Vec<_> = unsure.iter().map(|place| &works[*place]).collect();
        let knowns = self.know(&meant, Depth::All).await?;
        for (place, known) in unsure.into_iter().zip(knowns) {
            plans[place] = plan(&works[place], known);
        }
        Ok(plans)
    }

    async fn write(&self, ready: &[Ready<'_>]) -> Result<HashSet<PartitionId>, Failure> {
        let mut columns = Columns::default();
        for Ready { work, planned, .. } in ready {
            if let Some(standing) = &work.book.standing {
                columns.add(standing, planned);
            }
        }
        columns.rank_births();
        write(&self.writers, &columns).await
    }

    /// Takes in what has been committed; returns the batches whose fence was not hit though it holds.
    async fn take_in<'a>(
        &'a self,
        ready: Vec<Ready<'a>>,
        hit: &HashSet<PartitionId>,
        answers: &mut [Option<BatchResult>],
    ) -> Vec<Work<'a>> {
        let mut missed = Vec::new();
        for mut ready in ready {
            if hit.contains(&ready.work.fence.partition) {
                ready.work.remember(ready.planned);
                answers[ready.work.place] = Some(Ok(ready.answers));
            } else {
                missed.push(ready.work);
            }
        }
        self.verify(missed, answers).await
    }

    /// Answers batches that have nothing to write, where their fences hold; returns those that are to be planned anew.
    async fn check_idle<'a>(
        &'a self,
        idle: Vec<Ready<'a>>,
        answers: &mut [Option<BatchResult>],
    ) -> Vec<Work<'a>> {
        let before: Vec<_> = idle.iter().map(|ready| ready.work.book.standing).collect();
        let (mut works, mut own) = (Vec::new(), Vec::new());
        for (ready, before) in idle.into_iter().zip(before) {
            own.push((ready.work.place, ready.answers, before));
            works.push(ready.work);
        }
        let mut again = Vec::new();
        for work in self.verify(works, answers).await {
            let place = own.iter().position(|(place, ..)| *place == work.place);
            match place.map(|place| own.swap_remove(place)) {
                Some((place, own, before)) if work.book.standing == before => {
                    answers[place] = Some(Ok(own));
                }
                Some(_) | None => again.push(work),
            }
        }
        again
    }

    /// Reads the partitions' rows: answers those batches whose fence does not hold, and returns the others with the
    /// row as it stands.
    async fn verify<'a>(
        &'a self,
        works: Vec<Work<'a>>,
        answers: &mut [Option<BatchResult>],
    ) -> Vec<Work<'a>> {
        if works.is_empty() {
            return works;
        }
        let ids: Vec<_> = works.iter().map(|work| work.fence.partition).collect();
        let found = match self.read_standings(&ids).await {
            Ok(found) => found,
            Err(error) => {
                answer_all(works, answers, &error);
                return Vec::new();
            }
        };
        let mut holding = Vec::new();
        for mut work in works {
            let row = found.iter().find(|row| row.partition == work.fence.partition).copied();
            match (row, work.book.standing) {
                (Some(row), Some(known)) if row == known => holding.push(work),
                (Some(row), Some(known)) if row.fence() == work.fence && !row.is_before(&known) => {
                    work.book.adopt(work.desk, row);
                    holding.push(work);
                }
                (row, known) => {
                    let seen = known.map_or((0, 0), |known| (known.epoch, known.commits));
                    let now = row.map_or((0, 0), |row| (row.epoch, row.commits));
                    let went_back = known.is_some_and(|known| row.is_none_or(|row| row.is_before(&known)));
                    work.book.standing = None;
                    let partition = work.fence.partition;
                    answers[work.place] = Some(Err(if went_back {
                        self.regress(partition, seen, now).await
                    } else {
                        Error::Fenced { partition }
                    }));
                }
            }
        }
        holding
    }

    /// Finds out what became of a batch whose answer was lost; fails unless it was committed.
    pub(super) async fn resolve(&self, work: &mut Work<'_>, reason: &str) -> Result<(), Error> {
        let partition = work.desk.partition;
        tracing::warn!(partition, reason, "the answer to an append was lost; its fate is looked for");
        match self.settle(work.desk, &mut work.book).await {
            Ok(Fate::Committed) => Ok(()),
            Ok(Fate::Vanished) => Err(Error::Unavailable { reason: reason.to_owned() }),
            Err(Error::Fenced { .. }) => {
                Err(Error::Unknown { reason: format!("{reason}; then the partition was taken over") })
            }
            Err(error @ Error::Regressed { .. }) => Err(error),
            Err(error) => Err(Error::Unknown { reason: format!("{reason}; then {error}") }),
        }
    }
}

impl Work<'_> {
    /// Notes a commit that has written no entries.
    pub(super) fn note_commit(&mut self) {
        if let Some(standing) = &mut self.book.standing {
            standing.commits += 1;
            self.desk.see(standing.epoch, standing.commits);
        }
    }

    /// Takes in what a plan that was committed has come to.
    pub(super) fn remember(&mut self, planned: Planned<'_>) {
        let book = &mut *self.book;
        let Some(standing) = &mut book.standing else { return };
        standing.pos = planned.mark.pos;
        standing.streams = planned.mark.stream - standing.base();
        standing.numbers = planned.known.number;
        standing.commits += 1;
        standing.last = standing.last.max(planned.latest.map_or(i64::MIN, crate::clock::Timestamp::ms));
        self.desk.see(standing.epoch, standing.commits);
        for (key, head) in planned.known.heads.into_iter().filter(|(_, head)| head.no > 0) {
            book.heads.put(key, head);
        }
    }
}

/// Plans a batch on what is known.
pub(super) fn plan<'a>(work: &Work<'a>, known: crate::journal::plan::Known) -> (Planned<'a>, Answers) {
    let mark = work.book.standing.map_or_else(Default::default, |standing| standing.mark());
    let mut plan = Plan::new(mark, known);
    let answers = work.entries.iter().map(|entry| plan.add(entry)).collect();
    (plan.finish(), answers)
}

fn works_of(ready: Vec<Ready<'_>>) -> Vec<Work<'_>> {
    ready.into_iter().map(|ready| ready.work).collect()
}

fn answer_all(works: Vec<Work<'_>>, answers: &mut [Option<BatchResult>], error: &Error) {
    for work in works {
        answers[work.place] = Some(Err(error.clone()));
    }
}
