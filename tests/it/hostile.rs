//! What comes in is nobody's friend: each file here was made to be read wrongly, for ever or into more memory than there
//! is. It ends as an error that says what is wrong, as rejects, or is read rightly; and costs no other source its night.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::sandbox::{Sandbox, zip};

/// Peak memory of a build. The limit of a line is 1 MB here, and several exports are decoded at once.
const MAX_BYTES: u64 = 500 << 20;

/// How an export must end.
enum Ends {
    /// Its source fails, and this is said.
    Refused(&'static [&'static str]),
    /// So many records are accepted, and so many rejected.
    Read(u64, u64),
}

use Ends::{Read, Refused};

struct Case {
    name: &'static str,
    /// `read` of the source.
    read: &'static str,
    bytes: Vec<u8>,
    ends: Ends,
}

fn case(name: &'static str, read: &'static str, bytes: impl Into<Vec<u8>>, ends: Ends) -> Case {
    Case {
        name,
        read,
        bytes: bytes.into(),
        ends,
    }
}

/// A project with one source a case, each with one export.
fn company(cases: &[Case]) -> Sandbox {
    let mut pipeline = "sources:\n".to_string();
    let company = Sandbox::with(&[(
        "kilde.yaml",
        "project: company\nraw: exports/\nlake: lake/\nlimits: {line: 1MB}\n",
    )]);
    for Case {
        name, read, bytes, ..
    } in cases
    {
        pipeline += &format!("  - {{table: bronze.{name}, files: '{name}.*', read: {read}}}\n");
        company.write(&format!("exports/{name}.bin"), bytes);
        company.write(
            &format!("schemas/bronze/{name}.yaml"),
            "columns:\n  - {name: id, data_type: varchar}\n  - {name: amount, data_type: 'decimal(12,2)'}\n",
        );
    }
    company.write("pipelines/all.yaml", pipeline);
    company
}

fn last_report(company: &Sandbox) -> serde_json::Value {
    let run = company.last_run();
    serde_json::from_str(&company.read(&format!("lake/_kilde/runs/{run}.json"))).unwrap()
}

