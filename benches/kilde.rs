//! What kilde's own parts cost, on the shipped sample of exports; `cargo bench`, or `cargo bench -- decode`.
//!
//! Groups follow a build: `decode` (bytes → rows that keep their contract), `functions` (SQL of the cleaning steps), `digest`,
//! `write` (rows → sorted files), `check` (a project, no data), `command` (the built binary, process and all). Speeds are
//! records or rows per second. A number means something beside another of the same run; see `docs/performance.md`.

#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kilde::bench::{self, Decoder, Writer};
use kilde::deps::arrow::array::RecordBatch;
use kilde::deps::datafusion::datasource::MemTable;
use kilde::deps::datafusion::prelude::SessionContext;
use kilde::{Project, Variables};
use tokio::runtime::Runtime;

/// Table, the export of its first day (the largest), key.
const EXPORTS: [(&str, &str, &[&str]); 6] = [
    (
        "bronze.crm_customers",
        "crm/customers_20260101.csv.gz",
        &["customer_no"],
    ),
    (
        "bronze.pos_receipts",
        "pos/receipts_20260101.csv.gz",
        &["store_id", "receipt_no", "line_no"],
    ),
    (
        "bronze.web_orders",
        "webshop/orders_20260101.ndjson.gz",
        &["order_id"],
    ),
    (
        "bronze.web_events",
        "web/events_20260101.parquet",
        &["event_id"],
    ),
    (
        "bronze.tickets",
        "service/tickets_20260101.json",
        &["ticket_id"],
    ),
    ("bronze.nps", "survey/nps_20260101.xlsx", &["response_id"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

fn shipped() -> Project {
    Project::load(root(), &Variables::default()).unwrap()
}

fn rows(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
}

fn decoded(table: &str) -> Vec<RecordBatch> {
    let scratch = tempfile::tempdir().unwrap();
    let (table, path, _) = EXPORTS.iter().find(|export| export.0 == table).unwrap();
    runtime().block_on(async {
        let decoder = Decoder::new(&shipped(), table, path, scratch.path()).await;
        decoder.unwrap().decode().await.unwrap()
    })
}

fn decode(criterion: &mut Criterion) {
    let runtime = runtime();
    let project = shipped();
    let mut group = criterion.benchmark_group("decode");
    for (table, path, _) in EXPORTS {
        let scratch = tempfile::tempdir().unwrap();
        let decoder = Decoder::new(&project, table, path, scratch.path());
        let decoder = runtime.block_on(decoder).unwrap();
        let records = rows(&runtime.block_on(decoder.decode()).unwrap());
        group.throughput(Throughput::Elements(records));
        group.bench_function(path, |bencher| {
            bencher
                .to_async(&runtime)
                .iter(|| async { decoder.decode().await.unwrap() });
        });
    }
}

fn functions(criterion: &mut Criterion) {
    let runtime = runtime();
    let people = decoded("bronze.crm_customers");
    let records = rows(&people);
    #[expect(
        clippy::disallowed_methods,
        reason = "a user's session, as register_udfs is for"
    )]
    let session = SessionContext::new();
    kilde::register_udfs(&session);
    let table = MemTable::try_new(people[0].schema(), vec![people]).unwrap();
    session.register_table("people", Arc::new(table)).unwrap();
    let mut group = criterion.benchmark_group("functions");
    group.throughput(Throughput::Elements(records));
    for expression in [
        "normalize_email(email)",
        "normalize_phone(phone, country_code(country))",
        "normalize_national_id(national_id, country_code(country))",
        "normalize_postcode(postcode, country_code(country))",
        "name_key(family_name)",
        "repair_mojibake(street)",
    ] {
        let sql = format!("select max({expression}) from people");
        let plan = runtime.block_on(session.sql(&sql)).unwrap();
        group.bench_function(expression, |bencher| {
            bencher
                .to_async(&runtime)
                .iter(|| async { plan.clone().collect().await.unwrap() });
        });
    }
}

fn digest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("digest");
    for table in ["bronze.crm_customers", "bronze.pos_receipts"] {
        let batches = decoded(table);
        group.throughput(Throughput::Elements(rows(&batches)));
        group.bench_function(table, |bencher| {
            bencher.iter(|| {
                let digests = batches.iter().map(|batch| bench::digest(batch).unwrap());
                digests.collect::<Vec<_>>()
            });
        });
    }
}

fn write(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("write");
    for (table, _, key) in &EXPORTS[..2] {
        let batches = decoded(table);
        group.throughput(Throughput::Elements(rows(&batches)));
        for buckets in [1, 8] {
            let folder = tempfile::tempdir().unwrap();
            let writer = Writer::new(folder.path(), 2).unwrap();
            group.bench_function(format!("{table}/{buckets} buckets"), |bencher| {
                bencher
                    .to_async(&runtime)
                    .iter(|| async { writer.write(&batches, key, buckets).await.unwrap() });
            });
        }
    }
}

