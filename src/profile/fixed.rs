//! Text in columns of a fixed width, told by the places at which no line has anything, or where one kind of text ends.

use super::value::{Shape, shape};

/// Lines that are looked at.
const LOOKED_AT: usize = 400;
/// With fewer, gaps stand below one another by chance.
const FEWEST: usize = 5;
/// What stands between fields, where a text is of another kind.
const DELIMITERS: [char; 6] = [',', ';', '|', '~', '^', '\t'];

/// Widths of the fields in characters; `None` where the text is not of that kind. Fields that touch in every line are one, unless
/// a number ends where a word begins.
pub(super) fn widths(text: &str) -> Option<Vec<usize>> {
    let lines = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty());
    let mut lines: Vec<Vec<char>> = lines
        .take(LOOKED_AT)
        .map(|line| line.chars().collect())
        .collect();
    let longest = lines.iter().map(Vec::len).max()?;
    // a title above is no line of the table
    let titles = lines
        .iter()
        .take_while(|line| line.len() * 2 < longest)
        .count();
    lines.drain(..titles.min(3));
    let has_padding = |line: &&Vec<char>| line.windows(2).any(|pair| pair == [' ', ' ']);
    let padded = lines.iter().filter(has_padding).count();
    if lines.len() < FEWEST || padded * 2 < lines.len() || is_delimited(&lines) {
        return None;
    }
    let is_blank = |at: usize| {
        lines
            .iter()
            .all(|line| line.get(at).is_none_or(|c| *c == ' '))
    };
    let is_start = |at: usize| match at {
        0 => !is_blank(0),
        at => !is_blank(at) && (is_blank(at - 1) || touch(&lines, at)),
    };
    let starts: Vec<usize> = (0..longest).filter(|at| is_start(*at)).collect();
    let ends = starts.iter().skip(1).copied().chain([longest]);
    let parts = starts.iter().copied().zip(ends);
    let starts: Vec<usize> = parts
        .flat_map(|(start, end)| [Some(start), number_behind(&lines, start, end)])
        .flatten()
        .collect();
    let last = *starts.last()?;
    let reached = lines.iter().filter(|line| line.len() > last).count();
    if starts.len() < 2 || reached * 100 < lines.len() * 95 || !has_values(&lines, &starts) {
        return None;
    }
    // what is left of the first belongs to it
    let ends = starts.iter().skip(1).copied().chain([longest]);
    let starts = std::iter::once(0).chain(starts.iter().skip(1).copied());
    Some(ends.zip(starts).map(|(end, start)| end - start).collect())
}

/// Whether fields touch before a place: every line has something there, and what stands before it is nothing, or of another kind.
/// Where no line has a gap, only the end of a number is told, and only below a name that begins there.
fn touch(lines: &[Vec<char>], at: usize) -> bool {
    let Some((header, records)) = lines.split_first() else {
        return false;
    };
    let is_filled = |line: &Vec<char>| line.get(at).is_some_and(|c| *c != ' ');
    let (mut gaps, mut numbers_end) = (0, 0);
    for line in records {
        let (Some(before), true) = (line.get(at - 1), is_filled(line)) else {
            return false;
        };
        let is_other = |c: &char, next: char| {
            (c.is_numeric() && next.is_alphabetic())
                || (c.is_alphabetic() && next.is_numeric())
                || (c.is_lowercase() && next.is_uppercase())
        };
        match before {
            ' ' => gaps += 1,
            before if !is_other(before, line[at]) => return false,
            before => numbers_end += usize::from(before.is_numeric()),
        }
    }
    let is_of_numbers = numbers_end == records.len();
    let is_named = header.get(at).is_some_and(|c| c.is_uppercase())
        && header
            .get(at - 1)
            .is_some_and(|c| *c == ' ' || c.is_lowercase());
    let is_headless = header.get(at).is_some_and(|c| c.is_alphabetic())
        && header.get(at - 1).is_some_and(|c| c.is_numeric());
    gaps * 10 >= records.len() || (is_of_numbers && (is_named || is_headless))
}

