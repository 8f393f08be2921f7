//! `switch`: the first case whose condition holds says where to go on; else the default case, else the task itself.

use super::turn::Turn;
use crate::workflow::action::WorkflowError;
use crate::workflow::definition::{Case, Kind, Then};

impl<'a> Turn<'a> {
    pub(super) fn switch(&mut self, at: &str) {
        let Kind::Switch { cases } = &self.node(at).kind else { return };
        match self.choose(at, cases) {
            Ok(then) => self.complete(at, self.input(at), then),
            Err(e) => self.fault(at, e),
        }
    }

    fn choose(&self, at: &str, cases: &'a [Case]) -> Result<Option<&'a Then>, WorkflowError> {
        let (input, scene) = (self.input(at), self.scene(at));
        let mut otherwise = None;
        for case in cases {
            match &case.when {
                None => otherwise = Some(&case.then),
                Some(formula) if self.holds(formula, &input, &scene)? => return Ok(Some(&case.then)),
                Some(_) => {}
            }
        }
        Ok(otherwise)
    }
}
