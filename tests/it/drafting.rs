//! From a folder of files that nobody described to a project that builds: `kilde init --from`, from outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::foreign;
use crate::sandbox::{Sandbox, copy_folder, zip};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of data that is not in the repository; `None`: not on this machine, or left out since it takes long.
fn folder(name: &str) -> Option<PathBuf> {
    if std::env::var_os("KILDE_LONG_TESTS").is_none() {
        foreign::skipped(&format!("a draft over {name}: KILDE_LONG_TESTS is not set"));
        return None;
    }
    let data = std::env::var_os("KILDE_TEST_DATA")
        .map_or_else(|| repository().join("../shared/data"), PathBuf::from);
    let folder = data.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    foreign::skipped(&format!("no {name} below {}", data.display()));
    None
}

/// The project that is drafted over a folder, built without an edit.
fn built_from(exports: &Path) -> Sandbox {
    let place = Sandbox::empty();
    let said = place
        .kilde(&["init", "--from", exports.to_str().unwrap(), "."])
        .ended(0);
    assert!(said.stdout.contains("kilde build"), "{}", said.stdout);
    assert!(!place.path(".kilde").exists());
    place.kilde(&["check"]).ended(0);
    place.kilde(&["build"]).ended(0);
    place
}

/// Path → records and rejects, as the ledger has them.
fn ledger(place: &Sandbox) -> BTreeMap<String, (u64, u64)> {
    let rows = place.query("select path, records, rejected from ops.files order by path");
    rows.into_iter()
        .map(|row| {
            (
                row[0].clone(),
                (row[1].parse().unwrap(), row[2].parse().unwrap()),
            )
        })
        .collect()
}

#[test]
fn the_sample_companys_exports_become_a_project_that_finds_its_people() {
    let exports = repository().join("exports");
    let place = built_from(&exports);
    let truth = std::fs::read_to_string(repository().join("tests/data/truth/expected.json"));
    let truth: Value = serde_json::from_str(&truth.unwrap()).unwrap();
    let read = ledger(&place);
    for (path, counts) in truth["files"].as_object().unwrap() {
        let (records, rejected) = read[path];
        assert_eq!(records, counts["rows"].as_u64().unwrap(), "{path}");
        // which countries there are, nobody can guess
        let faults = counts["rejects"].as_object().into_iter().flatten();
        let wanted: u64 = faults
            .filter(|(kind, _)| *kind != "unknown_country")
            .map(|(_, count)| count.as_u64().unwrap())
            .sum();
        let is_copy = counts.get("duplicate_of").is_some();
        assert!(
            is_copy || rejected == wanted,
            "{path}: {rejected}, not {wanted}"
        );
    }
    let rows = |table: &str| -> u64 {
        place.query(&format!("select count(*) from {table}"))[0][0]
            .parse()
            .unwrap()
    };
    assert_eq!(rows("silver.crm_customers"), rows("bronze.crm_customers"));
    let renamed =
        place.query("select count(*) from bronze.crm_opportunities where account_owner is null");
    assert_eq!(renamed[0][0], "0");
    // of people whom two systems know, both records have one id; the newsletter's addresses are no register here
    let people = &truth["people"]["systems"];
    let registered =
        ["crm", "loyalty", "webshop"].map(|system| people[system]["records"].as_u64().unwrap());
    // two records name a country that is none, which only a contract written by people can know
    assert_eq!(rows("silver.people"), registered.iter().sum::<u64>() + 2);
    let customers = rows("gold.customers");
    assert!((1_850..=2_100).contains(&customers), "{customers}");
    let page = page_of(&place);
    for heading in [
        "How many people are there really?",
        "Whom can we not reach?",
        "Consent",
    ] {
        assert!(page.contains(heading), "{heading}");
    }
    let shown = place.query("select email, family_name, phone from gold.customers where email is not null and phone is not null limit 200");
    for value in shown.iter().flatten().filter(|value| value.len() > 5) {
        assert!(!page.contains(value.as_str()), "{value}");
    }
    let again = place.kilde(&["build"]).ended(0);
    assert!(
        again.stdout.contains("everything is up to date"),
        "{}",
        again.stdout
    );
}

fn page_of(place: &Sandbox) -> String {
    place.kilde(&["profile", "--html", "page.html"]).ended(0);
    let page = place.read("page.html");
    for foreign in ["<script", "http://", "https://", "src="] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    page
}

/// Rows of each file, counted by DuckDB, against those of the tables that were drafted over them.
fn agrees_with_duckdb(name: &str) -> Option<Sandbox> {
    let (Some(exports), Some(python)) = (folder(name), foreign::python()) else {
        return None;
    };
    let place = built_from(&exports);
    let counted = foreign::script(python, "count_rows.py", &[exports.to_str().unwrap()]);
    let counted: BTreeMap<String, (u64, u64)> = counted
        .lines()
        .map(|line| line.rsplit_once(',').unwrap())
        .map(|(path, rows)| (path.to_string(), (rows.parse().unwrap(), 0)))
        .collect();
    assert_eq!(ledger(&place), counted);
    let whole: u64 = counted.values().map(|(rows, _)| rows).sum();
    for schema in ["bronze", "silver"] {
        let tables = std::fs::read_dir(place.path(&format!("lake/{schema}"))).unwrap();
        let counts: Vec<String> = tables
            .map(|table| table.unwrap().file_name().into_string().unwrap())
            // what was made of several tables has rows of its own
            .filter(|table| !["people", "purchases", "consents"].contains(&table.as_str()))
            .map(|table| format!("select count(*) as rows from {schema}.{table}"))
            .collect();
        let counts = counts.join(" union all ");
        let rows = place.query(&format!("select sum(rows) as rows from ({counts})"));
        assert_eq!(rows[0][0], whole.to_string(), "{schema}");
    }
    page_of(&place);
    Some(place)
}

