//! Codes K06xx: purposes and consent.

use super::Explanation;
use crate::diagnostic::Code;

pub(super) const CODES: &[Explanation] = &[Explanation {
    code: Code(601),
    title: "a table that decides consent would be held",
    text: "\
Holding a table means to go on with yesterday's. For consent that would mean to write to someone who has
withdrawn it, so tables that say who consented are never held, nor is anything that they are made of: a
failure there stops the build. A table says who consented where its contract has `rollback: keeps` and
every one of its purposes has `ground: consent`. Remove `on_error: hold`, or leave out `--hold`.",
}];
