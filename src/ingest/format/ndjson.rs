//! One JSON object a line. Empty lines are no records.
//!
//! No string holds a line end, so that blocks of whole lines are parsed on several threads.

use std::io::Read;
use std::sync::{Mutex, PoisonError};

use super::lines::{LineEnds, Text, Window};
use super::objects::{Objects, Room};
use super::paths::{KeysSeen, Paths};
use super::{ALONE, Decoding, Format, Seen, converter};
use crate::error::Result;
use crate::ingest::conform::{Conformer, Converter, Escaping};
use crate::ingest::output::{Judged, Place};
use crate::ingest::rule::Rule;
use crate::parallel;
use crate::project::NdjsonRead;

/// One JSON object a line, read as a source declares.
pub(super) struct Ndjson {
    read: NdjsonRead,
}

impl Ndjson {
    pub(super) fn new(read: NdjsonRead) -> Self {
        Self { read }
    }
}

/// Whole lines of the export.
struct Block {
    text: Text,
    /// Line of the first, from 1.
    line: i64,
    /// Offset of the first byte in the decompressed export.
    offset: i64,
    /// One line, cut short, since it is longer than any record may be.
    is_too_long: bool,
}

/// What became of a block.
struct Parsed {
    judged: Vec<Judged>,
    keys: KeysSeen,
}

/// The next whole lines; `None` at the end.
fn next(window: &mut Window<'_>, limit: usize, file: &str) -> Result<Option<Block>> {
    loop {
        let rest = window.rest();
        let end = memchr::memrchr(b'\n', rest).map(|at| at + 1);
        let is_too_long = end.is_none() && rest.len() > limit;
        let length = match end {
            Some(end) => end,
            None if is_too_long || window.is_last() => rest.len(),
            None => {
                window.fill(file)?;
                continue;
            }
        };
        if length == 0 {
            return Ok(None);
        }
        let block = Block {
            text: window.share(length),
            line: window.line(),
            offset: window.offset() as i64,
            is_too_long,
        };
        match is_too_long {
            true => window.skip_line(LineEnds::Feed, file)?,
            false => {
                let lines = memchr::memchr_iter(b'\n', &block.text).count();
                window.advance(length, lines as i64);
            }
        }
        return Ok(Some(block));
    }
}

impl Block {
    fn parse(&self, conformer: &Conformer, limit: usize, room: Room) -> Result<(Parsed, Room)> {
        let converter = &conformer.converter;
        let text: &[u8] = &self.text;
        let objects = Objects::new(Paths::of(conformer), room);
        let mut objects = objects.of_text(text, converter);
        let mut judged = Vec::new();
        let (mut start, mut line) = (0, self.line);
        while start < text.len() {
            let line_end = memchr::memchr(b'\n', &text[start..]).map(|length| start + length);
            let end = line_end.unwrap_or(text.len());
            let next = end + usize::from(line_end.is_some());
            let place = Place {
                start,
                end: next,
                line,
                byte: Some(self.offset + start as i64),
            };
            if self.is_too_long || end - start > limit {
                objects.reject(text, place, Rule::RecordTooLong, converter);
            } else if !text[start..end].trim_ascii().is_empty() {
                objects.push(text, place, end, converter);
            }
            if objects.is_full() {
                judged.extend(objects.judge(text, conformer)?);
            }
            (start, line) = (next, line + 1);
        }
        judged.extend(objects.judge(text, conformer)?);
        let (room, keys) = objects.into_parts();
        Ok((Parsed { judged, keys }, room))
    }
}

impl Format for Ndjson {
    fn converter(&self) -> Converter {
        converter(
            &self.read.conversions,
            self.read.encoding,
            Escaping::doubled(b"\""),
        )
    }

