//! [`Outline`]: an expression taken apart, for those who write it in another form than text, and printed as Entra would.
//!
//! It needs no attributes and no functions to be known: whatever parses and is Entra's has an outline.

use std::fmt;

use crate::function::{Order, lookup};
use crate::text::{Code, Diagnostic};

use super::ast::{Expr, ExprKind};
use super::parse;

/// A node of an expression. Its `Display` is the canonical text: the names of known functions as Microsoft writes them, one
/// blank behind each comma and around an operator, nothing within parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outline {
    /// `Name(argument, …)`; an argument left empty is `None`.
    Call {
        /// The function's name as it was written.
        name: String,
        /// What stands between the commas.
        arguments: Vec<Option<Outline>>,
    },
    /// `[name]`
    Attribute(String),
    /// A constant in quotes, by its value.
    Text(String),
    /// A number, a macro or a word, as it is written.
    Bare(String),
    /// `left = right`
    Compare {
        /// `=`, `<>`, `<`, `<=`, `>` or `>=`.
        operator: &'static str,
        /// What stands before it.
        left: Box<Outline>,
        /// What stands behind it.
        right: Box<Outline>,
    },
}

impl Outline {
    /// Takes a text apart.
    ///
    /// # Errors
    /// The finding that keeps the text from being an expression of Entra: it does not parse, or uses what other products
    /// have. Its spans are bytes of the text.
    pub fn parse(text: &str) -> Result<Outline, Box<Diagnostic>> {
        outline(text, &parse::parse(text)?)
    }

    /// The names of the attributes read, in the order in which they stand, each once.
    pub fn attributes(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect(&mut names);
        names
    }

    /// Whether a comparison stands in it.
    pub fn compares(&self) -> bool {
        match self {
            Outline::Compare { .. } => true,
            Outline::Call { arguments, .. } => arguments.iter().flatten().any(Outline::compares),
            _ => false,
        }
    }

    fn collect<'o>(&'o self, names: &mut Vec<&'o str>) {
        match self {
            Outline::Attribute(name) if !names.contains(&name.as_str()) => names.push(name),
            Outline::Call { arguments, .. } => {
                arguments.iter().flatten().for_each(|argument| argument.collect(names));
            }
            Outline::Compare { left, right, .. } => {
                left.collect(names);
                right.collect(names);
            }
            _ => {}
        }
    }
}

/// The operators as they are written.
pub(super) fn operator(order: Order) -> &'static str {
    match order {
        Order::Equal => "=",
        Order::NotEqual => "<>",
        Order::Less => "<",
        Order::LessOrEqual => "<=",
        Order::Greater => ">",
        Order::GreaterOrEqual => ">=",
    }
}

fn outline(text: &str, expr: &Expr) -> Result<Outline, Box<Diagnostic>> {
    Ok(match &expr.kind {
        ExprKind::Call { name, arguments, .. } => Outline::Call {
            name: name.clone(),
            arguments: arguments
                .iter()
                .map(|argument| argument.expr.as_ref().map(|expr| outline(text, expr)).transpose())
                .collect::<Result<_, _>>()?,
        },
        ExprKind::Attribute(name) => Outline::Attribute(name.clone()),
        ExprKind::Text(constant) => Outline::Text(constant.value.clone()),
        ExprKind::Integer(_) | ExprKind::Decimal(_) | ExprKind::Macro(_) | ExprKind::Word(_) => {
            Outline::Bare(text.get(expr.span.range()).unwrap_or_default().trim().to_owned())
        }
        ExprKind::Compare { order, left, right } => Outline::Compare {
            operator: operator(*order),
            left: Box::new(outline(text, left)?),
            right: Box::new(outline(text, right)?),
        },
        ExprKind::Foreign { at, message, help, .. } => {
            return Err(Box::new(Diagnostic::new(Code::ForeignSyntax, message.clone(), *at).help(help.clone())));
        }
    })
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outline::Call { name, arguments } => {
                f.write_str(lookup(name).map_or(name.as_str(), |spec| spec.name))?;
                f.write_str("(")?;
                for (index, argument) in arguments.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    if let Some(argument) = argument {
                        argument.fmt(f)?;
                    }
                }
                f.write_str(")")
            }
            Outline::Attribute(name) => write!(f, "[{name}]"),
            Outline::Text(value) => write!(f, "\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
            Outline::Bare(word) => f.write_str(word),
            Outline::Compare { operator, left, right } => write!(f, "{left} {operator} {right}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_text_is_entra_s_own() {
        for (text, wanted) in [
            ("switch( [a],,\"x\" , \"\\d\")", r#"Switch([a], , "x", "\\d")"#),
            ("IIF([ mail ]=\"a \\\"b\\\"\",1,&hF)", r#"IIF([mail] = "a \"b\"", 1, &hF)"#),
            ("Now( )", "Now()"),
            ("Replace([x], , , , , , )", "Replace([x], , , , , , )"),
            ("[emails[type eq \"work\"].value]", "[emails[type eq \"work\"].value]"),
            ("Mine(%m%, -1, 007)", "Mine(%m%, -1, 007)"),
        ] {
            let outline = Outline::parse(text).unwrap();
            assert_eq!(outline.to_string(), wanted);
            let again = Outline::parse(wanted).unwrap();
            assert_eq!(again.to_string(), wanted);
        }
        assert_eq!(Outline::parse("[a] & [b]").unwrap_err().code, Code::ForeignSyntax);
        assert_eq!(Outline::parse("Join(\",\", [a], Trim([b]), [a])").unwrap().attributes(), ["a", "b"]);
    }
}
