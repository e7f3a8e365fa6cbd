//! `kilde explain K0107`

use std::process::ExitCode;

use clap::Args;

use super::style;
use crate::diagnostic::explanation;
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The code, such as K0107; without one, all codes are listed
    code: Option<String>,
}

impl Explain {
    pub(super) fn run(&self) -> Result<ExitCode> {
        let Some(wanted) = &self.code else {
            for explanation in explanation::all() {
                style::out(&format!("{}  {}\n", explanation.code, explanation.title));
            }
            return Ok(ExitCode::SUCCESS);
        };
        let found = explanation::all()
            .find(|explanation| explanation.code.to_string().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| {
                Error::config(format!("`{wanted}` is not a code of kilde"))
                    .help("`kilde explain` lists them all")
            })?;
        style::out(&format!(
            "{}: {}\n\n{}\n",
            found.code,
            found.title,
            found.text.trim()
        ));
        Ok(ExitCode::SUCCESS)
    }
}
