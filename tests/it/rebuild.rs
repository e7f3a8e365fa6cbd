//! Tables of which somebody deleted a part: what a build says, and how an operator gets them back.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::other_tools::deliver;
use crate::sandbox::{Said, Sandbox};
use crate::time_limit;

/// Orders of two nights, a table of SQL, and one that never goes back.
fn company() -> Sandbox {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    Sandbox::copied(&BUILT, "two nights of rebuild", built)
}

/// The same with a release of a third night that is decided, and that nobody finished.
fn decided() -> Sandbox {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    Sandbox::copied(&BUILT, "a decided release of rebuild", || {
        let company = company();
        deliver(&company, 3);
        decide(&company);
        company
    })
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
            "columns:\n  - {name: order_id, data_type: bigint}\n  - {name: amount, data_type: integer}\n",
        ),
        (
            "sql/gold/sales.sql",
            "-- gold.sales: one row.\nselect count(*) as orders_count, sum(amount) as amount from bronze.orders\n",
        ),
        (
            "schemas/gold/sales.yaml",
            "columns:\n  - {name: orders_count, data_type: bigint}\n  - {name: amount, data_type: bigint}\n",
        ),
        (
            "sql/gold/given.sql",
            "-- gold.given: one row per order.\nselect order_id from bronze.orders\n",
        ),
        (
            "schemas/gold/given.yaml",
            "rollback: keeps\ncolumns:\n  - {name: order_id, data_type: bigint}\n",
        ),
    ]);
    for night in 1..=2 {
        deliver(&company, night);
        company.kilde(&["build"]).ended(0);
    }
    company
}

fn lose(company: &Sandbox, below_lake: &str) {
    let path = company.path("lake").join(below_lake);
    match path.is_dir() {
        true => fs::remove_dir_all(path).unwrap(),
        false => fs::remove_file(path).unwrap(),
    }
}

fn entry(table: &str, version: u64) -> String {
    format!("{table}/_delta_log/{version:020}.json")
}

#[track_caller]
fn says(said: &Said, words: &[&str]) {
    for word in words {
        assert!(said.stderr.contains(word), "no `{word}` in {}", said.stderr);
    }
}

/// All that was delivered counts once, in every table and in the ledger.
#[track_caller]
fn assert_whole(company: &Sandbox, nights: u32) {
    let (orders, amount) = ((2 * nights).to_string(), (30 * nights).to_string());
    let sales = company.query("select orders_count, amount from gold.sales");
    assert_eq!(sales, [[orders.clone(), amount]]);
    let rows = company.query("select count(*) from bronze.orders");
    let inserted = company.query("select sum(inserted) from ops.files");
    assert_eq!((&rows, &inserted), (&vec![vec![orders]], &rows));
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("stands"), "{}", said.stdout);
}

