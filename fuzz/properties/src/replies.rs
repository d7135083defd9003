//! `wire`, the replies: every one that the library can write, against its documented shape, and every refusal against
//! the table of the module's documentation, written down here once more.
//!
//! The first byte chooses what is asked, the second the policy and the encoding; the next ones are seconds that pass;
//! the rest is the text that a client or the host brings. A reply must be JSON of its shape and nothing else, without a
//! control character, a code that was mailed or an address that was not masked; what it hands out must come back
//! through a body.

use countersign::{
    AuthenticatorId, BindingCode, ChallengeRequest, Denial, Effect, EmailAddress, Policy, Session, Verifier,
    machine::CancelReason,
    wire::{
        AssociateReply, AuthenticatorEntry, ChallengeReply, Endpoint, MfaRequired, TokenBody, TokenGrant,
        TokenReply, refuse, timestamp,
    },
};
use rand::rngs::ChaCha20Rng;
use serde::Serialize;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::fixture::{START, account, client, ring, rng, store, subject};

pub(crate) fn check(kind: u8, data: &[u8]) {
    let [choice, a, b, c, d, text @ ..] = data else { return };
    let policy = [Policy::default(), Policy::auth0(), Policy::strict()][usize::from(choice % 3)].clone();
    let text = String::from_utf8_lossy(text).into_owned();
    let [first, second] = [[*a, *b], [*c, *d]].map(|bytes| i64::from(u16::from_le_bytes(bytes)));
    match kind % 3 {
        0 => refusals(*choice, *a, first),
        1 => tokens(&text, u64::from(*a)),
        _ => journey(policy, &text, [first % 700, second % 700]),
    }
}

/// The reply as a client reads it.
fn read(reply: &impl Serialize) -> Value {
    let bytes = serde_json::to_vec(reply).unwrap();
    // JSON's own control characters (RFC 8259 section 7).
    assert!(bytes.iter().all(|byte| *byte >= 0x20), "a control character in {bytes:?}");
    serde_json::from_slice(&bytes).expect("a reply is JSON")
}

/// Its fields, and no others but those that may be absent.
fn has_shape(reply: &Value, fields: &[&str], may_be: &[&str]) {
    let object = reply.as_object().expect("a reply is an object");
    fields.iter().for_each(|field| assert!(object.contains_key(*field), "{field} is missing in {reply}"));
    for field in object.keys() {
        assert!(fields.contains(&&**field) || may_be.contains(&&**field), "{field} is not of the reply");
    }
}

const WAIT: &str = "Too many failed codes. Wait for some minutes before retrying.";
const AGAIN: &str = "Too many failed codes. Sign in again.";
const ENROLL: &str =
    "User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator.";

