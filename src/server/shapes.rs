//! The shapes of answers that are made by hand, for the document of the API alone.
#![expect(dead_code, reason = "they are read by the macro that makes schemas, and never made")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// A refusal as problem details (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem, example = json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "there is no source \"acme\""}))]
pub(super) struct ProblemShape {
    /// Always `about:blank`: the status says what it is, and `detail` what to do.
    r#type: String,
    /// The status in words.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, where, and what to do.
    detail: String,
    /// The findings about a mapping.
    #[schema(nullable = false)]
    diagnostics: Option<Vec<Finding>>,
}

/// A finding about a mapping, with its place.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct Finding {
    /// Such as `E0301`.
    code: String,
    /// `error` or `warning`.
    severity: String,
    /// What is wrong.
    message: String,
    /// The file, or the name that stands for it.
    file: String,
    /// From 1.
    line: u64,
    /// From 1.
    column: u64,
    /// The last line.
    end_line: u64,
    /// Behind its last character.
    end_column: u64,
    /// First byte, and the one behind the last.
    span: [u64; 2],
    /// What is at the spot.
    label: String,
    /// What is to be known beside.
    notes: Vec<String>,
    /// What to do.
    help: Vec<String>,
}

/// Only what was done, or only what was refused.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// It was done.
    Success,
    /// It was refused.
    Failure,
}

/// What comes first.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum Order {
    /// The last line.
    Newest,
    /// The first line.
    Oldest,
}

/// A line of the provisioning log. Attributes are named, and their values are not in it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct LogLine {
    /// Rising.
    number: u64,
    /// RFC 3339.
    time: String,
    /// The source's slug.
    source: String,
    /// `create`, `replace`, `patch`, `delete`, `bulk`.
    operation: String,
    /// Whether it was a part of a bulk request.
    #[schema(nullable = false)]
    bulk: Option<bool>,
    /// The resource type.
    #[schema(nullable = false)]
    resource: Option<String>,
    /// The resource's id.
    #[schema(nullable = false)]
    id: Option<String>,
    /// `userName` or `displayName`.
    #[schema(nullable = false)]
    name: Option<String>,
    /// The attributes that changed.
    #[schema(nullable = false)]
    attributes: Option<Vec<String>>,
    /// Whether it was done.
    outcome: Outcome,
    /// Whether there was nothing to change.
    #[schema(nullable = false)]
    unchanged: Option<bool>,
    /// The HTTP status of the answer.
    status: u16,
    /// The reason of a refusal in one word.
    #[schema(nullable = false)]
    scim_type: Option<String>,
    /// The reason in a sentence.
    #[schema(nullable = false)]
    detail: Option<String>,
    /// The token's id.
    token: String,
    /// The token's label.
    label: String,
    /// The request's id.
    request: String,
    /// The mapping and its revision.
    #[schema(nullable = false)]
    mapping: Option<String>,
}

/// A page of the provisioning log.
#[derive(ToSchema)]
pub(super) struct LogPage {
    /// The lines.
    lines: Vec<LogLine>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// How a source fares.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Activity {
    /// The last write.
    last_request: Option<LogLine>,
    /// Writes of the last 24 hours, by outcome.
    last24_hours: BTreeMap<String, u64>,
    /// What is likely not as it was meant.
    #[schema(nullable = false)]
    hint: Option<String>,
}

/// The last request about a resource. What it was stands there when it changed nothing; the log tells the rest.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct LastRequestShape {
    /// RFC 3339.
    time: String,
    /// Whether it was done.
    outcome: Outcome,
    /// What it was.
    #[schema(nullable = false)]
    operation: Option<String>,
    /// The HTTP status of the answer.
    #[schema(nullable = false)]
    status: Option<u16>,
    /// The reason of a refusal.
    #[schema(nullable = false)]
    detail: Option<String>,
}

/// A provisioned user or group.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Provisioned {
    /// The id that the server gave it.
    id: String,
    /// `userName` of a user, `displayName` of a group.
    #[schema(nullable = false)]
    name: Option<String>,
    /// The client's id of it.
    #[schema(nullable = false)]
    external_id: Option<String>,
    /// Whether a user is active.
    #[schema(nullable = false)]
    active: Option<bool>,
    /// RFC 3339.
    created: String,
    /// RFC 3339.
    changed: String,
    /// How many members a group has.
    #[schema(nullable = false)]
    members: Option<u64>,
    /// The last request about it.
    last_request: LastRequestShape,
}

/// A page of users.
#[derive(ToSchema)]
pub(super) struct UserPage {
    /// The users.
    users: Vec<Provisioned>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// A page of groups.
#[derive(ToSchema)]
pub(super) struct GroupPage {
    /// The groups.
    groups: Vec<Provisioned>,
    /// The `cursor` of the next page; `null` on the last.
    next: Option<String>,
}

/// What the mapping made of a user or group.
#[derive(ToSchema)]
pub(super) struct ProfileAnswer {
    /// The id that was asked for.
    id: String,
    /// The resource type.
    kind: String,
    /// `mapping`, `revision`, and `value` or `skipped`; `null` when the source has no mapping for it.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    profile: Option<Value>,
}
