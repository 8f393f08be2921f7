//! `fork`: branches side by side. The output is the array of theirs in the order of their declaration; of branches
//! that compete, the first one's alone, and the others are cancelled.

use std::sync::Arc;

use serde_json::Value;

use super::event::{After, Data, Part, RunEvent};
use super::path;
use super::state::Phase;
use super::turn::Turn;
use crate::workflow::definition::Kind;

impl Turn<'_> {
    pub(super) fn fork(&mut self, at: &str, phase: Phase) {
        let Kind::Fork { compete } = &self.node(at).kind else { return };
        let Phase::Fork { branches, opened, outputs, .. } = phase else {
            let list = format!("{}/fork/branches", path::reference(at));
            let branches = self.definition.list(&list).len() as u64;
            return self.emit(RunEvent::ForkStarted { path: at.to_owned(), branches, compete: *compete });
        };
        if let (true, Some(winner)) = (*compete, outputs.values().next()) {
            return self.win(at, winner.clone());
        }
        if opened < branches {
            let index = usize::try_from(opened).unwrap_or(usize::MAX);
            return self.first_of(at, Part::Branch(opened), "branches", index);
        }
        let outputs = outputs.values().map(|output| (**output).clone()).collect();
        self.complete(at, Arc::new(Value::Array(outputs)), None);
    }

    /// Completes with the winner's output, once what the losers had begun as sagas of their own is undone.
    fn win(&mut self, at: &str, output: Data) {
        let calls = self.state.to_unwind(at);
        if calls.is_empty() {
            return self.complete(at, output, None);
        }
        let then = After::Complete { output };
        self.emit(RunEvent::UnwindingStarted { path: at.to_owned(), calls, then });
    }
}
