//! What the tests of this module share: sources and contracts written by hand, exports in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use super::export::{DecodedExport, Export, Limits, ReadRequest, decode_export};
use super::scratch::ScratchFile;
use crate::diagnostic::{SourceFile, Span};
use crate::error::Result;
use crate::project::{
    AvroRead, Captures, Column, ColumnType, Contract, Conversions, CsvRead, DataTest, Encoding,
    Escape, FixedRead, Frame, JsonRead, Load, Materialization, NdjsonRead, Negatives, OnUnreadable,
    ParquetRead, Read, RollbackClass, Source, Spanned, TestKind, TestSeverity, XlsxRead,
};

pub(crate) fn file() -> Arc<SourceFile> {
    Arc::new(SourceFile {
        path: "schemas/bronze/things.yaml".to_string(),
        text: String::new(),
    })
}

pub(crate) fn spanned(text: &str) -> Spanned<String> {
    Spanned {
        value: text.to_string(),
        span: Span::default(),
    }
}

pub(crate) fn conversions() -> Conversions {
    Conversions {
        decimal: '.',
        thousands: None,
        units: Vec::new(),
        negatives: Negatives::default(),
        trues: None,
        falses: None,
        nulls: vec![String::new()],
        dates: Vec::new(),
        times: Vec::new(),
        two_digit_years_from: crate::project::DEFAULT_FIRST_YEAR,
        zone: chrono_tz::Tz::UTC,
    }
}

pub(crate) fn csv() -> CsvRead {
    CsvRead {
        delimiter: ",".to_string(),
        quote: Some('"'),
        escape: Escape::Doubled,
        trim: false,
        header_rows: 1,
        frame: Frame::default(),
        encoding: Encoding::Utf8,
        conversions: conversions(),
    }
}

/// Names and widths.
pub(crate) fn fixed(fields: &[(&str, usize)]) -> FixedRead {
    let fields = fields
        .iter()
        .map(|(name, width)| ((*name).to_string(), *width));
    FixedRead {
        fields: fields.collect(),
        frame: Frame::default(),
        encoding: Encoding::Utf8,
        conversions: conversions(),
    }
}

pub(crate) fn ndjson() -> Read {
    Read::Ndjson(NdjsonRead {
        encoding: Encoding::Utf8,
        explode: None,
        conversions: conversions(),
    })
}

pub(crate) fn json() -> JsonRead {
    JsonRead {
        path: Vec::new(),
        encoding: Encoding::Utf8,
        explode: None,
        conversions: conversions(),
    }
}

pub(crate) fn xlsx() -> XlsxRead {
    XlsxRead {
        sheet: None,
        header_rows: 1,
        frame: Frame::default(),
        conversions: conversions(),
    }
}

pub(crate) fn avro() -> Read {
    Read::Avro(AvroRead {
        explode: None,
        conversions: conversions(),
    })
}

pub(crate) fn parquet() -> Read {
    Read::Parquet(ParquetRead {
        conversions: conversions(),
    })
}

pub(crate) fn source(read: Read, load: Load) -> Source {
    Source {
        table: "bronze.things".parse().unwrap(),
        file: file(),
        span: Span::default(),
        pipeline: "things".to_string(),
        patterns: Vec::new(),
        member: None,
        read,
        load,
        max_rejects: None,
        drift: Default::default(),
        freshness: Default::default(),
        due: None,
        sender: None,
        ready: Default::default(),
        on_error: Spanned::default(),
        unreadable: OnUnreadable::of(load),
        tags: Vec::new(),
    }
}

/// `name`, or `name<from|from`, with its type.
pub(crate) fn contract(key: &[&str], columns: &[(&str, ColumnType)]) -> Contract {
    let columns = columns.iter().map(|(name, data_type)| {
        let (name, from) = name.split_once('<').unwrap_or((name, ""));
        Column {
            name: spanned(name),
            data_type: data_type.clone(),
            description: None,
            personal: None,
            from: from
                .split('|')
                .filter(|from| !from.is_empty())
                .map(spanned)
                .collect(),
            aliases: Vec::new(),
            purpose: Vec::new(),
        }
    });
    Contract {
        table: "bronze.things".parse().unwrap(),
        file: file(),
        description: None,
        grain: None,
        key: key.iter().map(|name| spanned(name)).collect(),
        materialized: Materialization::Table,
        partition_by: Vec::new(),
        rollback: RollbackClass::Follows,
        on_error: Spanned::default(),
        owner: None,
        tags: Vec::new(),
        purpose: Vec::new(),
        subject: None,
        evolved: Vec::new(),
        columns: columns.collect(),
        tests: Vec::new(),
        unit_tests: Vec::new(),
    }
}

