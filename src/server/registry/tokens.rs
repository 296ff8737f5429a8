//! The registry's tokens: made, ended, and in memory each by its digest, where every request looks for its own.

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;

use super::usage::{Mark, Usage};
use super::{Registry, RegistryError, all, random};
use crate::clock::Millis;
use crate::directory::token::{self, Digest, Grant, Refusal, Scope, Token};
use crate::directory::{Directory, access};
use crate::store::{Table, When};

/// Who showed a token that opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The id of the token; of an access token, the client's.
    pub id: Arc<str>,
    /// What the operator called it.
    pub label: Arc<str>,
}

/// A token, and what a request with it needs at hand.
struct Known {
    token: Arc<Token>,
    holder: Holder,
    mark: Arc<Mark>,
}

impl Known {
    fn new(token: Token, usage: &Usage) -> Self {
        let holder = Holder { id: token.id.as_str().into(), label: token.label.as_str().into() };
        let mark = usage.mark(&token.id);
        Self { token: Arc::new(token), holder, mark }
    }
}

/// All tokens, also those that are good for nothing any more.
pub(super) struct Tokens(RwLock<HashMap<Digest, Known>>);

impl Tokens {
    pub(super) async fn load(directory: &Directory, usage: &Usage) -> Result<Self, RegistryError> {
        let tokens = all::<Token>(directory, Table::Tokens, b"").await?;
        let tokens = tokens.into_iter().map(|token| (token.hash, Known::new(token, usage))).collect();
        Ok(Self(RwLock::new(tokens)))
    }

    fn put(&self, token: Token, usage: &Usage) -> Arc<Token> {
        let (hash, known) = (token.hash, Known::new(token, usage));
        let token = Arc::clone(&known.token);
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(hash, known);
        token
    }

    /// Who shows a token that is known and still good, and what it gives for what is asked. That is a use of it.
    fn shown<T>(
        &self,
        given: &str,
        now: Millis,
        gives: impl FnOnce(&Token) -> Option<T>,
    ) -> Result<(Holder, T), Refusal> {
        let hash = Digest::of(given);
        let tokens = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = tokens.get(&hash) else {
            return Err(if given.starts_with(token::PREFIX) { Refusal::Unknown } else { Refusal::Foreign });
        };
        known.token.is_good(now)?;
        let given = gives(&known.token).ok_or(Refusal::WrongScope)?;
        known.mark.touch(now);
        Ok((known.holder.clone(), given))
    }
}

impl Registry {
    /// All tokens, the oldest first.
    pub fn tokens(&self) -> Vec<Arc<Token>> {
        let known = self.tokens.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut tokens: Vec<_> = known.values().map(|known| Arc::clone(&known.token)).collect();
        drop(known);
        tokens.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        tokens
    }

    /// Makes a token and gives it: the one time that anybody sees it.
    ///
    /// # Errors
    /// Its source does not exist; the machine has no randomness.
    pub async fn make_token(
        &self,
        label: &str,
        scope: Scope,
        life: Option<Millis>,
    ) -> Result<(Arc<Token>, String), RegistryError> {
        let (id, secret) = token::make(&random()?);
        let kept = self.keep_token(id, label, scope, life, &secret).await?;
        Ok((kept, secret))
    }

    /// Keeps a token that the operator chose, for containers and tests.
    ///
    /// # Errors
    /// It is too short; its source does not exist.
    pub async fn set_token(&self, label: &str, scope: Scope, secret: &str) -> Result<Arc<Token>, RegistryError> {
        if secret.len() < token::MIN_LENGTH || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(RegistryError::Invalid(format!(
                "a token has at least {} characters, without blanks",
                token::MIN_LENGTH
            )));
        }
        // Its name is a part of its hash, so that the same token set again is the same record.
        let id: String = token::hash(secret).chars().take(11).collect();
        self.keep_token(id, label, scope, None, secret).await
    }

    async fn keep_token(
        &self,
        id: String,
        label: &str,
        scope: Scope,
        life: Option<Millis>,
        secret: &str,
    ) -> Result<Arc<Token>, RegistryError> {
        if let Some(source) = scope.sources().iter().find(|source| self.source(source).is_none()) {
            return Err(RegistryError::Missing(format!("source {source:?}")));
        }
        let created = self.directory.now();
        let expires = life.map(|life| created.saturating_add(life));
        let hash = Digest::of(secret);
        self.store_token(Token { id, label: label.to_owned(), scope, hash, created, expires, revoked: None }).await
    }

    /// Stores a token, and puts it into the place of the one with its id.
    pub(super) async fn store_token(&self, token: Token) -> Result<Arc<Token>, RegistryError> {
        self.put(Table::Tokens, &token.id, &token, When::Always).await?;
        Ok(self.tokens.put(token, &self.usage))
    }

    /// Revokes a token; from now on it opens nothing.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn revoke(&self, id: &str) -> Result<(), RegistryError> {
        let found = self.tokens().into_iter().find(|token| token.id == id);
        let Some(found) = found else { return Err(RegistryError::Missing(format!("token {id:?}"))) };
        let revoked = Token { revoked: found.revoked.or(Some(self.directory.now())), ..(*found).clone() };
        self.store_token(revoked).await.map(drop)
    }

    /// Lets a token live for so long and no longer; 0 revokes it.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn end_token(&self, id: &str, rest: Millis) -> Result<(), RegistryError> {
        if rest == 0 {
            return self.revoke(id).await;
        }
        let found = self.tokens().into_iter().find(|token| token.id == id);
        let Some(found) = found else { return Err(RegistryError::Missing(format!("token {id:?}"))) };
        let end = self.directory.now().saturating_add(rest);
        let ending = Token { expires: Some(found.expires.map_or(end, |before| before.min(end))), ..(*found).clone() };
        self.store_token(ending).await.map(drop)
    }

    /// Who shows a token, when it opens the SCIM endpoint of this source.
    ///
    /// # Errors
    /// Why it does not.
    pub fn opens(&self, given: Option<&str>, source: &str) -> Result<Holder, Refusal> {
        let given = given.ok_or(Refusal::Missing)?;
        let now = self.directory.now();
        if given.starts_with(access::PREFIX) {
            return self.access_opens(given, Some(source), now);
        }
        let opens = |token: &Token| matches!(&token.scope, Scope::Scim { source: own } if own == source);
        Ok(self.tokens.shown(given, now, |token| opens(token).then_some(()))?.0)
    }

    /// Who shows a token to the admin API, and what it may do there.
    ///
    /// # Errors
    /// Why it does not open.
    pub fn grants(&self, given: Option<&str>) -> Result<(Holder, Grant), Refusal> {
        let given = given.ok_or(Refusal::Missing)?;
        let now = self.directory.now();
        if given.starts_with(access::PREFIX) {
            return Err(self.access_opens(given, None, now).err().unwrap_or(Refusal::WrongScope));
        }
        self.tokens.shown(given, now, |token| token.scope.grant())
    }

    /// What the token with this id may do at the admin API, while it is good.
    pub(in crate::server) fn grant_of(&self, id: &str) -> Option<Grant> {
        let now = self.directory.now();
        let tokens = self.tokens.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = &tokens.values().find(|known| known.token.id == id)?.token;
        found.scope.grant().filter(|_| found.is_good(now).is_ok())
    }
}
