//! Searches in the tables of an index, for SQLite and PostgreSQL alike.
//!
//! One test comes first: its values are looked up in the order of the entries' numbers, and the others are asked of each
//! entry found. Which one is found by counting, up to a limit, how many entries pass. Bounds do not give that order; they
//! come first only where few entries pass. Without a first test all entries of the kind are gone through, the newest
//! first.

use async_trait::async_trait;
use uuid::Uuid;

use super::{NUMBER, Search, TEXT, Term, Test};
use crate::id::{StreamId, StreamKey};
use crate::journal::Error;

/// A value to be bound in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bound {
    /// A text.
    Text(String),
    /// A number, of 64 bits.
    Number(i64),
}

/// A statement with the values that are bound in it, by number.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// The text.
    pub(crate) sql: String,
    /// The values: the first is `$1`.
    pub(crate) bound: Vec<Bound>,
}

/// Where the tables of an index are.
#[async_trait]
pub(crate) trait Tables: Send {
    /// What their names begin with.
    const NAMES: &'static str;

    /// The row of a statement that gives one or none: two numbers.
    async fn numbers(&mut self, query: Query) -> Result<Option<(i64, i64)>, Error>;

    /// The rows of a statement that gives entries: their numbers and ids.
    async fn entries(&mut self, query: Query) -> Result<Vec<(u64, Uuid)>, Error>;
}

/// Entries that are counted at most to tell which test comes first.
const COUNTED: i64 = 10_000;

/// Finds at most `limit` entries with numbers below `before`, the newest first.
pub(crate) async fn find_in<T: Tables>(
    tables: &mut T,
    search: &Search,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(u64, StreamKey)>, Error> {
    let Some((kind, _)) = tables.numbers(kind_of::<T>(search)).await? else { return Ok(Vec::new()) };
    let fewest = match Query::counts::<T>(kind, &search.tests) {
        Some(query) => tables.numbers(query).await?,
        None => None,
    };
    let first = fewest.and_then(|(place, count)| {
        let place = usize::try_from(place).ok()?;
        (count < COUNTED || matches!(search.tests[place].1, Test::Is(_))).then_some(place)
    });
    let asked = Asked { kind, search, first, before, limit };
    let mut found = Vec::new();
    match first.map(|place| &search.tests[place].1) {
        // The entries of each value come in their order.
        Some(Test::Is(any)) => {
            for term in any {
                found.extend(tables.entries(asked.query::<T>(Some(term))).await?);
            }
        }
        Some(Test::From(_) | Test::Below(_)) | None => {
            found = tables.entries(asked.query::<T>(None)).await?;
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.dedup();
    found.truncate(limit);
    let key = |uuid| StreamKey::new(search.tenant.clone(), StreamId::new(search.prefix, uuid));
    Ok(found.into_iter().map(|(number, uuid)| (number, key(uuid))).collect())
}

fn kind_of<T: Tables>(search: &Search) -> Query {
    let mut query = Query::default();
    query.push(&format!("SELECT no, no FROM {}kind WHERE tenant = ", T::NAMES));
    query.text(search.tenant.as_str().to_owned());
    query.push(" AND prefix = ");
    query.text(search.prefix.as_str().to_owned());
    query
}

/// What is searched for, and how.
struct Asked<'a> {
    kind: i64,
    search: &'a Search,
    first: Option<usize>,
    before: Option<u64>,
    limit: usize,
}

impl Asked<'_> {
    /// The entries that pass all tests; of the first, those with one of its values.
    fn query<T: Tables>(&self, term: Option<&Term>) -> Query {
        let (names, tests) = (T::NAMES, &self.search.tests);
        let before = self.before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let mut query = Query::default();
        match self.first.map(|first| &tests[first]) {
            None => {
                query.push(&format!("SELECT e.no, e.uuid FROM {names}entry AS e WHERE e.kind = "));
                query.number(self.kind);
                query.push(" AND e.no < ");
            }
            Some((name, test)) => {
                let distinct = if term.is_none() { "DISTINCT " } else { "" };
                query.push(&format!(
                    "SELECT {distinct}d.entry AS no, e.uuid FROM {names}field AS d \
                     CROSS JOIN {names}entry AS e WHERE e.no = d.entry AND d.kind = "
                ));
                query.number(self.kind);
                match term {
                    Some(term) => query.test("d", name, &Test::Is(vec![term.clone()])),
                    None => query.test("d", name, test),
                }
                query.push(" AND d.entry < ");
            }
        }
        query.number(before);
        let others = tests.iter().enumerate().filter(|(place, _)| Some(*place) != self.first);
        for (_, (name, test)) in others {
            query.push(&format!(" AND EXISTS (SELECT 1 FROM {names}field AS f WHERE f.entry = e.no"));
            query.test("f", name, test);
            query.push(")");
        }
        query.push(if self.first.is_some() {
            " ORDER BY d.entry DESC LIMIT "
        } else {
            " ORDER BY e.no DESC LIMIT "
        });
        query.number(i64::try_from(self.limit).unwrap_or(i64::MAX));
        query
    }
}

impl Query {
    /// Counts the entries of a kind that pass each test, up to a limit: gives the place and the count of the one that
    /// the fewest pass, of those alike one that asks for values.
    fn counts<T: Tables>(kind: i64, tests: &[(String, Test)]) -> Option<Self> {
        let mut query = Self::default();
        for (place, (name, test)) in tests.iter().enumerate() {
            query.push(if place == 0 { "SELECT " } else { " UNION ALL SELECT " });
            query.number(i64::try_from(place).unwrap_or(i64::MAX));
            query.push(&format!(
                " AS place, (SELECT count(*) FROM (SELECT 1 FROM {}field AS f WHERE f.kind = ",
                T::NAMES
            ));
            query.number(kind);
            query.test("f", name, test);
            query.push(" LIMIT ");
            query.number(COUNTED);
            query.push(") AS counted) AS passing, ");
            query.number(i64::from(!matches!(test, Test::Is(_))));
            query.push(" AS is_bound");
        }
        query.push(" ORDER BY passing, is_bound LIMIT 1");
        (!tests.is_empty()).then_some(query)
    }

    fn test(&mut self, table: &str, name: &str, test: &Test) {
        self.push(&format!(" AND {table}.name = "));
        self.text(name.to_owned());
        let value = format!(" AND {table}.value ");
        match test {
            Test::Is(any) => {
                self.push(&value);
                self.push("IN (");
                for (index, term) in any.iter().enumerate() {
                    self.push(if index == 0 { "" } else { ", " });
                    self.text(term.encoded());
                }
                self.push(")");
            }
            Test::From(term) => {
                self.push(&value);
                self.push(">= ");
                self.text(term.encoded());
                if matches!(term, Term::Number(_)) {
                    self.push(&value);
                    self.push("< ");
                    self.text(TEXT.to_string());
                }
            }
            Test::Below(term) => {
                self.push(&value);
                self.push("< ");
                self.text(term.encoded());
                self.push(&value);
                self.push(">= ");
                let least = if matches!(term, Term::Number(_)) { NUMBER } else { TEXT };
                self.text(least.to_string());
            }
        }
    }

    fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    fn text(&mut self, text: String) {
        self.bind(Bound::Text(text));
    }

    fn number(&mut self, number: i64) {
        self.bind(Bound::Number(number));
    }

    fn bind(&mut self, bound: Bound) {
        self.bound.push(bound);
        self.sql.push_str(&format!("${}", self.bound.len()));
    }
}
