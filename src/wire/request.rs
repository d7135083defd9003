//! The requests: what each endpoint reads, and what of it a grant cannot do without.

use alloc::vec::Vec;

use core::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    parameter::{Parameter, flag, given_flag, list, optional, replaced},
    refusal::Refusal,
};
use crate::{
    command::challenge::{ChallengeRequest, ChallengeTypes},
    value::{email_address::EmailAddress, id::AuthenticatorId, name::AuthenticatorName},
};

/// The grant type of a password.
pub const GRANT_PASSWORD: &str = "password";
/// The grant type of a binding code.
pub const GRANT_MFA_OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
/// The grant type of a one-time password.
pub const GRANT_MFA_OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
/// The grant type of a recovery code.
pub const GRANT_MFA_RECOVERY_CODE: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

/// The grant type of a remembered device. Auth0 has none: its name is this library's.
pub const GRANT_MFA_DEVICE: &str = "urn:countersign:grant-type:mfa-device";

/// How a client names and proves itself in a body.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// Its name.
    pub client_id: Option<Parameter>,
    /// Its secret.
    pub client_secret: Option<Parameter>,
    /// Whether it presented an assertion, which a host may not know how to check.
    pub has_assertion: bool,
}

impl ClientCredentials {
    fn of(id: &Option<Parameter>, secret: &Option<Parameter>, assertion: &Option<Parameter>) -> Self {
        Self { client_id: id.clone(), client_secret: secret.clone(), has_assertion: assertion.is_some() }
    }
}

/// Declares a body that is read as names and values only: what serde derives would read an array as well, by the order of
/// the fields. The derived form is of a struct that nothing outside can name, so that a body has this one door.
macro_rules! by_name {
    (
        $(#[$attribute:meta])*
        pub struct $body:ident {
            $(#[serde($($serde:tt)*)] pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$attribute])*
        pub struct $body {
            $(pub $field: $type,)*
        }

        impl<'de> Deserialize<'de> for $body {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Default, Deserialize)]
                #[serde(default)]
                struct Fields {
                    $(#[serde($($serde)*)] $field: $type,)*
                }

                struct ByName;

                impl<'de> Visitor<'de> for ByName {
                    type Value = Fields;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("names and values")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fields, A::Error> {
                        Fields::deserialize(MapAccessDeserializer::new(map))
                    }
                }

                let Fields { $($field),* } = deserializer.deserialize_map(ByName)?;
                Ok(Self { $($field),* })
            }
        }
    };
}

by_name! {
    /// `POST /oauth/token`.
    #[derive(Clone, Debug, Default)]
    #[non_exhaustive]
    #[allow(missing_docs, reason = "each is named after its parameter")]
    pub struct TokenBody {
        #[serde(deserialize_with = "optional")]
        pub grant_type: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub client_id: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub client_secret: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub client_assertion: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub audience: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub scope: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub username: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub password: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub mfa_token: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub oob_code: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub binding_code: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub otp: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub authenticator_id: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub recovery_code: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub device_token: Option<Parameter>,
        #[serde(deserialize_with = "flag")]
        pub remember_device: bool,
    }
}

/// What a token request presents, complete.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum TokenGrant<'a> {
    /// A first factor.
    Password {
        /// The user's name.
        username: &'a Parameter,
        /// The password.
        password: &'a Parameter,
    },
    /// A binding code.
    Oob {
        /// The transaction.
        mfa_token: &'a Parameter,
        /// The challenge.
        oob_code: &'a Parameter,
        /// The code.
        binding_code: &'a Parameter,
    },
    /// A one-time password.
    Otp {
        /// The transaction.
        mfa_token: &'a Parameter,
        /// The code.
        otp: &'a Parameter,
        /// The authenticator that made it: an addition, for users who have several.
        authenticator: Option<AuthenticatorId>,
    },
    /// A recovery code.
    RecoveryCode {
        /// The transaction.
        mfa_token: &'a Parameter,
        /// The code.
        recovery_code: &'a Parameter,
    },
    /// A remembered device: its token is in the body, or where else the host looks for it.
    Device {
        /// The transaction.
        mfa_token: &'a Parameter,
    },
}

