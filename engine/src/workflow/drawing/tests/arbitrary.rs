//! Definitions of all shapes, each from a seed.

use serde_json::{Value, json};

/// Throws numbers (SplitMix64, Steele et al. 2014).
pub(super) struct Dice(u64);

impl Dice {
    /// Dice that throw the same for the same seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below a bound.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// The text of a definition; JSON is YAML.
pub(super) fn source(dice: &mut Dice) -> String {
    let mut left = 60;
    let count = 1 + dice.below(12);
    let document = json!({
        "dsl": "1.0.3", "namespace": "test", "name": "any", "version": "1.0.0",
        "metadata": { "saga": dice.one_in(2) }
    });
    json!({ "document": document, "do": tasks(dice, count, 3, &mut left) }).to_string()
}

fn name(dice: &mut Dice, index: usize) -> String {
    let stems = [
        "task",
        "<b>",
        "a\"b'",
        "日本語の長い名前",
        "x",
        "שלום",
        "😀😀",
        "&amp;",
        "averyveryveryveryveryverylongnamewithoutanyspace",
    ];
    format!("{}{index}", stems[dice.below(stems.len())])
}

fn tasks(dice: &mut Dice, count: usize, depth: usize, left: &mut usize) -> Value {
    let names: Vec<String> = (0..count).map(|index| name(dice, index)).collect();
    let mut list = Vec::new();
    for name in &names {
        *left = left.saturating_sub(1);
        let mut task = task(dice, &names, depth, left);
        if dice.one_in(5) {
            task["if"] = json!("${ .go }");
        }
        if dice.one_in(6) {
            task["timeout"] = json!({ "after": "PT1H" });
        }
        if dice.one_in(3) {
            task["then"] = then(dice, &names);
        }
        list.push(json!({ name: task }));
    }
    Value::Array(list)
}

fn then(dice: &mut Dice, names: &[String]) -> Value {
    match dice.below(6) {
        0 => json!("continue"),
        1 => json!("exit"),
        2 => json!("end"),
        _ => json!(names[dice.below(names.len())]),
    }
}

fn task(dice: &mut Dice, names: &[String], depth: usize, left: &mut usize) -> Value {
    let kinds = if depth == 0 || *left == 0 { 8 } else { 12 };
    let inside = |dice: &mut Dice, left: &mut usize| {
        let count = 1 + dice.below(4);
        tasks(dice, count, depth - 1, left)
    };
    match dice.below(kinds) {
        0 => json!({ "set": { "a": 1 } }),
        1 => json!({ "wait": "PT1S" }),
        2 => json!({ "listen": { "to": { "one": { "with": { "type": "go" } } } } }),
        3 => json!({ "raise": { "error": { "type": "urn:no", "status": 400 } } }),
        4 => json!({ "call": "thing.open", "with": { "name": "a" } }),
        5 => json!({ "call": "thing.book", "with": { "name": "a" }, "metadata": { "compensate": false } }),
        6 | 7 => json!({ "switch": cases(dice, names) }),
        8 => json!({ "do": inside(dice, left), "metadata": { "saga": dice.one_in(3) } }),
        9 => json!({ "for": { "in": "${ .xs }" }, "do": inside(dice, left) }),
        10 => json!({ "fork": { "branches": branches(dice, depth - 1, left) } }),
        _ => {
            let mut catch = json!({ "as": "error" });
            if dice.one_in(2) {
                catch["do"] = inside(dice, left);
            }
            if dice.one_in(2) {
                catch["retry"] = json!({ "delay": "PT1S", "limit": { "attempt": { "count": 3 } } });
            }
            json!({ "try": inside(dice, left), "catch": catch })
        }
    }
}

fn cases(dice: &mut Dice, names: &[String]) -> Value {
    let count = 1 + dice.below(4);
    let mut cases = Vec::new();
    for index in 0..count {
        let mut case = json!({ "then": then(dice, names) });
        if index + 1 < count || dice.one_in(2) {
            case["when"] = json!("${ .n > 1 }");
        }
        cases.push(json!({ format!("case {index} with a label"): case }));
    }
    Value::Array(cases)
}

fn branches(dice: &mut Dice, depth: usize, left: &mut usize) -> Value {
    let count = 1 + dice.below(6);
    let branch = |index: usize| {
        *left = left.saturating_sub(1);
        let mut task = task(dice, &["nowhere".to_owned()], depth, left);
        if let Some(cases) = task.get("switch") {
            let cases = cases.as_array().into_iter().flatten().cloned();
            let ended = |case: Value| {
                let case: serde_json::Map<String, Value> = case.as_object().cloned().unwrap_or_default();
                let with = |(name, mut case): (String, Value)| {
                    case["then"] = json!("exit");
                    (name, case)
                };
                Value::Object(case.into_iter().map(with).collect())
            };
            task = json!({ "switch": cases.map(ended).collect::<Vec<_>>() });
        }
        json!({ format!("branch{index}"): task })
    };
    Value::Array((0..count).map(branch).collect())
}
