//! The text of a schema file, drafted or with the columns that it lacks: what people wrote stays, byte for byte.

use super::raw::tree::{self, Node, Value};
use super::{ColumnType, Meaning};
use crate::error::{Error, Result};

/// What is known of a table whose contract is to be written.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContractDraft {
    /// Not null and unique, proved; empty where nothing proves one.
    pub(crate) key: Vec<String>,
    pub(crate) columns: Vec<DraftedColumn>,
}

/// A column as it would be declared.
#[derive(Clone, Debug)]
pub(crate) struct DraftedColumn {
    pub(crate) name: String,
    pub(crate) data_type: ColumnType,
    /// Proved.
    pub(crate) is_never_null: bool,
    /// Of the column that it is, unchanged.
    pub(crate) personal: Option<Meaning>,
    /// Likewise.
    pub(crate) description: Option<String>,
    /// What exports call it, where it came with them.
    pub(crate) from: Option<String>,
}

impl ContractDraft {
    /// A new schema file.
    pub(crate) fn text(&self) -> String {
        let key = match self.key.is_empty() {
            true => {
                "# no `key`: nothing in the SQL proves that some columns name a row\n".to_string()
            }
            false => format!("key: [{}]\n", self.key.join(", ")),
        };
        let columns = self.columns.iter().map(|column| self.item(column, "  "));
        format!("{key}columns:\n{}", columns.collect::<String>())
    }

    /// The same file with the columns that it lacks, behind its own; `None` where it has every column.
    ///
    /// # Errors
    /// `Config` where its columns are written in a form that nothing can be added to; the lines to add are in the help.
    pub(crate) fn added_to(&self, text: &str, path: &str) -> Result<Option<String>> {
        let root = tree::parse(text).ok();
        let columns = root.as_ref().and_then(|root| value_of(root, "columns"));
        let declared = columns.map(names).unwrap_or_default();
        let lacking: Vec<&DraftedColumn> = self
            .columns
            .iter()
            .filter(|column| !declared.contains(&column.name))
            .collect();
        if lacking.is_empty() {
            return Ok(None);
        }
        let added = match columns {
            None => Some(self.at_the_end(text, &lacking)),
            Some(columns) => self.behind(text, columns, &lacking),
        };
        let wanted: Vec<&String> = declared
            .iter()
            .chain(lacking.iter().map(|column| &column.name))
            .collect();
        // whatever form the file has, it must say what it said and the new columns
        let is_right = |text: &String| {
            let Ok(root) = tree::parse(text) else {
                return false;
            };
            let columns = value_of(&root, "columns").map(names).unwrap_or_default();
            columns.iter().collect::<Vec<_>>() == wanted
        };
        match added.filter(is_right) {
            Some(added) => Ok(Some(added)),
            None => {
                let lines: String = lacking.iter().map(|c| self.item(c, "  ")).collect();
                Err(Error::config(format!(
                    "{path} writes its `columns` in a form to which nothing is added"
                ))
                .help(format!(
                    "write them one a line, `- {{name: …}}`, or add yourself\n{}",
                    lines.trim_end()
                )))
            }
        }
    }

    fn at_the_end(&self, text: &str, lacking: &[&DraftedColumn]) -> String {
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        let items: String = lacking
            .iter()
            .map(|column| self.item(column, "  "))
            .collect();
        format!("{text}{gap}columns:\n{items}")
    }

    /// Behind the last item, indented as that is.
    fn behind(&self, text: &str, columns: &Node, lacking: &[&DraftedColumn]) -> Option<String> {
        let Value::List(items) = &columns.value else {
            return None;
        };
        let last = items.last()?;
        let line_start = text[..last.span.start].rfind('\n').map_or(0, |at| at + 1);
        let (indent, dash) = text[line_start..last.span.start].split_once('-')?;
        if !indent.trim().is_empty() || !dash.trim().is_empty() {
            return None;
        }
        let end = last.span.end;
        let end = match text[..end].ends_with('\n') {
            true => end,
            false => end + text[end..].find('\n').map_or(text.len() - end, |at| at + 1),
        };
        let (before, after) = text.split_at(end);
        let gap = if before.ends_with('\n') { "" } else { "\n" };
        let items: String = lacking
            .iter()
            .map(|column| self.item(column, indent))
            .collect();
        Some(format!("{before}{gap}{items}{after}"))
    }

