//! How a release is published: a state machine over opaque tables, a store and a clock.
//!
//! ```text
//! claim ──▶ (settle what a dead rival published) ──▶ base ──▶ stage ──▶ publish ──▶ settle
//!   one entry of the lake log        what to build on      unseen     one entry     table logs, then releases/<n>
//! ```
//!
//! In: the target file set of each table written. Out: one settled, numbered release, or nothing. The lake log is dense
//! and each of its places is written once, so claims and publishes compete for the same name: whoever was overtaken
//! cannot publish. A publish entry is the decision; settling it is idempotent and anyone's duty. Readers look only at
//! settled releases and never write.
//!
//! Knows nothing of what a table holds; the format of a table's log is behind [`TableLog`]. Needs neither locks nor
//! clocks to be right: liveness only saves work.

mod claim;
mod create;
mod decision;
mod failpoint;
#[cfg(test)]
mod fixture;
mod foreign;
mod give_up;
mod json;
mod lake;
mod layout;
mod log;
mod maintain;
mod map;
mod publish;
mod request;
mod retire;
mod rollback;
mod run_report;
mod settle;
#[cfg(test)]
mod simulation;
mod stage;
mod table_log;

pub(crate) use claim::{Claim, YieldReason};
pub(crate) use decision::Decision;
pub(crate) use failpoint::{Boundary, Failpoint};
pub(crate) use foreign::{ForeignChanges, restore_or_rebuild, restore_or_rebuild_by};
pub(crate) use give_up::{GiveUp, Planned, Unfinished};
pub(crate) use lake::{Builder, Lake, LakeStatus, Pause};
pub(crate) use layout::{CandidateName, LATEST, probe};
pub(crate) use maintain::{Retirement, Unneeded};
pub(crate) use map::{
    Fingerprints, Held, Overruled, Release, RollbackClass, TableEntry, TableFacts, TableKind,
};
pub(crate) use publish::leaves_a_release;
pub(crate) use request::{PublishRequest, Removal, RollbackRequest, TableChange, TableWrite};
pub(crate) use retire::{KeepFailedRuns, Sweep, Swept};
pub(crate) use table_log::{Commit, EntryDraft, LiveFile, TableLog, TableState};
