//! [`SourceNames`]: which attributes a program may read, so that a typo is found before a run drops an attribute.

use std::collections::BTreeSet;

use crate::text::{Code, Diagnostic, Span, closest, shorten};

/// The attributes of Microsoft Entra's user object that provisioning offers as sources, `IsSoftDeleted` among them.
const ENTRA_USER: &[&str] = &[
    "accountEnabled",
    "ageGroup",
    "alternativeSecurityIds",
    "appRoleAssignments",
    "assignedPlans",
    "businessPhones",
    "city",
    "companyName",
    "consentProvidedForMinor",
    "country",
    "createdDateTime",
    "creationType",
    "department",
    "displayName",
    "division",
    "employeeHireDate",
    "employeeId",
    "employeeLeaveDateTime",
    "employeeOrgData",
    "employeeType",
    "facsimileTelephoneNumber",
    "faxNumber",
    "givenName",
    "imAddresses",
    "immutableId",
    "IsSoftDeleted",
    "jobTitle",
    "legalAgeGroupClassification",
    "mail",
    "mailNickname",
    "manager",
    "mobile",
    "mobilePhone",
    "netbiosName",
    "objectId",
    "officeLocation",
    "onPremisesDistinguishedName",
    "onPremisesImmutableId",
    "onPremisesSamAccountName",
    "onPremisesSecurityIdentifier",
    "onPremisesUserPrincipalName",
    "originalUserPrincipalName",
    "otherMails",
    "passwordProfile.password",
    "physicalDeliveryOfficeName",
    "postalCode",
    "preferredLanguage",
    "preferredName",
    "proxyAddresses",
    "showInAddressList",
    "sipProxyAddress",
    "state",
    "streetAddress",
    "surname",
    "telephoneNumber",
    "usageLocation",
    "userPrincipalName",
    "userType",
    "costCenter",
    "onPremisesDomainName",
    "onPremisesSyncEnabled",
];

/// The attributes of Microsoft Entra's group object.
const ENTRA_GROUP: &[&str] = &[
    "cloudAnchor",
    "createdDateTime",
    "description",
    "displayName",
    "groupTypes",
    "IsSoftDeleted",
    "mail",
    "mailEnabled",
    "mailNickname",
    "members",
    "objectId",
    "onPremisesSamAccountName",
    "onPremisesSecurityIdentifier",
    "owners",
    "proxyAddresses",
    "securityEnabled",
    "visibility",
    "appRoleAssignments",
];

/// Attributes whose value is a boolean, with the text `True` or `False`.
const BOOLEANS: &[&str] = &[
    "IsSoftDeleted",
    "accountEnabled",
    "mailEnabled",
    "securityEnabled",
    "showInAddressList",
    "onPremisesSyncEnabled",
];

/// What is known of an attribute's name.
enum Verdict {
    /// Nothing against it.
    Fine,
    /// Not declared; the declared name nearest to it.
    Undeclared(Option<String>),
    /// Nothing is declared, but it looks like a slip for this attribute of Entra.
    Suspicious(&'static str),
}

/// The attributes that records have.
#[derive(Debug, Clone, Default)]
pub struct SourceNames {
    declared: Option<BTreeSet<String>>,
    entra: bool,
    /// Whether parts of attributes are declared too.
    parts: bool,
}

impl SourceNames {
    /// Nothing is declared: any name may be read.
    pub fn open() -> Self {
        Self::default()
    }

    /// Entra's attributes for a `User` or `Group`, and more.
    pub fn entra(resource: &str, more: impl IntoIterator<Item = String>) -> Self {
        let known = if resource == "Group" { ENTRA_GROUP } else { ENTRA_USER };
        let declared = known.iter().map(|name| (*name).to_owned()).chain(more).collect();
        Self { declared: Some(declared), entra: true, parts: false }
    }

    /// Exactly these.
    pub fn only(names: impl IntoIterator<Item = String>) -> Self {
        Self { declared: Some(names.into_iter().collect()), entra: false, parts: false }
    }

