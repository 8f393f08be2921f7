//! The supervision tree: the node, its services, the partitions with theirs, and the live entities and runs.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use promptsales_engine::entity::LiveStatus;
use promptsales_engine::runtime::{NodeStatus, Tree};
use promptsales_engine::supervise::{PartitionStatus, ServiceStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::http::endpoint::Endpoint;
use crate::http::params::Query;
use crate::http::problem::{Code, Problem};

const DEFAULT_LIMIT: usize = 100;
const LARGEST_LIMIT: usize = 10_000;

/// The endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let summary = "The live supervision tree: the node, its services, each partition with its services, and the live \
        entities and runs, those in trouble first";
    vec![
        Endpoint::new("get", "/api/v1/supervision", summary, get(supervision))
            .query(&[
                ("limit", "entities shown: 0 to 10,000, 100 by default; all are counted"),
                ("kind", "only entities of this kind, such as `lead` or `run`"),
                ("state", "only entities in this state: `quarantined`, `backing-off`, `working`, `idle`, `starting`"),
            ])
            .answer(200, schema()),
    ]
}

#[derive(Debug, Deserialize)]
struct Wanted {
    limit: Option<String>,
    kind: Option<String>,
    state: Option<String>,
}

/// The tree as it is served.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    node: NodeStatus,
    services: Vec<ServiceStatus>,
    partitions: Vec<PartitionStatus>,
    /// How many entities there are in each state, whatever was asked for.
    entity_counts: BTreeMap<&'static str, usize>,
    entities: Vec<LiveStatus>,
}

async fn supervision(State(app): State<App>, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let limit =
        match &wanted.limit {
            None => DEFAULT_LIMIT,
            Some(text) => text.parse().ok().filter(|limit| *limit <= LARGEST_LIMIT).ok_or_else(|| {
                Problem::new(Code::InvalidParameter, "`limit`: use a number from 0 to 10000")
            })?,
        };
    let Tree { node, services, partitions, mut entities } = app.node().tree();
    let mut entity_counts = BTreeMap::new();
    for live in &entities {
        *entity_counts.entry(live.state).or_default() += 1;
    }
    let matches = |asked: &Option<String>, is: &str| asked.as_deref().is_none_or(|asked| asked == is);
    entities.retain(|live| matches(&wanted.kind, live.kind) && matches(&wanted.state, live.state));
    // Stable: among equals the order of the ids stays.
    entities.sort_by_key(|live| (ease(live), std::cmp::Reverse(live.mailbox)));
    entities.truncate(limit);
    Ok(Json(Shown { node, services, partitions, entity_counts, entities }).into_response())
}

/// How far an entity is from trouble.
fn ease(live: &LiveStatus) -> u8 {
    match (live.state, &live.last_fault) {
        ("quarantined", _) => 0,
        ("backing-off", _) => 1,
        (_, Some(_)) => 2,
        (_, None) => 3,
    }
}

fn schema() -> Value {
    let fault = json!({
        "type": ["object", "null"],
        "properties": { "at": { "type": "string", "format": "date-time" }, "reason": { "type": "string" } }
    });
    let child = |more: Value| {
        let mut schema = json!({
            "type": "object", "required": ["kind", "id", "state"],
            "properties": {
                "kind": { "type": "string" }, "state": { "type": "string" },
                "mailbox": { "type": "integer", "description": "what waits for it" },
                "restarts": { "type": "integer" }, "lastFault": fault,
                "uptimeMs": { "type": ["integer", "null"], "description": "milliseconds since its last start" }
            }
        });
        for (name, part) in more.as_object().into_iter().flatten() {
            schema["properties"][name] = part.clone();
        }
        schema
    };
    let service = child(json!({
        "id": { "type": "string" }, "name": { "type": "string" },
        "busyMs": { "type": ["integer", "null"], "description": "how long the piece of work under way has taken" }
    }));
    let services = json!({ "type": "array", "items": service });
    let partition = child(json!({ "id": { "type": "integer" }, "services": services }));
    let entity = child(json!({
        "id": { "type": "string" }, "tenant": { "type": "string" }, "partition": { "type": "integer" },
        "lastFault": { "type": ["string", "null"] },
        "quarantinedSince": { "type": ["string", "null"], "format": "date-time" }
    }));
    json!({
        "type": "object",
        "required": ["node", "services", "partitions", "entityCounts", "entities"],
        "properties": {
            "node": child(json!({ "id": { "type": "string" } })), "services": services,
            "partitions": { "type": "array", "items": partition },
            "entityCounts": { "type": "object", "additionalProperties": { "type": "integer" } },
            "entities": { "type": "array", "items": entity }
        }
    })
}
