//! OAuth 2 and OpenID Connect, with a token server.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use promptsales_engine::clock::Timestamp;
use serde_json::json;

use super::*;

/// A server that gives out the tokens `t-1`, `t-2` ... and lets those in that are not revoked.
async fn authority(lifetime: Value, revoked: &'static [&'static str]) -> Server {
    let given = Mutex::new(0);
    Server::start(move |seen| match seen.path() {
        "/oauth2/token" | "/own/token" => {
            let mut given = given.lock().unwrap();
            *given += 1;
            Reply::json(&json!({ "access_token": format!("t-{given}"), "token_type": "bearer", "expires_in": lifetime }))
        }
        "/realms/x/.well-known/openid-configuration" => {
            let base = format!("http://{}", seen.header("host"));
            Reply::json(&json!({ "issuer": format!("{base}/realms/x"), "token_endpoint": format!("{base}/own/token") }))
        }
        "/no/oauth2/token" => Reply { status: 400, ..Reply::json(&json!({ "error": "invalid_client", "got": seen.text() })) },
        "/down/oauth2/token" => Reply::status(503),
        "/silent/oauth2/token" => Reply::default().ending(End::Silent),
        "/odd/oauth2/token" => Reply::text("text/html", "<p>access_token=t-9</p>"),
        _ => {
            let token = seen.header("authorization").trim_start_matches("Bearer ").to_owned();
            let status = if revoked.contains(&token.as_str()) || token.is_empty() { 401 } else { 200 };
            Reply { status, ..Reply::json(&json!({ "token": status })) }
        }
    })
    .await
}

fn credentials(server: &Server) -> Value {
    json!({ "authority": server.at(""), "grant": "client_credentials", "client": { "id": "the id", "secret": "s3cret&" } })
}

fn request(server: &Server, kind: &str, members: &Value) -> Value {
    json!({ "method": "GET", "endpoint": { "uri": server.at("/data"), "authentication": { kind: members } } })
}

/// The request for a token that a scheme leads to.
async fn asked(members: Value) -> Seen {
    let server = authority(json!(60), &[]).await;
    let mut all = credentials(&server);
    for (name, value) in members.as_object().unwrap() {
        all[name.as_str()] = value.clone();
    }
    call(&connector(), "read", &request(&server, "oauth2", &all)).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[1].header("authorization"), "Bearer t-1");
    seen[0].clone()
}

#[tokio::test]
async fn each_grant_has_its_parameters() {
    let cases = [
        (
            json!({ "scopes": ["a", "b"], "audiences": ["api"] }),
            "audience=api&client_id=the+id&client_secret=s3cret%26&grant_type=client_credentials&scope=a+b",
        ),
        (
            json!({ "grant": "password", "username": "ada", "password": "pa55", "client": { "id": "c" } }),
            "client_id=c&grant_type=password&password=pa55&username=ada",
        ),
        (
            json!({ "grant": "refresh_token", "subject": { "token": "r-1", "type": "refresh_token" }, "client": { "id": "c" } }),
            "client_id=c&grant_type=refresh_token&refresh_token=r-1",
        ),
        (
            json!({ "grant": "urn:ietf:params:oauth:grant-type:token-exchange", "client": { "id": "c", "authentication": "none" },
                 "audiences": ["x", "y"], "subject": { "token": "s", "type": "t" }, "actor": { "token": "a", "type": "u" } }),
            "actor_token=a&actor_token_type=u&audience=x&audience=y&client_id=c&\
          grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=s&subject_token_type=t",
        ),
    ];
    for (members, expected) in cases {
        let seen = asked(members).await;
        let mut pairs: Vec<&str> = seen.text().split('&').collect();
        pairs.sort_unstable();
        assert_eq!(pairs.join("&"), expected);
        assert_eq!(seen.header("content-type"), "application/x-www-form-urlencoded");
    }
}

#[tokio::test]
async fn a_client_shows_who_it_is_in_each_way() {
    let with = |client: Value| asked(json!({ "client": client }));
    let seen =
        with(json!({ "id": "the id", "secret": "s3cret&", "authentication": "client_secret_basic" })).await;
    assert_eq!(seen.header("authorization"), format!("Basic {}", STANDARD.encode("the+id:s3cret%26")));
    assert_eq!(seen.text(), "grant_type=client_credentials");
    let seen = with(json!({ "id": "c", "assertion": "a.b.c", "authentication": "private_key_jwt" })).await;
    assert!(
        seen.text().contains("client_assertion=a.b.c&client_assertion_type=urn%3Aietf%3A"),
        "{}",
        seen.text()
    );
    let seen = with(json!({ "id": "c", "secret": "k", "authentication": "client_secret_jwt" })).await;
    let assertion = seen.text().split('&').find_map(|pair| pair.strip_prefix("client_assertion=")).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("c"), &json!("c")));
    assert!(claims["aud"].as_str().unwrap().ends_with("/oauth2/token"), "{claims}");
    let seen = asked(json!({ "request": { "encoding": "application/json" } })).await;
    assert_eq!(seen.json()["client_secret"], "s3cret&");
}

