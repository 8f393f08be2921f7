use super::*;
use crate::workflow::definition::draft;
use crate::workflow::fixtures::definition;

/// A schedule with a clock that is set by hand.
struct Bed {
    state: Option<Schedule>,
    now: Timestamp,
    timer: Option<Timestamp>,
    /// The runs that were started, with their input and parent.
    started: Vec<(StreamId, Value, Value)>,
    /// What topics were told.
    told: Vec<String>,
    seq: u64,
}

fn plan(schedule: &str) -> Plan {
    let source = definition(&format!("schedule: {schedule}\ndo: [{{ a: {{ wait: PT1S }} }}]"));
    let drafted = draft(&source);
    assert!(drafted.problems.is_empty(), "{:#?}", drafted.problems);
    Plan::of(&drafted.definition.unwrap(), &TenantId::default_tenant()).unwrap()
}

impl Bed {
    fn new(schedule: &str) -> Self {
        let now = Timestamp::from_ms(1_763_796_000_500);
        let mut bed = Self { state: None, now, timer: None, started: Vec::new(), told: Vec::new(), seq: 0 };
        bed.set(schedule);
        bed
    }

    fn set(&mut self, schedule: &str) {
        self.tell(Command::Set { workflow: "example".to_owned(), plan: plan(schedule) });
    }

    fn tell(&mut self, command: Command) {
        let id = schedule_id(&TenantId::default_tenant(), "example");
        let cx = DecideCx {
            id,
            now: self.now,
            seq: self.seq,
            external_key: None,
            principal: "test",
            causation: "req_1",
        };
        let decision = Schedule::decide(self.state.as_ref(), command, &cx).unwrap();
        for event in &decision.events {
            self.seq += 1;
            let cx = EventCx { id, at: self.now, seq: self.seq };
            match &mut self.state {
                Some(state) => state.apply(event, &cx),
                None => self.state = Schedule::begin(event, &cx),
            }
        }
        for timer in decision.timers {
            match timer {
                crate::journal::TimerOp::Set { due, .. } => self.timer = Some(due),
                _ => self.timer = None,
            }
        }
        for message in decision.messages {
            match &*message.command {
                "start" => {
                    let body = message.body;
                    self.started.push((message.to, body["input"].clone(), body["parent"].clone()));
                }
                other => self.told.push(other.to_owned()),
            }
        }
        // A state that was kept and read again is the same.
        let kept = serde_json::to_string(self.state.as_ref().unwrap()).unwrap();
        self.state = Some(serde_json::from_str(&kept).unwrap());
    }

    fn tick(&mut self) {
        self.now = self.now.max(self.timer.take().expect("a timer is set"));
        self.tell(Command::Tick {});
    }

    fn hear(&mut self, event: Value) {
        let topic = StreamId::new(super::super::topic::TOPIC, uuid::Uuid::nil());
        self.tell(Command::Hear { topic, events: vec![event] });
    }
}

