//! Text in columns of a fixed width, told by the places at which no line has anything.

use super::value::{Shape, shape};

/// Lines that are looked at.
const LOOKED_AT: usize = 400;
/// With fewer, gaps stand below one another by chance.
const FEWEST: usize = 5;
/// What stands between fields, where a text is of another kind.
const DELIMITERS: [char; 6] = [',', ';', '|', '~', '^', '\t'];

/// Widths of the fields in characters; `None` where the text is not of that kind. Fields that touch in some line are one.
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
    let starts: Vec<usize> = (0..longest)
        .filter(|at| !is_blank(*at) && (*at == 0 || is_blank(at - 1)))
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

/// Whether a sign stands in every line, and equally often.
fn is_delimited(lines: &[Vec<char>]) -> bool {
    let count = |line: &Vec<char>, sign: char| line.iter().filter(|c| **c == sign).count();
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
        for text in [
            "a;b  ;c\n1;x  ;2\n2;y  ;3\n3;z  ;4\n4;w  ;5\n",
            "It was  the best\nof times it  was\nthe worst  of it\nand so  on it is\nfor  ever and so\n",
            "id name\n1 x\n",
        ] {
            assert_eq!(widths(text), None, "{text}");
        }
    }
}
