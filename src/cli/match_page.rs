//! `kilde match evaluate --html`: how right a match is and why, one page, whole in one file. Holds counts, and no value of a
//! person.

use super::format::{count, plural};
use super::matching::interval;
use super::page::{document, escaped, section};
use crate::project::Project;
use crate::run::{AgainstTruth, LevelStory, MatchEvaluation, RatesStory};

/// The page.
pub(super) fn render(found: &MatchEvaluation, project: &Project) -> String {
    let title = format!(
        "{}: {}, release {}",
        project.name, found.table, found.release
    );
    let mut body = format!(
        "<header><h1>{}</h1><p>{}, {} ids · one person from {} bits on</p></header>\n",
        escaped(&title),
        plural(found.records, "record"),
        count(found.entities),
        found.same_from
    );
    if let Some(truth) = &found.truth {
        body.push_str(&section("Against the truth", &of_truth(truth)));
    }
    body.push_str(&section("Without a truth", &without_truth(found)));
    let strata = found.strata.iter().map(|stratum| {
        let name = format!("from {} bits", stratum.from);
        let said = match stratum.answered {
            0 => count(stratum.pairs),
            answered => format!(
                "{} · {} of {answered} judged the same",
                count(stratum.pairs),
                stratum.answered_same
            ),
        };
        (name, stratum.pairs as f64, said)
    });
    body.push_str(&section("Pairs by weight", &bars(strata.collect())));
    body.push_str(&section("What levels say", &levels(found)));
    let rules = found.rules.iter();
    let rules =
        rules.map(|(rule, pairs)| (rule.clone(), *pairs as f64, count(pairs.unsigned_abs())));
    body.push_str(&section("Pairs of blocking rules", &bars(rules.collect())));
    let sizes = found.sizes.iter().map(|(size, ids)| {
        let name = plural(*size, "record");
        (name, *ids as f64, plural(*ids, "id"))
    });
    body.push_str(&section("Records of an id", &bars(sizes.collect())));
    body.push_str(&section("Held together by one pair", &of_bridges(found)));
    document(
        &title,
        &body,
        "<code>kilde review --html</code> shows the pairs nearest to the threshold",
    )
}

/// What the model believes, and what people say of pairs drawn at random.
fn without_truth(found: &MatchEvaluation) -> String {
    let mut text = format!(
        "<p>The model believes that {:.4} of the joined pairs are of one person, and that they are {:.4} of those compared.</p>\n",
        found.believed_precision, found.believed_recall
    );
    let Some(judged) = &found.judged else {
        text.push_str(&format!(
            "<p>Nobody judged pairs drawn at random from every weight, so that is not measured: <code>kilde review {} --sample 100 \
             --html FILE</code> draws them.</p>\n",
            escaped(&found.table)
        ));
        return text;
    };
    let rows = judged.by_threshold.iter().map(|(from, precision, recall)| {
        let mark = if *from == found.same_from { " (now)" } else { "" };
        format!(
            "<tr><td>one person from {from} bits on{mark}</td><td class=number>{}</td><td class=number>{}</td></tr>\n",
            interval(precision),
            interval(recall)
        )
    });
    text.push_str(&format!(
        "<p>People judged {} drawn at random; with 95 % certainty:</p>\n<table><tr><th></th><th class=number>precision</th>\
         <th class=number>recall</th></tr>\n{}</table>\n",
        plural(judged.answered, "pair"),
        rows.collect::<String>()
    ));
    text
}

fn of_truth(truth: &AgainstTruth) -> String {
    let line = |name: &str, rates: &RatesStory| {
        format!(
            "<tr><td>{}</td><td class=number>{:.4}</td><td class=number>{:.4}</td><td class=number>{:.4}</td></tr>\n",
            escaped(name),
            rates.precision,
            rates.recall,
            rates.f1
        )
    };
    let mut rows = line("pairs", &truth.pairs) + &line("records (B³)", &truth.b_cubed);
    for (source, rates) in &truth.by_source {
        rows.push_str(&line(&format!("pairs with {source}"), rates));
    }
    for (threshold, rates) in &truth.by_threshold {
        rows.push_str(&line(
            &format!("compared pairs from {threshold} bits on"),
            rates,
        ));
    }
    format!(
        "<table><tr><th></th><th class=number>precision</th><th class=number>recall</th><th class=number>F1</th></tr>\n{rows}</table>\n\
         <p class=faint>{} of {} people are one id of their own, {} ids mix people, {} people have several ids</p>\n",
        count(truth.exact),
        count(truth.people),
        count(truth.mixed),
        count(truth.torn)
    )
}

