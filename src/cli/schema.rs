//! `kilde schema`

use std::process::ExitCode;

use clap::Args;

use super::style;
use crate::error::Result;

#[derive(Debug, Args)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(&self) -> Result<ExitCode> {
        style::out(&format!("{}\n", crate::project::json_schema()));
        Ok(ExitCode::SUCCESS)
    }
}
