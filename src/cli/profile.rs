//! `kilde profile PATH|TABLE`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use futures::StreamExt;

use super::format::Align::{Left, Right};
use super::format::{self, Columns, bytes, count, plural, share};
use super::options::Options;
use super::page;
use super::style::{self, DOUBT, FAINT, STRONG, styled};
use super::{overview_page, profile_page};
use crate::catalog::View;
use crate::error::{Error, Result};
use crate::profile::{ColumnProfile, Found, LoadGuess, TableLook, TableProfile};
use crate::run::Overview;

/// Characters of a name or of what stands in a column.
const MOST_CHARACTERS: usize = 44;

#[derive(Debug, Args)]
pub(super) struct Profile {
    /// A file, a folder of files, or a table of the newest release: gold.customers; nothing: the project as a whole
    what: Option<PathBuf>,
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
    /// Write a page for people to a file
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
}

impl Profile {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let Some(what) = &self.what else {
            return self.whole_project(options).await;
        };
        let found = match what.exists() {
            true => crate::profile::find(what).await?,
            false => table(what, options).await?,
        };
        if let Some(file) = &self.html {
            let title = what.display().to_string();
            page::write(file, &profile_page::render(&title, &found))?;
            if !options.quiet {
                style::out(&format!("{} written\n", file.display()));
            }
        } else if self.json {
            style::out(&format::json(&found)?);
        } else {
            style::out(&render(&found));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Profile {
    /// What the project knows of its customers.
    async fn whole_project(&self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let overview = runner.overview(&options.catalog(&project)?).await?;
        if let Some(file) = &self.html {
            page::write(file, &overview_page::render(&project.name, &overview))?;
            if !options.quiet {
                style::out(&format!("{} written\n", file.display()));
            }
        } else if self.json {
            style::out(&format::json(&overview)?);
        } else {
            style::out(&overview_text(&overview));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn overview_text(overview: &Overview) -> String {
    let mut lines = Columns::new([Left, Right, Left]);
    let mut line = |what: &str, number: u64, words: String| {
        lines.row(vec![what.to_string(), count(number), words]);
    };
    for source in &overview.sources {
        let rejected = match source.rejected {
            0 => String::new(),
            rejected => format!("{} rejected", count(rejected)),
        };
        line(&source.table, source.rows, rejected);
    }
    if let Some(people) = &overview.people {
        line(
            "people",
            people.people,
            format!("in {}", plural(people.records, "record")),
        );
        line(
            "without e-mail and phone",
            people.not_reached,
            share(people.not_reached, people.people),
        );
    }
    if let Some(purchases) = &overview.purchases {
        line("purchases", purchases.purchases, String::new());
    }
    if let Some(consents) = &overview.consents {
        line("answers about consent", consents.words, String::new());
    }
    let mut text = lines.render("  ");
    if overview.people.is_none() {
        text.push_str("no file was recognised as a list of people\n");
    }
    if overview.consents.is_none() {
        text.push_str("no file says who wants to be written to: no offer may be sent\n");
    }
    text.push_str("`--html FILE` writes this as a page\n");
    text
}

/// A table of the newest release.
async fn table(what: &Path, options: &Options) -> Result<Found> {
    let name = what.display().to_string();
    let project = match options.project() {
        Ok(project) => Arc::new(project),
        Err(error) if error.diagnostics().is_empty() => {
            return Err(
                Error::config(format!("there is no file, folder or table `{name}`"))
                    .help("name a path, or a table inside of a project"),
            );
        }
        Err(error) => return Err(error),
    };
    let table = project.table(&name)?;
    let catalog = options.catalog(&project)?;
    let release = catalog.release(None).await?;
    let entry = release.table(&table).ok_or_else(|| {
        Error::config(format!("`{table}` is in no release yet")).help("`kilde build` makes it")
    })?;
    let mut rows = catalog
        .rows(&format!("select * from {table}"), &View::Newest)
        .await?;
    let mut look = TableLook::new(&table.to_string(), &rows.schema());
    while let Some(batch) = rows.next().await {
        if !look.add(&batch?) {
            break;
        }
    }
    let contract = project.contracts.get(&table);
    Ok(Found {
        tables: vec![look.finish(
            entry.facts.rows,
            entry.facts.bytes,
            contract,
            project.golden_values(&table),
        )],
        joins: Vec::new(),
        skipped: Vec::new(),
    })
}

fn render(found: &Found) -> String {
    let mut text = String::new();
    for table in &found.tables {
        text.push_str(&head(table));
        text.push_str(&columns(table).render("    "));
        text.push('\n');
    }
    if !found.joins.is_empty() {
        text.push_str(&format!("{}\n", styled(STRONG, "joins that would fit")));
        let mut lines = Columns::new([Left, Left, Right]);
        for join in &found.joins {
            lines.row(vec![
                format!("{} · {}", join.table, join.column),
                format!("→ {} · {}", join.to_table, join.to_column),
                percent(join.share),
            ]);
        }
        text.push_str(&lines.render("    "));
        text.push('\n');
    }
    if !found.skipped.is_empty() {
        text.push_str(&format!("{}\n", styled(STRONG, "not looked at")));
        let mut lines = Columns::new([Left, Left]);
        for skipped in &found.skipped {
            lines.row(vec![skipped.path.clone(), skipped.why.clone()]);
        }
        text.push_str(&lines.render("    "));
        text.push('\n');
    }
    let rows = found.tables.iter().map(|table| table.rows).sum();
    let files = found
        .tables
        .iter()
        .map(|table| table.files.len() as u64)
        .sum();
    text.push_str(&format!(
        "{} in {} · {}\n",
        plural(found.tables.len() as u64, "table"),
        plural(files, "file"),
        plural(rows, "row"),
    ));
    text
}

fn head(table: &TableProfile) -> String {
    let size = table.files.iter().map(|file| file.size).sum();
    let mut head = format!(
        "{}  {}",
        styled(STRONG, &table.name),
        [
            plural(table.files.len() as u64, "file"),
            bytes(size),
            plural(table.rows, "row"),
        ]
        .join(" · ")
    );
    if table.broken > 0 {
        let broken = plural(table.broken, "line");
        head.push_str(&format!(
            " · {}",
            styled(DOUBT, format!("{broken} without a record"))
        ));
    }
    head.push('\n');
    if !table.is_whole {
        let warning = "only the beginning was looked at: figures are of that";
        head.push_str(&format!("  {}\n", styled(DOUBT, warning)));
    }
    if !table.read.is_empty() {
        head.push_str(&format!("  read  {}\n", table.read));
    }
    let sure = table.confidence.iter();
    let sure: Vec<String> = sure
        .map(|guess| format!("{} {}", guess.what, percent(guess.share)))
        .collect();
    if !sure.is_empty() {
        head.push_str(&format!("  sure  {}\n", sure.join(" · ")));
    }
    let key = match table.key.is_empty() {
        true => "no column names a row".to_string(),
        false => table.key.join(", "),
    };
    head.push_str(&format!("  key   {key}{}\n", next_file(table)));
    for (column, files) in &table.partial {
        let note = format!("`{column}` is only in {files} of {}", table.files.len());
        head.push_str(&format!("  {}\n", styled(DOUBT, note)));
    }
    for note in &table.notes {
        head.push_str(&format!("  {}\n", styled(DOUBT, note)));
    }
    head
}

/// What the next file means, where there are several.
pub(super) fn next_file(table: &TableProfile) -> &'static str {
    match table.load {
        _ if table.files.len() < 2 => "",
        LoadGuess::Append => " · each file adds rows",
        LoadGuess::Replace => " · each file replaces the one before",
        LoadGuess::Changes => " · each file brings what changed",
    }
}

fn columns(table: &TableProfile) -> Columns {
    let mut columns = Columns::new([Left, Left, Right, Right, Left, Left]);
    let heads = [
        "column",
        "type",
        "filled",
        "different",
        "personal",
        "what stands there",
    ];
    columns.row(heads.iter().map(|head| styled(FAINT, head)).collect());
    for column in &table.columns {
        columns.row(vec![
            format::cut(&column.name, MOST_CHARACTERS),
            format::cut(&column.data_type.to_string(), MOST_CHARACTERS),
            share(column.filled(), column.rows).replace("100 %", "all"),
            different(column),
            match column.personal {
                Some(meaning) => format!(
                    "{} {}",
                    meaning.name(),
                    styled(FAINT, percent(column.personal_confidence))
                ),
                None => String::new(),
            },
            with_doubt(format::cut(&figures(column), MOST_CHARACTERS), column),
        ]);
    }
    columns
}

/// `1,204`, `about 130,000`; nothing of lists and structs.
pub(super) fn different(column: &ColumnProfile) -> String {
    match column.is_distinct_exact {
        _ if column.is_nested() => String::new(),
        true => count(column.distinct),
        false => format!("about {}", count(column.distinct)),
    }
}

/// What stands in a column, in a few words, and what a person should look at.
pub(super) fn contents(column: &ColumnProfile) -> String {
    with_doubt(figures(column), column)
}

fn with_doubt(figures: String, column: &ColumnProfile) -> String {
    match &column.doubt {
        Some(doubt) if figures.is_empty() => doubt.clone(),
        Some(doubt) => format!("{figures} · {doubt}"),
        None => figures,
    }
}

/// Of personal columns only how they are written.
fn figures(column: &ColumnProfile) -> String {
    let mut parts = Vec::new();
    if let (Some(least), Some(most)) = (&column.least, &column.most) {
        parts.push(format!("{least} – {most}"));
    } else if column.personal.is_some() || column.top_values.is_empty() {
        if column.is_unique && column.rows > 1 {
            parts.push("each different".to_string());
        }
        let form = column.forms.first().filter(|form| form.value.len() <= 24);
        match form {
            Some(form) => parts.push(format!("written {}", form.value)),
            None if column.longest == 0 => {}
            None if column.longest == column.shortest => {
                parts.push(format!("{} characters", column.longest));
            }
            None => parts.push(format!(
                "{} to {} characters",
                column.shortest, column.longest
            )),
        }
    } else {
        let top = column.top_values.iter().take(3);
        let top: Vec<String> = top
            .map(|top| format!("{} {}", top.value, share(top.count, column.filled())))
            .collect();
        parts.push(top.join(", "));
    }
    if column.misfits > 0 {
        parts.insert(0, plural_misfits(column.misfits));
    }
    parts.join(" · ")
}

fn plural_misfits(misfits: u64) -> String {
    format!("{} of another kind", plural(misfits, "value"))
}

/// `97 %`; never `100 %` of what is not sure.
pub(super) fn percent(share: f64) -> String {
    let share = share.clamp(0.0, 1.0) * 100.0;
    match share {
        100.0 => "100 %".to_string(),
        share => format!("{:.0} %", share.floor()),
    }
}
