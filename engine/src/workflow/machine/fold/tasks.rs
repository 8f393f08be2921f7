//! The events of tasks.

use super::super::event::RunEvent;
use super::super::path;
use super::super::state::{Frame, List, Listening, Phase, RunState, Stage, Work};
use super::super::terms::{Data, Go, Part, TaskType};
use super::Misfit;
use crate::clock::Timestamp;

impl RunState {
    pub(super) fn apply_task(&mut self, event: &RunEvent, at: Timestamp) -> Result<(), Misfit> {
        match event {
            RunEvent::TaskStarted { path, parent, part, deadline, attempt_deadline, .. } => {
                self.enter(path, parent, *part)?;
                self.add_frame(event, at)?;
                if let Some(due) = deadline {
                    self.timers.insert(format!("timeout:{path}"), *due);
                }
                if let Some(due) = attempt_deadline {
                    self.timers.insert(format!("attempt:{path}"), *due);
                }
                self.refresh(path);
                Ok(())
            }
            RunEvent::TaskSkipped { path, parent, part, go, .. } => {
                let raw = self.enter(path, parent, *part)?;
                self.arrive(path, parent, *part, *go, None, raw)
            }
            RunEvent::TaskCompleted { path, output, context, go, then } => {
                let frame = self.frame(path)?;
                let output = output.clone().unwrap_or_else(|| frame.natural().clone());
                let (parent, part) = (frame.parent.clone(), frame.part);
                if let Some(context) = context {
                    self.context = context.clone();
                }
                self.remove_within(path, true);
                self.arrive(path, &parent, part, *go, then.clone(), output)
            }
            RunEvent::TaskFaulted { path, kept: true, .. } => self.frame(path).map(|_| ()),
            RunEvent::TaskFaulted { path, .. } => {
                self.frame(path)?;
                self.remove_within(path, true);
                Ok(())
            }
            RunEvent::LoopStarted { path, items, parallel } => {
                let data = self.frame(path)?.input.clone();
                let outputs = Default::default();
                let (items, parallel) = (items.clone(), *parallel);
                self.set_phase(path, Phase::Loop { items, parallel, next: 0, active: 0, data, outputs })
            }
            RunEvent::ForkStarted { path, branches, compete } => {
                let (branches, compete) = (*branches, *compete);
                let outputs = Default::default();
                self.set_phase(path, Phase::Fork { branches, compete, opened: 0, outputs })
            }
            RunEvent::WaitStarted { path, until } => {
                self.timers.insert(format!("wait:{path}"), *until);
                self.set_phase(path, Phase::Waiting { until: *until })
            }
            RunEvent::ListenStarted { path, signal, topics, foreach } => {
                self.topics.extend(topics);
                let (signal, topics, foreach) = (signal.clone(), topics.clone(), *foreach);
                let begun = Listening { signal, topics, foreach, ..Listening::default() };
                self.set_phase(path, Phase::Listening(Box::new(begun)))
            }
            RunEvent::ErrorCaught { .. }
            | RunEvent::RetryScheduled { .. }
            | RunEvent::RetryStarted { .. } => self.apply_try(event),
            _ => Err("not an event of a task".to_owned()),
        }
    }

    fn apply_try(&mut self, event: &RunEvent) -> Result<(), Misfit> {
        match event {
            RunEvent::ErrorCaught { path, error, handles } => {
                self.remove_within(path, false);
                self.timers.remove(&format!("attempt:{path}"));
                let output = self.frame(path)?.input.clone();
                let caught = Stage::Caught { error: error.clone() };
                let stage = if *handles { caught } else { Stage::Done { output, caught: true } };
                self.set_stage(path, stage)
            }
            RunEvent::RetryScheduled { path, at, error, .. } => {
                self.remove_within(path, false);
                self.timers.remove(&format!("attempt:{path}"));
                self.timers.insert(format!("retry:{path}"), *at);
                self.set_stage(path, Stage::Backoff { until: *at, error: error.clone() })
            }
            RunEvent::RetryStarted { path, attempt, deadline } => {
                self.timers.remove(&format!("retry:{path}"));
                if let Some(due) = deadline {
                    self.timers.insert(format!("attempt:{path}"), *due);
                }
                self.set_phase(path, Phase::Try { attempt: *attempt, stage: Stage::Ready })
            }
            _ => Err("not an event of a `try`".to_owned()),
        }
    }

