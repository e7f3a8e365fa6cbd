//! `kilde diff --html`: one page for people, whole in one file: no script, nothing fetched, fit to print.
//!
//! Everything that was not written here passes [`escaped`]. Holds counts and figures, and no value of a person.

use std::fmt::Write as _;

use super::format::{self, before_and_after, change, count, plural, relative, share};
use super::page::{document, escaped, section};
use crate::project::Project;
use crate::run::{
    DiffPage, FigureSeries, GroupDiff, PeopleDiff, SourceRejects, TableDiff, TableDifference,
};

/// The page.
pub(super) fn render(page: &DiffPage, project: &Project) -> String {
    let (before, now) = (&page.diff.before, &page.diff.now);
    let title = format!(
        "{}: release {} → {}",
        project.name, before.release, now.release
    );
    let moment = |at| format::moment(at, project.time_zone);
    let mut body = format!(
        "<header><h1>{}</h1><p>published {} → {} · as of {} → {}</p></header>\n",
        escaped(&title),
        moment(before.published_at),
        moment(now.published_at),
        escaped(&format::as_of(&before.as_of, project.time_zone)),
        escaped(&format::as_of(&now.as_of, project.time_zone)),
    );
    body.push_str(&tiles(page));
    if let Some(people) = &page.people {
        body.push_str(&section("People", &people_table(people)));
    }
    if !page.groups.is_empty() {
        body.push_str(&section("Groups", &bars(&page.groups)));
    }
    if !page.diff.consents.is_empty() {
        let title = "People who agree, by purpose";
        body.push_str(&section(title, &bars(&page.diff.consents)));
    }
    if !page.figures.is_empty() {
        let figures: String = page.figures.iter().map(figure).collect();
        body.push_str(&section(
            "Key figures",
            &format!("<div class=figures>{figures}</div>"),
        ));
    }
    body.push_str(&changes(page, project));
    body.push_str(&held(page));
    body.push_str(&rejects(&page.rejects));
    body.push_str(&failures(page));
    let footer = format!("run {}", escaped(&now.run.0));
    document(&title, &body, &footer)
}

fn tiles(page: &DiffPage) -> String {
    let mut tiles = String::new();
    let mut tile = |number: String, words: String, class: &str| {
        let _ = write!(
            tiles,
            "<div class=\"tile {class}\"><b>{number}</b><span>{words}</span></div>"
        );
    };
    if let Some(people) = &page.people {
        let more = people.now as i64 - people.before as i64;
        tile(count(people.now), format!("people, {}", change(more)), "");
    }
    tile(
        count(page.diff.different.len() as u64),
        format!("of {} differ", plural(page.diff.tables, "table")),
        "",
    );
    let held = page.diff.held.len() as u64;
    tile(
        count(held),
        "tables held".to_string(),
        if held > 0 { "doubt" } else { "good" },
    );
    let rejected: i64 = page
        .rejects
        .iter()
        .map(|source| source.now as i64 - source.before as i64)
        .sum();
    tile(change(rejected), "records rejected".to_string(), "");
    let failed = page.failed_runs.len() as u64;
    tile(
        count(failed),
        "runs failed".to_string(),
        if failed > 0 { "bad" } else { "good" },
    );
    format!("<div class=tiles>{tiles}</div>\n")
}

fn people_table(people: &PeopleDiff) -> String {
    let row = |sign: &str, number: u64, words: &str| {
        format!(
            "<tr><td class=number>{sign}{}</td><td>{words}</td></tr>\n",
            count(number)
        )
    };
    let mut rows = row("", people.before, "people before");
    rows.push_str(&row("+", people.came, "came: all of their records are new"));
    rows.push_str(&row(
        "−",
        people.merged,
        "turned out to be somebody whom we knew already",
    ));
    rows.push_str(&row(
        "+",
        people.split_off,
        "turned out to be somebody else",
    ));
    rows.push_str(&row(
        "−",
        people.left,
        "left: none of their records is there any more",
    ));
    format!(
        "<table>\n{rows}<tr class=sum><td class=number>{}</td><td>people now, behind {}</td></tr>\n</table>\n",
        count(people.now),
        plural(people.records, "record"),
    )
}

