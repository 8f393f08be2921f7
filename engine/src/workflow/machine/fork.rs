//! `fork`: branches side by side. The output is the array of theirs in the order of their declaration; of branches
//! that compete, the first one's alone, and the others are cancelled.

use std::sync::Arc;

use serde_json::Value;

use super::event::RunEvent;
use super::path;
use super::state::{Frame, Phase};
use super::terms::{After, Data, Part};
use super::turn::Turn;
use crate::workflow::definition::Kind;

impl Turn<'_> {
    pub(super) fn begin_fork(&mut self, at: &str) {
        let Kind::Fork { compete } = self.node(at).kind else { return };
        let list = format!("{}/fork/branches", path::reference(at));
        let branches = self.definition.list(&list).len() as u64;
        self.emit(RunEvent::ForkStarted { path: at.to_owned(), branches, compete });
    }

    /// Opens the next branch, or ends the fork.
    pub(super) fn go_apart(&mut self, at: &str) {
        let Some(Frame { phase: Phase::Fork { branches, compete, opened, outputs }, .. }) =
            self.state.frames.get(at)
        else {
            return;
        };
        if let (true, Some(winner)) = (*compete, outputs.values().next()) {
            let winner = winner.clone();
            return self.win(at, winner);
        }
        if opened < branches {
            let branch = *opened;
            let index = usize::try_from(branch).unwrap_or(usize::MAX);
            return self.first_of(at, Part::Branch(branch), "branches", index);
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
