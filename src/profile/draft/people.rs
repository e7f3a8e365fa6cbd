//! Who is in the tables: registers of people and consents, with what they bought ([`super::purchases`]). What is recognised becomes
//! `silver.people`, `silver.purchases`, `silver.consents`, the customers' ids and `gold.customers`.

use std::collections::BTreeMap;

use super::super::consent::{is_channel, is_refusal, names_channel, says_consent, standings};
use super::super::meaning::name_words;
use super::customers;
use super::named;
use super::purchases::{Purchases, is_named_so, purchases};
use super::source::{ColumnDraft, SourceDraft};
use crate::column_type::ColumnType;
use crate::project::Meaning;

/// What a register may know of a person, in the order of `silver.people`: column, type, meaning.
pub(super) const PARTS: [(&str, &str, Option<&str>); 11] = [
    ("given_name", "varchar", Some("given_name")),
    ("family_name", "varchar", Some("family_name")),
    ("full_name", "varchar", Some("name")),
    ("birth_date", "date", Some("birth_date")),
    ("national_id", "varchar", Some("national_id")),
    ("email", "varchar", Some("email")),
    ("phone", "varchar", Some("phone")),
    ("street", "varchar", Some("address")),
    ("postcode", "varchar", Some("postcode")),
    ("city", "varchar", Some("address")),
    ("country", "varchar", None),
];

/// Tables of what happens, not of who is there.
const EVENTS: [&str; 26] = [
    "order",
    "orders",
    "ticket",
    "tickets",
    "event",
    "events",
    "log",
    "history",
    "survey",
    "nps",
    "response",
    "responses",
    "receipt",
    "receipts",
    "interaction",
    "interactions",
    "invoice",
    "payment",
    "payments",
    "deal",
    "deals",
    "assignments",
    "audit",
    "engagement",
    "submission",
    "consents",
];
/// Tables of people, whatever is remarked on them.
const PEOPLE: [&str; 18] = [
    "kund",
    "kunder",
    "customer",
    "customers",
    "client",
    "clients",
    "contact",
    "contacts",
    "kontakter",
    "member",
    "members",
    "medlem",
    "medlemmar",
    "medlemmer",
    "person",
    "personer",
    "people",
    "subscribers",
];
/// Tables of those who work here.
const STAFF: [&str; 10] = [
    "owner",
    "owners",
    "employee",
    "employees",
    "staff",
    "agent",
    "agents",
    "seller",
    "sellers",
    "anstallda",
];
/// Tables of places and firms, by the last word of their names: they have phones and addresses as people do.
const PLACES: [&str; 29] = [
    "store",
    "stores",
    "shop",
    "shops",
    "butik",
    "butiker",
    "butikk",
    "butikker",
    "branch",
    "branches",
    "filial",
    "filialer",
    "location",
    "locations",
    "warehouse",
    "warehouses",
    "lager",
    "supplier",
    "suppliers",
    "vendor",
    "vendors",
    "leverantor",
    "leverantorer",
    "leverandor",
    "leverandorer",
    "company",
    "companies",
    "foretag",
    "firma",
];
/// A table with a row per person.
pub(super) struct Register {
    pub(super) table: String,
    /// Column that names its rows.
    pub(super) id: String,
    /// Columns by what they are in `silver.people`.
    pub(super) parts: BTreeMap<&'static str, String>,
    /// When the record last changed, or was made.
    pub(super) changed: Option<String>,
}

/// A table that knows customers by a number alone.
pub(super) struct Numbered {
    pub(super) table: String,
    /// The number, as SQL.
    pub(super) number: String,
    /// What stands for the person, where that is another number.
    pub(super) person: String,
    pub(super) parts: BTreeMap<&'static str, String>,
}

/// A column that says whether somebody may be written to.
pub(super) struct Consent {
    pub(super) table: String,
    pub(super) said: Said,
    /// When it was taken back, of who took it back.
    pub(super) withdrawn: Option<String>,
    pub(super) customer: Option<(String, String)>,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) changed: Option<String>,
    /// A column of refusals says no where it says something, and nothing where it does not.
    pub(super) says_no_only: bool,
}

/// What a table says about consent.
pub(super) enum Said {
    /// Yes or no in a column, about what its name says, another column, or the name of the table.
    YesOrNo { granted: String, about: About },
    /// Nothing but when it was taken back, whatever it was about; of a list, of which who did not leave it is a member, about that.
    Withdrawn { list: Option<String> },
    /// How somebody stands to a list or answered, and the values that mean yes.
    Standing {
        column: String,
        yes: Vec<String>,
        about: About,
    },
}

