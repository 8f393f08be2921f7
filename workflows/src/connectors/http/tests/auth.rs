//! Basic, bearer and digest credentials.

use md5::{Digest as _, Md5};
use serde_json::json;
use sha2::Sha256;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn request(server: &Server, policy: &Value) -> Value {
    json!({ "method": "GET", "endpoint": { "uri": server.at("/dir/a%20b?q=1"), "authentication": policy } })
}

#[tokio::test]
async fn basic_and_bearer_go_along_at_once() {
    let server = Server::start(|_| Reply::status(200)).await;
    let cases = [
        // RFC 7617, 2 and 2.1.
        (
            json!({ "basic": { "username": "Aladdin", "password": "open sesame" } }),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (json!({ "basic": { "username": "test", "password": "123£" } }), "Basic dGVzdDoxMjPCow=="),
        (json!({ "basic": { "username": "pin", "password": 1234 } }), "Basic cGluOjEyMzQ="),
        (json!({ "bearer": { "token": "mF_9.B5f-4.1JqM" } }), "Bearer mF_9.B5f-4.1JqM"),
    ];
    for (policy, expected) in cases {
        call(&connector(), "read", &request(&server, &policy)).await.unwrap();
        assert_eq!(server.seen().pop().unwrap().header("authorization"), expected);
    }
    let wrong = json!({ "basic": { "username": "a:b", "password": "c" } });
    assert_eq!(
        code(&call(&connector(), "read", &request(&server, &wrong)).await),
        ("refused", "bad_request")
    );
    let wrong = json!({ "bearer": { "token": "a\nb" } });
    assert_eq!(
        code(&call(&connector(), "read", &request(&server, &wrong)).await),
        ("refused", "bad_request")
    );
}

/// Checks credentials as a server does: it makes the digest of what it knows itself.
fn is_let_in(seen: &Seen, algorithm: &str) -> bool {
    let header = seen.header("authorization");
    let of = |name: &str| {
        let rest = header.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("{name} in {header}")).1;
        rest.split(',').next().unwrap().trim_matches('"').to_owned()
    };
    let hash = |text: String| match algorithm {
        "MD5" => hex(&Md5::digest(text)),
        _ => hex(&Sha256::digest(text)),
    };
    let first = hash("ada:the realm:pa55".to_owned());
    let second = hash(format!("{}:{}", seen.method, seen.target));
    let expected = hash(format!("{first}:n-1:{}:{}:auth:{second}", of("nc"), of("cnonce")));
    of("nonce") == "n-1" && of("opaque") == "o-1" && of("uri") == seen.target && of("response") == expected
}

async fn challenging(algorithm: &'static str) -> Server {
    Server::start(move |seen| {
        if seen.header("authorization").starts_with("Digest ") && is_let_in(seen, algorithm) {
            return Reply::json(&json!({ "body": seen.text() }));
        }
        let digest = format!(
            "Digest realm=\"the realm\", qop=\"auth\", algorithm={algorithm}, nonce=\"n-1\", opaque=\"o-1\""
        );
        Reply::status(401).with("www-authenticate", "Basic realm=\"x\"").with("www-authenticate", digest)
    })
    .await
}

#[tokio::test]
async fn a_digest_answers_the_challenge() {
    for algorithm in ["MD5", "SHA-256"] {
        let server = challenging(algorithm).await;
        let policy = json!({ "digest": { "username": "ada", "password": "pa55" } });
        let mut request = request(&server, &policy);
        request["method"] = "POST".into();
        request["body"] = "again".into();
        let answer = call(&connector(), "send", &request).await.unwrap();
        assert_eq!(answer, json!({ "body": "again" }), "{algorithm}");
        assert_eq!(server.seen().len(), 2);
        assert_eq!(server.seen()[0].header("authorization"), "");
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let server = challenging("SHA-256").await;
    let policy = json!({ "digest": { "username": "ada", "password": "wrong" } });
    let outcome = call(&connector(), "read", &request(&server, &policy)).await;
    assert_eq!(code(&outcome), ("refused", "http_401"));
    assert_eq!(server.seen().len(), 2);
}
