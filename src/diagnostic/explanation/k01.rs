//! Codes K01xx: YAML, names and the project's files.

use super::{Code, Explanation};

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: Code(100),
        title: "no project here",
        text: "kilde looks for `kilde.yaml` in the folder where it runs and in those above. A project needs three keys:\n\
               `project: my_shop`, `raw: exports/` (where exports lie) and `lake: lake/` (where tables go).",
    },
    Explanation {
        code: Code(101),
        title: "not YAML",
        text: "The text cannot be read as YAML, so nothing more is said of this file; the other files are still checked.\n\
               Usual causes: a tab in the indentation, an open quote or bracket, text that contains `: ` without quotes,\n\
               a template (`{{ … }}`), two documents (`---`) in one file.",
    },
    Explanation {
        code: Code(102),
        title: "a key is written twice",
        text: "YAML tools disagree on which of the two counts. Keep one.",
    },
    Explanation {
        code: Code(103),
        title: "another kind of value belongs here",
        text: "A list where a word belongs, a word where a map belongs, a number that is none, or nothing at all.\n\
               Booleans are `true` and `false` only; numbers may be grouped by `_`; percentages and sizes carry their unit.",
    },
    Explanation {
        code: Code(104),
        title: "several keys where one belongs",
        text: "A list item such as a test or a step names one thing: `- range: {min: 0}`. Settings go inside its map,\n\
               a second thing is a second item.",
    },
    Explanation {
        code: Code(105),
        title: "an unknown word",
        text: "The value is one of a few words, and this is none of them. docs/keys.md lists them all.",
    },
    Explanation {
        code: Code(106),
        title: "a key is missing",
        text: "The section cannot mean anything without it. docs/keys.md shows in bold what must be written.",
    },
    Explanation {
        code: Code(107),
        title: "an unknown key",
        text: "kilde never accepts a key that it would then ignore. docs/keys.md and `kilde schema` list all keys;\n\
               an editor that reads the JSON Schema completes them.",
    },
    Explanation {
        code: Code(108),
        title: "a word of dbt",
        text: "kilde uses dbt's words where it means the same, and another form where its files are laid out otherwise:\n\
               one schema file a table, settings at its top, `data_tests` only, plain table names in SQL.",
    },
    Explanation {
        code: Code(109),
        title: "not a name",
        text: "Tables, columns, pipelines, purposes, targets and variables are called `[a-z][a-z0-9_]*`: such names need no\n\
               quotes in any SQL engine, and no escaping in any path. Names that begin with `_kilde_` are kilde's own columns.",
    },
    Explanation {
        code: Code(110),
        title: "a template in SQL",
        text: "SQL in kilde is plain: table names as they are (`from silver.orders`), variables as `$name` from `vars`.\n\
               The order of steps is read from the SQL itself, so that nothing needs a `ref`.",
    },
    Explanation {
        code: Code(111),
        title: "not a data type",
        text: "A contract names types that every reader of a published table knows: varchar boolean integer bigint double\n\
               decimal(p,s) date timestamp list<…> struct<…>. Timestamps are UTC in microseconds.",
    },
    Explanation {
        code: Code(112),
        title: "not a path pattern",
        text: "Paths lie below `raw` (or below `sql/`), with `/` between folders. `*` matches within a folder, `**` across\n\
               folders, `{column}` captures text, `{column:%Y%m%d}` a time, by which the exports are ordered.",
    },
    Explanation {
        code: Code(113),
        title: "not a time format",
        text: "Formats are written as in strftime: `%Y-%m-%d`, `%d.%m.%Y %H:%M:%S`. A date needs a year, a time an hour, and\n\
               `%I` (1 to 12) a `%p` (AM, PM). `%Z` (names of zones, which mean several) and `%f` (nanoseconds: `.5` would be five\n\
               of them) are refused: an offset is `%z`, a fraction `%.f`, as in `%S%.f`.",
    },
    Explanation {
        code: Code(114),
        title: "not a time zone",
        text: "Zones are names of the IANA database, such as `Europe/Stockholm`; they know summer time, an offset does not.",
    },
    Explanation {
        code: Code(115),
        title: "not one character",
        text: "Delimiters, quotes and the like are one ASCII character; decimal and thousands signs one character.",
    },
    Explanation {
        code: Code(116),
        title: "not a regular expression",
        text: "The syntax is that of Rust's regex library: no look-around and no back references, and linear time.",
    },
    Explanation {
        code: Code(117),
        title: "not a cron expression",
        text: "Five fields: minute, hour, day of the month, month, day of the week, in the project's time zone.",
    },
    Explanation {
        code: Code(118),
        title: "another version of kilde",
        text: "`requires` in kilde.yaml does not allow this kilde, or cannot be read as conditions such as `>=0.1, <0.3`.\n\
               Nothing else of the project is judged.",
    },
    Explanation {
        code: Code(119),
        title: "an unknown target",
        text: "`--target` names one of `targets` in kilde.yaml.",
    },
    Explanation {
        code: Code(120),
        title: "a file in the wrong place",
        text: "The name is the path: `sql/<schema>/<table>.sql` makes the table `<schema>.<table>`,\n\
               `schemas/<schema>/<table>.yaml` describes it, `pipelines/<name>.yaml` is a pipeline. YAML files end in `.yaml`.",
    },
    Explanation {
        code: Code(121),
        title: "a file cannot be read",
        text: "It is not UTF-8, larger than 32 MB or no file at all, the system refuses to open it, or a symbolic link leads to a\n\
               folder above the project.",
    },
    Explanation {
        code: Code(122),
        title: "exports within the lake",
        text: "`raw` and `lake` lie within each other: kilde would read its own tables as exports, or write among them.",
    },
    Explanation {
        code: Code(123),
        title: "an unknown purpose",
        text: "Purposes are declared once, in kilde.yaml: who uses data, for what and why, on which legal ground.",
    },
    Explanation {
        code: Code(124),
        title: "an unknown column",
        text: "A key, a partition, a subject or a test names a column that the contract does not declare.",
    },
    Explanation {
        code: Code(125),
        title: "a column twice",
        text: "A column is declared or named twice where once is meant.",
    },
    Explanation {
        code: Code(126),
        title: "settings that do not fit each other",
        text: "Each is right alone, not together: two signs of CSV that are the same, a nested column in CSV, `from` on a\n\
               table that SQL makes, a partition by a type that is no folder's name.",
    },
    Explanation {
        code: Code(127),
        title: "a test that does not fit",
        text: "The test cannot say anything of a column of this type, or no value could ever pass it.",
    },
    Explanation {
        code: Code(128),
        title: "a value of another type",
        text: "Values in `accepted_values` and `range` are text in YAML and typed by their column: the text is no such value.",
    },
    Explanation {
        code: Code(129),
        title: "a table to publish that does not exist",
        text: "`publish: {parquet: [gold.*]}` names tables, or globs over `schema.name`, that are also kept as one whole Parquet\n\
               file each below `<lake>/latest/`. No table of the project has that name.",
    },
    Explanation {
        code: Code(130),
        title: "a contract that lacks something",
        text: "A source is read as its contract says, so that needs columns; `load: changes` keeps the newest record per key,\n\
               so that needs a key.",
    },
    Explanation {
        code: Code(131),
        title: "a captured column that is not declared",
        text: "`{column}` in a path fills a column of the contract. A captured time may be left undeclared: it gives the order.",
    },
    Explanation {
        code: Code(132),
        title: "a secret in a location",
        text: "The URL of `raw` or `lake` holds a user, a password, a signature or what looks like one. kilde.yaml is read by\n\
               everybody who works on the project, so keys do not belong there: credentials come from the environment or, on\n\
               S3, from a profile. docs/storage.md lists the variables. A key that was committed should be replaced.",
    },
    Explanation {
        code: Code(140),
        title: "a table made twice",
        text: "A table has one maker: one source or one SQL file.",
    },
    Explanation {
        code: Code(141),
        title: "a step without files",
        text: "A `- sql:` step names files below `sql/`, and none is there: a misspelt folder would otherwise drop steps silently.",
    },
    Explanation {
        code: Code(142),
        title: "a SQL file that no pipeline owns",
        text: "Each SQL file belongs to one pipeline, which gives it an owner and a schedule: add it to its `steps`.",
    },
    Explanation {
        code: Code(143),
        title: "a SQL file that two steps own",
        text: "Each SQL file belongs to one pipeline, by one of its steps.",
    },
    Explanation {
        code: Code(144),
        title: "a contract of nothing",
        text: "The schema file describes a table that no source fills and no SQL file makes. Usually one of the names is misspelt.",
    },
    Explanation {
        code: Code(145),
        title: "a table without a contract",
        text: "Sources need one, since it says how their exports are read; so does every table of `gold`, since people read it.",
    },
    Explanation {
        code: Code(146),
        title: "a schema of kilde's own",
        text: "`ops` holds kilde's history and `latest` the copies of published tables; `published` is how a query names what is\n\
               published while a candidate stands in its place.",
    },
    Explanation {
        code: Code(147),
        title: "an unknown table",
        text: "`relationships`, `keeps` or an exposure names a table that nothing makes.",
    },
    Explanation {
        code: Code(148),
        title: "two exposures of one name",
        text: "An exposure is selected and told of by its name, so a project has each name once; case, spaces and signs make no\n\
               difference, since `exposure:power_bi_sales_weekly` selects `Power BI «Sales weekly»`.",
    },
    Explanation {
        code: Code(150),
        title: "a seed that cannot be taken apart",
        text: "A seed is a small reference table that is a file of the project: `seeds/ref/countries.csv` is `ref.countries`.\n\
               It is UTF-8 with commas; its first line names the columns, every line has as many cells, a comma or a quote\n\
               within a cell needs quotes around it. An empty cell is null. What people export belongs among the exports.",
    },
    Explanation {
        code: Code(151),
        title: "a file or folder of dbt",
        text: "kilde reads kilde.yaml, pipelines/, schemas/, sql/ and seeds/, and what these name. A dbt project may live in the same\n\
               folder, but none of its models is built here.",
    },
    Explanation {
        code: Code(152),
        title: "changes with a gap",
        text: "`unreadable: warn` leaves an export that cannot be read out, and loads those that came after it. Under `append` nothing\n\
               is lost by that: it is read once it is mended. Under `load: changes` the table would meanwhile be one that never\n\
               was. There, `reject_file` refuses the source, as `on_error` says, and a person decides with `kilde exports skip`\n\
               whether to go on without the export.",
    },
    Explanation {
        code: Code(160),
        title: "two unit tests of one name",
        text: "A failing test is named by its table and its own name, so a contract has each name once.",
    },
    Explanation {
        code: Code(161),
        title: "a fixture that is not there",
        text: "`{csv: …}` and `{parquet: …}` of a unit test name a file below the project's root. CSV is UTF-8 with a header.",
    },
    Explanation {
        code: Code(162),
        title: "a fixture that is no CSV",
        text: "Fixtures are plain CSV: a header, commas, quotes doubled within quotes. An empty cell is null, `\"\"` is empty text.",
    },
    Explanation {
        code: Code(163),
        title: "a Delta table that is not replaced",
        text: "An export of `read: {delta: {…}}` is one version of the table, read whole: what a version lacks is gone. So only\n\
               `load: replace` says what it means. Under `append` each version would add all rows once more.",
    },
    Explanation {
        code: Code(164),
        title: "which version is meant",
        text: "`version: 12` and `timestamp: 2026-03-01` each pin the version of a Delta table that is read. A time is a day, a\n\
               moment in `zone`, or one with a zone of its own; versions are as old as the files of their entries in the log. Times\n\
               that a table keeps within its entries (`delta.enableInCommitTimestamps`) are not asked: there, pin `version`.",
    },
    Explanation {
        code: Code(165),
        title: "several Delta tables",
        text: "`files` of a source with `read: {delta: {…}}` names the folder of one table, the one that holds `_delta_log`. Two\n\
               tables are two sources: each has versions of its own, and the newest of one says nothing about the other. The\n\
               source fails, or is held; `kilde exports skip FOLDER/_delta_log` goes on without a table.",
    },
    Explanation {
        code: Code(166),
        title: "a marker beside a Delta table",
        text: "A sender writes the entry of a version into the log of a Delta table at once, when all its files are there: there\n\
               is no half version to wait for, and no file beside an entry that could say that it is whole. `quiet_for` still\n\
               waits until a version has some age.",
    },
    Explanation {
        code: Code(167),
        title: "files of archives, said twice",
        text: "`files: dump_*.zip!orders*.csv` makes each file of an archive that matches an export of its own. `member` says of an\n\
               archive, which is then the export, what its content is: a source says one of the two. A Delta table is a folder, not\n\
               a file of an archive.",
    },
    Explanation {
        code: Code(190),
        title: "not in this version",
        text: "The key or the step is part of kilde's language and parses, but what it asks for is not built yet.\n\
               kilde refuses it, since a promise that is accepted and not kept is worse than none.",
    },
    Explanation {
        code: Code(191),
        title: "a Delta table that cannot be read",
        text: "kilde reads the Parquet files of a version whole, by the names of their columns. It refuses what it would read\n\
               wrongly: files of which a deletion vector takes rows (`REORG TABLE … APPLY (PURGE)` writes them anew; or\n\
               `delta.enableDeletionVectors = false`), columns that have other names in the files (column mapping), shallow\n\
               clones, and features of readers that it does not know. A data file that is gone was taken by a VACUUM.",
    },
    Explanation {
        code: Code(192),
        title: "no such version",
        text: "The log of the Delta table lacks the version that `version` or `timestamp` asks for: it is still to come, or was\n\
               cleaned away before it was read. Without either the newest is read. The source fails, or is held. A version that\n\
               the table in the lake holds already may be cleaned away: nobody needs its entry until all is read again.",
    },
];
