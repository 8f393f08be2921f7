//! What a budget decides.

use std::collections::BTreeSet;

use promptsales_engine::entity::{DecideCx, Decision};
use serde_json::json;

use super::{Budget, Command, Details, Event, Rejection, Status, minor};
use crate::value::reservations::{Ending, Known};
use crate::value::{Channel, Currency, Money, ReservationId, Text, is_person};

type Decided = Result<Decision<Event>, Rejection>;

/// Completes details with the key that the budget is addressed by, and checks them.
pub(super) fn checked(mut details: Box<Details>, cx: &DecideCx<'_>) -> Result<Box<Details>, Rejection> {
    if let Some(key) = cx.external_key {
        if details.external_key.as_ref().is_some_and(|given| given.as_str() != key) {
            return Err(Rejection::KeyConflict);
        }
        details.external_key = key.parse().ok();
    }
    if details.amount.is_zero() {
        return Err(Rejection::NoAmount);
    }
    let (mut channels, mut allocated) = (BTreeSet::new(), 0_u64);
    for part in &details.allocations {
        in_currency(part.amount, details.amount.currency())?;
        if !channels.insert(part.channel) {
            return Err(Rejection::ChannelTwice { channel: part.channel });
        }
        allocated = allocated.saturating_add(minor(part.amount));
    }
    within(allocated, details.amount)?;
    Ok(details)
}

fn in_currency(amount: Money, currency: Currency) -> Result<(), Rejection> {
    let given = amount.currency();
    if given == currency { Ok(()) } else { Err(Rejection::CurrencyMismatch { given, currency }) }
}

fn within(allocated: u64, amount: Money) -> Result<(), Rejection> {
    if allocated <= minor(amount) {
        return Ok(());
    }
    Err(Rejection::Exceeded { allocated: money(allocated, amount.currency()), amount })
}

/// Money of minor units; at most what can be held exactly.
fn money(amount: u64, currency: Currency) -> Money {
    let most = 9_007_199_254_740_991;
    let amount = i64::try_from(amount).unwrap_or(most).min(most);
    Money::new(amount, currency).unwrap_or(Money::zero(currency))
}

impl Budget {
    /// Decides on a command for a budget that there is.
    pub(super) fn decide_on(&self, command: Command, cx: &DecideCx<'_>) -> Decided {
        let by = || cx.principal.to_owned();
        match command {
            Command::Open(details) => {
                let details = checked(details, cx)?;
                let same = (&details.name, details.campaign, &details.external_key)
                    == (&self.name, self.campaign, &self.external_key);
                if same && details.amount == self.amount {
                    Ok(Decision::none())
                } else {
                    Err(Rejection::AlreadyOpen)
                }
            }
            Command::Allocate { channel, amount } => self.allocate(channel, amount),
            Command::Reserve { reservation, channel, amount } => self.reserve(reservation, channel, amount),
            Command::RecordSpent { reservation, amount } => self.record_spent(reservation, amount),
            Command::Release { reservation } => self.release(reservation),
            Command::RequestRaise { amount, reason } => self.request_raise(amount, reason, by()),
            Command::ApproveRaise { amount } => self.approve_raise(amount, by()),
            Command::RejectRaise { reason } => {
                Ok(when(self.raise.is_some(), Event::RaiseRejected { by: by(), reason }))
            }
            Command::Lower { amount, reason } => {
                in_currency(amount, self.currency())?;
                if minor(amount) > minor(self.amount) {
                    return Err(Rejection::NoRaise { amount: self.amount });
                }
                within(self.allocated(), amount)?;
                Ok(when(amount != self.amount, Event::Lowered { amount, by: by(), reason }))
            }
            Command::Close { reason } => Ok(when(self.status == Status::Open, Event::Closed { reason })),
            Command::Reopen { reason } => Ok(when(self.status == Status::Closed, Event::Reopened { reason })),
        }
    }

