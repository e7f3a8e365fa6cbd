//! The sample company's exports against their truth: every injected fault is rejected where it stands, and nothing else.
//!
//! Reads the shipped sample and `tests/data/truth`, or a folder of `bench/generate.py` that `KILDE_SAMPLE` names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::testing::{Bench, contract, csv, json, ndjson, parquet, rejects, source, test, xlsx};
use crate::project::{
    ColumnType as T, Contract, Conversions, CsvRead, Encoding, Load, Read, TestKind, XlsxRead,
};

/// Exports, and their truth.
fn folders() -> (PathBuf, PathBuf) {
    match std::env::var_os("KILDE_SAMPLE").map(PathBuf::from) {
        Some(folder) => (folder.clone(), folder.join("truth")),
        None => {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            (root.join("exports"), root.join("tests/data/truth"))
        }
    }
}

fn money() -> T {
    T::Decimal {
        precision: 14,
        scale: 2,
    }
}

fn delimited(delimiter: &str) -> CsvRead {
    CsvRead {
        delimiter: delimiter.to_string(),
        conversions: Conversions {
            two_digit_years_from: crate::project::DEFAULT_FIRST_YEAR,
            zone: chrono_tz::Tz::Europe__Stockholm,
            ..csv().conversions
        },
        ..csv()
    }
}

fn accepting(mut contract: Contract, column: &str, values: &[&str]) -> Contract {
    contract.tests.push(test(TestKind::AcceptedValues {
        column: column.into(),
        values: values.iter().map(|value| (*value).to_string()).collect(),
    }));
    contract
}

fn crm() -> Vec<(&'static str, Bench)> {
    let comma = Conversions {
        decimal: ',',
        dates: vec!["%d.%m.%Y".into()],
        ..delimited(";").conversions
    };
    let customers = CsvRead {
        encoding: Encoding::WINDOWS_1252,
        conversions: comma,
        ..delimited(";")
    };
    let columns = [
        ("nr<Kundnr", T::Varchar),
        ("given<Förnamn", T::Varchar),
        ("born<Födelsedatum", T::Date),
        ("email<E-post", T::Varchar),
        ("country<Land", T::Varchar),
        ("sales<Årsomsättning", money()),
        ("created_on<Skapad", T::Date),
        ("changed_on<Ändrad", T::Date),
    ];
    let customer_contract = accepting(
        contract(&["nr"], &columns),
        "country",
        &["Sverige", "Norge", "Danmark"],
    );
    let columns = [
        ("interaction_id", T::Bigint),
        ("occurred_at", T::Timestamp),
        ("note", T::Varchar),
    ];
    let interactions = contract(&["interaction_id"], &columns);
    let columns = [
        ("opportunity_id", T::Varchar),
        ("amount", money()),
        ("opened_on", T::Date),
        ("closed_on", T::Date),
        ("owner<owner|account_owner", T::Varchar),
    ];
    let opportunities = contract(&["opportunity_id"], &columns);
    let csv = |read: CsvRead, load| source(Read::Csv(read), load);
    vec![
        (
            "crm/customers",
            Bench::new(csv(customers, Load::Replace), customer_contract),
        ),
        (
            "crm/interactions",
            Bench::new(csv(delimited(";"), Load::Append), interactions),
        ),
        (
            "crm/opportunities",
            Bench::new(csv(delimited(","), Load::Replace), opportunities),
        ),
    ]
}

