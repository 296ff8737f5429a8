//! Payloads made into what Graph takes: the defaults of new users and groups, differences as the body of a PATCH.
//!
//! A new user without a password gets one: 24 characters of four classes, to be changed at the first sign-in. It goes to
//! Graph and nowhere else; nobody is told it. Who needs it sets another, or maps `passwordProfile.password`.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::{Difference, Kind, Object, TargetError};
use super::query::{is_list, top};
use crate::dotnet::diacritics::strip_diacritics;

/// The most characters of a `mailNickname`.
const NICKNAME: usize = 64;
/// How many characters a generated password has.
const PASSWORD: usize = 24;
/// The classes of its characters, without those that are read for one another.
const CLASSES: [&[u8]; 4] = [b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"abcdefghijkmnpqrstuvwxyz", b"23456789", b"!#%+-=?@_"];
/// What a preview shows in place of a password.
const UNSHOWN: &str = "[not shown]";

/// What becomes of a user's manager, which is a reference and no attribute.
#[derive(Default)]
pub(super) enum Manager {
    /// Nothing.
    #[default]
    Stays,
    /// It is the user with this id.
    Is(String),
    /// There is none any more.
    Goes,
}

/// What a write sends: the body, the manager, and what no error may repeat.
#[derive(Default)]
pub(super) struct Body {
    /// The attributes.
    pub(super) attributes: Object,
    /// The manager.
    pub(super) manager: Manager,
    /// The password.
    pub(super) secret: Option<String>,
}

fn rejected(what: String) -> TargetError {
    TargetError::Rejected { status: 400, what }
}

/// The id in a reference: text, or an object with `id` or `value`.
fn reference(value: &Value) -> Option<String> {
    let id = value.as_str().or_else(|| value.get("id")?.as_str()).or_else(|| value.get("value")?.as_str());
    id.filter(|id| !id.is_empty()).map(str::to_owned)
}

/// The body that makes an object. `domain`: that of groups' addresses.
pub(super) fn create(kind: Kind, payload: Object, domain: Option<&str>) -> Result<Body, TargetError> {
    let mut body = Body::default();
    for (name, value) in payload {
        let nothing = value.is_null() || value.as_str() == Some("");
        match name.as_str() {
            "manager" => body.manager = reference(&value).map_or(Manager::Stays, Manager::Is),
            // `schemas` is SCIM's, which a mapping for SCIM writes by itself.
            "id" | "members" | "schemas" => {}
            _ if nothing => {}
            _ => {
                body.attributes.insert(name, value);
            }
        }
    }
    match kind {
        Kind::User => user(&mut body)?,
        Kind::Group => group(&mut body.attributes, domain)?,
    }
    Ok(body)
}

/// What a new user needs and the payload lacks.
fn user(body: &mut Body) -> Result<(), TargetError> {
    let attributes = &mut body.attributes;
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).unwrap_or_default();
    let local = |name: &str| text(name).split('@').next().unwrap_or_default().to_owned();
    let name = [local("userPrincipalName"), local("mail"), text("displayName").to_owned()];
    let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    attributes.entry("accountEnabled").or_insert(Value::Bool(true));
    attributes.entry("mailNickname").or_insert_with(|| nickname(Kind::User, &name).into());
    let profile = attributes.entry("passwordProfile").or_insert_with(|| json!({}));
    let Some(profile) = profile.as_object_mut() else {
        return Err(rejected("passwordProfile is no object; map passwordProfile.password".to_owned()));
    };
    let given = profile.get("password").and_then(Value::as_str).filter(|password| !password.is_empty());
    let secret = match given {
        Some(given) => given.to_owned(),
        None => password()?,
    };
    profile.insert("password".to_owned(), secret.clone().into());
    profile.entry("forceChangePasswordNextSignIn").or_insert(Value::Bool(true));
    body.secret = Some(secret);
    Ok(())
}

/// What a new group needs and the payload lacks: it is a security group, unless `groupTypes` says `Unified`.
///
/// Graph makes a group's `mail` of its `mailNickname` and the tenant's domain, and takes none. A mapped one therefore gives
/// the nickname, and must be of the configured domain.
fn group(attributes: &mut Object, domain: Option<&str>) -> Result<(), TargetError> {
    let types = attributes.get("groupTypes").and_then(Value::as_array);
    let unified = types.is_some_and(|types| types.iter().any(|one| one == "Unified"));
    let mail = attributes.shift_remove("mail");
    let address = mail.as_ref().and_then(Value::as_str).and_then(|mail| mail.rsplit_once('@'));
    if let (Some((_, of)), Some(domain)) = (address, domain)
        && !of.eq_ignore_ascii_case(domain)
    {
        return Err(rejected(format!("the group's address is of {of}, and group_email_domain is {domain}")));
    }
    let name = attributes.get("displayName").and_then(Value::as_str).unwrap_or_default();
    let name = address.map_or(name, |(local, _)| local).to_owned();
    attributes.entry("mailEnabled").or_insert(Value::Bool(unified));
    attributes.entry("securityEnabled").or_insert(Value::Bool(!unified));
    attributes.entry("mailNickname").or_insert_with(|| nickname(Kind::Group, &name).into());
    Ok(())
}

