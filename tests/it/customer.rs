//! `kilde customer`: one person in every table of a project, found by what its contracts and its SQL say.

use crate::matching::{people, sandbox, seed};
use crate::sandbox::Sandbox;

/// People by a match, customers, orders, their lines, and what people allowed, as nobody at kilde named them.
fn club() -> Sandbox {
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
fn an_id_of_people_is_a_persons_and_not_the_household_whose_member_it_is() {
    let club = sandbox(", entity_id: member_id", &people(0, 60));
    let households = "  - sql: club/*\n  - match: {table: identity.a_household, records: club.members, record_key: [member_id], \
                      entity_id: household_id, compare: [{text: {column: family_name, alike: [0.9]}}, {exact: {column: email}}], \
                      block: [[family_name]]}\n";
    let pipeline = club.read("pipelines/club.yaml");
    club.write("pipelines/club.yaml", pipeline + households);
    club.write(
        "sql/club/members.sql",
        "-- club.members: one row per member.\nselect ids.member_id, min(people.family_name) as family_name, min(people.email) as email\n\
         from identity.people as ids join ref.people as people on people.record_id = ids.record_id\ngroup by ids.member_id\n",
    );
    club.write(
        "schemas/club/members.yaml",
        "description: Of the club.\nkey: [member_id]\ncolumns:\n  - {name: member_id, data_type: varchar}\n  \
         - {name: family_name, data_type: varchar, personal: family_name}\n  - {name: email, data_type: varchar, personal: email}\n",
    );
    club.kilde(&["build"]).ended(0);
    let ids = "select member_id, record_id from identity.people order by record_id limit 1";
    let rows = club.query(ids);
    let (id, record) = (&rows[0][0], &rows[0][1]);
    let shown = club.kilde(&["customer", id]).ended(0).stdout;
    let head = shown.lines().next().unwrap_or_default();
    assert!(head.contains(&**id) && shown.contains(&**record), "{shown}");
}

#[test]
fn an_id_that_is_gone_leads_to_its_heir_and_nobody_is_told_without_a_word_of_what_was_typed() {
    let club = club();
    club.kilde(&["build"]).ended(0);
    let ids = |club: &Sandbox| {
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

/// People whose ids are there, and contacts of them in a table of their own: no match.
fn register(people: &str, contacts: &str) -> Sandbox {
    let register = Sandbox::with(&[
        ("kilde.yaml", "project: club\nraw: exports/\nlake: lake/\n"),
        (
            "schemas/ref/people.yaml",
            "description: Everyone.\nkey: [no]\nsubject: {customer: no}\ncolumns:\n  - {name: no, data_type: varchar}\n  \
             - {name: called, data_type: varchar, personal: name}\n  - {name: phone, data_type: varchar, personal: phone}\n  \
             - {name: code, data_type: varchar, personal: national_id}\n",
        ),
        (
            "schemas/ref/contacts.yaml",
            "description: How else people are reached.\nkey: [no, phone]\nsubject: {customer: no}\ncolumns:\n  \
             - {name: no, data_type: varchar}\n  - {name: phone, data_type: varchar, personal: phone}\n",
        ),
    ]);
    register.write(
        "seeds/ref/people.csv",
        format!("no,called,phone,code\n{people}"),
    );
    register.write("seeds/ref/contacts.csv", format!("no,phone\n{contacts}"));
    register.kilde(&["build"]).ended(0);
    register
}

/// Whose portrait is shown; `None` where nobody's is.
fn portrait_of(register: &Sandbox, asked: &str) -> Option<String> {
    let said = register.kilde(&["customer", asked, "--json"]);
    if said.code != 0 {
        assert!(
            said.stderr.contains("knows nobody of that name"),
            "{asked}: {}",
            said.stderr
        );
        return None;
    }
    let portrait: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    portrait["id"].as_str().map(str::to_string)
}

#[test]
fn a_phone_number_finds_its_owner_in_any_form_and_nobody_whose_number_ends_alike() {
    let register = register(
        "swede,Tora,073-123 45 67,\nexcel,Liv,701740605,\ndane,Kim,+4520123456,\ngothenburg,Ek,031-40 50 60,\n",
        "dane,28 28 28 29\nswede,+46 8 123 456 78\n",
    );
    for (asked, found) in [
        ("073-123 45 67", Some("swede")),
        ("0731234567", Some("swede")),
        ("+46 (0)73 123 45 67", Some("swede")),
        ("0046731234567", Some("swede")),
        ("08-123 456 78", Some("swede")),
        ("070-174 06 05", Some("excel")),
        ("+46701740605", Some("excel")),
        ("20 12 34 56", Some("dane")),
        ("+45 28282829", Some("dane")),
        // as a Dane or a Norwegian writes it: the end of the Swede's, and a Swede's without its zero
        ("31 23 45 67", None),
        ("31 40 50 60", None),
        ("+46 20 12 34 56", None),
        ("020 12 34 56", None),
        ("123 45 67", None),
    ] {
        assert_eq!(portrait_of(&register, asked).as_deref(), found, "{asked}");
    }
}

#[test]
fn a_national_id_finds_its_owner_with_and_without_its_signs_and_its_century() {
    let register = register(
        "swede,Tora,,19660603-9805\nfinn,Aino,,131052-308T\nold,Ek,,180102-9805\n",
        "",
    );
    for (asked, found) in [
        ("19660603-9805", Some("swede")),
        ("196606039805", Some("swede")),
        ("660603-9805", Some("swede")),
        ("131052308t", Some("finn")),
        ("18010298 05", Some("old")),
        ("660603-9806", None),
        ("9805", None),
    ] {
        assert_eq!(portrait_of(&register, asked).as_deref(), found, "{asked}");
    }
}

#[test]
fn several_who_have_an_address_or_number_are_counted_in_whatever_form_they_have_it() {
    let register = register(
        "one,Tora,+46701234567,\nother,Liv,070-123 45 67,\nthird,Kim,+4531234567,\nfourth,Ek,+4731234567,\n",
        "third,0701234567\n",
    );
    for (asked, people) in [
        ("+46701234567", 3),
        ("070-123 45 67", 3),
        ("0046 70 123 45 67", 3),
        // of Denmark or of Norway
        ("31 23 45 67", 2),
    ] {
        let said = register.kilde(&["customer", asked]).ended(2);
        let told = format!("{people} people go by that");
        assert!(
            said.stderr.contains(&told) && said.stdout.is_empty(),
            "{asked}: {}",
            said.stderr
        );
        assert!(!said.stderr.contains(asked), "{}", said.stderr);
    }
    // each of them alone is told how many others are known by it, as their own rows say
    for (id, others) in [("one", 1), ("other", 1), ("third", 0), ("fourth", 0)] {
        let said = register.kilde(&["customer", id, "--json"]).ended(0);
        let portrait: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        let shared = &portrait["shared_contacts"];
        let expected = match others {
            0 => serde_json::json!([]),
            others => serde_json::json!([{"meaning": "phone", "others": others}]),
        };
        assert_eq!(*shared, expected, "{id}");
    }
}

#[test]
fn records_of_a_match_share_a_number_whatever_form_each_system_writes() {
    let rows =
        "x1,Tora,Nygaard,1971-05-06,+46701234567,SE\nx2,Liv,Aakre,1950-01-01,070-123 45 67,NO\n";
    let club = sandbox("", &(people(0, 60) + rows));
    let contract = club.read("schemas/ref/people.yaml");
    // what was the e-mail is a number
    let contract = contract.replace("personal: email", "personal: phone");
    club.write("schemas/ref/people.yaml", contract);
    club.kilde(&["build"]).ended(0);
    let said = club.kilde(&["customer", "x1"]).ended(0).stdout;
    assert!(said.contains("another person has the same phone"), "{said}");
    let said = club.kilde(&["customer", "0701234567"]).ended(2);
    let ids = club
        .query("select entity_id from identity.people where record_id in ('x1', 'x2') order by 1");
    let listed = format!("ask by one of their ids: {}, {}", ids[0][0], ids[1][0]);
    assert!(
        said.stderr.contains("2 people go by that") && said.stderr.contains(&listed),
        "{}",
        said.stderr
    );
    let said = club.kilde(&["customer", "Tora Nygaard"]).ended(2).stderr;
    assert!(
        said.contains("names are not searched") && !said.contains("Tora"),
        "{said}"
    );
}

#[test]
fn why_of_an_id_that_sql_made_leads_to_the_customer() {
    let place = Sandbox::with(&[("kilde.yaml", "project: club\nraw: in/\nlake: lake/\n")]);
    for asked in [
        &["why", "c_08be1be98f249efd"][..],
        &["why", "crm:1", "crm:2"],
    ] {
        let said = place.kilde(asked).ended(2);
        let help = format!("`kilde customer {}`", asked[1]);
        assert!(said.stderr.contains(&help), "{}", said.stderr);
    }
}
