//! What a project knows of its customers, in a few counts: what do we have, what is missing, how many people are there, whom
//! can nobody reach.
//!
//! In: the newest release, by the names that `kilde init --from` gives (`silver.people`, `gold.customers`,
//! `silver.purchases`, `silver.consents`), as far as they are there. Out: an [`Overview`]. Counts only: no person's value.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use serde::Serialize;

use super::Runner;
use crate::catalog::{Catalog, View};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::release::Release;

const PEOPLE: &str = "silver.people";
const CUSTOMERS: &str = "gold.customers";
const PURCHASES: &str = "silver.purchases";
const CONSENTS: &str = "silver.consents";
const REVIEW: &str = "identity.customer_ids_review";

/// Words that tables of purchases go by, where none of them could be tied to a customer.
const PURCHASE_WORDS: [&str; 10] = [
    "order",
    "invoice",
    "purchase",
    "receipt",
    "sale",
    "transaction",
    "kvitt",
    "faktur",
    "retail",
    "basket",
];

/// The newest release in counts.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Overview {
    pub(crate) release: u64,
    pub(crate) sources: Vec<SourceCount>,
    pub(crate) people: Option<PeopleCount>,
    pub(crate) purchases: Option<PurchaseCount>,
    /// Sources that look like purchases, tied to a customer or not.
    pub(crate) purchase_sources: Vec<String>,
    pub(crate) consents: Option<ConsentCount>,
}

/// A source: what came, what stands in its table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SourceCount {
    pub(crate) table: String,
    pub(crate) rows: u64,
    pub(crate) files: u64,
    pub(crate) records: u64,
    pub(crate) rejected: u64,
}

/// People, and how they can be reached.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PeopleCount {
    /// Records of people.
    pub(crate) records: u64,
    /// Records by register.
    pub(crate) registers: Vec<(String, u64)>,
    pub(crate) people: u64,
    /// People with more than one record.
    pub(crate) met_again: u64,
    /// Pairs that nobody could decide.
    pub(crate) doubtful: u64,
    /// People with an e-mail address, a phone, a street; `None` where no file has such a thing.
    pub(crate) with_email: Option<u64>,
    pub(crate) with_phone: Option<u64>,
    pub(crate) with_street: Option<u64>,
    /// Neither e-mail nor phone.
    pub(crate) not_reached: u64,
    /// Those of them who have an address on a street at least.
    pub(crate) by_letter_only: u64,
    pub(crate) buyers: Option<u64>,
    /// Said yes to something.
    pub(crate) agreed: Option<u64>,
}

/// Purchases that are tied to a customer's number.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PurchaseCount {
    pub(crate) purchases: u64,
    pub(crate) without_customer: u64,
    pub(crate) first_on: Option<String>,
    pub(crate) last_on: Option<String>,
}

/// Words of people about being written to.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ConsentCount {
    pub(crate) words: u64,
    pub(crate) purposes: Vec<String>,
}

impl Runner {
    /// The newest release in counts.
    ///
    /// # Errors
    /// `Config` where there is none; those of storage.
    pub(crate) async fn overview(&self, catalog: &Catalog) -> Result<Overview> {
        let release = catalog.release(None).await?;
        let questions = Questions {
            catalog,
            release: &release,
        };
        let mut overview = Overview {
            release: release.number.0,
            sources: self.source_counts(&questions).await?,
            people: questions.people().await?,
            purchases: questions.purchases().await?,
            purchase_sources: Vec::new(),
            consents: questions.consents().await?,
        };
        let looks_like_purchases =
            |table: &&SourceCount| PURCHASE_WORDS.iter().any(|word| table.table.contains(word));
        let of_purchases = overview.sources.iter().filter(looks_like_purchases);
        overview.purchase_sources = of_purchases.map(|source| source.table.clone()).collect();
        Ok(overview)
    }

    async fn source_counts(&self, questions: &Questions<'_>) -> Result<Vec<SourceCount>> {
        let ledger = questions
            .rows(
                "select source, count(*), sum(records), sum(rejected) from ops.files group by source order by source",
            )
            .await?;
        let mut by_table: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
        for row in &ledger {
            by_table.insert(
                text(row, 0),
                (number(row, 1), number(row, 2), number(row, 3)),
            );
        }
        let sources = self.project.sources.keys();
        let count = |table: &TableName| {
            let entry = questions.release.table(table)?;
            let (files, records, rejected) = by_table
                .get(&table.to_string())
                .copied()
                .unwrap_or_default();
            Some(SourceCount {
                table: table.name().to_string(),
                rows: entry.facts.rows,
                files,
                records,
                rejected,
            })
        };
        Ok(sources.filter_map(count).collect())
    }
}

/// A row of a small result, each value as text.
type Row = Vec<Option<String>>;

fn text(row: &Row, at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

fn number(row: &Row, at: usize) -> u64 {
    text(row, at).parse().unwrap_or(0)
}

/// Questions to one release.
struct Questions<'a> {
    catalog: &'a Catalog,
    release: &'a Release,
}

