//! Words that a dbt user types, answered with ours.

/// What to write instead of a key of dbt; `known` are the keys of the section where it stands.
pub(crate) fn key(word: &str, known: &[&str]) -> Option<String> {
    if let Some(plain) = word.strip_prefix('+') {
        return Some(format!(
            "kilde has no `+` configuration by folder: write `{plain}: …` in schemas/<schema>/<table>.yaml"
        ));
    }
    let in_schema_file = known.contains(&"grain");
    let answer = match word {
        "version" => {
            "kilde's files carry no version: remove it (`requires: \">=0.1\"` in kilde.yaml names kilde's)"
        }
        "models" | "model" => {
            "kilde describes one table per file: schemas/gold/customers.yaml describes `gold.customers`, \
             its keys stand at the top"
        }
        "sources" if in_schema_file => {
            "sources stand in pipelines/*.yaml: `sources: [{table: bronze.orders, files: …, read: …}]`"
        }
        "tests" if known.contains(&"data_tests") => "write `data_tests: […]`",
        "config" if known.contains(&"materialized") => {
            "settings stand at the top of the schema file: `materialized: table`"
        }
        "config" | "meta" | "arguments" => "write its keys one level up, without it",
        "constraints" => "write `data_tests: [not_null, unique]`, or `key: […]` at the table",
        "docs" | "access" | "group" | "latest_version" => "kilde has no such setting: remove it",
        "name" if known.contains(&"project") => "write `project: …`",
        "name" if in_schema_file => {
            "the name is the path: schemas/gold/customers.yaml describes `gold.customers`"
        }
        "name" | "tables" if known.contains(&"files") => {
            "one source is one table of files: `{table: bronze.orders, files: shop/orders_*.csv, read: csv}`"
        }
        "profile" | "target-path" | "model-paths" | "seed-paths" | "macro-paths" | "test-paths"
        | "snapshot-paths" | "clean-targets" | "on-run-start" | "on-run-end" | "packages"
        | "dispatch" => {
            "a key of dbt_project.yml: kilde.yaml has `project`, `raw`, `lake`, `time_zone`, `vars`, `targets`"
        }
        "loaded_at_field" | "loader" | "database" | "schema" | "identifier" => {
            "a source of kilde is files: `{table: bronze.orders, files: shop/orders_*.csv, read: {csv: {}}, load: append}`"
        }
        "quote" | "tests_config" => return None,
        "warn_if" => "write `severity: warn`, and `at_most: N` for what is tolerated",
        "error_if" => "write `at_most: N` or `at_most: 1%`: more failures than this stop the build",
        "limit" | "store_failures" | "fail_calc" => {
            "kilde keeps the failed candidate: `kilde query --candidate RUN \"…\"` shows the rows"
        }
        "depends_on" if known.contains(&"reads") => "write `reads: [gold.customers]`",
        "label" if known.contains(&"reads") => "write it as the `name`, which is free text",
        "type" | "maturity" if known.contains(&"reads") => "kilde has no such setting: remove it",
        "field" if known.contains(&"fields") => "write `fields: […]`",
        "unique_key" if in_schema_file => "write `key: […]`: not null and unique, tested",
        _ => return None,
    };
    Some(answer.to_string())
}

/// What to write instead of a word of dbt where one of `words` is expected.
pub(crate) fn word(word: &str, words: &[&str]) -> Option<String> {
    let tests = words.contains(&"accepted_values");
    let answer = match word {
        "view" | "materialized_view" | "dynamic_table" if words.contains(&"ephemeral") => {
            "`ephemeral` is never published and part of what reads it; `table` is maintained incrementally \
             where kilde can prove it equal"
        }
        "unique_combination_of_columns" | "dbt_utils.unique_combination_of_columns" if tests => {
            "write `unique: {columns: […]}`"
        }
        "accepted_range" | "dbt_utils.accepted_range" if tests => "write `range: {min: …, max: …}`",
        "expression_is_true" | "dbt_utils.expression_is_true" if tests => {
            "write `sql: select * from … where not (…)` under the table's `data_tests`"
        }
        "relationships_where" | "dbt_utils.relationships_where" if tests => {
            "write `relationships: {to: …, where: …}`"
        }
        "expect_column_values_to_match_regex"
        | "dbt_expectations.expect_column_values_to_match_regex"
            if tests =>
        {
            "write `matches: {pattern: …}`"
        }
        _ if tests && word.contains('.') => {
            "kilde has no test packages: a query whose rows are failures does it: `sql: select …`"
        }
        _ => return None,
    };
    Some(answer.to_string())
}

/// The table that `ref('x')` or `source('s', 'x')` in a value speaks of, by its bare name.
pub(crate) fn referenced(text: &str) -> Option<&str> {
    let call = text
        .trim()
        .trim_start_matches('{')
        .trim_end_matches('}')
        .trim();
    let inside = call
        .strip_prefix("ref(")
        .or_else(|| call.strip_prefix("source("))?
        .strip_suffix(')')?;
    let name = inside.rsplit(',').next()?.trim().trim_matches(['\'', '"']);
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_its_table() {
        assert_eq!(referenced("{{ ref('stores') }}"), Some("stores"));
        assert_eq!(referenced("source('crm', \"orders\")"), Some("orders"));
        assert_eq!(referenced("gold.stores"), None);
        assert_eq!(referenced("ref()"), None);
    }

    #[test]
    fn keys_are_answered_where_they_make_sense() {
        assert!(key("tests", &["data_tests"]).is_some());
        assert!(key("tests", &["who"]).is_none());
        assert!(
            key("+materialized", &[])
                .unwrap()
                .contains("`materialized: …`")
        );
    }
}