/// The body that changes an object. Empty text clears, as null does: Graph refuses `""`.
///
/// Left out: the id, members, a group's `mail`, which Graph makes itself, and passwords, which are those of new users.
pub(super) fn update(kind: Kind, changes: &[Difference]) -> Result<Body, TargetError> {
    let mut body = Body::default();
    for change in changes {
        let name = top(&change.path);
        let read_only = matches!(name, "id" | "members" | "passwordProfile") || kind == Kind::Group && name == "mail";
        if name == "manager" {
            body.manager = reference(&change.new).map_or(Manager::Goes, Manager::Is);
        } else if change.path.contains(['[', '/', ':']) {
            let what = format!("Microsoft Graph has no attribute {:?}; write a name, or names with dots", change.path);
            return Err(rejected(what));
        } else if !read_only {
            let new = match &change.new {
                Value::Null if is_list(name) => json!([]),
                Value::String(text) if text.is_empty() => Value::Null,
                new => new.clone(),
            };
            place(&mut body.attributes, &change.path, new);
        }
    }
    Ok(body)
}

/// Puts a value at a path of names with dots.
fn place(object: &mut Object, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), value);
        }
        Some((name, rest)) => {
            let inner = object.entry(name).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            if let Some(inner) = inner.as_object_mut() {
                place(inner, rest, value);
            }
        }
    }
}

/// The body as it is shown: without the password.
pub(super) fn shown(attributes: &Object) -> Value {
    let mut shown = Value::Object(attributes.clone());
    if let Some(password) = shown.pointer_mut("/passwordProfile/password") {
        *password = UNSHOWN.into();
    }
    shown
}

/// A `mailNickname` out of a name: ASCII letters, digits and `.-_`, at most 64. A name without any of these gives one that
/// is its own.
fn nickname(kind: Kind, name: &str) -> String {
    let mut plain = String::new();
    // Writing to text cannot fail.
    let _ = strip_diacritics(name, &mut plain);
    let mut made = String::new();
    for letter in plain.chars() {
        let kept = letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        if kept {
            made.push(letter.to_ascii_lowercase());
        } else if !made.is_empty() && !made.ends_with('-') {
            made.push('-');
        }
    }
    made.truncate(NICKNAME);
    let made = made.trim_matches(['-', '.']);
    if made.is_empty() {
        let mut own = kind.word().to_lowercase();
        for byte in Sha256::digest(name).iter().take(6) {
            let _ = write!(own, "{byte:02x}");
        }
        own
    } else {
        made.to_owned()
    }
}

/// A password that nobody knows.
fn password() -> Result<String, TargetError> {
    let mut dice = Dice::new();
    let all = CLASSES.concat();
    let mut letters = Vec::with_capacity(PASSWORD);
    for class in CLASSES {
        letters.push(dice.one_of(class)?);
    }
    while letters.len() < PASSWORD {
        letters.push(dice.one_of(&all)?);
    }
    // Which class stands where is to be as unknown as the rest.
    for last in (1..letters.len()).rev() {
        letters.swap(last, dice.below(last + 1)?);
    }
    Ok(letters.into_iter().map(char::from).collect())
}

/// Random numbers out of bytes that the machine gives many at a time: asked for each, it takes longer than all else of a user.
struct Dice {
    bytes: [u8; 128],
    /// How many of them are used.
    used: usize,
}

impl Dice {
    fn new() -> Self {
        let bytes = [0; 128];
        Self { used: bytes.len(), bytes }
    }

    fn byte(&mut self) -> Result<u8, TargetError> {
        if self.used >= self.bytes.len() {
            let what = "this machine has no randomness for a password".to_owned();
            getrandom::fill(&mut self.bytes).map_err(|_| TargetError::Protocol { what })?;
            self.used = 0;
        }
        self.used += 1;
        Ok(self.bytes.get(self.used - 1).copied().unwrap_or_default())
    }

    fn one_of(&mut self, letters: &[u8]) -> Result<u8, TargetError> {
        Ok(letters.get(self.below(letters.len())?).copied().unwrap_or(b'-'))
    }

    /// A random number below this one, which is at most 256, all of them alike.
    fn below(&mut self, bound: usize) -> Result<usize, TargetError> {
        let fair = 256 - 256 % bound;
        loop {
            let number = usize::from(self.byte()?);
            if number < fair {
                return Ok(number % bound);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn passwords_have_four_classes_and_are_new_each_time() {
        let made: BTreeSet<String> = (0..200).map(|_| password().unwrap()).collect();
        assert_eq!(made.len(), 200);
        for password in made {
            assert_eq!(password.len(), PASSWORD);
            for class in CLASSES {
                assert!(password.bytes().any(|letter| class.contains(&letter)));
            }
        }
    }

    #[test]
    fn nicknames() {
        let long = "x".repeat(80);
        for (name, expected) in [
            ("Ada Lovelace", "ada-lovelace"),
            ("Zoë (R&D)", "zoe-r-d"),
            ("ann.o'neil_1", "ann.o-neil_1"),
            ("--a--", "a"),
            (&long, &"x".repeat(64)),
        ] {
            assert_eq!(nickname(Kind::User, name), expected);
        }
        let own = nickname(Kind::Group, "日本");
        assert!(own.starts_with("group") && own.len() == 17 && own != nickname(Kind::Group, "中国"), "{own}");
    }
}
