//! What every column of a project is made of, from the field of an export to the last table, and what is made of it.
//!
//!   each step's analysis ──▶ origins of its columns and rows ──▶ edges between tables, walked up or down
//!
//! In: a project. Out: a [`Lineage`]. Knows no release and no data. Ephemeral steps are tables like any other here.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::Schema;

use super::Kind;
use super::check::check_project;
use super::decide::kind;
use super::selection::{Method, Reach, Term};
use crate::column_type::ColumnType;
use crate::diagnostic::nearest;
use crate::engine::{FunctionRegistry, How, Origin, Origins, ValueLineage};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::parallel;
use crate::project::{Meaning, Project};

/// Of all columns of a project.
#[derive(Debug)]
pub(crate) struct Lineage {
    tables: BTreeMap<TableName, TableLineage>,
}

/// Of one table.
#[derive(Debug)]
pub(crate) struct TableLineage {
    pub(crate) kind: Kind,
    /// In published order.
    pub(crate) columns: Vec<LineageColumn>,
    /// What decides which rows there are, of every column alike.
    pub(crate) rows: Origins,
}

/// A column, and what it is made of.
#[derive(Debug)]
pub(crate) struct LineageColumn {
    pub(crate) name: String,
    pub(crate) data_type: Option<ColumnType>,
    pub(crate) personal: Option<Meaning>,
    pub(crate) made_of: ValueLineage,
    /// Of a source's column.
    pub(crate) export: Option<Export>,
}

/// Where a source's column comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Export {
    /// The first of these fields that a record has.
    Field {
        names: Vec<String>,
        files: Vec<String>,
    },
    /// A part of the file's path.
    Path { files: Vec<String> },
    /// Which record of which export: not of its contents.
    Record,
}

/// What is asked: columns of one table, and how far to walk from them.
#[derive(Clone, Debug)]
pub(crate) struct LineageQuestion {
    pub(crate) table: TableName,
    /// The column, then fields within it; empty: all columns.
    pub(crate) path: Vec<String>,
    /// Edges up; `None`: not at all, `Some(None)`: all the way.
    pub(crate) up: Option<Option<usize>>,
    /// Likewise down.
    pub(crate) down: Option<Option<usize>>,
}

/// A column, and those next to it on the way up or down.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) at: Origin,
    /// How it takes part; of the first one nothing.
    pub(crate) hows: BTreeSet<How>,
    /// Where it only decides, `at` is the table, and this what of it.
    pub(crate) decided: Option<Decided>,
    pub(crate) further: Vec<Branch>,
    /// Whether `further` is left out, since it was shown before.
    pub(crate) is_repeated: bool,
}

/// What a column decides about without going into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    /// Which rows the table has.
    Rows,
    /// The values of this many of its columns.
    Columns(usize),
}

/// An edge: one takes part in the other. An empty path of `to` stands for the table's rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    pub(crate) from: Origin,
    pub(crate) to: Origin,
    pub(crate) hows: BTreeSet<How>,
}

impl LineageQuestion {
    /// Reads `gold.customers`, `gold.customers.email`, `2+gold.customers.email`, `silver.people.email+`: without a `+`, a
    /// table's columns go one step up and a column the whole way.
    ///
    /// # Errors
    /// K0240 where it is not of the grammar; `Config` where there is no such table or column.
    pub(crate) fn parse(text: &str, project: &Project) -> Result<Self> {
        let term = Term::parse(text, text)?;
        if term.method != Method::Name || term.pattern.is_glob() || term.with_everything {
            return Err(
                Error::config(format!("`{text}` is not a table or a column"))
                    .help("write `gold.customers` or `gold.customers.email`, with `2+` before or `+` behind it to walk further"),
            );
        }
        let (table, path) = named(&term.pattern.text, project)?;
        let (mut up, down) = (term.up.depth(), term.down.depth());
        if term.up == Reach::None && term.down == Reach::None {
            up = Some(path.is_empty().then_some(1));
        }
        Ok(Self {
            table,
            path,
            up,
            down,
        })
    }

