//! Why two records are one person or two, and how a person was put together: the newest release's records under its model.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{Array, RecordBatch};
use serde::Serialize;

use super::super::Runner;
use super::read::{Read, Reading, keys, model_rows, reading, records, text_sql};
use super::review::{chosen, compared_columns, not_built};
use super::tables::{rule_name, texts};
use super::{decisions, must_rules, own_rules};
use crate::catalog::Catalog;
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::identity::{DecidedBy, Decision, Explainer, Model, Told, is_named_in_full};
use crate::name::TableName;
use crate::plan::{MatchPlan, Outline};
use crate::project::{MatchTable, Matching, Meaning};
use crate::release::Release;
use crate::sql_text::literal_sql;

/// Two records, and what is known of whether they are one.
#[derive(Debug, Serialize)]
pub(crate) struct PairStory {
    /// The table of the ids.
    pub(crate) table: String,
    pub(crate) one: StoredRecord,
    pub(crate) other: StoredRecord,
    /// Whether both have one id.
    pub(crate) is_one: bool,
    /// In bits.
    pub(crate) weight: f64,
    pub(crate) same_from: f64,
    pub(crate) review_from: f64,
    /// Why the weight does not count, where it does not.
    pub(crate) decided_by: Option<&'static str>,
    /// What a decision about the two collides with, where it does not hold.
    pub(crate) contradicted_by: Option<String>,
    /// Log2 of the odds of two random records.
    pub(crate) start: f64,
    pub(crate) comparisons: Vec<ComparisonStory>,
    /// What relatives would show as well; 0 or less.
    pub(crate) household: f64,
    /// Blocking rules that make the pair.
    pub(crate) rules: Vec<String>,
    /// Columns that are compared, and both records' values.
    pub(crate) values: Vec<(String, Option<String>, Option<String>)>,
    /// Of which of the two the name, or a part of it, is read from a column of full names; `None` where of none.
    pub(crate) named_in_full: Option<FullNames>,
    /// Whether the project has other match steps.
    #[serde(skip)]
    pub(crate) is_one_of_several: bool,
}

/// Records whose names, or a part of them, are read from a column of full names.
#[derive(Debug, Serialize)]
pub(crate) struct FullNames {
    pub(crate) column: String,
    /// As they are typed.
    pub(crate) records: Vec<String>,
}

/// A record and whose it is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StoredRecord {
    /// As it is typed: `crm:10442`.
    pub(crate) record: String,
    pub(crate) id: String,
}

/// What one comparison says of a pair.
#[derive(Debug, Serialize)]
pub(crate) struct ComparisonStory {
    pub(crate) name: String,
    /// `None` where a value is missing.
    pub(crate) level: Option<String>,
    /// Bits against chance, were all values equally common.
    pub(crate) bits: f64,
    /// Bits for how rare the value is that agrees.
    pub(crate) rarity: f64,
    /// Records with that value when the model was trained; `None` where it is no common one.
    pub(crate) records: Option<u32>,
    /// The pair's weight did it say nothing.
    pub(crate) without: f64,
    /// The pair's weight were the values equal.
    pub(crate) if_equal: Option<f64>,
}

/// How an entity was put together.
#[derive(Debug, Serialize)]
pub(crate) struct EntityStory {
    pub(crate) table: String,
    /// The id asked for.
    pub(crate) asked: String,
    /// The id that stands for it now; `None` where nobody does.
    pub(crate) id: Option<String>,
    pub(crate) records: Vec<String>,
    /// In their order; the last makes the whole.
    pub(crate) merges: Vec<MergeStory>,
    pub(crate) same_from: f64,
    /// Whether the project has other match steps.
    #[serde(skip)]
    pub(crate) is_one_of_several: bool,
}

/// Two groups of records that became one.
#[derive(Debug, Serialize)]
pub(crate) struct MergeStory {
    pub(crate) one: Vec<String>,
    pub(crate) other: Vec<String>,
    /// What all pairs between them say on average, comparison by comparison, in bits.
    pub(crate) mean: f64,
    /// The pair between them that speaks most for it.
    pub(crate) strongest: Option<(String, String)>,
    /// Its weight; `None` where `must` or a decision joins it.
    pub(crate) weight: Option<f64>,
}

