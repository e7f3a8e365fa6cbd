//! A small table format for simulations and tests: one JSON object per version, no checkpoints.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::name::ReleaseNumber;
use crate::release::{Commit, EntryDraft, LiveFile, TableLog, TableState};
use crate::store::Store;

/// One version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::release) struct JsonEntry {
    pub(in crate::release) release: Option<ReleaseNumber>,
    pub(in crate::release) adds: Vec<LiveFile>,
    pub(in crate::release) removes: Vec<String>,
    pub(in crate::release) data_change: bool,
    pub(in crate::release) definition: Option<String>,
    pub(in crate::release) tool: Option<String>,
    /// It raises the table's protocol.
    #[serde(default)]
    pub(in crate::release) raises_protocol: bool,
}

/// Logs of that format in a store. Entries never change, so those seen once are not fetched again.
#[derive(Debug)]
pub(in crate::release) struct JsonLog {
    store: Store,
    seen: Mutex<BTreeMap<String, Arc<JsonEntry>>>,
}

pub(super) fn entry_path(location: &str, version: u64) -> String {
    format!("{location}/_delta_log/{version:020}.json")
}

/// The table after one more entry.
pub(super) fn replay(before: Option<&TableState>, version: u64, entry: &JsonEntry) -> TableState {
    let mut state = before.cloned().unwrap_or(TableState {
        version,
        files: BTreeMap::new(),
        definition: String::new(),
    });
    state.version = version;
    for path in &entry.removes {
        state.files.remove(path);
    }
    let added = entry
        .adds
        .iter()
        .map(|file| (file.path.clone(), file.clone()));
    state.files.extend(added);
    if let Some(definition) = &entry.definition {
        state.definition.clone_from(definition);
    }
    state
}

impl JsonLog {
    pub(in crate::release) fn new(store: Store) -> Self {
        Self {
            store,
            seen: Mutex::default(),
        }
    }

    /// Forgets what it has seen: after an operator's repair, or a power cut.
    pub(super) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    async fn entry_at(&self, location: &str, version: u64) -> Result<Option<Arc<JsonEntry>>> {
        let path = entry_path(location, version);
        if let Some(entry) = self.seen.lock().unwrap().get(&path) {
            return Ok(Some(Arc::clone(entry)));
        }
        let Some(bytes) = self.store.get(&path).await? else {
            return Ok(None);
        };
        let entry: Arc<JsonEntry> = Arc::new(serde_json::from_slice(&bytes).unwrap());
        self.seen.lock().unwrap().insert(path, Arc::clone(&entry));
        Ok(Some(entry))
    }
}

#[async_trait]
impl TableLog for JsonLog {
    fn log_folder(&self, location: &str) -> String {
        format!("{location}/_delta_log")
    }

    fn entry_path(&self, location: &str, version: u64) -> String {
        entry_path(location, version)
    }

    async fn head(&self, location: &str, at_least: Option<u64>) -> Result<Option<u64>> {
        let mut next = at_least.unwrap_or(0);
        while self.entry_at(location, next).await?.is_some() {
            next += 1;
        }
        Ok(next.checked_sub(1).filter(|head| Some(*head) >= at_least))
    }

    async fn state(&self, location: &str, version: u64) -> Result<TableState> {
        let mut state = None;
        for version in 0..=version {
            let entry = self.entry_at(location, version).await?;
            let entry = entry.ok_or_else(|| Error::corrupt("a version is gone").at(location))?;
            state = Some(replay(state.as_ref(), version, &entry));
        }
        state.ok_or_else(|| Error::corrupt("no version").at(location))
    }

    async fn commit(&self, location: &str, version: u64) -> Result<Option<Commit>> {
        let entry = self.entry_at(location, version).await?;
        Ok(entry.map(|entry| Commit {
            version,
            release: entry.release,
            adds: entry.adds.clone(),
            removes: entry.removes.clone(),
            data_change: entry.data_change,
            changes_metadata: entry.definition.is_some(),
            changes_protocol: entry.raises_protocol,
            tool: entry.tool.clone(),
            written_at: None,
        }))
    }

    fn entry(&self, draft: &EntryDraft<'_>) -> Result<Bytes> {
        let entry = JsonEntry {
            release: Some(draft.release),
            adds: draft.adds.iter().map(|file| (*file).clone()).collect(),
            removes: draft.removes.iter().map(|file| file.path.clone()).collect(),
            data_change: draft.data_change,
            definition: draft.definition.map(str::to_string),
            tool: None,
            raises_protocol: false,
        };
        Ok(serde_json::to_vec(&entry).unwrap().into())
    }

    async fn checkpoint(&self, _location: &str, _version: u64) -> Result<()> {
        Ok(())
    }
}
