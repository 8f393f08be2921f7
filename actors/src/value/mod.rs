//! Value objects: what the domain says in words, parsed once where it comes in.
//!
//! Constructing a value checks it; an error names the value and says what would be right. The wire forms are
//! JSON texts and objects, with a schema each.

mod attributes;
pub mod brief;
mod channel;
mod content;
mod document;
mod email;
mod locale;
mod money;
pub mod patch;
mod period;
mod phone;
mod principal;
mod provenance;
pub mod reservations;
mod text;
mod time_zone;
mod url;

pub use attributes::{Attributes, AttributesError};
pub use brief::{Brief, BriefError};
pub use channel::{Channel, UnknownChannel};
pub use content::{ContentKind, Media, Piece};
pub use document::{DocumentError, ImportedBrief};
pub use email::{Email, EmailError};
pub use locale::{Locale, LocaleError};
pub use money::{Currency, Money, MoneyError};
pub use period::Period;
pub use phone::{Phone, PhoneError};
pub use principal::is_person;
pub use provenance::{Provenance, Utm};
pub use reservations::{Reservation, ReservationId, Reservations};
pub use text::{ExternalKey, Text, TextError};
pub use time_zone::{TimeZone, TimeZoneError};
pub use url::{UrlError, WebUrl};

/// Shortens a refused value, so that an error stays readable.
pub(crate) fn shown(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    text.chars().take(79).chain(std::iter::once('…')).collect()
}
