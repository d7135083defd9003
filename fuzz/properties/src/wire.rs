//! `wire`: request bodies in JSON and as forms, against a second reading of the same bytes as plain pairs; with a first
//! byte from 0x80 on headers (`headers.rs`), from 0xc0 on replies (`replies.rs`).
//!
//! The first byte chooses the body and the encoding; the rest is the body. Which bodies are readable, what each
//! parameter then says and which refusals may follow is computed here anew from the module's documentation.

use std::{borrow::Cow, fmt};

use countersign::{
    AuthenticatorId, EmailAddress,
    factor::AuthenticatorName,
    wire::{
        AssociateBody, AssociateFactor, AuthenticatorUpdate, ChallengeBody, Parameter, Refusal, TokenBody,
        TokenGrant, UpdateBody,
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::Value;

use crate::allocations::bounded;

/// serde_json and the form reader keep a copy or two, and a list of short texts weighs more than its spelling.
const BOUND: (usize, usize) = (16, 16_384);

const TOKEN: [&str; 15] = [
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "audience",
    "scope",
    "username",
    "password",
    "mfa_token",
    "oob_code",
    "binding_code",
    "otp",
    "authenticator_id",
    "recovery_code",
    "device_token",
];
const TOKEN_FLAGS: [&str; 1] = ["remember_device"];
const CHALLENGE: [&str; 7] = [
    "client_id",
    "client_secret",
    "client_assertion",
    "mfa_token",
    "challenge_type",
    "authenticator_id",
    "device_token",
];
const ASSOCIATE: [&str; 5] = ["client_id", "client_secret", "client_assertion", "email", "name"];

pub fn check(data: &[u8]) {
    let [kind, body @ ..] = data else { return };
    match kind {
        0xc0.. => return crate::replies::check(kind - 0xc0, body),
        0x80.. => return crate::headers::check(kind - 0x80, body),
        _ => {}
    }
    let form = kind & 1 == 1;
    match (kind >> 1) % 4 {
        0 => token(body, form),
        1 => challenge(body, form),
        2 => associate(body, form),
        _ => update(body, form),
    }
}

/// The body as names and values in order, repeated names and all.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// One side of a pair of a form: `+` is a space, `%` and two hexadecimal digits a byte, what is no UTF-8 a replacement
/// character.
pub(crate) fn decoded(part: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut rest = part;
    while let [first, after @ ..] = rest {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let (byte, after) = match (first, after) {
            (b'+', _) => (b' ', after),
            (b'%', [high, low, beyond @ ..]) => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => (u8::try_from(16 * high + low).unwrap(), beyond),
                _ => (b'%', after),
            },
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn form_pairs(body: &[u8]) -> Vec<(String, Value)> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(place) => (&pair[..place], &pair[place + 1..]),
                None => (pair, &[][..]),
            };
            (decoded(name), Value::String(decoded(value)))
        })
        .collect()
}

/// The second reading; nothing if the bytes are not even pairs.
fn pairs(body: &[u8], form: bool) -> Option<Vec<(String, Value)>> {
    if form {
        Some(form_pairs(body))
    } else {
        serde_json::from_slice::<Pairs>(body).ok().map(|pairs| pairs.0)
    }
}

fn read<T: DeserializeOwned>(body: &[u8], form: bool) -> Option<T> {
    bounded(body.len(), BOUND, || {
        if form { serde_urlencoded::from_bytes(body).ok() } else { serde_json::from_slice(body).ok() }
    })
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() <= 4_096)
}

/// A flag: whether it is set, if it is one.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::Bool(set) => Some(*set),
        Value::String(text) => match text.as_str() {
            "true" => Some(true),
            "false" | "" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The parameters of a body, by what each may be.
#[derive(Clone, Copy)]
struct Kinds<'a> {
    texts: &'a [&'a str],
    lists: &'a [(&'a str, &'a str)],
    flags: &'a [&'a str],
}

/// Whether a body with these pairs can be read.
fn readable(pairs: &[(String, Value)], Kinds { texts, lists, flags }: Kinds<'_>) -> bool {
    let count = |names: &[&str]| pairs.iter().filter(|(name, _)| names.contains(&name.as_str())).count();
    texts.iter().chain(flags).all(|name| count(&[name]) <= 1)
        && lists.iter().all(|(name, alias)| count(&[name, alias]) <= 1)
        && pairs.iter().all(|(name, value)| {
            if texts.contains(&name.as_str()) {
                value.is_null() || is_text(value)
            } else if lists.iter().any(|(list, alias)| name == list || name == alias) {
                let entries =
                    value.as_array().is_some_and(|list| list.len() <= 16 && list.iter().all(is_text));
                value.is_null() || entries
            } else if flags.contains(&name.as_str()) {
                flag(value).is_some()
            } else {
                true
            }
        })
}

