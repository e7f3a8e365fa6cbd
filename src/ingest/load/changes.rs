//! `load: changes`: the newest record of each key wins, by order of the exports, then by position in the export; nothing
//! is ever deleted, and a rejected record changes nothing.
//!
//! A late export's record wins only over a row whose content was first seen in an older export. (A row that was
//! confirmed since by a newer export keeps its first provenance, so that such a late record is taken for newer; whoever
//! must be exact loads the exports after the late one again.)

use datafusion::prelude::SessionContext;

use super::accounting::{Counts, Fate, opening_counts};
use super::events::EventKind;
use super::fold::{Event, Group, RowRef, Rows};
use super::plan::{Folding, folded};
use super::{LoadRequest, Loading};
use crate::diagnostic::Code;
use crate::error::{Error, Result};

pub(super) fn changes(context: &SessionContext, request: &LoadRequest<'_>) -> Result<Loading> {
    if request.contract.key.is_empty() {
        return Err(Error::config(format!(
            "`{}` is loaded by `changes` and has no key",
            request.contract.table
        ))
        .code(Code(410))
        .at(request.contract.file.path.clone())
        .help("name the columns that tell its records apart: `key: [...]`"));
    }
    let numbered = request.turns.iter().map(|turn| (turn.ordinal, turn));
    let folding = Folding {
        turns: numbered.collect(),
        with_rejected_keys: false,
        loaded: request.loaded.clone(),
        known: opening_counts(&request.turns),
        new_group: || -> Box<dyn Group> { Box::new(Newest::default()) },
    };
    folded(context, request, folding)
}

/// One key's history under `changes`.
#[derive(Default)]
struct Newest {
    state: Option<RowRef>,
    /// What became of this key's records so far.
    fates: Vec<(i64, Fate)>,
    /// The turn under way and its newest record.
    winner: Option<(i64, RowRef)>,
}

impl Newest {
    fn close_turn(&mut self, rows: &Rows) {
        let Some((turn, row)) = self.winner.take() else {
            return;
        };
        let fate = match self.state {
            None => Fate::Inserted,
            Some(state) if rows.same_content(state, row) => Fate::Unchanged,
            Some(_) => Fate::Updated,
        };
        if fate != Fate::Unchanged {
            self.state = Some(row);
        }
        self.fates.push((turn, fate));
    }
}

impl Group for Newest {
    fn event(&mut self, event: Event, rows: &Rows) {
        if self.winner.is_some_and(|(turn, _)| turn != event.turn) {
            self.close_turn(rows);
        }
        match event.kind {
            EventKind::Present => {
                self.close_turn(rows);
                // what came before the published row is older than it
                for (_, fate) in &mut self.fates {
                    *fate = Fate::Superseded;
                }
                self.state = Some(event.row);
            }
            EventKind::Accepted => {
                if let Some((turn, _)) = self.winner.replace((event.turn, event.row)) {
                    self.fates.push((turn, Fate::Superseded));
                }
            }
            EventKind::RejectedKey => {}
        }
    }

    fn only(&mut self, event: Event, _: &Rows, counts: &mut Counts, emit: &mut dyn FnMut(RowRef)) {
        if event.kind == EventKind::Accepted {
            counts.add(event.turn, Fate::Inserted);
        }
        if event.kind != EventKind::RejectedKey {
            emit(event.row);
        }
    }

    fn held(&self, held: &mut dyn FnMut(RowRef)) {
        self.state.into_iter().for_each(&mut *held);
        if let Some((_, row)) = self.winner {
            held(row);
        }
    }

    fn close(&mut self, rows: &Rows, counts: &mut Counts, emit: &mut dyn FnMut(RowRef)) {
        self.close_turn(rows);
        for (turn, fate) in self.fates.drain(..) {
            counts.add(turn, fate);
        }
        self.state.take().into_iter().for_each(emit);
    }
}