    /// One line. A column of the key needs no test of its own.
    fn item(&self, column: &DraftedColumn, indent: &str) -> String {
        let mut keys = vec![
            format!("name: {}", column.name),
            format!("data_type: {}", quoted(&column.data_type.to_string())),
        ];
        keys.extend(
            column
                .personal
                .map(|meaning| format!("personal: {}", meaning.name())),
        );
        let from = column.from.as_deref();
        keys.extend(from.map(|from| format!("from: {}", quoted(from))));
        let description = column.description.as_deref();
        keys.extend(description.map(|text| format!("description: {}", quoted(text))));
        if column.is_never_null && !self.key.contains(&column.name) {
            keys.push("data_tests: [not_null]".to_string());
        }
        format!("{indent}- {{{}}}\n", keys.join(", "))
    }
}

/// As YAML takes it within braces.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '.');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_word = !matches!(text.to_lowercase().as_str(), "null" | "true" | "false");
    if is_word && begins && text.chars().all(is_plain) && text.trim_end() == text {
        return text.to_string();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\n', "\\n").replace('\t', "\\t"))
}

fn value_of<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else {
        return None;
    };
    let entry = entries.iter().find(|entry| entry.key.value == key);
    entry.map(|entry| &entry.value)
}

/// Names of the columns of a list.
fn names(columns: &Node) -> Vec<String> {
    let Value::List(items) = &columns.value else {
        return Vec::new();
    };
    let names = items
        .iter()
        .filter_map(|item| match &value_of(item, "name")?.value {
            Value::Text { text, .. } => Some(text.clone()),
            _ => None,
        });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(names: &[&str]) -> ContractDraft {
        let columns = names.iter().map(|name| DraftedColumn {
            name: (*name).to_string(),
            data_type: ColumnType::Varchar,
            is_never_null: false,
            personal: None,
            description: None,
            from: None,
        });
        ContractDraft {
            key: Vec::new(),
            columns: columns.collect(),
        }
    }

    fn added(text: &str) -> String {
        let draft = draft(&["a", "b", "c"]);
        draft
            .added_to(text, "schemas/gold/x.yaml")
            .unwrap()
            .unwrap()
    }

    #[test]
    fn columns_are_added_behind_those_that_stand_and_nothing_else_moves() {
        let text = "# ours\ncolumns:\n- name: a   # first\n  description: |\n    Two\n    lines.\n# tests\ndata_tests: []\n";
        assert_eq!(
            added(text),
            "# ours\ncolumns:\n- name: a   # first\n  description: |\n    Two\n    lines.\n- {name: b, data_type: varchar}\n- {name: c, data_type: varchar}\n# tests\ndata_tests: []\n"
        );
        assert_eq!(
            added("columns:\n    - {name: c} # last"),
            "columns:\n    - {name: c} # last\n    - {name: a, data_type: varchar}\n    - {name: b, data_type: varchar}\n"
        );
        assert_eq!(
            added("description: Only words."),
            "description: Only words.\ncolumns:\n  - {name: a, data_type: varchar}\n  - {name: b, data_type: varchar}\n  - {name: c, data_type: varchar}\n"
        );
    }

    #[test]
    fn a_form_that_nothing_can_be_added_to_is_refused_with_the_lines() {
        for text in ["columns: [{name: a}]\n", "{columns: []}\n", "columns: []\n"] {
            let draft = draft(&["a", "b"]);
            let error = draft.added_to(text, "schemas/gold/x.yaml").unwrap_err();
            assert!(
                error.render().contains("- {name: b, data_type: varchar}"),
                "{text}"
            );
        }
        let whole = draft(&["a"]).added_to("columns: [{name: a}]\n", "x");
        assert_eq!(whole.unwrap(), None);
    }

    #[test]
    fn words_that_yaml_would_misread_are_quoted() {
        assert_eq!(quoted("decimal(9,2)"), "\"decimal(9,2)\"");
        assert_eq!(quoted("Said \"no\": never"), "\"Said \\\"no\\\": never\"");
        assert_eq!(quoted("Day of birth."), "Day of birth.");
        assert_eq!(quoted("12 months"), "\"12 months\"");
    }
}
