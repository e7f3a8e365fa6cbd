//! Text → integers, decimals, doubles, booleans. Pure; never through a float where the type is exact.

use std::borrow::Cow;

use crate::ingest::lanes;
use crate::ingest::rule::Rule;

/// How an export writes numbers.
#[derive(Clone, Debug)]
pub(crate) struct NumberStyle {
    /// Decimal sign.
    pub(crate) decimal: char,
    /// Sign between groups of three.
    pub(crate) thousands: Option<char>,
    /// What may stand before or behind a number; longer ones first.
    pub(crate) units: Vec<Vec<u8>>,
    /// Whether `(5)` is -5.
    pub(crate) parentheses: bool,
    /// Whether `5-` is.
    pub(crate) trailing_minus: bool,
}

/// The style of JSON, programming languages and most databases.
pub(crate) static PLAIN: NumberStyle = NumberStyle {
    decimal: '.',
    thousands: None,
    units: Vec::new(),
    parentheses: false,
    trailing_minus: false,
};

/// The minus of typographers, which some spreadsheets and locales write.
const MINUS: &[u8] = "\u{2212}".as_bytes();

impl NumberStyle {
    /// Whether digits and one sign of ASCII between them are just that.
    fn is_simple(&self) -> bool {
        self.units.is_empty() && self.thousands.is_none() && self.decimal.is_ascii()
    }

    /// The number with its sign in front, if it has one, and without a unit.
    fn bare<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let is_plain = !self.parentheses && !self.trailing_minus && text.is_ascii();
        if is_plain && self.units.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut text = Cow::Borrowed(trimmed(text));
        if let Some(number) = text.strip_prefix(MINUS) {
            text = negative(trimmed(number));
        }
        let text = self.without_unit(text);
        let inside = text
            .strip_prefix(b"(")
            .and_then(|text| text.strip_suffix(b")"));
        if let Some(number) = inside.filter(|_| self.parentheses) {
            return negative(&self.without_unit(Cow::Borrowed(trimmed(number))));
        }
        let before = text.strip_suffix(b"-").or_else(|| text.strip_suffix(MINUS));
        if let Some(number) = before.filter(|_| self.trailing_minus) {
            return negative(&self.without_unit(Cow::Borrowed(trimmed(number))));
        }
        text
    }

    /// The number without a unit before or behind it, and without the spaces between them.
    fn without_unit<'a>(&self, text: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        let sign = usize::from(matches!(*text, [b'+' | b'-', ..]));
        for unit in &self.units {
            if let Some(number) = text.strip_suffix(&unit[..]) {
                let kept = trimmed(number).len();
                return part(text, 0, kept);
            }
            if let Some(number) = text[sign..].strip_prefix(&unit[..]) {
                let number = trimmed(number);
                return match sign {
                    0 => {
                        let start = text.len() - number.len();
                        let length = number.len();
                        part(text, start, length)
                    }
                    sign => Cow::Owned([&text[..sign], number].concat()),
                };
            }
        }
        text
    }

    /// The number with `.` as decimal sign and without groups; UTF-8 in, trimmed.
    ///
    /// # Errors
    /// `NotANumber` where a group has not three digits, or a sign that this style does not use stands for one it does.
    fn plain<'a>(&self, text: &'a [u8]) -> Result<Cow<'a, [u8]>, Rule> {
        let text = text.trim_ascii();
        if self.thousands.is_none() && (self.decimal == '.' || !text.contains(&b'.')) {
            if self.decimal.is_ascii() && self.decimal != '.' {
                let sign = self.decimal as u8;
                if !text.contains(&sign) {
                    return Ok(Cow::Borrowed(text));
                }
                let replaced = text.iter().map(|b| if *b == sign { b'.' } else { *b });
                return Ok(Cow::Owned(replaced.collect()));
            }
            if self.decimal == '.' {
                return Ok(Cow::Borrowed(text));
            }
        }
        self.respelled(text).map(Cow::Owned)
    }

    /// [`Self::plain`] for numbers with groups or with signs beyond ASCII.
    fn respelled(&self, text: &[u8]) -> Result<Vec<u8>, Rule> {
        let text = std::str::from_utf8(text).map_err(|_| Rule::NotANumber)?;
        let (whole, fraction) = match text.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let mut groups = whole.split(|c| self.is_thousands(c)).peekable();
        let first = groups.next().unwrap_or_default();
        let mut out = first.as_bytes().to_vec();
        let grouped = groups.peek().is_some();
        let leading = first.trim_start_matches(['+', '-']);
        // `0.125` is no hundred and twenty-five: nobody groups what begins with a zero, so its sign is a decimal one
        let are_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
        let is_group =
            (1..=3).contains(&leading.len()) && are_digits(leading) && !leading.starts_with('0');
        if grouped && !is_group {
            return Err(Rule::NotANumber);
        }
        for group in groups {
            // `1.5e7` is no 15e7
            if group.len() != 3 || !are_digits(group) {
                return Err(Rule::NotANumber);
            }
            out.extend_from_slice(group.as_bytes());
        }
        // a sign of another style must not pass as ours: `1.5` is not 1.5 where the decimal sign is a comma
        if out.contains(&b'.') {
            return Err(Rule::NotANumber);
        }
        if let Some(fraction) = fraction {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
        Ok(out)
    }

    /// A declared space also stands for the no-break spaces that spreadsheets write.
    fn is_thousands(&self, c: char) -> bool {
        match self.thousands {
            Some(' ') => matches!(c, ' ' | '\u{a0}' | '\u{202f}'),
            Some(sign) => c == sign,
            None => false,
        }
    }
}

