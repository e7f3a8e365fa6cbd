//! What lies in `raw`: the files that are exports of a source, by themselves or in an archive, and the markers beside them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{ArchiveFile, ExportStore, Ledger};
use crate::name::TableName;
use crate::project::{Captures, PathPattern, Project, Read, Source, in_archive};
use crate::run::delta;
use crate::store::{Listing, ObjectInfo, Store};

/// An export that lies in `raw`.
#[derive(Clone, Debug)]
pub(in crate::run) struct FoundExport {
    pub(in crate::run) object: ObjectInfo,
    pub(in crate::run) captures: Captures,
    /// Where it cannot be read: why. It may be a folder, of which nobody knows what lies in it.
    pub(in crate::run) unreadable: Option<Error>,
}

impl FoundExport {
    pub(in crate::run) fn readable(object: ObjectInfo, captures: Captures) -> Self {
        Self {
            object,
            captures,
            unreadable: None,
        }
    }

    /// What is there, is wanted, and cannot be read. Of its size and age nobody knows.
    pub(in crate::run) fn unreadable(path: String, why: Error, captures: Captures) -> Self {
        Self {
            object: ObjectInfo {
                path,
                size: 0,
                modified_at: DateTime::UNIX_EPOCH,
                changed_at: DateTime::UNIX_EPOCH,
                tag: None,
            },
            captures,
            unreadable: Some(why),
        }
    }
}

/// What lies in `raw`.
#[derive(Default)]
pub(super) struct InRaw {
    /// Exports by source and path.
    pub(super) exports: BTreeMap<TableName, BTreeMap<String, FoundExport>>,
    /// Files that say of exports that they are whole, by path.
    pub(super) markers: BTreeMap<String, ObjectInfo>,
    /// Files of the archives of which some are exports, by archive; of a damaged one none.
    pub(super) archives: BTreeMap<String, Vec<ArchiveFile>>,
    /// No file at all, in the folders that were looked at.
    pub(super) is_nothing: bool,
}

/// Finds the exports of every source. `ledger`: what is known of each.
///
/// # Errors
/// What storage gives.
pub(super) async fn find(
    raw: &ExportStore,
    project: &Project,
    ledger: &BTreeMap<TableName, Ledger>,
) -> Result<InRaw> {
    let listing = list(&raw.store, project).await?;
    let archives = list_archives(raw, project, &listing).await?;
    let (mut exports, mut markers) = (BTreeMap::new(), BTreeMap::new());
    for source in project.sources.values() {
        let known = ledger.get(&source.table);
        let found = match &source.read {
            Read::Delta(read) => {
                let versions = delta::find_versions(&listing, source, read.at, known);
                let named = versions.into_iter();
                named.map(|one| (one.object.path.clone(), one)).collect()
            }
            _ => {
                let in_archives = find_in_archives(&listing, &archives, source, known);
                find_exports(&listing, source, in_archives, &mut markers)
            }
        };
        exports.insert(source.table.clone(), found);
    }
    Ok(InRaw {
        exports,
        markers,
        archives,
        is_nothing: listing.files.is_empty(),
    })
}

/// Folders listed at once.
const LISTINGS_AT_ONCE: usize = 16;