#[test]
fn sixty_eight_days_of_a_shop_become_one_source() {
    let Some(place) = agrees_with_duckdb("online-retail") else {
        return;
    };
    let pipeline = place.read("pipelines/exports.yaml");
    assert!(
        pipeline.contains("files: \"{exported_on:%Y-%m-%d}.csv\""),
        "{pipeline}"
    );
    assert_eq!(pipeline.matches("- table:").count(), 1);
    let customers = place.query(
        "select count(*), sum(case when purchases_count > 0 then 1 else 0 end) from gold.customers",
    );
    assert_eq!(customers[0], ["1749", "1749"]);
}

#[test]
fn nine_tables_of_a_marketplace_become_nine_sources_and_its_people() {
    let Some(place) = agrees_with_duckdb("olist") else {
        return;
    };
    // accounts are numbered by order, people by another number
    let customers = place.query("select count(*) from gold.customers");
    assert_eq!(customers[0][0], "8016");
}

#[test]
fn fifty_six_tables_of_a_crm_become_as_many_sources() {
    let Some(place) = agrees_with_duckdb("crm/hubspot") else {
        return;
    };
    assert_eq!(
        place
            .read("pipelines/exports.yaml")
            .matches("- table:")
            .count(),
        56
    );
}

#[test]
fn one_file_without_a_customers_number_becomes_a_table_and_no_people() {
    let Some(place) = agrees_with_duckdb("hillstrom") else {
        return;
    };
    assert!(!place.path("sql/gold").exists());
    assert!(
        place
            .read("page.html")
            .contains("No file was recognised as a list of people")
    );
}

