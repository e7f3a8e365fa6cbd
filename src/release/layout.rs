//! The names of the lake's protocol objects and of its data files.

use crate::name::{ClaimNumber, ReleaseNumber, RunId, TableName};

/// Everything of the protocol lies below it.
pub(super) const PROTOCOL_FOLDER: &str = "_kilde";
pub(super) const FORMAT: &str = "_kilde/format.json";
pub(super) const HINT: &str = "_kilde/hint.json";
/// Lock of the builder on this machine.
pub(super) const LOCK: &str = "_kilde/lock";
pub(super) const LAST_RUN: &str = "_kilde/last_run.json";
pub(super) const LOG: &str = "_kilde/log";
pub(super) const STAGED: &str = "_kilde/staged";
pub(super) const ALIVE: &str = "_kilde/alive";
/// What is written only to see what the store makes of it, and deleted at once unless the writer is killed.
pub(super) const PROBES: &str = "_kilde/probe";
/// What lies in `latest/`, as far as kilde put it there.
pub(crate) const LATEST: &str = "_kilde/latest.json";
pub(super) const RELEASES: &str = "_kilde/releases";
/// Which releases readers may no longer open.
pub(super) const RETIRED: &str = "_kilde/retired.json";
pub(super) const RUNS: &str = "_kilde/runs";
pub(super) const DECISIONS: &str = "_kilde/decisions";

/// Folder of the ledger, a table that every release has: where its log lies, a lake lies or lay.
pub(super) const LEDGER: &str = "ops/files";

/// An entry of the lake log; the first is 1.
pub(super) fn log_entry(sequence: u64) -> String {
    format!("{LOG}/{sequence:020}.json")
}

pub(super) fn log_entry_of(path: &str) -> Option<u64> {
    let name = path.strip_prefix(LOG)?.strip_prefix('/')?;
    name.strip_suffix(".json")?.parse().ok()
}

pub(super) fn release(number: ReleaseNumber) -> String {
    format!("{RELEASES}/{:08}.json", number.0)
}

pub(super) fn release_of(path: &str) -> Option<ReleaseNumber> {
    let name = path
        .strip_prefix(RELEASES)?
        .strip_prefix('/')?
        .strip_suffix(".json")?;
    name.parse().ok().map(ReleaseNumber)
}

pub(super) fn heartbeat(claim: ClaimNumber) -> String {
    format!("{ALIVE}/{:020}", claim.0)
}

/// A name for an object, or a folder of them, that only asks something of the store.
pub(crate) fn probe(nonce: u64) -> String {
    format!("{PROBES}/{nonce:016x}")
}

pub(super) fn staged_folder(claim: ClaimNumber, run: &RunId) -> String {
    format!("{STAGED}/{:020}-{run}", claim.0)
}

pub(super) fn staged_entry(folder: &str, table: &TableName) -> String {
    format!("{folder}/{table}.json")
}

pub(super) fn staged_map(folder: &str) -> String {
    format!("{folder}/map.json")
}

/// The claim that a staged object or a heartbeat belongs to.
pub(super) fn protocol_claim(path: &str) -> Option<ClaimNumber> {
    let owned = [STAGED, ALIVE];
    let name = owned.iter().find_map(|folder| path.strip_prefix(folder))?;
    let name = name.strip_prefix('/')?;
    name.get(..20)?.parse().ok().map(ClaimNumber)
}

pub(super) fn run_report(run: &RunId) -> String {
    format!("{RUNS}/{run}.json")
}

pub(super) fn run_of(path: &str) -> Option<RunId> {
    let name = path
        .strip_prefix(RUNS)?
        .strip_prefix('/')?
        .strip_suffix(".json")?;
    Some(RunId(name.to_string()))
}

