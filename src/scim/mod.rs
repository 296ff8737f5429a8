//! The SCIM protocol alone, without a server and without storage: RFC 7643, RFC 7644 and RFC 9865 as functions of JSON.
//!
//! - [`schema`]: the attributes of users, groups and types of one's own; [`discovery`] tells clients of them
//! - [`path`] reads paths and filters; [`target`] says where a path writes in a payload
//! - [`filter`]: a filter that is asked about resources; [`plan`] says what of it an index can answer
//! - [`resource`]: bodies of POST and PUT, [`quick`]: the same for most of POST, and of members in PATCH; [`patch`]: PATCH, and [`members`] of groups, which are kept elsewhere
//! - [`project`], [`list`]: what an answer has of a resource, and of many; [`verbatim`]: the same for most, without reading them
//! - [`bulk`], [`etag`], [`error`]: what their names say
//! - [`peer`]: every place where we take more than the RFCs have, by name
//!
//! Resources are JSON objects whose names are spelled as the schema spells them; [`resource`] and [`patch`] see to it.

pub mod bulk;
pub mod compare;
pub mod discovery;
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
pub mod quick;
pub mod resource;
pub mod schema;
mod sieve;
pub mod target;
mod values;
pub mod verbatim;

pub use error::{ScimError, ScimType};
pub use filter::Matcher;
pub use members::{Member, MemberChange, MemberOp};
pub use patch::{Patch, PatchOutcome};
pub use path::{Filter, Path, PathError, parse_filter, parse_path};
pub use peer::{Tolerance, Tolerances};
pub use schema::{Attribute, AttributeType, ResourceSchema, Schema};
pub use target::{ConstValue, Step, Target, json_target, resolve};
