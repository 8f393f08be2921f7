//! The second look: a walk over the syntax tree that refuses recursion and notes what the expression uses.

use std::collections::HashSet;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::span;
use jaq_core::path::{Part, Path};

use super::CompileError;
use super::builtins::Signature;

/// Levels that a syntax tree may have, where each part of a chain, an object, a text and a path is a level.
const MAX_DEPTH: usize = 120;

/// Functions that neither read their input nor run anything.
const CONSTANTS: &[&str] = &["empty", "false", "infinite", "nan", "now", "null", "true"];

/// Functions of jq that are not let in, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("env", "the environment of the server is not for expressions; pass what is needed as data"),
    ("halt", "use error to fail the run"),
    ("halt_error", "use error to fail the run"),
    ("debug", "expressions cannot print"),
    ("stderr", "expressions cannot print"),
    ("input", "there is one input, and it is the dot"),
    ("inputs", "there is one input, and it is the dot"),
    ("input_filename", "there is no file"),
    ("input_line_number", "there is no file"),
    ("localtime", "the time zone of the server is not for expressions; use gmtime"),
    ("strflocaltime", "the time zone of the server is not for expressions; use strftime"),
    ("import", "expressions have no modules"),
    ("include", "expressions have no modules"),
    ("module", "expressions have no modules"),
    ("modulemeta", "expressions have no modules"),
    ("get_search_list", "expressions have no modules"),
    ("$ENV", "the environment of the server is not for expressions; pass what is needed as data"),
    ("$__loc__", "there is no file"),
    ("$__prog_args", "there are no arguments"),
];

/// What an expression uses.
#[derive(Debug, Default)]
pub(super) struct Uses<'a> {
    /// Functions that it calls but does not define, each at its first place.
    pub(super) calls: HashSet<Signature<'a>>,
    /// Variables that it reads, with the dollar sign.
    pub(super) variables: HashSet<&'a str>,
    /// True if it may read its input.
    pub(super) input: bool,
}

/// Walks over a syntax tree.
///
/// # Errors
///
/// It is too deep, or contains a recursive definition or something that is not let in.
pub(super) fn check<'a>(source: &'a str, term: &Term<&'a str>) -> Result<Uses<'a>, CompileError> {
    let mut walk = Walk { source, scope: Vec::new(), uses: Uses::default() };
    walk.term(term, 0)?;
    Ok(walk.uses)
}

/// Returns what a definition of the library calls.
pub(super) fn free_calls(term: &Term<&'static str>) -> HashSet<Signature<'static>> {
    check("", term).map(|uses| uses.calls).unwrap_or_default()
}

/// Refuses a name that is known to be unsafe.
pub(super) fn refuse(name: &str, position: usize) -> Result<(), CompileError> {
    match REFUSED.iter().find(|(refused, _)| *refused == name) {
        Some((_, hint)) => Err(CompileError::Refused { what: name.to_owned(), position, hint }),
        None => Ok(()),
    }
}

struct Bound<'a> {
    name: &'a str,
    arity: usize,
    /// True while the body of the definition is walked.
    open: bool,
}

struct Walk<'a> {
    source: &'a str,
    scope: Vec<Bound<'a>>,
    uses: Uses<'a>,
}

type Outcome = Result<(), CompileError>;

impl<'a> Walk<'a> {
    fn position(&self, name: &str) -> usize {
        if self.source.is_empty() { 0 } else { span(self.source, name).start }
    }

    fn term(&mut self, term: &Term<&'a str>, depth: usize) -> Outcome {
        within(depth)?;
        let next = depth + 1;
        match term {
            Term::Id | Term::Recurse => self.uses.input = true,
            Term::Num(_) | Term::Arr(None) | Term::Break(_) => (),
            Term::Str(format, parts) => self.text(format.as_ref(), parts, next)?,
            Term::Arr(Some(inside)) | Term::Neg(inside) | Term::Label(_, inside) => {
                self.term(inside, next)?
            }
            Term::Obj(fields) => self.object(fields, next)?,
            Term::BinOp(left, operator, right) => {
                self.term(left, next)?;
                if let BinaryOp::Pipe(Some(pattern)) = operator {
                    self.pattern(pattern, next)?;
                }
                self.term(right, next)?;
            }
            Term::Fold(_, stream, pattern, arguments) => {
                self.term(stream, next)?;
                self.pattern(pattern, next)?;
                arguments.iter().try_for_each(|argument| self.term(argument, next))?;
            }
            Term::TryCatch(tried, caught) => {
                self.term(tried, next)?;
                caught.iter().try_for_each(|caught| self.term(caught, next))?;
            }
            Term::IfThenElse(branches, otherwise) => {
                // Without an else the input is passed on.
                self.uses.input |= otherwise.is_none();
                for (index, (condition, then)) in branches.iter().enumerate() {
                    self.term(condition, next + index)?;
                    self.term(then, next + index)?;
                }
                otherwise.iter().try_for_each(|otherwise| self.term(otherwise, next + branches.len()))?;
            }
            Term::Def(definitions, rest) => self.definitions(definitions, rest, next)?,
            Term::Call(name, arguments) => {
                self.call(name, arguments.len())?;
                arguments.iter().try_for_each(|argument| self.term(argument, next))?;
            }
            Term::Var(name) => {
                refuse(name, self.position(name))?;
                self.uses.variables.insert(name);
            }
            Term::Path(head, path) => {
                self.term(head, next)?;
                self.path(path, next)?;
            }
        }
        Ok(())
    }

