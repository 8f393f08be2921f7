//! `promptsales serve`: the server, from its start to its end in good order.

use std::io::Write;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::Ended;
use crate::app::App;
use crate::config::{Config, LogFormat, ServeArgs};
use crate::http::server;
use crate::limits::raise_open_files;
use crate::routes;

/// Runs the server until it is told to end.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<Ended> {
    let mut config = Config::resolve(args)?;
    start_log(&config)?;
    let signals = Signals::heed()?;
    raise_open_files();
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
    // The port may have been chosen only now, and other nodes are told of it.
    config.listen = listener.local_addr()?;
    let (address, app) = (config.listen, App::start(&config).await?);
    writeln!(std::io::stdout(), "listening on http://{address}")?;
    tracing::info!(%address, store = %crate::store::place(&config), "serving");
    let ended = until_ended(&app, &config, listener, signals).await?;
    let drained = app.stop().await;
    tracing::info!(drained, "ended");
    Ok(ended)
}

/// What asks for the end from outside; heeded from before the start, so that none kills the process half-way.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn heed() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

/// Serves until a signal comes or the node asks for the end; then takes no more, and finishes what is under way.
async fn until_ended(
    app: &App,
    config: &Config,
    listener: TcpListener,
    mut signals: Signals,
) -> anyhow::Result<Ended> {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async {
        // A sender that is dropped means the same.
        let _ = stopped.await;
    };
    let edge = routes::edge(app.clone()).within(config.limits.edge());
    let server = server::serve(listener, edge, app.node().cx(), stopped);
    let mut server = std::pin::pin!(server);
    let ended = tokio::select! {
        biased;
        exit = app.node().cx().exit_asked() => Ended::Asked(exit),
        _ = signals.terminate.recv() => Ended::Done,
        _ = signals.interrupt.recv() => Ended::Done,
        () = &mut server => Ended::Done,
    };
    app.stopping();
    drop(stop);
    if tokio::time::timeout(crate::app::PATIENCE, server).await.is_err() {
        tracing::warn!("requests were still under way when the patience for them ran out");
    }
    Ok(ended)
}

fn start_log(config: &Config) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(&config.log).with_context(|| format!("`{}` is no log filter", config.log))?;
    // Told that the log cannot be written, as on a full disk, the library would panic in the midst of work.
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    let log = log.with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|e| anyhow::anyhow!("the log cannot be started: {e}"))
}
