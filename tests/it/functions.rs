//! Functions that a project writes in SQL.

use crate::sandbox::Sandbox;

const NET: &str = "-- Amounts without their value added tax.
create function net(amount decimal(12, 2), rate decimal(4, 2)) returns decimal(12, 2)
as cast(amount / (1 + rate / 100) as decimal(12, 2));

create function is_nordic(code varchar) returns boolean as code in ('SE', 'NO', 'DK', 'FI', 'IS')
";

const LABEL: &str =
    "create or replace function label(code varchar, amount decimal(12, 2)) returns varchar
return case when is_nordic(code) then code || ' ' || cast(net(amount, 25) as varchar) end
";

fn shop() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        ("pipelines/shop.yaml", "steps:\n  - sql: silver/*\n"),
        ("sql/functions/money.sql", NET),
        ("sql/functions/label.sql", LABEL),
        ("seeds/ref/sales.csv", "code,amount\nSE,125\nDE,50\nNO,\n"),
        (
            "schemas/ref/sales.yaml",
            "columns:\n  - {name: code, data_type: varchar}\n  - {name: amount, data_type: 'decimal(12,2)'}\n",
        ),
        (
            "sql/silver/sales.sql",
            "-- silver.sales: one row per sale.\nselect code, net(amount, 25) as net_amount, label(code, amount) as label from ref.sales\n",
        ),
        (
            "sql/silver/nordic.sql",
            "-- silver.nordic: one row per Nordic sale.\nselect code from ref.sales where is_nordic(code)\n",
        ),
        (
            "schemas/silver/nordic.yaml",
            "data_tests:\n  - sql: select * from silver.nordic where net(1, 0) <> 1\n",
        ),
        (
            "sql/silver/totals.sql",
            "-- silver.totals: one row.\nselect sum(amount) as amount from ref.sales\n",
        ),
    ])
}

fn lines(shop: &Sandbox, sql: &str) -> Vec<String> {
    let rows = shop.query(sql).into_iter();
    rows.map(|cells| cells.join(",")).collect()
}

#[test]
fn functions_of_the_project_work_in_steps_tests_and_queries() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    assert_eq!(
        lines(
            &shop,
            "select code, net_amount, label from silver.sales order by code"
        ),
        ["DE,40.00,", "NO,,", "SE,100.00,SE 100.00"]
    );
    assert_eq!(
        lines(&shop, "select code from silver.nordic order by code"),
        ["NO", "SE"]
    );
    assert_eq!(
        lines(
            &shop,
            "select net(sum(amount), 25) as n from ref.sales where is_nordic(code)"
        ),
        ["100.00"]
    );
}

#[test]
fn a_changed_function_rebuilds_what_calls_it_and_nothing_else() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    // words of a comment, white space and case are no change
    shop.write(
        "sql/functions/money.sql",
        NET.replace("value added tax", "VAT")
            .replace("returns", " RETURNS "),
    );
    let said = shop.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 1 stands"), "{}", said.stdout);
    shop.write(
        "sql/functions/money.sql",
        NET.replace("1 + rate", "2 + rate"),
    );
    let plan = shop.kilde(&["plan"]).ended(0).stdout;
    assert!(plan.contains("function net changed"), "{plan}");
    let line = |table: &str| {
        plan.lines()
            .find(|line| line.contains(table))
            .unwrap_or_default()
            .to_string()
    };
    assert!(
        line("silver.sales").contains("function net changed"),
        "{plan}"
    );
    assert!(
        line("silver.nordic").contains("only tests changed"),
        "{plan}"
    );
    assert_eq!(line("silver.totals"), "", "{plan}");
    shop.kilde(&["build"]).ended(1);
}
