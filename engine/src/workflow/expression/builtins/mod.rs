//! The functions that an expression may call: this list and nothing else.
//!
//! Some are of jaq and its standard library, chosen by name; the others are here, in Rust or in `library.jq`.
//! A compiled filter takes in only those definitions that it uses.

mod number;
mod structure;
mod text;
mod time;

use std::collections::HashSet;
use std::sync::LazyLock;

use jaq_core::data::HasLut;
use jaq_core::load::parse::{Def, Term};
use jaq_core::native::{Fun, run};
use jaq_core::{DataT, Lut};

use super::check;
use super::meter;
use super::value::Val;

/// Natives of jaq's standard library that are let in; all others, such as `halt`, are not.
const STANDARD: &[&str] = &[
    "ascii_downcase",
    "ascii_upcase",
    "ceil",
    "endswith",
    "escape_sh",
    "explode",
    "floor",
    "group_by",
    "ltrim",
    "max_by_or_empty",
    "min_by_or_empty",
    "reverse",
    "round",
    "rtrim",
    "sort",
    "sort_by",
    "startswith",
    "trim",
    "utf8bytelength",
];

/// Natives of jaq's core that are let in.
const CORE: &[&str] = &[
    "error_empty",
    "path",
    "path_value",
    "range",
    "keys_unsorted",
    "key_values",
    "first",
    "last",
    "limit",
    "skip",
];

/// The kind of data that caged filters run on.
pub(super) struct Cage;

impl DataT for Cage {
    type V<'a> = Val;
    type Data<'a> = Scope<'a>;
}

/// The table of a filter's terms. jaq looks up each term that it runs here: this is where it is metered.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a>(pub(super) &'a Lut<Cage>);

impl<'a> HasLut<'a, Cage> for Scope<'a> {
    fn lut(&self) -> &'a Lut<Cage> {
        meter::step();
        self.0
    }
}

/// A name and how many arguments it takes.
pub(super) type Signature<'a> = (&'a str, usize);

/// A definition of the library with what it calls.
struct Definition {
    def: Def<&'static str>,
    calls: HashSet<Signature<'static>>,
}

static LIBRARY: LazyLock<Vec<Definition>> = LazyLock::new(|| {
    let defs = jaq_core::load::parse(include_str!("library.jq"), |parser| parser.defs()).unwrap_or_default();
    defs.into_iter()
        .map(|def| {
            let body = Term::Def(vec![def.clone()], Box::new(Term::Id));
            let calls = check::free_calls(&body);
            Definition { def, calls }
        })
        .collect()
});

static NATIVE_NAMES: LazyLock<HashSet<Signature<'static>>> =
    LazyLock::new(|| natives().map(|(name, arguments, _)| (name, arguments.len())).collect());

/// Returns all natives.
pub(super) fn natives() -> impl Iterator<Item = Fun<Cage>> {
    let core = jaq_core::funs::<Cage>().filter(|(name, ..)| CORE.contains(name));
    let standard = jaq_std::base_funs::<Cage>().filter(|(name, ..)| STANDARD.contains(name));
    let own = structure::natives()
        .into_iter()
        .chain(number::natives())
        .chain(text::natives())
        .chain(time::natives());
    core.chain(standard).chain(own.map(run::<Cage>)).chain([structure::recurse()])
}

/// Returns the definitions that `calls` need, in the order of the library, or the first call of an unknown function.
pub(super) fn definitions<'a>(
    calls: &HashSet<Signature<'a>>,
) -> Result<Vec<Def<&'static str>>, Signature<'a>> {
    let mut wanted: HashSet<Signature<'_>> = calls.clone();
    let mut found: Vec<Def<&'static str>> = Vec::new();
    // A definition only calls what stands above it, so one pass from the end finds all.
    for definition in LIBRARY.iter().rev() {
        if wanted.remove(&(definition.def.name, definition.def.args.len())) {
            wanted.extend(definition.calls.iter().copied());
            found.push(definition.def.clone());
        }
    }
    found.reverse();
    let known = |call: &&Signature<'a>| {
        NATIVE_NAMES.contains(*call) || found.iter().any(|def| (def.name, def.args.len()) == **call)
    };
    let mut unknown: Vec<Signature<'a>> = calls.iter().filter(|call| !known(call)).copied().collect();
    unknown.sort_unstable();
    match unknown.first() {
        Some(call) => Err(*call),
        None => Ok(found),
    }
}

/// Returns how many arguments a function of this name may take.
pub(super) fn arities(name: &str) -> Vec<usize> {
    let library = LIBRARY.iter().map(|definition| (definition.def.name, definition.def.args.len()));
    let mut arities: Vec<usize> = library
        .chain(NATIVE_NAMES.iter().copied())
        .filter(|(known, _)| *known == name)
        .map(|(_, arity)| arity)
        .collect();
    arities.sort_unstable();
    arities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_parses_and_calls_only_what_is_above() {
        assert!(LIBRARY.len() > 100);
        let mut known: HashSet<Signature<'_>> = NATIVE_NAMES.clone();
        for Definition { def, calls } in LIBRARY.iter() {
            for call in calls {
                assert!(known.contains(call), "{} calls {call:?}, which is not above it", def.name);
            }
            assert!(known.insert((def.name, def.args.len())), "{} is there twice", def.name);
        }
    }
}
