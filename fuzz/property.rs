//! What holds of any bytes, whoever sent them: records in = accepted + rejected, or the whole is refused with a reason.
//! Nothing panics, and no error is a bug of ours. Shared by the fuzz targets and by `tests/it/fuzzing.rs`.

#[path = "archive.rs"]
pub(crate) mod archive;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kilde::bench::{Account, Decoder, rewrite_release};
use kilde::{Error, ErrorKind, Project, Variables};

/// The project whose sources the bytes are read as.
struct Fixture {
    project: Project,
    runtime: tokio::runtime::Runtime,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = [root.join("project"), root.join("fuzz/project")];
        let folder = folders.into_iter().find(|folder| folder.is_dir());
        let project = Project::load(
            &folder.expect("the project lies here"),
            &Variables::default(),
        );
        Fixture {
            project: project.expect("the project is right"),
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime"),
        }
    })
}

/// The bytes as an export of a source; `None` where it is refused.
fn read(format: &str, bytes: &[u8]) -> Option<Account> {
    let Fixture { project, runtime } = fixture();
    let (table, path) = (format!("bronze.{format}"), format!("a.{format}"));
    let scratch = scratch(format);
    let account = runtime.block_on(async {
        let decoder = Decoder::of(project, &table, &path, bytes.to_vec(), &scratch).await?;
        decoder.account().await
    });
    // not there where nothing was written
    let _ = std::fs::remove_dir_all(&scratch);
    match account {
        Ok(account) => {
            assert_eq!(account.records, account.accepted + account.rejected);
            Some(account)
        }
        Err(error) => {
            is_told(&error, ErrorKind::Input);
            None
        }
    }
}

/// A folder for what is written on the way, of this thread alone: tests run side by side.
fn scratch(what: &str) -> PathBuf {
    let (process, thread) = (std::process::id(), std::thread::current().id());
    std::env::temp_dir().join(format!("kilde-fuzz-{process}-{what}-{thread:?}"))
}

/// A refusal is of the one kind that is meant, and short.
fn is_told(error: &Error, kind: ErrorKind) {
    let text = error.render();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.len() < 10_000, "{text}");
}

/// Whether records can be counted without reading them: plain text of one byte a sign, no line beyond the limit.
fn is_plain(bytes: &[u8]) -> bool {
    let is_short = bytes
        .split(|byte| *byte == b'\n')
        .all(|line| line.len() < 60_000);
    let packed: [&[u8]; 4] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh", b"PK"];
    let of_two_bytes: [&[u8]; 2] = [&[0xfe, 0xff], &[0xff, 0xfe]];
    let mut signs = packed.iter().chain(&of_two_bytes);
    is_short && !signs.any(|sign| bytes.starts_with(sign))
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.split(|byte| *byte == b'\n')
}

pub(crate) fn csv(bytes: &[u8]) {
    let account = read("csv", bytes);
    // without quotes and returns every line that is not empty is a record, but for the first
    let is_countable = is_plain(bytes) && !bytes.iter().any(|byte| matches!(byte, b'"' | b'\r'));
    if let (Some(account), true) = (account, is_countable) {
        let count = lines(bytes).filter(|line| !line.is_empty()).count() as u64;
        assert_eq!(account.records, count.saturating_sub(1));
    }
}

pub(crate) fn fixed(bytes: &[u8]) {
    let account = read("fixed", bytes);
    let is_countable = is_plain(bytes) && !bytes.contains(&b'\r');
    if let (Some(account), true) = (account, is_countable) {
        let count = lines(bytes).filter(|line| !line.is_empty()).count();
        assert_eq!(account.records, count as u64);
    }
}

/// The bytes are a container, or else a block of one.
pub(crate) fn avro(bytes: &[u8]) {
    if bytes.starts_with(b"Obj\x01") {
        read("avro", bytes);
        return;
    }
    let schema = r#"{"type":"record","name":"r","fields":[{"name":"id","type":"long"},
        {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
        {"name":"born_on","type":["null",{"type":"int","logicalType":"date"}]},
        {"name":"seen_at","type":{"type":"long","logicalType":"timestamp-micros"}},
        {"name":"is_active","type":"boolean"},
        {"name":"more","type":{"type":"map","values":{"type":"array","items":["null","double","r"]}}}]}"#;
    let long = |value: usize| {
        let mut rest = value << 1;
        let mut bytes = Vec::new();
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    };
    let (head, mark) = (b"Obj\x01\x02\x16avro.schema", b"0123456789abcdef");
    // the first byte says how many records the block has
    let (records, block) = bytes
        .split_first()
        .map_or((0, bytes), |(n, rest)| (*n, rest));
    let parts: [&[u8]; 9] = [
        head,
        &long(schema.len()),
        schema.as_bytes(),
        &[0],
        mark,
        &long(usize::from(records)),
        &long(block.len()),
        block,
        mark,
    ];
    if let Some(account) = read("avro", &parts.concat()) {
        assert_eq!(account.records, u64::from(records));
    }
}

