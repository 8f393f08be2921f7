//! From token trees to a flat list of tokens that knows which are a test's.

use std::ops::Range;

use proc_macro2::{Delimiter, Group, Literal, Punct, Span, TokenStream, TokenTree};

use super::{Kind, Scope, TestModule, Token};

/// Flattens token trees and finds what belongs to tests.
pub(super) struct Reader<'a> {
    text: &'a str,
    pub(super) tokens: Vec<Token>,
    /// The bytes of the text that tokens take.
    pub(super) covered: Vec<Range<usize>>,
    pub(super) test_modules: Vec<TestModule>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, tokens: Vec::new(), covered: Vec::new(), test_modules: Vec::new() }
    }

    pub(super) fn stream(&mut self, stream: TokenStream, scope: Scope) {
        let trees: Vec<TokenTree> = stream.into_iter().collect();
        let mut test_until = 0;
        for (index, tree) in trees.iter().enumerate() {
            if index >= test_until && opens_test(&trees[index..]) {
                test_until = index + item_length(&trees[index..]);
                self.test_modules.extend(test_module(&trees[index..test_until]));
            }
            self.tree(tree, if index < test_until { Scope::Test } else { scope });
        }
    }

    fn tree(&mut self, tree: &TokenTree, scope: Scope) {
        if self.is_comment(tree.span()) {
            return;
        }
        match tree {
            TokenTree::Group(group) => self.group(group, scope),
            TokenTree::Ident(name) => {
                let text = name.to_string().trim_start_matches("r#").to_owned();
                self.push(Kind::Name, text, name.span(), scope);
            }
            TokenTree::Punct(mark) => self.punct(mark, scope),
            TokenTree::Literal(literal) => self.literal(literal, scope),
        }
    }

    fn group(&mut self, group: &Group, scope: Scope) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.push(Kind::Other, open.to_owned(), group.span_open(), scope);
        self.stream(group.stream(), scope);
        self.push(Kind::Other, close.to_owned(), group.span_close(), scope);
    }

    fn punct(&mut self, mark: &Punct, scope: Scope) {
        let start = mark.span().byte_range().start;
        let doubled = mark.as_char() == ':' && self.covered.last().is_some_and(|range| range.end == start);
        match self.tokens.last_mut() {
            Some(last) if doubled && last.text == ":" && last.kind == Kind::Other => {
                last.text.push(':');
                self.covered.push(mark.span().byte_range());
            }
            _ => self.push(Kind::Other, mark.as_char().to_string(), mark.span(), scope),
        }
    }

    fn literal(&mut self, literal: &Literal, scope: Scope) {
        let value = match syn::Lit::new(literal.clone()) {
            syn::Lit::Str(text) => Some(text.value()),
            syn::Lit::ByteStr(text) => Some(String::from_utf8_lossy(&text.value()).into_owned()),
            syn::Lit::CStr(text) => Some(text.value().to_string_lossy().into_owned()),
            _ => None,
        };
        let kind = if value.is_some() { Kind::Text } else { Kind::Other };
        self.push(kind, value.unwrap_or_else(|| literal.to_string()), literal.span(), scope);
    }

    fn push(&mut self, kind: Kind, text: String, span: Span, scope: Scope) {
        self.covered.push(span.byte_range());
        self.tokens.push(Token { kind, text, line: span.start().line, scope });
    }

    /// Doc comments reach us as attributes whose span is the comment.
    fn is_comment(&self, span: Span) -> bool {
        let text = self.text.get(span.byte_range()).unwrap_or_default();
        text.starts_with("//") || text.starts_with("/*")
    }
}

/// Says whether the trees begin with `#[cfg(test)]`, `#![cfg(test)]`, `#[test]` or a `#[...::test]`.
fn opens_test(trees: &[TokenTree]) -> bool {
    attribute(trees).is_some_and(|(group, _)| is_test_attribute(group.stream()))
}

/// The attribute that the trees begin with, and how many trees it takes.
fn attribute(trees: &[TokenTree]) -> Option<(&Group, usize)> {
    match trees {
        [TokenTree::Punct(hash), TokenTree::Group(group), ..] if hash.as_char() == '#' => Some((group, 2)),
        [TokenTree::Punct(hash), TokenTree::Punct(inner), TokenTree::Group(group), ..]
            if hash.as_char() == '#' && inner.as_char() == '!' =>
        {
            Some((group, 3))
        }
        _ => None,
    }
}

fn is_test_attribute(stream: TokenStream) -> bool {
    let mut last_name = String::new();
    for tree in stream {
        match tree {
            TokenTree::Ident(name) => last_name = name.to_string(),
            TokenTree::Group(group) if last_name == "cfg" => return requires_test(group.stream()),
            TokenTree::Punct(mark) if mark.as_char() == ':' => {}
            _ => break,
        }
    }
    last_name == "test"
}

/// Says whether a `cfg` predicate holds in test builds alone: `test`, or `all(...)` with it.
fn requires_test(stream: TokenStream) -> bool {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    match trees.as_slice() {
        [TokenTree::Ident(name)] => name == "test",
        [TokenTree::Ident(all), TokenTree::Group(group)] if all == "all" => {
            let mut parts = group.stream().into_iter().collect::<Vec<_>>();
            parts.retain(|part| !matches!(part, TokenTree::Punct(_)));
            parts.iter().any(|part| matches!(part, TokenTree::Ident(name) if name == "test"))
        }
        _ => false,
    }
}

/// How many trees the item takes that the trees begin with, attributes included; all of them after `#!`.
fn item_length(trees: &[TokenTree]) -> usize {
    let mut start = 0;
    while let Some((_, length)) = attribute(&trees[start..]) {
        if start == 0 && length == 3 {
            return trees.len();
        }
        start += length;
    }
    let end = trees[start..].iter().position(|tree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    });
    end.map_or(trees.len(), |end| start + end + 1)
}

fn test_module(item: &[TokenTree]) -> Option<TestModule> {
    let mut path = None;
    let mut start = 0;
    while let Some((group, length)) = attribute(&item[start..]) {
        path = path.or_else(|| path_attribute(group));
        start += length;
    }
    let at = item[start..].iter().position(|tree| matches!(tree, TokenTree::Ident(word) if word == "mod"))?;
    let (before, rest) = item[start..].split_at(at);
    let name = match rest.get(1)? {
        TokenTree::Ident(name) if before.len() <= 2 => name.to_string(),
        _ => return None,
    };
    let lines = item.last()?.span().end().line + 1 - item.first()?.span().start().line;
    Some(TestModule { name, path, lines })
}

fn path_attribute(group: &Group) -> Option<String> {
    let trees: Vec<TokenTree> = group.stream().into_iter().collect();
    match trees.as_slice() {
        [TokenTree::Ident(name), TokenTree::Punct(_), TokenTree::Literal(path)] if name == "path" => {
            Some(path.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}
