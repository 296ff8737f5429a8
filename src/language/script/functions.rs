//! The functions of the table for scripts, called by value, and `skip`, `skip_attribute` and `fail`.

use std::any::TypeId;
use std::ops::RangeInclusive;

use rhai::{Dynamic, Engine, EvalContext, ImmutableString, NativeCallContext};

use crate::function::{Fault, MOST_ARGUMENTS, Spec, TABLE, call_by_value, lookup};
use crate::text::Code;
use crate::value::Ignore;

use super::host::Called;
use super::state::{self, Ending};

/// So many parameters of any type are registered; the engine tries out which of a call's arguments are of any type, and
/// the tries double with each. Calls with more arguments come by way of the functions that the engine does not find.
const FEW: usize = 3;

/// The counts of arguments that a function takes.
pub(super) fn counts(spec: &Spec) -> RangeInclusive<usize> {
    spec.fewest()..=spec.most().unwrap_or(MOST_ARGUMENTS)
}

pub(super) fn register(engine: &mut Engine) {
    for spec in TABLE {
        for count in counts(spec).filter(|count| *count <= FEW) {
            let types = vec![TypeId::of::<Dynamic>(); count];
            engine.register_raw_fn(
                spec.name,
                types,
                move |_: NativeCallContext<'_>, arguments: &mut [&mut Dynamic]| of_table(spec, arguments),
            );
        }
    }
    #[expect(
        deprecated,
        reason = "it is not: the attribute says that the interface may change, which the tests notice"
    )]
    engine.on_missing_function(
        |name: &str, arguments: &mut [&mut Dynamic], _: bool, _: EvalContext<'_, '_, '_, '_, '_, '_>| match lookup(name)
        {
            Some(spec) if spec.name == name && arguments.len() > FEW && counts(spec).contains(&arguments.len()) => {
                of_table(spec, arguments).map(Some)
            }
            _ => Ok(None),
        },
    );
    register_endings(engine);
}

fn of_table(spec: &'static Spec, arguments: &mut [&mut Dynamic]) -> Called {
    state::call(spec.name, arguments, |context, values, out| call_by_value(spec, context, values, out))
}

/// The functions that end a script where it stands.
fn register_endings(engine: &mut Engine) {
    let skip = |reason: Option<ImmutableString>| -> Called {
        let reason = reason.map(|reason| reason.to_string()).filter(|reason| !reason.is_empty());
        Err(state::end(Ending::Ignored(Ignore::Object, reason)))
    };
    engine.register_fn("skip", move || skip(None));
    engine.register_fn("skip", move |reason: ImmutableString| skip(Some(reason)));
    engine.register_fn("skip_attribute", || -> Called { Err(state::end(Ending::Ignored(Ignore::Attribute, None))) });
    let fail = |words: String| -> Called { Err(state::end(Ending::Failed(Fault::new(Code::Raised, words)))) };
    engine.register_fn("fail", move || fail("(no message)".to_owned()));
    engine.register_fn("fail", move |words: ImmutableString| fail(words.to_string()));
}