impl TokenBody {
    /// What is presented, with everything that its grant type needs.
    ///
    /// # Errors
    /// 400 `invalid_request` names what is missing; 400 `invalid_authenticator` if an id is none; 400
    /// `unsupported_grant_type`.
    pub fn grant(&self) -> Result<TokenGrant<'_>, Refusal> {
        let grant_type = required(self.grant_type.as_ref(), "grant_type")?;
        match grant_type.expose() {
            GRANT_PASSWORD => Ok(TokenGrant::Password {
                username: required(self.username.as_ref(), "username")?,
                password: required(self.password.as_ref(), "password")?,
            }),
            GRANT_MFA_OOB => Ok(TokenGrant::Oob {
                mfa_token: required(self.mfa_token.as_ref(), "mfa_token")?,
                oob_code: required(self.oob_code.as_ref(), "oob_code")?,
                binding_code: required(self.binding_code.as_ref(), "binding_code")?,
            }),
            GRANT_MFA_OTP => Ok(TokenGrant::Otp {
                mfa_token: required(self.mfa_token.as_ref(), "mfa_token")?,
                otp: required(self.otp.as_ref(), "otp")?,
                authenticator: authenticator_id(self.authenticator_id.as_ref())?,
            }),
            GRANT_MFA_RECOVERY_CODE => Ok(TokenGrant::RecoveryCode {
                mfa_token: required(self.mfa_token.as_ref(), "mfa_token")?,
                recovery_code: required(self.recovery_code.as_ref(), "recovery_code")?,
            }),
            GRANT_MFA_DEVICE => {
                Ok(TokenGrant::Device { mfa_token: required(self.mfa_token.as_ref(), "mfa_token")? })
            }
            _ => Err(Refusal::unsupported_grant_type()),
        }
    }

    /// How the client names itself.
    #[must_use]
    pub fn client(&self) -> ClientCredentials {
        ClientCredentials::of(&self.client_id, &self.client_secret, &self.client_assertion)
    }
}

by_name! {
    /// `POST /mfa/challenge`.
    #[derive(Clone, Debug, Default)]
    #[non_exhaustive]
    #[allow(missing_docs, reason = "each is named after its parameter")]
    pub struct ChallengeBody {
        #[serde(deserialize_with = "optional")]
        pub client_id: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub client_secret: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub client_assertion: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub mfa_token: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub challenge_type: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub authenticator_id: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub device_token: Option<Parameter>,
    }
}

impl ChallengeBody {
    /// The `mfa_token`.
    ///
    /// # Errors
    /// 400 `invalid_request` if it is missing.
    pub fn mfa_token(&self) -> Result<&Parameter, Refusal> {
        required(self.mfa_token.as_ref(), "mfa_token")
    }

    /// What is asked for.
    ///
    /// # Errors
    /// 400 `invalid_authenticator` if the id is none.
    pub fn request(&self) -> Result<ChallengeRequest, Refusal> {
        let types = self.challenge_type.as_ref();
        Ok(ChallengeRequest {
            types: types.map_or(ChallengeTypes::ANY, |types| ChallengeTypes::parse(types.expose())),
            authenticator: authenticator_id(self.authenticator_id.as_ref())?,
            ..ChallengeRequest::default()
        })
    }

    /// How the client names itself.
    #[must_use]
    pub fn client(&self) -> ClientCredentials {
        ClientCredentials::of(&self.client_id, &self.client_secret, &self.client_assertion)
    }
}

by_name! {
    /// `POST /mfa/associate`.
    #[derive(Clone, Debug, Default)]
    #[non_exhaustive]
    #[allow(missing_docs, reason = "each is named after its parameter")]
    pub struct AssociateBody {
        #[serde(deserialize_with = "optional")]
        pub client_id: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub client_secret: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub client_assertion: Option<Parameter>,
        #[serde(deserialize_with = "list", alias = "authentication_types")]
        pub authenticator_types: Vec<Parameter>,
        #[serde(deserialize_with = "list")]
        pub oob_channels: Vec<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub email: Option<Parameter>,
        #[serde(deserialize_with = "optional")]
        pub name: Option<Parameter>,
    }
}

