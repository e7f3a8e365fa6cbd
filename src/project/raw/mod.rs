//! Files as written: every key of every file, decoded with its place, checked one by one and against nothing else.
//!
//!   text → tree (`tree`) → shapes (`project_file`, `pipeline_file`, `schema_file`) + mistakes
//!
//! A shape is declared once (`declare`): its decoder, its keys, its JSON Schema and the reference in docs/keys.md are
//! the same declaration. Knows no other file: what refers to something else is checked by `resolve`.

mod dbt;
pub(in crate::project) mod declare;
pub(in crate::project) mod decode;
mod format;
mod later;
mod pipeline_file;
mod project_file;
mod scalar;
mod schema_file;
mod test;
pub(in crate::project) mod tree;

pub(in crate::project) use dbt::referenced;
pub(in crate::project) use decode::{
    Decode, FromText, Mistake, Named, OneOrMany, Sink, listed, nearest_word,
};
pub(in crate::project) use format::NullTexts;
pub(in crate::project) use format::{RawCsv, RawRead};
pub(in crate::project) use pipeline_file::{RawOwner, RawPipelineFile, RawSource, RawStep};
pub(in crate::project) use project_file::{RawProjectFile, RawTarget};
pub(in crate::project) use scalar::{
    Character, ColumnName, DateFormat, NumberSign, TimeFormat, identifier,
};
pub(in crate::project) use schema_file::{
    RawColumn, RawMaterialization, RawSchemaFile, RawSubject,
};
pub(in crate::project) use test::{RawColumnTest, RawTableTest};

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
