//! One view a table; DuckDB's Delta extension reads the version named, whatever is published meanwhile.

use std::collections::BTreeSet;

use super::Pinned;

pub(super) fn script(pinned: &Pinned) -> String {
    let mut text = format!(
        "-- {}: one view a table, each at that release's version.\ninstall delta;\nload delta;\n",
        pinned.title
    );
    let schemas: BTreeSet<&str> = pinned.tables.keys().map(|table| table.schema()).collect();
    for schema in schemas {
        text.push_str(&format!("create schema if not exists {schema};\n"));
    }
    for (name, table) in &pinned.tables {
        text.push_str(&format!(
            "create or replace view {name} as from delta_scan('{}', version := {});\n",
            pinned.path(&table.location).replace('\'', "''"),
            table.version,
        ));
    }
    text
}
