//! An object store in memory that lets one process at a time do one operation, and loses answers on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};

use super::invariant::Checker;
use crate::clock::{Clock, SimulatedClock};
use crate::store::SIMULATED_BARRIER;

/// SplitMix64: small, seeded, the same everywhere.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; `end` is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True in that many of a thousand cases.
    pub(super) fn permille(&mut self, cases: u64) -> bool {
        self.below(1000) < cases
    }
}

/// Faults in a thousand operations.
#[derive(Clone, Copy, Debug)]
pub(super) struct FaultRate {
    pub(super) create: u64,
    pub(super) overwrite: u64,
    pub(super) read: u64,
    /// No answer, or one that does not know the newest objects.
    pub(super) list: u64,
    /// No answer; it may have been done, may be done later or never.
    pub(super) delete: u64,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Bytes,
    modified_at: DateTime<Utc>,
}

/// A change that had no answer and is still under way.
#[derive(Debug)]
enum Late {
    Put {
        path: String,
        bytes: Bytes,
        create: bool,
    },
    Delete(String),
}

/// A listing that is late knows nothing that is younger.
const LISTED_LATE: chrono::TimeDelta = chrono::TimeDelta::seconds(3);

/// Everything that outlives a process.
#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Arc<SimulatedClock>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    objects: BTreeMap<String, Object>,
    late: Vec<Late>,
    pub(super) landed_late: u64,
    /// Listings that lacked something.
    pub(super) listed_late: u64,
    pub(super) deletes_lost: u64,
    pub(super) random: Random,
    /// Of foreign hands in `_kilde/`, and of those who answer them: apart, so that histories without them stay what they were.
    pub(super) mischief: Random,
    /// An object of which no read is answered.
    pub(super) unanswered: Option<String>,
    pub(super) faults: FaultRate,
    pub(super) checker: Checker,
    /// Exports that have arrived so far.
    pub(super) exports: u64,
    /// No byte more has room: nothing is put.
    pub(super) is_full: bool,
    /// What a boundary of the protocol wants for the process that reached it.
    pub(super) fate: Option<Fate>,
    /// What no barrier has covered yet, as it was before; `None`: this is no disk.
    unsynced: Option<BTreeMap<String, Option<Object>>>,
    /// A disk that lies: barriers cover nothing.
    ignores_barriers: bool,
    /// Who does what happens now.
    pub(super) actor: String,
    /// Whether what happens is told, step by step.
    pub(super) is_told: bool,
}

/// What becomes of a process at a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Frozen,
    Killed,
}

impl State {
    /// One line for whoever looks at a single history.
    pub(super) fn tell(&self, what: std::fmt::Arguments<'_>) {
        if self.is_told {
            super::print(&format!("{}: {what}", self.actor));
        }
    }

    fn note(&mut self, path: &str) {
        if let Some(unsynced) = &mut self.unsynced {
            let before = || self.objects.get(path).cloned();
            unsynced.entry(path.to_string()).or_insert_with(before);
        }
    }

    /// A process goes on.
    pub(super) fn begin_poll(&mut self, name: &str) {
        self.fate = None;
        name.clone_into(&mut self.actor);
    }

    /// A process reached a boundary of the protocol.
    pub(super) fn at_boundary(&mut self) {
        self.fate = match self.random.below(1000) {
            0..4 => Some(Fate::Killed),
            4..24 => Some(Fate::Frozen),
            _ => None,
        };
    }

    fn put(&mut self, path: &str, bytes: Bytes, now: DateTime<Utc>) {
        self.tell(format_args!("puts {path}"));
        self.note(path);
        let fresh = !self.objects.contains_key(path);
        let object = Object {
            bytes: bytes.clone(),
            modified_at: now,
        };
        self.objects.insert(path.to_string(), object);
        let objects = &self.objects;
        let read = |path: &str| objects.get(path).map(|object| object.bytes.clone());
        self.checker.put(path, &bytes, fresh, &read);
    }

    fn create(&mut self, path: &str, bytes: Bytes, now: DateTime<Utc>) -> bool {
        let fresh = !self.objects.contains_key(path);
        if fresh {
            self.put(path, bytes, now);
        } else {
            self.tell(format_args!("finds that {path} exists"));
        }
        fresh
    }

    fn delete(&mut self, path: &str) {
        self.tell(format_args!("deletes {path}"));
        self.note(path);
        if self.objects.remove(path).is_some() {
            self.checker.delete(path);
        }
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.objects.contains_key(path)
    }
}

impl World {
    pub(super) fn new(seed: u64, faults: FaultRate) -> Self {
        Self {
            clock: Arc::default(),
            state: Mutex::new(State {
                objects: BTreeMap::new(),
                late: Vec::new(),
                landed_late: 0,
                listed_late: 0,
                deletes_lost: 0,
                random: Random::new(seed),
                mischief: Random::new(!seed),
                unanswered: None,
                faults,
                checker: Checker::default(),
                exports: 0,
                is_full: false,
                fate: None,
                unsynced: None,
                ignores_barriers: false,
                actor: "before".to_string(),
                is_told: false,
            }),
        }
    }

