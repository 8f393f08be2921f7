//! Calls to real servers on this machine.
