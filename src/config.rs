//! The server's configuration: `provisor.toml`, with an environment variable for each key (`PROVISOR_SERVER_LISTEN` for `listen`
//! under `[server]`), and flags over both.

use std::fmt;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::directory::SourceRecord;
use crate::sync::SyncSettings;

/// The whole configuration; every key has a default.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[limits]`
    pub limits: Limits,
    /// `[[source]]`: inbound endpoints. Their mappings are named by file, relative to the configuration.
    pub source: Vec<SourceRecord>,
    /// `[[sync]]`: what is pushed on, and where to.
    pub sync: Vec<SyncSettings>,
    /// `[tls]`
    pub tls: Tls,
    /// `[log]`
    pub log: Log,
    /// `[retention]`
    pub retention: Retention,
}

/// Where the server listens and keeps its data.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The address, loopback unless told otherwise.
    pub listen: SocketAddr,
    /// The data directory.
    pub data: PathBuf,
    /// The URL by which clients reach the server, when it is not what they say in `Host`: behind a proxy that ends TLS.
    pub url: Option<String>,
    /// Whether plain HTTP may be spoken on an address that others reach: behind a proxy that ends TLS.
    pub plain_http: bool,
    /// How long requests that are under way may go on when the server is asked to stop, in seconds.
    pub grace: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("provisor-data"),
            url: None,
            plain_http: false,
            grace: 30,
        }
    }
}

/// Where the certificate is; without one the server speaks plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// A PEM file: the server's certificate first, then those that lead to the root.
    pub certificate: Option<PathBuf>,
    /// A PEM file with the certificate's private key.
    pub key: Option<PathBuf>,
}

impl Tls {
    /// Both files; `None` when neither is named.
    ///
    /// # Errors
    /// Only one of them is named.
    pub fn files(&self) -> Result<Option<(&Path, &Path)>, ConfigError> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(ConfigError("`certificate` under [tls] needs its `key` (PROVISOR_TLS_KEY)".into())),
            (None, Some(_)) => {
                Err(ConfigError("`key` under [tls] needs its `certificate` (PROVISOR_TLS_CERTIFICATE)".into()))
            }
        }
    }
}

/// What the log says, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least important lines that are written; a request is a line of `info`.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
}

/// How important a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is written.
    Off,
    /// What failed inside of the server.
    Error,
    /// What will fail unless somebody does something.
    Warn,
    /// A line a request.
    #[default]
    Info,
    /// Connections that came to nothing as well.
    Debug,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A JSON object.
    #[default]
    Json,
    /// For people.
    Text,
}

/// What requests may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest body, in bytes; a bulk request has 1 MiB at most.
    pub body: usize,
    /// The longest URL, in bytes.
    pub url: usize,
    /// Requests a second for each token.
    pub rate: u32,
    /// Requests at once that a token may be ahead of its rate.
    pub burst: u32,
    /// Requests that are worked on at once; more wait.
    pub concurrent: usize,
    /// How long a request waits for its turn, in seconds.
    pub wait: u64,
    /// How long a request may take, its body with it, in seconds.
    pub timeout: u64,
    /// How large a request's headers may be together, in bytes.
    pub headers: usize,
    /// How long a client may take for the headers of a request, in seconds; silent connections are closed after it.
    pub header_timeout: u64,
    /// Connections that are open at once; more wait to be accepted.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 * 1024 * 1024,
            url: 16 * 1024,
            rate: 100,
            burst: 200,
            concurrent: 512,
            wait: 5,
            timeout: 60,
            headers: 32 * 1024,
            header_timeout: 30,
            connections: 4096,
        }
    }
}

/// How much of the provisioning log is kept; what is older, or more, is forgotten every hour, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// For how many days, at least 1.
    pub log_days: u32,
    /// How many megabytes (of 1,000,000 bytes), at least 1.
    pub log_megabytes: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { log_days: 90, log_megabytes: 1_024 }
    }
}

impl Retention {
    fn check(self, name: &str) -> Result<(), ConfigError> {
        let zero = [("log_days", self.log_days), ("log_megabytes", self.log_megabytes)];
        match zero.into_iter().find(|(_, number)| *number == 0) {
            Some((key, _)) => Err(ConfigError(format!("{name}: `{key}` under [retention] is at least 1"))),
            None => Ok(()),
        }
    }
}

/// A key of `provisor.toml`, for the reference.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The table that it stands in.
    pub section: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// Its default as TOML; empty when there is none.
    pub default: &'static str,
    /// What it says, with its unit.
    pub meaning: &'static str,
    /// The flag of `provisor serve` that is over it; empty when there is none.
    pub flag: &'static str,
}

impl Key {
    const fn new(section: &'static str, name: &'static str, default: &'static str, meaning: &'static str) -> Self {
        Self { section, name, default, meaning, flag: "" }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self { flag, ..self }
    }

    /// The variable that is over it: `PROVISOR_SERVER_LISTEN`.
    pub fn variable(&self) -> String {
        format!("PROVISOR_{}_{}", self.section, self.name).to_ascii_uppercase()
    }
}

