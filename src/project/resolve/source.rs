//! `sources:` of a pipeline → [`Source`]s.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::instant::instant;
use super::super::raw::{
    DateFormat, EscapeSign, JsonPath, Mistake, NegativeForm, NumberSign, OneOrMany, RawCsv,
    RawDelta, RawDrift, RawDue, RawFixed, RawFreshness, RawPipelineFile, RawRead, RawReady,
    RawSender, RawSource, RawXlsx, Signs, Texts, TimeFormat, Unit,
};
use super::super::{
    AvroRead, Conversions, CsvRead, DEFAULT_FIRST_YEAR, DeltaRead, DeltaVersion, DriftModes, Due,
    Encoding, Escape, FixedRead, Frame, Freshness, JsonRead, Load, Marker, NdjsonRead, Negatives,
    OnDrift, OnUnreadable, ParquetRead, PathPattern, Read, Ready, Sender, Source, Spanned,
    XlsxRead,
};
use super::settings::SECRET;
use super::{Settings, blame, pipeline_name};
use crate::diagnostic::{Diagnostic, SourceFile, Span};
use crate::location::Location;
use crate::name::TableName;

/// Every source of every pipeline.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) by_table: BTreeMap<TableName, Source>,
    /// Where each was written.
    pub(super) written_at: BTreeMap<TableName, WrittenAt>,
    /// Whether every source could be read.
    pub(super) whole: bool,
}

/// Places of a source in its pipeline's file.
#[derive(Debug)]
pub(super) struct WrittenAt {
    pub(super) table: Span,
    /// Of each pattern.
    pub(super) patterns: Vec<Span>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            by_table: BTreeMap::new(),
            written_at: BTreeMap::new(),
            whole: true,
        }
    }
}

/// Takes the sources out of every pipeline as written.
pub(super) fn resolve(
    pipelines: &mut [(Arc<SourceFile>, Option<RawPipelineFile>)],
    settings: &Settings,
    found: &mut Vec<Diagnostic>,
) -> Sources {
    let mut sources = Sources::default();
    for (file, raw) in pipelines {
        let Some(raw) = raw else {
            sources.whole = false;
            continue;
        };
        sources.whole &= raw.sources.whole;
        let items = std::mem::take(&mut raw.sources.items);
        let pipeline = pipeline_name(file);
        of_pipeline(file, &pipeline, items, settings, &mut sources, found);
    }
    sources
}

/// Adds the sources of one pipeline.
fn of_pipeline(
    file: &Arc<SourceFile>,
    pipeline: &str,
    items: Vec<Spanned<RawSource>>,
    settings: &Settings,
    sources: &mut Sources,
    found: &mut Vec<Diagnostic>,
) {
    for item in items {
        let raw = item.value;
        let table = raw.table.value;
        if let Some(other) = sources.by_table.get(&table) {
            let (line, _) = other.file.position(sources.written_at[&table].table.start);
            let mistake = Mistake::new(140, format!("`{table}` is declared twice")).help(format!(
                "{}:{line} declares it already: keep one",
                other.file.path
            ));
            found.push(blame(file, raw.table.span, mistake));
            continue;
        }
        let mut check = Check { file, found };
        let read = check.read(raw.read.value, settings);
        let drift = check.drift(raw.drift, &read);
        let load = check.load(raw.load, &read, raw.table.span);
        let unreadable = check.unreadable(raw.unreadable, load);
        check.files_of_archives(&raw.files.0, raw.member.as_ref(), &read);
        let member = raw.member.and_then(|member| check.member(member));
        let freshness = check.freshness(raw.freshness);
        let ready = check.ready(raw.ready, &read);
        let sender = raw.sender.map(|raw| check.sender(raw, settings));
        let written_at = WrittenAt {
            table: raw.table.span,
            patterns: raw.files.0.iter().map(|pattern| pattern.span).collect(),
        };
        sources.written_at.insert(table.clone(), written_at);
        sources.by_table.insert(
            table.clone(),
            Source {
                table,
                file: Arc::clone(file),
                span: item.span,
                pipeline: pipeline.to_string(),
                patterns: raw
                    .files
                    .0
                    .into_iter()
                    .map(|pattern| pattern.value)
                    .collect(),
                member,
                read,
                load,
                max_rejects: raw.rejects.and_then(|rejects| rejects.at_most),
                drift,
                freshness,
                due: raw.due.map(due),
                sender,
                ready,
                on_error: raw.on_error.unwrap_or_default(),
                unreadable,
                tags: raw.tags.0,
            },
        );
    }
}

