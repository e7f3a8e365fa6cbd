//! One table's rows before anything is built: its step over what the newest release holds, in memory.
//!
//! Inputs are read as published. An ephemeral input, one that no release holds yet, and one whose columns have changed
//! since are computed on the way. Nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::SessionContext;
use futures::Stream;
use futures::future::BoxFuture;

use super::Runner;
use crate::catalog::{Catalog, Content, Rows};
use crate::diagnostic::Diagnostic;
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::plan::{Kind, Outline};
use crate::release::Release;

/// Rows of a table as its SQL now says.
pub(crate) struct Shown {
    pub(crate) rows: Rows,
    /// Whether there are more rows than were asked for.
    pub(crate) has_more: bool,
    /// Inputs that were computed, since no release holds them as they are now.
    pub(crate) computed: BTreeSet<TableName>,
    /// Mistakes that the table would have to lose before it is built.
    pub(crate) mistakes: Vec<Diagnostic>,
}

impl Runner {
    /// Rows of a table: a source's as published, a step's as its SQL yields them now; by key, where it has one.
    ///
    /// # Errors
    /// `Config` for mistakes that hide what its SQL means, and for inputs that were never loaded.
    pub(crate) async fn show(
        &self,
        table: &TableName,
        limit: Option<usize>,
        as_of: DateTime<Utc>,
    ) -> Result<Shown> {
        let outline = Outline::new(&self.project, &self.functions, as_of);
        outline.table(table)?;
        let catalog = self.readable(as_of)?;
        let release = catalog.lake().current().await?;
        let showing = Showing {
            outline: &outline,
            catalog: &catalog,
            release: release.as_ref(),
            computed: Mutex::default(),
        };
        let (session, plan) = showing.query(table).await?;
        let frame = self.first_rows(DataFrame::new(session.state(), plan), table, limit)?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = engine::collect(frame).await?;
        let (batches, has_more) = cut(batches, limit);
        Ok(Shown {
            rows: Rows::of(schema, batches),
            has_more,
            computed: showing.computed(),
            mistakes: outline.mistakes_of(table),
        })
    }

    /// The rows with the smallest keys, one more than asked for.
    fn first_rows(
        &self,
        frame: DataFrame,
        table: &TableName,
        limit: Option<usize>,
    ) -> Result<DataFrame> {
        let contract = self.project.contracts.get(table);
        let key = contract.map(|c| c.key_names()).unwrap_or_default();
        let known = |name: &&str| frame.schema().has_column_with_unqualified_name(name);
        let frame = if !key.is_empty() && key.iter().all(known) {
            let by_key = key.iter().map(|name| {
                let column = Expr::Column(Column::from_name(*name));
                column.sort(true, false)
            });
            frame.sort(by_key.collect()).map_err(engine::failure)?
        } else {
            frame
        };
        match limit {
            Some(limit) => frame
                .limit(0, Some(limit.saturating_add(1)))
                .map_err(engine::failure),
            None => Ok(frame),
        }
    }
}

impl Catalog {
    /// A query over tables as the newest release holds them; those that none holds as they are now are computed.
    pub(super) async fn query_over(
        &self,
        outline: &Outline,
        release: Option<&Release>,
        tables: &[&TableName],
        sql: &str,
    ) -> Result<RecordBatch> {
        let frame = self.frame_over(outline, release, tables, sql).await?;
        engine::collect_whole(frame).await
    }

    /// The same, its rows as they come.
    pub(super) async fn stream_over(
        &self,
        outline: &Outline,
        release: Option<&Release>,
        tables: &[&TableName],
        sql: &str,
    ) -> Result<(
        SchemaRef,
        impl Stream<Item = Result<RecordBatch>> + Send + use<>,
    )> {
        let frame = self.frame_over(outline, release, tables, sql).await?;
        engine::stream(frame).await
    }