impl Questions<'_> {
    fn has(&self, table: &str) -> bool {
        table
            .parse::<TableName>()
            .is_ok_and(|table| self.release.table(&table).is_some())
    }

    async fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for batch in self.catalog.query(sql, &View::Newest).await? {
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| cast(column, &DataType::Utf8))
                .collect::<std::result::Result<_, _>>()
                .map_err(|error| Error::internal("a count cannot be shown").caused_by(error))?;
            for row in 0..batch.num_rows() {
                let value = |column: &datafusion::arrow::array::ArrayRef| {
                    let column = column.as_string::<i32>();
                    column.is_valid(row).then(|| column.value(row).to_string())
                };
                rows.push(columns.iter().map(value).collect());
            }
        }
        Ok(rows)
    }

    async fn row(&self, sql: &str) -> Result<Row> {
        Ok(self.rows(sql).await?.into_iter().next().unwrap_or_default())
    }

    /// Names of a table's columns.
    async fn columns(&self, table: &str) -> Result<Vec<String>> {
        let batches = self
            .catalog
            .query(&format!("select * from {table} limit 0"), &View::Newest)
            .await?;
        let schema = batches.first().map(|batch| batch.schema());
        let fields = schema.iter().flat_map(|schema| schema.fields().iter());
        Ok(fields.map(|field| field.name().clone()).collect())
    }

    async fn people(&self) -> Result<Option<PeopleCount>> {
        if !self.has(CUSTOMERS) {
            return Ok(None);
        }
        let columns = self.columns(CUSTOMERS).await?;
        let has = |column: &str| columns.iter().any(|other| other == column);
        let filled = |column: &str| match has(column) {
            true => format!("count({column})"),
            false => "0".to_string(),
        };
        let is_null = |column: &str| match has(column) {
            true => format!("{column} is null"),
            false => "true".to_string(),
        };
        let unreached = format!("{} and {}", is_null("email"), is_null("phone"));
        let count_if = |column: &str, condition: &str| match has(column) {
            true => format!("count(*) filter (where {condition})"),
            false => "0".to_string(),
        };
        let row = self
            .row(&format!(
                "select count(*) as people, {} as with_email, {} as with_phone, {} as with_street, \
                 count(*) filter (where {unreached}) as not_reached, \
                 count(*) filter (where {unreached} and not ({})) as by_letter_only, \
                 {} as met_again, {} as buyers, {} as agreed from {CUSTOMERS}",
                filled("email"),
                filled("phone"),
                filled("street"),
                is_null("street"),
                count_if("records_count", "records_count > 1"),
                count_if("purchases_count", "purchases_count > 0"),
                filled("agreed_to"),
            ))
            .await?;
        let some = |column: &str, at: usize| has(column).then(|| number(&row, at));
        let mut people = PeopleCount {
            people: number(&row, 0),
            with_email: some("email", 1),
            with_phone: some("phone", 2),
            with_street: some("street", 3),
            not_reached: number(&row, 4),
            by_letter_only: number(&row, 5),
            met_again: number(&row, 6),
            buyers: some("purchases_count", 7),
            agreed: some("agreed_to", 8),
            ..PeopleCount::default()
        };
        if self.has(PEOPLE) {
            let sql =
                format!("select source, count(*) from {PEOPLE} group by source order by source");
            let registers = self.rows(&sql).await?;
            let registers = registers.iter().map(|row| (text(row, 0), number(row, 1)));
            people.registers = registers.collect();
            people.records = people.registers.iter().map(|(_, count)| count).sum();
        }
        if self.has(REVIEW) {
            people.doubtful = number(
                &self.row(&format!("select count(*) from {REVIEW}")).await?,
                0,
            );
        }
        Ok(Some(people))
    }

    async fn purchases(&self) -> Result<Option<PurchaseCount>> {
        if !self.has(PURCHASES) {
            return Ok(None);
        }
        let columns = self.columns(PURCHASES).await?;
        let wanted = ["source", "purchase_id", "customer_no", "purchased_on"];
        if !wanted
            .iter()
            .all(|name| columns.iter().any(|column| column == name))
        {
            return Ok(None);
        }
        let has_email = columns.iter().any(|column| column == "email");
        let nobody = match has_email {
            true => "customer_no is null and email is null",
            false => "customer_no is null",
        };
        let row = self
            .row(&format!(
                "select count(distinct source || ':' || purchase_id), \
                 count(distinct source || ':' || purchase_id) filter (where {nobody}), \
                 min(purchased_on), max(purchased_on) from {PURCHASES}"
            ))
            .await?;
        let day = |at: usize| row.get(at).cloned().flatten();
        Ok(Some(PurchaseCount {
            purchases: number(&row, 0),
            without_customer: number(&row, 1),
            first_on: day(2),
            last_on: day(3),
        }))
    }

    async fn consents(&self) -> Result<Option<ConsentCount>> {
        if !self.has(CONSENTS) {
            return Ok(None);
        }
        let words = self
            .row(&format!("select count(*) from {CONSENTS}"))
            .await?;
        let columns = self.columns(CONSENTS).await?;
        let purposes = match columns.iter().any(|column| column == "purpose") {
            true => {
                let sql = format!(
                    "select distinct purpose from {CONSENTS} where purpose is not null order by purpose limit 20"
                );
                self.rows(&sql)
                    .await?
                    .iter()
                    .map(|row| text(row, 0))
                    .collect()
            }
            false => Vec::new(),
        };
        Ok(Some(ConsentCount {
            words: number(&words, 0),
            purposes,
        }))
    }
}