/// What somebody said yes or no to.
pub(super) enum About {
    /// As a column says, row by row; where it does not, as the text does.
    Column(String, String),
    /// The same for every row.
    Text(String),
    /// Whatever they may be asked.
    All,
}

/// What was recognised.
pub(super) struct Roles {
    pub(super) registers: Vec<Register>,
    pub(super) numbered: Option<Numbered>,
    pub(super) purchases: Vec<Purchases>,
    pub(super) consents: Vec<Consent>,
    /// Where phones and postcodes without a country belong, as the language of the columns tells.
    pub(super) country: Option<&'static str>,
}

impl Roles {
    pub(super) fn of(sources: &[SourceDraft]) -> Self {
        let registers: Vec<Register> = sources.iter().filter_map(register).collect();
        let numbered = match registers.is_empty() {
            true => numbered(sources),
            false => None,
        };
        Self {
            country: country(sources),
            purchases: sources
                .iter()
                .filter_map(|source| purchases(source, &registers, numbered.as_ref(), sources))
                .collect(),
            consents: sources
                .iter()
                .flat_map(|source| consents(source, &registers, numbered.as_ref(), sources))
                .collect(),
            registers,
            numbered,
        }
    }

    /// Whether anybody was recognised.
    pub(super) fn has_people(&self) -> bool {
        !self.registers.is_empty() || self.numbered.is_some()
    }

    pub(super) fn in_words(&self) -> Vec<String> {
        let list = |tables: Vec<&str>| match tables.is_empty() {
            true => "none recognised".to_string(),
            false => tables.join(", "),
        };
        let people = match &self.numbered {
            Some(numbered) => format!("known by number alone, in {}", numbered.table),
            None => list(
                self.registers
                    .iter()
                    .map(|register| register.table.as_str())
                    .collect(),
            ),
        };
        let mut consents: Vec<&str> = self.consents.iter().map(|of| of.table.as_str()).collect();
        consents.dedup();
        let told = |of: &&Purchases| of.is_tied() || of.is_of_receipts();
        let purchases = self.purchases.iter().filter(told);
        vec![
            format!("people: {people}"),
            format!(
                "purchases: {}",
                list(purchases.map(|of| of.table.as_str()).collect())
            ),
            format!("consents: {}", list(consents)),
        ]
    }

    /// Steps behind `silver/*`.
    pub(super) fn steps(&self) -> String {
        let mut text = String::new();
        if !self.registers.is_empty() {
            let has_national_id = self
                .registers
                .iter()
                .any(|r| r.parts.contains_key("national_id"));
            text.push_str(
                "  # which records are one person: learnt from the records themselves, no tuning needed\n  - match:\n      \
                 table: identity.customer_ids\n      records: silver.people\n      \
                 record_key: [source, source_id]\n      entity_id: customer_id\n",
            );
            if has_national_id && self.country.is_some() {
                text.push_str(
                    "      cannot: [national_id]      # two different ones: two people\n",
                );
            }
        } else if self.numbered.is_some() {
            text.push_str("  - sql: identity/*\n");
        }
        if self.has_people() {
            text.push_str("  - sql: gold/*\n");
        }
        text
    }

    /// The files of what was recognised.
    pub(super) fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        if !self.consents.is_empty() {
            files.insert(
                "sql/silver/consents.sql".to_string(),
                customers::consents(self),
            );
        }
        if self.has_people() {
            let tied = self.purchases.iter().any(Purchases::is_tied);
            if tied {
                files.insert(
                    "sql/silver/purchases.sql".to_string(),
                    customers::purchases(self),
                );
            }
            files.extend(customers::files(self, tied));
        }
        files
    }

    /// Columns of `silver.people` that some register fills.
    pub(super) fn known(&self) -> Vec<(&'static str, &'static str, Option<&'static str>)> {
        let has = |part: &str| {
            self.registers
                .iter()
                .any(|register| register.parts.contains_key(part))
                || self
                    .numbered
                    .as_ref()
                    .is_some_and(|numbered| numbered.parts.contains_key(part))
        };
        PARTS.into_iter().filter(|(part, _, _)| has(part)).collect()
    }
}

pub(super) fn words(text: &str) -> Vec<String> {
    name_words(text).split(' ').map(str::to_string).collect()
}

pub(super) fn is_of(source: &SourceDraft, of: &[&str]) -> bool {
    words(&source.table)
        .iter()
        .any(|word| of.contains(&word.as_str()))
}

