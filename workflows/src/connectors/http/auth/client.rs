//! How a client shows an authority who it is (RFC 6749, 2.3; RFC 7523).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::{AUTHORIZATION, HeaderValue};
use promptsales_engine::effect::CallError;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::connectors::http::exchange::Ask;
use crate::connectors::http::failure::bad_request;
use crate::connectors::http::request::{given, text};
use crate::connectors::http::trip::Trip;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion of ours is good, in seconds.
const ASSERTION_GOOD: i64 = 60;

/// A client of an authority.
pub(super) enum Client {
    /// None is named.
    Nobody,
    /// With its id alone.
    Public { id: String },
    /// With its secret in the header.
    Basic { id: String, secret: String },
    /// With its secret in the body.
    Post { id: String, secret: Option<String> },
    /// With an assertion signed by its secret.
    SecretJwt { id: String, secret: String },
    /// With an assertion that was signed elsewhere.
    Assertion { id: Option<String>, assertion: String },
}

impl Client {
    /// Reads the member `client`.
    pub(super) fn read(client: Option<&Value>) -> Result<Self, CallError> {
        let Some(client) = client else { return Ok(Self::Nobody) };
        let of = |field: &str| text(client, field).map(str::to_owned);
        let optional = |field: &str| given(client, field).and_then(Value::as_str).map(str::to_owned);
        let method = optional("authentication").unwrap_or_else(|| "client_secret_post".to_owned());
        Ok(match method.as_str() {
            "none" => optional("id").map_or(Self::Nobody, |id| Self::Public { id }),
            "client_secret_basic" => Self::Basic { id: of("id")?, secret: of("secret")? },
            "client_secret_post" => Self::Post { id: of("id")?, secret: optional("secret") },
            "client_secret_jwt" => match optional("assertion") {
                Some(assertion) => Self::Assertion { id: optional("id"), assertion },
                None => Self::SecretJwt { id: of("id")?, secret: of("secret")? },
            },
            "private_key_jwt" => Self::Assertion { id: optional("id"), assertion: of("assertion")? },
            other => return Err(bad_request(format!("`{other}` is no way for a client to authenticate"))),
        })
    }
}

/// Adds to a token request who the client is; `now` is in seconds since 1970.
pub(super) fn identify(
    client: &Client,
    trip: &Trip<'_>,
    ask: &mut Ask,
    parameters: &mut Map<String, Value>,
    now: i64,
) -> Result<(), CallError> {
    let mut put = |name: &str, value: &str| parameters.insert(name.to_owned(), value.into());
    match client {
        Client::Nobody => {}
        Client::Public { id } => _ = put("client_id", id),
        Client::Post { id, secret } => {
            put("client_id", id);
            secret.as_ref().map(|secret| put("client_secret", secret));
        }
        Client::Basic { id, secret } => {
            let encoded =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let both = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
            trip.hide(&both);
            let value = HeaderValue::from_str(&format!("Basic {both}"));
            let mut value = value.map_err(|_| bad_request("the client cannot be named in a header"))?;
            value.set_sensitive(true);
            ask.headers.insert(AUTHORIZATION, value);
        }
        Client::SecretJwt { id, secret } => {
            let assertion = signed(id, secret, ask.url.as_str(), &trip.parts.cx.uuid().to_string(), now);
            trip.hide(&assertion);
            put("client_id", id);
            put("client_assertion", &assertion);
            put("client_assertion_type", ASSERTION_TYPE);
        }
        Client::Assertion { id, assertion } => {
            id.as_ref().map(|id| put("client_id", id));
            put("client_assertion", assertion);
            put("client_assertion_type", ASSERTION_TYPE);
        }
    }
    Ok(())
}

/// An assertion signed with HMAC and SHA-256 (RFC 7515).
fn signed(id: &str, secret: &str, audience: &str, unique: &str, now: i64) -> String {
    let claims = json!({
        "iss": id, "sub": id, "aud": audience, "jti": unique, "iat": now, "exp": now + ASSERTION_GOOD,
    });
    let head = json!({ "alg": "HS256", "typ": "JWT" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&head), part(&claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key may have any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}
