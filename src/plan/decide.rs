//! What is stale, and why.

use std::collections::{BTreeMap, BTreeSet};

mod source;

use super::fingerprint::{self, ContentPart, Fingerprints, StepInputs, changed_parts};
use super::schema::stored_schema;
use super::selection::Scope;
use super::{
    Action, Cause, Checked, Kind, Observed, Plan, PublishedTable, Reason, Selection, TablePlan,
    UnreadExport, check_runnable, freshness, observed,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::FunctionRegistry;
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::project::{MatchTable, Materialization, OnError, Project};

/// Decides over every table of a checked project.
pub(super) fn decide(
    project: &Project,
    observed: &Observed,
    selection: &Selection,
    functions: &FunctionRegistry,
    mut checked: Checked,
) -> Result<Plan> {
    let fingerprints = fingerprints(project, observed, functions, &checked);
    let modified = modified(project, observed, &fingerprints);
    let selected = selection.tables(Scope {
        project,
        graph: &checked.graph,
        modified: &modified,
    })?;
    let selected = with_sides(project, selected);
    let order: Vec<TableName> = checked.graph.order().cloned().collect();
    let mut decider = Decider {
        project,
        observed,
        selection,
        selected,
        fingerprints,
        tables: BTreeMap::new(),
        mistakes: Vec::new(),
    };
    for table in &order {
        let plan = decider.table(table, &mut checked)?;
        decider.tables.insert(table.clone(), plan);
    }
    for table in order.iter().rev() {
        decider.ephemeral(table);
    }
    let Decider {
        tables, mistakes, ..
    } = decider;
    if !mistakes.is_empty() {
        return Err(Error::from_diagnostics(mistakes));
    }
    runnable(project, functions, &tables)?;
    let published = observed.release.iter().flat_map(|r| r.tables.keys());
    let is_published = |table: &TablePlan| table.kind != Kind::Ephemeral;
    let retired = published.filter(|name| !tables.get(name).is_some_and(is_published));
    Ok(Plan {
        retired: retired.cloned().collect(),
        order,
        tables,
        breaking: Vec::new(),
        never_held: checked.never_held,
        warnings: checked.warnings,
    })
}

/// The tables of a match are made together, or not at all: one of them brings the others.
fn with_sides(project: &Project, mut selected: BTreeSet<TableName>) -> BTreeSet<TableName> {
    for matching in project.matches.values() {
        if matching
            .tables
            .values()
            .any(|table| selected.contains(table))
        {
            selected.extend(matching.tables.values().cloned());
        }
    }
    selected
}

/// The tables that a selection names in a checked project, inputs before readers.
pub(super) fn selected(
    project: &Project,
    observed: &Observed,
    selection: &Selection,
    functions: &FunctionRegistry,
    checked: &Checked,
) -> Result<Vec<(TableName, Kind)>> {
    let fingerprints = fingerprints(project, observed, functions, checked);
    let modified = modified(project, observed, &fingerprints);
    let selected = selection.tables(Scope {
        project,
        graph: &checked.graph,
        modified: &modified,
    })?;
    let order = checked
        .graph
        .order()
        .filter(|table| selected.contains(*table));
    Ok(order
        .map(|table| (table.clone(), kind(project, table)))
        .collect())
}

/// Of every table, ephemeral steps before what they are part of.
fn fingerprints(
    project: &Project,
    observed: &Observed,
    functions: &FunctionRegistry,
    checked: &Checked,
) -> BTreeMap<TableName, Fingerprints> {
    let mut all: BTreeMap<TableName, Fingerprints> = BTreeMap::new();
    for table in checked.graph.order() {
        let mut found = match (checked.analyses.get(table), checked.schemas.get(table)) {
            (Some(analysis), Some(schema)) => {
                let ephemerals = checked
                    .graph
                    .inputs(table)
                    .iter()
                    .filter(|input| kind(project, input) == Kind::Ephemeral)
                    .filter_map(|input| Some((input, all.get(input)?)));
                let step = StepInputs {
                    table,
                    kind: kind(project, table),
                    analysis,
                    schema,
                    schemas: &checked.schemas,
                    ephemerals: ephemerals.collect(),
                };
                fingerprint::of_step(project, functions, observed.as_of, &step)
            }
            _ if checked.matches.contains_key(table) => {
                let plan = &checked.matches[table];
                fingerprint::of_match(project, functions, table, plan, &checked.schemas)
            }
            _ if project.seeds.contains_key(table) => {
                let columns = checked.schemas.get(table);
                fingerprint::of_seed(project, table, columns)
            }
            _ => fingerprint::of_source(project, table),
        };
        let tests = checked.tests.get(table).map_or(&[][..], Vec::as_slice);
        found.tests = fingerprint::with_functions_of_tests(&found.tests, functions, tests);
        all.insert(table.clone(), found);
    }
    all
}

/// What makes a table of the project.
pub(super) fn kind(project: &Project, table: &TableName) -> Kind {
    if project.sources.contains_key(table) {
        return Kind::Source;
    }
    if project.seeds.contains_key(table) {
        return Kind::Seed;
    }
    match project.match_of(table) {
        Some((_, MatchTable::Ids)) => return Kind::Match,
        Some(_) => return Kind::MatchSide,
        None => {}
    }
    match project.materialization(table) {
        Materialization::Table => Kind::Table,
        Materialization::Ephemeral => Kind::Ephemeral,
    }
}

/// `state:modified`: what a person changed. The instant moves by itself and does not count; ephemeral steps, which no release
/// holds, are modified when a reader's part of them is.
fn modified(
    project: &Project,
    observed: &Observed,
    fingerprints: &BTreeMap<TableName, Fingerprints>,
) -> BTreeSet<TableName> {
    let published = |table| observed.release.as_ref()?.tables.get(table);
    let mut modified = BTreeSet::new();
    for (table, now) in fingerprints {
        if kind(project, table) == Kind::Ephemeral {
            continue;
        }
        let Some(PublishedTable {
            fingerprints: before,
            ..
        }) = published(table)
        else {
            modified.insert(table.clone());
            continue;
        };
        for part in changed_parts(before, now) {
            let ephemeral: Option<TableName> = match part {
                ContentPart::AsOf => continue,
                ContentPart::Within(ephemeral, _) => ephemeral.parse().ok(),
                _ => None,
            };
            let ephemeral = ephemeral.filter(|table| fingerprints.contains_key(table));
            modified.insert(ephemeral.unwrap_or_else(|| table.clone()));
        }
        if before.tests != now.tests || before.words != now.words {
            modified.insert(table.clone());
        }
    }
    modified
}

/// Statements that are new or changed must be shown to run.
fn runnable(
    project: &Project,
    functions: &FunctionRegistry,
    tables: &BTreeMap<TableName, TablePlan>,
) -> Result<()> {
    let changed = tables.values().filter(|table| {
        let mut causes = table.reasons.iter().map(Reason::cause);
        causes.any(|cause| cause == Cause::Definition)
    });
    let statements: Vec<_> = changed
        .filter_map(|table| Some((&table.table, table.analysis.as_ref()?)))
        .collect();
    check_runnable(project, functions, &statements).map_err(Error::from_diagnostics)
}

struct Decider<'a> {
    project: &'a Project,
    observed: &'a Observed,
    selection: &'a Selection,
    selected: BTreeSet<TableName>,
    fingerprints: BTreeMap<TableName, Fingerprints>,
    /// Those before it in the order.
    tables: BTreeMap<TableName, TablePlan>,
    mistakes: Vec<Diagnostic>,
}

