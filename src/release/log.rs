//! The lake log: dense, immutable entries, each place taken once. Who may write, and what was decided.

use std::ops::Range;

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claim::{Floors, YieldReason};
use super::create::{Creation, create};
use super::stage::sha256;
use super::{json, layout};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::name::{ClaimNumber, ReleaseNumber, RunId};
use crate::store::{ObjectInfo, Store};

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

impl Event {
    /// Whether something was done that cannot be undone, which it never is before all entries up to this one have reached the
    /// disk.
    fn decides(&self) -> bool {
        match self {
            Self::Publish(_) | Self::Retire(_) | Self::Resume => true,
            Self::Claim | Self::Yield(_) => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Publish {
    pub(super) number: ReleaseNumber,
    /// The staged map.
    pub(super) map: String,
    pub(super) sha256: String,
    /// What readers go back to with it, where it is a rollback: known even where the map is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rollback_of: Option<ReleaseNumber>,
    /// Retired with this release or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retire: Option<Retire>,
    /// What the log came to before this entry; an older kilde did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<CarriedView>,
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

/// What the log comes to up to some entry: all that anybody needs to know of it, however long it is.
///
/// Every publish entry carries that of the entries before it, so that whoever reads the log begins at the newest publish and
/// not at the first entry. The entries stay, and say the same ([`LogView::check`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogView {
    /// Place of the last entry; 0 where there is none.
    tail: u64,
    /// The newest claim, while nothing closed it.
    open: Option<ClaimInLog>,
    /// Runs that claimed, published nothing and may have left candidates, oldest first; those below the floor of candidates
    /// are forgotten.
    failed: Vec<ClaimInLog>,
    last_publish: Option<PublishInLog>,
    /// Builds were allowed to go on after the newest publish.
    resumed: bool,
    floors: Floors,
    /// The newest floor of candidates, and the one before.
    sweeps: [SweepFloor; 2],
}

/// A claim as the log shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClaimInLog {
    pub(super) number: ClaimNumber,
    pub(super) run: RunId,
    pub(super) at: DateTime<Utc>,
    /// The newest release that was decided before it.
    after: Option<ReleaseNumber>,
}

/// A publish entry as the log shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PublishInLog {
    /// Its place.
    pub(super) sequence: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) number: ReleaseNumber,
    /// The staged map.
    pub(super) map: String,
    pub(super) sha256: String,
    /// What readers go back to with it, where it is a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rollback_of: Option<ReleaseNumber>,
}

/// Candidates of claims below were declared deletable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SweepFloor {
    pub(super) below: ClaimNumber,
    /// The newest release that was decided before that claim, where it is known: none of its files is a candidate of a later
    /// one.
    pub(super) after: Option<ReleaseNumber>,
}

/// A [`LogView`] in an entry, with its hash: what is wrong in it would be believed for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CarriedView {
    /// As it was written: a later kilde may say more in it.
    view: Value,
    sha256: String,
}

impl CarriedView {
    pub(super) fn of(view: &LogView) -> Result<Self> {
        let bytes = json::to_bytes(view)?;
        Ok(Self {
            sha256: sha256(&bytes),
            view: json::from_bytes("", &bytes)?,
        })
    }

    /// # Errors
    /// `Corrupt` K0714 where it is not what the writer of that publish entry at that place can have seen.
    fn open(&self, place: u64, entry: &LogEntry, publish: &Publish) -> Result<LogView> {
        let path = layout::log_entry(place);
        let bytes = json::to_bytes(&self.view)?;
        let view: LogView = json::from_bytes(&path, &bytes)?;
        let is_its_writers = view.open.as_ref().is_some_and(|open| open.run == entry.run);
        let before = view.last_publish.as_ref().map_or(0, |last| last.number.0);
        let follows = view.tail + 1 == place && before + 1 == publish.number.0;
        match sha256(&bytes) == self.sha256 && is_its_writers && follows {
            true => Ok(view),
            false => Err(contradicted(&path)),
        }
    }
}

impl LogView {
    /// The log as it is now. `hint`: the place of some publish entry, where one is known; listing begins there.
    ///
    /// # Errors
    /// `Config` where a newer kilde has written to it; `Corrupt` where an entry cannot be read, or says of those before it what
    /// cannot be.
    pub(super) async fn read(store: &Store, hint: Option<u64>) -> Result<Self> {
        if let Some(first) = hint.filter(|first| *first > 1) {
            let before = layout::log_entry(first - 1);
            let listed = store.list_after(layout::LOG, &before).await?;
            let end = end_of_log(store, &listed, first).await?;
            if let Some(view) = Self::of_end(store, first, end).await? {
                return Ok(view);
            }
        }
        let end = end_of_log(store, &store.list(layout::LOG).await?, 1).await?;
        Ok(Self::of_end(store, 1, end).await?.unwrap_or_default())
    }

