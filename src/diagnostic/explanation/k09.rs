//! Codes K09xx: reading.

use super::Explanation;
use crate::diagnostic::Code;

pub(super) const CODES: &[Explanation] = &[Explanation {
    code: Code(903),
    title: "a table that the release does not hold",
    text: "A query reads what is published: `kilde ls` lists it. A table that was added to the project since the last build is\n\
           in no release yet, and an ephemeral step in none ever; `kilde show TABLE` computes either.",
}];