/// The parts of a person that a table has.
pub(super) fn parts(source: &SourceDraft) -> BTreeMap<&'static str, String> {
    let mut parts: BTreeMap<&'static str, (u64, &ColumnDraft)> = BTreeMap::new();
    for column in &source.columns {
        let has = |wanted: &[&str]| {
            words(&column.name)
                .iter()
                .any(|word| wanted.contains(&word.as_str()))
        };
        let is_text = column.data_type == ColumnType::Varchar;
        let part = match column.personal {
            Some(Meaning::GivenName) if is_text => "given_name",
            Some(Meaning::FamilyName) if is_text => "family_name",
            Some(Meaning::Name) if is_text => "full_name",
            Some(Meaning::BirthDate) if column.data_type == ColumnType::Date => "birth_date",
            Some(Meaning::NationalId) if is_text => "national_id",
            Some(Meaning::Email) if is_text => "email",
            Some(Meaning::Phone) if is_text => "phone",
            Some(Meaning::Postcode) if is_text => "postcode",
            Some(Meaning::Address)
                if is_text && has(&["city", "ort", "postort", "town", "stad"]) =>
            {
                "city"
            }
            Some(Meaning::Address) if is_text => "street",
            None if is_text && has(&["country", "land"]) => "country",
            _ => continue,
        };
        // of several the one that most rows have; the first of equals
        let is_better = parts
            .get(part)
            .is_none_or(|(filled, _)| column.filled > *filled);
        // what all have in common says nothing of who they are, be it that everybody has a dash there
        let tells =
            column.distinct > 1 || source.profile.rows == 1 || ["city", "country"].contains(&part);
        if is_better && column.filled > 0 && tells {
            parts.insert(part, (column.filled, column));
        }
    }
    parts
        .into_iter()
        .map(|(part, (_, column))| (part, column.name.clone()))
        .collect()
}

/// A column that says when a record changed, else when it was made.
fn changed(source: &SourceDraft) -> Option<String> {
    let is_time = |column: &&ColumnDraft| {
        matches!(column.data_type, ColumnType::Date | ColumnType::Timestamp)
            && column.personal.is_none()
    };
    let of = |wanted: &[&str]| {
        let mut columns = source.columns.iter().filter(is_time);
        columns.find(|column| {
            words(&column.name)
                .iter()
                .any(|word| wanted.contains(&word.as_str()))
        })
    };
    of(&[
        "updated", "changed", "modified", "andrad", "endret", "synced",
    ])
    .or_else(|| {
        of(&[
            "created",
            "createdate",
            "skapad",
            "joined",
            "registered",
            "opprettet",
            "date",
            "datum",
            "dato",
        ])
    })
    .map(|column| column.name.clone())
}

/// The only time that a record has, whatever it is called.
fn only_time(source: &SourceDraft) -> Option<String> {
    let mut times = source.columns.iter().filter(|column| {
        matches!(column.data_type, ColumnType::Date | ColumnType::Timestamp)
            && column.personal.is_none()
            && !column.from.is_empty()
    });
    let only = times.next()?;
    times.next().is_none().then(|| only.name.clone())
}

fn register(source: &SourceDraft) -> Option<Register> {
    let [id] = &source.key[..] else {
        return None;
    };
    let is_one_a_person = source.load != super::super::table::LoadGuess::Append
        || source.column(id)?.distinct == source.profile.rows;
    let has_role = source.columns.iter().any(|column| {
        words(&column.name)
            .iter()
            .any(|word| matches!(word.as_str(), "role" | "team"))
    });
    // a remark on a line of an order is none on the customer
    let is_told = source.columns.iter().any(|column| {
        column.personal == Some(Meaning::FreeText) && column.data_type == ColumnType::Varchar
    });
    let is_of_people = is_of(source, &PEOPLE) || is_number(source.column(id)?);
    let is_about_something = has_role || is_told && !is_of_people;
    if !is_one_a_person || is_about_something || is_of(source, &EVENTS) || is_of(source, &STAFF) {
        return None;
    }
    let parts = parts(source);
    let has = |names: &[&str]| names.iter().any(|name| parts.contains_key(name));
    let is_contact = has(&["email", "phone"]);
    let is_named = has(&["given_name", "family_name", "full_name"]);
    let is_certain = has(&["birth_date", "national_id"]);
    let is_somewhere = has(&["street", "postcode", "city"]);
    let kinds = [is_contact, is_named, is_certain, is_somewhere];
    let count = kinds.iter().filter(|kind| **kind).count();
    let name = words(&source.table);
    let is_place = name
        .last()
        .is_some_and(|word| PLACES.contains(&word.as_str()));
    if is_place && !is_certain {
        return None;
    }
    (count >= 2 && (is_contact || is_named || is_certain)).then(|| Register {
        table: source.table.clone(),
        id: id.clone(),
        changed: changed(source),
        parts,
    })
}

