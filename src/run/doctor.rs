//! Whether the next night can work here: what a build needs, tried one after the other.
//!
//! In: a project that loads. Out: [`Finding`]s, each with what to do. Writes a few objects below `_kilde/` of a lake that
//! exists, and deletes them again; publishes nothing.

use bytes::Bytes;
use chrono::TimeDelta;
use serde::Serialize;

use super::{Runner, observe, tell};
use crate::catalog::Catalog;
use crate::engine::{Abandoned, SpillFolder};
use crate::error::{Error, ErrorKind, Result};
use crate::name::ReleaseNumber;
use crate::project::Notify;
use crate::release::{self, Builder, Lake, LakeStatus, Release, Unfinished};
use crate::store::{self, Store};

/// A clock that is so far off makes exports late that are not.
const CLOCK_MAY_DIFFER: TimeDelta = TimeDelta::seconds(60);
/// Fewer open files at once are too few for a build with many tables.
const FEW_OPEN_FILES: u64 = 1_024;
/// Less free space is as good as none.
const NO_SPACE: u64 = 100_000_000;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Health {
    Ok,
    /// A build works, and somebody should look.
    Warn,
    /// A build would fail.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) health: Health,
    pub(crate) text: String,
    /// What to do.
    pub(crate) help: Option<String>,
    /// Who has to act where it fails.
    #[serde(skip)]
    pub(crate) kind: Option<ErrorKind>,
}

impl Finding {
    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self {
            check,
            health: Health::Ok,
            text: text.into(),
            help: None,
            kind: None,
        }
    }

    fn warn(check: &'static str, text: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            health: Health::Warn,
            help: Some(help.into()),
            ..Self::ok(check, text)
        }
    }

    fn fail(check: &'static str, error: &Error) -> Self {
        Self {
            health: Health::Fail,
            help: error.advice().map(str::to_string),
            kind: Some(error.kind()),
            ..Self::ok(check, error.brief())
        }
    }

    /// What was found, or why it could not be looked at.
    fn of(check: &'static str, found: Result<Self>) -> Self {
        found.unwrap_or_else(|error| Self::fail(check, &error))
    }
}

impl Runner {
    /// Looks at everything that a build needs.
    pub(crate) async fn doctor(&self) -> Vec<Finding> {
        let mut findings = vec![self.project_finding()];
        findings.push(Finding::of("exports", self.exports_finding().await));
        match self.readable_if_exists(self.clock.now()) {
            Ok(Some(catalog)) => findings.extend(self.lake_findings(&catalog).await),
            Ok(None) => findings.push(Finding::ok(
                "lake",
                format!(
                    "there is none yet at {}; the first build makes it",
                    self.project.lake
                ),
            )),
            Err(error) => findings.push(Finding::fail("lake", &error)),
        }
        findings.push(Finding::of("spill", self.spill_finding()));
        findings.extend(open_files_finding());
        if let Some(notify) = &self.project.notify {
            findings.push(webhook_finding(notify).await);
        }
        findings
    }

    fn project_finding(&self) -> Finding {
        let project = &self.project;
        Finding::ok(
            "project",
            format!(
                "{}: {} files, {} tables; kilde {}; time zone {}, IANA {}",
                project.name,
                project.file_count,
                project.tables().count(),
                env!("CARGO_PKG_VERSION"),
                project.time_zone,
                chrono_tz::IANA_TZDB_VERSION,
            ),
        )
    }

