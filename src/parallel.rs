//! The same function over many items, on several cores, results in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Stack of every thread that plans SQL: the largest statement that is let through fits in a debug build. Only what is
/// used of it is memory.
pub(crate) const STACK_BYTES: usize = 64 << 20;

/// As many threads as this machine has cores.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// `items.iter().map(work)`, in parallel; the result does not depend on the number of threads.
pub(crate) fn map<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = threads.min(items.len());
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    let drain = || {
        let mut own = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            own.push((index, work(item)));
        }
        match results.lock() {
            Ok(mut all) => all.extend(own),
            Err(poisoned) => poisoned.into_inner().extend(own),
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // where no thread can be had, this one does all the work
            let _ = std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, drain);
        }
        drain();
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Work on every item, in parallel: items that are changed in their place, and so are owned by who works on them.
pub(crate) fn for_each<T: Send>(threads: usize, items: Vec<T>, work: impl Fn(T) + Sync) {
    map_owned(threads, items, work);
}

/// `items.into_iter().map(work)`, in parallel; the result does not depend on the number of threads.
pub(crate) fn map_owned<T: Send, R: Send>(
    threads: usize,
    items: Vec<T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let items: Vec<Mutex<Option<T>>> = items
        .into_iter()
        .map(|item| Mutex::new(Some(item)))
        .collect();
    let results = map(threads, &items, |item| {
        let item = item.lock().unwrap_or_else(PoisonError::into_inner).take();
        item.map(&work)
    });
    results.into_iter().flatten().collect()
}

/// Two things at once, where there are threads for both.
pub(crate) fn both<A: Send, B>(
    threads: usize,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B,
) -> (A, B) {
    if threads < 2 {
        return (one(), other());
    }
    // whoever comes first takes it: where no thread can be had, this one does both
    let one = Mutex::new(Some(one));
    let take = || one.lock().unwrap_or_else(PoisonError::into_inner).take();
    std::thread::scope(|scope| {
        let begun = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || take().map(|one| one()));
        let other = other();
        let found = begun.map(|thread| {
            let found = thread.join();
            found.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        match (found, take()) {
            (Ok(Some(found)), _) => (found, other),
            (_, Some(one)) => (one(), other),
            (_, None) => unreachable!("a thread that took the work has its result"),
        }
    })
}

/// Items that come one after the other: `make` gives the next, on this thread; `work` turns it into its result, on any of
/// `threads`; `take` receives the results in order, on this thread. A few items are under way at a time.
///
/// Threads are begun only after the first `alone` items: for a few they would cost more than they give.
///
/// # Errors
/// The first of `make`, or the first of `take` in order; items behind it may have been worked on.
pub(crate) fn in_order<T: Send, R: Send, E>(
    threads: usize,
    alone: usize,
    mut make: impl FnMut() -> Result<Option<T>, E>,
    work: impl Fn(T) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let mut made = 0;
    while threads < 2 || made < alone {
        let Some(item) = make()? else {
            return Ok(());
        };
        take(work(item))?;
        made += 1;
    }
    let line = Line::default();
    std::thread::scope(|scope| {
        // whatever way this thread leaves, the others must not wait for it
        let _closed = Closing(&line);
        for _ in 1..threads {
            // where no thread can be had, this one does all the work
            let _ = std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, || line.help(&work));
        }
        let (mut made, mut taken, mut is_complete) = (0, 0, false);
        while !is_complete || taken < made {
            if let Some(result) = line.result(taken) {
                take(result)?;
                taken += 1;
            } else if !is_complete && made < taken + threads * 2 {
                match make()? {
                    Some(item) => line.add(made, item),
                    None => is_complete = true,
                }
                made += usize::from(!is_complete);
            } else if let Some((at, item)) = line.next() {
                line.finish(at, work(item));
            } else if !line.wait(taken) {
                // the thread that panicked says why when it is joined
                break;
            }
        }
        Ok(())
    })
}

/// Items that wait for a thread, and results that wait for those before them.
struct Line<T, R> {
    state: Mutex<LineState<T, R>>,
    changed: Condvar,
}

