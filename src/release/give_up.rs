//! A decided release that can never be finished, given up: its number then stands for what the release before it holds.
//!
//! ```text
//! decided, a part of it lost ──▶ releases/<n> = the tables of n-1, put if absent ──▶ n+1 puts back what tables' logs show of n
//! ```
//!
//! Whoever still carries the release out competes for that one name: either its release stands and nothing is given up, or it
//! finds that it was given up and never reports it. What it put, or still puts, into tables' logs counts as nothing: no
//! release pins it, and the next one that is published puts those tables back.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};

use super::claim::Claim;
use super::create::{Creation, create};
use super::foreign::restore_or_rebuild;
use super::lake::{Hint, Lake};
use super::log::{self, Event, PublishInLog};
use super::map::{Release, StagedMap, TableKind};
use super::stage::{AT_ONCE, StagedBytes};
use super::table_log::TableState;
use super::{json, layout};
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, TableName};

/// What its caller gives up, where nobody can finish it.
#[derive(Clone, Debug)]
pub(crate) struct GiveUp {
    /// The decided release.
    pub(crate) number: ReleaseNumber,
    /// Tables that are made anew at once: what the release before holds of them may be lost too.
    pub(crate) anew: BTreeSet<TableName>,
}

impl GiveUp {
    /// The release, with nothing made anew.
    #[cfg(test)]
    pub(super) fn of(number: u64) -> Self {
        Self {
            number: ReleaseNumber(number),
            anew: BTreeSet::new(),
        }
    }
}

/// A decided release that no reader sees yet.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) number: ReleaseNumber,
    /// Why nobody can finish it; `None`: the next command that writes does.
    pub(crate) obstacle: Option<Error>,
    /// Where nobody can: the tables that the release before it has lost too.
    pub(crate) lost_before: BTreeSet<TableName>,
    /// What it would be, where that is not lost.
    map: Option<StagedMap>,
}

/// What a table of an unfinished release would hold.
#[derive(Debug)]
pub(crate) enum Planned {
    /// What the release before holds.
    AsBefore,
    Content(Box<TableState>),
    /// Nothing tells any more.
    Unknown,
}

impl Release {
    /// Whether its number stands for what the release before it holds.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.contains(&self.number)
    }
}

