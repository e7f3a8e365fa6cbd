//! `kilde.yaml`, a target and the command line → the settings that hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::raw::{
    Mistake, Named, RawProjectFile, RawTarget, Sink, identifier, listed, nearest_word,
};
use super::super::{Ground, Period, Spanned, Variables};
use super::{Settings, blame, notify, openlineage};
use crate::diagnostic::{Diagnostic, Span};
use crate::location::Location;

/// Longest record of a text export unless `limits.line` says otherwise.
const MAX_RECORD_BYTES: u64 = 16_000_000;

/// Code of a location that holds a secret.
pub(super) const SECRET: u16 = 132;

/// How long releases are kept unless `keep` says otherwise.
fn kept_by_default() -> Period {
    Period::of_days(30)
}

/// The settings, every mistake in the sink; `Err` where the project is written for another kilde.
pub(super) fn resolve(
    raw: Option<RawProjectFile>,
    root: &Path,
    variables: &Variables,
    sink: &mut Sink,
) -> Result<Settings, Diagnostic> {
    let Some(raw) = raw else {
        return Ok(Settings {
            name: None,
            root: root.to_path_buf(),
            time_zone: chrono_tz::UTC,
            raw: nowhere(),
            lake: nowhere(),
            vars: BTreeMap::new(),
            max_record_bytes: MAX_RECORD_BYTES,
            notify: None,
            openlineage: None,
            purposes: BTreeMap::new(),
            publish_parquet: Vec::new(),
            keep: kept_by_default(),
            highlights: None,
            purposes_whole: false,
        });
    };
    if let Some(requires) = &raw.requires
        && !requires.value.allows(env!("CARGO_PKG_VERSION"))
    {
        let text = &sink.file.text[requires.span.start..requires.span.end];
        let mistake = Mistake::new(
            118,
            format!(
                "this is kilde {}, the project requires {text}",
                env!("CARGO_PKG_VERSION")
            ),
        );
        return Err(blame(
            &sink.file,
            requires.span,
            mistake.help("run it with a kilde that it allows"),
        ));
    }
    let target = chosen_target(&raw.targets, variables, sink);
    let (raw_place, lake_place) = places(&raw, target, root, sink);
    let purposes = purposes(&raw, sink);
    Ok(Settings {
        name: raw.project.0.as_ref().map(|name| name.0.clone()),
        root: root.to_path_buf(),
        time_zone: raw.time_zone.map_or(chrono_tz::UTC, |zone| zone.0),
        raw: raw_place,
        lake: lake_place,
        vars: vars(&raw, target, variables, sink),
        max_record_bytes: raw
            .limits
            .and_then(|limits| limits.line)
            .map_or(MAX_RECORD_BYTES, |size| size.0),
        notify: notify::resolve(
            raw.notify.as_ref(),
            raw.targets.entries.iter().map(|(_, t)| t.notify.clone()),
            target,
            sink,
        ),
        openlineage: openlineage::resolve(
            raw.openlineage.as_ref(),
            raw.targets
                .entries
                .iter()
                .map(|(_, t)| t.openlineage.clone()),
            target,
            root,
            sink,
        ),
        keep: raw.keep.unwrap_or_else(kept_by_default),
        highlights: raw.highlights,
        publish_parquet: raw
            .publish
            .map_or_else(Vec::new, |publish| publish.parquet.0),
        purposes_whole: raw.purposes.whole,
        purposes,
    })
}

fn chosen_target<'r>(
    targets: &'r Named<RawTarget>,
    variables: &Variables,
    sink: &mut Sink,
) -> Option<&'r RawTarget> {
    for (name, _) in &targets.entries {
        if let Err(mistake) = identifier(&name.value, "target") {
            sink.report(name.span, mistake);
        }
    }
    let wanted = variables.target.as_deref()?;
    let found = targets
        .entries
        .iter()
        .find(|(name, _)| name.value == wanted);
    if found.is_none() {
        let names: Vec<&str> = targets
            .entries
            .iter()
            .map(|(name, _)| name.value.as_str())
            .collect();
        let mistake = Mistake::new(119, format!("no target `{wanted}`"));
        let mistake = match nearest_word(wanted, &names) {
            Some(near) => mistake.help(format!("did you mean `{near}`?")),
            None if names.is_empty() => mistake.help("kilde.yaml declares no `targets`"),
            None => mistake.help(format!("declared: {}", listed(&names))),
        };
        sink.report(Span::default(), mistake);
    }
    found.map(|(_, target)| target)
}