    async fn exports_finding(&self) -> Result<Finding> {
        observe::refuse_without_raw(&self.project)?;
        let now = self.clock.now();
        let observation = match self.readable_if_exists(now)? {
            Some(catalog) => match observe::observe(self, &catalog, now).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    return unread_finding("exports", catalog.lake(), error).await;
                }
                observed => observed?,
            },
            None => observe::observe_without_lake(self, now).await?,
        };
        observation.refuse_lost_decisions()?;
        let exports: usize = observation.found.values().map(|found| found.len()).sum();
        let sources = self.project.sources.len();
        let idle = observation.found.values().filter(|found| found.is_empty());
        let idle = idle.count() + sources.saturating_sub(observation.found.len());
        let text = format!(
            "{exports} exports of {sources} sources lie in {}",
            self.project.raw
        );
        Ok(match idle {
            0 => Finding::ok("exports", text),
            n => Finding::warn(
                "exports",
                format!("{text}; {n} sources have none"),
                "`kilde exports` lists what lies there, and what no source matches",
            ),
        })
    }

    async fn lake_findings(&self, catalog: &Catalog) -> Vec<Finding> {
        let lake = catalog.lake();
        let store = lake.store();
        let mut findings = vec![
            Finding::of("rights", self.rights_finding(store).await),
            Finding::of("conditional put", self.probe_finding(store).await),
            Finding::of("clock", self.clock_finding(store).await),
        ];
        let log = match lake.check_identity().await {
            Ok(()) => lake.check_log().await,
            Err(error) => Err(error),
        };
        if let Err(error) = log {
            findings.push(Finding::fail("lake", &error));
            return findings;
        }
        let seen = async { Ok((lake.status().await?, lake.current().await?)) };
        let (status, newest) = match seen.await {
            Ok(seen) => seen,
            Err(error) => {
                let unread = unread_finding("lake", lake, error).await;
                findings.push(Finding::of("lake", unread));
                return findings;
            }
        };
        findings.push(match status.unsettled {
            None => release_finding(&status, newest.as_ref()),
            Some(number) => Finding::of("release", unsettled_finding(lake, number).await),
        });
        findings.push(builder_finding(lake, &status).await);
        findings.push(Finding::of("disk", disk_finding(store, newest.as_ref())));
        if let Some(newest) = newest.filter(|_| status.unsettled.is_none()) {
            findings.push(Finding::of("history", history_finding(lake).await));
            findings.push(Finding::of("files", files_finding(lake, &newest).await));
            let checkpoints = checkpoints_finding(lake, &newest).await;
            findings.push(Finding::of("checkpoints", checkpoints));
            findings.push(Finding::of("foreign", foreign_finding(lake, &newest).await));
            findings.push(Finding::of("records", records_finding(lake, &newest).await));
            findings.push(match self.upkeep_finding(lake, &newest).await {
                // no build needs it
                Err(error) if error.kind() == ErrorKind::Corrupt => Finding::warn(
                    "upkeep",
                    error.brief(),
                    error
                        .advice()
                        .unwrap_or("restore it from a copy of the lake"),
                ),
                found => Finding::of("upkeep", found),
            });
        }
        findings
    }

    fn probe_name(&self) -> String {
        release::probe(self.clock.nonce())
    }

    /// Writes, reads, lists and deletes one object.
    async fn rights_finding(&self, store: &Store) -> Result<Finding> {
        let folder = self.probe_name();
        let path = format!("{folder}/object");
        let may_not = |what: &str, error: Error| match error.kind() {
            // storage that is away refuses no right
            ErrorKind::Unavailable => error,
            kind => Error::new(
                kind,
                format!("kilde may not {what} in {}", store.location()),
            )
            .caused_by(error)
            .help("a build needs to read, write, list and delete there"),
        };
        let content = Bytes::from_static(b"kilde doctor");
        let put = store.put(&path, content.clone()).await;
        put.map_err(|error| may_not("write", error))?;
        let tried = async {
            let read = store.get(&path).await;
            let read = read.map_err(|error| may_not("read", error))?;
            if read.as_ref() != Some(&content) {
                return Err(Error::corrupt("what was written is not what is read back")
                    .at(store.location().to_string()));
            }
            let listed = store.list(&folder).await;
            let listed = listed.map_err(|error| may_not("list", error))?;
            match listed.iter().any(|object| object.path == path) {
                true => Ok(()),
                false => Err(Error::corrupt("what was written is not listed")
                    .at(store.location().to_string())),
            }
        };
        let tried = tried.await;
        let deleted = store.delete(&path).await;
        tried?;
        deleted.map_err(|error| may_not("delete", error))?;
        Ok(Finding::ok(
            "rights",
            format!("read, write, list and delete in {}", store.location()),
        ))
    }

    async fn probe_finding(&self, store: &Store) -> Result<Finding> {
        store.probe(&self.probe_name()).await?;
        Ok(Finding::ok(
            "conditional put",
            "an object is created exactly once among rivals",
        ))
    }

    async fn clock_finding(&self, store: &Store) -> Result<Finding> {
        let path = self.probe_name();
        store.put(&path, Bytes::new()).await?;
        let found = store.head(&path).await;
        store.delete(&path).await?;
        let now = self.clock.now();
        let Some(found) = found? else {
            return Err(Error::corrupt("what was written is gone").at(path));
        };
        let ahead = now - found.modified_at;
        if ahead.abs() <= CLOCK_MAY_DIFFER {
            return Ok(Finding::ok("clock", "this machine and the storage agree"));
        }
        Ok(Finding::warn(
            "clock",
            format!(
                "this machine is {} seconds {} the storage",
                ahead.num_seconds().abs(),
                if ahead > TimeDelta::zero() {
                    "ahead of"
                } else {
                    "behind"
                }
            ),
            "set the clock (NTP): `freshness`, `ready` and `keep` are judged by it",
        ))
    }

    fn spill_finding(&self) -> Result<Finding> {
        let folder = self.resources.spill_dir.clone();
        let folder = folder.unwrap_or_else(std::env::temp_dir);
        let shown = folder.display().to_string();
        let refused = |error| {
            Error::unavailable("the folder for what does not fit into memory cannot be written")
                .at(shown.clone())
                .help("name a writable folder with `--spill-dir`")
                .caused_by(error)
        };
        let probe = folder.join(format!("kilde-doctor-{:016x}", self.clock.nonce()));
        std::fs::create_dir_all(&folder).map_err(refused)?;
        std::fs::write(&probe, b"kilde doctor").map_err(refused)?;
        std::fs::remove_file(&probe).map_err(refused)?;
        let beside = SpillFolder::claim(&folder).map_err(refused)?.abandoned();
        if beside.folders > 0 {
            return Ok(Finding::warn(
                "spill",
                format!("{} of killed builds in {shown}", abandoned_in_words(beside)),
                "the next build or `kilde maintain` removes them; builds that are killed often need more memory or a smaller `--memory-limit`",
            ));
        }
        let Some(free) = store::free_bytes(&folder) else {
            return Ok(Finding::ok("spill", format!("{shown} can be written")));
        };
        let text = format!("{} free in {shown}", bytes_in_words(free));
        Ok(match free < NO_SPACE {
            true => Finding::warn(
                "spill",
                text,
                "free some, or name another folder with `--spill-dir`",
            ),
            false => Finding::ok("spill", text),
        })
    }

    /// Whether releases wait to be retired.
    async fn upkeep_finding(&self, lake: &Lake, newest: &Release) -> Result<Finding> {
        let kept_since = self.project.keep.before(self.clock.now());
        let oldest = lake.oldest_seen_since(newest, kept_since).await?;
        let declared = lake.declared_below().await?;
        let floor = declared.0.max(1);
        let told = match lake.told_retired().await {
            Err(error) if error.kind() == ErrorKind::Corrupt => None,
            told => Some(told?),
        };
        if told != Some(declared) {
            return Ok(Finding::warn(
                "upkeep",
                format!(
                    "releases before {floor} are no longer kept, and `_kilde/retired.json` does not say so: a maintenance did not end, or the file was changed"
                ),
                "`kilde maintain` goes on with it, and writes the file again",
            ));
        }
        let keep = &self.project.keep;
        Ok(match oldest.0.saturating_sub(floor) {
            0..=30 => Finding::ok(
                "upkeep",
                format!(
                    "releases {floor} to {} can be read; kept for {keep}",
                    newest.number
                ),
            ),
            n => Finding::warn(
                "upkeep",
                format!("{n} releases are older than `keep` ({keep})"),
                "`kilde maintain` gives their space back",
            ),
        })
    }
}

