//! Named tolerances: every place where we take more than RFC 7643 and RFC 7644 have, in one table.
//!
//! Clients are not the RFC, Microsoft Entra least of all. What we take beyond it has a name here, says where it was seen, and
//! can be switched off by itself ([`Tolerances::without`]). The code asks for a tolerance by its name, so that a search for
//! the name finds what it changes. `docs/scim-tolerances.md` is this table; a test compares them, and each row has a case
//! in `tests/cases/scim/` that passes with the tolerance and fails without it.

/// One deviation that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Tolerance {
    /// `"op": "Replace"`.
    OperationCase,
    /// `"True"` for true.
    BooleanText,
    /// `"5"` for 5.
    NumberText,
    /// `""` for null.
    EmptyText,
    /// `{"name.givenName": "Ada"}`.
    PathAsKey,
    /// `"path": "manager"`.
    BareExtension,
    /// `…:2.0:User.department`.
    DotAfterUrn,
    /// `"path": "urn:…:User"`.
    UrnAsPath,
    /// `{"urn:…:core:2.0:User": {"userName": "ada"}}`.
    CoreUnderUrn,
    /// Add to `emails[type eq "work"].value` where there is none.
    ElementOnAdd,
    /// Replace of `emails[type eq "work"].value` where there is none.
    ElementOnReplace,
    /// Clearing or removing what is not there.
    RemoveOfNothing,
    /// `"manager": "id"`.
    BareValue,
    /// `"manager": [{"value": "id"}]`.
    ListForOne,
    /// `"emails": {"value": "a@b.c"}`.
    OneForList,
    /// `"op": "remove", "path": "members", "value": [{"value": "id"}]`.
    RemoveByValue,
    /// `{"op": "replace", "value": {"id": "its own", …}}`.
    OwnReadOnly,
    /// A required `$ref` that the server fills in.
    MissingReference,
    /// An attribute that the schema does not have, in POST and PUT.
    UnknownAttribute,
    /// A sub-attribute that the schema does not have, within a value.
    UnknownSubAttribute,
    /// A URN in `schemas` that the resource type does not have.
    UnknownUrn,
    /// Microsoft's own URN for groups.
    AdscimGroup,
    /// `externalId eq jyoung`.
    UnquotedFilterValue,
    /// `attributes=emails[type eq "work"]`, and names that are unknown there.
    LooseProjection,
    /// A member of a group that is no resource.
    UnknownMember,
    /// 204 for a PATCH of a group in Entra's dialect.
    SilentGroup,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Which.
    pub tolerance: Tolerance,
    /// Its name, in configuration and documentation.
    pub name: &'static str,
    /// What we do.
    pub what: &'static str,
    /// Who sends it, or who says so.
    pub source: &'static str,
}

const fn row(tolerance: Tolerance, name: &'static str, what: &'static str, source: &'static str) -> Row {
    Row { tolerance, name, what, source }
}

