use super::fixture::{text_cell, workbook, workbook_from_1904, workbook_of};
use crate::ingest::testing::{Bench, accepted, contract, rejects, source, xlsx};
use crate::project::{ColumnType, Conversions, Frame, Load, Read, XlsxRead};

fn bench(read: XlsxRead) -> Bench {
    let money = ColumnType::Decimal {
        precision: 12,
        scale: 2,
    };
    let columns = [
        ("id<Nr", ColumnType::Varchar),
        ("amount<Belopp", money),
        ("paid<Betald", ColumnType::Boolean),
        ("at<Tid", ColumnType::Timestamp),
        ("day<Dag", ColumnType::Date),
    ];
    let zone = chrono_tz::Tz::Europe__Stockholm;
    let conversions = Conversions {
        two_digit_years_from: crate::project::DEFAULT_FIRST_YEAR,
        zone,
        decimal: ',',
        dates: vec!["%d.%m.%Y".into()],
        ..read.conversions.clone()
    };
    let read = XlsxRead {
        conversions,
        ..read
    };
    Bench::new(
        source(Read::Xlsx(read), Load::Append),
        contract(&["id"], &columns),
    )
}

fn header() -> String {
    ["Betald", "Nr", "", "Belopp", "Dag", "Tid", "Extra"]
        .map(|name| text_cell(Some(name)))
        .concat()
}

