//! Known services: what of them their own description does not say, as data in `profiles.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::text::did_you_mean;

/// The profiles, as they are shipped.
const PROFILES: &str = include_str!("profiles.toml");

/// What is known of a service. What is absent is found out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// The page that says so.
    source: String,
    /// The path of the service's description.
    #[serde(default)]
    pub(super) config: Option<String>,
    /// Whether it has PATCH.
    #[serde(default)]
    pub(super) patch: Option<bool>,
    /// Whether it has bulk requests.
    #[serde(default)]
    pub(super) bulk: Option<bool>,
    /// Whether it filters.
    #[serde(default)]
    pub(super) filter: Option<bool>,
    /// The only attributes that filters may name.
    #[serde(default)]
    pub(super) filters: Option<Vec<String>>,
    /// The most objects of a page.
    #[serde(default)]
    pub(super) page: Option<usize>,
    /// Whether lists go on by cursor.
    #[serde(default)]
    pub(super) cursor: Option<bool>,
    /// The most members of one request.
    #[serde(default)]
    pub(super) members: Option<usize>,
    /// Whether a group that is read has its members.
    #[serde(default)]
    pub(super) shows_members: Option<bool>,
    /// How members leave.
    #[serde(default)]
    pub(super) remove: Option<Removal>,
    /// How many calls at once.
    #[serde(default)]
    pub(super) concurrent: Option<usize>,
}

/// How a PATCH says that a member leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Removal {
    /// `members[value eq "…"]`, an operation each (RFC 7644, 3.5.2.2).
    #[default]
    Filter,
    /// `members`, with their ids as the value, as Microsoft Entra writes it.
    Value,
}

/// The profile of this name; without a name the one that knows nothing.
///
/// # Errors
/// There is none of this name.
pub(super) fn named(name: Option<&str>) -> Result<Profile, String> {
    let profiles: BTreeMap<String, Profile> =
        toml::from_str(PROFILES).map_err(|error| format!("the target profiles cannot be read: {error}"))?;
    let name = name.unwrap_or("default");
    profiles.get(name).cloned().ok_or_else(|| {
        let known = profiles.keys().map(String::as_str);
        let hint = did_you_mean(name, known.clone()).map(|hint| format!("{hint}; ")).unwrap_or_default();
        format!("no target profile {name:?}: {hint}there are {}", known.collect::<Vec<_>>().join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_profiles_are_read_and_a_wrong_name_is_told() {
        for name in ["default", "aws", "slack", "salesforce", "github", "atlassian"] {
            assert!(named(Some(name)).unwrap().source.starts_with("https://"), "{name}");
        }
        assert!(named(Some("atlasian")).unwrap_err().contains("atlassian"));
    }
}
