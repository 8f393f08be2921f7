//! One Rust file, read into the few facts that the rules ask about.

mod outline;
mod reader;
#[cfg(test)]
mod tests;

use std::ops::Range;

use proc_macro2::TokenStream;
use syn::visit::Visit;

use outline::Outline;
use reader::Reader;

/// A Rust file as tokens, comments, imports and functions; lines count from 1.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) tokens: Vec<Token>,
    /// Each line that holds comment text (doc comments too), with that text.
    pub(crate) comments: Vec<(usize, String)>,
    pub(crate) imports: Vec<Import>,
    pub(crate) functions: Vec<Function>,
    pub(crate) test_modules: Vec<TestModule>,
    /// Lines outside `#[cfg(test)] mod`.
    pub(crate) product_lines: usize,
}

/// A token; groups are flattened into their delimiters and what stands between them.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// The name, the punctuation mark (`::` is one), or the value of a string literal.
    pub(crate) text: String,
    pub(crate) line: usize,
    pub(crate) scope: Scope,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Text,
    Other,
}

/// Whether a token is part of the product or of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Product,
    Test,
}

/// One name that a `use` brings in; a glob has the local name `*`.
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    pub(crate) local: String,
    pub(crate) line: usize,
}

/// A function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// From `fn` to the closing brace.
    pub(crate) lines: usize,
}

/// A module under `#[cfg(test)]`.
pub(crate) struct TestModule {
    pub(crate) name: String,
    /// What `#[path = "..."]` says.
    pub(crate) path: Option<String>,
    lines: usize,
}

impl Source {
    /// Reads a file's text.
    ///
    /// # Errors
    /// The text is not Rust: says why.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, String> {
        let stream: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
        let file: syn::File = syn::parse2(stream.clone()).map_err(|error| error.to_string())?;
        let mut reader = Reader::new(text);
        reader.stream(stream, Scope::Product);
        let mut outline = Outline::default();
        outline.visit_file(&file);
        let test_lines: usize = reader.test_modules.iter().map(|module| module.lines).sum();
        Ok(Self {
            path: path.to_owned(),
            comments: uncovered(text, &reader.covered),
            tokens: reader.tokens,
            imports: outline.imports,
            functions: outline.functions,
            test_modules: reader.test_modules,
            product_lines: text.lines().count().saturating_sub(test_lines),
        })
    }

    /// Makes all of the file test code: another file declares it under `#[cfg(test)]`.
    pub(crate) fn mark_test(&mut self) {
        self.product_lines = 0;
        self.tokens.iter_mut().for_each(|token| token.scope = Scope::Test);
    }

    /// The text of the token at an index, empty past either end.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| if token.kind == Kind::Text { "" } else { &token.text })
    }

    /// The index of the delimiter that closes the one at `open`, or the end.
    pub(crate) fn close(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for index in open..self.tokens.len() {
            match self.text(index) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return index;
            }
        }
        self.tokens.len()
    }

    /// Every path that stands in the code (`a::b::c`, a lone name too) with its line, its head resolved by the
    /// file's imports; a head that several imports or globs could mean is given once for each.
    pub(crate) fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut found: Vec<(usize, Vec<String>)> =
            self.imports.iter().map(|import| (import.line, import.path.clone())).collect();
        for (index, token) in self.tokens.iter().enumerate() {
            let inside = index > 0 && self.text(index - 1) == "::" && index > 1 && self.is_name(index - 2);
            if token.kind == Kind::Name && !inside {
                let is_member = index > 0 && self.text(index - 1) == ".";
                let imports = if is_member { &[] } else { self.imports.as_slice() };
                found.extend(self.resolved(index, imports).into_iter().map(|path| (token.line, path)));
            }
        }
        found
    }

    fn is_name(&self, index: usize) -> bool {
        self.tokens.get(index).is_some_and(|token| token.kind == Kind::Name)
    }

    fn resolved(&self, start: usize, imports: &[Import]) -> Vec<Vec<String>> {
        let mut path = vec![self.text(start).to_owned()];
        let mut index = start + 1;
        while self.text(index) == "::" && self.is_name(index + 1) {
            path.push(self.text(index + 1).to_owned());
            index += 2;
        }
        let mut all: Vec<Vec<String>> = Vec::new();
        for import in imports {
            if import.local == "*" {
                let module = &import.path[..import.path.len() - 1];
                all.push(module.iter().chain(&path).cloned().collect());
            } else if import.local == path[0] {
                all.push(import.path.iter().chain(&path[1..]).cloned().collect());
            }
        }
        all.push(path);
        all
    }
}

/// The lines of the text that no token covers: the comments.
fn uncovered(text: &str, covered: &[Range<usize>]) -> Vec<(usize, String)> {
    let mut bytes = text.as_bytes().to_vec();
    for byte in covered.iter().flat_map(|range| range.clone()) {
        if bytes[byte] != b'\n' {
            bytes[byte] = b' ';
        }
    }
    let left = String::from_utf8_lossy(&bytes).into_owned();
    let lines = left.lines().enumerate().map(|(index, line)| (index + 1, line.trim().to_owned()));
    lines.filter(|(_, line)| !line.is_empty()).collect()
}
