//! What decides which rows a source's exports become.

use std::collections::BTreeMap;

use super::{ContentPart, Fingerprints, Loaded, hash, test_fields};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::plan::PublishedTable;
use crate::project::{
    Column, ColumnType, Contract, Conversions, DEFAULT_FIRST_YEAR, DeltaVersion, Escape, Frame,
    Load, Negatives, OnDrift, Read, Source, Spanned, TestKind,
};

/// Columns, types, where they come from, and the key by which records replace each other.
pub(super) fn contract_part(contract: &Contract, source: &Source) -> String {
    let mut fields: Vec<String> = vec!["key".into()];
    fields.extend(contract.key.iter().map(|column| column.value.clone()));
    fields.push("partition_by".into());
    fields.extend(contract.partition_by.iter().map(|c| c.value.clone()));
    for column in &contract.columns {
        fields.push(format!("column {}", column.name.value));
        fields.push(column.data_type.to_string());
        fields.extend(names_part(column, source));
    }
    hash(&fields.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What exports call a column, as far as another name may give loaded exports other rows. Where each of them had to have the
/// column under the names of then, an alias more changes nothing.
fn names_part<'a>(column: &'a Column, source: &Source) -> impl Iterator<Item = String> + 'a {
    let had_it = source.read.has_header() && source.drift.missing.value != OnDrift::Ignore;
    let aliases = column.aliases.iter().filter(move |_| !had_it);
    let from = column.from.iter().map(|from| from.value.clone());
    from.chain(aliases.map(|alias| format!("alias {}", alias.value)))
}

/// The tests that each record is held to: changed, other records are rejects.
pub(super) fn rules_part(contract: &Contract) -> String {
    let rules = contract.tests.iter().filter(|test| test.judges_records());
    let fields: Vec<String> = rules.flat_map(|test| test_fields(&test.kind)).collect();
    hash(&fields.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Key and layout, the order of the columns, and of each column what decides which values it takes.
pub(super) fn loaded_parts(contract: &Contract, source: &Source) -> Vec<(String, String)> {
    let names = |columns: &[Spanned<String>]| {
        let names: Vec<&str> = columns.iter().map(|column| column.value.as_str()).collect();
        names.join(" ")
    };
    let order: Vec<&str> = contract
        .columns
        .iter()
        .map(|c| c.name.value.as_str())
        .collect();
    let mut parts = vec![
        (Loaded::Key, names(&contract.key)),
        (Loaded::PartitionBy, names(&contract.partition_by)),
        (Loaded::Columns, order.join(" ")),
    ];
    for column in &contract.columns {
        let mut fields = vec![column.data_type.to_string()];
        fields.extend(names_part(column, source));
        let rules = contract.tests.iter().filter(|test| test.judges_records());
        let rules = rules.map(|test| test_fields(&test.kind));
        for rule in rules.filter(|rule| rule.get(1) == Some(&column.name.value)) {
            fields.push("rule".to_string());
            fields.extend(rule);
        }
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        parts.push((Loaded::Column(&column.name.value), hash(&fields)));
    }
    if !contract.evolved.is_empty() {
        let columns = contract.evolved.iter().map(|column| {
            let header = column.from.first().map_or("", |from| from.value.as_str());
            serde_json::json!([column.name.value, header])
        });
        let list = serde_json::Value::from_iter(columns);
        parts.push((Loaded::Evolved, list.to_string()));
    }
    let parts = parts.into_iter();
    parts
        .map(|(part, value)| (ContentPart::Loaded(part).to_string(), value))
        .collect()
}

/// Says which columns exports brought.
const EVOLVED: ContentPart<'_> = ContentPart::Loaded(Loaded::Evolved);

/// A column of a published table that exports brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EvolvedColumn {
    pub(crate) name: String,
    /// What exports call it.
    pub(crate) header: String,
}

/// The columns of a published table that exports brought, in the order in which they came.
///
/// # Errors
/// `Corrupt` where the release does not tell them.
pub(crate) fn evolved_columns(published: &PublishedTable) -> Result<Vec<EvolvedColumn>> {
    let Some(list) = published.fingerprints.part(EVOLVED) else {
        return Ok(Vec::new());
    };
    let columns: Vec<(String, String)> = serde_json::from_str(list).map_err(|error| {
        Error::corrupt(format!(
            "the release does not tell which columns exports brought: its part `{EVOLVED}` of a source cannot be read"
        ))
        .code(Code(714))
        .caused_by(error)
        .help("restore the record of the newest release from a copy of the lake")
    })?;
    let columns = columns.into_iter();
    Ok(columns
        .map(|(name, header)| EvolvedColumn { name, header })
        .collect())
}

/// How a contract gained columns and did nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Growth {
    /// What was loaded stays as it is, and has null in some of them.
    New,
    /// Exports had brought all of them before, and they are declared as what they are: what was loaded has them.
    Declared,
}

