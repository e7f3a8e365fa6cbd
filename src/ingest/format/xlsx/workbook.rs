//! What a workbook says beside its cells: sheets, shared texts, which styles are dates.

use std::collections::BTreeMap;
use std::io;

use super::serial::NumberFormat;
use super::xml::{Node, Xml, attribute, name};
use crate::ingest::zip::Archive;

/// Shared texts beyond this are not read: they are the one thing that must lie in memory.
const MAX_TEXT_BYTES: usize = 256 << 20;
/// More sheets, styles or parts no workbook has: an archive has no room for more parts, Excel for no more styles.
const MAX_ITEMS: usize = 1 << 16;

/// A sheet of cells.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pub(super) name: String,
    pub(super) is_hidden: bool,
    /// Its part of the archive.
    pub(super) part: String,
}

/// A workbook without its cells.
pub(super) struct Workbook {
    /// In the order of the tabs.
    pub(super) sheets: Vec<Sheet>,
    texts: Texts,
    /// By number of the cell's style.
    formats: Vec<NumberFormat>,
    /// Whether days count from 1904.
    pub(super) is_1904: bool,
}

/// Texts that cells share, one after the other.
#[derive(Default)]
struct Texts {
    bytes: String,
    ends: Vec<usize>,
}

/// Why a workbook cannot be read.
pub(super) enum Refusal {
    Io(io::Error),
    /// It lacks what every workbook has.
    NoWorkbook,
    TooLarge,
}

