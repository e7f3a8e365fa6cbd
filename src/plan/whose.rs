//! Whose rows the tables of a project hold: which columns name an entity, and what a table tells of one.
//!
//!   match steps, `subject`, keys ──▶ columns of an id ──copied by SQL, tied by tests──▶ more of them
//!     ──▶ the records behind an id ──▶ tables of such records, of contacts, of rows that refer to those
//!
//! In: a project and its outline. Out: for each kind of entity the tables that hold rows of one, and how they are found. No
//! table is known by its name. Knows no release and no data.

use std::collections::{BTreeMap, BTreeSet};

use super::Outline;
use crate::column_type::ColumnType;
use crate::engine::How;
use crate::name::TableName;
use crate::parallel;
use crate::project::{Contract, Meaning, Project, Subject, TestKind};

/// A column of a table.
type Place = (TableName, String);

/// Entities that get their ids in one place: the people of a company, or its households.
#[derive(Debug)]
pub(crate) struct EntityKind {
    /// The match step that issues the ids, by its table of them.
    pub(crate) matching: Option<TableName>,
    /// Record → id, where the project has that.
    pub(crate) ids: Option<IdTable>,
    /// Every table that holds rows of such an entity.
    pub(crate) tables: BTreeMap<TableName, RowsOf>,
}

/// The table that says which entity a record is of.
#[derive(Debug)]
pub(crate) struct IdTable {
    pub(crate) table: TableName,
    /// Its column of the id.
    pub(crate) id: String,
    /// Columns that name a record, each list by itself; the first names those of the records' table.
    pub(crate) keys: Vec<Vec<String>>,
}

/// What a table holds of an entity.
#[derive(Debug)]
pub(crate) struct RowsOf {
    pub(crate) link: Link,
    pub(crate) part: Part,
    /// The column that orders its rows in time.
    pub(crate) time: Option<String>,
    /// Columns that say something of a person.
    pub(crate) meanings: Vec<(Meaning, String)>,
    /// Tables made of it that tell the same again.
    pub(crate) told_by: BTreeSet<TableName>,
}

/// How the rows of one entity are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// This column is the entity's id.
    Id(String),
    /// These columns name a record of the entity, as the first key of the [`IdTable`] does; with a system, its records only.
    Record {
        columns: Vec<String>,
        system: Option<String>,
    },
    /// A column refers to a row of another such table.
    Through {
        column: String,
        table: TableName,
        field: String,
    },
    /// One of these is an address or number of the entity.
    Contact(Vec<(Meaning, String)>),
}

/// What a table tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Who it is: one row, with a name or a way to reach them.
    Person,
    /// One row each as well, of something else.
    Figures,
    /// What each system knows.
    Records,
    /// Other names that one entity goes by: addresses, cookies, cards.
    Ids,
    Consents,
    /// Groups that it belongs to, states that it was in.
    Groups,
    /// What happened, each at its time.
    Events,
    Rows,
}

/// What all columns of a kind's ids are seen from.
struct Looking<'a> {
    project: &'a Project,
    outline: &'a Outline,
    /// Columns → those whose values go in, and how.
    made_of: BTreeMap<Place, Vec<(Place, How)>>,
    /// Tables → all that they are made of.
    reads: BTreeMap<TableName, BTreeSet<TableName>>,
}

