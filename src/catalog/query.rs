//! SQL on one release: only the tables that the statement names are opened.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};

use super::{Candidate, Catalog};
use crate::diagnostic::{Code, SourceFile, nearest};
use crate::engine::{self, Joins, Statement};
use crate::error::{Error, Result};
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::release::{Release, TableEntry};

/// What is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum View {
    /// The newest release.
    #[default]
    Newest,
    Release(ReleaseNumber),
    /// A failed run's candidates, and the release it built on for all else.
    Candidates(RunId),
}

impl View {
    /// From the flags of the command line.
    pub(crate) fn of(release: Option<u64>, candidate: Option<String>) -> Self {
        match (release, candidate) {
            (Some(number), _) => Self::Release(ReleaseNumber(number)),
            (None, Some(run)) => Self::Candidates(RunId(run)),
            (None, None) => Self::Newest,
        }
    }
}

impl View {
    /// What helps where files of what is read are lost: of an older release no build makes anything again.
    fn advise(&self, error: Error) -> Error {
        match (self, error.number()) {
            (Self::Release(_), Some(Code(802 | 807))) => error.help(
                "restore what is missing from a backup of the lake; without `--release` the newest release is read, which may not need it",
            ),
            _ => error,
        }
    }
}

/// The rows of a query, batch by batch, while it runs.
pub(crate) struct Rows {
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch>>,
}

impl Rows {
    /// Rows that were computed already.
    pub(crate) fn of(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        let rows = futures::stream::iter(batches.into_iter().map(Ok)).boxed();
        Self { schema, rows }
    }

    /// The columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.poll_next_unpin(context)
    }
}

/// A view resolved: one release, and candidates that stand before its tables.
struct Opened {
    release: Option<Release>,
    candidates: BTreeMap<TableName, Candidate>,
}

impl Opened {
    /// Every table that can be read.
    fn names(&self) -> BTreeSet<TableName> {
        let published = self
            .release
            .iter()
            .flat_map(|release| release.tables.keys());
        let replaced = self.candidates.keys().map(TableName::as_published);
        let all = published.chain(self.candidates.keys()).cloned();
        all.chain(replaced).collect()
    }

    /// The published table that a name means: its own, or the one behind a candidate.
    fn published<'a>(&'a self, name: &'a TableName) -> Option<(&'a TableName, &'a TableEntry)> {
        let mut behind = self.candidates.keys();
        let meant = behind.find(|table| table.as_published() == *name);
        let meant = meant.unwrap_or(name);
        let entry = self.release.as_ref()?.table(meant)?;
        Some((meant, entry))
    }
}

impl Catalog {
    /// Runs one query and holds all of its rows; at least one batch. For results known to be small.
    ///
    /// # Errors
    /// `Config` for a statement that cannot be run, with the place in it.
    pub(crate) async fn query(&self, sql: &str, view: &View) -> Result<Vec<RecordBatch>> {
        let rows = self.rows(sql, view).await?;
        let schema = rows.schema();
        let mut batches: Vec<RecordBatch> = rows.try_collect().await?;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(schema));
        }
        Ok(batches)
    }

    /// Runs one query; its rows come while it runs, in the order that the statement asks for.
    ///
    /// # Errors
    /// `Config` for a statement that cannot be run, with the place in it.
    pub(crate) async fn rows(&self, sql: &str, view: &View) -> Result<Rows> {
        let file = Arc::new(SourceFile {
            path: "query".to_string(),
            text: sql.to_string(),
        });
        let statement =
            Statement::parse(&file).map_err(|found| Error::from_diagnostics(vec![found]))?;
        let opened = self.open_view(view).await?;
        let uses = statement
            .tables(&opened.names())
            .map_err(Error::from_diagnostics)?;
        let mut tables: BTreeMap<TableName, Arc<dyn TableProvider>> = BTreeMap::new();
        for table in uses {
            let provider = self.provider(&opened, &table.table).await;
            let provider = provider.map_err(|error| view.advise(error))?;
            tables.insert(table.table, provider);
        }
        let session = self.engine.session(&tables, Joins::Hash)?;
        let frame = engine::plan_query(&session, &statement, &self.functions)
            .await
            .map_err(|found| Error::from_diagnostics(vec![found]))?;
        let (schema, rows) = engine::stream(frame).await?;
        let release = opened.release.as_ref().map(|release| release.number);
        let view = view.clone();
        let rows = rows.map_err(move |error| match (release, error.location()) {
            (Some(release), Some(file)) if error.number() == Some(Code(807)) => {
                let place = format!("{file}, of release {release}");
                view.advise(error.at(place))
            }
            _ => error,
        });
        Ok(Rows {
            schema,
            rows: rows.boxed(),
        })
    }

    async fn open_view(&self, view: &View) -> Result<Opened> {
        let (release, candidates) = match view {
            View::Newest => (Some(self.release(None).await?), BTreeMap::new()),
            View::Release(number) => (Some(self.release(Some(*number)).await?), BTreeMap::new()),
            View::Candidates(run) => {
                let run = self.candidates(run).await?;
                let release = match run.base {
                    Some(base) => Some(self.release(Some(base.number)).await?),
                    None => None,
                };
                (release, run.candidates)
            }
        };
        Ok(Opened {
            release,
            candidates,
        })
    }

    async fn provider(&self, opened: &Opened, table: &TableName) -> Result<Arc<dyn TableProvider>> {
        if let Some(candidate) = opened.candidates.get(table) {
            return self.candidate_content(table, candidate).await?.provider();
        }
        match opened.published(table) {
            Some((table, entry)) => self.content(table, entry).await?.provider(),
            None => {
                let names: Vec<String> = opened.names().iter().map(TableName::to_string).collect();
                let wanted = table.to_string();
                let error = Error::config(format!("there is no table `{table}`")).code(Code(903));
                Err(match nearest(&wanted, names.iter().map(String::as_str)) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("`kilde ls` lists the tables"),
                })
            }
        }
    }
}

/// The cell of a query of our own that counts.
///
/// # Errors
/// `Internal` where it is no number.
pub(crate) fn count_of(cell: Option<&Option<String>>) -> Result<u64> {
    cell.and_then(|cell| cell.as_deref()?.parse().ok())
        .ok_or_else(|| Error::internal("a query of our own yields no count"))
}
