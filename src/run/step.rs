//! A SQL step: its query over what its inputs hold now, written as a candidate and tested.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use super::execute::{Execution, TableResult};
use super::report::TableOutcome;
use super::testing::Counted;
use crate::catalog::Content;
use crate::diagnostic::Code;
use crate::engine::{self, Joins};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{self, Layout, Written};
use crate::name::TableName;
use crate::plan::{Action, Kind, Reason, TablePlan};
use crate::project::MatchTable;

/// Inputs of more bytes than this are written in [`BUCKETS`]; decided by the data, never by the machine.
const SMALL_TABLE_BYTES: u64 = 64_000_000;
const BUCKETS: usize = 8;

/// Buckets of a table that is made of so many bytes.
pub(super) fn buckets(input_bytes: u64) -> usize {
    if input_bytes < SMALL_TABLE_BYTES {
        1
    } else {
        BUCKETS
    }
}

impl Execution {
    pub(super) async fn step(&self, plan: &TablePlan) -> Result<TableResult> {
        let inputs = self.input_digests(plan);
        let is_side = plan.kind == Kind::MatchSide;
        let late_reason = match plan.action {
            // made with the ids, or not at all
            Action::Maybe if is_side => self.reason_of_side(plan),
            Action::Maybe => plan.is_stale(&inputs),
            _ => None,
        };
        let action = match (&plan.action, &late_reason) {
            (Action::Build, _) if is_side && self.reason_of_side(plan).is_none() => &plan.otherwise,
            (Action::Maybe, None) => &plan.otherwise,
            (Action::Maybe, Some(_)) => &Action::Build,
            (action, _) => action,
        };
        match action {
            Action::Retest => return self.retest(plan).await,
            Action::Redescribe => return self.redescribe(plan).await,
            Action::Build => {}
            _ => return Ok(TableResult::new(plan, TableOutcome::Unchanged)),
        }
        let published = self.published(&plan.table).await?;
        let counted = self.counted(plan)?;
        let written = match self.compute(plan, &counted).await {
            Ok(written) => written,
            Err(error) => return Err(self.explained(plan, error).await),
        };
        let rows_before = published.as_ref().map(|content| content.rows);
        let (content, outcome) = self.settle_content(plan, published, &written).await?;
        let mut result = TableResult::new(plan, outcome).counting(written.rows, rows_before);
        if let Some(reason) = late_reason {
            result.reasons = vec![reason.to_string()];
        }
        result.built_from = inputs;
        if is_side {
            // with the ids, of what they were made of
            let ids = plan
                .inputs
                .first()
                .and_then(|ids| self.plan.tables.get(ids));
            let of_ids = ids.map(|ids| self.input_digests(ids));
            result.built_from.extend(of_ids.unwrap_or_default());
        }
        self.test(plan, &counted, &content, Some(&written), &mut result)
            .await?;
        result.content = Some(content);
        Ok(result)
    }

    /// The candidate as content; or the published one, where the result is the same and, after a full refresh, its files are
    /// still there.
    pub(super) async fn settle_content(
        &self,
        plan: &TablePlan,
        published: Option<Content>,
        written: &Written,
    ) -> Result<(Content, TableOutcome)> {
        let candidate = self.candidate(plan, published.as_ref(), written)?;
        let is_whole = match &published {
            Some(published) if plan.reasons.contains(&Reason::FullRefresh) => {
                self.is_whole(published).await?
            }
            _ => true,
        };
        Ok(match published {
            Some(published)
                if is_whole
                    && published.digest == candidate.digest
                    && published.file_set.schema == candidate.file_set.schema
                    && published.file_set.partition_columns
                        == candidate.file_set.partition_columns =>
            {
                // words may have changed: they go along as metadata
                let kept = Content {
                    definition: candidate.definition,
                    ..published
                };
                (kept, TableOutcome::SameResult)
            }
            _ => (candidate, TableOutcome::Written),
        })
    }

