//! Which version of a Delta table is the export of its source: the newest, or the one that `read` says.
//!
//! The export is the version's entry in the table's log. Versions that came and went between two builds are none. What may
//! hide a version, and what stands in the way of the one that is asked for, is an export that cannot be read: the source
//! fails by it, or is held, and no version before it passes for the newest.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::observe::FoundExport;
use crate::diagnostic::{Code, Place};
use crate::error::Error;
use crate::ingest::{Ledger, LedgerEntry};
use crate::lake::{log_entry, log_folder, table_of_entry, table_of_log};
use crate::project::{Captures, DeltaVersion, Source};
use crate::store::{Listing, ObjectInfo, Unreadable};

/// The version of a source's table that is read, and those before it that were loaded and are still in the log: what they
/// said counts where all is read again. None where no table lies there, or where the version that is asked for is in the
/// lake already and gone from the log.
pub(super) fn find_versions(
    listing: &Listing,
    source: &Source,
    at: DeltaVersion,
    known: Option<&Ledger>,
) -> Vec<FoundExport> {
    let unread = listing.unreadable.iter();
    let unread = unread.filter(|one| may_hide(one, source, at));
    let mut failures: Vec<(String, Error)> =
        unread.map(|one| (one.path.clone(), one.error())).collect();
    let mut tables = tables(listing, source).into_iter();
    let mut exports = Vec::new();
    if let Some(table) = tables.next() {
        match table.version(at) {
            Some(version) => exports = table.exports(version, known),
            None if table.is_in_lake(at, known) => {}
            // the version may be what cannot be read
            None if !failures.is_empty() => {}
            None => failures.push((table.path_of(at), table.no_version(source, at))),
        }
        failures.extend(tables.map(|other| {
            let names = format!("`{}`, `{}`", table.folder, other.folder);
            let message = format!("`files` names several Delta tables: {names}");
            let error = mistake(source, 165, message);
            let error = error.help("each is a source of its own, and a table of its own");
            (log_folder(other.folder), error)
        }));
    }
    let known = entries(known).filter_map(|entry| entry.ordered_at);
    let found = exports
        .iter()
        .filter_map(|export| export.captures.ordered_at);
    let newest = known.chain(found).max().unwrap_or_default();
    let captures = Captures {
        ordered_at: newest.checked_add_signed(TimeDelta::microseconds(1)),
        ..Captures::default()
    };
    let failures = failures.into_iter();
    exports
        .extend(failures.map(|(path, why)| FoundExport::unreadable(path, why, captures.clone())));
    exports
}

/// The tables in the folders of a source, by folder.
fn tables<'a>(listing: &'a Listing, source: &Source) -> Vec<Table<'a>> {
    let mut tables: BTreeMap<&str, Table<'a>> = BTreeMap::new();
    for object in &listing.files {
        let Some((folder, version)) = table_of_entry(&object.path) else {
            continue;
        };
        if let Some(table) = tables.get_mut(folder) {
            table.entries.insert(version, object);
            continue;
        }
        if let Some(captures) = table_at(source, folder) {
            let table = Table {
                folder,
                captures,
                entries: BTreeMap::from([(version, object)]),
            };
            tables.insert(folder, table);
        }
    }
    tables.into_values().collect()
}

/// A table that lies in `raw`.
struct Table<'a> {
    folder: &'a str,
    /// What its folder's path says.
    captures: Captures,
    /// The entries of its log, by version.
    entries: BTreeMap<u64, &'a ObjectInfo>,
}

