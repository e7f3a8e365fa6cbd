//! The right to write: won by an entry of the lake log, lost to the next claim.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::create::{Creation, create};
use super::failpoint::Boundary;
use super::give_up::GiveUp;
use super::lake::{Lake, Pause};
use super::log::{self, Append, ClaimInLog, Event, LogEntry, LogView, Retire};
use super::map::Release;
use super::stage::StagedBytes;
use super::{json, layout};
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ClaimNumber, ReleaseNumber, RunId};
use crate::store::{Lock, LockGuard, Store};

/// A claimant whose last sign of life is older, by the store's own clock, counts as dead. A wrong verdict costs that
/// claimant its work, never the lake.
const SILENCE_OF_THE_DEAD: chrono::TimeDelta = chrono::TimeDelta::seconds(30);

/// A claimant gives a sign of life so often, where the storage has no locks: several may get lost.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// What was declared deletable: nothing below a floor is ever referenced again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Floors {
    /// Candidates of claims from here on may be used again.
    pub(crate) runs_below: ClaimNumber,
    /// Releases from here on may be read and rolled back to.
    pub(crate) releases_below: ReleaseNumber,
}

impl Floors {
    pub(super) fn raise(&mut self, retire: &Retire) {
        self.runs_below = self.runs_below.max(retire.runs_below.unwrap_or_default());
        self.releases_below = self
            .releases_below
            .max(retire.releases_below.unwrap_or_default());
    }
}

/// Why a claim ends without a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum YieldReason {
    /// Nothing was left to publish; no candidate is worth keeping.
    NothingToDo,
    /// Data or tests failed; candidates are kept for inspection.
    Failed,
    /// Stopped from outside; candidates may be used by the next run.
    Interrupted,
}

/// Identity of a lake, written once before the first claim.
#[derive(Debug, Serialize, Deserialize)]
struct Format {
    format: u32,
    lake_id: String,
}

/// The right to write to a lake, until it is used, given back or taken over.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(super) lake: Lake,
    pub(super) lake_id: String,
    pub(super) run: RunId,
    pub(super) number: ClaimNumber,
    /// The log up to our own last entry; whatever comes after it is a rival's and ends this claim.
    pub(super) view: LogView,
    pub(super) base: Option<Release>,
    /// The base was decided by another run, which told nobody, and is seen by readers since this claim.
    has_settled: bool,
    /// No entry may be appended any more.
    closed: bool,
    lock: Option<LockGuard>,
    heart: Option<Heart>,
}

/// Signs of life, one after the other, until it is dropped.
#[derive(Debug)]
struct Heart {
    task: tokio::task::JoinHandle<()>,
    has_beaten: Arc<AtomicBool>,
}

