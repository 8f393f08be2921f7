//! The compact form in which origins are stored: what is the same once, what is not there not at all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::journal::record::is_zero;
use crate::journal::{Error, Origin};

/// An origin as it is stored: what is the same is stored once, what is not there not at all.
#[derive(Serialize, Deserialize)]
struct StoredOrigin<T> {
    #[serde(rename = "c")]
    causation: T,
    #[serde(rename = "r", default = "none", skip_serializing_if = "Option::is_none")]
    correlation: Option<T>,
    #[serde(rename = "t", default = "none", skip_serializing_if = "Option::is_none")]
    trace: Option<T>,
    #[serde(rename = "p")]
    principal: T,
    #[serde(rename = "h", default, skip_serializing_if = "is_zero")]
    hops: u8,
}

fn none<T>() -> Option<T> {
    None
}

/// Writes an origin compactly.
pub(in crate::journal) fn origin_text(origin: &Origin) -> String {
    let stored = StoredOrigin {
        causation: &*origin.causation,
        correlation: (origin.correlation != origin.causation).then_some(&*origin.correlation),
        trace: origin.trace.as_deref(),
        principal: &*origin.principal,
        hops: origin.hops,
    };
    serde_json::to_string(&stored).expect("four texts can always be written")
}

/// Reads an origin.
pub(in crate::journal) fn read_origin(text: &str) -> Result<Arc<Origin>, Error> {
    let stored: StoredOrigin<Arc<str>> = serde_json::from_str(text)
        .map_err(|error| Error::Corrupt { reason: format!("an origin: {error}") })?;
    Ok(Arc::new(Origin {
        correlation: stored.correlation.unwrap_or_else(|| stored.causation.clone()),
        causation: stored.causation,
        trace: stored.trace,
        principal: stored.principal,
        hops: stored.hops,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_survives_and_is_stored_compactly() {
        let root = Origin::root("req_1", "user:ada");
        assert_eq!(origin_text(&root), r#"{"c":"req_1","p":"user:ada"}"#);
        let mut caused = root.caused("msg_2", "run:x");
        caused.hops = 3;
        caused.trace = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
        for origin in [root, caused] {
            assert_eq!(*read_origin(&origin_text(&origin)).unwrap(), origin);
        }
    }
}
