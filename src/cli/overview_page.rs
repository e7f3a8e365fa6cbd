//! `kilde profile --html` of a whole project: what do we have, what is missing, how many people are there really, whom can we
//! not reach. For people without a data team; holds counts, and no value of a person.

use std::fmt::Write as _;

use super::format::{count, plural, share};
use super::page::{bar, document, escaped, section};
use crate::run::{Overview, PeopleCount};

/// The page.
pub(super) fn render(project: &str, overview: &Overview) -> String {
    let title = format!("{project}: what do we have?");
    let mut body = format!("<header><h1>{}</h1></header>\n", escaped(&title));
    body.push_str(&tiles(overview));
    body.push_str(&section(
        "How many people are there really?",
        &people(overview),
    ));
    if let Some(people) = overview.people.as_ref().filter(|people| people.people > 0) {
        body.push_str(&section("Whom can we not reach?", &reach(people)));
    }
    body.push_str(&section(
        "What is there, what is missing?",
        &missing(overview),
    ));
    body.push_str(&section("The files", &sources(overview)));
    document(&title, &body, &format!("release {}", overview.release))
}

fn tile(tiles: &mut String, number: &str, words: &str, class: &str) {
    let _ = write!(
        tiles,
        "<div class=\"tile {class}\"><b>{number}</b><span>{words}</span></div>"
    );
}

fn tiles(overview: &Overview) -> String {
    let mut tiles = String::new();
    if let Some(people) = &overview.people {
        let words = format!("people, in {}", plural(people.records, "record"));
        tile(&mut tiles, &count(people.people), &words, "");
        let class = if people.not_reached > 0 {
            "doubt"
        } else {
            "good"
        };
        let words = "of them without e-mail and phone";
        tile(&mut tiles, &count(people.not_reached), words, class);
    }
    if let Some(purchases) = &overview.purchases {
        tile(&mut tiles, &count(purchases.purchases), "purchases", "");
    }
    let rows = overview.sources.iter().map(|source| source.rows).sum();
    let words = format!("rows in {}", plural(overview.sources.len() as u64, "table"));
    tile(&mut tiles, &count(rows), &words, "");
    format!("<div class=tiles>{tiles}</div>\n")
}

fn people(overview: &Overview) -> String {
    let Some(people) = &overview.people else {
        return "<p>No file was recognised as a list of people: none has a number for each row and, beside it, names, e-mail \
                addresses, phones or the like. If one is, name it in <code>sql/silver/people.sql</code>.</p>\n"
            .to_string();
    };
    let mut rows = String::new();
    let line = |rows: &mut String, number: u64, words: &str| {
        let _ = writeln!(
            rows,
            "<tr><td class=number>{}</td><td>{words}</td></tr>",
            count(number)
        );
    };
    for (register, records) in &people.registers {
        line(
            &mut rows,
            *records,
            &format!("records in <b>{}</b>", escaped(register)),
        );
    }
    let twice = people.records.saturating_sub(people.people);
    if twice > 0 {
        let words = "records of somebody who has another one already";
        let _ = writeln!(
            rows,
            "<tr><td class=number>−{}</td><td>{words}</td></tr>",
            count(twice)
        );
    }
    let mut text = format!(
        "<table>\n{rows}<tr class=sum><td class=number>{}</td><td>people</td></tr>\n</table>\n",
        count(people.people)
    );
    if people.met_again > 0 {
        let _ = writeln!(
            text,
            "<p>{} of them have more than one record.</p>",
            count(people.met_again)
        );
    }
    if people.doubtful > 0 {
        let _ = writeln!(
            text,
            "<p>{} of records may be of one person, or of two: nobody can tell from the files. They count as two.</p>",
            plural(people.doubtful, "pair")
        );
    }
    text
}

fn reach(people: &PeopleCount) -> String {
    let mut rows = String::new();
    let mut line = |words: &str, number: Option<u64>| {
        let Some(number) = number else {
            let _ = writeln!(
                rows,
                "<tr><td>{words}</td><td>no file has it</td><td></td></tr>"
            );
            return;
        };
        let _ = writeln!(
            rows,
            "<tr><td>{words}</td><td class=bar>{}</td><td class=number>{} · {}</td></tr>",
            bar(number, people.people),
            count(number),
            share(number, people.people),
        );
    };
    line("e-mail", people.with_email);
    line("phone", people.with_phone);
    line("street", people.with_street);
    line("<b>neither e-mail nor phone</b>", Some(people.not_reached));
    let mut text = format!("<table>\n{rows}</table>\n");
    if people.by_letter_only > 0 {
        let _ = writeln!(
            text,
            "<p>{} of those can be reached by letter alone.</p>",
            count(people.by_letter_only)
        );
    }
    text.push_str(
        "<p class=faint>Addresses that are none, such as <code>test@test.se</code>, and numbers that cannot be dialled do \
         not count.</p>\n",
    );
    text
}

