//! Pages: `limit`, an opaque `cursor`, `{ items, next }` and a `Link` header (RFC 8288).

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::problem::{Code, Problem};

const DEFAULT_LIMIT: usize = 20;
const LARGEST_LIMIT: usize = 100;

/// The query of a list.
#[derive(Debug, Default, Deserialize)]
pub struct PageQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

impl PageQuery {
    /// The number of items wanted: 1 to 100, 20 by default.
    ///
    /// # Errors
    ///
    /// A problem that names the parameter.
    pub fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = &self.limit else { return Ok(DEFAULT_LIMIT) };
        let limit = text.parse().ok().filter(|n| (1..=LARGEST_LIMIT).contains(n));
        limit.ok_or_else(|| Problem::new(Code::InvalidParameter, "`limit`: use a number from 1 to 100"))
    }

    /// Where to go on, as an earlier page said.
    ///
    /// # Errors
    ///
    /// A problem that names the parameter.
    pub fn after(&self) -> Result<Option<u64>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        number(text).map(Some).ok_or_else(wrong)
    }

    /// Where to go on in a list of parts of things: behind a part, or behind all parts, of the thing of a number.
    ///
    /// # Errors
    ///
    /// A problem that names the parameter.
    pub fn after_part(&self) -> Result<Option<(u64, Option<u64>)>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        let (whole, part) = text.split_once('.').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
        let part = part.map(|part| part.parse().map_err(|_| wrong())).transpose()?;
        Ok(Some((number(whole).ok_or_else(wrong)?, part)))
    }
}

impl PageQuery {
    /// The query of a list that goes on at a cursor.
    pub fn from_cursor(cursor: Option<String>) -> Self {
        Self { limit: None, cursor }
    }

    /// Where to go on in a list whose cursors are ids.
    pub fn after_id(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

/// The query parameters of every list.
pub const PAGE: &[(&str, &str)] =
    &[("limit", "1 to 100, 20 by default"), ("cursor", "the `next` of an earlier page")];

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page, or null.
    pub next: Option<String>,
    #[serde(skip)]
    path: String,
}

impl<T> Page<T> {
    /// A page, with where the next one begins. `path` is the list's own, with its other parameters.
    pub fn new(items: Vec<T>, next: Option<u64>, path: String) -> Self {
        Self { items, next: next.map(cursor), path }
    }

    /// Answers with items that `write` can write as JSON text.
    pub fn written(self, write: impl Fn(&T, &mut String)) -> Response {
        let mut text = String::with_capacity(64 + self.items.len() * 512);
        text.push_str("{\"items\":[");
        for (place, item) in self.items.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            write(item, &mut text);
        }
        // A cursor needs no escapes.
        match &self.next {
            Some(next) => text.extend(["],\"next\":\"", next, "\"}"]),
            None => text.push_str("],\"next\":null}"),
        }
        let link = self.link();
        linked(json_text(text), link)
    }

    fn link(&self) -> Option<HeaderValue> {
        let next = self.next.as_ref()?;
        let joint = if self.path.contains('?') { '&' } else { '?' };
        HeaderValue::from_str(&format!("<{}{joint}cursor={next}>; rel=\"next\"", self.path)).ok()
    }

    /// The same of a list whose cursors are ids.
    pub fn by_id(items: Vec<T>, next: Option<String>, path: String) -> Self {
        Self { items, next, path }
    }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let link = self.link();
        linked(Json(self).into_response(), link)
    }
}

fn linked(mut response: Response, link: Option<HeaderValue>) -> Response {
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// A response of what is JSON text already.
pub fn json_text(text: String) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, JSON)], text).into_response()
}

/// The cursor behind a number, as a client sends it.
pub fn cursor(after: u64) -> String {
    format!("p{after:x}")
}

/// The cursor behind a part of the thing of a number.
pub fn part_cursor(after: u64, part: u64) -> String {
    format!("{}.{part}", cursor(after))
}

fn number(cursor: &str) -> Option<u64> {
    cursor.strip_prefix('p').and_then(|hex| u64::from_str_radix(hex, 16).ok())
}

fn wrong() -> Problem {
    Problem::new(Code::InvalidParameter, "`cursor`: use the `next` of an earlier page as it is")
}

/// A value as it may stand in a query: percent-encoded but for the unreserved characters of RFC 3986.
pub fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_may_lead_behind_a_part() {
        let read = |cursor: &str| PageQuery::from_cursor(Some(cursor.to_owned())).after_part().ok();
        assert_eq!(read(&part_cursor(300, 12)), Some(Some((300, Some(12)))));
        assert_eq!(read(&cursor(300)), Some(Some((300, None))));
        assert_eq!([read("p1.x"), read("1.2"), read("p.")], [None, None, None]);
    }

    #[test]
    fn values_are_encoded_for_a_query() {
        assert_eq!(encoded("2026-01-31T09:30:00+02:00"), "2026-01-31T09%3A30%3A00%2B02%3A00");
        assert_eq!(encoded("a&ñ"), "a%26%C3%B1");
    }
}
