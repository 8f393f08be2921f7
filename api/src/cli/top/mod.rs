//! `promptsales top`: the supervision tree of a running server, live in a terminal.

mod numbers;
mod screen;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use promptsales_engine::runtime::Context;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use self::numbers::Numbers;
use self::screen::{Picture, Size};
use super::Ended;
use super::client::{Client, ServerArgs};

/// Entities that are asked for; those in trouble come first.
const ENTITIES: usize = 200;
/// Lines of a table where the output is no terminal.
const LINES: u16 = 40;
const COLUMNS: u16 = 120;
/// Shows the other screen and hides the cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Goes to the top left; clears to the end of the screen.
const HOME: &str = "\x1b[H";
const CLEAR: &str = "\x1b[J";

/// `promptsales top ...`
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Prints it once, and ends; also where the output is no terminal.
    #[arg(long)]
    once: bool,
    /// How often it is read anew; 100 at least.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..))]
    interval_ms: u32,
}

/// What was read of a server.
struct Reading {
    ready: Value,
    tree: Value,
    numbers: Numbers,
}

/// Shows the tree until it is interrupted.
pub(crate) async fn run(args: TopArgs) -> anyhow::Result<Ended> {
    let (client, json) = (Client::new(args.server.clone()), args.server.json());
    let (cx, pause) = (Context::real(), Duration::from_millis(args.interval_ms.into()));
    let first = read(&client).await?;
    if args.once || json || !std::io::stdout().is_terminal() {
        // Rates need two looks.
        cx.sleep(pause.min(Duration::from_millis(500))).await;
        let second = read(&client).await?;
        let rates = second.numbers.since(&first.numbers, pause.min(Duration::from_millis(500)));
        if json {
            let Reading { ready, tree, numbers } = second;
            let all =
                json!({ "readiness": ready, "tree": tree, "numbers": numbers.json(), "rates": rates.json() });
            return client.print(all);
        }
        let text =
            Picture { server: client.address(), reading: &second, rates, size: whole(), colour: false }
                .lines();
        writeln!(std::io::stdout(), "{}", text.join("\n"))?;
        return Ok(Ended::Done);
    }
    live(&client, first, &cx, pause).await
}

/// Puts the terminal back as it was, on every way out.
struct Screen;

impl Screen {
    fn enter() -> std::io::Result<Self> {
        show(ENTER)?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        let _ = show(LEAVE);
    }
}

async fn live(client: &Client, first: Reading, cx: &Context, pause: Duration) -> anyhow::Result<Ended> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let _screen = Screen::enter()?;
    let (mut last, mut seen) = (first, cx.monotonic());
    let mut rates = last.numbers.since(&last.numbers, pause);
    let mut trouble = None;
    loop {
        let picture = Picture { server: client.address(), reading: &last, rates, size: size(), colour: true };
        let mut lines = picture.lines();
        if let Some(trouble) = &trouble {
            lines[0] = format!("\x1b[31m{trouble}\x1b[0m");
        }
        // Each line is cleared as it is written, so that nothing flickers.
        show(&format!("{HOME}{}\x1b[K{CLEAR}", lines.join("\x1b[K\r\n")))?;
        tokio::select! {
            biased;
            _ = interrupt.recv() => return Ok(Ended::Done),
            _ = terminate.recv() => return Ok(Ended::Done),
            () = cx.sleep(pause) => {}
        }
        let read = tokio::select! {
            biased;
            _ = interrupt.recv() => return Ok(Ended::Done),
            _ = terminate.recv() => return Ok(Ended::Done),
            read = read(client) => read,
        };
        match read {
            Ok(reading) => {
                let now = cx.monotonic();
                rates = reading.numbers.since(&last.numbers, now.duration_since(seen));
                (last, seen, trouble) = (reading, now, None);
            }
            Err(error) => trouble = Some(format!("{error:#}; what is shown is of before")),
        }
    }
}

async fn read(client: &Client) -> anyhow::Result<Reading> {
    let tree = client.get(&format!("/api/v1/supervision?limit={ENTITIES}")).await?;
    let metrics = client.get("/metrics").await?;
    let ready = client.peek("/readyz").await?;
    Ok(Reading { ready, tree, numbers: Numbers::read(metrics.as_str().unwrap_or_default()) })
}

fn show(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn whole() -> Size {
    Size { columns: COLUMNS, lines: LINES }
}

/// The terminal's size, as it is now.
fn size() -> Size {
    match rustix::termios::tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size { columns: size.ws_col, lines: size.ws_row },
        Ok(_) | Err(_) => Size { columns: 80, lines: 24 },
    }
}
