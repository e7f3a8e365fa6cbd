//! `kilde customer ID`: the portrait of one person.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use serde_json::{Value, json};

use super::format::Align::Left;
use super::format::{self, Align, Columns, count, cut, plural};
use super::options::{Options, as_of};
use super::rows::{cells, json_rows};
use super::style::{self, FAINT, STRONG, styled};
use crate::error::Result;
use crate::name::ReleaseNumber;
use crate::plan::Part;
use crate::project::{Meaning, Project};
use crate::run::{Portrait, PortraitRequest, PortraitTable};

/// Characters of a value in a table of several columns, and in a line of its own.
const CELL: usize = 28;
const LINE: usize = 100;
/// Rows of a table that a later one tells again, and of one without times.
const FEW: usize = 5;

#[derive(Debug, Args)]
pub(super) struct Customer {
    /// An id (c_…), also one that is gone, a record with its system (crm:10442), or an address or number
    #[arg(value_name = "ID")]
    asked: String,
    /// The match step of the id, by its table [default: the one that knows it]
    #[arg(long = "match", value_name = "TABLE")]
    matching: Option<String>,
    /// Release to read [default: the newest]
    #[arg(long, value_name = "N")]
    release: Option<u64>,
    /// Rows of each table, the newest first; 0 gives all
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print all of it as JSON
    #[arg(long)]
    json: bool,
}

impl Customer {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let as_of = as_of(None, &runner)?;
        let matching = self.matching.as_deref().map(|name| project.table(name));
        let matching = matching.transpose()?;
        let request = PortraitRequest {
            asked: &self.asked,
            matching: matching.as_ref(),
            release: self.release.map(ReleaseNumber),
            limit: (self.limit > 0).then_some(self.limit),
        };
        let portrait = runner.portrait(&request, as_of).await?;
        let text = match self.json {
            true => as_json(&portrait)?,
            false => as_text(&portrait, &project, self.limit)?,
        };
        style::out(&text);
        Ok(ExitCode::SUCCESS)
    }
}

