//! `kilde why A B --html` and `kilde why ID --html`: the evidence of two records, and how a person was put together, as pictures.

use super::page::{document, escaped, section};
use super::why_match::{self, Line, headline, lines, mean, remarks, signed, weakest};
use crate::run::{EntityStory, PairStory};

const STYLE: &str = "<style>rect.for { fill: var(--good); } rect.against { fill: var(--bad); } rect.sum { fill: var(--main); } \
  svg text { font: 13px system-ui, sans-serif; fill: var(--ink); } path.join { fill: none; stroke: var(--main); stroke-width: 1.5; } \
  path.weakest { fill: none; stroke: var(--bad); stroke-width: 2.5; } text.faint { fill: var(--faint); }</style>\n";

/// The waterfall as a picture, with the records side by side.
pub(super) fn pair_page(story: &PairStory) -> String {
    let mut body = format!("<header><h1>{}</h1></header>\n", escaped(&headline(story)));
    body.push_str(&waterfall(story));
    let remarks = remarks(story);
    let remarks = remarks
        .iter()
        .map(|remark| format!("<li>{}</li>", escaped(remark)));
    body.push_str(&format!("<ul>{}</ul>\n", remarks.collect::<String>()));
    let rows = story.values.iter().map(|(column, one, other)| {
        let cell = |value: &Option<String>| escaped(value.as_deref().unwrap_or(""));
        let (one, other) = (cell(one), cell(other));
        format!(
            "<tr><th>{}</th><td>{one}</td><td>{other}</td></tr>\n",
            escaped(column)
        )
    });
    let table = format!(
        "<table><tr><th></th><th>{}</th><th>{}</th></tr>\n{}</table>\n",
        escaped(&story.one.record),
        escaped(&story.other.record),
        rows.collect::<String>()
    );
    body.push_str(&section("The records", &table));
    document(&headline(story), &body, &escaped(&story.table))
}

/// One bar for each line, each beginning where the one before ended.
fn waterfall(story: &PairStory) -> String {
    const ROW: f64 = 26.0;
    const LEFT: f64 = 290.0;
    const WIDTH: f64 = 560.0;
    let mut lines = lines(story);
    lines.push(Line {
        words: "together".to_string(),
        bits: story.weight,
    });
    let mut sum = 0.0;
    let last = lines.len() - 1;
    let bars: Vec<(f64, f64)> = lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let from = if at == last { 0.0 } else { sum };
            sum = from + line.bits;
            (from, sum)
        })
        .collect();
    let ends = bars.iter().flat_map(|(from, to)| [*from, *to]);
    let (low, high) = ends
        .chain([story.same_from])
        .fold((0.0_f64, 1.0_f64), |(low, high), bits| {
            (low.min(bits), high.max(bits))
        });
    let x = |bits: f64| LEFT + (bits - low) / (high - low) * WIDTH;
    let height = ROW * lines.len() as f64 + 24.0;
    let mut drawn = String::new();
    for (at, (line, (from, to))) in lines.iter().zip(&bars).enumerate() {
        let y = ROW * at as f64;
        let (start, end) = (x(from.min(*to)), x(from.max(*to)));
        let class = match (at == last, line.bits < 0.0) {
            (true, _) => "sum",
            (false, true) => "against",
            (false, false) => "for",
        };
        drawn.push_str(&format!(
            "<text x=0 y={:.1}>{}</text><rect class={class} x={start:.1} y={:.1} width={:.1} height=16 />\
             <text x={:.1} y={:.1}>{}</text>\n",
            y + 17.0,
            escaped(line.words.trim_start()),
            y + 5.0,
            (end - start).max(1.0),
            end + 6.0,
            y + 17.0,
            signed(line.bits)
        ));
    }
    let threshold = x(story.same_from);
    format!(
        "{STYLE}<svg viewBox=\"0 0 920 {height:.0}\" role=img aria-label=\"evidence in bits\">\n{drawn}\
         <line class=target x1={threshold:.1} x2={threshold:.1} y1=0 y2={:.1} />\
         <text x={threshold:.1} y={:.1}>same from {}</text></svg>\n",
        height - 20.0,
        height - 6.0,
        story.same_from
    )
}

/// The joins as a tree, with the records and the places where it would break first.
pub(super) fn entity_page(story: &EntityStory) -> String {
    let size = story.records.len();
    let title = match &story.id {
        None => format!("{}: none of its records is left", story.asked),
        Some(id) => format!("{id}: {size} records"),
    };
    let mut body = format!("<header><h1>{}</h1></header>\n", escaped(&title));
    if story.id.as_ref().is_some_and(|id| *id != story.asked) {
        let asked = escaped(&story.asked);
        body.push_str(&format!("<p>{asked} was merged into it.</p>\n"));
    }
    if !story.merges.is_empty() {
        body.push_str(&tree(story));
    }
    if let Some((at, merge)) = weakest(story) {
        let why = match &merge.strongest {
            Some(pair) => format!(": <code>{}</code>", escaped(&why_match::why(story, pair))),
            None => String::new(),
        };
        body.push_str(&format!(
            "<p>The weakest bridge is join {}, {}{why}</p>\n",
            at + 1,
            escaped(&mean(merge))
        ));
    }
    document(&title, &body, &escaped(&story.table))
}

