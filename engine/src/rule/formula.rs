//! Values with expressions in them, over the facts of a rule.

use serde_json::{Value, json};

use super::reader::Reader;
use crate::clock::Timestamp;
use crate::workflow::definition::{clip, join};
use crate::workflow::expression::{Expression, Limits, Template, unwrap_expression};

/// The operations of one expression: a rule has many, and looks at many events.
const FUEL: u64 = 100_000;

/// A value in which each text in `${ }` is an expression over the facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    template: Template,
    reads_entity: bool,
    reads_now: bool,
}

impl Formula {
    /// Compiles a value, and names every expression that is wrong at its own place.
    pub(super) fn read(reader: &mut Reader, value: &Value, at: &str) -> Option<Self> {
        let mut sources = Vec::new();
        if !compiles(reader, value, at, &mut sources) {
            return None;
        }
        match Template::compile(value, &[]) {
            Ok(template) => {
                let any = |reads: fn(&str) -> bool| sources.iter().any(|source| reads(source));
                Some(Self { template, reads_entity: any(reads_entity), reads_now: any(reads_now) })
            }
            Err(e) => {
                reader.error(at, e.to_string(), "nest it less deeply");
                None
            }
        }
    }

    /// Evaluates it over the facts.
    ///
    /// # Errors
    ///
    /// Which expression failed and why, or the limit that was passed, as a sentence.
    pub fn evaluate(&self, facts: &Value) -> Result<Value, String> {
        let time = facts.pointer("/event/time").and_then(Value::as_str);
        let now = match time.and_then(|time| time.parse::<Timestamp>().ok()) {
            Some(now) => now.ms(),
            None if self.reads_now => {
                let why = "the expression uses `now`, which is the event's `time`, and the event has none";
                return Err(why.to_owned());
            }
            None => 0,
        };
        let value = self.template.evaluate(facts, &[], now, &Limits { fuel: FUEL, ..Limits::default() });
        value.map_err(|e| clip(&e.to_string()))
    }

    /// Evaluates it over an event, before it is known whose state there is.
    ///
    /// # Errors
    ///
    /// Those of [`Self::evaluate`].
    pub fn evaluate_on(&self, event: &Value) -> Result<Value, String> {
        match self.template.literal() {
            Some(value) => Ok(value.clone()),
            None => self.evaluate(&json!({ "event": event, "entity": null })),
        }
    }

    /// The value, if there is no expression in it.
    pub fn literal(&self) -> Option<&Value> {
        self.template.literal()
    }

    /// True if it may read the entity's state. It is so wherever that cannot be excluded.
    pub fn reads_entity(&self) -> bool {
        self.reads_entity
    }
}

