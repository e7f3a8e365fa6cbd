//! How a table is read, in the words of a pipeline: `{csv: {delimiter: ";", encoding: windows-1252}}`.

use std::collections::BTreeSet;

use super::dialect::DialectGuess;
use super::table::{Form, TableProfile, TextForm};
use super::tally::TypeGuess;
use crate::column_type::ColumnType;
use crate::name::is_identifier;
use crate::project::Encoding;

/// A text as YAML takes it in double quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c).min(0xff))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A name as YAML reads it back as a text: in quotes where it might be taken for something else.
pub(crate) fn plain_or_quoted(name: &str) -> String {
    // what one version of YAML or another takes for no text
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    match is_identifier(name) && !WORDS.contains(&name) {
        true => name.to_string(),
        false => quoted(name),
    }
}

fn until(form: &Form) -> Option<String> {
    form.until().map(|end| format!("until: {}", quoted(end)))
}

fn comment(sign: Option<&String>) -> Option<String> {
    sign.map(|sign| format!("comment: {}", quoted(sign)))
}

/// Columns that a header names.
fn names_given(guess: &DialectGuess) -> usize {
    guess.header.as_ref().map_or(0, Vec::len)
}

/// `read:` of the source that reads the table.
pub(super) fn flow(table: &TableProfile) -> String {
    let mut keys = Vec::new();
    let name = match &table.form {
        Form::Csv(form) if !form.guess.dialect.widths.is_empty() => {
            let (guess, dialect) = (&form.guess, &form.guess.dialect);
            let names = guess.header.iter().flatten().cloned();
            let names = names.chain((names_given(guess)..).map(|at| format!("column_{}", at + 1)));
            let fields = names.zip(&dialect.widths);
            let fields: Vec<String> = fields
                .map(|(name, width)| format!("{}: {width}", plain_or_quoted(&name)))
                .collect();
            keys.push(format!("fields: {{{}}}", fields.join(", ")));
            let skip_lines =
                guess.skip_lines + guess.header.as_ref().map_or(0, |_| guess.header_lines);
            if skip_lines > 0 {
                keys.push(format!("skip_lines: {skip_lines}"));
            }
            keys.extend(comment(dialect.comment.as_ref()));
            keys.extend(until(&table.form));
            encoding(&form.text, &mut keys);
            "fixed"
        }
        Form::Csv(form) => {
            let dialect = &form.guess.dialect;
            if dialect.delimiter != "," {
                keys.push(format!("delimiter: {}", quoted(&dialect.delimiter)));
            }
            match dialect.quote {
                Some('"') => {}
                Some(quote) => keys.push(format!("quote: {}", quoted(&quote.to_string()))),
                None => keys.push("quote: \"\"".to_string()),
            }
            if let Some(escape) = dialect.escape {
                keys.push(format!("escape: {}", quoted(&escape.to_string())));
            }
            if dialect.trim {
                keys.push("trim: true".to_string());
            }
            keys.extend(comment(dialect.comment.as_ref()));
            let mut skip_lines = form.guess.skip_lines;
            if form.is_by_position {
                keys.push("header: false".to_string());
                skip_lines += match form.guess.header {
                    Some(_) => form.guess.header_lines,
                    None => 0,
                };
            }
            if skip_lines > 0 {
                keys.push(format!("skip_lines: {skip_lines}"));
            }
            keys.extend(until(&table.form));
            encoding(&form.text, &mut keys);
            "csv"
        }
        Form::Ndjson(form) => {
            encoding(form, &mut keys);
            "ndjson"
        }
        Form::Json(form, path) => {
            if !path.is_empty() {
                keys.push(format!("path: {}", quoted(&path.join("."))));
            }
            encoding(form, &mut keys);
            "json"
        }
        Form::Xlsx(form) => {
            // the first of several may be another one tomorrow
            if !(form.is_first && form.is_only) {
                keys.push(format!("sheet: {}", quoted(&form.sheet)));
            }
            let mut skip_lines = form.skip_lines;
            if form.is_by_position {
                keys.push("header: false".to_string());
                skip_lines += form.header_rows;
            } else if form.header_rows > 1 {
                keys.push(format!("header_rows: {}", form.header_rows));
            }
            if skip_lines > 0 {
                keys.push(format!("skip_lines: {skip_lines}"));
            }
            if form.skip_footer > 0 {
                keys.push(format!("skip_footer: {}", form.skip_footer));
            }
            keys.extend(comment(form.comment.as_ref()));
            keys.extend(until(&table.form));
            "xlsx"
        }
        Form::Avro => "avro",
        Form::Parquet => "parquet",
        Form::Delta => "delta",
    };
    conversions(table, &mut keys);
    match keys.is_empty() && table.form != Form::Delta {
        true => name.to_string(),
        false => format!("{{{name}: {{{}}}}}", keys.join(", ")),
    }
}

