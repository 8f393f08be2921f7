//! `read` and `send`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;

fn get(server: &Server, path: &str) -> Value {
    json!({ "method": "get", "endpoint": { "uri": server.at(path) } })
}

#[tokio::test]
async fn a_request_goes_out_as_it_is_said() {
    let server = Server::start(|_| Reply::json(&json!({ "id": 1 }))).await;
    let request = json!({
        "method": "put",
        "endpoint": server.at("/pets/a%20b?x=1"),
        "headers": { "X-Number": 5, "X-None": null, "X-Text": "text" },
        "query": { "tag": ["one", "two words"], "flag": true, "none": null, "map": { "a": 1 } },
        "body": { "name": "Milou" },
    });
    assert_eq!(call(&connector(), "read", &request).await.unwrap(), json!({ "id": 1 }));
    let seen = server.seen().remove(0);
    assert_eq!(seen.method, "PUT");
    assert_eq!(seen.target, "/pets/a%20b?x=1&tag=one&tag=two+words&flag=true&map=%7B%22a%22%3A1%7D");
    assert_eq!((seen.header("x-number"), seen.header("x-text"), seen.header("x-none")), ("5", "text", ""));
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("host"), server.address.to_string());
    assert!(seen.header("user-agent").starts_with("promptsales/"));
    assert_eq!((seen.header("idempotency-key"), seen.header("accept-encoding")), ("", ""));
    assert_eq!(seen.json(), json!({ "name": "Milou" }));
}

#[tokio::test]
async fn what_is_sent_has_a_key_unless_the_caller_gives_one() {
    let server = Server::start(|_| Reply::status(204)).await;
    let mut request = json!({ "method": "POST", "endpoint": { "uri": server.at("/") }, "body": "a text" });
    assert_eq!(call(&connector(), "send", &request).await.unwrap(), Value::Null);
    request["headers"] = json!({ "idempotency-KEY": "mine" });
    call(&connector(), "send", &request).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].header("idempotency-key"), key().to_string());
    assert_eq!(seen[1].header("idempotency-key"), "mine");
    assert_eq!((seen[0].text(), seen[0].header("content-type")), ("a text", "text/plain; charset=utf-8"));
}

