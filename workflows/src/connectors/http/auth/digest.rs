//! Digest access authentication (RFC 7616).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hyper::header::{HeaderMap, WWW_AUTHENTICATE};
use md5::{Digest as _, Md5};
use promptsales_engine::effect::CallError;
use sha2::{Sha256, Sha512_256};
use url::Position;

use super::User;
use crate::connectors::http::exchange::Ask;
use crate::connectors::http::failure::refused;
use crate::connectors::http::text::component;

/// A challenge's parameters by name, in small letters.
type Parameters = BTreeMap<String, String>;

/// The hash functions, the better ones last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Md5,
    Sha256,
    Sha512256,
}

/// How the hash of the user is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    Plain,
    /// With both nonces in it (`-sess`).
    OfNonces,
}

impl Hash {
    fn of(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Sha512256 => hex(&Sha512_256::digest(text)),
        }
    }
}

/// The credentials that answer the best challenge of an answer; `None` where there is none of this scheme.
pub(super) fn answer(
    user: &User,
    ask: &Ask,
    headers: &HeaderMap,
    cnonce: &str,
) -> Result<Option<String>, CallError> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let challenges: Vec<Parameters> = texts.flat_map(challenges).collect();
    let known = challenges.iter().filter_map(|challenge| Some((algorithm(challenge)?, challenge)));
    let Some(((hash, session), challenge)) = known.max_by_key(|((hash, _), _)| *hash) else {
        return match challenges.is_empty() {
            true => Ok(None),
            false => Err(refused("authentication_failed", "the service asks for a digest that is not known")),
        };
    };
    let uri = &ask.url[Position::BeforePath..Position::AfterQuery];
    Ok(Some(Answer { user, hash, session, challenge, method: ask.method.as_str(), uri, cnonce }.header()?))
}

fn algorithm(challenge: &Parameters) -> Option<(Hash, Session)> {
    let name = challenge.get("algorithm").map_or("MD5", String::as_str).to_ascii_uppercase();
    let (name, session) = match name.strip_suffix("-SESS") {
        Some(name) => (name, Session::OfNonces),
        None => (name.as_str(), Session::Plain),
    };
    let hash = match name {
        "MD5" => Hash::Md5,
        "SHA-256" => Hash::Sha256,
        "SHA-512-256" => Hash::Sha512256,
        _ => return None,
    };
    Some((hash, session))
}

struct Answer<'a> {
    user: &'a User,
    hash: Hash,
    session: Session,
    challenge: &'a Parameters,
    method: &'a str,
    uri: &'a str,
    cnonce: &'a str,
}

impl Answer<'_> {
    fn header(&self) -> Result<String, CallError> {
        let of = |name: &str| self.challenge.get(name).map_or("", String::as_str);
        let (realm, nonce, cnonce, uri) = (of("realm"), of("nonce"), self.cnonce, self.uri);
        let user = &self.user.name;
        let mut first = self.hash.of(&format!("{user}:{realm}:{}", self.user.password));
        if self.session == Session::OfNonces {
            first = self.hash.of(&format!("{first}:{nonce}:{cnonce}"));
        }
        let second = self.hash.of(&format!("{}:{uri}", self.method));
        let offered = of("qop");
        let with_quality = offered.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth"));
        if !with_quality && !offered.is_empty() {
            let message = "the service asks for a digest of the body, which is not known";
            return Err(refused("authentication_failed", message));
        }
        let response = match with_quality {
            true => self.hash.of(&format!("{first}:{nonce}:00000001:{cnonce}:auth:{second}")),
            false => self.hash.of(&format!("{first}:{nonce}:{second}")),
        };
        let mut header = format!(
            "Digest {}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            self.user_name(realm),
            quoted(realm),
            quoted(nonce),
            quoted(uri),
        );
        if let Some(algorithm) = self.challenge.get("algorithm") {
            let _ = write!(header, ", algorithm={algorithm}");
        }
        if let Some(opaque) = self.challenge.get("opaque") {
            let _ = write!(header, ", opaque={}", quoted(opaque));
        }
        if with_quality || self.session == Session::OfNonces {
            let _ = write!(header, ", cnonce={}", quoted(cnonce));
        }
        if with_quality {
            header.push_str(", qop=auth, nc=00000001");
        }
        Ok(header)
    }

    /// The user's name: hashed where the service asks for that, encoded where it has other than ASCII letters.
    fn user_name(&self, realm: &str) -> String {
        let name = &self.user.name;
        if self.challenge.get("userhash").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return format!("username=\"{}\", userhash=true", self.hash.of(&format!("{name}:{realm}")));
        }
        match name.is_ascii() {
            true => format!("username={}", quoted(name)),
            false => format!("username*=UTF-8''{}", component(name)),
        }
    }
}

