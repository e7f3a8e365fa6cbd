//! How dbt calls what a project has: ids of tables, tests, unit tests, exposures.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::name::TableName;
use crate::plan::{Kind, Shape, Shapes};
use crate::project::{Contract, DataTest, Load, Project, TestKind};
use crate::quality::{PlannedTest, planned_tests};

/// Ids of a project's tables and tests.
#[derive(Debug)]
pub(super) struct Names<'a> {
    project: &'a Project,
    kinds: BTreeMap<&'a TableName, Kind>,
    /// By table, name and place.
    tests: BTreeMap<(TableName, String, String), String>,
    nodes: Vec<TestNode<'a>>,
}

/// A test of a contract, with what it promises and how it is counted.
#[derive(Clone, Debug)]
pub(super) struct TestNode<'a> {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) contract: &'a Contract,
    pub(super) planned: PlannedTest,
    /// As declared; `None` for those that the key implies.
    pub(super) declared: Option<&'a DataTest>,
}

impl<'a> Names<'a> {
    pub(super) fn of(project: &'a Project, shapes: &'a Shapes) -> Self {
        let mut names = Self {
            project,
            kinds: shapes
                .iter()
                .map(|(table, shape)| (table, shape.kind))
                .collect(),
            tests: BTreeMap::new(),
            nodes: Vec::new(),
        };
        for (table, shape) in shapes {
            if let Some(contract) = project.contracts.get(table) {
                names.add_tests(contract, shape);
            }
        }
        names
    }

    /// Every test of a contract, those among them that hold each record to account as it is read.
    fn add_tests(&mut self, contract: &'a Contract, shape: &Shape) {
        let bound: Vec<Option<&str>> = shape.test_queries.iter().map(Option::as_deref).collect();
        let all = planned_tests(contract, None, &bound);
        let of_key = all.len() - contract.tests.len();
        let load = self
            .project
            .sources
            .get(&contract.table)
            .map(|source| source.load);
        // the key of such a source names a record and is not tested
        let skipped = if load == Some(Load::Append) {
            of_key
        } else {
            0
        };
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for (position, planned) in all.into_iter().enumerate().skip(skipped) {
            let slug = slug(&contract.table, &planned.kind);
            let count = seen.entry(slug.clone()).or_default();
            *count += 1;
            let hash = short_hash(&format!("{slug} {count}"));
            let id = format!("test.{}.{slug}.{hash}", self.project.name);
            let key = (
                contract.table.clone(),
                planned.name.clone(),
                planned.declared_at.location(),
            );
            self.tests.insert(key, id.clone());
            self.nodes.push(TestNode {
                id,
                name: slug,
                contract,
                planned,
                declared: position
                    .checked_sub(of_key)
                    .and_then(|at| contract.tests.get(at)),
            });
        }
    }

    /// `model.shop.gold.customers`, `source.shop.bronze.orders`, `seed.shop.ref.countries`.
    pub(super) fn table(&self, table: &TableName) -> String {
        let resource = match self.kinds.get(table) {
            Some(Kind::Source) => "source",
            Some(Kind::Seed) => "seed",
            _ => "model",
        };
        format!("{resource}.{}.{table}", self.project.name)
    }

    pub(super) fn is_source(&self, table: &TableName) -> bool {
        self.kinds.get(table) == Some(&Kind::Source)
    }

    /// Whether it is part of what reads it, and nothing is made of it by itself.
    pub(super) fn is_ephemeral(&self, table: &TableName) -> bool {
        self.kinds.get(table) == Some(&Kind::Ephemeral)
    }

    /// The test of that name declared there.
    pub(super) fn test(&self, table: &TableName, name: &str, declared_at: &str) -> Option<&str> {
        let key = (table.clone(), name.to_string(), declared_at.to_string());
        self.tests.get(&key).map(String::as_str)
    }

    pub(super) fn tests(&self) -> &[TestNode<'a>] {
        &self.nodes
    }

    pub(super) fn unit_test(&self, table: &TableName, name: &str) -> String {
        format!("unit_test.{}.{table}.{name}", self.project.name)
    }

    pub(super) fn group(&self, pipeline: &str) -> String {
        format!("group.{}.{pipeline}", self.project.name)
    }

    pub(super) fn exposure(&self, word: &str) -> String {
        format!("exposure.{}.{word}", self.project.name)
    }
}

/// `not_null_gold_customers_email` of `not_null(email)`.
fn slug(table: &TableName, test: &TestKind) -> String {
    let (word, subject) = (test.word(), test.subject());
    let text = format!("{word}_{}_{}_{subject}", table.schema(), table.name());
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("_")
}

fn short_hash(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter()
        .take(5)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Of a file's text, as dbt writes it.
pub(super) fn sha256(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
