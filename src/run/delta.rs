//! Which version of a Delta table is the export of its source: the newest, or the one that `read` says.
//!
//! The export is the version's entry in the table's log. Versions that came and went between two builds are none.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::observe::FoundExport;
use crate::diagnostic::{Code, Place};
use crate::error::{Error, Result};
use crate::ingest::Ledger;
use crate::lake::table_of_entry;
use crate::project::{Captures, DeltaVersion, Source};
use crate::store::{Listing, ObjectInfo};

/// Entries of one table's log, by version.
type Entries<'a> = BTreeMap<u64, &'a ObjectInfo>;

/// The version of a source's table that is read, and those before it that were loaded and are still in the log: what they
/// said counts where all is read again. None where no table lies there.
///
/// # Errors
/// `Config` K0165 where several tables lie there, K0192 where the log lacks the version that is asked for.
pub(super) fn find_versions(
    listing: &Listing,
    source: &Source,
    at: DeltaVersion,
    known: Option<&Ledger>,
) -> Result<Vec<FoundExport>> {
    let mut tables: BTreeMap<&str, (Captures, Entries<'_>)> = BTreeMap::new();
    for object in &listing.files {
        let Some((folder, version)) = table_of_entry(&object.path) else {
            continue;
        };
        if let Some((_, entries)) = tables.get_mut(folder) {
            entries.insert(version, object);
            continue;
        }
        if let Some(captures) = table_at(source, folder) {
            let entries = Entries::from([(version, object)]);
            tables.insert(folder, (captures, entries));
        }
    }
    let mut tables = tables.into_iter();
    let Some((folder, (captures, entries))) = tables.next() else {
        return Ok(Vec::new());
    };
    if let Some((other, _)) = tables.next() {
        return Err(mistake(
            source,
            165,
            format!("`files` names several Delta tables: `{folder}`, `{other}`"),
        )
        .help("each is a source of its own, and a table of its own"));
    }
    let times = times(&entries);
    let version = match at {
        DeltaVersion::Newest => entries.keys().next_back().copied(),
        DeltaVersion::Numbered(version) => Some(version),
        DeltaVersion::By(time) => {
            let mut by_then = times.iter().rev().filter(|(_, written)| **written <= time);
            by_then.next().map(|(version, _)| *version)
        }
    };
    let found = version.and_then(|version| Some((*entries.get(&version)?, times.get(&version)?)));
    let Some((object, written)) = found else {
        return Err(no_version(source, at, folder, &times));
    };
    let export = |object: &ObjectInfo, ordered_at: NaiveDateTime| FoundExport {
        object: object.clone(),
        captures: Captures {
            ordered_at: Some(ordered_at),
            ..captures.clone()
        },
        unreadable: None,
    };
    let ordered_at = after_what_is_known(object, *written, known).naive_utc();
    let before = entries.values().filter(|older| older.path < object.path);
    let loaded = before.filter_map(|older| {
        let entry = known?.entry(&older.path)?;
        // that of a table that was made anew is another
        let is_same = entry.size == older.size;
        Some(export(older, entry.ordered_at.filter(|_| is_same)?))
    });
    let mut exports: Vec<FoundExport> = loaded.collect();
    exports.push(export(object, ordered_at));
    Ok(exports)
}

/// What the path of a folder says, if the source's table lies in it.
fn table_at(source: &Source, folder: &str) -> Option<Captures> {
    let mut patterns = source.patterns.iter();
    patterns.find_map(|pattern| {
        let found = pattern.matches(folder);
        found.or_else(|| pattern.matches(&format!("{folder}/")))
    })
}

/// Whether a file belongs to the table of a source.
pub(super) fn is_of_table(source: &Source, path: &str) -> bool {
    let mut folders = path.match_indices('/').map(|(end, _)| &path[..end]);
    folders.any(|folder| table_at(source, folder).is_some())
}

/// When each version was written. Clocks of writers may differ: no version is older than the one before it.
fn times(entries: &Entries<'_>) -> BTreeMap<u64, DateTime<Utc>> {
    let mut newest = DateTime::<Utc>::MIN_UTC;
    let time = |(version, object): (&u64, &&ObjectInfo)| {
        newest = newest.max(object.modified_at);
        (*version, newest)
    };
    entries.iter().map(time).collect()
}

/// The time by which a version is ordered among those that were loaded: it comes after each that is older, whatever clocks
/// say. That of a table that was made anew comes after those of the table before, whatever their numbers are.
fn after_what_is_known(
    object: &ObjectInfo,
    written: DateTime<Utc>,
    known: Option<&Ledger>,
) -> DateTime<Utc> {
    let entries = known.into_iter().flat_map(Ledger::entries);
    let older = entries.filter(|entry| entry.path < object.path);
    let newest = older.filter_map(|entry| entry.ordered_at).max();
    let micros = written.timestamp_micros();
    let written = DateTime::from_timestamp_micros(micros).unwrap_or(written);
    match newest {
        Some(newest) => written.max(newest.and_utc() + TimeDelta::microseconds(1)),
        None => written,
    }
}

fn no_version(
    source: &Source,
    at: DeltaVersion,
    folder: &str,
    times: &BTreeMap<u64, DateTime<Utc>>,
) -> Error {
    let message = match at {
        DeltaVersion::Numbered(version) => {
            format!("the Delta table `{folder}` has no version {version} in its log")
        }
        DeltaVersion::By(time) => {
            let time = time.format("%Y-%m-%d %H:%M:%S UTC");
            format!("the log of the Delta table `{folder}` has no version written by {time}")
        }
        DeltaVersion::Newest => format!("the Delta table `{folder}` has no version"),
    };
    let ends = times.iter().next().zip(times.iter().next_back());
    let help = ends.map_or_else(String::new, |((first, from), (last, _))| {
        let from = from.format("%Y-%m-%d %H:%M:%S UTC");
        format!("it has versions {first} to {last}, the first written {from}")
    });
    mistake(source, 192, message).help(help)
}

fn mistake(source: &Source, code: u16, message: String) -> Error {
    let place = Place {
        file: std::sync::Arc::clone(&source.file),
        span: source.span,
    };
    Error::config(message).code(Code(code)).at(place.location())
}
