//! `tokens`: nothing is an `mfa_token`, an `oob_code` or the token of a device but what the very key, context and subject
//! made, to the byte.
//!
//! The oracle is equality: texts are built by the library, changed as the input says, and accepted only if the change
//! came to nothing, or to another valid text. What an accepted text may do is then read off what it was made of.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use countersign::{
    Account, Denial, KeyRing, Policy, Session, Subject, Verifier,
    policy::{Remember, Settings},
    record::Lane,
    session::ClientId,
};
use time::{Duration, OffsetDateTime};

use crate::{
    allocations::bounded,
    fixture::{START, account, address, client, key, remembered, ring, rng, store, subject},
    snapshot::decoded,
};

/// One input, read byte by byte so that seeds can be written down: the kind, the opener, the time, the client, the
/// session, then four bytes an edit; or, after a kind with the bit 2, the raw text.
#[derive(Debug)]
struct Case {
    kind: Kind,
    opener: EnrolledBy,
    /// Seconds after the token was begun.
    at: i16,
    client: Option<bool>,
    other_session: bool,
    edits: Vec<Edit>,
    raw: Option<Vec<u8>>,
}

impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let [kind, opener, low, high, client, session]: [u8; 6] = u.arbitrary()?;
        let mut case = Self {
            kind: match kind & 5 {
                0 => Kind::Token,
                1 => Kind::Handle,
                _ => Kind::Device,
            },
            opener: OPENERS[usize::from(opener) % OPENERS.len()],
            at: i16::from_le_bytes([low, high]),
            client: [None, Some(true), Some(false)][usize::from(client) % 3],
            other_session: session & 1 == 1,
            edits: Vec::new(),
            raw: None,
        };
        if kind & 2 == 2 {
            case.raw = Some(u.bytes(u.len())?.to_vec());
        }
        while u.len() >= 4 && case.edits.len() < 32 {
            case.edits.push(u.arbitrary()?);
        }
        Ok(case)
    }
}

/// What kind of text it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Token,
    Handle,
    Device,
}

/// Who reads it: the maker, or somebody who differs in one thing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum EnrolledBy {
    Maker,
    /// The maker's key was retired when everything had been made.
    Rotated,
    OtherContext,
    OtherSecret,
    /// The maker's key was retired a moment before anything was made.
    Retired,
    OtherSubject,
    /// It holds another key for what lasts.
    OtherDurable,
    /// The same, and the maker's beside it.
    RotatedDurable,
    /// It remembers devices for half as long.
    Shorter,
    /// It remembers none.
    Forgetful,
}

const OPENERS: [EnrolledBy; 10] = [
    EnrolledBy::Maker,
    EnrolledBy::Rotated,
    EnrolledBy::OtherContext,
    EnrolledBy::OtherSecret,
    EnrolledBy::Retired,
    EnrolledBy::OtherSubject,
    EnrolledBy::OtherDurable,
    EnrolledBy::RotatedDurable,
    EnrolledBy::Shorter,
    EnrolledBy::Forgetful,
];

#[derive(Debug, Clone, Copy)]
enum Edit {
    /// Sets one character, by its place from the front.
    Set(u16, u8),
    /// Sets one character, by its place from the back.
    SetBack(u8, u8),
    /// Flips a bit of the value of one symbol.
    Flip(u16, u8),
    Cut(u16),
    Append(u8),
    Prepend(u8),
    Swap(u16, u16),
    /// Takes the front of this one and the back of another valid one.
    Splice(u16),
    /// The other kind of text.
    OtherKind,
    Standard,
    Pad,
}

impl<'a> Arbitrary<'a> for Edit {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let [edit, low, high, byte]: [u8; 4] = u.arbitrary()?;
        let place = u16::from_le_bytes([low, high]);
        Ok(match edit % 11 {
            0 => Self::Set(place, byte),
            1 => Self::SetBack(low, byte),
            2 => Self::Flip(place, byte),
            3 => Self::Cut(place),
            4 => Self::Append(byte),
            5 => Self::Prepend(byte),
            6 => Self::Swap(place, u16::from(byte)),
            7 => Self::Splice(place),
            8 => Self::OtherKind,
            9 => Self::Standard,
            _ => Self::Pad,
        })
    }
}

const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Flips one bit of what a text encodes. Bits that the last symbol does not carry for the bytes are flipped, too: that
/// makes a spelling that is not canonical.
fn flip(text: &mut [u8], place: usize, bit: u8) {
    let length = text.len().max(1);
    let Some(symbol) = text.get_mut(place % length) else { return };
    if let Some(value) = SYMBOLS.iter().position(|known| known == symbol) {
        *symbol = SYMBOLS[value ^ (1 << (bit % 6))];
    }
}

