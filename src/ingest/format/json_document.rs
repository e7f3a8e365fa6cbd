//! One JSON document that holds an array, read element by element: memory does not grow with the export.
//!
//!   document ─▶ the array (at its top, or where `path` leads) ─▶ elements ─▶ as NDJSON's lines
//!
//! A broken element is a reject, as is a place between commas where none stands, and reading goes on at the next element:
//! behind its closing bracket if that stands on the same line, else at the next line that begins as the broken element did.
//! A document whose array is never closed was cut off, and is refused as a whole, as half a gzip stream is, and as one is
//! that is no JSON around its array.

use std::io::Read;

use super::grammar::Grammar;
use super::lines::Window;
use super::objects::{Objects, Room};
use super::paths::Paths;
use super::skip::Skip;
use super::{Decoding, Format, Seen, converter};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::conform::{Converter, Escaping};
use crate::ingest::encoding::TextDecoder;
use crate::ingest::json::{JsonReader, Malformed, plain};
use crate::ingest::output::Place;
use crate::ingest::rule::Rule;
use crate::project::JsonRead;

/// A value is only known to be broken if so many bytes follow the place where it broke: the longest token that is read
/// at once is shorter.
const LOOK_AHEAD: usize = 16;

/// One JSON document, read as a source declares.
pub(super) struct JsonDocument {
    read: JsonRead,
}

impl JsonDocument {
    pub(super) fn new(read: JsonRead) -> Self {
        Self { read }
    }

    /// Walks to the first byte after the array's bracket; `false` where the export holds nothing at all.
    fn enter(&self, window: &mut Window<'_>, file: &str) -> Result<bool> {
        let Some(mut first) = next_byte(window, file)? else {
            return Ok(false);
        };
        let decoder = TextDecoder::new(self.read.encoding);
        for (depth, key) in self.read.path.iter().enumerate() {
            if first != b'{' {
                return Err(self.no_array(depth, file));
            }
            window.advance(1, 0);
            if !find_key(window, (key, &decoder), Member::First, file)? {
                return Err(self.no_array(depth + 1, file));
            }
            first = next_byte(window, file)?.unwrap_or_default();
        }
        if first != b'[' {
            return Err(self.no_array(self.read.path.len(), file));
        }
        window.advance(1, 0);
        Ok(true)
    }

    /// `depth`: how many keys of the path were walked.
    fn no_array(&self, depth: usize, file: &str) -> Error {
        let path = &self.read.path;
        let message = match (path.is_empty(), depth == path.len()) {
            (true, _) => "the export is no JSON array".to_string(),
            (false, true) => format!("the export holds no array at `{}`", path.join(".")),
            (false, false) => format!("the export has no object at `{}`", place_of(&path[..depth])),
        };
        let help = if path.is_empty() {
            "where the array lies within an object, say so: `read: {json: {path: data.items}}`; one object a line is `ndjson`"
        } else {
            "check `path` of the source: keys from the outermost in, `data.items`"
        };
        Error::input(message).code(Code(420)).at(file).help(help)
    }
}

fn place_of(keys: &[String]) -> String {
    if keys.is_empty() {
        "its top".to_string()
    } else {
        keys.join(".")
    }
}

/// The next byte that is no space, not taken.
fn next_byte(window: &mut Window<'_>, file: &str) -> Result<Option<u8>> {
    loop {
        let text = window.rest();
        let space = text.iter().position(|byte| !is_space(byte));
        let taken = space.unwrap_or(text.len());
        let lines = count_lines(&text[..taken]);
        let found = space.map(|at| text[at]);
        window.advance(taken, lines);
        if found.is_some() || window.is_last() {
            return Ok(found);
        }
        window.fill(file)?;
    }
}

/// A space of JSON.
fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Which member of an object may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    /// The first, if it has any.
    First,
    /// One more, behind a comma.
    More,
}

