//! What contracts say of columns and tests, against the columns that tables have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::check::{Surroundings, unknown_tables};
use crate::diagnostic::{Code, Diagnostic, SourceFile, Span, nearest};
use crate::engine::{Analysis, InputTable, Statement, TableUse};
use crate::name::TableName;
use crate::project::{Contract, DataTest, Spanned, TestKind};

/// Checks keys, layout and tests of every contract; gives the analyses of tests that are SQL.
pub(super) fn check(
    surroundings: &Surroundings<'_>,
    known: &BTreeSet<TableName>,
    tables: &BTreeMap<TableName, InputTable>,
    mistakes: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) -> BTreeMap<TableName, Vec<Option<Analysis>>> {
    let mut analyses = BTreeMap::new();
    for (table, contract) in &surroundings.project.contracts {
        // a table whose columns are unknown has a mistake that is reported elsewhere, or nothing makes it
        let Some(input) = tables.get(table) else {
            continue;
        };
        for column in contract.key.iter().chain(&contract.partition_by) {
            mistakes.extend(unknown_column(table, contract, input, column));
        }
        let mut of_table = Vec::with_capacity(contract.tests.len());
        for test in &contract.tests {
            let checker = Checker {
                surroundings,
                known,
                tables,
                table,
                contract,
                input,
                test,
            };
            match checker.check() {
                Ok(analysis) => {
                    let doubts = analysis.iter().flat_map(|a| a.warnings.iter().cloned());
                    warnings.extend(doubts);
                    of_table.push(analysis);
                }
                Err(found) => {
                    mistakes.extend(found);
                    of_table.push(None);
                }
            }
        }
        analyses.insert(table.clone(), of_table);
    }
    analyses
}

fn has(input: &InputTable, name: &str) -> bool {
    input.schema.field_with_name(name).is_ok()
}

fn unknown_column(
    table: &TableName,
    contract: &Contract,
    input: &InputTable,
    column: &Spanned<String>,
) -> Option<Diagnostic> {
    if has(input, &column.value) {
        return None;
    }
    Some(no_column(
        table,
        &contract.file,
        column.span,
        input,
        &column.value,
    ))
}

fn no_column(
    table: &TableName,
    file: &Arc<SourceFile>,
    span: Span,
    input: &InputTable,
    name: &str,
) -> Diagnostic {
    let diagnostic =
        Diagnostic::error(Code(330), format!("`{table}` has no column `{name}`")).at(file, span);
    let names = input.schema.fields().iter().map(|f| f.name().as_str());
    match nearest(name, names) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

/// One test of one table.
struct Checker<'a> {
    surroundings: &'a Surroundings<'a>,
    known: &'a BTreeSet<TableName>,
    tables: &'a BTreeMap<TableName, InputTable>,
    table: &'a TableName,
    contract: &'a Contract,
    input: &'a InputTable,
    test: &'a DataTest,
}

impl Checker<'_> {
    fn check(&self) -> Result<Option<Analysis>, Vec<Diagnostic>> {
        let mut mistakes: Vec<Diagnostic> = self
            .columns()
            .into_iter()
            .filter(|name| !has(self.input, name))
            .map(|name| {
                no_column(
                    self.table,
                    &self.contract.file,
                    self.test.span,
                    self.input,
                    name,
                )
            })
            .collect();
        if let Some(condition) = &self.test.condition {
            mistakes.extend(self.condition(condition));
        }
        match &self.test.kind {
            TestKind::Relationships { to, fields, .. } => mistakes.extend(self.target(to, fields)),
            TestKind::Keeps { columns, keys_of } => mistakes.extend(self.target(keys_of, columns)),
            _ => {}
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        match &self.test.kind {
            TestKind::Sql { query, query_span } => self.query(query, *query_span),
            _ => Ok(None),
        }
    }

    fn columns(&self) -> Vec<&str> {
        match &self.test.kind {
            TestKind::NotNull { column }
            | TestKind::AcceptedValues { column, .. }
            | TestKind::Matches { column, .. }
            | TestKind::Range { column, .. } => vec![column],
            TestKind::Unique { columns }
            | TestKind::Relationships { columns, .. }
            | TestKind::Keeps { columns, .. } => columns.iter().map(String::as_str).collect(),
            TestKind::RowCount { .. } | TestKind::Sql { .. } => vec![],
        }
    }

    fn target(&self, to: &TableName, fields: &[String]) -> Vec<Diagnostic> {
        if !self.known.contains(to) {
            let used = TableUse {
                table: to.clone(),
                span: self.test.span,
            };
            return unknown_tables(self.table, &self.contract.file, &[used], self.known);
        }
        let Some(target) = self.tables.get(to) else {
            return vec![];
        };
        let missing = fields.iter().filter(|field| !has(target, field));
        missing
            .map(|field| no_column(to, &self.contract.file, self.test.span, target, field))
            .collect()
    }

    /// A condition is checked as part of a query over the table.
    fn condition(&self, condition: &str) -> Vec<Diagnostic> {
        let table = match &self.test.kind {
            TestKind::Keeps { keys_of, .. } => keys_of,
            _ => self.table,
        };
        let text = format!("select * from {table} where (\n{condition}\n)");
        let found = self.analyse(&text).and_then(|analysis| match analysis {
            Some(analysis) if !analysis.vars.is_empty() => {
                let message = "the `where` of a test takes no variables";
                Err(vec![Diagnostic::error(Code(331), message)])
            }
            _ => Ok(()),
        });
        let relocate = |mut diagnostic: Diagnostic| {
            diagnostic.place = None;
            diagnostic.at(&self.contract.file, self.test.span)
        };
        match found {
            Ok(()) => vec![],
            Err(found) => found.into_iter().map(relocate).collect(),
        }
    }

    fn query(&self, query: &str, span: Span) -> Result<Option<Analysis>, Vec<Diagnostic>> {
        let file = &self.contract.file;
        // YAML may have folded or unescaped the text; where it did not, each byte of the query has its own place
        let written = file.text.get(span.start..span.end).unwrap_or_default();
        let shift = written.find(query).map(|offset| span.start + offset);
        let relocate = |mut diagnostic: Diagnostic| {
            let place = diagnostic.place.take();
            let exact = place.zip(shift).map(|(place, shift)| Span {
                start: place.span.start + shift,
                end: place.span.end + shift,
            });
            diagnostic.at(file, exact.unwrap_or(span))
        };
        let mut analysis = self
            .analyse(query)
            .map_err(|found| found.into_iter().map(relocate).collect::<Vec<_>>())?;
        if let Some(analysis) = &mut analysis {
            let doubts = std::mem::take(&mut analysis.warnings);
            analysis.warnings = doubts.into_iter().map(relocate).collect();
        }
        Ok(analysis)
    }

    /// `Ok(None)` where a table that it reads is not known because of another mistake.
    fn analyse(&self, text: &str) -> Result<Option<Analysis>, Vec<Diagnostic>> {
        let file = Arc::new(SourceFile {
            path: self.contract.file.path.clone(),
            text: text.to_string(),
        });
        let statement = Statement::parse(&file).map_err(|mistake| vec![mistake])?;
        let uses = statement.tables(self.known)?;
        let unknown = unknown_tables(self.table, &file, &uses, self.known);
        if !unknown.is_empty() {
            return Err(unknown);
        }
        if uses
            .iter()
            .any(|used| !self.tables.contains_key(&used.table))
        {
            return Ok(None);
        }
        self.surroundings
            .analyse(&statement, &uses, self.tables, false)
            .map(Some)
    }
}
