//! A folder → texts → shapes, every file at once; `resolve` then checks them against each other.
//!
//! Files are read and decoded by a few threads, since a thousand small files are mostly waiting and parsing; the result
//! does not depend on their number.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::raw::{self, Mistake, RawPipelineFile, RawProjectFile, RawSchemaFile, Sink};
use super::resolve::{self, blame};
use super::{Project, dbt_folder, jinja};
use crate::diagnostic::{Diagnostic, Severity, SourceFile, Span};
use crate::error::{Error, Result};

/// Folders below a project's are this deep at most; deeper is a loop of links.
const MAX_DEPTH: usize = 8;
/// Files of one folder; beyond, a link leads astray.
const MOST_FILES: usize = 100_000;
/// Bytes of a file of the project.
const LARGEST_FILE: u64 = 32 << 20;
/// SQL here defines functions and makes no table.
const FUNCTIONS: &str = "sql/functions/";
/// Fewer files than this are not worth a thread.
const FILES_PER_THREAD: usize = 32;
const MAX_THREADS: usize = 8;

/// What the command line says of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// `--target`: which of `targets` overrides the project.
    pub target: Option<String>,
    /// `--vars`: these win over the target's and the project's.
    pub vars: BTreeMap<String, String>,
}

/// Every file of a project, decoded one by one.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) root: PathBuf,
    pub(crate) project: (Arc<SourceFile>, Option<RawProjectFile>),
    /// By path; `None` where the file could not be decoded.
    pub(crate) pipelines: Vec<(Arc<SourceFile>, Option<RawPipelineFile>)>,
    pub(crate) schemas: Vec<(Arc<SourceFile>, Option<RawSchemaFile>)>,
    pub(crate) sql: Vec<Arc<SourceFile>>,
    pub(crate) functions: Vec<Arc<SourceFile>>,
    pub(crate) seeds: Vec<Arc<SourceFile>>,
    /// Mistakes within single files.
    pub(crate) found: Vec<Diagnostic>,
}

impl Project {
    /// Reads and checks the project whose `kilde.yaml` lies in `dir`.
    ///
    /// # Errors
    /// `Config`: no `kilde.yaml`, or every mistake of every file as [`Error::diagnostics`], by file and position.
    pub fn load(dir: &Path, variables: &Variables) -> Result<Self> {
        Self::load_with(dir, variables, |_| false)
    }

    /// As [`Project::load`], but a step that still lacks the contract that its readers will want is a doubt, no error:
    /// for commands that help to write it.
    ///
    /// # Errors
    /// As [`Project::load`].
    pub(crate) fn load_drafts(dir: &Path, variables: &Variables) -> Result<Self> {
        Self::load_with(dir, variables, |mistake| {
            let place = mistake.place.as_ref();
            mistake.code == resolve::NO_CONTRACT
                && place.is_some_and(|place| place.file.path.ends_with(".sql"))
        })
    }

    /// As [`Project::load`], but a match step's `model:` that names no model is a doubt, no error, and the step has none: for
    /// the command that trains one.
    ///
    /// # Errors
    /// As [`Project::load`].
    pub(crate) fn load_untrained(dir: &Path, variables: &Variables) -> Result<Self> {
        Self::load_with(dir, variables, |mistake| mistake.code == resolve::NO_MODEL)
    }

    fn load_with(
        dir: &Path,
        variables: &Variables,
        is_forgiven: impl Fn(&Diagnostic) -> bool,
    ) -> Result<Self> {
        let root = std::path::absolute(dir).map_err(|error| {
            Error::config(format!("`{}` is not a folder", dir.display())).caused_by(error)
        })?;
        let files = read(root)?;
        let (project, mut found) = resolve::project(files, variables);
        sort(&mut found);
        for mistake in found.iter_mut().filter(|mistake| is_forgiven(mistake)) {
            mistake.severity = Severity::Warning;
        }
        match project {
            Some(mut project) if found.iter().all(|d| d.severity == Severity::Warning) => {
                project.warnings = found;
                Ok(project)
            }
            _ => Err(Error::from_diagnostics(found)),
        }
    }
}

