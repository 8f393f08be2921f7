//! Patterns against what they should find.

use super::*;

fn all(pattern: &str, flags: &str, text: &str) -> Vec<String> {
    let flags = Flags::parse(flags).expect("flags");
    let pattern = Pattern::compile(pattern, flags).expect("a pattern");
    let text: Vec<char> = text.chars().collect();
    let found = pattern.matches(&text);
    let whole = found.iter().map(|groups| groups[0].expect("the match itself"));
    whole.map(|(start, end)| text[start..end].iter().collect()).collect()
}

#[test]
fn patterns_find_what_they_describe() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("a+", "g", "aa b a", &["aa", "a"]),
        ("a+?", "g", "aa", &["a", "a"]),
        ("a+", "gl", "aa", &["a", "a"]),
        ("a|ab", "", "ab", &["a"]),
        ("(ab|a)(c|bcd)?", "", "abcd", &["abc"]),
        ("a{2}", "g", "aaaaa", &["aa", "aa"]),
        ("a{2,}", "g", "aaaaa", &["aaaaa"]),
        ("a{,2}b", "g", "aaab", &["aab"]),
        ("a{x}", "", "a{x}", &["a{x}"]),
        ("[^a-c]+", "g", "abxyc", &["xy"]),
        ("[]a]", "g", "]a", &["]", "a"]),
        ("[a-]", "g", "-a", &["-", "a"]),
        ("[\\d\\s]+", "g", "1 2x", &["1 2"]),
        ("[[:alpha:]]+", "g", "aä1", &["aä"]),
        ("\\p{Lu}", "g", "aÄB", &["Ä", "B"]),
        ("\\P{L}", "g", "a1", &["1"]),
        ("\\bb\\w*\\b", "g", "ab bc", &["bc"]),
        ("\\Ba", "g", "a ba", &["a"]),
        ("^a", "g", "aa\na", &["a"]),
        ("^a$", "gm", "a\nb\na", &["a", "a"]),
        ("a.b", "", "a\nb", &[]),
        ("a.b", "s", "a\nb", &["a\nb"]),
        ("STRASSE|ä", "gi", "strasse Ä", &["strasse", "Ä"]),
        ("[A-Z]", "gi", "aB", &["a", "B"]),
        ("a b # c", "x", "ab", &["ab"]),
        ("x*", "g", "axb", &["", "x", ""]),
        ("x*", "gn", "axb", &["x"]),
        ("(a*)*", "", "aab", &["aa"]),
        ("(a|b)*c", "", "abac", &["abac"]),
        ("\\x41\\u0042\\x{43}\\.", "", "ABC.", &["ABC."]),
        ("(?:a|b){3}", "", "abab", &["aba"]),
        ("", "g", "ä", &["", ""]),
    ];
    for (pattern, flags, text, expected) in cases {
        assert_eq!(all(pattern, flags, text), *expected, "{pattern} with {flags:?} on {text:?}");
    }
}

#[test]
fn a_group_holds_its_last_turn() {
    let pattern = Pattern::compile("(?:(b)|(a))*", Flags::default()).expect("a pattern");
    let groups = pattern.matches(&['a', 'b', 'a']);
    assert_eq!(groups, [[Some((0, 3)), Some((1, 2)), Some((2, 3))]]);
}
