//! Values from and to minijinja, and what one run has used: its functions are `'static`, so what they need of the run lies
//! with the thread while it lasts.

use std::cell::RefCell;

use minijinja::value::{Value as Jinja, ValueKind};
use minijinja::{Error, ErrorKind};

use crate::function::{self, Context, Env, Fallible, Fault, Limits, Meter, Spec};
use crate::text::Code;
use crate::value::{Arena, Ignore, MAX_MEMORY, Value};

/// How often over a run may make the longest text: all that it writes, keeps and passes on counts.
const TIMES_OUTPUT: u64 = 32;
/// What an item of a list counts for, in bytes.
const ITEM: u64 = 32;

/// One run.
struct Run {
    meter: Meter,
    spent: u64,
    /// Boxed: it is large, few templates have one, and a run is moved when it begins and when it ends.
    env: Option<Box<Env>>,
    calls: u64,
    ended: Option<End>,
    result: Option<Jinja>,
}

/// Why a run ended before the template did.
pub(super) enum End {
    Fault(Box<Fault>),
    /// With the reason that `skip("…")` gives.
    Ignored(Ignore, Option<String>),
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
    static ARENA: RefCell<Arena> = RefCell::new(Arena::new());
}

/// A run on this thread, from its making until it is dropped.
pub(super) struct Running {
    before: Option<Run>,
}

impl Running {
    pub(super) fn new(limits: Limits, env: Option<Box<Env>>) -> Self {
        let run = Run { meter: Meter::new(limits), spent: 0, env, calls: 0, ended: None, result: None };
        Self { before: RUN.with_borrow_mut(|place| place.replace(run)) }
    }

    /// Why it ended early.
    #[expect(clippy::unused_self, reason = "only a run that lasts can be asked")]
    pub(super) fn ended(&self) -> Option<End> {
        RUN.with_borrow_mut(|run| run.as_mut()?.ended.take())
    }

    /// The value of the last `{{ … }}`.
    #[expect(clippy::unused_self, reason = "only a run that lasts can be asked")]
    pub(super) fn result(&self) -> Option<Jinja> {
        RUN.with_borrow_mut(|run| run.as_mut()?.result.take())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let before = self.before.take();
        // What the run holds is dropped after the borrow has ended.
        let _ended = RUN.with_borrow_mut(|run| std::mem::replace(run, before));
    }
}

fn with<T>(work: impl FnOnce(&mut Run) -> Fallible<T>) -> Result<T, Error> {
    // A value that is computed as it is read may ask while another question is answered; then it gets an error.
    let done = RUN.with(|place| match place.try_borrow_mut().as_deref_mut() {
        Ok(Some(run)) => work(run),
        _ => Err(end_without_run()),
    });
    done.map_err(end_with_fault)
}

/// The error that ends the template; the fault waits with the run.
pub(super) fn end_with_fault(fault: Box<Fault>) -> Error {
    end(End::Fault(fault))
}

/// The error that ends the template.
pub(super) fn end(why: End) -> Error {
    RUN.with(|place| {
        if let Ok(mut place) = place.try_borrow_mut()
            && let Some(run) = place.as_mut()
            && run.ended.is_none()
        {
            run.ended = Some(why);
        }
    });
    Error::from(ErrorKind::InvalidOperation)
}

impl Run {
    /// Counts bytes made; the clock is looked at when there are many.
    fn spend(&mut self, bytes: u64) -> Fallible<()> {
        self.spent = self.spent.saturating_add(bytes);
        let most = TIMES_OUTPUT * self.meter.limits().output as u64;
        if self.spent > most {
            let message = format!("the template makes more than {most} bytes of text in all");
            return Err(Fault::new(Code::Limit, message).help("a mapping file may set `output` under `[budget]`"));
        }
        self.meter.step(1)?;
        if bytes >= 4096 { self.meter.time() } else { Ok(()) }
    }
}

/// Counts bytes made.
pub(super) fn spend(bytes: u64) -> Result<(), Error> {
    with(|run| run.spend(bytes))
}

/// A turn of a loop, which writes so many bytes of raw text.
pub(super) fn turn(raw: u64) -> Result<(), Error> {
    with(|run| {
        run.spend(raw)?;
        run.calls += 1;
        // Turns may be long and have few steps.
        if run.calls.is_multiple_of(16) { run.meter.time() } else { Ok(()) }
    })
}

/// A fault for a text or list that is too long.
pub(super) fn fits(bytes: usize, items: usize) -> Result<(), Error> {
    with(|run| run.meter.text(bytes).and_then(|()| run.meter.list(items)))
}

/// Keeps the value of a `{{ … }}`.
pub(super) fn keep(value: &Jinja) {
    RUN.with_borrow_mut(|run| {
        if let Some(run) = run {
            run.result = Some(value.clone());
        }
    });
}