#[test]
fn a_table_whose_folder_or_log_is_lost_is_told_of_and_made_anew_when_asked() {
    let company = company();
    let said = company.kilde(&["build", "--rebuild", "sales"]).ended(2);
    says(&said, &["K0725", "nothing of `gold.sales` is lost"]);
    lose(&company, "gold/sales");
    deliver(&company, 3);
    let said = company.kilde(&["build"]).ended(4);
    says(&said, &["K0802", "kilde build --rebuild gold.sales"]);
    // nor do the others wait for their upkeep
    let said = company.kilde(&["maintain"]).ended(0);
    assert!(
        said.stdout.contains("`gold.sales` is passed over"),
        "{}",
        said.stdout
    );
    let said = company.kilde(&["doctor"]).ended(4);
    assert!(
        said.stdout.contains("--rebuild gold.sales"),
        "{}",
        said.stdout
    );
    assert_eq!(company.query("select count(*) from bronze.orders"), [["4"]]);
    let said = company.kilde(&["build", "--rebuild", "sales", "-s", "gold.given"]);
    says(&said.ended(2), &["K0725", "not selected"]);
    company.kilde(&["build", "--rebuild", "sales"]).ended(0);
    assert_whole(&company, 3);

    // the newest entry of a source's log: the rest of it is gone on from
    lose(&company, &entry("bronze/orders", 2));
    deliver(&company, 4);
    let said = company.kilde(&["build"]).ended(4);
    says(&said, &["kilde build --rebuild bronze.orders"]);
    company
        .kilde(&["build", "--rebuild", "bronze.orders"])
        .ended(0);
    assert_whole(&company, 4);

    // one in the middle: nobody can go on from what is left
    lose(&company, &entry("bronze/orders", 1));
    deliver(&company, 5);
    let rebuild = ["build", "--rebuild", "orders"];
    let said = company.kilde(&rebuild).ended(4);
    says(&said, &["K0726", "move the folder out of the lake"]);
    let kept = company.path("kept");
    fs::rename(company.path("lake/bronze/orders"), kept).unwrap();
    // and one export is gone by now
    let export = company.path("exports/orders_20260101.csv");
    fs::rename(&export, company.path("away.csv")).unwrap();
    says(
        &company.kilde(&rebuild).ended(2),
        &["K0208", "orders_20260101.csv"],
    );
    fs::rename(company.path("away.csv"), export).unwrap();
    company.kilde(&rebuild).ended(0);
    assert_whole(&company, 5);
    let said = company.kilde(&["query", "--release", "1", "select * from bronze.orders"]);
    says(&said.ended(4), &["K0727", "bronze.orders"]);
    // its log is shorter now: a version that it does not have is another table's too
    let said = company.kilde(&["query", "--release", "4", "select * from bronze.orders"]);
    says(&said.ended(4), &["K0727", "bronze.orders"]);
    let said = company.kilde(&["query", "--release", "1", "select * from gold.given"]);
    assert!(said.ended(0).stdout.contains("11"));
    let said = company.kilde(&["diff", "1", "--rows"]).ended(0);
    let told = "bronze.orders is not compared in full";
    assert!(said.stdout.contains(told), "{}", said.stdout);
    company
        .kilde(&["diff", "1", "--html", "page.html"])
        .ended(0);
    assert!(company.read("page.html").contains(told));
    let said = company.kilde(&["rollback", "1"]).ended(4);
    says(&said, &["K0713", "made anew since"]);
}

#[test]
fn what_no_build_can_make_again_is_given_up_by_name_or_not_at_all() {
    let company = company();
    for (folder, table, lost) in [
        ("gold/given", "gold.given", "rollback: keeps"),
        ("ops/files", "ops.files", "which exports were read"),
        ("ops/runs", "ops.runs", "the history"),
        ("ops/rejects", "ops.rejects", "the rejected records"),
    ] {
        lose(&company, folder);
        let said = company.kilde(&["build", "--rebuild", table]).ended(2);
        let accept = format!("--rebuild {table} --accept {table}");
        says(&said, &["K0724", lost, &accept]);
        let accepted = ["build", "--rebuild", table, "--accept", table];
        company.kilde(&accepted).ended(0);
        assert_whole(&company, 2);
    }
    assert_eq!(company.query("select count(*) from gold.given"), [["4"]]);
    assert_eq!(company.query("select count(*) from ops.rejects"), [["0"]]);
    let runs = company.query("select count(*) > 2 from ops.runs");
    assert_eq!(runs, [["true"]]);
}

/// A command that dies there.
fn dies(company: &Sandbox, words: &[&str], boundary: &str) {
    let mut command = company.command(words);
    command.env("KILDE_FAILPOINT", boundary);
    assert!(!time_limit::output(&mut command).unwrap().status.success());
}

/// A build that dies once its release is decided.
fn decide(company: &Sandbox) {
    dies(company, &["build"], "after_publish_entry");
}

/// The data file of a table that was written last.
fn newest_file(company: &Sandbox, table: &str) -> String {
    let folder = company.path("lake").join(table);
    let files = fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let newest = names.filter(|name| name.ends_with(".parquet")).max();
    format!("{table}/{}", newest.unwrap())
}