fn release_finding(status: &LakeStatus, newest: Option<&Release>) -> Finding {
    let Some(newest) = newest else {
        return Finding::ok("release", "none yet: `kilde build` publishes the first");
    };
    if let Some(pause) = &status.pause {
        return Finding::warn(
            "release",
            format!(
                "release {} pauses the lake: {}",
                pause.release, pause.reason
            ),
            "`kilde resume` lets builds go on",
        );
    }
    match newest.held.len() {
        0 => Finding::ok(
            "release",
            format!(
                "release {}, {} tables",
                newest.number,
                newest.tables_of_project().count()
            ),
        ),
        n => Finding::warn(
            "release",
            format!(
                "release {} holds {n} tables at older versions",
                newest.number
            ),
            "`kilde status` says which, and why",
        ),
    }
}

/// What keeps the newest release from being looked at stops no build where a decided one takes its place.
async fn unread_finding(check: &'static str, lake: &Lake, error: Error) -> Result<Finding> {
    match lake.unfinished().await? {
        Some(Unfinished {
            obstacle: None,
            number,
            ..
        }) if error.kind() == ErrorKind::Corrupt => Ok(Finding::warn(
            check,
            error.brief(),
            format!("build: release {number} is decided, and does not need it"),
        )),
        _ => Err(error),
    }
}