fn stores() -> Vec<(&'static str, Bench)> {
    let conversions = Conversions {
        decimal: ',',
        ..delimited("|").conversions
    };
    let receipts = CsvRead {
        header_rows: 0,
        encoding: Encoding::ISO_8859_1,
        conversions: conversions.clone(),
        ..delimited("|")
    };
    let articles = CsvRead {
        encoding: Encoding::ISO_8859_1,
        conversions,
        ..delimited(";")
    };
    let columns = [
        ("receipt_no", T::Bigint),
        ("line_no", T::Integer),
        ("store_id", T::Varchar),
        ("till", T::Integer),
        ("sold_at", T::Timestamp),
        ("card_no", T::Varchar),
        ("article_no", T::Varchar),
        ("qty", T::Integer),
        ("amount", money()),
        ("vat", money()),
    ];
    let receipt_contract = contract(&["store_id", "receipt_no", "line_no"], &columns);
    let columns = [("article_no", T::Varchar), ("price", money())];
    let article_contract = contract(&["article_no"], &columns);
    let columns = [
        ("sku", T::Varchar),
        ("list_price", money()),
        ("valid_from", T::Date),
    ];
    let product_contract = contract(&["sku"], &columns);
    let csv = |read: CsvRead, load| source(Read::Csv(read), load);
    vec![
        (
            "pos/receipts",
            Bench::new(csv(receipts, Load::Append), receipt_contract),
        ),
        (
            "pos/articles",
            Bench::new(csv(articles, Load::Replace), article_contract),
        ),
        (
            "erp/products",
            Bench::new(csv(delimited("\t"), Load::Replace), product_contract),
        ),
    ]
}

fn online() -> Vec<(&'static str, Bench)> {
    let line = T::Struct(vec![
        ("sku".into(), T::Varchar),
        ("quantity".into(), T::Integer),
        ("unit_price".into(), money()),
        ("discount".into(), money()),
    ]);
    let columns = [
        ("order_id", T::Varchar),
        ("customer_id", T::Bigint),
        ("placed_at", T::Timestamp),
        ("lines", T::List(Box::new(line))),
        ("shipping", money()),
        ("status", T::Varchar),
    ];
    let orders = contract(&["order_id"], &columns);
    let columns = [
        ("customer_id", T::Bigint),
        ("given_name<name.first", T::Varchar),
        ("birth_date", T::Date),
        ("country<address.country", T::Varchar),
        ("created_at", T::Timestamp),
        ("updated_at", T::Timestamp),
        ("newsletter<marketing.newsletter", T::Boolean),
    ];
    let customers = accepting(
        contract(&["customer_id"], &columns),
        "country",
        &["SE", "NO", "DK"],
    );
    let columns = [
        ("card_no", T::Varchar),
        ("birth_date", T::Date),
        ("country", T::Varchar),
        ("joined_at", T::Timestamp),
    ];
    let members = accepting(
        contract(&["card_no"], &columns),
        "country",
        &["SWE", "NOR", "DNK"],
    );
    let columns = [
        ("event_id", T::Bigint),
        ("customer_id", T::Bigint),
        ("occurred_at", T::Timestamp),
    ];
    let web = contract(&["event_id"], &columns);
    vec![
        (
            "webshop/orders",
            Bench::new(source(ndjson(), Load::Append), orders),
        ),
        (
            "webshop/customers",
            Bench::new(source(ndjson(), Load::Changes), customers),
        ),
        (
            "loyalty/members",
            Bench::new(source(parquet(), Load::Replace), members),
        ),
        (
            "web/events",
            Bench::new(source(parquet(), Load::Append), web),
        ),
    ]
}

fn mail() -> Vec<(&'static str, Bench)> {
    let columns = [
        ("event_id", T::Bigint),
        ("event", T::Varchar),
        ("occurred_at", T::Timestamp),
        ("link", T::Varchar),
    ];
    let events = contract(&["event_id"], &columns);
    let columns = [
        ("consent_id", T::Bigint),
        ("granted", T::Boolean),
        ("changed_at", T::Timestamp),
    ];
    let consents = contract(&["consent_id"], &columns);
    let columns = [("campaign", T::Varchar), ("sent_at", T::Timestamp)];
    let campaigns = contract(&[], &columns);
    let csv = || source(Read::Csv(delimited(",")), Load::Append);
    vec![
        ("newsletter/events", Bench::new(csv(), events)),
        ("newsletter/consents", Bench::new(csv(), consents)),
        ("campaigns/assignments", Bench::new(csv(), campaigns)),
    ]
}