/// Whether a contract gained columns and did nothing else: what was loaded stays as it is, and has null in them.
///
/// Not so where anything more differs: a column that is gone, moved, has another type, another `from` or another rule; the key;
/// how exports are read; a new column that must not be null. Then records that were loaded may come out otherwise.
pub(in crate::plan) fn growth(
    published: &PublishedTable,
    now: &Fingerprints,
    contract: &Contract,
) -> Option<Growth> {
    let before = &published.fingerprints;
    let changed = super::changed_parts(before, now);
    let is_growth = changed
        .iter()
        .all(|part| matches!(part, ContentPart::Contract | ContentPart::Rules));
    let columns = |of: &Fingerprints| -> Option<Vec<String>> {
        let order = of.part(ContentPart::Loaded(Loaded::Columns))?;
        Some(order.split_whitespace().map(str::to_string).collect())
    };
    let (old, all) = (columns(before)?, columns(now)?);
    if !is_growth {
        return None;
    }
    let (kept, new): (Vec<String>, Vec<String>) =
        all.into_iter().partition(|column| old.contains(column));
    let columns = old
        .iter()
        .map(|column| ContentPart::Loaded(Loaded::Column(column)));
    let is_same = before.has_layout_of(now) && before.agrees(now, &columns.collect::<Vec<_>>());
    let must_be_there = contract.tests.iter().any(|test| match &test.kind {
        TestKind::NotNull { column } => test.judges_records() && new.contains(column),
        _ => false,
    });
    if kept != old || !is_same || must_be_there || new.is_empty() {
        return None;
    }
    // where the release does not tell them, all is read again
    let came = evolved_columns(published).ok()?.into_iter();
    let came: BTreeMap<String, String> = came.map(|column| (column.name, column.header)).collect();
    let mut growth = Growth::Declared;
    let is_judged = |name: &String| {
        let mut rules = contract.tests.iter().filter(|test| test.judges_records());
        rules.any(|test| test_fields(&test.kind).get(1) == Some(name))
    };
    for column in new.iter().filter_map(|name| contract.column(name)) {
        match came.get(&column.name.value) {
            Some(header)
                if column.data_type == ColumnType::Varchar
                    && column.is_called(header)
                    && !is_judged(&column.name.value) => {}
            // it is another column now, or of another type, or its values are judged: the exports say what they are
            Some(_) => return None,
            None if came.values().any(|header| column.is_called(header)) => return None,
            None => growth = Growth::New,
        }
    }
    Some(growth)
}

/// How exports are decoded and loaded. Of the paths only what they capture: which files match is seen in `raw` itself.
pub(super) fn read_part(source: &Source) -> String {
    let mut fields: Vec<String> = vec![
        match source.load {
            Load::Append => "append",
            Load::Replace => "replace",
            Load::Changes => "changes",
        }
        .to_string(),
    ];
    for pattern in &source.patterns {
        let braces = pattern.text.split('{').skip(1);
        fields.extend(braces.filter_map(|part| part.split_once('}').map(|(c, _)| c.to_string())));
    }
    fields.extend(read_fields(&source.read));
    // nothing where there is none, so that older fingerprints stay what they were
    if let Some(member) = &source.member {
        fields.push(format!("member {}", member.text));
    }
    // an archive that was an export is not one beside its files
    if source.reads_archives() {
        fields.push("files of archives".to_string());
    }
    hash(&fields.iter().map(String::as_str).collect::<Vec<_>>())
}

