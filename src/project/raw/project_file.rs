//! `kilde.yaml` as written.

use super::super::Spanned;
use super::declare::{section, words};
use super::decode::{Anything, AtLeastOne, Later, Named, OneOrMany, Tried};
use super::later::RawRetain;
use super::scalar::{ColumnName, Name, Size, Zone};
use crate::name::TableName;
use crate::project::requires::Requires;
use crate::project::{Ground, Occasion, Period};

section! {
    /// `kilde.yaml`: the project, where its exports and its lake lie, and what holds everywhere.
    RawProjectFile {
        /// The project's name: lower-case letters, digits and `_`.
        project: Tried<Name>,
        /// Versions of kilde that the project is written for, such as `">=0.1, <0.3"`.
        requires: Option<Spanned<Requires>>,
        /// IANA time zone of `$as_of`, schedules and local times without a zone. Default `UTC`.
        time_zone: Option<Zone>,
        /// Folder of the raw exports, relative to the project. Needed here or in the target chosen.
        raw: Option<Spanned<String>>,
        /// Folder of the lake, relative to the project. Needed here or in the target chosen.
        lake: Option<Spanned<String>>,
        /// What `--target NAME` overrides.
        targets: Named<RawTarget>,
        /// Values of `$name` in SQL, kept as text and typed where they are used.
        vars: Named<Spanned<String>>,
        /// Tables also kept as one whole Parquet file each, for tools without Delta.
        publish: Option<RawPublish>,
        /// Which tables tell people how things stand, on the page of `kilde diff --html`.
        highlights: Option<RawHighlights>,
        /// How long a release can be read and rolled back to after the next one was published. Default `30d`.
        keep: Option<Period>,
        /// Whom to tell what happened.
        notify: Option<RawNotify>,
        /// Where a build's OpenLineage events go.
        openlineage: Option<RawOpenLineage>,
        /// Who answers for the processing of personal data.
        controller: Option<RawController>,
        /// Who uses data, for what and why, by name.
        purposes: Named<RawPurpose>,
        /// Who may read for which purpose.
        roles: Option<Later<Anything>>,
        /// Bounds against broken input.
        limits: Option<RawLimits>,
    }
}

section! {
    /// One target: what it names replaces the same key of the project.
    RawTarget {
        /// Folder of the raw exports.
        raw: Option<Spanned<String>>,
        /// Folder of the lake.
        lake: Option<Spanned<String>>,
        /// Values that replace or join those of the project.
        vars: Named<Spanned<String>>,
        /// Whom to tell what happened.
        notify: Option<RawNotify>,
        /// Where a build's OpenLineage events go.
        openlineage: Option<RawOpenLineage>,
    }
}

section! {
    /// Where a build's OpenLineage events go: which tables it made, of which, column by column.
    RawOpenLineage {
        /// `env:NAME` of the variable that holds the server's address, or the address; `/api/v1/lineage` is added to one
        /// without a path.
        url: Option<String>,
        /// `env:NAME` of the variable that holds the server's key.
        api_key: Option<String>,
        /// File that grows by a line an event, relative to the project.
        file: Option<String>,
        /// Of the jobs. Default: the project's name.
        namespace: Option<String>,
    }
}

section! {
    /// Whom to tell what happened to a build.
    RawNotify {
        /// `env:NAME` of the variable that holds the address, or the address; it is sent the summary of the run as JSON.
        webhook: String,
        /// What is told: `failed` (nothing was published), `held` (a table stays at its last good version), `stale` (an
        /// export is overdue by `freshness`). Default: all three.
        on: OneOrMany<Occasion>,
    }
}

words! {
    Occasion, "an occasion to tell" {
        "failed" => Occasion::Failed,
        "held" => Occasion::Held,
        "stale" => Occasion::Stale,
    }
    also { "error" => "failed", "failure" => "failed", "fail" => "failed", "hold" => "held", "freshness" => "stale", "late" => "stale" }
}

section! {
    /// Copies for tools without Delta, such as Power BI.
    RawPublish {
        /// Tables, by name or glob: each at its newest release as `<lake>/latest/<schema>.<table>.parquet`.
        parquet: OneOrMany<Spanned<String>>,
    }
}

section! {
    /// Which tables tell people how things stand, on the page of `kilde diff --html`.
    RawHighlights {
        /// How many people there are, who came, who turned out to be one or two. Default: those of the first `match:`.
        people: Option<RawPeople>,
        /// How many members each group has.
        groups: Option<RawGroups>,
        /// How many people agree to each purpose; `kilde diff` says it too, and `kilde customer` tells the table's rows as consents.
        consents: Option<RawConsents>,
        /// Key figures, with interval and target.
        figures: Option<RawFigures>,
    }
}

impl Default for RawHighlights {
    /// Nothing said.
    fn default() -> Self {
        Self {
            people: None,
            groups: None,
            consents: None,
            figures: None,
        }
    }
}

section! {
    /// The table of who said yes or no to what.
    RawConsents {
        /// One row per person and purpose.
        table: Spanned<TableName>,
        /// Column of the purpose.
        purpose: Spanned<ColumnName>,
        /// Column that is true where it is a yes.
        granted: Spanned<ColumnName>,
    }
}

section! {
    /// The table of record → person.
    RawPeople {
        /// One row per record, by the key of its contract.
        table: Spanned<TableName>,
        /// Column of the person's id.
        person: Spanned<ColumnName>,
    }
}

section! {
    /// Members of groups, such as segments.
    RawGroups {
        /// One row per group and member.
        table: Spanned<TableName>,
        /// Column of the group's name.
        by: Spanned<ColumnName>,
    }
}

section! {
    /// Key figures over time.
    RawFigures {
        /// One row per figure and period.
        table: Spanned<TableName>,
        /// Column of the figure's name.
        name: Spanned<ColumnName>,
        /// Column of the period: a date, a month.
        period: Spanned<ColumnName>,
        /// Column of the value.
        value: Spanned<ColumnName>,
        /// Column of the lower end of its interval.
        low: Option<Spanned<ColumnName>>,
        /// Column of the upper end.
        high: Option<Spanned<ColumnName>>,
        /// Column of what it is to be.
        target: Option<Spanned<ColumnName>>,
    }
}

section! {
    /// Who answers for the processing of personal data.
    RawController {
        /// Legal name.
        name: String,
        /// How to reach them.
        contact: Option<String>,
    }
}

section! {
    /// A purpose: who uses data, for what and why, on which legal ground.
    RawPurpose {
        /// The people who use it: a team or a role.
        who: String,
        /// What they do with it.
        what: String,
        /// What it is good for, for customers as well as for the company.
        why: AtLeastOne<String>,
        /// The legal ground.
        ground: Ground,
        /// How long data is kept for it, and what happens then.
        retain: Option<Later<RawRetain>>,
    }
}

words! {
    Ground, "a legal ground" {
        "consent" => Ground::Consent,
        "contract" => Ground::Contract,
        "legal_obligation" => Ground::LegalObligation,
        "legitimate_interest" => Ground::LegitimateInterest,
    }
    also { "legal" => "legal_obligation", "law" => "legal_obligation", "interest" => "legitimate_interest" }
}

section! {
    /// Bounds against broken input.
    RawLimits {
        /// Longest record of a text export. Default `16MB`.
        line: Option<Size>,
    }
}
