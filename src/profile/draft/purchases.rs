//! Purchases: which tables have them, what names one, and whose it is.

use super::people::{Numbered, Register, customer, is_number, is_of, parts, words};
use super::source::{ColumnDraft, SourceDraft};
use crate::column_type::ColumnType;

/// Words of the names of tables of purchases.
const PURCHASES: [&str; 30] = [
    "faktura",
    "fakturaer",
    "ordre",
    "ordrer",
    "orderrader",
    "bestallning",
    "bestallningar",
    "bestillinger",
    "forsaljning",
    "salg",
    "fakturarader",
    "kvittorader",
    "order",
    "orders",
    "invoice",
    "invoices",
    "purchase",
    "purchases",
    "receipt",
    "receipts",
    "sale",
    "sales",
    "transaction",
    "transactions",
    "kvitton",
    "fakturor",
    "ordrar",
    "retail",
    "bookings",
    "kop",
];
/// How columns are called that number the lines of a purchase.
const LINES: [&str; 9] = [
    "line", "rad", "linje", "row", "item", "pos", "position", "zeile", "lopnr",
];
/// Those that are none of a larger thing.
const RECEIPTS: [&str; 10] = [
    "receipt",
    "receipts",
    "invoice",
    "invoices",
    "sale",
    "sales",
    "kvitton",
    "fakturor",
    "fakturarader",
    "kvittorader",
];

/// A table with a row per purchase, or per line of one.
pub(super) struct Purchases {
    pub(super) table: String,
    /// Columns that name a purchase together; none where each row is one.
    pub(super) id: Vec<String>,
    pub(super) at: String,
    /// The customer's number as SQL, and the register that it is of.
    pub(super) customer: Option<(String, String)>,
    /// Column of the buyer's e-mail address, where no number says who they are.
    pub(super) email: Option<String>,
}

impl Purchases {
    /// Whether something says whose they are.
    pub(super) fn is_tied(&self) -> bool {
        self.customer.is_some() || self.email.is_some()
    }

    /// Whether its name says that nothing larger is behind its rows: what a line of an order holds belongs to a purchase, and
    /// is none.
    pub(super) fn is_of_receipts(&self) -> bool {
        let words = words(&self.table);
        words.iter().any(|word| RECEIPTS.contains(&word.as_str()))
    }
}

/// What a table tells of purchases, if its rows are some.
pub(super) fn purchases(
    source: &SourceDraft,
    registers: &[Register],
    numbered: Option<&Numbered>,
    sources: &[SourceDraft],
) -> Option<Purchases> {
    if !is_named_so(source) && !is_named_by_purchase(source) {
        return None;
    }
    let is_time = |column: &&ColumnDraft| {
        matches!(column.data_type, ColumnType::Date | ColumnType::Timestamp)
            && column.name != "exported_on"
    };
    let at = source.columns.iter().find(is_time)?;
    let customer = customer(source, registers, numbered, sources);
    let mut registers = registers.iter();
    let is_known = registers.any(|register| register.parts.contains_key("email"));
    let email = parts(source).remove("email");
    Some(Purchases {
        table: source.table.clone(),
        id: purchase_id(source),
        at: at.name.clone(),
        email: email.filter(|_| is_known && customer.is_none()),
        customer,
    })
}

/// Whether the table is called after purchases.
pub(super) fn is_named_so(source: &SourceDraft) -> bool {
    is_of(source, &PURCHASES)
}

/// What names a purchase: its number; where the rows are named by more than that and a line's, the rest of their key too, since
/// the receipts of two tills may have one number.
fn purchase_id(source: &SourceDraft) -> Vec<String> {
    let Some(id) = source.columns.iter().find(|column| is_purchase_id(column)) else {
        return Vec::new();
    };
    let is_line = |name: &String| {
        let words = words(name);
        let is_word = |word: &String| LINES.contains(&word.as_str());
        words.iter().any(is_word) || LINES.iter().any(|line| words.concat().starts_with(line))
    };
    match source.key.contains(&id.name) {
        true => source
            .key
            .iter()
            .filter(|name| !is_line(name))
            .cloned()
            .collect(),
        false => vec![id.name.clone()],
    }
}

/// Whether a column holds the numbers of purchases: `order_id`, `Fakturanr`, `kvittonummer`.
fn is_purchase_id(column: &ColumnDraft) -> bool {
    const WHAT: [&str; 14] = [
        "order",
        "ordre",
        "bestallning",
        "bestilling",
        "invoice",
        "receipt",
        "transaction",
        "purchase",
        "faktura",
        "kvitto",
        "kvittering",
        "bong",
        "rechnung",
        "verifikation",
    ];
    const NUMBERS: [&str; 6] = ["id", "no", "nr", "num", "number", "nummer"];
    // also as one word, and with what joins the two: `beställningsnr`
    let joined = words(&column.name).concat();
    let is_numbered = NUMBERS.iter().any(|number| {
        let what = joined.strip_suffix(number).unwrap_or_default();
        let what = what.strip_suffix('s').unwrap_or(what);
        WHAT.iter().any(|word| what.ends_with(word))
    });
    // the number may be called after the thing itself
    let is_thing = matches!(
        joined.as_str(),
        "faktura" | "kvitto" | "invoice" | "receipt"
    );
    let words = words(&column.name);
    let has = |of: &[&str]| words.iter().any(|word| of.contains(&word.as_str()));
    let is_code = matches!(
        column.data_type,
        ColumnType::Varchar | ColumnType::Bigint | ColumnType::Integer
    );
    (is_numbered || is_thing || (has(&WHAT) && has(&NUMBERS))) && is_code && column.distinct > 1
}

/// Whether each row is of a purchase: it has its number and a customer's, or is named by it and has the buyer's e-mail address.
fn is_named_by_purchase(source: &SourceDraft) -> bool {
    let mut ids = source
        .columns
        .iter()
        .filter(|column| is_purchase_id(column));
    let has_number = source.columns.iter().any(is_number);
    let is_theirs = has_number || parts(source).contains_key("email");
    ids.any(|id| has_number || source.key.contains(&id.name))
        && is_theirs
        && !is_of(source, &["ticket", "tickets", "review", "reviews"])
}
