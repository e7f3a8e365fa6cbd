//! What a build found and means to do: the one way from the lake and `raw` to a plan that may be executed.
//!
//! ```text
//! observe ─▶ plan ─▶ refuse what must not be built ─▶ has work? ─▶ unit tests ─▶ claim
//!    └──────────────────────── again under the claim, where the lake is another by then
//! ```

use std::collections::BTreeSet;

use super::build::Course;
use super::observe::{self, Observation};
use super::report::{BaseRelease, RunReport};
use super::{BuildRequest, Runner, hold};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::name::{ReleaseNumber, TableName};
use crate::plan::{Action, Plan, TablePlan};

/// What a build found and means to do.
pub(super) struct Prospect {
    pub(super) observation: Observation,
    pub(super) plan: Plan,
}

/// When a build looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    BeforeClaim,
    /// What was decided before is finished or given up by now: a request to give up or to overrule was not in vain for that.
    UnderClaim,
}

impl Prospect {
    /// The release that it was planned on.
    pub(super) fn base(&self) -> Option<ReleaseNumber> {
        let release = self.observation.release.as_ref();
        release.map(|release| release.number)
    }

    /// Whether anything may change: only then the lake is claimed.
    pub(super) fn has_work(&self, request: &BuildRequest) -> bool {
        let (plan, base) = (&self.plan, self.observation.release.as_ref());
        (request.selection.is_all() && !plan.retired.is_empty())
            || !request.overrule.is_empty()
            || !request.rebuild.is_empty()
            || request.give_up.is_some()
            || !request.adopt.is_empty()
            || hold::any_ended(plan, base)
            || plan.tables.values().any(TablePlan::is_overdue)
            || plan
                .tables
                .values()
                .any(|table| table.is_refused(request.warn_error))
            || plan.tables.values().any(|table| match &table.action {
                Action::Ingest {
                    exports,
                    reload,
                    leaving,
                } => *reload || !exports.is_empty() || !leaving.is_empty(),
                Action::Build | Action::Retest | Action::Redescribe => true,
                // possible only where something above is certain
                Action::Maybe | Action::Unchanged | Action::NotSelected => false,
            })
    }
}

impl Runner {
    /// Looks at the lake and at `raw`, as a build that asks for this sees them.
    pub(super) async fn observe_for(
        &self,
        request: &BuildRequest,
        catalog: &Catalog,
    ) -> Result<Observation> {
        let anew = request.anew(&self.project);
        let mut observation = observe::observe_without(self, catalog, request.as_of, &anew).await?;
        observation.observed.adopts.clone_from(&request.adopt);
        Ok(observation)
    }

    /// Plans a build on what was observed, and refuses what must not be built.
    ///
    /// # Errors
    /// Every mistake of the project; `Config` for a request that makes no sense here, and while the lake is paused.
    pub(super) async fn prospect(
        &self,
        request: &BuildRequest,
        catalog: &Catalog,
        (when, observation): (When, Observation),
        report: &mut RunReport,
        course: &mut Course,
    ) -> Result<Prospect> {
        let release = observation.release.as_ref();
        report.base = release.map(BaseRelease::of);
        observation.refuse_without_raw(&self.project)?;
        observation.refuse_lost_decisions()?;
        if request.give_up.is_none() || when == When::UnderClaim {
            // what cannot be finished is given up first, for nobody could resume before
            observation.refuse_if_paused()?;
        }
        if when == When::BeforeClaim {
            request
                .refuse_vain_give_up(&self.project, catalog, &observation)
                .await?;
        }
        let plan = self.plan_on(Some(catalog), &observation, request).await?;
        request.refuse_unselected_rebuilds(&plan)?;
        let is_wanted = self.artifacts.is_some() || self.project.openlineage.is_some();
        course.shapes = is_wanted.then(|| plan.shapes());
        request.refuse_holds(&plan, release)?;
        request.refuse_breaking(&plan)?;
        if when == When::BeforeClaim {
            request
                .refuse_vain_answers(&self.project, catalog, release)
                .await?;
        }
        Ok(Prospect { observation, plan })
    }

    /// Runs the unit tests of what was changed, each once in a run, for they do not depend on the lake; whether all passed.
    pub(super) async fn pass_unit_tests(
        &self,
        plan: &Plan,
        report: &mut RunReport,
    ) -> Result<bool> {
        let done: BTreeSet<(&TableName, &String)> = report
            .unit_tests
            .iter()
            .map(|test| (&test.table, &test.name))
            .collect();
        let mut tests = plan.unit_tests();
        tests.retain(|test| !done.contains(&(&test.table, &test.name)));
        let ran = self.run_unit_tests(&tests).await?;
        report.unit_tests.extend(ran);
        report.failure = report.unit_test_failure();
        Ok(report.failure.is_none())
    }
}

impl RunReport {
    fn unit_test_failure(&self) -> Option<String> {
        let failed = self.unit_tests.iter().filter(|test| !test.has_passed());
        match failed.count() {
            0 => None,
            1 => Some("1 unit test failed; no data was read".to_string()),
            n => Some(format!("{n} unit tests failed; no data was read")),
        }
    }
}
