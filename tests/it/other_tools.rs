//! Other tools on the tables of a lake: what they compact is followed, what they change is told and answered by a person; and
//! readers without the right to write.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::foreign;
use crate::kills::signal;
use crate::sandbox::Sandbox;
use crate::time_limit;

/// Orders of two nights, in two files of one table, and their sum.
fn company() -> Sandbox {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    Sandbox::copied(&BUILT, "two nights of other tools", built)
}

fn built() -> Sandbox {
    let company = Sandbox::with(&[
        (
            "kilde.yaml",
            "project: company\nraw: exports/\nlake: lake/\n",
        ),
        (
            "pipelines/company.yaml",
            "sources:\n  - table: bronze.orders\n    files: orders_{exported_on:%Y%m%d}.csv\n    read: csv\nsteps:\n  - sql: gold/*\n",
        ),
        (
            "schemas/bronze/orders.yaml",
            "columns:\n  - {name: order_id, data_type: bigint, data_tests: [not_null]}\n  - {name: amount, data_type: integer}\n",
        ),
        (
            "sql/gold/sales.sql",
            "-- gold.sales: one row.\nselect count(*) as orders_count, sum(amount) as amount from bronze.orders\n",
        ),
        (
            "schemas/gold/sales.yaml",
            "columns:\n  - {name: orders_count, data_type: bigint}\n  - {name: amount, data_type: bigint}\n",
        ),
    ]);
    for night in 1..=2 {
        deliver(&company, night);
        company.kilde(&["build"]).ended(0);
    }
    company
}

/// Two orders, of 10 and 20.
pub(crate) fn deliver(company: &Sandbox, night: u32) {
    let first = night * 10;
    company.write(
        &format!("exports/orders_202601{night:02}.csv"),
        format!("order_id,amount\n{first},10\n{},20\n", first + 1),
    );
}

fn sales(company: &Sandbox) -> Vec<String> {
    company
        .query("select orders_count, amount from gold.sales")
        .remove(0)
}

/// What another tool does to a table, and what it says.
fn change(python: &Path, company: &Sandbox, table: &str, action: &[&str]) -> String {
    let folder = company.path("lake").join(table);
    let arguments = [&[folder.to_str().unwrap()], action].concat();
    foreign::script(python, "change_lake.py", &arguments)
}

fn assert_sums(company: &Sandbox) {
    let rows = company.query("select count(*) from bronze.orders");
    let inserted = company.query("select sum(inserted) from ops.files");
    assert_eq!(rows, inserted);
}

