//! The same function over many items, on several cores, results in order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

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
}