/// As contracts of programs: every table with its rows as objects.
fn as_json(portrait: &Portrait) -> Result<String> {
    let table = |table: &PortraitTable| -> Result<Value> {
        Ok(json!({
            "table": table.table.to_string(),
            "part": part(table.part),
            "description": table.description,
            "purposes": table.purposes,
            "found_by": table.found_by,
            "time": table.time,
            "is_told_again": table.is_told_again,
            "rows_count": table.rows_count,
            "rows": json_rows(&table.rows)?,
        }))
    };
    let tables = portrait.tables.iter().map(table);
    let others = portrait.others.iter();
    let shared = portrait.shared.iter();
    let all = json!({
        "id": portrait.id,
        "is_redirected": portrait.is_redirected,
        "release": portrait.release.0,
        "as_of": portrait.as_of,
        "tables": tables.collect::<Result<Vec<_>>>()?,
        "shared_contacts": shared
            .map(|shared| json!({"meaning": shared.meaning.name(), "others": shared.others}))
            .collect::<Vec<_>>(),
        "also_looked_at": others
            .map(|(table, rows)| json!({"table": table.to_string(), "rows_count": rows}))
            .collect::<Vec<_>>(),
        "of_nobody": portrait.silent.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    format::json(&all)
}

fn part(part: Part) -> &'static str {
    match part {
        Part::Person => "person",
        Part::Figures => "figures",
        Part::Records => "records",
        Part::Ids => "ids",
        Part::Consents => "consents",
        Part::Groups => "groups",
        Part::Events => "events",
        Part::Rows => "rows",
    }
}

fn as_text(portrait: &Portrait, project: &Project, limit: usize) -> Result<String> {
    let of = |wanted: Part| {
        portrait
            .tables
            .iter()
            .filter(move |table| table.part == wanted)
    };
    let mut text = head(portrait, project)?;
    for table in of(Part::Person).chain(of(Part::Figures)) {
        text.push_str(&heading(table));
        text.push_str(&one_row(table)?);
    }
    for table in [Part::Records, Part::Ids, Part::Consents, Part::Groups]
        .map(of)
        .into_iter()
        .flatten()
    {
        text.push_str(&heading(table));
        text.push_str(&rows(table, table.rows.num_rows())?);
    }
    for table in of(Part::Events)
        .filter(|table| table.is_told_again)
        .chain(of(Part::Rows))
    {
        text.push_str(&heading(table));
        text.push_str(&rows(table, FEW)?);
    }
    let last: Vec<&PortraitTable> = of(Part::Events)
        .filter(|table| !table.is_told_again)
        .collect();
    text.push_str(&in_time(&last, &portrait.id, project, limit)?);
    text.push_str(&looked_at(portrait));
    Ok(text)
}

/// `Anna Lind · c_5d1f… · release 42, as of 2026-03-01`.
fn head(portrait: &Portrait, project: &Project) -> Result<String> {
    let mut said = Vec::new();
    let who = [Part::Person, Part::Records].into_iter();
    let mut who = who.filter_map(|part| portrait.tables.iter().find(|table| table.part == part));
    if let Some(table) = who.next() {
        said.extend(name(table)?);
    }
    said.push(portrait.id.clone());
    let mut text = format!(
        "{} · release {}, as of {}\n",
        styled(STRONG, said.join(" · ")),
        portrait.release,
        format::as_of(&portrait.as_of, project.time_zone)
    );
    if portrait.is_redirected {
        text.push_str("the id that was asked for is gone: this one stands for it\n");
    }
    for shared in &portrait.shared {
        let others = match shared.others {
            1 => "another person has".to_string(),
            others => format!("{} others have", count(others)),
        };
        text.push_str(&format!(
            "{others} the same {}: rows found by it may be theirs\n",
            shared.meaning.name()
        ));
    }
    Ok(text)
}

/// What somebody is called, by the first row that says it.
fn name(table: &PortraitTable) -> Result<Option<String>> {
    let schema = table.rows.schema();
    let column_of = |wanted: &Meaning| {
        let mut meanings = table.meanings.iter();
        let (_, column) = meanings.find(|(meaning, _)| meaning == wanted)?;
        schema.index_of(column).ok()
    };
    let names = [Meaning::Name, Meaning::GivenName, Meaning::FamilyName];
    let columns: Vec<usize> = names.iter().filter_map(column_of).collect();
    let named = cells(&table.rows, "")?.into_iter().map(|row| {
        let parts = columns.iter().map(|at| row[*at].trim().to_string());
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    });
    Ok(named.into_iter().find(|name| !name.is_empty()))
}

fn heading(table: &PortraitTable) -> String {
    let rows = match table.part {
        Part::Person | Part::Figures => String::new(),
        _ => format!("  {}", plural(table.rows_count, "row")),
    };
    let mut said = table.description.clone().unwrap_or_default();
    if !table.purposes.is_empty() {
        said = format!("{said} For {}.", table.purposes.join(", "));
    }
    format!(
        "\n{}{rows}  {}\n",
        styled(STRONG, &table.table),
        styled(FAINT, cut(said.trim(), LINE))
    )
}

/// A line for each column that has a value.
fn one_row(table: &PortraitTable) -> Result<String> {
    let schema = table.rows.schema();
    let mut columns = Columns::new([Left, Left]);
    for row in cells(&table.rows, "")? {
        for (field, cell) in schema.fields().iter().zip(row) {
            let is_id = table.found_by.contains(field.name());
            if !cell.is_empty() && !is_id {
                columns.row(vec![field.name().clone(), cut(&cell, LINE)]);
            }
        }
    }
    Ok(columns.render("  "))
}

/// The columns of which any row has a value, without those that say whose it is.
fn rows(table: &PortraitTable, most: usize) -> Result<String> {
    let schema = table.rows.schema();
    let is_id = |name: &String| table.part != Part::Records && table.found_by.contains(name);
    let is_told = |at: usize| {
        let column = table.rows.column(at);
        column.null_count() < column.len()
            && !is_id(schema.field(at).name())
            && !schema.field(at).name().starts_with('_')
    };
    let kept: Vec<usize> = (0..table.rows.num_columns())
        .filter(|at| is_told(*at))
        .collect();
    if kept.is_empty() {
        return Ok(String::new());
    }
    let fields: Vec<_> = kept.iter().map(|at| schema.field(*at)).collect();
    let mut columns = Columns::new(fields.iter().map(|f| Align::of(f)).collect::<Vec<_>>());
    columns.row(
        fields
            .iter()
            .map(|field| styled(FAINT, field.name()))
            .collect(),
    );
    let shown = table.rows.num_rows().min(most);
    for row in cells(&table.rows.slice(0, shown), "")? {
        columns.row(kept.iter().map(|at| cut(&row[*at], CELL)).collect());
    }
    let mut text = columns.render("  ");
    let more = table.rows_count.saturating_sub(shown as u64);
    if more > 0 {
        text.push_str(&format!("  and {} more\n", count(more)));
    }
    Ok(text)
}

/// One line for each thing that happened, the newest first, whatever table tells it.
fn in_time(tables: &[&PortraitTable], id: &str, project: &Project, limit: usize) -> Result<String> {
    let mut lines: Vec<(Option<i64>, usize, Vec<String>)> = Vec::new();
    let mut all = 0;
    for (at, table) in tables.iter().enumerate() {
        all += table.rows_count;
        let times = times(table);
        let said = cells(&table.rows, "")?;
        for (row, cells) in said.iter().enumerate() {
            let micros = times.as_ref().and_then(|times| {
                let times = times.as_primitive_opt::<TimestampMicrosecondType>()?;
                times.is_valid(row).then(|| times.value(row))
            });
            let when = micros.and_then(chrono::DateTime::from_timestamp_micros);
            let when = when.map(|when| match is_date(table) {
                true => when.format("%Y-%m-%d").to_string(),
                false => format::moment(when, project.time_zone),
            });
            let line = vec![
                when.unwrap_or_default(),
                table.table.to_string(),
                cut(&told(table, id, cells), LINE),
            ];
            lines.push((micros, at, line));
        }
    }
    if lines.is_empty() {
        return Ok(String::new());
    }
    lines.sort_by_key(|(micros, at, _)| (std::cmp::Reverse(*micros), *at));
    if limit > 0 {
        lines.truncate(limit);
    }
    let mut columns = Columns::new([Left, Left, Left]);
    let shown = lines.len() as u64;
    for (_, _, line) in lines {
        columns.row(line);
    }
    let mut text = format!(
        "\n{}  {}, the newest first\n{}",
        styled(STRONG, "in time"),
        plural(all, "row"),
        columns.render("  ")
    );
    if all > shown {
        text.push_str(&format!(
            "  and {} more: `--limit 0` gives all\n",
            count(all - shown)
        ));
    }
    Ok(text)
}

fn times(table: &PortraitTable) -> Option<ArrayRef> {
    let column = table.rows.column_by_name(table.time.as_ref()?)?;
    let wanted = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    cast(column, &wanted).ok()
}

fn is_date(table: &PortraitTable) -> bool {
    let time = table.time.as_deref().unwrap_or_default();
    let schema = table.rows.schema();
    let field = schema.field_with_name(time);
    field.is_ok_and(|field| *field.data_type() == DataType::Date32)
}

/// What a row says beside whose it is and when: words as they are, other values with their column.
fn told(table: &PortraitTable, id: &str, cells: &[String]) -> String {
    let schema = table.rows.schema();
    let parts = schema
        .fields()
        .iter()
        .zip(cells)
        .filter_map(|(field, cell)| {
            let name = field.name();
            let is_known = table.found_by.contains(name) || table.time.as_ref() == Some(name);
            if is_known || cell.is_empty() || cell == id || name.starts_with('_') {
                return None;
            }
            match field.data_type() {
                DataType::Utf8 => Some(cut(cell, CELL)),
                DataType::Timestamp(..) | DataType::Date32 => None,
                _ => Some(format!("{name} {}", cut(cell, CELL))),
            }
        });
    parts.collect::<Vec<_>>().join(" · ")
}

/// Which tables were asked, and which could not be.
fn looked_at(portrait: &Portrait) -> String {
    let with: Vec<String> = portrait
        .others
        .iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(table, rows)| format!("{table} {}", count(*rows)))
        .collect();
    let without: Vec<String> = portrait
        .others
        .iter()
        .filter(|(_, rows)| *rows == 0)
        .map(|(table, _)| table.to_string())
        .collect();
    let mut text = format!(
        "\n{}  {}\n",
        styled(STRONG, "looked at"),
        plural(
            (portrait.tables.len() + portrait.others.len()) as u64,
            "table"
        )
    );
    for (words, tables) in [
        ("told again above", &with),
        ("nothing of this person", &without),
    ] {
        if !tables.is_empty() {
            text.push_str(&format!("  {words}: {}\n", tables.join(", ")));
        }
    }
    if !portrait.silent.is_empty() {
        text.push_str(&format!(
            "  {} of the release say of no row whose it is\n",
            plural(portrait.silent.len() as u64, "table")
        ));
    }
    text
}