    /// What the log comes to up to `end`, read backwards from there to a publish entry that carries what was before, or to the
    /// start. `None` where the entries from `first` on do not tell.
    async fn of_end(store: &Store, first: u64, end: u64) -> Result<Option<Self>> {
        let mut later: Vec<LogEntry> = Vec::new();
        let mut from = end;
        while from > first {
            let places = from.saturating_sub(READ_AHEAD as u64).max(first)..from;
            from = places.start;
            let mut entries = read_all(store, places).await?;
            let carrier = entries.iter().rposition(|entry| entry.carried().is_some());
            entries.append(&mut later);
            later = entries;
            let Some(index) = carrier else {
                continue;
            };
            let mut view = Self::default();
            if let Event::Publish(publish) = &later[index].event
                && let Some(carried) = &publish.log
            {
                view = carried.open(from + index as u64, &later[index], publish)?;
            }
            later[index..].iter().for_each(|entry| view.push(entry));
            return Ok(Some(view));
        }
        let mut view = Self::default();
        later.iter().for_each(|entry| view.push(entry));
        Ok((first == 1).then_some(view))
    }

    /// What the log came to when that release was decided; `None`: its entry does not say so, as the first versions wrote it.
    pub(super) async fn when_decided(
        store: &Store,
        publish: &PublishInLog,
    ) -> Result<Option<Self>> {
        let entry = read(store, publish.sequence).await?;
        let carried = match &entry.event {
            Event::Publish(said) => said.log.as_ref().map(|carried| (carried, said)),
            _ => None,
        };
        carried
            .map(|(carried, said)| carried.open(publish.sequence, &entry, said))
            .transpose()
    }

    /// Looks whether no entry is missing, and whether every publish entry says of those before it what they say themselves. Reads
    /// all of the log.
    ///
    /// # Errors
    /// `Corrupt` K0714 naming the first entry with which it is not so.
    pub(super) async fn check(store: &Store) -> Result<()> {
        let listed = store.list(layout::LOG).await?;
        let last = places(&listed).max().unwrap_or(0);
        let mut view = Self::default();
        for from in (1..=last).step_by(READ_AHEAD) {
            let chunk = from..(last + 1).min(from + READ_AHEAD as u64);
            for entry in read_all(store, chunk).await? {
                if let Event::Publish(publish) = &entry.event
                    && let Some(carried) = &publish.log
                {
                    let place = view.tail + 1;
                    if carried.open(place, &entry, publish)? != view {
                        return Err(contradicted(&layout::log_entry(place)));
                    }
                }
                view.push(&entry);
            }
        }
        Ok(())
    }

    /// Adds the entry right after the last.
    pub(super) fn push(&mut self, entry: &LogEntry) {
        self.tail += 1;
        match &entry.event {
            Event::Claim => {
                // only the newest claim can write: whoever held the lake before is dead
                self.failed.extend(self.open.take());
                self.open = Some(ClaimInLog {
                    number: ClaimNumber(self.tail),
                    run: entry.run.clone(),
                    at: entry.at,
                    after: self.last_publish.as_ref().map(|publish| publish.number),
                });
            }
            Event::Publish(publish) => {
                self.open = None;
                self.resumed = false;
                self.last_publish = Some(PublishInLog {
                    sequence: self.tail,
                    at: entry.at,
                    number: publish.number,
                    map: publish.map.clone(),
                    sha256: publish.sha256.clone(),
                    rollback_of: publish.rollback_of,
                });
                publish.retire.iter().for_each(|retire| self.retire(retire));
            }
            Event::Yield(YieldReason::NothingToDo) => self.open = None,
            Event::Yield(YieldReason::Failed | YieldReason::Interrupted) => {
                self.failed.extend(self.open.take());
            }
            Event::Resume => self.resumed = true,
            Event::Retire(retire) => self.retire(retire),
        }
    }

    fn retire(&mut self, retire: &Retire) {
        self.floors.raise(retire);
        let below = self.floors.runs_below;
        if below > self.sweeps[0].below {
            let mut known = self.failed.iter().chain(&self.open);
            let claim = known.find(|claim| claim.number == below);
            let after = claim.and_then(|claim| claim.after);
            self.sweeps = [SweepFloor { below, after }, self.sweeps[0]];
            self.failed.retain(|claim| claim.number >= below);
        }
    }

    /// Place of the last entry; 0 where there is none.
    pub(super) fn tail(&self) -> u64 {
        self.tail
    }

