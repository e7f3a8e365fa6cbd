//! `approx_percentile_cont`, `approx_median`: a digest of what came first and what came later, so another answer on each run.

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic};

const APPROXIMATE: [(&str, &str); 4] = [
    ("approx_median", "write `median(x)`, which is exact"),
    (
        "approx_percentile_cont",
        "write `quantile_cont(x, 0.9)`, which is exact",
    ),
    (
        "approx_percentile_cont_with_weight",
        "write `quantile_cont(x, 0.9)` over rows that are repeated by their weight",
    ),
    (
        "approx_distinct",
        "write `count(distinct x)`, which is exact: the approximation may differ between machines",
    ),
];

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let approximate = context.calls.iter().filter_map(|call| {
        let name = context.functions.canonical_name(&call.name)?;
        let (_, help) = APPROXIMATE.iter().find(|(known, _)| *known == name)?;
        let diagnostic = Diagnostic::error(
            Code(332),
            format!(
                "`{}` is approximate: its answer may differ from run to run",
                call.name
            ),
        );
        Some(
            diagnostic
                .at(context.statement.file(), call.span)
                .help(*help),
        )
    });
    approximate.collect()
}
