//! Why two records are one person or two, and how a person was put together: the newest release's records under its model.
//!
//! What a pair weighs hangs on the model and the two records alone, so no others are read; only of the blocks that a pair may stand
//! in all records are counted, as they stream by.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::Array;
use serde::Serialize;

use super::super::Runner;
use super::members::Members;
use super::read::text_sql;
use super::review::{compared_columns, not_built};
use super::step::{Step, shown};
use super::tables::{rule_name, texts};
use crate::error::{Error, Result};
use crate::identity::{DecidedBy, Decision, Told, is_named_in_full};
use crate::name::TableName;
use crate::plan::{MatchPlan, Outline};
use crate::project::{MatchTable, Meaning};

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
    /// Columns of `must` in which both have one value that says nothing, since too many share it.
    pub(crate) silent_must: Vec<String>,
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
        let threads = self.resources.threads;
        let keys = asked.map(|name| step.key_of(name));
        let pair = BTreeSet::from(keys.clone());
        let members = Members::of(&step, &pair, threads).await?;
        let [one, other] = [(&keys[0], "first"), (&keys[1], "second")];
        let (one, other) = (
            members.row(&step, one.0, one.1)?,
            members.row(&step, other.0, other.1)?,
        );
        if one == other {
            return Err(Error::config(
                "a record is compared with another, not with itself",
            ));
        }
        let evidence = members.explainer.pair(one, other);
        let values = step.values([&keys[0], &keys[1]]).await?;
        let rules = members.rules(&step, one, other, threads).await?;
        let (one, other) = (members.stored(one), members.stored(other));
        let named_in_full = full_names(step.plan(), &values, [&one, &other]);
        let contradicted_by = match evidence.decided_by {
            Some(DecidedBy::Person(decision)) => {
                let ids = [one.id.as_str(), other.id.as_str()];
                step.contradiction(&pair, ids, decision, threads).await?
            }
            _ => None,
        };
        let matching = step.matching();
        let name = |rule| rule_name(rule, &members.reading);
        let silent = evidence.silent_must.iter();
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
            rules: rules.iter().map(name).collect(),
            silent_must: silent
                .map(|at| members.reading.own[*at].name.clone())
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
            false => step.id_of(&step.key_of(asked)).await?,
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
        let keys = step.keys_of(&[&living]).await?;
        if keys.is_empty() {
            return Ok(None);
        }
        let members = Members::of(&step, &keys, self.resources.threads).await?;
        let rows = members.rows();
        let name = |row: &u32| shown(members.key(*row));
        let names = |rows: &[u32]| rows.iter().map(name).collect::<Vec<String>>();
        story.records = names(&rows);
        let merges = members
            .explainer
            .merges(&rows, matching.same_from)
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
                let mut known = BTreeSet::new();
                for name in asked {
                    if step.id_of(&step.key_of(name)).await?.is_some() {
                        known.insert(*name);
                    }
                }
                strange.retain(|name| !known.contains(name));
                if asked.iter().all(|name| known.contains(name)) {
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

impl Step<'_> {
    /// What is compared, of two records.
    async fn values(
        &self,
        keys: [&str; 2],
    ) -> Result<Vec<(String, Option<String>, Option<String>)>> {
        let columns = compared_columns(self.plan());
        let wanted = columns.iter().enumerate();
        let wanted: Vec<String> = wanted
            .map(|(at, column)| format!("{} as \"_{at}\"", text_sql(column)))
            .collect();
        let records = &self.matching().records.value;
        let mut both = Vec::new();
        for key in keys {
            let (wanted, equal) = (wanted.join(", "), self.equal_sql(key, ""));
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

    /// What a decision about two records collides with; `None` where it holds. `pair`: their keys; `ids`: whose they are.
    async fn contradiction(
        &self,
        pair: &BTreeSet<String>,
        ids: [&str; 2],
        decision: Decision,
        threads: usize,
    ) -> Result<Option<String>> {
        let [id, other_id] = ids;
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
            let keys = self.keys_of(&ids).await?;
            let members = Members::of(self, &keys, threads).await?;
            let apart = members
                .explainer
                .kept_apart(&members.rows_of(id), &members.rows_of(other_id));
            against.extend(apart.map(|(a, b, by)| {
                let (a, b) = (shown(members.key(a)), shown(members.key(b)));
                format!("{a} and {b} are two: {}", words(by))
            }));
        }
        let written = self.collision(pair).await?;
        against.extend(written.map(|reason| format!("the review says: {reason}")));
        Ok((!against.is_empty()).then(|| against.join(" · ")))
    }

    /// What the review says of a decision that cannot hold: with the rows of the exports where those are that collide.
    async fn collision(&self, pair: &BTreeSet<String>) -> Result<Option<String>> {
        let review = self.beside(MatchTable::Review)?;
        let (Some(one), Some(other)) = (pair.first(), pair.last()) else {
            return Ok(None);
        };
        // which of two is named first, the order of their keys says as they are, be they texts or not
        let [there, back] = [(one, other), (other, one)].map(|(one, other)| {
            let (one, other) = (self.equal_sql(one, ""), self.equal_sql(other, "other_"));
            format!("({one} and {other})")
        });
        let sql =
            format!("select reason from {review} where weight is null and ({there} or {back})");
        let rows = self.query(review, &sql).await?;
        let reasons = texts(rows.column(0))?;
        Ok(reasons.iter().flatten().next().map(str::to_string))
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
