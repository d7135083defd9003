//! The address to listen on, by number or by name. This module must never take a name for a loopback address unless
//! every address that it stands for is one.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs as _},
};

/// Where the server listens: at the first of these addresses that it gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listen {
    /// The name, in lower case, if one was given.
    name: Option<String>,
    addresses: Vec<SocketAddr>,
}

impl Listen {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self { name: None, addresses: vec![address] });
        }
        let form = "give ADDRESS:PORT or NAME:PORT, such as 127.0.0.1:8080 or localhost:8080";
        let (name, port) = text.rsplit_once(':').ok_or(form)?;
        if name.is_empty() || name.contains([':', '[', ']', '/', ' ']) {
            return Err(form.to_owned());
        }
        let port: u16 = port.parse().map_err(|_| format!("{port:?} is no port: {form}"))?;
        let resolved = (name, port).to_socket_addrs();
        let mut addresses: Vec<_> =
            resolved.map_err(|error| format!("the name {name} cannot be resolved: {error}"))?.collect();
        // Those who type 127.0.0.1 for localhost should reach it.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() {
            return Err(format!("the name {name} has no address"));
        }
        Ok(Self { name: Some(name.to_ascii_lowercase()), addresses })
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether only this machine can connect.
    pub(crate) fn is_loopback(&self) -> bool {
        self.addresses.iter().all(|address| address.ip().to_canonical().is_loopback())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.addresses.first()) {
            (Some(name), Some(address)) => write!(f, "{name}:{}", address.port()),
            (Some(name), None) => f.write_str(name),
            (None, Some(address)) => address.fmt(f),
            (None, None) => Ok(()),
        }
    }
}