/// Walks through the object that was entered to the value of `key`; `false` at the bracket that closes it.
fn find_key(
    window: &mut Window<'_>,
    (key, decoder): (&str, &TextDecoder),
    member: Member,
    file: &str,
) -> Result<bool> {
    let mut member = member;
    loop {
        let mut first = next_byte(window, file)?;
        if first == Some(b'}') {
            return Ok(false);
        }
        if member == Member::More && first == Some(b',') {
            window.advance(1, 0);
            first = next_byte(window, file)?;
        } else if member == Member::More && first.is_some() {
            return Err(broken(window, file));
        }
        match first {
            Some(b'"') => {}
            Some(_) => return Err(broken(window, file)),
            None => return Err(cut_off(file)),
        }
        // each of its characters may be escaped
        let longest = key.len() * 6 + 2;
        if window.rest().len() < longest {
            window.fill(file)?;
        }
        let text = &window.rest()[..window.rest().len().min(longest)];
        let name = JsonReader::new(text, 0).value();
        let is_wanted = name.is_ok_and(|name| *plain(text, name, decoder) == *key.as_bytes());
        Grammar::value().pass(window, file)?;
        match next_byte(window, file)? {
            Some(b':') => window.advance(1, 0),
            Some(_) => return Err(broken(window, file)),
            None => return Err(cut_off(file)),
        }
        next_byte(window, file)?;
        if is_wanted {
            return Ok(true);
        }
        Grammar::value().pass(window, file)?;
        member = Member::More;
    }
}

/// What stands around the array is no JSON.
pub(super) fn broken(window: &Window<'_>, file: &str) -> Error {
    Error::input("the document is no JSON outside its array")
        .code(Code(470))
        .at(format!("{file}:{}", window.line()))
        .help("ask its sender to deliver it again; nothing of it was taken")
}

fn count_lines(text: &[u8]) -> i64 {
    memchr::memchr_iter(b'\n', text).count() as i64
}

pub(super) fn cut_off(file: &str) -> Error {
    Error::input("the JSON document ends before its array does")
        .code(Code(421))
        .at(file)
        .help("ask its sender to deliver it again; nothing of it was taken")
}

/// What stands at the beginning of a text, where an element may.
enum Element {
    /// A value, and the byte after it.
    Value(usize),
    /// No value; reading goes on at this byte.
    Broken(usize),
    /// It does not end in what is there.
    Open,
}

/// Looks at the element at `start`. `is_last`: nothing follows `text`.
fn element(text: &[u8], start: usize, is_last: bool) -> Element {
    let mut reader = JsonReader::new(text, start);
    match reader.value() {
        Ok(_) => {
            let end = reader.position();
            match reader.peek() {
                Some(b',' | b']') => return Element::Value(end),
                None if !is_last => return Element::Open,
                _ => {}
            }
        }
        Err(Malformed) => {
            if !is_last && reader.position() + LOOK_AHEAD > text.len() {
                return Element::Open;
            }
        }
    }
    match next_element(text, start) {
        Some(next) => Element::Broken(next),
        None => Element::Open,
    }
}

/// Where reading goes on behind the broken element at `start`, if that is in `text`.
fn next_element(text: &[u8], start: usize) -> Option<usize> {
    let mut end = start;
    while let Some(length) = Skip::value().within_line(&text[end..]) {
        // a bracket that closes nothing is passed over too
        end += length.max(1);
        let after = text[end..].trim_ascii_start().first();
        if matches!(after, Some(b',' | b']')) {
            return Some(end);
        }
    }
    let line_end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |at| start + at);
    let line_start = memchr::memrchr(b'\n', &text[..start]).map_or(0, |at| at + 1);
    let indent = &text[line_start..start];
    let is_indent = indent.trim_ascii().is_empty();
    let mut at = line_end + 1;
    while at < text.len() {
        let line = &text[at..];
        let first = line.iter().position(|byte| !byte.is_ascii_whitespace());
        let begins = first.map(|first| (&line[..first], line[first]));
        match begins {
            Some((_, b']')) => return Some(at),
            Some((space, b'{')) if !is_indent || space == indent => return Some(at),
            _ => {}
        }
        at += memchr::memchr(b'\n', line)? + 1;
    }
    None
}

/// What one pass over the window found.
#[derive(Default)]
struct Pass {
    end: usize,
    lines: i64,
    state: State,
}

/// What was read last of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// The bracket that opens it.
    Bracket,
    Comma,
    Value,
    /// A broken element, and perhaps the comma behind it.
    Broken,
    /// A comma too many; more of them are the same mistake.
    TooMany,
}

#[derive(Default, PartialEq, Eq)]
enum State {
    #[default]
    Full,
    NeedsMore,
    TooLong,
    /// The array's bracket was taken.
    Closed,
}

