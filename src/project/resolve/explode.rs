//! `explode` of a source against the columns that its contract takes from it.

use super::super::raw::Mistake;
use super::super::{Column, ColumnType, Contract, Source};
use super::blame;
use crate::diagnostic::{Diagnostic, Span};

/// Columns that take the list whole, and a list into which no column reaches.
pub(super) fn check(source: &Source, contract: &Contract, found: &mut Vec<Diagnostic>) {
    let Some(keys) = source.read.explode() else {
        return;
    };
    let path = keys.join(".");
    let mut reaches_in = false;
    for column in &contract.columns {
        let is_captured = source
            .patterns
            .iter()
            .flat_map(|pattern| &pattern.captures)
            .any(|capture| capture.column == column.name.value);
        if is_captured {
            continue;
        }
        // without `from` the name is looked for in the item first
        reaches_in |= column.from.is_empty()
            || column.from.iter().any(|from| {
                let rest = from.value.strip_prefix(path.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
        if matches!(column.data_type, ColumnType::List(_)) && takes_whole(column, keys) {
            let name = &column.name.value;
            let mistake = Mistake::new(
                126,
                format!("`{name}` is a list, and `explode: {path}` makes each of its items a record"),
            )
            .help(format!(
                "take what an item holds, as `from: {path}.…`; or remove `explode` and `unnest({name})` in SQL"
            ));
            found.push(blame(&contract.file, column.name.span, mistake));
        }
    }
    if !reaches_in {
        let mistake = Mistake::new(
            126,
            format!("`explode: {path}` makes records of items of which no column takes anything"),
        )
        .help(format!(
            "take what an item holds, as `from: {path}.…` in {}, or remove `explode`",
            contract.file.path
        ));
        found.push(blame(&source.file, first_line(source), mistake));
    }
}

/// Whether the column is the exploded list itself, by path or by name.
fn takes_whole(column: &Column, keys: &[String]) -> bool {
    let path = keys.join(".");
    match (column.from.is_empty(), keys.last()) {
        (true, Some(last)) => {
            let name = column.name.value.replace('_', "");
            name.eq_ignore_ascii_case(&last.replace('_', ""))
        }
        _ => column.from.iter().any(|from| from.value == path),
    }
}

fn first_line(source: &Source) -> Span {
    let rest = source
        .file
        .text
        .get(source.span.start..)
        .unwrap_or_default();
    let length = rest.find('\n').unwrap_or(rest.len());
    Span {
        start: source.span.start,
        end: source.span.start + length,
    }
}
