//! Seeds: small reference tables among the files of the project.

use crate::sandbox::Sandbox;

fn shop() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        ("pipelines/shop.yaml", "steps:\n  - sql: silver/*\n"),
        (
            "seeds/ref/countries.csv",
            "code,name,vat_rate,since_on\nSE,\"Sweden, kingdom\",25.00,2010-01-01\nNO,,24.5,\n",
        ),
        (
            "schemas/ref/countries.yaml",
            "description: Countries we ship to.\nkey: [code]\ncolumns:\n  - {name: code, data_type: varchar}\n  - {name: vat_rate, data_type: 'decimal(4,2)'}\n  - {name: name, data_type: varchar}\n  - {name: since_on, data_type: date}\n",
        ),
        ("seeds/ref/words.csv", "word,weight\nbra,1\n"),
        (
            "sql/silver/rates.sql",
            "-- silver.rates: one row per country.\nselect code, vat_rate / 100 as rate from ref.countries\n",
        ),
    ])
}

/// Rows of a query as lines of CSV.
fn lines(shop: &Sandbox, sql: &str) -> Vec<String> {
    let rows = shop.query(sql).into_iter();
    rows.map(|cells| cells.join(",")).collect()
}

#[test]
fn a_seed_is_a_table_of_the_release_typed_by_its_contract() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    assert_eq!(
        lines(
            &shop,
            "select code, name, vat_rate, since_on from ref.countries order by code"
        ),
        ["NO,,24.50,", "SE,\"Sweden, kingdom\",25.00,2010-01-01"]
    );
    // without a contract all is text, and it is published though nothing reads it
    assert_eq!(
        lines(&shop, "select word, weight || '0' as w from ref.words"),
        ["bra,10"]
    );
    let listed = shop.kilde(&["ls", "path:seeds"]).ended(0).stdout;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.contains("seed"), "{listed}");
    let before = shop.objects();
    shop.kilde(&["build"]).ended(0);
    assert_eq!(shop.objects(), before);
}

#[test]
fn a_changed_cell_rebuilds_the_seed_and_what_reads_it_and_other_quotes_do_not() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let text = shop.read("seeds/ref/countries.csv");
    shop.write(
        "seeds/ref/countries.csv",
        text.replace("NO,,24.5,", "\"NO\",\"\",24.5,"),
    );
    let said = shop.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 1 stands"), "{}", said.stdout);
    shop.write("seeds/ref/countries.csv", text.replace("24.5", "20"));
    let plan = shop.kilde(&["plan"]).ended(0).stdout;
    assert!(plan.contains("changed seeds/ref/countries.csv"), "{plan}");
    assert!(plan.contains("its input ref.countries changes"), "{plan}");
    shop.kilde(&["build", "-s", "ref.countries+"]).ended(0);
    assert_eq!(
        lines(&shop, "select rate from silver.rates where code = 'NO'"),
        ["0.200000"]
    );
}

#[test]
fn a_key_that_stands_twice_in_a_seed_publishes_nothing() {
    let shop = shop();
    shop.write(
        "seeds/ref/countries.csv",
        "code,name,vat_rate,since_on\nSE,a,1,\nSE,b,2,\n",
    );
    let said = shop.kilde(&["build"]).ended(1);
    assert!(said.stdout.contains("ref.countries"), "{}", said.stdout);
    shop.kilde(&["query", "select * from ref.words"]).ended(2);
}

#[test]
fn a_bad_cell_is_named_by_its_place_and_never_shown() {
    let shop = shop();
    shop.write(
        "seeds/ref/countries.csv",
        "code,name,vat_rate,since_on\nSE,a,secret,\n",
    );
    let said = shop.kilde(&["check"]).ended(2);
    assert!(
        said.stderr.contains("seeds/ref/countries.csv:2:6"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("decimal(4,2)"), "{}", said.stderr);
    assert!(!said.stderr.contains("secret"), "{}", said.stderr);
}
