use std::io::Write;

use super::fixture::{Values, container};
use crate::ingest::testing::{Bench, accepted, avro, contract, rejects, source};
use crate::project::{ColumnType, Load};

const SCHEMA: &str = r#"{"type": "record", "name": "shop.order", "fields": [
    {"name": "order_id", "type": "long"},
    {"name": "placedAt", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "due", "type": ["null", {"type": "int", "logicalType": "date"}]},
    {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "state", "type": {"type": "enum", "name": "state", "symbols": ["open", "paid"]}},
    {"name": "buyer", "type": {"type": "record", "name": "buyer", "fields": [
        {"name": "email", "type": ["null", "string"]},
        {"name": "referrer", "type": ["null", "buyer"]}]}},
    {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "line", "fields": [
        {"name": "sku", "type": "string"}, {"name": "quantity", "type": "int"}]}}},
    {"name": "extra", "type": {"type": "map", "values": "double"}}]}"#;

fn orders() -> Bench {
    let line = ColumnType::Struct(vec![
        ("sku".into(), ColumnType::Varchar),
        ("quantity".into(), ColumnType::Integer),
    ]);
    let money = ColumnType::Decimal {
        precision: 9,
        scale: 2,
    };
    let columns = [
        ("order_id", ColumnType::Bigint),
        ("placed_at", ColumnType::Timestamp),
        ("due", ColumnType::Date),
        ("total", money),
        ("state", ColumnType::Varchar),
        ("email<buyer.email", ColumnType::Varchar),
        ("referrer<buyer.referrer.email", ColumnType::Varchar),
        ("lines", ColumnType::List(Box::new(line))),
    ];
    Bench::new(
        source(avro(), Load::Append),
        contract(&["order_id"], &columns),
    )
}

fn order(id: i64, total: &[u8]) -> Values {
    Values::default()
        .long(id)
        .long(1_767_225_600_000_001)
        .long(1)
        .long(20_454)
        .bytes(total)
        .long(1)
        // a buyer with an e-mail, and one who has none and is nobody's
        .long(1)
        .bytes("å\"@x".as_bytes())
        .long(1)
        .long(0)
        .long(0)
        // lines in two blocks, the first with its length
        .long(-1)
        .long(4)
        .bytes(b"a")
        .long(2)
        .long(1)
        .bytes(b"b")
        .long(-3)
        .long(0)
        .long(1)
        .bytes(b"weight")
        .raw(&1.5_f64.to_le_bytes())
        .long(0)
}

const ROW: &str = "7|2026-01-01T00:00:00.000001Z|2026-01-01|12.34|paid|å\"@x|-|[{sku: a, quantity: 2}, {sku: b, quantity: -3}]";