/// Every key, in the order of the reference.
pub const KEYS: &[Key] = &[
    Key::new("server", "listen", "\"127.0.0.1:8080\"", "address and port; port 0 takes a free one").flag("--listen"),
    Key::new("server", "data", "\"provisor-data\"", "the data directory, made when it is not there").flag("--data"),
    Key::new("server", "url", "", "the URL by which clients reach the server, when it is not what they say in `Host`"),
    Key::new(
        "server",
        "plain_http",
        "false",
        "whether plain HTTP may be spoken on an address that others reach: behind a proxy that ends TLS",
    ),
    Key::new("server", "grace", "30", "how long requests under way may go on after SIGTERM, in seconds"),
    Key::new("tls", "certificate", "", "a PEM file: the server's certificate first, then those that lead to the root")
        .flag("--tls-cert"),
    Key::new("tls", "key", "", "a PEM file with the certificate's private key (PKCS#8, PKCS#1 or SEC1)")
        .flag("--tls-key"),
    Key::new("limits", "body", "4194304", "the largest body, in bytes; a bulk request has 1 MiB at most"),
    Key::new("limits", "url", "16384", "the longest URL, in bytes"),
    Key::new(
        "limits",
        "headers",
        "32768",
        "how large a request's headers may be together, in bytes; there are at most 80",
    ),
    Key::new(
        "limits",
        "header_timeout",
        "30",
        "how long a client may take for the headers of a request, in seconds; silent connections are closed after it",
    ),
    Key::new("limits", "rate", "100", "requests a second for each token"),
    Key::new("limits", "burst", "200", "requests at once that a token may be ahead of its rate"),
    Key::new("limits", "concurrent", "512", "requests that are worked on at once; more wait"),
    Key::new("limits", "wait", "5", "how long a request waits for its turn, in seconds; then it is told to come again"),
    Key::new("limits", "timeout", "60", "how long a request may take, its body with it, in seconds"),
    Key::new("limits", "connections", "4096", "connections that are open at once; more wait to be accepted"),
    Key::new("retention", "log_days", "90", "for how many days the provisioning log is kept, at least 1"),
    Key::new("retention", "log_megabytes", "1024", "how many megabytes of it are kept, at least 1"),
    Key::new("log", "level", "\"info\"", "`off`, `error`, `warn`, `info` (a line a request) or `debug`"),
    Key::new("log", "format", "\"json\"", "`json` or `text`"),
];

/// The reference as a table of Markdown, a row a key.
pub fn markdown() -> String {
    let mut out = String::from("| key | default | what it says | environment | flag |\n|---|---|---|---|---|\n");
    for key in KEYS {
        let code = |text: &str| if text.is_empty() { "–".to_owned() } else { format!("`{text}`") };
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "| `[{}] {}` | {} | {} | `{}` | {} |",
            key.section,
            key.name,
            code(key.default),
            key.meaning,
            key.variable(),
            code(key.flag)
        );
    }
    out
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// From the file's text, when there is a file, and the environment over it.
    ///
    /// # Errors
    /// An unknown key, a value of the wrong type: with its place in the file, or the variable's name.
    pub fn read(
        name: &str,
        text: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table: toml::Table = text
            .unwrap_or_default()
            .parse()
            .map_err(|error: toml::de::Error| ConfigError(format!("{name}: {}", error.to_string().trim_end())))?;
        // Once as it stands, so that a mistake in the file is shown there and not in the sum.
        Self::of(&table, name)?;
        for (variable, value) in environment {
            let Some((section, key)) = place(&variable) else { continue };
            let section = table.entry(section).or_insert_with(|| toml::Table::new().into());
            let Some(section) = section.as_table_mut() else { continue };
            section.insert(key, typed(&value));
            Self::of(&table, &variable)?;
        }
        Self::of(&table, name)
    }

    fn of(table: &toml::Table, name: &str) -> Result<Self, ConfigError> {
        let config: Self = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError(format!("{name}: {}", error.to_string().trim_end())))?;
        let zero = [
            ("rate", config.limits.rate == 0),
            ("burst", config.limits.burst == 0),
            ("concurrent", config.limits.concurrent == 0),
            ("timeout", config.limits.timeout == 0),
            ("header_timeout", config.limits.header_timeout == 0),
            ("connections", config.limits.connections == 0),
        ];
        if let Some((key, _)) = zero.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(ConfigError(format!("{name}: `{key}` under [limits] is at least 1")));
        }
        for source in &config.source {
            let checked = SourceRecord::check_slug(&source.slug).and_then(|()| source.ready().map(|_| ()));
            checked.map_err(|error| ConfigError(format!("{name}: [[source]]: {error}")))?;
        }
        for sync in &config.sync {
            sync.check().map_err(|error| ConfigError(format!("{name}: [[sync]]: {error}")))?;
        }
        let mut names: Vec<&str> = config.sync.iter().map(|sync| sync.name.as_str()).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(ConfigError(format!("{name}: [[sync]]: there are two called {twice:?}")));
        }
        let mut slugs: Vec<&str> = config.source.iter().map(|source| source.slug.as_str()).collect();
        slugs.sort_unstable();
        if let Some([twice, _]) = slugs.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(ConfigError(format!("{name}: [[source]]: there are two with the slug {twice:?}")));
        }
        config.retention.check(name)?;
        Ok(config)
    }

    /// Why the server does not speak plain HTTP at its address.
    ///
    /// # Errors
    /// The address is reached by others, there is no certificate, and nobody said that a proxy stands in front; or only one
    /// of certificate and key is named.
    pub fn check_listen(&self) -> Result<(), ConfigError> {
        let has_tls = self.tls.files()?.is_some();
        if has_tls || self.server.listen.ip().is_loopback() || self.server.plain_http {
            return Ok(());
        }
        Err(ConfigError(format!(
            "{} is reached by others, and tokens would cross the network in the clear: give `certificate` and `key` under [tls] (PROVISOR_TLS_CERTIFICATE, PROVISOR_TLS_KEY), listen on 127.0.0.1 behind a proxy that ends TLS, or say `plain_http = true` under [server] (PROVISOR_SERVER_PLAIN_HTTP) if one stands in front",
            self.server.listen
        )))
    }
}

