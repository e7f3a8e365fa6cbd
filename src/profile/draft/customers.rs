//! The SQL and the contracts of people and customers.

use std::collections::BTreeMap;

use super::super::consent::is_refusal;
use super::named;
use super::people::{About, Consent, Register, Roles, Said};
use super::purchases::Purchases;
use crate::sql_text::literal_sql;

/// Files of people, their ids and the customers. `has_purchases`: `silver.purchases` is there.
pub(super) fn files(roles: &Roles, has_purchases: bool) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut put = |path: &str, text: String| files.insert(path.to_string(), text);
    match &roles.numbered {
        None => {
            put("sql/silver/people.sql", people(roles));
        }
        Some(_) => {
            put("sql/silver/people.sql", numbers(roles));
            put(
                "sql/identity/customer_ids.sql",
                "-- identity.customer_ids: one row per record, with the customer behind it: the number that the files give.\n\
                 select source, source_id, person_no as customer_id from silver.people\n"
                    .to_string(),
            );
            put(
                "schemas/identity/customer_ids.yaml",
                "description: Which customer a record belongs to.\ngrain: one row per record\nkey: [source, source_id]\n".to_string(),
            );
        }
    }
    put("schemas/silver/people.yaml", people_contract(roles));
    if !roles.consents.is_empty() {
        put("sql/gold/consents.sql", last_words(roles));
        put("schemas/gold/consents.yaml", CONSENTS_CONTRACT.to_string());
    }
    put("sql/gold/customers.sql", customers(roles, has_purchases));
    put(
        "schemas/gold/customers.yaml",
        customers_contract(roles, has_purchases),
    );
    files
}

fn one_register(register: &Register, roles: &Roles) -> String {
    let mut columns = vec![
        format!("'{}' as source", register.table),
        format!("cast({} as varchar) as source_id", named(&register.id)),
    ];
    for (part, data_type, _) in roles.known() {
        let value = match register.parts.get(part) {
            Some(column) if data_type == "varchar" => {
                format!("nullif(trim(repair_mojibake({})), '')", named(column))
            }
            Some(column) => named(column),
            None => format!("cast(null as {data_type})"),
        };
        columns.push(format!("{value} as {part}"));
    }
    columns.push(match &register.changed {
        Some(column) => format!("cast({} as varchar) as changed", named(column)),
        None => "cast(null as varchar) as changed".to_string(),
    });
    format!(
        "{} as (\n    select\n        {}\n    from bronze.{}\n)",
        name_within(&register.table),
        columns.join(",\n        "),
        register.table,
    )
}

/// What a register is called within the query of all people.
fn name_within(table: &str) -> String {
    match table {
        "records" | "located" => format!("{table}_file"),
        table => named(table),
    }
}

fn people(roles: &Roles) -> String {
    let registers: Vec<String> = roles
        .registers
        .iter()
        .map(|r| one_register(r, roles))
        .collect();
    let all: Vec<String> = roles
        .registers
        .iter()
        .map(|register| format!("    select * from {}", name_within(&register.table)))
        .collect();
    let known = roles.known();
    let has = |part: &str| known.iter().any(|(other, _, _)| *other == part);
    let country = match (has("country"), roles.country) {
        (true, Some(_)) => "coalesce(country_code(country), $country)",
        (true, None) => "country_code(country)",
        (false, Some(_)) => "$country",
        (false, None) => "cast(null as varchar)",
    };
    let exclude = if has("country") {
        "* exclude (country)"
    } else {
        "*"
    };
    let mut columns = vec![
        "source || ':' || source_id as record_id".to_string(),
        "source".to_string(),
        "source_id".to_string(),
    ];
    for (part, _, _) in &known {
        columns.push(match *part {
            "email" => "case when not is_placeholder_email(email) then normalize_email(email) end as email".to_string(),
            "phone" => "case when not is_placeholder_phone(phone) then normalize_phone(phone, country) end as phone".to_string(),
            "postcode" => "coalesce(normalize_postcode(postcode, country), postcode) as postcode".to_string(),
            "national_id" => "case when is_valid_national_id(national_id, country) then normalize_national_id(national_id, country) end as national_id".to_string(),
            "country" => continue,
            part => part.to_string(),
        });
    }
    columns.push("country".to_string());
    columns.push("changed".to_string());
    format!(
        "-- silver.people: one row per record of a person, of every file that seems to be a register of people.\n\
         -- Addresses and numbers stand in one form; those that nobody can be reached by are null.\n\
         with {},\nrecords as (\n{}\n),\nlocated as (\n    select {exclude}, {country} as country from records\n)\n\
         select\n    {}\nfrom located\nwhere source_id is not null\n",
        registers.join(",\n"),
        all.join("\n    union all\n"),
        columns.join(",\n    "),
    )
}