    /// Exactly these, where `name.givenName` is a name too, and `emails[type eq "work"].value` is `emails.value`.
    pub fn below(names: impl IntoIterator<Item = String>) -> Self {
        Self { parts: true, ..Self::only(names) }
    }

    /// What is to be said of a name. Letter case counts, as in Entra.
    fn judge(&self, name: &str) -> Verdict {
        match &self.declared {
            Some(declared) if self.parts => {
                let plain = without_brackets(name);
                if declared.contains(&plain) {
                    return Verdict::Fine;
                }
                // A slip in a part is mended by hand: what stands in brackets would be lost.
                let near = closest(&plain, declared.iter().map(String::as_str)).filter(|_| plain == name);
                Verdict::Undeclared(near.map(str::to_owned))
            }
            Some(declared) => {
                // `[name.givenName]` is declared by its first part too.
                let root = name.split(['.', '[']).next().unwrap_or(name);
                let urn = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
                let below_declared = urn && declared.iter().any(|known| name.starts_with(known.as_str()));
                if declared.contains(name)
                    || (!urn && declared.contains(root))
                    || below_declared
                    || self.entra && is_extension(name)
                {
                    Verdict::Fine
                } else {
                    Verdict::Undeclared(closest(name, declared.iter().map(String::as_str)).map(str::to_owned))
                }
            }
            None => {
                let known = || ENTRA_USER.iter().chain(ENTRA_GROUP);
                if known().any(|known| *known == name) {
                    return Verdict::Fine;
                }
                // Short names are near to everything; a slip shows in long ones.
                let near = closest(name, known().copied().filter(|known| known.len() > 4));
                let slip = near.filter(|known| {
                    known.eq_ignore_ascii_case(name)
                        || name.len() > 5
                            && strsim::osa_distance(known, name) <= 2
                            && known.chars().next() == name.chars().next()
                });
                slip.map_or(Verdict::Fine, Verdict::Suspicious)
            }
        }
    }

    /// What is to be said of a name that stands at `span`; a fix puts `around` on both sides of the right one.
    pub fn finding(&self, name: &str, span: Span, around: &str) -> Option<Diagnostic> {
        let fix = |finding: Diagnostic, near: &str| {
            finding.fix(span, format!("{around}{near}{around}"), format!("did you mean `{near}`?"))
        };
        match self.judge(name) {
            Verdict::Fine => None,
            Verdict::Undeclared(near) => {
                let finding = Diagnostic::new(
                    Code::UnknownAttribute,
                    format!("the source has no attribute `{}`", shorten(name)),
                    span,
                );
                Some(match near {
                    Some(near) => fix(finding, &near),
                    None => finding.help("declare it under `[source]`: `attributes = [\"…\"]`"),
                })
            }
            Verdict::Suspicious(near) => {
                let message = format!("`{name}` looks like a slip for Entra's attribute `{near}`");
                let finding = Diagnostic::new(Code::SuspiciousAttribute, message, span)
                    .help("if it is right, declare it under `[source]`: `attributes = [\"…\"]`");
                Some(fix(finding, near))
            }
        }
    }

    /// Whether the attribute is known to be a boolean.
    pub fn is_boolean(name: &str) -> bool {
        BOOLEANS.contains(&name)
    }
}

/// A path without what stands in its brackets.
fn without_brackets(name: &str) -> String {
    let (mut plain, mut depth) = (String::with_capacity(name.len()), 0_usize);
    for letter in name.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    plain
}

/// `extensionAttribute7`, `extension_<appId>_<name>`, and custom security attributes (`set.attribute`).
fn is_extension(name: &str) -> bool {
    if let Some(number) = name.strip_prefix("extensionAttribute") {
        return number.parse::<u8>().is_ok_and(|number| (1..=15).contains(&number));
    }
    name.strip_prefix("extension_").is_some_and(|rest| rest.contains('_'))
        || name.starts_with("customSecurityAttributes.")
}
