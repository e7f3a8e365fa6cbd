//! The plan node that writes: as many partitions out as in, so that it may run wherever its input runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};

use super::partition::write_partition;
use super::row::FileRow;
use super::share::Share;
use super::{WriteSpec, misfit};
use crate::error::Result;

/// Writes each partition of its input to files of its own; yields one row a file.
#[derive(Debug)]
pub(crate) struct WriteExec {
    input: Arc<dyn ExecutionPlan>,
    spec: Arc<WriteSpec>,
    properties: Arc<PlanProperties>,
    /// Partitions that are not written yet.
    writing: Arc<AtomicUsize>,
}

impl WriteExec {
    /// A node over an input that yields exactly the spec's columns, in its order.
    ///
    /// # Errors
    /// `Internal` where the columns differ.
    pub(crate) fn try_new(input: Arc<dyn ExecutionPlan>, spec: Arc<WriteSpec>) -> Result<Self> {
        let given = input.schema();
        let fits = given.fields().len() == spec.schema.fields().len()
            && given
                .fields()
                .iter()
                .zip(spec.schema.fields())
                .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
        if !fits {
            return Err(misfit(
                "the writer's input is not of the contract's types",
                &spec,
            ));
        }
        let parts = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(FileRow::schema()),
            Partitioning::UnknownPartitioning(parts),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self {
            input,
            spec,
            properties: Arc::new(properties),
            writing: Arc::new(AtomicUsize::new(parts)),
        })
    }
}

impl DisplayAs for WriteExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteExec: {}", self.spec.location)
    }
}

impl ExecutionPlan for WriteExec {
    fn name(&self) -> &'static str {
        "WriteExec"
    }

    fn schema(&self) -> SchemaRef {
        FileRow::schema()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        // the input's partitions are the table's buckets
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        datafusion::physical_plan::execution_plan::apply_expression_roots(&self.spec.counters, f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[_; 1]>::try_from(children) else {
            return datafusion::common::internal_err!("WriteExec has one input");
        };
        let node = Self::try_new(input, Arc::clone(&self.spec))
            .map_err(|error| datafusion::error::DataFusionError::External(Box::new(error)))?;
        Ok(Arc::new(node))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> DataFusionResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let store = context.runtime_env().object_store(&self.spec.store)?;
        let spec = Arc::clone(&self.spec);
        let threads = context.session_config().target_partitions();
        let share = Arc::new(Share::new(threads, Arc::clone(&self.writing)));
        let rows = futures::stream::once(async move {
            let pool = context.memory_pool();
            let rows = write_partition(input, partition, spec, store, pool, share).await?;
            FileRow::to_batch(&rows)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            FileRow::schema(),
            rows,
        )))
    }
}
