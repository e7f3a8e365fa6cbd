//! Schema files → [`Contract`]s, each held against itself and against the project's purposes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::raw::{
    ColumnName, Mistake, RawColumn, RawMaterialization, RawOwner, RawSchemaFile, RawSubject,
    listed, nearest_word,
};
use super::super::{
    Column, ColumnType, Contract, Materialization, Owner, RollbackClass, Spanned, Subject,
};
use super::data_test::{self, Reference};
use super::{Settings, blame, table_of};
use crate::diagnostic::{Diagnostic, SourceFile, Span};
use crate::name::TableName;

/// A contract, and what of it only other files can judge.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) contract: Contract,
    /// Whether every column could be read.
    pub(super) whole: bool,
    /// Whether the file decoded without a mistake: only then is what is absent a mistake of its own.
    pub(super) clean: bool,
    /// Where `materialized` says something.
    pub(super) materialized_at: Option<Span>,
    /// Tests that speak of another table.
    pub(super) references: Vec<Reference>,
}

/// Every contract that could be read, by table; one table has one file, since the path is its name.
pub(super) fn resolve(
    schemas: Vec<(Arc<SourceFile>, Option<RawSchemaFile>)>,
    settings: &Settings,
    found: &mut Vec<Diagnostic>,
) -> Contracts {
    let mut contracts = Contracts::default();
    for (file, raw) in schemas {
        let Some(table) = table_of(&file) else {
            continue;
        };
        let Some(raw) = raw else {
            contracts.unread.push(table);
            continue;
        };
        let blamed = |diagnostic: &Diagnostic| {
            diagnostic
                .place
                .as_ref()
                .is_some_and(|place| Arc::ptr_eq(&place.file, &file))
        };
        let clean = !found.iter().any(blamed);
        let mut check = Check {
            file: &file,
            table: &table,
            settings,
            columns: Vec::new(),
            key: Vec::new(),
            whole: raw.columns.whole,
            found,
        };
        let draft = Draft {
            clean,
            ..check.contract(raw)
        };
        contracts.drafts.insert(table, draft);
    }
    contracts
}

/// Contracts by table, and the tables whose file could not be read.
#[derive(Debug, Default)]
pub(super) struct Contracts {
    pub(super) drafts: std::collections::BTreeMap<TableName, Draft>,
    pub(super) unread: Vec<TableName>,
}

/// The owner as meant.
pub(super) fn owner(raw: RawOwner) -> Owner {
    Owner {
        name: raw.name,
        email: raw.email,
    }
}

