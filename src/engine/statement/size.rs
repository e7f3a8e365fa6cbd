//! How deep and how long a statement may be. A tree of expressions is walked level by level, and plans are built of
//! `select`s within `select`s: without a limit, a statement that a program wrote ends the process instead of being refused.
//!
//! In: tokens, then the tree. Out: K0319 at the place where it becomes too much. Nothing recurses over tokens, so nothing is
//! too deep for it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{ObjectName, Query, Visit as _, Visitor};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::{PlacedToken, RECURSION_LIMIT, normal};
use crate::diagnostic::{Code, Diagnostic, SourceFile, Span};

/// Operators in one expression: `a + b + c` has two. As in DuckDB.
const OPERATORS: usize = 1_000;

/// `select`s in one statement, those of common table expressions and unions among them.
const SELECTS: usize = 200;

/// Tables read, those of a common table expression once for each place that reads it.
const READS: u64 = 1_000;

/// Refuses what the parser or the planner could not walk.
pub(super) fn refuse(file: &Arc<SourceFile>, tokens: &[PlacedToken]) -> Result<(), Diagnostic> {
    let mut selects = 0;
    let mut signs = 0;
    let mut groups = vec![Group::default()];
    for placed in tokens {
        let role = role(&placed.token);
        // operators without anything between them nest: `not not a`
        signs = match role {
            Role::Operator | Role::Joins => signs + 1,
            _ => 0,
        };
        if let Token::Word(word) = &placed.token
            && word.keyword == Keyword::SELECT
        {
            selects += 1;
        }
        read(&mut groups, role);
        if groups.len() > RECURSION_LIMIT || signs > RECURSION_LIMIT / 2 {
            return Err(nested_too_deeply(file, placed.span));
        }
        if groups.last().is_some_and(|group| group.depth() > OPERATORS) {
            return Err(too_much(
                file,
                placed.span,
                format!("an expression has more than {OPERATORS} operators"),
                "for many values of one column write `x in (…)`, or put them into a table (a seed) and join with it",
            ));
        }
        if selects > SELECTS {
            return Err(too_much(
                file,
                placed.span,
                format!("the statement has more than {SELECTS} `select`s"),
                "split it into several steps: each file makes one table",
            ));
        }
    }
    Ok(())
}

/// Refuses common table expressions that multiply: each is planned anew for each place that reads it, so twenty that each
/// read the one before twice are a million.
pub(super) fn refuse_multiplied(
    file: &Arc<SourceFile>,
    at: Span,
    query: &Query,
) -> Result<(), Diagnostic> {
    let mut reads = Reads::default();
    let _ = query.visit(&mut reads);
    if reads.all <= READS {
        return Ok(());
    }
    Err(too_much(
        file,
        at,
        format!(
            "the statement reads tables more than {READS} times, since its common table expressions read one another several times"
        ),
        "make the one that is read several times a step of its own: it is computed once",
    ))
}

/// Tables read so far.
#[derive(Default)]
struct Reads {
    /// By the name of a common table expression.
    within: BTreeMap<String, u64>,
    /// Where the bodies of those that are still to come stand in memory, and their names.
    bodies: BTreeMap<usize, String>,
    /// Of the queries that are being read, the outermost first.
    open: Vec<u64>,
    /// Of the whole statement.
    all: u64,
}

impl Visitor for Reads {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        for table in tables {
            let body: *const Query = &*table.query;
            self.bodies.insert(body as usize, normal(&table.alias.name));
        }
        self.open.push(0);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let within = match name.0.as_slice() {
            [part] => part
                .as_ident()
                .and_then(|name| self.within.get(&normal(name))),
            _ => None,
        };
        let reads = within.copied().unwrap_or(1);
        if let Some(open) = self.open.last_mut() {
            *open = open.saturating_add(reads);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let reads = self.open.pop().unwrap_or_default();
        let place: *const Query = query;
        match self.bodies.remove(&(place as usize)) {
            Some(name) => {
                self.within.insert(name, reads.max(1));
            }
            None => match self.open.last_mut() {
                Some(outer) => *outer = outer.saturating_add(reads),
                None => self.all = reads,
            },
        }
        ControlFlow::Continue(())
    }
}