    fn set_stage(&mut self, path: &str, to: Stage) -> Result<(), Misfit> {
        let Phase::Try { stage, .. } = &mut self.frame(path)?.phase else {
            return Err(format!("the task at `{path}` is no `try`"));
        };
        *stage = to;
        self.refresh(path);
        Ok(())
    }

    /// Turns to a task of a list, which comes into being with its first task. Gives the task's raw input.
    fn enter(&mut self, path: &str, parent: &str, part: Part) -> Result<Data, Misfit> {
        self.started_tasks += 1;
        let list = path::list_of(path);
        let none = || format!("there is no active task at `{parent}`");
        let raw = self.incoming(parent, part, list).ok_or_else(none)?;
        if let Part::Branch(_) = part {
            if let Phase::Fork { opened, .. } = &mut self.frame(parent)?.phase {
                *opened += 1;
            }
        } else {
            if !self.lists.contains_key(list) {
                self.open_list(list, parent, part, raw.clone())?;
            }
            let entry = self.lists.get_mut(list).ok_or_else(none)?;
            entry.turn = None;
            *entry.visits.entry(path::index_of(path)).or_default() += 1;
            self.agenda.retain(|work| !matches!(work, Work::List(other) if other == list));
        }
        self.refresh(parent);
        Ok(raw)
    }

    fn open_list(&mut self, list: &str, owner: &str, part: Part, data: Data) -> Result<(), Misfit> {
        match &mut self.frame(owner)?.phase {
            Phase::Loop { next, active, .. } => {
                *next += 1;
                *active += 1;
            }
            Phase::Try { stage, .. } => match stage {
                Stage::Caught { error } => *stage = Stage::Catching { error: error.clone() },
                _ => *stage = Stage::Trying,
            },
            Phase::Listening(listening) => {
                listening.current = listening.queue.pop_front();
                listening.round += 1;
            }
            phase => *phase = Phase::Inside,
        }
        let opened =
            List { owner: owner.to_owned(), part, data, turn: None, visits: Default::default(), then: None };
        self.lists.insert(list.to_owned(), opened);
        Ok(())
    }

    fn add_frame(&mut self, event: &RunEvent, at: Timestamp) -> Result<(), Misfit> {
        let RunEvent::TaskStarted { path, key, parent, part, kind, input, saga, retries, .. } = event else {
            return Err("not a task's start".to_owned());
        };
        let raw = self.incoming(parent, *part, path::list_of(path)).unwrap_or_default();
        let phase = match kind {
            TaskType::Try => Phase::Try { attempt: 1, stage: Stage::Ready },
            _ => Phase::Begun,
        };
        let frame = Frame {
            key: key.clone().unwrap_or_else(|| path.clone()),
            parent: parent.clone(),
            part: *part,
            kind: *kind,
            order: self.started_tasks,
            started_at: at,
            input: input.clone().unwrap_or_else(|| raw.clone()),
            raw,
            saga: *saga,
            retries: *retries,
            again: 0,
            phase,
        };
        self.frames.insert(path.clone(), frame);
        Ok(())
    }

    /// Takes the output of a task to where it goes.
    fn arrive(
        &mut self,
        path: &str,
        parent: &str,
        part: Part,
        go: Go,
        then: Option<String>,
        output: Data,
    ) -> Result<(), Misfit> {
        if let (Part::Branch(_), Go::To(_) | Go::Out) = (part, go) {
            return self.hand_over(parent, part, output, None);
        }
        let list = path::list_of(path).to_owned();
        match go {
            Go::End => Ok(()),
            Go::Out => {
                let gone = self.lists.remove(&list);
                let then = then.or(gone.and_then(|list| list.then));
                self.hand_over(parent, part, output, then)
            }
            Go::To(index) => {
                let none = || format!("there is no active list at `{list}`");
                let entry = self.lists.get_mut(&list).ok_or_else(none)?;
                entry.data = output;
                entry.turn = Some(index);
                entry.then = then.or(entry.then.take());
                self.agenda.push_back(Work::List(list));
                Ok(())
            }
        }
    }
}
