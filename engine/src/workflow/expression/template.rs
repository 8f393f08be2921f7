//! JSON with expressions in it.

use serde_json::{Map, Value};

use super::meter;
use super::program::{Inputs, metered};
use super::value::Val;
use super::{CompileError, EvalError, Expression, Limits, unwrap_expression};

/// Levels that a template may be nested.
const MAX_DEPTH: usize = 64;

/// A JSON template: each string in it that is `${ ... }` is an expression.
///
/// Keys of objects are not. All expressions of a template share the limits of its evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Literal(Value),
    Expression(Expression),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Template {
    /// Compiles all expressions of a JSON value, with global variables, named without `$`.
    ///
    /// # Errors
    ///
    /// An expression is wrong, and the error has the JSON pointer to it; or the value is too deep.
    pub fn compile(value: &Value, variables: &[&str]) -> Result<Self, CompileError> {
        Node::compile(value, variables, &mut Vec::new()).map(Self)
    }

    /// Evaluates all expressions and puts their first outputs, or null, in their places.
    ///
    /// Takes what [`Expression::evaluate`] takes.
    ///
    /// # Errors
    ///
    /// An expression fails, or all of them together pass a limit.
    pub fn evaluate(
        &self,
        input: &Value,
        variables: &[&Value],
        now_ms: i64,
        limits: &Limits,
    ) -> Result<Value, EvalError> {
        match &self.0 {
            Node::Literal(value) => Ok(value.clone()),
            Node::Expression(expression) => expression.evaluate(input, variables, now_ms, limits),
            node @ (Node::Array(_) | Node::Object(_)) => {
                let inputs = Inputs::new(input, variables);
                metered(&limits.capped(), now_ms, || node.fill(&inputs, 0, &mut 0))
            }
        }
    }

    /// True if there is no expression in it.
    pub fn is_literal(&self) -> bool {
        self.literal().is_some()
    }

    /// Returns the value, if there is no expression in it.
    pub fn literal(&self) -> Option<&Value> {
        match &self.0 {
            Node::Literal(value) => Some(value),
            Node::Expression(_) | Node::Array(_) | Node::Object(_) => None,
        }
    }
}

impl Node {
    fn compile(value: &Value, variables: &[&str], pointer: &mut Vec<String>) -> Result<Self, CompileError> {
        if pointer.len() > MAX_DEPTH {
            return Err(CompileError::TemplateTooDeep { limit: MAX_DEPTH });
        }
        let mut inside = |step: String, value: &Value| {
            pointer.push(step);
            let node = Self::compile(value, variables, pointer);
            pointer.pop();
            node
        };
        match value {
            Value::Array(items) => {
                let steps = items.iter().enumerate();
                let nodes = steps
                    .map(|(index, item)| inside(index.to_string(), item))
                    .collect::<Result<Vec<_>, _>>()?;
                let literal = nodes.iter().all(|node| matches!(node, Self::Literal(_)));
                Ok(if literal { Self::Literal(value.clone()) } else { Self::Array(nodes) })
            }
            Value::Object(fields) => {
                let nodes = fields
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), inside(key.clone(), value)?)))
                    .collect::<Result<Vec<_>, _>>()?;
                let literal = nodes.iter().all(|(_, node)| matches!(node, Self::Literal(_)));
                Ok(if literal { Self::Literal(value.clone()) } else { Self::Object(nodes) })
            }
            Value::String(text) if let Some(source) = unwrap_expression(text) => {
                Expression::compile(source, variables).map(Self::Expression).map_err(|error| {
                    CompileError::InTemplate { pointer: join(pointer), source: Box::new(error) }
                })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Ok(Self::Literal(value.clone()))
            }
        }
    }

    /// Evaluates below `depth` levels, adding to `bytes` what expressions give; to be called under the meter.
    fn fill(&self, inputs: &Inputs<'_>, depth: usize, bytes: &mut usize) -> Result<Value, EvalError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Expression(expression) => {
                expression.0.check_variables(inputs)?;
                let value: Val = expression.0.first(inputs)?;
                *bytes += value.bytes();
                meter::admit(*bytes, depth + value.depth());
                Ok(value.to_json())
            }
            Self::Array(nodes) => nodes.iter().map(|node| node.fill(inputs, depth + 1, bytes)).collect(),
            Self::Object(nodes) => {
                let mut fields = Map::new();
                for (key, node) in nodes {
                    fields.insert(key.clone(), node.fill(inputs, depth + 1, bytes)?);
                }
                Ok(Value::Object(fields))
            }
        }
    }
}

/// Writes a JSON pointer (RFC 6901).
fn join(steps: &[String]) -> String {
    steps.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}
