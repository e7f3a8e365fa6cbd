//! `regexp_extract(text, pattern[, group])`: the part of a text that a pattern finds first.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_int64_array;
use datafusion::common::{Result, exec_err, plan_err};
use regex::Regex;

use super::function::Function;
use super::moment::is_text;
use super::text_function::strings;

const NAME: &str = "regexp_extract";

pub(super) fn regexp_extract() -> Function {
    Function {
        name: NAME,
        aliases: &[],
        coerce: |_, types| match types {
            [text, pattern] if is_text(text) && is_text(pattern) => {
                Ok(vec![DataType::Utf8, DataType::Utf8])
            }
            [text, pattern, group] if is_text(text) && is_text(pattern) && group.is_integer() => {
                Ok(vec![DataType::Utf8, DataType::Utf8, DataType::Int64])
            }
            _ => plan_err!(
                "`{NAME}` takes a text, a pattern and, if wanted, the number of a group: {NAME}(text, '(\\d+)-', 1)"
            ),
        },
        returns: |_| DataType::Utf8View,
        compute,
        section: "Text",
        call: "regexp_extract(text, pattern[, group])",
        description: "The first part of a text that a regular expression matches, or one group of it (0, the default, is \
            the whole match). Empty where nothing matches, as in DuckDB: `nullif(…, '')` makes that null.",
        example: "select regexp_extract('SE-12345', '([A-Z]+)-(\\d+)', 2) -- 12345",
    }
}

/// The pattern, where it is a constant.
pub(super) fn check(texts: &[Option<&str>]) -> Result<()> {
    match texts.get(1).copied().flatten() {
        Some(pattern) if Regex::new(pattern).is_err() => {
            plan_err!("`{NAME}` takes a regular expression, and its pattern is none")
        }
        _ => Ok(()),
    }
}

fn compute(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let rows = arguments[0].len();
    let whole_match = || Int64Array::from(vec![0; rows]);
    let groups = match arguments.get(2) {
        Some(groups) => as_int64_array(groups)?.clone(),
        None => whole_match(),
    };
    let mut patterns = Patterns::default();
    let texts = strings(&arguments[0])?.zip(strings(&arguments[1])?);
    let parts = texts
        .zip(groups.iter())
        .map(|row| match row {
            ((Some(text), Some(pattern)), Some(group)) => {
                part(text, patterns.compiled(NAME, pattern)?, group).map(Some)
            }
            _ => Ok(None),
        })
        .collect::<Result<StringViewArray>>()?;
    Ok(Arc::new(parts))
}

fn part<'a>(text: &'a str, pattern: &Regex, group: i64) -> Result<&'a str> {
    let Ok(group) = usize::try_from(group) else {
        return exec_err!("groups of `{NAME}` are numbered from 0");
    };
    if group >= pattern.captures_len() {
        return exec_err!("the pattern of `{NAME}` has no group of that number");
    }
    let found = if group == 0 {
        pattern.find(text)
    } else {
        pattern.captures(text).and_then(|found| found.get(group))
    };
    Ok(found.map_or("", |found| found.as_str()))
}

/// The last pattern, compiled: it is the same in every row but for the rarest of queries.
#[derive(Default)]
pub(super) struct Patterns(Option<(String, Regex)>);

impl Patterns {
    pub(super) fn compiled(&mut self, function: &str, pattern: &str) -> Result<&Regex> {
        if self.0.as_ref().is_none_or(|(known, _)| known != pattern) {
            match Regex::new(pattern) {
                Ok(regex) => self.0 = Some((pattern.to_string(), regex)),
                Err(_) => return exec_err!("the pattern of `{function}` is no regular expression"),
            }
        }
        match &self.0 {
            Some((_, regex)) => Ok(regex),
            None => exec_err!("`{function}` has no pattern"),
        }
    }
}