    /// Down all the way instead.
    pub(crate) fn downwards(mut self) -> Self {
        self.up = None;
        self.down = Some(None);
        self
    }
}

/// The table of a name, and what follows it: `customers.email` is a column of the one table `customers`.
fn named(text: &str, project: &Project) -> Result<(TableName, Vec<String>)> {
    let parts: Vec<&str> = text.split('.').collect();
    let whole = project.table(text);
    if whole.is_ok() || parts.len() < 2 {
        return Ok((whole?, Vec::new()));
    }
    let path = |rest: &[&str]| rest.iter().map(|part| (*part).to_string()).collect();
    let schemas: BTreeSet<&str> = project.tables().map(TableName::schema).collect();
    match parts.as_slice() {
        // `gold.custmers` is a mistyped table of that schema, not a column of a table `gold`
        [schema, table] if schemas.contains(schema) => {
            Ok((project.table(&format!("{schema}.{table}"))?, Vec::new()))
        }
        [schema, table, rest @ ..] if !rest.is_empty() && schemas.contains(schema) => {
            Ok((project.table(&format!("{schema}.{table}"))?, path(rest)))
        }
        [table, rest @ ..] => match project.table(table) {
            Ok(table) => Ok((table, path(rest))),
            // what was not found is better said of the whole
            Err(short) if parts.len() > 2 => project
                .table(&parts[..2].join("."))
                .map_err(|_| short)
                .map(|t| (t, path(&parts[2..]))),
            Err(_) => Ok((whole?, Vec::new())),
        },
        [] => Ok((whole?, Vec::new())),
    }
}

impl Lineage {
    /// Reads every step of a project.
    ///
    /// # Errors
    /// Every mistake of the project.
    pub(crate) fn new(project: &Project, functions: &FunctionRegistry) -> Result<Self> {
        let checked = check_project(project, functions, DateTime::<Utc>::UNIX_EPOCH)
            .map_err(Error::from_diagnostics)?;
        let names: Vec<&TableName> = project.tables().collect();
        let tables = parallel::map(parallel::cores(), &names, |name| {
            let query = checked
                .analyses
                .get(*name)
                .map(|analysis| analysis.lineage());
            let schema = checked.schemas.get(*name);
            let (mut columns, rows) = query.map_or_else(Default::default, |q| (q.columns, q.rows));
            let columns = columns_of(project, name, schema.map(|s| &**s), &mut columns);
            TableLineage {
                kind: kind(project, name),
                columns,
                rows,
            }
        });
        let names = names.into_iter().cloned();
        Ok(Self {
            tables: names.zip(tables).collect(),
        })
    }

    /// Of one table.
    ///
    /// # Errors
    /// `Internal` for one that the project does not have.
    pub(crate) fn table(&self, name: &TableName) -> Result<&TableLineage> {
        let table = self.tables.get(name);
        table.ok_or_else(|| Error::internal(format!("`{name}` has no lineage")))
    }