/// Every tolerance, in the order of the enum.
pub const TABLE: &[Row] = &[
    row(
        Tolerance::OperationCase,
        "operation-case",
        "The `op` of a PATCH operation is read in any letter case.",
        "Entra without `aadOptscim062020` sends `Add`, `Replace`, `Remove`",
    ),
    row(
        Tolerance::BooleanText,
        "boolean-text",
        "The texts `True` and `False`, in any letter case, are booleans where the schema wants one, in values and in filters; they are stored as booleans.",
        "Entra: `\"value\": \"False\"` for `active`, `roles[primary eq \"True\"]`",
    ),
    row(
        Tolerance::NumberText,
        "number-text",
        "A text that is a JSON number is one where the schema wants one.",
        "Entra sends most values as text",
    ),
    row(
        Tolerance::EmptyText,
        "empty-text",
        "An empty text is no value, as null is: it clears on PATCH and is not stored on POST and PUT. `{\"value\": \"\"}` is no value either.",
        "Entra clears with `\"\"` (`manager`, and the null test of the gallery validation)",
    ),
    row(
        Tolerance::PathAsKey,
        "path-as-key",
        "A key of a PATCH value without a path, or of a resource, may be a path: `name.givenName`, `urn:…:User:department`.",
        "Entra with `aadOptscim062020`: all simple changes in one operation",
    ),
    row(
        Tolerance::BareExtension,
        "bare-extension",
        "An attribute of an extension needs no URN where no core attribute has its name.",
        "Entra's documentation: `\"path\": \"manager\"`, `filter=manager eq \"…\"`",
    ),
    row(
        Tolerance::DotAfterUrn,
        "dot-after-urn",
        "A dot may stand between URN and attribute.",
        "Entra jobs of before December 2018; Entra reading from SCIM: `…:2.0:User.manager`",
    ),
    row(
        Tolerance::UrnAsPath,
        "urn-as-path",
        "The path of a PATCH operation may be the URN of a schema: its value is an object of attributes of that schema, and a removal removes them all.",
        "Clients that follow the way extensions stand in a resource",
    ),
    row(
        Tolerance::CoreUnderUrn,
        "core-under-urn",
        "Core attributes may stand in an object under the URN of their schema; they are stored at the top.",
        "scimverify",
    ),
    row(
        Tolerance::ElementOnAdd,
        "element-on-add",
        "`add` with a value path that matches nothing makes an element of what the filter says, joined by `and`.",
        "Entra, SCIM Validator: `emails[type eq \"work\"].value` for a user without e-mail address",
    ),
    row(
        Tolerance::ElementOnReplace,
        "element-on-replace",
        "`replace` with a value path that matches nothing makes the element where the dialect is Entra's: `Replace` with a capital, or a sub-attribute of the element with a canonical `type` or with `primary eq true`. Otherwise it is `noTarget`, as the RFC has it.",
        "Entra, with and without `aadOptscim062020`",
    ),
    row(
        Tolerance::RemoveOfNothing,
        "remove-of-nothing",
        "To clear or remove a sub-attribute of elements that are not there changes nothing and succeeds.",
        "Null test of the gallery validation; retries",
    ),
    row(
        Tolerance::BareValue,
        "bare-value",
        "A text or number stands for the complex value that has it as `value`.",
        "Entra: `manager` is sent as the bare id; Microsoft's Postman collection: a member",
    ),
    row(
        Tolerance::ListForOne,
        "list-for-one",
        "A list of one stands for the one where the attribute holds one; an empty list is no value.",
        "Entra's documentation: `manager` as an array",
    ),
    row(
        Tolerance::OneForList,
        "one-for-list",
        "One value stands for a list of it.",
        "Entra, Okta: one member, one role",
    ),
    row(
        Tolerance::RemoveByValue,
        "remove-by-value",
        "A removal with a list in `value` removes these elements and no others. One that lists nobody is refused; it never means all.",
        "Entra without `aadOptscim062020` removes members so",
    ),
    row(
        Tolerance::OwnReadOnly,
        "own-read-only",
        "A PATCH value without a path may repeat what the resource has in a read-only attribute; `schemas` and `meta` are skipped there.",
        "Okta sends the `id` of a group it renames",
    ),
    row(
        Tolerance::MissingReference,
        "missing-reference",
        "A sub-attribute of type reference is not asked for, though RFC 7643, section 8.7.1, calls `manager.$ref` required: the server knows it.",
        "Entra sends only `manager.value`",
    ),
    row(
        Tolerance::UnknownAttribute,
        "unknown-attribute",
        "Attributes that no schema of the resource has are left out on POST and PUT, and reported to the caller. In a PATCH they are refused: an operation that was not applied is never a success.",
        "Entra's documentation: core-level `department`, undeclared custom extensions",
    ),
    row(
        Tolerance::UnknownSubAttribute,
        "unknown-sub-attribute",
        "Sub-attributes that the schema does not have are left out of values, and reported to the caller.",
        "Microsoft's Postman collection: `displayName` of a member",
    ),
    row(
        Tolerance::UnknownUrn,
        "unknown-urn",
        "`schemas` may list URNs that the resource type does not have, if it lists the core one.",
        "Entra's documentation: `…:enterprise:2.0User`",
    ),
    row(
        Tolerance::AdscimGroup,
        "adscim-group",
        "`http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group` in `schemas` stands for the core URN of groups.",
        "Entra; alone in jobs of before December 2018",
    ),
    row(
        Tolerance::UnquotedFilterValue,
        "unquoted-filter-value",
        "A value in a filter needs no quotes, or single ones.",
        "Entra's documentation: `externalId eq jyoung`; Microsoft's Postman collection",
    ),
    row(
        Tolerance::LooseProjection,
        "loose-projection",
        "In `attributes` and `excludedAttributes`, brackets are skipped and names that are unknown choose nothing.",
        "Microsoft's Postman collection: `attributes=emails[type eq \"work\"]`",
    ),
    row(
        Tolerance::UnknownMember,
        "unknown-member",
        "A member of a group may be an id that no resource has: it is kept and shown as `value` alone, without `$ref` and `type`, found by filters, and removed as any other. Without the tolerance it is `invalidValue`.",
        "scim-sanity; Microsoft's Postman collection; Entra's documentation, which shows members before their users",
    ),
    row(
        Tolerance::SilentGroup,
        "silent-group",
        "A PATCH of a group is answered 204 without a body when it is in Entra's dialect: an `op` with a capital, or the query parameter `aadOptscim062020`. Others get 200 and the group, unless it has over 100 members.",
        "Entra's documentation: \"204 for groups\", whose members nobody wants back",
    ),
];