/// What is to be enrolled.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AssociateFactor {
    /// An email address; the host takes the user's own if none is given.
    Email(Option<EmailAddress>),
    /// An app that shows one-time passwords.
    Otp,
}

impl AssociateBody {
    /// What is to be enrolled. Of several types the one whose codes are sent is taken.
    ///
    /// # Errors
    /// 400 `invalid_request` if it is neither an email address nor an app, or the address is none.
    pub fn factor(&self) -> Result<AssociateFactor, Refusal> {
        if self.authenticator_types.is_empty() {
            return Err(Refusal::missing("authenticator_types"));
        }
        let asks_for = |name| self.authenticator_types.iter().any(|kind| kind.expose() == name);
        if !asks_for("oob") {
            let other = "Only authenticators of the types oob and otp can be enrolled.";
            return if asks_for("otp") {
                Ok(AssociateFactor::Otp)
            } else {
                Err(Refusal::invalid_request(other))
            };
        }
        if self.oob_channels.is_empty() {
            return Err(Refusal::missing("oob_channels"));
        }
        if !self.oob_channels.iter().any(|channel| channel.expose() == "email") {
            return Err(Refusal::invalid_request("Only the channel email can be enrolled."));
        }
        let email = self.email.as_ref().map(|email| EmailAddress::parse(email.expose()));
        let email =
            email.transpose().map_err(|_| Refusal::invalid_request("The email address is invalid."))?;
        Ok(AssociateFactor::Email(email))
    }

    /// What the user calls the authenticator: an addition.
    ///
    /// # Errors
    /// 400 `invalid_request` if it is no name.
    pub fn name(&self) -> Result<Option<AuthenticatorName>, Refusal> {
        authenticator_name(self.name.as_ref())
    }

    /// How the client names itself.
    #[must_use]
    pub fn client(&self) -> ClientCredentials {
        ClientCredentials::of(&self.client_id, &self.client_secret, &self.client_assertion)
    }
}

by_name! {
    /// `PATCH /mfa/authenticators/{id}`: an addition, after Auth0's management API.
    #[derive(Clone, Debug, Default)]
    #[non_exhaustive]
    #[allow(missing_docs, reason = "each is named after its parameter")]
    pub struct UpdateBody {
        #[serde(deserialize_with = "replaced")]
        pub name: Option<Option<Parameter>>,
        #[serde(deserialize_with = "given_flag")]
        pub preferred: Option<bool>,
    }
}

/// What is to change about an authenticator.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AuthenticatorUpdate {
    /// What its user calls it; none takes its name from it.
    Name(Option<AuthenticatorName>),
    /// Whether a challenge that names no authenticator takes it first.
    Preferred(bool),
}

impl UpdateBody {
    /// What is to change. Each change is a step of its own, so one request makes one.
    ///
    /// # Errors
    /// 400 `invalid_request` if not exactly one parameter is given, or the name is none.
    pub fn update(&self) -> Result<AuthenticatorUpdate, Refusal> {
        match (&self.name, self.preferred) {
            (Some(name), None) => authenticator_name(name.as_ref()).map(AuthenticatorUpdate::Name),
            (None, Some(preferred)) => Ok(AuthenticatorUpdate::Preferred(preferred)),
            (Some(_), Some(_)) | (None, None) => Err(Refusal::invalid_request(
                "Exactly one of the parameters name and preferred must be given.",
            )),
        }
    }
}

fn authenticator_name(given: Option<&Parameter>) -> Result<Option<AuthenticatorName>, Refusal> {
    let name = given.map(|name| AuthenticatorName::new(name.expose()));
    let invalid = "The name is longer than 128 bytes or has a control character.";
    name.transpose().map_err(|_| Refusal::invalid_request(invalid))
}

fn authenticator_id(given: Option<&Parameter>) -> Result<Option<AuthenticatorId>, Refusal> {
    let id = given.map(|id| id.expose().parse());
    id.transpose().map_err(|_| Refusal::invalid_authenticator())
}

fn required<'a>(given: Option<&'a Parameter>, name: &'static str) -> Result<&'a Parameter, Refusal> {
    given.ok_or_else(|| Refusal::missing(name))
}
