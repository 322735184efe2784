//! The store of boxes, as a user and a kill signal meet it. No machines are started.

mod care;
mod kills;