/// The number with a minus in front; one that has a sign already is none.
fn negative(number: &[u8]) -> Cow<'static, [u8]> {
    Cow::Owned([b"-", number].concat())
}

/// A part of the text, without a copy where nobody owns it.
fn part(text: Cow<'_, [u8]>, start: usize, length: usize) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..start + length]),
        Cow::Owned(text) => Cow::Owned(text[start..start + length].to_vec()),
    }
}

/// Without the spaces around it, be they no-break ones.
fn trimmed(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => text.trim_ascii(),
    }
}

/// A whole number of 64 bits; one or two zeros may stand behind a decimal sign, as data frames write whole numbers beside
/// missing ones. Three would be a group of thousands in another style.
///
/// # Errors
/// `NotAnInteger`, or `OutOfRange`.
pub(crate) fn integer(text: &[u8], style: &NumberStyle) -> Result<i64, Rule> {
    match whole_number(text) {
        Err(Rule::NotAnInteger) => {
            let text = style.bare(text);
            let plain = style.plain(&text).map_err(|_| Rule::NotAnInteger)?;
            let zeros: [&[u8]; 2] = [b".0", b".00"];
            let whole = zeros
                .into_iter()
                .find_map(|zeros| plain.strip_suffix(zeros));
            whole_number(whole.unwrap_or(&plain))
        }
        result => result,
    }
}

/// Sign and digits.
fn whole_number(text: &[u8]) -> Result<i64, Rule> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if let Some(word) = lanes::short(digits) {
        let value = lanes::number(word, digits.len()).ok_or(Rule::NotAnInteger)? as i64;
        return Ok(if negative { -value } else { value });
    }
    if (9..=18).contains(&digits.len()) {
        let mut value = 0_i64;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(Rule::NotAnInteger);
            }
            value = value * 10 + i64::from(digit);
        }
        return Ok(if negative { -value } else { value });
    }
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Rule::NotAnInteger);
    }
    let mut value = 0_i64;
    for digit in digits {
        // towards the sign, so that the smallest number is reached as well
        let step = i64::from(digit - b'0');
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(if negative { -step } else { step }))
            .ok_or(Rule::OutOfRange)?;
    }
    Ok(value)
}