impl Heart {
    fn start(store: Store, path: String, run: RunId, every: Duration) -> Self {
        let has_beaten = Arc::<AtomicBool>::default();
        let beaten = Arc::clone(&has_beaten);
        let task = tokio::spawn(async move {
            loop {
                crate::clock::sleep(every).await;
                beaten.store(true, Ordering::Relaxed);
                // the next one may arrive
                if let Err(error) = store.put(&path, run.0.clone().into()).await {
                    tracing::debug!("a sign of life is not given: {}", error.brief());
                }
            }
        });
        Self { task, has_beaten }
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lake {
    /// As most tests claim.
    #[cfg(test)]
    pub(crate) async fn claim(&self, run: &RunId) -> Result<Claim> {
        self.claim_giving_up(run, None).await
    }

    /// Claims the lake for a run, and settles first what a dead claimant published; gives it up instead where it cannot be
    /// finished and is the release that the caller names.
    ///
    /// # Errors
    /// `Conflict` K0706 while another run holds it; `Config` where the lake is a newer kilde's or its storage cannot
    /// carry it; `Corrupt` K0710, K0714, K0728 where a part of the lake is lost.
    pub(crate) async fn claim_giving_up(
        &self,
        run: &RunId,
        give_up: Option<&GiveUp>,
    ) -> Result<Claim> {
        let lock = match self.store.try_lock(layout::LOCK).await? {
            Lock::Held(guard) => Some(guard),
            Lock::Unsupported => None,
            Lock::Taken => {
                let view = self.log().await?;
                return Err(busy(view.open_claim()));
            }
        };
        let lake_id = self.identity().await?;
        let mut view = self.log().await?;
        self.check_end(&view).await?;
        if let Some(open) = view.open_claim()
            && lock.is_none()
            && self.is_alive(open.number).await?
        {
            return Err(busy(Some(open)));
        }
        self.failpoint.reach(Boundary::BeforeClaim)?;
        let entry = self.log_entry(run, Event::Claim);
        let number = ClaimNumber(view.tail() + 1);
        if log::append(&self.store, number.0, &entry).await? == Append::Lost {
            return Err(busy(None));
        }
        view.push(&entry);
        self.failpoint.reach(Boundary::AfterClaim)?;
        let mut claim = Claim {
            lake: self.clone(),
            lake_id,
            run: run.clone(),
            number,
            view,
            base: None,
            has_settled: false,
            closed: false,
            lock,
            heart: None,
        };
        // the entry itself is the first sign of life
        if self.beats {
            claim.keep_alive_every(BEAT_EVERY);
        }
        match claim.settled_base(give_up).await {
            Ok(base) => claim.base = base,
            Err(error) => {
                // nobody need wait for a claim that came to nothing
                if error.kind() == ErrorKind::Corrupt
                    && let Err(stays) = claim.yield_(YieldReason::NothingToDo).await
                {
                    tracing::debug!("the claim stays open: {}", stays.brief());
                }
                return Err(error);
            }
        }
        claim.ensure_not_fenced().await?;
        Ok(claim)
    }

    /// Reads the lake's id; a new lake gets one, after its storage has shown that it can carry a lake.
    async fn identity(&self) -> Result<String> {
        let bytes = match self.store.get(layout::FORMAT).await? {
            Some(bytes) => bytes,
            None => {
                self.refuse_without_identity().await?;
                self.store.probe(&layout::probe(self.clock.nonce())).await?;
                let lake_id = format!("{:016x}{:016x}", self.clock.nonce(), self.clock.nonce());
                let format = Format {
                    format: log::FORMAT,
                    lake_id,
                };
                let bytes = json::to_bytes(&format)?;
                match create(&self.store, layout::FORMAT, &bytes).await? {
                    Creation::Ours => bytes,
                    Creation::Theirs(theirs) => theirs,
                }
            }
        };
        let format = log::read_versioned(layout::FORMAT, &bytes, |format: &Format| format.format)?;
        self.tables.belongs_to(&format.lake_id);
        Ok(format.lake_id)
    }

    /// A place without `format.json` is a new lake only where nothing of an older one lies there.
    ///
    /// # Errors
    /// `Corrupt` K0728 where something does: under a new identity nothing of it would be known.
    pub(crate) async fn refuse_without_identity(&self) -> Result<()> {
        let ledger = self.tables.log_folder(layout::LEDGER);
        for folder in [layout::LOG, layout::RELEASES, &ledger] {
            let left = self.store.list(folder).await?;
            // one who was quicker may have made the lake just now
            if let Some(left) = left.first()
                && !self.store.exists(layout::FORMAT).await?
            {
                return Err(identity_lost(&left.path));
            }
        }
        Ok(())
    }

    /// The same without a claim; from here on it is known which commits are this lake's.
    ///
    /// # Errors
    /// As [`Lake::refuse_without_identity`]; `Corrupt` where what says which lake it is cannot be read.
    pub(crate) async fn check_identity(&self) -> Result<()> {
        match self.store.get(layout::FORMAT).await? {
            Some(bytes) => {
                let format =
                    log::read_versioned(layout::FORMAT, &bytes, |format: &Format| format.format)?;
                self.tables.belongs_to(&format.lake_id);
                Ok(())
            }
            None => self.refuse_without_identity().await,
        }
    }

    /// Looks whether the lake log reaches as far as the releases do: whoever claimed at its end would else write where an entry is
    /// lost.
    ///
    /// # Errors
    /// `Corrupt` K0714 naming the entry.
    async fn check_end(&self, view: &LogView) -> Result<()> {
        let newest = match view.last_publish() {
            Some(publish) => {
                let next = ReleaseNumber(publish.number.0 + 1);
                self.find_release(next).await?
            }
            None => match self.release_numbers().await?.pop() {
                Some(number) => self.find_release(number).await?,
                None => None,
            },
        };
        let lost = view.tail() + 1;
        match newest {
            // what stands in the place of the entry that decided it is another
            Some(release) if release.sequence <= view.tail() => {
                Err(log::contradicted(&layout::log_entry(release.sequence)))
            }
            // else a rival published just now, and has the place that we would claim
            Some(release) if !self.store.exists(&layout::log_entry(lost)).await? => {
                Err(log::missing(lost).caused_by(format!(
                    "release {} stands, and entry {} decided it",
                    release.number, release.sequence
                )))
            }
            _ => Ok(()),
        }
    }

    /// Whether the lake log can be claimed at its end. Writes nothing.
    ///
    /// # Errors
    /// `Corrupt` K0714 where an entry is missing.
    pub(crate) async fn check_log(&self) -> Result<()> {
        let view = self.log().await?;
        self.check_end(&view).await
    }

    /// Whether every entry of the lake log is there and says what the others do. Builds read the last ones alone; the older ones
    /// tell who did what. Reads them all, and writes nothing.
    ///
    /// # Errors
    /// `Corrupt` K0714 naming the first with which it is not so.
    pub(crate) async fn check_history(&self) -> Result<()> {
        LogView::check(&self.store).await
    }

    /// Whether a claimant gave a sign of life lately, by the store's clock alone.
    async fn is_alive(&self, claim: ClaimNumber) -> Result<bool> {
        let probe = layout::probe(self.clock.nonce());
        self.store.put(&probe, "".into()).await?;
        let now = self.store.head(&probe).await;
        // whatever the answer was
        self.store.delete(&probe).await?;
        let now = now?;
        let last = match self.store.head(&layout::heartbeat(claim)).await? {
            Some(beat) => Some(beat),
            None => self.store.head(&layout::log_entry(claim.0)).await?,
        };
        Ok(match (now, last) {
            // a sign from the time to come: the clock was set back since, and one who lives gives another at once
            (Some(now), Some(last)) => {
                (now.modified_at - last.modified_at).abs() < SILENCE_OF_THE_DEAD
            }
            _ => false,
        })
    }

    pub(super) fn log_entry(&self, run: &RunId, event: Event) -> LogEntry {
        LogEntry {
            format: log::FORMAT,
            run: run.clone(),
            kilde: env!("CARGO_PKG_VERSION").to_string(),
            nonce: format!("{:016x}", self.clock.nonce()),
            at: self.clock.now(),
            event,
        }
    }
}

impl Claim {
    /// The release to build on, settled; `None` for an empty lake. May be newer than the one that the caller planned on.
    pub(crate) fn base(&self) -> Option<&Release> {
        self.base.as_ref()
    }

    /// Whether readers see the base since this claim only: whoever decided it told nobody.
    pub(crate) fn has_settled(&self) -> bool {
        self.has_settled
    }

    /// Its place in the lake log; part of the name of every data file that the run writes.
    pub(crate) fn number(&self) -> ClaimNumber {
        self.number
    }

    /// The run that holds it.
    pub(crate) fn run(&self) -> &RunId {
        &self.run
    }

    /// What may no longer be referenced: candidates of claims below `runs_below` must not be used again.
    pub(crate) fn floors(&self) -> Floors {
        self.view.floors()
    }

    /// Why builds have to wait, if they have to.
    pub(crate) fn pause(&self) -> Option<Pause> {
        let pause = self.base.as_ref().and_then(Pause::of)?;
        (!self.view.resumed()).then_some(pause)
    }

    /// Gives signs of life until the claim is over, where the storage has no locks. They save a slow run its work, and are
    /// never needed to be right.
    fn keep_alive_every(&mut self, every: Duration) {
        if self.lock.is_none() {
            let path = layout::heartbeat(self.number);
            let store = self.lake.store.clone();
            self.heart = Some(Heart::start(store, path, self.run.clone(), every));
        }
    }

    /// A sign of life, as simulated builders give it; nothing where the storage has locks.
    #[cfg(test)]
    pub(super) async fn beat(&self) -> Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let path = layout::heartbeat(self.number);
        self.lake.store.put(&path, self.run.0.clone().into()).await
    }

    /// Gives the claim back without a release; nothing was published. Does nothing after the claim was lost or used.
    ///
    /// # Errors
    /// Of storage; a claim not given back is taken over once this process is gone.
    pub(crate) async fn yield_(mut self, reason: YieldReason) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        self.append(Event::Yield(reason)).await?;
        self.let_go().await;
        Ok(())
    }

