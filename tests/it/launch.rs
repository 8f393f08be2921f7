//! A campaign from one brief.

use promptsales_tests::{Server, Settings, until};
use serde_json::{Value, json};

fn brief() -> Value {
    json!({
        "name": "Verano 2026", "targetAudience": "Jóvenes de Costa Rica", "campaignMessage": "Refrescate",
        "channels": ["instagram", "facebook", "tiktok"], "locales": ["es-CR", "en"],
        "budget": { "amountMinor": 100_001, "currency": "USD" },
        "landingUrl": "https://tienda.example/verano",
    })
}

#[tokio::test]
async fn one_call_leads_to_an_active_campaign() {
    let server = Server::start(Settings::default()).await;
    let launched = server.http.post("/api/v1/campaigns/launch", &brief()).await;
    assert_eq!(launched.status, 202, "{}", launched.body);
    let (run, campaign) =
        (launched.body["runId"].as_str().unwrap(), launched.body["campaignId"].as_str().unwrap());
    let ended = until("the run's end", || async {
        let run = server.http.get(&format!("/api/v1/runs/{run}")).await.ok();
        (!run["endedAt"].is_null()).then_some(run)
    })
    .await;
    assert_eq!(ended["status"], json!("completed"), "{ended}");
    let campaign = server.http.get(&format!("/api/v1/campaigns/{campaign}")).await.ok();
    assert_eq!(campaign["configured"], json!("active"));
    let parts: i64 = campaign["plan"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["amount"]["amountMinor"].as_i64().unwrap())
        .sum();
    assert_eq!(parts, 100_001, "the parts add up to the budget");
}
