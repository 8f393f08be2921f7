//! The place that is found for a pointer is the place of what it names.

use proptest::prelude::*;
use serde_json::Value;

use super::super::fields::join;
use super::*;
use crate::workflow::definition::source::read;

/// The text from a place to the end of its line.
fn text_at(source: &str, at: Position) -> String {
    let line = source.split('\n').nth(at.line as usize - 1).unwrap_or_default();
    line.chars().skip(at.column as usize - 1).collect()
}

fn assert_at(source: &str, cases: &[(&str, &str, &str)]) {
    read(source).map(|_| ()).unwrap_or_else(|e| panic!("{source}: {}", e.message));
    let places = Places::of(source);
    for (pointer, position, text) in cases {
        let at = places.find(pointer);
        assert_eq!((at.to_string().as_str(), text_at(source, at).as_str()), (*position, *text), "{pointer}");
    }
}

#[test]
fn block_style_comments_and_scalars_of_many_lines_are_followed() {
    let source = "# A comment with a: colon\n\ndocument:\n  summary: >-\n    do: not\n    count: this\n  \
                  \"quoted key\": 'it''s: here' # and: not here\ndo:\n- first:\n    set: {}\n-   # late\n  second:\n    \
                  call: |\n      a: b\n    then: |\n      c\n  \n- - inner\n- plain\n";
    let cases = [
        ("", "3:1", "document:"),
        ("/document/summary", "4:3", "summary: >-"),
        ("/document/quoted key", "7:3", "\"quoted key\": 'it''s: here' # and: not here"),
        ("/do/0/first/set", "10:5", "set: {}"),
        ("/do/1", "12:3", "second:"),
        ("/do/1/second/then", "15:5", "then: |"),
        ("/do/2/0", "18:5", "inner"),
        ("/do/3", "19:3", "plain"),
        ("/do/1/second/missing", "12:3", "second:"),
        ("/do/9/gone", "8:1", "do:"),
    ];
    assert_at(source, &cases);
    assert_eq!(Places::of("\u{feff}a: 1\r\nb:\r\n  - c: 2\r\n").find("/b/0/c").to_string(), "3:5");
}

#[test]
fn flow_style_and_aliases_are_followed() {
    let source =
        "shared: &all { name: ä, list: [1, { x: 2 }, 'a, b'] }\nuse: { first: *all,\n  ? late\n  : *all }\n";
    let cases = [
        ("/shared/list/1", "1:35", "{ x: 2 }, 'a, b'] }"),
        ("/shared/list/1/x", "1:37", "x: 2 }, 'a, b'] }"),
        ("/shared/list/2", "1:45", "'a, b'] }"),
        ("/use/first", "2:8", "first: *all,"),
        ("/use/first/list/1/x", "1:37", "x: 2 }, 'a, b'] }"),
        ("/use/late", "3:5", "late"),
        ("/use/late/name", "1:16", "name: ä, list: [1, { x: 2 }, 'a, b'] }"),
    ];
    assert_at(source, &cases);
}

#[test]
fn json_is_followed_by_its_own_rules() {
    let source =
        "{\r\n\t\"a\\u00e4\\/\":{\"x\":[10,true,\"\\ud83d\\ude00 \\\" {\" , {\"y\":null}]},\n \"b~\": -1e5}";
    let cases = [
        ("/aä~1", "2:2", "\"a\\u00e4\\/\":{\"x\":[10,true,\"\\ud83d\\ude00 \\\" {\" , {\"y\":null}]},"),
        ("/aä~1/x/1", "2:23", "true,\"\\ud83d\\ude00 \\\" {\" , {\"y\":null}]},"),
        ("/aä~1/x/3/y", "2:51", "\"y\":null}]},"),
        ("/b~0", "3:2", "\"b~\": -1e5}"),
    ];
    assert_at(source, &cases);
}

#[test]
fn texts_that_cannot_be_read_are_placed_where_the_reader_stopped() {
    let cases = [
        ("a: 1\nb: [1, 2\nc: 3\n", 3),
        ("a: 1\n b: 2\n", 2),
        ("{ \"a\": 1,\n  \"ä\": 2, \"a\": 3 }", 2),
        ("a: 1\nb:\n  x: 1\n  x: 2\n", 4),
        ("a: .nan\n", 1),
    ];
    for (source, line) in cases {
        let problem = read(source).map(|_| ()).expect_err(source);
        assert_eq!(problem.line, line, "{source}: {problem}");
    }
}

#[derive(Debug, Clone)]
enum Tree {
    Text(u8),
    List(bool, Vec<Tree>),
    Mapping(bool, Vec<(u8, Tree)>),
    Alias,
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![6 => any::<u8>().prop_map(Tree::Text), 1 => Just(Tree::Alias)];
    let inner = leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            (any::<bool>(), prop::collection::vec(inner.clone(), 0..5))
                .prop_map(|(flow, items)| Tree::List(flow, items)),
            (any::<bool>(), prop::collection::vec((any::<u8>(), inner), 0..5))
                .prop_map(|(flow, fields)| Tree::Mapping(flow, fields)),
        ]
    });
    prop::collection::vec((any::<u8>(), inner), 1..6).prop_map(|fields| Tree::Mapping(false, fields))
}

/// Writes a tree as YAML in which every key and every value is unlike all others.
#[derive(Default)]
struct Writer {
    text: String,
    names: u32,
    anchors: u32,
}

