//! The ledger: the fold, and the file behind it where there is one. Writing comes first.

use std::path::Path;

use super::SandboxError;
use super::file::Lines;
use super::state::{Entry, State};

/// What the sandbox knows, and where it writes it down.
#[derive(Debug)]
pub(super) struct Ledger {
    state: State,
    lines: Option<Lines>,
}

impl Ledger {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, SandboxError> {
        let mut ledger = Self { state: State::default(), lines: path.map(Lines::open).transpose()? };
        ledger.update(|_| (None, ()))?;
        Ok(ledger)
    }

    /// Decides on what is known, others' entries included, and takes the entry in once it is written.
    pub(super) fn update<T>(
        &mut self,
        decide: impl FnOnce(&State) -> (Option<Entry>, T),
    ) -> Result<T, SandboxError> {
        let Self { state, lines } = self;
        let Some(lines) = lines else {
            let (entry, answer) = decide(state);
            if let Some(entry) = entry {
                state.apply(entry);
            }
            return Ok(answer);
        };
        lines.locked(|lines| {
            lines.catch_up(state)?;
            let (entry, answer) = decide(state);
            if let Some(entry) = entry {
                lines.append(&entry)?;
                state.apply(entry);
            }
            Ok(answer)
        })
    }

    /// The fold, with what others have written; as far as known, with a warning, if the file cannot be read.
    pub(super) fn look(&mut self) -> &State {
        if let Err(error) = self.update(|_| (None, ())) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the sandbox cannot use its file");
        }
        &self.state
    }
}
