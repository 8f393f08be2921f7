//! Versions of a workflow against the real server: what would become of open runs, and letting them follow.

use promptsales_tests::{Server, Settings};
use serde_json::{Value, json};

use crate::steps::{done, ended, register, start, waiting};

fn source(version: &str, body: &str) -> String {
    format!("document: {{ dsl: '1.0.3', namespace: test, name: edited, version: '{version}' }}\n{body}")
}

#[tokio::test]
async fn a_new_version_says_what_would_become_of_open_runs_and_lets_them_follow() {
    let body = "do: [{ go: { listen: { to: { one: { with: { type: go } } } } } }, { rest: { wait: { hours: 2 } } }, { last: { set: { n: 1 } } }]";
    let server = Server::start(Settings::default()).await;
    register(&server, &source("1.0.0", body)).await.ok();
    let [before, at] =
        [start(&server, "edited", &json!({})).await, start(&server, "edited", &json!({})).await];
    waiting(&server, &at, "signal").await;
    server.http.post(&format!("/api/v1/runs/{at}/signals/go"), &json!({})).await.ok();
    waiting(&server, &at, "timer").await;
    waiting(&server, &before, "signal").await;
    let edited = body.replace("{ rest: { wait: { hours: 2 } } }, ", "").replace("n: 1", "n: 2");
    let next = source("2.0.0", &edited);
    let registered = register(&server, &next).await.expect(201.try_into().expect("it is a status"));
    assert_eq!(
        (&registered["diff"]["removed"], &registered["diff"]["from"]),
        (&json!(["/do/1/rest"]), &json!("1.0.0"))
    );
    let runs = &registered["runs"];
    assert_eq!(
        (&runs["open"], &runs["follows"], &runs["mustChoose"]),
        (&json!(2), &json!(1), &json!(1)),
        "{runs}"
    );
    let path = "/api/v1/workflows/edited/versions/2.0.0";
    let impact = server.http.get(&format!("{path}/impact")).await.ok();
    assert_eq!(impact["mustChoose"][0]["run"], json!(at), "{impact}");
    assert_eq!((&registered["next"], &impact["next"]), (&Value::Null, &Value::Null));
    let first = server.http.get("/api/v1/workflows/edited/versions/1.0.0/impact").await.ok();
    assert_eq!(
        (&first["diff"], &first["runs"]["open"], &first["mustChoose"]),
        (&Value::Null, &json!(0), &json!([]))
    );
    let wrong = server.http.post(&format!("{path}/follow"), &json!({ "tasks": [1] })).await;
    assert_eq!(wrong.problem(422), "invalid_body");
    let wrong = server.http.post(&format!("{path}/follow"), &json!({ "cursor": "7" })).await;
    assert_eq!(wrong.problem(400), "invalid_parameter");
    let followed = server.http.post(&format!("{path}/follow"), &json!({ "reason": "shorter" })).await.ok();
    assert_eq!(
        (&followed["runs"]["followed"], &followed["runs"]["refused"][0]["code"]),
        (&json!(1), &json!("must_choose"))
    );
    let choose = json!({ "tasks": { "/do/1/rest": "/do/1/last" }, "reason": "shorter" });
    let follow = format!("{path}/follow");
    let followed = server.http.post_keyed(&follow, "all", &choose).await.ok();
    assert_eq!(followed["runs"]["followed"], json!(1), "the other is there already: {followed}");
    assert_eq!(followed["next"], Value::Null);
    assert_eq!(ended(&server, &at).await["output"], json!({ "n": 2 }));
    server.http.post(&format!("/api/v1/runs/{before}/signals/go"), &json!({})).await.ok();
    assert_eq!(ended(&server, &before).await["output"], json!({ "n": 2 }));
}

#[tokio::test]
async fn more_runs_than_one_request_takes_follow_by_cursor() {
    const RUNS: usize = 510;
    let body = "do: [{ w: { wait: { hours: 1 } } }]";
    let server = Server::start(Settings::default()).await;
    register(&server, &source("1.0.0", body)).await.ok();
    for _ in 0..RUNS {
        start(&server, "edited", &json!({})).await;
    }
    let registered = register(&server, &source("2.0.0", body)).await.ok();
    assert_eq!(registered["runs"]["looked"], json!(500), "{registered}");
    let path = "/api/v1/workflows/edited/versions/2.0.0";
    let next = registered["next"].as_str().expect("not all were looked at");
    let rest = server.http.get(&format!("{path}/impact?cursor={next}")).await.ok();
    assert_eq!((&rest["runs"]["open"], &rest["next"]), (&json!(RUNS - 500), &Value::Null));
    let followed = server.http.post(&format!("{path}/follow"), &json!({})).await.ok();
    assert_eq!((&followed["runs"]["followed"], &followed["next"]), (&json!(500), &json!(next)));
    let server_at = ["--server", server.url.as_str()];
    let words = [&["workflow", "follow", "edited", "2.0.0"][..], &server_at[..]].concat();
    assert_eq!(done(&words).await["runs"]["followed"], json!(RUNS - 500), "the others are there already");
    register(&server, &source("3.0.0", body)).await.ok();
    let words = [&["workflow", "impact", "edited", "3.0.0"][..], &server_at[..]].concat();
    assert_eq!(done(&words).await["runs"]["open"], json!(RUNS));
    let words = [&["workflow", "follow", "edited", "3.0.0", "--reason", "all"][..], &server_at[..]].concat();
    let all = done(&words).await;
    assert_eq!((&all["runs"]["followed"], &all["next"]), (&json!(RUNS), &Value::Null), "{all}");
}
