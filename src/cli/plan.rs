//! `kilde plan`

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format::Align::{Left, Right};
use super::format::{self, Columns};
use super::held;
use super::options::{Options, SelectionOptions};
use super::style::{self, DOUBT, FAINT, GOOD, STRONG, styled};
use crate::error::Result;
use crate::name::TableName;
use crate::plan::{Action, Kind, Observed, TablePlan};
use crate::project::Project;
use crate::run::{MatchForecast, RefinedBlocks};

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    selection: SelectionOptions,
    /// Show what would be done if a table kept its published version; may be repeated
    #[arg(long, env = "KILDE_HOLD", value_name = "TABLE", value_delimiter = ',')]
    hold: Vec<String>,
}

impl Plan {
    pub(super) fn of(selection: SelectionOptions, hold: Vec<String>) -> Self {
        Self { selection, hold }
    }

    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        style::diagnostics(&project.warnings);
        let runner = options
            .runner(&project)?
            .verifying_exports(self.selection.verify_exports);
        let mut request = self.selection.request(&runner)?;
        let held = self.hold.iter().map(|name| project.table(name));
        request.hold = held.collect::<Result<_>>()?;
        let (observed, plan) = runner.plan(&request).await?;
        style::diagnostics(&plan.warnings);
        style::out(&render(&project, &observed, &plan, &request.hold));
        let forecasts = runner.match_forecasts(&plan, request.as_of).await?;
        for forecast in &forecasts {
            style::out(&pairs(forecast));
        }
        let refused = forecasts.into_iter().find_map(|forecast| forecast.refused);
        refused.map_or(Ok(ExitCode::SUCCESS), Err)
    }
}

fn render(
    project: &Project,
    observed: &Observed,
    plan: &crate::plan::Plan,
    hold: &BTreeSet<TableName>,
) -> String {
    let mut text = head(observed, plan);
    let mut columns = Columns::new([Left, Left, Left]);
    let mut unchanged = 0;
    for table in plan.order.iter().filter_map(|table| plan.tables.get(table)) {
        match line(table, project, observed, hold) {
            Some(cells) => columns.row(cells),
            None if table.kind == Kind::Ephemeral => {}
            None => unchanged += 1,
        }
    }
    for table in &plan.retired {
        columns.row(vec![
            styled(DOUBT, "-"),
            table.to_string(),
            "no longer published by the project: leaves the release, its files stay".to_string(),
        ]);
    }
    text.push_str(&columns.render("  "));
    if unchanged > 0 {
        text.push_str(&format!("  = {unchanged} unchanged\n"));
    }
    text
}

/// What a match step would compare, rule by rule.
fn pairs(forecast: &MatchForecast) -> String {
    let new = forecast.rules.iter().map(|rule| rule.new_pairs).sum();
    let all: u64 = forecast.rules.iter().map(|rule| rule.pairs).sum();
    let mut text = format!(
        "{}: {}, {} of at most {}, about {} after rules that make the same; about {} in memory and {} of computing\n",
        styled(STRONG, &forecast.table),
        format::plural(forecast.records, "record"),
        format::plural(all, "pair"),
        format::count(forecast.max_pairs),
        format::count(new),
        format::bytes(forecast.bytes),
        format::seconds(forecast.seconds),
    );
    text.push_str(&match &forecast.trained {
        Some((at, records)) if !at.is_empty() => format!(
            "  with the model trained {at} on {}\n",
            format::plural(*records, "record")
        ),
        Some(_) => "  with the model that an older kilde trained\n".to_string(),
        None => "  with a model that is trained first\n".to_string(),
    });
    if let Some((records, column)) = &forecast.named_in_full {
        let records = format::plural(*records, "record");
        text.push_str(&format!(
            "  of {records} the name, or a part that is missing, is read from `{column}`\n"
        ));
    }
    let mut columns = Columns::new([Left, Right, Right, Left]);
    for rule in &forecast.rules {
        let mut block = format!(
            "largest block {}, {:.1} %",
            format::plural(rule.largest_records, "record"),
            100.0 * rule.largest_share
        );
        if rule.parked_pairs > 0 {
            let parked = format::plural(rule.parked_pairs, "pair");
            block.push_str(&format!(
                " · {parked} of blocks too large for one person left out"
            ));
        }
        if let Some(RefinedBlocks { over, by, found }) = &rule.refined {
            block.push_str(&format!(
                " · {} of over {} records ({} the largest) refined by {}: {} before, {} after",
                format::plural(found.blocks, "block"),
                format::count(*over),
                format::count(found.largest_records),
                by.join(", then "),
                format::plural(found.pairs_before, "pair"),
                format::count(found.pairs),
            ));
            if found.without_key > 0 {
                let without = format::plural(found.without_key, "record");
                block.push_str(&format!(", {without} without it make none"));
            }
        }
        columns.row(vec![
            rule.name.clone(),
            format::plural(rule.pairs, "pair"),
            format!("{} new", format::count(rule.new_pairs)),
            styled(FAINT, &block),
        ]);
    }
    text.push_str(&columns.render("  "));
    text
}