impl Runner {
    /// Why two records of a match step are one or two.
    ///
    /// # Errors
    /// `Config` where the step was never built or knows no such record.
    pub(crate) async fn why_pair(
        &self,
        table: Option<&TableName>,
        records: (&str, &str),
        as_of: DateTime<Utc>,
    ) -> Result<PairStory> {
        let outline = Outline::new(&self.project, &self.functions, as_of);
        let asked = [records.0, records.1];
        let table = self.knowing(&outline, table, &asked, as_of).await?;
        let step = Step::open(self, &outline, table.as_ref(), as_of).await?;
        let matched = Matched::read(&step, self.resources.threads).await?;
        let (one, other) = (
            matched.row(records.0, "first")?,
            matched.row(records.1, "second")?,
        );
        if one == other {
            return Err(Error::config(
                "a record is compared with another, not with itself",
            ));
        }
        let evidence = matched.explainer.pair(one, other);
        let values = step.values(&matched, one, other).await?;
        let (stored_one, stored_other) = (matched.stored(one), matched.stored(other));
        let named_in_full = full_names(step.plan(), &values, [&stored_one, &stored_other]);
        let contradicted_by = match evidence.decided_by {
            Some(DecidedBy::Person(decision)) => {
                step.contradiction(&matched, (one, other), decision).await?
            }
            _ => None,
        };
        let (one, other) = (stored_one, stored_other);
        let matching = step.matching();
        let rules = evidence.rules.iter();
        Ok(PairStory {
            table: matching.table.to_string(),
            is_one_of_several: self.project.matches.len() > 1,
            is_one: one.id == other.id && !one.id.is_empty(),
            one,
            other,
            weight: evidence.weight,
            same_from: matching.same_from,
            review_from: matching.review_from,
            decided_by: evidence.decided_by.map(words),
            contradicted_by,
            start: evidence.start,
            household: evidence.household,
            rules: rules
                .map(|rule| rule_name(rule, &matched.reading))
                .collect(),
            comparisons: evidence.told.into_iter().map(story).collect(),
            values,
            named_in_full,
        })
    }

    /// How an entity was put together, asked for by its id or by one of its records; `None` where no record is called so, and
    /// none has, or ever had, the id.
    ///
    /// # Errors
    /// `Config` where the step was never built.
    pub(crate) async fn why_entity(
        &self,
        table: Option<&TableName>,
        asked: &str,
        as_of: DateTime<Utc>,
    ) -> Result<Option<EntityStory>> {
        let outline = Outline::new(&self.project, &self.functions, as_of);
        let table = self.knowing(&outline, table, &[asked], as_of).await?;
        let step = Step::open(self, &outline, table.as_ref(), as_of).await?;
        let of_record = match step.knows_id(asked).await? {
            true => None,
            false => step.ids().await?.remove(&step.key_of(asked)),
        };
        let id = of_record.as_deref().unwrap_or(asked);
        let living = match step.redirect(id).await? {
            Some(heir) => heir,
            None => Some(id.to_string()),
        };
        let matching = step.matching();
        let mut story = EntityStory {
            table: matching.table.to_string(),
            asked: id.to_string(),
            id: living.clone(),
            records: Vec::new(),
            merges: Vec::new(),
            same_from: matching.same_from,
            is_one_of_several: self.project.matches.len() > 1,
        };
        let Some(living) = living else {
            return Ok(Some(story));
        };
        if !step.has_records(&living).await? {
            return Ok(None);
        }
        let matched = Matched::read(&step, self.resources.threads).await?;
        let members = matched.members(&living);
        let name = |row: &u32| matched.name(*row);
        let names = |rows: &[u32]| rows.iter().map(name).collect::<Vec<String>>();
        story.records = names(&members);
        let merges = matched
            .explainer
            .merges(&members, matching.same_from)
            .into_iter();
        story.merges = merges
            .map(|merge| MergeStory {
                one: names(&merge.one),
                other: names(&merge.other),
                mean: merge.mean,
                strongest: merge.strongest.map(|(a, b, _)| (name(&a), name(&b))),
                weight: merge.strongest.and_then(|(_, _, weight)| weight),
            })
            .collect();
        Ok(Some(story))
    }
}

