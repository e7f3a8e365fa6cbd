//! Files as written: every key of every file, decoded with its place, checked one by one and against nothing else.
//!
//!   text → tree (`tree`) → shapes (`project_file`, `pipeline_file`, `schema_file`) + mistakes
//!
//! A shape is declared once (`declare`): its decoder, its keys, its JSON Schema and the reference in docs/keys.md are
//! the same declaration. Knows no other file: what refers to something else is checked by `resolve`.

#![expect(
    dead_code,
    reason = "keys of later features are decoded and checked before they are refused, so nothing reads them yet"
)]

mod correct;
mod dbt;
pub(in crate::project) mod declare;
pub(in crate::project) mod decode;
mod drift;
mod due;
mod format;
mod golden;
mod later;
mod matching;
mod pipeline_file;
mod project_file;
mod scalar;
mod schema_file;
mod test;
pub(in crate::project) mod tree;
mod unit_test;

pub(in crate::project) use correct::RawCorrect;
pub(in crate::project) use dbt::referenced;
pub(in crate::project) use decode::{
    Decode, FromText, Mistake, Named, OneOrMany, Sink, Tried, listed, nearest_word,
};
pub(in crate::project) use drift::RawDrift;
pub(in crate::project) use due::{RawDue, RawSender};
pub(in crate::project) use format::Texts;
pub(in crate::project) use format::{
    EscapeSign, NegativeForm, RawCsv, RawDelta, RawFixed, RawRead, RawXlsx,
};
pub(in crate::project) use golden::{RawGolden, RawGoldenField, RawSurvivor, Take};
pub(in crate::project) use matching::{
    Expression, Probability, RawBlockRule, RawCompare, RawLevelPin, RawMatch,
};
pub(in crate::project) use pipeline_file::{
    RawExposure, RawFreshness, RawOwner, RawPipelineFile, RawReady, RawSource, RawStep,
};
pub(in crate::project) use project_file::{
    RawHighlights, RawNotify, RawOpenLineage, RawProjectFile, RawTarget,
};
pub(crate) use scalar::name_made_of;
pub(in crate::project) use scalar::{
    ColumnName, DateFormat, JsonPath, NumberSign, Signs, TimeFormat, Unit, identifier,
};
pub(in crate::project) use schema_file::{
    RawColumn, RawMaterialization, RawSchemaFile, RawSubject,
};
pub(in crate::project) use test::{
    RawColumnTest, RawKeeps, RawRowCount, RawSqlTest, RawTableTest, RawTestSettings,
};
pub(in crate::project) use unit_test::{RawFixture, RawUnitTest};

use crate::diagnostic::Span;

/// Decodes one file; what it finds wrong is in the sink.
pub(in crate::project) fn read<T: Decode>(sink: &mut Sink) -> Option<T> {
    let file = std::sync::Arc::clone(&sink.file);
    match tree::parse(&file.text) {
        Ok(root) => {
            sink.within = Some(Span::default());
            T::decode(&root, sink)
        }
        Err(error) => {
            let mut mistake = Mistake::new(101, error.message);
            mistake.help = error.help;
            sink.report(error.span, mistake);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::SourceFile;

    const SCHEMA: &str = "description: Everyone.\nkey: [id]\nsubject: {customer: id}\ncolumns:\n  - name: id\n    \
                          data_type: list<struct<a decimal(12,2)>>\n    data_tests: [not_null, range: {min: 0}]\n\
                          data_tests:\n  - matches: {column: id, pattern: '^a', at_most: 1%}\n  - sql: |\n      select 1\n";
    const PIPELINE: &str = "schedule: \"0 2 * * *\"\nsources:\n  - table: bronze.a\n    files: [x/*.csv, 'a_{d:%Y%m%d}.csv']\n    \
                            read: {csv: {delimiter: \"\\t\", dates: ['%d.%m.%Y'], zone: UTC}}\nsteps:\n  - sql: gold/*\n";
    const PROJECT: &str =
        "project: a\nrequires: '>=0.1'\nraw: e/\nlake: l/\nlimits: {line: 16MB}\nvars: {a: NO}\n";
    const SNIPPETS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ": ",
        ":",
        "- ",
        "\n",
        "\n  ",
        "\t",
        "'",
        "\"",
        "å",
        "日本",
        "&a ",
        "*a",
        "? ",
        "|",
        ">",
        "#",
        "%",
        "!x ",
        "---\n",
        "\u{feff}",
        "<<: ",
        "{{ ref('x') }}",
        ",",
        "<",
        "(",
        "\\",
        "\r\n",
        "~",
        "null",
        "\u{0}",
    ];

    fn mistakes<T: Decode>(text: &str) -> String {
        let file = Arc::new(SourceFile {
            path: "file.yaml".into(),
            text: text.into(),
        });
        let mut sink = Sink::new(&file);
        let value: Option<T> = read(&mut sink);
        assert!(
            value.is_some() || !sink.found.is_empty(),
            "refused without a word"
        );
        sink.found
            .iter()
            .map(|diagnostic| diagnostic.render(false) + "\n")
            .collect()
    }

    #[test]
    fn the_texts_that_are_broken_below_are_right() {
        assert_eq!(mistakes::<RawSchemaFile>(SCHEMA), "");
        assert_eq!(mistakes::<RawPipelineFile>(PIPELINE), "");
        assert_eq!(mistakes::<RawProjectFile>(PROJECT), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Whatever is typed, there is a value or a message, and never a panic.
        #[test]
        fn broken_texts_are_refused_with_a_message(
            places in proptest::collection::vec((0usize..400, 0usize..40, 0usize..6), 1..5),
        ) {
            for text in [SCHEMA, PIPELINE, PROJECT] {
                let mut chars: Vec<char> = text.chars().collect();
                for (at, snippet, cut) in &places {
                    let at = at % (chars.len() + 1);
                    let end = (at + cut).min(chars.len());
                    let snippet = SNIPPETS[snippet % SNIPPETS.len()];
                    chars.splice(at..end, snippet.chars());
                }
                let broken: String = chars.into_iter().collect();
                mistakes::<RawSchemaFile>(&broken);
                mistakes::<RawPipelineFile>(&broken);
                mistakes::<RawProjectFile>(&broken);
            }
        }
    }
}
