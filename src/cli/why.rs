//! `kilde why TABLE`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format::{self, Columns};
use super::options::{Options, SelectionOptions};
use super::style::{self, DOUBT, GOOD, STRONG, styled};
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::name::TableName;
use crate::plan::{Action, Reason};
use crate::project::Project;
use crate::run::Why as Explained;

#[derive(Debug, Args)]
pub(super) struct Why {
    /// The table, short where unique: gold.customers
    table: String,
    /// Date or time the tables speak of (`$as_of`) [default: the midnight that began today]
    #[arg(long, env = "KILDE_AS_OF", value_name = "TIME")]
    as_of: Option<String>,
}

impl Why {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let table = project.table(&self.table)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let runner = options.runner(&project, &clock)?;
        let selection = SelectionOptions {
            select: Vec::new(),
            exclude: Vec::new(),
            full_refresh: false,
            verify_exports: false,
            as_of: self.as_of,
        };
        let request = selection.request(&project, clock.as_ref())?;
        let why = runner.why(&table, &request).await?;
        style::out(&render(&why, &project));
        Ok(ExitCode::SUCCESS)
    }
}

fn render(why: &Explained, project: &Project) -> String {
    let mut text = head(why);
    let own = why
        .table
        .reasons
        .iter()
        .filter(|reason| !is_passed_on(reason));
    for reason in own {
        text.push_str(&format!("  {reason}\n"));
    }
    for moved in &why.moved {
        let names: Vec<String> = moved.path.iter().map(TableName::to_string).collect();
        let reasons: Vec<String> = moved.reasons.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "  {}: {}\n",
            names.join(" → "),
            reasons.join(" · ")
        ));
    }
    if let Some(last) = &why.last {
        let when = last
            .published_at
            .map(|at| format::moment(at, project.time_zone));
        text.push_str(&format!(
            "last changed in release {}{}, {}{}\n",
            last.release,
            when.map(|when| format!(" ({when})")).unwrap_or_default(),
            format::plural(last.rows, "row"),
            match last.because.is_empty() {
                true => String::new(),
                false => format!(": {}", last.because.join(", ")),
            }
        ));
    }
    if !why.inputs.is_empty() {
        text.push_str("reads\n");
        let mut columns = Columns::new(&[false, false, true, false]);
        for input in &why.inputs {
            columns.row(vec![
                input.table.to_string(),
                state(&input.action).to_string(),
                input
                    .rows
                    .map(|rows| format::plural(rows, "row"))
                    .unwrap_or_default(),
                input
                    .written_in
                    .map(|release| format!("since release {release}"))
                    .unwrap_or_default(),
            ]);
        }
        text.push_str(&columns.render("  "));
    }
    text
}

/// A reason that only hands on what happened upstream.
fn is_passed_on(reason: &Reason) -> bool {
    matches!(reason, Reason::InputChanges { .. })
}

fn head(why: &Explained) -> String {
    let name = styled(STRONG, &why.table.table);
    match why.table.action {
        Action::Ingest { .. } | Action::Build => {
            format!(
                "{name} is {}: a build makes it again\n",
                styled(DOUBT, "stale")
            )
        }
        Action::Maybe => format!(
            "{name} {}: a build makes it again if the rows of an input do\n",
            styled(DOUBT, "may become stale")
        ),
        Action::Retest => format!("{name} is up to date; a build tests it again\n"),
        Action::Redescribe => format!("{name} is up to date; a build writes its new words\n"),
        Action::Unchanged | Action::NotSelected => {
            format!("{name} is {}\n", styled(GOOD, "up to date"))
        }
    }
}

fn state(action: &Action) -> &'static str {
    match action {
        Action::Ingest { .. } => "has exports to read",
        Action::Build => "stale",
        Action::Maybe => "may change",
        Action::Retest | Action::Redescribe | Action::Unchanged | Action::NotSelected => {
            "up to date"
        }
    }
}
