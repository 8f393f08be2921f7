//! Requests as bytes that are made once, and in which only digits change.

use std::net::SocketAddr;

use super::flow::Flow;

/// Events in one batch.
pub(super) const BATCH: u32 = 100;
/// The fields of the command that is measured.
pub(super) const ACTIVITY: &str = r#"{"activity":"opened","score":1,"tag":"spring"}"#;

/// What campaigns are launched with.
pub(super) const BRIEF: &str = r#"{"name":"Spring","targetAudience":"all","campaignMessage":"Now","channels":["instagram","facebook"],"locales":["en"],"budget":{"amountMinor":50000,"currency":"USD"},"spendLimit":{"amountMinor":100000,"currency":"USD"},"landingUrl":"https://shop.example/spring"}"#;

const KEY_DIGITS: usize = 8;
const SERIAL_DIGITS: usize = 12;
const JSON: &str = "application/json";
const BATCH_TYPE: &str = "application/cloudevents-batch+json";

/// The name that the lead `number` of the store `prefix` goes by.
pub(super) fn key(prefix: &str, number: u32) -> String {
    format!("{prefix}-{number:0KEY_DIGITS$}")
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// A durable command to one lead.
    Record(Idempotency),
    /// The state of one lead.
    Read,
    /// The newest twenty leads.
    List,
    /// A batch of CloudEvents, each about some lead.
    Events,
    /// A run of a workflow, whose end is waited for.
    Run,
    /// A run of a workflow that waits for long, whose end is not waited for.
    Start(Flow),
    /// A launch of a campaign.
    Launch,
}