/// A bar now and a thin one before, of each group.
fn bars(groups: &[GroupDiff]) -> String {
    let most = groups.iter().map(|group| group.now.max(group.before)).max();
    let most = most.unwrap_or(0).max(1) as f64;
    let width = |members: u64| format!("{:.1}", members as f64 / most * 100.0);
    let mut rows = String::new();
    for group in groups {
        let moved = group.now as i64 - group.before as i64;
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td class=bar><svg viewBox=\"0 0 100 12\" preserveAspectRatio=none role=img \
             aria-label=\"{} before, {} now\"><rect class=before y=9 height=3 width={}></rect>\
             <rect class=now height=8 width={}></rect></svg></td><td class=number>{}</td><td class=number>{}</td></tr>",
            escaped(&group.name),
            group.before,
            group.now,
            width(group.before),
            width(group.now),
            count(group.now),
            if moved == 0 {
                String::new()
            } else {
                change(moved)
            },
        );
    }
    format!("<table>\n{rows}</table>\n<p class=faint>thick: now · thin: before</p>\n")
}

/// Width and height of a chart, and the room around its lines.
const CHART: (f64, f64, f64) = (300.0, 90.0, 6.0);

/// A figure as a line with the band of its intervals, and its target.
fn figure(series: &FigureSeries) -> String {
    let Some(last) = series.points.last() else {
        return String::new();
    };
    let (width, height, room) = CHART;
    let ends = series.points.iter().flat_map(|point| {
        [Some(point.value), point.low, point.high]
            .into_iter()
            .flatten()
    });
    let ends: Vec<f64> = ends.chain(series.target).collect();
    let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    let steps = (series.points.len().max(2) - 1) as f64;
    let x = |at: usize| room + at as f64 / steps * (width - 2.0 * room);
    let y = |value: f64| height - room - (value - low) / span * (height - 2.0 * room);
    let place = |at: usize, value: f64| format!("{:.1},{:.1}", x(at), y(value));
    let points = || series.points.iter().enumerate();
    let line: Vec<String> = points().map(|(at, point)| place(at, point.value)).collect();
    let upper = points().filter_map(|(at, point)| Some(place(at, point.high?)));
    let lower = points()
        .rev()
        .filter_map(|(at, point)| Some(place(at, point.low?)));
    let band: Vec<String> = upper.chain(lower).collect();
    let target = series.target.map_or_else(String::new, |target| {
        format!(
            "<line class=target x1=0 x2={width} y1={0:.1} y2={0:.1}></line>",
            y(target)
        )
    });
    let interval = match (last.low, last.high) {
        (Some(low), Some(high)) => format!(
            " <span class=faint>{} – {}</span>",
            decimal(low),
            decimal(high)
        ),
        _ => String::new(),
    };
    let wanted = series.target.map_or_else(String::new, |target| {
        format!(" <span class=faint>target {}</span>", decimal(target))
    });
    format!(
        "<figure><figcaption>{}<br><b>{}</b>{interval}{wanted}</figcaption>\
         <svg viewBox=\"0 0 {width} {height}\" role=img aria-label=\"{} of {}, period by period\">\
         <polygon class=band points=\"{}\"></polygon>{target}<polyline points=\"{}\"></polyline>\
         <circle cx={:.1} cy={:.1} r=3></circle></svg><p class=faint>{} – {}</p></figure>\n",
        escaped(&series.name),
        decimal(last.value),
        plural(series.points.len() as u64, "value"),
        escaped(&series.name),
        band.join(" "),
        line.join(" "),
        x(series.points.len() - 1),
        y(last.value),
        escaped(
            series
                .points
                .first()
                .map_or("", |first| first.period.as_str())
        ),
        escaped(&last.period),
    )
}

/// `1,204`, `−41.3`, `0.27`.
fn decimal(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    match value.abs() {
        size if size >= 1000.0 => format!("{sign}{}", count(size.round() as u64)),
        size if size >= 10.0 => format!("{sign}{size:.1}"),
        size => format!("{sign}{size:.2}"),
    }
}

/// What people read first, then everything else, folded.
fn changes(page: &DiffPage, project: &Project) -> String {
    let different = &page.diff.different;
    let (read, others): (Vec<&TableDiff>, Vec<&TableDiff>) = different
        .iter()
        .partition(|diff| project.is_read_outside(&diff.table));
    let mut content = String::new();
    if different.is_empty() {
        content.push_str("<p>nothing</p>\n");
    }
    if !read.is_empty() {
        content.push_str(&change_table(&read, project));
    }
    if !others.is_empty() {
        let _ = write!(
            content,
            "<details><summary>{} that nobody outside reads</summary>\n{}</details>\n",
            plural(others.len() as u64, "table"),
            change_table(&others, project)
        );
    }
    section("What changed", &content)
}

