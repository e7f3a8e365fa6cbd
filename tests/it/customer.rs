//! `kilde customer`: one person in every table of a project, found by what its contracts and its SQL say.

use crate::matching::{people, sandbox, seed};

/// People by a match, customers, orders, their lines, and what people allowed, as nobody at kilde named them.
fn club() -> crate::sandbox::Sandbox {
    let mut rows = people(0, 60);
    rows.push_str("x1,Tora,Nygaard,1971-05-06,sol.1x@mail.example,SE\nx2,Tora,Solheim,,maane.2x@post.example,NO\n");
    rows.push_str("x5,Liv,Aakre,1950-01-01,lindh.1x@mail.example,SE\n");
    let club = sandbox(", entity_id: member_id", &rows);
    let pipeline = club.read("pipelines/club.yaml");
    club.write("pipelines/club.yaml", pipeline + "  - sql: club/*\n");
    club.write("seeds/ref/visits.csv", "visit_no,who,seen_at,place\nv1,x1,2026-01-02,Oslo\nv2,x1,2026-02-03,Bergen\nv3,p001a,2026-02-04,Oslo\n");
    club.write(
        "seeds/ref/items.csv",
        "item_no,visit_no,what\ni1,v1,skis\ni2,v2,boots\ni3,v3,poles\n",
    );
    club.write("seeds/ref/permits.csv", "mail,letter,said_on\nsol.1x@mail.example,true,2025-12-01\nlund.13x@mail.example,false,2025-12-02\n");
    let contract = |table: &str, text: &str| {
        club.write(
            &format!("schemas/{table}.yaml"),
            format!("description: Of the club.\n{text}"),
        );
    };
    contract(
        "ref/visits",
        "key: [visit_no]\ncolumns:\n  - {name: visit_no, data_type: varchar}\n  - {name: who, data_type: varchar}\n  \
         - {name: seen_at, data_type: date}\n  - {name: place, data_type: varchar}\n",
    );
    contract(
        "ref/items",
        "key: [item_no]\ncolumns:\n  - {name: item_no, data_type: varchar}\n  \
         - {name: visit_no, data_type: varchar, data_tests: [relationships: {to: club.visits, field: visit_no}]}\n  \
         - {name: what, data_type: varchar}\n",
    );
    contract(
        "ref/permits",
        "subject: {contact: mail}\ncolumns:\n  - {name: mail, data_type: varchar, personal: email}\n  \
         - {name: letter, data_type: boolean}\n  - {name: said_on, data_type: date}\n",
    );
    contract("club/visits", "key: [visit_no]\n");
    contract(
        "club/members",
        "key: [member]\ncolumns:\n  - {name: member, data_type: varchar}\n  - {name: called, data_type: varchar, personal: name}\n  \
         - {name: email, data_type: varchar, personal: email}\n",
    );
    contract("club/circles", "key: [circle, member]\n");
    club.write(
        "sql/club/members.sql",
        "-- club.members: one row per member.\nselect ids.member_id as member, min(people.given_name || ' ' || people.family_name) as called,\n    \
         min(people.email) as email\nfrom identity.people as ids join ref.people as people on people.record_id = ids.record_id\ngroup by ids.member_id\n",
    );
    club.write(
        "sql/club/visits.sql",
        "-- club.visits: one row per visit.\nselect visits.visit_no, ids.member_id, visits.seen_at, visits.place\n\
         from ref.visits as visits join identity.people as ids on ids.record_id = visits.who\n",
    );
    club.write(
        "sql/club/circles.sql",
        "-- club.circles: one row per circle and member in it.\nselect distinct 'skiers' as circle, member_id as member from club.visits\n",
    );
    club
}

