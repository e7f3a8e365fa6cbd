//! The functions and SQL settings that every statement is checked with, and must run with.
//!
//! In: functions of our own. Out: one prebuilt state, shared by all checks of a process. Checking and running agree only
//! if the session that runs a statement is configured by [`configure_sql`] and holds the same functions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use datafusion::common::config::{ConfigNonZeroUsize, Dialect};
use datafusion::error::Result;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::registry::FunctionRegistry as _;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, Volatility, WindowUDF};
use datafusion::prelude::SessionConfig;

use super::checked_arithmetic::checking;
use super::clock_functions::register_clock_functions;
use super::failure::failure;
use super::interval_comparison;
use super::sql_function::{self, SqlFunctions};
use super::statement::RECURSION_LIMIT;
use super::udf;
use crate::diagnostic::SourceFile;
use crate::error::Error;

/// Functions by name, with everything else that planning a statement needs.
#[derive(Debug)]
pub(crate) struct FunctionRegistry {
    state: SessionState,
    names: OnceLock<BTreeSet<String>>,
    semantics: BTreeMap<String, u32>,
    sql: SqlFunctions,
}

impl FunctionRegistry {
    /// DataFusion's functions with ours on top; ours win where names are equal.
    ///
    /// # Errors
    /// Where DataFusion refuses a function.
    pub(crate) fn new(
        scalars: Vec<Arc<ScalarUDF>>,
        aggregates: Vec<Arc<AggregateUDF>>,
        windows: Vec<Arc<WindowUDF>>,
    ) -> Result<Self> {
        let mut config = SessionConfig::new();
        configure_sql(&mut config);
        // planning over empty tables: partitions would only make plans larger
        let config = config.with_target_partitions(1);
        #[expect(
            clippy::disallowed_methods,
            reason = "this is `engine`; the state plans and never runs"
        )]
        let mut state = checking(SessionStateBuilder::new())
            .with_config(config)
            .with_default_features()
            .build();
        // the instant does not matter here: only the types of these functions do
        register_clock_functions(&mut state, DateTime::UNIX_EPOCH, chrono_tz::UTC)?;
        state.register_function_rewrite(interval_comparison::rewrite())?;
        for function in scalars {
            state.register_udf(function)?;
        }
        for function in aggregates {
            state.register_udaf(function)?;
        }
        for function in windows {
            state.register_udwf(function)?;
        }
        Ok(Self {
            state,
            names: OnceLock::new(),
            semantics: BTreeMap::new(),
            sql: SqlFunctions::default(),
        })
    }

    /// Numbers by function: bumped by hand when its results may change, so that what uses it is computed again. A function
    /// without a number has never changed.
    pub(crate) fn with_semantics<N: Into<String>>(
        mut self,
        semantics: impl IntoIterator<Item = (N, u32)>,
    ) -> Self {
        let numbered = semantics.into_iter();
        self.semantics = numbered
            .map(|(name, number)| (name.into(), number))
            .collect();
        self
    }

    /// Those of `functions` that have a number.
    pub(crate) fn semantics<'a>(&'a self, functions: &BTreeSet<String>) -> BTreeMap<&'a str, u32> {
        let numbered = self.semantics.iter();
        numbered
            .filter(|(name, _)| functions.contains(*name))
            .map(|(name, number)| (name.as_str(), *number))
            .collect()
    }

    /// The state behind it.
    pub(super) fn state(&self) -> &SessionState {
        &self.state
    }

    /// Every function's name and other names, sorted.
    pub(super) fn names(&self) -> &BTreeSet<String> {
        self.names.get_or_init(|| {
            let state = &self.state;
            let names = state.scalar_functions().keys();
            names
                .chain(state.aggregate_functions().keys())
                .chain(state.window_functions().keys())
                .chain(state.higher_order_functions().keys())
                .chain(state.table_functions().keys())
                .cloned()
                .collect()
        })
    }

    /// The one name of a function that may be called by several; `None` where there is no such function.
    pub(super) fn canonical_name(&self, name: &str) -> Option<String> {
        let state = &self.state;
        let scalar = state.scalar_functions().get(name).map(|f| f.name());
        let aggregate = || state.aggregate_functions().get(name).map(|f| f.name());
        let window = || state.window_functions().get(name).map(|f| f.name());
        let higher_order = || state.higher_order_functions().get(name).map(|f| f.name());
        scalar
            .or_else(aggregate)
            .or_else(window)
            .or_else(higher_order)
            .map(str::to_string)
    }

    /// Functions that the project writes in SQL.
    pub(crate) fn sql(&self) -> &SqlFunctions {
        &self.sql
    }

    /// Adds a function of the project.
    pub(super) fn register(&mut self, function: Arc<ScalarUDF>) -> Result<()> {
        self.state.register_udf(function)?;
        self.names = OnceLock::new();
        Ok(())
    }

    /// Whether a function needs many rows.
    pub(super) fn is_aggregate(&self, name: &str) -> bool {
        self.state.aggregate_functions().contains_key(name)
            || self.state.window_functions().contains_key(name)
    }

    /// Whether a function answers differently to the same question.
    pub(super) fn is_volatile(&self, name: &str) -> bool {
        self.state
            .scalar_functions()
            .get(name)
            .is_some_and(|function| function.signature().volatility == Volatility::Volatile)
    }
}

