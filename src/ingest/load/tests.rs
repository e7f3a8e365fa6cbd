//! Histories of exports, taken night by night and all at once, against a model in a few lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::execution::config::SessionConfig;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionContext;
use proptest::prelude::*;

use super::*;
use crate::ingest::table_schema;
use crate::ingest::testing::{Bench, contract, csv, rows, source};
use crate::project::{ColumnType, Read};

/// A record: key, value; a negative value is written as a word and rejected.
type Record = (u8, i8);

fn session(partitions: usize, memory: Option<usize>) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_sort_spill_reservation_bytes(1 << 20);
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(bytes) = memory {
        runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(bytes)));
    }
    SessionContext::new_with_config_rt(config, runtime.build_arc().unwrap())
}

fn bench(load: Load, key: &[&str]) -> Bench {
    let columns = [("id", ColumnType::Integer), ("value", ColumnType::Integer)];
    Bench::new(source(Read::Csv(csv()), load), contract(key, &columns))
}

fn text(records: &[Record]) -> String {
    let lines = records.iter().map(|(key, value)| {
        let value = if *value < 0 {
            "bad".to_string()
        } else {
            value.to_string()
        };
        format!("{key},{value}\n")
    });
    format!("id,value\n{}", lines.collect::<String>())
}

/// A table as it grows night by night.
struct Lake {
    bench: Bench,
    context: SessionContext,
    present: Option<RecordBatch>,
    loaded: BTreeMap<String, i64>,
}

impl Lake {
    fn new(load: Load, key: &[&str]) -> Self {
        Self {
            bench: bench(load, key),
            context: session(2, None),
            present: None,
            loaded: BTreeMap::new(),
        }
    }

    /// Loads some exports, by ordinal.
    async fn build(&mut self, exports: &[(i64, &[Record])]) -> LoadReport {
        let mut turns = Vec::new();
        for (ordinal, records) in exports {
            let path = format!("night_{ordinal:03}.csv");
            let export = Arc::new(self.bench.decode(&path, text(records)).await);
            turns.push(Turn {
                export,
                ordinal: *ordinal,
            });
        }
        let schema = table_schema(&self.bench.contract);
        let present = self.present.clone().map(|batch| {
            let table = MemTable::try_new(Arc::clone(&schema), vec![vec![batch]]).unwrap();
            Arc::new(table) as Arc<dyn TableProvider>
        });
        let load_kind = self.bench.source.load;
        let request = LoadRequest {
            contract: &self.bench.contract,
            load: load_kind,
            present,
            turns: turns.clone(),
            loaded: self.loaded.clone(),
        };
        let loading = load(&self.context, request).unwrap();
        let mut batches = loading.rows.collect().await.unwrap();
        if load_kind == Load::Append {
            batches.splice(0..0, self.present.clone());
        }
        self.present = Some(concat_batches(&schema, &batches).unwrap());
        for turn in &turns {
            let path = turn.export.report.path.clone();
            self.loaded.insert(path, turn.ordinal);
        }
        loading.accounting.finish().unwrap()
    }

    fn content(&self) -> Vec<String> {
        let mut rows = self.present.as_ref().map(rows).unwrap_or_default();
        rows.sort();
        rows
    }

    /// Content and the export and line in which it was first seen.
    fn provenance(&self) -> Vec<String> {
        let batch = self.present.as_ref().unwrap();
        let files = batch.column(2).as_string::<i32>();
        let lines = batch
            .column(3)
            .as_primitive::<datafusion::arrow::datatypes::Int64Type>();
        let texts = rows(batch).into_iter().enumerate().map(|(row, text)| {
            let file = files.value(row).trim_start_matches("night_00");
            format!(
                "{text} {}:{}",
                file.trim_end_matches(".csv"),
                lines.value(row)
            )
        });
        let mut texts: Vec<String> = texts.collect();
        texts.sort();
        texts
    }
}

fn counts(numbers: [u64; 6]) -> FileCounts {
    let [records, inserted, updated, unchanged, superseded, rejected] = numbers;
    FileCounts {
        records,
        inserted,
        updated,
        unchanged,
        superseded,
        duplicate: 0,
        rejected,
    }
}