/// One row of the table: status, `error`, `error_description`.
fn row(endpoint: Endpoint, denial: &Denial) -> (u16, &'static str, String) {
    let bearer = matches!(endpoint, Endpoint::Associate | Endpoint::Authenticators | Endpoint::Remove);
    let scope = match endpoint {
        Endpoint::Associate => "enroll",
        Endpoint::Authenticators => "read:authenticators",
        Endpoint::Remove => "remove:authenticators",
        Endpoint::Challenge | Endpoint::Token | Endpoint::Otp => "",
    };
    let (status, error, description) = match denial {
        Denial::MalformedToken if bearer => {
            (401, "invalid_grant", "The mfa_token provided is invalid. Try getting a new token.")
        }
        Denial::MalformedToken => (403, "invalid_grant", "Malformed mfa_token"),
        Denial::ExpiredToken if bearer => (401, "expired_token", "mfa_token is expired"),
        Denial::ExpiredToken => (400, "expired_token", "mfa_token is expired"),
        // No bearer's command answers so: what it would be told is that its token is over.
        Denial::TransactionSpent => (if bearer { 401 } else { 400 }, "expired_token", "mfa_token is expired"),
        Denial::WrongClient => (400, "invalid_request", "mfa_token not issued to this client"),
        Denial::ClientRequired => (400, "invalid_request", "Missing required parameter: client_id"),
        Denial::InsufficientScope if bearer => {
            return (403, "insufficient_scope", format!("Insufficient scope, expected: {scope}"));
        }
        Denial::InsufficientScope => (403, "invalid_grant", "Malformed mfa_token"),
        Denial::WrongRecord => (500, "server_error", "Internal error."),
        Denial::AlreadyEnrolled => (403, "access_denied", "User is already enrolled."),
        Denial::AddressInUse => (403, "access_denied", "The email address is already enrolled."),
        Denial::TooManyAuthenticators => (403, "access_denied", "Too many authenticators are enrolled."),
        Denial::NotEnrolled if endpoint == Endpoint::Challenge => (400, "association_required", ENROLL),
        Denial::NotEnrolled => (401, "unsupported_challenge_type", ENROLL),
        Denial::UnsupportedChallengeType => (
            400,
            "unsupported_challenge_type",
            "None of the requested challenge types is available to the user.",
        ),
        Denial::AuthenticatorRequired => {
            (400, "invalid_request", "Missing required parameter: authenticator_id")
        }
        Denial::UnknownAuthenticator if endpoint == Endpoint::Remove => {
            (404, "invalid_authenticator", "The authenticator was not found.")
        }
        Denial::UnknownAuthenticator => (400, "invalid_authenticator", "The authenticator was not found."),
        Denial::AuthenticatorDisabled => (400, "invalid_authenticator", "The authenticator is disabled."),
        Denial::ProvisionedAuthenticator => (
            400,
            "invalid_authenticator",
            "The authenticator stands for a verified address and can't be removed.",
        ),
        Denial::Locked { .. } => (429, "invalid_request", WAIT),
        Denial::TooManyRecoveryAttempts { until: Some(_) } => (429, "invalid_request", WAIT),
        Denial::TooManyRecoveryAttempts { until: None } => (403, "access_denied", AGAIN),
        Denial::AttemptsExhausted => (403, "access_denied", AGAIN),
        Denial::TooManySends { .. } => (
            429,
            "invalid_request",
            "Too many emails sent by the user. Wait for some minutes before retrying.",
        ),
        Denial::CoolingDown { .. } => {
            (429, "invalid_request", "An email was sent a moment ago. Wait for some seconds before retrying.")
        }
        Denial::MalformedOobCode => (403, "invalid_grant", "Malformed oob_code"),
        Denial::ForeignOobCode => (400, "invalid_request", "The oob_code doesn't match the mfa_token"),
        Denial::ExpiredOobCode | Denial::OobCodeUsed | Denial::ChallengeCancelled(_) => {
            (403, "expired_token", "oob_code is expired")
        }
        Denial::InvalidOtpCode { .. } => (403, "invalid_grant", "Invalid otp_code."),
        Denial::MalformedCode if endpoint == Endpoint::Otp => (403, "invalid_grant", "Invalid otp_code."),
        Denial::MalformedCode | Denial::InvalidBindingCode { .. } => {
            (403, "invalid_grant", "Invalid binding_code.")
        }
        Denial::NoRecoveryCode => (403, "unsupported_challenge_type", "User does not have a recovery-code."),
        Denial::InvalidRecoveryCode => (403, "invalid_grant", "MFA Authorization rejected."),
        other => panic!("unknown denial {other:?}"),
    };
    (status, error, description.to_owned())
}

