//! Which pipeline owns which SQL file: exactly one owns each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::raw::{Mistake, RawPipelineFile, RawStep, listed, nearest_word};
use super::super::{Spanned, SqlStep};
use super::matching::Matches;
use super::{blame, pipeline_name, table_of};
use crate::diagnostic::{Diagnostic, Place, SourceFile, Span};
use crate::name::TableName;

/// The SQL files of a project.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// Those that a pipeline owns.
    pub(super) steps: BTreeMap<TableName, SqlStep>,
    /// All of them.
    pub(super) files: BTreeMap<TableName, Arc<SourceFile>>,
}

impl Owned {
    /// Adds a step whose SQL a key of a pipeline stands for; `false` where another step makes the table.
    pub(super) fn add_made(
        &mut self,
        table: TableName,
        sql: String,
        declared_at: &Place,
        matches: &Matches,
    ) -> bool {
        if self.files.contains_key(&table)
            || self.steps.contains_key(&table)
            || matches.made.contains_key(&table)
        {
            return false;
        }
        let file = SourceFile {
            path: declared_at.file.path.clone(),
            text: sql,
        };
        let step = SqlStep {
            table: table.clone(),
            file: Arc::new(file),
            pipeline: pipeline_name(&declared_at.file),
            declared_at: declared_at.clone(),
        };
        self.steps.insert(table, step);
        true
    }
}

/// Matches the steps of every pipeline with the files.
pub(super) fn resolve(
    pipelines: &[(Arc<SourceFile>, Option<RawPipelineFile>)],
    sql: &[Arc<SourceFile>],
    found: &mut Vec<Diagnostic>,
) -> Owned {
    let mut owned = Owned::default();
    for file in sql {
        if let Some(table) = table_of(file) {
            owned.files.insert(table, Arc::clone(file));
        }
    }
    let mut whole = true;
    for (file, raw) in pipelines {
        let Some(raw) = raw else {
            whole = false;
            continue;
        };
        whole &= raw.steps.whole;
        for step in &raw.steps.items {
            claim(&mut owned, file, step, found);
        }
    }
    if whole {
        report_unowned(&owned, pipelines, found);
    }
    owned
}

/// Gives the files that one step names to its pipeline.
fn claim(
    owned: &mut Owned,
    pipeline: &Arc<SourceFile>,
    step: &Spanned<RawStep>,
    found: &mut Vec<Diagnostic>,
) {
    let glob = match &step.value {
        RawStep::Sql(glob) => glob,
        // makes tables without a file of their own
        RawStep::Match(_) | RawStep::Golden(_) | RawStep::Correct(_) => return,
        RawStep::Segment(later) => later.never(),
        RawStep::Audience(later) => later.never(),
        RawStep::LifetimeValue(later) | RawStep::Recommend(later) | RawStep::Twins(later) => {
            later.never()
        }
    };
    let mut matched = false;
    for (table, file) in &owned.files {
        if glob.value.pattern.matches(&table.location()).is_none() {
            continue;
        }
        matched = true;
        if let Some(first) = owned.steps.get(table) {
            let mistake =
                Mistake::new(143, format!("`{}` is owned twice", file.path)).help(format!(
                    "{} owns it already: each SQL file belongs to one pipeline",
                    first.declared_at.location()
                ));
            found.push(blame(pipeline, glob.span, mistake));
            continue;
        }
        let step = SqlStep {
            table: table.clone(),
            file: Arc::clone(file),
            pipeline: pipeline_name(pipeline),
            declared_at: Place {
                file: Arc::clone(pipeline),
                span: step.span,
            },
        };
        owned.steps.insert(table.clone(), step);
    }
    if !matched {
        let mistake = Mistake::new(141, format!("no SQL file matches `{}`", glob.value.text));
        let mistake = match hint(&glob.value.text, owned) {
            Some(help) => mistake.help(help),
            None => mistake,
        };
        found.push(blame(pipeline, glob.span, mistake));
    }
}

/// A folder or file that was probably meant.
fn hint(glob: &str, owned: &Owned) -> Option<String> {
    let glob = glob.trim_end_matches(".sql");
    if owned.files.is_empty() {
        return Some(
            "there is no SQL file: sql/<schema>/<table>.sql makes `<schema>.<table>`".into(),
        );
    }
    let mut folders: Vec<&str> = owned.files.keys().map(TableName::schema).collect();
    folders.dedup();
    let Some((folder, rest)) = glob.split_once('/') else {
        return match folders.iter().find(|folder| **folder == glob) {
            Some(folder) => Some(format!("write `{folder}/*` for every file of the folder")),
            None => Some(format!("below sql/: {}", listed(&folders))),
        };
    };
    if !folders.contains(&folder) {
        return match nearest_word(folder, &folders) {
            Some(near) => Some(format!("did you mean `{near}/{rest}`?")),
            None => Some(format!("below sql/: {}", listed(&folders))),
        };
    }
    let names: Vec<&str> = owned
        .files
        .keys()
        .filter(|table| table.schema() == folder)
        .map(TableName::name)
        .collect();
    nearest_word(rest, &names).map(|near| format!("did you mean `{folder}/{near}`?"))
}

fn report_unowned(
    owned: &Owned,
    pipelines: &[(Arc<SourceFile>, Option<RawPipelineFile>)],
    found: &mut Vec<Diagnostic>,
) {
    for (table, file) in &owned.files {
        if owned.steps.contains_key(table) {
            continue;
        }
        let place = match pipelines {
            [] => "pipelines/<name>.yaml".to_string(),
            [(only, _)] => only.path.clone(),
            _ => "a pipeline".to_string(),
        };
        let mistake = Mistake::new(142, format!("no pipeline owns `{}`", file.path)).help(format!(
            "add `- sql: {}` to the `steps` of {place}",
            table.location()
        ));
        found.push(blame(file, Span::default(), mistake));
    }
}