#[tokio::test]
async fn replace_keeps_first_provenance_and_the_last_good_row_of_a_rejected_record() {
    let mut lake = Lake::new(Load::Replace, &["id"]);
    let report = lake
        .build(&[(0, &[(1, 10), (2, 20), (3, 30), (4, 40)])])
        .await;
    assert_eq!(report.files["night_000.csv"], counts([4, 4, 0, 0, 0, 0]));
    let report = lake
        .build(&[(1, &[(1, 10), (2, 21), (3, -1), (5, 50), (5, 51), (6, -1)])])
        .await;
    assert_eq!(
        lake.provenance(),
        ["1|10 0:2", "2|21 1:3", "3|30 0:4", "5|51 1:6"]
    );
    assert_eq!(report.files["night_001.csv"], counts([6, 1, 1, 1, 1, 2]));
    assert_eq!((report.removed, report.kept), (1, 1));
}

#[tokio::test]
async fn a_late_snapshot_changes_nothing() {
    let mut lake = Lake::new(Load::Replace, &["id"]);
    lake.build(&[(5, &[(1, 10)])]).await;
    let report = lake.build(&[(3, &[(1, 9), (2, 20), (3, -1)])]).await;
    assert_eq!(lake.content(), ["1|10"]);
    assert_eq!(report.files["night_003.csv"], counts([3, 0, 0, 0, 2, 1]));
}

#[tokio::test]
async fn replace_without_a_key_compares_whole_rows_as_a_bag() {
    let mut lake = Lake::new(Load::Replace, &[]);
    lake.build(&[(0, &[(1, 1), (1, 1), (1, 1), (2, 2)])]).await;
    let report = lake.build(&[(1, &[(1, 1), (1, 1), (3, 3), (4, -1)])]).await;
    assert_eq!(lake.provenance(), ["1|1 0:2", "1|1 0:3", "3|3 1:4"]);
    assert_eq!(report.files["night_001.csv"], counts([4, 1, 0, 2, 0, 1]));
    assert_eq!(report.removed, 2);
}

#[tokio::test]
async fn changes_take_the_newest_record_of_each_key_and_delete_nothing() {
    let mut lake = Lake::new(Load::Changes, &["id"]);
    lake.build(&[(0, &[(1, 10), (2, 20)])]).await;
    let report = lake
        .build(&[(1, &[(2, 21), (2, 22), (1, 10), (3, -1)])])
        .await;
    assert_eq!(lake.provenance(), ["1|10 0:2", "2|22 1:3"]);
    assert_eq!(report.files["night_001.csv"], counts([4, 0, 1, 1, 1, 1]));
    assert_eq!(report.removed, 0);
}

#[tokio::test]
async fn a_late_change_loses_against_newer_content_and_wins_over_older() {
    let mut lake = Lake::new(Load::Changes, &["id"]);
    lake.build(&[(0, &[(1, 10), (2, 20)])]).await;
    lake.build(&[(5, &[(1, 15)])]).await;
    let report = lake.build(&[(3, &[(1, 13), (2, 23), (3, 33)])]).await;
    assert_eq!(lake.content(), ["1|15", "2|23", "3|33"]);
    assert_eq!(report.files["night_003.csv"], counts([3, 1, 1, 0, 1, 0]));
}

#[tokio::test]
async fn changes_without_a_key_are_refused() {
    let lake = Lake::new(Load::Changes, &[]);
    let request = LoadRequest {
        contract: &lake.bench.contract,
        load: Load::Changes,
        present: None,
        turns: Vec::new(),
        loaded: BTreeMap::new(),
    };
    let error = load(&lake.context, request).err().unwrap();
    assert!(error.render().contains("K0410"));
}

#[tokio::test]
async fn append_adds_every_accepted_record() {
    let mut lake = Lake::new(Load::Append, &["id"]);
    lake.build(&[(0, &[(1, 10)])]).await;
    let report = lake
        .build(&[(1, &[(1, 10), (2, -1)]), (2, &[(1, 11)])])
        .await;
    assert_eq!(lake.content(), ["1|10", "1|10", "1|11"]);
    assert_eq!(report.files["night_001.csv"], counts([2, 1, 0, 0, 0, 1]));
}

