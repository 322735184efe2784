//! What a Labfile's pieces say together, and the Labfile itself once they agree.

mod checks;
mod network;
mod order;
mod ports;
mod twins;
mod whole;

pub(super) use whole::labfile;