#[test]
fn a_decided_release_of_which_a_part_is_lost_is_given_up_and_what_lies_there_is_read_again() {
    let company = decided();
    company.kilde(&["doctor"]).ended(0);
    // as a VACUUM without retention leaves it
    let file = newest_file(&company, "gold/sales");
    lose(&company, &file);
    let words = [
        "K0710",
        "release 3 is decided and cannot be finished",
        "a file of `gold.sales` is missing",
        file.as_str(),
        "VACUUM",
        "kilde build --give-up 3",
    ];
    for command in [["build"], ["maintain"]] {
        says(&company.kilde(&command).ended(4), &words);
    }
    let said = company.kilde(&["doctor"]).ended(4);
    assert!(said.stdout.contains("--give-up 3"), "{}", said.stdout);
    assert_eq!(company.query("select count(*) from bronze.orders"), [["4"]]);
    let said = company.kilde(&["build", "--give-up", "2"]).ended(2);
    says(&said, &["K0729", "is 3, not 2"]);
    // what it had read and what lies nowhere any more is told in figures
    let export = company.path("exports/orders_20260103.csv");
    let aside = company.path("aside.csv");
    fs::rename(&export, &aside).unwrap();
    let said = company.kilde(&["build", "--give-up", "3"]).ended(2);
    says(
        &said,
        &[
            "K0731",
            "2 records of `bronze.orders` (orders_20260103.csv)",
            "--give-up 3 --accept bronze.orders",
        ],
    );
    // so is what lies under its name and is something else
    company.write("exports/orders_20260103.csv", [0x1f, 0x8b, 8]);
    let said = company.kilde(&["build", "--give-up", "3"]).ended(2);
    says(&said, &["K0731", "2 records of `bronze.orders`"]);
    fs::rename(&aside, &export).unwrap();
    let said = company.kilde(&["build", "--give-up", "3"]).ended(0);
    let words = "release 3 could not be finished and is given up";
    assert!(said.stdout.contains(words), "{}", said.stdout);
    assert_whole(&company, 3);
    assert_eq!(company.newest_release()["number"], 4);
    let said = company.kilde(&["releases"]).ended(0);
    assert!(said.stdout.contains("given up"), "{}", said.stdout);
    company.kilde(&["doctor"]).ended(0);
    let said = company.kilde(&["build", "--give-up", "3"]).ended(2);
    says(&said, &["K0729"]);

    // nothing tells any more what it had read
    deliver(&company, 4);
    decide(&company);
    lose(&company, "_kilde/staged");
    says(
        &company.kilde(&["build"]).ended(4),
        &["K0714", "--give-up 5"],
    );
    let said = company.kilde(&["build", "--give-up", "5"]).ended(2);
    says(&said, &["K0731", "nothing tells", "--accept ops.files"]);
    fs::remove_file(company.path("exports/orders_20260104.csv")).unwrap();
    let accepted = ["build", "--give-up", "5", "--accept", "ops.files"];
    company.kilde(&accepted).ended(0);
    assert_whole(&company, 3);
    deliver(&company, 4);
    company.kilde(&["build"]).ended(0);
    assert_whole(&company, 4);
}

/// Types what each error says, until a build ends well. Every word of advice is followed once.
#[track_caller]
fn follow_the_advice(company: &Sandbox) -> Vec<String> {
    let mut typed = vec!["build".to_string()];
    for _ in 0..8 {
        let words = typed.last().unwrap().clone();
        let said = company.kilde(&words.split(' ').collect::<Vec<_>>());
        if said.code == 0 {
            return typed;
        }
        if said.stderr.contains("move the folder out of the lake") {
            let (_, named) = said.stderr.split_once("log of `").unwrap();
            let table = named.split('`').next().unwrap();
            lose(company, &table.replace('.', "/"));
            continue;
        }
        let advice = said.stderr.split("`kilde ").skip(1);
        let mut advice = advice.filter_map(|words| words.split('`').next());
        let next =
            advice.find(|words| words.starts_with("build") && !typed.iter().any(|t| t == words));
        typed.push(
            next.unwrap_or_else(|| panic!("{typed:?}: {}", said.stderr))
                .to_string(),
        );
    }
    panic!("the advice runs in a circle: {typed:?}");
}

/// The data file of a table that a night added, below the lake.
fn of_night(company: &Sandbox, night: usize, table: &str) -> String {
    let folder = company.path("lake").join(table);
    let files = fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".parquet")).collect();
    names.sort();
    format!("{table}/{}", names[night - 1])
}

/// What of a lake is lost, below it.
type Losses = dyn Fn(&Sandbox) -> Vec<String>;

#[test]
fn whatever_a_decided_release_and_the_one_before_have_lost_every_error_says_what_to_type_next() {
    let losses: [(&str, &Losses); 4] = [
        // the ledger of both: what is left of its log is moved away
        (
            "--give-up 3 --rebuild ops.files --accept ops.files",
            &|_| vec![entry("ops/files", 0)],
        ),
        // a table of both, and one of the decided release alone
        ("--give-up 3 --rebuild bronze.orders", &|company| {
            vec![
                of_night(company, 1, "bronze/orders"),
                newest_file(company, "gold/sales"),
            ]
        }),
        // one that nothing makes again
        (
            "--give-up 3 --rebuild gold.given --accept gold.given",
            &|company| {
                vec![
                    of_night(company, 2, "gold/given"),
                    newest_file(company, "gold/given"),
                ]
            },
        ),
        // the ledger of the release before alone, which the decided one does not need
        ("build", &|company| {
            vec![of_night(company, 2, "ops/files/source=bronze.orders")]
        }),
    ];
    for (words, lost) in losses {
        let company = decided();
        for path in lost(&company) {
            lose(&company, &path);
        }
        let is_well = company.kilde(&["doctor"]).code == 0;
        let typed = follow_the_advice(&company);
        assert_eq!(is_well, typed.len() == 1, "{typed:?}");
        assert!(typed.last().unwrap().ends_with(words), "{words}: {typed:?}");
        assert_whole(&company, 3);
        company.kilde(&["doctor"]).ended(0);
    }
}

