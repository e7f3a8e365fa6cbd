//! `random()`, `uuid()`: another answer on each run, so no table can be built of them twice.

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic};

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let volatile = context
        .calls
        .iter()
        .filter(|call| context.functions.is_volatile(&call.name));
    volatile
        .map(|call| {
            Diagnostic::error(
                Code(320),
                format!("`{}()` answers differently on each run", call.name),
            )
            .at(context.statement.file(), call.span)
            .help("equal exports must give equal tables: derive the value from columns, for example `md5(…)` of the key")
        })
        .collect()
}
