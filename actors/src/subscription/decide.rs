//! What a subscription decides.

use std::collections::BTreeMap;
use std::time::Duration;

use promptsales_engine::clock::Timestamp;
use promptsales_engine::entity::{DecideCx, Decision};
use promptsales_engine::journal::TimerOp;
use serde_json::json;

use super::{Command, DUE, Details, Event, MeterName, Rejection, Status, Subscription};
use crate::value::reservations::{Ending, Known};
use crate::value::{ReservationId, Text};

type Decided = Result<Decision<Event>, Rejection>;

/// The most that one subscription measures.
pub(super) const MAX_METERS: usize = 50;

/// The largest number that every JSON reader holds exactly (2^53 - 1).
const MAX_AMOUNT: u64 = 9_007_199_254_740_991;

/// After how many seconds a reservation ends by itself, where nothing is said; and the most that can be said.
const EXPIRY_SECONDS: u32 = 900;
const MAX_EXPIRY_SECONDS: u32 = 2_592_000;

/// Decides where there is no subscription yet.
pub(super) fn create(details: Box<Details>, cx: &DecideCx<'_>) -> Decided {
    let details = checked(details, cx)?;
    let opened = Subscription::opened(&details, cx.now);
    Ok(opened.timed(Decision::event(Event::Opened(details)), None))
}

/// Completes details with the key that the subscription is addressed by, and checks them.
fn checked(mut details: Box<Details>, cx: &DecideCx<'_>) -> Result<Box<Details>, Rejection> {
    if let Some(key) = cx.external_key {
        if details.external_key.as_ref().is_some_and(|given| given.as_str() != key) {
            return Err(Rejection::KeyConflict);
        }
        details.external_key = key.parse().ok();
    }
    if details.usage_tracking.len() > MAX_METERS {
        return Err(Rejection::TooManyMeters);
    }
    for limit in details.usage_tracking.values() {
        bounded("limit", limit.limit, 0)?;
        bounded("used", limit.used, 0)?;
    }
    if details.end_date.is_some_and(|end| end <= details.start_date.unwrap_or(cx.now)) {
        return Err(Rejection::EndsBeforeStart);
    }
    Ok(details)
}

fn bounded(field: &'static str, amount: u64, lowest: u64) -> Result<(), Rejection> {
    let fits = (lowest..=MAX_AMOUNT).contains(&amount);
    if fits { Ok(()) } else { Err(Rejection::OutOfBounds { field, lowest, highest: MAX_AMOUNT }) }
}

impl Subscription {
    /// Decides on a command for a subscription that there is: first what is due, then the command on what that leaves.
    pub(super) fn decide_on(&self, command: Command, cx: &DecideCx<'_>) -> Decided {
        let due = self.due(cx.now);
        let mut now = self.clone();
        due.iter().for_each(|event| now.fold(event));
        let mut decision = now.decide_now(command, cx)?;
        decision.events.iter().for_each(|event| now.fold(event));
        decision.events.splice(0..0, due);
        Ok(if decision.events.is_empty() { decision } else { now.timed(decision, self.next_due()) })
    }

    fn decide_now(&self, command: Command, cx: &DecideCx<'_>) -> Decided {
        match command {
            Command::Open(details) => {
                let details = checked(details, cx)?;
                if self.is_opened_by(&details) { Ok(Decision::none()) } else { Err(Rejection::AlreadyOpen) }
            }
            Command::ChangePlan { plan_id, plan_name, limits } => {
                self.change_plan(plan_id, plan_name, limits)
            }
            Command::Reserve { reservation, meter, amount, expires_in_seconds } => {
                self.reserve(reservation, meter, amount, expires_in_seconds, cx)
            }
            Command::Settle { reservation, used } => self.settle(reservation, used),
            Command::Release { reservation } => self.release(reservation),
            Command::RecordPayment { status, renewal_date } => {
                let same = self.payment_status == status
                    && renewal_date.is_none_or(|date| self.renewal_date == Some(date));
                Ok(if same {
                    Decision::none()
                } else {
                    Decision::event(Event::PaymentRecorded { status, renewal_date })
                })
            }
            Command::Suspend { reason } => {
                self.go("suspend", Status::Suspended, &[Status::Active], Event::Suspended { reason })
            }
            Command::Resume {} => self.go("resume", Status::Active, &[Status::Suspended], Event::Resumed {}),
            Command::Cancel { reason } => {
                let from = [Status::Active, Status::Suspended];
                self.go("cancel", Status::Cancelled, &from, Event::Cancelled { reason })
            }
            Command::CatchUp {} => Ok(Decision::none()),
        }
    }

    /// True if it was opened with these details; what changed since does not matter.
    fn is_opened_by(&self, details: &Details) -> bool {
        let meters = details.usage_tracking.keys().all(|name| self.meters.contains_key(name));
        meters
            && self.client == details.client
            && self.external_key == details.external_key
            && self.plan_id == details.plan_id
            && self.end_date == details.end_date
            && self.attributes == details.attributes
            && details.start_date.is_none_or(|start| start == self.start_date)
    }

    fn go(&self, command: &'static str, to: Status, from: &[Status], event: Event) -> Decided {
        if self.status == to {
            return Ok(Decision::none());
        }
        if !from.contains(&self.status) {
            return Err(Rejection::WrongState { command, status: self.status });
        }
        Ok(Decision::event(event))
    }

