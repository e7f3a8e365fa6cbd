//! kilde's own functions of SQL, one file each.
//!
//! In: kernels of `text`. Out: functions that [`register_udfs`] adds to a session, and a *semantics number* for each.
//! A file holds a wrapper only: what a value means is the kernel's, how Arrow writes it is [`text_function`]'s. Functions
//! that answer with the build's time (`now`, `today`) are not here; nothing in this folder reads a clock.

mod country_code;
mod exact_sum;
mod is_placeholder_email;
mod is_placeholder_phone;
mod is_valid_national_id;
mod name_key;
mod normalize_email;
mod normalize_national_id;
mod normalize_phone;
mod normalize_postcode;
mod repair_mojibake;
mod text_function;
mod to_utc;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

/// A function, the names that SQL may call it, and its semantics number: bumped by hand when its results may change, so
/// that tables made with it are made anew. Part of the fingerprint of every step that calls the function.
struct Numbered<F> {
    function: F,
    names: &'static [&'static str],
    semantics: u32,
}

fn numbered<F>(function: F, names: &'static [&'static str], semantics: u32) -> Numbered<F> {
    Numbered {
        function,
        names,
        semantics,
    }
}

fn scalars() -> Vec<Numbered<ScalarUDF>> {
    vec![
        numbered(
            country_code::country_code().into_udf(),
            &["country_code"],
            1,
        ),
        numbered(
            is_placeholder_email::is_placeholder_email().into_udf(),
            &["is_placeholder_email"],
            1,
        ),
        numbered(
            is_placeholder_phone::is_placeholder_phone().into_udf(),
            &["is_placeholder_phone"],
            1,
        ),
        numbered(
            is_valid_national_id::is_valid_national_id().into_udf(),
            &["is_valid_national_id"],
            1,
        ),
        numbered(name_key::name_key().into_udf(), &["name_key"], 1),
        numbered(
            normalize_email::normalize_email().into_udf(),
            &["normalize_email"],
            1,
        ),
        numbered(
            normalize_national_id::normalize_national_id().into_udf(),
            &["normalize_national_id"],
            1,
        ),
        numbered(
            normalize_phone::normalize_phone().into_udf(),
            &["normalize_phone"],
            1,
        ),
        numbered(
            normalize_postcode::normalize_postcode().into_udf(),
            &["normalize_postcode"],
            1,
        ),
        numbered(
            repair_mojibake::repair_mojibake().into_udf(),
            &["repair_mojibake"],
            1,
        ),
        numbered(to_utc::to_utc(), &["to_utc"], 1),
    ]
}

fn exact_aggregates() -> Vec<Numbered<AggregateUDF>> {
    vec![
        numbered(exact_sum::exact_sum(), &["sum"], 1),
        numbered(exact_sum::exact_avg(), &["avg", "mean"], 1),
    ]
}

/// Every scalar function, in order of name.
pub(crate) fn all() -> Vec<Arc<ScalarUDF>> {
    scalars()
        .into_iter()
        .map(|numbered| Arc::new(numbered.function))
        .collect()
}

/// The aggregates that replace DataFusion's of the same name.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    exact_aggregates()
        .into_iter()
        .map(|numbered| Arc::new(numbered.function))
        .collect()
}

/// The semantics number of each function, under every name that SQL may call it.
pub(crate) fn semantics() -> BTreeMap<String, u32> {
    let scalars = scalars().into_iter().map(|f| (f.names, f.semantics));
    let aggregates = exact_aggregates()
        .into_iter()
        .map(|f| (f.names, f.semantics));
    scalars
        .chain(aggregates)
        .flat_map(|(names, semantics)| names.iter().map(move |name| (name.to_string(), semantics)))
        .collect()
}

/// Adds kilde's functions to a session, so that SQL which kilde builds also runs there: the normalisers of e-mails,
/// phones, names, ids and times, and `sum` and `avg` of doubles that give the same bits in any order.
pub fn register_udfs(context: &SessionContext) {
    for function in scalars() {
        context.register_udf(function.function);
    }
    for function in exact_aggregates() {
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
    fn every_name_that_sql_may_call_has_a_semantics_number() {
        let names = |name: &str, aliases: &[String]| {
            let mut names = vec![name.to_string()];
            names.extend_from_slice(aliases);
            names
        };
        for f in scalars() {
            assert_eq!(f.names, names(f.function.name(), f.function.aliases()));
        }
        for f in exact_aggregates() {
            assert_eq!(f.names, names(f.function.name(), f.function.aliases()));
        }
        assert_eq!(semantics().len(), all().len() + 3);
    }
}