/// People who are known by a number alone.
fn numbers(roles: &Roles) -> String {
    let Some(numbered) = &roles.numbered else {
        return String::new();
    };
    let mut columns = vec![
        format!("'{}' as source", numbered.table),
        format!("{} as source_id", numbered.number),
        format!("max({}) as person_no", numbered.person),
    ];
    for (part, _, _) in roles.known() {
        if let Some(column) = numbered.parts.get(part) {
            columns.push(format!("max({}) as {part}", named(column)));
        }
    }
    format!(
        "-- silver.people: one row per customer's number in bronze.{}; no file says more of who they are.\n\
         select\n    {}\nfrom bronze.{}\nwhere {} is not null\ngroup by {}\n",
        numbered.table,
        columns.join(",\n    "),
        numbered.table,
        numbered.number,
        numbered.number,
    )
}

fn people_contract(roles: &Roles) -> String {
    let mut text = String::from(
        "description: Every record of a person, in one shape and one form.\n\
         grain: one row per record of a file\nkey: [source, source_id]\ncolumns:\n",
    );
    let mut column = |name: &str, data_type: &str, personal: Option<&str>| {
        let personal =
            personal.map_or_else(String::new, |meaning| format!(", personal: {meaning}"));
        text.push_str(&format!(
            "  - {{name: {name}, data_type: {data_type}{personal}}}\n"
        ));
    };
    if roles.numbered.is_none() {
        column("record_id", "varchar", Some("customer_number"));
    }
    column("source", "varchar", None);
    column("source_id", "varchar", Some("customer_number"));
    if roles.numbered.is_some() {
        column("person_no", "varchar", Some("customer_number"));
    }
    let known = roles.known();
    for (part, data_type, personal) in &known {
        if *part != "country" || roles.numbered.is_some() {
            column(part, data_type, *personal);
        }
    }
    if roles.numbered.is_none() {
        column("country", "varchar", None);
        column("changed", "varchar", None);
    }
    text
}

/// Columns of a customer that come from their records.
fn person_columns(roles: &Roles) -> Vec<(&'static str, &'static str, Option<&'static str>)> {
    let mut columns = roles.known();
    if roles.numbered.is_none() && !columns.iter().any(|(part, _, _)| *part == "country") {
        columns.push(("country", "varchar", None));
    }
    columns
}

