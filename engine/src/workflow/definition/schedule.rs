//! `schedule`: when runs begin by themselves.

use std::time::Duration;

use serde_json::Value;

use super::compiler::{Compiler, Place};
use super::events::Consumption;
use super::fields::Fields;
use super::ir::Span;

/// The shortest time between two runs that begin by themselves.
const SHORTEST: Duration = Duration::from_secs(1);

/// When runs begin by themselves.
#[derive(Debug, Default)]
pub struct Schedule {
    /// At every multiple of this, whether or not the run before has ended.
    pub every: Option<Duration>,
    /// At the times of a cron expression, in UTC.
    pub cron: Option<String>,
    /// So long after the end of the run before.
    pub after: Option<Duration>,
    /// When these events have come; they are the run's input.
    pub on: Option<Consumption>,
}

impl<'a> Compiler<'a> {
    pub(super) fn schedule(&mut self, value: &Value) -> Option<Schedule> {
        let mut fields = Fields::open(value, "/schedule", &mut self.problems)?;
        let every = fields.get("every").and_then(|value| self.period(value, "/schedule/every"));
        let after = fields.get("after").and_then(|value| self.period(value, "/schedule/after"));
        let cron = fields.text("cron", &mut self.problems).and_then(|text| self.cron(text));
        let on = fields.get("on").and_then(|value| self.consumption(value, "/schedule/on", Place::Schedule));
        let asked = ["every", "after", "cron", "on"].into_iter().filter(|name| fields.has(name)).count();
        fields.close(&mut self.problems);
        if asked != 1 {
            let fix = "write one of `every`, `cron`, `after` and `on`";
            self.problems.error("/schedule", "a schedule has one kind of beginning", fix);
        }
        if let Some(on) = &on {
            if on.until.is_some() {
                let fix = "let the run begin with the first event, and `listen` for more";
                self.problems.error("/schedule/on/until", "a schedule has no `until`", fix);
            }
            self.starters.extend(on.all_filters().filter_map(|filter| filter.kind.clone()));
            self.hears_all |= on.is_open() || on.all_filters().any(|filter| filter.kind.is_none());
        }
        Some(Schedule { every, cron, after, on })
    }

    fn period(&mut self, value: &Value, at: &str) -> Option<Duration> {
        match self.span(value, at, Place::Schedule)? {
            Span::Fixed(span) if span >= SHORTEST => Some(span),
            Span::Fixed(_) => {
                self.problems.error(at, "runs may begin once a second at most", "write a longer time");
                None
            }
            Span::Computed(_) => {
                self.problems.error(at, "there is no run yet to compute it in", "write a constant duration");
                None
            }
        }
    }

    fn cron(&mut self, text: &str) -> Option<String> {
        match crate::timer::Cron::parse(text) {
            Ok(_) => Some(text.to_owned()),
            Err(reason) => {
                let fix = "write five fields: minute, hour, day of month, month, day of week";
                self.problems.error("/schedule/cron", format!("not a cron expression: {reason}"), fix);
                None
            }
        }
    }
}
