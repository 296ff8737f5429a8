//! Filters: [`FILTERS`] is the one table of them; the bodies stand by family.

mod calendar;
mod date;
mod encode;
mod list;
mod math;
mod read;
mod select;
mod sort;
mod table;
mod text;

use serde_json::json;

use crate::function::Fallible;

use super::item::{Item, Tools};

pub use table::FILTERS;

/// What a filter's body is: tools, input, arguments.
pub(super) type Body = for<'t, 'a> fn(&'t Tools<'a>, Item<'a>, &'t Arguments<'a>) -> Fallible<Item<'a>>;

/// Everything there is to know of one filter.
#[derive(Clone, Copy)]
pub struct Filter {
    /// The name, as templates write it.
    pub name: &'static str,
    /// The positional arguments in their order.
    pub params: &'static [Param],
    /// The names of the keyword arguments.
    pub keywords: &'static [&'static str],
    /// One sentence on what it does.
    pub summary: &'static str,
    /// What else there is to know; may be empty.
    pub details: &'static str,
    /// Each runs as a test.
    pub examples: &'static [Example],
    pub(super) body: Body,
}

/// A positional argument of a filter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// What it is called in the reference.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
}

/// A template, the record it runs on, and what it prints.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The template.
    pub template: &'static str,
    /// The record, as JSON.
    pub given: &'static str,
    /// The text it prints.
    pub result: &'static str,
}

impl Filter {
    /// As JSON, for editors.
    pub fn to_json(&self) -> serde_json::Value {
        let (fewest, most) = self.counts();
        json!({
            "name": self.name,
            "signature": self.signature(),
            "summary": self.summary,
            "details": self.details,
            "parameters": self.params.iter().map(|param| json!({"name": param.name, "required": param.required})).collect::<Vec<_>>(),
            "keywords": self.keywords,
            "fewestArguments": fewest,
            "mostArguments": most,
            "examples": self.examples.iter().map(|example| json!({
                "template": example.template,
                "given": serde_json::from_str::<serde_json::Value>(example.given).unwrap_or_default(),
                "result": example.result,
            })).collect::<Vec<_>>(),
        })
    }

    /// The fewest and the most positional arguments.
    pub fn counts(&self) -> (usize, usize) {
        (self.params.iter().filter(|param| param.required).count(), self.params.len())
    }

    /// How it is written, such as `truncate[: length[, ellipsis]]`.
    pub fn signature(&self) -> String {
        let mut out = self.name.to_owned();
        let mut open = 0;
        for (index, param) in self.params.iter().enumerate() {
            if !param.required {
                out.push('[');
                open += 1;
            }
            out.push_str(if index == 0 { ": " } else { ", " });
            out.push_str(param.name);
        }
        for (index, keyword) in self.keywords.iter().enumerate() {
            out.push('[');
            open += 1;
            out.push_str(if index == 0 && self.params.is_empty() { ": " } else { ", " });
            out.push_str(keyword);
            out.push_str(": …");
        }
        out.push_str(&"]".repeat(open));
        out
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The filter called so.
pub fn lookup(name: &str) -> Option<&'static Filter> {
    FILTERS.binary_search_by(|filter| filter.name.cmp(name)).ok().and_then(|index| FILTERS.get(index))
}

/// The values of a call's arguments. Those that were left out are nil.
pub(super) struct Arguments<'a> {
    pub(super) count: usize,
    pub(super) first: Item<'a>,
    pub(super) second: Item<'a>,
    pub(super) allow_false: bool,
}

impl<'a> Arguments<'a> {
    /// The first argument, when it was given.
    fn given_first(&self) -> Option<Item<'a>> {
        (self.count > 0).then_some(self.first)
    }

    /// The second argument, when it was given.
    fn given_second(&self) -> Option<Item<'a>> {
        (self.count > 1).then_some(self.second)
    }
}
