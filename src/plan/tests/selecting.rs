use super::*;

fn selected(select: &[&str], exclude: &[&str]) -> String {
    let before = published(&shop().plan(&nothing()));
    let text = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let selection = Selection::parse(&text(select), &text(exclude)).unwrap();
    // one changed statement, for `state:modified`
    let changed = shop().sql(
        "gold.local",
        "select email as customer_id from silver.people where country = $country",
    );
    match changed.plan_of(&before, &selection) {
        Ok(plan) => {
            let tables = plan.order.iter();
            let chosen = tables.filter(|table| plan.tables[*table].action != Action::NotSelected);
            chosen
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        }
        Err(error) => error.render(),
    }
}

#[test]
fn selections_follow_the_graph() {
    assert_eq!(selected(&["customers"], &[]), "gold.customers");
    assert_eq!(
        selected(&["+gold.local"], &[]),
        "bronze.people silver.people gold.local"
    );
    assert_eq!(selected(&["1+gold.local"], &[]), "silver.people gold.local");
    assert_eq!(
        selected(&["bronze.orders+"], &[]),
        "bronze.orders silver.orders gold.customers gold.daily"
    );
    assert_eq!(
        selected(&["bronze.orders+1"], &[]),
        "bronze.orders silver.orders"
    );
    assert_eq!(
        selected(&["@silver.orders"], &[]),
        "bronze.orders bronze.people silver.orders silver.people gold.customers gold.daily"
    );
}

#[test]
fn selections_unite_intersect_and_exclude() {
    assert_eq!(
        selected(&["gold.* silver.orders"], &["*.daily"]),
        "silver.orders gold.customers gold.local"
    );
    assert_eq!(
        selected(&["silver.people+,gold.*"], &[]),
        "gold.customers gold.local"
    );
    assert_eq!(
        selected(&["path:sql/silver"], &[]),
        "silver.orders silver.people"
    );
    assert_eq!(
        selected(&["source:*", "tag:raw"], &[]),
        "bronze.orders bronze.people"
    );
    assert_eq!(selected(&["tag:nightly,gold.daily"], &[]), "gold.daily");
    assert_eq!(selected(&["state:modified"], &[]), "gold.local");
    assert_eq!(
        selected(&["pipeline:shop"], &["source:bronze.orders+"]),
        "bronze.people silver.people gold.local"
    );
}

#[test]
fn selections_that_find_nothing_or_too_much_are_refused() {
    insta::assert_snapshot!(selected(&["gold.custmers"], &[]), @r#"
    error[K0241]: `gold.custmers` finds no table
    help: did you mean `gold.customers`?
    "#);
    insta::assert_snapshot!(selected(&["orders"], &[]), @r#"
    error[K0242]: `orders` means several tables
    help: say which: `bronze.orders`, `silver.orders`
    "#);
    insta::assert_snapshot!(selected(&["tag:nightyl"], &[]), @r#"
    error[K0241]: `tag:nightyl` finds no table
    help: did you mean `nightly`?
    "#);
}
