//! A folder of unknown files → the tables in it: files that are one table from day to day belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::delta;
use super::join::{Join, joins};
use super::look::{Looked, look};
use super::path::{Shape, shape_of};
use super::place::Place;
use super::table::{Form, TableProfile, TableSketch};
use crate::diagnostic::printable;
use crate::error::{Error, Result};
use crate::ingest::Archive;

/// Folders below the one that is looked into.
const DEEPEST: usize = 8;
/// Files of one folder; beyond, the folder is most likely the wrong one.
const MOST_FILES: usize = 20_000;
/// Endings of names of files that nobody sends as data.
const NO_DATA: [&str; 27] = [
    "md", "pdf", "doc", "docx", "ppt", "pptx", "png", "jpg", "jpeg", "gif", "svg", "html", "htm",
    "yaml", "yml", "toml", "py", "sql", "sh", "log", "lock", "ini", "xml", "exe", "dll", "7z",
    "rar",
];
/// Names of texts that tell people about the other files.
const FOR_PEOPLE: [&str; 7] = [
    "readme",
    "read_me",
    "read me",
    "license",
    "licence",
    "notice",
    "changelog",
];

/// What was found at a path.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) tables: Vec<TableProfile>,
    pub(crate) joins: Vec<Join>,
    pub(crate) skipped: Vec<Skipped>,
}

/// A file that is no table, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Skipped {
    pub(crate) path: String,
    pub(crate) why: String,
}

/// Looks at a file, at a Delta table, or at every file and table of a folder.
///
/// # Errors
/// `Config` where there is no such path, or no table in it; `Input` where the one file or table asked for cannot be read.
pub(crate) async fn find(root: &Path) -> Result<Found> {
    let is_folder = root.is_dir();
    if !is_folder && !root.is_file() {
        let what = match root.exists() {
            true => format!("`{}` is neither a file nor a folder", root.display()),
            false => format!("there is no file or folder `{}`", root.display()),
        };
        return Err(Error::config(what));
    }
    let name = || {
        let name = root.file_name().unwrap_or_default();
        (name.to_string_lossy().into_owned(), root.to_path_buf())
    };
    let mut here = Gathered::default();
    let is_delta_table = delta::is_table(root);
    match (is_folder, is_delta_table) {
        (true, true) => here.delta_tables.push(name()),
        (true, false) => here.gather(root, "", &mut Vec::new())?,
        (false, _) => here.files.push(name()),
    }
    let Gathered {
        files,
        mut delta_tables,
        mut skipped,
    } = here;
    let files = in_archives(files, &mut skipped);
    if files.len() + skipped.len() > MOST_FILES {
        return Err(Error::config(format!(
            "`{}` holds more than {MOST_FILES} files",
            root.display()
        ))
        .help("name the folder in which the exports lie"));
    }
    delta_tables.sort();
    let mut groups: BTreeMap<Shape, Vec<(String, Place)>> = BTreeMap::new();
    for (path, place) in files {
        groups
            .entry(shape_of(&path))
            .or_default()
            .push((path, place));
    }
    let groups = super::path::merged(groups);
    let mut tables = Vec::new();
    for (shape, files) in &groups {
        let others = groups.iter().filter(|(other, _)| *other != shape);
        let mut others = others.flat_map(|(_, files)| files);
        let is_theirs_alone = !shape.takes_others(others.by_ref().map(|(path, _)| path.as_str()));
        let mut found = tables_of(shape, files, &mut skipped);
        if !is_theirs_alone {
            found.iter_mut().for_each(|table| table.shape = None);
        }
        tables.extend(found);
    }
    for (path, folder) in delta_tables {
        match delta::look(&folder, &path).await {
            Ok(table) => tables.push(table.profile(&path)),
            Err(error) => skipped.push(Skipped {
                path,
                why: why_unreadable(&error),
            }),
        }
    }
    let is_one = !is_folder || is_delta_table;
    if let ([], [only], true) = (&tables[..], &skipped[..], is_one) {
        let what = if is_folder { "folder" } else { "file" };
        return Err(
            Error::input(format!("the {what} is no table: {}", only.why))
                .at(root.display().to_string()),
        );
    }
    let joins = joins(&tables);
    Ok(Found {
        tables,
        joins,
        skipped,
    })
}

