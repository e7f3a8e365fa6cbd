//! A project's SQL, contracts and tests against each other, before a byte of data is read.
//!
//! Statements are parsed, ordered, and analysed level by level, since the columns of a step without a contract are known
//! only once it is analysed. A step that fails and lists its columns in a contract still lets its readers be checked; one
//! that does not keeps them unchecked, so that one mistake is reported once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::contract_check::published_schema;
use super::graph::Graph;
use super::schema::{contract_schema, input_table, source_schema};
use super::seed::{rows_of_seeds, seed_schema};
use super::unit_test::{Bench, PlannedUnitTest};
use super::{MatchPlan, consent, matching, test_check};
use crate::diagnostic::{Code, Diagnostic, Place, Severity, SourceFile, Span, nearest};
use crate::engine::{
    Analysis, FunctionRegistry, InputTable, Question, Statement, TableUse, analyse,
};
use crate::name::TableName;
use crate::parallel;
use crate::project::{MatchTable, Matching, Materialization, Project, Spanned, SqlStep};

/// A project without mistakes.
#[derive(Debug)]
pub(super) struct Checked {
    pub(crate) graph: Graph,
    /// Of every table that a match step makes.
    pub(crate) matches: BTreeMap<TableName, MatchPlan>,
    /// Of every SQL step.
    pub(crate) analyses: BTreeMap<TableName, Analysis>,
    /// Published columns of every table.
    pub(crate) schemas: BTreeMap<TableName, SchemaRef>,
    /// For each table with a contract, one entry for each of its tests, in the contract's order: of those that are SQL.
    pub(crate) tests: BTreeMap<TableName, Vec<Option<Analysis>>>,
    /// Of every step that has some.
    pub(crate) unit_tests: BTreeMap<TableName, Vec<PlannedUnitTest>>,
    /// Each table that must not be held → the consent table that it feeds.
    pub(crate) never_held: BTreeMap<TableName, TableName>,
    /// Of every seed.
    pub(crate) seeds: BTreeMap<TableName, RecordBatch>,
    /// Doubts that stop nothing, by file and place.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// What is known of a project, and everything found wrong with it.
#[derive(Debug, Default)]
pub(super) struct Examined {
    /// Empty where tables read each other in a circle.
    pub(super) graph: Graph,
    pub(super) matches: BTreeMap<TableName, MatchPlan>,
    /// Of every SQL step that could be analysed, those that break their contract among them.
    pub(super) analyses: BTreeMap<TableName, Analysis>,
    /// Every table whose columns are known, those that only a contract promises among them.
    pub(super) tables: BTreeMap<TableName, InputTable>,
    /// Steps whose query yields other columns than their contract promises.
    pub(super) breaking: BTreeSet<TableName>,
    tests: BTreeMap<TableName, Vec<Option<Analysis>>>,
    unit_tests: BTreeMap<TableName, Vec<PlannedUnitTest>>,
    never_held: BTreeMap<TableName, TableName>,
    seeds: BTreeMap<TableName, RecordBatch>,
    pub(super) mistakes: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// A statement that parsed, and what it reads.
pub(super) struct Parsed<'a> {
    step: &'a SqlStep,
    statement: Statement,
    uses: Vec<TableUse>,
}

impl Parsed<'_> {
    /// Analyses the step with other variables at another instant.
    pub(super) fn analyse_with(
        &self,
        surroundings: &Surroundings<'_>,
        tables: &BTreeMap<TableName, InputTable>,
        vars: &BTreeMap<String, String>,
        as_of: DateTime<Utc>,
    ) -> Result<Analysis, Vec<Diagnostic>> {
        analyse(&Question {
            vars,
            as_of,
            ..surroundings.question(&self.statement, &self.uses, tables, true)
        })
    }
}

/// Everything that statements are analysed with.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) project: &'a Project,
    pub(super) functions: &'a FunctionRegistry,
    pub(super) as_of: DateTime<Utc>,
}

