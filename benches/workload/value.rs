//! The floor over `serde_json::Value` (see `json` for which): what a programmer writes who takes JSON as it comes and gives JSON.
//!
//! Straightforward: values are looked up by name, results are owned strings in new maps, the patterns are regexes
//! compiled once.

use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::json::{Json, Object};
use super::{CORE, ENTERPRISE, TAKEN, spelled};

static NOT_ALPHANUMERIC: LazyLock<Regex> = LazyLock::new(|| Regex::new("[^A-Za-z0-9]").expect("a regex"));
static NOT_DIALLED: LazyLock<Regex> = LazyLock::new(|| Regex::new("[^0-9+]").expect("a regex"));
static SMTP: LazyLock<Regex> = LazyLock::new(|| Regex::new("(?i)^smtp:").expect("a regex"));

/// JSONL to JSONL.
pub(crate) fn jsonl(input: &[u8], out: &mut Vec<u8>) {
    for line in super::lines(input) {
        let user: Json = serde_json::from_str(line).expect("a record");
        serde_json::to_writer(&mut *out, &map(&user)).expect("a Vec takes everything");
        out.push(b'\n');
    }
}

/// The payload for a new user.
pub(crate) fn map(user: &Json) -> Json {
    let (given, surname) = (text(user, "givenName"), text(user, "surname"));
    let formatted = join(&[given, surname]);

    let mut payload = Object::new();
    payload.insert("schemas".to_owned(), Json::Array(vec![CORE.into(), ENTERPRISE.into()]));
    put(&mut payload, "externalId", text(user, "objectId"));
    put(&mut payload, "userName", text(user, "userPrincipalName").to_lowercase());
    if let Some(deleted) = user.get("IsSoftDeleted").and_then(Json::as_bool) {
        payload.insert("active".to_owned(), Json::Bool(!deleted));
    }
    put(&mut payload, "displayName", first_of(&[text(user, "displayName"), &formatted]));
    put(&mut payload, "nickName", nick_name(user, given, surname, normalize_diacritics));
    put(&mut payload, "title", text(user, "jobTitle"));
    put(&mut payload, "preferredLanguage", text(user, "preferredLanguage"));

    let mut name = Object::new();
    put(&mut name, "givenName", given);
    put(&mut name, "familyName", surname);
    put(&mut name, "formatted", formatted);
    if !name.is_empty() {
        payload.insert("name".to_owned(), Json::Object(name));
    }

    let mut emails = Vec::new();
    let work = first_of(&[text(user, "mail"), text(user, "userPrincipalName")]);
    if !work.is_empty() {
        emails.push(Json::from([("value", work.into()), ("type", "work".into()), ("primary", Json::Bool(true))]));
    }
    let second = user.get("proxyAddresses").and_then(|list| list.at(1)).and_then(Json::as_str).unwrap_or_default();
    let other = SMTP.replace(second, "");
    if !other.is_empty() {
        emails.push(Json::from([("value", Json::from(&*other)), ("type", "other".into())]));
    }
    if !emails.is_empty() {
        payload.insert("emails".to_owned(), Json::Array(emails));
    }

    let mut phones = Vec::new();
    let work = NOT_DIALLED.replace_all(text(user, "telephoneNumber"), "");
    if !work.is_empty() {
        phones.push(Json::from([("value", Json::from(&*work)), ("type", "work".into())]));
    }
    let mobile = text(user, "mobile");
    if !mobile.is_empty() {
        phones.push(Json::from([("value", mobile.into()), ("type", "mobile".into())]));
    }
    if !phones.is_empty() {
        payload.insert("phoneNumbers".to_owned(), Json::Array(phones));
    }

    let mut address = Object::new();
    put(&mut address, "streetAddress", text(user, "streetAddress"));
    put(&mut address, "locality", text(user, "city"));
    put(&mut address, "region", text(user, "state"));
    put(&mut address, "postalCode", text(user, "postalCode"));
    put(&mut address, "country", text(user, "country"));
    if !address.is_empty() {
        put(&mut address, "type", "work");
        payload.insert("addresses".to_owned(), Json::Array(vec![Json::Object(address)]));
    }

    let mut enterprise = Object::new();
    put(&mut enterprise, "employeeNumber", text(user, "employeeId"));
    put(&mut enterprise, "department", text(user, "department"));
    match text(user, "companyName") {
        "" => put(&mut enterprise, "organization", format!("Contoso {}", text(user, "country"))),
        company => put(&mut enterprise, "organization", company),
    }
    put(&mut enterprise, "costCenter", text(user, "extensionAttribute1").chars().skip(3).take(5).collect::<String>());
    let manager = text(user, "manager");
    if !manager.is_empty() {
        enterprise.insert("manager".to_owned(), Json::from([("value", manager.into())]));
    }
    payload.insert(ENTERPRISE.to_owned(), Json::Object(enterprise));
    Json::Object(payload)
}

/// Absent, null and empty are the same.
fn text<'u>(user: &'u Json, name: &str) -> &'u str {
    user.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn put(object: &mut Object, name: &str, value: impl Into<String>) {
    let value = value.into();
    if !value.is_empty() {
        object.insert(name.to_owned(), Json::String(value));
    }
}

fn first_of<'u>(candidates: &[&'u str]) -> &'u str {
    candidates.iter().find(|candidate| !candidate.is_empty()).copied().unwrap_or_default()
}

fn join(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

/// The first nickname that is free: a letter of the given name and the surname, two letters, the mail nickname.
fn nick_name(user: &Json, given: &str, surname: &str, normalize: impl Fn(&str) -> String) -> String {
    let free = |name: &str| !name.is_empty() && !TAKEN.contains(&name);
    for letters in [1, 2] {
        let whole: String = given.chars().take(letters).chain(surname.chars()).collect();
        let alias = NOT_ALPHANUMERIC.replace_all(&normalize(&whole), "").to_lowercase();
        if free(&alias) {
            return alias;
        }
    }
    let last = text(user, "mailNickname");
    if free(last) { last.to_owned() } else { String::new() }
}

/// Whether the nickname would be another one if `NormalizeDiacritics` were that of the workload's `ref.py`: letters without
/// their marks, and no more.
pub(crate) fn is_spelled_out(user: &Json) -> bool {
    let (given, surname) = (text(user, "givenName"), text(user, "surname"));
    let drop_marks = |text: &str| text.nfd().filter(|letter| !is_combining_mark(*letter)).collect();
    nick_name(user, given, surname, normalize_diacritics) != nick_name(user, given, surname, drop_marks)
}

/// `NormalizeDiacritics` as Microsoft documents it: letters without their marks, and eight letters spelled out.
pub(crate) fn normalize_diacritics(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.nfd().filter(|letter| !is_combining_mark(*letter)) {
        match spelled(letter) {
            Some(letters) => plain.push_str(letters),
            None => plain.push(letter),
        }
    }
    plain
}