fn sort(found: &mut [Diagnostic]) {
    found.sort_by_cached_key(|diagnostic| {
        let place = diagnostic.place.as_ref();
        (
            place.map(|place| place.file.path.clone()),
            place.map(|place| place.span),
            diagnostic.code,
        )
    });
}

/// What a file is, by where it lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Project,
    Pipeline,
    Schema,
    Sql,
    Seed,
}

/// One decoded file.
enum Decoded {
    Project(Box<Option<RawProjectFile>>),
    Pipeline(Option<RawPipelineFile>),
    Schema(Option<RawSchemaFile>),
    Sql,
    Seed,
    /// Said to be unreadable; nothing more is known of it.
    Unread,
}

fn read(root: PathBuf) -> Result<Files> {
    if !root.join("kilde.yaml").is_file() {
        return Err(no_project(&root));
    }
    let mut found = Vec::new();
    let mut paths = vec![("kilde.yaml".to_string(), FileKind::Project)];
    for (folder, kind) in [
        ("pipelines", FileKind::Pipeline),
        ("schemas", FileKind::Schema),
        ("sql", FileKind::Sql),
        ("seeds", FileKind::Seed),
    ] {
        let mut listed = Vec::new();
        list(&root, folder, 0, &mut listed).map_err(|error| unlisted(folder, error))?;
        listed.sort();
        for path in listed {
            match accept(&path, kind) {
                Ok(true) => paths.push((path, kind)),
                Ok(false) => {}
                Err(mistake) => found.push(blame(&whole_file(path), Span::default(), mistake)),
            }
        }
    }
    found.extend(dbt_folder::warnings(&root));
    let decoded = decode_all(&root, &paths);
    Ok(gather(root, decoded, found))
}

fn gather(root: PathBuf, decoded: Vec<(Sink, Decoded)>, found: Vec<Diagnostic>) -> Files {
    let nothing = whole_file("kilde.yaml".to_string());
    let mut files = Files {
        root,
        project: (nothing, None),
        pipelines: Vec::new(),
        schemas: Vec::new(),
        sql: Vec::new(),
        functions: Vec::new(),
        seeds: Vec::new(),
        found,
    };
    for (sink, decoded) in decoded {
        files.found.extend(sink.found);
        match decoded {
            Decoded::Project(raw) => files.project = (sink.file, *raw),
            Decoded::Pipeline(raw) => files.pipelines.push((sink.file, raw)),
            Decoded::Schema(raw) => files.schemas.push((sink.file, raw)),
            Decoded::Sql if sink.file.path.starts_with(FUNCTIONS) => {
                files.functions.push(sink.file);
            }
            Decoded::Sql => files.sql.push(sink.file),
            Decoded::Seed => files.seeds.push(sink.file),
            Decoded::Unread => {}
        }
    }
    files
}

fn no_project(root: &Path) -> Error {
    let error = Error::config(format!("no `kilde.yaml` in `{}`", root.display()))
        .code(crate::diagnostic::Code(100));
    if root.join("dbt_project.yml").is_file() {
        return error.help(
            "this is a dbt project: kilde's begins with a `kilde.yaml` (`project`, `raw`, `lake`), \
             models become sql/<schema>/<table>.sql with plain table names",
        );
    }
    error.help("run kilde in the folder of a project, or write `kilde.yaml` with `project`, `raw` and `lake`")
}

/// Paths of every visible file below a folder, from the project's root; a folder that is not there holds none.
fn list(root: &Path, folder: &str, depth: usize, paths: &mut Vec<String>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let path = format!("{folder}/{name}");
        let kind = entry.file_type()?;
        let is_folder = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
        if !is_folder {
            paths.push(path);
        } else if kind.is_symlink() && leads_above(&entry.path(), root)? {
            return Err(std::io::Error::other(format!(
                "the symbolic link `{path}` leads to a folder above the project"
            )));
        } else if depth < MAX_DEPTH && paths.len() < MOST_FILES {
            list(root, &path, depth + 1, paths)?;
        }
    }
    Ok(())
}

