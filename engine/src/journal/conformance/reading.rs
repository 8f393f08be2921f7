//! Reading: streams, the log, snapshots, lists, and bodies that come back as they were given.

use std::sync::Arc;

use serde_json::json;

use super::Backend;
use super::fixture::{
    Desk, PARTITION, THING, accepted, at, entry, event, everything, id, key_record, rejected, tenant, thing,
    told,
};
use crate::id::{Prefix, StreamKey};
use crate::journal::{Entry, Json, Message, Origin, Outcome, Snapshot};

const OTHER: Prefix = Prefix::new("other");

pub(super) async fn a_snapshot_replaces_the_events_before_it(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let mut first = entry(&thing(1), 0, &["a", "b", "c"]);
    first.snapshot = Some(Snapshot { seq: 2, version: 3, data: Json::from(&json!({ "state": 2 })) });
    desk.put(first.clone()).await;
    let loaded = desk.journal.load(&thing(1)).await.expect("loads");
    assert_eq!((&loaded.snapshot, loaded.head), (&first.snapshot, 3));
    assert_eq!(loaded.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [3]);

    let mut alone = Entry::new(thing(1), at(1));
    alone.snapshot = Some(Snapshot { seq: 3, version: 4, data: Json::from(&json!(null)) });
    desk.put(alone.clone()).await;
    let loaded = desk.journal.load(&thing(1)).await.expect("loads");
    assert_eq!((loaded.snapshot, loaded.head, loaded.events.len()), (alone.snapshot, 3, 0));
    let all = desk.journal.read_stream(&thing(1), 0, 9).await.expect("reads");
    assert_eq!(all.len(), 3, "the events are still there");
    desk.put(entry(&thing(1), 3, &["d"])).await;
    assert_eq!(desk.journal.load(&thing(1)).await.expect("loads").head, 4);
}

pub(super) async fn streams_are_brought_to_life_together(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    for n in 0..90 {
        let mut new = entry(&thing(n), 0, &["a", "b", "c"]);
        new.at = at(n.cast_signed());
        if n % 3 > 0 {
            let data = Json::from(&json!({ "of": n }));
            new.snapshot = Some(Snapshot { seq: 1 + n % 3, version: 1, data });
        }
        desk.put(new).await;
    }
    let loads = (0..100).map(async |n| (n, desk.journal.load(&thing(n)).await.expect("loads")));
    for (n, loaded) in futures_util::future::join_all(loads).await {
        if n >= 90 {
            assert_eq!((loaded.head, loaded.created_at, loaded.last), (0, None, None), "{n} is not there");
            continue;
        }
        let snapshot = loaded.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        assert_eq!(snapshot, if n % 3 > 0 { 1 + n % 3 } else { 0 });
        assert!(loaded.snapshot.iter().all(|kept| kept.data == Json::from(&json!({ "of": n }))));
        let events: Vec<_> = loaded.events.iter().map(|event| (event.stream.clone(), event.seq)).collect();
        assert_eq!(events, (snapshot + 1..=3).map(|seq| (thing(n), seq)).collect::<Vec<_>>());
        let moment = at(n.cast_signed());
        assert_eq!((loaded.head, loaded.created_at), (3, Some(moment)));
        assert_eq!(loaded.last, Some((n * 3 + 3, moment)));
    }
}

pub(super) async fn a_stream_is_read_from_any_number(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    for seq in 0..10 {
        desk.put(entry(&thing(1), seq, &["made"])).await;
        desk.put(entry(&thing(2), seq * 2, &["made", "named"])).await;
    }
    for (after, limit) in [(0, 3), (2, 100), (9, 1), (10, 5), (u64::MAX, 5), (4, 0)] {
        let read = desk.journal.read_stream(&thing(1), after, limit).await.expect("reads");
        let wanted: Vec<_> = (1..=10).filter(|seq| *seq > after).take(limit).collect();
        assert_eq!(read.iter().map(|event| event.seq).collect::<Vec<_>>(), wanted, "after {after}, {limit}");
        assert!(read.iter().all(|event| event.stream == thing(1)));
    }
    assert!(desk.journal.read_stream(&thing(3), 0, 9).await.expect("reads").is_empty());
}

