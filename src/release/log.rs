//! The lake log: dense, immutable entries, each place taken once. Who may write, and what was decided.

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::claim::{Floors, YieldReason};
use super::create::{Creation, create};
use super::{json, layout};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::name::{ClaimNumber, ReleaseNumber, RunId};
use crate::store::Store;

/// The format of everything below `_kilde/` that this version writes. It reads lower ones; of a lake with a higher one it
/// reads only releases.
pub(super) const FORMAT: u32 = 1;

/// Entries fetched at once when the log is read.
const READ_AHEAD: usize = 32;

/// One entry of the lake log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogEntry {
    pub(super) format: u32,
    pub(super) run: RunId,
    /// Version of kilde that wrote it.
    pub(super) kilde: String,
    /// Makes the bytes of any two entries differ.
    pub(super) nonce: String,
    pub(super) at: DateTime<Utc>,
    pub(super) event: Event,
}

/// What an entry decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// From here on only this run may write.
    Claim,
    /// This release will exist; the claim is closed.
    Publish(Publish),
    /// What it names may be deleted and is never again referenced.
    Retire(Retire),
    /// Builds go on after a rollback.
    Resume,
    /// The claim is closed, nothing was published.
    Yield(YieldReason),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Publish {
    pub(super) number: ReleaseNumber,
    /// The staged map.
    pub(super) map: String,
    pub(super) sha256: String,
    /// Retired with this release or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retire: Option<Retire>,
}

/// Floors: what lies below them may be deleted. `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retire {
    /// Candidates of claims below it, where no release reaches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) runs_below: Option<ClaimNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) releases_below: Option<ReleaseNumber>,
    pub(super) reason: String,
}

/// Whether an entry was won.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Append {
    Won,
    Lost,
}

/// The log up to some entry.
#[derive(Clone, Debug, Default)]
pub(super) struct LogView {
    entries: Vec<LogEntry>,
}

/// A claim as the log shows it.
#[derive(Clone, Debug)]
pub(super) struct ClaimInLog<'a> {
    pub(super) number: ClaimNumber,
    pub(super) entry: &'a LogEntry,
    /// What closed it.
    pub(super) closed_by: Option<&'a Event>,
}

impl LogView {
    /// The whole log.
    ///
    /// # Errors
    /// `Config` where a newer kilde has written to it.
    pub(super) async fn read(store: &Store) -> Result<Self> {
        let entries = read_from(store, 1).await?;
        Ok(Self { entries })
    }

    /// Adds an entry that was won right after the last.
    pub(super) fn push(&mut self, entry: LogEntry) {
        self.entries.push(entry);
    }

    /// Number of the last entry; 0 where there is none.
    pub(super) fn tail(&self) -> u64 {
        self.entries.len() as u64
    }

    fn numbered(&self) -> impl DoubleEndedIterator<Item = (u64, &LogEntry)> {
        self.entries
            .iter()
            .enumerate()
            .map(|(index, entry)| (index as u64 + 1, entry))
    }

