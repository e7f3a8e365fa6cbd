//! Rows sorted by their key → rows in total order: only rows of equal keys change places.
//!
//! A sort by every column encodes every column. Keys are unique but for mistakes, so it is enough to sort by the key and
//! then to order the few rows that share one by all else.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{
    Partitions, SortColumn, SortOptions, concat, concat_batches, lexsort_to_indices, partition,
    take_record_batch,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::StreamExt;

/// Orders rows of equal keys within each partition of an input that is sorted by key.
#[derive(Debug)]
pub(super) struct TotalOrderExec {
    input: Arc<dyn ExecutionPlan>,
    /// Positions of the columns that the input is sorted by.
    key: Vec<usize>,
    /// Positions of the columns that decide among equal keys, first to last.
    rest: Vec<usize>,
    /// By `key`, then `rest`.
    order: LexOrdering,
    properties: Arc<PlanProperties>,
}

impl TotalOrderExec {
    /// A node over an input whose partitions are sorted by `key`; `order` names the columns of `key`, then of `rest`.
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        key: Vec<usize>,
        rest: Vec<usize>,
        order: LexOrdering,
    ) -> Self {
        let mut equivalences = EquivalenceProperties::new(input.schema());
        equivalences.add_ordering(order.clone());
        let properties = PlanProperties::new(
            equivalences,
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            input,
            key,
            rest,
            order,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for TotalOrderExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TotalOrderExec: [{}]", self.order)
    }
}

