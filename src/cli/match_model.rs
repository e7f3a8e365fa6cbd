//! `kilde match train` and `kilde match model`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;

use super::format::Align::{Left, Right};
use super::format::{self, Columns, count, plural, share};
use super::options::{Options, as_of};
use super::style::{self, FAINT, STRONG, styled};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::project::Project;
use crate::run::{LearntLevel, ModelStory, Runner, TrainingStory};

#[derive(Debug, Args)]
pub(super) struct Train {
    /// The table of the ids, short where unique [default: that of the only match step]
    table: Option<String>,
    /// Write the trained model to a file of the project, for `model:` to name
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Print what would change as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Model {
    /// The table of the ids, short where unique [default: that of the only match step]
    table: Option<String>,
    /// Print the whole model as JSON, as a file that `model:` can name
    #[arg(long)]
    json: bool,
}

impl Train {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let (runner, table, as_of) =
            asked(self.table.as_deref(), options, options.untrained_project()?)?;
        let found = runner.train_match(table.as_ref(), as_of).await?;
        style::out(&match self.json {
            true => format::json(&found)?,
            false => training(&found, self.write.as_deref()),
        });
        if let Some(file) = &self.write {
            write(file, &found.file)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Model {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let (runner, table, as_of) = asked(self.table.as_deref(), options, options.project()?)?;
        let found = runner.match_model(table.as_ref(), as_of).await?;
        style::out(&match self.json {
            true => found.file,
            false => model(&found),
        });
        Ok(ExitCode::SUCCESS)
    }
}

fn asked(
    table: Option<&str>,
    options: &Options,
    project: Project,
) -> Result<(Runner, Option<TableName>, DateTime<Utc>)> {
    let project = Arc::new(project);
    let table = table.map(|name| project.table(name)).transpose()?;
    let runner = options.runner(&project)?;
    let as_of = as_of(None, &runner)?;
    Ok((runner, table, as_of))
}

fn write(file: &Path, text: &str) -> Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(file, text))
        .map_err(|error| {
            Error::config(format!("`{}` cannot be written", file.display())).caused_by(error)
        })
}

fn training(found: &TrainingStory, file: Option<&Path>) -> String {
    let mut text = format!(
        "{}: a model trained on {} of release {}\n",
        styled(STRONG, &found.table),
        plural(found.records, "record"),
        found.release
    );
    let prior = (found.prior, found.is_prior_pinned);
    text.push_str(&levels(&found.levels, prior, Some(found.prior_now)));
    text.push_str(&format!(
        "of {} of one id {} would be parted, and {} more would be joined\n",
        plural(found.pairs_now, "pair"),
        count(found.pairs_parted),
        count(found.pairs_joined)
    ));
    text.push_str(&format!(
        "{} of {} records would get another id ({}): {} ids merged, {} split\n",
        count(found.renamed_records),
        count(found.known_records),
        share(found.renamed_records, found.known_records),
        count(found.merged_ids),
        count(found.split_ids)
    ));
    text.push_str(&match file {
        Some(file) => format!(
            "{} written: `model: {}` in the match step makes builds use it\n",
            file.display(),
            file.display()
        ),
        None => format!(
            "nothing is changed: `kilde build --retrain {}` trains it and uses it from then on\n",
            found.table
        ),
    });
    text
}

fn model(found: &ModelStory) -> String {
    let when = found.trained_at.as_deref().unwrap_or("at a time not known");
    let on = found.records.map_or(String::new(), |records| {
        format!(" on {}", plural(records as u64, "record"))
    });
    let mut text = format!(
        "{}, release {}: trained {when}{on}\n",
        styled(STRONG, &found.table),
        found.release
    );
    let prior = (found.prior, found.is_prior_pinned);
    text.push_str(&levels(&found.levels, prior, None));
    text.push_str(&format!(
        "{} weigh less for being common, {} say nothing of a person\n",
        plural(found.common_values as u64, "value"),
        count(found.shared_values as u64)
    ));
    text
}

/// The prior, with whether it is pinned, and every level in bits; beside another model where `now` is given.
fn levels(
    levels: &[LearntLevel],
    (prior, is_prior_pinned): (f64, bool),
    now: Option<Option<f64>>,
) -> String {
    let bits = |bits: f64| format!("{bits:+.2}");
    let beside = |weight: Option<f64>| match (now, weight) {
        (None, _) => String::new(),
        (Some(_), Some(weight)) => styled(FAINT, format!("now {}", bits(weight))),
        (Some(_), None) => styled(FAINT, "new"),
    };
    let share = |share: f64| format!("{share:.3e}");
    let pinned = |words: &[&str]| match words {
        [] => String::new(),
        words => styled(FAINT, format!("pinned: {}", words.join(", "))),
    };
    let mut columns = Columns::new([Left, Right, Right, Right, Right, Left]);
    let heads = ["", "one person", "strangers", "bits", "", ""];
    columns.row(heads.map(String::from).to_vec());
    columns.row(vec![
        "two random records".to_string(),
        share(prior),
        String::new(),
        bits(prior.log2()),
        beside(now.flatten().map(f64::log2)),
        if is_prior_pinned {
            pinned(&["probability_two_random_records_match"])
        } else {
            String::new()
        },
    ]);
    for level in levels {
        columns.row(vec![
            format!("{} {}", level.comparison, level.level),
            share(level.same),
            share(level.stranger),
            bits(level.weight),
            beside(level.weight_now),
            pinned(&level.pinned),
        ]);
    }
    columns.render("  ")
}
