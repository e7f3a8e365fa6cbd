//! The exact sum of doubles: every bit is kept until the sum is read, so the order of adding cannot matter.
//!
//! A double is an integer of 53 bits, shifted left by 0 to 2045 places, in units of 2⁻¹⁰⁷⁴ (the smallest subnormal). A
//! sum of doubles is therefore an integer of some 2,200 bits. Most sums need few of them, so a [`Total`] has two forms:
//!
//! ```text
//! Window   one i128, shifted by a fixed `base`:  32 bits below the first value's last bit, 42 above its first
//! Wide     67 limbs of 32 bits, each in an i64:  Neal, "Fast exact summation using small and large superaccumulators"
//!          (2015), the small one; also counts what is no number: infinities and NaN
//! ```
//!
//! A window that a value does not fit becomes wide. Both are exact, so which of them held a sum never shows.

/// Limbs of 32 bits for all doubles and 2⁶³ carries beyond them; the last one is not bounded to 32 bits.
const LIMBS: usize = 67;

/// Additions after which the limbs must be normalised: each adds less than 2³² to a limb of 63 bits.
const ADDITIONS_BETWEEN_CARRIES: u32 = 1 << 30;

/// Bits that a window keeps free below the last bit of its first value.
const WINDOW_SLACK: u32 = 32;

/// Bits of a window's sum; one of the 127 is left so that two windows can be added before the check.
const WINDOW_BITS: u32 = 126;

/// The base of a window that the largest double opens.
const LARGEST_BASE: u32 = 2045 - WINDOW_SLACK;

/// The exact sum of any number of doubles.
#[derive(Clone, Debug, Default)]
pub(in crate::engine::udf) enum Total {
    /// Nothing but zeros was added.
    #[default]
    Zero,
    /// `sum` × 2^(`base` − 1074).
    Window { base: u32, sum: i128 },
    /// Everything else.
    Wide(Box<Wide>),
}

/// The full-length form, and counts of values that are no numbers.
#[derive(Clone, Debug)]
pub(in crate::engine::udf) struct Wide {
    /// Σ limbs[i] × 2^(32 i − 1074).
    limbs: [i64; LIMBS],
    /// Upper bound of additions since every limb but the last was within 32 bits.
    additions: u32,
    /// How many of +∞, −∞ and NaN.
    specials: [i64; 3],
}

impl Total {
    /// Adds a value.
    pub(in crate::engine::udf) fn add(&mut self, value: f64) {
        self.add_signed(value, 1);
    }

    /// Takes back a value that was added before; as exact as adding.
    pub(in crate::engine::udf) fn subtract(&mut self, value: f64) {
        self.add_signed(value, -1);
    }

    fn add_signed(&mut self, value: f64, sign: i64) {
        if !value.is_finite() {
            return self.on_wide(|wide| wide.specials[special_kind(value)] += sign);
        }
        let (mantissa, place) = decompose(value);
        if mantissa == 0 {
            return;
        }
        let mantissa = i128::from(mantissa * sign);
        if let Self::Zero = self {
            *self = Self::Window {
                base: place.saturating_sub(WINDOW_SLACK),
                sum: 0,
            };
        }
        self.add_shifted(mantissa, place);
    }

    /// Adds everything that `other` holds.
    pub(in crate::engine::udf) fn merge(&mut self, other: &Self) {
        match other {
            Self::Zero => {}
            Self::Window { base, sum } => {
                if let Self::Zero = self {
                    *self = other.clone();
                } else {
                    self.add_shifted(*sum, *base);
                }
            }
            Self::Wide(other) => self.on_wide(|wide| wide.merge(other)),
        }
    }

    /// Adds `integer` × 2^(`place` − 1074), in the window if both it and the sum fit there.
    fn add_shifted(&mut self, integer: i128, place: u32) {
        if let Self::Window { base, sum } = self {
            let shifted = shift_exactly(integer, i64::from(place) - i64::from(*base));
            let total = shifted.and_then(|shifted| sum.checked_add(shifted));
            if let Some(total) = total.filter(|total| bits(*total) <= WINDOW_BITS) {
                *sum = total;
                return;
            }
        }
        self.on_wide(|wide| wide.add_shifted(integer, place));
    }