#[tokio::test]
async fn a_body_is_written_as_its_type_says() {
    let server = Server::start(|_| Reply::status(200)).await;
    let cases = [
        ("application/x-www-form-urlencoded", json!({ "a": "b c", "d": ["1", 2] }), "a=b+c&d=1&d=2"),
        ("application/merge-patch+json", json!({ "a": null }), r#"{"a":null}"#),
        ("application/json", json!("plain"), r#""plain""#),
        ("application/json; charset=utf-8", json!("{\"a\": 1}"), "{\"a\": 1}"),
        ("text/xml", json!("<a/>"), "<a/>"),
        ("text/plain", json!(5), "5"),
    ];
    for (content_type, body, expected) in cases {
        let request = json!({
            "method": "POST", "endpoint": server.at("/"), "headers": { "Content-Type": content_type }, "body": body,
        });
        call(&connector(), "send", &request).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!((seen.header("content-type"), seen.text()), (content_type, expected));
    }
    let request = json!({
        "method": "POST", "endpoint": server.at("/"), "headers": { "Content-Type": "text/xml" }, "body": { "a": 1 },
    });
    assert_eq!(code(&call(&connector(), "send", &request).await), ("refused", "bad_request"));
}

#[tokio::test]
async fn the_answer_comes_in_the_form_that_is_wanted() {
    let server = Server::start(|seen| match seen.path() {
        "/json" => Reply::text("application/vnd.api+json; charset=utf-8", r#"{"a":1}"#),
        "/text" => Reply::text("text/csv", "a,b\né,2"),
        "/bytes" => Reply::text("image/png", [0xff, 0]),
        "/packed" => Reply::text("application/json", [0x1f, 0x8b]).with("content-encoding", "gzip"),
        _ => Reply { body: b"untyped".to_vec(), ..Reply::status(200) },
    })
    .await;
    let cases = [
        ("/json", json!({ "a": 1 })),
        ("/text", json!("a,b\né,2")),
        ("/bytes", json!("/wA=")),
        ("/packed", json!("H4s=")),
        ("/untyped", json!("untyped")),
    ];
    for (path, expected) in cases {
        assert_eq!(call(&connector(), "read", &get(&server, path)).await.unwrap(), expected, "{path}");
    }
    let mut request = get(&server, "/json?q=1");
    request["output"] = "raw".into();
    assert_eq!(call(&connector(), "read", &request).await.unwrap(), STANDARD.encode(r#"{"a":1}"#));
    request["output"] = "response".into();
    request["headers"] = json!({ "x-one": "1", "cookie": "session=abc" });
    let answer = call(&connector(), "read", &request).await.unwrap();
    assert_eq!(answer["request"]["method"], "GET");
    assert_eq!(answer["request"]["uri"], server.at("/json?q=1"));
    assert_eq!(answer["request"]["headers"]["x-one"], "1");
    assert_eq!(answer["request"]["headers"]["cookie"], "[secret]");
    assert_eq!((&answer["statusCode"], &answer["content"]), (&json!(200), &json!({ "a": 1 })));
    assert_eq!(answer["headers"]["content-type"], "application/vnd.api+json; charset=utf-8");
}

#[tokio::test]
async fn each_status_is_the_error_that_it_stands_for() {
    let server = Server::start(|seen| {
        let status = seen.path()[1..].parse().unwrap();
        Reply { status, ..Reply::text("text/plain", format!("no\n {}", "x".repeat(5_000))) }
    })
    .await;
    let cases = [
        (201, "ok", "ok"),
        (302, "refused", "refused"),
        (404, "refused", "refused"),
        (409, "refused", "refused"),
        (422, "refused", "refused"),
        (408, "failed", "failed"),
        (429, "failed", "failed"),
        (500, "failed", "unknown"),
        (502, "failed", "unknown"),
        (504, "failed", "unknown"),
        (503, "failed", "failed"),
    ];
    for (status, read, send) in cases {
        let path = format!("/{status}");
        for (operation, method, expected) in [("read", "GET", read), ("send", "POST", send)] {
            let request = json!({ "method": method, "endpoint": server.at(&path) });
            let outcome = call(&connector(), operation, &request).await;
            assert_eq!(code(&outcome).0, expected, "{operation} {status}");
            if expected != "ok" {
                assert_eq!(code(&outcome).1, format!("http_{status}"));
                let message = message(&outcome);
                assert!(message.contains(&format!("{status}: no xxx")) && message.len() < 300, "{message}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_that_comes_in_stands_for_a_secret() {
    let mark = "\u{e000}secret:api\u{e001} %EE%80%80secret%3Aapi%EE%80%81";
    let server = Server::start(move |seen| {
        let status = if seen.path() == "/fails" { 400 } else { 200 };
        let reply = match seen.path() {
            "/text" => Reply::text("text/plain", mark),
            _ => Reply::json(&json!({ mark: [{ "a": mark }, 1] })),
        };
        Reply { status, ..reply }
    })
    .await;
    let clean = "\u{fffd}secret:api\u{fffd} %EF%BF%BDsecret%3Aapi%EF%BF%BD";
    assert_eq!(call(&connector(), "read", &get(&server, "/text")).await.unwrap(), clean);
    let answer = call(&connector(), "read", &get(&server, "/json")).await.unwrap();
    assert_eq!(answer, json!({ clean: [{ "a": clean }, 1] }));
    let outcome = call(&connector(), "read", &get(&server, "/fails")).await;
    assert!(message(&outcome).contains(clean), "{outcome:?}");
    assert!(!message(&outcome).contains(['\u{e000}', '\u{e001}']), "{outcome:?}");
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let server = Server::start(|_| Reply::status(200)).await;
    let at = server.at("/");
    let cases = [
        json!({ "endpoint": at }),
        json!({ "method": "GET" }),
        json!({ "method": "GET", "endpoint": "/relative" }),
        json!({ "method": "GET", "endpoint": { "uri": 5 } }),
        json!({ "method": "GET", "endpoint": format!("http://user:pw@{}/", server.address) }),
        json!({ "method": "POST", "endpoint": at }),
        json!({ "method": "CONNECT", "endpoint": at }),
        json!({ "method": "a b", "endpoint": at }),
        json!({ "method": "GET", "endpoint": at, "output": "all" }),
        json!({ "method": "GET", "endpoint": at, "redirect": "yes" }),
        json!({ "method": "GET", "endpoint": at, "headers": ["x"] }),
        json!({ "method": "GET", "endpoint": at, "headers": { "Host": "other" } }),
        json!({ "method": "GET", "endpoint": at, "headers": { "x": "a\r\nb: c" } }),
        json!({ "method": "GET", "endpoint": at, "headers": { "a b": "c" } }),
        json!({ "method": "GET", "endpoint": { "uri": at, "authentication": { "use": "named" } } }),
        json!({ "method": "GET", "endpoint": { "uri": at, "authentication": { "basic": { "username": "a" } } } }),
    ];
    for request in cases {
        let outcome = call(&connector(), "read", &request).await;
        assert_eq!(code(&outcome), ("refused", "bad_request"), "{request}");
    }
    assert_eq!(code(&call(&connector(), "grpc", &get(&server, "/")).await), ("refused", "no_such_operation"));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn only_what_is_harmless_to_repeat_is_taken_for_not_done() {
    let request = json!({ "method": "tools/call" });
    assert!(verified(&connector(), "read", &request).await);
    assert!(!verified(&connector(), "send", &request).await);
    assert!(!verified(&connector(), "mcp", &request).await);
    assert!(verified(&connector(), "mcp", &json!({ "method": "tools/list" })).await);
    assert!(!verified(&connector(), "a2a", &json!({ "method": "message/send" })).await);
    assert!(verified(&connector(), "a2a", &json!({ "method": "tasks/get" })).await);
}