impl Writer {
    fn name(&mut self, letter: char, style: u8) -> String {
        self.names += 1;
        let name = format!("{letter}{}", self.names);
        match style % 4 {
            0 => format!("'{name}'"),
            1 => format!("\"{name}\""),
            2 => format!("{name} ä: é").replace(": ", "-"),
            _ => name,
        }
    }

    fn line(&mut self, depth: usize) {
        if self.names % 5 == 4 {
            self.text.push_str(" # a comment: {");
        }
        self.text.push('\n');
        if self.names % 7 == 6 {
            self.text.push_str("\n  # - another: one\n");
        }
        self.text.push_str(&"  ".repeat(depth));
    }

    /// Writes what stands behind a key or a dash.
    fn value(&mut self, tree: &Tree, depth: usize, flow: bool) {
        match tree {
            Tree::Alias if self.anchors > 0 => {
                let text = format!("*n{}", self.anchors);
                self.text.push_str(&text);
            }
            Tree::Text(style) if style % 16 == 5 && !flow => {
                let name = self.name('v', 3);
                let inside = "  ".repeat(depth + 1);
                self.text.push_str(&format!("|\n{inside}{name}: many\n\n{inside}- lines"));
            }
            Tree::Text(style) => {
                if style % 8 == 7 {
                    self.anchors += 1;
                    let anchor = format!("&n{} ", self.anchors);
                    self.text.push_str(&anchor);
                }
                let name = self.name('v', *style);
                self.text.push_str(&name);
            }
            Tree::Alias => self.text.push('~'),
            Tree::List(_, items) if items.is_empty() => self.text.push_str("[]"),
            Tree::Mapping(_, fields) if fields.is_empty() => self.text.push_str("{ }"),
            Tree::List(own, items) if *own || flow => {
                self.text.push('[');
                for item in items {
                    self.value(item, depth, true);
                    self.text.push_str(", ");
                }
                self.text.push(']');
            }
            Tree::Mapping(own, fields) if *own || flow => {
                self.text.push_str("{ ");
                for (style, value) in fields {
                    let name = self.name('k', *style);
                    self.text.push_str(&format!("{name}: "));
                    self.value(value, depth, true);
                    self.text.push_str(if style % 3 == 0 { ",\n              " } else { ", " });
                }
                self.text.push('}');
            }
            Tree::List(_, items) => {
                for item in items {
                    self.line(depth + 1);
                    self.text.push_str("- ");
                    self.value(item, depth + 1, false);
                }
            }
            Tree::Mapping(_, fields) => self.fields(fields, depth),
        }
    }

    fn fields(&mut self, fields: &[(u8, Tree)], depth: usize) {
        for (style, value) in fields {
            self.line(depth + 1);
            let name = self.name('k', *style);
            self.text.push_str(&format!("{name}: "));
            self.value(value, depth + 1, false);
        }
    }
}

/// Calls back with every pointer below a value, and the text that must stand there, if it is known.
fn each(value: &Value, at: &str, found: &mut Vec<(String, Option<String>)>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let pointer = format!("{at}/{index}");
                let text = item.as_str().map(|text| text.lines().next().unwrap_or_default().to_owned());
                found.push((pointer.clone(), text.filter(|text| !text.contains(':'))));
                each(item, &pointer, found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                found.push((join(at, name), Some(name.clone())));
                each(value, &join(at, name), found);
            }
        }
        _ => {}
    }
}

/// What texts that mean something to a parser, or nearly do, are made of.
const SCRAPS: &[&str] = &[
    "a",
    "b: ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ": ",
    "? ",
    "&a ",
    "*a",
    "*a : ",
    "!!str ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "\\u00e4",
    "#",
    " # c",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\t",
    "\r\n",
    "ä",
    "\u{feff}",
    "~",
    "1",
    "<<: ",
    "\u{85}",
    "\\",
    "{\"a\": ",
    "\"b\": 1",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_takes_the_search_down(
        text in prop::collection::vec(prop::sample::select(SCRAPS.to_vec()), 0..60).prop_map(|scraps| scraps.concat()),
        pointer in "(/[0-9a-z~]{0,2}){0,4}",
    ) {
        let places = Places::of(&text);
        let at = places.find(&pointer);
        prop_assert!(at >= Position::START);
        let _ = (places.repeated(), read(&text));
    }

    #[test]
    fn every_pointer_leads_to_its_own_text(tree in tree()) {
        let Tree::Mapping(_, fields) = &tree else { unreachable!("the root is a mapping") };
        let mut writer = Writer::default();
        writer.fields(fields, 0);
        let source = writer.text + "\n";
        let read = read(&source);
        prop_assert!(read.is_ok(), "{source}\n{:?}", read.err());
        let value = read.unwrap_or_default();
        for source in [source, serde_json::to_string_pretty(&value).unwrap_or_default()] {
            let places = Places::of(&source);
            let mut pointers = Vec::new();
            each(&value, "", &mut pointers);
            for (pointer, text) in pointers {
                let found = text_at(&source, places.find(&pointer));
                let Some(text) = text else { continue };
                let plain = found.trim_start_matches(['\'', '"', '&']);
                let anchored = plain.split_once(' ').map_or("", |(_, rest)| rest.trim_start_matches(['\'', '"']));
                let alias = found.starts_with('*');
                prop_assert!(
                    plain.starts_with(&text) || anchored.starts_with(&text) || alias,
                    "{pointer} should be at `{text}`, is at `{found}` in\n{source}"
                );
            }
        }
    }
}