/// The bytes are an archive, or else the file of one.
pub(crate) fn zip(bytes: &[u8]) {
    if bytes.starts_with(b"PK") {
        read("zip", bytes);
        return;
    }
    let packed = archive::zip(&[("a.csv", bytes)]);
    let outer = read("zip", &packed);
    let account = read("csv", bytes);
    // what is read as another form by its first bytes is so in an archive, too
    if let (Some(account), Some(outer), true) = (account, outer, is_plain(bytes)) {
        assert_eq!(account.records, outer.records);
    }
}

pub(crate) fn ndjson(bytes: &[u8]) {
    let account = read("ndjson", bytes);
    if let (Some(account), true) = (account, is_plain(bytes)) {
        let count = lines(bytes)
            .filter(|line| !line.trim_ascii().is_empty())
            .count();
        assert_eq!(account.records, count as u64);
    }
}

pub(crate) fn json(bytes: &[u8]) {
    let account = read("json", bytes);
    // of a document that is one, the records are its elements, whatever they are
    let parsed = serde_json::from_slice::<Vec<&serde_json::value::RawValue>>(bytes);
    if let (Ok(elements), Some(account), true) = (parsed, account, is_plain(bytes)) {
        assert_eq!(account.records, elements.len() as u64);
    }
}

/// The bytes are a workbook, or else the rows of one's only sheet.
pub(crate) fn xlsx(bytes: &[u8]) {
    if bytes.starts_with(b"PK") {
        read("xlsx", bytes);
        return;
    }
    let rows = [
        b"<worksheet><sheetData><row r=\"1\"><c t=\"str\"><v>id</v></c><c t=\"str\"><v>amount</v></c>\
          <c t=\"str\"><v>born_on</v></c><c t=\"str\"><v>seen_at</v></c><c t=\"str\"><v>is_active</v></c>\
          <c t=\"str\"><v>visits_count</v></c></row>",
        bytes,
        b"</sheetData></worksheet>",
    ];
    let account = read("xlsx", &workbook(&rows.concat()));
    let most = bytes.windows(4).filter(|window| window == b"<row").count() as u64;
    assert!(account.is_none_or(|account| account.records <= most));
}

/// A workbook with one sheet and two shared texts.
fn workbook(sheet: &[u8]) -> Vec<u8> {
    let parts: [(&str, &[u8]); 4] = [
        (
            "xl/workbook.xml",
            b"<w><sheets><sheet name=\"S\" r:id=\"s\"/></sheets></w>",
        ),
        (
            "xl/_rels/workbook.xml.rels",
            b"<r><Relationship Id=\"s\" Type=\"t/worksheet\" Target=\"s.xml\"/>\
              <Relationship Id=\"t\" Type=\"t/sharedStrings\" Target=\"t.xml\"/></r>",
        ),
        ("xl/t.xml", b"<sst><si><t>a</t></si><si><t>b</t></si></sst>"),
        ("xl/s.xml", sheet),
    ];
    archive::zip(&parts)
}

/// The bytes are a pipeline file.
pub(crate) fn yaml(bytes: &[u8]) {
    let folder = scratch("yaml");
    std::fs::create_dir_all(folder.join("pipelines")).expect("a folder");
    std::fs::write(
        folder.join("kilde.yaml"),
        "project: fuzz\nraw: e/\nlake: l/\n",
    )
    .expect("a file");
    std::fs::write(folder.join("pipelines/a.yaml"), bytes).expect("a file");
    let loaded = Project::load(&folder, &Variables::default());
    std::fs::remove_dir_all(&folder).expect("it is there");
    if let Err(error) = loaded {
        assert_eq!(error.kind(), ErrorKind::Config);
        for diagnostic in error.diagnostics() {
            assert!(!diagnostic.render(false).is_empty());
        }
    }
}

/// The bytes are the record of a release: what is read is what is written.
pub(crate) fn release(bytes: &[u8]) {
    match rewrite_release(bytes) {
        Ok(written) => assert_eq!(rewrite_release(&written).ok(), Some(written)),
        Err(error) => is_told(&error, ErrorKind::Corrupt),
    }
}
