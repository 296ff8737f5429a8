//! A SCIM 2.0 service as a target (RFC 7644). It is asked what it can and taken as it is: PATCH or PUT, bulk or one by one,
//! filters or whole lists, pages by index or cursor.
//!
//! `adapt` is what a service can, `profile` what is known of some, `list` how pages go on, `write` and `bulk` what is sent.

mod adapt;
mod bulk;
mod check;
mod list;
mod profile;
mod write;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use self::adapt::Service;
use self::list::Place;
use self::profile::Profile;
use super::attribute::{alike, field, values};
use super::http::{Call, Caller, Credentials, Hidden, Method, Reply, Url};
use super::{
    Abilities, Answer, Checked, Done, Found, Kind, Need, Object, Page, ScimSettings, Target, TargetError, Write,
};

/// What stands unencoded in a path or query (RFC 3986, 2.3).
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The base of [`sample`].
pub(super) const SAMPLE: &str = "https://scim.invalid";

/// A service that can what RFC 7644 asks for, for previews.
pub(super) fn sample() -> Option<Box<dyn Target>> {
    let settings = ScimSettings { url: SAMPLE.to_owned(), token: None, oauth: None, profile: None, timeout: 1 };
    Some(Box::new(ScimTarget::new(&settings, Path::new("")).ok()?))
}

/// A SCIM service.
pub(super) struct ScimTarget {
    caller: Caller,
    profile: Profile,
    /// What it can, as far as is known; found out by [`Target::open`] and corrected by what it refuses.
    service: RwLock<Arc<Service>>,
}

impl Kind {
    /// The endpoint (RFC 7644, 3.2).
    fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }
}

impl ScimTarget {
    /// The target of these settings; relative files of secrets are beside.
    pub(super) fn new(settings: &ScimSettings, beside: &Path) -> Result<Self, String> {
        let profile = profile::named(settings.profile.as_deref())?;
        let timeout = Duration::from_secs(settings.timeout.max(1));
        let credentials = match (&settings.token, &settings.oauth) {
            (Some(_), Some(_)) => return Err("a SCIM target has a `token` or `oauth`, not both".to_owned()),
            (Some(token), None) => Credentials::Token(Hidden(token.read(beside)?)),
            (None, Some(oauth)) => {
                let secret = oauth.client_secret.read(beside)?;
                let scope = oauth.scope.as_deref();
                Credentials::with_secret(&oauth.token_url, &oauth.client_id, &secret, scope, timeout)?
            }
            (None, None) => Credentials::None,
        };
        let caller = Caller::new(&settings.url, credentials, timeout)?;
        let service = RwLock::new(Arc::new(Service::of(&profile)));
        Ok(Self { caller, profile, service })
    }

    /// What the service can, as known now.
    fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Corrects what is known of the service.
    fn correct(&self, change: impl FnOnce(&mut Service)) {
        let mut held = self.service.write().unwrap_or_else(PoisonError::into_inner);
        let mut service = Service::clone(&held);
        change(&mut service);
        *held = Arc::new(service);
    }

    /// The path below the base: `Users`, or with an id `Users/…`. `None` for an id that no path can have.
    fn path(kind: Kind, id: Option<&str>) -> Option<String> {
        match id {
            None => Some(kind.endpoint().to_owned()),
            // They would mean the path above.
            Some("" | "." | "..") => None,
            Some(id) => Some(format!("{}/{}", kind.endpoint(), utf8_percent_encode(id, &PLAIN))),
        }
    }

