use std::sync::Arc;

use datafusion::arrow::array::{
    Int32Builder, ListBuilder, StringBuilder, StructArray, StructBuilder,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Field, Int32Type, Schema};

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn digest(batch: &RecordBatch) -> Digest {
    RowHasher::default().digest(batch).unwrap()
}

fn every_type() -> RecordBatch {
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("a"), None]);
    tags.append_null();
    let point = StructArray::from(vec![(
        Arc::new(Field::new("sku", DataType::Utf8, true)),
        Arc::new(StringArray::from(vec![Some("x"), None])) as ArrayRef,
    )]);
    batch(vec![
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("small", Arc::new(Int32Array::from(vec![Some(-7), None]))),
        ("big", Arc::new(Int64Array::from(vec![Some(1 << 40), None]))),
        (
            "ratio",
            Arc::new(Float64Array::from(vec![Some(0.25), None])),
        ),
        (
            "money",
            Arc::new(
                Decimal128Array::from(vec![Some(1999), None])
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
        ("name", Arc::new(StringArray::from(vec![Some("Åsa"), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(20_000), None]))),
        (
            "at",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_700_000_000_000_000), None])
                    .with_timezone("UTC"),
            ),
        ),
        ("tags", Arc::new(tags.finish())),
        ("point", Arc::new(point)),
    ])
}

/// These numbers stand in every release ever published: a change here is a new VERSION.
#[test]
fn golden_vector_of_every_type() {
    let rows = every_type();
    assert_eq!(
        digest(&rows).to_string(),
        "01db9f96d02447af8764429aa735eb8ad60000000000000002"
    );
    assert_eq!(
        digest(&rows.slice(0, 1)).to_string(),
        "01634f4c7a8a5e3a32faead79e03c430cc0000000000000001"
    );
}

#[test]
fn a_row_is_hashed_as_the_table_of_types_says() {
    let rows = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
        ("name", Arc::new(StringArray::from(vec![Some("a")]))),
        ("gone", Arc::new(StringArray::from(vec![None::<&str>]))),
    ]);
    let bytes = [3, 1, 0, 0, 0, 0, 0, 0, 0, 6, 1, 0, 0, 0, b'a', 0];
    assert_eq!(digest(&rows).sum, xxh3_128_with_seed(&bytes, 1));
}

#[test]
fn order_and_batching_do_not_matter() {
    let rows = every_type();
    let reversed =
        concat_batches(rows.schema_ref(), [&rows.slice(1, 1), &rows.slice(0, 1)]).unwrap();
    assert_eq!(digest(&rows), digest(&reversed));
    assert_eq!(
        digest(&rows),
        digest(&rows.slice(0, 1)) + digest(&rows.slice(1, 1))
    );
    assert_eq!(
        digest(&rows) - digest(&rows.slice(0, 1)),
        digest(&rows.slice(1, 1))
    );
}

#[test]
fn provenance_does_not_take_part() {
    let id: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let with = batch(vec![
        ("id", Arc::clone(&id)),
        ("_kilde_source_row", Arc::new(Int64Array::from(vec![7, 8]))),
    ]);
    assert_eq!(digest(&with), digest(&batch(vec![("id", id)])));
}

#[test]
fn null_empty_and_boundaries_are_told_apart() {
    let text = |a: Option<&str>, b: Option<&str>| {
        digest(&batch(vec![
            ("a", Arc::new(StringArray::from(vec![a])) as ArrayRef),
            ("b", Arc::new(StringArray::from(vec![b]))),
        ]))
    };
    assert_ne!(text(None, Some("x")), text(Some(""), Some("x")));
    assert_ne!(text(Some("ab"), Some("c")), text(Some("a"), Some("bc")));
    assert_ne!(text(None, Some("x")), text(Some("x"), None));
}

#[test]
fn representation_does_not_matter() {
    let utf8: ArrayRef = Arc::new(StringArray::from(vec![
        "a text longer than twelve bytes",
        "s",
    ]));
    let view: ArrayRef = Arc::new(StringViewArray::from(vec![
        "a text longer than twelve bytes",
        "s",
    ]));
    assert_eq!(
        digest(&batch(vec![("t", utf8)])),
        digest(&batch(vec![("t", view)]))
    );
    let float = |value: f64| {
        digest(&batch(vec![(
            "f",
            Arc::new(Float64Array::from(vec![value])) as ArrayRef,
        )]))
    };
    assert_eq!(float(0.0), float(-0.0));
    assert_eq!(float(f64::NAN), float(-f64::NAN));
    assert_ne!(float(1.0), float(2.0));
}

#[test]
fn a_retyped_column_changes_the_digest() {
    let small = batch(vec![("n", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]);
    let big = batch(vec![("n", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]);
    assert_ne!(digest(&small), digest(&big));
}

#[test]
fn a_sliced_list_hashes_its_own_items() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), Some(2)]),
        Some(vec![]),
        Some(vec![Some(3)]),
    ]);
    let last = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(3)])]);
    let all = batch(vec![("l", Arc::new(lists) as ArrayRef)]);
    assert_eq!(
        digest(&all.slice(2, 1)),
        digest(&batch(vec![("l", Arc::new(last))]))
    );
}

/// Lists of structures that hold lists: of 40 rows each eleventh has none, each thirteenth item is null, each third text.
fn orders() -> RecordBatch {
    let mut lines = ListBuilder::new(StructBuilder::from_fields(
        vec![
            Field::new("sku", DataType::Utf8, true),
            Field::new("n", DataType::Int32, true),
        ],
        0,
    ));
    let mut item = 0;
    for row in 0..40 {
        for _ in 0..row % 4 {
            let line = lines.values();
            let sku = (item % 3 > 0).then(|| format!("A{item}"));
            line.field_builder::<StringBuilder>(0)
                .unwrap()
                .append_option(sku);
            line.field_builder::<Int32Builder>(1)
                .unwrap()
                .append_value(item);
            line.append(item % 13 > 0);
            item += 1;
        }
        lines.append(row % 11 > 0);
    }
    let ids = Int32Array::from_iter_values(0..40);
    batch(vec![
        ("id", Arc::new(ids)),
        ("lines", Arc::new(lines.finish())),
    ])
}

#[test]
fn a_row_hashes_alike_whatever_its_neighbours_lack() {
    let orders = orders();
    let one_by_one = (0..orders.num_rows()).map(|row| digest(&orders.slice(row, 1)));
    let sum = one_by_one.fold(Digest::default(), |sum, row| sum + row);
    assert_eq!(digest(&orders), sum);
    // a part in which nobody lacks anything
    let few = orders.slice(34, 6);
    let one_by_one = (34..40).map(|row| digest(&orders.slice(row, 1)));
    assert_eq!(
        digest(&few),
        one_by_one.fold(Digest::default(), |sum, row| sum + row)
    );
}

#[test]
fn text_form_is_fixed_and_read_back() {
    let digest = Digest {
        sum: 0xabc,
        rows: 3,
    };
    let text = digest.to_string();
    assert_eq!(text, format!("01{:032x}{:016x}", 0xabc, 3));
    assert_eq!(text.parse::<Digest>().unwrap(), digest);
    for wrong in [
        "",
        "02",
        &text[1..],
        &text.to_uppercase(),
        &format!("+1{}", &text[2..]),
    ] {
        assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
    }
}
