//! Following the journal by position: whoever keeps a [`Cursor`] misses nothing and sees nothing twice.

mod cursor;
pub mod index;
mod tail;

pub use cursor::{Cursor, CursorError};
pub use tail::{Start, Tail, TailError, Wanted};
