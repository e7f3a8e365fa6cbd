//! Ids in the form that other tools want, made of ours: the same of the same.

use sha2::{Digest, Sha256};

/// A UUID (version 8: of the maker's own making) that stands for these words in this order.
pub(super) fn of(words: &[&str]) -> String {
    let mut hash = Sha256::new();
    for word in words {
        hash.update((word.len() as u64).to_le_bytes());
        hash.update(word.as_bytes());
    }
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn equal_words_give_equal_ids_of_the_right_form() {
        let id = of(&["20260301T020612044-9f3ac1", "gold.customers"]);
        assert_eq!(id, of(&["20260301T020612044-9f3ac1", "gold.customers"]));
        assert_ne!(id, of(&["20260301T020612044-9f3ac1gold", ".customers"]));
        assert_eq!((id.len(), &id[14..15]), (36, "8"));
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
}
