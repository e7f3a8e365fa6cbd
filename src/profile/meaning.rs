//! What a column says of a person: by its name, in the languages of the North and its neighbours, and by its values.

use crate::column_type::ColumnType;
use crate::project::Meaning;
use crate::text::{Country, is_valid_national_id, name_key, nickname_groups};

/// Values by what they look like.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    values: u64,
    emails: u64,
    phones: u64,
    addresses_of_machines: u64,
    national_ids: u64,
    /// Texts of several words.
    sentences: u64,
    /// Two or three words of letters, each with a capital: `Anna Berg`.
    names: u64,
}

impl Evidence {
    pub(super) fn add(&mut self, text: &str) {
        self.values += 1;
        self.emails += u64::from(is_email(text));
        self.phones += u64::from(is_phone(text));
        self.addresses_of_machines += u64::from(text.parse::<std::net::IpAddr>().is_ok());
        self.sentences += u64::from(text.split_whitespace().count() > 4);
        self.names += u64::from(is_full_name(text));
        // eight to thirteen signs, nearly all of them digits: nothing else is worth the check
        if (8..=13).contains(&text.len()) && text.bytes().filter(u8::is_ascii_digit).count() >= 8 {
            self.national_ids += u64::from(is_national_id(text));
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.values += other.values;
        self.emails += other.emails;
        self.phones += other.phones;
        self.addresses_of_machines += other.addresses_of_machines;
        self.national_ids += other.national_ids;
        self.sentences += other.sentences;
        self.names += other.names;
    }

    fn share(&self, count: u64) -> f64 {
        match self.values {
            0 => 0.0,
            values => count as f64 / values as f64,
        }
    }
}

fn is_full_name(text: &str) -> bool {
    let is_name = |word: &str| {
        let is_letter = |c: char| c.is_alphabetic() || "-'’.".contains(c);
        word.starts_with(char::is_uppercase) && word.chars().all(is_letter)
    };
    let words = text.split_whitespace();
    text.len() <= 60 && (2..=3).contains(&words.clone().count()) && words.into_iter().all(is_name)
}

pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_plain = |part: &str| !part.is_empty() && !part.contains([' ', '@', '/', ',']);
    is_plain(local) && is_plain(domain) && domain.contains('.') && !domain.ends_with('.')
}

/// `+46 70 123 45 67`, `070-123 45 67`: a plus or a zero first, and signs that telephones have.
fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_of_phone =
        |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')' | '/');
    (7..=15).contains(&digits) && text.starts_with(['+', '0', '(']) && text.chars().all(is_of_phone)
}

fn is_national_id(text: &str) -> bool {
    ["SE", "NO", "DK"].iter().any(|country| {
        Country::parse(country)
            .is_some_and(|country| is_valid_national_id(text, country) == Some(true))
    })
}

