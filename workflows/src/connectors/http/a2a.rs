//! `a2a`: methods of agents of the Agent2Agent protocol, over its JSON-RPC transport.

use hyper::Method;
use hyper::header::ACCEPT;
use hyper::header::HeaderValue;
use promptsales_engine::effect::CallError;
use serde_json::{Map, Value, json};

use super::exchange::Ask;
use super::failure::{Repeat, bad_request, before, refused};
use super::request::{Endpoint, given, required, text, url};
use super::rpc::{self, Procedure, Results};
use super::trip::Trip;

const METHODS: [&str; 11] = [
    "message/send",
    "message/stream",
    "tasks/get",
    "tasks/list",
    "tasks/cancel",
    "tasks/resubscribe",
    "tasks/pushNotificationConfig/set",
    "tasks/pushNotificationConfig/get",
    "tasks/pushNotificationConfig/list",
    "tasks/pushNotificationConfig/delete",
    "agent/getAuthenticatedExtendedCard",
];

/// Carries `a2a` out: the answer is the method's result, of the streaming methods the list of all results.
pub(super) async fn call(trip: &Trip<'_>, request: &Value) -> Result<Value, CallError> {
    let name = text(request, "method")?;
    if !METHODS.contains(&name) {
        return Err(bad_request(format!("`method` is one of {}", METHODS.join(", "))));
    }
    let parameters = parameters(trip, request, name)?;
    let Endpoint { url, scheme } = match given(request, "agentCard") {
        Some(card) => of_card(trip, card).await?,
        None => Endpoint::read(required(request, "server")?, trip)?,
    };
    let ask = Ask::new(Method::POST, url);
    let results = match name {
        "message/stream" | "tasks/resubscribe" => Results::Stream,
        _ => Results::One,
    };
    let procedure = Procedure {
        ask: &ask,
        scheme: scheme.as_ref(),
        name,
        parameters: parameters.as_ref(),
        repeat: repeat(request),
        until: trip.until,
        results,
    };
    Ok(rpc::call(trip, &procedure).await?.0)
}

/// Whether a repeat is harmless: a message may be taken for another one.
pub(super) fn repeat(request: &Value) -> Repeat {
    match request.get("method").and_then(Value::as_str) {
        Some("message/send" | "message/stream" | "tasks/pushNotificationConfig/set") | None => {
            Repeat::Harmful
        }
        Some(_) => Repeat::Harmless,
    }
}

/// The parameters; a message has an id, which is the same at every attempt, and a role.
fn parameters(trip: &Trip<'_>, request: &Value, name: &str) -> Result<Option<Value>, CallError> {
    let mut parameters = match given(request, "parameters") {
        None => None,
        Some(Value::Object(fields)) => Some(fields.clone()),
        Some(_) => return Err(bad_request("`parameters` is no map")),
    };
    if name.starts_with("message/") {
        let fields = parameters.get_or_insert_with(Map::new);
        let message = fields.entry("message").or_insert_with(|| json!({}));
        let message = message.as_object_mut().ok_or_else(|| bad_request("`parameters.message` is no map"))?;
        message.entry("messageId").or_insert_with(|| trip.key.uuid().to_string().into());
        message.entry("role").or_insert_with(|| "user".into());
    }
    Ok(parameters.map(Value::Object))
}

/// Where an agent is reached, as its card says.
async fn of_card(trip: &Trip<'_>, resource: &Value) -> Result<Endpoint, CallError> {
    const STEP: &str = "reading the agent's card";
    let Endpoint { url: at, scheme } = Endpoint::read(required(resource, "endpoint")?, trip)?;
    let mut ask = Ask::new(Method::GET, at.clone());
    ask.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let (base, answer) = trip.fetch(STEP, ask, scheme.as_ref(), trip.parts.outgoing.max_answer).await?;
    let card = answer.json(trip).map_err(|error| before(STEP, error))?;
    let none = || refused("bad_document", "the agent's card names no place that speaks JSON-RPC");
    let found = place(&card).ok_or_else(none)?;
    let place = base.join(found).map_err(|_| none()).and_then(|found| url(found.as_str()))?;
    // What lets one read the card is for where the card is.
    let scheme = scheme.filter(|_| place.origin() == at.origin());
    Ok(Endpoint { url: place, scheme })
}

/// The place of the JSON-RPC transport: of version 1 of the protocol, or of those before.
fn place(card: &Value) -> Option<&str> {
    let of_list = |list: &str, kind: &str| {
        let speaks = |one: &&Value| one.get(kind).and_then(Value::as_str) == Some("JSONRPC");
        card.get(list)?.as_array()?.iter().find(speaks)?.get("url")?.as_str()
    };
    let is_preferred =
        card.get("preferredTransport").is_none_or(|transport| transport.as_str() == Some("JSONRPC"));
    let own = card.get("url").and_then(Value::as_str).filter(|_| is_preferred);
    own.or_else(|| of_list("additionalInterfaces", "transport"))
        .or_else(|| of_list("supportedInterfaces", "protocolBinding"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_that_speaks_json_rpc_is_found() {
        let cards = [
            json!({ "url": "https://a/rpc" }),
            json!({ "url": "https://a/rpc", "preferredTransport": "JSONRPC" }),
            json!({ "url": "https://a/grpc", "preferredTransport": "GRPC",
                    "additionalInterfaces": [{ "url": "https://a/g", "transport": "GRPC" },
                                             { "url": "https://a/rpc", "transport": "JSONRPC" }] }),
            json!({ "supportedInterfaces": [{ "url": "https://a/rpc", "protocolBinding": "JSONRPC" }] }),
        ];
        for card in cards {
            assert_eq!(place(&card), Some("https://a/rpc"), "{card}");
        }
        assert_eq!(place(&json!({ "url": "https://a/x", "preferredTransport": "GRPC" })), None);
    }
}