impl Surroundings<'_> {
    /// Analyses a statement over tables.
    pub(super) fn analyse(
        &self,
        statement: &Statement,
        uses: &[TableUse],
        tables: &BTreeMap<TableName, InputTable>,
        is_published: bool,
    ) -> Result<Analysis, Vec<Diagnostic>> {
        analyse(&self.question(statement, uses, tables, is_published))
    }

    fn question<'q>(
        &'q self,
        statement: &'q Statement,
        uses: &'q [TableUse],
        tables: &'q BTreeMap<TableName, InputTable>,
        is_published: bool,
    ) -> Question<'q> {
        Question {
            statement,
            uses,
            tables,
            vars: &self.project.vars,
            as_of: self.as_of,
            time_zone: self.project.time_zone,
            functions: self.functions,
            is_published,
        }
    }
}

/// Checks a project.
///
/// # Errors
/// Every mistake found, and the warnings, by file and place.
pub(super) fn check_project(
    project: &Project,
    functions: &FunctionRegistry,
    as_of: DateTime<Utc>,
) -> Result<Checked, Vec<Diagnostic>> {
    let mut examined = examine(project, functions, as_of);
    if !examined.mistakes.is_empty() {
        examined.mistakes.extend(examined.warnings);
        return Err(sorted(examined.mistakes));
    }
    let tables = examined.tables.into_iter();
    Ok(Checked {
        graph: examined.graph,
        matches: examined.matches,
        analyses: examined.analyses,
        schemas: tables.map(|(t, i)| (t, i.schema)).collect(),
        tests: examined.tests,
        unit_tests: examined.unit_tests,
        never_held: examined.never_held,
        seeds: examined.seeds,
        warnings: sorted(examined.warnings),
    })
}

