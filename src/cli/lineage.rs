//! `kilde lineage TABLE[.COLUMN]`

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::format::Align::Left;
use super::format::{self, Columns};
use super::options::Options;
use super::style::{self, FAINT, STRONG, styled};
use crate::engine::{How, Origin, Origins};
use crate::error::Result;
use crate::plan::{
    Branch, Decided, Export, Lineage as Lines, LineageColumn, LineageQuestion, Step,
};

#[derive(Debug, Args)]
pub(super) struct Lineage {
    /// gold.customers or gold.customers.email; 2+x two steps up, +x all the way up, x+ down, +x+ both
    #[arg(value_name = "TABLE[.COLUMN]")]
    of: String,
    /// What is made of it, instead of what it is made of: the same as `x+`
    #[arg(long)]
    down: bool,
    /// Print columns and edges as JSON, those that only decide among them
    #[arg(long)]
    json: bool,
}

impl Lineage {
    pub(super) fn run(self, options: &Options) -> Result<ExitCode> {
        let project = options.project()?;
        let mut question = LineageQuestion::parse(&self.of, &project)?;
        if self.down {
            question = question.downwards();
        }
        let functions = crate::engine::project_functions(&project.functions)?;
        let lineage = Lines::new(&project, &functions)?;
        let asked = lineage.asked(&question)?;
        let text = if self.json {
            json(&lineage, &question, &asked)?
        } else if question.path.is_empty()
            && question.up == Some(Some(1))
            && question.down.is_none()
        {
            table(&lineage, &question, &asked)?
        } else {
            trees(&lineage, &question, &asked)?
        };
        style::out(&text);
        Ok(ExitCode::SUCCESS)
    }
}

/// Every column of a table with what it is made of, then what decides its rows.
fn table(lineage: &Lines, question: &LineageQuestion, asked: &[Origin]) -> Result<String> {
    let table = lineage.table(&question.table)?;
    let mut columns = Columns::new([Left, Left, Left]);
    for at in asked {
        let Some(column) = lineage.column(at) else {
            continue;
        };
        let mut lines = of_column(column);
        if lines.is_empty() && column.export.is_none() {
            lines.push(("constant".to_string(), String::new()));
        }
        if let Some(export) = &column.export {
            lines.push(("read".to_string(), field(export)));
        }
        let mut name = column.name.clone();
        for (how, of) in lines {
            columns.row(vec![std::mem::take(&mut name), how, of]);
        }
    }
    let head = styled(STRONG, &question.table);
    let mut text = format!("{head}  {}\n", table.kind);
    text.push_str(&columns.render("  "));
    let rows = deciders(&table.rows);
    if !rows.is_empty() {
        text.push_str("its rows are\n");
        text.push_str(&rows);
    }
    Ok(text)
}

/// A line for each way in which values go in, and one for all that decides about the value.
fn of_column(column: &LineageColumn) -> Vec<(String, String)> {
    let origins = &column.made_of.origins;
    let mut lines: Vec<(String, String)> = origins
        .values()
        .map(|(origin, how)| (how.words().to_string(), shown(origin)))
        .collect();
    let deciding: BTreeSet<&Origin> = origins.deciders().map(|(origin, _)| origin).collect();
    if !deciding.is_empty() {
        lines.push(("decided by".to_string(), by_table(&deciding)));
    }
    lines
}

/// `silver.people: changed_on, record_id · identity.customer_ids: customer_id`.
fn by_table(origins: &BTreeSet<&Origin>) -> String {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for origin in origins {
        let paths = tables.entry(origin.table.to_string()).or_default();
        if !origin.path.is_empty() {
            paths.push(origin.path.join("."));
        }
    }
    let tables = tables
        .into_iter()
        .map(|(table, paths)| match paths.as_slice() {
            [] => format!("rows of {table}"),
            _ => format!("{table}: {}", paths.join(", ")),
        });
    tables.collect::<Vec<_>>().join(" · ")
}

/// A line for each way of deciding and each table.
fn deciders(origins: &Origins) -> String {
    let mut ways: BTreeMap<How, BTreeSet<&Origin>> = BTreeMap::new();
    for (origin, how) in origins.deciders() {
        ways.entry(how).or_default().insert(origin);
    }
    let mut columns = Columns::new([Left, Left]);
    for (how, origins) in ways {
        let mut words = how.words().to_string();
        for line in by_table(&origins).split(" · ") {
            columns.row(vec![std::mem::take(&mut words), line.to_string()]);
        }
    }
    columns.render("  ")
}

/// One tree for each column and direction.
fn trees(lineage: &Lines, question: &LineageQuestion, asked: &[Origin]) -> Result<String> {
    let mut text = String::new();
    let is_one = !question.path.is_empty();
    for at in asked {
        if let Some(depth) = question.up {
            text.push_str(&tree(lineage, &lineage.up(at, depth), ""));
        }
        if let Some(depth) = question.down {
            let words = if question.up.is_some() {
                "  goes into"
            } else {
                ""
            };
            text.push_str(&tree(lineage, &lineage.down(at, depth), words));
        }
        if is_one && question.up.is_some() {
            text.push_str(&decided(lineage, at)?);
        }
    }
    Ok(text)
}

/// Below a column's tree: what its value is chosen by, and what decides the rows of its table.
fn decided(lineage: &Lines, at: &Origin) -> Result<String> {
    let mut text = String::new();
    let own = deciders(&lineage.made_of(at));
    if !own.is_empty() {
        text.push_str(&format!("its value is\n{own}"));
    }
    let rows = deciders(&lineage.table(&at.table)?.rows);
    if !rows.is_empty() {
        text.push_str(&format!("the rows of {} are\n{rows}", at.table));
    }
    Ok(text)
}