/// What a parameter says: absent, `null` and empty are one.
fn said<'a>(pairs: &'a [(String, Value)], name: &str) -> Option<&'a str> {
    let (_, value) = pairs.iter().find(|(known, _)| known == name)?;
    value.as_str().filter(|text| !text.is_empty())
}

/// A flag that was given.
fn flag_of(pairs: &[(String, Value)], name: &str) -> Option<bool> {
    pairs.iter().find(|(known, _)| known == name).and_then(|(_, value)| flag(value))
}

/// Whether an authenticator can be called so.
/// Whether a text is what a person may call an authenticator; none if that depends on what a character shows.
fn is_name(text: &str) -> Option<bool> {
    if !(1..=128).contains(&text.len()) || text.chars().any(char::is_control) {
        return Some(false);
    }
    let shows_nothing = |c: char| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}');
    match text.chars().any(|c| c.is_ascii_graphic()) {
        true => Some(true),
        false => text.chars().all(shows_nothing).then_some(false),
    }
}

fn text(parameter: Option<&Parameter>) -> Option<&str> {
    parameter.map(Parameter::expose)
}

/// Compares a body with the second reading, and gives that if both could read it.
fn agree(body: &[u8], form: bool, was_read: bool, kinds: Kinds<'_>) -> Option<Vec<(String, Value)>> {
    match pairs(body, form) {
        Some(pairs) => {
            assert_eq!(was_read, readable(&pairs, kinds), "{pairs:?}");
            was_read.then_some(pairs)
        }
        // A value in a field that nobody reads may be one that the second reading can't hold, such as 1e999.
        None => None,
    }
}

/// A refusal is a 400 of the table, and its body is two texts.
fn documented(refusal: &Refusal, errors: &[&str]) {
    assert_eq!(refusal.status, 400);
    assert!(errors.contains(&refusal.error), "{refusal}");
    assert_eq!(refusal.retry_at, None);
    let body = serde_json::to_value(refusal).unwrap();
    let expected = serde_json::json!({
        "error": refusal.error, "error_description": Cow::as_ref(&refusal.error_description),
    });
    assert_eq!(body, expected);
}

/// Writes texts down again in both encodings.
fn rendered(pairs: &[(&str, Option<&str>)]) -> [(Vec<u8>, bool); 2] {
    let given: Vec<(&str, &str)> = pairs.iter().filter_map(|(name, text)| Some((*name, (*text)?))).collect();
    let object: serde_json::Map<String, Value> =
        given.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text))).collect();
    [
        (serde_json::to_vec(&object).unwrap(), false),
        (serde_urlencoded::to_string(&given).unwrap().into_bytes(), true),
    ]
}

