//! How SQL writes names and texts, for all who write SQL: whatever they hold, they say what they are and nothing more.
//!
//! In: one `&str`. Out: SQL text. Knows no dialect: every engine that reads these tables takes both forms.

/// A name of a column or table in double quotes.
pub(crate) fn name_sql(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a value.
pub(crate) fn literal_sql(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_within_are_doubled_and_end_nothing() {
        assert_eq!(name_sql(r#"a"b"#), r#""a""b""#);
        assert_eq!(literal_sql("o'clock"), "'o''clock'");
        assert_eq!(literal_sql(r"a\'b"), r"'a\''b'");
    }
}
