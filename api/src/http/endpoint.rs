//! Endpoints: a route together with its documentation, so that neither can be there without the other.

use axum::routing::MethodRouter;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::app::App;

/// One operation of the HTTP interface.
pub struct Endpoint {
    /// The method in lower case.
    pub method: &'static str,
    /// The path, with `{name}` for parameters. `{kind}` stands for every public kind's plural.
    pub path: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The query parameters: name and meaning.
    pub query: Vec<(&'static str, &'static str)>,
    /// The schema of the body, if it takes one.
    pub body: Option<Value>,
    /// The status and schema of its answer.
    pub answer: (u16, Value),
    /// The media type of its answer.
    pub media: &'static str,
    /// What serves it.
    pub handler: MethodRouter<App>,
}

impl Endpoint {
    /// An operation without a body, answered 200 with any JSON.
    pub fn new(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<App>,
    ) -> Self {
        let (answer, media) = ((200, json!({})), "application/json");
        Self { method, path, summary, query: Vec::new(), body: None, answer, media, handler }
    }

    /// With query parameters, behind those that it has.
    #[must_use]
    pub fn query(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query.extend(query);
        self
    }

    /// With a body of this schema.
    #[must_use]
    pub fn body(mut self, schema: Value) -> Self {
        self.body = Some(schema);
        self
    }

    /// Answered in this media type.
    #[must_use]
    pub fn media(mut self, media: &'static str) -> Self {
        self.media = media;
        self
    }

    /// Answered with this status and schema.
    #[must_use]
    pub fn answer(mut self, status: u16, schema: Value) -> Self {
        self.answer = (status, schema);
        self
    }
}

/// The JSON Schema of a type, with its definitions inside.
pub fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of a page of items.
pub fn page_of(items: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": { "type": "array", "items": items },
            "next": { "type": ["string", "null"], "description": "the cursor of the next page" }
        }
    })
}
