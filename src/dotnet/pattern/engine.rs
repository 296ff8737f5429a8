//! The two regular expression engines behind one search.

use std::ops::Range;
use std::sync::OnceLock;

use super::error::{PatternError, Runaway};

/// How many ways to match one search of the backtracking engine may try: 10 to 40 ms.
pub(super) const BACKTRACK_LIMIT: usize = 250_000;
/// How many searches of a call may take that many; they need no second engine, and most calls make no more.
const FREE_SEARCHES: u32 = 2;
/// How many attempts all further searches of a call may take together.
const CALL_LIMIT: usize = 4 * BACKTRACK_LIMIT;
/// The limits that further searches climb, before the full one. An engine has one limit for good, and nothing tells
/// how much of it a search used: that it passed one limit and not the one before is all that is known.
const LEVELS: [usize; 6] = [64, 256, 1_024, 4_096, 16_384, 65_536];
/// How many attempts a search may take for each byte it gets on without using up the allowance of the call.
const ATTEMPTS_PER_BYTE: usize = 64;
/// How many rounds of a loop one attempt may be forced to go; patterns that force more may try less often.
const ROUNDS_PER_ATTEMPT: usize = 4;
/// How many steps a compiled pattern of the backtracking engine may have.
const PROGRAM_LIMIT: usize = 1 << 16;
/// How deep the printed pattern may nest for the engine: each of our levels prints as a few of its own.
const NEST_LIMIT: u32 = 1_000;
/// How many bytes of states an engine may keep for one text; it forgets them when there are more.
const CACHE_LIMIT: usize = 1 << 20;

/// A compiled pattern.
#[derive(Debug)]
pub(super) enum Engine {
    /// Linear time, no look-around and no references.
    Linear(regex::Regex),
    /// Backtracking, with a limit.
    Backtracking(Box<Backtracking>),
}

/// The backtracking engine, compiled with its full limit, and with lower ones when a call makes many searches.
#[derive(Debug)]
pub(super) struct Backtracking {
    printed: Box<str>,
    room: usize,
    limit: usize,
    full: fancy_regex::Regex,
    levels: [OnceLock<Option<fancy_regex::Regex>>; LEVELS.len()],
}

/// What the searches of one call have used up.
#[derive(Debug, Default)]
pub(super) struct Spent {
    searches: u32,
    attempts: usize,
}

/// The engine for texts that end in a line feed, compiled when the first one comes: few ever do.
#[derive(Debug)]
pub(super) struct LateEngine {
    printed: String,
    room: usize,
    limit: usize,
    engine: OnceLock<Option<Engine>>,
}

impl LateEngine {
    /// Keeps the printed pattern.
    pub(super) fn new(printed: String, room: usize, forced_rounds: u64) -> LateEngine {
        // Its twin without `$` is compiled already, and the room is twice as large, so it does not fail.
        LateEngine { printed, room: 2 * room, limit: attempts(forced_rounds), engine: OnceLock::new() }
    }

    /// The engine. If it failed to compile, that would be reported like a search that gave up, not as "no match".
    pub(super) fn get(&self) -> Result<&Engine, Runaway> {
        let compile = || {
            let engine = Backtracking::new(&self.printed, self.room, self.limit).ok()?;
            Some(Engine::Backtracking(Box::new(engine)))
        };
        let runaway = Runaway::Backtracking { limit: self.limit };
        self.engine.get_or_init(compile).as_ref().ok_or(runaway)
    }
}

impl Backtracking {
    fn new(printed: &str, room: usize, limit: usize) -> Result<Backtracking, fancy_regex::Error> {
        let full = backtracking(printed, room, limit)?;
        Ok(Backtracking { printed: printed.into(), room, limit, full, levels: Default::default() })
    }

    /// One search of a call.
    ///
    /// The first ones may take the full limit. Every other starts with a low one and climbs; what is more than its way
    /// through the text explains is taken from the allowance of the call. So a call takes time linear in its text,
    /// and on top of that an allowance that does not grow with the number of matches.
    fn search<T>(
        &self,
        from: usize,
        text: &str,
        spent: &mut Spent,
        search: impl Fn(&fancy_regex::Regex) -> Result<Option<T>, fancy_regex::Error>,
        end: impl Fn(&T) -> usize,
    ) -> Result<Option<T>, Runaway> {
        if spent.searches < FREE_SEARCHES {
            spent.searches += 1;
            return search(&self.full).map_err(|_| Runaway::Backtracking { limit: self.limit });
        }
        let levels = LEVELS.iter().zip(&self.levels).filter(|(limit, _)| **limit < self.limit);
        for (&limit, engine) in levels {
            let engine = engine.get_or_init(|| backtracking(&self.printed, self.room, limit).ok());
            if let Some(Ok(found)) = engine.as_ref().map(&search) {
                self.spend(spent, limit, found.as_ref().map_or(text.len(), &end) - from)?;
                return Ok(found);
            }
        }
        let found = search(&self.full).map_err(|_| Runaway::Backtracking { limit: self.limit })?;
        self.spend(spent, self.limit, found.as_ref().map_or(text.len(), &end) - from)?;
        Ok(found)
    }

