//! `pipelines/*.yaml` as written.

use super::super::Spanned;
use super::correct::RawCorrect;
use super::declare::{choice, section, words};
use super::decode::{Anything, AtLeastOne, Boxed, Items, Later, OneOrMany};
use super::drift::RawDrift;
use super::due::{RawDue, RawSender};
use super::format::RawRead;
use super::golden::RawGolden;
use super::later::{RawAudience, RawSegment};
use super::matching::RawMatch;
use super::scalar::{Schedule, SqlGlob};
use crate::name::TableName;
use crate::project::{Limit, Load, OnError, OnUnreadable, PathPattern, Period};

section! {
    /// `pipelines/<name>.yaml`: sources and steps with an owner and a schedule.
    RawPipelineFile {
        /// What it is for.
        description: Option<String>,
        /// Who answers for it.
        owner: Option<RawOwner>,
        /// When it is meant to run: cron, in the project's time zone.
        schedule: Option<Schedule>,
        /// Words to select by: `tag:nightly`.
        tags: OneOrMany<String>,
        /// Kinds of raw exports.
        sources: Items<Spanned<RawSource>>,
        /// What makes tables of them.
        steps: Items<Spanned<RawStep>>,
        /// Who reads what is published.
        exposures: Items<Spanned<RawExposure>>,
    }
}

section! {
    /// Who answers for something.
    RawOwner {
        /// A person or a team.
        name: String,
        /// How to reach them.
        email: Option<String>,
    }
}

section! {
    /// A declared kind of raw export; schemas/<schema>/<table>.yaml is its contract.
    RawSource {
        /// The table that it fills, such as `bronze.crm_customers`.
        table: Spanned<TableName>,
        /// Paths below `raw`: `*` and `**` match, `{column}` and `{column:%Y%m%d}` capture; the captured time is the order. What
        /// stands behind `.zip!` are files of an archive, each an export: `dump_*.zip!orders*.csv`.
        files: AtLeastOne<Spanned<PathPattern>>,
        /// Of ZIP archives of several files, the one to read: its path in the archive, `*` and `**` match. Several sources may read
        /// one archive.
        member: Option<Spanned<PathPattern>>,
        /// The format.
        read: Spanned<RawRead>,
        /// What one export means: `append` (each adds its records, once), `replace` (the newest is the whole truth) or
        /// `changes` (the newest record per key wins). Default `append`.
        load: Option<Spanned<Load>>,
        /// Whose data it is: `first`, `second` or `third`. Default `first`.
        party: Option<Party>,
        /// Whether a record speaks of one person: `person` or `aggregate`.
        granularity: Option<Granularity>,
        /// How many records may break the contract.
        rejects: Option<RawRejects>,
        /// How old the newest export may be.
        freshness: Option<Spanned<RawFreshness>>,
        /// By when an export must have come.
        due: Option<RawDue>,
        /// Who sends it.
        sender: Option<RawSender>,
        /// When an export is whole.
        ready: Option<Spanned<RawReady>>,
        /// What it does where its exports cannot be loaded: `stop` the build, or `hold` the table at its last good version and
        /// build the rest. Default `stop`.
        on_error: Option<Spanned<OnError>>,
        /// What to do when an export cannot be read: half a gzip stream, no workbook, a document that ends early. `warn`: it is left
        /// out alone, the others are loaded, and every build says so; `reject_file` refuses the source, and `on_error` says what
        /// that means; `fail` stops the build whatever `on_error` says. Default `warn`, with `load: changes` `reject_file`.
        unreadable: Option<Spanned<OnUnreadable>>,
        /// What to do when the columns of an export are not those of the contract.
        drift: Option<Spanned<RawDrift>>,
        /// Words to select by.
        tags: OneOrMany<String>,
    }
}

section! {
    /// How old the newest export may be, by the time captured from its path, else by that of the file.
    RawFreshness {
        /// Older is reported.
        warn_after: Option<Period>,
        /// Older fails the source, as an export does that cannot be loaded.
        error_after: Option<Spanned<Period>>,
    }
}

section! {
    /// When an export is whole. One that is not waits for the next build; with both keys both must hold.
    RawReady {
        /// It has not been written to for this long, such as `2m`.
        quiet_for: Option<Period>,
        /// A file of this name lies in its folder, and is not older: `_SUCCESS`, or `{file}.done` beside each.
        marker: Option<Spanned<String>>,
    }
}

section! {
    /// Records that break the contract.
    RawRejects {
        /// More than this in one build fail it: rows (`10`) or a share (`0.1%`). Default: any number is allowed, and reported.
        at_most: Option<Limit>,
        /// How long they are kept.
        keep: Option<Later<Period>>,
    }
}

section! {
    /// Who reads what the project publishes: a dashboard, a notebook, an application.
    RawExposure {
        /// As people know it. `-s exposure:NAME` takes it as one word: `power_bi_sales_weekly`.
        name: Spanned<String>,
        /// Who answers for it.
        owner: Option<RawOwner>,
        /// Where it is found.
        url: Option<String>,
        /// The tables it reads.
        reads: AtLeastOne<Spanned<TableName>>,
    }
}

choice! {
    /// What makes tables.
    RawStep ("a step") {
        /// SQL files below `sql/`, such as `silver/*`: each makes the table of its path.
        Sql("sql"): Spanned<SqlGlob>,
        /// Which records describe the same person.
        Match("match"): Boxed<RawMatch>,
        /// A table as people corrected it.
        Correct("correct"): Boxed<RawCorrect>,
        /// The best-known value of each field of an entity.
        Golden("golden"): Boxed<RawGolden>,
        /// Entities that meet a condition.
        Segment("segment"): Later<RawSegment>,
        /// A list that leaves the house.
        Audience("audience"): Later<RawAudience>,
        /// What a customer will be worth.
        LifetimeValue("lifetime_value"): Later<Anything>,
        /// What to offer.
        Recommend("recommend"): Later<Anything>,
        /// Who is like whom.
        Twins("twins"): Later<Anything>,
    }
}

words! {
    Load, "a way to load" {
        "append" => Load::Append,
        "replace" => Load::Replace,
        "changes" => Load::Changes,
    }
    also {
        "full" => "replace", "overwrite" => "replace", "snapshot" => "replace", "truncate" => "replace",
        "incremental" => "append", "insert" => "append", "merge" => "changes", "upsert" => "changes", "cdc" => "changes",
        "delta" => "changes"
    }
}

/// Whose data it is; said for the record of processing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Party;

words! {
    Party, "a party" {
        "first" => Party,
        "second" => Party,
        "third" => Party,
    }
}

/// Whether a record speaks of one person; said for the record of processing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granularity;

words! {
    Granularity, "a granularity" {
        "person" => Granularity,
        "aggregate" => Granularity,
    }
}

words! {
    OnError, "a way to meet an error" {
        "stop" => OnError::Stop,
        "hold" => OnError::Hold,
    }
    also {
        "fail" => "stop", "error" => "stop", "keep" => "hold", "skip" => "hold", "continue" => "hold", "ignore" => "hold"
    }
}

words! {
    OnUnreadable, "a way to meet an export that cannot be read" {
        "warn" => OnUnreadable::Warn,
        "reject_file" => OnUnreadable::RejectFile,
        "fail" => OnUnreadable::Fail,
    }
    also {
        "skip" => "warn", "ignore" => "warn", "leave_out" => "warn", "hold" => "reject_file", "reject" => "reject_file",
        "error" => "fail", "stop" => "fail"
    }
}
