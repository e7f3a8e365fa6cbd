//! Codes K08xx: tables, their logs and files.

use super::Explanation;
use crate::diagnostic::Code;

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: Code(801),
        title: "a foreign tool brought the table into a form that kilde does not read",
        text: "kilde reads and writes Delta tables of reader version 1, which every tool understands. Deletion vectors,\n\
               column mapping and later features change what a file means: reading on would give wrong rows without a sign.\n\
               Undo the change with the tool that made it (it stands in the table's log), or restore the version that the\n\
               last release names.",
    },
    Explanation {
        code: Code(802),
        title: "a table's log cannot be read",
        text: "An entry of `_delta_log` is gone or is not what the Delta protocol allows. kilde never deletes entries that\n\
               a kept release needs, so a foreign hand did: restore the folder from a backup, or make the table anew:\n\
               `kilde build --rebuild TABLE`.",
    },
    Explanation {
        code: Code(803),
        title: "a partition column holds an empty text",
        text: "Partition values are names of folders, and to the Delta protocol an empty one is null: the value would come\n\
               back as another. Use `nullif(column, '')` in the query, or do not partition by the column.",
    },
    Explanation {
        code: Code(804),
        title: "a step needs more memory than it may have",
        text: "Sorts, groups and windows spill to disk, and so do joins on a second try, but something in this step does\n\
               not: a `NOT IN` over a nullable column, a cross join, a very wide row. Raise `--memory-limit`, lower\n\
               `--threads` (each gets a share), or rewrite `NOT IN` as `NOT EXISTS`.",
    },
    Explanation {
        code: Code(805),
        title: "a value broke a step",
        text: "The statement is sound, but a value met while it ran is not: a text that is no number, an overflow, a division\n\
               by zero. Values are left out of messages. Use `try_cast`, or test the column one layer earlier.",
    },
    Explanation {
        code: Code(806),
        title: "a column is of a type that kilde does not read",
        text: "A foreign tool changed the table's schema. The types of a contract are varchar, boolean, integer, bigint,\n\
               double, decimal, date, timestamp, and lists and structs of these.",
    },
    Explanation {
        code: Code(807),
        title: "a data file is gone or cannot be read",
        text: "A file that the table's log names is missing or is no Parquet file. kilde deletes no file that a kept release\n\
               needs: look for a foreign VACUUM or clean-up, restore the file, make the table anew with `kilde build\n\
               --full-refresh -s TABLE` (of kilde's own tables: `--rebuild TABLE`), or publish an older release with\n\
               `kilde rollback`.",
    },
    Explanation {
        code: Code(808),
        title: "a step stood still",
        text: "No operator of the step's plan moved for a minute: not a row, not a byte. Either storage keeps a request open\n\
               without an answer, or operators wait for each other, which happens where memory is very short. Run it again;\n\
               raise `--memory-limit` where it stops at the same operator.",
    },
    Explanation {
        code: Code(809),
        title: "spilling to disk failed",
        text: "What does not fit in memory is written to the spill folder, and that is full, or may hold no more. Free space,\n\
               name another folder with `--spill-dir`, or raise `--spill-limit`.",
    },
    Explanation {
        code: Code(810),
        title: "records of a match without a key of their own",
        text: "Every record needs a key that no other has: its id is remembered by it for ever. Name columns that are never\n\
               null and together unique, and let `key:` in the contract of the records test it one step earlier.",
    },
    Explanation {
        code: Code(811),
        title: "a match that would compare too many pairs",
        text: "Pairs are counted exactly before one is made. A value that many records share (a placeholder, a country, a date\n\
               typed to get past a form) makes a block whose pairs grow with its square. Make such values null where the records\n\
               are cleaned, add a column to the rule, raise the limit knowingly, or let a further column split large blocks alone:\n\n    \
               block: [{on: [postcode], refine: [birth_date]}]\n\n\
               splits each block of over 500 records (`over:` says another number) by the date. Records that lack it make no pair\n\
               there. What is still large is split by the next key of `refine`, and refused where there is none.",
    },
    Explanation {
        code: Code(812),
        title: "a match that would rename too many customers",
        text: "Ids are for life: where many records would move to another id at once, something in the records changed that nobody\n\
               meant to change, such as the form of a key. Nothing is published. Where the change is right, raise `max_churn`\n\
               for one build.",
    },
    Explanation {
        code: Code(813),
        title: "a match whose records are named otherwise than before",
        text: "The ids that were issued are remembered by `record_key` under the names of its columns, and by the column of the\n\
               id. With others, no record would be known again and every customer would get another id. A table that SQL made under\n\
               the same name passes its ids on, if it has those columns and names each record once.",
    },
    Explanation {
        code: Code(814),
        title: "a value larger than a table may hold",
        text: "A text or a list that a function makes may have 16 MiB, those of one batch of rows a gigabyte: `lpad`, `rpad`,\n\
               `repeat`, `replace`, `concat`, `||`, `range`, `array_repeat` and their kind ask first. Such a length comes from a\n\
               column that holds something else than was thought; `least(n, 1000)` bounds it.",
    },
    Explanation {
        code: Code(815),
        title: "a value of `must` that holds hundreds of records",
        text: "Equal values in a column of `must` make one person, and more than 500 records of one person are rare: such a value is\n\
               mostly a placeholder, or the number of a shop. Nothing is refused, since a company may have as many. No two of the\n\
               records that `cannot`, `duplicate_free` or a decision keeps apart become one; all others do. Count the records of each\n\
               value where the column comes from, and make it null where it says nothing.",
    },
    Explanation {
        code: Code(850),
        title: "a match that does not say which records to compare",
        text: "Comparing every record with every other grows with the square. Where `compare` names nothing that says who a person\n\
               is, no blocking rule follows from it: write `block`, columns or SQL over them on which two records of one\n\
               entity often agree, such as `[[org_no], [\"substr(name, 1, 4)\", postcode]]`.",
    },
    Explanation {
        code: Code(851),
        title: "comparisons that do not go together",
        text: "Every comparison has a name of its own and at most 12 levels, and there are at most 16: the evidence of two that\n\
               say the same would count twice. Columns that belong together make one comparison: `levels` takes several.",
    },
    Explanation {
        code: Code(853),
        title: "SQL of a match that looks at more than one record",
        text: "Blocking rules and levels are computed once for each record and compared by whether they are equal. Other tables,\n\
               aggregates and windows, variables and `$as_of` belong where the records are made: make a column of it there.",
    },
    Explanation {
        code: Code(854),
        title: "decisions without the columns of a decision",
        text: "A decision names two records and says `same`, `different` or `cannot_say`: the columns of `record_key`, the same\n\
               behind `other_`, and `decision`. `kilde review --csv FILE` writes a file of this form; declare it as an `append`\n\
               source, so that decisions are kept for ever. `decided_at` or `decided_on`, by which the latest counts, is a\n\
               `date` or a `timestamp`: texts have another order than the days that they write.",
    },
    Explanation {
        code: Code(855),
        title: "a decision in words that kilde does not know",
        text: "`decision` is `same`, `different` or `cannot_say`; an empty one is a question that nobody answered yet. Anything\n\
               else could mean either, so the step fails: a decision that is ignored would be worse.",
    },
    Explanation {
        code: Code(856),
        title: "decisions that contradict each other",
        text: "Two stewards decided otherwise of one pair, or A is B, B is C, and A is not C, or `cannot`, or a decision, keeps a\n\
               record of one person from a record of the other that was decided to be the same. What says different wins until people agree. The pairs are in the table of the review, with the reason:\n\
               decide them again; with `decided_at`, or `decided_on`, the latest decision of a pair counts.",
    },
    Explanation {
        code: Code(857),
        title: "a match that was built with other comparisons",
        text: "What was learnt is of the comparisons of the newest release, and the project compares otherwise by now. Build the\n\
               match again, then ask again.",
    },
    Explanation {
        code: Code(858),
        title: "a column that is in a golden record twice",
        text: "Each column of a golden record belongs to one field, whose rules choose the record that gives it. Columns that are\n\
               taken together stand in one field: `{columns: [street, postcode, city]}`. The id is a column already.",
    },
    Explanation {
        code: Code(859),
        title: "a field of a golden record whose settings do not go together",
        text: "Of several columns one record gives all: only the best is taken of them. `list` puts each value of one column there,\n\
               the best by the rules first; `min`, `max`, `sum`, `count`, `any` and `all` take every value, so no rule chooses.\n\
               `as` has a name for each column.",
    },
    Explanation {
        code: Code(860),
        title: "corrections without the columns of a correction",
        text: "A correction names a record and says what a field of its person is: the columns of `record_key`, `field` (a column\n\
               of the records), `value` (as text; empty: there is none) and `corrected_on`, by which the newest counts: a `date`\n\
               or a `timestamp`, since texts have another order than the days that they write. The contract declares them. Make\n\
               the table an `append` source with `rollback: keeps`, so that corrections are kept for ever.",
    },
    Explanation {
        code: Code(861),
        title: "a correction of a column without a declared type",
        text: "Corrections are texts in a spreadsheet; what becomes of them follows from the type of the column in the contract of\n\
               the records. Declare the column there.",
    },
    Explanation {
        code: Code(870),
        title: "a truth that cannot be read",
        text: "`kilde match evaluate --truth FILE` reads who is behind each record: a header with the columns of `record_key` and one\n\
               more, the person's, and below it a row for each record. Commas, semicolons or tabs stand between cells; a cell with\n\
               such a sign or a line break in it stands in double quotes. A row that cannot be read would make all figures wrong,\n\
               so none is left out.",
    },
    Explanation {
        code: Code(871),
        title: "decisions that name records which are not there",
        text: "A decision counts while both of its records are there; one of a record that is gone waits for it. Where the records were\n\
               never gone, their keys are written otherwise: a spreadsheet saved `00100708` as 100708, or a letter is wrong. The files of\n\
               `kilde review` keep such keys behind an apostrophe, which stays there.",
    },
];
