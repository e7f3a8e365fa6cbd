//! Which names SQL takes without quotes. The parser itself is asked, since a list of its words would rot with each new version.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr};

use super::Statement;
use crate::diagnostic::SourceFile;
use crate::name::is_identifier;

/// Words that the parser takes for a name only where nothing behind them looks like what else they begin.
const MORE_THAN_NAMES: [&str; 56] = [
    "all",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "check",
    "column",
    "create",
    "cross",
    "current",
    "date",
    "default",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "false",
    "filter",
    "for",
    "from",
    "full",
    "group",
    "having",
    "in",
    "inner",
    "interval",
    "into",
    "is",
    "join",
    "left",
    "like",
    "limit",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "right",
    "select",
    "table",
    "then",
    "time",
    "timestamp",
    "true",
    "union",
    "user",
];

/// Whether `name` means a column or table of that name wherever it is written without quotes.
pub(crate) fn is_plain_name(name: &str) -> bool {
    is_identifier(name)
        && !MORE_THAN_NAMES.contains(&name)
        && names_a_column(name)
        && is_taken_everywhere(name)
}

/// First, last and only item of a list: each is another place of the grammar.
fn names_a_column(name: &str) -> bool {
    let lists = [
        name.to_string(),
        format!("{name}, {name}"),
        format!("{name}, {name}, {name}"),
    ];
    lists.iter().all(|list| {
        let Some(statement) = parsed(&format!("select {list} from a")) else {
            return false;
        };
        let SetExpr::Select(select) = &*statement.query().body else {
            return false;
        };
        let is_column = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(Expr::Identifier(found)) => found.value == name,
            _ => false,
        };
        let count = list.split(',').count();
        select.projection.len() == count && select.projection.iter().all(is_column)
    })
}

fn is_taken_everywhere(name: &str) -> bool {
    let text = format!(
        "with {name} as (select nullif(trim({name}), '') as {name}, cast({name} as varchar) as b, not {name} as c, \
         max({name}) as {name}, a['x'] as {name}, unnest({name}) as d, {name} || 'x' as e, case when {name} is null then \
         {name} else {name} end as {name} from a where {name} is not null group by {name} order by {name} desc, {name}) \
         select * exclude ({name}) from {name}"
    );
    parsed(&text).is_some()
}

fn parsed(text: &str) -> Option<Statement> {
    let file = SourceFile {
        path: String::new(),
        text: text.to_string(),
    };
    Statement::parse(&Arc::new(file)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_sql_takes_for_something_else_are_no_plain_names() {
        let words = "where values sort top with fetch trim cluster exclude explain intersect lateral current_date select \
                     from null true case end interval order group having limit not cast";
        for word in words.split_whitespace() {
            assert!(!is_plain_name(word), "{word}");
        }
        for name in [
            "id",
            "name",
            "email",
            "created_at",
            "amount",
            "year",
            "status",
            "store_id",
        ] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in ["", "a b", "A", "1st", "a-b", "a;b", "a--b"] {
            assert!(!is_plain_name(name), "{name}");
        }
    }
}