/// All that lies in the folders in which a source looks, by path; each folder is listed once, however many look there.
async fn list(raw: &Store, project: &Project) -> Result<Listing> {
    let sources = project.sources.values();
    let patterns = sources.flat_map(|source| &source.patterns);
    let folders: BTreeSet<&str> = patterns.map(|pattern| pattern.prefix()).collect();
    let is_within = |inner: &str, outer: &str| {
        outer.is_empty()
            || inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    let is_listed_above = |folder: &str| {
        let others = folders.iter().filter(|other| **other != folder);
        others.into_iter().any(|other| is_within(folder, other))
    };
    let wanted: Vec<&str> = folders
        .iter()
        .copied()
        .filter(|folder| !is_listed_above(folder))
        .collect();
    let listed: Vec<Listing> = stream::iter(wanted)
        .map(|folder| raw.survey(folder))
        .buffered(LISTINGS_AT_ONCE)
        .try_collect()
        .await?;
    let mut all = Listing::default();
    for one in listed {
        all.files.extend(one.files);
        all.unreadable.extend(one.unreadable);
    }
    Ok(all)
}

/// The files of each archive of which some source takes files; of a damaged one none.
async fn list_archives(
    raw: &ExportStore,
    project: &Project,
    listing: &Listing,
) -> Result<BTreeMap<String, Vec<ArchiveFile>>> {
    let patterns = || project.sources.values().flat_map(|source| &source.patterns);
    let patterns = || patterns().filter_map(|pattern| pattern.archive.as_deref());
    let is_wanted = |object: &&ObjectInfo| patterns().any(|p| p.matches(&object.path).is_some());
    let wanted: Vec<&ObjectInfo> = listing.files.iter().filter(is_wanted).collect();
    stream::iter(wanted)
        .map(|archive| async move {
            let files = match raw.files_of(archive).await {
                // whoever reads it says what is wrong with it
                Err(error) if error.kind() == ErrorKind::Input => Vec::new(),
                files => files?,
            };
            Ok((archive.path.clone(), files))
        })
        .buffered(LISTINGS_AT_ONCE)
        .try_collect()
        .await
}

/// Files of archives that are exports of a source. An archive of which none is, damaged or not, is one itself: whoever reads it
/// says what is wrong with it. A file that was loaded and is gone from an archive that has others is one without a byte.
fn find_in_archives(
    listing: &Listing,
    archives: &BTreeMap<String, Vec<ArchiveFile>>,
    source: &Source,
    known: Option<&Ledger>,
) -> BTreeMap<String, FoundExport> {
    let mut found = BTreeMap::new();
    for archive in &listing.files {
        let mut patterns = source.patterns.iter().filter_map(|p| p.archive.as_deref());
        let Some(captures) = patterns.find_map(|pattern| pattern.matches(&archive.path)) else {
            continue;
        };
        let export = |name: &str, size: u64| {
            let path = format!("{}!{name}", archive.path);
            let mut patterns = source.patterns.iter().filter(|p| p.archive.is_some());
            let captures = patterns.find_map(|pattern| pattern.matches(&path))?;
            let object = ObjectInfo {
                path,
                size,
                ..archive.clone()
            };
            Some(FoundExport::readable(object, captures))
        };
        let files = archives.get(&archive.path).into_iter().flatten();
        let there = files.filter_map(|file| export(&file.name, file.size));
        let there: BTreeMap<String, FoundExport> =
            there.map(|one| (one.object.path.clone(), one)).collect();
        if there.is_empty() {
            let whole = FoundExport::readable(archive.clone(), captures);
            found.insert(archive.path.clone(), whole);
            continue;
        }
        let loaded = known.into_iter().flat_map(Ledger::entries);
        let gone = loaded.filter_map(|entry| match in_archive(&entry.path)? {
            (of, name) if of == archive.path && entry.counts_in_table() => export(name, 0),
            _ => None,
        });
        found.extend(gone.map(|one| (one.object.path.clone(), one)));
        found.extend(there);
    }
    found
}

/// The exports of a source, and the markers beside them. `found`: those in archives.
fn find_exports(
    listing: &Listing,
    source: &Source,
    mut found: BTreeMap<String, FoundExport>,
    markers: &mut BTreeMap<String, ObjectInfo>,
) -> BTreeMap<String, FoundExport> {
    for pattern in &source.patterns {
        for object in &listing.files {
            if let Some(captures) = pattern.matches(&object.path) {
                let export = FoundExport::readable(object.clone(), captures);
                found.entry(object.path.clone()).or_insert(export);
            }
        }
        let in_raw = pattern.archive.as_deref().unwrap_or(pattern);
        for one in &listing.unreadable {
            let captures = match in_raw.matches(&one.path) {
                None if one.is_folder && pattern.may_reach_into(&one.path) => Captures::default(),
                None => continue,
                Some(captures) => captures,
            };
            let export = FoundExport::unreadable(one.path.clone(), one.error(), captures);
            found.entry(one.path.clone()).or_insert(export);
        }
        if let Some(marker) = &source.ready.marker {
            let wanted: BTreeSet<String> = found.keys().map(|path| marker.beside(path)).collect();
            let there = listing.files.iter().filter(|o| wanted.contains(&o.path));
            markers.extend(there.map(|object| (object.path.clone(), object.clone())));
        }
    }
    // a marker may match the pattern too, such as `crm/*`
    found.retain(|path, _| !markers.contains_key(path));
    found
}

/// Whether a source takes a file, as an export or as a part of one.
pub(in crate::run) fn is_of_source(source: &Source, path: &str) -> bool {
    match source.read {
        Read::Delta(_) => delta::is_of_table(source, path),
        _ => {
            let is_part = |pattern: &PathPattern| {
                let archive = pattern.archive.as_deref();
                pattern.matches(path).is_some()
                    || archive.is_some_and(|a| a.matches(path).is_some())
            };
            source.patterns.iter().any(is_part)
        }
    }
}

/// Where storage has an export; of a file of an archive, the archive.
///
/// # Errors
/// `Input` K0218 for a path that storage lists and does not take.
pub(in crate::run) fn address(path: &str) -> Result<object_store::path::Path> {
    let path = in_archive(path).map_or(path, |(archive, _)| archive);
    object_store::path::Path::parse(path).map_err(|error| {
        Error::input("the export's name cannot be addressed")
            .code(Code(218))
            .at(path)
            .help("rename the file, or let its sender choose a plain name")
            .caused_by(error)
    })
}
