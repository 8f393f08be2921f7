//! What becomes of a dead letter, given what came before.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::entity::{Input, Machine, Step, StepCx, Typed};
use crate::id::{StreamKey, uuid_v7};
use crate::journal::{Accepted, Event, Message, MessageId, NewEvent, Origin, Rejected};
use crate::supervise::redelivery::{kept, redelivered};
use crate::testkit::{EPOCH, key};

struct Bed {
    letter: Typed<DeadLetter>,
    seq: u64,
}

fn id(prefix: &'static str) -> StreamId {
    StreamId::new(Prefix::new(prefix), uuid_v7(1, crate::id::Slot::new(3), 1))
}

fn stream() -> StreamKey {
    key(id("dead"))
}

/// What a letter begins with, with the body as it came.
fn recorded(input: &Input) -> Json {
    let (what, body) = kept(input);
    let sender = json!({ "what": what, "principal": "eva", "correlation": "first", "externalKey": "crm-1" });
    letter(&body, &format!(r#","sender":{sender}"#))
}

fn letter(body: &Json, sender: &str) -> Json {
    let (target, body) = (id("tally"), body.text());
    let rest = r#""cause":"it panicked","backtrace":"","strikes":3"#;
    let text = format!(r#"{{"target":"{target}","input":"add","body":{body},{rest}{sender}}}"#);
    Json::from_text(text).unwrap()
}

impl Bed {
    fn of(data: &Json) -> Self {
        let origin = Arc::new(Origin::root("first", "eva"));
        let body = NewEvent { name: "recorded".into(), version: 1, data: data.clone(), origin };
        let event = Event { position: 1, stream: stream(), seq: 1, at: EPOCH, body };
        let mut letter = Typed::new();
        letter.apply(&event).unwrap();
        Self { letter, seq: 1 }
    }

    fn take(&mut self, input: &Input) -> Result<Step, String> {
        let (stream, origin) = (stream(), Arc::new(Origin::root("press", "ana")));
        let cx = StepCx { stream: &stream, now: EPOCH, seq: self.seq, origin: &origin };
        let step = self.letter.step(input, &cx).map_err(|rejected| rejected.code.into_owned())?;
        self.seq += step.events.len() as u64;
        Ok(step)
    }

    fn tell(&mut self, name: &'static str, why: &str) -> Result<Step, String> {
        let body = Json::from(&json!({ "why": why }));
        self.take(&Input::Command { name: name.into(), body, external_key: None })
    }

    fn hear(&mut self, outcome: Outcome) {
        let id = MessageId::derive(&["again"]);
        self.take(&Input::Reply { id, outcome }).unwrap();
    }

    fn state(&self) -> &DeadLetter {
        self.letter.state().unwrap()
    }
}

fn add() -> Input {
    let body = Json::from_text(r#"{ "amount": 1.50, "b":2 }"#.to_owned()).unwrap();
    Input::Command { name: "add".into(), body, external_key: Some("crm-1".to_owned()) }
}

#[test]
fn a_letter_is_sent_again_once_as_it_came() {
    let mut bed = Bed::of(&recorded(&add()));
    assert_eq!(bed.tell("retry", " ").unwrap_err(), "no_reason");
    let step = bed.tell("retry", "the bug is mended").unwrap();
    let message: &Message = &step.messages[0];
    assert_eq!((step.messages.len(), message.to), (1, id("tally")));
    let (input, origin) = redelivered(message).unwrap();
    assert_eq!(format!("{input:?}"), format!("{:?}", add()));
    let Input::Command { body, .. } = &input else { panic!("{input:?}") };
    assert_eq!(body.text(), r#"{ "amount": 1.50, "b":2 }"#);
    assert_eq!((&*origin.principal, &*origin.correlation), ("eva", "first"));
    assert_eq!(*origin.causation, message.id.to_string());
    for name in ["retry", "discard"] {
        assert_eq!(bed.tell(name, "again").unwrap_err(), "dead_letter_closed");
    }
    let accepted = Accepted { seq: 2, events: Vec::new(), reply: Json::null() };
    bed.hear(Outcome::Accepted(accepted.clone()));
    bed.hear(Outcome::Accepted(accepted));
    let letter = bed.state();
    assert_eq!((letter.status, bed.seq), (LetterStatus::Retried, 3));
    let act = letter.act.as_ref().unwrap();
    assert_eq!((act.by.as_str(), act.why.as_str()), ("ana", "the bug is mended"));
    assert_eq!(letter.answer.as_ref().unwrap().rejected, None);
}

#[test]
fn a_letter_that_is_refused_again_says_so() {
    let mut bed = Bed::of(&recorded(&add()));
    bed.tell("retry", "try").unwrap();
    bed.hear(Outcome::Rejected(Rejected {
        kind: RejectionKind::DeadLettered,
        code: "dead_lettered".into(),
        message: "it brought it down".to_owned(),
        detail: Json::null(),
    }));
    let answer = bed.state().answer.clone().unwrap();
    assert_eq!(answer.rejected.as_deref(), Some("dead_lettered"));
}

#[test]
fn a_letter_is_let_go_once() {
    let mut bed = Bed::of(&recorded(&add()));
    assert_eq!(bed.tell("discard", "").unwrap_err(), "no_reason");
    assert!(bed.tell("discard", "not wanted").unwrap().messages.is_empty());
    assert_eq!(bed.tell("discard", "not wanted").unwrap_err(), "dead_letter_closed");
    assert_eq!(bed.tell("retry", "but").unwrap_err(), "dead_letter_closed");
    assert_eq!(bed.state().status, LetterStatus::Discarded);
}

#[test]
fn every_kind_of_input_is_kept_whole() {
    let accepted = Accepted { seq: 2, events: Vec::new(), reply: Json::null() };
    let inputs = [
        Input::Timer { name: "ring".to_owned(), due: EPOCH },
        Input::Reply { id: MessageId::derive(&["a"]), outcome: Outcome::Accepted(accepted) },
        Input::Effect {
            key: crate::effect::EffectKey::derive(&["a"]),
            outcome: crate::effect::EffectOutcome::Confirmed(Json::null()),
        },
    ];
    for input in inputs {
        let mut bed = Bed::of(&recorded(&input));
        let step = bed.tell("retry", "mended").unwrap();
        let (again, _) = redelivered(&step.messages[0]).unwrap();
        assert_eq!(format!("{again:?}"), format!("{input:?}"));
    }
}

#[test]
fn a_letter_of_before_can_only_be_let_go() {
    let mut bed = Bed::of(&letter(&kept(&add()).1, ""));
    assert_eq!(bed.tell("retry", "mended").unwrap_err(), "nothing_to_retry");
    bed.tell("discard", "mended").unwrap();
}

#[test]
fn only_a_letters_own_message_is_a_redelivery() {
    let mut bed = Bed::of(&recorded(&add()));
    let mut message = bed.tell("retry", "mended").unwrap().messages.remove(0);
    message.from = key(id("tally"));
    assert!(redelivered(&message).is_none());
}