    fn decode(&self, bytes: &mut dyn Read, task: Decoding<'_>) -> Result<Seen> {
        let Decoding {
            conformer,
            output,
            file,
            max_record_bytes: limit,
            threads,
            ..
        } = task;
        let mut window = Window::open(bytes, file)?;
        let mut keys = KeysSeen::default();
        // emptied by the block before, for the next: memory that is new to the process costs more than what is written to it
        let spare = Mutex::new(Vec::<Room>::new());
        let spares = || spare.lock().unwrap_or_else(PoisonError::into_inner);
        parallel::in_order(
            threads,
            ALONE,
            || next(&mut window, limit, file),
            |block| {
                let room = spares().pop().unwrap_or_default();
                let (parsed, room) = block.parse(conformer, limit, room)?;
                spares().push(room);
                Ok(parsed)
            },
            |parsed| {
                let parsed: Parsed = parsed?;
                keys.add(parsed.keys);
                parsed
                    .judged
                    .into_iter()
                    .try_for_each(|judged| output.take(conformer, judged))
            },
        )?;
        Ok(keys.seen())
    }
}

#[cfg(test)]
mod tests {
    use crate::ingest::testing::{
        Bench, accepted, contract, ndjson, reject_texts, rejects, source,
    };
    use crate::project::{ColumnType, Encoding, Load, Read, Spanned};

    fn money() -> ColumnType {
        ColumnType::Decimal {
            precision: 12,
            scale: 2,
        }
    }

    fn orders() -> Bench {
        let line = ColumnType::Struct(vec![
            ("sku".into(), ColumnType::Varchar),
            ("quantity".into(), ColumnType::Integer),
            ("unit_price".into(), money()),
        ]);
        let columns = [
            ("order_id", ColumnType::Varchar),
            ("postcode<address.postalCode|zip", ColumnType::Varchar),
            ("placed_at<placedAt", ColumnType::Timestamp),
            ("lines", ColumnType::List(Box::new(line))),
        ];
        Bench::new(
            source(ndjson(), Load::Append),
            contract(&["order_id"], &columns),
        )
    }

    #[tokio::test]
    async fn nested_paths_and_lists_of_structs_are_read() {
        let text = r#"
{"orderId":"W\u00e5","address":{"street":"x","postalCode":"110 89"},"lines":[{"sku":"F-1","quantity":2,"unitPrice":820.00},{"unit_price":"0.1","sku":null}]}

{"order_id":7,"zip":"1","address":{"country":"SE"},"lines":[]}
{"address":null,"lines":null,"extra":{"a":[1,{"b":2}]}}
"#;
        let bench = orders();
        let decoded = bench.decode("a", text).await;
        assert_eq!(
            accepted(&decoded),
            [
                "Wå|110 89|-|[{sku: F-1, quantity: 2, unit_price: 820.00}, {sku: -, quantity: -, unit_price: 0.10}]",
                "7|1|-|[]",
                "-|-|-|-",
            ]
        );
        assert_eq!(
            decoded.report.ignored_columns,
            ["address.country", "address.street", "extra"]
        );
    }

