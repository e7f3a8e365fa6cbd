//! Where decoded records go: accepted rows, rejects and the keys of rejects, each to a scratch file of its own.
//!
//! [`judge`] says what becomes of a batch, on any thread; [`Output`] takes what was judged, in the order of the export.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_arrays;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};

use super::conform::{Breach, Conformed, Conformer, SOURCE_FILE};
use super::format::unreadable;
use super::ignored::Ignored;
use super::input::{bomb, most_bytes};
use super::key_order::{KeyRange, Ordered};
use super::reject::{Reject, cut, json_row, rejects_batch, rejects_schema};
use super::rule::{Fault, Rule};
use super::scratch::{ScratchFile, ScratchWriter};
use crate::error::{Error, Result};

/// Rejects that wait to be written together.
const REJECTS_AT_ONCE: usize = 1024;

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Its bytes in the block under work; without meaning for Parquet.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Line, or row of a Parquet file, from 1.
    pub(crate) line: i64,
    /// Offset in the decompressed export.
    pub(crate) byte: Option<i64>,
}

/// A record that is none, before any value was looked at.
#[derive(Clone, Debug)]
pub(crate) struct BrokenRecord {
    pub(crate) place: Place,
    pub(crate) rule: Rule,
    /// Fields found and wanted, where that is the fault.
    pub(crate) widths: Option<(usize, usize)>,
    pub(crate) raw: String,
}

/// Broken records with as much of their keys as can be read.
pub(crate) struct BrokenRecords {
    pub(crate) records: Vec<BrokenRecord>,
    pub(crate) keys: Vec<ArrayRef>,
    pub(crate) readable: Vec<bool>,
}

/// Receives the records of one export.
pub(crate) struct Output {
    source: String,
    file: String,
    accepted: ScratchWriter,
    /// Of the accepted rows, as long as they come in order.
    ordered: Option<Ordered>,
    rejected: ScratchWriter,
    rejected_keys: ScratchWriter,
    waiting: Vec<Reject>,
    records: u64,
    /// Bytes of text that may still come: formats in which many records share a text are not read beyond belief.
    text_left: u64,
    by_rule: BTreeMap<Rule, u64>,
    mistyped: BTreeMap<String, u64>,
    firsts: BTreeMap<Rule, FirstReject>,
    warned: BrokenRules,
    fatal: BrokenRules,
    ignored: BTreeMap<usize, Ignored>,
}

/// A batch of records, each accepted or rejected.
pub(crate) struct Judged {
    records: u64,
    accepted: RecordBatch,
    key_range: Option<KeyRange>,
    /// By line.
    rejects: Vec<Reject>,
    /// Of those rejects whose key can be read.
    rejected_keys: Vec<RecordBatch>,
    warned: BrokenRules,
    fatal: BrokenRules,
    ignored: BTreeMap<usize, Ignored>,
}

/// Rules that records of an export break, by column and rule.
pub(crate) type BrokenRules = BTreeMap<(String, Rule), BrokenRule>;

/// How often a rule is broken, and where first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokenRule {
    pub(crate) records: u64,
    pub(crate) first: FirstReject,
}

/// The first reject of an export by one rule: an example for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FirstReject {
    pub(crate) line: i64,
    /// For people; never holds a value.
    pub(crate) reason: String,
}

/// What became of the records.
pub(crate) struct Written {
    pub(crate) accepted: ScratchFile,
    pub(crate) rejects: ScratchFile,
    pub(crate) rejected_keys: ScratchFile,
    pub(crate) records: u64,
    pub(crate) by_rule: BTreeMap<Rule, u64>,
    /// Records by the column whose value is of another type.
    pub(crate) mistyped: BTreeMap<String, u64>,
    pub(crate) firsts: BTreeMap<Rule, FirstReject>,
    /// Of records that were taken all the same.
    pub(crate) warned: BrokenRules,
    /// Of records that fail the export.
    pub(crate) fatal: BrokenRules,
    /// Fields within values that no column reads, as paths, in order.
    pub(crate) ignored: Vec<String>,
    /// Columns of which the path gave some record its value.
    pub(crate) taken_from_path: BTreeSet<String>,
}

impl Output {
    /// `stem`: scratch files are `stem.accepted` and so on; their folder exists. `file`: the export's path below `raw`;
    /// `size`: its bytes.
    pub(crate) fn new(
        conformer: &Conformer,
        source: &str,
        (file, size): (&str, u64),
        stem: &Path,
    ) -> Self {
        let name = |what: &str| stem.with_extension(what);
        Self {
            source: source.to_string(),
            file: file.to_string(),
            accepted: ScratchWriter::new(name("accepted"), &conformer.schema)
                .sharing(SOURCE_FILE, file),
            ordered: None,
            rejected: ScratchWriter::new(name("rejects"), &rejects_schema()),
            rejected_keys: ScratchWriter::new(name("keys"), &key_schema(conformer)),
            waiting: Vec::new(),
            records: 0,
            text_left: most_bytes(size),
            by_rule: BTreeMap::new(),
            mistyped: BTreeMap::new(),
            firsts: BTreeMap::new(),
            warned: BTreeMap::new(),
            fatal: BTreeMap::new(),
            ignored: BTreeMap::new(),
        }
    }