fn customers(roles: &Roles, has_purchases: bool) -> String {
    let person: Vec<String> = person_columns(roles)
        .iter()
        .map(|(part, _, _)| format!("min_by({part}, recency) as {part}"))
        .collect();
    let order = match roles.numbered {
        None => "people.changed desc nulls last, people.source, people.source_id",
        Some(_) => "people.source, people.source_id",
    };
    let mut with = vec![
        format!(
            "records as (\n    select people.*, customer_ids.customer_id,\n        row_number() over (\n            partition by customer_ids.customer_id\n            order by {order}) as recency\n    \
             from silver.people as people\n    join identity.customer_ids as customer_ids\n        \
             on customer_ids.source = people.source and customer_ids.source_id = people.source_id\n)"
        ),
        format!(
            "persons as (\n    select\n        customer_id,\n        {}count(*) as records_count\n    from records\n    group by customer_id\n)",
            person
                .iter()
                .map(|column| format!("{column},\n        "))
                .collect::<String>(),
        ),
    ];
    let mut columns = vec!["persons.*".to_string()];
    let mut joins = String::new();
    if has_purchases {
        let mut ways = Vec::new();
        if roles.purchases.iter().any(|of| of.customer.is_some()) {
            ways.push(
                "records.source = purchases.register and records.source_id = purchases.customer_no",
            );
        }
        if roles.purchases.iter().any(|of| of.email.is_some()) {
            ways.push("purchases.register is null and records.email = purchases.email");
        }
        let ways = ways.iter().map(|way| {
            format!(
                "    select records.customer_id, purchases.source, purchases.purchase_id, purchases.purchased_on\n    \
                 from silver.purchases as purchases\n    join records on {way}"
            )
        });
        let ways: Vec<String> = ways.collect();
        with.push(format!(
            "theirs as (\n{}\n),\nbought as (\n    select\n        customer_id,\n        count(distinct source || ':' || purchase_id) as purchases_count,\n        \
             min(purchased_on) as first_purchase_on,\n        max(purchased_on) as last_purchase_on\n    \
             from theirs\n    group by customer_id\n)",
            ways.join("\n    union all\n"),
        ));
        columns.push("coalesce(bought.purchases_count, 0) as purchases_count".to_string());
        columns.push("bought.first_purchase_on".to_string());
        columns.push("bought.last_purchase_on".to_string());
        joins.push_str("left join bought on bought.customer_id = persons.customer_id\n");
    }
    if !roles.consents.is_empty() {
        with.push(
            "agreed as (\n    select customer_id, string_agg(purpose, ', ' order by purpose) as agreed_to\n    \
             from gold.consents\n    where granted\n    group by customer_id\n)"
                .to_string(),
        );
        columns.push("agreed.agreed_to".to_string());
        joins.push_str("left join agreed on agreed.customer_id = persons.customer_id\n");
    }
    format!(
        "-- gold.customers: one row per customer, with the newest known value of each field.\n\
         with {}\nselect\n    {}\nfrom persons\n{joins}",
        with.join(",\n"),
        columns.join(",\n    "),
    )
}

fn customers_contract(roles: &Roles, has_purchases: bool) -> String {
    let mut text = String::from(
        "description: Everyone whom a file knows, with the best-known value of each field.\n\
         grain: one row per customer\nkey: [customer_id]\ncolumns:\n  \
         - {name: customer_id, data_type: varchar, description: The same for all records of a customer.}\n",
    );
    for (part, data_type, personal) in person_columns(roles) {
        let personal =
            personal.map_or_else(String::new, |meaning| format!(", personal: {meaning}"));
        text.push_str(&format!(
            "  - {{name: {part}, data_type: {data_type}{personal}}}\n"
        ));
    }
    text.push_str(
        "  - {name: records_count, data_type: bigint, description: Records behind the customer.}\n",
    );
    if has_purchases {
        text.push_str(
            "  - {name: purchases_count, data_type: bigint, personal: behaviour}\n  \
             - {name: first_purchase_on, data_type: date, personal: behaviour}\n  \
             - {name: last_purchase_on, data_type: date, personal: behaviour}\n",
        );
    }
    if !roles.consents.is_empty() {
        text.push_str("  - {name: agreed_to, data_type: varchar, description: \"What they said yes to and did not take back, in one text; see gold.consents.\"}\n");
    }
    text.push_str(
        "data_tests:\n  - keeps: {keys_of: identity.customer_ids, columns: [customer_id]}\n",
    );
    text
}

