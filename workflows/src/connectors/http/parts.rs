//! What the calls of a connector share.

use promptsales_engine::runtime::Context;

use super::Outgoing;
use super::auth::Tokens;
use super::dial::Dial;
use super::openapi::Documents;
use super::secrets::Secrets;

/// What the calls of a connector share.
pub(super) struct Parts {
    pub(super) outgoing: Outgoing,
    pub(super) secrets: Secrets,
    pub(super) cx: Context,
    pub(super) dial: Dial,
    pub(super) tokens: Tokens,
    pub(super) documents: Documents,
}
