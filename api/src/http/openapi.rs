//! The OpenAPI 3.1 document of everything that is served, made of the endpoints and the catalog of kinds.

use promptsales_engine::entity::{Catalog, KindInfo, Overload};
use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::problem::Code;

/// Writes the document.
pub fn document(endpoints: &[Endpoint], catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints {
        if endpoint.path.contains("{kind}") {
            for kind in catalog.kinds().iter().filter(|k| k.public) {
                expand(&mut paths, endpoint, kind);
            }
        } else {
            let tag = endpoint.path.split('/').nth(3).unwrap_or("service");
            add(&mut paths, endpoint.path, endpoint, tag, endpoint.summary, endpoint.body.clone());
        }
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "PromptSales",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Marketing run as software: durable campaigns, content jobs, leads and workflows.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "paths": paths,
        "components": { "schemas": { "Problem": problem_schema() } }
    })
}

/// Adds an endpoint for one kind; the one for commands once for every command.
fn expand(paths: &mut Map<String, Value>, endpoint: &Endpoint, kind: &KindInfo) {
    let path = endpoint.path.replace("{kind}", kind.kind.plural);
    let tag = kind.kind.plural;
    if endpoint.path.contains("{command}") {
        for command in &kind.commands {
            let path = path.replace("{command}", &command.name);
            add(paths, &path, endpoint, tag, &command.summary, Some(command.schema.clone()));
        }
        return;
    }
    let create = endpoint.body.as_ref().and(kind.create);
    let command = create.and_then(|name| kind.commands.iter().find(|c| c.name == name));
    let body = command.map(|c| c.schema.clone()).or_else(|| endpoint.body.clone());
    let summary = endpoint.summary.replace("{kind}", kind.kind.name);
    add(paths, &path, endpoint, tag, &summary, body);
}

fn add(
    paths: &mut Map<String, Value>,
    path: &str,
    endpoint: &Endpoint,
    tag: &str,
    summary: &str,
    body: Option<Value>,
) {
    let inside = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = inside
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    for (name, meaning) in &endpoint.query {
        parameters.push(
            json!({ "name": name, "in": "query", "description": meaning, "schema": { "type": "string" } }),
        );
    }
    if endpoint.method == "post" {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header",
            "description": "the same key with the same payload gives the same answer, once",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 }
        }));
    }
    let (status, schema) = &endpoint.answer;
    let mut operation = json!({
        "operationId": operation_id(endpoint.method, path),
        "summary": summary,
        "tags": [tag],
        "parameters": parameters,
        "responses": {
            status.to_string(): { "description": "done", "content": { endpoint.media: { "schema": schema } } },
            "default": {
                "description": "a problem",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
            }
        }
    });
    if let Some(schema) = body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
    item[endpoint.method] = operation;
}

fn operation_id(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(method.to_owned(), |id, word| format!("{id}_{word}"))
}

fn problem_schema() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|c| c.parts().0).collect();
    let reasons: Vec<_> = Overload::ALL.iter().map(|reason| reason.name()).collect();
    json!({
        "type": "object",
        "description": "RFC 9457, with a stable code",
        "required": ["type", "title", "status", "code"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "stable; rejections of entities bring their own", "examples": codes },
            "detail": { "type": "string" },
            "reason": { "description": "which limit was hit, with the code `overloaded`", "enum": reasons },
            "errors": { "description": "what is wrong, piece by piece" }
        }
    })
}
