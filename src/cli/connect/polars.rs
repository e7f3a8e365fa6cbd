//! A dictionary of lazy frames, by table. Credentials of a bucket come from the environment, as kilde's own do.

use super::{Lake, Pinned};

pub(super) fn script(pinned: &Pinned) -> String {
    let mut text = format!(
        "# {}: pip install polars deltalake\nimport polars as pl\n\ntables = {{\n",
        pinned.title
    );
    let options = options(&pinned.lake);
    for (name, table) in &pinned.tables {
        // a JSON string is a string of Python too
        let path = serde_json::Value::from(pinned.path(&table.location));
        text.push_str(&format!(
            "    \"{name}\": pl.scan_delta({path}, version={}{options}),\n",
            table.version
        ));
    }
    text.push_str("}\n");
    text
}

/// What the environment may not say in the words that delta-rs and Polars know; no secrets.
fn options(lake: &Lake) -> String {
    let Lake::Bucket(_, reach) = lake else {
        return String::new();
    };
    let mut options = serde_json::Map::new();
    for (name, value) in [
        ("aws_region", &reach.region),
        ("aws_endpoint_url", &reach.endpoint),
        ("azure_storage_account_name", &reach.account),
    ] {
        // an endpoint of Azure is told by the same variable everywhere
        let is_of_azure = reach.account.is_some() && name == "aws_endpoint_url";
        if let Some(value) = value.as_ref().filter(|_| !is_of_azure) {
            options.insert(name.to_string(), value.as_str().into());
        }
    }
    if reach.account.is_none()
        && reach
            .endpoint
            .as_ref()
            .is_some_and(|e| e.starts_with("http://"))
    {
        options.insert("aws_allow_http".to_string(), "true".into());
    }
    match options.is_empty() {
        true => String::new(),
        false => format!(", storage_options={}", serde_json::Value::from(options)),
    }
}