/// Words of names, folded: small letters without accents, one word after the other. The first that fits wins.
const WORDS: &[(Meaning, &[&str])] = &[
    (
        Meaning::Email,
        &[
            "email",
            "e mail",
            "epost",
            "e post",
            "mailadress",
            "email address",
            "mail",
            "recipient",
            "mailaddress",
            "emailaddress",
        ],
    ),
    (
        Meaning::Phone,
        &[
            "phone",
            "telefon",
            "tel",
            "mobile",
            "mobil",
            "mobiltelefon",
            "cell",
            "cellphone",
            "tlf",
            "telephone",
            "phonenumber",
            "mobilnummer",
            "telefonnummer",
            "telefonnr",
            "telefon nummer",
            "telefon nr",
            "tel nr",
            "mobil nummer",
            "mobil nr",
            "phone number",
            "mobile number",
            "contact number",
        ],
    ),
    (
        Meaning::GivenName,
        &[
            "first name",
            "firstname",
            "fname",
            "given name",
            "givenname",
            "fornamn",
            "fornavn",
            "vorname",
            "prenom",
            "forename",
            "name first",
            "first",
        ],
    ),
    (
        Meaning::FamilyName,
        &[
            "last name",
            "lastname",
            "lname",
            "surname",
            "family name",
            "familyname",
            "efternamn",
            "etternavn",
            "efternavn",
            "nachname",
            "name last",
            "last",
        ],
    ),
    (
        Meaning::Name,
        &[
            "full name",
            "fullname",
            "customer name",
            "contact name",
            "kundnamn",
            "namn",
            "navn",
            "requester name",
            "person name",
        ],
    ),
    (
        Meaning::BirthDate,
        &[
            "birth date",
            "birthdate",
            "date of birth",
            "dob",
            "birthday",
            "fodelsedatum",
            "fodelsedag",
            "fodd",
            "fodselsdato",
            "fodselsdag",
            "fodt",
            "born",
            "geburtsdatum",
            "birth",
        ],
    ),
    (
        Meaning::NationalId,
        &[
            "personnummer",
            "personnr",
            "person nummer",
            "person number",
            "person nr",
            "pnr",
            "ssn",
            "national id",
            "cpr",
            "fodselsnummer",
            "social security number",
            "personal id",
            "organisationsnummer",
        ],
    ),
    (
        Meaning::Postcode,
        &[
            "postcode",
            "postal code",
            "postalcode",
            "zip",
            "zipcode",
            "zip code",
            "postnr",
            "postnummer",
            "plz",
            "zip code prefix",
        ],
    ),
    (
        Meaning::Address,
        &[
            "address",
            "adress",
            "adresse",
            "street",
            "gata",
            "gatuadress",
            "strasse",
            "city",
            "ort",
            "postort",
            "town",
            "stad",
            "address 2",
            "street address",
        ],
    ),
    (
        Meaning::Cookie,
        &[
            "cookie",
            "cookie id",
            "visitor id",
            "device id",
            "client id",
            "session id",
            "anonymous id",
        ],
    ),
    (
        Meaning::CustomerNumber,
        &[
            "kundnr",
            "kundnummer",
            "kundenr",
            "kundenummer",
            "kundennummer",
            "kund id",
            "cust no",
            "cust id",
            "custno",
            "klubbnr",
            "klubbkort",
            "bonuskort",
            "medlemskort",
            "loyalty card",
            "loyalty no",
            "customer id",
            "customerid",
            "customer number",
            "customer no",
            "customer unique id",
            "customer",
            "contact id",
            "member id",
            "member no",
            "medlemsnr",
            "medlemsnummer",
            "card no",
            "card number",
            "kortnr",
            "person id",
            "account kundnr",
            "user id",
            "userid",
        ],
    ),
    (Meaning::Ip, &["ip", "ip address", "ipaddress", "client ip"]),
    (
        Meaning::FreeText,
        &[
            "note",
            "notes",
            "comment",
            "comments",
            "message",
            "body",
            "anteckning",
            "kommentar",
            "feedback",
            "free text",
            "fritext",
            "comment message",
            "note body",
            "email text",
            "content",
            "body preview",
        ],
    ),
    (
        Meaning::Special,
        &[
            "religion",
            "health",
            "diagnosis",
            "diagnos",
            "ethnicity",
            "allergies",
            "allergi",
        ],
    ),
];

/// Whether a column names somebody, going by its own name: a contact, who sold, who wrote, what was said.
pub(super) fn is_of_somebody(name: &str) -> bool {
    const SOMEBODY: [&str; 54] = [
        "salary",
        "lon",
        "inkomst",
        "income",
        "attention",
        "att",
        "buyer",
        "client",
        "customer",
        "guest",
        "kund",
        "kunde",
        "medlem",
        "member",
        "kontakt",
        "kontaktperson",
        "contact",
        "person",
        "saljare",
        "seller",
        "salgare",
        "mottagare",
        "modtager",
        "mottaker",
        "agare",
        "owner",
        "ombud",
        "agent",
        "handlaggare",
        "ansvarig",
        "assignee",
        "author",
        "forfattare",
        "skapad av",
        "created by",
        "updated by",
        "user",
        "anvandare",
        "username",
        "referens",
        "leveransadress",
        "fakturaadress",
        "adress",
        "address",
        "text",
        "subject",
        "amne",
        "beskrivning",
        "description",
        "signature",
        "signatur",
        "smeknamn",
        "nick",
        "nickname",
    ];
    let words = name_words(name);
    SOMEBODY.iter().any(|wanted| {
        words == *wanted
            || words
                .strip_suffix(wanted)
                .is_some_and(|before| before.ends_with(' '))
    })
}

/// Whether a text looks like a code or the name of a category: nothing that names a person, nor a number or an address of one.
pub(super) fn is_code_like(text: &str) -> bool {
    const MOST_CHARACTERS: usize = 40;
    const MOST_DIGITS: usize = 4;
    const MOST_WORDS: usize = 3;
    let words: Vec<&str> = text.split_whitespace().collect();
    let has_digit = |word: &str| word.contains(|c: char| c.is_numeric());
    let digits = text.chars().filter(|c| c.is_numeric()).count();
    let is_amount = text.parse::<f64>().is_ok_and(|value| value.abs() < 1e5);
    let is_short = text.chars().count() <= MOST_CHARACTERS && words.len() <= MOST_WORDS;
    let is_few_digits = digits <= MOST_DIGITS || is_amount;
    // `Storgatan 1`
    let is_street = words.len() > 1 && words[1..].iter().any(|word| has_digit(word));
    // `Anna Berg`, `ANNA BERG`
    let is_capitalised = |word: &&&str| word.starts_with(char::is_uppercase) && !has_digit(word);
    let is_named = words.iter().filter(is_capitalised).count() > 1;
    let is_given_name = |word: &&str| {
        let key = name_key(word);
        key.is_some_and(|key| !nickname_groups(&key).is_empty())
    };
    is_short
        && is_few_digits
        && !is_street
        && !is_named
        && !text.contains(['@', ',', '!', '?'])
        && !words.iter().any(is_given_name)
}

