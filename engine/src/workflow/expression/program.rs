//! Compiling a source into a filter of jaq, and running it under the meter.

use std::cell::OnceCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jaq_core::compile::Undefined;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::Term;
use jaq_core::load::{Arena, Error as LoadError, File, Lexer, Loader, Parser, span};
use jaq_core::path::{Opt, Part};
use jaq_core::{Compiler, Ctx, Filter, Vars};
use serde_json::Value;

use super::builtins::{self, Cage, Scope};
use super::meter::{self, Stopped, Trip};
use super::value::{Kind, Val, text_of};
use super::{CompileError, EvalError, Limits, check, lex};

/// Errors of jaq's loader or compiler, for each file; there is one.
type FileErrors<'a, E> = Vec<(File<&'a str, ()>, E)>;

/// Characters of an error's message that are kept.
const MESSAGE_CHARS: usize = 500;

/// A compiled filter and what it needs.
pub(super) struct Program {
    source: String,
    filter: Filter<Cage>,
    /// Names of the global variables, with the dollar sign, and whether the filter reads them.
    variables: Vec<(String, bool)>,
    uses_input: bool,
    steps: Option<Steps>,
}

/// A filter that is only a path of field names, as most are: it is followed without jaq.
struct Steps {
    /// The variable to start from, or the input.
    variable: Option<usize>,
    fields: Vec<String>,
}

/// What an evaluation reads; each part is taken in when it is first needed, and once.
pub(super) struct Inputs<'a> {
    input: &'a Value,
    variables: &'a [&'a Value],
    taken_input: OnceCell<Val>,
    taken_variables: Vec<OnceCell<Val>>,
}

impl<'a> Inputs<'a> {
    /// Holds an input and the values of the variables.
    pub(super) fn new(input: &'a Value, variables: &'a [&'a Value]) -> Self {
        let taken_variables = variables.iter().map(|_| OnceCell::new()).collect();
        Self { input, variables, taken_input: OnceCell::new(), taken_variables }
    }

    fn input(&self) -> Val {
        self.taken_input.get_or_init(|| Val::from_json(self.input)).clone()
    }

    fn variable(&self, index: usize) -> Val {
        match (self.taken_variables.get(index), self.variables.get(index)) {
            (Some(taken), Some(value)) => taken.get_or_init(|| Val::from_json(value)).clone(),
            _ => Val::default(),
        }
    }
}

impl Program {
    /// Compiles a source.
    pub(super) fn compile(source: &str, variables: &[&str]) -> Result<Self, CompileError> {
        lex::check(source)?;
        let work = || Self::compile_checked(source, variables);
        catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(CompileError::Panicked))
    }

    fn compile_checked(source: &str, variables: &[&str]) -> Result<Self, CompileError> {
        let names = variables.iter().map(|name| variable_name(name)).collect::<Result<Vec<_>, _>>()?;
        let term = parse(source)?;
        let uses = check::check(source, &term)?;
        let definitions =
            builtins::definitions(&uses.calls).map_err(|call| unknown_function(source, &call))?;
        let arena = Arena::default();
        let modules = Loader::new(definitions)
            .load(&arena, File { code: source, path: () })
            .map_err(|errors| load_error(source, errors))?;
        let filter = Compiler::default()
            .with_funs(builtins::natives())
            .with_global_vars(names.iter().map(String::as_str))
            .compile(modules)
            .map_err(|errors| undefined(source, variables, errors))?;
        let steps = Steps::of(&term, &names);
        let used = |name: String| (uses.variables.contains(name.as_str()), name);
        let variables = names.iter().cloned().map(used).map(|(used, name)| (name, used)).collect();
        Ok(Self { source: source.to_owned(), filter, variables, uses_input: uses.input, steps })
    }

