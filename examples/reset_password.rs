//! Reset a forgotten password: a link that works in every browser, and an answer that says nothing of the address.
//!
//!     cargo run --example reset_password
//!
//! The store is a map and the mail is printed; everything else is what a host does.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    error::Error,
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign::{
    BlockingStore, Effect, EmailAddress, Entropy, Key, KeyRing, Subject, Swap, Write,
    address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose},
    code::{LinkToken, OobCode},
    store::drive_blocking,
    time::OffsetDateTime,
};
use getrandom::SysRng;

/// One row an address, written under its condition.
#[derive(Default)]
struct Proofs(Mutex<BTreeMap<String, AddressProof>>);

impl Proofs {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, AddressProof>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlockingStore for Proofs {
    type Record = AddressProof;
    type Error = Infallible;

    fn load(&self, subject: &Subject) -> Result<Option<AddressProof>, Infallible> {
        Ok(self.rows().get(subject.as_str()).cloned())
    }

    fn swap(&self, write: Write<AddressProof>) -> Result<Swap, Infallible> {
        let mut rows = self.rows();
        if rows.get(write.subject().as_str()).map(AddressProof::revision) != write.expected {
            return Ok(Swap::Lost);
        }
        rows.insert(write.subject().to_string(), write.record);
        Ok(Swap::Stored)
    }
}

/// When somebody asked, and what is drawn for it.
struct Request {
    at: OffsetDateTime,
    entropy: Entropy,
}

impl Request {
    fn now() -> Result<Self, Box<dyn Error>> {
        Ok(Self { at: OffsetDateTime::now_utc(), entropy: Entropy::draw(&mut SysRng)? })
    }
}

struct Host {
    verifier: AddressVerifier,
    proofs: Proofs,
    /// The passwords, by the user's address.
    users: Mutex<BTreeMap<String, String>>,
}

impl Host {
    /// `POST /reset/ask`: the answer, which is made of the request alone.
    fn answer(&self, address: &EmailAddress, request: &Request) -> Result<OobCode, Box<dyn Error>> {
        let subject = Subject::new(address.as_str())?;
        let (now, entropy) = (request.at, &request.entropy);
        Ok(self.verifier.asked(&subject, ProofPurpose::Reset, now, entropy).oob_code)
    }

    /// The work behind the answer, which a host begins once that is sent: the link, if somebody has the address.
    fn work(&self, address: &EmailAddress, request: &Request) -> Result<Option<String>, Box<dyn Error>> {
        let subject = Subject::new(address.as_str())?;
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let known = users.contains_key(address.as_str());
        let ask = |proof: AddressProof| {
            let proof = if known { proof.for_address(address) } else { AddressProof::absent(&subject) };
            self.verifier.ask(proof, ProofPurpose::Reset, request.at, &request.entropy)
        };
        let (_, effects) = drive_blocking(&self.proofs, &subject, ask)?.into_parts();
        let link = |token: &LinkToken| format!("https://example.com/reset#{}", token.expose());
        Ok(effects.into_iter().find_map(|effect| match effect {
            Effect::Send(message) => message.content.link().map(|(token, _)| link(token)),
            _ => None,
        }))
    }

    /// `POST /reset`: what the page behind the link posts. A `GET` of that page does nothing.
    fn reset(&self, address: &EmailAddress, token: &str, password: &str) -> Result<(), Box<dyn Error>> {
        let (now, subject) = (OffsetDateTime::now_utc(), Subject::new(address.as_str())?);
        let link = self.verifier.open_link(&subject, ProofPurpose::Reset, token)?;
        let verify = |proof| self.verifier.verify_link(proof, &link, None, now);
        let (proven, _) = drive_blocking(&self.proofs, &subject, verify)?.into_parts();
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        // Here a host also ends the sessions that the former password had opened.
        users.insert(proven?.address.as_str().to_owned(), password.to_owned());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // A real host keeps its keys.
    let keys = KeyRing::new("example", Key::generate(&mut SysRng)?, Key::generate(&mut SysRng)?)?;
    let verifier = AddressVerifier::new(keys, ProofPolicy::default());
    let users = BTreeMap::from([("person@example.com".to_owned(), "forgotten".to_owned())]);
    let host = Host { verifier, proofs: Proofs::default(), users: Mutex::new(users) };

    let nobody = EmailAddress::parse("nobody@example.com")?;
    let request = Request::now()?;
    println!("an answer of {} bytes", host.answer(&nobody, &request)?.expose().len());
    println!("behind it: {:?}", host.work(&nobody, &request)?);
    if host.proofs.load(&Subject::new(nobody.as_str())?)?.is_some() {
        return Err("an address that nobody has was written".into());
    }

    let address = EmailAddress::parse("person@example.com")?;
    let request = Request::now()?;
    println!("an answer of {} bytes", host.answer(&address, &request)?.expose().len());
    let url = host.work(&address, &request)?.ok_or("no message was sent")?;
    println!("mail to {}: {url}", address.as_str());
    let token = url.split('#').nth(1).unwrap_or_default();
    host.reset(&address, token, "correct horse battery staple")?;
    let again = host.reset(&address, token, "another password");
    println!("a second time: {}", again.err().ok_or("a link worked twice")?);
    let users = host.users.into_inner().unwrap_or_else(PoisonError::into_inner);
    if users.get("person@example.com").map(String::as_str) != Some("correct horse battery staple") {
        return Err("the password was not reset".into());
    }
    println!("the password is reset");
    Ok(())
}
