//! The fold as part of a query plan: a table whose scan sorts the events and folds them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Constraint, Constraints, Result as PlanResult, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, TableType, Volatility, cast, create_udf, ident, lit,
};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties,
    PlanProperties, SendableRecordBatchStream,
};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::StreamExt;

use super::accounting::{Accounting, FileCounts, Tally};
use super::events::{EventKind, KIND, TURN, event_schema, exported_events, ordered_events};
use super::fold::{Columns, Folder, Group};
use super::{LoadRequest, Loading, Turn, planning};
use crate::error::{Error, Result};
use crate::ingest::conform::{SOURCE_FILE, SOURCE_ROW};
use crate::ingest::table_schema;

/// How a load folds.
pub(super) struct Folding<'a, F> {
    /// The exports that take part, by number of their turn.
    pub(super) turns: Vec<(i64, &'a Turn)>,
    pub(super) with_rejected_keys: bool,
    /// Turns of published rows by the export of their content; none at all: they come before everything.
    pub(super) loaded: BTreeMap<String, i64>,
    pub(super) known: BTreeMap<String, FileCounts>,
    /// Makes the rule for a partition.
    pub(super) new_group: F,
}

impl<'a, F> Folding<'a, F> {
    /// The same with another rule.
    pub(super) fn with_group<G>(self, new_group: G) -> Folding<'a, G> {
        Folding {
            turns: self.turns,
            with_rejected_keys: self.with_rejected_keys,
            loaded: self.loaded,
            known: self.known,
            new_group,
        }
    }
}

/// The load as a query.
pub(super) fn folded<F>(
    context: &SessionContext,
    request: &LoadRequest<'_>,
    folding: Folding<'_, F>,
) -> Result<Loading>
where
    F: Fn() -> Box<dyn Group> + Send + Sync + 'static,
{
    let table = table_schema(request.contract);
    let content = request.contract.stored_columns().count();
    let keys = request.contract.key_names();
    let group: Vec<usize> = if keys.is_empty() {
        (0..content).collect()
    } else {
        let of_key = keys.iter().map(|key| table.index_of(key));
        of_key
            .collect::<Result<_, _>>()
            .map_err(|error| Error::internal("a key is no column").caused_by(error))?
    };
    // before the first load there is no row that a rejected record could keep
    let ordered = match (&request.present, folding.turns.as_slice()) {
        (None, [turn]) => ordered_events(&table, &keys, request.ranges, *turn)?,
        _ => None,
    };
    let is_ordered = ordered.is_some();
    let exported = match ordered {
        Some(ordered) => ordered,
        None => exported_events(context, &table, &folding.turns, folding.with_rejected_keys)?,
    };
    let mut events = context.read_table(exported).map_err(planning)?;
    if let Some(present) = &request.present {
        let present = present_events(context, Arc::clone(present), &table, folding.loaded)?;
        events = present.union(events).map_err(planning)?;
    }
    let paths = folding
        .turns
        .iter()
        .map(|(number, turn)| (*number, turn.export.report.path.clone()));
    let tally = Arc::new(Mutex::new(Arc::new(Tally::default())));
    let accounting = Accounting::open(folding.known, paths.collect(), Arc::clone(&tally));
    let columns = Columns {
        group,
        content: (0..content).collect(),
        turn: table.fields().len(),
        kind: table.fields().len() + 1,
        table,
    };
    let provider = FoldedTable {
        events: events.into_unoptimized_plan(),
        columns,
        is_keyed: !keys.is_empty(),
        is_ordered,
        new_group: Arc::new(folding.new_group),
        tally,
    };
    let rows = context.read_table(Arc::new(provider)).map_err(planning)?;
    Ok(Loading { rows, accounting })
}

/// The published rows as events.
fn present_events(
    context: &SessionContext,
    present: Arc<dyn TableProvider>,
    table: &SchemaRef,
    loaded: BTreeMap<String, i64>,
) -> Result<DataFrame> {
    let mut columns = present_columns(&present.schema(), table);
    columns.push(turn_of_present(loaded).alias(TURN));
    columns.push(lit(EventKind::Present.number()).alias(KIND));
    let rows = context.read_table(present).map_err(planning)?;
    rows.select(columns).map_err(planning)
}

