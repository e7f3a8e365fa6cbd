//! What must hold after every step. Every object of the protocol is immutable, so it is enough to look at each change:
//! one more log entry, table version or release, or one file less.
//!
//! What a violation is called by:
//!
//! - I1: the numbers of releases are dense, and each has exactly one publish.
//! - I2: each version that a release pins holds what was decided, and every file of it is there.
//! - I3: no version that a release pins holds anything of a later one.
//! - I4: the ledger of a release names exactly the exports whose rows are in it.
//! - I5: a release that a builder was told of stands, whatever comes after.
//! - I6: a claim publishes once at most, and never after another one fenced it.
//! - I7: nothing that is retired is named again.
//! - I8: what a reader pins is one release that is whole.
//! - I9: the digest of a table is the sum of its rows' hashes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::table_log::{JsonEntry, entry_path, replay};
use crate::name::{ReleaseNumber, TableName};
use crate::release::claim::Floors;
use crate::release::layout;
use crate::release::log::{CarriedView, Event, FORMAT, LogEntry, LogView, Publish};
use crate::release::map::StagedMap;
use crate::release::stage::Files;
use crate::release::{CandidateName, Release, RollbackClass, TableKind, TableState};

/// A table's rows with their count.
pub(super) type Rows = BTreeMap<String, u64>;