/// Whether a link leads to a folder in which the project lies: all of it would be read once more, or the whole machine.
fn leads_above(link: &Path, root: &Path) -> std::io::Result<bool> {
    Ok(root.canonicalize()?.starts_with(link.canonicalize()?))
}

fn unlisted(folder: &str, error: std::io::Error) -> Error {
    Error::config(format!("cannot list `{folder}/`"))
        .code(crate::diagnostic::Code(121))
        .caused_by(error)
        .help("remove the link, or give the right to whoever runs kilde")
}

/// Whether a file is one of ours; files of other kinds (a README) are no business of kilde.
fn accept(path: &str, kind: FileKind) -> Result<bool, Mistake> {
    let extension = match kind {
        FileKind::Sql => ".sql",
        FileKind::Seed => ".csv",
        FileKind::Project | FileKind::Pipeline | FileKind::Schema => ".yaml",
    };
    if let (Some(stem), ".yaml") = (path.strip_suffix(".yml"), extension) {
        return Err(Mistake::new(120, "kilde reads `.yaml`, not `.yml`")
            .help(format!("rename it to `{stem}.yaml`")));
    }
    let Some(stem) = path.strip_suffix(extension) else {
        return Ok(false);
    };
    let parts: Vec<&str> = stem.split('/').collect();
    match kind {
        FileKind::Sql if parts.get(1) == Some(&"functions") => match parts.len() {
            3 => Ok(true),
            _ => Err(
                Mistake::new(120, "a function in a folder below `sql/functions/`")
                    .help("move its file to `sql/functions/`"),
            ),
        },
        FileKind::Pipeline if parts.len() != 2 => {
            Err(
                Mistake::new(120, "a pipeline in a folder below `pipelines/`").help(format!(
                    "move it to `pipelines/{}.yaml`",
                    parts[parts.len() - 1]
                )),
            )
        }
        FileKind::Schema | FileKind::Sql | FileKind::Seed if parts.len() != 3 => {
            let folder = parts[0];
            Err(
                Mistake::new(120, "the path does not name a table").help(format!(
                    "the name is the path: `{folder}/<schema>/<table>{extension}`"
                )),
            )
        }
        FileKind::Pipeline => raw::identifier(parts[1], "pipeline").map(|_| true),
        FileKind::Schema | FileKind::Sql | FileKind::Seed => {
            raw::identifier(parts[1], "schema")?;
            raw::identifier(parts[2], "table").map(|_| true)
        }
        FileKind::Project => Ok(true),
    }
}

/// A file of which nothing is shown but the path.
fn whole_file(path: String) -> Arc<SourceFile> {
    Arc::new(SourceFile {
        path,
        text: String::new(),
    })
}

fn decode_all(root: &Path, paths: &[(String, FileKind)]) -> Vec<(Sink, Decoded)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (paths.len() / FILES_PER_THREAD).clamp(1, cores.min(MAX_THREADS));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((path, kind)) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((path.as_str(), decode(root, path, *kind)));
        }
        done
    };
    let mut decoded = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut decoded = work();
        for helper in helpers {
            match helper.join() {
                Ok(done) => decoded.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        decoded
    });
    decoded.sort_by_key(|(path, _)| *path);
    decoded.into_iter().map(|(_, decoded)| decoded).collect()
}

fn decode(root: &Path, path: &str, kind: FileKind) -> (Sink, Decoded) {
    let (file, unreadable) = match read_text(&root.join(path)) {
        Ok(text) => (
            Arc::new(SourceFile {
                path: path.to_string(),
                text,
            }),
            None,
        ),
        Err(mistake) => (whole_file(path.to_string()), Some(mistake)),
    };
    let mut sink = Sink::new(&file);
    if let Some(mistake) = unreadable {
        sink.report(Span::default(), mistake);
        let nothing = match kind {
            FileKind::Project => Decoded::Project(Box::default()),
            FileKind::Pipeline => Decoded::Pipeline(None),
            FileKind::Schema => Decoded::Schema(None),
            FileKind::Sql => Decoded::Sql,
            FileKind::Seed => Decoded::Unread,
        };
        return (sink, nothing);
    }
    let decoded = match kind {
        FileKind::Project => Decoded::Project(Box::new(raw::read(&mut sink))),
        FileKind::Pipeline => Decoded::Pipeline(raw::read(&mut sink)),
        FileKind::Schema => Decoded::Schema(raw::read(&mut sink)),
        FileKind::Sql => {
            let whole = Span {
                start: 0,
                end: file.text.len(),
            };
            jinja::refuse(&file.text, whole, &mut sink);
            Decoded::Sql
        }
        FileKind::Seed => Decoded::Seed,
    };
    (sink, decoded)
}

