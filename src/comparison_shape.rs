//! What comparisons are called and which levels they have, before anything is known of the data.

use std::borrow::Cow;

/// What a comparison compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    GivenName,
    FamilyName,
    BirthDate,
    Email,
    Phone,
    Address,
    NationalId,
    /// What the project compares besides.
    Own,
}

/// A level before anything is known of the data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LevelPrior {
    pub(crate) name: Cow<'static, str>,
    /// Share among pairs of one person.
    pub(crate) same: f64,
    /// Share among pairs of relatives: people who share a home, a name, a phone. `None` where they are like strangers.
    pub(crate) relative: Option<f64>,
}

const fn level(name: &'static str, same: f64) -> LevelPrior {
    LevelPrior {
        name: Cow::Borrowed(name),
        same,
        relative: None,
    }
}

const fn shared(name: &'static str, same: f64, relative: f64) -> LevelPrior {
    LevelPrior {
        name: Cow::Borrowed(name),
        same,
        relative: Some(relative),
    }
}

impl Kind {
    /// The word in models and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GivenName => "given_name",
            Self::FamilyName => "family_name",
            Self::BirthDate => "birth_date",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Address => "address",
            Self::NationalId => "national_id",
            Self::Own => "own",
        }
    }

    /// Its levels, the strongest first; what is true of most registers of persons, and where training starts from.
    pub(crate) fn levels(self) -> &'static [LevelPrior] {
        match self {
            Self::GivenName => {
                const {
                    &[
                        level("equal", 0.80),
                        level("swapped with the family name", 0.01),
                        level("short or other form", 0.07),
                        level("alike", 0.09),
                        level("different", 0.03),
                    ]
                }
            }
            Self::FamilyName => {
                const {
                    &[
                        shared("equal", 0.84, 0.75),
                        shared("alike", 0.09, 0.04),
                        shared("a word in common", 0.02, 0.03),
                        shared("different", 0.05, 0.18),
                    ]
                }
            }
            Self::BirthDate => {
                const {
                    &[
                        // twins
                        shared("equal", 0.93, 0.02),
                        shared("one slip", 0.04, 0.002),
                        shared("two of day, month, year", 0.02, 0.003),
                        shared("different", 0.01, 0.975),
                    ]
                }
            }
            Self::Email => {
                const {
                    &[
                        shared("equal", 0.65, 0.08),
                        shared("same user, other host", 0.12, 0.02),
                        shared("alike", 0.06, 0.02),
                        shared("different", 0.17, 0.88),
                    ]
                }
            }
            Self::Phone => {
                const {
                    &[
                        shared("equal", 0.75, 0.3),
                        shared("one slip", 0.04, 0.01),
                        shared("different", 0.21, 0.69),
                    ]
                }
            }
            Self::Address => {
                const {
                    &[
                        shared("same street and postcode", 0.55, 0.75),
                        shared("street alike, same postcode", 0.1, 0.1),
                        shared("same street, other or no postcode", 0.05, 0.03),
                        shared("same postcode, no street", 0.1, 0.05),
                        shared("same postcode, other street", 0.05, 0.02),
                        shared("different", 0.15, 0.05),
                    ]
                }
            }
            Self::NationalId => {
                const {
                    &[
                        level("equal", 0.94),
                        level("one slip", 0.04),
                        level("different", 0.02),
                    ]
                }
            }
            Self::Own => &[],
        }
    }
}

/// How numbers may differ and still be near.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Within {
    Units(f64),
    /// Of the larger of the two.
    Share(f64),
}

/// How the project compares a column of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum How {
    /// As a person's columns are compared, where there is more than one of a kind.
    Like(Kind),
    Exact,
    /// Texts alike, by similarity from each bound on, the highest first.
    Text {
        alike: Vec<f64>,
    },
    Number {
        within: Vec<Within>,
    },
    /// Places, each a latitude and a longitude; the nearest bound first.
    Distance {
        kilometres: Vec<f64>,
    },
    /// One column for each level: the first in which two records are equal is the pair's.
    Levels {
        names: Vec<String>,
    },
}

/// A comparison's name and levels, the strongest first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) levels: Vec<LevelPrior>,
}

impl Shape {
    /// One of kilde's own comparisons.
    pub(crate) fn of(kind: Kind) -> Self {
        Self {
            name: kind.name().to_string(),
            kind,
            levels: kind.levels().to_vec(),
        }
    }

    /// A comparison that the project asks for.
    pub(crate) fn asked(name: &str, how: &How) -> Self {
        let (kind, levels) = match how {
            How::Like(kind) => (*kind, kind.levels().to_vec()),
            How::Exact => (Kind::Own, graded("equal", &[])),
            How::Text { alike } => {
                let names = alike.iter().map(|from| format!("alike from {from}"));
                (Kind::Own, graded("equal", &names.collect::<Vec<_>>()))
            }
            How::Number { within } => {
                let names = within.iter().map(|within| match within {
                    Within::Units(units) => format!("within {units}"),
                    Within::Share(share) => format!("within {} %", share * 100.0),
                });
                (Kind::Own, graded("equal", &names.collect::<Vec<_>>()))
            }
            How::Distance { kilometres } => {
                let names = kilometres.iter().map(|km| format!("within {km} km"));
                let names: Vec<String> = names.collect();
                let (first, rest) = match names.split_first() {
                    Some((first, rest)) => (first.as_str(), rest),
                    None => ("same place", &[][..]),
                };
                (Kind::Own, graded(first, rest))
            }
            How::Levels { names } => {
                let names: Vec<String> = names.iter().map(|name| format!("equal {name}")).collect();
                let (first, rest) = match names.split_first() {
                    Some((first, rest)) => (first.as_str(), rest),
                    None => ("equal", &[][..]),
                };
                (Kind::Own, graded(first, rest))
            }
        };
        Self {
            name: name.to_string(),
            kind,
            levels,
        }
    }

    /// Whether relatives are unlike strangers in it.
    pub(crate) fn is_shared(&self) -> bool {
        self.levels.iter().any(|level| level.relative.is_some())
    }
}

/// Levels of which nothing is known but their order: nearly all pairs of one person show the first, few none.
fn graded(first: &str, between: &[String]) -> Vec<LevelPrior> {
    const FIRST: f64 = 0.8;
    const BETWEEN: f64 = 0.12;
    const DIFFERENT: f64 = 0.08;
    let level = |name: &str, same: f64| LevelPrior {
        name: Cow::Owned(name.to_string()),
        same,
        relative: None,
    };
    let first_share = if between.is_empty() {
        FIRST + BETWEEN
    } else {
        FIRST
    };
    let mut levels = vec![level(first, first_share)];
    levels.extend(
        between
            .iter()
            .map(|name| level(name, BETWEEN / between.len() as f64)),
    );
    levels.push(level("different", DIFFERENT));
    levels
}
