//! The address of the peer of a request: the client's, behind a proxy that the operator trusts, or the connection's.
//!
//! A header that names an address is read only if the connection comes from a trusted proxy, and only the one header
//! that the operator named: a proxy overwrites or extends one of them and hands the other through as the client wrote
//! it. This module must never believe an address that no trusted proxy has vouched for.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use axum::http::{HeaderMap, HeaderName, header};
use clap::{Args, ValueEnum};
use ipnet::IpNet;

/// The peer of a request, by its address: IPv4 also where the socket says it as IPv6. The accept loop puts it into the
/// extensions of every request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Peer(IpAddr);

impl Peer {
    /// What counts as one peer where something is shared out among peers: an IPv4 address, or the /64 of an IPv6
    /// address, of which one subscriber has all.
    pub(crate) fn network(self) -> Network {
        Network(match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << u64::BITS)))
            }
        })
    }
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// See [`Peer::network`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Network(IpAddr);

/// The proxies in front of the server, and what they write.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Proxies {
    /// The proxies whose word on a client's address is taken, as addresses or networks with commas between, such as
    /// 10.0.0.0/8,fd00::/8. Without it no header is believed.
    #[arg(
        long,
        env = "COUNTERSIGN_TRUSTED_PROXIES",
        value_name = "CIDR,…",
        value_delimiter = ',',
        value_parser = network
    )]
    pub(crate) trusted_proxies: Vec<IpNet>,

    /// The header in which the trusted proxies write the client's address. The other one is never read.
    #[arg(
        long,
        env = "COUNTERSIGN_FORWARDED_HEADER",
        value_enum,
        default_value_t = ForwardedHeader::XForwardedFor,
        value_name = "HEADER"
    )]
    pub(crate) forwarded_header: ForwardedHeader,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum ForwardedHeader {
    /// The list of addresses that most proxies write.
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl Proxies {
    /// Whether connections from this address are a trusted proxy's.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    /// The peer of a request: the rightmost address of the header that is not a trusted proxy's. Where the header
    /// breaks off or names nobody, it is the last trusted proxy that was reached.
    pub(crate) fn peer(&self, connection: SocketAddr, headers: &HeaderMap) -> Peer {
        let mut peer = connection.ip().to_canonical();
        if !self.trusts(peer) {
            return peer.into();
        }
        for named in self.named(headers) {
            let Some(address) = named else { break };
            peer = address.to_canonical();
            if !self.trusts(peer) {
                break;
            }
        }
        peer.into()
    }

    /// The addresses of the header, the last first; `None` for what is no address.
    fn named(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let (name, read): (HeaderName, fn(&str) -> Option<IpAddr>) = match self.forwarded_header {
            ForwardedHeader::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), node),
            ForwardedHeader::Forwarded => (header::FORWARDED, forwarded_for),
        };
        let lines = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
        let mut named: Vec<_> = lines.flat_map(|line| line.split(',')).map(read).collect();
        named.reverse();
        named
    }
}

/// The address of `for=` in one element of `Forwarded` (RFC 7239 section 4). An address holds neither comma nor
/// semicolon, so an element that does, within quotes, is no address.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut of = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("for")).map(|(_, value)| value);
    let value = of.next()?;
    if of.next().is_some() {
        return None;
    }
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// An address with or without brackets and port.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network =
        network.map_err(|_| "give an address or a network, such as 10.0.0.1 or 10.0.0.0/8".to_owned())?;
    Ok(network.trunc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use axum::http::HeaderValue;

    use super::*;

    fn proxies(forwarded_header: ForwardedHeader) -> Proxies {
        let trusted_proxies = vec![network("10.0.0.0/8").unwrap(), network("fd00::1").unwrap()];
        Proxies { trusted_proxies, forwarded_header }
    }

    fn peer(proxies: &Proxies, connection: &str, name: &'static str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_str(line).unwrap());
        }
        proxies.peer(connection.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_header_is_believed_of_trusted_proxies_alone() {
        let proxies = proxies(ForwardedHeader::XForwardedFor);
        let peer = |connection, lines| peer(&proxies, connection, "x-forwarded-for", lines);
        assert_eq!(peer("192.0.2.1:9", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(peer("10.0.0.1:9", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(peer("[fd00::1]:9", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(peer("[::ffff:10.0.0.1]:9", &["198.51.100.7"]), "198.51.100.7");
        // What the client wrote itself stands to the left.
        assert_eq!(peer("10.0.0.1:9", &["127.0.0.1, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(peer("10.0.0.1:9", &["127.0.0.1", "198.51.100.7, 10.1.1.1"]), "198.51.100.7");
        // Nobody, or nonsense: the proxy itself.
        assert_eq!(peer("10.0.0.1:9", &[]), "10.0.0.1");
        assert_eq!(peer("10.0.0.1:9", &["198.51.100.7, unknown"]), "10.0.0.1");
        assert_eq!(peer("10.0.0.1:9", &["10.2.2.2"]), "10.2.2.2");
        assert_eq!(peer("10.0.0.1:9", &["198.51.100.7:4711"]), "198.51.100.7");
    }

    #[test]
    fn only_the_header_that_was_named_is_read() {
        let forwarded = proxies(ForwardedHeader::Forwarded);
        assert_eq!(peer(&forwarded, "10.0.0.1:9", "x-forwarded-for", &["198.51.100.7"]), "10.0.0.1");
        let peer = |lines| peer(&forwarded, "10.0.0.1:9", "forwarded", lines);
        assert_eq!(
            peer(&["for=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\";proto=https"]),
            "2001:db8:cafe::17"
        );
        assert_eq!(peer(&["proto=http;for=192.0.2.43;by=10.0.0.1"]), "192.0.2.43");
        assert_eq!(peer(&["for=192.0.2.43, for=_hidden"]), "10.0.0.1");
        assert_eq!(peer(&["for=192.0.2.43;for=192.0.2.44"]), "10.0.0.1");
        let other = proxies(ForwardedHeader::XForwardedFor);
        assert_eq!(super::tests::peer(&other, "10.0.0.1:9", "forwarded", &["for=192.0.2.43"]), "10.0.0.1");
    }

    #[test]
    fn addresses_of_one_subscriber_are_one_network() {
        let network = |text: &str| Peer::from(text.parse::<IpAddr>().unwrap()).network();
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }
}
