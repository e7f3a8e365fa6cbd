//! One term of a selection: `2+tag:nightly+`.

use globset::{GlobBuilder, GlobMatcher};

use crate::diagnostic::{Code, nearest};
use crate::error::{Error, Result};

/// A method, and how far it reaches up and down the graph.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    /// As written, for messages.
    pub(crate) text: String,
    pub(crate) method: Method,
    /// What is asked for after the method's name.
    pub(crate) pattern: Pattern,
    /// `@`: with descendants, and with the ancestors of all.
    pub(crate) with_everything: bool,
    pub(crate) up: Reach,
    pub(crate) down: Reach,
}

/// How a term finds tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Name,
    Tag,
    Path,
    Source,
    Pipeline,
    /// What an exposure reads.
    Exposure,
    /// `state:modified`: other than the last release.
    Modified,
}

const METHODS: [(&str, Method); 5] = [
    ("tag", Method::Tag),
    ("path", Method::Path),
    ("source", Method::Source),
    ("pipeline", Method::Pipeline),
    ("exposure", Method::Exposure),
];

/// Edges followed from what a method finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    None,
    Edges(usize),
    All,
}

impl Reach {
    /// The depth for a walk; `None` where nothing is followed.
    pub(crate) fn depth(self) -> Option<Option<usize>> {
        match self {
            Self::None => None,
            Self::Edges(edges) => Some(Some(edges)),
            Self::All => Some(None),
        }
    }
}

/// A name or a glob.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    glob: Option<GlobMatcher>,
}

impl Pattern {
    fn new(text: &str, whole: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(malformed(whole, "a name is missing").help("write `gold.customers+`"));
        }
        let glob = if text.contains(['*', '?', '[']) {
            let glob = GlobBuilder::new(text)
                .build()
                .map_err(|_| malformed(whole, "the glob is not closed"))?;
            Some(glob.compile_matcher())
        } else {
            None
        };
        Ok(Self {
            text: text.to_string(),
            glob,
        })
    }

    /// Whether it may match several things.
    pub(crate) fn is_glob(&self) -> bool {
        self.glob.is_some()
    }

    /// Whether it matches a whole text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match &self.glob {
            Some(glob) => glob.is_match(text),
            None => self.text == text,
        }
    }
}

impl Term {
    /// Reads a term; `whole` is the word it stands in.
    pub(crate) fn parse(text: &str, whole: &str) -> Result<Self> {
        let (with_everything, rest) = match text.strip_prefix('@') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (up, rest) = match rest.split_once('+') {
            Some((edges, rest))
                if edges.bytes().all(|b| b.is_ascii_digit()) && !rest.is_empty() =>
            {
                (reach(edges, whole)?, rest)
            }
            _ => (Reach::None, rest),
        };
        let (down, rest) = match rest.rsplit_once('+') {
            Some((rest, edges)) if edges.bytes().all(|b| b.is_ascii_digit()) => {
                (reach(edges, whole)?, rest)
            }
            _ => (Reach::None, rest),
        };
        if with_everything && (up != Reach::None || down != Reach::None) {
            return Err(malformed(
                whole,
                "`@` already follows the graph: leave the `+` out",
            ));
        }
        if rest.contains(['+', '@']) {
            return Err(malformed(whole, "`+` and `@` stand at the ends"));
        }
        let (method, pattern) = method(rest, whole)?;
        Ok(Self {
            text: text.to_string(),
            method,
            pattern: Pattern::new(pattern, whole)?,
            with_everything,
            up,
            down,
        })
    }
}

fn reach(edges: &str, whole: &str) -> Result<Reach> {
    if edges.is_empty() {
        return Ok(Reach::All);
    }
    let edges = edges
        .parse()
        .map_err(|_| malformed(whole, "the number of edges is too large"))?;
    Ok(Reach::Edges(edges))
}

fn method<'a>(text: &'a str, whole: &str) -> Result<(Method, &'a str)> {
    let Some((name, value)) = text.split_once(':') else {
        return Ok((Method::Name, text));
    };
    if name == "state" {
        return match value {
            "modified" => Ok((Method::Modified, value)),
            _ => Err(malformed(
                whole,
                "of `state:`, only `state:modified` is known",
            )),
        };
    }
    if let Some((_, method)) = METHODS.iter().find(|(known, _)| *known == name) {
        return Ok((*method, value));
    }
    let known = METHODS.iter().map(|(name, _)| *name).chain(["state"]);
    let error = malformed(whole, &format!("`{name}:` is no way to select"));
    Err(match nearest(name, known) {
        Some(near) => error.help(format!("did you mean `{near}:`?")),
        None => error.help(
            "there are `tag:`, `path:`, `source:`, `pipeline:`, `exposure:` and `state:modified`",
        ),
    })
}

fn malformed(whole: &str, why: &str) -> Error {
    Error::config(format!("`{whole}` selects nothing: {why}")).code(Code(240))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Term {
        Term::parse(text, text).unwrap()
    }

    #[test]
    fn reach_is_read_from_both_ends() {
        let both = parse("2+gold.sales+");
        assert_eq!((both.up, both.down), (Reach::Edges(2), Reach::All));
        assert_eq!(both.pattern.text, "gold.sales");
        let down = parse("tag:nightly+3");
        assert_eq!((down.up, down.down), (Reach::None, Reach::Edges(3)));
        assert_eq!(
            (down.method, down.pattern.text.as_str()),
            (Method::Tag, "nightly")
        );
        assert!(parse("@silver.people").with_everything);
        assert_eq!(parse("state:modified+").method, Method::Modified);
    }

    #[test]
    fn what_is_not_of_the_grammar_is_refused() {
        for text in [
            "+",
            "a++b",
            "@a+",
            "tags:x",
            "state:new",
            "tag:",
            "gold.[a",
            "a@b",
        ] {
            let error = Term::parse(text, text).unwrap_err();
            assert!(error.render().contains("K0240"), "{text}");
        }
        let error = Term::parse("tags:x", "tags:x").unwrap_err();
        assert!(error.render().contains("did you mean `tag:`?"));
    }
}
