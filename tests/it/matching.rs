//! `- match:` from outside: who is who, ids for life, refusals.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::sandbox::Sandbox;

const KEY_AND_RECORDS: &str =
    "table: identity.people, records: ref.people, record_key: [record_id]";

const CONTRACT: &str = "description: Records of people.
key: [record_id]
columns:
  - {name: record_id, data_type: varchar}
  - {name: given_name, data_type: varchar, personal: given_name}
  - {name: family_name, data_type: varchar, personal: family_name}
  - {name: birth_date, data_type: date, personal: birth_date}
  - {name: email, data_type: varchar, personal: email}
  - {name: country, data_type: varchar}
";

const GIVEN: &[&str] = &[
    "Anna", "Erik", "Maria", "Lars", "Ingrid", "Nils", "Karin", "Olof", "Sara", "Gustav", "Hedda",
    "Ivar",
];
const FAMILY: &[&str] = &[
    "Berg", "Lund", "Ek", "Dahl", "Holm", "Strand", "Moe", "Vik", "Ask", "Falk", "Rask", "Bjerke",
    "Torp", "Krog", "Munk", "Friis",
];

/// A person's record; `slip` writes the family name with one.
fn record(person: usize, suffix: &str, slip: bool) -> String {
    let given = GIVEN[person % GIVEN.len()];
    let family = FAMILY[(person / GIVEN.len()) % FAMILY.len()];
    let written = if slip {
        format!("{family}h")
    } else {
        family.to_string()
    };
    let (year, month, day) = (
        1940 + person * 7 % 60,
        1 + person * 5 % 12,
        1 + person * 11 % 28,
    );
    let email = format!("{}.{person}x@mail.example", family.to_lowercase());
    format!("p{person:03}{suffix},{given},{written},{year}-{month:02}-{day:02},{email},SE\n")
}

/// People of whom two in three have a second record with a slip in it.
pub(crate) fn people(from: usize, to: usize) -> String {
    let mut lines = String::new();
    for person in from..to {
        lines.push_str(&record(person, "a", false));
        if person % 3 > 0 {
            lines.push_str(&record(person, "b", true));
        }
    }
    lines
}

pub(crate) fn sandbox(settings: &str, rows: &str) -> Sandbox {
    let sandbox = Sandbox::with(&[
        ("kilde.yaml", "project: club\nraw: exports/\nlake: lake/\n"),
        ("schemas/ref/people.yaml", CONTRACT),
    ]);
    let step = format!("steps:\n  - match: {{{KEY_AND_RECORDS}{settings}}}\n");
    sandbox.write("pipelines/club.yaml", step);
    seed(&sandbox, rows);
    sandbox
}

pub(crate) fn seed(sandbox: &Sandbox, rows: &str) {
    let header = "record_id,given_name,family_name,birth_date,email,country\n";
    sandbox.write("seeds/ref/people.csv", format!("{header}{rows}"));
}

/// One cell.
fn value(sandbox: &Sandbox, sql: &str) -> String {
    sandbox.query(sql)[0][0].clone()
}

#[test]
fn records_of_one_person_share_an_id_and_the_tables_beside_say_why() {
    let club = sandbox("", &people(0, 150));
    club.kilde(&["build"]).ended(0);
    let wrong = "select count(*) from identity.people a join identity.people b on a.record_id < b.record_id
        where (a.entity_id = b.entity_id) <> (substr(a.record_id, 1, 4) = substr(b.record_id, 1, 4))";
    assert_eq!(value(&club, wrong), "0");
    let edge = club.query(
        "select weight > 5, verdict, agreement from identity.people_edges
        where record_id = 'p001a' and other_record_id = 'p001b'",
    );
    let said = edge[0].join(",");
    assert!(said.starts_with("true,same,"), "{said}");
    assert!(
        said.contains("family_name alike") && said.contains("birth_date equal"),
        "{said}"
    );
    let events = "select count(*) from identity.people_events where event = 'created'";
    assert_eq!(value(&club, events), "150");
    let levels = club.query(
        "select name, level from identity.people_model where part = 'level' and position = 1",
    );
    assert_eq!(levels.len(), 4, "{levels:?}");
    // nothing new: nothing is written
    let before = club.objects();
    club.kilde(&["build"]).ended(0);
    assert_eq!(club.objects(), before);
}

#[test]
fn a_register_of_full_names_is_matched_by_them_beside_one_of_their_parts_and_plan_and_why_say_so() {
    let club = sandbox("", "");
    let with_name = CONTRACT.replace(
        "  - {name: birth_date",
        "  - {name: name, data_type: varchar, personal: name}\n  - {name: birth_date",
    );
    club.write("schemas/ref/people.yaml", with_name);
    let parts = people(0, 150);
    let rows: Vec<String> = parts
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let [id, given, family, born, email, country] = cells[..] else {
                panic!("{line}");
            };
            match id.ends_with('b') {
                // the other register knows neither parts nor e-mails
                true => format!("{id},,,{given} {family},{born},,{country}\n"),
                false => format!("{id},{given},{family},,{born},{email},{country}\n"),
            }
        })
        .collect();
    let header = "record_id,given_name,family_name,name,birth_date,email,country\n";
    club.write("seeds/ref/people.csv", header.to_string() + &rows.concat());
    club.kilde(&["build"]).ended(0);
    let by_names = "select count(*) from identity.people_edges where verdict = 'same'
        and agreement like '%given_name equal%' and agreement like '%family_name alike%'";
    assert_eq!(value(&club, by_names), "100");
    let said = club.kilde(&["why", "p001a", "p001b"]).ended(0).stdout;
    assert!(
        said.contains("the name of p001b, or a part that is missing, is read from `name`\n"),
        "{said}"
    );
    let rules = "select count(*) from identity.people_model where part = 'rule' and name = 'given_name, birth_date' and pairs_count = 100";
    assert_eq!(value(&club, rules), "1");
    let step = format!(
        "{KEY_AND_RECORDS}, compare: [{{name: {{given: given_name, family: family_name, full: name}}}}, {{date: {{column: birth_date}}}}]"
    );
    club.write(
        "pipelines/club.yaml",
        format!("steps:\n  - match: {{{step}}}\n"),
    );
    let said = club.kilde(&["plan"]).ended(0).stdout;
    assert!(
        said.contains(
            "  of 100 records the name, or a part that is missing, is read from `name`\n"
        ),
        "{said}"
    );
    club.kilde(&["build"]).ended(0);
    assert_eq!(value(&club, by_names), "100");
}

#[test]
fn ids_that_sql_issued_live_on_when_a_match_takes_the_table_over() {
    let club = sandbox("", &people(0, 60));
    let by_match = club.read("pipelines/club.yaml");
    club.write("pipelines/club.yaml", "steps:\n  - sql: identity/*\n");
    club.write(
        "sql/identity/people.sql",
        "-- identity.people: one row per record.\nselect given_name, record_id, 'old' || substr(record_id, 2, 3) as entity_id from ref.people\n",
    );
    club.kilde(&["build"]).ended(0);
    fs::remove_file(club.path("sql/identity/people.sql")).unwrap();
    club.write("pipelines/club.yaml", &by_match);
    club.kilde(&["build"]).ended(0);
    let other =
        "select count(*) from identity.people where entity_id <> 'old' || substr(record_id, 2, 3)";
    assert_eq!(value(&club, other), "0");

    // a table that does not say which id a record has
    let club = sandbox("", &people(0, 60));
    club.write("pipelines/club.yaml", "steps:\n  - sql: identity/*\n");
    club.write(
        "sql/identity/people.sql",
        "-- identity.people: one row per person.\nselect record_id as no, 'x' as entity_id from ref.people\n",
    );
    club.kilde(&["build"]).ended(0);
    fs::remove_file(club.path("sql/identity/people.sql")).unwrap();
    club.write("pipelines/club.yaml", &by_match);
    let said = club.kilde(&["build"]).ended(2);
    assert!(said.stderr.contains("K0813"), "{}", said.stderr);
}

#[test]
fn ids_live_on_through_new_records_merges_and_splits_and_every_old_id_leads_somewhere() {
    let mut rows = people(0, 120);
    // two halves of one person that nothing joins yet
    rows.push_str("x1,Tora,Nygaard,1971-05-06,sol.1x@mail.example,SE\nx2,Tora,Solheim,,maane.2x@post.example,NO\n");
    let club = sandbox("", &rows);
    club.kilde(&["build"]).ended(0);
    let ids = "select record_id, entity_id from identity.people order by record_id";
    let first = club.query(ids);
    let id = |rows: &[Vec<String>], key: &str| {
        let row = rows.iter().find(|row| row[0] == key);
        row.unwrap_or_else(|| panic!("{key}"))[1].clone()
    };
    assert_ne!(id(&first, "x1"), id(&first, "x2"));

    // a record of both joins them; other people come
    rows.push_str("x3,Tora,Solheim,1971-05-06,sol.1x@mail.example,SE\n");
    rows.push_str("x4,Tora,Solheim,1971-05-06,maane.2x@post.example,SE\n");
    seed(&club, &(rows.clone() + &people(120, 130)));
    club.kilde(&["build"]).ended(0);
    let second = club.query(ids);
    let renamed = first
        .iter()
        .filter(|row| id(&second, &row[0]) != row[1])
        .count();
    assert_eq!(renamed, 1, "of two that merge one gives up its id");
    assert_eq!(id(&second, "x1"), id(&second, "x2"));
    let gone = if id(&second, "x1") == id(&first, "x1") {
        "x2"
    } else {
        "x1"
    };
    let gone = id(&first, gone);
    let redirects = club.query("select old_id, new_id from identity.people_redirects");
    assert_eq!(redirects, vec![vec![gone.clone(), id(&second, "x1")]]);
    let merged =
        club.query("select entity_id, other_id from identity.people_events where event = 'merged'");
    assert_eq!(merged, redirects);

    // a person leaves: the id is retired, and everyone else keeps theirs
    let left: String = rows.lines().filter(|line| !line.starts_with("p000")).fold(
        String::new(),
        |mut all, line| {
            let _ = writeln!(all, "{line}");
            all
        },
    );
    seed(&club, &(left + &people(120, 130)));
    club.kilde(&["build"]).ended(0);
    let third = club.query(ids);
    assert!(third.iter().all(|row| id(&second, &row[0]) == row[1]));
    let retired =
        club.query("select entity_id from identity.people_events where event = 'retired'");
    assert_eq!(retired, vec![vec![id(&first, "p000a")]]);

    // a rebuild from scratch issues the same ids to the same registry
    club.kilde(&["build", "--full-refresh"]).ended(0);
    assert_eq!(club.query(ids), third);
}

/// Records of one person who is two at first, to every eye: the second of two records, the first of one.
const HALVES: &str = "x1,Tora,Nygaard,1971-05-06,sol.1x@mail.example,SE
x2,Tora,Solheim,,maane.2x@post.example,NO
x5,Tora,Solheim,,maane.2x@post.example,NO
";
/// Records of both, that join them.
const BOTH: &str = "x3,Tora,Solheim,1971-05-06,sol.1x@mail.example,SE
x4,Tora,Solheim,1971-05-06,maane.2x@post.example,SE
";

