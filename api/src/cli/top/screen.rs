//! What is on the screen: a header, and the tree with what is in trouble first, cut to the terminal's size.

use serde_json::Value;

use super::Reading;
use super::numbers::Rates;
use promptsales_engine::telemetry::names;

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";
const COLUMNS: [(&str, usize); 7] = [
    ("KIND", 12),
    ("ID", 34),
    ("STATE", 12),
    ("QUEUE", 7),
    ("RESTARTS", 9),
    ("UPTIME", 9),
    ("LAST FAULT", 0),
];

/// How much room there is, in characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) columns: u16,
    pub(super) lines: u16,
}

/// What is to be drawn.
pub(super) struct Picture<'a> {
    pub(super) server: &'a str,
    pub(super) reading: &'a Reading,
    pub(super) rates: Rates,
    pub(super) size: Size,
    pub(super) colour: bool,
}

/// A line of the tree.
struct Row {
    cells: [String; 7],
    /// 0 for what is in trouble, 1 for what was, 2 for the rest.
    ease: u8,
}

impl Picture<'_> {
    /// The lines, none wider than the terminal and no more than it has.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.header().iter().map(|line| self.cut(line)).collect();
        lines.push(self.paint(BOLD, &self.cut(&line_of(&COLUMNS.map(|(name, _)| name.to_owned())))));
        let rows = self.rows();
        let room = usize::from(self.size.lines).saturating_sub(lines.len() + 1);
        let shown = rows.len().min(room);
        for row in &rows[..shown] {
            let line = self.cut(&line_of(&row.cells));
            lines.push(match row.ease {
                0 => self.paint(RED, &line),
                1 => self.paint(YELLOW, &line),
                _ => line,
            });
        }
        let entities = self.entities();
        if shown < rows.len() || entities > array(&self.reading.tree["entities"]).len() {
            let hidden =
                rows.len() - shown + entities.saturating_sub(array(&self.reading.tree["entities"]).len());
            lines.push(self.cut(&format!("... and {hidden} more, not in trouble before those above")));
        }
        lines.truncate(usize::from(self.size.lines).max(1));
        lines
    }

    fn header(&self) -> [String; 3] {
        let Reading { ready, tree, numbers } = self.reading;
        let node = &tree["node"];
        let role =
            ready["role"].as_str().or(ready["status"].as_str()).or(ready["code"].as_str()).unwrap_or("-");
        let positions: Vec<_> = array(&ready["positions"]).iter().filter_map(Value::as_str).collect();
        let positions = match positions.len() {
            0 => "-".to_owned(),
            1..=4 => positions.join(" "),
            more => format!("{} ... ({more} partitions)", positions[..3].join(" ")),
        };
        let state = node["state"].as_str().unwrap_or("-");
        let p99 = numbers.commit_p99_ms().map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
        let Rates { commands, commits, effects } = self.rates;
        let troubles = [
            ("quarantined", names::IN_QUARANTINE),
            ("dead letters", names::DEAD_LETTERS),
            ("overdue", names::OVERDUE),
            ("restarts", names::RESTARTS),
            ("refused", names::REFUSED),
        ];
        let troubles = troubles.map(|(name, of)| format!("{name} {:.0}", numbers.sum(of)));
        [
            format!(
                "promptsales {}  node {state}, {role}, up {}  positions {positions}",
                self.server,
                duration(&node["uptimeMs"])
            ),
            format!(
                "commands/s {commands:.0}  commits/s {commits:.0}  effects/s {effects:.0}  commit p99 {p99}  live {}  queue {}",
                self.entities(),
                node["mailbox"].as_u64().unwrap_or(0)
            ),
            troubles.join("  "),
        ]
    }

    /// How many entities there are.
    fn entities(&self) -> usize {
        let tree = &self.reading.tree;
        let counts = tree["entityCounts"].as_object().into_iter().flat_map(|counts| counts.values());
        let counted: u64 = counts.filter_map(Value::as_u64).sum();
        usize::try_from(counted).unwrap_or(0).max(array(&tree["entities"]).len())
    }

    /// Services, partitions, their services, then entities; what is in trouble goes before all of them.
    fn rows(&self) -> Vec<Row> {
        let tree = &self.reading.tree;
        let mut rows: Vec<_> = array(&tree["services"]).iter().map(|service| row(service, "")).collect();
        for partition in array(&tree["partitions"]) {
            rows.push(row(partition, ""));
            let within = format!("{}/", text(&partition["id"]));
            rows.extend(array(&partition["services"]).iter().map(|service| row(service, &within)));
        }
        rows.extend(array(&tree["entities"]).iter().map(|entity| row(entity, "")));
        rows.sort_by_key(|row| row.ease);
        rows
    }

    fn cut(&self, line: &str) -> String {
        line.trim_end().chars().take(usize::from(self.size.columns)).collect()
    }

    fn paint(&self, colour: &str, line: &str) -> String {
        if self.colour { format!("{colour}{line}{PLAIN}") } else { line.to_owned() }
    }
}

