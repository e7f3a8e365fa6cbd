//! Functions of other dialects and of dbt's packages → how the same is written here.

/// What to write instead of a function that other tools have, by its name without a package.
pub(super) fn our_form(name: &str) -> Option<&'static str> {
    let name = name.rsplit('.').next().unwrap_or(name);
    let found = FORMS.iter().find(|(names, _)| names.contains(&name));
    found.map(|(_, form)| *form)
}

const FORMS: [(&[&str], &str); 37] = [
    (
        &["generate_surrogate_key", "surrogate_key"],
        "write `md5(concat_ws('|', a, b))`; most tables need no other key than their own columns: `key: [a, b]`",
    ),
    (
        &[
            "hash",
            "farm_fingerprint",
            "xxhash64",
            "md5_number",
            "sha1",
            "md5_hex",
        ],
        "write `md5(text)`, or `encode(sha256(text), 'hex')`",
    ),
    (
        &["safe_divide", "div0", "divide", "try_divide"],
        "write `a / nullif(b, 0)`: null where the divisor is 0",
    ),
    (&["div0null", "zeroifnull"], "write `coalesce(x, 0)`"),
    (&["nullifzero"], "write `nullif(x, 0)`"),
    (
        &["isnull", "is_null"],
        "write `x is null`, or `coalesce(x, …)`",
    ),
    (
        &[
            "getdate",
            "sysdate",
            "sysdatetime",
            "localtimestamp",
            "get_current_timestamp",
            "current_localtimestamp",
            "current_time",
            "clock_timestamp",
        ],
        "write `$as_of` for the instant the build speaks of, `today()` for its date: a build never reads the clock",
    ),
    (
        &["date", "to_dt", "toDate"],
        "write `cast(x as date)`; `try_cast` gives null where the text is no date",
    ),
    (
        &[
            "timestamp",
            "datetime",
            "to_timestamp_ntz",
            "to_timestamp_tz",
        ],
        "write `cast(x as timestamp)`, or `strptime(text, '%Y-%m-%d %H:%M')`",
    ),
    (
        &[
            "to_number",
            "to_decimal",
            "to_numeric",
            "safe_cast",
            "try_to_number",
            "try_to_decimal",
            "try_to_numeric",
            "try_to_date",
            "try_to_timestamp",
            "try_convert",
            "convert",
            "to_double",
        ],
        "write `try_cast(x as decimal(18, 2))`: null where the text is none; `cast` ends the build there",
    ),
    (
        &["to_varchar", "str", "tostring", "string", "text"],
        "write `cast(x as varchar)`, or `strftime(time, '%Y-%m-%d')`",
    ),
    (
        &[
            "date_sub",
            "datesub",
            "subdate",
            "adddate",
            "add_months",
            "timestampadd",
            "timeadd",
        ],
        "write `date_add('day', -7, x)`, or `x - interval '7 days'`",
    ),
    (
        &[
            "timestampdiff",
            "timediff",
            "months_between",
            "age",
            "date_diff_days",
        ],
        "write `date_diff('month', from, to)`",
    ),
    (
        &["date_from_parts", "datefromparts"],
        "write `make_date(year, month, day)`",
    ),
    (
        &["time_bucket", "date_slice"],
        "write `date_trunc('hour', x)`, or `date_bin(interval '15 minutes', x)`",
    ),
    (
        &["format_date", "format_timestamp", "formatdatetime"],
        "write `strftime(time, '%Y-%m')`",
    ),
    (
        &["parse_date", "parse_timestamp", "str_to_date"],
        "write `strptime(text, '%d.%m.%Y')`; `try_strptime` gives null where the text is no date",
    ),
    (
        &["regexp_substr", "regexp"],
        "write `regexp_extract(text, pattern)`",
    ),
    (
        &["rlike", "regexp_contains"],
        "write `regexp_matches(text, pattern)`",
    ),
    (&["charindex", "locate"], "write `strpos(text, part)`"),
    (&["ucase"], "write `upper(text)`"),
    (&["lcase"], "write `lower(text)`"),
    (
        &["format", "printf", "sprintf"],
        "join with `||`, and round with `round(x, 2)`",
    ),
    (
        &["group_concat", "string_concat", "array_to_string_agg"],
        "write `string_agg(text, ', ' order by text)`",
    ),
    (
        &["collect_set", "array_unique_agg"],
        "write `array_agg(distinct x order by x)`",
    ),
    (&["array_size", "size"], "write `len(list)`"),
    (
        &["first", "last", "arbitrary"],
        "write `first_value(x order by …)`, `max_by(x, …)`, or `any_value(x)`",
    ),
    (
        &["approx_count_distinct", "approximate_count_distinct", "hll"],
        "write `count(distinct x)`, or `approx_distinct(x)`",
    ),
    (
        &[
            "percentile",
            "quantile",
            "quantile_disc",
            "percentile_disc",
            "approx_quantile",
            "percentile_approx",
        ],
        "write `quantile_cont(x, 0.9)`",
    ),
    (
        &[
            "product",
            "fsum",
            "kahan_sum",
            "sumkahan",
            "sum_if",
            "sumif",
            "avg_if",
            "max_if",
            "min_if",
        ],
        "write `sum(x) filter (where …)`; sums of doubles are exact here",
    ),
    (
        &["every", "logical_and", "booland_agg"],
        "write `bool_and(condition)`",
    ),
    (&["logical_or", "boolor_agg"], "write `bool_or(condition)`"),
    (
        &["object_construct", "struct_pack", "to_struct"],
        "write `{'a': 1, 'b': x}`",
    ),
    (
        &[
            "parse_json",
            "json_extract",
            "json_extract_string",
            "json_extract_scalar",
            "json_value",
            "get_json_object",
            "to_json",
            "from_json",
            "json",
        ],
        "declare the column as `struct<…>` or `list<…>` in the source's contract, and write `column.field`: JSON is taken \
         apart where it is read",
    ),
    (
        &["lateral_flatten", "flatten_table", "explode", "posexplode"],
        "write `select unnest(list)`",
    ),
    (
        &[
            "star",
            "get_column_values",
            "union_relations",
            "pivot",
            "unpivot",
            "deduplicate",
            "date_spine",
            "group_by",
            "get_filtered_columns_in_relation",
        ],
        "macros of dbt_utils have no place here: `* exclude (…)`, `group by all`, `union all by name`, `qualify row_number() over (…) = 1`, \
         `range(date, date, interval '1 day')` do the same in plain SQL",
    ),
    (
        &[
            "read_csv",
            "read_csv_auto",
            "read_parquet",
            "read_json",
            "read_json_auto",
            "glob",
            "delta_scan",
            "iceberg_scan",
        ],
        "declare a source in a pipeline: exports are read once, held to a contract, and named `bronze.…`",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_another_dialect_is_answered_with_ours() {
        assert_eq!(our_form("zeroifnull"), Some("write `coalesce(x, 0)`"));
        assert!(our_form("dbt_utils.star").is_some_and(|form| form.contains("exclude")));
        assert_eq!(our_form("nonsense"), None);
    }

    #[test]
    fn no_function_that_we_have_is_called_foreign() {
        let functions = crate::engine::project_functions(&[]).unwrap();
        let names = FORMS.iter().flat_map(|(names, _)| names.iter());
        let ours: Vec<&&str> = names.filter(|n| functions.names().contains(**n)).collect();
        assert!(ours.is_empty(), "{ours:?}");
    }
}