/// Compiles each expression of a value for itself, so that every problem is told, and gathers the sources.
fn compiles(reader: &mut Reader, value: &Value, at: &str, sources: &mut Vec<String>) -> bool {
    match value {
        Value::String(text) => {
            let Some(source) = unwrap_expression(text) else { return true };
            if !reader.count_expression(at) {
                return false;
            }
            sources.push(source.to_owned());
            let Err(e) = Expression::compile(source, &[]) else { return true };
            let fix = "correct the jq expression; it sees `.event` and `.entity`";
            reader.error(at, format!("the expression does not compile: {e}"), fix);
            false
        }
        Value::Array(items) => items.iter().enumerate().fold(true, |sound, (index, item)| {
            compiles(reader, item, &format!("{at}/{index}"), sources) && sound
        }),
        Value::Object(fields) => fields
            .iter()
            .fold(true, |sound, (name, value)| compiles(reader, value, &join(at, name), sources) && sound),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Words that stand for no function, or for one that does not look at its input.
const WORDS: [&str; 14] = [
    "and", "or", "if", "then", "elif", "else", "end", "try", "catch", "true", "false", "null", "empty", "now",
];

/// True unless a source reads of the facts only what it names, and that is not the entity: paths that begin with a
/// name, and functions that a pipe feeds.
fn reads_entity(source: &str) -> bool {
    if source.contains("entity") || !source.contains(".event") {
        return true;
    }
    let bytes = source.as_bytes();
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let (before, mut next) = (&bytes[..at], at + 1);
        let whole = match byte {
            // The facts as they are, a format of them, or they with something assigned.
            b'.' => !bytes.get(next).is_some_and(is_word),
            b'=' => {
                bytes.get(next) != Some(&b'=')
                    && !before.last().is_some_and(|b| matches!(b, b'=' | b'!' | b'<' | b'>'))
            }
            b'@' | b'#' => true,
            byte if is_word(byte) => {
                next = at + bytes[at..].iter().take_while(|b| is_word(b)).count();
                let fed = before.trim_ascii_end().last().is_some_and(|b| matches!(b, b'.' | b'$' | b'|'));
                let names = bytes[next..].trim_ascii_start().first() == Some(&b':');
                !(fed || names || byte.is_ascii_digit() || WORDS.contains(&&source[at..next]))
            }
            _ => false,
        };
        if whole {
            return true;
        }
        at = next;
    }
    false
}

/// True if a source may ask for the time.
fn reads_now(source: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    source.match_indices("now").any(|(index, found)| {
        let before = source[..index].chars().next_back();
        let after = source[index + found.len()..].chars().next();
        let named = |c: char| word(c) || matches!(c, '.' | '$' | '"');
        !before.is_some_and(named) && !after.is_some_and(|c| word(c) || matches!(c, ':' | '"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formula(value: Value) -> Formula {
        let mut reader = Reader::default();
        let read = Formula::read(&mut reader, &value, "");
        read.unwrap_or_else(|| panic!("{value}: {:?}", reader.problems))
    }

    #[test]
    fn expressions_see_the_facts_and_the_time_of_the_event() {
        let facts = json!({
            "event": { "id": "e1", "time": "2026-01-31T09:30:00Z", "data": { "n": 2 } },
            "entity": { "score": 12 },
        });
        let value =
            json!({ "sum": "${ .event.data.n + .entity.score }", "plain": "x", "list": ["${ now }"] });
        let made = formula(value).evaluate(&facts).unwrap();
        assert_eq!(made, json!({ "sum": 14, "plain": "x", "list": [1_769_851_800] }));
    }

    #[test]
    fn the_time_of_an_event_that_has_none_is_not_invented() {
        let facts = json!({ "event": { "id": "e1" }, "entity": null });
        assert!(formula(json!("${ now }")).evaluate(&facts).unwrap_err().contains("`now`"));
        let others =
            ["${ .event.now }", "${ {now: 1} }", "${ \"now\" }", "${ .event.id | . as $now | $now }"];
        for source in others {
            assert!(formula(json!(source)).evaluate(&facts).is_ok(), "{source}");
        }
    }

    #[test]
    fn whether_the_entity_is_read_is_told_on_the_safe_side() {
        let does = [
            ".entity.score",
            ".",
            "..",
            "keys",
            "{ e: .event.id, all: . }",
            ".[\"ent\" + \"ity\"]",
            "[.event.id, (. | tojson)]",
            ".event.data | .entity",
            "[.event.id, tojson]",
            ".event.id as $id | tojson",
            "def f: tojson; .event.id, f",
            ".event.data = 1",
            ".event.data |= 1",
            ".event.id, @json",
            ".event.id, # |\n tojson",
            "\"\\(tojson) of \\(.event.id)\"",
            "if .event.data then tojson else 1 end",
        ];
        for source in does {
            assert!(formula(json!(format!("${{ {source} }}"))).reads_entity(), "{source}");
        }
        let does_not = [
            ".event.subject",
            ".event.data.a + .event.data.b * 1.5e3",
            "[.event.data.list[0]]",
            ".event.data.name | ascii_downcase | length",
            "{ a: .event.data.a, b: .event.data.b }",
            "if .event.data.n >= 1 and .event.data.n != 2 then .event.id else null end",
        ];
        for source in does_not {
            assert!(!formula(json!({ "x": [format!("${{ {source} }}")] })).reads_entity(), "{source}");
        }
        assert!(!formula(json!({ "entity": "of text" })).reads_entity());
    }

    #[test]
    fn every_expression_that_is_wrong_is_told_at_its_place() {
        let mut reader = Reader::default();
        let value = json!({ "a": "${ .event. + }", "b": ["${ env }", "${ $x }", "${ 1 }"] });
        assert!(Formula::read(&mut reader, &value, "/then/0").is_none());
        let problems = reader.problems.in_text("");
        let places: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(places, ["/then/0/a", "/then/0/b/0", "/then/0/b/1"]);
        assert!(problems.iter().all(|problem| problem.fix.contains("`.event` and `.entity`")));
    }

    #[test]
    fn there_is_an_end_to_what_is_compiled() {
        let mut reader = Reader::default();
        let value = Value::Array(vec![json!("${ 1 }"); 300]);
        assert!(Formula::read(&mut reader, &value, "").is_none());
        assert!(reader.problems.in_text("")[0].message.contains("more than 200 expressions"));
    }

    #[test]
    fn what_never_ends_is_ended() {
        let facts = json!({ "event": { "id": "e1" }, "entity": null });
        let endless =
            ["[range(1e9)]", "[limit(1e9; repeat(1))] | length", "reduce range(1e9) as $x (0; . + $x)"];
        for source in endless {
            let failed = formula(json!(format!("${{ {source} }}"))).evaluate(&facts).unwrap_err();
            assert!(failed.contains("operations") || failed.contains("bytes"), "{source}: {failed}");
        }
    }
}
