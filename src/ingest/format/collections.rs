//! Collections of hard files that others gathered, read as they say that they are to be read. They lie outside the
//! repository, below `KILDE_TEST_DATA` or `../shared/data`: where they do not, the tests say so and do nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::ingest::export::DecodedExport;
use crate::ingest::testing::{
    Bench, accepted_texts, contract, csv, json, reject_texts, rejects, source, test,
};
use crate::project::{
    Captures, ColumnType, Conversions, CsvRead, Encoding, Escape, Frame, Load, Read, TestKind,
};

fn folder(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = std::env::var_os("KILDE_TEST_DATA")
        .map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let folder = data.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    // past the harness, which keeps what a test that passes prints
    let _ = writeln!(
        io::stderr(),
        "SKIPPED: no {name} below {}; set KILDE_TEST_DATA to a folder that has it",
        data.display()
    );
    None
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// CSV by RFC 4180 and nothing else, a character at a time: what the decoder is compared with. Each record with its line.
fn plain_csv(text: &str, delimiter: char) -> Vec<(usize, Vec<String>)> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut records = Vec::new();
    let mut record: Vec<String> = Vec::new();
    let (mut field, mut in_quotes, mut line, mut begun_at) = (String::new(), false, 1, 1);
    let mut was_quoted = false;
    let mut characters = text.chars().chain(['\n']).peekable();
    while let Some(character) = characters.next() {
        let ends_line = matches!(character, '\n' | '\r');
        line += usize::from(ends_line);
        match character {
            '"' if in_quotes && characters.peek() == Some(&'"') => {
                field.push('"');
                characters.next();
            }
            '"' if in_quotes => in_quotes = false,
            '"' if field.is_empty() && !was_quoted => (in_quotes, was_quoted) = (true, true),
            _ if in_quotes => field.push(character),
            _ if character == delimiter || ends_line => {
                if !(ends_line && record.is_empty() && field.is_empty() && !was_quoted) {
                    record.push(std::mem::take(&mut field));
                }
                was_quoted = false;
                if ends_line {
                    if !record.is_empty() {
                        records.push((begun_at, std::mem::take(&mut record)));
                    }
                    begun_at = line;
                }
            }
            _ => field.push(character),
        }
    }
    records
}

/// Every column as text, by the name or, without a header, the place that it has.
fn bench(read: CsvRead, names: &[String]) -> Bench {
    let names: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(at, name)| match read.header_rows {
            0 => format!("c{at}"),
            _ => format!("c{at}<{name}"),
        })
        .collect();
    let columns = names
        .iter()
        .map(|name| (name.as_str(), ColumnType::Varchar));
    let columns: Vec<_> = columns.collect();
    Bench::new(
        source(Read::Csv(read), Load::Append),
        contract(&[], &columns),
    )
}

/// Empty text is text.
fn texts() -> CsvRead {
    CsvRead {
        conversions: Conversions {
            nulls: Vec::new(),
            ..csv().conversions
        },
        ..csv()
    }
}

#[derive(Deserialize)]
struct Parameters {
    delimiter: String,
    quotechar: String,
    escapechar: String,
    header_lines: u64,
    preamble_lines: u64,
    footnote_lines: u64,
    column_names: Vec<String>,
    n_columns: usize,
}

impl Parameters {
    fn read(&self) -> CsvRead {
        let sign = |text: &str| text.chars().next();
        let delimiter = match self.delimiter.as_str() {
            "" => ",",
            delimiter => delimiter,
        };
        CsvRead {
            delimiter: delimiter.to_string(),
            quote: sign(&self.quotechar),
            escape: match sign(&self.escapechar) {
                None => Escape::Bare,
                escape if escape == sign(&self.quotechar) => Escape::Doubled,
                Some(escape) => Escape::Sign(escape),
            },
            header_rows: self.header_lines,
            frame: Frame {
                skip_lines: self.preamble_lines,
                skip_footer: self.footnote_lines,
                ..Frame::default()
            },
            ..texts()
        }
    }

    fn names(&self) -> Vec<String> {
        match self.column_names.is_empty() {
            true => (0..self.n_columns.max(1))
                .map(|at| format!("c{at}"))
                .collect(),
            false => self.column_names.clone(),
        }
    }
}