    /// Changes the wide form, after bringing the sum into it.
    fn on_wide(&mut self, change: impl FnOnce(&mut Wide)) {
        let mut wide = match std::mem::take(self) {
            Self::Wide(wide) => wide,
            Self::Zero => Box::new(Wide::new()),
            Self::Window { base, sum } => {
                let mut wide = Wide::new();
                wide.add_shifted(sum, base);
                Box::new(wide)
            }
        };
        change(&mut wide);
        *self = Self::Wide(wide);
    }

    /// The sum as the nearest double, ties to even; infinite beyond the largest. Zero is `+0`. NaN and opposite
    /// infinities give NaN.
    pub(in crate::engine::udf) fn value(&self) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::Window { base, sum } => scaled(*sum as f64, i64::from(*base) - 1074),
            Self::Wide(wide) => wide.value(),
        }
    }

    /// Bytes that are held outside of the struct itself.
    pub(in crate::engine::udf) fn heap_size(&self) -> usize {
        match self {
            Self::Wide(_) => size_of::<Wide>(),
            Self::Zero | Self::Window { .. } => 0,
        }
    }

    /// Appends the form in which totals travel between threads and to spill files: 0, 20 or 560 bytes.
    pub(in crate::engine::udf) fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Zero => {}
            Self::Window { base, sum } => {
                bytes.extend_from_slice(&base.to_le_bytes());
                bytes.extend_from_slice(&sum.to_le_bytes());
            }
            Self::Wide(wide) => {
                let mut wide = wide.clone();
                wide.carry();
                for word in wide.limbs.iter().chain(&wide.specials) {
                    bytes.extend_from_slice(&word.to_le_bytes());
                }
            }
        }
    }

    /// Reads what [`Self::write`] wrote; `None` for anything else.
    pub(in crate::engine::udf) fn read(bytes: &[u8]) -> Option<Self> {
        const WORDS: usize = LIMBS + 3;
        match bytes.len() {
            0 => Some(Self::Zero),
            20 => {
                let (base, sum) = bytes.split_at(4);
                let base = u32::from_le_bytes(base.try_into().ok()?);
                let sum = i128::from_le_bytes(sum.try_into().ok()?);
                (base <= LARGEST_BASE).then_some(Self::Window { base, sum })
            }
            length if length == WORDS * 8 => {
                let mut wide = Wide::new();
                let places = wide.limbs.iter_mut().chain(&mut wide.specials);
                for (place, word) in places.zip(bytes.chunks_exact(8)) {
                    *place = i64::from_le_bytes(word.try_into().ok()?);
                }
                Some(Self::Wide(Box::new(wide)))
            }
            _ => None,
        }
    }
}

impl Wide {
    fn new() -> Self {
        Self {
            limbs: [0; LIMBS],
            additions: 0,
            specials: [0; 3],
        }
    }

    fn add_shifted(&mut self, integer: i128, place: u32) {
        let magnitude = integer.unsigned_abs();
        let sign = if integer < 0 { -1 } else { 1 };
        self.add_half(magnitude as u64, place, sign);
        self.add_half((magnitude >> 64) as u64, place + 64, sign);
    }

    /// Adds `sign` × `half` × 2^(`place` − 1074).
    fn add_half(&mut self, half: u64, place: u32, sign: i64) {
        if half == 0 {
            return;
        }
        if self.additions >= ADDITIONS_BETWEEN_CARRIES {
            self.carry();
        }
        self.additions += 1;
        let (limb, offset) = ((place / 32) as usize, place % 32);
        let shifted = u128::from(half) << offset;
        for (i, part) in self.limbs[limb..].iter_mut().take(3).enumerate() {
            *part += sign * ((shifted >> (32 * i)) & 0xffff_ffff) as i64;
        }
    }

    fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (limb, more) in self.limbs.iter_mut().zip(other.limbs) {
            *limb += more;
        }
        for (count, more) in self.specials.iter_mut().zip(other.specials) {
            *count += more;
        }
        self.additions = 2;
    }

    /// Moves all but the lowest 32 bits of each limb up, so that every limb but the last lies in 0..2³².
    fn carry(&mut self) {
        let mut carried = 0;
        for limb in &mut self.limbs[..LIMBS - 1] {
            let total = *limb + carried;
            *limb = total & 0xffff_ffff;
            carried = total >> 32;
        }
        self.limbs[LIMBS - 1] += carried;
        self.additions = 1;
    }

    fn value(&self) -> f64 {
        match self.specials.map(|count| count > 0) {
            [_, _, true] | [true, true, _] => return f64::NAN,
            [true, _, _] => return f64::INFINITY,
            [_, true, _] => return f64::NEG_INFINITY,
            [false, false, false] => {}
        }
        let mut wide = self.clone();
        wide.carry();
        let is_negative = wide.limbs[LIMBS - 1] < 0;
        if is_negative {
            wide.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            wide.carry();
        }
        let magnitude = wide.rounded();
        if is_negative { -magnitude } else { magnitude }
    }

    /// The nearest double of carried, non-negative limbs.
    ///
    /// The three highest limbs from the first that is not zero hold at least 65 bits, more than a double keeps; whether
    /// anything lies below them is all that rounding still needs to know, so it is put into their last bit.
    fn rounded(&self) -> f64 {
        let Some(highest) = self.limbs.iter().rposition(|limb| *limb != 0) else {
            return 0.0;
        };
        let lowest = highest.saturating_sub(2);
        let head = self.limbs[lowest..=highest]
            .iter()
            .rev()
            .fold(0_u128, |head, limb| {
                (head << 32) + limb.unsigned_abs() as u128
            });
        let has_tail = self.limbs[..lowest].iter().any(|limb| *limb != 0);
        scaled(
            (head | u128::from(has_tail)) as f64,
            32 * lowest as i64 - 1074,
        )
    }
}

/// Integer and left shift of a finite double, in units of 2⁻¹⁰⁷⁴.
fn decompose(value: f64) -> (i64, u32) {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as u32 & 0x7ff;
    let fraction = (bits & ((1 << 52) - 1)) as i64;
    let mantissa = if exponent == 0 {
        fraction
    } else {
        fraction | 1 << 52
    };
    let signed = if value.is_sign_negative() {
        -mantissa
    } else {
        mantissa
    };
    (signed, exponent.saturating_sub(1))
}

/// Place of a value that is no number among the counts.
fn special_kind(value: f64) -> usize {
    match value {
        f64::INFINITY => 0,
        f64::NEG_INFINITY => 1,
        _ => 2,
    }
}

/// Bits of the magnitude.
fn bits(integer: i128) -> u32 {
    128 - integer.unsigned_abs().leading_zeros()
}

/// `integer` × 2^`places`, if it is an integer that a window holds.
fn shift_exactly(integer: i128, places: i64) -> Option<i128> {
    let distance = u32::try_from(places.unsigned_abs()).ok()?;
    if places >= 0 {
        (bits(integer) + distance <= WINDOW_BITS).then(|| integer << distance)
    } else {
        (integer == 0 || integer.trailing_zeros() >= distance)
            .then(|| integer.checked_shr(distance).unwrap_or(0))
    }
}

