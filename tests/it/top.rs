//! `promptsales top`: the tree, once or live.

use std::process::Stdio;

use promptsales_tests::{Server, Settings, binary};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::steps::{done, promptsales};

async fn server() -> Server {
    let server = Server::start(Settings::default()).await;
    let activity = json!({ "activity": "a", "score": 1 });
    server.http.post("/api/v1/leads/~ana/commands/record-activity", &activity).await.ok();
    server
}

#[tokio::test]
async fn where_the_output_is_no_terminal_it_is_printed_once() {
    let server = server().await;
    let (code, out, error) = promptsales(&["top", "--server", &server.url]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].contains("node running, owner") && lines[0].contains("positions 0:"), "{out}");
    assert!(lines[1].contains("commands/s") && lines[2].contains("overdue 0"), "{out}");
    for wanted in ["lane", "watchdog", "0/timers", "lead_"] {
        assert!(lines[3..].iter().any(|line| line.contains(wanted)), "{wanted}: {out}");
    }
    assert!(!out.contains('\x1b') && lines.iter().all(|line| line.chars().count() <= 120), "{out}");
    let read = done(&["top", "--once", "--server", &server.url]).await;
    assert_eq!(read["tree"]["node"]["state"], json!("running"));
    assert!(
        read["rates"]["commandsPerSecond"].is_number() && read["numbers"]["overdue"] == json!(0.0),
        "{read}"
    );
    let (code, _, error) = promptsales(&["top", "--once", "--server", "http://127.0.0.1:1"]).await;
    assert!(code == 1 && error.contains("cannot reach"), "{error}");
}

#[tokio::test]
async fn in_a_terminal_it_is_live_and_leaves_the_terminal_as_it_was() {
    let server = server().await;
    let line = format!(
        "stty cols 70 rows 12; exec {} top --interval-ms 100 --server {}",
        binary().display(),
        server.url
    );
    let mut script = Command::new("script");
    script
        .args(["-qefc", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut script = script.spawn().expect("`script` gives a terminal");
    let (mut out, mut shown) = (script.stdout.take().expect("it is piped"), Vec::new());
    let mut input = script.stdin.take().expect("it is piped");
    let enough = |shown: &[u8]| String::from_utf8_lossy(shown).matches("\x1b[H").count() >= 3;
    let read = async {
        while !enough(&shown) {
            assert!(out.read_buf(&mut shown).await.expect("it can be read") > 0, "it goes on");
        }
        // Ctrl-C, as the terminal gives it.
        tokio::io::AsyncWriteExt::write_all(&mut input, b"\x03").await.expect("it can be typed");
        while out.read_buf(&mut shown).await.expect("it can be read") > 0 {}
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), read).await.expect("it is drawn in time");
    assert!(script.wait().await.expect("it ends").success());
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(shown.contains("\x1b[?1049h") && shown.trim_end().ends_with("\x1b[?25h\x1b[?1049l"), "{shown:?}");
    let drawn = shown.split("\x1b[H").nth(1).expect("a picture").split("\x1b[J").next().expect("its end");
    assert!(drawn.lines().count() <= 12, "{drawn:?}");
}
