//! The names that the server answers to while everybody who reaches it reads its mail or knows its password.
//!
//! A web page of a stranger can give its own name the address of this machine (DNS rebinding). Its scripts then read
//! from this server as from their own, and only the name in the request tells. So while the demonstration runs or
//! mail stays in memory, requests for other names are refused, on every route. This module must never answer a
//! request that does not name exactly one host (RFC 9112 section 3.2).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use countersign::wire::Refusal;
use url::Host;

use crate::{
    app::App,
    audit::{About, HostEvent, RequestCheck},
    error::ApiError,
};

/// The hosts that are answered beside the loopback's.
#[derive(Debug)]
pub(crate) struct Hosts(Vec<Host>);

impl Hosts {
    /// The host of the issuer, the address that the server listens on, and the name that it was given by.
    pub(crate) fn new(issuer: &str, address: SocketAddr, name: Option<&str>) -> Self {
        let authority = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or("");
        let listening = match address.ip() {
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        };
        let named = [Some(authority), name].into_iter().flatten().filter_map(host);
        Self(named.chain([listening]).collect())
    }

    /// Refuses a request for another host. Both the target and the header can name one; the target would count, and a
    /// proxy in front may have looked at the header.
    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut named = headers.get_all(header::HOST).iter();
        let (Some(first), None) = (named.next(), named.next()) else {
            return Err(Refusal::invalid_request("The request must have one Host header."));
        };
        let first = first.to_str().unwrap_or("");
        let target = uri.authority().map(|authority| authority.as_str());
        if [Some(first), target].into_iter().flatten().all(|authority| self.answers(authority)) {
            Ok(())
        } else {
            Err(Refusal::new(
                421,
                "invalid_request",
                "This server is for local use: it does not answer to this host name.",
            ))
        }
    }

    fn answers(&self, authority: &str) -> bool {
        host(authority).is_some_and(|host| is_loopback(&host) || self.0.contains(&host))
    }
}

/// The check as a layer around every route.
pub(crate) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let checked = app.hosts.as_ref().map_or(Ok(()), |hosts| hosts.check(request.uri(), request.headers()));
    match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            app.metrics.audit.record(HostEvent::Request(RequestCheck::UnknownHost), About::NOBODY);
            ApiError::from(refusal).into_response()
        }
    }
}

/// The host of `host [":" port]`, in one spelling. The port is no matter: it may be that of a tunnel.
fn host(authority: &str) -> Option<Host> {
    let end = if authority.starts_with('[') { authority.find(']')?.checked_add(1)? } else { 0 };
    let end =
        authority.get(end..)?.find(':').map_or(Some(authority.len()), |colon| end.checked_add(colon))?;
    let (name, port) = authority.split_at_checked(end)?;
    let port = port.strip_prefix(':').unwrap_or(port);
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || (!port.is_empty() && port.parse::<u16>().is_err()) {
        return None;
    }
    match Host::parse(name).ok()? {
        Host::Domain(name) => Some(Host::Domain(name.strip_suffix('.').unwrap_or(&name).to_owned())),
        Host::Ipv6(ip) => Some(ip.to_ipv4_mapped().map_or(Host::Ipv6(ip), Host::Ipv4)),
        ip @ Host::Ipv4(_) => Some(ip),
    }
}

/// Names under `localhost` lead to this machine in every browser (RFC 6761 section 6.3).
fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => *ip == Ipv4Addr::LOCALHOST,
        Host::Ipv6(ip) => *ip == Ipv6Addr::LOCALHOST,
    }
}