    /// The columns that are asked about, each with its path.
    ///
    /// # Errors
    /// `Config` where the table has no such column.
    pub(crate) fn asked(&self, question: &LineageQuestion) -> Result<Vec<Origin>> {
        let table = self.table(&question.table)?;
        let origin = |path: Vec<String>| Origin {
            table: question.table.clone(),
            path,
        };
        let Some(first) = question.path.first() else {
            let columns = table.columns.iter();
            return Ok(columns
                .map(|column| origin(vec![column.name.clone()]))
                .collect());
        };
        if table.columns.iter().any(|column| column.name == *first) {
            return Ok(vec![origin(question.path.clone())]);
        }
        let names = table.columns.iter().map(|column| column.name.as_str());
        let error = Error::config(format!("`{}` has no column `{first}`", question.table));
        Err(match nearest(first, names) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("`kilde lineage {}` lists them", question.table)),
        })
    }

    /// The column that something is or lies in.
    pub(crate) fn column(&self, at: &Origin) -> Option<&LineageColumn> {
        let name = at.path.first()?;
        let columns = self.tables.get(&at.table)?.columns.iter();
        columns.into_iter().find(|column| column.name == *name)
    }

    /// What a column says of a person: what its contract says, which knows best; of a column in no contract, what those
    /// say that its values come from. Outer `None`: the project does not know the column.
    pub(crate) fn personal(&self, project: &Project, at: &Origin) -> Option<Option<Meaning>> {
        let contract = project.contracts.get(&at.table);
        let name = at.path.first()?;
        if let Some(declared) = contract.and_then(|contract| contract.column(name)) {
            return Some(declared.personal);
        }
        if project.golden_values(&at.table).contains(&name.as_str()) {
            return Some(Some(Meaning::FreeText));
        }
        if project.is_of_golden_choice(&at.table, name) {
            return Some(None);
        }
        let column = self.column(at)?;
        // a list, or the greatest of several texts, still is somebody's; a sum is nobody's
        let most = match &column.data_type {
            Some(
                ColumnType::Boolean
                | ColumnType::Integer
                | ColumnType::Bigint
                | ColumnType::Double
                | ColumnType::Decimal { .. },
            ) => How::Computed,
            _ => How::Aggregated,
        };
        let values = column.made_of.origins.values();
        let mut values = values.filter(|(_, how)| *how <= most);
        Some(values.find_map(|(origin, _)| self.personal(project, origin).flatten()))
    }

    /// What a column is made of and decided by, its table's rows aside.
    pub(crate) fn made_of(&self, at: &Origin) -> Origins {
        let Some(column) = self.column(at) else {
            return Origins::default();
        };
        column.made_of.within(&at.path[1..]).origins
    }

    /// What a column takes part in: columns, and with an empty path, rows of whole tables.
    pub(crate) fn made_from(&self, at: &Origin) -> Vec<(Origin, BTreeSet<How>)> {
        let mut found = Vec::new();
        for (name, table) in &self.tables {
            let to = |path: Vec<String>| Origin {
                table: name.clone(),
                path,
            };
            for column in &table.columns {
                let hows = taking_part(at, &column.made_of.origins);
                if !hows.is_empty() {
                    let mut path = vec![column.name.clone()];
                    path.extend_from_slice(carried(at, &column.made_of.origins));
                    found.push((to(path), hows));
                }
            }
            let hows = taking_part(at, &table.rows);
            if !hows.is_empty() {
                found.push((to(Vec::new()), hows));
            }
        }
        found
    }

    /// The values that a column is made of, and those that these are made of, up to `depth` edges away.
    pub(crate) fn up(&self, from: &Origin, depth: Option<usize>) -> Branch {
        let mut walk = Walk {
            lineage: self,
            is_up: true,
            seen: BTreeSet::new(),
        };
        walk.branch(from.clone(), BTreeSet::new(), depth)
    }

    /// What is made of a column, likewise; where it only decides, the walk ends.
    pub(crate) fn down(&self, from: &Origin, depth: Option<usize>) -> Branch {
        let mut walk = Walk {
            lineage: self,
            is_up: false,
            seen: BTreeSet::new(),
        };
        walk.branch(from.clone(), BTreeSet::new(), depth)
    }

    /// Every edge that a walk meets, those that only decide among them.
    pub(crate) fn steps(&self, question: &LineageQuestion, asked: &[Origin]) -> BTreeSet<Step> {
        let mut steps = BTreeSet::new();
        for (depth, is_up) in [(question.up, true), (question.down, false)] {
            let Some(mut left) = depth else { continue };
            let mut edge: Vec<Origin> = asked.to_vec();
            let mut seen: BTreeSet<Origin> = edge.iter().cloned().collect();
            while !edge.is_empty() && left != Some(0) {
                let mut next = Vec::new();
                for at in &edge {
                    for step in self.around(at, is_up) {
                        let end = if is_up { &step.from } else { &step.to };
                        let goes_on = step.hows.iter().any(|how| how.is_value());
                        if goes_on && !end.path.is_empty() && seen.insert(end.clone()) {
                            next.push(end.clone());
                        }
                        steps.insert(step);
                    }
                }
                edge = next;
                left = left.map(|left| left - 1);
            }
        }
        steps
    }

    /// The edges of one column; upwards with those of its table's rows.
    fn around(&self, at: &Origin, is_up: bool) -> Vec<Step> {
        let step = |from: &Origin, to: &Origin, hows: &BTreeSet<How>| Step {
            from: from.clone(),
            to: to.clone(),
            hows: hows.clone(),
        };
        if !is_up {
            let uses = self.made_from(at);
            return uses.iter().map(|(to, hows)| step(at, to, hows)).collect();
        }
        let rows = Origin {
            table: at.table.clone(),
            path: Vec::new(),
        };
        let own = self.made_of(at);
        let mut steps: Vec<Step> = own
            .iter()
            .map(|(from, hows)| step(from, at, hows))
            .collect();
        if let Some(table) = self.tables.get(&at.table) {
            steps.extend(
                table
                    .rows
                    .iter()
                    .map(|(from, hows)| step(from, &rows, hows)),
            );
        }
        steps
    }
}