pub(super) async fn the_log_is_read_from_any_position(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    for n in 0..5 {
        desk.put(entry(&thing(n), 0, &["made", "named"])).await;
    }
    for (after, limit) in [(0, 4), (3, 100), (10, 5), (u64::MAX, 5), (2, 0)] {
        let read = desk.journal.read_log(PARTITION, after, limit).await.expect("reads");
        let wanted: Vec<_> = (1..=10).filter(|position| *position > after).take(limit).collect();
        assert_eq!(read.iter().map(|event| event.position).collect::<Vec<_>>(), wanted);
    }
    assert!(desk.journal.read_log(4095, 0, 9).await.expect("reads").is_empty(), "another partition");
}

pub(super) async fn streams_are_listed_by_age_both_ways(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    // The numbers go down, so that the order of ids is not the order of age.
    for n in (0..7).rev() {
        desk.put(entry(&thing(n), 0, &["made"])).await;
        desk.put(entry(&StreamKey::new(tenant("rival"), id(THING, n)), 0, &["made"])).await;
        desk.put(entry(&StreamKey::new(tenant("default"), id(OTHER, n)), 0, &["made"])).await;
        desk.put(entry(&thing(6), 7 - n, &["again"])).await;
    }
    let mut wanted: Vec<_> = (0..7).rev().map(thing).collect();
    for newest_first in [false, true] {
        let (mut cursor, mut found) = (None, Vec::new());
        loop {
            let page = desk.journal.list_streams(&tenant("default"), THING, cursor, newest_first, 3).await;
            let page = page.expect("reads");
            let Some((_, last)) = page.streams.last() else { break };
            cursor = Some(*last);
            found.extend(page.streams.into_iter().map(|(key, _)| key));
        }
        assert_eq!(found, wanted);
        wanted.reverse();
    }
    let none = desk.journal.list_streams(&tenant("nobody"), THING, None, true, 9).await.expect("reads");
    assert!(none.streams.is_empty());
}

pub(super) async fn a_stream_is_found_under_its_tenant_only(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let (ours, theirs) = (thing(1), StreamKey::new(tenant("rival"), id(THING, 1)));
    desk.put(everything(&ours, 0)).await;
    let empty = desk.journal.load(&theirs).await.expect("loads");
    assert_eq!((empty.head, empty.received.len(), empty.snapshot), (0, 0, None));
    assert!(desk.journal.read_stream(&theirs, 0, 9).await.expect("reads").is_empty());

    desk.put(entry(&theirs, 0, &["theirs", "too"])).await;
    assert_eq!(desk.journal.load(&theirs).await.expect("loads").head, 2);
    assert_eq!(desk.journal.load(&ours).await.expect("loads").head, 1);
    let same_uuid = StreamKey::new(tenant("default"), id(OTHER, 1));
    assert_eq!(desk.journal.load(&same_uuid).await.expect("loads").head, 0, "the prefix is part of the id");
    let log = desk.log().await;
    let streams: Vec<_> = log.iter().map(|event| event.stream.clone()).collect();
    assert_eq!(streams, [ours, theirs.clone(), theirs]);
}

pub(super) async fn bodies_come_back_as_they_were_given(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    let large = json!({ "text": "ä\u{1f980}\n".repeat(150_000) }).to_string();
    assert!(large.len() > 1 << 20);
    let texts = [
        "null",
        r#"{"b":1,"a":2,"b":3}"#,
        r#"[123456789012345678901234567890,1e400,-0,0.1000,1E5,9007199254740993,18446744073709551615]"#,
        r#"{ "spaced" :  [ 1 , 2 ] }"#,
        r#"{"":"empty","\u0000":"nul \u0000 inside","é":"\u00e9 \ud83e\udd80 🦀 \"quoted\" \\ \/"}"#,
        r#"{"$[0]":"'; DROP TABLE event; --","'":"?1 $1"}"#,
        deep.as_str(),
        large.as_str(),
    ];
    for (n, text) in (1..).zip(texts) {
        let body = Json::from_text(text.to_owned()).expect("is JSON");
        let mut one = all_bodies(&thing(n), &body);
        one.keys[0].key = [u8::try_from(n).expect("few"); 16];
        desk.put(one.clone()).await;
        check_bodies(&desk, &one, &body).await;
    }
    let desk = desk.reopen().await;
    let read = desk.journal.read_stream(&thing(8), 0, 1).await.expect("reads");
    assert_eq!(read[0].body.data.text(), large);
}

