//! Sorted events → rows of the new table: each key's history goes through a [`Group`], one after the other.
//!
//! Holds the batches that a live row points into, and no others.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{interleave_record_batch, take_record_batch};
use datafusion::arrow::datatypes::{Int8Type, Int64Type, SchemaRef};
use datafusion::arrow::row::{Row, RowConverter, SortField};
use datafusion::common::Result;

use super::accounting::Counts;
use super::events::EventKind;
use super::plan::broken;

/// Rows of an output batch.
const OUTPUT_ROWS: usize = 8192;
/// Batches held before output is made of what there is.
const HELD_BATCHES: usize = 8;
/// Runs of so many rows are cut out of their batches; shorter ones are copied together.
const LONG_RUN: usize = 256;

/// A row of a held batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowRef {
    batch: usize,
    row: usize,
}

/// One event of the key at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) turn: i64,
    pub(super) kind: EventKind,
    pub(super) row: RowRef,
}

/// One key's history, and the rule by which it becomes rows.
pub(super) trait Group: Send {
    /// Takes the next event, in order of turn and position.
    fn event(&mut self, event: Event, rows: &Rows);

    /// Names the rows that must not go away.
    fn held(&self, held: &mut dyn FnMut(RowRef));

    /// The key's whole history is this event, as of most keys: the same as [`Group::event`] and then [`Group::close`], with less ado.
    fn only(
        &mut self,
        event: Event,
        rows: &Rows,
        counts: &mut Counts,
        emit: &mut dyn FnMut(RowRef),
    ) {
        whole(self, event, rows, counts, emit);
    }

    /// The key's history is complete: counts it, emits its rows and forgets it.
    fn close(&mut self, rows: &Rows, counts: &mut Counts, emit: &mut dyn FnMut(RowRef));
}

/// A history of one event, the long way.
pub(super) fn whole<G: Group + ?Sized>(
    group: &mut G,
    event: Event,
    rows: &Rows,
    counts: &mut Counts,
    emit: &mut dyn FnMut(RowRef),
) {
    group.event(event, rows);
    group.close(rows, counts, emit);
}

/// The batches that live rows point into.
pub(super) struct Rows {
    batches: BTreeMap<usize, Held>,
    /// Positions of the columns that are not the system's.
    content: Vec<usize>,
    by_content: RowConverter,
    /// Somebody asked for a row whose batch had been let go.
    has_lost: AtomicBool,
}

struct Held {
    /// The table's columns.
    batch: RecordBatch,
    /// Its content, encoded once two of its rows are compared: keys that are new are compared with nothing.
    content: OnceLock<Option<datafusion::arrow::row::Rows>>,
}

impl Rows {
    /// Whether two rows agree in all columns but the system's; null equals null.
    pub(super) fn same_content(&self, a: RowRef, b: RowRef) -> bool {
        match (self.content(a), self.content(b)) {
            (Some(a), Some(b)) => a == b,
            _ => {
                self.has_lost.store(true, Ordering::Relaxed);
                false
            }
        }
    }

    fn content(&self, row: RowRef) -> Option<Row<'_>> {
        let held = self.batches.get(&row.batch)?;
        let encode = || {
            let columns = self.content.iter();
            let columns: Vec<_> = columns
                .map(|at| Arc::clone(held.batch.column(*at)))
                .collect();
            self.by_content.convert_columns(&columns).ok()
        };
        Some(held.content.get_or_init(encode).as_ref()?.row(row.row))
    }
}

/// Which columns mean what.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// The table's schema, a prefix of the events'.
    pub(super) table: SchemaRef,
    /// Positions of the columns by which events belong together.
    pub(super) group: Vec<usize>,
    /// Positions of the columns that are not the system's.
    pub(super) content: Vec<usize>,
    pub(super) turn: usize,
    pub(super) kind: usize,
}

/// Folds one partition.
pub(super) struct Folder {
    columns: Columns,
    by_group: RowConverter,
    rows: Rows,
    next_batch: usize,
    group: Box<dyn Group>,
    /// Encoded key of the last row.
    key: Vec<u8>,
    /// The group has events of that key.
    is_open: bool,
    output: Vec<RowRef>,
    pub(super) counts: Counts,
}