struct LineState<T, R> {
    waiting: VecDeque<(usize, T)>,
    results: BTreeMap<usize, R>,
    is_closed: bool,
    /// A thread panicked: its result never comes.
    is_broken: bool,
}

impl<T, R> Default for Line<T, R> {
    fn default() -> Self {
        Self {
            state: Mutex::new(LineState {
                waiting: VecDeque::new(),
                results: BTreeMap::new(),
                is_closed: false,
                is_broken: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T, R> Line<T, R> {
    fn lock(&self) -> MutexGuard<'_, LineState<T, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, at: usize, item: T) {
        self.lock().waiting.push_back((at, item));
        self.changed.notify_all();
    }

    fn next(&self) -> Option<(usize, T)> {
        self.lock().waiting.pop_front()
    }

    fn finish(&self, at: usize, result: R) {
        self.lock().results.insert(at, result);
        self.changed.notify_all();
    }

    fn result(&self, at: usize) -> Option<R> {
        self.lock().results.remove(&at)
    }

    /// Waits until this result is there, or an item that somebody can work on; `false` where it never will be.
    fn wait(&self, at: usize) -> bool {
        let mut state = self.lock();
        while !state.results.contains_key(&at) && state.waiting.is_empty() && !state.is_broken {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        !state.is_broken
    }

    /// Works until the line is closed.
    fn help(&self, work: &impl Fn(T) -> R) {
        loop {
            let mut state = self.lock();
            let (at, item) = loop {
                if state.is_closed {
                    return;
                }
                match state.waiting.pop_front() {
                    Some(next) => break next,
                    None => {
                        state = self
                            .changed
                            .wait(state)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            drop(state);
            let broken = Breaking(self);
            let result = work(item);
            std::mem::forget(broken);
            self.finish(at, result);
        }
    }
}

/// Closes the line when it goes.
struct Closing<'a, T, R>(&'a Line<T, R>);

impl<T, R> Drop for Closing<'_, T, R> {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_all();
    }
}

/// Says that a result never comes, when it goes.
struct Breaking<'a, T, R>(&'a Line<T, R>);

impl<T, R> Drop for Breaking<'_, T, R> {
    fn drop(&mut self) {
        self.0.lock().is_broken = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<u64> = (0..1000).collect();
        let doubled: Vec<u64> = (0..1000).map(|n| n * 2).collect();
        for threads in [0, 1, 2, 7] {
            assert_eq!(super::map(threads, &items, |n| n * 2), doubled);
        }
    }

    #[test]
    fn two_things_are_both_done() {
        for threads in [0, 1, 2] {
            assert_eq!(super::both(threads, || "one", || 2), ("one", 2));
        }
    }

    #[test]
    fn what_is_made_in_a_row_is_taken_in_that_row() {
        for threads in [1, 2, 5] {
            for alone in [0, 3, 1000] {
                let (mut next, mut taken) = (0_u64, Vec::new());
                let make = || {
                    next += 1;
                    Ok::<_, u64>((next <= 200).then_some(next))
                };
                let work = |n: u64| {
                    // some take longer than those behind them
                    let rounds = if n.is_multiple_of(7) { 20_000 } else { 1 };
                    (0..rounds).fold(n, |sum, _| std::hint::black_box(sum))
                };
                super::in_order(threads, alone, make, work, |n| {
                    taken.push(n);
                    Ok(())
                })
                .unwrap();
                assert_eq!(taken, (1..=200).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_first_error_ends_it() {
        for threads in [1, 3] {
            let (mut next, mut taken) = (0, 0);
            let make = || {
                next += 1;
                if next == 50 {
                    Err("made")
                } else {
                    Ok(Some(next))
                }
            };
            let found = super::in_order(
                threads,
                2,
                make,
                |n| n,
                |n| {
                    taken = n;
                    if n == 20 { Err("taken") } else { Ok(()) }
                },
            );
            assert_eq!((found, taken), (Err("taken"), 20));
        }
    }
}