/// Every kind of entity of a project, those of match steps first.
pub(crate) fn entity_kinds(project: &Project, outline: &Outline) -> Vec<EntityKind> {
    let looking = Looking::new(project, outline);
    let mut kinds: Vec<(Option<TableName>, BTreeSet<Place>)> = Vec::new();
    for matching in project.matches.values() {
        let tables = matching.tables.values();
        let id = &matching.entity_id.value;
        let seeds = tables.filter(|table| looking.has_column(table, id));
        let seeds = seeds.map(|table| (table.clone(), id.clone())).collect();
        kinds.push((Some(matching.table.clone()), looking.spread(seeds)));
    }
    let is_known = |place: &Place| kinds.iter().any(|(_, places)| places.contains(place));
    let declared: BTreeSet<Place> = looking.subjects().filter(|s| !is_known(s)).collect();
    let declared = looking.spread(declared);
    // contracts speak of the people of the one match step, unless that step matches those people themselves
    let is_of_records = |matching: &Option<TableName>| {
        let matching = matching.as_ref().and_then(|name| project.matches.get(name));
        matching.is_some_and(|matching| {
            let records = &matching.records.value;
            let mut key = matching.record_key.iter();
            key.all(|key| !declared.contains(&(records.clone(), key.value.clone())))
        })
    };
    let own = (0..kinds.len()).filter(|at| is_of_records(&kinds[*at].0));
    let own: Vec<usize> = own.collect();
    match own.as_slice() {
        [at] => kinds[*at].1.extend(declared),
        _ if !declared.is_empty() => kinds.push((None, declared)),
        _ => {}
    }
    if kinds.is_empty() {
        let seeds = looking.spread(looking.named_by_their_key());
        kinds.extend((!seeds.is_empty()).then_some((None, seeds)));
    }
    let kinds = kinds.into_iter();
    kinds
        .map(|(matching, places)| looking.kind(matching, &places))
        .collect()
}

impl<'a> Looking<'a> {
    fn new(project: &'a Project, outline: &'a Outline) -> Self {
        let names: Vec<&TableName> = project.tables().collect();
        let analyses = |name: &&TableName| outline.table(name).ok()?.analysis.as_ref();
        let found = parallel::map(parallel::cores(), &names, |name| {
            let analysis = analyses(name)?;
            Some((analysis.lineage(), analysis.inputs.clone()))
        });
        let mut made_of: BTreeMap<Place, Vec<(Place, How)>> = BTreeMap::new();
        let mut inputs: BTreeMap<TableName, Vec<TableName>> = BTreeMap::new();
        for (name, found) in names.into_iter().zip(found) {
            let Some((lineage, reads)) = found else {
                continue;
            };
            inputs.insert(name.clone(), reads.into_iter().collect());
            for (column, value) in lineage.columns {
                let values = value.origins.values();
                let whole = values.filter_map(|(origin, how)| match origin.path.as_slice() {
                    [column] => Some(((origin.table.clone(), column.clone()), how)),
                    _ => None,
                });
                made_of.insert((name.clone(), column), whole.collect());
            }
        }
        for matching in project.matches.values() {
            let records = &matching.records.value;
            for table in matching.tables.values() {
                inputs.insert(table.clone(), vec![records.clone()]);
            }
            for key in &matching.record_key {
                let copied = ((records.clone(), key.value.clone()), How::Copied);
                made_of.insert((matching.table.clone(), key.value.clone()), vec![copied]);
            }
        }
        let all = |name: &TableName| {
            let mut found = BTreeSet::new();
            let mut next: Vec<&TableName> = inputs.get(name).into_iter().flatten().collect();
            while let Some(table) = next.pop() {
                if found.insert(table.clone()) {
                    next.extend(inputs.get(table).into_iter().flatten());
                }
            }
            found
        };
        let reads = inputs.keys().map(|name| (name.clone(), all(name)));
        let reads = reads.collect();
        Self {
            project,
            outline,
            made_of,
            reads,
        }
    }