#[test]
fn a_table_that_another_tool_compacts_and_vacuums_is_followed() {
    let Some(python) = foreign::python() else {
        return;
    };
    let company = company();
    assert_eq!(
        change(python, &company, "bronze/orders", &["optimize"]).trim(),
        "2"
    );
    change(python, &company, "bronze/orders", &["vacuum"]);
    assert_eq!(sales(&company), ["4", "60"]);
    deliver(&company, 3);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["6", "90"]);
    // the next build went on from the compacted file, and did not take it back
    let files = company.path("lake/bronze/orders/_delta_log/00000000000000000003.json");
    let entry = std::fs::read_to_string(files).unwrap();
    assert!(!entry.contains("\"remove\""), "{entry}");
    // even where every older file is gone
    change(python, &company, "bronze/orders", &["optimize"]);
    change(python, &company, "bronze/orders", &["vacuum-all"]);
    // nothing is lost that would have to be made anew
    let said = company.kilde(&["build", "--rebuild", "orders"]).ended(2);
    assert!(said.stderr.contains("K0725"), "{}", said.stderr);
    deliver(&company, 4);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["8", "120"]);
    assert_eq!(company.query("select count(*) from bronze.orders"), [["8"]]);
    assert_sums(&company);
    assert!(
        company.newest_release()["overruled"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

/// The compacted files have its rows; nothing else has them any more.
#[test]
fn a_decided_release_is_finished_though_another_tool_compacted_and_vacuumed_its_table() {
    let Some(python) = foreign::python() else {
        return;
    };
    let company = company();
    deliver(&company, 3);
    dies(&company, &["build"], "before_release");
    change(python, &company, "bronze/orders", &["optimize"]);
    change(python, &company, "bronze/orders", &["vacuum-all"]);
    company.kilde(&["doctor"]).ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["6", "90"]);
    assert_eq!(company.query("select count(*) from bronze.orders"), [["6"]]);
    assert_sums(&company);
}

#[test]
fn what_another_tool_changed_is_told_and_overruled_by_a_person() {
    let Some(python) = foreign::python() else {
        return;
    };
    let company = company();
    let said = company.kilde(&["build", "--overrule", "orders"]).ended(2);
    assert!(said.stderr.contains("K0719"), "{}", said.stderr);
    change(
        python,
        &company,
        "bronze/orders",
        &["delete", "order_id = 10"],
    );
    deliver(&company, 3);
    let files = || {
        company
            .objects()
            .keys()
            .filter(|path| path.extension().is_some_and(|e| e == "parquet"))
            .count()
    };
    let before = files();
    let said = company.kilde(&["build"]).ended(4);
    assert_eq!(files(), before, "told before any work was done");
    for words in [
        "K0709",
        "`bronze.orders`",
        "version 2",
        "delta-rs",
        "kilde build --overrule bronze.orders",
        "kilde adopt bronze.orders",
    ] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    assert_eq!(sales(&company), ["4", "60"]);
    // rows of exports were deleted: that is nothing to take over
    let said = company.kilde(&["adopt", "orders"]).ended(2);
    assert!(
        said.stderr.contains("K0718"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    company.kilde(&["build", "--overrule", "orders"]).ended(0);
    assert_eq!(sales(&company), ["6", "90"]);
    let overruled = &company.newest_release()["overruled"][0];
    assert_eq!(overruled["table"], "bronze.orders");
    assert_eq!(overruled["version"], 2);
    assert!(
        overruled["tool"].as_str().unwrap().contains("delta-rs"),
        "{overruled}"
    );
    assert_sums(&company);
    // a table that this build would not touch, and no other work: properties too are a change, and recorded
    change(
        python,
        &company,
        "gold/sales",
        &["property", "delta.appendOnly", "false"],
    );
    company
        .kilde(&["build", "--overrule", "gold.sales"])
        .ended(0);
    let release = company.newest_release();
    assert_eq!(release["overruled"][0]["table"], "gold.sales");
    let changed = release["changed"].as_array().unwrap();
    assert!(changed.contains(&"gold.sales".into()), "{changed:?}");
    // a rollback records what it goes over, and a changed ledger does not stop it
    change(
        python,
        &company,
        "gold/sales",
        &["property", "delta.appendOnly", "false"],
    );
    change(python, &company, "ops/files", &["delete", "true"]);
    let number = release["number"].as_u64().unwrap().to_string();
    company.kilde(&["rollback", &number]).ended(0);
    let release = company.newest_release();
    let tables: Vec<&str> = release["overruled"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["table"].as_str().unwrap())
        .collect();
    assert_eq!(tables, ["gold.sales", "ops.files"]);
    company.kilde(&["resume"]).ended(0);
    deliver(&company, 4);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["8", "120"]);
    assert_sums(&company);
    // where it took our versions out of the log too, there is nothing to publish over it
    change(python, &company, "bronze/orders", &["clean"]);
    deliver(&company, 5);
    let said = company.kilde(&["build"]).ended(4);
    assert!(
        said.stderr.contains("K0709")
            && said.stderr.contains("kilde build --rebuild bronze.orders"),
        "{}",
        said.stderr
    );
    company.kilde(&["build", "--rebuild", "orders"]).ended(0);
    assert_eq!(sales(&company), ["10", "150"]);
    assert_sums(&company);
}

#[test]
fn a_restore_is_overruled_and_rows_are_adopted_with_what_stands_on_them_though_no_export_waits() {
    let Some(python) = foreign::python() else {
        return;
    };
    let company = company();
    let rows = r#"[{"order_id": 90, "amount": 500}]"#;
    change(python, &company, "bronze/orders", &["append", rows]);
    // the publish stands before the signal comes, so it is carried out
    let mut adopting = company.command(&["adopt", "orders"]);
    company.stops_at(&mut adopting, "held_after_publish_entry");
    let adopting = adopting.stdout(Stdio::null()).spawn().unwrap();
    company.is_held();
    signal(&adopting, "-TERM");
    company.lets_go();
    let adopted = adopting.wait_with_output().unwrap();
    assert_eq!(adopted.status.code(), Some(0));
    assert_eq!(sales(&company), ["5", "560"]);
    assert_sums(&company);
    // a restore writes the table's protocol again, which raises nothing
    change(python, &company, "bronze/orders", &["restore", "0"]);
    deliver(&company, 3);
    let said = company.kilde(&["build"]).ended(4);
    assert!(said.stderr.contains("K0709"), "{}", said.stderr);
    company.kilde(&["build", "--overrule", "orders"]).ended(0);
    assert_eq!(sales(&company), ["7", "590"]);
    assert_sums(&company);
}

/// What it wrote into the log lies upon the rows of the other tool, and counts as nothing.
#[test]
fn rows_whose_adoption_was_given_up_are_adopted_after_all() {
    let Some(python) = foreign::python() else {
        return;
    };
    let company = company();
    let rows = r#"[{"order_id": 90, "amount": 500}]"#;
    change(python, &company, "bronze/orders", &["append", rows]);
    dies(&company, &["adopt", "orders"], "before_release");
    lose_newest(&company, "gold/sales");
    let said = company.kilde(&["adopt", "orders"]).ended(4);
    assert!(said.stderr.contains("--give-up 3"), "{}", said.stderr);
    // it is given up, and the rows are once more those that nobody adopted
    let said = company.kilde(&["build", "--give-up", "3"]).ended(4);
    assert!(said.stderr.contains("K0709"), "{}", said.stderr);
    assert_eq!(sales(&company), ["4", "60"]);
    company.kilde(&["adopt", "orders"]).ended(0);
    assert_eq!(sales(&company), ["5", "560"]);
    assert_sums(&company);
    // no file of theirs can be put back
    let said = company.kilde(&["rollback", "2"]).ended(0);
    assert!(
        said.stderr
            .contains("that another tool had added, and no export has them: `kilde exports skip")
            && !said.stderr.contains("put the file back"),
        "{}",
        said.stderr
    );
    let said = company.kilde(&["exports", "orders"]).ended(0);
    assert!(!said.stdout.contains("put it back"), "{}", said.stdout);
}

/// A command that dies there.
fn dies(company: &Sandbox, arguments: &[&str], boundary: &str) {
    let mut command = company.command(arguments);
    command.env("KILDE_FAILPOINT", boundary);
    assert!(!time_limit::output(&mut command).unwrap().status.success());
}

fn lose_newest(company: &Sandbox, table: &str) {
    let files = std::fs::read_dir(company.path("lake").join(table)).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let newest = files.filter(|path| path.extension().is_some_and(|is| is == "parquet"));
    std::fs::remove_file(newest.max().unwrap()).unwrap();
}

/// The rows that such a release left in the log come again with their exports, and would count twice.
#[test]
fn what_another_tool_adds_upon_a_release_that_was_given_up_is_adopted_by_nobody() {
    let Some(python) = foreign::python() else {
        return;
    };
    let company = company();
    deliver(&company, 3);
    dies(&company, &["build"], "before_release");
    lose_newest(&company, "gold/sales");
    // given up, and dead before the tables are put back
    dies(&company, &["build", "--give-up", "3"], "after_staging");
    let rows = r#"[{"order_id": 90, "amount": 500}]"#;
    change(python, &company, "bronze/orders", &["append", rows]);
    let said = company.kilde(&["adopt", "orders"]).ended(2);
    assert!(
        said.stderr.contains("K0718") && said.stderr.contains("given up"),
        "{}",
        said.stderr
    );
    company.kilde(&["build", "--overrule", "orders"]).ended(0);
    assert_eq!(sales(&company), ["6", "90"]);
    assert_sums(&company);
}

#[test]
fn rows_that_another_tool_added_are_adopted_as_if_they_had_come_in_an_export() {
    let Some(python) = foreign::python() else {
        return;
    };
    let company = company();
    let said = company.kilde(&["adopt", "orders"]).ended(2);
    assert!(said.stderr.contains("K0719"), "{}", said.stderr);
    // of a table that is made of others there is nothing to adopt
    let said = company.kilde(&["adopt", "gold.sales"]).ended(2);
    assert!(said.stderr.contains("K0718"), "{}", said.stderr);
    // a row that the contract forbids is adopted by nobody
    let wrong = r#"[{"amount": 500}]"#;
    change(python, &company, "bronze/orders", &["append", wrong]);
    let said = company.kilde(&["adopt", "orders"]).ended(1);
    assert!(
        said.stderr.contains("not_null(order_id)"),
        "{}",
        said.stderr
    );
    company.kilde(&["build", "--overrule", "orders"]).ended(0);
    let rows = r#"[{"order_id": 90, "amount": 500}, {"order_id": 91, "amount": 7}]"#;
    change(python, &company, "bronze/orders", &["append", rows]);
    deliver(&company, 3);
    // what stands on it is lost meanwhile: neither can be mended alone
    std::fs::remove_dir_all(company.path("lake/gold/sales")).unwrap();
    for alone in [&["adopt", "orders"][..], &["build", "--rebuild", "sales"]] {
        company.kilde(alone).ended(4);
    }
    let said = company.kilde(&["adopt", "orders", "--rebuild", "sales"]);
    let said = said.ended(0);
    assert!(said.stdout.contains("2 records"), "{}", said.stdout);
    // what stands on the table is of the same release; the export waits for the next
    assert_eq!(sales(&company), ["6", "567"]);
    assert_sums(&company);
    let said = company.kilde(&["exports", "orders"]).ended(0);
    assert!(said.stdout.contains("1 adopted"), "{}", said.stdout);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["8", "597"]);
    assert_sums(&company);
    // all exports read again would lose them
    let said = company.kilde(&["build", "--full-refresh"]).ended(2);
    assert!(
        said.stderr.contains("K0208") && said.stderr.contains("_delta_log"),
        "{}",
        said.stderr
    );
    // and they leave as those of an export do
    let path = company
        .query("select path from ops.files where status = 'adopted'")
        .remove(0)
        .remove(0);
    company
        .kilde(&[
            "exports", "retract", &path, "--why", "not ours", "--by", "eva",
        ])
        .ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["6", "90"]);
    assert_sums(&company);
}