/// Ends the run when a value is too large, and gives back one without anything that is computed as it is read.
pub(super) fn bounded(value: Jinja) -> Result<Jinja, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool | ValueKind::Number => Ok(value),
        ValueKind::String => {
            let bytes = value.as_str().map_or(0, str::len);
            with(|run| run.meter.text(bytes).and_then(|()| run.spend(bytes as u64)))?;
            Ok(value)
        }
        _ => {
            let mut size = Size::new()?;
            let flat = flatten(&value, 0, &mut size)?;
            spend(size.bytes as u64 + size.items as u64 * ITEM)?;
            Ok(flat.unwrap_or(value))
        }
    }
}

struct Size {
    bytes: usize,
    items: usize,
    /// How deep values may nest: asked for once, as each item is held against it.
    depth: usize,
}

impl Size {
    fn new() -> Result<Self, Error> {
        let depth = with(|run| Ok(run.meter.limits().depth))?;
        Ok(Self { bytes: 0, items: 0, depth })
    }
}

/// Measures a value; gives one to take its place when something in it is computed as it is read.
fn flatten(value: &Jinja, depth: usize, size: &mut Size) -> Result<Option<Jinja>, Error> {
    if depth > size.depth {
        with(|run| run.meter.depth(depth))?;
    }
    size.items += 1;
    if size.items.is_multiple_of(256) {
        fits(size.bytes, size.items)?;
    }
    match value.kind() {
        ValueKind::String => size.bytes += value.as_str().map_or(0, str::len),
        ValueKind::Bytes => size.bytes += value.as_bytes().map_or(0, <[u8]>::len),
        kind @ (ValueKind::Seq | ValueKind::Iterable) => {
            // A list says how long it is before it is walked.
            fits(0, value.len().unwrap_or(0))?;
            let mut changed = kind == ValueKind::Iterable;
            if let Some(known) = value.downcast_object_ref::<Vec<Jinja>>()
                && known.iter().all(is_single)
            {
                return flatten_singles(known, depth, size);
            }
            let mut items = Vec::new();
            for item in value.try_iter()?.checked() {
                let item = item?;
                let flat = flatten(&item, depth + 1, size)?;
                changed |= flat.is_some();
                items.push(flat.unwrap_or(item));
            }
            fits(size.bytes, size.items.saturating_sub(1))?;
            return Ok(changed.then(|| Jinja::from(items)));
        }
        ValueKind::Map => {
            let mut changed = false;
            let mut fields = Vec::new();
            for key in value.try_iter()?.checked() {
                let key = key?;
                size.bytes += key.as_str().map_or(8, str::len);
                let field = value.get_item(&key)?;
                let flat = flatten(&field, depth + 1, size)?;
                changed |= flat.is_some();
                fields.push((key, flat.unwrap_or(field)));
            }
            fits(size.bytes, size.items.saturating_sub(1))?;
            return Ok(changed.then(|| Jinja::from_pairs(fields)));
        }
        _ => {}
    }
    if size.bytes > 1 << 16 {
        fits(size.bytes, 0)?;
    }
    Ok(None)
}

/// Whether a value is text, a number or nothing, of which none is computed as it is read.
fn is_single(value: &Jinja) -> bool {
    matches!(
        value.kind(),
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::String
    )
}

/// Measures a list of texts and numbers, what most lists are: it stays as it is and need not be copied.
fn flatten_singles(items: &[Jinja], depth: usize, size: &mut Size) -> Result<Option<Jinja>, Error> {
    for item in items {
        flatten(item, depth + 1, size)?;
    }
    fits(size.bytes, size.items.saturating_sub(1))?;
    Ok(None)
}

/// Whether a value is text, number or nothing, or a list of such.
pub(super) fn is_plain(value: &Jinja) -> bool {
    match value.kind() {
        ValueKind::Map | ValueKind::Plain | ValueKind::Invalid | ValueKind::Iterable => false,
        ValueKind::Seq => value.try_iter().is_ok_and(|mut items| items.all(|item| is_plain(&item))),
        _ => true,
    }
}

/// A value for a template.
pub(super) fn to_jinja(value: Value<'_>) -> Jinja {
    match value {
        Value::Absent | Value::Ignored(_) => Jinja::UNDEFINED,
        Value::Null => Jinja::from(()),
        Value::Bool(flag) => Jinja::from(flag),
        Value::Integer(number) => Jinja::from(number),
        Value::Decimal(number) => Jinja::from(number),
        Value::Text(text) => Jinja::from(text),
        Value::List(items) => Jinja::from(items.iter().map(|item| to_jinja(*item)).collect::<Vec<_>>()),
        Value::Object(fields) => {
            Jinja::from_pairs(fields.iter().map(|(key, value)| (Jinja::from(*key), to_jinja(*value))))
        }
    }
}

