//! Servers of the Model Context Protocol.

use serde_json::json;

use super::*;

/// A server that answers by JSON, or by a stream with other things before the result.
async fn server(streams: bool) -> Server {
    Server::start(move |seen| {
        if seen.method == "DELETE" {
            return Reply::status(405);
        }
        let message = seen.json();
        let result = match message["method"].as_str().unwrap() {
            "initialize" => {
                json!({ "protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": { "name": "s" } })
            }
            "notifications/initialized" => return Reply::status(202),
            "tools/call" => {
                json!({ "content": [{ "type": "text", "text": message["params"]["arguments"]["a"] }] })
            }
            "tools/list" => json!({ "tools": [] }),
            _ => {
                let error = json!({ "code": -32602, "message": "no such prompt", "data": { "name": "x" } });
                return Reply::json(&json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }));
            }
        };
        let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
        let reply = match streams {
            false => Reply::json(&answer),
            true => {
                let other = json!({ "jsonrpc": "2.0", "id": message["id"], "method": "ping" });
                let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress" });
                let text = format!(
                    ": hi\n\ndata: {other}\n\nevent: message\ndata: {progress}\n\nid: 7\ndata: {answer}\n\n"
                );
                // It stays open: the result ends the call.
                Reply::text("text/event-stream; charset=utf-8", text).ending(End::Open)
            }
        };
        if message["method"] == "initialize" { reply.with("mcp-session-id", "session-1") } else { reply }
    })
    .await
}

fn request(server: &Server, method: &str, parameters: Value) -> Value {
    let http = json!({ "endpoint": { "uri": server.at("/mcp"), "authentication": { "bearer": { "token": "t0ken" } } },
                       "headers": { "x-tenant": "one" } });
    json!({ "method": method, "parameters": parameters, "transport": { "http": http },
            "client": { "name": "a workflow", "version": "2" } })
}

#[tokio::test]
async fn a_tool_is_called_by_json_and_by_stream() {
    for streams in [false, true] {
        let server = server(streams).await;
        let request =
            request(&server, "tools/call", json!({ "name": "echo", "arguments": { "a": "hello" } }));
        let answer = call(&connector(), "mcp", &request).await.unwrap();
        assert_eq!(answer, json!({ "content": [{ "type": "text", "text": "hello" }] }), "{streams}");
        let seen = server.seen();
        let methods: Vec<Value> = seen[..3].iter().map(|seen| seen.json()["method"].clone()).collect();
        assert_eq!(methods, ["initialize", "notifications/initialized", "tools/call"]);
        assert_ne!(seen[0].json()["id"], seen[2].json()["id"], "a session has each once");
        let hello = seen[0].json();
        assert_eq!(hello["params"]["protocolVersion"], "2025-06-18");
        assert_eq!(hello["params"]["clientInfo"], json!({ "name": "a workflow", "version": "2" }));
        assert_eq!(seen[0].header("mcp-session-id"), "");
        assert!(seen[1].json().get("id").is_none());
        for later in &seen[1..] {
            assert_eq!(later.header("mcp-session-id"), "session-1");
            assert_eq!(later.header("mcp-protocol-version"), "2025-03-26");
        }
        for each in &seen {
            assert_eq!((each.header("authorization"), each.header("x-tenant")), ("Bearer t0ken", "one"));
        }
        assert_eq!(seen[0].header("accept"), "application/json, text/event-stream");
        assert_eq!(seen[2].header("idempotency-key"), key().to_string());
        assert_eq!((seen.len(), seen[3].method.as_str()), (4, "DELETE"));
    }
}