/// The folder of the table to which an object belongs by its place, `<schema>/<table>/[<column>=<value>/…]<name>` or in its log;
/// `None`: what lies deeper is no table's.
pub(super) fn table_folder(path: &str) -> Option<&str> {
    let (folder, below) = {
        let schema = path.find('/')?;
        let table = schema + 1 + path.get(schema + 1..)?.find('/')?;
        path.split_at_checked(table)?
    };
    let (folders, _) = below.get(1..)?.rsplit_once('/').unwrap_or_default();
    let mut folders = folders.split('/').filter(|folder| !folder.is_empty());
    let is_partition = |folder: &str| folder.contains('=');
    folders
        .all(|folder| is_partition(folder) || folder.starts_with('_'))
        .then_some(folder)
}

/// What somebody decided; the first is 1.
pub(super) fn decision(number: u64) -> String {
    format!("{DECISIONS}/{number:020}.json")
}

pub(super) fn decision_of(path: &str) -> Option<u64> {
    let name = path
        .strip_prefix(DECISIONS)?
        .strip_prefix('/')?
        .strip_suffix(".json")?;
    name.parse().ok()
}

/// The name of a data file: which claim and run wrote it, and which of their files it is. Used once for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CandidateName {
    pub(crate) claim: ClaimNumber,
    pub(crate) run: RunId,
    /// Digits and `-`, chosen by the writer, unique within table and run.
    pub(crate) part: String,
}

impl CandidateName {
    /// The claim that an object's name carries; `None`: not one of our data files. Also of what a killed writer left
    /// half-written under `<name>#<digits>`.
    pub(crate) fn claim_of(path: &str) -> Option<ClaimNumber> {
        let name = path.rsplit('/').next()?;
        let (digits, rest) = name.split_at_checked(20)?;
        let ours = digits.bytes().all(|byte| byte.is_ascii_digit())
            && rest.starts_with('-')
            && rest.contains(".parquet");
        ours.then(|| digits.parse().ok().map(ClaimNumber))?
    }
}

impl std::fmt::Display for CandidateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:020}-{}-{}.parquet", self.claim.0, self.run, self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_file_carries_its_claim() {
        let name = CandidateName {
            claim: ClaimNumber(42),
            run: RunId("20260301T020612-9f3ac1".to_string()),
            part: "0".to_string(),
        };
        let text = name.to_string();
        assert_eq!(
            text,
            "00000000000000000042-20260301T020612-9f3ac1-0.parquet"
        );
        assert_eq!(
            CandidateName::claim_of(&format!("gold/x/k=1/{text}")),
            Some(ClaimNumber(42))
        );
        assert_eq!(
            CandidateName::claim_of(&format!("gold/x/{text}#1")),
            Some(ClaimNumber(42))
        );
    }

    #[test]
    fn foreign_files_and_log_entries_carry_none() {
        for path in [
            "gold/x/part-00001-c2b1.snappy.parquet",
            "gold/x/_delta_log/00000000000000000042.json",
            "gold/x/00000000000000000042.checkpoint.parquet",
            "åäö",
        ] {
            assert_eq!(CandidateName::claim_of(path), None, "{path}");
        }
    }

    #[test]
    fn an_object_belongs_to_the_table_in_whose_folder_it_lies() {
        for path in [
            "gold/x/1.parquet",
            "gold/x/k=1/l=2/1.parquet",
            "gold/x/_delta_log/1.json",
        ] {
            assert_eq!(table_folder(path), Some("gold/x"), "{path}");
        }
        for path in ["1.parquet", "gold/1.parquet", "backup/gold/x/1.parquet"] {
            assert_eq!(table_folder(path), None, "{path}");
        }
    }

    #[test]
    fn releases_and_runs_are_read_back_from_their_names() {
        assert_eq!(
            release_of(&release(ReleaseNumber(7))),
            Some(ReleaseNumber(7))
        );
        let run = RunId("20260301T020612-9f3ac1".to_string());
        assert_eq!(run_of(&run_report(&run)), Some(run));
        assert_eq!(release_of(HINT), None);
        assert_eq!(log_entry_of(&log_entry(7)), Some(7));
        assert_eq!(log_entry_of("_kilde/log/x.json"), None);
    }
}
