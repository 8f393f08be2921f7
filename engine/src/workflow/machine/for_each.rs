//! `for`: an iteration for each item. One after the other, each begins with what the one before gave, and the last
//! one's output is the task's. With `metadata.parallel` they run side by side, each begins with the task's input,
//! and the task's output is the array of their outputs in the order of the items.

use std::sync::Arc;

use serde_json::Value;

use super::event::RunEvent;
use super::state::{Frame, Phase};
use super::terms::{Data, Part};
use super::turn::Turn;
use crate::workflow::action::WorkflowError;
use crate::workflow::definition::{ForSpec, Kind, Parallel, kind_of};

impl Turn<'_> {
    pub(super) fn begin_loop(&mut self, at: &str) {
        let Kind::For(spec) = &self.node(at).kind else { return };
        match self.items(at, spec) {
            Ok(items) => {
                let most = self.limits.parallel;
                let parallel = spec.parallel.map(|parallel| match parallel {
                    Parallel::Most => most,
                    Parallel::Up(count) => count.min(most),
                });
                self.emit(RunEvent::LoopStarted { path: at.to_owned(), items: Arc::new(items), parallel });
            }
            Err(e) => self.fault(at, e),
        }
    }

    /// Begins the next iteration, or ends the loop.
    pub(super) fn go_round(&mut self, at: &str) {
        let Kind::For(spec) = &self.node(at).kind else { return };
        let Some(Frame { phase: Phase::Loop { items, parallel, next, data, outputs, .. }, .. }) =
            self.state.frames.get(at)
        else {
            return;
        };
        let (data, next) = (data.clone(), *next);
        if next < items.as_array().map_or(0, Vec::len) as u64 {
            return match self.goes_on(at, spec, items, next, &data) {
                Ok(true) => self.first_of(at, Part::Iteration(next), "do", 0),
                Ok(false) => self.complete(at, data, None),
                Err(e) => self.fault(at, e),
            };
        }
        if parallel.is_none() {
            return self.complete(at, data, None);
        }
        let outputs = outputs.values().map(|output| (**output).clone()).collect();
        self.complete(at, Arc::new(Value::Array(outputs)), None);
    }

    fn items(&self, at: &str, spec: &ForSpec) -> Result<Value, WorkflowError> {
        let items = self.evaluate(&spec.items, &self.input(at), &self.scene(at))?;
        let Value::Array(list) = &items else {
            let detail = format!("`for.in` must give a list, and gave {}", kind_of(&items));
            return Err(WorkflowError::standard("expression", 400, detail));
        };
        let (count, most) = (list.len(), self.limits.items);
        if count > most {
            let detail = format!("`for.in` gave {count} items; at most {most} are allowed");
            return Err(WorkflowError::standard("runtime", 500, detail));
        }
        Ok(items)
    }

    fn goes_on(
        &self,
        at: &str,
        spec: &ForSpec,
        items: &Data,
        next: u64,
        data: &Data,
    ) -> Result<bool, WorkflowError> {
        let Some(formula) = &spec.condition else { return Ok(true) };
        let mut scene = self.scene(at);
        let item = usize::try_from(next).ok().and_then(|next| items.get(next)).cloned();
        scene.extra = vec![(spec.each.clone(), item.unwrap_or_default()), (spec.at.clone(), next.into())];
        self.holds(formula, data, &scene)
    }
}
