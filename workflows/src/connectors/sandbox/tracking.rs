//! The connector `tracking`: forms that take the leads of a campaign.

use std::sync::Arc;

use async_trait::async_trait;
use promptsales_engine::effect::{Call, CallError, Connector, Verified};
use serde_json::{Value, json};

use super::request::{Fields, id_of, invalid, unknown_operation};
use super::state::Change;
use super::{Deed, Sandbox};

pub(super) const NAME: &str = "tracking";
pub(super) const OPERATIONS: &[&str] = &["create_form", "remove_form"];

/// The connector `tracking`, played by a sandbox: `create_form` and `remove_form`.
#[derive(Debug)]
pub struct Tracking {
    sandbox: Arc<Sandbox>,
}

impl Tracking {
    /// Takes the sandbox that plays it.
    pub const fn new(sandbox: Arc<Sandbox>) -> Self {
        Self { sandbox }
    }
}

#[async_trait]
impl Connector for Tracking {
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
    let campaign_id = request.text("campaignId")?.to_owned();
    match call.operation {
        "create_form" => {
            check_fields(&request)?;
            check_landing(&request)?;
            let form_id = id_of("form", call.key);
            let url = format!("https://forms.example/{form_id}");
            let answer = json!({ "formId": form_id, "url": url });
            Ok(Deed { change: Change::CreateForm { form_id, campaign_id }, answer })
        }
        "remove_form" => {
            let form_id = request.optional_text("formId")?.map(str::to_owned);
            let change = Change::RemoveForm { form_id, campaign_id };
            Ok(Deed { change, answer: json!({ "removed": true }) })
        }
        other => Err(unknown_operation(NAME, other)),
    }
}

/// A field is a name, or an object that has one.
fn check_fields(request: &Fields<'_>) -> Result<(), CallError> {
    for (place, field) in request.list("fields")?.iter().enumerate() {
        let name = field.as_str().or_else(|| field.get("name")?.as_str());
        if name.is_none_or(|name| name.trim().is_empty()) {
            let path = format!("{}[{place}]", request.path("fields"));
            return Err(invalid(&path, "must be a name, or an object with a `name`"));
        }
    }
    Ok(())
}

fn check_landing(request: &Fields<'_>) -> Result<(), CallError> {
    match request.optional_text("landingUrl")? {
        Some(url) if !url.starts_with("https://") && !url.starts_with("http://") => {
            Err(invalid(&request.path("landingUrl"), "must begin with https:// or http://"))
        }
        _ => Ok(()),
    }
}