    /// Whether every file of a published table is there, as large as its log says. A full refresh is what mends one that is
    /// not.
    async fn is_whole(&self, published: &Content) -> Result<bool> {
        let store = self.catalog.lake().store();
        for file in &published.file_set.files {
            let path = format!("{}/{}", published.location, file.path);
            let found = store.head(&path).await?;
            if found.is_none_or(|found| found.size != file.size) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn compute(&self, plan: &TablePlan, counted: &Counted) -> Result<Written> {
        match self.attempt(plan, counted, Joins::Hash, 0).await {
            Err(error) if engine::is_out_of_memory(&error) => {
                tracing::warn!("`{}` runs again with joins that spill", plan.table);
                self.attempt(plan, counted, Joins::SortMerge, 1).await
            }
            done => done,
        }
    }

    async fn attempt(
        &self,
        plan: &TablePlan,
        counted: &Counted,
        joins: Joins,
        attempt: u32,
    ) -> Result<Written> {
        let (session, logical, input_bytes) = self.query(plan, joins).await?;
        let physical = session
            .state()
            .create_physical_plan(&logical)
            .await
            .map_err(engine::failure)?;
        let layout = Layout::Sorted {
            buckets: buckets(input_bytes),
        };
        let mut spec = self.write_spec(plan, layout, self.file_series(attempt))?;
        spec.counters = counted.expressions(&session, &plan.schema)?;
        lake::write_table(session.task_ctx(), physical, &spec).await
    }

    /// The error with the expression that a value broke, where it stands, and the query that shows the rows; or as it was.
    async fn explained(&self, plan: &TablePlan, error: Error) -> Error {
        let step = self.runner.project.steps.get(&plan.table);
        let (Some(step), Some(analysis), ErrorKind::Quality) = (step, &plan.analysis, error.kind())
        else {
            return error;
        };
        let Ok((session, logical, _)) = self.query(plan, Joins::Hash).await else {
            return error;
        };
        let Some(culprit) = engine::culprit(&session, &logical, analysis, &step.file).await else {
            // of many rows, as a sum: the message names it
            return match error.location() {
                None => error.at(step.file.path.clone()),
                Some(_) => error,
            };
        };
        if let Some(sql) = culprit.rows_sql {
            self.record_rows_sql(&plan.table, sql);
        }
        let place = match culprit.span {
            _ if step.is_generated() => step.declared_at.location(),
            Some(span) => {
                let (line, column) = step.file.position(span.start);
                format!("{}:{line}:{column}", step.file.path)
            }
            None => step.file.path.clone(),
        };
        let explained = Error::quality(format!("a value broke `{}`", culprit.expression))
            .code(Code(805))
            .at(place)
            .caused_by(error.to_string());
        match error.advice() {
            Some(advice) if advice != engine::FIND_THE_ROW => explained.help(advice),
            _ => explained,
        }
    }

    /// A step's statement over what its inputs hold now, cast to its columns; and the bytes of the inputs.
    async fn query(
        &self,
        plan: &TablePlan,
        joins: Joins,
    ) -> Result<(SessionContext, LogicalPlan, u64)> {
        if let Some(rows) = &plan.rows {
            return self.given_rows(plan, rows, joins);
        }
        if let Some(matched) = &plan.matched {
            let rows = match plan.kind {
                Kind::Match => self.matched(plan, matched).await?,
                _ => self.matched_beside(plan, matched)?,
            };
            return self.given_rows(plan, &rows, joins);
        }
        let analysis = plan
            .analysis
            .as_ref()
            .ok_or_else(|| Error::internal(format!("`{}` has no statement", plan.table)))?;
        let mut tables: BTreeMap<TableName, Arc<dyn TableProvider>> = BTreeMap::new();
        let mut bytes = 0;
        for input in &plan.inputs {
            let (provider, size) = self.input(input, joins).await?;
            tables.insert(input.clone(), provider);
            bytes += size;
        }
        let session = self.catalog.engine().session(&tables, joins)?;
        let logical = session
            .state()
            .create_logical_plan(analysis.bound_sql())
            .await
            .and_then(|logical| engine::conform(logical, &plan.schema))
            .map_err(engine::failure)?;
        Ok((session, logical, bytes))
    }

    /// Rows that are there already, as a query yields them.
    fn given_rows(
        &self,
        plan: &TablePlan,
        rows: &RecordBatch,
        joins: Joins,
    ) -> Result<(SessionContext, LogicalPlan, u64)> {
        let bytes = rows.get_array_memory_size() as u64;
        let session = self.catalog.engine().session(&BTreeMap::new(), joins)?;
        let layout = Layout::Sorted {
            buckets: buckets(bytes),
        };
        let (columns, order) = lake::order_of(&self.write_spec(plan, layout, 0)?);
        let logical = session
            .read_table(engine::rows_as_table(rows.clone(), &columns, order)?)
            .map_err(engine::failure)?
            .into_unoptimized_plan();
        Ok((session, logical, bytes))
    }

    /// A table as a query reads it. An ephemeral step is part of its only reader; with more readers, or tests, it is
    /// computed once and read from scratch.
    pub(super) async fn input(
        &self,
        table: &TableName,
        joins: Joins,
    ) -> Result<(Arc<dyn TableProvider>, u64)> {
        let plan = self
            .plan
            .tables
            .get(table)
            .filter(|plan| plan.kind == Kind::Ephemeral);
        let Some(plan) = plan else {
            let mut content = self.content(table).await?;
            // what exports brought and nobody declared, no statement sees
            if let Some(plan) = self.plan.tables.get(table)
                && plan.read_as != plan.schema
            {
                content = content.with_columns(plan.read_as.clone());
            }
            return Ok((content.provider()?, content.bytes()));
        };
        let is_tested = self
            .runner
            .project
            .contracts
            .get(table)
            .is_some_and(|contract| !contract.tests.is_empty() || !contract.key.is_empty());
        if plan.readers.len() < 2 && !is_tested {
            let (_, logical, bytes) = Box::pin(self.query(plan, joins)).await?;
            return Ok((Arc::new(ViewTable::new(logical, None)), bytes));
        }
        let cell = self.scratch(table);
        let content = cell
            .get_or_try_init(|| Box::pin(self.scratch_content(plan)))
            .await?;
        Ok((
            engine::scan(&content.file_set, engine::scratch_url()?)?,
            content.bytes(),
        ))
    }

    /// Computes an ephemeral step that is read more than once, or tested.
    async fn scratch_content(&self, plan: &TablePlan) -> Result<Content> {
        let counted = self.counted(plan)?;
        let (session, logical, _) = self.query(plan, Joins::Hash).await?;
        let physical = session
            .state()
            .create_physical_plan(&logical)
            .await
            .map_err(engine::failure)?;
        let mut spec = self.write_spec(plan, Layout::AsComputed, self.file_series(0))?;
        spec.store = engine::scratch_url()?;
        spec.counters = counted.expressions(&session, &plan.schema)?;
        spec.partition_by = Vec::new();
        let written = lake::write_table(session.task_ctx(), physical, &spec).await;
        let written = match written {
            Ok(written) => written,
            Err(error) => return Err(self.explained(plan, error).await),
        };
        let mut content = self.candidate(plan, None, &written)?;
        content.file_set.partition_columns = Vec::new();
        let mut result = TableResult::new(plan, TableOutcome::Written);
        self.test(plan, &counted, &content, Some(&written), &mut result)
            .await?;
        Ok(content)
    }

    /// Why a table beside the ids of a match is made: the ids were, and stand.
    fn reason_of_side(&self, plan: &TablePlan) -> Option<Reason> {
        let (matching, _) = self.runner.project.match_of(&plan.table)?;
        let table = matching.tables.get(&MatchTable::Ids)?.clone();
        let ids = self.result(&table)?.outcome;
        let is_made = matches!(ids, TableOutcome::Written | TableOutcome::SameResult);
        is_made.then_some(Reason::InputChanged { table })
    }

    /// Digests of what its inputs hold now, ephemeral steps seen through.
    pub(super) fn input_digests(&self, plan: &TablePlan) -> BTreeMap<TableName, String> {
        let digests = plan.published_inputs.iter();
        digests
            .filter_map(|input| Some((input.clone(), self.digest(input)?)))
            .collect()
    }

    pub(super) async fn retest(&self, plan: &TablePlan) -> Result<TableResult> {
        let content = self.content(&plan.table).await?;
        let content = content.with_columns(plan.schema.clone());
        let counted = self.counted(plan)?;
        let mut result =
            TableResult::new(plan, TableOutcome::Tested).counting(content.rows, Some(content.rows));
        self.test(plan, &counted, &content, None, &mut result)
            .await?;
        let definition = self.definition(plan, Some(&content), &content.file_set.schema)?;
        result.content = Some(Content {
            definition,
            ..content
        });
        Ok(result)
    }

    pub(super) async fn redescribe(&self, plan: &TablePlan) -> Result<TableResult> {
        let content = self.content(&plan.table).await?;
        let content = content.with_columns(plan.schema.clone());
        let definition = self.definition(plan, Some(&content), &content.file_set.schema)?;
        let mut result = TableResult::new(plan, TableOutcome::SameResult)
            .counting(content.rows, Some(content.rows));
        result.content = Some(Content {
            definition,
            ..content
        });
        Ok(result)
    }
}
