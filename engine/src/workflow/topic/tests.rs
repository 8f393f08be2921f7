use std::collections::BTreeMap;

use serde_json::json;

use super::entity::{FAN_OUT, GO_ON};
use super::kept::{KEPT_FOR, MOST_BYTES, MOST_KEPT};
use super::*;
use crate::clock::Timestamp;
use crate::entity::{DecideCx, Entity, EventCx};
use crate::workflow::definition::draft;
use crate::workflow::fixtures::definition;

const MINUTE: i64 = 60_000;

/// A topic with a clock that is set by hand, and what it has sent.
struct Bed {
    state: Option<Topic>,
    now: i64,
    /// The run and the numbers that it was sent, by the events' `n`.
    sent: Vec<(StreamId, Vec<i64>)>,
    timers: usize,
}

fn run(n: u128) -> StreamId {
    StreamId::new(Prefix::new("run"), uuid::Uuid::from_u128(n))
}

impl Bed {
    fn new() -> Self {
        Self { state: None, now: 1_000 * MINUTE, sent: Vec::new(), timers: 0 }
    }

    fn tell(&mut self, command: Command) {
        let id = StreamId::new(TOPIC, uuid::Uuid::nil());
        let now = Timestamp::from_ms(self.now);
        let cx = DecideCx { id, now, seq: 1, external_key: None, principal: "test", causation: "req_1" };
        let decision = Topic::decide(self.state.as_ref(), command, &cx).unwrap();
        for event in &decision.events {
            let cx = EventCx { id, at: now, seq: 1 };
            match &mut self.state {
                Some(state) => state.apply(event, &cx),
                None => self.state = Topic::begin(event, &cx),
            }
        }
        for message in decision.messages {
            assert_eq!(message.command, "hear");
            let events = message.body["events"].as_array().unwrap();
            self.sent.push((message.to, events.iter().map(|event| event["n"].as_i64().unwrap()).collect()));
        }
        self.timers += decision.timers.len();
    }

    fn offer(&mut self, n: i64) {
        self.tell(Command::Offer { event: json!({ "type": "a", "n": n }) });
    }

    fn subscribe(&mut self, run: StreamId, since: i64) {
        self.tell(Command::Subscribe { run, since: Timestamp::from_ms(since) });
    }
}

#[test]
fn what_came_before_the_listener_is_sent_as_far_back_as_it_asks() {
    let mut bed = Bed::new();
    bed.offer(1);
    bed.now += MINUTE;
    bed.offer(2);
    bed.offer(3);
    bed.subscribe(run(1), bed.now);
    bed.subscribe(run(2), bed.now - MINUTE);
    bed.subscribe(run(3), bed.now + 1);
    assert_eq!(bed.sent, [(run(1), vec![2, 3]), (run(2), vec![1, 2, 3])]);
    bed.offer(4);
    assert_eq!(bed.sent[2..], [(run(1), vec![4]), (run(2), vec![4]), (run(3), vec![4])]);
}

#[test]
fn each_event_is_sent_once_to_who_stops_listening_and_begins_again() {
    let mut bed = Bed::new();
    bed.subscribe(run(1), 0);
    bed.offer(1);
    bed.tell(Command::Unsubscribe { run: run(1) });
    bed.offer(2);
    bed.offer(3);
    assert_eq!(bed.sent, [(run(1), vec![1])]);
    bed.subscribe(run(1), 0);
    bed.subscribe(run(1), 0);
    assert_eq!(bed.sent, [(run(1), vec![1]), (run(1), vec![2, 3])]);
    bed.tell(Command::Forget { run: run(1) });
    bed.offer(4);
    assert_eq!(bed.sent.len(), 2);
    assert!(bed.state.unwrap().listeners.is_empty());
}

#[test]
fn many_listeners_are_sent_to_bit_by_bit() {
    let mut bed = Bed::new();
    for n in 0..600 {
        bed.subscribe(run(n), 0);
    }
    bed.offer(1);
    assert_eq!((bed.sent.len(), bed.timers), (FAN_OUT, 1));
    // One more event before the rest was sent to.
    bed.offer(2);
    while bed.timers > 0 {
        bed.timers = 0;
        let command = bed.state.as_ref().unwrap().on_timer(GO_ON).unwrap();
        bed.tell(command);
    }
    let mut each: BTreeMap<StreamId, Vec<i64>> = BTreeMap::new();
    for (run, numbers) in bed.sent {
        each.entry(run).or_default().extend(numbers);
    }
    assert_eq!(each.len(), 600);
    assert!(each.values().all(|numbers| *numbers == [1, 2]), "each run has each event once, in order");
}