/// Every denial at every door.
fn refusals(which: u8, door: u8, seconds: i64) {
    let until = START + Duration::seconds(seconds);
    let attempts_left = which;
    let cause =
        [CancelReason::Requested, CancelReason::Locked, CancelReason::Superseded, CancelReason::Disabled]
            [usize::from(door % 4)];
    let denials = [
        Denial::MalformedToken,
        Denial::ExpiredToken,
        Denial::WrongClient,
        Denial::ClientRequired,
        Denial::InsufficientScope,
        Denial::TransactionSpent,
        Denial::WrongRecord,
        Denial::AlreadyEnrolled,
        Denial::AddressInUse,
        Denial::TooManyAuthenticators,
        Denial::NotEnrolled,
        Denial::UnsupportedChallengeType,
        Denial::AuthenticatorRequired,
        Denial::UnknownAuthenticator,
        Denial::AuthenticatorDisabled,
        Denial::ProvisionedAuthenticator,
        Denial::Locked { until },
        Denial::TooManySends { until },
        Denial::CoolingDown { until },
        Denial::AttemptsExhausted,
        Denial::MalformedOobCode,
        Denial::ForeignOobCode,
        Denial::ExpiredOobCode,
        Denial::OobCodeUsed,
        Denial::ChallengeCancelled(cause),
        Denial::MalformedCode,
        Denial::InvalidBindingCode { attempts_left },
        Denial::InvalidOtpCode { attempts_left },
        Denial::NoRecoveryCode,
        Denial::InvalidRecoveryCode,
        Denial::TooManyRecoveryAttempts { until: None },
        Denial::TooManyRecoveryAttempts { until: Some(until) },
    ];
    let denial = denials[usize::from(which) % denials.len()];
    let waits = matches!(
        denial,
        Denial::Locked { .. }
            | Denial::TooManySends { .. }
            | Denial::CoolingDown { .. }
            | Denial::TooManyRecoveryAttempts { until: Some(_) }
    );
    for endpoint in [
        Endpoint::Associate,
        Endpoint::Challenge,
        Endpoint::Token,
        Endpoint::Otp,
        Endpoint::Authenticators,
        Endpoint::Remove,
    ] {
        let refusal = refuse(endpoint, &denial);
        let (status, error, description) = row(endpoint, &denial);
        let body = read(&refusal);
        assert_eq!(
            body,
            json!({ "error": error, "error_description": description }),
            "{denial:?} at {endpoint:?}"
        );
        assert_eq!(refusal.status, status, "the status of {denial:?} at {endpoint:?}");
        assert_eq!(refusal.retry_at, waits.then_some(until), "the Retry-After of {denial:?}");
    }
}

/// What the host issued, whatever characters are in it, comes through as it is.
fn tokens(text: &str, expires_in: u64) {
    let half = text.char_indices().map(|(place, _)| place).nth(text.chars().count() / 2).unwrap_or(0);
    let (token, scope) = text.split_at(half);
    let code = countersign::code::RecoveryCode::parse(text).ok();
    let id_token = (expires_in % 2 == 1).then(|| scope.to_owned());
    let reply = TokenReply::new(token.into(), expires_in, scope)
        .with_id_token(id_token.clone().map(Into::into))
        .with_recovery_code(code.as_ref());
    let mut expected = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": expires_in, "scope": scope,
    });
    if let Some(id_token) = id_token {
        expected["id_token"] = Value::from(id_token);
    }
    if let Some(code) = &code {
        expected["recovery_code"] = Value::from(code.expose());
    }
    assert_eq!(read(&reply), expected);
}

/// An instant in RFC 3339 reads as that instant, to the millisecond.
fn reads_as(text: &Value, instant: OffsetDateTime) {
    let text = text.as_str().expect("an instant is a text");
    let number = |from: usize, to: usize| text[from..to].parse::<i32>().expect("digits");
    let marks: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    assert_eq!((text.len(), marks.as_str()), (24, "--T::.Z"), "{text}");
    let small = |from: usize, to: usize| u8::try_from(number(from, to)).unwrap();
    let date = time::Date::from_calendar_date(number(0, 4), small(5, 7).try_into().unwrap(), small(8, 10));
    let millis = u16::try_from(number(20, 23)).unwrap();
    let time = time::Time::from_hms_milli(small(11, 13), small(14, 16), small(17, 19), millis);
    let read = date.unwrap().with_time(time.unwrap()).assume_utc();
    assert_eq!(read.unix_timestamp_nanos() / 1_000_000, instant.unix_timestamp_nanos() / 1_000_000);
}

