//! One export, from storage to scratch files: decoded, held to its contract, accounted for.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use object_store::ObjectStore;

use super::archive::{is_archive, only_file};
use super::conform::{Conformer, Converter};
use super::drift::{Drift, drift_of, refuse_drift};
use super::encoded::{Utf8Sight, text};
use super::flaw::{Flaw, is_unreadable};
use super::format::{Damage, Decoding, Seen, format, unreadable};
use super::input::{HashedBytes, RawBytes, bounded, packed_again, unpacked};
use super::output::{BrokenRules, FirstReject, Output, Written};
use super::parts;
use super::rule::{Reading, Rule};
use super::scratch::ScratchFile;
use crate::diagnostic::{Code, Place};
use crate::error::{Error, Result};
use crate::name::RunId;
use crate::project::{Captures, Contract, Encoding, OnDrift, Read as Declared, Source};

/// An export to be decoded.
#[derive(Clone, Debug)]
pub(crate) struct Export {
    /// Where the store has it.
    pub(crate) location: object_store::path::Path,
    /// Path below `raw`: its name in the ledger, the reports and `_kilde_source_file`.
    pub(crate) path: String,
    /// As it was listed.
    pub(crate) size: u64,
    /// What the path says.
    pub(crate) captures: Captures,
}

/// How an export fared. `records` = `accepted` + `rejected`, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportReport {
    /// Path below `raw`.
    pub(crate) path: String,
    pub(crate) reading: Reading,
    /// It is UTF-8, by its bytes, and is read in another encoding.
    pub(crate) is_utf8_unasked: bool,
    /// What is exploded, and how many records lack it, where none has it.
    pub(crate) without_list: Option<(String, u64)>,
    /// Bytes as they lie in storage.
    pub(crate) size: u64,
    /// blake3 of those bytes, in hexadecimal.
    pub(crate) hash: String,
    pub(crate) modified_at: DateTime<Utc>,
    pub(crate) records: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) rejects_by_rule: BTreeMap<Rule, u64>,
    /// The first record that broke each rule.
    pub(crate) first_rejects: BTreeMap<Rule, FirstReject>,
    /// Records by the column whose value is of another type.
    pub(crate) mistyped: BTreeMap<String, u64>,
    /// Rules that records break which were taken all the same (`action: warn`).
    pub(crate) warned: BrokenRules,
    /// Rules whose breach fails the export (`action: fail`); its records are among the rejected.
    pub(crate) fatal: BrokenRules,
    /// Names of the export's columns, where it says them.
    pub(crate) header: Option<Vec<String>>,
    /// How they differ from the contract's.
    pub(crate) drift: Vec<Drift>,
    /// Columns that the contract does not want.
    pub(crate) ignored_columns: Vec<String>,
    /// Columns of which the path gave some record its value.
    pub(crate) taken_from_path: BTreeSet<String>,
}

impl ExportReport {
    /// The reject that comes first, and the rule that it broke.
    fn first_reject(&self) -> Option<(Rule, &FirstReject)> {
        let first = self
            .first_rejects
            .iter()
            .min_by_key(|(_, first)| first.line);
        first.map(|(rule, first)| (*rule, first))
    }