    /// The newest claim, while nothing closed it.
    pub(super) fn open_claim(&self) -> Option<&ClaimInLog> {
        self.open.as_ref()
    }

    /// Runs that claimed, published nothing, and may have left candidates that nobody declared deletable, oldest first: they
    /// died, failed or were stopped.
    pub(super) fn failed_runs(&self) -> &[ClaimInLog] {
        &self.failed
    }

    /// The newest publish.
    pub(super) fn last_publish(&self) -> Option<&PublishInLog> {
        self.last_publish.as_ref()
    }

    /// Whether builds were allowed to go on after the newest publish.
    pub(super) fn resumed(&self) -> bool {
        self.resumed
    }

    /// Candidates of claims below were declared deletable before the newest declaration: whoever declared the newest may have
    /// died before the files were gone.
    pub(super) fn surely_swept(&self) -> SweepFloor {
        self.sweeps[1]
    }

    /// What was retired so far.
    pub(super) fn floors(&self) -> Floors {
        self.floors
    }
}

impl LogEntry {
    fn carried(&self) -> Option<&CarriedView> {
        match &self.event {
            Event::Publish(publish) => publish.log.as_ref(),
            _ => None,
        }
    }
}

/// Every entry after that place.
pub(super) async fn read_after(store: &Store, sequence: u64) -> Result<Vec<LogEntry>> {
    let last = layout::log_entry(sequence);
    let listed = store.list_after(layout::LOG, &last).await?;
    let end = end_of_row(&listed, sequence + 1);
    read_all(store, sequence + 1..end).await
}

fn places(listed: &[ObjectInfo]) -> impl Iterator<Item = u64> {
    let paths = listed.iter();
    paths.filter_map(|object| layout::log_entry_of(&object.path))
}

/// The first free place of the log, listed from `first` on.
///
/// # Errors
/// `Corrupt` K0714 naming an entry that is missing: one behind it decided something, so that it had reached the disk. Whoever
/// claimed there would write into the middle of what is decided.
async fn end_of_log(store: &Store, listed: &[ObjectInfo], first: u64) -> Result<u64> {
    let end = end_of_row(listed, first);
    let behind = places(listed).filter(|place| *place > end);
    let mut behind: Vec<u64> = behind.collect();
    while let Some(place) = behind.pop() {
        let entry = find(store, place).await?;
        // a listing may be late: the object itself tells
        if entry.is_some_and(|entry| entry.event.decides())
            && !store.exists(&layout::log_entry(end)).await?
        {
            return Err(missing(end));
        }
    }
    Ok(end)
}

/// The first place from `first` on that is free. What lies behind it does not count: on a disk that lost its power, an entry
/// that decided nothing yet may be gone while later ones are not.
fn end_of_row(listed: &[ObjectInfo], first: u64) -> u64 {
    let mut end = first;
    for place in places(listed).skip_while(|place| *place < first) {
        if place != end {
            break;
        }
        end += 1;
    }
    end
}

async fn read_all(store: &Store, places: Range<u64>) -> Result<Vec<LogEntry>> {
    stream::iter(places)
        .map(|sequence| read(store, sequence))
        .buffered(READ_AHEAD)
        .try_collect()
        .await
}

async fn read(store: &Store, sequence: u64) -> Result<LogEntry> {
    let entry = find(store, sequence).await?;
    entry.ok_or_else(|| missing(sequence))
}

/// The entry at a place; `None`: it is free.
pub(super) async fn find(store: &Store, sequence: u64) -> Result<Option<LogEntry>> {
    let path = layout::log_entry(sequence);
    match store.get(&path).await? {
        Some(bytes) => read_versioned(&path, &bytes, |entry: &LogEntry| entry.format).map(Some),
        None => Ok(None),
    }
}

pub(super) fn missing(sequence: u64) -> Error {
    Error::corrupt(format!("entry {sequence} of the lake log is missing"))
        .code(Code(714))
        .at(layout::log_entry(sequence))
        .help("kilde never deletes one: restore it from a copy of the lake, byte for byte")
}

