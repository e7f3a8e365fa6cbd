//! kilde's own functions of SQL, one file each.
//!
//! In: kernels of `text`. Out: functions that [`register_udfs`] adds to a session, and a *semantics number* for each.
//! A file holds a wrapper only: what a value means is the kernel's, how Arrow writes it is [`text_function`]'s. Functions
//! that answer with the build's time (`now`, `today`) are not here; nothing in this folder reads a clock.

mod bounded;
mod company_key;
mod count_if;
mod country_code;
mod date_add;
mod date_diff;
mod date_names;
mod date_parts;
mod epoch_ms;
mod exact_moments;
mod exact_sum;
mod function;
mod if_then;
mod is_placeholder_email;
mod is_placeholder_phone;
mod is_valid_national_id;
mod justify_interval;
mod last_day;
mod len;
mod max_by;
mod mode;
mod moment;
mod name_key;
mod normalize_email;
mod normalize_national_id;
mod normalize_phone;
mod normalize_postcode;
mod other_names;
mod regexp_extract;
mod regexp_matches;
mod repair_mojibake;
mod strftime;
mod strip_accents;
mod text_function;
mod time_unit;
mod to_utc;

pub(super) use bounded::{lengths, refuse_beyond};

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::registry::FunctionRegistry as _;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

use super::checked_arithmetic::checking;
use super::interval_comparison;

/// A function and its semantics number: bumped by hand when its results may change, so that tables made with it are made
/// anew. Part of the fingerprint of every step that calls the function.
struct Numbered<F> {
    function: F,
    semantics: u32,
}

fn numbered<F>(function: F, semantics: u32) -> Numbered<F> {
    Numbered {
        function,
        semantics,
    }
}

fn scalars() -> Vec<Numbered<ScalarUDF>> {
    let parts = date_parts::date_parts().map(|part| numbered(part.into_udf(), 1));
    let mut scalars = vec![
        numbered(company_key::company_key().into_udf(), 1),
        numbered(country_code::country_code().into_udf(), 1),
        numbered(date_add::date_add().into_udf_checking(date_add::check), 1),
        numbered(
            date_diff::date_diff().into_udf_checking(date_diff::check),
            1,
        ),
        numbered(date_names::dayname().into_udf(), 1),
        numbered(date_names::monthname().into_udf(), 1),
        numbered(epoch_ms::epoch().into_udf(), 1),
        numbered(epoch_ms::epoch_ms().into_udf(), 1),
        numbered(if_then::if_then(), 1),
        numbered(is_placeholder_email::is_placeholder_email().into_udf(), 1),
        numbered(is_placeholder_phone::is_placeholder_phone().into_udf(), 1),
        numbered(is_valid_national_id::is_valid_national_id().into_udf(), 1),
        numbered(justify_interval::justify_interval().into_udf(), 1),
        numbered(last_day::last_day().into_udf(), 1),
        numbered(len::len().into_udf(), 1),
        numbered(other_names::list_value(), 1),
        numbered(other_names::string_split(), 1),
        numbered(name_key::name_key().into_udf(), 1),
        numbered(normalize_email::normalize_email().into_udf(), 1),
        numbered(normalize_national_id::normalize_national_id().into_udf(), 1),
        numbered(normalize_phone::normalize_phone().into_udf(), 1),
        numbered(normalize_postcode::normalize_postcode().into_udf(), 1),
        numbered(
            regexp_extract::regexp_extract().into_udf_checking(regexp_extract::check),
            1,
        ),
        numbered(regexp_matches::regexp_full_match().into_udf(), 1),
        numbered(regexp_matches::regexp_matches().into_udf(), 1),
        numbered(repair_mojibake::repair_mojibake().into_udf(), 1),
        numbered(strftime::strftime().into_udf_checking(strftime::check), 1),
        numbered(strftime::strptime().into_udf_checking(strftime::check), 1),
        numbered(
            strftime::try_strptime().into_udf_checking(strftime::check),
            1,
        ),
        numbered(strip_accents::strip_accents().into_udf(), 1),
        numbered(to_utc::to_utc(), 1),
    ];
    scalars.extend(parts);
    // DataFusion's results, or an error
    scalars.extend(
        bounded::bounded()
            .into_iter()
            .map(|function| numbered(function, 1)),
    );
    scalars.sort_by(|a, b| a.function.name().cmp(b.function.name()));
    scalars
}