fn read_text(path: &Path) -> Result<String, Mistake> {
    let unreadable = |error| Mistake::new(121, format!("cannot read the file: {error}"));
    // a pipe or a device may never end
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        let mistake = Mistake::new(121, "this is no file, nor a link to one");
        return Err(mistake.help("remove it, or put the file itself here"));
    }
    if metadata.len() > LARGEST_FILE {
        let mistake = Mistake::new(121, "the file is larger than 32 MB");
        return Err(mistake.help("nobody writes so much: large tables come in as exports"));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        Mistake::new(121, format!("the file is not UTF-8 in line {line}")).help("save it as UTF-8")
    })?;
    // a byte order mark says nothing in UTF-8, and no editor counts it as a column
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_string(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ColumnType, Limit, Load, Read, TestKind, TestSeverity};
    use super::*;
    use crate::diagnostic::explanation;
    use crate::error::ErrorKind;
    use crate::name::TableName;

    const KILDE: &str = "project: nordic_retail
requires: '>=0.1'
time_zone: Europe/Stockholm
raw: exports/
lake: lake/
targets:
  prod: {raw: /data/exports, vars: {country: NO}}
vars: {country: SE, phone: +46701234567, number: 01234, off: NO}
controller: {name: Fjordvik AB, contact: dpo@example.com}
limits: {line: 1MB}
purposes:
  newsletter:
    who: CRM team
    what: offers by e-mail
    why: [fewer irrelevant mails, margin per customer]
    ground: consent
";
    const PIPELINE: &str = "description: One customer.
