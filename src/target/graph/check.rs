//! Whether the tenant lets us do what a sync is to do: tenant and application by a token, permissions by the token's `roles`, the
//! verified domains, and a read of each kind with the attributes that its mapping writes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::super::check::{Checked, Need};
use super::super::{Kind, Object, TargetError};
use super::GraphTarget;
use super::query::{collection, selected};

/// Where permissions are given.
const GIVE: &str = "Entra admin center, App registrations, the application, API permissions: add the Microsoft Graph *application* permission";
/// What is said of a permission when the token cannot be read.
const OPAQUE: &str = "the token does not show its roles; the first write tells";

/// A permission that is needed, what it is for, and the wider ones that hold it.
struct Right {
    name: &'static str,
    purpose: &'static str,
    wider: &'static [&'static str],
}

/// The rights that needs come to.
fn rights(needs: &[Need]) -> Vec<Right> {
    const ALL: &str = "Directory.ReadWrite.All";
    let mut rights = Vec::new();
    for need in needs {
        rights.push(match (need.kind, need.writes, need.members) {
            (Kind::User, true, _) => {
                Right { name: "User.ReadWrite.All", purpose: "users, and their managers", wider: &[ALL] }
            }
            (Kind::User, false, _) => Right {
                name: "User.Read.All",
                purpose: "users",
                wider: &["User.ReadWrite.All", "Directory.Read.All", ALL],
            },
            (Kind::Group, true, _) => {
                Right { name: "Group.ReadWrite.All", purpose: "groups and members", wider: &[ALL] }
            }
            (Kind::Group, false, true) => {
                Right { name: "GroupMember.ReadWrite.All", purpose: "members", wider: &["Group.ReadWrite.All", ALL] }
            }
            (Kind::Group, false, false) => {
                let wider = &["GroupMember.Read.All", "Group.ReadWrite.All", "Directory.Read.All", ALL];
                Right { name: "Group.Read.All", purpose: "groups", wider }
            }
        });
    }
    let wider = &["Organization.ReadWrite.All", "Directory.Read.All", ALL];
    rights.push(Right { name: "Organization.Read.All", purpose: "the verified domains", wider });
    rights
}

/// The claims of a token, when it is a JWT. They are read and not trusted: who gave the token is known.
fn claims(token: &str) -> Option<Object> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?).ok()
}

/// Which of tenant, application and secret a refused sign-in is about, and what is to be done.
fn refusal(error: &TargetError) -> Checked {
    let said = error.to_string();
    let has = |codes: &[&str]| codes.iter().any(|code| said.contains(code));
    let (what, fix) = if has(&["AADSTS90002", "AADSTS900023", "AADSTS900021", "AADSTS50059"]) {
        ("tenant", "`tenant` is the directory's id or one of its domains: Entra admin center, Overview")
    } else if has(&["AADSTS700016", "AADSTS7000229", "AADSTS90013", "AADSTS900381"]) {
        ("application", "`client_id` is the *application (client) id* of an app registration in this tenant")
    } else if has(&["AADSTS7000222"]) {
        (
            "secret",
            "the secret has run out: make a new one under Certificates & secrets, and put it where `client_secret` points",
        )
    } else if has(&["AADSTS7000215", "AADSTS7000216", "invalid_client"]) {
        (
            "secret",
            "`client_secret` points to the secret's *value*, not its id; for a certificate, upload it under Certificates & secrets",
        )
    } else {
        ("sign-in", "see what the token endpoint says: tenant, client_id, client_secret or certificate, cloud")
    };
    Checked::failed(what, error, fix)
}

/// Whether the token's roles hold the rights that are needed.
fn permissions(needs: &[Need], claims: Option<&Object>) -> Vec<Checked> {
    let Some(claims) = claims else {
        return rights(needs).iter().map(|right| Checked::unknown(right.name, OPAQUE)).collect();
    };
    // A token without roles was given to an application without permissions.
    let roles = claims.get("roles").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let has = |name: &&&str| roles.iter().any(|role| role.as_str() == Some(**name));
    let one = |right: Right| match std::iter::once(&right.name).chain(right.wider).find(has) {
        Some(held) if *held == right.name => Checked::found(right.name, format!("for {}", right.purpose)),
        Some(held) => Checked::found(right.name, format!("for {}; held by {held}", right.purpose)),
        None => Checked::missing(
            right.name,
            format!("the token has no such role; it is for {}", right.purpose),
            format!("{GIVE} {}, then Grant admin consent; a token that is given afterwards has it", right.name),
        ),
    };
    rights(needs).into_iter().map(one).collect()
}

