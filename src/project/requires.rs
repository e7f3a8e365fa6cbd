//! `requires: ">=0.1, <0.3"`: which versions of kilde a project is written for.

use super::raw::{FromText, Mistake};

/// Conditions on kilde's version, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requires(Vec<(Comparison, Version)>);

type Version = [u64; 3];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    Above,
    AtMost,
    Below,
    Exactly,
}

impl Requires {
    /// Whether `version` (`0.1.0`) satisfies every condition.
    pub(crate) fn allows(&self, version: &str) -> bool {
        let Some(version) = parse_version(version) else {
            return false;
        };
        self.0.iter().all(|(comparison, bound)| match comparison {
            Comparison::AtLeast => version >= *bound,
            Comparison::Above => version > *bound,
            Comparison::AtMost => version <= *bound,
            Comparison::Below => version < *bound,
            Comparison::Exactly => version == *bound,
        })
    }
}

impl FromText for Requires {
    const EXPECTED: &'static str = "a condition on kilde's version";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        text.split(',')
            .map(|condition| parse_condition(condition.trim()))
            .collect::<Option<Vec<_>>>()
            .map(Self)
            .ok_or_else(|| {
                Mistake::new(
                    118,
                    format!("`{text}` is not a condition on kilde's version"),
                )
                .help("for example `requires: \">=0.1\"` or `requires: \">=0.1, <0.3\"`")
            })
    }
}

fn parse_condition(text: &str) -> Option<(Comparison, Version)> {
    let signs = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        (">", Comparison::Above),
        ("<", Comparison::Below),
        ("=", Comparison::Exactly),
    ];
    let (rest, comparison) = signs
        .into_iter()
        .find_map(|(sign, comparison)| Some((text.strip_prefix(sign)?, comparison)))?;
    Some((comparison, parse_version(rest.trim())?))
}

/// Up to three numbers; what is not written is 0.
fn parse_version(text: &str) -> Option<Version> {
    let parts: Vec<&str> = text.split('.').collect();
    let mut version = [0; 3];
    if parts.len() > version.len() {
        return None;
    }
    for (slot, part) in version.iter_mut().zip(parts) {
        *slot = part.parse().ok()?;
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_together() {
        let requires = Requires::from_text(">=0.1, <0.3").unwrap();
        assert!(requires.allows("0.1.0") && requires.allows("0.2.9"));
        assert!(!requires.allows("0.3.0") && !requires.allows("0.0.9"));
        assert!(!Requires::from_text(">=1").unwrap().allows("0.9.0"));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for wrong in ["", "0.1", "~0.1", ">=a", ">=0.1.2.3", ">=0.1,"] {
            assert!(Requires::from_text(wrong).is_err(), "{wrong}");
        }
    }
}