/// Every function of kilde's SQL, for checking statements.
///
/// # Errors
/// `Internal` where two functions claim one name.
fn functions() -> Result<FunctionRegistry, Error> {
    FunctionRegistry::new(udf::all(), udf::aggregates(), vec![])
        .map(|registry| registry.with_semantics(udf::semantics()))
        .map_err(failure)
}

/// The same, and those of a project's `sql/functions/`; mistakes in these files are kept for the check.
///
/// # Errors
/// `Internal` where two functions claim one name.
pub(crate) fn project_functions(files: &[Arc<SourceFile>]) -> Result<FunctionRegistry, Error> {
    let mut registry = functions()?;
    registry.sql = sql_function::compile(&mut registry, files)?;
    Ok(registry)
}

/// The same functions for a session that runs statements, with the clock that answers `as_of`.
///
/// # Errors
/// Where DataFusion refuses a function.
pub(super) fn register_functions(
    state: &mut SessionState,
    as_of: DateTime<Utc>,
    time_zone: Tz,
) -> Result<()> {
    for function in udf::all() {
        state.register_udf(function)?;
    }
    for function in udf::aggregates() {
        state.register_udaf(function)?;
    }
    state.register_function_rewrite(interval_comparison::rewrite())?;
    register_clock_functions(state, as_of, time_zone)
}

/// The SQL that kilde speaks, as settings of a session: DuckDB's dialect, decimal literals, nulls last, `Utf8` strings.
///
/// Nulls come last in both directions, as DuckDB's users expect; DataFusion's own default puts them first under `desc`.
pub(crate) fn configure_sql(config: &mut SessionConfig) {
    let parser = &mut config.options_mut().sql_parser;
    parser.dialect = Dialect::DuckDB;
    parser.parse_float_as_decimal = true;
    parser.enable_ident_normalization = true;
    parser.support_varchar_with_length = true;
    parser.map_string_types_to_utf8view = false;
    parser.collect_spans = true;
    parser.default_null_ordering = "nulls_last".to_string();
    if let Ok(limit) = ConfigNonZeroUsize::try_new(RECURSION_LIMIT) {
        parser.recursion_limit = limit;
    }
}

#[cfg(test)]
pub(crate) mod test_registry {
    use super::*;

    /// DataFusion's functions and the clock's, once for all tests.
    pub(crate) fn shared() -> &'static FunctionRegistry {
        static SHARED: OnceLock<FunctionRegistry> = OnceLock::new();
        SHARED.get_or_init(|| FunctionRegistry::new(vec![], vec![], vec![]).unwrap())
    }
}
