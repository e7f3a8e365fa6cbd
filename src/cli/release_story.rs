//! `kilde releases show N`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format::Align::{Left, Right};
use super::format::{self, Columns};
use super::options::Options;
use super::style::{self, BAD, DOUBT, FAINT, GOOD, STRONG, styled};
use crate::error::Result;
use crate::name::ReleaseNumber;
use crate::project::Project;
use crate::run::ReleaseStory;

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Number of the release
    release: u64,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let story = runner.release_story(ReleaseNumber(self.release)).await?;
        if self.json {
            style::out(&format::json(&story)?);
        } else {
            style::out(&render(&story, &project));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn render(story: &ReleaseStory, project: &Project) -> String {
    let mut text = head(story, project);
    text.push_str(&moves(story));
    text.push_str(&changed(story));
    text.push_str(&sources(story));
    text.push_str(&tests(story));
    text.push_str(&troubles(story));
    text
}

fn head(story: &ReleaseStory, project: &Project) -> String {
    let as_of = format::as_of(&story.as_of, project.time_zone);
    let mut text = format!(
        "{}, published {} · as of {as_of} · {}",
        styled(STRONG, format_args!("release {}", story.release)),
        format::moment(story.published_at, project.time_zone),
        styled(FAINT, format_args!("run {}", story.run)),
    );
    if let Some(seconds) = story.seconds {
        text.push_str(&format!(" · {}", format::seconds(seconds)));
    }
    text.push('\n');
    if story.is_given_up {
        text.push_str(
            "it could not be finished and was given up: it holds what the one before held\n",
        );
    }
    if let Some(number) = story.rollback_of {
        text.push_str(&format!("a rollback: what release {number} held, again\n"));
    }
    text
}

fn moves(story: &ReleaseStory) -> String {
    let mut columns = Columns::new([Left, Right, Left]);
    for table in &story.moves {
        columns.row(vec![
            table.table.to_string(),
            format::relative(table.share),
            format!(
                "{} rows",
                format::before_and_after(table.rows_before, table.rows)
            ),
        ]);
    }
    section("moved most", &columns)
}

fn changed(story: &ReleaseStory) -> String {
    let compared = match story.previous {
        Some(previous) => format!(", compared with release {previous}"),
        None => String::new(),
    };
    let mut text = format!(
        "{}   {} of {}{compared}\n",
        styled(STRONG, "changed"),
        story.changed.len(),
        format::plural(story.tables, "table"),
    );
    let mut columns = Columns::new([Left, Left, Right, Left]);
    for table in &story.changed {
        columns.row(vec![
            table.table.to_string(),
            match (table.rows_before, table.rows) {
                (_, None) => "no longer in the project".to_string(),
                _ => format!(
                    "{} rows",
                    format::before_and_after(table.rows_before, table.rows)
                ),
            },
            format::relative(table.share),
            format::cut(table.reason.as_deref().unwrap_or_default(), 80),
        ]);
    }
    text.push_str(&columns.render("  "));
    text
}

fn sources(story: &ReleaseStory) -> String {
    if story.sources.is_empty() {
        return String::new();
    }
    let sum = |part: fn(&crate::run::ReadSource) -> u64| story.sources.iter().map(part).sum();
    let mut text = format!(
        "{}   {} read, {}, {} rejected\n",
        styled(STRONG, "exports"),
        format::count(sum(|source| source.exports)),
        format::plural(sum(|source| source.records), "record"),
        format::count(sum(|source| source.rejected)),
    );
    let mut columns = Columns::new([Left, Right, Right, Left]);
    for source in story.sources.iter().filter(|source| source.rejected > 0) {
        columns.row(vec![
            source.table.to_string(),
            format!(
                "{} of {} rejected",
                format::count(source.rejected),
                format::count(source.records)
            ),
            format::share(source.rejected, source.records),
            styled(
                FAINT,
                format_args!(
                    "kilde rejects {} --release {}",
                    source.table.name(),
                    story.release
                ),
            ),
        ]);
    }
    text.push_str(&columns.render("  "));
    text
}

fn tests(story: &ReleaseStory) -> String {
    let mut text = format!(
        "{}     {} passed, {} warned\n",
        styled(STRONG, "tests"),
        format::count(story.tests_passed),
        format::count(story.warned.len() as u64),
    );
    for test in &story.warned {
        text.push_str(&format!(
            "  {} {} {}: {} of {} rows   {}\n",
            styled(DOUBT, "!"),
            test.table,
            test.test,
            format::count(test.failures),
            format::count(test.rows),
            styled(
                FAINT,
                format_args!(
                    "kilde query --release {} \"{}\"",
                    story.release,
                    test.rows_sql.replace('"', "\\\"")
                )
            ),
        ));
    }
    text
}

fn troubles(story: &ReleaseStory) -> String {
    let mut text = String::new();
    for held in &story.held {
        text.push_str(&format!(
            "{} {}, since release {}: {}\n",
            styled(DOUBT, "held"),
            held.table,
            held.since,
            held.reason
        ));
    }
    for overruled in &story.overruled {
        text.push_str(&format!(
            "{} a foreign change: {overruled}\n",
            styled(DOUBT, "overruled")
        ));
    }
    for adopted in &story.adopted {
        text.push_str(&format!(
            "{} rows of another tool: {adopted}\n",
            styled(GOOD, "adopted")
        ));
    }
    for run in &story.failed_runs {
        text.push_str(&format!(
            "{} before it: run {}: {}\n",
            styled(BAD, "failed"),
            run.run,
            run.failure
        ));
    }
    text
}

fn section(title: &str, columns: &Columns) -> String {
    let rows = columns.render("  ");
    if rows.is_empty() {
        return rows;
    }
    format!("{}\n{rows}", styled(STRONG, title))
}
