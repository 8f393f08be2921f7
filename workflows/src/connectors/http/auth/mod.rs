//! Authentication policies: how a request shows who sends it.
//!
//! `basic`, `bearer`, `digest`, `oauth2` and `oidc`, as the specification has them. A scheme's members stand in the
//! request or, with `use`, in a secret.

mod client;
mod digest;
mod oauth;
mod tokens;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use promptsales_engine::effect::CallError;
use serde_json::Value;

pub(super) use self::tokens::Tokens;

use self::oauth::OAuth;
use super::exchange::Ask;
use super::failure::{bad_request, refused};
use super::fill;
use super::request::{given, text};
use super::trip::Trip;

/// The parts of a scheme that are secret, wherever the scheme stands.
const SECRET_PARTS: [&str; 7] = [
    "/password",
    "/token",
    "/client/secret",
    "/client/assertion",
    "/subject/token",
    "/actor/token",
    "/refresh_token",
];

/// How a request shows who sends it.
pub(super) enum Scheme {
    /// RFC 7617.
    Basic(User),
    /// RFC 6750.
    Bearer(String),
    /// RFC 7616.
    Digest(User),
    /// A token of RFC 6749, or of OpenID Connect.
    OAuth(Box<OAuth>),
}

/// A name with a password.
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

/// What a request was sent with, for when it is not good enough.
pub(super) enum Used {
    /// What there is.
    All,
    /// A token that was kept from before.
    KeptToken,
}

impl Scheme {
    /// Reads a policy.
    pub(super) fn read(policy: &Value, trip: &Trip<'_>) -> Result<Self, CallError> {
        let schemes = ["basic", "bearer", "digest", "oauth2", "oidc"];
        let found = schemes.into_iter().find_map(|name| Some((name, given(policy, name)?)));
        let Some((name, stated)) = found else {
            let message = format!("`authentication` is one of {}", schemes.join(", "));
            return Err(bad_request(message));
        };
        let members = texts(&match given(stated, "use") {
            None => stated.clone(),
            Some(secret) => {
                let secret = secret.as_str().ok_or_else(|| bad_request("`use` is no name"))?;
                fill::members(secret, &trip.parts.secrets)?
            }
        });
        for secret in SECRET_PARTS.iter().filter_map(|path| members.pointer(path)?.as_str()) {
            trip.hide(secret);
        }
        Ok(match name {
            "basic" => Self::Basic(User::read(&members)?),
            "bearer" => Self::Bearer(text(&members, "token")?.to_owned()),
            "digest" => Self::Digest(User::read(&members)?),
            "oauth2" => Self::OAuth(Box::new(OAuth::read(&members, oauth::Kind::OAuth2)?)),
            _ => Self::OAuth(Box::new(OAuth::read(&members, oauth::Kind::OpenId)?)),
        })
    }
}

/// The members with numbers as texts: a password may look like one.
fn texts(members: &Value) -> Value {
    match members {
        Value::Number(number) => number.to_string().into(),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), texts(field))).collect(),
        other => other.clone(),
    }
}

impl User {
    fn read(members: &Value) -> Result<Self, CallError> {
        let (name, password) = (text(members, "username")?.to_owned(), text(members, "password")?.to_owned());
        Ok(Self { name, password })
    }

    /// The credentials of RFC 7617.
    fn basic(&self, trip: &Trip<'_>) -> Result<String, CallError> {
        if self.name.contains(':') {
            return Err(bad_request("a user's name has no colon in it"));
        }
        let encoded = STANDARD.encode(format!("{}:{}", self.name, self.password));
        trip.hide(&encoded);
        Ok(format!("Basic {encoded}"))
    }
}

/// Gives a request its credentials, which may have to be got first.
pub(super) async fn apply(trip: &Trip<'_>, scheme: &Scheme, ask: &mut Ask) -> Result<Used, CallError> {
    let mut used = Used::All;
    let credentials = match scheme {
        Scheme::Basic(user) => user.basic(trip)?,
        Scheme::Bearer(token) => format!("Bearer {token}"),
        // They answer a challenge.
        Scheme::Digest(_) => return Ok(used),
        Scheme::OAuth(oauth) => {
            let (token, was_kept) = trip.parts.tokens.token(trip, oauth).await?;
            if was_kept {
                used = Used::KeptToken;
            }
            token
        }
    };
    authorize(ask, &credentials)?;
    Ok(used)
}

/// Gives a request that was not let in the credentials that were asked for; false where there are no others.
pub(super) async fn answer(
    trip: &Trip<'_>,
    scheme: &Scheme,
    ask: &mut Ask,
    headers: &HeaderMap,
    used: Used,
) -> Result<bool, CallError> {
    match (scheme, used) {
        (Scheme::Digest(user), _) => {
            let nonce = format!("{:016x}{:016x}", trip.parts.cx.random(), trip.parts.cx.random());
            let Some(credentials) = digest::answer(user, ask, headers, &nonce)? else { return Ok(false) };
            authorize(ask, &credentials)?;
            Ok(true)
        }
        (Scheme::OAuth(oauth), Used::KeptToken) => {
            // It may have been revoked.
            trip.parts.tokens.forget(oauth);
            let (token, _) = trip.parts.tokens.token(trip, oauth).await?;
            authorize(ask, &token)?;
            Ok(true)
        }
        (Scheme::OAuth(_) | Scheme::Basic(_) | Scheme::Bearer(_), _) => Ok(false),
    }
}

fn authorize(ask: &mut Ask, credentials: &str) -> Result<(), CallError> {
    let value = HeaderValue::from_str(credentials);
    let mut value =
        value.map_err(|_| refused("bad_request", "the credentials cannot be sent in a header"))?;
    value.set_sensitive(true);
    ask.headers.insert(AUTHORIZATION, value);
    Ok(())
}
