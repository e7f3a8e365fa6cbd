//! One view a table; DuckDB's Delta extension reads the version named, whatever is published meanwhile.
//!
//! A bucket's credentials are DuckDB's to find, where kilde finds them: the script names the chain and holds no key.

use std::collections::BTreeSet;

use super::{Lake, Pinned};
use crate::location::{Bucket, Provider};
use crate::sql_text::literal_sql;
use crate::store::Reach;

pub(super) fn script(pinned: &Pinned) -> String {
    let mut text = format!(
        "-- {}: one view a table, each at that release's version.\ninstall delta;\nload delta;\n",
        pinned.title
    );
    if let Lake::Bucket(bucket, reach) = &pinned.lake {
        text.push_str(&secret(bucket, reach));
    }
    let schemas: BTreeSet<&str> = pinned.tables.keys().map(|table| table.schema()).collect();
    for schema in schemas {
        text.push_str(&format!("create schema if not exists {schema};\n"));
    }
    for (name, table) in &pinned.tables {
        text.push_str(&format!(
            "create or replace view {name} as from delta_scan({}, version := {});\n",
            literal_sql(&pinned.path(&table.location)),
            table.version,
        ));
    }
    text
}

/// How DuckDB comes by the right to read the bucket.
fn secret(bucket: &Bucket, reach: &Reach) -> String {
    let (extensions, kind): (&[&str], _) = match bucket.provider {
        Provider::S3 => (&["httpfs", "aws"], "s3"),
        Provider::Azure => (&["azure"], "azure"),
        Provider::Google => {
            return "-- credentials: the Delta extension takes those of GOOGLE_APPLICATION_CREDENTIALS\n".to_string();
        }
    };
    let mut text = String::new();
    for extension in extensions {
        text.push_str(&format!("install {extension};\nload {extension};\n"));
    }
    let scope = Bucket {
        account: None,
        ..bucket.clone()
    };
    let mut options = vec![
        format!("type {kind}"),
        "provider credential_chain".to_string(),
        format!("scope {}", literal_sql(&scope.to_string())),
    ];
    if let Some(region) = &reach.region {
        options.push(format!("region {}", literal_sql(region)));
    }
    if let Some(account) = &reach.account {
        options.push(format!("account_name {}", literal_sql(account)));
    }
    let endpoint = reach
        .endpoint
        .as_deref()
        .filter(|_| bucket.provider == Provider::S3);
    if let Some((scheme, host)) = endpoint.and_then(|endpoint| endpoint.split_once("://")) {
        options.push(format!("endpoint {}", literal_sql(host)));
        options.push("url_style 'path'".to_string());
        options.push(format!("use_ssl {}", scheme != "http"));
    }
    text.push_str(&format!(
        "create or replace secret kilde ({});\n",
        options.join(", ")
    ));
    text
}