#[test]
fn a_person_is_found_by_any_name_and_shown_with_what_every_table_holds_of_them() {
    let club = club();
    club.kilde(&["build"]).ended(0);
    let id =
        club.query("select member_id from identity.people where record_id = 'x1'")[0][0].clone();
    let shown = club.kilde(&["customer", "x1"]).ended(0).stdout;
    assert!(
        shown.starts_with(&format!("Tora Nygaard · {id} · release 1")),
        "{shown}"
    );
    assert_eq!(club.kilde(&["customer", &id]).ended(0).stdout, shown);
    let by_mail = club.kilde(&["customer", "Sol.1x@mail.example"]).ended(0);
    assert_eq!(by_mail.stdout, shown);
    for told in ["skiers", "v2 · Bergen", "created", "boots", "2025-12-01"] {
        assert!(shown.contains(told), "{told} in {shown}");
    }
    assert!(
        !shown.contains("poles") && !shown.contains("lund.13x"),
        "{shown}"
    );

    let said = club
        .kilde(&["customer", "x1", "--json", "--limit", "1"])
        .ended(0);
    let portrait: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let tables = portrait["tables"].as_array().unwrap();
    let parts: Vec<(&str, &str, u64, usize)> = tables
        .iter()
        .map(|table| {
            let text = |key: &str| table[key].as_str().unwrap();
            let rows = table["rows"].as_array().unwrap().len();
            (
                text("table"),
                text("part"),
                table["rows_count"].as_u64().unwrap(),
                rows,
            )
        })
        .collect();
    let expected = [
        ("club.members", "person", 1, 1),
        ("ref.people", "records", 1, 1),
        ("club.circles", "groups", 1, 1),
        ("club.visits", "events", 2, 1),
        ("identity.people_events", "events", 1, 1),
        ("ref.permits", "events", 1, 1),
        ("ref.items", "rows", 2, 1),
    ];
    assert_eq!(parts, expected);
    assert_eq!(tables[3]["rows"][0]["place"], "Bergen");
    let silent = portrait["of_nobody"].as_array().unwrap();
    assert!(
        silent.iter().any(|table| table == "identity.people_model"),
        "{silent:?}"
    );
}

#[test]
fn an_id_that_is_gone_leads_to_its_heir_and_nobody_is_told_without_a_word_of_what_was_typed() {
    let club = club();
    club.kilde(&["build"]).ended(0);
    let ids = |club: &crate::sandbox::Sandbox| {
        club.query("select member_id from identity.people where record_id in ('x1', 'x2') order by record_id")
    };
    let before = ids(&club);
    let mut rows = people(0, 60);
    rows.push_str("x1,Tora,Nygaard,1971-05-06,sol.1x@mail.example,SE\nx2,Tora,Solheim,,maane.2x@post.example,NO\n");
    rows.push_str("x3,Tora,Solheim,1971-05-06,sol.1x@mail.example,SE\n");
    rows.push_str("x4,Tora,Solheim,1971-05-06,maane.2x@post.example,SE\n");
    seed(&club, &rows);
    club.kilde(&["build"]).ended(0);
    let now = ids(&club);
    assert_eq!(now[0], now[1]);
    let gone = before.iter().find(|id| **id != now[0]).unwrap();
    // an address that stands in a record alone, and not as it was typed
    let by_id = club.kilde(&["customer", &now[0][0]]).ended(0).stdout;
    let by_record = club.kilde(&["customer", " SOL.1x@Mail.Example"]).ended(0);
    assert_eq!(by_record.stdout, by_id);
    let shown = club.kilde(&["customer", &gone[0]]).ended(0).stdout;
    assert!(
        shown.contains(&now[0][0]) && shown.contains("this one stands for it"),
        "{shown}"
    );
    // what became part of somebody is of their past
    assert!(shown.contains(&format!("{} · merged", gone[0])), "{shown}");
    // as it was then
    let then = club
        .kilde(&["customer", &gone[0], "--release", "1"])
        .ended(0)
        .stdout;
    assert!(
        then.contains(&gone[0]) && !then.contains("stands for it"),
        "{then}"
    );

    let nobody = "nobody.at.all@mail.example";
    let said = club
        .kilde(&["customer", nobody, "--log-format", "json"])
        .ended(2);
    assert!(
        said.stderr.contains("knows nobody of that name"),
        "{}",
        said.stderr
    );
    assert!(
        !said.stderr.contains(nobody) && said.stdout.is_empty(),
        "{}",
        said.stderr
    );
}

#[test]
fn why_of_an_id_that_sql_made_leads_to_the_customer() {
    let place =
        crate::sandbox::Sandbox::with(&[("kilde.yaml", "project: club\nraw: in/\nlake: lake/\n")]);
    for asked in [
        &["why", "c_08be1be98f249efd"][..],
        &["why", "crm:1", "crm:2"],
    ] {
        let said = place.kilde(asked).ended(2);
        let help = format!("`kilde customer {}`", asked[1]);
        assert!(said.stderr.contains(&help), "{}", said.stderr);
    }
}
