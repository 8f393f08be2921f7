//! Why a subscription can refuse a command.

use promptsales_engine::entity::Reason;
use promptsales_engine::journal::RejectionKind;
use serde_json::{Value, json};

use super::decide::MAX_METERS;
use super::{MeterName, Status};
use crate::value::ReservationId;
use crate::value::reservations::MAX_OPEN;

/// Why a subscription can refuse a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The subscription was addressed by one key, and the body holds another.
    #[error("`externalKey` is not the key that the subscription is addressed by: use one of them")]
    KeyConflict,
    /// It is open, with other details.
    #[error("the subscription is open already, with other details")]
    AlreadyOpen,
    /// Too much is measured.
    #[error("a subscription has at most {MAX_METERS} meters")]
    TooManyMeters,
    /// A number is larger than can be held exactly.
    #[error("`{field}` is out of bounds: use {lowest} to {highest}")]
    OutOfBounds {
        /// The field.
        field: &'static str,
        /// The lowest that there can be.
        lowest: u64,
        /// The highest that there can be.
        highest: u64,
    },
    /// It ends before it starts.
    #[error("`endDate` is not after `startDate`")]
    EndsBeforeStart,
    /// It is not in a state for that.
    #[error("the subscription is {}: `{command}` is not possible", .status.as_str())]
    WrongState {
        /// The command.
        command: &'static str,
        /// Where it stands.
        status: Status,
    },
    /// Nothing of that name is measured.
    #[error("the subscription has no meter `{meter}`")]
    UnknownMeter {
        /// The name.
        meter: MeterName,
    },
    /// The limit would be passed.
    #[error("`{meter}` has {remaining} left until its limit, {asked} were asked for")]
    LimitReached {
        /// The meter.
        meter: MeterName,
        /// How much was asked for.
        asked: u64,
        /// How much is left.
        remaining: u64,
    },
    /// There is no room for another reservation.
    #[error("{MAX_OPEN} reservations are open: settle or release some first")]
    TooManyReservations,
    /// The reservation is another one.
    #[error("the reservation `{reservation}` is there already, for something else: use another id")]
    ReservationConflict {
        /// The reservation.
        reservation: ReservationId,
    },
    /// There is no such reservation.
    #[error("there is no reservation `{reservation}`, or it ended long ago")]
    UnknownReservation {
        /// The reservation.
        reservation: ReservationId,
    },
    /// The reservation ended otherwise.
    #[error("the reservation `{reservation}` has been {ending} already")]
    ReservationEnded {
        /// The reservation.
        reservation: ReservationId,
        /// How.
        ending: &'static str,
    },
    /// More was used than was reserved.
    #[error("{used} were used of a reservation of {reserved}: reserve more first")]
    MoreThanReserved {
        /// How much was used.
        used: u64,
        /// How much was reserved.
        reserved: u64,
    },
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::KeyConflict => "external_key_conflict",
            Self::AlreadyOpen => "subscription_already_open",
            Self::TooManyMeters => "too_many_meters",
            Self::OutOfBounds { .. } => "amount_out_of_bounds",
            Self::EndsBeforeStart => "end_before_start",
            Self::WrongState { .. } => "subscription_wrong_state",
            Self::UnknownMeter { .. } => "meter_unknown",
            Self::LimitReached { .. } => "usage_limit_reached",
            Self::TooManyReservations => "too_many_reservations",
            Self::ReservationConflict { .. } => "reservation_conflict",
            Self::UnknownReservation { .. } => "reservation_unknown",
            Self::ReservationEnded { .. } => "reservation_ended",
            Self::MoreThanReserved { .. } => "more_than_reserved",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::KeyConflict | Self::TooManyMeters | Self::OutOfBounds { .. } | Self::EndsBeforeStart => {
                RejectionKind::Invalid
            }
            Self::AlreadyOpen
            | Self::WrongState { .. }
            | Self::UnknownMeter { .. }
            | Self::LimitReached { .. }
            | Self::TooManyReservations
            | Self::ReservationConflict { .. }
            | Self::UnknownReservation { .. }
            | Self::ReservationEnded { .. }
            | Self::MoreThanReserved { .. } => RejectionKind::Conflict,
        }
    }

    fn detail(&self) -> Value {
        match self {
            Self::LimitReached { meter, asked, remaining } => {
                json!({ "meter": meter, "asked": asked, "remaining": remaining })
            }
            Self::WrongState { status, .. } => json!({ "status": status }),
            Self::MoreThanReserved { used, reserved } => json!({ "used": used, "reserved": reserved }),
            Self::KeyConflict
            | Self::AlreadyOpen
            | Self::TooManyMeters
            | Self::OutOfBounds { .. }
            | Self::EndsBeforeStart
            | Self::UnknownMeter { .. }
            | Self::TooManyReservations
            | Self::ReservationConflict { .. }
            | Self::UnknownReservation { .. }
            | Self::ReservationEnded { .. } => Value::Null,
        }
    }
}
