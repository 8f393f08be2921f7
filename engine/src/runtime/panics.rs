//! The guard around code that may panic: says what happened and where, for dead letters and logs.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What a guarded panic left behind.
#[derive(Debug, Clone)]
pub(crate) struct Caught {
    /// The panic's message.
    pub(crate) message: String,
    /// Its place in the first line, and then the frames of this program's own code, the innermost first.
    pub(crate) backtrace: String,
}

/// Makes guarded panics leave their place behind instead of being printed; once per process. Others are printed
/// as before.
pub(super) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
                return;
            }
            let place = info.location().map_or_else(String::new, ToString::to_string);
            LAST.with_borrow_mut(|last| {
                *last = format!("{place}{}", own_frames(&Backtrace::force_capture()))
            });
        }));
    });
}

/// Runs code, and catches its panic.
pub(crate) fn guard<T>(work: impl FnOnce() -> T) -> Result<T, Caught> {
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let message = text.unwrap_or("a panic without a message").to_owned();
        Caught { message, backtrace: LAST.with_borrow_mut(std::mem::take) }
    })
}

/// The frames of a backtrace that are this program's own, without the machinery around them.
fn own_frames(trace: &Backtrace) -> String {
    let text = trace.to_string();
    let own =
        text.lines().filter(|line| line.contains("promptsales") && !line.trim_start().starts_with("at "));
    let named = own.filter_map(|line| line.split_once(": ").map(|(_, name)| name));
    let few = named.filter(|name| !name.contains("::runtime::panics::")).take(16);
    few.fold(String::new(), |all, name| format!("{all}\n{name}"))
}
