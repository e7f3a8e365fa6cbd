//! The threads of a plan, shared among its partitions that are still being written: the last one has them all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one of several partitions may use until it is written, which is when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    threads: usize,
    writing: Arc<AtomicUsize>,
}

impl Share {
    /// `writing`: partitions that are not written yet.
    pub(super) fn new(threads: usize, writing: Arc<AtomicUsize>) -> Self {
        Self { threads, writing }
    }

    /// Threads of one that has them for itself.
    pub(super) fn alone(threads: usize) -> Self {
        Self::new(threads, Arc::new(AtomicUsize::new(1)))
    }

    /// Threads that a partition may have at this moment, at least its own.
    pub(super) fn threads(&self) -> usize {
        let writing = self.writing.load(Ordering::Relaxed).max(1);
        (self.threads / writing).max(1)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.writing.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_a_thread_and_the_last_one_has_all() {
        let writing = Arc::new(AtomicUsize::new(8));
        let shares: Vec<Share> = (0..8)
            .map(|_| Share::new(5, Arc::clone(&writing)))
            .collect();
        let seen: Vec<usize> = shares.into_iter().map(|share| share.threads()).collect();
        assert_eq!(seen, [1, 1, 1, 1, 1, 1, 2, 5]);
    }
}
