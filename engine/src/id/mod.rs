//! Identifiers: typed, prefixed, and each carrying its own slot.
//!
//! Every id is a [TypeID](https://github.com/jetify-com/typeid): a short prefix and a UUID in Crockford base 32.
//! The UUID's twelve bits beside its time (`rand_a` of UUIDv7, `custom_b` of UUIDv8, RFC 9562) hold the *slot*,
//! so that any id can be routed to its partition by itself. Ids that must survive a retry are *derived*: a hash
//! (BLAKE3, keyed) of what identifies them, in a UUIDv8.

mod derive;
mod prefix;
mod slot;
mod stream;
mod tenant;
mod typed;

pub use derive::{IdSecret, digest, uuid_v7, uuid_v8};
pub use prefix::Prefix;
pub use slot::{SLOTS, Slot, SlotMap};
pub use stream::{StreamId, StreamKey};
pub use tenant::TenantId;
pub use typed::{Id, IdKind};

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is not a TypeID at all.
    #[error(
        "`{text}` is not an id: expected a prefix, an underscore and 26 characters, like `run_01h455vb4pex5vsknk084sn02q`"
    )]
    Malformed {
        /// What was given.
        text: String,
    },
    /// The id is well formed, but of another kind.
    #[error("`{text}` is not an id of this kind: it must begin with `{expected}_`")]
    WrongPrefix {
        /// What was given.
        text: String,
        /// The prefix that the place wants.
        expected: Prefix,
    },
    /// A prefix that cannot be used in an id.
    #[error("`{text}` cannot be an id prefix: use 1 to 8 lowercase letters")]
    BadPrefix {
        /// What was given.
        text: String,
    },
    /// A tenant name that cannot be used.
    #[error("`{text}` cannot be a tenant: use 1 to 63 lowercase letters, digits and hyphens")]
    BadTenant {
        /// What was given.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAD: Prefix = Prefix::new("thing");

    #[test]
    fn an_id_carries_its_slot_and_survives_text() {
        for slot in [0, 1, 2047, 4095] {
            let id = StreamId::new(LEAD, uuid_v7(1_763_796_000_000, Slot::new(slot), u64::MAX));
            assert_eq!(id.slot().get(), slot);
            assert_eq!(id.uuid().get_version_num(), 7);
            assert_eq!(id.to_string().parse::<StreamId>(), Ok(id));
        }
    }

    #[test]
    fn derived_ids_are_functions_of_their_parts() {
        let secret = IdSecret::new([7; 32]);
        let a = secret.derive(LEAD, None, "key", &["default", "crm-1"]);
        assert_eq!(a, secret.derive(LEAD, None, "key", &["default", "crm-1"]));
        assert_ne!(a, secret.derive(LEAD, None, "key", &["defaultc", "rm-1"]));
        assert_ne!(a, IdSecret::new([8; 32]).derive(LEAD, None, "key", &["default", "crm-1"]));
        let placed = secret.derive(LEAD, Some(Slot::new(9)), "key", &["x"]);
        assert_eq!((placed.slot().get(), placed.uuid().get_version_num()), (9, 8));
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in [
            "",
            "thing",
            "thing_",
            "thing_zz",
            "Thing_01h455vb4pex5vsknk084sn02q",
            "01h455vb4pex5vsknk084sn02q",
        ] {
            assert!(text.parse::<StreamId>().is_err(), "{text}");
        }
        let other = "other_01h455vb4pex5vsknk084sn02q";
        assert!(matches!(StreamId::parse(other, LEAD), Err(IdError::WrongPrefix { .. })));
    }
}
