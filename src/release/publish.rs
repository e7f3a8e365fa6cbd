//! The decision: one entry of the lake log.

use super::claim::Claim;
use super::create::is_in_doubt;
use super::failpoint::Boundary;
use super::give_up::was_given_up;
use super::log::Event;
use super::map::Release;
use super::request::PublishRequest;
use super::stage::{Draft, StagedBytes};
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::ReleaseNumber;

impl Claim {
    /// Publishes a release. All tests of its tables must have passed, all its data files been written. After an error the
    /// claim can be given back; that does nothing where it was lost or the release decided.
    ///
    /// # Errors
    /// `Config` K0712 while the lake is paused; `Corrupt` K0709 where a foreign tool changed a table that was read or is
    /// written; `Conflict` K0707 where a rival took over: nothing was published. Any error K0716: the release is decided, or
    /// may be, and the next command that writes settles it; [`leaves_a_release`] tells.
    pub(crate) async fn stage_and_publish(&mut self, request: PublishRequest) -> Result<Release> {
        if let Some(pause) = self.pause() {
            return Err(Error::config(format!(
                "builds wait since release {}: {}",
                pause.release, pause.reason
            ))
            .code(Code(712))
            .help("`kilde resume` lets them go on"));
        }
        let draft = self.draft(request).await;
        let draft = self.unless_fenced(draft).await?;
        self.publish(draft).await
    }

    pub(super) async fn publish(&mut self, draft: Draft) -> Result<Release> {
        let staged = self.stage(draft).await;
        let (publish, staged) = self.unless_fenced(staged).await?;
        let number = publish.number;
        let decided = self.append(Event::Publish(publish)).await;
        decided.map_err(|error| perhaps_decided(number, error))?;
        let settled = self.settle_own(&staged).await;
        self.let_go().await;
        settled.map_err(|error| not_settled(number, error))
    }

    async fn settle_own(&self, staged: &StagedBytes) -> Result<Release> {
        self.lake.failpoint.reach(Boundary::AfterPublishEntry)?;
        let Some(publish) = self.view.last_publish() else {
            return Err(Error::internal(
                "a publish entry was won and is not in the log",
            ));
        };
        self.lake.settle(publish, staged).await
    }
}

const UNSETTLED: Code = Code(716);

/// Whether a run that ended with this error decided a release, or may have, which readers do not see yet.
pub(crate) fn leaves_a_release(error: &Error) -> bool {
    error.number() == Some(UNSETTLED)
}

fn perhaps_decided(number: ReleaseNumber, error: Error) -> Error {
    if !is_in_doubt(&error) {
        return error;
    }
    Error::unavailable(format!(
        "storage does not answer: release {number} may exist"
    ))
    .code(UNSETTLED)
    .caused_by(error)
    .help("`kilde releases` will tell; the next build settles it if it does")
}