/// Microsoft's own URN for groups.
pub(super) const ADSCIM_GROUP: &str = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";

/// The tolerances that are on. All of them, unless somebody said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tolerances(u32);

impl Default for Tolerances {
    fn default() -> Self {
        Self::ALL
    }
}

impl Tolerances {
    /// Every one.
    pub const ALL: Self = Self(u32::MAX);
    /// The RFC to the letter.
    pub const NONE: Self = Self(0);

    /// Whether it is on.
    pub fn has(self, tolerance: Tolerance) -> bool {
        self.0 & (1 << tolerance as u8) != 0
    }

    /// The same with it on.
    #[must_use]
    pub fn with(self, tolerance: Tolerance) -> Self {
        Self(self.0 | 1 << tolerance as u8)
    }

    /// The same with it off.
    #[must_use]
    pub fn without(self, tolerance: Tolerance) -> Self {
        Self(self.0 & !(1 << tolerance as u8))
    }
}

impl Tolerance {
    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.tolerance)
    }
}

/// The table as the page `docs/scim-tolerances.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# What we take beyond the SCIM RFCs\n\n\
         RFC 7643 and RFC 7644 are what the server implements. Where clients differ, it takes what is in this table, and \
         nothing else.\nThe table is made from `src/scim/peer.rs`, and a test compares them. Each row has a case in \
         `tests/cases/scim/` that\npasses with the tolerance and fails without it.\n\n\
         | name | what we do | seen in |\n|---|---|---|\n",
    );
    let cell = |text: &str| text.replace('|', "\\|");
    let rows = TABLE.iter().map(|row| format!("| `{}` | {} | {} |\n", row.name, cell(row.what), cell(row.source)));
    page.extend(rows);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_fits_the_bits() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.tolerance as usize, at, "{}", row.name);
            assert_eq!(Tolerance::named(row.name), Some(row.tolerance));
        }
        assert!(TABLE.len() <= 32);
    }

    #[test]
    fn one_is_switched_off_by_itself() {
        let some = Tolerances::ALL.without(Tolerance::BooleanText);
        assert!(!some.has(Tolerance::BooleanText) && some.has(Tolerance::NumberText));
        assert_eq!(some.with(Tolerance::BooleanText), Tolerances::ALL);
        assert!(TABLE.iter().all(|row| !Tolerances::NONE.has(row.tolerance)));
    }
}