    /// Bytes that may still come out of the export.
    ///
    /// # Errors
    /// `Input` K0402 where `bytes` are more.
    pub(crate) fn expect(&self, bytes: u64) -> Result<u64> {
        let left = self.text_left.checked_sub(bytes);
        left.ok_or_else(|| unreadable(bomb(), &self.file))
    }

    /// Takes the next batch.
    ///
    /// # Errors
    /// `Input` K0402 where more text comes out of the export than anybody writes; `Unavailable` where the disk refuses it.
    pub(crate) fn take(&mut self, conformer: &Conformer, mut judged: Judged) -> Result<()> {
        let rows = judged.accepted.num_rows();
        let own = judged.accepted.columns().iter();
        let own = own.take(conformer.targets.len());
        self.text_left = self.expect(own.map(text_bytes).sum())?;
        let key_order = &conformer.key_order;
        key_order.extend(&mut self.ordered, rows, judged.key_range);
        self.records += judged.records;
        add(&mut self.warned, judged.warned);
        add(&mut self.fatal, judged.fatal);
        for (column, ignored) in judged.ignored {
            let known = self.ignored.entry(column).or_default();
            known.add(ignored.into_keys());
        }
        self.accepted.write(&judged.accepted)?;
        for keys in &judged.rejected_keys {
            self.rejected_keys.write(keys)?;
        }
        for reject in &judged.rejects {
            *self.by_rule.entry(reject.rule).or_default() += 1;
            if let (true, Some(column)) = (reject.rule.is_of_type(), &reject.column) {
                *self.mistyped.entry(column.clone()).or_default() += 1;
            }
            self.firsts
                .entry(reject.rule)
                .or_insert_with(|| FirstReject {
                    line: reject.line,
                    reason: reject.reason.clone(),
                });
        }
        self.waiting.append(&mut judged.rejects);
        if self.waiting.len() >= REJECTS_AT_ONCE {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let batch = rejects_batch(&self.source, &self.file, &self.waiting)?;
        self.waiting.clear();
        self.rejected.write(&batch)
    }

    /// Completes the files.
    pub(crate) fn finish(mut self, conformer: &Conformer) -> Result<Written> {
        self.flush()?;
        let accepted = self.accepted.finish()?;
        Ok(Written {
            accepted: match conformer.key_order.finish(self.ordered) {
                Some(ordered) => accepted.in_key_order(ordered),
                None => accepted,
            },
            rejects: self.rejected.finish()?,
            rejected_keys: self.rejected_keys.finish()?,
            records: self.records,
            by_rule: self.by_rule,
            mistyped: self.mistyped,
            firsts: self.firsts,
            warned: self.warned,
            fatal: self.fatal,
            ignored: conformer.unread_fields(&self.ignored),
            taken_from_path: conformer.taken_from_path(),
        })
    }
}

/// What becomes of a batch of records and of the broken ones among them, all between the same two bytes of the export.
pub(crate) fn judge(
    conformer: &Conformer,
    conformed: &Conformed,
    places: &[Place],
    broken: Option<BrokenRecords>,
    raw: impl Fn(usize) -> String,
) -> Result<Judged> {
    let lines = places.iter().map(|place| place.line).collect();
    let accepted = conformer.accepted(conformed, lines)?;
    let key_range = conformer.key_order.look(&accepted);
    let mut judged = Judged {
        records: places.len() as u64,
        key_range: key_range
            .map_err(|error| Error::internal("keys cannot be compared").caused_by(error))?,
        accepted,
        rejects: Vec::new(),
        rejected_keys: Vec::new(),
        warned: BTreeMap::new(),
        fatal: BTreeMap::new(),
        ignored: conformed.ignored.clone(),
    };
    for (column, fault) in &conformed.warnings {
        if !conformed.breaches.contains_key(&fault.row) {
            let line = places[fault.row].line;
            note(&mut judged.warned, conformer, *column, fault, line);
        }
    }
    for (column, fault) in conformed.breaches.values().filter(|(_, f)| f.is_fatal) {
        if let Some(column) = column {
            let line = places[fault.row].line;
            note(&mut judged.fatal, conformer, *column, fault, line);
        }
    }
    judged.add_breaches(conformer, conformed, places, raw)?;
    if let Some(broken) = broken {
        judged.add_broken(conformer, broken)?;
        judged.rejects.sort_by_key(|reject| reject.line);
    }
    Ok(judged)
}

impl Judged {
    /// Rejects of records that break the contract.
    fn add_breaches(
        &mut self,
        conformer: &Conformer,
        conformed: &Conformed,
        places: &[Place],
        raw: impl Fn(usize) -> String,
    ) -> Result<()> {
        if conformed.breaches.is_empty() {
            return Ok(());
        }
        let keys: Vec<ArrayRef> = conformer
            .key
            .iter()
            .map(|at| Arc::clone(&conformed.columns[*at]))
            .collect();
        let readable = conformer.readable(&keys, places.len());
        let rows: Vec<usize> = conformed.breaches.keys().copied().collect();
        let readable_rows = rows.iter().copied().filter(|row| readable[*row]);
        self.keep_keys(conformer, &keys, readable_rows)?;
        let rejects = conformed.breaches.iter().map(|(row, breach)| {
            let (column, reason) = describe(conformer, breach);
            Reject {
                line: places[*row].line,
                byte: places[*row].byte,
                column,
                rule: breach.1.rule,
                reason,
                raw: cut(raw(*row)),
                key: readable[*row].then(|| key_text(conformer, &keys, *row)),
            }
        });
        self.rejects.extend(rejects);
        Ok(())
    }

