//! What is set aside in the real binary: commands that bring their run down, and entities that cannot be loaded.
//!
//! What is poison here is what a damaged store is: an event changed where it lies, and mended again.

mod letters;
mod quarantine;

use promptsales_tests::{Server, Settings};
use reqwest::Method;

/// Requests that cannot be understood, each with its answer.
const WRONG: &[(&str, &str, u16, &str)] = &[
    ("GET", "/api/v1/dead-letters/x", 400, "invalid_id"),
    ("GET", "/api/v1/dead-letters/lead_01kdvdna00e03r000000000001", 400, "invalid_id"),
    ("GET", "/api/v1/dead-letters/dead_01kdvdna00e03r000000000001", 404, "not_found"),
    ("GET", "/api/v1/dead-letters?status=lost", 400, "invalid_parameter"),
    ("GET", "/api/v1/dead-letters?since=today", 400, "invalid_parameter"),
    ("GET", "/api/v1/dead-letters?limit=0", 400, "invalid_parameter"),
    ("POST", "/api/v1/dead-letters/retry", 422, "invalid_body"),
    ("POST", "/api/v1/dead-letters/dead_01kdvdna00e03r000000000001/retry", 422, "invalid_body"),
    ("GET", "/api/v1/quarantine/x", 400, "invalid_id"),
    ("GET", "/api/v1/quarantine/lead_01kdvdna00e03r000000000001", 404, "not_found"),
    ("GET", "/api/v1/quarantine?kind=unicorns", 400, "invalid_parameter"),
    ("GET", "/api/v1/quarantine?target=7", 400, "invalid_parameter"),
    ("POST", "/api/v1/quarantine/lead_01kdvdna00e03r000000000001/release", 422, "invalid_body"),
    ("POST", "/api/v1/quarantine/release", 422, "invalid_body"),
];

#[tokio::test]
async fn what_cannot_be_understood_is_refused_by_name() {
    let server = Server::start(Settings::default()).await;
    for (method, path, status, code) in WRONG {
        let method: Method = method.parse().expect("it is a method");
        let answer = server.http.send(method, path, &[], None).await.expect("it answers");
        assert_eq!(answer.problem(*status), *code, "{path}");
    }
    let missing = "/api/v1/dead-letters/dead_01kdvdna00e03r000000000001/discard";
    let why = serde_json::json!({ "why": "x" });
    assert_eq!(server.http.post(missing, &why).await.problem(404), "not_found");
}
