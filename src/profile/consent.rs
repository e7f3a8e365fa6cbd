//! Who may be written to, as names of columns and values say it in the languages of the North.

use super::meaning::name_words;

/// Words of names of columns that say who may be written to.
const CONSENTS: [&str; 16] = [
    "utskick",
    "mailings",
    "granted",
    "opt",
    "optin",
    "reklam",
    "reklame",
    "marketing",
    "subscribed",
    "subscriber",
    "permission",
    "permissions",
    "accepted",
    "accepts",
    "kontaktas",
    "gdpr",
];
/// Beginnings of parts of such words: `nyhetsbrevssamtycke`, `godkänt`.
const CONSENT_PARTS: [&str; 14] = [
    "consent",
    "samtyck",
    "samtykk",
    "newsletter",
    "nyhetsbrev",
    "nyhedsbrev",
    "reklamutskick",
    "marknadsforing",
    "markedsforing",
    "godkan",
    "godkjen",
    "godkend",
    "prenumer",
    "einwilligung",
];
/// Beginnings of parts of words that take it back: `avregistrerad`, `unsubscribed_at`.
const REFUSAL_PARTS: [&str; 23] = [
    "unsubscri",
    "avregistrer",
    "avanmal",
    "avmeld",
    "afmeld",
    "aterkall",
    "tilbakekall",
    "tilbagekald",
    "tilbaketrukket",
    "tilbagetrukket",
    "withdraw",
    "revoke",
    "optout",
    "optedout",
    "undanbe",
    "avboj",
    "frabed",
    "fravalg",
    "donotcontact",
    "reklamsparr",
    "reklamsperr",
    "reklamstop",
    "reklamestop",
];
/// Beginnings of parts of words that do so where the name speaks of consent or of a way to somebody, and of other things
/// elsewhere: `spärrad_epost`, `reklam_stopp`.
const BARS: [&str; 11] = [
    "sparr", "sperr", "spaerr", "block", "stop", "reserv", "declin", "refus", "reject", "suppress",
    "nix",
];
/// Words behind which a name speaks of a refusal.
const NOT: [&str; 9] = [
    "no", "not", "nej", "nei", "ej", "inte", "ikke", "ingen", "out",
];
/// Ways to somebody, as columns of ticked boxes are called.
const CHANNELS: [&str; 14] = [
    "epost", "e post", "email", "e mail", "mail", "sms", "telefon", "phone", "mobil", "mobile",
    "tlf", "post", "brev", "letter",
];

/// Whether a column's name speaks of consent, given or taken back.
pub(super) fn says_consent(name: &str) -> bool {
    let words = name_words(name);
    let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let speaks_of_it = has(&CONSENT_PARTS)
        || is_refusal(name)
        || words.split(' ').any(|word| CONSENTS.contains(&word));
    speaks_of_it && !is_double_negation(&words)
}

/// Whether a column's name speaks of a consent that was taken back, or never given: a yes there is a no.
pub(super) fn is_refusal(name: &str) -> bool {
    let words = name_words(name);
    let joined = words.replace(' ', "");
    let has = |word: &str| words.split(' ').any(|other| other == word);
    let begins = |part: &&str| words.split(' ').any(|word| word.starts_with(*part));
    let (says_not, bars) = (NOT.into_iter().any(has), BARS.iter().any(begins));
    // the register of those who want no calls
    if ["nix", "nixad"].contains(&&*words) {
        return true;
    }
    if REFUSAL_PARTS.iter().any(|part| joined.contains(part)) {
        // of `not_unsubscribed` nobody knows what a no is
        return !is_double_negation(&words);
    }
    let speaks_of_it =
        CONSENT_PARTS.iter().any(|part| words.contains(part)) || CONSENTS.into_iter().any(has);
    // `phone_no` is a number, and `last_mail_out` a mail
    let is_way_shut = bars
        || NOT
            .into_iter()
            .any(|no| has(no) && !["no", "out"].contains(&no));
    (speaks_of_it && (says_not || bars)) || (is_way_shut && names_channel(name))
}

fn is_double_negation(words: &str) -> bool {
    let joined = words.replace(' ', "");
    let says_not = words
        .split(' ')
        .any(|word| NOT.contains(&word) && word != "out");
    says_not && REFUSAL_PARTS.iter().any(|part| joined.contains(part))
}

/// Whether a column's name speaks of a way to somebody.
pub(super) fn names_channel(name: &str) -> bool {
    let words = name_words(name);
    words.split(' ').any(|word| CHANNELS.contains(&word))
}