/// Reads a file of the benchmark; where its header is not what the parameters say, as the message then advises: without it.
async fn pollock(
    name: &str,
    bytes: &[u8],
    parameters: &Parameters,
    until: &[&str],
    forms: &[(usize, &str)],
) -> Loaded {
    let mut read = parameters.read();
    read.frame.until = until.iter().map(|text| (*text).to_string()).collect();
    let with_forms = |read: CsvRead| {
        let mut bench = bench(read, &parameters.names());
        let mut contract = (*bench.contract).clone();
        contract.tests = forms
            .iter()
            .map(|(at, pattern)| {
                test(TestKind::Matches {
                    column: format!("c{at}"),
                    pattern: (*pattern).to_string(),
                })
            })
            .collect();
        bench.contract = std::sync::Arc::new(contract);
        bench
    };
    let first = with_forms(read.clone());
    if let Ok(decoded) = first.decode_with(name, bytes, Captures::default()).await {
        return Loaded::of(&decoded);
    }
    read.frame.skip_lines += read.header_rows;
    read.header_rows = 0;
    let second = with_forms(read);
    Loaded::of(&second.decode(name, bytes).await)
}

/// What became of a file.
struct Loaded {
    records: Vec<Vec<String>>,
    /// The rule of each reject.
    rules: Vec<String>,
}

impl Loaded {
    fn of(decoded: &DecodedExport) -> Self {
        let rules = rejects(decoded).into_iter().map(|reject| reject.2);
        Self {
            records: accepted_texts(decoded),
            rules: rules.collect(),
        }
    }
}

/// Precision, recall and their harmonic mean of two bags.
fn measures<T: Ord>(wanted: Vec<T>, loaded: Vec<T>) -> [f64; 3] {
    if wanted.is_empty() {
        return [1.0; 3];
    }
    let (wanted_count, loaded_count) = (wanted.len() as f64, loaded.len() as f64);
    let mut bag: BTreeMap<T, usize> = BTreeMap::new();
    for item in wanted {
        *bag.entry(item).or_default() += 1;
    }
    let mut both = 0.0;
    for item in loaded {
        if let Some(count) = bag.get_mut(&item).filter(|count| **count > 0) {
            *count -= 1;
            both += 1.0;
        }
    }
    if both == 0.0 {
        return [0.0; 3];
    }
    let (recall, precision) = (both / wanted_count, both / loaded_count);
    [
        precision,
        recall,
        2.0 * precision * recall / (precision + recall),
    ]
}

/// The form of each column of the benchmark's table, as a contract would hold it.
const FORMS: &[(usize, &str)] = &[
    (0, r"^\d\d/\d\d/\d{4}$"),
    (1, r"^\d\d:\d\d$"),
    (2, r"^\d+$"),
    (3, r"^[A-Z]{2}-\d{4}$"),
    (4, r"^\$\d+(\.\d+)?$"),
    (7, r"^https://"),
];

/// Pollock (Vitagliano et al., VLDB 2023): the mean over its files of ten measures, so that 10 is a perfect score. What is no
/// record of the clean file, or cannot be told, must be a reject.
#[tokio::test]
async fn every_polluted_file_equals_its_clean_version_but_for_rejects() {
    let Some(folder) = folder("csv/pollock") else {
        return;
    };
    let mut scores: [Vec<f64>; 2] = Default::default();
    let mut lost = BTreeMap::new();
    for (name, bytes) in files(&folder.join("csv")) {
        let parameters = folder.join(format!("parameters/{name}_parameters.json"));
        let parameters: Parameters =
            serde_json::from_slice(&fs::read(parameters).unwrap()).unwrap();
        let clean = fs::read_to_string(folder.join("clean").join(&name)).unwrap();
        let mut clean: Vec<Vec<String>> = plain_csv(&clean, ',')
            .into_iter()
            .map(|(_, record)| record)
            .collect();
        let header = match parameters.header_lines {
            0 => Vec::new(),
            _ => clean.remove(0),
        };
        if !header.is_empty() {
            assert_eq!(header, parameters.column_names, "{name}");
        }
        for (scores, forms) in scores.iter_mut().zip([&[][..], FORMS]) {
            let loaded = pollock(&name, &bytes, &parameters, &[], forms)
                .await
                .records;
            let cells = |records: &[Vec<String>]| records.concat();
            let all = [
                vec![1.0],
                measures(header.clone(), parameters.column_names.clone()).to_vec(),
                measures(clean.clone(), loaded.clone()).to_vec(),
                measures(cells(&clean), cells(&loaded)).to_vec(),
            ];
            scores.push(all.concat().iter().sum());
        }
        // the other tables of a file begin with their header
        let until = ["DATE,TIME"];
        let mut loaded = pollock(&name, &bytes, &parameters, &until, FORMS).await;
        let mut wanted = clean.iter();
        let is_wanted = |record| wanted.any(|clean| clean == record);
        assert!(
            loaded.records.iter().all(is_wanted),
            "{name}: a record that is none, or in another order"
        );
        assert_eq!(
            loaded.records.len() + loaded.rules.len(),
            clean.len(),
            "{name}"
        );
        if !loaded.rules.is_empty() {
            let pollution = name.split('_').nth(1).unwrap().to_string();
            let rejected = loaded.rules.len();
            loaded.rules.dedup();
            let kind = (pollution, loaded.rules.join(" "), rejected);
            *lost.entry(kind).or_insert(0) += 1;
        }
    }
    let expected = [
        ("extra", "unclosed_quote", 1, 25),
        ("field", "too_few_fields", 1, 2),
        // its delimiter is a space, which stands in fields without quotes
        ("field", "too_many_fields", 49, 1),
        ("less", "matches", 1, 2),
        ("less", "too_few_fields", 1, 20),
        ("more", "too_many_fields", 1, 25),
        // its quote is an apostrophe, which stands in words
        ("quotation", "unclosed_quote", 33, 1),
    ];
    let expected =
        expected.map(|(kind, rule, rejected, files)| ((kind.into(), rule.into(), rejected), files));
    assert_eq!(lost, BTreeMap::from(expected));
    let means = scores.map(|scores| scores.iter().sum::<f64>() / scores.len() as f64);
    // docs/exports.md tells them
    assert_eq!(means.map(|mean| format!("{mean:.3}")), ["9.922", "9.923"]);
}

