//! What people use data for, and by which right.

use std::collections::BTreeSet;

use super::{Project, RollbackClass};
use crate::name::TableName;

/// A legal ground of Article 6 GDPR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    Consent,
    Contract,
    LegalObligation,
    LegitimateInterest,
}

impl Project {
    /// Tables that say who consented: their contract says `rollback: keeps`, and every purpose of theirs has
    /// `ground: consent`.
    pub(crate) fn consent_tables(&self) -> BTreeSet<&TableName> {
        let by_consent = |name: &str| self.purposes.get(name) == Some(&Ground::Consent);
        self.contracts
            .values()
            .filter(|contract| {
                contract.rollback == RollbackClass::Keeps
                    && !contract.purpose.is_empty()
                    && contract.purpose.iter().all(|p| by_consent(&p.value))
            })
            .map(|contract| &contract.table)
            .collect()
    }
}
