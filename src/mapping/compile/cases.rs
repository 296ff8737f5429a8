//! Compiles the environment and the tests of a mapping file.

use std::collections::BTreeSet;

use super::super::EnvLayer;
use super::super::case::{Case, Expected, Spot};
use super::super::file::{EnvTable, TestEntry};
use super::super::tree::Key;
use super::Compiler;
use crate::dotnet::date;
use crate::scim::{self, PathError};
use crate::text::{Code, Diagnostic, Span, closest};

/// Records with more attributes than this are not searched for slips: they were not typed by hand.
const MAX_GIVEN: usize = 200;

impl Compiler<'_> {
    pub(super) fn env(&mut self, env: &EnvTable) -> EnvLayer {
        let now = env.now.as_ref().and_then(|now| match date::parse_any(&now.value, None) {
            Ok(moment) => Some(moment),
            Err(error) => {
                let finding = Diagnostic::new(Code::WrongValue, error.message, now.span)
                    .help("write `now = \"2026-01-31T12:00:00Z\"`");
                self.found.push(finding);
                None
            }
        });
        EnvLayer {
            limits: None,
            default_domain: env.default_domain.clone(),
            taken: env.taken.clone(),
            now,
            guid: env.guid.clone(),
            random: env.random.clone(),
            seed: env.seed,
        }
    }

    pub(super) fn case(&mut self, test: TestEntry, json: bool) -> Case {
        let env = self.env(&test.env);
        self.check_given(&test.given_keys);
        let mut spot = |name: &str, span: Span| match self.spot(name, json) {
            Ok(spot) => spot,
            Err(error) => {
                let finding = self.path_finding(Code::TestCase, error, name, span);
                self.found.push(finding);
                None
            }
        };
        let expect = test.expect.map(|expect| {
            let entries = expect.value.into_iter().filter_map(|(key, value)| {
                let spot = spot(&key.name, key.span)?;
                Some(Expected { name: key.name, spot, value })
            });
            (entries.collect(), expect.span)
        });
        let absent = test
            .absent
            .into_iter()
            .filter_map(|path| Some((path.value.clone(), spot(&path.value, path.span)?)))
            .collect();
        Case {
            name: test.name.value,
            span: test.name.span,
            given: test.given,
            expect,
            exact: test.exact,
            absent,
            skip: test.skip,
            error: test.error,
            in_scope: test.in_scope,
            update: test.update,
            env,
        }
    }

    /// Where in a payload `name` stands; `None` when the resource is not known.
    fn spot(&self, name: &str, json: bool) -> Result<Option<Spot>, PathError> {
        let plain = !name.contains(['.', '[', ':']);
        if json {
            return if plain {
                Ok(Some(Spot::top(name)))
            } else {
                scim::json_target(name).map(|steps| Some(Spot { schema: None, steps }))
            };
        }
        let Some(schema) = &self.schema else { return Ok(None) };
        if schema.schema(name).is_some() {
            return Ok(Some(Spot { schema: Some(name.to_owned()), steps: Vec::new() }));
        }
        if name == "schemas" {
            return Ok(Some(Spot::top(name)));
        }
        let path = scim::parse_path(name)?;
        if plain {
            // What no rule may write, such as `id`, may be said to be absent.
            return scim::target::locate(&path, schema).map(|located| Some(Spot::top(located.attribute.name)));
        }
        scim::resolve(&path, schema).map(|target| Some(Spot { schema: target.schema, steps: target.steps }))
    }

    /// Attributes of a test's record that no rule reads and that look like one that is read.
    fn check_given(&mut self, given: &[(String, Span)]) {
        let reads: BTreeSet<&str> = self.layout.reads().collect();
        if given.len() > MAX_GIVEN {
            return;
        }
        for (key, span) in given.iter().filter(|(key, _)| !reads.contains(key.as_str())) {
            let Some(left) = self.slips.checked_sub(reads.len()) else { return };
            self.slips = left;
            if let Some(near) = closest(key, reads.iter().copied().filter(|name| name.len() > 4))
                && near.len().abs_diff(key.len()) <= 1
                && strsim::osa_distance(near, key) <= 2
                && !given.iter().any(|(other, _)| other == near)
            {
                let key = Key { name: key.clone(), span: *span };
                self.found.push(
                    Diagnostic::new(
                        Code::SuspiciousAttribute,
                        format!("no rule reads `{}`; it looks like a slip for `{near}`", key.name),
                        *span,
                    )
                    .fix(*span, key.spell(near), format!("did you mean `{near}`?")),
                );
            }
        }
    }
}
