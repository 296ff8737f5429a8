//! What a SCIM service says when it refuses: status, `scimType`, and a sentence (RFC 7644, section 3.12).

use std::fmt;

use serde_json::{Value, json};

use super::path::PathError;

/// The URN of the error message (RFC 7644, section 3.12).
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The reason in one word (RFC 7644, Table 9; the last three are of RFC 9865, section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScimType {
    /// The filter cannot be read, or compares what does not compare.
    InvalidFilter,
    /// The filter gives more results than the server returns.
    TooMany,
    /// A value is taken already.
    Uniqueness,
    /// The attribute may not be written, or not any more.
    Mutability,
    /// The body is not JSON, or not the message it should be.
    InvalidSyntax,
    /// The path cannot be read, or names what is not there.
    InvalidPath,
    /// The path chose nothing to operate on.
    NoTarget,
    /// A value is missing or of the wrong type.
    InvalidValue,
    /// The protocol version is not supported.
    InvalidVers,
    /// The request has in its URI what must not be there.
    Sensitive,
    /// The cursor is not one of ours, or belongs to another query.
    InvalidCursor,
    /// The cursor was good once.
    ExpiredCursor,
    /// The count is not a number, or not the cursor's.
    InvalidCount,
}

impl ScimType {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

/// A refusal (RFC 7644, section 3.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimError {
    /// The HTTP status.
    pub status: u16,
    /// The reason in one word, where the RFC has one.
    pub scim_type: Option<ScimType>,
    /// What is wrong and, if possible, what to send instead.
    pub detail: String,
    /// After how many seconds to come again, where that helps.
    pub retry_after: Option<u32>,
}

/// `constructor => status, type`, each with its sentence as the only argument.
macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $status:literal, $type:ident;)*) => {
        impl ScimError {
            $(
                $(#[$doc])*
                pub fn $name(detail: impl Into<String>) -> Self {
                    Self { status: $status, scim_type: Some(ScimType::$type), detail: detail.into(), retry_after: None }
                }
            )*
        }
    };
}

constructors! {
    /// 400: the filter cannot be read, or compares what does not compare.
    invalid_filter => 400, InvalidFilter;
    /// 400: more results than the server returns.
    too_many => 400, TooMany;
    /// 409: a value is taken already.
    uniqueness => 409, Uniqueness;
    /// 400: the attribute may not be written, or not any more.
    mutability => 400, Mutability;
    /// 400: the body is not JSON, or not the message it should be.
    invalid_syntax => 400, InvalidSyntax;
    /// 400: the path cannot be read, or names what is not there.
    invalid_path => 400, InvalidPath;
    /// 400: the path chose nothing to operate on.
    no_target => 400, NoTarget;
    /// 400: a value is missing or of the wrong type.
    invalid_value => 400, InvalidValue;
    /// 400: the protocol version is not supported.
    invalid_version => 400, InvalidVers;
    /// 403: the request has in its URI what must not be there.
    sensitive => 403, Sensitive;
    /// 400: the cursor is not one of ours, or belongs to another query.
    invalid_cursor => 400, InvalidCursor;
    /// 400: the cursor was good once.
    expired_cursor => 400, ExpiredCursor;
    /// 400: the count is not a number, or not the cursor's.
    invalid_count => 400, InvalidCount;
}

impl ScimError {
    /// A refusal that has a status and no word of its own: 401, 403, 405, 429, 500, 501, 503.
    pub fn status(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into(), retry_after: None }
    }

    /// 404: there is no such resource, or no such endpoint.
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::status(404, format!("{what} not found"))
    }

    /// 409 without a word: the request and the state of the resource exclude each other.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::status(409, detail)
    }

    /// 412: the resource changed since the client read it (RFC 7644, section 3.14).
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::status(412, detail)
    }

    /// 413: the request is larger than the server takes (RFC 7644, section 3.7.4).
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::status(413, detail)
    }

    /// A path that cannot be read or that names what is not there.
    pub(super) fn from_path(error: &PathError) -> Self {
        Self::invalid_path(in_words(error))
    }

    /// The same in a filter.
    pub(super) fn from_filter(error: &PathError) -> Self {
        Self::invalid_filter(in_words(error))
    }

    /// The body of the answer. `status` is a text there (RFC 7644, section 3.12).
    pub fn to_json(&self) -> Value {
        let mut body = json!({ "schemas": [ERROR], "status": self.status.to_string() });
        if let Some(fields) = body.as_object_mut() {
            if let Some(scim_type) = self.scim_type {
                fields.insert("scimType".into(), scim_type.as_str().into());
            }
            fields.insert("detail".into(), self.detail.as_str().into());
        }
        body
    }
}

/// The message and its advice. What tells the author of a mapping file where to declare things does not help a client.
fn in_words(error: &PathError) -> String {
    match error.help.as_deref().filter(|help| !help.contains("[extensions.")) {
        Some(help) => format!("{}: {help}", error.message),
        None => error.message.clone(),
    }
}

impl fmt::Display for ScimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(scim_type) = self.scim_type {
            write!(f, " {}", scim_type.as_str())?;
        }
        write!(f, ": {}", self.detail)
    }
}

impl std::error::Error for ScimError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_the_rfcs() {
        let body = ScimError::uniqueness("userName is taken").to_json();
        assert_eq!(
            body.to_string(),
            format!(r#"{{"schemas":["{ERROR}"],"status":"409","scimType":"uniqueness","detail":"userName is taken"}}"#)
        );
        assert!(ScimError::not_found("User 1").to_json().get("scimType").is_none());
    }
}