    /// What people should look at, since the export is most likely read in another way than it was written: half of its
    /// records or more are rejected, and not only a few, or its bytes are of another encoding.
    pub(crate) fn doubt(&self) -> Option<String> {
        let utf8 = self.is_utf8_unasked.then(|| {
            format!(
                "{}: its letters beyond ASCII are those of utf-8, and it is read in another encoding: say `encoding: utf-8` at the source, or ask its sender",
                self.path
            )
        });
        let list = self.without_list.as_ref().map(|(list, records)| {
            format!(
                "{}: none of its {records} records has the list `{list}` that `explode` names, so that none gives a row",
                self.path
            )
        });
        let all = [self.doubt_of_rejects(), utf8, list];
        let all: Vec<String> = all.into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn doubt_of_rejects(&self) -> Option<String> {
        let by_encoding = self.first_rejects.get_key_value(&Rule::Encoding);
        let (rule, first) = by_encoding
            .map(|(rule, first)| (*rule, first))
            .or_else(|| {
                self.first_reject()
                    .filter(|_| self.rejected >= MANY && self.rejected * 2 >= self.records)
            })?;
        let count = self.rejects_by_rule.get(&rule).copied().unwrap_or(0);
        let mut text = format!(
            "{}:{}: {}, as in {count} of {} records",
            self.path, first.line, first.reason, self.records
        );
        if let Some(remedy) = rule.remedy(count, self.records, self.reading) {
            text.push_str(&format!("; say {remedy}"));
        }
        Some(text)
    }
}

/// Rejects that are more than mistakes of single records.
const MANY: u64 = 10;

/// A decoded export.
#[derive(Debug)]
pub(crate) struct DecodedExport {
    pub(crate) report: ExportReport,
    /// Rows of the table's schema, in the order of the export.
    pub(crate) accepted: Arc<ScratchFile>,
    /// Rows of [`super::rejects_schema`].
    pub(crate) rejects: Arc<ScratchFile>,
    /// The key columns of the rejects whose key can be read.
    pub(crate) rejected_keys: Arc<ScratchFile>,
}

/// What is kept of an export once its rows are in the table, or are not wanted there.
#[derive(Debug)]
pub(crate) struct ReadExport {
    pub(crate) report: ExportReport,
    /// Rows of [`super::rejects_schema`].
    pub(crate) rejects: Arc<ScratchFile>,
}

impl ReadExport {
    /// Lets go of the accepted rows: before a release waits for the disk, nothing shall be left to write that nobody reads.
    pub(crate) fn of(export: Arc<DecodedExport>) -> Arc<Self> {
        let (report, rejects) = match Arc::try_unwrap(export) {
            Ok(export) => (export.report, export.rejects),
            Err(export) => (export.report.clone(), Arc::clone(&export.rejects)),
        };
        Arc::new(Self { report, rejects })
    }
}

/// What a decoder may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest record.
    pub(crate) max_record_bytes: u64,
    /// That may work on one export at once.
    pub(crate) threads: usize,
}

/// An export, and all by which it is read.
#[derive(Clone, Debug)]
pub(crate) struct ReadRequest {
    pub(crate) export: Export,
    pub(crate) source: Arc<Source>,
    pub(crate) contract: Arc<Contract>,
    pub(crate) limits: Limits,
    /// Folder for the files of this one export; it is created.
    pub(crate) scratch: PathBuf,
}

impl ReadRequest {
    /// The longest record, as decoders count: cells are offsets of 32 bits.
    fn max_record_bytes(&self) -> usize {
        usize::try_from(self.limits.max_record_bytes)
            .unwrap_or(usize::MAX)
            .clamp(1, 1 << 30)
    }
}

/// An export that cannot be read, whoever tries.
#[derive(Debug)]
pub(crate) struct UnreadableExport {
    /// Path below `raw`.
    pub(crate) path: String,
    /// Bytes as they lie in storage.
    pub(crate) size: u64,
    /// blake3 of those bytes, in hexadecimal.
    pub(crate) hash: String,
    pub(crate) modified_at: DateTime<Utc>,
    /// Why.
    pub(crate) error: Error,
    /// Byte of its content at which reading ended, where that is known.
    pub(crate) byte: Option<u64>,
}

/// An export that can be read, but is not as its source and contract want it.
#[derive(Debug)]
pub(crate) struct MisfitExport {
    /// What was found in it: nothing but what it is, where no record was read.
    pub(crate) report: ExportReport,
    /// Why it is not taken.
    pub(crate) error: Error,
}

/// What came of reading an export.
#[derive(Debug)]
pub(crate) enum Attempt {
    Decoded(DecodedExport),
    Misfit(Box<MisfitExport>),
    Unreadable(UnreadableExport),
}

