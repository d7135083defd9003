//! Clients, and what each was registered for: grants, audiences, scopes, and the origins of its pages.
//!
//! What is not registered is refused (RFC 9700 section 2.3). A client's id is never an audience, so that a token for
//! one is never taken for a token for the other. This module must never widen what an administrator registered.

mod audience;
mod grant;
mod origin;
mod scope;

use std::str::FromStr;

use aws_lc_rs::constant_time;

pub(crate) use self::{
    audience::AudienceUri,
    grant::{GRANT_PASSWORD_REALM, Grant},
    origin::Origin,
    scope::ScopeWord,
};
use crate::{audit::ClientCheck, first_factor::secret_hash};

/// The most entries of one list.
const MAX_ENTRIES: usize = 64;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Client {
    pub(crate) client_id: String,
    /// SHA-256 of the secret; nothing for a public client (RFC 6749 section 2.1).
    pub(crate) secret_hash: Option<Vec<u8>>,
    /// How it may ask for tokens.
    pub(crate) grants: Vec<Grant>,
    /// The APIs that it may ask for a token for, beside this server's own.
    pub(crate) audiences: Vec<AudienceUri>,
    /// The words that may be in a scope that it asks for, whatever the audience.
    pub(crate) scopes: Vec<ScopeWord>,
    /// Where its pages come from: the only ones whose scripts may read what is answered to it.
    pub(crate) origins: Vec<Origin>,
}

impl Client {
    /// Whether the client proved itself. A public one needs no secret and has none to be right; an empty one is the
    /// same as none (RFC 6749 section 2.3.1).
    pub(crate) fn check_secret(&self, secret: Option<&str>) -> ClientCheck {
        match (&self.secret_hash, secret.filter(|secret| !secret.is_empty())) {
            (None, None) => ClientCheck::Accepted,
            (Some(stored), Some(secret)) => {
                match constant_time::verify_slices_are_equal(stored, &secret_hash(secret)) {
                    Ok(()) => ClientCheck::Accepted,
                    Err(_) => ClientCheck::WrongSecret,
                }
            }
            (None, Some(_)) => ClientCheck::UnexpectedSecret,
            (Some(_), None) => ClientCheck::MissingSecret,
        }
    }

    /// The same as a yes or no.
    pub(crate) fn accepts(&self, secret: Option<&str>) -> bool {
        self.check_secret(secret) == ClientCheck::Accepted
    }

    /// Whether it keeps no secret.
    pub(crate) const fn is_public(&self) -> bool {
        self.secret_hash.is_none()
    }

    pub(crate) fn may_use(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether a token for this API may be asked for. Only the text as it was registered is the API's name.
    pub(crate) fn may_reach(&self, audience: &str) -> bool {
        self.audiences.iter().any(|known| known.as_str() == audience)
    }

    pub(crate) fn may_have(&self, word: &str) -> bool {
        self.scopes.iter().any(|known| known.as_str() == word)
    }

    /// What is wrong with the registration as a whole, beside those that are there already.
    pub(crate) fn check(&self, others: &[Self]) -> Result<(), String> {
        countersign::session::ClientId::new(&self.client_id).map_err(|error| error.to_string())?;
        if self.client_id.parse::<AudienceUri>().is_ok() {
            return Err(format!(
                "the client id {:?} is an absolute URI, which is how an audience is named: choose a plain name",
                self.client_id
            ));
        }
        for other in others.iter().filter(|other| other.client_id != self.client_id) {
            if self.may_reach(&other.client_id) {
                return Err(format!(
                    "the audience {:?} is the id of a client: an id_token for that client could be taken for an access token",
                    other.client_id
                ));
            }
        }
        let longest = [self.grants.len(), self.audiences.len(), self.scopes.len(), self.origins.len()];
        if longest.into_iter().any(|entries| entries > MAX_ENTRIES) {
            return Err(format!(
                "a client has at most {MAX_ENTRIES} grants, audiences, scopes and origins each"
            ));
        }
        Ok(())
    }
}

/// A list as it is stored: a space stands between two entries, and none has one.
pub(crate) fn to_column<T: AsRef<str>>(entries: &[T]) -> String {
    entries.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
}

/// A list as it was stored.
pub(crate) fn from_column<T: FromStr<Err = String>>(column: &str) -> Result<Vec<T>, String> {
    column.split(' ').filter(|entry| !entry.is_empty()).map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(client_id: &str) -> Client {
        Client {
            client_id: client_id.to_owned(),
            secret_hash: None,
            grants: vec![Grant::Password],
            audiences: Vec::new(),
            scopes: Vec::new(),
            origins: Vec::new(),
        }
    }

    #[test]
    fn an_empty_secret_is_none() {
        let public = client("app");
        assert!(public.accepts(None) && public.accepts(Some("")) && !public.accepts(Some("x")));
        let confidential = Client { secret_hash: Some(secret_hash("s")), ..public };
        assert!(confidential.accepts(Some("s")));
        assert!(!confidential.accepts(None) && !confidential.accepts(Some("")));
        let empty = Client { secret_hash: Some(secret_hash("")), ..confidential };
        assert!(!empty.accepts(None) && !empty.accepts(Some("")));
    }

    #[test]
    fn a_clients_id_and_an_audience_are_never_the_same_text() -> Result<(), String> {
        assert!(client("https://api.example/").check(&[]).is_err());
        assert!(client("urn:example:api").check(&[]).is_err());
        assert!(client("").check(&[]).is_err());
        client("a client:with%odd+name").check(&[])?;
        // A client from before may be named like a URI. No other gets a token for it.
        let reaching = Client { audiences: vec!["https://old.example/".parse()?], ..client("new") };
        reaching.check(&[client("older")])?;
        assert!(reaching.check(&[client("https://old.example/")]).is_err());
        Ok(())
    }

    #[test]
    fn lists_are_read_as_they_were_stored() -> Result<(), String> {
        let grants = vec![Grant::Password, Grant::MfaOob];
        assert_eq!(from_column::<Grant>(&to_column(&grants))?, grants);
        assert_eq!(from_column::<Grant>("")?, []);
        assert!(from_column::<Grant>("password nonsense").is_err());
        Ok(())
    }
}
