//! Bad input and bad luck that need no machine: each ends with a clear error, a hint, its exit code,
//! and nothing left over. QEMU is played by shell scripts.

mod boxes;
mod labfile;
mod place;
mod programs;
mod state;
mod verbs;

use crate::common::fake;
