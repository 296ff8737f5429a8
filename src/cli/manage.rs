//! `provisor source`, `token`, `backup`, `restore`, `store`: work on a data directory while no server has it open. A running
//! server takes the same through its API.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::clock::Millis;
use crate::directory::token::{DAY, DEFAULT_LIFE, Role, Scope};
use crate::directory::{self, SourceRecord};
use crate::server::RegistryError;
use crate::store::{self, Options, SledStore, Store as _};

use super::declared::put;
use super::provisioned;
use super::service::{Service, config, runtime};
use super::{Ending, Failure, Outcome, print};

/// Where the data is.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The data directory; that of the configuration when left out
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Place {
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        match &self.data {
            Some(path) => Ok(path.clone()),
            None => Ok(config(None)?.server.data),
        }
    }
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Source {
    /// Add an inbound SCIM endpoint
    Add {
        /// Its name in URLs
        slug: String,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        place: Place,
    },
    /// Change an endpoint: its mappings, what it declares
    Set {
        /// Its name in URLs
        slug: String,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        place: Place,
    },
    /// Let an endpoint that a mapping halted take writes again
    Resume {
        /// Its name in URLs
        slug: String,
        #[command(flatten)]
        place: Place,
    },
    /// Remove an endpoint for ever; its tokens and clients open nothing any more
    Remove {
        /// Its name in URLs
        slug: String,
        /// Delete its users and groups with it
        #[arg(long)]
        purge: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Show what the mapping made of one user or group
    Profile {
        /// The source
        slug: String,
        /// The resource's id
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// List the endpoints
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Show one: its last request, how many users and groups it has, its tokens
    Show {
        /// Its name in URLs
        slug: String,
        #[command(flatten)]
        place: Place,
    },
    /// List its users, with the last request about each
    Users(provisioned::Arguments),
    /// List its groups, with the last request about each
    Groups(provisioned::Arguments),
}

/// What can be said of a source.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// What it is, for people
    #[arg(long)]
    description: Option<String>,
    /// Extensions, resource types and the rest as TOML or JSON, in the shape of `[[source]]` in the configuration
    #[arg(long, value_name = "FILE")]
    declare: Option<PathBuf>,
    /// The mapping file that makes a profile of each user
    #[arg(long, value_name = "FILE")]
    user_mapping: Option<PathBuf>,
    /// The mapping file that makes a profile of each group
    #[arg(long, value_name = "FILE")]
    group_mapping: Option<PathBuf>,
    /// Map users and groups no more
    #[arg(long, conflicts_with_all = ["user_mapping", "group_mapping"])]
    no_mappings: bool,
    /// Whether two users may not have one work e-mail address; decided before the first user
    #[arg(long, value_name = "BOOL")]
    unique_email: Option<bool>,
}

impl Settings {
    /// The record with what was said put over it.
    async fn over(&self, service: &Service, mut record: SourceRecord) -> Result<SourceRecord, Failure> {
        if let Some(file) = &self.declare {
            let name = file.display();
            let text = std::fs::read_to_string(file).map_err(|error| Failure::told(format!("{name}: {error}")))?;
            let mut declared =
                declaration(&text, &record.slug).map_err(|error| Failure::told(format!("{name}: {error}")))?;
            (declared.slug, declared.created) = (record.slug, record.created);
            declared.user_mapping = declared.user_mapping.or(record.user_mapping);
            declared.group_mapping = declared.group_mapping.or(record.group_mapping);
            record = declared;
        }
        if let Some(description) = &self.description {
            record.description.clone_from(description);
        }
        if self.no_mappings {
            (record.user_mapping, record.group_mapping) = (None, None);
        }
        for (file, place) in
            [(&self.user_mapping, &mut record.user_mapping), (&self.group_mapping, &mut record.group_mapping)]
        {
            if let Some(file) = file {
                *place = Some(put(service, file, "command line").await?);
            }
        }
        record.unique_email = self.unique_email.unwrap_or(record.unique_email);
        Ok(record)
    }
}

/// What a file declares of a source; its slug may be left out.
fn declaration(text: &str, slug: &str) -> Result<SourceRecord, String> {
    let mut table: serde_json::Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        toml::from_str(text).map_err(|error| error.to_string())?
    };
    if let Some(fields) = table.as_object_mut() {
        fields.entry("slug").or_insert_with(|| slug.into());
    }
    serde_json::from_value(table).map_err(|error| error.to_string())
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Token {
    /// Make a token and print it, once
    Create {
        /// What it is for, for people
        label: String,
        /// The source whose SCIM endpoint it opens; with a role, a source to which it is limited (also several times)
        #[arg(long, value_name = "SLUG")]
        source: Vec<String>,
        /// What it may do at the API: read, operate or admin; without a source or a role it is `admin`
        #[arg(long, value_name = "ROLE")]
        role: Option<Role>,
        /// Days that it is good; 0 for ever
        #[arg(long, default_value_t = DEFAULT_LIFE / DAY)]
        days: u64,
        #[command(flatten)]
        place: Place,
    },
    /// List tokens, without the tokens themselves
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Revoke a token
    Revoke {
        /// Its id, as `token list` shows it
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Store {
    /// Look through all data and say what does not agree
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Write the data anew, without what was deleted
    Compact {
        #[command(flatten)]
        place: Place,
    },
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn told(error: RegistryError) -> Failure {
    Failure::told(error.to_string())
}

/// Only a data directory that is there is opened: a mistyped one is not to be made.
pub(super) fn existing(place: &Place) -> Result<PathBuf, Failure> {
    let path = place.path()?;
    if path.is_dir() {
        return Ok(path);
    }
    Err(Failure::told(format!("{}: there is no such data directory; `provisor serve` makes one", path.display())))
}

fn open(path: &Path) -> Result<SledStore, Failure> {
    SledStore::open(path, Options::default()).map_err(|error| Failure::told(format!("{}: {error}", path.display())))
}

pub(super) fn source(command: &Source) -> Outcome {
    let place = match command {
        Source::Add { place, .. }
        | Source::Set { place, .. }
        | Source::Resume { place, .. }
        | Source::Remove { place, .. }
        | Source::Profile { place, .. }
        | Source::List { place }
        | Source::Show { place, .. } => place,
        Source::Users(arguments) => return provisioned::list(arguments, "User"),
        Source::Groups(arguments) => return provisioned::list(arguments, "Group"),
    };
    let path = existing(place)?;
    runtime()?.block_on(async {
        let service = Service::open(&path).await?;
        let mut out = String::new();
        match command {
            Source::Add { slug, settings, .. } => {
                let record = settings.over(&service, SourceRecord::new(slug, service.directory.now())).await?;
                service.registry.add_source(record).await.map_err(told)?;
                let _ =
                    writeln!(out, "{slug}: /scim/{slug}/v2\nmake a token: provisor token create LABEL --source {slug}");
            }
            Source::Set { slug, settings, .. } => {
                let record = settings.over(&service, known(&service, slug)?).await?;
                service.registry.set_source(record).await.map_err(told)?;
            }
            Source::Resume { slug, .. } => {
                known(&service, slug)?;
                let halted = service.directory.resume(slug).await;
                let halted = halted.map_err(|error| Failure::told(error.to_string()))?;
                out.push_str(if halted { "the source takes writes again\n" } else { "the source was not halted\n" });
            }
            Source::Remove { slug, purge, .. } => {
                unneeded(&service, slug).await?;
                service.registry.close_source(slug, *purge).await.map_err(told)?;
                service.registry.clear(slug).await.map_err(told)?;
                let _ = writeln!(out, "{slug}: gone, with all that it had");
            }
            Source::Profile { slug, id, .. } => {
                known(&service, slug)?;
                let stored = service.directory.store().get(slug, id).await;
                let stored = stored.map_err(|error| Failure::told(error.to_string()))?;
                let stored = stored.ok_or_else(|| Failure::told(format!("source {slug:?} has no resource {id:?}")))?;
                let profile = stored.profile.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                let _ = writeln!(out, "{}", profile.unwrap_or_else(|| "null".into()));
            }
            Source::List { .. } => {
                for record in service.registry.sources() {
                    let _ = writeln!(out, "{:<20} /scim/{}/v2   {}", record.slug, record.slug, record.description);
                }
            }
            Source::Show { slug, .. } => {
                let record = known(&service, slug)?;
                let _ = writeln!(out, "{slug}: /scim/{slug}/v2");
                if let Some(halt) = service.directory.halted(slug) {
                    let _ = writeln!(
                        out,
                        "  HALTED: mapping {:?}, revision {}, {}: mend it, or `provisor source resume {slug}`\n{}",
                        halt.mapping, halt.revision, halt.place, halt.report
                    );
                }
                for (kind, mapping) in [("users", &record.user_mapping), ("groups", &record.group_mapping)] {
                    if let Some(held) = mapping.as_deref().and_then(|name| service.directory.library().get(name)) {
                        let _ = writeln!(
                            out,
                            "  mapping of {kind}: {}, revision {}",
                            held.revision.name, held.revision.revision
                        );
                    }
                }
                for kind in ["User", "Group"] {
                    let count = service.directory.store().count(slug, kind).await;
                    let count = count.map_err(|error| Failure::told(error.to_string()))?;
                    let _ = writeln!(out, "  {kind:<6} {count}");
                }
                out.push_str(&provisioned::overview(&service, slug).await?);
                out.push_str(&tokens(&service, Some(slug)));
            }
            Source::Users(_) | Source::Groups(_) => {}
        }
        print(&out)?;
        Ok(Ending::Clean)
    })
}

/// A refusal while the configuration or a sync needs a source.
async fn unneeded(service: &Service, slug: &str) -> Result<(), Failure> {
    let config = config(None)?;
    for declared in &config.source {
        service.registry.declare(&declared.slug);
    }
    let mut readers = crate::server::readers(&service.directory, slug).await.map_err(told)?;
    let reads = |sync: &&crate::sync::SyncSettings| sync.source.as_deref() == Some(slug);
    readers.extend(config.sync.iter().filter(reads).map(|sync| sync.name.clone()));
    if readers.is_empty() {
        return Ok(());
    }
    Err(Failure::told(format!("source {slug:?} is read by the sync {}: take that away first", readers.join(", "))))
}

fn known(service: &Service, slug: &str) -> Result<SourceRecord, Failure> {
    service.registry.record(slug).ok_or_else(|| Failure::told(format!("there is no source {slug:?}")))
}

fn tokens(service: &Service, of: Option<&str>) -> String {
    let now = service.directory.now();
    let mut out = String::new();
    for token in service.registry.tokens() {
        let opens = match &token.scope {
            Scope::Admin => "admin".to_owned(),
            Scope::Scim { source } => source.clone(),
            Scope::Api(grant) if grant.is_whole() => format!("api:{}", grant.role.word()),
            Scope::Api(grant) => format!("api:{} of {}", grant.role.word(), grant.sources.join(",")),
        };
        if of.is_some_and(|of| !token.scope.sources().iter().any(|source| source == of)) {
            continue;
        }
        let state = match (token.revoked, token.days_left(now)) {
            (Some(_), _) => "revoked".to_owned(),
            (None, None) => "never expires".to_owned(),
            (None, Some(days)) => left(token.expires.unwrap_or_default(), days),
        };
        let used = used(service, &token.id);
        let _ = writeln!(out, "  {:<12} {:<16} opens {opens:<16} {state}, {used}", token.id, token.label);
    }
    out
}

/// How long something is good that ends.
pub(super) fn left(expires: Millis, days: i64) -> String {
    match days {
        days if days < 0 => format!("expired on {}", day(expires)),
        1 => format!("1 day left, until {}", day(expires)),
        days => format!("{days} days left, until {}", day(expires)),
    }
}

/// When something was last used.
pub(super) fn used(service: &Service, id: &str) -> String {
    let Some(at) = service.registry.last_used(id) else { return "never used".to_owned() };
    let text = directory::time(at);
    format!("used {}Z", text.get(..16).unwrap_or_default().replace('T', " "))
}

/// The day of a time, such as `2026-01-31`.
pub(super) fn day(at: Millis) -> String {
    directory::time(at).get(..10).unwrap_or_default().to_owned()
}

pub(super) fn token(command: &Token) -> Outcome {
    let (Token::Create { place, .. } | Token::List { place } | Token::Revoke { place, .. }) = command;
    let path = existing(place)?;
    runtime()?.block_on(async {
        let service = Service::open(&path).await?;
        match command {
            Token::Create { label, source, role, days, .. } => {
                let scope = Scope::of(*role, source.clone()).map_err(Failure::told)?;
                let life = (*days > 0).then(|| days.saturating_mul(DAY));
                let (_, secret) = service.registry.make_token(label, scope, life).await.map_err(told)?;
                print(&format!("{secret}\n"))?;
            }
            Token::List { .. } => print(&tokens(&service, None))?,
            Token::Revoke { id, .. } => service.registry.revoke(id).await.map_err(told)?,
        }
        Ok(Ending::Clean)
    })
}

pub(super) fn backup(arguments: &Backup) -> Outcome {
    let store = open(&existing(&arguments.place)?)?;
    let name = arguments.file.display();
    let failed = |error: &dyn std::fmt::Display| Failure::told(format!("{name}: {error}"));
    let file = File::options().write(true).create_new(true).open(&arguments.file).map_err(|error| failed(&error))?;
    let mut out = BufWriter::new(file);
    let dumped = store.dump(&mut out).map_err(|error| failed(&error))?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(|error| failed(&error))?;
    print(&format!("{name}: {} lines, sha256 {}\n", dumped.lines, dumped.digest))?;
    Ok(Ending::Clean)
}

pub(super) fn restore(arguments: &Backup) -> Outcome {
    let name = arguments.file.display();
    let failed = |error: &dyn std::fmt::Display| Failure::told(format!("{name}: {error}"));
    let file = File::open(&arguments.file).map_err(|error| failed(&error))?;
    let path = arguments.place.path()?;
    let store = open(&path)?;
    let dumped = store.restore(&mut BufReader::new(file)).map_err(|error| failed(&error))?;
    print(&format!("{}: {} lines restored, sha256 {}\n", path.display(), dumped.lines, dumped.digest))?;
    Ok(Ending::Clean)
}

pub(super) fn store(command: &Store) -> Outcome {
    match command {
        Store::Verify { place } => {
            let verified = open(&existing(place)?)?.verify().map_err(|error| Failure::told(error.to_string()))?;
            let mut out = String::new();
            for finding in &verified.findings {
                let _ = writeln!(out, "{finding}");
            }
            let _ = writeln!(
                out,
                "{} resources, {} index entries, {} memberships: {}",
                verified.resources,
                verified.entries,
                verified.edges,
                if verified.findings.is_empty() { "all agree" } else { "not all agree" }
            );
            print(&out)?;
            Ok(if verified.findings.is_empty() { Ending::Clean } else { Ending::Findings })
        }
        Store::Compact { place } => {
            let path = existing(place)?;
            store::compact(&path, Options::default()).map_err(|error| Failure::told(error.to_string()))?;
            print(&format!("{}: written anew\n", path.display()))?;
            Ok(Ending::Clean)
        }
    }
}
