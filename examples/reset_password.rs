//! Reset a forgotten password: a link that works in every browser, an answer that says nothing of the address, and an end
//! to whatever the former password had opened.
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
    Account, BlockingStore, Effect, EmailAddress, Entropy, Key, KeyRing, Policy, Subject, Swap, Verifier,
    Write,
    address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose},
    code::{LinkToken, OobCode},
    record::Record,
    store::drive_blocking,
    time::OffsetDateTime,
};
use getrandom::SysRng;

/// One row a subject, written under its condition: the proofs of addresses, and the accounts.
struct Rows<R>(Mutex<BTreeMap<String, R>>);

impl<R> Rows<R> {
    const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Record + Clone> BlockingStore for Rows<R> {
    type Record = R;
    type Error = Infallible;

    fn load(&self, subject: &Subject) -> Result<Option<R>, Infallible> {
        Ok(self.rows().get(subject.as_str()).cloned())
    }

    fn swap(&self, write: Write<R>) -> Result<Swap, Infallible> {
        let mut rows = self.rows();
        if rows.get(write.subject().as_str()).map(R::revision) != write.expected {
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
    proofs: Rows<AddressProof>,
    second_factor: Verifier,
    accounts: Rows<Account>,
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
        let proven = proven?.address;
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.insert(proven.as_str().to_owned(), password.to_owned());
        // Afterwards, so that a sign-in which read the former password meanwhile is refused as well.
        let revoke = |account| self.second_factor.revoke_sessions(account, now);
        let (revoked, effects) = drive_blocking(&self.accounts, &subject, revoke)?.into_parts();
        revoked?;
        for effect in effects {
            if let Effect::EndSessions(end) = effect {
                println!("the sessions of {} end", end.subject);
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // A real host keeps its keys.
    let keys = KeyRing::new("example", Key::generate(&mut SysRng)?, Key::generate(&mut SysRng)?)?;
    let second_factor = Verifier::new(keys.clone(), Policy::default());
    let verifier = AddressVerifier::new(keys, ProofPolicy::default());
    let users = BTreeMap::from([("person@example.com".to_owned(), "forgotten".to_owned())]);
    let (proofs, accounts, users) = (Rows::new(), Rows::new(), Mutex::new(users));
    let host = Host { verifier, proofs, second_factor, accounts, users };

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
    // Somebody who knows the former password is about to sign in with it.
    let subject = Subject::new(address.as_str())?;
    let former = host.second_factor.prepare(&Account::new(&subject));
    host.reset(&address, token, "correct horse battery staple")?;
    let again = host.reset(&address, token, "another password");
    println!("a second time: {}", again.err().ok_or("a link worked twice")?);
    let account = host.accounts.load(&subject)?.ok_or("no session ended")?;
    let request = Request::now()?;
    let begun = host.second_factor.begin(former, &account, request.at, &request.entropy);
    println!("with the former password: {}", begun.err().ok_or("it signed in")?);
    let users = host.users.into_inner().unwrap_or_else(PoisonError::into_inner);
    if users.get("person@example.com").map(String::as_str) != Some("correct horse battery staple") {
        return Err("the password was not reset".into());
    }
    println!("the password is reset");
    Ok(())
}
