//! How many connections are open, in all and by peer.
//!
//! With all of them in use, the one that has waited longest for a request gives way to the next. This module must
//! never let a connection that is serving a request give way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::progress::Progress;
use crate::{limits::Limits, peer::Network};

pub(super) struct Open {
    all: usize,
    by_peer: usize,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    next: u64,
    connections: HashMap<u64, Arc<Progress>>,
    peers: HashMap<Network, usize>,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// Its peer has as many as one may.
    Peer,
    /// There are as many as there may be, and none is idle.
    All,
}

impl Open {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let (all, by_peer) = (limits.max_connections, limits.max_connections_per_peer);
        Arc::new(Self { all, by_peer, now: Mutex::default() })
    }

    /// Counts one more, until what is returned is dropped. Without a peer, only all of them are bounded.
    pub(super) fn admit(self: &Arc<Self>, peer: Option<Network>) -> Result<Admitted, Refused> {
        let mut now = self.now();
        let of_peer = peer.and_then(|peer| now.peers.get(&peer)).copied().unwrap_or(0);
        if of_peer >= self.by_peer && peer.is_some() {
            return Err(Refused::Peer);
        }
        if now.connections.len() >= self.all && !now.evict() {
            return Err(Refused::All);
        }
        let number = now.next;
        now.next = now.next.wrapping_add(1);
        let progress = Arc::new(Progress::default());
        now.connections.insert(number, Arc::clone(&progress));
        if let Some(peer) = peer {
            now.peers.insert(peer, of_peer.saturating_add(1));
        }
        Ok(Admitted { number, peer, progress, open: Arc::clone(self) })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    /// Closes the connection that has waited longest for a request. It no longer counts from now on.
    fn evict(&mut self) -> bool {
        let idle = self.connections.iter();
        let idle = idle.filter_map(|(number, progress)| Some((progress.waits_since()?, *number)));
        let Some((_, number)) = idle.min() else { return false };
        if let Some(progress) = self.connections.remove(&number) {
            progress.evict();
        }
        true
    }
}

/// A connection that counts.
pub(super) struct Admitted {
    number: u64,
    peer: Option<Network>,
    progress: Arc<Progress>,
    open: Arc<Open>,
}

impl Admitted {
    pub(super) const fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut now = self.open.now();
        now.connections.remove(&self.number);
        if let Some(peer) = self.peer
            && let Some(count) = now.peers.get_mut(&peer)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                now.peers.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::IpAddr;

    use super::*;
    use crate::peer::Peer;

    fn open(all: usize, by_peer: usize) -> Arc<Open> {
        Arc::new(Open { all, by_peer, now: Mutex::default() })
    }

    fn peer(last: u8) -> Option<Network> {
        Some(Peer::from(IpAddr::from([192, 0, 2, last])).network())
    }

    #[test]
    fn one_peer_has_no_more_than_its_share_and_a_proxy_has_no_share() {
        let open = open(8, 2);
        let first = open.admit(peer(1));
        let _second = open.admit(peer(1));
        assert_eq!(open.admit(peer(1)).err(), Some(Refused::Peer));
        let _others = [open.admit(peer(2)), open.admit(None), open.admit(None), open.admit(None)];
        assert_eq!(open.now().connections.len(), 6);
        drop(first);
        assert!(open.admit(peer(1)).is_ok());
        assert_eq!(open.now().peers.get(&peer(1).unwrap()), Some(&1));
    }

    #[tokio::test]
    async fn the_longest_idle_gives_way_and_nobody_else() {
        let open = open(2, 8);
        let first = open.admit(peer(1)).ok();
        let second = open.admit(peer(2)).ok();
        let serving =
            |admitted: &Option<Admitted>| admitted.as_ref().map(|admitted| admitted.progress().serving());
        serving(&first);
        let third = open.admit(peer(3)).ok();
        assert!(third.is_some() && open.now().connections.len() == 2);
        let evicted =
            |admitted: &Option<Admitted>| admitted.as_ref().map(|admitted| Arc::clone(admitted.progress()));
        let (first_one, second_one) = (evicted(&first).unwrap(), evicted(&second).unwrap());
        let moment = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(moment, second_one.evicted()).await.is_ok());
        assert!(tokio::time::timeout(moment, first_one.evicted()).await.is_err());
        serving(&third);
        assert_eq!(open.admit(peer(4)).err(), Some(Refused::All));
        drop((first, second, third));
        assert!(open.now().connections.is_empty() && open.now().peers.is_empty());
    }
}