fn read_fields(read: &Read) -> Vec<String> {
    match read {
        Read::Csv(csv) => {
            let escape = match csv.escape {
                Escape::Doubled => "none".to_string(),
                Escape::Sign(sign) => sign_field(sign.encode_utf8(&mut [0; 4])),
                Escape::Bare => "bare".to_string(),
            };
            let none = || "none".to_string();
            let mut fields = vec![
                "csv".to_string(),
                sign_field(&csv.delimiter),
                csv.quote
                    .map_or_else(none, |sign| sign_field(sign.encode_utf8(&mut [0; 4]))),
                escape,
                csv.frame.comment.as_deref().map_or_else(none, sign_field),
                header_field(csv.header_rows),
                csv.frame.skip_lines.to_string(),
                csv.encoding.name().to_string(),
            ];
            fields.extend(csv.trim.then(|| "trim".to_string()));
            fields.extend(end_fields(&csv.frame));
            fields.extend(conversion_fields(&csv.conversions));
            fields
        }
        Read::Fixed(fixed) => {
            let mut fields = vec!["fixed".to_string()];
            for (name, width) in &fixed.fields {
                fields.extend([name.clone(), width.to_string()]);
            }
            let comment = fixed.frame.comment.clone();
            fields.push(comment.unwrap_or_default());
            fields.push(fixed.frame.skip_lines.to_string());
            fields.push(fixed.encoding.name().to_string());
            fields.extend(end_fields(&fixed.frame));
            fields.extend(conversion_fields(&fixed.conversions));
            fields
        }
        Read::Ndjson(ndjson) => {
            let mut fields = vec!["ndjson".to_string(), ndjson.encoding.name().to_string()];
            fields.extend(explode_fields(ndjson.explode.as_deref()));
            fields.extend(conversion_fields(&ndjson.conversions));
            fields
        }
        Read::Json(json) => {
            let mut fields = vec!["json".to_string(), json.encoding.name().to_string()];
            fields.push(json.path.join("."));
            fields.extend(explode_fields(json.explode.as_deref()));
            fields.extend(conversion_fields(&json.conversions));
            fields
        }
        Read::Avro(avro) => {
            let mut fields = vec!["avro".to_string()];
            fields.extend(explode_fields(avro.explode.as_deref()));
            fields.extend(conversion_fields(&avro.conversions));
            fields
        }
        Read::Parquet(parquet) => {
            let mut fields = vec!["parquet".to_string()];
            fields.extend(conversion_fields(&parquet.conversions));
            fields
        }
        Read::Delta(delta) => {
            let at = match delta.at {
                DeltaVersion::Newest => String::new(),
                DeltaVersion::Numbered(version) => format!("version {version}"),
                DeltaVersion::By(time) => format!("by {}", time.to_rfc3339()),
            };
            let mut fields = vec!["delta".to_string(), at];
            fields.extend(conversion_fields(&delta.conversions));
            fields
        }
        Read::Xlsx(xlsx) => {
            let mut fields = vec![
                "xlsx".to_string(),
                xlsx.sheet.clone().unwrap_or_default(),
                header_field(xlsx.header_rows),
                xlsx.frame.skip_lines.to_string(),
            ];
            let comment = xlsx.frame.comment.as_ref();
            fields.extend(comment.map(|sign| format!("comment {sign}")));
            fields.extend(end_fields(&xlsx.frame));
            fields.extend(conversion_fields(&xlsx.conversions));
            fields
        }
    }
}

/// Nothing where nothing is exploded, so that older fingerprints stay what they were.
fn explode_fields(explode: Option<&[String]>) -> Option<String> {
    explode.map(|path| format!("explode {}", path.join(".")))
}

/// Rows of a header; of one or none as older fingerprints have it.
fn header_field(rows: u64) -> String {
    match rows {
        0 => "false".to_string(),
        1 => "true".to_string(),
        rows => format!("{rows} rows"),
    }
}

/// One character of ASCII by its number, as older fingerprints have it; all else as it is.
fn sign_field(sign: &str) -> String {
    match sign.as_bytes() {
        [byte] => byte.to_string(),
        _ => sign.to_string(),
    }
}

/// Nothing where the records end with the export, so that older fingerprints stay what they were.
fn end_fields(frame: &Frame) -> Vec<String> {
    let mut fields = Vec::new();
    if frame.skip_footer > 0 {
        fields.push(format!("skip_footer {}", frame.skip_footer));
    }
    if !frame.until.is_empty() {
        fields.push("until".to_string());
        fields.extend(frame.until.iter().cloned());
    }
    fields
}

fn conversion_fields(conversions: &Conversions) -> Vec<String> {
    let mut fields = vec![
        conversions.decimal.to_string(),
        conversions.thousands.map(String::from).unwrap_or_default(),
        conversions.zone.name().to_string(),
        "nulls".to_string(),
    ];
    fields.extend(conversions.nulls.iter().cloned());
    fields.push("dates".into());
    fields.extend(conversions.dates.iter().cloned());
    fields.push("times".into());
    fields.extend(conversions.times.iter().cloned());
    // nothing where there is none, so that older fingerprints stay what they were
    if !conversions.units.is_empty() {
        fields.push("units".into());
        fields.extend(conversions.units.iter().cloned());
    }
    if conversions.two_digit_years_from != DEFAULT_FIRST_YEAR {
        fields.push(format!("years from {}", conversions.two_digit_years_from));
    }
    let Negatives {
        parentheses,
        trailing_minus,
    } = conversions.negatives;
    fields.extend(parentheses.then(|| "parentheses".to_string()));
    fields.extend(trailing_minus.then(|| "trailing_minus".to_string()));
    for (name, words) in [
        ("trues", &conversions.trues),
        ("falses", &conversions.falses),
    ] {
        if let Some(words) = words {
            fields.push(name.to_string());
            fields.extend(words.iter().cloned());
        }
    }
    fields
}