    fn contract(&self, table: &TableName) -> Option<&'a Contract> {
        self.project.contracts.get(table)
    }

    fn key(&self, table: &TableName) -> Vec<&'a str> {
        if let Some(matching) = self.project.matches.get(table) {
            let key = matching.record_key.iter();
            return key.map(|column| column.value.as_str()).collect();
        }
        self.contract(table)
            .map(Contract::key_names)
            .unwrap_or_default()
    }

    /// Names and types of a table's columns, in order.
    fn columns(&self, table: &TableName) -> Vec<(&'a str, Option<ColumnType>)> {
        let schema = self
            .outline
            .table(table)
            .ok()
            .and_then(|t| t.schema.as_ref());
        let fields = schema.into_iter().flat_map(|schema| schema.fields());
        fields
            .map(|field| {
                (
                    field.name().as_str(),
                    ColumnType::of_arrow(field.data_type()),
                )
            })
            .collect()
    }

    fn has_column(&self, table: &TableName, name: &str) -> bool {
        self.columns(table)
            .iter()
            .any(|(column, _)| *column == name)
    }

    /// What a column says of a person: as its contract says, else as those say that its values come from.
    fn meaning(&self, place: &Place) -> Option<Meaning> {
        let declared = self.contract(&place.0).and_then(|c| c.column(&place.1));
        if let Some(declared) = declared {
            return declared.personal;
        }
        let values = self.made_of.get(place).into_iter().flatten();
        let mut values = values.filter(|(_, how)| *how <= How::Computed);
        values.find_map(|(origin, _)| self.meaning(origin))
    }

    fn meanings(&self, table: &TableName) -> Vec<(Meaning, String)> {
        let columns = self.columns(table).into_iter();
        let meanings = columns.filter_map(|(column, _)| {
            let place = (table.clone(), column.to_string());
            Some((self.meaning(&place)?, place.1))
        });
        meanings.collect()
    }

    /// Columns that contracts call the customer's id.
    fn subjects(&self) -> impl Iterator<Item = Place> {
        let contracts = self.project.contracts.iter();
        contracts.filter_map(|(table, contract)| match &contract.subject {
            Some(Subject::Customer(column)) => Some((table.clone(), column.clone())),
            _ => None,
        })
    }

    /// Keys of one column, of steps that know names: where nothing else says what an entity is.
    fn named_by_their_key(&self) -> BTreeSet<Place> {
        let steps = self.project.steps.keys();
        let places = steps.filter_map(|table| {
            let [key] = self.key(table)[..] else {
                return None;
            };
            let meanings = self.meanings(table);
            let is_number = meanings.iter().any(|(_, column)| column == key);
            (!is_number && meanings.iter().any(|(m, _)| is_name(*m)))
                .then(|| (table.clone(), key.to_string()))
        });
        places.collect()
    }

    /// Every column that holds the same ids, from some of them.
    fn spread(&self, mut places: BTreeSet<Place>) -> BTreeSet<Place> {
        loop {
            let mut found: Vec<Place> = Vec::new();
            for (place, values) in &self.made_of {
                let mut values = values.iter();
                if values.any(|(origin, how)| *how == How::Copied && places.contains(origin)) {
                    found.push(place.clone());
                }
            }
            for (table, contract) in &self.project.contracts {
                for test in &contract.tests {
                    match &test.kind {
                        TestKind::Relationships {
                            columns,
                            to,
                            fields,
                        } => {
                            let pairs = columns.iter().zip(fields);
                            let tied = pairs.filter(|(_, field)| {
                                places.contains(&(to.clone(), (*field).clone()))
                            });
                            found.extend(tied.map(|(column, _)| (table.clone(), column.clone())));
                        }
                        TestKind::Keeps { columns, keys_of } => {
                            for column in columns {
                                let both = [table, keys_of].map(|t| (t.clone(), column.clone()));
                                if both.iter().any(|place| places.contains(place)) {
                                    found.extend(both);
                                }
                            }
                        }
                        _ => {}
                    }
                }
            }
            let before = places.len();
            places.extend(found);
            if places.len() == before {
                return places;
            }
        }
    }

    fn kind(&self, matching: Option<TableName>, places: &BTreeSet<Place>) -> EntityKind {
        let mut links: BTreeMap<TableName, Link> = BTreeMap::new();
        for (table, _) in places {
            let id = self.id_column(table, places);
            links.insert(table.clone(), Link::Id(id));
        }
        let (ids, records) = match &matching {
            Some(table) => self.ids_of_match(table),
            None => self.ids_of_records(&links),
        };
        if let (Some(ids), Some((table, columns))) = (&ids, &records) {
            links.entry(table.clone()).or_insert(Link::Record {
                columns: columns.clone(),
                system: None,
            });
            self.records_of_systems(ids, &mut links);
        }
        self.contacts(&mut links);
        self.references(&mut links);
        let records = records.map(|(table, _)| table);
        let parts: BTreeMap<&TableName, Part> = links
            .iter()
            .map(|(table, link)| {
                (
                    table,
                    self.part(table, link, ids.as_ref(), records.as_ref()),
                )
            })
            .collect();
        let rows = links.iter().map(|(table, link)| {
            let part = parts[table];
            let tells = |other: &&TableName| {
                let reads = self.reads.get(*other);
                let is_made_of_it = reads.is_some_and(|reads| reads.contains(table));
                is_made_of_it
                    && match part {
                        Part::Records => false,
                        Part::Consents => parts[*other] == part,
                        _ => parts[*other] == part || !matches!(link, Link::Id(_)),
                    }
            };
            let rows = RowsOf {
                link: link.clone(),
                part,
                time: self.time(table),
                meanings: self.meanings(table),
                told_by: links.keys().filter(tells).cloned().collect(),
            };
            (table.clone(), rows)
        });
        let tables = rows.collect();
        EntityKind {
            matching,
            ids,
            tables,
        }
    }

    /// The column that says whose a row is, of several that hold ids.
    fn id_column(&self, table: &TableName, places: &BTreeSet<Place>) -> String {
        let columns: Vec<&String> = places
            .iter()
            .filter(|(of, _)| of == table)
            .map(|(_, column)| column)
            .collect();
        let subject = self.contract(table).and_then(|c| match &c.subject {
            Some(Subject::Customer(column)) => Some(column),
            _ => None,
        });
        let key = self.key(table);
        let in_key = columns.iter().find(|column| key.contains(&column.as_str()));
        let chosen = subject.filter(|column| columns.contains(column));
        let chosen = chosen.or_else(|| in_key.copied());
        chosen
            .or(columns.first().copied())
            .cloned()
            .unwrap_or_default()
    }

    fn ids_of_match(
        &self,
        table: &TableName,
    ) -> (Option<IdTable>, Option<(TableName, Vec<String>)>) {
        let Some(matching) = self.project.matches.get(table) else {
            return (None, None);
        };
        let key = matching.record_key.iter();
        let key: Vec<String> = key.map(|column| column.value.clone()).collect();
        let ids = IdTable {
            table: table.clone(),
            id: matching.entity_id.value.clone(),
            keys: vec![key.clone()],
        };
        (Some(ids), Some((matching.records.value.clone(), key)))
    }

    /// The table of ids whose key names rows of a table that knows names.
    fn ids_of_records(
        &self,
        links: &BTreeMap<TableName, Link>,
    ) -> (Option<IdTable>, Option<(TableName, Vec<String>)>) {
        let candidates = links.iter().filter_map(|(table, link)| {
            let Link::Id(id) = link else { return None };
            let key = self.key(table);
            // what happened at a time is no record of who somebody is
            let may_be =
                !key.is_empty() && !key.contains(&id.as_str()) && self.time(table).is_none();
            let records = self.named_by(table, &key, links).filter(|_| may_be)?;
            Some((self.meanings(&records.0).len(), table, id, key, records))
        });
        // the first of those whose records say most
        let best = candidates.reduce(|best, other| if other.0 > best.0 { other } else { best });
        let Some((_, table, id, key, records)) = best else {
            return (None, None);
        };
        let tests = self.contract(table).into_iter().flat_map(|c| &c.tests);
        let unique = tests.filter_map(|test| match &test.kind {
            TestKind::Unique { columns } if !columns.contains(id) => Some(columns.clone()),
            _ => None,
        });
        let mut keys = vec![key.iter().map(|column| (*column).to_string()).collect()];
        keys.extend(unique);
        let ids = IdTable {
            table: table.clone(),
            id: id.clone(),
            keys,
        };
        (Some(ids), Some(records))
    }

    /// The table with names that a key names rows of, and its columns for those of the key.
    fn named_by(
        &self,
        table: &TableName,
        key: &[&str],
        links: &BTreeMap<TableName, Link>,
    ) -> Option<(TableName, Vec<String>)> {
        let candidates = self.project.steps.keys();
        let mut candidates = candidates.filter(|records| {
            let meanings = self.meanings(records);
            !links.contains_key(*records) && meanings.iter().any(|(m, _)| is_name(*m))
        });
        candidates.find_map(|records| {
            let own = self.key(records);
            let column_of = |key: &&str| {
                let place = (table.clone(), (*key).to_string());
                let copied = self.made_of.get(&place).into_iter().flatten();
                let copied = copied.filter(|(_, how)| *how == How::Copied);
                let mut copied = copied.filter(|((of, _), _)| of == records);
                let found = copied.find(|((_, column), _)| own.contains(&column.as_str()));
                found.map(|((_, column), _)| column.clone())
            };
            let columns: Vec<String> = key.iter().map(column_of).collect::<Option<_>>()?;
            (columns.len() == own.len()).then(|| (records.clone(), columns))
        })
    }

    /// Tables of one system's records, by `subject: {record: …}`.
    fn records_of_systems(&self, ids: &IdTable, links: &mut BTreeMap<TableName, Link>) {
        if !ids.keys.iter().any(|key| key.len() == 2) {
            return;
        }
        for (table, contract) in &self.project.contracts {
            if let Some(Subject::Record { source, id }) = &contract.subject {
                links.entry(table.clone()).or_insert(Link::Record {
                    columns: vec![id.clone()],
                    system: Some(source.clone()),
                });
            }
        }
    }

    /// Tables of contacts: those that say so, and steps that have nothing else to go by.
    fn contacts(&self, links: &mut BTreeMap<TableName, Link>) {
        let tables: Vec<&TableName> = self.project.tables().collect();
        for table in tables {
            if links.contains_key(table) || self.project.match_of(table).is_some() {
                continue;
            }
            let subject = self.contract(table).and_then(|c| c.subject.as_ref());
            let named: Option<&Vec<String>> = match subject {
                Some(Subject::Contact(columns)) => Some(columns),
                Some(_) => continue,
                None if self.project.steps.contains_key(table) => None,
                None => continue,
            };
            let contacts = self
                .meanings(table)
                .into_iter()
                .filter(|(meaning, column)| {
                    matches!(meaning, Meaning::Email | Meaning::Phone)
                        && named.is_none_or(|named| named.contains(column))
                });
            let contacts: Vec<(Meaning, String)> = contacts.collect();
            if !contacts.is_empty() {
                links.insert(table.clone(), Link::Contact(contacts));
            }
        }
    }

    /// Tables of which a column refers to a row by its key.
    fn references(&self, links: &mut BTreeMap<TableName, Link>) {
        loop {
            let mut found = Vec::new();
            for (table, contract) in &self.project.contracts {
                if links.contains_key(table) {
                    continue;
                }
                let through = contract.tests.iter().find_map(|test| match &test.kind {
                    TestKind::Relationships {
                        columns,
                        to,
                        fields,
                    } if fields.len() == 1 && self.key(to) == [fields[0].as_str()] => {
                        let is_certain = links
                            .get(to)
                            .is_some_and(|link| !matches!(link, Link::Contact(_)));
                        is_certain.then(|| Link::Through {
                            column: columns[0].clone(),
                            table: to.clone(),
                            field: fields[0].clone(),
                        })
                    }
                    _ => None,
                });
                found.extend(through.map(|link| (table.clone(), link)));
            }
            if found.is_empty() {
                return;
            }
            links.extend(found);
        }
    }

    fn part(
        &self,
        table: &TableName,
        link: &Link,
        ids: Option<&IdTable>,
        records: Option<&TableName>,
    ) -> Part {
        let meanings = self.meanings(table);
        let key = self.key(table);
        let is_number = |column: &&str| {
            let meaning = meanings.iter().find(|(_, of)| of == column);
            meaning.is_some_and(|(meaning, _)| is_identifier(*meaning))
        };
        let has_time = self.time(table).is_some();
        if records == Some(table) {
            return Part::Records;
        }
        let told = self.project.highlights.consents.as_ref();
        let is_told = told.is_some_and(|consents| consents.table == *table);
        if is_told || self.project.consent_tables().contains(table) {
            return Part::Consents;
        }
        match link {
            Link::Id(id) if key == [id.as_str()] => {
                let says_who = meanings
                    .iter()
                    .any(|(m, _)| is_name(*m) || is_identifier(*m));
                if says_who {
                    Part::Person
                } else {
                    Part::Figures
                }
            }
            Link::Id(_) if ids.is_some_and(|ids| ids.table == *table) => Part::Ids,
            Link::Id(id) if key.contains(&id.as_str()) => Part::Groups,
            // another name is always somebody's; of what happened nobody may be known
            Link::Id(id)
                if !key.is_empty()
                    && key.iter().all(is_number)
                    && (!has_time || self.is_never_null(table, id)) =>
            {
                Part::Ids
            }
            _ if has_time => Part::Events,
            _ => Part::Rows,
        }
    }

    fn is_never_null(&self, table: &TableName, column: &str) -> bool {
        let mut tests = self.contract(table).into_iter().flat_map(|c| &c.tests);
        tests.any(
            |test| matches!(&test.kind, TestKind::NotNull { column: tested } if tested == column),
        )
    }

    /// The first column of times, else of dates; a birth is no event.
    fn time(&self, table: &TableName) -> Option<String> {
        let columns = self.columns(table).into_iter();
        let columns: Vec<(&str, Option<ColumnType>)> = columns
            .filter(|(name, _)| {
                let place = (table.clone(), (*name).to_string());
                !name.starts_with('_') && self.meaning(&place) != Some(Meaning::BirthDate)
            })
            .collect();
        let first = |wanted: ColumnType| {
            let mut columns = columns.iter();
            let found = columns.find(|(_, data_type)| data_type.as_ref() == Some(&wanted));
            found.map(|(name, _)| (*name).to_string())
        };
        first(ColumnType::Timestamp).or_else(|| first(ColumnType::Date))
    }
}