/// What the levels of the graph have made so far, each reading those before it.
#[derive(Default)]
struct Made {
    tables: BTreeMap<TableName, InputTable>,
    analyses: BTreeMap<TableName, Analysis>,
    /// Steps whose query and contract do not agree.
    breaking: BTreeSet<TableName>,
    matches: BTreeMap<TableName, MatchPlan>,
    mistakes: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Made {
    fn match_tables(
        &mut self,
        matching: &Matching,
        surroundings: &Surroundings<'_>,
        known: &BTreeSet<TableName>,
    ) {
        let project = surroundings.project;
        let unknown = matching
            .inputs()
            .filter(|input| !known.contains(&input.value))
            .map(|input| matching::unknown_input(matching, input, known.iter()));
        self.mistakes.extend(unknown);
        let table = |input: &Spanned<TableName>| self.tables.get(&input.value);
        let decisions = matching.decisions.as_ref();
        let (Some(records), Ok(decisions)) = (
            table(&matching.records),
            decisions.map(|input| table(input).ok_or(())).transpose(),
        ) else {
            return;
        };
        let checker = matching::Checker {
            matching,
            surroundings,
            known,
            tables: &self.tables,
            records,
            decisions,
        };
        match checker.check() {
            Ok(made) => {
                for (table, (plan, schema)) in made {
                    let contract = project.contracts.get(&table);
                    let input = input_table(schema, contract, None);
                    self.tables.insert(table.clone(), input);
                    self.matches.insert(table, plan);
                }
            }
            Err(found) => self.mistakes.extend(found),
        }
    }

    /// A step's table has the columns of its query, else those that its contract promises.
    fn step_table(
        &mut self,
        table: &TableName,
        analysed: Result<Option<Step>, Vec<Diagnostic>>,
        project: &Project,
    ) {
        let contract = project.contracts.get(table);
        let schema = match analysed {
            Ok(None) => None,
            Ok(Some((analysis, schema))) => {
                self.warnings.extend(analysis.warnings.iter().cloned());
                self.analyses.insert(table.clone(), analysis);
                schema
                    .map_err(|found| {
                        self.breaking.insert(table.clone());
                        self.mistakes.extend(found);
                    })
                    .ok()
            }
            Err(found) => {
                self.mistakes.extend(found);
                None
            }
        };
        let promised = contract
            .filter(|c| !c.columns.is_empty())
            .map(contract_schema);
        if let Some(schema) = schema.or(promised) {
            let input = input_table(schema, contract, None);
            self.tables.insert(table.clone(), input);
        }
    }
}

/// Looks at everything, however much of it is wrong.
pub(super) fn examine(
    project: &Project,
    functions: &FunctionRegistry,
    as_of: DateTime<Utc>,
) -> Examined {
    let surroundings = Surroundings {
        project,
        functions,
        as_of,
    };
    let known: BTreeSet<TableName> = project.tables().cloned().collect();
    let (mut mistakes, warnings): (Vec<_>, Vec<_>) = functions
        .sql()
        .found
        .iter()
        .cloned()
        .partition(|found| found.severity == Severity::Error);
    let seeds = rows_of_seeds(project, &mut mistakes);
    let parsed = parse_all(project, &known, &mut mistakes);
    let graph = match Graph::new(edges(project, &parsed, &known)) {
        Ok(graph) => graph,
        Err(cycles) => {
            mistakes.extend(cycles.iter().map(|cycle| cycle_mistake(cycle, &parsed)));
            return Examined {
                mistakes,
                ..Examined::default()
            };
        }
    };
    let mut tables = source_tables(project);
    tables.extend(seed_tables(project));
    let mut made = Made {
        tables,
        mistakes,
        warnings,
        ..Made::default()
    };
    for level in graph.levels() {
        let matches = level.iter().filter_map(|table| project.matches.get(table));
        for matching in matches {
            made.match_tables(matching, &surroundings, &known);
        }
        let items: Vec<&Parsed<'_>> = level.iter().filter_map(|table| parsed.get(table)).collect();
        let results = parallel::map(parallel::cores(), &items, |item| {
            analyse_step(item, &made.tables, &surroundings)
        });
        for (item, result) in items.iter().zip(results) {
            made.step_table(&item.step.table, result, project);
        }
    }
    let Made {
        tables,
        analyses,
        breaking,
        matches,
        mut mistakes,
        mut warnings,
    } = made;
    let tests = test_check::check(&surroundings, &known, &tables, &mut mistakes, &mut warnings);
    let never_held = consent::never_held(project, &graph);
    mistakes.extend(consent::check(project, &never_held));
    let unit_tests = Bench {
        surroundings: &surroundings,
        graph: &graph,
        parsed: &parsed,
        analyses: &analyses,
        tables: &tables,
    }
    .check(&mut mistakes);
    warnings.extend(unread_ephemerals(project, &graph));
    Examined {
        graph,
        matches,
        analyses,
        tables,
        breaking,
        tests,
        unit_tests,
        never_held,
        seeds,
        mistakes,
        warnings,
    }
}

/// Proves that statements can be run, by building their physical plans over empty tables: for those that are to be built,
/// since it costs several times the check.
///
/// # Errors
/// K0311 at each statement that cannot.
pub(super) fn check_runnable(
    project: &Project,
    functions: &FunctionRegistry,
    analyses: &[(&TableName, &Analysis)],
) -> Result<(), Vec<Diagnostic>> {
    let results = parallel::map(parallel::cores(), analyses, |(table, analysis)| {
        let step = project.steps.get(table)?;
        crate::engine::check_runnable(&step.file, analysis, functions).err()
    });
    let mistakes: Vec<Diagnostic> = results.into_iter().flatten().collect();
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(sorted(mistakes))
    }
}