/// How a column, a field of it, or the whole that it is a field of takes part.
fn taking_part(at: &Origin, origins: &Origins) -> BTreeSet<How> {
    let overlaps =
        |path: &[String]| !path.is_empty() && path.iter().zip(&at.path).all(|(a, b)| a == b);
    let parts = origins.iter();
    let parts = parts.filter(|(origin, _)| origin.table == at.table && overlaps(&origin.path));
    parts.flat_map(|(_, hows)| hows).copied().collect()
}

/// Where a walk goes, how the two hang together, and what is decided where it ends there.
type Next = (Origin, BTreeSet<How>, Option<Decided>);

/// The fields below a struct that is copied whole: where in the copy a field of it lies.
fn carried<'a>(at: &'a Origin, origins: &Origins) -> &'a [String] {
    let mut whole = origins.iter().filter(|(origin, hows)| {
        let is_above = origin.table == at.table && at.path.starts_with(&origin.path);
        is_above && hows.contains(&How::Copied)
    });
    match whole.next() {
        Some((origin, _)) => &at.path[origin.path.len()..],
        None => &[],
    }
}

struct Walk<'a> {
    lineage: &'a Lineage,
    is_up: bool,
    seen: BTreeSet<Origin>,
}

impl Walk<'_> {
    fn branch(&mut self, at: Origin, hows: BTreeSet<How>, depth: Option<usize>) -> Branch {
        let mut branch = Branch {
            at,
            hows,
            decided: None,
            further: Vec::new(),
            is_repeated: false,
        };
        if depth == Some(0) || branch.at.path.is_empty() {
            return branch;
        }
        let next = match self.is_up {
            true => self.values_of(&branch.at),
            false => self.uses_of(&branch.at),
        };
        if !next.is_empty() && !self.seen.insert(branch.at.clone()) {
            branch.is_repeated = true;
            return branch;
        }
        let depth = depth.map(|depth| depth - 1);
        for (at, hows, decided) in next {
            if decided.is_some() {
                branch.further.push(Branch {
                    at,
                    hows,
                    decided,
                    further: Vec::new(),
                    is_repeated: false,
                });
            } else {
                branch.further.push(self.branch(at, hows, depth));
            }
        }
        branch
    }

    fn values_of(&self, at: &Origin) -> Vec<Next> {
        let origins = self.lineage.made_of(at);
        let values = origins.values();
        values
            .map(|(origin, how)| (origin.clone(), BTreeSet::from([how]), None))
            .collect()
    }

    /// Columns that its values go into; and tables where it decides, each once.
    fn uses_of(&self, at: &Origin) -> Vec<Next> {
        let mut found = Vec::new();
        let mut decided: BTreeMap<TableName, (BTreeSet<How>, Decided)> = BTreeMap::new();
        for (to, hows) in self.lineage.made_from(at) {
            let value = hows.iter().copied().find(|how| how.is_value());
            match value {
                Some(how) if !to.path.is_empty() => {
                    found.push((to, BTreeSet::from([how]), None));
                }
                _ => {
                    let none = (BTreeSet::new(), Decided::Columns(0));
                    let (known, what) = decided.entry(to.table).or_insert(none);
                    known.extend(hows);
                    *what = match *what {
                        Decided::Columns(columns) if !to.path.is_empty() => {
                            Decided::Columns(columns + 1)
                        }
                        _ => Decided::Rows,
                    };
                }
            }
        }
        let decided = decided.into_iter().map(|(table, (hows, what))| {
            let at = Origin {
                table,
                path: Vec::new(),
            };
            (at, hows, Some(what))
        });
        found.extend(decided);
        found
    }
}

