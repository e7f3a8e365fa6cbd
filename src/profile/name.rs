//! Names that people gave to files and columns → names that every SQL engine takes.

use std::collections::BTreeSet;

/// `E-post` → `e_post`, `orderId` → `order_id`, `2024 total` → `c_2024_total`.
pub(crate) fn identifier(text: &str, prefix: &str) -> String {
    let words = super::meaning::name_words(text);
    let plain: String = words
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let joined = plain.split('_').filter(|word| !word.is_empty());
    let name = joined.collect::<Vec<_>>().join("_");
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return name;
    }
    match name.is_empty() {
        true => prefix.trim_end_matches('_').to_string(),
        false => format!("{prefix}{name}"),
    }
}

/// The name, or the first of `name_2`, `name_3` … that is free; taken from then on.
pub(crate) fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let free = (1..)
        .map(|number| match number {
            1 => name.to_string(),
            number => format!("{name}_{number}"),
        })
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| name.to_string());
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_name() {
        assert_eq!(identifier("E-post", "c_"), "e_post");
        assert_eq!(identifier("orderId", "c_"), "order_id");
        assert_eq!(identifier("Årsomsättning (kr)", "c_"), "arsomsattning_kr");
        assert_eq!(identifier("2024 total", "c_"), "c_2024_total");
        assert_eq!(identifier("_fivetran_synced", "c_"), "fivetran_synced");
        assert_eq!(identifier("日本", "c_"), "c");
        assert_eq!(identifier("CustomerID", "c_"), "customer_id");
    }

    #[test]
    fn names_do_not_come_twice() {
        let mut taken = BTreeSet::new();
        let names = ["a", "a", "b", "a"].map(|name| unique(name, &mut taken));
        assert_eq!(names, ["a", "a_2", "b", "a_3"]);
    }
}
