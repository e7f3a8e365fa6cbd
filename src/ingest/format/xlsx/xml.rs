//! Elements of a workbook's parts, by their local names: the prefixes are the writer's choice.

use std::io::{self, BufReader, Read};

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use quick_xml::{Error, XmlVersion};

/// What the parts are made of, as far as anybody asks.
pub(super) enum Node<'a> {
    /// Opened; closed at once where it has nothing inside.
    Open(BytesStart<'a>),
    Close(String),
    Text(String),
    End,
}

/// More than any one node of a workbook takes: a text has 32,767 characters at most.
const MAX_NODE_BYTES: usize = 16 << 20;

/// Reads one part.
pub(super) struct Xml<R: Read> {
    reader: Reader<BufReader<Rationed<R>>>,
    buffer: Vec<u8>,
    /// Elements that are open.
    depth: usize,
}

/// Hands out so many bytes for one node, so that none of it fills the memory.
struct Rationed<R> {
    bytes: R,
    left: usize,
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(out)?;
        let left = self.left.checked_sub(length);
        self.left = left.ok_or_else(|| invalid("a part has a text without end"))?;
        Ok(length)
    }
}

impl<R: Read> Xml<R> {
    pub(super) fn new(bytes: R) -> Self {
        let rationed = Rationed {
            bytes,
            left: MAX_NODE_BYTES,
        };
        let mut reader = Reader::from_reader(BufReader::with_capacity(1 << 16, rationed));
        // `<a/>` as `<a></a>`: one case less for whoever reads
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            buffer: Vec::new(),
            depth: 0,
        }
    }

    /// The next node.
    ///
    /// # Errors
    /// Those of the disk, or `InvalidData` for what is no XML.
    pub(super) fn next(&mut self) -> io::Result<Node<'_>> {
        self.buffer.clear();
        self.reader.get_mut().get_mut().left = MAX_NODE_BYTES;
        let wrong = |error: Error| match error {
            Error::Io(error) => io::Error::new(error.kind(), error.to_string()),
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        };
        let event = self
            .reader
            .read_event_into(&mut self.buffer)
            .map_err(wrong)?;
        Ok(match event {
            Event::Start(element) => {
                self.depth += 1;
                Node::Open(element)
            }
            Event::End(element) => {
                self.depth = self.depth.saturating_sub(1);
                Node::Close(name(element.local_name().as_ref()))
            }
            Event::Text(text) => Node::Text(text.xml10_content().map_err(invalid)?.into_owned()),
            Event::CData(text) => Node::Text(text.xml10_content().map_err(invalid)?.into_owned()),
            Event::GeneralRef(entity) => {
                let character = match entity.resolve_char_ref().map_err(wrong)? {
                    Some(character) => character.to_string(),
                    None => named(&entity.decode().map_err(invalid)?).to_string(),
                };
                Node::Text(character)
            }
            Event::Eof if self.depth > 0 => return Err(invalid("a part ends too early")),
            Event::Eof => Node::End,
            _ => Node::Text(String::new()),
        })
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The entities that XML knows by name; others a workbook cannot declare.
fn named(entity: &str) -> &'static str {
    match entity {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
}

/// A local name as text.
pub(super) fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An attribute by its local name.
pub(super) fn attribute(element: &BytesStart<'_>, wanted: &str) -> Option<String> {
    element.attributes().flatten().find_map(|attribute| {
        let is_wanted = attribute.key.local_name().as_ref() == wanted.as_bytes();
        let value = is_wanted.then(|| attribute.normalized_value(XmlVersion::Implicit1_0).ok());
        value.flatten().map(std::borrow::Cow::into_owned)
    })
}