/// `integer` × 2^`power`, for an integral double and −1074 ≤ `power` ≤ 1023. Exact, unless it overflows to infinity: the
/// last bit of an integer is at least 1, so the product needs no bit below the smallest subnormal.
fn scaled(integer: f64, power: i64) -> f64 {
    let power_of_two = if power >= -1022 {
        f64::from_bits(((power + 1023) as u64) << 52)
    } else {
        f64::from_bits(1 << (power + 1074))
    };
    integer * power_of_two
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(values: &[f64]) -> Total {
        let mut total = Total::default();
        values.iter().for_each(|value| total.add(*value));
        total
    }

    /// The reference: a plain sum of big integers in units of 2⁻¹⁰⁷⁴, rounded by comparing with neighbours.
    fn reference(values: &[f64]) -> f64 {
        let mut positive = vec![0_u32; 72];
        let mut negative = vec![0_u32; 72];
        for value in values {
            let (mantissa, place) = decompose(*value);
            let side = if mantissa < 0 {
                &mut negative
            } else {
                &mut positive
            };
            for bit in (0..53).filter(|bit| mantissa.unsigned_abs() >> bit & 1 == 1) {
                set_bit(side, (place + bit) as usize);
            }
        }
        if positive.iter().rev().lt(negative.iter().rev()) {
            -nearest(&difference(&negative, &positive))
        } else {
            nearest(&difference(&positive, &negative))
        }
    }

    fn set_bit(number: &mut [u32], bit: usize) {
        let mut carry = 1_u32 << (bit % 32);
        for word in &mut number[bit / 32..] {
            let (sum, overflow) = word.overflowing_add(carry);
            *word = sum;
            if !overflow {
                return;
            }
            carry = 1;
        }
    }

    fn difference(larger: &[u32], smaller: &[u32]) -> Vec<u32> {
        let mut borrow = 0_i64;
        larger
            .iter()
            .zip(smaller)
            .map(|(a, b)| {
                let word = i64::from(*a) - i64::from(*b) - borrow;
                borrow = i64::from(word < 0);
                word.rem_euclid(1 << 32) as u32
            })
            .collect()
    }

    /// Bit by bit: the 53 highest bits, rounded half to even by the rest.
    fn nearest(number: &[u32]) -> f64 {
        let bit = |i: usize| number[i / 32] >> (i % 32) & 1 == 1;
        let Some(top) = (0..number.len() * 32).rev().find(|i| bit(*i)) else {
            return 0.0;
        };
        let low = top.saturating_sub(52);
        let mut mantissa = (low..=top)
            .rev()
            .fold(0_u64, |m, i| m * 2 + u64::from(bit(i)));
        if low > 0 && bit(low - 1) && (mantissa % 2 == 1 || (0..low - 1).any(bit)) {
            mantissa += 1;
        }
        // Exponent field and hidden bit: a mantissa that grew to 2^53 carries into the exponent by itself.
        let exponent = if mantissa < 1 << 52 {
            0
        } else {
            low as u64 + 1
        };
        if exponent == 0 {
            return f64::from_bits(mantissa);
        }
        let bits = (exponent << 52) + (mantissa - (1 << 52));
        if bits >= 0x7ff << 52 {
            f64::INFINITY
        } else {
            f64::from_bits(bits)
        }
    }

    #[test]
    fn what_is_cancelled_leaves_what_was_small() {
        assert_eq!(total(&[1e16, 1.0, -1e16]).value(), 1.0);
        assert_eq!(total(&[1e308, 1e308, -1e308]).value(), 1e308);
        assert_eq!(total(&[f64::MAX, 5e-324, -f64::MAX]).value(), 5e-324);
        assert_eq!(total(&[0.1; 10]).value(), 1.0);
        assert_eq!(total(&[1e100, 1.0, -1e100, 1e-100, -1.0]).value(), 1e-100);
    }

    #[test]
    fn ties_go_to_even_and_dust_breaks_them() {
        let half = (2.0_f64).powi(-53);
        assert_eq!(total(&[1.0, half]).value(), 1.0);
        assert_eq!(total(&[1.0, half, 5e-324]).value(), 1.0 + f64::EPSILON);
        assert_eq!(
            total(&[1.0 + f64::EPSILON, half]).value(),
            1.0 + 2.0 * f64::EPSILON
        );
        assert_eq!(total(&[-1.0, -half, -5e-324]).value(), -1.0 - f64::EPSILON);
    }

    #[test]
    fn sums_of_zeros_are_positive_zero() {
        assert_eq!(total(&[]).value().to_bits(), 0);
        assert_eq!(total(&[-0.0, -0.0]).value().to_bits(), 0);
        assert_eq!(total(&[1.5, -1.5]).value().to_bits(), 0);
        assert_eq!(
            total(&[1e300, 1e-300, -1e300, -1e-300]).value().to_bits(),
            0
        );
    }

    #[test]
    fn overflow_is_infinite_and_comes_back() {
        let mut sum = total(&[f64::MAX, f64::MAX]);
        assert_eq!(sum.value(), f64::INFINITY);
        sum.subtract(f64::MAX);
        assert_eq!(sum.value(), f64::MAX);
        assert_eq!(total(&[-f64::MAX, -f64::MAX]).value(), f64::NEG_INFINITY);
    }

    #[test]
    fn what_is_no_number_decides_and_can_be_taken_back() {
        assert_eq!(total(&[1.0, f64::INFINITY]).value(), f64::INFINITY);
        assert_eq!(total(&[f64::NEG_INFINITY, 1.0]).value(), f64::NEG_INFINITY);
        assert!(total(&[f64::INFINITY, f64::NEG_INFINITY]).value().is_nan());
        let mut sum = total(&[f64::NAN, f64::INFINITY, 2.0]);
        assert!(sum.value().is_nan());
        sum.subtract(f64::NAN);
        assert_eq!(sum.value(), f64::INFINITY);
        sum.subtract(f64::INFINITY);
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn sums_of_money_stay_in_the_window() {
        let prices: Vec<f64> = (0..100_000).map(|i| f64::from(i % 9_999) / 100.0).collect();
        let sum = total(&prices);
        assert!(matches!(sum, Total::Window { .. }));
        assert_eq!(sum.heap_size(), 0);
        assert_eq!(sum.value(), reference(&prices));
        assert!(size_of::<Total>() <= 32);
    }

    #[test]
    fn carries_reach_beyond_the_largest_double() {
        let mut sum = Total::Wide(Box::new(Wide::new()));
        for _ in 0..40 {
            let doubled = sum.clone();
            sum.add(f64::MAX);
            sum.merge(&doubled);
        }
        assert_eq!(sum.value(), f64::INFINITY);
    }

    #[test]
    fn foreign_bytes_are_no_total() {
        assert!(Total::read(&[1, 2, 3]).is_none());
    }

    /// Doubles of every size, and groups of similar ones.
    fn doubles() -> impl Strategy<Value = Vec<f64>> {
        let any = any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter("finite", |v| v.is_finite());
        let money = (-100_000_000_i64..100_000_000).prop_map(|cents| cents as f64 / 100.0);
        let tiny = (0_u64..1 << 54).prop_map(f64::from_bits);
        let close =
            (-(1_i64 << 40)..1 << 40, -80_i32..80).prop_map(|(m, e)| m as f64 * 2_f64.powi(e));
        prop::collection::vec(prop_oneof![any, money, tiny, close], 0..40)
    }

    proptest! {
        #[test]
        fn the_sum_is_the_nearest_double(values in doubles()) {
            prop_assert_eq!(total(&values).value().to_bits(), reference(&values).to_bits());
        }

        #[test]
        fn neither_order_nor_grouping_changes_a_bit(values in doubles(), cut in 0_usize..40, turn in 0_usize..40) {
            let expected = total(&values).value().to_bits();
            let mut turned = values.clone();
            turned.rotate_left(turn % values.len().max(1));
            turned.reverse();
            prop_assert_eq!(total(&turned).value().to_bits(), expected);
            let (left, right) = values.split_at(cut.min(values.len()));
            let (left, right) = (total(left), total(right));
            for (mut into, from) in [(left.clone(), &right), (right.clone(), &left)] {
                into.merge(from);
                prop_assert_eq!(into.value().to_bits(), expected);
            }
        }

        #[test]
        fn a_total_survives_its_bytes(values in doubles()) {
            let mut bytes = Vec::new();
            let sum = total(&values);
            sum.write(&mut bytes);
            let back = Total::read(&bytes).unwrap();
            prop_assert_eq!(back.value().to_bits(), sum.value().to_bits());
        }

        #[test]
        fn taking_back_leaves_the_rest(values in doubles(), gone in doubles()) {
            let mut sum = total(&gone);
            values.iter().for_each(|value| sum.add(*value));
            gone.iter().for_each(|value| sum.subtract(*value));
            prop_assert_eq!(sum.value().to_bits(), total(&values).value().to_bits());
        }
    }
}