/// One file's contract against itself.
pub(super) struct Check<'a> {
    pub(super) file: &'a Arc<SourceFile>,
    table: &'a TableName,
    pub(super) settings: &'a Settings,
    /// Name and type (where it could be read) of every column.
    columns: Vec<(String, Option<ColumnType>)>,
    /// As written.
    key: Vec<Spanned<ColumnName>>,
    /// Whether `columns` holds every column.
    whole: bool,
    found: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    pub(super) fn report(&mut self, span: Span, mistake: Mistake) {
        self.found.push(blame(self.file, span, mistake));
    }

    pub(super) fn table(&self) -> &TableName {
        self.table
    }

    /// The columns of the contract's key.
    pub(super) fn key(&self) -> &[Spanned<ColumnName>] {
        &self.key
    }

    /// Takes over what a helper found in this file.
    pub(super) fn adopt(&mut self, found: Vec<Diagnostic>) {
        self.found.extend(found);
    }

    /// The type of a column, where it is known; a column that the contract does not have is reported.
    pub(super) fn column(&mut self, name: &Spanned<ColumnName>) -> Option<ColumnType> {
        if let Some((_, data_type)) = self
            .columns
            .iter()
            .find(|(known, _)| *known == name.value.0)
        {
            return data_type.clone();
        }
        if self.whole && !self.columns.is_empty() {
            let known: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
            let mistake = Mistake::new(
                124,
                format!("the contract has no column `{}`", name.value.0),
            );
            let mistake = match nearest_word(&name.value.0, &known) {
                Some(near) => mistake.help(format!("did you mean `{near}`?")),
                None => mistake.help(format!("it has {}", listed(&known))),
            };
            self.report(name.span, mistake);
        }
        None
    }

    fn contract(&mut self, raw: RawSchemaFile) -> Draft {
        self.collect_columns(&raw.columns.items);
        self.key.clone_from(&raw.key.0);
        let key = self.checked_key(raw.key.0);
        let partition_by = self.partition_by(raw.partition_by.0);
        let subject = raw.subject.map(|subject| self.subject(subject));
        let purpose = self.purposes(raw.purpose.0);
        let mut tests = Vec::new();
        let mut references = Vec::new();
        let mut columns = Vec::new();
        for item in raw.columns.items {
            let RawColumn {
                name,
                data_type,
                description,
                personal,
                from,
                aliases,
                purpose,
                data_tests,
            } = item.value;
            let column = Spanned {
                value: name.value.0.clone(),
                span: name.span,
            };
            for test in data_tests.items {
                data_test::of_column(self, &name, test, &mut tests, &mut references);
            }
            let purpose = self.purposes(purpose.0);
            // without a type the project is refused anyway; what stands in for it is never used
            let data_type = data_type
                .0
                .map_or(ColumnType::Varchar, |data_type| data_type.value);
            columns.push(Column {
                name: column,
                data_type,
                description,
                personal,
                from: from.0,
                aliases: aliases.0,
                purpose,
            });
        }
        for test in raw.data_tests.items {
            data_test::of_table(self, test, &mut tests, &mut references);
        }
        let unit_tests = super::unit_test::resolve(self, raw.unit_tests.items);
        Draft {
            whole: raw.columns.whole,
            clean: true,
            materialized_at: raw
                .materialized
                .as_ref()
                .map(|materialized| materialized.span),
            references,
            contract: Contract {
                table: self.table.clone(),
                file: Arc::clone(self.file),
                description: raw.description,
                grain: raw.grain,
                key,
                materialized: materialization(raw.materialized),
                partition_by,
                rollback: raw.rollback.unwrap_or(RollbackClass::Follows),
                on_error: raw.on_error.unwrap_or_default(),
                owner: raw.owner.map(owner),
                tags: raw.tags.0,
                purpose,
                subject,
                columns,
                evolved: Vec::new(),
                tests,
                unit_tests,
            },
        }
    }

    fn collect_columns(&mut self, items: &[Spanned<RawColumn>]) {
        let mut known = BTreeSet::new();
        for item in items {
            let name = &item.value.name;
            if !known.insert(&name.value.0) {
                let mistake =
                    Mistake::new(125, format!("column `{}` is declared twice", name.value.0));
                self.report(name.span, mistake.help("keep one of them"));
                continue;
            }
            let data_type = item
                .value
                .data_type
                .0
                .as_ref()
                .map(|data_type| data_type.value.clone());
            self.columns.push((name.value.0.clone(), data_type));
        }
    }

    /// Names of columns, each known and named once.
    fn names(
        &mut self,
        names: Vec<Spanned<ColumnName>>,
        role: &str,
    ) -> Vec<(Spanned<String>, Option<ColumnType>)> {
        let mut checked: Vec<(Spanned<String>, Option<ColumnType>)> = Vec::new();
        for name in names {
            if checked.iter().any(|(other, _)| other.value == name.value.0) {
                let mistake =
                    Mistake::new(125, format!("`{}` stands twice in `{role}`", name.value.0));
                self.report(name.span, mistake.help("keep one of them"));
                continue;
            }
            let data_type = self.column(&name);
            let name = Spanned {
                value: name.value.0,
                span: name.span,
            };
            checked.push((name, data_type));
        }
        checked
    }

    fn checked_key(&mut self, names: Vec<Spanned<ColumnName>>) -> Vec<Spanned<String>> {
        let mut key = Vec::new();
        for (name, data_type) in self.names(names, "key") {
            if let Some(
                data_type @ (ColumnType::List(_) | ColumnType::Struct(_) | ColumnType::Double),
            ) = data_type
            {
                let mistake = Mistake::new(
                    126,
                    format!(
                        "`{}` is `{data_type}` and cannot be part of a key",
                        name.value
                    ),
                );
                self.report(name.span, mistake.help("a key is made of values that compare exactly: text, whole numbers, decimals, dates"));
            }
            key.push(name);
        }
        key
    }

    fn partition_by(&mut self, names: Vec<Spanned<ColumnName>>) -> Vec<Spanned<String>> {
        let mut partition_by = Vec::new();
        for (name, data_type) in self.names(names, "partition_by") {
            let plain = matches!(
                data_type,
                None | Some(
                    ColumnType::Varchar
                        | ColumnType::Boolean
                        | ColumnType::Integer
                        | ColumnType::Bigint
                        | ColumnType::Date
                )
            );
            if let (false, Some(data_type)) = (plain, data_type) {
                let mistake = Mistake::new(
                    126,
                    format!("`{}` is `{data_type}` and cannot be a folder", name.value),
                );
                self.report(
                    name.span,
                    mistake.help("partition by text, whole numbers, booleans or dates"),
                );
            }
            partition_by.push(name);
        }
        if self.whole
            && !self.columns.is_empty()
            && partition_by.len() == self.columns.len()
            && let Some(last) = partition_by.last()
        {
            let mistake = Mistake::new(
                126,
                "every column is in `partition_by`: no column is left for the files",
            );
            self.report(
                last.span,
                mistake.help("partition by few columns of few values, or not at all"),
            );
        }
        partition_by
    }

    fn subject(&mut self, subject: RawSubject) -> Subject {
        let mut known = |column: Spanned<ColumnName>| {
            self.column(&column);
            column.value.0
        };
        match subject {
            RawSubject::Customer(column) => Subject::Customer(known(column)),
            RawSubject::Record(record) => Subject::Record {
                source: record.source,
                id: known(record.id),
            },
            RawSubject::Contact(columns) => {
                Subject::Contact(columns.0.into_iter().map(known).collect())
            }
        }
    }

    /// Purposes, each declared in kilde.yaml.
    fn purposes(&mut self, names: Vec<Spanned<String>>) -> Vec<Spanned<String>> {
        for name in &names {
            if !self.settings.purposes_whole || self.settings.purposes.contains_key(&name.value) {
                continue;
            }
            let known: Vec<&str> = self.settings.purposes.keys().map(String::as_str).collect();
            let mistake = Mistake::new(123, format!("no purpose `{}` is declared", name.value));
            let mistake = match nearest_word(&name.value, &known) {
                Some(near) => mistake.help(format!("did you mean `{near}`?")),
                None if known.is_empty() => mistake.help(
                    "declare it under `purposes` in kilde.yaml: `who`, `what`, `why`, `ground`",
                ),
                None => mistake.help(format!("kilde.yaml declares {}", listed(&known))),
            };
            self.report(name.span, mistake);
        }
        names
    }
}

fn materialization(raw: Option<Spanned<RawMaterialization>>) -> Materialization {
    match raw.map(|raw| raw.value) {
        None | Some(RawMaterialization::Table(_)) => Materialization::Table,
        Some(RawMaterialization::Ephemeral(_)) => Materialization::Ephemeral,
        Some(RawMaterialization::Incremental(later)) => later.never(),
        Some(RawMaterialization::Snapshot(later)) => later.never(),
    }
}
