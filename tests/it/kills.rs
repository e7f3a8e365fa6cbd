//! `kill -9` at any instant: the old release or the new one, and no export lost or doubled.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::sandbox::Sandbox;
use crate::time_limit;

const PIPELINE: &str = "
sources:
  - table: bronze.orders
    files: orders_{delivered_on:%Y%m%d}.csv
    read: {csv: {}}
    load: append
  - table: bronze.stores
    files: stores_{delivered_on:%Y%m%d}.csv
    read: {csv: {}}
    load: replace
steps:
  - sql: gold/*
";
const ORDERS: &str = "
description: Orders as the till wrote them.
columns:
  - {name: order_id, data_type: bigint}
  - {name: store_id, data_type: integer}
  - {name: amount, data_type: \"decimal(12,2)\"}
";
const STORES: &str = "
description: Stores.
key: [store_id]
columns:
  - {name: store_id, data_type: integer}
  - {name: town, data_type: varchar}
";
const SALES_SQL: &str = "-- gold.sales: one row per store.
select s.store_id, s.town, count(o.order_id) as orders_count, sum(o.amount) as revenue_amount
from bronze.stores as s left join bronze.orders as o on o.store_id = s.store_id
group by s.store_id, s.town
";
const SALES: &str = "
description: Sales per store.
key: [store_id]
columns:
  - {name: store_id, data_type: integer}
  - {name: town, data_type: varchar}
  - {name: orders_count, data_type: bigint}
  - {name: revenue_amount, data_type: \"decimal(22,2)\"}
data_tests:
  - relationships: {columns: [store_id], to: bronze.stores}
";

fn shop() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        ("pipelines/shop.yaml", PIPELINE),
        ("schemas/bronze/orders.yaml", ORDERS),
        ("schemas/bronze/stores.yaml", STORES),
        ("schemas/gold/sales.yaml", SALES),
        ("sql/gold/sales.sql", SALES_SQL),
    ])
}

/// One night's exports: `night + 3` orders, and stores whose town names the night.
fn deliver(shop: &Sandbox, night: u32) {
    let mut orders = "order_id,store_id,amount\n".to_string();
    for order in 0..night + 3 {
        orders.push_str(&format!("{},{},10.50\n", night * 1000 + order, order % 3));
    }
    let mut stores = "store_id,town\n".to_string();
    for store in 0..3 {
        stores.push_str(&format!("{store},Town {night}\n"));
    }
    let first = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let day = (first + chrono::Days::new(night.into())).format("%Y%m%d");
    shop.write(&format!("exports/orders_{day}.csv"), orders);
    shop.write(&format!("exports/stores_{day}.csv"), stores);
}

/// Orders, sum over gold, towns: what one release says of itself.
fn state(shop: &Sandbox) -> (u32, u32, String) {
    let rows = shop.query(
        "select (select count(*) from bronze.orders), (select sum(orders_count) from gold.sales), \
         (select min(town) from bronze.stores)",
    );
    (
        rows[0][0].parse().unwrap(),
        rows[0][1].parse().unwrap(),
        rows[0][2].clone(),
    )
}

fn expected(nights: u32) -> (u32, u32, String) {
    let orders = (0..nights).map(|night| night + 3).sum();
    (orders, orders, format!("Town {}", nights - 1))
}

#[test]
fn a_killed_build_leaves_the_old_release_or_the_new_one_and_the_next_build_ends_well() {
    let kills: u32 = match std::env::var("KILDE_KILLS") {
        Ok(kills) => kills.parse().unwrap(),
        Err(_) => 5,
    };
    let shop = shop();
    deliver(&shop, 0);
    let watch = kilde::clock::Stopwatch::start();
    shop.kilde(&["build"]).ended(0);
    let whole = watch.elapsed();
    assert_eq!(state(&shop), expected(1));
    // a fixed sequence: the instants differ, the test does not
    let mut seed = 0x9E37_79B9_u64;
    for night in 1..=kills {
        deliver(&shop, night);
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let wait = whole.mul_f64((seed >> 33) as f64 / (1_u64 << 31) as f64);
        let build = shop
            .command(&["build"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(wait.max(Duration::from_millis(1)));
        Command::new("kill")
            .args(["-9", &build.id().to_string()])
            .status()
            .unwrap();
        time_limit::wait(build);
        let seen = state(&shop);
        assert!(
            seen == expected(night) || seen == expected(night + 1),
            "killed after {wait:?} of {whole:?}, a reader saw {seen:?}"
        );
        shop.kilde(&["build"]).ended(0);
        assert_eq!(
            state(&shop),
            expected(night + 1),
            "after the build that followed the kill"
        );
    }
    let files = shop.query("select count(*), count(distinct path), sum(records) from ops.files");
    let exports = 2 * (kills + 1);
    assert_eq!(files[0][0], exports.to_string());
    assert_eq!(files[0][1], exports.to_string());
    assert_eq!(
        files[0][2],
        (expected(kills + 1).0 + 3 * (kills + 1)).to_string()
    );
}

#[test]
fn a_build_killed_at_each_boundary_of_the_protocol_leaves_one_whole_release() {
    let boundaries = [
        "after_claim",
        "after_staging",
        "after_publish_entry",
        "after_table_commit",
        "before_release",
        "after_release",
    ];
    let shop = shop();
    deliver(&shop, 0);
    shop.kilde(&["build"]).ended(0);
    for (i, boundary) in boundaries.into_iter().enumerate() {
        let night = i as u32 + 1;
        deliver(&shop, night);
        let killed =
            time_limit::output(shop.command(&["build"]).env("KILDE_FAILPOINT", boundary)).unwrap();
        assert_ne!(killed.status.code(), Some(0), "{boundary} was not reached");
        let seen = state(&shop);
        assert!(
            seen == expected(night) || seen == expected(night + 1),
            "{boundary}: {seen:?}"
        );
        shop.kilde(&["build"]).ended(0);
        assert_eq!(state(&shop), expected(night + 1), "after {boundary}");
    }
}