/// Whether whoever comes next finishes a decided release, or nobody can.
async fn unsettled_finding(lake: &Lake, number: ReleaseNumber) -> Result<Finding> {
    match lake.unfinished().await? {
        Some(Unfinished {
            obstacle: Some(error),
            ..
        }) => Err(error),
        Some(unfinished) => {
            lake.check_carried(&unfinished).await?;
            Ok(Finding::warn(
                "release",
                format!("release {number} is decided and not yet seen by readers"),
                "build: the next command that writes finishes it",
            ))
        }
        None => Ok(Finding::ok(
            "release",
            format!("release {number} was published just now"),
        )),
    }
}

async fn builder_finding(lake: &Lake, status: &LakeStatus) -> Finding {
    let Some(open) = &status.open_claim else {
        return Finding::ok("builder", "nobody holds the lake");
    };
    let since = open.since.format("%Y-%m-%d %H:%M UTC");
    match lake.builder(open).await {
        Ok(Builder::AtWork) => Finding::ok(
            "builder",
            format!("run {} is at work since {since}", open.run),
        ),
        Ok(Builder::Dead) => Finding::warn(
            "builder",
            format!("run {} began {since} and died", open.run),
            "nothing to do: the next build takes over",
        ),
        Ok(Builder::Unknown) => Finding::warn(
            "builder",
            format!(
                "run {} holds the lake since {since}: at work, or dead",
                open.run
            ),
            "the next build takes over where it gives no sign of life for 30 seconds",
        ),
        Err(error) => Finding::fail("builder", &error),
    }
}

/// A rebuild of everything writes as much as the newest release holds.
fn disk_finding(store: &Store, newest: Option<&Release>) -> Result<Finding> {
    let Some(folder) = store.location().folder() else {
        return Ok(Finding::ok(
            "disk",
            "storage without an end that could be seen",
        ));
    };
    let Some(free) = store::free_bytes(folder) else {
        return Ok(Finding::ok("disk", "the system does not tell what is free"));
    };
    let tables = newest
        .into_iter()
        .flat_map(|release| release.tables.values());
    let size: u64 = tables.map(|entry| entry.facts.bytes).sum();
    let text = format!(
        "{} free, the newest release has {}",
        bytes_in_words(free),
        bytes_in_words(size)
    );
    if free < NO_SPACE {
        return Err(Error::unavailable(format!("the disk is full: {text}"))
            .at(folder.display().to_string())
            .help("free some space: `kilde maintain --dry-run` says what could go"));
    }
    Ok(match free < size {
        true => Finding::warn(
            "disk",
            text,
            "a rebuild of everything would not fit: free some space, `kilde maintain` helps",
        ),
        false => Finding::ok("disk", text),
    })
}

async fn files_finding(lake: &Lake, newest: &Release) -> Result<Finding> {
    let files = lake.check_whole(newest).await?;
    let text = format!("all {files} files of release {} are there", newest.number);
    Ok(Finding::ok("files", text))
}

/// kilde goes past them, so that nobody but other readers of the tables would notice.
async fn checkpoints_finding(lake: &Lake, newest: &Release) -> Result<Finding> {
    let misleading = lake.misleading(newest).await?;
    let Some((_, first)) = misleading.first() else {
        return Ok(Finding::ok(
            "checkpoints",
            "other readers can open every table",
        ));
    };
    let count: usize = misleading.iter().map(|(_, paths)| paths.len()).sum();
    Ok(Finding::warn(
        "checkpoints",
        format!(
            "other readers stumble over {count} objects of tables' logs, the first {}",
            first.first().map_or("", String::as_str)
        ),
        "no table needs them: `kilde maintain` deletes them",
    ))
}

