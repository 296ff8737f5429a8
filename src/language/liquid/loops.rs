//! Running what repeats: `for`, `tablerow`, `cycle`, and the snippets of `include` and `render`.

use std::cell::Cell;
use std::collections::HashMap;

use crate::function::{Fallible, Fault};
use crate::text::Code;
use crate::value::{TextBuilder, Value};

use super::item::{Item, Loop, Table, Tools, pair, range_length};
use super::number::{self, Number};
use super::run::{Flow, Frame, Scope, at};
use super::snippets::Snippet;
use super::tree::{Bound, Cycle, CycleGroup, Expr, For, Offset, Partial, SnippetName};

/// What a loop goes through.
#[derive(Clone, Copy)]
enum Sequence<'a> {
    Items(&'a [Value<'a>]),
    Pairs(&'a [(&'a str, Value<'a>)]),
    /// Numbers from the first; so many.
    Numbers(i64, usize),
    One(Item<'a>),
    Nothing,
}

impl<'a> Sequence<'a> {
    fn of(item: Item<'a>) -> Self {
        match item {
            Item::List(items) => Sequence::Items(items),
            Item::Object(fields) => Sequence::Pairs(fields),
            Item::Range(first, last) => Sequence::Numbers(first, range_length(first, last)),
            Item::Text(text) if !text.is_empty() => Sequence::One(item),
            _ => Sequence::Nothing,
        }
    }

    fn len(self) -> usize {
        match self {
            Sequence::Items(items) => items.len(),
            Sequence::Pairs(fields) => fields.len(),
            Sequence::Numbers(_, count) => count,
            Sequence::One(_) => 1,
            Sequence::Nothing => 0,
        }
    }

    fn get(self, index: usize, tools: &Tools<'a>) -> Item<'a> {
        match self {
            Sequence::Items(items) => items.get(index).map_or(Item::Nil, |item| Item::from(*item)),
            Sequence::Pairs(fields) => fields.get(index).map_or(Item::Nil, |(key, value)| pair(key, *value, tools)),
            Sequence::Numbers(first, _) => {
                Item::Integer(first.saturating_add(i64::try_from(index).unwrap_or(i64::MAX)))
            }
            Sequence::One(item) => item,
            Sequence::Nothing => Item::Nil,
        }
    }

    /// The places of the items from `from`, `limit` of them at most. A text is one item whatever they say.
    fn part(self, from: i64, limit: Option<i64>) -> (usize, usize) {
        let length = self.len();
        if matches!(self, Sequence::One(_)) {
            return (0, length);
        }
        let place = |number: i64| usize::try_from(number.max(0)).unwrap_or(usize::MAX).min(length);
        let end = limit.map_or(length, |limit| place(from.saturating_add(limit)));
        let start = place(from);
        (start, end.max(start))
    }
}

impl<'a> Frame<'_, 'a> {
    /// The whole number of an option; `None` when it is nil.
    fn option(&mut self, expr: &'a Expr) -> Fallible<Option<i64>> {
        match self.value(expr)? {
            Item::Nil => Ok(None),
            item => number::integer(item).map(Some).map_err(|fault| at(fault, expr.span)),
        }
    }

    /// The information about a loop, in the arena.
    fn info(&self, info: Loop<'a>) -> Option<&'a Loop<'a>> {
        let mut list = self.tools.arena.list(1);
        list.push(info);
        list.into_bump_slice().first()
    }

    /// Gives a variable of the innermost scope its value, in the place that it has there.
    fn set(&mut self, place: usize, name: &'a str, item: Item<'a>) {
        if let Some(variable) = self.scope.inner.get_mut(place) {
            *variable = (name, item);
        }
    }

    pub(super) fn for_(&mut self, head: &'a For, out: &mut TextBuilder<'a>) -> Fallible<Flow> {
        let continued = self.scope.offsets.iter().find(|(name, _)| *name == &*head.name).map_or(0, |(_, end)| *end);
        let from = match &head.offset {
            Offset::None => 0,
            Offset::Continue => continued,
            Offset::At(expr) => self.option(expr)?.unwrap_or(0),
        };
        let sequence = Sequence::of(self.value(&head.collection)?);
        let limit = match &head.limit {
            Some(expr) => self.option(expr)?,
            None => None,
        };
        let (start, end) = sequence.part(from, limit);
        let length = end - start;
        self.tools.meter.list(length).map_err(|fault| at(fault, head.collection.span))?;
        let ended = from.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
        match self.scope.offsets.iter_mut().find(|(name, _)| *name == &*head.name) {
            Some((_, end)) => *end = ended,
            None => self.scope.offsets.push((&head.name, ended)),
        }
        if length == 0 {
            return self.inner(&head.otherwise, out);
        }
        let parent = self.scope.loops.last().copied();
        let index = Cell::new(0);
        let Some(info) = self.info(Loop { name: &head.name, length, index, parent, table: None }) else {
            return Ok(Flow::Next);
        };
        let place = self.scope.inner.len();
        self.scope.inner.push(("forloop", Item::Loop(info)));
        self.scope.inner.push((&head.variable, Item::Nil));
        self.scope.loops.push(info);
        for turn in 0..length {
            self.tools.meter.step(1)?;
            self.tools.memory()?;
            let index = if head.reversed { end - 1 - turn } else { start + turn };
            self.set(place + 1, &head.variable, sequence.get(index, &self.tools));
            let flow = self.inner(&head.body, out)?;
            info.advance();
            if flow == Flow::Break {
                break;
            }
        }
        self.scope.loops.pop();
        self.scope.inner.truncate(place);
        Ok(Flow::Next)
    }

    /// An option of `tablerow`, where a text is its leading number.
    fn loose_option(&mut self, expr: &'a Expr) -> Fallible<i64> {
        match self.value(expr)? {
            item @ (Item::Nil | Item::Integer(_) | Item::Big(_) | Item::Decimal(_) | Item::Text(_)) => {
                Ok(Number::of(item)?.to_i64())
            }
            other => {
                let words = format!("{} is not a whole number", other.describe());
                Err(at(Fault::new(Code::Conversion, words), expr.span))
            }
        }
    }

    pub(super) fn tablerow(&mut self, head: &'a For, out: &mut TextBuilder<'a>) -> Fallible<Flow> {
        let collection = self.value(&head.collection)?;
        if !collection.is_true() {
            return Ok(Flow::Next);
        }
        let from = match &head.offset {
            Offset::At(expr) => self.loose_option(expr)?,
            Offset::None | Offset::Continue => 0,
        };
        let limit = match &head.limit {
            Some(expr) => Some(self.loose_option(expr)?),
            None => None,
        };
        let sequence = Sequence::of(collection);
        let (start, end) = sequence.part(from, limit);
        let length = end - start;
        self.tools.meter.list(length).map_err(|fault| at(fault, head.collection.span))?;
        let columns = match &head.columns {
            Some(expr) => self.loose_option(expr)?,
            None => i64::try_from(length).unwrap_or(i64::MAX),
        };
        out.push_str("<tr class=\"row1\">\n");
        let table = Some(Table { columns, column: Cell::new(1), row: Cell::new(1) });
        let Some(info) = self.info(Loop { name: &head.name, length, index: Cell::new(0), parent: None, table }) else {
            return Ok(Flow::Next);
        };
        let place = self.scope.inner.len();
        self.scope.inner.push(("tablerowloop", Item::Loop(info)));
        self.scope.inner.push((&head.variable, Item::Nil));
        for turn in 0..length {
            self.tools.meter.step(1)?;
            self.tools.memory()?;
            self.set(place + 1, &head.variable, sequence.get(start + turn, &self.tools));
            out.push_str("<td class=\"col");
            info.property("col").write(out, &self.tools)?;
            out.push_str("\">");
            let flow = self.inner(&head.body, out)?;
            out.push_str("</td>");
            if flow == Flow::Break {
                break;
            }
            if info.property("col_last").is_true() && turn + 1 < length {
                out.push_str("</tr>\n<tr class=\"row");
                let row = info.table.as_ref().map_or(1, |table| table.row.get());
                Item::Integer(row + 1).write(out, &self.tools)?;
                out.push_str("\">");
            }
            info.advance();
        }
        out.push_str("</tr>\n");
        self.scope.inner.truncate(place);
        self.tools.meter.text(out.len())?;
        Ok(Flow::Next)
    }

    pub(super) fn cycle(&mut self, cycle: &'a Cycle, out: &mut TextBuilder<'a>) -> Fallible<Flow> {
        let key = match &cycle.group {
            CycleGroup::Named(name) => self.value(name)?.text(&self.tools)?,
            CycleGroup::Unnamed(key) => key,
        };
        let turn = self.scope.cycles.as_ref().and_then(|cycles| cycles.get(key)).copied().unwrap_or(0);
        if let Some(value) = cycle.values.get(turn) {
            self.value(value)?.write(out, &self.tools)?;
        }
        let next = if turn + 1 >= cycle.values.len() { 0 } else { turn + 1 };
        self.scope.cycles.get_or_insert_with(HashMap::new).insert(key, next);
        Ok(Flow::Next)
    }

    /// Runs a snippet and, when it fails, says where in it.
    pub(super) fn partial(&mut self, partial: &'a Partial, out: &mut TextBuilder<'a>) -> Fallible<Flow> {
        let snippet = self.snippet(partial).map_err(|fault| at(fault, partial.span))?;
        // The arguments stand in the text around; they fail there.
        let bound = match &partial.bound {
            Some((how, expr)) => Some((*how, self.value(expr)?)),
            None => None,
        };
        let mut variables: Vec<(&'a str, Item<'a>)> = Vec::with_capacity(partial.arguments.len() + 1);
        for (name, expr) in &partial.arguments {
            variables.push((name, self.value(expr)?));
        }
        let result = if partial.isolated {
            self.render(partial, snippet, bound, &variables, out)
        } else {
            self.include(partial, snippet, bound, &variables, out)
        };
        result.map_err(|mut fault| {
            if !self.told {
                self.told = true;
                let line = fault.span.map_or(1, |span| snippet.line(span.start));
                fault.detail = crate::function::Detail::Words(
                    format!("in the snippet `{}`, line {line}: {}", snippet.name, fault.detail).into(),
                );
            }
            fault.span = Some(partial.span);
            fault.call = None;
            fault
        })
    }

    fn snippet(&mut self, partial: &'a Partial) -> Fallible<&'a Snippet> {
        if !partial.isolated && self.scope.isolated {
            return Err(Fault::new(Code::BadArgument, "`include` cannot stand in a snippet that is rendered")
                .help("write `render` instead"));
        }
        let found = match &partial.snippet {
            SnippetName::Known(index) => self.snippets.get(*index),
            SnippetName::Chosen(expr) => {
                let Item::Text(name) = self.value(expr)? else {
                    return Err(at(Fault::new(Code::BadArgument, "the name of a snippet is a text"), expr.span));
                };
                let words = || format!("there is no snippet `{}`", crate::text::shorten(name));
                let found = self.snippets.named(name);
                Some(found.ok_or_else(|| at(Fault::new(Code::BadArgument, words()), expr.span))?)
            }
        };
        found.ok_or_else(|| Fault::new(Code::BadArgument, "there is no such snippet"))
    }

    /// Runs the snippet's text.
    fn body(&mut self, snippet: &'a Snippet, out: &mut TextBuilder<'a>) -> Fallible<Flow> {
        let Some(root) = &snippet.root else {
            return Err(Fault::new(Code::BadArgument, "it does not compile"));
        };
        self.tools.meter.step(1)?;
        self.tools.memory()?;
        self.within += 1;
        let flow = self.inner(root, out)?;
        self.within -= 1;
        Ok(flow)
    }

    fn include(
        &mut self,
        partial: &'a Partial,
        snippet: &'a Snippet,
        bound: Option<(Bound, Item<'a>)>,
        variables: &[(&'a str, Item<'a>)],
        out: &mut TextBuilder<'a>,
    ) -> Fallible<Flow> {
        let place = self.scope.inner.len();
        self.scope.inner.extend_from_slice(variables);
        let name = partial.alias.as_deref().unwrap_or_else(|| last_part(&snippet.name));
        let mut flow = Flow::Next;
        match bound {
            Some((_, item @ (Item::List(_) | Item::Range(..)))) if matches!(item, Item::List(_)) || is_for(bound) => {
                let sequence = Sequence::of(item);
                self.tools.meter.list(sequence.len())?;
                let variable = self.scope.inner.len();
                self.scope.inner.push((name, Item::Nil));
                for index in 0..sequence.len() {
                    self.set(variable, name, sequence.get(index, &self.tools));
                    flow = self.body(snippet, out)?;
                    if flow != Flow::Next {
                        break;
                    }
                }
            }
            Some((_, item)) => {
                self.scope.inner.push((name, item));
                flow = self.body(snippet, out)?;
            }
            None => flow = self.body(snippet, out)?,
        }
        self.scope.inner.truncate(place);
        Ok(flow)
    }

    fn render(
        &mut self,
        partial: &'a Partial,
        snippet: &'a Snippet,
        bound: Option<(Bound, Item<'a>)>,
        variables: &[(&'a str, Item<'a>)],
        out: &mut TextBuilder<'a>,
    ) -> Fallible<Flow> {
        let name = partial.alias.as_deref().unwrap_or_else(|| last_part(&snippet.name));
        match bound {
            Some((Bound::For, item @ (Item::List(_) | Item::Range(..) | Item::Object(_)))) => {
                let sequence = Sequence::of(item);
                let length = sequence.len();
                self.tools.meter.list(length)?;
                let index = Cell::new(0);
                let Some(info) = self.info(Loop { name: &snippet.name, length, index, parent: None, table: None })
                else {
                    return Ok(Flow::Next);
                };
                for index in 0..length {
                    let mut inner = vec![("forloop", Item::Loop(info))];
                    inner.extend_from_slice(variables);
                    inner.push((name, sequence.get(index, &self.tools)));
                    self.isolated(snippet, inner, out)?;
                    info.advance();
                }
            }
            Some((_, item)) => {
                let mut inner = variables.to_vec();
                if !matches!(item, Item::Nil) {
                    inner.push((name, item));
                }
                self.isolated(snippet, inner, out)?;
            }
            None => self.isolated(snippet, variables.to_vec(), out)?,
        }
        Ok(Flow::Next)
    }

    /// Runs a snippet with variables of its own.
    fn isolated(
        &mut self,
        snippet: &'a Snippet,
        inner: Vec<(&'a str, Item<'a>)>,
        out: &mut TextBuilder<'a>,
    ) -> Fallible<()> {
        let around = std::mem::replace(&mut self.scope, Scope { inner, isolated: true, ..Scope::default() });
        let result = self.body(snippet, out);
        self.scope = around;
        result.map(|_| ())
    }
}

fn is_for(bound: Option<(Bound, Item<'_>)>) -> bool {
    matches!(bound, Some((Bound::For, _)))
}

/// The name behind the last slash: what the variable of a snippet is called.
fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
