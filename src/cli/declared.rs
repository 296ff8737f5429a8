//! What files declare of sources: `[[source]]` of the configuration, and the files named to `provisor source add` and `set`.
//! Mapping files are read here and put as revisions; one that does not compile halts its source.

use std::path::Path;

use crate::directory::{LibraryError, SourceRecord};
use crate::server::RegistryError;
use crate::text::render::{Format, all};

use super::service::Service;
use super::{Failure, tell};

/// Who is noted down as having put a mapping.
const BY: &str = "configuration";

/// Takes over what the configuration declares. Mapping files are relative to `beside`.
pub(super) async fn declare(service: &Service, sources: &[SourceRecord], beside: &Path) -> Result<(), Failure> {
    let registry = &service.registry;
    for declared in sources {
        // What is still on its way out must be gone before it comes anew.
        registry.clear(&declared.slug).await.map_err(|error| Failure::told(error.to_string()))?;
        registry.declare(&declared.slug);
        let known = registry.record(&declared.slug);
        let mut record = declared.clone();
        let mut broken = Vec::new();
        let before = known.as_ref().map(|known| (known.user_mapping.clone(), known.group_mapping.clone()));
        let (user, group) = before.unwrap_or_default();
        let mut files = Vec::new();
        for (place, before) in [(&mut record.user_mapping, user), (&mut record.group_mapping, group)] {
            let Some(file) = place.take() else { continue };
            match put(service, &beside.join(&file), BY).await {
                Ok(name) => *place = Some(name),
                // The one before stays named, but nothing is written with it: the operator meant another.
                Err(Unput::Findings(found)) => {
                    *place = before;
                    broken.push((file.clone(), found));
                }
                Err(Unput::Other(failure)) => return Err(failure),
            }
            files.push(file);
        }
        let told = |error: RegistryError| Failure::told(format!("source {:?}: {error}", declared.slug));
        if known.is_some() {
            registry.set_source(record).await.map_err(told)?;
        } else {
            registry.add_source(SourceRecord { created: service.directory.now(), ..record }).await.map_err(told)?;
        }
        let failed = |error: crate::store::StoreError| Failure::told(error.to_string());
        let halted = service.directory.halted(&declared.slug);
        if broken.is_empty() && halted.is_some_and(|halt| files.contains(&halt.mapping)) {
            service.directory.resume(&declared.slug).await.map_err(failed)?;
        }
        for (file, found) in broken {
            tell(&all(&found, Format::Human, false));
            tell(&format!("source {:?} is halted: {file} does not compile\n", declared.slug));
            service.directory.halt_uncompiled(&declared.slug, &file, &found).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// Why a mapping file was not put.
pub(super) enum Unput {
    /// It does not compile.
    Findings(Box<crate::text::Diagnostics>),
    /// It cannot be read, or the store fails.
    Other(Failure),
}

impl From<Unput> for Failure {
    fn from(unput: Unput) -> Self {
        match unput {
            Unput::Findings(found) => {
                Failure::told(format!("{}the mapping does not compile", all(&found, Format::Human, false)))
            }
            Unput::Other(failure) => failure,
        }
    }
}

/// Puts a mapping file as the newest revision of the mapping that it names, and gives that name.
pub(super) async fn put(service: &Service, file: &Path, by: &str) -> Result<String, Unput> {
    let name = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|error| Unput::Other(Failure::told(format!("{name}: {error}"))))?;
    match service.registry.put_mapping(None, &name, &text, by, None).await {
        Ok(held) => Ok(held.revision.name.clone()),
        Err(LibraryError::Findings(found)) => Err(Unput::Findings(found)),
        Err(error) => Err(Unput::Other(Failure::told(format!("{name}: {error}")))),
    }
}
