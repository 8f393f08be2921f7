//! Definitions: from YAML or JSON in the Open Workflow Specification's language (DSL 1.0) to the intermediate form.
//!
//! What is supported: the tasks `do`, `set`, `switch`, `for`, `fork`, `call` (of actions), `wait`, `listen` (to one
//! signal), `try` and `raise`, with all of their data flow. The rest of the language is refused, each with the
//! JSON pointer, what is not supported, and what to do instead.

use serde_json::Value;

mod compiler;
mod faults;
mod fields;
mod ir;
mod kinds;
mod nearest;
mod places;
mod problem;
mod source;
mod span;
mod task;
mod version;
mod workflow;

#[cfg(test)]
mod tests;

pub use ir::{
    Backoff, CallSpec, Case, Catch, Compensate, Definition, ErrorFilter, ForSpec, Formula, Kind, Node,
    NodeId, Parallel, Retry, Schema, Shaping, Span, Then,
};
pub use places::Position;
pub use problem::{Problem, Severity};
pub use source::MAX_SOURCE_BYTES;
pub use version::{compare_semver, is_semver};

pub(in crate::workflow) use fields::kind_of;
pub(in crate::workflow) use ir::{Form, clip};
pub(in crate::workflow) use nearest::suggestion;
pub(in crate::workflow) use problem::Problems;
pub(in crate::workflow) use source::read_documents;
pub(in crate::workflow) use span::parse_iso;

/// A definition as far as it could be compiled, and what is wrong with it.
#[derive(Debug)]
pub(in crate::workflow) struct Draft {
    pub(in crate::workflow) definition: Option<Definition>,
    pub(in crate::workflow) problems: Problems,
}

/// Compiles a definition's text as far as possible.
pub(in crate::workflow) fn draft(source: &str) -> Draft {
    let document = match source::read(source) {
        Ok(document) => document,
        Err(problem) => {
            return Draft { definition: None, problems: Problems::from(problem) };
        }
    };
    let mut compiler = compiler::Compiler::default();
    let top = compiler.workflow(&document);
    let compiler::Compiler { problems, nodes, lists, signals, .. } = compiler;
    let definition = top.map(|top| Definition {
        namespace: top.namespace,
        name: top.name,
        version: top.version,
        title: top.title,
        summary: top.summary,
        digest: digest(source),
        saga: top.saga,
        input: top.input,
        output: top.output,
        timeout: top.timeout,
        by_reference: nodes.iter().enumerate().map(|(id, node)| (node.reference.clone(), id)).collect(),
        nodes,
        lists,
        signals,
        document: Value::Null,
    });
    Draft { definition: definition.map(|definition| Definition { document, ..definition }), problems }
}

/// The digest by which two texts of one version are told apart.
pub fn digest(source: &str) -> String {
    blake3::hash(source.as_bytes()).to_hex().to_string()
}
