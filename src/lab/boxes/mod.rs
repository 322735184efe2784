//! Boxes as labs use them.
//!
//! - [`supply`] gets the boxes that a Labfile asks for, and holds the lab to them;
//! - [`shelf`] knows the boxes together with the labs and base images that hang on them.

pub mod shelf;
pub mod supply;