impl Runner {
    /// Of several match steps the one that knows what is asked about, an id or a record, or two records; else the one that
    /// is named, or there is.
    ///
    /// # Errors
    /// `Config` where none knows them, or several do.
    async fn knowing(
        &self,
        outline: &Outline,
        table: Option<&TableName>,
        asked: &[&str],
        as_of: DateTime<Utc>,
    ) -> Result<Option<TableName>> {
        if table.is_some() || self.project.matches.len() < 2 {
            return Ok(table.cloned());
        }
        let mut steps = Vec::new();
        for matching in self.project.matches.values() {
            steps.extend(Step::built(self, outline, matching, as_of).await?);
        }
        if let (true, Some(matching)) = (steps.is_empty(), self.project.matches.values().next()) {
            return Err(not_built(matching));
        }
        let mut found = Vec::new();
        if let [id] = asked {
            // a person's id may be the record of another step, too: it is asked for as an id
            for step in &steps {
                if step.knows_id(id).await? {
                    found.push(step);
                }
            }
        }
        let mut strange: Vec<&str> = asked.to_vec();
        if found.is_empty() {
            for step in &steps {
                let ids = step.ids().await?;
                let is_known = |name: &str| ids.contains_key(&step.key_of(name));
                strange.retain(|name| !is_known(name));
                if asked.iter().all(|name| is_known(name)) {
                    found.push(step);
                }
            }
        }
        match (found.as_slice(), strange.first()) {
            ([step], _) => Ok(Some(step.matching().table.clone())),
            ([], Some(name)) => Err(nobody(asked, name)
                .help("a record is called by the parts of its key with `:` between: `crm:10442`")),
            ([], None) => Err(
                Error::config("the two are records of different match steps")
                    .help("two records of one step can be compared"),
            ),
            (several, _) => {
                let tables = several.iter().map(|step| &step.matching().table);
                let options: Vec<String> =
                    tables.map(|table| format!("`--match {table}`")).collect();
                Err(Error::config("several match steps know that name")
                    .help(format!("name one: {}", options.join(" or "))))
            }
        }
    }
}

fn words(decided_by: DecidedBy) -> &'static str {
    match decided_by {
        DecidedBy::Person(Decision::Same) => "decided by a person: same",
        DecidedBy::Person(Decision::Contested) => "people decided both: different until they agree",
        DecidedBy::Person(_) => "decided by a person: different",
        DecidedBy::Must => "`must`: equal values make one person",
        DecidedBy::Cannot => "`cannot` or `duplicate_free`: these are two, whatever agrees",
    }
}

/// Which of two records' names are read from a column of full names, where there are columns of the parts beside it.
fn full_names(
    plan: &MatchPlan,
    values: &[(String, Option<String>, Option<String>)],
    records: [&StoredRecord; 2],
) -> Option<FullNames> {
    let of = |meaning: Meaning| {
        let column = plan.column_of(meaning)?;
        values.iter().find(|(of, ..)| of == column)
    };
    let (given, family) = (of(Meaning::GivenName), of(Meaning::FamilyName));
    let (column, full_one, full_other) = of(Meaning::Name)?;
    given.or(family)?;
    let cells = |at: usize| {
        [given, family].map(|part| {
            let (_, one, other) = part?;
            [one, other][at].as_deref()
        })
    };
    let fulls = [full_one, full_other].into_iter().zip(records).enumerate();
    let named = fulls.filter(|(at, (full, _))| {
        let [given, family] = cells(*at);
        full.as_deref()
            .is_some_and(|full| is_named_in_full(given, family, full))
    });
    let records: Vec<String> = named.map(|(_, (_, of))| of.record.clone()).collect();
    (!records.is_empty()).then(|| FullNames {
        column: column.clone(),
        records,
    })
}

