//! An older release published again as a new one: history goes on, nothing is undone in place.

use std::collections::BTreeSet;

use super::claim::Claim;
use super::maintain;
use super::map::{Release, RollbackClass, TableEntry, TableKind};
use super::request::RollbackRequest;
use super::stage::{Draft, DraftCommit, Overrules};
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, TableName};

impl Claim {
    /// Publishes the content of an older release (or of the newest again, over foreign changes) and pauses the lake:
    /// builds wait until [`Claim::resume`]. Tables of class `keeps` stay as they are; those named in
    /// [`RollbackRequest::writes`] become what the caller wrote; tables that came later are retired.
    ///
    /// # Errors
    /// `Config` K0713 where the release does not exist, K0717 where it was retired; `Corrupt` where a file of it is missing; else as
    /// [`Claim::stage_and_publish`].
    pub(crate) async fn rollback(&mut self, request: RollbackRequest) -> Result<Release> {
        let draft = self.draft_rollback(request).await;
        let draft = self.unless_fenced(draft).await?;
        let published = self.publish(draft).await;
        published.map_err(|error| match error.number() {
            Some(Code(710)) => error.help(
                "restore it from a copy of the lake, or roll back to a release that does not need it: `kilde releases` lists them",
            ),
            _ => error,
        })
    }

    async fn draft_rollback(&mut self, request: RollbackRequest) -> Result<Draft> {
        let to = self.rollback_target(request.to).await?;
        let mut draft = Draft {
            release: self.next_release(),
            commits: std::collections::BTreeMap::new(),
            overrules: Overrules::All,
            anew: BTreeSet::new(),
            drifts: std::collections::BTreeMap::new(),
        };
        draft.release.project = to.project.clone();
        draft.release.as_of = to.as_of.clone();
        draft.release.rollback_of = Some(to.number);
        draft.release.hold = Some(request.reason);
        draft.release.held = to.held.clone();
        draft.release.counts = request.counts;
        let names: BTreeSet<TableName> = to
            .tables
            .keys()
            .chain(draft.release.tables.keys())
            .cloned()
            .collect();
        for name in names {
            if !request.writes.contains_key(&name) {
                self.take_back(&name, to.tables.get(&name), &mut draft)
                    .await?;
            }
        }
        for (name, write) in request.writes {
            self.apply(name, super::TableChange::Write(write), &mut draft)
                .await?;
        }
        draft.release.changed.sort();
        draft.release.overruled.sort();
        Ok(draft)
    }

    async fn rollback_target(&self, number: ReleaseNumber) -> Result<Release> {
        let floor = self.floors().releases_below;
        if number < floor {
            return Err(maintain::retired(number, floor));
        }
        self.lake.release(number).await
    }

    async fn take_back(
        &mut self,
        name: &TableName,
        then: Option<&TableEntry>,
        draft: &mut Draft,
    ) -> Result<()> {
        let now = draft.release.tables.get(name).cloned();
        let class = now.as_ref().or(then).map(|entry| entry.facts.rollback);
        if class == Some(RollbackClass::Keeps) && now.is_some() {
            return Ok(());
        }
        match (then, now) {
            (Some(then), now) if then.kind == TableKind::Table => {
                self.take_table_back(name, then, now.as_ref(), draft)
                    .await?;
            }
            (Some(then), _) if then.kind == TableKind::View => {
                draft.release.tables.insert(name.clone(), then.clone());
            }
            (_, Some(mut now)) if now.kind != TableKind::Retired => {
                now.kind = TableKind::Retired;
                draft.release.tables.insert(name.clone(), now);
                draft.release.changed.push(name.clone());
            }
            _ => {}
        }
        Ok(())
    }

    /// Brings a table to the content of an entry, over whatever others made of it.
    pub(super) async fn take_table_back(
        &mut self,
        name: &TableName,
        then: &TableEntry,
        now: Option<&TableEntry>,
        draft: &mut Draft,
    ) -> Result<()> {
        let Some((version, now)) = then.version.zip(now) else {
            return Err(gone(name, then));
        };
        if now.location != then.location {
            return Err(gone(name, then));
        }
        let head = self
            .overruled_head(name, &then.location, now.version, draft)
            .await?;
        let head = head.ok_or_else(|| gone(name, then))?;
        let wanted = self.lake.tables.state(&then.location, version).await;
        // one that left the project and came back has another id, and its log the one of then; one that was lost has not
        let is_another = now.table_id != then.table_id;
        let wanted = match wanted {
            Err(error) if is_another && error.kind() == ErrorKind::Corrupt => {
                return Err(gone(name, then).caused_by(error.to_string()));
            }
            wanted => wanted?,
        };
        let id_of_then = self.lake.tables.table_id(&wanted.definition);
        if is_another && id_of_then.as_ref() != Some(&then.table_id) {
            return Err(gone(name, then));
        }
        let state = self.lake.tables.state(&then.location, head).await?;
        let commit = DraftCommit::between(
            &then.location,
            Some(&state),
            wanted.files,
            Some(&wanted.definition),
            true,
        );
        let mut entry = then.clone();
        entry.version = Some(head);
        entry.written_in = now.written_in;
        if let Some(commit) = commit {
            entry.version = Some(commit.version);
            entry.written_in = draft.release.number;
            draft.commits.insert(name.clone(), commit);
            draft.release.changed.push(name.clone());
        }
        draft.release.tables.insert(name.clone(), entry);
        Ok(())
    }
}