    fn add_broken(&mut self, conformer: &Conformer, broken: BrokenRecords) -> Result<()> {
        self.records += broken.records.len() as u64;
        let rows = (0..broken.records.len()).filter(|row| broken.readable[*row]);
        self.keep_keys(conformer, &broken.keys, rows)?;
        let rejects = broken.records.into_iter().enumerate().map(|(row, record)| {
            let mut reason = format!("the record {}", record.rule.reason());
            if let Some((found, wanted)) = record.widths {
                reason = format!("{reason}: {found} where {wanted} are declared");
            }
            Reject {
                line: record.place.line,
                byte: record.place.byte,
                column: None,
                rule: record.rule,
                reason,
                raw: cut(record.raw),
                key: broken.readable[row].then(|| key_text(conformer, &broken.keys, row)),
            }
        });
        self.rejects.extend(rejects);
        Ok(())
    }

    fn keep_keys(
        &mut self,
        conformer: &Conformer,
        keys: &[ArrayRef],
        rows: impl Iterator<Item = usize>,
    ) -> Result<()> {
        let rows: UInt32Array = rows.map(|row| row as u32).collect::<Vec<_>>().into();
        if keys.is_empty() || rows.is_empty() {
            return Ok(());
        }
        let batch = take_arrays(keys, &rows, None)
            .and_then(|taken| RecordBatch::try_new(key_schema(conformer), taken))
            .map_err(|error| Error::internal("keys do not fit together").caused_by(error))?;
        self.rejected_keys.push(batch);
        Ok(())
    }
}

/// Bytes of the texts in a column, one that many records share once for each.
fn text_bytes(array: &ArrayRef) -> u64 {
    match array.data_type() {
        DataType::Utf8 => {
            let ends = array.as_string::<i32>().value_offsets();
            ends.last().map_or(0, |last| (last - ends[0]) as u64)
        }
        DataType::List(_) => text_bytes(array.as_list::<i32>().values()),
        DataType::Struct(_) => array.as_struct().columns().iter().map(text_bytes).sum(),
        _ => 0,
    }
}

/// The columns of the key.
fn key_schema(conformer: &Conformer) -> SchemaRef {
    let fields = conformer.schema.fields();
    let key = conformer.key.iter().map(|at| Arc::clone(&fields[*at]));
    Arc::new(Schema::new(key.collect::<Vec<_>>()))
}

fn key_text(conformer: &Conformer, keys: &[ArrayRef], row: usize) -> String {
    let names = conformer
        .key
        .iter()
        .map(|at| conformer.targets[*at].name.as_str());
    json_row(names.zip(keys), row)
}

/// Adds what records of a later batch break.
fn add(rules: &mut BrokenRules, later: BrokenRules) {
    for (rule, broken) in later {
        match rules.entry(rule) {
            Entry::Occupied(mut known) => known.get_mut().records += broken.records,
            Entry::Vacant(new) => {
                new.insert(broken);
            }
        }
    }
}

/// Counts a record that breaks a rule.
fn note(rules: &mut BrokenRules, conformer: &Conformer, column: usize, fault: &Fault, line: i64) {
    let name = conformer.targets[column].name.clone();
    let broken = rules.entry((name, fault.rule)).or_insert_with(|| {
        let (_, reason) = describe(conformer, &(Some(column), fault.clone()));
        BrokenRule {
            records: 0,
            first: FirstReject { line, reason },
        }
    });
    broken.records += 1;
}

/// Column and reason of a breach.
fn describe(conformer: &Conformer, (column, fault): &Breach) -> (Option<String>, String) {
    match column {
        None => (None, format!("the record {}", fault.rule.reason())),
        Some(column) => {
            let target = &conformer.targets[*column];
            let reason = format!("`{}{}` {}", target.name, fault.path, fault.rule.reason());
            (Some(target.name.clone()), reason)
        }
    }
}
