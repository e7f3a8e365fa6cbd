//! `kilde review --html`: pairs to decide on, one page, whole in one file.
//!
//! What speaks for a pair is shown when it is decided, and not before: who sees a weight agrees with it. Answers stay in the
//! browser until they are saved as a spreadsheet, which is an export of the decisions' table.

use super::format::plural;
use super::page::{document, escaped};
use super::review::decision_header;
use crate::project::Project;
use crate::run::{Review, ReviewPair};
use crate::text::guarded_key;

/// The page.
pub(super) fn render(review: &Review, project: &Project) -> String {
    let title = format!("{}: who is who, release {}", project.name, review.release);
    let mut body = format!(
        "<header><h1>{}</h1><p>{} of {} · the records of a pair side by side; what differs is marked</p></header>\n\
         <p class=save><button id=save>Save decisions</button> <span id=done class=faint></span></p>\n",
        escaped(&title),
        plural(review.pairs.len() as u64, "pair"),
        escaped(&review.table.to_string()),
    );
    for (at, pair) in review.pairs.iter().enumerate() {
        body.push_str(&card(review, at, pair));
    }
    if review.pairs.is_empty() {
        body.push_str("<p>Nothing waits for a decision.</p>\n");
    }
    body.push_str(&format!("<style>{STYLE}</style>\n"));
    body.push_str(&format!(
        "<script type=\"application/json\" id=review>{}</script>\n<script>{SCRIPT}</script>\n",
        answers(review)
    ));
    document(
        &title,
        &body,
        "decide, save, and put the file among the exports",
    )
}

fn card(review: &Review, at: usize, pair: &ReviewPair) -> String {
    let mut rows = String::new();
    let values = pair.one.values.iter().zip(&pair.other.values);
    for (column, (one, other)) in review.columns.iter().zip(values) {
        let class = match (one, other) {
            (Some(one), Some(other)) if one == other => "equal",
            (Some(_), Some(_)) => "differs",
            _ => "missing",
        };
        let cell = |value: &Option<String>| escaped(value.as_deref().unwrap_or(""));
        rows.push_str(&format!(
            "<tr class={class}><th>{}</th><td>{}</td><td>{}</td></tr>\n",
            escaped(column),
            cell(one),
            cell(other)
        ));
    }
    let weight = match pair.weight {
        Some(weight) => format!("{weight:.1} bits · "),
        None => String::new(),
    };
    format!(
        "<section class=pair data-pair={at}><table><thead><tr><th></th><th>{}</th><th>{}</th></tr></thead>\n{rows}</table>\n\
         <p class=answers><button data-answer=same>Same</button> <button data-answer=different>Different</button> \
         <button data-answer=cannot_say>Cannot say</button></p>\n\
         <p class=told hidden>{weight}{}<br><span class=faint>{}</span></p></section>\n",
        escaped(&pair.one.key.join(" · ")),
        escaped(&pair.other.key.join(" · ")),
        escaped(&pair.reason),
        escaped(&pair.agreement),
    )
}

/// What the script needs to write decisions: no `<` in it, so that no value can end the element.
fn answers(review: &Review) -> String {
    let keys = review.pairs.iter().map(|pair| {
        let keys = pair.one.key.iter().chain(&pair.other.key);
        let cells = keys.map(|key| guarded_key(key).into_owned());
        cells.collect::<Vec<String>>()
    });
    let said = serde_json::json!({
        "file": format!("decisions_{}.csv", review.release),
        "kept": format!("kilde {} {}", review.table, review.release),
        "header": decision_header(review),
        "keys": keys.collect::<Vec<_>>(),
    });
    said.to_string().replace('<', "\\u003c")
}

const STYLE: &str = "
.pair { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; margin: 1rem 0; break-inside: avoid; }
.pair th:first-child { width: 11rem; } .pair tr.differs td { background: #e2a54a33; } .pair tr.missing td { color: var(--faint); }
.answers { margin: .8rem 0 0; } button { font: inherit; padding: .3rem .9rem; border: 1px solid var(--line);
  border-radius: .4rem; background: none; color: inherit; cursor: pointer; }
button.chosen { background: var(--main); border-color: var(--main); color: var(--paper); }
.told { margin: .6rem 0 0; } .save { position: sticky; top: 0; background: var(--paper); padding: .5rem 0; margin: 0; }
@media print { .save, .answers { display: none; } }
";

const SCRIPT: &str = r#"
const review = JSON.parse(document.getElementById("review").textContent);
const cards = [...document.querySelectorAll(".pair")];
let answers = {};
try { answers = JSON.parse(localStorage.getItem(review.kept)) || {}; } catch { }
function show(card) {
  const answer = answers[card.dataset.pair];
  for (const button of card.querySelectorAll("button")) {
    button.classList.toggle("chosen", button.dataset.answer === answer);
  }
  card.querySelector(".told").hidden = !answer;
  const count = Object.keys(answers).length;
  document.getElementById("done").textContent = count + " of " + cards.length + " decided";
}
for (const card of cards) {
  for (const button of card.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      answers[card.dataset.pair] = button.dataset.answer;
      try { localStorage.setItem(review.kept, JSON.stringify(answers)); } catch { }
      show(card);
    });
  }
  show(card);
}
document.getElementById("save").addEventListener("click", () => {
  const quoted = cell => /[",
]/.test(cell) ? '"' + cell.replaceAll('"', '""') + '"' : cell;
  const today = new Date().toISOString().slice(0, 10);
  const lines = [review.header];
  for (const at of Object.keys(answers).sort((a, b) => a - b)) {
    if (review.keys[at]) lines.push([...review.keys[at], answers[at], "", today, ""]);
  }
  const text = lines.map(line => line.map(quoted).join(",")).join("
") + "
";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff" + text], { type: "text/csv" }));
  link.download = review.file;
  link.click();
});
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ReleaseNumber;
    use crate::run::ReviewRecord;

    #[test]
    fn what_comes_from_data_cannot_become_markup_or_script() {
        let record = |text: &str| ReviewRecord {
            key: vec![text.to_string()],
            values: vec![Some(text.to_string())],
        };
        let review = Review {
            table: "identity.people".parse().unwrap(),
            release: ReleaseNumber(3),
            key: vec!["id".to_string()],
            columns: vec!["name".to_string()],
            pairs: vec![ReviewPair {
                one: record("</script><b>"),
                other: record("\"x\""),
                weight: Some(0.5),
                reason: String::new(),
                agreement: String::new(),
            }],
            decisions: None,
        };
        let all = card(&review, 0, &review.pairs[0]) + &answers(&review);
        assert!(!all.contains("</script>") && !all.contains("<b>"), "{all}");
    }
}
