//! `promptsales serve`: the server, from its start to its end in good order.

use std::future::IntoFuture;
use std::io::Write;

use anyhow::Context as _;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::Ended;
use crate::app::App;
use crate::config::{Config, LogFormat, ServeArgs};
use crate::routes;

/// Runs the server until it is told to end.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<Ended> {
    let config = Config::resolve(args)?;
    start_log(&config)?;
    // Before anyone can know of the process: a signal that came too early would kill it.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let app = App::start(&config).await?;
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "listening on http://{address}")?;
    tracing::info!(%address, data_dir = %config.data_dir.display(), "serving");
    let told = async {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let ended = until_ended(&app, listener, told).await?;
    let drained = app.stop().await;
    tracing::info!(drained, "ended");
    Ok(ended)
}

/// Serves until it is told to end or the node asks for the end; then takes no more, and finishes what is under way.
async fn until_ended(
    app: &App,
    listener: TcpListener,
    told: impl Future<Output = ()>,
) -> anyhow::Result<Ended> {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    // An answer is one small packet: it must not wait for the next.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection cannot be set to send at once");
        }
    });
    let server = axum::serve(listener, routes::router(app.clone())).with_graceful_shutdown(async {
        // A sender that is dropped means the same.
        let _ = stopped.await;
    });
    let mut server = std::pin::pin!(server.into_future());
    let ended = tokio::select! {
        biased;
        exit = app.node().cx().exit_asked() => Ended::Asked(exit),
        () = told => Ended::Done,
        served = &mut server => {
            served.context("the listener failed")?;
            Ended::Done
        }
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
