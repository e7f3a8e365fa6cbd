//! What somebody must decide before a build takes the exports of a draft: those that no build can read, and newest ones that
//! hold so few records that a build would take them for half a file.

use std::path::Path;

use super::super::table::{FileSeen, Form, LoadGuess};
use super::trial::{Trial, trial};
use super::{Draft, SourceDraft};
use crate::error::Result;
use crate::ingest::{ExportReport, shrunk};
use crate::project::{PathPattern, Project, in_archive};
use crate::store::Store;

/// A decision without which nothing is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// No build reads this file: it is delivered again, or left out for good.
    Skip(String),
    /// The newest file of a bronze table of which only the newest counts has much fewer records than the one before.
    Accept {
        table: String,
        path: String,
        records: u64,
        before: u64,
    },
}

/// When a file is read: by the time in its path, else by its path.
type Turn = (Option<chrono::NaiveDateTime>, String);

impl Draft {
    /// Tries what was left out and belongs to a source; what a build reads all the same is no longer left out.
    pub(super) async fn decide(&mut self, project: &Project, scratch: &Path) -> Result<()> {
        let store = Store::open(&project.raw)?;
        let sources = self.sources.iter_mut();
        for source in sources.filter(|source| source.profile.form != Form::Delta) {
            let patterns = source.profile.patterns();
            let patterns: Vec<PathPattern> = patterns
                .iter()
                .filter_map(|pattern| PathPattern::parse(pattern).ok())
                .collect();
            let turn = |path: &str| -> Option<Turn> {
                let mut found = patterns.iter().filter_map(|pattern| pattern.matches(path));
                Some((found.next()?.ordered_at, path.to_string()))
            };
            let (mut refused, mut damaged) = (Vec::new(), Vec::new());
            let left_out: Vec<String> =
                self.left_out.iter().map(|(path, _)| path.clone()).collect();
            for path in left_out.iter().filter(|path| turn(path).is_some()) {
                if in_archive(path).is_some() {
                    continue;
                }
                let Some(info) = store.head(path).await? else {
                    continue;
                };
                let file = FileSeen::named(path, info.size);
                let found = trial(project, source, std::slice::from_ref(&file), scratch).await?;
                let Trial {
                    reports,
                    damaged: broken,
                    failure,
                    ..
                } = found;
                if !broken.is_empty() {
                    damaged.push(path.clone());
                } else if failure.is_some() {
                    refused.push(path.clone());
                } else {
                    source.records += reports.iter().map(|report| report.records).sum::<u64>();
                    source.rejected += reports.iter().map(|report| report.rejected).sum::<u64>();
                    source.reports.extend(reports);
                    source.profile.files.push(file);
                    self.left_out.retain(|(other, _)| other != path);
                }
            }
            let newest = source
                .reports
                .iter()
                .filter_map(|report| turn(&report.path))
                .max();
            let is_in_the_way = |path: &String| match source.load {
                LoadGuess::Append => false,
                LoadGuess::Changes => true,
                LoadGuess::Replace => turn(path) > newest,
            };
            let skipped = refused
                .into_iter()
                .chain(damaged.into_iter().filter(is_in_the_way));
            self.decisions.extend(skipped.map(Decision::Skip));
            self.decisions.extend(accepted(source, turn));
        }
        Ok(())
    }
}

/// Where the newest export of all is too small beside those before.
fn accepted(source: &SourceDraft, turn: impl Fn(&str) -> Option<Turn>) -> Option<Decision> {
    if source.load != LoadGuess::Replace || source.reports.len() < source.profile.files.len() {
        return None;
    }
    let mut reports: Vec<&ExportReport> = source.reports.iter().collect();
    reports.sort_by_key(|report| turn(&report.path));
    let newest = reports.last()?.path.clone();
    let found = shrunk(None, reports.into_iter(), |_| false).pop()?;
    (found.path == newest).then(|| Decision::Accept {
        table: format!("bronze.{}", source.table),
        path: found.path,
        records: found.records,
        before: found.last.1,
    })
}