/// Reads elements until the batch is full or no whole element is left.
fn scan(
    window: &Window<'_>,
    before: &mut Before,
    objects: &mut Objects,
    converter: &Converter,
    limit: usize,
) -> Pass {
    let mut pass = Pass::default();
    let text = window.rest();
    while !objects.is_full() {
        let rest = &text[pass.end..];
        let gap = rest.iter().position(|byte| !is_space(byte));
        let gap = gap.unwrap_or(rest.len());
        pass.lines += count_lines(&rest[..gap]);
        pass.end += gap;
        let start = pass.end;
        let place = |end| Place {
            start,
            end,
            line: window.line() + pass.lines,
            byte: Some(window.offset() as i64 + start as i64),
        };
        let sign = match text.get(start) {
            None => {
                pass.state = State::NeedsMore;
                return pass;
            }
            Some(sign) => *sign,
        };
        if matches!(sign, b',' | b']') {
            let is_empty = match sign {
                b',' => matches!(before, Before::Bracket | Before::Comma),
                _ => *before == Before::Comma,
            };
            if is_empty {
                let place = place(start + 1);
                let rule = Rule::MalformedJson;
                objects.reject(text, place, rule, converter);
            }
            pass.end += 1;
            if sign == b']' {
                pass.state = State::Closed;
                return pass;
            }
            *before = match is_empty || *before == Before::TooMany {
                true => Before::TooMany,
                false => Before::Comma,
            };
            continue;
        }
        let found = element(text, start, window.is_last());
        let end = match found {
            Element::Value(end) | Element::Broken(end) => end,
            Element::Open => {
                let is_too_long = text.len() - start > limit;
                pass.state = if is_too_long {
                    State::TooLong
                } else {
                    State::NeedsMore
                };
                return pass;
            }
        };
        *before = match found {
            Element::Value(_) => Before::Value,
            _ => Before::Broken,
        };
        let place = place(end);
        if end - start > limit {
            objects.reject(text, place, Rule::RecordTooLong, converter);
        } else if matches!(found, Element::Value(_)) {
            objects.push(text, place, end, converter);
        } else {
            objects.reject(text, place, Rule::MalformedJson, converter);
        }
        pass.lines += count_lines(&text[start..end]);
        pass.end = end;
    }
    pass
}

impl Format for JsonDocument {
    fn converter(&self) -> Converter {
        converter(
            &self.read.conversions,
            self.read.encoding,
            Escaping::doubled(b"\""),
        )
    }

    fn decode(&self, bytes: &mut dyn Read, mut task: Decoding<'_>) -> Result<Seen> {
        let mut window = Window::open(bytes, task.file)?;
        let paths = Paths::of(task.conformer);
        let mut objects = Objects::new(paths, Room::default());
        if !self.enter(&mut window, task.file)? {
            return Ok(Seen::default());
        }
        let mut before = Before::Bracket;
        loop {
            let converter = &task.conformer.converter;
            let limit = task.max_record_bytes;
            let pass = scan(&window, &mut before, &mut objects, converter, limit);
            let is_stuck = pass.end == 0;
            if pass.state == State::TooLong && is_stuck {
                let place = Place {
                    start: 0,
                    end: window.rest().len(),
                    line: window.line(),
                    byte: Some(window.offset() as i64),
                };
                objects.reject(window.rest(), place, Rule::RecordTooLong, converter);
                objects.write(window.rest(), &mut task)?;
                Skip::value().pass(&mut window, task.file)?;
                before = Before::Broken;
                continue;
            }
            objects.write(window.rest(), &mut task)?;
            window.advance(pass.end, pass.lines);
            match pass.state {
                State::Closed => break,
                State::NeedsMore if window.is_last() => return Err(cut_off(task.file)),
                State::NeedsMore => window.fill(task.file)?,
                State::Full | State::TooLong => {}
            }
        }
        self.leave(&mut window, task.file)?;
        Ok(objects.into_parts().1.seen())
    }
}