fn encoding(form: &TextForm, keys: &mut Vec<String>) {
    if !form.has_mark && form.encoding != Encoding::Utf8 {
        keys.push(format!("encoding: {}", form.encoding.name()));
    }
}

fn conversions(table: &TableProfile, keys: &mut Vec<String>) {
    let guesses = || table.columns.iter().map(|column| &column.guess);
    if table.style.decimal != '.' {
        keys.push(format!(
            "decimal: {}",
            quoted(&table.style.decimal.to_string())
        ));
    }
    if let Some(sign) = table.style.thousands {
        keys.push(format!("thousands: {}", quoted(&sign.to_string())));
    }
    let list = |texts: BTreeSet<String>| {
        texts
            .iter()
            .map(|text| quoted(text))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let units: BTreeSet<String> = guesses()
        .flat_map(|guess| guess.units.iter().map(|unit| (*unit).to_string()))
        .collect();
    if !units.is_empty() {
        keys.push(format!("units: [{}]", list(units)));
    }
    let negatives: BTreeSet<&str> = guesses()
        .flat_map(|guess| guess.negatives.clone())
        .collect();
    if !negatives.is_empty() {
        let negatives: Vec<&str> = negatives.into_iter().collect();
        keys.push(format!("negatives: [{}]", negatives.join(", ")));
    }
    let nulls: BTreeSet<String> = guesses()
        .flat_map(|guess| guess.null_words.iter().cloned())
        .collect();
    if !nulls.is_empty() {
        keys.push(format!("nulls: [\"\", {}]", list(nulls)));
    }
    let words = |of: fn(&TypeGuess) -> &[&'static str], known: &[&'static str]| {
        let said: BTreeSet<&str> = guesses().flat_map(|guess| of(guess).to_vec()).collect();
        let all = said.iter().chain(known);
        let all: Vec<String> = all.map(|word| quoted(word)).collect();
        all.join(", ")
    };
    // what is given takes the place of what is known by itself
    if guesses().any(|guess| !guess.trues.is_empty()) {
        let trues = words(|guess| &guess.trues, &["true", "t", "yes", "y", "1"]);
        keys.push(format!("trues: [{trues}]"));
    }
    if guesses().any(|guess| !guess.falses.is_empty()) {
        let falses = words(|guess| &guess.falses, &["false", "f", "no", "n", "0"]);
        keys.push(format!("falses: [{falses}]"));
    }
    let mut dates: BTreeSet<String> = guesses()
        .flat_map(|guess| {
            guess
                .date_formats
                .iter()
                .map(|format| (*format).to_string())
        })
        .collect();
    let times = guesses().flat_map(|guess| guess.time_formats.clone());
    let (iso_times, mut times): (BTreeSet<String>, BTreeSet<String>) =
        times.partition(|format| format.starts_with("%Y-%m-%d"));
    // once formats are given, ISO's is no longer understood by itself
    let needs_iso_days = |guess: &TypeGuess| match guess.data_type {
        ColumnType::Date => !dates.is_empty(),
        _ => guess.has_days && !(dates.is_empty() && times.is_empty()),
    };
    if guesses().any(|guess| guess.date_formats.is_empty() && needs_iso_days(guess)) {
        dates.insert("%Y-%m-%d".to_string());
    }
    if !dates.is_empty() {
        keys.push(format!("dates: [{}]", list(dates)));
    }
    if let Some(first) = table.two_digit_years_from {
        keys.push(format!("two_digit_years_from: {first}"));
    }
    if !times.is_empty() {
        if !iso_times.is_empty() {
            times.extend(iso_times);
            // and what ISO's times look like that were not seen
            times.extend(
                [
                    "%Y-%m-%d %H:%M:%S%.f",
                    "%Y-%m-%dT%H:%M:%S%.f",
                    "%Y-%m-%dT%H:%M:%S%.f%:z",
                ]
                .map(str::to_string),
            );
        }
        keys.push(format!("times: [{}]", list(times)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_yaml_takes_for_something_else_stands_in_quotes() {
        let plain = ["id", "null_2", "e_post", "yesterday"];
        assert_eq!(plain.map(plain_or_quoted), plain);
        for name in [
            "null", "no", "true", "~", "2024", "1e3", "a: b", "-", "a b", "",
        ] {
            assert_eq!(plain_or_quoted(name), quoted(name));
        }
    }

    #[test]
    fn signs_are_written_as_yaml_reads_them_back() {
        assert_eq!(quoted("\t"), "\"\\t\"");
        assert_eq!(quoted("a\"b\\"), "\"a\\\"b\\\\\"");
        assert_eq!(quoted("\0"), "\"\\x00\"");
    }
}
