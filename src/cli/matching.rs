//! `kilde match`, and in it `evaluate`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::format::Align::{Left, Right};
use super::format::{self, Columns, count, plural};
use super::match_model::{Model, Train};
use super::options::{Options, as_of};
use super::style::{self, STRONG, styled};
use super::{match_page, page};
use crate::error::Result;
use crate::run::{AgainstTruth, EstimateStory, JudgedByPeople, MatchEvaluation, RatesStory};

#[derive(Debug, Args)]
pub(super) struct Match {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a match step: against a truth, and by what the model and people say
    Evaluate(Evaluate),
    /// Train another model on the records of the newest release, and show what it would change; writes nothing to the lake
    Train(Train),
    /// Show the model that the newest release holds
    Model(Model),
}

#[derive(Debug, Args)]
struct Evaluate {
    /// The table of the ids, short where unique [default: that of the only match step]
    table: Option<String>,
    /// Who is behind records: a .csv or .parquet file with the columns of the record's key and one of the person
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
    /// Write a page: weights, levels, blocking rules, sizes
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
}

impl Match {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        match self.command {
            Command::Evaluate(evaluate) => evaluate.run(options).await,
            Command::Train(train) => train.run(options).await,
            Command::Model(model) => model.run(options).await,
        }
    }
}

impl Evaluate {
    async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let table = self.table.as_deref().map(|name| project.table(name));
        let table = table.transpose()?;
        let runner = options.runner(&project)?;
        let as_of = as_of(None, &runner)?;
        let truth = self.truth.as_deref();
        let found = runner.evaluate_match(table.as_ref(), truth, as_of).await?;
        if let Some(file) = &self.html {
            page::write(file, &match_page::render(&found, &project))?;
            if !options.quiet {
                style::out(&format!("{} written\n", file.display()));
            }
            return Ok(ExitCode::SUCCESS);
        }
        let text = match self.json {
            true => format::json(&found)?,
            false => render(&found),
        };
        style::out(&text);
        Ok(ExitCode::SUCCESS)
    }
}

fn render(found: &MatchEvaluation) -> String {
    let mut text = format!(
        "{}, release {}: {}, {} ids\n",
        styled(STRONG, &found.table),
        found.release,
        plural(found.records, "record"),
        count(found.entities)
    );
    if let Some(truth) = &found.truth {
        text.push_str(&of_truth(truth, found.same_from));
    }
    text.push_str(&format!(
        "the model believes: of the pairs from {} bits on {:.4} are of one person, and they are {:.4} of those compared\n",
        found.same_from, found.believed_precision, found.believed_recall
    ));
    text.push_str(&match &found.judged {
        Some(judged) => of_people(judged, found),
        None => format!(
            "nobody judged pairs drawn at random from every weight, so that is not measured: `kilde review {} --sample 100 --html FILE` draws them\n",
            found.table
        ),
    });
    text
}

fn of_people(judged: &JudgedByPeople, found: &MatchEvaluation) -> String {
    let cannot_say = match judged.cannot_say {
        0 => String::new(),
        pairs => format!(" (of {} more nobody can say it)", count(pairs)),
    };
    let mut text = format!(
        "people judged {} drawn at random{cannot_say}; with 95 % certainty, of the pairs from {} bits on:\n",
        plural(judged.answered, "pair"),
        found.review_from.min(found.same_from)
    );
    let mut columns = Columns::new([Left, Left, Left]);
    columns.row(["", "precision", "recall"].map(String::from).to_vec());
    for (from, precision, recall) in &judged.by_threshold {
        let mark = if *from == found.same_from {
            " (now)"
        } else {
            ""
        };
        columns.row(vec![
            format!("one person from {from} bits on{mark}"),
            interval(precision),
            interval(recall),
        ]);
    }
    text.push_str(&columns.render("  "));
    text
}

/// `0.981 (0.953 to 0.992)`.
pub(super) fn interval(estimate: &EstimateStory) -> String {
    format!(
        "{:.3} ({:.3} to {:.3})",
        estimate.value, estimate.low, estimate.high
    )
}

fn of_truth(truth: &AgainstTruth, same_from: f64) -> String {
    let mut text = format!(
        "truth: {} of {}",
        plural(truth.records, "record"),
        plural(truth.people, "person").replace("persons", "people")
    );
    if truth.unknown_records > 0 {
        text.push_str(&format!(
            ", and {} that the match does not know",
            count(truth.unknown_records)
        ));
    }
    if truth.without_person > 0 {
        text.push_str(&format!(
            "; {} without a person or a record are left out",
            plural(truth.without_person, "row")
        ));
    }
    text.push('\n');
    let mut columns = Columns::new([Left, Right, Right, Right]);
    let heads = ["", "precision", "recall", "F1"];
    columns.row(heads.map(String::from).to_vec());
    let mut line = |name: String, rates: &RatesStory| {
        let figures = [rates.precision, rates.recall, rates.f1];
        let mut cells = vec![name];
        cells.extend(figures.map(|figure| format!("{figure:.4}")));
        columns.row(cells);
    };
    line("pairs".to_string(), &truth.pairs);
    line("records (B³)".to_string(), &truth.b_cubed);
    for (source, rates) in &truth.by_source {
        line(format!("pairs with {source}"), rates);
    }
    for (threshold, rates) in &truth.by_threshold {
        let mark = if *threshold == same_from {
            " (now)"
        } else {
            ""
        };
        line(
            format!("compared pairs from {threshold} bits on{mark}"),
            rates,
        );
    }
    text.push_str(&columns.render("  "));
    text.push_str(&format!(
        "whole: {} of {} people are one id of their own · {} ids mix people · {} people have several ids\n",
        count(truth.exact),
        count(truth.people),
        count(truth.mixed),
        count(truth.torn)
    ));
    text
}