#[test]
fn a_folder_of_a_small_company_is_read_whatever_its_files_look_like() {
    let place = Sandbox::with(&[
        (
            "in/Kunder 2025.csv",
            "Kundnr;Förnamn;Efternamn;E-post;Telefon;Skapad\n001;Ada;Ek;ada@example.com;070-123 45 67;2024-01-02\n002;Bo;Al;;070-123 45 68;2024-02-03\n003;Cia;Bo;cia@example.com;;2024-03-04\n",
        ),
        (
            "in/nyhetsbrev.json",
            "[{\"id\": 1, \"email\": \"ADA@example.com\", \"consent\": true},\n{\"id\": 2, \"email\": \"dan@example.com\", \"consent\": false}]\n",
        ),
        (
            "in/order [gamla].csv",
            "order_no,kundnr,order,from,total\n10,001,x,shop,\"1,250.50\"\n11,002,y,shop,99.00\n12,001,z,web,10.00\n",
        ),
        ("in/olika.csv", "a,b\n1,2\nx\n3,4\n"),
        (
            "in/Leverantörer.csv",
            "id;namn;telefon;ort\n1;Garn AB;08-123 45 67;Luleå\n2;Tyg AB;08-123 45 68;Borås\n",
        ),
    ]);
    place.write("in/trasig.csv.gz", b"\x1f\x8b\x08\x00and no more");
    let said = place.kilde(&["init", "--from", "in", "."]).ended(0);
    assert!(
        said.stdout.contains("people: kunder_2025"),
        "{}",
        said.stdout
    );
    place.kilde(&["build"]).ended(0);
    assert!(place.read("kilde.yaml").contains("raw: \"in/\""));
    let rows = place.query("select (select count(*) from bronze.kunder_2025) as people, (select count(*) from bronze.olika) as odd, (select sum(total) from bronze.order_gamla) as total");
    assert_eq!(rows[0], ["3", "2", "1359.50"]);
    let reach = place.kilde(&["profile", "--json"]).ended(0);
    let reach: Value = serde_json::from_str(&reach.stdout).unwrap();
    assert_eq!(reach["people"]["people"], 3);
    assert_eq!(reach["people"]["not_reached"], 0);
    assert_eq!(reach["people"]["agreed"], 1);
    assert_eq!(reach["consents"]["words"], 2);
    let pipeline = place.read("pipelines/exports.yaml");
    assert!(pipeline.contains("# left out: trasig.csv.gz"), "{pipeline}");
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_left_out_with_its_reason_and_what_a_build_needs_then() {
    let place = Sandbox::with(&[
        (
            "in/kunder 20260101.csv",
            "id,name,email\n1,Anna,a@x.se\n2,Bo,b@x.se\n",
        ),
        ("in/half.json", "[{\"id\": 1},\n {\"id\""),
        ("in/o_20260101.json", "[{\"id\": 1},\n{\"id\": 2}]\n"),
        // a build refuses it, and says where
        (
            "in/o_20260102.json",
            "[{\"id\": 1},\n{\"id\": 2},\n{\"id\": 3},\n",
        ),
        (
            "in/odd.json",
            "{\"rows\": [{\"id\": 1},\n {\"id\": oops}]}\n",
        ),
    ]);
    // begins as a gzip stream does and ends there
    place.write("in/kunder 20260102.csv", b"\x1f\x8b\x08\x00\0\0\0\0\0\xff");
    std::os::unix::fs::symlink(".", place.path("in/loop")).unwrap();
    let said = place.kilde(&["init", "--from", "in", "."]).ended(0).stdout;
    let told = [
        "left out kunder 20260102.csv: the file cannot be read: the gzip stream ends too early",
        "left out half.json: broken JSON: it ends before it closes, in line 2",
        "left out odd.json: broken JSON: expected value at line 2 column 9",
        "left out loop: a link to a folder in which it lies",
        "left out o_20260102.json: the JSON document ends before its array does",
        "kilde exports skip 'kunder 20260102.csv' --why 'cannot be read'",
    ];
    for line in told {
        assert!(said.contains(line), "{line}: {said}");
    }
    place.kilde(&["build"]).ended(1);
    for file in ["kunder 20260102.csv", "o_20260102.json"] {
        let skip = ["exports", "skip", file, "--why", "cannot be read"];
        place.kilde(&skip).ended(0);
    }
    place.kilde(&["build"]).ended(0);
    assert_eq!(place.query("select count(*) from gold.customers"), [["2"]]);
    assert_eq!(place.query("select count(*) from bronze.o"), [["2"]]);
}

#[test]
fn what_a_build_would_not_take_is_said_with_what_to_decide() {
    let rows = |n: std::ops::Range<u32>| -> String {
        n.map(|n| format!("{n},Anna,a{n}@x.se\n")).collect()
    };
    let night = |n| format!("id,name,email\n{}", rows(0..n));
    let place = Sandbox::with(&[
        ("in/kunder_20260101.csv", &night(100)),
        ("in/kunder_20260102.csv", &night(101)),
        ("in/kunder_20260103.csv", &night(60)),
        // the first half of a file, with what a build reads as a reject
        (
            "in/order_20260101.ndjson",
            "{\"id\":1,\"n\":1}\n{\"id\":2,\"n\":1}\n{\"id\":3,\"n\":3}\n",
        ),
        (
            "in/order_20260102.ndjson",
            "{\"id\":4,\"n\":1}\n{\"id\":5,\n{\"id\":6,\n",
        ),
        ("in/fel_20260101.csv", "id,kr\n1,5\n2,6\n"),
        (
            "in/fel_20260102.csv",
            "<html><body>503 Service Unavailable</body></html>\n",
        ),
    ]);
    let said = place.kilde(&["init", "--from", "in", "."]).ended(0).stdout;
    let told = [
        "noted bronze.kunder: kunder_20260103.csv has 60 records, the file before it 101: nothing is built unless that is accepted",
        "left out fel_20260102.csv: a page of the web or XML, and no data",
        "next: kilde exports skip fel_20260102.csv --why 'cannot be read'",
        "kilde build --accept bronze.kunder\n",
    ];
    for line in told {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(
        !said.contains("left out order") && !said.contains("skip order"),
        "a build reads it: {said}"
    );
    place.kilde(&["build"]).ended(1);
    let skip = ["exports", "skip", "fel_20260102.csv", "--why", "no data"];
    place.kilde(&skip).ended(0);
    let build = ["build", "--accept", "bronze.kunder"];
    place.kilde(&build).ended(0);
    let counts = "select (select count(*) from bronze.kunder) as a, (select count(*) from bronze.\"order\") as b, (select count(*) from bronze.fel) as c";
    assert_eq!(place.query(counts), [["60", "1", "2"]]);
}

#[test]
fn a_newsletter_alone_is_a_project_and_a_remark_makes_a_customer_no_event() {
    let place = Sandbox::with(&[(
        "in/nyhetsbrev.csv",
        "email,subscribed\na@x.se,yes\nb@x.se,no\nc@x.se,yes\n",
    )]);
    place.kilde(&["init", "--from", "in", "."]).ended(0);
    place.kilde(&["build"]).ended(0);

    let place = Sandbox::with(&[
        (
            "in/kunder.csv",
            "Kundnr;Förnamn;Efternamn;E-post;Anteckning\n001;Ada;Ek;ada@example.com;\n002;Bo;Al;bo@example.com;ringde i maj om sin order\n003;Cia;Bo;cia@example.com;\n",
        ),
        (
            "in/fakturor.csv",
            "Fakturanr;Kundnr;Mottagare;Datum;Belopp\n9001;001;Ada Ek;2026-01-01;5\n9002;002;Bo Al;2026-01-01;6\n9003;003;Cia Bo;2026-01-01;7\n",
        ),
    ]);
    place.write(
        "in/webborder.ndjson",
        "{\"orderId\":1,\"createdAt\":\"2026-02-01T10:00:00Z\",\"customer\":{\"email\":\"ADA@example.com\"},\"total\":5}\n{\"orderId\":2,\"createdAt\":\"2026-02-02T10:00:00Z\",\"customer\":{\"email\":\"dan@example.com\"},\"total\":6}\n{\"orderId\":3,\"createdAt\":\"2026-02-03T10:00:00Z\",\"customer\":{\"email\":\"ada@example.com\"},\"total\":7}\n",
    );
    let said = place.kilde(&["init", "--from", "in", "."]).ended(0).stdout;
    assert!(said.contains("people: kunder\n"), "{said}");
    assert!(said.contains("purchases: fakturor, webborder\n"), "{said}");
    let invoices = place.read("schemas/bronze/fakturor.yaml");
    assert!(invoices.contains("key: [fakturanr]"), "{invoices}");
    let personal = "{name: mottagare, from: \"Mottagare\", data_type: varchar, personal: name}";
    assert!(invoices.contains(personal), "{invoices}");
    place.kilde(&["build"]).ended(0);
    let bought =
        "select given_name, purchases_count, last_purchase_on from gold.customers order by 1";
    assert_eq!(
        place.query(bought),
        [
            ["Ada", "3", "2026-02-03"],
            ["Bo", "1", "2026-01-01"],
            ["Cia", "1", "2026-01-01"]
        ]
    );
    let reach = place.kilde(&["profile", "--json"]).ended(0).stdout;
    let reach: Value = serde_json::from_str(&reach).unwrap();
    assert_eq!(reach["purchases"]["purchases"], 6);
    assert_eq!(reach["purchases"]["without_customer"], 0);
}

#[test]
fn who_refused_or_left_a_list_has_not_agreed_and_a_log_tells_the_last_word() {
    let place = Sandbox::with(&[]);
    let people: String = (1..=6)
        .map(|n| {
            format!(
                "00{n};Ada{n};a{n}@x.se;{};{}\n",
                if n < 3 { "ja" } else { "nej" },
                if n < 5 { "ja" } else { "nej" }
            )
        })
        .collect();
    place.write(
        "in/kunder.csv",
        format!("Kundnr;Förnamn;E-post;Avböjt reklam;Får SMS\n{people}"),
    );
    let list: String = (1..=6)
        .map(|n| {
            format!(
                "a{n}@x.se,{},2026-05-0{n}\n",
                if n % 2 == 0 {
                    "unsubscribed"
                } else {
                    "subscribed"
                }
            )
        })
        .collect();
    place.write(
        "in/mailchimp.csv",
        format!("Email Address,Status,Last Changed\n{list}"),
    );
    let log: String = (1..=6)
        .map(|n| format!("00{n};profilering;nej;2026-01-01T10:00:00\n00{n};profilering;ja;2026-10-01T10:00:00\n"))
        .collect();
    place.write(
        "in/samtycken.csv",
        format!("kundnr;syfte;samtycke;tidpunkt\n{log}"),
    );
    let said = place.kilde(&["init", "--from", "in", "."]).ended(0).stdout;
    assert!(
        said.contains("consents: kunder, mailchimp, samtycken\n"),
        "{said}"
    );
    place.kilde(&["build"]).ended(0);
    let words = "select purpose, granted, count(*) from gold.consents group by 1, 2 order by 1, 2";
    assert_eq!(
        place.query(words),
        [
            ["far_sms", "false", "4"],
            ["far_sms", "true", "2"],
            ["mailchimp", "false", "4"],
            ["mailchimp", "true", "2"],
            ["profilering", "false", "2"],
            ["profilering", "true", "4"],
        ]
    );
}

#[test]
fn nobody_is_born_tomorrow_and_a_town_makes_nobody_one() {
    let place = Sandbox::with(&[]);
    let names = ["Anna", "Erik", "Maria", "Lars", "Karin", "Nils", "Sara"];
    let people: String = (0..400)
        .map(|n| {
            let (given, family) = (names[n % 7], ["Ek", "Dal", "Berg", "Lind"][n % 4]);
            let year = 40 + n % 60;
            format!(
                "{n};{given};{family}{n};{given}{n}@x.se;070-{};0{}.0{}.{year};Lund\n",
                1_000_000 + n * 7919,
                1 + n % 9,
                1 + n % 9
            )
        })
        .collect();
    place.write(
        "in/kunder.csv",
        format!("Kundnr;Förnamn;Efternamn;E-post;Mobil;Född;Ort\n{people}"),
    );
    place.kilde(&["init", "--from", "in", "."]).ended(0);
    place.kilde(&["build"]).ended(0);
    let born = "select count(*), min(extract(year from birth_date)), max(extract(year from birth_date)) from gold.customers";
    assert_eq!(place.query(born), [["400", "1940", "1999"]]);
    // where other days lie ahead rightly, somebody has to say what two digits mean
    let cards: String = (0..40)
        .map(|n| format!("{n};Ada{n};01.01.56;31.12.28\n"))
        .collect();
    place.write(
        "in2/kort.csv",
        format!("Kundnr;Förnamn;Född;Giltigt till\n{cards}"),
    );
    place.kilde(&["init", "--from", "in2", "cards"]).ended(0);
    let contract = place.read("cards/schemas/bronze/kort.yaml");
    assert!(
        contract.contains("see `two_digit_years_from`"),
        "{contract}"
    );
}

#[test]
fn records_of_another_shape_are_rejected_and_cost_no_column() {
    let place = Sandbox::empty();
    let order = |n: u32| match n {
        7 => r#"{"id":7,"buyer":"none","phones":["070-1234567"],"lines":[]}"#.to_string(),
        8 => r#"{"id":8,"buyer":{"last":"Berg"},"phones":["070-1234567"],"lines":"none"}"#
            .to_string(),
        9 => r#"{"id":9,"buyer":{"last":{}},"phones":"070-1234567","lines":[]}"#.to_string(),
        n => format!(
            r#"{{"id":{n},"buyer":{{"last":"Berg"}},"phones":["070-1234567"],"lines":[{{"unitPrice":{n},"unit_price":"x","1st":1,"Unit Price":2,"":3}}]}}"#
        ),
    };
    let orders: String = (0..200).map(|n| order(n) + "\n").collect();
    place.write("in/orders.ndjson", orders);
    place.write("in/readme.txt", "These are the orders.\n");
    let said = place.kilde(&["init", "--from", "in", "."]).ended(0).stdout;
    assert!(said.contains("3 will be rejected"), "{said}");
    let noted = "orders: fields of `lines` that no struct can hold: 3 left out";
    assert!(said.contains(noted), "{said}");
    assert!(said.contains("left out readme.txt"), "{said}");
    place.kilde(&["build"]).ended(0);
    let rows = "select count(*), min(phones[1]), max(lines[1]['unit_price']), count(buyer_last) from bronze.orders";
    assert_eq!(place.query(rows), [["197", "070-1234567", "x", "197"]]);
    let rejects = "select line, rule from ops.rejects order by line";
    let rejects = place.query(rejects);
    let lines: Vec<_> = rejects.iter().map(|reject| reject[0].as_str()).collect();
    assert_eq!(lines, ["8", "9", "10"]);
    let contract = std::fs::read_to_string(place.path("schemas/bronze/orders.yaml")).unwrap();
    assert!(contract.contains("personal: phone"), "{contract}");
    assert!(contract.contains("personal: family_name"), "{contract}");
}

#[test]
fn days_among_times_are_midnights_in_whatever_form_they_come() {
    let place = Sandbox::empty();
    place.write(
        "in/visits.csv",
        "id,seen,paid,born\n1,02.01.2026,2026-01-02,1980-02-01\n2,13.01.2026 10:15,2026-01-13 10:30:00,1981-02-03\n3,31.01.2026,2026-02-01,1979-12-24\n",
    );
    // beside other formats ISO's times are read in the form that they have
    let logins =
        (1..30).map(|day| format!("{day},2026-03-{day:02} 10:11,{day:02}.03.2026 10:11\n"));
    let logins: String = logins.collect();
    place.write("in/logins.csv", format!("id,at,day\n{logins}"));
    // and one file has one order of day and month
    let things = (0..56).map(|n| (n, n % 28 + 1, n % 12 + 1));
    let things = things.map(|(n, d, m)| format!("{n},{d:02}/{m:02}/2026,{m:02}/{d:02}/2026\n"));
    let things: String = things.collect();
    place.write("in/things.csv", format!("item_no,uk,us\n{things}"));
    place.write(
        "in/orders.csv",
        "id,at\n1,12/1/2025 8:26\n2,12/13/2025 9:26\n3,1/31/2026\n",
    );
    place.kilde(&["init", "--from", "in", "."]).ended(0);
    place.kilde(&["build"]).ended(0);
    let visits = "select cast(seen as varchar), cast(paid as varchar), cast(born as varchar) from bronze.visits order by id";
    assert_eq!(
        place.query(visits),
        [
            ["2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z", "1980-02-01"],
            ["2026-01-13T10:15:00Z", "2026-01-13T10:30:00Z", "1981-02-03"],
            ["2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z", "1979-12-24"],
        ]
    );
    let logins =
        "select count(*) from bronze.logins where at = day and date_part('minute', at) = 11";
    assert_eq!(place.query(logins), [["29"]]);
    let things = "select us from bronze.things where item_no = 1 and uk = date '2026-02-02'";
    assert_eq!(place.query(things), [["02/02/2026"]]);
    let contract = place.read("schemas/bronze/things.yaml");
    assert!(
        contract.contains("# dates with day and month in another order"),
        "{contract}"
    );
    let orders = "select cast(at as varchar) from bronze.orders order by id";
    assert_eq!(
        place.query(orders),
        [
            ["2025-12-01T08:26:00Z"],
            ["2025-12-13T09:26:00Z"],
            ["2026-01-31T00:00:00Z"]
        ]
    );
}

/// A table of tests/data/delta_orders, whose newest version has three rows, a column that came later, and a data file that is
/// no longer of it; beside it one that is not read.
#[test]
fn delta_tables_become_a_source_each_at_their_newest_version() {
    let exports = Sandbox::empty();
    copy_folder(
        &repository().join("tests/data/delta_orders"),
        &exports.path("shop/orders"),
    );
    exports.write(
        "crm/kunder.csv",
        "kundnr;e-post\n1;a@example.com\n2;b@example.com\n",
    );
    exports.write("shop/broken/_delta_log/00000000000000000000.json", "{}");
    exports.write("shop/broken/part.csv", "id\n1\n");
    let said = exports.kilde(&["profile", ".", "--json"]).ended(0);
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    let tables: Vec<&str> = found["tables"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|table| table["name"].as_str())
        .collect();
    assert_eq!(tables, ["crm/kunder.csv", "shop/orders"]);
    assert_eq!(found["skipped"][0]["path"], "shop/broken");
    let orders = &found["tables"][1];
    assert_eq!(
        (&orders["rows"], &orders["load"]),
        (&3.into(), &"replace".into())
    );
    let place = built_from(&exports.path("."));
    let rows =
        place.query("select order_id, country, total, channel from bronze.shop_orders order by 1");
    assert_eq!(rows[0], ["1", "SE", "10.50", ""]);
    assert_eq!(rows[2], ["4", "SE", "7.00", "web"]);
    let said = place.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 1 stands"), "{}", said.stdout);
    // the table alone
    let alone = exports.path("shop/orders");
    let alone = alone.to_str().unwrap();
    let said = place.kilde(&["profile", alone]).ended(0).stdout;
    assert!(
        said.contains("read  {delta: {}}") && said.contains("3 rows"),
        "{said}"
    );
    let said = place
        .kilde(&["init", "--from", alone, "other"])
        .ended(2)
        .stderr;
    assert!(
        said.contains("K0480") && said.contains("in which it lies"),
        "{said}"
    );
}

#[test]
fn a_folder_without_a_table_or_in_the_way_is_refused() {
    let place = Sandbox::with(&[("in/notes.pdf", "%PDF"), ("full/kilde.yaml", "x")]);
    let none = place.kilde(&["init", "--from", "in", "shop"]).ended(2);
    assert!(none.stderr.contains("K0482"), "{}", none.stderr);
    let within = place.kilde(&["init", "--from", "in", "in/shop"]).ended(2);
    assert!(within.stderr.contains("K0481"), "{}", within.stderr);
    let nowhere = place.kilde(&["init", "--from", "nowhere", "shop"]).ended(2);
    assert!(nowhere.stderr.contains("K0480"), "{}", nowhere.stderr);
    place.write("in/a.csv", "a,b\n1,2\n");
    let full = place.kilde(&["init", "--from", "in", "full"]).ended(2);
    assert!(full.stderr.contains("is not empty"), "{}", full.stderr);
}

/// Copies every file and its clean version, each into a folder of its own, so that no two are taken for one table.
fn laid_out(pollock: &Path, place: &Sandbox) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(pollock.join("csv"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for (at, name) in names.iter().enumerate() {
        for (kind, other) in [("csv", "dirty"), ("clean", "clean")] {
            let bytes = std::fs::read(pollock.join(kind).join(name)).unwrap();
            place.write(&format!("in/{other}/t{at:02}/x.csv"), bytes);
        }
    }
    names
}

/// Builds; a file that is refused as a whole is taken out, and its table is not there.
fn build_what_is_read(place: &Sandbox, mut sources: String) {
    loop {
        place.write("pipelines/pollock.yaml", &sources);
        let said = place.kilde(&["build"]);
        if said.code == 0 {
            break;
        }
        let refused = said.stderr.split("`bronze.d").nth(1).unwrap();
        let start = format!(
            "  - {{table: bronze.d{},",
            refused.split('`').next().unwrap()
        );
        let kept = sources.lines().filter(|line| !line.starts_with(&start));
        let kept: String = kept.map(|line| format!("{line}\n")).collect();
        assert!(kept.len() < sources.len(), "{}", said.stderr);
        let contract = start
            .split('.')
            .nth(1)
            .unwrap()
            .trim_end_matches(',')
            .to_string();
        std::fs::remove_file(place.path(&format!("schemas/bronze/{contract}.yaml"))).unwrap();
        sources = kept;
    }
}

/// The Pollock benchmark: 98 files, each with one fault, and their clean versions. Nothing is declared; what `kilde profile`
/// guesses is what a build then reads by. Counts the files of which every record came out as in the clean version, those that
/// are no record left aside: they are rejects, with a reason, where other readers pad or cut them.
#[test]
fn pollocks_polluted_files_are_read_by_guessing_alone() {
    if std::env::var_os("KILDE_LONG_TESTS").is_none() {
        return;
    }
    let Some(pollock) = folder("csv/pollock") else {
        return;
    };
    let place = Sandbox::empty();
    let names = laid_out(&pollock, &place);
    let said = place.kilde(&["profile", "in/dirty", "--json"]).ended(0);
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    let mut sources = String::from("sources:\n");
    let mut compared = Vec::new();
    let (mut whole, mut but_rejects, mut wrong) = (0, 0, Vec::new());
    for (at, name) in names.iter().enumerate() {
        let path = format!("t{at:02}/x.csv");
        let clean = std::fs::read_to_string(place.path(&format!("in/clean/{path}"))).unwrap();
        let mut tables = found["tables"].as_array().unwrap().iter();
        let Some(table) = tables.find(|table| table["files"][0]["path"] == path.as_str()) else {
            // nothing was there to read
            match clean.trim().is_empty() {
                true => whole += 1,
                false => wrong.push(name.clone()),
            }
            continue;
        };
        let columns: Vec<&str> = table["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column["name"].as_str().unwrap())
            .collect();
        let read = table["read"].as_str().unwrap();
        let by_position = read.contains("header: false");
        let first = clean.lines().next().unwrap_or_default();
        // every cell of a clean file is quoted
        let width = first.split("\",\"").count();
        let header = format!("\"{}\"", columns.join("\",\""));
        if columns.len() != width || !(by_position || header == first) {
            wrong.push(name.clone());
            continue;
        }
        let (mut dirty, mut plain) = (String::from("columns:\n"), String::from("columns:\n"));
        for (column, of) in columns.iter().enumerate() {
            let from = if by_position {
                String::new()
            } else {
                format!(", from: [\"{of}\"]")
            };
            dirty.push_str(&format!(
                "  - {{name: c{column}{from}, data_type: varchar}}\n"
            ));
            plain.push_str(&format!("  - {{name: c{column}, data_type: varchar}}\n"));
        }
        place.write(&format!("schemas/bronze/d{at}.yaml"), dirty);
        place.write(&format!("schemas/bronze/e{at}.yaml"), plain);
        let skipped = if by_position { "" } else { ", skip_lines: 1" };
        sources.push_str(&format!(
            "  - {{table: bronze.d{at}, files: dirty/{path}, read: {read}}}\n  \
             - {{table: bronze.e{at}, files: clean/{path}, read: {{csv: {{header: false{skipped}}}}}}}\n"
        ));
        compared.push((name.clone(), at, width));
    }
    place.write("kilde.yaml", "project: pollock\nraw: in/\nlake: lake/\n");
    build_what_is_read(&place, sources);
    let read = ledger(&place);
    for (name, at, width) in compared {
        let columns: Vec<String> = (0..width).map(|column| format!("c{column}")).collect();
        let columns = columns.join(", ");
        let lacking = |one: &str, other: &str| {
            format!(
                "(select count(*) from (select {columns} from bronze.{one}{at} \
                 except all select {columns} from bronze.{other}{at}))"
            )
        };
        let sql = format!(
            "select {} as added, {} as lost",
            lacking("d", "e"),
            lacking("e", "d")
        );
        // a source that was refused has no table
        let said = place.kilde(&["query", "--format", "csv", &sql]);
        let counts = said.stdout.lines().nth(1).unwrap_or_default().to_string();
        let lost = counts
            .strip_prefix("0,")
            .and_then(|lost| lost.parse::<u64>().ok());
        let rejected = read
            .get(&format!("dirty/t{at:02}/x.csv"))
            .map_or(0, |(_, rejected)| *rejected);
        match lost {
            Some(0) => whole += 1,
            Some(lost) if lost <= rejected => but_rejects += 1,
            _ => wrong.push(name),
        }
    }
    let score = format!(
        "{whole} of {} as their clean version, {but_rejects} but for",
        names.len()
    );
    let page = std::fs::read_to_string(repository().join("docs/profile.md")).unwrap();
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        page.contains(&score),
        "docs/profile.md should say: {score} records that are rejects; not: {}",
        wrong.join(", ")
    );
}

/// A workbook of one sheet: cells by row, and the ranges that are merged.
fn workbook(rows: &[&[&str]], merged: &[&str]) -> Vec<u8> {
    let cell = |at: (usize, &&str), row: usize| match at.1.parse::<f64>() {
        _ if at.1.is_empty() => String::new(),
        Ok(_) => format!(r#"<c r="{}{row}"><v>{}</v></c>"#, letter(at.0), at.1),
        Err(_) => format!(
            r#"<c r="{}{row}" t="str"><v>{}</v></c>"#,
            letter(at.0),
            at.1
        ),
    };
    let rows: String = (1..)
        .zip(rows)
        .map(|(row, cells)| {
            let cells = cells.iter().enumerate().map(|at| cell(at, row));
            format!(r#"<row r="{row}">{}</row>"#, cells.collect::<String>())
        })
        .collect();
    let merged: String = merged
        .iter()
        .map(|range| format!(r#"<mergeCell ref="{range}"/>"#))
        .collect();
    let sheet = format!(
        "<worksheet><sheetData>{rows}</sheetData><mergeCells>{merged}</mergeCells></worksheet>"
    );
    zip(&[
        (
            "xl/workbook.xml",
            r#"<workbook><sheets><sheet name="Blad1" r:id="s"/></sheets></workbook>"#.into(),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            r#"<R><Relationship Id="s" Type="t/worksheet" Target="s.xml"/></R>"#.into(),
        ),
        ("xl/s.xml", sheet),
    ])
}

fn letter(column: usize) -> char {
    char::from(b'A' + column as u8)
}

#[test]
fn archives_avro_headers_of_two_rows_and_rows_of_sums_become_sources_that_build() {
    let place = Sandbox::empty();
    let exports = place.path("in");
    std::fs::create_dir(&exports).unwrap();
    let corpus = repository().join("fuzz/corpus");
    std::fs::copy(corpus.join("zip/one"), exports.join("packed.zip")).unwrap();
    std::fs::copy(corpus.join("avro/container"), exports.join("orders.avro")).unwrap();
    let sums = "Kund;Belopp\nAnna;1\nBo;2\nIda;3\nSumma;6\n";
    std::fs::write(exports.join("sales.csv"), sums).unwrap();
    let budget = workbook(
        &[
            &["Butik", "Januari", "", "Februari", ""],
            &["", "kr", "antal", "kr", "antal"],
            &["Umeå", "10.5", "3", "11.5", "4"],
            &["Oslo", "20.5", "5", "21.5", "6"],
        ],
        &["B1:C1", "D1:E1"],
    );
    std::fs::write(exports.join("budget.xlsx"), budget).unwrap();
    let answers = "Kund;E-post;Samtycke e-post\nA1;ada@example.com;Ja\nB2;bo@example.com;nej\nC3;cia@example.com;\n";
    std::fs::write(exports.join("answers.csv"), answers).unwrap();
    let shops = "Butik;Ort;Belopp\nA1;Umeå;10,50\nA2;Umeå;2,00\nDelsumma;Umeå;12,50\nB1;Oslo;3,25\nDelsumma;Oslo;3,25\n;;15,75\n";
    std::fs::write(exports.join("shops.csv"), shops).unwrap();
    let padded = "nr || town   || since\n1  || Umeå   || 2026-01-02\n2  || Malmö  || 2026-02-03\n";
    std::fs::write(exports.join("padded.txt"), padded).unwrap();
    let product = |no: u32| format!("{no};Sko {no};{no},50\n");
    let order = |no: u32| format!("B{no};{no};{no}00,00\n");
    for (day, no) in [("20260301", 1), ("20260302", 5)] {
        let parts = [
            (
                "data/orders_1.csv",
                format!("Bong;Vara;Summa\n{}", order(no)),
            ),
            (
                "data/orders_2.csv",
                format!("Bong;Vara;Summa\n{}{}", order(no + 1), order(no + 2)),
            ),
            (
                "data/products.csv",
                format!("Vara;Namn;Pris\n{}{}", product(1), product(no + 1)),
            ),
            ("readme.md", "as every night".to_string()),
        ];
        std::fs::write(exports.join(format!("dump_{day}.zip")), zip(&parts)).unwrap();
    }
    let fixed = "Kundnr  Namn        Saldo\n10001   Åsa Ek      12.50\n10002   Bo         100.00\n10003   Cia Öst      3.00\n10004   Dan          7.25\n";
    std::fs::write(exports.join("balances.txt"), fixed).unwrap();
    let project = built_from(&exports);
    let read = ledger(&project);
    assert_eq!(read["orders.avro"], (1, 0));
    assert_eq!(read["shops.csv"], (3, 0));
    assert_eq!(read["padded.txt"], (2, 0));
    assert_eq!(read["balances.txt"], (4, 0));
    assert_eq!(read["budget.xlsx"], (2, 0));
    assert_eq!(read["dump_20260301.zip!data/orders_1.csv"], (1, 0));
    assert_eq!(read["dump_20260302.zip!data/orders_2.csv"], (2, 0));
    assert_eq!(read["dump_20260302.zip!data/products.csv"], (2, 0));
    let pipeline = project.read("pipelines/exports.yaml");
    for proposed in [
        "{xlsx: {header_rows: 2}}",
        "comment: \"Delsumma\", until: \";;\"",
        "delimiter: \"||\", trim: true",
        "{fixed: {fields: {kundnr: 8, namn: 11, saldo: 6}, skip_lines: 1}}",
        "files: \"dump_{exported_on:%Y%m%d}.zip!data/orders_*.csv\"",
        "files: \"dump_{exported_on:%Y%m%d}.zip!data/products.csv\"",
    ] {
        assert!(pipeline.contains(proposed), "{proposed}: {pipeline}");
    }
    let sums = project.query("select (select sum(belopp) from bronze.shops) as shops, (select sum(saldo) from bronze.balances) as saldo, (select max(town) from bronze.padded) as town");
    assert_eq!(sums[0], ["15.75", "122.75", "Umeå"]);
    let rows = project.query(
        "select (select sum(februari_antal) from bronze.budget) as pieces, (select count(*) from bronze.answers where samtycke_e_post) as yes, (select count(*) from bronze.answers where not samtycke_e_post) as no",
    );
    assert_eq!(rows[0], ["10", "1", "1"]);
    assert_eq!(read["sales.csv"], (3, 0));
    assert!(read["packed.zip"].0 > 1);
    let said = project
        .kilde(&["profile", exports.to_str().unwrap()])
        .ended(0);
    assert!(
        said.stdout.contains("ends before `Summa;`"),
        "{}",
        said.stdout
    );
}

#[test]
fn consents_count_by_purpose_invoices_once_and_sums_of_sheets_not_at_all() {
    let place = Sandbox::with(&[
        (
            "in/Kunder.csv",
            "Kundnr;Namn;E-post;Reklam ok?;SMS;Avregistrerad\n\
             101;Ada Ek;ada@example.com;ja;ja;\n102;Bo Al;bo@example.com;ja;nej;2026-02-01\n\
             103;Cia Bo;cia@example.com;nej;ja;\n104;Dan Öst;;ja;;\n",
        ),
        (
            "in/Nyhetsbrev.csv",
            "e-post;godkänt;datum\nADA@example.com;ja;2026-01-01\nada@example.com;nej;2026-02-01\ncia@example.com;ja;2026-01-05\n",
        ),
        (
            "in/Avanmälda.csv",
            "e-post;avanmäld\ncia@example.com;2026-01-06\nnobody@example.com;2026-01-07\n",
        ),
        (
            "in/Fakturor.csv",
            "Fakturanr;Rad;Kundnr;Datum;Belopp\n1;1;101;2026-01-02;10,00\n1;2;101;2026-01-02;5,00\n1;3;101;2026-01-02;1,00\n2;1;102;2026-01-03;7,50\n3;1;101;2026-02-03;7,50\n",
        ),
        (
            "in/kassa.txt",
            "Artnr   Vara      Ort      Saldo\n\
             10001   Stol      Umeå     12.50\n10002   HatthyllanNorrköpi100.00\n\
             10003   Lampa     Oslo      3.00\n10004   Bord      Lund     11.00\n",
        ),
    ]);
    let sales = workbook(
        &[
            &["Försäljning per butik"],
            &["Butik", "", "2025", "", "2026", ""],
            &["Nr", "Namn", "antal", "kr", "antal", "kr"],
            &["1", "Umeå", "1", "10.5", "3", "30.5"],
            &["2", "Malmö", "2", "20.5", "4", "40.5"],
            &["Delsumma Norr", "", "3", "31", "7", "71"],
            &["3", "Lund", "5", "1.5", "6", "2.5"],
            &["4", "Oslo", "5", "1.5", "6", "2.5"],
            &["Delsumma Syd", "", "10", "3", "12", "5"],
            &["", "", "13", "34", "19", "76"],
        ],
        &["A2:B2", "C2:D2", "E2:F2"],
    );
    place.write("in/Försäljning.xlsx", sales);
    let stock = workbook(
        &[
            &["Vara", "antal"],
            &["Skruv", "4"],
            &["Mutter", "6"],
            &["", "10"],
            &["Spik", "1"],
            &["Hake", "2"],
            &["", "3"],
        ],
        &[],
    );
    place.write("in/Lager.xlsx", stock);
    let said = place.kilde(&["init", "--from", "in", "."]).ended(0);
    for line in [
        "people: kunder",
        "purchases: fakturor",
        "consents: avanmalda, kunder, nyhetsbrev",
    ] {
        assert!(said.stdout.contains(line), "{line}: {}", said.stdout);
    }
    place.kilde(&["build"]).ended(0);
    let customers = place.query(
        "select email, purchases_count, replace(agreed_to, ', ', '+') from gold.customers order by email nulls last",
    );
    assert_eq!(
        customers,
        [
            ["ada@example.com", "2", "reklam_ok+sms"],
            ["bo@example.com", "1", ""],
            ["cia@example.com", "0", ""],
            ["", "0", "reklam_ok"],
        ]
    );
    let consents = place.query(
        "select purpose, count(*) filter (where granted) as yes, count(*) as said from gold.consents group by purpose order by purpose",
    );
    assert_eq!(
        consents,
        [
            ["nyhetsbrev", "0", "2"],
            ["reklam_ok", "2", "4"],
            ["sms", "1", "3"]
        ]
    );
    assert_eq!(
        place.query("select count(*) from silver.purchases")[0][0],
        "3"
    );
    let read = ledger(&place);
    assert_eq!(read["Försäljning.xlsx"], (4, 0));
    assert_eq!(read["Lager.xlsx"], (6, 2));
    assert_eq!(read["kassa.txt"], (4, 0));
    let sums = place.query(
        "select (select sum(c_2026_kr) from bronze.forsaljning) as kr, (select sum(antal) from bronze.lager) as stock, (select max(ort) from bronze.kassa) as place",
    );
    assert_eq!(sums[0], ["76.00", "13", "Umeå"]);
    let pipeline = place.read("pipelines/exports.yaml");
    let read = "{xlsx: {header_rows: 2, skip_lines: 1, skip_footer: 1, comment: \"Delsumma\"}}";
    assert!(pipeline.contains(read), "{pipeline}");

    consents_are_told(&place);
}

/// What the next night changes of consents, in a comparison and of one person.
fn consents_are_told(place: &Sandbox) {
    // the next night Ada says yes to the newsletter, and Dan no to advertising
    place.write(
        "in/Nyhetsbrev.csv",
        "e-post;godkänt;datum\nADA@example.com;ja;2026-01-01\nada@example.com;nej;2026-02-01\ncia@example.com;ja;2026-01-05\nada@example.com;ja;2026-03-01\n",
    );
    let people = place.read("in/Kunder.csv");
    place.write("in/Kunder.csv", people.replace("Öst;;ja;;", "Öst;;nej;;"));
    place.kilde(&["build"]).ended(0);
    let said = place.kilde(&["diff"]).ended(0).stdout;
    let told = "consents\n  nyhetsbrev  0 → 1 agree  +1\n  reklam_ok   2 → 1 agree  −1\n";
    assert!(said.contains(told), "{said}");
    let said = place.kilde(&["customer", "ada@example.com"]).ended(0);
    let consents = said.stdout.split("gold.consents").nth(1);
    let told = consents.is_some_and(|text| text.contains("nyhetsbrev") && text.contains("true"));
    assert!(told, "{}", said.stdout);
    let json = place
        .kilde(&["customer", "ada@example.com", "--json"])
        .ended(0);
    assert!(
        json.stdout.contains("\"part\": \"consents\""),
        "{}",
        json.stdout
    );
}
