//! `array_agg`, `string_agg`, `first_value` and their kind answer by the order of rows, and tables have none.

use datafusion::sql::sqlparser::ast::{FunctionArgumentClause, FunctionArguments};

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::analysis::FunctionCall;

const ORDERED: [&str; 8] = [
    "array_agg",
    "list",
    "collect_list",
    "string_agg",
    "listagg",
    "first_value",
    "last_value",
    "nth_value",
];

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let unordered = context
        .calls
        .iter()
        .filter(|call| ORDERED.contains(&call.name.as_str()) && call.node.over.is_none())
        .filter(|call| !has_order(call));
    unordered
        .map(|call| {
            Diagnostic::error(
                Code(323),
                format!(
                    "`{}` without `order by` gives another result on each run",
                    call.name
                ),
            )
            .at(context.statement.file(), call.span)
            .help(format!(
                "write `{}(… order by …)` with an order in which no two rows tie",
                call.name
            ))
        })
        .collect()
}

fn has_order(call: &FunctionCall) -> bool {
    if !call.node.within_group.is_empty() {
        return true;
    }
    let FunctionArguments::List(list) = &call.node.args else {
        return false;
    };
    list.clauses
        .iter()
        .any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(by) if !by.is_empty()))
}
