//! One JSON Schema for the three kinds of files, and the reference of all keys, both from the shapes themselves.

use schemars::generate::SchemaSettings;
use serde_json::{Value as Json, json};

use super::raw::{Decode, RawPipelineFile, RawProjectFile, RawSchemaFile};

/// The JSON Schema (draft 2020-12) of a project's files: one document, one definition per kind of file, chosen by
/// `$defs`: `ProjectFile` (kilde.yaml), `PipelineFile` (pipelines/*.yaml), `SchemaFile` (schemas/*/*.yaml).
pub(crate) fn json_schema() -> String {
    let document = document();
    // a map of known keys cannot fail to print
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn document() -> Json {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let kinds = [
        RawProjectFile::schema(&mut generator),
        RawPipelineFile::schema(&mut generator),
        RawSchemaFile::schema(&mut generator),
    ];
    let definitions = generator.take_definitions(true);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kilde: kilde.yaml, pipelines/*.yaml, schemas/*/*.yaml",
        "anyOf": kinds,
        "$defs": definitions,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write;

    use super::*;

    const FILES: &[(&str, &str)] = &[
        ("ProjectFile", "`kilde.yaml`"),
        ("PipelineFile", "`pipelines/<name>.yaml`"),
        ("SchemaFile", "`schemas/<schema>/<table>.yaml`"),
    ];

    fn keys_of(definition: &Json) -> Vec<String> {
        definition["properties"]
            .as_object()
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default()
    }

    #[test]
    fn the_schema_knows_exactly_the_keys_that_are_decoded() {
        let document = document();
        for (name, keys) in [
            ("ProjectFile", RawProjectFile::KEYS),
            ("PipelineFile", RawPipelineFile::KEYS),
            ("SchemaFile", RawSchemaFile::KEYS),
        ] {
            let mut expected: Vec<String> = keys.iter().map(ToString::to_string).collect();
            expected.sort();
            let mut found = keys_of(&document["$defs"][name]);
            found.sort();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn every_reference_of_the_schema_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#/$defs/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["$defs"].get(name).is_some(), "{name}");
        }
    }

    /// docs/keys.md is this text; `KILDE_COMPLETE=1` writes it.
    #[test]
    fn the_reference_of_all_keys_is_up_to_date() {
        let expected = reference();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/keys.md");
        if std::env::var_os("KILDE_COMPLETE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == expected,
            "docs/keys.md is out of date: run the tests with KILDE_COMPLETE=1"
        );
    }

    fn reference() -> String {
        let document = document();
        let mut text = String::from(
            "# All keys of the YAML files\n\n\
             Written from the shapes that decode the files (`src/project/raw`); `kilde schema` prints the same as JSON Schema.\n\
             **bold** keys must be written. What is *not in this version* parses, is checked and is then refused with `K0190`.\n\
             A word that needs no settings may stand alone: `not_null` is `not_null: {}`.\n",
        );
        let mut shown: Vec<String> = Vec::new();
        for (name, title) in FILES {
            write!(text, "\n## {title}\n").unwrap();
            let mut waiting = vec![(*name).to_string()];
            while let Some(name) = (!waiting.is_empty()).then(|| waiting.remove(0)) {
                if shown.contains(&name) {
                    continue;
                }
                let definition = &document["$defs"][&name];
                if !FILES.iter().any(|(file, _)| *file == name) {
                    write!(text, "\n### {name}\n").unwrap();
                }
                section(&mut text, definition, &mut waiting);
                shown.push(name);
            }
        }
        text
    }

    fn section(text: &mut String, definition: &Json, waiting: &mut Vec<String>) {
        if let Some(about) = definition["description"].as_str() {
            write!(text, "\n{about}\n").unwrap();
        }
        let map = definition["anyOf"]
            .as_array()
            .map_or(definition, |forms| &forms[0]);
        let required: Vec<&str> = map["required"]
            .as_array()
            .map(|names| names.iter().filter_map(Json::as_str).collect())
            .unwrap_or_default();
        let word = if definition.get("anyOf").is_some() {
            "one of"
        } else {
            "key"
        };
        write!(text, "\n| {word} | value | meaning |\n|---|---|---|\n").unwrap();
        let properties: BTreeMap<&String, &Json> = map["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .collect();
        for (key, property) in properties {
            let shown = if required.contains(&key.as_str()) {
                format!("**`{key}`**")
            } else {
                format!("`{key}`")
            };
            let meaning = property["description"].as_str().unwrap_or_default();
            let meaning = meaning.replace("Not in this version.", "*Not in this version.*");
            let value = kind(property, waiting);
            writeln!(
                text,
                "| {shown} | {value} | {} |",
                meaning.replace('|', "\\|")
            )
            .unwrap();
        }
    }

    /// What a value looks like, in a few words; definitions that it names wait for their section.
    fn kind(property: &Json, waiting: &mut Vec<String>) -> String {
        if let Some(reference) = property["$ref"].as_str() {
            let name = reference.trim_start_matches("#/$defs/").to_string();
            let link = format!("[{name}](#{})", name.to_lowercase());
            waiting.push(name);
            return link;
        }
        if let Some(words) = property["enum"].as_array() {
            let words: Vec<String> = words
                .iter()
                .filter_map(Json::as_str)
                .map(|w| format!("`{w}`"))
                .collect();
            return words.join(" ");
        }
        if let Some(forms) = property["anyOf"].as_array() {
            let many = forms.iter().any(|form| form["type"] == "array");
            let first = kind(&forms[0], waiting);
            return if many {
                format!("{first}, or a list")
            } else {
                let second = kind(&forms[1], waiting);
                format!("{first} or {second}")
            };
        }
        match property["type"].as_str() {
            Some("array") => format!("list of {}", kind(&property["items"], waiting)),
            Some("object") => match property.get("additionalProperties") {
                Some(value) => format!("map of name → {}", kind(value, waiting)),
                None => "no settings".into(),
            },
            Some("boolean") => "`true` `false`".into(),
            Some(_) => "text".into(),
            None => match property["type"].as_array() {
                Some(types) if types.iter().any(|of| of == "integer") => "number or text".into(),
                Some(_) => "text".into(),
                None => "—".into(),
            },
        }
    }
}