fn columns_of(
    project: &Project,
    table: &TableName,
    schema: Option<&Schema>,
    made_of: &mut BTreeMap<String, ValueLineage>,
) -> Vec<LineageColumn> {
    let contract = project.contracts.get(table);
    let fields = schema.into_iter().flat_map(|schema| schema.fields());
    fields
        .map(|field| {
            let declared = contract.and_then(|contract| contract.column(field.name()));
            LineageColumn {
                name: field.name().clone(),
                data_type: ColumnType::of_arrow(field.data_type()),
                personal: declared.and_then(|column| column.personal),
                made_of: made_of.remove(field.name()).unwrap_or_default(),
                export: export(project, table, field.name()),
            }
        })
        .collect()
}

/// Of a source's column: the contract's `from`, else its own name; what the path captures is not in the file.
fn export(project: &Project, table: &TableName, column: &str) -> Option<Export> {
    let source = project.sources.get(table)?;
    let patterns = || source.patterns.iter();
    let files = |wanted: &dyn Fn(&crate::project::PathPattern) -> bool| -> Vec<String> {
        let patterns = patterns().filter(|pattern| wanted(pattern));
        patterns.map(|pattern| pattern.text.clone()).collect()
    };
    let Some(declared) = project.contracts.get(table)?.column(column) else {
        return Some(Export::Record);
    };
    let captures = |pattern: &crate::project::PathPattern| {
        let mut captured = pattern.captures.iter();
        captured.any(|capture| capture.column == column)
    };
    if patterns().any(captures) {
        return Some(Export::Path {
            files: files(&captures),
        });
    }
    let names = match declared.from.as_slice() {
        [] => vec![column.to_string()],
        names => names.iter().map(|name| name.value.clone()).collect(),
    };
    Some(Export::Field {
        names,
        files: files(&|_| true),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::project_functions;
    use crate::project::Variables;

    #[test]
    fn every_origin_in_the_shipped_project_is_a_column_of_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let project = Project::load(root, &Variables::default()).unwrap();
        let functions = project_functions(&project.functions).unwrap();
        let lineage = Lineage::new(&project, &functions).unwrap();
        let mut edges = 0;
        for (name, table) in &lineage.tables {
            let columns = table.columns.iter().map(|column| &column.made_of.origins);
            for (origin, _) in columns.chain([&table.rows]).flat_map(Origins::iter) {
                let is_known = match origin.path.is_empty() {
                    true => lineage.tables.contains_key(&origin.table),
                    false => lineage.column(origin).is_some(),
                };
                assert!(is_known, "{name} is made of {origin}");
                edges += 1;
            }
            let is_source = project.sources.contains_key(name);
            let exports = table
                .columns
                .iter()
                .filter(|column| column.export.is_some());
            assert_eq!(
                exports.count(),
                if is_source { table.columns.len() } else { 0 }
            );
        }
        assert!(edges > 500, "{edges}");
    }
}