pub(super) fn contradicted(path: &str) -> Error {
    Error::corrupt("what an entry of the lake log says is not so")
        .code(Code(714))
        .at(path)
        .help("restore the entry from a copy of the lake")
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

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::super::{KeepFailedRuns, RollbackRequest};
    use super::*;

    /// Builds, failed runs, a sweep, a rollback, a resume.
    async fn a_long_log() -> Fixture {
        let fixture = Fixture::new();
        for night in 0..40 {
            let content = format!("a{night}");
            fixture.build(&[("gold.a", &content)]).await.unwrap();
            if night % 5 == 0 {
                let mut claim = fixture.claim().await.unwrap();
                let keep = KeepFailedRuns { runs: 2, days: 7 };
                claim.declare_sweep(keep).await.unwrap();
                claim.yield_(YieldReason::Failed).await.unwrap();
            }
        }
        let request = RollbackRequest {
            to: ReleaseNumber(30),
            reason: "test".to_string(),
            writes: std::collections::BTreeMap::new(),
            counts: std::collections::BTreeMap::new(),
        };
        let mut claim = fixture.claim().await.unwrap();
        claim.rollback(request).await.unwrap();
        let mut claim = fixture.claim().await.unwrap();
        claim.resume().await.unwrap();
        claim.yield_(YieldReason::Interrupted).await.unwrap();
        fixture
    }

    async fn from_the_start(store: &Store) -> LogView {
        let mut view = LogView::default();
        let entries = read_after(store, 0).await.unwrap();
        entries.iter().for_each(|entry| view.push(entry));
        view
    }

    async fn change(store: &Store, place: u64, change: impl Fn(&mut Value)) {
        let path = layout::log_entry(place);
        let bytes = store.get(&path).await.unwrap().unwrap();
        let mut entry: Value = serde_json::from_slice(&bytes).unwrap();
        change(&mut entry);
        let bytes = json::to_bytes(&entry).unwrap();
        store.put(&path, bytes).await.unwrap();
    }

    #[tokio::test]
    async fn the_log_is_read_from_its_newest_publish_whatever_the_hint_says() {
        let fixture = a_long_log().await;
        let store = fixture.lake.store();
        let whole = from_the_start(store).await;
        let publish = whole.last_publish().unwrap().sequence;
        // the newest two when the last sweep was declared, and two since
        assert_eq!(whole.failed_runs().len(), 4);
        assert!(whole.resumed() && whole.surely_swept().below > ClaimNumber(0));
        LogView::check(store).await.unwrap();
        let tail = whole.tail();
        for hint in [
            None,
            Some(0),
            Some(1),
            Some(2),
            Some(publish),
            Some(tail),
            Some(tail + 9),
        ] {
            let view = LogView::read(store, hint).await.unwrap();
            assert_eq!(view, whole, "{hint:?}");
        }
        // nobody misses what came before it
        for place in 1..publish {
            store.delete(&layout::log_entry(place)).await.unwrap();
        }
        assert_eq!(fixture.lake.log().await.unwrap(), whole);
        fixture.build(&[("gold.a", "last")]).await.unwrap();
        let missing = LogView::check(store).await.unwrap_err().render();
        assert!(
            missing.contains("K0714") && missing.contains("is missing"),
            "{missing}"
        );
    }

    #[tokio::test]
    async fn a_log_whose_entries_carry_nothing_is_read_from_its_start() {
        let fixture = a_long_log().await;
        let store = fixture.lake.store();
        let whole = from_the_start(store).await;
        for place in 1..=whole.tail() {
            // as the first versions wrote it
            change(store, place, |entry| {
                if let Some(publish) = entry["event"].get_mut("publish") {
                    publish.as_object_mut().unwrap().remove("log");
                }
            })
            .await;
        }
        assert_eq!(fixture.lake.log().await.unwrap(), whole);
        fixture.build(&[("gold.a", "last")]).await.unwrap();
        let view = fixture.lake.log().await.unwrap();
        assert_eq!(view, from_the_start(store).await);
        LogView::check(store).await.unwrap();
    }

    #[tokio::test]
    async fn an_entry_that_says_what_is_not_so_is_refused() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        fixture.build(&[("gold.a", "a2")]).await.unwrap();
        let store = fixture.lake.store();
        let view = fixture.lake.log().await.unwrap();
        let publish = view.last_publish().unwrap().sequence;
        change(store, publish, |entry| {
            entry["event"]["publish"]["log"]["view"]["floors"]["releases_below"] = 2.into();
        })
        .await;
        for error in [
            fixture.claim().await.unwrap_err(),
            LogView::check(store).await.unwrap_err(),
        ] {
            let text = error.render();
            let place = layout::log_entry(publish);
            assert!(text.contains("K0714") && text.contains(&place), "{text}");
        }
        // its hash is right, and still it is another's
        change(store, publish, |entry| {
            let mut carried = CarriedView::of(&LogView::default()).unwrap();
            carried.view["tail"] = (publish - 1).into();
            carried.sha256 = sha256(&json::to_bytes(&carried.view).unwrap());
            entry["event"]["publish"]["log"] = serde_json::to_value(carried).unwrap();
        })
        .await;
        let text = fixture.claim().await.unwrap_err().render();
        assert!(text.contains("K0714"), "{text}");
    }
}
