//! Setting a command aside that brings its entity down.

use super::batch::{Batch, dead_letter};
use super::hand::input_name;
use super::host::HostState;
use super::intake::Delivery;
use crate::journal::{EntryError, Json, Rejected, RejectionKind};
use crate::partition::LaneError;
use crate::telemetry::names;

impl HostState {
    /// Sets a command aside that has brought the entity down too often.
    pub(super) async fn bury(&mut self, batch: &mut Batch, delivery: Box<Delivery>) {
        let cause = delivery.cause.clone().map_or_else(String::new, |c| c.message);
        let input = input_name(&delivery.input);
        tracing::error!(stream = %self.seed.cell.key, input, cause, "a command was set aside as a dead letter");
        metrics::counter!(names::DEAD_LETTERS).increment(1);
        let letter = dead_letter(&self.seed.cell.key, &delivery, batch.entry.at);
        let id = letter.stream.id;
        match self.seed.cell.owned.append(letter).await {
            Ok(_) | Err(LaneError::Entry(EntryError::Conflict { .. })) => {}
            Err(error) => {
                batch.replay(delivery, Err(self.lane_fault(&error)));
                return;
            }
        }
        let rejected = Rejected {
            kind: RejectionKind::DeadLettered,
            code: "dead_lettered".into(),
            message: format!(
                "`{input}` brought `{}` down repeatedly and was set aside",
                self.seed.cell.key.id
            ),
            detail: Json::from(&serde_json::json!({ "cause": cause, "deadLetter": id })),
        };
        // The faults were its own: without it the entity is as good as before.
        self.seed.cell.lock().intensity = None;
        batch.take(delivery, Err(rejected), 0);
    }
}
