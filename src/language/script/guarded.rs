//! Functions of Rhai's packages that would make a value before its size is looked at, with the look first.

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext, Position};

/// Takes the place of the packages' functions: what is registered with an engine goes before its packages.
pub(super) fn register(engine: &mut Engine) {
    // 256 KiB of a letter, replaced by 256 KiB of text, would be 64 GiB.
    engine.register_fn(
        "replace",
        |context: NativeCallContext<'_>, text: &mut ImmutableString, find: &str, with: &str| {
            replace(&context, text, find, with)
        },
    );
    engine.register_fn(
        "replace",
        |context: NativeCallContext<'_>, text: &mut ImmutableString, find: char, with: &str| {
            replace(&context, text, find.encode_utf8(&mut [0; 4]), with)
        },
    );
    engine.register_fn(
        "replace",
        |context: NativeCallContext<'_>, text: &mut ImmutableString, find: &str, with: char| {
            replace(&context, text, find, with.encode_utf8(&mut [0; 4]))
        },
    );
    // The package's own multiplies before it compares.
    engine.register_fn("pad", |context: NativeCallContext<'_>, array: &mut Array, length: i64, item: Dynamic| {
        pad(&context, array, length, item)
    });
}

fn too_large(what: &str) -> Box<EvalAltResult> {
    EvalAltResult::ErrorDataTooLarge(what.to_owned(), Position::NONE).into()
}

fn replace(
    context: &NativeCallContext<'_>,
    text: &mut ImmutableString,
    find: &str,
    with: &str,
) -> Result<(), Box<EvalAltResult>> {
    if text.is_empty() {
        return Ok(());
    }
    let most = context.engine().max_string_size();
    let grown = text.matches(find).count().saturating_mul(with.len().saturating_sub(find.len()));
    if text.len().saturating_add(grown) > most {
        return Err(too_large("Length of string"));
    }
    *text = text.replace(find, with).into();
    Ok(())
}

fn pad(
    context: &NativeCallContext<'_>,
    array: &mut Array,
    length: i64,
    item: Dynamic,
) -> Result<(), Box<EvalAltResult>> {
    let Ok(length) = usize::try_from(length) else { return Ok(()) };
    if length <= array.len() {
        return Ok(());
    }
    if length > context.engine().max_array_size() {
        return Err(too_large("Size of array/BLOB"));
    }
    // One item more at a time: the engine looks at the item's size, and the array's, only after a call.
    let probe = weight(&item);
    let more = length - array.len();
    if probe.saturating_mul(more) > context.engine().max_string_size().max(context.engine().max_array_size()) {
        return Err(too_large("Size of array/BLOB"));
    }
    array.resize(length, item);
    Ok(())
}

/// How many items and bytes of text a value has, about.
fn weight(value: &Dynamic) -> usize {
    if let Ok(text) = value.as_immutable_string_ref() {
        return text.len();
    }
    if let Ok(items) = value.as_array_ref() {
        return items.iter().map(|item| 1 + weight(item)).fold(0, usize::saturating_add);
    }
    if let Ok(fields) = value.as_map_ref() {
        return fields.values().map(|item| 1 + weight(item)).fold(0, usize::saturating_add);
    }
    1
}
