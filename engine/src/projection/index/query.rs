//! The statements that search the tables of an index, for SQLite and PostgreSQL alike.

use super::{NUMBER, Search, TEXT, Term, Test};

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

/// Entries that are counted at most to tell which test finds the fewest.
const COUNTED: i64 = 1_000;

impl Query {
    /// Counts the entries of a kind that pass a test, up to a limit; `None` where an index does not tell them in the
    /// order of their numbers.
    pub(crate) fn count(tables: &str, kind: i64, (name, test): &(String, Test)) -> Option<Self> {
        if !matches!(test, Test::Is(any) if any.len() <= 2) {
            return None;
        }
        let mut query = Self::default();
        query.push(&format!("SELECT count(*) FROM (SELECT 1 FROM {tables}field AS f WHERE f.kind = "));
        query.number(kind);
        query.test("f", name, test);
        query.push(" LIMIT ");
        query.number(COUNTED);
        query.push(") AS counted");
        Some(query)
    }

    /// Finds entries: those that pass one test, looked up, and of them those that pass the others.
    pub(crate) fn find(
        tables: &str,
        kind: i64,
        search: &Search,
        first: Option<usize>,
        before: Option<u64>,
        limit: usize,
    ) -> Self {
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let mut query = Self::default();
        match first.map(|first| &search.tests[first]) {
            None => {
                query.push(&format!("SELECT e.no, e.uuid FROM {tables}entry AS e WHERE e.kind = "));
                query.number(kind);
            }
            Some((name, test)) => {
                query.push(&format!(
                    "SELECT e.no, e.uuid FROM (SELECT DISTINCT d.entry FROM {tables}field AS d WHERE d.kind = "
                ));
                query.number(kind);
                query.test("d", name, test);
                query.push(" AND d.entry < ");
                query.number(before);
                // In the order of the index, so that no more is read than is needed.
                query.push(&format!(
                    " ORDER BY d.entry DESC) AS d CROSS JOIN {tables}entry AS e WHERE e.no = d.entry"
                ));
            }
        }
        query.push(" AND e.no < ");
        query.number(before);
        for (index, (name, test)) in search.tests.iter().enumerate() {
            if Some(index) != first {
                query.push(&format!(" AND EXISTS (SELECT 1 FROM {tables}field AS f WHERE f.entry = e.no"));
                query.test("f", name, test);
                query.push(")");
            }
        }
        query.push(" ORDER BY e.no DESC LIMIT ");
        query.number(i64::try_from(limit).unwrap_or(i64::MAX));
        query
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
