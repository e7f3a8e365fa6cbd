//! `schemas/<schema>/<table>.yaml` as written.

use super::super::Spanned;
use super::declare::{choice, section, words};
use super::decode::{Anything, AtLeastOne, Items, Later, OneOrMany, Tried};
use super::later::RawIncremental;
use super::pipeline_file::RawOwner;
use super::scalar::ColumnName;
use super::test::{RawColumnTest, RawTableTest};
use super::unit_test::RawUnitTest;
use crate::name::TableName;
use crate::project::{ColumnType, Meaning, OnError, RollbackClass};

section! {
    /// `schemas/<schema>/<table>.yaml`: the contract of the table `<schema>.<table>`, its words and its settings.
    RawSchemaFile {
        /// What the table is.
        description: Option<String>,
        /// What one row is.
        grain: Option<String>,
        /// Columns that are not null and unique together, tested; on `append` sources it names the record and is not tested.
        key: OneOrMany<Spanned<ColumnName>>,
        /// Whose data a row is.
        subject: Option<RawSubject>,
        /// Purposes of the table, of those in kilde.yaml.
        purpose: OneOrMany<Spanned<String>>,
        /// How the result of SQL is kept. Default `table`.
        materialized: Option<Spanned<RawMaterialization>>,
        /// Columns whose values are folders.
        partition_by: OneOrMany<Spanned<ColumnName>>,
        /// What a rollback does: the table `follows`, or it `keeps` what it knows. Default `follows`.
        rollback: Option<RollbackClass>,
        /// What a failure of the step or of its tests does: `stop` the build, or `hold` the table at its last good version and
        /// build the rest. Default `stop`.
        on_error: Option<Spanned<OnError>>,
        /// The table's earlier name.
        renamed_from: Option<Later<Spanned<TableName>>>,
        /// Who answers for the table. Default: the pipeline's.
        owner: Option<RawOwner>,
        /// Words to select by.
        tags: OneOrMany<String>,
        /// Every column in published order; required for sources.
        columns: Items<Spanned<RawColumn>>,
        /// Tests of the table.
        data_tests: Items<Spanned<RawTableTest>>,
        /// The step, given rows and expected rows.
        unit_tests: Items<RawUnitTest>,
    }
}

section! {
    /// One column.
    RawColumn {
        /// Its name: lower-case letters, digits and `_`.
        name: Spanned<ColumnName>,
        /// `varchar boolean integer bigint double decimal(p,s) date timestamp list<…> struct<…>`.
        data_type: Tried<Spanned<ColumnType>>,
        /// What it says.
        description: Option<String>,
        /// What it says of a person: class, masks, hashing and matching follow from it.
        personal: Option<Meaning>,
        /// What an export calls it, or a path into it (`address.postalCode`); of several, the first that is there.
        /// Default: its own name.
        from: OneOrMany<Spanned<String>>,
        /// Other names that exports give it, earlier ones say: looked for where none of `from` (or its own name) is there. Adding
        /// one reads no export again.
        aliases: OneOrMany<Spanned<String>>,
        /// Purposes of the column. Default: the table's.
        purpose: OneOrMany<Spanned<String>>,
        /// Tests of the column.
        data_tests: Items<Spanned<RawColumnTest>>,
    }
}

choice! {
    /// Whose data a row is.
    RawSubject ("a subject") {
        /// The column of the customer's id.
        Customer("customer"): Spanned<ColumnName>,
        /// A record of a source system.
        Record("record"): RawRecordSubject,
        /// Columns by which the person is reached.
        Contact("contact"): AtLeastOne<Spanned<ColumnName>>,
    }
}

section! {
    /// A record of a source system.
    RawRecordSubject {
        /// The system.
        source: String,
        /// The column of the record's id in it.
        id: Spanned<ColumnName>,
    }
}

choice! {
    /// How the result of SQL is kept.
    RawMaterialization ("a materialization") {
        /// A published table that always equals its query.
        Table("table"): NoSettings,
        /// Never published; part of what reads it.
        Ephemeral("ephemeral"): NoSettings,
        /// A table that grows by what is new in one of its inputs.
        Incremental("incremental"): Later<RawIncremental>,
        /// A table that keeps its history.
        Snapshot("snapshot"): Later<Anything>,
    }
}

/// A choice that is its word alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoSettings;

impl super::decode::Decode for NoSettings {
    const BARE: bool = true;

    fn decode(node: &super::tree::Node, sink: &mut super::decode::Sink) -> Option<Self> {
        match &node.value {
            super::tree::Value::Map(entries) => {
                for entry in entries {
                    sink.unknown_key(&entry.key, &[]);
                }
                Some(Self)
            }
            _ => {
                sink.unexpected(node, "no setting");
                None
            }
        }
    }

    fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "object", "maxProperties": 0})
    }
}

words! {
    RollbackClass, "what a rollback does" {
        "follows" => RollbackClass::Follows,
        "keeps" => RollbackClass::Keeps,
    }
}

words! {
    Meaning, "a personal meaning" {
        "email" => Meaning::Email,
        "phone" => Meaning::Phone,
        "given_name" => Meaning::GivenName,
        "family_name" => Meaning::FamilyName,
        "name" => Meaning::Name,
        "birth_date" => Meaning::BirthDate,
        "national_id" => Meaning::NationalId,
        "address" => Meaning::Address,
        "postcode" => Meaning::Postcode,
        "customer_number" => Meaning::CustomerNumber,
        "cookie" => Meaning::Cookie,
        "ip" => Meaning::Ip,
        "behaviour" => Meaning::Behaviour,
        "free_text" => Meaning::FreeText,
        "special" => Meaning::Special,
    }
    also {
        "e-mail" => "email", "e_mail" => "email", "mail" => "email", "telephone" => "phone", "mobile" => "phone",
        "first_name" => "given_name", "last_name" => "family_name", "surname" => "family_name",
        "birthday" => "birth_date", "date_of_birth" => "birth_date", "dob" => "birth_date", "ssn" => "national_id",
        "personal_number" => "national_id", "street" => "address", "zip" => "postcode", "zip_code" => "postcode",
        "postal_code" => "postcode", "customer_id" => "customer_number", "id" => "customer_number",
        "ip_address" => "ip", "behavior" => "behaviour", "text" => "free_text", "comment" => "free_text",
        "health" => "special", "sensitive" => "special"
    }
}
