//! The contract that a table's SQL proves: what `kilde contract` writes down.

use super::{Kind, Outline, PublishedTable, evolved_columns};
use crate::engine::KnownTables;
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::project::{
    ColumnType, Contract, ContractDraft, DraftedColumn, Load, Meaning, Project, TestKind,
};

/// Columns and types as the SQL yields them, and what it proves of them.
///
/// # Errors
/// `Config` for a source, for mistakes that hide what the SQL means, and for columns of types that no contract can name.
pub(crate) fn contract_draft(
    project: &Project,
    outline: &Outline,
    table: &TableName,
) -> Result<ContractDraft> {
    let outlined = outline.table(table)?;
    if outlined.kind == Kind::Source {
        return Err(no_draft(table));
    }
    let Some(schema) = outline.yielded(project, table) else {
        return Err(Error::from_diagnostics(outline.mistakes_of(table)));
    };
    let known = Contracts { project };
    let analysis = outlined.analysis.as_ref();
    let columns = schema.fields().iter().filter_map(|field| {
        let name = field.name();
        let origin = analysis.and_then(|analysis| analysis.origin_of(name));
        let origin = origin.and_then(|(table, column)| {
            let contract = project.contracts.get(&table)?;
            contract.column(&column)
        });
        Some(DraftedColumn {
            name: name.clone(),
            data_type: ColumnType::of_arrow(field.data_type())?,
            is_never_null: analysis.is_some_and(|a| a.is_never_null(name, &known)),
            personal: origin.and_then(|column| column.personal),
            description: origin.and_then(|column| column.description.clone()),
            from: None,
        })
    });
    Ok(ContractDraft {
        key: analysis.and_then(|a| a.key(&known)).unwrap_or_default(),
        columns: columns.collect(),
    })
}

/// The columns that exports brought to a published source and nobody declared, as they would be declared.
///
/// # Errors
/// `Config` where there are none: what exports mean is for people to say.
pub(crate) fn contract_draft_of_source(
    table: &TableName,
    published: Option<&PublishedTable>,
) -> Result<ContractDraft> {
    let came = published.map(evolved_columns).transpose()?;
    let columns: Vec<DraftedColumn> = came
        .unwrap_or_default()
        .into_iter()
        .map(|column| DraftedColumn {
            from: (column.header != column.name).then_some(column.header),
            name: column.name,
            data_type: ColumnType::Varchar,
            is_never_null: false,
            // nobody has said what it means
            personal: Some(Meaning::FreeText),
            description: None,
        })
        .collect();
    match columns.is_empty() {
        true => Err(no_draft(table)),
        false => Ok(ContractDraft {
            key: Vec::new(),
            columns,
        }),
    }
}

fn no_draft(table: &TableName) -> Error {
    Error::config(format!(
        "`{table}` is a source: what its exports mean is for people to say"
    ))
    .help(format!(
        "its contract is schemas/{}.yaml; `kilde contract` drafts those of steps and seeds, and adds to a source the columns that \
         its exports brought (`drift: {{added: evolve}}`)",
        table.location()
    ))
}

/// What the contracts of a project promise, and tests keep.
struct Contracts<'a> {
    project: &'a Project,
}

impl Contracts<'_> {
    /// The contract, and whether its key is tested.
    fn of(&self, table: &TableName) -> Option<(&Contract, bool)> {
        let source = self.project.sources.get(table);
        let is_tested = source.is_none_or(|source| source.load != Load::Append);
        Some((self.project.contracts.get(table)?, is_tested))
    }
}

impl KnownTables for Contracts<'_> {
    fn is_never_null(&self, table: &TableName, column: &str) -> bool {
        self.of(table).is_some_and(|(contract, is_tested)| {
            let tested = contract.tests.iter().filter(|test| test.judges_records());
            let mut tested = tested.filter(|test| {
                matches!(&test.kind, TestKind::NotNull { column: tested } if tested == column)
            });
            (is_tested && contract.key_names().contains(&column)) || tested.next().is_some()
        })
    }

    fn key(&self, table: &TableName) -> Vec<String> {
        match self.of(table) {
            Some((contract, true)) => {
                let names = contract.key_names().into_iter();
                names.map(str::to_string).collect()
            }
            _ => Vec::new(),
        }
    }
}
