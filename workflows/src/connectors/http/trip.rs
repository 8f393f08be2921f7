//! A trip: one call of the connector, with all the requests it takes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, USER_AGENT,
};
use hyper::{Method, StatusCode};
use promptsales_engine::effect::{CallError, EffectKey};
use tokio::time::Instant;
use url::Url;

use super::auth::{self, Scheme};
use super::exchange::{Answer, Ask, Opened, exchange, open};
use super::failure::{Repeat, before, done_perhaps, excerpt, refused};
use super::parts::Parts;
use super::request::IDEMPOTENCY_KEY;
use super::veil::Veil;

/// The most redirects that are followed.
const REDIRECTS: usize = 5;

/// How long a step before the call itself may take: a token, a document, a greeting.
const STEP: Duration = Duration::from_secs(10);

/// The headers that a redirect to another origin takes along.
const TRAVELLING: [HeaderName; 6] =
    [ACCEPT, ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, IDEMPOTENCY_KEY, USER_AGENT];

/// Whether redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirects {
    /// They are, and what cannot be followed is an answer like another.
    Followed,
    /// They are errors.
    Errors,
}

/// One call of the connector.
pub(super) struct Trip<'a> {
    pub(super) parts: &'a Parts,
    /// The effect's key.
    pub(super) key: EffectKey,
    /// When all of it has to be over.
    pub(super) until: Instant,
    veil: Mutex<Veil>,
}

impl<'a> Trip<'a> {
    pub(super) fn new(parts: &'a Parts, key: EffectKey) -> Self {
        // A little before the dispatcher's deadline, so that what is known of the call is not lost.
        let patience = parts.outgoing.deadline.mul_f64(0.97);
        Self { parts, key, until: parts.cx.monotonic() + patience, veil: Mutex::default() }
    }

    /// Does something with the veil.
    pub(super) fn veil<T>(&self, job: impl FnOnce(&mut Veil) -> T) -> T {
        job(&mut self.veil.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hides a text from what comes out of the call.
    pub(super) fn hide(&self, secret: &str) {
        self.veil(|veil| veil.hide(secret));
    }

    /// The begin of a text from outside, for an error; it holds no piece of a secret.
    pub(super) fn excerpt(&self, text: &str) -> String {
        excerpt(&self.veil(|veil| veil.cover(text)))
    }

    /// The end of a step that begins now.
    pub(super) fn step_until(&self) -> Instant {
        self.until.min(self.parts.cx.monotonic() + STEP)
    }

    /// Sends the request of the call itself and takes the answer, which may be an error's; with what was sent in the
    /// end. Once a redirect has made another request of it, or a success has come, nothing that fails says that it was
    /// not carried out.
    pub(super) async fn send(
        &self,
        mut ask: Ask,
        scheme: Option<&Scheme>,
        redirects: Redirects,
        repeat: Repeat,
    ) -> Result<(Ask, Answer), CallError> {
        let mut scheme = scheme;
        let cap = self.parts.outgoing.max_answer;
        let method = ask.method.clone();
        let if_turned =
            |error, now: &Method| if *now == method { error } else { done_perhaps(error, repeat) };
        for _ in 0..=REDIRECTS {
            let opened = self.open(&ask, scheme, self.until, cap).await;
            let (sent, opened) = opened.map_err(|error| if_turned(error, &ask.method))?;
            let target = match redirects {
                Redirects::Followed => target(&ask.url, opened.status, &opened.headers),
                Redirects::Errors => None,
            };
            let Some(target) = target else {
                let answer = opened.complete().await.map_err(|error| done_perhaps(error, repeat))?;
                return Ok((sent, answer));
            };
            if self.turn(&mut ask, target, opened.status)? == Origin::Other {
                scheme = None;
            }
        }
        Err(if_turned(too_many(), &ask.method))
    }

    /// Fetches what the call needs first, and says where it was in the end. Whatever became of this, the call was not
    /// made.
    pub(super) async fn fetch(
        &self,
        what: &str,
        mut ask: Ask,
        scheme: Option<&Scheme>,
        cap: usize,
    ) -> Result<(Url, Answer), CallError> {
        let mut scheme = scheme;
        let until = self.step_until();
        for _ in 0..=REDIRECTS {
            let opened = self.open(&ask, scheme, until, cap).await;
            let (_, opened) = opened.map_err(|error| before(what, error))?;
            let Some(target) = target(&ask.url, opened.status, &opened.headers) else {
                let answer = opened.complete().await.map_err(|error| before(what, error))?;
                return match answer.status.is_success() {
                    true => Ok((ask.url, answer)),
                    false => Err(before(what, answer.error(self, Repeat::Harmless))),
                };
            };
            if self.turn(&mut ask, target, opened.status)? == Origin::Other {
                scheme = None;
            }
        }
        Err(before(what, too_many()))
    }

    /// Makes a request without credentials or redirects before the call itself; the answer may be an error's.
    pub(super) async fn ask(&self, what: &str, ask: &Ask) -> Result<Answer, CallError> {
        let answered =
            exchange(&self.parts.dial, ask, self.step_until(), self.parts.outgoing.max_answer).await;
        answered.map_err(|error| before(what, error))
    }

    /// Sends a request with credentials and opens its answer; a challenge is answered.
    pub(super) async fn open(
        &self,
        ask: &Ask,
        scheme: Option<&Scheme>,
        until: Instant,
        cap: usize,
    ) -> Result<(Ask, Opened), CallError> {
        let mut ask = ask.clone();
        let dial = &self.parts.dial;
        let Some(scheme) = scheme else {
            let opened = open(dial, &ask, until, cap).await?;
            return Ok((ask, opened));
        };
        let used = auth::apply(self, scheme, &mut ask).await?;
        let opened = open(dial, &ask, until, cap).await?;
        let is_answered = opened.status == StatusCode::UNAUTHORIZED
            && auth::answer(self, scheme, &mut ask, &opened.headers, used).await?;
        if !is_answered {
            return Ok((ask, opened));
        }
        let opened = open(dial, &ask, until, cap).await?;
        Ok((ask, opened))
    }

    /// Turns a request to where a redirect leads.
    fn turn(&self, ask: &mut Ask, target: Url, status: StatusCode) -> Result<Origin, CallError> {
        let origin = if target.origin() == ask.url.origin() { Origin::Same } else { Origin::Other };
        let becomes_get = match status {
            StatusCode::SEE_OTHER => ask.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => ask.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            ask.method = Method::GET;
            ask.body = Bytes::new();
            ask.headers.remove(CONTENT_TYPE);
        }
        if origin == Origin::Other {
            ask.headers = travelling(&ask.headers);
            if self.veil(|veil| veil.is_in(&String::from_utf8_lossy(&ask.body))) {
                let message = "a body that holds a secret is not sent on to another place";
                return Err(refused("redirect_not_followed", message));
            }
        }
        ask.url = target;
        Ok(origin)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Same,
    Other,
}

/// Where an answer sends its request on to.
fn target(url: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Url> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let mut target = url.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    // Credentials of somebody else's choosing are of no use.
    let _ = target.set_username("").and_then(|()| target.set_password(None));
    Some(target)
}

/// The headers that another origin may see.
fn travelling(headers: &HeaderMap) -> HeaderMap {
    let known = |name: &HeaderName| headers.get(name).map(|value| (name.clone(), value.clone()));
    TRAVELLING.iter().filter_map(known).filter(|(_, value)| !value.is_sensitive()).collect()
}

fn too_many() -> CallError {
    refused("too_many_redirects", format!("there were more than {REDIRECTS} redirects"))
}