/// The published rows without those of some exports.
pub(super) fn present_rows(
    context: &SessionContext,
    present: Arc<dyn TableProvider>,
    table: &SchemaRef,
    leaving: &BTreeMap<String, u64>,
) -> Result<DataFrame> {
    let columns = present_columns(&present.schema(), table);
    let leaving = leaving.keys().map(|path| lit(path.as_str())).collect();
    // a row that names no export was adopted from another tool: it leaves with none
    let stays = ident(SOURCE_FILE)
        .is_null()
        .or(ident(SOURCE_FILE).in_list(leaving, true));
    let rows = context.read_table(present).map_err(planning)?;
    rows.select(columns)
        .and_then(|rows| rows.filter(stays))
        .map_err(planning)
}

/// The table's columns of its published rows. One that they lack is null; text is brought to the table's layout.
fn present_columns(has: &SchemaRef, table: &SchemaRef) -> Vec<Expr> {
    let column = |field: &Arc<Field>| {
        let value = match has.field_with_name(field.name()) {
            Ok(_) => ident(field.name()),
            Err(_) => lit(ScalarValue::Null),
        };
        cast(value, field.data_type().clone()).alias(field.name())
    };
    table.fields().iter().map(column).collect()
}

/// What must not be: a bug, which ends the build.
pub(super) fn broken(what: &str) -> DataFusionError {
    DataFusionError::External(Box::new(Error::internal(what)))
}

/// The turn of a published row: that of its export, or before all where exports have none.
fn turn_of_present(loaded: BTreeMap<String, i64>) -> Expr {
    const FIRST: i64 = -1;
    if loaded.is_empty() {
        return lit(FIRST);
    }
    let look_up = move |arguments: &[ColumnarValue]| -> PlanResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let turns: Int64Array = arrays[0]
            .as_string::<i32>()
            .iter()
            .map(|path| {
                let turn = path.and_then(|path| loaded.get(path)).copied();
                turn.map(Some).ok_or_else(|| {
                    broken("a published row names an export that the ledger does not know")
                })
            })
            .collect::<PlanResult<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(turns) as ArrayRef))
    };
    create_udf(
        "kilde_turn",
        vec![DataType::Utf8],
        DataType::Int64,
        Volatility::Immutable,
        Arc::new(look_up),
    )
    .call(vec![cast(ident(SOURCE_FILE), DataType::Utf8)])
}

type NewGroup = Arc<dyn Fn() -> Box<dyn Group> + Send + Sync>;

/// A table whose rows are folded when it is scanned.
struct FoldedTable {
    events: LogicalPlan,
    columns: Columns,
    is_keyed: bool,
    /// The events come sorted.
    is_ordered: bool,
    new_group: NewGroup,
    tally: Arc<Mutex<Arc<Tally>>>,
}

impl fmt::Debug for FoldedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FoldedTable")
    }
}

#[async_trait]
impl TableProvider for FoldedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns.table)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let tally = Arc::new(Tally::default());
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&tally);
        let input = state.create_physical_plan(&self.events).await?;
        let fold = FoldExec::new(
            input,
            self.columns.clone(),
            self.is_keyed,
            self.is_ordered,
            Arc::clone(&self.new_group),
            tally,
        )?;
        let fold: Arc<dyn ExecutionPlan> = Arc::new(fold);
        let Some(projection) = projection else {
            return Ok(fold);
        };
        let columns = projection.iter().map(|at| {
            let name = self.columns.table.field(*at).name();
            (
                Arc::new(Column::new(name, *at)) as Arc<dyn PhysicalExpr>,
                name.clone(),
            )
        });
        Ok(Arc::new(ProjectionExec::try_new(
            columns.collect::<Vec<_>>(),
            fold,
        )?))
    }
}