/// Where nothing is said, which was reported: such a project is never used.
fn nowhere() -> Location {
    Location::Folder(PathBuf::new())
}

/// Where exports lie and where the lake lies; neither within the other.
fn places(
    raw: &RawProjectFile,
    target: Option<&RawTarget>,
    root: &Path,
    sink: &mut Sink,
) -> (Location, Location) {
    let raw_text = target
        .and_then(|target| target.raw.as_ref())
        .or(raw.raw.as_ref());
    let lake_text = target
        .and_then(|target| target.lake.as_ref())
        .or(raw.lake.as_ref());
    let exports = place("raw", raw_text, root, sink);
    let lake = place("lake", lake_text, root, sink);
    if let (Some(exports), Some(lake), Some(at)) = (&exports, &lake, lake_text)
        && within_each_other(&behind_links(exports), &behind_links(lake))
    {
        let mistake = Mistake::new(122, "`lake` and `raw` lie within each other")
            .help("give each a folder of its own: `raw: exports/`, `lake: lake/`");
        sink.report(at.span, mistake);
    }
    (
        exports.unwrap_or_else(nowhere),
        lake.unwrap_or_else(nowhere),
    )
}

fn within_each_other(one: &Location, other: &Location) -> bool {
    one.lies_within(other) || other.lies_within(one)
}

/// The place that is meant, links followed as far as there are any.
fn behind_links(place: &Location) -> Location {
    let Location::Folder(folder) = place else {
        return place.clone();
    };
    let behind = folder.ancestors().find_map(|above| {
        let behind = std::fs::canonicalize(above).ok()?;
        Some(behind.join(folder.strip_prefix(above).ok()?))
    });
    Location::Folder(behind.unwrap_or_else(|| folder.clone()))
}

fn place(
    key: &str,
    written: Option<&Spanned<String>>,
    root: &Path,
    sink: &mut Sink,
) -> Option<Location> {
    let Some(written) = written else {
        let mistake = Mistake::new(106, format!("missing key `{key}`"));
        sink.report(
            Span::default(),
            mistake.help(format!("for example `{key}: {key}/`")),
        );
        return None;
    };
    match Location::parse(&written.value, root) {
        Ok(location) => Some(location),
        Err(error) => {
            let code = if error.is_secret { SECRET } else { 103 };
            let mistake = Mistake::new(code, error.message).help(error.help);
            sink.report(written.span, mistake);
            None
        }
    }
}

/// Those of the command line win over the target's, these over the file's.
fn vars(
    raw: &RawProjectFile,
    target: Option<&RawTarget>,
    variables: &Variables,
    sink: &mut Sink,
) -> BTreeMap<String, String> {
    let mut vars = BTreeMap::new();
    let of_targets = raw
        .targets
        .entries
        .iter()
        .flat_map(|(_, target)| &target.vars.entries);
    for (name, _) in raw.vars.entries.iter().chain(of_targets) {
        if let Err(mistake) = check_variable(&name.value) {
            sink.report(name.span, mistake);
        }
    }
    for name in variables.vars.keys() {
        if let Err(mistake) = check_variable(name) {
            sink.report(Span::default(), mistake);
        }
    }
    let of_target = target.iter().flat_map(|target| &target.vars.entries);
    for (name, value) in raw.vars.entries.iter().chain(of_target) {
        vars.insert(name.value.clone(), value.value.clone());
    }
    vars.extend(variables.vars.clone());
    vars
}

fn check_variable(name: &str) -> Result<(), Mistake> {
    if name == "as_of" {
        return Err(Mistake::new(109, "`as_of` is kilde's own variable")
            .help("it is the date and time that the release speaks of: set it with `--as-of`"));
    }
    identifier(name, "variable").map(|_| ())
}

fn purposes(raw: &RawProjectFile, sink: &mut Sink) -> BTreeMap<String, Ground> {
    let mut purposes = BTreeMap::new();
    for (name, purpose) in &raw.purposes.entries {
        if let Err(mistake) = identifier(&name.value, "purpose") {
            sink.report(name.span, mistake);
        }
        purposes.insert(name.value.clone(), purpose.ground);
    }
    purposes
}