impl Work {
    /// True for an answer with which it was done; the bare echo answers everything with 200. A run that was waited for
    /// has to have come to its end, and to a good one; any other has to wait.
    pub(super) fn is_done(self, status: u16, body: &[u8]) -> bool {
        match self {
            Self::Record(_) | Self::Read | Self::List | Self::Events => status == 200,
            Self::Run => status == 200 || (status == 202 && tells(body, br#""status":"completed""#)),
            Self::Start(_) => status == 200 || (status == 202 && tells(body, br#""status":"waiting""#)),
            Self::Launch => status == 202 || status == 200,
        }
    }
}

/// True if an answer has a part.
fn tells(body: &[u8], what: &[u8]) -> bool {
    body.windows(what.len()).any(|part| part == what)
}

/// Whether each command carries an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idempotency {
    None,
    PerRequest,
}

/// The bytes of a request, in which only digits change.
#[derive(Clone)]
pub(super) struct Request {
    bytes: Vec<u8>,
    keys_at: Vec<usize>,
    serials_at: Vec<usize>,
}

impl Request {
    /// A request for leads of the store `prefix`, whose serial numbers are unique within `run`.
    pub(super) fn new(address: SocketAddr, prefix: &str, run: &str, work: Work) -> Self {
        let lead = format!("/api/v1/leads/~{}", key(prefix, 0));
        match work {
            Work::Record(idempotency) => {
                let path = format!("{lead}/commands/record-activity");
                let header = match idempotency {
                    Idempotency::None => String::new(),
                    Idempotency::PerRequest => format!("Idempotency-Key: {}\r\n", serial(run)),
                };
                Self::find(post(address, &path, JSON, &header, ACTIVITY), prefix, run)
            }
            Work::Read => Self::find(get(address, &lead), prefix, run),
            Work::List => Self::find(get(address, "/api/v1/leads?limit=20"), prefix, run),
            Work::Events => {
                let events = vec![event(prefix, run); BATCH as usize].join(",");
                let body = format!("[{events}]");
                Self::find(post(address, "/api/v1/events", BATCH_TYPE, "", &body), prefix, run)
            }
            Work::Run => {
                let path = format!("/api/v1/workflows/{}/runs?wait=30", super::runs::NAME);
                let body = format!("{{\"brief\":{BRIEF}}}");
                Self::find(post(address, &path, JSON, "", &body), prefix, run)
            }
            Work::Start(flow) => {
                let path = format!("/api/v1/workflows/{}/runs", flow.name());
                Self::find(post(address, &path, JSON, "", &flow.input(&key(prefix, 0))), prefix, run)
            }
            Work::Launch => {
                Self::find(post(address, "/api/v1/campaigns/launch", JSON, "", BRIEF), prefix, run)
            }
        }
    }

    /// Notes where the digits of keys and serial numbers stand.
    fn find(text: String, prefix: &str, run: &str) -> Self {
        let ends = |of: &str, digits: &str| -> Vec<usize> {
            let whole = format!("{of}-{digits}");
            text.match_indices(&whole).map(|(at, _)| at + of.len() + 1).collect()
        };
        let keys_at = ends(prefix, &"0".repeat(KEY_DIGITS));
        let serials_at = ends(run, &"0".repeat(SERIAL_DIGITS));
        Self { bytes: text.into_bytes(), keys_at, serials_at }
    }

    /// The request `serial`, for the leads that `key` names one after another.
    pub(super) fn patch(&mut self, serial: u64, mut key: impl FnMut() -> u32) -> &[u8] {
        for at in &self.keys_at {
            write_digits(&mut self.bytes[*at..at + KEY_DIGITS], key().into());
        }
        let first = serial * self.serials_at.len() as u64;
        for (number, at) in (first..).zip(&self.serials_at) {
            write_digits(&mut self.bytes[*at..at + SERIAL_DIGITS], number);
        }
        &self.bytes
    }
}

fn serial(run: &str) -> String {
    format!("{run}-{:0SERIAL_DIGITS$}", 0)
}

fn event(prefix: &str, run: &str) -> String {
    format!(
        "{{\"specversion\":\"1.0\",\"id\":\"{}\",\"source\":\"/bench\",\"type\":\"lead.activity\",\
         \"subject\":\"{}\",\"time\":\"2026-01-31T09:30:00Z\",\"data\":{ACTIVITY}}}",
        serial(run),
        key(prefix, 0)
    )
}

fn get(address: SocketAddr, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")
}

fn post(address: SocketAddr, path: &str, kind: &str, header: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         {header}\r\n{body}"
    )
}

fn write_digits(into: &mut [u8], mut value: u64) {
    for byte in into.iter_mut().rev() {
        *byte = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(work: Work, serial: u64, keys: &[u32]) -> String {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let mut request = Request::new(address, "b", "r", work);
        let before = request.bytes.len();
        let mut keys = keys.iter().cycle().copied();
        let text = String::from_utf8(request.patch(serial, || keys.next().unwrap()).to_vec()).unwrap();
        assert_eq!(text.len(), before);
        text
    }

    #[test]
    fn patches_digits_and_nothing_else() {
        let text = text(Work::Record(Idempotency::PerRequest), 12, &[4_711]);
        assert!(
            text.starts_with("POST /api/v1/leads/~b-00004711/commands/record-activity HTTP/1.1\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nIdempotency-Key: r-000000000012\r\n\r\n{"), "{text}");
        assert!(text.ends_with(ACTIVITY));
    }

    #[test]
    fn a_run_that_did_not_complete_is_not_done() {
        let done = |status, body: &str| Work::Run.is_done(status, body.as_bytes());
        assert!(done(202, r#"{"output":{},"runId":"run_1","status":"completed"}"#) && done(200, "\0\0"));
        assert!(!done(202, r#"{"error":{},"runId":"run_1","status":"faulted"}"#));
        assert!(!done(202, r#"{"runId":"run_1","status":"running"}"#));
    }

    #[test]
    fn each_run_that_waits_has_a_key_of_its_own() {
        let text = text(Work::Start(Flow::Due { ms: 7 }), 1, &[42]);
        assert!(text.starts_with("POST /api/v1/workflows/bench-due/runs HTTP/1.1\r\n"), "{text}");
        assert!(text.ends_with(r#"{"due":7,"key":"b-00000042"}"#), "{text}");
        let done = |body: &str| Work::Start(Flow::Parked).is_done(202, body.as_bytes());
        assert!(done(r#"{"runId":"run_1","status":"waiting"}"#) && !done(r#"{"status":"running"}"#));
    }

    #[test]
    fn reads_have_no_body() {
        assert_eq!(
            text(Work::Read, 1, &[7]),
            "GET /api/v1/leads/~b-00000007 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n"
        );
        let list = text(Work::List, 1, &[7]);
        assert_eq!(list, "GET /api/v1/leads?limit=20 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
    }

    #[test]
    fn each_event_of_a_batch_has_an_id_of_its_own() {
        let text = text(Work::Events, 3, &[1, 2]);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-Type: application/cloudevents-batch+json"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        let events: Vec<serde_json::Value> = serde_json::from_str(body).unwrap();
        assert_eq!(events.len(), BATCH as usize);
        assert_eq!(
            (&events[0]["id"], &events[99]["id"]),
            (&"r-000000000300".into(), &"r-000000000399".into())
        );
        assert_eq!(
            (&events[0]["subject"], &events[1]["subject"]),
            (&"b-00000001".into(), &"b-00000002".into())
        );
    }
}
