//! Real data: projects over exports that nobody wrote for kilde; every total is that of an independent count by DuckDB.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::foreign;
use crate::sandbox::{Sandbox, copy_folder};

/// A folder of data that is not in the repository: below `KILDE_TEST_DATA`, else below `../shared/data`. `None`: not on
/// this machine.
fn folder(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = std::env::var_os("KILDE_TEST_DATA")
        .map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let folder = data.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    foreign::skipped(&format!(
        "no {name} below {}; set KILDE_TEST_DATA to a folder that has it",
        data.display()
    ));
    None
}

/// A project of `tests/projects` in a folder of its own, without exports.
fn project(name: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    copy_folder(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/projects")
            .join(name),
        sandbox.root(),
    );
    sandbox
}

/// The figures that a script of `tests/readers` printed, by what they are.
fn counted(python: &Path, script: &str, exports: &Path) -> BTreeMap<String, Vec<String>> {
    let printed = foreign::script(python, script, &[exports.to_str().unwrap()]);
    let mut figures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in printed.lines() {
        let (what, row) = line.split_once(',').unwrap();
        figures
            .entry(what.to_string())
            .or_default()
            .push(row.to_string());
    }
    figures
}

/// Asserts that every figure of the independent count is what a query of ours answers, and none is left out.
#[track_caller]
fn agrees(
    sandbox: &Sandbox,
    mut independent: BTreeMap<String, Vec<String>>,
    ours: &[(&str, &str)],
) {
    for (what, sql) in ours {
        let rows: Vec<String> = sandbox.query(sql).iter().map(|row| row.join(",")).collect();
        let expected = independent.remove(*what).unwrap_or_default();
        assert_eq!(rows, expected, "{what}: ours, then the independent count");
    }
    assert_eq!(
        independent,
        BTreeMap::new(),
        "figures compared with nothing"
    );
}

/// Records of every export as the ledger has them.
const RECORDS: (&str, &str) = (
    "records",
    "select path, records from ops.files order by path",
);

#[test]
fn online_retail_day_by_day_agrees_with_an_independent_count() {
    let (Some(days), Some(python)) = (folder("online-retail"), foreign::python()) else {
        return;
    };
    let mut days: Vec<PathBuf> = fs::read_dir(days)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    days.sort();
    if std::env::var_os("KILDE_LONG_TESTS").is_none() {
        days.truncate(4);
    }
    let sandbox = project("online_retail");
    fs::create_dir(sandbox.path("exports")).unwrap();
    let mut counted = vec![python.to_str().unwrap().to_string()];
    for (night, day) in days.iter().enumerate() {
        let export = sandbox.path("exports").join(day.file_name().unwrap());
        fs::copy(day, &export).unwrap();
        counted.push(export.to_str().unwrap().to_string());
        // what a maintenance publishes is counted elsewhere
        sandbox.kilde(&["build", "--no-maintain"]).ended(0);
        assert_eq!(sandbox.newest_release()["number"], night as u64 + 1);
    }
    let paths: Vec<&str> = counted[1..].iter().map(String::as_str).collect();
    let independent = foreign::script(python, "count_online_retail.py", &paths);
    let ours = sandbox.query(
        "select sold_on, country, lines_count, customers_count, revenue_amount \
         from gold.revenue order by sold_on, country",
    );
    let ours: Vec<String> = ours.iter().map(|row| row.join(",")).collect();
    let independent: Vec<&str> = independent.lines().collect();
    assert_eq!(ours, independent);
    let lines = sandbox.query("select count(*) from bronze.invoice_lines")[0][0].clone();
    let records = sandbox.query("select sum(records) from ops.files")[0][0].clone();
    let rejected = sandbox.query("select sum(rejected) from ops.files")[0][0].clone();
    assert_eq!((records, rejected.as_str()), (lines, "0"));
}

#[test]
fn nine_tables_of_a_marketplace_agree_with_an_independent_count() {
    let (Some(exports), Some(python)) = (folder("olist"), foreign::python()) else {
        return;
    };
    let sandbox = project("olist");
    copy_folder(&exports, &sandbox.path("exports"));
    sandbox.kilde(&["test"]).ended(0);
    let said = sandbox.kilde(&["build"]).ended(0);
    assert!(
        said.stdout
            .contains("94,853 records = 94,851 accepted + 2 rejected"),
        "{}",
        said.stdout
    );
    let independent = counted(python, "count_olist.py", &exports);
    agrees(
        &sandbox,
        independent,
        &[
            RECORDS,
            (
                "outside Brazil",
                "select count(*) from ops.rejects where source = 'bronze.places' and rule = 'range'",
            ),
            (
                "sales",
                "select month_on, state, orders_count, items_count, customers_count, goods_amount, freight_amount \
                 from gold.sales order by all",
            ),
            (
                "payments",
                "select month_on, payment_type, payments_count, orders_count, amount from gold.payments order by all",
            ),
            (
                "customers",
                "select state, count(*), sum(orders_count), sum(spent_amount) from gold.customers group by state \
                 order by state",
            ),
            (
                "scores",
                "select review_score, count(*) from gold.orders group by review_score order by review_score",
            ),
            (
                "reviews",
                "select category, reviews_count, average_score, ci_low, ci_high from gold.reviews \
                 where category <> 'all' order by category",
            ),
            (
                "sellers",
                "select seller_id, orders_count, items_count, goods_amount from gold.sellers where orders_count > 0 \
                 order by seller_id",
            ),
            (
                "deliveries",
                "select state, delivered_count, late_count, median_days from gold.deliveries order by state",
            ),
        ],
    );
}

#[test]
fn the_tables_of_a_crm_agree_with_an_independent_count() {
    let Some(python) = foreign::python() else {
        return;
    };
    let exports = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hubspot");
    let sandbox = project("hubspot");
    copy_folder(&exports, &sandbox.path("exports"));
    sandbox.kilde(&["test"]).ended(0);
    sandbox.kilde(&["build"]).ended(0);
    let independent = counted(python, "count_hubspot.py", &exports);
    agrees(
        &sandbox,
        independent,
        &[
            RECORDS,
            (
                "contacts",
                "select contact_id, email, known_since_on, merged_count from gold.contacts order by contact_id",
            ),
            (
                "companies",
                "select country, count(*), sum(annual_revenue_amount), sum(funky_count) from bronze.companies \
                 group by country order by country",
            ),
            (
                "deals by stage",
                "select stage, count(*) from gold.deals group by stage order by stage",
            ),
            (
                "deals by owner",
                "select owner_email, count(*) from gold.deals where owner_email is not null group by owner_email \
                 order by owner_email",
            ),
            (
                "pipelines",
                "select pipeline_id, stages_count, won_stages_count, best_open_probability from gold.pipelines \
                 order by pipeline_id",
            ),
            (
                "engagements",
                "select month_on, kind, engagements_count from gold.engagements order by month_on, kind",
            ),
            (
                "tickets",
                "select ticket_id, ticket_state, is_closed, minutes_to_reply, minutes_to_close from gold.tickets \
                 order by ticket_id",
            ),
            (
                "campaigns",
                "select campaign_id, sent_count, delivered_count, opened_count, readers_count \
                 from gold.email_campaigns order by campaign_id",
            ),
            (
                "lists",
                "select list_id, members_count, left_count from gold.contact_lists order by list_id",
            ),
        ],
    );
}