/// What lies in a folder and below it.
#[derive(Debug, Default)]
struct Gathered {
    files: Vec<(String, PathBuf)>,
    /// Folders of Delta tables; what lies in them is theirs.
    delta_tables: Vec<(String, PathBuf)>,
    skipped: Vec<Skipped>,
}

impl Gathered {
    /// `around`: the folders in which it lies, that of the search first, as they are called without links.
    fn gather(&mut self, folder: &Path, below: &str, around: &mut Vec<PathBuf>) -> Result<()> {
        let unreadable = |error| {
            Error::config("a folder cannot be read")
                .at(folder.display().to_string())
                .caused_by(error)
        };
        let entries = match std::fs::read_dir(folder) {
            Err(error) if !around.is_empty() => {
                self.skip(
                    below.to_string(),
                    &format!("the folder cannot be read: {error}"),
                );
                return Ok(());
            }
            entries => entries.map_err(unreadable)?,
        };
        around.push(dunce::canonicalize(folder).map_err(unreadable)?);
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = match below {
                "" => name.clone(),
                below => format!("{below}/{name}"),
            };
            let file = entry.path();
            // a link may lead to a folder of these, or around them
            let is_around = |file: &Path| {
                let target = dunce::canonicalize(file);
                target.is_ok_and(|target| around.iter().any(|folder| folder.starts_with(&target)))
            };
            if name.starts_with('.') || self.files.len() + self.skipped.len() > MOST_FILES {
                continue;
            } else if name.starts_with("~$") {
                self.skip(path, "somebody has it open in Excel");
            } else if file.is_dir() && delta::is_table(&file) {
                self.delta_tables.push((path, file));
            } else if file.is_dir() && is_around(&file) {
                self.skip(path, "a link to a folder in which it lies");
            } else if file.is_dir() && around.len() > DEEPEST {
                self.skip(path, "too deep below the folder");
            } else if file.is_dir() {
                self.gather(&file, &path, around)?;
            } else if let Some(why) = why_no_data(&name) {
                self.skip(path, why);
            } else if file.exists() && !file.is_file() {
                // whoever opened a pipe would wait for its writer
                self.skip(path, "neither a file nor a folder");
            } else {
                self.files.push((path, file));
            }
        }
        around.pop();
        self.skipped.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(())
    }

    fn skip(&mut self, path: String, why: &str) {
        self.skipped.push(Skipped {
            path,
            why: why.to_string(),
        });
    }
}

/// An error in one line, with what lies under it.
pub(super) fn why_unreadable(error: &Error) -> String {
    let causes = error.causes();
    let told = std::iter::once(error.to_string()).chain(causes);
    told.collect::<Vec<_>>().join(": ")
}

/// Why nobody sends a file of that name as data.
fn why_no_data(name: &str) -> Option<&'static str> {
    let Some((stem, ending)) = name.rsplit_once('.') else {
        return Some("no ending that says what it is");
    };
    let ending = ending.to_lowercase();
    let is_for_people = ending == "txt" && FOR_PEOPLE.contains(&stem.to_lowercase().as_str());
    let is_none = is_for_people || NO_DATA.contains(&ending.as_str());
    is_none.then_some("no data, by its name")
}