/// Folds events that are partitioned and sorted by key.
struct FoldExec {
    input: Arc<dyn ExecutionPlan>,
    columns: Columns,
    is_keyed: bool,
    is_ordered: bool,
    ordering: LexOrdering,
    new_group: NewGroup,
    tally: Arc<Tally>,
    properties: Arc<PlanProperties>,
}

impl FoldExec {
    fn new(
        input: Arc<dyn ExecutionPlan>,
        columns: Columns,
        is_keyed: bool,
        is_ordered: bool,
        new_group: NewGroup,
        tally: Arc<Tally>,
    ) -> PlanResult<Self> {
        let events = event_schema(&columns.table);
        let sort = |at: usize| {
            let column = Arc::new(Column::new(events.field(at).name(), at));
            PhysicalSortExpr::new(column, SortOptions::default())
        };
        let position = [
            columns.turn,
            columns.table.index_of(SOURCE_FILE)?,
            columns.table.index_of(SOURCE_ROW)?,
        ];
        let order = columns.group.iter().copied().chain(position);
        let ordering = LexOrdering::new(order.map(sort))
            .ok_or_else(|| DataFusionError::Internal("a load sorts by nothing".to_string()))?;
        let mut equivalences = EquivalenceProperties::new(Arc::clone(&columns.table));
        if is_keyed {
            // rows leave as they came: by key, each once
            equivalences.add_ordering(columns.group.iter().copied().map(sort));
            let key = Constraint::PrimaryKey(columns.group.clone());
            equivalences.set_constraints(Constraints::new_unverified(vec![key]));
        }
        let properties = PlanProperties::new(
            equivalences,
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            input,
            columns,
            is_keyed,
            is_ordered,
            ordering,
            new_group,
            tally,
            properties: Arc::new(properties),
        })
    }
}

impl fmt::Debug for FoldExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FoldExec")
    }
}

impl DisplayAs for FoldExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FoldExec: by=[{}]", self.ordering)
    }
}

impl ExecutionPlan for FoldExec {
    fn name(&self) -> &'static str {
        "FoldExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let key = self.ordering.iter().take(self.columns.group.len());
        let key = key.map(|sort| Arc::clone(&sort.expr)).collect();
        InputDistributionRequirements::new(vec![Distribution::KeyPartitioned(key)])
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        // one sorted stream is folded as it comes: parts of it would have to be merged again before they are written
        vec![!self.is_ordered]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![Some(OrderingRequirements::from(self.ordering.clone()))]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        for sort in self.ordering.iter() {
            if f(&sort.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let [input] = <[_; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("a fold has one input".to_string()))?;
        Ok(Arc::new(Self::new(
            input,
            self.columns.clone(),
            self.is_keyed,
            self.is_ordered,
            Arc::clone(&self.new_group),
            Arc::clone(&self.tally),
        )?))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> PlanResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let work = Work {
            input,
            folder: Some(Folder::new(self.columns.clone(), (self.new_group)())?),
            ready: VecDeque::new(),
            partition,
            partitions: self.input.output_partitioning().partition_count(),
            tally: Arc::clone(&self.tally),
        };
        let stream = futures::stream::try_unfold(work, Work::next);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.columns.table),
            stream,
        )))
    }
}

/// One partition under way.
struct Work {
    input: SendableRecordBatchStream,
    /// `None` when all is said.
    folder: Option<Folder>,
    /// Rows that are final.
    ready: VecDeque<RecordBatch>,
    partition: usize,
    partitions: usize,
    tally: Arc<Tally>,
}

impl Work {
    async fn next(mut self) -> PlanResult<Option<(RecordBatch, Self)>> {
        loop {
            if let Some(rows) = self.ready.pop_front() {
                return Ok(Some((rows, self)));
            }
            let Some(folder) = &mut self.folder else {
                return Ok(None);
            };
            if let Some(events) = self.input.next().await {
                self.ready.extend(folder.push(&events?)?);
                continue;
            }
            self.ready.extend(folder.finish()?);
            let counts = std::mem::take(&mut folder.counts);
            self.tally.note(self.partition, self.partitions, counts);
            self.folder = None;
        }
    }
}