impl<'a> Decider<'a> {
    fn table(&mut self, table: &TableName, checked: &mut Checked) -> Result<TablePlan> {
        let kind = kind(self.project, table);
        let tests = checked.tests.remove(table).unwrap_or_default();
        let unit_tests = checked.unit_tests.remove(table).unwrap_or_default();
        let pipeline = self.project.pipeline_of(table);
        let read_as = checked.schemas.remove(table);
        let read_as =
            read_as.ok_or_else(|| Error::internal(format!("`{table}` has no columns")))?;
        let fingerprints = self.fingerprints.remove(table);
        let fingerprints = fingerprints
            .ok_or_else(|| Error::internal(format!("`{table}` has no fingerprints")))?;
        let mut plan = TablePlan {
            table: table.clone(),
            kind,
            pipeline: pipeline.map(|p| p.name.clone()).unwrap_or_default(),
            inputs: checked.graph.inputs(table).to_vec(),
            published_inputs: self.published_inputs(checked.graph.inputs(table)),
            readers: checked.graph.readers(table).to_vec(),
            tests,
            unit_tests,
            action: Action::Unchanged,
            on_error: self.on_error(table),
            overdue: self
                .project
                .sources
                .get(table)
                .and_then(|source| freshness::overdue(self.project, source, self.observed)),
            unread: None,
            otherwise: Action::Unchanged,
            reasons: Vec::new(),
            fingerprints,
            schema: match self.project.contracts.get(table) {
                Some(contract) if !contract.evolved.is_empty() => stored_schema(contract),
                _ => read_as.clone(),
            },
            read_as,
            analysis: checked.analyses.remove(table),
            rows: checked.seeds.remove(table),
            matched: checked.matches.remove(table),
            built_from: self
                .published(table)
                .map(|published| published.built_from.clone())
                .unwrap_or_default(),
        };
        plan.otherwise = match self.published(table) {
            Some(published) => self.beside_content(&plan, published).0,
            None => Action::Unchanged,
        };
        (plan.action, plan.reasons) = match kind {
            // decided by its readers
            Kind::Ephemeral => (Action::Unchanged, vec![]),
            _ if !self.selected.contains(table) => (Action::NotSelected, vec![]),
            Kind::Source => self.source(&plan),
            Kind::Table | Kind::Seed | Kind::MatchSide => self.step(&plan)?,
            Kind::Match => self.matched(&plan)?,
        };
        plan.unread = self.unread(&plan);
        Ok(plan)
    }