/// The settings of a format against each other.
struct Check<'a> {
    file: &'a Arc<SourceFile>,
    found: &'a mut Vec<Diagnostic>,
}

/// What formats with text say of it, as written.
struct AsWritten {
    decimal: Option<Spanned<NumberSign>>,
    thousands: Option<Spanned<NumberSign>>,
    units: OneOrMany<Unit>,
    negatives: OneOrMany<NegativeForm>,
    nulls: Option<Texts>,
    trues: Option<Spanned<Texts>>,
    falses: Option<Spanned<Texts>>,
    dates: OneOrMany<DateFormat>,
    times: OneOrMany<TimeFormat>,
    two_digit_years_from: Option<Spanned<u64>>,
    zone: chrono_tz::Tz,
}

/// The conversions of a raw shape: every format with text writes them by the same keys.
macro_rules! conversions {
    ($check:expr, $raw:expr, $zone:expr) => {
        $check.conversions(AsWritten {
            decimal: $raw.decimal,
            thousands: $raw.thousands,
            units: $raw.units,
            negatives: $raw.negatives,
            nulls: $raw.nulls,
            trues: $raw.trues,
            falses: $raw.falses,
            dates: $raw.dates,
            times: $raw.times,
            two_digit_years_from: $raw.two_digit_years_from,
            zone: $raw.zone.map_or($zone, |zone| zone.0),
        })
    };
}

fn due(raw: RawDue) -> Due {
    Due {
        by: raw.by.0,
        days: raw.days.0,
        covers: raw.covers.unwrap_or_default(),
    }
}

fn texts(signs: OneOrMany<Signs>) -> Vec<String> {
    signs.0.into_iter().map(|sign| sign.0).collect()
}

fn keys(path: Spanned<JsonPath>) -> Vec<String> {
    path.value.0
}

