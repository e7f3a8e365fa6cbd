//! What every run that claimed leaves behind, whatever its end; a failed run has no release to stand in.

use bytes::Bytes;

use super::create::{Creation, create};
use super::lake::Lake;
use super::layout;
use crate::error::{Error, Result};
use crate::name::RunId;

impl Lake {
    /// Writes the report of a run, once.
    pub(crate) async fn write_run_report(&self, run: &RunId, report: Bytes) -> Result<()> {
        let path = layout::run_report(run);
        if let Creation::Theirs(_) = create(&self.store, &path, &report).await? {
            return Err(Error::internal("a run is reported twice").at(path));
        }
        Ok(())
    }

    /// Replaces the summary of the last run: a reader sees the old one or the new one, whole.
    pub(crate) async fn write_last_run(&self, summary: Bytes) -> Result<()> {
        self.store.put(layout::LAST_RUN, summary).await
    }

    /// Every run that has a report, oldest first.
    pub(crate) async fn run_reports(&self) -> Result<Vec<RunId>> {
        let found = self.store.list(layout::RUNS).await?;
        Ok(found
            .iter()
            .filter_map(|object| layout::run_of(&object.path))
            .collect())
    }

    /// The report of a run; `None` where it has none.
    pub(crate) async fn run_report(&self, run: &RunId) -> Result<Option<Bytes>> {
        self.store.get(&layout::run_report(run)).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::layout;

    #[tokio::test]
    async fn a_report_is_written_once_and_found_again() {
        let fixture = Fixture::new();
        let run = fixture.run_id();
        let only = std::slice::from_ref(&run);
        fixture
            .lake
            .write_run_report(&run, "{}".into())
            .await
            .unwrap();
        assert_eq!(fixture.lake.run_reports().await.unwrap(), only);
        assert_eq!(fixture.lake.run_report(&run).await.unwrap().unwrap(), "{}");
        fixture.lake.write_last_run("{}".into()).await.unwrap();
        let last = fixture.lake.store().get(layout::LAST_RUN).await.unwrap();
        assert_eq!(last.unwrap(), "{}");
        assert!(
            fixture
                .lake
                .write_run_report(&run, "{1}".into())
                .await
                .is_err()
        );
    }
}
