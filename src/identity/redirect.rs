//! Where ids lead that are gone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where an id leads that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// To an id that lives.
    To(String),
    /// Nowhere while all records of an id are lost.
    Lost {
        /// This one, or the one that it was merged into last. When that comes back, this one leads there.
        id: String,
        /// Of an id that is lost itself: the hashes of the keys of its last records. Any of them brings it back.
        records: BTreeSet<String>,
    },
    /// Nowhere.
    Nowhere,
}

/// Each id that is gone.
pub(crate) type Redirects = BTreeMap<String, Redirect>;

impl Redirect {
    /// As a table says it.
    pub(crate) fn of(new: Option<&str>, lost: Option<&str>, records: Option<&str>) -> Self {
        match (new, lost) {
            (Some(new), _) => Self::To(new.to_string()),
            (None, Some(lost)) => Self::Lost {
                id: lost.to_string(),
                records: records
                    .unwrap_or("")
                    .split_whitespace()
                    .map(str::to_string)
                    .collect(),
            },
            (None, None) => Self::Nowhere,
        }
    }

    /// Nowhere until an id comes back that was lost.
    pub(super) fn waits_for(id: &str) -> Self {
        Self::Lost {
            id: id.to_string(),
            records: BTreeSet::new(),
        }
    }

    /// The living id that it leads to.
    pub(crate) fn to(&self) -> Option<&str> {
        match self {
            Self::To(id) => Some(id),
            Self::Lost { .. } | Self::Nowhere => None,
        }
    }

    /// The lost id that it waits for.
    pub(crate) fn lost(&self) -> Option<&str> {
        match self {
            Self::Lost { id, .. } => Some(id),
            Self::To(_) | Self::Nowhere => None,
        }
    }

    /// The hashes of its last records, where it is lost itself, as a table says them.
    pub(crate) fn records(&self) -> Option<String> {
        match self {
            Self::Lost { records, .. } if !records.is_empty() => {
                let records = records.iter().map(String::as_str);
                Some(records.collect::<Vec<_>>().join(" "))
            }
            _ => None,
        }
    }
}

/// What happened to an id: the id, the word of an event, and the other id.
pub(crate) type Happened<'a> = (&'a str, &'a str, Option<&'a str>);

/// The redirects of a table that names no lost ids, as older versions wrote it. What happened to an id last, of events in
/// their order, tells whether its own records were lost or those of the id that it was merged into. Nobody noted which records
/// those were: the one that the id was made of, whose hash it is, brings it back.
pub(crate) fn by_events<'a>(
    new_ids: &BTreeMap<String, Option<String>>,
    events: impl Iterator<Item = Happened<'a>>,
) -> Redirects {
    let mut merged: HashMap<&str, &str> = HashMap::new();
    for (id, event, other) in events {
        match other.filter(|_| event == "merged") {
            Some(other) => merged.insert(id, other),
            None => merged.remove(id),
        };
    }
    let last = |of: &str| {
        let (mut id, mut steps) = (of.to_string(), 0);
        loop {
            match new_ids.get(&id) {
                None => return Redirect::To(id),
                Some(Some(new)) => return Redirect::To(new.clone()),
                Some(None) => {}
            }
            match merged.get(&*id) {
                Some(into) if steps < merged.len() => id = (*into).to_string(),
                _ => break,
            }
            steps += 1;
        }
        let records = hash_of_id(&id).filter(|_| id == of).map(str::to_string);
        Redirect::Lost {
            records: records.into_iter().collect(),
            id,
        }
    };
    let ids = new_ids.keys();
    ids.map(|id| (id.clone(), last(id))).collect()
}

/// The hash of a record's key in the id that it gave; `None` for an id that no match issued.
pub(crate) fn hash_of_id(id: &str) -> Option<&str> {
    let hash = id.strip_prefix("c_")?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (hash.len() == 20 && hash.bytes().all(is_digit)).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An id that a match issued.
    const FIRST: &str = "c_e9e0be07ae30eb997d39";

    #[test]
    fn of_an_older_table_what_happened_last_tells_which_id_was_lost() {
        let led = [
            (FIRST, None),
            ("lost", None),
            ("absorbed", None),
            ("absorbed earlier", None),
            ("forgotten", None),
            ("moved", Some("other")),
            ("in a circle", None),
        ];
        let led = led.map(|(id, new)| (id.to_string(), new.map(str::to_string)));
        let events = [
            ("lost", "created", None),
            ("absorbed", "retired", None),
            ("absorbed", "restored", None),
            ("absorbed earlier", "merged", Some("absorbed")),
            ("absorbed", "merged", Some("lost")),
            ("lost", "retired", None),
            ("forgotten", "merged", Some("living")),
            ("in a circle", "merged", Some("in a circle")),
        ];
        let found = by_events(&led.into(), events.into_iter());
        let lost = Redirect::waits_for;
        let to = |id: &str| Redirect::To(id.to_string());
        let expected = [
            (
                FIRST,
                Redirect::of(None, Some(FIRST), FIRST.strip_prefix("c_")),
            ),
            ("lost", lost("lost")),
            ("absorbed", lost("lost")),
            ("absorbed earlier", lost("lost")),
            ("forgotten", to("living")),
            ("moved", to("other")),
            ("in a circle", lost("in a circle")),
        ];
        let expected = expected.map(|(id, to)| (id.to_string(), to));
        assert_eq!(found, expected.into());
    }
}