fn is_name(meaning: Meaning) -> bool {
    matches!(
        meaning,
        Meaning::Name | Meaning::GivenName | Meaning::FamilyName
    )
}

/// Whether a value of this meaning names somebody.
pub(crate) fn is_identifier(meaning: Meaning) -> bool {
    matches!(
        meaning,
        Meaning::Email
            | Meaning::Phone
            | Meaning::NationalId
            | Meaning::CustomerNumber
            | Meaning::Cookie
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::DateTime;

    use super::*;
    use crate::engine::project_functions;
    use crate::project::Variables;

    #[test]
    fn the_shipped_project_tells_of_one_kind_of_entity_and_where_its_rows_are() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let project = Project::load(root, &Variables::default()).unwrap();
        let functions = project_functions(&project.functions).unwrap();
        let outline = Outline::new(&project, &functions, DateTime::UNIX_EPOCH);
        let kinds = entity_kinds(&project, &outline);
        assert_eq!(kinds.len(), 1);
        let kind = &kinds[0];
        let ids = kind.ids.as_ref().unwrap();
        assert_eq!(ids.table.to_string(), "identity.customer_ids");
        assert_eq!(ids.keys.len(), 1, "{:?}", ids.keys);
        let part = |table: &str| kind.tables[&table.parse::<TableName>().unwrap()].part;
        assert_eq!(part("gold.customers"), Part::Person);
        assert_eq!(part("gold.rfm"), Part::Figures);
        assert_eq!(part("silver.people"), Part::Records);
        assert_eq!(part("identity.cookie_ids"), Part::Ids);
        assert_eq!(part("gold.consents_current"), Part::Consents);
        assert_eq!(part("gold.segments"), Part::Groups);
        assert_eq!(part("gold.interactions"), Part::Events);
        let link = |table: &str| &kind.tables[&table.parse::<TableName>().unwrap()].link;
        assert!(
            matches!(link("bronze.crm_customers"), Link::Record { system: Some(system), .. } if system == "crm")
        );
        assert!(matches!(link("silver.order_lines"), Link::Through { .. }));
        assert!(!kind.tables.contains_key(&"gold.kpis".parse().unwrap()));
        let told = |table: &str| &kind.tables[&table.parse::<TableName>().unwrap()].told_by;
        assert!(told("gold.sales").contains(&"gold.interactions".parse().unwrap()));
        assert!(!told("gold.interactions").contains(&"gold.sales".parse().unwrap()));
    }
}
