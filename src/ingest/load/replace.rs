//! `load: replace`: the newest export is the whole truth.
//!
//! With a key, the table becomes the accepted records of the export (of several with one key the last; the others are
//! superseded), and a key whose record was rejected keeps its last good row. Without a key, rows are compared whole, as
//! a bag. An export that comes before one that is loaded already is history: its records are superseded, all of them. So are
//! those of an export that the guard against half a file found too small, where a good one came after it.

use std::collections::VecDeque;

use datafusion::prelude::SessionContext;

use super::accounting::{Counts, Fate, opening_counts};
use super::events::EventKind;
use super::fold::{Event, Group, RowRef, Rows, whole};
use super::plan::{Folding, folded};
use super::{LoadRequest, Loading, Turn};
use crate::error::{Error, Result};

/// The turn of the published table: exports count from 0.
const PRESENT: i64 = -1;

pub(super) fn replace(context: &SessionContext, request: &LoadRequest<'_>) -> Result<Loading> {
    let newest_loaded = request.loaded.values().max().copied();
    let is_late = |turn: &&Turn| {
        newest_loaded.is_some_and(|newest| turn.ordinal < newest)
            || request.passed_over.contains(&turn.export.report.path)
    };
    let mut known = opening_counts(&request.turns);
    for turn in request.turns.iter().filter(is_late) {
        let report = &turn.export.report;
        let counts = known
            .get_mut(&report.path)
            .ok_or_else(|| Error::internal("an export is loaded that nobody counts"))?;
        counts.superseded = report.accepted;
    }
    // numbered without a gap, so that the fold sees in which exports a key is not
    let turns: Vec<(i64, &Turn)> = (0..)
        .zip(request.turns.iter().filter(|turn| !is_late(turn)))
        .collect();
    let last = turns.len() as i64 - 1;
    let folding = Folding {
        turns,
        with_rejected_keys: true,
        loaded: std::collections::BTreeMap::new(),
        known,
        new_group: move || -> Box<dyn Group> { Box::new(Snapshot::new(last)) },
    };
    if request.contract.key.is_empty() {
        let folding = folding.with_group(move || -> Box<dyn Group> { Box::new(Bag::new(last)) });
        return folded(context, request, folding);
    }
    folded(context, request, folding)
}

/// One key's history under `replace`.
struct Snapshot {
    /// The last turn of all.
    last: i64,
    state: Option<RowRef>,
    was_present: bool,
    turn: i64,
    /// The turn's last record.
    winner: Option<RowRef>,
    /// A record of this key was rejected in this turn.
    is_rejected: bool,
    fates: Vec<(i64, Fate)>,
    kept: u64,
    ended: u64,
}

impl Snapshot {
    fn new(last: i64) -> Self {
        Self {
            last,
            state: None,
            was_present: false,
            turn: PRESENT,
            winner: None,
            is_rejected: false,
            fates: Vec::new(),
            kept: 0,
            ended: 0,
        }
    }

    /// Ends the turn under way and goes to another; in the turns between the key does not occur.
    fn go_to(&mut self, turn: i64, rows: &Rows) {
        if turn == self.turn {
            return;
        }
        match (self.winner.take(), self.state) {
            (Some(row), None) => {
                self.fates.push((self.turn, Fate::Inserted));
                self.state = Some(row);
            }
            (Some(row), Some(state)) if rows.same_content(state, row) => {
                self.fates.push((self.turn, Fate::Unchanged));
            }
            (Some(row), Some(_)) => {
                self.fates.push((self.turn, Fate::Updated));
                self.state = Some(row);
            }
            (None, Some(_)) if self.is_rejected => self.kept += 1,
            (None, _) if self.turn != PRESENT => self.end(),
            (None, _) => {}
        }
        self.is_rejected = false;
        if turn > self.turn + 1 {
            self.end();
        }
        self.turn = turn;
    }

    fn end(&mut self) {
        self.ended += u64::from(self.state.take().is_some());
    }
}

