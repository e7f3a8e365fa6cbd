//! Codes K07xx: releases and storage.

use super::Explanation;
use crate::diagnostic::Code;

pub(super) const CODES: &[Explanation] = &[
    Explanation {
        code: Code(702),
        title: "there is no such folder",
        text: "`raw` must name an existing folder, or a place in a bucket below which something lies; `lake` is\n\
               created by the first build. Relative paths start at the folder of kilde.yaml.",
    },
    Explanation {
        code: Code(703),
        title: "storage does not answer",
        text: "A read or a write failed. The cause is printed below the error: a full disk, missing rights, a\n\
               network that is down. Nothing is lost: the lake shows the old release or the new one. Try again\n\
               once the cause is gone.",
    },
    Explanation {
        code: Code(704),
        title: "this storage cannot carry a lake",
        text: "Before the first build kilde lets 16 writers race for one name, 8 times. Exactly one of them must\n\
               win each time, or two builds could both believe that they published. This storage let more win,\n\
               or none. Use a disk with hard links, or an object store with conditional writes.",
    },
    Explanation {
        code: Code(705),
        title: "the lake was written by a newer kilde",
        text: "Entries of the lake log carry the number of their format, and this one is higher than this kilde\n\
               knows. It can still read releases whose own format it knows. Use the newer kilde to write.",
    },
    Explanation {
        code: Code(706),
        title: "another run holds the lake",
        text: "One run at a time may write to a lake. Exit code 75 tells a scheduler to try again later. A\n\
               run that died is noticed: on a local disk at once, else 30 seconds after its last sign of life.",
    },
    Explanation {
        code: Code(707),
        title: "another run has taken the lake over",
        text: "This run gave no sign of life (a laptop asleep, a frozen virtual machine, a network cut), so\n\
               another one claimed the lake. This run has published nothing and can simply be started again.",
    },
    Explanation {
        code: Code(708),
        title: "it is not known whether something was written",
        text: "Storage took a write and never answered, so it may have happened or may still happen. The next\n\
               command that writes carries on from whichever is true. Nothing is ever half visible.",
    },
    Explanation {
        code: Code(709),
        title: "a table was changed by another tool",
        text: "kilde builds on what it published and tested. Another tool has committed rows or a new schema to\n\
               a table of the lake, so a build would either bury that change or publish it untested. Compactions\n\
               that change no row are followed and never lead here.\n\
               `kilde build --overrule TABLE` publishes the table as kilde made it over the change; the release names the\n\
               version, the tool and the time, and the version stays in the table's log. Rows that were added to the table of\n\
               an `append` source can be taken over: `kilde adopt TABLE`.",
    },
    Explanation {
        code: Code(710),
        title: "a data file is missing or cut short",
        text: "A file that a release needs is not there or has another size: deleted by hand, by a foreign\n\
               vacuum, or lost by the disk. Nothing is published over it. Restore the file from a copy of the\n\
               lake, or make the table anew: `kilde build --rebuild TABLE`.\n\
               Where it belongs to a release that is decided and that no reader sees yet, nobody can finish that release without\n\
               the file: a VACUUM without retention deletes what no version names yet. `kilde build --give-up N` gives the release\n\
               up (its number then stands for what the one before it holds) and makes the next one of the exports.",
    },
    Explanation {
        code: Code(711),
        title: "a table's protocol was raised by another tool",
        text: "Another tool switched on a feature of the table format (deletion vectors, column mapping, …) that\n\
               kilde does not write. A protocol cannot be lowered by a commit, so no release can follow. Let\n\
               no build run, and restore the table's folder without that version and what came after it.",
    },
    Explanation {
        code: Code(712),
        title: "the lake is paused after a rollback",
        text: "A rollback means that something was wrong, and the next build would bring it back. So builds wait\n\
               until a person has mended the cause and says `kilde resume`. `kilde plan` lists the exports that\n\
               came in the meantime.",
    },
    Explanation {
        code: Code(713),
        title: "there is no such release",
        text: "Releases are numbered 1, 2, 3… without gaps. Old ones are retired once they are past the\n\
               retention (`keep` in kilde.yaml) and can then no longer be read or rolled back to. One that is decided and not finished is\n\
               not seen yet: `kilde doctor` says what to type. Nor can one be rolled back to of\n\
               which a table was lost and made anew since (`kilde build --rebuild TABLE`): another table lies in its folder.",
    },
    Explanation {
        code: Code(714),
        title: "the lake contradicts itself",
        text: "An object below `_kilde/` or a version in a table's log is missing, damaged or not what the lake\n\
               log says. kilde never changes these once written: somebody or something else did. Restore it from\n\
               a copy of the lake. A table of which a part is lost can be made anew: `kilde build --rebuild TABLE`. A release that is\n\
               decided and cannot be finished is given up, and the next one made: `kilde build --give-up N`. For an entry of the\n\
               lake log only a copy helps.",
    },
    Explanation {
        code: Code(715),
        title: "a file or folder that a source needs cannot be read",
        text: "Its name is not UTF-8, holds a line break or ends in `#` and digits; a symbolic link points to\n\
               nothing, to itself, to a folder above itself or above `raw`, or to more than 100,000 files and\n\
               folders; or it is neither a file nor a folder. Passing over it could\n\
               lose an export, so every source whose `files` may mean it fails, and no other. Rename it, remove\n\
               it, or decide: `kilde exports skip PATH --why TEXT`.",
    },
    Explanation {
        code: Code(716),
        title: "a release is decided, or may be, but not yet visible",
        text: "The lake log says that the release will exist (or storage never answered whether it does), but\n\
               something failed before every table showed it.\n\
               Readers still see the release before, whole. The next command that writes carries it out; mend the\n\
               cause that is printed below the error first.",
    },
    Explanation {
        code: Code(717),
        title: "a release that is no longer kept",
        text: "\
Releases stay readable for as long as `keep:` in kilde.yaml says (30 days, unless it says otherwise), counted from when the
next one was published; `kilde maintain` then gives their space back. They cannot be read, compared or rolled back to any
more. `kilde releases` lists those that can; `ops.releases` remembers the others.",
    },
    Explanation {
        code: Code(718),
        title: "what another tool did cannot be taken over",
        text: "`kilde adopt` takes over rows that were added to the table of an `append` source, tests them as an export's,\n\
               and enters them in the ledger. Tables that kilde makes of other tables are made again by the next build; rows\n\
               of exports that were changed or deleted would contradict the ledger. `kilde build --overrule TABLE` publishes\n\
               the table as kilde made it; to lose the rows of an export, `kilde exports retract` it.",
    },
    Explanation {
        code: Code(719),
        title: "no other tool has changed the table",
        text: "`--overrule` and `kilde adopt` answer a commit of another tool that changed data or columns since the newest\n\
               release. There is none: the name is wrong, or a release has answered it already (`kilde releases show N`).",
    },
    Explanation {
        code: Code(720),
        title: "the bucket lies in another region",
        text: "S3 signs each request for a region, and this bucket lies in another one than AWS_REGION, the profile or, where\n\
               neither says it, us-east-1.",
    },
    Explanation {
        code: Code(721),
        title: "there is no such bucket or container",
        text: "The object store knows no bucket (S3, Google) or container (Azure) of that name, or the endpoint that\n\
               AWS_ENDPOINT_URL or AZURE_STORAGE_ENDPOINT names is another's. kilde creates no buckets.",
    },
    Explanation {
        code: Code(722),
        title: "no credentials for an object store",
        text: "Nothing says who kilde is to the store: no variables of the environment, no profile, and no service of\n\
               the machine that would tell (instance metadata). docs/storage.md lists what is looked at, in its\n\
               order. Credentials never stand in kilde.yaml.",
    },
    Explanation {
        code: Code(723),
        title: "the object store refuses",
        text: "The store answered with 401 or 403, or says that a token has expired or is none: wrong keys, a clock that\n\
               is wrong, or rights that are missing. docs/storage.md lists the rights that a builder and a reader need.\n\
               A store that may not list a bucket refuses also where an object merely does not exist.",
    },
    Explanation {
        code: Code(724),
        title: "a lost table that no build can make again",
        text: "`kilde build --rebuild TABLE` makes a table anew whose folder, log or files are lost. SQL makes again what it\n\
               made, and a source what its exports still bring; ids that were given, consents, decisions and kilde's own\n\
               history (`ops`) come from nowhere else. Restore the folder from a copy of the lake, every file of it. Where there\n\
               is none, `--rebuild TABLE --accept TABLE` gives up what the message names.",
    },
    Explanation {
        code: Code(725),
        title: "nothing to make anew",
        text: "`--rebuild` is for tables of the newest release whose folder, log or files are lost. This one is whole, in no\n\
               release, or left out by the selection. To compute a table that is whole once more: `--full-refresh -s TABLE`.",
    },
    Explanation {
        code: Code(726),
        title: "the rest of a table's log cannot be read",
        text: "Some of the table's log is lost, and what is left is not enough to write a new version on top of it. Older\n\
               releases may still need a part of it, so kilde deletes nothing: look, keep a copy, move the folder out of the\n\
               lake, and build once more with `--rebuild TABLE`.",
    },
    Explanation {
        code: Code(727),
        title: "another table lies in a table's folder",
        text: "Each table has an id, in the release and in its own log, and here they differ. The table was lost and made anew\n\
               after that release (`kilde build --rebuild TABLE`), so that the older one can no longer be read; or somebody put\n\
               another folder in its place: restore the right one from a copy of the lake.",
    },
    Explanation {
        code: Code(728),
        title: "the lake has lost what says which lake it is",
        text: "`_kilde/format.json` holds the id by which a lake knows its own commits. It is missing while releases, the lake\n\
               log or tables lie there: the file, or all of `_kilde`, was deleted or not copied. A new id would make strangers of\n\
               all that was published, so nothing is written. Restore `_kilde` from a copy of the lake. To begin anew, name an\n\
               empty place as `lake` in kilde.yaml; every export that lies in `raw` is read again there.",
    },
    Explanation {
        code: Code(729),
        title: "there is nothing to give up",
        text: "`kilde build --give-up N` is for a release that is decided, that readers do not see yet, and of which a part is\n\
               lost. This one stands, is not the newest, or has all its parts: then the next command that writes finishes it.",
    },
    Explanation {
        code: Code(730),
        title: "the release was given up by another run",
        text: "This run had decided a release and gave no sign of life; a part of what it needs was lost meanwhile, and somebody\n\
               gave the release up (`kilde build --give-up N`). No reader has seen anything of it. Build again: what it had read\n\
               is read by the next one.",
    },
    Explanation {
        code: Code(731),
        title: "with the release, records would be lost",
        text: "A release that is given up takes what only it had read with it. Exports that still lie in `raw` are read again by\n\
               the next release; of those that do not, the records are named here, or nothing tells any more which they were. Put\n\
               the exports back, or accept the loss by name: `--accept TABLE`.",
    },
    Explanation {
        code: Code(732),
        title: "a table is ahead of its lake",
        text: "The log of a table shows a release that the lake's own log, `_kilde/log`, does not know. So it is where `_kilde` was\n\
               replaced by an older copy and the tables were not, or where two lakes write into one folder. kilde does not guess\n\
               which of them is right. Restore the whole lake from one copy, `_kilde` and the folders of all tables together; the\n\
               next build reads the exports that came since, as long as they lie in `raw`. Copy lakes whole: docs/operating.md.",
    },
    Explanation {
        code: Code(733),
        title: "a decision about exports is lost",
        text: "What `kilde exports skip`, `retract` and `reload` decide lies in `_kilde/decisions`, numbered without a gap, and no\n\
               command deletes any of it. One is missing: a build that went on without it would load again what somebody took out.\n\
               Restore `_kilde/decisions` from a copy of the lake. Where there is none, decide once more what it said: the next\n\
               decision stands in the missing place too, and builds go on. Exports that the ledger knows it of are named.",
    },
];
