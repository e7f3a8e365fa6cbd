//! `kilde init [FOLDER]`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::style::{self, STRONG, styled};
use super::{Scaffold, format};
use crate::diagnostic::Code;
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Folder of the new project; it must be new or empty
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Folder of raw files to begin with (not in this version)
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
}

/// What kilde writes beside a project and nobody should commit.
const GITIGNORE: &[u8] = b"/lake\n/.kilde\n";

impl Init {
    pub(super) fn run(&self, quiet: bool, scaffold: Scaffold) -> Result<ExitCode> {
        if self.from.is_some() {
            return Err(Error::config("`--from` is not in this version")
                .code(Code(190))
                .help("`kilde init FOLDER` writes the sample project: put your files among its exports"));
        }
        refuse_what_is_there(&self.folder)?;
        let mut files = scaffold();
        files.push((".gitignore".to_string(), GITIGNORE));
        for (path, bytes) in &files {
            write(&self.folder.join(path), bytes)?;
        }
        if !quiet {
            style::out(&what_next(&self.folder, files.len()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn refuse_what_is_there(folder: &Path) -> Result<()> {
    let Ok(mut entries) = std::fs::read_dir(folder) else {
        if folder.exists() {
            return Err(
                Error::config(format!("`{}` is no folder", folder.display()))
                    .help("name a new folder: `kilde init shop`"),
            );
        }
        return Ok(());
    };
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(
            Error::config(format!("`{}` is not empty", folder.display()))
                .help("nothing is overwritten: name a new folder, `kilde init shop`"),
        ),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|error| {
            Error::config("a file of the project cannot be written")
                .at(path.display().to_string())
                .caused_by(error)
        })
}

fn what_next(folder: &Path, files: usize) -> String {
    let place = folder.display();
    let enter = if folder == Path::new(".") {
        String::new()
    } else {
        format!("cd {place} && ")
    };
    format!(
        "{}: {} in {place}, the sample of an invented Nordic retailer\n\
         next: {enter}kilde build --as-of 2026-01-08     (the day after its last exports; without it, today)\n      \
         kilde ls -s +gold.customers\n      \
         kilde query \"select segment, count(*) from gold.segments group by segment\"\n",
        styled(STRONG, "A new project"),
        format::plural(files as u64, "file"),
    )
}
