//! Actions: what the tasks of a workflow call.
//!
//! Each is a pure state machine over its steps: commands to entities and effects outside, with its undoing beside
//! it. A new one is a file here and a line in [`register`].

mod act_on_runs;
mod activate_ads;
mod activate_campaign;
mod approve_content;
mod begin_launch;
mod check_brief;
mod check_content;
mod create_content;
mod plan_budget;
mod protocols;
mod record_approval;
mod record_content;
mod request_approval;
mod reserve_budget;
mod set_up_tracking;
mod undoing;

#[cfg(test)]
mod rehearsal;
#[cfg(test)]
mod testkit;

use promptsales_engine::workflow::action::{Actions, DuplicateAction};

pub use act_on_runs::ActOnRuns;
pub use activate_ads::ActivateAds;
pub use activate_campaign::ActivateCampaign;
pub use approve_content::ApproveContent;
pub use begin_launch::BeginLaunch;
pub use check_brief::CheckBrief;
pub use check_content::CheckContent;
pub use create_content::{CreateContent, CreatedContent};
pub use plan_budget::PlanBudget;
pub use protocols::{A2a, Call, Http, Mcp, OpenApi, Protocol};
pub use record_approval::RecordApproval;
pub use record_content::RecordContent;
pub use request_approval::RequestApproval;
pub use reserve_budget::ReserveBudget;
pub use set_up_tracking::SetUpTracking;

/// Lists the product's actions.
///
/// # Errors
///
/// [`DuplicateAction`] where two have one name.
pub fn register() -> Result<Actions, DuplicateAction> {
    Actions::new()
        .add::<ActOnRuns>()?
        .add::<ActivateAds>()?
        .add::<ActivateCampaign>()?
        .add::<ApproveContent>()?
        .add::<BeginLaunch>()?
        .add::<CheckBrief>()?
        .add::<CheckContent>()?
        .add::<CreateContent>()?
        .add::<PlanBudget>()?
        .add::<RecordApproval>()?
        .add::<RecordContent>()?
        .add::<RequestApproval>()?
        .add::<ReserveBudget>()?
        .add::<SetUpTracking>()?
        .add::<Call<Http>>()?
        .add::<Call<OpenApi>>()?
        .add::<Call<Mcp>>()?
        .add::<Call<A2a>>()
}

#[cfg(test)]
mod tests;
