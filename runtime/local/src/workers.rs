//! Simulates the time that key checks take: a few workers, each busy with one request at a time.

use std::time::Duration;

use tokio::sync::Semaphore;

/// A first-come, first-served pool of workers.
pub(crate) struct Workers {
    per_request: Duration,
    idle: Semaphore,
}

impl Workers {
    pub(crate) fn new(per_request: Duration, count: usize) -> Self {
        Self { per_request, idle: Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)) }
    }

    /// Waits for a worker, then occupies it for the time of one request.
    pub(crate) async fn work(&self) {
        if self.per_request.is_zero() {
            return;
        }
        let _busy = self.idle.acquire().await;
        tokio::time::sleep(self.per_request).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;

    /// Which request ends after how many seconds of the virtual clock, all having arrived at once.
    async fn run(workers: usize, requests: usize) -> Vec<(usize, u64)> {
        let workers = Arc::new(Workers::new(Duration::from_secs(1), workers));
        let start = Instant::now();
        let (sender, mut ended) = tokio::sync::mpsc::unbounded_channel();
        for request in 0..requests {
            let (workers, sender) = (workers.clone(), sender.clone());
            tokio::spawn(async move {
                workers.work().await;
                let _ = sender.send((request, start.elapsed().as_secs()));
            });
        }
        drop(sender);
        let mut order = Vec::new();
        while let Some(entry) = ended.recv().await {
            order.push(entry);
        }
        order
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_served_in_order_and_as_fast_as_the_workers_are() {
        assert_eq!(run(1, 4).await, [(0, 1), (1, 2), (2, 3), (3, 4)]);
        assert_eq!(run(2, 5).await, [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3)]);
        assert_eq!(run(0, 2).await, [(0, 1), (1, 2)], "there is always one worker");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_cost_nothing_waits() {
        let (workers, start) = (Workers::new(Duration::ZERO, 1), Instant::now());
        for _ in 0..100 {
            workers.work().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
