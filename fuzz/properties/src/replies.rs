//! `wire`, the replies: every one that the library can write, against its documented shape, and every refusal against
//! the table of the module's documentation, written down here once more.
//!
//! The first byte chooses what is asked, the second the policy and the encoding; the next ones are seconds that pass;
//! the rest is the text that a client or the host brings. A reply must be JSON of its shape and nothing else, without a
//! control character, a code that was mailed or an address that was not masked; what it hands out must come back
//! through a body.

mod refusals;

use std::sync::LazyLock;

use countersign::{
    AuthenticatorId, BindingCode, ChallengeRequest, Denial, Effect, EmailAddress, Policy, Session, Verifier,
    code::DeviceToken,
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
        0 => refusals::refusals(*choice, *a, first),
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

/// A device that is remembered for thirty days.
static DEVICE: LazyLock<DeviceToken> = LazyLock::new(|| {
    let [device, _] = crate::fixture::remembered(&crate::fixture::verifier(Policy::default()), &subject()).1;
    device
});

/// What the host issued, whatever characters are in it, comes through as it is.
fn tokens(text: &str, expires_in: u64) {
    let half = text.char_indices().map(|(place, _)| place).nth(text.chars().count() / 2).unwrap_or(0);
    let (token, scope) = text.split_at(half);
    let code = countersign::code::RecoveryCode::parse(text).ok();
    let id_token = (expires_in % 2 == 1).then(|| scope.to_owned());
    let device = (expires_in % 3 == 1).then_some(&*DEVICE);
    let reply = TokenReply::new(token.into(), expires_in, scope)
        .with_id_token(id_token.clone().map(Into::into))
        .with_recovery_code(code.as_ref())
        .with_device(device, START + Duration::milliseconds(1));
    let mut expected = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": expires_in, "scope": scope,
    });
    if let Some(id_token) = id_token {
        expected["id_token"] = Value::from(id_token);
    }
    if let Some(code) = &code {
        expected["recovery_code"] = Value::from(code.expose());
    }
    if let Some(device) = device {
        expected["device_token"] = Value::from(device.expose());
        // The cookie ends no later than the device is forgotten.
        expected["device_expires_in"] = Value::from(30 * 86_400 - 1);
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
