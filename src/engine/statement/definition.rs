//! `create function name(argument type, …) returns type as expression`: the files of `sql/functions/`.
//!
//! In: a file's text. Out: every definition in it, the body as a [`Statement`] over a table of its arguments, so that it is
//! analysed as any other and its mistakes are shown at their place in the file.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, ExactNumberInfo, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::DuckDbDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::{
    LineIndex, PlacedToken, Statement, normal, parser_error, placed_tokens, syntax_error, token_at,
};
use crate::column_type::ColumnType;
use crate::diagnostic::{Code, Diagnostic, SourceFile, Span};

/// The table of its arguments that a body reads.
pub(in crate::engine) const ARGUMENTS: &str = "function.arguments";

const FORM: &str = "write `create function name(argument type, …) returns type as expression`";

/// One function as written.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Definition {
    pub(in crate::engine) name: String,
    pub(in crate::engine) name_span: Span,
    pub(in crate::engine) parameters: Vec<Parameter>,
    pub(in crate::engine) returns: ColumnType,
    /// The text that counts for fingerprints.
    pub(in crate::engine) canonical: String,
    /// `select body from arguments`, in the function's own file.
    pub(in crate::engine) body: Statement,
    pub(in crate::engine) body_span: Span,
}

/// One argument as declared.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Parameter {
    pub(in crate::engine) name: String,
    pub(in crate::engine) data_type: ColumnType,
}

/// Reads a file of functions.
///
/// # Errors
/// K0301 where the text is not SQL, K0340 where it is no definition of a function. A file is read up to its first mistake.
pub(in crate::engine) fn definitions(
    file: &Arc<SourceFile>,
) -> Result<Vec<Definition>, Box<Diagnostic>> {
    let lines = LineIndex::new(&file.text);
    let raw = Tokenizer::new(&DuckDbDialect {}, &file.text)
        .tokenize_with_location()
        .map_err(|error| {
            let start = lines.offset(&file.text, error.location);
            syntax_error(file, token_at(&file.text, start), &error.message)
        })?;
    let tokens = placed_tokens(&raw, &file.text, &lines);
    let parser = super::parser(file, raw, &tokens)?;
    let mut reader = Reader {
        file,
        lines,
        tokens,
        parser,
    };
    let mut found = Vec::new();
    loop {
        while reader.parser.consume_token(&Token::SemiColon) {}
        if reader.parser.peek_token_ref().token == Token::EOF {
            break;
        }
        found.push(reader.definition()?);
    }
    if found.is_empty() {
        let mistake = Diagnostic::error(Code(340), "the file defines no function");
        return Err(Box::new(mistake.at(file, Span::default()).help(FORM)));
    }
    Ok(found)
}

struct Reader<'a> {
    file: &'a Arc<SourceFile>,
    lines: LineIndex,
    tokens: Vec<PlacedToken>,
    parser: Parser<'a>,
}