impl JsonDocument {
    /// What follows the array must close what was opened before it, so that a document that was cut off is not taken, and
    /// nothing may follow that: neither a second list of records under the same keys, nor a second document.
    fn leave(&self, window: &mut Window<'_>, file: &str) -> Result<()> {
        let path = &self.read.path;
        let decoder = TextDecoder::new(self.read.encoding);
        for (depth, key) in path.iter().enumerate().rev() {
            let line = window.line();
            if find_key(window, (key, &decoder), Member::More, file)? {
                let keys = path[..=depth].join(".");
                return Err(
                    Error::input(format!("the document has `{keys}` more than once"))
                        .code(Code(420))
                        .at(format!("{file}:{line}"))
                        .help("which of the two counts, nobody can say: ask its sender for one"),
                );
            }
            window.advance(1, 0);
        }
        if next_byte(window, file)?.is_none() {
            return Ok(());
        }
        let what = match path.is_empty() {
            true => "array",
            false => "document",
        };
        Err(Error::input(format!("something follows the JSON {what}"))
            .code(Code(420))
            .at(format!("{file}:{}", window.line()))
            .help("one export is one document; one object a line is `ndjson`"))
    }
}

#[cfg(test)]
mod tests {
    use crate::ingest::testing::{Bench, accepted, contract, json, reject_texts, rejects, source};
    use crate::project::{ColumnType, Encoding, JsonRead, Load, Read};

    fn tickets(read: JsonRead) -> Bench {
        let columns = [
            ("id", ColumnType::Varchar),
            ("name<requester.name", ColumnType::Varchar),
            ("minutes", ColumnType::Integer),
        ];
        Bench::new(
            source(Read::Json(read), Load::Changes),
            contract(&["id"], &columns),
        )
    }

    fn at(path: &[&str]) -> JsonRead {
        JsonRead {
            path: path.iter().map(|key| (*key).to_string()).collect(),
            ..json()
        }
    }

