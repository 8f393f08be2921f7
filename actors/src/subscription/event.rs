//! What can have happened to a subscription, and what that makes of it.

use std::collections::BTreeMap;

use promptsales_engine::clock::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Details, Meter, MeterName, PaymentStatus, Status, Subscription};
use crate::value::reservations::Ending;
use crate::value::{Reservation, ReservationId, Reservations, Text};

/// What can have happened to a subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// It was opened.
    Opened(Box<Details>),
    /// Its plan was changed.
    PlanChanged {
        /// The plan.
        plan_id: Text<128>,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan_name: Option<Text<200>>,
        /// The limits that changed.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        limits: BTreeMap<MeterName, u64>,
    },
    /// An amount was set aside.
    Reserved {
        /// The reservation.
        reservation: ReservationId,
        /// Of which meter.
        meter: MeterName,
        /// How much.
        amount: u64,
        /// When it ends by itself.
        expires_at: Timestamp,
    },
    /// A reservation was used.
    Settled {
        /// The reservation.
        reservation: ReservationId,
        /// How much of it.
        used: u64,
    },
    /// A reservation was given back.
    Released {
        /// The reservation.
        reservation: ReservationId,
    },
    /// Nobody settled a reservation in time.
    ReservationExpired {
        /// The reservation.
        reservation: ReservationId,
    },
    /// A meter began anew.
    UsageReset {
        /// The meter.
        meter: MeterName,
        /// How much was used until then.
        used: u64,
        /// When it begins anew the next time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reset_date: Option<Timestamp>,
    },
    /// It was noted whether it is paid.
    PaymentRecorded {
        /// Whether it is.
        status: PaymentStatus,
        /// When it is to be paid again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        renewal_date: Option<Timestamp>,
    },
    /// It was halted.
    Suspended {
        /// Why.
        reason: Text<500>,
    },
    /// It goes on.
    Resumed {},
    /// Somebody ended it.
    Cancelled {
        /// Why.
        reason: Text<500>,
    },
    /// Its end date came.
    Ended {},
}

/// Every event's wire name with the current version of its shape.
pub(super) const EVENTS: &[(&str, u16)] = &[
    ("opened", 1),
    ("plan-changed", 1),
    ("reserved", 1),
    ("settled", 1),
    ("released", 1),
    ("reservation-expired", 1),
    ("usage-reset", 1),
    ("payment-recorded", 1),
    ("suspended", 1),
    ("resumed", 1),
    ("cancelled", 1),
    ("ended", 1),
];

impl Subscription {
    /// The subscription that was opened.
    pub(super) fn opened(details: &Details, at: Timestamp) -> Self {
        let meters = details.usage_tracking.iter().map(|(name, limit)| {
            let (used, anchor) = (limit.used, limit.reset_date);
            let meter = Meter { used, limit: limit.limit, every: limit.every, anchor, reset_date: anchor };
            (name.clone(), meter)
        });
        Self {
            status: Status::Active,
            reason: None,
            client: details.client,
            external_key: details.external_key.clone(),
            plan_id: details.plan_id.clone(),
            plan_name: details.plan_name.clone(),
            payment_status: details.payment_status,
            start_date: details.start_date.unwrap_or(at),
            end_date: details.end_date,
            renewal_date: details.renewal_date,
            meters: meters.collect(),
            reservations: Reservations::default(),
            attributes: details.attributes.clone(),
            created_at: at,
            updated_at: at,
        }
    }

    /// Folds one more event into the state.
    pub(super) fn fold(&mut self, event: &Event) {
        match event {
            // It is opened once, at its beginning.
            Event::Opened(_) => {}
            Event::PlanChanged { plan_id, plan_name, limits } => {
                self.plan_id = plan_id.clone();
                self.plan_name.clone_from(plan_name);
                for (name, limit) in limits {
                    self.limit(name, *limit);
                }
            }
            Event::Reserved { reservation, meter, amount, expires_at } => {
                let (key, expires_at) = (meter.clone(), Some(*expires_at));
                let taken = Reservation { key, amount: *amount, expires_at };
                self.reservations.take(reservation.clone(), taken);
            }
            Event::Settled { reservation, used } => self.close(reservation, *used, Ending::Settled),
            Event::Released { reservation } => self.close(reservation, 0, Ending::Released),
            Event::ReservationExpired { reservation } => self.close(reservation, 0, Ending::Expired),
            Event::UsageReset { meter, reset_date, .. } => {
                if let Some(meter) = self.meters.get_mut(meter) {
                    (meter.used, meter.reset_date) = (0, *reset_date);
                }
            }
            Event::PaymentRecorded { status, renewal_date } => {
                self.payment_status = *status;
                self.renewal_date = renewal_date.or(self.renewal_date);
            }
            Event::Suspended { reason } => self.stand(Status::Suspended, Some(reason)),
            Event::Resumed {} => self.stand(Status::Active, None),
            Event::Cancelled { reason } => self.stand(Status::Cancelled, Some(reason)),
            Event::Ended {} => self.stand(Status::Ended, None),
        }
    }

    fn stand(&mut self, status: Status, reason: Option<&Text<500>>) {
        (self.status, self.reason) = (status, reason.cloned());
    }

    fn limit(&mut self, name: &MeterName, limit: u64) {
        let new = || Meter { used: 0, limit, every: Default::default(), anchor: None, reset_date: None };
        self.meters.entry(name.clone()).or_insert_with(new).limit = limit;
    }
}