    /// From here on one disk of one machine, which keeps for sure only what a barrier covered.
    pub(super) fn become_a_disk(&self, ignores_barriers: bool) {
        let mut state = self.state();
        state.unsynced = Some(BTreeMap::new());
        state.ignores_barriers = ignores_barriers;
    }

    /// The machine is dead, and of what no barrier covered any part is as if it had never been done.
    pub(super) fn cut_power(&self) {
        let mut state = self.state();
        let unsynced = state.unsynced.replace(BTreeMap::new()).unwrap_or_default();
        for (path, before) in unsynced {
            if state.random.below(2) == 0 {
                match before {
                    Some(object) => state.objects.insert(path, object),
                    None => state.objects.remove(&path),
                };
            }
        }
        let state = &mut *state;
        let objects = &state.objects;
        let read = |path: &str| objects.get(path).map(|object| object.bytes.clone());
        let paths: Vec<String> = objects.keys().cloned().collect();
        state.checker.begin_again(&paths, &read);
    }

    /// A foreign tool deletes every file of a table that its newest version does not name, however new.
    pub(super) fn vacuum(&self, location: &str) {
        let mut state = self.state();
        let live = state.checker.live_at_head(location);
        let is_file = |path: &&String| {
            path.starts_with(&format!("{location}/"))
                && path.ends_with(".parquet")
                && !live.contains(*path)
        };
        let gone: Vec<String> = state.objects.keys().filter(is_file).cloned().collect();
        for path in gone {
            state.objects.remove(&path);
            state.checker.vacuumed.insert(path);
        }
    }

    /// A foreign hand deletes something that was staged for a release which is decided and not settled.
    pub(super) fn lose_staged(&self) {
        let mut state = self.state();
        let Some(folder) = state.checker.staged_for_the_unsettled() else {
            return;
        };
        let staged = state
            .objects
            .keys()
            .filter(|path| path.starts_with(&folder));
        let staged: Vec<String> = staged.cloned().collect();
        if staged.is_empty() {
            return;
        }
        let path = staged[state.mischief.below(staged.len() as u64) as usize].clone();
        state.tell(format_args!("loses {path}"));
        if let Some(object) = state.objects.remove(&path) {
            state.checker.lost_staged.insert(path, object.bytes);
        }
    }