impl Group for Snapshot {
    fn event(&mut self, event: Event, rows: &Rows) {
        self.go_to(event.turn, rows);
        match event.kind {
            EventKind::Present => {
                self.end();
                self.state = Some(event.row);
                self.was_present = true;
            }
            EventKind::Accepted => {
                if self.winner.replace(event.row).is_some() {
                    self.fates.push((event.turn, Fate::Superseded));
                }
            }
            EventKind::RejectedKey => self.is_rejected = true,
        }
    }

    fn only(
        &mut self,
        event: Event,
        rows: &Rows,
        counts: &mut Counts,
        emit: &mut dyn FnMut(RowRef),
    ) {
        if event.kind != EventKind::Accepted {
            return whole(self, event, rows, counts, emit);
        }
        counts.add(event.turn, Fate::Inserted);
        match event.turn == self.last {
            true => emit(event.row),
            false => counts.ended += 1,
        }
    }

    fn held(&self, held: &mut dyn FnMut(RowRef)) {
        self.state.into_iter().for_each(&mut *held);
        self.winner.into_iter().for_each(held);
    }

    fn close(&mut self, rows: &Rows, counts: &mut Counts, emit: &mut dyn FnMut(RowRef)) {
        self.go_to(self.last + 1, rows);
        for (turn, fate) in self.fates.drain(..) {
            counts.add(turn, fate);
        }
        counts.kept += self.kept;
        counts.ended += self.ended;
        counts.removed += u64::from(self.was_present && self.state.is_none());
        self.state.take().into_iter().for_each(emit);
        *self = Self {
            fates: std::mem::take(&mut self.fates),
            ..Self::new(self.last)
        };
    }
}

/// All rows of one content under `replace` without a key.
struct Bag {
    last: i64,
    /// The copies in the table, the oldest first.
    state: VecDeque<RowRef>,
    /// How many of them are published rows: the first ones.
    present: usize,
    survivors: usize,
    turn: i64,
    /// Copies in the turn under way.
    count: usize,
    fates: Vec<(i64, Fate)>,
    ended: usize,
}

impl Bag {
    fn new(last: i64) -> Self {
        Self {
            last,
            state: VecDeque::new(),
            present: 0,
            survivors: 0,
            turn: PRESENT,
            count: 0,
            fates: Vec::new(),
            ended: 0,
        }
    }

    fn go_to(&mut self, turn: i64) {
        if turn == self.turn {
            return;
        }
        if self.turn != PRESENT {
            self.shrink_to(self.count);
        }
        if turn > self.turn + 1 {
            self.shrink_to(0);
        }
        (self.turn, self.count) = (turn, 0);
    }

    fn shrink_to(&mut self, count: usize) {
        self.ended += self.state.len().saturating_sub(count);
        self.state.truncate(count);
        self.survivors = self.survivors.min(count);
    }
}

impl Group for Bag {
    fn event(&mut self, event: Event, _: &Rows) {
        self.go_to(event.turn);
        match event.kind {
            EventKind::Present => {
                self.state.push_back(event.row);
                self.present += 1;
                self.survivors += 1;
            }
            EventKind::Accepted => {
                if self.count < self.state.len() {
                    self.fates.push((event.turn, Fate::Unchanged));
                } else {
                    self.state.push_back(event.row);
                    self.fates.push((event.turn, Fate::Inserted));
                }
                self.count += 1;
            }
            EventKind::RejectedKey => {}
        }
    }

    fn held(&self, held: &mut dyn FnMut(RowRef)) {
        self.state.iter().copied().for_each(held);
    }

    fn close(&mut self, _: &Rows, counts: &mut Counts, emit: &mut dyn FnMut(RowRef)) {
        self.go_to(self.last + 1);
        for (turn, fate) in self.fates.drain(..) {
            counts.add(turn, fate);
        }
        counts.removed += (self.present - self.survivors) as u64;
        counts.ended += self.ended as u64;
        self.state.drain(..).for_each(emit);
        *self = Self::new(self.last);
    }
}
