//! A journal in SQLite.