impl Attempt {
    /// Bytes that were read.
    fn size(&self) -> u64 {
        match self {
            Self::Decoded(decoded) => decoded.report.size,
            Self::Misfit(misfit) => misfit.report.size,
            Self::Unreadable(unreadable) => unreadable.size,
        }
    }

    fn seen_as(mut self, sight: &Utf8Sight) -> Self {
        if let Self::Decoded(decoded) = &mut self {
            decoded.report.is_utf8_unasked = sight.is_utf8();
        }
        self
    }
}

/// Decodes an export that must be readable.
///
/// # Errors
/// Those of [`read_export`]; `Input` where it cannot be read, or is not as its contract says.
pub(crate) async fn decode_export(
    store: &Arc<dyn ObjectStore>,
    request: ReadRequest,
) -> Result<DecodedExport> {
    match read_export(store, request).await? {
        Attempt::Decoded(decoded) => Ok(decoded),
        Attempt::Misfit(misfit) => Err(misfit.error),
        Attempt::Unreadable(unreadable) => Err(unreadable.error),
    }
}

/// Decodes an export.
///
/// Storage is read once, a little ahead; decoding runs on a blocking thread, which others help where it is text. The export must
/// not change meanwhile.
///
/// # Errors
/// `Config` where a test of the contract cannot be held; `Unavailable` where storage or scratch disk fail.
pub(crate) async fn read_export(
    store: &Arc<dyn ObjectStore>,
    request: ReadRequest,
) -> Result<Attempt> {
    let export = request.export.clone();
    let parts = parts::open(store, &export.location, export.size).await?;
    let (size, modified_at) = (parts.meta.size, parts.meta.last_modified);
    let task = Task {
        request,
        modified_at,
    };
    let attempt = parts.read(move |raw| task.run(raw)).await??;
    match attempt.size() == size {
        true => Ok(attempt),
        false => Err(parts::changed(&export.location)),
    }
}

fn packed_twice(packing: &str, path: &str) -> Error {
    Error::input(format!("the content is packed once more, as {packing}"))
        .code(Code(402))
        .at(path)
        .help("ask its sender to pack it once; an archive may hold one packed file")
}

/// What the blocking side owns.
pub(super) struct Task {
    pub(super) request: ReadRequest,
    pub(super) modified_at: DateTime<Utc>,
}

impl Task {
    /// Makes the folder for the files of this one export.
    pub(super) fn make_scratch(&self) -> Result<()> {
        std::fs::create_dir_all(&self.request.scratch).map_err(|error| {
            Error::unavailable("a scratch folder cannot be made")
                .at(self.request.scratch.display().to_string())
                .caused_by(error)
        })
    }

    fn run(self, mut raw: RawBytes) -> Result<Attempt> {
        self.make_scratch()?;
        let passage = Passage::default();
        let records = self.records(&mut raw, &passage);
        let records = records_or_flaw(records)?;
        // whatever is wrong with it, it is told by the hash of all of it
        let (size, hash) = raw.finish().map_err(|error| self.unavailable(error))?;
        let content = (size, hash.to_hex().to_string());
        let byte = byte_read(&records, &passage);
        let attempt = self.attempt(records, content, byte)?;
        Ok(attempt.seen_as(&passage.sight.borrow()))
    }

    /// The same of a file of an archive. `told`: size and hash by which it is told where it cannot be unpacked.
    pub(super) fn run_unpacked(self, unpacked: impl Read, told: (u64, String)) -> Result<Attempt> {
        self.make_scratch()?;
        let passage = Passage::default();
        let mut bytes = HashedBytes::new(unpacked);
        let records = self.records(&mut bytes, &passage);
        let records = records_or_flaw(records)?;
        let content = bytes.finish().map_err(|error| self.unavailable(error))?;
        let byte = byte_read(&records, &passage);
        let attempt = self.attempt(records, content.unwrap_or(told), byte)?;
        Ok(attempt.seen_as(&passage.sight.borrow()))
    }

