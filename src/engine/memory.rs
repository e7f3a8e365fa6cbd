//! One memory pool for the whole process: every operator, decoder and writer asks it before it grows.
//!
//! In: a limit in bytes. Out: grants and refusals; a refused operator spills to disk. Knows nothing of what is computed.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// Where the machine does not say how much memory it has.
const FALLBACK_LIMIT: usize = 2 << 30;

/// DataFusion's fair pool, with three differences.
///
/// A `RepartitionExec` is never refused: one that is spills, and a spilling one can wait for itself for ever (datafusion#24883,
/// mended after 55.2). Its channels hold few batches, so what it takes is counted, always granted, and never shrinks the share of the
/// operators that do spill well.
///
/// Operators that can spill share half of the memory, and the merges of what they sorted the other half. The fair pool grants
/// the first all of it, and merges as much as is left: of many sorts side by side, as a large table without a key needs, one found nothing
/// left for its merge, which cannot spill and fails. A sort counts its rows twice and a merge encodes them once more, so that half of
/// the memory is always enough.
#[derive(Debug)]
pub(crate) struct SpillPool {
    fair: FairSpillPool,
    limit: usize,
    /// How many operators there are that can spill.
    spillers: AtomicUsize,
    /// How many of these are sorts, each with one merge.
    merges: AtomicUsize,
}

/// How a consumer is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Always granted.
    Exchange,
    /// Granted up to an equal share of half of the memory.
    Merge,
    /// The same, as far as anything is left.
    Spiller,
    /// Whatever is left.
    Other,
}

impl Claim {
    fn of(consumer: &MemoryConsumer) -> Self {
        match consumer.name() {
            name if name.starts_with("RepartitionExec") => Self::Exchange,
            name if name.starts_with("ExternalSorterMerge") => Self::Merge,
            _ if consumer.can_spill() => Self::Spiller,
            _ => Self::Other,
        }
    }
}

impl SpillPool {
    /// A pool of `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            fair: FairSpillPool::new(limit),
            limit,
            spillers: AtomicUsize::new(0),
            merges: AtomicUsize::new(0),
        }
    }

    /// How many there are of a kind that shares; `None` for the others.
    fn count(&self, claim: Claim) -> Option<&AtomicUsize> {
        match claim {
            Claim::Spiller => Some(&self.spillers),
            Claim::Merge => Some(&self.merges),
            Claim::Exchange | Claim::Other => None,
        }
    }

    fn is_beyond_its_share(
        &self,
        claim: Claim,
        reservation: &MemoryReservation,
        additional: usize,
    ) -> bool {
        let Some(count) = self.count(claim) else {
            return false;
        };
        let share = self.limit / 2 / count.load(Ordering::Relaxed).max(1);
        reservation.size() + additional > share
    }
}

impl MemoryPool for SpillPool {
    fn name(&self) -> &str {
        "kilde"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        let claim = Claim::of(consumer);
        if claim != Claim::Exchange {
            self.fair.register(consumer);
        }
        if let Some(count) = self.count(claim) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let claim = Claim::of(consumer);
        if claim != Claim::Exchange {
            self.fair.unregister(consumer);
        }
        if let Some(count) = self.count(claim) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.fair.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.fair.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let claim = Claim::of(reservation.consumer());
        if self.is_beyond_its_share(claim, reservation, additional) {
            let name = reservation.consumer().name();
            let message = format!("{additional} bytes more are beyond the share of {name}");
            return Err(DataFusionError::ResourcesExhausted(message));
        }
        match claim {
            Claim::Exchange | Claim::Merge => {
                self.fair.grow(reservation, additional);
                Ok(())
            }
            Claim::Spiller | Claim::Other => self.fair.try_grow(reservation, additional),
        }
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.fair.memory_limit()
    }
}

impl fmt::Display for SpillPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fair.fmt(f)
    }
}

/// 60 % of the memory that this process may use: the machine's free memory or its control group's limit, whichever is
/// less. The rest is for what no pool counts: allocator slack, decoders' stacks, the page cache.
pub(crate) fn default_memory_limit() -> usize {
    let machine = read("/proc/meminfo").and_then(|text| available_memory(&text));
    let group = read("/proc/self/cgroup").and_then(|text| group_limit(&text));
    let usable = match (machine, group) {
        (Some(machine), Some(group)) => machine.min(group),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        (None, None) => return FALLBACK_LIMIT,
    };
    usable / 10 * 6
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available_memory(text: &str) -> Option<usize> {
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The tightest limit on the way from the process's control group to the root; versions 2 and 1.
fn group_limit(cgroup: &str) -> Option<usize> {
    let mut tightest: Option<usize> = None;
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            c if c.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        for folder in Path::new(path).ancestors() {
            let relative = folder.strip_prefix("/").unwrap_or(folder);
            // "max" does not parse: no limit at this level
            let limit = read(Path::new(root).join(relative).join(file))
                .and_then(|text| text.trim().parse::<usize>().ok());
            tightest = match (tightest, limit) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }
    tightest
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn repartition_is_granted_beyond_the_limit_and_counted() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SpillPool::new(100));
        let repartition = MemoryConsumer::new("RepartitionExec[3]")
            .with_can_spill(true)
            .register(&pool);
        repartition.try_grow(250).unwrap();
        assert_eq!(pool.reserved(), 250);
        repartition.free();
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn other_operators_are_refused_at_their_share() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SpillPool::new(100));
        let _repartition = MemoryConsumer::new("RepartitionExec[0]")
            .with_can_spill(true)
            .register(&pool);
        let sort = MemoryConsumer::new("ExternalSorter[0]")
            .with_can_spill(true)
            .register(&pool);
        // the repartition does not count as a spiller, so the sort has all that spillers share
        sort.try_grow(50).unwrap();
        assert!(sort.try_grow(1).is_err());
        let _other = MemoryConsumer::new("ExternalSorter[1]")
            .with_can_spill(true)
            .register(&pool);
        sort.shrink(25);
        assert!(sort.try_grow(1).is_err(), "two share what one had");
    }

    #[test]
    fn a_merge_has_its_share_whatever_others_hold() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SpillPool::new(100));
        let merges = [0, 1].map(|n| {
            let name = format!("ExternalSorterMerge[{n}]");
            MemoryConsumer::new(name).register(&pool)
        });
        let other = MemoryConsumer::new("a file").register(&pool);
        other.try_grow(100).unwrap();
        for merge in &merges {
            merge.try_grow(25).unwrap();
            assert!(merge.try_grow(1).is_err());
        }
        assert_eq!(pool.reserved(), 150);
        assert!(other.try_grow(1).is_err());
    }

    #[test]
    fn available_memory_is_read_in_bytes() {
        let text = "MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:     42 kB\n";
        assert_eq!(available_memory(text), Some(42 * 1024));
        assert_eq!(available_memory("nonsense"), None);
    }

    #[test]
    fn default_limit_is_some_memory() {
        assert!(default_memory_limit() > 1 << 20);
    }
}
