//! Random histories of a lake against the invariants of the protocol.
//!
//! Every process is a future over the real protocol code; every operation of the store gives way once. A seeded
//! scheduler decides who goes on, who freezes, who is killed, and which puts lose their answer. `KILDE_SIMULATIONS` sets
//! the number of histories; `KILDE_SEED` is the one that is run and told step by step.

mod invariant;
mod process;
mod table_log;
mod world;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(super) use table_log::{JsonEntry, JsonLog};

use invariant::Rows;
use process::{Actor, Ended};
use world::{Fate, FaultRate, World};

use super::YieldReason;
use super::log::Retire;
use crate::clock::{Clock, Stopwatch};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, TableName};
use crate::release::CandidateName;

/// The protocol, or the protocol without one of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    Protocol,
    /// A sweep deletes every file that no table names, whoever may be writing it.
    StaleSweep,
    /// A sweep deletes candidates of older claims without declaring it.
    UndeclaredSweep,
    /// A claimant appends at the end of the log and not after its own last entry.
    AnyTail,
}

type Running = Pin<Box<dyn Future<Output = Result<Ended>>>>;

struct Process {
    /// Who it is, for whoever reads a history.
    name: String,
    future: Running,
    frozen_until: u64,
}

/// What happened, by name; and what must not have.
#[derive(Debug, Default)]
struct Tally {
    counts: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
}

impl Tally {
    fn count(&mut self, what: &'static str, by: u64) {
        *self.counts.entry(what).or_default() += by;
    }

    fn add(&mut self, other: Self, seed: u64) {
        for (what, by) in other.counts {
            self.count(what, by);
        }
        if !other.violations.is_empty() {
            self.count("broken histories", 1);
        }
        let named = other
            .violations
            .into_iter()
            .map(|what| format!("seed {seed}: {what}"));
        self.violations.extend(named);
    }
}

const FAULTS: FaultRate = FaultRate {
    create: 60,
    overwrite: 8,
    read: 2,
    list: 20,
    delete: 20,
};
const NO_FAULTS: FaultRate = FaultRate {
    create: 0,
    overwrite: 0,
    read: 0,
    list: 0,
    delete: 0,
};

const FORMAT_OF_THE_LAKE: &str = r#"{"format":1,"lake_id":"simulated"}"#;

struct History {
    world: Arc<World>,
    actor: Actor,
    processes: Vec<Process>,
    begun: u64,
    tally: Tally,
    /// Until this step nothing has room.
    full_until: u64,
    /// One machine with one disk, whose power is cut now and then; else storage that many machines reach.
    is_disk: bool,
    /// What was acknowledged: number of the release, and the rows of its tables.
    acknowledged: BTreeMap<ReleaseNumber, BTreeMap<TableName, Rows>>,
}

impl History {
    fn run(seed: u64, variant: Variant) -> Tally {
        Self::new(seed, variant, FAULTS).play(seed)
    }

    fn play(self, seed: u64) -> Tally {
        let mut history = self;
        history.tally.count("histories", 1);
        if !seed.is_multiple_of(10) {
            // the others begin with the race that probes a new store
            history.begin_with_a_lake();
        }
        let steps = 300 + history.below(1200);
        // few, since it is the end of all that the rest of a history would show
        let newer_at = (history.below(100) < 3).then(|| steps / 2 + history.below(steps / 2));
        for step in 0..steps {
            if newer_at == Some(step) {
                let future = Box::pin(history.actor.clone().newer());
                history.begin("newer", future);
            }
            history.step(step);
            if !history.world.state().checker.violations.is_empty() {
                break;
            }
        }
        history.finish()
    }

    /// One machine, one disk: every now and then the power goes.
    fn run_on_a_disk(seed: u64, ignores_barriers: bool) -> Tally {
        let mut history = Self::new(seed, Variant::Protocol, NO_FAULTS);
        history.tally.count("histories on a disk", 1);
        history.is_disk = true;
        history.begin_with_a_lake();
        history.world.become_a_disk(ignores_barriers);
        let steps = 300 + history.below(900);
        for step in 0..steps {
            history.step(step);
            if history.below(1000) < 6 {
                history.cut_power();
            }
            if !history.world.state().checker.violations.is_empty() {
                break;
            }
        }
        history.cut_power();
        history.finish()
    }