    /// What came of it. `records`: an error only where that lies with the export; `content`: its size and hash; `byte`: at
    /// which reading ended.
    pub(super) fn attempt(
        self,
        records: Result<(Seen, Written)>,
        (size, hash): (u64, String),
        byte: Option<u64>,
    ) -> Result<Attempt> {
        match records {
            Ok((seen, written)) => self.decoded(seen, written, (size, hash)),
            Err(error) if !is_unreadable(&error) => Ok(Attempt::Misfit(Box::new(MisfitExport {
                report: self.report((size, hash)),
                error,
            }))),
            Err(error) => Ok(Attempt::Unreadable(UnreadableExport {
                path: self.request.export.path,
                size,
                hash,
                modified_at: self.modified_at,
                byte,
                error,
            })),
        }
    }

    /// Every record, accepted or rejected.
    fn records(&self, raw: impl Read, passage: &Passage) -> Result<(Seen, Written)> {
        let path = &self.request.export.path;
        let (_, bytes) = unpacked(raw, path).map_err(|error| unreadable(error, path))?;
        let bytes = bounded(bytes, self.request.export.size);
        let packed = self.request.scratch.join("export.zip");
        let bytes: Box<dyn Read + '_> = match is_archive(bytes, &self.request.source.read, path)? {
            (true, bytes) => {
                let only = only_file(bytes, self.request.source.member.as_ref(), path, &packed)?;
                unpacked(only, path)
                    .map_err(|error| unreadable(error, path))?
                    .1
            }
            (false, bytes) => bytes,
        };
        let is_workbook = matches!(self.request.source.read, Declared::Xlsx(_));
        let bytes = match packed_again(bytes, is_workbook) {
            Ok((None, bytes)) => bounded(bytes, self.request.export.size),
            Ok((Some(packing), _)) => return Err(packed_twice(packing, path)),
            Err(error) => return Err(unreadable(error, path)),
        };
        let bytes = Box::new(Positioned {
            bytes,
            byte: Rc::clone(&passage.byte),
        });
        let (mut bytes, read) = text_of(bytes, &self.request.source.read, path)?;
        if read.encoding().is_some_and(Encoding::is_single_byte) {
            bytes = Box::new(Seeing {
                bytes,
                sight: Rc::clone(&passage.sight),
            });
        }
        let format = format(&read);
        let decoded = self.conformed(self.request.export.size, format.converter(), |task| {
            format.decode(&mut bytes, task)
        });
        let _ = std::fs::remove_file(&packed);
        decoded
    }

    /// Every record that `decode` finds in `size` bytes, held to the contract.
    pub(super) fn conformed(
        &self,
        size: u64,
        converter: Converter,
        decode: impl FnOnce(Decoding<'_>) -> Result<Seen>,
    ) -> Result<(Seen, Written)> {
        let path = &self.request.export.path;
        let zone = self.request.source.read.conversions().zone;
        let conformer = Conformer::new(
            &self.request.contract,
            self.request.source.load,
            converter,
            &self.request.export.captures,
            zone,
            path,
        )?;
        let conformer = match self.request.source.drift.missing.value {
            OnDrift::Ignore => conformer.allowing_missing_columns(),
            _ => conformer,
        };
        let conformer = conformer.exploding(self.request.source.read.explode());
        let table = self.request.source.table.to_string();
        let mut output = Output::new(
            &conformer,
            &table,
            (path, size),
            &self.request.scratch.join("export"),
        );
        let copy = self.request.scratch.join("export.raw");
        let decoding = Decoding {
            conformer: &conformer,
            output: &mut output,
            file: path,
            max_record_bytes: self.request.max_record_bytes(),
            threads: self.request.limits.threads,
            scratch: &copy,
        };
        let seen = decode(decoding);
        // not there for formats that stream
        let _ = std::fs::remove_file(&copy);
        let seen = seen?;
        Ok((seen, output.finish(&conformer)?))
    }

    /// Accounts for what was read.
    fn decoded(&self, seen: Seen, written: Written, content: (u64, String)) -> Result<Attempt> {
        let has_names = self.request.source.read.has_header();
        let explode = self.request.source.read.explode();
        let names = seen.header.as_deref().filter(|_| has_names);
        let is_captured = |column: &str| self.request.export.captures.columns.contains_key(column);
        let report = ExportReport {
            drift: names.map_or_else(Vec::new, |names| {
                drift_of(names, &self.request.contract, is_captured)
            }),
            mistyped: written.mistyped,
            warned: written.warned,
            fatal: written.fatal,
            records: written.records,
            accepted: written.accepted.rows(),
            rejected: written.rejects.rows(),
            rejects_by_rule: written.by_rule,
            first_rejects: written.firsts,
            header: seen.header,
            without_list: Some((explode.unwrap_or_default().join("."), seen.without_list))
                .filter(|(_, records)| *records > 0),
            ignored_columns: [seen.ignored, written.ignored].concat(),
            taken_from_path: written.taken_from_path,
            ..self.report(content)
        };
        check_sum(&report)?;
        if let Err(error) = refuse_drift(&self.request.source, &self.request.contract, &report) {
            return Ok(Attempt::Misfit(Box::new(MisfitExport { report, error })));
        }
        Ok(Attempt::Decoded(DecodedExport {
            report,
            accepted: Arc::new(written.accepted),
            rejects: Arc::new(written.rejects),
            rejected_keys: Arc::new(written.rejected_keys),
        }))
    }

    /// Of an export, by its size and hash, before a record is counted.
    fn report(&self, (size, hash): (u64, String)) -> ExportReport {
        ExportReport {
            path: self.request.export.path.clone(),
            reading: Reading::of(&self.request.source.read),
            is_utf8_unasked: false,
            without_list: None,
            size,
            hash,
            modified_at: self.modified_at,
            records: 0,
            accepted: 0,
            rejected: 0,
            rejects_by_rule: BTreeMap::new(),
            first_rejects: BTreeMap::new(),
            mistyped: BTreeMap::new(),
            warned: BrokenRules::new(),
            fatal: BrokenRules::new(),
            header: None,
            drift: Vec::new(),
            ignored_columns: Vec::new(),
            taken_from_path: BTreeSet::new(),
        }
    }

    fn unavailable(&self, error: io::Error) -> Error {
        Error::unavailable("the export cannot be read")
            .at(&self.request.export.path)
            .caused_by(error)
    }
}