/// All files in order, and in place of archives of several files those that lie in them. Archives that are called alike are one
/// kind, even if some nights bring one file.
fn in_archives(files: Vec<(String, PathBuf)>, skipped: &mut Vec<Skipped>) -> Vec<(String, Place)> {
    let archives = files
        .iter()
        .filter_map(|(path, file)| Some((path.clone(), parts_of(path, file)?)));
    let archives: BTreeMap<String, Vec<String>> = archives.collect();
    let several = archives.iter().filter(|(_, parts)| parts.len() > 1);
    let several: BTreeSet<Shape> = several.map(|(path, _)| shape_of(path)).collect();
    let mut all = Vec::new();
    for (path, file) in files {
        let parts = archives.get(&path);
        let Some(parts) = parts.filter(|_| several.contains(&shape_of(&path))) else {
            all.push((path, Place::on_disk(file)));
            continue;
        };
        if parts.is_empty() {
            skipped.push(Skipped {
                path: path.clone(),
                why: "an archive without a file".to_string(),
            });
        }
        for part in parts {
            let name = part.rsplit('/').next().unwrap_or_default();
            let why = match part.contains(char::is_control) {
                true => Some("its name holds control characters"),
                false => why_no_data(name),
            };
            match why {
                Some(why) => skipped.push(Skipped {
                    path: format!("{path}!{}", printable(part)),
                    why: why.to_string(),
                }),
                None => {
                    let place = Place::in_archive(file.clone(), part);
                    all.push((format!("{path}!{part}"), place));
                }
            }
        }
    }
    all.sort();
    all
}

/// The names of the files in an archive whose files a source can name; a workbook is none.
fn parts_of(path: &str, file: &Path) -> Option<Vec<String>> {
    if !path.to_lowercase().ends_with(".zip") {
        return None;
    }
    let archive = Archive::open(file).ok()?;
    let parts: Vec<String> = archive.files().into_iter().map(String::from).collect();
    let is_workbook = parts.iter().any(|part| part == "xl/workbook.xml");
    (!is_workbook).then_some(parts)
}

/// The tables of files that are called alike.
fn tables_of(
    shape: &Shape,
    files: &[(String, Place)],
    skipped: &mut Vec<Skipped>,
) -> Vec<TableProfile> {
    let Some((largest, models, files)) = models_of(files, skipped) else {
        return Vec::new();
    };
    let mut profiles = Vec::new();
    for model in models {
        profiles.extend(joined(shape, &model, largest, &files, skipped));
    }
    profiles
}

/// What the largest of some files says of all of them, which file that is, and all but those that are no table.
type Models<'f> = (&'f str, Vec<TableSketch>, Vec<&'f (String, Place)>);

/// The form of files that are called alike: the largest says most about it that is a table at all.
fn models_of<'f>(files: &'f [(String, Place)], skipped: &mut Vec<Skipped>) -> Option<Models<'f>> {
    let mut by_size: Vec<&(String, Place)> = files.iter().collect();
    by_size.sort_by_key(|(_, place)| std::cmp::Reverse(place.size().unwrap_or(0)));
    for (at, (path, place)) in by_size.iter().enumerate() {
        let why = match look(place, path, None) {
            Ok(Looked::Tables(tables)) => {
                let larger: BTreeSet<&str> =
                    by_size[..at].iter().map(|(p, _)| p.as_str()).collect();
                let files = files
                    .iter()
                    .filter(|(path, _)| !larger.contains(path.as_str()));
                return Some((path.as_str(), tables, files.collect()));
            }
            Ok(Looked::Not(why)) => why,
            Err(error) => why_unreadable(&error),
        };
        skipped.push(Skipped {
            path: path.clone(),
            why,
        });
    }
    None
}