fn tree(lineage: &Lines, root: &Branch, words: &str) -> String {
    let mut lines = Columns::new([Left, Left, Left]);
    let whole = root.at.path.len() == 1 && words.is_empty();
    let column = lineage.column(&root.at).filter(|_| whole);
    let about = column.map(about).unwrap_or_default();
    lines.row(vec![
        format!("{}{words}", styled(STRONG, &root.at)),
        about,
        end(lineage, root),
    ]);
    branches(lineage, root, "", &mut lines);
    lines.render("")
}

fn branches(lineage: &Lines, above: &Branch, indent: &str, lines: &mut Columns) {
    for (index, branch) in above.further.iter().enumerate() {
        let is_last = index + 1 == above.further.len();
        let (fork, pipe) = if is_last {
            ("└─", "   ")
        } else {
            ("├─", "│  ")
        };
        let hows: Vec<&str> = branch.hows.iter().map(|how| how.words()).collect();
        let mut hows = hows.join(", ");
        if branch.decided.is_some() {
            hows = format!("{hows} it");
        }
        lines.row(vec![
            format!("{indent}{fork} {}", place(branch)),
            hows,
            end(lineage, branch),
        ]);
        branches(lineage, branch, &format!("{indent}{pipe}"), lines);
    }
}

/// `varchar, email`.
fn about(column: &LineageColumn) -> String {
    let data_type = column.data_type.as_ref().map(ToString::to_string);
    let personal = column
        .personal
        .map(|meaning| format!("personal: {}", meaning.name()));
    let parts: Vec<String> = data_type.into_iter().chain(personal).collect();
    parts.join(", ")
}

/// What stands behind the last column of a way: the field of an export, or why it ends.
fn end(lineage: &Lines, branch: &Branch) -> String {
    if let Some(Decided::Columns(columns)) = branch.decided {
        return styled(FAINT, format::plural(columns as u64, "column"));
    }
    if branch.is_repeated {
        return styled(FAINT, "as above");
    }
    let column = lineage.column(&branch.at);
    column
        .and_then(|column| column.export.as_ref())
        .map(field)
        .unwrap_or_default()
}

/// `E-post of crm/customers_*.csv`.
fn field(export: &Export) -> String {
    match export {
        Export::Field { names, files } => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("{} of {}", names.join(" or "), files.join(", "))
        }
        Export::Path { files } => format!("the path of {}", files.join(", ")),
        Export::Record => "where the record was read".to_string(),
    }
}

fn place(branch: &Branch) -> String {
    match branch.decided {
        Some(Decided::Columns(_)) => branch.at.table.to_string(),
        _ => shown(&branch.at),
    }
}

/// `silver.people.email`, or the rows of a table.
fn shown(origin: &Origin) -> String {
    match origin.path.is_empty() {
        true => format!("rows of {}", origin.table),
        false => origin.to_string(),
    }
}

/// All columns that a walk meets, and every edge.
#[derive(Serialize)]
struct Report {
    of: String,
    columns: Vec<ReportedColumn>,
    edges: Vec<ReportedEdge>,
}

#[derive(Serialize)]
struct ReportedColumn {
    table: String,
    /// Fields within a column stand behind a point; null: the table's rows.
    column: Option<String>,
    kind: Option<String>,
    data_type: Option<String>,
    personal: Option<&'static str>,
    /// Of a source: the names of the field in its exports, and which these are.
    from: Option<Vec<String>>,
    files: Option<Vec<String>>,
}

#[derive(Serialize)]
struct ReportedEdge {
    from: ReportedEnd,
    to: ReportedEnd,
    how: Vec<&'static str>,
}

#[derive(Serialize)]
struct ReportedEnd {
    table: String,
    column: Option<String>,
}

fn json(lineage: &Lines, question: &LineageQuestion, asked: &[Origin]) -> Result<String> {
    let steps = lineage.steps(question, asked);
    let ends = steps.iter().flat_map(|step| [&step.from, &step.to]);
    let met: BTreeSet<&Origin> = asked.iter().chain(ends).collect();
    let mut of = question.table.to_string();
    for part in &question.path {
        of.push_str(&format!(".{part}"));
    }
    let report = Report {
        of,
        columns: met.into_iter().map(|at| reported(lineage, at)).collect(),
        edges: steps.iter().map(edge).collect(),
    };
    format::json(&report)
}

fn reported(lineage: &Lines, at: &Origin) -> ReportedColumn {
    let column = lineage.column(at);
    let whole = column.filter(|_| at.path.len() == 1);
    let (from, files) = match column.and_then(|column| column.export.clone()) {
        Some(Export::Field { names, files }) => (Some(names), Some(files)),
        Some(Export::Path { files }) => (None, Some(files)),
        Some(Export::Record) | None => (None, None),
    };
    ReportedColumn {
        table: at.table.to_string(),
        column: path(at),
        kind: lineage
            .table(&at.table)
            .ok()
            .map(|table| table.kind.to_string()),
        data_type: whole.and_then(|column| Some(column.data_type.as_ref()?.to_string())),
        personal: column
            .and_then(|column| column.personal)
            .map(|meaning| meaning.name()),
        from,
        files,
    }
}

fn edge(step: &Step) -> ReportedEdge {
    let end = |at: &Origin| ReportedEnd {
        table: at.table.to_string(),
        column: path(at),
    };
    ReportedEdge {
        from: end(&step.from),
        to: end(&step.to),
        how: step.hows.iter().map(|how| how.name()).collect(),
    }
}

fn path(at: &Origin) -> Option<String> {
    (!at.path.is_empty()).then(|| at.path.join("."))
}