/// What a build reads of the lake log was looked at before: the rest is told, and stops nobody.
async fn history_finding(lake: &Lake) -> Result<Finding> {
    match lake.check_history().await {
        Ok(()) => Ok(Finding::ok(
            "history",
            "every entry of the lake log is there",
        )),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Finding::warn(
            "history",
            error.brief(),
            "restore `_kilde/log` from a copy of the lake; builds go on without it, since the newest entries say what all before them come to",
        )),
        Err(error) => Err(error),
    }
}

/// Builds need the newest record alone; time travel, rollback and upkeep need those of all that are kept.
async fn records_finding(lake: &Lake, newest: &Release) -> Result<Finding> {
    let lost = lake.lost_records(newest).await?;
    let Some(first) = lost.first() else {
        return Ok(Finding::ok("records", "every kept release has its record"));
    };
    Ok(Finding::warn(
        "records",
        format!(
            "the records of {} kept releases are gone or cannot be read, the first of release {first}",
            lost.len()
        ),
        "restore `_kilde/releases` from a copy of the lake: without them these releases cannot be read, nor `kilde maintain` give space back until they are older than `keep`",
    ))
}

async fn foreign_finding(lake: &Lake, newest: &Release) -> Result<Finding> {
    let commits = lake.foreign_commits(newest).await?;
    let mut changes = commits.iter().filter(|(_, commit)| !commit.is_neutral());
    if let Some((table, commit)) = changes.next() {
        return Err(Error::corrupt(format!(
            "`{table}` was changed at version {} by {}: the next build stops",
            commit.version,
            commit.tool.as_deref().unwrap_or("an unknown tool"),
        ))
        .help("see docs/releases.md, foreign writers"));
    }
    Ok(match commits.len() {
        0 => Finding::ok("foreign", "no other tool wrote to a table"),
        n => Finding::ok(
            "foreign",
            format!("{n} commits of other tools that only compact; they are followed"),
        ),
    })
}

/// `None` where the system does not tell.
fn open_files_finding() -> Option<Finding> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    Some(match soft.parse::<u64>() {
        Ok(files) if files < FEW_OPEN_FILES => Finding::warn(
            "open files",
            format!("at most {files} at once"),
            "raise the limit: `ulimit -n 4096`, or LimitNOFILE= of the service",
        ),
        _ => Finding::ok("open files", format!("at most {soft} at once")),
    })
}

/// Nothing is sent.
async fn webhook_finding(notify: &Notify) -> Finding {
    let reached = async {
        let address = tell::address(notify)?;
        crate::notify::reach(&address).await
    };
    match reached.await {
        Ok(host) => Finding::ok("webhook", format!("{host} answers; nothing was sent")),
        // a build does not fail for it
        Err(error) => Finding::warn(
            "webhook",
            error.brief(),
            error
                .advice()
                .unwrap_or("mend it where builds run, or nobody is told of a bad night")
                .to_string(),
        ),
    }
}

/// Removes what killed builds left in the spill folder: their retries would fill the disk.
pub(super) fn tidy_spill_folder(catalog: &Catalog) {
    let removed = catalog.engine().remove_abandoned();
    if removed.folders > 0 {
        let removed = abandoned_in_words(removed);
        tracing::info!("removed {removed} of killed builds from the spill folder");
    }
}

fn abandoned_in_words(found: Abandoned) -> String {
    let folders = match found.folders {
        1 => "1 folder".to_string(),
        n => format!("{n} folders"),
    };
    format!("{folders} ({})", bytes_in_words(found.bytes))
}

/// `41.2 GB`, in thousands as storage is sold.
fn bytes_in_words(bytes: u64) -> String {
    match bytes as f64 {
        size if size >= 1e12 => format!("{:.1} TB", size / 1e12),
        size if size >= 1e9 => format!("{:.1} GB", size / 1e9),
        size => format!("{:.1} MB", size / 1e6),
    }
}