/// A number as text, also where a data frame wrote it with a fraction: `17850.0`.
fn as_text(column: &ColumnDraft) -> String {
    let name = named(&column.name);
    match column.data_type {
        ColumnType::Varchar => format!("trim({name})"),
        ColumnType::Decimal { .. } => format!("cast(cast({name} as bigint) as varchar)"),
        _ => format!("cast({name} as varchar)"),
    }
}

pub(super) fn is_number(column: &ColumnDraft) -> bool {
    column.personal == Some(Meaning::CustomerNumber) && column.distinct > 1
}

/// The table that knows most customers by number: first one whose rows they name, then any.
fn numbered(sources: &[SourceDraft]) -> Option<Numbered> {
    let keyed = sources.iter().find_map(|source| {
        let [key] = &source.key[..] else {
            return None;
        };
        let key = source.column(key).filter(|column| is_number(column))?;
        if is_of(source, &EVENTS) || is_of(source, &STAFF) || is_named_so(source) {
            return None;
        }
        let others = source.columns.iter().filter(|column| {
            is_number(column)
                && column.name != key.name
                && column.filled == source.profile.rows
                && column.distinct * 2 > source.profile.rows
        });
        // a second number that comes twice now and then is the person behind the accounts
        let person = others.min_by_key(|column| column.distinct).unwrap_or(key);
        Some((source, key, person))
    });
    let (source, number, person) = keyed.or_else(|| {
        let numbers = sources.iter().flat_map(|source| {
            source
                .columns
                .iter()
                .filter(|column| is_number(column))
                .map(move |column| (source, column))
        });
        let (source, column) = numbers.max_by_key(|(_, column)| column.distinct)?;
        Some((source, column, column))
    })?;
    let is_keyed = source.key == [number.name.clone()];
    Some(Numbered {
        table: source.table.clone(),
        number: as_text(number),
        person: as_text(person),
        parts: match is_keyed {
            true => parts(source),
            false => BTreeMap::new(),
        },
    })
}

/// The customer's number as SQL, and the register that it is of.
pub(super) fn customer(
    source: &SourceDraft,
    registers: &[Register],
    numbered: Option<&Numbered>,
    sources: &[SourceDraft],
) -> Option<(String, String)> {
    let mut numbers = source.columns.iter().filter(|column| is_number(column));
    numbers.find_map(|column| {
        let number = as_text(column);
        if let Some(numbered) = numbered {
            return Some((number, numbered.table.clone()));
        }
        let register = registers
            .iter()
            .filter_map(|register| Some((register, share(source, column, register, sources)?)))
            .max_by(|(_, one), (_, other)| one.total_cmp(other));
        register
            .filter(|(_, share)| *share > 0.5)
            .map(|(register, _)| (number, register.table.clone()))
    })
}

/// The share of a column's numbers that a register has.
fn share(
    source: &SourceDraft,
    column: &ColumnDraft,
    register: &Register,
    sources: &[SourceDraft],
) -> Option<f64> {
    let seen = source.seen(column)?;
    let other = sources.iter().find(|other| other.table == register.table)?;
    let key = other.seen(other.column(&register.id)?)?;
    seen.values.share_in(&key.values)
}

