use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use datafusion::arrow::array::{Decimal128Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use object_store::memory::InMemory;

use super::*;
use crate::engine::analysis::{InputTable, Question, analyse};
use crate::engine::function_registry::test_registry;
use crate::engine::{Engine, EngineOptions, Joins, Statement};

/// What breaks a statement over `bronze.orders`, whose second row is wrong in every way.
async fn broken_by(sql: &str) -> (String, Option<String>, Option<String>) {
    let wide = DataType::Decimal128(38, 2);
    let schema = Arc::new(Schema::new(vec![
        Field::new("order_id", DataType::Int64, true),
        Field::new("quantity", DataType::Utf8, true),
        Field::new("parts", DataType::Int64, true),
        Field::new("amount", wide.clone(), true),
        Field::new("ordered_on", DataType::Utf8, true),
    ]));
    let huge = 10_i128.pow(37);
    let amounts = Decimal128Array::from(vec![100, huge]).with_data_type(wide);
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(Int64Array::from(vec![1, 2])),
            Arc::new(StringArray::from(vec!["3", "secret pieces"])),
            Arc::new(Int64Array::from(vec![1, 0])),
            Arc::new(amounts),
            Arc::new(StringArray::from(vec!["2026-01-02", "secret day"])),
        ],
    )
    .unwrap();
    let table: crate::name::TableName = "bronze.orders".parse().unwrap();
    let provider: Arc<dyn TableProvider> =
        Arc::new(MemTable::try_new(Arc::clone(&schema), vec![vec![batch]]).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(EngineOptions {
        threads: 2,
        memory_limit: None,
        spill_dir: folder.path().to_path_buf(),
        spill_limit: None,
        lake: Arc::new(InMemory::new()),
        lake_is_far: false,
        as_of: DateTime::UNIX_EPOCH,
        time_zone: chrono_tz::UTC,
    })
    .unwrap();
    let session = engine
        .session(&BTreeMap::from([(table.clone(), provider)]), Joins::Hash)
        .unwrap();
    let file = Arc::new(SourceFile {
        path: "sql/silver/orders.sql".into(),
        text: sql.into(),
    });
    let statement = Statement::parse(&file).unwrap();
    let known = [table.clone()].into();
    let analysis = analyse(&Question {
        statement: &statement,
        uses: &statement.tables(&known).unwrap(),
        tables: &BTreeMap::from([(
            table,
            InputTable {
                schema,
                not_null: Default::default(),
                unique: Vec::new(),
            },
        )]),
        vars: &BTreeMap::new(),
        as_of: DateTime::UNIX_EPOCH,
        time_zone: chrono_tz::UTC,
        functions: test_registry::shared(),
        is_published: true,
    })
    .unwrap();
    let plan = session
        .state()
        .create_logical_plan(analysis.bound_sql())
        .await
        .unwrap();
    let found = culprit(&session, &plan, &analysis, &file).await.unwrap();
    let text = format!("{found:?}");
    assert!(!text.contains("secret"), "{text}");
    let place = found.span.map(|span| {
        let (line, column) = file.position(span.start);
        format!("{line}:{column}")
    });
    (found.expression, place, found.rows_sql)
}

#[tokio::test]
async fn a_cast_is_named_with_its_place_and_a_query_of_the_rows() {
    let (expression, place, rows) = broken_by(
        "select order_id,\n       cast(quantity as bigint) as quantity\nfrom bronze.orders",
    )
    .await;
    assert_eq!(expression, "CAST(orders.quantity AS BIGINT)");
    assert_eq!(place.unwrap(), "2:13");
    assert_eq!(
        rows.unwrap(),
        "select * from bronze.orders where TRY_CAST(quantity AS BIGINT) IS NULL AND quantity IS NOT NULL limit 20"
    );
}

#[tokio::test]
async fn a_cast_above_joins_and_subqueries_is_traced_to_its_table() {
    let (_, _, rows) = broken_by(
        "with o as (select order_id, quantity as n from bronze.orders)
         select a.order_id, sum(cast(b.n as integer)) as pieces
         from o as a join o as b on a.order_id = b.order_id group by a.order_id",
    )
    .await;
    assert!(
        rows.unwrap()
            .starts_with("select * from bronze.orders where TRY_CAST(quantity")
    );
}

#[tokio::test]
async fn a_division_by_zero_shows_the_rows_with_a_zero() {
    let (expression, _, rows) =
        broken_by("select order_id, order_id / parts as each from bronze.orders").await;
    assert!(expression.contains("parts"), "{expression}");
    let rows = rows.unwrap();
    assert!(rows.contains("parts = 0"), "{rows}");
}

#[tokio::test]
async fn an_overflow_of_decimals_shows_the_rows_beyond_the_type() {
    let (_, _, rows) =
        broken_by("select order_id, amount * amount as square from bronze.orders").await;
    let rows = rows.unwrap();
    assert!(rows.contains("amount"), "{rows}");
    assert!(!rows.contains("IS NOT NULL"), "{rows}");
}

#[tokio::test]
async fn a_text_that_is_no_date_is_shown() {
    let (_, _, rows) =
        broken_by("select order_id, to_date(ordered_on) as day from bronze.orders").await;
    let rows = rows.unwrap();
    assert!(
        rows.contains("TRY_CAST(ordered_on AS DATE) IS NULL"),
        "{rows}"
    );
}

#[tokio::test]
async fn a_condition_that_compares_text_with_a_number_names_the_cast_nobody_wrote() {
    let (expression, _, rows) = broken_by(
        "select order_id from bronze.orders where cast(ordered_on as date) > '2026-01-01'",
    )
    .await;
    assert!(expression.contains("ordered_on"), "{expression}");
    assert!(rows.is_some());
}