#[tokio::test]
async fn nested_records_unions_and_logical_types_are_what_they_mean_in_every_codec() {
    let values = order(7, &[0x04, 0xd2]).0;
    let deflate = |bytes: &[u8]| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let snappy = |bytes: &[u8]| {
        let mut packed = snap::raw::Encoder::new().compress_vec(bytes).unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        packed.extend(crc.sum().to_be_bytes());
        packed
    };
    let bench = orders();
    for (codec, packed) in [
        ("null", values.clone()),
        ("deflate", deflate(&values)),
        ("snappy", snappy(&values)),
        ("zstandard", zstd::encode_all(&values[..], 1).unwrap()),
    ] {
        let decoded = bench
            .decode(codec, container(SCHEMA, codec, &[(1, packed)]))
            .await;
        assert_eq!(accepted(&decoded), [ROW], "{codec}");
        let ignored = ["buyer.referrer.referrer", "extra"];
        assert_eq!(decoded.report.ignored_columns, ignored);
    }
    let mut broken = snappy(&values);
    *broken.last_mut().unwrap() ^= 1;
    let refusal = bench
        .refusal("a", container(SCHEMA, "snappy", &[(1, broken)]))
        .await;
    assert!(
        refusal.contains("K0356") && refusal.contains("check sum"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_record_that_breaks_the_contract_is_a_reject_and_those_beside_it_are_taken() {
    // more digits than the contract holds
    let large = order(8, &[0x7f, 0xff, 0xff, 0xff, 0xff]).0;
    let block = [order(7, &[0x04, 0xd2]).0, large, order(9, &[0]).0].concat();
    let bench = orders();
    let decoded = bench
        .decode("a", container(SCHEMA, "null", &[(3, block)]))
        .await;
    assert_eq!(accepted(&decoded).len(), 2);
    assert_eq!(
        rejects(&decoded),
        [(2, "total".to_string(), "out_of_range".to_string())]
    );
    assert_eq!(decoded.report.records, 3);
}

#[tokio::test]
async fn bytes_that_are_no_text_concern_a_column_that_reads_them_alone() {
    const PICTURES: &str = r#"{"type": "record", "name": "row", "fields": [
        {"name": "id", "type": "long"}, {"name": "name", "type": "string"}, {"name": "picture", "type": "bytes"}]}"#;
    let row = |id: i64, picture: &[u8]| {
        Values::default()
            .long(id)
            .bytes("å".as_bytes())
            .bytes(picture)
    };
    let block = [row(1, b"\xff\xfe\"\0").0, row(2, b"ok").0].concat();
    let export = container(PICTURES, "null", &[(2, block)]);
    let read = |columns: &[(&str, ColumnType)]| {
        let contract = contract(&["id"], columns);
        Bench::new(source(avro(), Load::Append), contract)
    };
    let without = [("id", ColumnType::Bigint), ("name", ColumnType::Varchar)];
    let decoded = read(&without).decode("a", &export).await;
    assert_eq!(accepted(&decoded), ["1|å", "2|å"]);
    assert_eq!(decoded.report.rejected, 0);
    let with = [("id", ColumnType::Bigint), ("picture", ColumnType::Varchar)];
    let decoded = read(&with).decode("a", &export).await;
    assert_eq!(accepted(&decoded), ["2|ok"]);
    let fault = (1, "picture".to_string(), "encoding".to_string());
    assert_eq!(rejects(&decoded), [fault]);
}

#[tokio::test]
async fn a_damaged_block_is_named_by_its_byte_and_nothing_of_the_file_is_taken() {
    let values = order(7, &[0x04, 0xd2]).0;
    let bench = orders();
    let whole = container(SCHEMA, "null", &[(1, values.clone()), (1, values.clone())]);
    let one = container(SCHEMA, "null", &[(1, values.clone())]);
    let at = format!("the block that begins at byte {} ", one.len());
    let mut marked = whole.clone();
    *marked.last_mut().unwrap() ^= 1;
    let short = container(SCHEMA, "null", &[(1, values.clone()), (2, values.clone())]);
    let long = container(SCHEMA, "null", &[(1, values.clone()), (0, values.clone())]);
    let never = container(
        SCHEMA,
        "null",
        &[(1, values.clone()), (i64::MAX, Vec::new())],
    );
    for (bytes, what) in [
        (whole[..whole.len() - 20].to_vec(), "is cut off"),
        (marked, "mark of its file"),
        (short, "ends within a record"),
        (long, "holds more than its records"),
        (never, "ends within a record"),
    ] {
        let refusal = bench.refusal("a", bytes).await;
        assert!(refusal.contains(&at) && refusal.contains(what), "{refusal}");
    }
    for (bytes, what) in [
        (
            b"id,amount\n1,2\n".to_vec(),
            "does not begin as one of Avro",
        ),
        (whole[..30].to_vec(), "is cut off"),
        (container("[]", "null", &[]), "no records"),
        (container("{", "null", &[]), "no JSON"),
        (container(SCHEMA, "lzma", &[]), "codec"),
    ] {
        let refusal = bench.refusal("a", bytes).await;
        assert!(
            refusal.contains("the header ") && refusal.contains(what),
            "{refusal}"
        );
    }
    assert_eq!(bench.decode("none", []).await.report.records, 0);
}

#[tokio::test]
async fn values_without_a_byte_end_where_no_block_could_hold_them() {
    let schema = r#"{"type": "record", "name": "r", "fields": [
        {"name": "order_id", "type": {"type": "array", "items": "null"}}]}"#;
    let values = Values::default().long(i64::MAX).long(0).0;
    let bench = Bench::new(
        source(avro(), Load::Append),
        contract(&[], &[("order_id", ColumnType::Varchar)]),
    );
    let refusal = bench
        .refusal("a", container(schema, "null", &[(1, values)]))
        .await;
    assert!(refusal.contains("more values than it can"), "{refusal}");
    let schema = r#"{"type": "record", "name": "r", "fields": []}"#;
    let blocks = [(i64::MAX, Vec::new())];
    let refusal = bench.refusal("a", container(schema, "null", &blocks)).await;
    assert!(refusal.contains("K0401"), "{refusal}");
}

#[tokio::test]
async fn a_column_that_no_record_can_have_refuses_the_export_and_a_null_one_does_not() {
    let values = order(7, &[0x04, 0xd2]).0;
    let renamed = SCHEMA.replace("\"due\"", "\"dueOn\"");
    let refusal = orders()
        .refusal("a", container(&renamed, "null", &[(1, values.clone())]))
        .await;
    assert!(
        refusal.contains("K0401") && refusal.contains("no column `due`\n"),
        "{refusal}"
    );
    let nested = SCHEMA.replace("\"email\", \"type\"", "\"mail\", \"type\"");
    let refusal = orders()
        .refusal("a", container(&nested, "null", &[(1, values)]))
        .await;
    assert!(
        refusal.contains("`buyer.email`, `buyer.referrer.email`"),
        "{refusal}"
    );
}

#[tokio::test]
async fn whole_numbers_of_floating_point_keep_all_their_digits_or_are_none() {
    let schema = r#"{"type": "record", "name": "r", "fields": [
        {"name": "single", "type": "float"}, {"name": "full", "type": "double"}]}"#;
    let columns = [("single", ColumnType::Bigint), ("full", ColumnType::Bigint)];
    let bench = Bench::new(source(avro(), Load::Append), contract(&[], &columns));
    let record = |single: f32, full: f64| {
        let value = Values::default().raw(&single.to_le_bytes());
        value.raw(&full.to_le_bytes()).0
    };
    let records = [
        record(123_456_792.0, -4_503_599_627_370_497.0),
        record(1.0, 123_456_789_012_345_664.0),
    ];
    let file = container(schema, "null", &[(2, records.concat())]);
    let decoded = bench.decode("a", file).await;
    assert_eq!(accepted(&decoded), ["123456792|-4503599627370497"]);
    let too_large = (2, "full".to_string(), "not_an_integer".to_string());
    assert_eq!(rejects(&decoded), [too_large]);
}