/// A decimal of `scale` digits after the sign, as the unscaled number.
///
/// # Errors
/// `NotANumber`; `TooManyDecimals` where a digit that is not 0 would be lost; `OutOfRange` beyond `precision` digits.
pub(crate) fn decimal(
    text: &[u8],
    style: &NumberStyle,
    precision: u8,
    scale: i8,
) -> Result<i128, Rule> {
    // what has no sign and no unit needs no closer look
    if style.is_simple()
        && let Some(value) = short_fixed_point(text, style.decimal as u8, precision, scale)
    {
        return Ok(value);
    }
    let text = &*style.bare(text);
    let sign = if style.thousands.is_none() && style.decimal.is_ascii() {
        Some(style.decimal as u8)
    } else {
        None
    };
    match sign {
        Some(sign) => fixed_point(text.trim_ascii(), sign, precision, scale),
        None => fixed_point(&style.plain(text)?, b'.', precision, scale),
    }
}

/// Digits, one decimal sign at most, an exponent at most.
fn fixed_point(text: &[u8], sign: u8, precision: u8, scale: i8) -> Result<i128, Rule> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if let Some(value) = short_fixed_point(digits, sign, precision, scale) {
        return Ok(if negative { -value } else { value });
    }
    if digits.iter().any(|b| matches!(b, b'e' | b'E')) {
        let expanded = without_exponent(digits, sign)?;
        let value = fixed_point(&expanded, sign, precision, scale)?;
        return Ok(if negative { -value } else { value });
    }
    let at = digits.iter().position(|b| *b == sign);
    let (whole, fraction) = match at {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &digits[..0]),
    };
    let all_digits = whole.iter().chain(fraction).all(u8::is_ascii_digit);
    if !all_digits || whole.len() + fraction.len() == 0 {
        return Err(Rule::NotANumber);
    }
    let scale = usize::try_from(scale).map_err(|_| Rule::OutOfRange)?;
    let (kept, lost) = fraction.split_at(fraction.len().min(scale));
    if lost.iter().any(|digit| *digit != b'0') {
        return Err(Rule::TooManyDecimals);
    }
    let leading = whole.iter().take_while(|digit| **digit == b'0').count();
    let whole = &whole[leading..];
    if whole.len() + scale > usize::from(precision) {
        return Err(Rule::OutOfRange);
    }
    let value = unscaled(whole, kept, scale);
    Ok(if negative { -value } else { value })
}

/// What nearly all decimals are: a few digits that fit. `None`: look closer.
fn short_fixed_point(text: &[u8], sign: u8, precision: u8, scale: i8) -> Option<i128> {
    let (value, digits, decimals) = match lanes::short(text) {
        Some(word) => few_digits(word, text.len(), sign)?,
        None => more_digits(text, sign)?,
    };
    let missing = usize::try_from(scale).ok()?.checked_sub(decimals)?;
    if digits + missing >= POWERS_64.len() {
        return None;
    }
    let value = value * POWERS_64[missing];
    let bound = POWERS_64.get(usize::from(precision));
    bound
        .is_none_or(|bound| value < *bound)
        .then_some(value.into())
}

/// The digits of a word of `length` bytes as a number, how many they are, and how many of them stand behind the sign.
#[inline(always)]
fn few_digits(word: u64, length: usize, sign: u8) -> Option<(u64, usize, usize)> {
    let signs = lanes::equal(word, sign);
    if signs == 0 {
        return Some((lanes::number(word, length)?, length, 0));
    }
    let whole = lanes::lowest(signs);
    let digits = length - 1;
    // a sign of NUL would be found behind the text
    let decimals = digits.checked_sub(whole)?;
    let before = (1 << (whole * 8)) - 1;
    let word = word & before | word >> 8 & !before;
    Some((lanes::number(word, digits)?, digits, decimals))
}

/// The same of up to 18 bytes.
fn more_digits(text: &[u8], sign: u8) -> Option<(u64, usize, usize)> {
    if text.len() > 18 {
        return None;
    }
    let mut value = 0_u64;
    let mut whole = None;
    for (at, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
        } else if *byte == sign && whole.is_none() {
            whole = Some(at);
        } else {
            return None;
        }
    }
    let digits = text.len() - usize::from(whole.is_some());
    (digits > 0).then(|| (value, digits, whole.map_or(0, |whole| digits - whole)))
}