    /// An operator restores what foreign hands deleted, and takes away what raised a table's protocol.
    pub(super) fn mend(&self) {
        let now = self.clock.now();
        let mut state = self.state();
        for (path, bytes) in state.checker.take_vacuumed() {
            let modified_at = now;
            state.objects.insert(path, Object { bytes, modified_at });
        }
        for (path, bytes) in std::mem::take(&mut state.checker.lost_staged) {
            let modified_at = now;
            state.objects.insert(path, Object { bytes, modified_at });
        }
        for path in state.checker.take_raised() {
            state.objects.remove(&path);
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// An object that was there before the history began.
    pub(super) fn seed_object(&self, path: &str, bytes: Bytes) {
        let now = self.clock.now();
        self.state().put(path, bytes, now);
    }

    /// One change that had no answer arrives after all, if any is under way.
    pub(super) fn land(&self) -> bool {
        let mut state = self.state();
        if state.late.is_empty() {
            return false;
        }
        let waiting = state.late.len() as u64;
        let index = state.random.below(waiting) as usize;
        let change = state.late.swap_remove(index);
        state.actor = "late".to_string();
        let now = self.clock.now();
        state.landed_late += 1;
        match change {
            Late::Put {
                path,
                bytes,
                create: true,
            } => drop(state.create(&path, bytes, now)),
            Late::Put { path, bytes, .. } => state.put(&path, bytes, now),
            Late::Delete(path) => state.delete(&path),
        }
        true
    }
}

/// The first poll of each operation only asks; whoever polls again lets it happen.
#[derive(Default)]
struct Permit(bool);

impl Future for Permit {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The world as an object store.
#[derive(Debug)]
pub(super) struct SimulatedStore(pub(super) Arc<World>);

impl fmt::Display for SimulatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

fn no_answer() -> object_store::Error {
    object_store::Error::Generic {
        store: "simulated",
        source: "no answer".into(),
    }
}

fn unsupported(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented {
        operation: operation.to_string(),
        implementer: "simulated".to_string(),
    }
}

fn meta(path: &Path, object: &Object) -> ObjectMeta {
    ObjectMeta {
        location: path.clone(),
        last_modified: object.modified_at,
        size: object.bytes.len() as u64,
        e_tag: None,
        version: None,
    }
}

#[async_trait]
impl ObjectStore for SimulatedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        Permit::default().await;
        let (path, bytes) = (location.to_string(), Bytes::from(payload));
        let create = matches!(options.mode, PutMode::Create);
        let now = self.0.clock.now();
        let mut state = self.0.state();
        if state.is_full {
            state.tell(format_args!("has no room for {path}"));
            return Err(object_store::Error::Generic {
                store: "simulated",
                source: Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull)),
            });
        }
        let rate = if create {
            state.faults.create
        } else {
            state.faults.overwrite
        };
        if state.random.permille(rate) {
            // its effect comes before the answer is lost, later, or never
            match state.random.below(3) {
                0 if create => drop(state.create(&path, bytes, now)),
                0 => state.put(&path, bytes, now),
                1 => {
                    state.tell(format_args!("puts late {path}"));
                    state.late.push(Late::Put {
                        path,
                        bytes,
                        create,
                    });
                }
                _ => state.tell(format_args!("never puts {path}")),
            }
            return Err(no_answer());
        }
        if !create {
            state.put(&path, bytes, now);
        } else if !state.create(&path, bytes, now) {
            return Err(object_store::Error::AlreadyExists {
                path,
                source: "exists".into(),
            });
        }
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(unsupported("multipart"))
    }

    async fn get_opts(&self, location: &Path, _options: GetOptions) -> Result<GetResult> {
        Permit::default().await;
        let mut state = self.0.state();
        if location.as_ref() == SIMULATED_BARRIER
            && !state.ignores_barriers
            && let Some(unsynced) = &mut state.unsynced
        {
            unsynced.clear();
        }
        let rate = state.faults.read;
        let is_away = state.unanswered.as_deref() == Some(location.as_ref());
        if state.random.permille(rate) || is_away {
            state.tell(format_args!("gets no answer of {location}"));
            return Err(no_answer());
        }
        let object = state.objects.get(location.as_ref());
        let found = object.map_or("finds no", |_| "gets");
        state.tell(format_args!("{found} {location}"));
        let object = object.ok_or_else(|| object_store::Error::NotFound {
            path: location.to_string(),
            source: "absent".into(),
        })?;
        let bytes = object.bytes.clone();
        Ok(GetResult {
            meta: meta(location, object),
            range: 0..bytes.len() as u64,
            payload: GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed()),
            attributes: Attributes::default(),
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let world = Arc::clone(&self.0);
        let delete = move |location: Result<Path>| {
            let world = Arc::clone(&world);
            async move {
                let location = location?;
                Permit::default().await;
                let mut state = world.state();
                let rate = state.faults.delete;
                if state.random.permille(rate) {
                    state.deletes_lost += 1;
                    match state.random.below(3) {
                        0 => state.delete(location.as_ref()),
                        1 => {
                            state.tell(format_args!("deletes late {location}"));
                            state.late.push(Late::Delete(location.to_string()));
                        }
                        _ => state.tell(format_args!("never deletes {location}")),
                    }
                    return Err(no_answer());
                }
                state.delete(location.as_ref());
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let world = Arc::clone(&self.0);
        let prefix = prefix.cloned().unwrap_or_default();
        let list = async move {
            Permit::default().await;
            let mut state = world.state();
            let rate = state.faults.list;
            let is_faulty = state.random.permille(rate);
            if is_faulty && state.random.below(2) == 0 {
                state.tell(format_args!("gets no list of {prefix}"));
                return stream::iter(vec![Err(no_answer())]);
            }
            let since = world.clock.now() - LISTED_LATE;
            let below = |path: &Path| path.prefix_match(&prefix).is_some();
            let all: Vec<_> = state
                .objects
                .iter()
                .map(|(path, object)| (Path::parse(path).unwrap(), object))
                .filter(|(path, _)| below(path))
                .collect();
            let is_listed = |object: &Object| !is_faulty || object.modified_at < since;
            let listed: Vec<_> = all
                .iter()
                .filter(|(_, object)| is_listed(object))
                .map(|(path, object)| Ok(meta(path, object)))
                .collect();
            let lacks_some = listed.len() < all.len();
            state.tell(format_args!(
                "lists {prefix}: {} of {}",
                listed.len(),
                all.len()
            ));
            drop(all);
            state.listed_late += u64::from(lacks_some);
            stream::iter(listed)
        };
        stream::once(list).flatten().boxed()
    }

    /// Of the root, as whoever asks for its folders needs it.
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if prefix.is_some() {
            return Err(unsupported("list below a folder with delimiter"));
        }
        Permit::default().await;
        let state = self.0.state();
        let folders = state.objects.keys();
        let folders = folders.filter_map(|path| Some(path.split_once('/')?.0));
        let folders: BTreeSet<&str> = folders.collect();
        Ok(ListResult {
            common_prefixes: folders.into_iter().map(Path::from).collect(),
            objects: Vec::new(),
        })
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(unsupported("copy"))
    }
}