/// A client's way through an enrollment and a login, each answer of which becomes a reply and goes on through a body.
struct Client {
    verifier: Verifier,
    rng: ChaCha20Rng,
    record: countersign::Account,
    now: OffsetDateTime,
    address: EmailAddress,
}

impl Client {
    fn login(&mut self) -> (String, Session) {
        let countersign::Begun { token, requirements, .. } =
            crate::fixture::begin(&self.verifier, &self.record, self.now, &mut self.rng);
        let reply = read(&MfaRequired::new(&token, &requirements));
        let (field, kinds) = if requirements.enrolled {
            ("challenge", &requirements.challenge)
        } else {
            ("enroll", &requirements.enroll)
        };
        let kinds: Vec<Value> =
            kinds.iter().map(|kind| json!({ "type": wire_type(kind.as_str()) })).collect();
        let expected = json!({
            "error": "mfa_required",
            "error_description": "Multifactor authentication required",
            "mfa_token": token.expose(),
            "mfa_requirements": { field: kinds },
        });
        assert_eq!(reply, expected);
        assert_eq!(MfaRequired::STATUS, 403);
        let text = reply["mfa_token"].as_str().unwrap().to_owned();
        let session = self.verifier.open(&text, Some(&client()), self.now).expect("its own token opens");
        (text, session)
    }

    /// No reply may hold what only the mailbox or the host may see.
    fn is_clean(&self, reply: &Value, code: Option<&BindingCode>) {
        let text = reply.to_string();
        assert!(!text.contains(self.address.as_str()), "the address is in {text}");
        let values = reply.as_object().into_iter().flat_map(|object| object.values());
        let mut shown = values.filter_map(Value::as_str);
        assert!(code.is_none_or(|code| !shown.any(|shown| shown == code.expose())), "the code is in {text}");
    }

    /// What a reply says of the times: rounded down for the code's life, up for the next message.
    fn says_when(&self, reply: &Value, expires: OffsetDateTime, sent_at: Option<OffsetDateTime>) {
        let life = (expires - self.now).whole_milliseconds() / 1_000;
        assert_eq!(reply["expires_in"].as_i64().map(i128::from), Some(life), "how long a code lives");
        let cool_down = self.verifier.policy().settings().cool_down;
        let wait = sent_at.map_or(cool_down, |sent_at| sent_at + cool_down - self.now).whole_milliseconds();
        let wait = u64::try_from((wait + 999) / 1_000).unwrap();
        assert_eq!(reply.get("resend_in").and_then(Value::as_u64), (wait > 0).then_some(wait));
    }

    fn mailed(effects: &[Effect]) -> Option<BindingCode> {
        effects.iter().find_map(|effect| match effect {
            Effect::Send(mail) => mail.content.code().cloned(),
            _ => None,
        })
    }

    /// A reply's handle comes back through a body, in either encoding, as it was.
    fn through_a_body(&self, token: &str, session: &Session, reply: &Value, code: &BindingCode) -> String {
        let pairs = [
            ("grant_type", "http://auth0.com/oauth/grant-type/mfa-oob"),
            ("mfa_token", token),
            ("oob_code", reply["oob_code"].as_str().unwrap()),
            ("binding_code", code.expose()),
        ];
        let object: serde_json::Map<String, Value> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        let bodies: [TokenBody; 2] = [
            serde_json::from_value(Value::Object(object)).unwrap(),
            serde_urlencoded::from_str(&serde_urlencoded::to_string(pairs).unwrap()).unwrap(),
        ];
        for body in bodies {
            let Ok(TokenGrant::Oob { mfa_token, oob_code, binding_code }) = body.grant() else {
                panic!("the grant is complete")
            };
            let read = [mfa_token, oob_code, binding_code].map(|parameter| parameter.expose().to_owned());
            assert_eq!(read, [token, pairs[2].1, pairs[3].1]);
            assert!(self.verifier.open_oob_code(session, oob_code.expose()).is_ok());
        }
        pairs[2].1.to_owned()
    }