/// Sum of the row hashes, and count.
pub(super) fn digest(rows: &Rows) -> String {
    let hash = |row: &str| {
        row.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let sum = rows.iter().fold(0_u64, |sum, (row, count)| {
        sum.wrapping_add(hash(row).wrapping_mul(*count))
    });
    format!("{sum:016x}/{}", rows.values().sum::<u64>())
}

pub(super) fn bronze() -> TableName {
    "bronze.exports".parse().unwrap()
}

pub(super) fn ledger() -> TableName {
    "ops.files".parse().unwrap()
}

/// A decided release and what its tables must then hold.
#[derive(Debug)]
struct Decided {
    entry: LogEntry,
    map: StagedMap,
    expected: BTreeMap<TableName, Rows>,
}

/// Follows every change of the store and notes what must not be.
#[derive(Debug, Default)]
pub(super) struct Checker {
    log: Vec<LogEntry>,
    pub(super) floors: Floors,
    decided: Vec<Decided>,
    pub(super) releases: Vec<Release>,
    tables: BTreeMap<String, Vec<(JsonEntry, TableState)>>,
    files: BTreeMap<String, Rows>,
    /// The newest release that pins a file.
    pinned: BTreeMap<String, ReleaseNumber>,
    /// Files that a foreign tool deleted and nobody has restored.
    pub(super) vacuumed: BTreeSet<String>,
    /// Staged objects that somebody deleted and nobody has restored.
    pub(super) lost_staged: BTreeMap<String, Bytes>,
    /// Decided releases that were given up.
    pub(super) given_up: u64,
    /// A newer kilde has written to the log.
    pub(super) has_newer: bool,
    pub(super) overruled: u64,
    pub(super) reused: u64,
    pub(super) rolled_back: u64,
    pub(super) violations: Vec<String>,
}

impl Checker {
    pub(super) fn violate(&mut self, invariant: &str, what: impl std::fmt::Display) {
        self.violations.push(format!("{invariant}: {what}"));
    }

    fn ensure(&mut self, holds: bool, invariant: &str, what: impl std::fmt::Display) {
        if !holds {
            self.violate(invariant, what);
        }
    }

    pub(super) fn put(
        &mut self,
        path: &str,
        bytes: &Bytes,
        fresh: bool,
        read: &dyn Fn(&str) -> Option<Bytes>,
    ) {
        let immutable = path.starts_with("_kilde/log/")
            || path.starts_with("_kilde/releases/")
            || path.contains("/_delta_log/")
            || path.ends_with(".parquet");
        self.ensure(fresh || !immutable, "immutable", path);
        if path.starts_with("_kilde/log/") {
            self.log_entry(path, serde_json::from_slice(bytes).unwrap(), read);
        } else if path.starts_with("_kilde/releases/") {
            self.release(path, serde_json::from_slice(bytes).unwrap());
        } else if let Some((location, _)) = path.split_once("/_delta_log/") {
            self.table_entry(location, path, serde_json::from_slice(bytes).unwrap());
        } else if path.ends_with(".parquet") {
            let rows: Vec<String> = serde_json::from_slice(bytes).unwrap();
            let mut counted = Rows::new();
            for row in rows {
                *counted.entry(row).or_default() += 1;
            }
            self.files.insert(path.to_string(), counted);
        }
    }

    pub(super) fn delete(&mut self, path: &str) {
        if self.files.remove(path).is_none() {
            return;
        }
        // I2, I7: only what no readable release reaches, and nothing that is decided
        let retired = self
            .pinned
            .get(path)
            .is_none_or(|pin| *pin < self.floors.releases_below);
        self.ensure(retired, "I2 a published file was deleted", path);
        let open = self
            .decided
            .get(self.releases.len())
            .is_some_and(|decided| {
                decided.map.commits.values().any(|commit| {
                    commit
                        .adds
                        .iter()
                        .any(|file| path == format!("{}/{}", commit.location, file.path))
                })
            });
        self.ensure(!open, "I2 a decided file was deleted", path);
    }

    fn log_entry(&mut self, path: &str, entry: LogEntry, read: &dyn Fn(&str) -> Option<Bytes>) {
        let sequence = self.log.len() as u64 + 1;
        self.ensure(
            path.ends_with(&format!("/{sequence:020}.json")),
            "I1 the log has a gap",
            path,
        );
        let open = self.open_run();
        match &entry.event {
            Event::Claim => {}
            Event::Publish(publish) => self.publish(&entry, publish, open.as_deref(), read),
            Event::Retire(retire) => {
                let claim = self.last_claim();
                let newest = ReleaseNumber(self.releases.len() as u64);
                let allowed = retire.runs_below.is_none_or(|below| below.0 <= claim)
                    && retire.releases_below.is_none_or(|below| below <= newest);
                self.ensure(allowed, "I7 the newest is retired", path);
                self.floors.raise(retire);
            }
            Event::Resume | Event::Yield(_) => {}
        }
        if entry.event != Event::Claim {
            let owner = open.as_deref() == Some(entry.run.0.as_str());
            self.ensure(owner, "I6 written without holding the claim", path);
        }
        let is_newer = entry.format > FORMAT;
        self.ensure(
            is_newer || !self.has_newer,
            "written after a newer kilde",
            path,
        );
        self.has_newer |= is_newer;
        self.log.push(entry);
        self.take_entries(read);
    }

    /// Entries that stand there already: a power cut can lose one and not the next.
    fn take_entries(&mut self, read: &dyn Fn(&str) -> Option<Bytes>) {
        while let Some(bytes) = read(&layout::log_entry(self.log.len() as u64 + 1)) {
            let entry: LogEntry = serde_json::from_slice(&bytes).unwrap();
            if let Event::Retire(retire) = &entry.event {
                self.floors.raise(retire);
            }
            self.log.push(entry);
        }
    }

    /// The run that may write: the last claimant, until it published or yielded.
    fn open_run(&self) -> Option<String> {
        self.log.iter().rev().find_map(|entry| match entry.event {
            Event::Claim => Some(Some(entry.run.0.clone())),
            Event::Publish(_) | Event::Yield(_) => Some(None),
            _ => None,
        })?
    }

    fn last_claim(&self) -> u64 {
        let last = self
            .log
            .iter()
            .rposition(|entry| entry.event == Event::Claim);
        last.map_or(0, |index| index as u64 + 1)
    }

    fn publish(
        &mut self,
        entry: &LogEntry,
        publish: &Publish,
        open: Option<&str>,
        read: &dyn Fn(&str) -> Option<Bytes>,
    ) {
        let number = publish.number;
        let settled = self.releases.len() as u64;
        let next = number.0 == settled + 1 && self.decided.len() as u64 == settled;
        self.ensure(
            next,
            "I1 published before the last release was settled, or twice",
            number,
        );
        self.ensure(
            open == Some(entry.run.0.as_str()),
            "I6 published after being fenced",
            number,
        );
        let mut view = LogView::default();
        self.log.iter().for_each(|entry| view.push(entry));
        let carried = CarriedView::of(&view).unwrap();
        self.ensure(
            publish.log.as_ref() == Some(&carried),
            "a publish entry says of those before it what is not so",
            number,
        );
        let Some(bytes) = read(&publish.map) else {
            return self.violate("I2 published without a map", number);
        };
        let map: StagedMap = serde_json::from_slice(&bytes).unwrap();
        let mut expected = self.rows_of(self.releases.last());
        for (name, commit) in &map.commits {
            let Some(target) = self.target(
                &commit.location,
                commit.version,
                &commit.adds,
                &commit.removes,
            ) else {
                self.violate("I2 published on a version that is not there", name);
                continue;
            };
            for path in target.keys() {
                let object = format!("{}/{path}", commit.location);
                let known = self.files.contains_key(&object);
                self.ensure(known, "I2 published without its file", &object);
                let used = self.ever_named(&commit.location, path);
                let claim = CandidateName::claim_of(path);
                let floor = self.floors.runs_below;
                let allowed = used || claim.is_none_or(|claim| claim >= floor);
                self.ensure(allowed, "I7 a retired candidate is published", &object);
            }
            expected.insert(name.clone(), self.rows_in(&commit.location, &target));
        }
        if let Some(to) = map.release.rollback_of {
            let allowed = to >= self.floors.releases_below;
            self.ensure(allowed, "I7 rolled back to a retired release", to);
            self.check_rollback(to, &expected);
        }
        self.decided.push(Decided {
            entry: entry.clone(),
            map,
            expected,
        });
    }

    fn check_rollback(&mut self, to: ReleaseNumber, expected: &BTreeMap<TableName, Rows>) {
        let kept = self.rows_of(self.releases.last());
        let newest = self.releases.last().cloned();
        for (name, entry) in newest.into_iter().flat_map(|newest| newest.tables) {
            if entry.facts.rollback == RollbackClass::Keeps {
                let equal = kept.get(&name) == expected.get(&name);
                self.ensure(equal, "a rollback took back what keeps", &name);
            }
        }
        let Some(then) = self.releases.get(to.0 as usize - 1).cloned() else {
            return self.violate("I2 rolled back to a release that is not there", to);
        };
        let rows = self.rows_of(Some(&then));
        for (name, entry) in &then.tables {
            let follows =
                entry.kind == TableKind::Table && entry.facts.rollback == RollbackClass::Follows;
            if follows {
                let equal = rows.get(name) == expected.get(name);
                self.ensure(equal, "I2 a rollback did not bring the table back", name);
            }
        }
    }

    fn target(
        &self,
        location: &str,
        version: u64,
        adds: &[crate::release::LiveFile],
        removes: &[String],
    ) -> Option<Files> {
        let mut target = match version.checked_sub(1) {
            None => Files::new(),
            Some(head) => self
                .tables
                .get(location)?
                .get(head as usize)?
                .1
                .files
                .clone(),
        };
        for path in removes {
            target.remove(path);
        }
        target.extend(adds.iter().map(|file| (file.path.clone(), file.clone())));
        Some(target)
    }

    fn ever_named(&self, location: &str, path: &str) -> bool {
        self.tables.get(location).is_some_and(|versions| {
            versions
                .iter()
                .any(|(entry, _)| entry.adds.iter().any(|file| file.path == path))
        })
    }

    fn table_entry(&mut self, location: &str, path: &str, entry: JsonEntry) {
        let versions = self.tables.entry(location.to_string()).or_default();
        let version = versions.len() as u64;
        let dense = path.ends_with(&format!("/{version:020}.json"));
        let again = entry.release.is_some()
            && versions
                .iter()
                .any(|(other, _)| other.release >= entry.release);
        let state = replay(versions.last().map(|(_, state)| state), version, &entry);
        let release = entry.release;
        versions.push((entry, state));
        self.ensure(dense, "I1 a table's log has a gap", path);
        self.ensure(
            !again,
            "I3 a release stands twice or late in a table's log",
            path,
        );
        let decided = release.is_none_or(|number| number.0 as usize <= self.decided.len());
        self.ensure(
            decided,
            "I5 a table shows a release that is not decided",
            path,
        );
        let settled = release.is_none_or(|number| {
            let settled = self.releases.get(number.0 as usize - 1);
            // whoever carries out what was given up does not know it yet
            settled.is_none_or(Release::is_given_up)
        });
        self.ensure(settled, "I3 a table changes under a settled release", path);
    }

    fn release(&mut self, path: &str, release: Release) {
        let number = release.number;
        // its record was deleted with it, and a settler that was frozen since puts it again: readers look at the floor first
        if number < self.floors.releases_below {
            return;
        }
        let dense = number.0 as usize == self.releases.len() + 1
            && path.ends_with(&format!("/{:08}.json", number.0));
        self.ensure(dense, "I1 releases are not dense", path);
        let Some(index) = (number.0 as usize)
            .checked_sub(1)
            .filter(|i| *i < self.decided.len())
        else {
            return self.violate("I1 a release without a publish", path);
        };
        if release.is_given_up() {
            let before = self.releases.last();
            // but for a table that others compacted and vacuumed since, whose rows are looked at below
            let same = before.map_or(release.tables.is_empty(), |before| {
                before.unpinned() == release.unpinned()
            });
            let rows = self.rows_of(before);
            self.ensure(same, "a release given up is not the one before", path);
            self.decided[index].expected = rows;
            self.given_up += 1;
        } else {
            let run = self.decided[index].entry.run.clone();
            self.ensure(run == release.run, "I1 a release of another run", path);
        }
        for (name, entry) in release.tables.clone() {
            let Some(version) = entry.version else {
                continue;
            };
            let Some(state) = self.state(&entry.location, version) else {
                self.violate(
                    "I2 a pinned version is not there",
                    format!("{name}@{version}"),
                );
                continue;
            };
            for file in state.files.keys() {
                let object = format!("{}/{file}", entry.location);
                let there = self.files.contains_key(&object);
                self.ensure(there, "I2 a pinned file is missing", &object);
                self.pinned.insert(object, number);
            }
            let rows = self.rows_in(&entry.location, &state.files);
            let expected = self.decided[index].expected.get(&name) == Some(&rows);
            self.ensure(
                expected,
                "I2 a version holds other rows than decided",
                format!("{name}@{version}"),
            );
            self.ensure(
                entry.facts.digest == digest(&rows),
                "I9 digest",
                format!("{name}@{version}"),
            );
            let later = self.tables[&entry.location][..=version as usize]
                .iter()
                .any(|(commit, _)| commit.release > Some(number));
            self.ensure(
                !later,
                "I3 a later release shows through",
                format!("{name}@{version}"),
            );
            self.check_overruled(index, &name, &entry.location, version, &release);
        }
        self.check_ledger(&release);
        self.overruled += release.overruled.len() as u64;
        self.releases.push(release);
    }

    /// Every foreign change that a release was published over is listed in it.
    fn check_overruled(
        &mut self,
        index: usize,
        name: &TableName,
        location: &str,
        version: u64,
        release: &Release,
    ) {
        let base = index
            .checked_sub(1)
            .and_then(|base| self.releases.get(base));
        let pinned = base.and_then(|base| base.tables.get(name)?.version);
        let first = pinned.map_or(0, |pinned| pinned + 1);
        let unlisted = (first..=version).find(|version| {
            let (commit, _) = &self.tables[location][*version as usize];
            let changes = commit.data_change || commit.definition.is_some();
            let foreign = commit.release.is_none() && changes;
            let listed = |overruled: &crate::release::map::Overruled| {
                overruled.table == *name && overruled.version == *version
            };
            foreign && !release.overruled.iter().any(listed)
        });
        if let Some(version) = unlisted {
            self.violate(
                "R13 a foreign change vanished silently",
                format!("{name}@{version}"),
            );
        }
    }

    fn check_ledger(&mut self, release: &Release) {
        let rows = self.rows_of(Some(release));
        let (Some(bronze), Some(ledger)) = (rows.get(&bronze()), rows.get(&ledger())) else {
            return;
        };
        let once = bronze.values().all(|count| *count == 1);
        let equal = once && bronze == ledger;
        self.ensure(
            equal,
            "I4 the ledger names other exports than are in the release",
            release.number,
        );
    }

    fn state(&self, location: &str, version: u64) -> Option<TableState> {
        Some(self.tables.get(location)?.get(version as usize)?.1.clone())
    }

    pub(super) fn rows_in(&self, location: &str, files: &Files) -> Rows {
        let mut rows = Rows::new();
        for path in files.keys() {
            let object = format!("{location}/{path}");
            for (row, count) in self.files.get(&object).into_iter().flatten() {
                *rows.entry(row.clone()).or_default() += count;
            }
        }
        rows
    }

    /// Rows of every table that a release pins.
    pub(super) fn rows_of(&self, release: Option<&Release>) -> BTreeMap<TableName, Rows> {
        let tables = release.into_iter().flat_map(|release| &release.tables);
        let rows = tables.filter_map(|(name, entry)| {
            let state = self.state(&entry.location, entry.version?)?;
            Some((name.clone(), self.rows_in(&entry.location, &state.files)))
        });
        rows.collect()
    }

    /// I2 once more, from the start: every release that was not retired is whole and holds what was decided.
    pub(super) fn check_everything(&mut self) {
        let from = (self.floors.releases_below.0.max(1) - 1) as usize;
        for index in from..self.releases.len() {
            let release = self.releases[index].clone();
            let rows = self.rows_of(Some(&release));
            let decided = self.decided.get(index);
            for (name, expected) in decided.iter().flat_map(|decided| &decided.expected) {
                if rows.get(name) != Some(expected) {
                    self.violations.push(format!(
                        "I2 at the end: {name} of release {}",
                        release.number
                    ));
                }
            }
        }
    }

    /// Data files that no table's log ever named.
    pub(super) fn orphans(&self) -> BTreeSet<String> {
        let mut orphans: BTreeSet<String> = self.files.keys().cloned().collect();
        for (location, versions) in &self.tables {
            for (entry, _) in versions {
                for file in &entry.adds {
                    orphans.remove(&format!("{location}/{}", file.path));
                }
            }
        }
        orphans.retain(|path| !self.vacuumed.contains(path));
        orphans
    }

    /// Paths of the data files that the newest version of a table names.
    pub(super) fn live_at_head(&self, location: &str) -> BTreeSet<String> {
        let newest = self
            .tables
            .get(location)
            .and_then(|versions| versions.last());
        let files = newest.into_iter().flat_map(|(_, state)| state.files.keys());
        files.map(|path| format!("{location}/{path}")).collect()
    }

    /// What a foreign tool deleted, to be put back.
    pub(super) fn take_vacuumed(&mut self) -> Vec<(String, Bytes)> {
        let vacuumed = std::mem::take(&mut self.vacuumed);
        let bytes = |path: &String| {
            let rows = self.files.get(path)?;
            let rows = rows
                .iter()
                .flat_map(|(row, count)| std::iter::repeat_n(row, *count as usize));
            let rows: Vec<&String> = rows.collect();
            Some(Bytes::from(serde_json::to_vec(&rows).unwrap()))
        };
        let restored = vacuumed.into_iter();
        restored
            .filter_map(|path| Some((path.clone(), bytes(&path)?)))
            .collect()
    }

    /// The entries that raised a table's protocol and all that other tools wrote after them, newest first.
    pub(super) fn take_raised(&mut self) -> Vec<String> {
        let mut raised = Vec::new();
        for (location, versions) in &mut self.tables {
            let Some(first) = first_raised(versions) else {
                continue;
            };
            let last = versions.len() as u64;
            versions.truncate(first);
            raised.extend((first as u64..last).rev().map(|v| entry_path(location, v)));
        }
        raised
    }

    /// Whether an operator has something to mend.
    pub(super) fn has_damage(&self) -> bool {
        !self.vacuumed.is_empty() || !self.lost_staged.is_empty() || self.has_raised()
    }

    /// The newest release that is decided.
    pub(super) fn newest_decided(&self) -> ReleaseNumber {
        ReleaseNumber(self.decided.len() as u64)
    }

    /// Folder of what is staged for a release that is decided and not settled.
    pub(super) fn staged_for_the_unsettled(&self) -> Option<String> {
        let unsettled = self.decided.get(self.releases.len())?;
        let Event::Publish(publish) = &unsettled.entry.event else {
            return None;
        };
        publish.map.strip_suffix("map.json").map(str::to_string)
    }

    pub(super) fn has_raised(&self) -> bool {
        let mut tables = self.tables.values();
        tables.any(|versions| first_raised(versions).is_some())
    }

    /// Believes what a power cut left: all that is remembered is what lies there.
    pub(super) fn begin_again(&mut self, paths: &[String], read: &dyn Fn(&str) -> Option<Bytes>) {
        let mut before = std::mem::take(self);
        self.violations = std::mem::take(&mut before.violations);
        (self.overruled, self.reused, self.rolled_back) =
            (before.overruled, before.reused, before.rolled_back);
        for path in paths.iter().filter(|path| path.ends_with(".parquet")) {
            let rows: Vec<String> = serde_json::from_slice(&read(path).unwrap()).unwrap();
            let counted = self.files.entry(path.clone()).or_default();
            for row in rows {
                *counted.entry(row).or_default() += 1;
            }
        }
        for path in paths {
            let Some((location, _)) = path.split_once("/_delta_log/") else {
                continue;
            };
            let versions = self.tables.entry(location.to_string()).or_default();
            while let Some(bytes) = read(&entry_path(location, versions.len() as u64)) {
                let entry: JsonEntry = serde_json::from_slice(&bytes).unwrap();
                let state = replay(
                    versions.last().map(|(_, state)| state),
                    versions.len() as u64,
                    &entry,
                );
                versions.push((entry, state));
            }
        }
        self.take_entries(read);
        loop {
            let number = ReleaseNumber(self.releases.len() as u64 + 1);
            let release: Release = match read(&layout::release(number)) {
                Some(bytes) => serde_json::from_slice(&bytes).unwrap(),
                // its record was deleted with it
                None if number < self.floors.releases_below => {
                    match before.releases.get(self.releases.len()) {
                        Some(release) => release.clone(),
                        None => {
                            self.violate("I5 a release is retired that never was", number);
                            break;
                        }
                    }
                }
                None => break,
            };
            for entry in release.tables.values() {
                let state = entry.version.and_then(|v| self.state(&entry.location, v));
                for file in state.into_iter().flat_map(|state| state.files.into_keys()) {
                    let object = format!("{}/{file}", entry.location);
                    self.pinned.insert(object, release.number);
                }
            }
            self.releases.push(release);
        }
        for entry in self.log.clone() {
            if let Event::Publish(publish) = &entry.event {
                self.believe(&entry, publish, read);
            }
        }
    }

    fn believe(
        &mut self,
        entry: &LogEntry,
        publish: &Publish,
        read: &dyn Fn(&str) -> Option<Bytes>,
    ) {
        let number = publish.number;
        let dense = self.decided.len() as u64 + 1 == number.0;
        self.ensure(dense, "I1 after a power cut a publish is missing", number);
        if let Some(release) = self.releases.get(number.0 as usize - 1).cloned() {
            let expected = self.rows_of(Some(&release));
            let map = StagedMap {
                lake_id: String::new(),
                release,
                commits: BTreeMap::new(),
            };
            let entry = entry.clone();
            self.decided.push(Decided {
                entry,
                map,
                expected,
            });
            return;
        }
        let Some(bytes) = read(&publish.map) else {
            return self.violate("I5 after a power cut a decided release has no map", number);
        };
        let map: StagedMap = serde_json::from_slice(&bytes).unwrap();
        let mut expected = self.rows_of(self.releases.last());
        for (name, commit) in &map.commits {
            let target = self.target(
                &commit.location,
                commit.version,
                &commit.adds,
                &commit.removes,
            );
            let Some(target) = target else {
                self.violate("I5 after a power cut a decided release has no base", name);
                continue;
            };
            for path in target.keys() {
                let object = format!("{}/{path}", commit.location);
                let known = self.files.contains_key(&object);
                self.ensure(
                    known,
                    "I5 after a power cut a decided file is gone",
                    &object,
                );
            }
            expected.insert(name.clone(), self.rows_in(&commit.location, &target));
        }
        let entry = entry.clone();
        self.decided.push(Decided {
            entry,
            map,
            expected,
        });
    }
}

/// The first version that raised the protocol and on which nothing of ours stands.
fn first_raised(versions: &[(JsonEntry, TableState)]) -> Option<usize> {
    let ours = versions
        .iter()
        .rposition(|(entry, _)| entry.release.is_some());
    let after = ours.map_or(0, |ours| ours + 1);
    let raised = versions[after..]
        .iter()
        .position(|(entry, _)| entry.raises_protocol);
    raised.map(|raised| after + raised)
}
