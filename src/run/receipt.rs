//! A receipt for each export that a build has read, where its sender can read it.
//!
//! Says what came, when, and what became of it: counts, and the rules that records broke, with the line of the first. No value
//! of a record, no table of ours but the one that it is for. Written after the run and never a reason for its end.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::report::{
    BrokenRule, ExportReport, RefusedExport, RunReport, SourceReport, UnreadableReport,
};
use super::{Listener, RunEvent, Runner};
use crate::error::{Error, Result};
use crate::name::RunId;
use crate::store::Store;

/// Ends the name of a receipt.
pub(super) const SUFFIX: &str = ".receipt.json";

/// Form of the object.
const FORMAT: u32 = 1;

/// What is written beside nothing else: one export, as the newest run that read it found it.
#[derive(Serialize)]
struct Receipt<'a> {
    format: u32,
    export: &'a str,
    sender: &'a str,
    /// Of the run that read it.
    run: &'a RunId,
    read_at: DateTime<Utc>,
    bytes: u64,
    /// blake3 of the bytes as they lie there.
    hash: Option<&'a str>,
    status: &'static str,
    /// Why it was refused.
    reason: Option<&'a str>,
    records: u64,
    accepted: u64,
    rejected: u64,
    /// Rules that records broke, the rejected first.
    rejects: &'a [BrokenRule],
    warnings: &'a [BrokenRule],
    /// Columns that nobody expects.
    unknown_columns: &'a [String],
    /// How else its columns differ from those agreed.
    drift: &'a [String],
    /// The export that had the same content and counts in its place.
    duplicate_of: Option<&'a str>,
}

impl Runner {
    /// Writes the receipts of a run; what goes wrong is a warning.
    pub(super) async fn write_receipts(&self, report: &RunReport, listener: &Listener) {
        for source in &report.sources {
            if let Err(error) = self.receipts_of(source, report).await {
                let text = format!(
                    "a receipt of `{}` is not written: {}",
                    source.table,
                    error.brief()
                );
                listener(RunEvent::Warning(text));
            }
        }
    }

    async fn receipts_of(&self, source: &SourceReport, report: &RunReport) -> Result<()> {
        let declared = self.project.sources.get(&source.table);
        let sender = declared.and_then(|declared| declared.sender.as_ref());
        let Some((sender, location)) = sender.and_then(|s| Some((s, s.receipts.as_ref()?))) else {
            return Ok(());
        };
        // what was read and not published will be read again
        let taken = source.exports.iter().filter(|_| report.release.is_some());
        let taken = taken.map(|export| taken_receipt(export, &sender.name, report));
        // it has its receipt already
        let is_old = |refused: &&RefusedExport| source.remembered.as_ref() == Some(&refused.path);
        let refused = source.refused.iter().filter(|refused| !is_old(refused));
        let refused = refused.map(|export| refused_receipt(export, &sender.name, report));
        let unreadable = report.unreadable.iter().filter(|export| {
            export.table == source.table && export.run == report.run && report.release.is_some()
        });
        let unreadable = unreadable.map(|export| unreadable_receipt(export, &sender.name, report));
        let receipts: Vec<Receipt<'_>> = taken.chain(refused).chain(unreadable).collect();
        if receipts.is_empty() {
            return Ok(());
        }
        let store = Store::open_or_create(location)?;
        let mut written = Ok(());
        for receipt in receipts {
            let text = serde_json::to_vec_pretty(&receipt)
                .map_err(|error| Error::internal("a receipt cannot be written").caused_by(error))?;
            let path = place_of(receipt.export);
            // the others have senders too
            written = written.and(store.put(&path, Bytes::from(text)).await);
        }
        written
    }
}

/// Where the receipt of an export lies; what is no name of a folder is written otherwise: the `..` of `a.zip!x/../b.csv`.
fn place_of(export: &str) -> String {
    let names = export.split('/').map(|name| match name {
        "" => "%2F",
        "." => "%2E",
        ".." => "%2E%2E",
        name => name,
    });
    let path = names.collect::<Vec<_>>().join("/");
    format!("{path}{SUFFIX}")
}

fn taken_receipt<'a>(
    export: &'a ExportReport,
    sender: &'a str,
    report: &'a RunReport,
) -> Receipt<'a> {
    Receipt {
        format: FORMAT,
        export: &export.path,
        sender,
        run: &report.run,
        read_at: report.started_at,
        bytes: export.bytes,
        hash: Some(&export.hash),
        status: match (&export.duplicate_of, export.records) {
            (Some(_), _) => "duplicate",
            (None, 0) => "empty",
            _ => "loaded",
        },
        reason: None,
        records: export.records,
        accepted: export.records - export.rejected,
        rejected: export.rejected,
        rejects: &export.rejects,
        warnings: &export.warned,
        unknown_columns: &export.ignored_columns,
        drift: &export.drift,
        duplicate_of: export.duplicate_of.as_deref(),
    }
}

fn refused_receipt<'a>(
    export: &'a RefusedExport,
    sender: &'a str,
    report: &'a RunReport,
) -> Receipt<'a> {
    let found = match &export.found {
        Some(found) => taken_receipt(found, sender, report),
        None => nothing_read(sender, report),
    };
    Receipt {
        export: &export.path,
        bytes: export.size,
        status: "refused",
        reason: Some(&export.message),
        ..found
    }
}

fn unreadable_receipt<'a>(
    export: &'a UnreadableReport,
    sender: &'a str,
    report: &'a RunReport,
) -> Receipt<'a> {
    Receipt {
        export: &export.path,
        bytes: export.size,
        hash: Some(&export.hash),
        status: "unreadable",
        reason: Some(&export.reason),
        ..nothing_read(sender, report)
    }
}

/// Of an export without a record: what it was called and what became of it is still to be said.
fn nothing_read<'a>(sender: &'a str, report: &'a RunReport) -> Receipt<'a> {
    Receipt {
        format: FORMAT,
        export: "",
        sender,
        run: &report.run,
        read_at: report.started_at,
        bytes: 0,
        hash: None,
        status: "",
        reason: None,
        records: 0,
        accepted: 0,
        rejected: 0,
        rejects: &[],
        warnings: &[],
        unknown_columns: &[],
        drift: &[],
        duplicate_of: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_lies_beside_others_whatever_its_export_is_called() {
        assert_eq!(place_of("a/b.csv"), "a/b.csv.receipt.json");
        assert_eq!(
            place_of("a.zip!/../b//c.csv"),
            "a.zip!/%2E%2E/b/%2F/c.csv.receipt.json"
        );
    }
}
