//! `kilde releases`

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::format::Align::{Left, Right};
use super::format::{self, Columns};
use super::held;
use super::options::Options;
use super::style::{self, FAINT, styled};
use crate::error::Result;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Releases {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many, newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a release changed, held and warned of, compared with the one before it
    Show(super::release_story::Show),
}

impl Releases {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        if let Some(Command::Show(show)) = self.command {
            return show.run(options).await;
        }
        let project = Arc::new(options.project()?);
        let catalog = options.catalog(&project)?;
        let releases = catalog.lake().releases(self.limit).await?;
        let mut columns = Columns::new([Right, Left, Right, Right, Right, Left, Left]);
        for release in &releases {
            let count = |name: &str| release.counts.get(name).copied().unwrap_or(0);
            let mut notes = Vec::new();
            notes.extend(
                release
                    .rollback_of
                    .map(|number| format!("rollback to {number}")),
            );
            if release.is_given_up() {
                notes.push("could not be finished, given up".to_string());
            }
            if !release.held.is_empty() {
                let names: Vec<String> = release.held.keys().map(ToString::to_string).collect();
                notes.push(format!("{} {}", held::MARK, names.join(", ")));
            }
            columns.row(vec![
                release.number.to_string(),
                format::moment(release.published_at, project.time_zone),
                format!(
                    "{} of {} tables changed",
                    release.changed_of_project().count(),
                    release.tables_of_project().count()
                ),
                format::plural(count("exports"), "export"),
                format!("{} rejected", format::count(count("rejected"))),
                notes.join(" · "),
                styled(FAINT, &release.run),
            ]);
        }
        style::out(&columns.render(""));
        if releases.is_empty() {
            style::out("no release yet: `kilde build` publishes the first\n");
        }
        Ok(ExitCode::SUCCESS)
    }
}
