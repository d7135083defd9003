//! Doing several things at once: in threads, as tasks of one future, or on the host's own executor.
//!
//! Whatever waits here can be left: a job that panics, fails or never starts lets the others through every gate.
//! Nothing here reads a clock or knows an executor.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

/// A future in a box, as it is handed to a spawner.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The host's way of starting a task.
pub(crate) type Spawn<'a> = Arc<dyn Fn(Later<'a, ()>) + Send + Sync + 'a>;

/// How jobs are run at the same time.
#[derive(Clone)]
pub(crate) enum Muster<'a> {
    Threads,
    Tasks,
    Spawned(Spawn<'a>),
}

impl<'a> Muster<'a> {
    /// Runs all jobs at the same time and gives what came of each, in order: nothing of one that panicked.
    pub(crate) async fn run<T: Send + 'a>(&self, jobs: Vec<Later<'a, T>>) -> Vec<Option<T>> {
        match self {
            Self::Threads => in_threads(jobs),
            Self::Tasks => joined(jobs).await,
            Self::Spawned(spawn) => spawned(spawn, jobs).await,
        }
    }
}

fn in_threads<T: Send>(jobs: Vec<Later<'_, T>>) -> Vec<Option<T>> {
    thread::scope(|scope| {
        let start = |job| thread::Builder::new().spawn_scoped(scope, move || block_on(job)).ok();
        let threads: Vec<_> = jobs.into_iter().map(start).collect();
        threads.into_iter().map(|thread| thread?.join().ok()).collect()
    })
}

async fn joined<T>(jobs: Vec<Later<'_, T>>) -> Vec<Option<T>> {
    let mut jobs: Vec<_> = jobs.into_iter().map(|job| (Some(job), None)).collect();
    poll_fn(|context| {
        for (running, result) in &mut jobs {
            if let Some(Poll::Ready(value)) = running.as_mut().map(|job| job.as_mut().poll(context)) {
                (*running, *result) = (None, Some(value));
            }
        }
        if jobs.iter().all(|(running, _)| running.is_none()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    jobs.into_iter().map(|(_, result)| result).collect()
}

async fn spawned<'a, T: Send + 'a>(spawn: &Spawn<'a>, jobs: Vec<Later<'a, T>>) -> Vec<Option<T>> {
    let mut slots = Vec::new();
    for job in jobs {
        let slot = Arc::new(Mutex::new(Slot { result: None, over: false, waker: None }));
        let filler = Filler(Arc::clone(&slot));
        slots.push(slot);
        spawn(Box::pin(async move {
            let value = job.await;
            lock(&filler.0).result = Some(value);
        }));
    }
    let mut results = Vec::new();
    for slot in slots {
        let result = poll_fn(|context| {
            let mut slot = lock(&slot);
            if slot.over {
                return Poll::Ready(slot.result.take());
            }
            slot.waker = Some(context.waker().clone());
            Poll::Pending
        });
        results.push(result.await);
    }
    results
}

/// Where a spawned job leaves its result.
struct Slot<T> {
    result: Option<T>,
    over: bool,
    waker: Option<Waker>,
}

/// Says that a spawned job is over, also when it panicked or was dropped.
struct Filler<T>(Arc<Mutex<Slot<T>>>);

impl<T> Drop for Filler<T> {
    fn drop(&mut self) {
        let mut slot = lock(&self.0);
        slot.over = true;
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a future to its end in this thread, which sleeps while there is nothing to do.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Parked(Thread);

    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        // A task that gave way was woken at once: then the other threads go first.
        thread::yield_now();
        thread::park();
    }
}

/// Lets the other tasks go first, once.
pub(crate) async fn give_way() {
    let mut gave_way = false;
    poll_fn(|context| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits a moment without a timer of any executor.
pub(crate) async fn pause(span: Duration) {
    let over = Arc::new(Mutex::new(false));
    let mut started = false;
    poll_fn(|context| {
        if *lock(&over) {
            return Poll::Ready(());
        }
        if !started {
            started = true;
            let (over, waker) = (Arc::clone(&over), context.waker().clone());
            let sleeper = thread::Builder::new().spawn(move || {
                thread::sleep(span);
                *lock(&over) = true;
                waker.wake();
            });
            if sleeper.is_err() {
                // No thread to sleep in: this one does.
                thread::sleep(span);
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
}

/// Tickets for a gate that opens when all of them have come to it or are gone.
pub(crate) fn gate(tickets: usize) -> Vec<Ticket> {
    let gate = Arc::new(Mutex::new(Waiting { missing: tickets, wakers: Vec::new() }));
    (0..tickets).map(|_| Ticket { gate: Arc::clone(&gate), arrived: false }).collect()
}

struct Waiting {
    missing: usize,
    wakers: Vec<Waker>,
}

/// The right to pass a gate once.
pub(crate) struct Ticket {
    gate: Arc<Mutex<Waiting>>,
    arrived: bool,
}

impl Ticket {
    /// Waits for the others.
    pub(crate) async fn pass(mut self) {
        self.arrive();
        poll_fn(|context| {
            let mut gate = lock(&self.gate);
            if gate.missing == 0 {
                return Poll::Ready(());
            }
            gate.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn arrive(&mut self) {
        if std::mem::replace(&mut self.arrived, true) {
            return;
        }
        let mut gate = lock(&self.gate);
        gate.missing = gate.missing.saturating_sub(1);
        if gate.missing == 0 {
            gate.wakers.drain(..).for_each(Waker::wake);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.arrive();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// Tells of every time that it is woken.
    struct Teller(Mutex<Sender<()>>);

    impl Wake for Teller {
        fn wake(self: Arc<Self>) {
            lock(&self.0).send(()).unwrap();
        }
    }

    #[test]
    fn whoever_gives_way_or_pauses_is_polled_again_once_it_is_woken() {
        let waits: [Later<'_, ()>; 2] = [Box::pin(give_way()), Box::pin(pause(Duration::from_millis(1)))];
        for mut wait in waits {
            let (teller, told) = channel();
            let waker = Waker::from(Arc::new(Teller(Mutex::new(teller))));
            let mut context = Context::from_waker(&waker);
            assert_eq!(wait.as_mut().poll(&mut context), Poll::Pending);
            told.recv_timeout(Duration::from_secs(20)).unwrap();
            assert_eq!(wait.as_mut().poll(&mut context), Poll::Ready(()));
        }
    }

    #[test]
    fn a_gate_opens_when_the_last_ticket_has_come_or_is_gone() {
        let (teller, told) = channel();
        let waker = Waker::from(Arc::new(Teller(Mutex::new(teller))));
        let mut context = Context::from_waker(&waker);
        let mut tickets = gate(3);
        let mut first: Later<'_, ()> = Box::pin(tickets.remove(0).pass());
        assert_eq!(first.as_mut().poll(&mut context), Poll::Pending);
        drop(tickets.pop());
        assert!(told.try_recv().is_err(), "one is missing");
        assert_eq!(first.as_mut().poll(&mut context), Poll::Pending);
        let mut last: Later<'_, ()> = Box::pin(tickets.remove(0).pass());
        assert_eq!(last.as_mut().poll(&mut context), Poll::Ready(()));
        told.try_recv().unwrap();
        assert_eq!(first.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