/// A part of the tree: where its line ends, and the records below it.
struct Branch {
    x: f64,
    y: f64,
    records: Vec<String>,
}

/// Records on the left, each join to the right of what it joins.
fn tree(story: &EntityStory) -> String {
    const ROW: f64 = 24.0;
    const LEFT: f64 = 330.0;
    const WIDTH: f64 = 470.0;
    let order = leaves(story);
    let leaf = |(at, record): (usize, &String)| Branch {
        x: LEFT,
        y: ROW * at as f64 + 12.0,
        records: vec![record.clone()],
    };
    let mut branches: Vec<Branch> = order.iter().enumerate().map(leaf).collect();
    let mut drawn = String::new();
    for branch in &branches {
        drawn.push_str(&format!(
            "<text x=0 y={:.1}>{}</text>\n",
            branch.y + 4.0,
            escaped(&branch.records[0])
        ));
    }
    let weakest = weakest(story).map(|(at, _)| at);
    let step = WIDTH / story.merges.len().max(1) as f64;
    for (at, merge) in story.merges.iter().enumerate() {
        let mut take = |records: &[String]| {
            let first = records.first()?;
            let place = branches.iter().position(|b| b.records.contains(first))?;
            Some(branches.swap_remove(place))
        };
        let (Some(one), Some(other)) = (take(&merge.one), take(&merge.other)) else {
            continue;
        };
        let x = LEFT + step * (at + 1) as f64;
        let y = (one.y + other.y) / 2.0;
        let class = if weakest == Some(at) {
            "weakest"
        } else {
            "join"
        };
        drawn.push_str(&format!(
            "<path class={class} d=\"M {:.1} {:.1} H {x:.1} V {:.1} H {:.1}\" />\
             <text class=faint x={:.1} y={:.1}>{}: {}</text>\n",
            one.x,
            one.y,
            other.y,
            other.x,
            x + 5.0,
            y + 4.0,
            at + 1,
            escaped(&mean(merge))
        ));
        let records = [one.records, other.records].concat();
        branches.push(Branch { x, y, records });
    }
    format!(
        "{STYLE}<svg viewBox=\"0 0 920 {:.0}\" role=img aria-label=\"how {} records were joined\">\n{drawn}</svg>\n",
        ROW * order.len() as f64 + 8.0,
        order.len()
    )
}

/// Records in an order in which no two lines of the tree cross: those of a join stand together.
fn leaves(story: &EntityStory) -> Vec<String> {
    let mut groups: Vec<Vec<String>> = story.records.iter().map(|r| vec![r.clone()]).collect();
    for merge in &story.merges {
        let mut take = |records: &[String]| {
            let first = records.first()?;
            let place = groups.iter().position(|group| group.contains(first))?;
            Some(groups.remove(place))
        };
        let (one, other) = (take(&merge.one), take(&merge.other));
        let joined: Vec<String> = one.into_iter().chain(other).flatten().collect();
        groups.insert(0, joined);
    }
    groups.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::MergeStory;

    #[test]
    fn a_tree_names_every_record_once_and_nothing_in_it_is_markup() {
        let merge = |one: &[&str], other: &[&str], mean: f64| MergeStory {
            one: one.iter().map(ToString::to_string).collect(),
            other: other.iter().map(ToString::to_string).collect(),
            mean,
            strongest: Some((one[0].to_string(), other[0].to_string())),
            weight: Some(mean),
        };
        let story = EntityStory {
            table: "identity.people".to_string(),
            asked: "c_1".to_string(),
            id: Some("c_1".to_string()),
            records: ["a", "b", "c", "<d>"].map(String::from).to_vec(),
            merges: vec![
                merge(&["a"], &["c"], 9.0),
                merge(&["b"], &["<d>"], 5.0),
                merge(&["a", "c"], &["b", "<d>"], 2.0),
            ],
            same_from: 1.0,
            is_one_of_several: false,
        };
        assert_eq!(leaves(&story), ["a", "c", "b", "<d>"]);
        let page = entity_page(&story);
        assert!(
            !page.contains("<d>") && page.contains("&lt;d&gt;</text>"),
            "{page}"
        );
        assert_eq!(page.matches("class=join").count(), 2);
        assert_eq!(page.matches("class=weakest").count(), 1);
        assert!(page.contains("join 3, +2.0 bits"), "{page}");
    }
}
