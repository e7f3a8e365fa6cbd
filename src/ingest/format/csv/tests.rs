//! Delimited text as senders write it, and break it.

use crate::ingest::reject::MAX_RAW_BYTES;
use crate::ingest::testing::{
    Bench, accepted, captures, contract, csv, reject_texts, rejects, source, whole,
};
use crate::project::{
    ColumnType, Conversions, CsvRead, Encoding, Escape, Frame, Load, Negatives, Read,
};

fn swedish() -> CsvRead {
    CsvRead {
        delimiter: ";".into(),
        encoding: Encoding::WINDOWS_1252,
        conversions: Conversions {
            decimal: ',',
            thousands: Some(' '),
            dates: vec!["%d.%m.%Y".into()],
            two_digit_years_from: crate::project::DEFAULT_FIRST_YEAR,
            zone: chrono_tz::Tz::Europe__Stockholm,
            ..csv().conversions
        },
        ..csv()
    }
}

fn bench(read: CsvRead, key: &[&str], columns: &[(&str, ColumnType)]) -> Bench {
    Bench::new(
        source(Read::Csv(read), Load::Replace),
        contract(key, columns),
    )
}

fn texts() -> [(&'static str, ColumnType); 3] {
    [
        ("id", ColumnType::Bigint),
        ("name", ColumnType::Varchar),
        ("note", ColumnType::Varchar),
    ]
}

#[tokio::test]
async fn a_swedish_export_in_windows_1252_is_read() {
    let columns = [
        ("nr<Kundnr", ColumnType::Varchar),
        ("name<F\u{f6}rnamn", ColumnType::Varchar),
        ("born<F\u{f6}dd", ColumnType::Date),
        (
            "sales<Oms\u{e4}ttning",
            ColumnType::Decimal {
                precision: 12,
                scale: 2,
            },
        ),
    ];
    let bench = self::bench(swedish(), &["nr"], &columns);
    let bytes = b"Kundnr;F\xf6rnamn;F\xf6dd;Oms\xe4ttning\r\n\
        007;\xc5sa \x80;29.02.2024;1\xa0234,50\r\n\
        008;\"\"\"Bj\xf6rn\"\"; x\";31.02.2024;1,5\r\n";
    let decoded = bench.decode("a", bytes).await;
    assert_eq!(accepted(&decoded), ["007|Åsa €|2024-02-29|1234.50"]);
    assert_eq!(
        rejects(&decoded),
        [(3, "born".into(), "impossible_date".into())]
    );
    assert_eq!(
        reject_texts(&decoded, "raw")[0].as_deref(),
        Some("008;\"\"\"Björn\"\"; x\";31.02.2024;1,5")
    );
    assert_eq!(
        reject_texts(&decoded, "reason")[0].as_deref(),
        Some("`born` is a date or time that does not exist")
    );
}

#[tokio::test]
async fn broken_records_cost_themselves_and_their_key_is_read_where_it_comes_first() {
    let bench = self::bench(csv(), &["id"], &texts());
    let text =
        "id,name,note\n1,a,b\n2,a\n3,a,b,c\n4,a,\"b\n5,a,\"b\"x\n6,a,\"two\nlines\"\n7,\"a\n";
    let decoded = bench.decode("a", text).await;
    assert_eq!(accepted(&decoded), ["1|a|b", "6|a|two\nlines"]);
    let expected = [
        (3, "too_few_fields"),
        (4, "too_many_fields"),
        (5, "unclosed_quote"),
        (6, "unclosed_quote"),
        (9, "unclosed_quote"),
    ];
    let expected = expected.map(|(line, rule)| (line, String::new(), rule.to_string()));
    assert_eq!(rejects(&decoded), expected);
    let keys = [2, 3, 4, 5, 7].map(|id| Some(format!("{{\"id\":{id}}}")));
    assert_eq!(reject_texts(&decoded, "key"), keys);
    assert_eq!(
        reject_texts(&decoded, "reason")[0].as_deref(),
        Some("the record has too few fields: 2 where 3 are declared")
    );
    assert_eq!(whole(&decoded.rejected_keys).num_rows(), 5);
}

#[tokio::test]
async fn a_key_that_may_have_moved_is_not_believed() {
    let columns = [
        ("name", ColumnType::Varchar),
        ("id", ColumnType::Bigint),
        ("note", ColumnType::Varchar),
    ];
    let bench = self::bench(csv(), &["id"], &columns);
    let decoded = bench.decode("a", "name,id,note\n7,x\n").await;
    assert_eq!(reject_texts(&decoded, "key"), [None]);
}

#[tokio::test]
async fn bytes_that_are_no_utf_8_cost_one_record_and_not_its_key() {
    let bench = self::bench(csv(), &["id"], &texts());
    let decoded = bench
        .decode(
            "a",
            b"id,name,note\n1,\xc3\xa5,b\n2,\xff,b\n3,c,d\n\xff,c,d\n4,\xff\n",
        )
        .await;
    assert_eq!(accepted(&decoded), ["1|å|b", "3|c|d"]);
    let rules = [(3, "encoding"), (5, "encoding"), (6, "too_few_fields")];
    let rules = rules.map(|(line, rule)| (line, String::new(), rule.to_string()));
    assert_eq!(rejects(&decoded), rules);
    let keys = reject_texts(&decoded, "key");
    let keys: Vec<_> = keys.iter().map(Option::as_deref).collect();
    assert_eq!(keys, [Some(r#"{"id":2}"#), None, Some(r#"{"id":4}"#)]);
    assert_eq!(
        reject_texts(&decoded, "raw")[0].as_deref(),
        Some("2,\u{fffd},b")
    );
}

#[tokio::test]
async fn a_line_beyond_the_limit_is_passed_over() {
    let mut bench = bench(csv(), &["id"], &texts());
    bench.max_record_bytes = 1 << 10;
    let long = "x".repeat(3 << 20);
    let text = format!("id,name,note\n1,a,b\n2,{long},b\n3,a,\"{long}\n4,a,b\n");
    let decoded = bench.decode("a", &text).await;
    assert_eq!(accepted(&decoded), ["1|a|b", "4|a|b"]);
    let expected = [3, 4].map(|line| (line, String::new(), "record_too_long".to_string()));
    assert_eq!(rejects(&decoded), expected);
    let raw = reject_texts(&decoded, "raw")[0].clone().unwrap();
    assert_eq!(raw.len(), MAX_RAW_BYTES);
}

#[tokio::test]
async fn an_unclosed_quote_far_from_the_end_is_found_within_the_limit() {
    let mut bench = bench(csv(), &["id"], &texts());
    bench.max_record_bytes = 1 << 12;
    let mut text = "id,name,note\n0,a,\"b\n".to_string();
    for id in 1..200_000 {
        text += &format!("{id},a,b\n");
    }
    let decoded = bench.decode("a", &text).await;
    assert_eq!(
        rejects(&decoded),
        [(2, String::new(), "unclosed_quote".into())]
    );
    assert_eq!(decoded.report.accepted, 199_999);
}

#[tokio::test]
async fn without_a_header_columns_stand_in_the_contract_s_order() {
    let read = CsvRead {
        header_rows: 0,
        frame: Frame {
            skip_lines: 2,
            comment: Some("#".into()),
            ..Frame::default()
        },
        ..csv()
    };
    let mut columns = texts().to_vec();
    columns.insert(1, ("exported_on", ColumnType::Date));
    let bench = self::bench(read, &[], &columns);
    let text = "\u{feff}made by\na machine\n# no record\n1,a,b";
    let decoded = bench
        .decode_with("a", text.as_bytes(), captures("exported_on", "2026-03-01"))
        .await
        .unwrap();
    assert_eq!(accepted(&decoded), ["1|2026-03-01|a|b"]);
}

#[tokio::test]
async fn headers_that_cannot_be_used_are_refused() {
    let bench = self::bench(csv(), &[], &texts());
    let refused = bench.refusal("a", "id,name,name,note\n1,a,b,c\n").await;
    assert!(refused.contains("K0406"), "{refused}");
    let refused = bench.refusal("a", "id,\"name,note\n1,a,b\n").await;
    assert!(refused.contains("K0407"), "{refused}");
    let refused = bench.refusal("a", b"i\0d\0,\0n\0\n\0").await;
    assert!(refused.contains("K0405"), "{refused}");
}

#[tokio::test]
async fn nested_values_may_stand_in_a_field_as_json() {
    let list = ColumnType::List(Box::new(ColumnType::Integer));
    let bench = self::bench(csv(), &[], &[("id", ColumnType::Bigint), ("codes", list)]);
    let decoded = bench
        .decode("a", "id,codes\n1,\"[1,2]\"\n2,\n3,\"[1,\"\n4,[x]\n5,[]\n")
        .await;
    assert_eq!(accepted(&decoded), ["1|[1, 2]", "2|-", "5|[]"]);
    assert_eq!(decoded.report.rejected, 2);
}

#[tokio::test]
async fn local_times_become_utc() {
    let columns = [("sold_at", ColumnType::Timestamp)];
    let bench = self::bench(swedish(), &[], &columns);
    let decoded = bench
        .decode("a", "sold_at\n2026-07-02 10:00:00\n2026-10-25 02:30:00\n")
        .await;
    assert_eq!(
        accepted(&decoded),
        ["2026-07-02T08:00:00Z", "2026-10-25T00:30:00Z"]
    );
}

#[tokio::test]
async fn a_byte_order_mark_wins_over_the_declared_encoding() {
    let columns = [("id", ColumnType::Bigint), ("name", ColumnType::Varchar)];
    for encoding in [Encoding::WINDOWS_1252, Encoding::Utf8, Encoding::Utf16] {
        let read = CsvRead { encoding, ..csv() };
        let bench = Bench::new(
            source(Read::Csv(read), Load::Append),
            contract(&["id"], &columns),
        );
        let text = "\u{feff}id,name\n1,Åsa \u{1f600}\nx,Bo\n";
        let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [text.as_bytes(), &utf_16] {
            let decoded = bench.decode("a", bytes).await;
            assert_eq!(accepted(&decoded), ["1|Åsa \u{1f600}"]);
            assert_eq!(
                rejects(&decoded),
                [(3, "id".to_string(), "not_an_integer".to_string())]
            );
        }
    }
    // a half of a pair is no character, wherever its record begins
    let read = CsvRead {
        encoding: Encoding::Utf16,
        ..csv()
    };
    let bench = Bench::new(
        source(Read::Csv(read), Load::Append),
        contract(&["id"], &columns),
    );
    let mut bytes: Vec<u8> = "id,name\n1,A\n2,"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    bytes.extend([0x00, 0xd8]);
    bytes.extend("\n3,C\n".encode_utf16().flat_map(u16::to_le_bytes));
    let decoded = bench.decode("a", &bytes).await;
    assert_eq!(accepted(&decoded), ["1|A", "3|C"]);
    assert_eq!(
        rejects(&decoded),
        [(3, String::new(), "encoding".to_string())]
    );
}

#[tokio::test]
async fn line_ends_of_every_kind_are_counted_alike_and_may_be_mixed() {
    let bench = self::bench(csv(), &["id"], &texts());
    let lines = [
        "id,name,note",
        "1,a,b",
        "x,a,b",
        "",
        "2,\"a\u{e5}\nb\rc\r\nd\",e",
        "3,a",
        "4,a,b",
    ];
    let mut decoded = Vec::new();
    for ends in [["\n"; 3], ["\r"; 3], ["\r\n"; 3], ["\r", "\r\n", "\n"]] {
        let text: String = lines
            .iter()
            .zip(ends.iter().cycle())
            .flat_map(|(line, end)| [*line, *end])
            .collect();
        decoded.push(bench.decode("a", &text).await);
    }
    for decoded in &decoded {
        assert_eq!(
            accepted(decoded),
            ["1|a|b", "2|a\u{e5}\nb\rc\r\nd|e", "4|a|b"]
        );
        let expected = [(3, "id", "not_an_integer"), (9, "", "too_few_fields")];
        let expected =
            expected.map(|(line, column, rule)| (line, column.to_string(), rule.to_string()));
        assert_eq!(rejects(decoded), expected);
    }
    let skipping = CsvRead {
        frame: Frame {
            skip_lines: 2,
            ..Frame::default()
        },
        ..csv()
    };
    let bench = Bench::new(
        source(Read::Csv(skipping), Load::Append),
        contract(&["id"], &texts()),
    );
    let decoded = bench
        .decode("a", "made by\r\r\nid,name,note\rx,a,b\r")
        .await;
    assert_eq!(
        rejects(&decoded),
        [(4, "id".to_string(), "not_an_integer".to_string())]
    );
}

#[tokio::test]
async fn signs_may_be_any_characters_in_the_encoding_of_the_export() {
    let read = CsvRead {
        delimiter: "\u{a7}|".into(),
        quote: Some('\u{ab}'),
        escape: Escape::Sign('\u{ac}'),
        ..csv()
    };
    let text = "id\u{a7}|name\u{a7}|note\n1\u{a7}|\u{ab}a\u{a7}|\u{ac}\u{ab}\u{ac}\u{ac}\u{e5}\u{ab}\u{a7}|b|c\u{a7}d\n2\u{a7}a\u{a7}|b\n";
    for encoding in [Encoding::Utf8, Encoding::WINDOWS_1252] {
        let bytes = encoding.encode(text).unwrap();
        let bench = self::bench(
            CsvRead {
                encoding,
                ..read.clone()
            },
            &["id"],
            &texts(),
        );
        let decoded = bench.decode("a", &bytes).await;
        assert_eq!(
            accepted(&decoded),
            ["1|a\u{a7}|\u{ab}\u{ac}\u{e5}|b|c\u{a7}d"]
        );
        assert_eq!(
            rejects(&decoded),
            [(3, String::new(), "too_few_fields".into())]
        );
    }
}

#[tokio::test]
async fn quotes_may_stand_bare_within_quotes() {
    let read = CsvRead {
        escape: Escape::Bare,
        ..csv()
    };
    let text = "id,name,note\n1,\"10\" boot, \"long\"\",\"x\"\n2,\"a\"\nb\",c\n3,a,\"b\"\n";
    let bench = self::bench(read, &["id"], &texts());
    let decoded = bench.decode("a", text).await;
    assert_eq!(accepted(&decoded), ["1|10\" boot, \"long\"|x", "3|a|b"]);
    let rules: Vec<String> = rejects(&decoded)
        .into_iter()
        .map(|(line, _, rule)| format!("{line} {rule}"))
        .collect();
    assert_eq!(rules, ["3 too_few_fields", "4 too_few_fields"]);
}

#[tokio::test]
async fn without_quotes_an_escape_makes_delimiters_and_line_ends_ordinary() {
    let mut read = CsvRead {
        delimiter: "\t".into(),
        quote: None,
        escape: Escape::Sign('\\'),
        header_rows: 0,
        ..csv()
    };
    read.conversions.nulls = vec!["\\N".into()];
    let text = "1\ta\\\tb\\\nc\\\\\t\\N\n2\t\"\tb\nx\ta\tb\n";
    let bench = self::bench(read, &["id"], &texts());
    let decoded = bench.decode("a", text).await;
    assert_eq!(accepted(&decoded), ["1|a\tb\nc\\|-", "2|\"|b"]);
    assert_eq!(
        rejects(&decoded),
        [(4, "id".into(), "not_an_integer".into())]
    );
}

#[tokio::test]
async fn spaces_around_fields_and_quotes_are_cut_off_where_the_source_says_so() {
    let text = "id , name, note\n1 , \" a, b \" ,  c \n2,, \n3, \"a\" x, b\n";
    let bench = self::bench(
        CsvRead {
            trim: true,
            ..csv()
        },
        &["id"],
        &texts(),
    );
    let decoded = bench.decode("a", text).await;
    assert_eq!(accepted(&decoded), ["1| a, b |c", "2|-|-"]);
    assert_eq!(
        rejects(&decoded),
        [(4, String::new(), "unclosed_quote".into())]
    );
    let bench = self::bench(csv(), &["id"], &texts());
    let decoded = bench.decode("a", text).await;
    assert_eq!(accepted(&decoded), ["2|-| ", "3| \"a\" x| b"]);
}

#[tokio::test]
async fn header_rows_are_joined_and_what_follows_the_records_is_none() {
    let columns = [
        ("sold<2026 sold", ColumnType::Integer),
        ("back<2026 back", ColumnType::Integer),
        ("shop", ColumnType::Varchar),
    ];
    let read = CsvRead {
        header_rows: 2,
        frame: Frame {
            skip_lines: 1,
            until: vec!["Total".into(), "(".into()],
            ..Frame::default()
        },
        ..csv()
    };
    let columns = &columns[..];
    let text = "Totals by shop\n,2026,2026\n\nshop,sold,back\nLund,2,1\n\"Total, all\",3,0\nTotaltvätt,7,0\nTotal,5,1\n,\"\nanything";
    let bench = self::bench(read.clone(), &[], columns);
    let decoded = bench.decode("a", text).await;
    let rows = ["2|1|Lund", "3|0|Total, all", "7|0|Totaltvätt"];
    assert_eq!(accepted(&decoded), rows);
    assert_eq!(decoded.report.records, 3);
    let bench = self::bench(read.clone(), &[], columns);
    let decoded = bench
        .decode("a", "x\n,2026,2026\nshop,sold,back\nLund,2,1\n(1 row)\n")
        .await;
    assert_eq!(accepted(&decoded), ["2|1|Lund"]);
    let footed = CsvRead {
        frame: Frame {
            skip_footer: 2,
            ..Frame::default()
        },
        header_rows: 1,
        ..read
    };
    let bench = self::bench(footed, &["id"], &texts());
    let decoded = bench
        .decode("a", "id,name,note\n1,a,b\n\nend \"of\nfile\n\n")
        .await;
    assert_eq!(accepted(&decoded), ["1|a|b"]);
}

#[tokio::test]
async fn bytes_that_an_encoding_does_not_assign_cost_one_record() {
    let read = CsvRead {
        encoding: Encoding::named("windows-1253").unwrap(),
        ..csv()
    };
    let bench = self::bench(read, &["id"], &texts());
    let decoded = bench
        .decode("a", b"id,name,note\n1,\xc1,b\n2,\xd2,b\n")
        .await;
    assert_eq!(accepted(&decoded), ["1|\u{391}|b"]);
    assert_eq!(rejects(&decoded), [(3, String::new(), "encoding".into())]);
}

#[tokio::test]
async fn numbers_booleans_and_counted_times_are_read_as_the_source_says() {
    let mut read = CsvRead {
        delimiter: ";".into(),
        ..csv()
    };
    read.conversions = Conversions {
        decimal: ',',
        negatives: Negatives {
            parentheses: true,
            trailing_minus: true,
        },
        units: vec!["kr".into()],
        trues: Some(vec!["Ja".into(), "x".into()]),
        falses: Some(vec!["nej".into(), String::new()]),
        dates: vec!["%d.%m.%Y".into(), "excel".into()],
        times: vec!["epoch_ms".into(), "%d.%m.%Y %H:%M".into()],
        two_digit_years_from: crate::project::DEFAULT_FIRST_YEAR,
        zone: chrono_tz::Tz::Europe__Stockholm,
        ..csv().conversions
    };
    let money = ColumnType::Decimal {
        precision: 12,
        scale: 2,
    };
    let columns = [
        ("id", ColumnType::Bigint),
        ("paid", money),
        ("member", ColumnType::Boolean),
        ("born", ColumnType::Date),
        ("seen", ColumnType::Timestamp),
    ];
    let bench = self::bench(read, &["id"], &columns);
    let text = "id;paid;member;born;seen\n\
        1;(1,50 kr);JA;29.02.2024;1700000000123\n\
        2;5-;;45351;29.02.2024 12:00\n\
        3;\u{2212}5;x;;29.02.2024\n\
        4;5;yes;;\n\
        5;5;nej;45351,5;\n\
        6;5;nej;;epoch\n";
    let decoded = bench.decode("a", text).await;
    assert_eq!(
        accepted(&decoded),
        [
            "1|-1.50|true|2024-02-29|2023-11-14T22:13:20.123Z",
            "2|-5.00|false|2024-02-29|2024-02-29T11:00:00Z",
            "3|-5.00|true|-|2024-02-28T23:00:00Z",
        ]
    );
    let rules = rejects(&decoded).into_iter();
    let rules: Vec<String> = rules
        .map(|(line, column, rule)| format!("{line} {column} {rule}"))
        .collect();
    assert_eq!(
        rules,
        [
            "5 member not_a_boolean",
            "6 born number_as_date",
            "7 seen not_a_timestamp"
        ]
    );
}

#[tokio::test]
async fn several_threads_read_what_one_reads() {
    let mut text = "id,name,note\n".to_string();
    let filler = "x\n".repeat(2_000);
    for id in 0..2_000 {
        let line = match id % 300 {
            0 => format!("{id},å\n"),
            1 => format!("no number,å,\"{filler}\"\n"),
            2 => format!("{id},\"open,{id}\n"),
            3 => "\n".to_string(),
            _ => format!("{id},å,\"{filler},\"\n"),
        };
        text.push_str(&line);
    }
    let mut bench = bench(csv(), &["id"], &texts());
    let mut read = Vec::new();
    for threads in [1, 2, 5] {
        bench.threads = threads;
        let decoded = bench.decode(&format!("{threads}.csv"), &text).await;
        let texts = ["raw", "reason", "key"].map(|column| reject_texts(&decoded, column));
        let rows = accepted(&decoded);
        read.push((rows, rejects(&decoded), texts, decoded.report.records));
    }
    assert_eq!((read[0].0.len(), read[0].1.len()), (1_972, 21));
    assert!(read.iter().all(|same| *same == read[0]));
}

#[tokio::test]
async fn a_sheet_that_excel_saved_with_semicolons_is_read_where_commas_are_declared() {
    let bench = self::bench(csv(), &["id"], &texts());
    let bytes = b"id;name;note\r\n1;\"a;b\";c,d\r\n2;x;\r\n";
    let decoded = bench.decode("a", bytes).await;
    assert_eq!(accepted(&decoded), ["1|a;b|c,d", "2|x|-"]);
}