/// What a token does to the groups that are open.
fn read(groups: &mut Vec<Group>, role: Role) {
    if role == Role::Opens {
        groups.push(Group::default());
        return;
    }
    let inner = match role {
        Role::Closes if groups.len() > 1 => groups.pop().map(|group| group.depth()),
        _ => None,
    };
    let Some(group) = groups.last_mut() else {
        return;
    };
    match (role, inner) {
        (_, Some(inner)) => group.operators = group.operators.max(inner),
        (Role::Operator, _) => group.operators += 1,
        (Role::Joins, _) => group.join(),
        (Role::Separates, _) => group.next(),
        _ => {}
    }
}

/// What the parser gives up on, too, since it counts more levels than these.
pub(super) fn nested_too_deeply(file: &Arc<SourceFile>, at: Span) -> Diagnostic {
    let message = format!("the statement is nested more than {RECURSION_LIMIT} levels deep");
    too_much(file, at, message, "use `with` to name the parts")
}

fn too_much(file: &Arc<SourceFile>, at: Span, message: String, help: &str) -> Diagnostic {
    Diagnostic::error(Code(319), message)
        .at(file, at)
        .help(help)
}

/// What stands between a parenthesis, bracket, brace or `case` and its end.
#[derive(Default)]
struct Group {
    /// Of the operand that is read.
    operators: usize,
    /// Of the deepest operand before it, in the same condition.
    operand: usize,
    /// `and`s and `or`s between them.
    joined: usize,
    /// Of the deepest expression before it.
    deepest: usize,
}

impl Group {
    /// Another operand of `and` or `or` begins.
    fn join(&mut self) {
        self.operand = self.operand.max(self.operators);
        self.operators = 0;
        self.joined += 1;
    }

    /// Another expression begins.
    fn next(&mut self) {
        *self = Self {
            deepest: self.depth(),
            ..Self::default()
        };
    }

    fn depth(&self) -> usize {
        let condition = self.joined + self.operand.max(self.operators);
        self.deepest.max(condition)
    }
}

/// What a token does to the tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Opens,
    Closes,
    /// Ends one expression, and another may begin.
    Separates,
    Operator,
    /// `and`, `or`: operands have depths of their own.
    Joins,
    Other,
}

fn role(token: &Token) -> Role {
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => Role::Opens,
        Token::RParen | Token::RBracket | Token::RBrace => Role::Closes,
        Token::Comma | Token::SemiColon => Role::Separates,
        Token::Word(word) if word.quote_style.is_none() => of_word(word.keyword),
        Token::Word(_)
        | Token::Number(..)
        | Token::Char(_)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::Placeholder(_)
        | Token::Period
        | Token::Colon
        | Token::EOF => Role::Other,
        _ => Role::Operator,
    }
}

fn of_word(keyword: Keyword) -> Role {
    match keyword {
        Keyword::CASE => Role::Opens,
        Keyword::END => Role::Closes,
        Keyword::AND | Keyword::OR => Role::Joins,
        Keyword::NOT | Keyword::IS | Keyword::LIKE | Keyword::ILIKE => Role::Operator,
        Keyword::SELECT
        | Keyword::FROM
        | Keyword::WHERE
        | Keyword::GROUP
        | Keyword::HAVING
        | Keyword::QUALIFY
        | Keyword::ORDER
        | Keyword::LIMIT
        | Keyword::ON
        | Keyword::JOIN
        | Keyword::UNION
        | Keyword::EXCEPT
        | Keyword::INTERSECT
        | Keyword::WHEN
        | Keyword::THEN
        | Keyword::ELSE => Role::Separates,
        _ => Role::Other,
    }
}
