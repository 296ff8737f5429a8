//! The names of a path, looked up as the tolerances allow: the one door through which filters, PATCH, sorting and
//! projections come to [`super::target::locate`].

use std::fmt;

use super::path::{Path, PathError, parse_path};
use super::peer::{Tolerance, Tolerances};
use super::schema::{Attribute, ResourceSchema};

/// Writes the URN that an attribute of an extension may lack.
pub(super) fn qualified(mut path: Path, resource: &ResourceSchema, tolerances: Tolerances) -> Path {
    if path.urn.is_none()
        && tolerances.has(Tolerance::BareExtension)
        && resource.attribute(&path.attribute).is_none()
        && !resource.core.open
        && let Some((schema, _)) = resource.extension_with(&path.attribute)
    {
        path.urn = Some(schema.id.to_string());
    }
    path
}

/// Reads a path and writes its URN.
pub(super) fn read(text: &str, resource: &ResourceSchema, tolerances: Tolerances) -> Result<Path, PathError> {
    let path = parse_path(text)?;
    check_dot(text, &path, tolerances)?;
    Ok(qualified(path, resource, tolerances))
}

/// Refuses the dot behind a URN when it is not tolerated; `text` is what the path was read from.
pub(super) fn check_dot(text: &str, path: &Path, tolerances: Tolerances) -> Result<(), PathError> {
    let behind = path.spans.urn.and_then(|urn| text.as_bytes().get(urn.range().end));
    if behind == Some(&b'.') && !tolerances.has(Tolerance::DotAfterUrn) {
        return Err(PathError::new(format!("`{path}` has a dot behind its URN"), path.spans.whole)
            .help("write a colon between the URN and the attribute"));
    }
    Ok(())
}

/// How an attribute is named from outside: with its URN, if it is not a core one.
pub(super) fn full_name(urn: Option<&str>, attribute: &Attribute) -> String {
    FullName(urn, attribute).to_string()
}

/// The same, put together when it is needed.
pub(super) struct FullName<'n>(pub(super) Option<&'n str>, pub(super) &'n Attribute);

impl fmt::Display for FullName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = self.0 {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.1.name)
    }
}