/// Where numbers begin behind a text that fills its field in some line, so that no gap is left.
fn number_behind(lines: &[Vec<char>], start: usize, end: usize) -> Option<usize> {
    let records = lines.get(1..)?;
    let touches = |line: &Vec<char>, at: usize| {
        line.get(at - 1).is_some_and(|c| c.is_alphabetic())
            && line.get(at).is_some_and(char::is_ascii_digit)
    };
    (start + 1..end).find(|at| {
        let is_number = |line: &Vec<char>| {
            let end = end.min(line.len());
            let number: String = line.get(*at..end).unwrap_or_default().iter().collect();
            let is_whole = line.get(at - 1).is_none_or(|c| *c == ' ') || touches(line, *at);
            is_whole && !matches!(shape(number.trim()), Shape::Text)
        };
        records.iter().any(|line| touches(line, *at)) && records.iter().all(is_number)
    })
}

/// Whether a sign stands in every line, and equally often; a comma between digits is that of a decimal.
fn is_delimited(lines: &[Vec<char>]) -> bool {
    let is_digit = |line: &[char], at: Option<usize>| {
        at.and_then(|at| line.get(at))
            .is_some_and(char::is_ascii_digit)
    };
    let count = |line: &Vec<char>, sign: char| {
        let is_decimal = |at: usize| {
            sign == ',' && is_digit(line, at.checked_sub(1)) && is_digit(line, Some(at + 1))
        };
        let signs = (0..line.len()).filter(|at| line[*at] == sign && !is_decimal(*at));
        signs.count()
    };
    DELIMITERS.iter().any(|sign| {
        let first = lines.first().map_or(0, |line| count(line, *sign));
        first > 0 && lines.iter().all(|line| count(line, *sign) == first)
    })
}

/// Whether some column holds numbers or days: prose has none.
fn has_values(lines: &[Vec<char>], starts: &[usize]) -> bool {
    let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
    starts.iter().zip(ends).any(|(start, end)| {
        let field = |line: &Vec<char>| -> String {
            let end = end.min(line.len());
            line.get(*start..end).unwrap_or_default().iter().collect()
        };
        let fields: Vec<String> = lines.iter().map(field).collect();
        let filled = fields
            .iter()
            .map(|field| field.trim())
            .filter(|field| !field.is_empty());
        let (mut all, mut values) = (0, 0);
        for field in filled {
            all += 1;
            values += usize::from(!matches!(shape(field), Shape::Text));
        }
        // the first may be a name
        values > 1 && values * 10 >= (all - 1) * 9
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_told_by_what_no_line_fills() {
        let text = "Kund    Namn        Belopp\n\
                    0001    Åsa Ek       12.50\n\
                    0002    Bo Alm      100.00\n\
                    0003    Cia          -1.25\n\
                    0004    Dan Öst       7.00\n";
        assert_eq!(widths(text), Some(vec![8, 12, 6]));
        let touching = "Kundnr  Namn      Ort      Saldo\n\
                        10001   Åsa Ek    Umeå     12.50\n\
                        10002   KonstantinNorrköpi100.00\n\
                        10003   Cia       Oslo      3.00\n\
                        10004   Dan Öst   Lund     11.00\n";
        assert_eq!(widths(touching), Some(vec![8, 10, 8, 6]));
        let packed = "0001Åsa Ek    12.50\n\
                      0002Bo Alm   100.00\n\
                      0003Cia        1.25\n\
                      0004Dan Öst    7.00\n\
                      0005Eva        9.00\n";
        assert_eq!(widths(packed), Some(vec![4, 9, 6]));
        let decimal_commas = "00000 Bo Ek0         Lund          826,44\n\
                              00001 Bo Ek1         Lund          344,81\n\
                              00002 Cia Ek1        Malmö          44,80\n\
                              00003 Bo Ek1         Lund          344,81\n\
                              00004 Dan Lind       Lund            3,00\n";
        assert!(widths(decimal_commas).is_some());
        for text in [
            "a;b  ;c\n1;x  ;2\n2;y  ;3\n3;z  ;4\n4;w  ;5\n",
            "It was  the best\nof times it  was\nthe worst  of it\nand so  on it is\nfor  ever and so\n",
            "id name\n1 x\n",
        ] {
            assert_eq!(widths(text), None, "{text}");
        }
    }
}
