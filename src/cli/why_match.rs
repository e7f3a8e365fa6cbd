//! `kilde why A B` and `kilde why ENTITY`: who is who, and why.

use super::format::Align::{Left, Right};
use super::format::{Columns, plural};
use super::style::{DOUBT, FAINT, GOOD, STRONG, styled};
use crate::run::{EntityStory, MergeStory, PairStory};

/// Bits of evidence that a full bar stands for, at least.
const WIDEST: f64 = 12.0;
/// Characters of a full bar.
const BAR: usize = 16;

/// A line of the sum: what says it, and how many bits.
pub(super) struct Line {
    pub(super) words: String,
    pub(super) bits: f64,
}

/// Whether an id looks as those that a match issues.
pub(super) fn is_id(text: &str) -> bool {
    let rest = text.strip_prefix("c_");
    rest.is_some_and(|rest| rest.len() == 20 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether a text looks as an id, or as the key of a record, and as no table.
pub(super) fn is_of_person(text: &str) -> bool {
    text.starts_with("c_") || text.contains(':')
}

/// What a command needs besides records and ids where there are several match steps.
fn option(table: &str, is_one_of_several: bool) -> String {
    match is_one_of_several {
        true => format!(" --match {table}"),
        false => String::new(),
    }
}

/// How the weakest bridge is explained: `kilde why A B`.
pub(super) fn why(story: &EntityStory, (one, other): &(String, String)) -> String {
    let option = option(&story.table, story.is_one_of_several);
    format!("kilde why {one} {other}{option}")
}

pub(super) fn pair_text(story: &PairStory) -> String {
    let mut text = format!("{}\n", styled(STRONG, headline(story)));
    let lines = lines(story);
    let widest = lines
        .iter()
        .map(|line| line.bits.abs())
        .fold(WIDEST, f64::max);
    let mut columns = Columns::new([Left, Right, Left]);
    for line in &lines {
        let length = (line.bits.abs() / widest * BAR as f64).round() as usize;
        let bar = "█".repeat(length);
        let style = if line.bits < 0.0 { DOUBT } else { GOOD };
        columns.row(vec![
            line.words.clone(),
            signed(line.bits),
            styled(style, &bar),
        ]);
    }
    columns.row(vec![
        "together".to_string(),
        signed(story.weight),
        String::new(),
    ]);
    text.push_str(&columns.render("  "));
    for remark in remarks(story) {
        text.push_str(&format!("{remark}\n"));
    }
    let mut columns = Columns::new([Left, Left, Left]);
    columns.row(vec![
        String::new(),
        story.one.record.clone(),
        story.other.record.clone(),
    ]);
    for (column, one, other) in &story.values {
        let cell = |value: &Option<String>| value.clone().unwrap_or_default();
        columns.row(vec![styled(FAINT, column), cell(one), cell(other)]);
    }
    text.push_str(&columns.render("  "));
    text
}

/// `same person c_7…, 19.4 bits (same from 6)`.
pub(super) fn headline(story: &PairStory) -> String {
    let ids = match (story.is_one, story.one.id.as_str(), story.other.id.as_str()) {
        (true, id, _) => format!("one person {id}"),
        (false, "", _) | (false, _, "") => {
            "records that the newest release has no ids of yet".to_string()
        }
        (false, one, other) => format!("two persons {one} and {other}"),
    };
    format!(
        "{ids}, {} bits ({})",
        signed(story.weight),
        verdict(story, story.weight)
    )
}

/// What a weight alone would make of a pair.
fn verdict(story: &PairStory, weight: f64) -> String {
    if weight >= story.same_from {
        format!("same from {}", story.same_from)
    } else if weight >= story.review_from {
        format!(
            "doubtful: from {} to {}",
            story.review_from, story.same_from
        )
    } else {
        format!("different: below {}", story.review_from)
    }
}

pub(super) fn lines(story: &PairStory) -> Vec<Line> {
    let mut lines = vec![Line {
        words: "start: two random records".to_string(),
        bits: story.start,
    }];
    for told in &story.comparisons {
        let Some(level) = &told.level else {
            continue;
        };
        lines.push(Line {
            words: format!("{} {level}", told.name),
            bits: told.bits,
        });
        if told.rarity.abs() >= 0.05 {
            lines.push(Line {
                words: match told.records {
                    Some(records) => format!(
                        "  its value stands in {}",
                        plural(u64::from(records), "record")
                    ),
                    None => "  its value is rare".to_string(),
                },
                bits: told.rarity,
            });
        }
    }
    if story.household < -0.05 {
        lines.push(Line {
            words: "a household would share it too".to_string(),
            bits: story.household,
        });
    }
    lines
}

/// What decides besides the weight, and what would change it.
pub(super) fn remarks(story: &PairStory) -> Vec<String> {
    let mut remarks = Vec::new();
    let is_same = story.weight >= story.same_from;
    match (story.decided_by, is_same, story.is_one) {
        (Some(decided), _, _) => {
            remarks.push(format!("the weight does not count: {decided}"));
            let against = story.contradicted_by.iter();
            remarks.extend(against.map(|against| format!("which does not hold: {against}")));
        }
        (None, true, false) => remarks.push(
            "parted nevertheless: other records of the two speak against it (`kilde why` with either id)".to_string(),
        ),
        (None, false, true) => remarks.push(format!(
            "one nevertheless: other records join them (`kilde why {}{}`)",
            story.one.id,
            option(&story.table, story.is_one_of_several)
        )),
        (None, _, _) => {}
    }
    remarks.extend(story.named_in_full.as_ref().map(|named| {
        format!(
            "the name of {}, or a part that is missing, is read from `{}`",
            named.records.join(" and "),
            named.column
        )
    }));
    let silent = story.silent_must.iter().map(|column| {
        format!("`must: [{column}]` says nothing here: more people share the value than one has")
    });
    remarks.extend(silent);
    let mut changes: Vec<String> = Vec::new();
    for told in &story.comparisons {
        if is_same && told.level.is_some() && told.without < story.same_from {
            changes.push(format!(
                "without {} {} bits, {}",
                told.name,
                signed(told.without),
                verdict(story, told.without)
            ));
        }
        if let Some(weight) = told.if_equal.filter(|w| !is_same && *w >= story.same_from) {
            changes.push(format!(
                "were {} equal, {} bits, same",
                told.name,
                signed(weight)
            ));
        }
    }
    remarks.push(match (changes.is_empty(), is_same) {
        (true, true) => {
            "no comparison alone decides it: without any one of them it is the same".to_string()
        }
        (true, false) => "no comparison alone would make them one".to_string(),
        (false, _) => format!("what would change it: {}", changes.join(" · ")),
    });
    remarks.push(match story.rules.is_empty() {
        true => {
            "no blocking rule makes this pair: it is compared only where other records join the two"
                .to_string()
        }
        false => format!("compared since they agree on {}", story.rules.join(" · ")),
    });
    remarks
}

pub(super) fn signed(bits: f64) -> String {
    if bits < 0.0 {
        format!("−{:.1}", -bits)
    } else {
        format!("{bits:+.1}")
    }
}

pub(super) fn entity_text(story: &EntityStory) -> String {
    let Some(id) = &story.id else {
        return format!("{} is retired: none of its records is left\n", story.asked);
    };
    let mut text = String::new();
    if *id != story.asked {
        text.push_str(&format!("{} was merged into {id}\n", story.asked));
    }
    text.push_str(&format!(
        "{}: {}\n",
        styled(STRONG, id),
        plural(story.records.len() as u64, "record")
    ));
    if story.merges.is_empty() {
        text.push_str(&format!("  {}\n", story.records.join(" ")));
    }
    let mut columns = Columns::new([Right, Left, Right, Left]);
    for (at, merge) in story.merges.iter().enumerate() {
        let before = &story.merges[..at];
        let joined = format!(
            "{} + {}",
            group(&merge.one, before),
            group(&merge.other, before)
        );
        let strongest = match (&merge.strongest, merge.weight) {
            (Some((a, b)), Some(weight)) => format!("most by {a} {b}, {}", signed(weight)),
            (Some((a, b)), None) => format!("by `must` or a decision on {a} {b}"),
            (None, _) => String::new(),
        };
        let mean = mean(merge);
        columns.row(vec![
            format!("#{}", at + 1),
            joined,
            mean,
            styled(FAINT, &strongest),
        ]);
    }
    text.push_str(&columns.render("  "));
    if let Some((at, merge)) = weakest(story) {
        text.push_str(&format!("weakest bridge: #{}, {}", at + 1, mean(merge)));
        if let Some(pair) = &merge.strongest {
            text.push_str(&format!("    {}", why(story, pair)));
        }
        text.push('\n');
    }
    text
}

/// The mean of a join; a verdict outweighs every number.
pub(super) fn mean(merge: &MergeStory) -> String {
    match merge.mean > 1000.0 {
        true => "certain".to_string(),
        false => format!("{} bits", signed(merge.mean)),
    }
}

pub(super) fn weakest(story: &EntityStory) -> Option<(usize, &MergeStory)> {
    let merges = story.merges.iter().enumerate();
    merges.min_by(|(_, a), (_, b)| a.mean.total_cmp(&b.mean))
}

/// A group by its one record, or by the join that made it.
fn group(records: &[String], before: &[MergeStory]) -> String {
    if let [record] = records {
        return record.clone();
    }
    let size = records.len();
    let made = before.iter().rposition(|merge| {
        merge.one.len() + merge.other.len() == size && merge.one.first() == records.first()
    });
    match made {
        Some(at) => format!("#{}", at + 1),
        None => plural(size as u64, "record"),
    }
}
