//! Circuits: what a call goes to, as far as its request says. What fails there says nothing about other places.

use serde_json::{Value, json};
use url::Url;

use super::fill;
use super::request::given;
use super::secrets::Secrets;
use super::veil::Veil;

/// How much of an endpoint tells places apart.
#[derive(Clone, Copy)]
enum Told {
    /// Scheme, host and port.
    Origin,
    /// All of it: it is where a document lies, which says where the service is.
    Document,
}

/// The place that a call goes to, with what it takes from secrets; none where the request does not say.
pub(super) fn of(operation: &str, request: &Value, secrets: &Secrets) -> Option<String> {
    let (endpoint, told) = match operation {
        "read" | "send" => (given(request, "endpoint")?, Told::Origin),
        "openapi" => (given(given(request, "document")?, "endpoint")?, Told::Document),
        "mcp" => (given(given(given(request, "transport")?, "http")?, "endpoint")?, Told::Origin),
        "a2a" => match given(request, "agentCard") {
            Some(card) => (given(card, "endpoint")?, Told::Document),
            None => (given(request, "server")?, Told::Origin),
        },
        _ => return None,
    };
    let uri = match endpoint {
        Value::String(_) => endpoint,
        _ => given(endpoint, "uri")?,
    };
    // Nothing of it comes out of here but to be hashed.
    let filled = fill::fill(&json!({ "uri": uri }), secrets, &mut Veil::default()).ok()?;
    let mut url = Url::parse(filled["uri"].as_str()?).ok()?;
    Some(match told {
        Told::Origin if url.has_host() => url.origin().ascii_serialization(),
        Told::Origin => return None,
        Told::Document => {
            url.set_fragment(None);
            url.into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(operation: &str, request: &Value) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        std::fs::write(
            &path,
            r#"{ "shop": { "host": "shop.example", "hook": "https://hook.example/k?t=1" } }"#,
        )
        .unwrap();
        of(operation, request, &Secrets::open(&path).unwrap())
    }

    #[test]
    fn calls_to_one_host_and_port_have_one_circuit() {
        let at = |uri: &str| place("read", &json!({ "endpoint": uri }));
        let first = at("https://a.example/x?y=1#z");
        assert_eq!(first.as_deref(), Some("https://a.example"));
        assert_eq!(place("send", &json!({ "endpoint": { "uri": "https://A.example:443/other" } })), first);
        assert_eq!(
            place("mcp", &json!({ "transport": { "http": { "endpoint": "https://a.example/mcp" } } })),
            first
        );
        assert_eq!(place("a2a", &json!({ "server": "https://a.example/rpc" })), first);
        for other in
            ["https://b.example/x", "http://a.example/x", "https://a.example:444/x", "https://[::1]/x"]
        {
            assert!(at(other).is_some_and(|place| Some(place) != first), "{other}");
        }
    }

    #[test]
    fn what_a_document_describes_has_the_circuit_of_the_document() {
        let at =
            |uri: &str| place("openapi", &json!({ "document": { "endpoint": uri }, "operationId": "x" }));
        let first = at("https://docs.example/one.yaml");
        assert!(first.is_some() && first == at("https://docs.example/one.yaml#part"));
        assert_ne!(first, at("https://docs.example/two.yaml"));
        let card = |uri: &str| place("a2a", &json!({ "agentCard": { "endpoint": { "uri": uri } } }));
        assert_ne!(card("https://agents.example/one"), card("https://agents.example/two"));
    }

    #[test]
    fn a_host_may_be_a_secret() {
        let at = |uri: &str| place("read", &json!({ "endpoint": uri }));
        assert_eq!(at("https://\u{e000}secret:shop.host\u{e001}/x").as_deref(), Some("https://shop.example"));
        assert_eq!(at("\u{e000}secret:shop.hook\u{e001}").as_deref(), Some("https://hook.example"));
        assert_eq!(at("https://\u{e000}secret:nothing\u{e001}/x"), None);
    }

    #[test]
    fn what_says_no_place_has_the_connectors_circuit() {
        for request in [
            json!({}),
            json!({ "endpoint": 7 }),
            json!({ "endpoint": "no uri" }),
            json!({ "endpoint": null }),
            json!({ "endpoint": { "uri": ["x"] } }),
            json!({ "endpoint": "data:text,x" }),
            json!([]),
        ] {
            assert_eq!(place("read", &request), None, "{request}");
        }
        assert_eq!(place("other", &json!({ "endpoint": "https://a.example" })), None);
    }
}
