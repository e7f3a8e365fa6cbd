//! What is pinned of the model of a match step, against what the step compares.

use super::matching::shapes;
use crate::comparison_shape::Shape;
use crate::diagnostic::{Code, Diagnostic, Span, nearest};
use crate::project::{Compare, LevelPin, Matching, Meaning, Spanned};

/// What is not there.
const UNKNOWN: Code = Code(449);
/// What cannot hold together.
const AT_ODDS: Code = Code(450);

/// As near to 1 as the sum of shares that all are pinned must be.
const ONE: f64 = 1e-6;

/// Pins of comparisons and levels that are not there, and those that cannot hold together.
pub(super) fn mistakes(
    matching: &Matching,
    fields: &[(Meaning, String)],
    asked: &[Compare],
) -> Vec<Diagnostic> {
    let pins = &matching.pins.levels;
    if pins.is_empty() {
        return Vec::new();
    }
    let shapes = shapes(fields, asked);
    let file = &matching.declared_at.file;
    let mut found = Vec::new();
    let unknown = pins.iter().filter_map(|pin| unknown(pin, &shapes));
    found.extend(unknown.map(|(span, diagnostic)| diagnostic.at(file, span)));
    for shape in &shapes {
        let of_shape = pins.iter().filter(|pin| pin.comparison.value == shape.name);
        let of_shape: Vec<&LevelPin> = of_shape.collect();
        let at_odds = at_odds(&of_shape, shape);
        found.extend(at_odds.map(|(span, diagnostic)| diagnostic.at(file, span)));
    }
    found
}

/// A pin of what is not compared, or of a level that the comparison has not.
fn unknown(pin: &LevelPin, shapes: &[Shape]) -> Option<(Span, Diagnostic)> {
    let LevelPin {
        comparison, level, ..
    } = pin;
    let Some(shape) = shapes.iter().find(|shape| shape.name == comparison.value) else {
        let message = format!("nothing that is compared is called `{}`", comparison.value);
        let names: Vec<&str> = shapes.iter().map(|shape| shape.name.as_str()).collect();
        return Some((comparison.span, not_there(message, comparison, &names)));
    };
    let levels: Vec<&str> = shape.levels.iter().map(|level| &*level.name).collect();
    (!levels.contains(&level.value.as_str())).then(|| {
        let message = format!("`{}` has no level `{}`", shape.name, level.value);
        (level.span, not_there(message, level, &levels))
    })
}

fn not_there(message: String, written: &Spanned<String>, known: &[&str]) -> Diagnostic {
    let help = match nearest(&written.value, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are `{}`", known.join("`, `")),
    };
    Diagnostic::error(UNKNOWN, message).help(help)
}

/// Pins of one comparison that cannot hold together.
fn at_odds(pins: &[&LevelPin], shape: &Shape) -> Option<(Span, Diagnostic)> {
    let wrong = |span: Span, message: String, help: &str| {
        Some((span, Diagnostic::error(AT_ODDS, message).help(help)))
    };
    let name = &shape.name;
    for (at, pin) in pins.iter().enumerate() {
        if pins[..at].iter().any(|p| p.level.value == pin.level.value) {
            let message = format!("`{}` of `{name}` is pinned twice", pin.level.value);
            return wrong(
                pin.level.span,
                message,
                "write all that is pinned of a level once",
            );
        }
    }
    let weight = pins.iter().find_map(|pin| pin.weight.as_ref());
    let share = pins
        .iter()
        .find_map(|pin| pin.m.as_ref().or(pin.u.as_ref()));
    if let (Some(weight), Some(_)) = (weight, share) {
        let message = format!("of `{name}` weights and probabilities are pinned");
        let help = "a weight lets m and u of its level follow from what the others leave: of one comparison pin either";
        return wrong(weight.span, message, help);
    }
    let levels = shape.levels.len();
    if let Some(weight) = weight.filter(|_| pins.len() >= levels) {
        let message = format!("the weights of all levels of `{name}` are pinned");
        let help =
            "leave one level to follow from the others: the shares of all levels add up to 1";
        return wrong(weight.span, message, help);
    }
    let of = |share: fn(&LevelPin) -> Option<&Spanned<f64>>| {
        let shares = pins.iter().filter_map(|pin| share(pin));
        shares.collect::<Vec<_>>()
    };
    let sums = [
        ("m_probability", of(|pin| pin.m.as_ref())),
        ("u_probability", of(|pin| pin.u.as_ref())),
    ];
    for (key, shares) in sums {
        let sum: f64 = shares.iter().map(|share| share.value).sum();
        let Some(last) = shares.last() else {
            continue;
        };
        let message = format!(
            "`{key}` of the levels of `{name}` adds up to {}",
            rounded(sum)
        );
        if shares.len() == levels && (sum - 1.0).abs() > ONE {
            return wrong(
                last.span,
                message,
                "where all levels are pinned they add up to 1",
            );
        }
        if shares.len() < levels && sum >= 1.0 {
            let help = "pin less than 1 in all: levels that are not pinned share what is left";
            return wrong(last.span, message, help);
        }
    }
    None
}

fn rounded(sum: f64) -> f64 {
    (sum * 1e6).round() / 1e6
}