fn parse_all<'a>(
    project: &'a Project,
    known: &BTreeSet<TableName>,
    mistakes: &mut Vec<Diagnostic>,
) -> BTreeMap<TableName, Parsed<'a>> {
    let steps: Vec<&SqlStep> = project.steps.values().collect();
    let results = parallel::map(parallel::cores(), &steps, |step| {
        let statement = Statement::parse(&step.file).map_err(|mistake| vec![mistake])?;
        let uses = statement.tables(known)?;
        Ok((statement, uses))
    });
    let mut parsed = BTreeMap::new();
    for (step, result) in steps.into_iter().zip(results) {
        match result {
            Ok((statement, uses)) => {
                mistakes.extend(unknown_tables(&step.table, &step.file, &uses, known));
                parsed.insert(
                    step.table.clone(),
                    Parsed {
                        step,
                        statement,
                        uses,
                    },
                );
            }
            Err(found) => mistakes.extend::<Vec<Diagnostic>>(found),
        }
    }
    parsed
}

/// A mistake for each table that nothing makes.
pub(super) fn unknown_tables(
    reader: &TableName,
    file: &Arc<SourceFile>,
    uses: &[TableUse],
    known: &BTreeSet<TableName>,
) -> Vec<Diagnostic> {
    let names: Vec<String> = known.iter().map(ToString::to_string).collect();
    let unknown = uses.iter().filter(|used| !known.contains(&used.table));
    unknown
        .map(|used| {
            let diagnostic = Diagnostic::error(
                Code(203),
                format!(
                    "`{reader}` reads `{}`, which no source, seed or step makes",
                    used.table
                ),
            )
            .at(file, used.span);
            let near = nearest(&used.table.to_string(), names.iter().map(String::as_str));
            let same_name = || {
                names
                    .iter()
                    .find(|name| name.ends_with(&format!(".{}", used.table.name())))
            };
            match near.or_else(|| same_name().map(String::as_str)) {
                Some(name) => diagnostic.help(format!("did you mean `{name}`?")),
                None => diagnostic.help(format!(
                    "a file sql/{}/{}.sql that a pipeline names would make it",
                    used.table.schema(),
                    used.table.name()
                )),
            }
        })
        .collect()
}

fn edges(
    project: &Project,
    parsed: &BTreeMap<TableName, Parsed<'_>>,
    known: &BTreeSet<TableName>,
) -> BTreeMap<TableName, Vec<TableName>> {
    let sources = project.sources.keys().chain(project.seeds.keys());
    let sources = sources.map(|table| (table.clone(), vec![]));
    let steps = project.steps.keys().map(|table| {
        let uses = parsed.get(table).map_or(&[][..], |parsed| &parsed.uses);
        let inputs = uses.iter().map(|used| used.table.clone());
        (
            table.clone(),
            inputs.filter(|t| known.contains(t)).collect(),
        )
    });
    let matches = project.matches.values().flat_map(|matching| {
        let inputs = |part: &MatchTable| match part {
            MatchTable::Ids => matching.inputs().map(|t| t.value.clone()).collect(),
            _ => vec![matching.table.clone()],
        };
        matching.tables.iter().map(move |(part, table)| {
            let known = inputs(part)
                .into_iter()
                .filter(|input| known.contains(input));
            (table.clone(), known.collect())
        })
    });
    sources.chain(steps).chain(matches).collect()
}

fn cycle_mistake(cycle: &[TableName], parsed: &BTreeMap<TableName, Parsed<'_>>) -> Diagnostic {
    let mut path: Vec<String> = cycle.iter().map(|table| format!("`{table}`")).collect();
    let message = if cycle.len() == 1 {
        format!("{} reads itself", path[0])
    } else {
        path.extend(path.first().cloned());
        format!("tables read each other in a circle: {}", path.join(" → "))
    };
    let diagnostic = Diagnostic::error(Code(204), message);
    let first = cycle.first().and_then(|table| parsed.get(table));
    let next = cycle.get(1).or(cycle.first());
    let place = first.and_then(|parsed| {
        let used = parsed.uses.iter().find(|used| Some(&used.table) == next)?;
        Some((&parsed.step.file, used.span))
    });
    match place {
        Some((file, span)) => diagnostic.at(file, span),
        None => diagnostic,
    }
    .help(if cycle.len() == 1 {
        "a table is made of others: read what it is made of"
    } else {
        "let one of them read what the other reads, not the other itself"
    })
}

