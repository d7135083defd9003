//! The memory of password hashes, and whose turn it is to have some.
//!
//! Argon2 wants megabytes for each hash. They are made once, as many sets as hashes are computed at once, and lent:
//! an allocator that gets and gives them up again and again, on many threads, keeps many times as much. Who waits for
//! a set stands in a line that has a bound. The peer that had least in the last seconds comes first, so that one that
//! asks without end is in nobody's way. This module must never let anybody wait without end, and never let a set be
//! lost.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argon2::Block;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::peer::Network;

/// In this time half of what a turn had is forgotten.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// In whose turn a hash is computed: a peer's, or the server's own.
pub(crate) type Turn = Option<Network>;

/// No hash can be computed now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Busy {
    #[error("too many wait for a password hash")]
    Full,
    #[error("a password hash did not begin in time")]
    Late,
}

pub(crate) struct Hashing {
    state: Mutex<State>,
    most_waiting: usize,
    patience: Duration,
}

struct State {
    /// The sets that are not lent. While there is one nobody waits.
    idle: Vec<Memory>,
    /// Those of one turn, the first to come in front. No queue is empty.
    waiting: BTreeMap<Turn, VecDeque<Waiter>>,
    /// How many sets each turn had in the last seconds. There are no more turns in it than hashes were computed in a
    /// minute or so.
    had: BTreeMap<Turn, usize>,
    /// When half of that was forgotten last.
    forgotten: Instant,
    count: usize,
    next: u64,
}

struct Waiter {
    number: u64,
    sender: oneshot::Sender<Lent>,
}

/// One set of blocks.
#[derive(Default)]
pub(crate) struct Memory(Vec<Block>);

impl Memory {
    /// So many blocks. They are made at the first use, and more of them only for a hash that was made with more.
    pub(crate) fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        &mut self.0
    }
}

/// A set that is lent. It goes to the next in line, or back, when it is dropped.
pub(crate) struct Lent {
    memory: Option<Memory>,
    owner: Arc<Hashing>,
}

impl Lent {
    pub(crate) fn memory(&mut self) -> &mut Memory {
        self.memory.get_or_insert_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.owner.give_back(memory);
        }
    }
}

/// A place in the line. Whoever is dropped while waiting leaves it.
struct Place {
    turn: Turn,
    number: u64,
    receiver: oneshot::Receiver<Lent>,
    owner: Arc<Hashing>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.owner.state().leave(self.turn, self.number);
    }
}

impl Hashing {
    pub(crate) fn new(at_once: usize, most_waiting: usize, patience: Duration) -> Arc<Self> {
        let state = State {
            idle: (0..at_once).map(|_| Memory::default()).collect(),
            waiting: BTreeMap::new(),
            had: BTreeMap::new(),
            forgotten: Instant::now(),
            count: 0,
            next: 0,
        };
        Arc::new(Self { state: Mutex::new(state), most_waiting, patience })
    }

    /// For a command: one at a time, and nobody waits.
    pub(crate) fn for_a_command() -> Arc<Self> {
        Self::new(1, 0, Duration::ZERO)
    }

    /// Lends a set as soon as it is this turn's. With the line full, the last one of the turn that had and wants most
    /// gives way, if that is more than this one would.
    pub(crate) async fn lend(self: &Arc<Self>, turn: Turn) -> Result<Lent, Busy> {
        let mut place = {
            let mut state = self.state();
            if let Some(memory) = state.idle.pop() {
                state.note(turn);
                return Ok(Lent { memory: Some(memory), owner: Arc::clone(self) });
            }
            let full = state.count >= self.most_waiting;
            if full && !state.make_room(turn) {
                return Err(Busy::Full);
            }
            let (number, receiver) = state.join(turn);
            Place { turn, number, receiver, owner: Arc::clone(self) }
        };
        match timeout(self.patience, &mut place.receiver).await {
            Ok(lent) => lent.map_err(|_| Busy::Full),
            Err(_) => Err(Busy::Late),
        }
    }

