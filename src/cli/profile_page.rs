//! `kilde profile --html`: what stands in files, as a page for people. Holds no value of a personal column.

use std::fmt::Write as _;

use super::format::{bytes, count, cut, plural, share};
use super::page::{bar, document, escaped, section};
use super::profile::{contents, different, next_file, percent};
use crate::profile::{ColumnProfile, Found, Frequent, TableProfile};

/// The page.
pub(super) fn render(title: &str, found: &Found) -> String {
    let title = format!("What stands in {title}");
    let rows = found.tables.iter().map(|table| table.rows).sum();
    let files: u64 = found
        .tables
        .iter()
        .map(|table| table.files.len() as u64)
        .sum();
    let mut body = format!("<header><h1>{}</h1></header>\n", escaped(&title));
    body.push_str(&tiles(found, files, rows));
    body.push_str(&overview(&found.tables));
    if !found.joins.is_empty() {
        let mut lines = String::new();
        for join in &found.joins {
            let _ = writeln!(
                lines,
                "<tr><td>{} · <b>{}</b></td><td>→ {} · <b>{}</b></td><td class=number>{}</td></tr>",
                escaped(&join.table),
                escaped(&join.column),
                escaped(&join.to_table),
                escaped(&join.to_column),
                percent(join.share),
            );
        }
        let lead = "<p class=faint>A column whose values are found in another table; the share of those that are.</p>";
        let table = format!("{lead}<table>\n{lines}</table>\n");
        body.push_str(&section("What belongs together", &table));
    }
    for table in &found.tables {
        body.push_str(&section(&escaped(&table.name), &one(table)));
    }
    if !found.skipped.is_empty() {
        let mut lines = String::new();
        for skipped in &found.skipped {
            let (path, why) = (escaped(&skipped.path), escaped(&skipped.why));
            let _ = writeln!(lines, "<tr><td>{path}</td><td>{why}</td></tr>");
        }
        body.push_str(&section(
            "Not looked at",
            &format!("<table>\n{lines}</table>\n"),
        ));
    }
    document(&title, &body, "guessed from what stands there")
}

fn tiles(found: &Found, files: u64, rows: u64) -> String {
    let personal = found.tables.iter().flat_map(|table| &table.columns);
    let personal = personal.filter(|column| column.personal.is_some()).count() as u64;
    let mut tiles = String::new();
    for (number, words) in [
        (found.tables.len() as u64, "tables"),
        (files, "files"),
        (rows, "rows"),
        (personal, "columns with personal data"),
    ] {
        let _ = write!(
            tiles,
            "<div class=tile><b>{}</b><span>{words}</span></div>",
            count(number)
        );
    }
    format!("<div class=tiles>{tiles}</div>\n")
}

fn overview(tables: &[TableProfile]) -> String {
    let most = tables.iter().map(|table| table.rows).max().unwrap_or(0);
    let mut lines = String::new();
    for table in tables {
        let _ = writeln!(
            lines,
            "<tr><td>{}</td><td class=bar>{}</td><td class=number>{}</td></tr>",
            escaped(&table.name),
            bar(table.rows, most),
            count(table.rows),
        );
    }
    section("Rows", &format!("<table>\n{lines}</table>\n"))
}

fn one(table: &TableProfile) -> String {
    let size = table.files.iter().map(|file| file.size).sum();
    let mut facts = vec![
        plural(table.files.len() as u64, "file"),
        bytes(size),
        plural(table.rows, "row"),
    ];
    if table.broken > 0 {
        facts.push(format!("{} without a record", plural(table.broken, "line")));
    }
    if !table.is_whole {
        facts.push("only the beginning was looked at".to_string());
    }
    let mut content = format!("<p>{}</p>\n", facts.join(" · "));
    let sure = table.confidence.iter();
    let sure: Vec<String> = sure
        .map(|guess| format!("{} {}", escaped(&guess.what), percent(guess.share)))
        .collect();
    if !sure.is_empty() {
        let _ = writeln!(content, "<p class=faint>{}</p>", sure.join(" · "));
    }
    let key = match table.key.is_empty() {
        true => "No column names a row".to_string(),
        false => format!(
            "A row is named by <b>{}</b>",
            escaped(&table.key.join(", "))
        ),
    };
    let _ = writeln!(content, "<p>{key}{}</p>", next_file(table));
    for note in &table.notes {
        let _ = writeln!(content, "<p class=faint>{}</p>", escaped(note));
    }
    let mut lines = String::new();
    for column in &table.columns {
        lines.push_str(&line(column));
    }
    let head = "<tr><th>column</th><th>type</th><th class=number>filled</th><th class=number>different</th>\
                <th>what stands there</th></tr>";
    let _ = writeln!(content, "<table>\n<thead>{head}</thead>\n{lines}</table>");
    content
}

fn line(column: &ColumnProfile) -> String {
    let personal = match column.personal {
        Some(meaning) => format!(
            "<br><i>personal: {}</i> <span class=faint>{}</span>",
            meaning.name(),
            percent(column.personal_confidence)
        ),
        None => String::new(),
    };
    let charted = match column.personal {
        None if column.top_values.len() > 1 => chart(&column.top_values, column.filled()),
        _ if column.forms.len() > 1 => chart(&column.forms, column.filled()),
        _ => String::new(),
    };
    format!(
        "<tr><td><b>{}</b>{personal}</td><td>{}</td><td class=number>{}</td><td class=number>{}</td>\
         <td>{}{charted}</td></tr>\n",
        escaped(&column.name),
        escaped(&column.data_type.to_string()),
        share(column.filled(), column.rows),
        different(column),
        escaped(&contents(column)),
    )
}

/// The most frequent values, or forms of values, as bars.
fn chart(values: &[Frequent], filled: u64) -> String {
    let mut lines = String::new();
    for frequent in values {
        let _ = write!(
            lines,
            "<tr><td>{}</td><td class=bar>{}</td><td class=number>{}</td></tr>",
            escaped(&cut(&frequent.value, 40)),
            bar(frequent.count, filled),
            share(frequent.count, filled),
        );
    }
    format!("<details><summary>most frequent</summary><table>{lines}</table></details>")
}