fn row(of: &Value, within: &str) -> Row {
    let state = of["state"].as_str().unwrap_or("-");
    let fault = match &of["lastFault"] {
        Value::String(fault) => fault.clone(),
        fault => fault["reason"].as_str().unwrap_or_default().to_owned(),
    };
    let ease = match state {
        "quarantined" | "backing-off" | "restarting" => 0,
        _ if !fault.is_empty() => 1,
        _ => 2,
    };
    let cells = [
        text(&of["kind"]),
        format!("{within}{}", text(&of["id"])),
        state.to_owned(),
        text(&of["mailbox"]),
        text(&of["restarts"]),
        duration(&of["uptimeMs"]),
        // What a fault says must not move the cursor.
        fault.chars().map(|mark| if mark.is_control() { ' ' } else { mark }).collect(),
    ];
    Row { cells, ease }
}

fn line_of(cells: &[String; 7]) -> String {
    let mut line = String::new();
    for (cell, (_, width)) in cells.iter().zip(COLUMNS) {
        line.push_str(&format!("{cell:width$} "));
    }
    line
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn duration(ms: &Value) -> String {
    let Some(seconds) = ms.as_u64().map(|ms| ms / 1_000) else { return "-".to_owned() };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::numbers::Numbers;
    use super::*;

    fn reading() -> Reading {
        let entity = |n: u32, state: &str, fault: Value| json!({ "kind": "lead", "id": format!("lead_{n}"), "state": state, "mailbox": n, "restarts": 0, "lastFault": fault });
        let mut entities: Vec<_> = (0..50).map(|n| entity(n, "idle", Value::Null)).collect();
        entities.push(entity(77, "quarantined", json!("it is\nbroken")));
        let tree = json!({
            "node": { "state": "running", "uptimeMs": 3_723_000, "mailbox": 4 },
            "services": [{ "kind": "service", "id": "lane", "state": "running", "mailbox": 0, "restarts": 1,
                "lastFault": { "at": "2026-01-01T00:00:00Z", "reason": "once" }, "uptimeMs": 61_000 }],
            "partitions": [{ "kind": "partition", "id": 0, "state": "running", "services": [
                { "kind": "service", "id": "timers", "state": "running" }] }],
            "entities": entities, "entityCounts": { "idle": 5_000, "quarantined": 1 },
        });
        let ready = json!({ "role": "owner", "positions": ["0:17"] });
        Reading { ready, tree, numbers: Numbers::read("promptsales_overdue{kind=\"timer\"} 2\n") }
    }

    #[test]
    fn what_is_in_trouble_comes_first_and_everything_fits() {
        let reading = reading();
        for (columns, lines) in [(80, 24), (40, 10), (200, 60), (1, 1)] {
            let size = Size { columns, lines };
            let picture = Picture {
                server: "http://a",
                reading: &reading,
                rates: Rates::default(),
                size,
                colour: false,
            };
            let drawn = picture.lines();
            assert!(drawn.len() <= usize::from(lines), "{columns}x{lines}");
            assert!(
                drawn.iter().all(|line| line.chars().count() <= usize::from(columns)),
                "{columns}x{lines}"
            );
        }
        let size = Size { columns: 120, lines: 24 };
        let picture =
            Picture { server: "http://a", reading: &reading, rates: Rates::default(), size, colour: false };
        let drawn = picture.lines();
        assert!(drawn[0].contains("node running, owner, up 1h02m  positions 0:17"), "{}", drawn[0]);
        assert!(drawn[1].contains("live 5001  queue 4") && drawn[2].contains("overdue 2"), "{drawn:?}");
        assert!(drawn[4].contains("lead_77") && drawn[4].ends_with("it is broken"), "{}", drawn[4]);
        assert!(drawn[5].contains("lane") && drawn[5].contains("1m01s"), "{}", drawn[5]);
        assert!(drawn.iter().any(|line| line.contains("0/timers")), "{drawn:?}");
        assert!(drawn.last().unwrap().starts_with("... and "), "{drawn:?}");
    }

    #[test]
    fn only_a_terminal_gets_colours() {
        let reading = reading();
        let size = Size { columns: 80, lines: 24 };
        let picture =
            |colour| Picture { server: "http://a", reading: &reading, rates: Rates::default(), size, colour };
        assert!(picture(true).lines()[4].starts_with(RED));
        assert!(!picture(false).lines().concat().contains('\x1b'));
    }
}