fn token_texts(body: &TokenBody) -> [(&'static str, Option<&str>); 15] {
    let values = [
        &body.grant_type,
        &body.client_id,
        &body.client_secret,
        &body.client_assertion,
        &body.audience,
        &body.scope,
        &body.username,
        &body.password,
        &body.mfa_token,
        &body.oob_code,
        &body.binding_code,
        &body.otp,
        &body.authenticator_id,
        &body.recovery_code,
        &body.device_token,
    ];
    std::array::from_fn(|place| (TOKEN[place], text(values[place].as_ref())))
}

fn token(body: &[u8], form: bool) {
    let given = read::<TokenBody>(body, form);
    let kinds = Kinds { texts: &TOKEN, lists: &[], flags: &TOKEN_FLAGS };
    let pairs = agree(body, form, given.is_some(), kinds);
    let Some(given) = given else { return };
    let texts = token_texts(&given);
    assert!(texts.iter().all(|(_, text)| text.is_none_or(|text| (1..=4_096).contains(&text.len()))));
    if let Some(pairs) = &pairs {
        texts.iter().for_each(|(name, text)| assert_eq!(*text, said(pairs, name), "{name}"));
        assert_eq!(given.remember_device, flag_of(pairs, "remember_device") == Some(true));
    }
    for (again, form) in rendered(&texts) {
        let again = read::<TokenBody>(&again, form).expect("what is rendered can be read");
        assert_eq!(token_texts(&again), texts);
    }
    let client = given.client();
    assert_eq!(text(client.client_id.as_ref()), text(given.client_id.as_ref()));
    assert_eq!(text(client.client_secret.as_ref()), text(given.client_secret.as_ref()));
    assert_eq!(client.has_assertion, given.client_assertion.is_some());
    let of = |name: &str| texts.iter().find(|(known, _)| *known == name).and_then(|(_, text)| *text);
    let needs: Option<&[&str]> = match of("grant_type") {
        Some("password") => Some(&["username", "password"]),
        Some("http://auth0.com/oauth/grant-type/mfa-oob") => Some(&["mfa_token", "oob_code", "binding_code"]),
        Some("http://auth0.com/oauth/grant-type/mfa-otp") => Some(&["mfa_token", "otp"]),
        Some("http://auth0.com/oauth/grant-type/mfa-recovery-code") => Some(&["mfa_token", "recovery_code"]),
        Some("urn:countersign:grant-type:mfa-device") => Some(&["mfa_token"]),
        _ => None,
    };
    let presented: Vec<&str> = match given.grant() {
        Ok(TokenGrant::Password { username, password }) => vec![username.expose(), password.expose()],
        Ok(TokenGrant::Oob { mfa_token, oob_code, binding_code }) => {
            vec![mfa_token.expose(), oob_code.expose(), binding_code.expose()]
        }
        Ok(TokenGrant::Otp { mfa_token, otp, authenticator }) => {
            assert_eq!(authenticator.map(|id| id.to_string()).as_deref(), of("authenticator_id"));
            vec![mfa_token.expose(), otp.expose()]
        }
        Ok(TokenGrant::RecoveryCode { mfa_token, recovery_code }) => {
            vec![mfa_token.expose(), recovery_code.expose()]
        }
        Ok(TokenGrant::Device { mfa_token }) => vec![mfa_token.expose()],
        Ok(other) => panic!("unknown grant {other:?}"),
        Err(refusal) => {
            documented(&refusal, &["invalid_request", "invalid_authenticator", "unsupported_grant_type"]);
            let missing = match (of("grant_type"), needs) {
                (None, _) => Some("grant_type"),
                (Some(_), None) => None,
                (Some(_), Some(needs)) => needs.iter().copied().find(|name| of(name).is_none()),
            };
            match missing {
                Some(name) => {
                    assert_eq!(refusal.error_description, format!("Missing required parameter: {name}"))
                }
                None if needs.is_some() => {
                    let id = of("authenticator_id").expect("it is what was wrong");
                    assert!(id.parse::<AuthenticatorId>().is_err());
                    assert_eq!(refusal.error, "invalid_authenticator");
                    assert_eq!(needs, Some(&["mfa_token", "otp"][..]));
                }
                None => assert_eq!(refusal.error, "unsupported_grant_type"),
            }
            return;
        }
    };
    let expected: Vec<&str> = needs.unwrap().iter().map(|name| of(name).unwrap()).collect();
    assert_eq!(presented, expected);
}

fn challenge(body: &[u8], form: bool) {
    let given = read::<ChallengeBody>(body, form);
    let kinds = Kinds { texts: &CHALLENGE, lists: &[], flags: &[] };
    let pairs = agree(body, form, given.is_some(), kinds);
    let Some(given) = given else { return };
    let texts = |body: &ChallengeBody| {
        let values = [
            &body.client_id,
            &body.client_secret,
            &body.client_assertion,
            &body.mfa_token,
            &body.challenge_type,
            &body.authenticator_id,
            &body.device_token,
        ];
        values.map(|value| text(value.as_ref()).map(str::to_owned))
    };
    let own = texts(&given);
    if let Some(pairs) = &pairs {
        CHALLENGE.iter().zip(&own).for_each(|(name, own)| assert_eq!(own.as_deref(), said(pairs, name)));
    }
    let named: Vec<_> = CHALLENGE.iter().zip(&own).map(|(name, own)| (*name, own.as_deref())).collect();
    for (again, form) in rendered(&named) {
        assert_eq!(texts(&read::<ChallengeBody>(&again, form).expect("it can be read")), own);
    }
    match given.mfa_token() {
        Ok(token) => assert_eq!(Some(token.expose()), own[3].as_deref()),
        Err(refusal) => {
            documented(&refusal, &["invalid_request"]);
            assert!(own[3].is_none());
        }
    }
    match given.request() {
        Ok(request) => {
            assert_eq!(request.authenticator.map(|id| id.to_string()), own[5]);
            let words: Vec<&str> = own[4].as_deref().unwrap_or("").split_whitespace().collect();
            assert_eq!(request.types.oob, words.is_empty() || words.contains(&"oob"));
            assert_eq!(request.types.otp, words.is_empty() || words.contains(&"otp"));
        }
        Err(refusal) => {
            documented(&refusal, &["invalid_authenticator"]);
            assert!(own[5].as_deref().unwrap().parse::<AuthenticatorId>().is_err());
        }
    }
}

fn associate(body: &[u8], form: bool) {
    let given = read::<AssociateBody>(body, form);
    let lists = [("authenticator_types", "authentication_types"), ("oob_channels", "oob_channels")];
    let kinds = Kinds { texts: &ASSOCIATE, lists: &lists, flags: &[] };
    let pairs = agree(body, form, given.is_some(), kinds);
    let Some(given) = given else { return };
    let list = |names: [&str; 2]| -> Option<Vec<String>> {
        let (_, value) = pairs.as_ref()?.iter().find(|(name, _)| names.contains(&name.as_str()))?;
        Some(value.as_array()?.iter().map(|entry| entry.as_str().unwrap().to_owned()).collect())
    };
    let exposed =
        |list: &[Parameter]| -> Vec<String> { list.iter().map(|entry| entry.expose().to_owned()).collect() };
    let (types, channels) = (exposed(&given.authenticator_types), exposed(&given.oob_channels));
    assert!(types.len() <= 16 && channels.len() <= 16);
    if let Some(pairs) = &pairs {
        assert_eq!(types, list(["authenticator_types", "authentication_types"]).unwrap_or_default());
        assert_eq!(channels, list(["oob_channels", "oob_channels"]).unwrap_or_default());
        assert_eq!(text(given.email.as_ref()), said(pairs, "email"));
        assert_eq!(text(given.name.as_ref()), said(pairs, "name"));
    }
    match given.name() {
        Ok(name) => {
            let name = name.as_ref().map(AuthenticatorName::as_str);
            assert_eq!(name, text(given.name.as_ref()));
            assert_ne!(name.and_then(is_name), Some(false));
        }
        Err(refusal) => {
            documented(&refusal, &["invalid_request"]);
            assert!(text(given.name.as_ref()).is_some_and(|name| is_name(name) != Some(true)));
        }
    }
    let by_message = types.iter().any(|kind| kind == "oob");
    let asks = by_message && channels.iter().any(|channel| channel == "email");
    let by_app = !by_message && types.iter().any(|kind| kind == "otp");
    let email = text(given.email.as_ref()).map(EmailAddress::parse);
    match given.factor() {
        Ok(AssociateFactor::Email(read)) => {
            assert!(asks);
            assert_eq!(read, email.transpose().unwrap());
        }
        Ok(AssociateFactor::Otp) => assert!(by_app),
        Ok(other) => panic!("unknown factor {other:?}"),
        Err(refusal) => {
            documented(&refusal, &["invalid_request"]);
            assert!(!by_app && (!asks || email.is_some_and(|email| email.is_err())));
        }
    }
}

fn update(body: &[u8], form: bool) {
    let given = read::<UpdateBody>(body, form);
    let kinds = Kinds { texts: &["name"], lists: &[], flags: &["preferred"] };
    let pairs = agree(body, form, given.is_some(), kinds);
    let Some(given) = given else { return };
    let name = given.name.as_ref().map(|name| text(name.as_ref()));
    if let Some(pairs) = &pairs {
        let was_given = pairs.iter().any(|(known, _)| known == "name");
        assert_eq!(name, was_given.then(|| said(pairs, "name")), "absent is not empty");
        assert_eq!(given.preferred, flag_of(pairs, "preferred"));
    }
    match (given.update(), name, given.preferred) {
        (Ok(AuthenticatorUpdate::Name(read)), Some(name), None) => {
            assert_eq!(read.as_ref().map(AuthenticatorName::as_str), name);
            assert_ne!(name.and_then(is_name), Some(false));
        }
        (Ok(AuthenticatorUpdate::Preferred(read)), None, Some(preferred)) => assert_eq!(read, preferred),
        (Err(refusal), name, preferred) => {
            documented(&refusal, &["invalid_request"]);
            let one = name.is_some() != preferred.is_some();
            assert!(!one || name.flatten().is_some_and(|name| is_name(name) != Some(true)), "{refusal}");
        }
        (Ok(other), ..) => panic!("not what was asked for: {other:?}"),
    }
}
