//! Errors outside of SCIM: problem details (RFC 9457).

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::registry::RegistryError;
use crate::directory::LibraryError;
use crate::directory::token::Refusal;
use crate::scim::error::ScimError;
use crate::store::StoreError;
use crate::text::Diagnostics;

/// A refusal as problem details.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) detail: String,
    /// Whether the client is to be told how to prove who it is.
    challenge: bool,
    /// The findings about a mapping.
    diagnostics: Option<Value>,
}

/// How many errors there are, in a sentence.
fn counted(errors: usize) -> String {
    format!("the mapping does not compile: {errors} error{}", if errors == 1 { "" } else { "s" })
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), challenge: false, diagnostics: None }
    }

    /// One whose status is a number that another part gives.
    pub(super) fn of_status(status: u16, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), detail)
    }

    /// A mapping that does not compile, with all findings.
    pub(super) fn uncompiled(found: &Diagnostics) -> Self {
        Self {
            diagnostics: Some(super::mappings::findings(found)),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, counted(found.errors()))
        }
    }

    /// The same words with another status.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

/// The body of a request, or what is wrong with it.
pub(super) fn read<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    body.map(|Json(body)| body).map_err(|error| Problem::new(error.status(), error.body_text()))
}

impl From<ScimError> for Problem {
    fn from(error: ScimError) -> Self {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, error.detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        RegistryError::Store(error).into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self { challenge: true, ..Self::new(StatusCode::UNAUTHORIZED, refusal.words()) }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let status = match &error {
            RegistryError::Exists(_) | RegistryError::Held(_) => StatusCode::CONFLICT,
            RegistryError::Missing(_) => StatusCode::NOT_FOUND,
            RegistryError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            RegistryError::Store(StoreError::Busy | StoreError::Full) => StatusCode::SERVICE_UNAVAILABLE,
            RegistryError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<LibraryError> for Problem {
    fn from(error: LibraryError) -> Self {
        let text = error.to_string();
        match error {
            LibraryError::Findings(found) => Self {
                diagnostics: Some(super::mappings::findings(&found)),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, text)
            },
            LibraryError::Name { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, text),
            LibraryError::Changed { .. } => Self::new(StatusCode::PRECONDITION_FAILED, text),
            LibraryError::Store(error) => RegistryError::Store(error).into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("error");
        let mut body =
            json!({"type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail});
        if let (Some(fields), Some(found)) = (body.as_object_mut(), self.diagnostics) {
            fields.insert("diagnostics".into(), found);
        }
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response();
        if self.challenge {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"provisor\""));
        }
        response
    }
}
