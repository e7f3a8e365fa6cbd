//! When an export is whole: half of an upload must not be read.

use super::{Period, in_archive};

/// What has to be so before an export is read; without any of it, it is read as it lies there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    /// The file has not been written to for so long.
    pub(crate) quiet_for: Option<Period>,
    /// A file that its sender writes last lies beside it.
    pub(crate) marker: Option<Marker>,
}

/// The name of a file that says of others in its folder that they are whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marker(String);

impl Marker {
    /// Stands for the export's own name.
    const FILE: &str = "{file}";

    /// A name such as `_SUCCESS`, or `{file}.done`; `None` where it is none of a file beside an export.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let rest = name.replace(Self::FILE, "");
        let is_name = !rest.is_empty() && !rest.contains(['/', '{', '}']);
        is_name.then(|| Self(name.to_string()))
    }

    /// The marker of an export, both as paths below `raw`. That of a file of an archive lies beside the archive.
    pub(crate) fn beside(&self, export: &str) -> String {
        let export = in_archive(export).map_or(export, |(archive, _)| archive);
        match export.rsplit_once('/') {
            Some((folder, file)) => format!("{folder}/{}", self.name_for(file)),
            None => self.name_for(export),
        }
    }

    fn name_for(&self, file: &str) -> String {
        self.0.replace(Self::FILE, file)
    }
}

#[cfg(test)]
mod tests {
    use super::Marker;

    #[test]
    fn a_marker_lies_beside_its_export() {
        let beside = |name: &str, export: &str| Marker::new(name).unwrap().beside(export);
        assert_eq!(beside("_SUCCESS", "crm/2026/a.csv"), "crm/2026/_SUCCESS");
        assert_eq!(beside("{file}.done", "crm/a.csv"), "crm/a.csv.done");
        assert_eq!(beside("_SUCCESS", "a.csv"), "_SUCCESS");
        assert_eq!(beside("{file}.done", "in/a.zip!b/c.csv"), "in/a.zip.done");
        for name in ["", "{file}", "done/_SUCCESS", "{day}.done"] {
            assert_eq!(Marker::new(name), None, "{name}");
        }
    }
}
