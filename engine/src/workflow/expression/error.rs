//! What can be wrong with an expression, and with evaluating it.

/// Says why an expression was not accepted; positions are bytes from its start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The source is too long.
    #[error("expression has {bytes} bytes, more than {limit}: split it into several steps")]
    TooLong {
        /// Bytes of the source.
        bytes: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// Brackets and strings are nested too deeply.
    #[error("expression nests brackets more than {limit} levels deep at byte {position}: split it")]
    TooNested {
        /// Where the first bracket too many is.
        position: usize,
        /// Levels that are allowed.
        limit: usize,
    },
    /// There are too many operators, keywords, path steps and brackets.
    #[error("expression has more than {limit} operators at byte {position}: split it into several steps")]
    TooManyOperators {
        /// Where the first operator too many is.
        position: usize,
        /// Operators that are allowed.
        limit: usize,
    },
    /// The syntax tree is too deep: a chain of operators, the fields of an object, the parts of a text.
    #[error(
        "expression chains more than {limit} steps into one another: split it or put parts into variables"
    )]
    TooDeep {
        /// Levels that are allowed.
        limit: usize,
    },
    /// The source is no jq.
    #[error("expression has an error at byte {position}: expected {expected}")]
    Syntax {
        /// Where the error is.
        position: usize,
        /// What should stand there.
        expected: String,
    },
    /// Something is not let in, because it would reach the machine or could run forever.
    #[error("expression may not use {what} (byte {position}): {hint}")]
    Refused {
        /// What is refused.
        what: String,
        /// Where it is.
        position: usize,
        /// What to do instead.
        hint: &'static str,
    },
    /// A definition calls itself, directly or through another.
    #[error(
        "definition {name:?} at byte {position} calls itself: use recurse, reduce, while or until instead"
    )]
    Recursive {
        /// Name of the definition.
        name: String,
        /// Where the call is.
        position: usize,
    },
    /// A name is not known.
    #[error("expression uses the unknown {kind} {name:?} at byte {position}{hint}")]
    Unknown {
        /// What it should be: a function, a variable or a label.
        kind: &'static str,
        /// The name.
        name: String,
        /// Where it is.
        position: usize,
        /// What there is instead, or nothing.
        hint: String,
    },
    /// A name for a variable is no identifier.
    #[error("{name:?} cannot name a variable: letters, digits and underscores only, without the dollar sign")]
    VariableName {
        /// The name.
        name: String,
    },
    /// An expression inside of a template is wrong.
    #[error("template is wrong at {pointer:?}")]
    InTemplate {
        /// JSON pointer (RFC 6901) to the string.
        pointer: String,
        /// What is wrong there.
        #[source]
        source: Box<Self>,
    },
    /// A template is nested too deeply.
    #[error("template is nested more than {limit} levels deep")]
    TemplateTooDeep {
        /// Levels that are allowed.
        limit: usize,
    },
    /// The compiler panicked: a defect of the engine, and only this expression suffers from it.
    #[error("expression made its compiler panic: please report it")]
    Panicked,
}

/// Says why an evaluation ended without a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The expression raised an error, as `error("...")` and wrong types do.
    #[error("expression failed: {message}")]
    Failed {
        /// What the expression says; shows at most the beginning of values.
        message: String,
    },
    /// The operations are used up; `try` cannot catch this.
    #[error("expression took more than {limit} operations: give it less data or fewer loops")]
    Fuel {
        /// Operations that are allowed.
        limit: u64,
    },
    /// A value became too large; `try` cannot catch this.
    #[error("expression built or read a value of more than {limit} bytes: select what is needed first")]
    Bytes {
        /// Bytes that are allowed.
        limit: usize,
    },
    /// A value or a path became too deep; `try` cannot catch this.
    #[error(
        "expression built or read a value nested more than {limit} levels deep, or a path of over 1000 steps"
    )]
    Depth {
        /// Levels that are allowed.
        limit: usize,
    },
    /// The interpreter recursed too deeply; `try` cannot catch this.
    #[error("expression nests its calls too deeply: split it into several steps")]
    Stack,
    /// There are too many outputs.
    #[error("expression has more than {limit} outputs: collect them with [...]")]
    Outputs {
        /// Outputs that are allowed.
        limit: usize,
    },
    /// The variables given are not those the expression was compiled with.
    #[error("expression was compiled with {expected} variables but evaluated with {given}")]
    Variables {
        /// Variables it was compiled with.
        expected: usize,
        /// Variables it was given.
        given: usize,
    },
    /// The interpreter panicked: a defect of the engine, and only this evaluation suffers from it.
    #[error("expression made its interpreter panic: please report it")]
    Panicked,
}
