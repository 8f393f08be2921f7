//! Redirects.

use serde_json::json;

use super::*;

/// A server that sends `/<status>` on to a place, and anything else back as it came.
async fn sending_on(to: String) -> Server {
    Server::start(move |seen| match seen.path()[1..].parse::<u16>() {
        Ok(status) => Reply::status(status).with("location", to.clone()),
        Err(_) => Reply::json(&json!({ "method": seen.method, "body": seen.text() })),
    })
    .await
}

fn following(method: &str, uri: &str) -> Value {
    let credentials = json!({ "basic": { "username": "ada", "password": "pa55" } });
    json!({
        "method": method, "redirect": true, "endpoint": { "uri": uri, "authentication": credentials },
        "headers": { "x-api-key": "k-1", "accept": "application/json" },
    })
}

#[tokio::test]
async fn a_redirect_is_an_error_or_followed() {
    let server = sending_on("/end?a=1".to_owned()).await;
    let mut request = following("GET", &server.at("/302"));
    assert_eq!(call(&connector(), "read", &request).await.unwrap()["method"], "GET");
    request["redirect"] = false.into();
    let outcome = call(&connector(), "read", &request).await;
    assert_eq!(code(&outcome), ("refused", "http_302"));
    assert_eq!(server.paths(), ["/302", "/end", "/302"]);
    let seen = server.seen();
    assert_eq!(seen[1].header("x-api-key"), "k-1");
    assert_eq!(seen[1].header("authorization"), seen[0].header("authorization"));
}

#[tokio::test]
async fn a_status_that_leads_nowhere_is_an_answer_where_redirects_are_allowed() {
    let server = Server::start(|_| Reply::status(304)).await;
    let mut request = following("GET", &server.at("/"));
    assert_eq!(call(&connector(), "read", &request).await.unwrap(), Value::Null);
    request["redirect"] = false.into();
    assert_eq!(code(&call(&connector(), "read", &request).await), ("refused", "http_304"));
}

#[tokio::test]
async fn the_method_stays_or_not_as_the_status_says() {
    let server = sending_on("/end".to_owned()).await;
    let cases =
        [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""), (307, "POST", "x"), (308, "POST", "x")];
    for (status, method, body) in cases {
        let mut request = following("POST", &server.at(&format!("/{status}")));
        request["body"] = "x".into();
        let answer = call(&connector(), "send", &request).await.unwrap();
        assert_eq!(answer, json!({ "method": method, "body": body }), "{status}");
    }
}

#[tokio::test]
async fn credentials_do_not_travel_to_another_origin() {
    let other = sending_on(String::new()).await;
    let server = sending_on(other.at("/there")).await;
    call(&connector(), "read", &following("GET", &server.at("/307"))).await.unwrap();
    assert!(server.seen()[0].header("authorization").starts_with("Basic "));
    let seen = other.seen().remove(0);
    assert_eq!((seen.header("authorization"), seen.header("x-api-key")), ("", ""));
    assert_eq!(
        (seen.header("accept"), seen.header("host")),
        ("application/json", other.address.to_string().as_str())
    );
}

#[tokio::test]
async fn a_body_with_credentials_does_not_travel_either() {
    let other = sending_on(String::new()).await;
    let server = sending_on(other.at("/there")).await;
    let mut request = following("POST", &server.at("/307"));
    request["body"] = json!({ "password": "pa55" });
    let outcome = call(&connector(), "send", &request).await;
    assert_eq!(code(&outcome), ("refused", "redirect_not_followed"));
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn what_fails_after_a_post_was_taken_leaves_its_outcome_unknown() {
    let busy = Server::start(|_| Reply::status(503)).await;
    let server = sending_on(busy.at("/result")).await;
    for (status, expected) in [(303, "unknown"), (307, "failed")] {
        let request = following("POST", &server.at(&format!("/{status}")));
        let outcome = call(&connector(), "send", &request).await;
        assert_eq!(code(&outcome), (expected, "http_503"), "{status}");
    }
    assert_eq!(busy.seen()[1].header("idempotency-key"), key().to_string());
    let gone = Server::start(|_| Reply::status(404)).await;
    let cases = [
        ("http://127.0.0.1:1/".to_owned(), "unreachable"),
        ("http://169.254.169.254/".to_owned(), "address_not_allowed"),
        ("/302".to_owned(), "too_many_redirects"),
        (gone.at("/result"), "http_404"),
    ];
    for (to, expected) in cases {
        let server = sending_on(to).await;
        let outcome = call(&connector(), "send", &following("POST", &server.at("/302"))).await;
        assert_eq!(code(&outcome), ("unknown", expected));
    }
}

#[tokio::test]
async fn redirects_end() {
    let server = sending_on("/302".to_owned()).await;
    let outcome = call(&connector(), "read", &following("GET", &server.at("/302"))).await;
    assert_eq!(code(&outcome), ("refused", "too_many_redirects"));
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn a_redirect_is_held_to_the_same_addresses() {
    for to in ["http://169.254.169.254/latest", "ftp://127.0.0.1/", "file:///etc/passwd"] {
        let server = sending_on(to.to_owned()).await;
        let outcome = call(&connector(), "read", &following("GET", &server.at("/302"))).await;
        assert_eq!(code(&outcome), ("refused", "address_not_allowed"), "{to}");
    }
}