#[test]
fn hostile_exports_end_in_an_error_that_says_what_is_wrong_or_are_read_rightly() {
    let cases: Vec<Case> = [
        text_cases(),
        json_cases(),
        packed_cases(),
        sheet_cases(),
        parquet_cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let company = company(&cases);
    let said = company.kilde(&["build"]).ended(1);
    let report = last_report(&company);
    let source = |name: &str| {
        let sources = report["sources"].as_array().unwrap();
        let table = format!("bronze.{name}");
        sources
            .iter()
            .find(|source| source["table"] == table.as_str())
            .unwrap()
            .clone()
    };
    let mut wrong = String::new();
    for Case { name, ends, .. } in &cases {
        let source = source(name);
        let failed = source["outcome"]["failed"]["text"].as_str();
        let is_right = match ends {
            Read(accepted, rejected) => {
                failed.is_none()
                    && source["accepted"] == *accepted
                    && source["rejected"] == *rejected
            }
            Refused(reasons) => failed.is_some_and(|text| {
                let is_short = text.len() < 4000 && text.lines().count() < 12;
                is_short && reasons.iter().all(|reason| text.contains(reason))
            }),
        };
        if !is_right {
            let counts = (&source["accepted"], &source["rejected"]);
            wrong += &format!("{name}: {counts:?} {failed:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{}", said.stderr);
    let peak = report["peak_bytes"].as_u64().unwrap();
    assert!(peak < MAX_BYTES, "{} MB", peak >> 20);
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn text_cases() -> Vec<Case> {
    let names: String = (0..100_000).map(|at| format!("c{at},")).collect();
    let wide = format!("{names}id,amount\n{}x,1\n", ",".repeat(100_000));
    let wider = format!("{}id,amount\n", names.repeat(2));
    let long = format!("id,amount\n{},1\ny,2\n", "x".repeat(3 << 20));
    vec![
        case(
            "utf_16",
            "csv",
            utf_16("id,amount\nx,1\n"),
            Refused(&["K0405", "`encoding: utf-16`"]),
        ),
        case("nuls", "csv", [0; 100], Refused(&["K0405", "NUL"])),
        case(
            "nuls_as_ndjson",
            "ndjson",
            [0; 100],
            Refused(&["K0405", "NUL"]),
        ),
        case(
            "a_nul_in_a_field",
            "csv",
            "id,amount\nx\0y,1\n\0,2\n",
            Read(2, 0),
        ),
        case("wide", "csv", wide, Read(1, 0)),
        case(
            "wider_than_a_line",
            "csv",
            wider,
            Refused(&["K0407", "`limits.line`", ":1"]),
        ),
        case(
            "wide_and_unknown",
            "csv",
            names.clone() + "amount\n",
            Refused(&["K0401", "`id`", "more"]),
        ),
        case(
            "line_break_in_a_name",
            "csv",
            "amount,\"a\nb\u{1b}[2J\",c\n1,2,3\n",
            Refused(&["K0401", "`a\\nb\\u{1b}[2J`"]),
        ),
        case("quotes", "csv", "\"".repeat(1 << 20), Refused(&["K0407"])),
        case(
            "quotes_below_a_header",
            "csv",
            format!("id,amount\n{}\nx,1\n", "\"".repeat((1 << 19) + 1)),
            Read(1, 1),
        ),
        case("endless_line", "csv", long, Read(1, 1)),
        case("returns_only", "csv", "id,amount\rx,1\ry\r", Read(1, 1)),
        case(
            "several_signs",
            "{csv: {delimiter: ' | ', quote: none, until: Sum}}",
            "id | amount\na | 1\n\"b | x\nSum | 1\n\"",
            Read(1, 1),
        ),
        case(
            "fixed_widths",
            "{fixed: {fields: {id: 3, amount: 6}, skip_footer: 1}}",
            "a  1.50\nb   x\r\nc\nend of file",
            Read(1, 2),
        ),
        case(
            "a_quote_that_stays_open",
            "csv",
            format!("id,amount\n\"x,1\n{}", "y,2\n".repeat(1000)),
            Read(1000, 1),
        ),
    ]
}

fn json_cases() -> Vec<Case> {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let good = r#"{"id":"x","amount":1}"#;
    vec![
        case(
            "deep",
            "ndjson",
            format!("{{\"id\":{deep}}}\n{good}\n"),
            Read(1, 1),
        ),
        case(
            "deep_document",
            "json",
            format!("[{deep},{good}]"),
            Read(1, 1),
        ),
        case(
            "deep_and_open",
            "json",
            "[".repeat(100_000),
            Refused(&["K0421"]),
        ),
        case(
            "doubled_key",
            "ndjson",
            format!("{{\"id\":\"y\",\"id\":\"z\"}}\n{good}\n"),
            Read(1, 1),
        ),
        case(
            "doubled_path",
            "{json: {path: data}}",
            format!("{{\"data\":[{good}],\"data\":[{good},{good}]}}"),
            Refused(&["K0420", "`data` more than once"]),
        ),
        case(
            "two_documents",
            "json",
            format!("[{good}]\n[{good}]"),
            Refused(&["K0420", ":2"]),
        ),
        case(
            "commas",
            "json",
            format!("[{},{good}]", ",".repeat(1 << 20)),
            Read(1, 1),
        ),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn packed_cases() -> Vec<Case> {
    let whole = gzip(b"id,amount\nx,1\n");
    let bomb = gzip(&vec![b'x'; 16 << 20]);
    vec![
        case(
            "cut_off",
            "csv",
            &whole[..whole.len() - 6],
            Refused(&["K0402", "too early"]),
        ),
        case(
            "not_gzip_after_all",
            "csv",
            [&[0x1f, 0x8b][..], &[9; 60]].concat(),
            Refused(&["K0402", "damaged"]),
        ),
        case(
            "two_members",
            "csv",
            [whole.clone(), gzip(b"y,2\n")].concat(),
            Read(2, 0),
        ),
        case("bomb", "ndjson", bomb.clone(), Read(0, 1)),
        case(
            "bomb_in_an_archive",
            "ndjson",
            zip(&[("x.ndjson", "x".repeat(16 << 20))]),
            Read(0, 1),
        ),
        case(
            "archive_of_two",
            "csv",
            zip(&[
                ("a.csv", "id,amount\nx,1\n"),
                ("../b.csv", "id,amount\ny,2\n"),
            ]),
            Refused(&["K0354", "2 files"]),
        ),
        case(
            "archive_of_one",
            "csv",
            zip(&[("../../a.csv", "id,amount\nx,1\n")]),
            Read(1, 0),
        ),
        case("bomb_as_a_header", "csv", bomb, Refused(&["K0407"])),
        case(
            "bomb_of_nuls",
            "csv",
            gzip(&vec![0; 16 << 20]),
            Refused(&["K0405", "NUL"]),
        ),
    ]
}

const HEADER: &str =
    r#"<row r="1"><c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>amount</v></c></row>"#;

/// A workbook with one sheet of these rows, and what else its parts are given.
fn sheet(rows: &str, shared: &str, tabs: &str, relations: &str) -> Vec<u8> {
    zip(&[
        (
            "xl/workbook.xml",
            format!(r#"<workbook><sheets><sheet name="S" r:id="s"/>{tabs}</sheets></workbook>"#),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                r#"<R><Relationship Id="s" Type="t/worksheet" Target="s.xml"/><Relationship Id="t" Type="t/sharedStrings" Target="t.xml"/>{relations}</R>"#
            ),
        ),
        ("xl/t.xml", format!("<sst>{shared}</sst>")),
        (
            "xl/s.xml",
            format!(
                r#"<worksheet><dimension ref="A1:XFD1048576"/><sheetData>{HEADER}{rows}</sheetData></worksheet>"#
            ),
        ),
    ])
}

fn sheet_cases() -> Vec<Case> {
    let row = r#"<row r="2"><c r="A2" t="str"><v>x</v></c><c r="B2"><v>1</v></c></row>"#;
    let relations: String = (0..70_000)
        .map(|at| format!(r#"<Relationship Id="r{at}" Type="t/worksheet" Target="s.xml"/>"#))
        .collect();
    let wide = r#"<row r="2"><c r="XFD2"><v>1</v></c><c r="A2"><v>7</v></c></row>"#;
    let endless = format!(
        r#"<row r="2"><c r="A2" t="str"><v>{}</v></c></row>"#,
        "x".repeat(20 << 20)
    );
    let long = format!(
        r#"<row r="2"><c r="A2" t="str"><v>{}</v></c></row>"#,
        "x".repeat(2 << 20)
    );
    let order = r#"<row r="3"/><row r="2"><c r="A2"><v>1</v></c></row>"#;
    let missing = r#"<row r="2"><c r="A2" t="s"><v>1</v></c></row>"#;
    let packed = sheet(row, "", "", "");
    vec![
        case("book", "xlsx", packed.clone(), Read(1, 0)),
        case(
            "book_cut_off",
            "xlsx",
            &packed[..packed.len() / 2],
            Refused(&["K0422"]),
        ),
        case(
            "book_of_many_parts",
            "xlsx",
            sheet(row, "", "", &relations),
            Refused(&["K0422"]),
        ),
        case(
            "book_of_far_cells",
            "xlsx",
            sheet(wide, "", "", ""),
            Read(1, 0),
        ),
        case(
            "book_of_an_endless_text",
            "xlsx",
            sheet(&endless, "", "", ""),
            Refused(&["K0422", "text without end"]),
        ),
        case(
            "book_of_a_long_row",
            "xlsx",
            sheet(&long, "", "", ""),
            Read(0, 1),
        ),
        case(
            "book_out_of_order",
            "xlsx",
            sheet(order, "", "", ""),
            Refused(&["K0422", "row 3"]),
        ),
        case(
            "book_without_its_texts",
            "xlsx",
            sheet(missing, "<si><t>x</t></si>", "", ""),
            Refused(&["K0422", "row 2"]),
        ),
        case(
            "book_without_the_sheet",
            "{xlsx: {sheet: Answers}}",
            sheet(row, "", &r#"<sheet name="T" r:id="s"/>"#.repeat(5000), ""),
            Refused(&["K0423", "more"]),
        ),
    ]
}

fn parquet_file() -> Vec<u8> {
    use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
    use std::sync::Arc;
    let texts = |text: &str| Arc::new(StringArray::from(vec![text; 100])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("id", texts("x")), ("amount", texts("1.50"))]);
    let batch = batch.unwrap();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn parquet_cases() -> Vec<Case> {
    let whole = parquet_file();
    let footer = whole.len() - 8;
    let with = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let metadata = u32::from_le_bytes(whole[footer..footer + 4].try_into().unwrap()) as usize;
    vec![
        case("lake", "parquet", whole.clone(), Read(100, 0)),
        case(
            "lake_cut_off",
            "parquet",
            &whole[..footer],
            Refused(&["K0403"]),
        ),
        case(
            "lake_of_a_footer_only",
            "parquet",
            "PAR1PAR1",
            Refused(&["K0403"]),
        ),
        case(
            "lake_of_a_lying_footer",
            "parquet",
            with(footer, &[0xff; 4]),
            Refused(&["K0403"]),
        ),
        case(
            "lake_of_a_damaged_footer",
            "parquet",
            with(footer - metadata + 2, &[0xff; 40]),
            Refused(&["K0403"]),
        ),
        case(
            "lake_of_damaged_pages",
            "parquet",
            with(4, &[0xff; 60]),
            Refused(&["K0403"]),
        ),
        case(
            "no_lake",
            "parquet",
            "id,amount\nx,1\n",
            Refused(&["K0403"]),
        ),
    ]
}

/// A source whose glob takes every file of its folder, and one that must not suffer for it.
fn neighbours() -> Sandbox {
    let columns = "columns:\n  - {name: id, data_type: varchar}\n";
    let company = Sandbox::with(&[
        (
            "kilde.yaml",
            "project: company\nraw: exports/\nlake: lake/\n",
        ),
        (
            "pipelines/all.yaml",
            "sources:\n  - {table: bronze.any, files: 'any/**', read: csv, on_error: hold}\n  - {table: bronze.good, files: 'good/*.csv', read: csv}\n",
        ),
        ("schemas/bronze/any.yaml", columns),
        ("schemas/bronze/good.yaml", columns),
        ("exports/any/a.csv", "id\n1\n"),
        ("exports/good/a.csv", "id\n1\n"),
    ]);
    company.kilde(&["build"]).ended(0);
    company
}

#[test]
fn files_of_unusual_names_are_read_like_any_other() {
    let company = neighbours();
    for (at, name) in [
        "A.csv",
        "a%2Fb.csv",
        "a..b",
        "..c",
        "#12.csv",
        "å ä\u{a0}ö.csv",
        "a\u{202e}vsc.b",
        "a\u{2028}b.csv",
        "#",
        "a b+c&d=e.csv",
        "a\\b",
    ]
    .into_iter()
    .enumerate()
    {
        company.write(&format!("exports/any/{name}"), format!("id\nx{at}\n"));
    }
    let said = company.kilde(&["build"]);
    let said = said.ended(0);
    // `#` alone ends in no digit, and yet storage takes it for a half-written file
    assert!(said.stdout.contains("held"), "{}", said.stdout);
    std::fs::remove_file(company.path("exports/any/#")).unwrap();
    company.kilde(&["build"]).ended(0);
    let files =
        company.query("select count(distinct _kilde_source_file), count(*) from bronze.any");
    assert_eq!(files, [["11", "11"]]);
    let listed = company.kilde(&["exports", "any"]).ended(0).stdout;
    assert!(listed.contains("any/a\\u{202e}vsc.b "), "{listed}");
    let skip = [
        "exports",
        "skip",
        "any/a\\u{202e}vsc.b",
        "--by",
        "eva",
        "--why",
        "x",
    ];
    company.kilde(&skip).ended(2);
    let retract = [&["exports", "retract"], &skip[2..]].concat();
    company.kilde(&retract).ended(0);
    company.kilde(&["build"]).ended(0);
    let rows = "select count(*) from bronze.any";
    assert_eq!(company.query(rows), [["10"]]);
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("nothing new"), "{}", said.stdout);
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_read_costs_only_the_sources_that_need_it_and_is_named_escaped() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    let company = neighbours();
    let at = |name: &[u8]| company.path("exports/any").join(OsStr::from_bytes(name));
    for name in [&b"b\nc.csv"[..], b"b\xffc.csv", b"b.csv#12"] {
        std::fs::write(at(name), "id\n2\n").unwrap();
    }
    symlink("..", at(b"up")).unwrap();
    symlink("nowhere", at(b"gone.csv")).unwrap();
    symlink("self.csv", at(b"self.csv")).unwrap();
    symlink("/", at(b"root")).unwrap();
    let paths = [
        "any/b.csv#12",
        "any/b\\nc.csv",
        "any/b\\xffc.csv",
        "any/gone.csv",
        "any/root",
        "any/self.csv",
        "any/up",
    ];
    company.write("exports/good/b.csv", "id\n2\n");
    let said = company.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains("held at release 1: any/b.csv#12: the name ends in `#`"),
        "{said}"
    );
    assert_eq!(company.query("select count(*) from bronze.good"), [["2"]]);
    let listed = company.kilde(&["exports", "any"]).ended(0).stdout;
    assert!(listed.contains("refused"), "{listed}");
    for path in paths {
        assert!(listed.contains(&format!("  {path} ")), "{path}: {listed}");
    }
    // somebody may decide that they do not count
    let skip = [
        &["exports", "skip"],
        &paths[..],
        &["--why", "stray", "--by", "eva"],
    ]
    .concat();
    company.kilde(&skip).ended(0);
    let said = company.kilde(&["build"]).ended(0).stdout;
    assert!(!said.contains("held"), "{said}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_out_of_the_folder_and_what_no_source_needs_is_only_listed() {
    use std::os::unix::fs::symlink;

    let company = neighbours();
    company.write("elsewhere/b.csv", "id\n2\n");
    symlink(
        company.path("elsewhere"),
        company.path("exports/any/elsewhere"),
    )
    .unwrap();
    symlink("nowhere", company.path("exports/stray")).unwrap();
    symlink("nowhere", company.path("exports/good/stray.txt")).unwrap();
    symlink("..", company.path("exports/good/up")).unwrap();
    let said = company.kilde(&["build"]).ended(0);
    assert!(!said.stdout.contains("held"), "{}", said.stdout);
    let files = company.query("select _kilde_source_file from bronze.any order by 1");
    assert_eq!(files, [["any/a.csv"], ["any/elsewhere/b.csv"]]);
    let listed = company.kilde(&["exports"]).ended(0).stdout;
    assert!(
        listed.contains("3 files that cannot be read and no source needs"),
        "{listed}"
    );
    assert!(
        listed.contains("good/stray.txt  the symbolic link points to nothing"),
        "{listed}"
    );
}

/// A table without a key is sorted by all its columns, in many buckets side by side.
#[test]
fn a_large_export_without_a_key_is_sorted_in_little_memory() {
    use std::fmt::Write;

    let mut rows = "id,amount\n".to_string();
    for row in 0_u64..300_000 {
        let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let _ = writeln!(rows, "text {mixed},{}.{:02}", mixed >> 44, row % 100);
    }
    let company = company(&[case("rows", "csv", rows, Read(300_000, 0))]);
    let build = ["build", "--memory-limit", "16MiB", "--threads", "2"];
    company.kilde(&build).ended(0);
    let found = company.query("select count(*), count(distinct id) from bronze.rows");
    assert_eq!(found, [["300000", "300000"]]);
}