/// Powers of ten that 64 bits hold.
const POWERS_64: [u64; 20] = {
    let mut powers = [1; 20];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// The number of at most 38 digits: those given, filled up with zeros to the scale.
fn unscaled(whole: &[u8], kept: &[u8], scale: usize) -> i128 {
    let missing = scale - kept.len();
    if whole.len() + scale <= 18 {
        let digits = whole.iter().chain(kept);
        let value = digits.fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        return i128::from(value * 10_i64.pow(missing as u32));
    }
    let digits = whole.iter().chain(kept);
    let value = digits.fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    value * 10_i128.pow(missing as u32)
}

/// `1.25e3` → `1250.`: the same number, its decimal sign moved. Exponents beyond 100 are no money.
fn without_exponent(digits: &[u8], sign: u8) -> Result<Vec<u8>, Rule> {
    let at = digits
        .iter()
        .position(|b| matches!(b, b'e' | b'E'))
        .ok_or(Rule::NotANumber)?;
    let exponent = whole_number(&digits[at + 1..]).map_err(|_| Rule::NotANumber)?;
    if !(-100..=100).contains(&exponent) {
        return Err(Rule::OutOfRange);
    }
    let mantissa = &digits[..at];
    let point = mantissa
        .iter()
        .position(|b| *b == sign)
        .unwrap_or(mantissa.len());
    let mut figures: Vec<u8> = mantissa.iter().copied().filter(|b| *b != sign).collect();
    if figures.is_empty() || mantissa.len() > figures.len() + 1 {
        return Err(Rule::NotANumber);
    }
    let mut point = point as i64 + exponent;
    while point < 0 {
        figures.insert(0, b'0');
        point += 1;
    }
    while (figures.len() as i64) < point {
        figures.push(b'0');
    }
    figures.insert(point as usize, sign);
    Ok(figures)
}

/// A double; the nearest to the decimal number written. Words such as `NaN` and `inf` are no numbers.
///
/// # Errors
/// `NotANumber`, or `OutOfRange` where only infinity is near.
pub(crate) fn double(text: &[u8], style: &NumberStyle) -> Result<f64, Rule> {
    let text = style.bare(text);
    let plain = style.plain(&text)?;
    let numeric = plain
        .iter()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if !numeric {
        return Err(Rule::NotANumber);
    }
    let value: f64 = std::str::from_utf8(&plain)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Rule::NotANumber)?;
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Rule::OutOfRange)
    }
}

/// How an export writes booleans, in any case.
#[derive(Clone, Debug)]
pub(crate) struct BooleanStyle {
    pub(crate) trues: Vec<String>,
    pub(crate) falses: Vec<String>,
}

impl BooleanStyle {
    /// `None`: the words that all databases write.
    pub(crate) fn new(trues: Option<&[String]>, falses: Option<&[String]>) -> Self {
        let words = |declared: Option<&[String]>, usual: [&str; 5]| match declared {
            Some(words) => words.iter().map(|word| word.to_lowercase()).collect(),
            None => usual.map(String::from).to_vec(),
        };
        Self {
            trues: words(trues, ["true", "t", "yes", "y", "1"]),
            falses: words(falses, ["false", "f", "no", "n", "0"]),
        }
    }

    /// The truth of a text.
    ///
    /// # Errors
    /// `NotABoolean`.
    pub(crate) fn read(&self, text: &[u8]) -> Result<bool, Rule> {
        let text = text.trim_ascii();
        let is_one_of = |words: &[String]| words.iter().any(|word| is_word(text, word));
        if is_one_of(&self.trues) {
            Ok(true)
        } else if is_one_of(&self.falses) {
            Ok(false)
        } else {
            Err(Rule::NotABoolean)
        }
    }
}