/// A project of so many steps in three layers, each with a contract.
fn wide_project(folder: &Path, steps: usize) {
    let write = |path: String, text: String| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let columns = "columns:\n  - {name: id, data_type: bigint, data_tests: [not_null]}\n  - {name: country, data_type: varchar}\n  \
                   - {name: amount, data_type: \"decimal(12,2)\"}\n  - {name: placed_at, data_type: timestamp}\n";
    let mut pipeline = "sources:\n".to_string();
    for i in 0..steps {
        let contract =
            format!("description: Synthetic.\ngrain: one row per id\nkey: [id]\n{columns}");
        let (layer, sql) = match i % 3 {
            0 => {
                let source = format!("raw_{i}");
                pipeline += &format!(
                    "  - {{table: bronze.{source}, files: {source}_*.csv, read: {{csv: {{}}}}}}\n"
                );
                write(format!("schemas/bronze/{source}.yaml"), contract.clone());
                let sql = format!(
                    "select id, upper(trim(country)) as country, amount, placed_at from bronze.{source}"
                );
                ("silver", sql)
            }
            1 => {
                let input = format!("silver.step_{}", i - 1);
                let sql = format!(
                    "with ranked as (select *, row_number() over (partition by id order by placed_at desc, amount) as place \
                     from {input})\nselect a.id, a.country, a.amount, b.placed_at from ranked as a\n\
                     left join {input} as b on b.id = a.id where a.place = 1"
                );
                ("middle", sql)
            }
            _ => {
                let input = format!("middle.step_{}", i - 1);
                let sql = format!(
                    "select id, min(country) as country, cast(sum(amount) as decimal(12,2)) as amount, max(placed_at) as placed_at\n\
                     from {input} where id is not null group by id"
                );
                ("gold", sql)
            }
        };
        write(
            format!("sql/{layer}/step_{i}.sql"),
            format!("-- {layer}.step_{i}: one row per id.\n{sql}\n"),
        );
        write(format!("schemas/{layer}/step_{i}.yaml"), contract);
    }
    pipeline += "steps:\n  - sql: silver/*\n  - sql: middle/*\n  - sql: gold/*\n";
    write("pipelines/wide.yaml".to_string(), pipeline);
    write(
        "kilde.yaml".to_string(),
        "project: wide\nraw: exports/\nlake: lake/\n".to_string(),
    );
}

fn check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check");
    let wide = tempfile::tempdir().unwrap();
    wide_project(wide.path(), 1000);
    for (name, folder) in [("shipped project", root()), ("1,000 steps", wide.path())] {
        group.bench_function(format!("{name}, load"), |bencher| {
            bencher.iter(|| Project::load(folder, &Variables::default()).unwrap());
        });
        let project = Project::load(folder, &Variables::default()).unwrap();
        group.bench_function(format!("{name}, check"), |bencher| {
            bencher.iter(|| bench::check(&project).unwrap());
        });
    }
}

fn kilde(project: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_kilde"))
        .args(arguments)
        .args(["--quiet", "--project-dir"])
        .arg(project)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{arguments:?}: {}\n{said}",
        output.status
    );
}

/// The shipped project in a folder of its own, its exports read where they lie, built once.
fn built(folder: &Path) -> PathBuf {
    for name in ["pipelines", "schemas", "seeds", "sql"] {
        copy_folder(&root().join(name), &folder.join(name));
    }
    let text = fs::read_to_string(root().join("kilde.yaml")).unwrap();
    let raw = format!("raw: {}", root().join("exports").display());
    fs::write(
        folder.join("kilde.yaml"),
        text.replace("raw: exports/", &raw),
    )
    .unwrap();
    kilde(folder, &BUILD);
    folder.join("schemas/gold/kpis.yaml")
}

const BUILD: [&str; 3] = ["build", "--as-of", "2026-01-08"];

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn command(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let contract = built(folder.path());
    let text = fs::read_to_string(&contract).unwrap();
    let mut group = criterion.benchmark_group("command");
    group.sample_size(10);
    group.bench_function("build, nothing new", |bencher| {
        bencher.iter(|| kilde(folder.path(), &BUILD));
    });
    let mut number = 0;
    group.bench_function("build, a description changed", |bencher| {
        bencher.iter_batched(
            || {
                number += 1;
                let description = format!("description: \"{number}. ");
                fs::write(&contract, with_description(&text, &description)).unwrap();
            },
            |()| kilde(folder.path(), &BUILD),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("build, everything", |bencher| {
        bencher.iter_batched(
            || {
                let folder = tempfile::tempdir().unwrap();
                fs::create_dir(folder.path().join("project")).unwrap();
                folder
            },
            |folder| built(&folder.path().join("project")),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("query, one row", |bencher| {
        let sql = "select count(*) from gold.customers where customer_id = 'c_1'";
        bencher.iter(|| kilde(folder.path(), &["query", sql]));
    });
}

/// The contract with another description on its first line.
fn with_description(text: &str, description: &str) -> String {
    let rest = text.split_once('\n').unwrap().1;
    format!("{description}\"\n{rest}")
}

criterion_group!(benches, decode, functions, digest, write, check, command);
criterion_main!(benches);
