//! `kilde connect duckdb|polars|powerbi`: how to open one release with another tool.

mod duckdb;
mod polars;
mod powerbi;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::format;
use super::options::Options;
use super::style;
use crate::catalog::{Catalog, Content};
use crate::error::{Error, Result};
use crate::location::{Bucket, Location};
use crate::name::{ReleaseNumber, TableName};
use crate::project::Project;
use crate::release::Release;
use crate::store::{Reach, Store};

#[derive(Debug, Args)]
pub(super) struct Connect {
    /// The tool that reads
    #[arg(value_enum)]
    tool: Tool,
    /// Schemas whose tables are opened
    #[arg(short, long, value_name = "SCHEMA", num_args = 1.., default_value = "gold")]
    schema: Vec<String>,
    /// Release to open [default: the newest]
    #[arg(long, value_name = "N")]
    release: Option<u64>,
    /// Where the reader finds the lake: a path such as \\server\lake, or a bucket's URL [default: the lake's own place]
    #[arg(long, value_name = "PLACE")]
    lake: Option<String>,
    /// For Power BI: a query in M that opens exactly the release's files, instead of a .pbids file
    #[arg(long)]
    m: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tool {
    /// A script of views: kilde connect duckdb > kilde.sql && duckdb -init kilde.sql
    Duckdb,
    /// Python: kilde connect polars > lake.py
    Polars,
    /// A file that Power BI opens: kilde connect powerbi > kilde.pbids
    Powerbi,
}

/// One release as a reader opens it.
struct Pinned {
    /// The first line of what is printed: project, release, time.
    title: String,
    release: ReleaseNumber,
    lake: Lake,
    tables: BTreeMap<TableName, PinnedTable>,
}

/// Where the reader finds the lake.
enum Lake {
    /// A folder, as the reader's system writes it.
    Folder(String),
    Bucket(Bucket, Reach),
}

/// One table of it.
struct PinnedTable {
    /// Folder below the lake.
    location: String,
    version: u64,
}

impl Pinned {
    /// Below the lake, as the reader's system writes it.
    fn path(&self, below: &str) -> String {
        match &self.lake {
            Lake::Folder(lake) if lake.contains('\\') => {
                let lake = lake.trim_end_matches(['/', '\\']);
                format!("{lake}\\{}", below.replace('/', "\\"))
            }
            Lake::Folder(lake) => format!("{}/{below}", lake.trim_end_matches('/')),
            // the account stands in a secret or an option, so that one form of the URL does for every tool
            Lake::Bucket(bucket, _) => {
                let bucket = Bucket {
                    account: None,
                    ..bucket.clone()
                };
                format!("{bucket}/{below}")
            }
        }
    }
}

impl Connect {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let catalog = options.catalog(&project)?;
        let release = catalog.release(self.release.map(ReleaseNumber)).await?;
        let pinned = self.pinned(&project, &release)?;
        style::out(&match self.tool {
            Tool::Duckdb => duckdb::script(&pinned),
            Tool::Polars => polars::script(&pinned),
            Tool::Powerbi if self.m => {
                powerbi::query(&pinned, &contents(&catalog, &release, &pinned).await?)?
            }
            Tool::Powerbi => {
                powerbi::check_published(&project, &pinned)?;
                powerbi::pbids(&pinned)?
            }
        });
        Ok(ExitCode::SUCCESS)
    }

    fn pinned(&self, project: &Project, release: &Release) -> Result<Pinned> {
        let mut tables = BTreeMap::new();
        for (name, entry) in &release.tables {
            let version = release.table(name).and_then(|entry| entry.version);
            if let Some(version) = version.filter(|_| self.wants(name)) {
                let location = entry.location.clone();
                tables.insert(name.clone(), PinnedTable { location, version });
            }
        }
        for schema in &self.schema {
            if !tables.keys().any(|table| table.schema() == schema) {
                let schemas: BTreeSet<&str> =
                    release.tables.keys().map(TableName::schema).collect();
                let schemas: Vec<&str> = schemas.into_iter().collect();
                return Err(Error::config(format!(
                    "release {} has no table in schema `{schema}`",
                    release.number
                ))
                .help(format!("`--schema` takes {}", schemas.join(", "))));
            }
        }
        Ok(Pinned {
            title: format!(
                "{}, release {}, published {}",
                project.name,
                release.number,
                format::moment(release.published_at, project.time_zone)
            ),
            release: release.number,
            lake: self.place(project)?,
            tables,
        })
    }

    fn place(&self, project: &Project) -> Result<Lake> {
        let location = match &self.lake {
            Some(lake) if !lake.contains("://") => return Ok(Lake::Folder(lake.clone())),
            Some(lake) => Location::parse(lake, &project.root)
                .map_err(|error| Error::config(error.message).help(error.help))?,
            None => project.lake.clone(),
        };
        Ok(match (Store::reach(&location)?, location) {
            (Some(reach), Location::Bucket(bucket)) => Lake::Bucket(bucket, reach),
            (_, location) => Lake::Folder(location.to_string()),
        })
    }

    fn wants(&self, table: &TableName) -> bool {
        self.schema.iter().any(|schema| schema == table.schema())
    }
}

async fn contents(
    catalog: &Catalog,
    release: &Release,
    pinned: &Pinned,
) -> Result<BTreeMap<TableName, Content>> {
    let mut contents = BTreeMap::new();
    for name in pinned.tables.keys() {
        if let Some(entry) = release.table(name) {
            contents.insert(name.clone(), catalog.content(name, entry).await?);
        }
    }
    Ok(contents)
}