/// Whether a column is called as a way to somebody is, where it may say whether that way may be gone: `epost` of yes and no.
pub(super) fn is_channel(name: &str) -> bool {
    let words = name_words(name);
    let ends = |channel: &&str| {
        let before = words.strip_suffix(*channel);
        before.is_some_and(|before| before.is_empty() || before.ends_with(' '))
    };
    let is_known = |word: &str| matches!(word, "has" | "is" | "har" | "have" | "with");
    CHANNELS.iter().any(ends) && !words.split(' ').any(is_known)
}

/// Values of a column that says how somebody stands to a list or answered, in small letters, and whether that is a yes. Each of
/// these is said of nothing else.
const STANDINGS: [(&str, bool); 28] = [
    ("subscribed", true),
    ("opted in", true),
    ("opted-in", true),
    ("opt-in", true),
    ("opt_in", true),
    ("optin", true),
    ("prenumererar", true),
    ("prenumerant", true),
    ("tilmeldt", true),
    ("påmeldt", true),
    ("unsubscribed", false),
    ("not subscribed", false),
    ("non-subscribed", false),
    ("nonsubscribed", false),
    ("never subscribed", false),
    ("opted out", false),
    ("opted-out", false),
    ("opt-out", false),
    ("opt_out", false),
    ("optout", false),
    ("avregistrerad", false),
    ("avanmäld", false),
    ("frameldt", false),
    ("afmeldt", false),
    ("avmeldt", false),
    ("återkallat", false),
    ("withdrawn", false),
    ("revoked", false),
];
/// Those that stand beside them, and mean other things elsewhere.
const BESIDE: [(&str, bool); 19] = [
    ("active", true),
    ("aktiv", true),
    ("confirmed", true),
    ("given", true),
    ("givet", true),
    ("gitt", true),
    ("granted", true),
    ("ja", true),
    ("yes", true),
    ("nej", false),
    ("no", false),
    ("nei", false),
    ("inactive", false),
    ("avslutad", false),
    ("cleaned", false),
    ("bounced", false),
    ("complained", false),
    ("pending", false),
    ("unconfirmed", false),
];

/// Of the values of a column those that mean yes, where each says how somebody stands to a list or answered, and one says nothing
/// else: `subscribed` beside `cleaned`.
pub(super) fn standings<'v>(values: &[&'v str]) -> Option<Vec<&'v str>> {
    let standing = |value: &str| {
        let value = value.to_lowercase();
        let mut all = STANDINGS.into_iter().chain(BESIDE);
        all.find(|(word, _)| *word == value)
    };
    let known: Vec<_> = values
        .iter()
        .map(|value| standing(value))
        .collect::<Option<_>>()?;
    let yes = values.iter().zip(&known).filter(|(_, (_, is_yes))| *is_yes);
    let yes = yes.map(|(value, _)| *value).collect();
    known
        .iter()
        .any(|known| STANDINGS.contains(known))
        .then_some(yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_says_no_is_a_refusal_in_every_language_of_the_north() {
        for name in [
            "avregistrerad",
            "unsubscribed_at",
            "opted out",
            "ej reklam",
            "no_marketing",
            "Avböjt reklam",
            "Vill ej ha SMS",
            "do_not_email",
            "consent_withdrawn",
            "Frabedt reklame",
            "Reklame fravalgt",
            "reklam_stopp",
            "Spärrad för nyhetsbrev",
            "reservation_reklam",
            "blockerad_epost",
            "Spærret for reklame",
            "NIX telefon",
            "samtycke_återkallat",
            "Reklamspärr",
            "Nej tack till reklam",
            "NIX",
            "Spärrad för utskick",
        ] {
            assert!(is_refusal(name) && says_consent(name), "{name}");
        }
        for name in ["not_unsubscribed", "ej avregistrerad", "ej avanmäld"] {
            assert!(!is_refusal(name) && !says_consent(name), "{name}");
        }
        for name in [
            "nyhetsbrev",
            "last_mail_out",
            "sms_out_at",
            "phone_no",
            "notes",
            "epost",
            "reklam ok",
            "spärrad",
            "stoppad",
            "reservation",
            "block",
            "samtycke",
        ] {
            assert!(!is_refusal(name), "{name}");
        }
    }

    #[test]
    fn standings_to_a_list_are_known_by_their_values() {
        assert_eq!(
            standings(&["Subscribed", "cleaned"]),
            Some(vec!["Subscribed"])
        );
        assert_eq!(standings(&["unsubscribed"]), Some(vec![]));
        assert_eq!(
            standings(&["pending", "bounced"]),
            None,
            "an order, a letter"
        );
        assert_eq!(standings(&["subscribed", "gold"]), None);
        assert_eq!(standings(&["active", "inactive"]), None, "a customer");
        assert_eq!(standings(&["ja", "återkallat"]), Some(vec!["ja"]));
        assert_eq!(standings(&["Active", "Unsubscribed"]), Some(vec!["Active"]));
    }
}
