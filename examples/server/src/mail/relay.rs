//! The option `--smtp`: which relay, and how safely. This module must never take a URL with a password in it, nor one
//! that sends mail in clear to another machine.

use std::net::Ipv6Addr;

/// Where `--smtp` points to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Relay {
    pub(super) security: Security,
    pub(super) host: String,
    pub(super) port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Security {
    Plain,
    StartTls,
    Tls,
}

impl Relay {
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) =
            url.split_once("://").ok_or("give smtp://HOST:PORT, smtp+starttls:// or smtps://")?;
        let (security, port) = match scheme {
            "smtp" => (Security::Plain, 25),
            "smtp+starttls" => (Security::StartTls, 587),
            "smtps" => (Security::Tls, 465),
            _ => return Err(format!("{scheme}:// is none of smtp://, smtp+starttls:// and smtps://")),
        };
        let rest = rest.trim_end_matches('/');
        if rest.contains('@') {
            return Err("credentials come from the environment and not from the URL".to_owned());
        }
        // An IPv6 address stands in brackets (RFC 3986 section 3.2.2).
        let (host, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) if host.parse::<Ipv6Addr>().is_ok() => (host, rest),
            Some(_) => return Err("there is no IPv6 address in the brackets".to_owned()),
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some(port) => {
                port.parse().ok().filter(|port| *port != 0).ok_or(format!("{port:?} is no port"))?
            }
            None if rest.is_empty() => port,
            None => return Err(format!("{rest:?} is no port")),
        };
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(known) {
            return Err("the host is missing or is none".to_owned());
        }
        if security == Security::Plain && !matches!(host, "127.0.0.1" | "localhost" | "::1") {
            return Err(
                "without TLS, mail goes to a loopback address only: smtp+starttls:// or smtps://".to_owned()
            );
        }
        Ok(Self { security, host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_read_as_it_is_written() {
        let read = |url: &str| Relay::parse(url).map(|relay| (relay.host, relay.port)).ok();
        let relay = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(read("smtp://localhost"), relay("localhost", 25));
        assert_eq!(read("smtp://127.0.0.1:2525/"), relay("127.0.0.1", 2525));
        assert_eq!(read("smtp://[::1]"), relay("::1", 25));
        assert_eq!(read("smtps://[2001:db8::1]:4650"), relay("2001:db8::1", 4650));
        assert_eq!(read("smtp+starttls://mail.example.com"), relay("mail.example.com", 587));
        for bad in [
            "smtp://",
            "smtp://example.com",
            "smtps://a:b:99",
            "smtps://x/y",
            "smtps://x?y",
            "smtps:// x",
            "smtps://h:0",
            "smtps://h:",
            "smtps://[::1",
            "smtps://[x]",
            "smtps://[::1]x",
            "smtps://::1",
            "smtps://user@h",
            "ftp://h",
            "h:25",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
