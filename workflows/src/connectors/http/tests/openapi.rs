//! Operations of OpenAPI documents.

use serde_json::json;

use super::*;

const DOCUMENT: &str = r##"
openapi: 3.1.0
servers: [{ url: "{base}/v1/", variables: { base: { default: /api } } }]
paths:
  /pets/{petId}/{tags}:
    parameters:
      - { name: petId, in: path, required: true, schema: { type: string } }
      - { $ref: "#/components/parameters/Trace" }
    post:
      operationId: changePet
      parameters:
        - { name: tags, in: path, required: true, schema: { type: array } }
        - { name: expand, in: query, schema: { type: array } }
        - { name: fields, in: query, explode: false, schema: { type: array } }
        - { name: filter, in: query, style: deepObject, schema: { type: object } }
        - { name: session, in: cookie, schema: { type: string } }
        - { name: more, in: cookie, schema: { type: object } }
      requestBody: { $ref: "#/components/requestBodies/Pet" }
  /pets:
    get:
      operationId: findPets
      servers: [{ url: /other }]
      parameters: [{ name: status, in: query, required: true, schema: { type: string } }]
    delete:
      operationId: lost
      parameters: [{ $ref: "#/components/parameters/NONE" }]
    put:
      operationId: replacePets
      requestBody: { required: true, content: { application/x-www-form-urlencoded: {} } }
  /files/{name}{end}/%2E{rest}:
    get:
      operationId: getFile
      parameters:
        - { name: name, in: path, schema: { type: string } }
        - { name: end, in: path, schema: { type: string } }
        - { name: rest, in: path, schema: { type: string } }
  /circle: { $ref: "#/paths/~1circle" }
components:
  parameters:
    Trace: { name: X-Trace, in: header, schema: { type: integer } }
  requestBodies:
    Pet: { content: { text/plain: {}, application/json: {} } }
"##;

const SWAGGER: &str = r#"{
  "swagger": "2.0", "basePath": "/v2", "schemes": ["http"], "consumes": ["application/json"],
  "paths": {
    "/pet/findByStatus": { "get": { "operationId": "findPetsByStatus", "parameters": [
      { "name": "status", "in": "query", "required": true, "type": "array", "collectionFormat": "multi" },
      { "name": "ids", "in": "query", "type": "array", "collectionFormat": "pipes" } ] } },
    "/pet": { "post": { "operationId": "addPet", "parameters": [
      { "name": "pet", "in": "body", "required": true, "schema": {} } ] } },
    "/pet/{petId}": { "post": { "operationId": "updatePetWithForm", "parameters": [
      { "name": "petId", "in": "path", "required": true, "type": "integer" },
      { "name": "name", "in": "formData", "type": "string" } ] } }
  } }"#;

async fn service() -> Server {
    Server::start(|seen| match seen.path() {
        "/docs/openapi.yaml" => Reply::text("application/yaml", DOCUMENT.replace("NONE", &"x".repeat(5000))),
        "/docs/swagger.json" => Reply::text("application/json", SWAGGER),
        "/docs/moved" => Reply::status(302).with("location", "/docs/openapi.yaml"),
        "/docs/page" => Reply::text("text/html", "<html>: no: {"),
        "/docs/bomb" => {
            let (ones, lists) = ("1,".repeat(1000), "*a,".repeat(1000));
            Reply::text("application/yaml", format!("openapi: 3.1.0\na: &a [{ones}]\nb: [{lists}]\n"))
        }
        "/docs/old" => Reply::json(&json!({ "swagger": "1.2", "paths": {} })),
        "/docs/huge" => Reply::text("application/json", " ".repeat(64 * 1024)).ending(End::Endless),
        _ => Reply::json(&json!({ "target": seen.target })),
    })
    .await
}

fn request(server: &Server, document: &str, operation: &str, parameters: Value) -> Value {
    json!({ "document": { "endpoint": { "uri": server.at(document) } }, "operationId": operation, "parameters": parameters })
}

#[tokio::test]
async fn every_parameter_gets_to_its_place() {
    let server = service().await;
    let parameters = json!({
        "petId": "a/b c", "tags": ["x", "y,z"], "expand": ["p", "q"], "fields": ["f", "g"], "filter": { "age": 3 },
        "session": "s 1", "more": { "a; admin": "b; c" }, "X-Trace": 7, "name": "Milou", "weight": 4.5,
    });
    let mut request = request(&server, "/docs/openapi.yaml", "changePet", parameters);
    request["authentication"] = json!({ "bearer": { "token": "t0ken" } });
    call(&connector(), "openapi", &request).await.unwrap();
    let seen = server.seen().pop().unwrap();
    assert_eq!(seen.method, "POST");
    assert_eq!(
        seen.target,
        "/api/v1/pets/a%2Fb%20c/x,y%2Cz?expand=p&expand=q&fields=f%2Cg&filter%5Bage%5D=3"
    );
    assert_eq!(
        (seen.header("x-trace"), seen.header("cookie")),
        ("7", "session=s%201; a%3B%20admin=b%3B%20c")
    );
    assert_eq!(
        (seen.header("authorization"), seen.header("content-type")),
        ("Bearer t0ken", "application/json")
    );
    assert_eq!(seen.header("idempotency-key"), key().to_string());
    assert_eq!(seen.json(), json!({ "name": "Milou", "weight": 4.5 }));
    assert_eq!(
        server.seen()[0].header("authorization"),
        "",
        "the document is fetched with its own credentials"
    );
}

