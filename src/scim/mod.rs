//! The SCIM protocol alone, without a server: which attributes a resource has and how they are named.
//!
//! [`schema`] holds the tables of RFC 7643, [`path`] reads attribute paths and filters (RFC 7644), and [`target`]
//! joins the two: it says where in a payload a path writes, or why it cannot.

pub mod compare;
pub mod error;
pub mod etag;
pub mod filter;
pub mod list;
pub mod members;
pub mod patch;
pub mod path;
pub mod peer;
mod place;
pub mod plan;
pub mod project;
pub mod resource;
pub mod schema;
pub mod target;
mod values;

pub use path::{Filter, Path, PathError, parse_filter, parse_path};
pub use schema::{Attribute, AttributeType, ResourceSchema, Schema};
pub use target::{ConstValue, Step, Target, json_target, resolve};
