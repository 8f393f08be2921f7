//! What expressions do when they are used, abused and made up at random.

mod arbitrary;
mod hostile;
mod ordinary;

use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::*;

/// Bytes of stack: less than the 2 MiB of a Tokio worker, where the callers take their part.
const STACK_BYTES: usize = 1280 * 1024;

/// Runs `work` on a thread with a small stack, and fails if it takes longer than a debug build may.
fn on_small_stack<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).name(name.to_owned());
    let handle = thread.spawn(move || sender.send(work())).expect("a thread");
    match receiver.recv_timeout(Duration::from_secs(10)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{name} does not end"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(handle.join().expect_err("a panic"))
        }
    }
}

/// Compiles without variables and evaluates with the default limits.
fn run(source: &str, input: &Value) -> Result<Value, String> {
    let expression = Expression::compile(source, &[]).map_err(|error| format!("compile: {error}"))?;
    expression.evaluate(input, &[], NOW_MS, &Limits::default()).map_err(|error| error.to_string())
}

/// The clock of the runs here: 2023-11-14T22:13:20.500Z.
const NOW_MS: i64 = 1_700_000_000_500;
