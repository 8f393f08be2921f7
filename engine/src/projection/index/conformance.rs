//! What every index must do: the same as the one in memory, under random operations.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use super::{Change, Field, Index, MemoryIndex, Search, Term, Test};
use crate::id::{Prefix, Slot, StreamId, StreamKey, TenantId, uuid_v7};
use crate::journal::Fence;

const THING: Prefix = Prefix::new("thing");
const OTHER: Prefix = Prefix::new("other");
const NAMES: [&str; 3] = ["status", "attr.n", "attr.tag"];
const TEXTS: [&str; 6] = ["waiting", "done", "", "é\"'\\", "a\0b", "2026-01-01T00:00:00.000Z"];
const NUMBERS: [f64; 6] = [-1.5, -0.0, 0.0, 3.0, 1e300, -1e300];

/// Sends the same random writes and searches to an index and to one in memory.
///
/// # Panics
///
/// Where they differ.
pub async fn same_answers(seed: u64, of: Uuid, fence: Fence, index: &dyn Index) {
    let mut chance = StdRng::seed_from_u64(seed);
    let memory = MemoryIndex::default();
    assert_eq!(index.mark(of, fence.partition).await.expect("reads"), None);
    for round in 1..30_u64 {
        let changes: Vec<Change> = (0..chance.random_range(0..12)).map(|_| change(&mut chance)).collect();
        let mut last: Vec<Change> = Vec::new();
        for change in changes {
            last.retain(|(stream, _)| *stream != change.0);
            last.push(change);
        }
        let mark = (round % 3 != 0).then_some(round);
        for index in [index, &memory as &dyn Index] {
            index.write(of, fence, &last, mark).await.expect("writes");
            // What is repeated changes nothing.
            index.write(of, fence, &last, None).await.expect("writes");
        }
        let marks = [index.mark(of, fence.partition).await, memory.mark(of, fence.partition).await];
        assert_eq!(marks[0].as_ref().expect("reads"), marks[1].as_ref().expect("reads"), "seed {seed}");
        every_number(index).await;
        for _ in 0..6 {
            let search = search(&mut chance);
            let (found, wanted) = (all(index, &search).await, all(&memory, &search).await);
            assert_eq!(found, wanted, "seed {seed}, round {round}: {search:?}");
        }
    }
}

/// Checks that the number of an entry is the one that it is found with; what is not there has none.
async fn every_number(index: &dyn Index) {
    let search = Search { tenant: TenantId::default_tenant(), prefix: THING, tests: Vec::new() };
    let found = index.find(&search, None, 100).await.expect("searches");
    for n in 0..12 {
        let stream = StreamKey::new(search.tenant.clone(), StreamId::new(THING, uuid_v7(1, Slot::new(3), n)));
        let wanted = found.iter().find(|(_, one)| *one == stream).map(|(number, _)| *number);
        assert_eq!(index.number(&stream).await.expect("reads"), wanted, "{stream}");
    }
}

/// Finds everything, in pages of three.
async fn all(index: &dyn Index, search: &Search) -> Vec<StreamKey> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = index.find(search, before, 3).await.expect("searches");
        let Some((last, _)) = page.last() else { return found };
        assert!(before.is_none_or(|before| *last < before), "numbers fall");
        before = Some(*last);
        found.extend(page.into_iter().map(|(_, stream)| stream));
    }
}

fn pick<'a, T>(chance: &mut impl Rng, from: &'a [T]) -> &'a T {
    &from[chance.random_range(0..from.len())]
}

fn term(chance: &mut impl Rng) -> Term {
    match chance.random_bool(0.5) {
        true => Term::Number(*pick(chance, &NUMBERS)),
        false => Term::text(pick::<&str>(chance, &TEXTS)),
    }
}

fn change(chance: &mut impl Rng) -> Change {
    let prefix = *pick(chance, &[THING, OTHER]);
    let id = StreamId::new(prefix, uuid_v7(1, Slot::new(3), chance.random_range(0..12)));
    let field = |chance: &mut _| -> Field { ((*pick(chance, &NAMES)).to_owned(), term(chance)) };
    let fields = chance.random_bool(0.9).then(|| {
        let count = chance.random_range(0..5);
        (0..count).map(|_| field(chance)).collect()
    });
    (StreamKey::new(TenantId::default_tenant(), id), fields)
}

fn search(chance: &mut impl Rng) -> Search {
    let test = |chance: &mut _| {
        let test = match pick(chance, &[0, 1, 2, 3]) {
            0 => Test::From(term(chance)),
            1 => Test::Below(term(chance)),
            more => Test::Is((1..*more).map(|_| term(chance)).collect()),
        };
        ((*pick(chance, &NAMES)).to_owned(), test)
    };
    let count = chance.random_range(0..3);
    let tests = (0..count).map(|_| test(chance)).collect();
    Search { tenant: TenantId::default_tenant(), prefix: THING, tests }
}