fn not_settled(number: ReleaseNumber, error: Error) -> Error {
    if was_given_up(&error) {
        return error;
    }
    let help = match error
        .advice()
        .filter(|_| error.kind() == ErrorKind::Corrupt)
    {
        Some(advice) => advice.to_string(),
        None => "the next command that writes settles it: build again once the cause is mended"
            .to_string(),
    };
    let unsettled = Error::new(
        error.kind(),
        format!("release {number} is decided, but readers do not see it yet"),
    );
    let unsettled = unsettled.code(UNSETTLED).help(help);
    match error.location().map(str::to_string) {
        Some(place) => unsettled.at(place).caused_by(error),
        None => unsettled.caused_by(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, table};
    use super::super::simulation::JsonEntry;
    use super::super::{LiveFile, TableChange, TableLog, YieldReason};

    #[tokio::test]
    async fn what_was_published_is_what_readers_pin() {
        let fixture = Fixture::new();
        assert_eq!(fixture.lake.current().await.unwrap(), None);
        let first = fixture
            .build(&[("gold.a", "a1"), ("gold.b", "b1")])
            .await
            .unwrap();
        let second = fixture.build(&[("gold.a", "a2")]).await.unwrap();
        let current = fixture.lake.current().await.unwrap().unwrap();
        assert_eq!(current, second);
        assert_eq!((second.number.0, second.previous), (2, Some(first.number)));
        assert_eq!(second.changed, [table("gold.a")]);
        assert_eq!(
            second.tables[&table("gold.b")],
            first.tables[&table("gold.b")]
        );
        let contents = fixture.contents(&current).await;
        assert!(contents["gold.a"].contains("a2") && contents["gold.b"].contains("b1"));
        assert_eq!(
            fixture.contents(&first).await["gold.a"].first().unwrap(),
            "a1"
        );
        let numbers: Vec<_> = fixture.lake.releases(10).await.unwrap();
        assert_eq!(numbers, [second, first]);
    }

    #[tokio::test]
    async fn nothing_of_the_staging_is_left_behind() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        let paths = fixture.paths().await;
        assert!(
            !paths.iter().any(|path| path.starts_with("_kilde/staged")),
            "{paths:?}"
        );
    }

    #[tokio::test]
    async fn equal_content_and_definition_make_no_version() {
        let fixture = Fixture::new();
        let first = fixture.build(&[("gold.a", "a1")]).await.unwrap();
        let mut claim = fixture.claim().await.unwrap();
        let mut request = fixture.request(&claim, &[("gold.a", "a1")]).await.unwrap();
        let Some(TableChange::Write(write)) = request.tables.get_mut(&table("gold.a")) else {
            unreachable!()
        };
        write.adds = fixture
            .tables
            .state("gold/a", 0)
            .await
            .unwrap()
            .files
            .into_values()
            .collect();
        let second = claim.stage_and_publish(request).await.unwrap();
        assert!(second.changed.is_empty());
        assert_eq!(second.tables, first.tables);
    }

    #[tokio::test]
    async fn a_foreign_append_is_refused_with_version_and_tool_and_a_compaction_is_followed() {
        let fixture = Fixture::new();
        fixture
            .build(&[("gold.a", "a1"), ("gold.b", "b1")])
            .await
            .unwrap();
        let mut entry = JsonEntry {
            tool: Some("another tool 1.2".to_string()),
            adds: vec![LiveFile {
                path: "x.parquet".to_string(),
                size: 2,
                add: "a1".to_string(),
            }],
            removes: fixture
                .tables
                .state("gold/a", 0)
                .await
                .unwrap()
                .files
                .into_keys()
                .collect(),
            ..JsonEntry::default()
        };
        let put = async |version, entry: &JsonEntry| {
            let path = fixture.tables.entry_path("gold/a", version);
            let bytes = serde_json::to_vec(entry).unwrap();
            fixture.lake.store().put(&path, bytes.into()).await.unwrap();
            fixture
                .lake
                .store()
                .put("gold/a/x.parquet", "a1".into())
                .await
                .unwrap();
        };
        put(1, &entry).await;
        let mut claim = fixture.claim().await.unwrap();
        let mut request = fixture.request(&claim, &[("gold.b", "b2")]).await.unwrap();
        request.reads.insert(table("gold.a"));
        let followed = claim.stage_and_publish(request).await.unwrap();
        assert_eq!(followed.tables[&table("gold.a")].version, Some(1));

        entry.data_change = true;
        put(2, &entry).await;
        let mut claim = fixture.claim().await.unwrap();
        let request = fixture.request(&claim, &[("gold.a", "a2")]).await.unwrap();
        let error = claim.stage_and_publish(request).await.unwrap_err();
        let text = error.render();
        assert!(
            text.contains("K0709") && text.contains("version 2 by another tool 1.2"),
            "{text}"
        );
        claim.yield_(YieldReason::Failed).await.unwrap();
        assert_eq!(fixture.lake.current().await.unwrap(), Some(followed));
    }

    #[tokio::test]
    async fn a_candidate_cut_short_is_not_published() {
        let fixture = Fixture::new();
        let mut claim = fixture.claim().await.unwrap();
        let request = fixture.request(&claim, &[("gold.a", "a1")]).await.unwrap();
        fixture
            .write_file(&claim, &table("gold.a"), "")
            .await
            .unwrap();
        let error = claim.stage_and_publish(request).await.unwrap_err().render();
        assert!(
            error.contains("K0710") && error.contains("0 bytes instead of 2"),
            "{error}"
        );
        claim.yield_(YieldReason::Failed).await.unwrap();
        assert_eq!(fixture.lake.current().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_table_of_unknown_origin_is_not_written_over() {
        let fixture = Fixture::new();
        let bytes = serde_json::to_vec(&JsonEntry::default()).unwrap();
        let path = fixture.tables.entry_path("gold/a", 0);
        fixture.lake.store().put(&path, bytes.into()).await.unwrap();
        let error = fixture
            .build(&[("gold.a", "a1")])
            .await
            .unwrap_err()
            .render();
        assert!(
            error.contains("a table (version 0) lies in its folder"),
            "{error}"
        );
    }
}
