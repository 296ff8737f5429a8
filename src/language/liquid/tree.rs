//! The tree that runs: nodes, expressions, filters, with their places in the text.

use crate::text::Span;
use crate::value::Slot;

use super::filters::Filter;

/// Nodes that stand one behind the other.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) nodes: Box<[Node]>,
}

/// One piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    /// Text that is printed as it stands.
    Text(Box<str>),
    /// `{{ … }}` and `echo`.
    Output(Filtered),
    /// `if` and `unless`.
    If(Box<[Branch]>),
    /// `case`.
    Case(Box<Case>),
    /// `for`.
    For(Box<For>),
    /// `tablerow`.
    TableRow(Box<For>),
    /// `assign`.
    Assign { name: Box<str>, value: Filtered },
    /// `capture`.
    Capture { name: Box<str>, body: Block, span: Span },
    /// `cycle`.
    Cycle(Box<Cycle>),
    /// `increment` and `decrement`.
    Count { name: Box<str>, up: bool, span: Span },
    /// `ifchanged`.
    IfChanged { body: Block, span: Span },
    /// `include` and `render`.
    Partial(Box<Partial>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
}

/// One way through an `if`.
#[derive(Debug)]
pub(super) struct Branch {
    /// `None` for `else`.
    pub(super) condition: Option<Condition>,
    /// Whether the condition is an `unless`.
    pub(super) negated: bool,
    pub(super) body: Block,
}

/// Comparisons joined by `and` and `or`, which bind to the right.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) comparisons: Box<[(Comparison, Option<Logic>)]>,
    pub(super) span: Span,
}

/// What joins a comparison to those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logic {
    And,
    Or,
}

#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) left: Expr,
    pub(super) right: Option<(Operator, Expr)>,
    pub(super) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

#[derive(Debug)]
pub(super) struct Case {
    pub(super) subject: Expr,
    pub(super) branches: Box<[When]>,
}

/// One `when`, or an `else` of a `case`.
#[derive(Debug)]
pub(super) struct When {
    /// `None` for `else`.
    pub(super) values: Option<Box<[Expr]>>,
    pub(super) body: Block,
}

/// A `for` or a `tablerow`.
#[derive(Debug)]
pub(super) struct For {
    pub(super) variable: Box<str>,
    pub(super) collection: Expr,
    /// `variable-collection`: the name under which `offset: continue` finds where the last loop ended.
    pub(super) name: Box<str>,
    pub(super) reversed: bool,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Offset,
    pub(super) columns: Option<Expr>,
    pub(super) body: Block,
    pub(super) otherwise: Block,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum Offset {
    None,
    Continue,
    At(Expr),
}

#[derive(Debug)]
pub(super) struct Cycle {
    pub(super) group: CycleGroup,
    pub(super) values: Box<[Expr]>,
    pub(super) span: Span,
}

/// Which cycles count together.
#[derive(Debug)]
pub(super) enum CycleGroup {
    /// Those whose name has the same value.
    Named(Expr),
    /// Those with the same values, or this one alone.
    Unnamed(Box<str>),
}

/// An `include` or a `render`.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) snippet: SnippetName,
    /// Whether it is a `render`: the snippet has variables of its own.
    pub(super) isolated: bool,
    pub(super) bound: Option<(Bound, Expr)>,
    pub(super) alias: Option<Box<str>>,
    pub(super) arguments: Box<[(Box<str>, Expr)]>,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum SnippetName {
    /// By its number.
    Known(usize),
    /// Chosen while it runs.
    Chosen(Expr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    With,
    For,
}

/// A value and the filters it goes through.
#[derive(Debug)]
pub(super) struct Filtered {
    pub(super) value: Expr,
    pub(super) filters: Box<[FilterCall]>,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) struct FilterCall {
    pub(super) filter: &'static Filter,
    pub(super) arguments: Box<[Expr]>,
    /// The one keyword argument there is.
    pub(super) allow_false: Option<Expr>,
    /// From the filter's name to its last argument.
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum ExprKind {
    Constant(Constant),
    Path(Path),
    Range(Box<(Expr, Expr)>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constant {
    Nil,
    Bool(bool),
    Integer(i64),
    /// A whole number of more than 64 bits, as its digits.
    Big(Box<str>),
    Decimal(f64),
    Text(Box<str>),
    /// `empty`: a test in a comparison, "" everywhere else.
    Empty,
    /// `blank`: likewise.
    Blank,
}

#[derive(Debug)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) steps: Box<[Step]>,
}

/// Where a path begins.
#[derive(Debug)]
pub(super) enum Root {
    /// A variable of the template, else the attribute in the slot; no slot when it is a variable for certain.
    Variable { name: Box<str>, slot: Option<Slot> },
    /// `source`: the whole record, unless an attribute is called so.
    Source { slot: Slot, whole: Slot },
    /// `value`: the attribute that is mapped; in snippets, that of the template around them.
    Value { slot: Slot },
    /// `[…]`: the variable or attribute whose name is a value.
    Chosen { name: Box<Expr>, whole: Slot },
}

#[derive(Debug)]
pub(super) enum Step {
    /// `.name`, or `['name']`, which is never a command.
    Name { name: Box<str>, command: Option<Command> },
    /// `[…]`
    Key(Expr),
}

/// What `.size`, `.first` and `.last` are where there is no such key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Size,
    First,
    Last,
}
