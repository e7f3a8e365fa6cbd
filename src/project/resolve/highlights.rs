//! `highlights:` of `kilde.yaml` → [`Highlights`], of tables and columns that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::highlights::{Consents, Figures, Groups, Highlights, People};
use super::super::raw::{ColumnName, Mistake, RawHighlights, nearest_word};
use super::super::{Contract, Matching, Spanned};
use super::{blame, exposure};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::name::TableName;

/// What the names are checked against.
pub(super) struct Known<'a> {
    pub(super) tables: &'a BTreeSet<TableName>,
    pub(super) contracts: &'a BTreeMap<TableName, Contract>,
    pub(super) matches: &'a BTreeMap<TableName, Matching>,
}

/// What is shown; without a word of it, the people of the first match step.
pub(super) fn resolve(
    file: &Arc<SourceFile>,
    raw: RawHighlights,
    known: &Known<'_>,
    found: &mut Vec<Diagnostic>,
) -> Highlights {
    let mut names = Names { file, known, found };
    let people = raw.people.map(|raw| {
        let table = names.table(raw.table);
        People {
            record_key: names.record_key(&table),
            person: names.column(&table, raw.person),
            table: table.value,
        }
    });
    let groups = raw.groups.map(|raw| {
        let table = names.table(raw.table);
        Groups {
            by: names.column(&table, raw.by),
            table: table.value,
        }
    });
    let consents = raw.consents.map(|raw| {
        let table = names.table(raw.table);
        Consents {
            purpose: names.column(&table, raw.purpose),
            granted: names.column(&table, raw.granted),
            table: table.value,
        }
    });
    let figures = raw.figures.map(|raw| {
        let table = names.table(raw.table);
        let mut column = |column| names.column(&table, column);
        Figures {
            name: column(raw.name),
            period: column(raw.period),
            value: column(raw.value),
            low: raw.low.map(&mut column),
            high: raw.high.map(&mut column),
            target: raw.target.map(&mut column),
            table: table.value,
        }
    });
    Highlights {
        people: people.or_else(|| known.matches.values().next().map(of_match)),
        groups,
        consents,
        figures,
    }
}

fn of_match(matching: &Matching) -> People {
    let key = matching.record_key.iter();
    People {
        table: matching.table.clone(),
        record_key: key.map(|column| column.value.clone()).collect(),
        person: matching.entity_id.value.clone(),
    }
}

struct Names<'a> {
    file: &'a Arc<SourceFile>,
    known: &'a Known<'a>,
    found: &'a mut Vec<Diagnostic>,
}

impl Names<'_> {
    fn table(&mut self, table: Spanned<TableName>) -> Spanned<TableName> {
        let known = self.known;
        let unreadable = exposure::unreadable(self.file, &table, known.tables, known.contracts);
        self.found.extend(unreadable);
        table
    }

    fn column(&mut self, table: &Spanned<TableName>, column: Spanned<ColumnName>) -> String {
        let name = column.value.0;
        let contract = self.known.contracts.get(&table.value);
        let listing = contract.filter(|contract| !contract.columns.is_empty());
        if let Some(contract) = listing
            && contract.column(&name).is_none()
        {
            let columns: Vec<&str> = contract
                .columns
                .iter()
                .map(|column| column.name.value.as_str())
                .collect();
            let mistake = Mistake::new(124, format!("`{}` has no column `{name}`", table.value));
            let mistake = match nearest_word(&name, &columns) {
                Some(near) => mistake.help(format!("did you mean `{near}`?")),
                None => mistake.help(format!("its contract is {}", contract.file.path)),
            };
            self.found.push(blame(self.file, column.span, mistake));
        }
        name
    }

    /// The key of the table's contract, or of the match step that makes it.
    fn record_key(&mut self, table: &Spanned<TableName>) -> Vec<String> {
        if let Some(matching) = self.known.matches.get(&table.value) {
            return of_match(matching).record_key;
        }
        let contract = self.known.contracts.get(&table.value);
        let key = contract.map(Contract::key_names).unwrap_or_default();
        if key.is_empty() && self.known.tables.contains(&table.value) {
            let mistake = Mistake::new(130, format!("`{}` has no key", table.value)).help(
                "people are followed from release to release by their records: say in its contract which columns name \
                 one, `key: [record_id]`",
            );
            self.found.push(blame(self.file, table.span, mistake));
        }
        key.into_iter().map(str::to_string).collect()
    }
}