    fn change_plan(
        &self,
        plan_id: Text<128>,
        plan_name: Option<Text<200>>,
        mut limits: BTreeMap<MeterName, u64>,
    ) -> Decided {
        if self.status.is_over() {
            return Err(Rejection::WrongState { command: "change-plan", status: self.status });
        }
        for limit in limits.values() {
            bounded("limits", *limit, 0)?;
        }
        limits.retain(|name, limit| self.meters.get(name).is_none_or(|meter| meter.limit != *limit));
        let new = limits.keys().filter(|name| !self.meters.contains_key(name)).count();
        if self.meters.len() + new > MAX_METERS {
            return Err(Rejection::TooManyMeters);
        }
        let same = limits.is_empty() && self.plan_id == plan_id && self.plan_name == plan_name;
        let changed = Event::PlanChanged { plan_id, plan_name, limits };
        Ok(if same { Decision::none() } else { Decision::event(changed) })
    }

    fn reserve(
        &self,
        reservation: ReservationId,
        meter: MeterName,
        amount: u64,
        expires_in_seconds: Option<u32>,
        cx: &DecideCx<'_>,
    ) -> Decided {
        bounded("amount", amount, 1)?;
        let seconds = expires_in_seconds.unwrap_or(EXPIRY_SECONDS);
        if !(1..=MAX_EXPIRY_SECONDS).contains(&seconds) {
            let (field, highest) = ("expiresInSeconds", MAX_EXPIRY_SECONDS.into());
            return Err(Rejection::OutOfBounds { field, lowest: 1, highest });
        }
        let same = match self.reservations.known(&reservation) {
            Known::New => None,
            Known::Open(open) => Some((open.key == meter && open.amount == amount, "reserved")),
            Known::Ended(ended) => {
                Some((ended.key == meter && ended.amount == amount, ended.ending.as_str()))
            }
        };
        match same {
            Some((true, status)) => return Ok(Decision::none().reply(json!({ "reservation": status }))),
            Some((false, _)) => return Err(Rejection::ReservationConflict { reservation }),
            None => {}
        }
        if self.status != Status::Active {
            return Err(Rejection::WrongState { command: "reserve", status: self.status });
        }
        let Some(known) = self.meters.get(&meter) else { return Err(Rejection::UnknownMeter { meter }) };
        let remaining = self.remaining(&meter, known);
        if amount > remaining {
            return Err(Rejection::LimitReached { meter, asked: amount, remaining });
        }
        if !self.reservations.has_room() {
            return Err(Rejection::TooManyReservations);
        }
        let expires_at = cx.now.plus(Duration::from_secs(seconds.into()));
        let reply = json!({ "reservation": "reserved", "remaining": remaining - amount });
        Ok(Decision::event(Event::Reserved { reservation, meter, amount, expires_at }).reply(reply))
    }

    fn settle(&self, reservation: ReservationId, used: Option<u64>) -> Decided {
        match self.reservations.known(&reservation) {
            Known::New => Err(Rejection::UnknownReservation { reservation }),
            Known::Ended(ended) => {
                let same = ended.ending == Ending::Settled && ended.used == used.unwrap_or(ended.amount);
                let ending = ended.ending.as_str();
                if same {
                    Ok(Decision::none())
                } else {
                    Err(Rejection::ReservationEnded { reservation, ending })
                }
            }
            Known::Open(open) => {
                let (used, reserved) = (used.unwrap_or(open.amount), open.amount);
                if used > reserved {
                    return Err(Rejection::MoreThanReserved { used, reserved });
                }
                Ok(Decision::event(Event::Settled { reservation, used }))
            }
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

    /// What has become due by a moment.
    fn due(&self, now: Timestamp) -> Vec<Event> {
        let expired = self.reservations.expired(now).cloned();
        let mut events: Vec<Event> =
            expired.map(|reservation| Event::ReservationExpired { reservation }).collect();
        if self.status.is_over() {
            return events;
        }
        for (name, meter) in &self.meters {
            if meter.reset_date.is_some_and(|date| date <= now) {
                let anchor = meter.anchor.or(meter.reset_date).unwrap_or(now);
                let reset_date = meter.every.next(anchor, now);
                events.push(Event::UsageReset { meter: name.clone(), used: meter.used, reset_date });
            }
        }
        if self.end_date.is_some_and(|date| date <= now) {
            events.push(Event::Ended {});
        }
        events
    }

    /// When something becomes due next.
    fn next_due(&self) -> Option<Timestamp> {
        let resets = self.meters.values().filter_map(|meter| meter.reset_date);
        let dates = resets.chain(self.end_date).filter(|_| !self.status.is_over());
        dates.chain(self.reservations.next_expiry()).min()
    }

    /// Sets the timer for what becomes due next after a decision, on the state that it leads to; clears it where nothing
    /// does any more.
    fn timed(&self, decision: Decision<Event>, before: Option<Timestamp>) -> Decision<Event> {
        match (self.next_due(), before) {
            (Some(at), _) => decision.timer(DUE, at),
            (None, Some(_)) => {
                let mut decision = decision;
                decision.timers.push(TimerOp::Clear { name: DUE.to_owned() });
                decision
            }
            (None, None) => decision,
        }
    }
}