    fn text(
        &mut self,
        format: Option<&&'a str>,
        parts: &[StrPart<&'a str, Term<&'a str>>],
        depth: usize,
    ) -> Outcome {
        if let Some(format) = format {
            self.call(format, 0)?;
        }
        for (index, part) in parts.iter().enumerate() {
            within(depth + index)?;
            if let StrPart::Term(term) = part {
                self.term(term, depth + index)?;
            }
        }
        Ok(())
    }

    fn object(&mut self, fields: &[(Term<&'a str>, Option<Term<&'a str>>)], depth: usize) -> Outcome {
        for (index, (key, value)) in fields.iter().enumerate() {
            self.term(key, depth + index)?;
            match value {
                Some(value) => self.term(value, depth + index)?,
                // {$x} is the variable, {x} a field of the input.
                None => self.uses.input |= !matches!(key, Term::Var(_)),
            }
        }
        Ok(())
    }

    fn path(&mut self, path: &Path<Term<&'a str>>, depth: usize) -> Outcome {
        for (index, (part, _)) in path.0.iter().enumerate() {
            match part {
                Part::Index(term) => self.term(term, depth + index)?,
                Part::Range(from, upto) => {
                    within(depth + index)?;
                    from.iter().chain(upto).try_for_each(|term| self.term(term, depth + index))?;
                }
            }
        }
        Ok(())
    }

    fn pattern(&mut self, pattern: &Pattern<&'a str>, depth: usize) -> Outcome {
        within(depth)?;
        match pattern {
            Pattern::Var(_) => Ok(()),
            Pattern::Arr(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, pattern)| self.pattern(pattern, depth + 1 + index)),
            Pattern::Obj(fields) => fields.iter().enumerate().try_for_each(|(index, (key, pattern))| {
                self.term(key, depth + 1 + index)?;
                self.pattern(pattern, depth + 1 + index)
            }),
        }
    }

    fn definitions(&mut self, definitions: &[Def<&'a str>], rest: &Term<&'a str>, depth: usize) -> Outcome {
        let outer = self.scope.len();
        for (index, definition) in definitions.iter().enumerate() {
            within(depth + index)?;
            let here = self.scope.len();
            let arity = definition.args.len();
            self.scope.push(Bound { name: definition.name, arity, open: true });
            let functions = definition.args.iter().filter(|name| !name.starts_with('$'));
            self.scope.extend(functions.map(|name| Bound { name, arity: 0, open: false }));
            self.term(&definition.body, depth + 1)?;
            self.scope.truncate(here);
            self.scope.push(Bound { name: definition.name, arity, open: false });
        }
        self.term(rest, depth)?;
        self.scope.truncate(outer);
        Ok(())
    }

    fn call(&mut self, name: &'a str, arity: usize) -> Outcome {
        let bound = self.scope.iter().rev().find(|bound| bound.name == name && bound.arity == arity);
        match bound {
            Some(Bound { open: true, .. }) => {
                return Err(CompileError::Recursive { name: name.to_owned(), position: self.position(name) });
            }
            Some(Bound { open: false, .. }) => self.uses.input = true,
            None => {
                refuse(name, self.position(name))?;
                if name.contains("::") {
                    let hint = "expressions have no modules";
                    let position = self.position(name);
                    return Err(CompileError::Refused { what: name.to_owned(), position, hint });
                }
                self.uses.input |= arity > 0 || !CONSTANTS.contains(&name);
                self.uses.calls.insert((name, arity));
            }
        }
        Ok(())
    }
}

fn within(depth: usize) -> Outcome {
    if depth > MAX_DEPTH { Err(CompileError::TooDeep { limit: MAX_DEPTH }) } else { Ok(()) }
}
