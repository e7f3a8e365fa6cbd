//! Pages for people, each whole in one file: nothing is fetched, fit to print.
//!
//! Everything that was not written here passes [`escaped`].

use std::path::Path;

use super::rows::part_of;
use crate::error::{Error, Result};

/// A whole page; `body` and `footer` are HTML.
pub(super) fn document(title: &str, body: &str, footer: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style></head>\n<body>\n{body}\
         <footer>kilde {} · {footer}</footer></body></html>\n",
        escaped(title),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Text as HTML shows it, in an element or in a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

pub(super) fn section(title: &str, content: &str) -> String {
    format!("<section><h2>{title}</h2>\n{content}</section>\n")
}

/// A bar as long as the part is of the whole.
pub(super) fn bar(part: u64, whole: u64) -> String {
    let width = part as f64 * 100.0 / whole.max(1) as f64;
    format!(
        "<svg viewBox=\"0 0 100 12\" preserveAspectRatio=none role=img aria-label=\"{part} of {whole}\">\
         <rect class=now height=8 y=2 width={width:.1}></rect></svg>"
    )
}

/// The file appears when it is whole, its folder with it.
pub(super) fn write(file: &Path, text: &str) -> Result<()> {
    let part = part_of(file);
    let folder = file.parent().unwrap_or(file);
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&part, text))
        .and_then(|()| std::fs::rename(&part, file));
    written.map_err(|error| {
        Error::config("the file cannot be written")
            .at(file.display().to_string())
            .caused_by(error)
    })
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b2a33; --faint: #61727d; --paper: #fff; --line: #d9e1e5; --main: #1f6f8b;
  --band: #1f6f8b33; --good: #2b7a4b; --doubt: #a3660a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3eaee; --faint: #93a4ae; --paper: #12191d; --line: #2c3940;
  --main: #6bbad6; --band: #6bbad633; --good: #6cc08b; --doubt: #e2a54a; --bad: #ef8079; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 64rem;
  margin: 0 auto; padding: 2rem 1.25rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
header p, .faint, footer { color: var(--faint); } header p { margin: .2rem 0 1.4rem; }
.faint { font-size: .87em; } p.faint { margin: .3rem 0 0; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; }
.tile { flex: 1 1 9rem; border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.tile b { display: block; font-size: 1.7rem; line-height: 1.2; color: var(--main); }
.tile.good b { color: var(--good); } .tile.doubt b { color: var(--doubt); } .tile.bad b { color: var(--bad); }
table { border-collapse: collapse; width: 100%; } td, th { padding: .35rem .6rem .35rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); text-align: left; font-weight: normal; } th { color: var(--faint); }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; } tr.sum td { font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
td.bar { width: 60%; } td.bar svg { width: 100%; height: 14px; display: block; margin-top: .25rem; }
rect.now { fill: var(--main); } rect.before { fill: var(--faint); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; break-inside: avoid; }
figure b { font-size: 1.4rem; } figure svg { width: 100%; display: block; margin-top: .4rem; }
polyline { fill: none; stroke: var(--main); stroke-width: 2; } circle { fill: var(--main); } .band { fill: var(--band); }
.target { stroke: var(--good); stroke-width: 1.5; stroke-dasharray: 5 4; }
code { font-size: .95em; } summary { cursor: pointer; padding: .6rem 0; } footer { margin-top: 3rem; font-size: .87em; }
@media print { body { max-width: none; padding: 0; } tr, .tile { break-inside: avoid; } }
";
