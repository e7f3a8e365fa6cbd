//! What was executed → what the protocol is asked to publish.

use std::collections::{BTreeMap, BTreeSet};

use super::execute::{Executed, Execution, TableResult};
use super::report::{RunReport, TableOutcome};
use crate::catalog::Content;
use crate::error::Result;
use crate::name::TableName;
use crate::plan::{Fingerprints, TablePlan};
use crate::project;
use crate::release::{
    PublishRequest, Removal, RollbackClass, TableChange, TableEntry, TableFacts, TableWrite,
};

impl Execution {
    /// The release to be; `None` where nothing differs from the one before.
    pub(super) async fn publication(
        &self,
        executed: &Executed,
        report: &RunReport,
    ) -> Result<Option<PublishRequest>> {
        let mut tables = BTreeMap::new();
        let mut reads = BTreeSet::new();
        for result in executed.outcomes.values() {
            let Some(plan) = self.plan.tables.get(&result.table) else {
                continue;
            };
            reads.extend(result.built_from.keys().cloned());
            if let Some(change) = self.change(plan, result).await? {
                tables.insert(result.table.clone(), change);
            }
        }
        if self.request.selection.is_all() {
            for retired in &self.plan.retired {
                tables.insert(retired.clone(), TableChange::Retire);
            }
        }
        for (table, write) in self.ops_tables(executed).await? {
            tables.insert(table, TableChange::Write(write));
        }
        let base = self.observation.release.as_ref();
        let held = executed.held(&self.plan, base, &self.run);
        let was_held = base.map(|base| &base.held);
        let mut overrule = self.request.answered(base);
        // what was not taken over after all stays for the next one to answer
        overrule.retain(|table| {
            !self.request.adopt.contains(table)
                || matches!(tables.get(table), Some(TableChange::Write(_)))
        });
        if tables.is_empty()
            && overrule.is_empty()
            && self.request.rebuild.is_empty()
            && self.request.give_up.is_none()
            && was_held.map_or(held.is_empty(), |was| *was == held)
        {
            return Ok(None);
        }
        let counts = counts(report);
        for (table, write) in self.history(report, &tables, counts.clone()).await? {
            tables.insert(table, TableChange::Write(write));
        }
        reads.extend(self.observation.moved.iter().cloned());
        reads.retain(|table| self.entry(table).is_some() && !tables.contains_key(table));
        Ok(Some(PublishRequest {
            project: self.runner.project.name.clone(),
            as_of: self.request.as_of.to_rfc3339(),
            tables,
            reads,
            overrule,
            anew: self.request.anew(&self.runner.project),
            adopt: self.request.adopt.clone(),
            held,
            counts,
        }))
    }

    async fn change(&self, plan: &TablePlan, result: &TableResult) -> Result<Option<TableChange>> {
        let Some(content) = &result.content else {
            return Ok(None);
        };
        let published = self.published(&plan.table).await?;
        let facts = facts(plan, result, content, self.rollback_class(&plan.table));
        let same_words = published
            .as_ref()
            .is_some_and(|old| old.definition == content.definition);
        if result.outcome != TableOutcome::Written && same_words {
            let unchanged = self
                .entry(&plan.table)
                .is_some_and(|entry| entry.facts == facts);
            return Ok((!unchanged).then_some(TableChange::Keep(facts)));
        }
        Ok(Some(TableChange::Write(write_of(
            content,
            published.as_ref(),
            facts,
        ))))
    }

    fn rollback_class(&self, table: &TableName) -> RollbackClass {
        let is_kept = self
            .runner
            .project
            .match_of(table)
            .is_some_and(|(_, part)| part.is_kept());
        if is_kept {
            return RollbackClass::Keeps;
        }
        match self.contract(table).map(|contract| contract.rollback) {
            Some(project::RollbackClass::Keeps) => RollbackClass::Keeps,
            Some(project::RollbackClass::Follows) | None => RollbackClass::Follows,
        }
    }

    pub(super) fn entry(&self, table: &TableName) -> Option<&TableEntry> {
        self.observation
            .release
            .as_ref()
            .and_then(|release| release.table(table))
    }
}

/// The step from the published file set to the new one.
pub(super) fn write_of(
    content: &Content,
    published: Option<&Content>,
    facts: TableFacts,
) -> TableWrite {
    let old = |path: &String| published.is_some_and(|old| old.files.contains_key(path));
    let removed = published.iter().flat_map(|old| old.files.keys());
    TableWrite {
        location: content.location.clone(),
        table_id: content.table_id.clone(),
        base: published.and_then(|old| old.version),
        removes: Removal::Files(
            removed
                .filter(|path| !content.files.contains_key(*path))
                .cloned()
                .collect(),
        ),
        adds: content
            .files
            .values()
            .filter(|file| !old(&file.path))
            .cloned()
            .collect(),
        definition: Some(content.definition.clone()),
        data_change: true,
        facts,
    }
}

fn facts(
    plan: &TablePlan,
    result: &TableResult,
    content: &Content,
    rollback: RollbackClass,
) -> TableFacts {
    TableFacts {
        pipeline: plan.pipeline.clone(),
        fingerprints: fingerprints(&plan.fingerprints),
        built_from: result
            .built_from
            .iter()
            .map(|(table, digest)| (table.to_string(), digest.clone()))
            .collect(),
        digest: content.digest.clone(),
        rows: content.rows,
        bytes: content.bytes(),
        schema_hash: schema_hash(content),
        rollback,
    }
}

fn fingerprints(planned: &Fingerprints) -> crate::release::Fingerprints {
    crate::release::Fingerprints {
        content: planned.content.clone(),
        tests: planned.tests.clone(),
        words: planned.words.clone(),
        parts: planned.parts.clone(),
    }
}

/// Changes exactly when a column's name, type or place does.
pub(super) fn schema_hash(content: &Content) -> String {
    let columns: Vec<String> = content
        .file_set
        .schema
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), field.data_type()))
        .collect();
    blake3::hash(columns.join("\n").as_bytes()).to_hex()[..16].to_string()
}

fn counts(report: &RunReport) -> BTreeMap<String, u64> {
    let sum = |part: fn(&super::report::SourceReport) -> u64| report.sources.iter().map(part).sum();
    BTreeMap::from([
        (
            "exports".to_string(),
            sum(|source| source.exports.len() as u64),
        ),
        ("records".to_string(), sum(|source| source.records)),
        ("rejected".to_string(), sum(|source| source.rejected)),
        ("tests".to_string(), report.verdicts.len() as u64),
    ])
}
