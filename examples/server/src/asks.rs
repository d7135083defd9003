//! How many links one peer may ask for, whatever the addresses. The library bounds the messages to each address; only the
//! host sees who asks for a thousand of them. It is looked at before anybody is looked for, so it tells nothing.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use tokio::time::Instant;

use crate::peer::Network;

/// How many at once, and how soon there is one more.
const BURST: u32 = 20;
const EVERY: Duration = Duration::from_secs(10);

/// How many peers are remembered. Behind that many, the one that is forgotten first has asked least.
const PEERS: usize = 10_000;

/// When each peer has all of its asks again.
#[derive(Default)]
pub(crate) struct Asks(Mutex<HashMap<Network, Instant>>);

impl Asks {
    /// Charges an ask, and says how long the peer has to wait if it has none.
    pub(crate) fn charge(&self, peer: Network, now: Instant) -> Result<(), Duration> {
        let Ok(mut peers) = self.0.lock() else { return Ok(()) };
        let full = peers.get(&peer).map_or(now, |full| (*full).max(now));
        let spare = EVERY.saturating_mul(BURST - 1);
        let ahead = full.saturating_duration_since(now);
        if ahead > spare {
            return Err(ahead - spare);
        }
        if peers.len() >= PEERS && !peers.contains_key(&peer) {
            peers.retain(|_, full| *full > now);
            if peers.len() >= PEERS
                && let Some(first) = peers.iter().min_by_key(|(_, full)| **full).map(|(peer, _)| *peer)
            {
                peers.remove(&first);
            }
        }
        peers.insert(peer, full + EVERY);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::peer::Peer;

    fn peer(number: u32) -> Network {
        Peer::from(IpAddr::V4(Ipv4Addr::from_bits(number))).network()
    }

    #[tokio::test]
    async fn a_peer_has_its_burst_and_then_one_each_interval() {
        let (asks, now) = (Asks::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(asks.charge(peer(1), now), Ok(()));
        }
        assert_eq!(asks.charge(peer(1), now), Err(EVERY));
        assert_eq!(asks.charge(peer(2), now), Ok(()), "another peer has its own");
        assert_eq!(asks.charge(peer(1), now + EVERY), Ok(()));
        assert_eq!(asks.charge(peer(1), now + EVERY), Err(EVERY));
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let (asks, now) = (Asks::default(), Instant::now());
        for number in 0..=u32::try_from(PEERS).unwrap_or(0) {
            assert_eq!(asks.charge(peer(number), now), Ok(()));
        }
        assert!(asks.0.lock().is_ok_and(|peers| peers.len() == PEERS));
    }
}