impl Lake {
    /// The decided release that readers do not see, and whether all is there to finish it; `None`: there is no such release.
    /// Writes nothing.
    ///
    /// # Errors
    /// Of storage; `Corrupt` where the lake log cannot be read.
    pub(crate) async fn unfinished(&self) -> Result<Option<Unfinished>> {
        self.check_identity().await?;
        let view = self.log().await?;
        let Some(publish) = view.last_publish() else {
            return Ok(None);
        };
        if self.find_release(publish.number).await?.is_some() {
            return Ok(None);
        }
        let (map, obstacle) = match self.staged_map(publish, &StagedBytes::new()).await {
            Err(error) => (None, Some(error)),
            Ok(map) => {
                let checked = self.check_parts(&map.release, &map.commits).await;
                (Some(map), checked.err())
            }
        };
        let mut unfinished = Unfinished {
            number: publish.number,
            obstacle: None,
            lost_before: BTreeSet::new(),
            map,
        };
        match obstacle {
            None => {}
            Some(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            // somebody finished it meanwhile, and tidied
            Some(_) if self.find_release(publish.number).await?.is_some() => return Ok(None),
            Some(error) => {
                let error = self.or_lost_record(publish.number, error).await;
                let (error, lost) = self.with_way_out(publish.number, error).await?;
                unfinished.obstacle = Some(error);
                unfinished.lost_before = lost;
            }
        }
        Ok(Some(unfinished))
    }

    /// Looks at the tables that an unfinished release carries over: nobody looks at them to finish it.
    ///
    /// # Errors
    /// `Corrupt` naming the first that cannot be read whole.
    pub(crate) async fn check_carried(&self, unfinished: &Unfinished) -> Result<()> {
        let Some(map) = &unfinished.map else {
            return Ok(());
        };
        let mut carried = map.release.clone();
        carried
            .tables
            .retain(|name, _| !map.commits.contains_key(name));
        let (_, lost) = self.as_readable(carried, &BTreeSet::new()).await?;
        let names: Vec<&TableName> = lost.iter().map(|(name, _)| name).collect();
        let help = restore_or_rebuild(&names);
        match lost.into_iter().next() {
            None => Ok(()),
            Some((_, first)) => Err(first.help(help)),
        }
    }

    /// The release as it can be read: a table whose files others vacuumed, once they had compacted it, at the version that has the
    /// same rows. And the tables that cannot be read at all, each with why; but for those `anew`, which nobody needs.
    async fn as_readable(
        &self,
        mut release: Release,
        anew: &BTreeSet<TableName>,
    ) -> Result<(Release, Vec<(TableName, Error)>)> {
        let wanted = release.tables.iter().filter(|(name, entry)| {
            entry.kind == TableKind::Table && entry.version.is_some() && !anew.contains(*name)
        });
        let looks: Vec<(TableName, Result<u64>)> = stream::iter(wanted)
            .map(|(name, entry)| async move {
                let pinned = entry.version.unwrap_or_default();
                let found = self.readable_at(name, &entry.location, pinned).await;
                (name.clone(), found)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut lost = Vec::new();
        for (name, look) in looks {
            match look {
                Ok(version) => {
                    let entry = release.tables.get_mut(&name);
                    let moved = entry.filter(|entry| entry.version != Some(version));
                    if let Some(entry) = moved {
                        entry.version = Some(version);
                        release.changed.push(name);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => lost.push((name, error)),
                Err(error) => return Err(error),
            }
        }
        Ok((release, lost))
    }

    /// The newest release that readers see, as it can be read; and what of it is lost.
    async fn before(
        &self,
        anew: &BTreeSet<TableName>,
    ) -> Result<Option<(Release, Vec<(TableName, Error)>)>> {
        let Some(mut before) = self.current().await? else {
            return Ok(None);
        };
        before.changed = Vec::new();
        self.as_readable(before, anew).await.map(Some)
    }

    /// Why a release cannot be finished, with an advice that can be followed, and the tables that the release which would stand in
    /// its place has lost too.
    pub(super) async fn with_way_out(
        &self,
        number: ReleaseNumber,
        error: Error,
    ) -> Result<(Error, BTreeSet<TableName>)> {
        // no word of ours undoes a raised protocol
        if error.kind() != ErrorKind::Corrupt || error.number() == Some(Code(711)) {
            return Ok((error, BTreeSet::new()));
        }
        let Some((before, lost)) = self.before(&BTreeSet::new()).await? else {
            // the first release has none before it that would stand in its place
            let error = match number.0 {
                0 | 1 => error,
                _ => error.help(NO_RECORD_LEFT),
            };
            return Ok((error, BTreeSet::new()));
        };
        let error = match lost.is_empty() {
            true => error,
            false => error.help(way_back(number, &before, &lost)),
        };
        Ok((error, lost.into_iter().map(|(table, _)| table).collect()))
    }

    /// What a table would hold in an unfinished release, after `before`. Looks only whether the log tells it: files may be gone.
    ///
    /// # Errors
    /// Of storage.
    pub(crate) async fn planned(
        &self,
        unfinished: &Unfinished,
        table: &TableName,
        before: Option<&Release>,
    ) -> Result<Planned> {
        let pinned = before.and_then(|before| before.tables.get(table)?.version);
        let known = match &unfinished.map {
            Some(map) => match map.commits.get(table) {
                None => return Ok(Planned::AsBefore),
                Some(commit) => self.planned_by(table, commit, &map.release).await,
            },
            None => self.committed(unfinished.number, table, pinned).await,
        };
        match known {
            Ok(Some(state)) => Ok(Planned::Content(Box::new(state))),
            Ok(None) => Ok(Planned::Unknown),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Planned::Unknown),
            Err(error) => Err(error),
        }
    }

    /// What the log of a table shows of a release, from the version after `pinned` on.
    async fn committed(
        &self,
        number: ReleaseNumber,
        table: &TableName,
        pinned: Option<u64>,
    ) -> Result<Option<TableState>> {
        let location = table.location();
        let first = pinned.map_or(0, |pinned| pinned + 1);
        for version in first.. {
            let Some(commit) = self.tables.commit(&location, version).await? else {
                break;
            };
            if commit.release == Some(number) {
                return self.tables.state(&location, version).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Whether builds still waited, after a rollback, when a later release was decided.
    async fn is_paused_at(&self, base: &Release, publish: &PublishInLog) -> Result<bool> {
        if base.hold.is_none() {
            return Ok(false);
        }
        let between = (publish.sequence - base.sequence).saturating_sub(1) as usize;
        let entries = log::read_after(&self.store, base.sequence).await?;
        let mut between = entries.iter().take(between);
        Ok(!between.any(|entry| entry.event == Event::Resume))
    }
}

impl Claim {
    /// Puts what the release before holds in the place of one that cannot be finished. Gives what readers see under its number
    /// from here on: somebody else may have finished it after all.
    ///
    /// # Errors
    /// `Conflict` where a rival took over; `Corrupt` where the release before cannot be read either.
    pub(super) async fn give_up(
        &mut self,
        publish: &PublishInLog,
        anew: &BTreeSet<TableName>,
        obstacle: &Error,
    ) -> Result<Release> {
        let number = publish.number;
        let before = match self.lake.before(anew).await? {
            Some((before, lost)) => {
                if let Some((_, first)) = lost.first() {
                    return Err(no_way_back(number, &before, first, &lost));
                }
                Some(before)
            }
            None if number.0 > 1 => return Err(no_record(ReleaseNumber(number.0 - 1))),
            None => None,
        };
        tracing::warn!("release {number} is given up: {}", obstacle.brief());
        let mut release = match &before {
            Some(before) => before.clone(),
            None => self.next_release(),
        };
        if let Some(before) = &before
            && !self.lake.is_paused_at(before, publish).await?
        {
            (release.hold, release.rollback_of) = (None, None);
        }
        if let Some(to) = publish.rollback_of {
            // what it was to take back stands: the next build must not go on as if nobody had said so
            release.hold = Some(format!(
                "a rollback to release {to} could not be finished and was given up"
            ));
            release.rollback_of = None;
        }
        // those between are lost with their records
        let first = before.as_ref().map_or(0, |before| before.number.0) + 1;
        release
            .given_up
            .extend((first..=number.0).map(ReleaseNumber));
        release.format = log::FORMAT;
        release.number = number;
        release.previous = before.map(|before| before.number);
        release.run = self.run.clone();
        release.claim = self.number;
        release.sequence = publish.sequence;
        release.published_at = publish.at;
        release.counts = BTreeMap::new();
        release.overruled = Vec::new();
        self.ensure_not_fenced().await?;
        let path = layout::release(number);
        let stands = match create(&self.lake.store, &path, &json::to_bytes(&release)?).await? {
            Creation::Ours => release,
            Creation::Theirs(bytes) => {
                log::read_versioned(&path, &bytes, |release: &Release| release.format)?
            }
        };
        self.lake.store.barrier(&[path]).await?;
        let hint = Hint {
            sequence: publish.sequence,
            release: number,
        };
        // it only tells where to look first
        if let Err(error) = self
            .lake
            .store
            .put(layout::HINT, json::to_bytes(&hint)?)
            .await
        {
            tracing::debug!("the hint stays: {}", error.brief());
        }
        Ok(stands)
    }
}

/// What helps where not one record is left.
const NO_RECORD_LEFT: &str = "restore `_kilde/releases` from a copy of the lake: no record of any release is left, and nothing else says which version of each table readers see; where there is no copy, name an empty place as `lake` in kilde.yaml: every export that lies in `raw` is read again there";

fn no_record(number: ReleaseNumber) -> Error {
    Error::corrupt(format!("the record of release {number} is missing"))
        .code(Code(714))
        .at(layout::release(number))
        .help("restore it from a copy of the lake: it says which version of each table readers see")
}

/// What stands in the way of giving a release up.
fn no_way_back(
    number: ReleaseNumber,
    before: &Release,
    first: &Error,
    lost: &[(TableName, Error)],
) -> Error {
    let error = Error::corrupt(format!(
        "release {number} cannot be given up like this, since release {} would stand for it and cannot be read either: {first}",
        before.number
    ))
    .code(first.number().unwrap_or(Code(714)))
    .help(way_back(number, before, lost));
    match first.location() {
        Some(place) => error.at(place),
        None => error,
    }
}

/// What to type where the release before an unfinished one has lost tables too.
fn way_back(number: ReleaseNumber, before: &Release, lost: &[(TableName, Error)]) -> String {
    let flags = lost.iter().map(|(table, _)| format!(" --rebuild {table}"));
    format!(
        "restore what is missing from a copy of the lake; where there is no copy, `kilde build --give-up {number}{}` gives the release up and makes anew what release {} has lost too",
        flags.collect::<String>(),
        before.number
    )
}

/// What becomes of whoever carried it out.
pub(super) fn given_up(number: ReleaseNumber) -> Error {
    Error::conflict(format!(
        "release {number} was given up by another run, since a part of it was lost"
    ))
    .code(GIVEN_UP)
    .help("readers see nothing of it: build again")
}

const GIVEN_UP: Code = Code(730);

/// Whether a run ended because somebody gave its release up.
pub(super) fn was_given_up(error: &Error) -> bool {
    error.number() == Some(GIVEN_UP)
}

#[cfg(test)]
mod tests {
    use super::super::Boundary;
    use super::super::fixture::{Fixture, table};
    use super::super::{Claim, RollbackRequest, TableLog};
    use super::*;

    /// A release of two tables stands, the next one of both is decided, and its builder died after that boundary.
    async fn decided(boundary: Boundary) -> Fixture {
        let fixture = Fixture::new();
        let first = [("gold.a", "a1"), ("gold.b", "b1")];
        fixture.build(&first).await.unwrap();
        let lake = fixture.stopping_at(boundary);
        let mut claim = lake.claim(&fixture.run_id()).await.unwrap();
        let second = [("gold.a", "a2"), ("gold.b", "b2"), ("gold.new", "n2")];
        let request = fixture.request(&claim, &second).await.unwrap();
        claim.stage_and_publish(request).await.unwrap_err();
        fixture
    }

    async fn delete(fixture: &Fixture, is_meant: impl Fn(&str) -> bool) {
        let paths = fixture.paths().await;
        let path = paths.iter().find(|path| is_meant(path)).unwrap();
        fixture.lake.store().delete(path).await.unwrap();
    }

    fn is_candidate(path: &str) -> bool {
        path.starts_with("gold/b/00000000000000000003-")
    }

    async fn given_up(fixture: &Fixture) -> Claim {
        let (run, second) = (fixture.run_id(), GiveUp::of(2));
        let claiming = fixture.lake.claim_giving_up(&run, Some(&second));
        claiming.await.unwrap()
    }

    #[tokio::test]
    async fn a_release_with_a_lost_part_is_not_finished_and_its_error_names_part_and_way_out() {
        let entry = "gold/b/_delta_log/00000000000000000000.json";
        for (code, lost, what) in [
            (
                "K0710",
                "gold/b/00000000000000000003-",
                "a file of `gold.b` is missing",
            ),
            ("K0714", "/gold.b.json", "a staged object"),
            ("K0714", "/map.json", "a staged object"),
            ("K0714", entry, "`gold.b`"),
        ] {
            let fixture = decided(Boundary::AfterPublishEntry).await;
            delete(&fixture, |path| path.contains(lost)).await;
            // what was read before a restart is not known any more
            let fresh = fixture.reopened();
            let unfinished = fresh.unfinished().await.unwrap().unwrap();
            assert!(unfinished.obstacle.is_some(), "{what}");
            for _ in 0..2 {
                let error = fresh.claim(&fixture.run_id()).await.unwrap_err();
                let text = error.render();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
                for part in [code, what, "release 2 is decided", "--give-up 2"] {
                    assert!(text.contains(part), "{part}: {text}");
                }
            }
            let newest = fixture.lake.current().await.unwrap().unwrap();
            assert_eq!(newest.number.0, 1);
            // nothing of it is shown while a part is lost
            assert_eq!(fixture.tables.head("gold/a", None).await.unwrap(), Some(0));
        }
    }

    #[tokio::test]
    async fn a_release_that_stood_and_lost_its_record_says_so() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        fixture.build(&[("gold.a", "a2")]).await.unwrap();
        let record = layout::release(ReleaseNumber(2));
        fixture.lake.store().delete(&record).await.unwrap();
        let text = fixture.claim().await.unwrap_err().render();
        assert!(
            text.contains(&record) && text.contains("--give-up 2"),
            "{text}"
        );
        let unfinished = fixture.lake.unfinished().await.unwrap().unwrap();
        assert_eq!(
            unfinished.obstacle.unwrap().location(),
            Some(record.as_str())
        );
        let claim = given_up(&fixture).await;
        assert_eq!(
            fixture.contents(claim.base().unwrap()).await["gold.a"].len(),
            1
        );
        assert!(fixture.contents(claim.base().unwrap()).await["gold.a"].contains("a1"));
    }

    /// As a disk leaves it that was full.
    #[tokio::test]
    async fn a_record_that_cannot_be_read_is_moved_away_and_given_up() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        fixture.build(&[("gold.a", "a2")]).await.unwrap();
        let record = layout::release(ReleaseNumber(2));
        fixture.lake.store().put(&record, "".into()).await.unwrap();
        let text = fixture.claim().await.unwrap_err().render();
        assert!(text.contains("move it out of the lake"), "{text}");
        fixture.lake.store().delete(&record).await.unwrap();
        let claim = given_up(&fixture).await;
        assert!(fixture.contents(claim.base().unwrap()).await["gold.a"].contains("a1"));
    }

    /// What would stand in its place is looked at too; and where others compacted it, it is read there.
    #[tokio::test]
    async fn a_release_is_not_given_up_for_one_that_cannot_be_read() {
        let fixture = decided(Boundary::AfterPublishEntry).await;
        delete(&fixture, is_candidate).await;
        let of_first = |path: &str| path.starts_with("gold/a/00000000000000000001-");
        delete(&fixture, of_first).await;
        let (run, second) = (fixture.run_id(), GiveUp::of(2));
        let claiming = fixture.lake.claim_giving_up(&run, Some(&second));
        let text = claiming.await.unwrap_err().render();
        assert!(text.contains("--give-up 2 --rebuild gold.a`"), "{text}");
        assert_eq!(fixture.lake.current().await.unwrap().unwrap().number.0, 1);
        let anew = GiveUp {
            anew: BTreeSet::from([table("gold.a")]),
            ..second
        };
        let claiming = fixture.lake.claim_giving_up(&run, Some(&anew));
        assert!(claiming.await.unwrap().base().unwrap().is_given_up());
    }

    #[tokio::test]
    async fn a_table_that_shows_a_decided_release_without_its_files_is_not_called_published() {
        let fixture = decided(Boundary::BeforeRelease).await;
        delete(&fixture, is_candidate).await;
        let text = fixture.claim().await.unwrap_err().render();
        assert!(text.contains("K0710") && text.contains("gold/b/"), "{text}");
        assert_eq!(fixture.lake.current().await.unwrap().unwrap().number.0, 1);
    }

    #[tokio::test]
    async fn a_release_that_is_given_up_holds_what_the_one_before_does_and_the_next_puts_tables_back()
     {
        let fixture = decided(Boundary::BeforeRelease).await;
        delete(&fixture, is_candidate).await;
        let mut claim = given_up(&fixture).await;
        let second = claim.base().unwrap().clone();
        assert!(second.is_given_up() && claim.has_settled());
        let first = fixture.lake.release(ReleaseNumber(1)).await.unwrap();
        assert_eq!(second.tables, first.tables);
        assert_eq!(fixture.lake.current().await.unwrap(), Some(second));
        let new = [("gold.new", "n3")];
        let request = fixture.request(&claim, &new).await.unwrap();
        let third = claim.stage_and_publish(request).await.unwrap();
        let contents = fixture.contents(&third).await;
        let held = |name: &str| contents[name].first().unwrap().as_str();
        assert_eq!(
            (held("gold.a"), held("gold.b"), held("gold.new")),
            ("a1", "b1", "n3")
        );
        // whoever does not pin sees the same
        for (name, entry) in &third.tables {
            let head = fixture.tables.head(&entry.location, None).await.unwrap();
            assert_eq!(head, entry.version, "{name}");
        }
        assert!(third.overruled.is_empty());
        fixture.build(&[("gold.a", "a4")]).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_carries_out_what_was_given_up_never_reports_it() {
        let fixture = decided(Boundary::AfterPublishEntry).await;
        let view = fixture.lake.log().await.unwrap();
        let publish = view.last_publish().unwrap().clone();
        // it was read before a part was lost
        let map = fixture
            .lake
            .store()
            .get(&publish.map)
            .await
            .unwrap()
            .unwrap();
        let known: StagedMap = serde_json::from_slice(&map).unwrap();
        let mut staged = StagedBytes::from([(publish.map.clone(), map)]);
        for commit in known.commits.values() {
            let bytes = fixture.lake.store().get(&commit.staged).await.unwrap();
            staged.insert(commit.staged.clone(), bytes.unwrap());
        }
        delete(&fixture, |path| path.ends_with("/map.json")).await;
        let mut claim = given_up(&fixture).await;
        let error = fixture.lake.settle(&publish, &staged).await.unwrap_err();
        assert!(was_given_up(&error), "{}", error.render());
        // and what it wrote into the logs is gone over, also of the table that only it knew
        let request = fixture
            .request(&claim, &[("gold.new", "n3")])
            .await
            .unwrap();
        let third = claim.stage_and_publish(request).await.unwrap();
        let contents = fixture.contents(&third).await;
        assert_eq!(contents["gold.a"].first().unwrap(), "a1");
        assert_eq!(contents["gold.new"].len(), 1);
        assert!(contents["gold.new"].contains("n3"));
        let late = fixture.lake.settle(&publish, &staged).await.unwrap_err();
        assert!(was_given_up(&late), "{}", late.render());
        let head = fixture.tables.head("gold/a", None).await.unwrap();
        assert_eq!(head, third.tables[&table("gold.a")].version);
    }

    /// Else the next build would publish again what somebody took back.
    #[tokio::test]
    async fn builds_wait_after_a_rollback_that_was_given_up() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        fixture.build(&[("gold.a", "a2")]).await.unwrap();
        let lake = fixture.stopping_at(Boundary::AfterPublishEntry);
        let mut claim = lake.claim(&fixture.run_id()).await.unwrap();
        let request = RollbackRequest {
            to: ReleaseNumber(1),
            reason: "wrong prices".to_string(),
            writes: BTreeMap::new(),
            counts: BTreeMap::new(),
        };
        claim.rollback(request).await.unwrap_err();
        // nothing else tells what the release was to be
        delete(&fixture, |path| path.ends_with("/map.json")).await;
        let (run, third) = (fixture.run_id(), GiveUp::of(3));
        let claiming = fixture.lake.claim_giving_up(&run, Some(&third));
        let claim = claiming.await.unwrap();
        let pause = claim.pause().unwrap();
        assert!(
            pause.reason.contains("a rollback to release 1"),
            "{}",
            pause.reason
        );
        let held = fixture.contents(claim.base().unwrap()).await;
        assert!(held["gold.a"].contains("a2"));
    }

    #[tokio::test]
    async fn a_release_that_can_be_finished_is_not_given_up() {
        let fixture = decided(Boundary::AfterPublishEntry).await;
        let unfinished = fixture.lake.unfinished().await.unwrap().unwrap();
        assert!(unfinished.obstacle.is_none());
        let claim = given_up(&fixture).await;
        let second = claim.base().unwrap();
        assert!(!second.is_given_up() && second.table(&table("gold.new")).is_some());
        assert!(fixture.lake.unfinished().await.unwrap().is_none());
    }
}
