//! The two regular expression engines behind one search.

use std::sync::OnceLock;

use super::error::{PatternError, Runaway};

/// How many ways to match one search of the backtracking engine may try.
pub(super) const BACKTRACK_LIMIT: usize = 1_000_000;
/// How many bytes a compiled pattern may take.
const SIZE_LIMIT: usize = 32 << 20;
/// How many steps a compiled pattern of the backtracking engine may have.
const PROGRAM_LIMIT: usize = 1 << 20;
/// How deep the printed pattern may nest for the engine: each of our levels prints as a few of its own.
const NEST_LIMIT: u32 = 1_000;

/// A compiled pattern.
#[derive(Debug)]
pub(super) enum Engine {
    /// Linear time, no look-around and no references.
    Linear(regex::Regex),
    /// Backtracking, with a limit.
    Backtracking(fancy_regex::Regex),
}

/// The engine for texts that end in a line feed, compiled when the first one comes: few ever do.
#[derive(Debug)]
pub(super) struct LateEngine {
    printed: String,
    engine: OnceLock<Option<Engine>>,
}

impl LateEngine {
    /// Keeps the printed pattern.
    pub(super) fn new(printed: String) -> LateEngine {
        LateEngine { printed, engine: OnceLock::new() }
    }

    /// The engine.
    ///
    /// Its twin without `$` is compiled already, and the room is twice as large, so it does not fail; if it did, that
    /// would be reported like a search that gave up, not as "no match".
    pub(super) fn get(&self) -> Result<&Engine, Runaway> {
        let compile = || backtracking(&self.printed, 2 * SIZE_LIMIT).ok().map(Engine::Backtracking);
        self.engine.get_or_init(compile).as_ref().ok_or_else(runaway)
    }
}

/// The spans of one match, by engine group.
pub(super) enum Captures<'t> {
    Linear(regex::CaptureLocations),
    Backtracking(Option<fancy_regex::Captures<'t, str>>),
}

impl Engine {
    /// Compiles for the engine without backtracking.
    pub(super) fn linear(printed: &str, source: &str) -> Result<Engine, PatternError> {
        regex::RegexBuilder::new(printed)
            .size_limit(SIZE_LIMIT)
            .nest_limit(NEST_LIMIT)
            .build()
            .map(Engine::Linear)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => too_large(source),
                error => not_taken(source, &error),
            })
    }

    /// Compiles for the engine with backtracking.
    pub(super) fn backtracking(printed: &str, source: &str) -> Result<Engine, PatternError> {
        backtracking(printed, SIZE_LIMIT).map(Engine::Backtracking).map_err(|error| {
            // The engine names its limits only in words.
            let words = error.to_string();
            let large = words.contains("NFA") || words.contains("complex");
            if large {
                too_large(source)
            } else if words.contains("nested") {
                let message = "the pattern nests too deeply for look-around, references or atomic groups";
                PatternError::unsupported(0..source.len(), message)
            } else {
                not_taken(source, &error)
            }
        })
    }

    /// The first match at or after `from`.
    #[inline]
    pub(super) fn find(&self, text: &str, from: usize) -> Result<Option<(usize, usize)>, Runaway> {
        match self {
            Engine::Linear(regex) => Ok(regex.find_at(text, from).map(|found| (found.start(), found.end()))),
            Engine::Backtracking(regex) => {
                let found = regex.find_from_pos(text, from).map_err(|_| runaway())?;
                Ok(found.map(|found| (found.start(), found.end())))
            }
        }
    }

    /// Whether anything matches.
    pub(super) fn is_match(&self, text: &str) -> Result<bool, Runaway> {
        match self {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(regex) => regex.is_match(text).map_err(|_| runaway()),
        }
    }

    /// Room for the spans of a match.
    pub(super) fn captures(&self) -> Captures<'static> {
        match self {
            Engine::Linear(regex) => Captures::Linear(regex.capture_locations()),
            Engine::Backtracking(_) => Captures::Backtracking(None),
        }
    }

    /// The first match at or after `from`, with its groups.
    #[inline]
    pub(super) fn find_captures<'t>(
        &self,
        text: &'t str,
        from: usize,
        captures: &mut Captures<'t>,
    ) -> Result<Option<(usize, usize)>, Runaway> {
        match (self, captures) {
            (Engine::Linear(regex), Captures::Linear(locations)) => {
                Ok(regex.captures_read_at(locations, text, from).map(|found| (found.start(), found.end())))
            }
            (Engine::Backtracking(regex), Captures::Backtracking(captures)) => {
                *captures = regex.captures_from_pos(text, from).map_err(|_| runaway())?;
                let whole = captures.as_ref().and_then(|captures| captures.get(0));
                Ok(whole.map(|found| (found.start(), found.end())))
            }
            _ => Ok(None),
        }
    }
}

impl Captures<'_> {
    /// No room for anything, where no groups are asked for.
    pub(super) fn none() -> Captures<'static> {
        Captures::Backtracking(None)
    }

    /// The span of an engine group.
    #[inline]
    fn get(&self, engine: usize) -> Option<(usize, usize)> {
        match self {
            Captures::Linear(locations) => locations.get(engine),
            Captures::Backtracking(captures) => {
                captures.as_ref()?.get(engine).map(|found| (found.start(), found.end()))
            }
        }
    }

    /// The span of a .NET group: of several engine groups the one that matched last.
    #[inline]
    pub(super) fn of(&self, engines: &[usize]) -> Option<(usize, usize)> {
        match engines {
            [only] => self.get(*only),
            engines => engines.iter().filter_map(|&engine| self.get(engine)).max(),
        }
    }
}

fn backtracking(printed: &str, size_limit: usize) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    fancy_regex::RegexBuilder::new(printed)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(size_limit)
        .max_prog_size(PROGRAM_LIMIT)
        .build()
}

fn runaway() -> Runaway {
    Runaway::Backtracking { limit: BACKTRACK_LIMIT }
}

fn too_large(source: &str) -> PatternError {
    PatternError::unsupported(0..source.len(), "the pattern is too large when its repetitions are written out")
        .help("use lower counts")
}

fn not_taken(source: &str, error: &dyn std::fmt::Display) -> PatternError {
    let reason = error.to_string();
    let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    PatternError::unsupported(0..source.len(), format!("the pattern is not supported: {reason}"))
}