    fn begin_with_a_lake(&self) {
        let format = FORMAT_OF_THE_LAKE.into();
        self.world.seed_object("_kilde/format.json", format);
    }

    fn new(seed: u64, variant: Variant, faults: FaultRate) -> Self {
        let world = Arc::new(World::new(seed, faults));
        let actor = Actor::new(&world, variant);
        Self {
            world,
            actor,
            processes: Vec::new(),
            begun: 0,
            tally: Tally::default(),
            full_until: 0,
            is_disk: false,
            acknowledged: BTreeMap::new(),
        }
    }

    /// Everybody is dead and the disk has lost what it may lose. Whoever comes next finds every acknowledged release whole.
    fn cut_power(&mut self) {
        self.tally.count("power cuts", 1);
        self.processes.clear();
        self.world.cut_power();
        self.actor.forget();
        self.world.state().is_full = false;
        self.full_until = 0;
        self.world.clock.advance(Duration::from_secs(3 * 3600));
        let actor = self.actor.clone();
        // one to settle what was decided; it may find a claim behind a lost entry, and gives way once for each
        for _ in 0..8 {
            let actor = actor.clone();
            let settled = block_on(async move {
                let run = (actor.world.clock.as_ref() as &dyn Clock).run_id();
                let claim = actor.lake.claim(&run).await?;
                claim.yield_(YieldReason::NothingToDo).await
            });
            match settled {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    self.world.clock.advance(Duration::from_secs(60));
                }
                Err(error) => {
                    self.failed(&error);
                    break;
                }
            }
        }
        let mut state = self.world.state();
        let floor = state.checker.floors.releases_below;
        for (number, rows) in self.acknowledged.range(floor..) {
            let release = state.checker.releases.get(number.0 as usize - 1).cloned();
            let is_whole = release.is_some_and(|release| {
                state.checker.rows_of(Some(&release)) == *rows && release.number == *number
            });
            if !is_whole {
                let what = "I5 an acknowledged release did not survive the power cut";
                state.checker.violate(what, number);
            }
        }
    }

    fn below(&self, end: u64) -> u64 {
        self.world.state().random.below(end)
    }

    fn tell(&self, what: std::fmt::Arguments<'_>) {
        let mut state = self.world.state();
        state.actor = "history".to_string();
        state.tell(what);
    }

    fn step(&mut self, step: u64) {
        let silence = self.below(1000) < 20;
        self.world.clock.advance(if silence {
            Duration::from_secs(40)
        } else {
            Duration::from_millis(50)
        });
        if self.below(1000) < 3 {
            self.tally.count("clock jumps", 1);
            let far = Duration::from_secs(self.below(2 * 3600));
            match self.below(2) {
                0 => self.world.clock.turn_back(far),
                _ => self.world.clock.advance(far * 24),
            }
        }
        if self.below(1000) < 2 {
            self.tally.count("disks full", 1);
            self.full_until = step + self.below(60);
        }
        self.world.state().is_full = step < self.full_until;
        if self.world.state().checker.has_damage() && self.below(1000) < 4 {
            self.tally.count("repairs", 1);
            self.repair();
        }
        if !self.is_disk && self.world.state().mischief.permille(5) {
            self.world.lose_staged();
        }
        let dice = self.below(1000);
        if self.processes.len() < 4 && dice < 30 {
            let (name, future) = self.start();
            self.begin(name, future);
        } else if dice < 40 {
            self.world.land();
        } else if !self.processes.is_empty() {
            let index = self.below(self.processes.len() as u64) as usize;
            match self.below(1000) {
                0..5 => {
                    let killed = self.processes.swap_remove(index);
                    self.tell(format_args!("{} is killed", killed.name));
                    self.tally.count("kills", 1);
                }
                5..13 => {
                    self.processes[index].frozen_until = step + self.below(500);
                    self.tally.count("freezes", 1);
                }
                _ if self.processes[index].frozen_until > step => {}
                _ => self.poll(index, step),
            }
        }
    }

    /// An operator does what the messages say: no build may run, and none be on its way to the store, while versions are taken
    /// out of a table's log.
    fn repair(&mut self) {
        if self.world.state().checker.has_raised() {
            self.processes.clear();
            while self.world.land() {}
        }
        self.world.mend();
        self.actor.forget();
    }

    fn start(&self) -> (&'static str, Running) {
        let actor = self.actor.clone();
        match self.below(100) {
            0..58 => ("build", Box::pin(actor.build())),
            58..66 => ("rollback", Box::pin(actor.rollback())),
            66..70 => ("resume", Box::pin(actor.resume())),
            70..77 => ("maintain", Box::pin(actor.maintain())),
            // what another tool makes of a power cut is its own affair
            77..90 if !self.is_disk => ("foreign", Box::pin(actor.foreign())),
            _ => ("read", Box::pin(actor.read())),
        }
    }

    fn begin(&mut self, name: &str, future: Running) {
        self.begun += 1;
        self.processes.push(Process {
            name: format!("{name} {}", self.begun),
            future,
            frozen_until: 0,
        });
    }

    fn poll(&mut self, index: usize, step: u64) {
        let mut context = Context::from_waker(Waker::noop());
        let name = self.processes[index].name.clone();
        self.world.state().begin_poll(&name);
        let polled = self.processes[index].future.as_mut().poll(&mut context);
        let fate = self.world.state().fate.take();
        if let Some(fate) = fate {
            self.tell(format_args!("{name} is {fate:?} at a boundary"));
        }
        match fate {
            Some(Fate::Killed) => {
                self.tally.count("kills at a boundary", 1);
                self.processes.swap_remove(index);
                return;
            }
            Some(Fate::Frozen) => {
                self.tally.count("freezes at a boundary", 1);
                self.processes[index].frozen_until = step + self.below(500);
            }
            None => {}
        }
        if let Poll::Ready(ended) = polled {
            self.tell(format_args!("{name} ends: {ended:?}"));
            self.processes.swap_remove(index);
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<Ended>) {
        match ended {
            Ok(Ended::Otherwise) => {}
            Ok(Ended::Published(number, run)) => {
                self.tally.count("acknowledged", 1);
                let checker = &mut self.world.state().checker;
                let settled = checker.releases.get(number.0 as usize - 1);
                let settled = settled.filter(|release| release.run == run).cloned();
                let Some(release) = settled else {
                    checker.violate("I5 acknowledged and not settled", number);
                    return;
                };
                if self.is_disk {
                    let rows = checker.rows_of(Some(&release));
                    self.acknowledged.insert(number, rows);
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &Error) {
        let text = error.render();
        let what = match error.kind() {
            ErrorKind::Conflict if text.contains("K0706") => "busy",
            ErrorKind::Conflict if text.contains("K0730") => "given up under its builder",
            ErrorKind::Conflict => "fenced",
            ErrorKind::Unavailable => "no answer",
            ErrorKind::Config if text.contains("K0712") => "paused",
            ErrorKind::Config if text.contains("K0705") && self.has_newer() => {
                "newer format refused"
            }
            ErrorKind::Config if text.contains("K0717") => "retired release refused",
            ErrorKind::Corrupt if text.contains("K0709") => "foreign change refused",
            ErrorKind::Corrupt
                if (text.contains("K0710") || text.contains("a file of")) && self.is_damaged() =>
            {
                "missing file refused"
            }
            ErrorKind::Corrupt
                if (text.contains("cannot be finished") || text.contains("cannot be given up"))
                    && self.is_damaged() =>
            {
                "unfinishable release refused"
            }
            ErrorKind::Corrupt if text.contains("newer table protocol") && self.is_damaged() => {
                "raised protocol refused"
            }
            _ => {
                self.world.state().checker.violate("a process fails", text);
                return;
            }
        };
        self.tally.count(what, 1);
    }

    fn has_newer(&self) -> bool {
        self.world.state().checker.has_newer
    }

    /// Now or a moment ago: an error may be told after the repair.
    fn is_damaged(&self) -> bool {
        self.tally.counts.contains_key("repairs") || self.world.state().checker.has_damage()
    }

    /// The storm is over: everybody is dead, late puts land, and one more run finds a lake in order.
    fn finish(mut self) -> Tally {
        self.processes.clear();
        while self.world.land() {}
        self.world.state().faults = NO_FAULTS;
        self.world.state().is_full = false;
        self.world.mend();
        self.actor.forget();
        self.world.clock.advance(Duration::from_secs(24 * 3600));
        if self.world.state().checker.violations.is_empty() {
            let actor = self.actor.clone();
            let last = block_on(async move {
                let run = (actor.world.clock.as_ref() as &dyn Clock).run_id();
                let mut claim = actor.lake.claim(&run).await?;
                let floor = claim.number();
                claim
                    .retire(Retire {
                        runs_below: Some(floor),
                        ..Retire::default()
                    })
                    .await?;
                let window = super::retire::Window {
                    claims: crate::name::ClaimNumber(0)..floor,
                    since: None,
                };
                actor.lake.delete_orphans(claim.base(), &window).await?;
                claim.yield_(YieldReason::NothingToDo).await?;
                Ok::<_, Error>(floor)
            });
            match last {
                Err(error) => self.failed(&error),
                Ok(floor) => self.check_orphans(floor),
            }
        }
        let mut state = self.world.state();
        state.checker.check_everything();
        let releases = state.checker.releases.len() as u64;
        let late = state.landed_late;
        let (listed_late, deletes_lost) = (state.listed_late, state.deletes_lost);
        let (checker, tally) = (&state.checker, &mut self.tally);
        tally.count("releases", releases);
        tally.count("puts and deletes landed late", late);
        tally.count("late listings", listed_late);
        tally.count("deletes without an answer", deletes_lost);
        tally.count("releases given up", checker.given_up);
        tally.count("rollbacks", checker.rolled_back);
        tally.count("candidates used again", checker.reused);
        tally.count("foreign changes overruled", checker.overruled);
        tally.violations.clone_from(&checker.violations);
        drop(state);
        self.tally
    }

    /// I10: below the floor nothing is left that no table names.
    fn check_orphans(&self, floor: crate::name::ClaimNumber) {
        let mut state = self.world.state();
        let below =
            |path: &String| CandidateName::claim_of(path).is_some_and(|claim| claim < floor);
        let left: Vec<String> = state.checker.orphans().into_iter().filter(below).collect();
        for path in left {
            state
                .checker
                .violate("I10 an orphan survives its sweep", path);
        }
        let staged = state
            .paths()
            .into_iter()
            .filter_map(|path| super::layout::protocol_claim(&path));
        if staged.min().is_some_and(|oldest| oldest < floor) {
            state
                .checker
                .violate("I10", "staged objects survive their sweep");
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
}

fn simulate(histories: std::ops::Range<u64>, variant: Variant) -> Tally {
    let mut tally = Tally::default();
    for seed in histories {
        tally.add(History::run(seed, variant), seed);
    }
    tally
}

/// Tests may print; everything else goes through `cli`.
fn print(text: &str) {
    use std::io::Write;
    writeln!(std::io::stdout(), "{text}").unwrap();
}

fn wanted(by_default: u64) -> u64 {
    let histories = std::env::var("KILDE_SIMULATIONS").ok();
    histories
        .and_then(|text| text.parse().ok())
        .unwrap_or(by_default)
}

fn told(tally: &Tally, watch: Stopwatch) {
    let seconds = watch.elapsed().as_secs_f64();
    print(&format!(
        "simulation: {:?}, violations: {}, {seconds:.1} s",
        tally.counts,
        tally.violations.len()
    ));
    assert!(
        tally.violations.is_empty(),
        "{:#?}",
        &tally.violations[..tally.violations.len().min(20)]
    );
}

/// A release that was reported is whole, whatever of the rest a power cut takes.
#[test]
fn no_power_cut_takes_what_was_acknowledged() {
    let watch = Stopwatch::start();
    let mut tally = Tally::default();
    for seed in 0..wanted(120) {
        tally.add(History::run_on_a_disk(seed, false), seed);
    }
    told(&tally, watch);
    for what in ["power cuts", "acknowledged", "releases"] {
        assert!(tally.counts.contains_key(what), "no history has {what}");
    }
}

/// Nor would that be worth anything if it passed on a disk that lies.
#[test]
fn on_a_disk_that_lies_a_power_cut_takes_what_was_acknowledged() {
    let is_broken = |seed: &u64| !History::run_on_a_disk(*seed, true).violations.is_empty();
    let broken = (0..400).find(is_broken);
    print(&format!("a disk that lies is caught in history {broken:?}"));
    assert!(broken.is_some());
}

#[test]
fn no_history_breaks_an_invariant() {
    let watch = Stopwatch::start();
    if let Ok(seed) = std::env::var("KILDE_SEED") {
        let seed = seed.parse().unwrap();
        let history = History::new(seed, Variant::Protocol, FAULTS);
        history.world.state().is_told = true;
        return told(&history.play(seed), watch);
    }
    let tally = simulate(0..wanted(200), Variant::Protocol);
    told(&tally, watch);
    for what in [
        "releases",
        "kills",
        "freezes",
        "fenced",
        "busy",
        "rollbacks",
        "candidates used again",
        "clock jumps",
        "disks full",
        "kills at a boundary",
        "freezes at a boundary",
        "newer format refused",
        "repairs",
        "late listings",
        "deletes without an answer",
        "releases given up",
    ] {
        assert!(
            tally.counts.get(what).is_some_and(|count| *count > 0),
            "no history has {what}"
        );
    }
}

/// Seed 5992, once: a builder that was believed dead finished its release and tidied, while the next one looked for what was
/// staged and then got no answer to whether the release stands. Nothing is damaged.
#[test]
fn what_a_builder_tidied_is_no_damage_where_its_record_gives_no_answer() {
    let world = Arc::new(World::new(1, NO_FAULTS));
    let actor = Actor::new(&world, Variant::Protocol);
    let lake = actor.lake.clone();
    block_on(actor.build()).unwrap();
    let settle = || {
        let lake = lake.clone();
        block_on(async move {
            let view = lake.log().await?;
            let publish = view.last_publish().unwrap();
            lake.settle(publish, &super::stage::StagedBytes::new())
                .await
        })
    };
    world.state().unanswered = Some(super::layout::release(ReleaseNumber(1)));
    let error = settle().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.render());
    world.state().unanswered = None;
    assert_eq!(settle().unwrap().number, ReleaseNumber(1));
}

/// Each of these once showed a defect of the protocol or of the simulation.
#[test]
fn histories_that_broke_once_stay_whole() {
    let mut tally = Tally::default();
    for seed in [
        2327, 2506, 2603, 3465, 3593, 3798, 5376, 5992, 7621, 8927, 18122, 2551,
    ] {
        tally.add(History::run(seed, Variant::Protocol), seed);
    }
    for seed in [1664, 1996] {
        tally.add(History::run_on_a_disk(seed, false), seed);
    }
    assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
}

/// The simulation would be worth nothing if it passed without the rules that it is there to defend.
#[test]
fn without_its_rules_the_protocol_breaks_and_the_invariants_tell() {
    for variant in [
        Variant::StaleSweep,
        Variant::UndeclaredSweep,
        Variant::AnyTail,
    ] {
        let broken = (0..2000).find(|seed| !History::run(*seed, variant).violations.is_empty());
        print(&format!("{variant:?} breaks in history {broken:?}"));
        assert!(broken.is_some(), "{variant:?} was not caught");
    }
}

#[test]
fn a_history_is_a_function_of_its_seed() {
    let twice = [(); 2].map(|()| History::run(7, Variant::Protocol).counts);
    assert_eq!(twice[0], twice[1]);
}