#[tokio::test]
async fn a_token_is_kept_as_long_as_it_is_good() {
    let server = authority(json!(100), &[]).await;
    let cx = Context::simulated(Timestamp::from_ms(0), 1);
    let connector = connector().with_context(cx);
    let mine = request(&server, "oauth2", &credentials(&server));
    let mut other = credentials(&server);
    other["scopes"] = json!(["more"]);
    let other = request(&server, "oauth2", &other);
    for request in [&mine, &mine, &other, &mine] {
        call(&connector, "read", request).await.unwrap();
    }
    let tokens: Vec<String> = server
        .seen()
        .iter()
        .filter(|seen| seen.path() == "/data")
        .map(|seen| seen.header("authorization").to_owned())
        .collect();
    assert_eq!(tokens, ["Bearer t-1", "Bearer t-1", "Bearer t-2", "Bearer t-1"]);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(90)).await;
    tokio::time::resume();
    call(&connector, "read", &mine).await.unwrap();
    assert_eq!(server.seen().pop().unwrap().header("authorization"), "Bearer t-3");
}

#[tokio::test]
async fn a_kept_token_that_was_revoked_is_got_anew_once() {
    let server = authority(json!("3600"), &["t-2", "t-4", "t-5"]).await;
    let mine = request(&server, "oauth2", &credentials(&server));
    let connector = connector();
    call(&connector, "read", &mine).await.unwrap();
    connector.0.tokens.forget_all();
    // A new one is not tried twice.
    assert_eq!(code(&call(&connector, "read", &mine).await), ("refused", "http_401"));
    // The kept one is, with a new one.
    call(&connector, "read", &mine).await.unwrap();
    let asked = server.seen().iter().filter(|seen| seen.path() == "/oauth2/token").count();
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn a_provider_says_where_its_tokens_are() {
    let server = authority(json!(60), &[]).await;
    for path in ["/realms/x", "/realms/x/", "/realms/x/.well-known/openid-configuration"] {
        let mut members = credentials(&server);
        members["authority"] = server.at(path).into();
        call(&connector(), "read", &request(&server, "oidc", &members)).await.unwrap();
    }
    let one = ["/realms/x/.well-known/openid-configuration", "/own/token", "/data"];
    assert_eq!(server.paths(), [one, one, one].concat());
    let mut members = credentials(&server);
    members["endpoints"] = json!({ "token": "/own/token" });
    call(&connector(), "read", &request(&server, "oauth2", &members)).await.unwrap();
    assert_eq!(server.paths()[9..], ["/own/token", "/data"]);
}

#[tokio::test]
async fn without_a_token_the_call_is_not_made() {
    let server = authority(json!(60), &[]).await;
    let cases = [
        ("/no", ("refused", "authentication_failed")),
        ("/down", ("failed", "http_503")),
        ("/silent", ("failed", "timeout")),
        ("/odd", ("refused", "authentication_failed")),
        ("/data/oauth2/token?", ("refused", "authentication_failed")),
    ];
    for (path, expected) in cases {
        let mut members = credentials(&server);
        members["authority"] = server.at(path).into();
        let mut request = request(&server, "oauth2", &members);
        request["method"] = "POST".into();
        let outcome = call(&hasty(), "send", &request).await;
        assert_eq!(code(&outcome), expected, "{path}: {outcome:?}");
        let text = format!("{outcome:?}");
        assert!(!text.contains("s3cret") && !text.contains("t-9"), "{text}");
    }
    assert!(!server.paths().contains(&"/data".to_owned()));
}

#[tokio::test]
async fn a_token_of_another_issuer_is_not_used() {
    let server = Server::start(|seen| match seen.path() {
        "/oauth2/token" => {
            let claims = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://evil.example"}"#);
            Reply::json(&json!({ "access_token": format!("e30.{claims}.c2ln") }))
        }
        _ => Reply::status(200),
    })
    .await;
    let mut members = credentials(&server);
    call(&connector(), "read", &request(&server, "oauth2", &members)).await.unwrap();
    members["issuers"] = json!(["https://good.example"]);
    let outcome = call(&connector(), "read", &request(&server, "oauth2", &members)).await;
    assert_eq!(code(&outcome), ("refused", "authentication_failed"));
    members["issuers"] = json!(["https://evil.example"]);
    call(&connector(), "read", &request(&server, "oauth2", &members)).await.unwrap();
    for wrong in ["authorization_code", "magic"] {
        members["grant"] = wrong.into();
        let outcome = call(&connector(), "read", &request(&server, "oauth2", &members)).await;
        assert_eq!(code(&outcome), ("refused", "bad_request"));
    }
}

#[tokio::test]
async fn what_an_authority_says_is_not_repeated_at_length() {
    let server = Server::start(|seen| match seen.path() {
        "/oauth2/token" => {
            let claims = URL_SAFE_NO_PAD.encode(json!({ "iss": "x".repeat(5000) }).to_string());
            Reply::json(&json!({ "access_token": format!("e30.{claims}.c2ln") }))
        }
        _ => Reply::json(&json!({ "token_endpoint": "x".repeat(5000) })),
    })
    .await;
    let mut members = credentials(&server);
    members["issuers"] = json!(["https://good.example"]);
    for (kind, expected) in [("oauth2", "authentication_failed"), ("oidc", "bad_request")] {
        let outcome = call(&connector(), "read", &request(&server, kind, &members)).await;
        assert_eq!(code(&outcome), ("refused", expected));
        assert!(message(&outcome).len() < 300, "{outcome:?}");
    }
}
