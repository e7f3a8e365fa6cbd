//! Scratch files and the present table as one stream of events.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int8Array, Int64Array, RecordBatch, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::SortExpr;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{SessionContext, ident};

use super::{Turn, planning};
use crate::error::Result;
use crate::ingest::conform::{SOURCE_FILE, SOURCE_ROW};
use crate::ingest::scratch::ScratchFile;

/// Column of an event: the turn of its export.
pub(super) const TURN: &str = "_kilde_turn";
/// Column of an event: what it says, see [`Kind`].
pub(super) const KIND: &str = "_kilde_event";

/// What an event says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The table has this row.
    Present,
    /// The export has this row.
    Accepted,
    /// The export has a record of this key that was rejected; only the key is given.
    RejectedKey,
}

impl Kind {
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
/// table says so.
pub(super) fn accepted_rows(
    context: &SessionContext,
    table: &SchemaRef,
    key: &[&str],
    turns: &[Turn],
) -> Result<Arc<dyn TableProvider>> {
    let parts = turns.iter().map(|turn| Part {
        file: Arc::clone(&turn.export.accepted),
        event: None,
    });
    let mut parts: Vec<Part> = parts.collect();
    parts.retain(|part| part.file.rows() > 0);
    if key.is_empty() || !are_in_key_order(&parts) {
        return stream(context, table, parts);
    }
    let order = key.iter().map(|column| ascending(column)).collect();
    Ok(Arc::new(one_stream(table, parts)?.with_sort_order(order)))
}

/// Whether the rows of these files stand in the order of their keys, one file after the other.
fn are_in_key_order(parts: &[Part]) -> bool {
    let ranges: Option<Vec<_>> = parts.iter().map(|part| part.file.key_range()).collect();
    ranges.is_some_and(|ranges| ranges.windows(2).all(|pair| pair[0].goes_before(pair[1])))
}

fn ascending(column: &str) -> SortExpr {
    ident(column).sort(true, true)
}

/// The events of one export, if its rows stand in the order of the key; the table says so.
pub(super) fn ordered_events(
    table: &SchemaRef,
    key: &[&str],
    (number, turn): (i64, &Turn),
) -> Result<Option<Arc<dyn TableProvider>>> {
    let part = Part {
        file: Arc::clone(&turn.export.accepted),
        event: Some((number, Kind::Accepted)),
    };
    if key.is_empty() || !are_in_key_order(std::slice::from_ref(&part)) {
        return Ok(None);
    }
    let position = [TURN, SOURCE_FILE, SOURCE_ROW];
    let order = key.iter().chain(&position).map(|column| ascending(column));
    let events = one_stream(&event_schema(table), vec![part])?;
    Ok(Some(Arc::new(events.with_sort_order(order.collect()))))
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
        parts.push(Part {
            file: Arc::clone(&turn.export.accepted),
            event: Some((*number, Kind::Accepted)),
        });
        if with_rejected_keys {
            parts.push(Part {
                file: Arc::clone(&turn.export.rejected_keys),
                event: Some((*number, Kind::RejectedKey)),
            });
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

/// A table that reads the files one after the other.
fn one_stream(schema: &SchemaRef, parts: Vec<Part>) -> Result<StreamingTable> {
    let stream = ScratchStream {
        schema: Arc::clone(schema),
        parts,
    };
    StreamingTable::try_new(Arc::clone(schema), vec![Arc::new(stream)]).map_err(planning)
}

/// Scratch files as a table: their rows, one file after the other.
///
/// # Errors
/// `Internal` where the schemas do not fit.
pub(crate) fn scratch_table(
    schema: SchemaRef,
    files: Vec<Arc<ScratchFile>>,
) -> Result<Arc<dyn TableProvider>> {
    let parts = files
        .into_iter()
        .map(|file| Part { file, event: None })
        .collect();
    Ok(Arc::new(one_stream(&schema, parts)?))
}

/// One scratch file, perhaps as events.
#[derive(Clone, Debug)]
struct Part {
    file: Arc<ScratchFile>,
    event: Option<(i64, Kind)>,
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
                let batches = part.file.batches().map_err(external)?;
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