/// # Errors
/// For a list that would go on as long as its writer likes.
fn bounded(items: usize) -> Result<(), Refusal> {
    match items > MAX_ITEMS {
        true => Err(Refusal::NoWorkbook),
        false => Ok(()),
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Workbook {
    pub(super) fn read(archive: &Archive) -> Result<Self, Refusal> {
        let main = relations(archive, "_rels/.rels", "")?
            .into_iter()
            .find(|relation| relation.kind == "officeDocument")
            .map_or_else(|| "xl/workbook.xml".to_string(), |relation| relation.part);
        let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
        let file = main.rsplit('/').next().unwrap_or_default();
        let rels = format!("{folder}/_rels/{file}.rels");
        let relations = relations(archive, rels.trim_start_matches('/'), folder)?;
        let part = |kind: &str| relations.iter().find(|relation| relation.kind == kind);
        let (sheets, is_1904) = sheets(archive, &main, &relations)?;
        Ok(Self {
            sheets,
            texts: match part("sharedStrings") {
                Some(relation) => texts(archive, &relation.part)?,
                None => Texts::default(),
            },
            formats: match part("styles") {
                Some(relation) => formats(archive, &relation.part)?,
                None => Vec::new(),
            },
            is_1904,
        })
    }

    /// A text that cells share.
    pub(super) fn text(&self, at: usize) -> Option<&str> {
        let end = *self.texts.ends.get(at)?;
        let start = at
            .checked_sub(1)
            .map_or(0, |before| self.texts.ends[before]);
        self.texts.bytes.get(start..end)
    }

    /// What a style makes of a number.
    pub(super) fn format(&self, style: usize) -> NumberFormat {
        self.formats.get(style).copied().unwrap_or_default()
    }
}

/// An arrow from one part to another.
struct Relation {
    id: String,
    /// The last word of its type: `worksheet`, `styles`.
    kind: String,
    part: String,
}

fn relations(archive: &Archive, part: &str, folder: &str) -> Result<Vec<Relation>, Refusal> {
    let mut relations = Vec::new();
    let Some(bytes) = archive.read(part)? else {
        return Ok(relations);
    };
    let mut xml = Xml::new(bytes);
    loop {
        match xml.next()? {
            Node::End => return Ok(relations),
            Node::Open(element) if element.local_name().as_ref() == b"Relationship" => {
                let text = |wanted| attribute(&element, wanted).unwrap_or_default();
                let target = text("Target");
                bounded(relations.len())?;
                relations.push(Relation {
                    id: text("Id"),
                    kind: text("Type")
                        .rsplit('/')
                        .next()
                        .unwrap_or_default()
                        .to_string(),
                    part: match target.strip_prefix('/') {
                        Some(whole) => whole.to_string(),
                        None if folder.is_empty() => target,
                        None => format!("{folder}/{target}"),
                    },
                });
            }
            _ => {}
        }
    }
}

fn sheets(
    archive: &Archive,
    part: &str,
    relations: &[Relation],
) -> Result<(Vec<Sheet>, bool), Refusal> {
    let Some(bytes) = archive.read(part)? else {
        return Err(Refusal::NoWorkbook);
    };
    let of_cells = relations.iter().filter(|r| r.kind == "worksheet");
    let of_cells: BTreeMap<_, _> = of_cells.map(|r| (r.id.as_str(), r)).collect();
    let (mut sheets, mut is_1904) = (Vec::new(), false);
    let mut xml = Xml::new(bytes);
    loop {
        let element = match xml.next()? {
            Node::End => return Ok((sheets, is_1904)),
            Node::Open(element) => element,
            _ => continue,
        };
        match element.local_name().as_ref() {
            b"workbookPr" => {
                let flag = attribute(&element, "date1904");
                is_1904 = matches!(flag.as_deref(), Some("1" | "true"));
            }
            b"sheet" => {
                let id = attribute(&element, "id").unwrap_or_default();
                // charts have a tab, and no cells
                if let Some(relation) = of_cells.get(id.as_str()) {
                    let state = attribute(&element, "state");
                    bounded(sheets.len())?;
                    sheets.push(Sheet {
                        name: attribute(&element, "name").unwrap_or_default(),
                        is_hidden: state.is_some_and(|state| state != "visible"),
                        part: relation.part.clone(),
                    });
                }
            }
            _ => {}
        }
    }
}

fn texts(archive: &Archive, part: &str) -> Result<Texts, Refusal> {
    let mut texts = Texts::default();
    let Some(bytes) = archive.read(part)? else {
        return Ok(texts);
    };
    let mut xml = Xml::new(bytes);
    let mut text = TextParts::default();
    loop {
        match xml.next()? {
            Node::End => return Ok(texts),
            Node::Open(element) => text.open(element.local_name().as_ref()),
            Node::Text(part) => text.push(&part),
            Node::Close(name) => {
                text.close(&name);
                if name == "si" {
                    texts.bytes.push_str(&text.take());
                    texts.ends.push(texts.bytes.len());
                    let bytes = texts.bytes.len() + texts.ends.len() * size_of::<usize>();
                    if bytes > MAX_TEXT_BYTES {
                        return Err(Refusal::TooLarge);
                    }
                }
            }
        }
    }
}

/// A text in the pieces that differ in style, without the reading aids of East Asian scripts.
#[derive(Default)]
pub(super) struct TextParts {
    text: String,
    is_text: bool,
    is_aid: bool,
}

impl TextParts {
    pub(super) fn open(&mut self, name: &[u8]) {
        self.is_text |= name == b"t";
        self.is_aid |= name == b"rPh";
    }

    pub(super) fn push(&mut self, part: &str) {
        if self.is_text && !self.is_aid {
            self.text.push_str(part);
        }
    }

    pub(super) fn close(&mut self, name: &str) {
        self.is_text &= name != "t";
        self.is_aid &= name != "rPh";
    }

    /// The text so far, characters that XML cannot hold resolved.
    pub(super) fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        if text.contains("_x") {
            unescape(&text)
        } else {
            text
        }
    }
}

/// Excel writes a character that XML cannot hold as `_x000D_`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 2..at + 6);
        let character = code
            .filter(|_| rest.as_bytes().get(at + 6) == Some(&b'_'))
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32);
        match character {
            Some(character) => {
                out.push(character);
                rest = &rest[at + 7..];
            }
            None => {
                out.push_str("_x");
                rest = &rest[at + 2..];
            }
        }
    }
    out + rest
}

fn formats(archive: &Archive, part: &str) -> Result<Vec<NumberFormat>, Refusal> {
    let (mut own, mut formats) = (BTreeMap::new(), Vec::new());
    let Some(bytes) = archive.read(part)? else {
        return Ok(formats);
    };
    let mut xml = Xml::new(bytes);
    let mut within = String::new();
    loop {
        match xml.next()? {
            Node::End => return Ok(formats),
            Node::Open(element) => {
                let number = |wanted: &str| attribute(&element, wanted)?.parse::<u32>().ok();
                match element.local_name().as_ref() {
                    b"numFmt" => {
                        let code = attribute(&element, "formatCode").unwrap_or_default();
                        bounded(own.len())?;
                        own.insert(number("numFmtId").unwrap_or(0), NumberFormat::of(&code));
                    }
                    b"xf" if within == "cellXfs" => {
                        let id = number("numFmtId").unwrap_or(0);
                        let format = own.get(&id).copied();
                        bounded(formats.len())?;
                        formats.push(format.unwrap_or_else(|| NumberFormat::built_in(id)));
                    }
                    group @ (b"cellXfs" | b"cellStyleXfs") => within = name(group),
                    _ => {}
                }
            }
            Node::Close(name) if name == within => within.clear(),
            _ => {}
        }
    }
}