impl ExecutionPlan for TotalOrderExec {
    fn name(&self) -> &'static str {
        "TotalOrderExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let order: Vec<_> = self.order.iter().map(|by| Arc::clone(&by.expr)).collect();
        datafusion::physical_plan::execution_plan::apply_expression_roots(&order, f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[_; 1]>::try_from(children) else {
            return datafusion::common::internal_err!("TotalOrderExec has one input");
        };
        let (key, rest, order) = (self.key.clone(), self.rest.clone(), self.order.clone());
        Ok(Arc::new(Self::new(input, key, rest, order)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let memory = MemoryConsumer::new(format!("TotalOrderExec[{partition}]"));
        let ordering = Ordering {
            key: self.key.clone(),
            rest: self.rest.clone(),
            open: Vec::new(),
            memory: memory.register(context.memory_pool()),
        };
        let input = self.input.execute(partition, context)?.fuse();
        let rows =
            futures::stream::try_unfold((input, ordering), |(mut input, mut ordering)| async {
                while let Some(batch) = input.next().await {
                    if let Some(rows) = ordering.push(batch?)? {
                        return Ok::<_, DataFusionError>(Some((rows, (input, ordering))));
                    }
                }
                let rows = ordering.finish()?;
                Ok(rows.map(|rows| (rows, (input, ordering))))
            });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// Holds back the newest batch, since the next may begin with its last key.
struct Ordering {
    key: Vec<usize>,
    rest: Vec<usize>,
    /// A batch; after it, where its last key has more rows, batches of that key alone.
    open: Vec<RecordBatch>,
    memory: MemoryReservation,
}

impl Ordering {
    /// Takes a batch; gives the rows before it back, if no row of it belongs among them.
    fn push(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        if !self.goes_on_in(&batch)? {
            let complete = self.finish()?;
            self.open = vec![batch];
            return Ok(complete);
        }
        let runs = self.runs(&batch)?.ranges();
        let first = runs.first().map_or(0, |run| run.end);
        self.memory.try_grow(batch.get_array_memory_size())?;
        self.open.push(batch.slice(0, first));
        if first == batch.num_rows() {
            return Ok(None);
        }
        let complete = self.finish()?;
        self.open = vec![batch.slice(first, batch.num_rows() - first)];
        Ok(complete)
    }

    /// What is held, in total order.
    fn finish(&mut self) -> Result<Option<RecordBatch>> {
        let open = std::mem::take(&mut self.open);
        let rows = match open.as_slice() {
            [] => return Ok(None),
            [batch] => batch.clone(),
            [first, ..] => concat_batches(&first.schema(), &open)?,
        };
        let rows = self.ordered(rows)?;
        self.memory.free();
        Ok(Some(rows))
    }

    fn ordered(&self, rows: RecordBatch) -> Result<RecordBatch> {
        let runs = self.runs(&rows)?;
        if runs.len() == rows.num_rows() {
            return Ok(rows);
        }
        let mut indices = Vec::with_capacity(rows.num_rows());
        for run in runs.ranges() {
            let start = run.start as u32;
            if run.len() == 1 {
                indices.push(start);
                continue;
            }
            let by: Vec<SortColumn> = self
                .rest
                .iter()
                .map(|at| SortColumn {
                    values: rows.column(*at).slice(run.start, run.len()),
                    options: Some(ORDER),
                })
                .collect();
            let order = lexsort_to_indices(&by, None)?;
            indices.extend(order.values().iter().map(|at| start + at));
        }
        Ok(take_record_batch(&rows, &UInt32Array::from(indices))?)
    }

    /// Runs of equal keys, in order.
    fn runs(&self, rows: &RecordBatch) -> Result<Partitions, ArrowError> {
        let keys: Vec<ArrayRef> = self
            .key
            .iter()
            .map(|at| Arc::clone(rows.column(*at)))
            .collect();
        partition(&keys)
    }

    /// Whether the batch begins with the key that ends what is held.
    fn goes_on_in(&self, batch: &RecordBatch) -> Result<bool, ArrowError> {
        let Some(before) = self.open.last() else {
            return Ok(false);
        };
        let border = self.key.iter().map(|at| {
            let last = before.column(*at).slice(before.num_rows() - 1, 1);
            concat(&[&last, &batch.column(*at).slice(0, 1)])
        });
        let border = border.collect::<Result<Vec<_>, _>>()?;
        Ok(partition(&border)?.len() == 1)
    }
}

/// Of every published table.
pub(super) const ORDER: SortOptions = SortOptions {
    descending: false,
    nulls_first: true,
};

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, Int64Array, StringArray};
    use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::physical_expr::PhysicalSortExpr;
    use datafusion::physical_expr::expressions::Column;
    use futures::TryStreamExt;
    use proptest::prelude::*;

    use super::*;

    type TestRow = (i64, Option<&'static str>);

    /// The rows, which are sorted by their number, cut into batches of these sizes and put in total order.
    fn in_total_order(rows: &[TestRow], sizes: &[usize]) -> Vec<TestRow> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("key", DataType::Int64, true),
            Field::new("rest", DataType::Utf8, true),
        ]));
        let (mut left, mut batches) = (rows, Vec::new());
        for size in sizes.iter().chain([&usize::MAX]) {
            let (now, later) = left.split_at((*size).min(left.len()));
            let keys: Int64Array = now.iter().map(|row| row.0).collect();
            let texts: StringArray = now.iter().map(|row| row.1).collect();
            let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(texts)];
            batches.push(RecordBatch::try_new(Arc::clone(&schema), columns).unwrap());
            left = later;
        }
        let input =
            MemorySourceConfig::try_new_exec(&[batches], Arc::clone(&schema), None).unwrap();
        let by = |at: usize| {
            let column = Column::new(schema.field(at).name(), at);
            PhysicalSortExpr::new(Arc::new(column), ORDER)
        };
        let order = LexOrdering::new([by(0), by(1)]).unwrap();
        let node = TotalOrderExec::new(input, vec![0], vec![1], order);
        let stream = node.execute(0, Arc::new(TaskContext::default())).unwrap();
        let batches: Vec<RecordBatch> = futures::executor::block_on(stream.try_collect()).unwrap();
        let mut found = Vec::new();
        for batch in &batches {
            let keys = batch.column(0).as_primitive::<Int64Type>();
            let texts = batch.column(1).as_string::<i32>();
            for (key, text) in keys.values().iter().zip(texts) {
                let known = ["a", "b", "c"]
                    .into_iter()
                    .find(|known| text == Some(*known));
                found.push((*key, known));
            }
        }
        found
    }

    #[test]
    fn rows_of_one_key_that_spans_batches_are_ordered_together() {
        let rows = [
            (1, Some("b")),
            (2, Some("c")),
            (2, Some("b")),
            (2, None),
            (2, Some("a")),
            (3, Some("a")),
        ];
        let expected = [
            (1, Some("b")),
            (2, None),
            (2, Some("a")),
            (2, Some("b")),
            (2, Some("c")),
            (3, Some("a")),
        ];
        assert_eq!(in_total_order(&rows, &[2, 1, 1]), expected);
        assert_eq!(in_total_order(&rows, &[]), expected);
    }

    proptest! {
        #[test]
        fn any_rows_in_any_batches_come_out_as_a_sort_by_all_columns(
            rows in prop::collection::vec(
                (0i64..6, prop::sample::select(vec![None, Some("a"), Some("b"), Some("c")])), 0..40),
            sizes in prop::collection::vec(0usize..8, 0..10),
        ) {
            let mut by_key = rows.clone();
            by_key.sort_by_key(|row| row.0);
            let mut sorted = rows;
            sorted.sort_unstable();
            prop_assert_eq!(in_total_order(&by_key, &sizes), sorted);
        }
    }
}
