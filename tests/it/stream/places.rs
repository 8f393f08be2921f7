//! Places from which a stream cannot go on, and what is asked for wrongly.

use serde_json::Value;

use super::*;

#[tokio::test]
async fn what_cannot_be_followed_is_refused_by_name() {
    let server = serve(&[]).await;
    let known = Stream::open(&server, "", None).await.last_id;
    let other = Stream::open(&serve(&[]).await, "", None).await.last_id;
    let run = "run_01kdvdna00e03r000000000001";
    let of_run = Stream::open(&server, &format!("?run={run}"), None).await.last_id;
    Stream::open(&server, &format!("?run={run}"), Some(&known)).await;
    Stream::open(&server, "", Some(&of_run)).await;
    let cut = &known[..known.len() - 3];
    let refused: &[(&str, Option<&str>, u16, &str)] = &[
        ("", Some("nonsense"), 400, "invalid_parameter"),
        ("", Some(cut), 400, "invalid_parameter"),
        ("?lastEventId=%20", None, 400, "invalid_parameter"),
        ("", Some(&other), 410, "cursor_gone"),
        ("?from=yesterday", None, 400, "invalid_parameter"),
        ("?types=io.promptsales.runs.", None, 400, "invalid_parameter"),
        ("?kind=unicorns", None, 400, "invalid_parameter"),
        ("?run=lead_01kdvdna00e03r000000000001", None, 400, "invalid_parameter"),
    ];
    for (query, id, status, code) in refused {
        let answer = ask(&server, query, *id).await;
        assert_eq!(answer.status(), *status, "{query} {id:?}");
        let problem: Value = answer.json().await.expect("a problem is JSON");
        assert_eq!(text(&problem, "code"), *code, "{query} {id:?}");
    }
    let gone: Value = ask(&server, "", Some(&other)).await.json().await.expect("a problem is JSON");
    assert!(text(&gone, "detail").contains("from=beginning"), "it says what to do: {gone}");
}
