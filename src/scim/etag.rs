//! Versions of resources: weak entity tags and the two headers that compare them (RFC 7644, section 3.14, RFC 9110,
//! sections 8.8.3 and 13.1).

use std::fmt::Write as _;

/// A weak entity tag, as `meta.version` and the `ETag` header have it.
pub fn weak(version: impl std::fmt::Display) -> String {
    // Room for any number, so that the text does not grow.
    let mut tag = String::with_capacity(24);
    // Writing to a String does not fail.
    let _ = write!(tag, "W/\"{version}\"");
    tag
}

/// What an `If-Match` or `If-None-Match` header lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// `*`: any version that exists.
    Any,
    /// These, without `W/` and quotes.
    These(Vec<String>),
}

impl Tags {
    /// Reads the header. `None` when it is not one; a tag without quotes, which clients send, is taken as it is.
    pub fn parse(header: &str) -> Option<Self> {
        let header = header.trim();
        if header == "*" {
            return Some(Self::Any);
        }
        let (mut tags, mut rest) = (Vec::new(), header);
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let tag = rest.strip_prefix("W/").or_else(|| rest.strip_prefix("w/")).unwrap_or(rest);
            let (opaque, behind) = match tag.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => tag.split_at_checked(tag.find(',').unwrap_or(tag.len()))?,
            };
            let behind = behind.trim_start();
            if !(behind.is_empty() || behind.starts_with(',')) {
                return None;
            }
            tags.push(opaque.trim().to_owned());
            rest = behind;
        }
        (!tags.is_empty()).then_some(Self::These(tags))
    }

    /// Whether one of them is this version; `current` is as in `meta.version`, or `None` when there is no resource.
    ///
    /// The comparison is the weak one: SCIM's versions are weak and still guard writes (RFC 7644, section 3.14).
    pub fn matches(&self, current: Option<&str>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::These(tags), Some(current)) => tags.iter().any(|tag| tag == opaque(current)),
        }
    }
}

/// The version in a tag.
pub fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    let tag = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")).unwrap_or(tag);
    tag.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_compare_weakly() {
        let current = weak(3);
        for (header, holds) in [
            ("W/\"3\"", true),
            ("\"3\"", true),
            ("3", true),
            ("*", true),
            ("\"1\", W/\"3\"", true),
            ("\"1\",,\"2\"", false),
            ("\"a,3\"", false),
        ] {
            assert_eq!(Tags::parse(header).unwrap().matches(Some(&current)), holds, "{header}");
        }
        for header in ["", ",", "\"3", "\"3\"x"] {
            assert_eq!(Tags::parse(header), None, "{header}");
        }
        assert!(!Tags::Any.matches(None));
        assert_eq!(opaque("W/\"3\""), "3");
    }
}