    fn unread(&self, plan: &TablePlan) -> Option<UnreadExport> {
        let source = self.project.sources.get(&plan.table)?;
        let exports = self.observed.exports.get(&plan.table)?;
        let read = match &plan.action {
            Action::Ingest { exports, .. } => exports.as_slice(),
            _ => &[],
        };
        observed::unread(source, exports, read)
    }

    fn on_error(&self, table: &TableName) -> OnError {
        match self.project.sources.get(table) {
            Some(source) => source.on_error.value,
            None => {
                let contract = self.project.contracts.get(table);
                contract.map_or(OnError::Stop, |contract| contract.on_error.value)
            }
        }
    }

    fn published(&self, table: &TableName) -> Option<&'a PublishedTable> {
        self.observed.release.as_ref()?.tables.get(table)
    }

    /// Inputs with ephemeral steps replaced by theirs.
    fn published_inputs(&self, inputs: &[TableName]) -> BTreeSet<TableName> {
        let mut all = BTreeSet::new();
        for input in inputs {
            match self.tables.get(input) {
                Some(plan) if plan.kind == Kind::Ephemeral => {
                    all.extend(plan.published_inputs.iter().cloned());
                }
                _ => {
                    all.insert(input.clone());
                }
            }
        }
        all
    }

    fn step(&self, plan: &TablePlan) -> Result<(Action, Vec<Reason>)> {
        let (action, reasons) = self.step_action(plan);
        if matches!(action, Action::Build | Action::Maybe) {
            for input in &plan.published_inputs {
                let not_selected = self
                    .tables
                    .get(input)
                    .is_some_and(|input| input.action == Action::NotSelected);
                if not_selected && self.published(input).is_none() {
                    return Err(Error::config(format!(
                        "`{}` reads `{input}`, which was never published and is not selected",
                        plan.table
                    ))
                    .code(Code(206))
                    .help(format!("`-s +{}` also builds what it reads", plan.table)));
                }
            }
        }
        Ok((action, reasons))
    }

    /// The ids of a match are computed, too, where a table beside them was never published or is made otherwise now.
    fn matched(&self, plan: &TablePlan) -> Result<(Action, Vec<Reason>)> {
        let (action, reasons) = self.step(plan)?;
        let sides = plan
            .matched
            .iter()
            .flat_map(|plan| plan.matching.tables.values());
        let is_due = |side: &TableName| match self.published(side) {
            Some(published) => self
                .fingerprints
                .get(side)
                .is_some_and(|now| now.content != published.fingerprints.content),
            None => true,
        };
        match sides
            .filter(|side| **side != plan.table)
            .find(|side| is_due(side))
        {
            Some(side) if action != Action::Build => Ok((
                Action::Build,
                vec![Reason::SideChanged {
                    table: side.clone(),
                }],
            )),
            _ => Ok((action, reasons)),
        }
    }

    fn step_action(&self, plan: &TablePlan) -> (Action, Vec<Reason>) {
        let Some(published) = self.published(&plan.table) else {
            return (Action::Build, vec![Reason::New]);
        };
        let mut reasons = Vec::new();
        if self.selection.full_refresh {
            reasons.push(Reason::FullRefresh);
        }
        if self.selection.retrain.contains(&plan.table) {
            reasons.push(Reason::Retrain);
        }
        if published.fingerprints.content != plan.fingerprints.content {
            reasons.extend(self.content_reasons(plan, published));
        }
        let mut may_change = Vec::new();
        for input in &plan.published_inputs {
            let table = input.clone();
            match self.tables.get(input).map(|input| &input.action) {
                _ if self.observed.adopts.contains(input) => {
                    may_change.push(Reason::InputChanges { table });
                }
                Some(Action::Ingest { .. } | Action::Build | Action::Maybe) => {
                    may_change.push(Reason::InputChanges { table });
                }
                _ => {
                    let now = self.published(input).map(|published| &published.digest);
                    if plan.built_from.get(input) != now {
                        reasons.push(Reason::InputChanged { table });
                    }
                }
            }
        }
        if !reasons.is_empty() {
            reasons.extend(may_change);
            return (Action::Build, reasons);
        }
        if !may_change.is_empty() {
            return (Action::Maybe, may_change);
        }
        self.beside_content(plan, published)
    }

    /// Tests and words, where the content stands.
    fn beside_content(
        &self,
        plan: &TablePlan,
        published: &PublishedTable,
    ) -> (Action, Vec<Reason>) {
        if published.fingerprints.tests != plan.fingerprints.tests {
            return (Action::Retest, vec![Reason::TestsChanged]);
        }
        if published.fingerprints.words != plan.fingerprints.words {
            return (Action::Redescribe, vec![Reason::WordsChanged]);
        }
        (Action::Unchanged, vec![])
    }

    /// Which parts differ, in words. A part that comes or goes with the SQL itself says nothing new.
    fn content_reasons(&self, plan: &TablePlan, published: &PublishedTable) -> Vec<Reason> {
        let (before, now) = (&published.fingerprints, &plan.fingerprints);
        let mut reasons = Vec::new();
        let changed = changed_parts(before, now);
        // another text calls other functions
        let is_rewritten = changed.iter().any(|part| {
            matches!(
                part,
                ContentPart::Sql | ContentPart::Match | ContentPart::Within(..)
            )
        });
        for part in changed {
            let in_both = before.part(part).is_some() && now.part(part).is_some();
            let table = |text: &str| text.parse::<TableName>().ok();
            let reason = match part {
                ContentPart::Sql => self
                    .path_of_step(plan)
                    .map(|path| Reason::SqlChanged { path }),
                ContentPart::Match => plan.matched.as_ref().map(|plan| Reason::MatchChanged {
                    path: plan.matching.declared_at.file.path.clone(),
                }),
                ContentPart::Seed => {
                    self.project
                        .seeds
                        .get(&plan.table)
                        .map(|seed| Reason::SeedChanged {
                            path: seed.file.path.clone(),
                        })
                }
                ContentPart::Contract => self
                    .path_of_contract(plan)
                    .map(|path| Reason::ContractChanged { path }),
                ContentPart::Input(input) if in_both => {
                    table(input).map(|table| Reason::InputColumnsChanged { table })
                }
                ContentPart::Within(ephemeral, _) => {
                    table(ephemeral).map(|table| Reason::EphemeralChanged { table })
                }
                ContentPart::Function(name) if in_both => {
                    Some(Reason::FunctionChanged { name: name.into() })
                }
                ContentPart::Var(name) if in_both => Some(Reason::VarChanged { name: name.into() }),
                ContentPart::AsOf if in_both => Some(Reason::AsOfMoved),
                ContentPart::Functions if in_both && is_rewritten => None,
                ContentPart::Functions | ContentPart::Kind if in_both => {
                    Some(Reason::SemanticsChanged)
                }
                // a match names its inputs: one that comes or goes was written
                ContentPart::Input(_) => plan.matched.as_ref().map(|plan| Reason::MatchChanged {
                    path: plan.matching.declared_at.file.path.clone(),
                }),
                _ => None,
            };
            reasons.extend(reason);
        }
        reasons.sort();
        reasons.dedup();
        if reasons.is_empty() {
            reasons.push(Reason::SemanticsChanged);
        }
        reasons
    }

    fn path_of_step(&self, plan: &TablePlan) -> Option<String> {
        let step = self.project.steps.get(&plan.table)?;
        Some(step.file.path.clone())
    }

    fn path_of_contract(&self, plan: &TablePlan) -> Option<String> {
        let contract = self.project.contracts.get(&plan.table);
        let matched = plan.matched.as_ref();
        contract
            .map(|contract| contract.file.path.clone())
            .or_else(|| self.path_of_step(plan))
            .or_else(|| Some(matched?.matching.declared_at.file.path.clone()))
    }

    /// An ephemeral step is computed when, and only when, something that reads it is.
    fn ephemeral(&mut self, table: &TableName) {
        let Some(plan) = self.tables.get(table) else {
            return;
        };
        if plan.kind != Kind::Ephemeral {
            return;
        }
        let readers = || {
            let readers = plan.readers.iter();
            readers.filter_map(|reader| self.tables.get(reader))
        };
        let found = [Action::Build, Action::Maybe, Action::Retest]
            .into_iter()
            .find_map(|action| {
                let reader = readers().find(|reader| reader.action == action)?;
                Some((action, reader.table.clone()))
            });
        if let (Some(plan), Some((action, reader))) = (self.tables.get_mut(table), found) {
            plan.action = action;
            plan.reasons = vec![Reason::PartOf { table: reader }];
        } else if let Some(plan) = self.tables.get_mut(table) {
            plan.action = Action::Unchanged;
        }
    }
}