/// Whether the text is the word, which is in lower case.
fn is_word(text: &[u8], word: &str) -> bool {
    if text.is_ascii() {
        return text.eq_ignore_ascii_case(word.as_bytes());
    }
    std::str::from_utf8(text).is_ok_and(|text| text.to_lowercase() == word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMMA: NumberStyle = NumberStyle {
        decimal: ',',
        thousands: None,
        units: Vec::new(),
        parentheses: false,
        trailing_minus: false,
    };
    const GROUPED: NumberStyle = NumberStyle {
        decimal: ',',
        thousands: Some('.'),
        units: Vec::new(),
        parentheses: false,
        trailing_minus: false,
    };
    const SPACED: NumberStyle = NumberStyle {
        decimal: ',',
        thousands: Some(' '),
        units: Vec::new(),
        parentheses: false,
        trailing_minus: false,
    };

    #[test]
    fn units_are_cut_off_on_either_side_and_what_nobody_declared_is_no_number() {
        let style = NumberStyle {
            units: ["kr", "€", "%", "k"]
                .map(|unit| unit.as_bytes().to_vec())
                .to_vec(),
            ..SPACED
        };
        let money = |text: &str| decimal(text.as_bytes(), &style, 12, 2);
        for text in [
            "1 020,50 kr",
            "kr 1 020,50",
            "€1020,50",
            " 1\u{a0}020,50\u{a0}€ ",
            "1020,50%",
        ] {
            assert_eq!(money(text), Ok(102_050), "{text}");
        }
        assert_eq!(money("-kr 5"), Ok(-500));
        assert_eq!(money("€ -5"), Ok(-500));
        assert_eq!(integer("12 %".as_bytes(), &style), Ok(12));
        assert_eq!(double("12,5 k".as_bytes(), &style), Ok(12.5));
        for text in ["kr", "5 SEK", "5 kr kr", "kr5kr", "5 KR", "--kr5"] {
            assert_eq!(money(text), Err(Rule::NotANumber), "{text}");
        }
    }

    #[test]
    fn an_exponent_is_no_part_of_a_group() {
        let dollars = NumberStyle {
            decimal: '.',
            thousands: Some(','),
            ..COMMA
        };
        for (text, style) in [
            ("1.5e7", &GROUPED),
            ("-2.5E6", &GROUPED),
            ("1.234.5e6", &GROUPED),
            ("1.e10", &GROUPED),
            ("1.e-2", &GROUPED),
            ("1e0.003", &GROUPED),
            ("2e-.002", &GROUPED),
            ("1,5e7", &dollars),
            ("1 5e7", &SPACED),
        ] {
            let text = text.as_bytes();
            assert_eq!(double(text, style), Err(Rule::NotANumber));
            assert_eq!(decimal(text, style, 20, 4), Err(Rule::NotANumber));
        }
        assert_eq!(double(b"1.234,5e6", &GROUPED), Ok(1_234.5e6));
        assert_eq!(double(b"1,5e7", &GROUPED), Ok(1.5e7));
    }

    #[test]
    fn a_minus_stands_where_the_source_says_and_may_be_that_of_typographers() {
        let money = |text: &str, style: &NumberStyle| decimal(text.as_bytes(), style, 12, 2);
        let books = NumberStyle {
            units: vec![b"kr".to_vec()],
            parentheses: true,
            trailing_minus: true,
            ..GROUPED
        };
        for text in [
            "(1.234,50)",
            "( 1.234,50 kr )",
            "(1.234,50) kr",
            "kr (1.234,50)",
            "1.234,50-",
            "1.234,50 -",
            "1.234,50- kr",
            "1.234,50 kr-",
            "\u{2212}1.234,50",
            "\u{2212} kr 1.234,50",
            "1.234,50\u{2212}",
        ] {
            assert_eq!(money(text, &books), Ok(-123_450), "{text}");
        }
        for text in [
            "(-5)",
            "-5-",
            "(5",
            "5)",
            "()",
            "-",
            "(+5)",
            "((5))",
            "\u{2212}-5",
        ] {
            assert_eq!(money(text, &books), Err(Rule::NotANumber), "{text}");
        }
        assert_eq!(integer(b"(7)", &books), Ok(-7));
        assert_eq!(double(b"7,5-", &books), Ok(-7.5));
        for text in ["(5)", "5-"] {
            assert_eq!(money(text, &COMMA), Err(Rule::NotANumber), "{text}");
        }
        assert_eq!(money("\u{2212}5,5", &COMMA), Ok(-550));
        assert_eq!(integer("\u{2212}5".as_bytes(), &PLAIN), Ok(-5));
    }

    #[test]
    fn integers_take_signs_and_reach_both_ends() {
        let plain = &PLAIN;
        assert_eq!(integer(b"-42", plain), Ok(-42));
        assert_eq!(integer(b" +7 ", plain), Ok(7));
        assert_eq!(integer(b"-9223372036854775808", plain), Ok(i64::MIN));
        assert_eq!(
            integer(b"9223372036854775808", plain),
            Err(Rule::OutOfRange)
        );
        for wrong in [&b"12.5"[..], b"12.", b"", b"-", b"1e3", b"1 2", b".0"] {
            assert_eq!(integer(wrong, plain), Err(Rule::NotAnInteger));
        }
        assert_eq!(integer(b"1.234.567", &GROUPED), Ok(1_234_567));
    }

    #[test]
    fn integers_may_have_zeros_behind_the_sign_but_not_a_group_of_them() {
        assert_eq!(integer(b"1001.0", &PLAIN), Ok(1001));
        assert_eq!(integer(b"-7.00", &PLAIN), Ok(-7));
        assert_eq!(integer(b"7,00", &COMMA), Ok(7));
        assert_eq!(integer(b"1.234,0", &GROUPED), Ok(1234));
        for wrong in [&b"3.000"[..], b"1.234.0", b"7.01", b"7.0.0"] {
            assert_eq!(integer(wrong, &PLAIN), Err(Rule::NotAnInteger));
        }
        assert_eq!(integer(b"7.0", &COMMA), Err(Rule::NotAnInteger));
        assert_eq!(
            integer(b"9223372036854775808.0", &PLAIN),
            Err(Rule::OutOfRange)
        );
    }

    #[test]
    fn decimals_follow_the_declared_signs() {
        assert_eq!(decimal(b"59,60", &COMMA, 12, 2), Ok(5960));
        assert_eq!(decimal(b"59.60", &COMMA, 12, 2), Err(Rule::NotANumber));
        assert_eq!(decimal(b"1.234,5", &GROUPED, 12, 2), Ok(123_450));
        assert_eq!(decimal(b"12.34,5", &GROUPED, 12, 2), Err(Rule::NotANumber));
        for wrong in [
            "0.125",
            "0.001",
            "0.123.456",
            "-0.125",
            "012.345",
            ".125",
            "1234.567",
        ] {
            let found = decimal(wrong.as_bytes(), &GROUPED, 12, 3);
            assert_eq!(found, Err(Rule::NotANumber), "{wrong}");
            assert_eq!(double(wrong.as_bytes(), &GROUPED), Err(Rule::NotANumber));
            assert_eq!(integer(wrong.as_bytes(), &GROUPED), Err(Rule::NotAnInteger));
        }
        assert_eq!(decimal(b"0,125", &GROUPED, 12, 3), Ok(125));
        assert_eq!(
            decimal("0 125".as_bytes(), &SPACED, 12, 3),
            Err(Rule::NotANumber)
        );
        assert_eq!(decimal(b"1234,5", &GROUPED, 12, 2), Ok(123_450));
        assert_eq!(
            decimal("1\u{a0}234,50".as_bytes(), &SPACED, 12, 2),
            Ok(123_450)
        );
        assert_eq!(
            decimal("-1\u{202f}234,50".as_bytes(), &SPACED, 12, 2),
            Ok(-123_450)
        );
    }

    #[test]
    fn decimals_are_never_rounded_but_zeros_may_go() {
        let plain = &PLAIN;
        assert_eq!(decimal(b"1.2300", plain, 12, 2), Ok(123));
        assert_eq!(decimal(b"1.2301", plain, 12, 2), Err(Rule::TooManyDecimals));
        assert_eq!(decimal(b"0000012.5", plain, 4, 2), Ok(1250));
        assert_eq!(decimal(b"123.45", plain, 4, 2), Err(Rule::OutOfRange));
        assert_eq!(decimal(b".5", plain, 4, 2), Ok(50));
        assert_eq!(decimal(b"5.", plain, 4, 2), Ok(500));
        assert_eq!(decimal(b".", plain, 4, 2), Err(Rule::NotANumber));
        assert_eq!(decimal(b"1.5E2", plain, 12, 2), Ok(15_000));
        assert_eq!(decimal(b"-15e-3", plain, 12, 3), Ok(-15));
        assert_eq!(decimal(b"1.2.3", plain, 12, 3), Err(Rule::NotANumber));
        let widest = b"99999999999999999999999999999999999999";
        assert_eq!(decimal(widest, plain, 38, 0), Ok(10_i128.pow(38) - 1));
    }

    #[test]
    fn every_byte_in_every_place_is_a_digit_a_sign_or_neither() {
        for length in 1..=10 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = b"9876543210"[..length].to_vec();
                    text[at] = byte;
                    let whole: String = text.iter().map(|byte| char::from(*byte)).collect();
                    let is_number = whole.bytes().all(|byte| byte.is_ascii_digit());
                    let expected = is_number.then(|| whole.parse().unwrap());
                    assert_eq!(
                        whole_number(&text).ok(),
                        expected.or(signed(&text)),
                        "{text:?}"
                    );
                    let decimal = short_fixed_point(&text, b',', 18, 8);
                    let (before, after) = whole.split_once(',').unwrap_or((&whole, ""));
                    let digits = format!("{before}{after}");
                    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                    let is_number = is_number && !digits.is_empty() && after.len() <= 8;
                    let value = is_number.then(|| {
                        let zeros = "0".repeat(8 - after.len());
                        format!("{digits}{zeros}").parse().unwrap()
                    });
                    assert_eq!(decimal, value, "{text:?}");
                }
            }
        }
        fn signed(text: &[u8]) -> Option<i64> {
            let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+"))?;
            let text = std::str::from_utf8(text).ok()?;
            (digits.iter().all(u8::is_ascii_digit) && !digits.is_empty())
                .then(|| text.parse().unwrap())
        }
    }

    proptest! {
        #[test]
        fn the_short_way_agrees_with_the_long_one(text in "[0-9]{0,12},?[0-9]{0,8}", (precision, scale) in (1_u8..39).prop_flat_map(|precision| (Just(precision), 0..precision.min(19) as i8))) {
            let long = format!("00000000000000000000{text}");
            if text != "," && !text.is_empty() {
                let [short, long] = [&text, &long].map(|text| decimal(text.as_bytes(), &COMMA, precision, scale));
                prop_assert_eq!(short, long);
            }
        }
    }

    #[test]
    fn doubles_refuse_words() {
        assert_eq!(double(b"1,5", &COMMA), Ok(1.5));
        assert_eq!(double(b"NaN", &PLAIN), Err(Rule::NotANumber));
        assert_eq!(double(b"inf", &PLAIN), Err(Rule::NotANumber));
        assert_eq!(double(b"1e999", &PLAIN), Err(Rule::OutOfRange));
    }

    #[test]
    fn booleans_have_five_spellings_each() {
        let usual = BooleanStyle::new(None, None);
        assert_eq!(usual.read(b"TRUE"), Ok(true));
        assert_eq!(usual.read(b" n "), Ok(false));
        assert_eq!(usual.read(b"ja"), Err(Rule::NotABoolean));
        let words = ["Ja".to_string(), "Sí".to_string()];
        let own = BooleanStyle::new(Some(&words), None);
        assert_eq!(own.read(b"JA"), Ok(true));
        assert_eq!(own.read("SÍ".as_bytes()), Ok(true));
        assert_eq!(own.read(b"no"), Ok(false));
        assert_eq!(own.read(b"yes"), Err(Rule::NotABoolean));
    }

    proptest! {
        #[test]
        fn every_decimal_reads_back_as_written(value in -99_999_999_999_i64..99_999_999_999) {
            let (whole, cents) = (value.abs() / 100, value.abs() % 100);
            let sign = if value < 0 { "-" } else { "" };
            let text = format!("{sign}{whole},{cents:02}");
            prop_assert_eq!(decimal(text.as_bytes(), &COMMA, 18, 2), Ok(i128::from(value)));
        }

        #[test]
        fn no_text_panics(text in ".{0,24}", scale in 0_i8..6) {
            let _ = decimal(text.as_bytes(), &GROUPED, 18, scale);
            let _ = integer(text.as_bytes(), &SPACED);
            let _ = double(text.as_bytes(), &COMMA);
        }
    }
}