/// The inner error lies with the export, every other one does not.
pub(super) fn records_or_flaw(records: Result<(Seen, Written)>) -> Result<Result<(Seen, Written)>> {
    match records {
        Err(error) if Flaw::of(&error).is_none() => Err(error),
        records => Ok(records),
    }
}

fn byte_read(records: &Result<(Seen, Written)>, passage: &Passage) -> Option<u64> {
    let error = records.as_ref().err();
    error.and_then(|error| byte_of(error, passage))
}

/// What is seen of an export's content as it is read.
#[derive(Default)]
struct Passage {
    /// How many bytes were read.
    byte: Rc<Cell<u64>>,
    /// Of text in an encoding of one byte a character.
    sight: Rc<RefCell<Utf8Sight>>,
}

/// Counts the bytes that pass.
struct Positioned<'a> {
    bytes: Box<dyn Read + 'a>,
    byte: Rc<Cell<u64>>,
}

impl Read for Positioned<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(out)?;
        self.byte.set(self.byte.get() + length as u64);
        Ok(length)
    }
}

/// Looks at the bytes that pass.
struct Seeing<'a> {
    bytes: Box<dyn Read + 'a>,
    sight: Rc<RefCell<Utf8Sight>>,
}

impl Read for Seeing<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(out)?;
        self.sight.borrow_mut().see(&out[..length]);
        Ok(length)
    }
}

