//! A dictionary of lazy frames, by table.

use super::Pinned;

pub(super) fn script(pinned: &Pinned) -> String {
    let mut text = format!(
        "# {}: pip install polars deltalake\nimport polars as pl\n\ntables = {{\n",
        pinned.title
    );
    for (name, table) in &pinned.tables {
        // a JSON string is a string of Python too
        let path = serde_json::Value::from(pinned.path(&table.location));
        text.push_str(&format!(
            "    \"{name}\": pl.scan_delta({path}, version={}),\n",
            table.version
        ));
    }
    text.push_str("}\n");
    text
}
