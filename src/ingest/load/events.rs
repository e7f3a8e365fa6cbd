//! Scratch files and the present table as one stream of events.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int8Array, Int64Array, RecordBatch, new_null_array};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{ScalarValue, SplitPoint};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::SortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalSortExpr, RangePartitioning};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{SessionContext, ident};

use super::{Turn, planning};
use crate::error::{Error, Result};
use crate::ingest::conform::{SOURCE_FILE, SOURCE_ROW};
use crate::ingest::key_order::{KeyRange, Ordered, OrderedBatch, cuts};
use crate::ingest::scratch::ScratchFile;

/// Column of an event: the turn of its export.
pub(super) const TURN: &str = "_kilde_turn";
/// Column of an event: what it says, see [`EventKind`].
pub(super) const KIND: &str = "_kilde_event";

/// What an event says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    /// The table has this row.
    Present,
    /// The export has this row.
    Accepted,
    /// The export has a record of this key that was rejected; only the key is given.
    RejectedKey,
}

impl EventKind {
    /// As stored in [`KIND`].
    pub(super) fn number(self) -> i8 {
        match self {
            Self::Present => 0,
            Self::Accepted => 1,
            Self::RejectedKey => 2,
        }
    }

    /// From [`KIND`].
    pub(super) fn of(number: i8) -> Option<Self> {
        match number {
            0 => Some(Self::Present),
            1 => Some(Self::Accepted),
            2 => Some(Self::RejectedKey),
            _ => None,
        }
    }
}

/// The table's columns and those of an event.
pub(super) fn event_schema(table: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<_> = table.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(TURN, DataType::Int64, true)));
    fields.push(Arc::new(Field::new(KIND, DataType::Int8, true)));
    Arc::new(Schema::new(fields))
}

/// The accepted rows of some exports, in the order of the turns. Where all of them together stand in the order of the key, the
/// table says so, and has at most `ranges` partitions, each a range of keys.
pub(super) fn accepted_rows(
    context: &SessionContext,
    table: &SchemaRef,
    key: &[&str],
    ranges: usize,
    turns: &[Turn],
) -> Result<Arc<dyn TableProvider>> {
    let parts = turns
        .iter()
        .map(|turn| Part::whole(&turn.export.accepted, None));
    let mut parts: Vec<Part> = parts.collect();
    parts.retain(|part| part.file.rows() > 0);
    match in_key_order(&parts).filter(|_| !key.is_empty()) {
        None => stream(context, table, parts),
        Some(batches) => Ok(Arc::new(in_ranges(
            table,
            key,
            &[],
            &parts,
            &batches,
            ranges,
        )?)),
    }
}

/// All batches of these files, if the rows stand in the order of their keys, one file after the other.
fn in_key_order(parts: &[Part]) -> Option<Vec<OrderedBatch>> {
    let files: Option<Vec<_>> = parts.iter().map(|part| part.file.ordered()).collect();
    let mut batches = Vec::new();
    let mut before: Option<&KeyRange> = None;
    for Ordered {
        range,
        batches: own,
    } in files?
    {
        let first = batches.len();
        batches.extend_from_slice(own);
        if let Some(before) = before {
            if !before.goes_before(range) {
                return None;
            }
            batches[first].begins_key = before.ends_before(range);
        }
        before = Some(range);
    }
    Some(batches)
}

fn ascending(column: &str) -> SortExpr {
    ident(column).sort(true, true)
}

/// The events of one export, if its rows stand in the order of the key; the table says so, and has at most `ranges` partitions,
/// each a range of keys.
pub(super) fn ordered_events(
    table: &SchemaRef,
    key: &[&str],
    ranges: usize,
    (number, turn): (i64, &Turn),
) -> Result<Option<Arc<dyn TableProvider>>> {
    let parts = [Part::whole(
        &turn.export.accepted,
        Some((number, EventKind::Accepted)),
    )];
    let Some(batches) = in_key_order(&parts).filter(|_| !key.is_empty()) else {
        return Ok(None);
    };
    let position = [TURN, SOURCE_FILE, SOURCE_ROW];
    let schema = event_schema(table);
    let events = in_ranges(&schema, key, &position, &parts, &batches, ranges)?;
    Ok(Some(Arc::new(events)))
}

/// A table that reads files whose rows stand in the order of their keys: at most `ranges` partitions of about as many rows, none
/// of which has a key of another. `batches`: those of all files; `then`: columns that order the rows of a key.
fn in_ranges(
    schema: &SchemaRef,
    key: &[&str],
    then: &[&str],
    parts: &[Part],
    batches: &[OrderedBatch],
    ranges: usize,
) -> Result<StreamingTable> {
    let order = key.iter().chain(then).map(|column| ascending(column));
    let order = order.collect();
    let starts = cuts(batches, ranges.max(1));
    let ends = starts[1..].iter().copied().chain([batches.len()]);
    let runs: Vec<Vec<Part>> = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| run(parts, *start..end))
        .collect();
    let first_keys = runs[1..].iter().map(|run| first_key(run, key));
    let first_keys: Vec<SplitPoint> = first_keys.collect::<Result<_>>()?;
    let streams = runs.into_iter().map(|parts| {
        let schema = Arc::clone(schema);
        Arc::new(ScratchStream { schema, parts }) as Arc<dyn PartitionStream>
    });
    let table = StreamingTable::try_new(Arc::clone(schema), streams.collect());
    let table = table.map_err(planning)?.with_sort_order(order);
    if first_keys.is_empty() {
        return Ok(table);
    }
    let by_key = key.iter().map(|column| {
        let column = Column::new_with_schema(column, schema)?;
        Ok(PhysicalSortExpr::new(
            Arc::new(column),
            SortOptions::default(),
        ))
    });
    let by_key: Vec<_> = by_key.collect::<Result<_, _>>().map_err(planning)?;
    let by_key = LexOrdering::new(by_key)
        .ok_or_else(|| Error::internal("rows are in the order of no key"))?;
    let partitioning = RangePartitioning::new(by_key, first_keys);
    Ok(table.with_output_partitioning(Partitioning::Range(partitioning)))
}