/// A command as a user without the right to write anything in the lake.
fn as_reader(company: &Sandbox, arguments: &[&str]) -> Option<Command> {
    let kilde = company.command(arguments);
    if is_root() {
        // the right to write is not root's to lose
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(kilde.get_program())
            .args(kilde.get_args())
            .current_dir(company.root())
            .env("NO_COLOR", "1");
        let there = time_limit::output(Command::new("setpriv").arg("--version"));
        if !there.is_ok_and(|said| said.status.success()) {
            foreign::skipped("setpriv is not there, and root ignores rights");
            return None;
        }
        return Some(command);
    }
    Some(kilde)
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

#[cfg(unix)]
fn set_rights(folder: &Path, folders: u32, files: u32) {
    use std::os::unix::fs::PermissionsExt;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            set_rights(&path, folders, files);
        } else {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(files)).unwrap();
        }
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(folders)).unwrap();
}

#[cfg(unix)]
#[test]
fn whoever_may_only_read_reads_everything_and_is_told_why_nothing_else() {
    let company = company();
    set_rights(company.root(), 0o555, 0o444);
    let binary = company.command(&[]).get_program().to_owned();
    let readable =
        as_reader(&company, &["--version"]).map(|mut command| time_limit::output(&mut command));
    if !matches!(readable, Some(Ok(said)) if said.status.success()) {
        foreign::skipped(&format!("another user may not run {}", binary.display()));
        set_rights(company.root(), 0o755, 0o644);
        return;
    }
    let reading: [&[&str]; 10] = [
        &[
            "query",
            "--format",
            "csv",
            "select count(*) from bronze.orders",
        ],
        &[
            "query",
            "--release",
            "1",
            "--format",
            "csv",
            "select count(*) from bronze.orders",
        ],
        &["status"],
        &["ls", "--long"],
        &["releases"],
        &["releases", "show", "2"],
        &["exports"],
        &["plan"],
        &["why", "gold.sales"],
        &["connect", "duckdb"],
    ];
    for arguments in reading {
        let said = time_limit::output(&mut as_reader(&company, arguments).unwrap()).unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(0), "{arguments:?}: {text}");
    }
    // nothing to do needs no right either; what has to write says what it lacks
    let said = time_limit::output(&mut as_reader(&company, &["build"]).unwrap()).unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(0), "{text}");
    let said = time_limit::output(&mut as_reader(&company, &["rollback", "1"]).unwrap()).unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(2), "{text}");
    assert!(text.contains("may not be read or written"), "{text}");
    let doctor = time_limit::output(&mut as_reader(&company, &["doctor"]).unwrap()).unwrap();
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("kilde may not write"), "{said}");
    assert_eq!(doctor.status.code(), Some(2), "{said}");
    set_rights(company.root(), 0o755, 0o644);
}