fn gone(name: &TableName, then: &TableEntry) -> Error {
    Error::corrupt(format!(
        "`{name}` is not the table any more that the older release has"
    ))
    .code(Code(713))
    .at(then.location.as_str())
    .help("it was lost and made anew since, or its folder was replaced: roll back to a release after that; `kilde releases` lists them")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::fixture::{Fixture, table};
    use super::super::{TableChange, YieldReason};
    use super::*;

    fn request(to: u64) -> RollbackRequest {
        RollbackRequest {
            to: ReleaseNumber(to),
            reason: "wrong prices".to_string(),
            writes: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Release 1 holds `a`, release 2 a new `a`, a new table and an id table that never goes back.
    async fn two_releases() -> Fixture {
        let fixture = Fixture::new();
        fixture
            .build(&[("gold.a", "a1"), ("identity.ids", "i1")])
            .await
            .unwrap();
        let mut claim = fixture.claim().await.unwrap();
        let tables = [("gold.a", "a2"), ("gold.new", "n2"), ("identity.ids", "i2")];
        let mut request = fixture.request(&claim, &tables).await.unwrap();
        if let Some(TableChange::Write(write)) = request.tables.get_mut(&table("identity.ids")) {
            write.facts.rollback = RollbackClass::Keeps;
        }
        claim.stage_and_publish(request).await.unwrap();
        fixture
    }

    #[tokio::test]
    async fn an_older_release_becomes_the_newest_but_for_what_must_not_go_back() {
        let fixture = two_releases().await;
        let third = fixture
            .claim()
            .await
            .unwrap()
            .rollback(request(1))
            .await
            .unwrap();
        assert_eq!(
            (third.number.0, third.rollback_of),
            (3, Some(ReleaseNumber(1)))
        );
        let contents = fixture.contents(&third).await;
        let names: Vec<_> = contents.keys().map(String::as_str).collect();
        assert_eq!(names, ["gold.a", "identity.ids"]);
        assert_eq!(contents["gold.a"].first().unwrap(), "a1");
        assert_eq!(contents["identity.ids"].first().unwrap(), "i2");
        let forth = fixture.lake.clone();
        let mut claim = fixture.claim().await.unwrap();
        claim.resume().await.unwrap();
        claim.yield_(YieldReason::NothingToDo).await.unwrap();
        let mut claim = forth.claim(&fixture.run_id()).await.unwrap();
        let fourth = claim.rollback(request(2)).await.unwrap();
        let contents = fixture.contents(&fourth).await;
        assert_eq!(contents["gold.new"].first().unwrap(), "n2");
        assert_eq!(contents["gold.a"].first().unwrap(), "a2");
    }

    #[tokio::test]
    async fn builds_wait_after_a_rollback_until_they_are_resumed() {
        let fixture = two_releases().await;
        let third = fixture
            .claim()
            .await
            .unwrap()
            .rollback(request(1))
            .await
            .unwrap();
        let pause = fixture.lake.pause(&third).await.unwrap().unwrap();
        assert_eq!(pause.reason, "wrong prices");
        let error = fixture.build(&[("gold.a", "a4")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.render().contains("K0712"));
        let mut claim = fixture.claim().await.unwrap();
        assert!(claim.resume().await.unwrap());
        assert!(!claim.resume().await.unwrap());
        claim.yield_(YieldReason::NothingToDo).await.unwrap();
        assert_eq!(fixture.lake.pause(&third).await.unwrap(), None);
        assert_eq!(
            fixture.build(&[("gold.a", "a4")]).await.unwrap().number.0,
            4
        );
    }

    #[tokio::test]
    async fn a_release_that_is_not_there_or_retired_is_refused() {
        let fixture = two_releases().await;
        let mut claim = fixture.claim().await.unwrap();
        let error = claim.rollback(request(7)).await.unwrap_err().render();
        assert!(error.contains("K0713"), "{error}");
        let swept = claim
            .retire_releases(ReleaseNumber(2), "too old")
            .await
            .unwrap();
        assert_eq!(swept.files, 2);
        let error = claim.rollback(request(1)).await.unwrap_err().render();
        assert!(error.contains("was retired"), "{error}");
        claim.yield_(YieldReason::NothingToDo).await.unwrap();
        let newest = fixture.lake.current().await.unwrap().unwrap();
        assert_eq!(fixture.contents(&newest).await.len(), 3);
    }
}