#[test]
fn a_rollback_and_an_upkeep_that_cannot_be_finished_are_given_up_too() {
    let company = company();
    let give_up =
        |number: &str| company.kilde(&["build", "--give-up", number, "--accept", "ops.files"]);
    dies(&company, &["rollback", "1"], "after_publish_entry");
    lose(&company, "_kilde/staged");
    // what it was to take back waits for a person still
    let said = give_up("3").ended(2);
    says(
        &said,
        &["K0712", "release 3 could not be finished and is given up"],
    );
    assert_whole_rows(&company, "4");
    company.kilde(&["resume"]).ended(0);
    // a second time there is nothing left to give up
    says(&give_up("3").ended(2), &["K0729"]);

    for path in ["sql/gold/sales.sql", "schemas/gold/sales.yaml"] {
        fs::remove_file(company.path(path)).unwrap();
    }
    let leaves = ["build", "--allow-breaking", "gold.sales"];
    company.kilde(&leaves).ended(0);
    let drop = ["maintain", "--drop", "gold.sales"];
    dies(&company, &drop, "before_release");
    lose(&company, "_kilde/staged");
    says(&company.kilde(&drop).ended(4), &["K0714", "--give-up 5"]);
    give_up("5").ended(0);
    company.kilde(&drop).ended(0);
    assert_whole_rows(&company, "4");
    company.kilde(&["doctor"]).ended(0);
}

/// Of every order one row, and the ledger says so.
#[track_caller]
fn assert_whole_rows(company: &Sandbox, orders: &str) {
    assert_eq!(
        company.query("select count(*) from bronze.orders"),
        [[orders]]
    );
    assert_eq!(
        company.query("select sum(inserted) from ops.files"),
        [[orders]]
    );
}

#[test]
fn a_table_that_is_carried_over_by_a_decided_release_is_looked_at_by_doctor() {
    let company = decided();
    lose(&company, &entry("ops/rejects", 0));
    let said = company.kilde(&["doctor"]).ended(4);
    let advice = "kilde build --rebuild ops.rejects";
    assert!(said.stdout.contains(advice), "{}", said.stdout);
}

#[test]
fn rows_that_go_with_the_ledger_are_counted_and_none_goes_since_its_export_cannot_be_read() {
    let company = company();
    lose(&company, "ops/files");
    company.write("exports/orders_20260102.csv", [0; 100]);
    let accepted = ["build", "--rebuild", "ops.files", "--accept", "ops.files"];
    let lost = "2 records that were published would be lost";
    says(&company.kilde(&accepted).ended(1), &["K0214", lost]);
    fs::remove_file(company.path("exports/orders_20260102.csv")).unwrap();
    let told = "2 rows of `bronze.orders` are given up with the ledger";
    says(
        &company.kilde(&accepted).ended(0),
        &[told, "orders_20260102.csv"],
    );
    assert_whole(&company, 1);
}

/// Who follows the first advice must not lose what he asked for by the second.
#[test]
fn lost_tables_are_named_together_and_what_was_asked_for_is_kept() {
    let company = company();
    lose(&company, "bronze/orders");
    lose(&company, "gold/given");
    deliver(&company, 3);
    let said = company.kilde(&["build"]).ended(4);
    let both = "`kilde build --rebuild bronze.orders --rebuild gold.given`";
    says(&said, &[both, "`bronze.orders`, `gold.given`"]);
    let said = company.kilde(&["build", "--rebuild", "bronze.orders"]);
    says(&said.ended(4), &[both]);
    let all = [
        "build",
        "--rebuild",
        "bronze.orders",
        "--rebuild",
        "gold.given",
        "--accept",
        "gold.given",
    ];
    says(
        &company.kilde(&all[..5]).ended(2),
        &["K0724", &all[1..].join(" ")],
    );
    company.kilde(&all).ended(0);
    assert_whole(&company, 3);
}