fn story(told: Told) -> ComparisonStory {
    ComparisonStory {
        name: told.name,
        level: told.level,
        bits: told.bits,
        rarity: told.rarity,
        records: told.records,
        without: told.without,
        if_equal: told.if_equal,
    }
}

/// A match step as the newest release holds it.
pub(super) struct Step<'a> {
    outline: &'a Outline,
    plan: &'a MatchPlan,
    catalog: Catalog,
    release: Release,
}

impl<'a> Step<'a> {
    pub(super) async fn open(
        runner: &Runner,
        outline: &'a Outline,
        table: Option<&TableName>,
        as_of: DateTime<Utc>,
    ) -> Result<Self> {
        let matching = chosen(&runner.project, table)?;
        let step = Self::built(runner, outline, matching, as_of).await?;
        step.ok_or_else(|| not_built(matching))
    }

    /// `None` where the step was never built.
    async fn built(
        runner: &Runner,
        outline: &'a Outline,
        matching: &Matching,
        as_of: DateTime<Utc>,
    ) -> Result<Option<Self>> {
        let plan = outline.matching(&matching.table)?;
        let catalog = runner.readable(as_of)?;
        let release = catalog.lake().current().await?;
        let release = release.filter(|release| release.table(&matching.table).is_some());
        Ok(release.map(|release| Self {
            outline,
            plan,
            catalog,
            release,
        }))
    }

    pub(super) fn plan(&self) -> &MatchPlan {
        self.plan
    }

    pub(super) fn matching(&self) -> &Matching {
        &self.plan.matching
    }

    pub(super) fn beside(&self, part: MatchTable) -> Result<&TableName> {
        let table = self.matching().tables.get(&part);
        table.ok_or_else(|| Error::internal("a match without its tables"))
    }

    pub(super) fn release(&self) -> u64 {
        self.release.number.0
    }

    pub(super) async fn query(&self, table: &TableName, sql: &str) -> Result<RecordBatch> {
        let release = Some(&self.release);
        self.catalog
            .query_over(self.outline, release, &[table], sql)
            .await
    }

    /// Where an id that is gone leads; `None` for one that is not.
    async fn redirect(&self, id: &str) -> Result<Option<Option<String>>> {
        let table = self.beside(MatchTable::Redirects)?;
        let wanted = literal_sql(id);
        let sql = format!("select new_id from {table} where old_id = {wanted}");
        let rows = self.query(table, &sql).await?;
        let new = texts(rows.column(0))?;
        Ok(new.iter().next().map(|heir| heir.map(str::to_string)))
    }

    async fn has_records(&self, id: &str) -> Result<bool> {
        let matching = self.matching();
        let (table, column) = (&matching.table, &matching.entity_id.value);
        let wanted = literal_sql(id);
        let sql = format!("select 1 from {table} where \"{column}\" = {wanted} limit 1");
        Ok(self.query(table, &sql).await?.num_rows() > 0)
    }

    /// Whether an id was ever issued.
    async fn knows_id(&self, id: &str) -> Result<bool> {
        Ok(self.has_records(id).await? || self.redirect(id).await?.is_some())
    }

    /// The key of a record as people type it: its parts with `:` between.
    fn key_of(&self, record: &str) -> String {
        let parts = self.matching().record_key.len().max(1);
        let key: Vec<&str> = record.splitn(parts, ':').collect();
        key.join("\u{1f}")
    }

    /// Key → id of every record.
    pub(super) async fn ids(&self) -> Result<BTreeMap<String, String>> {
        let matching = self.matching();
        let key = matching
            .record_key
            .iter()
            .map(|column| text_sql(&column.value));
        let mut columns: Vec<String> = key.collect();
        columns.push(format!("\"{}\"", matching.entity_id.value));
        let columns = columns.iter().enumerate();
        let columns: Vec<String> = columns.map(|(at, c)| format!("{c} as \"_{at}\"")).collect();
        let sql = format!("select {} from {}", columns.join(", "), matching.table);
        let rows = self.query(&matching.table, &sql).await?;
        let Some((ids, key)) = rows.columns().split_last() else {
            return Ok(BTreeMap::new());
        };
        let ids = texts(ids)?;
        let keys = keys(key, matching)?;
        let pairs = keys.iter().zip(ids.iter());
        Ok(pairs
            .filter_map(|(key, id)| Some((key.to_string(), id?.to_string())))
            .collect())
    }