    /// Lets builds go on after a rollback; `false` where they were not waiting. The claim stays open.
    pub(crate) async fn resume(&mut self) -> Result<bool> {
        if self.pause().is_none() {
            return Ok(false);
        }
        self.append_durably(Event::Resume).await?;
        Ok(true)
    }

    /// Appends what is acted on at once: all before it is durable before it is there, and then it is itself.
    pub(super) async fn append_durably(&mut self, event: Event) -> Result<()> {
        let store = self.lake.store.clone();
        store.barrier(&self.entries_since_publish()).await?;
        self.append(event).await?;
        let entry = layout::log_entry(self.view.tail());
        store.barrier(&[entry]).await
    }

    /// Entries that no barrier need have covered yet.
    pub(super) fn entries_since_publish(&self) -> Vec<String> {
        let last = self.view.last_publish().map_or(0, |last| last.sequence);
        let entries = last + 1..=self.view.tail();
        entries.map(layout::log_entry).collect()
    }

    /// Appends right after our own last entry, and nowhere else.
    ///
    /// # Errors
    /// `Conflict` K0707 where a rival has that place: this claim is over. `Unavailable` K0708 where it is not known.
    pub(super) async fn append(&mut self, event: Event) -> Result<()> {
        if self.closed {
            return Err(Error::internal("an entry is appended under a closed claim"));
        }
        let entry = self.lake.log_entry(&self.run, event);
        // whatever comes of it, a second entry at this place would be a second decision
        self.closed = true;
        match log::append(&self.lake.store, self.view.tail() + 1, &entry).await? {
            Append::Lost => Err(fenced()),
            Append::Won => {
                self.closed = matches!(entry.event, Event::Publish(_) | Event::Yield(_));
                self.view.push(&entry);
                Ok(())
            }
        }
    }