/// The section and key that a variable names; `None` for those that are no configuration.
fn place(variable: &str) -> Option<(String, String)> {
    let rest = variable.strip_prefix("PROVISOR_")?;
    let (section, key) = rest.split_once('_')?;
    let section = section.to_ascii_lowercase();
    ["server", "limits", "tls", "log", "retention"]
        .contains(&section.as_str())
        .then(|| (section, key.to_ascii_lowercase()))
}

/// A variable's text as a TOML value: a number or a truth when it reads as one.
fn typed(text: &str) -> toml::Value {
    match (text.parse::<i64>(), text.parse::<bool>()) {
        (Ok(number), _) => number.into(),
        (_, Ok(flag)) => flag.into(),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::read("provisor.toml", Some(text), variables)
    }

    #[test]
    fn the_environment_is_over_the_file() {
        let config = read(
            "[server]\nlisten = '127.0.0.1:1'\n",
            &[("PROVISOR_SERVER_LISTEN", "127.0.0.1:2"), ("PROVISOR_LIMITS_RATE", "7"), ("PROVISOR_ADMIN_TOKEN", "x")],
        )
        .unwrap();
        assert_eq!((config.server.listen.port(), config.limits.rate), (2, 7));
        assert_eq!(read("", &[]).unwrap(), Config::default());
    }

    #[test]
    fn mistakes_are_named() {
        assert!(read("[server]\nlistn = 1\n", &[]).unwrap_err().to_string().contains("listn"));
        assert!(
            read("", &[("PROVISOR_LIMITS_RATE", "many")]).unwrap_err().to_string().contains("PROVISOR_LIMITS_RATE")
        );
        assert!(read("[limits]\nrate = 0\n", &[]).unwrap_err().to_string().contains("at least 1"));
        let wrong = read("", &[("PROVISOR_LOG_LEVEL", "loud")]).unwrap_err().to_string();
        assert!(wrong.contains("PROVISOR_LOG_LEVEL") && wrong.contains("`debug`"), "{wrong}");
    }

    #[test]
    fn sources_are_declared() {
        let config = read(
            r#"
            [[source]]
            slug = "acme"
            unique_email = true
            [[source.extensions]]
            urn = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User"
            attributes = [{ name = "postalCode", type = "any" }, { name = "badges", multi_valued = true }]
            [[source.resource_types]]
            name = "Device"
            endpoint = "/Devices"
            schema = "urn:acme:params:scim:schemas:Device"
            attributes = [{ name = "serial", required = true, uniqueness = "server" }]
            "#,
            &[],
        )
        .unwrap();
        assert_eq!(config.source[0].ready().unwrap().types.len(), 3);
        assert!(read("[[source]]\nslug = 'A'\n", &[]).unwrap_err().to_string().contains("cannot name a source"));
        let twice = "[[source]]\nslug = 'a'\n[[source]]\nslug = 'a'\n";
        assert!(read(twice, &[]).unwrap_err().to_string().contains("two with the slug"));
        let error = read("", &[("PROVISOR_RETENTION_LOG_DAYS", "0")]).unwrap_err().to_string();
        assert_eq!(error, "PROVISOR_RETENTION_LOG_DAYS: `log_days` under [retention] is at least 1");
    }

    #[test]
    fn nobody_listens_in_the_clear_by_accident() {
        let mut config = Config::default();
        assert!(config.check_listen().is_ok());
        config.server.listen = SocketAddr::from(([0, 0, 0, 0], 8080));
        assert!(config.check_listen().is_err());
        config.server.plain_http = true;
        assert!(config.check_listen().is_ok());
        config.server.plain_http = false;
        config.tls.certificate = Some("certificate.pem".into());
        assert!(config.check_listen().unwrap_err().to_string().contains("PROVISOR_TLS_KEY"));
        config.tls.key = Some("key.pem".into());
        assert!(config.check_listen().is_ok());
    }
}
