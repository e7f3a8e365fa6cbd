//! Functions of DataFusion under the names that DuckDB, Spark and Snowflake give them.
//!
//! `any_value` is `min`: any value will do, so the one that is the same on every run.

use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::min_max::min_udaf;
use datafusion::functions_nested::make_array::make_array_udf;
use datafusion::functions_nested::string::string_to_array_udf;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub(super) fn list_value() -> ScalarUDF {
    (*make_array_udf())
        .clone()
        .with_aliases(["list_value", "array_construct"])
}

pub(super) fn string_split() -> ScalarUDF {
    (*string_to_array_udf())
        .clone()
        .with_aliases(["string_split", "str_split", "split"])
}

pub(super) fn any_value() -> AggregateUDF {
    (*min_udaf()).clone().with_aliases(["any_value"])
}

pub(super) fn list() -> AggregateUDF {
    (*array_agg_udaf())
        .clone()
        .with_aliases(["list", "collect_list"])
}
