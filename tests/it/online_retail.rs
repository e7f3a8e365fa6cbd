//! Real data: 68 daily files of a wholesaler, built day by day; the totals are those of an independent count by DuckDB.

use std::fs;
use std::path::{Path, PathBuf};

use crate::foreign;
use crate::sandbox::{Sandbox, copy_folder};

/// Folder of the daily files: below `KILDE_TEST_DATA`, else below `../shared/data`. `None`: not on this machine.
fn days() -> Option<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = std::env::var_os("KILDE_TEST_DATA")
        .map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let Ok(folder) = fs::read_dir(data.join("online-retail")) else {
        foreign::skipped(&format!(
            "no online-retail below {}; set KILDE_TEST_DATA to a folder that has it",
            data.display()
        ));
        return None;
    };
    let mut days: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    days.sort();
    Some(days)
}

#[test]
fn online_retail_day_by_day_agrees_with_an_independent_count() {
    let (Some(days), Some(python)) = (days(), foreign::python()) else {
        return;
    };
    let days = if std::env::var_os("KILDE_LONG_TESTS").is_some() {
        &days[..]
    } else {
        &days[..4]
    };
    let sandbox = Sandbox::empty();
    copy_folder(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/online_retail"),
        sandbox.root(),
    );
    fs::create_dir(sandbox.path("exports")).unwrap();
    let mut counted = vec![python.to_str().unwrap().to_string()];
    for (night, day) in days.iter().enumerate() {
        let export = sandbox.path("exports").join(day.file_name().unwrap());
        fs::copy(day, &export).unwrap();
        counted.push(export.to_str().unwrap().to_string());
        sandbox.kilde(&["build"]).ended(0);
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