fn source_tables(project: &Project) -> BTreeMap<TableName, InputTable> {
    let sources = project.sources.iter().filter_map(|(table, source)| {
        let contract = project.contracts.get(table)?;
        let schema = source_schema(contract);
        Some((
            table.clone(),
            input_table(schema, Some(contract), Some(source.load)),
        ))
    });
    sources.collect()
}

/// A statement's meaning, and what it publishes or how it breaks its contract.
type Step = (Analysis, Result<SchemaRef, Vec<Diagnostic>>);

fn seed_tables(project: &Project) -> BTreeMap<TableName, InputTable> {
    let seeds = project.seeds.iter().map(|(table, seed)| {
        let contract = project.contracts.get(table);
        let schema = seed_schema(seed, contract);
        (table.clone(), input_table(schema, contract, None))
    });
    seeds.collect()
}

/// `Ok(None)` where an input's columns are unknown because of a mistake that is reported elsewhere.
fn analyse_step(
    item: &Parsed<'_>,
    tables: &BTreeMap<TableName, InputTable>,
    surroundings: &Surroundings<'_>,
) -> Result<Option<Step>, Vec<Diagnostic>> {
    if item
        .uses
        .iter()
        .any(|used| !tables.contains_key(&used.table))
    {
        return Ok(None);
    }
    let analysis = surroundings
        .analyse(&item.statement, &item.uses, tables, true)
        .map_err(|found| at_declaration(item.step, found))?;
    let contract = surroundings.project.contracts.get(&item.step.table);
    let schema = published_schema(
        &item.step.table,
        &item.step.file,
        &analysis.output,
        contract,
    )
    .map_err(|found| at_declaration(item.step, found));
    Ok(Some((analysis, schema)))
}

/// Mistakes in SQL that nobody wrote, where the step is declared that it was made of: at the word, if it stands there.
fn at_declaration(step: &SqlStep, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if !step.is_generated() {
        return found;
    }
    let Place { file, span } = &step.declared_at;
    let relocated = found.into_iter().map(|mut diagnostic| {
        let place = diagnostic.place.take();
        let Some(place) = place.filter(|place| Arc::ptr_eq(&place.file, &step.file)) else {
            return diagnostic.at(file, *span);
        };
        let wrong = place.file.text.get(place.span.start..place.span.end);
        let wrong = wrong.unwrap_or_default().rsplit('.').next();
        let wrong = wrong.unwrap_or_default().trim_matches('"');
        let text = file.text.get(span.start..span.end).unwrap_or_default();
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let whole = text.match_indices(wrong).find(|(at, word)| {
            let (before, behind) = (&text[..*at], &text[at + word.len()..]);
            !word.is_empty() && !before.ends_with(is_part) && !behind.starts_with(is_part)
        });
        let exact = whole.map(|(at, word)| Span {
            start: span.start + at,
            end: span.start + at + word.len(),
        });
        diagnostic.at(file, exact.unwrap_or(*span))
    });
    relocated.collect()
}

fn unread_ephemerals(project: &Project, graph: &Graph) -> Vec<Diagnostic> {
    let steps = project.steps.values().filter(|step| {
        project.materialization(&step.table) == Materialization::Ephemeral
            && graph.readers(&step.table).is_empty()
    });
    steps
        .map(|step| {
            Diagnostic::warning(
                Code(207),
                format!("`{}` is ephemeral, and nothing reads it", step.table),
            )
            .at(&step.file, Span::default())
            .help("remove it, or publish it: `materialized: table`")
        })
        .collect()
}

/// By file, place and code.
pub(super) fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| {
            let place = d.place.as_ref();
            (place.map(|p| (p.file.path.clone(), p.span.start)), d.code)
        };
        key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
    });
    diagnostics.dedup();
    diagnostics
}