#[tokio::test]
async fn books_cannot_be_closed_before_the_rows_are_read() {
    let lake = Lake::new(Load::Replace, &["id"]);
    let export = Arc::new(lake.bench.decode("a.csv", text(&[(1, 1)])).await);
    let request = LoadRequest {
        contract: &lake.bench.contract,
        load: Load::Replace,
        present: None,
        turns: vec![Turn { export, ordinal: 0 }],
        loaded: BTreeMap::new(),
    };
    let loading = load(&lake.context, request).unwrap();
    assert!(loading.accounting.finish().is_err());
    // a second reading, as after a change of join strategy, counts anew
    loading.rows.clone().collect().await.unwrap();
    loading.rows.collect().await.unwrap();
    let report = loading.accounting.finish().unwrap();
    assert_eq!(report.files["a.csv"], counts([1, 1, 0, 0, 0, 0]));
}

#[tokio::test]
async fn a_load_larger_than_its_memory_spills() {
    let bench = bench(Load::Replace, &["id"]);
    let records = |shift: i64| {
        let lines = (0..120_000).map(|i| format!("{},{}\n", (i * 7919) % 120_000, i + shift));
        format!("id,value\n{}", lines.collect::<String>())
    };
    let context = session(1, Some(6 << 20));
    let mut turns = Vec::new();
    for ordinal in 0..3 {
        let path = format!("{ordinal}.csv");
        let export = Arc::new(bench.decode(&path, records(ordinal)).await);
        turns.push(Turn { export, ordinal });
    }
    let request = LoadRequest {
        contract: &bench.contract,
        load: Load::Replace,
        present: None,
        turns,
        loaded: BTreeMap::new(),
    };
    let loading = load(&context, request).unwrap();
    let rows: usize = loading
        .rows
        .collect()
        .await
        .unwrap()
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(rows, 120_000);
    let report = loading.accounting.finish().unwrap();
    assert_eq!(
        report.files["2.csv"],
        counts([120_000, 0, 120_000, 0, 0, 0])
    );
}

/// The table after a history, as design says it.
fn model(load: Load, keyed: bool, history: &[Vec<Record>]) -> Vec<String> {
    let row = |(key, value): Record| format!("{key}|{value}");
    let is_good = |(_, value): &&Record| *value >= 0;
    let mut state: BTreeMap<u8, i8> = BTreeMap::new();
    let mut rows: Vec<String> = Vec::new();
    for night in history {
        let good = night.iter().filter(is_good).copied();
        match load {
            Load::Append => rows.extend(good.map(row)),
            Load::Changes => state.extend(good),
            Load::Replace if !keyed => rows = good.map(row).collect(),
            Load::Replace => {
                let rejected = night.iter().filter(|(_, value)| *value < 0);
                let mut next: BTreeMap<u8, i8> = rejected
                    .filter_map(|(key, _)| Some((*key, *state.get(key)?)))
                    .collect();
                next.extend(good);
                state = next;
            }
        }
    }
    rows.extend(state.iter().map(|(key, value)| row((*key, *value))));
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn nights_one_by_one_and_all_at_once_give_the_same_table_and_books(
        history in prop::collection::vec(prop::collection::vec((0_u8..6, -1_i8..3), 0..7), 1..5),
        cut in 0_usize..5,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let kinds: [(Load, &[&str]); 4] = [
            (Load::Replace, &["id"]),
            (Load::Replace, &[]),
            (Load::Changes, &["id"]),
            (Load::Append, &["id"]),
        ];
        for (kind, key) in kinds {
            let numbered: Vec<(i64, &[Record])> = (0..).zip(history.iter().map(Vec::as_slice)).collect();
            let (nightly, at_once, reports) = runtime.block_on(async {
                let mut nightly = Lake::new(kind, key);
                let mut at_once = Lake::new(kind, key);
                let mut reports = (LoadReport::default(), LoadReport::default());
                for night in &numbered {
                    let report = nightly.build(std::slice::from_ref(night)).await;
                    reports.0.files.extend(report.files);
                    reports.0.kept += report.kept;
                }
                let (first, rest) = numbered.split_at(cut.min(numbered.len()));
                for part in [first, rest] {
                    let report = at_once.build(part).await;
                    reports.1.files.extend(report.files);
                    reports.1.kept += report.kept;
                }
                (nightly, at_once, reports)
            });
            let expected = model(kind, !key.is_empty(), &history);
            prop_assert_eq!(nightly.content(), expected.clone(), "night by night, {:?}", kind);
            prop_assert_eq!(at_once.content(), expected, "at once, {:?}", kind);
            prop_assert_eq!(nightly.provenance(), at_once.provenance());
            prop_assert_eq!(reports.0, reports.1);
        }
    }
}