    /// Takes a search that stayed below `limit` and got on by so many bytes from the allowance.
    fn spend(&self, spent: &mut Spent, limit: usize, bytes: usize) -> Result<(), Runaway> {
        // An empty match gets on by one place.
        let explained = bytes.max(1).saturating_mul(ATTEMPTS_PER_BYTE);
        spent.attempts += limit.saturating_sub(explained);
        if spent.attempts > CALL_LIMIT {
            return Err(Runaway::Backtracking { limit: CALL_LIMIT.max(self.limit) });
        }
        Ok(())
    }
}

/// How many attempts a search may take, each of so many rounds at least.
fn attempts(forced_rounds: u64) -> usize {
    let rounds = usize::try_from(forced_rounds).unwrap_or(usize::MAX).max(ROUNDS_PER_ATTEMPT);
    (BACKTRACK_LIMIT / (rounds / ROUNDS_PER_ATTEMPT)).max(200)
}

/// The spans of one match, by engine group.
pub(super) enum Captures<'t> {
    Linear(regex::CaptureLocations),
    Backtracking(Option<fancy_regex::Captures<'t, str>>),
}

impl Engine {
    /// Compiles for the engine without backtracking.
    pub(super) fn linear(printed: &str, source: &str, room: usize) -> Result<Engine, PatternError> {
        regex::RegexBuilder::new(printed)
            .size_limit(room)
            .dfa_size_limit(CACHE_LIMIT)
            .nest_limit(NEST_LIMIT)
            .build()
            .map(Engine::Linear)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => too_large(0..source.len(), source),
                error => not_taken(source, &error),
            })
    }

    /// Compiles for the engine with backtracking.
    pub(super) fn backtracking(
        printed: &str,
        source: &str,
        room: usize,
        forced_rounds: u64,
    ) -> Result<Engine, PatternError> {
        let engine = Backtracking::new(printed, room, attempts(forced_rounds));
        engine.map(|engine| Engine::Backtracking(Box::new(engine))).map_err(|error| {
            // The engine names its limits only in words.
            let words = error.to_string();
            let large = words.contains("NFA") || words.contains("complex");
            if large {
                too_large(0..source.len(), source)
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
    pub(super) fn find(&self, text: &str, from: usize, spent: &mut Spent) -> Result<Option<(usize, usize)>, Runaway> {
        match self {
            Engine::Linear(regex) => Ok(regex.find_at(text, from).map(|found| (found.start(), found.end()))),
            Engine::Backtracking(engine) => {
                let search = |regex: &fancy_regex::Regex| regex.find_from_pos(text, from);
                let found = engine.search(from, text, spent, search, fancy_regex::Match::end)?;
                Ok(found.map(|found| (found.start(), found.end())))
            }
        }
    }

    /// Whether it tries out matches, instead of following all at once.
    pub(super) fn tries(&self) -> bool {
        matches!(self, Engine::Backtracking(_))
    }

    /// Whether anything matches.
    pub(super) fn is_match(&self, text: &str) -> Result<bool, Runaway> {
        match self {
            Engine::Linear(regex) => Ok(regex.is_match(text)),
            Engine::Backtracking(engine) => {
                engine.full.is_match(text).map_err(|_| Runaway::Backtracking { limit: engine.limit })
            }
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
        spent: &mut Spent,
    ) -> Result<Option<(usize, usize)>, Runaway> {
        match (self, captures) {
            (Engine::Linear(regex), Captures::Linear(locations)) => {
                Ok(regex.captures_read_at(locations, text, from).map(|found| (found.start(), found.end())))
            }
            (Engine::Backtracking(engine), Captures::Backtracking(captures)) => {
                let search = |regex: &fancy_regex::Regex| regex.captures_from_pos(text, from);
                let end = |found: &fancy_regex::Captures<'t, str>| found.get(0).map_or(from, |whole| whole.end());
                *captures = engine.search(from, text, spent, search, end)?;
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

fn backtracking(printed: &str, room: usize, limit: usize) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    fancy_regex::RegexBuilder::new(printed)
        .backtrack_limit(limit)
        .delegate_size_limit(room)
        .delegate_dfa_size_limit(CACHE_LIMIT)
        .max_prog_size(PROGRAM_LIMIT)
        .build()
}

/// The pattern takes too much room, most of it where `span` is.
pub(super) fn too_large(span: Range<usize>, source: &str) -> PatternError {
    let message = match source.get(span.clone()) {
        Some(piece) if span.len() < source.len() => {
            format!("the pattern is too large: `{piece}` takes most of the room")
        }
        _ => "the pattern is too large when its repetitions are written out".to_owned(),
    };
    PatternError::unsupported(span, message).help("use lower counts, or `+` where the count does not matter")
}

fn not_taken(source: &str, error: &dyn std::fmt::Display) -> PatternError {
    let reason = error.to_string();
    let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    PatternError::unsupported(0..source.len(), format!("the pattern is not supported: {reason}"))
}
