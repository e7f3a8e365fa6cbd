//! Where ids lead that are gone.

use std::collections::{BTreeMap, HashMap};

/// Where an id leads that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// To an id that lives.
    To(String),
    /// Nowhere while all records of an id are lost: of this one, or of the one that it was merged into last. With the first of
    /// them the lost id comes back, and whatever waits for it leads there.
    Lost(String),
    /// Nowhere: the record that it was made of had left it before the others were lost.
    Nowhere,
}

/// Each id that is gone.
pub(crate) type Redirects = BTreeMap<String, Redirect>;

impl Redirect {
    /// As a table says it.
    pub(crate) fn of(new: Option<&str>, lost: Option<&str>) -> Self {
        match (new, lost) {
            (Some(new), _) => Self::To(new.to_string()),
            (None, Some(lost)) => Self::Lost(lost.to_string()),
            (None, None) => Self::Nowhere,
        }
    }

    /// The living id that it leads to.
    pub(crate) fn to(&self) -> Option<&str> {
        match self {
            Self::To(id) => Some(id),
            Self::Lost(_) | Self::Nowhere => None,
        }
    }

    /// The lost id that it waits for.
    pub(crate) fn lost(&self) -> Option<&str> {
        match self {
            Self::Lost(id) => Some(id),
            Self::To(_) | Self::Nowhere => None,
        }
    }
}

/// What happened to an id: the id, the word of an event, and the other id.
pub(crate) type Happened<'a> = (&'a str, &'a str, Option<&'a str>);

/// The redirects of a table that names no lost ids, as older versions wrote it. What happened to an id last, of events in
/// their order, tells whether its own records were lost or those of the id that it was merged into. Whether the first record was
/// among the last nobody noted: it may come back.
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
    let last = |id: &str| {
        let (mut id, mut steps) = (id.to_string(), 0);
        loop {
            match new_ids.get(&id) {
                None => return Redirect::To(id),
                Some(Some(new)) => return Redirect::To(new.clone()),
                Some(None) => {}
            }
            match merged.get(&*id) {
                Some(into) if steps < merged.len() => id = (*into).to_string(),
                _ => return Redirect::Lost(id),
            }
            steps += 1;
        }
    };
    let ids = new_ids.keys();
    ids.map(|id| (id.clone(), last(id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_older_table_what_happened_last_tells_which_id_was_lost() {
        let led = [
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
        let lost = |id: &str| Redirect::Lost(id.to_string());
        let to = |id: &str| Redirect::To(id.to_string());
        let expected = [
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