fn head(observed: &Observed, plan: &crate::plan::Plan) -> String {
    let newest = observed.release.as_ref().map(|release| release.number);
    if let Some(decided) = observed.decided {
        let since = match newest {
            Some(newest) => {
                format!("what is new since release {newest}, some of which it may hold")
            }
            None => "what lies there, some of which it may hold".to_string(),
        };
        return format!(
            "{}: release {decided}, which readers do not see yet; the next build finishes it first. This is {since}:\n",
            styled(DOUBT, "decided"),
        );
    }
    let next = newest.map_or(1, |newest| newest.0 + 1);
    if let Some(release) = observed
        .release
        .as_ref()
        .filter(|release| release.is_paused)
    {
        return format!(
            "{} since release {}: builds wait for `kilde resume`; then release {next} would hold:\n",
            styled(DOUBT, "paused"),
            release.number
        );
    }
    if plan.is_empty() {
        return match &observed.release {
            Some(release) => format!("nothing to do: release {} is up to date\n", release.number),
            None => "nothing to do: no source has an export yet\n".to_string(),
        };
    }
    let certain = plan
        .tables
        .values()
        .filter(|table| is_certain(&table.action))
        .count();
    let possible = plan
        .tables
        .values()
        .filter(|table| table.action == Action::Maybe)
        .count();
    let exports: Vec<u64> = plan
        .tables
        .values()
        .filter_map(|table| match &table.action {
            Action::Ingest { exports, .. } => Some(exports),
            _ => None,
        })
        .flatten()
        .map(|export| export.size)
        .collect();
    format!(
        "{}: {} to make, {} more if these change · reads {} ({})\n",
        styled(STRONG, format_args!("would publish release {next}")),
        format::plural(certain as u64, "table"),
        possible,
        format::plural(exports.len() as u64, "export"),
        format::bytes(exports.iter().sum()),
    )
}

fn is_certain(action: &Action) -> bool {
    matches!(
        action,
        Action::Ingest { .. } | Action::Build | Action::Retest | Action::Redescribe
    )
}

/// Sign, table, reasons; `None` for a table with nothing to do.
fn line(
    table: &TablePlan,
    project: &Project,
    observed: &Observed,
    hold: &BTreeSet<TableName>,
) -> Option<Vec<String>> {
    let held = observed
        .release
        .as_ref()
        .and_then(|r| r.held.get(&table.table));
    let mut reasons: Vec<String> = table.reasons.iter().map(ToString::to_string).collect();
    if table.action != Action::NotSelected {
        reasons.extend(table.overdue.as_ref().map(ToString::to_string));
    }
    reasons.extend(held.map(|held| format!("held at release {}: {}", held.at, held.reason)));
    if matches!(
        table.action,
        Action::Ingest { .. } | Action::Build | Action::Maybe
    ) {
        reasons.extend(read_by(project, &table.table));
    }
    let is_idle = matches!(table.action, Action::Unchanged | Action::NotSelected);
    if !is_idle && hold.contains(&table.table) {
        reasons.push("not tried: --hold".to_string());
    }
    let sign = match table.action {
        _ if !is_idle && hold.contains(&table.table) => styled(DOUBT, held::MARK),
        Action::Ingest { .. } => styled(GOOD, "+"),
        Action::Build => styled(DOUBT, "~"),
        Action::Maybe => styled(FAINT, "~"),
        Action::Retest => "t".to_string(),
        Action::Redescribe => "d".to_string(),
        Action::Unchanged | Action::NotSelected => match (&table.overdue, reasons.is_empty()) {
            (_, true) => return None,
            (Some(_), _) if held.is_none() => styled(DOUBT, "!"),
            // exports that wait, or a table that is held
            _ => held::MARK.to_string(),
        },
    };
    Some(vec![sign, table.table.to_string(), reasons.join(" · ")])
}

/// `read by Power BI «Sales weekly» (sales-bi@example.com)`; nothing where only steps read it.
fn read_by(project: &Project, table: &TableName) -> Option<String> {
    let readers: Vec<String> = project
        .readers_outside(table)
        .map(ToString::to_string)
        .collect();
    (!readers.is_empty()).then(|| format!("read by {}", readers.join(", ")))
}
