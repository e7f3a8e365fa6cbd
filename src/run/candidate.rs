//! From a plan and its rows to a table as the release would hold it.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};

use super::execute::Execution;
use crate::catalog::Content;
use crate::engine::{self, FileSet};
use crate::error::Result;
use crate::lake::{Layout, TableDefinition, TableIdentity, WriteSpec, Written};
use crate::name::TableName;
use crate::plan::TablePlan;
use crate::project::Contract;

impl Execution {
    pub(super) fn contract(&self, table: &TableName) -> Option<&Contract> {
        self.runner.project.contracts.get(table)
    }

    /// How a table's rows are written.
    pub(super) fn write_spec(
        &self,
        plan: &TablePlan,
        layout: Layout,
        attempt: u32,
    ) -> Result<WriteSpec> {
        let contract = self.contract(&plan.table);
        let key = contract.map(|c| c.key_names().into_iter().map(str::to_string).collect());
        let partition_by = contract.map(|c| {
            c.partition_by
                .iter()
                .map(|column| column.value.clone())
                .collect()
        });
        Ok(WriteSpec {
            store: engine::lake_url()?,
            folder: self.catalog.lake().store().folder(),
            location: plan.table.location(),
            schema: plan.schema.clone(),
            key: key.unwrap_or_default(),
            partition_by: partition_by.unwrap_or_default(),
            layout,
            claim: self.claim,
            run: self.run.clone(),
            attempt,
            personal: personal_columns(contract, &plan.schema),
            statistics_columns: statistics_columns(contract, &plan.schema),
            counters: Vec::new(),
            written_at: self.runner.clock.now(),
        })
    }

    /// Protocol and metadata of a table: the identity of the published one, else a new one.
    pub(super) fn definition(
        &self,
        plan: &TablePlan,
        published: Option<&Content>,
        schema: &Schema,
    ) -> Result<String> {
        let contract = self.contract(&plan.table);
        let identity = match published {
            Some(content) => TableIdentity::of(&content.definition)?,
            None => self.new_identity(),
        };
        let comments: BTreeMap<&str, &str> = contract
            .iter()
            .flat_map(|contract| contract.stored_columns())
            .filter_map(|column| Some((column.name.value.as_str(), column.description.as_deref()?)))
            .collect();
        let partition_by: Vec<String> = contract
            .map(|c| {
                c.partition_by
                    .iter()
                    .map(|column| column.value.clone())
                    .collect()
            })
            .unwrap_or_default();
        TableDefinition {
            identity,
            table: &plan.table,
            description: contract.and_then(|contract| contract.description.as_deref()),
            schema,
            comments,
            partition_by: &partition_by,
            statistics_columns: statistics_columns(contract, schema),
            retention_days: self.runner.project.keep.days(),
        }
        .lines()
    }

    pub(super) fn new_identity(&self) -> TableIdentity {
        let clock = &self.runner.clock;
        let (high, low) = (clock.nonce(), clock.nonce());
        // version 8 of RFC 9562: all bits but version and variant are the maker's
        let id = format!(
            "{:08x}-{:04x}-8{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff,
        );
        TableIdentity {
            id,
            created_at: clock.now(),
        }
    }

    /// What was written, as a table of these files and no others.
    pub(super) fn candidate(
        &self,
        plan: &TablePlan,
        published: Option<&Content>,
        written: &Written,
    ) -> Result<Content> {
        let definition = self.definition(plan, published, &plan.schema)?;
        let partition_columns = self.contract(&plan.table).map(|c| {
            c.partition_by
                .iter()
                .map(|column| column.value.clone())
                .collect()
        });
        Ok(Content {
            name: plan.table.clone(),
            location: plan.table.location(),
            table_id: TableIdentity::of(&definition)?.id,
            version: None,
            files: written
                .files
                .iter()
                .map(|file| (file.live.path.clone(), file.live.clone()))
                .collect(),
            definition,
            rows: written.rows,
            digest: written.digest.to_string(),
            file_set: FileSet {
                location: plan.table.location(),
                schema: plan.schema.clone(),
                partition_columns: partition_columns.unwrap_or_default(),
                files: written.files.iter().map(|file| file.data.clone()).collect(),
            },
        })
    }
}

/// Columns of which no value may stand in a log.
pub(super) fn personal_columns(
    contract: Option<&Contract>,
    schema: &SchemaRef,
) -> BTreeSet<String> {
    match contract {
        Some(contract) if !contract.columns.is_empty() => contract
            .stored_columns()
            .filter(|column| column.personal.is_some())
            .map(|column| column.name.value.clone())
            .collect(),
        // nobody said which columns are personal: none of the texts may stand in a log
        _ => schema
            .fields()
            .iter()
            .filter(|field| is_text(field.data_type()))
            .map(|field| field.name().clone())
            .collect(),
    }
}

/// Keys, dates, times and whole numbers that say nothing of a person: what readers skip files by.
pub(super) fn statistics_columns(contract: Option<&Contract>, schema: &Schema) -> Vec<String> {
    let is_key = |name: &str| contract.is_some_and(|c| c.key_names().contains(&name));
    let is_personal = |name: &str| {
        contract
            .and_then(|c| c.column(name))
            .is_some_and(|column| column.personal.is_some())
    };
    let is_partition = |name: &str| {
        contract.is_some_and(|c| c.partition_by.iter().any(|column| column.value == name))
    };
    schema
        .fields()
        .iter()
        .filter(|field| {
            let name = field.name().as_str();
            let useful = match field.data_type() {
                DataType::Int32
                | DataType::Int64
                | DataType::Date32
                | DataType::Timestamp(_, _) => true,
                text if is_text(text) => is_key(name),
                _ => false,
            };
            useful && !is_personal(name) && !is_partition(name) && !name.starts_with("_kilde_")
        })
        .map(|field| field.name().clone())
        .collect()
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
    )
}
