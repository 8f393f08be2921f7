//! The fence: who may append, and what a take-over and a restart keep.

use std::sync::Arc;

use uuid::Uuid;

use super::Backend;
use super::fixture::{
    Desk, PARTITION, accepted, at, effect, entry, everything, key_record, message_id, thing, told,
};
use crate::effect::EffectOp;
use crate::journal::{Error, Fence, Received, TimerOp};

pub(super) async fn a_stale_epoch_or_incarnation_is_fenced(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let good = desk.fence;
    let wrong = [
        Fence { epoch: good.epoch - 1, ..good },
        Fence { epoch: good.epoch + 1, ..good },
        Fence { incarnation: Uuid::from_u128(99), ..good },
        Fence { partition: 4095, ..good },
    ];
    for fence in wrong {
        let batch = [entry(&thing(1), 0, &["made"]), entry(&thing(2), 7, &["conflicts"])];
        let error = desk.journal.append(fence, &batch).await.expect_err("the fence does not hold");
        assert!(matches!(error, Error::Fenced { partition } if partition == fence.partition), "{error}");
        let conflict = desk.journal.append(fence, &batch[1..]).await.expect_err("fenced before all else");
        assert!(matches!(conflict, Error::Fenced { .. }), "{conflict}");
    }
    assert!(desk.log().await.is_empty());
    desk.put(entry(&thing(1), 0, &["made"])).await;
}

pub(super) async fn a_take_over_fences_the_owner_before(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let mut late = entry(&thing(1), 0, &["made"]);
    late.at = at(5_000);
    desk.put(late).await;
    desk.put(entry(&thing(2), 0, &["made"])).await;

    let lease = desk.journal.take_over(PARTITION, Uuid::from_u128(2)).await.expect("can be taken over");
    assert_eq!(lease.fence.epoch, desk.fence.epoch + 1);
    assert_eq!(lease.fence.incarnation, Uuid::from_u128(2));
    assert_eq!((lease.position, lease.last), (2, at(5_000)), "the latest time, not the last one");
    let error = desk.try_append(&[entry(&thing(3), 0, &["made"])]).await.expect_err("the old owner is out");
    assert!(matches!(error, Error::Fenced { partition: PARTITION }), "{error}");
    let taken =
        desk.journal.append(lease.fence, &[entry(&thing(3), 0, &["made"])]).await.expect("the new one is in");
    assert_eq!(taken[0].as_ref().expect("taken").position, 3);

    let unknown = desk.journal.take_over(4095, Uuid::from_u128(2)).await.expect_err("no such partition");
    assert!(matches!(unknown, Error::Unavailable { .. }), "{unknown}");
}

pub(super) async fn everything_is_there_after_a_restart(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    let (log_id, history, secret) = {
        let info = desk.journal.info();
        (info.log, info.history, *info.secret.bytes())
    };
    assert_eq!(desk.journal.info().partitions, [PARTITION]);
    desk.put(everything(&thing(1), 0)).await;
    desk.put(entry(&thing(2), 0, &["made", "named"])).await;
    let before = desk.log().await;
    let epoch = desk.fence.epoch;

    let desk = desk.reopen().await;
    let info = desk.journal.info();
    assert_eq!((info.log, info.history, *info.secret.bytes()), (log_id, history, secret));
    assert!(desk.fence.epoch > epoch, "every start raises the epoch");
    assert_eq!(
        desk.log().await.iter().map(told).collect::<Vec<_>>(),
        before.iter().map(told).collect::<Vec<_>>()
    );
    let loaded = desk.journal.load(&thing(1)).await.expect("loads");
    assert_eq!((loaded.head, loaded.received.len()), (1, 1));
    assert_eq!(loaded.snapshot.expect("kept").seq, 1);
    assert_eq!(desk.journal.load(&thing(2)).await.expect("loads").events.len(), 2);
    let record = desk.journal.find_key(&[9; 16]).await.expect("reads");
    assert_eq!(record, Some(key_record(9, &thing(1), accepted(1, 1.into()))));
    assert_eq!(desk.journal.due_timers(PARTITION, at(10), 9).await.expect("reads").len(), 1);
    assert_eq!(desk.journal.outbox(PARTITION, 0, 9).await.expect("reads").len(), 1);
    assert_eq!(desk.journal.open_effects(PARTITION, 0, 9).await.expect("reads").len(), 1);

    let mut next = entry(&thing(1), 1, &["named"]);
    next.timers = vec![TimerOp::Clear { name: "due".to_owned() }];
    next.acknowledged = vec![message_id(3)];
    next.received = vec![Received { id: message_id(4), outcome: accepted(2, 0.into()) }];
    next.effects = vec![EffectOp::Dispatch { key: effect(&thing(1), "a").key, epoch: 2, attempt: 1 }];
    assert_eq!(desk.put(next).await.position, before.len() as u64 + 1);
}

pub(super) async fn a_closed_journal_is_unavailable(backend: Arc<dyn Backend>) {
    let desk = Desk::open(backend).await;
    desk.put(entry(&thing(1), 0, &["made"])).await;
    desk.journal.close().await;
    let error = desk.try_append(&[entry(&thing(1), 1, &["named"])]).await.expect_err("it is closed");
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(matches!(desk.journal.load(&thing(1)).await, Err(Error::Unavailable { .. })));
    assert!(matches!(desk.journal.maintain(at(0)).await, Err(Error::Unavailable { .. })));
    desk.journal.close().await;
}
