//! Codes K04xx.

use super::Explanation;
use crate::diagnostic::Code;

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: Code(401),
        title: "an export lacks a column of its contract",
        text: "\
The header of the export (or the schema of the Parquet file) has none of the names that the contract
expects for a column. A sender who renames or drops a column changes what the table means, so nothing
of the export is taken. If the column was renamed, add its new name to `aliases` in the contract: old
exports still read, and none is read again. If it is gone for good, remove it from the contract; if it
may come and go, say `drift: {missing: ignore}` at the source, and it is null where it is not there.
Columns that the contract does not name are ignored and named; their order is free: `drift` says otherwise.",
    },
    Explanation {
        code: Code(402),
        title: "an export cannot be decompressed to its end",
        text: "\
The gzip stream ends too early or is damaged: most often the upload broke off. Records that could be
read are not taken either, since nobody knows how many are missing. Ask the sender to deliver the
export again. The same is said of one that is packed twice: an archive may hold one packed file, and
nothing else is unpacked a second time. And it is said where more than 250 times its size and more
than 512 MB come out of an export, as out of a bomb: a text that many rows of a Parquet file or a sheet
share counts for each of them.",
    },
    Explanation {
        code: Code(403),
        title: "an export is no Parquet file",
        text: "\
The source is read as Parquet, but the file has no valid footer, or a column of it has a type that no
contract type can hold. Check `read` of the source and what the sender writes. A file of zero bytes
is taken as an export without a record.",
    },
    Explanation {
        code: Code(404),
        title: "an export changed or went while it was read",
        text: "\
Size, time or version of the object were not the same after reading as before. Nothing of it was
taken. Its sender is probably still writing: build again later.",
    },
    Explanation {
        code: Code(405),
        title: "an export is UTF-16 without saying so, or no text",
        text: "\
Every second byte of the export is NUL: it is UTF-16, without the byte order mark by which kilde tells it. Say
`encoding: utf-16` at the source. An export of NUL bytes only lost its content on the way, as files do when a
disk is full or a machine goes down.",
    },
    Explanation {
        code: Code(406),
        title: "an export names a column twice",
        text: "\
The header holds a name that the contract asks for more than once, so that nobody can say which of
the fields is meant. Ask the sender for distinct names, or skip the header with `skip_lines: 1` and
`header: false`: then columns are taken in the order of the contract.",
    },
    Explanation {
        code: Code(407),
        title: "the header of an export cannot be read",
        text: "\
The first line has a quote that does not close, or is longer than `limits.line`. Most often
`delimiter`, `quote` or `skip_lines` of the source do not fit the export.",
    },
    Explanation {
        code: Code(408),
        title: "a test of a source's contract cannot be held",
        text: "\
`not_null`, `accepted_values`, `matches` and `range` in a source's contract are held record by record:
what fails one is a reject. Their values are typed by their column (dates as 2026-03-01, decimals with
a point); one of them cannot be read so, or a pattern is no regular expression.",
    },
    Explanation {
        code: Code(409),
        title: "the path of an export gives a column no value of its type",
        text: "\
A pattern such as `crm/{country}_{exported_on:%Y%m%d}.csv` fills the contract's columns of the same
names. The text that it captured is no value of the column's type. Change the pattern, or the type.",
    },
    Explanation {
        code: Code(410),
        title: "a source needs a key",
        text: "\
`load: changes` keeps the newest record of each key, so its contract must name a `key`. (`append` needs
none; `replace` compares whole rows where there is none.)",
    },
    Explanation {
        code: Code(412),
        title: "more records were rejected than the source allows",
        text: "\
The rejects of all new exports of the source, counted together, exceed `rejects: {at_most: …}`. Nothing
was published. `kilde rejects TABLE --candidate RUN` lists them with file, line and reason. Mend the
sender, the contract, or the limit.",
    },
    Explanation {
        code: Code(420),
        title: "an export holds no JSON array",
        text: "\
`read: {json: …}` takes one document that is an array, or holds one where `path` leads (`data.items`: keys
from the outermost in). The export begins with something else, has nothing there, has it twice, or goes on
after its end. One object a line, without brackets around them, is `ndjson`.",
    },
    Explanation {
        code: Code(421),
        title: "a JSON document was cut off",
        text: "\
The export ends before the bracket that closes its array. Nobody knows how many records are missing, so none
was taken. A single broken element within a whole document is a reject instead, and the others are read.",
    },
    Explanation {
        code: Code(422),
        title: "an export is no Excel workbook",
        text: "\
`read: {xlsx: …}` takes workbooks in the format of Excel 2007 and later (`.xlsx`, `.xlsm`). An old `.xls`, a
workbook with a password, or a CSV with the wrong name is none. A file of zero bytes is taken as an export
without a record.",
    },
    Explanation {
        code: Code(423),
        title: "a workbook has no such sheet",
        text: "\
`sheet` of the source names a tab that the workbook does not have; upper and lower case count. Without
`sheet`, the first that is not hidden is read.",
    },
    Explanation {
        code: Code(424),
        title: "a workbook is too large",
        text: "\
The texts of a workbook lie apart from its rows and must be held in memory whole; beyond 256 MB the export is
refused. Let the sender write CSV or Parquet, which are read in pieces of any size.",
    },
    Explanation {
        code: Code(425),
        title: "the name of a file of an archive holds control characters",
        text: "\
An export is called by its path, in the ledger, in receipts and in every message; a line break or a sign that steers
a terminal has no place there. The file is told by its name with such signs written out (`orders\\n.csv`), counts
as one that cannot be read, and the other files of its archive are exports as ever. Let its sender choose a plain
name, or go on without it: `kilde exports skip`.",
    },
    Explanation {
        code: Code(430),
        title: "the newest export of a source is too old",
        text: "\
`freshness: {error_after: …}` bounds the age of the newest export: the time captured from its path, else
the time of the file, against the clock. Ask the sender. With `on_error: hold` at the source, everything
else is built meanwhile; without it nothing is, since the tables would look newer than they are.",
    },
    Explanation {
        code: Code(431),
        title: "an export that must be read again is not ready",
        text: "\
All exports of the source must be read again (its contract changed, say), and one that is loaded is being
written anew, as `ready` of the source tells. To read half of it, or to go on without it, would lose rows.
Build again when its sender is done.",
    },
    Explanation {
        code: Code(432),
        title: "an export is much smaller than the one before it",
        text: "\
With `load: replace` the newest export is the whole truth: what it lacks is deleted. An export with under
80 % of the records of the last one loaded is more often half an upload, a broken query, or a filter that
somebody forgot. Nothing of it was taken. If it is right, `kilde build --accept TABLE` takes it, and the
next one is compared with it. If it is wrong, `kilde exports skip FILE --why TEXT` goes on without it. A
good export that comes later ends the matter by itself: the small one then changes nothing.",
    },
    Explanation {
        code: Code(433),
        title: "a pinned model that does not fit what is compared",
        text: "\
A model holds for the columns, the comparisons of them and the pins (`pin:`) that it was trained for. Where the
contract of the records, `compare` or `pin` says otherwise now, `kilde match train --write FILE` trains another and shows what it would
change; without `model:` the next build trains one by itself.",
    },
    Explanation {
        code: Code(435),
        title: "`model` names no model",
        text: "\
`model: matching/customer_ids.json` in a match step names a file of the project, from the folder of kilde.yaml, as
`kilde match train --write FILE` or `kilde match model --json` writes it. Its shares may be changed by hand; they
lie between 0 and 1.",
    },
    Explanation {
        code: Code(436),
        title: "`--retrain` names a table that no match step makes",
        text: "\
Models belong to match steps, and are named by the table of ids: what stands behind `table:` in `- match:`.",
    },
    Explanation {
        code: Code(437),
        title: "`--retrain` of a model that a file pins",
        text: "\
With `model: FILE` builds use the model of that file and train none, so that what decides who is who changes only
with a change of the project. `kilde match train TABLE --write FILE` writes another; take the key away to let builds
train their own.",
    },
    Explanation {
        code: Code(438),
        title: "a match that does not fit into memory",
        text: "\
Records are compared as numbers, and the texts behind them are in memory once: some hundred bytes a record, as
`kilde plan` says beforehand. `--memory-limit` bounds what a build takes, and a match takes its part of that or is
refused; it is never killed half done. `kilde match evaluate` and a sample of `kilde review` take all ids and all pairs
that were weighed likewise; `kilde why` reads the records that it is asked about, and the model. Raise the limit, or
compare fewer columns.",
    },
    Explanation {
        code: Code(446),
        title: "values that many people share, unknown to the model of a match",
        text: "\
A model knows from its training which e-mails, phones and addresses belong to a shop or a call centre and say
nothing of a person. One that came later it takes for somebody's own: strangers who share it look alike, and the
review fills with them. `kilde query \"select * from identity.customer_ids_model where part = 'late_shared_value'\"`
counts the records of each, and over the records

    select email, count(*) from silver.people group by email having count(distinct given_name) > 20

names them. Make them null where the records are made, or train another model: `kilde match train` shows what it
would change, `kilde build --retrain TABLE` uses it.",
    },
    Explanation {
        code: Code(447),
        title: "a comparison of a match that cannot be learnt",
        text: "\
A match learns from the records how often pairs of one person, of relatives and of strangers agree on each
comparison. Where not two of more than a hundred records have a value, it would weigh them by a guess on the day
when values come. Name the comparisons that count under `compare`, without this one; say what its levels weigh, all
but one of them:

    pin:
      levels:
        - {comparison: phone, level: equal, m_probability: 0.8, u_probability: 1e-6}
        - {comparison: phone, level: one slip, m_probability: 0.05, u_probability: 1e-5}

or pin a model, `model: FILE`, that was trained where the values are.",
    },
    Explanation {
        code: Code(448),
        title: "a model of a match that does not say all",
        text: "\
A row of the table of a model misses a number that every model has: the table was changed by something else than
kilde, or made by a first version of it. `kilde build --retrain TABLE` trains another.",
    },
    Explanation {
        code: Code(449),
        title: "a pin of what a match does not compare",
        text: "\
`pin: {levels: …}` in a match step names levels of comparisons as `kilde match model` names them: the comparison
after its column or its meaning (`email`, `given_name`), the level in words (`equal`, `different`). Levels of
`compare` follow from its settings: `alike from 0.95`, `within 10 km`.",
    },
    Explanation {
        code: Code(450),
        title: "pins of a match that cannot hold together",
        text: "\
Of one comparison m of all levels add up to 1, and u likewise: levels that are not pinned share what the pinned ones
leave, so those must leave something. A weight is log2 of m / u: with `match_weight` both shares of its level
follow from what the other levels leave. So of one comparison pin weights or probabilities, each level once, and leave
one level without a weight.",
    },
    Explanation {
        code: Code(451),
        title: "a refinement of blocks that refines nothing",
        text: "\
`block: [{on: [postcode], refine: [birth_date], over: 500}]` splits each block of more than `over` records by the date
of birth. What all records of a block agree on splits none, and a block of one record needs no split.",
    },
    Explanation {
        code: Code(452),
        title: "a table that cannot be corrected",
        text: "\
`- correct: {table: …, of: bronze.crm_customers, corrections: …}` puts values that people know better in the place of
those of a table. A correction names a record by the `key` of the table's contract, and its value becomes what the
contract says of the column: so the contract declares both, and a column beside the key. A table is corrected by one
step, which as many others as want to can read. `corrected_columns` is a name of the step's own.",
    },
    Explanation {
        code: Code(453),
        title: "corrections that do not say enough",
        text: "\
A row of corrections says in `table`, `key`, `column` and `value` which value of which record is another one, and in
`on` since when, for the newest of a cell stands. `on` is a `date` or a `timestamp`: texts have another order than the
days that they write. The contract declares these columns. `by` and `reason` are shown where there are such columns.",
    },
    Explanation {
        code: Code(454),
        title: "a match would make a table with two columns of one name",
        text: "\
The tables of a match have columns of their own beside the key of the records and the id: `weight`, `verdict`,
`agreement` and `reason` beside pairs, with the key once more as `other_…`; `event`, `other_id`, `records_count` and
`occurred_at` beside ids. A key that has such a name gets another one in SQL, before the match; for the id `entity_id`
names another.",
    },
    Explanation {
        code: Code(460),
        title: "`drift` asks for what cannot be",
        text: "\
Each key of `drift` has modes of its own: `added` is `ignore`, `evolve`, `reject_file` or `fail`; `missing` is
`ignore`, `reject_file` or `fail`; `reordered` is `accept`, `reject_file` or `fail`; `retyped` is `reject`,
`reject_file` or `fail`. Columns are told by the names in a header: exports without one (`header: false`) have
none, and records of JSON may each have other keys, so that only `retyped` and an `added` key can be watched there.",
    },
    Explanation {
        code: Code(461),
        title: "an export has a column that its contract does not know",
        text: "\
The source says `drift: {added: reject_file}` or `fail`, so that nobody sends columns which nobody asked for.
Nothing of the export was taken. Add the column to the contract, or let the sender leave it out. With `ignore`
it is named once and passed over; with `evolve` the table keeps it as text until the contract says what it is.",
    },
    Explanation {
        code: Code(462),
        title: "an export has its columns in another order",
        text: "\
The source says `drift: {reordered: reject_file}` or `fail`. Columns with a header are found by their names, so
that their order does no harm to kilde; a sender who moves them may have moved their values too. Nothing of the
export was taken. The order is that of the contract, columns that one of them does not have left out.",
    },
    Explanation {
        code: Code(463),
        title: "a column of an export is of another type",
        text: "\
The source says `drift: {retyped: reject_file}` or `fail`, and half of the export's records or more have a value
in this column that does not fit its `data_type`: another form of dates, a decimal comma, a text where a number
was. Nothing of the export was taken. With `reject`, the default, each such record is a reject and the others
are taken, up to `rejects: {at_most: …}`.",
    },
    Explanation {
        code: Code(464),
        title: "an `action` where no record is judged",
        text: "\
`not_null`, `accepted_values`, `matches` and `range` of a source are rules that each record is held to as it comes:
`action: reject` (the default) makes a reject of one that breaks it, `warn` takes it and reports it, `fail`
refuses its export. Tests of steps, `unique` and tests with `severity`, `at_most` or `where` judge the table
as a whole, once it is there: they have a `severity`, and no `action`.",
    },
    Explanation {
        code: Code(465),
        title: "an alias that names no column, or two",
        text: "\
`aliases` are other names that exports give a column, tried where none of `from` (or its own name) is there. A
name can mean one column only; a column that comes from the path, or from an export without a header, has no
name in the export at all.",
    },
    Explanation {
        code: Code(466),
        title: "a record breaks a rule that fails its export",
        text: "\
The rule says `action: fail`: one record that breaks it is reason enough to take nothing of the source's new
exports, as `on_error` says. `kilde rejects TABLE --candidate RUN` shows the records. Ask the sender, or skip the
export (`kilde exports skip FILE --why TEXT`), or let the rule say `reject`.",
    },
    Explanation {
        code: Code(467),
        title: "rejects that cannot be replayed",
        text: "\
`kilde rejects replay TABLE` reads only the exports again of which records were rejected, and takes for given that
the mended contract would read the others as they were read. That is so for a unit, a form of dates or a rule more;
it is not for other columns, types, or another key: then all exports are read again, by `kilde build`. Nor is there
anything to replay where no record is rejected, or the files are gone.",
    },
    Explanation {
        code: Code(470),
        title: "a JSON document is broken outside its array",
        text: "\
What stands around the array of records is no JSON: a comma too many, a word that is none, a key without a
value. A broken element of the array is a reject; here nobody can say whether the array itself is whole, or
is the one that `path` means, so that nothing was taken. Ask the sender to deliver it again.",
    },
    Explanation {
        code: Code(480),
        title: "`--from` names no folder",
        text: "\
`kilde init --from FOLDER` looks into a folder of files that nobody described yet and writes a project over
them. A single file belongs into a folder, too: tomorrow's will lie beside it.",
    },
    Explanation {
        code: Code(481),
        title: "the new project would lie among the files that it reads",
        text: "\
A project's own files and its lake must not lie in the folder of its exports: a later look would take them
for exports. Name a folder beside it, or the folder above: `kilde init --from exports .`",
    },
    Explanation {
        code: Code(482),
        title: "no file of the folder is a table",
        text: "\
`kilde init --from` reads CSV and its kin, JSON (documents and lines), Excel (.xlsx), Avro and Parquet, packed by
gzip, zstd or bzip2 or not, in ZIP archives too, also in folders below. Old .xls workbooks must be saved as
.xlsx, and those within archives of several files unpacked.
`kilde profile FOLDER` says of each file what it is.",
    },
];
