//! Who reads what the project publishes.

use std::fmt;

use super::Owner;
use crate::diagnostic::Place;
use crate::name::TableName;

/// A reader outside of the project: a dashboard, a notebook, an application.
#[derive(Clone, Debug)]
pub(crate) struct Exposure {
    /// As people know it: `Power BI «Sales weekly»`.
    pub(crate) name: String,
    pub(crate) owner: Option<Owner>,
    /// Where it is found.
    pub(crate) url: Option<String>,
    /// The tables it reads, in order of name.
    pub(crate) reads: Vec<TableName>,
    pub(crate) declared_at: Place,
}

impl Exposure {
    /// The name as one word, for selections: `power_bi_sales_weekly`.
    pub(crate) fn word(&self) -> String {
        word(&self.name)
    }
}

/// Letters and digits in lower case, everything between them one `_`.
pub(super) fn word(name: &str) -> String {
    let letters = name.to_lowercase();
    let parts = letters.split(|c: char| !c.is_alphanumeric());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

impl fmt::Display for Exposure {
    /// With whom to ask: `Power BI «Sales weekly» (sales-bi@example.com)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.owner {
            Some(owner) => write!(f, " ({})", owner.email.as_ref().unwrap_or(&owner.name)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn a_name_becomes_one_word() {
        assert_eq!(word("Power BI «Sales weekly»"), "power_bi_sales_weekly");
        assert_eq!(word("weekly_kpis"), "weekly_kpis");
        assert_eq!(word("Försäljning"), "försäljning");
        assert_eq!(word("«»"), "");
    }
}
