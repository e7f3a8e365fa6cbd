//! A trained identity model as a file beside the project: JSON that people read, review, and pin with `model:`.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The only form there is so far.
pub(crate) const FORM: u32 = 1;

/// A trained model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelFile {
    /// The form of this file.
    pub(crate) kilde_model: u32,
    pub(crate) trained_at: String,
    pub(crate) records: i64,
    /// Columns by what they are compared as, in order.
    pub(crate) compared: Vec<ComparedColumn>,
    #[serde(deserialize_with = "share")]
    pub(crate) same_share: f64,
    #[serde(deserialize_with = "share")]
    pub(crate) relative_share: f64,
    /// What of the two was given, and not learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pinned: Option<PinnedPrior>,
    pub(crate) comparisons: Vec<ModelComparison>,
    /// kilde's own blocking rules; those of the project stand in the project.
    pub(crate) rules: Vec<Vec<String>>,
    /// Marks of values that say nothing, by field.
    pub(crate) shared_values: BTreeMap<String, Vec<String>>,
}

/// A column that the model was made for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComparedColumn {
    pub(crate) name: String,
    pub(crate) column: String,
}

/// What was learnt of one comparison.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelComparison {
    pub(crate) name: String,
    pub(crate) levels: Vec<ModelLevel>,
}

/// How often pairs show a level.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelLevel {
    pub(crate) level: String,
    #[serde(deserialize_with = "share")]
    pub(crate) same_share: f64,
    #[serde(deserialize_with = "share_of_strangers")]
    pub(crate) stranger_share: f64,
    #[serde(deserialize_with = "share")]
    pub(crate) relative_share: f64,
    /// What of them was given, and not learnt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pinned: Option<PinnedLevel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) values: Option<CommonValues>,
}

/// A prior that was given.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinnedPrior {
    pub(crate) probability_two_random_records_match: f64,
}

/// What was given of a level, in the words of `pin:`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinnedLevel {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) m_probability: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) u_probability: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) match_weight: Option<f64>,
}

/// How common the values are on which a level agrees.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommonValues {
    /// Records with a value.
    pub(crate) records: i64,
    /// Share of their pairs that are equal.
    pub(crate) equal_share: f64,
    /// Share of strangers that are equal, where the level's own is not that: it, or another of its comparison, was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chance: Option<f64>,
    /// Records of each common value, by its mark.
    pub(crate) common: BTreeMap<String, i64>,
}

fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(from)?;
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(D::Error::custom("a share lies outside 0 to 1")),
    }
}

/// Weights are shares among pairs of one person by those among strangers.
fn share_of_strangers<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    match share(from)? {
        0.0 => Err(D::Error::custom(
            "a share of strangers is 0: what two agree on would weigh without end",
        )),
        share => Ok(share),
    }
}

/// What is wrong with a file, and where in it.
#[derive(Debug)]
pub(crate) struct NotAModel {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) what: String,
}

impl ModelFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Where it is no model, or one of another form.
    pub(crate) fn read(text: &str) -> Result<Self, NotAModel> {
        let file: Self = serde_json::from_str(text).map_err(|error| NotAModel {
            line: error.line(),
            column: error.column(),
            what: error.to_string(),
        })?;
        let what = if file.kilde_model != FORM {
            format!("form {} of a model is not known", file.kilde_model)
        } else if file.same_share + file.relative_share >= 1.0 {
            "`same_share` and `relative_share` leave no pair of strangers".to_string()
        } else {
            return Ok(file);
        };
        Err(NotAModel {
            line: 1,
            column: 1,
            what,
        })
    }
}