    /// Stops where a rival has written to the log: what looks like a foreign change may be its work.
    pub(super) async fn ensure_not_fenced(&mut self) -> Result<()> {
        if self
            .lake
            .store
            .exists(&layout::log_entry(self.view.tail() + 1))
            .await?
        {
            self.closed = true;
            return Err(fenced());
        }
        Ok(())
    }

    /// What was found under this claim; a failure that a rival's take-over can explain is the take-over.
    pub(super) async fn unless_fenced<T>(&mut self, found: Result<T>) -> Result<T> {
        if found.is_err() {
            self.ensure_not_fenced().await?;
        }
        found
    }

    /// Lets go of the lock, or of the heartbeat: the claim is over.
    pub(super) async fn let_go(&mut self) {
        let heart = self.heart.take();
        let has_beaten = heart.is_none_or(|heart| heart.has_beaten.load(Ordering::Relaxed));
        if self.lock.take().is_none()
            && has_beaten
            && let Err(error) = self
                .lake
                .store
                .delete(&layout::heartbeat(self.number))
                .await
        {
            tracing::debug!("the heartbeat of claim {} stays: {error}", self.number);
        }
    }

    /// Only the newest publish can be unsettled: none follows before its release stands.
    async fn settled_base(&mut self, give_up: Option<&GiveUp>) -> Result<Option<Release>> {
        let Some(publish) = self.view.last_publish().cloned() else {
            return Ok(None);
        };
        let number = publish.number;
        if let Some(release) = self.lake.find_release(number).await? {
            return Ok(Some(release));
        }
        self.has_settled = true;
        let obstacle = match self.lake.settle(&publish, &StagedBytes::new()).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => error,
            settled => return settled.map(Some),
        };
        match give_up.filter(|give_up| give_up.number == number) {
            Some(give_up) => {
                let given_up = self.give_up(&publish, &give_up.anew, &obstacle).await;
                given_up.map(Some)
            }
            None => Err(self.lake.with_way_out(number, obstacle).await?.0),
        }
    }
}

