//! Counting the failures of each test of a candidate: while it was written where possible, else by a query each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionContext;

use super::execute::{Execution, TableResult};
use super::report::TableOutcome;
use crate::catalog::Content;
use crate::diagnostic::{Code, SourceFile};
use crate::engine::{self, Analysis, Joins, Statement};
use crate::error::{Error, Result};
use crate::lake::Written;
use crate::name::TableName;
use crate::plan::{Action, Kind, TablePlan};
use crate::quality::{Check, Counts, PlannedTest, Verdict, planned_tests};

/// The tests of a table, and which of them are counted while it is written.
pub(super) struct Counted {
    tests: Vec<PlannedTest>,
}

impl Counted {
    /// The row tests as expressions over the table's columns, in the order of the tests.
    pub(super) fn expressions(
        &self,
        session: &SessionContext,
        schema: &SchemaRef,
    ) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
        let columns = DFSchema::try_from(schema.as_ref().clone()).map_err(engine::failure)?;
        self.row_tests()
            .map(|failing| engine::row_condition(session, failing, &columns))
            .collect()
    }

    fn row_tests(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().filter_map(|test| match &test.check {
            Check::Row { failing } => Some(failing.as_str()),
            _ => None,
        })
    }
}

impl Execution {
    pub(super) fn counted(&self, plan: &TablePlan) -> Result<Counted> {
        let load = self
            .runner
            .project
            .sources
            .get(&plan.table)
            .map(|source| source.load);
        let bound: Vec<Option<&str>> = plan
            .tests
            .iter()
            .map(|test| test.as_ref().map(Analysis::bound_sql))
            .collect();
        let tests = self
            .contract(&plan.table)
            .map(|contract| planned_tests(contract, load, &bound));
        Ok(Counted {
            tests: tests.unwrap_or_default(),
        })
    }

    /// The tests of a table whose rows came in no export: those too that a record is otherwise held to when it is read.
    pub(super) fn counted_as_any(&self, plan: &TablePlan) -> Result<Counted> {
        let bound: Vec<Option<&str>> = plan
            .tests
            .iter()
            .map(|test| test.as_ref().map(Analysis::bound_sql))
            .collect();
        let tests = self
            .contract(&plan.table)
            .map(|contract| planned_tests(contract, None, &bound));
        let mut tests = tests.unwrap_or_default();
        // the key of an `append` source names the record, however often it comes
        tests.retain(|test| !matches!(test.check, Check::Key { .. }));
        Ok(Counted { tests })
    }

    /// Judges what can be judged now; tests that read other tables wait for [`Execution::test_across_tables`].
    pub(super) async fn test(
        &self,
        plan: &TablePlan,
        counted: &Counted,
        content: &Content,
        written: Option<&Written>,
        result: &mut TableResult,
    ) -> Result<()> {
        let mut verdicts = Vec::new();
        let mut next_counter = written.map(|written| written.counters.iter());
        for test in &counted.tests {
            let counter = match (&test.check, &mut next_counter) {
                (Check::Row { .. }, Some(counters)) => counters.next().copied(),
                (Check::Key { .. }, _) => written.and_then(|written| written.duplicate_keys),
                _ => None,
            };
            let failures = match counter {
                Some(failures) => failures,
                None => match self.own_failures(plan, test, content).await? {
                    Some(failures) => failures,
                    None => continue,
                },
            };
            let counts = self.counts(&plan.table, content.rows, failures);
            verdicts.push(Verdict::of(test, &plan.table, counts));
        }
        if verdicts.iter().any(|verdict| self.request.fails(verdict)) {
            result.outcome = TableOutcome::TestsFailed;
        }
        self.record(verdicts);
        Ok(())
    }

    fn counts(&self, table: &TableName, rows: u64, failures: u64) -> Counts {
        Counts {
            rows,
            published: self.published_rows(table),
            failures,
        }
    }

    /// Failures of a test that reads no other table; `None` where it does.
    async fn own_failures(
        &self,
        plan: &TablePlan,
        test: &PlannedTest,
        content: &Content,
    ) -> Result<Option<u64>> {
        let Some(sql) = failures_sql(test, &plan.table) else {
            return Ok(Some(0));
        };
        let reads = tables_of(&sql)?;
        let before = plan.table.as_published();
        if reads
            .iter()
            .any(|table| *table != plan.table && *table != before)
        {
            return Ok(None);
        }
        let store = match plan.kind {
            Kind::Ephemeral => engine::scratch_url()?,
            _ => engine::lake_url()?,
        };
        let provider = engine::scan(&content.file_set, store)?;
        let mut tables = BTreeMap::from([(plan.table.clone(), provider)]);
        if reads.contains(&before) {
            match self.published(&plan.table).await? {
                Some(published) => tables.insert(before, published.provider()?),
                // no key was published
                None => return Ok(Some(0)),
            };
        }
        let session = self.catalog.engine().session(&tables, Joins::Hash)?;
        count(&session, &sql).await.map(Some)
    }

