//! The floor over typed structs: what a programmer writes who knows the attributes beforehand and wants speed.
//!
//! Strings are borrowed from the line (copied only where it has escapes), the payload borrows from the user, and memory is
//! taken only for the four texts that are new: user name, joined name, nickname, telephone number.
#![allow(clippy::struct_field_names, reason = "the fields are called as in the JSON")]
#![allow(
    clippy::ref_option,
    reason = "`text(&user.mail)` reads better at its twenty calls than `text(user.mail.as_ref())`"
)]

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};
use unicode_normalization::char::decompose_canonical;

use super::{CORE, ENTERPRISE, TAKEN, spelled};

/// A text of the line. (An `Option<Cow<str>>` would always be a copy.)
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The attributes that the workload reads.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(crate) struct User<'a> {
    #[serde(borrow)]
    object_id: Option<Text<'a>>,
    user_principal_name: Option<Text<'a>>,
    mail: Option<Text<'a>>,
    mail_nickname: Option<Text<'a>>,
    display_name: Option<Text<'a>>,
    given_name: Option<Text<'a>>,
    surname: Option<Text<'a>>,
    job_title: Option<Text<'a>>,
    department: Option<Text<'a>>,
    company_name: Option<Text<'a>>,
    employee_id: Option<Text<'a>>,
    telephone_number: Option<Text<'a>>,
    mobile: Option<Text<'a>>,
    street_address: Option<Text<'a>>,
    city: Option<Text<'a>>,
    state: Option<Text<'a>>,
    postal_code: Option<Text<'a>>,
    country: Option<Text<'a>>,
    preferred_language: Option<Text<'a>>,
    #[serde(rename = "IsSoftDeleted")]
    is_soft_deleted: Option<bool>,
    proxy_addresses: Option<Vec<Text<'a>>>,
    #[serde(rename = "extensionAttribute1")]
    extension_attribute_1: Option<Text<'a>>,
    manager: Option<Text<'a>>,
}

/// A SCIM user.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payload<'u> {
    schemas: [&'static str; 2],
    #[serde(skip_serializing_if = "str::is_empty")]
    external_id: &'u str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_name: Cow<'u, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    #[serde(skip_serializing_if = "str::is_empty")]
    display_name: Cow<'u, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    nick_name: Cow<'u, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'u str,
    #[serde(skip_serializing_if = "str::is_empty")]
    preferred_language: &'u str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Name<'u>>,
    #[serde(skip_serializing_if = "Few::is_empty")]
    emails: Few<Element<'u>>,
    #[serde(skip_serializing_if = "Few::is_empty")]
    phone_numbers: Few<Element<'u>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<[Address<'u>; 1]>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    enterprise: Enterprise<'u>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Name<'u> {
    #[serde(skip_serializing_if = "str::is_empty")]
    given_name: &'u str,
    #[serde(skip_serializing_if = "str::is_empty")]
    family_name: &'u str,
    formatted: Cow<'u, str>,
}

#[derive(Serialize)]
struct Element<'u> {
    value: Cow<'u, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    primary: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Address<'u> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    street_address: &'u str,
    #[serde(skip_serializing_if = "str::is_empty")]
    locality: &'u str,
    #[serde(skip_serializing_if = "str::is_empty")]
    region: &'u str,
    #[serde(skip_serializing_if = "str::is_empty")]
    postal_code: &'u str,
    #[serde(skip_serializing_if = "str::is_empty")]
    country: &'u str,
}

/// Never empty: `organization` always has a value.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Enterprise<'u> {
    #[serde(skip_serializing_if = "str::is_empty")]
    employee_number: &'u str,
    #[serde(skip_serializing_if = "str::is_empty")]
    department: &'u str,
    organization: Cow<'u, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    cost_center: &'u str,
    #[serde(skip_serializing_if = "Option::is_none")]
    manager: Option<Manager<'u>>,
}

#[derive(Serialize)]
struct Manager<'u> {
    value: &'u str,
}

/// A list of at most two, without memory of its own.
struct Few<T>([Option<T>; 2]);

impl<T> Few<T> {
    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

impl<T: Serialize> Serialize for Few<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().flatten())
    }
}

/// Absent, null and empty are the same.
fn text<'u>(field: &'u Option<Text<'_>>) -> &'u str {
    field.as_ref().map_or("", |text| &*text.0)
}

/// JSONL to JSONL.
pub(crate) fn jsonl(input: &[u8], out: &mut Vec<u8>) {
    for line in super::lines(input) {
        let user: User<'_> = serde_json::from_str(line).expect("a record");
        serde_json::to_writer(&mut *out, &map(&user)).expect("a Vec takes everything");
        out.push(b'\n');
    }
}