    /// How many stand in the line.
    pub(crate) fn waiting(&self) -> usize {
        self.state().count
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(self: &Arc<Self>, mut memory: Memory) {
        loop {
            let next = {
                let mut state = self.state();
                match state.next_in_turn() {
                    Some(next) => next,
                    None => return state.idle.push(memory),
                }
            };
            match next.sender.send(Lent { memory: Some(memory), owner: Arc::clone(self) }) {
                Ok(()) => return,
                // That one has just gone.
                Err(mut lent) => memory = lent.memory.take().unwrap_or_default(),
            }
        }
    }
}

impl State {
    fn join(&mut self, turn: Turn) -> (u64, oneshot::Receiver<Lent>) {
        let (sender, receiver) = oneshot::channel();
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.count = self.count.saturating_add(1);
        self.waiting.entry(turn).or_default().push_back(Waiter { number, sender });
        (number, receiver)
    }

    fn next_in_turn(&mut self) -> Option<Waiter> {
        let first = |(turn, queue): (&Turn, &VecDeque<Waiter>)| {
            Some((self.had.get(turn).copied().unwrap_or(0), queue.front()?.number, *turn))
        };
        let (_, _, turn) = self.waiting.iter().filter_map(first).min()?;
        let queue = self.waiting.get_mut(&turn)?;
        let next = queue.pop_front()?;
        self.count = self.count.saturating_sub(1);
        if queue.is_empty() {
            self.waiting.remove(&turn);
        }
        self.note(turn);
        Some(next)
    }

