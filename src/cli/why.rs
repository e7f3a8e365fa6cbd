//! `kilde why TABLE`, `kilde why RECORD RECORD`, `kilde why ENTITY`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;

use super::format::Align::{Left, Right};
use super::format::{self, Columns};
use super::options::{Options, SelectionOptions, as_of};
use super::style::{self, DOUBT, GOOD, STRONG, styled};
use super::{page, why_match, why_page};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::plan::{Action, Reason};
use crate::project::Project;
use crate::run::{Runner, Why as Explained};

#[derive(Debug, Args)]
pub(super) struct Why {
    /// A table, short where unique (gold.customers), an id that a match issued (c_…), or a record (crm:10442)
    #[arg(value_name = "TABLE|ID|RECORD")]
    asked: String,
    /// Another record: why the two are one person, or two
    #[arg(value_name = "RECORD")]
    other: Option<String>,
    /// The match step of the records or the id, by its table [default: the only one]
    #[arg(long = "match", value_name = "TABLE")]
    matching: Option<String>,
    /// Print all that is known of two records or an id as JSON
    #[arg(long)]
    json: bool,
    /// Write a page with the evidence of two records, or the joins of an id, as a picture
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// Date or time the tables speak of (`$as_of`) [default: the midnight that began today]
    #[arg(long, env = "KILDE_AS_OF", value_name = "TIME")]
    as_of: Option<String>,
}

impl Why {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let is_of_person = self.other.is_some() || why_match::is_id(&self.asked);
        if is_of_person && project.matches.is_empty() {
            return Err(no_match(&self.asked));
        }
        if is_of_person {
            let as_of = as_of(self.as_of.as_deref(), &runner)?;
            return self.who_is_who(options, &project, &runner, as_of).await;
        }
        let table = match project.table(&self.asked) {
            Err(_) if !project.matches.is_empty() && why_match::is_of_person(&self.asked) => {
                let as_of = as_of(self.as_of.as_deref(), &runner)?;
                return self.who_is_who(options, &project, &runner, as_of).await;
            }
            Err(_) if why_match::is_of_person(&self.asked) => return Err(no_match(&self.asked)),
            found => found?,
        };
        if self.html.is_some() || self.json {
            return Err(Error::config("why a table is stale is told as text only")
                .help("`--html` and `--json` are for two records, or an id: `kilde why crm:10442 web:88213`"));
        }
        let selection = SelectionOptions {
            select: Vec::new(),
            exclude: Vec::new(),
            full_refresh: false,
            retrain: Vec::new(),
            verify_exports: false,
            as_of: self.as_of,
        };
        let request = selection.request(&runner)?;
        let why = runner.why(&table, &request).await?;
        style::out(&render(&why, &project));
        Ok(ExitCode::SUCCESS)
    }
}

impl Why {
    async fn who_is_who(
        &self,
        options: &Options,
        project: &Project,
        runner: &Runner,
        as_of: DateTime<Utc>,
    ) -> Result<ExitCode> {
        let table = self.matching.as_deref().map(|name| project.table(name));
        let table = table.transpose()?;
        let table = table.as_ref();
        let text = match &self.other {
            Some(other) => {
                let story = runner.why_pair(table, (&self.asked, other), as_of).await?;
                match &self.html {
                    Some(file) => {
                        page::write(file, &why_page::pair_page(&story))?;
                        format!("{} written\n", file.display())
                    }
                    None if self.json => json(&story)?,
                    None => why_match::pair_text(&story),
                }
            }
            None => {
                let story = runner.why_entity(table, &self.asked, as_of).await?;
                let story = story.ok_or_else(|| {
                    Error::config(match why_match::is_id(&self.asked) {
                        true => format!("no record has, or ever had, the id `{}`", self.asked),
                        // what was typed may be an address: it is not repeated
                        false => "no id or record goes by that name".to_string(),
                    })
                })?;
                match &self.html {
                    Some(file) => {
                        page::write(file, &why_page::entity_page(&story))?;
                        format!("{} written\n", file.display())
                    }
                    None if self.json => json(&story)?,
                    None => why_match::entity_text(&story),
                }
            }
        };
        if self.html.is_none() || !options.quiet {
            style::out(&text);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// An id or a record, where SQL alone says who is who.
fn no_match(asked: &str) -> Error {
    Error::config("no match step of this project weighs records, so that nothing could tell why they are one person or two")
        .help(format!(
            "`kilde customer {asked}` shows whose it is, with every record behind them; `- match:` finds out who is who by evidence (docs/identity.md)"
        ))
}

fn json(story: &impl serde::Serialize) -> Result<String> {
    format::json(story)
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
        let mut columns = Columns::new([Left, Left, Right, Left]);
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