/// The payload for a new user.
pub(crate) fn map<'u>(user: &'u User<'_>) -> Payload<'u> {
    let (given, surname) = (text(&user.given_name), text(&user.surname));
    let formatted = join(given, surname);
    let mail = text(&user.mail);
    let login = text(&user.user_principal_name);
    let proxies = user.proxy_addresses.as_deref().unwrap_or_default();
    let address = Address {
        kind: "work",
        street_address: text(&user.street_address),
        locality: text(&user.city),
        region: text(&user.state),
        postal_code: text(&user.postal_code),
        country: text(&user.country),
    };
    let has_address =
        [address.street_address, address.locality, address.region, address.postal_code, address.country] != [""; 5];
    let company = text(&user.company_name);
    let manager = text(&user.manager);
    Payload {
        schemas: [CORE, ENTERPRISE],
        external_id: text(&user.object_id),
        user_name: lower(login),
        active: user.is_soft_deleted.map(|deleted| !deleted),
        display_name: match text(&user.display_name) {
            "" => formatted.clone(),
            name => Cow::Borrowed(name),
        },
        nick_name: nick_name(given, surname, text(&user.mail_nickname)),
        title: text(&user.job_title),
        preferred_language: text(&user.preferred_language),
        name: (!formatted.is_empty()).then_some(Name { given_name: given, family_name: surname, formatted }),
        emails: Few([
            element("work", true, if mail.is_empty() { login.into() } else { mail.into() }),
            element("other", false, proxies.get(1).map_or("", |proxy| without_smtp(&proxy.0)).into()),
        ]),
        phone_numbers: Few([
            element("work", false, digits(text(&user.telephone_number)).into()),
            element("mobile", false, text(&user.mobile).into()),
        ]),
        addresses: has_address.then_some([address]),
        enterprise: Enterprise {
            employee_number: text(&user.employee_id),
            department: text(&user.department),
            organization: match company {
                "" => Cow::Owned(["Contoso ", text(&user.country)].concat()),
                company => Cow::Borrowed(company),
            },
            cost_center: middle(text(&user.extension_attribute_1), 3, 5),
            manager: (!manager.is_empty()).then_some(Manager { value: manager }),
        },
    }
}

fn element<'u>(kind: &'static str, primary: bool, value: Cow<'u, str>) -> Option<Element<'u>> {
    (!value.is_empty()).then_some(Element { value, kind, primary })
}

fn join<'u>(first: &'u str, second: &'u str) -> Cow<'u, str> {
    match (first, second) {
        ("", other) | (other, "") => Cow::Borrowed(other),
        _ => Cow::Owned([first, " ", second].concat()),
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        Cow::Owned(text.to_lowercase())
    } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// The first nickname that is free: a letter of the given name and the surname, two letters, the mail nickname.
fn nick_name<'u>(given: &str, surname: &str, mail_nickname: &'u str) -> Cow<'u, str> {
    let free = |name: &str| !name.is_empty() && !TAKEN.contains(&name);
    for letters in [1, 2] {
        let alias = alias(left(given, letters), surname);
        if free(&alias) {
            return Cow::Owned(alias);
        }
    }
    Cow::Borrowed(if free(mail_nickname) { mail_nickname } else { "" })
}

/// Both texts without diacritics, in small letters, and of them only letters and digits of ASCII.
fn alias(first: &str, second: &str) -> String {
    let mut alias = String::with_capacity(first.len() + second.len());
    let mut push = |character: char| {
        if character.is_ascii_alphanumeric() {
            alias.push(character.to_ascii_lowercase());
        }
    };
    for character in first.chars().chain(second.chars()) {
        if character.is_ascii() {
            push(character);
        } else if let Some(letters) = spelled(character) {
            letters.chars().for_each(&mut push);
        } else {
            // A letter may decompose to one that is spelled out: ǿ is ø and an accent.
            decompose_canonical(character, |part| match spelled(part) {
                Some(letters) => letters.chars().for_each(&mut push),
                None => push(part),
            });
        }
    }
    alias
}

fn without_smtp(address: &str) -> &str {
    match address.split_at_checked(5) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("smtp:") => rest,
        _ => address,
    }
}

fn digits(number: &str) -> String {
    let mut digits = String::with_capacity(number.len());
    digits.extend(number.chars().filter(|character| character.is_ascii_digit() || *character == '+'));
    digits
}

/// The first characters.
fn left(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

/// `count` characters after the first `skipped`.
fn middle(text: &str, skipped: usize, count: usize) -> &str {
    text.char_indices().nth(skipped).map_or("", |(start, _)| left(&text[start..], count))
}