    /// Asks twice, some time apart, and gives the second reply's handle with the code that was mailed last.
    fn associate(&mut self, token: &str, session: &Session, apart: i64) -> Option<(String, BindingCode)> {
        let mut sent: Option<(OffsetDateTime, BindingCode)> = None;
        let mut last = None;
        for pass in [0, apart] {
            self.now += Duration::milliseconds(pass * 1_000 + i64::from(pass > 0) * 7);
            let (record, to) = (self.record.clone(), self.address.clone());
            let step = self.verifier.associate(
                session,
                record,
                &to.into(),
                self.now,
                &crate::fixture::entropy(&mut self.rng),
            );
            let outcome = store(&mut self.record, step);
            let (result, effects) = outcome.into_parts();
            let Ok(answer) = result else { return None };
            let mailed = Self::mailed(&effects);
            let sent_at = if mailed.is_some() { None } else { sent.as_ref().map(|(at, _)| *at) };
            if let Some(code) = mailed {
                sent = Some((self.now, code));
            }
            let reply = read(&AssociateReply::new(&answer, self.verifier.policy(), self.now));
            let fields = ["authenticator_type", "binding_method", "oob_channel", "oob_code", "expires_in"];
            has_shape(&reply, &fields, &["recovery_codes", "resend_in"]);
            let fixed =
                ["authenticator_type", "binding_method", "oob_channel"].map(|field| reply[field].clone());
            assert_eq!(fixed, ["oob", "prompt", "email"].map(Value::from));
            let codes = reply.get("recovery_codes").map(|codes| codes.as_array().unwrap().clone());
            let settings = self.verifier.policy().settings();
            let count =
                crate::fixture::email_authenticates(settings).then_some(usize::from(settings.recovery_codes));
            assert_eq!(codes.as_ref().map(Vec::len), count, "the recovery codes are shown once, together");
            for code in codes.into_iter().flatten() {
                let code = code.as_str().unwrap().to_owned();
                assert_eq!(countersign::code::RecoveryCode::parse(&code).unwrap().expose(), code);
            }
            let code = &sent.as_ref().expect("the first one sends").1;
            self.is_clean(&reply, Some(code));
            self.says_when(&reply, answer.expires, sent_at);
            last = Some((self.through_a_body(token, session, &reply, code), code.clone()));
        }
        last
    }

    fn challenge(&mut self, token: &str, session: &Session) -> Option<(String, BindingCode)> {
        let request = ChallengeRequest::default();
        let record = self.record.clone();
        let step = self.verifier.challenge(
            session,
            record,
            &request,
            self.now,
            &crate::fixture::entropy(&mut self.rng),
        );
        let outcome = store(&mut self.record, step);
        let (result, effects) = outcome.into_parts();
        let Ok(answer) = result else { return None };
        let code = Self::mailed(&effects)?;
        let reply = read(&ChallengeReply::new(&answer, self.verifier.policy(), self.now));
        has_shape(&reply, &["challenge_type", "oob_code", "binding_method", "expires_in"], &["resend_in"]);
        assert_eq!([&reply["challenge_type"], &reply["binding_method"]], ["oob", "prompt"]);
        self.is_clean(&reply, Some(&code));
        self.says_when(&reply, answer.expires, None);
        Some((self.through_a_body(token, session, &reply, &code), code))
    }

    fn answer(&mut self, session: &Session, (oob_code, code): &(String, BindingCode)) -> bool {
        let handle = self.verifier.open_oob_code(session, oob_code).unwrap();
        let step = self.verifier.verify_oob(session, self.record.clone(), &handle, code, self.now, None);
        store(&mut self.record, step).into_parts().0.is_ok_and(|verification| verification.completed)
    }