    async fn frame_over(
        &self,
        outline: &Outline,
        release: Option<&Release>,
        tables: &[&TableName],
        sql: &str,
    ) -> Result<DataFrame> {
        let showing = Showing {
            outline,
            catalog: self,
            release,
            computed: Mutex::default(),
        };
        let mut inputs = BTreeMap::new();
        for table in tables {
            inputs.insert((*table).clone(), showing.input(table).await?);
        }
        let frame = showing.session(&inputs)?.sql(sql).await;
        frame.map_err(engine::failure)
    }
}

/// At most `limit` rows, and whether some were cut off.
fn cut(batches: Vec<RecordBatch>, limit: Option<usize>) -> (Vec<RecordBatch>, bool) {
    let mut left = limit.unwrap_or(usize::MAX);
    let mut kept = Vec::new();
    let mut has_more = false;
    for batch in batches {
        let rows = batch.num_rows().min(left);
        has_more |= rows < batch.num_rows();
        left -= rows;
        if rows > 0 {
            kept.push(batch.slice(0, rows));
        }
    }
    (kept, has_more)
}

struct Showing<'a> {
    outline: &'a Outline,
    catalog: &'a Catalog,
    release: Option<&'a Release>,
    computed: Mutex<BTreeSet<TableName>>,
}

impl Showing<'_> {
    /// What a table's rows come from: its published version for a source, else its statement over its inputs.
    fn query<'b>(
        &'b self,
        table: &'b TableName,
    ) -> BoxFuture<'b, Result<(SessionContext, LogicalPlan)>> {
        Box::pin(async move {
            let outlined = self.outline.table(table)?;
            let Some(analysis) = &outlined.analysis else {
                let provider = self.source(table).await?;
                let tables = BTreeMap::from([(table.clone(), provider)]);
                let session = self.session(&tables)?;
                let every = format!("select * from {table}");
                let plan = session.state().create_logical_plan(&every).await;
                return Ok((session, plan.map_err(engine::failure)?));
            };
            let mut tables = BTreeMap::new();
            for input in &analysis.inputs {
                tables.insert(input.clone(), self.input(input).await?);
            }
            let session = self.session(&tables)?;
            let state = session.state();
            let plan = state.create_logical_plan(analysis.bound_sql()).await;
            let plan = plan.and_then(|plan| match &outlined.schema {
                Some(schema) => engine::conform(plan, schema),
                None => Ok(plan),
            });
            Ok((session, plan.map_err(engine::failure)?))
        })
    }

    fn session(
        &self,
        tables: &BTreeMap<TableName, Arc<dyn TableProvider>>,
    ) -> Result<SessionContext> {
        self.catalog.engine().session(tables, Joins::Hash)
    }

    async fn input(&self, table: &TableName) -> Result<Arc<dyn TableProvider>> {
        let outlined = self.outline.table(table)?;
        if !matches!(outlined.kind, Kind::Table | Kind::Ephemeral) {
            return self.source(table).await;
        }
        if outlined.kind == Kind::Table
            && let Some(content) = self.published(table).await?
            && outlined.schema.as_ref() == Some(&content.file_set.schema)
        {
            return content.provider();
        }
        if outlined.kind == Kind::Table {
            let mut computed = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
            computed.insert(table.clone());
        }
        let (_, plan) = self.query(table).await?;
        Ok(Arc::new(ViewTable::new(plan, None)))
    }

    async fn source(&self, table: &TableName) -> Result<Arc<dyn TableProvider>> {
        let help = format!("`kilde build -s {table}` loads it");
        let Some(content) = self.published(table).await? else {
            return Err(Error::config(format!("`{table}` is not loaded yet")).help(help));
        };
        let loaded = &content.file_set.schema;
        let declared = self.outline.table(table)?.schema.as_ref();
        if declared.is_some_and(|declared| declared != loaded) {
            return Err(
                Error::config(format!("`{table}` was loaded before its contract changed"))
                    .help(help),
            );
        }
        content.provider()
    }

    async fn published(&self, table: &TableName) -> Result<Option<Content>> {
        match self.release.and_then(|release| release.table(table)) {
            Some(entry) => self.catalog.content(table, entry).await.map(Some),
            None => Ok(None),
        }
    }

    fn computed(&self) -> BTreeSet<TableName> {
        let computed = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        computed.clone()
    }
}
