//! `set`: the task's output is what is written, with its expressions evaluated.

use std::sync::Arc;

use super::turn::Turn;
use crate::workflow::definition::Kind;

impl Turn<'_> {
    pub(super) fn set(&mut self, at: &str) {
        let Kind::Set { value } = &self.node(at).kind else { return };
        match self.evaluate(value, &self.input(at), &self.scene(at)) {
            Ok(output) => self.complete(at, Arc::new(output), None),
            Err(e) => self.fault(at, e),
        }
    }
}