impl Reader<'_> {
    fn definition(&mut self) -> Result<Definition, Box<Diagnostic>> {
        let start = self.next_span();
        if !self.parser.parse_keyword(Keyword::CREATE) {
            return Err(self.mistake(
                start,
                "`sql/functions/` holds functions, and this is none",
                FORM,
            ));
        }
        // as often as the file is read, so replacing is what happens anyway
        let _ = self.parser.parse_keywords(&[Keyword::OR, Keyword::REPLACE]);
        if !self.parser.parse_keyword(Keyword::FUNCTION) {
            let at = self.next_span();
            let help = if self.parser.parse_keyword(Keyword::MACRO) {
                "arguments and result have types here: `create function name(argument type, …) returns type as expression`"
            } else {
                FORM
            };
            return Err(self.mistake(at, "this creates something other than a function", help));
        }
        let name_span = self.next_span();
        let name = self.parser.parse_identifier();
        let name = normal(&self.sql(name)?);
        let parameters = self.parameters()?;
        let at = self.next_span();
        if !self.parser.parse_keyword(Keyword::RETURNS) {
            let message = format!("`{name}` does not say what it returns");
            return Err(self.mistake(
                at,
                &message,
                "write `returns decimal(12, 2) as …` behind the arguments",
            ));
        }
        let returns = self.data_type()?;
        if !self.parser.parse_keyword(Keyword::AS) && !self.parser.parse_keyword(Keyword::RETURN) {
            let at = self.next_span();
            return Err(self.mistake(at, "`as` and an expression come here", FORM));
        }
        let body_start = self.next_span();
        self.refuse_query(body_start)?;
        let body = self.parser.parse_expr();
        let body = self.sql(body)?;
        let end = self.next_span();
        let next = &self.parser.peek_token_ref().token;
        if !matches!(next, Token::SemiColon | Token::EOF) {
            return Err(self.mistake(
                end,
                "the expression has ended, and this follows it",
                "functions of one file are separated by `;`",
            ));
        }
        if has_query(&body) {
            return Err(self.mistake(body_start, QUERY, QUERY_HELP));
        }
        Ok(self.assemble(
            name,
            name_span,
            parameters,
            returns,
            body,
            body_start.start,
            end.start,
        ))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a definition, once")]
    fn assemble(
        &self,
        name: String,
        name_span: Span,
        parameters: Vec<Parameter>,
        returns: ColumnType,
        body: ast::Expr,
        body_start: usize,
        end: usize,
    ) -> Definition {
        let within = |from: usize| {
            let tokens = self.tokens.iter();
            let tokens = tokens.filter(move |t| t.span.start >= from && t.span.start < end);
            tokens.cloned().collect::<Vec<_>>()
        };
        let statement = |tokens: Vec<PlacedToken>| Statement {
            file: Arc::clone(self.file),
            query: Box::new(select_of(body.clone())),
            tokens,
            lines: self.lines.clone(),
        };
        let canonical = statement(within(name_span.start)).canonical();
        let body = statement(within(body_start));
        let body_end = body.tokens.last().map_or(end, |token| token.span.end);
        Definition {
            name,
            name_span,
            parameters,
            returns,
            canonical,
            body_span: Span {
                start: body_start,
                end: body_end,
            },
            body,
        }
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>, Box<Diagnostic>> {
        let opened = self.parser.expect_token(&Token::LParen).map(|_| ());
        self.sql(opened)?;
        let mut parameters: Vec<Parameter> = Vec::new();
        if self.parser.consume_token(&Token::RParen) {
            return Ok(parameters);
        }
        loop {
            let at = self.next_span();
            let name = self.parser.parse_identifier();
            let name = normal(&self.sql(name)?);
            if parameters.iter().any(|other| other.name == name) {
                let message = format!("argument `{name}` stands twice");
                return Err(self.mistake(at, &message, "rename one of them"));
            }
            if matches!(
                self.parser.peek_token_ref().token,
                Token::Comma | Token::RParen
            ) {
                let message = format!("argument `{name}` has no type");
                return Err(self.mistake(
                    at,
                    &message,
                    "write it behind the name: `amount decimal(12, 2)`",
                ));
            }
            let data_type = self.data_type()?;
            parameters.push(Parameter { name, data_type });
            if self.parser.consume_token(&Token::RParen) {
                return Ok(parameters);
            }
            let comma = self.parser.expect_token(&Token::Comma).map(|_| ());
            self.sql(comma)?;
        }
    }

    fn data_type(&mut self) -> Result<ColumnType, Box<Diagnostic>> {
        let at = self.next_span();
        let written = self.parser.parse_data_type();
        let written = self.sql(written)?;
        column_type(&written).ok_or_else(|| {
            self.mistake(
                at,
                &format!("`{}` is no type of a function", written.to_string().to_lowercase()),
                "it is one of varchar, boolean, integer, bigint, double, decimal(p, s), date, timestamp",
            )
        })
    }

    fn refuse_query(&self, at: Span) -> Result<(), Box<Diagnostic>> {
        let begins_query = |token: &Token| match token {
            Token::Word(word) => {
                matches!(
                    word.keyword,
                    Keyword::SELECT | Keyword::WITH | Keyword::FROM | Keyword::TABLE
                )
            }
            _ => false,
        };
        let first = &self.parser.peek_token_ref().token;
        let second = &self.parser.peek_nth_token_ref(1).token;
        if begins_query(first) || (*first == Token::LParen && begins_query(second)) {
            return Err(self.mistake(at, QUERY, QUERY_HELP));
        }
        if matches!(
            first,
            Token::SingleQuotedString(_) | Token::DollarQuotedString(_)
        ) && matches!(second, Token::Word(word) if word.keyword == Keyword::LANGUAGE)
        {
            return Err(self.mistake(
                at,
                "the body of a function is an expression, not a text",
                FORM,
            ));
        }
        Ok(())
    }

    fn next_span(&self) -> Span {
        let next = self.parser.peek_token_ref();
        if next.token == Token::EOF {
            let end = self.file.text.len();
            return self
                .tokens
                .last()
                .map_or(Span { start: end, end }, |last| Span {
                    start: last.span.end,
                    end: last.span.end,
                });
        }
        self.lines.span(&self.file.text, next.span)
    }

    fn mistake(&self, at: Span, message: &str, help: &str) -> Box<Diagnostic> {
        Box::new(
            Diagnostic::error(Code(340), message)
                .at(self.file, at)
                .help(help),
        )
    }

    fn sql<T>(&self, parsed: Result<T, ParserError>) -> Result<T, Box<Diagnostic>> {
        parsed.map_err(|error| Box::new(parser_error(self.file, &self.tokens, &self.lines, &error)))
    }
}

const QUERY: &str = "the body of a function is an expression, and this is a query";
const QUERY_HELP: &str = "a query is a step: write it to sql/<schema>/<table>.sql and join with its table; give the function its values as arguments";

fn has_query(body: &ast::Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_query(&mut self, _: &ast::Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    body.visit(&mut Finder).is_break()
}

/// `select body as result from function.arguments`.
fn select_of(body: ast::Expr) -> ast::Query {
    let template = format!("select 1 as result from {ARGUMENTS}");
    let parsed = Parser::parse_sql(&DuckDbDialect {}, &template).unwrap_or_default();
    let mut query = match parsed.into_iter().next() {
        Some(ast::Statement::Query(query)) => *query,
        // the template is ours and parses; an empty `values` would be refused by the planner
        _ => empty_query(),
    };
    if let ast::SetExpr::Select(select) = &mut *query.body {
        select.projection = vec![ast::SelectItem::ExprWithAlias {
            expr: body,
            alias: ast::Ident::new("result"),
        }];
    }
    query
}

fn empty_query() -> ast::Query {
    ast::Query {
        with: None,
        body: Box::new(ast::SetExpr::Values(ast::Values {
            explicit_row: false,
            value_keyword: false,
            rows: vec![],
        })),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    }
}

/// The contract's type of a type as SQL writes it.
fn column_type(written: &ast::DataType) -> Option<ColumnType> {
    use ast::DataType as Sql;
    Some(match written {
        Sql::Varchar(None) | Sql::Text | Sql::String(None) => ColumnType::Varchar,
        Sql::Boolean | Sql::Bool => ColumnType::Boolean,
        Sql::Int(None) | Sql::Integer(None) => ColumnType::Integer,
        Sql::BigInt(None) => ColumnType::Bigint,
        Sql::Double(_) | Sql::DoublePrecision => ColumnType::Double,
        Sql::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale))
        | Sql::Numeric(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
            let (precision, scale) = (u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?);
            let fits = (1..=38).contains(&precision) && (0..=38).contains(&scale);
            if !fits || i16::from(scale) > i16::from(precision) {
                return None;
            }
            ColumnType::Decimal { precision, scale }
        }
        Sql::Date => ColumnType::Date,
        Sql::Timestamp(None, _) => ColumnType::Timestamp,
        _ => return None,
    })
}
