//! A campaign: what the organisation wants to say, to whom, where, and for how much.
//!
//! What a person wants (*configured*) and what is so (*effective*) are two things; the reasons say why.
//!
//! ```text
//!           begin-launch                activate, start date ahead
//!   draft --------------> launching ---------------------------------> scheduled
//!     ^   pending           preparing, in_review |                      eligible
//!     |                                          | activate                | start date
//!     |  fail-launch: misconfigured,             v                         v
//!     |  or not_eligible if refused            active <---------------- active
//!     +---------------- launching        pause |  ^ resume              serving
//!                                              v  |
//!                                            paused        end date: ended
//!   draft, stopped, ended -- archive --> archived          stop: stopped (ended)
//! ```
//!
//! Money is safe: at most the budget is set aside, the plan's parts add up to it exactly, and no channel is
//! switched on before both.

mod apply;
mod command;
mod decide;
mod event;
mod launch;
mod rejection;
mod state;

use promptsales_engine::entity::{self, DecideCx, Decision, Entity, EventCx};
use promptsales_engine::id::{IdKind, Prefix};
use serde_json::{Value, json};

pub use command::Command;
pub use event::Event;
pub use launch::LAUNCH_WORKFLOW;
pub use rejection::Rejection;
pub use state::{
    Activation, Allocation, Campaign, Cause, Configured, ContentRef, Effective, Launch, TrackedLink,
    Tracking, Verdict,
};

/// The kind of a campaign's id.
pub struct Kind;

impl IdKind for Kind {
    const PREFIX: Prefix = Prefix::new("cmp");
}

/// The id of a campaign.
pub type Id = promptsales_engine::id::Id<Kind>;

/// The timer of the start date.
const START: &str = "start";

/// The timer of the end date.
const END: &str = "end";

impl Entity for Campaign {
    const KIND: entity::Kind = entity::Kind { name: "campaign", plural: "campaigns", prefix: Kind::PREFIX };
    const CREATE: &'static str = "draft";
    const EVENTS: &'static [(&'static str, u16)] = event::EVENTS;

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn creates(command: &Command) -> bool {
        matches!(
            command,
            Command::Draft(_) | Command::Launch(_) | Command::BeginLaunch { brief: Some(_), .. }
        )
    }

    fn decide(
        state: Option<&Self>,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        match state {
            Some(campaign) => campaign.decide_on(command, cx),
            None => decide::create(command, cx),
        }
    }

    fn begin(event: &Event, cx: &EventCx) -> Option<Self> {
        let Event::Drafted(brief) = event else { return None };
        let mut campaign = Self {
            configured: Configured::Draft,
            launch: Launch::Idle {},
            reasons: Vec::new(),
            brief: (**brief).clone(),
            content: Vec::new(),
            plan: Vec::new(),
            reserved: None,
            activations: std::collections::BTreeMap::new(),
            tracking: None,
            ended_at: None,
            created_at: cx.at,
            updated_at: cx.at,
        };
        campaign.explain("drafted", "the campaign is a draft that nobody has launched", cx);
        Some(campaign)
    }

    fn apply(&mut self, event: &Event, cx: &EventCx) {
        self.fold(event, cx);
        self.updated_at = cx.at;
    }

    fn on_timer(&self, name: &str) -> Option<Command> {
        match name {
            START => Some(Command::Start {}),
            END => Some(Command::End {}),
            _ => None,
        }
    }

    fn view(&self) -> Value {
        let mut view = serde_json::to_value(self).unwrap_or(Value::Null);
        view["effective"] = json!(self.effective());
        view["name"] = json!(self.brief.name);
        if let Some(key) = &self.brief.external_key {
            view["externalKey"] = json!(key);
        }
        view
    }
}

#[cfg(test)]
mod tests;
