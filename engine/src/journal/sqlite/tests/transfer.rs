use super::*;
use crate::effect::{EffectOp, EffectOutcome};
use crate::id::{Slot, StreamId, uuid_v7};
use crate::journal::conformance::everything_of;
use crate::journal::transfer::{self, Header, Import, Line, Trailer};

fn stream(n: u64) -> StreamKey {
    let slot = Slot::new(u16::try_from(n).unwrap());
    StreamKey::new(TenantId::default_tenant(), StreamId::new(Prefix::new("thing"), uuid_v7(1, slot, n)))
}

/// A store with one of everything in many streams, and some effects that have ended.
async fn filled(dir: &TempDir) -> SqliteJournal {
    let journal = SqliteJournal::open(dir.path()).await.unwrap();
    let fence = journal.take_over(PARTITION, Uuid::from_u128(1)).await.unwrap().fence;
    for n in 0..400 {
        let first = everything_of(&stream(n), n, 0);
        let mut second = everything_of(&stream(n), n + 1_000, 1);
        if let (Some(EffectOp::Intend(effect)), 0) = (first.effects.first(), n % 3) {
            let outcome = EffectOutcome::Confirmed(crate::journal::Json::null());
            second.effects.push(EffectOp::End { key: effect.key, outcome });
        }
        for answer in journal.append(fence, &[first, second]).await.unwrap() {
            answer.unwrap();
        }
    }
    journal
}

async fn export(journal: &SqliteJournal, since: Position) -> (Vec<u8>, Trailer) {
    let mut out = Vec::new();
    let trailer = transfer::export(journal, &mut out, since, |_| {}).await.unwrap();
    (out, trailer)
}

/// What stands between the first line and the last.
fn body(export: &[u8]) -> Vec<&[u8]> {
    let lines: Vec<_> = export.split(|byte| *byte == b'\n').collect();
    lines[1..lines.len() - 2].to_vec()
}

fn verified(export: &[u8]) -> Result<(Header, Trailer), transfer::Error> {
    transfer::verify(export, |_| {})
}

/// Imports from `done` on, and breaks off after so many commits.
async fn import(dir: &TempDir, export: &[u8], done: Option<u64>, commits: usize) -> Result<u64, u64> {
    let store = ImportStore::open(dir.path(), &verified(export).unwrap().0).await.unwrap();
    let fence = store.journal().take_over(PARTITION, Uuid::from_bytes(rand::random())).await.unwrap().fence;
    let mut heard = done.unwrap_or(0);
    let mut import = Import::new(store.journal(), &[fence], export, done);
    let mut made = 0;
    while let Some(lines) = import.next().await.unwrap() {
        heard = lines;
        made += 1;
        if made > commits {
            store.journal().close().await;
            return Err(heard);
        }
    }
    store.finish(&verified(export).unwrap().1).await.unwrap();
    Ok(heard)
}

#[tokio::test]
async fn what_is_imported_is_what_was_exported_wherever_it_is_broken_off() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let journal = filled(&from).await;
    let (written, trailer) = export(&journal, 0).await;
    assert_eq!((trailer.position, trailer.events), (800, 800));
    assert_eq!(verified(&written).unwrap().1, trailer);
    let heard = import(&to, &written, None, 2).await.unwrap_err();
    assert!(!to.path().join("journal.db").exists(), "there is no store until it is whole");
    // The note of how far it is may be older than what stands.
    let heard = import(&to, &written, Some(heard - 700), 2).await.unwrap_err();
    import(&to, &written, Some(heard), usize::MAX).await.unwrap();
    let second = SqliteJournal::open(to.path()).await.unwrap();
    assert!(second.info().resumed_at.is_some(), "it starts held");
    assert_eq!(second.info().log, journal.info().log);
    let (again, _) = export(&second, 0).await;
    assert_eq!(body(&written).len(), body(&again).len());
    for (one, two) in body(&written).into_iter().zip(body(&again)) {
        assert_eq!(String::from_utf8_lossy(one), String::from_utf8_lossy(two));
    }
}

#[tokio::test]
async fn streams_that_begin_at_a_base_do_so_where_they_are_imported() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let journal = filled(&from).await;
    let fence = journal.take_over(PARTITION, Uuid::from_u128(2)).await.unwrap().fence;
    for round in 0..4 {
        for n in (0..400).step_by(3) {
            let more = everything_of(&stream(n), 10_000 + round * 1_000 + n, round + 2);
            journal.append(fence, &[more]).await.unwrap()[0].as_ref().unwrap();
            if (n + round) % 5 == 0 {
                journal.trim(&stream(n), 1).await.unwrap();
            }
        }
    }
    let list = async |journal: &SqliteJournal| {
        let (tenant, kind) = (TenantId::default_tenant(), Prefix::new("thing"));
        journal.list_streams(&tenant, kind, None, false, 999).await.unwrap().streams
    };
    let (written, trailer) = export(&journal, 0).await;
    assert!(trailer.gone > 300 && trailer.events + trailer.gone == trailer.position, "{trailer:?}");
    let heard = import(&to, &written, None, 9).await.unwrap_err();
    import(&to, &written, Some(heard - 600), usize::MAX).await.unwrap();
    let second = SqliteJournal::open(to.path()).await.unwrap();
    assert_eq!(list(&second).await, list(&journal).await, "with the same places");
    for n in 0..400 {
        let (one, two) = (journal.base(&stream(n)).await.unwrap(), second.base(&stream(n)).await.unwrap());
        assert_eq!(one, two, "{n}");
        let (one, two) = (journal.load(&stream(n)).await.unwrap(), second.load(&stream(n)).await.unwrap());
        assert_eq!((one.head, one.snapshot), (two.head, two.snapshot), "{n}");
    }
    let (again, _) = export(&second, 0).await;
    let events = |export: &[u8]| {
        let lines = body(export).into_iter().map(|line| String::from_utf8_lossy(line).into_owned());
        lines.filter(|line| !line.starts_with("{\"gone\"")).collect::<Vec<_>>()
    };
    assert_eq!(events(&written), events(&again));
    let (part, trailer) = export(&journal, 10).await;
    assert_eq!(verified(&part).unwrap().1, trailer);
}

#[tokio::test]
async fn a_file_that_is_cut_off_or_edited_is_refused() {
    let dir = TempDir::new().unwrap();
    let journal = filled(&dir).await;
    let (written, _) = export(&journal, 0).await;
    let text = String::from_utf8(written.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without = |gone: usize| {
        let kept = lines.iter().enumerate().filter(|(n, _)| *n != gone);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    for gone in [0, 1, 400, 900, lines.len() - 1] {
        assert!(verified(without(gone).as_bytes()).is_err(), "line {gone} is gone");
    }
    assert!(verified(&written[..written.len() - 1]).is_err(), "the last line is cut off");
    assert!(verified(text.replacen("user:ada", "user:eve", 1).as_bytes()).is_err(), "it was edited");
    assert!(verified(format!("{text}{text}").as_bytes()).is_err(), "something stands behind it");

    let (tail, trailer) = export(&journal, 790).await;
    assert_eq!((trailer.events, trailer.beside), (10, 0));
    let (header, _) = verified(&tail).unwrap();
    assert_eq!((header.since, header.secret), (790, None), "a part holds no secret");
    let first: Line = serde_json::from_slice(body(&tail)[0]).unwrap();
    assert!(matches!(first, Line::Event(event) if event.position == 791));
    let empty = TempDir::new().unwrap();
    let (header, _) = verified(&tail).unwrap();
    assert!(ImportStore::open(empty.path(), &header).await.is_err());
}
