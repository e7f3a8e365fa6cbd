//! Which tables a query names: its inputs, read from the SQL itself.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, Query, Spanned as _, TableFactor, Visit, Visitor,
};

use super::{Statement, did_you_mean};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::name::TableName;

/// A table as named in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableUse {
    /// The table.
    pub(crate) table: TableName,
    /// Where it is named first.
    pub(crate) span: Span,
}

/// Walks the query; names of `with` are not tables.
pub(super) fn find(
    statement: &Statement,
    known: &BTreeSet<TableName>,
) -> Result<Vec<TableUse>, Vec<Diagnostic>> {
    let mut finder = Finder {
        statement,
        known,
        common_tables: Vec::new(),
        uses: Vec::new(),
        mistakes: Vec::new(),
    };
    let _ = statement.query().visit(&mut finder);
    if finder.mistakes.is_empty() {
        Ok(finder.uses)
    } else {
        Err(finder.mistakes)
    }
}

struct Finder<'a> {
    statement: &'a Statement,
    known: &'a BTreeSet<TableName>,
    /// Names of `with` in scope, one list for each enclosing query.
    common_tables: Vec<Vec<String>>,
    uses: Vec<TableUse>,
    mistakes: Vec<Diagnostic>,
}

impl Visitor for Finder<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let names = query.with.iter().flat_map(|with| &with.cte_tables);
        self.common_tables
            .push(names.map(|cte| normal(&cte.alias.name)).collect());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.common_tables.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name, args: None, ..
        } = factor
        {
            self.name(name);
        }
        ControlFlow::Continue(())
    }
}

impl Finder<'_> {
    fn name(&mut self, name: &ObjectName) {
        let parts: Vec<String> = name
            .0
            .iter()
            .filter_map(|part| part.as_ident().map(normal))
            .collect();
        if let [one] = parts.as_slice()
            && self.common_tables.iter().flatten().any(|cte| cte == one)
        {
            return;
        }
        let span = self
            .statement
            .span(name.span())
            .unwrap_or_else(|| self.statement.first_word());
        match parts.as_slice() {
            [schema, table] => match TableName::new(schema, table) {
                Ok(table) => self.push(table, span),
                Err(message) => self.mistakes.push(
                    Diagnostic::error(Code(203), message)
                        .at(self.statement.file(), span)
                        .label("read as a table"),
                ),
            },
            [one] => self.unqualified(one, span),
            _ => self.mistakes.push(
                Diagnostic::error(
                    Code(201),
                    format!("`{}` names more than a schema and a table", parts.join(".")),
                )
                .at(self.statement.file(), span)
                .help("write `schema.table`: a lake has no catalogs"),
            ),
        }
    }

    fn push(&mut self, table: TableName, span: Span) {
        if self.uses.iter().all(|other| other.table != table) {
            self.uses.push(TableUse { table, span });
        }
    }

    fn unqualified(&mut self, name: &str, span: Span) {
        let same_name: Vec<String> = self
            .known
            .iter()
            .filter(|table| table.name() == name)
            .map(ToString::to_string)
            .collect();
        let help = match same_name.as_slice() {
            [] => {
                let near_cte = did_you_mean(
                    name,
                    self.common_tables.iter().flatten().map(String::as_str),
                );
                near_cte.or_else(|| {
                    let table =
                        crate::diagnostic::nearest(name, self.known.iter().map(TableName::name))?;
                    let full = self.known.iter().find(|t| t.name() == table)?;
                    Some(format!("did you mean `{full}`?"))
                })
            }
            several => Some(format!("did you mean `{}`?", several.join("` or `"))),
        };
        let mut mistake = Diagnostic::error(
            Code(201),
            format!("`{name}` does not say its schema, and no `with` names it"),
        )
        .at(self.statement.file(), span);
        mistake.help = Some(help.unwrap_or_else(|| "write `schema.table`".into()));
        self.mistakes.push(mistake);
    }
}

/// An identifier as SQL reads it: lower case unless quoted.
pub(in crate::engine) fn normal(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::SourceFile;

    fn tables(text: &str) -> Result<Vec<String>, Vec<Diagnostic>> {
        let file = Arc::new(SourceFile {
            path: "sql/gold/x.sql".into(),
            text: text.into(),
        });
        let known = ["silver.people", "silver.orders", "bronze.orders"]
            .map(|name| name.parse().unwrap())
            .into();
        let uses = Statement::parse(&file).unwrap().tables(&known)?;
        Ok(uses.iter().map(|u| u.table.to_string()).collect())
    }

    #[test]
    fn tables_are_found_in_joins_subqueries_and_common_tables() {
        let found = tables(
            "with p as (select * from silver.people), q as (select * from p)
             select * from q join Silver.Orders o on o.id = q.id
             where q.id in (select id from bronze.orders) and exists (select 1 from silver.people)",
        );
        assert_eq!(
            found.unwrap(),
            ["silver.people", "silver.orders", "bronze.orders"]
        );
    }

    #[test]
    fn a_name_of_with_is_unknown_outside_of_its_query() {
        let mistakes =
            tables("select * from (with p as (select 1 as a) select * from p) x, p").unwrap_err();
        assert_eq!(mistakes.len(), 1);
        assert_eq!(mistakes[0].code, Code(201));
    }

    #[test]
    fn a_name_without_schema_is_refused_with_its_candidates() {
        let mistakes = tables("select * from orders").unwrap_err();
        insta::assert_snapshot!(mistakes[0].render(false), @r#"
        error[K0201]: `orders` does not say its schema, and no `with` names it
          --> sql/gold/x.sql:1:15
           |
         1 | select * from orders
           |               ^^^^^^
        help: did you mean `bronze.orders` or `silver.orders`?
        "#);
        let mistakes = tables("select * from peple").unwrap_err();
        assert_eq!(
            mistakes[0].help.as_deref(),
            Some("did you mean `silver.people`?")
        );
    }

    #[test]
    fn table_functions_are_not_tables() {
        assert!(tables("select value from range(1, 10)").unwrap().is_empty());
    }
}
