//! Compares the pieces of a Labfile with each other (names, addresses, ports, `after`), and makes the Labfile of them if
//! nothing is wrong.

mod checks;
mod network;
mod order;
mod ports;
mod twins;
mod whole;

pub(super) use whole::labfile;