/// Of all batches of the files, one after the other, these.
fn run(parts: &[Part], batches: Range<usize>) -> Vec<Part> {
    let (mut run, mut first) = (Vec::new(), 0);
    for part in parts {
        let count = part.batches.len();
        let start = batches.start.clamp(first, first + count) - first;
        let end = batches.end.clamp(first, first + count) - first;
        if start < end {
            run.push(Part {
                batches: start..end,
                ..part.clone()
            });
        }
        first += count;
    }
    run
}

/// The key of the first row.
fn first_key(run: &[Part], key: &[&str]) -> Result<SplitPoint> {
    let lost = || Error::internal("a range of keys has no rows");
    let part = run.first().ok_or_else(lost)?;
    let mut batches = part.file.batches_in(part.batches.clone())?;
    let batch = batches.next().ok_or_else(lost)??;
    let values = key.iter().map(|column| {
        let column = batch.column_by_name(column).ok_or_else(lost)?;
        ScalarValue::try_from_array(column, 0).map_err(planning)
    });
    Ok(SplitPoint::new(values.collect::<Result<_>>()?))
}

/// The events of some exports, numbered by turn.
pub(super) fn exported_events(
    context: &SessionContext,
    table: &SchemaRef,
    turns: &[(i64, &Turn)],
    with_rejected_keys: bool,
) -> Result<Arc<dyn TableProvider>> {
    let mut parts = Vec::new();
    for (number, turn) in turns {
        let event = |kind| Some((*number, kind));
        parts.push(Part::whole(
            &turn.export.accepted,
            event(EventKind::Accepted),
        ));
        if with_rejected_keys {
            let keys = &turn.export.rejected_keys;
            parts.push(Part::whole(keys, event(EventKind::RejectedKey)));
        }
    }
    stream(context, &event_schema(table), parts)
}

/// A table over scratch files: not more partitions than the session wants, each a run of neighbouring files.
fn stream(
    context: &SessionContext,
    schema: &SchemaRef,
    mut parts: Vec<Part>,
) -> Result<Arc<dyn TableProvider>> {
    parts.retain(|part| part.file.rows() > 0);
    let partitions = context.state().config().target_partitions().max(1);
    let length = parts.len().div_ceil(partitions).max(1);
    let mut streams: Vec<Arc<dyn PartitionStream>> = parts
        .chunks(length)
        .map(|parts| {
            Arc::new(ScratchStream {
                schema: Arc::clone(schema),
                parts: parts.to_vec(),
            }) as Arc<dyn PartitionStream>
        })
        .collect();
    if streams.is_empty() {
        streams.push(Arc::new(ScratchStream {
            schema: Arc::clone(schema),
            parts: Vec::new(),
        }));
    }
    let table = StreamingTable::try_new(Arc::clone(schema), streams).map_err(planning)?;
    Ok(Arc::new(table))
}

/// Scratch files as a table: their rows, one file after the other.
///
/// # Errors
/// `Internal` where the schemas do not fit.
pub(crate) fn scratch_table(
    schema: SchemaRef,
    files: Vec<Arc<ScratchFile>>,
) -> Result<Arc<dyn TableProvider>> {
    let stream = ScratchStream {
        schema: Arc::clone(&schema),
        parts: files.iter().map(|file| Part::whole(file, None)).collect(),
    };
    let table = StreamingTable::try_new(schema, vec![Arc::new(stream)]);
    Ok(Arc::new(table.map_err(planning)?))
}

/// Some batches of a scratch file, perhaps as events.
#[derive(Clone, Debug)]
struct Part {
    file: Arc<ScratchFile>,
    batches: Range<usize>,
    event: Option<(i64, EventKind)>,
}

/// Scratch files one after the other.
#[derive(Debug)]
struct ScratchStream {
    schema: SchemaRef,
    parts: Vec<Part>,
}

impl PartitionStream for ScratchStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), 2);
        let sender = builder.tx();
        let parts = self.parts.clone();
        let schema = Arc::clone(&self.schema);
        builder.spawn_blocking(move || {
            for part in parts {
                let batches = part
                    .file
                    .batches_in(part.batches.clone())
                    .map_err(external)?;
                for batch in batches {
                    let batch = batch
                        .map_err(external)
                        .and_then(|batch| part.fit(&batch, &schema));
                    // nobody listens any more: the query was given up
                    if sender.blocking_send(batch).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        builder.build()
    }
}

impl Part {
    fn whole(file: &Arc<ScratchFile>, event: Option<(i64, EventKind)>) -> Self {
        Self {
            batches: 0..file.count(),
            file: Arc::clone(file),
            event,
        }
    }

    /// The batch with the columns of the stream: null where the file has none, turn and kind where it is an event.
    fn fit(&self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, DataFusionError> {
        let rows = batch.num_rows();
        let column = |field: &Field| -> ArrayRef {
            match (field.name().as_str(), self.event) {
                (TURN, Some((turn, _))) => Arc::new(Int64Array::from(vec![turn; rows])),
                (KIND, Some((_, kind))) => Arc::new(Int8Array::from(vec![kind.number(); rows])),
                (name, _) => match batch.column_by_name(name) {
                    Some(array) => Arc::clone(array),
                    None => new_null_array(field.data_type(), rows),
                },
            }
        };
        let columns = schema.fields().iter().map(|field| column(field)).collect();
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

fn external(error: crate::error::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
