//! What a client decides.

use promptsales_engine::entity::{DecideCx, Decision};

use super::{Client, Command, Details, Event, Patch, Rejection, Status};
use crate::value::Attributes;

/// The most subscriptions of one client.
pub(super) const MAX_SUBSCRIPTIONS: usize = 100;

/// Completes details with the key that the client is addressed by, and checks them.
pub(super) fn keyed(mut details: Box<Details>, cx: &DecideCx<'_>) -> Result<Box<Details>, Rejection> {
    if let Some(key) = cx.external_key {
        if details.external_key.as_ref().is_some_and(|given| given.as_str() != key) {
            return Err(Rejection::KeyConflict);
        }
        details.external_key = key.parse().ok();
    }
    if details.phone.as_ref().is_some_and(|phone| phone.expose().check().is_err()) {
        return Err(Rejection::InvalidPhone);
    }
    Ok(details)
}

impl Client {
    /// Decides on a command for a client that there is.
    pub(super) fn decide_on(
        &self,
        command: Command,
        cx: &DecideCx<'_>,
    ) -> Result<Decision<Event>, Rejection> {
        match command {
            Command::Register(details) => {
                let same = *keyed(details, cx)? == self.details;
                if same { Ok(Decision::none()) } else { Err(Rejection::AlreadyRegistered) }
            }
            Command::Update(patch) => self.update(patch),
            Command::AddSubscription { subscription } => {
                if self.subscriptions.contains(&subscription) {
                    return Ok(Decision::none());
                }
                if self.status == Status::Closed {
                    return Err(Rejection::WrongState { command: "add-subscription", status: self.status });
                }
                if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
                    return Err(Rejection::TooManySubscriptions);
                }
                Ok(Decision::event(Event::SubscriptionAdded { subscription }))
            }
            Command::RemoveSubscription { subscription } => Ok(when(
                self.subscriptions.contains(&subscription),
                Event::SubscriptionRemoved { subscription },
            )),
            Command::Suspend { .. } if self.status == Status::Closed => {
                Err(Rejection::WrongState { command: "suspend", status: self.status })
            }
            Command::Suspend { reason } => {
                Ok(when(self.status != Status::Suspended, Event::Suspended { reason }))
            }
            Command::Close { reason } => Ok(when(self.status != Status::Closed, Event::Closed { reason })),
            Command::Reactivate { reason } => {
                Ok(when(self.status != Status::Active, Event::Reactivated { reason }))
            }
        }
    }

    fn update(&self, patch: Box<Patch>) -> Result<Decision<Event>, Rejection> {
        let patched = patch.apply(&self.details);
        if let Some(Err(e)) = patched.attributes.as_ref().map(Attributes::check) {
            return Err(Rejection::Attributes { reason: e.to_string() });
        }
        if matches!(&patch.phone, Some(Some(phone)) if phone.expose().check().is_err()) {
            return Err(Rejection::InvalidPhone);
        }
        Ok(when(patched != self.details, Event::Updated(patch)))
    }
}

fn when(happens: bool, event: Event) -> Decision<Event> {
    if happens { Decision::event(event) } else { Decision::none() }
}