/// A sign of a format: what it is for, which character, where it was written, if it was.
type Sign = (&'static str, String, Option<Span>);

impl Check<'_> {
    fn read(&mut self, raw: RawRead, settings: &Settings) -> Read {
        let zone = settings.time_zone;
        match raw {
            RawRead::Csv(csv) => Read::Csv(self.csv(csv, zone)),
            RawRead::Fixed(fixed) => Read::Fixed(self.fixed(fixed, zone)),
            RawRead::Ndjson(raw) => Read::Ndjson(NdjsonRead {
                encoding: raw.encoding.unwrap_or_default(),
                explode: raw.explode.map(keys),
                conversions: conversions!(self, raw, zone),
            }),
            RawRead::Json(raw) => Read::Json(JsonRead {
                path: raw.path.map(keys).unwrap_or_default(),
                encoding: raw.encoding.unwrap_or_default(),
                explode: raw.explode.map(keys),
                conversions: conversions!(self, raw, zone),
            }),
            RawRead::Avro(raw) => Read::Avro(AvroRead {
                explode: raw.explode.map(keys),
                conversions: conversions!(self, raw, zone),
            }),
            RawRead::Parquet(raw) => Read::Parquet(ParquetRead {
                conversions: conversions!(self, raw, zone),
            }),
            RawRead::Xlsx(raw) => Read::Xlsx(self.xlsx(raw, zone)),
            RawRead::Delta(raw) => Read::Delta(self.delta(raw, zone)),
        }
    }

    fn delta(&mut self, raw: RawDelta, zone: chrono_tz::Tz) -> DeltaRead {
        let at = match (&raw.version, &raw.timestamp) {
            (None, None) => DeltaVersion::Newest,
            (Some(version), None) => DeltaVersion::Numbered(version.value),
            (Some(_), Some(timestamp)) => {
                let mistake = Mistake::new(164, "`timestamp` beside `version`");
                let help = "each says which version is read: keep one";
                let mistake = mistake.help(help);
                self.found.push(blame(self.file, timestamp.span, mistake));
                DeltaVersion::Newest
            }
            (None, Some(timestamp)) => {
                let zone = raw.zone.as_ref().map_or(zone, |zone| zone.0);
                match instant(&timestamp.value, zone) {
                    Some(time) => DeltaVersion::By(time),
                    None => {
                        let message = format!("`{}` is no time", timestamp.value);
                        let help = "`2026-03-01`, `2026-03-01 06:00`, or one with a zone: `2026-03-01T06:00:00Z`";
                        let mistake = Mistake::new(164, message).help(help);
                        self.found.push(blame(self.file, timestamp.span, mistake));
                        DeltaVersion::Newest
                    }
                }
            }
        };
        DeltaRead {
            at,
            conversions: conversions!(self, raw, zone),
        }
    }

    fn xlsx(&mut self, raw: RawXlsx, zone: chrono_tz::Tz) -> XlsxRead {
        let header_rows = self.header_rows(raw.header.as_ref(), raw.header_rows.as_ref());
        XlsxRead {
            sheet: raw.sheet,
            header_rows,
            frame: Frame {
                skip_lines: raw.skip_lines.unwrap_or(0),
                skip_footer: raw.skip_footer.unwrap_or(0),
                until: texts(raw.until),
                comment: raw.comment.map(|sign| sign.value.0),
            },
            conversions: conversions!(self, raw, zone),
        }
    }

    /// The modes of a source, each one that its key has and its format can keep.
    fn drift(&mut self, raw: Option<Spanned<RawDrift>>, read: &Read) -> DriftModes {
        let defaults = DriftModes::default();
        let Some(raw) = raw else { return defaults };
        let RawDrift {
            added,
            missing,
            reordered,
            retyped,
        } = raw.value;
        use OnDrift::{Evolve, Fail, Ignore, Reject, RejectFile};
        // of columns that are there or not, `reject` can mean the file only
        let of_file = |mode: Option<Spanned<OnDrift>>| {
            mode.map(|mode| match mode.value {
                Reject => Spanned {
                    value: RejectFile,
                    ..mode
                },
                _ => mode,
            })
        };
        let ways = [Ignore, RejectFile, Fail];
        let with_evolve = [Ignore, Evolve, RejectFile, Fail];
        let words = "`ignore`, `reject_file` or `fail`";
        DriftModes {
            added: self.mode(
                of_file(added),
                "added",
                (&with_evolve, "`ignore`, `evolve`, `reject_file` or `fail`"),
                defaults.added,
                read,
            ),
            missing: self.mode(
                of_file(missing),
                "missing",
                (&ways, words),
                defaults.missing,
                read,
            ),
            reordered: self.mode(
                of_file(reordered),
                "reordered",
                (&ways, "`accept`, `reject_file` or `fail`"),
                defaults.reordered,
                read,
            ),
            retyped: self.mode(
                retyped,
                "retyped",
                (
                    &[Reject, RejectFile, Fail],
                    "`reject`, `reject_file` or `fail`",
                ),
                defaults.retyped,
                read,
            ),
        }
    }

    fn mode(
        &mut self,
        mode: Option<Spanned<OnDrift>>,
        key: &str,
        (allowed, words): (&[OnDrift], &str),
        default: Spanned<OnDrift>,
        read: &Read,
    ) -> Spanned<OnDrift> {
        let Some(mode) = mode else { return default };
        if !allowed.contains(&mode.value) {
            let mistake = Mistake::new(460, format!("`{key}` of `drift` cannot be that"));
            let mistake = mistake.help(format!("it is {words}"));
            self.found.push(blame(self.file, mode.span, mistake));
            return default;
        }
        let is_json = read.is_nested();
        let reason = match (key, mode.value) {
            (_, OnDrift::Ignore) | ("retyped", _) => None,
            _ if is_json && (key != "added" || mode.value == OnDrift::Evolve) => Some(
                "nested records have no header: a key may be in one and not in the next, and in any order",
            ),
            _ if !is_json && !read.has_header() => {
                Some("an export without a header has no names by which columns could be told")
            }
            _ => None,
        };
        let Some(reason) = reason else { return mode };
        let mistake = Mistake::new(460, format!("`{key}` cannot be watched: {reason}"));
        let help = match is_json {
            true => {
                "write the column into the contract; `data_tests: [not_null]` rejects records that lack it"
            }
            false => "remove it; a record with too many or too few fields is a reject",
        };
        self.found
            .push(blame(self.file, mode.span, mistake.help(help)));
        default
    }

    /// A Delta table is read whole.
    fn load(&mut self, raw: Option<Spanned<Load>>, read: &Read, table: Span) -> Load {
        let (load, span) = match raw {
            Some(raw) => (raw.value, raw.span),
            None => (Load::default(), table),
        };
        if matches!(read, Read::Delta(_)) && load != Load::Replace {
            let mistake = Mistake::new(163, "a Delta table that is not loaded by `load: replace`");
            let help = "each version is read whole, and is the whole truth: say `load: replace`";
            self.found.push(blame(self.file, span, mistake.help(help)));
        }
        load
    }

    /// `dump_*.zip!orders*.csv`: each such file is an export, and no other thing says which are.
    fn files_of_archives(
        &mut self,
        files: &[Spanned<PathPattern>],
        member: Option<&Spanned<PathPattern>>,
        read: &Read,
    ) {
        let Some(first) = files.iter().find(|pattern| pattern.value.archive.is_some()) else {
            return;
        };
        let mut refuse = |span, message, help| {
            let mistake = Mistake::new(167, message).help(help);
            self.found.push(blame(self.file, span, mistake));
        };
        if let Some(member) = member {
            let message = "`member` beside `files` that name files of archives";
            refuse(
                member.span,
                message,
                "keep one: behind `!` stands which files are exports",
            );
        }
        if matches!(read, Read::Delta(_)) {
            let message = "a Delta table within an archive";
            refuse(
                first.span,
                message,
                "name the folder that holds `_delta_log`",
            );
        }
    }

    fn member(&mut self, raw: Spanned<PathPattern>) -> Option<PathPattern> {
        if raw.value.captures.is_empty() {
            return Some(raw.value);
        }
        let mistake = Mistake::new(126, "`member` captures a column");
        let help = "only `files` does: write `*`";
        self.found
            .push(blame(self.file, raw.span, mistake.help(help)));
        None
    }

    fn unreadable(&mut self, raw: Option<Spanned<OnUnreadable>>, load: Load) -> OnUnreadable {
        let Some(Spanned { value, span }) = raw else {
            return OnUnreadable::of(load);
        };
        if (value, load) == (OnUnreadable::Warn, Load::Changes) {
            let message = "`unreadable: warn` of a source with `load: changes`";
            let help = "each export of it builds on the one before: say `reject_file`, and what `on_error` does then; `kilde exports skip` goes on without one";
            let mistake = Mistake::new(152, message).help(help);
            self.found.push(blame(self.file, span, mistake));
        }
        value
    }

    fn freshness(&mut self, raw: Option<Spanned<RawFreshness>>) -> Freshness {
        let Some(raw) = raw else {
            return Freshness::default();
        };
        let RawFreshness {
            warn_after,
            error_after,
        } = raw.value;
        if warn_after.is_none() && error_after.is_none() {
            let mistake = Mistake::new(126, "`freshness` without `warn_after` or `error_after`");
            self.found.push(blame(
                self.file,
                raw.span,
                mistake.help("for example `freshness: {warn_after: 26h, error_after: 50h}`"),
            ));
        }
        if let (Some(warn), Some(error)) = (&warn_after, &error_after) {
            let any_day = chrono::DateTime::UNIX_EPOCH;
            if error.value.before(any_day) > warn.before(any_day) {
                let mistake = Mistake::new(
                    126,
                    format!(
                        "`error_after: {}` is shorter than `warn_after: {warn}`",
                        error.value
                    ),
                );
                self.found.push(blame(
                    self.file,
                    error.span,
                    mistake.help("first comes the warning, then the error"),
                ));
            }
        }
        Freshness {
            warn_after,
            error_after: error_after.map(|period| period.value),
        }
    }

    fn sender(&mut self, raw: RawSender, settings: &Settings) -> Sender {
        let receipts = raw.receipts.and_then(|written| {
            match Location::parse(&written.value, &settings.root) {
                Ok(location) => Some(location),
                Err(error) => {
                    let code = if error.is_secret { SECRET } else { 103 };
                    let mistake = Mistake::new(code, error.message).help(error.help);
                    self.found.push(blame(self.file, written.span, mistake));
                    None
                }
            }
        });
        Sender {
            name: raw.name,
            email: raw.email,
            receipts,
        }
    }

    fn ready(&mut self, raw: Option<Spanned<RawReady>>, read: &Read) -> Ready {
        let Some(raw) = raw else {
            return Ready::default();
        };
        let RawReady { quiet_for, marker } = raw.value;
        if quiet_for.is_none() && marker.is_none() {
            let mistake = Mistake::new(126, "`ready` without `quiet_for` or `marker`");
            self.found.push(blame(
                self.file,
                raw.span,
                mistake.help("for example `ready: {quiet_for: 2m}`"),
            ));
        }
        let marker = marker.and_then(|name| {
            if let Read::Delta(_) = read {
                let mistake = Mistake::new(166, "`marker` of a Delta table");
                let help = "a version is whole once its entry is in the log: remove it";
                self.found
                    .push(blame(self.file, name.span, mistake.help(help)));
                return None;
            }
            let marker = Marker::new(&name.value);
            if marker.is_none() {
                let mistake = Mistake::new(
                    126,
                    format!("`{}` is no name of a file beside an export", name.value),
                );
                self.found.push(blame(
                    self.file,
                    name.span,
                    mistake
                        .help("write `_SUCCESS`, or `\"{file}.done\"` for one beside each export"),
                ));
            }
            marker
        });
        Ready { quiet_for, marker }
    }

    fn conversions(&mut self, texts: AsWritten) -> Conversions {
        let mut signs: Vec<Sign> = vec![(
            "decimal",
            texts
                .decimal
                .as_ref()
                .map_or('.', |sign| sign.value.0)
                .to_string(),
            texts.decimal.as_ref().map(|sign| sign.span),
        )];
        if let Some(sign) = &texts.thousands {
            signs.push(("thousands", sign.value.0.to_string(), Some(sign.span)));
        }
        self.apart(&signs);
        if let (Some(trues), Some(falses)) = (&texts.trues, &texts.falses) {
            let is_true = |text: &&String| {
                let is_it = |other: &String| other.to_lowercase() == text.to_lowercase();
                trues.value.0.iter().any(is_it)
            };
            if let Some(both) = falses.value.0.iter().find(is_true) {
                let mistake = Mistake::new(126, format!("`{both}` is both true and false"));
                let help = "upper and lower case are alike: keep it in one of the lists";
                self.found
                    .push(blame(self.file, falses.span, mistake.help(help)));
            }
        }
        let years = texts.two_digit_years_from.as_ref();
        let first = match years.map(|first| i32::try_from(first.value)) {
            Some(Ok(first @ 1..=9900)) => first,
            None => DEFAULT_FIRST_YEAR,
            Some(_) => {
                let mistake = Mistake::new(126, "`two_digit_years_from` is no year from 1 to 9900");
                let mistake =
                    mistake.help("name the first of the hundred years that two digits mean: 1927");
                let span = years.map(|first| first.span).unwrap_or_default();
                self.found.push(blame(self.file, span, mistake));
                DEFAULT_FIRST_YEAR
            }
        };
        let negatives = &texts.negatives.0;
        let list = |texts: Option<Spanned<Texts>>| texts.map(|texts| texts.value.0);
        Conversions {
            negatives: Negatives {
                parentheses: negatives.contains(&NegativeForm::Parentheses),
                trailing_minus: negatives.contains(&NegativeForm::TrailingMinus),
            },
            trues: list(texts.trues),
            falses: list(texts.falses),
            decimal: texts.decimal.map_or('.', |sign| sign.value.0),
            thousands: texts.thousands.map(|sign| sign.value.0),
            units: texts.units.0.into_iter().map(|unit| unit.0).collect(),
            nulls: texts
                .nulls
                .map_or_else(|| vec![String::new()], |nulls| nulls.0),
            dates: texts.dates.0.into_iter().map(|format| format.0).collect(),
            times: texts.times.0.into_iter().map(|format| format.0).collect(),
            two_digit_years_from: first,
            zone: texts.zone,
        }
    }

    fn csv(&mut self, raw: RawCsv, zone: chrono_tz::Tz) -> CsvRead {
        let header_rows = self.header_rows(raw.header.as_ref(), raw.header_rows.as_ref());
        let delimiter = raw.delimiter.as_ref();
        let mut signs: Vec<Sign> = vec![(
            "delimiter",
            delimiter.map_or_else(|| ",".to_string(), |sign| sign.value.0.clone()),
            delimiter.map(|sign| sign.span),
        )];
        let quote = raw.quote.as_ref().map_or(Some('"'), |sign| sign.value.0);
        if let Some(quote) = quote {
            let span = raw.quote.as_ref().map(|sign| sign.span);
            signs.push(("quote", quote.to_string(), span));
        }
        if let Some(comment) = &raw.comment {
            signs.push(("comment", comment.value.0.clone(), Some(comment.span)));
        }
        let escape = match &raw.escape {
            None => Escape::Doubled,
            // an escape may be the quote itself: a quote within quotes is doubled
            Some(sign) if sign.value.0.is_some() && sign.value.0 == quote => Escape::Doubled,
            Some(Spanned {
                value: EscapeSign(Some(sign)),
                span,
            }) => {
                signs.push(("escape", sign.to_string(), Some(*span)));
                Escape::Sign(*sign)
            }
            Some(none) => {
                if quote.is_none() {
                    let mistake = Mistake::new(126, "`escape: none` where nothing is quoted");
                    let help = "remove it: it says how a quote stands within quotes";
                    self.found
                        .push(blame(self.file, none.span, mistake.help(help)));
                }
                Escape::Bare
            }
        };
        self.apart(&signs);
        let encoding = raw.encoding.unwrap_or_default();
        self.encodable(&signs, encoding);
        CsvRead {
            delimiter: raw
                .delimiter
                .map_or_else(|| ",".into(), |sign| sign.value.0),
            quote,
            escape,
            trim: raw.trim.unwrap_or_default(),
            header_rows,
            frame: Frame {
                skip_lines: raw.skip_lines.unwrap_or(0),
                skip_footer: raw.skip_footer.unwrap_or(0),
                until: texts(raw.until),
                comment: raw.comment.map(|sign| sign.value.0),
            },
            encoding,
            conversions: conversions!(self, raw, zone),
        }
    }

    /// Rows that name the columns.
    fn header_rows(&mut self, header: Option<&Spanned<bool>>, rows: Option<&Spanned<u64>>) -> u64 {
        let has_header = header.is_none_or(|header| header.value);
        let Some(rows) = rows else {
            return u64::from(has_header);
        };
        let (message, help) = match (has_header, rows.value) {
            (false, _) => (
                "`header_rows` of an export without a header".to_string(),
                "remove one of the two",
            ),
            (true, 1..=16) => return rows.value,
            (true, rows) => (
                format!("`header_rows: {rows}` is none of 1 to 16"),
                "without a header, say `header: false`",
            ),
        };
        let mistake = Mistake::new(126, message).help(help);
        self.found.push(blame(self.file, rows.span, mistake));
        1
    }

    fn fixed(&mut self, raw: RawFixed, zone: chrono_tz::Tz) -> FixedRead {
        let Spanned { value: named, span } = raw.fields;
        if named.whole && named.entries.is_empty() {
            let mistake = Mistake::new(126, "`fields` without a field");
            let help = "names and widths in order: `fields: {customer_no: 8, name: 30}`";
            self.found.push(blame(self.file, span, mistake.help(help)));
        }
        FixedRead {
            fields: named
                .entries
                .into_iter()
                .map(|(name, width)| (name.value, width.0))
                .collect(),
            frame: Frame {
                skip_lines: raw.skip_lines.unwrap_or(0),
                skip_footer: raw.skip_footer.unwrap_or(0),
                until: texts(raw.until),
                comment: raw.comment.map(|sign| sign.value.0),
            },
            encoding: raw.encoding.unwrap_or_default(),
            conversions: conversions!(self, raw, zone),
        }
    }

    /// Reports signs that an export in this encoding cannot hold.
    fn encodable(&mut self, signs: &[Sign], encoding: Encoding) {
        for (role, sign, span) in signs {
            if let (None, Some(span)) = (encoding.encode(sign), span) {
                let name = encoding.name();
                let message = format!("`{}` is no character of {name}", sign.escape_debug());
                let help = format!("`{role}` is looked for in the export: is `encoding` right?");
                let mistake = Mistake::new(126, message).help(help);
                self.found.push(blame(self.file, *span, mistake));
            }
        }
    }

    /// Reports two roles of one sign, at the later one that was written.
    fn apart(&mut self, signs: &[Sign]) {
        for (index, (role, sign, span)) in signs.iter().enumerate() {
            let is_same = |(_, other, _): &&Sign| {
                other.contains(sign.as_str()) || sign.contains(other.as_str())
            };
            let Some((other, _, other_span)) = signs[..index].iter().find(is_same) else {
                continue;
            };
            if let Some(span) = span.or(*other_span) {
                let mistake = Mistake::new(
                    126,
                    format!("`{}` is both `{other}` and `{role}`", sign.escape_debug()),
                );
                self.found.push(blame(
                    self.file,
                    span,
                    mistake.help("each needs a sign of its own"),
                ));
            }
        }
    }
}