/// Ids of three records and more that would fall in two, the weakest first.
fn of_bridges(found: &MatchEvaluation) -> String {
    if found.bridges.is_empty() {
        return "<p>No id of three records or more hangs on one pair.</p>\n".to_string();
    }
    let rows = found.bridges.iter().map(|bridge| {
        let weight = match bridge.weight {
            Some(weight) => format!("{weight:+.1}"),
            None => "certain".to_string(),
        };
        format!(
            "<tr><td><code>kilde why {}</code></td><td class=number>{} + {}</td><td class=number>{weight}</td></tr>\n",
            escaped(&bridge.id),
            bridge.parts.0,
            bridge.parts.1
        )
    });
    format!(
        "<p>{} where an id would fall in two without one pair; the weakest:</p>\n\
         <table><tr><th>id</th><th class=number>records</th><th class=number>bits of the pair</th></tr>\n{}</table>\n",
        plural(found.bridges_count, "place"),
        rows.collect::<String>()
    )
}

/// A bar for each line, the longest of full width; the figure beside it says the same.
fn bars(lines: Vec<(String, f64, String)>) -> String {
    let longest = lines
        .iter()
        .map(|(_, length, _)| *length)
        .fold(1.0, f64::max);
    let rows = lines.iter().map(|(name, length, said)| {
        format!(
            "<tr><td>{}</td><td class=bar><svg viewBox=\"0 0 100 14\" preserveAspectRatio=none aria-hidden=true>\
             <rect class=now width={:.2} height=14 /></svg></td><td class=number>{}</td></tr>\n",
            escaped(name),
            100.0 * length / longest,
            escaped(said)
        )
    });
    format!("<table>{}</table>\n", rows.collect::<String>())
}

/// Of each level its share among pairs of one person (m), of strangers (u) and of relatives; and what it weighs against
/// strangers, drawn to the right where it speaks for one person.
fn levels(found: &MatchEvaluation) -> String {
    let weight = |level: &LevelStory| (level.same / level.stranger).log2();
    let widest = found.levels.iter().map(|level| weight(level).abs());
    let widest = widest.filter(|bits| bits.is_finite()).fold(1.0, f64::max);
    let cell = |share: f64| {
        format!(
            "<td class=number>{share:.6}<svg class=share viewBox=\"0 0 100 3\" preserveAspectRatio=none aria-hidden=true>\
             <rect class=now width={:.2} height=3 /></svg></td>",
            100.0 * share.clamp(0.0, 1.0)
        )
    };
    let mut before = "";
    let rows = found.levels.iter().map(|level| {
        let bits = weight(level);
        let length = (bits.abs() / widest).min(1.0) * 50.0;
        let (class, from) = match bits < 0.0 {
            true => ("against", 50.0 - length),
            false => ("for", 50.0),
        };
        let name = match before == level.comparison {
            true => "",
            false => level.comparison.as_str(),
        };
        before = &level.comparison;
        format!(
            "<tr><th>{}</th><td>{}</td>{}{}{}<td class=bits><svg viewBox=\"0 0 100 14\" preserveAspectRatio=none aria-hidden=true>\
             <rect class={class} x={from:.2} width={length:.2} height=14 /></svg></td><td class=number>{bits:+.1}</td></tr>\n",
            escaped(name),
            escaped(&level.level),
            cell(level.same),
            cell(level.stranger),
            cell(level.relative)
        )
    });
    format!(
        "<style>rect.for {{ fill: var(--good); }} rect.against {{ fill: var(--bad); }} svg.share {{ display: block; width: 100%; height: 3px; }} \
         td.bits {{ width: 24%; }} td.bits svg {{ width: 100%; height: 14px; display: block; margin-top: .25rem; }}</style>\n\
         <table><tr><th></th><th></th><th class=number>one person (m)</th><th class=number>strangers (u)</th>\
         <th class=number>relatives</th><th></th><th class=number>bits</th></tr>\n{}</table>\n",
        rows.collect::<String>()
    )
}