#[tokio::test]
async fn cells_are_read_as_what_they_are_and_texts_as_declared() {
    let rows = [
        header(),
        r#"<c t="b"><v>1</v></c><c t="s"><v>0</v></c><c/><c><v>19.989999999999998</v></c><c s="2"><v>45351</v></c><c s="1"><v>45935.26819444444</v></c>"#.into(),
        String::new(),
        format!(r#"<c r="B4"><v>110890</v></c>{}<c r="D4" t="str"><v>1020,50</v></c><c r="E4" t="str"><v>29.02.2024</v></c>"#, text_cell(Some("a note"))),
        r#"<c r="B5" t="s"><v>1</v></c><c r="F5" t="d"><v>2026-01-02T12:00:00</v></c>"#.into(),
        r#"<c r="C6" t="s"><v>1</v></c><c r="B6" t="str"><v></v></c>"#.into(),
    ];
    let bench = bench(xlsx());
    let decoded = bench.decode("a.xlsx", workbook(&[("Svar", &rows)])).await;
    assert_eq!(
        accepted(&decoded),
        [
            "sh&ared|19.99|true|2025-10-05T04:26:12Z|2024-02-29",
            "110890|1020.50|-|-|2024-02-29",
            "rich|-|-|2026-01-02T11:00:00Z|-",
            "-|-|-|-|-",
        ]
    );
    assert_eq!(
        decoded.report.ignored_columns,
        ["Extra", "column 3 (no name)"]
    );
}

#[tokio::test]
async fn numbers_that_the_source_calls_days_are_counted_as_the_workbook_counts() {
    let names = ["Nr", "Dag", "Tid", "Belopp"].map(|name| text_cell(Some(name)));
    let cells = r#"<c><v>1</v></c><c><v>44620</v></c><c><v>44620.5</v></c><c><v>44620</v></c>"#;
    let rows = format!("<row>{}</row><row>{cells}</row>", names.concat());
    let days = |dates: &[&str]| {
        let formats = dates.iter().map(|format| (*format).to_string());
        let conversions = Conversions {
            dates: formats.clone().collect(),
            times: formats.collect(),
            ..xlsx().conversions
        };
        let columns = [
            ("day<Dag", ColumnType::Date),
            ("at<Tid", ColumnType::Timestamp),
            ("amount<Belopp", ColumnType::Bigint),
        ];
        let read = XlsxRead {
            conversions,
            ..xlsx()
        };
        Bench::new(
            source(Read::Xlsx(read), Load::Append),
            contract(&[], &columns),
        )
    };
    let sheets = [("Svar", rows)];
    let excel = days(&["excel"]);
    let decoded = excel.decode("a.xlsx", workbook_from_1904(&sheets)).await;
    assert_eq!(
        accepted(&decoded),
        ["2026-03-01|2026-03-01T12:00:00Z|44620"]
    );
    let decoded = excel.decode("a.xlsx", workbook_of(&sheets)).await;
    assert_eq!(
        accepted(&decoded),
        ["2022-02-28|2022-02-28T12:00:00Z|44620"]
    );
    let decoded = days(&["%d.%m.%Y"])
        .decode("a.xlsx", workbook_from_1904(&sheets))
        .await;
    let rule = (2, "day".to_string(), "number_as_date".to_string());
    assert_eq!(rejects(&decoded), [rule]);
}

#[tokio::test]
async fn errors_and_numbers_in_the_place_of_dates_reject_their_row() {
    let rows = [
        header(),
        r#"<c r="B2"><v>1</v></c><c r="D2" t="e"><v>#N/A</v></c>"#.into(),
        r#"<c r="B3"><v>2</v></c><c r="E3"><v>45351</v></c>"#.into(),
        r#"<c r="B4"><v>3</v></c><c r="E4" s="1"><v>45351.5</v></c>"#.into(),
        r#"<c r="B5"><v>4</v></c><c r="G5" t="e"><v>#REF!</v></c>"#.into(),
        r#"<c r="B6"><v>5</v></c><c r="F6" t="str"><v>31.02.2024</v></c>"#.into(),
        r#"<c r="B7"><v>6</v></c><c r="F7" t="str"><v>28.02.2024</v></c>"#.into(),
        r#"<c r="B8"><v>7</v></c><c r="D8"><f>1+1</f><v></v></c>"#.into(),
        r#"<c r="B9"><v>8</v></c><c r="D9" t="str"><f>IF(A1,"")</f><v></v></c>"#.into(),
        r#"<c r="B10"><v>9</v></c><c r="E10" s="2"><v>60</v></c>"#.into(),
    ];
    let bench = bench(xlsx());
    let decoded = bench.decode("a.xlsx", workbook(&[("Svar", &rows)])).await;
    let good = ["4|-|-|-|-", "6|-|-|2024-02-27T23:00:00Z|-", "8|-|-|-|-"];
    assert_eq!(accepted(&decoded), good);
    let expected = [
        (2, "amount", "cell_error"),
        (3, "day", "number_as_date"),
        (4, "day", "not_a_date"),
        (6, "at", "impossible_date"),
        (8, "amount", "no_result"),
        (10, "day", "impossible_date"),
    ];
    assert_eq!(
        rejects(&decoded),
        expected.map(|(line, column, rule)| (line, column.to_string(), rule.to_string()))
    );
}

#[tokio::test]
async fn the_first_sheet_in_sight_is_read_or_the_one_that_is_named() {
    let title = [
        text_cell(Some("Report")),
        String::new(),
        header(),
        r#"<c r="B4"><v>7</v></c>"#.into(),
    ];
    let other = [header(), r#"<c r="B2"><v>8</v></c>"#.into()];
    let book = workbook(&[("~Lists", &other), ("Svar", &title)]);
    let read = XlsxRead {
        frame: Frame {
            skip_lines: 2,
            ..Frame::default()
        },
        ..xlsx()
    };
    let first = bench(read);
    let decoded = first.decode("a.xlsx", &book).await;
    assert_eq!(accepted(&decoded), ["7|-|-|-|-"]);
    let named = |name: &str| XlsxRead {
        sheet: Some(name.into()),
        ..xlsx()
    };
    let lists = bench(named("~Lists"));
    let decoded = lists.decode("a.xlsx", &book).await;
    assert_eq!(accepted(&decoded), ["8|-|-|-|-"]);
    let refusal = bench(named("Svor")).refusal("a.xlsx", &book).await;
    assert!(
        refusal.contains("K0423") && refusal.contains("`Svar`"),
        "{refusal}"
    );
}

#[tokio::test]
async fn without_a_header_columns_stand_in_contract_order_and_more_of_them_reject() {
    let read = XlsxRead {
        header_rows: 0,
        ..xlsx()
    };
    let rows = [
        r#"<c><v>1</v></c><c><v>2.5</v></c>"#.to_string(),
        r#"<c><v>1</v></c><c r="F2"><v>2.5</v></c>"#.into(),
    ];
    let bench = bench(read);
    let decoded = bench.decode("a.xlsx", workbook(&[("Svar", &rows)])).await;
    assert_eq!(accepted(&decoded), ["1|2.50|-|-|-"]);
    assert_eq!(
        rejects(&decoded),
        [(2, String::new(), "too_many_fields".into())]
    );
}

#[tokio::test]
async fn what_is_no_workbook_or_a_damaged_one_is_refused() {
    let rows = [header()];
    let book = workbook(&[("Svar", &rows)]);
    let old = [&[0xd0, 0xcf, 0x11, 0xe0][..], &[0; 600]].concat();
    let mut damaged = book.clone();
    let cell = damaged
        .windows(6)
        .position(|part| part == b"Betald")
        .unwrap();
    damaged[cell] ^= 1;
    for bytes in [
        b"Nr;Belopp\n".to_vec(),
        old,
        book[..book.len() / 2].to_vec(),
        damaged,
    ] {
        let refusal = bench(xlsx()).refusal("a.xlsx", bytes).await;
        assert!(refusal.contains("K0422"), "{refusal}");
    }
}

#[tokio::test]
async fn a_renamed_column_is_named_in_the_refusal() {
    let rows = [header()
        .replace(">Nr<", ">Kundnr<")
        .replace(">Extra<", "><")];
    let refusal = bench(xlsx())
        .refusal("survey/nps.xlsx", workbook(&[("Svar", &rows)]))
        .await;
    assert!(
        refusal.contains("the export has no column `Nr` (now `Kundnr`)"),
        "{refusal}"
    );
}

/// A header with `Nr` in column B, and rows whose XML is given.
fn sheet(rows: &str) -> Vec<u8> {
    let rows = format!(r#"<row r="1">{}</row>{rows}"#, header());
    workbook_of(&[("Svar", rows)])
}

#[tokio::test]
async fn rows_and_cells_that_are_not_where_they_say_refuse_the_workbook_and_name_the_row() {
    let cases = [
        (
            r#"<row r="0"><c r="B0"><v>1</v></c></row>"#,
            "the row after row 1",
        ),
        (
            r#"<row r="3"/><row r="2"><c r="B2"><v>1</v></c></row>"#,
            "the row after row 3",
        ),
        (
            r#"<row r="2"/><row r="2"><c r="B2"><v>1</v></c></row>"#,
            "the row after row 2",
        ),
        (
            r#"<row r="-4"><c><v>1</v></c></row>"#,
            "the row after row 1",
        ),
        (
            r#"<row r="1048577"><c><v>1</v></c></row>"#,
            "the row after row 1",
        ),
        (
            r#"<row r="2"><c r="XFE2"><v>1</v></c></row>"#,
            "row 2 has cells beyond column XFD",
        ),
        (
            r#"<row r="2"><c r="B7"><v>1</v></c></row>"#,
            "row 2 has a cell of another row",
        ),
        (
            r#"<row r="2"><c r="7"><v>1</v></c></row>"#,
            "row 2 has a cell at a place",
        ),
        (
            r#"<row r="2"><c r="B2"><v>1</v></c><c r="B2"><v>2</v></c></row>"#,
            "row 2 has a cell twice",
        ),
        (
            r#"<row r="2"><c r="B2" t="s"><v>2</v></c></row>"#,
            "row 2 has a text that the workbook lacks",
        ),
        (
            r#"<row r="2"><c r="B2" t="s"><v>-</v></c></row>"#,
            "row 2 has a text that the workbook lacks",
        ),
        (
            r#"<row r="2"><row r="3"/></row>"#,
            "row 2 holds another row",
        ),
        (
            r#"<row r="2"><c r="B2"><c r="C2"/></c></row>"#,
            "row 2 has a cell that does not end",
        ),
        (r#"<row r="2"><c r="B2"><v>1</v>"#, "ill-formed"),
    ];
    for (rows, reason) in cases {
        let refusal = bench(xlsx()).refusal("a.xlsx", sheet(rows)).await;
        assert!(
            refusal.contains("K0422") && refusal.contains(reason),
            "{rows}: {refusal}"
        );
    }
}

#[tokio::test]
async fn places_that_are_not_said_follow_those_before_and_cells_may_stand_in_any_order() {
    let rows = r#"<row><c/><c><v>1</v></c></row><row r="5"><c r="D5"><v>2.5</v></c><c r="B5"><v>2</v></c></row>
<row><c r="B6"><v>3</v></c></row><anchor><row>7</row></anchor>"#;
    let bench = bench(xlsx());
    let decoded = bench.decode("a.xlsx", sheet(rows)).await;
    assert_eq!(
        accepted(&decoded),
        ["1|-|-|-|-", "2|2.50|-|-|-", "3|-|-|-|-"]
    );
    assert_eq!(decoded.report.records, 3);
}

#[tokio::test]
async fn a_row_beyond_the_limit_is_a_reject_and_the_next_is_read() {
    let long = text_cell(Some(&"x".repeat(3000)));
    let rows = format!(
        r#"<row r="2">{long}<c r="B2"><v>1</v></c></row><row r="3"><c r="B3"><v>2</v></c></row>"#
    );
    let mut bench = bench(xlsx());
    bench.max_record_bytes = 2048;
    let decoded = bench.decode("a.xlsx", sheet(&rows)).await;
    assert_eq!(accepted(&decoded), ["2|-|-|-|-"]);
    assert_eq!(
        rejects(&decoded),
        [(2, String::new(), "record_too_long".into())]
    );
}

#[tokio::test]
async fn a_sheet_that_breaks_off_between_rows_is_refused() {
    let book = workbook_of(&[("Svar", format!(r#"<row r="1">{}</row><!--"#, header()))]);
    let refusal = bench(xlsx()).refusal("a.xlsx", book).await;
    assert!(refusal.contains("K0422"), "{refusal}");
}

#[tokio::test]
async fn a_sheet_as_people_write_it_is_read_between_its_title_and_its_totals() {
    let text = |text: &str| text_cell(Some(text));
    let number = |value: i64| format!("<c><v>{value}</v></c>");
    let rows = [
        text("F\u{f6}rs\u{e4}ljning 2026"),
        [
            text("Kund"),
            text("Januari"),
            "<c/>".into(),
            text("Februari"),
            "<c/>".into(),
        ]
        .concat(),
        [
            "<c/>".to_string(),
            text("st"),
            text("kr"),
            text("st"),
            text("kr"),
        ]
        .concat(),
        [text("Anna"), number(1), number(10), number(2), number(20)].concat(),
        [
            text("Totalt AB"),
            number(3),
            number(30),
            number(4),
            number(40),
        ]
        .concat(),
        [
            text("Totalt:"),
            number(4),
            number(40),
            number(6),
            number(60),
        ]
        .concat(),
        text("skrivet av Bo"),
    ];
    let rows: String = (1..)
        .zip(&rows)
        .map(|(at, cells)| format!(r#"<row r="{at}">{cells}</row>"#))
        .collect();
    let merged = r#"</sheetData><mergeCells><mergeCell ref="A2:A3"/><mergeCell ref="B2:C2"/><mergeCell ref="D2:E2"/></mergeCells><sheetData>"#;
    let book = workbook_of(&[("Blad1", rows + merged)]);
    let columns = [
        ("customer<Kund", ColumnType::Varchar),
        ("january<Januari kr", ColumnType::Integer),
        ("february<Februari kr", ColumnType::Integer),
    ];
    let bench = |frame: Frame| {
        let read = XlsxRead {
            header_rows: 2,
            frame: Frame {
                skip_lines: 1,
                ..frame
            },
            ..xlsx()
        };
        let source = source(Read::Xlsx(read), Load::Append);
        Bench::new(source, contract(&["customer"], &columns))
    };
    let until = Frame {
        until: vec!["Totalt:".into()],
        ..Frame::default()
    };
    let footer = Frame {
        skip_footer: 2,
        ..Frame::default()
    };
    let word = Frame {
        until: vec!["Tot".into()],
        ..Frame::default()
    };
    let all = bench(word).decode("a.xlsx", &book).await;
    assert!(all.report.records > 2, "a word is a whole word");
    for frame in [until, footer] {
        let bench = bench(frame);
        let decoded = bench.decode("a.xlsx", &book).await;
        assert_eq!(accepted(&decoded), ["Anna|10|20", "Totalt AB|30|40"]);
        assert_eq!(
            decoded.report.ignored_columns,
            ["Januari st", "Februari st"]
        );
        assert_eq!(decoded.report.records, 2);
    }
}
