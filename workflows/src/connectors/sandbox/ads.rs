//! The connector `ads`: activates campaigns on advertising platforms, and stops them.

use std::sync::Arc;

use async_trait::async_trait;
use promptsales_engine::effect::{Call, CallError, Connector, Verified};
use serde_json::{Value, json};

use super::channel::{Channel, Language};
use super::request::{Fields, id_of, invalid, refused, unknown_operation};
use super::state::Change;
use super::{Deed, Sandbox};

pub(super) const NAME: &str = "ads";
pub(super) const OPERATIONS: &[&str] = &["activate", "deactivate"];

/// The least budget, in minor units.
const LEAST_BUDGET: i64 = 100;

/// The connector `ads`, played by a sandbox: `activate` and `deactivate`.
#[derive(Debug)]
pub struct Ads {
    sandbox: Arc<Sandbox>,
}

impl Ads {
    /// Takes the sandbox that plays it.
    pub const fn new(sandbox: Arc<Sandbox>) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Connector for Ads {
    fn name(&self) -> &'static str {
        NAME
    }

    fn operations(&self) -> &'static [&'static str] {
        OPERATIONS
    }

    async fn call(&self, call: Call<'_>) -> Result<Value, CallError> {
        self.sandbox.call(NAME, &call, plan).await
    }

    async fn verify(&self, call: Call<'_>) -> Result<Verified, CallError> {
        self.sandbox.verify(NAME, &call, plan)
    }
}

fn plan(call: &Call<'_>) -> Result<Deed, CallError> {
    let request = Fields::of_request(call.request)?;
    match call.operation {
        "activate" => activate(call, &request),
        "deactivate" => deactivate(&request),
        other => Err(unknown_operation(NAME, other)),
    }
}

fn activate(call: &Call<'_>, request: &Fields<'_>) -> Result<Deed, CallError> {
    let campaign_id = request.text("campaignId")?.to_owned();
    let channel = Channel::of(request)?;
    let (amount_minor, currency) = budget(&request.object("budget")?)?;
    for creative in request.objects("creatives")? {
        check_creative(&creative, channel)?;
    }
    request.optional_text("startDate")?;
    request.optional_text("endDate")?;

    let external_id = id_of("ad", call.key);
    let answer = json!({ "externalId": external_id, "status": "active" });
    let channel = channel.name.to_owned();
    Ok(Deed {
        change: Change::Activate { external_id, campaign_id, channel, amount_minor, currency },
        answer,
    })
}

fn budget(budget: &Fields<'_>) -> Result<(i64, String), CallError> {
    let currency = budget.text("currency")?;
    if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Err(invalid(&budget.path("currency"), "must be three capital letters, such as CRC"));
    }
    let amount = budget.integer("amountMinor")?;
    if amount < LEAST_BUDGET {
        let name = budget.path("amountMinor");
        let message = format!("`{name}` is {amount}, and must be at least {LEAST_BUDGET} minor units");
        return Err(refused("budget_too_low", message));
    }
    Ok((amount, currency.to_owned()))
}

fn check_creative(creative: &Fields<'_>, channel: Channel) -> Result<(), CallError> {
    creative.text("jobId")?;
    Language::of(creative)?;
    let length = creative.text("text")?.chars().count();
    if length > channel.limit {
        let (name, limit) = (creative.path("text"), channel.limit);
        let message = format!("`{name}` has {length} characters: {} takes at most {limit}", channel.name);
        return Err(refused("creative_too_long", message));
    }
    Ok(())
}

fn deactivate(request: &Fields<'_>) -> Result<Deed, CallError> {
    let campaign_id = request.text("campaignId")?.to_owned();
    let channel = Channel::of(request)?.name.to_owned();
    let external_id = request.optional_text("externalId")?.map(str::to_owned);
    let change = Change::Deactivate { external_id, campaign_id, channel };
    Ok(Deed { change, answer: json!({ "status": "inactive" }) })
}