impl GraphTarget {
    /// See [`Target::check`](super::super::Target::check).
    pub(super) async fn checked(&self, needs: &[Need]) -> Vec<Checked> {
        let token = match self.caller.token().await {
            Ok(token) => token,
            Err(error) => return vec![refusal(&error)],
        };
        let mut checks = vec![
            Checked::found("tenant", format!("{} gives tokens", self.tenant)),
            Checked::found("application", "its credentials are accepted"),
        ];
        let claims = token.as_ref().and_then(|token| claims(&token.0));
        checks.extend(permissions(needs, claims.as_ref()));
        checks.push(self.check_domains().await);
        checks.extend(self.check_group_domain());
        for need in needs {
            checks.push(self.check_read(need).await);
        }
        checks
    }

    async fn check_domains(&self) -> Checked {
        let what = "verified domains";
        match self.read_domains().await {
            Ok(domains) if domains.is_empty() => {
                Checked::missing(what, "the tenant names none", "verify a domain: Entra admin center, Domain names")
            }
            Ok(domains) => Checked::found(what, domains.join(", ")),
            Err(error) => Checked::failed(what, &error, &format!("{GIVE} Organization.Read.All, and grant consent")),
        }
    }

    /// Whether groups' addresses are of a domain of the tenant.
    fn check_group_domain(&self) -> Option<Checked> {
        let (domain, domains) = (self.domain.as_deref()?, self.domains());
        let what = "group_email_domain";
        if domains.is_empty() {
            return Some(Checked::unknown(what, "the verified domains are not known"));
        }
        Some(if domains.iter().any(|one| one.eq_ignore_ascii_case(domain)) {
            Checked::found(what, format!("{domain} is verified"))
        } else {
            let fix =
                format!("set it to one of {}, or verify it: Entra admin center, Domain names", domains.join(", "));
            Checked::missing(what, format!("{domain} is not a verified domain of the tenant"), fix)
        })
    }

    /// One object with the attributes that the mapping writes: a name that Graph does not know is told here.
    async fn check_read(&self, need: &Need) -> Checked {
        let kind = collection(need.kind);
        let what = format!("reading {kind}");
        let mut names = selected(&need.paths);
        names.retain(|name| name != "manager");
        names.insert(0, "id".to_owned());
        let url = self.url(&format!("/{kind}?$select={}&$top=1", names.join(",")));
        let right = super::right(need.kind);
        let read = match url {
            Ok(url) => self.read(url, &[], kind, right).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(_) => Checked::found(what, format!("with {}", names.join(", "))),
            Err(error @ TargetError::Rejected { .. }) => Checked::failed(
                &what,
                &error,
                "mend the target of the mapping that Graph names: it has no such attribute",
            ),
            Err(error) => Checked::failed(&what, &error, &format!("{GIVE} {right}, and grant consent")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refused_sign_in_is_told_by_its_code() {
        for (said, what) in [
            ("invalid_request: AADSTS90002: Tenant 'nowhere' not found.", "tenant"),
            ("unauthorized_client: AADSTS700016: Application with identifier 'x' was not found", "application"),
            ("invalid_client: AADSTS7000222: The provided client secret keys are expired.", "secret"),
            ("invalid_client: AADSTS7000215: Invalid client secret provided.", "secret"),
            ("something else", "sign-in"),
        ] {
            let checked = refusal(&TargetError::Denied { what: said.to_owned() });
            assert_eq!(checked.what, what, "{said}");
            assert!(checked.fix.is_some());
        }
        assert!(refusal(&TargetError::Weather { what: "down".to_owned(), wait: None }).fix.is_none());
    }

    #[test]
    fn claims_of_a_token() {
        let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(json!({"roles": ["A"]}).to_string()));
        assert_eq!(claims(&token).unwrap().get("roles"), Some(&json!(["A"])));
        assert_eq!(claims("opaque"), None);
        assert_eq!(claims("a.%%.c"), None);
    }
}