/// One table of files that are called alike, and those of files that are none of it. `largest`: the file of the model.
fn joined(
    shape: &Shape,
    model: &TableSketch,
    largest: &str,
    files: &[&(String, Place)],
    skipped: &mut Vec<Skipped>,
) -> Vec<TableProfile> {
    let mut whole: Option<TableSketch> = None;
    let mut last: Option<TableSketch> = None;
    let mut others: Vec<TableSketch> = Vec::new();
    for (path, place) in files {
        let looked = match path == largest {
            true => Ok(Looked::Tables(vec![model.clone()])),
            false => look(place, path, Some(&model.form)),
        };
        let looked = match looked {
            Ok(Looked::Tables(mut tables)) if !tables.is_empty() => Ok(tables.remove(0)),
            Ok(Looked::Tables(_)) => Err(format!("no table like that of {largest}")),
            Ok(Looked::Not(why)) => Err(why),
            Err(error) => Err(why_unreadable(&error)),
        };
        let table = match looked {
            Ok(table) => table,
            Err(why) => {
                skipped.push(Skipped {
                    path: path.clone(),
                    why,
                });
                continue;
            }
        };
        if !is_alike(model, &table) {
            others.extend(alone(place, path, skipped));
            continue;
        }
        match &mut whole {
            None => whole = Some(table.clone()),
            Some(whole) => whole.merge(&table, last.as_ref()),
        }
        last = Some(table);
    }
    let Some(mut whole) = whole else {
        return Vec::new();
    };
    if let (Form::Xlsx(whole), Form::Xlsx(model)) = (&mut whole.form, &model.form) {
        // of the other files that sheet alone was looked at
        whole.is_only = model.is_only;
    }
    // of files in several encodings the one that is no UTF-8 tells how the others are meant
    widen_encoding(&mut whole, &last, model);
    let name = match (&whole.form, whole.files.len()) {
        (Form::Xlsx(form), _) if !form.is_first => {
            format!("{} · {}", shape.pattern(), form.sheet)
        }
        (_, 1) => whole.files[0].path.clone(),
        _ => shape.pattern(),
    };
    let mut profile = whole.profile(&name);
    // a pattern must not match files that are none of the table
    profile.shape = others.is_empty().then(|| shape.clone());
    let others = others
        .iter()
        .map(|other| other.profile(&other.files[0].path));
    std::iter::once(profile).chain(others).collect()
}

/// A file that is no part of the table that its name belongs to.
fn alone(place: &Place, path: &str, skipped: &mut Vec<Skipped>) -> Vec<TableSketch> {
    let why = match look(place, path, None) {
        Ok(Looked::Tables(tables)) => return tables,
        Ok(Looked::Not(why)) => why,
        Err(error) => why_unreadable(&error),
    };
    skipped.push(Skipped {
        path: path.to_string(),
        why,
    });
    Vec::new()
}

/// Whether a file is one more of the same table.
fn is_alike(model: &TableSketch, other: &TableSketch) -> bool {
    let is_same_kind = match (&model.form, &other.form) {
        (Form::Csv(one), Form::Csv(other)) => {
            !one.is_by_position || other.guess.width == one.guess.width
        }
        (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
    };
    if !is_same_kind {
        return false;
    }
    if other.columns.is_empty() || other.rows == 0 {
        return true;
    }
    let has = |name: &str| model.columns.iter().any(|column| column.name == name);
    let common = other
        .columns
        .iter()
        .filter(|column| has(&column.name))
        .count();
    common * 2 >= other.columns.len().max(1)
}

/// The encoding of all files of a table: UTF-8 only where every one of them is.
fn widen_encoding(whole: &mut TableSketch, last: &Option<TableSketch>, model: &TableSketch) {
    use crate::project::Encoding;
    let text = |form: &Form| match form {
        Form::Csv(form) => Some(form.text),
        Form::Ndjson(text) | Form::Json(text, _) => Some(*text),
        Form::Xlsx(_) | Form::Avro | Form::Parquet | Form::Delta => None,
    };
    let seen = [
        text(&model.form),
        last.as_ref().and_then(|last| text(&last.form)),
        text(&whole.form),
    ];
    let other = seen
        .into_iter()
        .flatten()
        .find(|text| text.encoding != Encoding::Utf8);
    if let (Some(other), Form::Csv(form)) = (other, &mut whole.form) {
        form.text = other;
    }
}