const CONSENTS_CONTRACT: &str = "description: The last word of each customer on each thing that they were asked about.
grain: one row per customer and purpose
key: [customer_id, purpose]
columns:
  - {name: customer_id, data_type: varchar}
  - {name: purpose, data_type: varchar, description: \"As the files call it: a value, the name of a column, or of a table.\"}
  - {name: granted, data_type: boolean, description: \"A no without a date counts as the last word.\"}
  - {name: changed, data_type: varchar, description: \"When it was said, where the files say so.\"}
";

/// The last word of each customer on each purpose.
fn last_words(roles: &Roles) -> String {
    let known = roles.known();
    let has = |part: &str| known.iter().any(|(other, _, _)| *other == part);
    let is_tied = |of: &&Consent| of.customer.is_some();
    let (tied, others): (Vec<&Consent>, Vec<&Consent>) = roles.consents.iter().partition(is_tied);
    let mut ways = Vec::new();
    if !tied.is_empty() {
        ways.push(
            "records.source = consents.register and records.source_id = consents.customer_no",
        );
    }
    if has("email") && others.iter().any(|of| of.email.is_some()) {
        ways.push("consents.register is null and records.email = consents.email");
    }
    if has("phone") && others.iter().any(|of| of.phone.is_some()) {
        ways.push("consents.register is null and consents.email is null and records.phone = consents.phone");
    }
    let said: Vec<String> = ways
        .iter()
        .map(|way| {
            format!(
                "    select records.customer_id, consents.purpose, consents.granted, consents.changed\n    \
                 from silver.consents as consents\n    join records on {way}"
            )
        })
        .collect();
    let said = match said.is_empty() {
        // nobody whom the registers know can be the one who said it
        true => "    select cast(null as varchar) as customer_id, purpose, granted, changed from silver.consents where false".to_string(),
        false => said.join("\n    union all\n"),
    };
    let contacts = ["email", "phone"].into_iter().filter(|part| has(part));
    let contacts: String = contacts.map(|part| format!(", people.{part}")).collect();
    format!(
        "-- gold.consents: one row per customer and purpose, with the last word on it.\n\
         -- A no without a date counts as the last word; one that names no purpose is about all that was said before it.\n\
         with records as (\n    select customer_ids.customer_id, people.source, people.source_id{contacts}\n    \
         from silver.people as people\n    join identity.customer_ids as customer_ids\n        \
         on customer_ids.source = people.source and customer_ids.source_id = people.source_id\n),\n\
         said as (\n{said}\n),\n\
         refused as (\n    select customer_id, max(coalesce(changed, '9999')) as refused_at\n    from said\n    \
         where purpose is null and not granted\n    group by customer_id\n),\n\
         ranked as (\n    select *,\n        row_number() over (\n            partition by customer_id, purpose\n            \
         order by case when not granted and changed is null then 0 else 1 end, changed desc nulls last, granted) as recency\n    \
         from said\n    where purpose is not null and granted is not null\n)\n\
         select\n    ranked.customer_id,\n    ranked.purpose,\n    \
         ranked.granted and (refused.refused_at is null or coalesce(ranked.changed > refused.refused_at, false)) as granted,\n    \
         ranked.changed\nfrom ranked\nleft join refused on refused.customer_id = ranked.customer_id\nwhere ranked.recency = 1\n"
    )
}

/// Purchases of every table that ties them to a customer.
pub(super) fn purchases(roles: &Roles) -> String {
    let one = |of: &Purchases| {
        let null = || "cast(null as varchar)".to_string();
        let (register, number) = match (&of.customer, &of.email) {
            (None, None) => return None,
            (None, _) => (null(), null()),
            (Some((number, register)), _) => (format!("'{register}'"), number.clone()),
        };
        let email = of.email.as_ref();
        let email = email.map_or_else(null, |column| format!("normalize_email({})", named(column)));
        let row = "_kilde_source_file || ':' || cast(_kilde_source_row as varchar)";
        let id: Vec<String> = of
            .id
            .iter()
            .map(|id| format!("cast({} as varchar)", named(id)))
            .collect();
        let day = format!("cast({} as date)", named(&of.at));
        let (id, day, group) = match id.is_empty() {
            true => (row.to_string(), day, ""),
            // a row without the number is a purchase of its own
            false => (
                format!("coalesce({}, {row})", id.join(" || ':' || ")),
                format!("min({day})"),
                "\ngroup by 2, 4, 5",
            ),
        };
        Some(format!(
            "select\n    '{}' as source,\n    {id} as purchase_id,\n    {register} as register,\n    {number} as customer_no,\n    {email} as email,\n    \
             {day} as purchased_on\nfrom bronze.{}{group}",
            of.table, of.table,
        ))
    };
    let all: Vec<String> = roles.purchases.iter().filter_map(one).collect();
    format!(
        "-- silver.purchases: one row per purchase, however many lines it has, with the customer's number and the register that it is of,\n\
         -- or else the e-mail address that it was made with.\n{}\n",
        all.join("\nunion all\n"),
    )
}

/// What somebody said yes or no to, as SQL.
fn purpose(about: &About) -> String {
    match about {
        About::Column(column, or) => format!("coalesce({}, '{or}')", named(column)),
        About::Text(text) => format!("'{text}'"),
        About::All => "cast(null as varchar)".to_string(),
    }
}

/// Each time that somebody said yes or no.
pub(super) fn consents(roles: &Roles) -> String {
    let one = |of: &Consent| {
        let (number, register) = match &of.customer {
            Some((number, register)) => (number.clone(), format!("'{register}'")),
            None => (
                "cast(null as varchar)".to_string(),
                "cast(null as varchar)".to_string(),
            ),
        };
        let email = match &of.email {
            Some(column) => format!("normalize_email({})", named(column)),
            None => "cast(null as varchar)".to_string(),
        };
        let phone = match (&of.phone, roles.country) {
            (Some(column), Some(_)) => format!("normalize_phone({}, $country)", named(column)),
            (Some(column), None) => format!("nullif(trim({}), '')", named(column)),
            (None, _) => "cast(null as varchar)".to_string(),
        };
        let mut times = Vec::new();
        for column in of.withdrawn.iter().chain(&of.changed) {
            times.push(format!("cast({} as varchar)", named(column)));
        }
        let changed = match &times[..] {
            [] => "cast(null as varchar)".to_string(),
            [one] => one.clone(),
            several => format!("coalesce({})", several.join(", ")),
        };
        let (purpose, granted, only) = match &of.said {
            Said::Withdrawn { list } => {
                let withdrawn = of.withdrawn.as_deref().map(named).unwrap_or_default();
                match list {
                    Some(list) => (
                        format!("'{list}'"),
                        format!("{withdrawn} is null"),
                        String::new(),
                    ),
                    None => (
                        "cast(null as varchar)".to_string(),
                        "false".to_string(),
                        format!("\nwhere {withdrawn} is not null"),
                    ),
                }
            }
            Said::YesOrNo { granted, about } => {
                let purpose = purpose(about);
                let yes = match is_refusal(granted) {
                    true => format!("not {}", named(granted)),
                    false => named(granted),
                };
                let only = match (is_refusal(granted) && of.says_no_only, &of.withdrawn) {
                    (true, Some(column)) => {
                        format!(
                            "\nwhere {} or {} is not null",
                            named(granted),
                            named(column)
                        )
                    }
                    (true, None) => format!("\nwhere {}", named(granted)),
                    (false, _) => String::new(),
                };
                let yes = match &of.withdrawn {
                    Some(column) => format!(
                        "case when {} is null then {yes} else false end",
                        named(column)
                    ),
                    None => yes,
                };
                (purpose, yes, only)
            }
            Said::Standing { column, yes, about } => {
                let column = named(column);
                let yes: Vec<String> = yes.iter().map(|value| literal_sql(value)).collect();
                let granted = match yes.is_empty() {
                    true => "false".to_string(),
                    false => format!("trim({column}) in ({})", yes.join(", ")),
                };
                (
                    purpose(about),
                    granted,
                    format!("\nwhere {column} is not null"),
                )
            }
        };
        format!(
            "select\n    '{}' as source,\n    {purpose} as purpose,\n    {register} as register,\n    {number} as customer_no,\n    \
             {email} as email,\n    {phone} as phone,\n    {granted} as granted,\n    {changed} as changed\nfrom bronze.{}{only}",
            of.table, of.table,
        )
    };
    let all: Vec<String> = roles.consents.iter().map(one).collect();
    format!(
        "-- silver.consents: one row per time that somebody said yes or no, or took it back; without a purpose it is about all of them.\n{}\n",
        all.join("\nunion all\n"),
    )
}