    /// What is compared, of two records.
    async fn values(
        &self,
        matched: &Matched,
        one: u32,
        other: u32,
    ) -> Result<Vec<(String, Option<String>, Option<String>)>> {
        let matching = self.matching();
        let columns = compared_columns(self.plan);
        let wanted = columns.iter().enumerate();
        let wanted: Vec<String> = wanted
            .map(|(at, column)| format!("{} as \"_{at}\"", text_sql(column)))
            .collect();
        let records = &matching.records.value;
        let mut both = Vec::new();
        for row in [one, other] {
            let parts = matched.read.keys[row as usize].split('\u{1f}');
            let key = matching.record_key.iter().zip(parts);
            let equal: Vec<String> = key
                .map(|(column, part)| {
                    format!("{} = {}", text_sql(&column.value), literal_sql(part))
                })
                .collect();
            let (wanted, equal) = (wanted.join(", "), equal.join(" and "));
            let sql = format!("select {wanted} from {records} where {equal}");
            let rows = self.query(records, &sql).await?;
            let cells = rows
                .columns()
                .iter()
                .map(texts)
                .collect::<Result<Vec<_>>>()?;
            let cells = cells.iter().map(|column| {
                let is_there = !column.is_empty() && column.is_valid(0);
                is_there.then(|| column.value(0).to_string())
            });
            both.push(cells.collect::<Vec<Option<String>>>());
        }
        let other = both.pop().unwrap_or_default();
        let one = both.pop().unwrap_or_default();
        let values = columns.into_iter().zip(one.into_iter().zip(other));
        Ok(values
            .map(|(column, (one, other))| (column, one, other))
            .collect())
    }
}

impl Step<'_> {
    /// What a decision about two records collides with; `None` where it holds.
    async fn contradiction(
        &self,
        matched: &Matched,
        (one, other): (u32, u32),
        decision: Decision,
    ) -> Result<Option<String>> {
        let (id, other_id) = (matched.id(one), matched.id(other));
        let holds = match decision {
            Decision::Same => id == other_id,
            Decision::Different => id != other_id,
            Decision::Open | Decision::Contested => false,
        };
        if holds || id.is_empty() || other_id.is_empty() {
            return Ok(None);
        }
        let mut against = Vec::new();
        if decision == Decision::Same {
            let (one, other) = (matched.members(id), matched.members(other_id));
            let apart = matched.explainer.kept_apart(&one, &other);
            against.extend(apart.map(|(a, b, by)| {
                format!(
                    "{} and {} are two: {}",
                    matched.name(a),
                    matched.name(b),
                    words(by)
                )
            }));
        }
        let written = self.collision(matched, one, other).await?;
        against.extend(written.map(|reason| format!("the review says: {reason}")));
        Ok((!against.is_empty()).then(|| against.join(" · ")))
    }

    /// What the review says of a decision that cannot hold: with the rows of the exports where those are that collide.
    async fn collision(&self, matched: &Matched, one: u32, other: u32) -> Result<Option<String>> {
        let review = self.beside(MatchTable::Review)?;
        let columns = &self.matching().record_key;
        let equal = |row: u32, prefix: &str| {
            let parts = matched.read.keys[row as usize].split('\u{1f}');
            let equal: Vec<String> = columns
                .iter()
                .zip(parts)
                .map(|(column, part)| {
                    let name = format!("{prefix}{}", column.value);
                    format!("{} = {}", text_sql(&name), literal_sql(part))
                })
                .collect();
            equal.join(" and ")
        };
        let (one, other) = (one.min(other), one.max(other));
        let sql = format!(
            "select reason from {review} where weight is null and {} and {}",
            equal(one, ""),
            equal(other, "other_")
        );
        let rows = self.query(review, &sql).await?;
        let reasons = texts(rows.column(0))?;
        Ok(reasons.iter().flatten().next().map(str::to_string))
    }
}