/// A club where two became one person, whose records are all gone for a night: the id that was merged, and the one that it was
/// merged into.
fn lost_after_a_merge() -> (Sandbox, String, String) {
    let rows = people(0, 120);
    let club = sandbox("", &format!("{rows}{HALVES}"));
    club.kilde(&["build"]).ended(0);
    let id = |key: &str| {
        value(
            &club,
            &format!("select entity_id from identity.people where record_id = '{key}'"),
        )
    };
    let (absorbed, kept) = (id("x1"), id("x2"));
    assert!(absorbed != kept && kept == id("x5"));
    seed(&club, &format!("{rows}{HALVES}{BOTH}"));
    club.kilde(&["build"]).ended(0);
    assert_eq!([id("x1"), id("x4")], [&*kept; 2]);
    seed(&club, &rows);
    club.kilde(&["build"]).ended(0);
    let led =
        "select count(*) filter (where new_id is null), count(*) from identity.people_redirects";
    assert_eq!(club.query(led), [["2", "2"]]);
    (club, absorbed, kept)
}

/// The person is back by the id they had last, and the one that was merged into it leads there again.
fn is_back(club: &Sandbox, absorbed: &str, kept: &str) {
    let ids = "select distinct entity_id from identity.people where record_id like 'x%'";
    assert_eq!(club.query(ids), [[kept]]);
    let redirects = club.query("select old_id, new_id from identity.people_redirects");
    assert_eq!(redirects, [[absorbed, kept]]);
    let restored =
        "select entity_id, records_count from identity.people_events where event = 'restored'";
    assert_eq!(club.query(restored), [[kept, "5"]]);
    for id in [absorbed, kept] {
        let said = club.kilde(&["why", id]).ended(0).stdout;
        assert!(said.contains(kept), "{said}");
    }
}

#[test]
fn a_person_whom_exports_lacked_for_a_night_has_their_id_again_and_merged_ids_lead_to_it() {
    let (club, absorbed, kept) = lost_after_a_merge();
    let waits = "select distinct lost_id from identity.people_redirects";
    assert_eq!(club.query(waits), [[&*kept]]);
    seed(&club, &format!("{}{HALVES}{BOTH}", people(0, 120)));
    let said = club.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("1 back"), "{}", said.stdout);
    is_back(&club, &absorbed, &kept);
}

#[test]
fn redirects_that_an_older_version_wrote_are_read_and_bring_lost_people_back_as_well() {
    let (club, absorbed, kept) = lost_after_a_merge();
    let old = Sandbox::with(&[
        ("kilde.yaml", "project: club\nraw: exports/\nlake: lake/\n"),
        ("schemas/ref/people.yaml", CONTRACT),
        ("pipelines/club.yaml", "steps:\n  - sql: identity/*\n"),
    ]);
    seed(&old, &people(0, 1));
    let tables = [
        ("people", "record_id, entity_id"),
        ("people_redirects", "old_id, new_id"),
        (
            "people_events",
            "entity_id, event, other_id, records_count, occurred_at",
        ),
    ];
    let types = [("records_count", "bigint"), ("occurred_at", "timestamp")];
    for (table, columns) in tables {
        // as rows of values, since they are nobody's export
        let rows = club.query(&format!("select {columns} from identity.{table}"));
        let rows: Vec<String> = rows
            .iter()
            .map(|row| format!("('{}')", row.join("', '")))
            .collect();
        let cells: Vec<String> = columns
            .split(", ")
            .zip(1..)
            .map(|(name, at)| {
                let mut types = types.iter().filter(|(of, _)| *of == name);
                let data_type = types.next().map_or("varchar", |(_, data_type)| data_type);
                format!("cast(nullif(column{at}, '') as {data_type}) as {name}")
            })
            .collect();
        let sql = format!(
            "-- identity.{table}: one row per row of before.\nselect {} from (values {})\n",
            cells.join(", "),
            rows.join(", ")
        );
        old.write(&format!("sql/identity/{table}.sql"), sql);
    }
    old.kilde(&["build"]).ended(0);
    fs::remove_dir_all(old.path("sql/identity")).unwrap();
    old.write("pipelines/club.yaml", club.read("pipelines/club.yaml"));
    seed(&old, &format!("{}{HALVES}{BOTH}", people(0, 120)));
    old.kilde(&["build"]).ended(0);
    is_back(&old, &absorbed, &kept);
}

#[test]
fn must_of_hundreds_of_records_joins_no_two_that_cannot_be_one_and_says_how_many_it_holds() {
    let columns = ["record_id", "name", "club_no", "card_no", "member_id"];
    let rows = |last_of_club: usize| {
        let row = |at: usize| {
            let club = if at <= last_of_club { "club" } else { "" };
            let card = if at >= 300 { "card" } else { "" };
            let member = match at {
                5 => "x",
                450 => "y",
                _ => "",
            };
            format!("r{at:03},name {},{club},{card},{member}\n", at / 2)
        };
        (0..601).map(row).collect::<String>()
    };
    let step = "  - match: {table: identity.people, records: ref.records, record_key: [record_id], compare: [exact: {column: name}],
             block: [[name]], must: [club_no, card_no], cannot: [member_id], limits: {max_block_share: 100%}}\n";
    let club = of_seed(&columns, &rows(300), &[], step);
    let said = club.kilde(&["build"]).ended(0).stdout;
    assert!(!said.contains("K0815"), "{said}");
    let ids = "select count(distinct entity_id), count(distinct entity_id) filter (where record_id in ('r005', 'r450'))
        from identity.people";
    assert_eq!(club.query(ids), [["2", "2"]]);
    let parted = "select count(*) > 0 from identity.people_review where weight is null";
    assert_eq!(value(&club, parted), "true");
    // one value holds more than anybody has
    club.write(
        "seeds/ref/records.csv",
        format!("{}\n{}", columns.join(","), rows(510)),
    );
    let said = club.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains("one value of `must: [club_no]` holds 511 records (K0815)"),
        "{said}"
    );
    assert_eq!(club.query(ids), [["2", "2"]]);
}

/// What a command says that ends with 2 and a code.
#[track_caller]
fn refused(sandbox: &Sandbox, command: &[&str], code: &str) -> String {
    let said = sandbox.kilde(command).ended(2).stderr;
    assert!(said.contains(code), "{said}");
    said
}

#[test]
fn a_model_is_kept_until_another_is_asked_for_and_its_change_is_shown_beforehand() {
    let club = sandbox("", &people(0, 120));
    club.kilde(&["build", "--as-of", "2026-03-01"]).ended(0);
    let model =
        "select part, name, position, level, same_share, stranger_share from identity.people_model
        where part <> 'rule' order by part, name, position, level";
    let first = club.query(model);
    let told = club.kilde(&["match", "model"]).ended(0).stdout;
    let head = "identity.people, release 1: trained 2026-03-01T00:00:00Z on 200 records";
    assert!(told.contains(head), "{told}");

    // neither other records nor a rebuild train it
    seed(&club, &people(0, 180));
    let plan = club.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("trained 2026-03-01T00:00:00Z on 200 records"),
        "{plan}"
    );
    club.kilde(&["build"]).ended(0);
    assert_eq!(club.query(model), first);
    club.kilde(&["build", "--full-refresh"]).ended(0);
    assert_eq!(club.query(model), first);

    // what another would change is shown, and changes nothing
    let before = club.objects();
    let told = club.kilde(&["match", "train"]).ended(0).stdout;
    for said in [
        "trained on 300 records",
        "0 of 300 records would get another id",
        "--retrain identity.people",
    ] {
        assert!(told.contains(said), "{told}");
    }
    assert_eq!(club.objects(), before);
    let plan = club
        .kilde(&["plan", "--retrain", "identity.people"])
        .ended(0)
        .stdout;
    assert!(
        plan.contains("another model asked for") && plan.contains("trained first"),
        "{plan}"
    );
    club.kilde(&["build", "--retrain", "identity.people"])
        .ended(0);
    assert_ne!(club.query(model), first);
    refused(&club, &["build", "--retrain", "ref.people"], "K0436");
}

#[test]
fn a_model_of_a_nearly_empty_first_night_is_told_of_until_another_is_trained() {
    let club = sandbox("", &people(0, 2));
    club.kilde(&["build"]).ended(0);
    seed(&club, &people(0, 120));
    let said = club.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains("`--retrain identity.people` learns from all"),
        "{said}"
    );
    let said = club
        .kilde(&["build", "--retrain", "identity.people"])
        .ended(0)
        .stdout;
    assert!(!said.contains("learns from all"), "{said}");
}

#[test]
fn a_model_written_to_a_file_and_pinned_decides_as_it_did() {
    let club = sandbox("", &people(0, 120));
    club.kilde(&["build"]).ended(0);
    let weights =
        "select record_id, other_record_id, weight from identity.people_edges order by 1, 2";
    let before = club.query(weights);
    let text = club.kilde(&["match", "model", "--json"]).ended(0).stdout;
    assert!(
        !text.to_lowercase().contains("berg"),
        "a model holds no value of anybody"
    );
    club.write("matching/people.json", &text);
    let pinned = sandbox(", model: matching/people.json", &people(0, 121));
    pinned.write("matching/people.json", &text);
    pinned.kilde(&["build"]).ended(0);
    let after = pinned.query(weights);
    assert!(before.iter().all(|pair| after.contains(pair)));
    assert_eq!(
        pinned.kilde(&["match", "model", "--json"]).ended(0).stdout,
        text
    );
    refused(&pinned, &["build", "--retrain", "identity.people"], "K0437");

    // one that is not there can be trained
    fs::remove_file(pinned.path("matching/people.json")).unwrap();
    let said = refused(&pinned, &["check"], "K0435");
    let command = "kilde match train identity.people --write matching/people.json";
    assert!(said.contains(command), "{said}");
    let command: Vec<&str> = command.split(' ').skip(1).collect();
    pinned.kilde(&command).ended(0);
    pinned.kilde(&["check"]).ended(0);

    // changed by hand, it makes the step stale
    let other = text.replacen("\"trained_at\": \"", "\"trained_at\": \"edited after ", 1);
    pinned.write("matching/people.json", other);
    let plan = pinned.kilde(&["plan"]);
    assert!(!plan.stdout.contains("nothing to do"), "{}", plan.stdout);
    pinned.write(
        "matching/people.json",
        text.replace("\"email\"", "\"emails\""),
    );
    refused(&pinned, &["plan"], "K0433");
    refused(&pinned, &["build"], "K0433");
    // a comparison that the file lacks
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["comparisons"].as_array_mut().unwrap().pop();
    pinned.write("matching/people.json", file.to_string());
    refused(&pinned, &["plan"], "K0433");
    // shares by which nothing can be weighed
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["comparisons"][0]["levels"][0]["stranger_share"] = 0.into();
    pinned.write("matching/people.json", file.to_string());
    refused(&pinned, &["check"], "K0435");
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["same_share"] = 1.into();
    pinned.write("matching/people.json", file.to_string());
    refused(&pinned, &["check"], "K0435");
    pinned.write(
        "matching/people.json",
        "{\"kilde_model\": 1,\n \"prior\": 2}",
    );
    let said = refused(&pinned, &["check"], "K0435");
    assert!(said.contains("matching/people.json:2:"), "{said}");
}

