//! `row_number() over (partition by …)`: a rank among rows that have no order.

use datafusion::sql::sqlparser::ast::{
    NamedWindowDefinition, NamedWindowExpr, WindowSpec, WindowType,
};

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic};

/// Window functions that mean nothing without an order.
const ORDERED: [&str; 11] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let unordered = context.calls.iter().filter(|call| {
        ORDERED.contains(&call.name.as_str())
            && call
                .node
                .over
                .as_ref()
                .is_some_and(|over| !is_ordered(over, &call.named_windows))
    });
    unordered
        .map(|call| {
            Diagnostic::error(
                Code(324),
                format!(
                    "`{}` over a window without `order by` gives another result on each run",
                    call.name
                ),
            )
            .at(context.statement.file(), call.span)
            .help("add `order by` to the window, in which no two rows tie: end it with the key")
        })
        .collect()
}

fn is_ordered(over: &WindowType, named: &[NamedWindowDefinition]) -> bool {
    match over {
        WindowType::WindowSpec(spec) => spec_is_ordered(spec, named),
        WindowType::NamedWindow(name) => name_is_ordered(&name.value, named),
    }
}

fn spec_is_ordered(spec: &WindowSpec, named: &[NamedWindowDefinition]) -> bool {
    let base = spec.window_name.as_ref();
    !spec.order_by.is_empty() || base.is_some_and(|name| name_is_ordered(&name.value, named))
}

/// A window may be defined by another that is written before it; looking only there ends every chain.
fn name_is_ordered(name: &str, named: &[NamedWindowDefinition]) -> bool {
    let position = named
        .iter()
        .position(|NamedWindowDefinition(ident, _)| ident.value.eq_ignore_ascii_case(name));
    let Some(position) = position else {
        return false;
    };
    match &named[position].1 {
        NamedWindowExpr::WindowSpec(spec) => spec_is_ordered(spec, &named[..position]),
        NamedWindowExpr::NamedWindow(other) => name_is_ordered(&other.value, &named[..position]),
    }
}