    fn list(&self, session: &Session) {
        let Ok(views) = self.verifier.authenticators(session, &self.record, self.now) else { return };
        for view in &views {
            let entry = read(&AuthenticatorEntry::new(view));
            let fields = ["id", "authenticator_type", "active", "type"];
            has_shape(&entry, &fields, &["oob_channel", "oob_channels", "name", "created_at", "last_auth"]);
            self.is_clean(&entry, None);
            let id = entry["id"].as_str().unwrap();
            assert_eq!(id.parse::<AuthenticatorId>().unwrap(), view.id);
            let kind = id.split('|').next().unwrap();
            assert_eq!(entry["type"], wire_type(kind));
            let Some(known) = self.record.authenticators().iter().find(|known| known.id() == view.id) else {
                assert_eq!((kind, &entry["authenticator_type"]), ("recovery-code", &json!("recovery-code")));
                assert_eq!(entry.as_object().unwrap().len(), fields.len(), "nothing more of recovery codes");
                continue;
            };
            let enrollment = serde_json::to_value(known.enrollment()).unwrap();
            assert_eq!(entry["active"], enrollment == "active", "active is active alone");
            assert_eq!(
                (&entry["authenticator_type"], &entry["oob_channel"]),
                (&json!("oob"), &json!("email"))
            );
            assert_eq!(entry["oob_channels"], json!(["email"]));
            assert_eq!(entry["name"], masked(self.address.as_str()), "the masked address");
            reads_as(&entry["created_at"], known.created());
            match known.last_used() {
                Some(used) => reads_as(&entry["last_auth"], used),
                None => assert!(entry.get("last_auth").is_none()),
            }
        }
    }
}

/// What clients call a kind: they do not tell apps from devices.
fn wire_type(kind: &str) -> &str {
    if matches!(kind, "totp" | "hotp") { "otp" } else { kind }
}

/// Four characters of each side stay; a local part of four or fewer shows none.
fn masked(address: &str) -> String {
    let (local, domain) = address.split_once('@').unwrap();
    let hide = |part: &str, shown: usize| {
        part.chars().enumerate().map(|(place, c)| if place < shown { c } else { '*' }).collect::<String>()
    };
    let shown = if local.chars().count() > 4 { 4 } else { 0 };
    format!("{}@{}", hide(local, shown), hide(domain, 4))
}

fn journey(policy: Policy, text: &str, [apart, after]: [i64; 2]) {
    // One whose masked form is the address itself hides nothing: there is nothing to look for then.
    let address =
        EmailAddress::parse(text).ok().filter(|address| masked(address.as_str()) != address.as_str());
    let address = address.unwrap_or_else(|| EmailAddress::parse("somebody@example.com").unwrap());
    let mut player = Client {
        verifier: Verifier::new(ring("fuzz"), policy),
        rng: rng(11),
        record: account(&subject()),
        now: START,
        address,
    };
    reads_as(&Value::from(timestamp(player.now)), player.now);
    let (token, session) = player.login();
    let Some(given) = player.associate(&token, &session, apart) else { return };
    player.list(&session);
    player.answer(&session, &given);
    player.list(&session);
    let requirements = player.verifier.requirements(&session, &player.record, player.now);
    assert_eq!(read(&MfaRequired::with_token(&token, &requirements))["mfa_token"], token);
    player.now += Duration::seconds(after);
    let (token, session) = player.login();
    let Some(given) = player.challenge(&token, &session) else { return };
    let wrong = if given.1.expose().starts_with('0') { '1' } else { '0' };
    let wrong = BindingCode::parse(&format!("{wrong}{}", &given.1.expose()[1..])).unwrap();
    assert!(!player.answer(&session, &(given.0.clone(), wrong)));
    assert!(player.answer(&session, &given), "what went through a body is right");
    player.list(&session);
}
