//! DataFusion's words → the user's: types as contracts write them, no talk of DataFusion about itself.

use std::sync::LazyLock;

use datafusion::common::DataFusionError;
use regex::Regex;

/// The root's text without DataFusion's talk about itself.
pub(super) fn plain_text(error: &DataFusionError) -> String {
    let text = error.find_root().strip_backtrace();
    let text = text
        .split("This issue was likely caused by a bug")
        .next()
        .unwrap_or_default();
    let mut text = text.trim().trim_end_matches('.').to_string();
    for prefix in [
        "Error during planning: ",
        "Internal error: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Invalid or Unsupported Configuration: ",
    ] {
        text = text.replace(prefix, "");
    }
    text.replace("datafusion.public.", "")
}

/// The first line, our types, lower case at its start.
pub(super) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" You might need").next().unwrap_or(line);
    let line = plain_types(line.trim().trim_end_matches('.'));
    let mut letters = line.chars();
    let second_is_upper = line.chars().nth(1).is_some_and(char::is_uppercase);
    match letters.next() {
        Some(first) if !second_is_upper => {
            first.to_lowercase().collect::<String>() + letters.as_str()
        }
        _ => line,
    }
}

static ENGINE_TYPES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"\b(LargeUtf8|Utf8View|Utf8|String)\b", "varchar"),
        (r"\b(Int64|UInt64|UInt32)\b", "bigint"),
        (r"\b(Int32|Int16|Int8|UInt16|UInt8)\b", "integer"),
        (r"\b(Float64|Float32)\b", "double"),
        (r"\bBoolean\b", "boolean"),
        (r"\b(Date32|Date64)\b", "date"),
        (r#"\bTimestamp\((?:[^()]|\([^)]*\))*\)"#, "timestamp"),
        (r"\bDecimal\d+\((\d+), ?(\d+)\)", "decimal⟨$1,$2⟩"),
        (r"\bInterval\(\w+\)", "interval"),
        (r"\bDuration\([^)]*\)", "a difference of timestamps"),
        (r#""(\w+)": "#, "$1 "),
    ]
    .into_iter()
    .filter_map(|(pattern, word)| Some((Regex::new(pattern).ok()?, word)))
    .collect()
});

/// Arrow's names of types → the contract's.
pub(super) fn plain_types(text: &str) -> String {
    let mut text = text.to_string();
    for (pattern, word) in ENGINE_TYPES.iter() {
        text = pattern.replace_all(&text, *word).into_owned();
    }
    // from the inside out: `List(Struct(a varchar))` → `list<struct<a varchar>>`
    while let Some(pattern) = NESTED.as_ref()
        && let Some(found) = pattern.captures(&text)
        && let (Some(whole), Some(kind), Some(inside)) = (found.get(0), found.get(1), found.get(2))
    {
        let kind = if kind.as_str() == "Struct" {
            "struct"
        } else {
            "list"
        };
        let replaced = format!("{kind}<{}>", inside.as_str());
        text.replace_range(whole.range(), &replaced);
    }
    text.replace('⟨', "(").replace('⟩', ")")
}

static NESTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b(LargeList|List|Struct)\(([^()]*)\)").ok());