#[tokio::test]
async fn csv_spectrum_is_read_as_its_json_says() {
    let Some(folder) = folder("csv/csv-spectrum") else {
        return;
    };
    for (name, bytes) in files(&folder.join("csvs")) {
        let expected = folder.join("json").join(name.replace(".csv", ".json"));
        let expected: serde_json::Value =
            serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
        // of one record some have no list
        let expected = match expected {
            serde_json::Value::Array(records) => records,
            record => vec![record],
        };
        let expected: Vec<_> = expected
            .iter()
            .map(|record| record.as_object().unwrap())
            .collect();
        let names: Vec<String> = expected[0].keys().cloned().collect();
        let bench = bench(texts(), &names);
        let decoded = bench.decode(&name, &bytes).await;
        let expected: Vec<Vec<String>> = expected
            .iter()
            .map(|object| {
                let values = names.iter().map(|name| object[name].as_str().unwrap());
                values.map(|text| text.replace("\r\n", "\n")).collect()
            })
            .collect();
        let loaded: Vec<Vec<String>> = accepted_texts(&decoded)
            .iter()
            .map(|record| {
                record
                    .iter()
                    .map(|text| text.replace("\r\n", "\n"))
                    .collect()
            })
            .collect();
        // of the phone its two files say different things
        let known = |mut records: Vec<Vec<String>>| {
            if let (Some(phone), "location_coordinates.csv") = (
                names.iter().position(|name| name == "Contact Phone Number"),
                name.as_str(),
            ) {
                records.iter_mut().for_each(|record| record[phone].clear());
            }
            records
        };
        assert_eq!(known(loaded), known(expected), "{name}");
        assert_eq!(decoded.report.rejected, 0, "{name}");
    }
}

/// Reads a file by its settings, and compares it with what a plain reader makes of it: records of the header's width are
/// rows, the others rejects at their lines.
async fn agrees_with_a_plain_reader(name: &str, bytes: &[u8], read: CsvRead) {
    let (text, _, _) = match read.encoding {
        Encoding::Web(encoding) | Encoding::Iso(encoding) => encoding.decode(bytes),
        Encoding::Utf8 | Encoding::Utf16 => encoding_rs::UTF_8.decode(bytes),
    };
    let mut delimiter = read.delimiter.chars();
    let mut records = plain_csv(&text, delimiter.next().unwrap());
    records.retain(|(line, _)| *line > read.frame.skip_lines as usize);
    let footer = records.len() - read.frame.skip_footer as usize;
    records.truncate(footer);
    let names: Vec<String> = match (read.header_rows, records.first()) {
        (_, None) => Vec::new(),
        (0, Some((_, first))) => (0..first.len()).map(|at| at.to_string()).collect(),
        (_, Some(_)) => records
            .remove(0)
            .1
            .iter()
            .map(|name| name.trim().to_string())
            .collect(),
    };
    // empty names are nobody's, and of equal ones nobody knows which is meant
    let is_single = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
    let kept: Vec<usize> = (0..names.len())
        .filter(|at| !names[*at].is_empty() && is_single(&names[*at]))
        .collect();
    let wanted: Vec<String> = match kept.is_empty() {
        true => vec!["nothing".to_string()],
        false => kept.iter().map(|at| names[*at].clone()).collect(),
    };
    let bench = bench(read, &wanted);
    let decoded = bench.decode(name, bytes).await;
    let (right, wrong): (Vec<_>, Vec<_>) = records
        .into_iter()
        .partition(|(_, record)| record.len() == names.len());
    let right: Vec<Vec<String>> = right
        .iter()
        .map(|(_, record)| kept.iter().map(|at| record[*at].clone()).collect())
        .collect();
    let loaded: Vec<Vec<String>> = accepted_texts(&decoded)
        .iter()
        .map(|record| {
            record
                .iter()
                .map(|text| text.replace("\r\n", "\n"))
                .collect()
        })
        .collect();
    assert_eq!(loaded, right, "{name}");
    let lines = |lines: Vec<i64>| lines;
    let wrong = lines(wrong.iter().map(|(line, _)| *line as i64).collect());
    let rejected = lines(rejects(&decoded).iter().map(|reject| reject.0).collect());
    assert_eq!(
        rejected,
        wrong,
        "{name}: {:?}",
        reject_texts(&decoded, "raw")
    );
}

