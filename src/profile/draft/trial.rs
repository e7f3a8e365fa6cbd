//! A draft tried on its own exports, by the readers that a build uses: which columns are not of the type that was guessed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};

use super::super::table::FileSeen;
use super::SourceDraft;
use crate::error::{Error, Result};
use crate::ingest::{
    Attempt, Export, ExportReport, ExportStore, Limits, ReadRequest, UnreadableExport,
};
use crate::name::TableName;
use crate::project::{Project, Read, in_archive};
use crate::store::Store;

/// Bytes of a source's exports that are tried; of more, the first ones.
const MOST_BYTES: u64 = 512 << 20;

/// How a source's exports were read.
#[derive(Debug, Default)]
pub(super) struct Trial {
    /// Of the exports that were read.
    pub(super) reports: Vec<ExportReport>,
    /// Rejects by the column that broke them.
    pub(super) by_column: BTreeMap<String, u64>,
    /// Exports that are damaged, by their paths; a build takes the others.
    pub(super) damaged: Vec<(String, Error)>,
    /// Why a build would take none.
    pub(super) failure: Option<Error>,
}

impl Trial {
    pub(super) fn records(&self) -> u64 {
        self.reports.iter().map(|report| report.records).sum()
    }

    pub(super) fn rejected(&self) -> u64 {
        self.reports.iter().map(|report| report.rejected).sum()
    }
}

/// Reads files as the exports of a source, as the project says. `scratch`: a folder that may be written.
///
/// # Errors
/// `Unavailable` where storage or disk fail; exports that cannot be read are part of the result.
pub(super) async fn trial(
    project: &Project,
    draft: &SourceDraft,
    files: &[FileSeen],
    scratch: &Path,
) -> Result<Trial> {
    let table = TableName::new("bronze", &draft.table).map_err(Error::internal)?;
    let (Some(source), Some(contract)) =
        (project.sources.get(&table), project.contracts.get(&table))
    else {
        return Err(Error::internal(format!(
            "`{table}` was drafted and is not there"
        )));
    };
    let (source, contract) = (Arc::new(source.clone()), Arc::new(contract.clone()));
    let store = Store::open(&project.raw)?;
    let raw = ExportStore::new(store.clone());
    let mut result = Trial::default();
    let mut bytes = 0;
    for file in files {
        bytes += file.size;
        if bytes > MOST_BYTES && result.records() > 0 {
            break;
        }
        let captures = source
            .patterns
            .iter()
            .find_map(|pattern| pattern.matches(&file.path));
        let path = match source.read {
            // the export is the newest version
            Read::Delta(_) => match raw.newest_version(&file.path).await? {
                Some(entry) => entry,
                None => continue,
            },
            _ => file.path.clone(),
        };
        let stored = in_archive(&path).map_or(path.as_str(), |(archive, _)| archive);
        let location = object_store::path::Path::parse(stored).map_err(|error| {
            Error::input("the file has a name that storage cannot hold")
                .at(&file.path)
                .caused_by(error)
        });
        let location = match location {
            Ok(location) => location,
            Err(error) => {
                result.failure = Some(error);
                return Ok(result);
            }
        };
        let export = Export {
            location,
            path,
            size: file.size,
            captures: captures.unwrap_or_default(),
        };
        let limits = Limits {
            max_record_bytes: project.max_record_bytes,
            threads: crate::parallel::cores(),
        };
        let read = raw.read(ReadRequest {
            export,
            source: Arc::clone(&source),
            contract: Arc::clone(&contract),
            limits,
            scratch: scratch.to_path_buf(),
        });
        let decoded = match read.await {
            Ok(Attempt::Decoded(decoded)) => decoded,
            Ok(Attempt::Unreadable(UnreadableExport { error, .. })) => {
                result.damaged.push((file.path.clone(), error));
                continue;
            }
            Ok(Attempt::Misfit(misfit)) => {
                result.failure = Some(misfit.error);
                return Ok(result);
            }
            Err(error) => {
                result.failure = Some(error);
                return Ok(result);
            }
        };
        for batch in decoded.rejects.batches()? {
            let batch = batch?;
            let Some(columns) = batch.column_by_name("column_name") else {
                continue;
            };
            let columns = columns.as_string::<i32>();
            for row in (0..columns.len()).filter(|row| columns.is_valid(*row)) {
                *result
                    .by_column
                    .entry(columns.value(row).to_string())
                    .or_default() += 1;
            }
        }
        result.reports.push(decoded.report);
    }
    Ok(result)
}