/// What the column says of a person, and how sure that is, from 0 to 1. `is_of_people`: other columns of the table speak of
/// people, so that a bare `name` is somebody's.
pub(super) fn of(
    name: &str,
    evidence: &Evidence,
    data_type: &ColumnType,
    is_of_people: bool,
) -> Option<(Meaning, f64)> {
    match data_type {
        ColumnType::List(_) | ColumnType::Struct(_) => within(name, data_type, is_of_people),
        _ => of_value(name, evidence, data_type, is_of_people),
    }
}

fn of_value(
    name: &str,
    evidence: &Evidence,
    data_type: &ColumnType,
    is_of_people: bool,
) -> Option<(Meaning, f64)> {
    let share = |count| evidence.share(count);
    let by_value = if share(evidence.emails) > 0.6 {
        Some(Meaning::Email)
    } else if share(evidence.addresses_of_machines) > 0.6 && name_words(name).contains("ip") {
        Some(Meaning::Ip)
    } else {
        None
    };
    if let Some(meaning) = by_value {
        return Some((meaning, 0.99));
    }
    let named = by_name(name).or_else(|| {
        let last = name_words(name);
        (is_of_people && (last == "name" || last == "namn" || last == "navn"))
            .then_some(Meaning::Name)
    });
    let is_text = matches!(data_type, ColumnType::Varchar);
    let is_number = matches!(data_type, ColumnType::Bigint | ColumnType::Integer);
    match named {
        Some(Meaning::Email) if !is_text => None,
        Some(Meaning::Phone) if !(is_text || is_number) => None,
        Some(Meaning::Phone) => Some((Meaning::Phone, 0.6 + 0.39 * share(evidence.phones))),
        Some(Meaning::BirthDate) if *data_type == ColumnType::Date => {
            Some((Meaning::BirthDate, 0.8))
        }
        // `410106`, or days in several forms
        Some(Meaning::BirthDate) if is_text || is_number => Some((Meaning::BirthDate, 0.6)),
        Some(Meaning::BirthDate) => None,
        Some(Meaning::NationalId) if !(is_text || is_number) => None,
        Some(Meaning::NationalId) => Some((
            Meaning::NationalId,
            0.7 + 0.29 * share(evidence.national_ids),
        )),
        Some(Meaning::CustomerNumber)
            if !(is_text || is_number || is_fraction_of_none(data_type)) =>
        {
            None
        }
        // no letters, no name
        Some(
            Meaning::GivenName
            | Meaning::FamilyName
            | Meaning::Name
            | Meaning::Address
            | Meaning::FreeText
            | Meaning::Special,
        ) if !is_text => None,
        Some(meaning) => Some((meaning, 0.8)),
        None if is_text && is_of_person(name) && share(evidence.names) > 0.6 => {
            Some((Meaning::Name, 0.6))
        }
        None if is_text && share(evidence.national_ids) > 0.8 && evidence.values >= 10 => {
            Some((Meaning::NationalId, 0.7))
        }
        None if is_text && share(evidence.phones) > 0.9 && evidence.values >= 10 => {
            Some((Meaning::Phone, 0.5))
        }
        None if is_text && share(evidence.sentences) > 0.5 && evidence.values >= 10 => {
            Some((Meaning::FreeText, 0.4))
        }
        None => None,
    }
}

/// A number that a data frame wrote with a fraction: `17850.0`.
fn is_fraction_of_none(data_type: &ColumnType) -> bool {
    matches!(data_type, ColumnType::Decimal { .. })
}

/// Whether a column is called after somebody: `Kund`, `Namn på kund`, `Mottagare`.
fn is_of_person(name: &str) -> bool {
    const OTHERS: [&str; 9] = [
        "mottagare",
        "modtager",
        "mottaker",
        "bestallare",
        "bestiller",
        "kontaktperson",
        "saljare",
        "agare",
        "owner",
    ];
    let words = name_words(name);
    let mut words = words.split(' ');
    words.any(|word| PEOPLE.contains(&word) || OTHERS.contains(&word))
}

