//! A small lake on a local disk, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::simulation::JsonLog;
use super::{
    Boundary, Claim, Failpoint, Fingerprints, Lake, LiveFile, PublishRequest, Release, Removal,
    RollbackClass, TableChange, TableFacts, TableLog, TableWrite,
};
use crate::clock::{Clock, SimulatedClock};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::name::{RunId, TableName};
use crate::store::Store;

/// A lake in a folder that is gone when it is dropped.
pub(super) struct Fixture {
    _folder: tempfile::TempDir,
    pub(super) lake: Lake,
    pub(super) tables: Arc<JsonLog>,
    pub(super) clock: Arc<SimulatedClock>,
}

pub(super) fn table(name: &str) -> TableName {
    name.parse().unwrap()
}

impl Fixture {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Location::Folder(folder.path().join("lake"));
        let store = Store::open_or_create(&lake).unwrap();
        let tables = Arc::new(JsonLog::new(store.clone()));
        let clock = Arc::<SimulatedClock>::default();
        let lake = Lake::open(
            store,
            Arc::clone(&tables) as Arc<dyn TableLog>,
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        Self {
            _folder: folder,
            lake,
            tables,
            clock,
        }
    }

    /// The same lake for a process that stops at a boundary.
    pub(super) fn stopping_at(&self, boundary: Boundary) -> Lake {
        self.lake
            .clone()
            .with_failpoint(Failpoint::new(move |reached| {
                if reached == boundary {
                    return Err(Error::internal(format!("stopped {}", reached.name())));
                }
                Ok(())
            }))
    }

    /// The same lake for a process that has read nothing yet.
    pub(super) fn reopened(&self) -> Lake {
        let store = self.lake.store().clone();
        let tables = Arc::new(JsonLog::new(store.clone()));
        Lake::open(store, tables, Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    pub(super) fn run_id(&self) -> RunId {
        (self.clock.as_ref() as &dyn Clock).run_id()
    }

    pub(super) async fn claim(&self) -> Result<Claim> {
        self.lake.claim(&self.run_id()).await
    }

    /// A build that replaces the content of some tables.
    pub(super) async fn build(&self, contents: &[(&str, &str)]) -> Result<Release> {
        let mut claim = self.claim().await?;
        let request = self.request(&claim, contents).await?;
        claim.stage_and_publish(request).await
    }

    /// Writes one file for each table and asks for a release in which it is the table's whole content.
    pub(super) async fn request(
        &self,
        claim: &Claim,
        contents: &[(&str, &str)],
    ) -> Result<PublishRequest> {
        let mut request = PublishRequest::default();
        for (name, content) in contents {
            let name = table(name);
            let file = self.write_file(claim, &name, content).await?;
            let write = TableWrite {
                location: name.location(),
                table_id: format!("id of {name}"),
                base: claim
                    .base()
                    .and_then(|base| base.tables.get(&name)?.version),
                removes: Removal::All,
                adds: vec![file],
                definition: Some("columns".to_string()),
                data_change: true,
                facts: facts(content),
            };
            request.tables.insert(name, TableChange::Write(write));
        }
        Ok(request)
    }

    pub(super) async fn write_file(
        &self,
        claim: &Claim,
        name: &TableName,
        content: &str,
    ) -> Result<LiveFile> {
        let file = super::CandidateName {
            claim: claim.number(),
            run: claim.run().clone(),
            part: "0".to_string(),
        };
        let file = LiveFile {
            path: file.to_string(),
            size: content.len() as u64,
            add: content.to_string(),
        };
        let path = format!("{}/{}", name.location(), file.path);
        self.lake
            .store()
            .put(&path, content.to_string().into())
            .await?;
        Ok(file)
    }

    /// What a release's tables hold, by name.
    pub(super) async fn contents(&self, release: &Release) -> BTreeMap<String, BTreeSet<String>> {
        let mut contents = BTreeMap::new();
        for name in release.tables.keys() {
            let Some(entry) = release.table(name) else {
                continue;
            };
            let version = entry.version.unwrap();
            let state = self
                .lake
                .tables
                .state(&entry.location, version)
                .await
                .unwrap();
            let files = state.files.into_values().map(|file| file.add).collect();
            contents.insert(name.to_string(), files);
        }
        contents
    }

    pub(super) async fn paths(&self) -> Vec<String> {
        let objects = self.lake.store().list("").await.unwrap();
        objects.into_iter().map(|object| object.path).collect()
    }
}

pub(super) fn facts(content: &str) -> TableFacts {
    TableFacts {
        pipeline: "test".to_string(),
        fingerprints: Fingerprints::default(),
        built_from: BTreeMap::new(),
        digest: content.to_string(),
        rows: 1,
        bytes: content.len() as u64,
        schema_hash: String::new(),
        rollback: RollbackClass::Follows,
    }
}
