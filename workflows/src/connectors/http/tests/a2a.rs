//! Agents of the Agent2Agent protocol.

use serde_json::json;

use super::*;

async fn agent() -> Server {
    Server::start(|seen| match seen.path() {
        "/.well-known/agent-card.json" => Reply::json(&json!({ "name": "an agent", "url": "/rpc" })),
        "/broken-card" => Reply::json(&json!({ "name": "an agent" })),
        "/gone" => Reply::status(404),
        _ => {
            let message = seen.json();
            let with = |result: Value| json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            match message["method"].as_str().unwrap() {
                "message/stream" => {
                    let events =
                        [1, 2].map(|number| format!("data: {}\n\n", with(json!({ "step": number }))));
                    Reply::text("text/event-stream", events.concat())
                }
                "tasks/get" => {
                    let error = json!({ "code": -32001, "message": "task not found" });
                    Reply {
                        status: 404,
                        ..Reply::json(&json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }))
                    }
                }
                _ => Reply::json(&with(message["params"].clone())),
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_message_goes_to_where_the_card_says() {
    let server = agent().await;
    let card = json!({ "endpoint": { "uri": server.at("/.well-known/agent-card.json"),
                                     "authentication": { "bearer": { "token": "t0ken" } } } });
    let request = json!({ "method": "message/send", "agentCard": card,
                          "parameters": { "message": { "parts": [{ "kind": "text", "text": "hi" }] } } });
    let answer = call(&connector(), "a2a", &request).await.unwrap();
    let expected = json!({ "message": {
        "parts": [{ "kind": "text", "text": "hi" }], "messageId": key().uuid().to_string(), "role": "user",
    }});
    assert_eq!(answer, expected);
    assert_eq!(call(&connector(), "a2a", &request).await.unwrap(), expected, "the same id at every attempt");
    let seen = server.seen();
    assert_eq!((seen[1].path(), seen[1].header("authorization")), ("/rpc", "Bearer t0ken"));
}

#[tokio::test]
async fn a_place_is_seen_from_where_the_card_is_in_the_end() {
    let server = agent().await;
    let to = server.at("/.well-known/agent-card.json");
    let moved = Server::start(move |_| Reply::status(307).with("location", to.clone())).await;
    let card = json!({ "endpoint": { "uri": moved.at("/card"),
                                     "authentication": { "bearer": { "token": "t0ken" } } } });
    let request = json!({ "method": "message/send", "agentCard": card });
    call(&connector(), "a2a", &request).await.unwrap();
    let seen = server.seen();
    assert_eq!((seen[1].path(), seen[1].header("authorization")), ("/rpc", ""));
    assert_eq!(moved.paths(), ["/card"]);
}

#[tokio::test]
async fn the_caller_may_say_more_of_a_message() {
    let server = agent().await;
    let message = json!({ "message": { "messageId": "m-1", "role": "agent", "parts": [] } });
    let request = json!({ "method": "message/send", "server": server.at("/rpc"), "parameters": message });
    assert_eq!(call(&connector(), "a2a", &request).await.unwrap(), message);
}

#[tokio::test]
async fn all_results_of_a_stream_are_the_answer() {
    let server = agent().await;
    let request = json!({ "method": "message/stream", "server": { "uri": server.at("/rpc") } });
    let answer = call(&connector(), "a2a", &request).await.unwrap();
    assert_eq!(answer, json!([{ "step": 1 }, { "step": 2 }]));
}

#[tokio::test]
async fn a_no_of_the_agent_is_a_refusal() {
    let server = agent().await;
    let request = json!({ "method": "tasks/get", "server": server.at("/rpc"), "parameters": { "id": "t" } });
    let outcome = call(&connector(), "a2a", &request).await;
    assert_eq!((code(&outcome), message(&outcome)), (("refused", "rpc_-32001"), "task not found"));
}

#[tokio::test]
async fn without_a_place_nothing_is_sent() {
    let server = agent().await;
    let cases = [
        (json!({ "agentCard": { "endpoint": server.at("/broken-card") } }), ("refused", "bad_document")),
        (json!({ "agentCard": { "endpoint": server.at("/gone") } }), ("refused", "http_404")),
        (json!({}), ("refused", "bad_request")),
        (json!({ "server": server.at("/rpc"), "parameters": "text" }), ("refused", "bad_request")),
        (json!({ "server": server.at("/rpc"), "method": "tasks/destroy" }), ("refused", "bad_request")),
    ];
    for (more, expected) in cases {
        let mut request = json!({ "method": "message/send" });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(code(&call(&connector(), "a2a", &request).await), expected, "{request}");
    }
    assert!(server.paths().iter().all(|path| path != "/rpc"));
}