fn change_table(diffs: &[&TableDiff], project: &Project) -> String {
    let mut rows = String::new();
    for diff in diffs {
        let name = escaped(&diff.table.to_string());
        let about = project.contracts.get(&diff.table);
        let about = about.and_then(|contract| contract.description.as_deref());
        let readers: Vec<&str> = project
            .readers_outside(&diff.table)
            .map(|reader| reader.name.as_str())
            .collect();
        let mut words = escaped(&format::cut(about.unwrap_or_default(), 140));
        if !readers.is_empty() {
            let _ = write!(words, " <i>read by {}</i>", escaped(&readers.join(", ")));
        }
        for change in &diff.columns {
            let _ = write!(words, "<br><code>{}</code>", escaped(&change.to_string()));
        }
        let moved = match (&diff.row_changes, diff.difference) {
            (_, TableDifference::Removed) => "no longer in the release".to_string(),
            (_, TableDifference::SameRows) => "the same rows".to_string(),
            (Some(rows), _) if rows.by.is_empty() => {
                format!("+{} −{}", count(rows.added), count(rows.removed))
            }
            (Some(rows), _) => format!(
                "+{} −{} ~{}",
                count(rows.added),
                count(rows.removed),
                count(rows.changed)
            ),
            (None, _) => String::new(),
        };
        let _ = writeln!(
            rows,
            "<tr><td><b>{name}</b><br><span class=faint>{words}</span></td><td class=number>{}</td>\
             <td class=number>{}</td><td class=number>{moved}</td></tr>",
            before_and_after(diff.rows_before, diff.rows),
            relative(diff.share),
        );
    }
    format!(
        "<table><thead><tr><th>table</th><th class=number>rows</th><th></th>\
         <th class=number>added, removed, changed</th></tr></thead>\n{rows}</table>\n"
    )
}

fn held(page: &DiffPage) -> String {
    if page.diff.held.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for held in &page.diff.held {
        let _ = writeln!(
            rows,
            "<tr><td><b>{}</b></td><td>since release {}</td><td>{}</td></tr>",
            escaped(&held.table.to_string()),
            held.since,
            escaped(&held.reason),
        );
    }
    section(
        "Held at their last good version",
        &format!("<table>\n{rows}</table>\n"),
    )
}

fn rejects(sources: &[SourceRejects]) -> String {
    if sources.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for source in sources {
        let moved = source.now as i64 - source.before as i64;
        let _ = writeln!(
            rows,
            "<tr><td><b>{}</b></td><td class=number>{}</td><td class=number>{}</td>\
             <td class=number>{} of {}</td></tr>",
            escaped(&source.source),
            count(source.now),
            if moved == 0 {
                String::new()
            } else {
                change(moved)
            },
            share(source.now, source.records),
            plural(source.records, "record"),
        );
    }
    section(
        "Records that broke their contract",
        &format!("<table>\n{rows}</table>\n"),
    )
}

fn failures(page: &DiffPage) -> String {
    let mut lines = String::new();
    for run in &page.failed_runs {
        let _ = writeln!(
            lines,
            "<li>run {}: {}</li>",
            escaped(&run.run.0),
            escaped(&run.failure)
        );
    }
    for note in &page.notes {
        let _ = writeln!(lines, "<li>{}</li>", escaped(note));
    }
    match lines.is_empty() {
        true => lines,
        false => section("What went wrong", &format!("<ul>\n{lines}</ul>\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::FigurePoint;

    #[test]
    fn what_comes_from_data_cannot_become_markup() {
        let group = GroupDiff {
            name: "<script>\"a\" & 'b'".to_string(),
            before: 1,
            now: 2,
        };
        let html = bars(&[group]);
        assert!(
            html.contains("&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;"),
            "{html}"
        );
    }

    #[test]
    fn a_figure_of_one_value_without_interval_is_a_point() {
        let series = FigureSeries {
            name: "nps".to_string(),
            points: vec![FigurePoint {
                period: "2026-01-01".to_string(),
                value: 41.0,
                low: None,
                high: None,
            }],
            target: None,
        };
        let html = figure(&series);
        assert!(html.contains("<b>41.0</b>"), "{html}");
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }
}