#[tokio::test]
async fn a_parameter_named_body_is_the_body() {
    let server = service().await;
    let parameters = json!({ "petId": 1, "tags": "t", "body": [1, 2] });
    call(&connector(), "openapi", &request(&server, "/docs/openapi.yaml", "changePet", parameters))
        .await
        .unwrap();
    assert_eq!(server.seen().pop().unwrap().json(), json!([1, 2]));
    let parameters = json!({ "a": "b c" });
    call(&connector(), "openapi", &request(&server, "/docs/openapi.yaml", "replacePets", parameters))
        .await
        .unwrap();
    let seen = server.seen().pop().unwrap();
    assert_eq!((seen.method.as_str(), seen.text(), seen.header("idempotency-key")), ("PUT", "a=b+c", ""));
}

#[tokio::test]
async fn the_answer_has_the_form_that_is_wanted() {
    let server = service().await;
    let mut request = request(&server, "/docs/moved", "findPets", json!({ "status": "sold" }));
    let answer = call(&connector(), "openapi", &request).await.unwrap();
    assert_eq!(answer, json!({ "target": "/other/pets?status=sold" }));
    request["output"] = "response".into();
    let answer = call(&connector(), "openapi", &request).await.unwrap();
    assert_eq!((&answer["statusCode"], &answer["request"]["method"]), (&json!(200), &json!("GET")));
}

#[tokio::test]
async fn a_place_is_seen_from_where_the_document_is_in_the_end() {
    let server = service().await;
    let to = server.at("/docs/openapi.yaml");
    let moved = Server::start(move |_| Reply::status(307).with("location", to.clone())).await;
    let request = request(&moved, "/openapi", "findPets", json!({ "status": "sold" }));
    let answer = call(&connector(), "openapi", &request).await.unwrap();
    assert_eq!(answer, json!({ "target": "/other/pets?status=sold" }));
    assert_eq!(moved.paths(), ["/openapi"]);
}

#[tokio::test]
async fn documents_of_the_second_version_are_known() {
    let server = service().await;
    let cases = [
        (
            "findPetsByStatus",
            json!({ "status": ["a", "b"], "ids": [1, 2] }),
            "/v2/pet/findByStatus?status=a&status=b&ids=1%7C2",
            "",
        ),
        ("addPet", json!({ "pet": { "name": "Milou" } }), "/v2/pet", r#"{"name":"Milou"}"#),
        ("updatePetWithForm", json!({ "petId": 5, "name": "a b" }), "/v2/pet/5", "name=a+b"),
    ];
    let connector = connector();
    for (operation, parameters, target, body) in cases {
        let request = request(&server, "/docs/swagger.json", operation, parameters);
        call(&connector, "openapi", &request).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!((seen.target.as_str(), seen.text()), (target, body));
    }
    let fetched = server.paths().iter().filter(|path| *path == "/docs/swagger.json").count();
    assert_eq!(fetched, 1, "it is kept");
}

#[tokio::test]
async fn what_does_not_fit_the_document_is_refused() {
    let server = service().await;
    let cases = [
        ("/docs/openapi.yaml", "noSuch", json!({}), "unknown_operation"),
        ("/docs/openapi.yaml", "findPets", json!({}), "missing_parameter"),
        ("/docs/openapi.yaml", "findPets", json!({ "status": null }), "missing_parameter"),
        ("/docs/openapi.yaml", "findPets", json!({ "status": "a", "sttus": 1 }), "bad_request"),
        ("/docs/openapi.yaml", "replacePets", json!({}), "missing_parameter"),
        ("/docs/openapi.yaml", "changePet", json!({ "petId": "..", "tags": "a" }), "bad_request"),
        ("/docs/openapi.yaml", "getFile", json!({ "name": ".", "end": ".", "rest": "a" }), "bad_request"),
        ("/docs/openapi.yaml", "getFile", json!({ "name": "a", "end": "b", "rest": "." }), "bad_request"),
        ("/docs/openapi.yaml", "lost", json!({}), "bad_document"),
        ("/docs/bomb", "x", json!({}), "bad_document"),
        ("/docs/swagger.json", "addPet", json!({}), "missing_parameter"),
        ("/docs/swagger.json", "addPet", json!({ "pet": {}, "more": 1 }), "bad_request"),
        ("/docs/page", "x", json!({}), "bad_document"),
        ("/docs/old", "x", json!({}), "bad_document"),
        ("/docs/huge", "x", json!({}), "answer_too_large"),
    ];
    for (document, operation, parameters, expected) in cases {
        let request = request(&server, document, operation, parameters);
        let outcome = call(&connector(), "openapi", &request).await;
        assert_eq!(code(&outcome), ("refused", expected), "{request}");
        assert!(message(&outcome).len() < 1100, "{outcome:?}");
    }
    assert!(server.paths().iter().all(|path| path.starts_with("/docs/")), "{:?}", server.paths());
}

#[tokio::test]
async fn a_repeat_is_harmless_as_the_method_says() {
    let server = service().await;
    let cases = [("findPets", true), ("replacePets", true), ("changePet", false), ("noSuch", false)];
    for (operation, expected) in cases {
        let request = request(&server, "/docs/openapi.yaml", operation, json!({}));
        assert_eq!(verified(&connector(), "openapi", &request).await, expected, "{operation}");
    }
}
