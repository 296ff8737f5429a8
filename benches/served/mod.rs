//! What the benches of the server share.
#![allow(dead_code, reason = "each bench uses its part of this")]

pub(crate) mod client;
pub(crate) mod process;