    /// Notes that a turn had a set.
    fn note(&mut self, turn: Turn) {
        if self.forgotten.elapsed() >= HALF_LIFE {
            self.forgotten = Instant::now();
            self.had.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
        let had = self.had.entry(turn).or_default();
        *had = had.saturating_add(1);
    }

    /// How much a turn had and wants.
    fn weight(&self, turn: &Turn) -> usize {
        let wants = self.waiting.get(turn).map_or(0, VecDeque::len);
        self.had.get(turn).copied().unwrap_or(0).saturating_add(wants)
    }

    /// Sends away the last of the turn that had and wants most, unless this turn would then come to as much.
    fn make_room(&mut self, turn: Turn) -> bool {
        let own = self.weight(&turn).saturating_add(1);
        let most = self.waiting.iter().max_by_key(|(turn, _)| self.weight(turn));
        let most = most.filter(|(turn, _)| self.weight(turn) > own);
        let Some((turn, last)) = most.and_then(|(turn, queue)| Some((*turn, queue.back()?.number))) else {
            return false;
        };
        self.leave(turn, last);
        true
    }

    fn leave(&mut self, turn: Turn, number: u64) {
        let Some(queue) = self.waiting.get_mut(&turn) else { return };
        let before = queue.len();
        queue.retain(|waiter| waiter.number != number);
        self.count = self.count.saturating_sub(before.saturating_sub(queue.len()));
        if queue.is_empty() {
            self.waiting.remove(&turn);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use std::{future::Future, net::IpAddr, pin::Pin, task::Poll};

    use super::*;
    use crate::peer::Peer;

    const LONG: Duration = Duration::from_secs(600);

    fn turn(last: u8) -> Turn {
        Some(Peer::from(IpAddr::from([192, 0, 2, last])).network())
    }

    type Waiting = Pin<Box<dyn Future<Output = Result<Lent, Busy>>>>;

    /// Asks, and comes to wait.
    async fn wait(hashing: &Arc<Hashing>, turn: Turn) -> Waiting {
        let hashing = Arc::clone(hashing);
        let mut waiting: Waiting = Box::pin(async move { hashing.lend(turn).await });
        assert!(poll(&mut waiting).await.is_none(), "nobody waits for a set that is there");
        waiting
    }

    async fn poll(waiting: &mut Waiting) -> Option<Result<Lent, Busy>> {
        std::future::poll_fn(|cx| match waiting.as_mut().poll(cx) {
            Poll::Ready(lent) => Poll::Ready(Some(lent)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn who_had_least_comes_first() {
        let hashing = Hashing::new(1, 8, LONG);
        let lent = hashing.lend(None).await.unwrap();
        let mut greedy = [wait(&hashing, turn(1)).await, wait(&hashing, turn(1)).await];
        let mut other = wait(&hashing, turn(2)).await;
        drop(lent);
        let first = poll(&mut greedy[0]).await.unwrap().unwrap();
        drop(first);
        assert!(poll(&mut greedy[1]).await.is_none());
        drop(poll(&mut other).await.unwrap().unwrap());
        assert!(poll(&mut greedy[1]).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_full_line_refuses_at_once_and_whoever_has_most_in_it_gives_way() {
        let hashing = Hashing::new(1, 3, LONG);
        let lent = hashing.lend(None).await.unwrap();
        let mut greedy = Vec::new();
        for _ in 0..3 {
            greedy.push(wait(&hashing, turn(1)).await);
        }
        assert_eq!(hashing.lend(turn(1)).await.err(), Some(Busy::Full));
        let mut other = wait(&hashing, turn(2)).await;
        assert_eq!(poll(greedy.last_mut().unwrap()).await.unwrap().err(), Some(Busy::Full));
        drop(greedy.pop());
        assert_eq!(hashing.lend(turn(2)).await.err(), Some(Busy::Full), "nobody gives way to an equal");
        assert_eq!(hashing.state().count, 3);
        drop(lent);
        drop(poll(&mut greedy[0]).await.unwrap().unwrap());
        assert!(poll(&mut other).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn whoever_goes_leaves_the_line_and_no_set_is_lost() {
        let hashing = Hashing::new(2, 8, LONG);
        let lent = [hashing.lend(None).await.unwrap(), hashing.lend(None).await.unwrap()];
        let gone = wait(&hashing, turn(1)).await;
        let late = wait(&hashing, turn(2)).await;
        drop(gone);
        assert_eq!(hashing.state().count, 1);
        assert_eq!(hashing.state().waiting.keys().collect::<Vec<_>>(), [&turn(2)]);
        // This one goes after the set was handed to it, and before it looked.
        drop(lent);
        drop(late);
        let state = hashing.state();
        assert_eq!(state.idle.len(), 2);
        assert_eq!(state.count, 0);
        assert!(state.waiting.is_empty());
    }

    #[tokio::test]
    async fn what_a_turn_had_is_forgotten() {
        let hashing = Hashing::new(1, 8, LONG);
        for _ in 0..5 {
            drop(hashing.lend(turn(1)).await.unwrap());
        }
        drop(hashing.lend(turn(2)).await.unwrap());
        assert_eq!(hashing.state().had, BTreeMap::from([(turn(1), 5), (turn(2), 1)]));
        hashing.state().forgotten = Instant::now().checked_sub(HALF_LIFE).unwrap();
        drop(hashing.lend(turn(3)).await.unwrap());
        assert_eq!(hashing.state().had, BTreeMap::from([(turn(1), 2), (turn(3), 1)]));
    }

    #[tokio::test]
    async fn nobody_waits_without_end() {
        let hashing = Hashing::new(1, 8, Duration::from_millis(20));
        let lent = hashing.lend(None).await.unwrap();
        assert_eq!(hashing.lend(turn(1)).await.err(), Some(Busy::Late));
        assert_eq!(hashing.state().count, 0);
        drop(lent);
        assert!(hashing.lend(turn(1)).await.is_ok());
    }

    #[test]
    fn memory_is_kept_and_grows_only_for_a_hash_that_needs_more() {
        let mut memory = Memory::default();
        let first = memory.blocks(16).as_ptr();
        assert_eq!(memory.blocks(8).as_ptr(), first);
        assert_eq!((memory.blocks(8).len(), memory.blocks(64).len()), (16, 64));
    }
}
