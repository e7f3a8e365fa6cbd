//! What every format must do, run against each of them.
//!
//! A format takes part by saying how it writes records: the suite speaks of values, the format of bytes.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::parquet::arrow::ArrowWriter;

use super::avro::fixture::texts;
use super::xlsx::fixture::{archive, text_cell, workbook};
use crate::ingest::testing::{
    Bench, accepted, avro, captures, contract, csv, json, ndjson, parquet, reject_texts, rejects,
    source, test, whole, xlsx,
};
use crate::project::{ColumnType, Load, PathPattern, Read, Source, TestKind};

/// Records as texts, null as `None`.
type Texts<'a> = [Vec<Option<&'a str>>];

/// How the suite's records become an export.
struct Form {
    read: Read,
    /// From columns and records.
    write: fn(&[&str], &Texts<'_>) -> Vec<u8>,
    /// Line of the first record.
    first_line: i64,
    /// Whether records have bytes of their own.
    has_bytes: bool,
}

impl Form {
    /// Whether a record without a value is one; a row of a sheet is not.
    fn has_blanks(&self) -> bool {
        !matches!(self.read, Read::Xlsx(_))
    }
}

fn forms() -> Vec<Form> {
    vec![
        Form {
            read: Read::Csv(csv()),
            write: write_csv,
            first_line: 2,
            has_bytes: true,
        },
        Form {
            read: ndjson(),
            write: write_ndjson,
            first_line: 1,
            has_bytes: true,
        },
        Form {
            read: Read::Json(json()),
            write: write_json,
            first_line: 2,
            has_bytes: true,
        },
        Form {
            read: Read::Xlsx(xlsx()),
            write: write_xlsx,
            first_line: 2,
            has_bytes: false,
        },
        Form {
            read: avro(),
            write: texts,
            first_line: 1,
            has_bytes: false,
        },
        Form {
            read: parquet(),
            write: write_parquet,
            first_line: 1,
            has_bytes: false,
        },
    ]
}

fn write_csv(columns: &[&str], records: &Texts<'_>) -> Vec<u8> {
    let mut out = columns.join(",") + "\n";
    for record in records {
        let fields: Vec<String> = record
            .iter()
            .map(|field| format!("\"{}\"", field.unwrap_or_default().replace('"', "\"\"")))
            .collect();
        out += &(fields.join(",") + "\n");
    }
    out.into_bytes()
}

fn objects(columns: &[&str], records: &Texts<'_>) -> Vec<String> {
    let objects = records.iter().map(|record| {
        let fields = columns.iter().zip(record);
        let object: serde_json::Map<_, _> = fields
            .map(|(name, field)| ((*name).to_string(), (*field).into()))
            .collect();
        serde_json::Value::Object(object).to_string()
    });
    objects.collect()
}

fn write_ndjson(columns: &[&str], records: &Texts<'_>) -> Vec<u8> {
    let lines = objects(columns, records).into_iter();
    lines
        .map(|line| line + "\n")
        .collect::<String>()
        .into_bytes()
}

fn write_json(columns: &[&str], records: &Texts<'_>) -> Vec<u8> {
    format!("[\n{}\n]\n", objects(columns, records).join(",\n")).into_bytes()
}

fn write_xlsx(columns: &[&str], records: &Texts<'_>) -> Vec<u8> {
    let header: Vec<Option<&str>> = columns.iter().map(|name| Some(*name)).collect();
    let rows: Vec<String> = std::iter::once(&header)
        .chain(records)
        .map(|cells| cells.iter().map(|cell| text_cell(*cell)).collect())
        .collect();
    workbook(&[("Data", &rows)])
}

fn write_parquet(columns: &[&str], records: &Texts<'_>) -> Vec<u8> {
    let arrays: Vec<ArrayRef> = (0..columns.len())
        .map(|at| {
            let texts: StringArray = records.iter().map(|record| record[at]).collect();
            Arc::new(texts) as ArrayRef
        })
        .collect();
    parquet_of(columns, arrays)
}

fn parquet_of(columns: &[&str], arrays: Vec<ArrayRef>) -> Vec<u8> {
    let fields: Vec<Field> = columns
        .iter()
        .zip(&arrays)
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn some<'a>(texts: &[&'a str]) -> Vec<Option<&'a str>> {
    texts.iter().map(|text| Some(*text)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn pair() -> Vec<(&'static str, ColumnType)> {
    vec![("id", ColumnType::Bigint), ("name", ColumnType::Varchar)]
}

fn bench(form: &Form, load: Load) -> Bench {
    Bench::new(source(form.read.clone(), load), contract(&["id"], &pair()))
}

#[tokio::test]
async fn an_export_without_a_byte_or_a_record_has_no_records() {
    for form in forms() {
        let bench = bench(&form, Load::Append);
        for bytes in [Vec::new(), (form.write)(&["id", "name"], &[])] {
            let decoded = bench.decode("a", &bytes).await;
            assert_eq!(decoded.report.records, 0);
            assert_eq!(decoded.report.size, bytes.len() as u64);
            assert_eq!(
                decoded.report.hash,
                blake3::hash(&bytes).to_hex().to_string()
            );
            assert_eq!(whole(&decoded.accepted).num_columns(), 4);
        }
    }
}

#[tokio::test]
async fn every_type_is_read_from_text_and_null_stays_null() {
    let columns = [
        ("v", ColumnType::Varchar, "å \"x\", y\nz"),
        ("b", ColumnType::Boolean, "true"),
        ("i", ColumnType::Integer, "-2147483648"),
        ("l", ColumnType::Bigint, "6500001115883"),
        ("f", ColumnType::Double, "1.5"),
        (
            "m",
            ColumnType::Decimal {
                precision: 12,
                scale: 2,
            },
            "1020.00",
        ),
        ("d", ColumnType::Date, "2024-02-29"),
        ("t", ColumnType::Timestamp, "2026-01-02T06:57:27+01:00"),
    ];
    let names: Vec<&str> = columns.iter().map(|(name, _, _)| *name).collect();
    let types: Vec<_> = columns
        .iter()
        .map(|(name, data_type, _)| (*name, data_type.clone()))
        .collect();
    let values: Vec<&str> = columns.iter().map(|(_, _, text)| *text).collect();
    for form in forms() {
        let bench = Bench::new(
            source(form.read.clone(), Load::Append),
            contract(&[], &types),
        );
        let bytes = (form.write)(&names, &[some(&values), vec![None; 8]]);
        let decoded = bench.decode("a", bytes).await;
        let expected = [
            "å \"x\", y\nz|true|-2147483648|6500001115883|1.5|1020.00|2024-02-29|2026-01-02T05:57:27Z",
            "-|-|-|-|-|-|-|-",
        ];
        let count = 1 + usize::from(form.has_blanks());
        assert_eq!(accepted(&decoded), expected[..count]);
    }
}

#[tokio::test]
async fn a_record_that_fails_is_rejected_whole_with_its_position_and_first_column() {
    let types = [
        ("id", ColumnType::Bigint),
        ("day", ColumnType::Date),
        ("amount", ColumnType::Integer),
    ];
    for form in forms() {
        let bench = Bench::new(
            source(form.read.clone(), Load::Replace),
            contract(&["id"], &types),
        );
        let bytes = (form.write)(
            &["id", "day", "amount"],
            &[
                some(&["1", "2024-01-01", "1"]),
                some(&["2", "2024-02-31", "x"]),
                some(&["3", "45321", "3"]),
                some(&["x", "2024-01-01", "4"]),
                vec![None, Some("2024-01-01"), Some("5")],
                some(&["6", "2024-01-01", "6"]),
            ],
        );
        let decoded = bench.decode("a", &bytes).await;
        let line = form.first_line;
        let reject = |row, column: &str, rule: &str| (line + row, column.into(), rule.into());
        assert_eq!(accepted(&decoded), ["1|2024-01-01|1", "6|2024-01-01|6"]);
        assert_eq!(
            rejects(&decoded),
            [
                reject(1, "day", "impossible_date"),
                reject(2, "day", "number_as_date"),
                reject(3, "id", "not_an_integer"),
                reject(4, "id", "key_missing"),
            ]
        );
        let key = |text: &str| Some(text.to_string());
        assert_eq!(
            reject_texts(&decoded, "key"),
            [key(r#"{"id":2}"#), key(r#"{"id":3}"#), None, None]
        );
        assert_eq!(whole(&decoded.rejected_keys).num_rows(), 2);
        assert_eq!(decoded.report.records, 6);
        let rows = whole(&decoded.accepted);
        let system = rows.column(4).as_primitive::<Int64Type>();
        assert_eq!([system.value(0), system.value(1)], [line, line + 5]);
        assert_eq!(rows.column(3).as_string::<i32>().value(0), "a");
        let rejects = whole(&decoded.rejects);
        let offsets = rejects.column_by_name("byte").unwrap();
        if form.has_bytes {
            let at = offsets.as_primitive::<Int64Type>().value(0) as usize;
            let raw = reject_texts(&decoded, "raw")[0].clone().unwrap();
            assert_eq!(&bytes[at..at + raw.len()], raw.as_bytes());
        } else {
            assert_eq!(offsets.null_count(), 4);
            assert_eq!(
                reject_texts(&decoded, "raw")[0].as_deref(),
                Some(r#"{"id":"2","day":"2024-02-31","amount":"x"}"#)
            );
        }
    }
}

#[tokio::test]
async fn rules_of_the_contract_reject_records() {
    for form in forms() {
        let mut contract = contract(&["id"], &pair());
        contract.tests = vec![
            test(TestKind::AcceptedValues {
                column: "name".into(),
                values: vec!["SE".into(), "NO".into()],
            }),
            test(TestKind::Range {
                column: "id".into(),
                min: None,
                max: Some("2".into()),
            }),
        ];
        let bench = Bench::new(source(form.read.clone(), Load::Append), contract);
        let bytes = (form.write)(
            &["id", "name"],
            &[
                some(&["1", "SE"]),
                some(&["2", "XX"]),
                some(&["3", "XX"]),
                vec![None, None],
            ],
        );
        let decoded = bench.decode("a", bytes).await;
        let count = 1 + usize::from(form.has_blanks());
        assert_eq!(accepted(&decoded), ["1|SE", "-|-"][..count]);
        let found: Vec<_> = rejects(&decoded)
            .into_iter()
            .map(|(_, column, rule)| format!("{column} {rule}"))
            .collect();
        assert_eq!(found, ["name accepted_values", "id range"]);
    }
}

#[tokio::test]
async fn columns_are_found_by_any_of_their_names_in_any_order_and_others_are_counted() {
    for form in forms() {
        let types = [
            ("id<Nr|Number", ColumnType::Bigint),
            ("name<Namn", ColumnType::Varchar),
        ];
        let bench = Bench::new(
            source(form.read.clone(), Load::Append),
            contract(&[], &types),
        );
        let bytes = (form.write)(
            &["extra", "Namn", "Number"],
            &[some(&["x", "Åsa", "1"]), some(&["y", "Bo", "2"])],
        );
        let decoded = bench.decode("a", bytes).await;
        assert_eq!(accepted(&decoded), ["1|Åsa", "2|Bo"]);
        assert_eq!(decoded.report.ignored_columns, ["extra"]);
    }
}

#[tokio::test]
async fn the_path_fills_columns_that_the_export_lacks() {
    for form in forms() {
        let types = [
            ("id", ColumnType::Bigint),
            ("exported_on", ColumnType::Date),
        ];
        let bench = Bench::new(
            source(form.read.clone(), Load::Append),
            contract(&[], &types),
        );
        let bytes = (form.write)(&["id"], &[some(&["1"])]);
        let decoded = bench
            .decode_with("a", &bytes, captures("exported_on", "2026-03-01"))
            .await
            .unwrap();
        assert_eq!(accepted(&decoded), ["1|2026-03-01"]);
        let error = bench
            .decode_with("a", &bytes, captures("exported_on", "x"))
            .await
            .unwrap_err();
        assert!(error.render().contains("K0409"), "{}", error.render());
    }
}

#[tokio::test]
async fn packed_exports_are_read_through_all_their_members_and_not_beyond_damage() {
    type Pack = fn(&[u8]) -> Vec<u8>;
    let zstd: Pack = |bytes| zstd::encode_all(bytes, 1).unwrap();
    let kinds: [(&str, Pack); 3] = [("a.gz", gzip), ("a.zst", zstd), ("a.bz2", bzip2)];
    for (form, (name, pack)) in forms()
        .iter()
        .flat_map(|form| kinds.map(|kind| (form, kind)))
    {
        let bench = bench(form, Load::Append);
        let bytes = (form.write)(&["id", "name"], &[some(&["1", "Åsa"]), some(&["2", "Bo"])]);
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let members = [pack(first), pack(second)].concat();
        let decoded = bench.decode(name, &members).await;
        assert_eq!(accepted(&decoded), ["1|Åsa", "2|Bo"]);
        assert_eq!(decoded.report.size, members.len() as u64);
        // by content, whatever the name says
        assert_eq!(bench.decode("a", &members).await.report.records, 2);
        assert_eq!(bench.decode(name, []).await.report.records, 0);
        let refusal = bench.refusal(name, &members[..members.len() - 3]).await;
        assert!(
            refusal.contains("K0402") && refusal.contains("too early"),
            "{refusal}"
        );
        // senders call so what they did not pack, or packed otherwise
        assert_eq!(bench.decode(name, &bytes).await.report.records, 2);
        let otherwise = gzip(&bytes);
        assert_eq!(bench.decode(name, &otherwise).await.report.records, 2);
        let mut damaged = members.clone();
        damaged[6..12].fill(0xff);
        let refusal = bench.refusal(name, &damaged).await;
        assert!(refusal.contains("K0402"), "{refusal}");
    }
}

#[tokio::test]
async fn an_archive_is_the_one_file_in_it_that_is_meant() {
    // a workbook is an archive itself
    let forms = forms().into_iter();
    for form in forms.filter(|form| !matches!(form.read, Read::Xlsx(_))) {
        let mut bench = bench(&form, Load::Append);
        let bytes = (form.write)(&["id", "name"], &[some(&["1", "Åsa"]), some(&["2", "Bo"])]);
        let part = |name: &str, bytes: &[u8]| (name.to_string(), bytes.to_vec());
        let mut parts = vec![
            part("../../../etc/cron.d/a", &bytes),
            part("night/", b""),
            part("__MACOSX/._a", b"x"),
        ];
        let packed = archive(&parts);
        for name in ["a", "a.zip"] {
            let decoded = bench.decode(name, &packed).await;
            assert_eq!(accepted(&decoded), ["1|Åsa", "2|Bo"]);
            assert_eq!(decoded.report.size, packed.len() as u64);
            let left = bench.scratch.path().join(name).join("export.zip");
            assert!(!left.exists());
        }
        let within = archive(&[part("a.gz", &gzip(&bytes))]);
        let decoded = bench.decode("a.zip", within).await;
        assert_eq!(accepted(&decoded), ["1|Åsa", "2|Bo"]);
        for twice in [gzip(&gzip(&bytes)), archive(&[part("b.zip", &packed)])] {
            let refusal = bench.refusal("a", twice).await;
            let said = refusal.contains("K0402") && refusal.contains("packed once more");
            assert!(said, "{refusal}");
        }
        assert_eq!(bench.decode("a.zip", []).await.report.records, 0);
        for broken in [&bytes, &packed[..packed.len() - 30]] {
            let refusal = bench.refusal("a.zip", broken).await;
            assert!(refusal.contains("K0402"), "{refusal}");
        }
        parts.push(part("night/b", &bytes));
        let refusal = bench.refusal("a", archive(&parts)).await;
        assert!(
            refusal.contains("K0354") && refusal.contains("2 files"),
            "{refusal}"
        );
        let refusal = bench.refusal("a", archive(&parts[1..2])).await;
        assert!(refusal.contains("K0354"), "{refusal}");
        let mut source = Source::clone(&bench.source);
        source.member = Some(PathPattern::parse("night/*").unwrap());
        bench.source = Arc::new(source);
        let decoded = bench.decode("a.zip", archive(&parts)).await;
        assert_eq!(accepted(&decoded), ["1|Åsa", "2|Bo"]);
        let refusal = bench.refusal("a.zip", &packed).await;
        assert!(
            refusal.contains("`member: night/*` is 0 files"),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn an_export_of_many_batches_keeps_order_lines_and_accounts() {
    const COUNT: usize = 40_000;
    for form in forms() {
        let bench = bench(&form, Load::Append);
        let texts: Vec<String> = (0..COUNT)
            .map(|i| {
                if i % 1000 == 7 {
                    "x".into()
                } else {
                    i.to_string()
                }
            })
            .collect();
        let filler = "å".repeat(60);
        let records: Vec<Vec<Option<&str>>> = texts
            .iter()
            .map(|text| vec![Some(text.as_str()), Some(filler.as_str())])
            .collect();
        let decoded = bench
            .decode("a", (form.write)(&["id", "name"], &records))
            .await;
        assert_eq!(decoded.report.records, COUNT as u64);
        assert_eq!(decoded.report.rejected, (COUNT / 1000) as u64);
        let mut expected = 0;
        for batch in decoded.accepted.batches().unwrap() {
            let batch = batch.unwrap();
            assert!(batch.num_rows() <= super::BATCH_ROWS);
            let ids = batch.column(0).as_primitive::<Int64Type>();
            let lines = batch.column(3).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                if expected % 1000 == 7 {
                    expected += 1;
                }
                assert_eq!(ids.value(row), expected);
                assert_eq!(lines.value(row), expected + form.first_line);
                expected += 1;
            }
        }
        let lines: Vec<i64> = rejects(&decoded).iter().map(|(line, ..)| *line).collect();
        assert_eq!(lines[..2], [7 + form.first_line, 1007 + form.first_line]);
    }
}

#[tokio::test]
async fn typed_files_give_typed_values() {
    let types = [
        ("id", ColumnType::Bigint),
        ("day", ColumnType::Date),
        ("seen", ColumnType::Timestamp),
    ];
    let bench = Bench::new(source(parquet(), Load::Append), contract(&[], &types));
    let ids: ArrayRef = Arc::new(datafusion::arrow::array::Int32Array::from(vec![7]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["2026-01-02"]));
    let day = cast(&text, &DataType::Date32).unwrap();
    let seen = cast(
        &text,
        &DataType::Timestamp(
            datafusion::arrow::datatypes::TimeUnit::Millisecond,
            Some("UTC".into()),
        ),
    )
    .unwrap();
    let bytes = parquet_of(&["id", "day", "seen"], vec![ids, day, seen]);
    let decoded = bench.decode("a", bytes).await;
    assert_eq!(accepted(&decoded), ["7|2026-01-02|2026-01-02T00:00:00Z"]);
}

#[tokio::test]
async fn what_is_no_parquet_is_refused() {
    let bench = Bench::new(source(parquet(), Load::Append), contract(&[], &pair()));
    let refusal = bench.refusal("a.parquet", b"id,name\n1,x\n").await;
    assert!(refusal.contains("K0403"), "{refusal}");
    let whole = write_parquet(&["id", "name"], &[some(&["1", "x"])]);
    let refusal = bench.refusal("a.parquet", &whole[..whole.len() / 2]).await;
    assert!(refusal.contains("K0403"), "{refusal}");
}

#[tokio::test]
async fn an_export_that_lacks_a_column_is_refused_with_the_names_it_has() {
    let has_names = |form: &Form| !form.read.is_nested();
    for form in forms().into_iter().filter(has_names) {
        let bench = bench(&form, Load::Append);
        let bytes = (form.write)(&["id", "nam"], &[some(&["1", "x"])]);
        let refusal = bench.refusal("a", bytes).await;
        assert!(refusal.contains("K0401"), "{refusal}");
        assert!(refusal.contains("no column `name`"), "{refusal}");
        assert!(refusal.contains("if `nam` is meant"), "{refusal}");
    }
}
