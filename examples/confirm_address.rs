//! Confirm an address at sign-up: a link that works in the browser that asked for it, and no account before that.
//!
//!     cargo run --example confirm_address
//!
//! The store is a map and the mail is printed; everything else is what a host does. Nothing is asked of the account,
//! because there is none yet: the password comes with the link.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    error::Error,
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign::{
    BlockingStore, Effect, EmailAddress, Entropy, Key, KeyRing, Subject, Swap, Write,
    address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose},
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

struct Host {
    verifier: AddressVerifier,
    proofs: Proofs,
    /// The users, by their address.
    users: Mutex<BTreeMap<String, String>>,
}

impl Host {
    /// `POST /signup/ask`: the cookie for the browser, and the link in the mailbox.
    fn ask(&self, address: &EmailAddress) -> Result<(String, String), Box<dyn Error>> {
        let (now, entropy) = (OffsetDateTime::now_utc(), Entropy::draw(&mut SysRng)?);
        let subject = Subject::new(address.as_str())?;
        // The answer comes first. What follows takes another time for another address, and nobody is to see that.
        let cookie = self.verifier.asked(&subject, ProofPurpose::Confirm, now, &entropy).oob_code;
        let ask = |proof: AddressProof| {
            self.verifier.ask(proof.for_address(address), ProofPurpose::Confirm, now, &entropy)
        };
        let (_, effects) = drive_blocking(&self.proofs, &subject, ask)?.into_parts();
        let sent = effects.into_iter().find_map(|effect| match effect {
            Effect::Send(message) => message
                .content
                .link()
                .map(|(token, _)| format!("https://example.com/signup#{}", token.expose())),
            _ => None,
        });
        Ok((cookie.expose().to_owned(), sent.ok_or("no message is left for this address")?))
    }

    /// `POST /signup`: what the page behind the link posts, with the browser's cookie. A `GET` of that page does nothing.
    fn sign_up(
        &self,
        address: &EmailAddress,
        (token, cookie): (&str, Option<&str>),
        password: &str,
    ) -> Result<(), Box<dyn Error>> {
        let (now, purpose) = (OffsetDateTime::now_utc(), ProofPurpose::Confirm);
        let subject = Subject::new(address.as_str())?;
        let link = self.verifier.open_link(&subject, purpose, token)?;
        let handle = cookie.and_then(|cookie| self.verifier.open_handle(&subject, purpose, cookie).ok());
        let verify = |proof| self.verifier.verify_link(proof, &link, handle.as_ref(), now);
        let (proven, _) = drive_blocking(&self.proofs, &subject, verify)?.into_parts();
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.insert(proven?.address.as_str().to_owned(), format!("a slow hash of {} bytes", password.len()));
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // A real host keeps its keys.
    let keys = KeyRing::new("example", Key::generate(&mut SysRng)?, Key::generate(&mut SysRng)?)?;
    let verifier = AddressVerifier::new(keys, ProofPolicy::default());
    let host = Host { verifier, proofs: Proofs::default(), users: Mutex::default() };
    let address = EmailAddress::parse("person@example.com")?;

    let (cookie, url) = host.ask(&address)?;
    println!("mail to {}: {url}", address.as_str());
    let token = url.split('#').nth(1).unwrap_or_default();

    let elsewhere = host.sign_up(&address, (token, None), "correct horse battery staple");
    println!("in another browser: {}", elsewhere.err().ok_or("somebody confirmed what another began")?);
    host.sign_up(&address, (token, Some(&cookie)), "correct horse battery staple")?;
    let again = host.sign_up(&address, (token, Some(&cookie)), "another password");
    println!("a second time: {}", again.err().ok_or("a link worked twice")?);
    let users = host.users.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("the accounts: {:?}", users.keys().collect::<Vec<_>>());
    Ok(())
}