/// The byte of an export's content at which it could not be read on; `None` where only its line is known.
fn byte_of(error: &Error, passage: &Passage) -> Option<u64> {
    let cause = std::error::Error::source(error);
    if let Some(damage) = cause.and_then(|cause| cause.downcast_ref::<Damage>()) {
        return Some(damage.byte);
    }
    match error.number()?.0 {
        // all of it was read before its end, or what lies there, was missed
        402 | 403 | 421 | 422 => Some(passage.byte.get()),
        405..=407 => Some(0),
        _ => None,
    }
}

/// The content as text that `read` then says how to read: what encoding it is in is known only once its first bytes are.
pub(super) fn text_of<'a>(
    bytes: Box<dyn Read + 'a>,
    read: &Declared,
    path: &str,
) -> Result<(Box<dyn Read + 'a>, Declared)> {
    let Some(declared) = read.encoding() else {
        return Ok((bytes, read.clone()));
    };
    let (bytes, encoding) = text(bytes, declared).map_err(|error| unreadable(error, path))?;
    Ok((bytes, read.in_encoding(encoding)))
}

/// No record disappears.
fn check_sum(report: &ExportReport) -> Result<()> {
    let counted: u64 = report.rejects_by_rule.values().sum();
    if report.accepted + report.rejected == report.records && counted == report.rejected {
        return Ok(());
    }
    Err(Error::internal(format!(
        "{} records became {} accepted and {} rejected",
        report.records, report.accepted, report.rejected
    ))
    .at(&report.path))
}

/// Holds the rejects of a source's exports, all of one build, to the source's limit. `run`: where people find them.
///
/// # Errors
/// `Quality` K0412 where there are more, K0466 where a record breaks a rule that fails its export.
pub(crate) fn check_rejects(source: &Source, reports: &[&ExportReport], run: &RunId) -> Result<()> {
    refuse_fatal(source, reports, run)?;
    let rejected: u64 = reports.iter().map(|report| report.rejected).sum();
    let records: u64 = reports.iter().map(|report| report.records).sum();
    let Some(limit) = source
        .max_rejects
        .filter(|limit| !limit.allows(rejected, records))
    else {
        return Ok(());
    };
    let mut firsts = reports
        .iter()
        .filter_map(|report| Some((report, report.first_reject()?)));
    let (place, reason, remedy) = match firsts.next() {
        Some((report, (rule, first))) => (
            format!("{}:{}", report.path, first.line),
            format!(", the first since {}", first.reason),
            rule.remedy(
                report.rejects_by_rule.get(&rule).copied().unwrap_or(0),
                report.records,
                report.reading,
            ),
        ),
        None => (String::new(), String::new(), None),
    };
    let declared_at = Place {
        file: Arc::clone(&source.file),
        span: source.span,
    }
    .location();
    let remedy = remedy.map_or_else(String::new, |remedy| {
        format!("; say {remedy}, in {declared_at}")
    });
    Err(Error::quality(format!(
        "{rejected} of {records} records were rejected, more than `at_most: {limit}` allows{reason}"
    ))
    .code(Code(412))
    .at(place)
    .help(format!(
        "`kilde rejects {} --candidate {run}` lists the reasons{remedy}",
        source.table.name()
    )))
}

/// # Errors
/// `Quality` K0466 where a record breaks a rule that fails its export.
fn refuse_fatal(source: &Source, reports: &[&ExportReport], run: &RunId) -> Result<()> {
    let mut found = reports
        .iter()
        .flat_map(|report| report.fatal.values().map(move |broken| (report, broken)));
    let Some((report, broken)) = found.next() else {
        return Ok(());
    };
    Err(Error::quality(format!(
        "{} in {} of {} records, and the rule says `action: fail`",
        broken.first.reason, broken.records, report.records
    ))
    .code(Code(466))
    .at(format!("{}:{}", report.path, broken.first.line))
    .help(format!(
        "`kilde rejects {} --candidate {run}` shows them",
        source.table.name()
    )))
}