#[test]
fn what_is_pinned_of_a_model_is_kept_by_every_training_and_another_pin_trains_another() {
    let pinned = |levels: &str| {
        let club = sandbox(&format!(", pin: {levels}"), &people(0, 121));
        club.kilde(&["build"]).ended(0);
        club
    };
    let club = pinned(
        "{probability_two_random_records_match: 1e-4, levels: [{comparison: email, level: equal, m_probability: 0.5,
        u_probability: 0.0123456789}, {comparison: birth_date, level: different, match_weight: -2.5}]}",
    );
    let said = "select name, level, same_share, stranger_share, round(weight, 6) from identity.people_model
        where part in ('prior', 'level') and (name is null or name = '' or (name = 'email' and level = 'equal')
            or (name = 'birth_date' and level = 'different')) order by name, level";
    let expected = |said: &[Vec<String>]| {
        assert_eq!(said[0][2], "0.0001");
        assert_eq!(said[1][4], "-2.5");
        assert_eq!(said[2][2..4], ["0.5", "0.0123456789"]);
    };
    expected(&club.query(said));
    let told = club.kilde(&["match", "model"]).ended(0).stdout;
    for words in [
        "pinned: probability_two_random_records_match",
        "pinned: m_probability, u_probability",
        "pinned: match_weight",
    ] {
        assert!(told.contains(words), "{told}");
    }
    let file = club.kilde(&["match", "model", "--json"]).ended(0).stdout;
    assert!(file.contains("\"match_weight\": -2.5"), "{file}");
    // it stays through nights, and a pin that changed trains another model
    let plan = club.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("nothing to do") || plan.contains("up to date"),
        "{plan}"
    );
    let step = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    club.write("pipelines/club.yaml", step.replace("-2.5", "-3.5"));
    let told = club.kilde(&["build"]).ended(0);
    assert!(told.stdout.contains("model trained"), "{}", told.stdout);
    assert_eq!(club.query(said)[1][4], "-3.5");

    // as a file it is taken where the project pins the same, and refused where it pins something else
    club.write("matching/people.json", &file);
    let with_file = |step: &str| step.replace(", pin:", ", model: matching/people.json, pin:");
    club.write("pipelines/club.yaml", with_file(&step));
    club.kilde(&["build"]).ended(0);
    assert_eq!(
        club.kilde(&["match", "model", "--json"]).ended(0).stdout,
        file
    );
    club.write(
        "pipelines/club.yaml",
        with_file(&step).replace("-2.5", "-3.5"),
    );
    refused(&club, &["plan"], "K0433");
    refused(&club, &["build"], "K0433");
}

#[test]
fn values_that_must_or_cannot_decide_whatever_the_evidence_says() {
    let mut rows = people(0, 100);
    // the same person to every eye, but for the country; and two who share nothing else
    rows.push_str("y1,Tora,Nygaard,1971-05-06,tora.1x@mail.example,SE\n");
    rows.push_str("y2,Tora,Nygaard,1971-05-06,tora.1x@mail.example,NO\n");
    let same =
        "select count(distinct entity_id) from identity.people where record_id in ('y1', 'y2')";
    let club = sandbox("", &rows);
    club.kilde(&["build"]).ended(0);
    assert_eq!(value(&club, same), "1");
    let club = sandbox(", cannot: [country]", &rows);
    club.kilde(&["build"]).ended(0);
    assert_eq!(value(&club, same), "2");
    let strangers = people(0, 100)
        + "z1,Ask,Embla,1950-01-01,one@mail.example,XX\nz2,Liv,Trasir,1999-09-09,two@mail.example,XX\n";
    let rows: String = strangers
        .lines()
        .map(|line| match line.strip_suffix(",SE") {
            // every other record says nothing
            Some(rest) => format!("{rest},\n"),
            None => format!("{line}\n"),
        })
        .collect();
    let club = sandbox(", must: [country], block: [email]", &rows);
    club.kilde(&["build"]).ended(0);
    let same =
        "select count(distinct entity_id) from identity.people where record_id in ('z1', 'z2')";
    assert_eq!(value(&club, same), "1");
}

#[test]
fn a_rule_that_explodes_is_refused_with_the_share_of_its_value_before_a_pair_is_made() {
    let mut rows = String::new();
    for person in 0..1200 {
        rows.push_str(&record(person, "a", false));
    }
    let club = sandbox(", block: [[country], [email]]", &rows);
    let said = club.kilde(&["build"]).ended(2);
    assert!(said.stderr.contains("K0811"), "{}", said.stderr);
    assert!(
        said.stderr.contains("(country) would make 719400 pairs, 100 % of them from one value that 1200 records share"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("refine"), "{}", said.stderr);

    // told so, the block of that value is split by another column, and that one alone
    let club = sandbox(
        ", block: [{on: [country], refine: [family_name, birth_date], over: 100}, [email]]",
        &rows,
    );
    club.kilde(&["build"]).ended(0);
    let rule = "select replace(name, ',', ';'), pairs_count from identity.people_model where part = 'own_rule' and position = 1";
    let split = "select sum(n * (n - 1) / 2) from (
            select count(*) as n from ref.people group by family_name having count(*) <= 100 union all
            select count(*) from ref.people where family_name in
                (select family_name from ref.people group by family_name having count(*) > 100)
            group by family_name, birth_date)";
    let made = club.query(rule);
    assert_eq!(made[0][0], "country (over 100: family_name; birth_date)");
    assert_eq!(made[0][1], value(&club, split));
    let written = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    club.write(
        "pipelines/club.yaml",
        written.replace("over: 100", "over: 110"),
    );
    let plan = club.kilde(&["plan"]).ended(0).stdout;
    let said = "1 block of over 110 records (1,200 the largest) refined by family_name, then birth_date: 719,400 pairs before";
    assert!(plan.contains(said), "{plan}");
    // a key that does not split it leaves what is refused
    club.write(
        "pipelines/club.yaml",
        written.replace("[family_name, birth_date]", "[\"'x'\"]"),
    );
    let said = club.kilde(&["build"]).ended(2).stderr;
    assert!(
        said.contains("K0811") && said.contains("a further key in `refine`"),
        "{said}"
    );

    let club = sandbox(", limits: {max_pairs: 3}", &people(0, 60));
    let said = club.kilde(&["build"]).ended(2);
    assert!(
        said.stderr.contains("more than `max_pairs` (3)"),
        "{}",
        said.stderr
    );
}

