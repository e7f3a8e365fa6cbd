//! What is wrong with a query that a person typed, in the same words as in a step's file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::DateTime;
use datafusion::catalog::TableProvider;

use super::analysis::{InputTable, Question, analyse};
use super::function_registry::FunctionRegistry;
use super::session::Engine;
use super::statement::{Statement, TableUse};
use crate::diagnostic::{Diagnostic, Severity};
use crate::name::TableName;

impl Engine {
    /// The mistakes of a query that a session could not plan; none where the analysis finds nothing to say.
    pub(crate) fn mistakes_of_query(
        &self,
        statement: &Statement,
        uses: &[TableUse],
        tables: &BTreeMap<TableName, Arc<dyn TableProvider>>,
    ) -> Vec<Diagnostic> {
        let tables: BTreeMap<TableName, InputTable> = tables
            .iter()
            .map(|(name, provider)| {
                let input = InputTable {
                    schema: provider.schema(),
                    not_null: BTreeSet::new(),
                };
                (name.clone(), input)
            })
            .collect();
        let found = analyse(&Question {
            statement,
            uses,
            tables: &tables,
            vars: &BTreeMap::new(),
            // types and names do not depend on the time
            as_of: DateTime::UNIX_EPOCH,
            time_zone: chrono_tz::Tz::UTC,
            functions: &FunctionRegistry::of(self.state().clone()),
            is_published: false,
        });
        let mut mistakes = found.err().unwrap_or_default();
        mistakes.retain(|found| found.severity == Severity::Error);
        mistakes
    }
}
