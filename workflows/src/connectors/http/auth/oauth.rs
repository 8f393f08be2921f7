//! Getting a token: OAuth 2.0 (RFC 6749), token exchange (RFC 8693), OpenID Connect's discovery.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use promptsales_engine::effect::CallError;
use serde_json::{Map, Value, json};
use url::Url;

use super::client::{self, Client};
use super::tokens::Token;
use crate::connectors::http::exchange::{Answer, Ask};
use crate::connectors::http::failure::{Repeat, bad_request, before, refused};
use crate::connectors::http::request::{form, given, text, url};
use crate::connectors::http::trip::Trip;

/// How long a token is kept that does not say how long it is good.
const UNSAID: Duration = Duration::from_secs(60);

/// The longest that any is kept.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

const DISCOVERY: &str = "/.well-known/openid-configuration";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Where the token's endpoint is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// At a path of the authority.
    OAuth2,
    /// In the authority's configuration.
    OpenId,
}

/// How a token is got.
pub(in crate::connectors::http) struct OAuth {
    kind: Kind,
    authority: Url,
    client: Client,
    /// The token request's parameters but for the client's.
    parameters: Map<String, Value>,
    is_json: bool,
    issuers: Vec<String>,
    /// All of the scheme, for tokens to be told apart by.
    pub(super) stated: Value,
}

impl OAuth {
    /// Reads a scheme's members.
    pub(super) fn read(members: &Value, kind: Kind) -> Result<Self, CallError> {
        let encoding = members.pointer("/request/encoding").and_then(Value::as_str);
        let is_json = match encoding {
            None | Some("application/x-www-form-urlencoded") => false,
            Some("application/json") => true,
            Some(other) => return Err(bad_request(format!("a token request is not encoded as `{other}`"))),
        };
        Ok(Self {
            kind,
            authority: url(text(members, "authority")?)?,
            client: Client::read(given(members, "client"))?,
            parameters: parameters(members)?,
            is_json,
            issuers: texts(members, "issuers")?,
            stated: json!([kind == Kind::OpenId, members]),
        })
    }

    fn at(&self, path: &str) -> Result<Url, CallError> {
        if path.contains("://") {
            return url(path);
        }
        let base = self.authority.as_str().trim_end_matches('/');
        url(&format!("{base}/{}", path.trim_start_matches('/')))
    }
}

fn parameters(members: &Value) -> Result<Map<String, Value>, CallError> {
    let grant = text(members, "grant")?;
    let mut parameters = Map::new();
    let mut put = |name: &str, value: &str| parameters.insert(name.to_owned(), value.into());
    put("grant_type", grant);
    match grant {
        "client_credentials" => {}
        "password" => {
            put("username", text(members, "username")?);
            put("password", text(members, "password")?);
        }
        "refresh_token" => {
            // The specification has no place of its own for it.
            let token = members.pointer("/subject/token").or_else(|| members.pointer("/refresh_token"));
            let missing = || bad_request("the token to refresh is missing: it stands in `subject.token`");
            put("refresh_token", token.and_then(Value::as_str).ok_or_else(missing)?);
        }
        EXCHANGE => {
            for party in ["subject", "actor"] {
                match given(members, party) {
                    Some(of) => {
                        put(&format!("{party}_token"), text(of, "token")?);
                        put(&format!("{party}_token_type"), text(of, "type")?);
                    }
                    None if party == "subject" => return Err(bad_request("`subject` is missing")),
                    None => {}
                }
            }
        }
        "authorization_code" => return Err(bad_request("the grant authorization_code needs a person")),
        other => return Err(bad_request(format!("the grant `{other}` is not known"))),
    }
    let scopes = texts(members, "scopes")?;
    if !scopes.is_empty() {
        put("scope", &scopes.join(" "));
    }
    let audiences = texts(members, "audiences")?;
    match audiences.as_slice() {
        [] => {}
        [one] => _ = put("audience", one),
        several => _ = parameters.insert("audience".to_owned(), json!(several)),
    }
    Ok(parameters)
}

fn texts(members: &Value, field: &str) -> Result<Vec<String>, CallError> {
    let wrong = || bad_request(format!("`{field}` is no list of texts"));
    let items = given(members, field).map(|list| list.as_array().ok_or_else(wrong)).transpose()?;
    let text = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(wrong);
    items.into_iter().flatten().map(text).collect()
}

