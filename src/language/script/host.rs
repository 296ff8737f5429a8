//! [`Host`]: the Rhai engine of a mapping file's scripts: chosen packages, limits, our functions. It is built raw, so that
//! a script can reach nothing that is not named here: no file, network, clock, sleep, `eval`, `import`.

use std::collections::BTreeSet;
use std::fmt;

use rhai::module_resolvers::DummyModuleResolver;
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, EvalAltResult, OptimizationLevel, Position};

use crate::function::{Limits, TABLE};

use super::{functions, guarded, helpers, state};

/// Symbols that are not to be parsed at all. What stands here has no body registered either, but for the four words of
/// Rhai's function values, which scripts only have as closures in the place of an argument (see `scan.rs`).
const DISABLED: &[&str] = &["eval", "import", "export", "Fn", "call", "curry", "is_shared", "sync"];

/// The words that Rhai's evaluator knows without a registration and that stay.
const KEYWORDS: &[&str] = &["print", "debug", "type_of", "is_def_fn", "is_def_var"];

/// The functions whose argument may be a closure.
pub(super) const HIGHER: &[&str] = &[
    "all",
    "dedup",
    "drain",
    "filter",
    "find",
    "find_map",
    "for_each",
    "index_of",
    "map",
    "order_by",
    "reduce",
    "reduce_rev",
    "retain",
    "some",
    "sort",
    "sort_by",
];

/// The most levels of calls, and of nested expressions in each, that fit on a thread's stack together, in builds for tests
/// too, whose frames are several times as large.
const CALLS: usize = 16;
const NESTING: usize = 32;
/// How many variables may be there at once in one function.
const VARIABLES: usize = 128;
/// How many functions a script may define, closures among them.
const FUNCTIONS: usize = 128;
/// The most items that the lists and maps of one value may have in all, whatever the mapping file asks for: lists nest by
/// one item a level, and what walks them goes as deep.
const ITEMS: usize = 10_000;

/// The engine of a mapping file's scripts: packages, functions, limits.
pub struct Host {
    pub(super) engine: Engine,
    pub(super) limits: Limits,
    /// Every name that a script can call.
    pub(super) names: BTreeSet<String>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Host {
    /// An engine with these limits.
    pub fn new(limits: Limits) -> Host {
        let mut engine = Engine::new_raw();
        ArithmeticPackage::new().register_into_engine(&mut engine);
        LogicPackage::new().register_into_engine(&mut engine);
        BasicStringPackage::new().register_into_engine(&mut engine);
        MoreStringPackage::new().register_into_engine(&mut engine);
        BasicMathPackage::new().register_into_engine(&mut engine);
        BasicArrayPackage::new().register_into_engine(&mut engine);
        BasicMapPackage::new().register_into_engine(&mut engine);
        BasicIteratorPackage::new().register_into_engine(&mut engine);
        BasicFnPackage::new().register_into_engine(&mut engine);
        engine.set_module_resolver(DummyModuleResolver::new());
        for symbol in DISABLED {
            engine.disable_symbol(*symbol);
        }
        set_limits(&mut engine, limits);
        engine.set_strict_variables(true);
        // The scan looks at a script as it is written; it is optimized afterwards.
        engine.set_optimization_level(OptimizationLevel::None);
        engine.on_print(|text| state::printed(text, Position::NONE));
        engine.on_debug(|text, _, position| state::printed(text, position));
        engine.on_progress(|_| state::progress().then_some(Dynamic::UNIT));
        #[expect(deprecated, reason = "it is not: the attribute says that the interface may change")]
        engine.on_var(|name, _, context| match context.scope().get(name) {
            Some(value) => state::look(value).map(|()| None),
            None => Ok(None),
        });
        guarded::register(&mut engine);
        functions::register(&mut engine);
        helpers::register(&mut engine);
        let mut names: BTreeSet<String> =
            engine.collect_fn_metadata(None, |found| Some(found.metadata.name.to_string()), true).into_iter().collect();
        names.extend(TABLE.iter().map(|spec| spec.name.to_owned()));
        names.extend(KEYWORDS.iter().map(|word| (*word).to_owned()));
        Host { engine, limits, names }
    }

    /// Every function that a script can call, operators and properties among them, as `name/parameters`, in the order of
    /// the alphabet. Nothing else is there: an engine is built raw.
    pub fn symbols(&self) -> Vec<String> {
        let registered = self.engine.collect_fn_metadata(
            None,
            |found| Some(format!("{}/{}", found.metadata.name, found.metadata.num_params)),
            true,
        );
        let mut symbols: BTreeSet<String> = registered.into_iter().collect();
        symbols.extend(KEYWORDS.iter().map(|word| format!("{word}/keyword")));
        for spec in TABLE {
            for count in functions::counts(spec) {
                symbols.insert(format!("{}/{count}", spec.name));
            }
        }
        symbols.into_iter().collect()
    }
}

/// All limits, so that builds for tests and for use have the same.
fn set_limits(engine: &mut Engine, limits: Limits) {
    let items = limits.list.clamp(1, ITEMS);
    engine.set_max_expr_depths(nesting(limits), nesting(limits));
    engine.set_max_call_levels(calls(limits));
    engine.set_max_operations(limits.steps.max(1));
    engine.set_max_string_size(limits.output.max(1));
    engine.set_max_array_size(items);
    engine.set_max_map_size(items);
    engine.set_max_variables(VARIABLES);
    engine.set_max_functions(FUNCTIONS);
    engine.set_max_modules(0);
}

/// How deep functions may call each other.
pub(super) fn calls(limits: Limits) -> usize {
    limits.depth.min(CALLS)
}

/// How deep expressions and blocks may nest.
pub(super) fn nesting(limits: Limits) -> usize {
    limits.depth.min(NESTING)
}

/// What a function of ours gives to the engine.
pub(super) type Called = Result<Dynamic, Box<EvalAltResult>>;