fn consents(
    source: &SourceDraft,
    registers: &[Register],
    numbered: Option<&Numbered>,
    sources: &[SourceDraft],
) -> Vec<Consent> {
    let parts = parts(source);
    let (email, phone) = (parts.get("email").cloned(), parts.get("phone").cloned());
    let own = registers
        .iter()
        .find(|register| register.table == source.table);
    let customer = match own {
        Some(own) => Some((
            format!("cast({} as varchar)", named(&own.id)),
            own.table.clone(),
        )),
        None => customer(source, registers, numbered, sources),
    };
    if email.is_none() && phone.is_none() && customer.is_none() {
        return Vec::new();
    }
    let purpose = source.columns.iter().find(|column| {
        column.data_type == ColumnType::Varchar
            && words(&column.name)
                .iter()
                .any(|word| matches!(word.as_str(), "purpose" | "syfte" | "formal"))
    });
    let withdrawn = source.columns.iter().find(|column| {
        matches!(column.data_type, ColumnType::Date | ColumnType::Timestamp)
            && is_refusal(&column.name)
    });
    let consent = |said: Said| Consent {
        table: source.table.clone(),
        said,
        withdrawn: withdrawn.map(|column| column.name.clone()),
        customer: customer.clone(),
        email: email.clone(),
        phone: phone.clone(),
        changed: changed(source)
            .or_else(|| only_time(source).filter(|_| own.is_none()))
            .filter(|changed| withdrawn.is_none_or(|no| no.name != *changed)),
        // of a no that was never said, nobody said yes
        says_no_only: own.is_some() && !says_consent(&source.table),
    };
    let says = |column: &&ColumnDraft| {
        column.data_type == ColumnType::Boolean
            && (says_consent(&column.name) || is_channel(&column.name))
    };
    let granted: Vec<Consent> = source
        .columns
        .iter()
        .filter(says)
        .map(|column| {
            let about = match says_what_for(&column.name) {
                true => column.name.clone(),
                false => source.table.clone(),
            };
            consent(Said::YesOrNo {
                granted: column.name.clone(),
                about: match purpose {
                    Some(purpose) => About::Column(purpose.name.clone(), about),
                    // who wants no advertising wants none, whatever else was ticked
                    None if own.is_some()
                        && is_refusal(&column.name)
                        && !names_channel(&column.name) =>
                    {
                        About::All
                    }
                    None => About::Text(about),
                },
            })
        })
        .collect();
    let standing = source.columns.iter().find_map(|column| {
        let seen = source.seen(column)?;
        let values: Vec<&str> = seen
            .top_values
            .iter()
            .map(|value| value.value.as_str())
            .collect();
        let are_all = seen.top_values.iter().map(|value| value.count).sum::<u64>() == column.filled;
        let yes = standings(&values).filter(|_| are_all)?;
        Some(Said::Standing {
            column: column.name.clone(),
            yes: yes.into_iter().map(str::to_string).collect(),
            about: match purpose {
                Some(purpose) => About::Column(purpose.name.clone(), source.table.clone()),
                None => About::Text(source.table.clone()),
            },
        })
    });
    match (granted.is_empty(), standing, withdrawn) {
        (true, None, Some(left)) => {
            // a list of those who left says nothing of others
            let is_list = says_consent(&source.table)
                && !is_refusal(&source.table)
                && left.filled < source.profile.rows;
            let list = is_list.then(|| source.table.clone());
            vec![consent(Said::Withdrawn { list })]
        }
        (_, standing, _) => granted.into_iter().chain(standing.map(consent)).collect(),
    }
}

/// Whether a column's name says more than that somebody agreed: `nyhetsbrev_samtycke`, not `godkänt`.
fn says_what_for(name: &str) -> bool {
    const MERE: [&str; 14] = [
        "granted",
        "consent",
        "consents",
        "samtycke",
        "samtykke",
        "godkant",
        "godkand",
        "godkjent",
        "godkendt",
        "permission",
        "accepted",
        "optin",
        "gdpr",
        "subscribed",
    ];
    let words = words(name);
    let is_mere = |word: &String| {
        MERE.contains(&word.as_str()) || matches!(word.as_str(), "opt" | "in" | "is" | "has" | "ok")
    };
    !is_refusal(name) && !words.iter().all(is_mere)
}

/// The country of those who named the columns.
fn country(sources: &[SourceDraft]) -> Option<&'static str> {
    const LANGUAGES: [(&str, &[&str]); 4] = [
        (
            "SE",
            &[
                "fornamn",
                "efternamn",
                "personnummer",
                "postnr",
                "adress",
                "kundnr",
                "epost",
                "fodelsedatum",
            ],
        ),
        (
            "NO",
            &[
                "fornavn",
                "etternavn",
                "fodselsnummer",
                "postnummer",
                "kundenummer",
            ],
        ),
        ("DK", &["fornavn", "efternavn", "cpr", "kundenr"]),
        (
            "DE",
            &["vorname", "nachname", "plz", "strasse", "geburtsdatum"],
        ),
    ];
    let names: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            source
                .columns
                .iter()
                .map(|column| column.name.replace('_', ""))
        })
        .collect();
    let count = |of: &[&str]| {
        of.iter()
            .filter(|word| names.iter().any(|name| name == *word))
            .count()
    };
    let best = LANGUAGES.iter().max_by_key(|(_, of)| count(of))?;
    (count(best.1) >= 2).then_some(best.0)
}
