//! Definitions: from YAML or JSON in the Open Workflow Specification's language (DSL 1.0) to the intermediate form.
//!
//! All of the language is understood but what starts processes (`run` of containers, scripts and shells), calls over
//! gRPC and AsyncAPI, and catalogs other than the default one: those are refused, each with the JSON pointer, what is
//! not supported, and what to do instead.

use serde_json::Value;

mod calls;
mod compiler;
mod events;
mod extensions;
mod faults;
mod fields;
mod handling;
mod ir;
mod kinds;
mod matching;
mod nearest;
mod places;
mod problem;
mod protocols;
mod schedule;
mod secrets;
mod shaping;
mod source;
mod span;
mod task;
mod version;
mod workflow;

#[cfg(test)]
mod tests;

pub use events::{Consumption, Correlation, EventFilter, Foreach, ListenSpec, Read, Strategy, Until, Wanted};
pub use handling::{Backoff, Catch, ErrorFilter, Retry};
pub use ir::{
    CallSpec, Case, Compensate, Definition, ForSpec, Kind, Node, NodeId, Parallel, Role, RunSpec, Span, Then,
};
pub use places::Position;
pub use problem::{Problem, Severity};
pub use schedule::Schedule;
pub use secrets::{SECRET_CLOSES, SECRET_OPENS};
pub use shaping::{Formula, Schema, Shaping};
pub use source::MAX_SOURCE_BYTES;
pub use version::{compare_semver, is_semver};

pub(crate) use events::attribute_name;
pub(crate) use fields::{Fields, join, kind_of};
pub(crate) use nearest::suggestion;
pub(crate) use problem::Problems;
pub(crate) use shaping::clip;
pub(crate) use source::read as read_document;
pub(crate) use span::read_fixed as read_span;
pub(crate) use workflow::is_name;

pub(in crate::workflow) use matching::consumption_of;
pub(in crate::workflow) use shaping::Form;
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
    compiler.say_excess();
    let compiler::Compiler { problems, nodes, lists, signals, hears_all, starters, secrets, runs, .. } =
        compiler;
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
        hears_all,
        starters,
        secrets,
        runs,
        schedule: top.schedule,
        time_zone: top.time_zone,
        attributes: top.attributes,
        retention: top.retention,
        deletion: top.deletion,
        document: Value::Null,
    });
    Draft { definition: definition.map(|definition| Definition { document, ..definition }), problems }
}

/// The digest by which two texts of one version are told apart.
pub fn digest(source: &str) -> String {
    blake3::hash(source.as_bytes()).to_hex().to_string()
}