/// Words for somebody, before which a bare `last` is theirs.
const PEOPLE: [&str; 17] = [
    "buyer",
    "client",
    "contact",
    "customer",
    "guest",
    "kontakt",
    "kund",
    "kunde",
    "medlem",
    "member",
    "name",
    "namn",
    "navn",
    "person",
    "recipient",
    "traveller",
    "user",
];

/// Those of them whose number is a customer's: that of a contact is mostly a phone's.
const NUMBERED: [&str; 9] = [
    "buyer", "client", "customer", "guest", "kund", "kunde", "medlem", "member", "user",
];

/// `buyer last`, `kund nr`: what a word means behind one for somebody.
fn behind_somebody(words: &str) -> Option<Meaning> {
    let (before, last) = words.rsplit_once(' ')?;
    let of = before.rsplit(' ').next()?;
    if !PEOPLE.contains(&of) {
        return None;
    }
    let is_numbered = NUMBERED.contains(&of);
    match last {
        "first" | "given" | "for" | "fore" => Some(Meaning::GivenName),
        "last" | "family" | "efter" | "etter" => Some(Meaning::FamilyName),
        "name" | "namn" | "navn" => Some(Meaning::Name),
        "nr" | "no" | "number" | "nummer" | "id" if is_numbered => Some(Meaning::CustomerNumber),
        _ => None,
    }
}

/// What lists and structs say of people, by the names of their fields, or of a list of values by its own; the first of several. A
/// field is called after what it lies in: `contacts` with `name` is `contact name`.
fn within(name: &str, data_type: &ColumnType, is_of_people: bool) -> Option<(Meaning, f64)> {
    match data_type {
        ColumnType::List(item) => {
            let singular = name.strip_suffix('s').unwrap_or(name);
            let found = within(singular, item, is_of_people);
            // `address`
            found.or_else(|| match **item {
                ColumnType::Struct(_) => None,
                _ => within(name, item, is_of_people),
            })
        }
        ColumnType::Struct(fields) => {
            let is_of_people = is_of_people || fields.iter().any(|(field, _)| says_people(field));
            let found = fields.iter();
            let found = found
                .filter_map(|(field, of)| within(&format!("{name} {field}"), of, is_of_people));
            found.min_by_key(|(meaning, _)| *meaning)
        }
        of => of_value(name, &Evidence::default(), of, is_of_people),
    }
}

/// Whether a column of that name tells that its table is of people.
pub(super) fn says_people(name: &str) -> bool {
    matches!(
        by_name(name),
        Some(
            Meaning::Email
                | Meaning::Phone
                | Meaning::BirthDate
                | Meaning::NationalId
                | Meaning::GivenName
                | Meaning::FamilyName
        )
    )
}

/// By the name alone: all of its words, or the last of them, since senders put their own before.
pub(super) fn by_name(name: &str) -> Option<Meaning> {
    let words = name_words(name);
    let ends = |wanted: &str| {
        words == wanted
            || words
                .strip_suffix(wanted)
                .is_some_and(|before| before.ends_with(' '))
    };
    // a longer word says more: `street address` before `address`
    WORDS
        .iter()
        .flat_map(|(meaning, wanted)| wanted.iter().map(move |wanted| (meaning, *wanted)))
        .filter(|(_, wanted)| ends(wanted))
        // `is first`, `last`: too short to say anything behind another word
        .filter(|(_, wanted)| !matches!(*wanted, "first" | "last" | "customer") || words == *wanted)
        .max_by_key(|(_, wanted)| wanted.len())
        .map(|(meaning, _)| *meaning)
        .or_else(|| behind_somebody(&words))
        .filter(|_| !is_of_something_else(&words))
}

/// `product name`, `company address`: somebody's, but no person's.
fn is_of_something_else(words: &str) -> bool {
    const OTHERS: [&str; 23] = [
        "product",
        "produkt",
        "company",
        "store",
        "shop",
        "seller",
        "campaign",
        "file",
        "app",
        "event",
        "list",
        "group",
        "category",
        "pipeline",
        "page",
        "butik",
        "butikk",
        "foretag",
        "firma",
        "artikel",
        "kampanj",
        "lager",
        "avdelning",
    ];
    words.split(' ').any(|word| OTHERS.contains(&word))
}

