//! The server's configuration: `provisor.toml`, with an environment variable for each key (`PROVISOR_SERVER_LISTEN` for `listen`
//! under `[server]`), and flags over both.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::directory::SourceRecord;

/// The whole configuration; every key has a default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[limits]`
    pub limits: Limits,
    /// `[[source]]`: inbound endpoints. Their mappings are named by file, relative to the configuration.
    pub source: Vec<SourceRecord>,
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
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: PathBuf::from("provisor-data"),
            url: None,
            plain_http: false,
        }
    }
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
    /// How long a request may take, in seconds.
    pub timeout: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 4 * 1024 * 1024, url: 16 * 1024, rate: 100, burst: 200, concurrent: 512, timeout: 60 }
    }
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
        ];
        if let Some((key, _)) = zero.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(ConfigError(format!("{name}: `{key}` under [limits] is at least 1")));
        }
        for source in &config.source {
            let checked = SourceRecord::check_slug(&source.slug).and_then(|()| source.ready().map(|_| ()));
            checked.map_err(|error| ConfigError(format!("{name}: [[source]]: {error}")))?;
        }
        let mut slugs: Vec<&str> = config.source.iter().map(|source| source.slug.as_str()).collect();
        slugs.sort_unstable();
        if let Some([twice, _]) = slugs.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(ConfigError(format!("{name}: [[source]]: there are two with the slug {twice:?}")));
        }
        Ok(config)
    }

    /// Why the server does not speak plain HTTP at its address.
    ///
    /// # Errors
    /// The address is reached by others, and nobody said that a proxy stands in front.
    pub fn check_listen(&self) -> Result<(), ConfigError> {
        if self.server.listen.ip().is_loopback() || self.server.plain_http {
            return Ok(());
        }
        Err(ConfigError(format!(
            "{} is reached by others, and tokens would cross the network in the clear: listen on 127.0.0.1 behind a proxy that ends TLS, or say `plain_http = true` under [server] (PROVISOR_SERVER_PLAIN_HTTP) if one stands in front",
            self.server.listen
        )))
    }
}

/// The section and key that a variable names; `None` for those that are no configuration.
fn place(variable: &str) -> Option<(String, String)> {
    let rest = variable.strip_prefix("PROVISOR_")?;
    let (section, key) = rest.split_once('_')?;
    let section = section.to_ascii_lowercase();
    ["server", "limits"].contains(&section.as_str()).then(|| (section, key.to_ascii_lowercase()))
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
    }

    #[test]
    fn nobody_listens_in_the_clear_by_accident() {
        let mut config = Config::default();
        assert!(config.check_listen().is_ok());
        config.server.listen = SocketAddr::from(([0, 0, 0, 0], 8080));
        assert!(config.check_listen().is_err());
        config.server.plain_http = true;
        assert!(config.check_listen().is_ok());
    }
}