#[test]
fn more_renamed_records_than_allowed_fail_the_step_and_publish_nothing() {
    let club = sandbox(", limits: {max_churn: 5%}", &people(0, 90));
    club.kilde(&["build"]).ended(0);
    let ids = "select record_id, entity_id from identity.people order by record_id";
    let before = club.query(ids);
    // every record now belongs to someone else: the keys were dealt out anew
    let mut keys: Vec<String> = before.iter().map(|row| row[0].clone()).collect();
    keys.rotate_left(1);
    let rows = people(0, 90);
    let dealt: String = rows
        .lines()
        .zip(keys)
        .map(|(line, key)| format!("{key},{}\n", line.split_once(',').unwrap().1))
        .collect();
    seed(&club, &dealt);
    let said = club.kilde(&["build"]).ended(1);
    assert!(
        said.stdout.contains("K0812") || said.stderr.contains("K0812"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    assert_eq!(club.query(ids), before);
}

#[test]
fn keys_that_repeat_and_columns_that_are_not_there_are_told() {
    let club = sandbox("", &(people(0, 20) + &record(3, "a", false)));
    club.write(
        "schemas/ref/people.yaml",
        CONTRACT.replace("key: [record_id]\n", ""),
    );
    let said = club.kilde(&["build"]).ended(1);
    let all = said.stdout + &said.stderr;
    assert!(
        all.contains("two records share their `record_key` (record_id)"),
        "{all}"
    );
}

#[test]
fn one_of_the_tables_brings_the_others_and_a_rollback_leaves_what_was_issued() {
    let club = sandbox("", &people(0, 60));
    club.kilde(&["build", "-s", "ref.people identity.people_review"])
        .ended(0);
    let tables: Vec<String> = club.digests().into_keys().collect();
    assert_eq!(
        tables,
        [
            "identity.people",
            "identity.people_edges",
            "identity.people_events",
            "identity.people_model",
            "identity.people_redirects",
            "identity.people_review",
            "ref.people"
        ]
    );
    seed(&club, &people(0, 80));
    club.kilde(&["build"]).ended(0);
    let ids = "select record_id, entity_id from identity.people order by record_id";
    let issued = club.query(ids);
    club.kilde(&["rollback", "1"]).ended(0);
    assert_eq!(
        value(&club, "select count(*) < 110 from ref.people"),
        "true"
    );
    assert_eq!(club.query(ids), issued);
}

/// The sandbox of people, and a folder where stewards drop what they decided.
fn with_stewards(rows: &str) -> Sandbox {
    let club = sandbox(", decisions: stewardship.decisions", rows);
    fs::create_dir_all(club.path("exports/stewardship")).unwrap();
    let written = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    club.write(
        "pipelines/club.yaml",
        "sources:\n  - {table: stewardship.decisions, files: 'stewardship/*.csv', read: csv}\n"
            .to_string()
            + &written,
    );
    club.write(
        "schemas/stewardship/decisions.yaml",
        "description: What stewards decided of pairs of records.
rollback: keeps
columns:
  - {name: record_id, data_type: varchar}
  - {name: other_record_id, data_type: varchar}
  - {name: decision, data_type: varchar}
  - {name: decided_on, data_type: date}
",
    );
    club
}

#[test]
fn a_random_sample_that_people_judged_says_how_right_the_match_is() {
    let club = with_stewards(&people(0, 120));
    club.kilde(&["build"]).ended(0);
    let evaluated = || {
        let said = club.kilde(&["match", "evaluate", "--json"]).ended(0).stdout;
        serde_json::from_str::<serde_json::Value>(&said).unwrap()
    };
    assert!(evaluated()["judged"].is_null());
    let draw = |file: &str| {
        club.kilde(&["review", "--sample", "24", "--csv", file])
            .ended(0);
        club.read(file)
    };
    let drawn = draw("sample.csv");
    let (header, pairs) = drawn.split_once('\n').unwrap();
    assert!(
        header.starts_with("\u{feff}record_id,other_record_id,decision,"),
        "{header}"
    );
    assert!(
        !drawn.contains("bits") && pairs.lines().count() == 24,
        "{drawn}"
    );
    let answers: Vec<(&str, &str, &str)> = pairs
        .lines()
        .map(|line| {
            let mut cells = line.split(',');
            let (one, other) = (cells.next().unwrap(), cells.next().unwrap());
            let word = if one[..4] == other[..4] {
                "same"
            } else {
                "different"
            };
            (one, other, word)
        })
        .collect();
    decide(&club, "sample.csv", "2026-03-01", &answers);
    club.kilde(&["build"]).ended(0);
    let judged = &evaluated()["judged"];
    assert_eq!(judged["answered"], 24);
    let precision = |key: &str| judged["precision"][key].as_f64().unwrap();
    assert!(
        precision("value") > 0.9 && precision("low") < precision("value"),
        "{judged}"
    );
    assert!(judged["recall"]["low"].as_f64().unwrap() > 0.0, "{judged}");
    let said = club.kilde(&["match", "evaluate"]).ended(0).stdout;
    assert!(
        said.contains("people judged 24 pairs drawn at random"),
        "{said}"
    );
    assert!(
        said.contains("one person from 1.25 bits on (now)"),
        "{said}"
    );
    // nobody is asked twice
    assert_eq!(draw("again.csv").lines().count(), 1);
}

/// Fills in a spreadsheet of the review: each pair that is named is decided.
fn decide(club: &Sandbox, file: &str, day: &str, decisions: &[(&str, &str, &str)]) {
    let mut text = "record_id,other_record_id,decision,decided_on\n".to_string();
    for (one, other, decision) in decisions {
        let _ = writeln!(text, "{one},{other},{decision},{day}");
    }
    club.write(&format!("exports/stewardship/{file}"), text);
}

/// Whoever asks why two records are two although somebody decided otherwise hears by what; and the build, the review and its
/// spreadsheet, in a folder that was not there, count the same pairs.
fn collisions_are_told(club: &Sandbox, pair: &[String], rows: &[&str], built: &str) {
    let why = club.kilde(&["why", &pair[0], &pair[1]]).ended(0).stdout;
    for row in rows {
        let is_told = why.contains("which does not hold") && why.contains(row);
        assert!(is_told, "{row}: {why}");
    }
    let pairs = value(club, "select count(*) from identity.people_review");
    let sheet = "new/folder/review.csv";
    let queue = club.kilde(&["review", "--csv", sheet]).ended(0).stdout;
    let counts = |words: &str| words.contains(&format!(" {pairs} pair"));
    assert!(counts(built) && counts(&queue), "{pairs}: {built}{queue}");
    assert!(club.path(sheet).exists());
}

#[test]
fn what_a_steward_decided_holds_through_rebuilds_until_it_is_decided_otherwise() {
    let mut rows = people(0, 60);
    // one person to every eye; two who share a name only; a third record of the second
    rows.push_str("y1,Tora,Nygaard,1971-05-06,tora.1x@mail.example,SE\n");
    rows.push_str("y2,Tora,Nygaard,1971-05-06,tora.1x@mail.example,NO\n");
    rows.push_str("z1,Liv,Aakre,1950-01-01,one@mail.example,SE\n");
    rows.push_str("z2,Liv,Aakre,1988-09-09,two@mail.example,SE\n");
    rows.push_str("z3,Liv,Aakre,1988-09-09,two@mail.example,SE\n");
    let club = with_stewards(&rows);
    club.kilde(&["build"]).ended(0);
    let people_of = |keys: &str| {
        let sql = format!(
            "select count(distinct entity_id) from identity.people where record_id in ({keys})"
        );
        value(&club, &sql)
    };
    assert_eq!(
        (people_of("'y1', 'y2'"), people_of("'z1', 'z2', 'z3'")),
        ("1".into(), "2".into())
    );
    let first = value(
        &club,
        "select entity_id from identity.people where record_id = 'z2'",
    );

    decide(
        &club,
        "march.csv",
        "2026-03-01",
        &[
            ("y1", "y2", "different"),
            ("z2", "z1", "Same"),
            ("p001a", "gone", "same"),
        ],
    );
    let said = club.kilde(&["build"]).ended(0);
    assert_eq!(
        (people_of("'y1', 'y2'"), people_of("'z1', 'z2', 'z3'")),
        ("2".into(), "1".into())
    );
    assert!(!said.stdout.contains("K0856"), "{}", said.stdout);
    // the larger part of a person that is merged keeps its id
    assert_eq!(
        value(
            &club,
            "select entity_id from identity.people where record_id = 'z1'"
        ),
        first
    );
    club.kilde(&["build", "--full-refresh"]).ended(0);
    assert_eq!(
        (people_of("'y1', 'y2'"), people_of("'z1', 'z2', 'z3'")),
        ("2".into(), "1".into())
    );

    // A is B, B is C, A is not C: different wins, and the review says so
    decide(
        &club,
        "april.csv",
        "2026-04-01",
        &[("z1", "z3", "different"), ("z2", "z3", "same")],
    );
    let said = club.kilde(&["build"]).ended(0);
    assert!(
        said.stdout
            .contains("1 of them decisions contradicted (K0856)"),
        "{}",
        said.stdout
    );
    assert_ne!(people_of("'z1', 'z3'"), "1");
    let review = club.query("select record_id, other_record_id, reason from identity.people_review where weight is null");
    assert_eq!(review.len(), 1, "{review:?}");
    assert!(
        review[0]
            .concat()
            .contains("other decisions or `cannot` part them"),
        "{review:?}"
    );
    // by their lines in the files
    let told = review[0].concat();
    let colliding = ["april.csv:2", "april.csv:3", "march.csv:3"];
    assert!(
        colliding
            .iter()
            .all(|row| told.contains(&format!("stewardship/{row}"))),
        "{review:?}"
    );
    collisions_are_told(&club, &review[0], &colliding, &said.stdout);

    // the latest decision of a pair counts
    decide(
        &club,
        "may.csv",
        "2026-05-01",
        &[
            ("y2", "y1", "same"),
            ("z1", "z3", "cannot say"),
            ("z1", "z2", ""),
        ],
    );
    club.kilde(&["build"]).ended(0);
    assert_eq!(
        (people_of("'y1', 'y2'"), people_of("'z1', 'z2', 'z3'")),
        ("1".into(), "1".into())
    );

    decide(&club, "june.csv", "2026-06-01", &[("y2", "y1", "perhaps")]);
    let said = club.kilde(&["build"]).ended(1);
    let all = said.stdout + &said.stderr;
    assert!(
        all.contains("K0855") && all.contains("1 rows of `stewardship.decisions`"),
        "{all}"
    );
}

#[test]
fn a_night_is_matched_by_increment_and_gives_what_all_records_give() {
    let first = people(0, 90);
    let (club, twin) = (with_stewards(&first), with_stewards(&first));
    let row = |key: &str, family: &str, email: &str| {
        format!("{key},Tora,{family},1971-05-06,{email}@mail.example,SE\n")
    };
    let halves = row("x1", "Nygaard", "sol.1x") + &row("x2", "Solheim", "maane.2x");
    let bridge = row("x3", "Solheim", "sol.1x");
    let without = |rows: &str, key: &str| -> String {
        let lines = rows.lines().filter(|line| !line.starts_with(key));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let moved = without(&first, "p003a") + &row("p003a", "Ask", "elsewhere.3x");
    // what came, and what the build says of it
    let nights = [
        (first.clone() + &halves + &people(90, 92), "records 5 new;"),
        (
            moved.clone() + &halves + &bridge,
            "records 1 new, 1 changed, 3 gone;",
        ),
        (moved.clone() + &halves + &bridge, "records as they were;"),
        (without(&moved, "p004") + &bridge, "records 4 gone;"),
    ];
    let build = |club: &Sandbox, day: usize, how: &[&str]| {
        let day = format!("2026-03-{day:02}");
        let command = [&["build", "--as-of", &day], how].concat();
        club.kilde(&command).ended(0).stdout
    };
    for club in [&club, &twin] {
        build(club, 1, &[]);
    }
    for ((rows, told), day) in nights.iter().zip(2..) {
        for club in [&club, &twin] {
            seed(club, rows);
            if day == 4 {
                decide(club, "d.csv", "2026-03-04", &[("p000a", "p001a", "same")]);
            }
        }
        let said = build(&club, day, &["--threads", "1"]);
        assert!(said.contains(told), "{day}: {said}");
        let said = build(&twin, day, &["--full-refresh"]);
        assert!(!said.contains("increment"), "{said}");
        assert_eq!(club.digests(), twin.digests(), "night {day}");
    }
    // ids keep, and records go back: there is nothing to go on from
    club.kilde(&["rollback", "2"]).ended(0);
    club.kilde(&["resume"]).ended(0);
    seed(&club, &(nights[3].0.clone() + &people(95, 96)));
    assert!(!build(&club, 7, &[]).contains("increment"));
}

#[test]
fn the_review_is_a_spreadsheet_and_a_page_without_weights_and_comes_back_as_decisions() {
    let mut rows = people(0, 60);
    rows.push_str("=z1,Liv,Aakre,1950-01-01,<one>@mail.example,SE\n");
    rows.push_str("z2,Liv,Aakre,1950-09-19,@SUM(A1),SE\n");
    let club = with_stewards(&rows);
    let said = club.kilde(&["review"]).ended(2);
    assert!(said.stderr.contains("kilde build"), "{}", said.stderr);
    let written = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    // wide enough for something to wait
    let wide = written.replace(
        ", decisions:",
        ", decide: {same_from: 30, review_from: -40}, decisions:",
    );
    club.write("pipelines/club.yaml", wide);
    club.kilde(&["build"]).ended(0);
    let waiting: usize = value(&club, "select count(*) from identity.people_review")
        .parse()
        .unwrap();
    assert!(waiting > 0);
    let said = club.kilde(&["review", "--csv", "review.csv"]).ended(0);
    assert_eq!(
        said.stdout,
        format!("review.csv written: {waiting} pairs to decide on\n")
    );
    let csv = fs::read_to_string(club.path("review.csv")).unwrap();
    let header = "\u{feff}record_id,other_record_id,decision,decided_by,decided_on,note,given_name,other given_name,";
    assert!(csv.starts_with(header), "{csv}");
    assert_eq!(csv.lines().count(), waiting + 1);
    // nothing that a spreadsheet would compute
    assert!(csv.contains("'=z1,") && csv.contains("'@SUM(A1)"), "{csv}");
    assert!(
        !csv.contains(",=") && !csv.contains(",@") && !csv.contains("\n="),
        "{csv}"
    );
    club.kilde(&["review", "identity.people_review", "--html", "review.html"])
        .ended(0);
    let page = fs::read_to_string(club.path("review.html")).unwrap();
    assert_eq!(page.matches("<section class=pair").count(), waiting);
    assert!(!page.contains("<one>") && !page.contains("http"), "{page}");
    assert_eq!(page.matches("<p class=told hidden>").count(), waiting);

    // every pair is the same person, says the steward who returns the file
    club.write(
        "schemas/stewardship/decisions.yaml",
        "description: What stewards decided of pairs of records.
columns:
  - {name: record_id, data_type: varchar}
  - {name: other_record_id, data_type: varchar}
  - {name: decision, data_type: varchar}
  - {name: decided_on, data_type: date}
",
    );
    let returned: String = csv
        .lines()
        .map(|line| {
            let mut cells: Vec<&str> = line.split(',').collect();
            if cells[2].is_empty() {
                cells[2] = "same";
            }
            // as an Excel of the north saves it
            cells.join(";") + "\n"
        })
        .collect();
    club.write("exports/stewardship/review.csv", returned);
    club.kilde(&["build"]).ended(0);
    assert_eq!(
        value(&club, "select count(*) from identity.people_review"),
        "0"
    );
    let said = club.kilde(&["review"]).ended(0);
    assert!(
        said.stdout.contains("0 pairs to decide on"),
        "{}",
        said.stdout
    );
}

/// What a spreadsheet saves of a cell that it reads: of a number its first fifteen digits, without zeros before them.
fn saved_by_a_spreadsheet(cell: &str) -> String {
    let is_number = !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
    match is_number {
        true if cell.len() > 15 => format!("{},{}E+{}", &cell[..1], &cell[1..6], cell.len() - 1),
        true => cell.trim_start_matches('0').to_string(),
        false => cell.to_string(),
    }
}

#[test]
fn decisions_come_back_from_a_spreadsheet_that_would_write_their_keys_anew_and_a_wrong_key_is_told()
{
    let mut rows = people(0, 60);
    rows.push_str("00100708,Liv,Aakre,1950-01-01,one@mail.example,SE\n");
    rows.push_str("9752128217029438,Liv,Aakre,1988-09-09,two@mail.example,SE\n");
    let club = with_stewards(&rows);
    let narrow = club.read("pipelines/club.yaml");
    let wide = narrow.replace(
        ", decisions:",
        ", decide: {same_from: 30, review_from: -40}, decisions:",
    );
    club.write("pipelines/club.yaml", wide);
    club.kilde(&["build"]).ended(0);
    club.kilde(&["review", "--csv", "review.csv"]).ended(0);
    club.write("pipelines/club.yaml", narrow);
    let csv = club.read("review.csv");
    let of_liv = |line: &&str| line.contains("00100708") && line.contains("9752128217029438");
    let keys = csv.lines().find(of_liv).expect("they are asked about");
    let keys: Vec<String> = keys
        .split(',')
        .take(2)
        .map(saved_by_a_spreadsheet)
        .collect();
    decide(
        &club,
        "liv.csv",
        "2026-03-01",
        &[(&keys[0], &keys[1], "same")],
    );
    let built = club.kilde(&["build"]).ended(0).stdout;
    assert!(!built.contains("K0871"), "{built}");
    let people = "select count(distinct entity_id) from identity.people where record_id in ('00100708', '9752128217029438')";
    assert_eq!(value(&club, people), "1");

    // of a key that nobody guarded a spreadsheet makes another
    decide(
        &club,
        "by_hand.csv",
        "2026-03-02",
        &[
            ("p001a", "100708", "same"),
            ("p001a", "100709", "different"),
        ],
    );
    let built = club.kilde(&["build"]).ended(0).stdout;
    let told = "2 decisions name a record that is not there, the first in stewardship/by_hand.csv:2 (K0871)";
    assert!(built.contains(told), "{built}");
}

#[test]
fn why_adds_up_the_evidence_of_a_pair_and_shows_how_a_person_was_put_together() {
    let mut rows = people(0, 60);
    rows.push_str(&record(1, "c", false));
    let club = sandbox(
        ", cannot: [country]",
        &(rows.clone() + &record(2, "c", false).replace(",SE", ",NO")),
    );
    club.kilde(&["build"]).ended(0);
    let said = club.kilde(&["why", "p001a", "p001b"]).ended(0).stdout;
    assert!(said.starts_with("one person c_"), "{said}");
    for words in [
        "family_name alike",
        "birth_date equal",
        "together",
        "compared since they agree on",
        "Bergh",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let json = club
        .kilde(&["why", "p001b", "p001a", "--json"])
        .ended(0)
        .stdout;
    let story: serde_json::Value = serde_json::from_str(&json).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let told = story["comparisons"].as_array().unwrap().iter();
    let told: f64 = told
        .map(|told| number(&told["bits"]) + number(&told["rarity"]))
        .sum();
    let sum = number(&story["start"]) + told + number(&story["household"]);
    assert!((sum - number(&story["weight"])).abs() < 1e-9, "{story}");
    let edge = "select weight from identity.people_edges where record_id = 'p001a' and other_record_id = 'p001b'";
    let edge: f64 = value(&club, edge).parse().unwrap();
    assert!(
        (edge - number(&story["weight"])).abs() < 1e-3,
        "{edge} {story}"
    );
    assert_eq!(story["one"]["id"], story["other"]["id"]);

    let said = club.kilde(&["why", "p003a", "p004a"]).ended(0).stdout;
    assert!(
        said.starts_with("two persons c_") && said.contains("no blocking rule"),
        "{said}"
    );
    let said = club.kilde(&["why", "p002a", "p002c"]).ended(0).stdout;
    assert!(
        said.contains("the weight does not count: `cannot`"),
        "{said}"
    );

    let id = value(
        &club,
        "select entity_id from identity.people where record_id = 'p001a'",
    );
    let said = club.kilde(&["why", &id]).ended(0).stdout;
    assert!(said.starts_with(&format!("{id}: 3 records\n")), "{said}");
    assert!(
        said.contains("#2") && said.contains("weakest bridge: #"),
        "{said}"
    );
    club.kilde(&["why", "p001a", "p001b", "--html", "why.html"])
        .ended(0);
    let page = fs::read_to_string(club.path("why.html")).unwrap();
    assert!(
        page.contains("<svg") && page.contains("start: two random records"),
        "{page}"
    );

    let said = club.kilde(&["why", "p001a", "nobody"]).ended(2).stderr;
    assert!(
        said.contains("no record goes by the second name") && !said.contains("nobody"),
        "{said}"
    );
    let said = club
        .kilde(&["why", "c_00000000000000000000"])
        .ended(2)
        .stderr;
    assert!(
        said.contains("no record has, or ever had, the id"),
        "{said}"
    );
    for name in ["c_0000000000", "crm:10000"] {
        let said = club.kilde(&["why", name]).ended(2).stderr;
        assert!(said.contains("no id or record goes by that name"), "{said}");
        assert!(!said.contains(name), "{said}");
    }

    // the person leaves
    let left: Vec<&str> = rows
        .lines()
        .filter(|line| !line.starts_with("p001"))
        .collect();
    seed(&club, &(left.join("\n") + "\n"));
    club.kilde(&["build"]).ended(0);
    let said = club.kilde(&["why", &id]).ended(0).stdout;
    assert!(said.contains("is retired"), "{said}");
}

#[test]
fn of_several_match_steps_the_one_that_knows_the_name_is_asked() {
    let club = sandbox("", &people(0, 60));
    let one = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    let homes =
        "  - match: {table: identity.homes, records: ref.homes, record_key: [source, home_id]}\n";
    club.write("pipelines/club.yaml", one + homes);
    let contract = CONTRACT
        .replace("key: [record_id]", "key: [source, home_id]")
        .replace("name: record_id", "name: home_id");
    let contract = contract + "  - {name: source, data_type: varchar}\n";
    club.write("schemas/ref/homes.yaml", contract);
    let header = "home_id,given_name,family_name,birth_date,email,country,source\n";
    let rows = people(0, 60);
    let rows: String = rows.lines().map(|line| format!("{line},crm\n")).collect();
    club.write("seeds/ref/homes.csv", format!("{header}{rows}"));
    club.kilde(&["build"]).ended(0);

    let said = club.kilde(&["why", "p001a", "p001b"]).ended(0).stdout;
    assert!(said.starts_with("one person c_"), "{said}");
    let said = club.kilde(&["why", "crm:p001a"]).ended(0).stdout;
    assert!(
        said.contains("kilde why crm:p001a crm:p001b --match identity.homes"),
        "{said}"
    );
    let id = value(
        &club,
        "select entity_id from identity.homes where home_id = 'p002a'",
    );
    let said = club.kilde(&["why", &id]).ended(0).stdout;
    assert!(said.contains("crm:p002b"), "{said}");
    let said = club
        .kilde(&["why", "crm:p001a", "crm:nobody"])
        .ended(2)
        .stderr;
    assert!(
        said.contains("no id or record goes by the second name") && !said.contains("crm:nobody"),
        "{said}"
    );
    let said = club.kilde(&["why", "crm:p001a", "p001a"]).ended(2).stderr;
    assert!(said.contains("records of different match steps"), "{said}");
    let said = club.kilde(&["review"]).ended(2).stderr;
    assert!(
        said.contains("behind the command: identity.homes, identity.people"),
        "{said}"
    );
    let said = club
        .kilde(&["match", "evaluate", "identity.homes"])
        .ended(0)
        .stdout;
    assert!(
        said.contains("`kilde review identity.homes --sample 100"),
        "{said}"
    );
}

#[test]
fn a_match_is_judged_against_a_truth_and_by_what_people_decided() {
    let club = with_stewards(&people(0, 60));
    decide(
        &club,
        "march.csv",
        "2026-03-01",
        &[("p001a", "p001b", "same"), ("p002a", "p002b", "same")],
    );
    club.kilde(&["build"]).ended(0);
    let keys = club.query("select record_id from identity.people order by record_id");
    let mut truth = "person,record_id\n".to_string();
    for key in keys.concat() {
        // one record is said to be of somebody else
        let person = if key == "p004b" { "p999" } else { &key[..4] };
        let _ = writeln!(truth, "{person},{key}");
    }
    truth.push_str("p888,gone\n,gone\n");
    club.write("truth.csv", truth);
    let json = club
        .kilde(&["match", "evaluate", "--truth", "truth.csv", "--json"])
        .ended(0)
        .stdout;
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    // 40 people have two records, and one of these pairs is said to be wrong
    let truth = &found["truth"];
    let near = |value: &serde_json::Value, expected: f64| {
        assert!(
            (value.as_f64().unwrap() - expected).abs() < 1e-9,
            "{value} {expected}"
        );
    };
    near(&truth["pairs"]["precision"], 39.0 / 40.0);
    near(&truth["pairs"]["recall"], 1.0);
    near(&truth["b_cubed"]["precision"], 99.0 / 100.0);
    assert_eq!(truth["exact"], 59);
    assert_eq!(truth["mixed"], 1);
    assert_eq!(truth["unknown_records"], 1);
    assert_eq!(truth["without_person"], 1);
    assert!(
        found["judged"].is_null(),
        "what stewards chose to decide is no random sample"
    );
    let said = club
        .kilde(&[
            "match",
            "evaluate",
            "identity.people",
            "--truth",
            "truth.csv",
        ])
        .ended(0)
        .stdout;
    let pairs = said
        .lines()
        .find(|line| line.trim_start().starts_with("pairs "));
    let pairs: Vec<&str> = pairs.unwrap_or_default().split_whitespace().collect();
    assert_eq!(pairs, ["pairs", "0.9750", "1.0000", "0.9873"], "{said}");
    assert!(
        said.contains("nobody judged pairs drawn at random"),
        "{said}"
    );
    assert!(
        said.matches("(now)").count() == 1
            && said.contains("compared pairs from 1.25 bits on (now)"),
        "{said}"
    );
    club.kilde(&["match", "evaluate", "--html", "match.html"])
        .ended(0);
    let page = fs::read_to_string(club.path("match.html")).unwrap();
    assert!(
        page.contains("Pairs of blocking rules")
            && page.contains("<th>birth_date</th><td>equal</td>"),
        "{page}"
    );

    club.write("other.csv", "record,person\na,b\n");
    let said = club
        .kilde(&["match", "evaluate", "--truth", "other.csv"])
        .ended(2)
        .stderr;
    assert!(
        said.contains("they must be record_id and one that names the person"),
        "{said}"
    );
}

#[test]
fn a_match_is_judged_by_source_where_the_first_part_of_its_key_names_some_few() {
    for (key, sources) in [("country, record_id", 2), ("record_id, country", 0)] {
        let rows = people(0, 60).replacen("mail.example,SE", "mail.example,NO", 9);
        let club = sandbox("", &rows);
        let step = format!(
            "steps:\n  - match: {{table: identity.people, records: ref.people, record_key: [{key}]}}\n"
        );
        club.write("pipelines/club.yaml", step);
        club.kilde(&["build"]).ended(0);
        let keys = club.query("select record_id, country from identity.people");
        let mut truth = "record_id,country,person\n".to_string();
        for row in keys {
            let _ = writeln!(truth, "{},{},{}", row[0], row[1], &row[0][..4]);
        }
        club.write("truth.csv", truth);
        let json = club.kilde(&["match", "evaluate", "--truth", "truth.csv", "--json"]);
        let found: serde_json::Value = serde_json::from_str(&json.ended(0).stdout).unwrap();
        let by_source = found["truth"]["by_source"].as_array().unwrap();
        assert_eq!(by_source.len(), sources, "{by_source:?}");
        assert_eq!(found["truth"]["records"], 100);
    }
}

#[test]
fn why_says_that_must_is_silent_about_a_value_that_too_many_share() {
    let mut rows = people(0, 60);
    for n in 0..25_u8 {
        let sign = char::from(b'a' + n);
        let given = format!("{}{sign}ol{sign}", sign.to_uppercase());
        let _ = writeln!(
            rows,
            "s{n:02},{given},Sund,19{:02}-{:02}-{:02},desk@shop.example,SE",
            50 + n,
            1 + n % 12,
            3 + n,
        );
    }
    let club = sandbox(", must: [email]", &rows);
    club.kilde(&["build"]).ended(0);
    let said = club.kilde(&["why", "s01", "s02"]).ended(0).stdout;
    let silent = "`must: [email]` says nothing here: more people share the value than one has";
    assert!(
        said.starts_with("two persons") && said.contains(silent),
        "{said}"
    );
    assert!(!said.contains("the weight does not count"), "{said}");
    let said = club.kilde(&["why", "p001a", "p001b"]).ended(0).stdout;
    assert!(
        said.contains("the weight does not count: `must`") && !said.contains(silent),
        "{said}"
    );
}

#[test]
fn a_truth_that_cannot_be_read_is_refused_where_it_breaks_and_no_person_is_shown() {
    let club = sandbox("", &people(0, 60));
    club.kilde(&["build"]).ended(0);
    let evaluate = ["match", "evaluate", "--truth", "truth.csv", "--json"];
    let refused = |truth: &str| {
        club.write("truth.csv", truth);
        let said = club.kilde(&evaluate).ended(2);
        for personal in ["p001", "Anna", "Lind"] {
            assert!(!said.stderr.contains(personal), "{}", said.stderr);
        }
        said.stderr
    };
    let rows = "p001a,Anna 1\np001b,\"Anna 1\np002a,Anna 2\np002b,Anna 2\n";
    let said = refused(&format!("record_id,person\n{rows}"));
    insta::assert_snapshot!(said, @r"
    error[K0870]: a quote opens in column `person` and does not close where the cell ends
      --> truth.csv:3
    help: a cell in double quotes has a double quote before it and one behind it; one within it stands twice
    ");
    let said = refused("record_id,person\np001a,\"Anna 1\np001b,Anna\"\np002a,Anna 2\n");
    insta::assert_snapshot!(said, @r"
    error[K0870]: a quote opens in column `person` and closes some lines further down
      --> truth.csv:2
    help: no key and no person has a line break in it: close the quote where the cell ends
    ");
    // without a header the first record stands in its place
    let said = refused("p001a,Anna Lind\np001b,Anna Lind\n");
    insta::assert_snapshot!(said, @r"
    error[K0870]: the truth has 2 columns, and no column `record_id`
      --> truth.csv
    help: its first line names its columns: they must be record_id and one that names the person
    ");
    let said = refused("record_id,person\np001a,Anna\np001a,Lind\n");
    insta::assert_snapshot!(said, @r"
    error[K0870]: this row of the truth names another person for a record than a row before it
      --> truth.csv:3
    help: a record is of one person: leave out the row that is wrong, or both
    ");

    // as a spreadsheet of the north saves it
    club.write(
        "truth.csv",
        "\u{feff}person;record_id\r\nAnna;p001a\r\nAnna;p001b\r\n\"Lind; Eva\";p002a\r\n",
    );
    let said = club.kilde(&evaluate).ended(0).stdout;
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&found["truth"]["records"], &found["truth"]["people"]),
        (&3.into(), &2.into())
    );
}

#[test]
fn a_plan_counts_the_pairs_of_each_rule_and_refuses_an_explosion() {
    let mut rows = String::new();
    for person in 0..1200 {
        rows.push_str(&record(person, "a", false));
    }
    let club = sandbox(", block: [[email], [family_name, birth_date]]", &rows);
    club.kilde(&["build"]).ended(0);
    let said = club.kilde(&["plan"]).ended(0).stdout;
    assert!(!said.contains("pairs"), "nothing to do: {said}");
    let written = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    let with = |block: &str| {
        club.write(
            "pipelines/club.yaml",
            written.replace("block: [[email]", block),
        )
    };
    with("block: [[given_name, birth_date], [email]");
    let said = club.kilde(&["plan"]).ended(0).stdout;
    assert!(said.contains("identity.people: 1,200 records, "), "{said}");
    assert!(said.contains("pairs of at most 200,000,000"), "{said}");
    let line = said
        .lines()
        .find(|line| line.contains("given_name, birth_date"))
        .unwrap();
    assert!(
        line.contains(" new") && line.contains("largest block"),
        "{said}"
    );
    with("block: [[country], [email]");
    let said = club.kilde(&["plan"]).ended(2);
    assert!(said.stdout.contains("719,400 pairs"), "{}", said.stdout);
    assert!(
        said.stderr.contains("(country) would make 719400 pairs, 100 % of them from one value that 1200 records share"),
        "{}",
        said.stderr
    );
}

/// A person in three sources, among others.
fn golden(fields: &str) -> Sandbox {
    let club = sandbox("", "");
    club.write(
        "schemas/ref/people.yaml",
        CONTRACT.to_string()
            + "  - {name: source, data_type: varchar}
  - {name: changed_on, data_type: date}
  - {name: is_verified, data_type: boolean}
  - {name: street, data_type: varchar}
  - {name: postcode, data_type: varchar}
",
    );
    let mut rows = "record_id,given_name,family_name,birth_date,email,country,source,changed_on,is_verified,street,postcode\n".to_string();
    for line in people(0, 60).lines() {
        let _ = writeln!(rows, "{line},crm,2026-01-01,false,,");
    }
    rows.push_str(
        "g1,Tora,Nygaard,1971-05-06,old@mail.example,SE,crm,2026-01-01,true,Storgatan 1,\n",
    );
    rows.push_str(
        "g2,Thora,Nygaard,1971-05-06,new@mail.example,SE,web,2026-02-01,false,Lillgatan 2,11122\n",
    );
    rows.push_str(
        "g3,Tora,Nygaard,1971-05-06,old@mail.example,SE,pos,2025-01-01,false,Storgatan 1,11120\n",
    );
    club.write("seeds/ref/people.csv", rows);
    let written = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    let step = format!(
        "  - golden:\n      table: silver.known\n      of: identity.people\n      fields:\n{fields}"
    );
    club.write("pipelines/club.yaml", written + &step);
    club
}

#[test]
fn a_golden_record_takes_each_field_by_its_rules_and_says_which_record_gave_it() {
    let club = golden(
        "        - {columns: [given_name, family_name], rules: {trusted: {column: source, order: [crm, web]}}}
        - {columns: email, rules: [{verified: is_verified}, {newest: changed_on}]}
        - {columns: [street, postcode], rules: [most_complete, {newest: changed_on}]}
        - {columns: birth_date}
        - {columns: changed_on, rules: smallest}
",
    );
    // described, tested and tried like any table
    let contract = |key: &str| {
        let text = format!(
            "description: What is known best.\nkey: [{key}]\nunit_tests:\n  \
             - name: the_newest_address_wins\n    given:\n      ref.people:\n        \
             - {{record_id: a, email: old@mail.example, changed_on: 2025-01-01}}\n        \
             - {{record_id: b, email: new@mail.example, changed_on: 2026-01-01}}\n      \
             identity.people: [{{record_id: a, entity_id: c_a}}, {{record_id: b, entity_id: c_a}}]\n    \
             expect: [{{entity_id: c_a, email: new@mail.example}}]\n"
        );
        club.write("schemas/silver/known.yaml", text);
    };
    contract("person");
    let said = club.kilde(&["check"]).ended(2).stderr;
    assert!(said.contains("has no column `person`"), "{said}");
    contract("entity_id");
    let said = club.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("1 unit test"), "{}", said.stdout);
    let id = value(
        &club,
        "select entity_id from identity.people where record_id = 'g1'",
    );
    let one = "select count(*) = (select count(distinct entity_id) from identity.people) from silver.known";
    assert_eq!(value(&club, one), "true");
    let row = club.query(&format!(
        "select given_name, family_name, email, street, postcode, birth_date, changed_on from silver.known where entity_id = '{id}'"
    ));
    let expected = [
        "Tora",
        "Nygaard",
        "old@mail.example",
        "Lillgatan 2",
        "11122",
        "1971-05-06",
        "2025-01-01",
    ];
    assert_eq!(row, [expected.map(String::from)]);
    let sources = club.query(&format!(
        "select field, value, record_id, rule, array_to_string(lost_values, ';'), is_conflict
        from silver.known_sources where entity_id = '{id}' and field in ('email', 'birth_date', 'changed_on') order by field"
    ));
    let expected = [
        ["birth_date", "1971-05-06", "g1", "only value", "", "false"],
        [
            "changed_on",
            "2025-01-01",
            "g3",
            "smallest",
            "2026-01-01;2026-02-01",
            "false",
        ],
        [
            "email",
            "old@mail.example",
            "g1",
            "verified",
            "new@mail.example",
            "false",
        ],
    ];
    assert_eq!(sources, expected.map(|row| row.map(String::from).to_vec()));
    let address = "select rule from silver.known_sources where field = 'street, postcode' and record_id = 'g2'";
    assert_eq!(value(&club, address), "newest");
    let before = club.objects();
    club.kilde(&["build"]).ended(0);
    assert_eq!(club.objects(), before);
}

#[test]
fn a_golden_record_lists_and_sums_what_all_records_say_and_shows_what_no_rule_decides() {
    let club = golden(
        "        - {columns: given_name, rules: {oldest: birth_date}}
        - {columns: email, take: list, as: emails}
        - {columns: changed_on, take: min, as: known_since_on}
        - {columns: changed_on, take: max}
        - {columns: record_id, take: count, as: records_count}
        - {columns: is_verified, take: any}
        - {columns: is_verified, take: all, as: is_verified_everywhere}
",
    );
    club.kilde(&["build"]).ended(0);
    let id = "(select entity_id from identity.people where record_id = 'g1')";
    let row = club.query(&format!(
        "select given_name, array_to_string(emails, ';'), known_since_on, changed_on, records_count, is_verified,
            is_verified_everywhere from silver.known where entity_id = {id}"
    ));
    let expected = [
        "Thora",
        "old@mail.example;new@mail.example",
        "2025-01-01",
        "2026-02-01",
        "3",
        "true",
        "false",
    ];
    assert_eq!(row, [expected.map(String::from)]);
    let review = club.query(&format!(
        "select field, value, record_id, other_value, other_record_id, reason from silver.known_review where entity_id = {id}"
    ));
    let expected = [
        "given_name",
        "Thora",
        "g2",
        "Tora",
        "g1",
        "no rule tells them apart",
    ];
    assert_eq!(review, [expected.map(String::from)]);
}

#[test]
fn what_a_steward_corrects_wins_in_the_golden_record_until_the_records_say_so_too() {
    let club = golden(
        "        - {columns: [given_name, family_name], rules: {trusted: {column: source, order: [crm, web]}}}
        - {columns: email, rules: {newest: changed_on}}
        - {columns: birth_date}
      corrections: stewardship.corrections
",
    );
    let written = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    let source =
        "sources:\n  - {table: stewardship.corrections, files: 'stewardship/*.csv', read: csv}\n";
    club.write("pipelines/club.yaml", source.to_string() + &written);
    let contract = "description: What people know better.
rollback: keeps
columns:
  - {name: record_id, data_type: varchar}
  - {name: field, data_type: varchar}
  - {name: value, data_type: varchar}
  - {name: corrected_on, data_type: date}
";
    club.write(
        "schemas/stewardship/corrections.yaml",
        contract.replace("corrected_on", "corrected"),
    );
    let said = club.kilde(&["check"]).ended(2).stderr;
    assert!(
        said.contains("K0860") && said.contains("lacks `corrected_on`"),
        "{said}"
    );
    club.write("schemas/stewardship/corrections.yaml", contract);
    let correct = |file: &str, day: &str, rows: &[(&str, &str, &str)]| {
        let mut text = "record_id,field,value,corrected_on\n".to_string();
        for (record, field, value) in rows {
            let _ = writeln!(text, "{record},{field},{value},{day}");
        }
        club.write(&format!("exports/stewardship/{file}"), text);
    };
    correct(
        "march.csv",
        "2026-03-01",
        &[
            ("g1", "email", "right@mail.example"),
            ("g3", "Birth_Date", "1971-06-05"),
            ("g2", "given_name", ""),
            ("g2", "shoe_size", "44"),
            ("p001a", "birth_date", "soon"),
            ("gone", "email", "nobody@mail.example"),
        ],
    );
    club.kilde(&["build"]).ended(0);
    let id = "(select entity_id from identity.people where record_id = 'g1')";
    let known = format!(
        "select coalesce(given_name, '-'), family_name, email, birth_date from silver.known where entity_id = {id}"
    );
    let expected = ["-", "Nygaard", "right@mail.example", "1971-06-05"];
    assert_eq!(club.query(&known), [expected.map(String::from)]);
    let source = club.query(&format!(
        "select value, coalesce(record_id, '-'), rule, array_to_string(lost_values, ';') from silver.known_sources
        where entity_id = {id} and field = 'email'"
    ));
    let lost = "new@mail.example;old@mail.example";
    let expected = ["right@mail.example", "-", "corrected", lost];
    assert_eq!(source, [expected.map(String::from)]);
    let reasons = "select field, coalesce(record_id, other_value), reason from silver.known_review
        where field in ('shoe_size', 'birth_date', 'email') and reason like '%correction%' order by field, reason";
    let unusable = club.query(reasons);
    let no_value = [
        "birth_date",
        "p001a",
        "the correction is no value of the field's type",
    ];
    let no_field = [
        "shoe_size",
        "g2",
        "the correction is of no field of which the best value is taken",
    ];
    let no_record = [
        "email",
        "gone",
        "the correction names no record: other_value is the key that it says",
    ];
    assert_eq!(
        unusable,
        [no_value, no_record, no_field].map(|row| row.map(String::from))
    );

    // a later one wins, a rebuild from scratch changes nothing, and one that the records say too is told
    correct(
        "april.csv",
        "2026-04-01",
        &[
            ("g2", "email", "new@mail.example"),
            ("g2", "given_name", "Tora"),
        ],
    );
    club.kilde(&["build", "--full-refresh"]).ended(0);
    let expected = ["Tora", "Nygaard", "new@mail.example", "1971-06-05"];
    assert_eq!(club.query(&known), [expected.map(String::from)]);
    let told = club.query(reasons);
    assert!(told.len() == 4 && told[2][2].contains("can go"), "{told:?}");

    // a comparison shows nobody's values, neither of the golden record nor of what stands beside it
    for table in [
        "silver.known",
        "silver.known_sources",
        "silver.known_review",
    ] {
        let said = club.kilde(&["diff", "--rows", table]).ended(0).stdout;
        assert!(said.contains('‹'), "{said}");
        for value in ["@mail.example", "Tora", "Nygaard", "1971-0"] {
            assert!(!said.contains(value), "{table} shows {value}: {said}");
        }
    }
}

/// A golden record over corrections whose files say when they landed.
fn corrected_golden() -> Sandbox {
    let club = golden(
        "        - {columns: email, rules: {newest: changed_on}}
        - {columns: birth_date}
      corrections: stewardship.corrections
",
    );
    let written = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    let source = "sources:\n  - {table: stewardship.corrections, files: 'stewardship/{landed:%d%m%Y}.csv', read: csv}\n";
    club.write("pipelines/club.yaml", source.to_string() + &written);
    club.write(
        "schemas/stewardship/corrections.yaml",
        "description: What people know better.
rollback: keeps
columns:
  - {name: record_id, data_type: varchar}
  - {name: field, data_type: varchar}
  - {name: value, data_type: varchar}
  - {name: corrected_on, data_type: date}
  - {name: landed, data_type: date}
",
    );
    club
}

#[test]
fn a_correction_that_cannot_be_read_hides_no_older_one_of_the_same_field() {
    let club = corrected_golden();
    club.write(
        "exports/stewardship/01032026.csv",
        "record_id,field,value,corrected_on\ng1,birth_date,1971-06-05,2026-03-01\ng1,birth_date,soon,2026-03-02\n",
    );
    club.kilde(&["build"]).ended(0);
    let id = "entity_id = (select entity_id from identity.people where record_id = 'g1')";
    let known = format!("select birth_date from silver.known where {id}");
    assert_eq!(value(&club, &known), "1971-06-05");
    let told = format!(
        "select \"value\", reason from silver.known_review where {id} and reason like '%correction%'"
    );
    let expected = ["soon", "the correction is no value of the field's type"];
    assert_eq!(club.query(&told), [expected.map(String::from)]);
    // a later one that can be read settles it
    club.write(
        "exports/stewardship/03032026.csv",
        "record_id,field,value,corrected_on\ng2,birth_date,1971-06-07,2026-03-03\n",
    );
    club.kilde(&["build"]).ended(0);
    assert_eq!(value(&club, &known), "1971-06-07");
    assert!(club.query(&told).is_empty());
}

#[test]
fn of_two_corrections_of_a_person_on_one_day_the_one_that_landed_last_stands_and_the_other_is_told()
{
    let club = corrected_golden();
    let say = |day: &str, row: &str| {
        let text = format!("record_id,field,value,corrected_on\n{row}\n");
        club.write(&format!("exports/stewardship/{day}.csv"), text);
    };
    // neither the smallest value nor the last path
    say("28022026", "g1,email,a@mail.example,2026-02-20");
    say("01032026", "g2,email,b@mail.example,2026-02-20");
    club.kilde(&["build"]).ended(0);
    let id = "entity_id = (select entity_id from identity.people where record_id = 'g1')";
    let known = format!("select email from silver.known where {id}");
    assert_eq!(value(&club, &known), "b@mail.example");
    let told = format!(
        "select \"value\", record_id, other_value, other_record_id, reason from silver.known_review
         where {id} and reason like '%correction%'"
    );
    let expected = [
        "b@mail.example",
        "g2",
        "a@mail.example",
        "g1",
        "two corrections of one day contradict each other: the one that landed last stands",
    ];
    assert_eq!(club.query(&told), [expected.map(String::from)]);
    say("04032026", "g3,email,b@mail.example,2026-03-03");
    club.kilde(&["build"]).ended(0);
    assert_eq!(value(&club, &known), "b@mail.example");
    assert!(club.query(&told).is_empty());
}

#[test]
fn a_golden_record_of_what_is_not_there_is_refused_where_it_is_written() {
    let club = golden(
        "        - {columns: [given_name, famly_name]}
        - {columns: [email], rules: {newest: changed}}
        - {columns: [email, entity_id]}
",
    );
    let said = club.kilde(&["check"]).ended(2).stderr;
    assert!(
        said.contains("`email` is in the golden record twice"),
        "{said}"
    );
    assert!(
        said.contains("`entity_id` is in the golden record twice"),
        "{said}"
    );
    let written = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    club.write(
        "pipelines/club.yaml",
        written.replace("        - {columns: [email, entity_id]}\n", ""),
    );
    let said = club.kilde(&["check"]).ended(2).stderr;
    assert!(
        said.contains("pipelines/club.yaml:7:34") && said.contains("famly_name"),
        "{said}"
    );
}

const COMPANIES: &str = "description: Companies as two registers know them.
key: [company_id]
columns:
  - {name: company_id, data_type: varchar}
  - {name: register, data_type: varchar}
  - {name: company, data_type: varchar}
  - {name: employees, data_type: bigint}
  - {name: postcode, data_type: varchar}
  - {name: latitude, data_type: double}
  - {name: longitude, data_type: double}
  - {name: founded_on, data_type: date}
";

/// Companies in two registers: the second writes the name otherwise, counts other employees and knows the neighbour's
/// postcode.
fn companies() -> String {
    let mut lines =
        "company_id,register,company,employees,postcode,latitude,longitude,founded_on\n"
            .to_string();
    for company in 0..120 {
        let (first, second) = (FAMILY[company % 16], GIVEN[company / 16 % 12]);
        let (staff, code) = (20 + company * 37 % 400, 11100 + company * 7 % 900);
        let (lat, lon) = (55.0 + company as f64 / 20.0, 12.0 + company as f64 / 30.0);
        let founded = format!("19{:02}-{:02}-11", 20 + company % 80, 1 + company % 12);
        let _ = writeln!(
            lines,
            "c{company:03}a,a,{first} {second} AB,{staff},{code},{lat},{lon},{founded}"
        );
        let (staff, code) = (staff + staff / 20, code + usize::from(company % 3 == 0));
        let name = format!("{first}s {second} Aktiebolag");
        let lat = lat + 0.004;
        let _ = writeln!(
            lines,
            "c{company:03}b,b,{name},{staff},{code},{lat},{lon},{founded}"
        );
    }
    lines
}

#[test]
fn other_entities_are_compared_as_the_project_says() {
    let club = Sandbox::with(&[
        ("kilde.yaml", "project: club\nraw: exports/\nlake: lake/\n"),
        ("schemas/ref/companies.yaml", COMPANIES),
        (
            "pipelines/club.yaml",
            r#"steps:
  - match:
      table: identity.company_ids
      records: ref.companies
      record_key: [company_id]
      entity_id: owner_id
      block: [[founded_on], ["substr(company, 1, 3)", "substr(postcode, 1, 4)"]]
      compare:
        - text: {column: company, alike: [0.9, 0.75]}
        - number: {column: employees, within: [10%, 50]}
        - distance: {latitude: latitude, longitude: longitude, within: [1 km, 20 km]}
        - levels: {name: area, equal: [postcode, "substr(postcode, 1, 3)"], term_frequency: false}
        - date: {column: founded_on}
      duplicate_free: {column: register, values: [a]}
"#,
        ),
    ]);
    club.write("seeds/ref/companies.csv", companies());
    club.kilde(&["build"]).ended(0);
    let wrong = "select count(*) from identity.company_ids a join identity.company_ids b on a.company_id < b.company_id
        where (a.owner_id = b.owner_id) <> (substr(a.company_id, 1, 4) = substr(b.company_id, 1, 4))";
    assert_eq!(value(&club, wrong), "0");
    let said = club.query(
        "select agreement from identity.company_ids_edges where company_id = 'c003a' and other_company_id = 'c003b'",
    );
    assert_eq!(
        said[0].join(",").trim_matches('"'),
        "birth_date equal, company alike from 0.9, employees within 10 %, distance within 1 km, \
         area equal substr(postcode, 1, 3)"
    );
    let levels =
        "select count(*) from identity.company_ids_model where part = 'level' and name = 'area'";
    assert_eq!(value(&club, levels), "3");

    // two records that agree in everything are two where their source knows each company once
    let twice = companies()
        + &companies()
            .lines()
            .nth(1)
            .unwrap()
            .replace("c000a", "c999a")
        + "\n";
    club.write("seeds/ref/companies.csv", twice);
    club.kilde(&["build"]).ended(0);
    let two = "select count(distinct owner_id) from identity.company_ids where company_id in ('c000a', 'c999a')";
    assert_eq!(value(&club, two), "2");
}

/// The project of a match whose records are one seed and, where given, a step of SQL over it.
fn of_seed(columns: &[&str], rows: &str, sql: &[(&str, &str)], step: &str) -> Sandbox {
    let club = Sandbox::with(&[("kilde.yaml", "project: club\nraw: exports/\nlake: lake/\n")]);
    let declared: String = columns.iter().fold(String::new(), |mut all, column| {
        let _ = writeln!(all, "  - {{name: {column}, data_type: varchar}}");
        all
    });
    let contract = format!(
        "description: Of a test.\nkey: [{}]\ncolumns:\n{declared}",
        columns[0]
    );
    club.write("schemas/ref/records.yaml", contract);
    club.write(
        "seeds/ref/records.csv",
        format!("{}\n{rows}", columns.join(",")),
    );
    let mut steps = "steps:\n".to_string();
    for (path, text) in sql {
        club.write(&format!("sql/{path}.sql"), text);
        let _ = writeln!(steps, "  - sql: {path}");
    }
    club.write("pipelines/club.yaml", steps + step);
    club
}

/// Pairs of one entity that are right, wrong, and missed, by a column of the seed that tells the truth.
fn hits_and_misses(club: &Sandbox, ids: &str, key: &str, id: &str) -> Vec<u64> {
    let one = format!("a.{id} = b.{id}");
    let row = club.query(&format!(
        "select count(*) filter (where {one} and x.truth = y.truth), count(*) filter (where {one} and x.truth <> y.truth),
            count(*) filter (where not {one} and x.truth = y.truth)
        from {ids} a join {ids} b on a.{key} < b.{key} join ref.records x on x.{key} = a.{key} join ref.records y on y.{key} = b.{key}"
    ));
    row[0].iter().map(|count| count.parse().unwrap()).collect()
}

#[test]
fn companies_are_one_by_number_or_by_name_whatever_legal_form_it_is_written_with() {
    let trades = [
        "Bygg",
        "Papir",
        "Transport",
        "Kaffe",
        "Trä",
        "Motor",
        "Glas",
        "Energi",
    ];
    let mut rows = String::new();
    for company in 0..128 {
        let name = format!("{} {}", FAMILY[company % 16], trades[company / 16]);
        // a number that the other register knows of half of them only
        let first = 5_560_000 + company * 13;
        let weighed: usize = format!("{first:07}99")
            .bytes()
            .zip([2, 1].into_iter().cycle())
            .map(|(digit, weight)| usize::from(digit - b'0') * weight)
            .map(|product| product / 10 + product % 10)
            .sum();
        let number = format!("{first:07}99{}", (10 - weighed % 10) % 10);
        let written = format!("{}-{}", &number[..6], &number[6..]);
        let code = 11_100 + company * 7;
        let _ = writeln!(rows, "c{company:03}a,{name} AB,{written},{code},{company}");
        let other = if company % 2 == 0 {
            number
        } else {
            String::new()
        };
        let form = ["Aktiebolag", "A.B. (publ)", "Ab"][company % 3];
        let _ = writeln!(
            rows,
            "c{company:03}b,{} {form},{other},{code},{company}",
            name.to_uppercase()
        );
    }
    let companies = "-- silver.companies: one row per record.\nselect record_id, company_key(name) as name_key, postcode,
        case when is_valid_national_id(org_no, 'SE') then normalize_national_id(org_no, 'SE') end as org_no from ref.records\n";
    let step = "  - match:
      table: identity.company_ids
      records: silver.companies
      record_key: [record_id]
      entity_id: company_id
      block: [[org_no], [name_key], ['substr(name_key, 1, 4)', postcode]]
      compare:
        - text: {column: name_key, alike: [0.95, 0.88]}
        - exact: {column: postcode}
      must: [org_no]
      cannot: [org_no]
";
    let columns = ["record_id", "name", "org_no", "postcode", "truth"];
    let club = of_seed(&columns, &rows, &[("silver/companies", companies)], step);
    club.kilde(&["build"]).ended(0);
    let numbered = club.query("select count(*) from silver.companies where org_no is not null");
    assert_eq!(numbered, [["192".to_string()]]);
    assert_eq!(
        hits_and_misses(&club, "identity.company_ids", "record_id", "company_id"),
        [128, 0, 0]
    );
}

#[test]
fn customers_of_one_name_at_one_address_are_a_household_and_their_neighbours_another() {
    let mut rows = String::new();
    let (mut customers, mut pairs) = (0, 0);
    for household in 0..150_usize {
        let size = 1 + household % 4;
        pairs += size * (size - 1) / 2;
        for member in 0..size {
            let family = FAMILY[household % 16];
            let slip = if member == 3 { "h" } else { "" };
            let phone = match member % 2 {
                0 => format!("+4670{}", 1_000_000 + household),
                _ => format!("+4673{}", 2_000_000 + customers),
            };
            // two households in each house
            let (number, code) = (household / 2 + 1, 11_100 + household / 20);
            let _ = writeln!(
                rows,
                "c{customers:04},{family}{slip},Storgatan {number},{code},{phone},{household}"
            );
            customers += 1;
        }
    }
    let step = "  - match:
      table: identity.household_ids
      records: ref.records
      record_key: [customer_id]
      entity_id: household_id
      block: [[postcode, street]]
      compare:
        - text: {column: family_name, alike: [0.9]}
        - exact: {column: street}
        - exact: {column: phone}
";
    let columns = [
        "customer_id",
        "family_name",
        "street",
        "postcode",
        "phone",
        "truth",
    ];
    let club = of_seed(&columns, &rows, &[], step);
    club.kilde(&["build"]).ended(0);
    let found = hits_and_misses(
        &club,
        "identity.household_ids",
        "customer_id",
        "household_id",
    );
    assert_eq!(found, [pairs as u64, 0, 0]);
}

#[test]
fn what_compare_names_replaces_what_the_columns_mean() {
    let club = sandbox(
        ", compare: [{name: {given: given_name, family: family_name, term_frequency: false}}, {email: {column: email}}, \
         {exact: {column: country}}]",
        &people(0, 150),
    );
    club.kilde(&["build"]).ended(0);
    let names = club.query(
        "select distinct name from identity.people_model where part = 'level' order by name",
    );
    assert_eq!(
        names.concat(),
        ["country", "email", "family_name", "given_name"]
    );
    // other comparisons, another model: nothing of the first is kept
    let written = fs::read_to_string(club.path("pipelines/club.yaml")).unwrap();
    club.write(
        "pipelines/club.yaml",
        written.replace("{exact: {column: country}}", "{date: {column: birth_date}}"),
    );
    club.kilde(&["build"]).ended(0);
    let dates =
        "select count(*) from identity.people_model where part = 'level' and name = 'birth_date'";
    assert_eq!(value(&club, dates), "4");
}

/// The shipped project with a match by defaults beside its own, and the truth as one more source.
fn company() -> Sandbox {
    let company = Sandbox::shipped(true);
    let truth = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/truth/records.parquet");
    fs::create_dir_all(company.path("exports/truth")).unwrap();
    fs::copy(truth, company.path("exports/truth/records.parquet")).unwrap();
    company.write(
        "schemas/bronze/truth.yaml",
        "description: Who is behind each record.
columns:
  - {name: system, data_type: varchar}
  - {name: source_id, data_type: varchar}
  - {name: person_id, data_type: bigint}
",
    );
    company.write(
        "pipelines/truth.yaml",
        "sources:
  - {table: bronze.truth, files: truth/records.parquet, read: parquet}
steps:
  - match:
      table: identity.person_ids
      records: silver.people
      record_key: [source, source_id]
      entity_id: person_id
      cannot: [national_id]
",
    );
    company
}

#[test]
fn the_sample_company_is_matched_by_defaults_as_the_truth_says_on_any_number_of_threads() {
    let company = company();
    let build = [
        "build",
        "-s",
        "+identity.person_ids bronze.truth",
        "--threads",
        "2",
    ];
    company.kilde(&build).ended(0);
    let scores = company.query(
        "with cells as (
            select t.person_id, ids.person_id as found, cast(count(*) as double) as n
            from bronze.truth as t
            join silver.people as p on p.source = t.system and p.source_id = t.source_id
            join identity.person_ids as ids on ids.source = p.source and ids.source_id = p.source_id
            where p.family_name is not null
            group by t.person_id, ids.person_id
        ),
        hits as (select sum(n * (n - 1)) as pairs from cells),
        found as (select sum(n * (n - 1)) as pairs from (select sum(n) as n from cells group by found)),
        made as (select sum(n * (n - 1)) as pairs from (select sum(n) as n from cells group by person_id))
        select hits.pairs / found.pairs, hits.pairs / made.pairs from hits cross join found cross join made",
    );
    let (precision, recall): (f64, f64) =
        (scores[0][0].parse().unwrap(), scores[0][1].parse().unwrap());
    let f1 = 2.0 * precision * recall / (precision + recall);
    // a few thousand records teach less than a hundred thousand do
    assert!(
        precision >= 0.975 && f1 >= 0.97,
        "precision {precision}, recall {recall}"
    );

    let other = self::company();
    let build = [
        "build",
        "-s",
        "+identity.person_ids bronze.truth",
        "--threads",
        "1",
    ];
    other.kilde(&build).ended(0);
    assert_eq!(company.digests(), other.digests());
}