    /// Every claim, oldest first.
    pub(super) fn claims(&self) -> Vec<ClaimInLog<'_>> {
        let mut claims: Vec<ClaimInLog<'_>> = Vec::new();
        for (sequence, entry) in self.numbered() {
            match &entry.event {
                Event::Claim => claims.push(ClaimInLog {
                    number: ClaimNumber(sequence),
                    entry,
                    closed_by: None,
                }),
                // only the newest claim can write, so it is the one that is closed
                Event::Publish(_) | Event::Yield(_) => {
                    if let Some(claim) = claims.last_mut() {
                        claim.closed_by = Some(&entry.event);
                    }
                }
                Event::Retire(_) | Event::Resume => {}
            }
        }
        claims
    }

    /// The newest claim, while nothing closed it.
    pub(super) fn open_claim(&self) -> Option<ClaimInLog<'_>> {
        self.claims()
            .pop()
            .filter(|claim| claim.closed_by.is_none())
    }

    /// The newest publish and its place.
    pub(super) fn last_publish(&self) -> Option<(u64, &LogEntry, &Publish)> {
        self.numbered()
            .rev()
            .find_map(|(sequence, entry)| match &entry.event {
                Event::Publish(publish) => Some((sequence, entry, publish)),
                _ => None,
            })
    }

    /// Whether builds were allowed to go on after the newest publish.
    pub(super) fn resumed(&self) -> bool {
        let from = self
            .last_publish()
            .map_or(0, |(sequence, _, _)| sequence as usize);
        self.entries[from..]
            .iter()
            .any(|entry| entry.event == Event::Resume)
    }

    /// The newest publish before that place.
    pub(super) fn last_publish_before(&self, place: ClaimNumber) -> Option<&Publish> {
        let before = self
            .numbered()
            .rev()
            .filter(|(sequence, _)| *sequence < place.0);
        before
            .filter_map(|(_, entry)| match &entry.event {
                Event::Publish(publish) => Some(publish),
                _ => None,
            })
            .next()
    }

    /// Candidates of claims below were declared deletable before the newest declaration: whoever declared the newest may have
    /// died before the files were gone.
    pub(super) fn surely_swept_below(&self) -> ClaimNumber {
        let (mut before, mut newest) = (ClaimNumber::default(), ClaimNumber::default());
        for entry in &self.entries {
            if let Event::Retire(Retire {
                runs_below: Some(floor),
                ..
            }) = &entry.event
                && *floor > newest
            {
                (before, newest) = (newest, *floor);
            }
        }
        before
    }

    /// What was retired so far.
    pub(super) fn floors(&self) -> Floors {
        let mut floors = Floors::default();
        for entry in &self.entries {
            match &entry.event {
                Event::Retire(retire) => floors.raise(retire),
                Event::Publish(Publish {
                    retire: Some(retire),
                    ..
                }) => floors.raise(retire),
                _ => {}
            }
        }
        floors
    }
}

/// Every entry from that place on. Listed first: to ask an object store for what is not there costs as much as to read.
pub(super) async fn read_from(store: &Store, sequence: u64) -> Result<Vec<LogEntry>> {
    let listed = store.list(layout::LOG).await?;
    let places = listed.iter().filter_map(|o| layout::log_entry_of(&o.path));
    let last = places.max().unwrap_or(0);
    stream::iter(sequence..=last)
        .map(|sequence| read(store, sequence))
        .buffered(READ_AHEAD)
        .try_take_while(|entry| std::future::ready(Ok(entry.is_some())))
        .try_filter_map(|entry| std::future::ready(Ok(entry)))
        .try_collect()
        .await
}

async fn read(store: &Store, sequence: u64) -> Result<Option<LogEntry>> {
    let path = layout::log_entry(sequence);
    match store.get(&path).await? {
        Some(bytes) => read_versioned(&path, &bytes, |entry: &LogEntry| entry.format).map(Some),
        None => Ok(None),
    }
}

/// Reads an object that carries its format; what a newer kilde has written is refused as such, readable or not.
pub(super) fn read_versioned<T: DeserializeOwned>(
    path: &str,
    bytes: &[u8],
    format: impl Fn(&T) -> u32,
) -> Result<T> {
    /// All that every format has.
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    match json::from_bytes(path, bytes) {
        Ok(value) => {
            check_format(path, format(&value))?;
            Ok(value)
        }
        Err(error) => {
            if let Ok(versioned) = json::from_bytes::<Versioned>(path, bytes) {
                check_format(path, versioned.format)?;
            }
            Err(error)
        }
    }
}

/// Refuses what a newer kilde has written.
pub(super) fn check_format(path: &str, format: u32) -> Result<()> {
    if format <= FORMAT {
        return Ok(());
    }
    Err(Error::config(format!(
        "the lake is of format {format}; this kilde writes up to {FORMAT}"
    ))
    .code(Code(705))
    .at(path)
    .help("use the newer kilde that wrote it"))
}

/// Appends an entry at that place and no other.
pub(super) async fn append(store: &Store, sequence: u64, entry: &LogEntry) -> Result<Append> {
    let bytes = json::to_bytes(entry)?;
    Ok(
        match create(store, &layout::log_entry(sequence), &bytes).await? {
            Creation::Ours => Append::Won,
            Creation::Theirs(_) => Append::Lost,
        },
    )
}
