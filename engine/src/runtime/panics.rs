//! Where the last panic of a thread happened, for dead letters and logs.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Makes panics leave their place and backtrace behind instead of printing them; once per process.
pub(super) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map_or_else(String::new, ToString::to_string);
            let trace = format!("{place}\n{}", Backtrace::capture());
            tracing::error!(place, "panic: {}", info.payload_as_str().unwrap_or("no message"));
            LAST.with_borrow_mut(|last| *last = trace);
        }));
    });
}

/// The place and backtrace of this thread's last panic.
pub(crate) fn last_panic() -> String {
    LAST.with_borrow(Clone::clone)
}
