//! Why a budget can refuse a command.

use promptsales_engine::entity::Reason;
use promptsales_engine::journal::RejectionKind;
use serde_json::{Value, json};

use crate::value::reservations::MAX_OPEN;
use crate::value::{Channel, Currency, Money, ReservationId};

/// Why a budget can refuse a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The budget was addressed by one key, and the body holds another.
    #[error("`externalKey` is not the key that the budget is addressed by: use one of them")]
    KeyConflict,
    /// It is open, with other details.
    #[error("the budget is there already, with other details")]
    AlreadyOpen,
    /// The amount is of another currency.
    #[error("the amount is in {given}, the budget in {currency}: use that")]
    CurrencyMismatch {
        /// What was given.
        given: Currency,
        /// The budget's.
        currency: Currency,
    },
    /// Nothing is no amount.
    #[error("the amount is zero: give one above it")]
    NoAmount,
    /// A channel stands twice.
    #[error("`{channel}` stands twice in `allocations`")]
    ChannelTwice {
        /// The channel.
        channel: Channel,
    },
    /// The parts would be more than the whole.
    #[error(
        "the channels would have {allocated} of a budget of {amount}: ask for a raise, or give others less"
    )]
    Exceeded {
        /// What they would have.
        allocated: Money,
        /// The cap.
        amount: Money,
    },
    /// A channel would have less than is bound on it.
    #[error("{bound} are reserved or spent on `{channel}`: its part cannot be less")]
    BelowBound {
        /// The channel.
        channel: Channel,
        /// What is reserved or spent on it.
        bound: Money,
    },
    /// A channel's part is used up.
    #[error("`{channel}` has {remaining} left, {asked} were asked for")]
    CapReached {
        /// The channel.
        channel: Channel,
        /// How much was asked for.
        asked: Money,
        /// How much is left.
        remaining: Money,
    },
    /// It is closed.
    #[error("the budget is closed: reopen it first")]
    Closed,
    /// There is no room for another reservation.
    #[error("{MAX_OPEN} reservations are open: record what was spent, or release some first")]
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
    /// More was spent than was reserved.
    #[error("{spent} were spent of a reservation of {reserved}: reserve more first")]
    MoreThanReserved {
        /// How much was spent.
        spent: Money,
        /// How much was reserved.
        reserved: Money,
    },
    /// A raise that raises nothing.
    #[error("a raise is to more than {amount}: use `lower` for less")]
    NoRaise {
        /// The cap.
        amount: Money,
    },
    /// Another raise waits.
    #[error("a raise to {amount} waits for its approval: approve or reject it first")]
    RaiseWaits {
        /// The cap that was asked for.
        amount: Money,
    },
    /// No such raise waits.
    #[error("no raise to that amount waits for an approval")]
    NoRaiseWaits,
    /// Only a person can approve it.
    #[error("only a person can approve a raise")]
    ApprovalByPerson,
}

impl Reason for Rejection {
    fn code(&self) -> &'static str {
        match self {
            Self::KeyConflict => "external_key_conflict",
            Self::AlreadyOpen => "budget_already_open",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::NoAmount => "amount_needed",
            Self::ChannelTwice { .. } => "channel_twice",
            Self::Exceeded { .. } => "budget_exceeded",
            Self::BelowBound { .. } => "allocation_below_bound",
            Self::CapReached { .. } => "allocation_used_up",
            Self::Closed => "budget_closed",
            Self::TooManyReservations => "too_many_reservations",
            Self::ReservationConflict { .. } => "reservation_conflict",
            Self::UnknownReservation { .. } => "reservation_unknown",
            Self::ReservationEnded { .. } => "reservation_ended",
            Self::MoreThanReserved { .. } => "more_than_reserved",
            Self::NoRaise { .. } => "raise_is_none",
            Self::RaiseWaits { .. } => "raise_waits",
            Self::NoRaiseWaits => "no_raise_waits",
            Self::ApprovalByPerson => "approval_only_by_person",
        }
    }

    fn kind(&self) -> RejectionKind {
        match self {
            Self::KeyConflict
            | Self::CurrencyMismatch { .. }
            | Self::NoAmount
            | Self::ChannelTwice { .. } => RejectionKind::Invalid,
            Self::AlreadyOpen
            | Self::Exceeded { .. }
            | Self::BelowBound { .. }
            | Self::CapReached { .. }
            | Self::Closed
            | Self::TooManyReservations
            | Self::ReservationConflict { .. }
            | Self::UnknownReservation { .. }
            | Self::ReservationEnded { .. }
            | Self::MoreThanReserved { .. }
            | Self::NoRaise { .. }
            | Self::RaiseWaits { .. }
            | Self::NoRaiseWaits
            | Self::ApprovalByPerson => RejectionKind::Conflict,
        }
    }

    fn detail(&self) -> Value {
        if let Self::CapReached { channel, asked, remaining } = self {
            return json!({ "channel": channel, "asked": asked, "remaining": remaining });
        }
        Value::Null
    }
}