pub(crate) fn test(kind: TestKind) -> DataTest {
    DataTest {
        action: None,
        kind,
        severity: TestSeverity::Error,
        at_most: None,
        condition: None,
        span: Span::default(),
    }
}

/// Exports of one source in memory.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) source: Arc<Source>,
    pub(crate) contract: Arc<Contract>,
    pub(crate) max_record_bytes: u64,
    pub(crate) threads: usize,
    pub(crate) scratch: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new(source: Source, contract: Contract) -> Self {
        Self {
            store: Arc::new(InMemory::new()),
            source: Arc::new(source),
            contract: Arc::new(contract),
            max_record_bytes: 16 << 20,
            threads: 3,
            scratch: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) async fn decode_with(
        &self,
        path: &str,
        bytes: &[u8],
        captures: Captures,
    ) -> Result<DecodedExport> {
        let location = object_store::path::Path::from(path);
        self.store
            .put(&location, bytes.to_vec().into())
            .await
            .unwrap();
        let export = Export {
            location,
            path: path.to_string(),
            size: bytes.len() as u64,
            captures,
        };
        decode_export(
            &self.store,
            ReadRequest {
                export,
                source: Arc::clone(&self.source),
                contract: Arc::clone(&self.contract),
                limits: Limits {
                    max_record_bytes: self.max_record_bytes,
                    threads: self.threads,
                },
                scratch: self.scratch.path().join(path.replace('/', "-")),
            },
        )
        .await
    }

    pub(crate) async fn decode(&self, path: &str, bytes: impl AsRef<[u8]>) -> DecodedExport {
        self.decode_with(path, bytes.as_ref(), Captures::default())
            .await
            .unwrap_or_else(|error| panic!("{}", error.render()))
    }

    pub(crate) async fn refusal(&self, path: &str, bytes: impl AsRef<[u8]>) -> String {
        self.decode_with(path, bytes.as_ref(), Captures::default())
            .await
            .expect_err("the export is refused")
            .render()
    }
}

/// All rows of a scratch file.
pub(crate) fn whole(file: &ScratchFile) -> RecordBatch {
    let batches: Vec<RecordBatch> = file.batches().unwrap().map(Result::unwrap).collect();
    concat_batches(file.schema(), &batches).unwrap()
}

/// Rows as text, null as `-`, without the system columns.
pub(crate) fn rows(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let schema = batch.schema();
    let shown = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(field, _)| !field.name().starts_with("_kilde_"));
    let columns: Vec<_> = shown
        .map(|(_, array)| ArrayFormatter::try_new(array, &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            let texts: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            texts.join("|")
        })
        .collect()
}

/// Accepted rows as text.
pub(crate) fn accepted(decoded: &DecodedExport) -> Vec<String> {
    rows(&whole(&decoded.accepted))
}

/// Accepted rows of texts.
pub(crate) fn accepted_texts(decoded: &DecodedExport) -> Vec<Vec<String>> {
    let batch = whole(&decoded.accepted);
    let columns: Vec<&StringArray> = batch
        .columns()
        .iter()
        .take(batch.num_columns() - 2)
        .map(|column| column.as_string())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect()
        })
        .collect()
}

/// Line, column, rule of each reject.
pub(crate) fn rejects(decoded: &DecodedExport) -> Vec<(i64, String, String)> {
    let batch = whole(&decoded.rejects);
    let text = |name: &str, row: usize| {
        let array = batch.column_by_name(name).unwrap().as_string::<i32>();
        let is_null = datafusion::arrow::array::Array::is_null(array, row);
        if is_null {
            String::new()
        } else {
            array.value(row).to_string()
        }
    };
    let lines = batch
        .column_by_name("line")
        .unwrap()
        .as_primitive::<Int64Type>();
    (0..batch.num_rows())
        .map(|row| {
            (
                lines.value(row),
                text("column_name", row),
                text("rule", row),
            )
        })
        .collect()
}

/// One text column of the rejects.
pub(crate) fn reject_texts(decoded: &DecodedExport, column: &str) -> Vec<Option<String>> {
    let batch = whole(&decoded.rejects);
    let array = batch.column_by_name(column).unwrap().as_string::<i32>();
    array.iter().map(|text| text.map(str::to_string)).collect()
}

/// A capture of one column.
pub(crate) fn captures(column: &str, text: &str) -> Captures {
    Captures {
        ordered_at: None,
        columns: BTreeMap::from([(column.to_string(), text.to_string())]),
    }
}
