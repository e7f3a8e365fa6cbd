//! Tables whose folder, log or files are lost, made anew: to the plan they were never published, and what the release carries
//! of them is replaced.
//!
//! SQL makes again what it made, and a source what its exports still bring. Ids, consents, decisions and kilde's own history
//! come from nowhere else: those a person has to give up by name.

use std::collections::BTreeSet;

use super::BuildRequest;
use crate::catalog::Catalog;
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::plan::{Action, Plan};
use crate::project::Project;
use crate::release::{RollbackClass, TableEntry};

impl BuildRequest {
    /// Tables that are made as if they had never been published: those asked for and, where nobody knows any more which
    /// exports were read, all that are made of exports.
    pub(super) fn anew(&self, project: &Project) -> BTreeSet<TableName> {
        let mut anew = self.rebuild.clone();
        if self.gives_up_ledger() {
            anew.extend(project.sources.keys().cloned());
        }
        anew
    }

    /// Whether nobody knows any more which exports were read.
    pub(super) fn gives_up_ledger(&self) -> bool {
        let mut tables = self.rebuild.iter();
        tables.any(|table| table.is_own() && table.name() == "files")
    }

    /// # Errors
    /// `Config` K0725 where nothing of a table is lost, K0724 where it holds what no build can make again and nobody gives that
    /// up; `Corrupt` K0726 where what is left of its log cannot be gone on from.
    pub(super) async fn refuse_vain_rebuilds(
        &self,
        project: &Project,
        catalog: &Catalog,
    ) -> Result<()> {
        if self.rebuild.is_empty() {
            return Ok(());
        }
        let newest = catalog.release(None).await?;
        for table in &self.rebuild {
            let Some(entry) = newest.table(table) else {
                return Err(not_lost(
                    format!("`{table}` is in no release: there is nothing to make anew"),
                    table,
                ));
            };
            let whole = catalog.lake().whole_at(&newest, table, entry).await?;
            if entry.version.is_none() || whole.is_some() {
                return Err(not_lost(format!("nothing of `{table}` is lost"), table));
            }
            if let Some(lost) = lost_for_ever(project, table, entry)
                && !self.accept.contains(table)
            {
                return Err(Error::config(format!(
                    "`{table}` holds what no build can make again: {lost}"
                ))
                .code(Code(724))
                .at(entry.location.as_str())
                .help(format!(
                    "restore the folder from a copy of the lake; to go on without: `{}`",
                    self.once_more(&[table])
                )));
            }
            catalog.lake().check_remains(table, &entry.location).await?;
        }
        Ok(())
    }

    /// # Errors
    /// `Config` K0725 for a table that is to be made anew and is not selected.
    pub(super) fn refuse_unselected_rebuilds(&self, plan: &Plan) -> Result<()> {
        let is_left_out = |table: &&TableName| {
            let planned = plan.tables.get(*table);
            planned.is_some_and(|planned| planned.action == Action::NotSelected)
        };
        match self.rebuild.iter().find(is_left_out) {
            None => Ok(()),
            Some(table) => Err(Error::config(format!(
                "`{table}` is to be made anew and is not selected"
            ))
            .code(Code(725))
            .help("leave `--select` and `--exclude` away, or let them find it")),
        }
    }
}

/// What is lost with a table beyond what exports and SQL say; `None`: nothing.
fn lost_for_ever(project: &Project, table: &TableName, entry: &TableEntry) -> Option<&'static str> {
    match table.name() {
        "files" if table.is_own() => Some(
            "which exports were read. All that lie in `raw` are read again, and the rows of those that do not are gone",
        ),
        "rejects" if table.is_own() => {
            Some("the rejected records of exports that are not read again")
        }
        _ if table.is_own() => Some("the history of all but the last runs"),
        _ if project
            .match_of(table)
            .is_some_and(|(_, part)| part.is_kept()) =>
        {
            Some(
                "the ids that were given, and what was merged and split. People may get other ids than they had",
            )
        }
        _ if entry.facts.rollback == RollbackClass::Keeps => {
            Some("what never goes back (`rollback: keeps`), as ids, consents and decisions")
        }
        _ => None,
    }
}

fn not_lost(message: String, table: &TableName) -> Error {
    Error::config(message)
        .code(Code(725))
        .help(match table.is_own() {
            true => "build without `--rebuild`".to_string(),
            false => format!("`kilde build --full-refresh -s {table}` computes it once more"),
        })
}
