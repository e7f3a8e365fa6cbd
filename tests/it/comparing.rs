//! Comparisons that the parser or DataFusion read otherwise than DuckDB, everywhere that a project holds SQL.

use crate::sandbox::Sandbox;

fn shop() -> Sandbox {
    Sandbox::with(&[
        (
            "kilde.yaml",
            "project: shop\nraw: exports/\nlake: lake/\nvars: {wanted: paid}\n",
        ),
        ("pipelines/shop.yaml", "steps:\n  - sql: silver/*\n"),
        (
            "seeds/ref/orders.csv",
            "id,status,ordered_at,before_at\n\
             1,paid,2026-04-01T00:00:00Z,2026-01-01T00:00:00Z\n\
             2,paid,2026-04-01T00:00:01Z,2026-01-01T00:00:00Z\n\
             3,open,2026-04-02T00:00:00Z,2026-01-01T00:00:00Z\n\
             4,paid,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z\n",
        ),
        (
            "schemas/ref/orders.yaml",
            "columns:\n  - {name: id, data_type: integer}\n  - {name: status, data_type: varchar}\n  \
             - {name: ordered_at, data_type: timestamp}\n  - {name: before_at, data_type: timestamp}\n\
             data_tests:\n  - accepted_values: {column: status, values: [none], severity: warn, where: \"if(status = 'paid', ordered_at - before_at > interval '90 days', false)\"}\n",
        ),
        (
            "sql/functions/late.sql",
            "-- Lengths of time between orders.\ncreate function is_late(status varchar, at timestamp, before timestamp) returns boolean\n\
             as if(status = 'open', false, at - before > interval '90 days');\n",
        ),
        (
            "sql/silver/orders.sql",
            "-- silver.orders: one row per order.\nselect id, status, ordered_at - before_at >= interval '90 days' as is_far, is_late(status, ordered_at, before_at) as is_late,\n  \
             coalesce(status = $wanted and id < 2, false) as is_first, coalesce($wanted = status, false) as is_paid from ref.orders\n",
        ),
        (
            "schemas/silver/orders.yaml",
            "data_tests:\n  - {sql: \"select * from silver.orders where if(status = 'open', is_paid, not is_paid)\"}\n\
             unit_tests:\n  - name: an_order_is_far_from_the_one_ninety_days_before\n    given: {ref.orders: [{id: 7, ordered_at: 2026-04-01T00:00:00Z, before_at: 2026-01-01T00:00:00Z}]}\n    \
             expect: [{id: 7, is_far: true, is_first: false}]\n",
        ),
    ])
}

#[test]
fn comparisons_mean_the_same_in_steps_tests_functions_unit_tests_and_queries() {
    let shop = shop();
    shop.kilde(&["check"]).ended(0);
    shop.kilde(&["test"]).ended(0);
    let built = shop.kilde(&["build"]).ended(0);
    // of the rows that the `where` of the test leaves, all fail: order 2 and no other
    assert!(
        built.stdout.contains("accepted_values(status) 1 of 4 rows"),
        "{}",
        built.stdout
    );
    let rows = |sql: &str| -> Vec<String> {
        let rows = shop.query(sql).into_iter();
        rows.map(|cells| cells.join(",")).collect()
    };
    assert_eq!(
        rows("select id, is_far, is_late, is_first, is_paid from silver.orders order by id"),
        [
            "1,true,false,true,true",
            "2,true,true,false,true",
            "3,true,false,false,false",
            "4,false,false,false,true"
        ]
    );
    assert_eq!(
        rows(
            "select count_if(status = 'paid') as paid, count_if(ordered_at - before_at > interval '90 days') as late from ref.orders"
        ),
        ["3,2"]
    );
    let shown = shop.kilde(&["show", "silver.orders"]).ended(0).stdout;
    assert_eq!(shown.matches("true").count(), 8, "{shown}");
}
