//! Views: what an entity is, as a person may see it, and when one may be kept for the readers to come.
//!
//! # Published views
//!
//! A host that has been asked for the same state twice leaves its view beside the intake, in [`Phase::Active`], and
//! readers take it from there without waking the actor. Such a read is linearizable:
//!
//! * The host alone publishes, and only what the journal holds: after the append that made the state, never what is
//!   decided and not appended yet.
//! * It takes the view away *before* it appends, and not only before it answers: the store, the feeds and the tokens
//!   of other streams may tell of a commit before its own callers are answered. So as long as a view is there, no
//!   append to the stream is under way, and it shows all that anybody can have been told of. A reader that finds none
//!   waits behind the append in the intake, as ever.
//! * It goes with the phase it stands in: rest, fault, quarantine and loss of the partition need not think of it.
//! * A reader first takes the view and then looks whether the partition is still served. If it is, nobody else can
//!   have appended by then; so there was a moment within the read, that of taking, at which the view was the newest.
//!
//! A view is a text, much smaller than the actor beside it, and goes when the actor does. One that is asked for once,
//! as by who goes through a whole list, is not kept at all.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use super::directory::Directory;
use super::intake::{Fault, Inner, Phase};
use super::loaded::Loaded;
use crate::clock::Timestamp;
use crate::id::{StreamId, StreamKey};
use crate::journal::{Json, Position, Seq};

/// What an entity is, as a person may see it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct View {
    /// The number of its last event.
    pub seq: Seq,
    /// The time of its first event.
    pub created_at: Timestamp,
    /// The time of its last event.
    pub updated_at: Timestamp,
    /// The state.
    pub state: Json,
    /// A position at or after which the journal holds it.
    pub position: Position,
    /// The envelope as JSON text, up to where the state's fields follow.
    envelope: Arc<str>,
    /// The state without what has the name of a field of the envelope; only where there is such a thing.
    beside: Option<Json>,
}

/// The fields of the envelope. What a state has under one of these names is not shown beside it.
const ENVELOPE: [&str; 4] = ["id", "version", "createdAt", "updatedAt"];

impl View {
    pub(crate) fn new(
        id: StreamId,
        (seq, position): (Seq, Position),
        (created_at, updated_at): (Timestamp, Timestamp),
        mut state: Value,
    ) -> Self {
        let text = Json::from(&state);
        let mut beside = None;
        if let Value::Object(fields) = &mut state {
            let before = fields.len();
            ENVELOPE.iter().for_each(|name| drop(fields.remove(*name)));
            beside = (fields.len() < before).then(|| Json::from(&state));
        }
        let [id_name, version, created, updated] = ENVELOPE;
        let envelope = format!(
            r#"{{"{id_name}":"{id}","{version}":{seq},"{created}":"{created_at}","{updated}":"{updated_at}""#
        );
        Self { seq, created_at, updated_at, state: text, position, envelope: envelope.into(), beside }
    }

    /// Writes the JSON text of the whole: `id`, `version`, `createdAt`, `updatedAt`, and the state's fields beside them.
    pub fn write(&self, text: &mut String) {
        text.push_str(&self.envelope);
        match self.beside.as_ref().unwrap_or(&self.state).text().strip_prefix('{') {
            None | Some("}") => text.push('}'),
            Some(fields) => {
                // Writing to a text cannot fail.
                let _ = write!(text, ",{fields}");
            }
        }
    }
}

impl Loaded {
    /// The state as it may be shown; `None` if the stream has no events.
    pub(super) fn view(&self, id: StreamId) -> Option<View> {
        let state = self.machine.view().filter(|_| self.head > 0)?;
        Some(View::new(id, (self.head, self.position), (self.created_at, self.updated_at), state))
    }
}

impl Directory {
    /// Reads an entity's state; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub async fn read(&self, stream: &StreamKey) -> Result<Option<View>, Fault> {
        match self.shown(stream) {
            Some(view) => Ok(Some(view)),
            None => self.told(self.ask(stream)?).await,
        }
    }

    /// Reads several entities, those whose views are not at hand all at once. The caller bounds how many.
    pub async fn read_each(&self, streams: &[StreamKey]) -> Vec<Result<Option<View>, Fault>> {
        let asked: Vec<_> = streams
            .iter()
            .map(|stream| match self.shown(stream) {
                Some(view) => Ok(view),
                None => Err(self.ask(stream)),
            })
            .collect();
        let mut views = Vec::with_capacity(streams.len());
        for asked in asked {
            views.push(match asked {
                Ok(view) => Ok(Some(view)),
                Err(Ok(asked)) => self.told(asked).await,
                Err(Err(fault)) => Err(fault),
            });
        }
        views
    }
}

impl<A> Inner<A> {
    /// The published view. Counts as use.
    pub(super) fn shown(&mut self, now: Instant) -> Option<View> {
        let Phase::Active { shown, .. } = &self.phase else { return None };
        let view = shown.clone()?;
        self.used = now;
        Some(view)
    }

    /// Publishes a view, or takes away the one that is there.
    pub(super) fn show(&mut self, view: Option<View>) {
        if let Phase::Active { shown, .. } = &mut self.phase {
            *shown = view;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::{Prefix, Slot, uuid_v7};

    fn written(state: Value) -> Value {
        let id = StreamId::new(Prefix::new("tally"), uuid_v7(1, Slot::new(7), 1));
        let times = (Timestamp::from_ms(1), Timestamp::from_ms(2_000));
        let view = View::new(id, (3, 4), times, state.clone());
        assert_eq!(view.state.value(), state, "the state is whole");
        let mut text = String::new();
        view.write(&mut text);
        let mut whole: Value = serde_json::from_str(&text).expect("it is JSON");
        let names = whole.as_object().expect("it is an object").len();
        assert_eq!(text.matches("\":").count(), names, "no name stands there twice: {text}");
        for (name, value) in [
            ("id", json!(id)),
            ("version", json!(3)),
            ("createdAt", json!("1970-01-01T00:00:00.001Z")),
            ("updatedAt", json!("1970-01-01T00:00:02.000Z")),
        ] {
            assert_eq!(whole.as_object_mut().and_then(|whole| whole.remove(name)), Some(value));
        }
        whole
    }

    #[test]
    fn a_view_is_written_with_its_envelope() {
        assert_eq!(written(json!({ "total": 5, "name": "a\"b" })), json!({ "total": 5, "name": "a\"b" }));
        assert_eq!(written(json!({})), json!({}));
        assert_eq!(written(Value::Null), json!({}));
        assert_eq!(written(json!({ "id": 1, "version": 2, "x": 3 })), json!({ "x": 3 }));
        assert_eq!(written(json!({ "id": 1, "createdAt": 2, "updatedAt": 3, "version": 2 })), json!({}));
    }
}