fn web(name: &str) -> CsvRead {
    CsvRead {
        encoding: Encoding::named(name).unwrap(),
        ..texts()
    }
}

fn framed(skip_lines: u64, skip_footer: u64) -> CsvRead {
    CsvRead {
        frame: Frame {
            skip_lines,
            skip_footer,
            ..Frame::default()
        },
        ..texts()
    }
}

fn delimited(delimiter: &str) -> CsvRead {
    CsvRead {
        delimiter: delimiter.to_string(),
        ..texts()
    }
}

fn headless() -> CsvRead {
    CsvRead {
        header_rows: 0,
        ..texts()
    }
}

#[tokio::test]
async fn files_of_csvkit_are_read_as_a_plain_reader_reads_them() {
    let Some(folder) = folder("csv/csvkit") else {
        return;
    };
    for (name, bytes) in files(&folder) {
        if !name.ends_with(".csv") {
            continue;
        }
        let read = match name.as_str() {
            "test_latin1.csv" => web("iso-8859-1"),
            "sniff_limit.csv" => delimited(";"),
            "test_skip_lines.csv" | "bad_skip_lines.csv" => framed(3, 0),
            "no_header_row.csv" | "no_header_row2.csv" | "no_header_row3.csv" => headless(),
            _ => texts(),
        };
        agrees_with_a_plain_reader(&name, &bytes, read).await;
    }
}

#[tokio::test]
async fn files_of_messytables_are_read_as_a_plain_reader_reads_them() {
    let Some(folder) = folder("csv/messytables") else {
        return;
    };
    for (name, bytes) in files(&folder) {
        let read = match name.as_str() {
            "example.tsv" => delimited("\t"),
            "spanish_chars.csv" | "sparse_with_column_errors.csv" => web("windows-1252"),
            "characters.csv" => web("big5"),
            "excel_pasting.csv" => framed(3, 3),
            "mixedGLB.csv" => framed(3, 0),
            "begrotingsanalyse-2011.csv" => framed(6, 0),
            "weird_head_padding.csv" => CsvRead {
                header_rows: 0,
                ..delimited(";")
            },
            "null.csv" => headless(),
            // a space stands before quotes: by the standard they are letters
            "complex.csv" => {
                let read = CsvRead {
                    trim: true,
                    ..texts()
                };
                let names = ["date", "another date", "temperature", "place"].map(String::from);
                let bench = bench(read, &names);
                let decoded = bench.decode(&name, &bytes).await;
                let last = &accepted_texts(&decoded)[2];
                assert_eq!(*last, ["2011-01-03", "", "6,000,000", "Galway"]);
                continue;
            }
            _ => texts(),
        };
        agrees_with_a_plain_reader(&name, &bytes, read).await;
    }
}

/// JSONTestSuite (Nicolas Seriot): each text as the value of a record's key, and as an export of its own.
#[tokio::test]
async fn json_is_accepted_where_it_is_json_and_refused_where_it_is_none() {
    let Some(folder) = folder("json/test_parsing") else {
        return;
    };
    let columns = [("id", ColumnType::Bigint)];
    let bench = Bench::new(
        source(Read::Json(json()), Load::Append),
        contract(&[], &columns),
    );
    let mut wrong = Vec::new();
    for (name, bytes) in files(&folder) {
        let document = [b"[{\"id\":1,\"v\":", &bytes[..], b"}]"].concat();
        let decoded = bench.decode_with("a", &document, Captures::default()).await;
        let is_accepted = decoded
            .is_ok_and(|decoded| decoded.report.accepted == 1 && decoded.report.rejected == 0);
        let is_right = match &name[..2] {
            "y_" => is_accepted,
            "n_" => !is_accepted,
            _ => true,
        };
        if !is_right {
            wrong.push(name.clone());
        }
        // whatever it is, it is an answer
        let _ = bench.decode_with("a", &bytes, Captures::default()).await;
    }
    assert_eq!(wrong, Vec::<String>::new());
}