/// A rollback is taken seriously also where it died: `status` says that the next build finishes it.
#[test]
fn a_decided_rollback_is_finished_by_a_build_without_work_and_by_resume() {
    for ending in ["build", "resume"] {
        let company = company();
        let mut rollback = company.command(&["rollback", "1"]);
        rollback.env("KILDE_FAILPOINT", "after_publish_entry");
        assert!(!time_limit::output(&mut rollback).unwrap().status.success());
        let said = company.kilde(&["plan"]).ended(0);
        assert!(
            said.stdout.contains("decided: release 3"),
            "{}",
            said.stdout
        );
        assert_eq!(company.query("select count(*) from bronze.orders"), [["4"]]);
        match ending {
            "build" => says(&company.kilde(&["build"]).ended(2), &["K0712", "release 3"]),
            _ => {
                company.kilde(&["resume"]).ended(0);
            }
        }
        assert_eq!(company.query("select count(*) from bronze.orders"), [["2"]]);
        company.kilde(&["resume"]).ended(0);
        company.kilde(&["build"]).ended(0);
        assert_whole(&company, 2);
    }
}

#[test]
fn a_torn_commit_of_another_tool_is_named_with_file_and_line_and_what_helps() {
    let company = company();
    let torn = format!("lake/{}", entry("bronze/orders", 2));
    company.write(&torn, "{\"commitInfo\":{}}\n{\"add\":{\"path\":\"x.parq");
    deliver(&company, 3);
    let place = "bronze/orders/_delta_log/00000000000000000002.json:2";
    let help = "move it and all later entries out of the log";
    let said = company.kilde(&["build"]).ended(4);
    says(&said, &["K0802", place, help]);
    let said = company.kilde(&["doctor"]).ended(4);
    assert!(said.stdout.contains(help), "{}", said.stdout);
    fs::remove_file(company.path(&torn)).unwrap();
    company.kilde(&["build"]).ended(0);
    assert_whole(&company, 3);
}

/// What builds do not need stops none, and hides nothing else.
#[test]
fn an_older_record_that_cannot_be_read_is_as_one_that_is_lost() {
    let company = company();
    deliver(&company, 3);
    company.kilde(&["build"]).ended(0);
    company.write("lake/_kilde/releases/00000002.json", "{");
    let said = company.kilde(&["releases"]).ended(0);
    let has = |number: &str| {
        said.stdout
            .lines()
            .any(|line| line.trim_start().starts_with(number))
    };
    assert!(has("3") && has("1") && !has("2"), "{}", said.stdout);
    let said = company.kilde(&["doctor"]).ended(0);
    let told = "gone or cannot be read, the first of release 2";
    assert!(said.stdout.contains(told), "{}", said.stdout);
}

#[test]
fn tables_that_are_ahead_of_an_older_copy_of_the_lake_log_are_told_of() {
    let company = company();
    let copy = company.path("copy");
    crate::sandbox::copy_folder(&company.path("lake/_kilde"), &copy);
    deliver(&company, 3);
    company.kilde(&["build"]).ended(0);
    fs::remove_dir_all(company.path("lake/_kilde")).unwrap();
    fs::rename(copy, company.path("lake/_kilde")).unwrap();
    let said = company.kilde(&["build"]).ended(4);
    says(&said, &["K0732", "Restore all of the lake from one copy"]);
}

/// The rows that were taken out must not come back in silence.
#[test]
fn a_lost_decision_stops_builds_until_it_is_taken_once_more() {
    let company = company();
    let retract = [
        "exports",
        "retract",
        "orders_20260102.csv",
        "--why",
        "wrong",
    ];
    company.kilde(&retract).ended(0);
    company.kilde(&["build"]).ended(0);
    assert_whole(&company, 1);
    for decision in fs::read_dir(company.path("lake/_kilde/decisions")).unwrap() {
        fs::remove_file(decision.unwrap().path()).unwrap();
    }
    let said = company.kilde(&["build"]).ended(4);
    says(&said, &["K0733", "decision 1", "orders_20260102.csv"]);
    let said = company.kilde(&["doctor"]).ended(4);
    assert!(said.stdout.contains("_kilde/decisions"), "{}", said.stdout);
    let mut skip = retract;
    skip[1] = "skip";
    says(
        &company.kilde(&skip).ended(0),
        &["decision 1 about exports is lost"],
    );
    company.kilde(&["build"]).ended(0);
    assert_eq!(company.query("select count(*) from bronze.orders"), [["2"]]);
}
