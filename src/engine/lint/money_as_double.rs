//! `price * 1.1e0 as total_amount`: money in doubles does not add up to the cent.

use datafusion::arrow::datatypes::DataType;

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic};

/// Last words of the names of columns that hold money.
const MONEY: [&str; 5] = ["amount", "price", "revenue", "cost", "fee"];

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let columns = context.output.iter().filter(|column| {
        let last = column.name.rsplit('_').next().unwrap_or_default();
        MONEY.contains(&last) && matches!(column.data_type, DataType::Float64 | DataType::Float32)
    });
    columns
        .map(|column| {
            Diagnostic::warning(
                Code(328),
                format!("`{}` is money as `double`, which does not hold cents exactly", column.name),
            )
            .at(context.statement.file(), column.span)
            .help("keep it a decimal: `cast(… as decimal(18, 2))`, and the contract's `decimal(18,2)` where it comes from")
        })
        .collect()
}
