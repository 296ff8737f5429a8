//! What a configuration says of a target. Secrets are never in it: it names the environment variable or file that has them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where a sync writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum TargetSettings {
    /// A SCIM 2.0 service.
    Scim(ScimSettings),
    /// Microsoft Graph.
    Graph(GraphSettings),
    /// A file of operations, a JSON object a line.
    File {
        /// Where; operations are appended.
        path: PathBuf,
    },
}

/// A SCIM 2.0 service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScimSettings {
    /// Its base, such as `https://app.example/scim/v2`; a query in it (`?aadOptscim062020`) is kept.
    pub url: String,
    /// Its bearer token.
    #[serde(default)]
    pub token: Option<Secret>,
    /// OAuth client credentials instead of a token.
    #[serde(default)]
    pub oauth: Option<ClientCredentials>,
    /// A known service whose ways differ: `aws`, `slack`, `salesforce`, `github`…; found in the target profiles.
    #[serde(default)]
    pub profile: Option<String>,
    /// Seconds until a call is given up.
    #[serde(default = "timeout")]
    pub timeout: u64,
}

/// Microsoft Graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphSettings {
    /// The tenant's id or a domain of it.
    pub tenant: String,
    /// The application's (client) id.
    pub client_id: String,
    /// The client secret…
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// …or a PEM file with certificate and private key.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// `global` (when left out), `usgov`, `usgov-dod`, `china`.
    #[serde(default)]
    pub cloud: Option<String>,
    /// Another Graph than the cloud's, for tests: the base up to and with `/v1.0`.
    #[serde(default)]
    pub url: Option<String>,
    /// Another token endpoint than the cloud's, for tests.
    #[serde(default)]
    pub login_url: Option<String>,
    /// The e-mail domain of groups that are made with mail: `name@domain`.
    #[serde(default)]
    pub group_email_domain: Option<String>,
    /// Seconds until a call is given up.
    #[serde(default = "timeout")]
    pub timeout: u64,
}

/// OAuth 2.0 client credentials (RFC 6749, section 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub token_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// The scope to ask for.
    #[serde(default)]
    pub scope: Option<String>,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file, without the line end.
    File(PathBuf),
}

fn timeout() -> u64 {
    30
}

impl Secret {
    /// Reads it. The error names the variable or file and never what is in it.
    ///
    /// # Errors
    /// It is not there, or empty.
    pub fn read(&self, beside: &Path) -> Result<String, String> {
        let (text, place) = match self {
            Self::Env(name) => {
                (std::env::var(name).map_err(|_| "is not set".to_owned()), format!("the variable {name}"))
            }
            Self::File(path) => {
                let path = beside.join(path);
                (std::fs::read_to_string(&path).map_err(|error| error.to_string()), path.display().to_string())
            }
        };
        let text = text.map_err(|error| format!("{place}: {error}"))?;
        let text = text.trim();
        if text.is_empty() { Err(format!("{place} is empty")) } else { Ok(text.to_owned()) }
    }
}