    /// An address below the base; the base's own query stays in front.
    fn url(&self, path: &str, query: &[(&str, String)]) -> Url {
        let mut url = self.caller.home().clone();
        url.set_path(&format!("{}/{path}", self.caller.home().path().trim_end_matches('/')));
        let own = self.caller.home().query().filter(|query| !query.is_empty()).map(str::to_owned);
        let pairs = query.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, &PLAIN)));
        let query: Vec<String> = own.into_iter().chain(pairs).collect();
        url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
        url
    }

    async fn get_at(&self, path: &str, query: &[(&str, String)], id: &str) -> Result<Reply, TargetError> {
        self.caller.call(Call::new(Method::GET, self.url(path, query)), id).await
    }

    /// The service's description; `None` when it has none.
    async fn config(&self) -> Result<Option<Object>, TargetError> {
        let known = self.profile.config.as_deref();
        for path in known.into_iter().chain(["ServiceProviderConfig", "ServiceProviderConfigs"]) {
            match self.get_at(path, &[], path).await {
                Ok(reply) => {
                    let config = reply.object()?;
                    // Some answer with a list of one.
                    let listed = field(&config, "Resources").and_then(Value::as_array).and_then(|list| list.first());
                    return Ok(listed.and_then(Value::as_object).cloned().or(Some(config)));
                }
                Err(TargetError::Missing { .. } | TargetError::Rejected { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn found_out(&self) -> Result<Abilities, TargetError> {
        let mut service = Service::of(&self.profile);
        if let Some(config) = self.config().await? {
            service.describe(&config, &self.profile);
        }
        // The description is often open to all: one object tells whether we are let in.
        let count = [("startIndex", "1".to_owned()), ("count", "1".to_owned())];
        let list = match self.get_at(Kind::User.endpoint(), &count, "").await {
            Ok(_) => true,
            Err(TargetError::Rejected { .. }) => false,
            Err(TargetError::Missing { .. }) => return Err(self.nowhere(Kind::User)),
            Err(error) => return Err(error),
        };
        match self.get_at("Schemas", &[], "").await.and_then(|reply| reply.json()) {
            Ok(Value::Array(schemas)) => service.learn(&schemas),
            Ok(schemas) => {
                service.learn(schemas.pointer("/Resources").and_then(Value::as_array).map_or(&[], Vec::as_slice));
            }
            Err(error @ TargetError::Weather { .. }) => return Err(error),
            Err(_) => {}
        }
        let abilities = Abilities {
            find: service.filter,
            list,
            batch: service.bulk.map_or(1, |(operations, _)| operations),
            concurrent: service.concurrent,
        };
        self.correct(|known| *known = service);
        Ok(abilities)
    }

    /// There is no such endpoint at all.
    fn nowhere(&self, kind: Kind) -> TargetError {
        let url = without_query(&self.url(kind.endpoint(), &[]));
        TargetError::Protocol { what: format!("{url} is not there (404); is the address of the service complete?") }
    }

    /// The page at a place, and where the list goes on; with a filter, of what it finds.
    async fn page(
        &self,
        kind: Kind,
        place: Place,
        filter: Option<&str>,
    ) -> Result<(Vec<Found>, Option<Place>), TargetError> {
        let mut query = place.query(&self.service());
        query.extend(filter.map(|filter| ("filter", filter.to_owned())));
        if kind == Kind::Group {
            query.push(("excludedAttributes", "members".to_owned()));
        }
        let reply = match self.get_at(kind.endpoint(), &query, "").await {
            Ok(reply) => reply,
            // Asked beyond the end, some refuse.
            Err(TargetError::Rejected { .. } | TargetError::Missing { .. }) if place.doubtful => {
                return Ok((Vec::new(), None));
            }
            Err(TargetError::Missing { .. }) => return Err(self.nowhere(kind)),
            Err(error) => return Err(error),
        };
        let (items, next) = place.take(&reply.object()?)?;
        Ok((items.into_iter().filter_map(found).collect(), next))
    }

    /// Objects whose attribute has this value: as the service finds them, or found in the whole list.
    async fn search(&self, kind: Kind, path: &str, value: &str) -> Result<Vec<Found>, TargetError> {
        if self.service().filters_by(path)
            && let Some(hits) = self.ask(kind, path, value).await?
        {
            return Ok(hits);
        }
        let mut hits = Vec::new();
        let mut place = Some(Place::first(&self.service()));
        while let Some(at) = place {
            let (items, next) = self.page(kind, at, None).await?;
            hits.extend(items.into_iter().filter(|item| has(item, path, value)));
            place = next;
        }
        Ok(hits)
    }

    /// What the service finds by a filter; `None` when it does not take it, or gives what was not asked for.
    async fn ask(&self, kind: Kind, path: &str, value: &str) -> Result<Option<Vec<Found>>, TargetError> {
        let filter = filter(path, value);
        let mut hits = Vec::new();
        let mut place = Some(Place::filtered());
        while let Some(at) = place {
            let (items, next) = match self.page(kind, at, Some(&filter)).await {
                Ok(page) => page,
                Err(TargetError::Rejected { status, what }) if matches!(status, 400 | 501) => {
                    if status == 501 || what.contains("invalidFilter") {
                        self.correct(|service| service.forget_filter(path));
                    }
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let strangers = items.iter().filter(|item| !has(item, path, value)).count();
            if strangers > 1 {
                // It gives all it has, whatever is asked.
                self.correct(|service| service.filter = false);
            }
            if strangers > 0 {
                return Ok(None);
            }
            hits.extend(items);
            place = next;
        }
        Ok(Some(hits))
    }

    /// The resource as the service has it, and its version when it tells it.
    async fn read(
        &self,
        kind: Kind,
        id: &str,
        query: &[(&str, String)],
    ) -> Result<Option<(Object, Option<String>)>, TargetError> {
        let Some(path) = Self::path(kind, Some(id)) else { return Ok(None) };
        match self.get_at(&path, query, id).await {
            Ok(reply) => {
                let version = reply.text(&reqwest::header::ETAG).map(str::to_owned);
                Ok(Some((reply.object()?, version)))
            }
            Err(TargetError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The ids of a group's members, in the group's order, each once.
    async fn all_members(&self, group: &str) -> Result<Vec<String>, TargetError> {
        if !self.service().shows_members {
            return Err(TargetError::Protocol {
                what: "the service does not show the members of its groups".to_owned(),
            });
        }
        let only = [("attributes", "members".to_owned())];
        let read = self.read(Kind::Group, group, &only).await?;
        let (resource, _) = read.ok_or_else(|| TargetError::Missing { id: group.to_owned() })?;
        let mut seen = std::collections::HashSet::new();
        let members = field(&resource, "members").and_then(Value::as_array).into_iter().flatten();
        let ids = members.filter_map(|member| match field(member.as_object()?, "value")? {
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        });
        Ok(ids.filter(|id| seen.insert(id.clone())).collect())
    }
}

/// An address as it may be told: some services have a key in the query.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// A resource as an object of the target; `None` without an id.
fn found(mut resource: Object) -> Option<Found> {
    let id = list::id(&resource)?;
    resource.retain(|name, _| !["id", "meta", "members"].iter().any(|own| name.eq_ignore_ascii_case(own)));
    Some(Found { id, attributes: resource })
}

/// Whether an object really has the value: a service that does not know the filter may give all it has.
fn has(item: &Found, path: &str, value: &str) -> bool {
    let wanted = Value::from(value);
    values(&item.attributes, path).into_iter().any(|found| match found {
        // A list of complex values is compared by what is in `value`.
        Value::Object(fields) => field(fields, "value").is_some_and(|found| alike(found, &wanted)),
        found => alike(found, &wanted),
    })
}

/// The filter `path eq "value"`; the sub-attribute after brackets goes into them, where RFC 7644 has it.
fn filter(path: &str, value: &str) -> String {
    // A JSON string is what a filter takes (RFC 7644, 3.4.2.2).
    let value = Value::from(value);
    match path.rsplit_once("].") {
        Some((before, sub)) => format!("{before} and {sub} eq {value}]"),
        None => format!("{path} eq {value}"),
    }
}

impl Target for ScimTarget {
    fn name(&self) -> String {
        format!("SCIM at {}", without_query(self.caller.home()))
    }

    fn folds(&self, kind: Kind, path: &str) -> bool {
        self.service().folds(kind, path)
    }

    fn open(&self) -> Answer<'_, Abilities> {
        Box::pin(self.found_out())
    }

    fn find<'a>(&'a self, kind: Kind, path: &'a str, value: &'a str) -> Answer<'a, Vec<Found>> {
        Box::pin(self.search(kind, path, value))
    }

    fn get<'a>(&'a self, kind: Kind, id: &'a str) -> Answer<'a, Option<Found>> {
        Box::pin(async move {
            let query = [("excludedAttributes", "members".to_owned())];
            let query = if kind == Kind::Group { query.as_slice() } else { &[] };
            Ok(self.read(kind, id, query).await?.and_then(|(resource, _)| found(resource)))
        })
    }

    fn list<'a>(&'a self, kind: Kind, _: &'a [String], _: Option<&'a str>, next: Option<&'a str>) -> Answer<'a, Page> {
        Box::pin(async move {
            let place = match next {
                Some(text) => Place::read(text)?,
                None => Place::first(&self.service()),
            };
            let (items, next) = self.page(kind, place, None).await?;
            Ok(Page { items, next: next.map(|place| place.text()), ..Page::default() })
        })
    }

    fn members<'a>(&'a self, group: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(self.all_members(group))
    }

    fn write(&self, writes: Vec<Write>) -> Answer<'_, Vec<Result<Done, TargetError>>> {
        Box::pin(async move { self.write_all(&writes).await })
    }

    fn finds(&self, _: Kind, path: &str) -> bool {
        self.service().filters_by(path)
    }

    fn shows_members(&self) -> bool {
        self.service().shows_members
    }

    fn check<'a>(&'a self, needs: &'a [Need]) -> Answer<'a, Vec<Checked>> {
        Box::pin(async { Ok(self.checked(needs).await) })
    }

    fn preview(&self, write: &Write) -> Vec<Value> {
        self.told(write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_in_filters() {
        for (path, value, expected) in [
            ("userName", "o'hara", r#"userName eq "o'hara""#),
            ("userName", r#"a" or userName pr or title eq "\"#, r#"userName eq "a\" or userName pr or title eq \"\\""#),
            (r#"emails[type eq "work"].value"#, "a", r#"emails[type eq "work" and value eq "a"]"#),
        ] {
            assert_eq!(filter(path, value), expected);
        }
    }
}