#[test]
fn every_begins_at_each_multiple_and_makes_up_once_for_what_was_missed() {
    let mut bed = Bed::new("{ every: { minutes: 5 } }");
    for n in 1..=3 {
        bed.tick();
        assert_eq!(bed.now.ms() % 300_000, 0);
        assert_eq!(bed.started.len(), n);
    }
    bed.now = bed.now.plus(Duration::from_secs(3_600));
    bed.tick();
    assert_eq!(bed.started.len(), 4, "an hour was missed");
    assert_eq!(bed.timer.unwrap().ms() - bed.now.ms(), 300_000);
    let ids: BTreeSet<_> = bed.started.iter().map(|(run, _, _)| *run).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn the_same_time_starts_the_same_run() {
    let (mut one, mut two) = (Bed::new("{ cron: '*/5 * * * *' }"), Bed::new("{ cron: '*/5 * * * *' }"));
    one.tick();
    two.tick();
    assert_eq!(one.started, two.started);
}

#[test]
fn a_timer_that_comes_early_starts_nothing() {
    let mut bed = Bed::new("{ every: { minutes: 5 } }");
    bed.tell(Command::Tick {});
    assert!(bed.started.is_empty() && bed.timer.is_some());
}

#[test]
fn after_waits_for_the_end_of_the_run() {
    let mut bed = Bed::new("{ after: { seconds: 30 } }");
    bed.tick();
    let (run, _, parent) = bed.started[0].clone();
    assert_eq!(parent, json!(schedule_id(&TenantId::default_tenant(), "example")));
    assert!(bed.timer.is_none(), "it waits for the end");
    bed.now = bed.now.plus(Duration::from_secs(100));
    let stranger = StreamId::new(Run::PREFIX, uuid::Uuid::nil());
    bed.tell(Command::ChildEnded { child: stranger, ending: json!({}) });
    assert!(bed.timer.is_none());
    bed.tell(Command::ChildEnded { child: run, ending: json!({ "status": "faulted" }) });
    assert_eq!(bed.timer.unwrap().ms() - bed.now.ms(), 30_000);
    bed.tick();
    assert_eq!(bed.started.len(), 2);
}

#[test]
fn one_event_starts_a_run_with_it_as_its_input() {
    let mut bed = Bed::new("{ on: { one: { with: { type: low, data: '${ .bpm < 60 }' } } } }");
    assert_eq!(bed.told, ["subscribe"]);
    bed.hear(json!({ "type": "low", "id": "1", "source": "/s", "data": { "bpm": 70 } }));
    bed.hear(json!({ "type": "high", "id": "2", "source": "/s", "data": { "bpm": 50 } }));
    assert!(bed.started.is_empty());
    let event = json!({ "type": "low", "id": "3", "source": "/s", "data": { "bpm": 50 } });
    bed.hear(event.clone());
    assert_eq!(bed.started[0].1, json!([event]));
}

#[test]
fn all_events_of_a_set_start_one_run() {
    let mut bed = Bed::new(
        "{ on: { all: [ { with: { type: t }, correlate: { room: { from: .room } } }, { with: { type: h }, correlate: { room: { from: .room } } } ] } }",
    );
    let event = |kind: &str, id: u64, room: u64| json!({ "type": kind, "id": id.to_string(), "source": "/s", "room": room });
    bed.hear(event("t", 1, 1));
    bed.hear(event("t", 2, 1));
    bed.hear(event("h", 3, 2));
    bed.hear(json!({ "type": "h", "id": "4", "source": "/s" }));
    assert!(bed.started.is_empty());
    assert_eq!(bed.state.as_ref().unwrap().view()["incomplete"], 3);
    bed.hear(event("h", 5, 1));
    assert_eq!(bed.started[0].1, json!([event("t", 1, 1), event("h", 5, 1)]));
    bed.hear(event("t", 6, 2));
    assert_eq!(bed.started[1].1, json!([event("t", 6, 2), event("h", 3, 2)]));
}

#[test]
fn a_schedule_that_is_cleared_or_set_anew_begins_by_the_new_plan() {
    let mut bed = Bed::new("{ on: { one: { with: { type: low } } } }");
    bed.set("{ on: { one: { with: { type: low } } } }");
    assert_eq!(bed.told, ["subscribe"], "the same plan changes nothing");
    bed.set("{ every: { hours: 1 } }");
    assert_eq!(
        (bed.told.as_slice(), bed.timer.is_some()),
        (&["subscribe".to_owned(), "forget".to_owned()][..], true)
    );
    bed.tell(Command::Clear {});
    assert!(bed.timer.is_none());
    bed.tell(Command::Tick {});
    assert!(bed.started.is_empty());
}

#[test]
fn a_run_that_cannot_be_started_is_noted() {
    let mut bed = Bed::new("{ every: { hours: 1 } }");
    let rejected = crate::journal::Rejected {
        kind: RejectionKind::NotFound,
        code: "unknown_workflow".into(),
        message: "there is no workflow `example`".to_owned(),
        detail: crate::journal::Json::null(),
    };
    let command = bed
        .state
        .as_ref()
        .unwrap()
        .on_reply(crate::journal::MessageId::derive(&["m"]), &Outcome::Rejected(rejected))
        .unwrap();
    bed.tell(command);
    assert_eq!(bed.state.as_ref().unwrap().view()["refused"], "there is no workflow `example`");
}

#[test]
fn after_tries_again_where_a_run_was_refused() {
    let mut bed = Bed::new("{ after: { seconds: 30 } }");
    bed.tick();
    assert!(bed.timer.is_none());
    bed.tell(Command::NoteRefusal { reason: "no such workflow".into() });
    assert_eq!(bed.timer.unwrap().ms() - bed.now.ms(), 60_000);
    bed.tick();
    assert_eq!(bed.started.len(), 2);
}