    #[tokio::test]
    async fn one_bad_line_rejects_the_order_and_says_where() {
        let text = r#"{"orderId":"a","lines":[{"quantity":1},{"quantity":1.5}]}
{"orderId":"b","lines":{"quantity":1}}
{"orderId":"c","placedAt":1704967200}
{"orderId":"d","lines":[{"sku":"F-1","unitPrice":1.234}]}
{"orderId":"e","status":"sh
["orderId","f"]
{"orderId":"g"} x
{"orderId":{"h":1}}
{"orderId":"i"}"#;
        let bench = orders();
        let decoded = bench.decode("a", text).await;
        assert_eq!(accepted(&decoded), ["i|-|-|-"]);
        let expected = [
            (1, "lines", "not_an_integer"),
            (2, "lines", "wrong_type"),
            (3, "placed_at", "number_as_date"),
            (4, "lines", "too_many_decimals"),
            (5, "", "malformed_json"),
            (6, "", "malformed_json"),
            (7, "", "malformed_json"),
            (8, "order_id", "wrong_type"),
        ];
        let expected =
            expected.map(|(line, column, rule)| (line, column.to_string(), rule.to_string()));
        assert_eq!(rejects(&decoded), expected);
        assert_eq!(
            reject_texts(&decoded, "reason")[0].as_deref(),
            Some("`lines[1].quantity` is not a whole number")
        );
        assert_eq!(
            reject_texts(&decoded, "key")[0].as_deref(),
            Some(r#"{"order_id":"a"}"#)
        );
    }

    #[tokio::test]
    async fn fields_are_read_in_whatever_spelling_they_come() {
        let text = r#"{"orderId":"a","lines":[{"SKU":"x","Quantity":1,"UnitPrice":1.5}]}
{"orderId":"b","lines":[{"Sku":"x","unitPrice":2,"UNIT_PRICE":7}]}
{"orderId":"c","lines":[{"UNIT_PRICE":7,"unit-price":8,"unitPrice":2}]}
{"orderId":"d","lines":[{"Unit Price":1,"UNIT_PRICE":2}]}
{"orderId":"e","lines":[{"SKU":"x","SKU":"y"}]}
"#;
        let decoded = orders().decode("a", text).await;
        let expected = [
            "a|-|-|[{sku: x, quantity: 1, unit_price: 1.50}]",
            "b|-|-|[{sku: x, quantity: -, unit_price: 2.00}]",
            "c|-|-|[{sku: -, quantity: -, unit_price: 2.00}]",
        ];
        assert_eq!(accepted(&decoded), expected);
        let expected = [4, 5].map(|line| (line, "lines".to_string(), "doubled_key".to_string()));
        assert_eq!(rejects(&decoded), expected);
    }

    #[tokio::test]
    async fn what_lies_within_something_that_is_no_object_rejects_the_record() {
        let columns = [
            ("id", ColumnType::Varchar),
            ("email<buyer.email", ColumnType::Varchar),
            ("customer<customer.id|customer", ColumnType::Varchar),
        ];
        let text = r#"{"id":"a","buyer":{"email":"a@x"},"customer":{"id":"c1"}}
{"id":"b","buyer":[{"email":"b@x"}]}
{"id":"c","buyer":"c@x"}
{"id":"d","buyer":7}
{"id":"e","buyer":[]}
{"id":"f","buyer":null,"customer":"c2"}
{"id":"g","customer":null}
{"id":"h","buyer":""}
{"id":"i","customer":["c3"]}
"#;
        let bench = Bench::new(source(ndjson(), Load::Append), contract(&["id"], &columns));
        let decoded = bench.decode("a", text).await;
        let expected = ["a|a@x|c1", "f|-|c2", "g|-|-", "h|-|-"];
        assert_eq!(accepted(&decoded), expected);
        let email = [2, 3, 4, 5].map(|line| (line, "email"));
        let expected: Vec<_> = email.into_iter().chain([(9, "customer")]).collect();
        let found = rejects(&decoded);
        let rule = "wrong_type".to_string();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(line, column)| (line, column.to_string(), rule.clone()))
            .collect();
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_line_beyond_the_limit_and_bytes_that_are_no_utf_8_cost_one_record_each() {
        let mut bench = orders();
        bench.max_record_bytes = 1 << 10;
        let long = format!("{{\"orderId\":\"{}\"}}\n", "x".repeat(3 << 20));
        let mut text = b"{\"orderId\":\"a\"}\n".to_vec();
        text.extend_from_slice(long.as_bytes());
        text.extend_from_slice(b"{\"orderId\":\"\xff\"}\n{\"orderId\":\"b\"}\n");
        let decoded = bench.decode("a", &text).await;
        assert_eq!(accepted(&decoded), ["a|-|-|-", "b|-|-|-"]);
        let expected = [(2, "record_too_long"), (3, "encoding")];
        let expected = expected.map(|(line, rule)| (line, String::new(), rule.to_string()));
        assert_eq!(rejects(&decoded), expected);
    }

    #[tokio::test]
    async fn bytes_of_another_encoding_reject_a_record_by_the_key_that_it_has() {
        let text = b"{\"orderId\":\"a\",\"zip\":\"\xe5\"}\n{\"orderId\":\"b\",\"unread\":\"\xe5\"}\n{\"orderId\":\"\xe5\"}\n{\"orderId\":\"c\",\"\xe5\":}\n{\"orderId\":\"d\"}\n";
        let decoded = orders().decode("a", text).await;
        assert_eq!(accepted(&decoded), ["d|-|-|-"]);
        let expected = [1, 2, 3, 4].map(|line| (line, String::new(), "encoding".to_string()));
        assert_eq!(rejects(&decoded), expected);
        let keys = reject_texts(&decoded, "key");
        let keys: Vec<_> = keys.iter().map(Option::as_deref).collect();
        let expected = [
            Some(r#"{"order_id":"a"}"#),
            Some(r#"{"order_id":"b"}"#),
            None,
            None,
        ];
        assert_eq!(keys, expected);
        let mut read = ndjson();
        if let Read::Ndjson(read) = &mut read {
            read.explode = Some(vec!["l".into()]);
        }
        let bench = Bench::new(
            source(read, Load::Append),
            contract(&[], &[("n<l.n", ColumnType::Bigint)]),
        );
        let text = b"{\"x\":\"\xe5\",\"l\":[]}\n{\"x\":\"\xe5\",\"l\":[{\"n\":1},{\"n\":2}]}\n";
        let decoded = bench.decode("a", text).await;
        assert_eq!(accepted(&decoded).len(), 0);
        let lines: Vec<i64> = rejects(&decoded)
            .into_iter()
            .map(|(line, ..)| line)
            .collect();
        assert_eq!(lines, [1, 2, 2], "no record is lost");
    }

    #[tokio::test]
    async fn a_block_of_records_without_rows_leaves_nothing_for_the_next_one() {
        let numbers = ColumnType::List(Box::new(ColumnType::Bigint));
        let columns = [("n<l.n", ColumnType::Bigint), ("s", numbers)];
        let mut read = ndjson();
        if let Read::Ndjson(read) = &mut read {
            read.explode = Some(vec!["l".into()]);
        }
        let bench = Bench::new(source(read, Load::Append), contract(&[], &columns));
        for empty in [
            r#"{"s":[12,456],"l":[         ]}"#,
            r#"{"s":[1,23],"l":[]}"#,
        ] {
            let mut text = format!("{empty}\n").repeat((2 << 20) / empty.len());
            text.push_str(&"{\"s\":[123456],\"l\":[{\"n\":123}]}\n".repeat(40_000));
            let decoded = bench.decode("a", &text).await;
            assert_eq!(rejects(&decoded), []);
            assert_eq!(accepted(&decoded), vec!["123|[123456]"; 40_000]);
        }
    }

    #[tokio::test]
    async fn ignored_keys_that_are_values_themselves_are_not_told() {
        let text =
            r#"{"orderId":"a","address":{"ada@example.com":1,"street":"x"},"+46701234567":1}"#;
        let decoded = orders().decode("a", text).await;
        assert_eq!(
            decoded.report.ignored_columns,
            ["address.street", "address.…", "…"]
        );
    }

    #[tokio::test]
    async fn fields_of_structs_and_items_that_nobody_reads_are_told() {
        let text = r#"{"orderId":"a","lines":[{"sku":"x"},{"sku":"y","vat":25,"of":{"a":1}}]}
{"orderId":"b","lines":[{"UnitPrice":1,"vat":6,"ada@example.com":1}]}"#;
        let decoded = orders().decode("a", text).await;
        assert_eq!(decoded.report.rejected, 0);
        assert_eq!(
            decoded.report.ignored_columns,
            ["lines.of", "lines.vat", "lines.…"]
        );
    }

    #[tokio::test]
    async fn what_another_column_reads_of_a_struct_is_not_told() {
        let place = ColumnType::Struct(vec![("lat".into(), ColumnType::Varchar)]);
        let address = ColumnType::Struct(vec![
            ("street".into(), ColumnType::Varchar),
            ("geo".into(), place),
        ]);
        let columns = [
            ("home<address", address),
            ("city<address.city", ColumnType::Varchar),
            ("country<address.geo.country.code", ColumnType::Varchar),
        ];
        let bench = Bench::new(source(ndjson(), Load::Append), contract(&[], &columns));
        let text = r#"{"address":{"street":"x","city":"y","zip":1,"geo":{"lat":1,"lng":2,"country":{"code":"SE","name":"Sverige"}}}}"#;
        let decoded = bench.decode("a", text).await;
        assert_eq!(
            accepted(&decoded),
            ["{street: x, geo: {lat: 1}}|y|SE"],
            "what is read"
        );
        let told = ["address.geo.country.name", "address.geo.lng", "address.zip"];
        assert_eq!(decoded.report.ignored_columns, told);
    }

    #[tokio::test]
    async fn what_is_read_of_exploded_items_and_around_them_is_not_told() {
        let text = |name: &str| (name.to_string(), ColumnType::Varchar);
        let of =
            |fields: &[&str]| ColumnType::Struct(fields.iter().map(|name| text(name)).collect());
        let geo = ColumnType::Struct(vec![("geo_point".into(), of(&["lat"]))]);
        let columns = [
            ("number<order", of(&["no"])),
            ("line<order.lines", of(&["sku"])),
            ("vat", ColumnType::Integer),
            ("attrs", of(&["a"])),
            ("x<order.lines.attrs.x", ColumnType::Varchar),
            ("home", geo),
            ("lng<order.lines.home.geoPoint.lng", ColumnType::Varchar),
            ("paid<order.lines.home.20240101", ColumnType::Varchar),
        ];
        let mut read = ndjson();
        if let Read::Ndjson(read) = &mut read {
            read.explode = Some(vec!["order".into(), "lines".into()]);
        }
        let bench = Bench::new(source(read, Load::Append), contract(&[], &columns));
        let line = r#"{"sku":"s","vat":2,"attrs":{"a":1,"x":2},"home":{"geoPoint":{"lat":1,"lng":3},"20240101":4}}"#;
        let decoded = bench
            .decode("a", format!(r#"{{"order":{{"no":1,"lines":[{line}]}}}}"#))
            .await;
        assert_eq!(
            accepted(&decoded),
            ["{no: 1}|{sku: s}|2|{a: 1}|2|{geo_point: {lat: 1}}|3|4"]
        );
        assert!(
            decoded.report.ignored_columns.is_empty(),
            "{:?}",
            decoded.report.ignored_columns
        );
        let line = line
            .replace(r#""vat""#, r#""VAT":1,"vat""#)
            .replace(r#""lat""#, r#""alt":1,"lat""#);
        let decoded = bench
            .decode(
                "b",
                format!(r#"{{"order":{{"no":1,"by":1,"lines":[{line}]}}}}"#),
            )
            .await;
        let told = ["home.geo_point.alt", "order.by", "order.lines.VAT"];
        assert_eq!(decoded.report.ignored_columns, told);
    }

    #[tokio::test]
    async fn keys_and_json_within_text_are_read_in_the_encoding_of_the_export() {
        let address = ColumnType::Struct(vec![
            ("ort".into(), ColumnType::Varchar),
            ("vag".into(), ColumnType::Varchar),
        ]);
        let columns = [
            ("name<Förnamn", ColumnType::Varchar),
            ("city<Läge.Örten", ColumnType::Varchar),
            ("address<Läge", address),
            ("tags", ColumnType::List(Box::new(ColumnType::Varchar))),
        ];
        let mut read = ndjson();
        if let Read::Ndjson(read) = &mut read {
            read.encoding = Encoding::WINDOWS_1252;
        }
        let bench = Bench::new(source(read, Load::Append), contract(&[], &columns));
        let text = "{\"Förnamn\":\"Åsa\",\"Läge\":{\"Örten\":\"Mölle\",\"Ört\":\"å\",\"V\\u00e4g\":\"ä\",\"sö\":1},\"tags\":\"[\\\"Å\\\"]\"}\n";
        let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let decoded = bench.decode("a", bytes).await;
        assert_eq!(accepted(&decoded), ["Åsa|Mölle|{ort: å, vag: ä}|[Å]"]);
        assert_eq!(decoded.report.ignored_columns, ["Läge.sö"]);
    }

    #[tokio::test]
    async fn an_item_wins_under_any_of_its_names_and_null_elsewhere_reaches_nothing() {
        let mut remark = contract(
            &[],
            &[
                ("note", ColumnType::Varchar),
                ("email<buyer.email|email", ColumnType::Varchar),
            ],
        );
        let alias = |text: &str| Spanned {
            value: text.to_string(),
            span: Default::default(),
        };
        remark.columns[0].aliases = vec![alias("comment"), alias("remark")];
        let mut read = ndjson();
        if let Read::Ndjson(read) = &mut read {
            read.explode = Some(vec!["l".into()]);
            read.conversions.nulls = vec!["okänd".to_string()];
        }
        let bench = Bench::new(source(read, Load::Append), remark);
        let text = r#"{"note":"of all","l":[{"remark":"own"},{"comment":"too"},{}]}
{"buyer":"ok\u00e4nd","l":[{}]}
{"buyer":7,"email":null,"l":[{}]}
"#
        .replace("\\\\", "\\");
        let decoded = bench.decode("a", text).await;
        assert_eq!(accepted(&decoded), ["own|-", "too|-", "of all|-", "-|-"]);
        let wrong = (3, "email".to_string(), "wrong_type".to_string());
        assert_eq!(rejects(&decoded), [wrong]);
    }

    #[tokio::test]
    async fn a_list_of_many_bad_items_tells_its_record_once() {
        let mut read = ndjson();
        if let Read::Ndjson(read) = &mut read {
            read.explode = Some(vec!["l".into()]);
        }
        let columns = [("n<l.n", ColumnType::Bigint)];
        let bench = Bench::new(source(read, Load::Append), contract(&[], &columns));
        let items = format!(
            "{}{}",
            "{\"n\":1},".repeat(20_000),
            "{\"n\":\"x\"},".repeat(20_000)
        );
        let text =
            format!("{{\"l\":[{items}{{\"n\":2}}]}}\n{{\"l\":[{{\"n\":3}},{{\"n\":\"y\"}}]}}\n");
        let decoded = bench.decode("a", &text).await;
        assert_eq!(rejects(&decoded).len(), 40_003);
        let raws = reject_texts(&decoded, "raw").into_iter().flatten();
        let told: Vec<String> = raws.filter(|raw| !raw.is_empty()).collect();
        assert_eq!(told.len(), 2);
        assert_eq!(told[1], r#"{"l":[{"n":3},{"n":"y"}]}"#);
    }

    #[tokio::test]
    async fn a_key_that_comes_twice_rejects_the_record_where_the_contract_reads_it() {
        let text = r#"{"orderId":"a","zip":"1","orderId":"a"}
{"orderId":"b","extra":1,"extra":2,"address":{"street":"x","street":"y"}}
{"orderId":"c","address":{"postalCode":"1"},"address":{"street":"x"}}
{"orderId":"d","address":{"postalCode":"1","postal\u0043ode":"2"}}
{"orderId":"e","order_id":"f","zip":"1","address":{"postalCode":"2"}}
{"orderId":"g","lines":[{"sku":"x"},{"unitPrice":1,"unit_price":2}]}
{"orderId":"h","lines":[{"sku":"x"},{"sku":"y","quantity":1,"sku":"z"}]}
{"orderId":"i","lines":[{"unitPrice":1,"unitPrice":1}]}
{"orderId":"j","lines":[{"unit_price":1,"unitPrice":1,"unit_price":2}]}
{"orderId":"k","lines":[],"lines":[{"sku":"x"}]}
{"orderId":"l","lines":[{"unit_price":1,"unitPrice":1,"unitPrice":2}]}
{"orderId":"m","lines":[{"unit_price":1,"unitPrice":2}]}
"#;
        let bench = orders();
        let decoded = bench.decode("a", text).await;
        assert_eq!(
            accepted(&decoded),
            [
                "b|-|-|-",
                "f|2|-|-",
                "g|-|-|[{sku: x, quantity: -, unit_price: -}, {sku: -, quantity: -, unit_price: 2.00}]",
                "m|-|-|[{sku: -, quantity: -, unit_price: 1.00}]",
            ]
        );
        let expected = [
            (1, "order_id"),
            (3, "postcode"),
            (4, "postcode"),
            (7, "lines"),
            (8, "lines"),
            (9, "lines"),
            (10, "lines"),
            (11, "lines"),
        ];
        let expected = expected.map(|(line, column)| (line, column.into(), "doubled_key".into()));
        assert_eq!(rejects(&decoded), expected);
        let reasons = reject_texts(&decoded, "reason");
        assert_eq!(
            reasons[0].as_deref(),
            Some("`order_id` comes more than once")
        );
        assert_eq!(
            reasons[3].as_deref(),
            Some("`lines[1].sku` comes more than once")
        );
        let keys = reject_texts(&decoded, "key");
        assert_eq!(keys[0], None);
        assert_eq!(keys[1].as_deref(), Some(r#"{"order_id":"c"}"#));
    }

    #[tokio::test]
    async fn numbers_are_dates_and_times_where_the_source_says_what_they_count() {
        let columns = [
            ("day", ColumnType::Date),
            ("at", ColumnType::Timestamp),
            ("ok", ColumnType::Boolean),
        ];
        let mut read = ndjson();
        let Read::Ndjson(settings) = &mut read else {
            panic!("ndjson")
        };
        settings.conversions.dates = vec!["excel".into()];
        settings.conversions.times = vec!["epoch".into()];
        let bench = Bench::new(source(read, Load::Append), contract(&[], &columns));
        let text = "{\"day\":45351,\"at\":1700000000.5,\"ok\":true}\n\
            {\"day\":\"45351\",\"at\":\"1700000000\",\"ok\":0}\n\
            {\"day\":-1,\"at\":1}\n";
        let decoded = bench.decode("a", text).await;
        assert_eq!(
            accepted(&decoded),
            [
                "2024-02-29|2023-11-14T22:13:20.500Z|true",
                "2024-02-29|2023-11-14T22:13:20Z|false"
            ]
        );
        let expected = (3, "day".to_string(), "number_as_date".to_string());
        assert_eq!(rejects(&decoded), [expected]);
        let bench = Bench::new(source(ndjson(), Load::Append), contract(&[], &columns));
        let decoded = bench.decode("b", text).await;
        assert_eq!(decoded.report.rejected, 3);
    }

    #[tokio::test]
    async fn several_threads_read_what_one_reads() {
        let filler = "x".repeat(4_000);
        let lines = (0..1_700).map(|id| match id % 300 {
            0 => "{\"orderId\":\n".to_string(),
            1 => "\n".to_string(),
            2 => format!("{{\"orderId\":\"{id}\",\"lines\":[{{\"quantity\":1.5}}]}}\n"),
            _ => format!(
                "{{\"orderId\":\"{id}\",\"extra{}\":\"{filler}\"}}\n",
                id % 150
            ),
        });
        let text: String = lines.collect();
        let mut bench = orders();
        let mut read = Vec::new();
        for threads in [1, 2, 5] {
            bench.threads = threads;
            let decoded = bench.decode(&format!("{threads}.ndjson"), &text).await;
            let ignored = decoded.report.ignored_columns.clone();
            assert_eq!(ignored.len(), 100);
            read.push((accepted(&decoded), rejects(&decoded), ignored));
        }
        assert_eq!((read[0].0.len(), read[0].1.len()), (1_682, 12));
        assert!(read.iter().all(|same| *same == read[0]));
    }
}
