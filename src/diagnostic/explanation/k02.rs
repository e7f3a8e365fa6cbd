//! Codes K02xx: tables' names, the graph, selection.

use super::{Code, Explanation};

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: Code(201),
        title: "a table without its schema",
        text: "SQL names every table as `schema.table`, as its file does: `sql/silver/people.sql` makes `silver.people`.\n\
               Only names of the query's own `with` stand alone. There are no catalogs, so three parts are too many.",
    },
    Explanation {
        code: Code(203),
        title: "nothing makes this table",
        text: "A table is made by a source of a pipeline (`sources: [{table: …}]`) or by a SQL file that a pipeline names\n\
               (`steps: [{sql: silver/*}]`). This name is neither's. Steps never list their inputs: the SQL says them.",
    },
    Explanation {
        code: Code(204),
        title: "tables read each other in a circle",
        text: "No order exists in which these tables could be made. Usually one of them wants what the other is made of,\n\
               not the other itself: move the shared part to a step of its own that both read.",
    },
    Explanation {
        code: Code(206),
        title: "an input that was never published is not selected",
        text: "A selected step reads the published version of what is not selected, and here there is none.\n\
               `-s +TABLE` also builds everything it is made of.",
    },
    Explanation {
        code: Code(207),
        title: "an ephemeral step that nothing reads",
        text: "An ephemeral step is part of the steps that read it and is never published; without readers it does nothing.",
    },
    Explanation {
        code: Code(208),
        title: "exports to be read again are gone",
        text: "A change of a source's contract or of `read`, or `--full-refresh`, reads all its exports again. So does an export of\n\
               `replace` or `changes` that is retracted or read again, or one of `changes` with new content: what it took the\n\
               place of stands only in the other exports. Some of those that are needed lie no longer in `raw`, so rows would be\n\
               lost. Put the files back, or undo the change or the decision (`kilde exports retract FILE --undo`).",
    },
    Explanation {
        code: Code(209),
        title: "a seed that breaks its contract",
        text: "A seed with a contract has exactly the columns that the contract lists, and every cell is of its column's type:\n\
               dates as `2026-03-01`, decimals with a point and no separators. Nothing is rejected row by row: the file is part\n\
               of the project and is corrected there. Without a contract every column is `varchar`. Lines are not shown, since\n\
               messages hold no data.",
    },
    Explanation {
        code: Code(210),
        title: "a breaking change of a table that people read",
        text: "Gold tables, and whatever an exposure reads, are promises. A column that is dropped or gets another type, or a\n\
               whole table that is no longer published, breaks reports and notebooks that kilde cannot see. A new column breaks\n\
               nobody. The build ends before it reads data. Publish the new column beside the old until readers have moved, or\n\
               say that it is meant: `kilde build --allow-breaking TABLE`. `kilde plan` shows what is additive and what breaks.",
    },
    Explanation {
        code: Code(212),
        title: "a match of columns that its records lack",
        text: "`record_key`, `block`, `must` and `cannot` of a `- match:` step name columns of the table of records.",
    },
    Explanation {
        code: Code(213),
        title: "records of which nothing says what they mean",
        text: "A match compares what the contract of its records says they hold: `personal: email` beside a column is enough\n\
               for it to be read, blocked and compared as an e-mail address. Of several columns of one meaning the first counts.",
    },
    Explanation {
        code: Code(214),
        title: "records that were published and nobody can read again",
        text: "A rollback takes back what exports brought that came after the older release; the next build reads those exports\n\
               again. Some of them lie no longer in `raw`, or what lies there cannot be read any more, so their records would\n\
               vanish without a word. Put the files back as they were, or say that they do not count: `kilde exports skip FILE\n\
               --why TEXT`. The release that loaded them still has their rows: `kilde query --release N`, or `kilde rollback N`\n\
               to it. The same is said of a copy that would count in the place of an export that leaves, and of what was\n\
               loaded before the ledger was lost, where it cannot be read again.",
    },
    Explanation {
        code: Code(218),
        title: "a name that storage does not take",
        text: "Storage lists an export under a path that it cannot open again, such as one with an empty part (`a//b.csv`).\n\
               Rename it, let its sender choose a plain name, or decide: `kilde exports skip PATH --why TEXT`.",
    },
    Explanation {
        code: Code(219),
        title: "an export that could not be read stands in the way",
        text: "A build before this one could not read the export, and it lies there as it was. It was left out then; by what is\n\
               declared now (`unreadable`, `--warn-error`) it must not be, or no later export says what it would have said.\n\
               Nothing is read again to know that. Deliver it again, or decide: `kilde exports skip PATH --why TEXT`.",
    },
    Explanation {
        code: Code(240),
        title: "not a selection",
        text: "A selection is words with spaces between (all that any finds); a word is terms with commas between (what all\n\
               find); a term is a name, `schema.*`, `tag:…`, `path:…`, `source:…`, `pipeline:…` or `state:modified`, with `+`\n\
               before it for what it is made of, behind it for what is made of it, `2+x` and `x+3` for that many steps, or\n\
               `@` before it for both and all that they need.",
    },
    Explanation {
        code: Code(241),
        title: "a selection that finds nothing",
        text: "A misspelt selection must not look like a build with nothing to do. `kilde ls` lists tables, tags and pipelines.",
    },
    Explanation {
        code: Code(242),
        title: "a short name of several tables",
        text: "A table may be called without its schema where only one has the name.",
    },
];