    fn allocate(&self, channel: Channel, amount: Money) -> Decided {
        in_currency(amount, self.currency())?;
        let part = self.parts.get(&channel).copied();
        if part == Some(minor(amount)) {
            return Ok(Decision::none());
        }
        let bound = self.bound(channel);
        if minor(amount) < bound {
            return Err(Rejection::BelowBound { channel, bound: money(bound, self.currency()) });
        }
        let others = self.allocated().saturating_sub(part.unwrap_or(0));
        within(others.saturating_add(minor(amount)), self.amount)?;
        Ok(Decision::event(Event::Allocated { channel, amount }))
    }

    fn reserve(&self, reservation: ReservationId, channel: Channel, amount: Money) -> Decided {
        in_currency(amount, self.currency())?;
        if amount.is_zero() {
            return Err(Rejection::NoAmount);
        }
        let same = |key: Channel, known: u64| key == channel && known == minor(amount);
        let known = match self.reservations.known(&reservation) {
            Known::New => None,
            Known::Open(open) => Some((same(open.key, open.amount), "reserved")),
            Known::Ended(ended) => Some((same(ended.key, ended.amount), ended.ending.as_str())),
        };
        match known {
            Some((true, status)) => return Ok(Decision::none().reply(json!({ "reservation": status }))),
            Some((false, _)) => return Err(Rejection::ReservationConflict { reservation }),
            None => {}
        }
        if self.status == Status::Closed {
            return Err(Rejection::Closed);
        }
        let remaining = self.remaining(channel);
        if minor(amount) > remaining {
            let remaining = money(remaining, self.currency());
            return Err(Rejection::CapReached { channel, asked: amount, remaining });
        }
        if !self.reservations.has_room() {
            return Err(Rejection::TooManyReservations);
        }
        let remaining = money(remaining - minor(amount), self.currency());
        let reply = json!({ "reservation": "reserved", "remaining": remaining });
        Ok(Decision::event(Event::Reserved { reservation, channel, amount }).reply(reply))
    }

    fn record_spent(&self, reservation: ReservationId, amount: Money) -> Decided {
        in_currency(amount, self.currency())?;
        match self.reservations.known(&reservation) {
            Known::New => Err(Rejection::UnknownReservation { reservation }),
            Known::Ended(ended) if ended.ending == Ending::Settled && ended.used == minor(amount) => {
                Ok(Decision::none())
            }
            Known::Ended(ended) => {
                Err(Rejection::ReservationEnded { reservation, ending: ended.ending.as_str() })
            }
            Known::Open(open) if minor(amount) > open.amount => {
                let reserved = money(open.amount, self.currency());
                Err(Rejection::MoreThanReserved { spent: amount, reserved })
            }
            Known::Open(_) => Ok(Decision::event(Event::Spent { reservation, amount })),
        }
    }

    fn release(&self, reservation: ReservationId) -> Decided {
        match self.reservations.known(&reservation) {
            Known::New => Err(Rejection::UnknownReservation { reservation }),
            Known::Open(_) => Ok(Decision::event(Event::Released { reservation })),
            Known::Ended(ended) => match ended.ending {
                Ending::Released | Ending::Expired => Ok(Decision::none()),
                Ending::Settled => {
                    Err(Rejection::ReservationEnded { reservation, ending: Ending::Settled.as_str() })
                }
            },
        }
    }

    fn request_raise(&self, amount: Money, reason: Text<500>, by: String) -> Decided {
        in_currency(amount, self.currency())?;
        if minor(amount) <= minor(self.amount) {
            return Err(Rejection::NoRaise { amount: self.amount });
        }
        match &self.raise {
            Some(raise) if raise.amount == amount => Ok(Decision::none()),
            Some(raise) => Err(Rejection::RaiseWaits { amount: raise.amount }),
            None => Ok(Decision::event(Event::RaiseRequested { amount, by, reason })),
        }
    }

    fn approve_raise(&self, amount: Money, by: String) -> Decided {
        match &self.raise {
            Some(raise) if raise.amount == amount => {
                if !is_person(&by) {
                    return Err(Rejection::ApprovalByPerson);
                }
                Ok(Decision::event(Event::RaiseApproved { amount, by }))
            }
            None if self.amount == amount => Ok(Decision::none()),
            Some(_) | None => Err(Rejection::NoRaiseWaits),
        }
    }
}

fn when(happens: bool, event: Event) -> Decision<Event> {
    if happens { Decision::event(event) } else { Decision::none() }
}