/// All records of a step, ready to compare, and whose they are.
pub(super) struct Matched {
    read: Read,
    reading: Reading,
    ids: BTreeMap<String, String>,
    explainer: Explainer,
}

impl Matched {
    pub(super) async fn read(step: &Step<'_>, threads: usize) -> Result<Self> {
        let matching = step.matching();
        let reading = reading(step.plan);
        let batch = step.query(&matching.records.value, &reading.sql).await?;
        let mut read = Read::of(vec![batch], matching, &reading, threads)?;
        let mut records = records(step.plan, &reading, &mut read)?;
        if let Some(table) = &matching.decisions {
            let sql = decisions::sql(step.plan, &table.value);
            let rows = step.query(&table.value, &sql).await?;
            records.decisions = decisions::of_rows(&rows, step.plan, &read.keys)?.of_pairs;
        }
        let model = step.beside(MatchTable::Model)?;
        let rows = step.query(model, &format!("select * from {model}")).await?;
        let rows = model_rows(&rows)?;
        let ids = step.ids().await?;
        let own = own_rules(step.plan, &reading);
        let must = must_rules(step.plan, &reading);
        let known = Model::from_rows(rows, &records.shapes(), &own, &must).ok_or_else(|| {
            Error::config(format!(
                "`{}` was built with other comparisons",
                matching.table
            ))
            .code(Code(857))
            .help(format!(
                "`kilde build -s {}` makes it as the project says now",
                matching.table
            ))
        })?;
        let explainer =
            tokio::task::spawn_blocking(move || Explainer::new(records, known, threads))
                .await
                .map_err(|error| Error::internal("explaining broke off").caused_by(error))?;
        Ok(Self {
            read,
            reading,
            ids,
            explainer,
        })
    }

    /// Pairs that people were asked about, by the keys of both: what the evidence says of them, and what people.
    pub(super) fn decided(&self) -> impl Iterator<Item = (&str, &str, f64, Decision)> {
        let key = |row: u32| &self.read.keys[row as usize];
        let decided = self.explainer.decided().into_iter();
        decided.map(move |(one, other, weight, decision)| (key(one), key(other), weight, decision))
    }

    /// The row of a record as people type it: the parts of its key with `:` between. `which`: the first or second of two.
    fn row(&self, record: &str, which: &str) -> Result<u32> {
        let parts = self.reading.key.max(1);
        let key: Vec<&str> = record.splitn(parts, ':').collect();
        let key = key.join("\u{1f}");
        let place = self.read.keys.iter().position(|known| known == key);
        place.map(|row| row as u32).ok_or_else(|| {
            Error::config(format!("no record goes by the {which} name")).help(match parts {
                1 => "write the record's key".to_string(),
                parts => format!(
                    "write the {parts} parts of the record's key with `:` between: `crm:10442`"
                ),
            })
        })
    }

    fn name(&self, row: u32) -> String {
        self.read.keys[row as usize].replace('\u{1f}', ":")
    }

    /// The records of an id.
    fn members(&self, id: &str) -> Vec<u32> {
        let rows = 0..self.read.keys.len() as u32;
        rows.filter(|row| self.id(*row) == id).collect()
    }

    /// Empty for a record that came after the ids.
    fn id(&self, row: u32) -> &str {
        let id = self.ids.get(&self.read.keys[row as usize]);
        id.map_or("", String::as_str)
    }

    fn stored(&self, row: u32) -> StoredRecord {
        StoredRecord {
            record: self.name(row),
            id: self.id(row).to_string(),
        }
    }
}

/// What was typed may be an address: it is not repeated.
fn nobody(asked: &[&str], name: &str) -> Error {
    let which = match asked {
        [_] => "that",
        [first, ..] if *first == name => "the first",
        _ => "the second",
    };
    Error::config(format!("no id or record goes by {which} name"))
}
