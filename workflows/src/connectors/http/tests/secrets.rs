//! Secrets in requests: they get there, and nowhere else.

use serde_json::json;

use super::*;

const TOKEN: &str = "s3cret/t0ken+1";
const PASSWORD: &str = "pa55 w\"rd&";

fn kept() -> (tempfile::TempDir, HttpConnector) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.yaml");
    let text = json!({ "api": TOKEN, "numbers": { "pin": 271_828 }, "user": { "username": "ada", "password": PASSWORD }, "bearer": { "token": TOKEN } });
    std::fs::write(&path, text.to_string()).unwrap();
    let connector = HttpConnector::new(outgoing(), Secrets::open(&path).unwrap()).unwrap();
    (folder, connector)
}

fn stands_for(name: &str) -> String {
    format!("\u{e000}secret:{name}\u{e001}")
}

/// A server that tells all that it was sent, in each of the ways in which an answer can.
async fn telling() -> Server {
    Server::start(|seen| {
        let headers =
            seen.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let all =
            json!({ "target": seen.target, "headers": headers.collect::<Vec<_>>(), "body": seen.text() });
        let status = if seen.path().starts_with("/fail") { 400 } else { 200 };
        let authorization = seen.header("authorization").to_owned();
        Reply { status, ..Reply::json(&all).with("x-told", authorization) }
    })
    .await
}

fn request(server: &Server, path: &str) -> Value {
    json!({
        "method": "POST",
        "endpoint": {
            "uri": server.at(&format!("{path}/{}?k={}", stands_for("api"), stands_for("api"))),
            "authentication": { "basic": { "use": "user" } },
        },
        "headers": { "x-api-key": format!("Key {}", stands_for("api")) },
        "query": { "q": stands_for("user.password") },
        "body": { "password": stands_for("user.password"), "plain": "stays" },
    })
}

fn leaks(text: &str) -> Option<&'static str> {
    let forms = [
        TOKEN,
        PASSWORD,
        "s3cret/t0ken%2B1",
        "s3cret%2Ft0ken%2B1",
        "pa55+w%22rd%26",
        "pa55%20w%22rd%26",
        "pa55 w\\\"rd&",
        "YWRhOnBhNTUgdyJyZCY=",
        "pa55",
        "t0ken",
    ];
    forms.into_iter().find(|form| text.contains(form))
}

#[tokio::test]
async fn secrets_reach_the_service_and_nobody_else() {
    let (server, (_folder, connector)) = (telling().await, kept());
    for output in ["content", "response"] {
        let mut request = request(&server, "/ok");
        request["output"] = output.into();
        let answer = call(&connector, "send", &request).await.unwrap();
        assert_eq!(leaks(&answer.to_string()), None, "{answer:#}");
        assert!(answer.to_string().contains("stays"));
    }
    let mut raw = request(&server, "/ok");
    raw["output"] = "raw".into();
    let answer = call(&connector, "send", &raw).await.unwrap();
    let bytes =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, answer.as_str().unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(leaks(&text).is_none() && text.contains("stays"), "{text}");
    let failed = call(&connector, "send", &request(&server, "/fail")).await;
    assert_eq!(code(&failed), ("refused", "http_400"));
    assert_eq!(leaks(&format!("{failed:?}")), None, "{failed:?}");
    assert_eq!(leaks(&format!("{connector:?}")), None);
    let seen = server.seen().remove(0);
    assert_eq!(seen.target, "/ok/s3cret/t0ken%2B1?k=s3cret/t0ken%2B1&q=pa55+w%22rd%26");
    assert_eq!(seen.header("x-api-key"), format!("Key {TOKEN}"));
    assert_eq!(seen.header("authorization"), "Basic YWRhOnBhNTUgdyJyZCY=");
    assert_eq!(seen.json(), json!({ "password": PASSWORD, "plain": "stays" }));
}

#[tokio::test]
async fn a_secret_stays_hidden_whatever_the_type_of_the_answer() {
    let (_folder, connector) = kept();
    let server = Server::start(|seen| match seen.path() {
        "/json" => Reply::text("application/json", seen.text()),
        "/encoded" => Reply::text("application/json", seen.text()).with("content-encoding", "br"),
        _ => Reply::text("application/octet-stream", seen.text()),
    })
    .await;
    let body = json!({ "password": stands_for("user.password"), "pin": stands_for("numbers.pin") });
    for path in ["/json", "/encoded", "/bytes"] {
        let request = json!({ "method": "POST", "endpoint": server.at(path), "body": body });
        let answer = call(&connector, "send", &request).await.unwrap();
        let text = match answer.as_str() {
            Some(encoded) => {
                let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded);
                String::from_utf8(bytes.unwrap()).unwrap()
            }
            None => answer.to_string(),
        };
        assert_eq!(leaks(&text), None, "{path}: {text}");
        assert!(text.contains("password") && !text.contains("271828"), "{path}: {text}");
    }
    assert_eq!(server.seen()[0].json(), json!({ "password": PASSWORD, "pin": 271_828 }));
}

#[tokio::test]
async fn a_secret_stays_hidden_where_no_answer_comes() {
    let (_folder, connector) = kept();
    let uri = format!("http://127.0.0.1:1/{}", stands_for("api"));
    let outcome = call(&connector, "read", &json!({ "method": "GET", "endpoint": uri })).await;
    assert_eq!(code(&outcome), ("failed", "unreachable"));
    assert_eq!(leaks(&format!("{outcome:?}")), None);
    let uri = format!("{} is no uri", stands_for("api"));
    let outcome = call(&connector, "read", &json!({ "method": "GET", "endpoint": uri })).await;
    assert_eq!((code(&outcome), leaks(&format!("{outcome:?}"))), (("refused", "bad_request"), None));
}

#[tokio::test]
async fn an_unknown_secret_is_refused_before_anything_is_sent() {
    let (server, (_folder, connector)) = (telling().await, kept());
    let policies = [
        json!({ "bearer": { "use": "nobody" } }),
        json!({ "bearer": { "use": "api" } }),
        json!({ "basic": { "username": "a", "password": stands_for("user.nothing") } }),
    ];
    for policy in policies {
        let request =
            json!({ "method": "GET", "endpoint": { "uri": server.at("/"), "authentication": policy } });
        assert_eq!(
            code(&call(&connector, "read", &request).await),
            ("refused", "unknown_secret"),
            "{policy}"
        );
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_scheme_takes_its_members_from_a_secret() {
    let (server, (_folder, connector)) = (telling().await, kept());
    let request = json!({
        "method": "GET", "endpoint": { "uri": server.at("/"), "authentication": { "bearer": { "use": "bearer" } } },
    });
    call(&connector, "read", &request).await.unwrap();
    assert_eq!(server.seen()[0].header("authorization"), format!("Bearer {TOKEN}"));
}