    /// Returns the source.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// True if both were compiled from the same source with the same variables.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.source == other.source && self.variables == other.variables
    }

    /// Returns the first output, or null.
    pub(super) fn evaluate(
        &self,
        inputs: &Inputs<'_>,
        now_ms: i64,
        limits: &Limits,
    ) -> Result<Value, EvalError> {
        self.check_variables(inputs)?;
        if let Some(value) = self.follow_steps(inputs, limits)? {
            return Ok(value);
        }
        metered(limits, now_ms, || self.first(inputs).map(|value| value.to_json()))
    }

    /// Returns all outputs.
    pub(super) fn evaluate_all(
        &self,
        inputs: &Inputs<'_>,
        now_ms: i64,
        limits: &Limits,
    ) -> Result<Vec<Value>, EvalError> {
        self.check_variables(inputs)?;
        metered(limits, now_ms, || {
            let mut outputs = Vec::new();
            let mut bytes = 0;
            for output in self.run(inputs) {
                if outputs.len() >= limits.max_outputs {
                    return Err(EvalError::Outputs { limit: limits.max_outputs });
                }
                let output = output?;
                bytes += output.bytes();
                meter::admit(bytes, 0);
                outputs.push(output.to_json());
            }
            Ok(outputs)
        })
    }

    /// Refuses a number of variables that is not that of the compilation.
    pub(super) fn check_variables(&self, inputs: &Inputs<'_>) -> Result<(), EvalError> {
        let (expected, given) = (self.variables.len(), inputs.variables.len());
        if expected == given { Ok(()) } else { Err(EvalError::Variables { expected, given }) }
    }

    /// Returns the first output, or null; to be called under the meter.
    pub(super) fn first(&self, inputs: &Inputs<'_>) -> Result<Val, EvalError> {
        self.run(inputs).next().unwrap_or_else(|| Ok(Val::default()))
    }

    fn run<'a>(&'a self, inputs: &Inputs<'_>) -> impl Iterator<Item = Result<Val, EvalError>> + use<'a> {
        let variables = self.variables.iter().enumerate().map(|(index, (_, used))| match used {
            true => inputs.variable(index),
            false => Val::default(),
        });
        let variables = Vars::new(variables.collect::<Vec<_>>());
        let input = if self.uses_input { inputs.input() } else { Val::default() };
        let context = Ctx::<Cage>::new(Scope(&self.filter.lut), variables);
        self.filter.id.run((context, input)).map(|output| output.map_err(failure))
    }

    /// Follows a path of field names without taking anything in; nothing if it takes jaq to answer.
    fn follow_steps(&self, inputs: &Inputs<'_>, limits: &Limits) -> Result<Option<Value>, EvalError> {
        let Some(steps) = &self.steps else { return Ok(None) };
        let root = match steps.variable {
            None => Some(inputs.input),
            Some(index) => inputs.variables.get(index).copied(),
        };
        let found = steps.fields.iter().try_fold(root.unwrap_or(&Value::Null), |value, field| match value {
            Value::Null => Some(&Value::Null),
            Value::Object(fields) => Some(fields.get(field).unwrap_or(&Value::Null)),
            _ => None,
        });
        let Some(found) = found else { return Ok(None) };
        let mut bytes = limits.max_bytes;
        match fits(found, limits.max_depth, &mut bytes) {
            Ok(()) => Ok(Some(found.clone())),
            Err(trip) => Err(passed(trip, limits)),
        }
    }
}

impl Steps {
    fn of(term: &Term<&str>, names: &[String]) -> Option<Self> {
        let (root, path) = match term {
            Term::Path(root, path) => (root.as_ref(), path.0.as_slice()),
            root => (root, [].as_slice()),
        };
        let variable = match root {
            Term::Id => None,
            // The last of two variables with the same name is the one that counts.
            Term::Var(name) => Some(names.iter().rposition(|known| known == name)?),
            _ => return None,
        };
        let field = |(part, opt): &(Part<Term<&str>>, Opt)| match (part, opt) {
            (Part::Index(Term::Str(None, parts)), Opt::Essential) => match parts.as_slice() {
                [StrPart::Str(field)] => Some((*field).to_owned()),
                _ => None,
            },
            _ => None,
        };
        Some(Self { variable, fields: path.iter().map(field).collect::<Option<_>>()? })
    }
}

/// Runs `work` under the meter.
pub(super) fn metered<T>(
    limits: &Limits,
    now_ms: i64,
    work: impl FnOnce() -> Result<T, EvalError>,
) -> Result<T, EvalError> {
    meter::metered(limits, now_ms, work).unwrap_or_else(|stopped| match stopped {
        Stopped::Limit(trip) => Err(passed(trip, limits)),
        Stopped::Panicked => Err(EvalError::Panicked),
    })
}

fn passed(trip: Trip, limits: &Limits) -> EvalError {
    match trip {
        Trip::Fuel => EvalError::Fuel { limit: limits.fuel },
        Trip::Bytes => EvalError::Bytes { limit: limits.max_bytes },
        Trip::Depth => EvalError::Depth { limit: limits.max_depth },
        Trip::Stack => EvalError::Stack,
    }
}