impl Table<'_> {
    /// The version that is asked for, if the log has it.
    fn version(&self, at: DeltaVersion) -> Option<u64> {
        let mut versions = self.entries.keys().copied();
        match at {
            DeltaVersion::Newest => versions.next_back(),
            DeltaVersion::Numbered(version) => versions.find(|one| *one == version),
            DeltaVersion::By(time) => {
                let times = self.times();
                let mut by_then = times.iter().rev().filter(|(_, written)| **written <= time);
                by_then.next().map(|(version, _)| *version)
            }
        }
    }

    /// A version, and those before it that were loaded and are still in the log.
    fn exports(&self, version: u64, known: Option<&Ledger>) -> Vec<FoundExport> {
        let export = |object: &ObjectInfo, ordered_at: NaiveDateTime| {
            let captures = Captures {
                ordered_at: Some(ordered_at),
                ..self.captures.clone()
            };
            FoundExport::readable(object.clone(), captures)
        };
        let before = self.entries.range(..version).map(|(_, older)| *older);
        let loaded = before.filter_map(|older| {
            let entry = known?.entry(&older.path)?;
            // that of a table that was made anew is another
            let is_same = entry.size == older.size;
            Some(export(older, entry.ordered_at.filter(|_| is_same)?))
        });
        let read = self
            .entries
            .get(&version)
            .zip(self.times().remove(&version));
        let read = read.map(|(object, written)| {
            let ordered_at = after_what_is_known(object, written, known);
            export(object, ordered_at.naive_utc())
        });
        loaded.chain(read).collect()
    }

    /// Whether the table in the lake is the version that is asked for, read before the log was cleaned up to a later one.
    fn is_in_lake(&self, at: DeltaVersion, known: Option<&Ledger>) -> bool {
        let loaded = entries(known).filter(|entry| entry.counts_in_table());
        let order = |entry: &LedgerEntry| (entry.release, entry.ordered_at);
        let Some(last) = loaded.max_by_key(|entry| order(entry)) else {
            return false;
        };
        let is_cleaned = |version: u64| self.entries.keys().all(|later| *later > version);
        let version = table_of_entry(&last.path).filter(|(folder, _)| *folder == self.folder);
        let Some((_, version)) = version.filter(|(_, version)| is_cleaned(*version)) else {
            return false;
        };
        match at {
            DeltaVersion::Newest => false,
            DeltaVersion::Numbered(wanted) => version == wanted,
            // no other that was written by then can have come since
            DeltaVersion::By(time) => {
                let written = last.ordered_at.map(|at| at.and_utc());
                let read = last.run_id.started_at();
                written.is_some_and(|at| at <= time) && read.is_some_and(|at| at >= time)
            }
        }
    }

    /// What a version that is not there is called.
    fn path_of(&self, at: DeltaVersion) -> String {
        match at {
            DeltaVersion::Numbered(version) => log_entry(self.folder, version),
            DeltaVersion::Newest | DeltaVersion::By(_) => log_folder(self.folder),
        }
    }

    /// When each version was written. Clocks of writers may differ: no version is older than the one before it.
    fn times(&self) -> BTreeMap<u64, DateTime<Utc>> {
        let mut newest = DateTime::<Utc>::MIN_UTC;
        let time = |(version, object): (&u64, &&ObjectInfo)| {
            newest = newest.max(object.modified_at);
            (*version, newest)
        };
        self.entries.iter().map(time).collect()
    }

    fn no_version(&self, source: &Source, at: DeltaVersion) -> Error {
        let folder = self.folder;
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
        let times = self.times();
        let ends = times.iter().next().zip(times.iter().next_back());
        let help = ends.map_or_else(String::new, |((first, from), (last, _))| {
            let from = from.format("%Y-%m-%d %H:%M:%S UTC");
            format!("it has versions {first} to {last}, the first written {from}")
        });
        mistake(source, 192, message).help(help)
    }
}

/// Whether an export that was loaded is a version newer than the one which is asked for. A number says so by itself: the
/// files of a log that was copied are younger than they were.
pub(super) fn is_ahead<'a>(
    entry: &LedgerEntry,
    at: DeltaVersion,
    found: impl Iterator<Item = &'a FoundExport>,
) -> bool {
    let found = found.filter(|found| found.unreadable.is_none());
    let Some(newest) = found.max_by_key(|found| found.captures.ordered_at) else {
        return false;
    };
    let versions = table_of_entry(&newest.object.path).zip(table_of_entry(&entry.path));
    let is_later = versions.is_some_and(|((folder, wanted), (of, version))| {
        matches!(at, DeltaVersion::Numbered(_)) && of == folder && version > wanted
    });
    is_later || newest.captures.ordered_at < entry.ordered_at
}

fn entries(known: Option<&Ledger>) -> impl Iterator<Item = &LedgerEntry> {
    known.into_iter().flat_map(Ledger::entries)
}