/// The digest challenges of one header, which may hold others too (RFC 9110, 11.6.1).
fn challenges(header: &str) -> Vec<Parameters> {
    let mut found = Vec::new();
    let mut current: Option<Parameters> = None;
    for part in parts(header) {
        let (before, value) = part.split_once('=').unwrap_or((part, ""));
        let name = match before.trim().rsplit_once(char::is_whitespace) {
            // A scheme stands before the first parameter.
            Some((scheme, name)) => {
                found.extend(current.take());
                current = scheme.trim().eq_ignore_ascii_case("digest").then(Parameters::new);
                name
            }
            None if !part.contains('=') => {
                found.extend(current.take());
                continue;
            }
            None => before.trim(),
        };
        if let Some(parameters) = &mut current {
            parameters.insert(name.to_ascii_lowercase(), unquoted(value.trim()));
        }
    }
    found.extend(current);
    found
}

/// What stands between the commas that are outside of quotes.
fn parts(header: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (index, mark) in header.char_indices() {
        match mark {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => {
                parts.push(header[begin..index].trim());
                begin = index + 1;
            }
            _ => {}
        }
    }
    parts.push(header[begin..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut marks = inner.chars();
    while let Some(mark) = marks.next() {
        match mark {
            '\\' => plain.extend(marks.next()),
            other => plain.push(other),
        }
    }
    plain
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use hyper::Method;
    use url::Url;

    use super::*;

    const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn answered(user: (&str, &str), uri: &str, challenge: &str, cnonce: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, "Basic realm=\"x, Digest\"".parse().unwrap());
        headers.append(WWW_AUTHENTICATE, challenge.parse().unwrap());
        let user = User { name: user.0.to_owned(), password: user.1.to_owned() };
        let ask = Ask::new(Method::GET, Url::parse(uri).unwrap());
        answer(&user, &ask, &headers, cnonce).unwrap()
    }

    fn challenge(algorithm: &str) -> String {
        format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, nonce=\"{NONCE}\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    }

    /// RFC 7616, 3.9.1.
    #[test]
    fn the_examples_of_the_rfc_are_answered_as_there() {
        let (user, uri) = (("Mufasa", "Circle of Life"), "http://www.example.org/dir/index.html");
        let vectors = [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, response) in vectors {
            let header = answered(user, uri, &challenge(algorithm), CNONCE).unwrap();
            let expected = format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", nonce=\"{NONCE}\", uri=\"/dir/index.html\", \
                 response=\"{response}\", algorithm={algorithm}, opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", \
                 cnonce=\"{CNONCE}\", qop=auth, nc=00000001"
            );
            assert_eq!(header, expected);
        }
        let both = format!("{}, {}", challenge("MD5"), challenge("SHA-256"));
        assert!(answered(user, uri, &both, CNONCE).unwrap().contains("algorithm=SHA-256"));
    }

    /// RFC 2617, 3.5, and RFC 2069's form without a quality.
    #[test]
    fn older_services_are_answered_too() {
        let (user, uri) = (("Mufasa", "Circle Of Life"), "http://www.nowhere.org/dir/index.html");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let with = format!("Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"{nonce}\"");
        let header = answered(user, uri, &with, "0a4f113b").unwrap();
        assert!(header.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{header}");
        let without = format!("Digest realm=\"testrealm@host.com\", nonce=\"{nonce}\"");
        let header = answered(user, uri, &without, "0a4f113b").unwrap();
        assert!(header.contains("response=\"670fd8c2df070c60b045671b8b24ff02\""), "{header}");
        assert!(!header.contains("cnonce"));
    }

    #[test]
    fn what_is_no_digest_is_left_and_what_is_unknown_refused() {
        assert_eq!(answered(("a", "b"), "http://a/", "Bearer realm=\"Digest\", error=\"x\"", "c"), None);
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, "Digest realm=\"a\", nonce=\"n\", algorithm=SHA-1".parse().unwrap());
        let user = User { name: "a".into(), password: "b".into() };
        let ask = Ask::new(Method::GET, Url::parse("http://a/").unwrap());
        assert!(answer(&user, &ask, &headers, "c").is_err());
    }
}