impl Folder {
    pub(super) fn new(columns: Columns, group: Box<dyn Group>) -> Result<Self> {
        let converter = |positions: &[usize]| {
            let field = |at: &usize| SortField::new(columns.table.field(*at).data_type().clone());
            RowConverter::new(positions.iter().map(field).collect())
        };
        Ok(Self {
            by_group: converter(&columns.group)?,
            rows: Rows {
                batches: BTreeMap::new(),
                by_content: converter(&columns.content)?,
                content: columns.content.clone(),
                has_lost: AtomicBool::new(false),
            },
            columns,
            next_batch: 0,
            group,
            key: Vec::new(),
            is_open: false,
            output: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Takes a batch of events; returns rows that are final, if it has some.
    pub(super) fn push(&mut self, events: &RecordBatch) -> Result<Vec<RecordBatch>> {
        let group = self.columns.group.iter();
        let group: Vec<_> = group.map(|at| Arc::clone(events.column(*at))).collect();
        let keys = self.by_group.convert_columns(&group)?;
        let table: Vec<usize> = (0..self.columns.table.fields().len()).collect();
        let held = Held {
            batch: events.project(&table)?,
            content: OnceLock::new(),
        };
        let batch = self.next_batch;
        self.next_batch += 1;
        self.rows.batches.insert(batch, held);
        let turns = events.column(self.columns.turn).as_primitive::<Int64Type>();
        let kinds = events.column(self.columns.kind).as_primitive::<Int8Type>();
        let last = events.num_rows().saturating_sub(1);
        // whether the row at hand is the first of its key
        let mut begins = match events.num_rows() {
            0 => false,
            _ => keys.row(0).as_ref() != self.key || !self.is_open,
        };
        for row in 0..events.num_rows() {
            let event = Event {
                turn: turns.value(row),
                kind: EventKind::of(kinds.value(row))
                    .ok_or_else(|| broken("an event of no kind"))?,
                row: RowRef { batch, row },
            };
            self.counts.present += u64::from(event.kind == EventKind::Present);
            if begins {
                self.close_group();
            }
            // what comes after the last row nobody knows yet
            let ends = row < last && keys.row(row + 1) != keys.row(row);
            if begins && ends {
                let output = &mut self.output;
                self.group
                    .only(event, &self.rows, &mut self.counts, &mut |row| {
                        output.push(row);
                    });
            } else {
                self.group.event(event, &self.rows);
                self.is_open = true;
            }
            begins = ends;
        }
        if events.num_rows() > 0 {
            self.key.clear();
            self.key.extend_from_slice(keys.row(last).as_ref());
        }
        if self.output.len() >= OUTPUT_ROWS || self.rows.batches.len() > HELD_BATCHES {
            return self.emit();
        }
        Ok(Vec::new())
    }

    /// Ends the last key's history; returns the remaining rows.
    pub(super) fn finish(&mut self) -> Result<Vec<RecordBatch>> {
        self.close_group();
        self.emit()
    }

    fn close_group(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let output = &mut self.output;
        self.group
            .close(&self.rows, &mut self.counts, &mut |row| output.push(row));
    }

    /// Makes batches of the rows that are final and lets go of what nobody points to.
    fn emit(&mut self) -> Result<Vec<RecordBatch>> {
        if self.rows.has_lost.load(Ordering::Relaxed) {
            return Err(broken("a row cannot be compared, or had been let go"));
        }
        let rows = std::mem::take(&mut self.output);
        let result = match runs(&rows) {
            // as most exports bring them: in order, one row a key
            Some(runs) => {
                let cut = runs.into_iter().map(|(first, length)| {
                    let batch = self.held(first.batch)?;
                    Ok(batch.slice(first.row, length))
                });
                cut.collect::<Result<_>>()?
            }
            None => vec![self.together(&rows)?],
        };
        let mut live = std::collections::BTreeSet::new();
        self.group.held(&mut |row| {
            live.insert(row.batch);
        });
        self.rows.batches.retain(|batch, _| live.contains(batch));
        Ok(result)
    }

    fn held(&self, batch: usize) -> Result<&RecordBatch> {
        let held = self.rows.batches.get(&batch);
        held.map(|held| &held.batch)
            .ok_or_else(|| broken("a row of the new table was let go"))
    }

    /// Rows that lie here and there, copied into one batch.
    fn together(&self, rows: &[RowRef]) -> Result<RecordBatch> {
        let mut positions = BTreeMap::new();
        let mut batches = Vec::new();
        for row in rows {
            if let Entry::Vacant(vacant) = positions.entry(row.batch) {
                vacant.insert(batches.len());
                batches.push(self.held(row.batch)?);
            }
        }
        match batches.as_slice() {
            [only] => {
                let rows = rows.iter().map(|row| row.row as u32);
                Ok(take_record_batch(
                    only,
                    &UInt32Array::from_iter_values(rows),
                )?)
            }
            batches => {
                let rows = rows.iter().map(|row| (positions[&row.batch], row.row));
                let rows: Vec<(usize, usize)> = rows.collect();
                Ok(interleave_record_batch(batches, &rows)?)
            }
        }
    }
}

/// Rows that stand side by side in their batches: each run's first, and how many; `None` where the runs are short.
fn runs(rows: &[RowRef]) -> Option<Vec<(RowRef, usize)>> {
    let most = rows.len() / LONG_RUN + 1;
    let mut runs: Vec<(RowRef, usize)> = Vec::new();
    for row in rows {
        if let Some((first, length)) = runs.last_mut()
            && first.batch == row.batch
            && first.row + *length == row.row
        {
            *length += 1;
            continue;
        }
        if runs.len() == most {
            return None;
        }
        runs.push((*row, 1));
    }
    Some(runs)
}
