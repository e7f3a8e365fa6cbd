//! `kilde contract TABLE`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::options::Options;
use super::style;
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct Contract {
    /// The step or seed, short where unique: gold.customers; of a source, the columns that its exports brought
    table: String,
    /// Write schemas/<schema>/<table>.yaml, or add to it the columns that it lacks; nothing in it is overwritten
    #[arg(short, long)]
    write: bool,
}

impl Contract {
    pub(super) async fn run(&self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.draft_project()?);
        let table = project.table(&self.table)?;
        let runner = options.runner(&project)?;
        let draft = runner.draft_contract(&table).await?;
        let path = format!("schemas/{}.yaml", table.location());
        let existing = project.contracts.get(&table).map(|contract| &contract.file);
        // what a step says of its own table is no file to add to
        let existing = existing.filter(|file| file.path == path);
        let text = match existing {
            None => Some(draft.text()),
            Some(file) => draft.added_to(&file.text, &path)?,
        };
        let Some(text) = text else {
            style::note(&format!("{path} has every column already\n"));
            return Ok(ExitCode::SUCCESS);
        };
        if !self.write {
            style::out(&text);
            return Ok(ExitCode::SUCCESS);
        }
        write(&project.root.join(&path), &text)?;
        if !options.quiet {
            let what = match existing {
                None => "written: say what one row is (`grain`), and what the columns mean",
                Some(_) => "has the columns that it lacked",
            };
            style::out(&format!("{path} {what}\n"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Whole or not at all: the file may hold what people wrote.
fn write(path: &std::path::Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let part = path.with_extension("yaml.part");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&part, text))
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|error| {
            Error::config("the contract cannot be written")
                .at(path.display().to_string())
                .caused_by(error)
        })
}