/// Whether the version that is asked for may lie in or behind what cannot be read: at the log of a source's table, above or
/// below it.
fn may_hide(one: &Unreadable, source: &Source, at: DeltaVersion) -> bool {
    let is_later = match (at, table_of_entry(&one.path)) {
        (DeltaVersion::Numbered(wanted), Some((_, version))) => version > wanted,
        _ => false,
    };
    match table_of_log(&one.path) {
        Some(folder) => !is_later && table_at(source, folder).is_some(),
        None => {
            let mut patterns = source.patterns.iter();
            let is_above = one.is_folder && patterns.any(|p| p.may_reach_into(&one.path));
            is_above || table_at(source, &one.path).is_some()
        }
    }
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

/// The time by which a version is ordered among those that were loaded: it comes after each that is older, whatever clocks
/// say. That of a table that was made anew comes after those of the table before, whatever their numbers are.
fn after_what_is_known(
    object: &ObjectInfo,
    written: DateTime<Utc>,
    known: Option<&Ledger>,
) -> DateTime<Utc> {
    let older = entries(known).filter(|entry| entry.path < object.path);
    let newest = older.filter_map(|entry| entry.ordered_at).max();
    let micros = written.timestamp_micros();
    let written = DateTime::from_timestamp_micros(micros).unwrap_or(written);
    match newest {
        Some(newest) => written.max(newest.and_utc() + TimeDelta::microseconds(1)),
        None => written,
    }
}

fn mistake(source: &Source, code: u16, message: String) -> Error {
    let place = Place {
        file: std::sync::Arc::clone(&source.file),
        span: source.span,
    };
    Error::config(message).code(Code(code)).at(place.location())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;
    use crate::ingest::{FileCounts, FileStatus};
    use crate::name::{ReleaseNumber, RunId};
    use crate::project::{Project, Variables};
    use crate::store::Store;

    /// A project with one Delta source, and what lies in its `raw`.
    struct Place {
        _folder: TempDir,
        project: Project,
    }

    impl Place {
        /// With these files, and these links to nothing.
        fn with(files: &[&str], links: &[&str]) -> Self {
            let folder = TempDir::new().unwrap();
            let at = |path: &str| -> std::path::PathBuf {
                let path = folder.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                path
            };
            let pipeline = "sources:\n  - table: bronze.orders\n    files: \"shop/orders*\"\n    read: {delta: {}}\n    load: replace\n";
            for (path, text) in [
                ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
                ("pipelines/shop.yaml", pipeline),
                (
                    "schemas/bronze/orders.yaml",
                    "key: [id]\ncolumns:\n  - {name: id, data_type: bigint}\n",
                ),
            ] {
                std::fs::write(at(path), text).unwrap();
            }
            for file in files {
                std::fs::write(at(&format!("exports/{file}")), "{}").unwrap();
            }
            for link in links {
                symlink(Path::new("nowhere"), at(&format!("exports/{link}"))).unwrap();
            }
            let project = Project::load(folder.path(), &Variables::default());
            let project = project.unwrap_or_else(|error| panic!("{}", error.render()));
            Self {
                _folder: folder,
                project,
            }
        }

        /// Paths of what is found, each with the code of why it cannot be read; 0 where it can.
        async fn found(&self, at: DeltaVersion, known: Option<&Ledger>) -> Vec<(String, u16)> {
            let source = self.project.sources.values().next().unwrap();
            let raw = Store::open(&self.project.raw).unwrap();
            let listing = raw.survey("").await.unwrap();
            let mut found = find_versions(&listing, source, at, known);
            found.sort_by_key(|export| export.captures.ordered_at);
            let found = found.into_iter().map(|export| {
                let why = export.unreadable.as_ref();
                let code = why.map_or(0, |why| why.number().unwrap().0);
                (export.object.path, code)
            });
            found.collect()
        }
    }

    fn entry(version: u64) -> String {
        log_entry("shop/orders", version)
    }

    #[tokio::test]
    async fn no_version_passes_for_the_newest_where_a_later_one_may_hide() {
        let (v0, v1, v2) = (entry(0), entry(1), entry(2));
        let data = "shop/orders/a.parquet";
        let newest = DeltaVersion::Newest;
        let second = DeltaVersion::Numbered(1);
        let third = DeltaVersion::Numbered(2);
        let log = "shop/orders/_delta_log".to_string();
        let part = format!("{log}/{:020}.checkpoint.parquet", 1);
        let cases = [
            (
                vec![&v0, &v1],
                vec![&v2],
                newest,
                vec![(&v1, 0), (&v2, 715)],
            ),
            // what is later than the version that is pinned hides nothing
            (vec![&v0, &v1], vec![&v2], second, vec![(&v1, 0)]),
            (vec![&v0, &v1], vec![&v2], third, vec![(&v2, 715)]),
            (vec![&v0], vec![&part], newest, vec![(&v0, 0), (&part, 715)]),
            (vec![], vec![&log], newest, vec![(&log, 715)]),
        ];
        for (files, links, at, expected) in cases {
            let mut files: Vec<&str> = files.into_iter().map(String::as_str).collect();
            files.push("shop/data/a.parquet");
            let links: Vec<&str> = links.into_iter().map(String::as_str).collect();
            let place = Place::with(&files, &links);
            let expected: Vec<(String, u16)> = expected
                .into_iter()
                .map(|(path, code)| (path.clone(), code))
                .collect();
            assert_eq!(place.found(at, None).await, expected);
        }
        // the folder of the table itself, and what is none of its log
        let place = Place::with(&["shop/a"], &["shop/orders"]);
        assert_eq!(
            place.found(newest, None).await,
            [("shop/orders".to_string(), 715)]
        );
        let place = Place::with(&[&v0], &[data, "shop/other", "_delta_log"]);
        assert_eq!(place.found(newest, None).await, [(v0, 0)]);
    }

    /// The ledger's entry of a version that was loaded.
    fn loaded(source: &Source, version: u64, ordered_at: &str) -> LedgerEntry {
        LedgerEntry {
            source: source.table.clone(),
            path: entry(version),
            hash: String::new(),
            size: 2,
            modified_at: DateTime::UNIX_EPOCH,
            tag: None,
            ordered_at: Some(ordered_at.parse().unwrap()),
            status: FileStatus::Loaded,
            duplicate_of: None,
            counts: FileCounts::default(),
            release: ReleaseNumber(1),
            run_id: RunId("20260301T020612-9f3ac1".into()),
            as_of: DateTime::UNIX_EPOCH,
            decision: 0,
            taken_back: 0,
            unread: None,
        }
    }

    #[tokio::test]
    async fn a_version_is_ahead_by_its_number_where_one_is_pinned_and_by_its_time_elsewhere() {
        let place = Place::with(&[&entry(1)], &[]);
        let source = place.project.sources.values().next().unwrap();
        let raw = Store::open(&place.project.raw).unwrap();
        let listing = raw.survey("").await.unwrap();
        let pinned = DeltaVersion::Numbered(1);
        let found = find_versions(&listing, source, pinned, None);
        // a log that was copied is younger than it was
        let (older, newer) = ("2026-01-01T00:00:00", "2999-01-01T00:00:00");
        let is_ahead = |version, ordered_at, at| {
            is_ahead(&loaded(source, version, ordered_at), at, found.iter())
        };
        assert!(is_ahead(2, older, pinned) && is_ahead(2, newer, pinned));
        assert!(!is_ahead(0, older, pinned) && !is_ahead(1, older, pinned));
        // of a table that was made anew, a later number is an older version
        assert!(!is_ahead(2, older, DeltaVersion::Newest));
        assert!(is_ahead(2, newer, DeltaVersion::Newest));
    }

    #[tokio::test]
    async fn what_is_asked_for_and_not_there_is_the_failure_of_its_source() {
        let other = log_entry("shop/orders_old", 0);
        let place = Place::with(&[&entry(0), &other], &[]);
        let found = place.found(DeltaVersion::Newest, None).await;
        assert_eq!(
            found,
            [
                (entry(0), 0),
                ("shop/orders_old/_delta_log".to_string(), 165)
            ]
        );
        let place = Place::with(&[&entry(3), &entry(4)], &[]);
        let second = DeltaVersion::Numbered(2);
        assert_eq!(place.found(second, None).await, [(entry(2), 192)]);
        let log = "shop/orders/_delta_log".to_string();
        let by = |time: &str| DeltaVersion::By(time.parse().unwrap());
        let early = by("2026-01-02T00:00:00Z");
        assert_eq!(place.found(early, None).await, [(log.clone(), 192)]);

        // what the lake has, nobody needs in the log
        let source = place.project.sources.values().next().unwrap();
        let mut known = Ledger::default();
        known.insert(loaded(source, 2, "2026-01-01T00:00:00"));
        for at in [second, early] {
            assert!(place.found(at, Some(&known)).await.is_empty());
        }
        let first = DeltaVersion::Numbered(1);
        let found = place.found(first, Some(&known)).await;
        assert_eq!(found, [(entry(1), 192)]);
        // others may have come by then, after it was read
        let late = by("2026-04-01T00:00:00Z");
        assert_eq!(place.found(late, Some(&known)).await, [(log, 192)]);
        // a table that was made anew has no such version yet
        let anew = Place::with(&[&entry(0)], &[]);
        let found = anew.found(second, Some(&known)).await;
        assert_eq!(found, [(entry(2), 192)]);
    }
}
