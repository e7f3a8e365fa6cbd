//! `kill -9` at any instant: the old release or the new one, and no export lost or doubled.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::emulator::Emulator;
use crate::foreign;
use crate::sandbox::{Sandbox, until};
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

pub(crate) fn shop() -> Sandbox {
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
pub(crate) fn deliver(shop: &Sandbox, night: u32) {
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
    shop.deliver_files(&[
        (format!("orders_{day}.csv"), orders),
        (format!("stores_{day}.csv"), stores),
    ]);
}

/// Orders, sum over gold, towns: what one release says of itself.
pub(crate) fn state(shop: &Sandbox) -> (u32, u32, String) {
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

pub(crate) fn expected(nights: u32) -> (u32, u32, String) {
    let orders = (0..nights).map(|night| night + 3).sum();
    (orders, orders, format!("Town {}", nights - 1))
}

/// A process that looks at the lake all the while, as `readers/pinning.py` says.
struct Reader(Child);

impl Reader {
    fn start(shop: &Sandbox, python: &Path) -> Self {
        let mut command = Command::new(python);
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/pinning.py"))
            .arg(shop.lake());
        command.envs(shop.store().map_or(Vec::new(), Emulator::environment));
        let reader = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Self(reader.unwrap())
    }

    /// What it has seen, once it was told to end.
    fn seen(mut self) -> serde_json::Value {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output().unwrap();
        assert!(output.status.success(), "the reader failed");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Seconds from the first entry in a table's log until readers who pin see the release: so long do heads show more than the
/// newest release does. Shortest, middle and longest of all.
fn windows(shop: &Sandbox) -> [f64; 3] {
    let mut windows = match shop.store() {
        None => windows_on_disk(shop),
        Some(store) => windows_in(&store.requests()),
    };
    windows.sort_unstable_by(f64::total_cmp);
    [
        windows[0],
        windows[windows.len() / 2],
        windows[windows.len() - 1],
    ]
}

fn windows_on_disk(shop: &Sandbox) -> Vec<f64> {
    let lake = shop.path("lake");
    let written = |path: &str| lake.join(path).metadata().ok()?.modified().ok();
    let releases = (1..).map_while(|number| {
        let path = format!("_kilde/releases/{number:08}.json");
        let record = std::fs::read(lake.join(&path)).ok()?;
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        Some((written(&path)?, record))
    });
    let window = |(visible, record): (SystemTime, serde_json::Value)| {
        let tables = record["tables"].as_object().unwrap().clone();
        let changed = record["changed"].as_array().unwrap();
        let entries = changed.iter().filter_map(|name| {
            let table = tables.get(name.as_str().unwrap())?;
            let location = table["location"].as_str()?;
            let version = table["version"].as_u64()?;
            written(&format!("{location}/_delta_log/{version:020}.json"))
        });
        visible.duration_since(entries.min()?).ok()
    };
    releases
        .filter_map(window)
        .map(|window| window.as_secs_f64())
        .collect()
}

fn windows_in(requests: &[String]) -> Vec<f64> {
    let mut windows = Vec::new();
    let mut first = None;
    for request in requests.iter().filter(|line| line.starts_with("PUT ")) {
        let at: f64 = request.rsplit(' ').next().unwrap().parse().unwrap();
        if request.contains("/_delta_log/") {
            first.get_or_insert(at);
        } else if request.contains("/_kilde/releases/") {
            windows.extend(first.take().map(|first| at - first));
        }
    }
    windows
}

/// `KILDE_TEST_STORE=s3` kills builds there.
#[test]
fn a_killed_build_leaves_the_old_release_or_the_new_one_and_the_next_build_ends_well() {
    let kills: u32 = match std::env::var("KILDE_KILLS") {
        Ok(kills) => kills.parse().unwrap(),
        Err(_) => 5,
    };
    let shop = shop().wherever_asked();
    deliver(&shop, 0);
    let watch = kilde::clock::Stopwatch::start();
    shop.kilde(&["build"]).ended(0);
    let whole = watch.elapsed();
    assert_eq!(state(&shop), expected(1));
    let reader = foreign::python().map(|python| Reader::start(&shop, python));
    let mut seed = 0x9E37_79B9_u64;
    for night in 1..=kills {
        deliver(&shop, night);
        // a fixed sequence: the instants differ, the test does not
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
        signal(&build, "-9");
        time_limit::wait(build);
        if let Some(store) = shop.store() {
            // longer than a builder may be silent
            store.behave(&format!("ahead={}", 60 * night));
        }
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
    if let Some(seen) = reader.map(Reader::seen) {
        let pinned = seen["pinned"].as_array().unwrap();
        let mut before = 0;
        for look in pinned {
            let (release, orders) = (look[0].as_u64().unwrap(), look[1].as_u64().unwrap());
            let town = look[3].as_str().unwrap();
            let night: u32 = town.trim_start_matches("Town ").parse().unwrap();
            let mixed = (orders, look[2].as_u64().unwrap()) != {
                let expected = expected(night + 1);
                (expected.0.into(), expected.1.into())
            };
            assert!(!mixed && release > before, "release {release} shows {look}");
            before = release;
        }
        assert!(seen["looks"].as_u64().unwrap() > 0);
        let [shortest, middle, longest] = windows(&shop);
        foreign::told(&format!(
            "{kills} kills: {} looks at {} releases, heads mixed in {}; a release becomes visible {shortest:.4} s after its first \
             table, {middle:.4} s in the middle, {longest:.4} s at most",
            seen["looks"],
            pinned.len(),
            seen["mixed_heads"]
        ));
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

/// A build that runs beside others.
fn start(shop: &Sandbox, failpoint: Option<&str>, arguments: &[&str]) -> Child {
    let mut command = shop.command(arguments);
    if let Some(failpoint) = failpoint {
        shop.stops_at(&mut command, failpoint);
    }
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn signal(build: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &build.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Stops a build where it stands. The signal is sent before it has arrived: on a busy machine some of its threads still run on.
fn freeze(build: &Child) {
    signal(build, "-STOP");
    let threads = format!("/proc/{}/task", build.id());
    let Ok(threads) = std::fs::read_dir(threads) else {
        // systems that do not show the states of threads
        return std::thread::sleep(Duration::from_millis(100));
    };
    for thread in threads {
        let status = thread.unwrap().path().join("stat");
        // behind the name in parentheses
        let is_stopped = |status: &str| status.rsplit(')').next().unwrap().starts_with(" T");
        until(|| std::fs::read_to_string(&status).map_or(true, |status| is_stopped(&status)));
    }
}

#[test]
fn of_eight_builders_at_once_one_builds_and_seven_are_told_to_come_back() {
    let shop = shop();
    deliver(&shop, 0);
    let watch = kilde::clock::Stopwatch::start();
    // whoever claims first works until all others were told
    let mut builders: Vec<Child> = (0..8)
        .map(|_| start(&shop, Some("held_after_claim"), &["build"]))
        .collect();
    until(|| {
        let ended = builders.iter_mut().map(|one| one.try_wait().unwrap());
        ended.flatten().count() == 7
    });
    // they may have been told before it came to its boundary
    shop.is_held();
    shop.lets_go();
    let mut codes = Vec::new();
    for builder in builders {
        let ended = builder.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        if ended.status.code() == Some(75) {
            assert!(said.contains("K0706"), "{said}");
        }
        codes.push(ended.status.code().unwrap());
    }
    codes.sort_unstable();
    assert_eq!(
        codes,
        [0, 75, 75, 75, 75, 75, 75, 75],
        "in {:?}",
        watch.elapsed()
    );
    assert_eq!(state(&shop), expected(1));
    assert_eq!(shop.newest_release()["number"], 1);
}

#[test]
fn builders_that_wait_build_one_after_the_other() {
    let shop = shop();
    deliver(&shop, 0);
    let first = start(&shop, Some("held_after_claim"), &["build"]);
    shop.is_held();
    let waiting = [
        start(&shop, None, &["build", "--wait", "2m"]),
        start(&shop, None, &["build", "--wait", "2m"]),
    ];
    // by then the others wait
    let impatient = start(&shop, None, &["build", "--wait", "1s"]);
    let impatient = impatient.wait_with_output().unwrap();
    assert_eq!(impatient.status.code(), Some(75));
    // it lies there before the second claims: who has waited looks again
    deliver(&shop, 1);
    shop.lets_go();
    let mut codes = vec![first.wait_with_output().unwrap().status.code()];
    let mut told = String::new();
    for build in waiting {
        let ended = build.wait_with_output().unwrap();
        codes.push(ended.status.code());
        told.push_str(&String::from_utf8(ended.stderr).unwrap());
    }
    assert_eq!(codes, [Some(0), Some(0), Some(0)], "{told}");
    assert!(
        told.contains("waiting: run ") && told.contains("holds the lake"),
        "{told}"
    );
    assert_eq!(state(&shop), expected(2));
    assert_eq!(shop.newest_release()["number"], 2);
    for command in [
        &["rollback", "1", "--wait", "1m"][..],
        &["resume", "--wait", "1m"],
    ] {
        let holder = start(&shop, None, &["rollback", "2", "--wait", "1m"]);
        shop.kilde(command).ended(0);
        assert!(holder.wait_with_output().unwrap().status.success());
    }
}

#[test]
fn a_builder_frozen_beyond_a_take_over_publishes_nothing() {
    // before it has written anything, and with all of it staged: the next step would be the decision
    for boundary in ["held_after_claim", "held_after_staging"] {
        let shop = shop();
        deliver(&shop, 0);
        shop.kilde(&["build"]).ended(0);
        deliver(&shop, 1);
        let frozen = start(&shop, Some(boundary), &["build"]);
        shop.is_held();
        freeze(&frozen);
        shop.lets_go();
        // the disk forgets its lock, as one on a network does when a machine is silent for long
        std::fs::remove_file(shop.path("lake/_kilde/lock")).unwrap();
        deliver(&shop, 2);
        shop.kilde(&["build"]).ended(0);
        assert_eq!(state(&shop), expected(3), "{boundary}");
        let before = shop.newest_release();
        signal(&frozen, "-CONT");
        let ended = frozen.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(75), "{boundary}: {said}");
        assert!(said.contains("K0707"), "{said}");
        assert_eq!(shop.newest_release(), before);
        assert_eq!(state(&shop), expected(3), "{boundary}");
        deliver(&shop, 3);
        shop.kilde(&["build"]).ended(0);
        assert_eq!(state(&shop), expected(4), "{boundary}");
    }
}