fn busy(open: Option<&ClaimInLog>) -> Error {
    let text = match open {
        Some(claim) => format!(
            "run {} holds the lake since {}",
            claim.run,
            claim.at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        None => "another run holds the lake".to_string(),
    };
    Error::conflict(text)
        .code(Code(706))
        .help("try again when it is done; `kilde status` shows it")
}

fn identity_lost(left: &str) -> Error {
    Error::corrupt("the lake has lost what says which lake it is")
        .code(Code(728))
        .at(layout::FORMAT)
        .caused_by(format!("it is missing, and `{left}` lies there"))
        .help("restore `_kilde`, or that file of it, from a copy of the lake; for a new lake, choose an empty place (`lake` in kilde.yaml)")
}

pub(super) fn fenced() -> Error {
    Error::conflict("another run has taken the lake over, since this one gave no sign of life")
        .code(Code(707))
        .help("nothing was published by this run; `kilde status` shows the other one")
}

/// Others went on from a release while we carried it out.
pub(super) fn overtaken(number: ReleaseNumber) -> Error {
    Error::conflict(format!(
        "another run has taken the lake over and gone on from release {number}, which stands"
    ))
    .code(Code(707))
    .help("`kilde releases` shows what followed")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;
    #[tokio::test]
    async fn a_second_builder_is_turned_away_until_the_first_gives_back() {
        let fixture = Fixture::new();
        let first = fixture.claim().await.unwrap();
        let error = fixture.claim().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(
            error.render().contains(&first.run().0),
            "{}",
            error.render()
        );
        first.yield_(YieldReason::NothingToDo).await.unwrap();
        let second = fixture.claim().await.unwrap();
        assert_eq!(second.number(), ClaimNumber(3));
    }

    #[tokio::test]
    async fn a_dead_builder_does_not_hold_the_lake_and_cannot_come_back() {
        let fixture = Fixture::new();
        let mut dead = fixture.claim().await.unwrap();
        let request = fixture.request(&dead, &[("gold.a", "a1")]).await.unwrap();
        dead.lock = None;
        let next = fixture.claim().await.unwrap();
        let error = dead.stage_and_publish(request).await.unwrap_err().render();
        assert!(error.contains("K0707"), "{error}");
        dead.yield_(YieldReason::Failed).await.unwrap();
        assert_eq!(next.number(), ClaimNumber(2));
        assert_eq!(
            fixture
                .lake
                .status()
                .await
                .unwrap()
                .open_claim
                .unwrap()
                .claim,
            next.number()
        );
    }

    #[tokio::test]
    async fn a_claimant_without_a_lock_gives_signs_of_life_until_its_claim_is_over() {
        let fixture = Fixture::new();
        let mut claim = fixture.claim().await.unwrap();
        // as on storage that has no locks
        claim.lock = None;
        claim.keep_alive_every(Duration::from_millis(5));
        let beat = layout::heartbeat(claim.number());
        for _ in 0..3 {
            fixture.lake.store.delete(&beat).await.unwrap();
            let watch = crate::clock::Stopwatch::start();
            while !fixture.lake.store.exists(&beat).await.unwrap() {
                assert!(watch.elapsed() < Duration::from_secs(20), "no sign of life");
                crate::clock::sleep(Duration::from_millis(1)).await;
            }
        }
        claim.yield_(YieldReason::NothingToDo).await.unwrap();
        crate::clock::sleep(Duration::from_millis(50)).await;
        fixture.lake.store.delete(&beat).await.unwrap();
        crate::clock::sleep(Duration::from_millis(50)).await;
        assert!(!fixture.lake.store.exists(&beat).await.unwrap());
    }

    /// A sign of life from the time to come is one from before the clock was set back.
    #[tokio::test]
    async fn a_store_whose_clock_is_set_back_does_not_keep_the_dead_alive() {
        let fixture = Fixture::new();
        let claim = fixture.claim().await.unwrap();
        let root = fixture.lake.store.location().folder().unwrap();
        let entry = root.join(layout::log_entry(claim.number().0));
        let entry = std::fs::File::options().write(true).open(entry).unwrap();
        let now = entry.metadata().unwrap().modified().unwrap();
        let hour = Duration::from_secs(3600);
        for (modified, is_alive) in [(now, true), (now + hour, false), (now - hour, false)] {
            entry.set_modified(modified).unwrap();
            let found = fixture.lake.is_alive(claim.number()).await.unwrap();
            assert_eq!(found, is_alive, "{modified:?}");
        }
        // one who lives gives another sign
        let beat = layout::heartbeat(claim.number());
        fixture.lake.store.put(&beat, "".into()).await.unwrap();
        assert!(fixture.lake.is_alive(claim.number()).await.unwrap());
    }

    /// A claim in a place that is taken, or was, would be a second history of the same lake.
    #[tokio::test]
    async fn nothing_is_written_where_an_entry_of_the_log_is_lost() {
        // claim 1, publish 2, claim 3, publish 4, claim 5, publish 6
        let losses: [(&[u64], bool, u64); 5] = [
            (&[6], false, 6),
            (&[5, 6], false, 5),
            (&[6], true, 6),
            (&[3], true, 3),
            (&[1, 2, 3, 4, 5, 6], true, 1),
        ];
        for (lost, is_hint_lost, named) in losses {
            let fixture = Fixture::new();
            for content in ["a1", "a2", "a3"] {
                fixture.build(&[("gold.a", content)]).await.unwrap();
            }
            let store = fixture.lake.store();
            for place in lost {
                store.delete(&layout::log_entry(*place)).await.unwrap();
            }
            if is_hint_lost {
                store.delete(layout::HINT).await.unwrap();
            }
            let before = fixture.paths().await;
            let text = fixture.claim().await.unwrap_err().render();
            let place = layout::log_entry(named);
            assert!(
                text.contains("K0714") && text.contains(&place),
                "{lost:?}: {text}"
            );
            assert!(fixture.lake.check_log().await.is_err(), "{lost:?}");
            assert_eq!(fixture.paths().await, before, "{lost:?}");
        }
    }

    #[tokio::test]
    async fn a_lake_that_lost_its_identity_gets_no_new_one() {
        let fixture = Fixture::new();
        fixture
            .build(&[("gold.a", "a1"), ("ops.files", "f1")])
            .await
            .unwrap();
        let store = fixture.lake.store();
        let delete = async |folder: &str| {
            for path in fixture.paths().await {
                if path.starts_with(folder) {
                    store.delete(&path).await.unwrap();
                }
            }
        };
        // the file, all but the records, all of `_kilde`
        for gone in [layout::FORMAT, layout::LOG, layout::PROTOCOL_FOLDER] {
            delete(gone).await;
            let mut before = fixture.paths().await;
            let text = fixture.claim().await.unwrap_err().render();
            assert!(text.contains("K0728"), "{gone}: {text}");
            assert!(fixture.lake.check_identity().await.is_err(), "{gone}");
            // a lock is no part of a lake
            let mut after = fixture.paths().await;
            before.retain(|path| path != layout::LOCK);
            after.retain(|path| path != layout::LOCK);
            assert_eq!(after, before, "{gone}");
        }
    }

    #[tokio::test]
    async fn a_lake_keeps_its_id_and_a_newer_format_is_refused() {
        let fixture = Fixture::new();
        let first = fixture.claim().await.unwrap();
        let lake_id = first.lake_id.clone();
        first.yield_(YieldReason::NothingToDo).await.unwrap();
        let second = fixture.claim().await.unwrap();
        assert_eq!(second.lake_id, lake_id);
        second.yield_(YieldReason::NothingToDo).await.unwrap();
        let newer = r#"{"format":2,"event":{"merge":{}}}"#;
        let path = layout::log_entry(5);
        fixture.lake.store().put(&path, newer.into()).await.unwrap();
        let error = fixture.claim().await.unwrap_err().render();
        assert!(error.contains("K0705"), "{error}");
    }
}
