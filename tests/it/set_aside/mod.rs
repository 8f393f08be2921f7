//! What is set aside in the real binary: commands that bring their run down, and entities that cannot be loaded.
//!
//! What is poison here is what a damaged store is: an event changed where it lies, and mended again.

mod letters;
mod quarantine;
