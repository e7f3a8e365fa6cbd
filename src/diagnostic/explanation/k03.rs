//! Codes K03xx: SQL; K0354 and on: exports that are packed, or in forms of other tools.

use super::{Code, Explanation};

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: Code(301),
        title: "not SQL",
        text: "The parser stopped at the place shown. kilde speaks DataFusion's SQL in DuckDB's dialect; of what comes before\n\
               the place, a missing comma or parenthesis is the usual cause.",
    },
    Explanation {
        code: Code(302),
        title: "not one query",
        text: "A SQL file is a step: one `select` (with its `with`), whose result is the table of the file's name. kilde creates,\n\
               fills and publishes tables; DDL, DML, `copy` and `set` have no place.",
    },
    Explanation {
        code: Code(303),
        title: "an unknown column",
        text: "No table of this `from` has the column. Sources have the columns of their contract, steps those of their query.\n\
               Names without quotes are read in lower case.",
    },
    Explanation {
        code: Code(304),
        title: "a column of several tables",
        text: "Say whose it is: `people.customer_id`. A join `using (customer_id)` makes one column of both.",
    },
    Explanation {
        code: Code(305),
        title: "an unknown function",
        text: "kilde has DataFusion's functions and its own (`normalize_email`, `to_utc` …). `current_time` is left out on purpose:\n\
               a table must not depend on the machine's clock; `now()` and `today()` answer with `$as_of`.",
    },
    Explanation {
        code: Code(306),
        title: "wrong arguments",
        text: "The function exists, but not for this number or these types of arguments. Cast them: `cast(x as bigint)`, or\n\
               `try_cast(x as bigint)` where values that are none shall become null.",
    },
    Explanation {
        code: Code(307),
        title: "neither grouped nor aggregated",
        text: "With `group by`, each column of the select list is one that is grouped by, or one value made of many by an\n\
               aggregate. `group by all` groups by every column that is not aggregated.",
    },
    Explanation {
        code: Code(308),
        title: "a name that occurs twice",
        text: "A table's columns have names of their own, and so have the tables of a `from`.",
    },
    Explanation {
        code: Code(309),
        title: "an operator over types that do not go together",
        text: "Cast one side. A condition of `where`, `on` or `having` is a boolean.",
    },
    Explanation {
        code: Code(310),
        title: "an unknown variable",
        text: "`$name` is a variable of `vars` in kilde.yaml (or of `--vars`), or `$as_of`: the date and time that the release\n\
               speaks of. A variable is text; SQL types it where it stands, or `cast($name as bigint)` does.",
    },
    Explanation {
        code: Code(311),
        title: "a statement that cannot be run",
        text: "It is SQL and its types are right, but the engine has no way to compute it: nearly always a subquery that refers\n\
               to the query around it by something else than equality. Written as a join it runs.",
    },
    Explanation {
        code: Code(312),
        title: "a statement that cannot be planned",
        text: "The engine refuses the statement for the reason shown, without saying more of the place.",
    },
    Explanation {
        code: Code(313),
        title: "a column without a name",
        text: "A column that is computed needs a name: `count(*) as orders`. Names are lower-case letters, digits and `_`, so that\n\
               every reader can write them without quotes. Columns whose names start with `_kilde_` are kilde's own and are\n\
               left out of what a step publishes.",
    },
    Explanation {
        code: Code(314),
        title: "a column of a type that no table can hold",
        text: "Published tables hold `varchar boolean integer bigint double decimal(p,s) date timestamp`, lists and structs of\n\
               them: what every reader of Delta tables knows.",
    },
    Explanation {
        code: Code(315),
        title: "a column of the contract that the query does not yield",
        text: "A contract that lists columns is the whole truth. Yield the column, or take it out of the contract: readers of a\n\
               published table are told either way.",
    },
    Explanation {
        code: Code(316),
        title: "a column that is not in the contract",
        text: "A contract that lists columns is the whole truth. Add the column to it, or leave it out of the query\n\
               (`select * exclude (x)`).",
    },
    Explanation {
        code: Code(317),
        title: "a column of another type than the contract's",
        text: "kilde casts by itself only where no value is rounded: between integers, to a decimal of at least the same scale,\n\
               an integer to a double. All else is written in the query, so that a reader sees it: `cast(x as decimal(12,2))`.\n\
               A value that does not fit fails the build.",
    },
    Explanation {
        code: Code(318),
        title: "a union of unequal width",
        text: "The sides of a `union` are put together by position, so they have the same number of columns.",
    },
    Explanation {
        code: Code(319),
        title: "a statement that is too large",
        text: "Plans are walked level by level, so a statement has limits: 1,000 operators in one expression (those of conditions\n\
               joined by `and` and `or` count once), 200 levels of nesting, 200 `select`s, and 1,000 tables read, those of a\n\
               common table expression once for each place that reads it. Lists (`in (…)`), the branches of a `case` and\n\
               columns are not limited. Put many values into a seed and join with it; make what is read several times a step\n\
               of its own.",
    },
    Explanation {
        code: Code(320),
        title: "a function that answers differently on each run",
        text: "Equal exports, project and `$as_of` give equal tables; `random()` and `uuid()` would break that, and with it\n\
               rebuilding only what changed. Derive ids from keys (`md5(source || ':' || id)`), draw samples by a hash.",
    },
    Explanation {
        code: Code(321),
        title: "text used as something else",
        text: "SQL casts text to a number, date or boolean where it meets one, and the first value that is none fails the build.\n\
               `try_cast` makes such values null; a type in the source's contract rejects their records.",
    },
    Explanation {
        code: Code(322),
        title: "limit without an order",
        text: "Tables have no order, and rows arrive by chance of threads: which rows a `limit` or `distinct on` keeps is another\n\
               each time. Order by something in which no two rows tie: end it with the key.",
    },
    Explanation {
        code: Code(323),
        title: "an aggregate without an order",
        text: "`array_agg`, `string_agg`, `first_value` and their kind depend on the order of rows, and tables have none.\n\
               Write the order inside: `string_agg(name, ', ' order by name)`.",
    },
    Explanation {
        code: Code(324),
        title: "a window without an order",
        text: "`row_number`, `rank`, `lag` and their kind mean a place in an order: `over (partition by … order by …)`.",
    },
    Explanation {
        code: Code(325),
        title: "not in over values that may be null",
        text: "`x not in (1, null)` is never true: one null in the subquery and the query yields nothing. `not exists` says what is\n\
               meant; a subquery whose column is tested `not_null`, or filtered `is not null`, is fine.",
    },
    Explanation {
        code: Code(326),
        title: "a date of the wrong zone",
        text: "`$as_of` is an instant, by default the midnight that began today in the project's time zone; its date in UTC is\n\
               yesterday's east of Greenwich. `today()` is the date in the project's zone.",
    },
    Explanation {
        code: Code(327),
        title: "a text column is cast",
        text: "`cast` ends the build on the first value that does not fit. `try_cast` turns such values into null, and a\n\
               `not_null` test with `at_most` bounds how many. Best is a type in the source's contract: the record is then\n\
               rejected with file, line and rule. An expression around the column (`nullif(x, '')`) is not doubted.",
    },
    Explanation {
        code: Code(328),
        title: "money as double",
        text: "A double holds 0.1 as 0.1000000000000000055…, so sums of cents drift and comparisons fail. A `decimal(18,2)` is\n\
               exact, and literals like `1.25` are decimals here. Columns ending in amount, price, revenue, cost, fee are meant.",
    },
    Explanation {
        code: Code(329),
        title: "whole numbers divided",
        text: "`7 / 2` is 3 here, as in Postgres, and 3.5 in DuckDB. `x * 1.0 / y` gives a decimal.",
    },
    Explanation {
        code: Code(330),
        title: "a test, key or layout of no column",
        text: "The table has the columns of its contract or, without one, of its query. This is none of them.",
    },
    Explanation {
        code: Code(331),
        title: "a test's condition with a variable",
        text: "`where:` of a test is a plain condition over the table's columns. A test that needs variables is written as SQL.",
    },
    Explanation {
        code: Code(332),
        title: "an aggregate that only comes near",
        text: "`approx_median` and its kind keep a digest that depends on which rows came first, and rows arrive by chance of\n\
               threads. `median`, `quantile_cont` and `count(distinct x)` are exact, and the same on every run.",
    },
    Explanation {
        code: Code(333),
        title: "a row number among rows that may tie",
        text: "Of two rows that are equal in everything a window is partitioned and ordered by, either may come first, another on\n\
               each run. kilde knows keys and `unique` tests: end the order with the key, `order by changed_at desc, order_id`.\n\
               Where what you order by is unique already, say so in the contract: `data_tests: [unique]`.",
    },
    Explanation {
        code: Code(340),
        title: "not a function of SQL",
        text: "A file of `sql/functions/` defines one function or several, separated by `;`:\n\
               `create function net(amount decimal(12, 2), vat_rate decimal(4, 2)) returns decimal(12, 2)\n\
               as cast(amount / (1 + vat_rate / 100) as decimal(12, 2));`\n\
               Every argument and the result have a type; the body is one expression, no query and no text.",
    },
    Explanation {
        code: Code(341),
        title: "a function's name is taken",
        text: "A name means one thing in every statement, so a function of the project cannot stand in for one of kilde's,\n\
               and two files cannot define the same.",
    },
    Explanation {
        code: Code(342),
        title: "the body of a function cannot be what it is",
        text: "A call must mean the same wherever it stands: the body knows its arguments alone, no variable, no time, no other\n\
               rows. What it needs is given as an argument (`net(amount, $as_of)`); aggregates and windows stand in the query\n\
               that calls it. Its type is that which it promises, or is cast to it.",
    },
    Explanation {
        code: Code(343),
        title: "a function that calls itself",
        text: "A function stands for its expression, which is put in place of the call: a circle would never end.",
    },
    Explanation {
        code: Code(350),
        title: "a unit test of a source",
        text: "A unit test runs the SQL of a step over the rows that it gives. A source has none: its exports are held to its contract.",
    },
    Explanation {
        code: Code(351),
        title: "a unit test gives what its step does not read",
        text: "`given` names tables that the step reads, directly or through ephemeral steps. Rows of any other would be ignored.",
    },
    Explanation {
        code: Code(352),
        title: "a unit test without its date",
        text: "The step depends on `$as_of`, by name or through `now()` and `today()`. A test that does not say when it speaks of\n\
               would pass today and fail next month: give it `as_of`.",
    },
    Explanation {
        code: Code(353),
        title: "a value of a unit test that is not of its column's type",
        text: "Values are kept as text (`NO`, `01234`, `+46…` survive) and typed by the column. Timestamps without an offset are\n\
               UTC; decimals must fit their digits; lists are `[…]`, structs `{field: value}`.",
    },
    Explanation {
        code: Code(354),
        title: "an archive of several files, or of none",
        text: "An export may be a ZIP archive of one file; folders and what macOS adds do not count. Where an archive holds several,\n\
               `member` of the source says which is read: `member: orders*.csv`. It must be one in each archive. Several sources\n\
               may read the same archive, each its own file. Where several files of an archive are exports of one source, `files`\n\
               names them: `files: dump_*.zip!orders*.csv`; an archive in which none matches is refused.",
    },
    Explanation {
        code: Code(356),
        title: "an export is no Avro container",
        text: "`read: avro` takes files of records that begin with their schema (object container files). This one begins otherwise,\n\
               has a schema that cannot be, is packed by a codec that kilde does not read (it reads deflate, snappy, zstandard and\n\
               bzip2), or a block of it is cut off or damaged: the message says at which byte of the content the block begins.\n\
               Where the next record would stand nobody knows, so nothing of the export was taken.",
    },
];
