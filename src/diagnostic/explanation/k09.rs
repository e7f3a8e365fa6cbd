//! Codes K09xx: the command line.

use super::{Code, Explanation};

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: Code(903),
        title: "there is no such table",
        text: "\
The release that is read has no table of this name: a typing error, a step that was never built, or a table
that came after that release. `kilde ls` lists what the newest release has, `kilde releases` the releases.",
    },
    Explanation {
        code: Code(904),
        title: "a build was stopped",
        text: "\
Ctrl-C or a scheduler's SIGTERM ended the build before it published: the lake is as it was, and readers saw
nothing. The exit code is 130 or 143. Build again; exports are read once, whatever happened to this run.",
    },
];