fn missing(overview: &Overview) -> String {
    let mut rows = String::new();
    let mut line = |what: &str, is_there: bool, words: &str| {
        let (sign, class) = if is_there {
            ("yes", "good")
        } else {
            ("no", "bad")
        };
        let _ = writeln!(
            rows,
            "<tr><td><b>{what}</b></td><td class={class}>{sign}</td><td>{words}</td></tr>"
        );
    };
    let people = overview.people.as_ref();
    match &overview.purchases {
        Some(purchases) => {
            let mut words = plural(purchases.purchases, "purchase");
            if let (Some(first), Some(last)) = (&purchases.first_on, &purchases.last_on) {
                let _ = write!(words, ", {} to {}", escaped(first), escaped(last));
            }
            if let Some(buyers) = people.and_then(|people| people.buyers) {
                let _ = write!(words, "; {} who bought something", plural_people(buyers));
            }
            if purchases.without_customer > 0 {
                let _ = write!(
                    words,
                    "; {} without a customer",
                    count(purchases.without_customer)
                );
            }
            line("Receipts", true, &words);
        }
        None if !overview.purchase_sources.is_empty() => {
            let tables = escaped(&overview.purchase_sources.join(", "));
            let words = format!(
                "in {tables}, and nothing in them says which customer it was. Ask the till or the shop for the customer's number."
            );
            line("Receipts", true, &words);
        }
        None => line(
            "Receipts",
            false,
            "No file holds what was bought, by whom and when. Ask the till, the shop or the books for it: without it nobody knows who your best customers are.",
        ),
    }
    let reached = people.is_some_and(|people| {
        people.with_email.unwrap_or(0)
            + people.with_phone.unwrap_or(0)
            + people.with_street.unwrap_or(0)
            > 0
    });
    match reached {
        true => line("A contact point", true, "see above"),
        false => line(
            "A contact point",
            false,
            "No file holds an e-mail address, a phone or a street that somebody could be reached by.",
        ),
    }
    match &overview.consents {
        Some(consents) => {
            let mut words = plural(consents.words, "answer");
            if !consents.purposes.is_empty() {
                let _ = write!(words, " about {}", escaped(&consents.purposes.join(", ")));
            }
            if let Some(agreed) = people.and_then(|people| people.agreed) {
                let _ = write!(
                    words,
                    "; {} said yes to something and did not take it back",
                    plural_people(agreed)
                );
            }
            line("Consent", true, &words);
        }
        None => line(
            "Consent",
            false,
            "No file says who wants to be written to. Until one does, no offer may be sent. Collect: whose address, for what, yes or no, when.",
        ),
    }
    format!("<table>\n{rows}</table>\n")
}

fn plural_people(number: u64) -> String {
    match number {
        1 => "1 person".to_string(),
        number => format!("{} people", count(number)),
    }
}

fn sources(overview: &Overview) -> String {
    let most = overview
        .sources
        .iter()
        .map(|source| source.rows)
        .max()
        .unwrap_or(0);
    let mut rows = String::new();
    for source in &overview.sources {
        let rejected = match source.rejected {
            0 => String::new(),
            rejected => format!(
                "{} not taken, {}",
                count(rejected),
                share(rejected, source.records)
            ),
        };
        let _ = writeln!(
            rows,
            "<tr><td><b>{}</b><br><span class=faint>{}</span></td><td class=bar>{}</td><td class=number>{}</td><td>{rejected}</td></tr>",
            escaped(&source.table),
            plural(source.files, "file"),
            bar(source.rows, most),
            count(source.rows),
        );
    }
    format!(
        "<table>\n<thead><tr><th>table</th><th></th><th class=number>rows</th><th>lines that broke</th></tr></thead>\n{rows}</table>\n\
         <p class=faint>Why lines were not taken: <code>kilde rejects</code>. What was guessed of each table: its file below \
         <code>schemas/bronze</code>.</p>\n"
    )
}