/// A value of a template, copied into the record's memory.
pub(super) fn from_jinja<'a>(value: &Jinja, arena: &'a Arena, meter: &Meter, depth: usize) -> Fallible<Value<'a>> {
    meter.depth(depth)?;
    Ok(match value.kind() {
        ValueKind::Undefined => Value::Absent,
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => match (value.is_integer(), value.as_i64()) {
            (true, Some(number)) => Value::Integer(number),
            // None is lost: whole numbers beyond 64 bits are their digits.
            (true, None) => Value::Text(arena.text(&value.to_string())),
            (false, _) => match f64::try_from(value.clone()) {
                Ok(number) if number.is_finite() => Value::Decimal(number),
                _ => return Err(Fault::new(Code::Conversion, format!("the value is not a number: {value}"))),
            },
        },
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            meter.text(text.len())?;
            Value::Text(arena.text(text))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            meter.list(value.len().unwrap_or(0))?;
            let mut list = arena.list(0);
            for item in value.try_iter().map_err(|_| no_value(value))? {
                meter.step(1)?;
                meter.list(list.len() + 1)?;
                list.push(absent_as_null(from_jinja(&item, arena, meter, depth + 1)?));
                if arena.size() > MAX_MEMORY {
                    return Err(Fault::new(Code::Limit, "the record's values take too much memory"));
                }
            }
            Value::List(list.into_bump_slice())
        }
        ValueKind::Map => {
            let mut fields = arena.list(0);
            for key in value.try_iter().map_err(|_| no_value(value))? {
                meter.step(1)?;
                meter.list(fields.len() + 1)?;
                let field = value.get_item(&key).map_err(|_| no_value(value))?;
                let name = key.as_str().map_or_else(|| arena.text(&key.to_string()), |key| arena.text(key));
                fields.push((name, absent_as_null(from_jinja(&field, arena, meter, depth + 1)?)));
                if arena.size() > MAX_MEMORY {
                    return Err(Fault::new(Code::Limit, "the record's values take too much memory"));
                }
            }
            Value::Object(fields.into_bump_slice())
        }
        _ => return Err(no_value(value)),
    })
}

fn absent_as_null(value: Value<'_>) -> Value<'_> {
    if matches!(value, Value::Absent) { Value::Null } else { value }
}

#[cold]
fn no_value(value: &Jinja) -> Box<Fault> {
    Fault::new(Code::Conversion, format!("a {} is no value that an attribute can have", value.kind()))
}

/// Calls a function of the table.
pub(super) fn call(spec: &'static Spec, arguments: &[Jinja]) -> Result<Jinja, Error> {
    let called = RUN.with_borrow_mut(|run| {
        let Some(run) = run else { return Err(end_without_run()) };
        run.calls += 1;
        let (Some(env), calls) = (&run.env, run.calls) else { return Err(end_without_run()) };
        ARENA.with_borrow_mut(|arena| {
            let done = {
                let context = Context::new(arena, env, calls);
                call_in(spec, &context, &run.meter, arguments)
            };
            arena.reset();
            done
        })
    });
    match called {
        Ok(Ok(value)) => {
            if let Some(text) = value.as_str() {
                fits(text.len(), 0)?;
                spend(text.len() as u64)?;
                Ok(value)
            } else {
                bounded(value)
            }
        }
        Ok(Err(ignored)) => Err(end(End::Ignored(ignored, None))),
        Err(fault) => Err(end_with_fault(fault)),
    }
}

#[cold]
fn end_without_run() -> Box<Fault> {
    Fault::new(Code::BadArgument, "no template runs that calls functions")
}

type Called = Result<Jinja, Ignore>;

fn call_in(spec: &'static Spec, context: &Context<'_>, meter: &Meter, arguments: &[Jinja]) -> Fallible<Called> {
    let mut values = Vec::with_capacity(arguments.len());
    for argument in arguments {
        if argument.is_kwargs() {
            let message = format!("{} takes no named arguments: `{}`", spec.name, spec.signature());
            return Err(Fault::new(Code::BadArgument, message));
        }
        // To write `none` is how an argument in the middle is left out.
        values.push(match from_jinja(argument, context.arena, meter, 0)? {
            Value::Null => Value::Absent,
            value => value,
        });
    }
    meter.step(1)?;
    let mut out = Value::Absent;
    function::call_by_value(spec, context, &values, &mut out)?;
    Ok(match out {
        Value::Ignored(ignored) => Err(ignored),
        // A function that has no value to give gives null, which is not a slip as an undefined variable is.
        Value::Absent => Ok(Jinja::from(())),
        other => Ok(to_jinja(other)),
    })
}