fn numbered_aggregates() -> Vec<Numbered<AggregateUDF>> {
    let mut aggregates = vec![
        numbered(other_names::any_value(), 1),
        numbered(other_names::list(), 1),
        numbered(count_if::count_if(), 1),
        numbered(exact_sum::exact_avg(), 1),
        numbered(exact_sum::exact_sum(), 2),
        numbered(max_by::max_by(), 1),
        numbered(max_by::min_by(), 1),
        numbered(mode::mode(), 1),
    ];
    let moments = exact_moments::exact_moments().into_iter();
    aggregates.extend(moments.map(|moment| numbered(moment, 1)));
    aggregates
}

/// Puts a length of time into the form whose order is that of the lengths.
pub(super) fn justify_interval() -> &'static Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(justify_interval::justify_interval().into_udf()));
    &FUNCTION
}

/// Every scalar function, in order of name.
pub(crate) fn all() -> Vec<Arc<ScalarUDF>> {
    scalars()
        .into_iter()
        .map(|numbered| Arc::new(numbered.function))
        .collect()
}

/// Aggregates that DataFusion lacks, and those that replace its own of the same name.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    numbered_aggregates()
        .into_iter()
        .map(|numbered| Arc::new(numbered.function))
        .collect()
}

/// The semantics number of each function, under every name that SQL may call it.
pub(crate) fn semantics() -> BTreeMap<String, u32> {
    let mut numbers = BTreeMap::new();
    let mut give = |name: &str, aliases: &[String], semantics: u32| {
        numbers.insert(name.to_string(), semantics);
        numbers.extend(aliases.iter().map(|alias| (alias.clone(), semantics)));
    };
    for f in scalars() {
        give(f.function.name(), f.function.aliases(), f.semantics);
    }
    for f in numbered_aggregates() {
        give(f.function.name(), f.function.aliases(), f.semantics);
    }
    numbers
}

/// Adds kilde's functions to a session, so that SQL which kilde builds also runs there: the normalisers of e-mails,
/// phones, names, ids and times, `sum`, `avg`, `stddev` and
/// their kind of doubles that give the same bits in any order, and what DuckDB and dbt
/// have and DataFusion lacks: `max_by`, `mode`, `date_diff`, `regexp_extract`…. Intervals are compared by their
/// length, and arithmetic that overflows fails.
pub fn register_udfs(context: &SessionContext) {
    let state = context.state_ref();
    let mut state = state.write();
    *state = checking(SessionStateBuilder::new_from_existing(state.clone())).build();
    // a session without rewrites of its own takes every one
    let _ = state.register_function_rewrite(interval_comparison::rewrite());
    drop(state);
    for function in scalars() {
        context.register_udf(function.function);
    }
    for function in numbered_aggregates() {
        context.register_udaf(function.function);
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::Volatility;

    use super::*;

    #[test]
    fn every_function_is_immutable_documented_and_in_order() {
        let functions = all();
        assert!(functions.is_sorted_by_key(|function| function.name().to_string()));
        for function in functions {
            assert_eq!(function.signature().volatility, Volatility::Immutable);
            let documentation = function.documentation().unwrap();
            assert!(
                documentation
                    .sql_example
                    .as_ref()
                    .unwrap()
                    .contains(function.name())
            );
        }
    }

    #[test]
    fn every_aggregate_is_documented_and_numbered() {
        let numbers = semantics();
        for function in aggregates() {
            assert!(function.documentation().is_some(), "{}", function.name());
            assert!(numbers.contains_key(function.name()));
            assert!(
                function
                    .aliases()
                    .iter()
                    .all(|alias| numbers.contains_key(alias))
            );
        }
    }
}