/// Checks the size and depth of a JSON value; `bytes` is what is left.
fn fits(value: &Value, depth: usize, bytes: &mut usize) -> Result<(), Trip> {
    let mut take = |size: usize| match bytes.checked_sub(size) {
        Some(left) => {
            *bytes = left;
            Ok(())
        }
        None => Err(Trip::Bytes),
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => take(4),
        Value::String(text) => take(text.len() + 2),
        Value::Array(items) => {
            take(2 + items.len())?;
            let depth = depth.checked_sub(1).ok_or(Trip::Depth)?;
            items.iter().try_for_each(|item| fits(item, depth, bytes))
        }
        Value::Object(fields) => {
            take(2 + fields.keys().map(|key| key.len() + 4).sum::<usize>())?;
            let depth = depth.checked_sub(1).ok_or(Trip::Depth)?;
            fields.values().try_for_each(|value| fits(value, depth, bytes))
        }
    }
}

/// Turns an exception of jaq into an error.
fn failure(exception: jaq_core::Exn<'_, Val>) -> EvalError {
    let message = match exception.get_err() {
        Ok(error) => {
            let value = error.into_val();
            match &value.kind {
                Kind::Text(text) => text.as_str().to_owned(),
                _ => text_of(&value),
            }
        }
        Err(_) => "it broke out of a label that it had left".to_owned(),
    };
    EvalError::Failed { message: message.chars().take(MESSAGE_CHARS).collect() }
}

fn variable_name(name: &str) -> Result<String, CompileError> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    match first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        true => Ok(format!("${name}")),
        false => Err(CompileError::VariableName { name: name.to_owned() }),
    }
}

fn parse(source: &str) -> Result<Term<&str>, CompileError> {
    let tokens = Lexer::new(source).lex().map_err(|errors| match errors.first() {
        Some((expected, rest)) => syntax(source, rest, expected.as_str()),
        None => syntax(source, "", "a token"),
    })?;
    if let Some(first) =
        tokens.first().filter(|first| ["import", "include", "module"].contains(&first.as_str()))
    {
        check::refuse(first.as_str(), span(source, first.as_str()).start)?;
    }
    Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| match errors.first() {
        Some((expected, Some(found))) => syntax(source, found.as_str(), expected.as_str()),
        Some((expected, None)) => syntax(source, &source[source.len()..], expected.as_str()),
        None => syntax(source, "", "a term"),
    })
}

fn syntax(source: &str, rest: &str, expected: &str) -> CompileError {
    CompileError::Syntax { position: position(source, rest), expected: expected.to_owned() }
}

/// Returns where `part` is in `source`, or the end if it is not part of it.
fn position(source: &str, part: &str) -> usize {
    let inside = source.as_bytes().as_ptr_range();
    match inside.contains(&part.as_ptr()) {
        true => span(source, part).start,
        false => source.len(),
    }
}

fn load_error(source: &str, errors: FileErrors<'_, LoadError<&str>>) -> CompileError {
    match errors.first() {
        Some((_, LoadError::Lex(errors))) if let Some((expected, rest)) = errors.first() => {
            syntax(source, rest, expected.as_str())
        }
        Some((_, LoadError::Parse(errors))) if let Some((expected, rest)) = errors.first() => {
            syntax(source, rest, expected.as_str())
        }
        _ => syntax(source, "", "an expression without modules"),
    }
}

fn unknown_function(source: &str, (name, arity): &builtins::Signature<'_>) -> CompileError {
    let known = builtins::arities(name);
    let hint = match known.first() {
        Some(_) => format!(": it takes {known:?} arguments, not {arity}"),
        None => String::new(),
    };
    CompileError::Unknown {
        kind: "function",
        name: (*name).to_owned(),
        position: position(source, name),
        hint,
    }
}

fn undefined(
    source: &str,
    variables: &[&str],
    errors: FileErrors<'_, Vec<(&str, Undefined)>>,
) -> CompileError {
    let first = errors.iter().flat_map(|(_, errors)| errors).next();
    let Some((name, kind)) = first else { return syntax(source, "", "an expression") };
    let hint = match kind {
        Undefined::Var if !variables.is_empty() => format!(": there are ${}", variables.join(", $")),
        _ => String::new(),
    };
    CompileError::Unknown {
        kind: kind.as_str(),
        name: (*name).to_owned(),
        position: position(source, name),
        hint,
    }
}