    #[tokio::test]
    async fn an_element_cut_off_on_its_line_is_a_reject_and_the_next_is_read() {
        let text = r#"[
{"id":"a","minutes":1},
{"id":"b","requester":{"name":"Å
{"id":"c","minutes":2},
{"id":"d","minutes":
{"id":"e","tags":[1,
{"id":"f","minutes":3},
{"id":"g","minutes":nan},
7,
{"id":"h","minutes":"4"},
{"id":"i","minutes":5
]
"#;
        let bench = tickets(json());
        let decoded = bench.decode("a", text).await;
        assert_eq!(accepted(&decoded), ["a|-|1", "c|-|2", "f|-|3", "h|-|4"]);
        let broken = [3, 5, 6, 8, 9, 11].map(|line| (line, String::new(), "malformed_json".into()));
        assert_eq!(rejects(&decoded), broken);
        assert_eq!(
            reject_texts(&decoded, "raw")[3].as_deref(),
            Some(r#"{"id":"g","minutes":nan}"#)
        );
        assert_eq!(decoded.report.records, 10);
    }

    #[tokio::test]
    async fn a_place_between_commas_where_no_element_stands_is_a_reject() {
        let bench = tickets(json());
        let decoded = bench
            .decode("a", "[{\"id\":\"a\"},\n,{\"id\":\"b\"},\n]")
            .await;
        assert_eq!(accepted(&decoded), ["a|-|-", "b|-|-"]);
        let broken = [2, 3].map(|line| (line, String::new(), "malformed_json".into()));
        assert_eq!(rejects(&decoded), broken);
        assert_eq!(decoded.report.records, 4);
        let decoded = bench.decode("a", "[, ,,{\"id\":\"a\"}\n, ]").await;
        assert_eq!(accepted(&decoded), ["a|-|-"]);
        assert_eq!(decoded.report.rejected, 2);
        for none in ["[]", " [ \n] "] {
            assert_eq!(bench.decode("a", none).await.report.records, 0, "{none}");
        }
    }

    #[tokio::test]
    async fn what_stands_around_the_array_must_be_json_too() {
        let bench = tickets(at(&["data", "items"]));
        let array = r#""data":{"items":[{"id":"a"}]}"#;
        for right in [
            format!("{{{array}}}"),
            format!("{{\"x\":[1,{{}}],\"y\":\"]}}\",{array},\"z\":-1.5e3 }}"),
        ] {
            let decoded = bench.decode("a", &right).await;
            assert_eq!(accepted(&decoded), ["a|-|-"], "{right}");
        }
        for wrong in [
            format!("{{{array},\n\"y\":tru}}"),
            format!("{{\n\"y\":tru,{array}}}"),
            format!("{{\n,{array}}}"),
            format!("{{{array}\n,}}"),
            format!("{{\n\"x\":[1,],{array}}}"),
            format!("{{\n\"x\":1 {array}}}"),
            format!("{{{array}\n\"x\":1}}"),
        ] {
            let refusal = bench.refusal("a", &wrong).await;
            assert!(
                refusal.contains("no JSON outside its array"),
                "{wrong}: {refusal}"
            );
            assert!(refusal.contains("a:2"), "{wrong}: {refusal}");
        }
    }

    #[tokio::test]
    async fn elements_may_stand_on_one_line_or_on_many() {
        let compact = r#"[{"id":"a","x":[1,"]"]},{"id":"b","minutes":x},{"id":"c"}]"#;
        let bench = tickets(json());
        let decoded = bench.decode("a", compact).await;
        assert_eq!(accepted(&decoded), ["a|-|-", "c|-|-"]);
        let pretty = "[\n  {\n    \"id\": \"a\",\n    \"requester\": {\n      \"name\": \"Bo\"\n    }\n  },\n  {\n    \"id\": \"b\n  },\n  {\n    \"id\": \"c\"\n  }\n]";
        let bench = tickets(json());
        let decoded = bench.decode("a", pretty).await;
        assert_eq!(accepted(&decoded), ["a|Bo|-", "c|-|-"]);
        assert_eq!(
            rejects(&decoded),
            [(8, String::new(), "malformed_json".into())]
        );
    }

    #[tokio::test]
    async fn many_broken_elements_on_one_line_cost_no_more_than_their_length() {
        let broken = r#""a"x,{"id":"b"}},nan,"#.repeat(200_000);
        let bench = tickets(json());
        let decoded = bench
            .decode("a", format!("[{broken}{{\"id\":\"c\"}}]"))
            .await;
        assert_eq!(accepted(&decoded), ["c|-|-"]);
        assert_eq!(decoded.report.rejected, 600_000);
    }

    #[tokio::test]
    async fn a_path_leads_to_the_array_past_whatever_stands_before_it() {
        let text = r#" {"meta":{"items":[1,{"a":"}"}],"n":"\""},"data":{"next":null,"items":[{"id":"a"}],"more":[]},"end":1} "#;
        let bench = tickets(at(&["data", "items"]));
        let decoded = bench.decode("a", text).await;
        assert_eq!(accepted(&decoded), ["a|-|-"]);
        for (path, text) in [
            (&["data", "rows"][..], text),
            (&["meta"], text),
            (&["data", "next"], text),
            (&["data"], "[]"),
            (&[], r#"{"data":[]}"#),
            (&[], "[] {}"),
            (&[], "id;name\n"),
        ] {
            let refusal = tickets(at(path)).refusal("a", text).await;
            assert!(refusal.contains("K0420"), "{path:?} {refusal}");
        }
    }

    #[tokio::test]
    async fn a_path_is_read_in_the_encoding_of_the_export() {
        let mut read = at(&["Ärenden"]);
        read.encoding = Encoding::WINDOWS_1252;
        let decoded = tickets(read)
            .decode("a", b"{\"\xc4renden\":[{\"id\":\"\xe5\"}]}")
            .await;
        assert_eq!(accepted(&decoded), ["å|-|-"]);
    }

    #[tokio::test]
    async fn a_second_list_of_records_is_refused_and_not_passed_over() {
        let path = &["data", "items"][..];
        for (text, reason) in [
            (
                r#"{"data":{"items":[{"id":"a"}],"items":[{"id":"b"}]}}"#,
                "`data.items` more than once",
            ),
            (
                r#"{"data":{"items":[]},"n":{"data":1},"d\u0061ta":{"items":[{"id":"b"}]}}"#,
                "`data` more than once",
            ),
            (
                "{\"data\":{\"items\":[]}}\n{\"data\":{\"items\":[{\"id\":\"b\"}]}}",
                "a:2",
            ),
        ] {
            let refusal = tickets(at(path)).refusal("a", text).await;
            assert!(
                refusal.contains("K0420") && refusal.contains(reason),
                "{refusal}"
            );
        }
    }

    #[tokio::test]
    async fn a_document_that_was_cut_off_is_refused() {
        for text in [r#"[{"id":"a"},"#, r#"[{"id":"a"}"#, r#"[{"id":"a"#, "["] {
            let refusal = tickets(json()).refusal("a", text).await;
            assert!(refusal.contains("K0421"), "{text} {refusal}");
        }
        let refusal = tickets(at(&["data"])).refusal("a", r#"{"data":[]"#).await;
        assert!(refusal.contains("K0421"), "{refusal}");
    }

    #[tokio::test]
    async fn an_element_beyond_the_limit_costs_one_record() {
        let mut bench = tickets(json());
        bench.max_record_bytes = 1 << 10;
        let long = "x".repeat(3 << 20);
        let text = format!(r#"[{{"id":"a"}},{{"id":"{long}"}},{{"id":"b"}}]"#);
        let decoded = bench.decode("a", text).await;
        assert_eq!(accepted(&decoded), ["a|-|-", "b|-|-"]);
        assert_eq!(
            rejects(&decoded),
            [(1, String::new(), "record_too_long".into())]
        );
    }

    fn lines() -> Bench {
        let columns = [
            ("order_id", ColumnType::Varchar),
            ("sku", ColumnType::Varchar),
            ("quantity<lines.quantity", ColumnType::Integer),
            ("status", ColumnType::Varchar),
            ("order_status<status", ColumnType::Varchar),
        ];
        let read = JsonRead {
            explode: Some(vec!["lines".into()]),
            ..json()
        };
        Bench::new(
            source(Read::Json(read), Load::Append),
            contract(&["order_id"], &columns),
        )
    }

    #[tokio::test]
    async fn items_of_an_exploded_list_take_what_they_lack_from_the_record_around_them() {
        let text = r#"[{"orderId":"a","lines":[{"sku":"x","quantity":1},{"sku":"y","status":"back"}],"status":"paid"},
{"orderId":"b","lines":[]},{"orderId":"c"},{"orderId":"d","lines":null}]"#;
        let bench = lines();
        let decoded = bench.decode("a", text).await;
        assert_eq!(accepted(&decoded), ["a|x|1|paid|paid", "a|y|-|back|paid"]);
        assert_eq!(decoded.report.records, 2);
    }

    #[tokio::test]
    async fn a_key_that_comes_twice_rejects_all_items_of_its_record() {
        let text = r#"[
{"orderId":"a","lines":[{"sku":"x"},{"sku":"y","sku":"z"}]},
{"orderId":"b","lines":[{"sku":"x"},{"sku":"y"}],"status":"paid","status":"sent"},
{"orderId":"c","lines":[{"sku":"x"}],"lines":[]},
{"orderId":"d","orderId":"e"}
]"#;
        let bench = lines();
        let decoded = bench.decode("a", text).await;
        let expected = [
            (2, "", "sibling_rejected"),
            (2, "sku", "doubled_key"),
            (3, "status", "doubled_key"),
            (3, "", "sibling_rejected"),
            (4, "", "doubled_key"),
            (5, "order_id", "doubled_key"),
        ];
        let expected =
            expected.map(|(line, column, rule)| (line, column.to_string(), rule.to_string()));
        assert_eq!(rejects(&decoded), expected);
        assert_eq!(decoded.report.accepted, 0);
    }

    #[tokio::test]
    async fn one_bad_item_rejects_the_whole_record_and_its_siblings_are_counted() {
        let text = r#"[
{"orderId":"a","lines":[{"quantity":1},{"quantity":"x"},{"quantity":3}]},
{"orderId":"b","lines":[{"quantity":1}]},
{"orderId":"c","lines":{"quantity":1}},
{"orderId":"d","lines":[{"quantity":1},7]}
]"#;
        let bench = lines();
        let decoded = bench.decode("a", text).await;
        assert_eq!(accepted(&decoded), ["b|-|1|-|-"]);
        let expected = [
            (2, "", "sibling_rejected"),
            (2, "quantity", "not_an_integer"),
            (2, "", "sibling_rejected"),
            (4, "", "not_a_list"),
            (5, "", "not_a_list"),
        ];
        let expected =
            expected.map(|(line, column, rule)| (line, column.to_string(), rule.to_string()));
        assert_eq!(rejects(&decoded), expected);
        assert_eq!((decoded.report.records, decoded.report.rejected), (6, 5));
        assert_eq!(
            reject_texts(&decoded, "key")[3].as_deref(),
            Some(r#"{"order_id":"c"}"#)
        );
    }
}