/// An entry that carries a body wherever an entry can.
fn all_bodies(stream: &StreamKey, body: &Json) -> Entry {
    let mut all = everything(stream, 0);
    let outcome = |outcome: &mut Outcome| match outcome {
        Outcome::Accepted(accepted) => accepted.reply = body.clone(),
        Outcome::Rejected(rejected) => rejected.detail = body.clone(),
    };
    all.events = vec![event("made", body.clone()), event("named äöü", body.clone())];
    all.events[1].origin = Arc::new(Origin {
        causation: "cause \"1\"".into(),
        correlation: "corr\\elation".into(),
        trace: Some("00-ab-cd-01".into()),
        principal: "user:\u{1f980}".into(),
        hops: 7,
    });
    all.events[1].version = u16::MAX;
    all.keys = vec![key_record(9, stream, rejected("no"))];
    outcome(&mut all.keys[0].outcome);
    all.received[0].outcome = accepted(1, json!(1));
    outcome(&mut all.received[0].outcome);
    let id = crate::journal::MessageId::derive(&["body", &stream.to_string()]);
    all.messages[0] = Message { id, body: body.clone(), ..all.messages[0].clone() };
    all.effects.clear();
    all.snapshot = Some(Snapshot { seq: 1, version: 1, data: body.clone() });
    all
}

async fn check_bodies(desk: &Desk, given: &Entry, body: &Json) {
    let loaded = desk.journal.load(&given.stream).await.expect("loads");
    assert_eq!(loaded.snapshot.expect("kept").data, *body);
    assert_eq!(loaded.received, given.received);
    let read = desk.journal.read_stream(&given.stream, 0, 9).await.expect("reads");
    for (event, given) in read.iter().zip(&given.events) {
        assert_eq!(event.body.data.text(), body.text());
        assert_eq!((&event.body.name, event.body.version), (&given.name, given.version));
        assert_eq!(event.body.origin, given.origin);
    }
    let record = desk.journal.find_key(&given.keys[0].key).await.expect("reads");
    assert_eq!(record.as_ref(), given.keys.first());
    let waiting = desk.journal.outbox(PARTITION, 0, usize::MAX).await.expect("reads");
    let (_, last) = waiting.last().expect("it waits");
    assert_eq!((last.body.text(), last.id), (body.text(), given.messages[0].id));
}

pub(super) async fn a_read_is_one_view_while_others_append(backend: Arc<dyn Backend>) {
    const ROUNDS: u64 = 60;
    let desk = &Desk::open(backend).await;
    // Every commit brings two events, a message taken in and a snapshot of the first of the two.
    let writer = async {
        for round in 0..ROUNDS {
            let mut both = entry(&thing(1), round * 2, &["a", "b"]);
            both.snapshot = Some(Snapshot { seq: round * 2 + 1, version: 1, data: Json::null() });
            both.received = vec![crate::journal::Received {
                id: super::fixture::message_id(round),
                outcome: accepted(round, json!(round)),
            }];
            desk.put(both).await;
        }
    };
    let reader = async {
        loop {
            let loaded = desk.journal.load(&thing(1)).await.expect("loads");
            let seen = loaded.snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
            assert_eq!(loaded.received.len() as u64 * 2, loaded.head);
            assert_eq!(loaded.head, if seen == 0 { 0 } else { seen + 1 });
            assert_eq!(loaded.head, seen + loaded.events.len() as u64);
            if loaded.head == ROUNDS * 2 {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    futures_util::join!(writer, reader);
    let told_of: Vec<_> = desk.log().await.iter().map(told).collect();
    assert_eq!(told_of.len() as u64, ROUNDS * 2);
}
