//! Concurrent jobs: in threads, as tasks of one future, or on the host's own executor.
//!
//! No wait blocks for ever: a job that panics, fails or never starts releases the others at every barrier. This module
//! reads no clock and must never depend on a particular asynchronous runtime.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

/// A boxed future, as [`AsyncKit::spawn`](crate::AsyncKit::spawn) receives it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The host's function that starts a task.
pub(crate) type Spawn<'a> = Arc<dyn Fn(BoxFuture<'a, ()>) + Send + Sync + 'a>;

/// How jobs run concurrently.
#[derive(Clone)]
pub(crate) enum Executor<'a> {
    Threads,
    Tasks,
    Spawned(Spawn<'a>),
}

impl<'a> Executor<'a> {
    /// Runs all jobs concurrently and returns the result of each, in order; `None` for a job that panicked.
    pub(crate) async fn run<T: Send + 'a>(&self, jobs: Vec<BoxFuture<'a, T>>) -> Vec<Option<T>> {
        match self {
            Self::Threads => in_threads(jobs),
            Self::Tasks => joined(jobs).await,
            Self::Spawned(spawn) => spawned(spawn, jobs).await,
        }
    }
}

fn in_threads<T: Send>(jobs: Vec<BoxFuture<'_, T>>) -> Vec<Option<T>> {
    thread::scope(|scope| {
        let start = |job| thread::Builder::new().spawn_scoped(scope, move || block_on(job)).ok();
        let threads: Vec<_> = jobs.into_iter().map(start).collect();
        threads.into_iter().map(|thread| thread?.join().ok()).collect()
    })
}

async fn joined<T>(jobs: Vec<BoxFuture<'_, T>>) -> Vec<Option<T>> {
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

async fn spawned<'a, T: Send + 'a>(spawn: &Spawn<'a>, jobs: Vec<BoxFuture<'a, T>>) -> Vec<Option<T>> {
    let mut slots = Vec::new();
    for job in jobs {
        let slot = Arc::new(Mutex::new(Slot { result: None, over: false, waker: None }));
        let completion = Completion(Arc::clone(&slot));
        slots.push(slot);
        spawn(Box::pin(async move {
            let value = job.await;
            lock(&completion.0).result = Some(value);
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

/// Where a spawned job stores its result.
struct Slot<T> {
    result: Option<T>,
    over: bool,
    waker: Option<Waker>,
}

/// Marks a spawned job as over, also when it panicked or was dropped.
struct Completion<T>(Arc<Mutex<Slot<T>>>);

impl<T> Drop for Completion<T> {
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

/// Runs a future to completion in this thread, which is parked while the future waits.
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
        // A future that yielded was woken at once: then the other threads run first.
        thread::yield_now();
        thread::park();
    }
}

/// Yields once to the other tasks.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits for this long without a timer of the runtime.
pub(crate) async fn sleep(span: Duration) {
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
                // No thread could be started: this one sleeps.
                thread::sleep(span);
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
}

/// One job's end of a barrier, which opens when every job has arrived or is gone.
pub(crate) struct Barrier {
    shared: Arc<Mutex<Arrivals>>,
    arrived: bool,
}

struct Arrivals {
    missing: usize,
    wakers: Vec<Waker>,
}

impl Barrier {
    /// A barrier for so many jobs: one end for each.
    pub(crate) fn for_jobs(count: usize) -> Vec<Self> {
        let shared = Arc::new(Mutex::new(Arrivals { missing: count, wakers: Vec::new() }));
        (0..count).map(|_| Self { shared: Arc::clone(&shared), arrived: false }).collect()
    }

    /// Waits for the others.
    pub(crate) async fn wait(mut self) {
        self.arrive();
        poll_fn(|context| {
            let mut shared = lock(&self.shared);
            if shared.missing == 0 {
                return Poll::Ready(());
            }
            shared.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn arrive(&mut self) {
        if std::mem::replace(&mut self.arrived, true) {
            return;
        }
        let mut shared = lock(&self.shared);
        shared.missing = shared.missing.saturating_sub(1);
        if shared.missing == 0 {
            shared.wakers.drain(..).for_each(Waker::wake);
        }
    }
}

impl Drop for Barrier {
    fn drop(&mut self) {
        self.arrive();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// Reports every wake.
    struct Signal(Mutex<Sender<()>>);

    impl Wake for Signal {
        fn wake(self: Arc<Self>) {
            lock(&self.0).send(()).unwrap();
        }
    }

    #[test]
    fn yielding_and_sleeping_futures_are_polled_again_once_woken() {
        let waits: [BoxFuture<'_, ()>; 2] =
            [Box::pin(yield_now()), Box::pin(sleep(Duration::from_millis(1)))];
        for mut wait in waits {
            let (signal, wakes) = channel();
            let waker = Waker::from(Arc::new(Signal(Mutex::new(signal))));
            let mut context = Context::from_waker(&waker);
            assert_eq!(wait.as_mut().poll(&mut context), Poll::Pending);
            wakes.recv_timeout(Duration::from_secs(20)).unwrap();
            assert_eq!(wait.as_mut().poll(&mut context), Poll::Ready(()));
        }
    }

    #[test]
    fn a_barrier_opens_when_the_last_job_has_arrived_or_is_gone() {
        let (signal, wakes) = channel();
        let waker = Waker::from(Arc::new(Signal(Mutex::new(signal))));
        let mut context = Context::from_waker(&waker);
        let mut barriers = Barrier::for_jobs(3);
        let mut first: BoxFuture<'_, ()> = Box::pin(barriers.remove(0).wait());
        assert_eq!(first.as_mut().poll(&mut context), Poll::Pending);
        drop(barriers.pop());
        assert!(wakes.try_recv().is_err(), "one is missing");
        assert_eq!(first.as_mut().poll(&mut context), Poll::Pending);
        let mut last: BoxFuture<'_, ()> = Box::pin(barriers.remove(0).wait());
        assert_eq!(last.as_mut().poll(&mut context), Poll::Ready(()));
        wakes.try_recv().unwrap();
        assert_eq!(first.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
