//! Workbooks written by hand, for tests.

use flate2::Crc;

const TYPES: &str = r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#;
const STYLES: &str = r#"<styleSheet><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy-mm-dd hh:mm"/></numFmts>
<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="14"/></cellXfs></styleSheet>"#;
const TEXTS: &str = "<sst><si><t>sh&amp;ared</t></si><si><r><t>ri</t></r><rPh><t>x</t></rPh><r><t>ch</t></r></si></sst>";

/// A cell typed as text, or none.
pub(in crate::ingest::format) fn text_cell(text: Option<&str>) -> String {
    match text {
        None => "<c/>".to_string(),
        Some(text) => {
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            format!(r#"<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>"#)
        }
    }
}

/// A workbook of sheets by name; a name that begins with `~` is hidden. Rows are their cells' XML, the first is row 1.
pub(in crate::ingest::format) fn workbook(sheets: &[(&str, &[String])]) -> Vec<u8> {
    let sheets = sheets.iter().map(|(name, rows)| {
        let rows = rows.iter().enumerate();
        let rows: String = rows
            .filter(|(_, cells)| !cells.is_empty())
            .map(|(row, cells)| format!(r#"<row r="{}">{cells}</row>"#, row + 1))
            .collect();
        (*name, rows)
    });
    workbook_of(&sheets.collect::<Vec<_>>())
}

/// A workbook of sheets by name, each with the XML of its rows.
pub(in crate::ingest::format) fn workbook_of(sheets: &[(&str, String)]) -> Vec<u8> {
    workbook_with("<workbookPr/>", sheets)
}

/// The same with days that count from 1904.
pub(super) fn workbook_from_1904(sheets: &[(&str, String)]) -> Vec<u8> {
    workbook_with(r#"<workbookPr date1904="1"/>"#, sheets)
}

fn workbook_with(properties: &str, sheets: &[(&str, String)]) -> Vec<u8> {
    let mut parts = vec![
        ("[Content_Types].xml".to_string(), TYPES.to_string()),
        ("xl/styles.xml".to_string(), STYLES.to_string()),
        ("xl/sharedStrings.xml".to_string(), TEXTS.to_string()),
    ];
    let (mut tabs, mut relations) = (String::new(), String::new());
    for (at, (name, rows)) in sheets.iter().enumerate() {
        let state = if name.starts_with('~') {
            r#" state="hidden""#
        } else {
            ""
        };
        tabs += &format!(r#"<sheet name="{name}" sheetId="{at}"{state} r:id="s{at}"/>"#);
        relations += &format!(
            r#"<Relationship Id="s{at}" Type="t/worksheet" Target="worksheets/{at}.xml"/>"#
        );
        let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        parts.push((format!("xl/worksheets/{at}.xml"), sheet));
    }
    relations += r#"<Relationship Id="a" Type="t/styles" Target="styles.xml"/><Relationship Id="b" Type="t/sharedStrings" Target="/xl/sharedStrings.xml"/>"#;
    let book = format!("<workbook>{properties}<sheets>{tabs}</sheets></workbook>");
    parts.push(("xl/workbook.xml".to_string(), book));
    let relations = format!("<Relationships>{relations}</Relationships>");
    parts.push(("xl/_rels/workbook.xml.rels".to_string(), relations));
    archive(&parts)
}

/// A ZIP archive of parts that are not packed.
pub(in crate::ingest::format) fn archive<T: AsRef<[u8]>>(parts: &[(String, T)]) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for (name, text) in parts {
        let text = text.as_ref();
        let mut crc = Crc::new();
        crc.update(text);
        let size = (text.len() as u32).to_le_bytes();
        let mut head = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        head.extend(crc.sum().to_le_bytes());
        head.extend([size, size].concat());
        head.extend((name.len() as u16).to_le_bytes());
        head.extend([0, 0]);
        let offset = (out.len() as u32).to_le_bytes();
        out.extend(b"PK\x03\x04");
        out.extend(&head);
        out.extend(name.as_bytes());
        out.extend(text);
        list.extend(b"PK\x01\x02\x14\x00");
        list.extend(&head);
        list.extend([0; 10]);
        list.extend(offset);
        list.extend(name.as_bytes());
    }
    let start = (out.len() as u32).to_le_bytes();
    let count = (parts.len() as u16).to_le_bytes();
    let size = (list.len() as u32).to_le_bytes();
    out.extend(list);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].concat());
    out.extend(size);
    out.extend(start);
    out.extend([0, 0]);
    out
}
