//! How OpenLineage names a table of the lake, and the exports of a source: by where they lie.

use serde_json::{Value, json};

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
    fn of(location: &str) -> Self {
        match url::Url::parse(location) {
            // what else an address may hold (a user, a key) is nobody's business
            Ok(url) if url.has_host() => Self {
                namespace: format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
                path: url.path().trim_matches('/').to_string(),
            },
            _ => Self {
                namespace: "file".to_string(),
                path: location.trim_end_matches('/').replace('\\', "/"),
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
    use super::Place;

    #[test]
    fn a_folder_and_a_bucket_are_named_as_the_conventions_say() {
        let folder = Place::of("/srv/lake/").below("gold/sales");
        assert_eq!(
            folder,
            ("file".to_string(), "/srv/lake/gold/sales".to_string())
        );
        let bucket = Place::of("s3://key:secret@acme-lake/kilde/").below("gold/sales");
        assert_eq!(
            bucket,
            ("s3://acme-lake".to_string(), "kilde/gold/sales".to_string())
        );
    }
}
