//! Regular expressions that are paid for step by step.
//!
//! The engines that exist bound one search, not the search for every match, and not with fuel; so the cage brings a
//! small one of its own: Thompson's construction run as a Pike virtual machine (Rob Pike's `sam`; described by Russ
//! Cox, "Regular Expression Matching: the Virtual Machine Approach", 2009). There is no backtracking: one search
//! takes time in proportion to pattern times text, and each step takes fuel.
//!
//! Syntax: literals, `.`, classes, `\d \w \s \b` and their opposites, `\p{L}` and its kin, `^ $ \A \z`, groups
//! (plain, `(?:...)`, named), alternation, greedy and lazy repetition. Backreferences and look-around are refused.

mod class;
mod machine;
mod parse;
mod program;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use super::meter;
use program::Program;

/// Characters that a pattern may have.
const MAX_PATTERN_CHARS: usize = 1_024;

/// How to match: the flags that jq knows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) global: bool,
    pub(super) skip_empty: bool,
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    swap_greed: bool,
    extended: bool,
}

impl Flags {
    /// Reads flags such as `gi`.
    ///
    /// # Errors
    ///
    /// The first letter that is no flag.
    pub(super) fn parse(text: &str) -> Result<Self, char> {
        let mut flags = Self::default();
        for letter in text.chars() {
            match letter {
                'g' => flags.global = true,
                'n' => flags.skip_empty = true,
                'i' => flags.ignore_case = true,
                'm' => flags.multi_line = true,
                's' => flags.dot_all = true,
                'l' => flags.swap_greed = true,
                'x' => flags.extended = true,
                'p' => (flags.multi_line, flags.dot_all) = (true, true),
                _ => return Err(letter),
            }
        }
        Ok(flags)
    }
}

/// A range of characters, from the first up to but without the second position.
pub(super) type Span = (usize, usize);

/// A compiled pattern.
pub(super) struct Pattern {
    program: Program,
    flags: Flags,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// What is wrong with the pattern, as text.
    pub(super) fn compile(source: &str, flags: Flags) -> Result<Self, String> {
        let source: Vec<char> = source.chars().take(MAX_PATTERN_CHARS + 1).collect();
        if source.len() > MAX_PATTERN_CHARS {
            return Err(format!("it is longer than {MAX_PATTERN_CHARS} characters"));
        }
        meter::charge(8 * source.len() as u64);
        let parsed = parse::parse(&source, flags)?;
        Ok(Self { program: Program::build(&parsed, flags)?, flags })
    }

    /// Names of the groups, without group 0, which is the match.
    pub(super) fn names(&self) -> &[Option<Rc<String>>] {
        &self.program.names
    }

    /// Finds the matches: one, or with the flag `g` all that do not overlap.
    ///
    /// A match is the span of each group, that of the match itself first.
    pub(super) fn matches(&self, text: &[char]) -> Vec<Vec<Option<Span>>> {
        let mut found = Vec::new();
        let mut from = 0;
        let mut last_end = None;
        while from <= text.len() {
            let Some(groups) = machine::search(&self.program, text, from) else { break };
            let Some((start, end)) = groups.first().copied().flatten() else { break };
            from = if start == end { end + 1 } else { end };
            if start == end && (self.flags.skip_empty || last_end == Some(end)) {
                continue;
            }
            last_end = Some(end);
            meter::charge(1 + groups.len() as u64);
            found.push(groups);
            if !self.flags.global {
                break;
            }
        }
        found
    }

    /// True if the pattern matches somewhere.
    pub(super) fn is_match(&self, text: &[char]) -> bool {
        match self.flags.skip_empty {
            true => !self.matches(text).is_empty(),
            false => machine::search(&self.program, text, 0).is_some(),
        }
    }
}