#[test]
fn what_is_kept_is_bounded() {
    let mut bed = Bed::new();
    for n in 0..MOST_KEPT as i64 + 10 {
        bed.offer(n);
    }
    assert_eq!(bed.state.as_ref().unwrap().kept.events().len(), MOST_KEPT);
    bed.now += KEPT_FOR.as_millis() as i64 + 1;
    bed.offer(5_000);
    assert_eq!(bed.state.as_ref().unwrap().kept.events().len(), 1);
    bed.tell(Command::Offer { event: json!({ "type": "a", "n": 1, "data": "x".repeat(MOST_BYTES) }) });
    assert_eq!(bed.state.as_ref().unwrap().kept.events().len(), 1, "the newest is kept, however large");
}

#[test]
fn who_stopped_listening_and_has_missed_events_is_forgotten() {
    let mut bed = Bed::new();
    for n in 0..4 {
        bed.subscribe(run(n), 0);
    }
    let stop = |bed: &mut Bed, n| bed.tell(Command::Unsubscribe { run: run(n) });
    let known = |bed: &Bed| bed.state.as_ref().unwrap().listeners.keys().copied().collect::<Vec<_>>();
    stop(&mut bed, 0);
    bed.offer(1);
    stop(&mut bed, 1);
    bed.offer(2);
    stop(&mut bed, 2);
    bed.now += KEPT_FOR.as_millis() as i64 + 1;
    // The two that are old go: the first run has missed both, the second one, the third none.
    bed.offer(3);
    assert_eq!(known(&bed), [run(2), run(3)]);
    bed.sent.clear();
    for n in 0..3 {
        bed.subscribe(run(n), 0);
    }
    assert_eq!(bed.sent, [(run(0), vec![3]), (run(1), vec![3]), (run(2), vec![3])], "each event once");
}

#[test]
fn a_topic_that_is_loaded_keeps_as_much_as_one_that_was_not() {
    let mut bed = Bed::new();
    let large =
        || Command::Offer { event: json!({ "type": "a", "n": 1, "data": "x".repeat(MOST_BYTES / 3) }) };
    for _ in 0..2 {
        bed.tell(large());
    }
    let text = serde_json::to_string(bed.state.as_ref().unwrap()).unwrap();
    assert!(text.starts_with(r#"{"last":2,"kept":[{"seq":1,"at":"#), "{}", &text[..80]);
    let loaded: Topic = serde_json::from_str(&text).unwrap();
    assert_eq!(bed.state, Some(loaded.clone()));
    bed.state = Some(loaded);
    bed.tell(large());
    assert_eq!(bed.state.as_ref().unwrap().kept.events().len(), 2);
}

#[test]
fn listeners_that_are_not_as_far_are_sent_what_each_is_missing() {
    let mut bed = Bed::new();
    bed.subscribe(run(1), 0);
    bed.subscribe(run(2), 0);
    bed.offer(1);
    bed.tell(Command::Unsubscribe { run: run(1) });
    bed.offer(2);
    bed.sent.clear();
    bed.subscribe(run(3), 0);
    bed.subscribe(run(1), 0);
    bed.offer(3);
    let last = [(run(1), vec![3]), (run(2), vec![3]), (run(3), vec![3])];
    assert_eq!(bed.sent[..2], [(run(3), vec![1, 2]), (run(1), vec![2])]);
    assert_eq!(bed.sent[2..], last);
}

#[test]
fn events_come_to_the_topics_that_definitions_listen_at() {
    let source = definition(
        "do:\n\
         - one: { listen: { to: { one: { with: { type: paid }, correlate: { order: { from: .data.order, expect: '${ .id }' } } } } } }\n\
         - two: { listen: { to: { any: [ { with: { type: paid } }, { with: { source: /shop } } ] } } }\n",
    );
    let definition = draft(&source).definition.unwrap();
    let interests = Interests::of([&definition].into_iter());
    let tenant = TenantId::default_tenant();
    let event = json!({ "type": "paid", "data": { "order": "o-1" } });
    let keyed = topic_id(&tenant, "paid", &[(".data.order", &json!("o-1"))]);
    let found = interests.topics(&tenant, &event);
    assert_eq!(found.len(), 3);
    assert!(found.contains(&keyed) && found.contains(&topic_id(&tenant, "paid", &[])));
    assert!(found.contains(&topic_id(&tenant, EVERY_TYPE, &[])));
    let without = interests.topics(&tenant, &json!({ "type": "paid" }));
    assert_eq!(without.len(), 2, "an event without the correlation belongs to no topic of that shape");
    assert_eq!(interests.topics(&tenant, &json!({ "type": "other" })).len(), 1);
    assert_ne!(topic_id(&tenant, "paid", &[]), topic_id(&"other".parse().unwrap(), "paid", &[]));
}
