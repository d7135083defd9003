//! Who writes: the sender's mailbox and the name that this server introduces itself with, both by default of the
//! issuer's host. This module must never let through what could add a line to a header or a command.

use std::{net::IpAddr, str::FromStr};

use lettre::{message::Mailbox, transport::smtp::extension::ClientId};

/// The longest name of a service or of a mailbox, in characters.
const MAX_NAME: usize = 64;

/// The name of the service, as messages use it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServiceName(String);

impl ServiceName {
    /// The host of the issuer, if a service has no other name.
    pub(crate) fn of_issuer(issuer: &str) -> Self {
        Self(host(issuer).to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.trim();
        if name.is_empty() {
            return Err("the name is empty".to_owned());
        }
        check_name(name)?;
        Ok(Self(name.to_owned()))
    }
}

/// A mailbox that messages can come from or be answered to: a name, if there is one, and an address in ASCII.
pub(crate) fn mailbox(text: &str) -> Result<Mailbox, String> {
    // Before anything is read: the grammar of mailboxes takes line breaks as white space.
    if text.chars().any(char::is_control) {
        return Err("the mailbox contains a control character".to_owned());
    }
    let mailbox: Mailbox = text
        .parse()
        .map_err(|_| "give ADDRESS or NAME <ADDRESS>, as in \"Example <no-reply@example.com>\"".to_owned())?;
    if let Some(name) = &mailbox.name {
        check_name(name)?;
    }
    // A relay without SMTPUTF8 (RFC 6531) would refuse every message.
    if !mailbox.email.to_string().is_ascii() {
        return Err(
            "the address has letters outside ASCII, which many relays refuse: write the domain as xn--…"
                .to_owned(),
        );
    }
    Ok(mailbox)
}

fn check_name(name: &str) -> Result<(), String> {
    if name.chars().count() > MAX_NAME {
        return Err(format!("the name is longer than {MAX_NAME} characters"));
    }
    // What turns the direction of a text could make a name look like another one.
    let deceptive = |c: char| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if name.chars().any(|c| c.is_control() || deceptive(c)) {
        return Err("the name contains a control character".to_owned());
    }
    Ok(())
}

/// The sender for whom none was named.
pub(crate) fn default_sender(service: &ServiceName, issuer: &str) -> Result<Mailbox, String> {
    let host = host(issuer);
    let domain = if is_domain(host) { host } else { "localhost" };
    let address = format!("no-reply@{domain}").parse();
    let address = address.map_err(|_| format!("--mail-from is needed: no address can be made of {host}"))?;
    Ok(Mailbox::new(Some(service.0.clone()), address))
}

/// The name of this server in `EHLO` (RFC 5321 section 4.1.1.1): a domain, or an address literal in brackets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hello(ClientId);

impl Hello {
    pub(crate) fn of_issuer(issuer: &str) -> Self {
        let host = host(issuer);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse().ok().map(literal);
        Self(address.unwrap_or_else(|| match host {
            host if is_domain(host) => ClientId::Domain(host.to_owned()),
            _ => ClientId::default(),
        }))
    }

    pub(super) const fn id(&self) -> &ClientId {
        &self.0
    }
}

impl FromStr for Hello {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || {
            "give a domain, or an address in brackets such as [192.0.2.1] or [IPv6:2001:db8::1]".to_owned()
        };
        if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            let address = address.strip_prefix("IPv6:").unwrap_or(address).parse();
            return address.map(literal).map(Self).map_err(|_| wanted());
        }
        // A bare address looks like a domain and is none.
        if !is_domain(text) || text.parse::<IpAddr>().is_ok() {
            return Err(wanted());
        }
        Ok(Self(ClientId::Domain(text.to_owned())))
    }
}

const fn literal(address: IpAddr) -> ClientId {
    match address {
        IpAddr::V4(address) => ClientId::Ipv4(address),
        IpAddr::V6(address) => ClientId::Ipv6(address),
    }
}

/// A domain of letters, digits and hyphens (RFC 5321 section 4.1.2), and not the digits of an address.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(label) && !numeric
}

/// The host of an issuer, with the brackets of an IPv6 address.
fn host(issuer: &str) -> &str {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.find(']') {
        Some(end) => host.get(..=end).unwrap_or(host),
        None => host.split(':').next().unwrap_or(host).trim_end_matches('.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H11: a name that the relay can look up, from the issuer.
    #[test]
    fn the_issuers_host_is_the_name_in_ehlo() {
        for (issuer, name) in [
            ("https://mfa.example.com/", "mfa.example.com"),
            ("https://mfa.example.com.:8443/tenant/", "mfa.example.com"),
            ("http://localhost:8080/", "localhost"),
            ("http://127.0.0.1:8080/", "[127.0.0.1]"),
            ("http://[2001:db8::1]:8080/", "[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(Hello::of_issuer(issuer).0.to_string(), name);
        }
    }

    #[test]
    fn a_name_in_ehlo_is_a_domain_or_an_address_in_brackets() {
        for good in
            ["mail.example.com", "localhost", "xn--bcher-kva.example", "[192.0.2.1]", "[IPv6:2001:db8::1]"]
        {
            assert_eq!(good.parse().map(|hello: Hello| hello.0.to_string()), Ok(good.to_owned()));
        }
        let long = "a".repeat(64);
        for bad in [
            "",
            "192.0.2.1",
            "::1",
            "[mail]",
            "a b",
            "a\r\nMAIL",
            "-a.example",
            "a..example",
            "bücher.example",
            &long,
        ] {
            assert!(bad.parse::<Hello>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_mailbox_has_an_address_in_ascii_and_a_name_on_one_line() {
        for (good, written) in [
            ("mfa@example.com", "mfa@example.com"),
            ("Sign-in <mfa@example.com>", "Sign-in <mfa@example.com>"),
            ("Über Bücher <mfa@example.com>", "Über Bücher <mfa@example.com>"),
            ("\"Smith, Inc.\" <mfa@example.com>", "\"Smith, Inc.\" <mfa@example.com>"),
        ] {
            assert_eq!(mailbox(good).map(|mailbox| mailbox.to_string()).as_deref(), Ok(written));
        }
        let long = format!("{} <a@example.com>", "a".repeat(65));
        for bad in [
            "",
            "example",
            "a@b@c",
            "A\r\nBcc: x@example.com <a@example.com>",
            "A\u{202e} <a@example.com>",
            "ä@example.com",
            "a@bücher.example",
            "a@example.com, b@example.com",
            &long,
        ] {
            assert!(mailbox(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_service_name_is_one_short_line() {
        assert_eq!("  Bücher & Söhne ".parse(), Ok(ServiceName("Bücher & Söhne".to_owned())));
        let (most, long) = ("ä".repeat(64), "a".repeat(65));
        assert!(most.parse::<ServiceName>().is_ok());
        for bad in ["", " ", "a\nb", "a\u{85}b", "a\u{2028}b", "a\u{202e}b", &long] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad:?}");
        }
        let sender = |issuer| {
            default_sender(&ServiceName::of_issuer(issuer), issuer).map(|mailbox| mailbox.to_string())
        };
        assert_eq!(
            sender("https://mfa.example.com/x/").as_deref(),
            Ok("\"mfa.example.com\" <no-reply@mfa.example.com>")
        );
        assert_eq!(sender("http://127.0.0.1:1/").as_deref(), Ok("\"127.0.0.1\" <no-reply@localhost>"));
    }
}
