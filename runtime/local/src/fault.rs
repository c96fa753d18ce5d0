//! Which requests meet a fault: the next so many, or a share of all.

use std::collections::VecDeque;

use super::faults::Fault;

/// What a test asked for, in the order in which it asked.
#[derive(Debug, Default)]
pub(crate) struct Script {
    next: VecDeque<(usize, Fault)>,
    shares: Vec<(f64, Fault, fastrand::Rng)>,
}

impl Script {
    pub(crate) fn add_next(&mut self, count: usize, fault: Fault) {
        self.next.push_back((count, fault));
    }

    pub(crate) fn add_share(&mut self, share: f64, fault: Fault, seed: u64) {
        self.shares.push((share, fault, fastrand::Rng::with_seed(seed)));
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault of the request that has just arrived.
    pub(crate) fn draw(&mut self) -> Option<Fault> {
        while let Some((count, fault)) = self.next.front_mut() {
            if *count > 0 {
                *count -= 1;
                return Some(fault.clone());
            }
            self.next.pop_front();
        }
        // each share draws for each request, so that one does not shift the numbers of another
        let hits = self.shares.iter_mut().map(|(share, fault, random)| (random.f64() < *share, &*fault));
        hits.fold(None, |found, (hit, fault)| found.or_else(|| hit.then(|| fault.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_requests_meet_their_faults_in_order_and_then_no_more() {
        let mut script = Script::default();
        script.add_next(2, Fault::Reset);
        script.add_next(0, Fault::NotHttp);
        script.add_next(1, Fault::Status(503));
        let drawn: Vec<_> = (0..4).map(|_| script.draw()).collect();
        assert_eq!(drawn, [Some(Fault::Reset), Some(Fault::Reset), Some(Fault::Status(503)), None]);
    }

    #[test]
    fn a_share_is_the_same_for_the_same_seed() {
        let draw = |seed| {
            let mut script = Script::default();
            script.add_share(0.3, Fault::Reset, seed);
            (0..1000).map(|_| script.draw().is_some()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let hits = draw(7).into_iter().filter(|hit| *hit).count();
        assert!((250..350).contains(&hits), "{hits}");
    }
}
