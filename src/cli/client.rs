//! `provisor client`: who may get access tokens at the token endpoint, on a data directory that no server has open.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::clock::Millis;
use crate::directory::client::{Client as Kept, DEFAULT_DAYS, MIN_MINUTES};
use crate::directory::token::days_until;
use crate::server::{NewClient, NewFederation};

use super::manage::{Place, day, existing, left, told, used};
use super::service::{Service, runtime};
use super::{Ending, Failure, Outcome, print};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Client {
    /// Make a client and print its id and secret, once
    Create {
        /// What it is for, for people
        label: String,
        /// The source that its access tokens open
        #[arg(long, value_name = "SLUG")]
        source: String,
        /// Minutes that an access token is good, 60 to 360
        #[arg(long, default_value_t = MIN_MINUTES)]
        minutes: u32,
        /// Days that the secret is good, 1 to 1095
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u64,
        /// Without a secret: it will be federated
        #[arg(long, conflicts_with = "days")]
        no_secret: bool,
        #[command(flatten)]
        place: Place,
    },
    /// List clients with their secrets' ends, without the secrets themselves
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Revoke a client; its access tokens end at once
    Revoke {
        /// Its id, as `client list` shows it
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Make a second secret and print it, once; both are good
    Secret {
        /// The client's id
        id: String,
        /// Days that the secret is good, 1 to 1095
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u64,
        #[command(flatten)]
        place: Place,
    },
    /// Revoke a secret; the access tokens that were given for it end at once
    SecretRevoke {
        /// The client's id
        id: String,
        /// The secret's id, as `client list` shows it
        secret: String,
        #[command(flatten)]
        place: Place,
    },
    /// Let the assertions of an issuer stand for the client (workload identity federation)
    Federate {
        /// The client's id
        id: String,
        /// What `iss` of an assertion must be
        #[arg(long)]
        issuer: String,
        /// What `sub` must be
        #[arg(long)]
        subject: String,
        /// What `aud` must be, or have
        #[arg(long)]
        audience: String,
        /// Where the issuer's keys are
        #[arg(long, value_name = "URL", required_unless_present = "jwks", conflicts_with = "jwks")]
        jwks_uri: Option<String>,
        /// A file with the issuer's keys, for networks from which it is not reached
        #[arg(long, value_name = "FILE")]
        jwks: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Let no issuer's assertions stand for the client any more
    Unfederate {
        /// The client's id
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

impl Client {
    fn place(&self) -> &Place {
        let (Client::Create { place, .. }
        | Client::List { place }
        | Client::Revoke { place, .. }
        | Client::Secret { place, .. }
        | Client::SecretRevoke { place, .. }
        | Client::Federate { place, .. }
        | Client::Unfederate { place, .. }) = self;
        place
    }
}

pub(super) fn run(command: &Client) -> Outcome {
    let path = existing(command.place())?;
    runtime()?.block_on(async {
        let service = Service::open(&path).await?;
        let registry = &service.registry;
        match command {
            Client::Create { label, source, minutes, days, no_secret, .. } => {
                let days = (!no_secret).then_some(*days);
                let new = NewClient { label: label.clone(), source: source.clone(), minutes: *minutes, days };
                let (client, secret) = registry.add_client(&new).await.map_err(told)?;
                let mut out = format!("client id:     {}\n", client.id);
                if let Some(secret) = secret {
                    let until = client.secrets.last().map(|secret| day(secret.expires)).unwrap_or_default();
                    let _ = writeln!(out, "client secret: {secret}   (shown this once, good until {until})");
                }
                let _ = writeln!(out, "token URL:     /oauth/{source}/token");
                print(&out)?;
            }
            Client::List { .. } => print(&list(&service))?,
            Client::Revoke { id, .. } => registry.revoke_client(id).await.map_err(told)?,
            Client::Secret { id, days, .. } => {
                let (_, _, secret) = registry.add_secret(id, *days).await.map_err(told)?;
                print(&format!("{secret}\n"))?;
            }
            Client::SecretRevoke { id, secret, .. } => registry.revoke_secret(id, secret).await.map_err(told)?,
            Client::Federate { id, issuer, subject, audience, jwks_uri, jwks, .. } => {
                let keys = jwks.as_ref().map(|path| {
                    let failed = |error: &dyn std::fmt::Display| Failure::told(format!("{}: {error}", path.display()));
                    let text = std::fs::read(path).map_err(|error| failed(&error))?;
                    serde_json::from_slice(&text).map_err(|error| failed(&error))
                });
                let new = NewFederation {
                    issuer: issuer.clone(),
                    subject: subject.clone(),
                    audience: audience.clone(),
                    jwks_uri: jwks_uri.clone(),
                    jwks: keys.transpose()?,
                };
                registry.federate(id, new).await.map_err(told)?;
            }
            Client::Unfederate { id, .. } => registry.end_federation(id).await.map_err(told)?,
        }
        Ok(Ending::Clean)
    })
}

fn list(service: &Service) -> String {
    let now = service.directory.now();
    let mut out = String::new();
    // Writing to a String does not fail.
    for client in service.registry.clients() {
        let state = if client.revoked.is_some() { "revoked" } else { "" };
        let Kept { id, label, source, minutes, .. } = &*client;
        let _ = writeln!(out, "  {id:<18} {label:<16} opens {source:<16} {minutes} minutes  {state}");
        for secret in &client.secrets {
            let state = credential(secret.revoked, secret.expires, now);
            let _ = writeln!(out, "    secret {:<12} {state}, {}", secret.id, used(service, &secret.id));
        }
        if let Some(federation) = &client.federation {
            let _ = writeln!(
                out,
                "    federated {}: iss {}, sub {}, aud {}, {}",
                federation.id,
                federation.issuer,
                federation.subject,
                federation.audience,
                used(service, &federation.id)
            );
        }
    }
    out
}

fn credential(revoked: Option<Millis>, expires: Millis, now: Millis) -> String {
    if revoked.is_some() { "revoked".to_owned() } else { left(expires, days_until(expires, now)) }
}
