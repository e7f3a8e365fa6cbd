//! The two families of check digits in the north.

/// Luhn: every second digit doubled from the left, the digits of all products summed; the last digit makes it a
/// multiple of ten. `digits` have an even length, as Swedish ids do.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(place, digit)| u32::from(*digit) * if place % 2 == 0 { 2 } else { 1 })
        .map(|product| product / 10 + product % 10)
        .sum();
    sum.is_multiple_of(10)
}

/// Weighted sum modulo 11, the check digit among the digits with its own weight (1): right when it is zero.
pub(super) fn modulo_11(digits: &[u8], weights: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .zip(weights)
        .map(|(d, w)| u32::from(*d) * u32::from(*w))
        .sum();
    sum.is_multiple_of(11)
}
