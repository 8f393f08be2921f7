//! `wait`: a timer. What comes in goes out.

use super::event::RunEvent;
use super::turn::Turn;
use crate::workflow::definition::Kind;

impl Turn<'_> {
    pub(super) fn wait(&mut self, at: &str) {
        let Kind::Wait { span } = &self.node(at).kind else { return };
        match self.span(span, &self.input(at), &self.scene(at)) {
            Ok(span) => {
                let until = self.cx.now.plus(span);
                self.emit(RunEvent::WaitStarted { path: at.to_owned(), until });
            }
            Err(e) => self.fault(at, e),
        }
    }
}
