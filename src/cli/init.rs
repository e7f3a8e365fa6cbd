//! `kilde init [FOLDER]`, and `kilde init --from FOLDER [FOLDER]`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::Datelike;
use clap::Args;

use super::format::Align::{Left, Right};
use super::options::Options;
use super::style::{self, BAD, DOUBT, STRONG, styled};
use super::{Scaffold, format};
use crate::clock::{Clock, SystemClock};
use crate::diagnostic::{Code, printable};
use crate::error::{Error, Result};
use crate::profile::{Decision, Draft, is_delta_table, write_file};

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Folder of the new project; it must be new or empty
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Begin with a folder of files that nobody described: a project over them, with what was guessed marked
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
}

/// What kilde writes beside a project and nobody should commit.
const GITIGNORE: &[u8] = b"/lake\n/.kilde\n";

impl Init {
    /// Whether files are to be looked into.
    pub(super) fn looks_at_files(&self) -> bool {
        self.from.is_some()
    }

    pub(super) fn run(&self, quiet: bool, scaffold: Scaffold) -> Result<ExitCode> {
        refuse_what_is_there(&self.folder, None, "kilde init shop")?;
        let mut files = scaffold();
        files.push((".gitignore".to_string(), GITIGNORE));
        for (path, bytes) in &files {
            write_file(&self.folder.join(path), bytes)?;
        }
        if !quiet {
            style::out(&what_next(&self.folder, files.len()));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// A project over the files of `--from`.
    pub(super) async fn run_from(self, options: &Options) -> Result<ExitCode> {
        let Some(from) = &self.from else {
            return Err(Error::internal("a draft without files"));
        };
        if !from.is_dir() {
            return Err(Error::config(format!("`{}` is no folder", from.display()))
                .code(Code(480))
                .help("name the folder in which the files lie: `kilde init --from exports shop`"));
        }
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| {
                Error::config(format!("`{}` is no folder", path.display())).caused_by(error)
            })
        };
        let from = dunce::canonicalize(from).map_err(|error| {
            Error::config(format!("`{}` cannot be read", from.display())).caused_by(error)
        })?;
        if is_delta_table(&from) {
            let message = format!(
                "`{}` is a Delta table, and no folder of them",
                from.display()
            );
            return Err(Error::config(message)
                .code(Code(480))
                .help("name the folder in which it lies"));
        }
        let root = absolute(&self.folder)?;
        let root = dunce::canonicalize(&root).unwrap_or(root);
        if root.starts_with(&from) {
            return Err(
                Error::config("the new project would lie among the files that it reads")
                    .code(Code(481))
                    .help("name a folder beside them: `kilde init --from exports shop`"),
            );
        }
        let named = self.from.as_deref().unwrap_or(&from).display();
        let instead = format!("kilde init --from {named} shop");
        refuse_what_is_there(&root, from.strip_prefix(&root).ok(), &instead)?;
        let found = crate::profile::find(&from).await?;
        if found.tables.is_empty() {
            let seen = found.skipped.iter().take(3);
            let seen: Vec<String> = seen
                .map(|file| format!("{}: {}", file.path, file.why))
                .collect();
            let help = match seen.is_empty() {
                true => "CSV, JSON, Excel, Avro, Parquet and Delta tables are read, packed by gzip, zstd, bzip2 or ZIP or not"
                    .to_string(),
                false => seen.join("; "),
            };
            return Err(Error::config("no file of the folder is a table")
                .code(Code(482))
                .at(from.display().to_string())
                .help(help));
        }
        let raw = match from.strip_prefix(&root) {
            Ok(below) => format!("{}/", below.display()),
            Err(_) => from.display().to_string(),
        };
        let name = |path: &Path| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let year = SystemClock.now().year();
        let raw = raw.replace('\\', "/");
        let mut draft = Draft::new(&found, &name(&root), &raw, &name(&from), year);
        let files = draft.settle(&root).await?;
        if !options.quiet {
            style::out(&what_was_found(&draft, &self.folder, files));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `but`: a folder below it that may be there. `instead`: the command that would do.
fn refuse_what_is_there(folder: &Path, but: Option<&Path>, instead: &str) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        if folder.exists() {
            return Err(
                Error::config(format!("`{}` is no folder", folder.display()))
                    .help(format!("name a new folder: `{instead}`")),
            );
        }
        return Ok(());
    };
    let first = but.and_then(|but| but.iter().next());
    let is_other = |entry: &std::io::Result<std::fs::DirEntry>| {
        let name = entry.as_ref().ok().map(std::fs::DirEntry::file_name);
        first.is_none() || name.as_deref() != first
    };
    let mut others = entries.filter(is_other);
    match others.next() {
        None => Ok(()),
        Some(_) => Err(
            Error::config(format!("`{}` is not empty", folder.display())).help(format!(
                "nothing is overwritten: name a new folder, `{instead}`"
            )),
        ),
    }
}

fn enter(folder: &Path) -> String {
    match folder == Path::new(".") {
        true => String::new(),
        false => format!("cd {} && ", folder.display()),
    }
}

/// A text as shells take it for one argument.
fn argument(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-/+=:@".contains(c);
    match text.chars().all(is_plain) {
        true => text.to_string(),
        false => format!("'{}'", printable(text).replace('\'', "'\\''")),
    }
}

fn what_next(folder: &Path, files: usize) -> String {
    let place = folder.display();
    let enter = enter(folder);
    format!(
        "{}: {} in {place}, the sample of an invented Nordic retailer\n\
         next: {enter}kilde build --as-of 2026-01-08     (the day after its last exports; without it, today)\n      \
         kilde ls -s +gold.customers\n      \
         kilde query \"select segment, count(*) from gold.segments group by segment\"\n",
        styled(STRONG, "A new project"),
        format::plural(files as u64, "file"),
    )
}

fn what_was_found(draft: &Draft, folder: &Path, files: usize) -> String {
    let mut text = String::new();
    let mut lines = format::Columns::new([Left, Right, Right, Left]);
    for source in &draft.sources {
        let rejected = match source.rejected {
            0 => String::new(),
            rejected if rejected == source.records => styled(
                BAD,
                "! every one will be rejected: see its `read` in pipelines/exports.yaml",
            ),
            rejected => styled(
                DOUBT,
                format!("{} will be rejected", format::count(rejected)),
            ),
        };
        lines.row(vec![
            source.table.clone(),
            format::plural(source.profile.files.len() as u64, "file"),
            format::plural(source.records, "row"),
            rejected,
        ]);
    }
    text.push_str(&lines.render("  "));
    for source in &draft.sources {
        for note in &source.profile.notes {
            let note = format::cut(note, 160);
            text.push_str(&format!(
                "  {} {}: {note}\n",
                styled(DOUBT, "noted"),
                source.table
            ));
        }
    }
    for (what, why) in &draft.left_out {
        let (what, why) = (printable(what), format::cut(why, 160));
        text.push_str(&format!("  {} {what}: {why}\n", styled(DOUBT, "left out")));
    }
    for line in draft.recognised() {
        text.push_str(&format!("{line}\n"));
    }
    let enter = enter(folder);
    let mut steps = String::new();
    let mut build = "kilde build".to_string();
    for decision in &draft.decisions {
        match decision {
            Decision::Skip(file) => steps.push_str(&format!(
                "kilde exports skip {} --why 'cannot be read'     (or deliver it again: nothing is built before)\n      ",
                argument(file)
            )),
            Decision::Accept { table, path, records, before } => {
                build.push_str(&format!(" --accept {table}"));
                text.push_str(&format!(
                    "  {} {table}: {} has {}, the file before it {}: nothing is built unless that is accepted\n",
                    styled(DOUBT, "noted"),
                    printable(path),
                    format::plural(*records, "record"),
                    format::count(*before)
                ));
            }
        }
    }
    text.push_str(&format!(
        "{}: {} in {}. What was guessed is marked in pipelines/exports.yaml and schemas/bronze\n\
         next: {enter}{steps}{build}\n      kilde profile --html what_we_have.html     (what is there, how many people, whom you cannot reach)\n",
        styled(STRONG, "A new project"),
        format::plural(files as u64, "file"),
        folder.display(),
    ));
    text
}