owner: {name: Customer data, email: customer-data@example.com}
schedule: \"0 2 * * *\"
tags: [nightly]
sources:
  - table: bronze.customers
    files: ['crm/customers_{exported_on:%Y%m%d}.csv.gz', crm/old/*.csv]
    read: {csv: {delimiter: \";\", encoding: windows-1252, decimal: \",\", dates: [\"%d.%m.%Y\"], nulls: [\"\", NULL]}}
    load: replace
    rejects: {at_most: 0.1%}
    tags: crm
steps:
  - sql: gold/*
";
    const BRONZE: &str = "key: customer_id
columns:
  - {name: customer_id, data_type: varchar, from: Kundnr}
  - {name: email, data_type: varchar, personal: email, from: [E-post, Epost]}
  - {name: revenue, data_type: 'decimal(12,2)'}
";
    const GOLD: &str = "description: Everyone.
grain: one row per customer
key: [customer_id]
subject: {customer: customer_id}
purpose: newsletter
partition_by: [country]
rollback: keeps
tags: [core]
columns:
  - {name: customer_id, data_type: varchar, description: Stable for life.}
  - {name: country, data_type: varchar, data_tests: [not_null, accepted_values: {values: [SE, NO]}]}
  - {name: orders_count, data_type: bigint, data_tests: [range: {min: 0}]}
data_tests:
  - not_null: {columns: [customer_id, country], severity: warn}
  - matches: {column: customer_id, pattern: '^c', where: country = 'SE', at_most: 1%}
  - relationships: {columns: [customer_id], to: bronze.customers}
  - row_count: {min: 1}
  - sql: select * from gold.customers where orders_count > 1000
";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn retail() -> tempfile::TempDir {
        folder(&[
            ("kilde.yaml", KILDE),
            ("pipelines/customers.yaml", PIPELINE),
            ("schemas/bronze/customers.yaml", BRONZE),
            ("schemas/gold/customers.yaml", GOLD),
            ("schemas/README.md", "not ours"),
            ("sql/gold/customers.sql", "\u{feff}select 1 as customer_id"),
        ])
    }

    fn load(folder: &tempfile::TempDir, variables: &Variables) -> Project {
        Project::load(folder.path(), variables).unwrap_or_else(|error| panic!("{}", error.render()))
    }

    fn table(name: &str) -> TableName {
        name.parse().unwrap()
    }

    #[test]
    fn a_project_says_what_its_files_say() {
        let folder = retail();
        let project = load(&folder, &Variables::default());
        assert_eq!(project.name, "nordic_retail");
        assert_eq!(project.time_zone, chrono_tz::Europe::Stockholm);
        assert_eq!(project.raw.folder().unwrap(), folder.path().join("exports"));
        assert_eq!(project.max_record_bytes, 1_000_000);
        assert_eq!(project.file_count, 5);
        let source = &project.sources[&table("bronze.customers")];
        assert_eq!(source.load, Load::Replace);
        assert_eq!(source.max_rejects, Some(Limit::Share(0.001)));
        let Read::Csv(csv) = &source.read else {
            panic!("{:?}", source.read)
        };
        assert_eq!(
            (csv.delimiter.as_str(), csv.quote, csv.header_rows),
            (";", Some('"'), 1)
        );
        assert_eq!(csv.conversions.decimal, ',');
        assert_eq!(csv.conversions.nulls, ["", "NULL"]);
        assert_eq!(csv.conversions.zone, chrono_tz::Europe::Stockholm);
        let step = &project.steps[&table("gold.customers")];
        assert_eq!(step.file.text, "select 1 as customer_id");
        assert_eq!(step.declared_at.location(), "pipelines/customers.yaml:13:5");
        assert_eq!(project.tags(&table("gold.customers")), ["core", "nightly"]);
        assert_eq!(project.tags(&table("bronze.customers")), ["crm", "nightly"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_told_of_and_never_read() {
        let folder = retail();
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("schemas/gold/endless.yaml"))
            .unwrap();
        let pipe = folder.path().join("pipelines/pipe.yaml");
        let made = std::process::Command::new("mkfifo").arg(pipe).status();
        assert!(made.unwrap().success());
        let error = Project::load(folder.path(), &Variables::default()).unwrap_err();
        let text = error.render();
        for path in ["schemas/gold/endless.yaml", "pipelines/pipe.yaml"] {
            assert!(text.contains(path) && text.contains("K0121"), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_lake_that_is_a_link_to_the_exports_is_refused() {
        let folder = retail();
        std::fs::create_dir_all(folder.path().join("exports/deep")).unwrap();
        for behind in ["exports", "exports/deep"] {
            let lake = folder.path().join("lake");
            std::os::unix::fs::symlink(behind, &lake).unwrap();
            let error = Project::load(folder.path(), &Variables::default()).unwrap_err();
            assert!(error.render().contains("K0122"), "{}", error.render());
            std::fs::remove_file(lake).unwrap();
        }
    }

    #[test]
    fn a_contract_carries_columns_and_tests_with_their_places() {
        let folder = retail();
        let project = load(&folder, &Variables::default());
        let bronze = &project.contracts[&table("bronze.customers")];
        assert_eq!(bronze.key_names(), ["customer_id"]);
        assert_eq!(bronze.columns[1].from.len(), 2);
        assert_eq!(
            bronze.columns[2].data_type,
            ColumnType::Decimal {
                precision: 12,
                scale: 2
            }
        );
        let gold = &project.contracts[&table("gold.customers")];
        // two of `country`, one of `orders_count`, `not_null` of two columns, four more
        assert_eq!(gold.tests.len(), 9);
        assert_eq!(gold.tests[3].severity, TestSeverity::Warn);
        assert_eq!(gold.tests[5].at_most, Some(Limit::Share(0.01)));
        assert_eq!(gold.tests[5].condition.as_deref(), Some("country = 'SE'"));
        let TestKind::Relationships { fields, .. } = &gold.tests[6].kind else {
            panic!("{:?}", gold.tests[6])
        };
        assert_eq!(fields, &["customer_id"]);
        let TestKind::Sql { query, query_span } = &gold.tests[8].kind else {
            panic!("{:?}", gold.tests[8])
        };
        assert_eq!(&gold.file.text[query_span.start..query_span.end], query);
        let TestKind::AcceptedValues { values, .. } = &gold.tests[1].kind else {
            panic!("{:?}", gold.tests[1])
        };
        assert_eq!(values, &["SE", "NO"]);
    }

    #[test]
    fn variables_are_text_and_the_command_line_wins() {
        let folder = retail();
        let plain = load(&folder, &Variables::default());
        assert_eq!(plain.vars["phone"], "+46701234567");
        assert_eq!(plain.vars["number"], "01234");
        assert_eq!(plain.vars["off"], "NO");
        assert_eq!(plain.vars["country"], "SE");
        let mut variables = Variables {
            target: Some("prod".into()),
            vars: BTreeMap::new(),
        };
        let prod = load(&folder, &variables);
        assert_eq!(
            (prod.vars["country"].as_str(), &*prod.raw.to_string()),
            ("NO", "/data/exports")
        );
        variables.vars.insert("country".into(), "DK".into());
        assert_eq!(load(&folder, &variables).vars["country"], "DK");
    }

    #[test]
    fn a_target_that_is_not_declared_is_refused_with_the_nearest() {
        let folder = retail();
        let variables = Variables {
            target: Some("prd".into()),
            vars: BTreeMap::new(),
        };
        let error = Project::load(folder.path(), &variables).unwrap_err();
        assert_eq!(
            error.diagnostics()[0].help.as_deref(),
            Some("did you mean `prod`?")
        );
    }

    #[test]
    fn a_folder_without_kilde_yaml_is_no_project() {
        let folder = folder(&[("dbt_project.yml", "name: x")]);
        let error = Project::load(folder.path(), &Variables::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.render().contains("error[K0100]: no `kilde.yaml`"));
        assert!(error.render().contains("this is a dbt project"));
    }

    #[test]
    fn a_file_that_is_not_utf8_is_named_with_its_line() {
        let folder = retail();
        let path = folder.path().join("sql/gold/customers.sql");
        std::fs::write(path, b"select 1\nfrom \xe5").unwrap();
        let error = Project::load(folder.path(), &Variables::default()).unwrap_err();
        assert!(
            error.render().contains("not UTF-8 in line 2"),
            "{}",
            error.render()
        );
    }

    #[test]
    fn many_files_give_the_same_on_every_run() {
        let folder = retail();
        for index in 0..200 {
            let root = folder.path();
            std::fs::write(root.join(format!("sql/gold/t{index}.sql")), "select 1 as a").unwrap();
            std::fs::write(
                root.join(format!("schemas/gold/t{index}.yaml")),
                "grian: x\ncolumns: [{name: a, data_type: txt}]\n",
            )
            .unwrap();
        }
        let run = || Project::load(folder.path(), &Variables::default()).unwrap_err();
        let first = run();
        assert_eq!(first.diagnostics().len(), 400);
        for _ in 0..3 {
            assert_eq!(run().render(), first.render());
        }
    }

    /// A code that nothing explains is a dead end for whoever types `kilde explain`.
    #[test]
    fn every_code_of_this_module_is_explained() {
        let mut sources = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        list(root, "src/project", 0, &mut sources).unwrap();
        let code = regex::Regex::new(r"(?:Mistake::new\(\s*|code: |Code\()(\d+)").unwrap();
        let explained: Vec<u16> = explanation::all().map(|e| e.code.0).collect();
        assert!(explained.is_sorted());
        let mut seen = 0;
        for source in sources {
            let text = std::fs::read_to_string(root.join(&source)).unwrap();
            for found in code.captures_iter(&text) {
                let number: u16 = found[1].parse().unwrap();
                assert!(explained.contains(&number), "K{number:04} of {source}");
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
    }
}
