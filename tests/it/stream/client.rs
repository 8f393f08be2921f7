//! A client of the stream, which reads it as a browser does.

use std::time::Duration;

use promptsales_tests::Server;
use reqwest::Response;
use serde_json::Value;

/// How long the next thing may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What stands between two empty lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Block {
    pub(crate) id: Option<String>,
    pub(crate) data: Option<Value>,
    pub(crate) comment: Option<String>,
    pub(crate) retry: Option<String>,
}

/// A stream that is open.
pub(crate) struct Stream {
    response: Response,
    text: String,
    /// The last event id, as the standard keeps it.
    pub(crate) last_id: String,
}

/// Asks for a stream.
pub(crate) async fn ask(server: &Server, query: &str, last_id: Option<&str>) -> Response {
    let mut request = reqwest::Client::new().get(format!("{}/api/v1/stream{query}", server.url));
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    request.send().await.expect("the server answers")
}

impl Stream {
    pub(crate) async fn open(server: &Server, query: &str, last_id: Option<&str>) -> Self {
        let response = ask(server, query, last_id).await;
        let (status, kind) = (response.status(), response.headers().get("content-type").cloned());
        assert_eq!(status, 200, "{}", response.text().await.unwrap_or_default());
        assert_eq!(kind.expect("it has a type"), "text/event-stream");
        let mut stream = Self { response, text: String::new(), last_id: String::new() };
        let first = stream.block().await.expect("a first block");
        assert!(first.retry.is_some() && first.id.is_some(), "{first:?}");
        stream
    }

    /// The next block; `None` once the stream has ended, in good order or not.
    pub(crate) async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (read(block), rest.to_owned());
                self.text = rest;
                if let Some(id) = &block.id {
                    self.last_id.clone_from(id);
                }
                return Some(block);
            }
            let came = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let piece = came.expect("something comes in time").ok()??;
            self.text.push_str(std::str::from_utf8(&piece).expect("it is UTF-8"));
        }
    }

    /// The next event; `None` once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(data) = self.block().await?.data {
                return Some(data);
            }
        }
    }

    /// Events up to and with the one of a type.
    pub(crate) async fn up_to(&mut self, kind: &str) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        loop {
            let event = self.next().await.expect("an event");
            let last = event["type"] == kind;
            all.push((self.last_id.clone(), event));
            if last {
                return all;
            }
        }
    }
}

fn read(text: &str) -> Block {
    let mut block = Block::default();
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "id" => block.id = Some(value),
            "retry" => block.retry = Some(value),
            "data" => block.data = Some(serde_json::from_str(&value).expect("data is JSON")),
            "" => block.comment = Some(value),
            other => panic!("an unknown field `{other}`"),
        }
    }
    block
}