/// `E-post` → `e post`, `postalCode` → `postal code`, `Förnamn` → `fornamn`.
pub(super) fn name_words(name: &str) -> String {
    let mut words = String::new();
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            if !words.is_empty() && !words.ends_with(' ') {
                words.push(' ');
            }
            was_small = false;
            continue;
        }
        if c.is_uppercase() && was_small && !words.ends_with(' ') {
            words.push(' ');
        }
        was_small = c.is_lowercase() || c.is_numeric();
        words.extend(crate::name::folded(c));
    }
    words.trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_are_read_in_several_languages_and_styles() {
        assert_eq!(by_name("E-post"), Some(Meaning::Email));
        assert_eq!(by_name("Förnamn"), Some(Meaning::GivenName));
        assert_eq!(by_name("address.postalCode"), Some(Meaning::Postcode));
        assert_eq!(by_name("property_email"), Some(Meaning::Email));
        assert_eq!(by_name("property_firstname"), Some(Meaning::GivenName));
        assert_eq!(by_name("name.last"), Some(Meaning::FamilyName));
        for day in [
            "Födelsedatum",
            "born",
            "Född",
            "fødselsdato",
            "Født",
            "member.dob",
            "birthday",
        ] {
            assert_eq!(by_name(day), Some(Meaning::BirthDate), "{day}");
        }
        assert_eq!(by_name("CustomerID"), Some(Meaning::CustomerNumber));
        for number in ["kund.nr", "kund nummer", "buyer_id", "Kundnr"] {
            assert_eq!(by_name(number), Some(Meaning::CustomerNumber), "{number}");
        }
        assert_eq!(by_name("contact_number"), Some(Meaning::Phone));
        assert_eq!(by_name("name_id"), None);
        for name in ["buyer.last", "buyer_last", "kund.efter"] {
            assert_eq!(by_name(name), Some(Meaning::FamilyName), "{name}");
        }
        assert_eq!(by_name("person_nr"), Some(Meaning::NationalId));
        assert_eq!(by_name("order.last"), None);
        assert_eq!(by_name("company_name"), None);
        assert_eq!(by_name("Butik Namn"), None);
        assert_eq!(by_name("amount"), None);
        assert_eq!(by_name("is_first"), None);
    }

    #[test]
    fn only_codes_and_categories_are_fit_to_be_shown() {
        for code in [
            "Sverige",
            "B2B",
            "start",
            "not started",
            "SE-01",
            "12.50",
            "4",
            "email",
        ] {
            assert!(is_code_like(code), "{code}");
        }
        for value in [
            "Anna Berg",
            "ANNA BERG",
            "Anna",
            "anna.berg@example.com",
            "070-123 45 67",
            "Storgatan 1",
            "Berg, Anna",
            "Hej, Anna Ström ringde",
            "19800101-1234",
            "4670123456",
            "K-100023",
            "ringde om sin faktura igen",
        ] {
            assert!(!is_code_like(value), "{value}");
        }
        for name in [
            "Kontaktperson",
            "Säljare",
            "Ägare",
            "Ombud",
            "leverans.mottagare",
            "created_by",
        ] {
            assert!(is_of_somebody(name), "{name}");
        }
        assert!(!is_of_somebody("Land") && !is_of_somebody("context"));
    }

    #[test]
    fn lists_and_structs_are_personal_by_what_lies_in_them() {
        let text = || ColumnType::Varchar;
        let list = |item| ColumnType::List(Box::new(item));
        let contact = ColumnType::Struct(vec![
            ("role".to_string(), text()),
            ("name".to_string(), text()),
            ("email".to_string(), text()),
        ]);
        let of = |name, data_type| of(name, &Evidence::default(), &data_type, false);
        let found = of("contacts", list(contact)).map(|(meaning, _)| meaning);
        assert_eq!(found, Some(Meaning::Email));
        let found = of("phones", list(text())).map(|(meaning, _)| meaning);
        assert_eq!(found, Some(Meaning::Phone));
        let line = ColumnType::Struct(vec![
            ("sku".to_string(), text()),
            ("name".to_string(), text()),
        ]);
        assert_eq!(of("lines", list(line)), None);
        let of_somebody = |place| {
            let names = ["name", "city"].map(|name| (name.to_string(), text()));
            of(place, list(ColumnType::Struct(names.to_vec())))
        };
        let found = of_somebody("contacts").map(|(meaning, _)| meaning);
        assert_eq!(found, Some(Meaning::Name));
        assert_eq!(of_somebody("stores"), None);
    }

    #[test]
    fn values_tell_where_the_name_does_not() {
        let mut evidence = Evidence::default();
        for at in 0..20 {
            evidence.add(&format!("person{at}@example.com"));
        }
        let found = of("column_3", &evidence, &ColumnType::Varchar, false);
        assert_eq!(found, Some((Meaning::Email, 0.99)));
    }
}