/// Gets a token.
///
/// # Errors
///
/// [`CallError::Refused`] where the authority says no, [`CallError::Failed`] where it does not answer.
pub(super) async fn fetch(trip: &Trip<'_>, oauth: &OAuth) -> Result<Token, CallError> {
    let (endpoint, issuer) = match oauth.kind {
        Kind::OAuth2 => {
            let path = oauth.stated.pointer("/1/endpoints/token").and_then(Value::as_str);
            (oauth.at(path.unwrap_or("/oauth2/token"))?, None)
        }
        Kind::OpenId => discovered(trip, oauth).await?,
    };
    let mut parameters = oauth.parameters.clone();
    let mut ask = Ask::new(Method::POST, endpoint);
    let now = trip.parts.cx.now().ms() / 1000;
    client::identify(&oauth.client, trip, &mut ask, &mut parameters, now)?;
    let (content_type, body) = match oauth.is_json {
        true => ("application/json", Bytes::from(Value::Object(parameters).to_string())),
        false => ("application/x-www-form-urlencoded", form(&parameters)),
    };
    ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    ask.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    ask.body = body;
    let answer = trip.ask("getting a token", &ask).await?;
    if !answer.status.is_success() {
        return Err(before("getting a token", no(trip, &answer)));
    }
    token(trip, oauth, &answer, issuer.as_deref())
}

/// The no of an authority: a 400 and a 401 say the same.
fn no(trip: &Trip<'_>, answer: &Answer) -> CallError {
    match answer.error(trip, Repeat::Harmless) {
        CallError::Refused { message, .. } => refused("authentication_failed", message),
        other => other,
    }
}

fn token(trip: &Trip<'_>, oauth: &OAuth, answer: &Answer, issuer: Option<&str>) -> Result<Token, CallError> {
    let wrong = |message: String| refused("authentication_failed", format!("getting a token: {message}"));
    // What a broken answer holds may be the token: its words are not repeated.
    let body: Value =
        serde_json::from_slice(&answer.body).map_err(|_| wrong("the answer is no JSON".to_owned()))?;
    let token = body.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| wrong("the answer holds no token".to_owned()))?;
    trip.hide(token);
    let allowed: Vec<&str> = match oauth.issuers.is_empty() {
        true => issuer.into_iter().collect(),
        false => oauth.issuers.iter().map(String::as_str).collect(),
    };
    if let Some(said) =
        issuer_of(token).filter(|said| !allowed.is_empty() && !allowed.contains(&said.as_str()))
    {
        let message = format!("the issuer `{}` is not one of those expected", trip.excerpt(&said));
        return Err(wrong(message));
    }
    let kind = body.get("token_type").and_then(Value::as_str).unwrap_or("Bearer");
    let kind = if kind.eq_ignore_ascii_case("bearer") { "Bearer" } else { kind };
    let seconds = match body.get("expires_in") {
        Some(Value::String(text)) => text.parse().ok(),
        other => other.and_then(Value::as_f64),
    };
    let good =
        seconds.filter(|seconds| *seconds >= 0.0).map(|seconds| Duration::from_secs_f64(seconds.min(1e9)));
    let until = trip.parts.cx.monotonic() + good.unwrap_or(UNSAID).min(LONGEST);
    Ok(Token { credentials: format!("{kind} {token}"), until })
}

/// The issuer that a JWT names; other tokens say nothing. The service that it is for checks the signature.
fn issuer_of(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// The token's endpoint and the issuer, as an OpenID provider's configuration has them.
async fn discovered(trip: &Trip<'_>, oauth: &OAuth) -> Result<(Url, Option<String>), CallError> {
    const STEP: &str = "reading the provider's configuration";
    let at = match oauth.authority.path().ends_with(DISCOVERY) {
        true => oauth.authority.clone(),
        false => oauth.at(DISCOVERY)?,
    };
    let answer = trip.ask(STEP, &Ask::new(Method::GET, at)).await?;
    if !answer.status.is_success() {
        return Err(before(STEP, no(trip, &answer)));
    }
    let configuration = answer.json(trip).map_err(|error| before(STEP, error))?;
    let stated = text(&configuration, "token_endpoint").map_err(|error| before(STEP, error))?;
    let unusable =
        |_| refused("bad_request", format!("{STEP}: `{}` is no place of a token", trip.excerpt(stated)));
    let endpoint = url(stated).map_err(unusable)?;
    let issuer = configuration.get("issuer").and_then(Value::as_str).map(str::to_owned);
    Ok((endpoint, issuer))
}