fn service() -> Vec<(&'static str, Bench)> {
    let columns = [
        ("ticket_id<id", T::Varchar),
        ("email<requester.email", T::Varchar),
        ("minutes", T::Integer),
        ("opened", T::Timestamp),
        ("closed", T::Timestamp),
        ("csat", T::Integer),
    ];
    let tickets = contract(&["ticket_id"], &columns);
    let columns = [
        ("response_id", T::Varchar),
        ("score", T::Integer),
        ("answered_at", T::Timestamp),
    ];
    let answers = contract(&["response_id"], &columns);
    let typed = XlsxRead {
        conversions: Conversions {
            dates: vec!["%d.%m.%Y".into()],
            ..delimited(",").conversions
        },
        ..xlsx()
    };
    vec![
        (
            "service/tickets",
            Bench::new(source(Read::Json(json()), Load::Changes), tickets),
        ),
        (
            "survey/nps",
            Bench::new(source(Read::Xlsx(typed), Load::Append), answers),
        ),
    ]
}

/// The rule that stands for an injected fault; `None` for faults that stay in the data.
fn rule_of(kind: &str, path: &str) -> Option<String> {
    let rule = match kind {
        "unclosed_quote" if path.contains("json") => "malformed_json",
        "unknown_country" => "accepted_values",
        "too_few_fields" | "too_many_fields" | "unclosed_quote" | "number_as_date"
        | "impossible_date" => kind,
        _ => return None,
    };
    Some(rule.to_string())
}

/// File, line (none: the whole file) and kind of every injected fault.
fn faults(truth: &Path) -> Vec<(String, Option<i64>, String)> {
    if let Ok(text) = std::fs::read_to_string(truth.join("faults.csv")) {
        let fields = text.lines().skip(1).map(|line| line.split(','));
        return fields
            .map(|mut fields| {
                let mut next = || fields.next().unwrap().to_string();
                let (file, line, kind) = (next(), next(), next());
                (file, line.parse().ok(), kind)
            })
            .collect();
    }
    let file = std::fs::File::open(truth.join("faults.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let batches = reader.build().unwrap().map(Result::unwrap);
    batches.flat_map(|batch| faults_of(&batch)).collect()
}

fn faults_of(batch: &RecordBatch) -> Vec<(String, Option<i64>, String)> {
    let column = |name: &str, data_type: &DataType| {
        cast(batch.column_by_name(name).unwrap(), data_type).unwrap()
    };
    let files = column("file", &DataType::Utf8);
    let lines = column("line", &DataType::Int64);
    let kinds = column("kind", &DataType::Utf8);
    let text = |array: &ArrayRef, row| array.as_string::<i32>().value(row).to_string();
    (0..batch.num_rows())
        .map(|row| {
            let line = lines.as_primitive::<Int64Type>();
            let line = line.is_valid(row).then(|| line.value(row));
            (text(&files, row), line, text(&kinds, row))
        })
        .collect()
}

#[tokio::test]
async fn every_injected_fault_is_rejected_where_it_stands_and_nothing_else() {
    let (exports, truth) = folders();
    let text = std::fs::read_to_string(truth.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let benches: Vec<_> = [crm(), stores(), online(), mail(), service()]
        .into_iter()
        .flatten()
        .collect();
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (path, counts) in expected["files"].as_object().unwrap() {
        let bench = benches.iter().find(|(name, _)| {
            path.strip_prefix(*name)
                .is_some_and(|rest| rest.starts_with('_'))
        });
        let bytes = std::fs::read(exports.join(path));
        let (Some((_, bench)), Ok(bytes)) = (bench, bytes) else {
            continue;
        };
        seen.insert(path.clone());
        let decoded = bench.decode(path, bytes).await;
        assert_eq!(
            Some(decoded.report.records),
            counts["rows"].as_u64(),
            "{path}"
        );
        let is_copy = counts.get("duplicate_of").is_some();
        for (line, _, rule) in rejects(&decoded).into_iter().filter(|_| !is_copy) {
            found.insert((path.clone(), line, rule));
        }
    }
    let injected = faults(&truth).into_iter().filter_map(|(path, line, kind)| {
        let rule = rule_of(&kind, &path)?;
        seen.contains(&path).then_some((path, line?, rule))
    });
    let injected: BTreeSet<_> = injected.collect();
    assert_eq!(found, injected);
    assert!(!injected.is_empty());
    assert_eq!(seen.len(), expected["files"].as_object().unwrap().len());
}