#[tokio::test]
async fn a_no_of_the_server_is_a_refusal() {
    let server = server(false).await;
    let outcome = call(&connector(), "mcp", &request(&server, "prompts/get", json!({ "name": "x" }))).await;
    assert_eq!(code(&outcome), ("refused", "rpc_-32602"));
    assert_eq!(message(&outcome), r#"no such prompt ({"name":"x"})"#);
    assert_eq!(
        call(&connector(), "mcp", &request(&server, "tools/list", Value::Null)).await.unwrap(),
        json!({ "tools": [] })
    );
}

#[tokio::test]
async fn what_a_server_says_of_its_no_is_neither_long_nor_secret() {
    let server = Server::start(|seen| {
        let said = format!("{} {}", seen.header("authorization"), "x".repeat(5000));
        let error = json!({ "code": 1, "message": "no", "data": { "x".repeat(150): said } });
        Reply::json(&json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "error": error }))
    })
    .await;
    let mut request = request(&server, "tools/list", Value::Null);
    // The cut would leave the first half of it.
    let token = "t0ken".repeat(10);
    request["transport"]["http"]["endpoint"]["authentication"]["bearer"]["token"] = token.into();
    let outcome = call(&connector(), "mcp", &request).await;
    assert_eq!(code(&outcome), ("refused", "rpc_1"));
    let message = message(&outcome);
    assert!(message.len() < 300 && !message.contains("t0ken"), "{message}");
}

#[tokio::test]
async fn what_is_lost_is_unknown_after_the_greeting_alone() {
    for (silent, expected) in [("initialize", ("failed", "timeout")), ("tools/call", ("unknown", "timeout"))]
    {
        let server = Server::start(move |seen| match seen.json() {
            message if message["method"] == silent => Reply::default().ending(End::Silent),
            message if message["method"] == "initialize" => {
                Reply::json(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} }))
            }
            _ => Reply::status(202),
        })
        .await;
        let request = request(&server, "tools/call", json!({ "name": "x" }));
        assert_eq!(code(&call(&hasty(), "mcp", &request).await), expected);
        let mut request = request;
        request["timeout"] = json!({ "milliseconds": 100 });
        assert_eq!(code(&call(&connector(), "mcp", &request).await), expected);
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_leaves_a_tool_perhaps_called() {
    let answers = [
        Reply::text("application/json", "{"),
        Reply::json(&json!({ "jsonrpc": "2.0" })),
        Reply::text("text/plain", "done"),
        Reply::json(&json!({ "jsonrpc": "2.0", "id": "another", "result": {} })),
        Reply::json(&json!({ "jsonrpc": "2.0", "id": "another", "error": { "code": 1, "message": "no" } })),
    ];
    for answer in answers {
        let server = Server::start(move |seen| match seen.json()["method"].as_str() {
            Some("initialize") => Reply::json(&json!({ "id": seen.json()["id"], "result": {} })),
            Some("notifications/initialized") => Reply::status(202),
            _ => answer.clone(),
        })
        .await;
        let outcome = call(&connector(), "mcp", &request(&server, "tools/call", Value::Null)).await;
        assert_eq!(code(&outcome), ("unknown", "bad_answer"));
        let outcome = call(&connector(), "mcp", &request(&server, "tools/list", Value::Null)).await;
        assert_eq!(code(&outcome), ("refused", "bad_answer"));
    }
}

#[tokio::test]
async fn a_stream_that_ends_without_the_result_is_unknown() {
    let server = Server::start(|seen| match seen.json()["method"].as_str() {
        Some("initialize") => Reply::json(&json!({ "id": seen.json()["id"], "result": {} })),
        Some("tools/call") => Reply::text("text/event-stream", "data: {\"id\":\"other\",\"result\":1}\n\n"),
        _ => Reply::status(202),
    })
    .await;
    let outcome = call(&connector(), "mcp", &request(&server, "tools/call", Value::Null)).await;
    assert_eq!(code(&outcome), ("unknown", "broken"));
}

#[tokio::test]
async fn what_is_no_request_for_it_is_refused() {
    let server = server(false).await;
    let mut stdio = request(&server, "tools/list", Value::Null);
    stdio["transport"] = json!({ "stdio": { "command": "rm" } });
    assert_eq!(code(&call(&connector(), "mcp", &stdio).await), ("refused", "transport_not_supported"));
    for (method, parameters) in [("tools/destroy", Value::Null), ("tools/call", json!([1]))] {
        let request = request(&server, method, parameters);
        assert_eq!(code(&call(&connector(), "mcp", &request).await), ("refused", "bad_request"));
    }
    assert!(server.seen().is_empty());
}
