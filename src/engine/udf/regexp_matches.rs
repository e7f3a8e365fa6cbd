//! `regexp_matches(text, pattern)`: whether a pattern is found in a text; `regexp_full_match`: whether it is all of it.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use super::function::Function;
use super::moment::is_text;
use super::regexp_extract::Patterns;
use super::text_function::strings;

pub(super) fn regexp_matches() -> Function {
    matching(
        "regexp_matches",
        "Whether a regular expression matches some part of a text.",
        "select regexp_matches('SE-12345', '^[A-Z]{2}-') -- true",
        |arguments| compute("regexp_matches", arguments, |pattern| pattern.to_string()),
    )
}

pub(super) fn regexp_full_match() -> Function {
    matching(
        "regexp_full_match",
        "Whether a regular expression matches the whole of a text.",
        "select regexp_full_match('12345x', '\\d+') -- false",
        |arguments| {
            compute("regexp_full_match", arguments, |pattern| {
                format!("^(?:{pattern})$")
            })
        },
    )
}

fn matching(
    name: &'static str,
    description: &'static str,
    example: &'static str,
    compute: fn(&[ArrayRef]) -> Result<ArrayRef>,
) -> Function {
    Function {
        name,
        aliases: &[],
        coerce: |name, types| match types {
            [text, pattern] if is_text(text) && is_text(pattern) => {
                Ok(vec![DataType::Utf8, DataType::Utf8])
            }
            _ => plan_err!("`{name}` takes a text and a pattern: {name}(text, '^[A-Z]+$')"),
        },
        returns: |_| DataType::Boolean,
        compute,
        section: "Text",
        call: name,
        description,
        example,
    }
}

fn compute(name: &str, arguments: &[ArrayRef], written: fn(&str) -> String) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    // the pattern as given and as compiled: written out again only where it changes
    let mut last: Option<(&str, String)> = None;
    let rows = strings(&arguments[0])?.zip(strings(&arguments[1])?);
    let found = rows
        .map(|row| {
            let (Some(text), Some(pattern)) = row else {
                return Ok(None);
            };
            let pattern = match &mut last {
                Some((same, whole)) if *same == pattern => &*whole,
                other => &*other.insert((pattern, written(pattern))).1,
            };
            Ok(Some(patterns.compiled(name, pattern)?.is_match(text)))
        })
        .collect::<Result<BooleanArray>>()?;
    Ok(Arc::new(found))
}