fn edit(text: &mut Vec<u8>, edit: Edit, another: &str, other_kind: &str) {
    let length = text.len().max(1);
    let at = |place: u16| usize::from(place) % length;
    match edit {
        Edit::Set(place, byte) => {
            if let Some(slot) = text.get_mut(at(place)) {
                *slot = byte;
            }
        }
        Edit::SetBack(place, byte) => {
            if let Some(slot) = text.iter_mut().rev().nth(usize::from(place)) {
                *slot = byte;
            }
        }
        Edit::Flip(place, bit) => flip(text, usize::from(place), bit),
        Edit::Cut(keep) => text.truncate(at(keep)),
        Edit::Append(byte) => text.push(byte),
        Edit::Prepend(byte) => text.insert(0, byte),
        Edit::Swap(a, b) if !text.is_empty() => text.swap(at(a), at(b)),
        Edit::Swap(..) => {}
        Edit::Splice(place) => {
            let place = at(place).min(another.len());
            text.truncate(place);
            text.extend(&another.as_bytes()[place..]);
        }
        Edit::OtherKind => *text = other_kind.as_bytes().to_vec(),
        Edit::Standard => text.iter_mut().for_each(|byte| match byte {
            b'-' => *byte = b'+',
            b'_' => *byte = b'/',
            _ => {}
        }),
        Edit::Pad => text.push(b'='),
    }
}

/// Everything that is valid: two tokens, two handles and two remembered devices of one subject.
struct Issued {
    tokens: [String; 2],
    sessions: [Session; 2],
    handles: [String; 2],
    /// The account that remembers the devices.
    record: Account,
    devices: [String; 2],
}

/// Two tokens of a subject, and the sessions that they open.
fn begun(verifier: &Verifier, subject: &Subject) -> ([String; 2], [Session; 2]) {
    let mut rng = rng(3);
    let mut begin =
        || crate::fixture::begin(verifier, &account(subject), START, &mut rng).token.expose().to_owned();
    let tokens = [begin(), begin()];
    let open = |token: &String| verifier.open(token, Some(&client()), START).unwrap();
    let sessions = [open(&tokens[0]), open(&tokens[1])];
    (tokens, sessions)
}

fn issue(verifier: &Verifier, subject: &Subject) -> Issued {
    let (tokens, sessions) = begun(verifier, subject);
    let mut record = account(subject);
    let mut rng = crate::fixture::rng(4);
    let mut associate = |number: u8| {
        let session = &sessions[usize::from(number)];
        let step = verifier.associate(
            session,
            record.clone(),
            &address(number).into(),
            START,
            &crate::fixture::entropy(&mut rng),
        );
        store(&mut record, step).into_parts().0.unwrap().setup.sent().unwrap().oob_code.expose().to_owned()
    };
    let handles = [associate(0), associate(1)];
    let (record, devices) = remembered(verifier, subject);
    let devices = devices.map(|token| token.expose().to_owned());
    Issued { tokens, sessions, handles, record, devices }
}

/// A ring in which the maker's key was in use until this time.
fn retired(at: OffsetDateTime) -> KeyRing {
    let current = KeyRing::new("fuzz", key(0x33), key(0x22)).unwrap();
    current.retired_transient(key(0x11), at).unwrap()
}

fn opener_keys(opener: EnrolledBy) -> KeyRing {
    match opener {
        EnrolledBy::Maker | EnrolledBy::OtherSubject | EnrolledBy::Shorter | EnrolledBy::Forgetful => {
            ring("fuzz")
        }
        EnrolledBy::Rotated => retired(START),
        EnrolledBy::OtherContext => ring("fuzz2"),
        EnrolledBy::OtherSecret => KeyRing::new("fuzz", key(0x33), key(0x22)).unwrap(),
        EnrolledBy::Retired => retired(START - Duration::MILLISECOND),
        EnrolledBy::OtherDurable => KeyRing::new("fuzz", key(0x11), key(0x44)).unwrap(),
        EnrolledBy::RotatedDurable => {
            let current = KeyRing::new("fuzz", key(0x11), key(0x44)).unwrap();
            current.retired_durable(key(0x22)).unwrap()
        }
    }
}

/// How long the maker remembers a device, in seconds.
const REMEMBERED: i64 = 7_200;

/// A policy that remembers devices for so many seconds, or none.
fn remembering(seconds: Option<i64>) -> Policy {
    let mut settings = Settings::default();
    settings.remember = seconds.map(|seconds| Remember::new(Duration::seconds(seconds), true));
    Policy::new(settings).unwrap()
}

/// How long a reader remembers a device.
fn lifetime(opener: EnrolledBy) -> Option<i64> {
    match opener {
        EnrolledBy::Shorter => Some(REMEMBERED / 2),
        EnrolledBy::Forgetful => None,
        _ => Some(REMEMBERED),
    }
}

/// Made once: they are the same every time.
static ISSUED: LazyLock<Issued> = LazyLock::new(|| {
    let maker = Verifier::new(ring("fuzz"), remembering(Some(REMEMBERED)));
    issue(&maker, &subject())
});

