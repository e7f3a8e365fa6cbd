//! `drift:` of a source as written.

use super::super::Spanned;
use super::declare::{section, words};
use crate::project::OnDrift;

section! {
    /// What to do when the columns of an export are not those of the contract. `reject_file` refuses the export, and
    /// `on_error` says what that means; `fail` stops the build whatever `on_error` says.
    RawDrift {
        /// A column that the contract does not know: `ignore` it, `evolve` (keep it, as text, until the contract says what it
        /// is), `reject_file` or `fail`. Default `ignore`.
        added: Option<Spanned<OnDrift>>,
        /// A column that the export lacks under each of its names: `ignore` (null in its records), `reject_file` or `fail`.
        /// Default `reject_file`.
        missing: Option<Spanned<OnDrift>>,
        /// The contract's columns in another order than the contract has them: `accept`, `reject_file` or `fail`. Default
        /// `accept`.
        reordered: Option<Spanned<OnDrift>>,
        /// A column of which half the values or more are of another type: `reject` (each such record), `reject_file` or
        /// `fail`. Default `reject`.
        retyped: Option<Spanned<OnDrift>>,
    }
}

words! {
    OnDrift, "a way to meet drift" {
        "ignore" => OnDrift::Ignore,
        "accept" => OnDrift::Ignore,
        "evolve" => OnDrift::Evolve,
        "reject" => OnDrift::Reject,
        "reject_file" => OnDrift::RejectFile,
        "fail" => OnDrift::Fail,
    }
    also {
        "freeze" => "reject_file", "discard_column" => "ignore", "discard_row" => "reject", "append_new_columns" => "evolve",
        "sync_all_columns" => "evolve", "error" => "fail", "stop" => "fail", "null" => "ignore", "add" => "evolve"
    }
}
