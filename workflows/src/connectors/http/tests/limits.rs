//! Limits: sizes, times, addresses, broken services.

use serde_json::json;
use tokio::net::TcpSocket;

use super::*;

fn request(method: &str, uri: &str) -> Value {
    json!({ "method": method, "endpoint": { "uri": uri } })
}

#[tokio::test]
async fn an_answer_has_a_largest_size_stated_or_not() {
    let server = Server::start(|seen| match seen.path() {
        "/fits" => Reply::text("text/plain", "x".repeat(1000)),
        "/stated" => Reply::text("text/plain", "x".repeat(1001)),
        _ => Reply::text("text/plain", "x".repeat(64)).ending(End::Endless),
    })
    .await;
    let small = HttpConnector::new(Outgoing { max_answer: 1000, ..outgoing() }, Secrets::none()).unwrap();
    assert_eq!(code(&call(&small, "read", &request("GET", &server.at("/fits"))).await).0, "ok");
    for path in ["/stated", "/endless"] {
        let outcome = call(&small, "read", &request("GET", &server.at(path))).await;
        assert_eq!(code(&outcome), ("refused", "answer_too_large"), "{path}");
        let outcome = call(&small, "send", &request("POST", &server.at(path))).await;
        assert_eq!(code(&outcome), ("unknown", "answer_too_large"), "it was taken: {path}");
    }
    let outcome = call(&connector(), "read", &request("GET", &server.at("/endless"))).await;
    assert_eq!(message(&outcome), "the answer has more than 1048576 bytes");
}

#[tokio::test]
async fn the_status_of_an_error_counts_whatever_its_body() {
    let server = Server::start(|seen| {
        let end = match seen.path() {
            "/endless" => End::Endless,
            "/open" => End::Open,
            "/broken" => End::Broken,
            _ => End::Complete,
        };
        Reply { status: 404, ..Reply::text("text/plain", "x".repeat(5000)).ending(end) }
    })
    .await;
    let small = Outgoing { max_answer: 1000, deadline: Duration::from_millis(500), ..outgoing() };
    let small = HttpConnector::new(small, Secrets::none()).unwrap();
    for path in ["/complete", "/endless", "/open", "/broken"] {
        let outcome = call(&small, "send", &request("POST", &server.at(path))).await;
        assert_eq!(code(&outcome), ("refused", "http_404"), "{path}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_leaves_the_outcome_unknown() {
    let server = Server::start(|seen| match seen.path() {
        "/silent" => Reply::default().ending(End::Silent),
        _ => Reply::text("text/plain", "and then").ending(End::Open),
    })
    .await;
    for path in ["/silent", "/stuck"] {
        for (operation, method) in [("read", "GET"), ("send", "POST")] {
            let outcome = call(&hasty(), operation, &request(method, &server.at(path))).await;
            assert_eq!(code(&outcome), ("unknown", "timeout"), "{operation} {path}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_outcome_unknown() {
    let server = Server::start(|_| Reply::text("text/plain", "half").ending(End::Broken)).await;
    let outcome = call(&connector(), "send", &request("POST", &server.at("/"))).await;
    assert_eq!(code(&outcome), ("unknown", "broken"));
}

#[tokio::test]
async fn nobody_there_is_a_failure_and_nothing_was_sent() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let free = socket.local_addr().unwrap();
    let outcome = call(&connector(), "send", &request("POST", &format!("http://{free}/"))).await;
    assert_eq!(code(&outcome), ("failed", "unreachable"));
    let outcome = call(&connector(), "send", &request("POST", "http://nowhere.invalid/")).await;
    assert_eq!(code(&outcome), ("failed", "unreachable"));
}

#[tokio::test]
async fn a_service_that_does_not_speak_tls_was_sent_nothing() {
    let server = Server::start(|_| Reply::status(200)).await;
    let uri = format!("https://{}/", server.address);
    let outcome = call(&connector(), "send", &request("POST", &uri)).await;
    assert_eq!(code(&outcome), ("failed", "tls"), "{outcome:?}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn garbage_is_not_taken_for_json() {
    let server = Server::start(|_| Reply::text("application/json", "{\"a\": <html>")).await;
    let outcome = call(&connector(), "read", &request("GET", &server.at("/"))).await;
    assert_eq!(code(&outcome), ("refused", "bad_answer"));
    assert!(message(&outcome).contains("{\"a\": <html>"), "{outcome:?}");
    let outcome = call(&connector(), "send", &request("POST", &server.at("/"))).await;
    assert_eq!(code(&outcome), ("unknown", "bad_answer"), "it was taken");
    let mut raw = request("GET", &server.at("/"));
    raw["output"] = "raw".into();
    assert_eq!(code(&call(&connector(), "read", &raw).await).0, "ok");
}

#[tokio::test]
async fn local_addresses_are_out_of_reach_unless_allowed() {
    let server = Server::start(|_| Reply::status(200)).await;
    let closed = HttpConnector::new(Outgoing::default(), Secrets::none()).unwrap();
    let port = server.address.port();
    let uris = [
        server.at("/"),
        format!("http://localhost:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest".to_owned(),
        "ftp://example.com/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ];
    for uri in &uris {
        let outcome = call(&closed, "read", &request("GET", uri)).await;
        assert_eq!(code(&outcome), ("refused", "address_not_allowed"), "{uri}");
    }
    let at = server.at("/");
    let ways = [
        ("mcp", json!({ "method": "tools/list", "transport": { "http": { "endpoint": at } } })),
        ("a2a", json!({ "method": "tasks/get", "server": at })),
        ("a2a", json!({ "method": "tasks/get", "agentCard": { "endpoint": at } })),
        ("openapi", json!({ "document": { "endpoint": at }, "operationId": "x" })),
        (
            "read",
            json!({ "method": "GET", "endpoint": { "uri": "https://example.com/", "authentication":
            { "oauth2": { "authority": at, "grant": "client_credentials" } } } }),
        ),
        (
            "read",
            json!({ "method": "GET", "endpoint": { "uri": "https://example.com/", "authentication":
            { "oidc": { "authority": at, "grant": "client_credentials" } } } }),
        ),
    ];
    for (operation, request) in ways {
        let outcome = call(&closed, operation, &request).await;
        assert_eq!(code(&outcome), ("refused", "address_not_allowed"), "{request}");
    }
    assert!(server.seen().is_empty());
}

#[test]
fn a_connector_needs_some_room() {
    let none = Outgoing { max_answer: 0, ..outgoing() };
    assert!(HttpConnector::new(none, Secrets::none()).is_err());
    let none = Outgoing { deadline: Duration::ZERO, ..outgoing() };
    assert!(HttpConnector::new(none, Secrets::none()).is_err());
}
