//! What the reader makes of small files.

use super::*;

fn parse(text: &str) -> Source {
    Source::parse("sample.rs", text).unwrap()
}

fn scope_of(source: &Source, name: &str) -> Scope {
    source.tokens.iter().find(|token| token.text == name).unwrap().scope
}

#[test]
fn strings_and_comments_are_not_names() {
    let source = parse("//! head\n/// doc\nfn f() { /* in */ g(\"text\\n\"); } // tail\n");
    let names: Vec<&str> = source
        .tokens
        .iter()
        .filter(|token| token.kind == Kind::Name)
        .map(|token| token.text.as_str())
        .collect();
    assert_eq!(names, ["fn", "f", "g"]);
    assert!(source.tokens.iter().any(|token| token.kind == Kind::Text && token.text == "text\n"));
    let comments: Vec<usize> = source.comments.iter().map(|(line, _)| *line).collect();
    assert_eq!(comments, [1, 2, 3]);
    assert!(source.comments[2].1.contains("in") && source.comments[2].1.contains("tail"));
    assert!(!source.comments[2].1.contains("text"));
}

#[test]
fn texts_beyond_ascii_shift_nothing() {
    let source = parse("const A: &str = \"¡Qué año! €\"; // señal\nfn f() {} // fin\n");
    assert_eq!(source.comments, [(1, "// señal".to_owned()), (2, "// fin".to_owned())]);
}

#[test]
fn test_code_is_told_from_product_code() {
    let text = "use a::{b, c};\n#[cfg(test)]\nuse x::helper;\nfn live() {}\n\
                #[cfg(test)]\nmod tests {\n    fn inside() {}\n}\n#[tokio::test]\nasync fn lone() {}\n\
                #[cfg(not(test))]\nfn also_live() {}\n#[cfg(all(test, unix))]\nfn both() {}\n";
    let source = parse(text);
    for name in ["live", "also_live", "b"] {
        assert_eq!(scope_of(&source, name), Scope::Product, "{name}");
    }
    for name in ["helper", "inside", "lone", "both"] {
        assert_eq!(scope_of(&source, name), Scope::Test, "{name}");
    }
    assert_eq!(source.product_lines, text.lines().count() - 4);
}

#[test]
fn code_after_a_test_module_counts() {
    let text = format!("#[cfg(test)]\nmod tests;\n{}", "fn f() {}\n".repeat(9));
    assert_eq!(parse(&text).product_lines, 9);
}

#[test]
fn a_test_module_in_another_file_is_noted() {
    let source = parse("#[cfg(test)]\n#[path = \"other.rs\"]\npub(crate) mod tests;\n");
    assert_eq!(source.test_modules[0].name, "tests");
    assert_eq!(source.test_modules[0].path.as_deref(), Some("other.rs"));
}

#[test]
fn functions_are_measured_from_fn_to_the_brace() {
    let source = parse("struct S;\nimpl S {\n    /// Doc.\n    fn f(\n        &self,\n    ) {\n    }\n}\n");
    assert_eq!((source.functions[0].line, source.functions[0].lines), (4, 4));
}

#[test]
fn paths_are_resolved_through_imports() {
    let text = "use tokio::{self, time as t};\nuse std::time::*;\nfn f() { t::sleep(d); Instant::now(); tokio::spawn(x) }";
    let all: Vec<String> = parse(text).paths().into_iter().map(|(_, path)| path.join("::")).collect();
    for path in ["tokio::time::sleep", "std::time::Instant::now", "tokio::spawn"] {
        assert!(all.iter().any(|found| found == path), "{path} in {all:?}");
    }
}

#[test]
fn what_is_not_rust_is_an_error() {
    assert!(Source::parse("sample.rs", "fn {").is_err());
}
