//! A draft written as a project, tried on its own exports, and mended, until every type holds.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::super::folder::why_unreadable;
use super::trial::trial;
use super::{Draft, SourceDraft};
use crate::error::{Error, Result};
use crate::project::{Project, Variables};

/// Where a draft is tried, below the new project: what kilde may delete at any time.
const SCRATCH: &str = ".kilde";
/// Times that types are guessed again, before the rest stays as it is.
const ROUNDS: usize = 4;

impl Draft {
    /// Writes the project below a folder, and tries it on its exports until every type holds: columns that reject more than was
    /// seen to be of another kind become text, and sources that cannot be read are left out. Gives the number of files.
    ///
    /// # Errors
    /// `Config` where a file cannot be written; `Unavailable` where storage fails.
    pub(crate) async fn settle(&mut self, root: &Path) -> Result<usize> {
        let mut written = BTreeSet::new();
        for round in 0..=ROUNDS {
            let files = self.files();
            // a source that was left out takes its files along
            for path in written.iter().filter(|path| !files.contains_key(*path)) {
                remove(&root.join(path))?;
            }
            for (path, text) in &files {
                write_file(&root.join(path), text.as_bytes())?;
            }
            written = files.into_keys().collect();
            let project = Arc::new(Project::load(root, &Variables::default())?);
            let scratch = root.join(SCRATCH);
            if round == ROUNDS || !self.is_mended(&project, &scratch).await? {
                self.decide(&project, &scratch).await?;
                // of what was left out some may have turned out to be read
                for (path, text) in self.files() {
                    write_file(&root.join(path), text.as_bytes())?;
                }
                break;
            }
        }
        // a cache that stays harms nobody
        let _ = std::fs::remove_dir_all(root.join(SCRATCH));
        Ok(written.len())
    }

    /// Tries every source; whether one of them had to be changed.
    async fn is_mended(&mut self, project: &Project, scratch: &Path) -> Result<bool> {
        let mut is_mended = false;
        let (mut unreadable, mut damaged) = (Vec::new(), Vec::new());
        for source in &mut self.sources {
            let files = source.profile.files.clone();
            let mut trial = trial(project, source, &files, scratch).await?;
            let only_damage = (trial.reports.is_empty() && !trial.damaged.is_empty())
                .then(|| trial.damaged.remove(0).1);
            if let Some(failure) = trial.failure.take().or(only_damage) {
                let why = why_unreadable(&failure);
                let why = match failure.location() {
                    Some(file) => format!("{file}: {why}"),
                    None => why,
                };
                unreadable.push((source.table.clone(), why));
                continue;
            }
            for (path, error) in trial.damaged.drain(..) {
                source.profile.files.retain(|file| file.path != path);
                damaged.push((path, why_unreadable(&error)));
            }
            (source.records, source.rejected) = (trial.records(), trial.rejected());
            source.reports = trial.reports;
            for (column, rejects) in &trial.by_column {
                if *rejects > tolerated(source, column) {
                    is_mended |= source.make_text(column);
                }
            }
        }
        is_mended |= !unreadable.is_empty() || !damaged.is_empty();
        self.left_out.extend(damaged);
        for (table, why) in unreadable {
            self.leave_out(&table, &why);
        }
        Ok(is_mended)
    }
}

/// Records that a column may reject: as many as were seen to be of another kind.
fn tolerated(source: &SourceDraft, column: &str) -> u64 {
    source.column(column).map_or(0, |column| column.misfits)
}

/// Writes a file of a new project, with the folders that it lies in.
///
/// # Errors
/// `Config` where the disk does not take it.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|error| refused("written", path, error))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(refused("removed", path, error))
        }
        _ => Ok(()),
    }
}

fn refused(what: &str, path: &Path, error: io::Error) -> Error {
    Error::config(format!("a file of the project cannot be {what}"))
        .at(path.display().to_string())
        .caused_by(error)
}
