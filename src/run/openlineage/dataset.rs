//! How OpenLineage names a table of the lake, and the exports of a source: by where they lie.

use serde_json::{Value, json};

use crate::location::{Bucket, Location};
use crate::name::TableName;
use crate::project::{Project, Source};

/// Namespaces and names of datasets.
#[derive(Debug)]
pub(super) struct Datasets {
    lake: Place,
    raw: Place,
}

/// A folder, as OpenLineage's naming conventions split it: `file` and a path, `s3://bucket` and a key.
#[derive(Debug)]
struct Place {
    namespace: String,
    path: String,
}

impl Datasets {
    pub(super) fn of(project: &Project) -> Self {
        Self {
            lake: Place::of(&project.lake),
            raw: Place::of(&project.raw),
        }
    }

    pub(super) fn table(&self, table: &TableName) -> (String, String) {
        self.lake.below(&table.location())
    }

    /// The exports of a source, one dataset for each pattern of theirs: which files there are differs from day to day.
    pub(super) fn exports(&self, source: &Source) -> Vec<Value> {
        let patterns = source.patterns.iter();
        patterns
            .map(|pattern| {
                let (namespace, name) = self.raw.below(&pattern.text);
                json!({"namespace": namespace, "name": name})
            })
            .collect()
    }
}

impl Place {
    fn of(location: &Location) -> Self {
        match location {
            Location::Bucket(bucket) => {
                let whole = Bucket {
                    prefix: String::new(),
                    ..bucket.clone()
                };
                Self {
                    namespace: whole.to_string(),
                    path: bucket.prefix.clone(),
                }
            }
            Location::Folder(folder) => Self {
                namespace: "file".to_string(),
                path: folder.display().to_string().replace('\\', "/"),
            },
        }
    }

    fn below(&self, rest: &str) -> (String, String) {
        let name = match self.path.is_empty() {
            true => rest.to_string(),
            false => format!("{}/{rest}", self.path),
        };
        (self.namespace.clone(), name)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn below(location: &str) -> (String, String) {
        let location = Location::parse(location, Path::new("/")).unwrap();
        Place::of(&location).below("gold/sales")
    }

    #[test]
    fn a_folder_and_a_bucket_are_named_as_the_conventions_say() {
        for (location, namespace, name) in [
            ("/srv/lake/", "file", "/srv/lake/gold/sales"),
            (
                "s3://acme-lake/kilde/",
                "s3://acme-lake",
                "kilde/gold/sales",
            ),
            ("s3://acme-lake", "s3://acme-lake", "gold/sales"),
            (
                "abfss://lake@acme.dfs.core.windows.net/x",
                "abfss://lake@acme.dfs.core.windows.net",
                "x/gold/sales",
            ),
        ] {
            let expected = (namespace.to_string(), name.to_string());
            assert_eq!(below(location), expected);
        }
    }
}
