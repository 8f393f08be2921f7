//! `promptsales export` and `import`.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

mod export;
mod import;

pub(crate) use export::{ExportArgs, export};
pub(crate) use import::{ImportArgs, import};

fn spinner(template: &'static str) -> anyhow::Result<ProgressBar> {
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template(template)?);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    Ok(bar)
}

fn print(is_json: bool, value: &serde_json::Value, text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    if is_json {
        writeln!(out, "{value}")?
    } else {
        writeln!(out, "{text}")?
    }
    Ok(())
}