    /// Tests that read other tables, over what every table holds now: those of tables that this run made or tested, and
    /// those of every other table of the release that read one whose rows have changed, or that is held: it may have
    /// become good.
    pub(super) async fn test_across_tables(&self) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::new();
        for result in self.results() {
            let Some(plan) = self.plan.tables.get(&result.table) else {
                continue;
            };
            let (is_judged, rows) = match result.outcome {
                TableOutcome::Written | TableOutcome::SameResult | TableOutcome::Tested => {
                    (true, result.rows)
                }
                TableOutcome::Unchanged => match self.published_rows(&plan.table) {
                    Some(rows) => (self.was_held(&plan.table), rows),
                    None => continue,
                },
                _ => continue,
            };
            for test in self.counted(plan)?.tests {
                let Some(sql) = failures_sql(&test, &plan.table) else {
                    continue;
                };
                let before = plan.table.as_published();
                let mut others = tables_of(&sql)?;
                others.retain(|table| *table != plan.table && *table != before);
                if !is_judged && !others.iter().any(|table| self.has_changed(table)) {
                    continue;
                }
                // what a table that failed would hold is not known, and the build fails by it anyway
                if others.is_empty() || others.iter().any(|table| self.is_broken(table)) {
                    continue;
                }
                let mut tables = BTreeMap::new();
                for table in tables_of(&sql)? {
                    self.refuse_unmade(&plan.table, &table)?;
                    let (provider, _) = self.input(&table, Joins::Hash).await?;
                    tables.insert(table, provider);
                }
                let session = self.catalog.engine().session(&tables, Joins::Hash)?;
                let failures = count(&session, &sql).await?;
                let counts = self.counts(&plan.table, rows, failures);
                verdicts.push(Verdict::of(&test, &plan.table, counts));
            }
        }
        Ok(verdicts)
    }

    fn was_held(&self, table: &TableName) -> bool {
        let release = self.observation.release.as_ref();
        release.is_some_and(|release| release.held.contains_key(table))
    }

    fn published_rows(&self, table: &TableName) -> Option<u64> {
        let release = self.observation.release.as_ref()?;
        release.table(table).map(|entry| entry.facts.rows)
    }

    /// Whether this run gave a table, or what an ephemeral step is made of, other rows.
    fn has_changed(&self, table: &TableName) -> bool {
        match self.plan.tables.get(table) {
            Some(plan) if plan.kind == Kind::Ephemeral => plan
                .published_inputs
                .iter()
                .any(|input| self.has_changed(input)),
            _ => self
                .result(table)
                .is_some_and(|result| result.outcome == TableOutcome::Written),
        }
    }

    /// # Errors
    /// `Config` K0206 where a test needs a table that no build has made yet and that this one leaves out.
    fn refuse_unmade(&self, tested: &TableName, read: &TableName) -> Result<()> {
        let plan = self.plan.tables.get(read);
        let is_left_out = plan.is_some_and(|plan| plan.action == Action::NotSelected);
        if !is_left_out || self.digest(read).is_some() {
            return Ok(());
        }
        Err(Error::config(format!(
            "a test of `{tested}` reads `{read}`, which was never published and is not selected"
        ))
        .code(Code(206))
        .help(format!("select it too: `-s {read} {tested}`")))
    }
}

/// A query of the failures; `None` for tests that need none.
fn failures_sql(test: &PlannedTest, table: &TableName) -> Option<String> {
    match &test.check {
        Check::Row { failing } => Some(format!("select 1 as one from {table} where {failing}")),
        Check::Key { failures } | Check::Query { failures } | Check::Keys { failures } => {
            Some(failures.clone())
        }
        Check::RowCount { .. } => None,
    }
}

fn tables_of(sql: &str) -> Result<BTreeSet<TableName>> {
    let file = Arc::new(SourceFile {
        path: "test".to_string(),
        text: sql.to_string(),
    });
    let statement =
        Statement::parse(&file).map_err(|found| Error::from_diagnostics(vec![found]))?;
    let uses = statement
        .tables(&BTreeSet::new())
        .map_err(Error::from_diagnostics)?;
    Ok(uses.into_iter().map(|used| used.table).collect())
}

async fn count(session: &SessionContext, failures: &str) -> Result<u64> {
    let sql = format!("select count(*) as failures from ({failures}) as failing");
    let frame = session.sql(&sql).await.map_err(engine::failure)?;
    let batches = engine::collect(frame).await?;
    let counted = batches
        .iter()
        .find(|batch| batch.num_rows() == 1)
        .and_then(|batch| {
            Some(
                batch
                    .column(0)
                    .as_primitive_opt::<Int64Type>()?
                    .value(0)
                    .max(0) as u64,
            )
        });
    counted.ok_or_else(|| Error::internal("a count of failures has no value"))
}