pub fn check(data: &[u8]) {
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let issued = &*ISSUED;
    let reader = Verifier::new(opener_keys(case.opener), remembering(lifetime(case.opener)));
    let unknown = [EnrolledBy::OtherContext, EnrolledBy::OtherSecret, EnrolledBy::Retired];
    let knows_the_key = !unknown.contains(&case.opener);
    let (own, another, other_kind) = match case.kind {
        Kind::Token => (&issued.tokens[0], &issued.tokens[1], &issued.handles[0]),
        Kind::Handle => (&issued.handles[0], &issued.handles[1], &issued.tokens[0]),
        Kind::Device => (&issued.devices[0], &issued.devices[1], &issued.handles[0]),
    };
    let mut text = own.as_bytes().to_vec();
    case.edits.iter().for_each(|change| edit(&mut text, *change, another, other_kind));
    if let Some(raw) = &case.raw {
        text.clone_from(raw);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    match case.kind {
        Kind::Token => token(&case, &reader, issued, &text, knows_the_key),
        Kind::Handle => handle(&case, &reader, issued, &text, knows_the_key),
        Kind::Device => device(&case, &reader, issued, &text),
    }
}

fn token(case: &Case, reader: &Verifier, issued: &Issued, text: &str, knows_the_key: bool) {
    let now = START + Duration::seconds(i64::from(case.at));
    let named = case.client.map(|right| if right { client() } else { ClientId::new("client-2").unwrap() });
    let read = bounded(text.len(), (4, 4_096), || reader.open(text, named.as_ref(), now));
    let made = issued.tokens.iter().position(|known| known == text).filter(|_| knows_the_key);
    let expected = match made {
        None => Err(Denial::MalformedToken),
        Some(_) if case.at < -60 => Err(Denial::MalformedToken),
        Some(_) if case.at >= 600 => Err(Denial::ExpiredToken),
        Some(_) if case.client == Some(false) => Err(Denial::WrongClient),
        Some(made) => Ok(&issued.sessions[made]),
    };
    let transaction =
        |read: &Result<Session, Denial>| read.as_ref().map(Session::transaction).map_err(|denial| *denial);
    let expected = expected.cloned();
    assert_eq!(transaction(&read), transaction(&expected));
    if let (Ok(read), Ok(expected)) = (read, expected) {
        assert_eq!(read.subject(), expected.subject());
        assert_eq!(read.client(), Some(&client()));
        assert_eq!((read.begun(), read.expires()), (START, START + Duration::seconds(600)));
        assert!(!read.is_elevated());
    }
}

/// The session that a text is presented with.
fn session(case: &Case, reader: &Verifier, issued: &Issued) -> Session {
    if case.opener == EnrolledBy::OtherSubject {
        let [session, _] = begun(reader, &Subject::new("user-2").unwrap()).1;
        return session;
    }
    issued.sessions[usize::from(case.other_session)].clone()
}

fn handle(case: &Case, reader: &Verifier, issued: &Issued, text: &str, knows_the_key: bool) {
    let session = session(case, reader, issued);
    let read = bounded(text.len(), (4, 4_096), || reader.open_oob_code(&session, text));
    let made = issued.handles.iter().position(|known| known == text);
    let expected = match made.filter(|_| knows_the_key && case.opener != EnrolledBy::OtherSubject) {
        None => Err(Denial::MalformedOobCode),
        Some(made) if made != usize::from(case.other_session) => Err(Denial::ForeignOobCode),
        Some(_) => Ok(()),
    };
    assert_eq!(read.map(|_| ()), expected);
}

/// A session names the device of a text whose public parts and outer tag are as they were made, and is on it if the
/// rest is, too, while it is remembered.
fn device(case: &Case, reader: &Verifier, issued: &Issued, text: &str) {
    let now = START + Duration::seconds(i64::from(case.at));
    let session = session(case, reader, issued);
    let session = bounded(text.len(), (4, 4_096), || reader.recognize(session, text));
    let strangers = [EnrolledBy::OtherContext, EnrolledBy::OtherSubject, EnrolledBy::OtherDurable];
    let places = if strangers.contains(&case.opener) { 0..0 } else { 0..2 };
    let named = places.clone().find(|place| names(text, &issued.devices[*place]));
    let id = |place: usize| issued.record.devices()[place].id();
    assert_eq!(session.device(), named.map(id), "which device it names");
    let lasts = lifetime(case.opener).is_some_and(|seconds| (-60..seconds).contains(&i64::from(case.at)));
    let is_whole = named.is_some_and(|place| issued.devices[place] == text);
    let lane = if is_whole && lasts { Lane::Known } else { Lane::Unknown };
    assert_eq!(reader.lane(&session, &issued.record, now), lane, "the lane of a session that shows it");
}

/// Whether a text is of the bytes of this token, but for those of the inner tag.
fn names(text: &str, token: &str) -> bool {
    let is_symbol = |byte: &u8| SYMBOLS.contains(byte);
    if text.len() != token.len() || !text.as_bytes().iter().all(is_symbol) {
        return false;
    }
    let (text, token) = (decoded(text), decoded(token));
    text[..29] == token[..29] && text[49..] == token[49..]
}
